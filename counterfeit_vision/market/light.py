"""Light: one key light (a window or a lamp), the sky of the room, and the shadows that things cast.

Colours are linear here. Pictures are stored with a gamma of 2: linear = value ** 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .camera import Camera, above
from .materials import smooth
from .mesh import Sheet
from .raster import rasterise

__all__ = ["Light", "Shadows", "dot", "shade"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Light:
    """``towards`` (3,) unit vector to the key light; ``key``, ``sky``, ``bounce`` (3,) linear colours; ``soft`` shadow
    blur 0..1.
    """

    towards: Array
    key: Array
    sky: Array
    bounce: Array
    soft: float


class Shadows:
    """What stands between points and the key light, and how closed-in the ground is; made once for a photo."""

    def __init__(self, sheets: Sequence[Sheet], light: Light, reach: float, pixels: int) -> None:
        target = np.array([0.0, 0.3, 0.0])
        self.view = above(light.towards.astype(np.float64), target, reach, pixels)
        self.depth = self._depth(sheets, self.view, pixels)
        self.soft = 1.0 + 5.0 * light.soft
        self.top = above(np.array([0.0, 1.0, 0.0]), target, reach, pixels)
        height = (self.top.eye[1] - self._depth(sheets, self.top, pixels)).clip(0, None)
        covered = Image.fromarray(np.where(height > 0, 255, 0).astype(np.uint8))
        near, far = (covered.filter(ImageFilter.GaussianBlur(pixels * part)) for part in (0.008, 0.035))
        self.closed = (np.asarray(near, np.float32) * 0.5 + np.asarray(far, np.float32) * 0.4) / 255

    @staticmethod
    def _depth(sheets: Sequence[Sheet], view: Camera, pixels: int) -> Array:
        fragments = rasterise(sheets, view, (pixels, pixels))
        depth = np.full(pixels * pixels, 1e3, np.float32)
        depth[fragments.pixel] = fragments.depth
        return depth.reshape(pixels, pixels)

    def clearance(self, normal: Array, towards: Array) -> Array:
        """How far (N,) a surface must be behind another to lie in its shadow: more where the light grazes it (3, N)."""
        cosine = np.clip(dot(normal, towards), 0.2, 1)
        return np.asarray(0.015 + self.soft / self.view.focal * np.sqrt(1 - cosine * cosine) / cosine, np.float32)

    def lit(self, points: Array, *, taps: int, bias: float | Array) -> Array:
        """How much of the key light reaches each point (3, N), in 0..1; the more taps, the softer the edge."""
        x, y, depth = self.view.place(points)
        pixels = len(self.depth)
        flat, depth = self.depth.ravel(), depth - np.asarray(bias, np.float32)
        total = np.zeros(len(x), np.float32)
        for tap in range(taps):
            radius, angle = self.soft * np.sqrt((tap + 0.5) / taps), 2.399963 * tap
            column = np.clip(x + np.float32(radius * np.cos(angle)), 0, pixels - 1).astype(np.int32)
            row = np.clip(y + np.float32(radius * np.sin(angle)), 0, pixels - 1).astype(np.int32)
            total += flat[row * pixels + column] > depth
        return total / np.float32(taps)

    def open(self, points: Array) -> Array:
        """How open the ground is at each point (3, N): 1 far from everything, lower at contacts."""
        x, y, _ = self.top.place(points)
        column, row = (np.clip(values, 0, len(self.closed) - 1).astype(np.int32) for values in (x, y))
        return np.asarray(1 - 0.85 * self.closed[row, column], np.float32)


def dot(a: Array, b: Array) -> Array:
    """The dot product of vectors (3, ...) or (3,), along the first axis."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2], np.float32)


def shade(
    albedo: Array, gloss: Array, polish: Array, normal: Array, view: Array, height: Array, lit: Array, light: Light
) -> Array:
    """Light that leaves the surface towards the eye, (3, F) linear.

    ``albedo`` (3, F) linear, ``gloss`` and ``polish`` (F,) 0..1, ``normal`` and ``view`` (3, F) unit (view: to the
    eye), ``height`` (F,) above the ground, ``lit`` (F,) 0..1 of the key light.
    """
    diffuse = np.clip((dot(normal, light.towards) + 0.12) / 1.12, 0, 1) * lit
    up = 0.5 + 0.5 * normal[1]
    closed = np.where(normal[1] > 0.7, np.float32(1), 0.5 + 0.5 * smooth(-0.02, 0.3, height))

    cosine = np.clip(dot(normal, view), 0, 1)
    mirror = 2 * cosine * normal - view
    graze = np.square(1 - cosine)
    fresnel = 0.05 + 0.95 * graze * graze * (1 - cosine)
    exponent = np.exp2(2.5 + 7 * polish)
    lobe = np.clip(dot(mirror, light.towards), 1e-6, 1) ** exponent * (0.15 + exponent / 90) * lit
    # A room in the mirror: brighter above, a window strip on the far side of the key light.
    side = dot(mirror, np.array([-light.towards[0], 0.25, -light.towards[2]], np.float32))
    window = 0.55 * smooth(0.72, 0.8, side) * (1 - smooth(0.9, 0.96, side)) * polish
    room = 0.25 + 0.75 * smooth(-0.2, 0.8, mirror[1])
    metal = smooth(0.88, 0.97, gloss)
    strength = gloss * (fresnel + 0.5 * metal) * (0.4 + 0.6 * polish)
    lobe *= gloss * (0.25 + 0.5 * fresnel)

    colour = np.empty_like(albedo)
    for channel in range(3):
        key, sky, bounce = light.key[channel], light.sky[channel], light.bounce[channel]
        own = albedo[channel] * (diffuse * key + closed * (bounce + up * (sky - bounce)))
        tint = 1 + metal * (albedo[channel] * 1.6 - 1)
        colour[channel] = own * (1 - 0.75 * metal) + tint * (strength * (room * sky + window * key) + lobe * key)
    return colour
