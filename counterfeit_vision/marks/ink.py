"""How a mark is drawn: the weight of its strokes and the colour of its ink, beside the genuine ones.

A mark that is found (:mod:`~counterfeit_vision.marks.finding`) is laid over the genuine one by an affine map of its
own, and its pixels are told apart into ground and ink. The genuine outline, grown by some pixels and blurred by some,
is fitted to the ink: blur changes an edge on both sides alike and weight does not, so a photo out of focus is not taken
for a bold mark. The ink's colour is taken beside the ground's nearby, part by part along the mark, so that light does
not count.

Constants were chosen on the market's seeds 0 to 2.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from .._arrays import Bools, Doubles, Floats, Matrix, Pixels
from ..geometry.laying import mapped
from ..geometry.warp import quick_median
from .stencil import Stencil

__all__ = ["DARK", "LIKE", "PARTS", "WEIGHTS", "Drawn", "MarkInk", "nanmedian"]

AIR = 8  # pixels of the frame around a mark
FINER = 3  # times, at which the outline is drawn
BLURS = (0.5, 0.8, 1.1, 1.5, 2.0, 2.6)  # pixels of the frame
WEIGHTS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)  # pixels by which the outline's sides are moved outwards
ROUNDS = 3  # of laying the mark over the genuine one and fitting blur and weight
STEPS = 3  # Gauss-Newton steps in each
THERE = 0.25  # pixels of the frame by which a mark's corners may be off where it was found: chosen on drawn cards
LIKE = 0.8  # correlation of the ink with the genuine outline from which it is judged
PARTS = 10  # along a mark, whose colours are compared
PART_LIKE = 0.7  # correlation in a part of the mark, from which that part is judged
PART_OFF = 0.15  # by which a part's correlation is below the other parts': there it shows a finger, or the room
INK = 0.7  # share of a pixel that the outline covers, from which it is ink
PLATE_BLUR = 0.8  # pixels of the frame: what red, green and blue show finer than this is grain
PLATE_STEPS, PLATE_STEP = 5, 1.5  # Gauss-Newton steps that lay one of them over another, and pixels each may move it
PLATE_LIKE = 0.9  # correlation with what is green, from which it is drawn alike
FLAT = 8.0  # levels of spread, with less of which it is not drawn at all
DARK = 12.0  # levels added before ratios are taken: a black's colour is noise


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mark in one photo. ``weight``: pixels of the frame by which its strokes' sides lie outside the genuine ones',
    or more at an end of :data:`WEIGHTS`. ``doubt``: its standard error, were noise independent from pixel to pixel, 0
    there. ``blur`` in the same pixels, ``likeness`` in -1..1 the correlation of its ink with the genuine outline.
    ``colours`` (PARTS, 3): logarithm of the ink's red, green and blue over the ground's, NaN where a part shows none;
    ``grounds`` (PARTS, 3): of the ground's.
    ``offset`` (2, 3): pixels of the frame, x and y, by which it lies beside where the photo was laid over the genuine
    one: everywhere, and times u and v, which run from -1 to 1 over the mark's box. ``apart`` (2, 2): pixels of the
    frame, x and y, by which what is red lies beside what is green, and what is blue; NaN where they are not drawn
    alike.
    """

    weight: float
    doubt: float
    blur: float
    likeness: float
    colours: Doubles
    grounds: Doubles
    offset: Doubles
    apart: Doubles


