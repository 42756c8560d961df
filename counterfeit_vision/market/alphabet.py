"""A parametric typeface: letters as pen strokes on a unit grid, drawn as heavy, narrow, slanted or serifed as a brand
likes.

A glyph is its width and its strokes. Strokes are separated by ``;``. A stroke is a list of points ``x,y`` (y up, 0 =
baseline, 1 = capital height) and of arcs ``@cx,cy,rx,ry,start,stop`` in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .shapes import Element, Polygon, Shape, arc, band, circle

__all__ = ["GLYPHS", "Typeface", "Word", "line_of_text"]

GLYPHS: dict[str, tuple[float, str]] = {
    "A": (0.82, "0,0 .5,1 1,0;.19,.34 .81,.34"),
    "B": (0.66, "0,0 0,1 .5,1 @.5,.76,.4,.24,90,-90 0,.52;0,.52 .55,.52 @.55,.26,.45,.26,90,-90 0,0"),
    "C": (0.74, "@.52,.5,.52,.5,48,312"),
    "D": (0.74, "0,0 0,1 .42,1 @.42,.5,.58,.5,90,-90 0,0"),
    "E": (0.58, "1,1 0,1 0,0 1,0;0,.52 .85,.52"),
    "F": (0.56, "1,1 0,1 0,0;0,.5 .82,.5"),
    "G": (0.78, "@.5,.5,.5,.5,48,360 .58,.5"),
    "H": (0.72, "0,0 0,1;1,0 1,1;0,.52 1,.52"),
    "I": (0.16, ".5,0 .5,1"),
    "J": (0.5, "1,1 1,.32 @.5,.32,.5,.32,0,-180"),
    "K": (0.7, "0,0 0,1;.95,1 0,.42;.3,.6 1,0"),
    "L": (0.54, "0,1 0,0 1,0"),
    "M": (0.88, "0,0 0,1;0,1 .5,.25 1,1;1,0 1,1"),
    "N": (0.74, "0,0 0,1;0,1 1,0;1,0 1,1"),
    "O": (0.82, "@.5,.5,.5,.5,90,450"),
    "P": (0.62, "0,0 0,1 .5,1 @.5,.73,.5,.27,90,-90 0,.46"),
    "Q": (0.82, "@.5,.5,.5,.5,90,450;.6,.3 1,-.08"),
    "R": (0.68, "0,0 0,1 .5,1 @.5,.75,.46,.25,90,-90 0,.5;.45,.5 1,0"),
    "S": (0.64, "@.5,.75,.48,.25,30,270 @.5,.25,.5,.25,90,-150"),
    "T": (0.68, "0,1 1,1;.5,1 .5,0"),
    "U": (0.7, "0,1 0,.4 @.5,.4,.5,.4,180,360 1,1"),
    "V": (0.78, "0,1 .5,0 1,1"),
    "W": (1.1, "0,1 .25,0 .5,.8 .75,0 1,1"),
    "X": (0.72, "0,0 1,1;0,1 1,0"),
    "Y": (0.72, "0,1 .5,.46 1,1;.5,.46 .5,0"),
    "Z": (0.68, "0,1 1,1;1,1 0,0;0,0 1,0"),
    "0": (0.62, "@.5,.5,.5,.5,90,450"),
    "1": (0.34, "0,.76 .8,1 .8,0"),
    "2": (0.6, "@.5,.72,.46,.28,160,-35 0,0 1,0"),
    "3": (0.6, "@.48,.75,.42,.25,150,-90 .4,.5;.4,.5 .5,.5 @.5,.25,.5,.25,90,-150"),
    "4": (0.66, ".75,0 .75,1 0,.28 1,.28"),
    "5": (0.6, ".9,1 .1,1 .06,.55 .4,.62 @.46,.31,.5,.31,90,-150"),
    "6": (0.62, ".8,1 @.5,.3,.5,.3,140,500"),
    "7": (0.6, "0,1 1,1 .3,0"),
    "8": (0.62, "@.5,.76,.42,.24,-90,270;@.5,.26,.5,.26,90,450"),
    "9": (0.62, ".2,0 @.5,.7,.5,.3,-40,320"),
    "l": (0.2, ".5,1 .5,.12 1,0"),
    "i": (0.16, ".5,0 .5,.66;.5,.86 .5,.97"),
    "m": (0.9, "0,0 0,.68;0,.45 @.25,.45,.25,.23,180,0 .5,0;.5,.45 @.75,.45,.25,.23,180,0 1,0"),
    "n": (0.5, "0,0 0,.68;0,.4 @.5,.4,.5,.28,180,0 1,0"),
    "r": (0.36, "0,0 0,.68;0,.36 @.75,.36,.75,.32,180,80"),
    ".": (0.14, ".5,0 .5,.12"),
    "-": (0.36, "0,.46 1,.46"),
    "&": (0.78, "1,0 .22,.72 @.42,.8,.22,.2,200,-30 .1,.4 @.4,.24,.36,.24,150,340 1,.45"),
    "%": (0.8, "0,0 1,1;@.18,.8,.18,.2,90,450;@.82,.2,.18,.2,90,450"),
}


@dataclass(frozen=True)
class Typeface:
    """How the letters are drawn. Lengths are in capital heights.

    ``weight`` of the stems, ``width`` of the letters, ``slant`` sideways per height, ``contrast`` 0..1 (how much
    thinner the horizontals are), ``serif`` length (0: none), ``square`` exponent of the round letters (2: ellipses),
    ``soft``: round ends, ``spacing`` between letters.
    """

    weight: float = 0.14
    width: float = 1.0
    slant: float = 0.0
    contrast: float = 0.0
    serif: float = 0.0
    square: float = 2.0
    soft: bool = False
    spacing: float = 0.14


@dataclass(frozen=True)
class Word:
    """A wordmark: ``text`` sets the place of each letter, ``drawn`` says what stands in that place.

    The two differ on fakes only. ``mirrored`` are the places whose letter is drawn backwards. The frame is that of a
    shape: height 1, centred.
    """

    text: str
    face: Typeface
    drawn: tuple[str, ...] = ()
    mirrored: tuple[int, ...] = ()

    def shape(self) -> Shape:
        """One element per letter."""
        drawn = self.drawn or tuple(self.text)
        return _word_shape(self.text, drawn, self.mirrored, self.face)


def _runs(strokes: str, square: float) -> list[tuple[Polygon, bool, bool]]:
    """Each stroke as points, and whether its first and its last point end a straight line (not an arc)."""
    runs = []
    for stroke in strokes.split(";"):
        pieces: list[Polygon] = []
        tokens = stroke.split()
        for token in tokens:
            numbers = [float(part) for part in token.lstrip("@").split(",")]
            pieces.append(arc(*numbers, power=square) if token.startswith("@") else np.array([numbers]))
        line = np.concatenate(pieces)
        line = line[np.r_[True, np.abs(np.diff(line, axis=0)).sum(1) > 1e-6]]
        runs.append((line, not tokens[0].startswith("@"), not tokens[-1].startswith("@")))
    return runs


def _clipped(polygon: Polygon, low: float, high: float) -> Polygon:
    """The part of a convex polygon with low <= y <= high."""
    for sign, limit in ((1.0, low), (-1.0, -high)):
        inside = sign * polygon[:, 1] - limit
        points: list[NDArray[np.float64]] = []
        for i in range(len(polygon)):
            j = (i + 1) % len(polygon)
            if inside[i] >= 0:
                points.append(polygon[i])
            if (inside[i] >= 0) != (inside[j] >= 0):
                t = inside[i] / (inside[i] - inside[j])
                points.append(polygon[i] + t * (polygon[j] - polygon[i]))
        if len(points) < 3:
            return np.zeros((0, 2))
        polygon = np.array(points)
    return polygon


@lru_cache(maxsize=512)
def _glyph(character: str, face: Typeface) -> tuple[float, tuple[Polygon, ...]]:
    """Width and polygons of one letter, y up, standing on 0."""
    unit_width, strokes = GLYPHS[character]
    thin = face.weight * (1 - face.contrast)
    width = unit_width * face.width + face.weight * 0.6
    polygons: list[Polygon] = []
    for line, straight_start, straight_end in _runs(strokes, face.square):
        points = line * [width - face.weight, 1 - thin] + [face.weight / 2, thin / 2]
        ends = []
        for end, inner, straight in ((0, 1, straight_start), (-1, -2, straight_end)):
            direction = points[end] - points[inner]
            outer = straight and (line[end, 1] < 0.01 or line[end, 1] > 0.99)
            if outer and abs(direction[1]) > 0.6 * abs(direction[0]):
                points[end] += direction / max(float(np.hypot(*direction)), 1e-9) * face.weight
                ends.append((line[end], points[end, 0] if abs(direction[0]) < 1e-6 else None))
            elif outer and abs(direction[1]) < 1e-6 and not 0.01 < line[end, 0] < 0.99:
                points[end] += np.sign(direction) * face.weight / 2
        steps = np.diff(points, axis=0)
        flatness = np.abs(steps[:, 0]) / np.maximum(np.hypot(*steps.T), 1e-9)
        widths = face.weight * (1 - face.contrast * flatness**1.5)
        widths = np.concatenate([widths[:1], (widths[1:] + widths[:-1]) / 2, widths[-1:]])
        polygons += [_clipped(quad, -0.2 if character == "Q" else 0.0, 1.0) for quad in band(points, widths)]
        if face.soft:
            polygons += [circle(float(x), float(y), thin / 2) for x, y in points[[0, -1]] if 0 < y < 1]
        for (x, y), stem in ends:
            if face.serif and stem is None:
                stem = x * (width - face.weight) + face.weight / 2
            if face.serif and stem is not None:
                reach, thick = face.serif + face.weight / 2, max(thin * 0.6, 0.035)
                bottom = 0.0 if y < 0.5 else 1 - thick
                box = np.array([[-reach, 0], [reach, 0], [reach, thick], [-reach, thick]])
                polygons.append(box + np.array([stem, bottom]))
    return width, tuple(polygon for polygon in polygons if len(polygon))


def _letter(text: str, face: Typeface) -> tuple[float, list[Polygon]]:
    """Width and polygons of what stands in one place: one letter, or two that imitate one."""
    x, polygons = 0.0, []
    for character in text:
        width, parts = _glyph(character, face)
        polygons += [part + np.array([x, 0.0]) for part in parts]
        x += width + face.spacing * 0.5
    return x - face.spacing * 0.5, polygons


@lru_cache(maxsize=512)
def line_of_text(text: str, face: Typeface) -> Shape:
    """Any text on one line; unknown characters leave a gap. Height 1, centred; one element per letter."""
    return _set([(word if word in GLYPHS else " ", word) for word in text.upper()], (), face)


@lru_cache(maxsize=256)
def _word_shape(text: str, drawn: tuple[str, ...], mirrored: tuple[int, ...], face: Typeface) -> Shape:
    return _set(list(zip(text, drawn, strict=True)), mirrored, face)


def _set(places: list[tuple[str, str]], mirrored: tuple[int, ...], face: Typeface) -> Shape:
    x, letters = 0.0, []
    for place, (slot, drawn) in enumerate(places):
        if slot not in GLYPHS:
            x += 0.4 * face.width
            continue
        room = _glyph(slot, face)[0]
        width, polygons = _letter(drawn, face)
        # A thin letter in a wide place keeps its shape and stands in the middle; a wide one is squeezed.
        scale = min(1.0, room / width)
        shift = (room - width * scale) / 2
        if place in mirrored:
            polygons = [(polygon - [width, 0]) * [-1, 1] for polygon in polygons]
        letters.append([polygon * [scale, 1] + [x + shift, 0] for polygon in polygons])
        x += room + face.spacing
    total = max(x - face.spacing, 1e-6)
    return tuple(
        Element(
            tuple(
                np.stack([p[:, 0] - total / 2 + face.slant * (p[:, 1] - 0.5), 0.5 - p[:, 1]], axis=1) for p in polygons
            )
        )
        for polygons in letters
    )
