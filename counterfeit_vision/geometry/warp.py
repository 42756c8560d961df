"""The smooth warp that lays a photo's marks over the genuine ones, fitted to the pixels.

A homography is a few pixels off on bulging cartons, bottles and bags. What is left is taken up by polynomials of the
place, from coarse to fine: in each step both pictures are blurred less and the polynomials may bend more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .._arrays import Bools, Floats

__all__ = [
    "SPREAD_OF_MAD",
    "Target",
    "compared",
    "correlation",
    "edges",
    "flattened",
    "make_target",
    "quick_median",
    "warped_places",
]

STIFF = 0.03  # ridge on the warp, in parts of a term's mean weight: 1 on cubic terms, this on quadratic, then powers
STEPS = ((8.0, 1, 10), (4.0, 1, 10), (2.0, 2, 10), (1.2, 3, 10))  # blur in pixels, degree of the warp, iterations
HIGHEST = STEPS[-1][1]  # degree of the warp
SILENT = 1e-3  # weight under which a pixel is left out
RENEWED = 2  # iterations for which the normal matrix is kept: that it is a little old moves no result
JUDGE = 2  # the step on whose grid it is judged whether a step has made it better
# Pixels over which grain is averaged out, and an edge is spread; chosen on seed 0 of metal and leather of
# benchmarks/kinds.py, where sharper edges laid fewer of the genuine photos over each other
GRAIN, EDGE = 2.0, 1.5
SPREAD_OF_MAD = 1.4826  # standard deviations in a median absolute deviation, of normal noise
LIGHT = 8.0  # pixels of a copy of a quarter of the size, over which light is taken out
# Least weight in the light near the marks; others weigh the square of what they say in the fit, and with its fourth
# power nothing fits better
LEAST = 0.01


@dataclass(frozen=True, eq=False)
class Target:
    """A picture of ``shape`` (h, w) that photos are warped onto, prepared for each of :data:`STEPS`; where it is of a
    ``relief``, their :func:`edges` are. ``lit`` (h, w) is how much each pixel counts in the light that is taken out;
    all count alike where it is ``None``.
    """

    shape: tuple[int, ...]
    steps: tuple[_Step, ...]
    relief: bool
    lit: Floats | None = None

    def without_light(self, picture: Floats, blur: float, around: int = 0) -> Floats:
        """A photo's ``picture`` over the frame and ``around`` pixels more on each side, blurred, light taken out."""
        lit = None if self.lit is None else np.pad(self.lit, around, constant_values=LEAST)
        return flattened(cv2.GaussianBlur(picture, (0, 0), blur), lit)


def make_target(picture: Floats, say: Floats, drawn: Bools, *, relief: bool, near: bool = False) -> Target:
    """From a grey ``picture`` (h, w), or the edges of a ``relief``: ``say`` (h, w) is how much each pixel counts in the
    fit, ``drawn`` (h, w) which pixels show whether it fits. ``near``: the light that is taken out is that of what has a
    say.
    """
    lit = np.maximum(say * say, np.float32(LEAST)) if near else None
    return Target(picture.shape, tuple(_step(picture, say, lit, drawn, *step) for step in STEPS), relief, lit)


