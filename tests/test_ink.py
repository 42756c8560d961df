"""The claims about strokes and ink: bolder ones and other colours are told from blur, light, haze and each other."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import Any

import cv2
import numpy as np
import pytest
from goods import SIGN, WORD, catalogue, label, labels, seen, stencil_of, suspects
from PIL import Image, ImageEnhance

from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Colours, Head, Ink, Strokes
from counterfeit_vision.heads.laid_over import peak
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.ink import LIKE, PARTS, Drawn, MarkInk, _apart, _ink
from counterfeit_vision.marks.ink_deviation import (
    APART,
    USUAL,
    InkDeviation,
    _registers,
    compare_colours,
    compare_strokes,
)
from counterfeit_vision.marks.layout import MarkLayout
from counterfeit_vision.marks.making import make_stencil
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products.differences import saturation_over
from counterfeit_vision.types import Region


def card(
    *, bold: float = 0.0, tint: tuple[float, float, float] = (0, 0, 0), part: float = 1.0, noise: int = 0
) -> np.ndarray:
    """The label, its word's strokes ``bold`` pixels wider to each side, and its ink tinted from the left."""
    plain = label(noise=noise).astype(np.float32)
    x0, y0, x1, y1 = (int(value) for value in WORD.to_list())
    word = plain[y0:y1, x0:x1]
    ground = np.median(word.reshape(-1, 3), axis=0)
    if bold:  # grown at four times the size, so that fractions of a pixel can be had
        fine = cv2.resize(word, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        reach = round(4 * bold)
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        word[:] = cv2.resize(cv2.erode(fine, element), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)  # dark ink
    ink = np.clip((ground - word).mean(axis=2) / (ground.mean() - 67), 0, 1)
    ink[:, round(part * (x1 - x0)) :] = 0
    word += ink[..., None] * np.array(tint, np.float32)
    return np.clip(plain, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [SIGN, WORD])


@pytest.fixture(scope="module")
def marks(stencil: Stencil) -> tuple[MarkInk, ...]:
    return MarkInk.all_of(stencil)


def strokes(stencil: Stencil, marks: tuple[MarkInk, ...], photo: np.ndarray) -> InkDeviation:
    result = compare_strokes(marks, drawn(stencil, marks, photo), stencil.shape)
    assert isinstance(result, InkDeviation), result
    return result


def colours(stencil: Stencil, marks: tuple[MarkInk, ...], photo: np.ndarray) -> InkDeviation:
    result = compare_colours(marks, drawn(stencil, marks, photo), stencil.shape)
    assert isinstance(result, InkDeviation), result
    return result


def drawn(stencil: Stencil, marks: tuple[MarkInk, ...], photo: np.ndarray) -> list[Drawn | None]:
    found = find_marks(stencil, photo)
    assert isinstance(found, Found), found
    return [mark.measure(found.crop, found.inside) for mark in marks]


def test_there_is_an_outline_a_mark_and_every_reference_draws_it(marks: tuple[MarkInk, ...]) -> None:
    assert len(marks) == 2
    assert [len(mark.genuine) for mark in marks] == [3, 3]
    for mark in marks:
        assert all(abs(drawn.weight) < 0.2 and drawn.likeness > 0.9 for drawn in mark.genuine)
        bold, plain = mark.outline(0.7, 0.8).sum(), mark.outline(0.0, 0.8).sum()
        assert bold > plain


def winged(*, noise: int = 0) -> np.ndarray:
    """The label with a slim wing for a sign, on a dark roof over its word."""
    card = label(noise=noise)
    cv2.fillPoly(
        card, [np.array([[140, 60], [420, 60], [420, 200], [280, 172], [140, 200]])], (120, 20, 30), cv2.LINE_AA
    )
    cv2.polylines(card, [np.array([[140, 200], [280, 172], [420, 200]])], False, (200, 150, 60), 4, cv2.LINE_AA)
    wing = np.array([[225, 125], [280, 139], [335, 125], [280, 156]])
    cv2.fillPoly(card, [wing], (200, 150, 60), cv2.LINE_AA)
    return card


def test_a_box_that_is_drawn_wide_around_a_mark_is_as_good_as_a_tight_one() -> None:
    photos = [winged(), seen(winged(noise=1)), seen(winged(noise=2), seed=8)]
    tight, wide = (
        MarkInk.all_of(stencil_of(photos, [sign, WORD]))
        for sign in (Region(223, 123, 337, 158), Region(223, 84, 337, 198))
    )
    assert tight[0].is_clear
    assert all(mark.is_clear for mark in wide)
    sides = [np.subtract(marks[0].mark[2:], marks[0].mark[:2]) for marks in (tight, wide)]
    assert sides[1] / sides[0] == pytest.approx([1, 1], abs=0.2)


def test_weight_is_measured_in_pixels_of_the_frame(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    scale = stencil.shape[1] / (260 * 1.7)  # the frame's width over the label's, both with margins
    for bold in (0.25, 0.75):
        found = find_marks(stencil, seen(card(bold=bold, noise=3)))
        assert isinstance(found, Found)
        drawn = marks[1].measure(found.crop, found.inside)
        assert drawn is not None
        usual = float(np.median([one.weight for one in marks[1].genuine]))
        assert drawn.weight - usual == pytest.approx(bold * scale, abs=0.2)


@pytest.mark.parametrize("bold", [3.0, 4.0])
def test_strokes_that_are_bolder_than_any_that_is_measured_are_no_less_strange(
    stencil: Stencil, marks: tuple[MarkInk, ...], bold: float
) -> None:
    far, less = (strokes(stencil, marks, seen(card(bold=by, noise=3))) for by in (bold, 1.0))
    assert far.score > less.score
    assert "at least" in far.text
    assert "at least" not in less.text


def test_bold_strokes_and_other_colours_deviate_and_are_named(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    plain, bold = (strokes(stencil, marks, seen(card(bold=by, noise=3))) for by in (0.0, 1.0))
    genuine = colours(stencil, marks, seen(card(noise=3)))
    part = colours(stencil, marks, seen(card(tint=(60, 0, -40), part=0.12, noise=3)))
    whole = colours(stencil, marks, seen(card(tint=(60, 0, -60), noise=3)))
    assert max(plain.score, genuine.score) < 2
    for fake, usual, words in ((bold, plain, "bolder"), (part, genuine, "0% to 10%"), (whole, genuine, "colour")):
        assert fake.score > 2 * usual.score
        assert words in fake.text
    y, x = np.nonzero(part.map)
    box = stencil.boxes[1]
    assert x.max() < box[0] + 0.2 * (box[2] - box[0])
    assert y.min() >= box[1] - 9


def test_bold_strokes_are_no_other_colour_nor_another_colour_bold(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    assert colours(stencil, marks, seen(card(bold=1.0, noise=3))).score < 2
    assert strokes(stencil, marks, seen(card(tint=(60, 0, -60), noise=3))).score < 2


@pytest.mark.parametrize("bold", [0.5, 1.0])
def test_a_stroke_is_as_much_bolder_as_both_its_sides(
    stencil: Stencil, marks: tuple[MarkInk, ...], bold: float
) -> None:
    text = strokes(stencil, marks, seen(card(bold=bold, noise=3))).text
    share = float(text.split("% of the mark's height bolder")[0].split()[-1])
    assert share == pytest.approx(100 * 2 * bold / (WORD.y1 - WORD.y0), rel=0.2)


def test_a_mark_at_its_references_edge_has_no_air_that_is_not_there() -> None:
    x0, y0, x1, y1 = (int(value) for value in WORD.to_list())
    cut = [label(noise=number)[y0:, x0:] for number in range(3)]
    made = make_stencil(cut, [[Region(0, 0, x1 - x0, y1 - y0)], [], []])
    assert isinstance(made, Stencil)
    text = strokes(made, MarkInk.all_of(made), card(bold=1.0, noise=3)[y0:, x0:]).text
    share = float(text.split("% of the mark's height bolder")[0].split()[-1])
    assert share == pytest.approx(100 * 2 / (y1 - y0), rel=0.2)


def test_blur_light_and_haze_are_not_other_ink(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    photo = seen(card(noise=3))
    shade = np.linspace(0.55, 1.0, 640)[None, :, None]
    worse = {
        "blurred": cv2.GaussianBlur(photo, (0, 0), 1.3),
        "dim": (photo * shade).astype(np.uint8),
        "warm light": np.clip(photo * np.array([1.0, 0.88, 0.7]), 0, 255).astype(np.uint8),
        "hazy": (photo * 0.7 + 60).astype(np.uint8),
    }
    bold = strokes(stencil, marks, seen(card(bold=1.0, noise=3))).score
    tinted = colours(stencil, marks, seen(card(tint=(60, 0, -60), noise=3))).score
    for name, pixels in worse.items():
        assert strokes(stencil, marks, pixels).score < bold, name
        assert colours(stencil, marks, pixels).score < tinted, name


def test_a_photo_that_moved_is_not_bold(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    photo = seen(card(noise=3))
    for pixels in (7, 9):
        assert strokes(stencil, marks, cv2.blur(photo, (pixels, 1))).score < 2


@pytest.mark.parametrize(
    "boxes", [(WORD, WORD), (WORD, Region(WORD.x0 - 20, 90, WORD.x1 + 20, WORD.y1 + 5))], ids=["twice", "in the logo's"]
)
def test_a_mark_with_two_boxes_is_not_compared_with_itself(boxes: tuple[Region, Region]) -> None:
    """What all marks share is a bright photo; a mark shares everything with itself."""
    photos = [label(), seen(label(noise=1)), seen(label(noise=2), seed=8)]
    once, twice = (make_stencil(photos, [list(regions), [], []]) for regions in ((WORD,), boxes))
    assert isinstance(once, Stencil)
    assert isinstance(twice, Stencil)
    bold = seen(card(bold=1.0, noise=3))
    alone, both = (strokes(made, MarkInk.all_of(made), bold).score for made in (once, twice))
    assert both > 0.7 * alone > 2
    assert MarkLayout.of(twice, MarkInk.all_of(twice)).pairs == {}


@pytest.mark.parametrize("head", [Ink(), Colours()])
def test_a_black_and_white_photo_has_no_colours_to_compare(tiny_encoder: TowerEncoder, head: Head) -> None:
    coloured = seen(card(noise=3))
    grey = np.repeat(cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    catalog = catalogue(tiny_encoder, [SIGN, WORD])
    in_colour, without = head.score(suspects(catalog, [coloured, grey]))
    assert in_colour.applicable
    assert not without.applicable
    assert without.text == "The photo is black and white."


def test_a_finger_on_a_mark_is_not_ink_of_another_colour(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    touched = card(noise=3)
    cv2.ellipse(touched, (175, 250), (14, 20), 0, 0, 360, (150, 60, 40), -1)
    assert colours(stencil, marks, seen(touched)).score < 2


def test_the_spot_is_all_of_the_mark_that_the_photo_shows(stencil: Stencil) -> None:
    left = np.array([[1.3, 0, -300], [0, 1.3, -125], [0, 0, 1.0]])  # the word begins off the photo
    found = find_marks(stencil, seen(card(noise=3), left))
    assert isinstance(found, Found)
    assert not found.inside.all()
    word = stencil.boxes[1].astype(int)
    of_word = np.zeros(stencil.shape, np.float32)
    of_word[word[1] : word[3], word[0] : word[2]] = 2.0
    spot = peak(found, of_word, (640, 480))
    assert spot is not None
    air = 10 * 1.3 * 442 / stencil.shape[1]  # 10 pixels of the frame; the label's part in it is 442 wide
    mark = found.regions[1]
    assert spot.to_list() == pytest.approx([0, mark.y0 - air, mark.x1 + air, mark.y1 + air], abs=5)
    point = of_word * 0
    point[word[3], word[2]] = 1.0
    corner = peak(found, point, (640, 480))
    assert corner is not None
    assert corner.area < spot.area / 4
    assert peak(found, of_word * ~found.inside, (640, 480)) is None


def test_the_filter_of_warnings_is_left_alone(
    stencil: Stencil, marks: tuple[MarkInk, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the process's: of two threads that set it for a while, one puts back what the other had set."""
    found = find_marks(stencil, card(tint=(40, 0, 0)))
    assert isinstance(found, Found)
    hidden = np.where(np.arange(PARTS)[:, None] < 3, np.nan, 0)  # what no photo shows
    marks = tuple(
        dataclasses.replace(mark, references=tuple(_hidden(one, hidden) for one in mark.references)) for mark in marks
    )
    drawn = [_hidden(mark.measure(found.crop, found.inside), hidden) for mark in marks]
    with monkeypatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", lambda: pytest.fail("it is set"))
        said = compare_colours(marks, drawn, stencil.shape)
    assert isinstance(said, InkDeviation)
    assert "another colour" in said.text


def _hidden(one: Drawn | None, where: np.ndarray) -> Drawn:
    assert one is not None
    return dataclasses.replace(one, colours=one.colours + where, grounds=one.grounds + where)


@pytest.mark.parametrize(("references", "is_odd"), [(3, False), (4, False), (20, True)])
def test_a_colour_that_one_of_a_few_references_has_is_not_another(
    stencil: Stencil, marks: tuple[MarkInk, ...], references: int, is_odd: bool
) -> None:
    """What shows through openwork is the room's colour; of many references one may be odd."""
    word = marks[1]
    plain, other = word.genuine[0], _hidden(word.genuine[0], np.array([0.1, -0.2, 0.1]))
    known = dataclasses.replace(word, references=(*[plain] * (references - 1), other))
    said = compare_colours([known], [other], stencil.shape)
    assert isinstance(said, InkDeviation)
    assert (said.score > 3) is is_odd
    assert (said.score < 1.2) is not is_odd


def test_ink_is_compared_once_the_saturation_of_all_that_a_photo_shows_is_taken_out(
    stencil: Stencil, marks: tuple[MarkInk, ...]
) -> None:
    """Made in pixels: what the photo would show with less saturated colours."""
    photo = card(tint=(30, 0, -10), noise=4)
    deeper = np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(1.5))
    usual, over, back = (
        compare_colours(marks, drawn(stencil, marks, each), stencil.shape, saturation=times)
        for each, times in ((photo, 1), (deeper, 1), (deeper, 1.5))
    )
    assert isinstance(usual, InkDeviation)
    assert isinstance(over, InkDeviation)
    assert isinstance(back, InkDeviation)
    assert back.score == pytest.approx(usual.score, rel=0.05)
    assert abs(over.score - usual.score) > 0.3 * usual.score


def test_the_saturation_is_worked_out_once_for_ink_and_colours(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []  # the wholes; of what lies beside the marks another is worked out

    def counted(whole: Any, laid: Any) -> float:
        asked.append(whole)
        return saturation_over(whole, laid)

    batch = suspects(catalogue(tiny_encoder, [SIGN, WORD]), [seen(label(noise=3))])
    batch.goods(0)  # which may ask of rivals
    for module in ("heads.suspects", "products.differences"):
        monkeypatch.setattr(f"counterfeit_vision.{module}.saturation_over", counted)
    for head in (Ink(), Colours()):
        assert head.score(batch)[0].applicable
    assert sum(whole is batch.whole(0)[1] for whole in asked) == 1


def apart(card: np.ndarray, red: tuple[float, float], blue: tuple[float, float] = (0, 0)) -> np.ndarray:
    """The card, what is red of it printed so many pixels beside what is green, and what is blue."""
    moved = card.copy()
    for channel, by in ((0, red), (2, blue)):
        size, matrix = card.shape[1::-1], np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
        moved[..., channel] = cv2.warpAffine(
            card[..., channel], matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
    return moved


def test_how_far_inks_lie_apart_is_told_to_a_tenth_of_a_pixel() -> None:
    plain, everywhere = label(), np.ones((400, 560), bool)
    for red, blue in (((0, 0), (0, 0)), ((0.3, -0.2), (0, 0)), ((1.5, 1), (-2.5, 0.4))):
        told = _apart(apart(plain, red, blue).astype(np.float32), everywhere)
        assert told == pytest.approx(np.array([red, blue]), abs=0.1)
    red_only = plain.copy()
    red_only[..., 1:] = 215  # printed with one ink
    assert np.isnan(_apart(red_only.astype(np.float32), everywhere)).all()


def registered(stencil: Stencil, marks: tuple[MarkInk, ...], photo: np.ndarray) -> InkDeviation:
    result = compare_colours(marks, drawn(stencil, marks, photo), stencil.shape, 1.3)
    assert isinstance(result, InkDeviation), result
    return result


def test_inks_out_of_register_are_told(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    said = registered(stencil, marks, seen(apart(label(noise=5), (1.5, -1)), seed=6))
    assert "out of register" in said.text
    assert said.score > 2


@pytest.mark.parametrize("photo", ["sharp", "blurred", "noisy", "moved", "small", "jpeg"])
def test_no_photo_of_genuine_goods_moves_their_inks(stencil: Stencil, marks: tuple[MarkInk, ...], photo: str) -> None:
    taken = seen(label(noise=5), seed=6)
    if photo == "blurred":
        taken = cv2.GaussianBlur(taken, (0, 0), 2.0)
    elif photo == "noisy":
        taken = np.clip(taken + np.random.default_rng(0).normal(0, 18, taken.shape), 0, 255).astype(np.uint8)
    elif photo == "moved":
        taken = cv2.filter2D(taken, -1, np.eye(7) / 7)
    elif photo == "small":
        taken = cv2.resize(taken, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    elif photo == "jpeg":
        taken = cv2.imdecode(cv2.imencode(".jpg", taken, (cv2.IMWRITE_JPEG_QUALITY, 30))[1], cv2.IMREAD_COLOR)
    pixels = 1.3 if photo != "small" else 0.5
    told = list(_registers(list(zip(marks, drawn(stencil, marks, taken), strict=True)), pixels))
    assert told
    assert max(finding[0] for finding in told) < 1


def test_inks_that_the_design_has_apart_are_in_register() -> None:
    """Each reference tells what is usual: a shadow in one ink is drawn."""
    photos = [apart(photo, (1.5, -1)) for photo in (label(), label(noise=1), label(noise=2))]
    made = stencil_of([photos[0], seen(photos[1]), seen(photos[2], seed=8)], [SIGN, WORD])
    marks = MarkInk.all_of(made)
    assert "out of register" not in registered(made, marks, seen(apart(label(noise=5), (1.5, -1)), seed=6)).text
    assert "out of register" in registered(made, marks, seen(label(noise=5), seed=6)).text


IN = np.zeros((2, 2))
LATERALLY = np.array([[1.0, 0.0], [0.0, 0.0]])  # what is red a pixel beside what is green
NOWHERE = np.full((2, 2), np.nan)  # where they are not drawn alike


def plates(
    marks: tuple[MarkInk, ...], mine: np.ndarray, genuine: list[np.ndarray], scale: float = 1.0, **seen: Any
) -> list[tuple[float, str]]:
    """What is said of the word whose inks lie so far apart, and its references' so."""
    plain = dataclasses.replace(marks[1].genuine[0], likeness=1.0)
    known = dataclasses.replace(marks[1], references=tuple(dataclasses.replace(plain, apart=one) for one in genuine))
    said = _registers([(known, dataclasses.replace(plain, apart=mine, **seen))], scale)
    return [(score * USUAL["plates"], text) for score, _, _, text in said]


def test_inks_out_of_register_are_measured_by_what_photos_and_references_move_them(
    marks: tuple[MarkInk, ...],
) -> None:
    frame, photo = APART
    (one,) = plates(marks, 2 * LATERALLY, [IN] * 3)
    assert one == (pytest.approx(2 / np.hypot(frame, photo)), "its inks are 2.0 pixels of the photo out of register")
    (small,) = plates(marks, 2 * LATERALLY, [IN] * 3, 0.5)
    assert small == (
        pytest.approx(2 / np.hypot(frame, 2 * photo)), "its inks are 1.0 pixels of the photo out of register"
    )  # fmt: skip
    (varied,) = plates(marks, 2 * LATERALLY, [IN, IN, 0.5 * LATERALLY])
    assert varied[0] == pytest.approx(2 / np.linalg.norm([frame, photo, 0.5]))  # as far as any of them
    (designed,) = plates(marks, 2 * LATERALLY, [2 * LATERALLY] * 3)
    assert designed[0] == 0


def test_of_two_inks_the_one_counts_that_is_farther_off_what_is_usual_for_it(marks: tuple[MarkInk, ...]) -> None:
    mine = np.array([[2.0, 0.0], [0.0, 1.0]])
    (found,) = plates(marks, mine, [IN, IN, 0.9 * LATERALLY])  # references move what is red
    assert found == (pytest.approx(1 / np.hypot(*APART)), "its inks are 1.0 pixels of the photo out of register")


def test_register_is_told_where_the_photo_shows_it_and_most_references_do(marks: tuple[MarkInk, ...]) -> None:
    (plain,) = plates(marks, 2 * LATERALLY, [IN] * 3)
    assert plates(marks, NOWHERE, [IN] * 3) == []
    assert plates(marks, 2 * LATERALLY, [IN, IN, NOWHERE]) == [plain]
    assert plates(marks, 2 * LATERALLY, [IN, IN, NOWHERE, NOWHERE]) == []
    assert plates(marks, 2 * LATERALLY, [IN, NOWHERE, NOWHERE]) == []
    assert plates(marks, 2 * LATERALLY, [IN] * 3, likeness=LIKE) == [plain]
    assert plates(marks, 2 * LATERALLY, [IN] * 3, likeness=LIKE - 0.01) == []


def test_a_reference_that_shows_a_mark_badly_tells_nothing_of_its_register(marks: tuple[MarkInk, ...]) -> None:
    plain = dataclasses.replace(marks[1].genuine[0], likeness=1.0, apart=IN)
    unclear = dataclasses.replace(plain, likeness=LIKE - 0.01, apart=3 * LATERALLY)
    known = dataclasses.replace(marks[1], references=(plain, plain, unclear))
    ((score, *_),) = _registers([(known, dataclasses.replace(plain, apart=2 * LATERALLY))], 1.0)
    assert score * USUAL["plates"] == pytest.approx(2 / np.hypot(*APART))


def test_where_no_reference_shows_a_colour_none_is_compared(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    word = marks[1]
    known = dataclasses.replace(word, references=tuple(_hidden(one, np.array(np.nan)) for one in word.references))
    assert isinstance(compare_colours([known], [word.genuine[0]], stencil.shape), str)


def test_marks_that_are_not_shown_are_not_judged(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    found = find_marks(stencil, seen(card(noise=3)))
    assert isinstance(found, Found)
    assert marks[0].measure(found.crop, np.zeros_like(found.inside)) is None
    flat = marks[0].measure(np.full_like(found.crop, 90), found.inside)
    assert flat is not None
    assert flat.likeness < 0.5
    unclear = [dataclasses.replace(mark, references=(None,)) for mark in marks]  # no reference shows the outline
    for compare, what in ((compare_strokes, "strokes"), (compare_colours, "ink")):
        for known in ([], unclear):
            said = compare(known, drawn(stencil, marks, seen(card(noise=3)))[: len(known)], stencil.shape)
            assert isinstance(said, str)
            assert f"{what} can't be told" in said


def told(marks: tuple[MarkInk, ...], weight: float, genuine: tuple[float, ...] = (0.0, 0.0, 0.0), **drawn: Any) -> Any:
    """What is said of the word where its strokes are so much bolder, and its references' as much."""
    plain = dataclasses.replace(marks[1].genuine[0], weight=0.0, doubt=0.0)
    known = dataclasses.replace(marks[1], references=tuple(dataclasses.replace(plain, weight=by) for by in genuine))
    return compare_strokes([known], [dataclasses.replace(plain, **{"weight": weight, **drawn})], (200, 256))


def test_finer_strokes_are_as_strange_and_called_finer(marks: tuple[MarkInk, ...]) -> None:
    bold, fine = told(marks, 0.5), told(marks, -0.5)
    assert fine.score == pytest.approx(bold.score)
    assert fine.text == bold.text.replace("bolder", "finer")


def test_strokes_tell_nothing_where_the_photo_shows_the_mark_badly(marks: tuple[MarkInk, ...]) -> None:
    assert told(marks, 1.0, likeness=LIKE).score > 5
    assert "strokes can't be told" in told(marks, 1.0, likeness=LIKE - 0.01)


def test_strokes_of_a_bolder_version_that_one_genuine_photo_shows_are_usual(marks: tuple[MarkInk, ...]) -> None:
    one_bold = (0.0, 0.0, 0.0, 1.0)
    assert told(marks, 1.0, one_bold).score < 1
    assert told(marks, 0.5, one_bold).score == pytest.approx(told(marks, 0.5).score)  # as far from either


def test_a_genuine_photo_that_shows_a_mark_badly_is_no_bolder_version(marks: tuple[MarkInk, ...]) -> None:
    plain = dataclasses.replace(marks[1].genuine[0], weight=0.0, doubt=0.0)
    unclear = dataclasses.replace(plain, weight=1.0, likeness=LIKE - 0.01)
    known = dataclasses.replace(marks[1], references=(plain, plain, plain, unclear))
    said = compare_strokes([known], [dataclasses.replace(plain, weight=1.0)], (200, 256))
    assert not isinstance(said, str)
    assert said.score == told(marks, 1.0).score > 5


@pytest.mark.parametrize(
    "doubtful", [{"genuine": (-0.2, 0.0, 0.2)}, {"doubt": 0.1}, {"blur": 9.0}], ids=["they vary", "noise", "softer"]
)
def test_bolder_strokes_count_less_where_they_are_measured_less_well(
    marks: tuple[MarkInk, ...], doubtful: dict[str, Any]
) -> None:
    assert told(marks, 0.5, **doubtful).score < 0.6 * told(marks, 0.5).score


def told_of_hues(marks: tuple[MarkInk, ...], seen: np.ndarray, genuine: list[np.ndarray]) -> InkDeviation:
    """What is said of the word where its parts have such colours (PARTS, 3), and its references' theirs."""
    mine, *known = (dataclasses.replace(marks[1].genuine[0], colours=hues) for hues in (seen, *genuine))
    said = compare_colours([dataclasses.replace(marks[1], references=tuple(known))], [mine], (200, 256))
    assert isinstance(said, InkDeviation)
    return said


HUES = np.tile([-0.4, 0.1, 0.3], (PARTS, 1))
ODD = np.where(np.arange(PARTS)[:, None] == 2, [0.3, -0.6, 0.3], 0.0)  # one part has another colour


@pytest.mark.parametrize(("times", "odd"), [(0.5, False), (0.3, True), (1.2, False), (1.5, True)])
def test_a_colour_may_be_half_as_strong_in_haze_but_not_half_as_strong_again(
    marks: tuple[MarkInk, ...], times: float, odd: bool
) -> None:
    assert (told_of_hues(marks, times * HUES, [HUES] * 3).score > 1) is odd


def test_a_part_of_another_colour_tells_less_where_all_parts_vary(marks: tuple[MarkInk, ...]) -> None:
    """On this photo, or from one genuine photo to another, though not there."""
    there = np.array([1, 1, 0, 1, 1, -1, -1, -1, -1, 0])[:, None]  # so that the whole word's colour stays
    noise = [by * there * np.array([0.1, -0.2, 0.1]) for by in (1, -1, 0.5, -0.5, 0)]
    alone = told_of_hues(marks, HUES + ODD, [HUES] * 5)
    noisy = told_of_hues(marks, HUES + ODD + noise[0], [HUES] * 5)
    varied = told_of_hues(marks, HUES + ODD, [HUES + one for one in noise])
    assert "from 20% to 30% of its width" in alone.text
    assert max(noisy.score, varied.score) < 0.6 * alone.score


def test_a_grey_ground_has_no_hue_to_lose(marks: tuple[MarkInk, ...]) -> None:
    word = marks[1].genuine[0]
    known, grey = (dataclasses.replace(word, colours=HUES, grounds=by * HUES) for by in (0.02, 0.0))
    said = compare_colours([dataclasses.replace(marks[1], references=(known,) * 3)], [grey], (200, 256))
    assert isinstance(said, InkDeviation)


def test_a_glint_on_a_mark_moves_no_ink_beside_it() -> None:
    random = np.random.default_rng(0)
    outline = (random.random(900) < 0.3).astype(np.float32)
    colours = 180 - outline[:, None] * np.float32([120, 80, 40]) + random.normal(0, 2, (900, 3)).astype(np.float32)
    glint = random.random(900) < 0.1
    colours[glint] = 255
    ink = _ink(colours, np.ones((900, 4), np.float32) * [1, 0, 0, 0], outline)
    np.testing.assert_allclose(ink[~glint], outline[~glint], atol=0.1)


def test_a_part_that_is_hidden_or_no_ink_has_no_colour(stencil: Stencil, marks: tuple[MarkInk, ...]) -> None:
    found = find_marks(stencil, seen(card(noise=3)))
    assert isinstance(found, Found)
    x0, y0, _, y1 = marks[1].mark
    hidden = found.inside.copy()
    hidden[y0 + (y1 - y0) // 3 :, : x0 + (marks[1].mark[2] - x0) // 2] = False  # most of its left half
    part = marks[1].measure(found.crop, hidden)
    noise = marks[1].measure(np.random.default_rng(0).integers(0, 255, found.crop.shape, np.uint8), found.inside)
    assert part is not None
    assert noise is not None
    assert np.isnan(part.colours[: PARTS // 2 - 1]).all()
    assert np.isfinite(part.colours[PARTS // 2 + 1 :]).all()
    assert np.isnan(noise.colours).all()


@pytest.mark.parametrize(
    ("head", "change", "word"), [(Strokes(), {"bold": 1.0}, "bolder"), (Ink(), {"tint": (60, 0, -60)}, "colour")]
)
def test_the_heads_say_what_differs_and_show_it(
    tiny_encoder: TowerEncoder, head: Head, change: dict[str, Any], word: str
) -> None:
    catalog = catalogue(tiny_encoder, [SIGN, WORD])
    photos = [seen(card(noise=3)), seen(card(**change, noise=3)), np.full((80, 80, 3), 9, np.uint8)]
    genuine, fake, blank = head.score(suspects(catalog, photos))
    assert fake.score > genuine.score + 1
    assert word in fake.text
    times = r"differs by 0\.\d times what nine of ten rendered genuine photos stay below\."
    assert re.search(rf"how the marks are drawn {times}$", genuine.text), "whether it is usual, its p-value says"
    assert fake.references == ("b", "a")
    assert fake.crops is not None
    assert fake.heatmap is not None
    assert fake.region is not None
    assert not blank.applicable
    alone = [head.score(suspects(catalog, [photo]))[0] for photo in photos]
    assert [row.score for row in alone[:2]] == [genuine.score, fake.score]


@pytest.mark.parametrize("head", [Strokes(), Ink()])
def test_a_mark_that_can_not_be_judged_is_not_passed_over_in_silence(tiny_encoder: TowerEncoder, head: Head) -> None:
    x0, y0, x1, y1 = (int(value) for value in SIGN.to_list())
    plain = card(noise=3)
    plain[y0:y1, x0:x1] = plain[60:70, 100:110].mean(axis=(0, 1)).astype(np.uint8)
    lacking = seen(plain)
    whole, part = head.score(suspects(catalogue(tiny_encoder, [SIGN, WORD]), [seen(card(noise=3)), lacking]))
    assert "judged" not in whole.text
    assert part.text.endswith(" stay below, 1 of 2 marks judged.")


@pytest.mark.parametrize("head", [Strokes(), Ink()])
def test_without_regions_nothing_is_said(tiny_encoder: TowerEncoder, head: Head) -> None:
    evidence = head.score(suspects(catalogue(tiny_encoder, []), [seen(card(noise=3))]))[0]
    assert not evidence.applicable
    assert "region" in evidence.text


def test_where_glare_has_bleached_the_ground_no_colour_is_compared() -> None:
    """Light that is added to ink and ground alike bends the one's hue beside the other's."""

    def red(photo: np.ndarray) -> np.ndarray:
        return (photo * np.array([1.0, 0.35, 0.25])).astype(np.uint8)

    made = make_stencil([red(label()), red(seen(label(noise=1))), red(seen(label(noise=2), seed=8))], [[WORD], [], []])
    assert isinstance(made, Stencil)
    marks = MarkInk.all_of(made)
    photo = red(seen(card(noise=3)))
    shine = np.clip(np.linspace(0, 2.0, 640), 0, 1)[None, :, None]  # most on the right
    glaring = np.clip(photo + shine * 220, 0, 255).astype(np.uint8)
    other = colours(made, marks, red(seen(card(tint=(60, 0, -60), noise=3))))
    assert colours(made, marks, photo).score < 2 < other.score
    said = compare_colours(marks, drawn(made, marks, glaring), made.shape)
    assert "lost its colour, as in glare" in str(said), "the marks themselves are seen"


def test_goods_of_another_hue_are_no_glare() -> None:
    def coloured(photo: np.ndarray, *light: float) -> np.ndarray:
        return (photo * np.array(light)).astype(np.uint8)

    red, blue = (1.0, 0.35, 0.25), (0.25, 0.4, 1.0)
    shown = [label(), seen(label(noise=1)), seen(label(noise=2), seed=8)]
    made = make_stencil([coloured(photo, *red) for photo in shown], [[WORD], [], []])
    assert isinstance(made, Stencil)
    marks = MarkInk.all_of(made)
    genuine, fake = (coloured(seen(card(noise=3)), *light) for light in (red, blue))
    assert colours(made, marks, genuine).score < 2 < colours(made, marks, fake).score


def test_a_part_whose_colour_varies_on_genuine_goods_tells_less_and_the_whole_mark_as_much() -> None:
    """The end of a word at the goods' edge, say, where light gathers."""

    def lit(by: float, noise: int) -> np.ndarray:
        return card(tint=(by, 0, -by), part=0.12, noise=noise)

    made = make_stencil([lit(60, 0), seen(lit(-60, 1)), seen(lit(0, 2), seed=8)], [[WORD], [], []])
    assert isinstance(made, Stencil)
    marks = MarkInk.all_of(made)
    assert colours(made, marks, seen(lit(-50, 3))).score < 2
    assert colours(made, marks, seen(card(tint=(60, 0, -60), noise=3))).score > 4
