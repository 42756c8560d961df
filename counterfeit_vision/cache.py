"""Embeddings kept on disk, so that work on the same photos costs seconds the second time.

One SQLite file, keyed by sha256 of the photo's bytes and the encoder's fingerprint. Several processes may share it. A
file that cannot be read is set aside and begun anew: a cache may forget, but it must never be wrong.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .weights import cache_dir

__all__ = ["CachedPhoto", "EmbeddingCache"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    sha256 TEXT NOT NULL, fingerprint TEXT NOT NULL, vector BLOB NOT NULL, patches BLOB, rows INTEGER NOT NULL,
    columns INTEGER NOT NULL, content BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, view BLOB NOT
    NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (sha256, fingerprint)
) WITHOUT ROWID
"""
PATIENCE = 60  # seconds that one process waits for another's write
COLUMNS = "vector, patches, rows, columns, content, width, height, view"
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: a table that is not ours


@dataclass(frozen=True, eq=False)
class CachedPhoto:
    """What is kept of one photo: its row of :class:`~counterfeit_vision.Embeddings`, its size and a small JPEG copy."""

    vector: NDArray[np.float32]
    patches: NDArray[np.float16] | None
    grid: tuple[int, int]
    content: NDArray[np.float32]
    size: tuple[int, int]
    view: bytes


class EmbeddingCache:
    """A file of embeddings. ``path`` defaults to ``embeddings.sqlite`` in
    :func:`~counterfeit_vision.weights.cache_dir`.

    >>> import tempfile
    >>> with EmbeddingCache(tempfile.mkdtemp() + "/e.sqlite") as cache:
    ...     cache.get("0" * 64, "fingerprint") is None, len(cache)
    (True, 0)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else cache_dir() / "embeddings.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._connection = self._begin_anew()
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"embedding cache {self.path}: {error}; "
                "set CV_CACHE to another folder, or pass cache=False to do without"
            ) from error

    def _open(self) -> sqlite3.Connection:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self._connect()
            except sqlite3.OperationalError as error:  # SQLite does not wait where two make the file at once
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(SCHEMA)
            connection.execute(f"SELECT {COLUMNS}, checksum FROM embeddings LIMIT 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_anew(self) -> sqlite3.Connection:
        """Set the file aside, with SQLite's log, which must not be replayed onto a new one."""
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{ending}", f"{self.path.with_suffix('.damaged')}{ending}")
        return self._open()

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Where the file turns out to be damaged, what it holds is forgotten."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._connection.close()
            self._connection = self._begin_anew()

    def get(self, sha256: str, fingerprint: str) -> CachedPhoto | None:
        """What is kept of this photo in this encoder's space, or ``None``."""
        row = None
        with self._forgetting():
            row = self._connection.execute(
                f"SELECT {COLUMNS}, checksum FROM embeddings WHERE sha256 = ? AND fingerprint = ?",
                (sha256, fingerprint),
            ).fetchone()
        if row is None or row[-1] != _checksum(sha256, fingerprint, *row[:-1]):
            return None
        vector, patches, rows, columns, content, width, height, view, _ = row
        return CachedPhoto(
            vector=np.frombuffer(vector, np.float32),
            patches=None if patches is None else np.frombuffer(patches, np.float16).reshape(rows * columns, -1),
            grid=(rows, columns),
            content=np.frombuffer(content, np.float32),
            size=(width, height),
            view=view,
        )

    def put(self, sha256: str, fingerprint: str, photo: CachedPhoto) -> None:
        """Keep a photo; :meth:`commit` makes it last."""
        row = (
            np.ascontiguousarray(photo.vector, np.float32).tobytes(),
            None if photo.patches is None else np.ascontiguousarray(photo.patches, np.float16).tobytes(),
            *photo.grid,
            np.ascontiguousarray(photo.content, np.float32).tobytes(),
            *photo.size,
            photo.view,
        )
        with self._forgetting():
            self._connection.execute(
                f"INSERT OR REPLACE INTO embeddings (sha256, fingerprint, {COLUMNS}, checksum) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (sha256, fingerprint, *row, _checksum(sha256, fingerprint, *row)),
            )

    def commit(self) -> None:
        """Write what was put."""
        with self._forgetting():
            self._connection.commit()

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])

    def close(self) -> None:
        """Commit and let go of the file."""
        with contextlib.suppress(sqlite3.ProgrammingError):
            self.commit()
        self._connection.close()

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EmbeddingCache {self.path}>"


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE


def _checksum(*row: str | bytes | int | None) -> int:
    """SQLite does not notice a changed byte inside a value; this does."""
    value = 0
    for cell in row:
        data = cell if isinstance(cell, bytes) else repr(cell).encode()
        value = zlib.crc32(data, zlib.crc32(f"{len(data)} ".encode(), value))
    return value
