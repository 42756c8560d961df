"""From labelled fakes to a probability: how the claims are weighed, and what the weighed sum means.

The weights are a logistic regression's, none below 0: no claim may turn from suspicious to reassuring because of the
fakes at hand. The sum is then calibrated on photos of groups that its weights were not fitted on (Platt 1999), and
shifted from the share of fakes that was shown to the share that is expected (Saerens et al. 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Probability", "fit_weights", "weigh"]

Floats = NDArray[np.float64]

USUAL_WEIGHT = 0.3  # what weights are drawn towards, so that a claim that no fake at hand raises still counts
STRENGTH = 0.02  # of that pull, beside the mean loss
STEPS = 500  # of projected gradient descent, with the step that the loss's curvature allows
FOLDS = 5
LEAST_SLOPE = 1e-3  # a probability rises with the statistic, whatever the fakes at hand say
LIMIT = 30.0  # of a logit: beyond it a float's probability is 0 or 1


def weigh(standardised: Floats, weights: Floats) -> Floats:
    """(N, H) standardised scores, NaN where a claim does not apply -> (N,) their weighed sum.

    Scores count as their logarithm, so that no claim drowns the others; a claim that does not apply counts as usual.
    """
    return np.asarray(_squashed(standardised) @ weights)


def _squashed(standardised: Floats) -> Floats:
    filled = np.where(np.isnan(standardised), 0.0, standardised)
    return np.asarray(np.sign(filled) * np.log1p(np.abs(filled)))


def fit_weights(standardised: Floats, fake: NDArray[np.bool_]) -> Floats:
    """(H,) weights >= 0, both classes counting alike."""
    features = _squashed(standardised)
    share = np.where(fake, 0.5 / max(fake.sum(), 1), 0.5 / max((~fake).sum(), 1))
    weights, bias = np.full(features.shape[1], USUAL_WEIGHT), 0.0
    step = 1 / (0.25 * (share[:, None] * features**2).sum() + 0.25 + STRENGTH)
    for _ in range(STEPS):
        off = share * (_sigmoid(features @ weights + bias) - fake)
        weights = np.maximum(weights - step * (features.T @ off + STRENGTH * (weights - USUAL_WEIGHT)), 0)
        bias -= step * float(off.sum())
    return weights if weights.any() else np.full(len(weights), USUAL_WEIGHT)


@dataclass(frozen=True)
class Probability:
    """P(fake) = 1 / (1 + exp(-(``slope`` x statistic + ``intercept``))) where a share ``fakes`` of what is shown is
    fake.
    """

    slope: float
    intercept: float
    fakes: float

    @classmethod
    def fit(cls, standardised: Floats, fake: NDArray[np.bool_], groups: NDArray[np.str_]) -> Probability:
        """From (N, H) scores; each photo's statistic comes from weights that saw no photo of its group."""
        names = np.unique(groups)
        home = dict(zip(names[np.random.default_rng(0).permutation(len(names))], np.arange(len(names)), strict=True))
        fold = np.array([home[name] % FOLDS for name in groups])
        statistic = np.zeros(len(fake))
        for number in np.unique(fold):
            test = fold == number
            both = len(set(fake[~test].tolist())) == 2
            weights = fit_weights(standardised[~test], fake[~test]) if both else fit_weights(standardised, fake)
            statistic[test] = weigh(standardised[test], weights)
        # Newton's method on the two parameters, with Platt's softened targets
        count, positives = len(fake), int(fake.sum())
        target = np.where(fake, (positives + 1) / (positives + 2), 1 / (count - positives + 2))
        design = np.stack([statistic, np.ones(count)], axis=1)
        line = np.array([1.0, math.log(positives / (count - positives))])
        for _ in range(100):
            p = _sigmoid(design @ line)
            curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
            move = np.linalg.solve(curvature, design.T @ (p - target))
            line = line - np.clip(move, -1, 1)
            if np.abs(move).max() < 1e-9:
                break
        return cls(max(float(line[0]), LEAST_SLOPE), float(line[1]), positives / count)

    def of(self, statistic: Floats, base_rate: float | None = None) -> Floats:
        """(N,) in 0..1, strictly rising with the statistic (within what a float can tell).

        ``base_rate`` is the share of fakes expected where it is used; ``None`` takes the share that was shown.
        """
        shift = 0.0 if base_rate is None else _logit(base_rate) - _logit(self.fakes)
        return _sigmoid(np.clip(self.slope * statistic + self.intercept + shift, -LIMIT, LIMIT))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))
