"""Late interaction: how alike two photos are, patch by patch.

Each patch of one photo looks for its best match in the other; the better half of the patches counts, so that a busy background or
a hand over the product does not. After ColBERT's MaxSim (Khattab & Zaharia 2020), in both directions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["late_interaction"]

BETTER = 0.5  # the share of a photo's patches that counts, the best matched first


def late_interaction(
    query: NDArray[np.float16],
    query_mask: NDArray[np.bool_],
    references: NDArray[np.float16],
    reference_masks: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Similarity of one photo's patches (P, E) to those of N others (N, R, E); all tokens of unit length.

    The masks (P,) and (N, R) are true for patches that lie on the photo. -> (N,) float32 in -1..1: the mean cosine of the better
    half of the matches, both directions averaged.
    """
    own = torch.from_numpy(query[query_mask]).float()
    other = torch.from_numpy(references).float()
    similarity = own @ other.flatten(0, 1).T
    similarity = similarity.view(len(own), *references.shape[:2])
    masks = torch.from_numpy(reference_masks)
    similarity.masked_fill_(~masks, -1.0)
    to_reference = _better_half(similarity.amax(2).T, torch.ones(len(other), len(own), dtype=torch.bool))
    to_query = _better_half(similarity.amax(0), masks)
    return ((to_reference + to_query) / 2).numpy()


def _better_half(best: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """(N, P) best cosines and what counts -> (N,) mean over the better half of what counts."""
    ordered = best.masked_fill(~masks, -2.0).sort(dim=1, descending=True).values
    counted = (masks.sum(1, keepdim=True) * BETTER).ceil().clamp(min=1)
    chosen = torch.arange(best.shape[1]) < counted
    return (ordered * chosen).sum(1) / counted.squeeze(1)
