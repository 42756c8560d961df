"""How the claims about a photo become one number, the statistic that is calibrated.

Each claim comes in mean excesses above what is usual for genuine photos of such goods (:mod:`.standardize`), with a
heavy tail. Its evidence is p ** -0.6, up to a constant an e-value, and the mean of e-values is one as well, however the
claims depend on each other and whatever their weights (Vovk & Wang 2021). So one strong claim among many usual ones is
divided by their number, and no more. Nothing rests on the tail's shape: p-values come from ranks.

Labelled fakes add what they look like: the statistic is then the log of (likelihood ratio of a fake like those shown +
a little of that mean), so that a claim which no fake at hand raised still counts when it is gross. The mean is one of
the things that the likelihood ratio is learned from: a few dozen fakes, each odd in its own way, say little of a single
claim's weight, and without it showing them made fewer be found than showing none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import Bools, Doubles
from ..errors import InputError
from .standardize import surprise

__all__ = ["LEARNED", "Merger", "mean_evidence", "merge", "stand_apart"]

# A larger TEMPER finds lone claims, a smaller one many weak ones. UNFORESEEN was chosen on three folds of af1's shoes
# where TEMPER was 0.8 and the price counted once, and is four times that now, so that gross claims count as they did.
TEMPER = 0.6
UNFORESEEN = 0.0084  # beside fakes like those shown: the weight of a gross claim that none of them raised
# The weight of a claim's evidence where others' is 1. Less has what tells how well a photo shows the goods rather than
# what is wrong with them, what finds little, and what looks at many small things, one of which is odd now and then.
# Chosen, with TEMPER, on market seeds 230 to 241, printed goods 20 and 21 and cartons of grocery's training part;
# that of colours, and that drawing has none, on seed 0 of four kinds of goods (benchmarks/kinds.py) and market 240;
# those of product and patches on seed 0 of five kinds, market 250 and such cartons; that of layout on five sets of
# other drawn goods, the least of 0.1 to 1 that has most of what is won there: on market 9404, where it tells nothing,
# it costs 0.1 % of the fakes. The price counts six times, nearly as much as the claims about the photo
# together, of which it says nothing: on nine markets (357, 366 to 373; genuine photos dealt 20 times) 58 % of the fakes
# are beyond the alarm level where it counts twice and 53 % are; 49 and 47 % were half of them priced as genuine goods,
# 41 and 42 % were all of them.
COUNTS = {
    "similarity": 0.1,
    "product": 0.5,
    "layout": 0.5,
    "look": 0.5,
    "patches": 0.75,
    "strokes": 0.5,
    "ink": 0.5,
    "wordmark": 0.5,
    "colours": 0.5,
    "reuse": 0.5,
    "price": 6.0,
}
LEARNED = "learned"  # the claim that was fitted on the fakes: what the weights are drawn towards, where there is one
PULL = 0.1  # of that, beside the mean loss; chosen on market seeds 240 and 241 and on af1's shoes
APART = 15.0  # mean excesses beyond which a genuine photo is doubted: an exponential tail has one in six million
LEAST = 1e-2  # least spread: where nearly all marks are perfectly alike, one with a correlation of 0.85 raises no doubt
UPPER = 0.75  # the quantile that the spread of those who may hold fakes is taken from: a quarter can't move it
STEPS = 1000  # of projected gradient descent, with the step that the loss's curvature allows


def merge(standardised: Doubles, weights: Doubles | None = None) -> Doubles:
    """(N, H) claims in mean excesses, NaN where one does not apply -> (N,) the log of their mean evidence, of these
    ``weights`` (H,).

    A claim that does not apply counts as usual: less than any odd one, and a little more than one that is better than
    usual, as a price above it. Raises :class:`InputError` for a row to which no head applies.

    >>> merge(np.array([[0.0, 0.0], [np.nan, 20.0]])).round(2).tolist()
    [0.0, 4.14]
    """
    applies = ~np.isnan(standardised)
    if not applies.any(axis=1).all():
        raise InputError(f"no head applies to photo {int(np.flatnonzero(~applies.any(axis=1))[0])}")
    evidence = TEMPER * surprise(np.where(applies, standardised, 0.0))
    top = evidence.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.average(np.exp(evidence - top), axis=1, weights=weights)))


def mean_evidence(statistics: Doubles) -> Doubles:
    """(K, ...) statistics of a listing's K photos -> (...) the log of their mean evidence: what all of them show counts
    as in one, and what one of them shows is divided by their number, and no more.

    >>> mean_evidence(np.array([2.0, 2.0])).round(2).item(), mean_evidence(np.array([4.0, 0.0])).round(2).item()
    (2.0, 3.33)
    """
    return np.asarray(np.logaddexp.reduce(statistics, axis=0) - np.log(len(statistics)))


@dataclass(frozen=True, eq=False)
class Merger:
    """``counts`` (H,) the weights of the claims' evidence. Where fakes were shown, ``weights`` (H + 1,) of the claims
    and, last, of their merged evidence, and ``bias``; ``learned`` is the column of the claim that was fitted on the
    fakes, -1 where there is none.
    """

    counts: Doubles
    weights: Doubles | None = None
    bias: float = 0.0
    learned: int = -1

    @classmethod
    def of(cls, heads: Sequence[str]) -> Merger:
        """What merges these heads' claims where no fake was shown."""
        return cls(np.array([COUNTS.get(head, 1.0) for head in heads]))

    def learn(self, heads: Sequence[str], standardised: Doubles, fake: Bools) -> Merger:
        """The same with weights from labelled claims (N, H): a logistic regression of the merged evidence and of each
        claim, both classes counting alike. No weight is below 0: no claim may turn reassuring because of the fakes at
        hand. They are drawn towards the learned claim alone, or the merged evidence alone where there is none.
        """
        learned = list(heads).index(LEARNED) if LEARNED in heads else -1
        merger = dataclasses.replace(self, learned=learned)
        features = merger._features(standardised)
        pull = np.zeros(features.shape[1])
        pull[learned] = 1.0  # the merged evidence is the last
        share = np.where(fake, 0.5 / max(fake.sum(), 1), 0.5 / max((~fake).sum(), 1))
        weights, bias = pull.copy(), 0.0
        step = 1 / (0.25 * (share[:, None] * features**2).sum() + 0.25 + PULL)
        for _ in range(STEPS):
            off = share * (1 / (1 + np.exp(-(features @ weights + bias))) - fake)
            weights = np.maximum(weights - step * (features.T @ off + PULL * (weights - pull)), 0)
            bias -= step * float(off.sum())
        return dataclasses.replace(merger, weights=weights, bias=bias)

    def _features(self, standardised: Doubles) -> Doubles:
        """(N, H + 1) what each claim has above the usual, as its logarithm, so that none drowns the others, but for the
        learned one, whose score has two sides and no tail; and the merged evidence. One that does not apply counts as
        usual.
        """
        filled = np.where(np.isnan(standardised), 0.0, standardised)
        features = np.column_stack([np.log1p(np.maximum(filled, 0)), merge(standardised, self.counts)])
        if self.learned >= 0:
            features[:, self.learned] = filled[:, self.learned]
        return np.asarray(features)

    def __call__(self, standardised: Doubles) -> Doubles:
        """(N, H) claims in mean excesses, NaN where one did not apply -> (N,) the statistic, higher = more suspicious.

        Raises :class:`InputError` for a row to which no head applies.
        """
        if self.weights is None:
            return merge(standardised, self.counts)
        features = self._features(standardised)
        weighed = (features * self.weights).sum(axis=1)  # a matrix product rounds a row by the rows that are beside it
        return np.asarray(np.logaddexp(weighed + self.bias, np.log(UNFORESEEN) + features[:, -1]))

    def strength(self, standardised: Doubles) -> Doubles:
        """(N, H) by how much the statistic would fall had each claim been as usual, NaN where it did not apply: what
        tells which claim speaks loudest, where p-values from a few dozen photos are the same for many.

        >>> Merger.of(["mark", "price"]).strength(np.array([[9.0, 30.0]])).round(2).tolist()
        [[0.01, 4.31]]
        """
        whole, fall = self(standardised), np.full(standardised.shape, np.nan)
        for column, values in enumerate(standardised.T):
            without = standardised.copy()
            without[:, column] = 0.0
            fall[:, column] = np.where(np.isnan(values), np.nan, whole - self(without))
        return fall

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        weights = None if self.weights is None else self.weights.tolist()
        return {"counts": self.counts.tolist(), "weights": weights, "bias": self.bias, "learned": self.learned}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Merger:
        """The inverse of :meth:`to_dict`; ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        counts = np.array(data["counts"], np.float64)
        weights = None if data["weights"] is None else np.array(data["weights"], np.float64)
        bias, learned = float(data["bias"]), int(data["learned"])
        finite = weights is None or bool(np.isfinite(weights).all() and np.isfinite(bias))
        fits = finite and (weights is None or weights.shape == (counts.size + 1,))
        if not fits or not -1 <= learned < counts.size or not (np.isfinite(counts) & (counts > 0)).all():
            raise ValueError(f"weights {counts} and {weights}, {bias}, of which {learned} is learned, do not fit")
        return cls(counts, weights, bias, learned)


def stand_apart(genuine: Doubles) -> Bools:
    """(N,) photos called genuine of which some claim (N, H) is far beyond the others': are they fakes?

    The spread comes from the middle and the upper quartile, which fakes can't move while they are fewer than a quarter.
    """
    apart = np.zeros(len(genuine), bool)
    for values in genuine.T:
        known = values[~np.isnan(values)]
        if len(known):
            middle, upper = np.quantile(known, [0.5, UPPER])
            spread = max((upper - middle) / np.log(0.5 / (1 - UPPER)), LEAST * max(1.0, abs(middle)))
            apart |= (values - middle) / spread > APART
    return apart
