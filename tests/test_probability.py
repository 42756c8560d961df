"""The probability is one: on new photos, at another share of fakes, and whatever the fakes say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.fusion import Merger
from counterfeit_vision.calibration.probability import Probability
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.evaluation.metrics import expected_calibration_error


def drawn(seed: int, count: int = 2000, fakes: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three claims: one that tells, one that is noise, one that is lower on fakes; groups of four photos."""
    random = np.random.default_rng(seed)
    fake = random.random(count) < fakes
    scores = random.standard_normal((count, 3))
    scores[:, 0] += 2 * fake
    scores[:, 2] -= 2 * fake
    return scores, fake, np.array([f"seller {row // 4}" for row in range(count)])


def learn(scores: np.ndarray, fake: np.ndarray) -> Merger:
    heads = ["learned", "noise", "reassuring"][: scores.shape[1]]
    return Merger.of(heads).learn(heads, scores, fake)


def test_it_is_the_probability_on_new_photos() -> None:
    scores, fake, groups = drawn(1)
    probability = Probability.fit(learn, scores, fake, groups)
    new, truth, _ = drawn(2, 20_000)
    given = probability.of(learn(scores, fake)(new))
    assert expected_calibration_error(truth, given) < 0.03
    assert np.all((given > 0) & (given < 1))


def test_a_base_rate_shifts_it_to_that_rate() -> None:
    scores, fake, groups = drawn(3)
    probability, statistic = Probability.fit(learn, scores, fake, groups), learn(scores, fake)
    new, truth, _ = drawn(4, 40_000, fakes=0.02)
    assert expected_calibration_error(truth, probability.of(statistic(new), 0.02)) < 0.02
    assert expected_calibration_error(truth, probability.of(statistic(new))) > 0.1


def test_it_rises_with_the_statistic_even_when_fakes_say_otherwise() -> None:
    random = np.random.default_rng(5)
    fake = random.random(200) < 0.5
    scores = random.standard_normal((200, 1)) - 3 * fake[:, None]
    probability = Probability.fit(learn, scores, fake, np.arange(200).astype(str))
    assert np.all(np.diff(probability.of(np.linspace(-50, 50, 101))) > 0)


def test_one_odd_genuine_photo_does_not_decide_the_line() -> None:
    scores, fake, groups = drawn(7, 300)
    before = Probability.fit(learn, scores, fake, groups)
    scores[int(np.flatnonzero(~fake)[0]), 1] = 500
    assert Probability.fit(learn, scores, fake, groups).slope > before.slope / 2


def test_it_is_platts_line() -> None:
    scores, fake, groups = drawn(6)
    statistic = 3 * scores[:, 0]
    probability = Probability.fit(lambda _, __: lambda rows: 3 * rows[:, 0], scores, fake, groups)
    tamed = 5 * np.arcsinh(statistic / 5)
    slow = LogisticRegression(C=1e6).fit(tamed[:, None], fake)
    assert probability.slope == pytest.approx(slow.coef_[0, 0], rel=0.05)
    assert probability.fakes == pytest.approx(fake.mean())


def test_over_what_it_was_fitted_on_it_is_their_share_however_far_from_0_the_statistic_lies() -> None:
    fake, away = np.arange(100) >= 40, np.random.default_rng(0).standard_normal(100) / 4
    statistic = away - 3.2 + 0.6 * fake
    made = Probability.fit(lambda _, __: lambda rows: rows[:, 0], statistic[:, None], fake, np.arange(100).astype(str))
    assert made.of(statistic).mean() == pytest.approx(0.6, abs=0.01)


def test_lines_of_a_few_dozen_photos_are_not_too_flat() -> None:
    """Over 40 small calibrations the logit is worth as much as it says (Cox 1958): Platt's own targets give 1.19."""
    heads, given, truth = list("abcdef"), [], []

    def draw(random: np.random.Generator, fake: np.ndarray) -> np.ndarray:
        scores = random.standard_normal((len(fake), 6))
        scores[:, :3] += 1.2 * fake[:, None]
        return scores

    def taught(scores: np.ndarray, fake: np.ndarray) -> Merger:
        return Merger.of(heads).learn(heads, scores, fake)

    for market in range(40):
        random = np.random.default_rng(100 + market)
        shown, asked = np.arange(70) >= 30, random.random(500) < 0.5
        scores = draw(random, shown)
        probability = Probability.fit(taught, scores, shown, np.arange(70).astype(str))
        given.append(probability.of(taught(scores, shown)(draw(random, asked)), 0.5))
        truth.append(asked)
    share, fake = np.concatenate(given), np.concatenate(truth)
    logit = np.log(share / (1 - share))[:, None]
    assert 0.9 < LogisticRegression(C=1e6).fit(logit, fake).coef_[0, 0] < 1.14
    assert expected_calibration_error(fake, share) < 0.02


