"""What a photo is taken for, where the listing does not say it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import offered
from goods import ONE, TWO, engraved, label, plates, seen, sibling

import counterfeit_vision as cv
from counterfeit_vision.align.local_features import find_traits
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.geometry.keypoints import find_keypoints
from counterfeit_vision.geometry.laying import Laid
from counterfeit_vision.heads import Colours, Head, Mark, Patches, Price, Reuse, Similarity, Suspects, reuse
from counterfeit_vision.heads import suspects as module
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.judging import judge
from counterfeit_vision.marks import finding
from counterfeit_vision.marks.finding import FOUND
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products.differences import goods_differ
from counterfeit_vision.products.whole import WholeProduct


@pytest.fixture(scope="module")
def catalog(tiny_encoder: TowerEncoder) -> cv.Catalog:
    rows = [
        cv.Reference(id="one", photo=label(), brand="velmora", product="one", regions=ONE),
        cv.Reference(id="two", photo=sibling(), brand="velmora", product="two", regions=TWO),
        cv.Reference(id="pen", photo=np.full((90, 90, 3), 50, np.uint8), brand="zeta", product="pen"),
    ]
    return cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)


def batch(
    catalog: cv.Catalog, photos: list[np.ndarray], first: str, *, second: float = 0.89, **claimed: str
) -> Suspects:
    """Photos of which the encoder says that each is most like the product ``first``, and hardly less like another."""
    found = offered(catalog, photos, **claimed)
    nearest = sorted(range(3), key=lambda row: catalog.products[row] != first)
    near = dataclasses.replace(
        found.neighbours,
        rows=np.array([nearest] * len(photos)),
        scores=np.array([[0.9, second, 0.1]] * len(photos), np.float32),
    )
    return dataclasses.replace(found, neighbours=near)


def test_a_photo_is_of_the_near_product_whose_marks_are_on_it(catalog: cv.Catalog) -> None:
    photos = [seen(label(noise=3)), seen(sibling(noise=3))]
    for first in ("one", "two"):
        found = batch(catalog, photos, first)
        assert [found.goods(row) for row in range(2)] == ["velmora/one", "velmora/two"]
        assert [catalog.products[found.near(row)[0][0]] for row in range(2)] == ["one", "two"]
        assert [mark.score < 0.2 for mark in Mark().score(found)] == [True, True]
        assert [patches.references[0] for patches in Patches().score(found)] == ["one", "two"]
    found = batch(catalog, photos, "one")
    assert found.near(1)[0].tolist() == [0, 1, 2], "nobody has asked for its marks yet"
    found.goods(1)
    rows, scores = found.near(1)
    assert rows.tolist() == [1, 0, 2]
    assert scores.tolist() == pytest.approx([0.89, 0.9, 0.1])


def test_the_nearest_product_is_right_where_it_stands_out(catalog: cv.Catalog) -> None:
    found = batch(catalog, [seen(sibling(noise=3))], "one", second=0.8)
    assert found.goods(0) == "velmora/one", "a carton in a hand hides marks, and its siblings have some of them"


def test_another_product_needs_all_of_its_marks_to_be_plainly_there(
    catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = batch(catalog, [seen(sibling(noise=3))], "one")
    likeness = {"velmora/one": (0.3, 0.2), "velmora/two": (0.8, 0.6)}
    monkeypatch.setattr(Suspects, "_likeness", lambda _, row, goods: likeness[goods])
    assert found.goods(0) == "velmora/one"


def test_a_claim_is_taken_at_its_word(catalog: cv.Catalog) -> None:
    found = batch(catalog, [seen(sibling(noise=3))], "two", brand="velmora", product="one")
    assert found.goods(0) == "velmora/one"
    assert found.near(0)[0][0] == 1
    (mark,) = Mark().score(found)
    assert mark.score > 0.2, "as the other card has the same word"


def test_what_a_listing_claims_is_looked_up_once_a_photo_however_many_it_has(
    catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, look = [], cv.Catalog.claimed_by
    monkeypatch.setattr(cv.Catalog, "claimed_by", lambda *given: asked.append(1) or look(*given))
    blank = [np.full((200, 200, 3), 9 + row, np.uint8) for row in range(12)]
    found = batch(catalog, blank, "two", product="one")
    found = dataclasses.replace(found, listings=[found.listings[0]] * len(found))
    for head in (Mark(), Colours()):
        head.score(found)
    assert len(asked) == len(found)


def banded(colour: tuple[int, int, int], *, noise: int = 0) -> np.ndarray:
    """The card, with a band of a colour under its marks."""
    card = label(noise=noise)
    card[300:360] = np.clip(card[300:360].astype(int) - 225 + colour, 0, 255)
    return card


BANDS = {"blue": (40, 60, 160), "green": (40, 140, 70), "plain": (225, 215, 195)}


def of_each_band(encoder: TowerEncoder, bands: dict[str, tuple[int, int, int]] = BANDS) -> cv.Catalog:
    """Products of one brand that bear the same marks, each with a band of another colour."""
    rows = [
        cv.Reference(id=name, photo=banded(colour), brand="velmora", product=name, regions=ONE)
        for name, colour in bands.items()
    ]
    return cv.Catalog.build(rows, encoder=encoder, cache=False, find_marks=False)


def test_of_products_that_bear_the_same_marks_it_is_the_one_of_its_colours(tiny_encoder: TowerEncoder) -> None:
    catalog = of_each_band(tiny_encoder)
    photos = [seen(banded(colour, noise=3)) for colour in BANDS.values()]
    for first in ("blue", "green"):
        found = batch(catalog, photos[:2], first)
        assert [found.goods(row) for row in range(2)] == ["velmora/blue", "velmora/green"]
        assert [evidence.references[0] for evidence in Colours().score(found)] == ["blue", "green"]
    faded = seen(banded((130, 150, 170), noise=3))
    assert batch(catalog, [faded], "blue").goods(0) == "velmora/blue", "its colours are not plainly others"
    grey = np.repeat(photos[1].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert batch(catalog, [grey], "blue").goods(0) == "velmora/blue", "nothing tells its colours"
    assert batch(catalog, photos[1:2], "blue", product="blue").goods(0) == "velmora/blue", "it is claimed to be that"


def test_colours_that_differ_little_tell_a_product_whatever_the_light_but_not_under_a_hand(
    tiny_encoder: TowerEncoder,
) -> None:
    bands = {name: BANDS.get(name, (90, 60, 160)) for name in ("blue", "violet", "plain")}
    catalog, photos = of_each_band(tiny_encoder, bands), []
    for name in ("blue", "violet"):
        photo = seen(banded(bands[name], noise=3))
        grey = photo.mean(axis=2, keepdims=True)
        lit = photo, photo * (1.18, 1.0, 0.72), grey + 1.4 * (photo - grey)
        photos += [np.clip(one, 0, 255).astype(np.uint8) for one in lit]
    found = batch(catalog, photos, "blue")
    assert [found.goods(row) for row in range(6)] == ["velmora/blue"] * 3 + ["velmora/violet"] * 3
    between = seen(banded((70, 60, 160), noise=3))
    assert batch(catalog, [between], "blue").goods(0) == "velmora/blue", "it is not twice as near to violet"
    held = banded(bands["blue"], noise=3)
    held[275:400, 200:560] = (205, 155, 125)
    catalog = of_each_band(tiny_encoder, {name: bands[name] for name in ("blue", "plain", "violet")})
    assert batch(catalog, [seen(held)], "blue").goods(0) == "velmora/blue", "a hand has more of the other's colours"


def test_goods_are_others_where_each_near_product_has_other_colours(tiny_encoder: TowerEncoder) -> None:
    catalog = of_each_band(tiny_encoder)
    photos = [seen(banded(colour, noise=3)) for colour in (*BANDS.values(), (200, 40, 40))]
    for first in ("blue", "green"):
        found = batch(catalog, [*photos, photos[0][:60, :60]], first, product="blue")
        blue, green, _, red, none = Colours().score(found)
        assert max(blue.unlike, green.unlike) < 0.5, "one of the catalogue's, whichever is claimed"
        assert red.unlike > 1
        assert (none.applicable, none.unlike) == (False, 0.0)


def test_goods_that_their_marks_place_a_little_off_are_no_others(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, over = of_each_band(tiny_encoder), Suspects._over_whole

    def off(found: Suspects, row: int, goods: str) -> tuple[WholeProduct, Laid]:
        whole, laid = over(found, row, goods)
        return whole, dataclasses.replace(laid, crop=np.roll(laid.crop, 15, axis=0))

    monkeypatch.setattr(Suspects, "_over_whole", off)
    found = batch(catalog, [seen(banded(colour, noise=3)) for colour in (BANDS["blue"], (200, 40, 40))], "blue")
    (whole, laid), stencil = off(found, 0, "velmora/blue"), found.marks_of("velmora/blue").stencil
    assert isinstance(stencil, Stencil)
    assert (goods_differ(whole, stencil, laid) or 0) > 1, "an edge of the band lies beside the genuine one"
    assert found.unlike(0) < 0.5, "as all that surrounds the marks places it"
    assert found.unlike(1) > 1


def test_other_products_are_asked_only_where_the_nearest_one_lacks_a_mark(
    catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    look, glance = module.likely_place, module.sure_place
    monkeypatch.setattr(module, "likely_place", lambda *given: asked.append("all") or look(*given))
    monkeypatch.setattr(module, "sure_place", lambda *given: asked.append("coarse") or glance(*given))
    Mark().score(batch(catalog, [seen(label(noise=3))], "one"))
    assert asked == ["coarse"], "there is no doubt"
    blank = batch(catalog, [np.full((80, 80, 3), 9, np.uint8)], "two")
    assert blank.goods(0) == "velmora/two", "no marks at all"
    assert batch(catalog, [seen(label(noise=3))], "pen").goods(0) == "zeta/pen", "its marks are not known"


@pytest.fixture(scope="module")
def plate_and_card(tiny_encoder: TowerEncoder) -> cv.Catalog:
    rows = [
        cv.Reference(id=f"plate {row}", photo=photo, brand="velmora", product="plate", regions=() if row else ONE)
        for row, photo in enumerate(plates())
    ]
    rows.append(cv.Reference(id="card", photo=label(), brand="velmora", product="card", regions=ONE))
    return cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)


def marked(catalog: cv.Catalog, product: str, photo: np.ndarray) -> cv.Evidence:
    """What `mark` says of a photo that is claimed to show the product."""
    listing = cv.Listing(id=product, photos=[photo], brand="velmora", product=product)
    ((_, (row,), _),) = judge([listing], catalog, [Mark()], cache=False)
    return row.evidence[0]


def test_a_print_and_a_relief_are_each_found_in_their_own_way(plate_and_card: cv.Catalog) -> None:
    photos = {"plate": seen(engraved(light=140, noise=9), seed=7), "card": seen(label(noise=3))}
    how = {"plate": "(correlation of edges 0.", "card": "photo (correlation 0."}
    for product, photo in photos.items():
        found = plate_and_card.marks_in(photo, ["velmora/plate", "velmora/card"])
        assert found[0] == f"velmora/{product}"
        mark = marked(plate_and_card, product, photo)
        assert how[product] in mark.text
        assert mark.score is not None
        assert mark.score < 0.3


@pytest.mark.parametrize(("product", "photo"), [("plate", engraved(light=140, noise=9)), ("card", label(noise=3))])
def test_how_alike_a_relief_must_be_to_be_found_is_no_step_of_its_score(
    product: str, photo: np.ndarray, plate_and_card: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, scores = module.likely_place, []
    monkeypatch.setattr(module, "sure_place", lambda *_: None)
    for likeness in (FOUND + 1e-4, FOUND - 1e-4, 0.2, 0.0, -0.1):
        monkeypatch.setattr(
            module,
            "likely_place",
            lambda *given, likeness=likeness: dataclasses.replace(
                look(*given), likeness=likeness, likenesses=(likeness, likeness), beside=0.8
            ),
        )
        scores.append(marked(plate_and_card, product, seen(photo, seed=7)).score)
    relief = product == "plate"
    assert (abs(scores[1] - scores[0]) < 1e-3) == relief
    assert scores[-1] == scores[-2] == 1.8, "nothing of it is there, and what surrounds it is"
    assert scores == sorted(scores)


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder says that each photo is most like the product one, and no less like the others."""
    neighbours = cv.Catalog.neighbours

    def found(self: cv.Catalog, *given: object, **named: object) -> object:
        near = neighbours(self, *given, **named)  # type: ignore[arg-type]
        order = np.argsort(self.products[near.rows] != "one", axis=1, kind="stable")
        rows, scores = np.take_along_axis(near.rows, order, 1), np.full_like(near.scores, 0.5)
        return dataclasses.replace(near, rows=rows, scores=scores)

    monkeypatch.setattr(cv.Catalog, "neighbours", found)


