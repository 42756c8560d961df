"""Layers of artwork other than marks: panels, patterns, small print, barcodes, seams, grain, wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .alphabet import Typeface, line_of_text
from .artwork import Canvas, Colour
from .logos import Logo
from .materials import Map, grain, noise, smooth
from .shapes import Element, band, extent, transformed
from .svg import SvgMark

__all__ = ["Barcode", "Edge", "Grain", "Panel", "Pattern", "Print", "Shade", "Stitch", "Wear"]


SMALL_PRINT = Typeface(weight=0.1)


def _blend(canvas: Canvas, mask: Map, colour: Colour) -> None:
    canvas.lanes[..., :3] += mask[..., None] * (np.array(colour, np.float32) / 255 - canvas.lanes[..., :3])


@dataclass(frozen=True)
class Panel:
    """A filled box in 0..1 of the face."""

    x0: float
    y0: float
    x1: float
    y1: float
    colour: Colour
    gloss: float | None = None
    relief: float = 0.0

    def paint(self, canvas: Canvas) -> None:
        corners = np.array([[self.x0, self.y0], [self.x1, self.y0], [self.x1, self.y1], [self.x0, self.y1]])
        canvas.ink((Element((corners * canvas.size,)),), self.colour, gloss=self.gloss, relief=self.relief)


@dataclass(frozen=True)
class Pattern:
    """A pattern that repeats over a box: ``stripes``, ``checks``, ``dots``, ``diamonds``, ``waves``, ``chevrons`` or
    ``logo``.

    ``period`` in 0..1 of the face's height, ``angle`` degrees, ``amount`` 0..1 of ink.
    """

    kind: str
    colour: Colour
    period: float
    angle: float = 0.0
    amount: float = 0.4
    opacity: float = 1.0
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    logo: Logo | SvgMark | None = None
    relief: float = 0.0

    def paint(self, canvas: Canvas) -> None:
        x, y = canvas.grid()
        period = self.period * canvas.size[1]
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        u, v = (x * cos + y * sin) / period, (y * cos - x * sin) / period
        inside = (x >= self.box[0] * canvas.size[0]) & (x < self.box[2] * canvas.size[0])
        inside = inside & (y >= self.box[1] * canvas.size[1]) & (y < self.box[3] * canvas.size[1])
        mask = self._ink(u.astype(np.float32), v.astype(np.float32), 1.2 / period) * inside * self.opacity
        _blend(canvas, np.asarray(mask, np.float32), self.colour)
        canvas.lanes[..., 4] += mask * self.relief

    def _ink(self, u: Map, v: Map, soft: float) -> Map:
        """Ink at pattern coordinates; one period is 1."""
        near_u, near_v = np.abs(u - np.rint(u)), np.abs(v - np.rint(v))
        half = self.amount / 2
        if self.kind == "stripes":
            return 1 - smooth(half - soft, half + soft, near_u)
        if self.kind == "checks":
            a, b = 1 - smooth(half - soft, half + soft, near_u), 1 - smooth(half - soft, half + soft, near_v)
            return np.asarray((a + b) / 2, np.float32)
        if self.kind == "dots":
            row = np.rint(v)
            shifted = u + 0.5 * (row % 2)
            radius = np.hypot(shifted - np.rint(shifted), near_v)
            return 1 - smooth(half - soft, half + soft, np.asarray(radius, np.float32))
        if self.kind == "diamonds":
            a, b = u + v, u - v
            line = np.minimum(np.abs(a - np.rint(a)), np.abs(b - np.rint(b)))
            return 1 - smooth(half * 0.3 - soft, half * 0.3 + soft, line)
        if self.kind in ("waves", "chevrons"):
            bend = 0.25 * np.sin(2 * np.pi * v) if self.kind == "waves" else np.abs(v - np.rint(v))
            line = u + bend
            return 1 - smooth(half - soft, half + soft, np.abs(line - np.rint(line)))
        return self._logos(u, v)

    def _logos(self, u: Map, v: Map) -> Map:
        if self.logo is None:
            raise ValueError("Pattern(kind='logo') needs a logo")
        pixels = 128
        tile = Canvas((pixels, pixels), np.zeros((pixels, pixels, 5), np.float32), (0, 0, pixels, pixels))
        scale = 0.62 * pixels * (0.5 + self.amount)
        shape = transformed(self.logo.shape(), np.eye(2) * scale * 0.75, np.array([pixels / 2, pixels / 2]))
        tile.ink(shape, (255, 255, 255))
        row = np.floor(v)
        column = ((u + 0.5 * (row % 2)) % 1 * pixels).astype(np.int64) % pixels
        return np.asarray(tile.lanes[((v % 1) * pixels).astype(np.int64) % pixels, column, 0], np.float32)


@dataclass(frozen=True)
class Print:
    """A line of text; ``height`` in 0..1 of the face's height, ``align`` -1 left, 0 centre, 1 right of ``x``."""

    text: str
    x: float
    y: float
    height: float
    colour: Colour
    face: Typeface = SMALL_PRINT
    align: int = 0
    gloss: float | None = None

    def paint(self, canvas: Canvas) -> None:
        scale = self.height * canvas.size[1]
        shape = line_of_text(self.text, self.face)
        if not shape:
            return
        left, _, right, _ = extent(shape)
        shift = {-1: -left, 0: -(left + right) / 2, 1: -right}[self.align]
        place = np.array([self.x * canvas.size[0] + shift * scale, self.y * canvas.size[1]])
        canvas.ink(transformed(shape, np.eye(2) * scale, place), self.colour, gloss=self.gloss)


