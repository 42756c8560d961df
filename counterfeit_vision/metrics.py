"""How good scores are: AUROC, retrieval and their spread. Plain numpy, definitions stated, ties handled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

__all__ = ["auroc", "bootstrap_interval", "mean_average_precision", "recall_at_k"]


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    ``labels`` (N,) truthy = positive (suspicious), ``scores`` (N,) finite or infinite, higher = more positive. Raises
    :class:`InputError` for one class only, NaN, or rows that do not align.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive, values = np.asarray(labels).astype(bool), np.asarray(scores, np.float64)
    if positive.shape != values.shape or positive.ndim != 1:
        raise InputError(f"auroc: labels {positive.shape} and scores {values.shape} do not align")
    if np.isnan(values).any():
        raise InputError(f"auroc: score {int(np.flatnonzero(np.isnan(values))[0])} is NaN")
    count = int(positive.sum())
    if count == 0 or count == len(positive):
        raise InputError(f"auroc: needs both classes, got {count} positives of {len(positive)}")
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(values) - count)))


def recall_at_k(found: NDArray[np.object_], truth: Sequence[str], k: int) -> float:
    """Share of rows whose true product is among the first ``k`` of ``found`` (N, >= k).

    >>> recall_at_k(np.array([["a", "b"], ["c", "b"]], dtype=object), ["b", "b"], 1)
    0.0
    """
    return float(np.mean([name in row[:k] for row, name in zip(found.tolist(), truth, strict=True)]))


def mean_average_precision(found: NDArray[np.object_], truth: Sequence[str], relevant: Sequence[int]) -> float:
    """Mean over rows of average precision: ``found`` (N, k) best first, ``relevant`` how many right answers each row
    has.

    >>> mean_average_precision(np.array([["a", "b", "a"]], dtype=object), ["a"], [2])
    0.8333333333333333
    """
    values = []
    for row, name, total in zip(found.tolist(), truth, relevant, strict=True):
        hits = np.flatnonzero([item == name for item in row])
        values.append(float(((np.arange(len(hits)) + 1) / (hits + 1)).sum() / max(1, total)))
    return float(np.mean(values))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float], groups: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of ``statistic(rows)``, resampling whole groups (a listing, a scene, a seller) with replacement."""
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in sorted(set(groups))]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        rows = np.concatenate([members[pick] for pick in rng.integers(0, len(members), len(members))])
        try:
            values.append(statistic(rows))
        except InputError:  # a draw of one class only says nothing
            continue
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
