"""Patch tokens of several depths of an encoder at once, for heads that learn from them.

Middle blocks of a vision transformer see texture and print, the last ones what a thing is; a fake differs in either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .base import Encoder
from .runtime import TowerEncoder
from .transformer import LeanTransformer

__all__ = ["deep_tokens"]

DEPTHS = (0.5, 0.75, 1.0)  # of the blocks: the 6th, 9th and 12th of CLIP B/16


def deep_tokens(encoder: Encoder, squares: NDArray[np.uint8], depths: Sequence[float] = DEPTHS) -> NDArray[np.float32]:
    """``squares`` (N, S, S, 3) uint8 -> (N, D, P, E) float32: the patch tokens at D depths.

    D is one for each of ``depths``, shallowest first, for a plain vision transformer (fewer where it has too few
    blocks); for any other encoder that gives patch tokens it is 1, the tokens it gives.
    """
    tower = getattr(encoder, "tower", None)
    if not isinstance(encoder, TowerEncoder) or not isinstance(tower, LeanTransformer):
        patches = encoder.encode(squares).patches
        assert patches is not None
        return patches[:, None].astype(np.float32)
    layers = sorted({max(round(depth * tower.depth), 1) - 1 for depth in depths})
    with torch.inference_mode():
        return np.asarray(tower.tokens(encoder.normalised(encoder.stage(squares)), layers).cpu().numpy())
