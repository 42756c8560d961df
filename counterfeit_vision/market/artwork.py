"""The flat artwork of a product: what is printed, stamped and stitched on each of its faces.

An :class:`Artwork` is a value: faces made of layers, hashable, compared and changed with :func:`dataclasses.replace`.
That is what an attack does. :func:`flat` paints a face as the designer sees it, :func:`painted` adds the material.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .alphabet import Word
from .logos import Logo
from .shapes import Shape, cover, extent, transformed
from .svg import SvgMark

__all__ = [
    "CHANGED",
    "DENSITY",
    "Artwork",
    "Box",
    "Canvas",
    "Colour",
    "Face",
    "Layer",
    "Mark",
    "box_of",
    "changed",
    "flat",
    "painted",
]

Colour: TypeAlias = "tuple[int, int, int]"
Box: TypeAlias = "tuple[int, int, int, int]"
DENSITY = 900
"""Texels per world unit."""

CHANGED = 24
"""A pixel has changed if a channel differs by more than this, of 255."""


class Canvas:
    """The part ``box`` (x0, y0, x1, y1 in texels) of a face while it is painted.

    ``lanes`` (h, w, 5) float32 in 0..1: red, green, blue (sRGB), gloss, height.
    """

    def __init__(self, size: tuple[int, int], lanes: NDArray[np.float32], box: Box) -> None:
        self.size, self.lanes, self.box = size, lanes, box

    def grid(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Texel centres of this part, x (1, w) and y (h, 1), in texels of the face."""
        x = np.arange(self.box[0], self.box[2], dtype=np.float32)[None] + 0.5
        y = np.arange(self.box[1], self.box[3], dtype=np.float32)[:, None] + 0.5
        return x, y

    def ink(
        self,
        shape: Shape,
        colour: Colour,
        *,
        gloss: float | None = None,
        relief: float = 0.0,
        bold: float = 0.0,
        fade: tuple[float, float] | None = None,
    ) -> None:
        """Fill a shape given in texels of the face; ``fade``: the x where ink is full and where it ends."""
        if not any(len(polygon) for element in shape for polygon in element.polygons):
            return
        pad = 2 + 3 * abs(bold)
        around = extent(shape) + np.array([-pad, -pad, pad, pad])
        x0, y0 = np.maximum(np.floor(around[:2]), self.box[:2]).astype(int)
        x1, y1 = np.minimum(np.ceil(around[2:]), self.box[2:]).astype(int)
        if x1 <= x0 or y1 <= y0:
            return
        mask = cover(transformed(shape, np.eye(2), -np.array([x0, y0], np.float64)), (x1 - x0, y1 - y0), bold=bold)
        if fade is not None:
            x = np.arange(x0, x1, dtype=np.float32) + 0.5
            mask = mask * np.clip((x - fade[1]) / (fade[0] - fade[1]), 0, 1)
        part = self.lanes[y0 - self.box[1] : y1 - self.box[1], x0 - self.box[0] : x1 - self.box[0]]
        part[..., :3] += mask[..., None] * (np.array(colour, np.float32) / 255 - part[..., :3])
        if gloss is not None:
            part[..., 3] += mask * (gloss - part[..., 3])
        if relief:
            part[..., 4] += mask * relief


class Layer(Protocol):
    """Something that can be painted on a face; a frozen dataclass."""

    def paint(self, canvas: Canvas) -> None:
        """Change ``canvas.lanes``."""


@dataclass(frozen=True)
class Mark:
    """A logo or a word in its place on a face.

    ``x``, ``y``: centre in 0..1 of the face; ``height`` in 0..1 of the face's height; ``angle`` degrees; ``stretch``
    widens; ``mirror`` turns it around; ``bold`` thickens by that part of its height. ``fade``: another colour covers it
    from the left, up to that part of its width.
    """

    design: Logo | Word | SvgMark
    x: float
    y: float
    height: float
    colour: Colour
    angle: float = 0.0
    stretch: float = 1.0
    mirror: bool = False
    bold: float = 0.0
    fade: tuple[Colour, float] | None = None
    gloss: float | None = None
    relief: float = 0.0

    @property
    def is_word(self) -> bool:
        """A wordmark, not a logo."""
        return isinstance(self.design, Word)

    def outline(self, size: tuple[int, int]) -> Shape:
        """The shape in texels of a face of ``size`` (width, height)."""
        angle, scale = np.radians(self.angle), self.height * size[1]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.diag([scale * self.stretch * (-1 if self.mirror else 1), scale])
        return transformed(self.design.shape(), matrix, np.array([self.x * size[0], self.y * size[1]]))

    def paint(self, canvas: Canvas) -> None:
        """Ink it, and its fade over that."""
        outline = self.outline(canvas.size)
        bold = self.bold * self.height * canvas.size[1]
        canvas.ink(outline, self.colour, gloss=self.gloss, relief=self.relief, bold=bold)
        if self.fade is not None:
            x0, _, x1, _ = extent(outline)
            end = x0 + (x1 - x0) * self.fade[1]
            canvas.ink(outline, self.fade[0], gloss=self.gloss, bold=bold, fade=(end - 0.06 * (x1 - x0), end))


