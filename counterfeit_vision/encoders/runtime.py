"""The hot core: squares of pixels to vectors and patch tokens, in four steps.

``stage`` brings uint8 pixels to the device, ``forward`` normalises there and runs the tower, ``fetch`` sends the rows
back, ``collect`` waits for them. Only ``collect`` waits: between :meth:`TowerEncoder.begin` and the call of what it
returns, a GPU works and its host is free for the next batch. The same code runs on ``device="cpu"``, where ``forward``
does the work.

A batch that does not fit the device's memory is halved until it does, and later batches are cut to that size at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from .._arrays import Floats, Pixels
from .._concurrency import cached_property
from ..errors import InputError
from ..types import Embeddings
from .base import Squares, precision_of
from .preprocess import Preprocess

__all__ = ["TextTower", "TextTowerEncoder", "Tower", "TowerEncoder"]

if hasattr(os, "register_at_fork"):
    # OpenMP's threads stay behind in the parent: a child that counted on them, in torch or FAISS, would wait for ever.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))

Tower = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]]
"""Normalised (N, 3, S, S) float32 -> global (N, D), patch tokens (N, P, E) or ``None``, their grid (h, w)."""

TextTower = Callable[[Sequence[str]], torch.Tensor]
"""N texts -> (N, D)."""

T = TypeVar("T")

Outputs = tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]
"""Global vectors, patch tokens or ``None``, their grid."""


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
    _most: int = field(default=sys.maxsize, init=False)
    """How many images are known to fit the device's memory at once."""

    def encode(self, images: Pixels) -> Embeddings:
        """See :meth:`counterfeit_vision.encoders.Encoder.encode`."""
        size = self.preprocess.size
        if images.ndim != 4 or images.shape[1:] != (size, size, 3) or images.dtype != np.uint8:
            raise InputError(
                f"encode() got {images.dtype} {images.shape}, expected uint8 (N, {size}, {size}, 3); "
                "for photos of any kind type: cv.embed(photos, encoder=encoder)"
            )
        return self.begin(images)()

    @property
    def in_flight(self) -> int:
        """How many batches are worth beginning before the first is collected."""
        return 2 if self.device.type == "cuda" else 1

    def begin(self, images: Squares) -> Callable[[], Embeddings]:
        """Start what :meth:`encode` does, without its check of the images, and return what waits for the rows."""
        size = self.preprocess.size
        if not len(images):
            return partial(self._begun(np.zeros((1, size, size, 3), np.uint8)), count=0)
        parts = self.in_parts(images, self._begun)
        return parts[0] if len(parts) == 1 else lambda: _joined([collect() for collect in parts])

    def in_parts(self, images: Squares, run: Callable[[Squares], T]) -> list[T]:
        """What ``run`` gives for the images; for parts of them, in order, where the device has no room for all."""
        count = len(images)
        if count <= self._most:
            try:
                return [run(images)]
            except RuntimeError as error:  # a plain one on Apple's GPUs
                if count == 1 or "out of memory" not in str(error):
                    raise
                object.__setattr__(self, "_most", count // 2)
            # Outside of the handler: while the error lives, so do the tensors that its frames hold.
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        step = self._most
        parts = [images[start : start + step] for start in range(0, count, step)]
        return [result for part in parts for result in self.in_parts(part, run)]

    def _begun(self, images: Squares) -> Callable[..., Embeddings]:
        outputs, arrived = self.fetch(self.forward(self.stage(images)))
        return partial(self.collect, outputs, arrived, count=len(images))

    def stage(self, images: Squares) -> torch.Tensor:
        """Pixels to the device, as uint8; to a CUDA GPU from page-locked memory, which torch keeps for the next batch.
        A copy of other memory, which is freed here, is waited for.
        """
        locked = self.device.type == "cuda"
        if locked:
            pixels = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=True)
            np.stack(list(images), out=pixels.numpy())
        else:
            pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        return pixels.to(self.device, non_blocking=locked)

    def forward(self, pixels: torch.Tensor) -> Outputs:
        """Normalise and run the tower; the global vectors leave with unit length."""
        with torch.inference_mode():
            vectors, patches, grid = self.tower(self.normalised(pixels))
            vectors = torch.nn.functional.normalize(vectors.float(), dim=-1)
            return vectors, None if patches is None else patches.to(torch.float16), grid

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, S, S, 3) uint8 on the device -> (N, 3, S, S) float32, channels last, as the tower was trained on."""
        mean, std = self._levels
        return pixels.flatten(2).float().sub_(mean).div_(std).view(pixels.shape).permute(0, 3, 1, 2)

    @cached_property
    def _levels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (3 S,) float32 in grey levels, of a row of pixels: on a CPU, arithmetic along a
        row is several times as quick as along three channels. On the device.
        """
        mean, std = (
            torch.tensor(value, device=self.device).mul(255).repeat(self.preprocess.size)
            for value in (self.mean, self.std)
        )
        return mean, std

    def fetch(self, outputs: Outputs) -> tuple[Outputs, Callable[[], object]]:
        """Send the rows to the host, and say what waits for them. A GPU works its queue off in order: asked for later,
        they would come after the next batch.
        """
        vectors, patches, grid = outputs
        if not vectors.is_cuda:
            return outputs, lambda: None
        vectors = vectors.to("cpu", non_blocking=True)  # into page-locked memory, which torch takes for it
        patches = None if patches is None else patches.to("cpu", non_blocking=True)
        return (vectors, patches, grid), torch.cuda.current_stream(self.device).record_event().synchronize

    def collect(self, outputs: Outputs, arrived: Callable[[], object], *, count: int) -> Embeddings:
        """Wait, and give the first ``count`` rows as numpy; page-locked memory goes back to torch for the next."""
        arrived()
        vectors, patches, grid = outputs
        return Embeddings(
            vectors=self._own(vectors[:count]),
            patches=None if patches is None else self._own(patches[:count]),
            grid=grid,
            content=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
            ids=tuple(str(row) for row in range(count)),
            fingerprint=self.fingerprint,
        )

    def _own(self, rows: torch.Tensor) -> NDArray[Any]:
        """Rows as numpy, copied out of page-locked memory. Nobody asks torch whether it is: that starts CUDA, also for
        an encoder on the CPU of a machine that has a GPU, and fails in a forked process.
        """
        array: NDArray[Any] = rows.cpu().numpy()
        return array.copy() if self.device.type == "cuda" else array

    def facts(self) -> dict[str, str | int]:
        """What a measurement of its speed depends on: name, precision, device (a card by its name), torch, threads."""
        on_card = self.device.type == "cuda"
        return {
            "encoder": self.name,
            "dtype": precision_of(self),
            "device": f"{self.device} ({torch.cuda.get_device_name(self.device)})" if on_card else str(self.device),
            "batch": self.batch_size,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }

    def __repr__(self) -> str:
        return f"<Encoder {self.name} on {self.device} ({precision_of(self)}), {self.fingerprint[:12]}>"


