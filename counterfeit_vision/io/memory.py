"""What is learned of a product's genuine photos, and what is said of a listing's, kept on disk.

To learn a product takes ten times as long as to judge a photo by it, a photo is judged again and again, a process that
starts anew knows nothing, and of a large catalogue only a part fits in memory. So both go into the cache of embeddings,
by all that decides them: the photos, what is claimed of them, this package's code and the libraries that it uses.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from .._version import code_sha256
from ..errors import InputError
from .cache import CachedPhoto, EmbeddingCache
from .packing import pack, unpack

__all__ = ["Memory"]

Known = TypeVar("Known")


@dataclass(frozen=True)
class Memory:
    """What is known of photos of this ``sha256``, in the cache that ``open_cache`` opens; ``None`` keeps nothing."""

    open_cache: Callable[[], AbstractContextManager[EmbeddingCache]] | None
    sha256: str

    def __call__(self, name: str, kinds: Sequence[type], make: Callable[[], Known]) -> Known:
        """What ``make`` works out of the photos, or the cache knows under ``name``; ``kinds`` are the dataclasses that
        it is made of (:func:`~counterfeit_vision.io.packing.pack`).
        """
        known: Known | None = self.get(name, kinds)
        if known is None:
            known = make()
            self.put(name, known)
        return known

    def part(self, name: str) -> Memory:
        """What is known of a part of these photos."""
        return Memory(self.open_cache, hashlib.sha256(f"{self.sha256} {name}".encode()).hexdigest())

    def get(self, name: str, kinds: Sequence[type]) -> Any:
        """What was put under ``name`` by the same code; ``None`` where nothing was."""
        # without a folder to keep anything in, nothing is known: whoever keeps embeddings there has been told
        with contextlib.suppress(InputError, ValueError):
            if self.open_cache is not None:
                with self.open_cache() as cache:
                    kept = cache.get(self.sha256, f"{name} {code_sha256()}")
                return None if kept is None else unpack(kept.view, kinds)
        return None

    def put(self, name: str, value: object) -> None:
        """Keep it, if it can be kept."""
        with contextlib.suppress(InputError):
            if self.open_cache is not None:
                packed = CachedPhoto.bare(view=pack(value))
                with self.open_cache() as cache:
                    cache.put_all(f"{name} {code_sha256()}", {self.sha256: packed})
