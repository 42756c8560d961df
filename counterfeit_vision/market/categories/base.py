"""What a category of goods is: a way to design its artwork, a way to build its body, and the ways it is put down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..alphabet import Word
from ..artwork import Artwork, Colour, Mark
from ..brands import Brand, luminance
from ..mesh import Sheet, rotation
from ..shapes import extent

__all__ = ["Category", "Design", "Pose", "Scheme", "darker", "lockup", "mixed"]


@dataclass(frozen=True)
class Scheme:
    """The colours of one product: ``ground``, ``ink`` on it, a ``second`` colour; ``name`` of the variant."""

    ground: Colour
    ink: Colour
    second: Colour
    name: str


@dataclass(frozen=True)
class Pose:
    """A way to put a product down: ``turns`` in order, then a yaw in +-``yaw`` degrees; seen from ``pitch`` degrees
    above.
    """

    turns: tuple[tuple[str, float], ...]
    yaw: float
    pitch: tuple[float, float]

    def matrix(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A rotation of this pose."""
        matrix = np.eye(3)
        for axis, degrees in self.turns:
            matrix = rotation(axis, degrees) @ matrix
        return rotation("y", float(np.clip(rng.normal(0, self.yaw / 1.8), -self.yaw, self.yaw))) @ matrix


@dataclass(frozen=True)
class Design:
    """A product that can be photographed: its ``artwork``, and ``build``, which makes a body of sheets that use its
    faces.

    The body stands on the ground around the y axis, its main face to the viewer. Each call of ``build`` bends it anew.
    ``noun`` is its word in ids and titles; ``poses`` are those of phone photos, ``studio`` is that of the brand's own.
    """

    noun: str
    artwork: Artwork
    build: Callable[[np.random.Generator], list[Sheet]]
    poses: tuple[Pose, ...]
    studio: Pose


@dataclass(frozen=True)
class Category:
    """``price`` range, and ``design(brand, scheme, rng)``."""

    name: str
    price: tuple[float, float]
    design: Callable[[Brand, Scheme, np.random.Generator], Design]


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """``share`` of b in a."""
    r, g, c = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, c


def darker(colour: Colour, factor: float) -> Colour:
    """Towards black."""
    return mixed((0, 0, 0), colour, factor)


def lockup(
    brand: Brand,
    size: tuple[float, float],
    box: tuple[float, float, float, float],
    ink: Colour,
    *,
    accent: Colour | None = None,
    beside: bool = False,
    gloss: float | None = None,
    relief: float = 0.0,
) -> tuple[Mark, Mark]:
    """Logo and wordmark as large as fit in ``box`` (0..1 of a face of ``size``), above each other or side by side."""
    width, height = (box[2] - box[0]) * size[0], (box[3] - box[1]) * size[1]
    x, y = (box[0] + box[2]) / 2 * size[0], (box[1] + box[3]) / 2 * size[1]
    word = Word(brand.name, brand.face)
    long, wide = (float(np.ptp(extent(shape)[[0, 2]])) for shape in (word.shape(), brand.logo.shape()))
    if beside:
        tall = min(height * 0.6, width / (1.5 * wide + 0.5 + long))
        logo_height, gap = 1.5 * tall, 0.5 * tall
        total = wide * logo_height + gap + long * tall
        places = ((x - total / 2 + wide * logo_height / 2, y), (x + total / 2 - long * tall / 2, y))
    else:
        tall = min(width / long, height * 0.26)
        logo_height = min(height - 1.5 * tall, width / wide)
        total = logo_height + 1.5 * tall
        places = ((x, y - total / 2 + logo_height / 2), (x, y + total / 2 - tall / 2))
    logo_ink = ink if accent is None or abs(luminance(accent) - luminance(ink)) > 0.6 else accent
    return (
        Mark(
            brand.logo,
            places[0][0] / size[0],
            places[0][1] / size[1],
            logo_height / size[1],
            logo_ink,
            gloss=gloss,
            relief=relief,
        ),
        Mark(word, places[1][0] / size[0], places[1][1] / size[1], tall / size[1], ink, gloss=gloss, relief=relief),
    )
