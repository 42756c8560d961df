"""Invented logos: nine families of vector marks, each with a few numbers that make it one brand's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .alphabet import Typeface, line_of_text
from .shapes import Element, Polygon, Shape, arc, band, bezier, centred, circle, transformed

__all__ = ["FAMILIES", "Logo"]


@dataclass(frozen=True)
class Logo:
    """A logo is its ``family`` and what the family makes of three numbers in 0..1, a count and a pen ``weight``.

    ``initial`` is the letter for the families that carry one.
    """

    family: str
    numbers: tuple[float, float, float]
    count: int
    weight: float
    initial: str = "A"

    def shape(self) -> Shape:
        """Height 1, centred, y down; each element may have its own colour."""
        return _shape(self)


@lru_cache(maxsize=128)
def _shape(logo: Logo) -> Shape:
    return centred(FAMILIES[logo.family](logo))


def _turned(polygon: Polygon, degrees: float) -> Polygon:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(polygon @ turn, np.float64)


def _ring(radius: float, weight: float, start: float = 0, stop: float = 360, x: float = 0, y: float = 0) -> Element:
    return Element(band(arc(x, y, radius, radius, start, stop), weight))


def _arcs(logo: Logo) -> Shape:
    """Concentric arcs that open to one side, and a dot."""
    a, b, _ = logo.numbers
    step = 0.5 / logo.count
    turn, gap = 360 * a, 60 + 100 * b
    rings = [
        _ring(0.16 + step * i, step * (0.4 + 1.6 * logo.weight), turn + gap / 2, turn + 360 - gap / 2)
        for i in range(logo.count)
    ]
    return (*rings, Element((circle(0, 0, 0.09),)))


def _rosette(logo: Logo) -> Shape:
    """Petals around a centre, every second one shorter."""
    a, b, c = logo.numbers
    wide, petals = 0.07 + 0.09 * a, []
    for i in range(logo.count + 3):
        reach = 0.5 if i % 2 == 0 or b < 0.5 else 0.36
        petal = bezier((0.1, 0), (0.3, -wide * 2.2), (reach * (0.6 + 0.4 * c), -wide), (reach, 0))
        petals.append(
            Element((_turned(np.concatenate([petal, petal[::-1] * [1, -1]]), 360 * i / (logo.count + 3) - 90),))
        )
    return tuple(petals)


def _wing(logo: Logo) -> Shape:
    """Feathers that sweep to one side, each lower and shorter."""
    a, b, c = logo.numbers
    feathers = []
    for i in range(min(logo.count, 4)):
        y, reach = 0.22 * i, 1.25 - (0.12 + 0.1 * a) * i
        rise = 0.35 + 0.25 * b - 0.05 * i
        upper = bezier((0.05 * i, y), (0.35 * reach, y - 0.02), (0.7 * reach, y - rise * 0.3), (reach, y - rise))
        lower = bezier(
            (reach, y - rise), (0.85 * reach, y + 0.02), (0.4 * reach, y + 0.1 + 0.1 * c), (0.05 * i + 0.03, y + 0.11)
        )
        feathers.append(Element((np.concatenate([upper, lower]),)))
    return tuple(feathers)


def _shield(logo: Logo) -> Shape:
    """A shield outline with chevrons."""
    a, b, _ = logo.numbers
    side = bezier((0.42, -0.5), (0.45, 0.1), (0.3 + 0.1 * a, 0.35), (0, 0.55))
    outline = np.concatenate([[[0, -0.5 + 0.1 * b]], side, (side * [-1, 1])[::-1], [[0, -0.5 + 0.1 * b]]])
    outline = outline[np.r_[True, np.abs(np.diff(outline, axis=0)).sum(1) > 1e-9]]
    elements = [Element(band(outline, 0.4 * logo.weight))]
    for i in range(logo.count - 1):
        y = -0.2 + 0.22 * i
        half = 0.25 - 0.06 * i
        elements.append(Element(band(np.array([[-half, y - 0.1], [0, y + 0.05], [half, y - 0.1]]), 0.55 * logo.weight)))
    return tuple(elements)


def _rings(logo: Logo) -> Shape:
    """Two or three rings of different size, interlocked around a point."""
    a, b, c = logo.numbers
    rings = []
    for i in range(2 + logo.count % 2):
        radius, angle = 0.34 - 0.07 * i, 2 * np.pi * (i / 3 + c)
        away = 0.2 + 0.12 * a
        rings.append(_ring(radius, 0.45 * logo.weight, x=away * np.cos(angle), y=away * np.sin(angle)))
    return tuple(rings) if b < 0.5 else (*rings, Element((circle(0, 0, 0.07),)))


def _bars(logo: Logo) -> Shape:
    """Leaning bars that taper and curve, tallest at one end."""
    a, b, c = logo.numbers
    bars = []
    for i in range(logo.count):
        x, tall = 0.34 * i, 0.45 + 0.55 * (i + 1) / logo.count
        lean = 0.15 + 0.35 * a
        wide = 0.1 + 0.35 * logo.weight
        left = bezier((x, 0), (x + lean * 0.2, -tall * 0.5), (x + lean, -tall))
        right = bezier(
            (x + lean + wide * (0.3 + 0.6 * b), -tall), (x + lean * 0.4 + wide, -tall * 0.4), (x + wide, 0.1 * c)
        )
        bars.append(Element((np.concatenate([left, right]),)))
    return tuple(bars)


def _monogram(logo: Logo) -> Shape:
    """The initial in a ring, a diamond or a six-sided frame."""
    a, b, _ = logo.numbers
    sides = (4, 6, 60)[int(a * 2.99)]
    frame = (
        arc(0, 0, 0.5, 0.5, 0, 360)
        if sides == 60
        else np.array([[0.5 * np.sin(t), -0.5 * np.cos(t)] for t in np.linspace(0, 2 * np.pi, sides + 1)])
    )
    face = Typeface(weight=0.1 + 0.6 * logo.weight, serif=0.1 if b > 0.5 else 0.0, contrast=0.5 if b > 0.5 else 0.0)
    letter = transformed(line_of_text(logo.initial, face), np.eye(2) * (0.42 if sides == 4 else 0.5), np.zeros(2))
    return (Element(band(frame, 0.35 * logo.weight)), *letter)


def _leaf(logo: Logo) -> Shape:
    """Leaves on a curved stem."""
    a, b, _ = logo.numbers
    stem = bezier((0, 0.6), (0.05 + 0.1 * a, 0.2), (-0.05, -0.1), (0.1 * b, -0.45))
    leaves = [Element(band(stem, 0.22 * logo.weight))]
    for i in range(logo.count + 1):
        side = 1 if i % 2 else -1
        long = 0.5 - 0.07 * i
        blade = bezier((0, 0), (long * 0.3, -0.22), (long * 0.8, -0.2), (long, 0))
        polygon = np.concatenate([blade, (blade * [1, -0.35])[::-1]])
        base = stem[len(stem) - 1 - 4 * (logo.count - i)] if logo.count - i < 6 else stem[0]
        leaves.append(Element(((_turned(polygon, -35 - 15 * a) * [side, 1]) + base,)))
    return tuple(leaves)


def _knot(logo: Logo) -> Shape:
    """Nested polygons, each turned against the last."""
    a, b, _ = logo.numbers
    sides, elements = 3 + int(a * 3.99), []
    for i in range(logo.count - 1):
        radius = 0.5 - (0.1 + 0.1 * logo.weight) * 1.3 * i
        turns = np.linspace(0, 2 * np.pi, sides + 1) + i * (0.2 + b * 0.6) * np.pi / sides
        elements.append(
            Element(band(np.stack([radius * np.sin(turns), -radius * np.cos(turns)], 1), 0.4 * logo.weight))
        )
    return (*elements, Element((circle(0, 0, 0.07),)))


FAMILIES: dict[str, Callable[[Logo], Shape]] = {
    "arcs": _arcs,
    "rosette": _rosette,
    "wing": _wing,
    "shield": _shield,
    "rings": _rings,
    "bars": _bars,
    "monogram": _monogram,
    "leaf": _leaf,
    "knot": _knot,
}
