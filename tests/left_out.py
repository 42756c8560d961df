"""The slow twin of measuring each by what is usual for all the others."""

from __future__ import annotations

import numpy as np

from counterfeit_vision.calibration.standardize import Usual


def one_by_one(scores: np.ndarray, owners: np.ndarray, kinds: list[str], least: list[float]) -> np.ndarray:
    """(N, H) scores of these owners and kinds: what is usual, fitted anew without each owner."""
    told, taken = np.full(scores.shape, np.nan), np.array(kinds)
    for owner in set(owners.tolist()):
        mine = owners == owner
        others = scores[~mine]
        for column in others.T:
            if len(set(owners[~mine][~np.isnan(column)].tolist())) < 2:
                column[:] = np.nan
        told[mine] = Usual.fit(others, taken[~mine].tolist(), least)(scores[mine], taken[mine].tolist())
    return told
