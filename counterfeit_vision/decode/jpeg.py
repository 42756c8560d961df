"""The short cut: an undamaged colour JPEG, straight from libjpeg-turbo into an array."""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import TYPE_CHECKING

from .upright import Pixels, orientation_of, upright_array

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image as PILImage

__all__ = ["clean_jpeg"]


@functools.cache
def _simplejpeg() -> ModuleType | None:
    """The wheel that holds libjpeg-turbo alone, where it is installed; without it Pillow decodes, slower."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("simplejpeg")
    return None


def clean_jpeg(data: bytes, image: PILImage, scale: int) -> Pixels | None:
    """Upright pixels of a colour JPEG, 1/``scale`` of its size; ``None`` where its decoder has anything to remark.

    Pillow then decides whether the file is damaged beyond use. Unlike other ways to libjpeg-turbo (OpenCV's,
    torchvision's), this one writes nothing to stderr and tells remarks from silence.
    """
    turbo = _simplejpeg()
    if turbo is None:
        return None
    least = {"min_width": -(-image.width // scale), "min_height": -(-image.height // scale)} if scale > 1 else {}
    try:
        if turbo.decode_jpeg_header(data)[1::-1] != image.size:  # that size has passed the limits
            return None
        pixels: Pixels = turbo.decode_jpeg(data, "RGB", strict=True, **least)
    except ValueError:
        return None
    orientation = orientation_of(image)
    if orientation == 1:
        return pixels
    upright, stored = upright_array(pixels.shape[1], pixels.shape[0], orientation)
    stored[...] = pixels
    return upright
