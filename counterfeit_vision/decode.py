"""A photo in any accepted form -> upright RGB pixels, or one :class:`~counterfeit_vision.errors.DecodeError`.

Pillow decodes; this file decides which files it may touch, how much they may cost, and what the odd ones mean:

- **Orientation**: the EXIF orientation is applied, so pixels are as a person sees the photo.
- **Transparency** (alpha channel, transparent colour, palette with alpha): composited over white.
- **Grey of more than 8 bits** (``I;16`` in any byte order, ``I``): 0..65535 is scaled to 0..255 and rounded, never
  clipped. Floats (``F``) are read as 0..1, 0..255 or 0..65535, the first range that holds them all. What fits no range
  is stretched from its own minimum and maximum; a value that is not a number is black.
- **Everything else** (CMYK, YCCK, palette, 1-bit, LAB, HSV, YCbCr): Pillow's own conversion to RGB. An embedded ICC
  profile is ignored: colours are taken as sRGB, as every CLIP pipeline does.
- **Animations and multi-page files**: the first frame.

What a file may cost is bounded by :class:`Limits`, before its pixels are touched wherever the format allows. Pillow's
global settings are left as they are. Two things are silenced for good, because on damaged files they write to stderr:
libtiff's error printer (its errors still arrive, as ``DecodeError``), and the last-resort handler of the ``PIL`` logger
(handlers that an application installs still get every record).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import io
import logging
import os
import stat
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.Image import Image as PILImage

    from .types import Photo

__all__ = ["DEFAULT_LIMITS", "Decoded", "Limits", "content_hash", "decode", "photo_name", "read_bytes"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Limits:
    """What one photo may cost; beyond it, the photo gives a ``DecodeError`` that names the limit.

    - ``pixels``: width x height, known from the header. 50 million pixels need at most 0.9 GiB while they are decoded
      (WebP, the hungriest) and 0.15 GiB after. Pillow's own limit (``2 * Image.MAX_IMAGE_PIXELS``) also holds.
    - ``file_bytes``: size of the file.
    - ``seconds``: processor time on one desktop core. Formats that are read piece by piece stop once it is spent. What
      decodes in one call (WebP, AVIF, JPEG 2000, JPEGs of many scans) is refused in advance where its pixels and bytes
      make the work too large; the rates are constants, so the answer does not depend on the machine. A TIFF is bounded
      by the other limits (50 million pixels: 0.6 s).
    - ``formats``: Pillow's names of the formats that may be opened. Off are those that run other programs (EPS), those
      that no photo comes in, and those whose decoders are little tested (FITS, SPIDER, SGI, ICNS, ...). Multi-picture
      JPEGs ("MPO") come through "JPEG".
    """

    pixels: int = 50_000_000
    file_bytes: int = 64 << 20
    seconds: float = 1.5
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Decoded:
    """An upright photo.

    - ``pixels`` (H, W, 3) uint8, RGB, C-contiguous. Given as such an array, it is that same array, not a copy.
    - ``sha256`` hex: of the file's bytes; for arrays and PIL images, of their size and upright RGB pixels.
    - ``format``: Pillow's name (``"JPEG"``, ``"MPO"``, ...); ``"array"``, ``"PIL"`` for an image that was never a file.
    """

    pixels: Pixels
    sha256: str
    format: str


def decode(photo: Photo, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> Decoded:
    """Upright RGB pixels of a path, bytes, PIL image or uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    ``name`` stands for the photo in error messages; without it, its path. A PIL image is not modified (a lazily opened
    one is loaded). Safe to call from many threads at once.

    Raises ``DecodeError``, and nothing else, whatever the photo holds.
    """
    source = name or photo_name(photo, "photo")
    try:
        if isinstance(photo, np.ndarray):
            return _from_array(photo, source, limits)
        if isinstance(photo, _pil().Image):
            return _from_image(photo, source, limits)
        return _from_file(read_bytes(photo, limits=limits, name=source), source, limits)
    except MemoryError as error:
        raise DecodeError(source, "not enough memory for its pixels") from error


def content_hash(photo: Photo, *, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> str:
    """``decode(photo).sha256``, without decoding when the photo is a path or bytes. Raises ``DecodeError``."""
    if isinstance(photo, np.ndarray | _pil().Image):
        return decode(photo, limits=limits, name=name).sha256
    return hashlib.sha256(read_bytes(photo, limits=limits, name=name)).hexdigest()


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
        with open(path, "rb") as file:
            return file.read(limits.file_bytes + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DecodeError(source, f"cannot be read: {reason}") from error


def _from_file(data: bytes, source: str, limits: Limits) -> Decoded:
    with _pillow(source, limits, data), _muted():
        image = _pil().open(_Metered(data, limits.seconds), formats=limits.formats)
    with image:
        _check_cost(image, data, source, limits)
        pixels = _upright_rgb(image, source, limits)
        return Decoded(pixels, hashlib.sha256(data).hexdigest(), image.format)


def _from_array(array: NDArray[Any], source: str, limits: Limits) -> Decoded:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise DecodeError(
            source,
            f"need a uint8 array (height, width[, 1 | 3 | 4]) that is not empty, got {array.dtype} {array.shape}",
        )
    _check_pixels(array.shape[1], array.shape[0], source, limits)
    if channels == 4:
        pixels = _upright_rgb(_pil().fromarray(array), source, limits)
    else:
        height, width = array.shape[:2]
        rgb = array if channels == 3 else np.broadcast_to(array.reshape(height, width, 1), (height, width, 3))
        pixels = np.ascontiguousarray(rgb)
    return Decoded(pixels, _pixel_hash(pixels), "array")


def _from_image(image: PILImage, source: str, limits: Limits) -> Decoded:
    if 0 in image.size:
        raise DecodeError(source, f"empty: {image.width} x {image.height} pixels")
    _check_pixels(*image.size, source, limits)
    pixels = _upright_rgb(image, source, limits)
    return Decoded(pixels, _pixel_hash(pixels), image.format or "PIL")


def _pixel_hash(pixels: Pixels) -> str:
    digest = hashlib.sha256(f"RGB {pixels.shape[0]} {pixels.shape[1]}\n".encode())
    digest.update(pixels.data)
    return digest.hexdigest()


# --- what a file may cost --------------------------------------------------------------------------------------------

# Nanoseconds a pixel and a byte of the file, for formats that decode in one call; measured on noise and on flat images,
# rounded up. JPEG 2000's 45 (measured: 19) also bounds its memory, 23 bytes a pixel.
_WORK = {"WEBP": (20, 45), "AVIF": (15, 60), "JPEG2000": (45, 105)}
_NS_PER_PIXEL_AND_SCAN = 0.7  # JPEG: a hundred bytes can order another pass over every pixel


def _check_pixels(width: int, height: int, source: str, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise DecodeError(source, f"{width} x {height} = {width * height:,} pixels", f"{limits.pixels:,} pixels")


def _check_cost(image: PILImage, data: bytes, source: str, limits: Limits) -> None:
    _check_pixels(*image.size, source, limits)
    if image.format == "TIFF":
        _check_pixels(*_tiff_tile(image), source, limits)  # one tile is held in memory, however small the photo
    pixels = image.width * image.height
    per_pixel, per_byte = _WORK.get(image.format or "", (0, 0))
    work: float = pixels * per_pixel + len(data) * per_byte
    if image.format in ("JPEG", "MPO"):
        work = pixels * data.count(b"\xff\xda") * _NS_PER_PIXEL_AND_SCAN
    if work * 1e-9 > limits.seconds:
        what = f"{image.format} of {pixels:,} pixels and {len(data):,} bytes would take up to {work * 1e-9:.1f} s"
        raise DecodeError(source, what, f"{limits.seconds:g} s of processor time")


def _tiff_tile(image: Any) -> tuple[int, int]:
    width, height = (image.tag_v2.get(tag, 0) for tag in (322, 323))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


class _OutOfTime(Exception):
    """Not an OSError: Pillow takes those for a truncated file and may go on."""


class _Metered(io.BytesIO):
    """A file in memory that cannot be read any more once its time is spent. Pillow reads before every piece of work."""

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._end = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end:
            raise _OutOfTime
        return super().read(size)


# --- Pillow, quiet and with one way to fail --------------------------------------------------------------------------

_headers = threading.Lock()


@functools.cache
def _pil() -> Any:
    """``PIL.Image``, imported on first use, with libtiff's printer and the logger's last resort off."""
    from PIL import Image, _imaging

    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # Pillow turns libtiff's warnings off in the same way, and leaves the errors on. Where the C library is linked in
    # statically its name is hidden, and the messages stay.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libtiff = ctypes.CDLL(_imaging.__file__)
        libtiff.TIFFSetErrorHandler.argtypes = [ctypes.c_void_p]
        libtiff.TIFFSetErrorHandler(None)
    return Image


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Pillow's warnings are dropped inside. Filters are the process's, so one thread at a time: headers, not pixels."""
    with _headers, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextlib.contextmanager
