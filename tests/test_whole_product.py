"""The claims about the whole product: what is no mark is compared as well, and light, blur and the room are not it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from goods import BOX, CLOSE, TILT, cards, engraved, plates, printed, seen, stencil_of, suspects
from PIL import Image, ImageEnhance

from counterfeit_vision import Catalog, Region
from counterfeit_vision.calibration.support import COVERED
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.geometry.laying import Laid, places, plane_of
from counterfeit_vision.heads import Colours, Drawing, Pattern
from counterfeit_vision.heads.suspects import SAME
from counterfeit_vision.marks.finding import Found, likely_place
from counterfeit_vision.marks.making import make_stencil
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products import differences
from counterfeit_vision.products.differences import (
    GAIN,
    LEFT,
    MISSING,
    OTHER_GROUND,
    REACH,
    WINDOW,
    Difference,
    colours_differ,
    drawing_differs,
    goods_differ,
    missing_from,
    pattern_differs,
    saturation_over,
    shade_over,
    unlike_all,
)
from counterfeit_vision.products.whole import WholeProduct

STRIPE = (30, 285, 380, 300)  # x0, y0, x1, y1 on the card


def card(*, stripe: bool = False, paper: tuple[int, int, int] | None = None, noise: int = 0) -> np.ndarray:
    """The card with, where asked for, a stripe under its marks, and another colour of the paper in its upper part."""
    drawn = printed(noise=noise)
    if stripe:
        cv2.rectangle(drawn, STRIPE[:2], STRIPE[2:], (30, 60, 110), -1)
    if paper is not None:
        share = np.clip(2 - np.arange(400) / 100, 0, 1)[:, None, None]  # no edge between the two
        tinted = drawn * (1 - share + share * np.array(paper) / (225, 215, 195))
        drawn = np.clip(tinted, 0, 255).astype(np.uint8)
    return drawn


def references() -> list[np.ndarray]:
    return [printed(), seen(printed(noise=1)), seen(printed(noise=2), seed=8)]


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(references(), [BOX])


@pytest.fixture(scope="module")
def whole(stencil: Stencil) -> WholeProduct:
    return WholeProduct.of(stencil, references(), [np.ones((7, 7), np.float32)] * 3)


def over(stencil: Stencil, whole: WholeProduct, photo: np.ndarray) -> Laid:
    place = likely_place(stencil, photo)
    assert isinstance(place, Found)
    laid = whole.lay(photo, place.warp)
    assert isinstance(laid, Laid), laid
    return laid


def test_the_references_lie_over_each_other_whole(whole: WholeProduct) -> None:
    assert whole.rows == (0, 1, 2)
    assert len(whole.crops) == 3
    assert max(whole.product.shape) == 256
    first, *others = whole.drawings
    for other in others:
        assert np.corrcoef(first[whole.product], other[whole.product])[0, 1] > 0.8


def askew(place: Found) -> Found:
    """Marks that tell badly what is far from them: turned and larger, in the middle of where they are."""
    height, width = place.warp.shape[:2]
    turned = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), 20, 0.8), [0, 0, 1]])
    return dataclasses.replace(place, warp=places(plane_of(place.warp) @ turned, (height, width)))


def test_where_the_marks_tell_badly_what_is_far_from_them_other_starts_are_tried(
    stencil: Stencil, whole: WholeProduct
) -> None:
    photo = seen(card(noise=3), seed=6)
    place = likely_place(stencil, photo)
    assert isinstance(place, Found)
    asked = []

    def others() -> list[np.ndarray]:
        asked.append(1)
        return [plane_of(askew(place).warp), plane_of(place.warp)]

    well = whole.lay(photo, place.warp, others)
    assert isinstance(well, Laid)
    assert not asked
    assert "not drawn like the product" in str(whole.lay(photo, askew(place).warp))
    found = whole.lay(photo, askew(place).warp, others)
    assert isinstance(found, Laid)
    assert np.abs(found.warp - well.warp)[whole.product].max() < 1


def test_what_is_drawn_where_no_mark_is_is_seen_and_where(stencil: Stencil, whole: WholeProduct) -> None:
    genuine, fake = (over(stencil, whole, seen(card(stripe=on, noise=3), seed=6)) for on in (False, True))
    assert drawing_differs(whole, fake).score > drawing_differs(whole, genuine).score + 0.5
    map_ = drawing_differs(whole, fake).map
    place = fake.warp[np.unravel_index(int(map_.argmax()), map_.shape)]
    x0, y0, x1, y1 = STRIPE
    corners = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float32)
    stripe = cv2.perspectiveTransform(corners, TILT.astype(np.float64))[0]
    assert cv2.pointPolygonTest(stripe, tuple(map(float, place)), True) > -12


def test_another_paper_is_another_colour_and_no_other_drawing(stencil: Stencil, whole: WholeProduct) -> None:
    genuine, fake = (
        over(stencil, whole, seen(card(paper=paper, noise=3), seed=6)) for paper in (None, (225, 180, 195))
    )
    assert colours_differ(whole, fake).score > colours_differ(whole, genuine).score + 0.5
    striped = over(stencil, whole, seen(card(stripe=True, noise=3), seed=6))
    assert drawing_differs(whole, fake).score < drawing_differs(whole, striped).score - 0.3


@pytest.mark.parametrize(
    ("name", "light"),
    [("dim", (0.5, 0.5, 0.5)), ("warm", (1.0, 0.85, 0.7)), ("cold", (0.7, 0.85, 1.0)), ("pale", (0.9, 0.9, 0.9))],
)
def test_light_is_neither(stencil: Stencil, whole: WholeProduct, name: str, light: tuple[float, float, float]) -> None:
    plain = seen(card(noise=3), seed=6)
    lit = np.clip(plain * np.array(light) + (25 if name == "pale" else 0), 0, 255).astype(np.uint8)
    laid, stripe, paper = (
        over(stencil, whole, photo)
        for photo in (lit, seen(card(stripe=True), seed=6), seen(card(paper=(225, 180, 195)), seed=6))
    )
    assert drawing_differs(whole, laid).score < drawing_differs(whole, stripe).score - 0.3
    assert colours_differ(whole, laid).score < colours_differ(whole, paper).score - 0.3


def fields(red: tuple[int, int, int] = (170, 70, 60)) -> np.ndarray:
    """The card with a field of some red, a green and a blue one."""
    drawn = printed(noise=3)
    for place, colour in enumerate((red, (70, 140, 80), (60, 80, 160))):
        cv2.rectangle(drawn, (40 + 120 * place, 285), (130 + 120 * place, 340), colour, -1)
    return drawn


def test_a_photo_whose_colours_are_all_deeper_alike_has_no_other_colours() -> None:
    """As a phone or a filter makes them; of goods that are printed or have faded otherwise, not all are."""
    photos = [fields(), seen(fields()), seen(fields(), seed=8)]
    made = stencil_of(photos, [BOX])
    known = WholeProduct.of(made, photos, [np.ones((7, 7), np.float32)] * 3)

    def taken(card: np.ndarray, saturation: float, lamp: tuple[float, float, float] = (1, 1, 1)) -> tuple[float, float]:
        lit = (seen(card, seed=6) * np.array(lamp)).astype(np.uint8)
        photo = ImageEnhance.Color(Image.fromarray(lit)).enhance(saturation)
        laid = over(made, known, np.asarray(photo))
        return saturation_over(known, laid), colours_differ(known, laid).score

    times, usual = taken(fields(), 1)
    assert times == 1
    for saturation in (1.2, 1.35, 1.7):
        times, score = taken(fields(), saturation)
        assert times == pytest.approx(saturation, rel=0.05)
        assert score < usual + 0.5
        for lamp in ((1, 0.95, 0.87), (1, 0.83, 0.6)):  # a phone deepens the lamp's colour, too
            assert taken(fields(), saturation, lamp)[1] < taken(fields(), 1, lamp)[1] + 0.5
    for card, saturation, expected in (
        (fields(), 0.6, 1),
        (fields((200, 20, 10)), 1, 1),
        (fields((200, 20, 10)), 1.35, 1.39),
    ):
        times, score = taken(card, saturation)
        assert times == expected
        assert score > usual + 1.5


def test_a_shadow_on_the_side_is_told_and_no_other_light_or_drawing(stencil: Stencil, whole: WholeProduct) -> None:
    """Its edge looks like something drawn, wherever it lies."""
    photo = seen(card(noise=3))
    band = np.zeros((1, photo.shape[1]), np.float32)
    band[:, 230:340] = 1
    across = cv2.GaussianBlur(band, (0, 0), 4)

    def shade(picture: np.ndarray, light: np.ndarray | float = 1.0) -> float:
        lit = np.clip(picture * light, 0, 255).astype(np.uint8)
        return shade_over(whole, over(stencil, whole, lit))

    assert shade(photo, 1 - 0.4 * across.reshape(1, -1, 1)) > COVERED
    even = np.linspace(0.6, 1, photo.shape[1])[None, :, None]
    for picture, light in ((photo, 1.0), (photo, 0.6), (photo, even), (seen(card(stripe=True, noise=3)), 1.0)):
        assert shade(picture, light) < 0.01
    assert shade(seen(card(paper=(190, 215, 160), noise=3))) < 0.01, "another colour is no shadow"


@pytest.mark.parametrize(
    ("ground", "ink", "other"),
    [((20, 28, 70), (246, 240, 228), (250, 190, 90)), ((168, 128, 86), (40, 30, 24), (30, 110, 50))],
)
def test_another_ink_on_a_coloured_ground_is_no_deeper_photo(
    ground: tuple[int, int, int], ink: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    """The ground would have to be paler on the fakes, or what little colour the genuine ink has, more times deeper."""

    def inked(ink: tuple[int, int, int], noise: int) -> np.ndarray:
        share = np.clip(1.4 * (1 - printed(noise=noise)[..., 1:2] / 215), 0, 1)
        drawn = ground + share * (np.array(ink) - ground)
        return np.clip(drawn, 0, 255).astype(np.uint8)

    photos = [inked(ink, 0), seen(inked(ink, 1)), seen(inked(ink, 2), seed=8)]
    made = stencil_of(photos, [BOX])
    known = WholeProduct.of(made, photos, [np.ones((7, 7), np.float32)] * 3)
    usual, deeper, fake = (
        over(made, known, np.asarray(ImageEnhance.Color(Image.fromarray(seen(card, seed=6))).enhance(saturation)))
        for card, saturation in ((inked(ink, 3), 1), (inked(ink, 3), 1.7), (inked(other, 3), 1))
    )
    assert saturation_over(known, usual) == 1
    assert saturation_over(known, deeper) == pytest.approx(1.7, rel=0.1)
    assert colours_differ(known, deeper).score < colours_differ(known, usual).score + 0.5
    assert saturation_over(known, fake) == 1
    assert colours_differ(known, fake).score > colours_differ(known, usual).score + 1.5


def test_of_a_relief_light_from_another_side_is_less_of_another_drawing() -> None:
    photos = plates()
    made = make_stencil(photos, [[BOX], [], []])
    assert isinstance(made, Stencil)
    known = WholeProduct.of(made, photos, [np.ones((7, 7), np.float32)] * 3)
    assert (known.relief, known.rows) == (True, (0, 1, 2))
    laid = [over(made, known, seen(engraved(light=light, noise=9), seed=6)) for light in (60, 180, 300)]
    edges, grey = (np.mean([drawing_differs(one, photo).score for photo in laid])
                   for one in (known, dataclasses.replace(known, relief=False)))  # fmt: skip
    assert edges < grey - 0.1


def test_the_room_is_not_the_product() -> None:
    rooms = [seen(printed(noise=row), seed=row) for row in (5, 8)]
    box = cv2.perspectiveTransform(np.array([[[BOX.x0, BOX.y0], [BOX.x1, BOX.y1]]], np.float64), TILT)[0].ravel()
    on = cv2.warpPerspective(np.full((400, 560), 255, np.uint8), TILT, (640, 480))
    product = cv2.resize(on, (40, 30), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    made = make_stencil(rooms, [[Region(*box.tolist())], []])
    assert isinstance(made, Stencil)
    known, blind = (WholeProduct.of(made, rooms, [map_] * 2) for map_ in (product, np.ones((30, 40), np.float32)))
    photo = seen(printed(noise=3), seed=13)
    score, with_room = (drawing_differs(one, over(made, one, photo)).score for one in (known, blind))
    assert score < with_room - 0.5


def test_what_one_reference_takes_for_the_product_and_the_others_do_not_is_not_compared() -> None:
    photos = [printed(noise=noise) for noise in (0, 1, 2)]
    made = make_stencil(photos, [[BOX], [], []])
    assert isinstance(made, Stencil)
    leaks, tells = np.ones((20, 28), np.float32), np.ones((20, 28), np.float32)
    tells[:, 20:] = 0
    first, every = (WholeProduct.of(made, photos, [leaks, *others]).product for others in ([leaks] * 2, [tells] * 2))
    assert first[:, 200:].any()
    assert not every[:, 190:].any()
    assert np.array_equal(first[:, :160], every[:, :160])


def test_the_drawing_is_compared_as_a_slow_twin_does(whole: WholeProduct, stencil: Stencil) -> None:
    """Pixel by pixel, in double precision, at some places."""
    laid = over(stencil, whole, seen(card(stripe=True, noise=3), seed=6))
    found = drawing_differs(whole, laid).map - MISSING * missing_from(whole, laid)
    seen_, shown = whole.drawing_of(laid.crop).astype(np.float64), whole.product & laid.inside
    contrast = np.sqrt((whole.drawings[:, whole.product].astype(np.float64) ** 2).mean())
    half = WINDOW // 2
    for y, x in [(60, 100), (130, 40), (135, 128), (90, 200)]:
        assert shown[y, x]
        least = np.inf
        for drawing, inside in zip(whole.drawings.astype(np.float64), whole.inside, strict=True):
            both = shown & inside
            gain = np.clip(seen_[both] @ drawing[both] / (seen_[both] @ seen_[both]), *GAIN)
            there = drawing[y - half : y + half + 1, x - half : x + half + 1]
            for down in range(-REACH, REACH + 1):
                for right in range(-REACH, REACH + 1):
                    top, left = y + down - half, x + right - half
                    mine = seen_[top : top + WINDOW, left : left + WINDOW]
                    least = min(least, ((gain * mine - there) ** 2).mean())
        assert found[y, x] == pytest.approx(np.sqrt(least) / contrast, rel=1e-3, abs=1e-4)


def lines(*, last: bool = True, over: tuple[int, int, int] | None = None, noise: int = 0) -> np.ndarray:
    """The card with three lines of small print, without the last one, or with something of a colour over it."""
    drawn = printed(noise=noise)
    for row, line in enumerate(("MADE IN ITALY", "DRY CLEAN ONLY", "RN 58213 CA")):
        if last or row < 2:
            cv2.putText(drawn, line, (40, 275 + 32 * row), cv2.FONT_HERSHEY_DUPLEX, 0.9, (40, 40, 45), 2, cv2.LINE_AA)
    if over is not None:
        cv2.rectangle(drawn, (30, 308), (300, 350), over, -1)
    return drawn


@pytest.fixture(scope="module")
def lined() -> tuple[Stencil, WholeProduct]:
    photos = [lines(), seen(lines(noise=1)), seen(lines(noise=2), seed=8)]
    made = stencil_of(photos, [BOX])
    return made, WholeProduct.of(made, photos, [np.ones((7, 7), np.float32)] * 3)


def test_a_line_of_small_print_that_is_missing_is_told_and_where(lined: tuple[Stencil, WholeProduct]) -> None:
    genuine, fake = (over(*lined, seen(lines(last=last, noise=3), seed=6)) for last in (True, False))
    found, usual = drawing_differs(lined[1], fake), drawing_differs(lined[1], genuine)
    assert found.score > usual.score + 1.5
    assert found.text.startswith("strokes are missing, faint or elsewhere where it differs most: all of them that show")
    assert "where it does most" in usual.text
    place = cv2.perspectiveTransform(
        fake.warp[np.unravel_index(int(found.map.argmax()), found.map.shape)][None, None].astype(np.float64),
        np.linalg.inv(TILT),
    ).ravel()
    assert 40 <= place[0] <= 300
    assert 310 <= place[1] <= 350


def test_what_lies_over_small_print_and_blur_are_no_missing_line(lined: tuple[Stencil, WholeProduct]) -> None:
    fake = missing_from(lined[1], over(*lined, seen(lines(last=False, noise=3), seed=6))).max()
    for photo in (
        seen(lines(over=(205, 150, 120), noise=3), seed=6),
        cv2.GaussianBlur(seen(lines(noise=3), seed=6), (0, 0), 2.0),
        np.clip(seen(lines(noise=3), seed=6) * 0.5, 0, 255).astype(np.uint8),
    ):
        assert missing_from(lined[1], over(*lined, photo)).max() < fake / 4


def test_a_missing_line_is_told_in_any_light(lined: tuple[Stencil, WholeProduct]) -> None:
    fake = seen(lines(last=False, noise=3), seed=6)
    lit = [np.clip(fake * np.array(light), 0, 255).astype(np.uint8) for light in ((1, 1, 1), (0.5,) * 3, (1, 0.8, 0.6))]
    plain, *others = (missing_from(lined[1], over(*lined, photo)).max() for photo in lit)
    assert min(others) > plain / 2


def test_what_is_missing_is_told_as_a_slow_twin_does(lined: tuple[Stencil, WholeProduct]) -> None:
    """In double precision, without the pixels of other references."""
    whole, laid = lined[1], over(*lined, seen(lines(last=False, noise=3), seed=6))
    shown, seen_ = whole.product & laid.inside, whole.strength_of(laid.crop).astype(np.float64)
    genuine = whole.strengths.astype(np.float64)
    least = LEFT * genuine[whole.inside & whole.product].mean()
    for y, x in np.argwhere(shown)[::997]:
        ratios, grounds = [], []
        for strength, inside, ground in zip(genuine, whole.inside, whole.grounds.astype(np.float64), strict=True):
            drawn = shown & inside & (strength > least / LEFT / 2)
            gain = np.clip(np.median(strength[drawn] / np.maximum(seen_[drawn], 1e-6)), GAIN[0] ** 2, GAIN[1] ** 2)
            off = whole.ground_of(laid.crop).astype(np.float64) - ground
            if inside[y, x]:
                ratios.append((strength[y, x] + least) / (seen_[y, x] * gain + least))
                grounds.append(np.sqrt(((off[y, x] - np.median(off[shown], axis=0)) ** 2).mean()))
        expected = max(min(ratios), 1) ** np.exp(-((min(grounds) / OTHER_GROUND) ** 2)) - 1
        assert missing_from(whole, laid)[y, x] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def covered(*, crosses: bool = False, step: int = 26, noise: int = 0) -> np.ndarray:
    """The card with rings or crosses, every ``step`` pixels, all over it but for its marks."""
    drawn = printed(noise=noise)
    marks = (slice(75, 285), slice(135, 425))
    bare = drawn[marks].copy()
    for y in range(step // 2, 400, step):
        for x in range(step // 2, 560, step):
            if crosses:
                cv2.drawMarker(drawn, (x, y), (60, 50, 40), cv2.MARKER_CROSS, 16, 2)
            else:
                cv2.circle(drawn, (x, y), 7, (60, 50, 40), 2)
    drawn[marks] = bare
    return drawn


@pytest.fixture(scope="module")
def patterned() -> tuple[Stencil, WholeProduct]:
    photos = [covered(), seen(covered(noise=1)), seen(covered(noise=2), seed=8)]
    made = stencil_of(photos, [BOX])
    return made, WholeProduct.of(made, photos, [np.ones((7, 7), np.float32)] * 3)


def test_another_pattern_is_told_and_a_stripe_or_a_hand_is_none(patterned: tuple[Stencil, WholeProduct]) -> None:
    made, known = patterned
    hand = cv2.circle(covered(noise=3), (90, 330), 85, (205, 155, 130), -1)  # a tenth of the card
    stripe = cv2.rectangle(covered(noise=3), STRIPE[:2], STRIPE[2:], (30, 60, 110), -1)
    genuine, held, striped, other, smaller = (
        pattern_differs(known, over(made, known, seen(photo, seed=6)))
        for photo in (covered(noise=3), hand, stripe, covered(crosses=True, noise=3), covered(step=22, noise=3))
    )
    for fake in (other, smaller):
        assert fake.score > genuine.score + 0.5
        assert fake.score > max(held.score, striped.score) + 0.3
    area = (other.map == other.map.max()).mean()
    assert 0.2 < area < 0.9


def test_the_score_and_the_sentence_tell_what_differs_most(stencil: Stencil, whole: WholeProduct) -> None:
    laid = over(stencil, whole, seen(card(stripe=True, paper=(225, 180, 195), noise=3), seed=6))
    shown = whole.product & laid.inside
    for compare, share, told, usual in (
        (drawing_differs, 0.003, "{:.1f} times as strongly as all of it", 0.001),
        (colours_differ, 0.1, "{:.0%} otherwise to each other, in the tenth", 0.02),
    ):
        found = compare(whole, laid)
        assert isinstance(found, Difference)
        times = np.exp(found.score) - usual
        assert told.format(times) in found.text
        most = np.sort(found.map[shown])[-round(share * shown.sum()) :]
        assert times == pytest.approx(most.mean(), rel=0.05)  # of colours: cells, not pixels


def test_the_sentence_about_the_pattern_tells_how_much_and_by_how_much(patterned: tuple[Stencil, WholeProduct]) -> None:
    made, known = patterned
    laid = over(made, known, seen(covered(crosses=True, noise=3), seed=6))
    found, different = pattern_differs(known, laid), unlike_all(known, laid)[known.product & laid.inside]
    share, times = (different >= 0.8).mean(), np.exp(found.score) - 0.001
    assert times == pytest.approx(np.sort(different)[round(0.75 * len(different))], rel=0.01)
    assert found.text.startswith(f"{share:.0%} of it is drawn otherwise, a quarter by {times:.0%} or more")


@pytest.mark.parametrize(("missing", "told"), [(2.0, "the drawing differs"), (4.0, "strokes are missing")])
def test_what_differs_or_is_missing_is_told_as_it_counts(
    missing: float, told: str, whole: WholeProduct, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = over(stencil, whole, seen(card(noise=3), seed=6))
    for name, by in (("unlike_all", 1.0), ("missing_from", missing)):
        monkeypatch.setattr(differences, name, lambda *_, by=by: np.full(laid.inside.shape, by, np.float32))
    assert drawing_differs(whole, laid).text.startswith(told)


def test_where_some_references_are_cut_off_the_others_tell_the_product(stencil: Stencil, whole: WholeProduct) -> None:
    photos = [printed(), *(seen(printed(noise=row), seed=row)[:, :430] for row in (1, 2))]
    made = WholeProduct.of(stencil, photos, [np.ones((7, 7), np.float32)] * 3)
    assert not made.inside[1:, :, 200:].any(axis=0).all()
    np.testing.assert_array_equal(made.product, whole.product)


@pytest.mark.parametrize("compare", [drawing_differs, pattern_differs, colours_differ])
def test_what_is_not_the_product_is_not_lit(
    compare: Callable[[WholeProduct, Laid], Difference], stencil: Stencil, whole: WholeProduct
) -> None:
    half = whole.product.copy()
    half[:, 120:] = False
    map_ = compare(dataclasses.replace(whole, product=half), over(stencil, whole, seen(card(noise=3), seed=6))).map
    assert map_[:, :120].any()
    assert not map_[:, 130:].any()  # a cell of colour may reach over the border


def test_a_reference_says_nothing_of_what_it_does_not_show(whole: WholeProduct, stencil: Stencil) -> None:
    laid = over(stencil, whole, seen(card(noise=3), seed=6))
    inside = whole.inside.copy()
    inside[1:] = False
    alone = dataclasses.replace(whole, inside=inside)
    first = dataclasses.replace(whole, crops=whole.crops[:1], inside=whole.inside[:1])
    shown = whole.product & laid.inside
    missing = missing_from(alone, laid)
    assert np.allclose(missing, missing_from(first, laid), atol=1e-5)
    other, only = (drawing_differs(one, laid).map - MISSING * missing for one in (alone, first))
    assert np.ptp(other[shown] / only[shown]) < 1e-3  # the same but for what is drawn all over
    assert colours_differ(alone, laid).score == pytest.approx(colours_differ(first, laid).score, abs=1e-6)


def test_a_side_is_known_by_what_is_drawn_on_it_beside_the_marks(whole: WholeProduct, stencil: Stencil) -> None:
    bare = seen(printed(noise=3, bare=True))
    place = likely_place(stencil, seen(printed(noise=3)))
    assert isinstance(place, Found)
    turned = np.ascontiguousarray(bare[::-1, ::-1])
    starts = [np.array([[-1.0, 0, 639], [0, -1, 479], [0, 0, 1]]) @ place.matrix]
    same, other = (whole.beside_marks(stencil, photo, place.warp) or 0 for photo in (bare, turned))
    assert same > 0.8 > SAME > other
    assert whole.beside_marks(stencil, turned, place.warp, lambda: starts) == pytest.approx(same, abs=0.05)
    assert whole.beside_marks(stencil, bare, place.warp + np.float32(700)) is None
    little = np.zeros_like(whole.product)
    little[:12] = True
    tight = dataclasses.replace(whole, product=little | ~whole.off_marks(stencil))
    assert tight.beside_marks(stencil, bare, place.warp) is None, "nearly all of it is marks"
    plain = dataclasses.replace(whole)
    plain.__dict__["drawn"] = np.zeros_like(whole.product)
    assert plain.beside_marks(stencil, bare, place.warp) is None, "nothing is drawn on it"


def test_other_goods_are_told_by_their_colours_beside_the_marks(whole: WholeProduct, stencil: Stencil) -> None:
    place = likely_place(stencil, seen(printed(noise=3), seed=6))
    assert isinstance(place, Found)

    def unlike(drawn: np.ndarray, whole: WholeProduct = whole) -> float | None:
        laid = whole.lay(seen(drawn, seed=6), place.warp, found=True)
        assert isinstance(laid, Laid)
        return goods_differ(whole, stencil, laid)

    marks, edge, blue = (printed(noise=3) for _ in range(3))
    marks[95:268, 152:408] = marks[95:268, 152:408][::-1, :, ::-1]  # mirrored, in another ink
    edge[:, 530:] = edge[:, 530:] * (0.4, 0.7, 1.0)
    for same in (printed(noise=3), marks, edge, card(paper=(225, 210, 190), noise=3)):
        assert (unlike(same) or 9) < 0.6
    blue[:, 410:] = blue[:, 410:] * (0.4, 0.7, 1.0)
    assert (unlike(blue) or 0) > 1
    assert unlike(np.repeat(blue.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)) is None
    bare = dataclasses.replace(whole, product=whole.product & ~whole.off_marks(stencil))
    assert unlike(printed(noise=3), bare) is None, "nearly all of it is marks"
    strip = np.zeros_like(whole.product)
    strip[-28:-2] = True
    assert unlike(marks, dataclasses.replace(whole, product=strip)) is None, "no patch of colour lies on it"


@pytest.mark.parametrize(
    ("gains", "other"),
    [
        ((1, 0.76, 0.46), False),
        ((0.74, 0.83, 1), False),
        ((0.68, 1, 0.68), False),
        ((1, 0.35, 0.35), True),
        ((0.4, 1, 0.4), True),
    ],
    ids=["tungsten", "shade", "filter", "red", "green"],
)
def test_what_a_whole_product_has_in_common_is_its_colour_where_no_lamp_gives_it(
    gains: tuple[float, ...], other: bool, whole: WholeProduct, stencil: Stencil
) -> None:
    plain, photo = (over(stencil, whole, seen(one, seed=6)) for one in (printed(noise=3), printed(noise=3) * gains))
    assert ((goods_differ(whole, stencil, photo) or 0) > 1) is other
    assert (colours_differ(whole, photo).score > colours_differ(whole, plain).score + 1.5) is other


def test_what_shows_little_or_something_else_is_not_compared(whole: WholeProduct, stencil: Stencil) -> None:
    place = likely_place(stencil, seen(printed(noise=3)))
    assert isinstance(place, Found)
    away = place.warp + np.float32(700)
    assert "of the side that bears the marks" in str(whole.lay(seen(printed(noise=3)), away))
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    assert "not drawn like the product" in str(whole.lay(noise, place.warp))
    laid = whole.lay(noise, place.warp, found=True)
    assert isinstance(laid, Laid)
    starts = [np.array([[0.5, 0, x], [0, 0.5, 70], [0, 0, 1]]) for x in range(60, 180, 20)]
    elsewhere = whole.lay(noise, place.warp, lambda: starts, found=True)
    assert isinstance(elsewhere, Laid)
    np.testing.assert_array_equal(elsewhere.warp, laid.warp)  # what is as unlike from another start is no better
    assert "folded" in str(whole.lay(noise, place.warp[:, ::-1]))


def test_a_reference_that_can_not_be_laid_over_the_others_is_left_out(stencil: Stencil) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    made = WholeProduct.of(
        stencil, [printed(), noise, seen(printed(noise=2), seed=8)], [np.ones((7, 7), np.float32)] * 3
    )
    assert made.rows == (0, 2)
    assert len(made.crops) == len(made.inside) == 2


def test_a_product_that_no_patch_shows_is_the_whole_photo(stencil: Stencil, whole: WholeProduct) -> None:
    none = WholeProduct.of(stencil, references(), [np.zeros((7, 7), np.float32)] * 3)
    assert np.array_equal(none.product, whole.product)


@pytest.mark.parametrize("sure", [[(0, 0)], [(100, 100), (301, 401)], [(200, 200)], [(200, x) for x in range(560)]])
def test_a_product_of_specks_is_something_to_compare(stencil: Stencil, sure: list[tuple[int, int]]) -> None:
    map_ = np.zeros((400, 560), np.float32)  # as large as the photo: pixels, not patches
    for place in sure:
        map_[place] = 1
    made = WholeProduct.of(stencil, references(), [map_] * 3)
    place = likely_place(stencil, seen(printed(noise=3)))
    assert isinstance(place, Found)
    laid = made.lay(seen(printed(noise=3)), place.warp)
    if isinstance(laid, Laid):
        for compare in (drawing_differs, pattern_differs, colours_differ):
            assert np.isfinite(compare(made, laid).score)


def test_a_speck_far_off_the_product_makes_no_larger_frame(stencil: Stencil) -> None:
    maps = np.zeros((2, 400, 560), np.float32)
    maps[:, 60:300, 120:440] = 1
    maps[1, 395, 5] = 1
    plain, speck = (WholeProduct.of(stencil, references(), [map_] * 3) for map_ in maps)
    np.testing.assert_allclose(speck.matrix, plain.matrix, atol=0.5)
    assert speck.product.shape == plain.product.shape


# --- the heads --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalog(clip: TowerEncoder) -> Catalog:
    return cards(clip)


def test_the_heads_say_what_and_where(catalog: Catalog) -> None:
    photos = [
        seen(card(**how), seed=6)
        for how in ({"noise": 3}, {"stripe": True, "noise": 3}, {"paper": (225, 180, 195), "noise": 3})
    ]
    batch = suspects(catalog, photos)
    (genuine, striped, _), (plain, _, tinted) = Drawing().score(batch), Colours().score(batch)
    assert striped.score > genuine.score + 0.5
    assert tinted.score > plain.score + 0.5
    assert striped.references == ("b", "a")
    assert "times as strongly as all of it stands out" in striped.text
    assert "%" in tinted.text
    assert striped.heatmap is not None
    assert striped.heatmap.shape == (48, 64)
    assert striped.region is not None
    assert striped.crops is not None
    assert striped.crops[0].size == striped.crops[1].size
    y = np.array([STRIPE[1], STRIPE[3]]).mean()
    middle = cv2.perspectiveTransform(np.array([[[striped.region.x0, y]]], np.float64), TILT)[0, 0, 1]
    assert striped.region.y0 - 40 < middle < striped.region.y1 + 40


def test_all_that_surrounds_the_marks_is_another_start(catalog: Catalog) -> None:
    photo = seen(card(noise=3), seed=6)
    place = suspects(catalog, [photo]).place_of(0, "velmora/card")
    assert isinstance(place, Found)
    batch = suspects(catalog, [photo])
    batch._known.get(("place_of", 0, "velmora/card"), lambda: askew(place))
    assert Drawing().score(batch)[0].applicable


def test_the_drawing_tells_what_lies_in_a_shadow_and_the_marks_need_not(catalog: Catalog) -> None:
    photo = seen(card(noise=3), seed=6)
    band = np.zeros((1, photo.shape[1], 1), np.float32)
    band[:, 230:340] = 0.4
    dark = np.clip(photo * (1 - cv2.GaussianBlur(band[..., 0], (0, 0), 4)[..., None]), 0, 255).astype(np.uint8)
    lit, shaded = Drawing().score(suspects(catalog, [photo, dark]))
    assert (lit.shaded, shaded.shaded > COVERED) == (pytest.approx(0, abs=0.01), True)
    assert lit.covered == shaded.covered == 0, "that tells what lies over the marks"


def test_where_the_marks_are_found_their_side_counts_however_little_it_is_like_the_genuine(catalog: Catalog) -> None:
    genuine = printed(noise=3)
    squares = np.random.default_rng(0).integers(0, 2, (50, 70, 1), np.uint8) * 255
    strange = np.repeat(squares.repeat(8, axis=0).repeat(8, axis=1), 3, axis=2)
    strange[75:285, 135:425] = genuine[75:285, 135:425]
    usual, odd = Pattern().score(suspects(catalog, [seen(genuine, seed=6), seen(strange, seed=6)]))
    assert odd.applicable
    assert odd.score > usual.score + 0.5
    assert re.search(r"[2-9]\d% of it is drawn otherwise", odd.text)


def test_what_can_not_be_laid_over_the_product_says_why(catalog: Catalog) -> None:
    closer = np.array([[3, -0.2, -900], [0.2, 3, -340], [0, 0, 1]])
    photos = [np.full((200, 300, 3), 90, np.uint8), *(seen(printed(noise=3), laid) for laid in (CLOSE, closer))]
    for head in (Drawing(), Pattern(), Colours()):
        bare, whole, part = head.score(suspects(catalog, photos))
        assert (bare.applicable, whole.applicable, part.applicable) == (False, True, False)
        assert "local features" in bare.text
        assert re.fullmatch(r"The photo shows 2\d% of the side that bears the marks\.", part.text)


def test_an_encoder_without_patches_does_not_know_the_product_from_the_room(catalog: Catalog) -> None:
    batch = suspects(catalog, [seen(printed(noise=3))])
    known = catalog.marks_of("velmora/card")
    blind = dataclasses.replace(known, product=lambda row: None)
    batch._known.get(("marks_of", "velmora/card"), lambda: blind)
    for head in (Drawing(), Pattern(), Colours()):
        (evidence,) = head.score(batch)
        assert not evidence.applicable
        assert "gives no patch tokens" in evidence.text
