"""Whether marks are raised or sunk in what they are on, and no ink tells them: stamped, engraved or moulded.

Light from a side makes one flank of a stroke brighter than the ground and the other darker, in the ground's own colour.
A print is darker all over, or brighter; one in several colours has their hues, but for black and white on grey. So one
photo tells, where references that were all taken in the same light agree as those of a print do.
"""

from __future__ import annotations

import cv2
import numpy as np

from .._arrays import Floats, Pixels
from ..geometry.laying import to_grey

__all__ = ["without_ink"]

RING = 6  # pixels of a frame around a box that tell its ground
DRAWN = 0.35  # of how far the boldest pixels are from the ground, from which one is part of the mark
# Of a product's marks the most one-sided has 0.49 to 0.94, and the most coloured 0.01 to 0.08, on seeds 0 and 1 of
# stamped leather and of metal (benchmarks/kinds.py). The first is 0.97 to 1 on seed 0 of the other kinds, 20 of
# printed.py and markets 250 and 253. Of 31 cartons of grocery's training part five have less; of these the second is
# 0.16 or more
ONE_SIDED = 0.95  # share of a mark's darkness, less its brightness, from which it is ink
COLOURED = 0.12  # of what its pixels differ from the ground, across the colour in which most do: it is another colour


def without_ink(crops: Pixels, boxes: Floats) -> bool:
    """Whether each of m marks, ``boxes`` (m, 4) on photos that are laid over each other (n, h, w, 3), is bright on one
    side and dark on the other and nowhere of another colour than its ground, as most of the photos show it.
    """
    told = np.array([[_told(crop, box) for box in boxes] for crop in crops])
    one_sided, coloured = np.median(told, axis=0).T
    return bool(one_sided.max() < ONE_SIDED and coloured.max() < COLOURED)


def _told(crop: Pixels, box: Floats) -> tuple[float, float]:
    """How one-sided and how coloured a mark is beside its ground, 0..1; (1, 1) where nothing tells the ground."""
    x0, y0, x1, y1 = (int(value) for value in box)
    left, top = max(0, x0 - RING), max(0, y0 - RING)
    around = cv2.GaussianBlur(crop[top : y1 + RING, left : x1 + RING].astype(np.float32), (0, 0), 1.0)
    inside = np.zeros(around.shape[:2], bool)
    inside[y0 - top : y1 - top, x0 - left : x1 - left] = True
    if inside.all() or not inside.any():
        return 1.0, 1.0
    off = around[inside] - np.median(around[~inside], axis=0)
    darker = to_grey(off)
    strength = np.abs(darker)
    drawn = strength >= DRAWN * np.quantile(strength, 0.95)
    if not strength[drawn].any():
        return 1.0, 1.0
    along, across, _ = np.linalg.svd(off[drawn].T @ off[drawn], compute_uv=False) ** 0.5
    return float(abs(darker[drawn].sum()) / strength[drawn].sum()), float(across / along)