def _pillow(source: str, limits: Limits, data: bytes = b"") -> Iterator[None]:
    """Whatever goes wrong inside Pillow becomes a ``DecodeError``.

    Only calls into Pillow stand inside. On hostile files it raises nearly every built-in error (OSError, ValueError,
    SyntaxError, EOFError, struct.error, KeyError, IndexError, TypeError, OverflowError, zlib.error, ...), so no list
    would be complete.
    """
    try:
        yield
    except _OutOfTime as error:
        raise DecodeError(source, "decoding takes too long", f"{limits.seconds:g} s of processor time") from error
    except _pil().UnidentifiedImageError as error:
        raise _unidentified(source, limits, data) from error
    except _pil().DecompressionBombError as error:
        raise DecodeError(source, str(error), f"{limits.pixels:,} pixels") from error
    except Exception as error:
        raise DecodeError(source, f"{type(error).__name__}: {error}") from error


def _unidentified(source: str, limits: Limits, data: bytes) -> DecodeError:
    _pil().init()
    for name, (_, accepts) in _pil().OPEN.items():
        with contextlib.suppress(Exception):  # short files: IndexError, struct.error
            if accepts is not None and accepts(data[:16]):
                if name in limits.formats:
                    return DecodeError(source, f"starts like {name}, but its header is damaged")
                return DecodeError(source, f"format {name} is not accepted", f"accepted: {', '.join(limits.formats)}")
    return DecodeError(source, "is not an image of a known format", f"accepted: {', '.join(limits.formats)}")


