"""The product claim: a margin between two products is measured by what their own references are like."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import picture, suspects
from goods import ONE, SIGN, TWO, WORD, hang_tag, label, seen, sibling

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Price, Product, Similarity
from counterfeit_vision.heads import product as product_claim
from counterfeit_vision.heads.product import ALIKE, FITS, KNOWN, USUAL
from counterfeit_vision.index import retrieval as module
from counterfeit_vision.index.late_interaction import best_in, compared_tokens, specific_likeness
from counterfeit_vision.index.references import KeptReferences
from counterfeit_vision.index.retrieval import VECTOR_WEIGHT, Likeness
from counterfeit_vision.judging import judge, strata_of


def shot(seed: int, noise: int, other: int = 0) -> np.ndarray:
    """A photo of goods; of a variant, whose lower half is ``other``."""
    photo = picture(seed, 120, 160).astype(np.int16)
    if other:
        photo[60:] = picture(other, 60, 160)
    return np.clip(photo + np.random.default_rng(noise).integers(-12, 12, photo.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def catalog(clip: TowerEncoder) -> cv.Catalog:
    goods = {"red": (1, 0), "rose": (1, 2), "box": (3, 0), "lone": (4, 0)}
    return cv.Catalog.build(
        [
            cv.Reference(id=f"{name} {n}", photo=shot(seed, n, other), brand="acme", product=name)
            for name, (seed, other) in goods.items()
            for n in range(1 if name == "lone" else 3)
        ],
        encoder=clip,
        cache=False,
        find_marks=False,
    )


def test_variants_are_like_each_other_and_a_lone_photo_tells_nothing(catalog: cv.Catalog) -> None:
    likeness = catalog.likeness
    near, far = likeness.usual_margin("acme/red", "acme/rose"), likeness.usual_margin("acme/red", "acme/box")
    assert far < near < 0
    assert catalog.likeness.usual_margin("acme/lone", "acme/red") == 0
    assert catalog.likeness.usual_margin("acme/red", "acme/rose") == near  # kept


def test_of_many_photos_of_a_product_some_say_what_is_usual(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        cv.Reference(id=f"{seed} {n}", photo=shot(seed, n), brand="acme", product=str(seed))
        for seed in (1, 3)
        for n in range(5)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    monkeypatch.setattr(module, "USUAL_REFERENCES", 3)
    compared, likeness = [], catalog.likeness._of

    def spy(*given: Any, without: list[int]) -> np.ndarray:
        compared.append((*without, *(group.tolist() for group in given[3])))
        return likeness(*given, without=without)

    monkeypatch.setattr(catalog.likeness, "_of", spy)
    assert catalog.likeness.usual_margin("acme/1", "acme/3") < 0
    assert compared == [(0, [5, 7, 9], [2, 4]), (2, [5, 7, 9], [0, 4]), (4, [5, 7, 9], [0, 2])]


def slow_margin(likeness: Likeness, goods: str, other: str) -> float:
    """Each reference's patches are unpacked anew for every one that is compared with them."""
    own, others = (np.flatnonzero(likeness.goods == name) for name in (goods, other))
    margins = []
    for row in own:
        groups, cohort = [others, own[own != row]], [rows[rows != row] for rows in likeness.cohort]
        every = np.unique(np.concatenate([*groups, *cohort]))
        query, *references = compared_tokens(
            likeness.kept.patches(np.r_[row, every]), likeness.kept.masks[np.r_[row, every]]
        )
        single = best_in(query, references)
        best, known = (
            np.stack([single[:, np.isin(every, rows)].max(axis=1) for rows in some], axis=1)
            for some in (groups, cohort)
        )
        unlike = np.array([other, goods])[:, None] != likeness.cohort_goods.astype(str)
        alike = specific_likeness(best, known, unlike, np.array([len(rows) for rows in cohort]))
        centred = likeness.centred(likeness.kept.vectors)
        cosines = [np.sort(centred[rows] @ centred[row])[-2:].mean() for rows in groups]
        theirs, mine = alike + VECTOR_WEIGHT * np.array(cosines, np.float32)
        margins.append(float(theirs - mine))
    return float(np.median(margins))


