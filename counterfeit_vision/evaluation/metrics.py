"""How good scores are: ranking, retrieval, abstention and calibration, and their spread. Plain numpy, definitions
stated, ties handled: no figure depends on the order of its rows.

``labels`` are (N,) 1 or True = positive (suspicious), 0 or False; ``scores`` (N,) finite or infinite, higher = more
positive. Every function raises :class:`InputError`, with its own name, for a number that is NaN, for rows that do not
align, and for one class only where a figure needs both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import Bools, Doubles, Ints
from ..calibration.conformal import benjamini_hochberg, binomial_interval
from ..errors import InputError
from ..types.checks import as_number, as_share, group_names, is_nothing

__all__ = [
    "Bin",
    "Difference",
    "auroc",
    "average_precision",
    "benjamini_hochberg",
    "binomial_interval",
    "bootstrap_interval",
    "brier",
    "calibration_error_interval",
    "expected_calibration_error",
    "fpr_at_tpr",
    "mean_average_precision",
    "paired_difference",
    "recall_at_fpr",
    "recall_at_k",
    "reliability",
    "risk_coverage",
    "risk_coverage_area",
    "roc_curve",
]

BINS = 15  # of equal mass, as Guo et al. 2017 take of equal width
ROUNDING = 1e-12  # so that a rate asked for as 0.95 counts 19 of 20

# --- ranking ----------------------------------------------------------------------------------------------------------


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive, values = _two_classes("auroc", labels, scores)
    count = int(positive.sum())
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(values) - count)))


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Doubles, Doubles]:
    """False and true positive rates, each (T + 1,), rising from 0 to 1: one point a threshold ``score >= t``.

    >>> [rates.tolist() for rates in roc_curve([0, 1, 1], [0.2, 0.2, 0.9])]
    [[0.0, 0.0, 1.0], [0.0, 0.5, 1.0]]
    """
    true, false = _counts(*_two_classes("roc_curve", labels, scores))
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Sum over thresholds of precision x the recall gained there (no interpolation). Chance level: the positives'
    share.

    >>> average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    true, false = _counts(*_two_classes("average_precision", labels, scores))
    return float((np.diff(true, prepend=0) * true / (true + false)).sum() / true[-1])


def fpr_at_tpr(labels: ArrayLike, scores: ArrayLike, tpr: float = 0.95) -> float:
    """The lowest false positive rate of a threshold that finds at least ``tpr`` of the positives.

    >>> fpr_at_tpr([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], tpr=0.9)
    0.5
    """
    positive, values = _two_classes("fpr_at_tpr", labels, scores)
    true, false = _counts(positive, values)
    rate = 1 if as_number(tpr) == 1 else as_share(tpr, "fpr_at_tpr: tpr", 0.95)
    enough = true >= rate * true[-1] - ROUNDING
    return float(false[enough][0] / false[-1])


def recall_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float = 0.05) -> float:
    """The largest share of positives that a threshold finds with at most ``fpr`` of the negatives as false alarms.

    >>> recall_at_fpr([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], fpr=0.05)
    0.5
    """
    false, true = roc_curve(*_two_classes("recall_at_fpr", labels, scores))
    rate = 0 if as_number(fpr) == 0 else as_share(fpr, "recall_at_fpr: fpr", 0.05)
    return float(true[false <= rate + ROUNDING][-1])


def _counts(positive: Bools, values: Doubles) -> tuple[Doubles, Doubles]:
    """Positives and negatives at or above each distinct score, from the highest: (T,) each."""
    distinct, inverse = np.unique(-values, return_inverse=True)
    count = len(distinct)
    true = np.bincount(inverse, positive, count).cumsum()
    return true, np.bincount(inverse, ~positive, count).cumsum()


# --- retrieval --------------------------------------------------------------------------------------------------------


def recall_at_k(found: ArrayLike, truth: Sequence[str], k: int) -> float:
    """Share of rows whose true product is among the first ``k`` of ``found`` (N, >= k), in which ``None`` or NaN stands
    where a row is short.

    >>> recall_at_k([["a", "b"], ["c", "b"]], ["b", "b"], 1)
    0.0
    """
    rows = _names("recall_at_k", found, truth)
    if not 1 <= as_number(k, whole=True) <= rows.shape[1]:
        columns = rows.shape[1]
        raise InputError(f"recall_at_k: k={k!r}, need a whole number from 1 to {columns}, the columns of found")
    return float(np.mean([name in row[:k] for row, name in zip(rows.tolist(), truth, strict=True)]))


def mean_average_precision(found: ArrayLike, truth: Sequence[str], relevant: Sequence[int]) -> float:
    """Mean over rows of average precision: ``found`` (N, k) best first, with ``None`` or NaN where a row is short;
    ``relevant`` how many right answers each row has, found or not.

    >>> mean_average_precision([["a", "b", "a"]], ["a"], [2])
    0.8333333333333333
    """
    rows = _names("mean_average_precision", found, truth, relevant)
    values = []
    for number, (row, name, total) in enumerate(zip(rows.tolist(), truth, relevant, strict=True)):
        hits = np.flatnonzero([item == name for item in row])
        if not len(hits) <= as_number(total):
            told = f"row {number} of found has {len(hits)} right answers, and relevant says {total!r}"
            raise InputError(f"mean_average_precision: {told}; count all that there are, found or not")
        values.append(float(((np.arange(len(hits)) + 1) / (hits + 1)).sum() / max(1, total)))
    return float(np.mean(values))


def _names(what: str, found: ArrayLike, truth: Sequence[str], *columns: Sequence[object]) -> NDArray[np.object_]:
    """``found`` as an array (N, k), with as many rows as ``truth``, all known, and as each of ``columns``."""
    rows = np.asarray(found, dtype=object)
    if rows.ndim != 2:
        raise InputError(f"{what}: found has the shape {rows.shape}, need (N, k): of each row k names, the best first")
    _same_rows(what, rows, truth, *columns)
    _refuse_unknown(what, "truth", np.array(truth, dtype=object))
    return rows


def _same_rows(name: str, *columns: Sequence[object] | NDArray[Any]) -> None:
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1 or not counts[0]:
        raise InputError(f"{name}: needs as many rows of each, and one at least, got {', '.join(map(str, counts))}")


# --- abstention -------------------------------------------------------------------------------------------------------


def risk_coverage(wrong: ArrayLike, confidence: ArrayLike) -> tuple[Doubles, Doubles]:
    """Coverage 1/N, 2/N ... 1 and the share of errors among that many most confident answers: (N,) each.

    ``wrong`` (N,) 0 or 1, ``confidence`` (N,) higher = answered first. Equally confident answers come in random order,
    and the curve is its mean.

    >>> [values.tolist() for values in risk_coverage([1, 0, 0, 1], [0.2, 0.9, 0.8, 0.7])]
    [[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.3333333333333333, 0.5]]
    """
    errors, values = _aligned("risk_coverage", wrong=wrong, confidence=confidence)
    _, inverse, sizes = np.unique(-values, return_inverse=True, return_counts=True)
    share = np.bincount(inverse, errors) / sizes  # of errors among equally confident answers
    answered = np.arange(1, len(values) + 1)
    return answered / len(values), np.repeat(share, sizes).cumsum() / answered


def risk_coverage_area(wrong: ArrayLike, confidence: ArrayLike) -> float:
    """Mean of :func:`risk_coverage` over its N coverages (Geifman, Uziel & El-Yaniv 2019): 0 = no error anywhere.

    Confidence that says nothing gives the error at full coverage.
    """
    return float(risk_coverage(*_aligned("risk_coverage_area", wrong=wrong, confidence=confidence))[1].mean())


# --- probabilities ----------------------------------------------------------------------------------------------------


class Bin(NamedTuple):
    """One row of a reliability table: how many, their mean probability, and the share of positives among them."""

    rows: int
    probability: float
    share: float


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> list[Bin]:
    """The reliability table: ``bins`` bins of equal mass by rising probability; equal probabilities stay together.

    A bin that ties have left empty is left out.

    >>> reliability([0, 1, 0, 1], [0.1, 0.2, 0.6, 0.8], bins=2)
    [Bin(rows=2, probability=0.15000000000000002, share=0.5), Bin(rows=2, probability=0.7, share=0.5)]
    """
    return _bins("reliability", labels, probabilities, bins)


def _bins(what: str, labels: ArrayLike, probabilities: ArrayLike, bins: int) -> list[Bin]:
    positive, values = _probabilities(what, labels, probabilities)
    if not as_number(bins, whole=True) >= 1:
        raise InputError(f"{what}: bins={bins!r}, need 1 or more")
    place = _place(values, bins)
    rows = [place == number for number in np.unique(place)]
    return [Bin(int(row.sum()), float(values[row].mean()), float(positive[row].mean())) for row in rows]


def _place(values: Doubles, bins: int) -> Ints:
    """(N,) the bin of each value, of ``bins`` of equal mass."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - sizes / 2  # rank of the middle of each value's rows
    return np.asarray((middle * bins / len(values)).astype(np.int64)[inverse])


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> float:
    """Mean distance of probability and share of positives over the bins of :func:`reliability`, weighted by rows.

    The figure rises with the number of bins and falls with the number of rows: name both beside it.

    >>> expected_calibration_error([0, 1, 0, 1], [0.5, 0.5, 0.9, 0.9], bins=2)
    0.2
    """
    table = _bins("expected_calibration_error", labels, probabilities, bins)
    return sum(row.rows * abs(row.probability - row.share) for row in table) / sum(row.rows for row in table)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared distance of probability and truth: 0 = perfect; always saying 0.5 gives 0.25.

    >>> brier([0, 1], [0.0, 0.5])
    0.125
    """
    positive, values = _probabilities("brier", labels, probabilities)
    return float(((values - positive) ** 2).mean())


# --- chosen out of many -----------------------------------------------------------------------------------------------


# --- spread -----------------------------------------------------------------------------------------------------------


def bootstrap_interval(
    statistic: Callable[[Ints], float], groups: Sequence[str], *, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """The interval (``level``) of ``statistic(rows)``, resampling whole groups (a listing, a scene, a seller) with
    replacement.

    Draws on which the statistic is not defined (one class only), an :class:`InputError` or NaN, are left out;
    :class:`InputError` where none is left, and for one group, which tells nothing of how groups differ.
    """
    return _interval("bootstrap_interval", statistic, groups, draws, seed, level)


def _interval(
    what: str, statistic: Callable[[Ints], float], groups: Sequence[str], draws: int, seed: int, level: float
) -> tuple[float, float]:
    outside = (1 - as_share(level, f"{what}: level", 0.95)) / 2
    low, high = np.quantile(_drawn(what, statistic, groups, draws, seed), [outside, 1 - outside])
    return float(low), float(high)


def _drawn(
    what: str, statistic: Callable[[Ints], float], groups: Sequence[str], draws: int, seed: int = 0
) -> list[float]:
    """The statistic of each draw of whole groups, where it is defined."""
    names = group_names(groups, "each row", f"{what}: groups")
    column = np.asarray([str(name) if isinstance(name, tuple) else name for name in names])
    _, inverse, sizes = np.unique(column, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise InputError(f"{what}: needs two groups at least, got {len(sizes)}")
    ordered, starts = np.argsort(inverse, kind="stable"), np.cumsum(sizes) - sizes
    if not as_number(draws, whole=True) >= 1:
        raise InputError(f"{what}: draws={draws!r}, need 1 or more")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        picked = rng.integers(0, len(sizes), len(sizes))
        counts = sizes[picked]
        skipped = starts[picked] - (np.cumsum(counts) - counts)
        rows = ordered[np.repeat(skipped, counts) + np.arange(counts.sum())]
        with contextlib.suppress(InputError):  # a draw of one class only says nothing
            values.append(statistic(rows))
    values = [value for value in values if value == value]  # others' figures are NaN there
    if not values:
        raise InputError(f"{what}: not one of {draws} draws of {len(sizes)} groups has a figure")
    return values


def calibration_error_interval(
    labels: ArrayLike, probabilities: ArrayLike, groups: Sequence[str], *, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """The interval of :func:`expected_calibration_error`, in its bins, with one margin on both sides: in ``level`` of
    the draws of :func:`bootstrap_interval`, the bins' distances of probability and share differ from those of all rows
    by no more than that, summed.

    A sum of distances moves no further than they do together, so the interval always holds the figure, and from 200
    rows on the truth in nine of ten simulated sets, where probabilities are right, and in more where they are wrong.
    What is drawn is less well calibrated than what it is drawn from: quantiles of the figure's own draws (percentile
    bootstrap) then lie above the truth, and in every other set reversed ones do (basic bootstrap, Davison & Hinkley
    1997).
    """
    what = "calibration_error_interval"
    positive, values = _probabilities(what, labels, probabilities)
    names = group_names(groups, "each row", f"{what}: groups")
    _same_rows(what, positive, names)
    share = as_share(level, f"{what}: level", 0.95)
    place, over = _place(values, BINS), values - positive

    def distances(rows: Ints) -> Doubles:
        return np.bincount(place[rows], over[rows], minlength=BINS) / len(rows)

    found = distances(np.arange(len(over)))
    moved = _drawn(what, lambda rows: float(np.abs(distances(rows) - found).sum()), names, draws)
    away = float(np.quantile(moved, share))
    error = float(np.abs(found).sum())
    return max(error - away, 0.0), min(error + away, 1.0)


@dataclass(frozen=True)
class Difference:
    """A figure of two runs on the same rows: ``second - first``, with the interval of that difference."""

    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """``second - first``."""
        return self.second - self.first


def paired_difference(
    first: Callable[[Ints], float],
    second: Callable[[Ints], float],
    groups: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """How far a second run is from a first: ``first(rows)`` and ``second(rows)`` are the two runs' figure.

    Both see the same rows in each draw of whole groups, so what is hard for both cancels out.

    >>> labels, old, new = np.array([0, 0, 1, 1]), np.array([1, 3, 2, 4]), np.array([1, 2, 3, 4])
    >>> found = paired_difference(
    ...     lambda rows: auroc(labels[rows], old[rows]), lambda rows: auroc(labels[rows], new[rows]), list("abcd")
    ... )
    >>> found.difference
    0.25
    """
    names = group_names(groups, "each row", "paired_difference: groups")
    low, high = _interval("paired_difference", lambda rows: second(rows) - first(rows), names, draws, seed, level)
    everything = np.arange(len(names))
    return Difference(first(everything), second(everything), low, high)


# --- what is refused --------------------------------------------------------------------------------------------------


def _aligned(what: str, **columns: ArrayLike) -> tuple[Bools, Doubles]:
    """The truth and the numbers of the same rows, by the names of the arguments that they are."""
    (name, told), (kind, values) = ((name, np.asarray(column)) for name, column in columns.items())
    if told.shape != values.shape or told.ndim != 1:
        raise InputError(f"{what}: {name} {told.shape} and {kind} {values.shape} do not align")
    if not len(values):
        raise InputError(f"{what}: no rows")
    _refuse_unknown(what, name, told)
    _refuse_unknown(what, kind, values)
    neither = np.flatnonzero((told != 0) & (told != 1))  # a text or -1 would be truthy
    if len(neither):
        label = told.tolist()[neither[0]]
        raise InputError(f"{what}: {name}: row {neither[0]} is {label!r}, need True or False, 1 or 0")
    if values.dtype.kind not in "biuf":
        for row, value in enumerate(values.tolist()):
            if not isinstance(value, SupportsFloat):
                raise InputError(f"{what}: {kind}: row {row} is {value!r}, need a number")
    return told.astype(bool), values.astype(np.float64)


def _refuse_unknown(what: str, name: str, column: NDArray[Any]) -> None:
    """:class:`InputError` where a row holds nothing: NaN, which would be truthy, or a data frame's None or pd.NA."""
    unknown = [is_nothing(cell) for cell in column.tolist()] if column.dtype == object else column != column
    if np.any(unknown):
        raise InputError(f"{what}: {name}: row {np.argmax(unknown)} is NaN; leave out what is not known")


def _two_classes(what: str, labels: ArrayLike, scores: ArrayLike) -> tuple[Bools, Doubles]:
    positive, values = _aligned(what, labels=labels, scores=scores)
    count = int(positive.sum())
    if count == 0 or count == len(positive):
        raise InputError(f"{what}: needs both classes, got {count} positives of {len(positive)}")
    return positive, values


def _probabilities(what: str, labels: ArrayLike, probabilities: ArrayLike) -> tuple[Bools, Doubles]:
    positive, values = _aligned(what, labels=labels, probabilities=probabilities)
    outside = np.flatnonzero((values < 0) | (values > 1))
    if len(outside):
        raise InputError(f"{what}: row {outside[0]} is {values[outside[0]]:g}, no probability in 0..1")
    return positive, values
