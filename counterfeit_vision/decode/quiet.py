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

_headers = threading.Lock()


@functools.cache
def pil() -> Any:
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
def muted() -> Iterator[None]:
    """Pillow's warnings are dropped inside. Filters are the process's, so one thread at a time: headers, not pixels."""
    with _headers, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextlib.contextmanager
def pillow_errors(source: str, limits: Limits, data: bytes = b"") -> Iterator[None]:
    """Whatever goes wrong inside Pillow becomes a ``DecodeError``.

    Only calls into Pillow stand inside. On hostile files it raises nearly every built-in error (OSError, ValueError,
    SyntaxError, EOFError, struct.error, KeyError, IndexError, TypeError, OverflowError, zlib.error, ...), so no list
    would be complete.
    """
    try:
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
