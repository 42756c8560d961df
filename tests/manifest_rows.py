"""A row of a manifest, and files of rows: jsonl, and parquet without pyarrow."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest


def write(path: Path, *rows: dict | str) -> Path:
    """A jsonl of rows; a text stands as it is."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


FULL = {
    "id": "r1",
    "photo": "photos/1.jpg",
    "brand": "acme",
    "product": "bag",
    "category": "bags",
    "gallery": "official",
    "regions": [[1, 2, 30, 40], [5, 5, 9, 9]],
    "price": 120.5,
    "currency": "EUR",
    "somebody's own column": "ignored",
}


def fake_pyarrow(
    monkeypatch: pytest.MonkeyPatch, batches: list[list[dict]], error: Exception | None = None
) -> list[object]:
    """-> the files that were closed."""
    closed: list[object] = []

    class Batch:
        def __init__(self, rows: list[dict]) -> None:
            self.rows = rows

        def to_pylist(self) -> list[dict]:
            return self.rows

    class ParquetFile:
        def __init__(self, path: Path) -> None:
            if error:
                raise error
            self.metadata = types.SimpleNamespace(num_rows=sum(map(len, batches)))

        def __enter__(self) -> ParquetFile:
            return self

        def __exit__(self, *error: object) -> None:
            closed.append(self)

        def iter_batches(self) -> Iterator[Batch]:
            return map(Batch, batches)

    module = types.ModuleType("pyarrow.parquet")
    module.ParquetFile = ParquetFile  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)
    return closed
