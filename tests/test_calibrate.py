"""The promise: a genuine photo is flagged with probability at most alpha; and gross anomalies are seen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counterfeit_vision.calibration import conformal as ranking
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import OneEach, conformal_p
from counterfeit_vision.calibration.fusion import merge
from counterfeit_vision.calibration.split import photos_needed, split_groups
from counterfeit_vision.calibration.standardize import named
from counterfeit_vision.errors import InputError
from counterfeit_vision.heads.price import SPREAD

HEADS = ["a", "b", "c", "d", "e", "f"]


def fitted(scores: np.ndarray, alpha: float = 0.05) -> Calibration:
    names = [f"photo {row}" for row in range(len(scores))]
    first = split_groups(names)
    return Calibration.fit(HEADS[: scores.shape[1]], scores, {}, first=first, alpha=alpha, generation="g")


def test_conformal_p_is_its_slow_twin_ties_included() -> None:
    random = np.random.default_rng(0)
    known, asked = random.integers(0, 9, 40).astype(float), random.integers(-1, 11, 60).astype(float)
    slow = [(1 + sum(k >= score for k in known)) / (len(known) + 1) for score in asked]
    np.testing.assert_allclose(conformal_p(known, asked), slow)


def test_statistics_equal_but_for_rounding_are_equal_and_scores_of_any_scale_are_not() -> None:
    known = np.array([0.883221465980398, 2.0, 3.0])
    for rounding in (-1e-15, 1e-15):
        assert OneEach.of(known, np.arange(3)).p_of(known + rounding).tolist() == [1.0, 0.75, 0.5]
    scores = np.random.default_rng(3).standard_normal((60, 1))
    large, small = fitted(scores), fitted(1e-13 * scores)
    np.testing.assert_array_equal(large.head_p_values(scores), small.head_p_values(1e-13 * scores))


@pytest.mark.parametrize("first", [None, np.arange(60) % 3 == 0], ids=["leave one out", "two parts"])
def test_a_photo_that_calibrated_does_not_rank_above_itself_for_rounding(first: np.ndarray | None) -> None:
    scores = np.random.default_rng(4).standard_normal((60, 2))
    calibration = Calibration.fit(["a", "b"], scores, {}, first=first, alpha=0.05, generation="")
    for row in range(60):
        ranking, own = calibration._beside(scores[[row]], None)
        of, higher = (ranking.photos_p(each, named(None, 1)) for each in (own, np.nextafter(own, np.inf)))
        np.testing.assert_array_equal(of, higher)


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_genuine_photos_are_flagged_no_oftener_than_alpha_on_average(alpha: float) -> None:
    random = np.random.default_rng(1)
    shares = []
    for _ in range(60):
        scores = random.standard_normal((67 + 200, 3)) ** 3
        calibration = fitted(scores[:67], alpha)
        shares.append(np.mean(calibration.p_values(calibration.merge(scores[67:])) <= alpha))
    n = calibration.count
    expected = np.floor(alpha * (n + 1)) / (n + 1)
    spread = np.sqrt(expected * (1 - expected) / (n + 2) + expected * (1 - expected) / 200) / np.sqrt(60)
    assert np.mean(shares) <= alpha + 3 * spread
    assert np.mean(shares) >= expected - 4 * spread  # and it is not bought by flagging nothing


@pytest.mark.parametrize("head", range(6))
def test_a_gross_anomaly_in_one_of_six_heads_is_flagged_with_67_photos(head: int) -> None:
    calibration = fitted(np.random.default_rng(2).standard_normal((67, 6)))
    suspect = np.zeros((1, 6))
    suspect[0, head] = 12
    assert calibration.p_values(calibration.merge(suspect))[0] <= 0.05


def test_one_misread_word_on_a_genuine_photo_does_not_become_the_alarm_level() -> None:
    scores = np.stack([np.zeros(28), np.abs(np.random.default_rng(0).standard_normal(28))], axis=1)
    names = [f"photo {row}" for row in range(28)]
    first = split_groups(names)
    scores[np.flatnonzero(~first)[0], 0] = 0.06
    calibration = Calibration.fit(["wordmark", "strokes"], scores, {}, first=first, alpha=0.05, generation="g")
    bolder = np.array([[0.0, 10.0]])
    assert calibration.p_values(calibration.merge(bolder))[0] <= 0.05


def test_risk_is_strictly_increasing_and_half_where_p_reaches_alpha() -> None:
    calibration = fitted(np.random.default_rng(3).standard_normal((90, 2)))
    steps = np.linspace(calibration.merged.min() - 3, calibration.merged.max() + 3, 200)
    risk = calibration.risk(steps)
    assert (np.diff(risk) > 0).all()
    assert risk.min() >= 0
    assert risk.max() <= 1
    flagged = calibration.p_values(steps) <= 0.05
    assert (risk[flagged] >= 0.5 - 1e-9).all()
    assert (risk[~flagged] < 0.5).all()
    gross = calibration.risk(np.linspace(0, 150, 1000))
    assert (np.diff(gross) > 0).all()
    assert gross.max() < 1


def test_a_calibration_shows_itself_in_a_line() -> None:
    scores = np.random.default_rng(4).standard_normal((60, 2))
    assert repr(fitted(scores)) == "<Calibration a, b; p-values from 40 photos, alarm level 5 %>"
    groups = [f"seller {row // 2}" for row in range(60)]
    first = split_groups(groups, alpha=0.1)
    grouped = Calibration.fit(HEADS[:2], scores, {}, first=first, alpha=0.1, generation="g", groups=groups)
    assert repr(grouped) == "<Calibration a, b; p-values from 38 photos of 19 groups, alarm level 10 %>"


def test_a_head_that_does_not_apply_has_no_say() -> None:
    scores = np.random.default_rng(4).standard_normal((60, 2))
    scores[::2, 1] = np.nan
    calibration = fitted(scores)
    merged = calibration.merge(np.array([[0.3, np.nan]]))
    assert merged[0] == calibration.merge(np.array([[0.3, calibration.usual.location[0, 1]]]))[0]  # it counts as usual
    assert np.isnan(calibration.head_p_values(np.array([[0.3, np.nan]]))[0, 1])


@pytest.mark.parametrize("rare", [0, 1])  # photos that make the second claim, of the part that is fitted on
def test_a_claim_that_one_photo_alone_makes_has_no_say(rare: int) -> None:
    """Of one photo nobody knows how much it varies: measured by it, the next that makes the claim would be far out."""
    scores = np.random.default_rng(8).standard_normal((60, 2))
    first = split_groups([f"photo {row}" for row in range(60)])
    scores[np.flatnonzero(first)[rare:], 1] = np.nan
    calibration = fitted(scores)
    assert calibration.can_tell.tolist() == [True, False]
    odd = np.array([[5.0, 0.3], [0.0, 0.3]])
    np.testing.assert_array_equal(calibration.merge(odd), calibration.merge(np.array([[5.0, np.nan], [0.0, np.nan]])))
    assert calibration.p_values(calibration.merge(odd)).tolist()[0] <= 0.05


@pytest.mark.parametrize("fitted_on", [False, True])
def test_a_claim_that_is_made_in_one_part_alone_accuses_nobody_and_shows_no_p_value(fitted_on: bool) -> None:
    scores = np.random.default_rng(8).standard_normal((60, 2))
    first = split_groups([f"photo {row}" for row in range(60)])
    scores[np.flatnonzero(first == fitted_on)[4:], 1] = np.nan
    scores[first != fitted_on, 1] = np.nan
    calibration = fitted(scores)
    assert calibration.can_tell.tolist() == [True, False]
    cheap, silent = np.array([[0.3, 50.0]]), np.array([[0.3, np.nan]])
    assert calibration.merge(cheap) == calibration.merge(silent)
    shown = calibration.head_p_values(cheap), calibration.alone_p(cheap, [""]), calibration.strength(cheap)
    assert [np.isnan(values).tolist() for values in shown] == [[[False, True]]] * 3


def test_a_claim_that_no_ranked_photo_makes_is_no_reason_for_more_alarms() -> None:
    """One of 20 photos makes it, better than usual. Each in turn is asked about, and two may be flagged: were the claim
    left out where that one is asked about, it would be a third.
    """
    scores = np.random.default_rng(0).standard_normal((28, 2))
    scores[8:, 1] = np.nan
    second, third = np.argsort(scores[8:, 0])[[-2, -3]] + 8
    scores[third] = scores[second, 0] + 1e-6, -9
    flagged = 0
    for asked in range(8, 28):
        known = np.delete(scores, asked, axis=0)
        calibration = Calibration.fit(HEADS[:2], known, {}, first=np.arange(27) < 8, alpha=0.1, generation="g")
        flagged += calibration.p_of(scores[[asked]])[0] <= 0.1
    assert flagged == 2


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_a_photo_that_makes_only_a_rare_claim_ends_no_calibration(leave_one_out: bool) -> None:
    random = np.random.default_rng(9)
    names = [f"photo {row}" for row in range(60)]
    first = None if leave_one_out else split_groups(names)
    for row in range(0, 60, 7):
        scores = np.stack([random.standard_normal(60), np.full(60, np.nan)], axis=1)
        scores[row] = np.nan, 3.0
        calibration = Calibration.fit(["a", "b"], scores, {}, first=first, alpha=0.05, generation="g", groups=names)
        assert calibration.p_of(np.array([[9.0, np.nan]]))[0] <= 0.05
        assert calibration.p_of(np.array([[np.nan, 9.0]]))[0] > 0.1  # it counts as usual
    fakes = np.array([[4.0, np.nan]] * 10 + [[np.nan, 4.0]])
    if first is not None:
        groups = [f"fake {row}" for row in range(11)]
        learned = Calibration.fit(
            ["a", "b"], scores, {}, first=first, alpha=0.05, generation="g", fakes=fakes, fake_groups=groups
        )
        assert learned.p_of(fakes[:1])[0] <= 0.05


def test_photos_of_one_listing_tell_no_spread() -> None:
    """A listing's price is the same on each of its photos."""
    scores = np.random.default_rng(10).standard_normal((120, 2))
    groups = [f"listing {row // 3}" for row in range(120)]
    first = split_groups(groups)
    scores[:, 1] = np.nan
    scores[np.flatnonzero(first)[:3], 1] = 0.1
    calibration = Calibration.fit(["a", "b"], scores, {}, first=first, alpha=0.05, generation="g", groups=groups)
    assert calibration.p_of(np.array([[0.0, 0.2]]))[0] > 0.2


