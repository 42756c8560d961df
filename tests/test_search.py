"""Indexes against brute force."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from vectors import unit

from counterfeit_vision.errors import InputError
from counterfeit_vision.index import exact as exact_module
from counterfeit_vision.index.base import Index
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.index.faiss import CHUNK, FaissIndex
from counterfeit_vision.testing import check_index

INDEXES = [ExactIndex, FaissIndex]


def vectors(count: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


# --- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_index", INDEXES)
def test_an_index_keeps_the_contract(make_index: Callable[[int], Index]) -> None:
    check_index(make_index)
    assert isinstance(make_index(4), Index)


class UnfilteredFirst(ExactIndex):
    """Filters after the search: rows come short."""

    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k)
        if allowed is not None:
            out = ~np.isin(keys, allowed)
            keys[out], scores[out] = -1, -np.inf
            order = np.argsort(-scores, axis=1, kind="stable")
            keys, scores = np.take_along_axis(keys, order, 1), np.take_along_axis(scores, order, 1)
        return keys, scores


class IgnoresFilter(ExactIndex):
    def search(self, queries, k, allowed=None):
        return super().search(queries, k)


class PadsWithZero(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        keys[keys < 0] = 0
        return keys, scores


class PadsScoresWithZero(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        scores[keys < 0] = 0
        return keys, scores


class WorstFirst(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        filled = int((keys[:1] >= 0).sum())
        keys[:, :filled], scores[:, :filled] = keys[:, :filled][:, ::-1], scores[:, :filled][:, ::-1]
        return keys, scores


class Distances(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        return keys, scores - 1


class MissesTheBest(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k + 1, allowed)
        return keys[:, 1:], scores[:, 1:]


class NarrowKeys(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        return keys.astype(np.int32), scores


class WideScores(ExactIndex):
    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        return keys, scores.astype(np.float64)


class TrimsShortRows(ExactIndex):
    def search(self, queries, k, allowed=None):
        return super().search(queries, min(k, len(self)), allowed)


class Overwrites(ExactIndex):
    def add(self, keys, vectors):
        known = np.intersect1d(keys, self._keys)
        super().remove(known)
        super().add(keys, vectors)


class AddsBeforeItLooks(ExactIndex):
    def add(self, keys, vectors):
        for key, vector in zip(keys, vectors, strict=True):
            super().add(np.array([key]), vector[None])


class ForgetsNothing(ExactIndex):
    def remove(self, keys):
        pass


class RemovesWhatItFinds(ExactIndex):
    def remove(self, keys):
        super().remove(np.intersect1d(keys, self._keys))


class TakesNaN(ExactIndex):
    def add(self, keys, vectors):
        super().add(keys, np.nan_to_num(vectors))


class RaisesValueError(ExactIndex):
    def add(self, keys, vectors):
        try:
            super().add(keys, vectors)
        except InputError as error:
            raise ValueError(str(error)) from None


class OneThread(ExactIndex):
    """As one in a database: a connection of sqlite3 serves the thread that opened it."""

    def __init__(self, dim):
        super().__init__(dim)
        self.opened_in = threading.get_ident()

    def search(self, queries, k, allowed=None):
        if threading.get_ident() != self.opened_in:
            raise RuntimeError("opened in another thread")
        return super().search(queries, k, allowed)


class OneAnswer(ExactIndex):
    """Every answer of a size lies in the same arrays."""

    def __init__(self, dim):
        super().__init__(dim)
        self.answers = {}

    def search(self, queries, k, allowed=None):
        found = super().search(queries, k, allowed)
        mine = self.answers.setdefault((len(queries), k), found)
        for array, new in zip(mine, found, strict=True):
            array[:] = new
        return mine


class Counts(ExactIndex):
    """``len`` never goes down."""

    def __init__(self, dim):
        super().__init__(dim)
        self.added = 0

    def add(self, keys, vectors):
        super().add(keys, vectors)
        self.added += len(keys)

    def __len__(self):
        return self.added


SHARED = ExactIndex(16)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (UnfilteredFirst, "a quarter allowed: .* results, expected"),
        (IgnoresFilter, "a quarter allowed: key .* is not held or allowed"),
        (PadsWithZero, "an empty index: "),
        (PadsScoresWithZero, "padding scores"),
        (WorstFirst, "best first"),
        (Distances, "its inner product is"),
        (MissesTheBest, "of the .* best were found"),
        (NarrowKeys, "keys are int32"),
        (WideScores, "scores are float64"),
        (TrimsShortRows, "an empty index: keys have shape"),
        (Overwrites, "a key that is held raises nothing"),
        (AddsBeforeItLooks, "a key that is held is refused, but changes len.. from 150 to 151"),
        (ForgetsNothing, "a key that is not held raises nothing"),
        (RemovesWhatItFinds, "a key that is not held raises nothing"),
        (TakesNaN, "NaN raises nothing"),
        (RaisesValueError, "raises ValueError, expected InputError"),
        (OneThread, "4 threads that search at once: RuntimeError: opened in another"),
        (OneAnswer, "4 threads that search at once: "),
        (Counts, "70 of 150 were removed, len.. is 150"),
        (lambda dim: SHARED, "share their vectors"),
    ],
)
def test_check_index_names_what_is_broken(fault: Callable[[int], Index], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_index(fault)


def test_check_index_names_what_is_missing() -> None:
    with pytest.raises(AssertionError, match=r"is no object with add\(\), remove\(\), search\(\) and len\(\)"):
        check_index(lambda dim: {})  # type: ignore[arg-type, return-value]


class Approximate(ExactIndex):
    """Finds all but the best for every tenth query; where that is nothing, the best."""

    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        for row in range(0, len(keys), 10):
            if k > 1 and keys[row, 1] >= 0:
                keys[row, :-1], scores[row, :-1] = keys[row, 1:], scores[row, 1:]
                keys[row, -1], scores[row, -1] = -1, -np.inf
        return keys, scores


class EmptyBucket(ExactIndex):
    """Finds nothing for some queries."""

    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        empty = (np.abs(queries[:, 0]) * 1e4).astype(int) % 12 == 0
        keys[empty], scores[empty] = -1, -np.inf
        return keys, scores


def test_check_index_takes_a_stated_recall() -> None:
    check_index(Approximate, recall=0.85)
    with pytest.raises(AssertionError):
        check_index(Approximate)
    with pytest.raises(AssertionError, match="nothing was found for a query, of 150 that may be"):
        check_index(EmptyBucket, recall=0.85)


def test_check_index_lets_ties_fall_either_way() -> None:
    class LastOfTies(ExactIndex):
        def search(self, queries, k, allowed=None):
            order = np.argsort(-self._keys)
            turned = LastOfTies(self.dim)
            turned.add(self._keys[order], self._vectors.numpy()[order])
            return ExactIndex.search(turned, queries, k, allowed)

    check_index(LastOfTies)


# --- the exact index against brute force -----------------------------------------------------------------------------

SCANS = [torch.float32, torch.bfloat16]


def slow_search(held, queries, k, rows):
    """In float64 over all of them, scores rounded to float32, ties in the order of adding."""
    scores = (queries[:, None].astype(np.float64) * held[rows]).sum(-1).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows[order], np.take_along_axis(scores, order, 1)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300),
    dim=st.integers(1, 70),
    k=st.integers(1, 90),
    asked=st.integers(1, 9),
    kind=st.sampled_from(["spread", "close", "copies", "not unit"]),
    scan=st.sampled_from(SCANS),
    filtered=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_exact_is_brute_force_with_its_ties(count, dim, k, asked, kind, scan, filtered, seed) -> None:
    random = np.random.default_rng(seed)
    held = unit(random.standard_normal((count, dim)))
    if kind == "close":  # closer together than bfloat16 can tell
        held = unit(held[:1] + 1e-4 * held)
    elif kind == "copies":
        held = held[random.integers(0, max(1, count // 40), count)]
    elif kind == "not unit":
        held = held * random.uniform(0, 30, (count, 1)).astype(np.float32)
    queries = unit(held[random.integers(0, count, asked)] + 1e-3 * random.standard_normal((asked, dim)))
    rows = np.flatnonzero(random.random(count) < 0.6) if filtered else np.arange(count)
    keys = random.permutation(count).astype(np.int64)  # the order of adding is not that of the keys
    index = ExactIndex(dim, scan=scan)
    index.add(keys, held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_module, "QUERIES", 4)
        patch.setattr(exact_module, "ROWS", 50)
        patch.setattr(exact_module, "SPARE", 3)
        patch.setattr(exact_module, "RESCORED", 500)
        found, scores = index.search(queries, k, keys[rows] if filtered else None)
    best, expected = slow_search(held, queries, k, rows)
    width = min(k, len(rows))
    np.testing.assert_allclose(scores[:, :width], expected, rtol=2e-7, atol=1e-30)  # float64 sums differ in their order
    np.testing.assert_array_equal(np.sort(found[:, :width]), np.sort(keys[best]), err_msg=f"{width} of {len(rows)}")
    same = (scores[:, :width] == expected).all(axis=1)
    np.testing.assert_array_equal(found[same, :width], keys[best][same])
    assert (found[:, width:] == -1).all()


@pytest.mark.parametrize("scan", SCANS)
def test_of_equal_scores_the_one_added_first_comes_first(scan: torch.dtype) -> None:
    index = ExactIndex(16, scan=scan)
    twins = np.repeat(vectors(3, 16), 100, axis=0)  # more copies than there are spare candidates
    index.add(np.arange(300)[::-1], twins)
    keys, scores = index.search(twins[[150]], 30)
    np.testing.assert_array_equal(keys[0], np.arange(299, -1, -1)[100:130])
    assert len(set(scores[0].tolist())) == 1
    index.remove(np.array([199, 198]))
    np.testing.assert_array_equal(index.search(twins[[150]], 2)[0], [[197, 196]])


@pytest.mark.parametrize(("like", "scans"), [(8, 2), (30, 2 + 20)])
def test_queries_with_too_few_candidates_are_scanned_together_for_more(
    like: int, scans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_module, "SPARE", 1)
    held = np.repeat(vectors(20, 32), like, axis=0)  # clusters, closer than bfloat16 can tell
    held = unit(held + 1e-4 * vectors(len(held), 32, seed=1))
    index = ExactIndex(32, scan=torch.bfloat16)
    index.add(np.arange(len(held)), held)
    parts, seen = index._parts, []
    monkeypatch.setattr(index, "_parts", lambda among: [seen.append(1), *parts(among)][1:])
    keys, scores = index.search(held[::like], 5)
    best, expected = slow_search(held, held[::like], 5, np.arange(len(held)))
    np.testing.assert_array_equal(keys, best)
    np.testing.assert_allclose(scores, expected, rtol=2e-7)
    assert len(seen) == scans
    keys, _ = index.search(held[like::like], 5, np.arange(like, len(held)))  # without the first cluster
    np.testing.assert_array_equal(keys, best[1:])


class Calls(TorchFunctionMode):
    """Counts what torch is asked to do: on a GPU, each takes microseconds to start."""

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("dim", "rescored"), [(1, 10), (7, 500), (512, 200_000), (768, 4_000_000)])
def test_a_gpu_scores_the_candidates_of_many_queries_at_once(
    dim: int, rescored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_module, "RESCORED", rescored)
    random = np.random.default_rng(0)
    index = ExactIndex(dim)
    index.add(np.arange(900), vectors(900, dim))
    queries = torch.from_numpy(vectors(200, dim, seed=1))
    rows = torch.from_numpy(np.stack([random.choice(900, 64, replace=False) for _ in queries]))
    expected = index._ranked(queries, rows, 10)
    index.device = torch.device("cuda")
    with Calls() as asked:
        found = index._ranked(queries, rows, 10)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert dim < 100 or asked.count < 500, "a call or more for each query"


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_the_nearest_are_found_however_loosely_torch_may_multiply(precision: str) -> None:
    random = np.random.default_rng(0)
    close = random.standard_normal(256) + 0.03 * random.standard_normal((6000, 256))
    held = (close / np.linalg.norm(close, axis=1, keepdims=True)).astype(np.float32)
    queries = held[:40] + 0.001 * random.standard_normal((40, 256)).astype(np.float32)
    index = ExactIndex(256, scan=torch.float32)
    index.add(np.arange(6000), held)
    expected = index.search(queries, 5)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        found = index.search(queries, 5)
    finally:
        torch.set_float32_matmul_precision(before)
    for rows, others in zip(found, expected, strict=True):
        np.testing.assert_array_equal(rows, others)


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("dim", [1, 3, 48, 512, 1280])
@pytest.mark.parametrize("asked", [1, 2, 64])
def test_no_scanned_score_is_off_by_more_than_the_slack(scan: torch.dtype, dim: int, asked: int) -> None:
    random = np.random.default_rng(dim + asked)
    held = random.standard_normal((700, dim)).astype(np.float32) * 3
    queries = torch.from_numpy(random.standard_normal((asked, dim)).astype(np.float32))
    queries[0] = torch.from_numpy(held[0])
    index = ExactIndex(dim, scan=scan)
    index.add(np.arange(700), held)
    scanned = (queries.to(scan) @ index._scanned.T).double()
    exact = queries.double() @ torch.from_numpy(held).double().T
    slack = index._slack(queries, queries.to(scan)).double()[:, None]
    assert ((scanned - exact).abs() <= slack).all()
    assert (slack < 0.02 * queries.norm(dim=1, keepdim=True) * np.linalg.norm(held, axis=1).max()).all()


@pytest.mark.parametrize("scan", SCANS)
def test_the_slack_is_that_of_the_longest_vector_however_short_the_last_is(scan: torch.dtype) -> None:
    held = 3 * np.random.default_rng(0).standard_normal((2, 48)).astype(np.float32)
    queries = torch.from_numpy(held)
    index, alone = ExactIndex(48, scan=scan), ExactIndex(48, scan=scan)
    alone.add(np.arange(2), held)
    for key, vector in enumerate([*held, np.zeros(48, np.float32)]):
        index.add(np.array([key]), vector[None])
    assert torch.equal(*(one._slack(queries, queries.to(scan)) for one in (index, alone)))


def test_the_second_scan_is_rare_on_vectors_like_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    held = unit(random.standard_normal((400, 128))[random.integers(0, 400, 20_000)] + vectors(20_000, 128) + 0.5)
    index = ExactIndex(128, scan=torch.bfloat16)
    index.add(np.arange(20_000), held)
    looked = []
    ranked = index._ranked
    monkeypatch.setattr(index, "_ranked", lambda queries, *rest: looked.append(len(queries)) or ranked(queries, *rest))
    index.search(unit(held[:200] + 0.02 * random.standard_normal((200, 128))), 10)
    assert looked[0] == 200
    assert len(looked) - 1 <= 20, f"{len(looked) - 1} of 200 queries were scanned twice"


@pytest.mark.parametrize("make_index", INDEXES)
def test_none_may_be_asked_for(make_index: Callable[[int], Index]) -> None:
    index = make_index(8)
    index.add(np.arange(3), vectors(3))
    keys, scores = index.search(vectors(2), 0)
    assert keys.shape == scores.shape == (2, 0)


# --- one by one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [8, 512, 768, 1280])  # 768 does not divide what FAISS asks for
@pytest.mark.parametrize("asked", [0, 1, 31, 32, 64, 249, 250, 1030])
def test_faiss_is_asked_in_its_quick_regime_and_answers_the_same(
    dim: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = FaissIndex(dim)
    index.add(np.arange(60), vectors(60, dim))
    queries = vectors(asked, dim, seed=3)
    given: list[int] = []
    plain = index._index.search
    monkeypatch.setattr(index._index, "search", lambda part, k, **o: given.append(len(part)) or plain(part, k, **o))
    keys, scores = index.search(queries, 5)
    full = -(-index._faiss.cvar.distance_compute_blas_threshold // dim)
    assert all(number >= full or number < full / 8 for number in given)
    best, expected = slow_search(vectors(60, dim), queries, 5, np.arange(60))
    np.testing.assert_array_equal(keys, best.reshape(-1, 5))
    np.testing.assert_allclose(scores, expected.reshape(-1, 5), atol=1e-5)
    before = len(given)
    index.search(queries, 5, np.arange(9))
    assert sum(given[before:]) == asked  # a filtered search has no quick regime to be padded for


@pytest.mark.parametrize("make_index", INDEXES)
@pytest.mark.parametrize("queries", [1, 249, 251, CHUNK + 1])
def test_any_number_of_queries_gives_the_same_rows(make_index: Callable[[int], Index], queries: int) -> None:
    index = make_index(8)
    index.add(np.arange(50), vectors(50))
    asked = vectors(queries, seed=1)
    keys, scores = index.search(asked, 3)
    expected = np.sort(asked @ vectors(50).T, axis=1)[:, :-4:-1]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert keys.shape == (queries, 3)


def test_faiss_and_the_reference_agree() -> None:
    exact, faiss = ExactIndex(32), FaissIndex(32)
    for index in (exact, faiss):
        index.add(np.arange(500) * 3, vectors(500, 32))
    allowed = np.arange(0, 1500, 6)
    for options in ({}, {"allowed": allowed}):
        (_, a), (_, b) = (index.search(vectors(40, 32, seed=2), 7, **options) for index in (exact, faiss))
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("make_index", INDEXES)
def test_messages_name_the_row_the_key_and_both_shapes(make_index: Callable[[int], Index]) -> None:
    index = make_index(8)
    index.add(np.array([4]), vectors(1))
    nan = vectors(3)
    nan[2, 0] = np.nan
    with pytest.raises(InputError, match="row 2 holds NaN"):
        index.add(np.array([1, 2, 3]), nan)
    with pytest.raises(InputError, match="key 4 is in the index already"):
        index.add(np.array([4]), vectors(1))
    with pytest.raises(InputError, match=r"queries have shape \(1, 9\), the index holds \(N, 8\)"):
        index.search(vectors(1, 9), 1)
    with pytest.raises(InputError, match="key 7 is not in the index"):
        index.remove(np.array([7]))


@pytest.mark.parametrize("make_index", INDEXES)
def test_an_index_describes_itself(make_index: Callable[[int], Index]) -> None:
    index = make_index(8)
    index.add(np.arange(3), vectors(3))
    assert "3 x 8" in repr(index)
