"""The claim that a seller is named like one that the brand has authorised, and is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..decision.authorised import Authorised, is_authorised, may_be_authorised, pairs
from ..types import Evidence, Seller, composed
from ..types.wording import quoted
from .confusables import likeness
from .suspects import Suspects

__all__ = ["SellerName"]

ALIKE = 0.75  # of 1, from which on a name is said to be like another: one letter in four is another


class SellerName:
    """How much a seller that is not authorised is named like one that is, or like the brand.

    ``authorised`` are the brand's own shop and its dealers, as :class:`~counterfeit_vision.Inspector` takes them: only
    the platform and the id that it has verified make a seller one of them, whatever its display name says. ``score`` =
    the largest :func:`~counterfeit_vision.heads.confusables.likeness` of the display name (the id, where there is
    none) with theirs and the brand's, 0..1; 0 for an authorised seller. It does not apply where the id is an
    authorised one and just one of the two names a platform.
    """

    name = "seller"

    def __init__(self, authorised: Iterable[Authorised]) -> None:
        given = list(authorised) if isinstance(authorised, Iterator) else authorised
        self.authorised = pairs(given)
        sellers = [one[1] if isinstance(one, tuple | list) else one for one in given]
        self.names = [_called(one) if isinstance(one, Seller) else composed(one) for one in sellers]

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._one(suspects, row) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        listing = suspects.listings[row]
        if not isinstance(listing.seller, Seller):
            return Evidence.not_applicable("The listing names no seller.")
        called = _called(listing.seller)
        told = f"{quoted(called)} ({quoted(listing.seller.id)})"
        if is_authorised(listing, self.authorised):
            return Evidence(score=0.0, text=f"The seller {told} is authorised.")
        if may_be_authorised(listing, self.authorised):
            silent = "listing" if listing.platform is None else "authorised id"
            return Evidence.not_applicable(f"The {silent} names no platform, and the seller {told} may be authorised.")
        brand = listing.brand or suspects.catalog.references[suspects.nearest(row)].brand
        names = {brand: "the brand", **dict.fromkeys(self.names, "an authorised seller")}
        alike = {name: likeness(called, name) for name in names}
        nearest = max(alike, key=alike.__getitem__)
        like, by = ("its name is like", "by") if alike[nearest] >= ALIKE else ("the likeness of its name to", "is")
        return Evidence(
            score=alike[nearest],
            text=f"The seller {told} is not authorised; {like} {quoted(nearest)}, {names[nearest]}, {by} "
            f"{alike[nearest]:.2f} of 1.",
        )


def _called(seller: Seller) -> str:
    return seller.name or seller.id
