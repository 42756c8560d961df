"""Two pictures, place by place."""

from __future__ import annotations

import numpy as np
import pytest

from counterfeit_vision.geometry.local_correlation import NOISE, local_correlation


def test_it_is_its_slow_twin_and_light_does_not_count() -> None:
    random = np.random.default_rng(0)
    one = random.uniform(0, 255, (24, 30)).astype(np.float32)
    two = np.asarray(0.6 * one + random.uniform(0, 60, one.shape), np.float32)
    correlation, varies_one, varies_two = local_correlation(one, two, 5)
    for y, x in ((2, 2), (11, 17), (21, 27)):
        a, b = (picture[y - 2 : y + 3, x - 2 : x + 3].astype(np.float64).ravel() for picture in (one, two))
        assert (varies_one[y, x], varies_two[y, x]) == pytest.approx((a.var(), b.var()), rel=1e-3)
        together = ((a - a.mean()) * (b - b.mean())).mean()
        assert correlation[y, x] == pytest.approx(together / np.sqrt((a.var() + NOISE) * (b.var() + NOISE)), abs=1e-3)
    brighter, _, _ = local_correlation(one, 0.5 * one + 90, 5)
    assert brighter.min() > 0.95


def test_a_flat_wall_is_like_nothing() -> None:
    random = np.random.default_rng(1)
    walls = [(200 + random.integers(0, 2, (20, 20))).astype(np.float32) for _ in range(2)]
    assert np.abs(local_correlation(walls[0], walls[1], 5)[0]).max() < 0.1
