"""What the command line says where the input is wrong: each is one error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import LITE, Run
from conftest import write_photo

from counterfeit_vision.encoders.runtime import TowerEncoder


def test_sources_that_hold_nothing(run: Run, lite: TowerEncoder, tmp_path: Path):
    empty, manifest, twice = tmp_path / "empty", tmp_path / "m.csv", tmp_path / "t.csv"
    empty.mkdir()
    manifest.write_text("photo,brand\na.jpg,acme\n")
    twice.write_text("id,photo,brand,product\nx,a.jpg,acme,bag\nx,b.jpg,acme,bag\n")
    photo = write_photo(tmp_path / "flat" / "a.jpg", 1)
    for source, words in (
        (tmp_path / "absent", "absent: no such folder or manifest"),
        (empty, "genuine/brand/product/photo.jpg"),
        (manifest, "column 'product' is missing"),
        (twice, "reference id 'x' stands twice"),
        (photo.parent, "a reference lies in brand/product/"),
        (photo, "a manifest ends in .csv, .jsonl or .parquet"),
    ):
        said = run("catalog", "build", source, "--out", tmp_path / "c", *LITE)
        assert said.code == 2, source
        assert said.err.startswith("error: ")
        assert words in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "c").exists()


def test_encoders_and_devices_that_do_not_exist(run: Run, lite: TowerEncoder, tree: Path, tmp_path: Path):
    said = run("catalog", "build", tree, "--out", tmp_path / "c", "--encoder", "resnet-9000")
    assert said.code == 2
    assert "resnet-9000" in said.err
    said = run("catalog", "build", tree, "--out", tmp_path / "c", *LITE, "--device", "toaster")
    assert said.code == 2
    assert "toaster" in said.err


@pytest.mark.usefixtures("no_encoder")
def test_out_that_cannot_be_written_is_refused_before_any_work(run: Run, tree: Path, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "novel.txt").write_text("mine")
    said = run("catalog", "build", tree, "--out", tmp_path / "full")
    assert (said.code, "holds something else (novel.txt)" in said.err) == (2, True)
    (tmp_path / "page.html").mkdir()
    said = run("inspect", tmp_path, tmp_path, tree, "--out", tmp_path / "page.html")
    assert (said.code, "that is a folder; name a file" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["conjure"], "invalid choice: 'conjure'"),
        (["catalog"], "required: ACTION"),
        (["catalog", "build", "genuine"], "required: --out"),
        (["calibrate", "c", "g", "--out", "o", "--alpha", "1.5"], "1.5 is not a share between 0 and 1"),
        (["calibrate", "c", "g", "--out", "o", "--alpha", "x"], "invalid share value: 'x'"),
        (["inspect", "c", "i", "l", "--out", "o", "--jsn"], "unrecognized arguments: --jsn"),
        (["demo", "--listings", "many"], "invalid int value: 'many'"),
    ],
)
def test_usage(run: Run, arguments: list[str], words: str):
    said = run(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert words in said.err
    assert said.err.endswith("--help\n")
    assert said.err.count("\n") == 1


def test_without_a_command_the_help_is_shown(run: Run):
    said = run()
    assert (said.code, said.out) == (2, "")
    assert "exit codes:" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalog", "build", "", "--out", "c"),
        ("inspect", "c", "i", "", "--out", "r"),
        ("inspect", "c", "i", "l", "--out", ""),
    ],
)
def test_a_variable_of_the_shell_that_was_never_set_is_not_the_folder_at_hand(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(*arguments)
    assert (said.code, "an empty text names no file or folder" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
