"""The global vectors of squares and their patch tokens at several depths of an encoder, for heads that look closer.

Middle blocks of a vision transformer see texture and print, the last ones what a thing is; a fake differs in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import torch

from .._arrays import Floats, Pixels
from .base import Encoder, Squares
from .runtime import TowerEncoder
from .transformer import LeanTransformer

__all__ = ["is_transformer", "vectors_and_tokens"]

DEPTHS = (0.5, 0.75, 1.0)  # of the blocks: the 6th, 9th and 12th of CLIP B/16


def is_transformer(encoder: Encoder) -> TypeGuard[TowerEncoder]:
    """Whether an encoder is a plain vision transformer, whose patches say more than a small network's do."""
    return isinstance(encoder, TowerEncoder) and isinstance(encoder.tower, LeanTransformer)


def vectors_and_tokens(encoder: Encoder, squares: Pixels, depths: Sequence[float] = DEPTHS) -> tuple[Floats, Floats]:
    """``squares`` (N, S, S, 3) uint8 -> their vectors (N, F) float32, of unit length, and their patch tokens at D
    depths, (N, D, P, E) float32, in one pass.

    D is one for each of ``depths``, shallowest first, for a plain vision transformer (fewer where it has too few
    blocks); for any other encoder that gives patch tokens it is 1, the tokens it gives.
    """
    if not is_transformer(encoder):
        seen = encoder.encode(squares)
        assert seen.patches is not None
        return seen.vectors, seen.patches[:, None].astype(np.float32)
    tower = encoder.tower
    assert isinstance(tower, LeanTransformer)
    layers = sorted({max(round(depth * tower.depth), 1) - 1 for depth in depths})

    def run(part: Squares) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            vectors, tokens = tower.whole(encoder.normalised(encoder.stage(part)), layers)
            assert tokens is not None
            vectors = torch.nn.functional.normalize(vectors.float(), dim=-1)
            return vectors.cpu().numpy(), tokens.cpu().numpy()

    vectors, tokens = zip(*encoder.in_parts(squares, run), strict=True)
    return np.concatenate(vectors), np.concatenate(tokens)
