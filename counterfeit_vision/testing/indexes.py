"""What an index must pass."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .._arrays import Doubles, Floats, Ints
from ..index.base import Index
from .promises import check_members, check_refused

__all__ = ["check_index"]

THREADS = 4  # that search an index at once


def check_index(make_index: Callable[[int], Index], *, recall: float = 1.0, tolerance: float = 1e-5) -> None:
    """Whether the indexes of ``make_index(dim)`` keep the contract of :class:`counterfeit_vision.index.base.Index`.

    - ``search`` finds what a comparison with every vector finds: keys int64 and inner products float32, best first,
      none twice. Where vectors tie, any of them will do. An approximate index states its ``recall``: the share of the
      true best that it must find; its scores must be true all the same, within ``tolerance``, and no row is empty
      where anything may be found;
    - ``allowed`` leaves exactly these keys; keys that are not held change nothing there, and none leaves nothing;
    - rows are padded with key -1 and score -inf: more wanted than held or allowed, and an empty index;
    - ``add`` and ``remove`` take effect at once, and ``len`` follows; a removed key may come back with another vector;
    - a key that is held already, comes twice or is negative, and removing one that is not held, raise
      :class:`InputError` and change nothing; so do NaN, infinity, vectors of another length, and keys that do not match
      the vectors;
    - threads that search at the same time find what one finds, and what was found stays as it is;
    - arrays that are passed in are not written to, and may be read-only.

    >>> from counterfeit_vision.index.exact import ExactIndex
    >>> check_index(ExactIndex)
    """
    random = np.random.default_rng(0)
    dim, count = 16, 150
    vectors = _unit(random.standard_normal((count, dim)))
    vectors[70:80] = vectors[60:70]  # ties
    keys = random.permutation(count).astype(np.int64) * 7 + 3
    keys[5] = 2**40  # keys are 64 bits wide
    queries = np.concatenate([_unit(random.standard_normal((20, dim))), vectors[60:65]])
    for array in (vectors, keys, queries):
        array.flags.writeable = False

    index, held = make_index(dim), dict[int, Floats]()
    check_members(index, Index, "add(), remove(), search() and len()")
    checked = _CheckedIndex(index, held, recall, tolerance)
    other = make_index(dim)
    assert len(index) == 0, f"a new index holds {len(index)} vectors"
    checked.search("an empty index", queries, 3)
    index.add(keys[:100], vectors[:100])
    index.add(keys[100:], vectors[100:])
    assert len(index) == count, f"{count} vectors were added in two parts, len() is {len(index)}"
    assert len(other) == 0, "two indexes of one make_index share their vectors"
    index.add(keys[:0], vectors[:0])
    held |= zip(keys.tolist(), vectors, strict=True)
    for k in (1, 10, count, count + 5):
        checked.search(f"k={k} of {count}", queries, k)
    checked.search("no queries", queries[:0], 3)

    some = keys[::4]
    checked.search("a quarter allowed", queries, 5, some)
    checked.search("one allowed", queries, 5, keys[5:6])
    checked.search("none allowed", queries, 5, keys[:0])
    strangers = np.concatenate([[1, 2**41], some, some[:3]]).astype(np.int64)
    checked.search("allowed with unknown and repeated keys", queries, 5, strangers)
    checked.search("all allowed, after a search with a filter", queries, 5)
    checked.search_in_threads(queries, some)

    nan, endless = vectors[:2].copy(), vectors[:2].copy()
    nan[1, 3], endless[0, 0] = np.nan, np.inf
    fresh = np.array([10_001, 10_002], np.int64)
    for what, new_keys, new_vectors in (
        ("add() of a key that is held", np.array([10_001, keys[0]]), vectors[:2]),
        ("add() of one key twice", np.array([10_001, 10_001]), vectors[:2]),
        ("add() of a negative key", np.array([10_001, -1]), vectors[:2]),
        ("add() of NaN", fresh, nan),
        ("add() of infinity", fresh, endless),
        ("add() of longer vectors", fresh, _unit(random.standard_normal((2, dim + 1)))),
        ("add() of one vector without the batch axis", fresh[:1], vectors[0]),
        ("add() of fewer keys than vectors", fresh[:1], vectors[:2]),
    ):
        check_refused(index.add, new_keys, new_vectors, what=what)
        assert len(index) == count, f"{what} is refused, but changes len() from {count} to {len(index)}"
    check_refused(index.remove, np.array([keys[0], 20_001]), what="remove() of a key that is not held")
    check_refused(index.search, nan, 3, what="search() for NaN")
    check_refused(index.search, queries[:, 1:], 3, what="search() for shorter vectors")
    check_refused(index.search, queries[0], 3, what="search() for one vector without the batch axis")
    assert len(index) == count, f"calls that were refused changed len() from {count} to {len(index)}"
    checked.search("after calls that were refused", queries, 10)

    gone = keys[40:110]
    index.remove(gone)
    for key in gone.tolist():
        del held[key]
    assert len(index) == count - len(gone), f"{len(gone)} of {count} were removed, len() is {len(index)}"
    checked.search("after remove()", queries, 10)
    checked.search("only removed keys allowed", queries, 5, gone)
    back = _unit(random.standard_normal((3, dim)))
    index.add(gone[:3], back)
    held |= zip(gone[:3].tolist(), back, strict=True)
    checked.search("removed keys added again", np.concatenate([queries, back]), 10)
    index.remove(np.array(sorted(held), np.int64))
    held.clear()
    assert len(index) == 0, f"all were removed, len() is {len(index)}"
    checked.search("everything removed", queries, 3)


def _unit(vectors: Doubles) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class _CheckedIndex:
    """An ``index``, whose searches are compared with brute force over what should be ``held``."""

    index: Index
    held: dict[int, Floats]
    recall: float
    tolerance: float

    def search(self, what: str, queries: Floats, k: int, allowed: Ints | None = None) -> None:
        """Search once."""
        passed = queries.copy()
        found = self.index.search(queries, k) if allowed is None else self.index.search(queries, k, allowed)
        assert np.array_equal(queries, passed), f"{what}: search() writes into the queries"
        self._compare(what, *found, queries, k, allowed)

    def search_in_threads(self, queries: Floats, some: Ints) -> None:
        """Search in several threads at once, with and without a filter. All is read when the last has ended."""
        searches = [(np.roll(queries, turn, axis=0), (None, some)[turn % 2]) for turn in range(5 * THREADS)]
        what = f"{THREADS} threads that search at once"
        with ThreadPoolExecutor(THREADS) as pool:
            answers = [pool.submit(self.index.search, asked, 5, allowed) for asked, allowed in searches]
        for answer in answers:
            error = answer.exception()
            assert error is None, f"{what}: {type(error).__name__}: {error}"
        for answer, (asked, allowed) in zip(answers, searches, strict=True):
            self._compare(what, *answer.result(), asked, 5, allowed)

    def _compare(self, what: str, keys: Ints, scores: Floats, queries: Floats, k: int, allowed: Ints | None) -> None:
        shape = (len(queries), k)
        assert keys.shape == shape, f"{what}: keys have shape {keys.shape}, expected {shape}"
        assert scores.shape == shape, f"{what}: scores have shape {scores.shape}, expected {shape}"
        assert keys.dtype == np.int64, f"{what}: keys are {keys.dtype}, expected int64"
        assert scores.dtype == np.float32, f"{what}: scores are {scores.dtype}, expected float32"
        candidates = sorted(set(self.held) if allowed is None else set(self.held) & set(allowed.tolist()))
        take = min(k, len(candidates))
        found, wanted = 0, 0
        for row, query in enumerate(queries):
            true = {key: float(query.astype(np.float64) @ self.held[key].astype(np.float64)) for key in candidates}
            best = sorted(true.values(), reverse=True)[:take]
            filled = int((keys[row] >= 0).sum())
            got, given = keys[row, :filled].tolist(), scores[row, :filled]
            padding = keys[row, filled:]
            assert (padding == -1).all(), f"{what}: padding {padding}, expected -1, all of it at the end"
            assert np.isneginf(scores[row, filled:]).all(), (
                f"{what}: padding scores {scores[row, filled:]}, expected -inf"
            )
            assert filled <= take, f"{what}: {filled} results, but only {take} keys qualify"
            assert filled or not take, f"{what}: nothing was found for a query, of {len(candidates)} that may be"
            assert self.recall < 1 or filled == take, f"{what}: {filled} results, expected {take}"
            assert len(set(got)) == filled, f"{what}: a key comes twice: {got}"
            assert set(got) <= set(true), (
                f"{what}: key {min(set(got) - set(true), default=None)} is not held or allowed"
            )
            assert (np.diff(given) <= self.tolerance).all(), f"{what}: scores {given} are not best first"
            for key, score in zip(got, given.tolist(), strict=True):
                gap = abs(true[key] - score)
                assert gap <= self.tolerance, f"{what}: key {key} has score {score}, its inner product is {true[key]}"
            wanted += take
            found += sum(true[key] >= best[-1] - self.tolerance for key in got) if take else 0
        assert found >= self.recall * wanted, (
            f"{what}: {found} of the {wanted} best were found, recall {self.recall} was promised"
        )
