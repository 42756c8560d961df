"""What recurs becomes boxes of whole marks, one ink each."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from counterfeit_vision import Region
from counterfeit_vision.marks import outlines
from counterfeit_vision.marks.outlines import MOST, PIECES, whole_marks

GROUND, GREEN, RED = (225, 215, 195), (30, 110, 60), (170, 30, 50)
LOGO, WORD = Region(250, 100, 331, 181), Region(179, 210, 410, 251)
AROUND = Region(150, 70, 440, 290)  # both
EVERYWHERE = np.ones((6, 8), np.float32)


def package(ink: tuple[int, int, int] = RED, turn: float = 0.0) -> np.ndarray:
    """A carton's face (400, 600, 3): a green ring over a word, small print below, in some light and grain."""
    face = np.full((400, 600, 3), GROUND, np.uint8)
    cv2.circle(face, (290, 140), 34, GREEN, 12, cv2.LINE_AA)
    cv2.putText(face, "VELMORA", (180, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.7, ink, 5, cv2.LINE_AA)
    cv2.putText(face, "KEEP DRY 250 G", (40, 390), cv2.FONT_HERSHEY_PLAIN, 1.0, (80, 80, 80), 1, cv2.LINE_AA)
    face = cv2.warpAffine(
        face, cv2.getRotationMatrix2D((295, 180), turn, 1.0), (600, 400), borderMode=cv2.BORDER_REPLICATE
    )
    light = np.linspace(0.8, 1.0, 600)[None, :, None]
    grain = np.random.default_rng(0).normal(0, 4, face.shape)
    return np.clip(cv2.GaussianBlur(face, (0, 0), 0.8) * light + grain, 0, 255).astype(np.uint8)


def heat_in(box: Region) -> np.ndarray:
    """A map over the package that is 1 in a box, 0 elsewhere, and falls softly."""
    heat = np.zeros((400, 600), np.float32)
    heat[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 1
    return cv2.GaussianBlur(heat, (0, 0), 12)


def overlap(one: Region, other: Region) -> float:
    wide, high = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    both = max(0.0, wide) * max(0.0, high)
    return both / (one.area + other.area - both)


@pytest.mark.parametrize(
    "recurs",
    [
        0.3 * heat_in(AROUND) + 0.7 * heat_in(Region(200, 110, 370, 240)),
        0.3 * heat_in(AROUND) + 0.7 * heat_in(Region(240, 130, 420, 260)),
        heat_in(AROUND),
        heat_in(Region(0, 0, 600, 300)),
        heat_in(LOGO) + heat_in(WORD),
    ],
    ids=["less at both ends", "less at one end", "around all", "far around", "apart"],
)
def test_what_recurs_across_two_marks_becomes_a_box_for_each(recurs: np.ndarray) -> None:
    found = whole_marks(package(), recurs)
    assert len(found) == 2
    assert max(overlap(LOGO, one) for one in found) > 0.8
    assert max(overlap(WORD, one) for one in found) > 0.8


def test_a_logo_is_no_letter_even_where_it_has_the_wordmarks_ink() -> None:
    found = whole_marks(package(ink=GREEN), heat_in(AROUND))
    assert sorted(round(one.y0, -1) for one in found) == [100, 210]


def test_letters_of_a_turned_wordmark_stay_together() -> None:
    found = whole_marks(package(turn=20.0), heat_in(AROUND))
    assert max(one.x1 - one.x0 for one in found) > 200


def test_what_does_not_recur_is_no_mark() -> None:
    (word,) = whole_marks(package(), heat_in(Region(170, 200, 420, 260)))
    assert overlap(WORD, word) > 0.8


@pytest.mark.parametrize("photo", ["plain", "noise", "shade", "sliver"])
def test_where_nothing_is_drawn_no_mark_is_made_up(photo: str) -> None:
    pixels = {
        "plain": np.full((300, 400, 3), 90, np.uint8),
        "noise": np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8),
        "shade": np.repeat(np.linspace(20, 230, 400).astype(np.uint8)[None, :, None], 300, axis=0).repeat(3, axis=2),
        "sliver": np.full((3, 400, 3), 90, np.uint8),
    }[photo]
    found = whole_marks(pixels, EVERYWHERE)
    assert len(found) <= (MOST if photo == "noise" else 0)
    assert all(one.x0 >= 0 and one.x1 <= 400 and one.y0 >= 0 and one.y1 <= len(pixels) for one in found)


def test_where_nothing_recurs_no_mark_is_made_up() -> None:
    assert whole_marks(package(), np.zeros((6, 8), np.float32)) == []


def test_a_pattern_of_thousands_of_pieces_is_not_gone_through_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    face = np.full((800, 800, 3), GROUND, np.uint8)
    for x, y in np.mgrid[10:800:14, 10:800:14].reshape(2, -1).T.tolist():
        cv2.circle(face, (x, y), 4, RED, -1, cv2.LINE_AA)
    pairs, gap = 0, outlines._gap

    def count(one: Any, other: Any) -> float:
        nonlocal pairs
        pairs += 1
        return gap(one, other)

    monkeypatch.setattr(outlines, "_gap", count)
    assert len(whole_marks(face, EVERYWHERE)) <= MOST
    assert 0 < pairs <= PIECES * (PIECES - 1) / 2
