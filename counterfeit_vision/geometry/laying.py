"""Laying a photo over a frame: a plane's map is the start, and a smooth warp takes up what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Floats, Matrix, Pixels
from .keypoints import grey_of
from .warp import Target, compared, warped_places

__all__ = [
    "Laid",
    "Pyramid",
    "corners_of",
    "desaturated",
    "enlarging",
    "framed",
    "inverse",
    "lay",
    "mapped",
    "places",
    "plane_of",
    "scaled",
    "to_grey",
    "usual_picture",
    "warped",
]

LARGEST = 32_767  # pixels on a side, from which on OpenCV samples no picture
AROUND = 0.2  # of the frame's long side: what a photo is looked at beyond the frame, for the warp to find
EVERY = 8  # pixels of a frame, whose places make a plane; four on its short side, at least
COLOURED = 6.0  # levels between red, green and blue, where a picture has most: in black and white they are the same
SMALLEST = 24  # pixels of the photo on a side of a square as large as the frame's image, less of which shows nothing


@dataclass(frozen=True, eq=False)
class Laid:
    """A photo over a frame (h, w). ``matrix`` (3, 3) takes x, y, 1 of the frame to the photo, as a plane would;
    ``warp`` (h, w, 2) float32 is the exact place of each of the frame's pixels; ``crop`` (h, w, 3) uint8 the photo in
    that frame; ``inside`` (h, w) bool where it shows the photo at all.
    """

    matrix: Matrix
    warp: Floats
    crop: Pixels
    inside: Bools

    @property
    def scale(self) -> float:
        """Pixels of the photo on a side of one of the frame's, in the mean."""
        height, width = self.inside.shape
        return float(np.sqrt(cv2.contourArea(mapped(self.matrix, corners_of(width, height))) / (height * width)))

    def lacks_colours(self, genuine: Pixels) -> bool:
        """Whether it is black and white where photos (n, h, w, 3) over the same frame all have colours."""
        return _colour(self.crop) < COLOURED <= min(map(_colour, genuine))


class Pyramid:
    """A photo (h, w, 3) and its copies of half the size, a quarter and so on, each made when it is first looked at."""

    def __init__(self, photo: Pixels) -> None:
        self._levels = [photo]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the photo."""
        return self._levels[0].shape

    def level(self, pixels: float) -> tuple[Pixels, Matrix]:
        """The copy of which a pixel of a frame is one to two on a side, where it is so many ``pixels`` of the photo
        itself; and the map from the copy to the photo.
        """
        level = max(int(np.log2(max(pixels, 1.0)) / 2), (max(self.shape[:2]) // LARGEST).bit_length())
        while len(self._levels) <= level:
            self._levels.append(scaled(self._levels[-1], 0.5))
        return self._levels[level], enlarging(0.5**level)


def lay(target: Target, pyramid: Pyramid, matrix: Matrix, *, enough: float, blurred: bool) -> Laid | None:
    """The photo laid over the target's frame, from a start that is a few pixels off, or, ``blurred``, some more; it is
    ``None`` where it would lie folded. ``enough``: see :func:`~counterfeit_vision.geometry.warp.warped_places`.
    """
    height, width = target.shape
    corners = mapped(matrix, corners_of(width, height))
    area = cv2.contourArea(corners, oriented=True)
    if not np.isfinite(corners).all() or area < SMALLEST**2 or not cv2.isContourConvex(corners):
        return None
    photo, up = pyramid.level(area / (height * width))
    matrix = inverse(up) @ matrix
    around = round(AROUND * max(target.shape))
    wide = places(
        matrix @ np.array([[1, 0, -around], [0, 1, -around], [0, 0, 1.0]]), (height + 2 * around, width + 2 * around)
    )
    seen, shown = _grey_at(photo, wide), _inside(wide, photo)
    warp = mapped(matrix, warped_places(target, seen, shown, around, enough=enough, blurred=blurred))
    warp = warp.reshape(height, width, 2)
    crop, inside = warped(photo, warp), _inside(warp, photo)
    return Laid(up @ matrix, mapped(up, warp.reshape(-1, 2)).reshape(warp.shape), crop, inside)


def _colour(picture: Pixels) -> float:
    few = picture[::4, ::4]
    return float(np.quantile(few.max(axis=2) - few.min(axis=2), 0.99))


def framed(photo: Pixels, matrix: Matrix, shape: tuple[int, int]) -> Pixels:
    """(h, w, 3): what a photo shows over a frame of that ``shape``, which the ``matrix`` takes to it."""
    height, width = shape
    corners = mapped(matrix, corners_of(width, height))
    copy, up = Pyramid(photo).level(cv2.contourArea(corners) / (height * width))
    return warped(copy, places(inverse(up) @ matrix, shape))


def scaled(picture: NDArray[Any], share: float) -> NDArray[Any]:
    """A copy that is ``share`` as large; of a very thin picture no side is lost."""
    height, width = picture.shape[:2]
    fx, fy = max(share, 1 / width), max(share, 1 / height)
    return np.asarray(cv2.resize(picture, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA))


def to_grey(pixels: Pixels | Floats) -> Floats:
    """(h, w) of colours (h, w, 3)."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def desaturated(colours: Floats | Doubles, times: float) -> Floats:
    """Colours (..., 3) of 0..255 that are so many ``times`` less saturated, and as light."""
    grey = to_grey(np.asarray(colours, np.float32))[..., None]
    return np.asarray(grey + (colours - grey) / times, np.float32)


