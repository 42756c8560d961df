"""Marks are found in free pose, laid over the genuine ones exactly, and not found where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import picture
from goods import BOX, CLOSE, ONE, SIGN, TILT, WORD, engraved, label, labels, plates, seen, stencil_of

from counterfeit_vision import Catalog, Embeddings, Reference, Region
from counterfeit_vision.align.local_features import find_traits
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import DecodeError
from counterfeit_vision.geometry import warp
from counterfeit_vision.geometry.keypoints import find_keypoints, spread_keypoints
from counterfeit_vision.geometry.laying import Pyramid, _grey_at, places, to_grey
from counterfeit_vision.geometry.warp import EDGE, GRAIN, edges
from counterfeit_vision.index import catalog as catalog_module
from counterfeit_vision.index.tiles import tile_boxes
from counterfeit_vision.io.decode import decode
from counterfeit_vision.marks import finding, making
from counterfeit_vision.marks.finding import (
    FEATURES,
    FOUND,
    SURE,
    Found,
    MarkFeatures,
    cut,
    find_marks,
    is_found,
    lay_over,
    likely_place,
    scaled,
    sure_place,
    wide_view,
)
from counterfeit_vision.marks.making import PRINTED, make_stencil
from counterfeit_vision.marks.stencil import Stencil


@pytest.fixture(scope="module")
def relief() -> Stencil:
    return stencil_of(plates(), [BOX])


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [BOX])


def test_references_are_laid_over_each_other(stencil: Stencil) -> None:
    assert stencil.rows == (0, 1, 2)
    between = np.abs(stencil.crops[1].astype(int) - stencil.crops[0])[stencil.on_mark()]
    assert np.median(between) < 8


def test_edges_stay_where_bright_and_dark_change_places() -> None:
    bright = engraved(light=30).astype(np.float32) @ np.full(3, 1 / 3, np.float32)
    np.testing.assert_allclose(edges(255 - bright), edges(bright), atol=1e-3)
    slow = cv2.GaussianBlur(bright, (0, 0), GRAIN).astype(np.float64)
    along, down = slow[:, 2:] - slow[:, :-2], slow[2:] - slow[:-2]
    along = along[:-2] / 2 + along[1:-1] + along[2:] / 2
    down = down[:, :-2] / 2 + down[:, 1:-1] + down[:, 2:] / 2
    slow = cv2.GaussianBlur(np.sqrt(along**2 + down**2), (0, 0), EDGE)
    np.testing.assert_allclose(edges(bright)[9:-9, 9:-9], slow[8:-8, 8:-8], atol=1e-2)


def test_what_is_engraved_is_laid_over_itself_whatever_side_the_light_is_on(relief: Stencil, stencil: Stencil) -> None:
    assert (relief.relief, stencil.relief) == (True, False)
    assert relief.rows == (0, 1, 2)
    for light in range(20, 360, 60):
        photo = seen(engraved(light=light, noise=light), seed=7)
        found = find_marks(relief, photo)
        assert isinstance(found, Found), (light, found)
        assert found.likeness > 0.7
        corners = cv2.perspectiveTransform(np.array([[[150, 90], [410, 270]]], np.float64), TILT)[0]
        middle = found.region.x0 + found.region.x1, found.region.y0 + found.region.y1
        np.testing.assert_allclose(middle, corners.sum(axis=0), atol=20)
        shown = cv2.absdiff(found.crop, cut_of(photo, found))
        assert np.median(shown) <= 1, "the crop is the photo, not its edges"


def cut_of(photo: np.ndarray, found: Found) -> np.ndarray:
    return np.asarray(cv2.remap(photo, found.warp, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


@pytest.mark.parametrize("light", [45, 140, 200])
def test_what_is_engraved_otherwise_is_less_alike(relief: Stencil, light: float) -> None:
    def likeness(text: str) -> float:
        place = likely_place(relief, seen(engraved(text, light=light, noise=9), seed=7))
        return place.likeness if isinstance(place, Found) else -1.0

    genuine = likeness("VELMORA")
    assert genuine > 0.7
    assert likeness("OLYMPIK") < genuine - 0.05
    assert likeness("") < FOUND, "the sign is there, and no word"


def test_where_no_ink_tells_a_mark_one_light_is_enough_to_see_that_it_is_a_relief() -> None:
    same = [engraved(light=0), seen(engraved(light=0, noise=1)), seen(engraved(light=15, noise=2), seed=8)]
    made, alone = make_stencil(same, [[BOX], [], []]), make_stencil(same[:1], [[BOX]])
    assert isinstance(made, Stencil)
    assert isinstance(alone, Stencil)
    assert (made.relief, made.rows, alone.relief) == (True, (0, 1, 2), True)
    assert replace(made, relief=False).alike > PRINTED, "as alike as prints are"
    for light in (60, 120, 180, 240, 300):
        found = find_marks(made, seen(engraved(light=light, noise=light), seed=7))
        assert isinstance(found, Found), (light, found)


def test_of_one_photo_of_a_print_the_edges_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "edges", lambda _: pytest.fail("they were"))
    made = make_stencil([label()], [[BOX]])
    assert isinstance(made, Stencil)
    assert not made.relief


def test_what_has_no_ink_and_is_less_alike_by_its_edges_is_compared_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    laid = making._stencil

    def blurred(*given: Any, relief: bool) -> tuple[Stencil | str, float]:
        made, alike = laid(*given, relief=relief)
        return made, alike - (0.5 if relief else 0)

    monkeypatch.setattr(making, "_stencil", blurred)
    made = make_stencil([engraved(light=0), seen(engraved(light=0, noise=1))], [[BOX], []])
    assert isinstance(made, Stencil)
    assert not made.relief


@pytest.mark.parametrize("left", [120, 150])
def test_a_photo_that_ends_beside_what_is_drawn_in_a_wide_box_shows_no_mark(left: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    card = cv2.resize(noise, (400, 400), interpolation=cv2.INTER_CUBIC)
    card[90:170, 50:270] = 200  # a bare field, with strokes at its left end
    for x in range(62, 92, 8):
        card[104:156, x : x + 4] = 0
    wide = make_stencil([card], [[Region(60, 100, 260, 160)]])
    assert isinstance(wide, Stencil)
    assert isinstance(find_marks(wide, card), Found)
    assert (
        likely_place(wide, np.ascontiguousarray(card[:, left:])) == "the marks would lie outside the photo, or folded"
    )


def test_a_close_up_that_shows_less_than_half_of_the_marks_is_recognised(stencil: Stencil) -> None:
    found = find_marks(stencil, seen(label(noise=3), CLOSE))
    assert isinstance(found, Found), found
    assert found.likeness > 0.8
    assert 0.2 < found.inside[stencil.on_mark()].mean() < 0.5
    other = find_marks(stencil, seen(label("OLYMPIK", noise=3), CLOSE))
    assert isinstance(other, str), "so little of them is recognised only where it is surely like them"
    made = make_stencil([label(), seen(label(noise=3), CLOSE), seen(label(noise=1))], [[BOX], [], []])
    assert isinstance(made, Stencil)
    assert made.rows == (0, 2), "nor does it tell what the marks look like"


@pytest.mark.parametrize("turn", [0.0, 20.0, -35.0])
def test_a_mark_is_found_in_its_place_whatever_the_pose(stencil: Stencil, turn: float) -> None:
    spin = np.vstack([cv2.getRotationMatrix2D((280, 200), turn, 0.8), [0, 0, 1]])
    matrix = np.array([[1, 0, 60], [0, 1, 40], [1e-4, 0, 1.0]]) @ spin
    found = find_marks(stencil, seen(label(noise=3), matrix, seed=11))
    assert isinstance(found, Found), found
    assert found.likeness > 0.9
    corners = np.array([[[x, y]] for x in (BOX.x0, BOX.x1) for y in (BOX.y0, BOX.y1)], np.float32)
    true = cv2.perspectiveTransform(corners, matrix)[:, 0]
    box = np.array(found.region.to_list()).reshape(2, 2)
    np.testing.assert_allclose(box, [true.min(axis=0), true.max(axis=0)], atol=5)


@pytest.mark.parametrize("turn", [0.0, 20.0, -35.0])
def test_the_warp_is_fitted_as_by_a_slow_twin(stencil: Stencil, turn: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that makes the whole step anew in each iteration, with NumPy's median, and hears every pixel."""
    spin = np.vstack([cv2.getRotationMatrix2D((280, 200), turn, 0.8), [0, 0, 1]])
    photo = seen(label(noise=3), np.array([[1, 0, 60], [0, 1, 40], [1e-4, 0, 1.0]]) @ spin, seed=11)
    fast = find_marks(stencil, photo)
    monkeypatch.setattr(warp, "RENEWED", 1)
    monkeypatch.setattr(warp, "SILENT", -1.0)
    monkeypatch.setattr(warp, "quick_median", lambda values: float(np.median(values)))
    slow = find_marks(replace(stencil), photo)
    assert isinstance(fast, Found)
    assert isinstance(slow, Found)
    assert np.abs(fast.warp - slow.warp).max() < 0.1
    assert fast.likeness == pytest.approx(slow.likeness, abs=1e-3)


