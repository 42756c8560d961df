"""Packaged goods: a shoebox with a lid, or a folding carton as cosmetics and gadgets come in."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..alphabet import Typeface
from ..artwork import Artwork, Face, Layer
from ..brands import Brand, luminance
from ..layers import Barcode, Edge, Grain, Panel, Pattern, Print, Shade, Wear
from ..mesh import Sheet, box, moved
from .base import Category, Design, Pose, Scheme, darker, lockup, mixed

__all__ = ["CARTON"]

_PLAIN = Typeface(weight=0.11, spacing=0.12)
_LINES = (
    "NET 250 G",
    "IMPORTED AND PACKED FOR",
    "KEEP DRY AND CLEAN",
    "SEE BASE FOR BATCH",
    "MODEL 2208 SERIES B",
    "HANDLE WITH CARE",
)


def _finish(rng: np.random.Generator, *, shade: str = "b") -> tuple[Layer, ...]:
    seed = int(rng.integers(1 << 30))
    return (
        Grain("carton", contrast=0.05, depth=0.05, scale=1.2, seed=seed % 3),
        Shade(0.12, 0.05, shade),
        Wear(0.55, seed),
    )


def _pattern(
    brand: Brand, scheme: Scheme, rng: np.random.Generator, area: tuple[float, float, float, float]
) -> Pattern:
    kind = str(rng.choice(["stripes", "dots", "diamonds", "waves", "chevrons", "logo"]))
    period = float(rng.uniform(0.07, 0.12)) if kind == "logo" else float(rng.uniform(0.035, 0.07))
    return Pattern(
        kind,
        scheme.second,
        period,
        float(rng.choice([0, 30, 45, 90])),
        float(rng.uniform(0.3, 0.5)),
        0.6,
        area,
        brand.logo,
    )


def _small_print(
    rng: np.random.Generator, face: tuple[float, float], ink: tuple[int, int, int], x: float, y: float
) -> list[Layer]:
    height = 0.014 / face[1]
    lines = rng.permutation(_LINES)[:3]
    return [Print(str(line), x, y + i * height * 1.9, height, ink, _PLAIN, align=-1) for i, line in enumerate(lines)]


def _body(size: tuple[float, float, float], rng: np.random.Generator) -> list[Sheet]:
    names = {"front": "front", "back": "back", "left": "side", "right": "side", "top": "top", "bottom": "bottom"}
    return box(size, names, radius=0.008, bulge=float(rng.uniform(-0.002, 0.008)))


def _shoebox(size: tuple[float, float, float], rng: np.random.Generator) -> list[Sheet]:
    w, h, d = size
    body = box(
        size, {"front": "front", "back": "front", "left": "side", "right": "side", "bottom": "bottom"}, radius=0.006
    )
    names = {"front": "rim", "back": "rim", "left": "rimside", "right": "rimside", "top": "lid"}
    lid = box((w + 0.022, 0.34 * h, d + 0.022), names, radius=0.006, bulge=float(rng.uniform(-0.008, 0.004)))
    return body + moved(lid, np.eye(3), (float(rng.normal(0, 0.002)), 0.66 * h + 0.012, float(rng.normal(0, 0.002))))


def _design_shoebox(brand: Brand, scheme: Scheme, rng: np.random.Generator) -> Design:
    w, h, d = 1.0, float(rng.uniform(0.33, 0.38)), float(rng.uniform(0.58, 0.66))
    two_tone = rng.random() < 0.6
    body = scheme.second if two_tone else scheme.ground
    body_ink = scheme.ink if abs(luminance(scheme.ink) - luminance(body)) > 0.3 else brand.palette.light
    if abs(luminance(body_ink) - luminance(body)) < 0.3:
        body_ink = brand.palette.dark
    lid_size, rim_size = (w + 0.022, d + 0.022), (w + 0.022, 0.34 * h)
    gloss, polish = float(rng.uniform(0.1, 0.35)), float(rng.uniform(0.25, 0.5))
    lid_ground: list[Layer] = []
    if rng.random() < 0.6:
        lid_ground.append(_pattern(brand, scheme, rng, (0, 0, 1, 0.2)))
        lid_ground.append(Panel(0, 0.2, 1, 0.212, scheme.ink))
    lid_ground.append(Print(scheme.name, 0.5, 0.92, 0.035, scheme.ink, _PLAIN))
    marks = lockup(
        brand, lid_size, (0.16, 0.28, 0.84, 0.84), scheme.ink, accent=scheme.second, beside=bool(rng.random() < 0.3)
    )
    rim_marks = lockup(brand, rim_size, (0.3, 0.18, 0.7, 0.82), scheme.ink, beside=True)
    front_marks = lockup(brand, (w, h), (0.08, 0.5, 0.45, 0.9), body_ink, beside=True)
    front_ground: list[Layer] = [
        Panel(0.66, 0.46, 0.94, 0.92, (246, 245, 241), gloss=0.3),
        Barcode(0.68, 0.62, 0.92, 0.9, brand.seed),
        Print(f"{brand.name} {scheme.name}", 0.69, 0.54, 0.04, (30, 30, 32), _PLAIN, align=-1),
    ]
    side_ground: list[Layer] = [
        Panel(0.2, 0.46, 0.8, 0.9, (246, 245, 241), gloss=0.3),
        Print(scheme.name, 0.25, 0.56, 0.07, (30, 30, 32), _PLAIN, align=-1),
        Print(f"SIZE {int(rng.integers(36, 46))}", 0.25, 0.76, 0.16, (30, 30, 32), Typeface(weight=0.2), align=-1),
        Barcode(0.52, 0.6, 0.78, 0.88, brand.seed + 1),
    ]
    faces = (
        ("lid", Face(lid_size, scheme.ground, gloss, polish, tuple(lid_ground), marks, _finish(rng, shade=""))),
        ("rim", Face(rim_size, scheme.ground, gloss, polish, (), rim_marks, _finish(rng))),
        ("rimside", Face((d + 0.022, 0.34 * h), scheme.ground, gloss, polish, (), (), _finish(rng))),
        (
            "front",
            Face((w, h), body, gloss, polish, tuple(front_ground), front_marks, (*_finish(rng), Shade(0.45, 0.5, "t"))),
        ),
        ("side", Face((d, h), body, gloss, polish, tuple(side_ground), (), (*_finish(rng), Shade(0.45, 0.5, "t")))),
        ("bottom", Face((0.2, 0.2), (150, 120, 90), 0.05, 0.2)),
    )
    poses = (Pose((), 40, (28, 58)), Pose((), 16, (60, 80)))
    return Design("shoebox", Artwork(faces, "lid"), partial(_shoebox, (w, h, d)), poses, Pose((), 24, (36, 44)))


def _design_folding(brand: Brand, scheme: Scheme, rng: np.random.Generator) -> Design:
    w, h = float(rng.uniform(0.52, 0.72)), 1.0
    d = float(rng.uniform(0.22, 0.4))
    gloss, polish = float(rng.uniform(0.25, 0.55)), float(rng.uniform(0.4, 0.75))
    band = float(rng.uniform(0.66, 0.74))
    panel_ink = brand.palette.light if luminance(scheme.second) < 0.55 else brand.palette.dark
    front: list[Layer] = [
        Panel(0, band, 1, 1, scheme.second),
        _pattern(
            brand, Scheme(scheme.second, panel_ink, mixed(scheme.second, panel_ink, 0.35), ""), rng, (0, band, 1, 1)
        ),
        Panel(0, band - 0.012, 1, band, scheme.ink, gloss=0.7),
        Panel(0.1, 0.78, 0.9, 0.93, scheme.second),
        Print(scheme.name, 0.5, 0.83, 0.034, panel_ink, Typeface(weight=0.14)),
        Print(
            str(rng.choice(["ORIGINAL FORMULA", "SINCE 1987", "LIMITED RELEASE", "MADE WITH CARE"])),
            0.5,
            0.89,
            0.018,
            panel_ink,
            _PLAIN,
        ),
        *_small_print(rng, (w, h), scheme.ink, 0.07, band - 0.1),
    ]
    side: list[Layer] = [
        Panel(0, band, 1, 1, scheme.second),
        *_small_print(rng, (d, h), scheme.ink, 0.12, 0.3),
        *_small_print(rng, (d, h), scheme.ink, 0.12, 0.42),
        *_small_print(rng, (d, h), scheme.ink, 0.12, 0.54),
        Barcode(0.2, 0.8, 0.8, 0.95, brand.seed + 2),
    ]
    flap: list[Layer] = [Edge(((0.02, 0.97), (0.98, 0.97)), darker(scheme.ground, 0.5), 0.012, -0.3)]
    marks = lockup(brand, (w, h), (0.1, 0.09, 0.9, band - 0.15), scheme.ink, accent=scheme.second)
    side_marks = lockup(brand, (d, h), (0.12, 0.06, 0.88, 0.24), scheme.ink)
    top_marks = lockup(brand, (w, d), (0.15, 0.2, 0.85, 0.8), scheme.ink, beside=True)
    faces = (
        ("front", Face((w, h), scheme.ground, gloss, polish, tuple(front), marks, _finish(rng))),
        ("back", Face((w, h), scheme.ground, gloss, polish, tuple(side), (), _finish(rng))),
        ("side", Face((d, h), scheme.ground, gloss, polish, tuple(side), side_marks, _finish(rng))),
        ("top", Face((w, d), scheme.ground, gloss, polish, tuple(flap), top_marks, _finish(rng))),
        ("bottom", Face((w, d), scheme.ground, gloss, polish)),
    )
    poses = (Pose((), 44, (8, 40)), Pose((("x", -90.0),), 22, (48, 82)))
    return Design("gift-box", Artwork(faces, "front"), partial(_body, (w, h, d)), poses, Pose((), 28, (10, 20)))


def _design(brand: Brand, scheme: Scheme, rng: np.random.Generator) -> Design:
    return (_design_shoebox if brand.seed % 2 else _design_folding)(brand, scheme, rng)


CARTON = Category(
    name="carton",
    price=(35, 140),
    design=_design,
)
