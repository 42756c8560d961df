"""Whether a photo shows the product that the listing says it sells."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..encoders.batching import stack
from ..marks.finding import Found, is_found, likely_place
from ..types import Evidence, Region
from ..types.wording import quoted
from .suspects import Suspects

__all__ = ["Product"]

# Of the difference in how well a photo fits either's marks, and how much of it tells nothing: goods of a brand that
# bear one logo fit nearly alike. Chosen on cartons of grocery's training part, deals 1 and 2, where less of the one and
# more of the other find fewer of another product of the brand, and on seeds 0 and 1 of benchmarks/kinds.py, where the
# reverse takes genuine photos for odd. On deals 3 and 5, looked at later, 0.4 and 0.1 would find one more of 67
FITS = 0.5
ALIKE = 0.2
# Fit from which marks tell the claimed product: chosen there, too. On market 250 photos of other goods that bear its
# mark have 0.5 to 0.7
KNOWN = 1.1
# Of the smaller of two boxes, each around the marks of one product, that may be both's where a photo shows two. On
# printed goods 176 and 0 two share nothing, and the marks of one alone that fit both lie at one place
APART = 0.1
PIECES = 4  # of the rival beside the claimed one, that are covered one after the other
USUAL = 0.5  # of the margin between the references themselves that genuine photos share, on the market's seeds 0 to 3


class Product:
    """How much more a photo looks like another product than like the claimed one.

    ``score`` = similarity to the best reference of any other product - similarity to the best of the claimed one, less
    half of what that is for the claimed product's references among themselves: goods that come in several colours are
    like each other, and a bag's photos less like each other than a carton's. Where the listing names only a brand, the
    same for brands, and nothing is taken off.

    A photo that looks more like the other is laid over both, and half of the difference in how alike the marks and what
    surrounds them on the goods are is added, but for the first 0.2: goods that bear one logo fit nearly alike. So
    variants are told apart by what is printed beside it, and a dark photo of the claimed product, like any other by its
    looks, is known by its marks. That takes suspicion away only where the claimed product's fit well: its logo may be
    on other goods. And where its own marks are not found, those of another product of the brand add none: they may be
    the same. Where both's fit well, beside each other, the photo shows both, and that it looks more like the other says
    nothing. The ``region`` is where the marks of the other product were found, if they fit clearly better.
    """

    name = "product"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        catalog, found, listing = suspects.catalog, suspects.neighbours, suspects.listings[row]
        if listing.product is not None:
            what, typed, rows = "product", listing.product, catalog.claimed_by(listing)
            rows = rows if len(rows) else catalog.rows_of(product=typed)  # another brand makes it
        elif listing.brand is not None:
            what, typed, rows = "brand", listing.brand, catalog.rows_of(brand=listing.brand)
        else:
            return Evidence.not_applicable("The listing names no product and no brand.")
        if not len(rows):
            return Evidence.not_applicable(
                f"The catalogue holds no genuine photo of the claimed {what}, {quoted(typed)}."
            )
        same = set(catalog.goods[rows])
        goods, own = suspects.most_alike(row, rows)
        claimed = getattr(catalog.reference_of(goods), what)
        near = zip(found.rows[row], found.scores[row], strict=True)
        others = [(float(score), int(key)) for key, score in near if key >= 0 and catalog.goods[key] not in same]
        if not others:  # the claimed goods have many references: of the rest, the nearest
            rest = np.setdiff1d(np.flatnonzero(catalog.genuine), rows)
            if not len(rest):
                return Evidence.not_applicable(f"Every reference is of the claimed {what}, {claimed}.")
            photo = stack(suspects.encoded[row : row + 1], encoder=catalog.encoder)
            nearest = catalog.neighbours(photo, 1, allowed=rest)
            others = [(float(nearest.scores[0, 0]), int(nearest.rows[0, 0]))]
        other, rival = max(others, key=lambda pair: pair[0])
        reference, margin = catalog.references[rival], other - own
        name = getattr(reference, what)
        if what == "product" and reference.names[0] != catalog.reference_of(goods).names[0]:
            name = f"{name} of {reference.brand}"
        verb = "looks more like" if margin > 0 else "looks less like"
        usual = catalog.likeness.usual_margin(goods, str(catalog.goods[rival])) if what == "product" else 0.0
        leads = f"; among its genuine photos {claimed} leads by {-usual:.2f}" if usual < 0 else ""
        evidence = Evidence(
            score=margin - USUAL * usual,
            text=f"The photo {verb} {name} ({other:.2f}) than the claimed {claimed} ({own:.2f}){leads}.",
            references=(reference.id,),
        )
        if margin > 0:
            evidence = _laid_over_both(suspects, row, evidence, goods, str(catalog.goods[rival]))
        if what == "product" and listing.brand is not None and not len(catalog.claimed_by(listing)):
            made_by = f"{claimed} is a product of {catalog.reference_of(goods).brand}, not of {quoted(listing.brand)}."
            evidence = dataclasses.replace(evidence, text=f"{evidence.text} {made_by}")
        return evidence


def _laid_over_both(suspects: Suspects, row: int, evidence: Evidence, goods: str, rival: str) -> Evidence:
    """The evidence with what the marks say, where those of both goods are known."""
    if any(isinstance(suspects.marks_of(key).stencil, str) for key in (goods, rival)):
        return evidence
    claimed, place = suspects.place_of(row, goods), suspects.place_of(row, rival)
    own, other = _fits(suspects, row, goods, rival)
    one, two = (suspects.catalog.references[int(suspects.marks_of(key).rows[0])] for key in (goods, rival))
    if _shows_both(suspects, row, goods, rival):
        beside = two.product if two.brand == one.brand else f"{two.product} of {two.brand}"
        text = (
            f"The photo shows {one.product} and, beside it, {beside}: that it looks more like the other says nothing."
        )
        return Evidence.not_applicable(text)
    if other > own and not is_found(claimed) and one.brand == two.brand:
        return evidence
    more = f"; laid over both, it fits the marks and what surrounds them by {other:.2f} and by {own:.2f}, of 2"
    told = _told(own, other)
    return dataclasses.replace(
        evidence,
        score=evidence.score + FITS * told,
        text=f"{evidence.text[:-1]}{more}.",
        region=place.region if is_found(place) and told > 0 else None,
    )


def _told(own: float, other: float) -> float:
    """What the fit to the claimed product's marks and to another's says for the other, less than 0 against it.

    >>> [round(_told(own, other), 2) for own, other in ((0.5, 0.6), (0.5, 1.0), (1.5, 1.0), (0.6, 0.1))]
    [0.0, 0.3, -0.2, 0.0]
    """
    return max(other - own - ALIKE, 0.0) + min(max(other, KNOWN) - own + ALIKE, 0.0)


def _fits(suspects: Suspects, row: int, goods: str, rival: str) -> tuple[float, float]:
    """The :func:`_fit` to the claimed goods and to the rival, without the room: in a frame of marks their goods' edge
    tells most, and off-white is darker than the paper behind the genuine photos, lighter than a floor. Where nothing is
    drawn beside the claimed one's marks, either's marks count twice; where nothing is beside the rival's, its frame.
    """
    claimed, place = suspects.place_of(row, goods), suspects.place_of(row, rival)
    own, other = suspects.beside_marks(row, goods), suspects.beside_marks(row, rival)
    knows_room = suspects.catalog.tokens is not None
    if knows_room and own is None and not isinstance(claimed, str) and not isinstance(place, str):
        own, other = claimed.likeness, place.likeness
    return _fit(claimed, own), _fit(place, other)


def _fit(place: Found | str, beside: float | None = None) -> float:
    """How alike the marks and what surrounds them are, 0 to 2; 0 where nothing tells their place. What surrounds
    them is all of their frame, or what ``beside`` says, -1..1.
    """
    if isinstance(place, str):
        return 0.0
    return max(place.likeness, 0.0) + max(place.beside if beside is None else beside, 0.0)


def _shows_both(suspects: Suspects, row: int, goods: str, rival: str) -> bool:
    """Whether the marks of both goods fit, beside each other. Two pieces of the rival may fit so, too, one for each:
    where the first is covered, its marks fit the other about as well as the claimed one's do.
    """
    claimed, place = suspects.place_of(row, goods), suspects.place_of(row, rival)
    stencil = suspects.marks_of(rival).stencil
    if isinstance(stencil, str) or not is_found(claimed) or not is_found(place):
        return False
    if min(_fit(claimed), _fit(place)) < KNOWN or not _apart(claimed.region, place.region):
        return False
    photo = suspects.pixels(row).copy()
    for _ in range(PIECES):
        x0, y0, x1, y1 = (max(int(side), 0) for side in place.region.to_list())
        photo[y0:y1, x0:x1] = 127
        again = likely_place(stencil, photo)
        if isinstance(again, str) or _fit(again) < _fit(claimed) - ALIKE:
            return True
        if not _apart(again.region, claimed.region):
            return False
        place = again
    return False


def _apart(one: Region, other: Region) -> bool:
    return one.shared_with(other) <= APART * min(one.area, other.area)
