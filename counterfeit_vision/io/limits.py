"""What one photo may cost, checked before its pixels are touched wherever the format allows."""

from __future__ import annotations

import io
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import Bools
from ..errors import DecodeError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["DEFAULT_LIMITS", "Limits", "Metered", "OutOfTime", "check_cost", "check_pixels"]


@dataclass(frozen=True)
class Limits:
    """What one photo may cost; beyond it, the photo gives a ``DecodeError`` that names the limit.

    - ``pixels``: width x height, known from the header. 50 million pixels need at most 0.9 GiB while they are decoded
      (WebP, the hungriest) and 0.15 GiB after. Pillow's own limit (``2 * Image.MAX_IMAGE_PIXELS``) also holds, and no
      side may be longer than a JPEG's can: to resize a line of 50 million pixels would take 2 GB.
    - ``file_bytes``: size of the file.
    - ``seconds``: processor time on one desktop core. Formats that are read piece by piece stop once it is spent. What
      decodes in one call (WebP, AVIF, JPEG 2000, JPEGs of many scans, also inside a TIFF) is refused in advance where
      its pixels and bytes make the work too large; the rates are constants, so the answer does not depend on the
      machine. A TIFF is otherwise bounded by the other limits (50 million pixels: 0.6 s).
    - ``formats``: Pillow's names of the formats that may be opened. Off are those that run other programs (EPS), those
      that no photo comes in, and those whose decoders are little tested (FITS, SPIDER, SGI, ICNS, ...). Multi-picture
      JPEGs ("MPO") come through "JPEG".
    """

    pixels: int = 50_000_000
    file_bytes: int = 64 << 20
    seconds: float = 1.5
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")


DEFAULT_LIMITS = Limits()
LONGEST_SIDE = 65_535  # pixels; JPEG's own


# Nanoseconds a pixel and a byte of the file, for formats that decode in one call; measured on noise and on flat images,
# rounded up. JPEG 2000's 45 (measured: 19) also bounds its memory, 23 bytes a pixel.
_WORK = {"WEBP": (20, 45), "AVIF": (15, 60), "JPEG2000": (45, 105)}
_NS_PER_PIXEL_AND_SCAN = 0.7  # JPEG: a hundred bytes can order another pass over every pixel


def check_pixels(width: int, height: int, source: str, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise DecodeError(source, f"{width} x {height} = {width * height:,} pixels", f"{limits.pixels:,} pixels")
    if max(width, height) > LONGEST_SIDE:
        raise DecodeError(source, f"{width} x {height} pixels", f"{LONGEST_SIDE:,} pixels a side")


def check_cost(image: PILImage, data: bytes, source: str, limits: Limits) -> None:
    check_pixels(*image.size, source, limits)
    if image.format == "TIFF":
        check_pixels(*_tiff_tile(image), source, limits)  # one tile is held in memory, however small the photo
    pixels = image.width * image.height
    per_pixel, per_byte = _WORK.get(image.format or "", (0, 0))
    work: float = pixels * per_pixel + len(data) * per_byte
    if image.format in ("JPEG", "MPO"):
        work = pixels * sum(map(np.count_nonzero, _scans(data))) * _NS_PER_PIXEL_AND_SCAN
    elif image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        work = _scanned_in_tiff(image, data) * _NS_PER_PIXEL_AND_SCAN
    if work * 1e-9 > limits.seconds:
        what = f"{image.format} of {pixels:,} pixels and {len(data):,} bytes would take up to {work * 1e-9:.1f} s"
        raise DecodeError(source, what, f"{limits.seconds:g} s of processor time")


def _scans(data: bytes) -> tuple[Bools, Bools]:
    """Whether a JPEG's scan begins, at the even and at the odd places; ten times as quick as data.count()."""
    even, odd = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) == 0xDAFF for start in (0, 1))
    return even, odd


def _scanned_in_tiff(image: Any, data: bytes) -> float:
    """Pixels of a TIFF's JPEGs, each as often as it is passed over. Each strip or tile is a JPEG of its own, and
    several may be the same bytes; in the old style they share one.
    """
    even, odd = map(np.flatnonzero, _scans(data))
    scans, tags = np.sort(np.concatenate([2 * even, 2 * odd + 1])), image.tag_v2
    if image.info["compression"] == "tiff_jpeg":
        return float(image.width * image.height * len(scans))
    rows = min(tags.get(278, image.height), image.height)
    pixels, total = math.prod(_tiff_tile(image)) or image.width * (rows if rows > 0 else image.height), 0
    for places, sizes in ((273, 279), (324, 325)):
        starts, lengths = (np.atleast_1d(np.array(tags.get(tag, ()), np.float64)) for tag in (places, sizes))
        ends = starts + lengths if starts.shape == lengths.shape and lengths.all() else np.full_like(starts, len(data))
        total += int((np.searchsorted(scans, ends) - np.searchsorted(scans, starts)).sum())
    return float(pixels * total)


def _tiff_tile(image: Any) -> tuple[int, int]:
    width, height = (image.tag_v2.get(tag, 0) for tag in (322, 323))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


class OutOfTime(Exception):
    """Not an OSError: Pillow takes those for a truncated file and may go on."""


class Metered(io.BytesIO):
    """A file in memory that cannot be read any more once its time is spent. Pillow reads before every piece of work."""

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._end = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end:
            raise OutOfTime
        return super().read(size)
