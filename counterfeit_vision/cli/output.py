"""What a command has to say, and how it is printed: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..types.wording import number, printable

if TYPE_CHECKING:
    from ..types import Failure

__all__ = ["Outcome", "Talk", "decision_table", "failure_lines", "harmless", "print_outcome", "table"]

FAILURES_SHOWN = 50


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: ``data`` for ``--json``, ``text`` for people, what failed, and what was written."""

    data: dict[str, Any]
    text: Sequence[str] = ()
    failures: Sequence[Failure] = ()
    path: Path | None = None


@dataclass(frozen=True)
class Talk:
    """Progress and notes, on stderr."""

    quiet: bool

    @property
    def bars(self) -> bool:
        """Whether to draw progress bars: in a terminal; a log file gets the steps alone."""
        return not self.quiet and sys.stderr.isatty()

    def step(self, words: str) -> None:
        """Say what begins now."""
        if not self.quiet:
            self.note(words)

    def note(self, words: str) -> None:
        """Say what a user should know even in a quiet run."""
        print(harmless(words), file=sys.stderr, flush=True)


def harmless(words: object) -> str:
    """What may stand in a terminal, line by line: sellers and strangers' folders have their say in many a message."""
    return "\n".join(map(printable, str(words).split("\n")))


def table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Rows as lines with aligned columns; those in ``right`` are aligned to the right.

    >>> table([["a", "1"], ["bcd", "20"]], right=[1])
    ['a     1', 'bcd  20']
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = set(right)
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def decision_table(kinds: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Decisions by what is true of the listings, as lines: ``kinds`` maps each kind to how many got which decision, or
    ``no_verdict``.
    """
    from ..types import DECISIONS

    short = {"insufficient_evidence": "insufficient", "no_verdict": "no verdict"}
    words = [*DECISIONS, "no_verdict"]
    rows = [["TRUTH", "LISTINGS", *(short.get(word, word).upper() for word in words)]]
    for kind, counts in kinds.items():
        rows.append([kind, str(sum(counts.values())), *(str(counts.get(word) or ".") for word in words)])
    return table(rows, right=range(1, len(rows[0])))


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    rows = [["ID", "STAGE", "WHY"]]
    for failure in failures[:FAILURES_SHOWN]:
        rows.append([printable(failure.id), failure.stage, printable(str(failure.error) or repr(failure.error))])
    more = len(failures) - FAILURES_SHOWN
    lines = [f"{number(len(failures), 'input')} failed:", *(f"  {line}" for line in table(rows))]
    return lines + ([f"  and {more:,} more; --json lists all"] if more > 0 else [])


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        data = outcome.data | {"failures": [failure.to_dict() for failure in outcome.failures]}
        print(json.dumps(data, indent=1))
        return
    for line in outcome.text:
        print(harmless(line))
    for line in failure_lines(outcome.failures) if outcome.failures else ():
        print(line)
    if outcome.path is not None:
        print(outcome.path)
