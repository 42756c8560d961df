"""None kept aside, each left out in turn: that alpha holds exactly, what it needs, and what it can't do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from left_out import one_by_one

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.drift import Drift
from counterfeit_vision.calibration.fusion import Merger
from counterfeit_vision.calibration.standardize import among_others
from counterfeit_vision.errors import InputError

HEADS = ["a", "b", "price"]
LEAST = [0.0, 0.0, 0.4]


def calibrated(scores: np.ndarray, alpha: float = 0.05, **options: object) -> Calibration:
    return Calibration.fit(HEADS, scores, {}, first=None, alpha=alpha, generation="", **options)


def heavy(random: np.random.Generator, count: int) -> np.ndarray:
    """Heavy tails in different units, one head skewed, all of one mood, one missing now and then."""
    mood = random.standard_normal((count, 1))
    scores = np.hstack(
        [1e4 * random.standard_t(2, (count, 1)), np.exp(mood), random.standard_cauchy((count, 1)) + mood]
    )
    scores[random.random(count) < 0.3, 2] = np.nan
    return scores


def brands(random: np.random.Generator, count: int) -> list[str]:
    return random.choice(["", "Anker", "Stern", "Mond"], count).tolist()


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_usual_for_the_others_is_its_slow_twin(shared: bool) -> None:
    random = np.random.default_rng(0)
    for trial in range(12):
        count = int(random.integers(9, 45))
        scores = np.hstack([heavy(random, count), np.zeros((count, 1)), random.standard_normal((count, 2))])
        scores[:2, 3], scores[3:, 4] = 5.0, np.nan  # nearly all alike; few make it
        scores[:, 5] = np.round(scores[:, 5])  # many equal
        owners = random.integers(0, count // 2, count) if shared else np.arange(count)
        kinds = brands(random, count) if trial % 3 else [f"brand {n % (count // 3)}" for n in range(count)]
        least = [*LEAST, 0.0, 0.0, 0.01]
        slow = one_by_one(scores, owners, kinds, least)
        np.testing.assert_allclose(among_others(scores, owners, kinds, least), slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("count", "alpha"), [(19, 0.05), (9, 0.1), (39, 0.05)])
@pytest.mark.parametrize("useless", [False, True])
def test_of_any_listings_of_which_each_is_judged_by_the_others_exactly_alpha_are_flagged(
    count: int, alpha: float, useless: bool
) -> None:
    """Whatever the n + 1 are: so a new one, which may be any of them, is with probability alpha."""
    random = np.random.default_rng(1)
    for _ in range(3):
        scores, kinds = heavy(random, count + 1), brands(random, count + 1)
        if useless:
            scores[:, 1] = random.standard_cauchy(count + 1)
        p = []
        for judged in range(count + 1):
            rest = np.delete(np.arange(count + 1), judged)
            calibration = calibrated(scores[rest], alpha, kinds=[kinds[row] for row in rest])
            p.append(calibration.listing_p(scores[[judged]], None, [kinds[judged]]))
        np.testing.assert_allclose(np.sort(p), np.arange(1, count + 2) / (count + 1))


@pytest.mark.parametrize("strata", [False, True])
def test_so_are_listings_of_several_photos(strata: bool) -> None:
    random = np.random.default_rng(2)
    photos = np.repeat(np.arange(20), random.integers(1, 4, 20))
    scores, kinds = heavy(random, len(photos)), brands(random, len(photos))
    scores += 1e4 * random.standard_normal(20)[photos, None]
    names = np.where(photos < 9, "bag", "shoe") if strata else np.full(len(photos), "")
    p = np.empty(20)
    for judged in range(20):
        own, rest = np.flatnonzero(photos == judged), np.flatnonzero(photos != judged)
        told = {"groups": photos[rest].astype(str), "listings": photos[rest], "strata": names[rest]}
        calibration = calibrated(scores[rest], 0.2, kinds=[kinds[row] for row in rest], **told)
        p[judged] = calibration.listing_p(scores[own], names[own].tolist(), [kinds[row] for row in own])
    sizes = [9, 11] if strata else [20]
    np.testing.assert_allclose(np.sort(p), np.sort(np.concatenate([np.arange(1, n + 1) / n for n in sizes])))


def test_a_judged_listing_has_the_statistic_that_all_that_calibrated_give_it() -> None:
    random = np.random.default_rng(3)
    known, asked, kinds = heavy(random, 25), heavy(random, 8), brands(random, 25)
    calibration = calibrated(known, kinds=kinds)
    for row in asked:
        _, statistic = calibration._beside(row[None], ["Anker"])
        np.testing.assert_allclose(statistic, calibration.merge(row[None], ["Anker"]), rtol=1e-9)
    own = one_by_one(known, np.arange(25), kinds, LEAST)
    np.testing.assert_allclose(calibration.merged, Merger.of(HEADS)(own), rtol=1e-9)


def test_of_each_group_one_listing_counts_and_a_new_group_is_flagged_as_often_as_alpha() -> None:
    random = np.random.default_rng(4)
    flagged, draws = 0, 250
    for _ in range(draws):
        sellers = np.repeat(np.arange(10), 6)  # one more than calibrate; two listings of three photos each
        scores = heavy(random, 10)[sellers] + 0.1 * heavy(random, 60)
        known = sellers < 9
        groups = [f"seller {name}" for name in sellers[known]]
        calibration = calibrated(scores[known], 0.1, groups=groups, listings=(np.arange(60) // 3)[known])
        flagged += calibration.listing_p(scores[54:57]) <= 0.1
    assert (calibration.count, calibration.fitted_on, len(calibration.merged)) == (9, 27, 27)
    assert flagged / draws == pytest.approx(0.1, abs=3 * math.sqrt(0.09 / draws))


def test_names_change_nothing() -> None:
    random = np.random.default_rng(5)
    scores, asked, kinds, sellers = heavy(random, 60), heavy(random, 12), brands(random, 60), random.integers(0, 25, 60)
    said = []
    for new in ({}, {"Anker": "Z", "Stern": "Y", "Mond": "X"}):
        for name in ("seller {0}", "{1} {0}", "z{0:04d}"):
            groups = [name.format(one, one * 7 % 25) for one in sellers.tolist()]
            calibration = calibrated(scores, groups=groups, kinds=[new.get(kind, kind) for kind in kinds])
            p = calibration.p_of(asked, None, [new.get(kind, kind) for kind in kinds[:12]])
            said.append((p.tolist(), calibration.listing_p(asked[:3], None, ["", new.get("Mond", "Mond"), ""])))
    assert all(one == said[0] for one in said)


def test_strata_are_ranked_by_themselves() -> None:
    random = np.random.default_rng(3)
    scores = np.concatenate([heavy(random, 30), heavy(random, 30) + np.array([5e5, 50, 50])])
    strata = ["calm"] * 30 + ["odd"] * 30
    calibration = calibrated(scores, 0.1, strata=strata)
    asked = heavy(random, 100)
    assert (calibration.p_of(asked, ["calm"] * 100) <= 0.1).mean() > 0.03
    assert (calibration.p_of(asked, ["odd"] * 100) <= 0.1).sum() == 0


def test_it_takes_fewer_photos_and_says_how_many() -> None:
    random = np.random.default_rng(4)
    assert calibrated(heavy(random, 19)).listing_p(np.full((1, 3), 1e9)) == pytest.approx(0.05)
    with pytest.raises(InputError, match=r"18 genuine photos are too few for alpha=0.05: at least 19 are needed"):
        calibrated(heavy(random, 18))
    with pytest.raises(InputError, match=r"or leave one out \(leave_one_out=True, --leave-one-out\) with alpha=0\.05$"):
        Calibration.fit(HEADS, heavy(random, 20), {}, first=np.arange(20) < 8, alpha=0.05, generation="")


def test_it_says_what_is_promised_and_what_it_can_not_do() -> None:
    calibration = calibrated(heavy(np.random.default_rng(5), 39))
    assert calibration.promise("listings are") == (
        "at most 5 % of listings are suspected, on average; none was kept aside, but each is measured by what is usual "
        "for the 39 others: no limit is known that 95 of 100 such calibrations keep below"
    )
    assert calibration.false_alarm_limit is None
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False)))
    asked = heavy(np.random.default_rng(6), 20)
    np.testing.assert_array_equal(again.p_of(asked), calibration.p_of(asked))
    assert again.to_dict() == calibration.to_dict()
    with pytest.raises(ValueError, match="a group has several listings"):
        Calibration.from_dict({**calibration.to_dict(), "groups": [0, 0, *range(1, 38)], "real_groups": 38})
    with pytest.raises(InputError, match=r"p_of\(scores\)"):
        calibration.p_values(calibration.merge(asked))
    with pytest.raises(InputError, match="keep a part aside"):
        Drift(calibration)
    with pytest.raises(InputError, match="with fakes, keep a part aside"):
        calibrated(asked, fakes=asked + 1, fake_groups=[str(n) for n in range(20)])
