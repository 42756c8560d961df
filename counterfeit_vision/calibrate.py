"""From head scores to a p-value and a risk, from genuine photos alone.

Genuine photos are split in two. On the first part each head's score is standardised and the standardised scores are
merged into one statistic. On the second part, that nothing was fitted on, that one statistic is conformalised: for a
genuine photo that is exchangeable with them, P(p_value <= alpha) <= alpha, averaged over calibration draws (Vovk,
Gammerman & Shafer 2005). Discrete p-values are never merged.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .metrics import binomial_interval
from .probability import Probability, fit_weights, weigh

__all__ = ["Calibration", "conformal_needed", "conformal_p", "photos_needed", "split_groups"]

Floats = NDArray[np.float64]

FIT_SHARE = 1 / 3  # of the genuine photos, to standardise and merge; the rest is conformalised
FIT_SHARE_WITH_FAKES = 1 / 2  # a head is then learned from them too
FEWEST_TO_FIT = 8
UPPER_NORMAL = 1.2815515655446004  # the 90 % quantile of a standard normal
LIMIT_LEVEL = 0.95  # of calibrations keep their false alarms below the limit that is shown
PEAK_QUANTILE = 0.95  # of genuine photos' heat peaks: drawn as the alarm level


def conformal_p(calibration: Floats, scores: Floats) -> Floats:
    """(1 + how many calibration scores are at least as high) / (n + 1), for each score; NaN stays NaN.

    >>> conformal_p(np.array([1.0, 2.0, 3.0]), np.array([2.5, 9.0])).tolist()
    [0.5, 0.25]
    """
    ordered = np.sort(calibration)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1 + above) / (len(ordered) + 1))


def conformal_needed(alpha: float) -> int:
    """The fewest photos behind p-values with which one can reach ``alpha``.

    >>> conformal_needed(0.05)
    19
    """
    return math.ceil(1 / alpha) - 1 if 0 < alpha < 1 else 0


def photos_needed(alpha: float) -> int:
    """The fewest genuine photos with which a p-value can reach ``alpha``, those to fit included.

    >>> photos_needed(0.05)
    28
    """
    conformal = conformal_needed(alpha)
    return next(n for n in range(conformal, 10 * conformal + 100) if n - _fit_count(n) >= conformal)


def _fit_count(count: int, share: float = FIT_SHARE) -> int:
    return max(FEWEST_TO_FIT, round(count * share))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What genuine photos taught. Made by :meth:`fit`, kept by :meth:`to_dict`.

    ``heads`` in column order; ``location`` and ``scale`` (H,) standardise their scores; ``scores`` (n, H) and
    ``merged`` (n,) are the conformal part's, NaN where a head did not apply; ``peaks`` are the heads' alarm levels for
    heat maps.
    """

    heads: tuple[str, ...]
    location: Floats
    scale: Floats
    peaks: Mapping[str, float]
    scores: Floats
    merged: Floats
    alpha: float
    fitted_on: int
    generation: str
    weights: Floats | None = None
    probability: Probability | None = None

    @classmethod
    def fit(
        cls,
        heads: Sequence[str],
        scores: Floats,
        peaks: Mapping[str, Floats],
        *,
        first: NDArray[np.bool_],
        alpha: float,
        generation: str,
        fakes: Floats | None = None,
        groups: Sequence[str] = (),
    ) -> Calibration:
        """``scores`` (N, H) of genuine photos, NaN where a head did not apply; ``peaks`` heads' heat peaks (N,).

        ``first`` (N,) is the part that is fitted on (:func:`split_groups`); the rest is conformalised. With ``fakes``
        (M, H) the heads are weighed and a probability is fitted; ``groups`` then names what belongs together among the
        first part and, after it, the fakes, and a head that was itself fitted on them must have scored them out of
        fold. Raises :class:`InputError` with the number of photos that ``alpha`` needs.
        """
        if not 0 < alpha < 1:
            raise InputError(f"alpha={alpha!r}: need a share between 0 and 1, such as 0.05")
        if np.isinf(scores).any():
            row, column = np.argwhere(np.isinf(scores))[0]
            raise InputError(f"head {heads[column]!r} gave an infinite score for genuine photo {row}")
        needed = conformal_needed(alpha)
        if (~first).sum() < needed or first.sum() < FEWEST_TO_FIT:
            raise InputError(
                f"{len(scores)} genuine photos are too few for alpha={alpha}: at least {photos_needed(alpha)} "
                f"are needed (left for p-values: {int((~first).sum())} of {needed}). Bring more, or raise alpha"
            )
        location, scale = _standardiser(scores[first])
        weights, probability = None, None
        if fakes is not None:
            shown = (np.concatenate([scores[first], fakes]) - location) / scale
            fake = np.arange(len(shown)) >= first.sum()
            weights = fit_weights(shown, fake)
            probability = Probability.fit(shown, fake, np.asarray(groups, dtype=str))
        merged = merge((scores - location) / scale, weights)
        return cls(
            heads=tuple(heads),
            location=location,
            scale=scale,
            peaks={name: _alarm_level(values[first]) for name, values in peaks.items()},
            scores=scores[~first],
            merged=merged[~first],
            alpha=alpha,
            fitted_on=int(first.sum()),
            generation=generation,
            weights=weights,
            probability=probability,
        )

    @property
    def count(self) -> int:
        """Photos behind the p-values."""
        return len(self.merged)

    @property
    def false_alarm_limit(self) -> float:
        """What 95 of 100 calibrations keep their false alarms below: alpha is kept on average, one set of photos has a
        rate of its own.

        For photos drawn independently that rate follows Beta(k, n + 1 - k), k = floor(alpha (n + 1)) (Vovk 2012;
        Angelopoulos & Bates 2021, section 3.2), at most: equal statistics make it lower. Its 95 % quantile is the
        binomial limit of k - 1 hits of n (Clopper & Pearson 1934).

        >>> ones = np.ones((63, 1))
        >>> calibration = Calibration.fit(["a"], ones, {}, first=np.arange(63) < 8, alpha=0.05, generation="")
        >>> calibration.count, round(calibration.false_alarm_limit, 3)
        (55, 0.083)
        """
        return binomial_interval(self._flagged() - 1, self.count, 2 * LIMIT_LEVEL - 1)[1]

    def merge(self, scores: Floats) -> Floats:
        """(N, H) raw scores, NaN where a head did not apply -> (N,) the merged statistic, higher = more suspicious."""
        return merge((scores - self.location) / self.scale, self.weights)

    def p_values(self, merged: Floats) -> Floats:
        """Conformal p-values (N,) of merged statistics: steps of 1 / (n + 1)."""
        return conformal_p(self.merged, merged)

    def head_p_values(self, scores: Floats) -> Floats:
        """(N, H) conformal p-values of each head's own score; NaN where it did not apply or was never calibrated."""
        columns = []
        for column in range(len(self.heads)):
            known = self.scores[:, column][~np.isnan(self.scores[:, column])]
            values = scores[:, column]
            columns.append(conformal_p(known, values) if len(known) else np.full(len(values), np.nan))
        return np.stack(columns, axis=1)

    def risk(self, merged: Floats, base_rate: float | None = None) -> Floats:
        """(N,) in 0..1, continuous and strictly increasing in the statistic.

        With labelled fakes it is the probability of a fake, where a share ``base_rate`` is fake (default: the share
        that was shown). Without, it orders listings and is no probability: 0.5 where p_value reaches alpha.
        """
        if self.probability is not None:
            return self.probability.of(merged, base_rate)
        level, spread = self._alarm()
        return 1 / (1 + np.exp(-np.clip((merged - level) / spread, -30, 30)))

    def _alarm(self) -> tuple[float, float]:
        level = float(np.sort(self.merged)[::-1][self._flagged() - 1])
        spread = float(level - np.median(self.merged)) / 2
        return level, max(spread, 1e-6)

    def _flagged(self) -> int:
        """k: how many of the n + 1 steps of a p-value reach alpha."""
        return max(1, math.floor(self.alpha * (self.count + 1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; NaN becomes ``None``."""
        return {
            "heads": list(self.heads),
            "location": _plain(self.location),
            "scale": _plain(self.scale),
            "peaks": {name: float(value) for name, value in self.peaks.items()},
            "scores": [_plain(row) for row in self.scores],
            "merged": _plain(self.merged),
            "alpha": self.alpha,
            "fitted_on": self.fitted_on,
            "generation": self.generation,
            "weights": None if self.weights is None else _plain(self.weights),
            "probability": None if self.probability is None else dataclasses.asdict(self.probability),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`to_dict`; ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        heads = tuple(str(name) for name in data["heads"])
        scores = _array(data["scores"])
        calibration = cls(
            heads=heads,
            location=_array(data["location"]),
            scale=_array(data["scale"]),
            peaks={str(name): float(value) for name, value in data["peaks"].items()},
            scores=scores,
            merged=_array(data["merged"]),
            alpha=float(data["alpha"]),
            fitted_on=int(data["fitted_on"]),
            generation=str(data["generation"]),
            weights=None if data["weights"] is None else _array(data["weights"]),
            probability=None
            if data["probability"] is None
            else Probability(**{name: float(value) for name, value in data["probability"].items()}),
        )
        if scores.shape != (len(calibration.merged), len(heads)) or not np.isfinite(calibration.merged).all():
            raise ValueError(
                f"scores {scores.shape} do not fit {len(heads)} heads and {len(calibration.merged)} statistics"
            )
        return calibration


def merge(standardised: Floats, weights: Floats | None = None) -> Floats:
    """(N, H) standardised scores -> (N,): the log of their mean exponential, a soft maximum over the heads that apply;
    with ``weights`` (H,), that labelled fakes taught, their weighed sum.

    Raises :class:`InputError` for a row to which no head applies.
    """
    applies = ~np.isnan(standardised)
    if not applies.any(axis=1).all():
        raise InputError(f"no head applies to photo {int(np.flatnonzero(~applies.any(axis=1))[0])}")
    if weights is not None:
        return weigh(standardised, weights)
    filled = np.where(applies, standardised, -np.inf)
    top = filled.max(axis=1, keepdims=True)
    return np.asarray(
        (top + np.log(np.exp(filled - top).sum(axis=1, keepdims=True) / applies.sum(axis=1, keepdims=True)))[:, 0]
    )


def _standardiser(scores: Floats) -> tuple[Floats, Floats]:
    """Median and upper spread of each column. NaN scores are left out; a head that never applied has NaN for both, so
    that it is left out of the statistic for good: nobody knows what is usual for it.
    """
    location, scale = np.full(scores.shape[1], np.nan), np.full(scores.shape[1], np.nan)
    for column in range(scores.shape[1]):
        known = scores[:, column][~np.isnan(scores[:, column])]
        if len(known):
            middle, upper = np.quantile(known, [0.5, 0.9])
            location[column] = middle
            scale[column] = max((upper - middle) / UPPER_NORMAL, 1e-3 * max(1.0, abs(middle)), 1e-9)
    return location, scale


def split_groups(groups: Sequence[str], *, share: float = FIT_SHARE) -> NDArray[np.bool_]:
    """True for the part that is fitted on: whole groups in a seeded order, until ``share`` of the photos is reached."""
    names = np.asarray(groups)
    order = np.random.default_rng(0).permutation(np.array(sorted(set(groups))))
    first = np.zeros(len(names), bool)
    wanted = _fit_count(len(names), share)
    for name in order:
        if first.sum() >= wanted:
            break
        first |= names == name
    return first


def _alarm_level(peaks: Floats) -> float:
    known = peaks[np.isfinite(peaks)]
    return max(float(np.quantile(known, PEAK_QUANTILE)), 1e-6) if len(known) else 1.0


def _plain(values: Floats) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def _array(values: Any) -> Floats:
    return np.array(
        [[math.nan if item is None else item for item in row] if isinstance(row, list) else row for row in values],
        np.float64,
    )
