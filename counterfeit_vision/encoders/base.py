"""What an encoder is: the protocol that the library's own encoders and a user's share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..types import Embeddings
from .preprocess import Preprocess

__all__ = ["Encoder", "OverlappingEncoder", "Squares", "TextEncoder", "name_of", "precision_of", "refuse_no_encoder"]

Squares: TypeAlias = "NDArray[np.uint8] | Sequence[NDArray[np.uint8]]"
"""(N, size, size, 3), or N of (size, size, 3)."""


@runtime_checkable
class Encoder(Protocol):
    """Turns prepared squares into vectors and patch tokens, in one forward pass.

    ``fingerprint`` names the space that the vectors live in: sha256 of weights, preprocessing and pooling.
    ``preprocess`` makes the squares. ``batch_size`` is how many squares it likes at once.
    :func:`counterfeit_vision.testing.check_encoder` says whether an object keeps this contract.
    """

    @property
    def fingerprint(self) -> str: ...

    @property
    def preprocess(self) -> Preprocess: ...

    @property
    def batch_size(self) -> int: ...

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        """``images`` (N, size, size, 3) uint8 RGB -> N rows, in order.

        Vectors are float32 of unit length; patches float16, two numbers or more each, or ``None``. A row does not
        depend on its batch mates: within 1e-4 in float32. ``ids`` are the row numbers, ``content`` the whole square:
        the caller knows better and replaces both.
        """
        ...


@runtime_checkable
class OverlappingEncoder(Protocol):
    """What an encoder has besides, where its device works while its host does something else."""

    @property
    def in_flight(self) -> int:
        """How many batches may be begun before the first is collected; 1 means that nothing is gained."""
        ...

    def begin(self, images: Squares) -> Callable[[], Embeddings]:
        """Start what :meth:`Encoder.encode` does, also with squares that are not stacked yet, and return what waits for
        its rows. These are the batch's own: others that are begun or collected later leave them as they are.
        """
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """What an encoder has besides, where its model reads text: CLIP from a hub or a folder does, the packaged does not.

    ``isinstance(encoder, TextEncoder)`` tells.
    """

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts -> (N, D) float32 of unit length, in the space of the photos' vectors; a row does not depend on the
        others.
        """
        ...


def name_of(encoder: Encoder) -> str:
    """What an encoder calls itself, or else its class."""
    return str(getattr(encoder, "name", type(encoder).__name__))


def precision_of(encoder: Encoder) -> str:
    """What it computes in: ``"float32"``, also where it does not say, or another."""
    return str(getattr(encoder, "dtype", "torch.float32")).removeprefix("torch.")


def refuse_no_encoder(encoder: object) -> None:
    """:class:`InputError` where an encoder's name or class stands in its place, or anything else."""
    if isinstance(encoder, str):
        raise InputError(f"encoder={encoder!r} is a name; type encoder=load_encoder({encoder!r})")
    if isinstance(encoder, type) or not hasattr(encoder, "encode"):
        raise InputError(f"encoder={encoder!r:.80} is no encoder; type encoder=load_encoder('clip-vit-b16')")
