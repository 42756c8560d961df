"""A wordmark that is misspelt or drawn otherwise stands out from genuine ones in other poses, lights and colours."""

# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import sys
import tracemalloc
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import picture, suspects
from goods import label
from PIL import Image, ImageDraw, ImageFont

import counterfeit_vision as cv
from counterfeit_vision import glyphs, ocr
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import MissingExtraError, WeightsError
from counterfeit_vision.glyphs import compare_glyphs, glyph_spans, ink, is_covered
from counterfeit_vision.heads import wordmark
from counterfeit_vision.heads.known_lines import larger, line_at, wordmarks_of
from counterfeit_vision.heads.wordmark import (
    DRAWN_OTHERWISE,
    MISSPELT_SHOWN,
    READ_COUNTS,
    Comparison,
    Wordmark,
    compare_wordmark,
)
from counterfeit_vision.lookalikes import edit_distance, lookalike_words, skeleton
from counterfeit_vision.market.alphabet import Typeface, Word
from counterfeit_vision.marks.finding import Found, Stencil
from counterfeit_vision.ocr import Reader, Reading, TextLine
from counterfeit_vision.threads import Once

FACE = Typeface(weight=0.17)
INK, GROUND = (35, 30, 90), (225, 220, 205)
SKIN = (176, 128, 104)


def mark(
    text: str,
    drawn: tuple[str, ...] = (),
    *,
    pose: int | None = None,
    colours: tuple[tuple[int, ...], tuple[int, ...]] = (INK, GROUND),
    height: int = 60,
) -> np.ndarray:
    """A crop with the word as the market's alphabet draws it; ``pose`` seeds a perspective, a blur and noise."""
    shape = Word(text, FACE, drawn).shape()
    points = np.concatenate([polygon for element in shape for polygon in element.polygons])
    air = 0.4 * height
    size = np.ceil((np.ptp(points, axis=0)) * height + 2 * air).astype(int)
    pixels = np.full((size[1], size[0], 3), colours[1], np.uint8)
    for element in shape:
        for polygon in element.polygons:
            corners = ((polygon - points.min(axis=0)) * height + air) * 16
            cv2.fillPoly(pixels, [corners.round().astype(np.int32)], colours[0], cv2.LINE_AA, 4)
    if pose is None:
        return pixels
    random = np.random.default_rng(pose)
    corners = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    moved = corners + random.uniform(-0.25, 0.25, (4, 2)).astype(np.float32) * height
    matrix = cv2.getPerspectiveTransform(corners, moved)
    pixels = cv2.warpPerspective(pixels, matrix, size.tolist(), borderValue=colours[1])
    pixels = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.3, 1.2))
    return np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


def compared(reader: Reader, suspect: np.ndarray, genuine: np.ndarray, word: str) -> Comparison | None:
    return compare_wordmark(reader.lines(suspect), reader.lines(genuine), [word], reader)


# --- crops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["SILVANO", "MILTON"])
@pytest.mark.parametrize("pose", [1, 2, 3])
def test_a_genuine_mark_in_another_pose_and_colour_is_not_suspicious(reader: Reader, word: str, pose: int) -> None:
    suspect = mark(word, pose=pose, colours=((240, 235, 60), (20, 70, 40)))
    found = compared(reader, suspect, mark(word, pose=pose + 10), word)
    assert found is not None
    assert found.redrawn is not None
    assert found.score < DRAWN_OTHERWISE


@pytest.mark.parametrize("pose", [1, 2, 3])
def test_a_swapped_letter_is_strong_evidence(reader: Reader, pose: int) -> None:
    found = compared(reader, mark("SILVANO", tuple("SILBANO"), pose=pose), mark("SILVANO"), "SILVANO")
    assert found is not None
    assert found.edits == 1
    assert found.misspelt > 0.3


@pytest.mark.parametrize(
    ("place", "false"),
    [(1, "1"), (6, "0"), (1, "l")],
)
@pytest.mark.parametrize("pose", [1, 2])
def test_a_homoglyph_that_is_drawn_otherwise_is_seen(reader: Reader, place: int, false: str, pose: int) -> None:
    drawn = (*"SILVANO"[:place], false, *"SILVANO"[place + 1 :])
    found = compared(reader, mark("SILVANO", drawn, pose=pose), mark("SILVANO", pose=pose + 10), "SILVANO")
    assert found is not None
    assert found.score > DRAWN_OTHERWISE
    assert found.glyphs is not None
    assert int(found.glyphs.residual.argmax()) == place


