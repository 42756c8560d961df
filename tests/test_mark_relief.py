"""What is stamped or engraved is told from a print by one photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from goods import engraved, label

from counterfeit_vision.marks.relief import without_ink

BOXES = np.array([[235, 95, 325, 185], [150, 205, 410, 270]], np.float32)
LEATHER = (150, 90, 60)


def sign(*inks: tuple[int, int, int], noise: float = 2.0) -> np.ndarray:
    """Bars of these inks in turn, on leather."""
    card = np.full((400, 560, 3), LEATHER, np.uint8)
    for x0, y0, x1, y1 in BOXES.astype(int).tolist():
        for bar, x in enumerate(range(x0 + 4, x1 - 10, 14)):
            cv2.rectangle(card, (x, y0 + 4), (x + 6, y1 - 4), inks[bar % len(inks)], -1)
    return np.clip(card + np.random.default_rng(0).normal(0, noise, card.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", range(0, 360, 40))
def test_what_is_engraved_has_no_ink_whatever_side_the_light_is_on(light: int) -> None:
    assert without_ink(engraved(light=light)[None], BOXES)


@pytest.mark.parametrize(
    "inks",
    [((20, 20, 20),), ((240, 240, 235),), ((200, 170, 60),), ((240, 240, 240), (20, 30, 120))],
    ids=["black", "white", "gold", "white and blue"],
)
def test_what_is_printed_has(inks: tuple[tuple[int, int, int], ...]) -> None:
    assert not without_ink(sign(*inks)[None], BOXES)
    assert not without_ink(label()[None], BOXES)


def test_one_mark_with_ink_is_enough_and_most_photos_decide() -> None:
    stamped, black = engraved(light=0), sign((20, 20, 20))
    half = stamped.copy()
    half[200:280] = black[200:280]
    assert not without_ink(half[None], BOXES)
    assert without_ink(np.stack([stamped, half, engraved(light=90)]), BOXES)
    assert not without_ink(np.stack([stamped, half, half]), BOXES)


def test_grain_alone_decides_nothing_and_neither_does_a_box_around_everything() -> None:
    plain = np.full((60, 80, 3), 90, np.uint8)
    assert not without_ink(plain[None], np.array([[20, 20, 60, 40]], np.float32))
    assert not without_ink(engraved(light=0)[None], np.array([[0, 0, 560, 400]], np.float32))
    assert not without_ink(engraved(light=0)[None], np.array([[90, 90, 90, 120]], np.float32))
