"""Runs one command of the command line, and gives the exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence

from ..errors import CatalogError, CounterfeitVisionError, WeightsError
from ..io.files import WINDOWS
from .output import Talk, harmless, print_outcome
from .parser import make_parser

__all__ = ["main"]


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """A warning is one line on stderr, without the line of code it came from."""
    with warnings.catch_warnings():

        def show(message: Warning | str, *where: object, **more: object) -> None:
            print(f"warning: {harmless(message)}", file=sys.stderr)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, where nobody else has said what it shall do."""
    mine = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if mine:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def _named_stdout() -> Iterator[None]:
    """What stdout cannot take, as on a full disk, is an error that names it."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if WINDOWS and error.errno == errno.EINVAL:  # Windows's number for a broken pipe
            raise BrokenPipeError from error
        _let_stdout_go()
        raise OSError(error.errno, error.strerror, "standard output") from error


def _let_stdout_go() -> None:
    """What is still to be written goes nowhere: Python would try once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. ``argv`` defaults to the process's arguments.

    >>> main(["models", "list", "--json"]) == 0  # doctest: +ELLIPSIS
    {
    ...
    True
    """
    if sys.stderr is None:  # closed; print() would then mix notes with the results
        with open(os.devnull, "w") as nobody, contextlib.redirect_stderr(nobody):
            return main(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter must not stop a run
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    try:
        args = parser.parse_args(arguments)
    except SystemExit as end:  # --help, --version, or wrong usage
        return int(end.code or 0)
    try:
        with _plain_warnings(), _terminated_as_interrupted():
            outcome = args.run(args, Talk(quiet=getattr(args, "quiet", False)))
        with _named_stdout():
            print_outcome(outcome, as_json=getattr(args, "json", False))
            print(end="", flush=True)  # a full disk shows here; without a stdout nothing happens
        return 1 if outcome.failures else 0
    except (WeightsError, CatalogError) as error:
        return _fail(3, error)
    except CounterfeitVisionError as error:
        return _fail(2, error)
    except BrokenPipeError:  # `... | head` has read enough
        _let_stdout_go()
        return 0
    except OSError as error:
        return _fail(2, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
    except KeyboardInterrupt as stop:
        print(*("interrupted", *stop.args), sep="; ", file=sys.stderr)
        return 130


def _fail(code: int, error: Exception | str) -> int:
    print(f"error: {harmless(error)}", file=sys.stderr)
    return code