def test_a_line_far_from_every_wordmark_is_no_evidence(reader: Reader) -> None:
    assert compared(reader, mark("HANDMADE"), mark("SILVANO"), "SILVANO") is None


def test_where_nothing_is_read_a_brand_of_one_letter_is_not_near(reader: Reader) -> None:
    pixels, box = mark("Q"), np.array([[0, 0], [60, 0], [60, 60], [0, 60]], np.float32)
    nothing, genuine = (TextLine(pixels, box, Reading(text, 0.9, np.ones((4, 9), np.float32))) for text in ("", "Q"))
    assert compare_wordmark([nothing], [genuine], ["Q"], reader, placed=True) is None


@pytest.mark.parametrize("read", ["VELMORA ", "VEL MORA", "N VELMORA"])
def test_a_blank_is_no_letter(reader: Reader, read: str) -> None:
    pixels = mark("VELMORA")
    height, width = pixels.shape[:2]
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    chances = np.full((2 * len(read), len(reader.alphabet)), 1e-4, np.float32)
    for place, letter in enumerate(read):
        chances[2 * place, reader.place[letter]] = chances[2 * place + 1, 0] = 0.9
    seen, genuine = (TextLine(pixels, box, Reading(text, 0.9, chances)) for text in (read, "VELMORA"))
    found = compare_wordmark([seen], [genuine], ["VELMORA"], reader, placed=True)
    assert found is not None
    assert found.misspelt == 0


def test_the_nearest_of_several_wordmarks_counts(reader: Reader) -> None:
    genuine = [*reader.lines(mark("MILTON")), *reader.lines(mark("SILVANO"))]
    found = compare_wordmark(reader.lines(mark("SILVANO", pose=4)), genuine, ["MILTON", "SILVANO"], reader)
    assert found is not None
    assert found.word == "SILVANO"
    assert found.score < DRAWN_OTHERWISE


def test_without_a_genuine_drawing_only_the_reading_counts(reader: Reader) -> None:
    found = compare_wordmark(reader.lines(mark("SILVANO")), [], ["Silvano"], reader)
    assert found is not None
    assert found.redrawn is None
    assert found.score < 0.05
    assert found.edits == 0


@pytest.mark.parametrize("shape", [(60, 200, 3), (8, 40, 3), (2, 2, 3)])
def test_a_uniform_or_tiny_crop_says_nothing(reader: Reader, shape: tuple[int, int, int]) -> None:
    assert compare_wordmark(reader.lines(np.full(shape, 90, np.uint8)), [], ["SILVANO"], reader) is None


# --- Chinese marks ----------------------------------------------------------------------------------------------------

STROKES = {  # in hundredths of the character's square
    "大": ("12,38 88,38", "50,10 50,40 40,68 14,90", "50,42 62,68 88,90"),
    "太": ("12,38 88,38", "50,10 50,40 40,68 14,90", "50,42 62,68 88,90", "42,78 56,90"),
    "山": ("50,10 50,84", "16,36 16,86 84,86", "84,36 84,86"),
    "王": ("16,18 84,18", "20,50 80,50", "10,86 90,86", "50,18 50,86"),
    "玉": ("16,18 84,18", "20,50 80,50", "10,86 90,86", "50,18 50,86", "64,62 76,76"),
}


def chinese(text: str, ink: tuple[int, ...] = INK, ground: tuple[int, ...] = GROUND) -> np.ndarray:
    """A crop with characters 64 pixels high, drawn stroke by stroke: no font is needed."""
    pixels = np.full((112, 72 * len(text) + 48, 3), ground, np.uint8)
    for place, character in enumerate(text):
        for stroke in STROKES[character]:
            points = np.array([corner.split(",") for corner in stroke.split()], float) * 0.64 + (24 + 72 * place, 24)
            cv2.polylines(pixels, [(points * 16).round().astype(np.int32)], False, ink, 8, cv2.LINE_AA, 4)
    return pixels


@pytest.mark.parametrize(("word", "false"), [("大山", "太山"), ("大王", "大玉")])
def test_a_chinese_mark_with_one_stroke_more_is_seen(reader: Reader, word: str, false: str) -> None:
    other = ((240, 235, 60), (20, 70, 40))
    true, fake = (compared(reader, chinese(text, *other), chinese(word), word) for text in (word, false))
    assert true is not None
    assert fake is not None
    assert true.redrawn is not None
    assert (true.edits, fake.edits) == (0, 1)
    assert true.score < DRAWN_OTHERWISE < 0.3 < fake.misspelt
    assert fake.line.text == false


# --- glyphs -----------------------------------------------------------------------------------------------------------


