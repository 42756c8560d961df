"""A photo in any accepted form -> upright RGB pixels, or one :class:`~counterfeit_vision.errors.DecodeError`.

Pillow decodes. Which files it may touch is decided here, how much they may cost in ``limits.py``, what the odd ones
mean in ``orientation.py``; ``quiet.py`` keeps it quiet. The one short cut is for the commonest file, an undamaged JPEG
in colour: libjpeg-turbo, which Pillow is built on, too, then writes its pixels straight into an array
(:func:`clean_jpeg`), bit for bit the same and in half the time.

- **Orientation**: the EXIF orientation is applied, so pixels are as a person sees the photo.
- **Transparency** (alpha channel, transparent colour, palette with alpha): composited over white.
- **Grey of more than 8 bits** (``I;16`` in any byte order, ``I``): 0..65535 is scaled to 0..255 and rounded, never
  clipped. Floats (``F``) are read as 0..1, 0..255 or 0..65535, the first range that holds them all. What fits no range
  is stretched from its own minimum and maximum; a value that is not a number is black.
- **Everything else** (CMYK, YCCK, palette, 1-bit, LAB, HSV, YCbCr): Pillow's own conversion to RGB.
- **Colour spaces** (Display P3 of phones, Adobe RGB of cameras, a press's CMYK): an embedded ICC profile is followed to
  sRGB, as browsers do, for claims compare colours (``colour.py``). Without one, pixels are taken for sRGB.
- **Animations and multi-page files**: the first frame.

What a file may cost is bounded by :class:`Limits`, before its pixels are touched wherever the format allows, and so is
what its metadata may cost. Pillow's global settings are left as they are. Two things are silenced for good, because on
damaged files they write to stderr: libtiff's error printer (its errors still arrive, as ``DecodeError``), and the
last-resort handler of the ``PIL`` logger (handlers that an application installs still get every record). Pillow's
warnings are dropped, and what it unpacks of metadata is counted, only while a photo is decoded, in the thread that
decodes it; Python's filters of warnings are not touched.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .jpeg import clean_jpeg
from .limits import DEFAULT_LIMITS, Limits, Metered, check_cost, check_pixels
from .orientation import Pixels, orientation_of, shrunk_extent, upright_rgb
from .quiet import pil, pillow_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image as PILImage

    from ..types import Photo

__all__ = ["DEFAULT_LIMITS", "Decoded", "Limits", "decode", "photo_name", "read_bytes"]

_turns = [threading.Lock() for _ in range(61)]


@dataclass(frozen=True, eq=False)
class Decoded:
    """An upright photo.

    - ``pixels`` (H, W, 3) uint8, RGB, C-contiguous. Given as such an array, it is that same array, not a copy.
    - ``size`` width and height of the photo, upright; larger than ``pixels`` where the decoder was let shrink it.
    - ``extent`` where the photo lies in ``pixels``, ``x0 y0 x1 y1``, if not in all of them: where a side does not
      divide by what it was shrunk by, the last pixel of the stored frame sticks out.
    - ``sha256`` hex: of the file's bytes; for arrays and PIL images, of their size and upright RGB pixels.
    - ``format``: Pillow's name (``"JPEG"``, ``"MPO"``, ...); ``"array"``, ``"PIL"`` for an image that was never a file.
    """

    pixels: Pixels
    size: tuple[int, int]
    sha256: str
    format: str
    extent: tuple[float, float, float, float] | None = None


def decode(
    photo: Photo,
    *,
    limits: Limits = DEFAULT_LIMITS,
    name: str | None = None,
    shrink: Callable[[int, int], int] | None = None,
    sha256: str | None = None,
    reuse: bool = False,
) -> Decoded:
    """Upright RGB pixels of a path, bytes, PIL image or uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    ``name`` stands for the photo in error messages; without it, its path. ``shrink`` says by how much (1, 2, 4 or 8) a
    colour JPEG of this width and height may come smaller, which is quicker, for its decoder then leaves the fine waves
    out; other photos always come whole. ``sha256`` is that of the file's bytes, for those who know it. ``reuse`` is
    for those who are done with the pixels before they decode the next photo in the same thread: large ones may then
    take its place. A PIL image is not modified (a lazily opened one is loaded). Safe to call from many threads at once.

    Raises ``DecodeError``, and nothing else, whatever the photo holds.
    """
    source = name or photo_name(photo, "photo")
    try:
        if isinstance(photo, np.ndarray):
            return _from_array(photo, source, limits)
        if isinstance(photo, pil().Image):
            return _from_image(photo, source, limits)
        data = read_bytes(photo, limits=limits, name=source)
        return _from_file(data, source, limits, shrink, sha256, reuse)
    except MemoryError as error:
        raise DecodeError(source, "not enough memory for its pixels") from error


def photo_name(photo: object, fallback: str) -> str:
    """What to call a photo in a message: its path, or ``fallback`` ("photo 3") where it has none.

    >>> photo_name("shoes/left.jpg", "photo 3"), photo_name(b"...", "photo 3")
    ('shoes/left.jpg', 'photo 3')
    """
    path = photo if isinstance(photo, str | os.PathLike) else getattr(photo, "filename", None)
    return os.fsdecode(path) if path and isinstance(path, str | bytes | os.PathLike) else fallback


def read_bytes(photo: Photo, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> bytes:
    """The file's bytes of a path or of bytes: not empty, at most ``limits.file_bytes``. Raises ``DecodeError``."""
    source = name or photo_name(photo, "photo")
    if isinstance(photo, bytes | bytearray | memoryview):
        data = bytes(photo)
    elif isinstance(photo, str | os.PathLike):
        data = _read_file(photo, source, limits)
    else:
        raise DecodeError(source, f"need a path, bytes, PIL image or uint8 array, got {type(photo).__name__}")
    if not data:
        raise DecodeError(source, "empty: 0 bytes")
    if len(data) > limits.file_bytes:
        raise DecodeError(source, "the file is too large", f"{limits.file_bytes:,} bytes")
    return data


