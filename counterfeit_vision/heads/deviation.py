"""How a mark laid over its genuine references differs from them: in shape, in boldness and in colour.

Light, blur and small shifts are what a photo adds; they are regressed away, window by window, and what they can't
explain is the mark's own. All of it is closed form, in Gaussian windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..marks import Found, Stencil
from ..types import Region

__all__ = ["Deviation", "deviation", "on_photo", "peak"]

Floats = NDArray[np.float32]

BLURS = (0.0, 0.6, 0.9, 1.3, 1.8, 2.4, 3.2)  # pixels of the frame, tried on the sharper of two crops
LIGHT = 16.0  # pixels of the frame: slower changes than that are light, not ink
WINDOW = 4.0  # sigma of the windows in which shape is compared: about a stroke of a letter
STRIDE = 2  # pixels from one window to the next
SHIFT, GAIN = 0.02, 0.06  # ridge on shift and on gain in a window, in parts of the mark's contrast
FLOOR = 0.02  # of the mark's contrast, added to the noise of the photo

USUAL = {"shape": (1.013, 0.728), "boldness": (-2.627, 0.75), "colour": (2.612, 1.302)}
"""Median and upper spread of the logarithm, on genuine photos of the market's seeds 0 and 1."""


@dataclass(frozen=True, eq=False)
class Deviation:
    """``shape``, ``boldness``, ``colour`` in spreads of genuine photos above their median; ``map`` (h, w) float32 over
    the stencil's frame: unexplained difference in units of the photo's noise, 0 off the marks.
    """

    shape: float
    boldness: float
    colour: float
    map: Floats

    @property
    def score(self) -> float:
        """A soft maximum of the three."""
        return float(np.logaddexp.reduce([self.shape, self.boldness, self.colour]))

    @property
    def what(self) -> str:
        """The one that deviates most."""
        return max(("shape", "boldness", "colour"), key=lambda name: float(getattr(self, name)))


def deviation(stencil: Stencil, found: Found) -> Deviation | None:
    """Compare the marks found in a photo with every genuine one; ``None`` where they have no contrast to compare."""
    on_mark, seen = stencil.on_mark(0.05) & found.inside, found.crop.astype(np.float32)
    typical = stencil.typical
    if on_mark.sum() < 64 or np.ptp(_along(typical, _axis(typical, on_mark))[on_mark]) < 6:
        return None
    maps = [
        _unexplained(seen, genuine.astype(np.float32), stencil, found.inside)
        for genuine in (typical, *(stencil.crops if len(stencil.crops) > 1 else ()))
    ]
    least = np.where(on_mark, np.min(maps, axis=0), 0).astype(np.float32)
    bold = _boldness(seen, typical, stencil, found.inside)
    spread = np.abs(bold - bold.mean()).max() if len(bold) > 1 else np.abs(bold).max() / 2
    parts = {
        "shape": float(least.max()),
        "boldness": float(np.sqrt((np.abs(bold).max() + 1e-3) * (spread + 1e-3))),
        "colour": _colour(seen, typical, stencil, found.inside),
    }
    standard = {name: (np.log(value + 1e-3) - USUAL[name][0]) / USUAL[name][1] for name, value in parts.items()}
    return Deviation(**{name: float(value) for name, value in standard.items()}, map=least)


def _axis(pixels: Floats, where: NDArray[np.bool_]) -> Floats:
    """The direction (3,) in colour in which a mark stands out of its ground."""
    values = pixels[where] - np.median(pixels[where], axis=0)
    axis = np.linalg.eigh(values.T @ values)[1][:, -1]
    return np.asarray(axis * (1 if axis.sum() >= 0 else -1), np.float32)


def _along(pixels: Floats, axis: Floats) -> Floats:
    return np.asarray(pixels @ axis, np.float32)


def _smooth(values: Floats, sigma: float) -> Floats:
    return values if sigma == 0 else np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def _slopes(values: Floats) -> tuple[Floats, Floats]:
    return (
        np.asarray(cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32),
        np.asarray(cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32),
    )


