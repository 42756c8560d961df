"""What is learned of a product's genuine photos, kept on disk.

Learning takes ten times as long as judging a photo by it; a process that starts anew knows none of it, and of a large
catalogue only a part fits in memory. So it goes into the cache of embeddings, by all that decides it: the photos, what
is said of them, and this package's code.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from .cache import CachedPhoto, EmbeddingCache
from .errors import InputError
from .packing import pack, unpack

__all__ = ["Memory"]

Known = TypeVar("Known")
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Memory:
    """Of the photos whose ``sha256`` this is, in the cache that ``open_cache`` opens; ``None`` keeps nothing."""

    open_cache: Callable[[], EmbeddingCache] | None
    sha256: str

    def __call__(self, name: str, kinds: Sequence[type], make: Callable[[], Known]) -> Known:
        """What ``make`` works out of the photos, or the cache knows under ``name``; ``kinds`` are the dataclasses that
        it is made of (:func:`~counterfeit_vision.packing.pack`).
        """
        if self.open_cache is None:
            return make()
        place = self.sha256, f"{name} {_code()}"
        try:
            with self.open_cache() as cache:
                kept = cache.get(*place)
        except InputError:  # no folder to keep anything in: whoever keeps embeddings there has been told
            return make()
        if kept is not None:
            with contextlib.suppress(ValueError):
                known: Known = unpack(kept.view, kinds)
                return known
        made = make()
        with self.open_cache() as cache:
            cache.put(*place, CachedPhoto(NOTHING, None, (0, 0), NOTHING, (0, 0), pack(made)))
        return made


@functools.cache
def _code() -> str:
    """The sha256 of this package's code: what another version has worked out may be something else."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