def usual_picture(crops: Pixels, *, relief: bool) -> Floats:
    """(h, w) what photos of n ``crops`` (n, h, w, 3) are compared with: their median in grey, or that of a relief's
    edges.
    """
    if not relief:
        return to_grey(np.asarray(np.median(crops, axis=0), np.float32))
    return np.asarray(np.median([compared(to_grey(crop), relief=True) for crop in crops], axis=0), np.float32)


def enlarging(share: float) -> Matrix:
    """From pixels of a copy, ``share`` as large, to the photo's own: centres of pixels count."""
    shift = (1 / share - 1) / 2
    return np.array([[1 / share, 0, shift], [0, 1 / share, shift], [0, 0, 1.0]])


def inverse(matrix: Matrix) -> Matrix:
    """The map (3, 3) back."""
    return np.asarray(np.linalg.inv(matrix), np.float64)


def corners_of(width: float, height: float) -> Floats:
    """(4, 2) of a picture, clockwise from the top left."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def mapped(matrix: Matrix, points: NDArray[np.floating]) -> Floats:
    """Where a map takes points (n, 2)."""
    return np.asarray(cv2.perspectiveTransform(points[None], matrix)[0] if len(points) else points, np.float32)


def places(matrix: Matrix, shape: tuple[int, int]) -> Floats:
    """(h, w, 2): where a map takes the pixels of a frame of that ``shape``."""
    grid = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return np.asarray(cv2.perspectiveTransform(np.dstack(grid), matrix), np.float32)


def plane_of(warp: Floats, part: tuple[int, int, int, int] | None = None) -> Matrix:
    """The homography (3, 3) that a warp (h, w, 2) is like, or the ``part`` x0 y0 x1 y1 of it, by least squares."""
    x0, y0, x1, y1 = (0, 0, warp.shape[1], warp.shape[0]) if part is None else part
    every = max(1, min(EVERY, (x1 - x0) // 4, (y1 - y0) // 4))
    y, x = np.mgrid[y0:y1:every, x0:x1:every]
    here, there = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32), warp[y, x].reshape(-1, 2)
    plane, _ = cv2.findHomography(here, there)
    return np.asarray(np.eye(3) if plane is None else plane, np.float64)


def warped(photo: Pixels, warp: Floats) -> Pixels:
    """(h, w, 3), or grey (h, w): what a photo shows at the places of a ``warp`` (h, w, 2)."""
    return np.asarray(cv2.remap(photo, warp, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _grey_at(photo: Pixels, warp: Floats) -> Floats:
    """(h, w): the same in grey, in half the time."""
    return warped(grey_of(photo), warp).astype(np.float32)


def _inside(warp: Floats, photo: NDArray[np.generic]) -> Bools:
    x, y = warp[..., 0], warp[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= photo.shape[1] - 1) & (y <= photo.shape[0] - 1))
