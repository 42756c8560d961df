"""What would be suspected and goes to a person: photos that are spoilt, covered, in a shadow, or of other goods."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lights import GENUINE, Dark, Loud, flat

import counterfeit_vision as cv
from counterfeit_vision.heads import Suspects


def test_a_photo_of_less_than_half_the_long_side_of_any_that_calibrated_accuses_nobody(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate([*GENUINE, flat(60)[:30, :20]])
    again = cv.Inspector.load(inspector.save(tmp_path / "kept"), tree_catalog, [Loud()], cache=False)
    small, *others = again.inspect([flat(250)[:height, :width] for height, width in ((14, 14), (15, 15), (30, 9))])
    assert small.decision == "review"
    assert "its photo has 14 pixels on the long side, and those that calibrated have 30 or more" in small.reason
    assert [verdict.decision for verdict in others] == ["suspected", "suspected"]


class Told(Loud):
    """Marks as strange as the photo is bright, of which a fact is told: another on photos that are wider than high."""

    name = "patches"

    def __init__(self, fact: str, usual: float | str, wide: float | str) -> None:
        self.fact, self.told = fact, (usual, wide)

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        wide = [width > height for width, height in map(suspects.size, range(len(suspects)))]
        found = zip(super().score(suspects), wide, strict=True)
        return [dataclasses.replace(one, **{self.fact: self.told[other]}) for one, other in found]


def test_a_blurred_photo_accuses_nobody_where_all_but_an_odd_one_that_calibrates_are_sharp(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    inspector = cv.Inspector(tree_catalog, [Told("sharpness", 0.9, 0.5), Dark()], cache=False).calibrate(
        [*GENUINE, flat(100)[:30]]
    )
    inspector.save(tmp_path / "kept")
    for one in (
        inspector,
        cv.Inspector.load(tmp_path / "kept", tree_catalog, heads=[Told("sharpness", 0.9, 0.5), Dark()]),
    ):
        sharp, blurred = one.inspect([flat(250), flat(250)[:30]])
        assert (sharp.decision, blurred.decision) == ("suspected", "review")
        assert (
            "0.50 times as sharply as the catalogue's do, where about nineteen in twenty that calibrated do 0.90 times"
            in blurred.reason
        )


def test_a_sharpened_photo_accuses_nobody_where_all_but_an_odd_one_that_calibrates_are_not(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    heads = [Told("sharpness", 0.9, 1.5), Dark()]
    inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate([*GENUINE, flat(100)[:30]])
    inspector.save(tmp_path / "kept")
    for one in (inspector, cv.Inspector.load(tmp_path / "kept", tree_catalog, heads=heads)):
        usual, sharpened = one.inspect([flat(250), flat(250)[:30]])
        assert (usual.decision, sharpened.decision) == ("suspected", "review")
        assert "1.50 times as sharply" in sharpened.reason
        assert "do 0.90 times or less" in sharpened.reason


class Grounded(Told):
    """The same, of marks that are found on plain ground."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [dataclasses.replace(one, grain=max(one.grain, 1.0)) for one in super().score(suspects)]


@pytest.mark.parametrize(
    ("fact", "usual", "spoilt", "said"), [("steps", 0.1, 0.9, "10 %"), ("grain", 1.2, 4.0, "1.20")]
)
def test_a_spoilt_photo_accuses_nobody_where_all_but_an_odd_one_that_calibrates_are_whole(
    fact: str, usual: float, spoilt: float, said: str, tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    heads = [Grounded(fact, usual, spoilt), Dark()]
    inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate([*GENUINE, flat(100)[:30]])
    inspector.save(tmp_path / "kept")
    for one in (inspector, cv.Inspector.load(tmp_path / "kept", tree_catalog, heads=heads)):
        whole, other = one.inspect([flat(250), flat(250)[:30]])
        assert (whole.decision, other.decision) == ("suspected", "review")
        assert f" {said} " in other.reason


def test_goods_that_are_others_than_the_catalogues_accuse_nobody(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Told("unlike", 0.0, 1.5), Dark()], cache=False).calibrate(GENUINE)
    same, other = inspector.inspect([flat(250), flat(250)[:30]])
    assert (same.decision, other.decision) == ("suspected", "review")
    assert "beside their marks these goods are coloured otherwise" in other.reason
    assert other.to_dict()["claims"]["patches"]["unlike"] == 1.5


def test_what_may_be_a_joint_edition_accuses_nobody(tree_catalog: cv.Catalog) -> None:
    told = Told("joint", "", "Norvik")
    told.name = "product"
    inspector = cv.Inspector(tree_catalog, [told, Dark()], cache=False).calibrate(GENUINE)
    same, joint = inspector.inspect([flat(250), flat(250)[:30]])
    assert (same.decision, joint.decision) == ("suspected", "review")
    assert f"bears the marks of {joint.brand} and the name of Norvik" in joint.reason
    assert joint.to_dict()["claims"]["product"]["joint"] == "Norvik"


def test_what_lies_over_the_marks_is_told_in_the_verdict_and_accuses_nobody(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Told("covered", 0.0, 0.2), Dark()], cache=False).calibrate(GENUINE)
    bare, covered = inspector.inspect([flat(250), flat(250)[:30]])
    assert (bare.decision, covered.decision) == ("suspected", "review")
    assert "20 % of the ground around them is like nothing on genuine photos" in covered.reason
    assert covered.to_dict()["claims"]["patches"]["covered"] == 0.2


def test_how_unevenly_the_marks_are_lit_is_told_beside_what_is_usual_of_those_that_calibrated(
    tree_catalog: cv.Catalog,
) -> None:
    inspector = cv.Inspector(tree_catalog, [Told("uneven", 0.0, 0.2), Dark()], cache=False).calibrate(GENUINE)
    even, uneven = inspector.inspect([flat(250), flat(250)[:30]])
    assert (even.decision, uneven.decision) == ("suspected", "review")
    assert "20 % of the ground around them is unevenly lit. What" in uneven.reason
    assert uneven.to_dict()["claims"]["patches"]["uneven"] == 0.2
    always = cv.Inspector(tree_catalog, [Told("uneven", 0.2, 0.2), Dark()], cache=False).calibrate(GENUINE)
    assert [verdict.decision for verdict in always.inspect([flat(250), flat(250)[:30]])] == ["suspected"] * 2


def test_a_shadow_on_the_side_is_told_in_the_verdict_and_accuses_nobody(tree_catalog: cv.Catalog) -> None:
    told = Told("shaded", 0.0, 0.2)
    told.name = "drawing"
    inspector = cv.Inspector(tree_catalog, [told, Dark()], cache=False).calibrate(GENUINE)
    lit, shaded = inspector.inspect([flat(250), flat(250)[:30]])
    assert (lit.decision, shaded.decision) == ("suspected", "review")
    assert "20 % of the plain ground of the side that bears the marks is unevenly lit" in shaded.reason
    assert shaded.to_dict()["claims"]["drawing"]["shaded"] == 0.2
    told = Told("shaded", 0.2, 0.2)
    told.name = "drawing"
    always = cv.Inspector(tree_catalog, [told, Dark()], cache=False).calibrate(GENUINE)
    assert [verdict.decision for verdict in always.inspect([flat(250), flat(250)[:30]])] == ["suspected"] * 2
