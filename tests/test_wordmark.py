"""A wordmark that is misspelt or drawn otherwise stands out from genuine ones in other poses, lights and colours."""

# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import picture, suspects
from PIL import Image
from wordmarks import GROUND, INK, SKIN, box_of, catalogue, covered, goods, listing, mark, retyped

import counterfeit_vision as cv
from counterfeit_vision._concurrency import Once
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import MissingExtraError, WeightsError
from counterfeit_vision.heads import line_comparison, ocr, wordmark
from counterfeit_vision.heads.confusables import bare, spellings
from counterfeit_vision.heads.known_lines import KnownLine, at, larger, line_at, wordmarks_of
from counterfeit_vision.heads.line_comparison import (
    DRAWN_OTHERWISE,
    MISSPELT_SHOWN,
    READ_COUNTS,
    RETYPED,
    RETYPED_COUNTS,
    LineComparison,
    compare_wordmark,
)
from counterfeit_vision.heads.ocr import Reader, Reading, TextLine
from counterfeit_vision.heads.wordmark import Wordmark
from counterfeit_vision.marks.finding import Found, region_around
from counterfeit_vision.marks.stencil import Stencil


def compared(reader: Reader, suspect: np.ndarray, genuine: np.ndarray, word: str) -> LineComparison | None:
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


def surely(reader: Reader, pixels: np.ndarray, read: str) -> TextLine:
    """All of a crop as a line that is surely read so."""
    height, width = pixels.shape[:2]
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    chances = np.full((2 * len(read), len(reader.alphabet)), 1e-4, np.float32)
    for place, letter in enumerate(read):
        chances[2 * place, reader.place[letter]] = chances[2 * place + 1, 0] = 0.9
    return TextLine(pixels, box, Reading(read, 0.9, chances))


@pytest.mark.parametrize("read", ["VELMORA ", "VEL MORA", "N VELMORA"])
def test_a_blank_is_no_letter(reader: Reader, read: str) -> None:
    seen, genuine = (surely(reader, mark("VELMORA"), text) for text in (read, "VELMORA"))
    found = compare_wordmark([seen], [genuine], ["VELMORA"], reader, placed=True)
    assert found is not None
    assert found.misspelt == 0


@pytest.mark.parametrize(
    ("word", "read", "edits"),
    [
        ("ΦΑΓΕ", "ΦAΓE", 0),  # a Latin A and E
        ("ΝΟΥΝΟΥ", "NOYNOY", 0),
        ("NOYNOY", "ΝΟΥΝΟΥ", 0),
        ("ΦΑΓΕ", "ΦAΓΣ", 1),
        ("ΝΟΥΝΟΥ", "N0YNOY", 1),
        ("ADIDAS", "ADlDAS", 1),
        ("AD0MO", "ADOMO", 1),
    ],
)
def test_a_letter_of_another_alphabet_with_one_outline_is_the_same_ink(
    reader: Reader, word: str, read: str, edits: int
) -> None:
    seen, genuine = (surely(reader, mark("VELMORA"), text) for text in (read, word))
    found = compare_wordmark([seen], [genuine], [word], reader, placed=True)
    assert found is not None
    assert (found.edits, found.misspelt > MISSPELT_SHOWN) == (edits, edits > 0)
    assert (bare(read) in spellings(word)) == (edits == 0)


def test_the_nearest_of_several_wordmarks_counts(reader: Reader) -> None:
    genuine = [*reader.lines(mark("MILTON")), *reader.lines(mark("SILVANO"))]
    found = compare_wordmark(reader.lines(mark("SILVANO", pose=4)), genuine, ["MILTON", "SILVANO"], reader)
    assert found is not None
    assert found.word == "SILVANO"
    assert found.score < DRAWN_OTHERWISE


def test_of_wordmarks_of_one_outline_the_one_with_these_letters_is_near() -> None:
    line = SimpleNamespace(text="M0DA")
    for words in (["MODA", "M0DA"], ["M0DA", "MODA"]):
        assert line_comparison._nearest(line, words) == (line, "M0DA", 0)


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


# --- the head ---------------------------------------------------------------------------------------------------------


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
        found._known.get(("place_of", 0, key), lambda: dataclasses.replace(laid, likeness=likeness))
        return Wordmark().score(found)[0]

    well, loosely = said(0.95), said(0.7)
    assert loosely.score == pytest.approx(READ_COUNTS * well.score)  # what is read counts that much at least
    assert "as a whole are not quite like" in loosely.text
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
    assert isinstance(found, LineComparison)
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
    assert "One of the catalogue's photos seems to be off as well" in doubtful.text


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


