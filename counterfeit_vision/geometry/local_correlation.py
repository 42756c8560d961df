"""What grey pictures show, place by place, whatever the light: whether anything, and whether two show the same."""

from __future__ import annotations

import cv2
import numpy as np

from .._arrays import Floats

__all__ = ["local_correlation", "local_spread"]

STROKE = 11  # pixels: the window in which it is seen whether anything is drawn
NOISE = 4.0  # grey levels squared: what rounding and JPEG leave on a flat wall


def local_correlation(one: Floats, two: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """The correlation of two pictures (h, w) of 0..255 in the window of so many pixels a side around each pixel,
    in -1..1, less where nothing but noise is seen; and the variance of each there, in grey levels squared.
    """
    (middle_one, varies_one), (middle_two, varies_two) = (_moments(picture, window) for picture in (one, two))
    together = _mean(one * two, window) - middle_one * middle_two
    alike = np.asarray(together / np.sqrt((varies_one + NOISE) * (varies_two + NOISE)), np.float32)
    return alike, varies_one, varies_two


def local_spread(grey: Floats) -> Floats:
    """(h, w): the spread of grey levels in the window of :data:`STROKE` pixels a side around each pixel."""
    return np.sqrt(_moments(grey, STROKE)[1])


def _moments(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and variance (h, w) in that window."""
    mean = _mean(values, window)
    return mean, np.maximum(_mean(values * values, window) - mean * mean, 0)


def _mean(values: Floats, window: int) -> Floats:
    return np.asarray(cv2.boxFilter(values, -1, (window, window)), np.float32)
