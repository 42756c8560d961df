"""What an index is: the protocol that FAISS, the exact torch index and a user's own share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["Index", "check_held_keys", "check_new_keys", "check_vectors"]


@runtime_checkable
class Index(Protocol):
    """Unit vectors under integer keys, searched by inner product.

    :func:`counterfeit_vision.testing.check_index` says whether an object keeps this contract.
    """

    def add(self, keys: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add ``vectors`` (N, D) under new, distinct ``keys`` (N,) >= 0.

        :class:`InputError` for a key that is there already.
        """
        ...

    def remove(self, keys: NDArray[np.int64]) -> None:
        """Forget these keys. :class:`InputError` for a key that is not there."""
        ...

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` best keys (Q, k) int64 and their inner products (Q, k) float32, best first.

        ``allowed`` restricts the search to these keys. Short rows are padded with key -1 and score -inf; where any key
        may be found, each row holds one, also where the index is approximate.
        Several threads search at the same time, and what each is given is its own.
        """
        ...

    def __len__(self) -> int: ...


def check_vectors(vectors: NDArray[np.float32], dim: int | None, name: str) -> NDArray[np.float32]:
    """``vectors`` as contiguous float32 (N, dim), or :class:`InputError` that names what is wrong."""
    array = np.require(vectors, np.float32, ["C", "W"])  # torch warns of arrays that can't be written to
    if array.ndim != 2 or (dim is not None and array.shape[1] != dim):
        raise InputError(f"{name} have shape {array.shape}, the index holds (N, {'D' if dim is None else dim})")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: row {int(np.flatnonzero(~np.isfinite(array).all(1))[0])} holds NaN or infinity")
    return array


def check_new_keys(keys: NDArray[np.int64], count: int, held: set[int]) -> NDArray[np.int64]:
    """``keys`` as int64 (count,), all new, or :class:`InputError` that names the one that is not."""
    array = np.ascontiguousarray(keys, dtype=np.int64)
    if array.shape != (count,):
        raise InputError(f"{count} vectors came with keys of shape {array.shape}")
    seen = set(held)
    for key in array.tolist():
        if key < 0 or key in seen:
            raise InputError(f"key {key} is {'negative' if key < 0 else 'in the index already'}")
        seen.add(key)
    return array


def check_held_keys(keys: NDArray[np.int64], held: set[int]) -> NDArray[np.int64]:
    """``keys`` as int64, all held, or :class:`InputError` that names one that is not."""
    array = np.ascontiguousarray(keys, dtype=np.int64).reshape(-1)
    if missing := set(array.tolist()) - held:
        raise InputError(f"key {min(missing)} is not in the index")
    return array
