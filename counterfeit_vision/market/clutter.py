"""Other people's things: books, mugs, fruit, boxes, plants, pens that stand about in a room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .artwork import Artwork, Colour, Face, Layer
from .layers import Edge, Grain, Panel, Pattern, Print
from .mesh import Array, Sheet, ball, box, moved, revolved, rotation, tube

__all__ = ["Thing", "fingers", "price_tag", "skin", "things"]

Thing = tuple[list[Sheet], float]
"""Sheets around the origin, and the radius they need on the ground."""

_COLOURS: tuple[Colour, ...] = (
    (176, 58, 46),
    (38, 84, 124),
    (222, 205, 170),
    (61, 90, 72),
    (230, 168, 60),
    (236, 236, 232),
    (48, 48, 52),
    (132, 94, 66),
    (150, 170, 186),
    (196, 140, 150),
)


def _book(face: str, rng: np.random.Generator) -> Thing:
    sheets: list[Sheet] = []
    top = 0.0
    for i in range(int(rng.integers(1, 4))):
        size = (float(rng.uniform(0.55, 0.7)), float(rng.uniform(0.05, 0.11)), float(rng.uniform(0.38, 0.5)))
        names = dict.fromkeys(("front", "left", "right", "back", "top"), f"{face}{'ab'[i % 2]}")
        sheets += moved(box(size, names, radius=0.008), rotation("y", float(rng.uniform(-20, 20))), (0, top, 0))
        top += size[1]
    return sheets, 0.42


def _mug(face: str, rng: np.random.Generator) -> Thing:
    r, h = float(rng.uniform(0.13, 0.17)), float(rng.uniform(0.28, 0.36))
    outside = revolved(
        f"{face}a", np.array([[r * 0.94, h - 0.02], [r, h], [r * 1.02, h - 0.01], [r, h * 0.5], [r * 0.92, 0.0]])
    )
    inside = revolved(f"{face}b", np.array([[0.001, h - 0.06], [r * 0.9, h - 0.05], [r * 0.94, h - 0.02]]))
    t = np.linspace(-1.3, 1.3, 14)
    handle = np.stack([r * 0.8 + 0.12 * np.cos(t), h * 0.52 + 0.1 * np.sin(t), np.zeros(14)], axis=1)
    return moved([outside, inside, tube(f"{face}a", handle, 0.022)], rotation("y", float(rng.uniform(-180, 180)))), 0.25


def _fruit(face: str, rng: np.random.Generator) -> Thing:
    sheets = []
    for _ in range(int(rng.integers(1, 4))):
        r = float(rng.uniform(0.1, 0.14))
        sheets.append(ball(f"{face}a", (float(rng.uniform(-0.2, 0.2)), r, float(rng.uniform(-0.2, 0.2))), r))
    return sheets, 0.32


def _plant(face: str, rng: np.random.Generator) -> Thing:
    pot = revolved(f"{face}a", np.array([[0.2, 0.3], [0.21, 0.26], [0.19, 0.25], [0.14, 0.0]]))
    sheets = [pot]
    for _ in range(int(rng.integers(9, 15))):
        angle, out, tall = rng.uniform(0, 6.28), rng.uniform(0.12, 0.34), rng.uniform(0.25, 0.6)
        t = np.linspace(0, 1, 9)
        line = np.stack(
            [np.cos(angle) * out * t**1.5, 0.24 + tall * np.sin(t * 2.0), np.sin(angle) * out * t**1.5], axis=1
        )
        sheets.append(tube(f"{face}b", line, 0.028 * np.sin(np.pi * np.clip(t, 0.08, 0.97)), around=6))
    return sheets, 0.36


def _carton(face: str, rng: np.random.Generator) -> Thing:
    size = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.25, 0.5)))
    names = dict.fromkeys(("front", "left", "right", "back", "top"), f"{face}a")
    return box(size, names), 0.5 * float(np.hypot(size[0], size[2]))


def _pen(face: str, rng: np.random.Generator) -> Thing:
    t = np.linspace(-0.3, 0.3, 12)
    line = np.stack([t, np.full(12, 0.022), np.zeros(12)], axis=1)
    return moved(
        [tube(f"{face}a", line, np.r_[0.004, np.full(10, 0.02), 0.016])], rotation("y", float(rng.uniform(0, 180)))
    ), 0.3


def _cable(face: str, rng: np.random.Generator) -> Thing:
    t = np.linspace(0, 1, 50)
    phase = rng.uniform(0, 6.28, 2)
    x, z = 0.8 * (t - 0.5) + 0.15 * np.sin(7 * t + phase[0]), 0.18 * np.sin(9 * t + phase[1])
    return [tube(f"{face}a", np.stack([x, np.full(50, 0.018), z], axis=1), 0.017, around=8)], 0.45


def _phone(face: str, rng: np.random.Generator) -> Thing:
    names = dict.fromkeys(("front", "left", "right", "back"), f"{face}b") | {"top": f"{face}c"}
    return moved(box((0.26, 0.03, 0.52), names, radius=0.012), rotation("y", float(rng.uniform(-90, 90)))), 0.3


_SKIN: tuple[Colour, ...] = ((226, 178, 148), (196, 140, 108), (134, 88, 62))

_KINDS: tuple[Callable[[str, np.random.Generator], Thing], ...] = (
    _book,
    _mug,
    _fruit,
    _plant,
    _carton,
    _pen,
    _cable,
    _phone,
)


def things(count: int, rng: np.random.Generator) -> tuple[list[Thing], Artwork]:
    """``count`` random things and the artwork of their faces."""
    found, faces = [], []
    for i in range(count):
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        first, second = (_COLOURS[int(j)] for j in rng.choice(len(_COLOURS), 2, replace=False))
        if kind is _plant:
            second = (58, 96, 54)
        if kind is _fruit:
            first = _COLOURS[int(rng.choice([0, 3, 4]))]
        gloss = float(rng.uniform(0.1, 0.7))
        layers: tuple[Layer, ...] = (
            (Panel(0.0, 0.12, 1.0, 0.2, second), Print("NOTES ON LIGHT", 0.5, 0.55, 0.1, second))
            if kind is _book
            else ()
        )
        if kind is _carton and rng.random() < 0.5:
            layers = (Pattern("stripes", second, 0.2, 45, 0.4, 0.5), Edge(((0.5, 0.0), (0.5, 1.0)), second, 0.06, 0.0))
        grain = (Grain("carton" if kind in (_book, _carton) else "plastic", 0.1, 0.05),)
        faces += [
            (f"{i}a", Face((0.4, 0.25), first, gloss, 0.5, layers, (), grain)),
            (f"{i}b", Face((0.4, 0.25), second, gloss, 0.5, layers[:1], (), grain)),
            (f"{i}c", Face((0.1, 0.1), (14, 15, 18), 0.9, 0.85)),
        ]
        found.append(kind(str(i), rng))
    return found, Artwork(tuple(faces), "0a")


def fingers(tips: Array, away: Array, towards: Array, rng: np.random.Generator) -> list[Sheet]:
    """A hand that holds something: one finger per row of ``tips`` (n, 3), coming from direction ``away``, over the side
    of ``towards`` (unit vectors); their face is ``skin``.
    """
    sheets = []
    t = np.linspace(0, 1, 24)[:, None] ** 2
    for tip in tips:
        bend = 0.05 * np.sin(np.pi * t) + 0.02
        length = float(rng.uniform(0.9, 1.1))
        line = tip + away * t * length + towards * (bend + 0.08 * t)
        thick = 0.046 * float(rng.uniform(0.92, 1.05))
        round_tip = np.sqrt(
            np.clip(1 - np.square(1 - t[:, 0] * length / thick).clip(0, 1) * (t[:, 0] * length < thick), 0.02, 1)
        )
        knuckles = 1 + 0.07 * np.cos(2 * np.pi * 3.2 * t[:, 0]) + 0.3 * t[:, 0]
        radius = thick * round_tip * knuckles
        sheets.append(tube("skin", line, radius, around=14))
        sheets.append(ball("nail", tip + away * 0.035 + towards * 0.042, 0.027))
    return sheets


def skin(rng: np.random.Generator) -> tuple[tuple[str, Face], ...]:
    """The faces that :func:`fingers` use."""
    tone = _SKIN[int(rng.integers(len(_SKIN)))]
    return (("skin", Face((0.1, 0.1), tone, 0.18, 0.25)), ("nail", Face((0.1, 0.1), tone, 0.4, 0.5)))


def price_tag(rng: np.random.Generator) -> tuple[str, Face]:
    """A sticker with a price; its face is ``tag``."""
    ground, ink = ((250, 214, 60), (40, 36, 30)) if rng.random() < 0.5 else ((246, 246, 244), (196, 40, 36))
    text = str(rng.choice(["SALE", "19.90", "-30%", "SAMPLE 7", "NO 42"]))
    layers = (Panel(0.0, 0.0, 1.0, 0.24, ink), Print(text, 0.5, 0.6, min(0.36, 1.7 / len(text)), ink))
    return "tag", Face((0.24, 0.15), ground, 0.3, 0.4, layers, (), (Grain("carton", 0.06, 0.04),))
