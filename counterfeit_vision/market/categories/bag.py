"""Handbags: a tote with two handles, or a satchel with a flap, of leather or canvas, with seams and metal fittings."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..alphabet import Typeface
from ..artwork import Artwork, Colour, Face, Layer
from ..brands import Brand, luminance
from ..layers import Edge, Grain, Panel, Pattern, Print, Shade, Stitch
from ..mesh import Array, Sheet, ball, surface, tube
from .base import Category, Design, Pose, Scheme, darker, lockup, mixed

__all__ = ["BAG"]

_GOLD: Colour = (212, 176, 106)
_STEEL: Colour = (190, 192, 196)


def _half_depth(u: Array, v: Array, depth: float, top: float) -> Array:
    """How far the front stands out at (u, v): thin at the mouth, full below, rounded to the sides."""
    full = depth / 2 * (top + (1 - top) * np.clip(v, 0, 1) ** 0.6)
    return full * (1 - 0.4 * np.abs(2 * u - 1) ** 4) * (1 - 0.25 * np.clip((v - 0.85) / 0.15, 0, 1) ** 2)


class _Folds:
    """Random soft dents: the same for the front, the back and the gussets of one bag."""

    def __init__(self, rng: np.random.Generator, amount: float) -> None:
        self.waves = [
            (rng.uniform(0.5, 3), rng.uniform(0.5, 2.5), rng.uniform(0, 6.28), rng.normal(0, amount)) for _ in range(6)
        ]
        self.sag, self.lean = rng.uniform(0.0, 0.03), rng.normal(0, 0.015)

    def __call__(self, u: Array, v: Array) -> Array:
        total = sum(a * np.sin(6.28 * (fu * u + fv * v) + p) for fu, fv, p, a in self.waves)
        return np.asarray(total * np.sin(np.pi * np.clip(u, 0, 1)) ** 0.5, np.float64)


def _shell(w: float, h: float, d: float, top: float, folds: _Folds) -> list[Sheet]:
    def width(v: Array) -> Array:
        return w * (0.93 + 0.07 * v) * (1 - 0.06 * np.clip((v - 0.9) / 0.1, 0, 1) ** 2)

    def rim(u: Array, v: Array) -> Array:
        return h * (1 - v) - folds.sag * np.sin(np.pi * u) * (1 - v) ** 2 + folds.lean * (1 - v) * (u - 0.5)

    def front(u: Array, v: Array) -> tuple[Array, Array, Array]:
        return (u - 0.5) * width(v), rim(u, v), _half_depth(u, v, d, top) + folds(u, v)

    def back(u: Array, v: Array) -> tuple[Array, Array, Array]:
        return (0.5 - u) * width(v), rim(1 - u, v), -_half_depth(u, v, d, top) + folds(u, v)

    def gusset(side: float) -> Sheet:
        def place(u: Array, v: Array) -> tuple[Array, Array, Array]:
            edge = np.full_like(v, 0.5 + 0.5 * side)
            half = _half_depth(edge, v, d, top)
            crease = -0.3 * half * np.sin(np.pi * u) * (1 - v) ** 0.7
            return side * (width(v) / 2 + crease), rim(edge, v), side * (1 - 2 * u) * half

        return surface("gusset", place, columns=12)

    def mouth(u: Array, v: Array) -> tuple[Array, Array, Array]:
        zero = np.zeros_like(u)
        half = _half_depth(u, zero, d, top)
        return (u - 0.5) * width(zero), rim(u, zero) - 0.07 * np.sin(np.pi * v), (2 * v - 1) * half + folds(u, zero)

    def base(u: Array, v: Array) -> tuple[Array, Array, Array]:
        one = np.ones_like(u)
        return (u - 0.5) * width(one), 0 * u, (1 - 2 * v) * _half_depth(u, one, d, top)

    return [
        surface("front", front, columns=40, rows=32),
        surface("back", back),
        gusset(1.0),
        gusset(-1.0),
        surface("inside", mouth, rows=8),
        surface("gusset", base, rows=8),
    ]


def _strap(x: float, y: float, z: float, rise: float, radius: float, rng: np.random.Generator) -> list[Sheet]:
    """A handle from (-x, y, z) to (x, y, z), with a metal ring at each foot."""
    t = np.linspace(0, np.pi, 30)
    lean = float(rng.normal(0, 0.05))
    line = np.stack([-x * np.cos(t) * (1 + 0.1 * np.sin(t)), y + rise * np.sin(t) ** 0.8, z + lean * np.sin(t)], axis=1)
    sheets = [tube("strap", line, radius)]
    turn = np.linspace(0, 2 * np.pi, 17)
    for side in (-1, 1):
        ring = np.stack([side * x + 0.03 * np.cos(turn), y + 0.03 * np.sin(turn), np.full(17, z + 0.008)], axis=1)
        sheets.append(tube("metal", ring, 0.007, around=8))
    return sheets


def _tote(size: tuple[float, float, float], rise: float, rng: np.random.Generator) -> list[Sheet]:
    w, h, d = size
    folds = _Folds(rng, 0.005)
    sheets = _shell(w, h, d, 0.45, folds)
    z = float(_half_depth(np.array(0.28), np.array(0.12), d, 0.45))
    for side in (1, -1):
        handle = _strap(0.21 * w, 0.86 * h, z + 0.014, rise * float(rng.uniform(0.92, 1.05)), 0.017, rng)
        sheets += handle if side > 0 else [_mirrored(sheet) for sheet in handle]
    return sheets


def _mirrored(sheet: Sheet) -> Sheet:
    flip = np.array([1.0, 1.0, -1.0])
    return Sheet(sheet.face, sheet.points * flip, sheet.normals * flip, sheet.uv, sheet.both)


def _satchel(size: tuple[float, float, float], drop: float, rise: float, rng: np.random.Generator) -> list[Sheet]:
    w, h, d = size
    folds = _Folds(rng, 0.003)
    sheets = _shell(w, h, d, 0.75, folds)

    def flap(u: Array, v: Array) -> tuple[Array, Array, Array]:
        over = 0.3  # the share of the flap that lies on top
        along = np.clip((v - over) / (1 - over), 0, 1)
        reach = drop * (1 - 0.16 * np.abs(2 * u - 1) ** 3)
        half = _half_depth(u, np.zeros_like(u), d, 0.75)
        z_front = _half_depth(u, along * drop, d, 0.75) + folds(u, along * drop) + 0.016
        z = np.where(v < over, -half + (half + z_front) * np.sin(np.pi / 2 * np.clip(v / over, 0, 1)), z_front)
        bend = 0.035 * np.cos(np.pi / 2 * np.clip(v / over, 0, 1)) * (v < over)
        return (u - 0.5) * w * (0.945 + 0.08 * along * drop), h + 0.012 + bend - along * reach * h, z

    sheets.append(surface("flap", flap, columns=40, rows=36, both=True))
    z = float(_half_depth(np.array(0.5), np.array(drop), d, 0.75)) + 0.03
    sheets += [ball("metal", (0.0, h * (1 - drop) + 0.05, z), 0.03)]
    t = np.linspace(0, np.pi, 30)
    line = np.stack(
        [-0.24 * w * np.cos(t), h + 0.03 + rise * np.sin(t), np.full(30, float(rng.normal(0, 0.02)))], axis=1
    )
    sheets.append(tube("strap", line, 0.021))
    for side in (-1.0, 1.0):
        sheets.append(ball("metal", (side * 0.24 * w, h + 0.035, 0.0), 0.027))
    return sheets


def _material(rng: np.random.Generator) -> tuple[Layer, float, float]:
    """Grain, gloss and polish of the shell."""
    kind = str(rng.choice(["leather", "nappa", "saffiano", "weave"], p=[0.4, 0.15, 0.25, 0.2]))
    seed = int(rng.integers(3))
    contrast, depth, scale, gloss, polish = {
        "leather": (0.2, 0.5, 0.8, 0.34, 0.3),
        "nappa": (0.16, 0.25, 0.9, 0.42, 0.38),
        "saffiano": (0.2, 0.35, 0.9, 0.36, 0.35),
        "weave": (0.3, 0.4, 0.9, 0.05, 0.1),
    }[kind]
    return Grain(kind, contrast, depth, scale, seed), gloss, polish


def _border(inset: float, colour: Colour) -> tuple[Layer, ...]:
    """A seam around a face."""
    a, b = inset, 1 - inset
    return tuple(
        Stitch(line, colour, 0.022, 0.0055)
        for line in (((a, a), (b, a)), ((a, a), (a, b)), ((b, a), (b, b)), ((a, b), (b, b)))
    )


def _design(brand: Brand, scheme: Scheme, rng: np.random.Generator) -> Design:
    satchel = brand.seed % 2 == 0
    w, h = float(rng.uniform(0.88, 1.0)), float(rng.uniform(0.6, 0.72) if satchel else rng.uniform(0.66, 0.8))
    d, drop = float(rng.uniform(0.26, 0.36)), float(rng.uniform(0.56, 0.64))
    grain, gloss, polish = _material(rng)
    leather: Colour = darker(mixed(scheme.ground, (139, 90, 60), 0.1), 0.96)
    trim = darker(leather, 0.62) if luminance(leather) > 0.25 else mixed(leather, (255, 255, 255), 0.18)
    thread = mixed(leather, (245, 235, 215), 0.65) if luminance(leather) < 0.6 else darker(leather, 0.55)
    metal = _GOLD if rng.random() < 0.6 else _STEEL
    foil = rng.random() < 0.45
    ink = (metal if luminance(leather) < 0.5 else darker(metal, 0.5)) if foil else scheme.ink
    ink_gloss, relief = (0.9, -0.2) if foil else (0.3, 0.12)
    main_size = (w, (drop + 0.3 * d / h) * h + 0.06) if satchel else (w, h)
    box = (0.16, 0.33, 0.84, 0.86) if satchel else (0.2, 0.3, 0.8, 0.82)
    marks = lockup(brand, main_size, box, ink, gloss=ink_gloss, relief=relief)
    ground: list[Layer] = []
    if rng.random() < 0.45:
        tone = mixed(leather, scheme.ink, 0.3)
        ground.append(Pattern("logo", tone, float(rng.uniform(0.14, 0.2)), 0, 0.5, 0.75, logo=brand.logo))
        plate = (box[0] - 0.03, box[1] - 0.04, box[2] + 0.03, box[3] + 0.04)
        ground.append(Panel(*plate, leather, relief=0.1))
    if not satchel:
        for x in (0.29, 0.71):
            ground.append(Panel(x - 0.035, 0.03, x + 0.035, 0.24, trim, relief=0.25))
            ground.append(
                Stitch(
                    ((x - 0.025, 0.04), (x - 0.025, 0.225), (x + 0.025, 0.225), (x + 0.025, 0.04)), thread, 0.02, 0.005
                )
            )
    ground.append(Edge(((0.0, 0.012), (1.0, 0.012)), trim, 0.024, 0.25))
    finish = (*_border(0.035, thread), grain, Shade(0.25, 0.08))
    plain_finish = (*_border(0.05, thread), grain, Shade(0.3, 0.12))
    hem = Edge(((0.0, 0.985), (1.0, 0.985)), trim, 0.03, 0.3)
    flap_ground = [*(layer for layer in ground if isinstance(layer, Pattern | Panel)), hem]
    lower: list[Layer] = [
        Print(f"{brand.name} - MADE BY HAND", 0.5, 0.9, 0.018, mixed(leather, scheme.ink, 0.5), Typeface(weight=0.1))
    ]
    faces = [
        (
            "front",
            Face((w, h), leather, gloss, polish, tuple(lower if satchel else ground), () if satchel else marks, finish),
        ),
        ("back", Face((w / 2, h / 2), leather, gloss, polish, (), (), plain_finish)),
        ("gusset", Face((d, h), darker(leather, 0.9), gloss, polish, (), (), plain_finish)),
        ("inside", Face((0.2, 0.1), darker(mixed(leather, scheme.second, 0.4), 0.3), 0.02, 0.1)),
        (
            "strap",
            Face(
                (0.1, 0.6),
                trim,
                gloss,
                polish,
                (),
                (),
                (Stitch(((0.25, 0.0), (0.25, 1.0)), thread, 0.03, 0.006), grain),
            ),
        ),
        ("metal", Face((0.1, 0.1), metal, 1.0, 0.85)),
    ]
    if satchel:
        faces.append(("flap", Face(main_size, leather, gloss, polish, tuple(flap_ground), marks, finish)))
    build = (
        partial(_satchel, (w, h, d), drop, 0.2) if satchel else partial(_tote, (w, h, d), float(rng.uniform(0.3, 0.42)))
    )
    noun = "satchel" if satchel else "tote"
    poses = (Pose((), 38, (5, 32)), Pose((("x", -86.0),), 20, (50, 82)))
    return Design(noun, Artwork(tuple(faces), "flap" if satchel else "front"), build, poses, Pose((), 16, (6, 14)))


BAG = Category(
    name="bag",
    price=(90, 480),
    design=_design,
)
