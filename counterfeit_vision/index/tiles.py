"""Whose mark is in a photo: its tiles against the references' marks.

A mark is small in a street photo, and an encoder sees a photo at 224 pixels. So the whole photo and its overlapping
halves and thirds are each encoded, and compared by cosine with the crops of the references' marks, centred on the mean
of the products' (CLIP vectors share a large common part: Mu & Viswanath 2018, "All-but-the-Top"). A reference's score
is that of its best mark with the best tile; a product's the mean of its three best references, as one odd crop is near
to many photos.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Ints, Pixels
from ..encoders.base import precision_of
from ..io.cache import CachedPhoto, EmbeddingCache, opened
from ..types import Region
from .neighbours import reference_scores

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["MarkLibrary", "TileSearch", "tile_boxes", "tile_vectors", "tiles_of"]

PARTS = (2, 3)  # a tile's side is the photo's long side over this; neighbours overlap by a half
MARGIN = 0.15  # of a mark's width and height, around its crop
BEST = 3  # references whose mean is their product's score
LEAST = 8  # products from which their mean says what all have in common; that of fewer is mostly themselves


def tile_boxes(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """``x0 y0 x1 y1`` in pixels of a photo's overlapping halves and thirds; at most 34 of a square photo.

    >>> len(tile_boxes(640, 480)), tile_boxes(640, 480)[0]
    (21, (0, 0, 320, 320))
    """
    boxes = []
    for part in PARTS:
        side = max(width, height) / part
        across, down = (max(1, round(2 * length / side) - 1) for length in (width, height))
        for y in np.linspace(0, max(0, height - side), down):
            for x in np.linspace(0, max(0, width - side), across):
                boxes.append((int(x), int(y), int(min(width, x + side)), int(min(height, y + side))))
    return boxes


def tiles_of(pixels: Pixels) -> list[Pixels]:
    """The tiles of a photo (h, w, 3) uint8, without the whole."""
    height, width = pixels.shape[:2]
    boxes = tile_boxes(width, height)
    return [np.ascontiguousarray(pixels[y0:y1, x0:x1]) for x0, y0, x1, y1 in boxes if x1 > x0 and y1 > y0]


def tile_vectors(encoder: Encoder, squares: Iterable[Sequence[Pixels]], whole: Floats) -> Iterator[Floats]:
    """(T + 1, D) float32 of each photo: its tiles, given as the encoder's squares, and the ``whole`` (N, D), last. The
    squares of several photos fill a batch.
    """
    pending: list[Pixels] = []
    counts: list[int] = []
    done = np.zeros((0, whole.shape[1]), np.float32)
    row = 0

    def flush(count: int) -> None:
        nonlocal done, pending
        if count:
            batch, pending = pending[:count], pending[count:]
            done = np.concatenate([done, encoder.encode(np.stack(batch)).vectors])

    def ready() -> Iterator[Floats]:
        nonlocal done, row
        while counts and len(done) >= counts[0]:
            count = counts.pop(0)
            yield np.concatenate([done[:count], whole[row : row + 1]])
            done, row = done[count:], row + 1

    for some in squares:
        counts.append(len(some))
        pending += some
        while len(pending) >= encoder.batch_size:
            flush(encoder.batch_size)
        yield from ready()
    flush(len(pending))
    yield from ready()


@dataclass(frozen=True, eq=False)
class MarkLibrary:
    """The references' marks as vectors: ``rows`` (M,) int64 the reference, ascending; ``vectors`` (M, D) float32."""

    rows: Ints
    vectors: Floats

    @classmethod
    def encode(
        cls,
        encoder: Encoder,
        regions: Sequence[Sequence[Region]],
        whole: Floats,
        pixels: Callable[[int], Pixels],
        cache: EmbeddingCache | bool = False,
    ) -> MarkLibrary:
        """Cut each reference's ``regions`` from its ``pixels`` (h, w, 3) and encode those that the ``cache`` does not
        know, a batch at a time. The ``whole`` reference (N, D) is a mark, too: it may be a mark's crop, and a photo of
        all of the product tells more than its mark alone.
        """
        keys = np.array([row for row, boxes in enumerate(regions) for _ in boxes], np.int64)
        squares = (encoder.preprocess(_cut(pixels(row), box))[0] for row, boxes in enumerate(regions) for box in boxes)
        vectors = _vectors(encoder, squares, cache, whole.shape[1])
        rows = np.concatenate([keys, np.arange(len(regions), dtype=np.int64)])
        order = np.argsort(rows, kind="stable")
        return cls(rows[order], np.concatenate([vectors, whole])[order])


@dataclass(frozen=True, eq=False)
class TileSearch:
    """Marks of some references: ``rows`` (R,) ascending, where each one's marks start in ``marks`` (M, D), centred on
    ``centre`` (D,); ``groups`` are the places in ``rows`` of each product.
    """

    rows: Ints
    starts: Ints
    marks: Floats
    centre: Floats
    groups: tuple[Ints, ...]

    @classmethod
    def among(cls, library: MarkLibrary, rows: Ints, goods: NDArray[np.object_]) -> TileSearch:
        """Of the references ``rows``; ``goods`` (N,) are the products of all."""
        usable = np.isin(library.rows, rows)
        keys, vectors = library.rows[usable], library.vectors[usable]
        unique, starts = np.unique(keys, return_index=True)
        products: dict[str, list[int]] = {}
        for place, name in enumerate(goods[unique].tolist()):
            products.setdefault(name, []).append(place)
        groups = tuple(np.array(places, np.int64) for places in products.values())
        centre = np.zeros(library.vectors.shape[1], np.float32)
        if len(groups) >= LEAST:
            centre = np.mean([vectors[np.isin(keys, unique[group])].mean(axis=0) for group in groups], axis=0)
        return cls(unique, starts, _unit(vectors - centre), centre.astype(np.float32), groups)

    def scores(self, tiles: Floats) -> tuple[Ints, Floats]:
        """Of one photo's ``tiles`` (T, D): the references and their scores (R,) in -1..1."""
        if not len(self.rows):
            return self.rows, np.zeros(0, np.float32)
        cosine = (_unit(tiles - self.centre) @ self.marks.T).max(axis=0)
        own = np.maximum.reduceat(cosine, self.starts)
        products = np.array([np.sort(own[group])[-BEST:].mean() for group in self.groups], np.float32)
        several = [own[group] for group in self.groups if len(group) > 1]
        singles = np.concatenate(several) if several else np.zeros(0, np.float32)
        scores = reference_scores(self.groups, products, singles)
        return self.rows[np.concatenate(self.groups)], np.asarray(scores, np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def _cut(pixels: Pixels, box: Region) -> Pixels:
    """A mark with its :data:`MARGIN`, at least a pixel."""
    height, width = pixels.shape[:2]
    dx, dy = MARGIN * (box.x1 - box.x0), MARGIN * (box.y1 - box.y0)
    x0, y0 = (int(np.clip(at, 0, end - 1)) for at, end in ((box.x0 - dx, width), (box.y0 - dy, height)))
    x1, y1 = (int(np.clip(np.ceil(at), 1, end)) for at, end in ((box.x1 + dx, width), (box.y1 + dy, height)))
    return np.ascontiguousarray(pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])


def _vectors(encoder: Encoder, squares: Iterator[Pixels], cache: EmbeddingCache | bool, width: int) -> Floats:
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
    return np.stack(rows) if rows else np.zeros((0, width), np.float32)