def _as_sharp(seen: Floats, genuine: Floats, where: NDArray[np.bool_]) -> tuple[float, float]:
    """The blurs of the first and of the second (one of them 0) that make them most alike."""
    best, blurs = -np.inf, (0.0, 0.0)
    for pair in [(blur, 0.0) for blur in BLURS] + [(0.0, blur) for blur in BLURS[1:]]:
        a, b = _smooth(seen, pair[0]), _smooth(genuine, pair[1])
        a, b = (a - _smooth(a, 12))[where], (b - _smooth(b, 12))[where]
        likeness = float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
        if likeness > best + 1e-4:
            best, blurs = likeness, pair
    return blurs


def _equalised(
    seen: Floats, genuine: Floats, stencil: Stencil, inside: NDArray[np.bool_]
) -> tuple[Floats, Floats, float]:
    """Both along the mark's colour axis, equally sharp, the first with the contrast of the second; that contrast."""
    on_mark, around = stencil.on_mark(0.05), stencil.on_mark(0.5) & inside
    axis = _axis(genuine, on_mark & inside)
    s, t = _along(seen, axis), _along(genuine, axis)
    blurs = _as_sharp(s, t, around)
    s, t = _smooth(s, blurs[0]), _smooth(t, blurs[1])
    low, high = np.quantile(t[on_mark], [0.02, 0.98])
    a, b = (s - _smooth(s, LIGHT))[around], (t - _smooth(t, LIGHT))[around]
    gain = float(np.clip((a * b).sum() / max((b * b).sum(), 1e-6), 0.3, 3.0))
    return s / np.float32(gain), t, max(float(high - low), 8.0)