# --- pixels ----------------------------------------------------------------------------------------------------------

_STRIP = 4_000_000  # pixels converted at a time: bounds what the intermediate images need

# How the stored frame lies in the upright one, by EXIF orientation: views, so nothing is copied twice.
_STORED: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}


def _upright_rgb(image: PILImage, source: str, limits: Limits) -> Pixels:
    """Load, convert and turn: (H, W, 3) uint8. The image itself is not converted."""
    with _pillow(source, limits):
        transparent = _transparent_value(image)
        _load(image)
    orientation = _orientation(image)
    grey_range = _grey_range(image)
    width, height = image.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = _STORED[orientation](upright) if orientation in _STORED else upright
    for top, strip in _strips(image):
        if grey_range is None:
            with _pillow(source, limits):
                part = _rgb(strip, transparent)
        else:
            part = _grey(strip, grey_range, transparent)
        stored[top : top + strip.height] = part
    return upright


def _load(image: PILImage) -> None:
    if image.format == "TIFF" and getattr(image, "tile", None):
        # Its load() reads the EXIF groups, and warns: read them here first, muted; Pillow keeps what it has read.
        from PIL.TiffTags import TAGS_V2_GROUPS

        with _muted():
            exif = image.getexif()
            for group in () if getattr(image, "is_animated", False) else TAGS_V2_GROUPS:
                if group in exif:
                    exif.get_ifd(group)
    image.load()


def _orientation(image: PILImage) -> int:
    """The EXIF orientation, 1..8; 1 where there is none or it is damaged, which leaves the pixels good."""
    with contextlib.suppress(Exception), _muted():
        orientation = image.getexif().get(0x0112, 1)
        return int(orientation) if orientation in _STORED else 1
    return 1


def _strips(image: PILImage) -> Iterator[tuple[int, PILImage]]:
    """Top row and copy of each full-width strip; the image itself where it is one strip that ``_rgb`` only reads."""
    rows = max(1, _STRIP // image.width)
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


def _rgb(strip: PILImage, transparent: Any) -> Pixels:
    if strip.has_transparency_data:
        if transparent is not None:
            strip.info["transparency"] = transparent
        over = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
        strip = _pil().new("RGBA", strip.size, "white")
        strip.alpha_composite(over)
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
    for white in (65535,) if image.mode == "I" else (1, 255, 65535):
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
