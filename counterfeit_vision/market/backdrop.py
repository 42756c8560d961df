"""The room in the photo: ground and wall under the camera, lit, and the things that stand about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .camera import Camera
from .light import Shadows, dot
from .mesh import Sheet, moved, rotation
from .posing import View, all_points
from .scenes import SPAN, Scene

__all__ = ["backdrop", "stand_about"]

Array = NDArray[np.float32]


def _on_plane(
    picture: Image.Image, camera: Camera, size: tuple[int, int], normal: int, level: float, origin: tuple[float, float]
) -> Array:
    """A picture that lies on the plane ``axis[normal] = level`` with its middle at ``origin``, as the camera sees it.

    (h, w, 3) float32 sRGB. The plane is the ground (normal 1: x right, z down) or the wall (normal 2: x right, y up).
    """
    rays = camera.rays(np.array([0, 1, 0], np.float32), np.array([0, 0, 1], np.float32)).T.astype(np.float64)
    matrix = np.stack([rays[1] - rays[0], rays[2] - rays[0], rays[0]], axis=1)
    reach = level - camera.eye[normal]
    rows = []
    for axis, middle, sign in ((0, origin[0], 1), (3 - normal, origin[1], 1 if normal == 1 else -1)):
        place = (camera.eye[axis] - middle) * matrix[normal] + reach * matrix[axis]
        rows.append(sign * picture.width / SPAN * place + picture.width / 2 * matrix[normal])
    numbers = np.concatenate([rows[0], rows[1], matrix[normal]])
    mean = np.asarray(picture.resize((1, 1), Image.Resampling.BOX))[0, 0]
    seen = picture.transform(
        (size[1], size[0]),
        Image.Transform.PERSPECTIVE,
        [float(number) for number in numbers[:8] / numbers[8]],
        Image.Resampling.BILINEAR,
        fillcolor=(int(mean[0]), int(mean[1]), int(mean[2])),
    )
    return np.asarray(seen, np.float32) / np.float32(255)


def _larger(plane: Array, size: tuple[int, int]) -> Array:
    return np.asarray(Image.fromarray(plane).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def backdrop(view: View, scene: Scene, shadows: Shadows, rng: np.random.Generator) -> tuple[Array, Array]:
    """Ground and wall in linear light (h, w, 3), and their depth (h, w). Light is worked out at half the size."""
    camera, light = view.camera, scene.light
    x_shift, z_shift = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(-0.4, 0.4))
    ground = _on_plane(scene.ground, camera, view.size, 1, 0.0, (x_shift, z_shift))
    wall = _on_plane(scene.wall, camera, view.size, 2, -scene.behind, (x_shift, SPAN / 2 - 0.28))

    half = (view.size[0] + 1) // 2, (view.size[1] + 1) // 2
    y, x = np.mgrid[0 : half[0], 0 : half[1]].astype(np.float32) * 2 + 1
    rays, eye = camera.rays(x.ravel(), y.ravel()), camera.eye.astype(np.float32)
    with np.errstate(divide="ignore"):
        to_ground = np.where(rays[1] < -1e-4, -eye[1] / rays[1], np.float32(np.inf))
        to_wall = np.where(rays[2] < -1e-4, np.float32(-scene.behind - eye[2]) / rays[2], np.float32(np.inf))
    on_ground = to_ground < to_wall
    depth = np.minimum(np.minimum(to_ground, to_wall), np.float32(1e3))
    points = np.asarray(eye[:, None] + rays * depth, np.float32)
    flat = on_ground | scene.seamless
    if scene.seamless:
        points[2] = np.maximum(points[2], -2)
    normal = np.stack([np.zeros(len(flat), np.float32), flat.astype(np.float32), (~flat).astype(np.float32)])
    lit = shadows.lit(np.asarray(points + 0.01 * normal, np.float32), taps=16, bias=0.02)
    closed = np.where(on_ground, shadows.open(points), np.float32(1))
    if not scene.seamless:
        closed *= 1 - 0.3 * np.exp(-np.where(on_ground, points[2] + scene.behind, points[1]).clip(0) / np.float32(0.25))
    away = np.square(points[0] - 1.5 * light.towards[0]) + np.square(points[2] - light.towards[2])
    diffuse = np.clip(dot(normal, light.towards), 0.1, 1) * lit / (1 + np.float32(0.03) * away)

    part = _larger(on_ground.astype(np.float32).reshape(half), view.size)[..., None]
    image = np.square(wall + (ground - wall) * part)
    for channel in range(3):
        received = diffuse * light.key[channel] + closed * light.sky[channel]
        image[..., channel] *= _larger(received.astype(np.float32).reshape(half), view.size)
    return image, _larger(depth.reshape(half), view.size)


def stand_about(view: View, scene: Scene, rng: np.random.Generator) -> list[Sheet]:
    """The room's things around the product, none in front of it."""
    footprint = all_points(view.sheets)[:, [0, 2]]
    sheets: list[Sheet] = []
    for thing, radius in scene.clutter:
        angle = float(rng.uniform(-0.35, np.pi + 0.35))
        direction = np.array([np.cos(angle), -np.sin(angle)])
        reach = float((footprint @ direction).max()) + radius + float(rng.uniform(0.05, 0.8))
        x, z = (float(value) for value in direction * reach)
        turn = float(rng.uniform(-30, 30))
        if -scene.behind < z - radius and z + radius < view.camera.eye[2] - 1.0:
            sheets += moved(thing, rotation("y", turn), (x, 0.0, z))
    return sheets