def looked(
    monkeypatch: pytest.MonkeyPatch, off: float, near: float, covered: tuple[bool, ...] = (), **known: float
) -> LineComparison | str:
    """What is said of a line that is so much misspelt at its place, and as it is found on the photo."""

    def line(misspelt: float) -> SimpleNamespace:
        return SimpleNamespace(text="SILBANO", misspelt=misspelt, pixels=None, box=None)

    def compared(lines: list[SimpleNamespace], *_: object, **__: object) -> LineComparison:
        return LineComparison(lines[0], "Silvano", 1, lines[0].misspelt, None, None, None)

    genuine = [SimpleNamespace(pixels=hides, box=None) for hides in covered]
    monkeypatch.setattr(KnownLine, "most_alike", lambda *_: genuine)
    monkeypatch.setattr(wordmark, "line_at", lambda *_, **__: line(off))
    monkeypatch.setattr(wordmark, "lines_near", lambda *_: [line(near)])
    monkeypatch.setattr(wordmark, "compare_wordmark", compared)
    monkeypatch.setattr(wordmark, "is_covered", lambda hides, *_: hides)
    photo, warp = np.zeros((40, 100, 3), np.uint8), np.zeros((40, 100, 2), np.float32)
    line_known = KnownLine(box_of(photo), (), (), np.zeros((0, 1), np.float32), **known)
    return wordmark._look(photo, warp, line_known, ["Silvano"], SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off", "near", "covered", "hidden"),
    [
        (0.5, 0.5, (True, True), True),
        (0.5, 0.5, (True, False), False),  # it differs from one of two versions of the mark alone
        (0.5, 0.01, (True, True), False),  # as found on the photo it is read right
        (0.01, 0.01, (True, True), False),
    ],
)
def test_a_hand_is_before_a_suspicious_line_alone_and_hides_it_beside_all_genuine_ones(
    off: float, near: float, covered: tuple[bool, bool], hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked(monkeypatch, off, near, covered)
    if hidden:
        assert found == "something is before a part of it, and 'SILBANO' is what is read"
    else:
        assert isinstance(found, LineComparison)
        assert found.misspelt == near


def test_genuine_photos_spare_a_line_by_what_they_are_off_beyond_what_is_never_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = looked(monkeypatch, 0.5, 0.5, misspelt=0.2, redrawn=0.1, retyped=0.04)
    assert isinstance(found, LineComparison)
    assert found.usual == pytest.approx((0.2 - MISSPELT_SHOWN, 0.1 - DRAWN_OTHERWISE, 0.0))
    found = looked(monkeypatch, 0.5, 0.5, misspelt=0.02, redrawn=0.01, retyped=0.09)
    assert isinstance(found, LineComparison)
    assert found.usual == pytest.approx((0.0, 0.0, 0.09 - RETYPED))


@pytest.mark.parametrize(("off", "again"), [(0.01, False), (0.5, True)])
def test_a_line_that_is_read_right_at_its_place_is_not_looked_for_around_it(
    off: float, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find text on a photo takes longer than all else that is asked of a line."""
    found = looked(monkeypatch, off, 0.0)
    assert isinstance(found, LineComparison)
    assert found.misspelt == (0.0 if again else off)


def test_of_two_looks_at_a_line_the_less_suspicious_one_counts_with_the_shapes_of_the_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shapes count where glyphs were compared: a look that has none shows no shape best."""
    looks = {"here": (0.3, 0.4, True), "worse": (0.9, 0.2, True), "no glyphs": (0.5, 0.0, False)}

    def compared(lines: list[SimpleNamespace], *_: object, **__: object) -> LineComparison:
        misspelt, every, told = looks[lines[0].text]
        return LineComparison(
            lines[0], "Silvano", 1, misspelt, 0.0 if told else None, SimpleNamespace() if told else None, None,
            retyped=every,
        )  # fmt: skip

    monkeypatch.setattr(wordmark, "CROPS", ())
    monkeypatch.setattr(KnownLine, "most_alike", lambda *_: [])
    monkeypatch.setattr(wordmark, "line_at", lambda *_, **__: SimpleNamespace(text="here"))
    monkeypatch.setattr(wordmark, "compare_wordmark", compared)
    photo, warp = np.zeros((40, 100, 3), np.uint8), np.zeros((40, 100, 2), np.float32)
    line = KnownLine(box_of(photo), (), (), np.zeros((0, 1), np.float32))
    for others, every in (([], 0.4), (["worse"], 0.2), (["no glyphs"], 0.4), (["worse", "no glyphs"], 0.2)):
        monkeypatch.setattr(wordmark, "lines_near", lambda *_, of=others: [SimpleNamespace(text=one) for one in of])
        found = wordmark._look(photo, warp, line, ["Silvano"], SimpleNamespace())  # type: ignore[arg-type]
        assert isinstance(found, LineComparison)
        assert (found.misspelt, found.retyped) == (0.3, every)


@pytest.mark.usefixtures("reader")
def test_a_glyph_beyond_the_photo_is_shown_at_its_border(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = suspects(catalogue(tiny_encoder), listing(mark("SILVANO", tuple("SILBANO"), pose=2)))
    monkeypatch.setattr(wordmark, "worst_part", lambda box, _: box + np.float32([600, 0]))  # printed beside the line
    (evidence,) = Wordmark().score(found)
    assert evidence.region is not None
    assert evidence.region.x1 == 520


def test_a_shape_is_not_called_drawn_otherwise_where_the_marks_lie_loosely(reader: Reader) -> None:
    genuine, seen = (reader.lines(mark("SILVANO", pose=pose)) for pose in (0, 1))
    found = compare_wordmark(seen, genuine, ["Silvano"], reader)
    assert found is not None
    assert found.redrawn is not None
    otherwise = dataclasses.replace(found, redrawn=2 * DRAWN_OTHERWISE)
    assert "drawn otherwise" in line_comparison.sentence(otherwise)
    assert "differs, or lies otherwise (deviation 0.060)" in line_comparison.sentence(
        dataclasses.replace(otherwise, count=0.1)
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"misspelt": 0.2}, "'SILVANA', written otherwise than 'Silvano' (misspelling 0.20 of 1)."),
        ({"misspelt": 0.2, "edits": 1}, "'SILVANA', 1 letter off 'Silvano' (misspelling 0.20 of 1)."),
        ({"misspelt": 0.2, "edits": 2}, "'SILVANA', 2 letters off 'Silvano' (misspelling 0.20 of 1)."),
        ({"misspelt": 0.04, "edits": 1}, "'SILVANA', but may as well say 'Silvano' (misspelling 0.04 of 1)."),
        ({"retyped": 0.2, "usual": (0.0, 0.0, 0.02)}, "photos (median deviation 0.200; up to 0.070 is usual)."),
        ({"retyped": 0.06}, "photos, or badly seen (median deviation 0.060; up to 0.050 is usual)."),
        # of two glyphs that are off the larger says what it is
        ({"redrawn": 0.15, "retyped": 0.19}, "its shape 3 of 4 looks drawn otherwise than on the catalogue's photos "
         "(deviation 0.150; said from 0.03 on)."),
        ({"redrawn": 0.02, "retyped": 0.06}, "in other shapes than on the catalogue's photos, or badly seen (median "
         "deviation 0.060; up to 0.050 is usual)."),
        ({"redrawn": 0.02}, "'SILVANA' and is drawn nearly as on the catalogue's photos (largest deviation 0.020)."),
        ({"redrawn": 0.009}, "'SILVANA' and is drawn as on the catalogue's photos (largest deviation 0.009)."),
    ],
)  # fmt: skip
def test_a_sentence_says_what_counts_most_and_its_numbers(numbers: dict, told: str) -> None:
    glyphs = SimpleNamespace(residual=np.array([0.0, 0.1, 0.3, 0.2])) if "redrawn" in numbers else None
    given = {"edits": 0, "misspelt": 0.0, "redrawn": None, "glyphs": glyphs, "genuine": None} | numbers
    compared = LineComparison(SimpleNamespace(text="SILVANA"), "Silvano", **given)
    assert line_comparison.sentence(compared).endswith(told)


