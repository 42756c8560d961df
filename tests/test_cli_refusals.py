"""What the command line refuses before it loads an encoder or does other work, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from counterfeit_vision import Catalog
from counterfeit_vision.cli import main


class Said(NamedTuple):
    """What one run of the command line gave."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def catalog(tree_catalog: Catalog, tmp_path: Path) -> Path:
    tree_catalog.save(tmp_path / "catalog")
    return tmp_path / "catalog"


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No encoder can be loaded."""

    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("an encoder was loaded first")

    monkeypatch.setattr("counterfeit_vision.encoders.load_encoder", work)


@pytest.mark.usefixtures("no_encoder")
@pytest.mark.parametrize("command", ["inspect", "evaluate", "bench"])
def test_a_mistyped_inspector(run: Run, catalog: Path, tree: Path, tmp_path: Path, command: str) -> None:
    (labelled := tmp_path / "labelled.jsonl").write_text('{"id": "a", "photos": ["a.jpg"], "label": "genuine"}\n')
    typo, out = tmp_path / "inspectr", tmp_path / "out"
    arguments: dict[str, tuple[object, ...]] = {
        "inspect": (catalog, typo, tree, "--out", out),
        "evaluate": (catalog, typo, labelled, "--out", out),
        "bench": (tree / "acme" / "bag", "--catalog", catalog, "--inspector", typo),
    }
    said = run(command, *arguments[command], "--encoder", "any", "--quiet")
    assert (said.code, said.err.startswith(f"error: {typo}: no inspector here")) == (3, True)
