"""The layout claim: a mark turned, stretched or shifted beside another is told from a camera that looks aslant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from goods import CLOSE, SIGN, WORD, catalogue, label, labels, seen, stencil_of, suspects

from counterfeit_vision import Evidence
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.geometry.laying import Laid, Pyramid
from counterfeit_vision.geometry.lens import find_lens, straightened
from counterfeit_vision.heads import Layout
from counterfeit_vision.marks.alone import MarkAlone
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.ink import MarkInk
from counterfeit_vision.marks.layout import LayoutDeviation, MarkLayout
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products.whole import WholeProduct

NEARER = np.array([[1.0, 0.05, -20], [0.02, 0.95, 6], [5e-5, 2.5e-4, 1.0]])  # a view from nearer below
ASLANT = np.array([[1.3, 0.05, 30], [0.3, 1.2, 0], [1.6e-3, 0.0, 1.0]])  # one from far on the right


def card(
    *, degrees: float = 0.0, wider: float = 1.0, word_wider: float = 1.0, aside: int = 0, noise: int = 0
) -> np.ndarray:
    """The label with its sign turned and as many pixels to the right, and its sign or its word as much wider."""
    plain = label(noise=noise)
    for region, turned, times in ((SIGN, degrees, wider), (WORD, 0.0, word_wider)):
        x0, y0, x1, y1 = (int(value) for value in region.to_list())
        middle = ((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2)
        turn = cv2.getRotationMatrix2D(middle, turned, 1.0) @ np.array(
            [[times, 0, middle[0] * (1 - times)], [0, 1, 0], [0, 0, 1]]
        )
        moved = cv2.warpAffine(plain, turn, plain.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        plain[y0:y1, x0:x1] = moved[y0:y1, x0:x1]
    plain[95:186, 150:411] = np.roll(plain[95:186, 150:411], aside, axis=1)
    return plain


def enlarged(times: float) -> np.ndarray:
    """The label with its sign so many times as large."""
    plain = label(noise=3)
    side = int(46 * times)
    about = np.array([[times, 0, 280 * (1 - times)], [0, times, 140 * (1 - times)]])
    large = cv2.warpAffine(plain, about, plain.shape[1::-1], flags=cv2.INTER_CUBIC)
    here = np.s_[140 - side : 140 + side, 280 - side : 280 + side]
    plain[here] = large[here]
    return plain


def bent(photo: np.ndarray, pixels: float) -> np.ndarray:
    """What is straight down the photo as an arc, as many pixels deep."""
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    arc = x + np.float32(pixels) * (2 * y / photo.shape[0] - 1) ** 2
    return cv2.remap(photo, arc, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [SIGN, WORD])


@pytest.fixture(scope="module")
def layout(stencil: Stencil) -> MarkLayout:
    return MarkLayout.of(stencil, MarkInk.all_of(stencil))


def compared(stencil: Stencil, layout: MarkLayout, photo: np.ndarray) -> LayoutDeviation | str:
    found = find_marks(stencil, photo)
    assert isinstance(found, Found), found
    return layout.compare([mark.measure(found.crop, found.inside) for mark in layout.marks], found)


def deviation(stencil: Stencil, layout: MarkLayout, photo: np.ndarray) -> LayoutDeviation:
    result = compared(stencil, layout, photo)
    assert isinstance(result, LayoutDeviation), result
    return result


def test_a_turned_and_a_stretched_mark_deviate_and_are_named(stencil: Stencil, layout: MarkLayout) -> None:
    genuine = deviation(stencil, layout, seen(card(noise=3)))
    turned = deviation(stencil, layout, seen(card(degrees=5, noise=3)))
    wider = deviation(stencil, layout, seen(card(wider=1.12, noise=3)))
    assert genuine.score < 1.5
    assert turned.score > 2 * max(genuine.score, 1)
    assert wider.score > 2 * max(genuine.score, 1)
    assert "turned or slanted by" in turned.text
    assert float(turned.text.split("by ")[1].split()[0]) == pytest.approx(5, abs=1)
    assert wider.text == "one of its marks is stretched or squeezed beside another"
    box = stencil.boxes[0]
    y, x = np.nonzero(turned.map)
    assert (x.min() + x.max()) / 2 == pytest.approx((box[0] + box[2]) / 2, abs=3)
    assert y.max() < stencil.boxes[1][1]


@pytest.mark.parametrize("wider", [{"wider": 1.12}, {"word_wider": 1.12}])
def test_of_two_marks_one_of_which_is_stretched_both_are_shown(
    stencil: Stencil, layout: MarkLayout, wider: dict[str, float]
) -> None:
    map_ = deviation(stencil, layout, seen(card(**wider, noise=3))).map
    for x0, y0, x1, y1 in (mark.box for mark in layout.marks):
        assert map_[(y0 + y1) // 2, (x0 + x1) // 2] == map_.max() > 2


@pytest.mark.parametrize("aside", [12, -12])
def test_a_shifted_mark_deviates_and_both_are_shown(stencil: Stencil, layout: MarkLayout, aside: int) -> None:
    shifted = deviation(stencil, layout, seen(card(aside=aside, noise=3)))
    assert shifted.score > 2
    assert shifted.text.startswith("one of its marks is shifted off its line to another by ")
    assert float(shifted.text.split("by ")[1].split("%")[0]) == pytest.approx(100 * 12 / 97.5, abs=2)
    for x0, y0, x1, y1 in (mark.box for mark in layout.marks):
        assert shifted.map[(y0 + y1) // 2, (x0 + x1) // 2] == shifted.map.max() > 2


def test_a_bend_shifts_no_mark_and_hides_none_that_is_shifted() -> None:
    photos = [label(), *(bent(label(noise=noise), by) for noise, by in ((1, 20), (2, -20)))]
    made = stencil_of(photos, [SIGN, WORD])
    layout = MarkLayout.of(made, MarkInk.all_of(made))
    assert deviation(made, layout, bent(card(noise=3), -30)).score < 2
    assert "shifted" in deviation(made, layout, card(aside=12, noise=3)).text


def test_a_nearer_camera_neither_turns_nor_shifts_a_mark(stencil: Stencil, layout: MarkLayout) -> None:
    def nearer(photo: np.ndarray) -> np.ndarray:
        return cv2.warpPerspective(photo, NEARER, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    genuine = deviation(stencil, layout, nearer(seen(card(noise=3))))
    assert genuine.score < 1.5
    for change in ({"degrees": 5}, {"aside": 12}):
        assert deviation(stencil, layout, nearer(seen(card(**change, noise=3)))).score > 2 * max(genuine.score, 1)


def test_a_lens_neither_turns_nor_stretches_a_mark_and_hides_none_that_is(stencil: Stencil, layout: MarkLayout) -> None:
    whole = WholeProduct.of(stencil, labels(), [np.ones((7, 7), np.float32)] * 3)

    def scores(plain: np.ndarray) -> tuple[float, float]:
        size = plain.shape[1::-1]
        every = np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size)), axis=-1)
        photo = cv2.remap(plain, straightened(every, 0.12, size), None, cv2.INTER_CUBIC)
        found = find_marks(stencil, photo)
        assert isinstance(found, Found)
        laid = whole.lay(photo, found.warp)
        assert isinstance(laid, Laid)
        drawn = [mark.measure(found.crop, found.inside) for mark in layout.marks]
        straight = straightened(found.warp, find_lens(whole.target, laid, size), size)
        told = layout.compare(drawn, found), layout.compare(drawn, found, lambda: straight)
        return told[0].score, told[1].score  # type: ignore[union-attr]

    before, after = scores(seen(card(noise=3)))
    assert before > 1.5 * after
    assert after < 1
    for change in ({"degrees": 5}, {"aside": 12}, {"wider": 1.12}):
        assert scores(seen(card(**change, noise=3)))[1] > 2


def test_a_lens_is_looked_for_where_marks_lie_otherwise(stencil: Stencil, layout: MarkLayout) -> None:
    asked: list[float] = []

    def straight() -> None:
        asked.append(degrees)

    for degrees in (0, 5):
        found = find_marks(stencil, seen(card(degrees=degrees, noise=3)))
        assert isinstance(found, Found)
        drawn = [mark.measure(found.crop, found.inside) for mark in layout.marks]
        told = layout.compare(drawn, found, straight)
        assert isinstance(told, LayoutDeviation)
        assert (told.score >= 1) == (degrees > 0)
    assert asked == [5]


def test_a_view_from_aslant_shifts_no_mark(stencil: Stencil, layout: MarkLayout) -> None:
    assert deviation(stencil, layout, seen(card(noise=3), ASLANT)).score < 1.2
    shifted = deviation(stencil, layout, seen(card(aside=6, noise=3), ASLANT))
    assert shifted.score > 2
    assert float(shifted.text.split("by ")[1].split("%")[0]) == pytest.approx(100 * 6 / 97.5, abs=2)


def test_a_mark_of_few_pixels_tells_less_of_how_it_lies(stencil: Stencil, layout: MarkLayout) -> None:
    sign, word = layout.marks
    x0, y0, x1, _ = word.mark
    photo = seen(card(degrees=5, noise=3))
    scores = [
        deviation(stencil, replace(layout, marks=(sign, replace(word, mark=(x0, y0, x1, y0 + high)))), photo).score
        for high in (40, 16, 12, 8)
    ]
    assert scores[0] == scores[1] > scores[2] > scores[3] > scores[0] / 4.01
    assert scores[3] < scores[0] / 2


def test_one_mark_has_nothing_beside_it(stencil: Stencil, layout: MarkLayout) -> None:
    found = find_marks(stencil, seen(card(noise=3)))
    assert isinstance(found, Found)
    alone = MarkLayout.of(stencil, layout.marks[:1])
    assert "nothing to lay it beside" in str(alone.compare([None], found))
    assert "fewer than two" in str(layout.compare([None, None], found))


def test_a_mark_that_is_cut_off_is_laid_beside_none(stencil: Stencil, layout: MarkLayout) -> None:
    assert "fewer than two" in str(compared(stencil, layout, seen(card(noise=3), CLOSE)))


def test_a_mark_that_few_genuine_photos_show_is_laid_beside_none(stencil: Stencil, layout: MarkLayout) -> None:
    sign, word = layout.marks
    photo = seen(card(degrees=5, noise=3))
    for lacking, said in ((1, LayoutDeviation), (2, str)):
        rare = replace(sign, references=(*sign.references[: 3 - lacking], *[None] * lacking))
        assert isinstance(compared(stencil, MarkLayout.of(stencil, [rare, word]), photo), said)


def test_the_head_says_what_lies_otherwise_and_shows_it(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [SIGN, WORD])
    photos = [seen(card(noise=3)), seen(card(degrees=6, noise=3)), np.full((80, 80, 3), 9, np.uint8)]
    genuine, fake, blank = Layout().score(suspects(catalog, photos))
    assert fake.score > genuine.score + 1
    assert "turned or slanted" in fake.text
    assert "how its marks lie beside one another differs by" in genuine.text
    assert fake.crops is not None
    assert fake.heatmap is not None
    assert fake.region is not None
    assert not blank.applicable
    alone = [Layout().score(suspects(catalog, [photo]))[0] for photo in photos]
    assert [row.score for row in alone[:2]] == [genuine.score, fake.score]


def test_a_mark_that_is_much_larger_is_no_less_strange_than_one_that_is_a_little(tiny_encoder: TowerEncoder) -> None:
    batch = suspects(catalogue(tiny_encoder, [SIGN, WORD]), [seen(enlarged(times)) for times in (1.2, 1.4)])
    little, much = (evidence.score for evidence in Layout().score(batch))
    assert much > little > 5
    sign, _ = batch.drawn(1)
    assert sign is not None
    assert sign.likeness > 0.95
    assert Layout().score(batch)[1].text.startswith("Laid over 2 genuine photos of card, one of its marks is stretched")


def test_a_mark_that_is_found_where_it_was_looked_for_need_not_be_measured_again(
    stencil: Stencil, layout: MarkLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = seen(card(noise=3))
    found = find_marks(stencil, photo)
    assert isinstance(found, Found)
    for mark, alone in zip(layout.marks, MarkAlone.each_of(stencil, labels()), strict=True):
        once, laid = mark.measure(found.crop, found.inside), alone.lay(Pyramid(photo), found.warp)
        assert once is not None
        assert laid is not None
        there = alone.beside(laid, found.warp)
        assert mark.measure_again(once, found.crop, found.inside, there) is once
        monkeypatch.setattr("counterfeit_vision.marks.ink.THERE", 0.0)
        twice = mark.measure_again(once, found.crop, found.inside, there)
        monkeypatch.undo()
        assert twice is not None
        assert np.abs(twice.offset - once.offset).max() < 0.05
        assert twice.weight == pytest.approx(once.weight, abs=0.05)


@pytest.mark.parametrize(
    ("deviation", "told"),
    [
        (1.0, "the sign is turned, 1.0 times what is usual for genuine photos."),
        (0.9, "how its marks lie beside one another differs by 0.9 times what is usual for genuine photos."),
    ],
)
def test_what_lies_otherwise_is_named_where_it_is_more_than_usual(
    deviation: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = LayoutDeviation(deviation, "the sign is turned", np.ones((9, 9), np.float32))
    batch = SimpleNamespace(
        each=lambda judge: [judge(0)],
        mark=lambda _: ("card", None),
        version_of=lambda *_: SimpleNamespace(layout=SimpleNamespace(compare=lambda *_: found)),
        drawn=lambda _: (),
        whole=lambda _: "the photo does not show it",
        size=lambda _: (9, 9),
    )
    monkeypatch.setattr("counterfeit_vision.heads.layout.laid_over", lambda *_, score, text: Evidence(score, text))
    (evidence,) = Layout().score(batch)  # type: ignore[arg-type]
    assert (evidence.score, evidence.text) == (pytest.approx((deviation - 0.5) / 0.53), told)


def test_the_head_takes_the_lens_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(warp=np.random.default_rng(0).uniform(0, 90, (4, 6, 2)).astype(np.float32))
    told: list[np.ndarray] = []

    def compare(drawn: object, found: object, straight: Callable[[], np.ndarray]) -> str:
        told.append(straight())
        return "nothing"

    batch = SimpleNamespace(
        each=lambda judge: [judge(0)],
        mark=lambda _: ("card", found),
        version_of=lambda *_: SimpleNamespace(layout=SimpleNamespace(compare=compare)),
        drawn=lambda _: (),
        whole=lambda _: ("card", SimpleNamespace(target="target"), "laid"),
        size=lambda _: (90, 80),
    )
    monkeypatch.setattr("counterfeit_vision.heads.layout.find_lens", lambda *about: 0.1 if about else 0.0)
    Layout().score(batch)  # type: ignore[arg-type]
    batch.whole = lambda _: "the photo does not show it"
    Layout().score(batch)  # type: ignore[arg-type]
    assert np.array_equal(told[0], straightened(found.warp, 0.1, (90, 80)))
    assert told[1] is None


def test_without_a_second_mark_nothing_is_said(tiny_encoder: TowerEncoder) -> None:
    evidence = Layout().score(suspects(catalogue(tiny_encoder, [WORD]), [seen(card(noise=3))]))[0]
    assert not evidence.applicable
    assert "one known mark" in evidence.text
