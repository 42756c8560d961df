"""Drift: no alarm while nothing changes, more seldom than delta for ever; an alarm soon after something did."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from fractions import Fraction

import numpy as np
import pytest

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.drift import Drift
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.errors import InputError
from counterfeit_vision.types import Failure, Verdict


def calibrated(random: np.random.Generator, photos: int = 90, alike: int = 1) -> Calibration:
    scores = np.repeat(random.standard_normal(photos // alike), alike)[:, None]
    groups = [f"seller {n // alike}" for n in range(photos)]
    return Calibration.fit(["a"], scores, {}, first=split_groups(groups), alpha=0.1, generation="", groups=groups)


def watched(calibration: Calibration, scores: np.ndarray, delta: float) -> Drift:
    drift = Drift(calibration, delta=delta)
    for number, statistic in enumerate(calibration.merge(scores[:, None])):
        drift.watch(f"listing {number}", float(statistic))
    return drift


def verdict(id: str, statistic: float, *, stale: bool = False) -> Verdict:
    return Verdict(
        id=id, decision="clear", risk=0.1, p_value=0.5, reason="", product=None, brand=None, claims={},
        statistics=(statistic,), stale=stale,
    )  # fmt: skip


def test_while_nothing_changes_it_is_ever_wrong_more_seldom_than_delta() -> None:
    """Also with a small calibration, whose own p-values would drift away from uniform for good."""
    random = np.random.default_rng(0)
    wrong = [watched(calibrated(random, 36), random.standard_normal(1500), 0.1).alarm is not None for _ in range(150)]
    assert np.mean(wrong) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 150)


def test_p_values_of_a_fixed_calibration_would_be_wrong_oftener() -> None:
    """The control: ranking among the calibration's 24 photos alone, as a verdict does, is no fair game."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(60):
        drift = Drift(calibrated(random, 36), delta=0.1)
        kept = list(drift._known)
        for statistic in calibrated(random, 36).merge(random.standard_normal((1500, 1))):
            drift._known = list(kept)
            drift.watch("x", float(statistic))
        wrong += drift.alarm is not None
    assert wrong / 60 > 0.3


@pytest.mark.parametrize(("shift", "direction"), [(1.0, "more unusual"), (-1.0, "more usual")])
def test_a_new_camera_is_noticed_and_the_photos_that_drove_it_are_named(shift: float, direction: str) -> None:
    random = np.random.default_rng(1)
    calm, changed = random.standard_normal(300), random.standard_normal(300) + shift
    drift = watched(calibrated(random), np.concatenate([calm, changed]), 0.01)
    assert drift.alarm is not None
    assert 300 < drift.alarm.seen < 400
    assert drift.alarm.direction == direction
    assert drift.alarm.capital >= 100
    after = [int(id.split()[1]) >= 300 for id in drift.alarm.drivers]
    assert np.mean(after) > 0.7
    assert direction in str(drift.alarm)


def test_those_that_drove_an_alarm_are_named_and_not_those_that_spoke_against_it() -> None:
    drift = Drift(calibrated(np.random.default_rng(1)), delta=0.01)
    for number in range(300):
        odd = number % 4 > 0  # of four photos one is as usual as any
        drift.watch(f"{'odd' if odd else 'calm'} {number}", 9.0 + number / 1000 if odd else -9.0)
    assert drift.alarm is not None
    assert len(drift.alarm.drivers) == 10
    assert all(id.startswith("odd") for id in drift.alarm.drivers)


def test_photos_that_are_all_alike_are_no_change() -> None:
    """As where no claim varies: their statistics are equal, and none of them is more usual than another."""
    first = split_groups([str(n) for n in range(90)])
    alike = Calibration.fit(["a"], np.zeros((90, 1)), {}, first=first, alpha=0.1, generation="")
    assert watched(alike, np.zeros(300), 0.01).alarm is None


def test_however_long_all_was_well_a_change_is_noticed_nearly_as_soon() -> None:
    """What was bet while nothing changed is lost: with all of it bet from the start, the evidence was e^-40 after
    10,000 listings, and a new camera was noticed after 220 more.
    """
    random, delays = np.random.default_rng(1), []
    for _ in range(5):
        drift = watched(calibrated(random), random.standard_normal(5000), 0.01)
        assert drift.alarm is None
        assert drift.capital >= 1 / 5001
        for statistic in random.standard_normal(400) + 1:
            drift.watch("changed", float(statistic))
        assert drift.alarm is not None
        delays.append(drift.alarm.seen - 5000)
    assert np.median(delays) < 120


