"""Indexes against brute force, and patch tokens: what packing loses, and late interaction against a slow twin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from counterfeit_vision.errors import InputError
from counterfeit_vision.search.base import Index
from counterfeit_vision.search.exact import ExactIndex
from counterfeit_vision.search.faiss import CHUNK, FaissIndex
from counterfeit_vision.search.late import best_matches, specific_likeness
from counterfeit_vision.search.tokens import DIMENSIONS, LEVELS, PackedTokens, TokenSpace
from counterfeit_vision.testing import check_index

INDEXES = [ExactIndex, FaissIndex]


def unit(array: np.ndarray) -> np.ndarray:
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


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
        (Counts, "70 of 150 were removed, len.. is 150"),
        (lambda dim: SHARED, "share their vectors"),
    ],
)
def test_check_index_names_what_is_broken(fault: Callable[[int], Index], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_index(fault)


class Approximate(ExactIndex):
    """Finds all but the best for every tenth query."""

    def search(self, queries, k, allowed=None):
        keys, scores = super().search(queries, k, allowed)
        if k > 1:
            keys[::10, :-1], scores[::10, :-1] = keys[::10, 1:], scores[::10, 1:]
            keys[::10, -1], scores[::10, -1] = -1, -np.inf
        return keys, scores


def test_check_index_takes_a_stated_recall() -> None:
    check_index(Approximate, recall=0.85)
    with pytest.raises(AssertionError):
        check_index(Approximate)


def test_check_index_lets_ties_fall_either_way() -> None:
    class LastOfTies(ExactIndex):
        def search(self, queries, k, allowed=None):
            order = np.argsort(-self._keys)
            self._keys, self._vectors = self._keys[order], self._vectors[order.tolist()]
            return super().search(queries, k, allowed)

    check_index(LastOfTies)


# --- one by one ------------------------------------------------------------------------------------------------------


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


# --- tokens ----------------------------------------------------------------------------------------------------------


def raw_tokens(photos: int, patches: int, width: int, seed: int = 0) -> np.ndarray:
    """Tokens like a transformer's: a few dimensions dwarf the rest, and there is a common part."""
    random = np.random.default_rng(seed)
    tokens = random.standard_normal((photos, patches, width)) + random.standard_normal(width)
    return (tokens * np.where(np.arange(width) % 17 == 0, 40, 1)).astype(np.float16)


@pytest.mark.parametrize("width", [10, 64, 201])
def test_packing_moves_no_value_by_more_than_half_a_step(width: int) -> None:
    tokens = raw_tokens(6, 25, width)
    space = TokenSpace.fit(tokens)
    packed, projected = space.pack(tokens), space.project(tokens).astype(np.float32)
    codes = np.stack([packed.codes & 15, packed.codes >> 4], axis=-1).reshape(projected.shape).astype(int) - 8
    assert np.abs(codes).max() <= LEVELS
    scales = packed.scales.astype(np.float32)[..., None]
    error = np.abs(codes * scales - projected)
    assert (error <= scales * (0.5 + LEVELS * 2**-11) + 1e-6).all()  # the scale itself is rounded to float16


