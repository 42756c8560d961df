"""Upright RGB pixels of any size -> the encoder's square, and back from its patches to the photo.

One definition, two implementations: :meth:`Preprocess.reference` resizes with Pillow's antialiased bicubic filter, and
``Preprocess(...)(pixels)`` with torch's uint8 kernel of the same filter, in about an eighth of the time. The two stay
within 2 grey levels everywhere, within 1 on 99.9 % of noise, and on photos differ by 0.003 levels on average.

Before that, a JPEG's decoder may leave out the waves that the square is too coarse to show (``decode="fast"``), as long
as at least :data:`OVERSAMPLING` pixels a side are left for each of the square's. On 12 sheets of real photos, 1.6
megapixels, CLIP B/16's vectors then keep a mean cosine of 0.9995 to those of the exact square, 0.9987 at the least
(benchmarks/encode.py); with the 1.0 of most thumbnailers it is 0.99. Fine texture is the most sensitive: crops of two
sharp landscapes keep 0.998 at the least with 3 to 4 x, for even the rounding shows, and 0.996 with 2.5. Halves,
quarters and eighths are means of pixels; libjpeg-turbo's scales between them are neither quicker nor closer.

The filter runs along one axis, rounds to 8 bits, and runs along the other. The order shows where it clips, so it is
part of the definition: Pillow 13's, spelled out in :func:`_vertical_first` so that no version of a library decides it.

Normalisation (mean, standard deviation) is the encoder's, on the device. Where the photo lies in the square is its
*content box* ``x0 y0 x1 y1``, in fractions of the square's side. Padding leaves a box inside the square; a crop gives
one that reaches beyond it, because parts of the photo are outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Floats, Pixels
from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Resize: TypeAlias = Callable[["Pixels", int, int, "Extent | None"], "Pixels"]

__all__ = ["Preprocess", "patch_mask", "patches_on_photo", "resized", "to_photo", "to_square", "unpad"]

Extent: TypeAlias = tuple[float, float, float, float]

OVERSAMPLING = 3.0
_LONGEST = 16  # a crop of a photo longer than 16:1 starts from its middle 16:1: the whole could be resized to gigabytes


@dataclass(frozen=True)
class Preprocess:
    """From a photo to a square of ``size`` pixels.

    ``fit``:

    - ``"pad"``: the whole photo, aspect kept, centred; the rest is ``fill`` (R, G, B; default: near CLIP's mean).
    - ``"squash"``: the whole photo, aspect ignored.
    - ``"crop"``: the short side is resized to ``size`` and the middle kept, pixel for pixel as open_clip's evaluation
      transform does. It cuts 29 % of a 1.4:1 photo.

    ``decode``: ``"exact"`` reads all of the photo's pixels; ``"fast"`` lets large JPEGs come smaller.

    >>> square, content = Preprocess(size=8)(np.zeros((10, 20, 3), np.uint8))
    >>> square.shape, content.tolist()
    ((8, 8, 3), [0.0, 0.25, 1.0, 0.75])
    """

    size: int
    fit: Literal["pad", "squash", "crop"] = "pad"
    fill: tuple[int, int, int] = (124, 116, 104)
    decode: Literal["exact", "fast"] = "exact"

    def __post_init__(self) -> None:
        if self.fit not in ("pad", "squash", "crop"):
            raise InputError(f"Preprocess(fit={self.fit!r}): the fits are 'pad', 'squash' and 'crop'")
        if self.decode not in ("exact", "fast"):
            raise InputError(f"Preprocess(decode={self.decode!r}): the choices are 'exact' and 'fast'")
        if not isinstance(self.size, int) or self.size < 1:
            raise InputError(f"Preprocess(size={self.size!r}): need a whole number of pixels, 1 or more")
        object.__setattr__(self, "fill", tuple(self.fill))
        if len(self.fill) != 3 or not all(isinstance(level, int) and 0 <= level <= 255 for level in self.fill):
            raise InputError(f"Preprocess(fill={self.fill!r}): need three whole numbers 0..255, R, G, B")

    def spec(self) -> dict[str, Any]:
        """What decides the square's pixels, in plain JSON values: goes into the encoder's fingerprint."""
        fill = {"fill": list(self.fill)} if self.fit == "pad" else {}
        fast = {"decode": f"jpeg / 2, 4, 8, {OVERSAMPLING} x oversampled, to scale"} if self.decode == "fast" else {}
        resize = "bicubic, antialiased, uint8, pillow 13's order"
        return {"size": self.size, "fit": self.fit, **fill, **fast, "resize": resize, "colours": "sRGB, by ICC profile"}

    def shrink(self, width: int, height: int) -> int:
        """By how much a JPEG of this size may be decoded smaller: 1, 2, 4 or 8. For
        :func:`~counterfeit_vision.io.decode.decode`.

        >>> Preprocess(224).shrink(4000, 3000), Preprocess(224, decode="fast").shrink(4000, 3000)
        (1, 4)
        """
        if self.decode == "exact":
            return 1
        side = max(width, height) if self.fit == "pad" else min(width, height)  # the one that becomes ``size``
        return next((scale for scale in (8, 4, 2) if side >= scale * OVERSAMPLING * self.size), 1)

    def __call__(self, pixels: Pixels, extent: Extent | None = None) -> tuple[Pixels, Floats]:
        """(H, W, 3) uint8 RGB -> (size, size, 3) uint8 RGB, C-contiguous, and the content box (4,) float32.

        ``extent`` is that of :class:`~counterfeit_vision.io.decode.Decoded`: where the photo lies in ``pixels``, if
        not in all of them. Raises ``InputError`` for another shape or dtype.
        """
        return self._fit(pixels, extent, resized)

    def reference(self, pixels: Pixels, extent: Extent | None = None) -> tuple[Pixels, Floats]:
        """The same with Pillow's resize: the definition that ``__call__`` is tested against."""
        return self._fit(pixels, extent, _pillow)

    def _fit(self, pixels: Pixels, extent: Extent | None, resize: Resize) -> tuple[Pixels, Floats]:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise InputError(f"need uint8 pixels (height, width, 3), not empty; got {pixels.dtype} {pixels.shape}")
        size = self.size
        if self.fit == "squash":
            return resize(pixels, size, size, extent), np.array([0, 0, 1, 1], np.float32)
        if self.fit == "crop":
            return self._crop(pixels, extent, resize)
        height, width = _sides(pixels, extent)
        rows = max(1, round(size * height / max(height, width)))
        columns = max(1, round(size * width / max(height, width)))
        top, left = (size - rows) // 2, (size - columns) // 2
        square = np.empty((size, size, 3), np.uint8)
        square.reshape(size, 3 * size)[:] = np.tile(np.array(self.fill, np.uint8), size)  # by rows: 20 times as quick
        square[top : top + rows, left : left + columns] = resize(pixels, rows, columns, extent)
        return square, (np.array([left, top, left + columns, top + rows]) / size).astype(np.float32)

    def _crop(self, pixels: Pixels, extent: Extent | None, resize: Resize) -> tuple[Pixels, Floats]:
        height, width = _sides(pixels, extent)
        longest = _LONGEST * max(1, int(min(height, width)))
        y, x = max(0, int(height) - longest) // 2, max(0, int(width) - longest) // 2
        if max(height, width) > longest:
            pixels, extent = pixels[y : y + longest, x : x + longest], None
        middle = _sides(pixels, extent)
        rows, columns = (int(self.size * side / min(middle)) for side in middle)
        top, left = round((rows - self.size) / 2), round((columns - self.size) / 2)
        square = resize(pixels, rows, columns, extent)[top : top + self.size, left : left + self.size]
        down, right = rows / middle[0], columns / middle[1]  # pixels of the square per pixel of the photo
        x0, y0 = -left - x * right, -top - y * down
        content = np.array([x0, y0, x0 + width * right, y0 + height * down]) / self.size
        return np.ascontiguousarray(square), content.astype(np.float32)


def _sides(pixels: Pixels, extent: Extent | None) -> tuple[float, float]:
    """Height and width of the photo in ``pixels``."""
    return pixels.shape[:2] if extent is None else (extent[3] - extent[1], extent[2] - extent[0])


def _vertical_first(height: float, width: float, rows: int, columns: int) -> bool:
    return height > rows and height - rows > 2 * (width - columns)


def _pillow(pixels: Pixels, rows: int, columns: int, extent: Extent | None = None) -> Pixels:
    from PIL import Image

    x0, y0, x1, y1 = extent or (0, 0, pixels.shape[1], pixels.shape[0])
    image, bicubic = Image.fromarray(pixels), Image.Resampling.BICUBIC
    if _vertical_first(y1 - y0, x1 - x0, rows, columns):
        image = image.resize((image.width, rows), bicubic, (0, y0, image.width, y1))
        image = image.resize((columns, rows), bicubic, (x0, 0, x1, rows))
    else:
        image = image.resize((columns, image.height), bicubic, (x0, 0, x1, image.height))
        image = image.resize((columns, rows), bicubic, (0, y0, columns, y1))
    return np.array(image)


def resized(pixels: Pixels, rows: int, columns: int, extent: Extent | None = None) -> Pixels:
    """(H, W, 3) uint8 -> (rows, columns, 3) uint8, C-contiguous: bicubic, antialiased.

    ``extent`` is where the photo lies in ``pixels``, ``x0 y0 x1 y1``, if not in all of them: less than one pixel of
    each side may stick out, and the photo must be larger than the result.
    """
    import torch

    height, width = _sides(pixels, extent)
    right, bottom = (extent[0] > 0, extent[1] > 0) if extent else (False, False)
    if right or bottom:  # torch measures from the first pixel's edge
        pixels = pixels[:: -1 if bottom else 1, :: -1 if right else 1]
    # The channels-last view as it is: a copy in NCHW order would cost more than the resize. The batch is added before
    # the axes are turned, for its stride says to torch which order the result shall have.
    image = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))[None].permute(0, 3, 1, 2)
    if _vertical_first(height, width, rows, columns):  # in one call, torch goes horizontally first
        image = _interpolated(image, rows, image.shape[3], height, image.shape[3])
        height = rows
    square = _interpolated(image, rows, columns, height, width)[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(square[:: -1 if bottom else 1, :: -1 if right else 1])


def _interpolated(image: Tensor, rows: int, columns: int, height: float, width: float) -> Tensor:
    """The first ``height`` x ``width`` of the image's pixels as ``rows`` x ``columns``."""
    from torch.nn.functional import interpolate

    if (height, width) == image.shape[2:]:
        return interpolate(image, (rows, columns), mode="bicubic", antialias=True)
    # torch rounds the size that comes of a scale down: what sticks out is too little for another row, and the factor
    # is more than float64 could round away.
    scales = tuple(
        (1 + 1e-12) * (new / length if new < length else new / whole)
        for new, length, whole in ((rows, height, image.shape[2]), (columns, width, image.shape[3]))
    )
    return interpolate(image, scale_factor=scales, mode="bicubic", antialias=True, recompute_scale_factor=False)


def to_square(content: Floats, box: NDArray[Any]) -> Floats:
    """Boxes (..., 4) ``x0 y0 x1 y1`` in fractions of the photo -> in fractions of the square, float32.

    ``content`` (4,) is the content box. Divide a box in pixels by the photo's width and height first.
    """
    origin, scale = np.tile(content[:2], 2), np.tile(content[2:] - content[:2], 2)
    return np.asarray(box * scale + origin, np.float32)


def to_photo(content: Floats, box: NDArray[Any]) -> Floats:
    """Boxes on the square -> on the photo, both in fractions: the inverse of :func:`to_square`. Not clipped to 0..1."""
    origin, scale = np.tile(content[:2], 2), np.tile(content[2:] - content[:2], 2)
    return np.asarray((box - origin) / scale, np.float32)


def patch_mask(content: Floats, grid: tuple[int, int]) -> Floats:
    """How much of each patch lies on the photo: ``grid`` (h, w) -> (h, w) float32, 0 (padding) .. 1 (photo only).

    Any box in fractions of the square will do: ``patch_mask(to_square(content, box), grid)`` is the patches under it.
    """
    rows, columns = grid
    x0, y0, x1, y1 = (float(value) for value in content)
    return np.outer(_overlap(y0, y1, rows), _overlap(x0, x1, columns)).astype(np.float32)


def patches_on_photo(content: Floats, grid: tuple[int, int]) -> Bools:
    """(h * w,) which patches lie on the photo, by half at least."""
    return np.asarray(patch_mask(content, grid).ravel() >= 0.5)


def _overlap(start: float, end: float, cells: int) -> Doubles:
    edges = np.clip(np.arange(cells + 1), start * cells, end * cells)
    return np.diff(edges)


def unpad(patches: NDArray[Any], content: Floats, long_side: int = 32) -> Floats:
    """A map over the square's patches -> a map over the whole upright photo, ready to be laid over it.

    ``patches`` (h, w), any real dtype; ``content`` (4,) the content box. Returns (rows, columns) float32 with
    ``long_side`` cells on the longer side of the content box (so a squashed photo gives a square map), at least one on
    the other. Values are interpolated bilinearly between the centres of patches that touch the photo: padding has no
    say. Where the square shows nothing of the photo (outside a crop) the map is 0.
    """
    x0, y0, x1, y1 = (float(value) for value in content)
    longest = max(x1 - x0, y1 - y0)
    rows, columns = (max(1, round(long_side * side / longest)) for side in (y1 - y0, x1 - x0))
    vertical, horizontal = _weights(y0, y1, patches.shape[0], rows), _weights(x0, x1, patches.shape[1], columns)
    return np.asarray(vertical @ patches.astype(np.float64) @ horizontal.T, np.float32)


def _weights(start: float, end: float, patches: int, cells: int) -> Doubles:
    """(cells, patches): each cell of the photo as a mix of two patches; zeros where the square does not reach."""
    centres = start + (np.arange(cells) + 0.5) / cells * (end - start)
    first, last = max(0, math.floor(start * patches)), min(patches, math.ceil(end * patches)) - 1
    position = np.clip(centres * patches - 0.5, first, last)
    weights: Doubles = np.maximum(0, 1 - np.abs(position[:, np.newaxis] - np.arange(patches)))
    weights[(centres < 0) | (centres > 1)] = 0
    return weights
