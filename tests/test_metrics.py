"""Metrics against other people's (scikit-learn, scipy), and definitions written out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from scipy.stats import beta
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from counterfeit_vision import metrics
from counterfeit_vision.errors import InputError
from counterfeit_vision.evaluation.metrics import (
    auroc,
    average_precision,
    binomial_interval,
    bootstrap_interval,
    brier,
    calibration_error_interval,
    expected_calibration_error,
    fpr_at_tpr,
    mean_average_precision,
    paired_difference,
    recall_at_fpr,
    recall_at_k,
    reliability,
    risk_coverage,
    risk_coverage_area,
    roc_curve,
)


def tied(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random(80) < 0.3, random.integers(0, 12, 80)


# --- ranking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_ranking_figures_are_scikit_learns_ties_included(seed: int) -> None:
    labels, scores = tied(seed)
    assert auroc(labels, scores) == pytest.approx(theirs.roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(theirs.average_precision_score(labels, scores))
    false, true, _ = theirs.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc_curve(labels, scores), [false, true])
    for rate in (0.05, 0.3, 0.5, 0.95):
        assert fpr_at_tpr(labels, scores, rate) == pytest.approx(false[true >= rate].min())
        assert recall_at_fpr(labels, scores, rate) == pytest.approx(true[false <= rate].max())


def test_a_rate_that_is_just_reached_counts() -> None:
    labels = np.array([1] * 20 + [0] * 20)
    scores = np.concatenate([np.arange(20) + 19.5, np.arange(20)])  # 20 above 19.5: one negative at most is above
    scores[0] = -1
    assert fpr_at_tpr(labels, scores, 0.95) == 0  # 19 of 20 are above every negative
    assert fpr_at_tpr(labels, scores, 0.96) == 1
    assert fpr_at_tpr([1] * 25 + [0], [9] * 7 + [1] * 18 + [5], 0.28) == 0  # 0.28 * 25 > 7, for floats
    scores = np.concatenate([np.full(20, 18.5), np.arange(20)])
    assert recall_at_fpr(labels, scores, 0.05) == 1  # one negative of twenty is above
    assert recall_at_fpr(labels, scores, 0.049) == 0


def test_scores_without_order_find_all_or_nothing() -> None:
    labels = [0, 1, 0, 1]
    assert (auroc(labels, [7] * 4), average_precision(labels, [7] * 4)) == (0.5, 0.5)
    assert (fpr_at_tpr(labels, [7] * 4), recall_at_fpr(labels, [7] * 4)) == (1, 0)
    assert auroc(labels, [-np.inf, np.inf, 0, 1]) == 1


# --- retrieval --------------------------------------------------------------------------------------------------------


def test_retrieval_figures_by_hand() -> None:
    found = np.array([["a", "b", "a"], ["c", "b", "a"], ["c", None, None]], dtype=object)
    assert recall_at_k(found, ["a", "b", "b"], 1) == pytest.approx(1 / 3)
    assert recall_at_k(found, ["a", "b", "b"], 2) == pytest.approx(2 / 3)
    assert mean_average_precision(found, ["a", "b", "b"], [2, 1, 1]) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2 + 0) / 3)


def test_lists_are_as_good_as_arrays() -> None:
    assert recall_at_k([["a", "b"], ["c", "b"]], ["b", "b"], np.int64(2)) == 1
    assert mean_average_precision([["a", "b"], ["c", "b"]], ["b", "b"], [1, 1]) == 0.5


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_what_a_row_truly_is_must_be_known(unknown: object) -> None:
    """A row that is short would hold it."""
    found = [["a", "b"], [unknown, unknown]]
    for name, figure in (
        ("recall_at_k", lambda truth: recall_at_k(found, truth, 2)),
        ("mean_average_precision", lambda truth: mean_average_precision(found, truth, [1, 2])),
    ):
        with pytest.raises(InputError, match=f"{name}: truth: row 1 is NaN; leave out what is not known"):
            figure(["a", unknown])
        assert figure(["a", "c"]) == 0.5


@pytest.mark.parametrize("k", [0, -1, 3, 1.5, "x", None])
def test_recall_is_of_as_many_as_were_found(k: object) -> None:
    with pytest.raises(InputError, match=r"recall_at_k: k=.*, need a whole number from 1 to 2, the columns of found"):
        recall_at_k([["a", "b"], ["c", "b"]], ["a", "b"], k)  # type: ignore[arg-type]


@pytest.mark.parametrize("found", [["a", "b"], "ab", [["a", "b"], ["c"]], [[["a"]]]])
def test_what_was_found_is_a_table(found: object) -> None:
    for figure in (
        lambda found: recall_at_k(found, ["a", "b"], 1),
        lambda found: mean_average_precision(found, ["a", "b"], [1, 1]),
    ):
        with pytest.raises(InputError, match=r": found has the shape \(.*\), need \(N, k\)"):
            figure(found)


@pytest.mark.parametrize("relevant", [1, 0, None, "2"])
def test_more_right_answers_than_there_are_is_refused(relevant: object) -> None:
    said = "row 1 of found has 2 right answers, and relevant says"
    with pytest.raises(InputError, match=f"mean_average_precision: {said} {relevant!r}; count all"):
        mean_average_precision([["c", "a"], ["a", "a"]], ["a", "a"], [1, relevant])  # type: ignore[list-item]


# --- abstention -------------------------------------------------------------------------------------------------------


def test_risk_coverage_by_hand() -> None:
    coverage, risk = risk_coverage([0, 1, 1, 0], [4, 3, 2, 1])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3, 1 / 2])
    assert risk_coverage_area([0, 1, 1, 0], [4, 3, 2, 1]) == pytest.approx((0 + 1 / 2 + 2 / 3 + 1 / 2) / 4)


def test_equally_confident_answers_count_as_their_mean_over_all_orders() -> None:
    wrong, confidence = np.array([0, 1, 1, 0, 0]), np.array([2.0, 1, 1, 1, 0])
    curves = []
    for seed in range(400):
        shuffled = np.random.default_rng(seed).permutation(3)
        curves.append(risk_coverage(wrong, confidence + 0.1 * np.array([0, *shuffled, 0]))[1])
    np.testing.assert_allclose(risk_coverage(wrong, confidence)[1], np.mean(curves, axis=0), atol=0.03)
    order = np.array([3, 1, 4, 0, 2])
    np.testing.assert_allclose(
        risk_coverage(wrong[order], confidence[order])[1], risk_coverage(wrong, confidence)[1], rtol=1e-12
    )


def test_useless_confidence_gives_the_error_at_full_coverage_and_perfect_confidence_less() -> None:
    wrong = np.array([1, 0, 0, 0] * 25)
    assert risk_coverage_area(wrong, np.zeros(100)) == pytest.approx(0.25)
    assert risk_coverage_area(wrong, 1 - wrong) == pytest.approx(sum(i / (75 + i) for i in range(1, 26)) / 100)


# --- probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_probability_figures_are_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.random(200)
    labels = random.random(200) < probabilities**2
    assert brier(labels, probabilities) == pytest.approx(theirs.brier_score_loss(labels, probabilities))
    share, mean = calibration_curve(labels, probabilities, n_bins=10, strategy="quantile")
    table = reliability(labels, probabilities, bins=10)
    assert [row.rows for row in table] == [20] * 10
    np.testing.assert_allclose([row.share for row in table], share)
    np.testing.assert_allclose([row.probability for row in table], mean)
    assert expected_calibration_error(labels, probabilities, bins=10) == pytest.approx(np.abs(share - mean).mean())


def test_equal_probabilities_share_a_bin_whatever_their_order() -> None:
    labels, probabilities = [1, 0, 1, 1, 0, 0], [0.3, 0.3, 0.3, 0.3, 0.9, 0.95]
    table = reliability(labels, probabilities, bins=6)
    assert [row.rows for row in table] == [4, 1, 1]
    assert reliability(labels[::-1], probabilities[::-1], bins=6) == table
    assert reliability([1, 0], [0.5, 0.5]) == [(2, 0.5, 0.5)]
    assert expected_calibration_error([1, 1], [0.5, 0.5]) == 0.5


def test_what_is_calibrated_has_a_small_error_and_what_is_not_a_large_one() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random(20_000)
    labels = random.random(20_000) < probabilities
    assert expected_calibration_error(labels, probabilities) < 0.015
    assert expected_calibration_error(labels, np.sqrt(probabilities)) > 0.1


@pytest.mark.parametrize("labels", [[1, 0, "fake"], [1, -1, 0], ["fake", "genuine", "fake"], [0.0, 1.0, 0.5]])
def test_labels_are_yes_or_no(labels: list[object]) -> None:
    with pytest.raises(InputError, match=r"auroc: labels: row \d is .*, need True or False, 1 or 0"):
        auroc(labels, [0.1, 0.2, 0.3])
    assert auroc(np.array([1, 0, True], dtype=object), [0.3, 0.2, 0.1]) == 0.5


# --- spread -----------------------------------------------------------------------------------------------------------


def test_the_bootstrap_resamples_groups_and_not_rows() -> None:
    values = np.repeat([0.0, 1.0] * 10, 50)
    groups = [f"g{row // 50}" for row in range(1000)]
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), groups)
    assert low < 0.35  # a bootstrap over rows would give 0.47 to 0.53
    assert high > 0.65


@pytest.mark.parametrize(
    "groups",
    [
        list("abcdefgh"),
        ["b", "a", "b", "c", "a", "b", "d", "a"],
        [3, 1, "1", 2, 3, 3, 1, 2],
        [10, 9, 1, 2, 9, 10, 2, 2],
        [("s", n % 3) for n in range(8)],
    ],
    ids=str,
)
def test_draws_are_of_the_rows_that_one_group_after_another_gives(groups: list) -> None:
    names = np.asarray([str(name) if isinstance(name, tuple) else name for name in groups])
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    rng = np.random.default_rng(5)
    slow = [np.concatenate([members[pick] for pick in rng.integers(0, len(members), len(members))]) for _ in range(30)]
    drawn: list[np.ndarray] = []
    bootstrap_interval(lambda rows: float(drawn.append(rows) or 0), groups, draws=30, seed=5)
    assert [rows.tolist() for rows in drawn] == [rows.tolist() for rows in slow]


def test_a_bootstrap_interval_of_a_lower_level_is_narrower() -> None:
    values, groups = np.random.default_rng(0).normal(size=400), [str(row) for row in range(400)]

    def mean(rows: np.ndarray) -> float:
        return float(values[rows].mean())

    wide, narrow = bootstrap_interval(mean, groups), bootstrap_interval(mean, groups, level=0.9)
    assert (wide[1] - wide[0]) / (narrow[1] - narrow[0]) == pytest.approx(1.96 / 1.645, abs=0.1)
    with pytest.raises(InputError, match=r"level=1\.5"):
        bootstrap_interval(mean, groups, level=1.5)


def test_a_bootstrap_without_one_figure_is_refused() -> None:
    labels = np.zeros(4)
    with pytest.raises(InputError, match="not one of 1000 draws of 4 groups has a figure"):
        bootstrap_interval(lambda rows: auroc(labels[rows], labels[rows]), list("abcd"))


def test_draws_whose_figure_is_nan_are_left_out() -> None:
    """As scikit-learn's AUROC is on a draw of one class only."""
    labels, scores = np.array([0] * 18 + [1, 1]), np.arange(20.0) % 7
    groups = [str(row) for row in range(20)]

    def figure(rows: np.ndarray) -> float:
        return auroc(labels[rows], scores[rows]) if len(set(labels[rows].tolist())) == 2 else float("nan")

    wanted = bootstrap_interval(lambda rows: auroc(labels[rows], scores[rows]), groups)
    assert bootstrap_interval(figure, groups) == wanted
    found = paired_difference(lambda rows: 0.0, figure, groups)
    assert (found.low, found.high) == wanted
    with pytest.raises(InputError, match="not one of 1000 draws of 20 groups has a figure"):
        bootstrap_interval(lambda rows: float("nan"), groups)


