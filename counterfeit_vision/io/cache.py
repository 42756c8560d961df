"""Embeddings kept on disk, so that work on the same photos costs seconds the second time; and, by
:mod:`~counterfeit_vision.io.memory`, what is learned of products (each takes the room of some twenty photos) and what
is said of listings.

One SQLite file, keyed by sha256 of the photo's bytes and the encoder's fingerprint. Several processes may share it. A
file that cannot be read is set aside, with a warning, and begun anew, as is one that was removed, and one that can't be
written, as on a full disk or in a folder of another, is only read until it can: a cache may forget, but it must never
be wrong, nor end the work, nor hold it up. Another program's database is refused, as is a file of another kind. Beyond
its size, what was not asked for longest is forgotten, in the same transaction as what takes its place.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import math
import os
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats
from ..errors import InputError
from ..types.checks import as_number, as_path
from .files import alone, cache_dir

__all__ = ["CachedPhoto", "EmbeddingCache", "opened", "opener", "usual_path"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    sha256 TEXT NOT NULL, fingerprint TEXT NOT NULL, vector BLOB NOT NULL, patches BLOB, rows INTEGER NOT NULL,
    columns INTEGER NOT NULL, content BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, view BLOB NOT
    NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (sha256, fingerprint)
) WITHOUT ROWID
"""
# When each row was last used, in a table of its own: rows are found by age without reading their large values.
USES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS uses (
    sha256 TEXT NOT NULL, fingerprint TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (sha256, fingerprint)
) WITHOUT ROWID;
INSERT OR IGNORE INTO uses SELECT sha256, fingerprint, 0 FROM embeddings;
COMMIT
"""
TABLES = {"embeddings", "uses"}
KINDS = {"table": "tables", "view": "views", "trigger": "triggers", "index": "indices"}
MAX_BYTES = 8 << 30  # 26,000 photos with the patch tokens of ViT-B/16
KEPT = 0.9  # of the size, once it is passed, so that not every batch has to forget
ROOM = 128 << 20  # bytes forgotten at once at most, for others wait: they took 3.3 s of a full cache, a tenth of it 16
PAGE = 16 << 10  # bytes a page of a new file: a row takes two thirds of the time of the usual 4096
LOG = 4 << 20  # bytes of SQLite's log before what it holds is moved into the file
AHEAD = 3_600  # seconds beyond which a use lies in the future: the clock was ahead, maybe by years
NOTED = 1_000  # uses noted in memory before they are written
MAGIC = b"SQLite format 3\0"  # with which SQLite's files begin
LOGS = ("-wal", "-shm")  # endings of SQLite's log, and of what processes share about it
# Seconds that one process waits for another's write. Of two that did nothing else but write batches of 10 MB, each had
# written its own after 1.4 at most, of four after 5.4.
PATIENCE = 5
QUIET = 300  # seconds before it is told again that a file can't be written, and before one that was not opened is tried
COLUMNS = "vector, patches, rows, columns, content, width, height, view"
NOTHING = np.zeros(0, np.float32)
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: a table that is not ours
NO_WRITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

_forking = threading.RLock()  # held while the process forks, and while a cache is made
_caches: WeakSet[EmbeddingCache] = WeakSet()
_stuck: set[Path] = set()  # files that another process kept from being written: not waited for until one write succeeds
_quiet: dict[Path, float] = {}  # until when, by time.monotonic(), it is not told again of a file
_held = contextlib.ExitStack()  # the locks that are held while the process forks


@dataclass(frozen=True, eq=False)
class CachedPhoto:
    """What is kept of one photo: its row of :class:`~counterfeit_vision.Embeddings`, its size and a small JPEG copy."""

    vector: Floats
    patches: NDArray[np.float16] | None
    grid: tuple[int, int]
    content: Floats
    size: tuple[int, int]
    view: bytes

    @classmethod
    def bare(cls, vector: Floats = NOTHING, view: bytes = b"") -> CachedPhoto:
        """A row that holds no more than these: what was worked out of a photo, or of several."""
        return cls(vector, None, (0, 0), NOTHING, (0, 0), view)


class EmbeddingCache:
    """A file of embeddings. ``path`` is the file, or a folder in which the file is called ``embeddings.sqlite``; it
    defaults to :func:`~counterfeit_vision.io.files.cache_dir`. ``max_bytes`` is what its rows may take on disk
    (a file that was larger keeps its size, and its free pages are used first). Safe to use from many threads, and
    after a fork.

    >>> import tempfile
    >>> with EmbeddingCache(tempfile.mkdtemp() + "/e.sqlite") as cache:
    ...     cache.get("0" * 64, "fingerprint") is None, len(cache)
    (True, 0)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        if not as_number(max_bytes) >= 1:
            raise InputError(f"EmbeddingCache(max_bytes={max_bytes!r}): need 1 or more; cache=False does without")
        self.max_bytes = max_bytes
        self._uses: dict[tuple[str, str], float] = {}
        self._stands_in, self._lock = False, threading.RLock()
        self._since = time.time()
        self._file: tuple[int, int] | None = None
        self._opened: sqlite3.Connection | None = None
        self._closed = False
        self.path = usual_path() if path is None else as_path(path, "EmbeddingCache", "embeddings.sqlite")
        with _forking:
            _caches.add(self)
        with self._lock:
            try:
                self.path = self.path / "embeddings.sqlite" if path and self.path.is_dir() else self.path
                self._opened = self._begin()
            except (OSError, sqlite3.Error) as error:
                if not _is_no_room(error, self.path):
                    raise InputError(
                        f"embedding cache {self.path}: {error}; "
                        "set CV_CACHE to another folder, or pass cache=False to do without"
                    ) from error
                self._do_without(error)

    @property
    def _connection(self) -> sqlite3.Connection:
        """The file, open; it is opened again where a fork has closed it (see :func:`_before_fork`), and tried again
        where something else stands in for it.
        """
        if self._stands_in and self._opened and not self._closed and time.monotonic() >= _quiet.get(self.path, 0):
            self._opened.close()
            self._opened = None
        if self._opened is None:
            self._stands_in = False
            try:
                self._opened = self._begin()
            except (OSError, sqlite3.Error) as error:
                return self._do_without(error)
        return self._opened

    def _begin(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._refuse_other_kind()
            return self._begin_anew()

    def _do_without(self, error: Exception) -> sqlite3.Connection:
        self._give_up(error)
        self._opened = connection = self._read_only() or self._connect(":memory:")
        self._stands_in = True
        return connection

    def _open(self) -> sqlite3.Connection:
        self._create()
        end = time.monotonic() + self._patience()
        while True:
            try:
                return self._connect()
            except sqlite3.OperationalError as error:  # SQLite does not wait where two make the file at once
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def _create(self) -> None:
        """Where there is no file, an empty one, without the log of one that was removed while it was open, which SQLite
        can't tell from the new one's.
        """
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.path.parent):
            if not self.path.exists():
                for ending in LOGS:
                    Path(f"{self.path}{ending}").unlink(missing_ok=True)
                self.path.touch(0o644)

    def _connect(self, path: Path | str | None = None) -> sqlite3.Connection:
        connection = sqlite3.connect(path or self.path, timeout=self._patience(), check_same_thread=False)
        self._file = _identity(self.path)
        try:
            tables = self._tables(connection)
            connection.execute(f"PRAGMA page_size={PAGE}")  # a file that has pages keeps theirs
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            (page,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA wal_autocheckpoint={LOG // page}")
            connection.execute(SCHEMA)
            if "uses" not in tables:
                connection.executescript(USES)  # also for what an earlier version kept
            connection.execute(f"SELECT {COLUMNS}, checksum FROM embeddings LIMIT 0")
            connection.execute("SELECT sha256, fingerprint, used FROM uses LIMIT 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _tables(self, connection: sqlite3.Connection) -> set[str]:
        """The tables that are there; :class:`InputError` for what is not ours: what it does is not ours to run, either,
        and a view or a trigger may never end.
        """
        tables, foreign = set(), dict[str, list[str]]()
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name"):
            if kind == "table" and (name in TABLES or name.startswith("sqlite_")):
                tables.add(name)
            elif kind != "index" or sql is not None:  # an index that SQLite made itself has no sql
                foreign.setdefault(KINDS.get(kind, kind), []).append(name)
        if foreign:
            told = " and ".join(f"the {kinds} {', '.join(names)}" for kinds, names in foreign.items())
            raise InputError(
                f"embedding cache {self.path}: the file is another database, with {told}; name another file"
            )
        return tables

    def _read_only(self) -> sqlite3.Connection | None:
        """The file as it is, such as one that was brought with a machine's image; ``None`` where it can't be read.

        In a folder where nobody can write SQLite must be told that nobody does.
        """
        frozen = "" if os.access(self.path.parent, os.W_OK) else "&immutable=1"
        connection = None
        try:
            place = f"{self.path.absolute().as_uri()}?mode=ro{frozen}"
            connection = sqlite3.connect(place, uri=True, timeout=self._patience(), check_same_thread=False)
            self._tables(connection)
            connection.execute(f"SELECT {COLUMNS}, checksum FROM embeddings LIMIT 1").fetchone()
        except sqlite3.Error:
            if connection is not None:
                connection.close()
            return None
        return connection

    def _refuse_other_kind(self) -> None:
        """:class:`InputError` for a file that is no database, nor called one."""
        with self.path.open("rb") as file:
            is_database = file.read(len(MAGIC)) == MAGIC
        if not is_database and self.path.suffix != ".sqlite":
            raise InputError(f"embedding cache {self.path}: the file is no database; name another file")

    def _begin_anew(self) -> sqlite3.Connection:
        """Set the file aside under a free name, with SQLite's log, which must not be replayed onto a new one. Where
        another connection has done so, the one that it began is opened.
        """
        if _identity(self.path) != self._file:
            try:
                return self._open()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
        names = (self.path.with_suffix(f".damaged{number or ''}") for number in itertools.count())
        aside = next(name for name in names if not name.exists())
        for ending in ("", *LOGS):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{ending}", f"{aside}{ending}")
        connection = self._open()
        message = f"embedding cache {self.path}: the file is damaged, or never was one; it is now {aside}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return connection

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        """One thread at a time. Where the file turns out to be damaged, what it holds is forgotten; where it can't be
        used (a full disk, a disk's error, another process that writes for too long), what was being written is dropped.
        """
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                if _is_damage(error):
                    self._reopen()
                elif isinstance(error, sqlite3.OperationalError):
                    self._give_up(error)
                elif isinstance(error, sqlite3.ProgrammingError):
                    told = (
                        f"the cache {self.path} is closed; type EmbeddingCache({str(self.path)!r}) for one that is open"
                    )
                    raise InputError(told) from error
                else:
                    raise

    def _reopen(self) -> None:
        """In place of the file that is open, which is damaged or was removed."""
        self._connection.close()
        try:
            self._opened, self._stands_in = self._begin_anew(), False
        except (OSError, sqlite3.Error) as error:
            self._opened = self._connect(":memory:")
            self._stands_in = True
            self._give_up(error)

    def _patience(self) -> float:
        return 0 if self.path in _stuck else PATIENCE

    def _begin_writing(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute(f"PRAGMA busy_timeout={round(1000 * self._patience())}")
            self._connection.execute("BEGIN IMMEDIATE")  # it does not wait where a reader becomes a writer

    def _give_up(self, error: Exception) -> None:
        """Drop what was being written. The next write is tried, but no process is waited for twice."""
        if self._opened is not None:
            with contextlib.suppress(sqlite3.Error):
                self._opened.rollback()
        self._uses.clear()
        if _code(error) == sqlite3.SQLITE_BUSY:
            _stuck.add(self.path)
        if time.monotonic() >= _quiet.get(self.path, 0):
            _quiet[self.path] = time.monotonic() + QUIET
            message = (
                f"embedding cache {self.path}: {error}; nothing more is kept until it can be written, which is tried "
                f"again within {QUIET // 60} minutes. Set CV_CACHE to a folder with room, or pass cache=False to do "
                "without"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)

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
        with self._lock:
            self._uses[sha256, fingerprint] = time.time()
            if len(self._uses) >= NOTED:
                self.commit()
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
        """Keep a photo; :meth:`commit` makes that permanent."""
        row = (
            np.ascontiguousarray(photo.vector, np.float32).tobytes(),
            None if photo.patches is None else np.ascontiguousarray(photo.patches, np.float16).tobytes(),
            *photo.grid,
            np.ascontiguousarray(photo.content, np.float32).tobytes(),
            *photo.size,
            photo.view,
        )
        for _ in range(2):  # the second time into a new file, where the first turns out to be damaged
            with self._forgetting():
                connection = self._connection
                if self._stands_in:
                    return
                self._begin_writing()
                self._uses[sha256, fingerprint] = time.time()
                self._note_uses()
                connection.execute(
                    f"INSERT OR REPLACE INTO embeddings (sha256, fingerprint, {COLUMNS}, checksum) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (sha256, fingerprint, *row, _checksum(sha256, fingerprint, *row)),
                )
                return

    def put_all(self, fingerprint: str, photos: Mapping[str, CachedPhoto]) -> None:
        """Keep photos by their sha256, and write them, also where an interrupt comes in between: others wait."""
        try:
            for sha256, photo in photos.items():
                self.put(sha256, fingerprint, photo)
        finally:
            self.commit()

    def commit(self) -> None:
        """Write what was put, and when what was got; then forget what exceeds ``max_bytes``."""
        with self._forgetting():
            connection = self._connection
            if self._stands_in:
                self._uses.clear()
                return
            if self._uses or self._bytes() > self.max_bytes:
                self._begin_writing()
            self._note_uses()
            last_used = 0.0
            while self._bytes() > self.max_bytes and (forgotten := self._forget()):
                last_used = forgotten[-1][2]
            if connection.in_transaction:
                connection.commit()
                _stuck.discard(self.path)
            if _identity(self.path) != self._file:
                self._reopen()
            if last_used >= self._since:
                self._say_it_is_too_small()

    def _note_uses(self) -> None:
        if self._uses:
            rows = [(*key, used) for key, used in self._uses.items()]
            self._connection.executemany("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", rows)
            self._uses.clear()

    def _bytes(self) -> int:
        """What the rows take, the other pages of the file being free."""
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _forget(self) -> list[tuple[str, str, float]]:
        """Forget as many rows as are too large by their average, longest unused first; which these were, and when they
        were used. What was used in the future goes before all that: it would never be the longest unused.
        """
        count = self._connection.execute("SELECT count(*) FROM uses").fetchone()[0]
        kept = max(KEPT * self.max_bytes, self.max_bytes - ROOM)
        count = math.ceil(count * (1 - kept / self._bytes()))
        used = "CASE WHEN used > ? THEN 0 ELSE used END"
        select = f"SELECT sha256, fingerprint, {used} FROM uses ORDER BY 3 LIMIT ?"
        rows = self._connection.execute(select, (time.time() + AHEAD, count)).fetchall()
        for table in ("embeddings", "uses"):
            keys = ((sha256, fingerprint) for sha256, fingerprint, _ in rows)
            self._connection.executemany(f"DELETE FROM {table} WHERE sha256 = ? AND fingerprint = ?", keys)
        return rows

    def _say_it_is_too_small(self) -> None:
        """Once, where what this very run put or used was forgotten: what goes first is what a repeat asks for first."""
        self._since = math.inf
        message = (
            f"embedding cache {self.path}: its {self.max_bytes:,} bytes hold about {len(self):,} photos and verdicts, "
            "and more were put or used since it was opened: the same work done again finds only some of them. For more "
            f"room pass cache=EmbeddingCache({str(self.path)!r}, max_bytes={2 * self.max_bytes})"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)

    def __len__(self) -> int:
        count = 0
        with self._forgetting():
            count = int(self._connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])
        return count

    def close(self) -> None:
        """Commit and let go of the file."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(InputError):  # it was closed before
                self.commit()
            self._connection.close()

    def _let_go(self) -> None:
        """Close the file until it is needed again."""
        if self._opened is not None and not self._closed:
            try:
                self.commit()
            finally:
                opened, self._opened = self._opened, None
                opened.close()

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[], EmbeddingCache], tuple[()]]:
        """Another process opens the file for itself."""
        return functools.partial(EmbeddingCache, self.path, max_bytes=self.max_bytes), ()

    def __repr__(self) -> str:
        return f"<EmbeddingCache {self.path}>"


@contextlib.contextmanager
def opened(cache: EmbeddingCache | bool) -> Iterator[EmbeddingCache | None]:
    """The cache that is given; for ``True`` the usual one, closed at the end; for ``False`` none. Raises
    :class:`InputError` for anything else.
    """
    _check(cache)
    if cache is True:
        with EmbeddingCache() as usual:
            yield usual
    else:
        yield None if cache is False else cache


def opener(cache: EmbeddingCache | bool) -> Callable[[], EmbeddingCache] | None:
    """What opens the same file when it is needed, maybe long after the one that is given was closed; ``None`` for
    ``False``. Raises :class:`InputError` as :func:`opened` does.
    """
    _check(cache)
    if isinstance(cache, EmbeddingCache):
        return functools.partial(EmbeddingCache, cache.path, max_bytes=cache.max_bytes)
    return EmbeddingCache if cache else None


def _check(cache: object) -> None:
    if not isinstance(cache, bool | EmbeddingCache):
        raise InputError(
            f"cache={cache!r}: need True, False or a cache; type cache=EmbeddingCache('embeddings.sqlite')"
        )


def usual_path() -> Path:
    return cache_dir() / "embeddings.sqlite"


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that came into its place; ``None`` where there is none."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    return _code(error) in DAMAGE


def _is_no_room(error: Exception, path: Path) -> bool:
    """Whether the disk is full, the file or its folder can only be read, another process does not let go of it, or the
    usual folder can't be made, as where the home is ``/dev/null``. SQLite calls the first a disk's error, too, where it
    finds no room for what it shares between processes, and may be unable to open a file in the second.
    """
    if isinstance(error, OSError):
        return error.errno in NO_ROOM or (error.errno == errno.ENOTDIR and path == usual_path())
    code = _code(error)
    read_only = code == sqlite3.SQLITE_CANTOPEN and not os.access(path.parent, os.W_OK)
    return read_only or code in NO_WRITE


def _checksum(*row: str | bytes | int | None) -> int:
    """SQLite does not notice a changed byte inside a value; this does."""
    value = 0
    for cell in row:
        data = cell if isinstance(cell, bytes) else repr(cell).encode()
        value = zlib.crc32(data, zlib.crc32(f"{len(data)} ".encode(), value))
    return value


def _before_fork() -> None:
    """Wait for all who use a cache, and let go of the files. SQLite would take its parent's connections and locks for
    the child's own, which waited for writes that it never began, and lost what it wrote.
    """
    _held.enter_context(_forking)
    for cache in _caches:
        _held.enter_context(cache._lock)
        with contextlib.suppress(Warning):  # where warnings are errors
            cache._let_go()


def _after_fork() -> None:
    _held.pop_all().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