def test_no_head_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no head applies to photo 1"):
        merge(np.array([[1.0, 2.0], [np.nan, np.nan]]))


def test_too_few_photos_are_refused_with_the_number_that_is_needed() -> None:
    needed = photos_needed(0.05)
    random = np.random.default_rng(5)
    fitted(random.standard_normal((needed, 1)))
    with pytest.raises(InputError, match=f"at least {needed} are needed"):
        fitted(random.standard_normal((needed - 1, 1)))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 2])
def test_an_alpha_that_is_no_share_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        fitted(np.zeros((50, 1)), alpha)


def test_groups_stay_on_one_side() -> None:
    scores = np.repeat(np.arange(30.0), 4)[:, None]
    groups = [f"seller {row // 4}" for row in range(120)]
    calibration = Calibration.fit(["a"], scores, {}, first=split_groups(groups), alpha=0.05, generation="g")
    values, counts = np.unique(calibration.scores, return_counts=True)
    assert set(counts) == {4}
    assert calibration.fitted_on + 4 * len(values) == 120


def test_it_survives_json() -> None:
    scores = np.random.default_rng(6).standard_normal((60, 2))
    scores[3, 1] = np.nan
    calibration = fitted(scores)
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(again.scores, calibration.scores)
    asked = np.random.default_rng(7).standard_normal((20, 2))
    np.testing.assert_array_equal(again.p_values(again.merge(asked)), calibration.p_values(calibration.merge(asked)))


