"""One photo: a product put down in a room, lit, seen by a camera. Gives the picture and the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .artwork import DENSITY, Artwork
from .atlas import Atlas, atlas
from .backdrop import backdrop, stand_about
from .camera import Camera
from .categories import Design
from .film import Exposure, develop
from .light import Light, Shadows, dot, shade
from .mesh import Sheet
from .posing import View, aimed, all_points, cover_with, mark_boxes
from .raster import Fragments, rasterise
from .scenes import Scene

__all__ = ["CONDITIONS", "Photograph", "photograph"]

CONDITIONS = ("glare", "occlusion", "poor_camera")
"""What makes a photo hard; drawn for genuine and fake alike."""

OVERSAMPLE = 2
RELIEF = 0.006
"""World units between height 0 and height 1 of an artwork."""

_ASPECTS = ((3, 4), (3, 4), (4, 3), (1, 1))

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Photograph:
    """``pixels`` (h, w, 3) uint8; ``product`` and ``changed`` (h, w) bool; ``regions`` boxes of the marks in pixels."""

    pixels: NDArray[np.uint8] = field(repr=False)
    product: NDArray[np.bool_] = field(repr=False)
    changed: NDArray[np.bool_] = field(repr=False)
    regions: tuple[tuple[float, float, float, float], ...]


def _shaded(
    fragments: Fragments,
    table: Atlas,
    sheets: Sequence[Sheet],
    camera: Camera,
    light: Light,
    shadows: Shadows,
    glare: Array | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Linear light (3, F) of each fragment, and whether the artwork changed there."""
    texels = table.at(fragments, [sheet.face for sheet in sheets])
    height, width = fragments.size
    row, column = np.divmod(fragments.pixel, width)
    rays = camera.rays(column.astype(np.float32) + 0.5, row.astype(np.float32) + 0.5)
    points = camera.eye.astype(np.float32)[:, None] + rays * fragments.depth
    view = np.asarray(rays / -np.sqrt(dot(rays, rays)), np.float32)

    relief = np.full((height, width), 0.5, np.float32)
    relief.reshape(-1)[fragments.pixel] = texels.height
    steep = np.float32(RELIEF * camera.focal / 2) / fragments.depth
    across, down = np.zeros_like(relief), np.zeros_like(relief)
    across[:, 1:-1] = relief[:, 2:] - relief[:, :-2]
    down[1:-1] = relief[2:] - relief[:-2]
    right, up = (axis.astype(np.float32)[:, None] for axis in camera.axes[:2])
    normal = np.asarray(fragments.normal - right * (across.ravel()[fragments.pixel] * steep), np.float32)
    normal += up * (down.ravel()[fragments.pixel] * steep)
    normal /= np.sqrt(dot(normal, normal))

    bias = shadows.clearance(fragments.normal, light.towards)
    lit = shadows.lit(points + np.float32(0.02) * fragments.normal, taps=4, bias=bias)
    colour = shade(np.square(texels.colour), texels.gloss, texels.polish, normal, view, points[1], lit, light)
    if glare is not None:
        mirror = np.asarray(2 * dot(normal, view) * normal - view, np.float32)
        colour += light.key[:, None] * (0.9 * np.clip((dot(mirror, glare) - 0.978) / 0.017, 0, 1) ** 1.3)
    return colour, texels.changed


