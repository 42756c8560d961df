"""Names for arrays by what they hold; docstrings give the shapes."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Doubles", "Floats", "Ints", "Matrix", "Pixels"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Matrix = Doubles
"""A map of a plane: (3, 3), or (2, 3) where it is affine."""
