"""Pillow, quiet and with one way to fail."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import threading
import warnings
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError
from .limits import Limits, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["muted", "pil", "pillow_errors"]


class _Hush(threading.local):
    """``warnings`` as Pillow sees it: dropped in a thread that is inside :func:`muted`, Python's own elsewhere.

    Python's filters are the process's. To change them for a while would take a user's changes in another thread back,
    and let every warning be given anew; to change them for good would hide Pillow's warnings from users' own code.
    """

    inside = False
    values = 0  # of a photo's metadata, that may still be unpacked

    def warn(self, message: Any, category: Any = None, stacklevel: int = 1, **more: Any) -> None:
        if not self.inside:
            warnings.warn(message, category, stacklevel + 1, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


_hush = _Hush()

MOST_VALUES = 400_000  # four planes of 65,535 strips of one row, and some
PLAIN = (1, 2, 7)  # types of a tag whose value is one object, however long: bytes, a text
RATIONALS, RATIONAL = (5, 10), 20  # each becomes an object of its own, which takes as long as so many numbers


class _Counted:
    """How Pillow unpacks the values of a TIFF's or an EXIF block's tag, bounded in a thread inside :func:`muted`: a few
    bytes can order millions of objects, and no piece is read meanwhile.
    """

    def __init__(self, unpack: Callable[..., Any], per_byte: float) -> None:
        self._unpack, self._per_byte = unpack, per_byte

    def __call__(self, directory: Any, data: bytes, *more: Any) -> Any:
        if _hush.inside:
            _hush.values -= int(len(data) * self._per_byte)
            if _hush.values < 0:
                raise ValueError(f"its tags hold more than {MOST_VALUES:,} values")
        return self._unpack(directory, data, *more)


def _count_values(unpackers: dict[int, tuple[int, Callable[..., Any]]]) -> None:
    for kind, (size, unpack) in list(unpackers.items()):
        if kind not in PLAIN and not isinstance(unpack, _Counted):
            unpackers[kind] = size, _Counted(unpack, (RATIONAL if kind in RATIONALS else 1) / size)


@functools.cache
def pil() -> Any:
    """``PIL.Image``, imported on first use, with libtiff's printer and the logger's last resort off."""
    from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, _imaging

    modules: tuple[Any, ...] = (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin)
    for module in modules:  # those that warn, of the formats that are accepted
        module.warnings = _hush
    _count_values(TiffImagePlugin.ImageFileDirectory_v2._load_dispatch)
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # Pillow turns libtiff's warnings off in the same way, and leaves the errors on. Where the C library is linked in
    # statically its name is hidden, and the messages stay.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libtiff = ctypes.CDLL(_imaging.__file__)
        libtiff.TIFFSetErrorHandler.argtypes = [ctypes.c_void_p]
        libtiff.TIFFSetErrorHandler(None)
    return Image


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Pillow's warnings are dropped inside, in this thread, and what it unpacks of metadata is bounded."""
    before, _hush.inside, _hush.values = _hush.inside, True, MOST_VALUES
    try:
        yield
    finally:
        _hush.inside = before


@contextlib.contextmanager
def pillow_errors(source: str, limits: Limits, data: bytes = b"") -> Iterator[None]:
    """Whatever goes wrong inside Pillow becomes a ``DecodeError``, and its warnings are dropped.

    Only what calls into Pillow stands inside. On hostile files it raises nearly every built-in error (OSError,
    ValueError, SyntaxError, EOFError, struct.error, KeyError, IndexError, TypeError, OverflowError, zlib.error, ...),
    so no list would be complete.
    """
    try:
        with muted():
            yield
    except DecodeError:
        raise
    except OutOfTime as error:
        raise DecodeError(source, "decoding takes too long", f"{limits.seconds:g} s of processor time") from error
    except pil().UnidentifiedImageError as error:
        raise _unidentified(source, limits, data) from error
    except pil().DecompressionBombError as error:
        raise DecodeError(source, str(error), f"{limits.pixels:,} pixels") from error
    except Exception as error:
        raise DecodeError(source, f"{type(error).__name__}: {error}") from error


def _unidentified(source: str, limits: Limits, data: bytes) -> DecodeError:
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis"):
        return DecodeError(source, "starts like HEIC, which is not read; save the photo as JPEG")
    pil().init()
    for name, (_, accepts) in pil().OPEN.items():
        with contextlib.suppress(Exception):  # short files: IndexError, struct.error
            if accepts is not None and accepts(data[:16]):
                if name in limits.formats:
                    return DecodeError(source, f"starts like {name}, but its header is damaged")
                return DecodeError(source, f"format {name} is not accepted", f"accepted: {', '.join(limits.formats)}")
    return DecodeError(source, "is not an image of a known format", f"accepted: {', '.join(limits.formats)}")
