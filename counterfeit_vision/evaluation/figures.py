"""The figures of a run: which listings each is about, what it is, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .._arrays import Bools, Doubles, Ints
from .._concurrency import cached_property
from ..errors import InputError
from . import metrics
from .confidence import ALARM, confidence
from .metrics import Difference

__all__ = ["FEWEST", "FIGURES", "LABELS", "Columns", "Estimate", "Figure", "Judged", "estimate", "fake_share", "paired"]

LABELS = ("genuine", "fake", "unknown")
RECALLED = (1, 5)  # of the nearest references
TPR, FPR = 0.95, 0.05  # the rates of detection and of false alarms at which the ROC curve is read
FEWEST = 60  # groups of the label whose rate is kept: with 20, intervals held the true figure in 7 of 10 simulated runs


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One labelled listing and what the inspector said of it; ``decision`` is ``None`` where there was no verdict.

    ``kind`` is the label with the attack or the circumstance (default: the label), ``group`` what a bootstrap keeps
    together (default: each listing by itself). ``misnamed``: the verdict on a genuine listing names another product
    than it shows. ``place``, from 1, is where the first of that product's references comes among those nearest to its
    first judged photo, whatever the listing claims: 0 where none does, ``None`` where it is not known what the listing
    shows, or the catalogue does not hold it. ``likeness`` is the
    p-value of its likeness to the catalogue, ``margin_p`` that of how much the product that the verdict names stands
    out, ``named`` its brand. ``peak`` says whether the strongest heat map's peak lies within one patch of the change,
    ``chance`` how often a random spot on the product would; both only for suspected fakes with a mask.
    """

    id: str
    label: str
    kind: str = ""
    group: str = ""
    brand: str = ""
    category: str = ""
    decision: str | None = None
    risk: float | None = None
    p_value: float | None = None
    probability: float | None = None
    likeness: float | None = None
    margin_p: float | None = None
    named: str = ""
    misnamed: bool = False
    place: int | None = None
    peak: bool | None = None
    chance: float | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kind or self.label)
        object.__setattr__(self, "group", self.group or self.id)


@dataclass(frozen=True, eq=False)
class Columns:
    """Judged listings as aligned arrays (N,): bool, but ``place`` (0 where absent) int64, ``risk`` and ``probability``
    (NaN where absent) float64, ``answer`` (the probability, or the risk where there is none), and ``confidence``, by
    which answers are ordered (:func:`~.confidence.confidence`).
    """

    fake: Bools
    unknown: Bools
    misnamed: Bools
    suspected: Bools
    abstained: Bools
    peak: Bools
    place: Ints
    risk: Doubles
    probability: Doubles
    answer: Doubles
    confidence: Doubles

    @classmethod
    def of(cls, rows: Sequence[Judged]) -> Columns:
        """The columns of these rows."""
        risk, p_value, probability, likeness, margin_p = (
            np.array([getattr(row, name) for row in rows], np.float64)
            for name in ("risk", "p_value", "probability", "likeness", "margin_p")
        )
        abstained = np.array([row.decision == "insufficient_evidence" for row in rows], bool)
        named = np.array([row.named for row in rows], dtype=str)
        answer = np.where(np.isnan(probability), risk, probability)
        reviewed = np.array([row.decision == "review" for row in rows], bool)
        return cls(
            np.array([row.label == "fake" for row in rows], bool),
            np.array([row.label == "unknown" for row in rows], bool),
            np.array([row.misnamed for row in rows], bool),
            np.array([row.decision == "suspected" for row in rows], bool),
            abstained,
            np.array([bool(row.peak) for row in rows], bool),
            np.array([row.place or 0 for row in rows], np.int64),
            risk,
            probability,
            answer,
            confidence(answer, p_value, probability, likeness, margin_p, named, abstained, reviewed),
        )

    def __getitem__(self, rows: Ints) -> Drawn:
        return Drawn(self, rows)

    @cached_property
    def wrong(self) -> Bools:
        """Where an answer errs, fake from :data:`ALARM` on: takes genuine for fake or fake for genuine, names another
        product than a genuine listing shows, or is about goods that the catalogue does not hold.
        """
        return np.asarray(self.unknown | self.misnamed | ((self.answer >= ALARM) != self.fake), bool)


def fake_share(rows: Iterable[Judged]) -> float | None:
    """The share of fakes among judged listings; ``None`` where none is known to be one or genuine."""
    known = [row.label == "fake" for row in rows if row.decision is not None and row.label != "unknown"]
    return float(np.mean(known)) if known else None


class Drawn(NamedTuple):
    """Some of the rows of columns, of which only those that are asked for are copied."""

    columns: Columns
    rows: Ints

    def __getattr__(self, name: str) -> Any:
        return getattr(self.columns, name)[self.rows]


class Estimate(NamedTuple):
    """A figure with its 95 % interval, over so many listings."""

    value: float
    low: float
    high: float
    listings: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Figure:
    """``of`` is the figure, over the judged listings that it is ``about``. Limits come from a bootstrap over groups. A
    ``share`` takes Clopper-Pearson limits where every listing is its own group; and a figure that is 0 or 1, which no
    draw changes, those of as many trials as there are groups, or groups of the rarer label where it ``ranks`` fakes
    against genuine listings. Where the ``rate_of`` a label sets a threshold, :data:`FEWEST` groups of that are needed:
    fewer have no such quantile, and look surer in draws than they are. A figure may have an ``interval`` of its own, of
    the columns, their groups and the number of draws.
    """

    title: str
    about: Callable[[Judged], bool]
    of: Callable[[Columns | Drawn], float]
    share: bool = False
    ranks: bool = False
    rate_of: str | None = None
    interval: Callable[[Columns, Sequence[str], int], tuple[float, float]] | None = None

    def allowed(self, rows: Sequence[Judged]) -> bool:
        """Whether there are enough of those that it is about."""
        kept = [row for row in rows if row.label == self.rate_of]
        return bool(rows) and (self.rate_of is None or len(_groups(kept)) >= FEWEST)

    def trials(self, rows: Sequence[Judged]) -> int:
        """How many groups could have shown another figure."""
        labels = {row.label for row in rows}
        by_label = [len(_groups(row for row in rows if row.label == label)) for label in labels]
        return min(by_label) if self.ranks else len(_groups(rows))


