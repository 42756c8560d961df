"""A copy lies on its original as it is; another photo of the same thing only where it is bent."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from counterfeit_vision.geometry.bending import bend, follow_corners

RANDOM = np.random.default_rng(0)
PLACES = RANDOM.uniform(0, 250, (200, 2)).astype(np.float32)
NOISE = RANDOM.normal(0, 0.1, (200, 2)).astype(np.float32)
TURN = 1.7 * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])


def seen(matrix: list[list[float]]) -> np.ndarray:
    """The places under a homography."""
    return cv2.perspectiveTransform(PLACES[:, None], np.array(matrix, np.float64))[:, 0].astype(np.float32)


def test_a_shift_a_turn_a_scale_and_another_width_are_no_bend() -> None:
    there = (PLACES @ TURN + (30, -12)).astype(np.float32)
    for here in (PLACES, PLACES + NOISE, PLACES * np.float32([1.01, 1]) + NOISE):
        pixels, beyond, told = bend(here, there)
        assert pixels == 0
        assert told == pytest.approx(0 if here is PLACES else 0.1 / len(here) ** 0.5, rel=0.2, abs=1e-5)
        assert beyond < 5


def test_a_perspective_and_a_slant_are_measured_in_pixels_of_the_first_photo() -> None:
    there = (PLACES @ TURN + (30, -12)).astype(np.float32)
    askew = seen([[1, 0, 0], [0, 1, 0], [4e-5, 0, 1]])
    slanted = seen([[1, 0.005, 0], [0.005, 1, 0], [0, 0, 1]])
    for here in (askew, slanted):
        found, *_ = bend(here, there)
        assert 0.2 < found < 0.8
        noisy, beyond, _ = bend(here + NOISE, there)
        assert noisy == pytest.approx(found, rel=0.2)
        assert bend(2 * here, there)[0] == pytest.approx(2 * found, rel=0.01)
        assert bend(here + 2 * NOISE, there)[1] == pytest.approx(beyond / 4, rel=0.3)
        assert beyond > 100


def test_what_strays_bends_nothing() -> None:
    here = PLACES.copy()
    here[:20] += 3
    assert bend(here + NOISE, PLACES)[0] < 0.05


@pytest.mark.parametrize("count", [0, 1, 19])
def test_by_few_points_anything_may_be_bent(count: int) -> None:
    assert bend(PLACES[:count], PLACES[:count]) == (np.inf, 0, np.inf)


def test_points_in_one_place_tell_nothing() -> None:
    assert bend(np.zeros((30, 2), np.float32), np.zeros((30, 2), np.float32))[:2] == (0, 0)


def test_corners_are_followed_whatever_the_light() -> None:
    grey = cv2.GaussianBlur(RANDOM.uniform(0, 255, (160, 200)).astype(np.float32), (0, 0), 3)
    grey = np.clip(128 + 6 * (grey - grey.mean()), 0, 255)
    moved = cv2.warpAffine(grey, np.float64([[1, 0, 0.6], [0, 1, -0.3]]), (200, 160), borderMode=cv2.BORDER_REFLECT)
    first, second = (0.4 * moved + 20).astype(np.uint8), grey.astype(np.uint8)
    overlap = np.zeros((160, 200), bool)
    overlap[20:140, 20:120] = True
    here, there = follow_corners(first, second, overlap)
    assert len(here) > 50
    assert there[:, 0].max() < 120
    np.testing.assert_allclose(np.median(here - there, axis=0), (0.6, -0.3), atol=0.1)
    second[:, 70:] = RANDOM.integers(0, 256, (160, 130))
    assert np.mean(follow_corners(first, second, overlap)[1][:, 0] < 75) > 0.9


def test_uniform_pictures_have_no_corners() -> None:
    flat, everywhere = np.full((40, 50), 128, np.uint8), np.ones((40, 50), bool)
    for overlap in (everywhere, ~everywhere):
        here, there = follow_corners(flat, flat, overlap)
        assert here.shape == there.shape == (0, 2)