@pytest.mark.parametrize(
    ("numbers", "genuine", "loosely"),
    [
        ({"misspelt": 0.2, "usual": (0.1, 0.0, 0.0)}, True, False),
        ({"misspelt": 0.2, "usual": (0.0, 0.1, 0.0)}, False, False),
        ({"redrawn": 0.2, "usual": (0.0, 0.1, 0.0)}, True, False),
        ({"redrawn": 0.2, "usual": (0.1, 0.0, 0.0)}, False, False),
        ({"redrawn": 0.02, "usual": (0.0, 0.1, 0.0)}, False, False),
        ({"misspelt": 0.2, "count": 0.5}, False, True),
        ({"retyped": 0.2, "count": 0.5}, False, True),
        ({"redrawn": 0.02, "count": 0.5}, False, False),  # nothing is told that would count less
    ],
    ids=str,
)
def test_why_a_line_counts_less_is_said_where_it_does(numbers: dict, genuine: bool, loosely: bool) -> None:
    given = {"edits": 1, "misspelt": 0.0, "redrawn": None, "glyphs": None, "genuine": None} | numbers
    compared = LineComparison(SimpleNamespace(text="SILVANA"), "Silvano", **given)
    assert ("seems to be off as well" in wordmark._as_genuine(compared)) == genuine
    said = wordmark._loosely(compared, SimpleNamespace(likeness=0.8))
    assert ("are not quite like those on the catalogue's photos (0.80), so it counts less" in said) == loosely