DRAWN = {
    "bootstrap_interval": partial(bootstrap_interval, lambda rows: 0.0),
    "paired_difference": partial(paired_difference, lambda rows: 0.0, lambda rows: 0.0),
    "calibration_error_interval": partial(calibration_error_interval, [0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_can_not_be_drawn_is_refused_by_the_name_that_was_called(name: str) -> None:
    for groups, more, said in (
        (["anna", "bert", None, "nan"], {}, "groups: row 2 is None; name the"),
        (["anna", "bert", float("nan"), "nan"], {}, "groups: row 2 is nan; name the"),
        (["anna", "bert", np.datetime64("NaT"), "nan"], {}, "groups: row 2 is NaT; name the"),
        (None, {}, "groups=None: need a list, one name for each row"),
        ("abcd", {}, "groups='abcd': need a list"),
        (3, {}, "groups=3: need a list"),
        ({"a": 1}, {}, "groups={'a': 1}: need a list"),
        (["a"] * 4, {}, "needs two groups at least, got 1"),
        (list("abcd"), {"draws": 0}, "draws=0, need 1 or more"),
        (list("abcd"), {"level": 2}, "level=2: need a share between 0 and 1"),
    ):
        with pytest.raises(InputError, match=f"{name}: {said}"):
            DRAWN[name](groups, **more)


@pytest.mark.parametrize("name", DRAWN)
def test_groups_may_come_one_by_one(name: str) -> None:
    assert DRAWN[name]((group for group in "aabb"), draws=5) == DRAWN[name](list("aabb"), draws=5)


@pytest.mark.parametrize("count", [3, 5])
def test_a_calibration_error_has_one_group_for_each_row(count: int) -> None:
    said = f"calibration_error_interval: needs as many rows of each, and one at least, got 4, {count}"
    with pytest.raises(InputError, match=said):
        DRAWN["calibration_error_interval"]([str(n) for n in range(count)])


def test_a_calibration_error_is_the_surer_the_lower_its_level() -> None:
    random = np.random.default_rng(0)
    given = random.random(200)
    rows = random.random(200) < given, given, [str(n) for n in range(200)]
    widths = [np.diff(calibration_error_interval(*rows, draws=60, level=level))[0] for level in (0.3, 0.5, 0.95)]
    assert 0 < widths[0] < widths[1] < widths[2]


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    """Two runs that share nearly all of their noise: each interval is wide, that of the difference is not."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    first = labels + 1.5 * random.normal(size=200)
    second = first + 0.3 * labels
    groups = [str(row) for row in range(200)]

    def figure(scores: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda rows: auroc(labels[rows], scores[rows])

    found = paired_difference(figure(first), figure(second), groups, draws=300)
    assert found.difference == pytest.approx(auroc(labels, second) - auroc(labels, first))
    assert 0 < found.low <= found.difference <= found.high
    alone = bootstrap_interval(figure(first), groups, draws=300)
    assert found.high - found.low < (alone[1] - alone[0]) / 2
    same = paired_difference(figure(first), figure(first), groups, draws=50)
    assert (same.low, same.high, same.difference) == (0, 0, 0)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (0, 60), (3, 60), (60, 60), (17, 31), (250, 5000), (1, 2)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_binomial_interval_is_clopper_and_pearsons(hits: int, count: int, level: float) -> None:
    tail = (1 - level) / 2
    low = beta.ppf(tail, hits, count - hits + 1) if hits else 0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1
    assert binomial_interval(hits, count, level) == pytest.approx((low, high), abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert binomial_interval(0, 0) == (0, 1)
    with pytest.raises(InputError, match="3 hits of 2"):
        binomial_interval(3, 2)


@pytest.mark.parametrize(("steepness", "true", "share"), [(1.0, 0.0, 0.85), (1.5, 0.06, 0.95), (2.5, 0.126, 0.95)])
def test_the_interval_of_a_calibration_error_holds_the_true_one(steepness: float, true: float, share: float) -> None:
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        truth = random.uniform(0.02, 0.98, 200)
        given = 1 / (1 + (1 / truth - 1) ** steepness)
        low, high = calibration_error_interval(
            random.random(200) < truth, given, [str(n) for n in range(200)], draws=60
        )
        held += low <= true <= high
    assert held >= 100 * share


# --- what is refused --------------------------------------------------------------------------------------------------

TWO_CLASSES = ["auroc", "average_precision", "fpr_at_tpr", "recall_at_fpr", "roc_curve"]
PROBABILITIES = ["brier", "expected_calibration_error", "reliability"]


@pytest.mark.parametrize("name", [*TWO_CLASSES, *PROBABILITIES, "risk_coverage", "risk_coverage_area"])
def test_each_refuses_by_name_what_has_no_figure(name: str) -> None:
    figure = getattr(metrics, name)
    truth, scores = list(inspect.signature(figure).parameters)[:2]
    for labels, numbers, said in (
        ([0, 1], [0.1], rf"{truth} \(2,\) and {scores} \(1,\) do not align"),
        ([[0, 1]], [[0.1, 0.2]], rf"{truth} \(1, 2\) and {scores} \(1, 2\) do not align"),
        ([0, 1], [0.1, float("nan")], f"{scores}: row 1 is NaN"),
        ([float("nan"), 1], [0.1, 0.2], f"{truth}: row 0 is NaN"),
        (np.array([0, float("nan")], dtype=object), [0.1, 0.2], f"{truth}: row 1 is NaN"),
        ([1, None], [0.1, 0.2], f"{truth}: row 1 is NaN"),
        ([0, 1], [0.1, None], f"{scores}: row 1 is NaN"),
        ([0, 1], ["0.1", "0.2"], f"{scores}: row 0 is '0.1', need a number"),
        ([0, 1], np.array([0.1, "high"], dtype=object), f"{scores}: row 1 is 'high', need a number"),
        ([], [], "no rows"),
    ):
        with pytest.raises(InputError, match=f"{name}: {said}"):
            figure(labels, numbers)


def test_what_pandas_has_where_nothing_is_is_refused_by_its_row() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="auroc: labels: row 1 is NaN"):
        auroc(pandas.array([True, pandas.NA], dtype="boolean"), [0.1, 0.2])
    with pytest.raises(InputError, match="auroc: scores: row 0 is NaN"):
        auroc([0, 1], pandas.array([pandas.NA, 0.2], dtype="Float64"))
    with pytest.raises(InputError, match="bootstrap_interval: groups: row 1 is <NA>"):
        bootstrap_interval(lambda rows: 0.0, pandas.Series(["a", pandas.NA], dtype="string"))
    assert auroc(pandas.array([0, 1], dtype="Int64"), pandas.Series([0.1, 0.2], dtype=object)) == 1


@pytest.mark.parametrize("name", TWO_CLASSES)
@pytest.mark.parametrize(("labels", "count"), [([1, 1], 2), ([0, 0], 0)])
def test_one_class_has_no_ranking(name: str, labels: list[int], count: int) -> None:
    with pytest.raises(InputError, match=f"{name}: needs both classes, got {count} positives of 2"):
        getattr(metrics, name)(labels, [0.1, 0.2])


@pytest.mark.parametrize("name", PROBABILITIES)
def test_what_is_no_probability_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: row 1 is 1\.2, no probability"):
        getattr(metrics, name)([0, 1], [0.1, 1.2])


def test_rates_and_bins_outside_their_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"tpr=1\.5"):
        fpr_at_tpr([0, 1], [0, 1], 1.5)
    with pytest.raises(InputError, match="fpr=1"):
        recall_at_fpr([0, 1], [0, 1], 1)
    for figure in (reliability, expected_calibration_error):
        with pytest.raises(InputError, match=f"{figure.__name__}: bins=0, need 1 or more"):
            figure([0, 1], [0, 1], 0)


@pytest.mark.parametrize("value", ["x", None, "0.5", [0.5], np.str_("0.5")])
def test_what_is_no_number_is_refused_where_one_is_asked_for(value) -> None:
    with pytest.raises(InputError, match=r"fpr_at_tpr: tpr=.*: need a share"):
        fpr_at_tpr([0, 1], [1, 2], value)
    with pytest.raises(InputError, match=r"reliability: bins=.*, need 1 or more"):
        reliability([0, 1], [0, 1], value)
    with pytest.raises(InputError, match=r"bootstrap_interval: draws=.*, need 1 or more"):
        bootstrap_interval(lambda rows: 0.0, ["a", "b"], draws=value)
    for hits, count in ((value, 3), (1, value), (1.5, 3)):
        with pytest.raises(InputError, match=r"binomial_interval: .* hits of .*, need whole numbers"):
            binomial_interval(hits, count)


def test_all_may_be_found_and_nothing_alarmed() -> None:
    labels, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert (fpr_at_tpr(labels, scores, tpr=1.0), recall_at_fpr(labels, scores, fpr=0)) == (0.5, 0.5)


def test_a_share_may_be_a_number_of_any_kind() -> None:
    labels, scores = tied(0)
    for name, share in ((fpr_at_tpr, 0.25), (recall_at_fpr, 0.75)):
        assert (
            name(labels, scores, Decimal(share)) == name(labels, scores, Fraction(share)) == name(labels, scores, share)
        )
    level = Decimal("0.5")
    assert bootstrap_interval(lambda rows: 0.0, ["a", "b"], draws=2, level=level) == (0, 0)  # type: ignore[arg-type]
    assert binomial_interval(1, 3, level) == binomial_interval(1, 3, 0.5)  # type: ignore[arg-type]


def test_figures_of_nothing_or_of_rows_that_do_not_align_are_refused_by_name() -> None:
    found = np.array([["a", "b"]], dtype=object)
    for truth in ([], ["a", "b"]):
        with pytest.raises(InputError, match="recall_at_k: needs as many rows"):
            metrics.recall_at_k(found, truth, 1)
        with pytest.raises(InputError, match="mean_average_precision: needs as many rows"):
            metrics.mean_average_precision(found, truth, [1])
    for groups in ([], ["a"] * 9):  # of one group each draw is the same: an interval of no width
        with pytest.raises(InputError, match=f"bootstrap_interval: needs two groups at least, got {len(set(groups))}"):
            metrics.bootstrap_interval(lambda rows: 0.0, groups)
