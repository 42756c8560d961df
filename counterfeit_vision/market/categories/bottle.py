"""Bottles and jars: turned bodies with a label, a cap and a gloss."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..alphabet import Typeface
from ..artwork import Artwork, Colour, Face, Layer
from ..brands import Brand, luminance
from ..layers import Barcode, Edge, Grain, Panel, Pattern, Print
from ..mesh import Array, Sheet, revolved
from .base import Category, Design, Pose, Scheme, darker, lockup, mixed

__all__ = ["BOTTLE"]

_SPAN = 190.0
"""Degrees of the body that the label goes around."""

_THIN = Typeface(weight=0.1, spacing=0.14)


def _profile(points: list[tuple[float, float]]) -> Array:
    """A smooth outline through corners, top first: corners are cut by a moving average."""
    corners = np.array(points)
    lengths = np.r_[0, np.cumsum(np.hypot(*np.diff(corners, axis=0).T))]
    t = np.linspace(0, lengths[-1], 160)
    dense = np.stack([np.interp(t, lengths, corners[:, i]) for i in (0, 1)], axis=1)
    padded = np.concatenate([np.repeat(dense[:1], 3, 0), dense, np.repeat(dense[-1:], 3, 0)])
    soft = np.mean([padded[i : i + len(dense)] for i in range(7)], axis=0)
    return np.concatenate([dense[:1], soft[2:-2:4], dense[-1:]])


def _body(form: tuple[str, float, float, float, float, float], rng: np.random.Generator) -> list[Sheet]:
    kind, radius, height, squash, low, high = form
    cap_top = {"bottle": height * 1.22, "jar": height * 1.34, "can": height * 1.03}[kind]
    neck = {"bottle": 0.34 * radius, "jar": 0.93 * radius, "can": 0.82 * radius}[kind]
    shoulder = {"bottle": 0.88, "jar": 0.97, "can": 0.95}[kind]
    body = _profile(
        [
            (neck, height),
            (neck * 1.02, height * 0.985),
            (radius, height * shoulder),
            (radius, 0.03),
            (radius * 0.93, 0.0),
        ]
    )
    cap_radius = {"bottle": 0.4 * radius, "jar": 1.03 * radius, "can": 0.8 * radius}[kind]
    rim = 0.02 if kind != "can" else 0.012
    cap = _profile(
        [
            (0.001, cap_top),
            (cap_radius - rim, cap_top),
            (cap_radius, cap_top - rim),
            (cap_radius, height * 0.99),
            (neck * 0.9, height * 0.985),
        ]
    )
    label = np.array([[radius + 0.004, y] for y in np.linspace(high, low, 5) * height])
    return [
        revolved("body", body, squash=squash),
        revolved("cap", cap, squash=squash if kind == "jar" else 1.0),
        revolved("label", label, span=_SPAN, squash=squash + 0.004 / radius),
        revolved("cap", np.array([[radius * 0.93, 0.0], [0.001, 0.0]]), squash=squash),
    ]


def _label(brand: Brand, scheme: Scheme, size: tuple[float, float], rng: np.random.Generator) -> Face:
    # Between these the label faces the viewer.
    left, right = 0.24, 0.76
    two_tone = rng.random() < 0.55
    ground: list[Layer] = []
    top = 0.1
    if two_tone:
        top = 0.06
        ground += [Panel(0, 0.68, 1, 1, scheme.second), Panel(0, 0.672, 1, 0.684, scheme.ink, gloss=0.8)]
    foot = scheme.second if two_tone else scheme.ground
    foot_ink = brand.palette.light if luminance(foot) < 0.5 else brand.palette.dark
    if rng.random() < 0.6:
        kind = str(rng.choice(["waves", "dots", "stripes", "diamonds"]))
        tone = mixed(foot, foot_ink, 0.3)
        ground.append(Pattern(kind, tone, 0.06, float(rng.choice([0, 45, 90])), 0.4, 0.8, (0, 0.9, 1, 1)))
    ground += [
        Print(scheme.name, 0.5, 0.76, 0.062, foot_ink, Typeface(weight=0.15)),
        Print(
            str(rng.choice(["250 ML  8.4 FL OZ", "SMOOTH DAILY CARE", "NATURAL EXTRACT 12%", "300 ML"])),
            0.5,
            0.85,
            0.032,
            foot_ink,
            _THIN,
        ),
        Print("USE WITHIN 12 MONTHS", 0.12, 0.3, 0.022, scheme.ink, _THIN),
        Print("SHAKE BEFORE USE", 0.12, 0.36, 0.022, scheme.ink, _THIN),
        Barcode(0.86, 0.2, 0.98, 0.5, brand.seed + 3),
        Edge(((0.0, 0.006), (1.0, 0.006)), darker(scheme.ground, 0.8), 0.012, 0.1),
        Edge(((0.0, 0.994), (1.0, 0.994)), darker(foot, 0.8), 0.012, 0.1),
    ]
    marks = lockup(brand, size, (left, top, right, 0.63), scheme.ink, accent=scheme.second)
    finish = (Grain("plastic", 0.03, 0.04, 1.0, int(rng.integers(3))),)
    return Face(
        size, scheme.ground, float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.5, 0.75)), tuple(ground), marks, finish
    )


def _design(brand: Brand, scheme: Scheme, rng: np.random.Generator) -> Design:
    kind = ("bottle", "jar", "can")[brand.seed % 3]
    radius, height = {
        "bottle": (float(rng.uniform(0.24, 0.29)), 0.86),
        "jar": (float(rng.uniform(0.42, 0.5)), float(rng.uniform(0.42, 0.52))),
        "can": (float(rng.uniform(0.25, 0.3)), 0.95),
    }[kind]
    squash = float(rng.uniform(0.55, 0.75)) if kind == "bottle" and rng.random() < 0.6 else 1.0
    low, high = {"bottle": (0.12, 0.8), "jar": (0.1, 0.86), "can": (0.05, 0.93)}[kind]
    size = (float(np.radians(_SPAN)) * radius, (high - low) * height)
    shell: Colour = mixed(scheme.second if rng.random() < 0.5 else scheme.ground, (255, 255, 255), 0.08)
    cap: Colour = (40, 40, 44) if luminance(shell) > 0.4 else (226, 222, 212)
    metal = kind == "can" or rng.random() < 0.3
    if metal:
        cap = (206, 184, 138) if rng.random() < 0.4 else (200, 202, 206)
    faces = (
        ("label", _label(brand, scheme, size, rng)),
        ("body", Face((0.4, 0.4), shell, 0.75, 0.85, (), (), (Grain("plastic", 0.03, 0.03),))),
        (
            "cap",
            Face(
                (0.4, 0.3),
                cap,
                1.0 if metal else 0.55,
                0.75 if metal else 0.6,
                (Pattern("stripes", darker(cap, 0.8), 0.06, 0, 0.3),) if kind == "bottle" else (),
            ),
        ),
    )
    standing = Pose((), 30, (6, 40))
    lying = Pose((("x", -90.0),), 26, (42, 76))
    return Design(
        {"bottle": "shampoo", "jar": "cream", "can": "drink"}[kind],
        Artwork(faces, "label"),
        partial(_body, (kind, radius, height, squash, low, high)),
        (standing,) if kind == "jar" else (standing, standing, lying),
        Pose((), 8, (6, 14)),
    )


BOTTLE = Category(
    name="bottle",
    price=(12, 65),
    design=_design,
)
