"""Whole marks, one ink each, where something was found to recur.

What is drawn on a photo is parted into pieces that differ from the ground around them and end sharply. Pieces of one
ink that stand in a row, or one in another, are a mark: a wordmark's letters, a logo's strokes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Pixels
from ..types import Region

__all__ = ["whole_marks"]

Places = NDArray[np.int32]

# Tuned on rendered markets (seeds 0 to 2, 200 to 202) and printed goods (0, 20 to 23), looked at on real cartons.
AROUND = 0.25  # of the sides of the box around what recurs: what is looked at beyond it
SIDE = 600  # pixels on the long side of what is looked at
ENLARGED = 2.0  # times, at most: there is nothing to see in more
SMOOTH = 0.8  # pixels of blur
GROUNDS = (0.15, 0.25, 0.4)  # of the long side: windows whose median colour is the ground
COARSE = 3  # times smaller is the copy on which the ground is sought
LEVELS = (10.0, 16.0, 24.0, 36.0, 52.0)  # of difference from the ground (CIE 1976) from which something is drawn
FEWEST = 24  # pixels of a piece
LONGEST = 0.6  # of the long side: a longer piece is no part of a mark
STEEP = 2.0  # pixels of the photo, or of a smaller copy, over which a sharp outline rises to the piece's contrast
EDGE = 0.6  # of that contrast a piece's outline has at least, on average: shades and edges of faces end softly
TAKEN = 0.2  # share of a piece that sharper pieces may have taken already
PIECES = 200  # that are put together: of a pattern's thousands, those whose outlines recur most
COOL = 0.1  # of the map's peak that a piece has at least, on average: the room has none
ALIKE = 25.0  # in colour (CIE 1976), of what is of one ink: gold foil and a bottle's light vary so
GAPS = (0.9, 0.5)  # of the smaller piece's size, between two of a row: of one size, and of others
LETTERS = 1.4  # times: the size of one letter beside another's
LIKE = 3.0  # times: the size of one piece of a row beside another's; joined letters are one piece
ROW = 1.4  # times as high as its highest part a row may be: a line below is another one
HEAT = 0.15  # of the map's peak that a mark's outlines have at least, on average
SMALLEST = 10.0  # pixels of the photo: no side of a mark is shorter
AIR = 2.0  # pixels of the photo around a mark
SHARE = 0.08  # of the best mark's score that another needs
WITHIN = 0.5  # of the smaller of two marks' boxes that may be both's
MOST = 3  # marks


@dataclass(frozen=True, eq=False)
class _Piece:
    """Something drawn: its pixels ``at`` (n, 2) x, y, those of its ``rim`` (m, 2), the ``hull`` (p, 2) around them, its
    median ``colour`` (3,) CIE L*a*b*, and its ``size``, the longer side of the box around it.
    """

    at: Places
    rim: Places
    hull: Places
    colour: Floats
    size: float


def whole_marks(photo: Pixels, heat: Floats) -> list[Region]:
    """The boxes of up to :data:`MOST` marks of one ink each on a photo (h, w, 3), what recurs most first; none where
    nothing that recurs is drawn in one piece. ``heat``, a map of any resolution over the whole photo, 0 or more, says
    how much recurs.
    """
    size = np.array(photo.shape[1::-1])
    heat = heat / max(float(heat.max()), 1e-6)
    rows, columns = np.nonzero(heat >= COOL)
    if not len(rows):
        return []
    cell = size / heat.shape[::-1]
    low, high = np.array([columns.min(), rows.min()]) * cell, np.array([columns.max() + 1, rows.max() + 1]) * cell
    x0, y0 = np.maximum(low - AROUND * (high - low), 0).astype(int)
    x1, y1 = np.minimum(high + AROUND * (high - low), size).astype(int)
    scale = min(ENLARGED, SIDE / max(x1 - x0, y1 - y0))
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    seen = cv2.resize(photo[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=how)
    hot = cv2.resize(cv2.resize(heat, size.tolist())[y0:y1, x0:x1], seen.shape[1::-1])
    pieces = [piece for piece in _pieces(seen, scale) if hot[piece.at[:, 1], piece.at[:, 0]].mean() >= COOL]
    outlined = np.array([hot[piece.rim[:, 1], piece.rim[:, 0]].sum() for piece in pieces])
    found: list[tuple[float, Region]] = []
    for mark in _marks([pieces[place] for place in np.sort(np.argsort(-outlined)[:PIECES])]):
        at, rim = (np.concatenate(parts) for parts in zip(*((piece.at, piece.rim) for piece in mark), strict=True))
        start, end = at.min(axis=0) / scale - AIR + [x0, y0], (at.max(axis=0) + 1) / scale + AIR + [x0, y0]
        recurs = hot[rim[:, 1], rim[:, 0]]
        if (end - start).min() >= SMALLEST and recurs.mean() >= HEAT:
            region = Region(*np.maximum(start, 0).tolist(), *np.minimum(end, size).tolist())
            found.append((float(recurs.sum() * recurs.mean()), region))
    found.sort(key=lambda one: -one[0])
    marks: list[Region] = []
    for say, region in found:
        if say >= SHARE * found[0][0] and all(_overlap(region, other) <= WITHIN for other in marks):
            marks.append(region)
    return marks[:MOST]


def _overlap(one: Region, other: Region) -> float:
    """The share of the smaller one that is both's."""
    return one.shared_with(other) / min(one.area, other.area)


