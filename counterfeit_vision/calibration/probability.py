"""From labelled fakes to a probability: what the merged statistic means.

It is calibrated on photos of groups that the statistic's weights were not fitted on (Platt 1999), and shifted from the
share of fakes that was shown to the share that is expected (Saerens et al. 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles

__all__ = ["Probability", "shifted"]

Statistic = Callable[[Doubles], Doubles]

FOLDS = 20  # a statistic that saw few of the photos tells less than the final one, and makes its line too flat
LEAST_SLOPE = 1e-3  # a probability rises with the statistic, whatever the fakes at hand say
LIMIT = 30.0  # of a logit: beyond it a float's probability is 0 or 1
LINEAR = 5.0  # statistics beyond this count as their logarithm, or one odd genuine photo would decide the line


@dataclass(frozen=True)
class Probability:
    """P(fake) = 1 / (1 + exp(-(``slope`` x statistic + ``intercept``))) where a share ``fakes`` is fake; a statistic
    far from 0 counts as its logarithm. ``usual`` is the share of fakes that is expected unless another is named.
    """

    slope: float
    intercept: float
    fakes: float
    usual: float

    @classmethod
    def fit(
        cls,
        learn: Callable[[Doubles, Bools], Statistic],
        scores: Doubles,
        fake: Bools,
        groups: NDArray[np.str_],
        usual: float | None = None,
    ) -> Probability:
        """From (N, H) scores; ``learn(scores, fake)`` gives the statistic, and each photo's comes from one that saw no
        photo of its group. ``usual`` defaults to the share of fakes among them.
        """
        names = np.unique(groups)
        home = dict(zip(names[np.random.default_rng(0).permutation(len(names))], np.arange(len(names)), strict=True))
        fold = np.array([home[name] % FOLDS for name in groups])
        statistic = np.zeros(len(fake))
        for number in np.unique(fold):
            test = fold == number
            rest = ~test if len(set(fake[~test].tolist())) == 2 else np.ones(len(fake), bool)
            statistic[test] = _tamed(learn(scores[rest], fake[rest])(scores[test]))
        # Newton's method on the two parameters, with targets softened by half a photo (Krichevsky & Trofimov 1981): the
        # whole one of Platt's makes the line of a few dozen photos too flat
        count, positives = len(fake), int(fake.sum())
        target = np.where(fake, (positives + 0.5) / (positives + 1), 0.5 / (count - positives + 1))
        design = np.stack([statistic, np.ones(count)], axis=1)
        line = np.array([1.0, math.log(positives / (count - positives))])

        def loss(line: Doubles) -> float:
            logit = design @ line
            return float((np.logaddexp(0, logit) - target * logit).sum())

        for _ in range(100):
            p = _sigmoid(design @ line)
            curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
            move = np.linalg.solve(curvature, design.T @ (p - target))
            while loss(line - move) > loss(line):  # a whole step overshoots where the line starts far from the photos
                move = move / 2
            line = line - move
            if np.abs(move).max() < 1e-9:
                break
        share, (slope, intercept) = positives / count, line.tolist()
        if slope < LEAST_SLOPE:  # these fakes are no more unusual than genuine photos: their share for all, nearly
            slope, intercept = LEAST_SLOPE, _logit(share) - LEAST_SLOPE * float(statistic.mean())
        return cls(slope, intercept, share, share if usual is None else usual)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Probability:
        """The inverse of ``dataclasses.asdict``; ``ValueError`` or ``TypeError`` for anything else."""
        found = cls(**{name: float(value) for name, value in data.items()})
        if not (0 < found.fakes < 1 and 0 < found.usual < 1 and found.slope > 0 and math.isfinite(found.intercept)):
            raise ValueError(f"{found} gives no probabilities")
        return found

    def of(self, statistic: Doubles, base_rate: float | None = None) -> Doubles:
        """(N,) in 0..1, strictly rising with the statistic (within what a float can tell).

        ``base_rate`` is the share of fakes expected where it is used; ``None`` takes ``usual``.
        """
        shift = _logit(self.usual if base_rate is None else base_rate) - _logit(self.fakes)
        return _sigmoid(np.clip(self.slope * _tamed(statistic) + self.intercept + shift, -LIMIT, LIMIT))


def shifted(probabilities: Doubles, supposed: float, share: float) -> Doubles:
    """(N,) probabilities that suppose one share of fakes, as they are where another ``share`` is fake; NaN stays.

    >>> shifted(np.array([0.02, 0.5, 1.0]), 0.02, 0.5).round(2).tolist()
    [0.5, 0.98, 1.0]
    """
    more = share * (1 - supposed) / (supposed * (1 - share))
    return np.asarray(more * probabilities / (more * probabilities + 1 - probabilities))


def _tamed(statistic: Doubles) -> Doubles:
    return np.asarray(LINEAR * np.arcsinh(statistic / LINEAR))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _sigmoid(values: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-values)))
