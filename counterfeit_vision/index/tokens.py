"""Patch tokens of references, kept in 16 KB a photo.

A token is divided by each dimension's usual size (a vision transformer has a few dimensions that dwarf the rest),
turned into the directions in which the catalogue's own tokens differ most, cut to :data:`DIMENSIONS` of them and stored
in 4 bits each with one float16 scale: 196 tokens x (80 + 2) bytes. Comparisons run in that space, on unit vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Ints

__all__ = ["PackedTokens", "TokenSpace"]

DIMENSIONS = 160
SAMPLE = 20_000  # tokens that the space is fitted on, at most
LEVELS = 7  # a 4-bit value is -7..7
AT_ONCE = 64  # photos packed at once: in float32 the tokens of each take 1.8 MB on the way

_BYTES = np.arange(256)
_PAIRS = (np.stack([_BYTES & 15, _BYTES >> 4], axis=1) - 8).astype(np.float32).view(np.float64)[:, 0]
"""The two values of each byte as float32, side by side: one look-up brings both."""


@dataclass(frozen=True, eq=False)
class PackedTokens:
    """N photos' tokens: ``codes`` (N, P, d / 2) uint8, two 4-bit values a byte; ``scales`` (N, P) float16."""

    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.codes)

    def unpack(self, rows: Ints | slice) -> NDArray[np.float16]:
        """Some photos' tokens (n, P, d) float16, unit length."""
        import torch

        tokens = _PAIRS[self.codes[rows]].view(np.float32)
        tokens *= self.scales[rows].astype(np.float32)[..., None]
        tokens /= np.maximum(np.sqrt(np.einsum("npd,npd->np", tokens, tokens)), 1e-12)[..., None]
        short: NDArray[np.float16] = torch.from_numpy(tokens).half().numpy()  # numpy takes six times as long
        return short


@dataclass(frozen=True, eq=False)
class TokenSpace:
    """The space that patches are compared in: ``scale`` (E,) float32 and orthonormal ``basis`` (E, d) float32."""

    scale: Floats
    basis: Floats

    @classmethod
    def fit(cls, patches: NDArray[np.float16]) -> TokenSpace:
        """Learn the space from references' raw patch tokens (N, P, E), in a fixed sample of them."""
        flat = patches.reshape(-1, patches.shape[-1])
        step = -(-len(flat) // SAMPLE)
        while math.gcd(step, math.isqrt(patches.shape[1])) > 2:  # else few of the grid's columns are seen, or one
            step += 1
        sample = flat[::step].astype(np.float32)
        scale = np.maximum(sample.std(axis=0), 1e-6)
        tokens = _unit(sample / scale)
        _, directions = np.linalg.eigh(np.cov(tokens.T, bias=True) + _mean_outer(tokens))
        dimensions = min(DIMENSIONS, flat.shape[1] // 2 * 2)
        basis = directions[:, ::-1][:, :dimensions]
        return cls(scale, np.ascontiguousarray(basis, dtype=np.float32))

    def project(self, patches: NDArray[np.float16]) -> Floats:
        """Raw tokens (..., E) -> unit vectors (..., d) float32: rounded once more, scores would depend on the batch."""
        return _unit((patches.astype(np.float32) / self.scale) @ self.basis)

    def pack(self, patches: NDArray[np.float16]) -> PackedTokens:
        """Raw tokens (N, P, E) -> what is kept of them."""
        some = range(0, len(patches), AT_ONCE)
        parts = [self._packed(patches[row : row + AT_ONCE]) for row in some]
        return PackedTokens(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("codes", "scales")))

    def _packed(self, patches: NDArray[np.float16]) -> PackedTokens:
        tokens = self.project(patches)
        scales = np.maximum(np.abs(tokens).max(axis=-1) / LEVELS, 1e-4).astype(np.float16)
        values = np.rint(tokens / scales.astype(np.float32)[..., None]).clip(-LEVELS, LEVELS).astype(np.int8) + 8
        pairs = values.astype(np.uint8).reshape(*values.shape[:-1], -1, 2)
        return PackedTokens(pairs[..., 0] | pairs[..., 1] << 4, scales)


def _unit(tokens: NDArray[np.floating]) -> Floats:
    return np.asarray(tokens / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-12), np.float32)


def _mean_outer(tokens: Floats) -> Floats:
    mean = tokens.mean(axis=0)
    return np.asarray(np.outer(mean, mean), np.float32)