def test_a_photo_is_sampled_in_grey_as_a_slow_twin_samples_its_colours() -> None:
    photo = seen(label(noise=3), TILT, seed=11)
    warp = places(np.array([[0.7, 0.1, -20], [-0.1, 0.8, 30], [1e-4, 0, 1.0]]), (300, 400))
    slow = to_grey(cv2.remap(photo.astype(np.float32), warp, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    # half a grey level for each rounding, the first one times 1.89 at most, the absolute sum of the cubic's weights
    assert np.abs(_grey_at(photo, warp) - np.clip(slow, 0, 255)).max() < 0.5 * 1.89 + 0.5 + 0.05


@pytest.mark.parametrize("turn", [0.0, 10.0, 20.0, -35.0, 45.0])
def test_where_a_small_copy_leaves_no_doubt_the_marks_are_as_near_the_truth_as_a_slow_twin_finds_them(
    stencil: Stencil, turn: float
) -> None:
    spin = np.vstack([cv2.getRotationMatrix2D((280, 200), turn, 0.8), [0, 0, 1]])
    view = np.array([[1, 0, 60], [0, 1, 40], [1e-4, 0, 1.0]]) @ spin
    photo = seen(label(noise=3), view, seed=11)
    fast, slow = sure_place(stencil, photo, find_traits(photo).on_original), find_marks(stencil, photo)
    assert isinstance(fast, Found)
    assert isinstance(slow, Found)
    truth = cv2.perspectiveTransform(stencil.warps[0], view)
    fast_off, slow_off = (np.abs(found.warp - truth)[stencil.drawn].max() for found in (fast, slow))
    assert fast_off < min(0.35, slow_off + 0.15)  # pixels, of what is drawn: on bare ground nothing tells
    assert slow_off < 0.3
    assert fast.likeness == pytest.approx(slow.likeness, abs=0.01)


@pytest.mark.parametrize("word", ["OLYMPIK", "XO"])
def test_a_small_copy_is_not_sure_of_other_marks(stencil: Stencil, word: str) -> None:
    photo = seen(label(word, noise=3))
    assert sure_place(stencil, photo, find_traits(photo).on_original) is None
    assert sure_place(stencil, picture(5), find_traits(picture(5)).on_original) is None


def test_darkness_and_blur_do_not_hide_it(stencil: Stencil) -> None:
    photo = cv2.GaussianBlur((seen(label(noise=4)) * 0.45).astype(np.uint8), (0, 0), 1.5)
    found = find_marks(stencil, photo)
    assert isinstance(found, Found)
    assert found.likeness > 0.85


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (np.full((300, 300, 3), 128, np.uint8), "local features"),
        (np.zeros((9, 200, 3), np.uint8), "200 x 9 pixels"),
        (cv2.resize(picture(77), (500, 400)), "features|correlation|outside"),
    ],
)
def test_where_there_is_no_mark_the_reason_is_given(stencil: Stencil, photo: np.ndarray, words: str) -> None:
    found = find_marks(stencil, photo)
    assert isinstance(found, str)
    assert any(word in found for word in words.split("|"))


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.diag([-1.0, 1, 1]), np.diag([0.01, 1, 1])])
def test_a_degenerate_start_is_no_mark(stencil: Stencil, matrix: np.ndarray) -> None:
    assert lay_over(stencil, Pyramid(np.full((300, 300, 3), 128, np.uint8)), matrix, blurred=True) is None


