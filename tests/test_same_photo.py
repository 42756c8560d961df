"""A copy is the same photo under any disguise; another photo of the same print is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from goods import label, seen
from PIL import Image, ImageFilter
from scenes import ORIGINAL, carton, photo, recoloured, recompressed, texture, turned, under_banner

from counterfeit_vision.align.local_features import find_traits
from counterfeit_vision.geometry.bending import follow_corners
from counterfeit_vision.geometry.keypoints import find_keypoints, match_keypoints, mirrored, shared_picture
from counterfeit_vision.heads import same_photo
from counterfeit_vision.heads.same_photo import SAME_PHOTO, PhotoComparison, _shared_misfit, compare_traits


def compare_photos(first: np.ndarray, second: np.ndarray) -> PhotoComparison:
    """What two photos have in common, (h, w, 3) uint8 each."""
    return compare_traits(find_traits(first), find_traits(second))


COPIES = {
    "as it is": ORIGINAL,
    "crop": ORIGINAL[60:364, 90:444],
    "flip": ORIGINAL[:, ::-1],
    "turn": turned(ORIGINAL, 15),
    "jpeg": recompressed(ORIGINAL, 15),
    "blur": np.asarray(Image.fromarray(ORIGINAL).filter(ImageFilter.GaussianBlur(2.5))),
    "colour": recoloured(ORIGINAL),
    "banner": under_banner(ORIGINAL),
    "small": cv2.resize(ORIGINAL, (280, 240), interpolation=cv2.INTER_AREA),
    "flip, turn, jpeg": recompressed(turned(ORIGINAL[:, ::-1].copy(), -8), 30),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_the_same_photo(name: str) -> None:
    found = compare_photos(np.ascontiguousarray(COPIES[name]), ORIGINAL)
    assert found.same_photo, found
    assert found.mirror == ("flip" in name)
    assert not len(found.artwork)


def test_matched_points_and_region_are_in_pixels_of_the_originals() -> None:
    crop = ORIGINAL[60:364, 90:444]
    found = compare_photos(cv2.resize(crop, None, fx=3, fy=3), ORIGINAL)  # larger than the working size
    here, there = found.points[:, :2], found.points[:, 2:]
    np.testing.assert_allclose(np.median(here / 3 + (90, 60) - there, axis=0), 0, atol=0.5)
    mirror = compare_photos(np.ascontiguousarray(crop[:, ::-1]), ORIGINAL)
    np.testing.assert_allclose(np.median(mirror.points[:, 0] + mirror.points[:, 2]), 90 + 353, atol=1.0)
    assert found.region is not None
    assert found.region.x1 == pytest.approx(3 * 354, abs=30)
    assert found.region.y1 == pytest.approx(3 * 304, abs=30)


@pytest.mark.parametrize("place", [(180, 110), (120, 70)])
def test_a_photo_of_a_burst_in_which_only_the_good_moved_is_another_photo(place: tuple[int, int]) -> None:
    found = compare_photos(photo(1, 5, place=place, side=90), photo(1, 5, place=(150, 90), side=90))
    assert found.agreement > SAME_PHOTO  # the room is the same
    assert not found.same_photo, found


@pytest.mark.parametrize("place", [(150, 90), (20, 180)])
def test_the_same_print_in_another_room_is_another_photo(place: tuple[int, int]) -> None:
    found = compare_photos(photo(2, 5, place=place), ORIGINAL)
    assert not found.same_photo, found
    assert len(found.artwork) >= 20
    np.testing.assert_allclose(
        np.median(found.artwork[:, :2] - found.artwork[:, 2:], axis=0), np.array(place) - (150, 90), atol=1
    )


def held(room: int, corners: list[tuple[int, int]]) -> np.ndarray:
    """A carton with these corners, that fills most of the photo of a dim room."""
    pixels = (128 + (texture(room, 480, 560).astype(float) - 128) / 4).astype(np.uint8)
    view = cv2.getPerspectiveTransform(np.float32([[0, 0], [360, 0], [360, 360], [0, 360]]), np.float32(corners))
    shown = cv2.warpPerspective(np.ones((360, 360, 1), np.uint8), view, (560, 480))[..., None] > 0
    return np.where(shown, cv2.warpPerspective(carton(5, 360), view, (560, 480)), pixels)


def test_a_print_that_fills_the_photo_and_is_held_a_little_askew_is_another_photo() -> None:
    straight = held(1, [(90, 50), (470, 55), (465, 430), (95, 425)])
    found = compare_photos(held(2, [(80, 46), (470, 52), (464, 433), (86, 428)]), straight)
    assert found.agreement > SAME_PHOTO  # of contrast, the room has little
    assert not found.same_photo, found
    assert len(found.artwork) >= 20
    again = compare_photos(recompressed(straight, 20), straight)
    assert again.same_photo, again


@pytest.mark.parametrize("quality", [95, 15])
def test_a_print_from_nearly_the_same_place_is_another_photo(quality: int) -> None:
    straight = held(1, [(90, 50), (470, 55), (465, 430), (95, 425)])
    again = recompressed(held(2, [(70, 41), (454, 46), (449, 424), (77, 418)]), quality)
    for first in (again, np.ascontiguousarray(again[:, ::-1])):
        found = compare_photos(first, straight)
        assert found.agreement > SAME_PHOTO
        assert not found.same_photo, found
    assert len(compare_photos(again, straight).artwork) >= 20


def test_a_close_up_from_very_nearly_the_same_place_is_another_photo() -> None:
    """It is bent by 0.06 pixels, hundreds of times as much as by chance."""
    corners = np.array([(90, 50), (470, 55), (465, 430), (95, 425)])
    askew = corners - (15, 5) + 0.3 * np.array([(-1, 0), (1, 1), (-1, 0), (1, -1)])
    found = compare_photos(held(2, askew.tolist()), held(1, corners.tolist()))
    assert found.agreement > 0.95
    assert not found.same_photo, found


def test_what_agrees_is_no_proven_copy_where_too_few_corners_tell_whether_it_is_bent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    followed = follow_corners
    for count in (20, 19):
        monkeypatch.setattr(
            "counterfeit_vision.heads.same_photo.follow_corners",
            lambda *given, count=count: tuple(points[:count] for points in followed(*given)),
        )
        found = compare_photos(recompressed(ORIGINAL, 60), ORIGINAL)
        assert found.agreement > 0.95
        assert found.same_photo == (count == 20), found


@pytest.mark.parametrize("size", [(280, 241), (223, 192), (563, 480)])
def test_a_copy_whose_sides_were_rounded_is_the_same_photo(size: tuple[int, int]) -> None:
    found = compare_photos(cv2.resize(ORIGINAL, size, interpolation=cv2.INTER_AREA), ORIGINAL)
    assert found.same_photo, found


def cut_out(pixels: np.ndarray, good: np.ndarray, ground: float | np.ndarray = 250) -> np.ndarray:
    """A photo of which the pixels of the ``good`` (h, w) bool are left, on a plain ``ground``."""
    return np.where(good[..., None], pixels, ground).astype(np.uint8)


ON_GOOD = np.zeros((480, 560), bool)
ON_GOOD[90:350, 150:410] = True
SHADOW = 255 - 110 * cv2.GaussianBlur(np.roll(ON_GOOD, (12, 9), (0, 1)).astype(np.float32), (0, 0), 14)[..., None]


@pytest.mark.parametrize("ground", [255, 205, 0, SHADOW], ids=["white", "grey", "black", "shadow"])
def test_a_copy_whose_background_was_removed_is_the_same_photo(ground: float | np.ndarray) -> None:
    whole = cut_out(ORIGINAL, ON_GOOD, ground)
    found = compare_photos(whole, ORIGINAL)
    assert found.same_photo, found
    assert found.without_ground
    assert compare_photos(recompressed(whole[60:380, 120:440], 60), ORIGINAL).same_photo


def test_the_photo_of_which_one_was_cut_out_is_not_called_its_copy() -> None:
    assert not compare_photos(ORIGINAL, cut_out(ORIGINAL, ON_GOOD)).same_photo


def test_another_photo_of_the_same_print_is_none_either_where_its_background_was_removed() -> None:
    corners = [(90, 50), (470, 55), (465, 430), (95, 425)]
    straight, seen = held(1, corners), cv2.fillPoly(np.zeros((480, 560), np.uint8), [np.int32(corners)], 1) > 0
    assert compare_photos(cut_out(straight, seen), straight).same_photo
    for askew in ([(80, 46), (470, 52), (464, 433), (86, 428)], [(70, 41), (454, 46), (449, 424), (77, 418)]):
        seen = cv2.fillPoly(np.zeros((480, 560), np.uint8), [np.int32(askew)], 1) > 0
        found = compare_photos(cut_out(held(2, askew), seen), straight)
        assert not found.same_photo, found


def test_of_two_packshots_on_white_the_outlines_are_compared_too() -> None:
    on_white = cut_out(photo(1, 5), ON_GOOD)
    on_tray = on_white.copy()
    on_tray[60:380, 120:440][~ON_GOOD[60:380, 120:440]] = 120
    for pair in ((on_white, on_tray), (on_tray, on_white)):
        assert not compare_photos(*pair).same_photo


def test_another_good_in_the_same_room_is_another_photo() -> None:
    found = compare_photos(photo(1, 6), ORIGINAL)
    assert not found.same_photo, found


def test_the_room_from_another_angle_is_another_photo() -> None:
    corners = np.float32([[0, 0], [560, 0], [560, 480], [0, 480]])
    askew = cv2.getPerspectiveTransform(corners, np.float32([[40, 30], [560, 0], [520, 480], [0, 400]]))
    found = compare_photos(cv2.warpPerspective(ORIGINAL, askew, (560, 480)), ORIGINAL)
    assert not found.same_photo, found


def test_unrelated_photos_share_nothing() -> None:
    found = compare_photos(photo(3, 7, place=(40, 200)), ORIGINAL)
    assert found.score < 0.4
    assert not len(found.artwork)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (9, 9), (200, 300)])
def test_uniform_and_tiny_photos_match_nothing(shape: tuple[int, int]) -> None:
    flat = np.full((*shape, 3), 128, np.uint8)
    for pair in ((flat, ORIGINAL), (ORIGINAL, flat), (flat, flat)):
        found = compare_photos(*pair)
        assert found.score == 0
        assert found.points.shape == (0, 4)


def test_mirrored_features_are_those_of_the_mirror_image() -> None:
    features = find_keypoints(ORIGINAL)
    other = find_keypoints(np.ascontiguousarray(ORIGINAL[:, ::-1]))
    pairs = match_keypoints(mirrored(features), other)
    here, there = features.points[pairs[:, 0]], other.points[pairs[:, 1]]
    assert len(pairs) > 0.8 * len(features)
    np.testing.assert_allclose(np.median(here[:, 0] + there[:, 0]), 559, atol=0.5)
    found = shared_picture(here, there, mirror=True)
    assert found is not None
    assert np.linalg.det(found.matrix) == pytest.approx(-1, abs=0.01)


def test_no_picture_is_shared_by_points_in_one_place() -> None:
    assert shared_picture(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)) is None
    found = shared_picture(np.zeros((30, 2), np.float32), np.zeros((30, 2), np.float32))
    assert found is None or np.isfinite(found.matrix).all()


def test_a_moved_camera_shifts_neighbours_together_and_noise_does_not() -> None:
    random = np.random.default_rng(0)
    places = random.uniform(0, 400, (300, 2)).astype(np.float32)
    noise = random.normal(0, 1, (300, 2)).astype(np.float32)
    nearer = (places[:, 0] > 200)[:, None] * np.array([1.5, 0]) - np.array([0.75, 0])  # what stands nearer moves more
    moved = nearer.astype(np.float32) + 0.3 * noise
    assert _shared_misfit(noise, places) < 0.6
    assert 0.65 < _shared_misfit(moved, places) < 0.85
    assert _shared_misfit(noise[:1], places[:1]) == pytest.approx(float(np.linalg.norm(noise[0])))


# --- the head ---------------------------------------------------------------------------------------------------------


def test_what_scatters_beside_any_bend_is_not_proved_a_copy() -> None:
    """As the corners of another piece do, whose print is the same, and whose grain or line of text is not."""
    photo = seen(label(noise=1))
    height, width = photo.shape[:2]
    aside = np.random.default_rng(0).normal(0, 1, (height, width, 2)).astype(np.float32)
    aside = cv2.GaussianBlur(aside, (0, 0), 12)
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) + 0.7 * aside / aside.std()
    another = cv2.remap(photo, places.astype(np.float32), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    found = compare_photos(another, photo)
    assert found.agreement > 0.95
    assert not found.same_photo
    assert found.score > 0.4, "no other picture is more alike"
    assert len(found.artwork) >= 20, "they share the print"


def close_up(
    *, piece: int | None, scale: float = 1.0, aside: tuple[int, int] = (0, 0), levels: float = 4
) -> np.ndarray:
    """A word on a plain card, (480, 640, 3) uint8; the noise, so many ``levels``, is another on each ``piece``."""
    card = np.full((480, 640, 3), (226, 222, 214), np.uint8)
    for words, size, thick, height in (("VELMORA", 1.8, 4, 230), ("SPORTSWEAR", 0.8, 2, 270)):
        cv2.putText(card, words, (190, height), cv2.FONT_HERSHEY_DUPLEX, size, (40, 50, 90), thick, cv2.LINE_AA)
    moved = np.array([[scale, 0, aside[0]], [0, scale, aside[1]]], np.float64)
    card = cv2.warpAffine(card, moved, (640, 480), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    if piece is None:
        return card
    grain = cv2.GaussianBlur(np.random.default_rng(piece).normal(0, levels, card.shape), (0, 0), 0.7)
    return np.clip(card + grain, 0, 255).astype(np.uint8)


def test_close_ups_of_one_word_on_two_pieces_are_two_photos() -> None:
    """Its corners tell no bend of the ground around it, which has another grain."""
    another = close_up(piece=2, scale=1.02, aside=(-5, 4))
    found = compare_photos(another, close_up(piece=1))
    assert found.agreement > 0.95
    assert not found.same_photo
    assert found.score > 0.4, "no other picture is more alike"


def test_ground_that_was_smoothed_or_is_small_or_beside_corners_that_span_much_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, faint = close_up(piece=1), close_up(piece=2, levels=0.8)
    assert compare_photos(first, faint).same_photo, "whether it is a copy that was smoothed is not known"
    another = close_up(piece=2)
    assert not compare_photos(first, another).same_photo
    for limit, value in (("SPANNED", 0.0), ("FEWEST_PIXELS", 10**6), ("GRAINLESS", 9.0)):
        with monkeypatch.context() as changed:
            changed.setattr(same_photo, limit, value)
            assert compare_photos(first, another).same_photo, limit


def on_other_ground(photo: np.ndarray) -> np.ndarray:
    """The word with some of its ground, on another plain ground, which has other noise."""
    word = np.zeros(photo.shape[:2], bool)
    word[150:330, 150:500] = True
    return cut_out(photo, word, np.random.default_rng(9).normal((140, 170, 150), 3, photo.shape))


@pytest.mark.parametrize("piece", [1, None])
@pytest.mark.parametrize(
    "edited",
    [
        lambda photo: recompressed(photo, 20),
        lambda photo: recompressed(cv2.resize(photo, (500, 375), interpolation=cv2.INTER_AREA), 80),
        recoloured,
        lambda photo: photo[60:440, 90:600],
        lambda photo: photo[:, ::-1],
        on_other_ground,
        lambda photo: cv2.fastNlMeansDenoisingColored(photo, None, 6, 10),
        lambda photo: cv2.medianBlur(photo, 5),
        lambda photo: cv2.addWeighted(photo, 2.5, cv2.GaussianBlur(photo, (0, 0), 1.5), -1.5, 0),
    ],
    ids=["recompressed", "small", "recoloured", "cropped", "mirrored", "cut out", "denoised", "smoothed", "sharpened"],
)
def test_a_copy_of_such_a_close_up_keeps_its_grain_or_has_none(
    piece: int | None, edited: Callable[[np.ndarray], np.ndarray]
) -> None:
    original = close_up(piece=piece)
    assert compare_photos(np.ascontiguousarray(edited(original)), original).same_photo
