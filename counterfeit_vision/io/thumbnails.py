"""Pictures made small: for what looks at no more pixels, and as the JPEG that people are shown."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .._arrays import Pixels
from ..encoders.preprocess import resized

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["small_jpeg", "small_picture", "within"]

VIEW_SIDE = 320  # pixels on the long side of the small copy that people are shown


def within(pixels: Pixels, side: int) -> Pixels:
    """(h, w, 3) uint8 -> the same, made smaller where a side is longer than ``side``."""
    height, width = pixels.shape[:2]
    if (longest := max(height, width)) <= side:
        return pixels
    return resized(pixels, max(1, round(side * height / longest)), max(1, round(side * width / longest)))


def small_jpeg(pixels: Pixels, side: int = VIEW_SIDE, *, quality: int = 82) -> bytes:
    """(h, w, 3) uint8 RGB -> a JPEG of at most ``side`` pixels a side."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(within(pixels, side)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def small_picture(jpeg: bytes) -> PILImage:
    """The picture (RGB) of what :func:`small_jpeg` made."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return image.convert("RGB")
