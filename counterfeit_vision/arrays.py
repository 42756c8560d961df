"""Names for arrays by what they hold; docstrings give the shapes. And arrays that may change, as copies that do not."""

from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Doubles", "Floats", "Ints", "Matrix", "Pixels", "own_arrays"]

T = TypeVar("T")

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Matrix = Doubles
"""A map of a plane: (3, 3), or (2, 3) where it is affine."""


def own_arrays(items: Iterable[T]) -> Iterator[T]:
    """The items. Where no collection holds them all, arrays are copies: a video's frames may come in one array, which
    is filled again for each.
    """
    held = isinstance(items, Collection)
    for item in items:
        yield item.copy() if isinstance(item, np.ndarray) and not held else item