def edges(grey: Floats) -> Floats:
    """(h, w) how much grey levels change around each pixel, in whichever direction. What is raised or sunk in leather
    or metal is bright on one side and dark on the other, and the other way round in other light: its edges stay.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), GRAIN)
    along, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 2) for order in ((1, 0), (0, 1)))
    return np.asarray(cv2.GaussianBlur(cv2.magnitude(along, down), (0, 0), EDGE), np.float32)


def compared(grey: Floats, *, relief: bool) -> Floats:
    """(h, w): what of grey levels photos are compared by."""
    return edges(grey) if relief else grey


def warped_places(target: Target, seen: Floats, shown: Bools, around: int, *, enough: float, blurred: bool) -> Floats:
    """(h * w, 2): where each of the target's pixels lies in a photo that has been laid roughly over it, in the target's
    pixels. ``seen`` is the photo in grey, with ``around`` pixels more on each side, ``shown`` where it is photo at all.

    A step that makes the two agree less is not taken, but where they agree less than ``enough`` anyway; ``blurred``
    begins a step earlier, with a start that may be farther off.
    """
    seen = compared(seen, relief=target.relief)
    judge, steps = target.steps[JUDGE], target.steps if blurred else target.steps[1:]
    looks = {step.blur: target.without_light(seen, step.blur, around) for step in (judge, *steps)}
    there = shown.astype(np.float32)
    offset = np.zeros((2, len(_powers(HIGHEST))), np.float32)
    best = _agreement(judge, looks[judge.blur], there, around, offset)
    for step in steps:
        moved = _fit(step, looks[step.blur], there, around, offset)
        agreement = _agreement(judge, looks[judge.blur], there, around, moved)
        if agreement > best or best < enough:  # else the surroundings pull it off marks that are there
            offset, best = moved, agreement
    places, basis = _basis(target.shape, 1)
    return np.ascontiguousarray((places + offset @ basis).T)


def flattened(grey: Floats, lit: Floats | None = None) -> Floats:
    """Light taken out: less the local mean, over the local spread; both from a quarter of the size, they are slow.
    ``lit`` (h, w), above 0, is how much each pixel counts in them; all alike where it is ``None``.
    """
    height, width = grey.shape
    size = max(1, width // 4), max(1, height // 4)

    def smaller(part: Floats) -> Floats:
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32)

    def local(part: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(part, (0, 0), LIGHT, borderType=cv2.BORDER_REFLECT), np.float32)

    weight = np.ones(size[::-1], np.float32) if lit is None else smaller(lit)
    total = local(weight)
    mean, square = (local(smaller(part) * weight) / total for part in (grey, grey * grey))
    spread = np.sqrt(np.maximum(square - mean * mean, 0)) + np.float32(3.0)
    mean, spread = (cv2.resize(part, (width, height)) for part in (mean, spread))
    return np.asarray(cv2.divide(cv2.subtract(grey, mean), spread), np.float32)


def correlation(first: Floats, second: Floats, where: Bools) -> float:
    """The correlation of two pictures (h, w) ``where`` they are compared; 0 where one of them does not vary there."""
    a, b = first[where] - first[where].mean(), second[where] - second[where].mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))


@dataclass(frozen=True, eq=False)
class _Step:
    """One step of the fit on m of the frame's pixels, on a grid, seen through ``blur``: their ``places`` (2, m), the
    ``basis`` (B, m) of the warp there, the genuine ``target`` (m,), its ``slope`` (m, 2 n) along the n terms that are
    fitted, the first ones, their stiffness ``stiff`` (2 n,), the pixels' ``say`` (m,), whether they are ``drawn``.
    """

    blur: float
    iterations: int
    places: Floats
    basis: Floats
    target: Floats
    slope: Floats
    say: Floats
    drawn: Bools
    stiff: Floats


def _step(
    typical: Floats, say: Floats, lit: Floats | None, drawn: Bools, blur: float, degree: int, iterations: int
) -> _Step:
    """One of :data:`STEPS`, prepared for a picture as :func:`make_target` takes it."""
    stride = round(blur) + 1
    places, basis = _basis(typical.shape, stride)
    terms = basis[: len(_powers(degree))]
    target = flattened(cv2.GaussianBlur(typical, (0, 0), blur), lit)
    gx, gy = (
        cv2.Sobel(target, cv2.CV_32F, *order, scale=1 / 8)[::stride, ::stride].ravel() for order in ((1, 0), (0, 1))
    )
    stiff = np.tile([STIFF ** max(0, 3 - i - j) for i, j in _powers(degree)], 2).astype(np.float32)
    slope = np.concatenate([terms * gx, terms * gy]).T
    told, shown = say[::stride, ::stride].ravel(), drawn[::stride, ::stride].ravel()
    heard = (told > SILENT) | shown
    kept = slice(None) if heard.all() else heard  # a slice copies nothing
    return _Step(
        blur=blur,
        iterations=iterations,
        places=places[:, kept],
        basis=basis[:, kept],
        target=target[::stride, ::stride].ravel()[kept],
        slope=slope[kept],
        say=told[kept],
        drawn=shown[kept],
        stiff=stiff,
    )


def _fit(step: _Step, look: Floats, shown: Floats, around: int, offset: Floats) -> Floats:
    """Gauss-Newton (Lucas & Kanade 1981), far-off pixels counting little. ``look`` is the photo in the frame as the
    start has it, with ``around`` pixels more on each side, blurred and light taken out; ``shown`` is 1 where it is
    photo; ``offset`` (2, B) the warp so far.
    """
    terms = step.slope.shape[1] // 2
    least = 400 / (round(step.blur) + 1) ** 2
    for iteration in range(step.iterations):
        seen, there = _at(step, look, shown, around, offset)
        error = seen - step.target
        if there.sum() < least:
            return offset
        spread = max(SPREAD_OF_MAD * quick_median(np.abs(error[there])), 0.05)
        weight = np.where(there, step.say / (1 + (error / np.float32(2.5 * spread)) ** 2) ** 2, 0)
        if iteration % RENEWED == 0:
            half = step.slope * np.sqrt(weight)[:, None]
            normal = (half.T @ half).astype(np.float64)
            ridge = step.stiff * max(np.trace(normal) / len(normal), 1e-9)  # 0 where what is shown of the frame is flat
            inverse = np.linalg.inv(normal + np.diag(ridge))
        pull = (weight * error) @ step.slope + ridge * offset[:, :terms].ravel()
        change = (inverse @ pull).reshape(2, -1)
        size = np.abs(change).max()
        offset = offset.copy()
        offset[:, :terms] -= change * min(1.0, 4.0 / max(size, 1e-9))
        if size < 0.02:
            break
    return offset


def quick_median(values: Floats) -> float:
    """The median of (n,) values, n > 0, or the upper one of two: NumPy's own takes five times as long."""
    place = len(values) // 2
    return float(np.partition(values, place)[place])


