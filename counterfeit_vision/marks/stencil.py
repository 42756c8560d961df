"""The genuine marks of a product: its reference photos laid over each other, in one frame with some surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .._arrays import Bools, Floats, Ints, Pixels
from .._concurrency import cached_property
from ..geometry.keypoints import Keypoints
from ..geometry.laying import Laid, usual_picture
from ..geometry.local_correlation import local_spread
from ..geometry.versions import most_alike, versions, without_light
from ..geometry.warp import Target, correlation, flattened, make_target

__all__ = ["BESIDE", "Stencil"]

ELSEWHERE = 0.15  # weight, in the warp, of pixels off the marks: they may lie on another face, or on the room
BESIDE = 12  # pixels of the frame around what is drawn that have their full weight
DRAWN = 0.35  # of the spread of the boldest parts of the marks, from which a place counts as drawn
RING = 4  # pixels of the frame around a box that tell its ground
INK = (0.05, 0.85)  # least and most of a box that may differ from its ground and be a mark
LONG = 2.0  # length over width from which a mark shows how it is turned
SLIM = 0.3  # of a box's shorter side: a turned rectangle that is slimmer than this does not fill it


@dataclass(frozen=True, eq=False)
class Stencil:
    """n references laid over each other: ``crops`` (n, h, w, 3) uint8, ``inside`` (n, h, w) bool.

    ``boxes`` (m, 4) are the marks in the frame, ``rows`` (n,) which of the given references these are, ``warps`` (n, h,
    w, 2) where each pixel of the frame lies on each reference's photo, ``keypoints`` their local features, at their
    places in the frame, and ``around`` those of the whole photo that the frame was drawn on. The marks of a ``relief``
    are raised or sunk, and compared by their edges.
    """

    crops: Pixels
    inside: Bools
    boxes: Floats
    rows: tuple[int, ...]
    warps: Floats
    keypoints: Keypoints
    around: Keypoints
    relief: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frame."""
        return self.crops.shape[1], self.crops.shape[2]

    @cached_property
    def typical(self) -> Floats:
        """(h, w, 3): the median of the references."""
        return np.asarray(np.median(self.crops, axis=0), np.float32)

    @cached_property
    def picture(self) -> Floats:
        """(h, w): what photos are compared with."""
        return usual_picture(self.crops, relief=self.relief)

    @cached_property
    def flattened(self) -> Floats:
        """(h, w): :attr:`picture`, light taken out."""
        return flattened(self.picture)

    @cached_property
    def each_flattened(self) -> Floats:
        """(n, h, w): the references by themselves, light taken out."""
        return np.stack([without_light(crop, relief=self.relief) for crop in self.crops])

    @cached_property
    def versions(self) -> tuple[Stencil, ...]:
        """The references of each version of the marks, in the same frame; itself where there is one."""
        if len(self.crops) < 2:
            return (self,)
        groups = versions(self.crops, self.inside & self.drawn, relief=self.relief)
        return (self,) if len(groups) == 1 else tuple(self._of(list(rows)) for rows in groups)

    def most_alike(self, laid: Laid) -> int:
        """The reference whose marks are most like those of a photo over the frame."""
        seen = without_light(laid.crop, relief=self.relief)
        return most_alike(self.each_flattened, seen, self.inside & self.drawn & laid.inside)

    def _of(self, rows: list[int]) -> Stencil:
        """Those references, first the one that shows most of the marks."""
        rows = sorted(rows, key=lambda row: -float(self.inside[row][self.on_mark()].mean()))
        return replace(
            self,
            crops=self.crops[rows],
            inside=self.inside[rows],
            rows=tuple(self.rows[row] for row in rows),
            warps=self.warps[rows],
        )

    @property
    def alike(self) -> float:
        """Mean correlation of the other references' marks with the first's, light taken out; 1 where there is none."""
        first, *others = self.each_flattened
        seen = zip(others, self.inside[1:], strict=True)
        return float(np.mean([correlation(first, other, self.drawn & there) for other, there in seen] or [1.0]))

    @cached_property
    def spread(self) -> Floats:
        """(h, w): the spread of grey levels around each pixel of :attr:`picture`."""
        return local_spread(self.picture)

    @cached_property
    def drawn(self) -> Bools:
        """(h, w): where in the boxes something is drawn: empty ground in a wide box says nothing about a mark."""
        marks = self.on_mark() & self.inside.any(axis=0)
        return np.asarray(marks & (self.spread >= DRAWN * np.quantile(self.spread[marks], 0.95)))

    @cached_property
    def target(self) -> Target:
        """What a photo is warped onto: :attr:`picture`, by what is drawn in the boxes and, less, what surrounds it."""
        return make_target(self.picture, self._say, self.drawn, relief=self.relief)

    @cached_property
    def near_target(self) -> Target:
        """The same in the light near the marks: those near the edge of light goods look otherwise before a dark floor
        than on white, if that of all of the frame is taken out.
        """
        return make_target(self.picture, self._say, self.drawn, relief=self.relief, near=True)

    @cached_property
    def _say(self) -> Floats:
        """(h, w): how much each pixel counts in the warp."""
        near = cv2.dilate(self.drawn.astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)) > 0
        return np.asarray(cv2.GaussianBlur(np.where(near, 1.0, ELSEWHERE), (0, 0), 4.0), np.float32)

    @cached_property
    def outlines(self) -> Floats:
        """(m, p, 2) x, y: points of the frame around each mark. One that is turned, as its ink shows, fills its upright
        box less than a turned rectangle does.
        """
        tilt = _tilt(self.picture, self.boxes)
        return np.stack([_outline(box, tilt) for box in self.boxes])

    def on_each(self, air: float = 0.0) -> Bools:
        """(m, h, w): the marks' boxes, grown by ``air`` of their shorter sides."""
        masks = np.zeros((len(self.boxes), *self.shape), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, self.boxes, strict=True):
            grow = air * min(x1 - x0, y1 - y0)
            mask[max(0, int(y0 - grow)) : int(y1 + grow) + 1, max(0, int(x0 - grow)) : int(x1 + grow) + 1] = True
        return masks

    def on_mark(self, air: float = 0.0) -> Bools:
        """(h, w): all of them."""
        return np.asarray(self.on_each(air).any(axis=0))


