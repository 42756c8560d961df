"""The nearest of 100,000 vectors: our two exact indexes beside FAISS as it comes and FAISS with its setting lowered.

    python benchmarks/search.py            # --quick: 20,000 vectors; --check: the answers only

Vectors are seeded, unit, of 512 dimensions: 4,000 clusters in a cone, as CLIP's are, and spread evenly, which is the
worst case for an index. Checked against float64 brute force. A time is that of one query in a batch.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import rounds
import torch

from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.index.faiss import FaissIndex

DIMENSIONS, K = 512, 10


def vectors(kind: str, count: int, asked: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, D) held and (asked, D) asked, float32, unit length."""
    random = np.random.default_rng(0)
    drawn = random.standard_normal((count + asked, DIMENSIONS), dtype=np.float32)
    if kind == "like CLIP's":  # two of different clusters: cosine 0.3; of the same: 0.9
        centres = random.standard_normal((4_000, DIMENSIONS), dtype=np.float32)
        drawn = centres[random.integers(0, len(centres), len(drawn))] + 0.4 * drawn + 0.7 * drawn[:1] / drawn[:1].std()
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn[:count], drawn[count:]


def check(index: Any, held: np.ndarray, asked: np.ndarray, name: str) -> dict[str, float]:
    """Recall and score error against float64 over all vectors."""
    exact = asked.astype(np.float64) @ held.T.astype(np.float64)
    best = -np.sort(-exact, axis=1)[:, :K]
    keys, scores = index.search(asked, K)
    found = np.take_along_axis(exact, keys, axis=1)
    recall = float((found >= best[:, -1:] - 1e-6).mean())  # a tie within float32 counts as found
    error = float(np.abs(scores - best).max())
    rounds.demand(recall == 1 and error < 1e-5, f"{name}: recall {recall}, scores off by {error}")
    return {"recall": recall, "score error": error}


def tuned(search: Callable[..., Any], faiss: Any, *arguments: Any) -> Any:
    """FAISS with matrix products from 8 queries on: what a user gets who knows of the setting."""
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 8 * DIMENSIONS
    try:
        return search(*arguments)
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def main() -> None:
    chosen = rounds.options(__doc__)
    count = 20_000 if chosen.quick else 100_000
    faiss = importlib.import_module("faiss")  # after torch, which has to load its OpenMP first
    faiss.omp_set_num_threads(torch.get_num_threads())
    result: dict[str, Any] = {"vectors": count, "dimensions": DIMENSIONS, "k": K, "check": {}, "rounds": {}}
    for kind in ("like CLIP's", "evenly spread"):
        held, asked = vectors(kind, count, 512)
        ours: dict[str, Any] = {
            "FaissIndex": FaissIndex(DIMENSIONS),
            "ExactIndex, float32 scan": ExactIndex(DIMENSIONS, device=chosen.device, scan=torch.float32),
            "ExactIndex, bfloat16 scan": ExactIndex(DIMENSIONS, device=chosen.device, scan=torch.bfloat16),
        }
        for name, index in ours.items():
            index.add(np.arange(count), held)
            result["check"][f"{name}, {kind}"] = check(index, held, asked[:64], name)
        if chosen.check:
            continue
        plain = faiss.IndexFlatIP(DIMENSIONS)
        plain.add(held)
        for batch in (1, 64, 512):
            part = asked[:batch]
            ways = {
                "FAISS IndexFlatIP": functools.partial(plain.search, part, K),
                "FAISS IndexFlatIP, setting lowered": functools.partial(tuned, plain.search, faiss, part, K),
                **{name: functools.partial(index.search, part, K) for name, index in ours.items()},
            }
            title = f"{kind}, batch {batch}"
            result["rounds"][title] = rounds.paired(
                ways, items=batch, rounds=2 if chosen.quick else 7, device=chosen.device
            )
    rounds.give("search", result, chosen)


if __name__ == "__main__":
    main()
