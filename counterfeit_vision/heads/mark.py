"""Whether the photo shows the marks of the product that it is said to show, and the genuine ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..marks.finding import FOUND, Found
from ..marks.stencil import Stencil
from ..products.marks import GoodsMarks
from ..types import Evidence, Region
from .laid_over import no_mark, no_mark_but_elsewhere
from .suspects import Suspects

__all__ = ["Mark"]

CERTAIN = 0.97  # correlation with the genuine marks beyond which more says nothing


class Mark:
    """How unlike the genuine marks the found ones are: ``score`` = 1 - correlation, light taken out, or that of their
    edges where the marks are a relief. It is the mean of two: of all marks together, as they lie to each other, and of
    each by itself, as closely as the photo shows it, the small ones counting as much as the large. One mark that is
    least alike does not count by itself: hands cover small ones.

    Where no photo of a listing shows the marks, the score is 1, and more where what surrounds them on the goods was
    found: 1 + its correlation with the genuine surroundings. How much that says depends on how often genuine photos
    lack the marks: a photo may show the back, or a hand that hides them and what surrounds them. A relief's edges are
    faint: the nearer to found marks they are, the less is missing, and the score has no step there.

    The ``region`` is where the marks are, or the one in whose place something else lies, if the photo shows all of that
    place; or, where all are missing, the place amid surroundings that are as alike as found marks are. Either way the
    product is known.
    """

    name = "mark"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        goods = suspects.goods(row)
        found = suspects.mark_of(row, goods)
        if isinstance(found, str):
            if why := suspects.shown_elsewhere(row):
                first = suspects.catalog.references[int(suspects.marks_of(goods).shown_by[0])].id
                return replace(no_mark_but_elsewhere(found, why), references=(first,))  # its marks were looked for
            if not suspects.lacks_mark(row):
                return no_mark(found)
            return self._lacking(suspects, row, found)
        least, place = min(zip(found.likenesses, found.regions, strict=True), key=lambda one: one[0])
        known = suspects.version_of(row, goods)
        steps, grain = (0.0, 0.0) if known.ground is None else known.ground.beside(found)
        laid, each = suspects.alone(row), [found.likeness]
        if len(laid) > 1:
            pairs = zip(laid, found.likenesses, strict=True)
            each = [together if one is None else one.likeness for one, together in pairs]
        how = "correlation of edges" if _is_relief(known) else "correlation"
        by_itself = f" together, {np.mean(each):.2f} each by itself" if len(each) > 1 else ""
        text = f"The marks of {suspects.product_of(goods)} are on the photo ({how} {found.likeness:.2f}{by_itself})"
        if least < FOUND:
            text += f", but for one: what lies in its place is not like it ({least:.2f})"
        return Evidence(
            score=1 - (min(found.likeness, CERTAIN) + float(np.minimum(each, CERTAIN).mean())) / 2,
            text=f"{text}.",
            region=place if least < FOUND and _is_whole(place, suspects.size(row)) else found.region,
            references=(suspects.catalog.references[_most_alike(known, found)].id,),
            sharpness=None if known.sharpness is None else known.sharpness.beside(found),
            steps=steps,
            grain=grain,
        )

    def _lacking(self, suspects: Suspects, row: int, reason: str) -> Evidence:
        goods = suspects.goods(row)
        text = f"The marks of {suspects.product_of(goods)} were not found on the photo: {reason}."
        likeliest = suspects.place_of(row, goods)
        if isinstance(likeliest, str):
            return Evidence(score=1.0, text=text)
        relief, beside = _is_relief(suspects.marks_of(goods)), likeliest.beside
        there = max(likeliest.likeness / FOUND, 0.0) if relief else 0.0  # below 1: it was not found
        return Evidence(
            score=1 - FOUND * there + beside * (1 - there),
            text=f"{text[:-1]}; what surrounds it has one of {beside:.2f} with the catalogue's photos.",
            region=likeliest.region if beside >= FOUND else None,
        )


def _most_alike(known: GoodsMarks, found: Found) -> int:
    """Which of the catalogue's references has the marks that are most like those found."""
    return int(known.shown_by[known.stencil.most_alike(found) if isinstance(known.stencil, Stencil) else 0])


def _is_whole(place: Region, size: tuple[int, int]) -> bool:
    """Whether a place ends before the photo's edge: marks that are laid badly lie in a strip of bare ground there."""
    return place.x0 > 0 and place.y0 > 0 and place.x1 < size[0] and place.y1 < size[1]


def _is_relief(known: GoodsMarks) -> bool:
    return isinstance(known.stencil, Stencil) and known.stencil.relief
