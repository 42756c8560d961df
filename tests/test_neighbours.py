"""Which product a photo shows, and which it may as well show."""

from __future__ import annotations

import math

import numpy as np

from counterfeit_vision.index.neighbours import best_first, reference_scores, runner_up

GOODS = np.array(["acme/bag", "acme/bag", "acme/hat", "other/bag"], dtype=object)


def test_the_runner_up_is_the_best_reference_of_another_product() -> None:
    row, margin = runner_up(np.array([1, 0, 3, 2, -1]), np.array([0.9, 0.8, 0.6, 0.5, -np.inf], np.float32), GOODS)
    assert row == 3  # the same name of another brand is another product
    np.testing.assert_allclose(margin, 0.3, rtol=1e-6)


def test_without_another_product_near_there_is_none() -> None:
    row, margin = runner_up(np.array([1, 0, -1]), np.array([0.9, 0.8, -np.inf], np.float32), GOODS)
    assert row == -1
    assert math.isnan(margin)


def test_references_have_their_products_likeness_less_what_its_best_one_is_ahead_of_them() -> None:
    groups = [np.array([0, 1]), np.array([2]), np.array([3, 4])]
    products, singles = np.array([0.9, 0.5, 0.4], np.float32), np.array([0.2, 0.6, 0.3, 0.1], np.float32)
    np.testing.assert_allclose(reference_scores(groups, products, singles), [0.5, 0.9, 0.5, 0.4, 0.2], rtol=1e-6)


def test_equal_scores_stay_in_the_order_given() -> None:
    keys, scores = np.arange(100), np.repeat(np.array([0.2, 0.7], np.float32), 50)
    rows, found = best_first([(keys, scores), (keys[:2], scores[:2])], 3)
    assert rows.tolist() == [[50, 51, 52], [0, 1, -1]]
    np.testing.assert_array_equal(found, np.array([[0.7] * 3, [0.2, 0.2, -np.inf]], np.float32))