def _read_file(path: str | os.PathLike[str], source: str, limits: Limits) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe or a device could wait for ever
            raise DecodeError(source, "is a folder" if os.path.isdir(path) else "is not a regular file")
        with open(path, "rb", opener=_open_at_once) as file:  # and another may have come into its place
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DecodeError(source, "is not a regular file")
            return file.read(limits.file_bytes + 1) or b""  # None: /proc has files that wait as a pipe does
    except (OSError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        name, hint = os.fsdecode(path), ""
        if re.search(r"\bhttps?:[/\\]", name):
            hint = "; download the photo, and name its file"
        elif re.search(r"\.[a-zA-Z]{3,4}\s*[;,]", name):
            hint = "; several photos of a listing: a.jpg|b.jpg"
        raise DecodeError(source, f"cannot be read: {reason}{hint}") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _from_file(
    data: bytes,
    source: str,
    limits: Limits,
    shrink: Callable[[int, int], int] | None,
    sha256: str | None,
    reuse: bool,
) -> Decoded:
    with pillow_errors(source, limits, data):
        image = pil().open(Metered(data, limits.seconds), formats=limits.formats)
    with image:
        with pillow_errors(source, limits):
            check_cost(image, data, source, limits)
        width, height = image.size
        scale, pixels = 1, None
        if image.format == "JPEG" and image.mode == "RGB":
            scale = shrink(width, height) if shrink else 1
            pixels = clean_jpeg(data, image, scale, reuse=reuse)
            if pixels is None and scale > 1:
                image.draft("RGB", (width // scale, height // scale))
        if pixels is None:
            pixels = upright_rgb(image, source, limits)
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        if scale == 1:  # a format's own load() may have turned the image
            return _whole(pixels, sha256, image.format)
        orientation = orientation_of(image)
        if orientation >= 5:
            width, height = height, width
        extent = shrunk_extent(pixels, width / scale, height / scale, orientation)
        return Decoded(pixels, (width, height), sha256, image.format, extent)


def _whole(pixels: Pixels, sha256: str, format: str) -> Decoded:
    height, width = pixels.shape[:2]
    return Decoded(pixels, (width, height), sha256, format)


def _from_array(array: NDArray[Any], source: str, limits: Limits) -> Decoded:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise DecodeError(
            source,
            f"need a uint8 array (height, width[, 1 | 3 | 4]) that is not empty, got {array.dtype} {array.shape}",
        )
    check_pixels(array.shape[1], array.shape[0], source, limits)
    if channels == 4:
        pixels = upright_rgb(pil().fromarray(array), source, limits)
    else:
        height, width = array.shape[:2]
        rgb = array if channels == 3 else np.broadcast_to(array.reshape(height, width, 1), (height, width, 3))
        pixels = np.ascontiguousarray(rgb)
    return _whole(pixels, _pixel_hash(pixels), "array")


def _from_image(image: PILImage, source: str, limits: Limits) -> Decoded:
    if 0 in image.size:
        raise DecodeError(source, f"empty: {image.width} x {image.height} pixels")
    check_pixels(*image.size, source, limits)
    with _turns[id(image) % len(_turns)]:  # one image may be given many times, and Pillow loads it in one thread only
        if getattr(image, "tile", None) and getattr(image, "fp", None) is None:
            raise DecodeError(source, "its file was closed before it was read; call image.load() first")
        pixels = upright_rgb(image, source, limits)
    return _whole(pixels, _pixel_hash(pixels), image.format or "PIL")


def _pixel_hash(pixels: Pixels) -> str:
    digest = hashlib.sha256(f"RGB {pixels.shape[0]} {pixels.shape[1]}\n".encode())
    digest.update(pixels.data)
    return digest.hexdigest()
