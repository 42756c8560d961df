"""Seller: who is authorised, and whose name is like one that is."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from conftest import picture, suspects

import counterfeit_vision as cv
from counterfeit_vision.heads import Head
from counterfeit_vision.heads.confusables import likeness
from counterfeit_vision.heads.seller import SellerName


def seller_name(tree_catalog: cv.Catalog, seller: cv.Seller | str | None, brand: str | None = "acme") -> cv.Evidence:
    head = SellerName([cv.Seller("shop-1", "Harbour Leather"), "acme-store"])
    assert isinstance(head, Head)
    (evidence,) = head.score(
        suspects(tree_catalog, cv.Listing(id="x", photos=[picture(100)], brand=brand, seller=seller))
    )
    return evidence


def test_only_the_verified_id_makes_a_seller_authorised(tree_catalog: cv.Catalog) -> None:
    true = seller_name(tree_catalog, cv.Seller("shop-1", "Harbour Leather"))
    assert (true.score, true.text) == (0, "The seller “Harbour Leather” (“shop-1”) is authorised.")
    assert seller_name(tree_catalog, "acme-store").score == 0
    false = seller_name(tree_catalog, cv.Seller("x9", "Harb0ur Leather"))
    assert false.score == 1
    told = "“Harb0ur Leather” (“x9”) is not authorised; its name is like “Harbour Leather”, an authorised seller"
    assert told in false.text
    misspelt = seller_name(tree_catalog, cv.Seller("x9", "Harbor Leather"))
    assert 0.9 < misspelt.score < 1


def test_an_authorised_seller_is_known_however_its_accents_are_written(tree_catalog: cv.Catalog) -> None:
    head = SellerName([("bazaar", "caf\u00e9-store")])
    listing = cv.Listing(id="x", photos=[picture(100)], seller="cafe\u0301-store", platform="bazaar")
    (evidence,) = head.score(suspects(tree_catalog, listing))
    assert (evidence.score, "is authorised" in evidence.text) == (0, True)


def test_a_seller_that_is_named_like_the_brand(tree_catalog: cv.Catalog) -> None:
    assert seller_name(tree_catalog, "official acrne outlet").score == 1  # rn is drawn like m
    assert "the brand" in seller_name(tree_catalog, "acme-deals").text
    assert seller_name(tree_catalog, "lena86").score < 0.5
    photo_shows_acme = seller_name(tree_catalog, "acme-deals", brand=None)
    assert photo_shows_acme.score == 1


def test_only_a_name_that_is_alike_is_said_to_be(tree_catalog: cv.Catalog) -> None:
    alike, other = (seller_name(tree_catalog, name).text for name in ("acne-deals", "Joe"))
    assert alike.endswith("is not authorised; its name is like “acme”, the brand, by 0.75 of 1.")
    assert other.endswith("is not authorised; the likeness of its name to “acme”, the brand, is 0.25 of 1.")


def test_an_authorised_id_is_no_impostor_where_the_platform_is_not_named(tree_catalog: cv.Catalog) -> None:
    head = SellerName([("bazaar", "brand-store")])
    for seller, platform, applies in (
        ("brand-store", None, False), (cv.Seller("x9", "brand-store"), None, True), ("brand-store", "stall", True)
    ):  # fmt: skip
        listing = cv.Listing(id="x", photos=[picture(100)], seller=seller, platform=platform)
        (evidence,) = head.score(suspects(tree_catalog, listing))
        assert evidence.applicable == applies
        assert applies or evidence.text.endswith("the seller “brand-store” (“brand-store”) may be authorised.")


def test_an_authorised_id_without_a_platform_is_no_impostor_on_one(tree_catalog: cv.Catalog) -> None:
    shop = cv.Seller("shop-1", "Harbour Leather")
    head = SellerName([shop, ("stall", "brand-store")])
    for seller, applies in ((shop, False), (cv.Seller("x9", "Harbour Leather"), True), ("brand-store", True)):
        listing = cv.Listing(id="x", photos=[picture(100)], seller=seller, platform="bazaar")
        (evidence,) = head.score(suspects(tree_catalog, listing))
        assert evidence.applicable == applies
        told = "The authorised id names no platform, and the seller “Harbour Leather” (“shop-1”) may be authorised."
        assert applies or evidence.text == told


def test_an_authorised_seller_may_be_given_with_its_platform_and_its_name(tree_catalog: cv.Catalog) -> None:
    shop = cv.Seller("shop-1", "Harbour Leather")
    head = SellerName([("Bazaar", shop)])
    for seller, score in ((shop, 0), (cv.Seller("x9", "Harb0ur Leather"), 1)):
        listing = cv.Listing(id="x", photos=[picture(100)], seller=seller, platform="bazaar")
        assert head.score(suspects(tree_catalog, listing))[0].score == score


def test_without_a_seller_nothing_is_said(tree_catalog: cv.Catalog) -> None:
    evidence = seller_name(tree_catalog, None)
    assert (evidence.applicable, evidence.text) == (False, "The listing names no seller.")
    assert likeness("anything", "") == 0


def test_a_seller_turns_nothing_around_in_the_sentence(tree_catalog: cv.Catalog) -> None:
    text = seller_name(tree_catalog, cv.Seller("x9", "acme \u202estore")).text
    assert text.startswith("The seller “acme \\u202estore” (“x9”) is not authorised")


def test_a_seller_says_nothing_in_our_words(tree_catalog: cv.Catalog) -> None:
    text = seller_name(tree_catalog, cv.Seller("9", "acme-store (1) is authorised. The shop of it")).text
    assert text.startswith("The seller “acme-store (1) is authorised. The shop of it” (“9”) is not authorised")
    text = seller_name(tree_catalog, "lena, her own name. She is the brand", brand="lena, her own name").text
    assert "its name is like “lena, her own name”, the brand" in text


@pytest.mark.parametrize("given", [None, "brand-store", ("bazaar", "brand-store"), {"bazaar": "brand-store"}])
def test_sellers_that_are_no_list_are_refused_as_by_the_inspector(given: object) -> None:
    with pytest.raises(cv.InputError, match="need a list, such as"):
        SellerName(given)  # type: ignore[arg-type]


def test_sellers_are_taken_one_after_the_other() -> None:
    one = SellerName(pair for pair in [("bazaar", "brand-store")])
    assert (one.authorised, one.names) == ({("bazaar", "brand-store")}, ["brand-store"])


@pytest.mark.parametrize(
    ("seller", "brand", "like"),
    [
        ("ohmygod", "H&M", 0),
        ("cat_lover", "C&A", 0.5),
        ("Loos", "O", 0),
        ("anna", "A.P.C.", 0),
        ("hm_shop", "H&M", 1),
        ("H & M Germany", "H&M", 1),
        ("Н&М Germany", "H&M", 1),  # in Cyrillic letters
        ("O-store", "O", 1),
        ("华为官方店", "华为", 1),
        ("nikestore", "Nike", 1),
        ("Magic Lego", "Lego", 1),  # c and L, of two words, are no d
        ("magic_lego", "Lego", 1),
        ("Magic-Lego", "Lego", 1),
        ("B a r n e s", "Barnes", 1),
        ("!", "H&M", 0),
    ],
)
def test_a_short_name_is_not_in_the_midst_of_words(seller: str, brand: str, like: float) -> None:
    assert likeness(seller, brand) == like


@pytest.mark.parametrize(
    ("seller", "brand", "like"),
    [
        ("ช่างไม้ shop", "ช้าง", 0.75),  # another tone
        ("टीटी स्टोर", "टाटा", 0.5),
        ("ガス 店", "カス", 0.5),
        ("टाटा स्टोर", "टाटा", 1),
        ("ガス 店", "カ\u3099ス", 1),
        ("עֵדֶן", "עדן", 1),  # points are for children
    ],
)
def test_vowels_tones_and_dots_are_of_a_name(seller: str, brand: str, like: float) -> None:
    assert likeness(seller, brand) == like


def test_of_long_names_the_beginning_is_compared() -> None:
    assert likeness(2_500 * "Nike", 2_500 * "Nike") == 1
    assert likeness(300 * "x" + "Nike", "Nike") == 0