def test_an_alarm_stays() -> None:
    random = np.random.default_rng(2)
    drift = watched(calibrated(random), np.full(200, 3.0), 0.01)
    first = drift.alarm
    assert first is not None
    for number in range(100):
        drift.watch(f"calm {number}", float(random.standard_normal()))
    assert drift.alarm is first


def test_of_a_group_one_photo_counts() -> None:
    calibration = calibrated(np.random.default_rng(3), 180, alike=3)
    assert len(Drift(calibration)._known) == calibration.count == len(calibration.merged) / 3


def test_two_runs_say_the_same_ties_included() -> None:
    random = np.random.default_rng(4)
    calibration, scores = calibrated(random), np.rint(random.standard_normal(200))
    assert repr(watched(calibration, scores, 0.01)) == repr(watched(calibration, scores, 0.01))


@pytest.mark.parametrize("value", ["x", None, "0.5", float("nan")])
def test_what_is_no_number_is_neither_watched_nor_a_chance(value) -> None:
    calibration = calibrated(np.random.default_rng(0))
    with pytest.raises(InputError, match=r"delta=.*: need a share between 0 and 1"):
        Drift(calibration, delta=value)
    with pytest.raises(InputError, match=r"watch\('a'\): statistic=.*; need a finite number"):
        Drift(calibration).watch("a", value)


def test_a_chance_may_be_a_number_of_any_kind() -> None:
    assert repr(Drift(calibrated(np.random.default_rng(0)), delta=Fraction(1, 8))).endswith("(alarm at 8)>")


def test_verdicts_are_watched_failures_passed_over_and_stale_ones_refused() -> None:
    drift = Drift(calibrated(np.random.default_rng(5)))
    drift.add([verdict("a", 0.1), Failure("b", "decode", ValueError("no photo")), verdict("c", 0.2)])
    assert drift.seen == 2
    for results, words in (
        (verdict("a", 0.1), r"add\(<Verdict a.*need a list of verdicts"),
        ("results/verdicts.jsonl", r"add\('results/verdicts.jsonl'\): 'r' is no verdict; type drift.add\(inspector"),
        ([{"id": "a", "statistics": [9.0]}], r"\{'id': 'a'.* is no verdict; type drift.add\(inspector.inspect"),
    ):
        with pytest.raises(InputError, match=words):
            drift.add(results)  # type: ignore[arg-type]
    assert drift.seen == 2
    with pytest.raises(InputError, match="'d' is stale"):
        drift.add([verdict("d", 0.1, stale=True)])
    with pytest.raises(InputError, match=r"'e' has no statistics.*type drift.watch\(id, statistic\)"):
        drift.add([dataclasses.replace(verdict("e", 0.1), statistics=())])
    with pytest.raises(InputError, match="delta=1"):
        Drift(calibrated(np.random.default_rng(6)), delta=1)
    with pytest.raises(InputError, match=r"type Drift\(inspector.calibration\), once calibrated"):
        Drift(None)


def test_verdicts_of_another_calibration_are_refused() -> None:
    """Their statistics are measured by what was usual then, and gave an alarm where nothing had changed."""
    one, other = (calibrated(np.random.default_rng(seed)) for seed in (5, 6))
    told = dataclasses.replace(verdict("a", 0.1), calibration=one.fingerprint)
    assert Drift(one).add([told, verdict("old", 0.1)]).seen == 2
    drift = Drift(other)
    words = f"'a' was judged by another calibration, {one.fingerprint}, not by {other.fingerprint}: inspect again"
    with pytest.raises(InputError, match=words):
        drift.add([told])
    assert drift.seen == 0


def test_a_verdict_is_watched_once_however_often_it_is_added() -> None:
    drift, odd = Drift(calibrated(np.random.default_rng(5))), [verdict(str(n), 4.0) for n in range(6)]
    for _ in range(30):
        drift.add(odd)
    assert (drift.seen, drift.alarm) == (6, None)
    for again in (copy.deepcopy(drift), pickle.loads(pickle.dumps(drift))):
        assert repr(again) == repr(drift)
        assert again.add([*odd, *odd]).seen == 12  # what was added is not taken along
    odd.clear()
    for _ in range(30):  # new objects may lie where those lay
        drift.add([verdict("x", 4.0)])
    assert drift.seen == 36
    assert drift.alarm is not None


def test_what_is_no_number_is_not_watched() -> None:
    drift = Drift(calibrated(np.random.default_rng(0)))
    with pytest.raises(InputError, match=r"watch\('a'\): statistic=nan; need a finite number"):
        drift.watch("a", float("nan"))
    assert drift.seen == 0