def _unexplained(seen: Floats, genuine: Floats, stencil: Stencil, inside: NDArray[np.bool_]) -> Floats:
    """(h, w): what gain, offset, a small shift and blur can't explain of the difference, window by window, over the
    photo's noise.
    """
    s, t, contrast = _equalised(seen, genuine, stencil, inside)
    around = stencil.on_mark(0.5) & inside
    across, down = _slopes(t)
    flat = around & (np.hypot(across, down) < 0.02 * contrast)
    flat = flat if flat.sum() >= 50 else around
    noise = 1.4826 * float(np.median(np.abs((s - _smooth(s, 4))[flat])))
    parts = [np.ones_like(t), t, across, down, _smooth(t, 1.5) - t]
    weight = inside.astype(np.float32)
    total = _smooth(weight, WINDOW) + np.float32(1e-4)
    difference = s - t
    count = len(parts)
    normal = np.zeros((*t.shape, count, count), np.float32)
    right = np.zeros((*t.shape, count), np.float32)
    for i in range(count):
        right[..., i] = _smooth(weight * parts[i] * difference, WINDOW) / total
        for j in range(i, count):
            normal[..., i, j] = normal[..., j, i] = _smooth(weight * parts[i] * parts[j], WINDOW) / total
    normal, right = normal[::STRIDE, ::STRIDE], right[::STRIDE, ::STRIDE]
    ridge = np.array([1e-3, 2 * (GAIN * contrast) ** 2, *[(SHIFT * contrast) ** 2] * 2, (0.03 * contrast) ** 2])
    solution = np.linalg.solve(normal + np.diag(ridge).astype(np.float32), right[..., None])[..., 0]
    energy = (_smooth(weight * difference * difference, WINDOW) / total)[::STRIDE, ::STRIDE]
    left = energy - 2 * (solution * right).sum(-1) + np.einsum("...i,...ij,...j->...", solution, normal, solution)
    strange = np.sqrt(np.maximum(left, 0)) / (noise + FLOOR * contrast)
    return np.asarray(cv2.resize(strange, t.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _boldness(seen: Floats, genuine: Floats, stencil: Stencil, inside: NDArray[np.bool_]) -> Floats:
    """(m,) by how many pixels the strokes of each mark are heavier (or lighter), light, blur and an affine shift
    regressed away.
    """
    s, t, _ = _equalised(seen, genuine, stencil, inside)
    across, down = _slopes(t)
    bold, blur = np.hypot(across, down), _smooth(t, 1.5) - t
    result = []
    for box in stencil.boxes.astype(int):
        x0, y0, x1, y1 = max(0, box[0] - 4), max(0, box[1] - 4), box[2] + 5, box[3] + 5
        part = (slice(y0, y1), slice(x0, x1))
        v, u = np.mgrid[-1 : 1 : t[part].shape[0] * 1j, -1 : 1 : t[part].shape[1] * 1j]
        gx, gy = across[part], down[part]
        columns = [
            *(np.ones_like(u), u, v, t[part], t[part] * u, t[part] * v),
            *(gx, gx * u, gx * v, gy, gy * u, gy * v, bold[part], blur[part]),
        ]
        matrix = np.stack([column.ravel() for column in columns], axis=1).astype(np.float64)
        wanted, weight = (s - t)[part].ravel().astype(np.float64), inside[part].ravel().astype(np.float64)
        start = weight
        for _ in range(4):
            weighted = matrix * weight[:, None]
            normal = weighted.T @ matrix
            normal += np.eye(len(normal)) * max(1e-6 * np.trace(normal) / len(normal), 1e-9)
            solution = np.linalg.solve(normal, weighted.T @ wanted)
            error = wanted - matrix @ solution
            spread = max(1.4826 * float(np.median(np.abs(error))), 1.0)
            weight = start / (1 + (error / (3 * spread)) ** 2)
        result.append(solution[12])
    return np.array(result, np.float32)


def _colour(seen: Floats, genuine: Floats, stencil: Stencil, inside: NDArray[np.bool_], sigma: float = 7.0) -> float:
    """How far the ink's colour strays within a mark, in levels of 255, beside its usual shift from the genuine one."""
    on_mark = stencil.on_mark(0.05)
    t = _along(genuine, _axis(genuine, on_mark & inside))
    low, high = np.quantile(t[on_mark], [0.02, 0.98])
    ink = np.clip((t - low) / max(float(high - low), 1e-3), 0, 1)
    ink = ink if ink[on_mark].mean() < 0.5 else 1 - ink
    kernel = np.ones((3, 3), np.uint8)
    core = cv2.erode((ink > 0.75).astype(np.float32), kernel) * inside * on_mark
    ground = cv2.erode((ink < 0.2).astype(np.float32), kernel) * inside
    inked, bare = _smooth(core.astype(np.float32), sigma), _smooth(ground.astype(np.float32), 2 * sigma) + 1e-4

    def stands_out(pixels: Floats) -> Floats:
        over = _smooth(core[..., None] * pixels, sigma) / (inked + 1e-4)[..., None]
        under = _smooth(ground[..., None] * pixels, 2 * sigma) / bare[..., None]
        return np.asarray(over - under, np.float32)

    shift = stands_out(seen) - stands_out(genuine)
    largest = 0.0
    for x0, y0, x1, y1 in stencil.boxes.astype(int):
        part = (slice(max(0, y0), y1 + 1), slice(max(0, x0), x1 + 1))
        enough = inked[part] > 0.04
        if enough.sum() >= 10:
            stray = np.linalg.norm(shift[part][enough] - np.median(shift[part][enough], axis=0), axis=1)
            largest = max(largest, float((stray * np.clip(inked[part][enough] / 0.15, 0, 1)).max()))
    return largest


def on_photo(map_: Floats, found: Found, size: tuple[int, int], cells: int = 64) -> Floats:
    """A map over the frame -> (rows, columns) over the photo of ``size`` (width, height), largest in each cell."""
    scale = cells / max(size)
    shape = (max(1, round(size[1] * scale)), max(1, round(size[0] * scale)))
    heat = np.zeros(shape, np.float32)
    x = np.clip((found.warp[..., 0] * scale).astype(int), 0, shape[1] - 1)
    y = np.clip((found.warp[..., 1] * scale).astype(int), 0, shape[0] - 1)
    np.maximum.at(heat, (y[found.inside], x[found.inside]), map_[found.inside])
    return heat


def peak(found: Found, map_: Floats, reach: int = 10) -> Region:
    """The box on the photo around the map's largest value."""
    y, x = np.unravel_index(int(map_.argmax()), map_.shape)
    part = found.warp[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].reshape(-1, 2)
    low = part.min(axis=0)
    high = np.maximum(part.max(axis=0), low + 1)
    return Region(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
