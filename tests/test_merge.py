"""How claims become one number: a lone strong claim keeps its strength, and fakes turn no claim round."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from counterfeit_vision.calibration.fusion import COUNTS, Merger, merge, stand_apart
from counterfeit_vision.calibration.standardize import Usual
from counterfeit_vision.errors import InputError

HEADS = ["learned", "noise", "reassuring"]


def drawn(seed: int, count: int = 2000, fakes: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Three claims: one that tells, one that is noise, one that is lower on fakes."""
    random = np.random.default_rng(seed)
    fake = random.random(count) < fakes
    scores = random.standard_normal((count, 3))
    scores[:, 0] += 2 * fake
    scores[:, 2] -= 2 * fake
    return scores, fake


def fitted(genuine: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The statistic of raw scores, as genuine photos alone teach it."""
    usual = Usual.fit(genuine)
    merger = Merger.of(["a", "b"])
    return lambda scores: merger(usual(scores))


def test_the_statistic_is_the_log_of_the_mean_evidence_and_what_does_not_apply_counts_as_usual() -> None:
    rows = np.array([[2.0, np.nan, 0.0], [np.nan, 3.0, np.nan]])
    np.testing.assert_allclose(merge(rows), np.log([(1.4**3 + 2) / 3, (1.6**3 + 2) / 3]))
    with pytest.raises(InputError, match="no head applies to photo 1"):
        merge(np.array([[1.0, 2.0], [np.nan, np.nan]]))


def test_one_gross_claim_among_many_usual_ones_is_divided_by_their_number_only() -> None:
    for heads in (1, 9, 99):
        row = np.zeros((1, heads))
        row[0, 0] = 40
        assert merge(row)[0] >= 3 * np.log(9) - np.log(heads) - 1e-9


def test_claims_that_tell_how_well_a_photo_shows_the_goods_count_less() -> None:
    heads = ["similarity", "mark", "title"]
    assert COUNTS["similarity"] < COUNTS["product"] < COUNTS["patches"] < 1
    assert not {"mark", "title"} & set(COUNTS)
    merger = Merger.of(heads)
    raised = merger(20 * np.eye(3))
    assert raised[0] < raised[1]
    assert raised[1] == pytest.approx(raised[2])
    share = COUNTS["similarity"] / (2 + COUNTS["similarity"])  # a mean, so that usual claims are still worth 1
    assert raised[0] == pytest.approx(np.log(share * np.exp(0.6 * 5 * np.log(5)) + 1 - share))


def test_a_layout_that_alone_is_odd_counts_as_ink_that_is() -> None:
    layout, ink = Merger.of(["mark", "ink", "layout"]).strength(np.array([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0]]))
    assert layout[2] == ink[1] > 0


def test_the_price_which_is_not_of_the_photo_counts_six_times_and_where_it_is_unknown_the_order_is_as_without() -> None:
    with_price, without = Merger.of(["mark", "price", "ink"]), Merger.of(["mark", "ink"])
    raised = with_price(20 * np.eye(3))
    assert np.exp(raised[1]) - 1 == pytest.approx(6 * (np.exp(raised[0]) - 1))
    unpriced = np.abs(np.random.default_rng(0).normal(0, 3, (50, 3)))
    unpriced[:, 1] = np.nan
    assert np.array_equal(np.argsort(with_price(unpriced)), np.argsort(without(unpriced[:, [0, 2]])))


def test_a_claim_with_wild_genuine_scores_does_not_drown_the_others() -> None:
    random = np.random.default_rng(0)
    genuine = np.stack([random.standard_normal(4000), random.standard_t(2, 4000)], axis=1)
    merger = fitted(genuine)
    level = np.quantile(merger(genuine), 0.95)
    assert merger(np.array([[6.0, 0.0]]))[0] > level
    assert merger(np.array([[0.0, 6.0]]))[0] < merger(np.array([[6.0, 0.0]]))[0]  # 6 is nothing much for the wild one


def test_it_rises_strictly_with_each_claim_also_where_fakes_gave_a_claim_no_weight() -> None:
    scores, fake = drawn(1)
    for merger in (Merger.of(HEADS), Merger.of(HEADS).learn(HEADS, scores, fake)):
        for column in range(3):
            rows = np.zeros((50, 3))
            rows[:, column] = np.linspace(-4, 40, 50)
            assert (np.diff(merger(rows)) > 0).all()


def test_fakes_give_weight_to_what_tells_and_turn_no_claim_round() -> None:
    scores, fake = drawn(2)
    merger = Merger.of(HEADS).learn(HEADS, scores, fake)
    assert merger.weights is not None
    assert merger.weights.min() >= 0
    assert merger.weights[0] > 1
    assert merger.weights[1] < merger.weights[0] / 5
    assert merger.weights[2] == 0


def test_fakes_and_genuine_photos_count_alike_however_many_of_either_were_shown() -> None:
    scores, fake = drawn(2, 400)
    once = Merger.of(HEADS).learn(HEADS, scores, fake)
    times = np.where(fake, 10, 1)
    often = Merger.of(HEADS).learn(HEADS, scores.repeat(times, axis=0), fake.repeat(times))
    np.testing.assert_allclose([*often.weights, often.bias], [*once.weights, once.bias], rtol=1e-6)


def test_the_learned_claim_tells_on_both_sides_of_the_usual() -> None:
    merger = Merger.of(HEADS).learn(HEADS, *drawn(2))
    below, usual, above = merger(np.array([[z, 0.0, 0.0] for z in (-2, 0, 2)]))
    assert usual - below > (above - usual) / 2


def test_a_photo_has_the_same_statistic_whatever_photos_are_beside_it() -> None:
    """To the last bit: where an inspected photo is one that was calibrated with, the two are equal."""
    heads, (scores, fake) = [f"claim {n}" for n in range(12)], drawn(4, 103)
    scores = np.hstack([scores, scores**3, -scores, np.abs(scores)])
    for merger in (Merger.of(heads), Merger.of(heads).learn(heads, scores, fake)):
        alone = np.concatenate([merger(row[None]) for row in scores])
        np.testing.assert_array_equal(merger(scores), alone)


def test_a_gross_claim_that_no_fake_at_hand_raised_still_counts() -> None:
    scores, fake = drawn(3)
    merger = Merger.of(HEADS).learn(HEADS, scores, fake)
    level = np.quantile(merger(scores[~fake]), 0.95)
    assert merger(np.array([[0.0, 60.0, 0.0]]))[0] > level


def test_fakes_that_are_each_odd_in_their_own_way_teach_little_less_than_is_known_without_them() -> None:
    """What an earlier weighing failed at, by 0.3: each fake raises one of ten claims, so 40 show four of a kind."""
    random = np.random.default_rng(5)
    heads = list("abcdefghij")

    def drawn_of(fake: np.ndarray) -> np.ndarray:
        claims = random.standard_t(4, (len(fake), 10))
        claims[np.flatnonzero(fake), random.integers(10, size=int(fake.sum()))] += 5
        return claims

    gained = []
    for _ in range(20):
        fake, truth = np.arange(80) >= 40, np.arange(4000) % 2 == 1
        shown, new = drawn_of(fake), drawn_of(truth)
        usual = Usual.fit(shown[~fake])
        without = Merger.of(heads)
        found = [
            (values[truth] > np.quantile(values[~truth], 0.95)).mean()
            for values in (merger(usual(new)) for merger in (without, without.learn(heads, usual(shown), fake)))
        ]
        gained.append(found[1] - found[0])
    assert np.mean(gained) > -0.1


def test_noise_beside_the_learned_claim_costs_next_to_nothing() -> None:
    """What the old merging failed at: six claims that say nothing, 60 genuine photos and 120 fakes to weigh by."""
    random = np.random.default_rng(4)
    lost = []
    for _ in range(20):
        fake = np.arange(180) >= 60
        scores = np.hstack([random.standard_normal((180, 1)) + 1.2 * fake[:, None], random.standard_t(3, (180, 6))])
        heads = ["learned", *"abcdef"]
        usual = Usual.fit(scores[~fake])
        merger = Merger.of(heads).learn(heads, usual(scores), fake)
        new = np.hstack([random.standard_normal((4000, 1)), random.standard_t(3, (4000, 6))])
        truth = np.arange(4000) % 2 == 1
        new[truth, 0] += 1.2
        found = [
            (values[truth] > np.quantile(values[~truth], 0.95)).mean() for values in (new[:, 0], merger(usual(new)))
        ]
        lost.append(found[0] - found[1])
    assert np.mean(lost) < 0.05


def test_a_claim_that_no_genuine_photo_could_make_is_left_out() -> None:
    genuine = np.stack([np.arange(20.0), np.full(20, np.nan)], axis=1)
    merger = fitted(genuine)
    np.testing.assert_array_equal(merger(np.array([[3.0, 99.0]])), merger(np.array([[3.0, np.nan]])))


def test_it_survives_json() -> None:
    scores, fake = drawn(5, 200)
    scores[:, 1] = np.nan
    for merger in (Merger.of(HEADS), Merger.of(HEADS).learn(HEADS, scores, fake)):
        again = Merger.from_dict(json.loads(json.dumps(merger.to_dict(), allow_nan=False)))
        np.testing.assert_array_equal(again(scores), merger(scores))


def test_fakes_among_the_genuine_stand_apart_and_genuine_ones_hardly_ever() -> None:
    random = np.random.default_rng(6)
    genuine = np.stack([random.standard_normal(200), random.exponential(1, 200), np.full(200, np.nan)], axis=1)
    assert not stand_apart(genuine).any()
    genuine[::10, 0] += 40  # a tenth
    np.testing.assert_array_equal(np.flatnonzero(stand_apart(genuine)), np.arange(0, 200, 10))
    assert not stand_apart(np.zeros((0, 2))).any()


def test_where_a_claim_has_its_least_score_for_most_photos_a_little_more_is_no_reason_to_doubt() -> None:
    scores = np.full((36, 1), 0.05)  # of marks as alike as the claim tells
    scores[:3, 0] = 0.06, 0.098, 0.17
    assert not stand_apart(scores).any()
    scores[35] = 0.5
    np.testing.assert_array_equal(np.flatnonzero(stand_apart(scores)), [35])
