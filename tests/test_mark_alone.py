"""Each mark is looked at by itself: a small one beside a large one is laid and judged as closely as photos show it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import picture
from goods import BOX, TILT, label, plates, seen, stencil_of, suspects

from counterfeit_vision import Catalog, Reference, Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import DecodeError
from counterfeit_vision.geometry.laying import Pyramid, framed, plane_of, scaled
from counterfeit_vision.heads import Look, Mark, Patches, Suspects
from counterfeit_vision.heads.mark import CERTAIN
from counterfeit_vision.marks.alone import MOST, MarkAlone
from counterfeit_vision.marks.details import MarkDetails, Strangeness, close_ups
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.making import make_stencil
from counterfeit_vision.marks.stencil import Stencil

EMBLEM, WORD = Region(40, 300, 84, 344), Region(150, 80, 610, 190)


def goods(word: str = "VELMORA", *, mirrored: bool = False, noise: int = 0) -> np.ndarray:
    """A card (400, 640, 3): a large word, and a small lopsided emblem far from it."""
    card = np.full((400, 640, 3), (225, 215, 195), np.uint8)
    cv2.rectangle(card, (15, 15), (625, 385), (120, 30, 40), 4)
    cv2.putText(card, word, (155, 175), cv2.FONT_HERSHEY_SIMPLEX, 3.3, (30, 60, 110), 10, cv2.LINE_AA)
    emblem = np.full((44, 44, 3), (225, 215, 195), np.uint8)
    for corners in (((6, 4), (14, 40)), ((6, 4), (38, 12)), ((6, 19), (28, 26))):
        cv2.rectangle(emblem, *corners, (30, 60, 110), -1)
    card[300:344, 40:84] = emblem[:, ::-1] if mirrored else emblem
    for row, words in enumerate(("NET 250 G", "KEEP DRY", "BATCH 2208")):
        cv2.putText(card, words, (330, 290 + 30 * row), cv2.FONT_HERSHEY_PLAIN, 1.6, (80, 80, 80), 1, cv2.LINE_AA)
    grain = np.random.default_rng(noise).normal(0, 4, card.shape)
    return np.clip(card + grain, 0, 255).astype(np.uint8)


def photos() -> list[np.ndarray]:
    return [goods(), photo(goods(noise=1)), photo(goods(noise=2), seed=8)]


def photo(card: np.ndarray, *, seed: int = 5) -> np.ndarray:
    return seen(card, TILT, (720, 520), seed)


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(photos(), [EMBLEM, WORD])


@pytest.fixture(scope="module")
def alone(stencil: Stencil) -> tuple[MarkAlone, ...]:
    return MarkAlone.each_of(stencil, photos())


@pytest.fixture(scope="module")
def catalog(clip: TowerEncoder) -> Catalog:
    rows = [
        Reference(id=str(row), photo=one, brand="velmora", product="card", regions=() if row else (EMBLEM, WORD))
        for row, one in enumerate(photos())
    ]
    return Catalog.build(rows, encoder=clip, cache=False, find_marks=False)


def test_a_small_mark_has_more_pixels_in_a_frame_of_its_own(stencil: Stencil, alone: tuple[MarkAlone, ...]) -> None:
    small, large = alone
    assert (small.stencil.rows, large.stencil.rows) == ((0, 1, 2), (0, 1, 2))
    wide = stencil.boxes[:, 2] - stencil.boxes[:, 0]
    own = small.stencil.boxes[0]
    assert own[2] - own[0] > 2 * wide[0]
    assert own[2] - own[0] == pytest.approx(1.25 * 44, rel=0.1), "there is no more to see in a finer one"
    between = np.abs(small.stencil.crops[1].astype(int) - small.stencil.crops[0])[small.stencil.on_mark()]
    assert np.median(between) < 12
    x0, y0, x1, y1 = small.in_common((int(own[0]), int(own[1]), int(own[2]), int(own[3])))
    assert np.abs(np.array([x0, y0, x1, y1]) - stencil.boxes[0]).max() <= 1.5


def test_it_is_laid_where_it_lies(stencil: Stencil, alone: tuple[MarkAlone, ...]) -> None:
    shown = photo(goods(noise=3))
    found = find_marks(stencil, shown)
    assert isinstance(found, Found)
    for mark, box in zip(alone, (EMBLEM, WORD), strict=True):
        laid = mark.lay(Pyramid(shown), found.warp)
        assert laid is not None
        corners = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]], np.float32)
        there = cv2.perspectiveTransform(corners[None], TILT)[0]
        around = [*there.min(axis=0), *there.max(axis=0)]
        assert laid.region.to_list() == pytest.approx(around, abs=6)


def test_another_small_mark_is_told_by_itself(stencil: Stencil, alone: tuple[MarkAlone, ...]) -> None:
    likeness = {}
    for mirrored in (False, True):
        shown = photo(goods(mirrored=mirrored, noise=3))
        found = find_marks(stencil, shown)
        assert isinstance(found, Found)
        laid = alone[0].lay(Pyramid(shown), found.warp)
        assert laid is not None
        likeness[mirrored] = found.likeness, laid.likeness
    assert likeness[False][1] > 0.9
    assert likeness[False][0] - likeness[True][0] < 0.1, "beside the large word it is hardly seen"
    assert likeness[False][1] - likeness[True][1] > 0.3


def test_one_mark_very_many_and_thin_ones_are_looked_at_together(stencil: Stencil) -> None:
    one = make_stencil([label()], [[BOX]])
    assert isinstance(one, Stencil)
    many = replace(stencil, boxes=np.repeat(stencil.boxes, (MOST + 2) // 2, axis=0))
    thin = replace(stencil, boxes=stencil.boxes - np.array([[0, 0, 0, 0], [0, 0, 0, 41]], np.float32))
    for made in (one, many, thin):
        assert MarkAlone.each_of(made, []) == ()
        whole = MarkAlone.together(made)
        assert whole.stencil is made
        assert whole.part == (0, 0, made.shape[1], made.shape[0])


def test_marks_are_looked_at_together_where_references_are_less_alike_mark_by_mark(
    stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    relief = make_stencil(plates(), [[Region(235, 95, 325, 185), Region(150, 205, 410, 270)], [], []])
    assert isinstance(relief, Stencil)
    assert relief.relief
    assert MarkAlone.each_of(relief, plates()) == ()
    assert len(MarkAlone.each_of(stencil, photos())) == 2
    common = stencil.alike
    monkeypatch.setattr(Stencil, "alike", property(lambda one: common if len(one.boxes) == 2 else common - 0.03))
    assert MarkAlone.each_of(stencil, photos()) == ()


def test_how_alike_references_are_is_their_correlation(stencil: Stencil) -> None:
    assert stencil.alike == pytest.approx(0.99, abs=0.02)
    other = picture(3)[: stencil.shape[0], : stencil.shape[1]]
    other = cv2.resize(other, stencil.shape[::-1])
    unlike = replace(stencil, crops=np.stack([stencil.crops[0], stencil.crops[1], other]))
    assert unlike.alike == pytest.approx(stencil.alike / 2, abs=0.1)
    alone = replace(stencil, crops=stencil.crops[:1], inside=stencil.inside[:1])
    assert alone.alike == 1


def test_the_score_is_the_mean_of_all_together_and_of_each(catalog: Catalog) -> None:
    """The slow twin: marks laid anew."""
    shown = [photo(goods(noise=3)), photo(goods(mirrored=True, noise=3))]
    batch = suspects(catalog, shown)
    scores = [evidence.score for evidence in Mark().score(batch)]
    known = catalog.marks_of("velmora/card")
    assert isinstance(known.stencil, Stencil)
    for pixels, score in zip(shown, scores, strict=True):
        found = find_marks(known.stencil, pixels)
        assert isinstance(found, Found)
        each = [laid.likeness for mark in known.alone if (laid := mark.lay(Pyramid(pixels), found.warp)) is not None]
        assert len(each) == 2
        together = min(found.likeness, CERTAIN)
        assert score == pytest.approx(1 - (together + np.minimum(each, CERTAIN).mean()) / 2, abs=1e-6)
    assert scores[1] > scores[0] + 0.05


def test_a_mark_that_is_not_seen_by_itself_counts_as_it_does_among_all(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(catalog, [photo(goods(noise=3))])
    found, word = batch.mark_of(0, batch.goods(0)), batch.alone(0)[1]
    assert isinstance(found, Found)
    assert word is not None
    shown = replace(found, likeness=0.7, likenesses=(0.61, 0.9))
    monkeypatch.setattr(Suspects, "mark_of", lambda *_: shown)
    monkeypatch.setattr(Suspects, "alone", lambda *_: (None, replace(word, likeness=0.99)))
    (evidence,) = Mark().score(batch)
    assert evidence.score == pytest.approx(1 - (0.7 + (0.61 + 0.97) / 2) / 2)
    assert "(correlation 0.70 together, 0.80 each by itself)." in evidence.text
    stencil = catalog.marks_of("velmora/card").stencil
    assert isinstance(stencil, Stencil)
    assert evidence.references == (str(stencil.rows[stencil.most_alike(shown)]),)


def test_a_mark_that_the_photo_cuts_off_says_nothing(
    stencil: Stencil, alone: tuple[MarkAlone, ...], clip: TowerEncoder
) -> None:
    shown = photo(goods(noise=3))[:, 200:]
    found = find_marks(stencil, shown)
    assert isinstance(found, Found)
    laid = [mark.lay(Pyramid(shown), found.warp) for mark in alone]
    assert laid[0] is None
    assert laid[1] is not None
    details = MarkDetails.of(stencil, alone, clip)
    strangeness = details.compare(laid, details.cosine(close_ups(clip, [details.square(laid, clip)])[0]))
    assert isinstance(strangeness, Strangeness)
    x0, y0, x1, y1 = stencil.boxes[0].astype(int)
    assert strangeness.map[y0:y1, x0:x1].max() < 0.2 * strangeness.map.max()


def test_what_lies_in_a_marks_place_is_shown_where_the_photo_shows_all_of_that_place(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(catalog, [photo(goods(noise=3))])
    (width, height), whole, word = batch.size(0), Region(20, 30, 90, 60), Region(200, 100, 600, 200)
    found = batch.mark_of(0, batch.goods(0))
    assert isinstance(found, Found)

    def shown(place: Region) -> Region | None:
        laid = replace(found, regions=(place, word), likenesses=(-0.4, 0.9))
        monkeypatch.setattr(Suspects, "mark_of", lambda *_: laid)
        (evidence,) = Mark().score(batch)
        assert "but for one: what lies in its place is not like it (-0.40)" in evidence.text
        return evidence.region

    assert shown(whole) == whole
    edges = {"x0": 0, "y0": 0, "x1": width, "y1": height}
    for cut_off in (replace(whole, **{side: edge}) for side, edge in edges.items()):
        around = np.array([cut_off.to_list(), word.to_list()])
        assert shown(cut_off) == Region(*around[:, :2].min(axis=0), *around[:, 2:].max(axis=0))


def test_marks_are_laid_once_whoever_asks(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, asked, lay = suspects(catalog, [photo(goods(noise=3)), photo(goods(noise=4))]), [], MarkAlone.lay
    assert len(catalog.marks_of("velmora/card").alone) == 2
    monkeypatch.setattr(MarkAlone, "lay", lambda *given: asked.append(1) or lay(*given))
    for head in (Mark(), Look(), Patches()):
        assert all(evidence.applicable for evidence in head.score(batch))
    assert len(asked) == 2 * 2


def test_a_photo_that_has_gone_is_laid_nowhere(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = suspects(catalog, [photo(goods(noise=3))])
    assert not isinstance(batch.mark(0), str)

    def gone(*_: object) -> np.ndarray:
        raise DecodeError("card.jpg", "it has changed")

    monkeypatch.setattr(Suspects, "pixels", gone)
    assert batch.alone(0) == (None, None)
    (look,) = Look().score(batch)
    assert look.text == "The photo shows too little of each mark.", "what is filled in looks genuine"
    assert 0 <= Mark().score(batch)[0].score < 1


def test_what_differs_lights_up_on_the_mark_that_differs(stencil: Stencil, catalog: Catalog) -> None:
    genuine, emblem, word = (
        photo(card) for card in (goods(noise=3), goods(mirrored=True, noise=3), goods("VELMQRA", noise=3))
    )
    plain, *fakes = Patches().score(suspects(catalog, [genuine, emblem, word]))
    for box, fake in zip((EMBLEM, WORD), fakes, strict=True):
        assert fake.score > plain.score + 1
        assert fake.region is not None
        corners = np.array([[box.x0, box.y0], [box.x1, box.y1]], np.float32)
        low, high = cv2.perspectiveTransform(corners[None], TILT)[0]
        middle = (fake.region.x0 + fake.region.x1) / 2, (fake.region.y0 + fake.region.y1) / 2
        assert (low - 15 < middle).all()
        assert (middle < high + 15).all()
    looks = [evidence.score for evidence in Look().score(suspects(catalog, [genuine, emblem]))]
    assert looks[1] > looks[0]


def test_marks_share_the_square_by_how_high_they_are(stencil: Stencil, catalog: Catalog) -> None:
    details = catalog.marks_of("velmora/card").details
    assert details is not None
    (start, middle), (again, end) = (cut.rows for cut in details.cuts)
    assert (start, again, end) == (0, middle, catalog.encoder.preprocess.size)
    assert middle > end / 2, "the emblem is as high as it is wide, the word is not"
    assert details.shape == stencil.shape


def test_a_large_reference_is_not_sampled_between_its_pixels() -> None:
    """The slow twin: a copy of a quarter of the size."""
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 200
    matrix = np.diag([4.0, 4.0, 1.0]) + np.array([[0, 0, 1.5], [0, 0, 1.5], [0, 0, 0]])
    assert framed(stripes, np.diag([4.1, 4.1, 1.0]), (190, 190)).std() < 2
    cloth = np.random.default_rng(0).integers(0, 255, (800, 800, 3)).astype(np.uint8)
    small = scaled(scaled(cloth, 0.5), 0.5)
    assert np.abs(framed(cloth, matrix, (200, 200)).astype(int) - small).max() <= 1


def test_a_plane_is_told_by_a_part_of_a_warp() -> None:
    y, x = np.mgrid[:90, :200].astype(np.float32)
    warp = cv2.perspectiveTransform(np.dstack([x, y]), TILT)
    warp[:, 100:] += 40  # elsewhere it lies otherwise
    for part in ((0, 0, 100, 90), (20, 30, 26, 34)):
        np.testing.assert_allclose(plane_of(warp, part), TILT / TILT[2, 2], rtol=0.02, atol=0.3)
