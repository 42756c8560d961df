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

__all__ = ["deep_tokens"]

DEPTHS = (0.5, 0.75, 1.0)  # of the blocks: the 6th, 9th and 12th of CLIP B/16


def deep_tokens(encoder: Encoder, squares: NDArray[np.uint8], depths: Sequence[float] = DEPTHS) -> NDArray[np.float32]:
    """``squares`` (N, S, S, 3) uint8 -> (N, D, P, E) float32: the patch tokens at D depths.

    D is one for each of ``depths``, shallowest first, for an open_clip transformer (fewer where it has too few blocks);
    for any other encoder that gives patch tokens it is 1, the tokens it gives.
    """
    tower = getattr(getattr(encoder, "tower", None), "tower", None)
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    if tower is None or blocks is None or not isinstance(encoder, TowerEncoder):
        patches = encoder.encode(squares).patches
        assert patches is not None
        return patches[:, None].astype(np.float32)
    mean, std = (torch.tensor(levels, device=encoder.device).view(1, 3, 1, 1) for levels in (encoder.mean, encoder.std))
    low = encoder.dtype != torch.float32
    with torch.inference_mode(), torch.autocast(encoder.device.type, torch.bfloat16, enabled=low):
        images = (encoder.stage(squares).permute(0, 3, 1, 2) / 255 - mean) / std
        found = tower.forward_intermediates(
            images.to(tower.conv1.weight.dtype),
            indices=sorted({max(round(depth * len(blocks)), 1) - 1 for depth in depths}),
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
        )
        return np.asarray(torch.stack(found["image_intermediates"], dim=1).float().cpu().numpy())