def _blurred(image: Array, radius: float) -> Array:
    picture = Image.fromarray((np.sqrt(np.clip(image, 0, 1)) * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(radius)
    )
    return np.square(np.asarray(picture, np.float32) / 255)


def _room(
    view: View, scene: Scene, clutter: list[Sheet], shadows: Shadows, aperture: float, rng: np.random.Generator
) -> Array:
    """All that is not the product, (h, w, 3) linear light; what is far is out of focus."""
    image, depth = backdrop(view, scene, shadows, rng)
    if clutter:
        fragments = rasterise(clutter, view.camera, view.size)
        fragments = fragments.only(fragments.depth < depth.ravel()[fragments.pixel] + 0.02)
        colour, _ = _shaded(fragments, atlas(scene.artwork, scene.artwork), clutter, view.camera, scene.light, shadows)
        image.reshape(-1, 3)[fragments.pixel] = colour.T
        depth = depth.copy()
        depth.reshape(-1)[fragments.pixel] = fragments.depth
    if aperture > 0.4:
        far = np.clip((depth / _focus(view) - 1.08) / 0.4, 0, 1)[..., None]
        image += (_blurred(image, aperture) - image) * far
    return image


def _focus(view: View) -> float:
    return float(np.linalg.norm(view.camera.eye - [0, 0.3, 0]))


def _glare(view: View, main: str, rng: np.random.Generator) -> Array:
    """The direction of a lamp that the main face mirrors into the camera."""
    normal = np.concatenate([sheet.normals.reshape(-1, 3) for sheet in view.sheets if sheet.face == main]).mean(0)
    normal /= np.linalg.norm(normal)
    back = view.camera.axes[2]
    lamp = 2 * float(normal @ back) * normal - back + rng.normal(0, 0.09, 3)
    return np.asarray(lamp / np.linalg.norm(lamp), np.float32)


def photograph(
    design: Design,
    artwork: Artwork,
    scene: Scene,
    *,
    size: int,
    rng: np.random.Generator,
    condition: str | None = None,
    official: bool = False,
) -> Photograph:
    """Photograph a product of ``design`` that carries ``artwork`` (the design's own, or a fake one).

    ``size`` is the long side in pixels. Nothing that is drawn from ``rng`` depends on ``artwork``: the same generator
    gives the genuine and the fake product in the same pose, light and camera.
    """
    wide, tall = (4, 3) if official else _ASPECTS[int(rng.integers(len(_ASPECTS)))]
    shape = (round(size * tall / max(wide, tall)), round(size * wide / max(wide, tall)))
    view = aimed(design, shape, official, rng)
    held, extra = cover_with(view, design.artwork, rng) if condition == "occlusion" else ([], ())
    glare = _glare(view, artwork.main, rng) if condition == "glare" else None
    clutter = stand_about(view, scene, rng)
    sheets = [*view.sheets, *held]
    shadows = Shadows([*sheets, *clutter], scene.light, 2.2, max(96, size * 2 // 5))
    aperture = 0.0 if official else float(rng.uniform(0.0, 5.0)) * size / 640
    image = _room(view, scene, clutter, shadows, aperture, rng)

    # Only the part of the grid that the product covers is drawn at the finer scale.
    xy, _ = view.camera.project(all_points(sheets))
    low = np.clip(np.floor(xy.min(0)) - 1, 0, [shape[1] - 2, shape[0] - 2])
    high = np.clip(np.ceil(xy.max(0)) + 1, low + 1, [shape[1], shape[0]])
    (x0, y0), (x1, y1) = low.astype(int).tolist(), high.astype(int).tolist()
    centre = (view.camera.centre[0] - x0, view.camera.centre[1] - y0)
    camera = replace(view.camera, centre=centre).scaled(OVERSAMPLE)
    fragments = rasterise(sheets, camera, ((y1 - y0) * OVERSAMPLE, (x1 - x0) * OVERSAMPLE))
    level = int(np.clip(np.log2(max(DENSITY * _focus(view) / camera.focal, 1)) + 0.35, 0, 3))
    worn, true = (replace(each, faces=each.faces + extra) for each in (artwork, design.artwork))
    colour, altered = _shaded(fragments, atlas(worn, true, level), sheets, camera, scene.light, shadows, glare)

    own = fragments.sheet < len(view.sheets)
    fine = fragments.image([*colour, np.ones(len(own)), own, altered & own])
    layer = (fine[:, 0::2, 0::2] + fine[:, 0::2, 1::2] + fine[:, 1::2, 0::2] + fine[:, 1::2, 1::2]) / 4
    part = image[y0:y1, x0:x1]
    part *= 1 - layer[3][..., None]
    part += np.moveaxis(layer[:3], 0, 2)
    product, changed = np.zeros(shape, bool), np.zeros(shape, bool)
    product[y0:y1, x0:x1] = layer[4] > 0.5
    changed[y0:y1, x0:x1] = layer[5] > 0.2
    regions = tuple(
        (left / OVERSAMPLE + x0, top / OVERSAMPLE + y0, right / OVERSAMPLE + x0, bottom / OVERSAMPLE + y0)
        for (left, top, right, bottom), _ in mark_boxes(fragments, sheets, design.artwork)
    )
    exposure = Exposure.official() if official else Exposure.phone(rng, poor=condition == "poor_camera")
    return Photograph(develop(image, exposure, rng), product, changed, regions)
