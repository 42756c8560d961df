"""Which product a photo shows, and which it may as well show."""

from __future__ import annotations

import math

import numpy as np

from counterfeit_vision.neighbours import runner_up

GOODS = np.array(["acme/bag", "acme/bag", "acme/hat", "other/bag"], dtype=object)


def test_the_runner_up_is_the_best_reference_of_another_product() -> None:
    row, margin = runner_up(np.array([1, 0, 3, 2, -1]), np.array([0.9, 0.8, 0.6, 0.5, -np.inf], np.float32), GOODS)
    assert row == 3  # the same name of another brand is another product
    np.testing.assert_allclose(margin, 0.3, rtol=1e-6)


def test_without_another_product_near_there_is_none() -> None:
    row, margin = runner_up(np.array([1, 0, -1]), np.array([0.9, 0.8, -np.inf], np.float32), GOODS)
    assert row == -1
    assert math.isnan(margin)
