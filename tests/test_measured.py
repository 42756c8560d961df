"""The figures in the documents are those of the results that are kept."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
TEMPLATE = (ROOT / "benchmarks" / "measured.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def measured() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", ROOT / "benchmarks" / "measured.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documents_cite_what_was_measured(measured: ModuleType) -> None:
    for path, text in measured.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old; type: python benchmarks/measured.py"


def test_the_readme_has_the_figures_in_short(measured: ModuleType) -> None:
    (short,) = measured.SHORT.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert short.count("\n") > 10
    assert short in (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")


def test_no_figure_of_a_column_is_typed_by_hand() -> None:
    tables = [line for line in TEMPLATE.splitlines() if line.startswith("| ")]
    for line in tables:
        last = line.strip("| ").split(" | ")[1:]
        typed = [cell for cell in last if not cell.startswith("`") and re.search(r"\d", re.sub(r"\{.*?\}", "", cell))]
        assert not typed, line


def test_every_benchmark_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(\w+\.py)", TEMPLATE))
    assert len(named) > 15
    assert named <= {path.name for path in (ROOT / "benchmarks").glob("*.py")}


@pytest.mark.parametrize("kept", RESULTS, ids=lambda kept: kept.stem)
def test_a_result_is_one_document_that_says_what_it_was_measured_on(kept: Path) -> None:
    result = json.loads(kept.read_text(encoding="utf-8"))
    assert result["benchmark"] == kept.stem
    assert {"python", "torch", "cores", "version"} <= set(result["measured_on"])


def test_figures_are_filled_in_as_they_are_read(measured: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one-two.json").write_text('{"a, b": {"c": 0.256}, "d": [0.1, 0.25], "n": 1200, "seeds": [3, 4]}')
    asked = {
        "{one-two:a, b/c}": "0.26",
        "{one-two:a, b/c|3}": "0.256",
        "{one-two:d/0}": "0.10",
        "{one-two:d}": "0.10 to 0.25",
        "{one-two:d/0 + a, b/c}": "0.18",
        "{one-two:n} of --seeds {one-two:seeds}": "1,200 of --seeds 3 4",
    }
    for template, text in asked.items():
        assert measured.filled(template, tmp_path) == text


def test_encoders_are_compared_on_the_same_photos() -> None:
    usual, other = (
        json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("printed", "printed-efficientnet-lite0")
    )
    assert usual["seeds"] == other["seeds"]
    assert usual["boxes given"] == other["boxes given"]


@pytest.mark.parametrize("template", ["{One:a}", "{one:a|%}", "{one a}", "{one:b}", "{one:c}", "{one:d}"])
def test_what_is_no_figure_is_refused(measured: ModuleType, tmp_path: Path, template: str) -> None:
    (tmp_path / "one.json").write_text('{"a": 1, "b": null, "c": NaN, "d": [0.1, 0.2, 0.3]}')
    with pytest.raises(ValueError, match="no figure"):
        measured.filled(template, tmp_path)


def test_a_figure_that_is_not_there_is_an_error(measured: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"a": 1}')
    with pytest.raises(KeyError):
        measured.filled("{one:b}", tmp_path)
    with pytest.raises(FileNotFoundError):
        measured.filled("{two:a}", tmp_path)