@pytest.mark.usefixtures("mistaken")
def test_the_verdict_names_that_product(catalog: cv.Catalog) -> None:
    for heads, product in (([Similarity(), Mark()], "two"), ([Similarity()], "one")):
        ((_, (row,), _),) = judge([seen(sibling(noise=3))], catalog, heads, cache=False)
        assert catalog.products[row.neighbours[0]] == product
        assert catalog.products[row.runner_up] != product


class Forgetful(Price):
    """Of which nothing is kept on disk, as it does not say what it depends on."""


@pytest.mark.usefixtures("mistaken")
def test_what_a_photo_is_taken_for_is_no_matter_of_the_order_of_heads_nor_of_what_is_known(
    catalog: cv.Catalog, tiny_encoder: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {"one": 100.0, "two": 10.0, "pen": 1.0}
    rows = [dataclasses.replace(row, price=costs[row.product], currency="EUR") for row in catalog.references]
    priced = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    asks = cv.Listing(id="asks", photos=[seen(sibling(noise=3))], price=10.0, currency="EUR")

    def judged(*heads: Head, cache: EmbeddingCache | bool = False) -> tuple[str, float]:
        ((_, (row,), _),) = judge([asks], priced, heads, cache=cache)
        (price,) = (item for item, head in zip(row.evidence, heads, strict=True) if isinstance(head, Price))
        return priced.products[row.neighbours[0]], price.score

    assert judged(Mark(), Price()) == judged(Price(), Mark()) == judged(Mark(), Forgetful()) == ("two", 0.0)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert [judged(Mark(), Forgetful(), cache=cache) for _ in range(2)] == [("two", 0.0)] * 2
    monkeypatch.setattr(Suspects, "_recognise", lambda *_: pytest.fail("no head needs the marks"))
    product, score = judged(Similarity(), Price())
    assert (product, score) == ("one", pytest.approx(np.log(10) / 0.25))


def test_local_features_are_found_once_however_many_products_a_photo_may_show(
    catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def called(*given: object, **named: object) -> object:
            looked.append(function.__name__)
            return function(*given, **named)

        return called

    monkeypatch.setattr(module, "find_traits", counted(find_traits))
    monkeypatch.setattr(finding, "find_keypoints", counted(find_keypoints))
    found = batch(catalog, [seen(sibling(noise=3))], "one")
    assert found.goods(0) == "velmora/two"
    assert not isinstance(found.place(0), str)
    assert sorted(looked) == ["find_keypoints", "find_traits"]
    compared = []
    monkeypatch.setattr(
        reuse, "find_traits", lambda pixels, **size: compared.append(pixels) or find_traits(pixels, **size)
    )
    Reuse().score(found)  # it compares the same features
    assert compared
    assert not any(np.array_equal(pixels, found.pixels(0)) for pixels in compared)
