"""Flat shapes: polygons grouped in elements, and how they become an ink mask.

A mark (a logo or a word) is a tuple of :class:`Element`; an element is what can have its own colour: a letter, a ring,
a petal. Shapes live in their own frame: centred on the origin, y down, height 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = [
    "Element",
    "Polygon",
    "Shape",
    "arc",
    "band",
    "bezier",
    "centred",
    "circle",
    "cover",
    "extent",
    "transformed",
]

Polygon: TypeAlias = "NDArray[np.float64]"
"""(N, 2) float64: x, y of the corners; closed by itself."""

OVERSAMPLE = 3


@dataclass(frozen=True, eq=False)
class Element:
    """Polygons that are filled together: ``union`` of all, or by the winding rules of SVG."""

    polygons: tuple[Polygon, ...] = field(repr=False)
    rule: Literal["union", "nonzero", "evenodd"] = "union"


Shape: TypeAlias = "tuple[Element, ...]"


def arc(cx: float, cy: float, rx: float, ry: float, start: float, stop: float, *, power: float = 2.0) -> Polygon:
    """Points on an ellipse from ``start`` to ``stop`` degrees; ``power`` above 2 makes it squarer (a superellipse)."""
    angle = np.radians(np.linspace(start, stop, max(5, int(abs(stop - start) / 7) + 1)))
    cos, sin = np.cos(angle), np.sin(angle)
    scale = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
    return np.stack([cx + rx * scale * cos, cy + ry * scale * sin], axis=1)


def circle(cx: float, cy: float, radius: float) -> Polygon:
    """A circle as a polygon."""
    return arc(cx, cy, radius, radius, 0, 360)[:-1]


def bezier(*controls: tuple[float, float], steps: int = 24) -> Polygon:
    """A Bezier curve of any degree, ``steps`` + 1 points."""
    t = np.linspace(0, 1, steps + 1)[:, None]
    points = [np.broadcast_to(np.array(control, np.float64), (steps + 1, 2)) for control in controls]
    while len(points) > 1:
        points = [(1 - t) * a + t * b for a, b in itertools.pairwise(points)]
    return points[0]


def band(line: Polygon, width: float | NDArray[np.float64]) -> tuple[Polygon, ...]:
    """A stroke along ``line`` as quads, mitred where they meet; ``width`` (N,) or one number. Closed if the ends meet.

    No two points that follow each other may be equal.
    """
    steps = np.diff(line, axis=0)
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / np.hypot(*steps.T)[:, None]
    closed = bool(np.allclose(line[0], line[-1]))
    before = np.vstack([normals[-1:] if closed else normals[:1], normals])
    after = np.vstack([normals, normals[:1] if closed else normals[-1:]])
    middle = before + after
    middle /= np.maximum((middle * before).sum(1), 0.35)[:, None]
    half = np.broadcast_to(np.asarray(width, np.float64) / 2, (len(line),))[:, None]
    left, right = line + half * middle, line - half * middle
    return tuple(np.stack([left[i], left[i + 1], right[i + 1], right[i]]) for i in range(len(line) - 1))


def extent(shape: Iterable[Element]) -> NDArray[np.float64]:
    """``x0 y0 x1 y1`` around all polygons."""
    points = np.concatenate([polygon for element in shape for polygon in element.polygons])
    return np.concatenate([points.min(0), points.max(0)])


def transformed(shape: Shape, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Shape:
    """Every point p becomes ``matrix @ p + offset``."""
    return tuple(Element(tuple(p @ matrix.T + offset for p in e.polygons), e.rule) for e in shape)


def centred(shape: Shape) -> Shape:
    """Moved to the origin and scaled to height 1 (or width 1.6, if it is very wide)."""
    x0, y0, x1, y1 = extent(shape)
    scale = 1 / max(y1 - y0, (x1 - x0) / 1.6, 1e-9)
    return transformed(shape, np.eye(2) * scale, -scale * np.array([x0 + x1, y0 + y1]) / 2)


def _fill(canvas: Image.Image, polygon: Polygon, value: int) -> None:
    if len(polygon) >= 3:
        ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in polygon], fill=value)


def _signed_area(polygon: Polygon) -> float:
    x, y = polygon.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def cover(shape: Sequence[Element], size: tuple[int, int], *, bold: float = 0.0) -> NDArray[np.float32]:
    """Ink of a shape given in pixels: (height, width) float32 in 0..1, antialiased. ``size`` is (width, height).

    ``bold`` pixels are added to every edge (or taken, below 0).
    """
    big = (size[0] * OVERSAMPLE, size[1] * OVERSAMPLE)
    total = Image.new("L", big)
    for element in shape:
        polygons = [polygon * OVERSAMPLE - 0.5 for polygon in element.polygons]
        if element.rule == "union":
            for polygon in polygons:
                _fill(total, polygon, 255)
            continue
        winding = np.zeros((big[1], big[0]), np.int16)
        layer = Image.new("L", big)
        for polygon in polygons:
            x0, y0 = np.clip(np.floor(polygon.min(axis=0)) - 1, 0, big).astype(int).tolist()
            x1, y1 = np.clip(np.ceil(polygon.max(axis=0)) + 2, 0, big).astype(int).tolist()
            if x0 < x1 and y0 < y1:
                _fill(layer, polygon, 1)
                filled = np.asarray(layer.crop((x0, y0, x1, y1)), np.int16)
                winding[y0:y1, x0:x1] += filled * (1 if _signed_area(polygon) > 0 else -1)
                layer.paste(0, (x0, y0, x1, y1))
        inside = winding % 2 != 0 if element.rule == "evenodd" else winding != 0
        total.paste(255, mask=Image.fromarray(inside.astype(np.uint8) * 255))
    if abs(bold) > 1e-3:
        # An edge blurred with sigma s has the value 0.2 (0.8) at 0.84 s outside (inside) of where it was.
        blurred = np.asarray(total.filter(ImageFilter.GaussianBlur(float(abs(bold)) * OVERSAMPLE / 0.84)))
        total = Image.fromarray((blurred > (51 if bold > 0 else 204)).astype(np.uint8) * 255)
    return np.asarray(total.reduce(OVERSAMPLE), np.float32) / np.float32(255)
