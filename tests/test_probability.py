"""The weights that fakes teach, and that the probability is one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from counterfeit_vision.metrics import expected_calibration_error
from counterfeit_vision.probability import Probability, fit_weights, weigh


def drawn(seed: int, count: int = 2000, fakes: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three claims: one that tells, one that is noise, one that is lower on fakes; groups of four photos."""
    random = np.random.default_rng(seed)
    fake = random.random(count) < fakes
    scores = random.standard_normal((count, 3))
    scores[:, 0] += 2 * fake
    scores[:, 2] -= 2 * fake
    return scores, fake, np.array([f"seller {row // 4}" for row in range(count)])


def test_no_claim_is_turned_round() -> None:
    scores, fake, _ = drawn(0)
    weights = fit_weights(scores, fake)
    assert weights.min() >= 0
    assert weights[0] > 1
    assert weights[0] > 5 * weights[1]
    assert weights[2] == 0


def test_claims_that_do_not_apply_count_as_usual() -> None:
    weights = np.array([1.0, 2.0])
    np.testing.assert_allclose(weigh(np.array([[1.0, np.nan], [np.nan, np.nan]]), weights), [np.log(2), 0])


def test_it_is_the_probability_on_new_photos() -> None:
    scores, fake, groups = drawn(1)
    weights = fit_weights(scores, fake)
    probability = Probability.fit(scores, fake, groups)
    new, truth, _ = drawn(2, 20_000)
    given = probability.of(weigh(new, weights))
    assert expected_calibration_error(truth, given) < 0.03
    assert np.all((given > 0) & (given < 1))


def test_a_base_rate_shifts_it_to_that_rate() -> None:
    scores, fake, groups = drawn(3)
    probability, weights = Probability.fit(scores, fake, groups), fit_weights(scores, fake)
    new, truth, _ = drawn(4, 40_000, fakes=0.02)
    assert expected_calibration_error(truth, probability.of(weigh(new, weights), 0.02)) < 0.02
    assert expected_calibration_error(truth, probability.of(weigh(new, weights))) > 0.1


def test_it_rises_with_the_statistic_even_when_fakes_say_otherwise() -> None:
    random = np.random.default_rng(5)
    fake = random.random(200) < 0.5
    scores = random.standard_normal((200, 1)) - 3 * fake[:, None]
    probability = Probability.fit(scores, fake, np.arange(200).astype(str))
    assert np.all(np.diff(probability.of(np.linspace(-50, 50, 101))) > 0)


def test_one_claim_is_platts_line() -> None:
    scores, fake, groups = drawn(6)
    probability = Probability.fit(scores[:, :1], fake, groups)
    weights = fit_weights(scores[:, :1], fake)
    slow = LogisticRegression(C=1e6).fit(weigh(scores[:, :1], weights)[:, None], fake)
    assert probability.slope == pytest.approx(slow.coef_[0, 0], rel=0.05)
    assert probability.fakes == pytest.approx(fake.mean())