@dataclass(frozen=True)
class Barcode:
    """A white label with bars and digits."""

    x0: float
    y0: float
    x1: float
    y1: float
    seed: int
    ink: Colour = (25, 25, 28)

    def paint(self, canvas: Canvas) -> None:
        Panel(self.x0, self.y0, self.x1, self.y1, (245, 245, 242), gloss=0.25).paint(canvas)
        rng = np.random.default_rng(self.seed)
        widths = rng.choice([1, 1, 2, 3], size=54)
        edges = np.concatenate([[0], np.cumsum(widths)]) / widths.sum()
        left, span = self.x0 + 0.08 * (self.x1 - self.x0), 0.84 * (self.x1 - self.x0)
        top, bottom = self.y0 + 0.1 * (self.y1 - self.y0), self.y0 + 0.72 * (self.y1 - self.y0)
        for i in range(0, 54, 2):
            Panel(left + span * edges[i], top, left + span * edges[i + 1], bottom, self.ink).paint(canvas)
        digits = "".join(str(d) for d in rng.integers(0, 10, 13))
        height = min(0.14 * (self.y1 - self.y0), 0.085 * (self.x1 - self.x0) * canvas.size[0] / canvas.size[1])
        middle = (self.x0 + self.x1) / 2
        Print(digits, middle, self.y0 + 0.86 * (self.y1 - self.y0), height, self.ink, Typeface(weight=0.12)).paint(
            canvas
        )


@dataclass(frozen=True)
class Stitch:
    """A seam: a groove along ``line`` (points in 0..1) with thread in it. Lengths in 0..1 of the face's height."""

    line: tuple[tuple[float, float], ...]
    colour: Colour
    pitch: float = 0.018
    width: float = 0.006
    groove: float = 0.25

    def paint(self, canvas: Canvas) -> None:
        points = np.array(self.line) * canvas.size
        tall = canvas.size[1]
        lengths = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
        count = max(2, int(lengths[-1] / (self.pitch * tall)))
        starts = np.linspace(0, lengths[-1], count, endpoint=False)
        threads = []
        for start in starts:
            ends = np.array([start, start + 0.62 * self.pitch * tall])
            segment = np.stack([np.interp(ends, lengths, points[:, i]) for i in (0, 1)], axis=1)
            if np.hypot(*(segment[1] - segment[0])) > 0.5:
                threads.append(Element(band(segment, self.width * tall)))
        groove = (Element(band(points, self.width * 2.4 * tall)),)
        darker = tuple(int(c * 0.35) for c in self.colour)
        before = canvas.lanes[..., :3].copy()
        canvas.ink(groove, (darker[0], darker[1], darker[2]), relief=-self.groove)
        canvas.lanes[..., :3] += 0.65 * (before - canvas.lanes[..., :3])
        canvas.ink(tuple(threads), self.colour, relief=self.groove * 1.8, gloss=0.25)


@dataclass(frozen=True)
class Edge:
    """A raised or sunken line along ``line`` (points in 0..1), in a colour: piping, a fold, a gap."""

    line: tuple[tuple[float, float], ...]
    colour: Colour
    width: float = 0.01
    relief: float = 0.2
    gloss: float | None = None

    def paint(self, canvas: Canvas) -> None:
        points = np.array(self.line) * canvas.size
        canvas.ink(
            (Element(band(points, self.width * canvas.size[1])),), self.colour, relief=self.relief, gloss=self.gloss
        )


@dataclass(frozen=True)
class Grain:
    """The relief of a material over the whole face: ``contrast`` in the colour, ``depth`` in the height."""

    kind: str
    contrast: float = 0.12
    depth: float = 0.15
    scale: float = 1.0
    seed: int = 0

    def paint(self, canvas: Canvas) -> None:
        height, width = canvas.lanes.shape[:2]
        relief = grain(self.kind, height, width, scale=self.scale, seed=self.seed)
        canvas.lanes[..., :3] *= (1 + self.contrast * (relief - 0.6))[..., None]
        canvas.lanes[..., 3] *= 0.6 + 0.5 * relief
        canvas.lanes[..., 4] += self.depth * (relief - 0.5)


@dataclass(frozen=True)
class Shade:
    """Darkening towards the border of the face (where a neighbour keeps the light away)."""

    amount: float = 0.25
    reach: float = 0.12
    sides: str = "ltrb"

    def paint(self, canvas: Canvas) -> None:
        x, y = canvas.grid()
        width, height = canvas.size
        reach = self.reach * height
        distances = {"l": x, "r": width - x, "t": y, "b": height - y}
        for side in self.sides:
            canvas.lanes[..., :3] *= (1 - self.amount * np.exp(-distances[side] / reach))[..., None]


@dataclass(frozen=True)
class Wear:
    """Rubbed corners and edges, and faint scuffs: lighter, rougher."""

    amount: float = 0.5
    seed: int = 0

    def paint(self, canvas: Canvas) -> None:
        x, y = canvas.grid()
        width, height = canvas.size
        rng = np.random.default_rng(self.seed)
        border = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
        rows, columns = canvas.lanes.shape[:2]
        rough = noise(rows, columns, (24, 24), rng, octaves=2)
        rubbed = smooth(0.2, 1.6, rough - np.asarray(border / (0.006 * height), np.float32))
        scuffs = smooth(1.7, 2.6, noise(rows, columns, (6, 60), rng)) * 0.12
        mask = np.asarray(self.amount * (rubbed * 0.6 + scuffs), np.float32)
        _blend(canvas, mask, (226, 220, 210))
        canvas.lanes[..., 3] *= 1 - 0.7 * mask
