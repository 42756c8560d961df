"""What tests of the command line share: what a run says, and files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

LITE = ("--encoder", "efficientnet-lite0")


class Said(NamedTuple):
    """What one run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.rstrip("\n").splitlines()[-1]

    @property
    def notes(self) -> list[str]:
        """What it noted, without warnings: which of a few small photos look odd is another matter."""
        return [line.removeprefix("note: ") for line in self.err.splitlines() if line.startswith("note: ")]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.out)


Run = Callable[..., Said]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
