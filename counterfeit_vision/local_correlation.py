"""Whether two grey pictures show the same, place by place, whatever the light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["local_correlation"]

Floats = NDArray[np.float32]

NOISE = 4.0  # grey levels squared: what rounding and JPEG leave on a flat wall


def local_correlation(one: Floats, two: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """The correlation of two pictures (h, w) of 0..255 in the window of so many pixels a side around each pixel,
    in -1..1, less where nothing but noise is seen; and the variance of each there, in grey levels squared.
    """

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.boxFilter(values, -1, (window, window)), np.float32)

    middle_one, middle_two = mean(one), mean(two)
    varies_one = np.maximum(mean(one * one) - middle_one**2, 0)
    varies_two = np.maximum(mean(two * two) - middle_two**2, 0)
    together = mean(one * two) - middle_one * middle_two
    return together / np.sqrt((varies_one + NOISE) * (varies_two + NOISE)), varies_one, varies_two
