"""Whether two photos show a thing from the same place: how much one must be bent to lie on the other.

A copy lies on its original after a shift, a turn and a scale. Another photo of the same print, however flat and
however alike in pose, wants a little stretch and perspective, too: tenths of a pixel, which many corners tell together.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Floats, Pixels
from .warp import SPREAD_OF_MAD

__all__ = ["bend", "follow_corners"]

LIGHT = 6.0  # pixels of Gaussian blur: brightness and contrast are made even over as much, as copies are recoloured
EVEN = 40.0  # grey levels of standard deviation after that
NOISE = 4.0  # grey levels of noise, which are not raised to that
CORNERS, APART, FAINTEST = 400, 5, 0.005  # at most so many, so far apart, at least so strong beside the strongest
WINDOW = 15  # pixels: the side of what is followed
FARTHEST = 3.0  # pixels that a corner may have moved
BACK = 0.3  # pixels from a corner to where it ends when it is followed there and back
LIKE = 12.0  # evened grey levels by which a corner may look different on the other picture
# Corners without which nothing is told: of 1194 copies 29 or more were followed, of plain goods shot anew 9 to 12
FEWEST = 20
ROUNDS, STRAY = 6, 3.0  # of the fit; standard deviations from which a corner counts less
CHANCE = 5.0  # variance that bending explains, by that which it leaves: by chance about 1, on copies seldom 5


def follow_corners(one: Pixels, two: Pixels, overlap: Bools) -> tuple[Floats, Floats]:
    """Corners of two grey pictures (h, w) that lie on each other nearly: where they are on the first, (n, 2) x y, and
    on the second. Only those in ``overlap`` (h, w) that look alike on both, whatever the brightness and contrast there.
    """
    nothing = np.zeros((0, 2), np.float32)
    found = cv2.goodFeaturesToTrack(two, CORNERS, FAINTEST, APART, mask=overlap.astype(np.uint8))
    if found is None:
        return nothing, nothing
    first, second = _even(one), _even(two)
    there = np.asarray(found, np.float32)
    here, unlike = _follow(second, first, there)
    back, astray = _follow(first, second, here)
    good = np.maximum(unlike, astray) < LIKE
    for moved, most in ((back - there, BACK), (here - there, FARTHEST)):
        good &= np.linalg.norm(moved[:, 0], axis=1) < most
    return here[good, 0], there[good, 0]


def _follow(before: Pixels, after: Pixels, points: Floats) -> tuple[Floats, Doubles]:
    """Where points (n, 1, 2) of one picture are on another, and by how many grey levels (n,) they differ there."""
    found, known, unlike = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(WINDOW, WINDOW), maxLevel=0)
    return np.asarray(found, np.float32), np.where(known.ravel() > 0, unlike.ravel(), np.inf)


def bend(here: Floats, there: Floats) -> tuple[float, float, float]:
    """Pixels of the first photo, root mean square, by which the same points on it (n, 2), and on a second photo (n, 2),
    ask for more than a shift, a turn, a scale, and a stretch to another width or height; how many times as much as
    chance does; and the pixels to which they tell it, the standard error of their mean. 0 pixels of bend where that may
    be chance, and no end of either where points are too few to tell.
    """
    if len(here) < FEWEST:
        return math.inf, 0.0, math.inf
    target, points = (on[:, 0] + 1j * on[:, 1] for on in (here.astype(np.float64), there.astype(np.float64)))
    points = points - points.mean()
    points *= np.vdot(points, target) / len(points)  # turned and scaled as they are on the first photo
    points /= max(float(np.sqrt(np.mean(np.abs(points) ** 2))), 1e-9)
    one = np.ones(len(points))
    # A shift, a turn and a scale, a stretch along the axes; one aslant, and a perspective, as far as they are small.
    maps = [one, 1j * one, points, 1j * points, points.conj(), 1j * points.conj(), points * points.real]
    maps.append(points * points.imag)
    bent, wanted = _real(np.stack(maps, axis=1)), _real(target)
    straight, weight = bent[:, :5], one
    for _ in range(ROUNDS):
        missed = _misfit(bent, wanted, weight)
        usual = SPREAD_OF_MAD * float(np.median(np.abs(missed))) + 1e-9
        weight = 1 / (1 + (np.hypot(*np.split(missed, 2)) / (STRAY * usual)) ** 2)
    twice = np.tile(weight, 2)
    left = float(twice @ _misfit(bent, wanted, weight) ** 2)
    explained = float(twice @ _misfit(straight, wanted, weight) ** 2) - left
    chance = left / max(twice.sum() - bent.shape[1], 1.0)
    beyond = explained / ((bent.shape[1] - straight.shape[1]) * (chance + 1e-9))
    return (
        (float(np.sqrt(explained / weight.sum())) if beyond > CHANCE else 0.0),
        float(beyond),
        usual / math.sqrt(len(points)),
    )


def _misfit(maps: Doubles, wanted: Doubles, weight: Doubles) -> Doubles:
    """What the best weighted sum of ``maps`` (2n, k) misses of ``wanted`` (2n,), where ``weight`` is (n,)."""
    root = np.sqrt(np.tile(weight, 2))
    best = np.linalg.lstsq(maps * root[:, None], wanted * root, rcond=None)[0]
    return np.asarray(maps @ best - wanted, np.float64)


def _real(values: NDArray[np.complex128]) -> Doubles:
    """Real parts above imaginary ones."""
    return np.concatenate([values.real, values.imag])


def _even(grey: Pixels) -> Pixels:
    """The picture with the same brightness and contrast everywhere."""
    values = grey.astype(np.float32)
    middle = cv2.GaussianBlur(values, (0, 0), LIGHT)
    spread = cv2.GaussianBlur((values - middle) ** 2, (0, 0), LIGHT)
    even = np.clip(128 + EVEN * (values - middle) / np.sqrt(spread + NOISE**2), 0, 255)
    return np.asarray(even, np.uint8)
