"""The lines of text on a product's marks: where they stand, and how genuine photos show them.

They are looked for once, on the references. On a suspect's photo, whose marks are laid over the references' already,
each line is then read at its place: no text has to be found there, which would cost more than to read it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Doubles, Floats, Pixels
from ..index.catalog import Catalog
from ..marks.finding import cut
from ..marks.stencil import Stencil
from ..products.marks import GoodsMarks
from ..types import Region
from ..types.fields import folded
from .confusables import bare, edit_distance, spellings
from .glyphs import ink
from .ocr import DOUBTFUL, LOWEST, Reader, TextLine, rectified

__all__ = ["BESIDE", "NEAR", "KnownLine", "Wordmarks", "at", "larger", "line_at", "lines_near", "wordmarks_of"]

SEARCHED = 3  # references on which lines are looked for, those with regions first
AIR = 0.5  # of a region's shorter side, around it: letters that the crop cuts look like other letters
MORE_AIR = 1.5  # more air, where AIR shows no whole line: a box that was found may end between two letters
AROUND = 1.0  # of a line's height, around it, in which whole lines are looked for
EDGE = 2  # pixels: a line this near to the crop's border may be cut by it, and is not judged
BESIDE = 0.35  # of a line's height that is read on either side of it: an added letter would stand there
TAPS = 3  # pixels around a place that it is interpolated from
STRIP = 1_000_000  # pixels of a line that are laid straight at a time: each takes 70 bytes on the way
TALLEST = 96  # pixels of a line's height; more are not needed to read or to compare it
PROMINENT = 0.5  # of the tallest wordmark's height: smaller print names a colour, or where a thing was made
ONE = 0.5  # share of the smaller of two boxes that the other covers when they hold one line
NEAR = 0.34  # edits per letter up to which a text is a miss of a wordmark, not another text
SHORTEST = 3  # letters of a wordmark: shorter ones are missed by accident
SHORTEST_CHINESE = 2
THUMB = (96, 24)  # pixels, width and height, at which lines are looked through for the most alike


@dataclass(frozen=True, eq=False)
class KnownLine:
    """A line of a product's marks: ``box`` (4, 2) float32, its corners in the stencil's frame, clockwise from the top
    left as one reads it, ``genuine``, how references show it, and ``sources``, which of the stencil's these are.

    ``misspelt``, ``redrawn`` and ``retyped``: by how much the worst of the references seems to be, beside the others:
    small print on a bent side is misread on genuine goods as well.
    """

    box: Floats
    genuine: tuple[TextLine, ...]
    sources: tuple[int, ...]
    thumbs: Floats
    misspelt: float = 0.0
    redrawn: float = 0.0
    retyped: float = 0.0

    @classmethod
    def shown(cls, box: Floats, shown: Sequence[tuple[int, TextLine]]) -> KnownLine:
        """As references show it, each with its number."""
        lines = tuple(_unread(line) for _, line in shown)
        return cls(box, lines, tuple(number for number, _ in shown), np.stack([_thumb(line) for line in lines]))

    def without(self, source: int) -> KnownLine:
        """The line as the other references show it."""
        kept = [place for place, number in enumerate(self.sources) if number != source]
        return dataclasses.replace(
            self,
            genuine=tuple(self.genuine[place] for place in kept),
            sources=tuple(self.sources[place] for place in kept),
            thumbs=self.thumbs[kept],
        )

    def most_alike(self, line: TextLine, most: int) -> list[TextLine]:
        """Those of ``genuine`` that look most like a suspect's line: the same version of the logo, as sharp."""
        order = np.argsort(-(self.thumbs @ _thumb(line)), kind="stable")[:most]
        return [self.genuine[place] for place in order]


@dataclass(frozen=True, eq=False)
class Wordmarks:
    """``lines`` that hold a wordmark, and the brand's wordmarks as ``words``, its name first."""

    lines: tuple[KnownLine, ...]
    words: tuple[str, ...]


