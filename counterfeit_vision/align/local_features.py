"""A photo's small grey copy and its local features: what tells a copied photo, and mostly where the marks are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .._arrays import Floats, Pixels
from ..geometry.keypoints import Keypoints, find_keypoints, grey_of

__all__ = ["Traits", "find_traits", "shrunk"]

SIDE = 448  # pixels on the long side of the grey copy
MOST = 800  # local features: enough for a crop to 40 %, and fast to match


@dataclass(frozen=True, eq=False)
class Traits:
    """``grey`` (h, w) uint8, at most :data:`SIDE` pixels a side, the ``features`` on it, and ``size`` (width, height)
    of the original photo.
    """

    grey: Pixels
    features: Keypoints
    size: tuple[int, int]

    def original(self, points: Floats) -> Floats:
        """(n, 2) points on ``grey`` -> on the original photo."""
        height, width = self.grey.shape
        return np.asarray(points * (self.size[0] / width, self.size[1] / height), np.float32)

    @property
    def on_original(self) -> Keypoints:
        """The ``features`` where they are on the original photo."""
        found = self.features
        return Keypoints(self.original(found.points), found.descriptors, self.original(found.tips))


def find_traits(pixels: Pixels, *, size: tuple[int, int] | None = None) -> Traits:
    """Traits of an RGB (h, w, 3) uint8 photo; ``size`` (width, height) of its original where this is a smaller copy."""
    height, width = pixels.shape[:2]
    grey = shrunk(grey_of(pixels), SIDE)
    return Traits(grey, find_keypoints(grey, most=MOST), size or (width, height))


def shrunk(grey: Pixels, side: int) -> Pixels:
    """A copy of at most ``side`` pixels a side."""
    height, width = grey.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
