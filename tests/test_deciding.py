"""Verdicts in several threads: none waits for another's."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from counterfeit_vision.deciding import _Ranked


def test_the_photo_that_decides_is_found_while_another_thread_looks_for_that_of_its_listing() -> None:
    """On Python 3.11 a ``cached_property`` has one lock for all listings, which a forked process never gets."""
    begun, end = threading.Event(), threading.Event()

    class Slow(np.ndarray):
        def any(self, *args: object, **options: object) -> bool:  # type: ignore[override]
            begun.set()
            end.wait(timeout=30)
            return True

    two = np.ones(2, bool)
    ranked = _Ranked(
        judged=[],
        scores=np.zeros((2, 1)),
        kinds=["", ""],
        strata=["", ""],
        merged=np.array([0.0, 1.0]),
        each=np.array([0.5, 0.1]),
        claims_p=np.ones((2, 1)),
        strength=np.zeros((2, 1)),
        once=np.arange(2),
        marked=two,
        known=two,
        own=two,
    )
    slow = dataclasses.replace(ranked, own=two.view(Slow))
    with ThreadPoolExecutor(2) as pool:
        try:
            late = pool.submit(lambda: (slow.surest, slow.worst))
            assert begun.wait(timeout=30)
            assert pool.submit(lambda: (ranked.surest, ranked.worst)).result(timeout=10) == (1, 1)
        finally:
            end.set()
        assert late.result(timeout=30) == (1, 1)
