"""The command line as a process: help, warnings, signals, and streams that are closed or full."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import Run

from counterfeit_vision import Catalog, __version__
from counterfeit_vision.cli import main, make_parser
from counterfeit_vision.errors import InputError

COMMANDS = (
    "demo",
    "catalog",
    "catalog build",
    "catalog info",
    "catalog verify",
    "calibrate",
    "inspect",
    "evaluate",
    "bench",
    "models",
)


@pytest.mark.parametrize("command", ["", *COMMANDS, "models list", "models fetch"])
def test_help_ends_with_an_example_that_parses(run: Run, command: str):
    said = run(*command.split(), "--help")
    assert said.code == 0
    examples = re.findall(
        r"^  counterfeit-vision (.*?)(?:   #.*)?$", said.out.partition("\nexample:\n")[2], re.MULTILINE
    )
    assert examples
    for example in examples:
        assert example.startswith(command)
        make_parser().parse_args(example.split())


def test_help_lists_the_exit_codes(run: Run):
    assert re.findall(r"^  (\d+) ", run("--help").out, re.MULTILINE) == ["0", "1", "2", "3", "130"]


def test_version(run: Run):
    assert run("--version").out == f"counterfeit-vision {__version__}\n"


def test_help_loads_nothing_heavy():
    code = "import sys; from counterfeit_vision.cli import main; main(['--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for module in ("torch", "numpy", "faiss", "PIL", "jinja2"):
        assert f"'{module}'" not in out


def test_python_dash_m():
    out = subprocess.run(
        [sys.executable, "-m", "counterfeit_vision", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert out == f"counterfeit-vision {__version__}\n"


def test_a_warning_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch):
    def verify(folder: Path) -> dict[str, Any]:
        warnings.warn("the moon is full", RuntimeWarning, stacklevel=2)
        return {"files": {}, "references": 1}

    monkeypatch.setattr(Catalog, "verify", verify)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("catalog", "verify", "c").err == "warning: the moon is full\n"


def test_letters_that_move_a_terminal_are_told_and_not_sent(run: Run, monkeypatch: pytest.MonkeyPatch):
    def verify(folder: Path) -> dict[str, Any]:
        warnings.warn("a \x1b[2J", RuntimeWarning, stacklevel=2)
        raise InputError("b \x1b[2J")

    monkeypatch.setattr(Catalog, "verify", verify)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        said = run("catalog", "verify", "c")
    assert (said.code, len(said.err.splitlines())) == (2, 2)
    assert "\x1b" not in said.err


def test_what_a_program_does_at_sigterm_is_left_to_it(run: Run, monkeypatch: pytest.MonkeyPatch):
    def mine(number: int, frame: object) -> None: ...

    asked: list[object] = []
    known = {"files": {}, "references": 1}
    monkeypatch.setattr(Catalog, "verify", lambda folder: asked.append(signal.getsignal(signal.SIGTERM)) or known)
    before = signal.getsignal(signal.SIGTERM)
    try:
        for own, meanwhile in ((signal.SIG_DFL, signal.default_int_handler), (mine, mine)):
            signal.signal(signal.SIGTERM, own)
            assert run("catalog", "verify", "c").code == 0
            assert (asked[-1], signal.getsignal(signal.SIGTERM)) == (meanwhile, own)
    finally:
        signal.signal(signal.SIGTERM, before)
    with ThreadPoolExecutor(1) as pool:  # where none may be set
        assert pool.submit(run, "catalog", "verify", "c").result().code == 0


def test_an_interrupt_in_a_command(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupted(folder: Path) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalog, "verify", interrupted)
    said = run("catalog", "verify", "c")
    assert (said.code, said.err) == (130, "interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_control_c_or_sigterm_in_a_process(tmp_path: Path, sent: signal.Signals):
    command = [sys.executable, "-m", "counterfeit_vision", "demo", "--folder", str(tmp_path / "demo")]
    heard = functools.partial(signal.signal, sent, signal.SIG_DFL)  # what runs in the background ignores it
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1/5 ")
        while not list((tmp_path / "demo").glob("market/photos/*.jpg")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.rstrip().endswith("interrupted")
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe")
def test_a_closed_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it, nothing is left to be written at the end
    command = f"{sys.executable} -m counterfeit_vision models list | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


@pytest.mark.parametrize(("windows", "code"), [(True, 0), (False, 2)])
def test_a_closed_pipe_is_no_error_on_windows_either(windows: bool, code: int):
    script = (
        "import sys\nimport counterfeit_vision.cli.run as run\n"
        "def closed(*outcome, **how):\n    raise OSError(22, 'Invalid argument')\n"
        f"run.WINDOWS, run.print_outcome = {windows}, closed\n"
        "sys.exit(run.main(['models', 'list']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, (not windows) * "error: standard output: Invalid argument\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_a_full_disk_under_stdout_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it, nothing is left to be written at the end
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "counterfeit_vision", "models", "list"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "error: standard output: No space left on device\n")


def test_without_stdout_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["models", "list"]) == 0