def wordmarks_of(catalog: Catalog, marks: GoodsMarks, reader: Reader) -> Wordmarks:
    """The lines on a product's marks that are wordmarks: the brand's name, and what two references read alike."""
    keys, stencil = marks.shown_by, marks.stencil
    assert isinstance(stencil, Stencil)
    photos = [catalog.pixels(int(key)) for key in keys]
    laid = list(zip(photos, stencil.warps, strict=True))
    boxes = [
        box
        for key, (photo, warp) in list(zip(keys, laid, strict=True))[:SEARCHED]
        for box in _boxes(photo, catalog.regions(int(key)), warp, reader)
    ]
    name = catalog.references[int(keys[0])].brand
    shown: list[tuple[Floats, list[tuple[int, TextLine]]]] = []
    for box in boxes:
        told = [other for other, lines in shown if _names(lines, name) == len(photos)]
        if not any(_is_one(box, other) for other in told):  # what all read as the name, no other box tells better
            read = [(number, line_at(photo, warp, box, reader)) for number, (photo, warp) in enumerate(laid)]
            shown.append((box, [(number, line) for number, line in read if line is not None and line.text]))
    counts: Counter[str] = Counter()
    for _, lines in shown:
        # Of doubtful ones a letter that the reader lacks is read as another
        sure = [line for _, line in lines if line.reading.confidence >= DOUBTFUL]
        for word, count in Counter(bare(line.text) for line in sure).items():
            counts[word] = max(counts[word], count)  # in one box: two boxes may show the same reference twice
    names, parts = spellings(name), _parts(name)
    known = names | {
        word  # what is nearly the name is the name, misread
        for word, count in counts.items()
        if count > 1
        and "|" not in word
        and not word.isdigit()  # an emblem's stripes are read as 1111
        and len(word) >= _shortest(word)
        and (word in parts or all(edit_distance(word, one) > NEAR * len(one) for one in (folded(name), *names)))
    }
    named = [(box, [(number, line) for number, line in lines if bare(line.text) in known]) for box, lines in shown]
    kept: list[tuple[Floats, list[tuple[int, TextLine]]]] = []
    for box, lines in sorted(named, key=lambda pair: (-_names(pair[1], name), -len(pair[1]))):
        if lines and not any(_is_one(box, other) for other, _ in kept):
            kept.append((box, lines))
    kept = [(box, lines) for box, lines in kept if _ends(laid, box, {bare(line.text) for _, line in lines}, reader)]
    heights = [_height(box) for box, lines in kept if _names(lines, name)] or [_height(box) for box, _ in kept]
    tallest = max(heights, default=0.0)
    kept = [(box, lines) for box, lines in kept if _height(box) >= PROMINENT * tallest]
    words = dict.fromkeys([name, *(line.text for _, lines in kept for _, line in lines)])
    return Wordmarks(
        lines=tuple(KnownLine.shown(box, lines) for box, lines in kept),
        words=tuple(word for word in words if reader.knows(word)),
    )


