"""The short cut: an undamaged colour JPEG, straight from libjpeg-turbo into an array."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
from typing import TYPE_CHECKING

import numpy as np

from .colour import srgb_of
from .orientation import Pixels, move_to_srgb, orientation_of, upright_array

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image as PILImage

__all__ = ["clean_jpeg"]

_SMALL, _LARGE = 32 << 20, 64 << 20  # bytes; what is larger than the first, malloc gives back and asks for each time
_rooms = threading.local()


@functools.cache
def _simplejpeg() -> ModuleType | None:
    """The wheel that holds libjpeg-turbo alone, where it is installed; without it Pillow decodes, slower."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("simplejpeg")
    return None


def clean_jpeg(data: bytes, image: PILImage, scale: int, *, reuse: bool = False) -> Pixels | None:
    """Upright pixels of a colour JPEG, 1/``scale`` of its size; ``None`` where its decoder has anything to remark. With
    ``reuse``, they may lie where the last ones of this thread did.

    Pillow then decides whether the file is damaged beyond use. Unlike other ways to libjpeg-turbo (OpenCV's,
    torchvision's), this one writes nothing to stderr and tells remarks from silence.
    """
    turbo = _simplejpeg()
    if turbo is None:
        return None
    width, height = -(-image.width // scale), -(-image.height // scale)
    least = {"min_width": width, "min_height": height} if scale > 1 else {}
    room = _room(width * height * 3) if reuse else None
    try:
        if turbo.decode_jpeg_header(data)[1::-1] != image.size:  # that size has passed the limits
            return None
        pixels: Pixels = turbo.decode_jpeg(data, "RGB", strict=True, buffer=room, **least)
    except ValueError:
        return None
    srgb = srgb_of(image)
    if srgb is not None:
        move_to_srgb(pixels, srgb)
    orientation = orientation_of(image)
    if orientation == 1:
        return pixels
    upright, stored = upright_array(pixels.shape[1], pixels.shape[0], orientation)
    stored[...] = pixels
    return upright


def _room(size: int) -> Pixels | None:
    """Where a large photo's pixels may go: memory that is in use already saves a page fault every 4 KiB, a tenth of the
    time of 12 megapixels. Kept for as long as the thread lives.
    """
    if not _SMALL < size <= _LARGE:
        return None
    room: Pixels | None = getattr(_rooms, "pixels", None)
    if room is None or room.size < size:
        room = _rooms.pixels = np.empty(size, np.uint8)
    return room
