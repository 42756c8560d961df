"""Rooms: what products lie on, the wall behind, the light, and the things that stand about. Genuine and fake share
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from .artwork import Artwork
from .clutter import Thing, things
from .grounds import GROUNDS, plaster
from .light import Light

__all__ = ["SPAN", "Scene", "room", "studio"]

SPAN = 6.0
"""World units that a ground picture shows, each way."""

_NAMES = tuple(GROUNDS)


@dataclass(frozen=True, eq=False)
class Scene:
    """``ground`` and ``wall`` pictures, the wall ``behind`` the origin, the ``light``, and ``clutter`` with its
    ``artwork``.

    ``seamless``: the wall is lit like the ground, so that no corner shows.
    """

    id: str
    ground: Image.Image
    wall: Image.Image
    behind: float
    light: Light
    clutter: tuple[Thing, ...]
    artwork: Artwork
    seamless: bool = False


def _light(rng: np.random.Generator, bounce: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Light:
    turn, rise = np.radians(rng.uniform(-75, 75)), np.radians(rng.uniform(32, 68))
    towards = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    warmth = float(rng.uniform(-0.12, 0.26))
    key = float(rng.uniform(0.62, 1.0)) * np.array([1 + warmth, 1, 1 - warmth])
    sky = float(rng.uniform(0.26, 0.45)) * np.array([1 - 0.4 * warmth, 1, 1 + 0.5 * warmth])
    return Light(
        towards.astype(np.float32),
        key.astype(np.float32),
        sky.astype(np.float32),
        (0.5 * bounce).astype(np.float32),
        float(rng.uniform(0.2, 1.0)),
    )


@lru_cache(maxsize=32)
def room(index: int, seed: int, pixels: int) -> Scene:
    """Room ``index`` of the market ``seed``; ground pictures are ``pixels`` wide."""
    rng = np.random.default_rng([seed, 11, index])
    kind = _NAMES[(index + seed) % len(_NAMES)]
    picture = GROUNDS[kind](pixels, rng)
    wall = plaster(pixels // 2, rng)
    mean = np.square(picture.mean((0, 1)))
    found, artwork = things(int(rng.integers(5, 10)), rng)
    return Scene(
        f"room-{index:02d}-{kind}",
        Image.fromarray((picture * 255).astype(np.uint8)),
        Image.fromarray((wall * 255).astype(np.uint8)),
        float(rng.uniform(1.1, 2.4)),
        _light(rng, mean),
        tuple(found),
        artwork,
    )


@lru_cache(maxsize=2)
def studio(pixels: int) -> Scene:
    """The brand's own: a white sweep under large soft lights."""
    white = Image.new("RGB", (pixels, pixels), (246, 246, 247))
    light = Light(
        np.array([-0.42, 0.76, 0.5], np.float32),
        np.full(3, 0.62, np.float32),
        np.full(3, 0.52, np.float32),
        np.full(3, 0.4, np.float32),
        1.0,
    )
    return Scene("studio", white, white, 40.0, light, (), Artwork((), ""), seamless=True)