def line_at(photo: Pixels, warp: Floats, box: Floats, reader: Reader, *, beside: float = 0.0) -> TextLine | None:
    """What stands on a photo (h, w, 3) in a ``box`` (4, 2) of the stencil's frame, and ``beside`` it (in parts of the
    line's height), laid straight along ``warp`` (h, w, 2), the frame's places on the photo. ``None`` where the photo
    does not show all of it, or too small to be read.
    """
    corners = at(warp, box[None])[0]
    width = float(np.linalg.norm(corners[[1, 2]] - corners[[0, 3]], axis=1).mean())
    height = _height(corners)
    outside = (corners < 0).any() or (corners > np.array(photo.shape[1::-1]) - 1).any()
    if outside or not min(width, height) >= LOWEST:
        return None
    more = round(beside * height)
    size = (round(width) + 2 * more, round(height))
    inner = np.array([[more, 0], [size[0] - more, 0], [size[0] - more, size[1]], [more, size[1]]], np.float32)
    to_frame = cv2.getPerspectiveTransform(inner, box.astype(np.float32))
    straight, rows = np.empty((size[1], size[0], 3), np.uint8), max(1, STRIP // size[0])
    for top in range(0, size[1], rows):
        down = np.arange(top, min(top + rows, size[1]), dtype=np.float32)
        grid = np.stack(np.meshgrid(np.arange(size[0], dtype=np.float32), down), axis=-1)
        places = at(warp, np.asarray(cv2.perspectiveTransform(grid, to_frame), np.float32))
        x0, y0 = np.clip(places.min(axis=(0, 1)) - TAPS, 0, np.array(photo.shape[1::-1]) - 1).astype(int)
        x1, y1 = np.maximum(np.ceil(places.max(axis=(0, 1))).astype(int) + TAPS, (x0 + 1, y0 + 1))
        around, places = photo[y0:y1, x0:x1], places - np.array([x0, y0], np.float32)  # OpenCV samples no long photo
        strip = cv2.remap(around, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        straight[top : top + rows] = strip
    if height > TALLEST:
        scale = TALLEST / height
        straight = cv2.resize(straight, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        inner = (inner * scale).astype(np.float32)
    pixels = np.asarray(straight, np.uint8)
    return TextLine(pixels, inner, reader.read(pixels))


def larger(box: Floats, ends: float, edges: float, down: float) -> Floats:
    """A line's box (4, 2) with longer ``ends``, higher ``edges``, and moved ``down``, in parts of its height."""
    along, height = box[1] - box[0], box[3] - box[0]
    along = along * (np.linalg.norm(height) / max(float(np.linalg.norm(along)), 1e-6))
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    return np.asarray(box + signs * (ends, edges) @ np.stack([along, height]) + down * height, np.float32)


def lines_near(photo: Pixels, box: Floats, reader: Reader) -> list[TextLine]:
    """The whole lines of text that are found around a ``box`` (4, 2) of a photo (h, w, 3), and cover most of it."""
    air = AROUND * float(np.linalg.norm(box[3] - box[0]))
    x0, y0 = np.maximum(box.min(axis=0) - air, 0).astype(int)
    x1, y1 = np.ceil(box.max(axis=0) + air).astype(int)
    here = (box - (x0, y0)).astype(np.float32)
    return [line for line in reader.lines(photo[y0:y1, x0:x1]) if _is_whole(line) and _is_one(line.box, here)]


def _ends(shown: Sequence[tuple[Pixels, Floats]], box: Floats, words: Collection[str], reader: Reader) -> bool:
    """Whether a line's text ends with its ``box`` (4, 2) on most of the references that show it, each a photo with its
    warp: where a region cuts the line, suspects show more letters than the references did in the box alone.
    """
    told = []
    for photo, warp in shown:
        here = line_at(photo, warp, box, reader, beside=BESIDE)
        if here is not None:
            near = [here] if bare(here.text) in words else lines_near(photo, at(warp, box[None])[0], reader)
            told.append(any(bare(line.text) in words for line in near))
    return 2 * sum(told) > len(told)


def _is_whole(line: TextLine) -> bool:
    """Whether a line keeps off the border of the picture (h, w, 3) that it was found on: else it may be cut."""
    low, high = line.box.min(axis=0), line.box.max(axis=0)
    height, width = line.pixels.shape[:2]
    return bool((low >= EDGE).all() and high[0] <= width - 1 - EDGE and high[1] <= height - 1 - EDGE)


def _boxes(photo: Pixels, regions: Sequence[Region], warp: Floats, reader: Reader) -> list[Floats]:
    """The lines in a reference's regions, as boxes in the frame, not what stands beside them: whole ones as they are
    found with some air, or else what is found in the region alone, where it hides what the air would add to them.
    """
    found = []
    to_frame = _to_frame(warp)
    for region in regions:
        short = min(region.x1 - region.x0, region.y1 - region.y0)
        for air in (AIR * short, MORE_AIR * short, 0.0):
            corner = np.maximum([region.x0 - air, region.y0 - air], 0).astype(int)
            crop = cut(photo, Region(float(corner[0]), float(corner[1]), region.x1 + air, region.y1 + air))
            boxes = [line.box + corner for line in reader.lines(crop) if not air or _is_whole(line)]
            inside = [box for box in boxes if _has(region, box.mean(axis=0))]
            if inside:
                break
        found += [
            np.asarray(cv2.perspectiveTransform(box[:, None].astype(np.float32), to_frame)[:, 0], np.float32)
            for box in inside
        ]
    return found


def _has(region: Region, point: NDArray[np.floating]) -> bool:
    return bool(region.x0 <= point[0] <= region.x1 and region.y0 <= point[1] <= region.y1)


def _to_frame(warp: Floats) -> Doubles:
    """The homography that takes a photo's pixels to the frame, as near as a plane comes to the ``warp``."""
    rows, columns = np.linspace(0, warp.shape[0] - 1, 9).astype(int), np.linspace(0, warp.shape[1] - 1, 9).astype(int)
    frame = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float64)
    there = warp[rows][:, columns].reshape(-1, 2).astype(np.float64)
    matrix, _ = cv2.findHomography(there, frame, 0)
    return np.eye(3) if matrix is None else np.asarray(matrix, np.float64)


def at(warp: Floats, points: Floats) -> Floats:
    """Where (n, m, 2) points of the frame lie on the photo; those beyond the frame as its border goes on."""
    height, width = warp.shape[:2]
    inside = np.clip(points, 1, (width - 2, height - 2)).astype(np.float32)
    place, east, south = (
        cv2.remap(warp, inside + np.array(step, np.float32), None, cv2.INTER_LINEAR)
        for step in ((0, 0), (1, 0), (0, 1))
    )
    beyond = points - inside
    return np.asarray(place + beyond[..., :1] * (east - place) + beyond[..., 1:] * (south - place), np.float32)


def _names(lines: Sequence[tuple[int, TextLine]], name: str) -> int:
    """How many of the lines are the name."""
    names = spellings(name)
    return sum(bare(line.text) in names for _, line in lines)


def _parts(name: str) -> set[str]:
    """What a text is, :func:`bare`, that prints some of a name's words, one after the other, as goods of Polo Ralph
    Lauren do.
    """
    words = name.split()
    return {bare(" ".join(words[start:end])) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}


def _height(box: Floats) -> float:
    return float(np.linalg.norm(box[[3, 2]] - box[[0, 1]], axis=1).mean())


def _is_one(first: Floats, second: Floats) -> bool:
    """Whether two boxes (4, 2) hold the same line."""
    common, _ = cv2.intersectConvexConvex(np.ascontiguousarray(first), np.ascontiguousarray(second))
    return common > ONE * min(cv2.contourArea(first), cv2.contourArea(second))


def _thumb(line: TextLine) -> Floats:
    """(n,) float32 of unit length and mean 0: the ink of a line, small."""
    drawn = ink(rectified(line.pixels, line.box))
    small = cv2.resize(np.zeros((8, 8), np.float32) if drawn is None else drawn, THUMB, interpolation=cv2.INTER_AREA)
    centred = (small - small.mean()).ravel()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)


def _unread(line: TextLine) -> TextLine:
    """The line without the chances of every letter at every place: 3 MB a line, of which only suspects' are asked."""
    reading = dataclasses.replace(line.reading, probabilities=np.zeros((0, 0), np.float32))
    return dataclasses.replace(line, reading=reading)


def _shortest(word: str) -> int:
    return SHORTEST if word.isascii() else SHORTEST_CHINESE