@dataclass(frozen=True, eq=False)
class MarkInk:
    """One mark of a stencil: ``mark`` (4,) ``x0 y0 x1 y1`` in its frame, and ``box`` the same with :data:`AIR` around
    it, as far as the frame goes; ``inside`` (FINER h, FINER w) float32, how far (in fine pixels) each place of the box
    lies within the outline, ``references`` how the stencil's draw it, in their order, ``None`` where too little of it
    is shown.
    """

    mark: tuple[int, int, int, int]
    box: tuple[int, int, int, int]
    inside: Floats
    references: tuple[Drawn | None, ...] = ()
    _outlines: dict[tuple[float, float], Floats] = field(default_factory=dict, init=False, repr=False)

    @property
    def genuine(self) -> tuple[Drawn, ...]:
        """How those references draw it that show it."""
        return tuple(one for one in self.references if one is not None)

    @property
    def is_clear(self) -> bool:
        """Whether most references show the outline: it may have been drawn from two marks that overlap."""
        return bool(self.genuine) and float(np.median([drawn.likeness for drawn in self.genuine])) >= LIKE

    def lies_apart_from(self, other: MarkInk) -> bool:
        """Whether the boxes share less than half of the smaller one: of one mark that has two boxes, one around its
        word and one around all of it, neither tells of the other.
        """
        boxes = np.array([self.mark, other.mark])
        shared = np.maximum(boxes[:, 2:].min(axis=0) - boxes[:, :2].max(axis=0), 0).prod()
        return bool(shared < 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).min())

    @classmethod
    def all_of(cls, stencil: Stencil) -> tuple[MarkInk, ...]:
        """One for each mark of a stencil, in the order of its boxes."""
        return tuple(cls._clearest(stencil, box) for box in stencil.boxes)

    @classmethod
    def _clearest(cls, stencil: Stencil, box: Floats) -> MarkInk:
        """The mark in a box. One that was drawn wide holds what is beside the mark, too: where its outline is not
        clear, that of what does not run out of the box may be.
        """
        as_drawn = cls._in_box(stencil, box)
        tighter = None if as_drawn.is_clear else as_drawn._box_within()
        if tighter is None:
            return as_drawn
        within = cls._in_box(stencil, tighter)
        return within if within.is_clear else as_drawn

    def _box_within(self) -> Floats | None:
        """The box (4,) in the frame around all ink that does not run out of the mark's; ``None`` without any."""
        x0, y0, x1, y1 = (FINER * (side - self.box[place % 2]) for place, side in enumerate(self.mark))
        _, _, parts, _ = cv2.connectedComponentsWithStats((self.inside > 0).astype(np.uint8))
        starts, ends = parts[1:, :2], parts[1:, :2] + parts[1:, 2:4]  # the first is the ground
        within = ((starts > [x0, y0]) & (ends < [x1, y1])).all(axis=1)
        if not within.any():
            return None
        sides = np.concatenate([starts[within].min(axis=0), ends[within].max(axis=0)])
        return np.asarray(sides / FINER + np.tile(self.box[:2], 2), np.float32)

    @classmethod
    def _in_box(cls, stencil: Stencil, box: Floats) -> MarkInk:
        """The mark that fills a box of the frame, and how the references draw it."""
        outlined = cls._outlined(stencil.typical, box)
        shown = zip(stencil.crops, stencil.inside, strict=True)
        return replace(outlined, references=tuple(outlined.measure(crop, inside) for crop, inside in shown))

    @classmethod
    def _outlined(cls, typical: Floats, mark: Floats) -> MarkInk:
        height, width = typical.shape[:2]
        x0, y0, x1, y1 = (int(value) for value in mark)
        left, top, right, bottom = max(0, x0 - AIR), max(0, y0 - AIR), min(width, x1 + AIR), min(height, y1 + AIR)
        pixels = typical[top:bottom, left:right].reshape(-1, 3)
        off = pixels - np.median(pixels, axis=0)
        along = off @ np.linalg.svd(off, full_matrices=False)[2][0]
        if np.quantile(along, 0.99) < -np.quantile(along, 0.01):
            along = -along
        ink = (along / max(float(np.quantile(along, 0.97)), 1e-3)).reshape(bottom - top, right - left)
        fine = cv2.resize(ink.astype(np.float32), None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
        own = np.zeros(fine.shape, bool)  # the product's own edge may lie near the mark
        own[
            FINER * max(0, y0 - 3 - top) : FINER * (y1 + 3 - top),
            FINER * max(0, x0 - 3 - left) : FINER * (x1 + 3 - left),
        ] = True
        solid = ((fine > 0.5) & own).astype(np.uint8)
        within = cv2.distanceTransform(solid, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
        inner = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        return cls(inner, (left, top, right, bottom), np.asarray(within, np.float32))

    def outline(self, weight: float, blur: float) -> Floats:
        """(h, w) in 0..1: how much of each pixel is ink; between the WEIGHTS interpolated."""
        weight = float(np.clip(weight, WEIGHTS[0], WEIGHTS[-1]))
        place = min(int((weight - WEIGHTS[0]) / (WEIGHTS[1] - WEIGHTS[0])), len(WEIGHTS) - 2)
        share = (weight - WEIGHTS[place]) / (WEIGHTS[1] - WEIGHTS[0])
        low = self._drawn(WEIGHTS[place], blur)
        return low if share == 0 else np.asarray((1 - share) * low + share * self._drawn(WEIGHTS[place + 1], blur))

    def _drawn(self, weight: float, blur: float) -> Floats:
        if (weight, blur) not in self._outlines:
            soft = cv2.GaussianBlur(np.clip(self.inside + weight * FINER + 0.5, 0, 1), (0, 0), blur * FINER)
            size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
            self._outlines[weight, blur] = cv2.resize(soft, size, interpolation=cv2.INTER_AREA)
        return self._outlines[weight, blur]

    def measure_again(self, drawn: Drawn | None, crop: Pixels, shown: Bools, map_: Matrix) -> Drawn | None:
        """As :meth:`measure`, which gave ``drawn``, from where a ``map_`` (3, 3) of the frame takes the mark, unless it
        was found there; what is more like the genuine outline. Its steps do not reach a mark that is much larger,
        smaller, or far off.
        """
        offset = self._offset_by(map_)
        if drawn is not None and np.abs(offset - drawn.offset).sum(axis=1).max() <= THERE:
            return drawn
        again = self.measure(crop, shown, offset)
        return again if drawn is None or (again is not None and again.likeness > drawn.likeness) else drawn

    def _offset_by(self, map_: Matrix) -> Doubles:
        x0, y0, x1, y1 = self.box
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        across, down = np.array([(x1 - x0) / 2, 0]), np.array([0, (y1 - y0) / 2])
        ends = np.array([middle - across, middle + across, middle - down, middle + down])
        left, right, top, bottom = mapped(map_, ends.astype(np.float32)).astype(np.float64) - ends
        return np.stack([(left + right + top + bottom) / 4, (right - left) / 2, (bottom - top) / 2], axis=1)

    def measure(self, crop: Pixels, shown: Bools, offset: Doubles | None = None) -> Drawn | None:
        """How a photo that is laid over the stencil, (H, W, 3), draws the mark; ``None`` where too little of it is
        ``shown`` (H, W). ``offset``: where it is looked for at first, as :attr:`Drawn.offset` has it.
        """
        x0, y0, x1, y1 = self.box
        y, x = np.mgrid[: y1 - y0, : x1 - x0].astype(np.float64)
        u, v = (x / x.shape[1] * 2 - 1).ravel(), (y / x.shape[0] * 2 - 1).ravel()
        affine = np.stack([np.ones_like(u), u, v], axis=-1)
        light = np.stack([np.ones_like(u), u, v, u * v], axis=-1).astype(np.float32)
        start = np.stack([x.ravel() + x0, y.ravel() + y0], axis=1)
        offset = np.zeros((2, 3)) if offset is None else offset.copy()
        weight, doubt, blur = 0.0, 0.0, BLURS[2]
        near = cv2.dilate(self.outline(0.0, blur), np.ones((9, 9))) > 0.15
        for _ in range(ROUNDS):
            expected = self.outline(weight, blur)
            slopes = [cv2.Sobel(expected, cv2.CV_32F, *order, scale=1 / 8).reshape(-1, 1) for order in ((1, 0), (0, 1))]
            slope = np.concatenate([affine * part for part in slopes], axis=1).astype(np.float32)
            for step in range(STEPS + 1):
                pixels, there = _looked_up(crop, shown, start + affine @ offset.T, near)
                if there.sum() < 80:
                    return None
                ink = _ink(pixels[there].astype(np.float32), light[there.ravel()], expected[there])
                if step == STEPS:
                    break
                own, error = slope[there.ravel()], ink - expected[there]
                weighted = own / ((1 + (error / 0.3) ** 2) ** 2)[:, None]
                normal = (weighted.T @ own).astype(np.float64)
                normal += np.eye(6) * (1e-3 * np.trace(normal) / 6 + 1e-6)
                move = np.linalg.solve(normal, weighted.T @ error)
                offset -= (move * min(1.0, 2.0 / max(float(np.abs(move).max()), 1e-9))).reshape(2, 3)
            weight, doubt, blur = self._fitted(ink, there)
        likeness = _correlation(ink, self.outline(weight, blur)[there])
        seen = pixels.astype(np.float32)
        return Drawn(weight, doubt, blur, likeness, *self._colours(seen, there), offset, _apart(seen, there))

    def _fitted(self, ink: Floats, there: Bools) -> tuple[float, float, float]:
        """Weight, its doubt, and blur of the outline that is most like the ink (n,), up to contrast."""
        centred = ink - ink.mean()
        misfit = np.empty((len(BLURS), len(WEIGHTS)))
        for row, blur in enumerate(BLURS):
            for column, weight in enumerate(WEIGHTS):
                drawn = self._drawn(weight, blur)[there]
                drawn = drawn - drawn.mean()
                misfit[row, column] = centred @ centred - (centred @ drawn) ** 2 / max(float(drawn @ drawn), 1e-9)
        row, column = divmod(int(misfit.argmin()), len(WEIGHTS))
        if not 0 < column < len(WEIGHTS) - 1:
            return WEIGHTS[column], 0.0, BLURS[row]  # or beyond
        left, middle, right = misfit[row, column - 1 : column + 2]  # the lowest point of the parabola through the three
        bend, step = max(float(left - 2 * middle + right), 1e-9), WEIGHTS[1] - WEIGHTS[0]
        best = WEIGHTS[column] + step * 0.5 * float(left - right) / bend
        return best, step * float(np.sqrt(2 * middle / len(ink) / bend)), BLURS[row]

    def _colours(self, pixels: Floats, there: Bools) -> tuple[Doubles, Doubles]:
        outline = self.outline(0.0, 0.8)
        soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
        ground = (cv2.dilate(outline, np.ones((5, 5))) < 0.3) & there
        edges = np.linspace(self.mark[0] - self.box[0], self.mark[2] - self.box[0], PARTS + 1).astype(int)
        step = outline.shape[1] // PARTS
        inks, grounds = (np.full((PARTS, 3), np.nan) for _ in range(2))
        alike = np.full(PARTS, np.nan)
        for part, (start, end) in enumerate(itertools.pairwise(edges)):
            around = slice(max(0, start - step), end + step)
            own, mine, seen = outline[:, start:end], soft[:, start:end], there[:, start:end]
            core = (own > INK) & seen
            most = int((own > INK).sum() * 0.5)
            if most < 6 or core.sum() < most or ground[:, around].sum() < 10:
                continue
            base = np.median(soft[:, around][ground[:, around]], axis=0)
            off = np.linalg.norm(mine - base, axis=2)
            alike[part] = _correlation(off[seen], own[seen])
            if alike[part] < PART_LIKE:
                continue
            strongest = np.argsort(-off[core], kind="stable")[:most]
            inks[part] = np.log(np.median(mine[core][strongest], axis=0) + DARK)
            grounds[part] = np.log(base + DARK)
        off_mark = alike < nanmedian(alike, axis=0) - PART_OFF
        inks[off_mark] = grounds[off_mark] = np.nan
        return inks - grounds, grounds


def nanmedian(values: Doubles, axis: int) -> Doubles:
    """``np.nanmedian`` without its warning where all are NaN: what silences that is the process's, no thread's."""
    ordered = np.sort(values, axis=axis)  # NaN last
    last = np.maximum((~np.isnan(ordered)).sum(axis=axis, keepdims=True) - 1, 0)
    low, high = (np.take_along_axis(ordered, place, axis) for place in (last // 2, last - last // 2))
    return np.asarray(((low + high) / 2).squeeze(axis))


def _looked_up(crop: Pixels, shown: Bools, places: Doubles, near: Bools) -> tuple[Pixels, Bools]:
    """(h, w, 3) the pixels at places (h w, 2) of a crop, and (h, w) which of those ``near`` the mark it shows."""
    at = places.reshape(*near.shape, 2).astype(np.float32)
    pixels = cv2.remap(crop, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(shown.astype(np.uint8), at, None, cv2.INTER_NEAREST, borderValue=0) > 0
    return np.asarray(pixels, np.uint8), near & seen


def _apart(pixels: Floats, there: Bools) -> Doubles:
    """(2, 2) x, y: see :attr:`Drawn.apart`. What is red or blue of ``pixels`` (h, w, 3) is laid over what is green of
    those that are ``there`` by least squares of its gain, its level and its slopes.
    """
    soft = cv2.GaussianBlur(pixels, (0, 0), PLATE_BLUR)
    green, told = soft[..., 1][there], np.full((2, 2), np.nan)
    places = np.mgrid[: there.shape[0], : there.shape[1]][::-1].astype(np.float32)
    for row, plate in enumerate((soft[..., 0], soft[..., 2])):
        by, step = np.zeros(2), np.zeros(2)
        for _ in range(PLATE_STEPS):
            by += step
            x, y = places + by.astype(np.float32)[:, None, None]
            moved = cv2.remap(plate, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            slopes = (cv2.Sobel(moved, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
            terms = np.stack([part[there] for part in (moved, *slopes)], axis=1)
            terms -= terms.mean(axis=0)
            normal = (terms.T @ terms).astype(np.float64) + 1e-3 * np.eye(3)
            gain, *slope = np.linalg.solve(normal, terms.T @ (green - green.mean())).tolist()
            step = np.clip(np.array(slope) / (gain if abs(gain) > 0.02 else np.inf), -PLATE_STEP, PLATE_STEP)
            if np.abs(step).max() < 0.01:
                break
        if min(moved[there].std(), green.std()) >= FLAT and abs(_correlation(moved[there], green)) >= PLATE_LIKE:
            told[row] = by
    return told


def _correlation(first: Floats, second: Floats) -> float:
    """The correlation of two (n,); 0 where one of them does not vary."""
    a, b = first - first.mean(), second - second.mean()
    return float((a @ b) / max(float(np.sqrt((a @ a) * (b @ b))), 1e-9))


def _ink(colours: Floats, light: Floats, outline: Floats) -> Floats:
    """(n,) how much of each pixel, of ``colours`` (n, 3), is ink: ground, under a ``light`` (n, 4) that falls off, and
    ink fitted to the ``outline`` (n,) by robust least squares, each pixel projected on the line between their colours.
    """
    terms, weight = np.concatenate([light, outline[:, None]], axis=1), np.ones((len(light), 1), np.float32)
    fit = np.zeros((5, 3), np.float32)
    for _ in range(3):
        weighted = terms * weight
        fit = np.linalg.solve(weighted.T @ terms + 1e-3 * np.eye(5, dtype=np.float32), weighted.T @ colours)
        off = np.sqrt(np.square(colours - terms @ fit) @ np.ones(3, np.float32))
        weight = (1 / (1 + (off / (3 * max(quick_median(off), 2.0))) ** 2))[:, None]
    ink = fit[4]
    return np.asarray((colours - light @ fit[:4]) @ ink / max(float(ink @ ink), 1e-6), np.float32)
