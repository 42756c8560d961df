"""What the command line refuses before it loads an encoder or does other work, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from counterfeit_vision import Catalog
from counterfeit_vision.cli import main, make_parser


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


@pytest.mark.usefixtures("no_encoder")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--base-rate", "0.1"), "--base-rate and --costs need --fakes, or a journal with fakes"),
        (("--costs", "50", "1"), "--base-rate and --costs need --fakes, or a journal with fakes"),
        (("--costs", "0", "1", "--fakes"), "costs=[0.0, 1.0]: need two numbers above 0"),
        (("--leave-one-out", "--fakes"), "--leave-one-out is for genuine photos alone"),
        (("--authorised", ""), "'' names no seller; type PLATFORM/ID, or ID alone"),
        (("--authorised", "bazaar/"), "'bazaar/' names no seller"),
        (("--authorised", "/anna"), "'/anna' names no seller"),
    ],
)
def test_wrong_options_of_calibrate(
    run: Run, catalog: Path, tree: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    fakes = [tree] if options[-1] == "--fakes" else []
    said = run("calibrate", catalog, tree, "--out", tmp_path / "i", "--encoder", "any", *options, *fakes)
    assert (said.code, words in said.err) == (2, True), said.err


@pytest.mark.usefixtures("no_encoder")
def test_wrong_options_of_evaluate(run: Run, catalog: Path, tmp_path: Path) -> None:
    (source := tmp_path / "l.jsonl").write_text('{"id": "a", "label": "genuine"}\n{"id": "b"}\n')
    evaluate = ("evaluate", catalog, "i", source, "--out", tmp_path / "e", "--encoder", "any")
    for options, words in (
        (("--draws", 0), "argument --draws: 0 is not a whole number of 1 or more"),
        (("--draws", "x"), "argument --draws: invalid whole number value: 'x'"),
        (("--group", "shop"), f"{source}:1: column 'shop', to group by, is missing; the row has id, label"),
        ((), f"{source}:2: label=None; the labels are genuine, fake, unknown"),
    ):
        said = run(*evaluate, *options)
        assert (said.code, words in said.err) == (2, True), said.err


def test_an_authorised_seller_is_read_as_platform_and_id() -> None:
    given = ["calibrate", "c", "g", "--out", "i", "--authorised", "anna", "--authorised", "bazaar/shop/1"]
    assert make_parser().parse_args(given).authorised == ["anna", ("bazaar", "shop/1")]


def test_another_folder_is_advised_only_where_the_folder_is_the_reason(run: Run, tmp_path: Path) -> None:
    (market := tmp_path / "d" / "market").mkdir(parents=True)
    (market / "market.json").write_text('{"seed": 5, "complete": false}')
    for option, value, words in (
        ("--size", 0, "size=0: need a whole number >= 96"),
        ("--listings", -3, "listings=-3: need a whole number >= 0"),
        ("--seed", -1, "seed=-1: need a whole number >= 0"),
        ("--brands", 3000, "brands=3000: there are names for "),
    ):
        said = run("demo", "--folder", tmp_path / "d", option, value, "--quiet")
        assert (said.code, said.err.startswith(f"error: {words}"), "--folder" in said.err) == (2, True, False), said.err
    said = run("demo", "--folder", tmp_path / "d", "--quiet")
    assert (said.code, "already holds another market" in said.err) == (2, True)
    assert said.err.endswith(f"; such as: --folder {tmp_path / 'd'}-0-strong\n")
