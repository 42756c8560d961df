"""One round of ``bench``: what each stage of a photo's way takes by itself, and what the whole way takes.

Nothing comes from the cache of embeddings. What a stage gives lies in the host's memory when its clock is stopped, so a
GPU has been waited for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..encoders.base import Encoder
    from ..index.catalog import Catalog
    from ..inspector import Inspector
    from ..types import Failure

__all__ = ["figures", "one_round"]

NEIGHBOURS = 5  # references that are searched for


def one_round(
    photos: dict[str, bytes], encoder: Encoder, catalog: Catalog | None, inspector: Inspector | None
) -> tuple[dict[str, list[float]], float, list[Failure]]:
    """Wall and processor seconds of each stage by itself, and of the ways that a run takes; by how much the two's
    vectors differ at the most; and what got no verdict.
    """
    import numpy as np

    from ..encoders.batching import embed
    from ..io.decode import decode
    from ..types import Failure, Listing

    spent: dict[str, list[float]] = {}
    squares, results, batch = [], [], encoder.batch_size
    for name, data in photos.items():
        with _clock(spent, "decode"):
            decoded = decode(data, name=name, shrink=encoder.preprocess.shrink, reuse=True)
        with _clock(spent, "preprocess"):
            squares.append(encoder.preprocess(decoded.pixels, decoded.extent)[0])
    with _clock(spent, "encoder"):
        rows = [encoder.encode(np.stack(squares[start : start + batch])) for start in range(0, len(squares), batch)]
    with _clock(spent, "embedding"):
        found = embed(list(photos.values()), encoder=encoder, ids=list(photos), cache=False)
    if catalog is not None:
        with _clock(spent, "search"):
            catalog.neighbours(found, NEIGHBOURS)
    if inspector is not None:
        listings = [Listing(id=name, photos=[data]) for name, data in photos.items()]
        with _clock(spent, "verdict"):
            results = list(inspector.stream(listings))
    difference = np.abs(np.concatenate([part.vectors for part in rows]) - found.vectors).max()
    return spent, float(difference), [result for result in results if isinstance(result, Failure)]


@contextlib.contextmanager
def _clock(spent: dict[str, list[float]], stage: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    took = spent.setdefault(stage, [0.0, 0.0])
    took[0] += time.perf_counter() - wall
    took[1] += time.process_time() - processor


def figures(rounds: list[dict[str, list[float]]], photos: int) -> dict[str, dict[str, float]]:
    """Of each stage the median, least and most over rounds, by the photo; JSON's names."""
    found = {}
    for stage in rounds[0]:
        wall, processor = zip(*([took / photos for took in spent[stage]] for spent in rounds), strict=True)
        found[stage] = {"seconds_a_photo": median(wall), "least": min(wall), "most": max(wall)}
        found[stage] |= {"processor_seconds_a_photo": median(processor), "photos_a_second": 1 / median(wall)}
    return found
