"""How sharp a photo shows marks, beside the genuine ones: what a photo that moved or is out of focus smears.

An edge's slope over its contrast is one over its width. Its contrast is the range of greys around it, or of all the
mark: by that a shadow over the mark is blur, by the other thin strokes may be, so that a photo is as sharp as the
kinder says. Of each mark the steepest edges count in the direction in which they are least steep, as a photo that
moved is sharp along its way; and beside those of the genuine photos at the same place, as one mark is drawn with fine
lines and another is a soft relief.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .._arrays import Bools, Doubles, Floats, Pixels
from ..geometry.laying import Laid, to_grey
from .ink import nanmedian
from .stencil import Stencil

__all__ = ["MarkSharpness"]

DIRECTIONS = 8  # of half a turn
STEEPEST = 0.99  # quantile of the slopes of a mark's edges: what few pixels of them have
AROUND = np.ones((15, 15), np.uint8)  # pixels of the frame, whose grey levels an edge's contrast is the range of
GRAIN = 1.0  # pixels of blur before it is taken
BOLDEST = 0.98  # quantile of it in a mark's box, that is the mark's contrast
ENDS = (0.02, 0.98)  # quantiles of a mark's greys, whose difference is the range of all of it
EDGE = 0.5  # of the mark's contrast, from which there is an edge
SHOWN = 0.5  # of a mark's box, of which less tells nothing
# Share of the genuine contrast, with less of which nothing tells blur from plain ground: a blur as wide as a stroke
# leaves about half, and a dim light half of that
FAINT = 0.25


@dataclass(frozen=True, eq=False)
class MarkSharpness:
    """Of genuine photos' marks, in ``boxes`` (m, 4) of a frame: medians of their ``slope`` (2, m), shares in a pixel of
    the contrast around an edge and of that of all the mark, and of their ``contrast`` (m,), grey levels; NaN where too
    little of a mark is shown.
    """

    boxes: Floats
    slope: Doubles
    contrast: Doubles

    @classmethod
    def of(cls, stencil: Stencil) -> MarkSharpness:
        """Of a stencil's references."""
        each = [_measured(*seen, stencil.boxes) for seen in zip(stencil.crops, stencil.inside, strict=True)]
        *slope, contrast = nanmedian(np.stack(each), axis=0)
        return cls(stencil.boxes, np.stack(slope), contrast)

    def beside(self, laid: Laid) -> float | None:
        """How sharp a photo over the frame shows its least sharp mark: times as sharp as the genuine ones, 1 at theirs;
        ``None`` where it shows none of those that show anything.

        It is measured in pixels of the frame, or in the photo's own, where these are coarser: marks that are small in
        the photo are soft because they were enlarged, not because they are smeared.
        """
        *slope, contrast = _measured(laid.crop, laid.inside, self.boxes)
        told = (contrast >= FAINT * self.contrast) & (self.slope > 0).all(axis=0)  # NaN: no
        if not told.any():
            return None
        return float((np.stack(slope)[:, told] / self.slope[:, told]).max(axis=0).min() / min(laid.scale, 1.0))


def _measured(crop: Pixels, shown: Bools, boxes: Floats) -> Doubles:
    """(3, m): both slopes and the contrast of the marks in a photo (h, w, 3) of which so much is ``shown`` (h, w)."""
    grey, found = to_grey(crop), np.full((3, len(boxes)), np.nan)
    slopes = np.stack([cv2.Sobel(grey, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1))], axis=-1)
    soft = cv2.GaussianBlur(grey, (0, 0), GRAIN)
    angles = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    for mark, (x0, y0, x1, y1) in enumerate(np.maximum(boxes, 0).astype(int).tolist()):
        box = np.s_[y0:y1, x0:x1]
        there = shown[box]
        if not there.size or there.mean() < SHOWN:
            continue
        contrasts = cv2.dilate(soft[box], AROUND) - cv2.erode(soft[box], AROUND)  # what lies beside it is no edge of it
        boldest = float(np.quantile(contrasts[there], BOLDEST))
        low, high = np.quantile(grey[box][there], ENDS)
        along = np.abs(slopes[box] @ np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32))
        edges = there & (contrasts >= EDGE * boldest)
        around = along[edges] / np.maximum(contrasts[edges], 1.0)[:, None]
        steepest = [np.quantile(each, STEEPEST, axis=0).min() for each in (around, along[there] / max(high - low, 1.0))]
        found[:, mark] = *steepest, boldest
    return found
