"""Which photos of genuine goods, laid over each other, show the same version of them.

A brand redraws its logo, sells an edition, prints the pack anew for another country: all are genuine, and filed as one
product. The median of all versions is like none of them, and a fake that mixes them is in every place like one of them.
So what is laid over references is compared with those of one version.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from .._arrays import Bools, Floats, Pixels
from .laying import to_grey
from .warp import compared, correlation, flattened

__all__ = ["BOLD", "most_alike", "same_version", "strokes", "versions", "without_light"]

BOLD = (2.0, 6.0)  # pixels of a frame: strokes that a blurred photo shows, too, without light
# Correlation of such strokes from which two references show one version. Of one version the least alike to any other
# has 0.94 on its marks and 0.99 on the whole (seeds 0 and 1 of printed.py), packshots that lie well 0.93; packshots of
# other versions have at most 0.90, but for one logo with 0.94
SAME = 0.92
# The same, under which a reference is a version by itself: with more it may be a bad photo of another. On market 240
# one bad photo of 120 has less; limited editions with one packshot have 0.52 and 0.68
ALONE = 0.7


def versions(crops: Pixels, where: Bools, *, relief: bool) -> tuple[tuple[int, ...], ...]:
    """The rows of n references (n, h, w, 3), compared ``where`` (n, h, w) they show anything, version by version: those
    of one are alike, or like others of it. All are one where half or more are like no other: what is drawn on cloth
    lies otherwise on each photo.
    """
    drawn = [strokes(crop, *BOLD, relief=relief) for crop in crops]
    alike = np.full((len(crops), len(crops)), -1.0)
    for one, two in itertools.combinations(range(len(crops)), 2):
        alike[one, two] = alike[two, one] = _likeness(drawn[one], drawn[two], where[one] & where[two])
    group = np.arange(len(crops))
    for one, two in np.argwhere(alike >= SAME):
        group[group == group[two]] = group[one]
    shared = np.array([(group == number).sum() > 1 for number in group])
    near = np.where(shared, alike, -1)
    for row in np.flatnonzero(~shared & (near.max(axis=1) >= ALONE)):
        group[row] = group[near[row].argmax()]
    rows = tuple(tuple(np.flatnonzero(group == number).tolist()) for number in dict.fromkeys(group.tolist()))
    alone = sum(len(one) == 1 for one in rows)
    return rows if 2 * alone < len(crops) else (tuple(range(len(crops))),)


def same_version(one: Pixels, other: Pixels, where: Bools, *, relief: bool) -> bool:
    """Whether two references (h, w, 3) show the same ``where`` (h, w) both show anything."""
    first, second = (strokes(crop, *BOLD, relief=relief) for crop in (one, other))
    return _likeness(first, second, where) >= SAME


def strokes(crop: Pixels, fine: float, coarse: float, *, relief: bool) -> Floats:
    """(h, w) what a crop (h, w, 3), or the edges of a ``relief``, shows between two sizes in pixels."""
    seen = cv2.GaussianBlur(compared(to_grey(crop), relief=relief), (0, 0), fine)
    return np.asarray(seen - cv2.GaussianBlur(seen, (0, 0), coarse), np.float32)


def without_light(crop: Pixels, *, relief: bool) -> Floats:
    """(h, w) what a crop (h, w, 3), or the edges of a ``relief``, shows, light taken out."""
    return flattened(compared(to_grey(crop), relief=relief))


def most_alike(pictures: Sequence[Floats] | Floats, seen: Floats, where: Bools) -> int:
    """Which of n ``pictures`` (h, w) what is ``seen`` (h, w) is most like ``where`` (n, h, w) both show anything; the
    first of those that are equally so.
    """
    return int(np.argmax([_likeness(one, seen, there) for one, there in zip(pictures, where, strict=True)]))


def _likeness(first: Floats, second: Floats, where: Bools) -> float:
    return correlation(first, second, where) if where.any() else -1.0
