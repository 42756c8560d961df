"""Where a photo that is laid over a whole product differs from its references: in what is drawn on it, and in colour.

No place has to be a mark. What varies from photo to photo, as hands of a watch, folds or the room, is not told from
what a fake does otherwise: the calibration learns how much of it is usual for goods of a brand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .._arrays import Bools, Floats
from ..geometry.laying import Laid, desaturated
from ..geometry.shadow import edges, shaded, soft
from ..marks.stencil import Stencil
from .whole import DARK, FEWEST, WholeProduct

__all__ = [
    "Difference",
    "colours_differ",
    "drawing_differs",
    "goods_differ",
    "missing_from",
    "pattern_differs",
    "saturation_over",
    "shade_over",
    "unlike_all",
]

REACH = 2  # pixels of the frame that a stroke may be off: the warp does not take up all
WINDOW = 7  # pixels on the side of what must be another together
GAIN = (0.4, 2.5)  # times by which a photo's contrast may be raised to the references'
MOST_DIFFERENT = 0.003  # share of the product's pixels that makes the score of the drawing
LEFT = 0.15  # of the mean strength of all that is drawn: with less, a place is empty
MISSING = 0.3  # weight, beside what differs, of missing strokes, in times that the genuine ones are stronger
OTHER_GROUND = 0.15  # of a colour's logarithm, by which the ground is another where something lies over it
# Chosen on two sets of patterned leather goods: where a hand lies over a fifth of a genuine side, fewer look odd by it
# than by the mean of all that differs (30 % for 55 %, 8 % for 12 %), and a little fewer fakes do (73 % for 80 %, 44 %
# for 56 %)
COVERING = 0.25  # share of the product's pixels that makes the score of the pattern
OTHERWISE = 0.8  # times the mean strength of all that is drawn, from which a place is drawn otherwise
SPREAD = 6.0  # pixels of the frame over which such places are one area
CELL = 6  # pixels of the frame on the side of a patch of colour
MOST_COLOURED = 0.1  # share of the cells that makes the score of the colours
FAINT = 0.02  # of a colour's logarithm: less is noise
# Times as saturated as the references' that a phone or a filter may make all colours of a photo alike, and the share of
# what differs in colour that it leaves at most, where it is that: chosen on drawn cards, where a genuine photo made 1.2
# or 1.35 times as saturated has unusual colours or ink in 4 of 40 (37 and 40 without), in 4 and 6 of 40 on cards that
# chose nothing (35 and 39), and no fake in another, one, paler or no colour has them less often
SATURATED = (1.0, 1.1, 1.24, 1.39, 1.57, 1.76, 1.98, 2.22, 2.5)
EXPLAINED = 0.8
# Blue against amber, and green against magenta, as directions in the logarithms of red, green and blue, and how much of
# each a lamp and a camera's balance may give to all of a photo: lamps of 2,700 K seen as if by daylight of 5,500 K, or
# the other way round, differ by 0.54 and 0.09 in the values that a file holds; lamps as green or as purple as
# fluorescent ones (0.02 off the black body's line in u, v), by 0.12 to 0.17
LAMPS = np.array([[1, 0, -1], [-1, 2, -1]], np.float32) / np.sqrt(np.array([[2], [6]], np.float32))
MOST_LIT = np.array([0.55, 0.15], np.float32)
# Of a colour's logarithm, by which taking out what a phone deepened may take a photo's ground farther off the genuine
# one's: with more, an ink that is deeper alone passes for a deeper photo on navy. Chosen on goods in six colours of one
# brand, where 30 of 30 fakes in another ink have an ink score over 3 (18 without; 25 with 0.1), and none of 36 genuine
# photos, also 1.3 to 1.6 times as saturated
CAST = 0.07
AWAY = 12  # pixels of the frame around marks and at the product's edge, where a photo that lies badly shows the room
# Of a colour, in the tenth of all else that differs most, which makes other goods: 17 that the catalogue lacks, of wide
# ranges invented by seed 173, differ by 0.20 and more, 37 fakes of theirs by 0.10 at most, and of kinds.py, seed 13, by
# 0.17
OTHER_GOODS = 0.18
FAINTEST = 0.001  # of what is drawn all over: no logarithm of nothing


@dataclass(frozen=True, eq=False)
class Difference:
    """How much the most different parts differ: ``score``, a logarithm, of parts of what is drawn on the product all
    over, or of a colour; ``text`` says it, the end of a sentence; ``map`` (h, w) float32 over the frame.
    """

    score: float
    text: str
    map: Floats


def drawing_differs(whole: WholeProduct, laid: Laid, different: Floats | None = None) -> Difference:
    """In strokes and edges: what is different from the most alike reference in a small window, and what is missing that
    all of them show, by :data:`MISSING`. Strokes that lie a little elsewhere differ as much as such that are not there:
    where a line of small print is missing is only told by how little is drawn at all. ``different``:
    :func:`unlike_all`, where known.
    """
    shown, missing = whole.product & laid.inside, missing_from(whole, laid)
    different = unlike_all(whole, laid) if different is None else different
    map_ = np.where(shown, different + MISSING * missing, 0).astype(np.float32)
    times, most = _most(map_, shown, MOST_DIFFERENT), np.unravel_index(map_.argmax(), map_.shape)
    if MISSING * missing[most] > different[most]:
        text = (
            "strokes are missing, faint or elsewhere where it differs most: all of them that show that place have some."
        )
    else:
        text = f"the drawing differs, where it does most, {times:.1f} times as strongly as all of it stands out."
    return Difference(float(np.log(times + FAINTEST)), text, map_)


def pattern_differs(whole: WholeProduct, laid: Laid, different: Floats | None = None) -> Difference:
    """As :func:`drawing_differs`, all over: what the quarter that differs most differs by, at least. Where another
    pattern covers the product, or a smaller, turned or mirrored one, no part need differ more than one odd fold does; a
    hand over less than a quarter is none.
    """
    shown, different = whole.product & laid.inside, unlike_all(whole, laid) if different is None else different
    times, share = float(np.quantile(different[shown], 1 - COVERING)), float((different[shown] >= OTHERWISE).mean())
    text = (
        f"{share:.0%} of it is drawn otherwise, a quarter by {times:.0%} or more of how strongly all of it stands out."
    )
    area = np.minimum(cv2.GaussianBlur(different, (0, 0), SPREAD), OTHERWISE)
    return Difference(float(np.log(times + FAINTEST)), text, np.where(shown, area, 0).astype(np.float32))


def unlike_all(whole: WholeProduct, laid: Laid) -> Floats:
    """(h, w) the root mean square, in a small window, of what is drawn otherwise than on the most alike reference, in
    that of what is drawn on the references all over; 0 where the photo does not show the product.
    """
    seen, shown = whole.drawing_of(laid.crop), whole.product & laid.inside
    around = cv2.copyMakeBorder(seen, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    least = np.full(seen.shape, np.inf, np.float32)
    part = _around(whole.product)
    height, width = least[part].shape
    off, away = np.empty_like(seen[part]), np.empty_like(seen[part])
    for drawing, inside in zip(whole.drawings, whole.inside, strict=True):
        both = shown & inside
        mine, genuine = seen[both], drawing[both]
        lit = around * np.float32(np.clip(mine @ genuine / max(float(mine @ mine), 1e-6), *GAIN))
        nearest = np.full(off.shape, np.inf, np.float32)
        for y in range(part[0].start, part[0].start + 2 * REACH + 1):
            for x in range(part[1].start, part[1].start + 2 * REACH + 1):
                cv2.subtract(lit[y : y + height, x : x + width], drawing[part], dst=off)
                cv2.multiply(off, off, dst=off)
                cv2.boxFilter(off, -1, (WINDOW, WINDOW), dst=away)
                np.minimum(nearest, away, out=nearest)
        np.minimum(least[part], nearest, out=least[part], where=inside[part])
    every = whole.drawings[:, whole.product]
    least = np.where(shown, np.maximum(least, 0), 0)  # rounding may fall below 0
    return np.asarray(np.sqrt(least / max(float((every * every).mean()), 1e-6)), np.float32)


def missing_from(whole: WholeProduct, laid: Laid) -> Floats:
    """(h, w) how many times the strength of the strokes that a photo shows around each pixel it lacks of what all
    references show there; 0 where something lies over the product, so that its ground has another colour.
    """
    seen, ground, shown = whole.strength_of(laid.crop), whole.ground_of(laid.crop), whole.product & laid.inside
    mean = max(float(whole.strengths[whole.inside & whole.product].mean()), 1e-6)
    times, other = np.full(seen.shape, np.inf, np.float32), np.full(seen.shape, np.inf, np.float32)
    for strength, its, inside in zip(whole.strengths, whole.grounds, whole.inside, strict=True):
        drawn = shown & inside & (strength > mean / 2)
        gain = np.median((strength / np.maximum(seen, 1e-6))[drawn]) if drawn.any() else 1.0
        left = seen * np.float32(np.clip(gain, GAIN[0] ** 2, GAIN[1] ** 2)) + LEFT * mean
        np.minimum(times, (strength + LEFT * mean) / left, out=times, where=inside)
        off = ground - its
        off -= np.median(off[shown], axis=0)
        np.minimum(other, np.sqrt((off * off).mean(axis=2)), out=other, where=inside)
    bare = np.exp(-np.square(other / OTHER_GROUND))
    return np.asarray(np.where(shown, np.maximum(times, 1) ** bare - 1, 0), np.float32)


def colours_differ(whole: WholeProduct, laid: Laid, saturation: float | None = None) -> Difference | str:
    """In colour, whatever the lamp: in the logarithms of red, green and blue without their mean, each less its median
    over the product as far as lamps go, from the most alike reference, once :func:`saturation_over` them is taken out,
    ``saturation`` where known. Or why that can't be said.
    """
    if laid.lacks_colours(whole.crops):
        return "the photo is black and white"
    off, shown = _off_in_colour(whole, laid, saturation_over(whole, laid) if saturation is None else saturation)
    times = _most(off, shown, MOST_COLOURED)
    return Difference(
        float(np.log(times + FAINT)),
        f"red, green and blue stand {times:.0%} otherwise to each other, in the tenth that differs most.",
        cv2.resize(np.where(shown, off, 0), laid.inside.shape[::-1], interpolation=cv2.INTER_NEAREST),
    )


def _off_in_colour(whole: WholeProduct, laid: Laid, saturation: float) -> tuple[Floats, Bools]:
    """(rows, columns) how far each cell's colour is from the most alike reference's, and which cells are shown."""
    size = _size_in_cells(laid)
    shown = _shown_in_cells(whole, laid, size)
    seen = _cells(laid.crop.astype(np.float32), size)
    genuine = [_cells(crop.astype(np.float32), size) for crop in whole.crops]
    hues, mine = [_hues(cells) for cells in genuine], _hues(desaturated(seen, saturation))
    # as deep as the photo shows them, too: made as pale as the genuine ones, all colours are nearly alike
    deep = [_hues(desaturated(cells, 1 / saturation)) for cells in genuine]
    beyond = _beyond_lamps([(_hues(seen) - theirs)[shown] for theirs in hues + deep])
    least = np.full(size[::-1], np.inf, np.float32)
    for theirs, inside in zip(hues, whole.inside, strict=True):
        off = mine - theirs
        off += beyond - np.median(off[shown], axis=0)
        away, both = np.sqrt((off * off).sum(axis=2)), _cells(inside.astype(np.float32), size) >= 0.5
        np.minimum(least, away, out=least, where=both)
    return least, shown


def goods_differ(whole: WholeProduct, stencil: Stencil, laid: Laid) -> float | None:
    """How far all of a product but its marks is coloured otherwise, in parts of :data:`OTHER_GOODS`: from 1 it may be
    other goods, of another colour or with other things printed on them. ``None`` where that can't be told.
    """
    away = np.ones((2 * AWAY + 1, 2 * AWAY + 1), np.uint8)
    beside = (whole.product & whole.off_marks(stencil)).astype(np.uint8)
    inner = cv2.erode(beside, away, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    told = _cells((inner & laid.inside).astype(np.float32), _size_in_cells(laid)) >= 0.5
    if laid.lacks_colours(whole.crops) or told.sum() * CELL**2 < FEWEST:
        return None
    goods = replace(whole, product=inner)
    off, shown = _off_in_colour(goods, laid, saturation_over(goods, laid))
    return _most(off, shown, MOST_COLOURED) / OTHER_GOODS


def saturation_over(whole: WholeProduct, laid: Laid) -> float:
    """How many times as saturated as on its references a photo shows all colours of a product, of :data:`SATURATED`; 1
    where they are paler, or where it leaves more than :data:`EXPLAINED` of what differs: a phone or a filter deepens
    all of a photo, another ink some of it. Only times count that leave the ground's hue about as near the references'
    as it is given (:data:`CAST`). Of the references, the median; the least mean of absolute differences, in colours as
    deep as the photo's: in paler ones all differs less, what is another colour, too.
    """
    size = _size_in_cells(laid)
    shown, cells = _shown_in_cells(whole, laid, size), _cells(laid.crop.astype(np.float32), size)
    hues, best = np.stack([_hues(desaturated(cells, times)) for times in SATURATED]), []
    for crop, inside in zip(whole.crops, whole.inside, strict=True):
        both = shown & (_cells(inside.astype(np.float32), size) >= 0.5)
        if both.any():
            off = hues[:, both] - _hues(_cells(crop.astype(np.float32), size))[both]
            grounds = np.median(off, axis=1, keepdims=True)
            left = SATURATED * np.abs(off - grounds).sum(axis=2).mean(axis=1)
            cast = np.linalg.norm(grounds, axis=(1, 2))
            least = np.where(cast <= cast[0] + CAST, left, np.inf)
            best.append(int(least.argmin()) if least.min() <= EXPLAINED * left[0] else 0)
    return SATURATED[int(np.median(best))] if best else 1.0


def shade_over(whole: WholeProduct, laid: Laid) -> float:
    """The share, 0..1, of a product's plain ground that is unevenly lit: a shadow's edge looks like something drawn."""
    genuine, photo = whole.typical, soft(laid.crop)
    looked, dark = shaded(genuine, photo, whole.product & laid.inside & ~edges(genuine) & ~edges(photo))
    return dark / max(looked, 1)


def _size_in_cells(laid: Laid) -> tuple[int, int]:
    height, width = laid.inside.shape
    return max(1, width // CELL), max(1, height // CELL)


def _shown_in_cells(whole: WholeProduct, laid: Laid, size: tuple[int, int]) -> Bools:
    """(rows, columns) which cells show the product; all where none does."""
    shown = _cells((whole.product & laid.inside).astype(np.float32), size) >= 0.5
    return shown if shown.any() else np.ones_like(shown)


def _beyond_lamps(offs: list[Floats]) -> Floats:
    """(3,) what no lamp gives of that which differences (n, 3) in hue have in common, the least of the ``offs``: goods
    of one colour that are sold in another differ alike all over, too. What makes no other goods may be an odd lamp's.
    """
    along = np.stack([np.median(off, axis=0) for off in offs]) @ LAMPS.T
    beyond = along - np.clip(along, -MOST_LIT, MOST_LIT)
    least = min(beyond, key=np.linalg.norm)
    return np.asarray((least if np.linalg.norm(least) >= OTHER_GOODS else 0 * least) @ LAMPS, np.float32)


def _around(product: Bools) -> tuple[slice, slice]:
    """The part of a frame (h, w) around the product that windows on it reach."""
    down, across = (
        slice(max(0, int(there[0]) - WINDOW), int(there[-1]) + WINDOW + 1)
        for there in (np.flatnonzero(product.any(axis=axis)) for axis in (1, 0))
    )
    return down, across


def _most(different: Floats, shown: Bools, share: float) -> float:
    """The mean over the ``share`` of what is ``shown`` that differs most."""
    values = np.sort(different[shown])
    return float(values[-max(1, round(share * len(values))) :].mean())


def _hues(cells: Floats) -> Floats:
    """(rows, columns, 3) of colours in cells, lightness taken out."""
    logarithms = np.log(np.maximum(cells, 0) + DARK)
    return np.asarray(logarithms - logarithms.mean(axis=2, keepdims=True), np.float32)


def _cells(picture: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