@dataclass(frozen=True)
class Face:
    """One face: ``size`` in world units, a ``colour``, then ``ground`` layers, ``marks`` and the material's ``finish``.

    ``gloss`` 0..1 is how much it mirrors, ``polish`` 0..1 how sharply.
    """

    size: tuple[float, float]
    colour: Colour
    gloss: float = 0.2
    polish: float = 0.4
    ground: tuple[Layer, ...] = ()
    marks: tuple[Mark, ...] = ()
    finish: tuple[Layer, ...] = ()

    @property
    def texels(self) -> tuple[int, int]:
        """Width and height of its texture."""
        return max(8, round(self.size[0] * DENSITY)), max(8, round(self.size[1] * DENSITY))


@dataclass(frozen=True)
class Artwork:
    """Faces by name. The face ``main`` carries the marks that identify the product."""

    faces: tuple[tuple[str, Face], ...]
    main: str

    def __getitem__(self, name: str) -> Face:
        return dict(self.faces)[name]

    def with_marks(self, change: Callable[[Mark], Mark]) -> Artwork:
        """``change`` applied to every mark of every face."""
        faces = tuple((n, replace(f, marks=tuple(change(mark) for mark in f.marks))) for n, f in self.faces)
        return replace(self, faces=faces)

    def with_face(self, name: str, face: Face) -> Artwork:
        """One face exchanged."""
        return replace(self, faces=tuple((n, face if n == name else f) for n, f in self.faces))


@lru_cache(maxsize=24)
def _ground(face: Face) -> NDArray[np.float32]:
    """``face`` without marks and finish."""
    width, height = face.texels
    lanes = np.empty((height, width, 5), np.float32)
    lanes[:] = [*(channel / 255 for channel in face.colour), face.gloss, 0.5]
    canvas = Canvas((width, height), lanes, (0, 0, width, height))
    for layer in face.ground:
        layer.paint(canvas)
    return lanes


def flat(face: Face, box: Box | None = None) -> Canvas:
    """Ground and marks, without the material; only the part ``box`` of it, if given."""
    width, height = face.texels
    box = box or (0, 0, width, height)
    lanes = _ground(replace(face, marks=(), finish=()))[box[1] : box[3], box[0] : box[2]].copy()
    canvas = Canvas((width, height), lanes, box)
    for mark in face.marks:
        mark.paint(canvas)
    return canvas


def painted(face: Face) -> NDArray[np.uint8]:
    """The texture of a face: (h, w, 5) uint8, red green blue gloss height."""
    canvas = flat(face)
    for layer in face.finish:
        layer.paint(canvas)
    return np.asarray(np.clip(canvas.lanes * 255 + 0.5, 0, 255), np.uint8)


def box_of(face: Face, mark: Mark) -> Box:
    """The box of a mark on its face in texels, with a little air."""
    x0, y0, x1, y1 = extent(mark.outline(face.texels))
    air = 0.04 * (y1 - y0)
    width, height = face.texels
    return (
        int(np.clip(x0 - air, 0, width - 1)),
        int(np.clip(y0 - air, 0, height - 1)),
        int(np.clip(np.ceil(x1 + air), 1, width)),
        int(np.clip(np.ceil(y1 + air), 1, height)),
    )


def changed(old: Face, new: Face) -> NDArray[np.bool_]:
    """Which texels of the flat artwork differ, by more than :data:`CHANGED` in any channel."""
    before, after = flat(old).lanes[..., :3], flat(new).lanes[..., :3]
    far = np.abs(before - after) > CHANGED / 255
    return np.asarray(far[..., 0] | far[..., 1] | far[..., 2])
