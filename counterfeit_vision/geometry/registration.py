"""Where a reference's patches lie on a suspect's photo.

Patches that choose each other as best match vote for an affine map from the reference's grid to the suspect's; a seeded
sample of triples is tried and the best map refined. The pose of the goods is taken out, so that place can be compared
with place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats, Ints

__all__ = ["Registration", "grid_positions", "register"]

TRIPLES = 192  # maps tried for each reference
TOLERANCE = 1.2  # patches: how far from its mapped place a match may lie and still agree
SMALLEST_AREA = 4.0  # twice the area, in square patches, of a triple that may propose a map
SCALE_RANGE = (0.08, 8.0)  # areas a map may shrink or grow to; it never mirrors
ANISOTROPY = 4.5  # squared Frobenius norm over determinant: 2 = a similarity, 4.5 = one side seen at about 76 degrees
REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class Registration:
    """For N references: ``maps`` (N, 2, 3) float32 from (x, y, 1) on the reference's grid to (x, y) on the suspect's,
    in patches; ``agreement`` (N,) float32 in 0..1, the share of the reference's patches that agree with the map,
    weighted by similarity.
    """

    maps: Floats
    agreement: Floats

    def inverse(self) -> Floats:
        """(N, 2, 3) float32: from the suspect's grid to each reference's."""
        linear = np.linalg.inv(self.maps[:, :, :2].astype(np.float64))
        shift = -np.einsum("nij,nj->ni", linear, self.maps[:, :, 2])
        return np.concatenate([linear, shift[:, :, None]], axis=2).astype(np.float32)


def grid_positions(grid: tuple[int, int]) -> Floats:
    """(h * w, 2) float32 x, y of each patch, in patches, row by row.

    >>> grid_positions((1, 3)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    """
    y, x = np.mgrid[: grid[0], : grid[1]]
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def register(similarity: Floats, weights: Floats, grid: tuple[int, int]) -> Registration:
    """Affine maps from N references to one suspect.

    ``similarity`` (N, P, R): cosine of each suspect patch with each reference patch, both on ``grid``; ``weights`` (N,
    R) >= 0: how much each reference patch counts (0 for padding). Deterministic.
    """
    count, _, patches = similarity.shape
    positions = grid_positions(grid)
    homogeneous = np.concatenate([positions, np.ones((patches, 1), np.float32)], axis=1)
    best_here = similarity.argmax(axis=1)  # (N, R) suspect patch chosen by each reference patch
    best_there = similarity.argmax(axis=2)  # (N, P)
    mutual = np.take_along_axis(best_there, best_here, axis=1) == np.arange(patches)
    strength = np.take_along_axis(similarity, best_here[:, None, :], axis=1)[:, 0]
    votes = mutual * np.maximum(strength, 0) * weights
    targets = positions[best_here]  # (N, R, 2)
    maps = np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1))
    rng = np.random.default_rng(0)
    for row in range(count):
        voters = np.flatnonzero(votes[row] > 0)
        if len(voters) < 3:
            continue
        chance = votes[row, voters] / votes[row, voters].sum()
        triples = voters[_triples(rng, chance)]
        proposed = _affine(homogeneous[triples], targets[row, triples])
        off = np.linalg.norm(np.einsum("hij,rj->hri", proposed, homogeneous[voters]) - targets[row, voters], axis=2)
        support = (votes[row, voters] * np.exp(-((off / TOLERANCE) ** 2))).sum(axis=1)
        spread = np.abs(np.linalg.det(homogeneous[triples].astype(np.float64)))
        support[~(_plausible(proposed) & (spread > SMALLEST_AREA))] = -1
        if support.max() > 0:
            maps[row] = _refine(
                proposed[support.argmax()], homogeneous[voters], targets[row, voters], votes[row, voters]
            )
    off = np.linalg.norm(np.einsum("nij,rj->nri", maps, homogeneous) - targets, axis=2)
    agreement = (votes * np.exp(-((off / TOLERANCE) ** 2))).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-6)
    return Registration(maps, agreement.astype(np.float32))


def _triples(rng: np.random.Generator, chance: NDArray[np.floating]) -> Ints:
    """(TRIPLES, 3) distinct indices drawn by weight: the three largest of Gumbel-perturbed log weights (Vieira
    2014).
    """
    keys = np.log(chance) + rng.gumbel(size=(TRIPLES, len(chance)))
    return np.argpartition(-keys, 2, axis=1)[:, :3] if len(chance) > 3 else np.tile(np.arange(3), (TRIPLES, 1))


def _affine(source: Floats, target: Floats) -> Floats:
    """Maps (H, 2, 3) that take three points (H, 3, 3; homogeneous) to three (H, 3, 2); degenerate triples give
    nonsense.
    """
    safe = source + 1e-4 * np.eye(3, dtype=np.float32)
    return np.linalg.solve(safe, target).transpose(0, 2, 1).astype(np.float32)


def _plausible(maps: Floats) -> Bools:
    linear = maps[:, :, :2]
    determinant = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    stretch = (linear**2).sum(axis=(1, 2)) / np.maximum(determinant, 1e-6)
    inside = (determinant > SCALE_RANGE[0]) & (determinant < SCALE_RANGE[1])
    return np.asarray(inside & (stretch < ANISOTROPY))


def _refine(start: Floats, points: Floats, targets: Floats, votes: Floats) -> Floats:
    """Weighted least squares over the matches that agree, a few times over; ``start`` where too few do."""
    best = start
    for _ in range(REFINEMENTS):
        off = np.linalg.norm(points @ best.T - targets, axis=1)
        weight = votes * np.exp(-((off / (1.2 * TOLERANCE)) ** 2))
        normal = (points * weight[:, None]).T @ points + 1e-3 * np.eye(3)
        refined = np.linalg.solve(normal, (points * weight[:, None]).T @ targets).T.astype(np.float32)
        if not _plausible(refined[None])[0]:
            break
        best = refined
    return best
