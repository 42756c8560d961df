"""Putting a product down and aiming at it, so that its marks can be seen; and what may get in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .artwork import Artwork, Face, box_of
from .camera import Camera, look
from .categories import Design
from .clutter import fingers, price_tag, skin
from .mesh import Sheet, moved, patch
from .raster import Fragments, rasterise

__all__ = ["MARK_PIXELS", "View", "aimed", "all_points", "cover_with", "mark_boxes"]

MARK_PIXELS = 64
"""A mark is at least this long in a photo of 640 pixels."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class View:
    """A body in its place, the camera that sees it, and the ``size`` (height, width) of the photo."""

    sheets: list[Sheet]
    camera: Camera
    size: tuple[int, int]


def all_points(sheets: Sequence[Sheet]) -> NDArray[np.float64]:
    """(N, 3) points of all sheets."""
    return np.concatenate([sheet.points.reshape(-1, 3) for sheet in sheets])


def mark_boxes(fragments: Fragments, sheets: Sequence[Sheet], artwork: Artwork) -> list[tuple[Box, int]]:
    """Where each mark of the main face is in sight, in pixels of the grid, and in how many fragments."""
    main = artwork[artwork.main]
    shown = np.array([sheet.face == artwork.main for sheet in sheets])[fragments.sheet]
    u, v, pixel = fragments.uv[0, shown], fragments.uv[1, shown], fragments.pixel[shown]
    boxes = []
    for mark in main.marks:
        x0, y0, x1, y1 = np.array(box_of(main, mark)) / np.tile(main.texels, 2)
        found = pixel[(u >= x0) & (u < x1) & (v >= y0) & (v < y1)]
        if len(found):
            row, column = np.divmod(found, fragments.size[1])
            box = (float(column.min()), float(row.min()), float(column.max() + 1), float(row.max() + 1))
            boxes.append((box, len(found)))
    return boxes


def _try(design: Design, size: tuple[int, int], official: bool, zoom: float, rng: np.random.Generator) -> View:
    """Put the product down at random and aim at it."""
    pose = design.studio if official else design.poses[int(rng.integers(len(design.poses)))]
    sheets = moved(design.build(rng), pose.matrix(rng))
    points = all_points(sheets)
    middle = (points.max(0) + points.min(0)) / 2
    sheets = moved(sheets, np.eye(3), (-middle[0], -points[:, 1].min(), -middle[2]))
    points = all_points(sheets)
    height, width = size
    focal = max(size) * float(rng.uniform(1.5, 1.9) if official else rng.uniform(1.05, 1.8))
    pitch, roll = float(rng.uniform(*pose.pitch)), 0.0 if official else float(rng.normal(0, 3.5))
    target = np.array([0.0, points[:, 1].max() / 2, 0.0])
    scale = min(zoom * float(rng.uniform(0.66, 0.8) if official else rng.uniform(0.4, 0.85)), 0.92)
    distance = 4.0
    for _ in range(4):
        camera = look(target, distance, pitch, roll, focal, (width / 2, height / 2))
        xy, _ = camera.project(points)
        low, high = xy.min(0), xy.max(0)
        distance *= float(max((high[0] - low[0]) / width, (high[1] - low[1]) / height)) / scale
    room = np.maximum(np.array([width, height]) - (high - low), 0) / 2
    spread = 0.15 if official else 0.8
    x, y = rng.uniform(-spread, spread, 2) * room + np.array([width, height]) - (low + high) / 2
    return View(sheets, look(target, distance, pitch, roll, focal, (float(x), float(y))), size)


def aimed(design: Design, size: tuple[int, int], official: bool, rng: np.random.Generator) -> View:
    """A view in which the marks are large enough and not seen at a grazing angle."""
    unit = max(size) / 640
    best = -1.0
    for attempt in range(12):
        candidate = _try(design, size, official, 1 + 0.06 * attempt, rng)
        if attempt == 0:
            view = candidate
        fragments = rasterise(candidate.sheets, candidate.camera.scaled(0.25), (size[0] // 4 + 1, size[1] // 4 + 1))
        boxes = mark_boxes(fragments, candidate.sheets, design.artwork)
        if len(boxes) < len(design.artwork[design.artwork.main].marks):
            continue
        long = min(4 * max(x1 - x0, y1 - y0) for (x0, y0, x1, y1), _ in boxes) / unit
        flat = min(4 * count / max(x1 - x0, y1 - y0) for (x0, y0, x1, y1), count in boxes) / unit
        score = min(long / (MARK_PIXELS + 4), flat / 13)
        if score > best:
            best, view = score, candidate
        if score >= 1:
            break
    return view


def _hand(view: View, rng: np.random.Generator) -> list[Sheet]:
    """A hand at one side of the product, over its front."""
    xy, depth = view.camera.project(all_points(view.sheets))
    side = 1 if rng.random() < 0.5 else -1
    edge = float(np.quantile(xy[:, 0], 0.5 + 0.485 * side))
    height = float(np.quantile(xy[:, 1], float(rng.uniform(0.45, 0.75))))
    near = float(np.quantile(depth, 0.04))
    away = view.camera.axes[0] * side - 0.25 * view.camera.axes[1]
    reach = float(rng.uniform(0.04, 0.14)) * float(np.ptp(xy[:, 0]))
    tips = []
    for finger in range(4):
        y = height + (finger - 1.5) * 0.085 * view.camera.focal / near
        x = edge - side * reach * (1 - 0.12 * abs(finger - 1.4))
        ray = view.camera.rays(np.array(x, np.float32), np.array(y, np.float32)).astype(np.float64)
        tips.append(view.camera.eye + ray * (near - 0.03))
    return fingers(np.array(tips), away / np.linalg.norm(away), view.camera.axes[2], rng)


def cover_with(
    view: View, artwork: Artwork, rng: np.random.Generator
) -> tuple[list[Sheet], tuple[tuple[str, Face], ...]]:
    """Something over a part of the product, and its faces: a hand, or a price tag that leaves most of the marks in
    sight.
    """
    if rng.random() < 0.5:
        return _hand(view, rng), skin(rng)
    main = artwork[artwork.main]
    boxes = [np.array(box_of(main, mark)) / np.tile(main.texels, 2) for mark in main.marks]
    sheet = next(sheet for sheet in view.sheets if sheet.face == artwork.main)
    tag = price_tag(rng)
    width, height = tag[1].size[0] / main.size[0], tag[1].size[1] / main.size[1]
    for _ in range(30):
        x, y = float(rng.uniform(0.22, 0.78 - width)), float(rng.uniform(0.03, 0.97 - height))
        hidden = 0.0
        for x0, y0, x1, y1 in boxes:
            overlap = max(0, min(x1, x + width) - max(x0, x)) * max(0, min(y1, y + height) - max(y0, y))
            hidden = max(hidden, overlap / ((x1 - x0) * (y1 - y0)))
        if hidden < 0.3:
            break
    return [patch(sheet, tag[0], (x, y, x + width, y + height), 0.006)], (tag,)
