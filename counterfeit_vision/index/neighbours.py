"""The nearest references of photos, and how they are put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Ints

__all__ = ["Neighbours", "best_first", "evenly_spread", "reference_scores", "runner_up"]

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest references of N photos as catalogue rows, best first.

    - ``rows`` (N, k) int64, -1 where short; ``scores`` (N, k) float32, -inf where short.
    - ``cosine`` (N,) float32: the highest plain cosine of the global vectors, not centred: is it the same kind of thing
      at all.
    - ``cohort`` (N, C) float32: scores against each of C products, for comparison; ``cohort_goods`` (C,) their names.
    """

    rows: Ints
    scores: Floats
    cosine: Floats
    cohort: Floats
    cohort_goods: NDArray[np.object_]


def evenly_spread(rows: Sequence[Item], most: int) -> list[Item]:
    """At most so many of some references or products, evenly spread.

    >>> evenly_spread([10, 11, 12, 13, 14], 3)
    [10, 12, 14]
    """
    return [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]


def runner_up(rows: Ints, scores: Floats, goods: NDArray[np.object_]) -> tuple[int, float]:
    """The best of one photo's references, (k,) ``rows`` and ``scores`` best first, that shows other ``goods`` than the
    nearest: its row, and by how much the nearest is more alike; -1 and NaN where all k show the same.
    """
    others = [place for place, row in enumerate(rows) if row >= 0 and goods[row] != goods[rows[0]]]
    return (int(rows[others[0]]), float(scores[0] - scores[others[0]])) if others else (-1, float("nan"))


def best_first(found: Sequence[tuple[Ints, Floats]], k: int) -> tuple[Ints, Floats]:
    """The ``k`` best of each photo's references and their scores, as ``rows`` and ``scores`` of :class:`Neighbours`;
    equal scores stay in the order given.
    """
    rows = np.full((len(found), k), -1, np.int64)
    scores = np.full((len(found), k), -np.inf, np.float32)
    for place, (keys, score) in enumerate(found):
        order = np.argsort(-score, kind="stable")[:k]
        rows[place, : len(order)], scores[place, : len(order)] = keys[order], score[order]
    return rows, scores


def reference_scores(groups: Sequence[Ints], products: Floats, singles: Floats) -> Floats:
    """Scores of the references of G products, in order: the likeness of its product, minus by how much a reference by
    itself is less alike than the product's best one.

    ``groups`` are each product's rows, ``products`` (G,) the products' likeness, ``singles`` the likeness of every
    reference that has others of its product beside it, in order.
    """
    scores, start = [], 0
    for group, product in zip(groups, products, strict=True):
        own = singles[start : start + len(group)] if len(group) > 1 else np.zeros(1, np.float32)
        start += len(group) if len(group) > 1 else 0
        scores.append(product + own - own.max())
    return np.concatenate(scores)
