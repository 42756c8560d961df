"""The references' marks as vectors, to tell whose marks those found in a photo are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .cache import CachedPhoto, EmbeddingCache, opened
from .encoders.base import precision_of
from .marks import cut
from .stream import EncodedPhoto
from .types import Reference, Region

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["MarkLibrary"]

Pixels = NDArray[np.uint8]
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class MarkLibrary:
    """The references' marks, cut from the full photos and encoded a second time, one row a region.

    ``rows`` (M,) int64: the reference; ``vectors`` (M, D) float32.
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def encode(
        cls,
        encoder: Encoder,
        references: Sequence[Reference],
        photos: Sequence[EncodedPhoto],
        cache: EmbeddingCache | bool = False,
    ) -> MarkLibrary | None:
        """Cut the regions from the references' full photos and encode those that the ``cache`` does not know, a batch
        at a time; ``None`` where no reference has regions.
        """
        keys: list[int] = []
        squares: list[Pixels] = []
        for key, (reference, photo) in enumerate(zip(references, photos, strict=True)):
            if reference.regions:
                pixels = photo.pixels()
                keys += [key] * len(reference.regions)
                squares += _squares(encoder, pixels, reference.regions)
        if not keys:
            return None
        return cls(np.array(keys, np.int64), _vectors(encoder, squares, cache))

    def likeness(
        self, encoder: Encoder, pixels: Pixels, regions: Sequence[Region], usable: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """How much the marks in ``regions`` of a photo (h, w, 3) are like each reference's, in ascending rows.

        Mean over the photo's marks of the best cosine with a mark of the reference; ``usable`` (M,) of the rows here.
        """
        keys, vectors = self.rows[usable], self.vectors[usable]
        found = encoder.encode(np.stack(_squares(encoder, pixels, regions))).vectors
        order = np.argsort(keys, kind="stable")
        unique, starts = np.unique(keys[order], return_index=True)
        cosine = (found @ vectors.T).astype(np.float32)[:, order]
        return unique, np.asarray(np.maximum.reduceat(cosine, starts, axis=1).mean(axis=0), np.float32)


def _squares(encoder: Encoder, pixels: Pixels, regions: Sequence[Region]) -> list[Pixels]:
    """Each region as the encoder's square."""
    return [encoder.preprocess(cut(pixels, region))[0] for region in regions]


def _vectors(encoder: Encoder, squares: Sequence[Pixels], cache: EmbeddingCache | bool) -> NDArray[np.float32]:
    """(n, D) of the encoder's squares."""
    space, size = f"{encoder.fingerprint} {precision_of(encoder)} mark", encoder.batch_size
    names = [hashlib.sha256(square.tobytes()).hexdigest() for square in squares]
    named = dict(zip(names, squares, strict=True))
    with opened(cache) as store:
        kept = {name: None if store is None else store.get(name, space) for name in named}
        vectors = {name: one.vector for name, one in kept.items() if one is not None}
        new = [name for name in named if name not in vectors]
        for start in range(0, len(new), size):
            batch = new[start : start + size]
            found = encoder.encode(np.stack([named[name] for name in batch])).vectors
            vectors |= dict(zip(batch, found, strict=True))
        if store is not None:
            for name in new:
                store.put(name, space, CachedPhoto(vectors[name], None, (0, 0), NOTHING, (0, 0), b""))
            store.commit()
    return np.stack([vectors[name] for name in names])
