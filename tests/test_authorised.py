"""Which sellers a brand has authorised."""

from __future__ import annotations

import pytest

from counterfeit_vision.decision.authorised import is_authorised, pairs
from counterfeit_vision.errors import InputError
from counterfeit_vision.types import Listing, Seller


def listing(seller: str, platform: str | None = None) -> Listing:
    return Listing(id="x", photos=["p"], seller=seller, platform=platform)


def test_an_authorised_seller_is_known_however_its_accents_are_written() -> None:
    typed, written = "Caf\u00e9", "Cafe\u0301"
    assert is_authorised(listing(written, typed), pairs([(written, typed)]))
    assert is_authorised(listing(written), pairs([typed]))
    assert not is_authorised(listing(written), pairs(["Cafe"]))


def test_a_platform_is_known_however_it_is_typed_and_an_id_by_its_letters_alone() -> None:
    assert is_authorised(listing("store-1", " Bazaar"), pairs([("bazaar", "store-1")]))
    assert not is_authorised(listing("Store-1", "bazaar"), pairs([("bazaar", "store-1")]))
    with pytest.raises(InputError, match="need a list, such as"):
        pairs({"bazaar": "store-1"})  # type: ignore[arg-type]


def test_authorised_sellers_are_taken_as_pairs_sellers_or_ids() -> None:
    assert pairs([("b", "2"), Seller("z"), ("a", "9"), "k"]) == {(None, "k"), (None, "z"), ("a", "9"), ("b", "2")}
    assert pairs([("Bazaar", Seller("7", "Own Shop"))]) == {("bazaar", "7")}
    for wrong in (("bazaar", ""), ("bazaar",), 12345, None, ""):
        with pytest.raises(InputError, match="need \\(platform"):
            pairs([wrong])  # type: ignore[list-item]
    table = type("Table", (list,), {"columns": ("platform", "id")})(["platform", "id"])
    for one in ("brand-store", ("bazaar", "brand-store"), Seller("brand-store"), table):
        with pytest.raises(InputError, match="need a list"):
            pairs(one)  # type: ignore[arg-type]
    assert pairs([["bazaar", "brand-store"]]) == pairs([("bazaar", "brand-store")])  # type: ignore[list-item]
    given = pairs([("Bazaar", "brand-store"), "own-shop"])
    assert pairs(given) == given == {("bazaar", "brand-store"), (None, "own-shop")}
    with pytest.raises(InputError, match="need \\(platform"):
        pairs([(None, "")])


def test_a_seller_without_an_id_is_no_authorised_one() -> None:
    with pytest.raises(InputError, match="authorised="):
        pairs([Seller("", name="Brand")])