def _drawn(grey: Floats, box: Floats) -> Ints:
    """The pixels in a box of the frame that are not as bright as what surrounds it; all of them where nothing is so."""
    x0, y0 = (int(value) for value in np.clip(box[:2], 0, np.array(grey.shape[::-1]) - 1))
    x1, y1 = max(int(np.ceil(box[2])), x0 + 1), max(int(np.ceil(box[3])), y0 + 1)
    around = grey[max(0, y0 - RING) : y1 + RING, max(0, x0 - RING) : x1 + RING].copy()
    inner = grey[y0:y1, x0:x1]
    around[y0 - max(0, y0 - RING) :, x0 - max(0, x0 - RING) :][: inner.shape[0], : inner.shape[1]] = np.nan
    ground = np.nanmedian(around) if np.isfinite(around).any() else np.median(inner)
    differs = np.clip(np.abs(cv2.GaussianBlur(inner, (0, 0), 1.0) - ground), 0, 255).astype(np.uint8)
    _, mask = cv2.threshold(differs, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    y, x = np.nonzero(mask if INK[0] < mask.mean() < INK[1] else np.ones_like(mask))
    return np.stack([x + x0, y + y0], axis=1)


def _tilt(grey: Floats, boxes: Floats) -> float:
    """Radians by which the longest mark is turned in its box, as its ink lies; 0 where none is long enough to tell."""
    best, tilt = LONG, 0.0
    for box in boxes:
        _, sides, degrees = cv2.minAreaRect(_drawn(grey, box).astype(np.float32))
        if min(sides) > 0 and max(sides) / min(sides) > best:
            best, tilt = max(sides) / min(sides), (degrees + 45) % 90 - 45
    return float(np.deg2rad(tilt))


def _outline(box: Floats, tilt: float) -> Floats:
    """Points (16, 2) of the rectangle that is turned by ``tilt`` and fills an upright box, or of the box."""
    wide, high = float(box[2] - box[0]), float(box[3] - box[1])
    c, s = abs(np.cos(tilt)), abs(np.sin(tilt))
    w, h = (c * wide - s * high) / (c * c - s * s + 1e-9), (c * high - s * wide) / (c * c - s * s + 1e-9)
    if not min(w, h) > SLIM * min(wide, high):
        w, h, tilt = wide, high, 0.0
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn + [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    sides = [corners + share * (np.roll(corners, -1, axis=0) - corners) for share in (0, 0.25, 0.5, 0.75)]
    return np.concatenate(sides).astype(np.float32)
