"""What a channel left of a photo, as the plain ground around its marks shows it: grey levels far apart, and noise.

Light that falls off over plain ground gives it all the grey levels between two. On a strongly compressed photo, or one
of few colours, it has some of them and nothing between, which no drawing does. Noise is told beside that of the genuine
photos at the same place, as cloth is never as plain as card.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .._arrays import Bools, Floats, Pixels
from ..geometry.laying import Laid, to_grey
from .stencil import Stencil

__all__ = ["MarkGround"]

AROUND = np.ones((25, 25), np.uint8)  # pixels of the frame, by half of which the marks' boxes are grown
CALM = 0.4  # of these and the boxes, the share where the genuine photos have the least edges
LEAST = 200  # pixels of them that tell something
FINE = 1.0  # pixels of blur, that leaves no grain
FAINT = 0.25  # colour levels of grain, of which less is none
# Of a grey level's pixels: where the four levels next to it have fewer, it stands alone. No photo of printed goods of
# seed 194 or of market 366 has 2 % of such ground, genuine or fake, nor any that was saved at JPEG quality 60
EMPTY = 0.25


@dataclass(frozen=True, eq=False)
class MarkGround:
    """Of genuine photos, where the ``calm`` (h, w) ground is in a frame, and the median of its ``grain``."""

    calm: Bools
    grain: float

    @classmethod
    def of(cls, stencil: Stencil) -> MarkGround:
        """Of a stencil's references."""
        near = cv2.dilate(stencil.on_mark().astype(np.uint8), AROUND) > 0
        grain = np.stack([_grain(crop) for crop in stencil.crops])
        edges = np.median([cv2.dilate(each, np.ones((5, 5), np.uint8)) for each in grain], axis=0)
        calm = near & (edges <= np.quantile(edges[near], CALM))
        shown = [calm & inside for inside in stencil.inside]
        each = [np.median(one[there]) for one, there in zip(grain, shown, strict=True) if there.sum() >= LEAST]
        return cls(calm, float(np.median(each)) if each else 0.0)

    def beside(self, laid: Laid) -> tuple[float, float]:
        """Of a photo over the frame, the share of that ground, 0..1, whose grey levels stand alone, and times the
        genuine photos' grain that it has; zeros where it shows too little of it.
        """
        there = self.calm & laid.inside
        if there.sum() < LEAST:
            return 0.0, 0.0
        grain = float(np.median(_grain(laid.crop)[there]))
        return _alone(laid.crop[there]), max(grain, FAINT) / max(self.grain, FAINT)


def _grain(crop: Pixels) -> Floats:
    """(h, w) how far each pixel of (h, w, 3) is from those around it, in levels of its three colours."""
    colours = crop.astype(np.float32)
    return np.asarray(np.linalg.norm(colours - cv2.GaussianBlur(colours, (0, 0), FINE), axis=-1))


def _alone(colours: Pixels) -> float:
    """The share of ``colours`` (n, 3) of grey levels that stand alone; black and white, which are clipped, do not."""
    counts = np.bincount(np.rint(to_grey(colours)).astype(int), minlength=256)
    padded = np.pad(counts, 2, constant_values=len(colours))
    beside = padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]
    return float(counts[beside < EMPTY * counts].sum() / len(colours))
