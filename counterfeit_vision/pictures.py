"""Pictures inside a page: a photo as a data URI, its thumbnail, a heat map to lay over it, a box in percent.

Everything ends up as text that needs no second file and no network. Same input, same bytes.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from .types import Region

__all__ = ["aspect", "box_style", "data_uri", "heat_overlay", "thumbnail"]

HEAT_FROM = 0.5
"""Share of the alarm level below which nothing is drawn, so that ordinary photos stay untouched."""

_HEAT_LEVELS = (HEAT_FROM, 0.75, 1.0, 1.5)
_HEAT_RGBA = ((255, 214, 92, 0), (253, 164, 58, 96), (232, 89, 36, 158), (158, 16, 46, 196))
"""Warm, and darker with every step: the order survives a grey print and colour blindness."""


def data_uri(jpeg: bytes) -> str:
    """A JPEG as ``data:image/jpeg;base64,...``; the alphabet holds no character that means something in HTML.

    >>> data_uri(b"jpeg")
    'data:image/jpeg;base64,anBlZw=='
    """
    return _uri("jpeg", jpeg)


def thumbnail(jpeg: bytes, side: int = 96) -> str:
    """A JPEG as a data URI, shrunk to at most ``side`` pixels a side; unchanged where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as photo:
            photo.thumbnail((side, side))
            return _encode(photo.convert("RGB"), "jpeg", quality=80)
    except (OSError, SyntaxError, ValueError):
        return data_uri(jpeg)


def heat_overlay(heatmap: NDArray[np.float32], size: tuple[int, int], side: int = 160) -> str | None:
    """A see-through PNG to be stretched over the photo, as a data URI; ``None`` where nothing is worth drawing.

    ``heatmap`` (h, w) covers the whole upright photo, 0 = as usual, 1 = the alarm level; ``size`` is the photo's
    (width, height) in pixels, ``side`` the longest side of the PNG. Colour and opacity grow from :data:`HEAT_FROM` to
    1.5 times the alarm level, and stay there.

    >>> heat_overlay(np.full((7, 7), 0.4, np.float32), (640, 480)) is None
    True
    """
    from PIL import Image

    heat = np.nan_to_num(np.asarray(heatmap, np.float32), posinf=2.0, neginf=0.0)
    if heat.max(initial=0.0) <= HEAT_FROM:
        return None
    scale = side / max(size)
    target = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    smooth = np.asarray(Image.fromarray(heat).resize(target, Image.Resampling.BILINEAR))
    channels = [np.interp(smooth, _HEAT_LEVELS, levels) for levels in zip(*_HEAT_RGBA, strict=True)]
    pixels = np.stack(channels, axis=-1).round().astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return _encode(Image.fromarray(pixels), "png", optimize=True)


def box_style(region: Region, size: tuple[int, int]) -> str:
    """Where the box lies on its photo, as CSS in percent of the photo's ``size`` (width, height), cut at its edges.

    >>> from counterfeit_vision.types import Region
    >>> box_style(Region(64, -10, 320, 120), (640, 480))
    'left:10.00%;top:0.00%;width:40.00%;height:25.00%'
    """
    width, height = size
    left, right = (100 * min(max(x / width, 0.0), 1.0) for x in (region.x0, region.x1))
    top, bottom = (100 * min(max(y / height, 0.0), 1.0) for y in (region.y0, region.y1))
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"


def aspect(size: tuple[int, int]) -> str:
    """Width over height for CSS, within 1:5 and 5:1, so that a banner cannot push the page apart.

    >>> aspect((640, 480)), aspect((9000, 10))
    ('1.3333', '5.0000')
    """
    return f"{min(max(size[0] / size[1], 0.2), 5.0):.4f}"


def _encode(picture: Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return _uri(kind, buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
