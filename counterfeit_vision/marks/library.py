"""The references' marks as vectors, to tell whose marks those found in a photo are."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import Bools, Floats, Ints, Pixels
from ..encoders.base import precision_of
from ..io.cache import CachedPhoto, EmbeddingCache, opened
from ..types import Region
from .finding import cut

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["MarkLibrary"]


@dataclass(frozen=True, eq=False)
class MarkLibrary:
    """The references' marks, cut from their photos and encoded a second time, one row a region.

    ``rows`` (M,) int64: the reference; ``vectors`` (M, D) float32.
    """

    rows: Ints
    vectors: Floats

    @classmethod
    def encode(
        cls,
        encoder: Encoder,
        regions: Sequence[Sequence[Region]],
        pixels: Callable[[int], Pixels],
        cache: EmbeddingCache | bool = False,
    ) -> MarkLibrary:
        """Cut each reference's ``regions`` from its ``pixels`` (h, w, 3) and encode those that the ``cache`` does not
        know, a batch at a time. At least one reference has regions.
        """
        keys = [row for row, boxes in enumerate(regions) for _ in boxes]
        squares = (
            square for row, boxes in enumerate(regions) if boxes for square in _squares(encoder, pixels(row), boxes)
        )
        return cls(np.array(keys, np.int64), _vectors(encoder, squares, cache))

    def likeness(
        self, encoder: Encoder, pixels: Pixels, regions: Sequence[Region], usable: Bools
    ) -> tuple[Ints, Floats]:
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


def _vectors(encoder: Encoder, squares: Iterator[Pixels], cache: EmbeddingCache | bool) -> Floats:
    """(n, D) of the encoder's squares."""
    space, rows = f"{encoder.fingerprint} {precision_of(encoder)} mark", []
    with opened(cache) as store:
        while batch := list(itertools.islice(squares, encoder.batch_size)):
            names = [hashlib.sha256(square.tobytes()).hexdigest() for square in batch]
            kept = {name: None if store is None else store.get(name, space) for name in names}
            vectors = {name: one.vector for name, one in kept.items() if one is not None}
            new = {name: square for name, square in zip(names, batch, strict=True) if name not in vectors}
            if new:
                vectors |= dict(zip(new, encoder.encode(np.stack(list(new.values()))).vectors, strict=True))
            if store is not None:
                store.put_all(space, {name: CachedPhoto.bare(vectors[name]) for name in new})
            rows += [vectors[name] for name in names]
    return np.stack(rows)