def test_a_photo_as_thin_as_a_thread_is_looked_at(stencil: Stencil) -> None:
    thread = np.random.default_rng(0).integers(0, 255, (16, 40_000, 3), dtype=np.uint8)
    assert "local features" in str(find_marks(stencil, thread))
    assert scaled(thread, 1 / 40).shape == (1, 1000, 3)
    assert scaled(thread[:, :401], 0.5).shape == (8, 200, 3)


def test_marks_are_found_on_a_photo_too_long_for_opencv(stencil: Stencil) -> None:
    plain = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(plain, Found)
    long = np.zeros((480, 33_000, 3), np.uint8)
    long[:, -640:] = seen(label(noise=3))
    place = np.array([[1, 0, 33_000 - 640], [0, 1, 0], [0, 0, 1.0]]) @ plain.matrix
    found = lay_over(stencil, Pyramid(long), place, blurred=True)
    assert isinstance(found, Found)
    assert found.likeness > 0.9
    wanted = np.array(plain.region.to_list()) + np.tile([33_000 - 640, 0], 2)
    assert found.region.to_list() == pytest.approx(wanted.tolist(), abs=4)


def test_a_photo_is_not_halved_away(stencil: Stencil) -> None:
    corner = label()[:40, :40].copy()
    assert lay_over(stencil, Pyramid(corner), np.diag([100.0, 100.0, 1]), blurred=True) is None


