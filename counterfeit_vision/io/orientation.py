"""A Pillow image -> upright RGB pixels, a strip at a time: what the odd modes mean is decided here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import Pixels
from .colour import srgb_of
from .limits import Limits
from .quiet import muted, pil, pillow_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.Image import Image as PILImage

__all__ = ["Pixels", "move_to_srgb", "orientation_of", "shrunk_extent", "upright_array", "upright_rgb"]

STRIP = 4_000_000  # pixels converted at a time: bounds what the intermediate images need

# How the stored frame lies in the upright one, by EXIF orientation: views, so nothing is copied twice.
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}
MIRRORED, FLIPPED = (2, 3, 6, 7), (3, 4, 7, 8)  # orientations whose stored frame begins at the right, at the bottom


def upright_rgb(image: PILImage, source: str, limits: Limits) -> Pixels:
    """Load, convert and turn: (H, W, 3) uint8. The image itself is not converted."""
    with pillow_errors(source, limits):
        transparent = _transparent_value(image)
        image.load()
    grey_range, srgb = _grey_range(image), srgb_of(image)
    upright, stored = upright_array(*image.size, orientation_of(image))
    for top, strip in _strips(image):
        if grey_range is None:
            with pillow_errors(source, limits):
                part = _rgb(strip, transparent, srgb)
        else:
            part = _grey(strip, grey_range, transparent)
        stored[top : top + strip.height] = part
    return upright


def upright_array(width: int, height: int, orientation: int) -> tuple[Pixels, Pixels]:
    """An array for the upright photo, and the view of it that the stored ``height`` x ``width`` frame fills."""
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    return upright, STORED[orientation](upright) if orientation in STORED else upright


def shrunk_extent(
    upright: Pixels, width: float, height: float, orientation: int
) -> tuple[float, float, float, float] | None:
    """Where a photo of ``width`` x ``height`` lies in its upright pixels, if not in all of them: the rest of the last
    pixel sticks out at the end of the stored frame.
    """
    if (height, width) == upright.shape[:2]:
        return None
    x = upright.shape[1] - width if orientation in MIRRORED else 0
    y = upright.shape[0] - height if orientation in FLIPPED else 0
    return x, y, x + width, y + height


def move_to_srgb(pixels: Pixels, srgb: Callable[[PILImage], PILImage]) -> None:
    """In place, a strip at a time."""
    rows = max(1, STRIP // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        strip = pixels[top : top + rows]
        strip[...] = np.asarray(srgb(pil().fromarray(strip)))


def orientation_of(image: PILImage) -> int:
    """The EXIF orientation, 1..8; 1 where there is none or it is damaged, which leaves the pixels good."""
    with contextlib.suppress(Exception), muted():
        orientation = image.getexif().get(0x0112, 1)
        return int(orientation) if orientation in STORED else 1
    return 1


def _strips(image: PILImage) -> Iterator[tuple[int, PILImage]]:
    """Top row and copy of each full-width strip; the image itself where it is one strip that ``_rgb`` only reads."""
    rows = max(1, STRIP // image.width)
    if rows >= image.height and not image.has_transparency_data:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _transparent_value(image: PILImage) -> Any:
    """The transparent colour in the units of the loaded pixels; ``None`` where there is none. Call before loading.

    Pillow keeps the colour in the bit depth of a PNG file, but widens or narrows its pixels to 8 bits.
    """
    value = image.info.get("transparency")
    depth = next((tile[3] for tile in getattr(image, "tile", ())), None)
    if depth in ("L;2", "L;4") and isinstance(value, int):
        return value * (85 if depth == "L;2" else 17)
    if depth == "RGB;16B" and isinstance(value, tuple):
        return tuple(level >> 8 for level in value)
    return value


def _rgb(strip: PILImage, transparent: Any, srgb: Callable[[PILImage], PILImage] | None) -> Pixels:
    if strip.has_transparency_data:
        if transparent is not None:
            strip.info["transparency"] = transparent
        over = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
        strip = pil().new("RGBA", strip.size, "white")
        strip.alpha_composite(over)
    if srgb is not None:
        strip = srgb(strip)
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))


def _grey_range(image: PILImage) -> tuple[float, float] | None:
    """What becomes black and what becomes white, for grey of more than 8 bits; ``None`` for other modes."""
    if image.mode.startswith("I;16"):
        return 0, 65535
    if image.mode not in ("I", "F"):
        return None
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        values = np.asarray(strip)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, values.min()), max(high, values.max())
    integers = (255, 65535) if image.format is None else (65535,)  # a file of them has 16 bits, however dark it is
    for white in integers if image.mode == "I" else (1, 255, 65535):
        if low >= 0 and high <= white:
            return 0, white
    return float(low), max(float(high), float(low) + 1)


def _grey(strip: PILImage, grey_range: tuple[float, float], transparent: Any) -> Pixels:
    values = np.asarray(strip)
    black, white = grey_range
    levels = np.nan_to_num((values.astype(np.float64) - black) * 255 / (white - black), nan=0)
    grey = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey[..., np.newaxis]