@pytest.mark.parametrize(("score", "named"), [(np.inf, "an infinite score"), (-1.7e308, "a score beyond 1e\\+100")])
def test_infinite_scores_are_named(score: float, named: str) -> None:
    scores = np.zeros((60, 2))
    scores[7, 1] = score
    with pytest.raises(InputError, match=f"head 'b' gave {named} for genuine photo 7"):
        fitted(scores)


def test_each_verdict_ranks_among_scores_that_were_drawn_and_sorted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).standard_normal((60, 3))
    scores[::2, 1] = scores[:, 2] = np.nan
    names = [str(row // 2) for row in range(60)]
    calibration = Calibration.fit(
        ["similarity", "rare", "never"], scores, {}, first=split_groups(names), alpha=0.1, generation="", groups=names
    )
    asked = np.array([[0.5, 0.5, 0.5], [np.nan, -3.0, np.nan]])
    first = calibration.head_p_values(asked)
    monkeypatch.setattr(ranking, "one_each", lambda groups: pytest.fail("drawn again"))
    np.testing.assert_array_equal(calibration.head_p_values(asked), first)
    assert np.isnan(first).tolist() == [[False, False, True], [True, False, True]]
    drawn = calibration._rising[1]
    assert len(drawn) == calibration.count
    np.testing.assert_array_equal(first[:, 1], conformal_p(drawn, asked[:, 1]))
    assert calibration.known_p(asked, "similarity", ["", ""])[0] <= first[0, 0]


def test_heat_is_alarming_beyond_what_19_of_20_of_the_photos_fitted_on_have() -> None:
    scores, first = np.random.default_rng(9).standard_normal((60, 2)), np.arange(60) < 21
    heat = np.concatenate([np.arange(21.0), np.full(39, 1000.0)])
    heat[20] = np.nan  # that photo has no map
    peaks = {"a": heat, "b": np.full(60, np.nan)}
    made = Calibration.fit(HEADS[:2], scores, peaks, first=first, alpha=0.05, generation="g")
    assert made.peaks == pytest.approx({"a": 0.95 * 19, "b": 1.0})


def test_where_all_that_calibrate_ask_the_list_price_a_tenth_off_accuses_few_more_and_a_throwaway_price_most() -> None:
    random, heads = np.random.default_rng(12), [*HEADS, "price"]
    scores = np.column_stack([random.exponential(1, (4000, 6)), np.zeros(4000)])
    first = split_groups([f"photo {row}" for row in range(200)])
    calibration = Calibration.fit(heads, scores[:200], {}, first=first, alpha=0.05, generation="g")
    accused = {}
    for below in (0.0, 0.1, 0.6):
        scores[200:, -1] = -np.log(1 - below) / SPREAD
        accused[below] = float(np.mean(calibration.p_values(calibration.merge(scores[200:])) <= 0.05))
    assert accused[0.0] < 0.08
    assert accused[0.1] < 0.15
    assert accused[0.6] > 0.95