def _groups(rows: Iterable[Judged]) -> set[str]:
    return {row.group for row in rows}


def _known(row: Judged) -> bool:
    return row.label != "unknown"


def _probable(row: Judged) -> bool:
    return _known(row) and row.probability is not None


def _recall(k: int) -> Figure:
    """As :func:`~counterfeit_vision.evaluation.metrics.recall_at_k`, of what :attr:`Judged.place` tells."""
    return Figure(
        f"Recall@{k} of the product, by the photo alone",
        lambda row: row.place is not None,
        lambda c: ((c.place > 0) & (c.place <= k)).mean(),
        share=True,
    )


FIGURES = {
    "false_accusations": Figure(
        "Genuine listings that are suspected",
        lambda row: row.label == "genuine",
        lambda c: c.suspected.mean(),
        share=True,
    ),
    "detections": Figure(
        "Fakes that are suspected", lambda row: row.label == "fake", lambda c: c.suspected.mean(), share=True
    ),
    "auroc": Figure("AUROC of the risk", _known, lambda c: metrics.auroc(c.fake, c.risk), ranks=True),
    "average_precision": Figure(
        "Average precision of the risk", _known, lambda c: metrics.average_precision(c.fake, c.risk), ranks=True
    ),
    "fpr_at_tpr": Figure(
        f"False alarms where {100 * TPR:g} % of the fakes are found",
        _known,
        lambda c: metrics.fpr_at_tpr(c.fake, c.risk, TPR),
        ranks=True,
        rate_of="fake",
    ),
    "recall_at_fpr": Figure(
        f"Fakes found at {100 * FPR:g} % false alarms",
        _known,
        lambda c: metrics.recall_at_fpr(c.fake, c.risk, FPR),
        ranks=True,
        rate_of="genuine",
    ),
    "risk_coverage_area": Figure(
        "Area under risk-coverage", lambda row: True, lambda c: metrics.risk_coverage_area(c.wrong, c.confidence)
    ),
    "full_coverage_error": Figure(
        "Errors where every listing is answered", lambda row: True, lambda c: c.wrong.mean(), share=True
    ),
    **{f"recall_at_{k}": _recall(k) for k in RECALLED},
    "calibration_error": Figure(
        f"Expected calibration error ({metrics.BINS} bins of equal mass)",
        _probable,
        lambda c: metrics.expected_calibration_error(c.fake, c.probability),
        interval=lambda c, groups, draws: metrics.calibration_error_interval(
            c.fake, c.probability, groups, draws=draws
        ),
    ),
    "brier": Figure("Brier score", _probable, lambda c: metrics.brier(c.fake, c.probability)),
    "peak_in_mask": Figure(
        "Heat maps of suspected fakes that peak on the change",
        lambda row: row.peak is not None,
        lambda c: c.peak.mean(),
        share=True,
    ),
}


def estimate(figure: Figure, rows: Iterable[Judged], *, draws: int) -> Estimate | None:
    """A figure of judged listings; ``None`` where they do not allow it: none at all, one class only, fewer than it
    needs, or so few that no draw of them has both.
    """
    used = [row for row in rows if figure.about(row)]
    if not figure.allowed(used):
        return None
    columns, groups = Columns.of(used), [row.group for row in used]
    try:
        value = float(figure.of(columns))
        apart = len(_groups(used))
        if figure.share and (apart == len(used) or value in (0, 1)):
            interval = metrics.binomial_interval(round(value * apart), apart)
        elif apart < 2:
            interval = (0.0, 1.0)  # where every figure is: one group tells nothing of others
        elif figure.interval is not None:
            interval = figure.interval(columns, groups, draws)
        else:
            interval = metrics.bootstrap_interval(lambda chosen: figure.of(columns[chosen]), groups, draws=draws)
            if value in (0, 1):
                trials = figure.trials(used)
                interval = metrics.binomial_interval(round(value * trials), trials)
    except InputError:
        return None
    return Estimate(value, *interval, len(used))


def paired(figure: Figure, pairs: Iterable[tuple[Judged, Judged]], *, draws: int) -> Difference | None:
    """A figure of two runs over the listings that it is about in both; ``None`` as in :func:`estimate`. Where no draw
    changes the difference, as where no pair differs, the limits are what as many pairs can hide.
    """
    used = [(first, second) for first, second in pairs if figure.about(first) and figure.about(second)]
    if not figure.allowed([row for _, row in used]):
        return None
    first, second = (Columns.of([pair[side] for pair in used]) for side in (0, 1))
    try:
        found = metrics.paired_difference(
            lambda chosen: float(figure.of(first[chosen])),
            lambda chosen: float(figure.of(second[chosen])),
            [row.group for _, row in used],
            draws=draws,
        )
    except InputError:
        return None
    if found.low < found.high:
        return found
    hidden = metrics.binomial_interval(0, figure.trials([row for _, row in used]))[1]
    return replace(found, low=max(found.low - hidden, -1.0), high=min(found.high + hidden, 1.0))
