"""The letters of a line as they are drawn: found, laid over genuine ones, and whether something is before them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from wordmarks import GROUND, INK, SKIN, box_of, covered, mark, retyped

from counterfeit_vision.heads import glyphs
from counterfeit_vision.heads.glyphs import compare_glyphs, glyph_spans, ink, is_covered
from counterfeit_vision.heads.line_comparison import DRAWN_OTHERWISE, RETYPED


def test_ink_is_what_leaves_the_ground_whichever_is_darker() -> None:
    dark, light = ink(mark("NOVA")), ink(mark("NOVA", colours=(GROUND, INK)))
    assert dark is not None
    assert light is not None
    np.testing.assert_allclose(dark, light, atol=0.15)
    assert dark.min() > -0.2
    assert 0.1 < (dark > 0.5).mean() < 0.5
    assert ink(np.full((40, 80, 3), 7, np.uint8)) is None


def test_each_letter_is_one_glyph() -> None:
    line = ink(cv2.resize(mark("NOVA"), (200, 64)))
    assert line is not None
    spans = glyph_spans(line)
    assert len(spans) == 4
    assert (spans[1:, 0] >= spans[:-1, 1]).all()
    assert len(glyph_spans(np.zeros((64, 100), np.float32))) == 0


@pytest.mark.parametrize("pose", range(6))
def test_a_line_is_laid_over_another_as_well_as_by_a_slow_twin(pose: int) -> None:
    """One that looks for the affine map on the whole pictures, too, through as wide a window there."""
    genuine, suspect = mark("SILVANO"), mark("SILVANO", pose=pose)
    size = genuine.shape[1::-1]
    drawn = [ink(cv2.resize(pixels, size)) for pixels in (genuine, suspect)]
    assert drawn[0] is not None
    assert drawn[1] is not None
    matrix = np.eye(3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, glyphs.STEPS, 1e-4)
    _, matrix[:2] = cv2.findTransformECC(*drawn, matrix[:2].copy(), cv2.MOTION_AFFINE, criteria, None, 9)
    _, matrix = cv2.findTransformECC(*drawn, matrix, cv2.MOTION_HOMOGRAPHY, criteria, None, glyphs.WINDOW)
    fast = glyphs._refined(drawn[0], drawn[1], np.eye(3, dtype=np.float32))
    one, other = (glyphs._correlation(drawn[0], glyphs._moved(drawn[1], found)) for found in (fast, matrix))
    assert one > other - 0.002


def test_what_lies_at_the_edge_of_a_genuine_line_is_no_glyph_of_it() -> None:
    suspect = mark("NOVA")
    genuine = suspect.copy()
    genuine[:, :3] = INK  # a finger beside the line
    box = box_of(suspect)
    plain = compare_glyphs(suspect, box, suspect, box, placed=True)
    found = compare_glyphs(genuine, box, suspect, box, placed=True)
    assert plain is not None
    assert found is not None
    assert len(found.spans) == len(plain.spans) == 4
    assert found.excess < DRAWN_OTHERWISE


@pytest.mark.parametrize("grain", [0, 80])
def test_a_dark_photo_is_told_from_another_typeface(grain: float) -> None:
    genuine, box = mark("SILVANO"), box_of(mark("SILVANO"))
    medians = []
    for crop in (genuine, retyped("SILVANO")):
        height, width = crop.shape[:2]
        noise = np.random.default_rng(1).normal(0, grain, (height // 4, width // 4, 3))  # as of a small line, enlarged
        noisy = np.clip(crop + cv2.resize(noise, (width, height)), 0, 255).astype(np.uint8)
        found = compare_glyphs(genuine, box, noisy, box, placed=True)
        assert found is not None
        medians.append((found.median, float(np.median(found.residual))))
    (own, raw), (other, _) = medians
    assert own < RETYPED < other
    assert (raw > RETYPED) == (grain > 0)


def test_one_picture_fits_itself_and_a_uniform_one_nothing() -> None:
    genuine = mark("NOVA")
    same = compare_glyphs(genuine, box_of(genuine), genuine, box_of(genuine))
    assert same is not None
    assert same.whole > 0.999
    assert same.residual.max() < 0.001
    flat = np.full_like(genuine, 90)
    assert compare_glyphs(genuine, box_of(genuine), flat, box_of(flat)) is None
    assert compare_glyphs(flat, box_of(flat), genuine, box_of(genuine)) is None


@pytest.mark.parametrize(
    ("ends", "colour", "wanted"),
    [
        ((0.0, 0.25), SKIN, True),  # a finger on the first letters
        ((0.4, 0.65), SKIN, True),
        ((0.8, 1.0), (24, 22, 20), True),  # in the shade
        ((0.0, 0.0), (0, 0, 0), False),
    ],
)
def test_it_is_seen_where_something_is_before_a_line(
    ends: tuple[float, float], colour: tuple[int, ...], wanted: bool
) -> None:
    genuine = mark("SILVANO", pose=20)
    box = box_of(genuine)
    assert is_covered(genuine, box, covered(mark("SILVANO", pose=20), *ends, colour), box) == wanted
    shaded = np.clip(genuine * np.linspace(0.75, 1, genuine.shape[1])[None, :, None], 0, 255).astype(np.uint8)
    assert is_covered(genuine, box, covered(shaded, *ends, colour), box) == wanted
    other = mark("SILVANO", tuple("SILBANO"), pose=20)
    assert is_covered(genuine, box, covered(other, *ends, colour), box) == wanted  # other letters cover nothing
    assert not is_covered(np.full_like(genuine, 90), box, genuine, box)  # nothing to compare the ground with
