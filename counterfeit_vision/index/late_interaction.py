"""Late interaction: how alike two photos are, patch by patch.

Each patch of the asking photo looks for its best match in a reference, after ColBERT's MaxSim (Khattab & Zaharia 2020).
What counts is not how good that match is but how much better than in photos of other products: a carpet, a white wall
or a brand's usual colour match everywhere alike and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats, Ints

__all__ = ["best_in", "compared_tokens", "specific_likeness"]


def compared_tokens(references: NDArray[np.float16], masks: Bools) -> list[Floats]:
    """Of each of N references' tokens (N, R, d) those in the masks (N, R), as many photos are compared with them."""
    tokens = references[masks].astype(np.float32)
    return np.split(tokens, np.cumsum(masks.sum(axis=1)))[:-1]


def best_in(query: Floats, references: Sequence[Floats]) -> Floats:
    """(p, N) float32: the best cosine of each of a photo's p patches in each of N references, by tokens of unit length,
    (p, d) and (r, d) of each reference; -1 in a reference of no tokens.
    """
    best = np.full((len(query), len(references)), -1, np.float32)
    counts = np.array([len(tokens) for tokens in references], np.int64)
    some = counts > 0
    if some.any():
        # References are of different lengths: one product with what counts of them all, and a maximum a stretch.
        similarity = query @ np.concatenate(references).T
        starts = np.cumsum(counts[some]) - counts[some]
        best[:, some] = np.maximum.reduceat(similarity, starts, axis=1)
    return best


def specific_likeness(best: Floats, cohort: Floats, unlike: Bools, views: Ints) -> Floats:
    """(N,) float32 in 0..2: how much better a photo's patches match each reference than they match other products.

    ``best`` (p, N) and ``cohort`` (p, C) are :func:`best_in` the references and in a cohort; ``unlike`` (N, C)
    says which of the cohort show another product than the reference. The root mean square of the advantages, those
    below 0 counting as 0; where a reference has no unlike cohort, its matches count as they are.

    ``views`` (C,) says how many photos of each product are in the cohort. With n of them, a patch must
    beat the best of the others by a share of 1 - 1/n^2, and their mean by the rest: several photos show most of what a
    product has, one does not, and then its best match says little.
    """
    counts = unlike.sum(axis=1)
    usual = cohort @ unlike.T.astype(np.float32) / np.maximum(counts, 1)
    share = (unlike @ (1 - 1 / np.maximum(views, 1).astype(np.float32) ** 2)) / np.maximum(counts, 1)
    usual += share * np.maximum(_best_of(cohort, unlike) - usual, 0)
    advantage = np.maximum(best - usual, 0)
    return np.asarray(np.sqrt((advantage**2).mean(axis=0)), np.float32)


def _best_of(cohort: Floats, unlike: Bools) -> Floats:
    """(p, N) the best of the cohort (p, C) that is unlike each reference; -inf where none is."""
    best = np.full((len(cohort), len(unlike)), -np.inf, np.float32)
    kinds, kind = np.unique(unlike, axis=0, return_inverse=True)  # one kind for each product: far fewer than references
    for number, row in enumerate(kinds):
        if row.any():
            best[:, kind.ravel() == number] = cohort[:, row].max(axis=1)[:, None]
    return best