def box_of(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


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


def test_one_picture_fits_itself_and_a_uniform_one_nothing() -> None:
    genuine = mark("NOVA")
    same = compare_glyphs(genuine, box_of(genuine), genuine, box_of(genuine))
    assert same is not None
    assert same.whole > 0.999
    assert same.residual.max() < 0.001
    flat = np.full_like(genuine, 90)
    assert compare_glyphs(genuine, box_of(genuine), flat, box_of(flat)) is None
    assert compare_glyphs(flat, box_of(flat), genuine, box_of(genuine)) is None


# --- text fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [("ADIBAS", "ADIDAS", 1), ("", "ab", 2), ("Chloé", "CHLOÉ", 0), ("Chloé", "CHLOE", 1), ("小米", "小来", 1)],
)
def test_edits_are_letters(first: str, second: str, edits: int) -> None:
    assert edit_distance(first, second) == edits == edit_distance(second, first)


@pytest.mark.parametrize(
    ("title", "name", "false"),
    [
        ("genuine Аdidas shoe", "Adidas", ["Аdidas"]),  # a Cyrillic capital
        ("N1KE air", "Nike", ["N1KE"]),
        ("Arrnani jeans", "Armani", ["Arrnani"]),
        ("L0uis Vuitton bag", "Louis Vuitton", ["L0uis Vuitton"]),
        ("ADIDAS adidas Ａdidas", "Adidas", []),  # case and width are no deceit
        ("Chloe bag", "Chloé", []),
        ("Clark boots, dark brown", "Clark", []),  # another word
        ("dark boots, size 50", "Clark", []),
        ("shirt, size 50", "SO", []),
        ("modern lamp", "Modem", []),
        ("Armani and arrnani", "Armani", []),
        ("Armani, Arm4ni, Аrmani", "Armani", ["Аrmani"]),
        ("C1ark boots", "Clark", ["C1ark"]),
        ("", "Nike", []),
        ("华为 phone", "华为", []),
        ("#LоuisVuittоn bag", "Louis Vuitton", ["LоuisVuittоn"]),  # Cyrillic o
        ("RаyВan", "Ray-Ban", ["RаyВan"]),
        ("АDIDAS_shoes", "Adidas", ["АDIDAS"]),
        ("LouisVuitton, Louis_Vuitton, louis-vuitton", "Louis Vuitton", []),
        ("new balance shoes", "New Balance", []),
    ],
)
def test_titles_that_only_look_like_the_brand(title: str, name: str, false: list[str]) -> None:
    assert lookalike_words(title, name) == false
    assert not false or skeleton(false[0]) == skeleton(name)


# --- the head ---------------------------------------------------------------------------------------------------------


def goods(crop: np.ndarray, seed: int) -> np.ndarray:
    """A photo 520 x 300 with a mark on it."""
    photo = np.full((300, 520, 3), (150, 170, 160), np.uint8)
    photo[230:] = picture(seed, 70, 520)
    photo[90 : 90 + crop.shape[0], 40 : 40 + crop.shape[1]] = crop
    return photo


def catalogue(encoder: TowerEncoder, *, text: str = "SILVANO", regions: bool = True) -> cv.Catalog:
    crops = [mark(text, pose=pose) for pose in (20, 21)] if text else [np.full((60, 100, 3), 90, np.uint8)] * 2
    box = [cv.Region(40, 90, 40 + crops[0].shape[1], 90 + crops[0].shape[0])] if regions else []
    return cv.Catalog.build(
        [
            cv.Reference(id=f"r{n}", photo=goods(crop, n), brand="Silvano", product="bag", regions=box)
            for n, crop in enumerate(crops)
        ],
        encoder=encoder,
        cache=False,
    )


def listing(crop: np.ndarray, id: str = "x", title: str | None = None) -> cv.Listing:
    return cv.Listing(id=id, photos=[goods(crop, 7)], brand="Silvano", title=title)