def carpet(seed: int) -> np.ndarray:
    """A floor (1080, 1440, 3) with more, and stronger, local features than what is faint before it."""
    random = np.random.default_rng(seed)
    rough = cv2.resize(random.normal(0, 1, (360, 480)), (1440, 1080), interpolation=cv2.INTER_CUBIC)
    grain = 25 * rough / rough.std() + random.normal(0, 3, rough.shape)
    return np.clip(np.array([150, 130, 110]) + grain[..., None], 0, 255).astype(np.uint8)


def faint(noise: int) -> np.ndarray:
    """The card with a fifth of its contrast."""
    card, grain = label(noise=noise).astype(float), np.random.default_rng(noise).normal(0, 2, (400, 560, 3))
    return np.clip(card.mean(axis=(0, 1)) * 0.8 + 0.2 * card + grain, 0, 255).astype(np.uint8)


def lying(card: np.ndarray, matrix: np.ndarray, seed: int) -> np.ndarray:
    """The card on a carpet, through a homography."""
    floor = carpet(seed)
    laid = cv2.warpPerspective(card, matrix, (1440, 1080))
    on = cv2.warpPerspective(np.full(card.shape[:2], 255, np.uint8), matrix, (1440, 1080)) > 127
    return np.where(on[..., None], laid, floor).astype(np.uint8)


ON_CARPET = np.array([[1.1, -0.1, 340], [0.1, 1.05, 210], [0, 0, 1]])


def test_what_is_faint_is_found_on_a_carpet_that_has_all_the_strongest_features() -> None:
    made = make_stencil([faint(0), seen(faint(1)), seen(faint(2), seed=8)], [[BOX], [], []])
    assert isinstance(made, Stencil)
    photo = lying(faint(3), ON_CARPET, 1)
    features = MarkFeatures.of(photo)
    assert features.spread is not None
    assert len(features.strongest) >= FEATURES >= len(features.spread)
    found = find_marks(made, photo)
    assert isinstance(found, Found)
    assert found.likeness > 0.9
    corners = np.array([[[150, 90], [410, 90], [410, 270], [150, 270]]], np.float32)
    true = cv2.perspectiveTransform(corners, ON_CARPET)[0]
    assert np.abs(found.region.to_list() - np.concatenate([true.min(axis=0), true.max(axis=0)])).max() < 8
    assert isinstance(find_marks(made, carpet(1)), str)


def test_a_reference_on_a_carpet_shows_what_is_faint() -> None:
    corners = np.array([[[150, 90], [410, 90], [410, 270], [150, 270]]], np.float32)
    true = cv2.perspectiveTransform(corners, ON_CARPET)[0]
    box = Region(*true.min(axis=0).tolist(), *true.max(axis=0).tolist())
    turned = np.array([[0.9, -0.25, 300], [0.2, 0.95, 200], [1e-4, 0, 1]])
    made = make_stencil([lying(faint(0), ON_CARPET, 1), lying(faint(1), turned, 2)], [[box], []])
    assert isinstance(made, Stencil)
    assert len(made.rows) == 2
    found = find_marks(made, seen(faint(3)))
    assert isinstance(found, Found)
    assert found.likeness > 0.9


def test_where_the_strongest_are_all_there_are_no_others_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object, **named: object) -> None:
        raise AssertionError

    monkeypatch.setattr(finding, "spread_keypoints", refused)
    assert isinstance(likely_place(_made(), np.full((300, 300, 3), 128, np.uint8)), str)
    assert MarkFeatures.of(label()).spread is None


