"""The rows in the middle: what encoder and search say of photos, those that gave nothing, and small copies to show."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .fields import Record
from .wording import printable

__all__ = ["Embeddings", "Failure", "Matches", "PhotoView"]


@dataclass(frozen=True, eq=False)
class Failure(Record):
    """One input that gave no result. It stands where the result would have stood.

    ``stage`` is where it stopped (``"input"``, ``"decode"``, ``"score"``).
    """

    id: str
    stage: str
    error: Exception

    def __post_init__(self) -> None:
        error: BaseException | None = self.error
        while error is not None:  # the frames that it went through hold all that was at hand there, as a photo's file
            error.__traceback__ = error.__context__ = None
            error = error.__cause__

    def to_dict(self) -> dict[str, str]:
        """Plain strings, ready for JSON."""
        return {"id": self.id, "stage": self.stage, "error": type(self.error).__name__, "message": str(self.error)}

    def __repr__(self) -> str:
        return printable(f"<Failure {self.id} [{self.stage}] {type(self.error).__name__}: {self.error}>")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What an encoder sees in N photos, one aligned row each. Rows of photos that failed are absent.

    - ``vectors`` (N, D) float32, unit length: the whole photo.
    - ``patches`` (N, P, E) float16 or ``None``: P = h * w patch tokens in row-major order over the encoder's square.
    - ``grid`` (h, w): the patch grid.
    - ``content`` (N, 4) float32: where the photo lies in the encoder's square, ``x0 y0 x1 y1`` in fractions of its
      side; patches outside are padding.
    - ``ids`` N strings, ``failures`` the photos that gave no row, ``fingerprint`` the space the vectors live in.
    """

    vectors: NDArray[np.float32]
    patches: NDArray[np.float16] | None
    grid: tuple[int, int]
    content: NDArray[np.float32]
    ids: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for column in ("vectors", "patches", "content"):
            values = getattr(self, column)
            if values is not None and len(values) != len(self):
                raise InputError(f"Embeddings: {column} has {len(values)} rows, expected {len(self)}")
        if self.patches is not None and self.patches.shape[1] != self.grid[0] * self.grid[1]:
            raise InputError(f"Embeddings: {self.patches.shape[1]} patches do not fill a grid of {self.grid}")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        patches = None if self.patches is None else self.patches.shape
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Embeddings {len(self)} photos, vectors {self.vectors.shape}, patches {patches}{failed}>"


@dataclass(frozen=True, eq=False)
class Matches:
    """The nearest references of N photos, best first; always N rows, in input order.

    - ``ids``, ``products`` (N, k) object: strings, ``None`` where a row is short or its photo failed.
    - ``scores`` (N, k) float32: higher = more alike, ``-inf`` where a row is short or its photo failed.
    """

    ids: NDArray[np.object_]
    products: NDArray[np.object_]
    scores: NDArray[np.float32]
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if not self.ids.shape == self.products.shape == self.scores.shape or self.ids.ndim != 2:
            raise InputError(
                f"Matches: ids {self.ids.shape}, products {self.products.shape}, scores {self.scores.shape} differ"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Matches {self.ids.shape[0]} photos x {self.ids.shape[1]} references{failed}>"


@dataclass(frozen=True)
class PhotoView:
    """A small upright copy of a photo, to be shown to people: ``jpeg`` bytes, ``size`` (width, height) of the
    original, ``sha256`` hex of a listing's photo: of the file's bytes, or of the pixels where there is no file.
    """

    id: str
    jpeg: bytes = field(repr=False)
    size: tuple[int, int]
    caption: str = ""
    sha256: str = ""

    def _repr_jpeg_(self) -> bytes:
        return self.jpeg