def test_the_head_tells_a_fake_from_a_genuine_mark(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    catalog = catalogue(tiny_encoder, regions=True)
    head = Wordmark()
    batch = [
        listing(mark("SILVANO", pose=1)),
        listing(mark("SILVANO", tuple("SILBANO"), pose=2)),
        listing(mark("SILVANO", ("S", "I", "L", "V", "A", "N", "0"), pose=3)),
    ]
    genuine, swapped, homoglyph = head.score(suspects(catalog, *batch))
    assert genuine.applicable
    assert genuine.score < DRAWN_OTHERWISE < homoglyph.score < swapped.score
    assert "SILBANO" in swapped.text
    assert "1 letter off" in swapped.text
    assert swapped.region is not None
    assert 20 < swapped.region.x0 < swapped.region.x1 < 500
    assert 70 < swapped.region.y0 < swapped.region.y1 < 230
    assert homoglyph.region is not None
    widths = [region.x1 - region.x0 for region in (swapped.region, homoglyph.region)]
    assert max(widths) < 0.3 * mark("SILVANO", pose=1).shape[1]  # one letter of seven
    assert swapped.region.x1 + max(widths) < homoglyph.region.x0  # the fourth, and the last
    assert swapped.crops is not None
    assert set(swapped.references) == {"r0", "r1"}
    (alone,) = head.score(suspects(catalog, batch[1]))
    assert alone.score == swapped.score


@pytest.mark.usefixtures("reader")
def test_a_mark_counts_less_where_the_marks_lie_loosely(tiny_encoder: TowerEncoder) -> None:
    catalog, batch = catalogue(tiny_encoder), listing(mark("SILVANO", tuple("SILBANO"), pose=2))
    key, laid = suspects(catalog, batch).mark(0)
    assert isinstance(laid, Found)

    def said(likeness: float) -> cv.Evidence:
        found = suspects(catalog, batch)
        found._places.get((0, key), lambda: dataclasses.replace(laid, likeness=likeness))
        return Wordmark().score(found)[0]

    well, loosely = said(0.95), said(0.7)
    assert loosely.score == pytest.approx(READ_COUNTS * well.score)  # what is read counts that much at least
    assert "as a whole are little like" in loosely.text
    assert "loosely" not in well.text


@pytest.mark.parametrize("slips", [1, 99])
def test_a_line_that_is_read_right_in_another_crop_is_not_misspelt(
    tiny_encoder: TowerEncoder, reader: Reader, slips: int
) -> None:
    catalog = catalogue(tiny_encoder)
    marks = catalog.marks_of("Silvano/bag")
    known, stencil = wordmarks_of(catalog, marks, reader), marks.stencil
    assert isinstance(stencil, Stencil)
    misread = reader.read(mark("SILVANO", tuple("SILBANO")))

    class Slipping(Reader):
        def __init__(self) -> None:
            self.__dict__ |= reader.__dict__
            self.count = 0

        def read(self, line: np.ndarray) -> Reading:
            self.count += 1
            return misread if self.count <= slips else super().read(line)

    photo = catalog.pixels(int(marks.shown_by[0]))
    found = wordmark._look(photo, stencil.warps[0], known.lines[0], known.words, Slipping())
    assert isinstance(found, Comparison)
    assert (found.misspelt > 0.3) == (slips > 1)


@pytest.mark.usefixtures("reader")
def test_a_line_that_a_genuine_photo_shows_as_badly_counts_no_more_than_there(tiny_encoder: TowerEncoder) -> None:
    crops = [mark("SILVANO", pose=20), mark("SILVANO", pose=21), mark("SILVANO", tuple("SILBANO"), pose=22)]
    references = [
        cv.Reference(id=f"r{n}", photo=goods(crop, n), brand="Silvano", product="bag",
                     regions=[cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])])
        for n, crop in enumerate(crops)
    ]  # fmt: skip
    told, doubtful = (
        Wordmark().score(
            suspects(
                cv.Catalog.build(shown, encoder=tiny_encoder, cache=False),
                listing(mark("SILVANO", tuple("SILBANO"), pose=2)),
            )
        )[0]
        for shown in (references[:2], references)
    )
    assert told.score > 4 * DRAWN_OTHERWISE
    assert doubtful.score < 0.3 * told.score
    assert "One of the genuine photos seems to be off as well" in doubtful.text


def covered(crop: np.ndarray, start: float, stop: float, colour: tuple[int, ...]) -> np.ndarray:
    """The crop with something of that colour before a share of its width."""
    pixels = crop.copy()
    pixels[:, round(start * crop.shape[1]) : round(stop * crop.shape[1])] = colour
    return pixels


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


@pytest.mark.usefixtures("reader")
def test_nothing_is_said_of_a_line_that_a_hand_is_before(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder)
    genuine = mark("SILVANO", pose=2)
    cut, hidden = Wordmark().score(
        suspects(catalog, *(listing(covered(genuine, 0, 0.17, colour), str(colour)) for colour in (GROUND, SKIN)))
    )
    assert cut.score > DRAWN_OTHERWISE  # there is no S
    assert not hidden.applicable
    assert "before a part of it" in hidden.text


