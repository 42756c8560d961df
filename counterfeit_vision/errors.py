"""Everything this library raises on purpose.

::

    CounterfeitVisionError
    ├── InputError (ValueError)         what was passed in cannot be used: the message names it and says what to type
    │   ├── ManifestError               a manifest or listing file: missing file, missing column, broken line
    │   └── DuplicateIdError            two references or listings with one id
    ├── DecodeError (ValueError)        one photo gives no pixels: file, reason, limit
    ├── WeightsError (RuntimeError)     no source of weights worked: every source with its reason
    ├── CatalogError (RuntimeError)     a catalogue, an inspector or a journal on disk cannot be used
    │   ├── CorruptCatalogError         a file is missing, truncated or changed
    │   └── FingerprintError            its vectors come from another encoder
    ├── NotCalibratedError (RuntimeError)
    └── MissingExtraError (ImportError) an optional part is not installed: the message is the line to type

One bad photo among many is not an exception but a :class:`counterfeit_vision.Failure`, in its place among the results.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "CatalogError",
    "CorruptCatalogError",
    "CounterfeitVisionError",
    "DecodeError",
    "DuplicateIdError",
    "FingerprintError",
    "InputError",
    "ManifestError",
    "MissingExtraError",
    "NotCalibratedError",
    "WeightsError",
    "require",
]


class CounterfeitVisionError(Exception):
    """The root: ``except CounterfeitVisionError`` catches all that this library raises on purpose."""


class InputError(CounterfeitVisionError, ValueError):
    """Something that the caller passed in cannot be used."""


class ManifestError(InputError):
    """A manifest or listing file is missing, lacks a column, or has a broken line."""


class DuplicateIdError(InputError):
    """Two references, or two listings, carry the same id."""


class DecodeError(CounterfeitVisionError, ValueError):
    """One photo gives no pixels.

    ``source`` names the photo, ``reason`` says what is wrong, ``limit`` is the limit it broke (or ``None``).
    """

    def __init__(self, source: str, reason: str, limit: str | None = None) -> None:
        self.source, self.reason, self.limit = source, reason, limit
        super().__init__(f"{source}: {reason}" + (f" (limit: {limit})" if limit else ""))

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, str, str | None]]:
        return type(self), (self.source, self.reason, self.limit)  # the message alone would not make one again


class WeightsError(CounterfeitVisionError, RuntimeError):
    """No source of an encoder's weights worked; random weights are never used instead."""


class CatalogError(CounterfeitVisionError, RuntimeError):
    """A catalogue, an inspector or a journal on disk cannot be used."""


class CorruptCatalogError(CatalogError):
    """A file of a catalogue, or of a learned head, is missing, truncated or changed."""


class FingerprintError(CatalogError):
    """Vectors of two different encoders would meet."""


class NotCalibratedError(CounterfeitVisionError, RuntimeError):
    """The inspector has seen no genuine photos yet, so it cannot say what is unusual."""


class MissingExtraError(CounterfeitVisionError, ImportError):
    """An optional part is not installed."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or raise :class:`MissingExtraError` with the line that installs it.

    >>> require("json", extra="none", purpose="nothing").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):  # modules written in C hide it
            raise KeyboardInterrupt from error
        raise MissingExtraError(
            f'{purpose} needs {module!r}, which is not installed. Type: pip install "counterfeit-vision[{extra}]"'
        ) from error