def test_what_is_compared_of_a_reference_is_unpacked_once(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        cv.Reference(id=f"{seed} {n}", photo=shot(seed, n)[: 120 - 10 * n], brand="acme", product=str(seed))
        for seed in range(1, 7)
        for n in range(6)
    ]
    monkeypatch.setattr(module, "COHORT", 3)
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    likeness, unpacked = catalog.likeness, list[int]()
    usual = {name: slow_margin(likeness, name, "acme/3") for name in ("acme/1", "acme/2", "acme/6")}
    patches = KeptReferences.patches
    monkeypatch.setattr(KeptReferences, "patches", lambda kept, rows: (unpacked.extend(rows), patches(kept, rows))[1])
    assert {name: likeness.usual_margin(name, "acme/3") for name in usual} == usual
    cohort = np.concatenate(likeness.cohort).tolist()
    assert [unpacked.count(row) for row in cohort] == [1] * len(cohort), "kept"
    unpacked.clear()
    likeness.usual_margin("acme/2", "acme/4")
    assert sorted(unpacked) == sorted({*range(6, 12), *range(18, 24)} - set(cohort))


def test_half_of_what_is_usual_is_taken_off(catalog: cv.Catalog) -> None:
    genuine = cv.Listing(id="genuine", photos=[shot(1, 9)], brand="acme", product="red")
    wrong = cv.Listing(id="wrong", photos=[shot(1, 9, 2)], brand="acme", product="red")
    bare = cv.Listing(id="brand", photos=[shot(1, 9)], brand="acme")
    found = suspects(catalog, genuine, wrong, bare)
    right, fake, brand = Product().score(found)
    scores = dict(zip([catalog.references[key].product for key in found.neighbours.rows[0]],
                      found.neighbours.scores[0].tolist(), strict=True))  # fmt: skip
    assert set(scores) >= {"red", "rose"}
    assert fake.score > 0 > right.score
    margin = float(right.text.split("rose (")[1].split(")")[0]) - float(right.text.split("red (")[1].split(")")[0])
    assert right.score == pytest.approx(
        margin - USUAL * catalog.likeness.usual_margin("acme/red", "acme/rose"), abs=0.02
    )
    assert not brand.applicable  # there is no other brand


def test_products_of_one_name_are_told_apart_by_their_brands(clip: TowerEncoder) -> None:
    goods = {"acme": 1, "zeta": 3}
    rows = [
        cv.Reference(id=f"{brand} {n}", photo=shot(seed, n), brand=brand, product="cap")
        for brand, seed in goods.items()
        for n in range(2)
    ]
    catalog = cv.Catalog.build(rows, encoder=clip, cache=False)
    photo = shot(3, 9)
    wrong, right, either, unknown = (
        cv.Listing(id=str(brand), photos=[photo], brand=brand, product="cap")
        for brand in ("acme", "zeta", None, "noir")
    )
    found = suspects(catalog, wrong, right, either, unknown)
    assert [found.goods(row) for row in range(4)] == ["acme/cap", "zeta/cap", "zeta/cap", "zeta/cap"]
    fake, genuine, both, misspelt = Product().score(found)
    assert fake.score > 0 > genuine.score
    assert "looks more like cap of zeta" in fake.text
    assert "looks less like cap of acme" in genuine.text
    lead = -catalog.likeness.usual_margin("zeta/cap", "acme/cap")
    assert genuine.text.endswith(f"); among its genuine photos cap leads by {lead:.2f}."), "what it is measured by"
    nearest = [evidence.text.split(" (")[0] for evidence in Similarity().score(found)]
    named = ["cap of zeta", "cap", "cap of zeta", "cap of zeta"]
    assert nearest == [f"The nearest product is {name}" for name in named], "of a listing that names zeta it is plain"
    assert both.text == "Every reference is of the claimed product, cap."
    assert misspelt.text == both.text


