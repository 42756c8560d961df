"""What products lie on: seeded pictures of wood, carpet, bedsheets, concrete, tiles, stone, cloth and plain walls.

Each function gives (size, size, 3) float32 in 0..1 sRGB that shows about six by six world units.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .materials import Map, noise, smooth

__all__ = ["GROUNDS", "plaster"]

Picture = NDArray[np.float32]
RGB = tuple[float, float, float]


def _toned(values: Map, low: RGB, high: RGB) -> Picture:
    return np.asarray(
        np.array(low, np.float32) + values[..., None] * (np.array(high, np.float32) - np.array(low, np.float32)),
        np.float32,
    )


def _pick(rng: np.random.Generator, choices: list[tuple[RGB, RGB]]) -> tuple[RGB, RGB]:
    return choices[int(rng.integers(len(choices)))]


def _coordinates(size: int) -> tuple[Map, Map]:
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.broadcast_to(line[None], (size, size)), np.broadcast_to(line[:, None], (size, size))


def wood(size: int, rng: np.random.Generator) -> Picture:
    """Planks with grain along x."""
    low, high = _pick(
        rng,
        [
            ((0.33, 0.2, 0.11), (0.66, 0.45, 0.28)),
            ((0.55, 0.4, 0.26), (0.82, 0.67, 0.48)),
            ((0.2, 0.13, 0.09), (0.42, 0.29, 0.2)),
        ],
    )
    x, y = _coordinates(size)
    planks = int(rng.integers(9, 15))
    row = np.floor(y * planks).astype(np.int64)
    shift = rng.random(planks + 1).astype(np.float32)
    column = np.floor(x * 2.2 + shift[row] * 2.2).astype(np.int64)
    tone = rng.normal(0, 0.1, (planks + 1, 8)).astype(np.float32)[row, column]
    bend = noise(size, size, (planks * 2, 7), rng, octaves=2)
    rings = np.sin(2 * np.pi * (y * planks * 2.4 + 0.5 * bend + shift[row] * 7))
    fibres = noise(size, size, (min(size, 500), 24), rng)
    fine = noise(size, size, (min(size, 900), 60), rng)
    value = 0.52 + tone + 0.1 * rings + 0.08 * fibres + 0.05 * fine + 0.05 * bend
    gap = np.abs(y * planks - np.rint(y * planks)) < 0.012
    joint = np.abs((x * 2.2 + shift[row] * 2.2) % 1) < 0.003
    return _toned(np.clip(value * np.where(gap | joint, 0.35, 1), 0, 1).astype(np.float32), low, high)


def carpet(size: int, rng: np.random.Generator) -> Picture:
    """Short pile with a darker, blotchy depth."""
    low, high = _pick(
        rng,
        [
            ((0.25, 0.24, 0.25), (0.62, 0.6, 0.58)),
            ((0.4, 0.31, 0.24), (0.78, 0.69, 0.58)),
            ((0.12, 0.16, 0.25), (0.38, 0.45, 0.56)),
            ((0.3, 0.1, 0.1), (0.62, 0.3, 0.26)),
        ],
    )
    pile = noise(size, size, (size // 3, size // 3), rng)
    tufts = noise(size, size, (size // 9, size // 9), rng)
    blotch = noise(size, size, (9, 9), rng, octaves=3)
    return _toned(np.clip(0.5 + 0.17 * pile + 0.14 * tufts + 0.06 * blotch, 0, 1), low, high)


def bedsheet(size: int, rng: np.random.Generator) -> Picture:
    """Cloth with soft folds, lit from one side; sometimes striped."""
    colour = np.array(
        rng.choice([[0.9, 0.88, 0.85], [0.72, 0.78, 0.85], [0.86, 0.77, 0.74], [0.62, 0.67, 0.62]]), np.float32
    )
    turn = rng.uniform(0, np.pi)
    x, y = _coordinates(size)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    folds = 0.02 * noise(size, size, (5, 5), rng, octaves=3)
    for waves, height in ((3, 0.05), (5, 0.03), (9, 0.012)):
        warp = noise(size, size, (3, 3), rng, octaves=2)
        ridge = np.abs(np.sin(np.pi * (waves * across + 0.35 * warp + 0.6 * along)))
        folds += height * (1 - np.sqrt(ridge * ridge + 0.02)) * smooth(-0.8, 1.0, noise(size, size, (3, 3), rng))
    slope = (np.gradient(folds, axis=1) + 0.6 * np.gradient(folds, axis=0)) * size
    light = 0.93 + np.clip(slope * 0.45, -0.3, 0.2)
    weave = 1 + 0.03 * noise(size, size, (size // 2, size // 2), rng)
    picture = colour * (light * weave)[..., None]
    if rng.random() < 0.4:
        bent = x + 0.08 * folds
        stripe = 1 - smooth(0.1, 0.14, np.abs((bent * 14) % 1 - 0.5).astype(np.float32))
        picture = picture * (1 - 0.25 * stripe[..., None] * np.array([1, 0.7, 0.4], np.float32))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def concrete(size: int, rng: np.random.Generator) -> Picture:
    """Grey with stains, pores and fine cracks."""
    value = (
        0.6 + 0.045 * noise(size, size, (6, 6), rng, octaves=5) + 0.04 * noise(size, size, (size // 3, size // 3), rng)
    )
    pores = smooth(2.2, 2.6, noise(size, size, (size // 8, size // 8), rng))
    crack = 1 - smooth(0.0, 0.012, np.abs(noise(size, size, (4, 4), rng, octaves=4)))
    value = value - 0.22 * pores - 0.16 * crack * (noise(size, size, (3, 3), rng) > 0.6)
    return _toned(np.clip(value, 0, 1), (0.16, 0.155, 0.15), (0.86, 0.85, 0.83))


def tiles(size: int, rng: np.random.Generator) -> Picture:
    """Square tiles with grout, each a little different."""
    low, high = _pick(
        rng,
        [
            ((0.62, 0.6, 0.57), (0.92, 0.91, 0.88)),
            ((0.5, 0.4, 0.31), (0.82, 0.72, 0.6)),
            ((0.2, 0.22, 0.24), (0.46, 0.48, 0.5)),
        ],
    )
    x, y = _coordinates(size)
    count = int(rng.integers(6, 11))
    tone = rng.normal(0, 0.07, (count, count)).astype(np.float32)
    cell_y, cell_x = np.minimum((y * count).astype(int), count - 1), np.minimum((x * count).astype(int), count - 1)
    value = 0.6 + tone[cell_y, cell_x] + 0.07 * noise(size, size, (14, 14), rng, octaves=4)
    distance = np.minimum(np.abs(x * count - np.rint(x * count)), np.abs(y * count - np.rint(y * count)))
    grout = 1 - smooth(0.008, 0.016, distance.astype(np.float32))
    bevel = 1 - smooth(0.016, 0.04, distance.astype(np.float32))
    return _toned(np.clip(value * (1 - 0.5 * grout) - 0.05 * bevel, 0, 1).astype(np.float32), low, high)


def marble(size: int, rng: np.random.Generator) -> Picture:
    """Pale stone with veins."""
    low, high = _pick(rng, [((0.45, 0.45, 0.47), (0.95, 0.945, 0.93)), ((0.55, 0.5, 0.44), (0.93, 0.9, 0.85))])
    warp = noise(size, size, (4, 4), rng, octaves=5)
    x, y = _coordinates(size)
    vein = np.abs(np.sin(2 * np.pi * (x * 1.7 + y * 1.1 + 0.35 * warp)))
    thin = np.abs(noise(size, size, (5, 5), rng, octaves=5))
    value = (
        0.92 - 0.28 * (1 - smooth(0, 0.16, vein.astype(np.float32))) - 0.22 * (1 - smooth(0, 0.07, thin)) + 0.03 * warp
    )
    return _toned(np.clip(value, 0, 1).astype(np.float32), low, high)


def cloth(size: int, rng: np.random.Generator) -> Picture:
    """A woven table cloth, plain or checked."""
    colour = np.array(
        rng.choice([[0.3, 0.36, 0.44], [0.55, 0.5, 0.42], [0.72, 0.7, 0.66], [0.42, 0.24, 0.25]]), np.float32
    )
    x, y = _coordinates(size)
    threads = noise(size, size, (size // 2, 40), rng) + noise(size, size, (40, size // 2), rng)
    value = 1 + 0.07 * threads + 0.04 * noise(size, size, (5, 5), rng, octaves=3)
    picture = colour * value[..., None]
    if rng.random() < 0.5:
        count = float(rng.integers(10, 18))
        check = ((x * count) % 1 < 0.5).astype(np.float32) + ((y * count) % 1 < 0.5)
        picture = picture * (1 + 0.2 * (check - 1))[..., None]
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def laminate(size: int, rng: np.random.Generator) -> Picture:
    """A plain desk top with faint specks."""
    low, high = _pick(
        rng,
        [
            ((0.7, 0.7, 0.7), (0.93, 0.92, 0.9)),
            ((0.1, 0.1, 0.11), (0.3, 0.29, 0.29)),
            ((0.55, 0.58, 0.6), (0.8, 0.82, 0.82)),
        ],
    )
    specks = smooth(1.6, 2.2, noise(size, size, (size // 4, size // 4), rng))
    value = (
        0.7
        + 0.05 * noise(size, size, (5, 5), rng, octaves=4)
        - 0.14 * specks
        + 0.02 * noise(size, size, (size // 2, size // 2), rng)
    )
    return _toned(np.clip(value, 0, 1), low, high)


def plaster(size: int, rng: np.random.Generator) -> Picture:
    """A painted wall, sometimes with wallpaper stripes, with a skirting board at the foot (bottom of the picture)."""
    colour = np.array(
        rng.choice([[0.87, 0.85, 0.8], [0.74, 0.79, 0.8], [0.8, 0.73, 0.66], [0.6, 0.64, 0.6], [0.9, 0.89, 0.88]]),
        np.float32,
    )
    x, y = _coordinates(size)
    value = (
        1 + 0.02 * noise(size, size, (6, 6), rng, octaves=4) + 0.012 * noise(size, size, (size // 3, size // 3), rng)
    )
    if rng.random() < 0.3:
        value = value * (1 - 0.08 * ((x * 22) % 1 < 0.5))
    picture = colour * value[..., None]
    board = y > 0.95
    picture = np.where(board[..., None], 0.88 * np.ones(3, np.float32) * (0.97 + 0.03 * value[..., None]), picture)
    lip = (y > 0.945) & (y <= 0.952)
    return np.asarray(np.clip(np.where(lip[..., None], picture * 0.72, picture), 0, 1), np.float32)


GROUNDS: dict[str, Callable[[int, np.random.Generator], Picture]] = {
    "wood": wood,
    "carpet": carpet,
    "bedsheet": bedsheet,
    "concrete": concrete,
    "tiles": tiles,
    "marble": marble,
    "cloth": cloth,
    "laminate": laminate,
}
"""By name."""