def _made() -> Stencil:
    made = make_stencil([label()], [[BOX]])
    assert isinstance(made, Stencil)
    return made


def test_features_are_the_strongest_of_each_part_as_a_slow_twin_picks_them() -> None:
    picture_of = cv2.cvtColor(carpet(3)[:700, :900], cv2.COLOR_RGB2GRAY)
    fast = spread_keypoints(picture_of, most=640, contrast=0.01)
    known = cv2.SIFT.create(contrastThreshold=0.01).detect(picture_of, None)
    slow = []
    for down in range(8):
        for along in range(8):
            own = [
                point for point in known if int(point.pt[0] * 8 / 900) == along and int(point.pt[1] * 8 / 700) == down
            ]
            slow += sorted(point.response for point in own)[-10:]
    places = {point.pt: point.response for point in known}
    chosen = [places[(float(x), float(y))] for x, y in fast.points]
    assert sorted(chosen) == pytest.approx(sorted(slow))
    whole = find_keypoints(picture_of, most=100_000, contrast=0.01)  # and their descriptors are theirs
    rows = [int(np.abs(whole.points - place).sum(axis=1).argmin()) for place in fast.points[:50]]
    near = (whole.descriptors[rows] * fast.descriptors[:50]).sum(axis=1)
    assert np.median(near) > 0.999


@pytest.mark.parametrize("shape", [(9, 400), (400, 9), (64, 64)])
def test_of_a_uniform_or_thin_picture_no_features_are_spread(shape: tuple[int, int]) -> None:
    assert len(spread_keypoints(np.full(shape, 128, np.uint8), most=640, contrast=0.01)) == 0