def _agreement(step: _Step, look: Floats, shown: Floats, around: int, offset: Floats) -> float:
    """Correlation with the genuine marks under a warp, -1..1, on the step's grid; see :func:`_fit`."""
    seen, there = _at(step, look, shown, around, offset)
    there &= step.drawn
    return correlation(step.target, seen, there) if there.any() else -1.0


def _at(step: _Step, look: Floats, shown: Floats, around: int, offset: Floats) -> tuple[Floats, Bools]:
    """What the photo shows at the step's places under a warp, (m,), and where it shows anything, (m,)."""
    x, y = step.places + (around + offset @ step.basis)
    x, y = x[None], y[None]  # one row: OpenCV takes twice as long for a column
    seen = cv2.remap(look, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    return seen, cv2.remap(shown, x, y, cv2.INTER_NEAREST, borderValue=0)[0] > 0


@lru_cache(maxsize=64)
def _basis(shape: tuple[int, ...], stride: int) -> tuple[Floats, Floats]:
    """Every ``stride``-th pixel of a frame: its place (2, m) x, y, and there the powers of the place (B, m)."""
    y, x = np.mgrid[: shape[0] : stride, : shape[1] : stride].reshape(2, -1).astype(np.float32)
    u, v = x / shape[1] * 2 - 1, y / shape[0] * 2 - 1
    basis = np.stack([u**i * v**j for i, j in _powers(HIGHEST)])
    return np.stack([x, y]), np.asarray(basis, np.float32)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(total - j, j) for total in range(degree + 1) for j in range(total + 1)]