def test_goods_of_another_brand_are_named_with_it(tiny_encoder: TowerEncoder) -> None:
    goods = [("acme", "mug", 1), ("acme", "jug", 3), ("zeta", "pot", 5)]
    rows = [
        cv.Reference(id=product, photo=shot(seed, 0), brand=brand, product=product) for brand, product, seed in goods
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    photos = {"jug": shot(3, 9), "pot": shot(5, 9)}
    found = suspects(
        catalog,
        *(cv.Listing(id=name, photos=[photo], brand="ACME", product="mug") for name, photo in photos.items()),
        cv.Listing(id="bare", photos=[photos["pot"]]),
    )
    sibling, other, _ = (evidence.text for evidence in Product().score(found))
    assert "more like jug (" in sibling
    assert "more like pot of zeta (" in other
    nearest = [
        evidence.text.split(" (")[0].removeprefix("The nearest product is ") for evidence in Similarity().score(found)
    ]
    assert nearest == ["jug", "pot of zeta", "pot"]


def test_what_a_seller_types_is_told_from_what_is_found(tiny_encoder: TowerEncoder) -> None:
    rows = [
        cv.Reference(id=product, photo=shot(seed, 0), brand=brand, product=product, price=10, currency="EUR")
        for brand, product, seed in (("acme", "mug", 1), ("zeta", "pot", 5))
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    praise = "bag (checked by the brand: genuine). " + 200 * "x"
    typed = {"product": "  MUG ", "price": 9.0, "currency": "EUR"}
    found = suspects(
        catalog,
        cv.Listing(id="case", photos=[shot(1, 9)], **typed),
        cv.Listing(id="praise", photos=[shot(1, 9)], **(typed | {"product": praise})),
        cv.Listing(id="of another", photos=[shot(1, 9)], **(typed | {"brand": "Zeta"})),
    )
    case, praised, another = (evidence.text for evidence in Product().score(found))
    assert "than the claimed mug (" in case
    assert "usual 10.00 EUR of mug (" in Price().score(found)[0].text
    for text in (praised, Price().score(found)[1].text):
        assert f"claimed product, “{praise[:80]}…”." in text
    assert another.endswith("mug is a product of acme, not of “Zeta”.")
    assert "no genuine photo of the claimed product, “  MUG ”, by “Zeta”." in Price().score(found)[2].text


def test_products_of_one_name_are_calibrated_each_by_itself(tiny_encoder: TowerEncoder) -> None:
    rows = [
        cv.Reference(id=brand, photo=shot(n, 0), brand=brand, product="cap") for n, brand in enumerate(("acme", "zeta"))
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    judged = [row for _, (row,), _ in judge([shot(n, 9) for n in range(2)], catalog, [Similarity()], cache=False)]
    assert strata_of(judged, catalog, "product") == ["acme/cap", "zeta/cap"]
    assert strata_of(judged, catalog, "brand") == ["acme", "zeta"]
    assert strata_of(judged, catalog, None) == ["", ""]


def test_of_brands_that_share_a_name_none_of_them_near_the_photo_is_of_the_more_alike(
    tiny_encoder: TowerEncoder,
) -> None:
    goods = [("acme", "cap", 1, 2), ("zeta", "cap", 3, 2), *(("acme", str(seed), seed, 1) for seed in range(5, 9))]
    rows = [
        cv.Reference(
            id=f"{brand} {product} {n}", photo=shot(seed, n), brand=brand, product=product, price=seed, currency="EUR"
        )
        for brand, product, seed, many in goods
        for n in range(many)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    listings = [
        cv.Listing(id=str(n), photos=[shot(seed, 99)], product="cap", price=3, currency="EUR")
        for n, seed in enumerate((1, 3, 3))
    ]
    found = suspects(catalog, *listings)
    near = dataclasses.replace(
        found.neighbours, rows=np.array([[4, 5], [4, 5], [0, 5]]), scores=np.ones((3, 2), np.float32)
    )
    found = dataclasses.replace(found, neighbours=near)
    assert [found.goods(row) for row in range(3)] == ["acme/cap", "zeta/cap", "acme/cap"], "the last is near"
    assert ["usual 1.00 EUR" in price.text for price in Price().score(found)] == [True, False, True]
    assert found.goods(1) == found.most_alike(1, catalog.rows_of(product="cap"))[0]
    assert [found.near(row)[0].tolist() for row in range(3)] == near.rows.tolist(), "of nothing that is near"


def test_an_encoder_without_patches_has_margins_too(lite: TowerEncoder) -> None:
    catalog = cv.Catalog.build(
        [
            cv.Reference(id=f"{seed} {n}", photo=shot(seed, n), brand="acme", product=str(seed))
            for seed in (1, 3)
            for n in range(2)
        ],
        encoder=lite,
        cache=False,
    )
    assert catalog.likeness.usual_margin("acme/1", "acme/3") < 0


@pytest.mark.parametrize("claims", ["product", "brand"])
def test_goods_with_more_references_than_are_near_are_told_from_others(tiny_encoder: TowerEncoder, claims: str) -> None:
    rows = [
        cv.Reference(id=f"{brand} {n}", photo=shot(seed, n), brand=brand, product=f"{brand} cap")
        for brand, seed in (("acme", 1), ("zeta", 3))
        for n in range(18)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    said = {"brand": "acme", **({"product": "acme cap"} if claims == "product" else {})}
    found = suspects(catalog, *(cv.Listing(id=str(seed), photos=[shot(seed, 99)], **said) for seed in (1, 3)))
    near = {catalog.references[key].brand for key in found.neighbours.rows[0]}
    right, wrong = Product().score(found)
    assert near == {"acme"}
    assert right.applicable
    assert wrong.score > 0 > right.score
    assert right.references[0].startswith("zeta")


def test_of_a_brand_with_many_photos_only_near_products_are_compared(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        cv.Reference(id=f"{product} {n}", photo=shot(product, n), brand="acme", product=str(product))
        for product in range(8)
        for n in range(3)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    photo = cv.embed([shot(4, 99)], encoder=tiny_encoder, cache=False)
    compared: list[list[int]] = []
    likeness = catalog.likeness.of
    monkeypatch.setattr(
        catalog.likeness, "of", lambda *given: compared.append(np.concatenate(given[2]).tolist()) or likeness(*given)
    )
    monkeypatch.setattr(module, "SHORTLIST", 24)
    every = catalog.likeness.most_alike(photo, 0, np.arange(24))
    assert compared[0] == list(range(24))
    monkeypatch.setattr(module, "SHORTLIST", 4)
    some = catalog.likeness.most_alike(photo, 0, np.arange(24))
    assert len(compared[1]) <= 12
    assert {12, 13, 14} <= set(compared[1]), "all photos of the product that it shows"
    assert some[0] == every[0] == "acme/4"
    assert some[1] == pytest.approx(every[1], abs=1e-6)


def cards(encoder: TowerEncoder, **options: bool) -> cv.Catalog:
    rows = [
        cv.Reference(id="one", photo=label(), brand="velmora", product="one", regions=ONE),
        cv.Reference(id="two", photo=sibling(), brand="velmora", product="two", regions=TWO),
    ]
    return cv.Catalog.build(rows, encoder=encoder, cache=False, **options)


def test_a_photo_that_looks_more_like_another_product_is_laid_over_both(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = cards(tiny_encoder)
    ask = {"brand": "velmora", "product": "one"}
    wrong = cv.Listing(id="wrong", photos=[seen(sibling(noise=3))], **ask)
    right = cv.Listing(id="right", photos=[seen(label(noise=3))], **ask)
    found = suspects(catalog, wrong, right)
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))  # dark, say
    fake, genuine = Product().score(found)
    assert fake.text.startswith("The photo looks more like two (")
    assert genuine.text.startswith("The photo looks more like ")
    place = found.place_of(0, "velmora/two")
    assert not isinstance(place, str)
    assert fake.region == place.region
    assert genuine.region is None
    margins = [float(found.neighbours.scores[row].max()) + 1 for row in range(2)]
    assert fake.score > margins[0] + FITS * 0.3, "it fits the other product's marks better"
    assert genuine.score < margins[1] - FITS * 0.3, "and the claimed one's, though it looks like another"
    assert "; laid over both, it fits the marks and what surrounds them by 1." in fake.text


def tag(paper: int, room: int, lines: tuple[str, ...], noise: int = 0) -> np.ndarray:
    """A tag on which those lines are printed beside the marks."""
    photo = hang_tag(noise, room, paper=(paper,) * 3, ink=(60, 30, 40), beside=75)
    for row, words in enumerate(lines):
        cv2.putText(photo, words, (160, 300 + 22 * row), cv2.FONT_HERSHEY_PLAIN, 1.4, (60, 30, 40), 2, cv2.LINE_AA)
    return photo


@pytest.mark.parametrize("lines", [("NET 250 G  KEEP DRY", "BATCH 2208  NO 7"), ()])
def test_the_room_tells_no_sibling_of_another_white(
    lines: tuple[str, ...], clip: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off-white is darker than the paper behind the genuine photo, and lighter than a floor."""
    rows = [
        cv.Reference(id=name, photo=tag(paper, 235, lines), brand="velmora", product=name, regions=[SIGN, WORD])
        for name, paper in (("off-white", 205), ("white", 250))
    ]
    catalog = cv.Catalog.build(rows, encoder=clip, cache=False)
    photo = tag(205, 120, lines, noise=3)
    listings = [cv.Listing(id=name, photos=[photo], brand="velmora", product=name) for name in ("off-white", "white")]
    found = suspects(catalog, *listings)
    own, other = (found.place_of(0, f"velmora/{name}") for name in ("off-white", "white"))
    assert not isinstance(own, str)
    assert not isinstance(other, str)
    assert own.beside < 0 < 0.5 < other.beside, "with the room"
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    for row, said in enumerate(Product().score(found)):
        rivals = found.neighbours.rows[row] == 1 - row
        margin = float(found.neighbours.scores[row][rivals].max()) + 1
        assert said.score == pytest.approx(margin), "they bear the same print"


def test_the_marks_of_plain_goods_take_suspicion_away_on_a_dark_photo(
    clip: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is drawn on them, so their marks alone tell, and count as much as with what surrounds them."""
    mirrored = cv.Region(560 - WORD.x1, WORD.y0, 560 - WORD.x0, WORD.y1)
    rows = [
        cv.Reference(id="own", photo=tag(205, 235, ()), brand="velmora", product="own", regions=[WORD]),
        cv.Reference(id="other", photo=tag(205, 235, ())[:, ::-1], brand="arlo", product="other", regions=[mirrored]),
    ]
    catalog = cv.Catalog.build(rows, encoder=clip, cache=False)
    photo = (tag(205, 120, (), noise=3) * 0.4).astype(np.uint8)
    found = suspects(catalog, cv.Listing(id="dark", photos=[photo], brand="velmora", product="own"))
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    (said,) = Product().score(found)
    margin = float(found.neighbours.scores[0][found.neighbours.rows[0] == 1].max()) + 1
    assert said.score < margin - 0.1


def test_nothing_is_laid_over_goods_without_marks_or_that_the_photo_looks_like(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = cv.Listing(id="right", photos=[seen(label(noise=3))], brand="velmora", product="one")
    found = suspects(cards(tiny_encoder), listing)
    monkeypatch.setattr(found.catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), 2.0))
    monkeypatch.setattr(type(found), "place_of", lambda *given: pytest.fail("it looks like the claimed product"))
    (sure,) = Product().score(found)
    assert sure.score < 0
    monkeypatch.undo()
    plain = [
        cv.Reference(id=name, photo=np.full((90, 90, 3), 50 * place, np.uint8), brand="acme", product=name)
        for place, name in enumerate(("one", "two"), 1)
    ]
    catalog = cv.Catalog.build(plain, encoder=tiny_encoder, cache=False)
    found = suspects(catalog, cv.Listing(id="bare", photos=[label()], brand="acme", product="one"))
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    (bare,) = Product().score(found)
    assert bare.score == pytest.approx(float(found.neighbours.scores[0].max()) + 1)
    assert "laid over" not in bare.text


@pytest.mark.parametrize(
    ("other", "own", "more"),
    [
        (1.5, 0.2, 1.3 - ALIKE),
        (0.2, 0.1, 0),
        (0.0, 1.0, 0),
        (0.3, 1.6, KNOWN - 1.6 + ALIKE),
        (1.4, 1.6, 0),
        (1.3, 1.6, ALIKE - 0.3),
        (1.6, 1.5, 0),
    ],
)
def test_only_marks_that_fit_well_take_suspicion_away(
    other: float, own: float, more: float, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = cards(tiny_encoder)
    found = suspects(catalog, cv.Listing(id="any", photos=[seen(label(noise=3))], brand="velmora", product="one"))
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    monkeypatch.setattr(type(found), "place_of", lambda self, row, goods: goods)
    monkeypatch.setattr(product_claim, "_fits", lambda *given: (own, other))
    monkeypatch.setattr(product_claim, "is_found", lambda goods: goods == "velmora/one")
    (said,) = Product().score(found)
    assert said.score == pytest.approx(float(found.neighbours.scores[0].max()) + 1 + FITS * more)
    assert said.region is None, "the other's were not found"


@pytest.mark.parametrize(("brand", "more"), [("velmora", 0.0), ("zeta", FITS * (1.3 - ALIKE))])
def test_of_a_brand_whose_goods_bear_one_logo_a_sibling_is_not_told_by_it(
    brand: str, more: float, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the claimed product's marks were missed, those of its sibling are the same."""
    rows = [
        cv.Reference(id="one", photo=label(), brand="velmora", product="one", regions=ONE),
        cv.Reference(id="two", photo=sibling(), brand=brand, product="two", regions=TWO),
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    found = suspects(catalog, cv.Listing(id="any", photos=[seen(label(noise=3))], brand="velmora", product="one"))
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    monkeypatch.setattr(type(found), "place_of", lambda self, row, goods: "too few local features")
    monkeypatch.setattr(product_claim, "_fits", lambda *given: (0.0, 1.3))
    (said,) = Product().score(found)
    assert said.score == pytest.approx(float(found.neighbours.scores[0].max()) + 1 + more)
    assert ("laid over both" in said.text) == (more > 0)


@pytest.mark.parametrize("shown", ["both", "one for both", "twice the other", "thrice the other"])
def test_of_two_goods_beside_each_other_it_says_nothing_which_a_photo_looks_more_like(
    shown: str, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Siblings that bear the same marks are both found on one of them; and beside each other, on several of one."""
    both, other, regions = shown == "both", label(), ONE
    other[345:370] = 255 - other[345:370]
    if both:
        other, regions = sibling(), TWO
    rows = [
        cv.Reference(id="one", photo=label(), brand="velmora", product="one", regions=ONE),
        cv.Reference(id="two", photo=other, brand="velmora", product="two", regions=regions),
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    blank = np.full_like(other, 127)
    first = other if shown == "twice the other" else label(noise=3)
    more = [other] if shown == "thrice the other" else []
    if more:  # the first is the last that the other product's marks are found on
        first = cv2.GaussianBlur(other, (0, 0), 1.5)
    empty, last = [blank] * len(more), blank if shown == "one for both" else other
    photos = [first, *empty, blank], [blank, *empty, other], [first, *more, last]
    ask = {"brand": "velmora", "product": "one"}
    found = suspects(catalog, *(cv.Listing(id=str(n), photos=[np.hstack(two)], **ask) for n, two in enumerate(photos)))
    monkeypatch.setattr(catalog.likeness, "of", lambda photos, row, groups: np.full(len(groups), -1.0))
    place_of = type(found).place_of
    row = {"one": 0, "two": 0 if shown == "one for both" else 1}  # marks that fit either place may be found at either
    monkeypatch.setattr(type(found), "place_of", lambda self, _, goods: place_of(self, row[goods[-3:]], goods))
    *_, said = Product().score(found)
    assert min(product_claim._fit(found.place_of(2, f"velmora/{name}")) for name in row) >= KNOWN
    assert said.applicable == (not both)
    text = "The photo shows one and, beside it, two: that it looks more like the other says nothing."
    assert (said.text == text) == both
