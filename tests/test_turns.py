"""Photos that are given the wrong way round, mirrored, on their side or upside down: judged turned, shown as given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from goods import BOX, SIGN, WORD, catalogue, label, seen, suspects

import counterfeit_vision as cv
from counterfeit_vision.align.orientation import Turn
from counterfeit_vision.decision.deciding import _turned
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Mark, Patches, Reuse, Similarity
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.judging import JudgedPhoto, judge

WIDE = 640  # pixels of these photos


@pytest.fixture(scope="module")
def one_mark(tiny_encoder: TowerEncoder) -> cv.Catalog:
    return catalogue(tiny_encoder, [BOX])


@pytest.fixture(scope="module")
def two_marks(tiny_encoder: TowerEncoder) -> cv.Catalog:
    return catalogue(tiny_encoder, [SIGN, WORD])


def flipped(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photo[:, ::-1])


def backwards(*places: cv.Region) -> np.ndarray:
    """A photo of the card with what is in these places mirrored, each in its place."""
    card = label(noise=3)
    for x0, y0, x1, y1 in (map(int, place.to_list()) for place in places):
        card[y0:y1, x0:x1] = card[y0:y1, x0:x1][:, ::-1]
    return seen(card)


def said(
    catalog: cv.Catalog, photos: list[np.ndarray], heads: list | None = None, cache: EmbeddingCache | bool = False
) -> list[JudgedPhoto]:
    listings = [cv.Listing(id=f"{n}", photos=[one], brand="velmora") for n, one in enumerate(photos)]
    heads = heads or [Mark(), Patches(), Similarity(), Reuse()]
    return [row for _, rows, _ in judge(listings, catalog, heads, cache=cache) for row in rows]


@pytest.mark.parametrize("marks", ["one_mark", "two_marks"])
def test_a_mirror_image_is_one_where_all_is_mirrored(marks: str, request: pytest.FixtureRequest) -> None:
    catalog = request.getfixturevalue(marks)
    found = suspects(catalog, [flipped(seen(label(noise=3))), backwards(SIGN, WORD)])
    assert [found.turn(row).mirrored for row in range(2)] == [True, False]


def test_a_mark_that_alone_is_mirrored_makes_no_mirror_image(two_marks: cv.Catalog) -> None:
    found = suspects(two_marks, [backwards(SIGN), flipped(backwards(SIGN))])
    assert not found.turn(0).mirrored
    assert not found.turn(1).mirrored, "nor is one where a mark is as it should be, and all else is not"


def test_it_is_judged_as_its_twin_and_its_places_lie_on_the_photo_as_given(one_mark: cv.Catalog) -> None:
    photo = seen(label("VELNORA", noise=3))
    twin, mirror = said(one_mark, [photo, flipped(photo)])
    assert (twin.photo.turn.mirrored, mirror.photo.turn.mirrored) == (False, True)
    assert mirror.neighbours == twin.neighbours
    assert (mirror.photo.id, mirror.photo.view.id, mirror.photo.view.sha256) == ("1", "1", mirror.photo.sha256)
    assert mirror.photo.sha256 != twin.photo.sha256
    assert np.array_equal(mirror.photo.pixels(), photo)
    for here, there in zip(twin.evidence, mirror.evidence, strict=True):
        assert there.score == pytest.approx(here.score, abs=1e-3)
        if here.region is not None:
            x0, y0, x1, y1 = here.region.to_list()
            assert there.region is not None
            assert there.region.to_list() == pytest.approx([WIDE - x1, y0, WIDE - x0, y1], abs=0.5)
        if here.heatmap is not None:
            np.testing.assert_allclose(there.heatmap, here.heatmap[:, ::-1], atol=1e-3)
    mark, patches = twin.evidence[:2]
    assert mark.region is not None
    assert patches.heatmap is not None


def test_a_mirrored_copy_is_told_to_be_one_and_its_points_lie_on_it(one_mark: cv.Catalog) -> None:
    reference = seen(label(noise=1))
    (judged,) = said(one_mark, [flipped(reference)])
    *_, copy = judged.evidence
    assert judged.photo.turn.mirrored
    assert copy.text.startswith("The same photo as b (genuine), mirrored: ")
    assert copy.points is not None
    np.testing.assert_allclose(copy.points[:, 0] + copy.points[:, 2], WIDE - 1, atol=1.5)


def test_what_is_turned_back_depends_on_no_other_photo_and_on_no_cache(one_mark: cv.Catalog, tmp_path: Path) -> None:
    photos = [flipped(seen(label(noise=3))), *(np.full((200, 200, 3), 9 + row, np.uint8) for row in range(6))]
    (alone,) = said(one_mark, photos[:1])
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for _ in range(2):
            among = said(one_mark, photos, cache=cache)
            assert [row.photo.turn.mirrored for row in among] == [True] + 6 * [False]
            assert among[0].evidence[0] == alone.evidence[0]
            np.testing.assert_allclose(among[0].photo.vector, alone.photo.vector, atol=1e-5)


def test_photos_of_one_listing_are_asked_again_together(one_mark: cv.Catalog) -> None:
    front, back = flipped(seen(label(noise=3))), np.full((400, 560, 3), 90, np.uint8)
    offer = cv.Listing(id="offer", photos=[back, front], brand="velmora", product="card")
    ((_, rows, _),) = judge([offer], one_mark, [Mark()], cache=False)
    assert [row.photo.turn.mirrored for row in rows] == [False, True]
    assert not rows[0].evidence[0].applicable, "the other photo shows the marks, once it is turned back"


def test_where_no_head_looks_at_marks_none_are_looked_for(one_mark: cv.Catalog) -> None:
    (judged,) = said(one_mark, [flipped(seen(label(noise=3)))], [Similarity()])
    assert not judged.photo.turn.mirrored


def test_they_are_named_by_what_the_listing_calls_them() -> None:
    rows = [SimpleNamespace(photo=SimpleNamespace(id=f"offer photo {n}", turn=Turn(n - 1))) for n in (1, 2, 3)]
    assert _turned(cv.Listing(id="offer", photos=["a", "b", "c"]), rows) == (
        "photo 2 (on its side)",
        "photo 3 (upside down)",
    )
    alone = SimpleNamespace(photo=SimpleNamespace(id="offer", turn=Turn(mirrored=True)))
    assert _turned(cv.Listing(id="offer", photos=["a"]), [alone]) == (
        "the photo (a mirror image, as a front camera takes it)",
    )


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_a_turn_is_undone(quarters: int, mirrored: bool) -> None:
    given = np.random.default_rng(quarters).integers(0, 255, (5, 9, 3), np.uint8)
    turn = Turn(quarters, mirrored)
    assert bool(turn) == bool(str(turn)) == (quarters > 0 or mirrored)
    shown = turn.of(given)
    assert np.array_equal(turn.undone(shown), given)
    y, x = (side.ravel() for side in np.mgrid[: shown.shape[0], : shown.shape[1]])
    on_given = turn.places(np.stack([x, y], axis=1), (8, 4)).astype(int)  # pixels' middles, from 0 to the last one
    assert np.array_equal(given[on_given[:, 1], on_given[:, 0]], shown[y, x])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_on_its_side_or_upside_down_is_judged_as_its_twin(one_mark: cv.Catalog, quarters: int) -> None:
    photo = seen(label("VELNORA", noise=3))
    given = np.ascontiguousarray(np.rot90(photo, -quarters))
    twin, turned = said(one_mark, [photo, given])
    assert (twin.photo.turn, turned.photo.turn) == (Turn(), Turn(quarters))
    assert turned.neighbours == twin.neighbours
    assert turned.photo.size == twin.photo.size == photo.shape[1::-1]
    assert turned.photo.view.size == given.shape[1::-1]
    assert np.array_equal(turned.photo.pixels(), photo)
    for here, there in zip(twin.evidence, turned.evidence, strict=True):
        assert there.score == pytest.approx(here.score, abs=1e-3)
        if here.heatmap is not None:
            np.testing.assert_allclose(there.heatmap, np.rot90(here.heatmap, -quarters), atol=1e-3)
        if here.region is not None and there.region is not None:
            shown, as_given = np.zeros(photo.shape[:2]), np.zeros(given.shape[:2])
            for picture, box in ((shown, here.region), (as_given, there.region)):
                x0, y0, x1, y1 = (round(end) for end in box.to_list())
                picture[y0:y1, x0:x1] = 1
            assert (np.rot90(shown, -quarters) != as_given).mean() < 0.01


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_mirrored_photo_that_lies_on_its_side_is_turned_back_and_turned(two_marks: cv.Catalog, quarters: int) -> None:
    given = np.ascontiguousarray(np.rot90(seen(label(noise=3)), -quarters)[:, ::-1])
    turn = suspects(two_marks, [given]).turn(0)
    assert turn == Turn(quarters, mirrored=True)
    lies = "upside down" if quarters == 2 else "on its side"
    assert str(turn) == f"a mirror image, as a front camera takes it, {lies}"


def test_goods_that_the_catalogue_shows_so_too_are_not_turned(one_mark: cv.Catalog, tiny_encoder: TowerEncoder) -> None:
    upside = np.ascontiguousarray(np.rot90(seen(label(noise=5)), 2))
    photos = {name: seen(label(noise=n)) for n, name in enumerate("abc")} | {"d": upside}
    references = [
        cv.Reference(id=name, photo=photo, brand="velmora", product="card", regions=(BOX,) if name == "a" else ())
        for name, photo in photos.items()
    ]
    both = cv.Catalog.build(references, encoder=tiny_encoder)
    given = np.ascontiguousarray(np.rot90(seen(label(noise=3)), 2))
    assert suspects(both, [given]).turn(0) == Turn()
    assert suspects(one_mark, [given]).turn(0) == Turn(2)


def test_a_turn_that_makes_a_photo_less_like_the_genuine_ones_is_not_kept(
    one_mark: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfeit_vision.heads.suspects.Suspects.turn", lambda *_: Turn(2))
    (judged,) = said(one_mark, [seen(label(noise=3))])
    assert not judged.photo.turn


@pytest.mark.parametrize(("degrees", "quarters"), [(-35, 0), (35, 0), (55, 3), (-55, 1), (150, 2)])
def test_a_photo_that_is_aslant_is_turned_by_the_nearest_quarter(
    one_mark: cv.Catalog, degrees: int, quarters: int
) -> None:
    photo = cv2.copyMakeBorder(seen(label(noise=3)), 90, 90, 90, 90, cv2.BORDER_REPLICATE)
    height, width = photo.shape[:2]
    aslant = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)  # anticlockwise
    given = cv2.warpAffine(photo, aslant, (width, height), borderMode=cv2.BORDER_REPLICATE)
    assert suspects(one_mark, [given]).turn(0) == Turn(quarters)
