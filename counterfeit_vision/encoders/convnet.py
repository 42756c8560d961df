"""Convolutional towers from timm: pooled features and the cells of a middle feature map, for fast work on a CPU."""

from __future__ import annotations

from typing import Any

import torch

from .weights import fill

__all__ = ["ConvnetForward", "build_tower"]


def build_tower(architecture: str, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A timm model with these weights, every tensor used and none missing."""
    import timm

    tower: torch.nn.Module = timm.create_model(architecture, pretrained=False)
    fill(tower, state, architecture)
    return tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class ConvnetForward:
    """One pass through a timm model: mean of the last feature map, and the cells of feature stage ``layer``
    (0-based).
    """

    def __init__(self, tower: Any, layer: int) -> None:
        self.tower, self.layer = tower, layer

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        dtype = next(self.tower.parameters()).dtype
        images = images.to(dtype=dtype, memory_format=torch.channels_last)
        last, stages = self.tower.forward_intermediates(images, indices=[self.layer])
        cells = stages[0]
        return last.mean((2, 3)), cells.flatten(2).transpose(1, 2), (cells.shape[2], cells.shape[3])
