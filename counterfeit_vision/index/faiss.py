"""The default index: FAISS flat inner product, exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import Floats, Ints
from .base import check_held_keys, check_new_keys, check_vectors

__all__ = ["FaissIndex"]

CHUNK = 1024  # queries a call

# faiss-cpu >= 1.14.2 multiplies matrices from 128,000 queries x dimensions on and loops over single queries below, 5
# to 20 times slower each (its pull request 5022). That setting is the whole process's: we leave it alone and pad the
# batch, from this share of a full one on. Measured at 512 dimensions, where 250 queries are a full one: padding 100,000
# vectors' queries pays from 12 on (Sapphire Rapids) or 33 (Zen 4); 1,000 vectors' from 64, but all of that is 2 ms.
_WORTH_PADDING = 1 / 8


class FaissIndex:
    """FAISS ``IndexFlatIP`` under our keys. See :class:`counterfeit_vision.index.base.Index`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._index: Any = self._faiss.IndexIDMap2(self._faiss.IndexFlatIP(dim))
        self._keys: set[int] = set()

    @property
    def _faiss(self) -> Any:
        """The module. It is no part of us: a module can't be sent to another process, an index can."""
        import torch  # noqa: F401  two OpenMP runtimes: torch's must be loaded first (macOS aborts otherwise)

        import faiss  # isort: skip

        return faiss

    def add(self, keys: Ints, vectors: Floats) -> None:
        """See :meth:`counterfeit_vision.index.base.Index.add`."""
        vectors = check_vectors(vectors, self.dim, "vectors")
        keys = check_new_keys(keys, len(vectors), self._keys)
        self._index.add_with_ids(vectors, keys)
        self._keys.update(keys.tolist())

    def remove(self, keys: Ints) -> None:
        """See :meth:`counterfeit_vision.index.base.Index.remove`."""
        keys = check_held_keys(keys, self._keys)
        self._index.remove_ids(self._faiss.IDSelectorBatch(keys))
        self._keys.difference_update(keys.tolist())

    def search(self, queries: Floats, k: int, allowed: Ints | None = None) -> tuple[Ints, Floats]:
        """See :meth:`counterfeit_vision.index.base.Index.search`."""
        queries = check_vectors(queries, self.dim, "queries")
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if not k:
            return keys, scores
        options = {}
        if allowed is not None:
            selector = self._faiss.IDSelectorBatch(np.ascontiguousarray(allowed, np.int64))
            options["params"] = self._faiss.SearchParameters(sel=selector)
        for start in range(0, len(queries), CHUNK):
            part = queries[start : start + CHUNK]
            found = self._index.search(part if options else self._padded(part), k, **options)
            scores[start : start + CHUNK], keys[start : start + CHUNK] = (rows[: len(part)] for rows in found)
        scores[keys < 0] = -np.inf
        return keys, scores

    def _padded(self, queries: Floats) -> Floats:
        """``queries``, repeated up to FAISS's quick regime where that costs less than the slow one."""
        full = -(-self._faiss.cvar.distance_compute_blas_threshold // self.dim)  # older ones: 20 queries, so 1 here
        return np.resize(queries, (full, self.dim)) if full * _WORTH_PADDING <= len(queries) < full else queries

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<FaissIndex {len(self)} x {self.dim}, flat>"