def test_over_many_small_calibrations_it_is_right_within_five_points() -> None:
    """The small twin of benchmarks/probability.py: 10 markets, each taught by 40 fakes of its own."""
    heads, truth, given = ["a", "b", "c"], [], []
    for market in range(10):
        random = np.random.default_rng(market)
        genuine, fakes, asked = (random.standard_t(4, (count, 3)) for count in (80, 40, 500))
        fakes[:, 0] += 2 * random.random(40)
        fake = random.random(500) < 0.5
        asked[fake, 0] += 2 * random.random(int(fake.sum()))
        made = Calibration.fit(
            heads,
            genuine,
            {},
            first=split_groups([f"photo {row}" for row in range(80)], share=0.5),
            alpha=0.05,
            generation="",
            fakes=fakes,
            fake_groups=[f"fake {row}" for row in range(40)],
        )
        given.append(made.risk(made.merge(asked), 0.5))
        truth.append(fake)
    assert expected_calibration_error(np.concatenate(truth), np.concatenate(given)) <= 0.05


def test_fakes_that_are_like_genuine_goods_have_their_share_for_a_probability_whatever_their_brand() -> None:
    """Each brand has what is usual for it from a photo or four, which are no proof of how usual others of it are."""
    heads, said = [f"claim {number}" for number in range(10)], []
    for market in range(4):
        random = np.random.default_rng(market)
        brands = 3 * random.standard_normal((40, 10))
        genuine, fakes, new = (random.integers(0, 40, count) for count in (80, 40, 300))
        made = Calibration.fit(
            heads,
            brands[genuine] + random.exponential(1, (80, 10)),
            {},
            first=split_groups([f"photo {row}" for row in range(80)], share=0.5),
            alpha=0.05,
            generation="",
            kinds=[f"brand {number}" for number in genuine],
            fakes=brands[fakes] + random.exponential(1, (40, 10)),
            fake_groups=[f"fake {row}" for row in range(40)],
            fake_kinds=[f"brand {number}" for number in fakes],
        )
        asked = made.merge(brands[new] + random.exponential(1, (300, 10)), [f"brand {number}" for number in new])
        said.append(made.risk(asked))
    assert np.mean(said) == pytest.approx(1 / 3, abs=0.02)
    assert (np.concatenate(said) > 0.5).mean() < 0.02


def with_rare_prices(seed: int, *, ranked: bool) -> Calibration:
    """120 genuine photos, of which 4 that are fitted on have a price, and one that is ranked has where it is
    ``ranked``; and 60 odd and cheap fakes.
    """
    random, first = np.random.default_rng(seed), split_groups([f"photo {row}" for row in range(120)])
    genuine, priced = random.standard_normal((120, 2)), np.flatnonzero(first)[:4].tolist()
    genuine[np.setdiff1d(np.arange(120), priced + np.flatnonzero(~first)[:ranked].tolist()), 1] = np.nan
    return Calibration.fit(
        ["look", "price"],
        genuine,
        {},
        first=first,
        alpha=0.05,
        generation="",
        fakes=random.normal([2, 3], 1, (60, 2)),
        fake_groups=[f"fake {row}" for row in range(60)],
        base_rate=0.1,
    )


def test_a_claim_that_no_ranked_photo_makes_leaves_the_probability_one() -> None:
    """It accuses nobody, so the fakes that make it are told by the others alone."""
    given, fake = [], np.arange(1000) >= 900
    for market in range(4):
        asked = np.random.default_rng(100 + market).standard_normal((1000, 2)) + np.outer(fake, [2, 3])
        asked[~fake, 1] = np.nan
        made = with_rare_prices(market, ranked=False)
        given.append(made.risk(made.merge(asked)))
    assert expected_calibration_error(np.tile(fake, 4), np.concatenate(given)) < 0.03
    assert (np.median(np.stack(given)[:, fake], axis=1) > 0.1).all()


def test_the_weights_do_not_depend_on_what_ranked_photos_claim() -> None:
    """Or a genuine photo would no longer be exchangeable with those that its p-value comes from."""
    known, unknown = (with_rare_prices(0, ranked=ranked) for ranked in (True, False))
    assert (known.can_tell.tolist(), unknown.can_tell.tolist()) == ([True, True], [True, False])
    assert known.merger.to_dict() == unknown.merger.to_dict()


def test_fakes_that_look_more_usual_than_genuine_goods_have_their_share_for_a_probability() -> None:
    """Not whatever the intercept of a falling line says."""
    random = np.random.default_rng(0)
    scores = np.concatenate([random.normal(5, 1, (100, 1)), random.normal(4, 1, (25, 1))])
    made = Probability.fit(
        lambda some, false: lambda rows: rows[:, 0], scores, np.arange(125) >= 100, np.arange(125).astype(str)
    )
    said = made.of(np.array([3.0, 4.5, 6.0]))
    np.testing.assert_allclose(said, 0.2, atol=0.01)
    assert (np.diff(said) > 0).all()


def test_fakes_that_are_all_told_apart_leave_the_doubt_of_half_a_photo() -> None:
    fake = np.arange(40) >= 20
    scores = np.where(fake, 3.0, 0.0)[:, None]
    probability = Probability.fit(lambda _, __: lambda rows: rows[:, 0], scores, fake, np.arange(40).astype(str))
    assert probability.of(np.array([0.0, 3.0])) == pytest.approx([0.5 / 21, 20.5 / 21])
