"""Evaluation: figures by hand on verdicts that are made up, two runs, pages and files, and bad input."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import counterfeit_vision as cv
from counterfeit_vision.calibration.probability import shifted
from counterfeit_vision.evaluation import Comparison, Evaluation, Judged, charts
from counterfeit_vision.evaluation.figures import Columns
from counterfeit_vision.evaluation.metrics import binomial_interval
from counterfeit_vision.report.report import render_template
from counterfeit_vision.types import DECISIONS

DRAWS = 50

SPREAD = np.linspace(0.04, 1, 25)  # p-values of genuine listings


def judged(number: int, label: str, risk: float | None = 0.1, decision: str | None = None, **more: object) -> Judged:
    given = {"kind": label, "group": str(number), "brand": "acme", "category": "bag"} | more
    if decision is None and risk is not None:
        decision = "suspected" if risk >= 0.5 else "clear"
    return Judged(id=str(number), label=label, risk=risk, decision=decision, **given)


def run(*rows: tuple[object, ...], draws: int = DRAWS) -> Evaluation:
    return Evaluation([judged(number, *row) for number, row in enumerate(rows)], draws=draws)


EIGHT = run(
    ("genuine", 0.1),
    ("genuine", 0.2),
    ("genuine", 0.6),
    ("genuine", 0.3),
    ("fake", 0.9),
    ("fake", 0.4),
    ("fake", 0.7),
    ("fake", 0.8),
)

# --- figures by hand --------------------------------------------------------------------------------------------------


def test_figures_by_hand() -> None:
    figures = EIGHT.figures
    assert figures["false_accusations"] == (0.25, *binomial_interval(1, 4), 4)
    assert figures["detections"] == (0.75, *binomial_interval(3, 4), 4)
    assert figures["auroc"].value == 15 / 16
    assert figures["full_coverage_error"].value == 0.25
    assert figures["auroc"].low <= 15 / 16 <= figures["auroc"].high
    assert EIGHT.fake_share == 0.5
    assert {"calibration_error", "brier", "peak_in_mask"}.isdisjoint(figures)
    assert repr(EIGHT) == "<Evaluation 8 listings, AUROC 0.938, fakes suspected 0.750, genuine suspected 0.250>"


def test_the_surest_come_first_and_what_lacks_evidence_last() -> None:
    found = run(
        ("genuine", 0.6),  # wrong, unsure: third
        ("fake", 0.99),  # right, sure: first
        ("genuine", 0.01, "insufficient_evidence"),  # right if it had been answered, but it was not: last
        ("fake", 0.2),  # wrong: second
    )
    assert found.figures["risk_coverage_area"].value == pytest.approx((0 + 1 / 2 + 2 / 3 + 2 / 4) / 4)
    assert found.figures["full_coverage_error"].value == 0.5


def test_any_answer_about_unknown_goods_is_an_error_and_no_other_figure_counts_them() -> None:
    rows = [("genuine", 0.1), ("fake", 0.9)]
    alone, mixed = (
        Evaluation([dataclasses.replace(row, probability=row.risk) for row in found.rows], draws=DRAWS)
        for found in (run(*rows), run(*rows, ("unknown", 0.3), ("unknown", 0.9, "insufficient_evidence")))
    )
    assert mixed.figures["full_coverage_error"].value == 0.5
    assert mixed.figures["risk_coverage_area"].value == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)
    for name in ("auroc", "detections", "false_accusations", "average_precision", "brier", "calibration_error"):
        assert mixed.figures[name].value == alone.figures[name].value
    line = next(line for line in mixed.tables["kind"] if line.name == "unknown")
    assert line.decisions["insufficient_evidence"] == 1
    assert line.detections is line.false_accusations is line.auroc is None


def test_a_genuine_listing_taken_for_another_product_is_an_error() -> None:
    rows = [judged(0, "genuine", 0.1, misnamed=True), judged(1, "genuine", 0.1), judged(2, "fake", 0.9)]
    found = Evaluation(rows, draws=DRAWS)
    assert found.figures["full_coverage_error"].value == pytest.approx(1 / 3)
    assert found.figures["false_accusations"].value == 0


def test_listings_without_a_verdict_are_shown_and_count_nowhere() -> None:
    rows = [*EIGHT.rows, judged(8, "fake", None, failure="decode: no pixels")]
    found = Evaluation(rows, draws=DRAWS)
    assert found.figures["detections"].listings == 4
    assert found.fake_share == EIGHT.fake_share
    line = next(line for line in found.tables["kind"] if line.name == "fake")
    assert (line.listings, line.failures) == (5, 1)
    assert json.loads(json.dumps(found.to_dict()))["rows"][8]["failure"] == "decode: no pixels"


def test_tables_by_kind_brand_and_category() -> None:
    rows = [
        judged(0, "genuine", 0.1),
        judged(1, "genuine", 0.5, kind="genuine: glare", brand="zeta"),
        judged(2, "fake", 0.3, kind="fake: a"),
        judged(3, "fake", 0.9, kind="fake: b", brand="zeta", category="belt"),
        judged(4, "fake", 0.1, kind="fake: b"),
    ]
    tables = Evaluation(rows, draws=DRAWS).tables
    kinds = {line.name: line for line in tables["kind"]}
    assert list(kinds) == ["genuine", "genuine: glare", "fake: a", "fake: b"]
    assert kinds["fake: a"].auroc.value == 0.5  # against both genuine ones
    assert kinds["fake: b"].auroc.value == pytest.approx((2 + 0.5) / 4)
    assert kinds["fake: b"].detections.value == 0.5
    assert kinds["genuine: glare"].false_accusations.value == 1
    assert kinds["genuine"].auroc is kinds["genuine"].detections is None
    brands = {line.name: line for line in tables["brand"]}
    assert brands["zeta"].auroc.value == 1
    assert brands["acme"].decisions == {"suspected": 0, "review": 0, "insufficient_evidence": 0, "clear": 3}
    assert {line.name for line in tables["category"]} == {"bag", "belt"}


def test_probabilities_are_judged_where_there_are_any() -> None:
    random = np.random.default_rng(0)
    truth = random.random(400)
    fake = random.random(400) < truth
    rows = [
        judged(number, "fake" if fake[number] else "genuine", float(truth[number]), probability=float(truth[number]))
        for number in range(400)
    ]
    found = Evaluation(rows, draws=DRAWS)
    assert found.figures["calibration_error"].value < 0.1
    assert found.figures["brier"].value == pytest.approx(np.mean((truth - fake) ** 2))
    assert sum(row.rows for row in found.reliability) == 400
    wrong = Evaluation([dataclasses.replace(row, probability=1 - row.probability) for row in rows], draws=DRAWS)
    assert wrong.figures["calibration_error"].value > 0.3


def test_probabilities_are_judged_for_the_share_of_fakes_that_the_listings_have(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    truth = random.random(400)
    fake = random.random(400) < truth
    share = float(fake.mean())
    told = shifted(truth, share, 0.02)  # as they are where 2 % are fakes
    rows = [
        judged(number, "fake" if fake[number] else "genuine", float(told[number]), probability=float(told[number]))
        for number in range(400)
    ]
    here, there = Evaluation(rows, draws=DRAWS, supposed=0.02), Evaluation(rows, draws=DRAWS)
    for name, value in (
        ("brier", np.mean((truth - fake) ** 2)),
        ("full_coverage_error", np.mean((truth >= 0.5) != fake)),
    ):
        assert here.figures[name].value == pytest.approx(value)
        assert there.figures[name].value > value + 0.1
    assert here.figures["calibration_error"].value < 0.1 < 0.3 < there.figures["calibration_error"].value
    assert here.reliability[0].probability == pytest.approx(np.sort(truth)[:26].mean(), abs=0.02)
    assert here.figures["auroc"] == there.figures["auroc"]
    assert (np.array([row.risk for row in rows]) >= here.alarm).tolist() == (truth >= 0.5).tolist()
    assert here.compare(there).figures["brier"].second == here.figures["brier"].value
    assert there.compare(here).figures["brier"].first == here.figures["brier"].value
    assert Evaluation.load(here.save(tmp_path)).figures == here.figures
    assert "shifted from the share of fakes" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    for label, some in (("fake", fake), ("genuine", ~fake)):
        alone = Evaluation([row for row in rows if row.label == label], draws=DRAWS, supposed=0.02)
        assert alone.figures["brier"].value == pytest.approx(np.mean((told[some] - fake[some]) ** 2))


def test_the_interval_of_a_calibration_error_holds_it() -> None:
    rows = [judged(n, "fake" if n % 2 else "genuine", n / 60, probability=n / 60) for n in range(40)]
    error = Evaluation(rows, draws=DRAWS).figures["calibration_error"]
    assert 0 <= error.low < error.value < error.high <= 1


def test_a_perfect_ranking_of_few_fakes_is_sure_of_little() -> None:
    """No draw changes it, so that resampling gives an interval without width."""
    for fakes in (1, 5, 20):
        rows = [("genuine", 0.1)] * 40 + [("fake", 0.9)] * fakes
        assert run(*rows).figures["auroc"] == (1, *binomial_interval(fakes, fakes), 40 + fakes)
        swapped = [("genuine", 0.9)] * 40 + [("fake", 0.1)] * fakes
        assert run(*swapped).figures["auroc"] == (0, *binomial_interval(0, fakes), 40 + fakes)


def test_a_rate_is_kept_only_where_enough_listings_have_one() -> None:
    """Of 5 fakes, or 5 genuine listings, 95 % are all: the intervals held the true rate in four of ten runs."""
    genuine, fake = EIGHT.rows[:4], EIGHT.rows[4:]

    def figures(fakes: int, known: int, each: int = 1) -> dict:
        rows = [dataclasses.replace(genuine[n % 4], id=f"g{n}", group=f"g{n // each}") for n in range(known * each)]
        rows += [dataclasses.replace(fake[n % 4], id=f"f{n}", group=f"f{n // each}") for n in range(fakes * each)]
        found = Evaluation(rows, draws=DRAWS)
        assert found.figures.keys() == found.compare(found).figures.keys()
        return found.figures

    both = figures(60, 60)
    assert (both["fpr_at_tpr"].value, both["recall_at_fpr"].value) == (0.25, 0.75)
    assert {"fpr_at_tpr", "recall_at_fpr"} & figures(59, 60).keys() == {"recall_at_fpr"}
    assert {"fpr_at_tpr", "recall_at_fpr"} & figures(60, 59).keys() == {"fpr_at_tpr"}
    assert {"fpr_at_tpr", "recall_at_fpr"}.isdisjoint(figures(59, 59, each=2))  # of one seller, they count once


def test_every_listing_right_is_surer_than_all_but_one() -> None:
    """Both were counted as the few fakes alone: up to 52 % errors where none was seen, 0.6 % where one was."""
    rows = [("genuine", 0.1)] * 495 + [("fake", 0.9)] * 5
    right, one_wrong = run(*rows).figures, run(*rows[:-1], ("fake", 0.2)).figures
    for name in ("full_coverage_error", "risk_coverage_area"):
        assert right[name] == (0, *binomial_interval(0, 500), 500)
    assert one_wrong["full_coverage_error"] == (1 / 500, *binomial_interval(1, 500), 500)


def test_a_draw_copies_only_the_columns_that_a_figure_reads() -> None:
    columns, rows = Columns.of(EIGHT.rows), np.array([4, 4, 0])
    drawn = columns[rows]
    assert drawn.columns is columns
    for name in (*columns.__dataclass_fields__, "wrong"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(columns, name)[rows])


def test_groups_widen_the_intervals() -> None:
    random = np.random.default_rng(0)
    shift = np.repeat(random.normal(size=20), 20)
    rows = [
        judged(n, ("genuine", "fake")[n // 20 % 2], float(1 / (1 + np.exp(-shift[n] - 0.1 * random.normal()))))
        for n in range(400)
    ]
    grouped = Evaluation([dataclasses.replace(row, group=str(n // 20)) for n, row in enumerate(rows)])
    alone = Evaluation(rows)

    def width(found: Evaluation) -> float:
        return found.figures["auroc"].high - found.figures["auroc"].low

    assert width(grouped) > 2 * width(alone)


def test_one_seller_tells_nothing_of_others() -> None:
    """Each draw of sellers was the same: intervals of no width, and differences of two runs that looked certain."""
    one = Evaluation([dataclasses.replace(row, group="one seller") for row in EIGHT.rows], draws=DRAWS)
    for name in ("auroc", "false_accusations", "risk_coverage_area"):
        assert one.figures[name][:3] == (EIGHT.figures[name].value, 0, 1)
    compared = one.compare(one)
    assert compared.figures == {}
    assert compared.listings == 8


def test_recall_is_of_genuine_listings_whose_product_is_known_and_counts_what_was_not_found() -> None:
    places = [1, 1, 5, 6, 0, None]
    rows = [judged(number, "genuine", place=place) for number, place in enumerate(places)]
    found = Evaluation([*rows, judged(6, "fake", 0.9), judged(7, "genuine", None, failure="x")], draws=DRAWS)
    figures = found.figures
    assert (figures["recall_at_1"].value, figures["recall_at_1"].listings) == (2 / 5, 5)
    assert (figures["recall_at_5"].value, figures["recall_at_5"].listings) == (3 / 5, 5)
    assert 0 <= figures["recall_at_1"].low < 2 / 5 < figures["recall_at_1"].high < 1
    assert {"recall_at_1", "recall_at_5"}.isdisjoint(EIGHT.figures)
    one = Evaluation([dataclasses.replace(row, group="all") for row in rows], draws=DRAWS).figures["recall_at_5"]
    assert one[:3] == (3 / 5, 0, 1)  # whole groups are drawn
    right = Evaluation([dataclasses.replace(row, place=1, group=row.id[0]) for row in 2 * rows], draws=DRAWS).figures
    assert right["recall_at_1"] == (1, *binomial_interval(6, 6), 12)  # though no draw of groups differs
    better = Evaluation([dataclasses.replace(row, place=1) for row in rows], draws=DRAWS)
    assert better.compare(found).figures["recall_at_1"].difference == pytest.approx(1 - 2 / 5)
    assert found.compare(better).figures["recall_at_1"].difference == pytest.approx(2 / 5 - 1)
    assert "Recall@5 of the product" in found._repr_html_()


# --- two runs ---------------------------------------------------------------------------------------------------------


def test_a_run_is_compared_pair_by_pair() -> None:
    better = Evaluation([dataclasses.replace(row, risk=0.05, decision="clear") if row.label == "genuine" else row
                         for row in EIGHT.rows[:7]], draws=DRAWS)  # fmt: skip
    found = better.compare(EIGHT)
    assert (found.listings, found.left_out) == (7, 1)
    auroc = found.figures["auroc"]
    assert (auroc.first, auroc.second) == (pytest.approx(11 / 12), 1)
    assert auroc.low >= 0
    assert found.figures["false_accusations"].difference == -0.25
    assert found.figures["detections"].difference == 0
    assert found.to_dict()["figures"]["auroc"]["difference"] == pytest.approx(1 / 12)
    assert isinstance(found, Comparison)
    assert repr(found) == "<Comparison 7 listings, AUROC +0.083, fakes suspected +0.000, genuine suspected -0.250>"
    shown = found._repr_html_()
    for part in ("<style>", "AUROC", "<td>", "+0.083", "Over 7 listings with a verdict in both runs; 1 left out."):
        assert part in shown
    page = render_template("evaluation.html.j2", **better._shown(), compared=found, charts=[])
    table = shown[shown.index("<table>") : shown.index("</div>", shown.index("<table>"))]
    assert table.split("</table>")[0] in page


def test_runs_that_do_not_differ_on_few_listings_are_not_told_to_be_equal() -> None:
    compared = EIGHT.compare(EIGHT).figures
    for name, count in (("detections", 4), ("auroc", 4), ("full_coverage_error", 8), ("risk_coverage_area", 8)):
        most = binomial_interval(0, count)[1]
        assert (compared[name].difference, compared[name].low, compared[name].high) == (0, -most, most)
    none_found = Evaluation([dataclasses.replace(row, decision="clear") for row in EIGHT.rows], draws=DRAWS)
    all_found = Evaluation([dataclasses.replace(row, decision="suspected") for row in EIGHT.rows], draws=DRAWS)
    worse = none_found.compare(all_found).figures["detections"]
    assert (worse.difference, worse.low, worse.high) == (-1, -1, binomial_interval(0, 4)[1] - 1)


def test_what_is_not_named_says_so() -> None:
    found = Evaluation([dataclasses.replace(row, brand="", category="") for row in EIGHT.rows], draws=2)
    assert "<bdi>not named</bdi>" in render_template("evaluation.html.j2", **found._shown(), compared=None, charts=[])


def test_a_listing_that_stands_twice_is_left_out_once() -> None:
    twice = Evaluation([*EIGHT.rows, judged(0, "fake", None, failure="stands twice")], draws=2)
    assert (twice.compare(twice).listings, twice.compare(twice).left_out, twice.compare(EIGHT).left_out) == (8, 1, 1)


def test_runs_that_have_nothing_in_common_are_refused() -> None:
    other = Evaluation([dataclasses.replace(row, id=f"other {row.id}") for row in EIGHT.rows])
    with pytest.raises(cv.InputError, match="share no listing"):
        EIGHT.compare(other)
    other = Evaluation([dataclasses.replace(row, label="fake") for row in EIGHT.rows])
    with pytest.raises(cv.InputError, match="listing '0' is fake in the baseline and genuine in this run"):
        EIGHT.compare(other)


# --- on a page and in a file ------------------------------------------------------------------------------------------


def test_saved_read_back_and_compared(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = EIGHT.save(tmp_path / "a")
    again = Evaluation.load(folder)
    assert again.to_dict() == EIGHT.to_dict()
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 4
    assert "Beside the baseline" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
    assert again.save(tmp_path / "b") == tmp_path / "b"
    for name in ("evaluation.html", "evaluation.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    EIGHT.save(tmp_path / "c", baseline=folder)
    assert "Beside the baseline" in (tmp_path / "c" / "evaluation.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "c" / "evaluation.json").read_text())["comparison"]["listings"] == 8


def test_what_a_file_says_is_text_and_no_markup(tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, brand="<script>alert(1)</script>", category='"><img>') for row in EIGHT.rows]
    found = Evaluation(rows, about={"<b>": "<i>"}, draws=DRAWS)
    for page in (found._repr_html_(), found.save(tmp_path).joinpath("evaluation.html").read_text(encoding="utf-8")):
        for markup in ("<script", "<i>", "<b>&lt;", "<img>"):
            assert markup not in page


def test_charts_can_be_read_without_telling_colours() -> None:
    """To a reader who sees no green, suspected and review were one colour; legends lay on what they are about."""
    rows = [dataclasses.replace(row, decision=DECISIONS[n % 4]) for n, row in enumerate(EIGHT.rows)]
    found = Evaluation([*rows, judged(8, "unknown", 0.3)], draws=2)
    for paint in (charts._decisions, charts._risks, charts._coverage):
        axes = Figure(layout="constrained").subplots()
        paint(axes, found._drawn())
        if paint is charts._decisions:
            assert len({bars[0].get_hatch() for bars in axes.containers}) == 4
            continue
        if paint is charts._risks:
            assert len({str(patch.get_linestyle()) for patch in axes.patches if not patch.get_fill()}) == 3
        axes.figure.draw_without_rendering()
        legend = axes.figure.legends[0].get_window_extent()
        assert not legend.overlaps(axes.get_window_extent())


def test_the_chart_of_risks_calls_its_line_no_alarm() -> None:
    """With fakes shown the risk is a probability, and the alarm is a matter of the p-value."""
    axes = Figure().subplots()
    charts._risks(axes, EIGHT._drawn())
    assert axes.get_xlabel() == "risk; from the dashed line on, taken for fake"


@pytest.mark.parametrize("name", [r"seller $A\team$ store", "$x^{2$ y$", "a\nb", "\udce9", "\u5b57\u4f53", "L" * 300])
def test_whatever_a_kind_is_called_it_is_drawn(name: str, tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, kind=f"{row.label}: {name}") for row in EIGHT.rows]
    assert Evaluation(rows, draws=2).save(tmp_path).joinpath("evaluation.html").is_file()


def test_names_in_a_chart_are_short_and_those_that_begin_alike_stay_apart() -> None:
    rows = [dataclasses.replace(row, kind=f"{row.label} {'L' * 60} {row.id}") for row in EIGHT.rows]
    axes = Figure().subplots()
    charts._decisions(axes, Evaluation(rows, draws=2)._drawn())
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 8
    assert {len(name) for name in names} == {40}


def test_a_run_is_kept_though_its_charts_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: charts.Drawn) -> list[charts.Chart]:
        raise ValueError("no such glyph")

    monkeypatch.setattr(charts, "draw", broken)
    with pytest.raises(ValueError, match="no such glyph"):
        EIGHT.save(tmp_path)
    assert Evaluation.load(tmp_path).rows == EIGHT.rows


def test_listings_that_are_no_file_are_refused() -> None:
    with pytest.raises(cv.InputError, match="need a csv, jsonl or parquet file of labelled listings, not a list"):
        cv.evaluate(None, [])  # type: ignore[arg-type]


def test_a_figure_of_which_no_draw_has_both_classes_is_left_out() -> None:
    figures = run(("genuine", 0.1), ("fake", 0.9), draws=1).figures  # the one draw is of two fakes
    assert "auroc" not in figures
    assert figures["detections"].value == 1.0


def test_half_a_file_name_is_kept(tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, id=f"{row.id} caf\udce9", brand="\udce9") for row in EIGHT.rows]
    found = Evaluation(rows, draws=DRAWS)
    assert Evaluation.load(found.save(tmp_path)).rows == found.rows


def test_a_run_with_probabilities_shows_reliability(tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, probability=row.risk) for row in EIGHT.rows]
    page = Evaluation(rows, draws=DRAWS).save(tmp_path).joinpath("evaluation.html").read_text(encoding="utf-8")
    assert "<h3>Reliability</h3>" in page
    assert 'alt="Chart of reliability"' in page, "the caption says what it shows"
    assert "only its order counts" not in page
    assert "Heat map:" not in page
    assert page.count('src="data:image/png;base64,') == 5


@pytest.mark.parametrize("rows", [[], [judged(0, "fake", None, failure="x")], [judged(0, "genuine")]])
def test_runs_that_allow_few_figures_or_none(rows: list[Judged], tmp_path: Path) -> None:
    found = Evaluation(rows, draws=DRAWS)
    assert "auroc" not in found.figures
    json.dumps(found.to_dict(), allow_nan=False)
    found.save(tmp_path)
    assert "Evaluation" in found._repr_html_()
    assert repr(found).startswith("<Evaluation")


def test_without_matplotlib_the_extra_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(cv.MissingExtraError, match=r"counterfeit-vision\[plot\]"):
        EIGHT.save(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "0.938" in EIGHT._repr_html_()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not readable as an evaluation"),
        ('{"format": 99}', "format 99"),
        ('{"format": 2}', "format 2, this version reads 3"),
        ('{"format": 3, "rows": [{}]}', "Judged"),
        ("[" * 100_000, "not readable as an evaluation"),
    ],
)
def test_files_that_are_no_evaluation(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(cv.InputError, match=said):
        Evaluation.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("risk", "abc"), ("risk", float("nan")), ("risk", 10**400), ("id", ["a"]), ("kind", 5), ("draws", "5")],
)
def test_rows_of_other_types_are_refused(name: str, value: object, tmp_path: Path) -> None:
    data = json.loads(json.dumps(EIGHT.to_dict()))
    (data if name == "draws" else data["rows"][0])[name] = value
    (tmp_path / "evaluation.json").write_text(json.dumps(data))
    with pytest.raises(cv.InputError, match="not readable as an evaluation"):
        Evaluation.load(tmp_path)


def test_rows_of_ones_own_are_counted_by_their_scores_alone() -> None:
    rows = [Judged(id=row.id, label=row.label, risk=row.risk, decision=row.decision) for row in EIGHT.rows]
    found = Evaluation(rows, draws=DRAWS)
    assert found.figures == EIGHT.figures
    assert [line.name for line in found.tables["kind"]] == ["genuine", "fake"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("label", "Fake", r"row '4': label='Fake'; the labels are genuine, fake, unknown"),
        ("label", True, "label=True"),
        ("label", 1, "label=1"),
        ("label", ["fake"], r"label=\['fake'\], need str"),
        ("decision", np.array(["clear", "review"]), r"decision=array\(\['clear', 'review'\].*need str \| None"),
        ("decision", "fake", "decision='fake'; the decisions are suspected, review"),
        ("risk", float("nan"), r"row '4': risk=nan, need a number in 0\.\.1"),
        ("risk", 7.0, "risk=7.0"),
        ("risk", True, "risk=True"),
        ("risk", None, "risk=None"),
        ("p_value", -0.1, "p_value=-0.1"),
        ("probability", "0.5", "probability='0.5'"),
        ("likeness", float("inf"), r"likeness=inf, need a number in 0\.\.1"),
        ("margin_p", float("nan"), "margin_p=nan"),
        ("chance", 2, "chance=2.0"),
        ("place", -1, "place=-1, need a whole number, 0 or more"),
        ("place", 2.5, "place=2.5"),
        ("place", 10**400, "place=1000"),
        ("id", 4, "row 4: id=4, need str"),
        ("group", float("nan"), "row '4': group=nan, need str"),
        ("group", 7, "group=7, need str"),
        ("brand", float("nan"), "brand=nan, need str"),
        ("misnamed", None, "misnamed=None, need bool"),
        ("failure", 5, r"failure=5, need str \| None"),
    ],
)
def test_rows_that_no_figure_can_count_are_refused(name: str, value: object, said: str) -> None:
    rows = [dataclasses.replace(row, **{name: value} if row.id == "4" else {}) for row in EIGHT.rows]
    with pytest.raises(cv.InputError, match=said):
        Evaluation(rows)


@pytest.mark.parametrize("name", ["id", "label", "decision", "risk"])
def test_what_pandas_has_where_nothing_is_is_refused_by_its_column(name: str) -> None:
    given = {"id": "a", "label": "fake", "decision": "clear", "risk": 0.5} | {name: pytest.importorskip("pandas").NA}
    with pytest.raises(cv.InputError, match=rf"row .*: {name}=<NA>, need "):
        Evaluation([Judged(**given)])


@pytest.mark.parametrize("rows", ["ab", [{"id": "a"}], [None], cv.Report([cv.Failure("a", "decode", ValueError())])])
def test_what_is_no_row_is_refused(rows: object) -> None:
    with pytest.raises(cv.InputError, match=r"is no row; type Evaluation\(\[Judged\(id="):
        Evaluation(rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [None, 5, EIGHT.rows[0]])
def test_what_is_no_list_of_rows_is_refused(rows: object) -> None:
    with pytest.raises(cv.InputError, match=r"Evaluation\(.*: need a list of rows; type Evaluation\(\[Judged\(id="):
        Evaluation(rows)  # type: ignore[arg-type]


def test_facts_about_a_run_are_texts(tmp_path: Path) -> None:
    found = Evaluation(EIGHT.rows, draws=DRAWS, about={"Encoder": tmp_path, "Alpha": np.float32(0.5)})
    assert found.about == {"Encoder": str(tmp_path), "Alpha": "0.5"}
    assert Evaluation.load(found.save(tmp_path)).about == found.about
    for about in (["x"], "alpha", 5):
        with pytest.raises(cv.InputError, match=r"Evaluation\(about=.*\): need a dict, such as"):
            Evaluation(EIGHT.rows, about=about)  # type: ignore[arg-type]


@pytest.mark.parametrize("draws", [0, 1.5, "5", None, True])
def test_an_evaluation_draws_once_at_least(draws: object) -> None:
    with pytest.raises(cv.InputError, match=rf"draws={draws!r}: intervals need 1 or more"):
        Evaluation(EIGHT.rows, draws=draws)  # type: ignore[arg-type]


def test_numbers_of_any_kind_are_kept(tmp_path: Path) -> None:
    given = {"risk": np.float32(0.25), "p_value": Fraction(1, 2), "probability": Decimal("0.75"), "chance": 1}
    given |= {"place": np.int64(2), "peak": np.bool_(True), "misnamed": np.bool_(False), "brand": np.str_("Arlo")}
    rows = [dataclasses.replace(row, **given) for row in EIGHT.rows]
    found = Evaluation(rows, draws=np.int64(DRAWS))  # type: ignore[arg-type]
    assert found.rows == tuple(rows)
    again = Evaluation.load(found.save(tmp_path))
    assert (again.rows, again.draws, again.figures) == (found.rows, DRAWS, found.figures)


def test_what_is_no_path_is_refused() -> None:
    for call in (Evaluation.load, EIGHT.save, EIGHT.compare):
        with pytest.raises(cv.InputError, match=r"[Ee]valuation\.\w+\(None\): need a path; type"):
            call(None)  # type: ignore[arg-type]


def test_where_nothing_was_saved(tmp_path: Path) -> None:
    with pytest.raises(cv.InputError, match="no saved evaluation here"):
        Evaluation.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(cv.InputError, match="that is a file"):
        EIGHT.save(tmp_path / "file")


# --- which answers come first ----------------------------------------------------------------------------------------


def order(*rows: Judged) -> list[int]:
    return np.argsort(-Columns.of(rows).confidence, kind="stable").tolist()


def test_goods_that_the_catalogue_hardly_knows_are_answered_last() -> None:
    rows = [judged(0, "genuine", 0.1, likeness=0.06), judged(1, "genuine", 0.3, likeness=0.9), judged(2, "fake", 0.9)]
    rows.append(judged(3, "genuine", 0.0, decision="insufficient_evidence", likeness=0.01))
    assert order(*rows) == [2, 1, 0, 3]


def test_goods_that_may_as_well_be_others_are_answered_late() -> None:
    rows = [judged(0, "genuine", 0.1, margin_p=0.01), judged(1, "genuine", 0.3, margin_p=0.9)]
    rows += [judged(2, "genuine", 0.35), judged(3, "genuine", 0.0, decision="insufficient_evidence", margin_p=0.9)]
    assert order(*rows) == [1, 2, 0, 3]


def test_an_alarm_is_surer_where_more_listings_raise_one_than_genuine_ones_would() -> None:
    usual = [judged(row, "genuine", 0.5 * (1 - p), p_value=p, named="good") for row, p in enumerate(SPREAD)]
    usual[0] = dataclasses.replace(usual[0], risk=0.6, decision="suspected")
    worse = [dataclasses.replace(row, named="bad") for row in usual]
    worse[1:10] = [dataclasses.replace(worse[0], p_value=0.02 + 0.001 * row, risk=0.7) for row in range(9)]
    places = order(*usual, *worse)
    assert places[-1] == 0  # where as many raise an alarm as genuine ones would, the alarm is the least sure answer
    assert set(places[: len(usual) - 1]) == set(range(1, len(usual)))  # and the others the surest
    bad = [place - len(usual) for place in places if place >= len(usual)]
    assert set(bad[:5]) <= set(range(10))
    assert bad[-1] == 10  # elsewhere alarms are, and what nearly raised one is not


def test_rare_brands_are_taken_together_and_a_probability_is_taken_as_it_is() -> None:
    rows = [judged(row, "genuine", 0.5 * (1 - p), p_value=p, named=f"brand {row}") for row, p in enumerate(SPREAD)]
    assert order(*rows) == list(range(len(rows)))[::-1]
    one_alarm = [dataclasses.replace(rows[0], risk=0.6, decision="suspected"), *rows[1:]]
    assert order(*one_alarm)[-1] == 0  # one in 25, as genuine ones would raise
    known = [dataclasses.replace(row, probability=0.9 * p, risk=0.9 * p) for row, p in zip(rows, SPREAD, strict=True)]
    assert order(*known)[0] == 0
    assert order(*known)[-1] == 13


def test_an_alarm_that_is_left_to_a_person_is_less_sure_than_one_that_accuses() -> None:
    rows = [judged(row, "genuine", 0.5 * (1 - p), p_value=p) for row, p in enumerate(SPREAD)]
    accused = [judged(90 + row, "fake", 0.7, "suspected", p_value=0.02) for row in range(5)]
    spared = [judged(100 + row, "fake", 0.7, "review", p_value=0.02) for row in range(5)]
    places = [place - len(rows) for place in order(*rows, *spared, *accused) if place >= len(rows)]
    assert places == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]  # equally sure ones stay as given: spared first
    usual = [dataclasses.replace(row, decision="review") for row in rows]
    assert order(*usual) == order(*rows)  # what raises no alarm is no less sure for being looked at
    likely = dataclasses.replace(spared[0], probability=0.9, risk=0.9)
    assert order(judged(0, "genuine", 0.45, probability=0.45), likely) == [1, 0]  # a probability is taken as it is


def test_at_exactly_the_alarm_level_a_listing_is_taken_for_fake() -> None:
    assert run(("fake", 0.5), ("genuine", 0.1)).figures["full_coverage_error"].value == 0
    assert order(*(judged(row, "genuine", 0.5, p_value=p) for row, p in enumerate((0.001, 0.9)))) == [0, 1]


def test_what_was_not_answered_makes_no_answer_surer() -> None:
    rows = [judged(row, "genuine", 0.5 * (1 - p), p_value=p) for row, p in enumerate(SPREAD)]
    odd = [judged(90 + n, "genuine", 0.9, "insufficient_evidence", p_value=0.001) for n in range(30)]
    assert np.allclose(Columns.of([*rows, *odd]).confidence[: len(rows)], Columns.of(rows).confidence)
