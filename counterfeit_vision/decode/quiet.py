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
    from collections.abc import Iterator

__all__ = ["muted", "pil", "pillow_errors"]


class _Hush(threading.local):
    """``warnings`` as Pillow sees it: dropped in a thread that is inside :func:`muted`, Python's own elsewhere.

    Python's filters are the process's. To change them for a while would take a user's changes in another thread back,
    and let every warning be given anew; to change them for good would hide Pillow's warnings from users' own code.
    """

    inside = False

    def warn(self, message: Any, category: Any = None, stacklevel: int = 1, **more: Any) -> None:
        if not self.inside:
            warnings.warn(message, category, stacklevel + 1, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


_hush = _Hush()


@functools.cache
def pil() -> Any:
    """``PIL.Image``, imported on first use, with libtiff's printer and the logger's last resort off."""
    from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, _imaging

    modules: tuple[Any, ...] = (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin)
    for module in modules:  # those that warn, of the formats that are accepted
        module.warnings = _hush
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
    """Pillow's warnings are dropped inside, in this thread."""
    before, _hush.inside = _hush.inside, True
    try:
        yield
    finally:
        _hush.inside = before


@contextlib.contextmanager
def pillow_errors(source: str, limits: Limits, data: bytes = b"") -> Iterator[None]:
    """Whatever goes wrong inside Pillow becomes a ``DecodeError``, and its warnings are dropped.

    Only calls into Pillow stand inside. On hostile files it raises nearly every built-in error (OSError, ValueError,
    SyntaxError, EOFError, struct.error, KeyError, IndexError, TypeError, OverflowError, zlib.error, ...), so no list
    would be complete.
    """
    try:
        with muted():
            yield
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
