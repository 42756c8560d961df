"""Surfaces of things: grids of points with normals and texture coordinates.

World units are about the size of a product; x right, y up, z towards the viewer; the ground is y = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .shapes import Polygon

__all__ = ["Array", "Sheet", "ball", "box", "moved", "patch", "revolved", "rotation", "surface", "tube"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A grid of (n, m) points: ``points`` and unit ``normals`` (n, m, 3), ``uv`` (n, m, 2) in 0..1 of texture ``face``.

    ``both``: seen from both sides (a strap), else the back is not drawn.
    """

    face: str
    points: Array = field(repr=False)
    normals: Array = field(repr=False)
    uv: Array = field(repr=False)
    both: bool = False


def rotation(axis: str, degrees: float) -> Array:
    """3 x 3 rotation about ``"x"``, ``"y"`` or ``"z"``, counter-clockwise seen from the positive end."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def moved(sheets: Sequence[Sheet], turn: Array, offset: Sequence[float] = (0.0, 0.0, 0.0)) -> list[Sheet]:
    """Turned, then shifted."""
    return [replace(s, points=s.points @ turn.T + np.asarray(offset), normals=s.normals @ turn.T) for s in sheets]


def _grid(columns: Array, rows: Array) -> tuple[Array, Array]:
    u, v = np.meshgrid(columns, rows)
    return u, v


def surface(
    face: str,
    place: Callable[[Array, Array], tuple[Array, Array, Array]],
    *,
    columns: int = 24,
    rows: int = 24,
    both: bool = False,
) -> Sheet:
    """A sheet from ``place(u, v) -> x, y, z``; u runs right and v down, seen from outside; normals follow from the
    grid.
    """
    u, v = _grid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    points = np.stack(np.broadcast_arrays(*place(u, v)), axis=2).astype(np.float64)
    along, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
    normals = np.cross(down, along)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    return Sheet(face, points, normals, np.stack([u, v], axis=2), both)


def box(
    size: tuple[float, float, float], faces: dict[str, str], *, radius: float = 0.012, bulge: float = 0.0
) -> list[Sheet]:
    """A box (width, height, depth) with rounded edges that stands on the ground, centred.

    ``faces`` names the texture of ``front back left right top bottom``; a side that is absent is left open.
    """
    half = np.array(size) / 2
    turns = {
        "front": (np.eye(3), (0, 1, 2)),
        "back": (rotation("y", 180), (0, 1, 2)),
        "right": (rotation("y", 90), (2, 1, 0)),
        "left": (rotation("y", -90), (2, 1, 0)),
        "top": (rotation("x", -90), (0, 2, 1)),
        "bottom": (rotation("x", 90), (0, 2, 1)),
    }
    sheets = []
    for side, face in faces.items():
        turn, (i, j, k) = turns[side]
        w, h, d = half[i], half[j], half[k]
        steps = np.concatenate([[0, 0.15, 0.45, 1], np.linspace(1.5, 10, 8)])
        near = {"w": np.minimum(steps * radius, w), "h": np.minimum(steps * radius, h)}
        x = np.unique(np.concatenate([-w + near["w"], np.linspace(-w * 0.85, w * 0.85, 7), w - near["w"]]))
        y = np.unique(np.concatenate([-h + near["h"], np.linspace(-h * 0.85, h * 0.85, 7), h - near["h"]]))
        gx, gy = _grid(x, y[::-1])
        raw = np.stack([gx, gy, np.full_like(gx, d)], axis=2)
        inner = np.clip(raw, -np.array([w, h, d]) + radius, np.array([w, h, d]) - radius)
        normals = (raw - inner) / np.linalg.norm(raw - inner, axis=2, keepdims=True)
        points = inner + radius * normals
        swell = (1 - (gx / w) ** 2) * (1 - (gy / h) ** 2)
        points[..., 2] += bulge * swell
        normals[..., 0] += bulge * 2 * gx / w**2 * (1 - (gy / h) ** 2)
        normals[..., 1] += bulge * 2 * gy / h**2 * (1 - (gx / w) ** 2)
        normals /= np.linalg.norm(normals, axis=2, keepdims=True)
        uv = np.stack([(gx + w) / (2 * w), (h - gy) / (2 * h)], axis=2)
        sheets.append(Sheet(face, points @ turn.T + [0, half[1], 0], normals @ turn.T, uv))
    return sheets


def revolved(face: str, profile: Polygon, *, columns: int = 49, span: float = 360.0, squash: float = 1.0) -> Sheet:
    """``profile`` (n, 2) of radius and height, top first, turned about the y axis.

    u = 0.5 faces the viewer (+z); ``span`` degrees of the turn; ``squash`` makes it flat in z. v follows the profile's
    length.
    """
    lengths = np.r_[0, np.cumsum(np.hypot(*np.diff(profile, axis=0).T))]
    v = lengths / lengths[-1]
    u = np.linspace(0, 1, columns)
    angle = np.radians((u - 0.5) * span)
    radius, height = profile[:, 0][:, None], profile[:, 1][:, None]
    points = np.stack(np.broadcast_arrays(radius * np.sin(angle), height, radius * np.cos(angle) * squash), axis=2)
    slope = np.gradient(profile, axis=0)
    out, up = -slope[:, 1][:, None], slope[:, 0][:, None]
    normals = np.stack(np.broadcast_arrays(out * np.sin(angle), up, out * np.cos(angle) / squash), axis=2)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    return Sheet(face, points, normals, np.stack(_grid(u, v), axis=2))


def tube(face: str, line: Array, radius: float | Array, *, around: int = 12) -> Sheet:
    """A round cord along ``line`` (n, 3); ``radius`` one number or (n,)."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.where(np.abs(tangent[:, 1:2]) > 0.9, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    helper = np.broadcast_to(helper[len(helper) // 2], tangent.shape)
    first = np.cross(helper, tangent)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, around + 1)[None, :, None]
    normals = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
    points = line[:, None] + np.broadcast_to(np.asarray(radius, np.float64), (len(line),))[:, None, None] * normals
    uv = np.stack(_grid(np.linspace(0, 1, around + 1), np.linspace(0, 1, len(line))), axis=2)
    return Sheet(face, points, normals, uv)


