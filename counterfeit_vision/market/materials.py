"""What surfaces are made of: tileable relief of leather, carton, canvas, wood and the rest.

All functions are deterministic in ``seed`` and give float32 arrays in 0..1 that repeat without a seam.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["GRAINS", "Map", "grain", "noise", "smooth"]

Map = NDArray[np.float32]

TILE = 512


def smooth(low: float, high: float, values: Map) -> Map:
    """0 below ``low``, 1 above ``high``, a soft S in between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def noise(height: int, width: int, cells: tuple[int, int], rng: np.random.Generator, *, octaves: int = 1) -> Map:
    """Smooth noise of about zero mean and unit variance; ``cells`` (down, across) bumps, doubled with each octave."""
    total, gain = np.zeros((height, width), np.float32), 0.0
    for octave in range(octaves):
        down = min(cells[0] << octave, height)
        across = min(cells[1] << octave, width)
        knots = np.pad(rng.standard_normal((down, across), dtype=np.float32), 3, mode="wrap")
        picture = Image.fromarray(knots).resize(
            (width, height), Image.Resampling.BICUBIC, box=(3, 3, across + 3, down + 3)
        )
        total += np.asarray(picture) * 0.55**octave
        gain += 0.3025**octave
    return total / np.float32(0.7 * gain**0.5)


def _unit(values: Map) -> Map:
    low, high = np.quantile(values[::3, ::3], [0.01, 0.99])
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0, 1), np.float32)


def _leather(rng: np.random.Generator) -> Map:
    coarse = np.abs(noise(TILE, TILE, (40, 40), rng))
    fine = np.abs(noise(TILE, TILE, (90, 90), rng))
    return _unit(smooth(0, 0.6, coarse) + 0.55 * smooth(0, 0.7, fine) + 0.12 * noise(TILE, TILE, (8, 8), rng))


def _smooth_leather(rng: np.random.Generator) -> Map:
    pores = noise(TILE, TILE, (170, 170), rng)
    return _unit(
        -smooth(1.1, 2.2, pores)
        + 0.25 * noise(TILE, TILE, (60, 60), rng)
        + 0.3 * noise(TILE, TILE, (6, 9), rng, octaves=3)
    )


def _saffiano(rng: np.random.Generator) -> Map:
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32) * np.float32(2 * np.pi / TILE)
    wobble = 0.35 * noise(TILE, TILE, (30, 30), rng)
    return _unit(
        np.sin(64 * (x + y) + wobble) * 0.8 + np.sin(46 * (x - y) + wobble) + 0.2 * noise(TILE, TILE, (120, 120), rng)
    )


def _carton(rng: np.random.Generator) -> Map:
    fibres = noise(TILE, TILE, (180, 60), rng) + noise(TILE, TILE, (60, 200), rng)
    return _unit(fibres * 0.6 + noise(TILE, TILE, (10, 10), rng, octaves=3))


def _weave(rng: np.random.Generator) -> Map:
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32) * np.float32(2 * np.pi / TILE)
    jitter = 0.5 * noise(TILE, TILE, (40, 40), rng)
    warp, weft = np.sin(90 * x + jitter), np.sin(90 * y + jitter)
    over = np.sin(45 * x + 0.5) * np.sin(45 * y + 0.5) > 0
    return _unit(np.where(over, np.abs(warp), np.abs(weft)) + 0.25 * noise(TILE, TILE, (128, 128), rng))


def _plastic(rng: np.random.Generator) -> Map:
    return _unit(noise(TILE, TILE, (5, 5), rng, octaves=2))


GRAINS = {
    "leather": _leather,
    "nappa": _smooth_leather,
    "saffiano": _saffiano,
    "carton": _carton,
    "weave": _weave,
    "plastic": _plastic,
}
"""Name -> relief; see :func:`grain`."""


@lru_cache(maxsize=16)
def _tile(name: str, seed: int) -> Map:
    return GRAINS[name](np.random.default_rng([seed, len(name)]))


def grain(name: str, height: int, width: int, *, scale: float, seed: int) -> Map:
    """Relief of a material, repeated over (height, width); ``scale`` above 1 is coarser."""
    rows = (np.arange(height) / scale).astype(np.int64) % TILE
    columns = (np.arange(width) / scale).astype(np.int64) % TILE
    return _tile(name, seed)[rows][:, columns]
