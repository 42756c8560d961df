"""Patch tokens: what packing loses, and late interaction against a slow twin."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from vectors import unit

from counterfeit_vision.index.late_interaction import best_in, compared_tokens, specific_likeness
from counterfeit_vision.index.tokens import DIMENSIONS, LEVELS, PackedTokens, TokenSpace


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


def test_tokens_are_unpacked_as_the_slow_twin_does() -> None:
    random = np.random.default_rng(0)
    codes = np.concatenate([np.arange(256), random.integers(0, 256, 7 * 9 * 16 - 256)]).astype(np.uint8)
    packed = PackedTokens(codes.reshape(7, 9, 16), random.random((7, 9)).astype(np.float16))
    values = np.stack([packed.codes & 15, packed.codes >> 4], axis=-1).reshape(7, 9, 32).astype(np.float32) - 8
    tokens = values * packed.scales[..., None].astype(np.float32)
    expected = tokens / np.maximum(np.linalg.norm(tokens, axis=2, keepdims=True), 1e-12)
    for rows in (slice(None), np.array([2, 0, 2]), np.zeros(0, np.int64)):
        unpacked = packed.unpack(rows)
        assert unpacked.dtype == np.float16
        np.testing.assert_array_equal(unpacked, expected[rows].astype(np.float16))


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


def test_what_all_tokens_have_in_common_is_kept() -> None:
    """By how they vary alone its direction would be the last of all, and is cut off."""
    random = np.random.default_rng(0)
    tokens = (random.standard_normal((8, 49, 201)) + 3 * random.standard_normal(201)).astype(np.float16)
    space = TokenSpace.fit(tokens)
    one, other = unit(tokens[:2, 0].astype(np.float32) / space.scale)
    assert float(np.dot(*space.project(tokens[:2, 0]))) == pytest.approx(float(one @ other), abs=0.03)


@pytest.mark.parametrize("photos", [1, 3])
def test_tokens_that_never_vary_pack_to_finite_unit_vectors(photos: int) -> None:
    tokens = np.ones((photos, 4, 6), np.float16)
    unpacked = TokenSpace.fit(tokens).pack(tokens).unpack(slice(None))
    assert np.isfinite(unpacked).all()
    np.testing.assert_allclose(np.linalg.norm(unpacked.astype(float), axis=-1), 1, atol=2e-3)


@pytest.mark.parametrize("photos", [1, 64, 65, 400])
def test_packing_some_photos_at_once_gives_the_same_bytes_in_less_memory(photos: int) -> None:
    tokens = raw_tokens(photos, 49, 64)
    space = TokenSpace.fit(raw_tokens(4, 49, 64))
    tracemalloc.start()
    whole = space._packed(tokens)
    at_once = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    packed = space.pack(tokens)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for name in ("codes", "scales"):
        np.testing.assert_array_equal(getattr(packed, name), getattr(whole, name), strict=True)
    assert photos < 400 or peak < at_once / 2


def test_zero_codes_unpack_to_zeros_and_not_nan() -> None:
    packed = PackedTokens(np.full((1, 2, 3), 0x88, np.uint8), np.ones((1, 2), np.float16))
    np.testing.assert_array_equal(packed.unpack(slice(None)), np.zeros((1, 2, 6), np.float16))


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
    best = best_in(query[query_mask].astype(np.float32), compared_tokens(references, masks))
    np.testing.assert_allclose(best, slow_best_matches(query, query_mask, references, masks), atol=1e-5)
    assert best.dtype == np.float32
    assert best.shape == (query_mask.sum(), 4)
    for array, old in zip((query, references, query_mask, masks), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_what_lies_under_a_mask_has_no_say() -> None:
    reference = unit(np.random.default_rng(1).standard_normal((1, 6, 8))).astype(np.float16)
    masks = np.array([[True] * 3 + [False] * 3])
    (before,) = compared_tokens(reference, masks)
    reference[0, 3:] = 1
    (after,) = compared_tokens(reference, masks)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("empty", [[], [0], [2], [1, 2], [0, 1, 2, 3]])
def test_a_reference_without_a_patch_matches_nothing(empty: list[int]) -> None:
    random = np.random.default_rng(2)
    query = unit(random.standard_normal((6, 8))).astype(np.float16)
    references = unit(random.standard_normal((4, 5, 8))).astype(np.float16)
    masks = random.random((4, 5)) < 0.5
    masks[:, 4] = True
    masks[empty] = False
    compared = compared_tokens(references, masks)
    best = best_in(query.astype(np.float32), compared)
    assert (best[:, empty] == -1).all()
    kept = [row for row in range(4) if row not in empty]
    slow = slow_best_matches(query, np.ones(6, bool), references[kept], masks[kept])
    np.testing.assert_allclose(best[:, kept], slow.reshape(6, -1), atol=1e-5)
    assert best_in(np.zeros((0, 8), np.float32), compared).shape == (0, 4)


def slow_specific_likeness(best, cohort, unlike, views):
    scores = []
    for column in range(best.shape[1]):
        total = 0.0
        for patch in range(len(best)):
            others = [float(cohort[patch, c]) for c in range(cohort.shape[1]) if unlike[column, c]]
            usual = sum(others) / len(others) if others else 0.0
            if others:
                shares = [1 - 1 / int(views[c]) ** 2 for c in range(cohort.shape[1]) if unlike[column, c]]
                share = sum(shares) / len(shares)
                usual = share * max(others) + (1 - share) * usual
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
    views = random.integers(1, 5, cohort)
    scores = specific_likeness(best, others, unlike, views)
    np.testing.assert_allclose(scores, slow_specific_likeness(best, others, unlike, views), atol=1e-6)
    assert scores.dtype == np.float32


def test_one_photo_a_product_is_compared_on_average_and_several_with_the_best() -> None:
    best = np.full((3, 1), 0.8, np.float32)
    cohort = np.array([[0.7, 0.1], [0.7, 0.1], [0.7, 0.1]], np.float32)
    every = np.ones((1, 2), bool)
    one, many = (specific_likeness(best, cohort, every, np.array([n, n]))[0] for n in (1, 100))
    assert one == pytest.approx(0.4)
    assert many == pytest.approx(0.1, abs=1e-3)
    assert specific_likeness(best, np.zeros((3, 0), np.float32), np.zeros((1, 0), bool), np.zeros(0, np.int64))[
        0
    ] == pytest.approx(0.8)


def test_what_matches_everywhere_alike_says_nothing() -> None:
    best = np.array([[0.9, 0.9], [0.9, 0.2]], np.float32)  # the second patch is found in the first reference only
    cohort = np.array([[0.9], [0.2]], np.float32)
    first, second = specific_likeness(best, cohort, np.ones((2, 1), bool), np.ones(1, np.int64))
    assert first == pytest.approx(0.7 / 2**0.5)
    assert second == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("photos", [700, 1400, 2800])
def test_the_space_is_learned_from_all_columns_of_the_grid(photos: int) -> None:
    """In steps of 7, 14 and 28 tokens a sample would see one column of 14, or two."""
    tokens = np.zeros((photos, 14, 14, 4), np.float16)
    tokens[..., 0] = np.random.default_rng(0).standard_normal((photos, 14, 14))
    tokens[:, :, [1, 5, 12], 1] = np.random.default_rng(1).standard_normal((photos, 14, 3))
    assert TokenSpace.fit(tokens.reshape(photos, 196, 4)).scale[1] > 0.3
