"""Photos that are given as mirror images, as a front camera takes them: judged turned back, shown as given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from goods import BOX, SIGN, WORD, catalogue, label, seen, suspects

import counterfeit_vision as cv
from counterfeit_vision.cache import EmbeddingCache
from counterfeit_vision.deciding import _mirrored
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Mark, Patches, Reuse, Similarity
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
    assert [found.is_mirrored(row) for row in range(2)] == [True, False]


def test_a_mark_that_alone_is_mirrored_makes_no_mirror_image(two_marks: cv.Catalog) -> None:
    found = suspects(two_marks, [backwards(SIGN), flipped(backwards(SIGN))])
    assert not found.is_mirrored(0)
    assert not found.is_mirrored(1), "nor is one where a mark is as it should be, and all else is not"


def test_it_is_judged_as_its_twin_and_its_places_lie_on_the_photo_as_given(one_mark: cv.Catalog) -> None:
    photo = seen(label("VELNORA", noise=3))
    twin, mirror = said(one_mark, [photo, flipped(photo)])
    assert (twin.photo.mirrored, mirror.photo.mirrored) == (False, True)
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
    assert judged.photo.mirrored
    assert copy.text.startswith("The same photo as b (genuine), mirrored: ")
    assert copy.points is not None
    np.testing.assert_allclose(copy.points[:, 0] + copy.points[:, 2], WIDE - 1, atol=1.5)


def test_what_is_turned_back_depends_on_no_other_photo_and_on_no_cache(one_mark: cv.Catalog, tmp_path: Path) -> None:
    photos = [flipped(seen(label(noise=3))), *(np.full((200, 200, 3), 9 + row, np.uint8) for row in range(6))]
    (alone,) = said(one_mark, photos[:1])
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for _ in range(2):
            among = said(one_mark, photos, cache=cache)
            assert [row.photo.mirrored for row in among] == [True] + 6 * [False]
            assert among[0].evidence[0] == alone.evidence[0]
            np.testing.assert_allclose(among[0].photo.vector, alone.photo.vector, atol=1e-5)


def test_photos_of_one_listing_are_asked_again_together(one_mark: cv.Catalog) -> None:
    front, back = flipped(seen(label(noise=3))), np.full((400, 560, 3), 90, np.uint8)
    offer = cv.Listing(id="offer", photos=[back, front], brand="velmora", product="card")
    ((_, rows, _),) = judge([offer], one_mark, [Mark()], cache=False)
    assert [row.photo.mirrored for row in rows] == [False, True]
    assert not rows[0].evidence[0].applicable, "the other photo shows the marks, once it is turned back"


def test_where_no_head_looks_at_marks_none_are_looked_for(one_mark: cv.Catalog) -> None:
    (judged,) = said(one_mark, [flipped(seen(label(noise=3)))], [Similarity()])
    assert not judged.photo.mirrored


def test_they_are_named_by_what_the_listing_calls_them() -> None:
    rows = [SimpleNamespace(photo=SimpleNamespace(id=f"offer photo {n}", mirrored=n > 1)) for n in (1, 2, 3)]
    assert _mirrored(cv.Listing(id="offer", photos=["a", "b", "c"]), rows) == ("photo 2", "photo 3")
    alone = SimpleNamespace(photo=SimpleNamespace(id="offer", mirrored=True))
    assert _mirrored(cv.Listing(id="offer", photos=["a"]), [alone]) == ("the photo",)
