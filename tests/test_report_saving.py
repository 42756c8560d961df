"""What is saved of a report, as files, as a frame and as a plot."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from verdicts import verdict

from counterfeit_vision.errors import DecodeError, InputError, MissingExtraError
from counterfeit_vision.heads import default_heads
from counterfeit_vision.report import Explanation, Report, report
from counterfeit_vision.types import DECISIONS, Evidence, Failure, Verdict

# Files -----------------------------------------------------------------------------------------------


def test_a_saved_folder_has_the_page_and_one_line_a_result(results, tmp_path):
    folder = Report(results).save(tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "verdicts.jsonl"]
    rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert [(row["kind"], row["id"]) for row in rows] == [
        ("failure" if isinstance(result, Failure) else "verdict", result.id) for result in results
    ]
    for row, result in zip(rows, results, strict=True):
        assert row == {"kind": row["kind"], **result.to_dict()}


def test_what_json_cannot_say_becomes_null(tmp_path):
    claims = {"x": Evidence(np.float32(1), "t", p_value=np.float64("nan"), heatmap=np.full((1, 1), np.inf, np.float32))}
    folder = Report([verdict(p_value=float("nan"), risk=np.float32(0.5), claims=claims)]).save(tmp_path)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    row = json.loads((folder / "verdicts.jsonl").read_text("utf-8"), parse_constant=refuse)
    assert row["p_value"] is None
    assert row["risk"] == 0.5
    assert row["claims"]["x"]["p_value"] is None
    assert row["claims"]["x"]["heatmap"] == [[None]]


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    first, second = (Report(results, about={"alpha": "0.05"}).save(tmp_path / name) for name in "ab")
    for name in ("report.html", "verdicts.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_saving_to_a_page_and_over_an_old_one(results, tmp_path):
    target = tmp_path / "x" / "page.HTML"
    assert Report([]).save(target) == target
    assert Report(results).save(str(target)) == target
    assert "Reason of high." in target.read_text("utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["page.HTML"]


def test_a_save_that_fails_leaves_the_old_page(results, tmp_path, monkeypatch):
    target = Report([]).save(tmp_path / "page.html")
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(report.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        Report(results).save(target)
    assert target.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_not_taken_for_a_folder(results, tmp_path):
    taken = tmp_path / "notes.txt"
    taken.write_text("mine")
    with pytest.raises(InputError, match=r"name a folder, or a file that ends in \.html"):
        Report(results).save(taken)
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("name", ["results.csv", "results.JSONL", "results.htm"])
def test_a_folder_is_not_named_like_a_table(results, tmp_path, name):
    with pytest.raises(InputError, match=r"a folder is written here, no \.\w+ file; .*report\.to_frame\(\)\.to_csv"):
        Report(results).save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()  # who made it wants it so
    assert (Report(results).save(tmp_path / name) / "verdicts.jsonl").exists()


def test_a_folder_is_not_taken_for_a_page(results, tmp_path):
    (tmp_path / "x.html").mkdir()
    for page in (Report(results), Explanation(results[0])):
        with pytest.raises(InputError, match=r"x\.html: that is a folder; name a file"):
            page.save(tmp_path / "x.html")


def test_a_result_is_one_line_whatever_a_program_takes_for_the_end_of_one(tmp_path: Path):
    odd = "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\r\nj"
    Report([verdict(id=odd, reason=odd), verdict()]).save(tmp_path / "r")
    lines = (tmp_path / "r" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [odd, verdict().id]


# Frame and plot --------------------------------------------------------------------------------------


def test_the_frame_has_one_row_a_result(results):
    pandas = pytest.importorskip("pandas")
    frame = Report(results).to_frame()
    assert list(frame.columns) == [
        "id",
        "decision",
        "risk",
        "probability",
        "p_value",
        "product",
        "runner_up",
        "brand",
        "authorised",
        "stale",
        "calibration",
        "reason",
        "patches_score",
        "patches_p",
        "similarity_score",
        "similarity_p",
        "wordmark_score",
        "wordmark_p",
        "failure",
    ]
    assert list(frame["id"]) == [result.id for result in results]
    assert frame["risk"].dtype == frame["patches_p"].dtype == "float64"
    assert frame.loc[4, "patches_score"] == 1.3
    assert frame.loc[4, "patches_p"] == 0.01
    assert frame["wordmark_score"].isna().all()
    assert frame.loc[2, "failure"] == "broken.jpg: no image in it"
    assert np.isnan(frame.loc[2, "risk"])
    assert frame["probability"].isna().all()
    assert frame.loc[3, "failure"] == "second.jpg: no image in it"  # of a listing that was judged by its other photo
    assert frame.loc[3, "decision"] is not None
    assert frame["failure"].notna().sum() == 2
    assert frame["stale"].tolist() == [False, False, pandas.NA, True, False, False]
    assert frame["authorised"].tolist() == [False, False, pandas.NA, False, False, False]
    assert frame[frame["stale"]].index.tolist() == [3]
    assert frame[~frame["stale"]].index.tolist() == [0, 1, 4, 5]
    assert frame.index[frame["calibration"].isna()].tolist() == [2]
    assert Report([verdict(calibration="c0ffee")]).to_frame()["calibration"].tolist() == ["c0ffee"]


def test_the_frame_names_each_photo_of_a_judged_listing_that_failed():
    pytest.importorskip("pandas")
    failed = tuple(Failure(name, "decode", DecodeError(name, "no image in it")) for name in ("a.jpg", "b.jpg"))
    frame = Report([verdict(failures=failed)]).to_frame()
    assert frame["failure"].tolist() == ["a.jpg: no image in it; b.jpg: no image in it"]


def test_no_claim_has_a_column_that_is_called_like_something_else_of_a_verdict():
    columns = {f"{head.name}_{kind}" for head in default_heads() for kind in ("score", "p")}
    assert not columns & {field.name for field in dataclasses.fields(Verdict)}


def test_an_empty_frame_has_the_fixed_columns():
    pytest.importorskip("pandas")
    frame = Report([]).to_frame()
    assert len(frame) == 0
    assert "decision" in frame.columns
    assert frame["risk"].dtype == "float64"


@pytest.mark.parametrize(
    ("method", "module", "extra"), [("to_frame", "pandas", "frame"), ("plot", "matplotlib.pyplot", "plot")]
)
def test_an_absent_extra_names_its_line(method, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "counterfeit-vision\[{extra}\]"'):
        getattr(Report([]), method)()


def test_the_plot_shows_counts_and_risks(results, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for some in (results, []):
        figure = Report(some).plot()
        bars, spread = figure.axes
        assert [bar.get_width() for bar in bars.patches] == [Report(some).counts[decision] for decision in DECISIONS]
        assert spread.get_xlabel() == "risk"
        if some:
            counts = [*bars.get_xticks(), *spread.get_yticks()]
            assert all(float(count).is_integer() for count in counts), counts
        figure.savefig(tmp_path / "plot.png")
    from matplotlib import pyplot

    assert not pyplot.get_fignums()