def _pieces(seen: Pixels, scale: float) -> list[_Piece]:
    """The pieces of what is drawn (h, w, 3) on a copy ``scale`` times as large as the photo, sharpest first; hardly any
    overlaps another.
    """
    colours = _lab(cv2.GaussianBlur(seen, (0, 0), SMOOTH))
    taken = np.zeros(seen.shape[:2], bool)
    found = []
    for _, at, rim in sorted(_drawn(seen, colours, scale), key=lambda one: -one[0]):
        if taken[at[:, 1], at[:, 0]].mean() <= TAKEN:
            taken[at[:, 1], at[:, 0]] = True
            colour = np.median(colours[at[:, 1], at[:, 0]], axis=0)
            found.append(_Piece(at, rim, cv2.convexHull(at)[:, 0], colour, float(np.ptp(at, axis=0).max()) + 1))
    return found


def _drawn(seen: Pixels, colours: Floats, scale: float) -> Iterator[tuple[float, Places, Places]]:
    """What differs from the ground, for each window and each level: how sharp and how much of one colour it is, in
    0..1, its pixels (n, 2) and those of its rim (m, 2); ``colours`` (h, w, 3) are those of ``seen``, a copy ``scale``
    times as large as the photo.
    """
    shape, side = seen.shape[:2], max(seen.shape[:2])
    slopes = [cv2.Scharr(colours, cv2.CV_32F, *order, scale=1 / 32) for order in ((1, 0), (0, 1))]
    steep = cv2.dilate(np.linalg.norm(np.concatenate(slopes, axis=2), axis=2), np.ones((3, 3)))
    small = cv2.resize(seen, (max(1, shape[1] // COARSE), max(1, shape[0] // COARSE)), interpolation=cv2.INTER_AREA)
    for window, level in itertools.product(GROUNDS, LEVELS):
        if level == LEVELS[0]:
            ground = cv2.resize(cv2.medianBlur(small, max(3, round(window * side / COARSE) | 1)), shape[::-1])
            off = np.linalg.norm(colours - _lab(ground), axis=2)
        drawn = (off > level).astype(np.uint8)
        count, parts, boxes, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
        rims = drawn > cv2.erode(drawn, np.ones((3, 3), np.uint8))
        on_rim = parts[rims]
        contrast = np.maximum(np.bincount(parts.ravel(), off.ravel(), count) / np.maximum(boxes[:, 4], 1), 1)
        sharp = np.minimum(STEEP * max(scale, 1.0) * steep[rims] / contrast[on_rim], 1)
        sharp = np.bincount(on_rim, sharp, count) / np.maximum(np.bincount(on_rim, minlength=count), 1)
        x, y, wide, high, area = boxes.T
        clear = (x > 1) & (y > 1) & (x + wide < shape[1] - 1) & (y + high < shape[0] - 1)  # else the frame cuts it
        clear &= (area >= FEWEST) & (np.maximum(wide, high) <= LONGEST * side) & (sharp > EDGE)
        for part in np.flatnonzero(clear[1:]) + 1:
            left, top = x[part], y[part]
            rows, columns = np.nonzero(parts[top : top + high[part], left : left + wide[part]] == part)
            at = np.stack([columns + left, rows + top], axis=1).astype(np.int32)
            own = colours[at[:, 1], at[:, 0]]
            pure = (np.linalg.norm(own - np.median(own, axis=0), axis=1) < ALIKE).mean()
            yield float(sharp[part] * pure), at, at[rims[at[:, 1], at[:, 0]]]


def _marks(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Pieces of one ink that stand in one another or in a row: the nearest first, while the row grows no higher."""
    near = [
        (gap, i, j)
        for i, one in enumerate(pieces)
        for j, other in enumerate(pieces[:i])
        if np.linalg.norm(one.colour - other.colour) <= ALIKE
        and (gap := _gap(one, other)) <= _reach(one.size, other.size)
    ]
    group = list(range(len(pieces)))
    marks = {i: [piece] for i, piece in enumerate(pieces)}
    heights = [piece.size for piece in pieces]
    for gap, i, j in sorted(near):
        one, other = group[i], group[j]
        if one == other:
            continue
        small, large = sorted((heights[one], heights[other]))
        hulls = np.concatenate([piece.hull for piece in marks[one] + marks[other]])
        height = float(min(cv2.minAreaRect(hulls)[1]))
        if gap >= 0 and (height > ROW * large or large > LIKE * small):
            continue
        heights[one] = height if gap >= 0 else max(height, heights[one])
        marks[one] += marks.pop(other)
        group = [one if name == other else name for name in group]
    return list(marks.values())


def _reach(one: float, other: float) -> float:
    """Pixels that may lie between two pieces of a row: spaced letters are all of a size."""
    small, large = sorted((one, other))
    return small * (GAPS[0] if large <= LETTERS * small else GAPS[1])


def _gap(one: _Piece, other: _Piece) -> float:
    """Pixels between two pieces; -1 where one stands in the other."""
    large, small = (one, other) if one.size >= other.size else (other, one)
    x, y = small.hull.mean(axis=0).tolist()
    if cv2.pointPolygonTest(large.hull, (x, y), False) >= 0:
        return -1.0
    return float(np.linalg.norm(large.hull[:, None] - small.hull[None], axis=2).min())


def _lab(pixels: Pixels) -> Floats:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
