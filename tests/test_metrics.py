"""Metrics against other people's: scikit-learn, and definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from counterfeit_vision.errors import InputError
from counterfeit_vision.metrics import auroc, bootstrap_interval, mean_average_precision, recall_at_k


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_scikit_learns_ties_included(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, scores = random.random(80) < 0.3, random.integers(0, 12, 80)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([1, 1], [0.1, 0.2], "needs both classes, got 2 positives of 2"),
        ([0, 1], [0.1], "do not align"),
        ([0, 1], [0.1, float("nan")], "score 1 is NaN"),
    ],
)
def test_what_has_no_auroc_is_refused(labels: list[int], scores: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        auroc(labels, scores)


def test_retrieval_figures_by_hand() -> None:
    found = np.array([["a", "b", "a"], ["c", "b", "a"], ["c", None, None]], dtype=object)
    assert recall_at_k(found, ["a", "b", "b"], 1) == pytest.approx(1 / 3)
    assert recall_at_k(found, ["a", "b", "b"], 2) == pytest.approx(2 / 3)
    assert mean_average_precision(found, ["a", "b", "b"], [2, 1, 1]) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2 + 0) / 3)


def test_the_bootstrap_resamples_groups_and_not_rows() -> None:
    values = np.repeat([0.0, 1.0] * 10, 50)
    groups = [f"g{row // 50}" for row in range(1000)]
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), groups)
    assert low < 0.35  # a bootstrap over rows would give 0.47 to 0.53
    assert high > 0.65