def _joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Parts of one batch, in order."""
    patches = [part.patches for part in parts if part.patches is not None]
    content = np.concatenate([part.content for part in parts])
    return Embeddings(
        vectors=np.concatenate([part.vectors for part in parts]),
        patches=np.concatenate(patches) if patches else None,
        grid=parts[0].grid,
        content=content,
        ids=tuple(str(row) for row in range(len(content))),
        fingerprint=parts[0].fingerprint,
    )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TextTowerEncoder(TowerEncoder):
    """A :class:`TowerEncoder` whose model reads text, too: a :class:`~counterfeit_vision.encoders.base.TextEncoder`.

    ``load_text`` makes the text tower; it is called when the first text is encoded, for most runs never ask.
    """

    load_text: Callable[[], TextTower]

    @cached_property
    def _text(self) -> TextTower:
        return self.load_text()

    def encode_text(self, texts: Sequence[str]) -> Floats:
        """See :meth:`counterfeit_vision.encoders.base.TextEncoder.encode_text`."""
        if isinstance(texts, str):
            raise InputError(f"encode_text() got one text, expected a list: [{texts!r}]")
        texts = list(texts)
        if not texts:
            return self.encode_text([""])[:0]
        batches = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        with torch.inference_mode():
            rows = [torch.nn.functional.normalize(self._text(batch).float(), dim=-1).cpu() for batch in batches]
        return np.asarray(torch.cat(rows).numpy(), np.float32)
