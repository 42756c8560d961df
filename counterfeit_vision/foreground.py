"""Which patches of a reference show the product and which the room behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["reference_foreground"]

Tokens = NDArray[np.float16]

BORDER_COSINE = (
    0.6  # a patch this like some patch of the photo's border is taken for the room, where one photo is all there is
)
SOFTNESS = 0.05  # cosine over which such a patch goes from room to product
SURE = 0.3  # advantage in cosine at which a patch is surely product; half of it is the edge, chosen on rendered photos


def reference_foreground(tokens: Tokens, own: Tokens, others: Tokens, grid: tuple[int, int]) -> NDArray[np.float32]:
    """How surely each patch of a reference is product: (P,) float32 in 0..1.

    ``tokens`` (P, d) of the reference, ``own`` (M, P, d) of other photos of the same product, ``others`` (K, P, d) of
    other products, all unit length on ``grid``. A patch that finds a better match among photos of the same product than
    among photos of other products is product: rooms change from photo to photo, or are the same for all products. With
    no other photo of the product, what looks like the photo's border is room.
    """
    if len(own) and len(others):
        advantage = _best(tokens, own) - _best(tokens, others)
        return np.asarray(np.clip(advantage / SURE, 0, 1), np.float32)
    rows, columns = grid
    place = np.arange(rows * columns).reshape(grid)
    border = np.unique(np.concatenate([place[0], place[-1], place[:, 0], place[:, -1]]))
    cosine = tokens.astype(np.float32) @ tokens[border].astype(np.float32).T
    return np.asarray(1 / (1 + np.exp((cosine.max(axis=1) - BORDER_COSINE) / SOFTNESS)), np.float32)


def _best(tokens: Tokens, photos: Tokens) -> NDArray[np.float32]:
    """(P,) best cosine of each patch in each of some photos, averaged over the photos."""
    cosine = np.einsum("pd,nrd->npr", tokens.astype(np.float32), photos.astype(np.float32), optimize=True)
    return np.asarray(cosine.max(axis=2).mean(axis=0), np.float32)
