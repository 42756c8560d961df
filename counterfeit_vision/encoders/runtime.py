"""The hot core: squares of pixels to vectors and patch tokens, in three steps.

``stage`` brings uint8 pixels to the device, ``forward`` normalises there and runs the tower, ``collect`` waits and
brings the rows back. Only ``collect`` waits. The same code runs on ``device="cpu"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..preprocess import Preprocess
from ..types import Embeddings

__all__ = ["TextTower", "TextTowerEncoder", "Tower", "TowerEncoder"]

Tower = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]]
"""Normalised (N, 3, S, S) -> global (N, D), patch tokens (N, P, E) or ``None``, their grid (h, w)."""

TextTower = Callable[[Sequence[str]], torch.Tensor]
"""N texts -> (N, D)."""


@dataclass(frozen=True, eq=False)
class TowerEncoder:
    """An :class:`~counterfeit_vision.encoders.Encoder` around a torch image tower. Made by :func:`load_encoder`.

    ``mean`` and ``std`` are per RGB channel in 0..1. ``origin`` says where the weights came from, ``recipe`` by which
    of ``models/`` it was made, if by one.
    """

    name: str
    tower: Tower
    preprocess: Preprocess
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str
    device: torch.device
    dtype: torch.dtype
    origin: str
    batch_size: int = 16
    recipe: str | None = None

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        """See :meth:`counterfeit_vision.encoders.Encoder.encode`."""
        size = self.preprocess.size
        if images.ndim != 4 or images.shape[1:] != (size, size, 3) or images.dtype != np.uint8:
            raise InputError(
                f"encode() got {images.dtype} {images.shape}, expected uint8 (N, {size}, {size}, 3); "
                "for photos of any kind type: cv.embed(photos, encoder=encoder)"
            )
        if not len(images):
            return self.collect(self.forward(self.stage(np.zeros((1, size, size, 3), np.uint8))), count=0)
        return self.collect(self.forward(self.stage(images)), count=len(images))

    def stage(self, images: NDArray[np.uint8]) -> torch.Tensor:
        """Pixels to the device, as uint8."""
        return torch.from_numpy(np.require(images, requirements=["C", "W"])).to(self.device, non_blocking=True)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]:
        """Normalise and run the tower; the global vectors leave with unit length."""
        mean = torch.tensor(self.mean, device=self.device).mul(255).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=self.device).mul(255).view(1, 3, 1, 1)
        with torch.inference_mode():
            images = ((pixels.permute(0, 3, 1, 2).float() - mean) / std).to(self.dtype)
            vectors, patches, grid = self.tower(images)
            vectors = torch.nn.functional.normalize(vectors.float(), dim=-1)
            return vectors, None if patches is None else patches.to(torch.float16), grid

    def collect(self, outputs: tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]], *, count: int) -> Embeddings:
        """Wait, and bring the first ``count`` rows back as numpy."""
        vectors, patches, grid = outputs
        return Embeddings(
            vectors=vectors[:count].cpu().numpy(),
            patches=None if patches is None else patches[:count].cpu().numpy(),
            grid=grid,
            content=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
            ids=tuple(str(row) for row in range(count)),
            fingerprint=self.fingerprint,
        )

    def __repr__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return f"<Encoder {self.name} on {self.device} ({kind}), {self.fingerprint[:12]}>"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TextTowerEncoder(TowerEncoder):
    """A :class:`TowerEncoder` whose model reads text, too: a :class:`~counterfeit_vision.encoders.base.TextEncoder`.

    ``load_text`` makes the text tower; it is called when the first text is encoded, for most runs never ask.
    """

    load_text: Callable[[], TextTower]

    @cached_property
    def _text(self) -> TextTower:
        return self.load_text()

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`counterfeit_vision.encoders.base.TextEncoder.encode_text`."""
        if isinstance(texts, str):
            raise InputError(f"encode_text() got one text, expected a list: [{texts!r}]")
        if not texts:
            return self.encode_text([""])[:0]
        batches = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        with torch.inference_mode():
            rows = [torch.nn.functional.normalize(self._text(batch).float(), dim=-1).cpu() for batch in batches]
        return np.asarray(torch.cat(rows).numpy(), np.float32)
