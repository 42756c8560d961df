"""What the documentation says is so: README's code runs, what it names exists, and the package holds what it needs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import counterfeit_vision
from counterfeit_vision import cli
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.market import render

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/limits.md",
    "docs/measured.md",
    "docs/verdicts.md",
)
SCRIPTS = ("scripts/install", "scripts/demo", "scripts/test", "scripts/check", "scripts/fix", ".ci/run")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def demo_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a small market where ``scripts/demo`` would have put one."""
    render(tmp_path / "demo" / "market", brands=1, listings=4, calibration=30, references=2, size=200)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme_blocks_run_in_order(clip: TowerEncoder, demo_folder: Path, capsys: pytest.CaptureFixture[str]):
    python, (_, *shell) = blocks("python"), blocks("sh")
    assert len(python) >= 2
    names: dict[str, object] = {}
    for number, block in enumerate(python):
        exec(compile(block, f"README.md, python block {number}", "exec"), names)
    assert (demo_folder / "demo" / "results" / "report.html").is_file()
    assert "<Report 4 listings" in capsys.readouterr().out
    for line in "".join(shell).splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "counterfeit-vision"
        assert cli.main(arguments) == 0, line


def commands(page: str) -> list[str]:
    """Command lines of a page: those in ``sh`` blocks and those in the running text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    return blocks.splitlines() + re.findall(r"`((?:counterfeit-vision|scripts/)[^`]*)`", text)


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_in_the_pages_exist(page: str):
    for command in commands(page):
        program, *arguments = shlex.split(command, comments=True)
        if program.startswith("scripts/"):
            assert (ROOT / program).is_file(), command
            assert (ROOT / program).stat().st_mode & 0o100, f"{program} is not executable"
        if program == "scripts/demo":
            cli.make_parser().parse_args(["demo", *arguments])
        elif program == "counterfeit-vision" and arguments and arguments != ["--help"]:
            cli.make_parser().parse_args(arguments)


def test_files_named_in_the_pages_exist():
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        linked = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
        named = re.findall(r"`((?:scripts|notebooks|benchmarks|models|tests)/[\w./-]*)", text)
        for path in [*((ROOT / page).parent / target for target in linked), *(ROOT / name for name in named)]:
            assert path.exists(), f"{page} names {path}"


def test_readme_opens_with_the_two_commands():
    first = blocks("sh")[0]
    assert README.index(first) < 60
    assert [line.split()[0] for line in first.splitlines()] == ["scripts/demo", "scripts/test"]


def test_readme_explains_every_verdict_word_extra_and_encoder():
    from counterfeit_vision.types import DECISIONS

    for word in DECISIONS:
        assert f"| `{word}` |" in README
    extras = re.search(
        r"\[project.optional-dependencies\]\n(.*?)\n\n", (ROOT / "pyproject.toml").read_text(), re.DOTALL
    )
    assert extras is not None
    for extra in re.findall(r"^(\w+) = \[", extras[1], re.MULTILINE):
        assert re.search(rf'`(pip install -e "\.\[)?{extra}\b', README), extra


def test_the_changelog_begins_with_this_version():
    entries = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert entries[0] == counterfeit_vision.__version__


def test_contributing_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 50


def test_every_public_name_is_there_and_listed():
    for name in counterfeit_vision.__all__:
        assert getattr(counterfeit_vision, name) is not None
        assert name in dir(counterfeit_vision)


def test_importing_the_package_loads_neither_torch_nor_faiss():
    code = "import sys, counterfeit_vision; print('torch' in sys.modules, 'faiss' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_hold_no_outputs(path: Path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert not cell.get("outputs"), f"{path.name}: {cell['id']} has outputs; clear them before you commit"
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", SCRIPTS)
def test_scripts_are_strict_and_parse(path: str):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    assert not re.search(r"https?://|/(home|root|work)/", text)
    subprocess.run(["bash", "-n", str(ROOT / path)], check=True)


def test_the_source_archive_holds_what_its_tests_read(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path], check=True, cwd=ROOT)
    (archive,) = tmp_path.glob("counterfeit_vision-*.tar.gz")
    with tarfile.open(archive) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    assert {*PAGES, *SCRIPTS, "pyproject.toml", *(f"notebooks/{path.name}" for path in NOTEBOOKS)} <= names


def test_the_wheel_holds_models_and_templates_and_runs(tmp_path: Path):
    """The bare install: a fresh environment sees the wheel alone, with this environment's dependencies behind it."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("counterfeit_vision-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*(ROOT / "models").glob("*.json"), *(ROOT / "counterfeit_vision" / "report" / "templates").iterdir()]:
        packaged = path.relative_to(ROOT).as_posix().replace("models/", "counterfeit_vision/models/", 1)
        assert packaged in names, packaged
    assert "counterfeit_vision/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    into = ["--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *into], check=True)
    dependencies = next(Path(folder) for folder in sys.path if folder.endswith("site-packages"))
    code = (
        "import sys, counterfeit_vision as cv; print(cv.__file__);"
        f"sys.path.append({str(dependencies)!r});"
        "from counterfeit_vision.encoders.weights import recipes; print(*recipes());"
        "from counterfeit_vision import Report; print(len(Report([]).to_html()) > 500)"
    )
    run = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    where, recipes, page = run.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path / "venv")
    assert set(recipes.split()) >= {"clip-vit-b16", "efficientnet-lite0"}
    assert page == "True"
    program = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "counterfeit-vision"), "--version"], capture_output=True, text=True, check=True
    )
    assert program.stdout.split()[1] == counterfeit_vision.__version__
