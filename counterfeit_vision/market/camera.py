"""Where the photographer stands: world points to pixels and back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .mesh import rotation

__all__ = ["Camera", "above", "look"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """``eye`` in the world, ``axes`` rows right, up, backwards; ``focal`` pixels, ``centre`` (x, y) pixels.

    Without ``perspective`` (a view along parallel rays, for shadows) ``focal`` is pixels per unit.
    """

    eye: Array
    axes: Array = field(repr=False)
    focal: float
    centre: tuple[float, float]
    perspective: bool = True

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (..., 2) and depth (...) of world points (..., 3)."""
        local = (points - self.eye) @ self.axes.T
        depth = -local[..., 2]
        scale = self.focal / np.maximum(depth, 1e-6) if self.perspective else np.full_like(depth, self.focal)
        x = self.centre[0] + local[..., 0] * scale
        y = self.centre[1] - local[..., 1] * scale
        return np.stack([x, y], axis=-1), depth

    def towards(self, points: Array) -> Array:
        """Unnormalised directions from world points to the eye."""
        return self.eye - points if self.perspective else np.broadcast_to(self.axes[2], points.shape)

    def rays(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Directions (3, ...) through pixels, one unit of depth long: point = eye + depth * ray."""
        right, up = (x - self.centre[0]) / np.float32(self.focal), (self.centre[1] - y) / np.float32(self.focal)
        a = self.axes.astype(np.float32)
        return np.stack([right * a[0, i] + up * a[1, i] - a[2, i] for i in range(3)])

    def place(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Pixel x, y and depth, each (N,), of world points (3, N): :meth:`project` for many points."""
        e, a = self.eye.astype(np.float32), self.axes.astype(np.float32)
        x, y, z = points[0] - e[0], points[1] - e[1], points[2] - e[2]
        right, up, back = (a[i, 0] * x + a[i, 1] * y + a[i, 2] * z for i in range(3))
        scale = np.float32(self.focal) / np.maximum(-back, 1e-6) if self.perspective else np.float32(self.focal)
        return self.centre[0] + right * scale, self.centre[1] - up * scale, -back

    def scaled(self, factor: float) -> Camera:
        """The same view on a grid ``factor`` times as fine."""
        return replace(self, focal=self.focal * factor, centre=(self.centre[0] * factor, self.centre[1] * factor))


def look(
    target: Array, distance: float, pitch: float, roll: float, focal: float, centre: tuple[float, float]
) -> Camera:
    """A camera ``distance`` from ``target``, ``pitch`` degrees above the horizon, facing away from +z."""
    axes = rotation("z", roll) @ rotation("x", -pitch).T
    return Camera(target + distance * axes[2], axes, focal, centre)


def above(direction: Array, target: Array, reach: float, pixels: int) -> Camera:
    """Parallel rays that come from ``direction`` (to the light), on a square of ``pixels`` that spans 2 * ``reach``."""
    back = direction / np.linalg.norm(direction)
    helper = np.array([0.0, 0.0, -1.0]) if abs(back[1]) > 0.9 else np.array([0.0, 1.0, 0.0])
    right = np.cross(helper, back)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(back, right), back])
    return Camera(target + back * reach * 4, axes, pixels / (2 * reach), (pixels / 2, pixels / 2), perspective=False)