def test_what_is_printed_far_from_a_mark_tells_its_place() -> None:
    random = np.random.default_rng(0)
    carton = np.full((600, 800, 3), 220, np.uint8)
    for row in range(9):
        words = "".join(random.choice(list("ABEHKMNRSTX  "), 24))
        cv2.putText(carton, words, (15, 60 + 65 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.7, (60, 60, 90), 5, cv2.LINE_AA)
    carton[150:450, 170:630] = 220
    other = carton.copy()
    cv2.ellipse(carton, (400, 300), (60, 35), 20, 0, 300, (180, 120, 110), 12, cv2.LINE_AA)
    made = make_stencil([carton], [[Region(320, 245, 480, 355)]])
    assert isinstance(made, Stencil)
    tilt = np.array([[0.5, 0.05, 20], [-0.04, 0.5, 60], [1e-4, 0, 1]])
    (view,) = wide_view(made.around, MarkFeatures.of(seen(other, tilt)).strongest)
    frame = np.array([[[0, 0]], [[0, made.shape[0]]], [[made.shape[1], 0]]], np.float32)
    on_carton = cv2.perspectiveTransform(frame, view)
    x0, y0, scale = 320 - 0.35 * 160, 245 - 0.35 * 160, (160 + 0.7 * 160) / max(made.shape)
    true = cv2.perspectiveTransform(frame * scale + np.array([x0, y0], np.float32), tilt)
    np.testing.assert_allclose(on_carton, true, atol=2)
    assert "what lies in the marks' place" in str(find_marks(made, seen(other, tilt)))
    assert wide_view(made.around, MarkFeatures.of(np.full((300, 300, 3), 128, np.uint8)).strongest) == []


def test_no_region_no_stencil() -> None:
    assert "region" in str(make_stencil([label()], [[]]))
    assert "16 pixels" in str(make_stencil([label()], [[Region(5, 5, 9, 7)]]))
    assert "region" in str(make_stencil([], []))


def test_boxes_on_blank_ground_make_no_stencil() -> None:
    sheet = np.full((600, 800, 3), 255, np.uint8)
    sheet[:400, :560] = label()
    blank = Region(640, 440, 780, 580)
    assert make_stencil([sheet, sheet], [[blank], []]) == "nothing is drawn in the regions around its marks"
    assert isinstance(make_stencil([sheet], [[blank, BOX]]), Stencil)


@pytest.mark.parametrize("useless", [Region(5, 5, 9, 7), Region(440, 40, 500, 100)], ids=["tiny", "blank"])
def test_one_reference_with_useless_boxes_does_not_cost_the_marks(useless: Region) -> None:
    plain = cv2.rectangle(label(), (430, 30), (510, 110), (225, 215, 195), -1)
    made = make_stencil([plain, label(noise=1), seen(label(noise=2))], [[useless], [BOX], []])
    assert isinstance(made, Stencil)
    assert made.rows == (1, 0, 2)


def test_one_reference_that_shows_its_marks_from_the_side_does_not_cost_them() -> None:
    aside = np.diag([0.2, 0.9, 1])
    narrow = Region(0.2 * BOX.x0, 0.9 * BOX.y0, 0.2 * BOX.x1, 0.9 * BOX.y1)
    upright = [label(noise=1), seen(label(noise=2), seed=8)]
    made = make_stencil([seen(label(), aside), *upright], [[narrow], [BOX], []])
    assert isinstance(made, Stencil)
    assert (made.rows, made.relief) == ((1, 2), False)
    found = find_marks(made, seen(label(noise=3), seed=11))
    assert isinstance(found, Found), found
    assert found.likeness > 0.9


@pytest.mark.parametrize(
    ("alike", "first"),
    [((0.7, 0.9), 0), ((0.1, 0.7, 0.9), 1), ((0.1, 0.4, 0.2, 0.4, 0.9), 1), ((0.55, 0.7), 0), ((0.0, 0.0), 0)],
    ids=["the first fits", "the second fits", "few are tried", "hardly better", "none fits"],
)
def test_references_are_laid_over_the_one_that_they_are_like(
    alike: tuple[float, ...], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    likeness = iter(alike)
    monkeypatch.setattr(making, "_with_others", lambda one, *_: (one, next(likeness)))
    made, told = making._stencil([label()] * len(alike), [[BOX]] * len(alike), None, PRINTED, relief=False)
    assert isinstance(made, Stencil)
    assert (made.rows, told) == ((first,), alike[first])


@pytest.mark.parametrize("odd", [Region(0, 0, 640, 480), Region(200, 10, 280, 60)], ids=["whole photo", "elsewhere"])
def test_the_boxes_of_one_reference_that_are_drawn_around_something_else_do_not_frame_the_marks(odd: Region) -> None:
    photos = [seen(label(noise=place), np.diag([0.5, 0.5, 1]), seed=place) for place in range(3)]
    boxes = [[odd], *[[Region(*(0.5 * side for side in BOX.to_list()))]] * 2]
    made = make_stencil(photos, boxes)
    assert isinstance(made, Stencil)
    assert made.rows[0] == 1
    doubtful = make_stencil(photos[:2], boxes[:2])
    assert isinstance(doubtful, Stencil)
    assert doubtful.rows[0] == 0, "of two that differ nobody can tell which is wrong"


def test_a_reference_with_boxes_around_more_of_the_marks_than_the_others_have_frames_them() -> None:
    photos = [seen(label(noise=place), np.diag([0.5, 0.5, 1]), seed=place) for place in range(3)]
    emblem, word = (Region(*(0.5 * side for side in box)) for box in ((240, 100, 320, 180), (150, 205, 410, 270)))
    made = make_stencil(photos, [[emblem, word], [emblem], [emblem]])
    assert isinstance(made, Stencil)
    assert (made.rows[0], len(made.boxes)) == (0, 2)


def test_a_back_that_bears_the_name_alone_is_no_reference_of_the_front() -> None:
    back = np.full((400, 560, 3), (225, 215, 195), np.uint8)
    cv2.putText(back, "VELMORA", (155, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.9, (30, 60, 110), 6, cv2.LINE_AA)
    for row in range(8):
        words = f"STORE COOL {29 * row + 13} USE BY {row * 7 + 2}"
        cv2.putText(back, words, (60, 150 + 27 * row), cv2.FONT_HERSHEY_PLAIN, 1.6, (80, 60, 60), 2, cv2.LINE_AA)
    front, other = [SIGN, WORD], [Region(150, 45, 410, 110), Region(50, 125, 520, 350)]
    assert is_found(likely_place(stencil_of([label()], front), back))
    made = make_stencil([label(), back, label(noise=1), label(noise=2)], [front, other, front, front])
    assert isinstance(made, Stencil)
    assert made.rows == (0, 2, 3)


def test_a_reference_shows_another_side_where_it_lacks_a_mark_and_its_boxes_are_of_others(stencil: Stencil) -> None:
    place = likely_place(stencil, label(noise=3))
    assert isinstance(place, Found)
    lacking = replace(place, regions=(SIGN, WORD), likenesses=(0.1, 0.9), likeness=0.6)
    whole, print_ = Region(0, 0, 560, 400), Region(40, 290, 410, 370)
    told = making._shows_another_side
    assert told(lacking, [WORD, print_])
    assert not told(lacking, []), "nothing tells"
    assert not told(lacking, ONE), "a version, or something over the sign"
    bearing = replace(lacking, likenesses=(0.5, 0.9))
    assert not told(bearing, [whole, print_]), "its boxes are drawn badly"


def test_edges_are_laid_over_others_until_they_are_as_alike_as_those_of_a_relief(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike = {False: (0.3, 0.55), True: (0.62, 0.9)}
    monkeypatch.setattr(making, "_with_others", lambda one, *_: (one, alike[one.relief][one.rows[0]]))
    made = make_stencil([label(), label()], [[BOX], [BOX]])
    assert isinstance(made, Stencil)
    assert (made.rows, made.relief) == ((1,), True)


def test_a_photo_can_be_laid_over_a_frame_that_shows_nothing(stencil: Stencil) -> None:
    flat = replace(stencil, crops=np.full_like(stencil.crops, 200))
    found = lay_over(flat, Pyramid(label()), np.diag([1.5, 1.5, 1]), blurred=True)
    assert found is None or found.likeness == 0


@pytest.mark.parametrize("height", [301, 303])
def test_what_is_left_of_a_box_at_the_edge_of_its_photo_may_be_thin(height: int) -> None:
    made = make_stencil([label()[:height]], [[BOX, Region(200, height - 0.1, 300, height)]])
    assert isinstance(made, Stencil)
    assert isinstance(find_marks(made, seen(label(noise=3))), Found)


@pytest.mark.parametrize("shape", [(8, 900, 3), (900, 8, 3), (1, 3000, 3)])
def test_a_reference_as_thin_as_a_thread_is_left_out(shape: tuple[int, int, int]) -> None:
    thin = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    made = make_stencil([label(), seen(label(noise=1)), thin], [[BOX], [], []])
    assert isinstance(made, Stencil)
    assert made.rows == (0, 1)


def test_a_reference_of_something_else_is_left_out() -> None:
    made = make_stencil([label(), cv2.resize(picture(3), (500, 400))], [[BOX], []])
    assert isinstance(made, Stencil)
    assert made.rows == (0,)


def test_a_row_of_stripes_does_not_outvote_the_mark_beside_it() -> None:
    """Moved by one, or a little slanted, it nearly fits itself; the features of the emblem are few."""
    ground, ink = (225, 228, 220), (60, 30, 25)
    card = np.full((400, 640, 3), ground, np.float32)
    for x in range(300, 500, 45):
        cv2.fillPoly(card, [np.array([[x, 300], [x + 24, 300], [x + 104, 90], [x + 80, 90]])], ink)
    cv2.circle(card, (95, 185), 32, ink, -1, cv2.LINE_AA)
    cv2.ellipse(card, (105, 178), (14, 9), 30, 0, 360, ground, -1, cv2.LINE_AA)
    cv2.rectangle(card, (80, 190), (90, 212), ground, -1)
    random = np.random.default_rng(5)
    photo = np.clip(card + random.normal(0, 2, card.shape), 0, 255).astype(np.uint8)
    made = make_stencil([photo], [[Region(60, 150, 130, 220), Region(300, 90, 560, 300)]])
    assert isinstance(made, Stencil)
    random = np.random.default_rng(1)
    turn, size = random.uniform(-0.3, 0.3), random.uniform(0.6, 0.95)
    x, y = np.array([120, 90]) + random.uniform(-60, 60, 2)
    c, s = size * np.cos(turn), size * np.sin(turn)
    tilt = np.array([[c, -s, x], [s, c, y], [*random.uniform(-2e-4, 2e-4, 2), 1]])
    room = np.full((500, 760, 3), (120, 90, 80), np.float32)
    there = cv2.warpPerspective(card, tilt, (760, 500), room, cv2.INTER_AREA, cv2.BORDER_TRANSPARENT)
    grain = cv2.resize(random.normal(0, 5, (125, 190, 1)).astype(np.float32), (760, 500))[..., None]
    there = np.clip(there + grain + random.normal(0, 4, there.shape), 0, 255).astype(np.uint8)
    found = find_marks(made, there)
    assert isinstance(found, Found), found
    assert min(found.likenesses) > SURE
    corners = np.array([[60, 150], [130, 150], [130, 220], [60, 220]], np.float32)
    emblem = cv2.perspectiveTransform(corners[None], tilt)[0]
    assert found.regions[0].to_list() == pytest.approx([*emblem.min(axis=0), *emblem.max(axis=0)], abs=6)


def test_a_place_where_the_marks_are_found_goes_before_one_where_they_are_not(
    stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_marks(stencil, seen(label()))
    assert isinstance(found, Found), found
    lost = replace(found, likeness=0.4, likenesses=(0.4, 0.9))
    one, two = (replace(found, likeness=0.6, likenesses=each) for each in ((0.1, 0.6), (0.3, 0.6)))
    laid = iter([lost, one, two, lost])
    monkeypatch.setattr(finding, "lay_over", lambda *given, **named: next(laid))
    best = finding._best(None, stencil, [], [np.eye(3)] * 4, blurred=False)
    assert best is not None
    assert (best.likeness, best.likenesses) == (two.likeness, two.likenesses)


def test_cut_stays_on_the_photo() -> None:
    photo = label()
    assert cut(photo, Region(10, 20, 30, 60)).shape == (40, 20, 3)
    assert cut(photo, Region(-50, -50, 5, 5)).shape == (5, 5, 3)
    assert cut(photo, Region(900, 900, 950, 950)).shape == (1, 1, 3)


def test_a_search_by_mark_keeps_the_references_marks(
    tiny_encoder: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = label("OSTGREN")[:, ::-1].copy()
    rows = [
        Reference(id="v", photo=label(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="o", photo=other, brand="ostgren", product="card", regions=[BOX]),
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    catalog.save(tmp_path / "before")
    photos = [seen(label(noise=6)), seen(other)]
    found = catalog.search(photos, 2, by="mark", cache=False)
    assert catalog.marks is not None
    assert catalog.marks.rows.tolist() == [0, 0, 1, 1]
    catalog.save(tmp_path / "after")
    encoded: list[int] = []
    encode = TowerEncoder.encode

    def counting(self: TowerEncoder, images: np.ndarray) -> Embeddings:
        encoded.append(len(images))
        return encode(self, images)

    monkeypatch.setattr(TowerEncoder, "encode", counting)
    tiles = sum(len(tile_boxes(photo.shape[1], photo.shape[0])) for photo in photos)
    for name, new in (("before", 2), ("after", 0)):  # the references' marks, which the first search by mark encodes
        again = Catalog.load(tmp_path / name, encoder=tiny_encoder)
        encoded.clear()
        for more in (new, 0):
            answers = again.search(photos, 2, by="mark", cache=False)
            assert sum(encoded) == len(photos) + tiles + more
            encoded.clear()
            np.testing.assert_array_equal(answers.ids, found.ids)
            np.testing.assert_allclose(answers.scores, found.scores, atol=1e-6)


def test_marks_are_looked_for_in_the_photo_of_the_products_named(tiny_encoder: TowerEncoder) -> None:
    rows = [
        Reference(id="v", photo=label(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="o", photo=label("OSTGREN"), brand="ostgren", product="card", regions=[BOX]),
        Reference(id="f", photo=label(noise=1), brand="velmora", product="card", regions=[BOX], gallery="known_fake"),
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    assert catalog.marks_of("velmora/card").rows.tolist() == [0]
    photo, goods = seen(label(noise=6)), ["velmora/card", "ostgren/card"]
    for order in (goods, goods[::-1]):
        found = catalog.marks_in(photo, order)
        assert found[0] == "velmora/card"


def test_a_photo_that_goes_before_its_tiles_are_cut_is_named_by_its_place(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Reference(id="v", photo=label(), brand="velmora", product="card", regions=[BOX])]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    monkeypatch.setattr(catalog_module, "decode", lambda _, *, name: decode(b"", name=name))
    with pytest.raises(DecodeError, match="photo 1"):
        catalog.search([b"no photo", label()], by="mark", cache=False)


def test_a_large_photo_is_looked_at_in_a_smaller_copy_and_cut_without_aliasing(stencil: Stencil) -> None:
    photo = seen(label(noise=3))
    large = cv2.resize(photo, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    plain, found = find_marks(stencil, photo), find_marks(stencil, large)
    assert isinstance(plain, Found)
    assert isinstance(found, Found), found
    assert np.array(found.region.to_list()) == pytest.approx(4 * np.array(plain.region.to_list()), abs=16)
    assert found.likeness > 0.9
    assert np.abs(found.crop.astype(int) - plain.crop)[stencil.on_mark()].mean() < 8
