"""The default index: FAISS flat inner product, exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import check_held_keys, check_new_keys, check_vectors

__all__ = ["FaissIndex"]

CHUNK = (
    1024  # queries a call: below about 250 of them faiss-cpu >= 1.14.2 leaves BLAS for a loop that is 5 times slower
)


class FaissIndex:
    """FAISS ``IndexFlatIP`` under our keys. See :class:`counterfeit_vision.search.base.Index`."""

    def __init__(self, dim: int) -> None:
        import torch  # noqa: F401  two OpenMP runtimes: torch's must be loaded first (macOS aborts otherwise)

        import faiss  # isort: skip

        self.dim = dim
        self._faiss: Any = faiss
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self._keys: set[int] = set()

    def add(self, keys: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """See :meth:`counterfeit_vision.search.base.Index.add`."""
        vectors = check_vectors(vectors, self.dim, "vectors")
        keys = check_new_keys(keys, len(vectors), self._keys)
        self._index.add_with_ids(vectors, keys)
        self._keys.update(keys.tolist())

    def remove(self, keys: NDArray[np.int64]) -> None:
        """See :meth:`counterfeit_vision.search.base.Index.remove`."""
        keys = check_held_keys(keys, self._keys)
        self._index.remove_ids(self._faiss.IDSelectorBatch(keys))
        self._keys.difference_update(keys.tolist())

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See :meth:`counterfeit_vision.search.base.Index.search`."""
        queries = check_vectors(queries, self.dim, "queries")
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        options = {}
        if allowed is not None:
            selector = self._faiss.IDSelectorBatch(np.ascontiguousarray(allowed, np.int64))
            options["params"] = self._faiss.SearchParameters(sel=selector)
        for start in range(0, len(queries), CHUNK):
            part = slice(start, start + CHUNK)
            scores[part], keys[part] = self._index.search(queries[part], k, **options)
        scores[keys < 0] = -np.inf
        return keys, scores

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<FaissIndex {len(self)} x {self.dim}, flat>"
