"""Goods that are genuine in several versions: a photo is compared with those of one, and a mixture is like none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Run
from goods import BOX, SIGN, TILT, WORD, label, plates, printed, seen, stencil_of, suspects

from counterfeit_vision import Catalog, Reference, Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.geometry.versions import versions
from counterfeit_vision.heads import Drawing, Look, Mark, Pattern, default_heads
from counterfeit_vision.heads import suspects as suspects_module
from counterfeit_vision.index.catalog import STENCIL_REFERENCES
from counterfeit_vision.index.summary import facts
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products.differences import drawing_differs, pattern_differs, unlike_all
from counterfeit_vision.products.whole import WholeProduct

INK, PAPER = (30, 60, 110), (225, 215, 195)


def card(*, mark: str = "new", lines: str = "new", noise: int = 0) -> np.ndarray:
    """The card with a table, the word of one version, and under it the lines of one."""
    drawn = printed(noise=noise)
    if mark == "old":
        drawn[200:268, 152:408] = PAPER
        cv2.putText(drawn, "Velmora", (165, 255), cv2.FONT_HERSHEY_COMPLEX, 1.7, INK, 3, cv2.LINE_AA)
    if lines == "old":
        drawn[275:372, 30:420] = PAPER
        for row, words in enumerate(("Poids net 250 grammes, a conserver", "au sec et a l'abri de la lumiere")):
            cv2.putText(drawn, words, (60, 305 + 32 * row), cv2.FONT_HERSHEY_PLAIN, 1.2, (80, 80, 80), 2, cv2.LINE_AA)
    return np.clip(drawn + np.random.default_rng(noise + 50).normal(0, 3, drawn.shape), 0, 255).astype(np.uint8)


def references() -> list[np.ndarray]:
    """Two photos of the new card, two of the old one."""
    old = {"mark": "old", "lines": "old"}
    return [card(), seen(card(noise=1)), card(**old, noise=2), seen(card(**old, noise=3))]


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(references(), [BOX])


@pytest.fixture(scope="module")
def whole(stencil: Stencil) -> WholeProduct:
    return WholeProduct.of(stencil, references(), [np.ones((7, 7), np.float32)] * 4)


def test_references_of_one_version_stay_together_however_they_were_taken() -> None:
    dark = np.linspace(0.5, 1.1, 560)[None, :, None]
    glare = label(noise=3).astype(np.float32)
    cv2.circle(glare, (200, 230), 45, (255, 255, 255), -1)
    photos = [
        label(),
        seen(cv2.GaussianBlur(label(noise=1), (0, 0), 2.2)),
        seen((label(noise=2) * dark).astype(np.uint8).clip(0, 255), seed=8),
        seen(cv2.addWeighted(glare, 0.6, label(noise=3).astype(np.float32), 0.4, 0).astype(np.uint8)),
    ]
    alike = stencil_of(photos, [BOX])
    assert len(alike.crops) == 4
    assert alike.versions == (alike,)
    whole = WholeProduct.of(alike, photos, [np.ones((7, 7), np.float32)] * 4)
    assert whole.versions == (whole,)
    relief = stencil_of(plates(), [BOX])
    assert relief.relief
    assert relief.versions == (relief,)


def test_each_version_has_its_references(stencil: Stencil, whole: WholeProduct) -> None:
    assert [one.rows for one in stencil.versions] == [(0, 1), (2, 3)]
    assert [one.rows for one in whole.versions] == [(0, 1), (2, 3)]
    cut = stencil.inside.copy()
    cut[2, :, : cut.shape[2] // 2] = False
    assert [one.rows for one in replace(stencil, inside=cut).versions] == [(0, 1), (3, 2)]  # first what shows most


def test_where_no_two_references_are_alike_they_are_no_versions() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (5, 60, 60, 3)).astype(np.uint8)
    everywhere = np.ones((5, 60, 60), bool)
    assert versions(noise, everywhere, relief=False) == ((0, 1, 2, 3, 4),)


def test_where_half_of_the_references_are_like_no_other_they_are_no_versions() -> None:
    one, *others = np.random.default_rng(0).integers(0, 255, (3, 60, 60, 3)).astype(np.uint8)
    everywhere = np.ones((5, 60, 60), bool)
    assert versions(np.stack([one, one, *others]), everywhere[:4], relief=False) == ((0, 1, 2, 3),)
    assert versions(np.stack([one, one, one, *others]), everywhere, relief=False) == ((0, 1, 2), (3,), (4,))


def test_references_that_are_alike_by_others_between_them_are_one_version() -> None:
    one, other = np.random.default_rng(0).normal(0, 30, (2, 90, 90, 3))
    turned = np.deg2rad([40, 0, 20, 60])  # the cosine of the angle between two is their correlation
    photos = np.stack([128 + np.cos(by) * one + np.sin(by) * other for by in turned]).clip(0, 255).astype(np.uint8)
    assert versions(photos, np.ones((4, 90, 90), bool), relief=False) == ((0, 1, 2, 3),)


def test_one_reference_by_itself_is_a_version_only_where_it_is_like_no_other() -> None:
    one, other = np.random.default_rng(0).integers(0, 255, (2, 150, 150, 3)).astype(np.float32)
    everywhere = np.ones((4, 150, 150), bool)
    for share, told in ((0.9, ((0, 1, 2, 3),)), (0.65, ((0, 1, 2, 3),)), (0.3, ((0, 2, 3), (1,)))):
        mixed = share * one + (1 - share) * other
        photos = np.stack([one, mixed, one, one]).astype(np.uint8)
        assert versions(photos, everywhere, relief=False) == told


SMALL = Region(25, 275, 425, 372)  # the lines under the word
OLD = {"mark": "old", "lines": "old"}


def test_a_version_of_few_references_beside_many_others_is_one() -> None:
    others = [card(**OLD, noise=40), seen(card(**OLD, noise=41), seed=6)]
    made = stencil_of([card(), *(seen(card(noise=row), seed=row + 3) for row in range(1, 6)), *others], [BOX, SMALL])
    assert [one.rows for one in made.versions] == [(0, 1, 2, 3, 4, 5), (6, 7)]
    found = find_marks(made, seen(card(**OLD, noise=99), seed=3))
    assert isinstance(found, Found)
    assert found.version == 1
    assert found.likeness > 0.85


def simpler(noise: int) -> np.ndarray:
    """The label of a version that has the sign alone, without the word."""
    drawn = label(noise=noise)
    drawn[200:270, 150:412] = PAPER
    return drawn


@pytest.mark.parametrize("blur", [0.5, 2.0, 3.0])
def test_a_version_with_less_drawn_is_not_taken_for_a_richer_one(blur: float) -> None:
    """In its own marks a photo out of focus is more like the version whose marks are bolder: there are no fine ones."""
    rich = [label(), seen(label(noise=1)), seen(label(noise=2), seed=8)]
    made = stencil_of([*rich, seen(simpler(3), seed=9), seen(simpler(4), seed=10)], [SIGN, WORD])
    assert [one.rows for one in made.versions] == [(0, 1, 2), (3, 4)]
    for version, drawn in enumerate((label(noise=5), simpler(5))):
        found = find_marks(made, seen(cv2.GaussianBlur(drawn, (0, 0), blur), seed=3))
        assert isinstance(found, Found)
        assert found.version == version


def test_bad_photos_are_no_version() -> None:
    """In the place of the marks each shows something else."""
    bad = []
    for colour, slope in (((205, 155, 130), 40), ((40, 40, 60), -60)):
        bad.append(card(noise=slope + 80))
        bad[-1][90:375, 100:420] = colour
        for x in range(110, 400, 45):
            cv2.line(bad[-1], (x, 100), (x + slope, 370), (120, 110, 90), 6, cv2.LINE_AA)
    assert stencil_of([card(), seen(card(noise=1)), *bad], [BOX, SMALL]).rows == (0, 1)


def ornamented(drawn: np.ndarray) -> np.ndarray:
    """The card with signs around its marks, which its back has, too."""
    random = np.random.default_rng(4)
    rows = [(x, y) for x in range(70, 500, 26) for y in (38, 62, 290, 320, 350)]
    for x, y in rows + [(x, y) for x in (75, 100, 125, 435, 460, 490) for y in range(90, 290, 26)]:
        kind, colour, size = random.integers(3), random.integers(30, 190, 3).tolist(), int(random.integers(5, 11))
        if kind == 0:
            cv2.circle(drawn, (x, y), size, colour, 2, cv2.LINE_AA)
        elif kind == 1:
            cv2.line(drawn, (x - size, y - size), (x + size, y + size // 2), colour, 3, cv2.LINE_AA)
        else:
            cv2.rectangle(drawn, (x - size, y - size // 2), (x + size // 2, y + size), colour, 2)
    return drawn


def back(noise: int) -> np.ndarray:
    drawn = printed(noise=noise)
    drawn[90:272, 150:412] = PAPER
    lines = ("INGREDIENTS: SUGAR", "WHEAT FLOUR, SALT", "MADE IN EU BY VLM", "STORE COOL, DRY", "www.velmora.example")
    for row, words in enumerate(lines):
        cv2.putText(drawn, words, (158, 118 + 34 * row), cv2.FONT_HERSHEY_PLAIN, 1.35, (80, 60, 60), 2, cv2.LINE_AA)
    return ornamented(drawn)


def test_photos_of_the_back_make_no_relief_of_a_print() -> None:
    """Edges tell where on them the marks would be, and what they show there is as alike as a version is."""
    fronts = [ornamented(printed()), *(seen(ornamented(printed(noise=1 + row)), seed=5 + row) for row in range(2))]
    made = stencil_of([*fronts, *(seen(back(3 + row), seed=6 + row) for row in range(2))], [BOX])
    assert not made.relief
    assert made.rows == (0, 1, 2)


def test_marks_of_several_versions_are_no_relief_for_that() -> None:
    """Those of one version are as alike as prints are."""
    made = stencil_of(references(), [BOX, SMALL])
    assert not made.relief
    assert [one.rows for one in made.versions] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("version", ["new", "old"])
def test_goods_of_any_version_are_as_like_theirs(stencil: Stencil, version: str) -> None:
    found = find_marks(stencil, seen(card(mark=version, lines=version, noise=7), seed=3))
    assert isinstance(found, Found)
    assert stencil.versions[found.version].rows == ((0, 1) if version == "new" else (2, 3))
    assert found.likeness > 0.85
    there = cv2.perspectiveTransform(np.array([[[BOX.x0, BOX.y0]]], np.float64), TILT)[0, 0]
    assert np.abs(there - [found.region.x0, found.region.y0]).max() < 40


def test_a_mixture_of_versions_differs_from_each(stencil: Stencil, whole: WholeProduct) -> None:
    scores = {}
    for mark, lines in (("new", "new"), ("old", "old"), ("old", "new"), ("new", "old")):
        photo = seen(card(mark=mark, lines=lines, noise=9), seed=3)
        found = find_marks(stencil, photo)
        assert isinstance(found, Found)
        over = whole.lay_over_versions(photo, found.warp)
        assert not isinstance(over, str)
        scores[mark, lines] = drawing_differs(*over).score
    assert min(scores["old", "new"], scores["new", "old"]) > max(scores["new", "new"], scores["old", "old"]) + 0.2


def test_what_no_reference_of_a_version_shows_is_not_compared(stencil: Stencil, whole: WholeProduct) -> None:
    hidden = np.ones_like(whole.inside)
    hidden[2:, :60] = False
    cut = replace(whole, inside=hidden)
    photo = seen(card(mark="old", lines="old", noise=9), seed=3)
    found = find_marks(stencil, photo)
    assert isinstance(found, Found)
    over = cut.lay_over_versions(photo, found.warp)
    assert not isinstance(over, str)
    assert over[0].rows == (2, 3)
    assert np.isfinite(drawing_differs(*over).score)
    assert not over[0].product[:60].any()
    shown = stencil.inside.copy()
    shown[2:, :, :128] = False
    assert not replace(stencil, inside=shown)._of([2, 3]).drawn[:, :128].any()


def catalogue(encoder: TowerEncoder, photos: list[np.ndarray]) -> Catalog:
    rows = [
        Reference(id=f"r{row}", photo=photo, brand="velmora", product="card", regions=[BOX] if row == 0 else [])
        for row, photo in enumerate(photos)
    ]
    return Catalog.build(rows, encoder=encoder, cache=False, find_marks=False)


def test_a_photo_is_shown_beside_the_reference_that_it_is_most_like(clip: TowerEncoder) -> None:
    batch = suspects(catalogue(clip, references()), [seen(card(mark="old", lines="old", noise=7), seed=3)])
    for head in (Mark(), Look(), Drawing()):
        (evidence,) = head.score(batch)
        assert evidence.applicable
        assert set(evidence.references) <= {"r2", "r3"}
        if evidence.crops is not None:
            assert evidence.crops[1].id == evidence.references[0]


def test_all_claims_are_made_of_goods_in_versions_with_several_marks(clip: TowerEncoder) -> None:
    boxes = (BOX, SMALL)
    rows = [
        Reference(id=f"r{row}", photo=photo, brand="velmora", product="card", regions=() if row % 2 else boxes)
        for row, photo in enumerate(references())
    ]
    catalog = Catalog.build(rows, encoder=clip, cache=False)
    photos = [seen(card(noise=8), seed=3), seen(card(mark="old", lines="old", noise=7), seed=3)]
    batch = suspects(catalog, photos)
    assert len(catalog.marks_of(catalog.goods[0]).versions) == 2
    said = {head.name: head.score(batch) for head in default_heads()}
    for name in ("mark", "look", "patches", "strokes", "layout", "drawing", "pattern", "colours"):
        assert all(one.applicable for one in said[name]), name
    assert max(one.score for one in said["mark"]) < 0.1
    for row, shown in enumerate(({"r0", "r1"}, {"r2", "r3"})):
        assert set(said["drawing"][row].references) <= shown


def test_what_is_drawn_otherwise_is_worked_out_once_a_photo(
    clip: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(suspects_module, "unlike_all", lambda *over: calls.append(over) or unlike_all(*over))
    batch = suspects(catalogue(clip, references()[:2]), [seen(card(noise=7), seed=3), seen(card(noise=8), seed=4)])
    for head in (Drawing(), Pattern()):
        for row, evidence in enumerate(head.score(batch)):
            assert evidence.heatmap is not None
            _, whole, laid = batch.whole(row)
            twin = {"drawing": drawing_differs, "pattern": pattern_differs}[head.name](whole, laid)
            assert evidence.score == twin.score
    assert len(calls) == 2


def test_a_version_that_is_filed_after_many_others_is_among_the_references_for_the_stencil(
    tiny_encoder: TowerEncoder,
) -> None:
    photos = [card(noise=row) for row in range(STENCIL_REFERENCES)] + [card(mark="old", noise=20)] * 2
    catalog = catalogue(tiny_encoder, photos)
    marks = catalog.marks_of(catalog.goods[0])
    assert marks.rows[0] == 0
    assert len(marks.rows) == STENCIL_REFERENCES
    assert marks.rows[-1] == STENCIL_REFERENCES + 1


def test_the_photos_of_each_version_are_named(run: Run, tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    old = {"mark": "old", "lines": "old"}
    cards = [card(**old), seen(card(**old, noise=1)), card(noise=2), seen(card(noise=3)), card(noise=4)]
    rows = [
        Reference(id=f"{product} {number}", photo=photo, brand="velmora", product=product, regions=[BOX])
        for product, photos in (("tea", cards), ("mint", [label(), label(noise=1)]), ("box", [label(noise=2)]))
        for number, photo in enumerate(photos)
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    assert catalog.versions == {"velmora/tea": (("tea 2", "tea 3", "tea 4"), ("tea 0", "tea 1"))}
    catalog.save(tmp_path)
    said = run("catalog", "info", tmp_path, "--versions").out
    assert "versions                   'velmora/tea': 'tea 2', 'tea 3', 'tea 4' | 'tea 0', 'tea 1'" in said
    assert "versions" not in run("catalog", "info", tmp_path, "--json").data, "it takes long"
    assert facts({"versions": {}}) == [("versions", "one of each product")]