def test_the_part_that_is_shown_is_that_around_the_worst_glyph() -> None:
    box = np.array([[10, 20], [110, 30], [110, 70], [10, 60]], np.float32)
    glyphs = SimpleNamespace(worst=(0.25, 0.5))
    given = {"edits": 0, "misspelt": 0.0, "redrawn": 0.2, "glyphs": glyphs, "genuine": None}
    compared = LineComparison(SimpleNamespace(text="SILVANO"), "Silvano", **given)
    np.testing.assert_allclose(line_comparison.worst_part(box, compared), [[35, 22.5], [60, 25], [60, 65], [35, 62.5]])
    for whole in (dataclasses.replace(compared, glyphs=None), dataclasses.replace(compared, retyped=0.9)):
        np.testing.assert_array_equal(line_comparison.worst_part(box, whole), box)


def test_the_spot_is_where_the_line_lies_that_counts_and_not_one_that_is_not_compared(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(catalogue(tiny_encoder), listing(mark("SILVANO", pose=2)))
    _, found = batch.mark(0)
    assert isinstance(found, Found)
    far, near = (np.float32([[x, 10], [x + 60, 10], [x + 60, 30], [x, 30]]) for x in (20, 90))
    given = {"edits": 1, "misspelt": 0.5, "redrawn": None, "glyphs": None, "genuine": None}
    compared = LineComparison(SimpleNamespace(text="SILBANO"), "Silvano", **given)
    known = SimpleNamespace(lines=[SimpleNamespace(box=far), SimpleNamespace(box=near)], words=["Silvano"])
    monkeypatch.setattr(Wordmark, "_wordmarks", lambda *_: known)
    monkeypatch.setattr(wordmark, "_look", lambda *given: "hidden" if given[2].box is far else compared)
    head = Wordmark(optional=True)
    head._reader = SimpleNamespace()
    (evidence,) = head.score(batch)
    assert evidence.region == region_around(at(found.warp, near[None])[0], batch.pixels(0).shape)


def laid(encoder: TowerEncoder, crops: list[np.ndarray], likeness: float) -> list[cv.Evidence]:
    """What is said of crops at the place where the references have theirs, whose marks are as alike as that."""
    batch = suspects(catalogue(encoder), *(listing(crop, f"{n}") for n, crop in enumerate(crops)))
    key, found = suspects(catalogue(encoder), listing(mark("SILVANO", pose=20))).mark(0)
    assert isinstance(found, Found)
    for row in range(len(crops)):
        batch._known.get(("place_of", row, key), lambda: dataclasses.replace(found, likeness=likeness))
    return Wordmark().score(batch)


@pytest.mark.usefixtures("reader")
def test_a_name_in_another_typeface_is_not_drawn_as_on_the_genuine_goods(tiny_encoder: TowerEncoder) -> None:
    crops = [mark("SILVANO", pose=20), retyped("SILVANO")]
    genuine, other = laid(tiny_encoder, crops, 0.95)
    assert "drawn as on the catalogue's photos" in genuine.text
    assert "reads 'SILVANO', in other shapes than on the catalogue's photos (median deviation" in other.text
    assert other.score > DRAWN_OTHERWISE > genuine.score
    assert other.region is not None
    assert other.region.x1 - other.region.x0 > 0.7 * crops[1].shape[1]  # all of it
    _, loosely = laid(tiny_encoder, crops, 0.7)
    assert loosely.score == pytest.approx(RETYPED_COUNTS * other.score)
    assert "as a whole are not quite like" in loosely.text


def test_shapes_that_a_genuine_photo_shows_as_badly_count_no_more_than_there(
    tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    crops = [mark("SILVANO", pose=20), mark("SILVANO", pose=21), retyped("SILVANO")]
    box = cv.Region(40, 90, 40 + crops[2].shape[1], 90 + crops[2].shape[0])
    rows = [
        cv.Reference(id=f"{n}", photo=goods(crop, n), brand="Silvano", product="bag", regions=[box])
        for n, crop in enumerate(crops)
    ]
    learned = []
    for shown in (rows[:2], rows):
        catalog = cv.Catalog.build(shown, encoder=tiny_encoder, cache=False)
        learned.append(wordmark._learned(catalog, catalog.marks_of("Silvano/bag"), reader).lines[0].retyped)
    assert learned[0] < RETYPED < learned[1]

    found = compare_wordmark(reader.lines(crops[2]), reader.lines(mark("SILVANO")), ["Silvano"], reader)
    assert found is not None
    assert found.throughout
    assert not dataclasses.replace(found, redrawn=1.0).throughout  # a glyph that is worse than the others is told first
    assert not dataclasses.replace(found, misspelt=2 * MISSPELT_SHOWN).throughout
    known = dataclasses.replace(found, usual=(0.0, 0.0, learned[1]))
    assert not known.throughout
    assert known.score < 0.5 * found.score


def test_capitals_are_compared_with_capitals_alone(reader: Reader) -> None:
    (line,) = reader.lines(mark("SILVANO"))
    for text, alike in (("SILVANO", True), ("SILVANo", True), ("Silvano", False)):  # a letter may be misread
        genuine = dataclasses.replace(line, reading=dataclasses.replace(line.reading, text=text))
        found = compare_wordmark([line], [genuine], ["Silvano"], reader)
        assert found is not None
        assert (found.glyphs is not None) == alike


def test_a_line_that_fits_no_genuine_drawing_is_told_from_one_without(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = reader.lines(mark("SILVANO"))
    monkeypatch.setattr(line_comparison, "LAID_OVER", 1.1)
    said = []
    for genuine in ([], [line]):
        found = compare_wordmark([line], genuine, ["Silvano"], reader)
        assert found is not None
        assert found.score < DRAWN_OTHERWISE
        said.append(line_comparison.sentence(found))
    assert "the catalogue has no drawing of it to compare with" in said[0]
    assert "fits none of the catalogue's drawings of it" in said[1]


def test_a_line_that_lacks_its_end_counts_less_where_the_marks_lie_loosely(reader: Reader) -> None:
    def compared(text: str) -> LineComparison:
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


def cut_lines(encoder: TowerEncoder, reader: Reader, brand: str, start: float, stop: float) -> tuple[KnownLine, ...]:
    """What is known of goods that bear SILVANO, with a region from ``start`` to ``stop`` of the word's width."""
    height, width = mark("SILVANO").shape[:2]
    cutting = cv.Region(40 + start * width, 90 + 0.2 * height, 40 + stop * width, 90 + 0.8 * height)
    references = [
        cv.Reference(id=f"r{n}", photo=goods(mark("SILVANO", pose=20 + n), n), brand=brand, product="bag",
                     regions=[cutting])
        for n in range(2)
    ]  # fmt: skip
    catalog = cv.Catalog.build(references, encoder=encoder, cache=False)
    return wordmarks_of(catalog, catalog.marks_of(f"{brand}/bag"), reader).lines


def test_a_name_that_a_region_cuts_is_read_whole(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    (line,) = cut_lines(tiny_encoder, reader, "Silvano", 0.0, 0.8)
    assert {one.text for one in line.genuine} == {"SILVANO"}


def test_a_piece_of_a_line_is_no_wordmark_where_the_region_cuts_it(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    assert cut_lines(tiny_encoder, reader, "Kestrel", 0.33, 0.98) == ()


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
