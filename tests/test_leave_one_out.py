"""Leaving each group out in turn: what is proved of it, what it needs, and what it can't do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import betabinom

from counterfeit_vision.calibrate import Calibration
from counterfeit_vision.drift import Drift
from counterfeit_vision.errors import InputError
from counterfeit_vision.merge import Merger
from counterfeit_vision.ranking import jackknife_p
from counterfeit_vision.usual import Usual

HEADS = ["a", "b", "c"]


def calibrated(scores: np.ndarray, alpha: float = 0.05, **options: object) -> Calibration:
    return Calibration.fit(HEADS, scores, {}, first=None, alpha=alpha, generation="", **options)


def heavy(random: np.random.Generator, count: int) -> np.ndarray:
    """Heavy tails, one head skewed, all of one mood, one missing now and then."""
    mood = random.standard_normal((count, 1))
    scores = np.hstack([random.standard_t(2, (count, 1)), np.exp(mood), random.standard_cauchy((count, 1)) + mood])
    scores[random.random(count) < 0.3, 2] = np.nan
    return scores


def test_p_values_are_their_slow_twin() -> None:
    random = np.random.default_rng(0)
    known, asked = heavy(random, 25), heavy(random, 40)
    slow = []
    for photo in asked:
        reached = 0
        for left_out in range(25):
            usual = Usual.fit(np.delete(known, left_out, axis=0))
            merger = Merger.of(HEADS)
            reached += merger(usual(known[[left_out]]))[0] >= merger(usual(photo[None]))[0]
        slow.append((1 + reached) / 26)
    np.testing.assert_allclose(calibrated(known).p_of(asked), slow)
    one, few = np.array([1.0, 2.0]), np.array([[0.0, 3.0], [3.0, 3.0], [1.0, 2.0]])
    assert jackknife_p(one, few).tolist() == [2 / 3, 1 / 3, 1.0]


@pytest.mark.parametrize(("genuine", "alpha"), [(19, 0.05), (27, 0.05), (60, 0.05), (60, 0.1)])
def test_no_more_are_flagged_than_is_proved_and_in_fact_about_alpha(genuine: int, alpha: float) -> None:
    random = np.random.default_rng(1)
    shares = []
    for _ in range(150):
        calibration = calibrated(heavy(random, genuine), alpha)
        shares.append(float((calibration.p_of(heavy(random, 100)) <= alpha).mean()))
    assert calibration.promised == pytest.approx(2 * alpha - 1 / (genuine + 1))
    error = np.std(shares) / math.sqrt(len(shares))
    assert np.mean(shares) <= calibration.promised + 3 * error
    reached = math.floor(alpha * (genuine + 1)) / (genuine + 1)
    spread = betabinom(100, reached * (genuine + 1), (1 - reached) * (genuine + 1)).std() / 100 / math.sqrt(150)
    assert np.mean(shares) == pytest.approx(reached, abs=max(4 * spread, 0.1 * alpha))


def test_one_photo_of_each_group_is_ranked_and_its_whole_group_left_out() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat([f"seller {n:02d}" for n in range(20)], 3)
    scores = heavy(random, 60)
    calibration = calibrated(scores, groups=groups.tolist())
    assert (calibration.count, calibration.fitted_on, len(calibration.rounds)) == (20, 60, 20)
    usual = Usual.fit(scores[groups != "seller 04"])
    own = Merger.of(HEADS)
    np.testing.assert_allclose(calibration.merged[12:15], own(usual(scores[12:15])))
    p = calibration.p_of(heavy(random, 30))
    np.testing.assert_allclose(p * 21, np.rint(p * 21))


def test_strata_are_ranked_by_themselves() -> None:
    random = np.random.default_rng(3)
    scores = np.concatenate([heavy(random, 30), heavy(random, 30) + 50])
    strata = ["calm"] * 30 + ["odd"] * 30
    calibration = calibrated(scores, 0.1, strata=strata)
    asked = heavy(random, 200)
    assert (calibration.p_of(asked, ["calm"] * 200) <= 0.1).mean() > 0.03
    assert (calibration.p_of(asked, ["odd"] * 200) <= 0.1).sum() == 0


def test_it_takes_fewer_photos_and_says_how_many() -> None:
    random = np.random.default_rng(4)
    assert calibrated(heavy(random, 19)).promised == pytest.approx(0.05)
    with pytest.raises(InputError, match=r"18 genuine photos are too few for alpha=0.05: at least 19 are needed"):
        calibrated(heavy(random, 18))
    with pytest.raises(InputError, match=r"or type leave_one_out=True, alpha=0\.05$"):
        Calibration.fit(HEADS, heavy(random, 20), {}, first=np.arange(20) < 8, alpha=0.05, generation="")


def test_it_says_what_is_proved_and_what_it_can_not_do() -> None:
    calibration = calibrated(heavy(np.random.default_rng(5), 39))
    assert calibration.promise("listings are") == (
        "at most 7.5 % of listings are suspected, on average: twice the alarm level of 5 %, less 1 / 40, "
        "as each group was left out in turn"
    )
    assert calibration.false_alarm_limit is None
    assert [calibration.proved(p) for p in (1 / 40, 0.05, 0.9)] == pytest.approx([1 / 40, calibration.promised, 1])
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False)))
    asked = heavy(np.random.default_rng(6), 20)
    np.testing.assert_array_equal(again.p_of(asked), calibration.p_of(asked))
    assert again.to_dict() == calibration.to_dict()
    damaged = calibration.to_dict()
    damaged["rounds"] = damaged["rounds"][1:]
    with pytest.raises(ValueError, match="38 rounds for 39 groups"):
        Calibration.from_dict(damaged)
    with pytest.raises(InputError, match=r"p_of\(scores\)"):
        calibration.p_values(calibration.merge(asked))
    with pytest.raises(InputError, match="keep a part aside"):
        Drift(calibration)
    with pytest.raises(InputError, match="with fakes, keep a part aside"):
        calibrated(asked, fakes=asked + 1, fake_groups=[str(n) for n in range(20)])
