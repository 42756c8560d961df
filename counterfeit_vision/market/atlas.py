"""All faces of an artwork in one table of texels, so that fragments of every sheet are coloured in one step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .artwork import Artwork, Face, changed, painted
from .raster import Fragments

__all__ = ["Atlas", "Texels", "atlas"]


@dataclass(frozen=True, eq=False)
class Texels:
    """What the artwork says at each fragment: ``colour`` (3, F), ``gloss``, ``height``, ``polish`` (F,) float32 in
    0..1, ``changed`` (F,) bool.
    """

    colour: NDArray[np.float32]
    gloss: NDArray[np.float32]
    height: NDArray[np.float32]
    polish: NDArray[np.float32]
    changed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Atlas:
    """``table`` (6, N) uint8 (red, green, blue, gloss, height, changed); per face where it begins, width and height."""

    names: tuple[str, ...]
    table: NDArray[np.uint8]
    start: NDArray[np.int32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    polish: NDArray[np.float32]

    def at(self, fragments: Fragments, faces: list[str]) -> Texels:
        """Texels of fragments; ``faces`` names the face of each sheet."""
        face = np.array([self.names.index(name) for name in faces])
        start, width, height, polish = (
            a[face][fragments.sheet] for a in (self.start, self.width, self.height, self.polish)
        )
        u, v = fragments.uv[0] * width, fragments.uv[1] * height
        column = np.clip(u, 0, width - 1).astype(np.int32)
        row = np.clip(v, 0, height - 1).astype(np.int32)
        place = start + row * width + column
        values = self.table[:4, place] * np.float32(1 / 255)
        relief = self._relief(start, width, np.clip(u - 0.5, 0, width - 1.001), np.clip(v - 0.5, 0, height - 1.001))
        return Texels(values[:3], values[3], relief, polish, self.table[5, place] > 0)

    def _relief(
        self, start: NDArray[np.int32], width: NDArray[np.int32], u: NDArray[np.float32], v: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Height between the four texels around each place: its slopes are lit, so it must be smooth."""
        column, row = u.astype(np.int32), v.astype(np.int32)
        right, below = (u - column).astype(np.float32), (v - row).astype(np.float32)
        at, lane = start + row * width + column, self.table[4]
        upper = lane[at] * (1 - right) + lane[at + 1] * right
        at += width
        lower = lane[at] * (1 - right) + lane[at + 1] * right
        return np.asarray((upper + (lower - upper) * below) / 255, np.float32)


@lru_cache(maxsize=64)
def _texture(face: Face) -> NDArray[np.uint8]:
    return painted(face)


def _reduced(lanes: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    """(6, h, w) at half the size, ``level`` times: means of the colours, the greatest change."""
    for _ in range(level):
        height, width = (n // 2 * 2 for n in lanes.shape[1:])
        if min(height, width) < 8:
            break
        corners = [lanes[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
        mean = np.asarray(sum(corner.astype(np.uint16) for corner in corners) // 4, np.uint8)
        mean[5] = np.maximum.reduce([corner[5] for corner in corners])
        lanes = mean
    return lanes


@lru_cache(maxsize=8)
def atlas(artwork: Artwork, genuine: Artwork, level: int = 0) -> Atlas:
    """The textures of ``artwork``, with what differs from ``genuine``; each ``level`` halves the size."""
    tables = []
    for name, face in artwork.faces:
        texture = _texture(face)
        lanes = np.zeros((6, *texture.shape[:2]), np.uint8)
        lanes[:5] = np.moveaxis(texture, 2, 0)
        if face != genuine[name]:
            lanes[5] = changed(genuine[name], face)
        tables.append(_reduced(lanes, level))
    counts = np.array([table[0].size for table in tables])
    return Atlas(
        tuple(name for name, _ in artwork.faces),
        np.concatenate([table.reshape(6, -1) for table in tables], axis=1),
        (np.cumsum(counts) - counts).astype(np.int32),
        np.array([table.shape[2] for table in tables], np.int32),
        np.array([table.shape[1] for table in tables], np.int32),
        np.array([face.polish for _, face in artwork.faces], np.float32),
    )