def ball(face: str, centre: Sequence[float], radius: float) -> Sheet:
    """A sphere."""
    angle = np.linspace(0.02, np.pi - 0.02, 13)
    sheet = revolved(face, np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), columns=25)
    return replace(sheet, points=sheet.points + np.asarray(centre))


def patch(sheet: Sheet, face: str, box: tuple[float, float, float, float], lift: float) -> Sheet:
    """A piece that sticks on ``sheet``, ``lift`` above it; ``box`` is x0 y0 x1 y1 in its uv."""
    u, v = np.linspace(box[0], box[2], 12), np.linspace(box[1], box[3], 12)
    column = np.interp(u, sheet.uv[0, :, 0], np.arange(sheet.uv.shape[1]))
    row = np.interp(v, sheet.uv[:, 0, 1], np.arange(sheet.uv.shape[0]))

    def between(values: Array) -> Array:
        left = np.minimum(column.astype(int), values.shape[1] - 2)
        above = np.minimum(row.astype(int), values.shape[0] - 2)
        across, down = (column - left)[None, :, None], (row - above)[:, None, None]
        upper = values[above][:, left] * (1 - across) + values[above][:, left + 1] * across
        lower = values[above + 1][:, left] * (1 - across) + values[above + 1][:, left + 1] * across
        return np.asarray(upper * (1 - down) + lower * down, np.float64)

    normals = between(sheet.normals)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    uv = np.stack(_grid(np.linspace(0, 1, 12), np.linspace(0, 1, 12)), axis=2)
    return Sheet(face, between(sheet.points) + lift * normals, normals, uv)
