"""What is usual for genuine photos: of all, of each kind of goods, and of kinds of which few were seen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counterfeit_vision.calibration.standardize import SHRINK, Usual, _median, shrinkage, surprise, tail_p


def test_a_claim_is_measured_by_its_mean_excess_over_the_median() -> None:
    usual = Usual.fit(np.array([[1.0], [2.0], [3.0], [5.0], [9.0]]))
    assert usual(np.array([[3.0], [11.0], [-1.0]])).ravel().tolist() == [0.0, 2.0, -1.0]  # 5 and 9 exceed by 2 and 6
    assert surprise(np.array([2.0]))[0] == pytest.approx(5 * np.log(1.4))  # (1 + 2 / 5) ** 5


def test_its_median_is_its_slow_twin_to_the_last_digit() -> None:
    random = np.random.default_rng(3)
    for count in [*range(1, 40), 1001, 1002]:
        for values in (random.standard_cauchy(count), random.integers(0, 3, count) / 10, 1e100 * random.random(count)):
            assert _median(values) == np.median(values)


def test_a_claim_that_never_varies_is_measured_in_its_least_mean_excess() -> None:
    same, kinds = np.zeros((40, 2)), ["a"] * 30 + ["b"] * 10
    usual = Usual.fit(same, kinds, [0.5, 0.0])
    for kind in ("", "a", "b"):
        z = usual(np.array([[1.0, 1.0]]), [kind])[0]
        assert z[0] == pytest.approx(2.0)
        assert z[1] > 900
    varied = np.random.default_rng(0).exponential(3, (40, 2))
    np.testing.assert_array_equal(Usual.fit(varied, kinds, [0.5, 0.0]).scale, Usual.fit(varied, kinds).scale)


def test_nor_is_a_kind_of_goods_measured_in_less_however_little_its_own_photos_vary() -> None:
    random = np.random.default_rng(0)
    scores = np.concatenate([random.exponential(3.0, (40, 1)), random.exponential(0.01, (200, 1))])
    usual = Usual.fit(scores, ["varied"] * 40 + ["listed"] * 200, [0.4])  # as where a brand's listings ask list prices
    assert usual.scale[usual.kinds.index("listed") + 1, 0] == 0.4


def test_what_never_varies_is_measured_by_its_own_size() -> None:
    odd = np.array([[1e6 + 1], [1e6 + 2000]])
    assert Usual.fit(np.full((20, 1), 1e6))(odd).ravel().tolist() == pytest.approx([0.001, 2.0])


def test_three_photos_of_a_kind_tell_no_spread_however_much_kinds_differ() -> None:
    scores = np.concatenate([50.0 * kind + np.array([0.0, 0.0, 1e-3]) for kind in range(100)])[:, None]
    usual = Usual.fit(scores, np.repeat([f"kind {number}" for number in range(100)], 3).tolist())
    assert (usual.scale[1:] > usual.scale[0] / 2).all()


def test_a_kind_of_which_many_were_seen_is_measured_by_itself_and_one_of_few_as_all_are() -> None:
    random = np.random.default_rng(0)
    carton, bag = random.exponential(1, (5000, 1)), 10 + random.exponential(5, (5000, 1))
    scores, kinds = np.concatenate([carton, bag, [[30.0]]]), ["carton"] * 5000 + ["bag"] * 5000 + ["hat"]
    usual = Usual.fit(scores, kinds)
    for kind, own in (("carton", carton), ("bag", bag)):
        np.testing.assert_allclose(usual(own, [kind] * 5000), Usual.fit(own)(own), rtol=0.02, atol=0.02)
    everything = Usual.fit(scores)
    middle, spread = everything.location[0, 0], everything.scale[0, 0]
    hat = np.array([[20.0]])
    more = shrinkage([scores[:5000, 0], scores[5000:-1, 0]], 1e-9)
    place = (30 + more * middle) / (1 + more)  # one photo beside some that are as all are; none lies above it
    np.testing.assert_allclose(usual(hat, ["hat"]), (20 - place) / spread)
    np.testing.assert_array_equal(usual(hat, ["shoe"]), everything(hat))  # never seen
    np.testing.assert_array_equal(usual(hat), everything(hat))


@pytest.mark.parametrize("apart", [0.0, 0.5, 5.0])
def test_kinds_are_drawn_together_as_far_as_they_are_alike(apart: float) -> None:
    random = np.random.default_rng(2)
    place = apart * random.standard_normal(400)
    scores = random.laplace(place, 1.0, (12, 400)).T  # 12 photos of each of 400 kinds
    expected = 1 / apart**2 if apart else np.inf  # what photos vary, beside what kinds do
    more = shrinkage(list(scores), 1e-9)
    assert more > SHRINK if apart == 0 else 0.6 * expected < more < 1.6 * expected
    fitted = Usual.fit(scores.reshape(-1, 1), np.repeat([f"kind {row}" for row in range(400)], 12).tolist())
    error = np.square(fitted.location[1:, 0] - place[np.argsort([f"kind {row}" for row in range(400)])]).mean()
    alone = np.square(np.median(scores, axis=1) - place).mean()
    assert error < (0.3 if apart == 0 else 1.02) * alone


def test_few_kinds_say_little_about_how_kinds_differ() -> None:
    assert shrinkage([], 1e-9) == shrinkage([np.arange(9.0)], 1e-9) == SHRINK
    assert shrinkage([np.array([place]) for place in range(50)], 1e-9) == SHRINK  # one photo of each tells no spread
    assert 0.5 * SHRINK < shrinkage([np.arange(9.0), np.arange(9.0) + 2], 1e-9) < 2 * SHRINK


def test_a_claim_that_no_photo_of_a_kind_could_make_is_measured_as_all_are_and_one_that_none_could_not_at_all() -> None:
    scores = np.array([[1.0, np.nan], [2.0, np.nan], [4.0, np.nan], [np.nan, np.nan]])
    usual = Usual.fit(scores, ["a", "a", "a", "b"])
    asked = np.array([[4.0, 1.0]])
    np.testing.assert_array_equal(usual(asked, ["b"]), usual(asked))
    assert np.isnan(usual(asked, ["a"])[0, 1])


def test_one_accident_among_photos_that_are_all_at_the_median_is_not_what_is_usual() -> None:
    scores = np.full((20, 1), 0.4)
    scores[3] = 1.9  # a genuine photo that was taken for a copy
    usual = Usual.fit(scores)
    assert usual.scale[0, 0] == pytest.approx(1.5 / 5)
    assert usual(np.array([[4.4]]))[0, 0] > 10


def test_what_most_photos_have_is_not_gross_for_a_kind_whose_few_had_less() -> None:
    scores = np.full((40, 1), 0.4)  # as a claim has that never says more of genuine photos
    kinds = ["carton", "box"] * 18 + ["bag", "bag", "hat", "hat"]
    scores[36:, 0] = 0.3, 0.32, 0.4, 0.39
    usual = Usual.fit(scores, kinds)
    assert usual.location[0, 0] == 0.4 > usual.location[usual.kinds.index("bag") + 1, 0]
    assert usual(np.array([[0.4]]), ["bag"])[0, 0] < 2
    assert usual(np.array([[0.8]]), ["bag"])[0, 0] > 5


def test_genuine_scores_that_do_not_vary_leave_a_finite_measure() -> None:
    usual = Usual.fit(np.ones((6, 1)), ["a"] * 6)
    assert np.isfinite(usual(np.array([[1.0], [2.0]]), ["a", "a"])).all()


def test_the_tail_is_continuous_falls_and_stays_within_0_and_1() -> None:
    z = np.linspace(-40, 400, 20001)
    p = tail_p(z)
    assert (np.diff(p) <= 0).all()
    assert (np.abs(np.diff(p)) < 0.02).all()
    assert 0 < p.min() < 1e-8 < 0.99 < p.max() <= 1
    assert np.isnan(tail_p(np.array([np.nan]))[0])


def test_it_survives_json_and_refuses_what_does_not_fit() -> None:
    random = np.random.default_rng(1)
    scores = random.standard_normal((30, 3))
    scores[:, 1] = np.nan
    usual = Usual.fit(scores, ["a", "b", "c"] * 10)
    kept = json.loads(json.dumps(usual.to_dict(), allow_nan=False))
    np.testing.assert_array_equal(Usual.from_dict(kept)(scores, ["b"] * 30), usual(scores, ["b"] * 30))
    with pytest.raises(ValueError, match="2 kinds does not fit"):
        Usual.from_dict({**kept, "kinds": ["a", "b"]})
