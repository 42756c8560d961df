"""From sheets to fragments: a vectorised triangle rasteriser with a depth test, in numpy.

Triangles are cut into spans (one row of one triangle), spans into fragments (one pixel of one triangle); of the
fragments on one pixel the nearest stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .mesh import Sheet

__all__ = ["Fragments", "rasterise"]

NEAR = 0.05  # world units before the camera: what is nearer is not drawn


@dataclass(frozen=True, eq=False)
class Fragments:
    """The visible surface, one row per covered pixel of a (height, width) grid.

    ``pixel`` flat index int64, ``sheet`` index int32; float32: ``uv`` (2, F), ``normal`` (3, F) unit, ``depth`` (F,)
    along the camera's axis.
    """

    size: tuple[int, int]
    pixel: NDArray[np.int64] = field(repr=False)
    sheet: NDArray[np.int32] = field(repr=False)
    uv: NDArray[np.float32] = field(repr=False)
    normal: NDArray[np.float32] = field(repr=False)
    depth: NDArray[np.float32] = field(repr=False)

    def image(self, rows: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Rows of one value per fragment, on the grid: (rows, height, width); 0 where nothing is."""
        grid = np.zeros((len(rows), self.size[0] * self.size[1]), np.float32)
        for plane, row in zip(grid, rows, strict=True):
            plane[self.pixel] = row
        return grid.reshape(-1, *self.size)

    def only(self, kept: NDArray[np.bool_]) -> Fragments:
        """Some of the fragments."""
        return Fragments(
            self.size, self.pixel[kept], self.sheet[kept], self.uv[:, kept], self.normal[:, kept], self.depth[kept]
        )


def _triangles(sheets: Sequence[Sheet]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Corners (T, 3, 8) of all triangles, as x y z, normal, u v; and which sheet each belongs to."""
    corners, owners = [], []
    for index, sheet in enumerate(sheets):
        grid = np.concatenate([sheet.points, sheet.normals, sheet.uv], axis=2)
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
        both = np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 8), np.stack([a, c, d], 2).reshape(-1, 3, 8)])
        corners.append(both)
        owners.append(np.full(len(both), index, np.int32))
    return np.concatenate(corners), np.concatenate(owners)


def rasterise(sheets: Sequence[Sheet], camera: Camera, size: tuple[int, int]) -> Fragments:
    """What ``camera`` sees of the sheets on a grid of ``size`` (height, width)."""
    corners, owner = _triangles(sheets)
    two_sided = np.array([sheet.both for sheet in sheets])[owner]
    towards = np.einsum("tij,tij->ti", corners[..., 3:6], camera.towards(corners[..., :3]))
    xy, depth = camera.project(corners[..., :3])
    inside = (xy.max(1) > 0).all(1) & (xy.min(1) < [size[1], size[0]]).all(1)
    keep = (two_sided | (towards > 0).any(1)) & (depth > NEAR).all(1) & inside
    corners, owner, xy, depth, towards = corners[keep], owner[keep], xy[keep], depth[keep], towards[keep]
    flip = np.where((towards.sum(1) < 0) & two_sided[keep], -1.0, 1.0)
    inverse = 1 / depth if camera.perspective else np.ones_like(depth)
    values = np.concatenate([corners[..., 6:8], corners[..., 3:6] * flip[:, None, None], np.ones((*depth.shape, 1))], 2)
    values *= inverse[..., None]
    if not camera.perspective:
        values[..., 5] = depth
    return _fill(xy, values, owner, size, camera.perspective)


def _fill(
    xy: NDArray[np.float64],
    values: NDArray[np.float64],
    owner: NDArray[np.int32],
    size: tuple[int, int],
    perspective: bool,
) -> Fragments:
    """The nearest fragment of each pixel, from triangles: corners ``xy`` (n, 3, 2), their ``values`` (n, 3, 6), which
    change evenly over the picture, and their sheets ``owner`` (n,). A span of pixels for each of a triangle's rows.
    """
    height, width = size
    (x0, x1, x2), (y0, y1, y2) = xy[..., 0].T, xy[..., 1].T
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    keep = np.abs(area) > 1e-6
    xy, values, owner, area = xy[keep], values[keep], owner[keep], area[keep]
    order = np.argsort(xy[..., 1], axis=1)
    xy = np.take_along_axis(xy, order[..., None], axis=1)
    values = np.take_along_axis(values, order[..., None], axis=1)
    (x0, x1, x2), (y0, y1, y2) = xy[..., 0].T, xy[..., 1].T
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    step1, step2 = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    across = (step1 * (y2 - y0)[:, None] - step2 * (y1 - y0)[:, None]) / area[:, None]
    down = (step2 * (x1 - x0)[:, None] - step1 * (x2 - x0)[:, None]) / area[:, None]

    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(y2 - 0.5), 0, height).astype(np.int64)
    rows = last - first
    triangle = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows) + first[triangle]
    y = row + 0.5
    t = triangle
    with np.errstate(divide="ignore", invalid="ignore"):
        long = x0[t] + (y - y0[t]) * ((x2 - x0) / (y2 - y0))[t]
        upper = x0[t] + (y - y0[t]) * ((x1 - x0) / (y1 - y0))[t]
        lower = x1[t] + (y - y1[t]) * ((x2 - x1) / (y2 - y1))[t]
    short = np.where(y < y1[t], upper, lower)
    left = np.clip(np.ceil(np.minimum(long, short) - 0.5), 0, width).astype(np.int64)
    right = np.clip(np.ceil(np.maximum(long, short) - 0.5), 0, width).astype(np.int64)
    counts = right - left

    start = values[t, 0] + across[t] * (left + 0.5 - x0[t])[:, None] + down[t] * (y - y0[t])[:, None]
    offset = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)).astype(np.float32)
    pixel = np.repeat(row * width + left, counts) + offset.astype(np.int64)
    near = np.repeat(start[:, 5].astype(np.float32), counts) + offset * np.repeat(
        across[t, 5].astype(np.float32), counts
    )
    if not perspective:
        near = -near
    nearest = np.full(height * width, -np.inf, np.float32)
    np.maximum.at(nearest, pixel, near)
    seen = np.flatnonzero(near == nearest[pixel])
    span = np.repeat(np.arange(len(counts)), counts)[seen]
    offset, pixel, near = offset[seen], pixel[seen], near[seen]
    start, across, offset = start.astype(np.float32), across.astype(np.float32), offset.astype(np.float32)
    triangle = t[span]
    planes = np.stack([start[:, i][span] + across[:, i][triangle] * offset for i in range(5)])
    if perspective:
        planes /= near
        depth = 1 / near
    else:
        depth = -near
    normal = planes[2:5]
    normal /= np.maximum(np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2), 1e-6)
    return Fragments(size, pixel, owner[triangle], planes[:2], normal, depth)
