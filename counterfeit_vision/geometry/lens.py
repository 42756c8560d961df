"""How a photo is bent by its lens: one number, found where the whole side of a product lies over the genuine one.

A wide lens held close shows straight lines as arcs (barrel). Undistorted, a point at q from the photo's middle, in
halves of its diagonal, lies at q (1 + k |q|**2) (Brown 1971, the first term alone). To first order that is one more
field beside the eight by which a homography may change, and least squares on the pixels tell all nine. The photo's
own warp (:mod:`~counterfeit_vision.geometry.warp`) tells nothing of it: it is kept too stiff to follow.

Of drawn cards (benchmarks/printed.py), 40 photos of seed 183 with k = 0.09 are told to have 0.04 to 0.15 in eight of
ten, 16 of seed 184 0.06 to 0.09; of plain ones, with 0, 20 to have -0.01 to 0.06, 16 to have -0.01 to 0.01.
"""

from __future__ import annotations

import cv2
import numpy as np

from .._arrays import Doubles, Floats
from .laying import Laid, to_grey
from .warp import SPREAD_OF_MAD, Target, compared, quick_median

__all__ = ["find_lens", "straightened"]

ROUNDS = 8  # of each of a target's steps: by the two fine ones alone half of a strong bend is missed
STILL = 0.02  # pixels of the frame: a smaller change ends a step
FEWEST = 400  # pixels of a step's grid that lie on the photo, under which nothing is told
MOST = 1 / 3  # of k either way: with less than -1/3 a photo's corners would fold. What goes so far has found nothing


def find_lens(target: Target, laid: Laid, size: tuple[int, int]) -> float:
    """The k of a photo of that ``size`` (width, height), that is ``laid`` over a target; 0 where nothing tells it."""
    picture = compared(to_grey(laid.crop), relief=target.relief)
    fields, shown = _fields(laid, size), laid.inside.astype(np.float32)
    by = np.zeros(fields.shape[1])
    for step in target.steps:
        look = target.without_light(picture, step.blur)
        column, line = step.places.astype(int)
        here = fields[:, :, line, column]
        slope = here[0] * step.slope[:, 0] + here[1] * step.slope[:, step.slope.shape[1] // 2]
        for _ in range(ROUNDS):
            x, y = (step.places + np.einsum("t,ctm->cm", by, here)).astype(np.float32)[:, None]
            seen = cv2.remap(look, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
            there = cv2.remap(shown, x, y, cv2.INTER_NEAREST, borderValue=0)[0] > 0
            error = seen - step.target
            if there.sum() < FEWEST:
                return 0.0
            spread = max(SPREAD_OF_MAD * quick_median(np.abs(error[there])), 0.05)
            weight = np.where(there, step.say / (1 + (error / (2.5 * spread)) ** 2) ** 2, 0)
            change = np.linalg.lstsq(slope * weight @ slope.T, slope @ (weight * error), rcond=1e-9)[0]
            by = by - change
            if np.abs(change[:-1]).max() < STILL:
                break
    return float(-by[-1]) if abs(by[-1]) < MOST else 0.0


def straightened(places: Floats, lens: float, size: tuple[int, int]) -> Floats:
    """Where ``places`` (h, w, 2) on a photo of that ``size`` (width, height) would be without its lens."""
    middle, unit = _middle(size)
    off = (places - middle) / unit
    return np.asarray(places + lens * unit * off * (off**2).sum(axis=-1, keepdims=True), np.float32)


def _fields(laid: Laid, size: tuple[int, int]) -> Doubles:
    """(2, 9, h, w) by how many pixels of the frame x and y change with each of the homography's terms, and with k."""
    height, width = laid.inside.shape
    middle, unit = _middle(size)
    q = (laid.warp.astype(np.float64) - middle) / unit
    bent = q * (q**2).sum(axis=-1, keepdims=True)
    down, along = (np.gradient(q, axis=axis) for axis in (0, 1))
    area = _cross(along, down)
    area = np.where(np.abs(area) < 1e-12, np.inf, area)  # folded to nothing: it tells nothing
    y, x = np.mgrid[:height, :width] / (max(width, height) / 2)
    x, y = x - x.mean(), y - y.mean()
    one, none = np.ones_like(x), np.zeros_like(x)
    across = [one, none, x, none, y, none, x * x, x * y, _cross(bent, down) / area]
    return np.array([across, [none, one, none, x, none, y, x * y, y * y, _cross(along, bent) / area]])


def _cross(a: Doubles, b: Doubles) -> Doubles:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _middle(size: tuple[int, int]) -> tuple[Doubles, float]:
    """The photo's middle, and half its diagonal, in pixels."""
    return (np.array(size, np.float64) - 1) / 2, float(np.hypot(*size)) / 2
