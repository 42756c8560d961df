"""Sellers that a brand has authorised, and which listings are theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from ..errors import InputError
from ..types import Listing, Seller, composed
from ..types.fields import folded

__all__ = ["Authorised", "is_authorised", "may_be_authorised", "pairs", "stranger"]

Authorised: TypeAlias = "Seller | str | tuple[str | None, Seller | str]"
"""A seller that a brand has authorised: (platform, the platform's verified id), or an id where no platform is named. A
:class:`~counterfeit_vision.types.Seller` tells an id and what the shop is called.
"""


def is_authorised(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> bool:
    """By platform, however its name is typed, and by the id that it has verified, letter for letter, as :func:`pairs`
    gives them: a seller's name proves nothing.
    """
    platform = None if listing.platform is None else folded(listing.platform)
    return isinstance(listing.seller, Seller) and (platform, composed(listing.seller.id)) in authorised


def may_be_authorised(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> bool:
    """Whether the seller has an authorised id, and either that or the listing names no platform."""
    ids = {verified for platform, verified in authorised if platform is None or listing.platform is None}
    return isinstance(listing.seller, Seller) and composed(listing.seller.id) in ids


def stranger(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> str:
    """What is known of a seller that is not :func:`is_authorised`."""
    if not isinstance(listing.seller, Seller):
        return "the seller is not named"
    if (None, composed(listing.seller.id)) in authorised:
        return "the seller, whose authorised id names no platform, is not known to be authorised"
    if listing.platform is None:
        return "the seller, on a platform that is not named, is not known to be authorised"
    return "the seller is not an authorised one"


def pairs(sellers: Iterable[Authorised]) -> frozenset[tuple[str | None, str]]:
    """(platform, verified id) of authorised sellers; the platform is ``None`` where none was named.
    Takes what it gives, too.

    >>> sorted(pairs([("bazaar", "brand-store")])), pairs(["brand-store"])
    ([('bazaar', 'brand-store')], frozenset({(None, 'brand-store')}))
    """
    two_texts = isinstance(sellers, tuple) and [type(one) for one in sellers] == [str, str]  # a pair, or two ids?
    listed = isinstance(sellers, Iterable) and not hasattr(sellers, "columns")  # a table's items are its columns' names
    if isinstance(sellers, str | Seller | Mapping) or two_texts or not listed:
        raise InputError(
            f"authorised={sellers!r:.80}: need a list, such as [('bazaar', 'brand-store')] or ['brand-store']"
        )
    found: set[tuple[str | None, str]] = set()
    for seller in sellers:
        platform, one = None, seller
        if isinstance(seller, tuple | list) and len(seller) == 2:  # JSON gives lists
            platform, one = seller
        verified = one.id if isinstance(one, Seller) else one
        texts = (verified,) if platform is None else (platform, verified)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise InputError(f"authorised={seller!r}: need (platform, the platform's verified id), two texts, or an id")
        found.add((None if platform is None else folded(platform), composed(str(verified))))
    return frozenset(found)
