"""The reference index: one matmul and a top-k in torch, on a CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .base import check_held_keys, check_new_keys, check_vectors

__all__ = ["ExactIndex"]


class ExactIndex:
    """All vectors in one float32 tensor. See :class:`counterfeit_vision.search.base.Index`."""

    def __init__(self, dim: int, *, device: str = "cpu") -> None:
        self.dim, self.device = dim, torch.device(device)
        self._vectors = torch.zeros((0, dim), device=self.device)
        self._keys = np.zeros(0, np.int64)

    def add(self, keys: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """See :meth:`counterfeit_vision.search.base.Index.add`."""
        vectors = check_vectors(vectors, self.dim, "vectors")
        keys = check_new_keys(keys, len(vectors), set(self._keys.tolist()))
        self._vectors = torch.cat([self._vectors, torch.from_numpy(vectors).to(self.device)])
        self._keys = np.concatenate([self._keys, keys])

    def remove(self, keys: NDArray[np.int64]) -> None:
        """See :meth:`counterfeit_vision.search.base.Index.remove`."""
        stay = ~np.isin(self._keys, check_held_keys(keys, set(self._keys.tolist())))
        self._vectors, self._keys = self._vectors[torch.from_numpy(stay).to(self.device)], self._keys[stay]

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See :meth:`counterfeit_vision.search.base.Index.search`."""
        queries = check_vectors(queries, self.dim, "queries")
        rows = np.arange(len(self._keys)) if allowed is None else np.flatnonzero(np.isin(self._keys, allowed))
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        take = min(k, len(rows))
        if take:
            held = self._vectors[torch.from_numpy(rows).to(self.device)]
            best, where = (torch.from_numpy(queries).to(self.device) @ held.T).topk(take, dim=1)
            scores[:, :take], keys[:, :take] = best.cpu().numpy(), self._keys[rows[where.cpu().numpy()]]
        return keys, scores

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<ExactIndex {len(self)} x {self.dim} on {self.device}>"
