"""What the command line refuses before it loads an encoder or does other work, and in which words."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import Run

from counterfeit_vision import Catalog, Report
from counterfeit_vision.cli import make_parser
from counterfeit_vision.cli.demo import _demo_text


@pytest.fixture
def catalog(tree_catalog: Catalog, tmp_path: Path) -> Path:
    tree_catalog.save(tmp_path / "catalog")
    return tmp_path / "catalog"


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
def test_no_inspector_is_written_among_a_catalogues_files(run: Run, catalog: Path, tree: Path) -> None:
    said = run("calibrate", catalog, tree, "--out", catalog, "--encoder", "any")
    advice = "the folder holds a catalogue; name another one for the inspector"
    assert (said.code, said.err) == (2, f"error: {catalog}: {advice}\n")


@pytest.mark.usefixtures("no_encoder")
def test_wrong_options_of_evaluate(run: Run, catalog: Path, tmp_path: Path) -> None:
    (source := tmp_path / "l.jsonl").write_text('{"id": "a", "label": "genuine"}\n{"id": "b"}\n')
    evaluate = ("evaluate", catalog, "i", source, "--out", tmp_path / "e", "--encoder", "any")
    for options, words in (
        (("--draws", 0), "argument --draws: 0 is not a whole number of 1 or more"),
        (("--draws", "x"), "argument --draws: invalid whole number value: 'x'"),
        (("--group", "shop"), f"{source}:1: column 'shop', to group by, is missing or empty; the row has id, label"),
        ((), f"{source}:2: column 'label' is missing or empty; the row has "),
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


def test_what_the_demo_advises_can_be_pasted(run: Run, tmp_path: Path) -> None:
    (market := tmp_path / "my demo" / "market").mkdir(parents=True)
    (market / "market.json").write_text('{"seed": 5, "complete": false}')
    said = run("demo", "--folder", tmp_path / "my demo", "--quiet")
    assert shlex.split(said.err)[-2:] == ["--folder", f"{tmp_path}/my demo-0-strong"]
    args = argparse.Namespace(folder=tmp_path / "my demo", strength="strong")
    *_, last = _demo_text(Report([]), {}, {}, argparse.Namespace(alpha=0.05), args)
    command = ["counterfeit-vision", "inspect", *(f"{tmp_path}/my demo/{name}" for name in ("catalog", "inspector"))]
    assert shlex.split(last.removeprefix("To judge other listings: ")) == [*command, "LISTINGS", "--out", "results"]


def write_scripts(folder: Path, **scripts: str) -> Path:
    """A clone with these scripts, by their paths; where a text is empty, with ours."""
    for name, text in scripts.items():
        (path := folder / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or (Path(__file__).parent.parent / name).read_text(encoding="utf-8"), encoding="utf-8")
        path.chmod(0o755)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="runs a shell script")
def test_the_demos_script_says_how_the_command_is_found_afterwards(tmp_path: Path) -> None:
    made_up = {"scripts/install": "#!/bin/sh\n", ".venv/bin/counterfeit-vision": '#!/bin/sh\necho "$@"\n'}
    clone = write_scripts(tmp_path / "my clone", **{"scripts/demo": ""}, **made_up)
    for active, told in (("", ["source", f"{clone}/.venv/bin/activate"]), (f"{clone}/.venv", [])):
        environment = {**os.environ, "VIRTUAL_ENV": active}
        said = subprocess.run(
            [clone / "scripts" / "demo", "--open"], env=environment, capture_output=True, text=True, check=True
        )
        assert (said.stdout, shlex.split(said.stderr)[-2:]) == ("demo --open\n", told)


PYTHON = """\
#!/bin/sh
case "$*" in
    *venv*) sleep 1; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *pip*) echo pip >>installed; sleep 1 ;;
    *) echo 1234 ;;
esac
"""


@pytest.mark.skipif(os.name != "posix", reason="runs a shell script")
def test_an_environment_of_windows_is_installed_into_by_hand(tmp_path: Path) -> None:
    clone = write_scripts(
        tmp_path, **{"scripts/install": "", "bin/python3": PYTHON.replace(".venv/bin", ".venv/Scripts")}
    )
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"}
    for extra, named in (([], "."), (["test"], ".[test]")):  # the environment is made by the first
        said = subprocess.run(
            [clone / "scripts" / "install", *extra], env=environment, capture_output=True, text=True, check=False
        )
        assert said.returncode == 1
        error, demo = said.stderr.splitlines()[-2:]
        assert error.endswith(f'type: .venv/Scripts/python -m pip install -e "{named}"')
        assert demo.endswith(": .venv/Scripts/counterfeit-vision demo")


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")
def test_two_installations_at_once_in_one_clone_make_one(tmp_path: Path) -> None:
    clone = write_scripts(tmp_path, **{"scripts/install": "", "bin/python3": PYTHON})
    (clone / "pyproject.toml").touch()
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"}
    install = functools.partial(
        subprocess.Popen, clone / "scripts" / "install", env=environment, stderr=subprocess.PIPE, text=True
    )
    with install() as first:
        assert first.stderr is not None
        assert first.stderr.readline() == "Making .venv with 1234 ...\n"
        with install() as second:
            said = second.communicate(timeout=60)[1]
        first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert said == "Waiting for another scripts/install in this folder ...\n"
    assert (clone / "installed").read_text() == "pip\n"