@pytest.mark.parametrize(("width", "bound"), [(10, 0.99), (64, 0.95), (201, 0.92)])
def test_unpacked_tokens_point_where_projected_ones_do(width: int, bound: float) -> None:
    tokens = raw_tokens(6, 25, width)
    space = TokenSpace.fit(tokens)
    projected = space.project(tokens).astype(np.float32)
    unpacked = space.pack(tokens).unpack(slice(None)).astype(np.float32)
    assert unpacked.shape == (6, 25, min(DIMENSIONS, width // 2 * 2))
    np.testing.assert_allclose(np.linalg.norm(unpacked, axis=-1), 1, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=-1), 1, atol=2e-3)
    assert (unpacked * projected).sum(-1).min() >= bound


def test_unpacking_some_rows_gives_those_rows() -> None:
    space = TokenSpace.fit(tokens := raw_tokens(5, 9, 20))
    packed = space.pack(tokens)
    assert len(packed) == 5
    everything = packed.unpack(slice(None))
    assert everything.dtype == np.float16
    np.testing.assert_array_equal(packed.unpack(np.array([3, 0])), everything[[3, 0]])


def test_196_tokens_of_a_vit_take_at_most_16_kb() -> None:
    tokens = raw_tokens(2, 196, 200)  # cut to DIMENSIONS, as 768 are
    packed = TokenSpace.fit(tokens).pack(tokens)
    assert packed.codes[0].nbytes + packed.scales[0].nbytes <= 16_384
    assert packed.codes.shape == (2, 196, DIMENSIONS // 2)


def test_the_space_is_orthonormal_and_the_same_each_time() -> None:
    tokens = raw_tokens(4, 30, 24)
    space, again = TokenSpace.fit(tokens), TokenSpace.fit(tokens)
    np.testing.assert_allclose(space.basis.T @ space.basis, np.eye(24), atol=1e-5)
    np.testing.assert_array_equal(space.basis, again.basis)
    np.testing.assert_array_equal(space.scale, again.scale)
    assert space.basis.dtype == space.scale.dtype == np.float32


@pytest.mark.parametrize("photos", [1, 3])
def test_tokens_that_never_vary_pack_to_finite_unit_vectors(photos: int) -> None:
    tokens = np.ones((photos, 4, 6), np.float16)
    unpacked = TokenSpace.fit(tokens).pack(tokens).unpack(slice(None))
    assert np.isfinite(unpacked).all()
    np.testing.assert_allclose(np.linalg.norm(unpacked.astype(float), axis=-1), 1, atol=2e-3)


def test_zero_codes_unpack_to_zeros_and_not_nan() -> None:
    packed = PackedTokens(np.full((1, 2, 3), 0x88, np.uint8), np.ones((1, 2), np.float16))
    np.testing.assert_array_equal(packed.unpack(slice(None)), np.zeros((1, 2, 6), np.float16))


# --- late interaction ------------------------------------------------------------------------------------------------


def slow_best_matches(query, query_mask, references, reference_masks):
    own = [patch.astype(np.float64) for patch, on in zip(query, query_mask, strict=True) if on]
    return np.array(
        [
            [
                max(float(a @ b.astype(np.float64)) for b, on in zip(reference, mask, strict=True) if on)
                for reference, mask in zip(references, reference_masks, strict=True)
            ]
            for a in own
        ]
    )


@pytest.mark.parametrize("masked", ["none", "query", "references", "both", "one patch each"])
@pytest.mark.parametrize(("patches", "others"), [(7, 7), (8, 5), (1, 6), (5, 15)])
def test_best_matches_are_those_of_the_slow_twin(masked: str, patches: int, others: int) -> None:
    random = np.random.default_rng(patches + others)
    query = unit(random.standard_normal((patches, 6))).astype(np.float16)
    references = unit(random.standard_normal((4, others, 6))).astype(np.float16)
    query_mask = np.ones(patches, bool)
    masks = np.ones((4, others), bool)
    if masked in ("query", "both"):
        query_mask[1::2] = False
    if masked in ("references", "both"):
        masks[random.random(masks.shape) < 0.4] = False
        masks[:, 0] = True
    if masked == "one patch each":
        query_mask[1:], masks[:, 1:] = False, False
    before = query.copy(), references.copy(), query_mask.copy(), masks.copy()
    best = best_matches(query, query_mask, references, masks)
    np.testing.assert_allclose(best, slow_best_matches(query, query_mask, references, masks), atol=1e-5)
    assert best.dtype == np.float32
    assert best.shape == (query_mask.sum(), 4)
    for array, old in zip((query, references, query_mask, masks), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_what_lies_under_a_mask_has_no_say() -> None:
    random = np.random.default_rng(1)
    query = unit(random.standard_normal((6, 8))).astype(np.float16)
    reference = unit(random.standard_normal((1, 6, 8))).astype(np.float16)
    mask, masks = np.array([True] * 4 + [False] * 2), np.array([[True] * 3 + [False] * 3])
    before = best_matches(query, mask, reference, masks)
    query[4:], reference[0, 3:] = 1, 1
    np.testing.assert_array_equal(best_matches(query, mask, reference, masks), before)


def slow_specific_likeness(best, cohort, unlike):
    scores = []
    for column in range(best.shape[1]):
        total = 0.0
        for patch in range(len(best)):
            others = [float(cohort[patch, c]) for c in range(cohort.shape[1]) if unlike[column, c]]
            usual = sum(others) / len(others) if others else 0.0
            total += max(float(best[patch, column]) - usual, 0.0) ** 2
        scores.append((total / len(best)) ** 0.5)
    return np.array(scores)


@pytest.mark.parametrize("cohort", [1, 5])
def test_specific_likeness_is_its_slow_twin(cohort: int) -> None:
    random = np.random.default_rng(cohort)
    best = random.uniform(-1, 1, (9, 6)).astype(np.float32)
    others = random.uniform(-1, 1, (9, cohort)).astype(np.float32)
    unlike = random.random((6, cohort)) < 0.6
    unlike[0], unlike[1] = False, True  # one with nothing to compare with, one with all
    scores = specific_likeness(best, others, unlike)
    np.testing.assert_allclose(scores, slow_specific_likeness(best, others, unlike), atol=1e-6)
    assert scores.dtype == np.float32


def test_what_matches_everywhere_alike_says_nothing() -> None:
    best = np.array([[0.9, 0.9], [0.9, 0.2]], np.float32)  # the second patch is found in the first reference only
    cohort = np.array([[0.9], [0.2]], np.float32)
    first, second = specific_likeness(best, cohort, np.ones((2, 1), bool))
    assert first == pytest.approx(0.7 / 2**0.5)
    assert second == pytest.approx(0, abs=1e-6)
