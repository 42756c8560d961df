"""Vectors for tests."""

from __future__ import annotations

import numpy as np

__all__ = ["unit"]


def unit(array: np.ndarray) -> np.ndarray:
    """The same of length 1, along the last axis."""
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)
