"""Rows of an embedding cache, and an encoder that counts what it was not spared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.io.cache import CachedPhoto, EmbeddingCache


def photo(seed: int, *, patches: bool = True) -> CachedPhoto:
    random = np.random.default_rng(seed)
    return CachedPhoto(
        vector=random.standard_normal(12).astype(np.float32),
        patches=random.standard_normal((6, 5)).astype(np.float16) if patches else None,
        grid=(2, 3) if patches else (0, 0),
        content=np.array([0, 0.25, 1, 0.75], np.float32),
        size=(640, 480 + seed),
        view=random.bytes(40),
    )


def same(a: CachedPhoto | None, b: CachedPhoto) -> bool:
    if a is None or (a.patches is None) != (b.patches is None):
        return False
    arrays = [(a.vector, b.vector), (a.content, b.content)]
    if a.patches is not None and b.patches is not None:
        arrays.append((a.patches, b.patches))
    whole = all(x.dtype == y.dtype and x.shape == y.shape and (x == y).all() for x, y in arrays)
    return whole and (a.grid, a.size, a.view) == (b.grid, b.size, b.view)


def key(number: int) -> str:
    return f"{number:064x}"


def filled(path: Path) -> Path:
    """A cache of twenty photos."""
    with EmbeddingCache(path) as cache:
        cache.put_all("f", {key(number): photo(number) for number in range(20)})
    return path


class Counting:
    """An encoder that counts the images that reach it."""

    def __init__(self, encoder: TowerEncoder, fingerprint: str | None = None) -> None:
        self.encoder, self.images = encoder, 0
        self.fingerprint = fingerprint or encoder.fingerprint
        self.preprocess, self.batch_size = encoder.preprocess, 4

    def encode(self, images):
        self.images += len(images)
        return self.encoder.encode(images)


def large(seed: int) -> CachedPhoto:
    """About 40 KB."""
    return dataclasses.replace(photo(seed), view=np.random.default_rng(seed).bytes(40_000))


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))
