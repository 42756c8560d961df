"""A reference is laid over a suspect's photo: the true map is found, and nonsense gets no agreement."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import unit

from counterfeit_vision.encoders.foreground import product_mask, reference_foreground
from counterfeit_vision.geometry.registration import grid_positions, register
from counterfeit_vision.heads.patches import residuals

GRID = (14, 14)


def moved(tokens: np.ndarray, true: np.ndarray, seed: int = 1) -> np.ndarray:
    """A suspect whose patches show what ``true`` brings there, the rest being new."""
    suspect = unit(np.random.default_rng(seed).standard_normal(tokens.shape))
    places = np.rint(np.c_[grid_positions(GRID), np.ones(196)] @ true.T).astype(int)
    for patch, (x, y) in enumerate(places):
        if 0 <= x < 14 and 0 <= y < 14:
            suspect[y * 14 + x] = tokens[patch]
    return suspect


@pytest.mark.parametrize(
    "true",
    [
        np.array([[1, 0, 0], [0, 1, 0.0]]),
        np.array([[1, 0, 3], [0, 1, -2.0]]),
        np.array([[0.6, 0, 4], [0, 0.6, 5.0]]),
        np.array([[0.7, -0.4, 5], [0.4, 0.7, 0.0]]),
    ],
)
def test_the_map_is_found(true: np.ndarray) -> None:
    tokens = unit(np.random.default_rng(0).standard_normal((196, 32)))
    similarity = (moved(tokens, true) @ tokens.T)[None]
    found = register(similarity, np.ones((1, 196), np.float32), GRID)
    corners = np.array([[3, 3, 1], [9, 3, 1], [3, 9, 1]])
    np.testing.assert_allclose(corners @ found.maps[0].T, corners @ true.T, atol=0.5)
    back = np.c_[corners @ found.maps[0].T, np.ones(3)] @ found.inverse()[0].T
    np.testing.assert_allclose(back, corners[:, :2], atol=1e-3)


def test_unrelated_photos_do_not_agree() -> None:
    random = np.random.default_rng(0)
    tokens = unit(random.standard_normal((196, 32)))
    same = register((tokens @ tokens.T)[None], np.ones((1, 196), np.float32), GRID).agreement[0]
    other = unit(random.standard_normal((196, 32)))
    unrelated = register((other @ tokens.T)[None], np.ones((1, 196), np.float32), GRID).agreement[0]
    assert same > 0.9
    assert unrelated < 0.1


def test_uniform_photos_are_no_crash_and_no_agreement_between_places() -> None:
    similarity = np.ones((2, 196, 196), np.float32)
    found = register(similarity, np.ones((2, 196), np.float32), GRID)
    assert np.isfinite(found.maps).all()


def test_a_changed_patch_has_the_largest_residual() -> None:
    tokens = unit(np.random.default_rng(0).standard_normal((196, 32)))
    suspect = moved(tokens, np.array([[1, 0, 1], [0, 1, 1.0]]))
    changed = 7 * 14 + 7
    suspect[changed] = unit(np.random.default_rng(9).standard_normal(32))
    residual, product = residuals((suspect @ tokens.T)[None], np.ones(196, bool), np.ones((1, 196), np.float32), GRID)
    inner = np.zeros(GRID, bool)
    inner[2:-2, 2:-2] = True
    assert product[changed]
    assert np.argmax(np.where(inner.ravel() & product, residual, 0)) == changed


def strangeness(
    suspect: np.ndarray, *references: np.ndarray, product: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    weights = np.ones((len(references), 196), np.float32) if product is None else product.reshape(1, 196)
    similarity = np.stack([suspect @ tokens.T for tokens in references])
    return residuals(similarity, np.ones(196, bool), weights, GRID)


def test_a_deviation_deviates_from_all_references_and_only_those_that_show_the_product_count() -> None:
    tokens, other, unrelated = (unit(np.random.default_rng(seed).standard_normal((196, 32))) for seed in (0, 9, 50))
    here, there = 7 * 14 + 7, 4 * 14 + 4
    first, second, fake = tokens.copy(), tokens.copy(), tokens.copy()
    first[here], second[there], fake[here] = other[0], other[1], other[2]
    assert strangeness(tokens, first, second)[0].max() < 1e-5  # each is as one of them shows it
    alone, _ = strangeness(fake, tokens)
    beside, _ = strangeness(fake, tokens, unrelated)
    assert alone[here] == beside[here] > 0.5
    assert not strangeness(tokens, unrelated)[1].any()


def test_what_is_moved_by_three_patches_deviates() -> None:
    tokens = unit(np.random.default_rng(0).standard_normal((196, 32)))
    moved_here, patch = tokens.copy(), 7 * 14 + 7
    moved_here[patch] = tokens[patch + 3]
    residual, _ = strangeness(moved_here, tokens)
    assert residual.argmax() == patch
    assert residual[patch] > 0.5


def test_where_references_show_the_room_no_product_is_compared() -> None:
    tokens = unit(np.random.default_rng(0).standard_normal((196, 32)))
    weights = np.ones(GRID, np.float32)
    weights[:, 7:] = 0.1
    residual, product = strangeness(tokens, tokens, product=weights)
    np.testing.assert_array_equal(product.reshape(GRID), weights > 0.5)
    assert not residual[~product].any()


def test_patches_that_other_photos_of_the_product_share_are_product() -> None:
    random = np.random.default_rng(0)
    product, rooms = unit(random.standard_normal((98, 32))), unit(random.standard_normal((6, 98, 32)))
    photos = np.stack([np.concatenate([product, room]) for room in rooms]).astype(np.float16)
    others = unit(random.standard_normal((4, 196, 32))).astype(np.float16)
    weight = reference_foreground(photos[0], photos[1:], others, GRID)
    assert weight[:98].min() > 0.9
    assert np.quantile(weight[98:], 0.9) < 0.5  # rooms match by chance here and there


def test_with_one_photo_what_looks_like_its_border_is_room() -> None:
    random = np.random.default_rng(0)
    tokens = np.tile(unit(random.standard_normal(32)), (196, 1)).reshape(14, 14, 32)
    tokens[4:10, 4:10] = unit(random.standard_normal((6, 6, 32)))
    none = np.zeros((0, 196, 32), np.float16)
    weight = reference_foreground(tokens.reshape(196, 32).astype(np.float16), none, none, GRID).reshape(GRID)
    assert weight[4:10, 4:10].min() > 0.9
    assert weight[:3].max() < 0.1


def test_the_product_is_compared_and_all_of_a_photo_that_shows_next_to_none() -> None:
    on_photo = np.ones((3, 16), bool)
    on_photo[:, 12:] = False
    share = np.zeros((3, 16), np.float32)
    share[0] = 0.45  # sure enough for most, not for one that asks for more
    share[1, :5] = 0.9  # too few
    np.testing.assert_array_equal(product_mask(share, on_photo), on_photo)
    share[2, :8], share[2, 8:12] = 0.6, 0.45
    np.testing.assert_array_equal(product_mask(share, on_photo, 0.5)[2], np.arange(16) < 8)
    np.testing.assert_array_equal(product_mask(share, on_photo)[2], np.arange(16) < 12)
    assert product_mask(share, np.zeros((3, 16), bool)).any(axis=1).all()
