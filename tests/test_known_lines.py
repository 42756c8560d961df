"""Where a product's lines of text are looked for, and which of those that a region cuts stand for whole ones."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from wordmarks import box_of

from counterfeit_vision.heads import known_lines
from counterfeit_vision.heads.confusables import bare
from counterfeit_vision.heads.known_lines import AIR, EDGE, MORE_AIR, _boxes, _ends, wordmarks_of
from counterfeit_vision.heads.ocr import Reading, TextLine
from counterfeit_vision.types import Region

WARP = np.stack(np.meshgrid(np.arange(200), np.arange(160)), axis=-1).astype(np.float32)  # the frame is the photo
BOX = box_of(np.zeros((20, 60))) + np.float32([70, 70])


@pytest.mark.parametrize(
    ("seen", "ends"),
    [
        ([("NORVIK", [])], True),
        ([("NORVIK", []), ("NORVIKS", [])], False),  # not on most
        ([("NORVIK", []), ("NORVIKS", []), ("NORVIK", [])], True),
        ([("NORVIK", []), (None, [])], True),  # of those that show it
        ([(None, ["NORVIK"]), (None, ["NORVIK"])], False),
        ([("N0RVlK;", ["x", "NORVIK"])], True),  # as it is found on the photo
        ([("NORVIK", ["NORVIKS"])], True),  # read right, it is not looked for
        ([], False),
    ],
    ids=str,
)
def test_a_line_ends_with_its_box_where_most_photos_that_show_it_read_no_more(
    seen: list[tuple[str | None, list[str]]], ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(photo: int, *_: object, beside: float) -> SimpleNamespace | None:
        assert beside == known_lines.BESIDE, "what stands beside the box is what tells"
        text = seen[photo][0]
        return None if text is None else SimpleNamespace(text=text)

    monkeypatch.setattr(known_lines, "line_at", read)
    monkeypatch.setattr(
        known_lines, "lines_near", lambda photo, *_: [SimpleNamespace(text=text) for text in seen[photo][1]]
    )
    shown = [(number, WARP) for number in range(len(seen))]
    assert _ends(shown, BOX, {bare("NORVIK")}, SimpleNamespace()) is ends  # type: ignore[arg-type]


class Finds:
    """A reader that finds lines in crops: ``told`` of a crop's shape gives their boxes x0 y0 x1 y1 in it."""

    def __init__(self, told: Callable[[tuple[int, int]], list[tuple[int, int, int, int]]]) -> None:
        self.told, self.crops = told, list[tuple[int, int]]()

    def lines(self, crop: np.ndarray) -> list[SimpleNamespace]:
        self.crops.append(crop.shape[:2])
        return [
            SimpleNamespace(pixels=crop, box=np.float32([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
            for x0, y0, x1, y1 in self.told(crop.shape[:2])
        ]


REGION = Region(70, 70, 130, 90)
SHORT = 20
SHAPES = [(round(SHORT * (1 + 2 * air)), round(60 + 2 * air * SHORT)) for air in (AIR, MORE_AIR, 0.0)]


@pytest.mark.parametrize("whole_in", [0, 1, 2, None])
def test_a_line_is_looked_for_with_ever_more_air_and_at_last_in_the_region_alone(whole_in: int | None) -> None:
    def told(shape: tuple[int, int]) -> list[tuple[int, int, int, int]]:
        height, width = shape
        cut = (0, height // 2 - 5, width, height // 2 + 5)  # it runs out of the crop
        if whole_in is None:
            return []
        return [cut if shape != SHAPES[whole_in] else (4, height // 2 - 5, width - 4, height // 2 + 5)]

    reader, photo = Finds(told), np.zeros((160, 200, 3), np.uint8)
    found = _boxes(photo, [REGION], WARP, reader)  # type: ignore[arg-type]
    assert reader.crops == SHAPES[: 3 if whole_in is None else whole_in + 1]
    if whole_in is None:
        assert found == []
    else:
        (box,) = found
        air = (AIR, MORE_AIR, 0.0)[whole_in] * SHORT
        np.testing.assert_allclose(box[[0, 2]], [[74 - air, 75], [126 + air, 85]], atol=0.01)


def test_in_the_region_alone_a_line_may_run_out_of_it_and_with_air_what_stands_beside_does_not_count() -> None:
    photo = np.zeros((160, 200, 3), np.uint8)
    cut = Finds(lambda shape: [(0, 2, shape[1], shape[0] - 2)])
    (box,) = _boxes(photo, [REGION], WARP, cut)  # type: ignore[arg-type]
    np.testing.assert_allclose(box[[0, 2]], [[70, 72], [130, 88]], atol=0.01)
    beside = Finds(lambda shape: [(4, 3, shape[1] - 4, 7)] if shape != SHAPES[2] else [])
    assert _boxes(photo, [REGION], WARP, beside) == []  # type: ignore[arg-type]


def test_near_the_photos_border_a_line_is_told_where_it_lies() -> None:
    photo, region = np.zeros((160, 200, 3), np.uint8), Region(3, 2, 63, 22)
    reader = Finds(lambda shape: [(5, 4, 60, 20)])
    (box,) = _boxes(photo, [region], WARP, reader)  # type: ignore[arg-type]
    np.testing.assert_allclose(box[[0, 2]], [[5, 4], [60, 20]], atol=0.01)  # the crop begins where the photo does


@pytest.mark.parametrize("side", range(4))
def test_a_line_two_pixels_from_any_side_of_its_crop_is_whole_and_nearer_ones_may_be_cut(side: int) -> None:
    pixels = np.zeros((40, 100, 3), np.uint8)
    corners = [EDGE, EDGE, 99 - EDGE, 39 - EDGE]
    for nearer in (False, True):
        corners[side] += (-0.5 if side < 2 else 0.5) * nearer
        x0, y0, x1, y1 = corners
        line = SimpleNamespace(pixels=pixels, box=np.float32([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        assert known_lines._is_whole(line) is not nearer  # type: ignore[arg-type]


def placed(left: float, height: float) -> np.ndarray:
    return np.float32([[left, 0], [left + 60, 0], [left + 60, height], [left, height]])


def wordmarks(
    monkeypatch: pytest.MonkeyPatch, name: str, *shown: tuple[np.ndarray, list[str]], photos: int = 2
) -> tuple[list[list[str]], tuple[str, ...]]:
    """The texts of each line that is a wordmark of a brand of that name, and its words, where so many references read
    these texts in these boxes, "" being nothing; the first of them finds all boxes.
    """
    texts = [(box.tobytes(), read) for box, read in shown]

    def read(photo: int, warp: object, box: np.ndarray, reader: object) -> TextLine:
        text = dict(texts)[box.tobytes()][photo]
        return TextLine(np.full((12, 60, 3), 90, np.uint8), box, Reading(text, 0.99, np.zeros((0, 0), np.float32)))

    reference = SimpleNamespace(brand=name)
    catalog = SimpleNamespace(references=[reference] * photos, pixels=lambda key: key, regions=lambda key: key)
    monkeypatch.setattr(known_lines, "Stencil", SimpleNamespace)
    monkeypatch.setattr(known_lines, "_boxes", lambda photo, *_: [] if photo else [box for box, _ in shown])
    monkeypatch.setattr(known_lines, "line_at", read)
    monkeypatch.setattr(known_lines, "_ends", lambda *_: True)
    monkeypatch.setattr(known_lines, "_thumb", lambda line: np.zeros(1, np.float32))
    marks = SimpleNamespace(shown_by=np.arange(photos), stencil=SimpleNamespace(warps=[WARP] * photos))
    reader = SimpleNamespace(knows=lambda word: not word.startswith("П"))
    known = wordmarks_of(catalog, marks, reader)  # type: ignore[arg-type]
    return [[one.text for one in line.genuine] for line in known.lines], known.words


def test_small_print_is_measured_by_the_name_and_not_by_what_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    name, large = (placed(0, 20), ["SILVANO"] * 2), (placed(100, 70), ["PRIMAVERA"] * 2)
    print_, tiny = (placed(200, 10), ["LEATHER"] * 2), (placed(300, 9), ["HANDMADE"] * 2)
    lines, words = wordmarks(monkeypatch, "Silvano", tiny, large, print_, name)
    assert words == ("Silvano", "SILVANO", "PRIMAVERA", "LEATHER")
    assert lines == [[word] * 2 for word in words[1:]]
    assert wordmarks(monkeypatch, "Norvik", large, print_)[1] == ("Norvik", "PRIMAVERA")  # without a name, by the rest


@pytest.mark.parametrize(
    ("name", "read", "known"),
    [
        ("Silvano", ["NORVIK", "NORVIK"], True),
        ("Silvano", ["NORVIK", "NORVIC"], False),  # no two alike
        ("Silvano", ["SILVAMO", "SILVAMO"], False),  # it is the name, misread
        ("Silvano", ["SILVAMO", "SILVANO"], True),  # one that reads it is enough
        ("Polo Ralph Lauren", ["POLO", "POLO"], True),
        ("Polo Ralph Lauren", ["RALPH LAUREN", "RALPH LAUREN"], True),  # nearly the name, and a part of it
        ("Velmora Bay", ["VELMORA", "VELMORA"], True),  # as goods may print it
        ("Silvano", ["NOR|VIK", "NOR|VIK"], False),  # a stripe, read as a letter
        ("H&M", ["HAM", "HAM"], False),  # as it is typed
        ("H&M", ["HANDN", "HANDN"], False),  # as it is spelt out
        ("Silvano", ["山王", "山王"], True),
        ("Silvano", ["山", "山"], False),
    ],
)
def test_what_two_references_read_alike_is_a_wordmark_but_for_the_name_misread(
    name: str, read: list[str], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, words = wordmarks(monkeypatch, name, (placed(0, 20), read))
    assert bool(lines) is known
    assert (read[1] in words) is known


def test_words_of_letters_that_the_reader_lacks_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wordmarks(monkeypatch, "Победа", (placed(0, 20), ["VIKTORIA"] * 2))[1] == ("VIKTORIA",)


@pytest.mark.parametrize("turned", [False, True])
def test_of_boxes_of_one_line_the_one_counts_in_which_most_references_read_the_name(
    turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = (placed(0, 20), ["SILVANO", "", ""])
    other = (placed(4, 21), ["PRIMAVERA", "PRIMAVERA", "PRIMAVERA"])
    most = (placed(8, 22), ["", "SILVANO", "SILVANO"])
    boxes = [some, other, most][:: -1 if turned else 1]
    lines, words = wordmarks(monkeypatch, "Silvano", *boxes, photos=3)
    assert (lines, words) == ([["SILVANO", "SILVANO"]], ("Silvano", "SILVANO"))
    fewer = (placed(0, 20), ["PRIMAVERA", "PRIMAVERA", ""])
    lines, _ = wordmarks(monkeypatch, "Kestrel", *[fewer, other][:: -1 if turned else 1], photos=3)
    assert lines == [["PRIMAVERA"] * 3], "without the name that in which most read a word"