@pytest.mark.usefixtures("reader")
def test_a_glyph_beyond_the_photo_is_shown_at_its_border(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = suspects(catalogue(tiny_encoder), listing(mark("SILVANO", tuple("SILBANO"), pose=2)))
    monkeypatch.setattr(wordmark, "_part", lambda box, _: box + np.float32([600, 0]))  # printed beside the line
    (evidence,) = Wordmark().score(found)
    assert evidence.region is not None
    assert evidence.region.x1 == 520


def test_a_shape_is_not_called_drawn_otherwise_where_the_marks_lie_loosely(reader: Reader) -> None:
    genuine, seen = (reader.lines(mark("SILVANO", pose=pose)) for pose in (0, 1))
    found = compare_wordmark(seen, genuine, ["Silvano"], reader)
    assert found is not None
    assert found.redrawn is not None
    otherwise = dataclasses.replace(found, redrawn=2 * DRAWN_OTHERWISE)
    assert "drawn otherwise" in wordmark._sentence(otherwise)
    assert "differs, or lies otherwise (deviation 0.060)" in wordmark._sentence(
        dataclasses.replace(otherwise, count=0.1)
    )


def test_a_line_that_lacks_its_end_counts_less_where_the_marks_lie_loosely(reader: Reader) -> None:
    def compared(text: str) -> Comparison:
        found = compare_wordmark(reader.lines(mark(text)), [], ["Silvano"], reader)
        assert found is not None
        return dataclasses.replace(found, count=0.1)

    cut, other = compared("SILVAN"), compared("SILBANO")
    assert cut.line.text == "SILVAN"
    assert cut.score == pytest.approx(0.1 * cut.misspelt)
    assert other.score == pytest.approx(READ_COUNTS * other.misspelt)

    def read(text: str) -> float:
        line = dataclasses.replace(cut.line, reading=dataclasses.replace(cut.line.reading, text=text))
        return dataclasses.replace(cut, line=line, misspelt=0.8).score

    assert read("LVANO") == read("Ivano") == pytest.approx(0.08)  # behind a finger; an l alone is read as an I
    assert read("SIIVANO") == pytest.approx(0.8 * READ_COUNTS)


def test_a_line_that_a_region_cuts_does_not_stand_for_the_whole_one(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    crop = mark("SILVANO")
    height, width = crop.shape[:2]
    cutting = cv.Region(40 + 0.3 * width, 90 + 0.2 * height, 40 + 0.7 * width, 90 + 0.8 * height)
    whole = cv.Region(40, 90, 40 + width, 90 + height)
    references = [
        cv.Reference(id=f"r{n}", photo=goods(mark("SILVANO", pose=20 + n), n), brand="Silvano", product="bag",
                     regions=[cutting, whole])
        for n in range(2)
    ]  # fmt: skip
    catalog = cv.Catalog.build(references, encoder=tiny_encoder, cache=False)
    known = wordmarks_of(catalog, catalog.marks_of("Silvano/bag"), reader)
    assert known.words == ("Silvano", "SILVANO")
    (line,) = known.lines
    assert {one.text for one in line.genuine} == {"SILVANO"}
    assert all(one.reading.probabilities.size == 0 for one in line.genuine)  # 3 MB each
    (evidence,) = Wordmark().score(suspects(catalog, listing(mark("SILVANO", tuple("SILBANO"), pose=2))))
    assert evidence.score > DRAWN_OTHERWISE


def test_a_piece_of_a_line_is_no_wordmark_where_the_region_cuts_it(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    crop = mark("SILVANO")
    height, width = crop.shape[:2]
    cutting = cv.Region(40 + 0.33 * width, 90 + 0.2 * height, 40 + 0.98 * width, 90 + 0.8 * height)
    references = [
        cv.Reference(id=f"r{n}", photo=goods(mark("SILVANO", pose=20 + n), n), brand="Kestrel", product="bag",
                     regions=[cutting])
        for n in range(2)
    ]  # fmt: skip
    catalog = cv.Catalog.build(references, encoder=tiny_encoder, cache=False)
    assert wordmarks_of(catalog, catalog.marks_of("Kestrel/bag"), reader).lines == ()


def test_a_line_is_read_at_its_place_and_not_where_the_photo_does_not_show_it(reader: Reader) -> None:
    crop = mark("SILVANO", height=40)
    photo = goods(crop, 3)
    height, width = crop.shape[:2]
    warp = np.stack(np.meshgrid(np.arange(520), np.arange(300)), axis=-1).astype(np.float32)  # the frame is the photo
    box = box_of(crop) + np.array([40, 90], np.float32)
    line = line_at(photo, warp, box, reader)
    assert line is not None
    assert line.text == "SILVANO"
    np.testing.assert_array_equal(line.pixels, photo[90 : 90 + height, 40 : 40 + width])
    wide = line_at(photo, warp, box, reader, beside=0.25)
    assert wide is not None
    more = round(0.25 * height)
    np.testing.assert_array_equal(wide.pixels, photo[90 : 90 + height, 40 - more : 40 + width + more])
    assert wide.box[0, 0] == more
    long = np.zeros((300, 40_000, 3), np.uint8)
    long[:, -520:] = photo
    there = line_at(long, warp + np.array([40_000 - 520, 0], np.float32), box, reader, beside=0.25)
    assert there is not None
    np.testing.assert_array_equal(there.pixels, wide.pixels)
    assert line_at(photo, warp, box + 500, reader) is None  # outside
    assert line_at(photo, 0.1 * warp, box, reader) is None  # too small to be read


def test_a_larger_crop_keeps_a_lines_slant() -> None:
    box = np.float32([[10, 10], [50, 20], [48, 28], [8, 18]])
    grown = larger(box, 0.5, 0.25, 0.0)
    np.testing.assert_allclose(grown - larger(box, 0.5, 0.25, 1.0), np.float32([[2, -8]] * 4), rtol=1e-5)
    middle = box.mean(axis=0)
    np.testing.assert_allclose(grown.mean(axis=0), middle, rtol=1e-5)
    assert np.linalg.norm(grown[3] - grown[0]) == pytest.approx(1.5 * np.linalg.norm(box[3] - box[0]))
    assert np.linalg.norm(grown[1] - grown[0]) == pytest.approx(
        np.linalg.norm(box[1] - box[0]) + np.linalg.norm(box[3] - box[0])
    )


def test_a_line_that_fills_a_large_photo_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.tile(picture(5, 500, 750), (2, 2, 1))
    y, x = np.mgrid[:50, :75].astype(np.float32)
    warp = np.stack([x * 1499 / 74 + 0.2 * y, y * 999 / 49 - 0.2 * x], axis=-1).astype(np.float32)
    box = np.array([[2, 2], [70, 2], [70, 46], [2, 46]], np.float32)

    class Blind:
        def read(self, line: np.ndarray) -> None:
            return None

    whole = line_at(photo, warp, box, Blind(), beside=0.1)  # type: ignore[arg-type]
    monkeypatch.setattr("counterfeit_vision.heads.known_lines.STRIP", 50_000, raising=False)
    tracemalloc.start()
    try:
        line = line_at(photo, warp, box, Blind(), beside=0.1)  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole is not None
    assert line is not None
    np.testing.assert_array_equal(line.pixels, whole.pixels)
    assert peak < 20e6  # 1.5 million pixels in one piece: 90 million bytes


def test_a_photo_whose_file_goes_between_two_claims_ends_nothing(
    tiny_encoder: TowerEncoder, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("counterfeit_vision.heads.suspects.PIXELS_KEPT", 0)  # as where a batch's photos are large
    path = tmp_path / "photo.png"
    Image.fromarray(goods(mark("SILVANO", pose=1), 7)).save(path)
    batch = suspects(catalogue(tiny_encoder), cv.Listing(id="x", photos=[path], brand="Silvano"))
    assert not isinstance(batch.mark(0), str)
    path.unlink()
    (evidence,) = Wordmark().score(batch)
    assert not evidence.applicable
    assert f"can no longer be read: {path}: cannot be read" in evidence.text


@pytest.mark.parametrize("text", ["", "HANDMADE"])
def test_a_suspect_without_the_wordmark_is_not_judged(tiny_encoder: TowerEncoder, reader: Reader, text: str) -> None:
    crop = mark(text, height=48) if text else np.full((60, 100, 3), 90, np.uint8)
    (evidence,) = Wordmark().score(suspects(catalogue(tiny_encoder), listing(crop)))
    assert not evidence.applicable
    assert evidence.text


def test_a_brand_without_a_wordmark_is_not_judged(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    catalog = catalogue(tiny_encoder, text="", regions=False)
    (evidence,) = Wordmark().score(suspects(catalog, listing(mark("SILVANO"))))
    assert not evidence.applicable
    assert "no reference photo of it has a region drawn around its marks" in evidence.text


def printed(text: str, height: int = 48) -> np.ndarray:
    """A crop with a text in Pillow's own face, which has no accents: a stroke is drawn for each."""
    plain, font = "", ImageFont.load_default(height)
    letters = [letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)]
    image = Image.new("RGB", (round(font.getlength("".join(letters))) + 50, 2 * height), GROUND)
    draw = ImageDraw.Draw(image)
    for letter in unicodedata.normalize("NFD", text):
        if unicodedata.combining(letter):
            x, top = 25 + font.getlength(plain) - font.getlength(plain[-1]) / 2, font.getbbox(plain[-1])[1]
            lean = height * (0.1 if letter == "\u0301" else -0.1)
            low, high = (0.5 * height + top - share * height for share in (0.08, 0.24))
            draw.line([(x - lean, low), (x + lean, high)], fill=INK, width=height // 9)
        else:
            draw.text((25 + font.getlength(plain), 0.5 * height), letter, fill=INK, font=font)
            plain += letter
    return np.asarray(image)


@pytest.mark.parametrize(
    ("name", "text", "false"),
    [
        ("Hermes", "HERMÈS", "HERMÈZ"),
        ("Nestle", "Nestlé", "Nestlá"),
        ("Nestlé", "Nestlé", "Nestlá"),
        ("Coca Cola", "Coca-Cola", "Coca-Cula"),
        ("Levis", "Levi's", "Lewi's"),
        ("Dr Martens", "Dr. Martens", "Dr. Mortens"),
        ("Marks and Spencer", "Marks & Spencer", "Marks & Spancer"),
        ("Kestrel", "Coca-Cola", "Coca-Cula"),  # a wordmark that is not the brand's name
    ],
)
def test_a_name_is_known_without_the_marks_that_its_goods_print(
    name: str, text: str, false: str, tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    crop = printed(text)
    box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
    rows = [cv.Reference(id=f"{n}", photo=goods(crop, n), brand=name, product="bag", regions=[box]) for n in range(2)]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    known = wordmarks_of(catalog, catalog.marks_of(f"{name}/bag"), reader)
    assert known.words == tuple(dict.fromkeys([name, text]))
    shown = [cv.Listing(id=word, photos=[goods(printed(word), 7)], brand=name) for word in (text, false)]
    right, wrong = Wordmark().score(suspects(catalog, *shown))
    assert right.score < DRAWN_OTHERWISE < 0.2 < wrong.score
    assert f"reads {false!r}, 1 letter off" in wrong.text


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("brand", "text", "said"),
    [
        ("Восход", "", "The reader lacks letters of Восход."),
        ("Norvik", "", "No wordmark of Norvik can be read on its genuine photos."),
        ("Восход", "SILVANO", "drawn as on the genuine goods"),
    ],
)
def test_a_brand_that_the_reader_has_no_letters_for_is_named_as_such(
    brand: str, text: str, said: str, tiny_encoder: TowerEncoder
) -> None:
    photos = [label("", noise=n) if not text else goods(mark(text, pose=20 + n), n) for n in range(2)]
    size = mark(text).shape if text else ()
    box = cv.Region(40, 90, 40 + size[1], 90 + size[0]) if text else cv.Region(235, 95, 325, 185)
    rows = [
        cv.Reference(id=f"{n}", photo=photo, brand=brand, product="bag", regions=[box])
        for n, photo in enumerate(photos)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    (evidence,) = Wordmark().score(suspects(catalog, cv.Listing(id="x", photos=photos[:1], brand=brand)))
    assert said in evidence.text
    assert evidence.applicable == bool(text)


def test_a_title_in_other_letters_is_evidence(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    catalog = catalogue(tiny_encoder)
    titles = ("Silvano bag", "Silvanо bag")  # the second with a Cyrillic o
    true, false = Wordmark().score(suspects(catalog, *(listing(mark("SILVANO"), title=title) for title in titles)))
    assert true.score < DRAWN_OTHERWISE
    assert false.score >= 1
    assert "Silvanо" in false.text
    assert true.region is not None
    assert (false.region, false.crops) == (None, None)  # nothing is wrong on the photo


def other_goods(text: str) -> np.ndarray:
    """A photo 520 x 300 of something else that bears a text, light on dark, in another typeface."""
    photo = np.full((300, 520, 3), (60, 40, 45), np.uint8)
    photo[:60] = picture(3, 60, 520)
    cv2.putText(photo, text, (90, 200), cv2.FONT_HERSHEY_DUPLEX, 2.0, (220, 214, 200), 4, cv2.LINE_AA)
    return photo


@pytest.mark.parametrize(
    ("text", "told"),
    [("SILVAMO", True), ("S1LVANO", True), ("SILVANO", False), ("SILVAN", False), ("SALVADOR", False)],
)
def test_a_name_that_is_a_letter_off_is_read_on_whatever_goods(
    text: str, told: bool, tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    catalog = catalogue(tiny_encoder)
    asked = [
        cv.Listing(id="product", photos=[other_goods(text)], brand="Silvano", product="bag"),
        cv.Listing(id="brand", photos=[other_goods(text)], brand="silvano "),
        cv.Listing(id="nothing", photos=[other_goods(text)]),
        cv.Listing(id="other", photos=[other_goods(text)], brand="Norvik"),
    ]
    product, brand, *others = Wordmark().score(suspects(catalog, *asked))
    assert (product.applicable, brand.applicable) == (told, told)
    assert not any(evidence.applicable for evidence in others), "nobody said that it is one of the brand's"
    if told:
        assert product.score > MISSPELT_SHOWN
        assert f"the photo reads {text!r}, nearly 'Silvano'" in product.text
        assert product.region is not None
        assert 80 < product.region.x0 < product.region.x1 < 500
        assert 130 < product.region.y0 < product.region.y1 < 240
        assert product.crops is not None
    else:
        assert "No mark to read" in product.text


@pytest.mark.usefixtures("reader")
def test_a_name_typed_without_its_hyphen_is_read_on_whatever_goods(tiny_encoder: TowerEncoder) -> None:
    crop = printed("Coca-Cola")
    box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
    rows = [
        cv.Reference(id=f"{n}", photo=goods(crop, n), brand="Coca Cola", product="can", regions=[box]) for n in (0, 1)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    shown = [cv.Listing(id=text, photos=[other_goods(text)], brand="Coca Cola") for text in ("Coca-Cola", "Coca-Cula")]
    right, wrong = Wordmark().score(suspects(catalog, *shown))
    assert not right.applicable
    assert wrong.score > MISSPELT_SHOWN
    assert "the photo reads 'Coca-Cula', nearly 'Coca Cola'" in wrong.text


def test_a_name_among_specks_is_not_misspelt(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three of them it is no near miss of the name, and nothing is compared."""
    monkeypatch.setattr(wordmark, "lines_near", lambda *given: [])
    (line,) = reader.lines(mark("SILVAMO"))
    specks = dataclasses.replace(line, reading=dataclasses.replace(line.reading, text="'SILVAMO!?"))
    assert wordmark._is_miss(specks.text, "Silvano")
    assert wordmark._least_misspelt(line.pixels, specks, ["Silvano"], reader) == 0
    assert wordmark._least_misspelt(line.pixels, line, ["Silvano"], reader) > MISSPELT_SHOWN


def test_a_false_brand_field_is_evidence_and_the_title_is_measured_by_the_catalogue(
    tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    catalog, photo, false = catalogue(tiny_encoder), goods(mark("SILVANO"), 7), "Silvanо"  # with a Cyrillic o
    asked = [
        cv.Listing(id=f"{title} {brand}", photos=[photo], brand=brand, product="bag", title=f"{title} bag")
        for title, brand in ((false, false), ("Silvano", false), ("Silvano", "silvano"), (false, None))
    ]
    asked.append(cv.Listing(id="product", photos=[photo], product=f"{false} bag"))
    both, field, right, title, product = Wordmark().score(suspects(catalog, *asked))
    assert product.score >= 1
    assert f"The listing's product spells Silvano in other letters that look alike: {false!r}" in product.text
    assert min(both.score, field.score, title.score) >= 1 > right.score
    assert "The title spells Silvano in other letters" in both.text
    assert f"The listing's brand spells Silvano in other letters that look alike: {false!r}" in field.text


def test_without_the_runtime(tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = catalogue(tiny_encoder)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(ocr, "_shared", Once())
    with pytest.raises(MissingExtraError, match=r"counterfeit-vision\[ocr\]"):
        Wordmark()
    (evidence,) = Wordmark(optional=True).score(suspects(catalog, listing(mark("SILVANO"))))
    assert not evidence.applicable
    assert "counterfeit-vision[ocr]" in evidence.text


def test_models_that_could_not_be_had_are_asked_for_again_a_while_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked, models = [0.0], [], object()

    def shared_reader() -> object:
        asked.append(now[0])
        if now[0] < wordmark.PATIENCE:
            raise WeightsError("no connection\nWithout one, bring the models")
        return models

    monkeypatch.setattr(wordmark, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(wordmark, "shared_reader", shared_reader)
    head = Wordmark(optional=True)
    assert head.unable == head.reader() == "no connection"
    now[0] = wordmark.PATIENCE - 1
    assert head.unable == "no connection"
    assert asked == [0.0]
    now[0] = wordmark.PATIENCE + 1
    assert head.unable is None
    assert head.reader() is models
    assert asked == [0.0, wordmark.PATIENCE + 1]
