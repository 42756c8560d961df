"""The embedding cache where disk, folder, file or another process refuse: the work goes on without it."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cached import Counting, key, large, photo, same

from counterfeit_vision.encoders.batching import embed, encode_photos
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import InputError
from counterfeit_vision.io import cache as cache_module
from counterfeit_vision.io.cache import EmbeddingCache


def test_a_stream_begun_in_one_thread_may_be_read_or_closed_in_another(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_CACHE", str(tmp_path))
    named = [(path.name, path) for path in photos]
    with ThreadPoolExecutor(1) as other:
        stream = encode_photos(named, encoder=Counting(tiny_encoder))
        assert [next(stream).id, *(row.id for row in other.submit(list, stream).result())] == [
            name for name, _ in named
        ]
        stream = encode_photos(named, encoder=Counting(tiny_encoder, fingerprint="another"))
        next(stream)
        other.submit(stream.close).result()
    with EmbeddingCache() as cache:
        assert len(cache) == len(photos) + 4


def test_many_threads_may_share_one_cache(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache, ThreadPoolExecutor(4) as pool:

        def work(number: int) -> bool:
            cache.put(key(number), "f", photo(number))
            cache.commit()
            return same(cache.get(key(number), "f"), photo(number))

        assert all(pool.map(work, range(100)))
        assert len(cache) == 100


def test_a_full_disk_is_told_once_and_ends_neither_the_work_nor_the_reading(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PAGE", 4096)  # a larger one has room for all of them
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        embed(photos[:2], encoder=tiny_encoder, cache=cache)
        pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
        cache._connection.execute(f"PRAGMA max_page_count = {pages}")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            rows = embed(photos, encoder=Counting(tiny_encoder), cache=cache)
            for number in range(50):
                cache.put(key(number), "f", large(number))
            cache.commit()
        (warning,) = told
        assert re.search(
            r"e\.sqlite: .*full; nothing more is kept until it can be written, .*5 minutes\. Set CV_CACHE",
            str(warning.message),
        )
        assert rows.ids == tuple(map(str, photos))
        assert len(cache) == 2
        again = Counting(tiny_encoder)
        embed(photos[:2], encoder=again, cache=cache)
        assert again.images == 0


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE])
def test_a_disk_that_is_full_from_the_start_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    connect = EmbeddingCache._connect

    def full(cache: EmbeddingCache, path: str | None = None) -> sqlite3.Connection:
        if path is None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = code  # type: ignore[misc]
            raise error
        return connect(cache, path)

    monkeypatch.setattr(EmbeddingCache, "_connect", full)
    with pytest.warns(RuntimeWarning, match="full; nothing more is kept"):
        cache = EmbeddingCache(tmp_path / "e.sqlite")
    with cache:
        cache.put(key(1), "f", photo(1))
        cache.commit()
        assert cache.get(key(1), "f") is None


def refusing(message: str, code: int) -> Callable[..., sqlite3.Connection]:
    """What stands for ``sqlite3.connect`` where no file can be written, but memory can be, and a file be read."""
    connect = sqlite3.connect

    def refused(*arguments: object, **options: object) -> sqlite3.Connection:
        if arguments[0] != ":memory:" and "uri" not in options:
            error = sqlite3.OperationalError(message)
            error.sqlite_errorcode = code  # type: ignore[misc]
            raise error
        return connect(*arguments, **options)

    return refused


@pytest.mark.parametrize("code", [None, errno.EROFS, errno.EPERM, errno.EDQUOT])
def test_a_folder_that_can_only_be_read_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    def read_only(path: Path, **options: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    if code:
        monkeypatch.setattr(Path, "mkdir", read_only)
    else:
        monkeypatch.setattr(sqlite3, "connect", refusing("unable to open database file", sqlite3.SQLITE_CANTOPEN))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.warns(RuntimeWarning, match="nothing more is kept"):
        cache = EmbeddingCache(tmp_path / "e.sqlite")
    with cache:
        cache.put(key(1), "f", photo(1))
        assert cache.get(key(1), "f") is None


def test_a_home_where_no_folder_can_be_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("CV_CACHE", str(tmp_path / "home" / "cache"))
    with pytest.warns(RuntimeWarning, match="Not a directory.*nothing more is kept"):
        cache = EmbeddingCache()
    with cache:
        pickle.loads(pickle.dumps(cache)).close()  # in the same process it is not told again


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_READONLY_DIRECTORY])
def test_a_file_that_can_only_be_read_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(sqlite3, "connect", refusing("attempt to write a readonly database", code))
    with pytest.warns(RuntimeWarning, match="readonly database; nothing more is kept"):
        cache = EmbeddingCache(tmp_path / "e.sqlite")
    with cache:
        cache.put(key(1), "f", photo(1))
        cache.commit()
        assert cache.get(key(1), "f") is None


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_that_can_only_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool) -> None:
    path = tmp_path / "e #1.sqlite"
    with EmbeddingCache(path) as cache:
        cache.put(key(1), "f", photo(1))
    before = path.read_bytes()
    refused = refusing("attempt to write a readonly database", sqlite3.SQLITE_READONLY)
    monkeypatch.setattr(sqlite3, "connect", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    with pytest.warns(RuntimeWarning, match="nothing more is kept"):
        cache = EmbeddingCache(path)
    with cache:
        cache.put(key(2), "f", photo(2))
        cache.commit()
        assert len(cache) == 1
        assert same(cache.get(key(1), "f"), photo(1))
        cache_module._before_fork()
        cache_module._after_fork()
        assert same(cache.get(key(1), "f"), photo(1))
        assert cache.get(key(2), "f") is None
    cache_module._before_fork()
    cache_module._after_fork()
    with pytest.raises(InputError, match="is closed"):
        len(cache)
    assert path.read_bytes() == before


def test_another_process_that_writes_for_too_long_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many caches are opened, as one is for each piece of work; the first write after it has ended is kept."""
    monkeypatch.setattr(cache_module, "PATIENCE", 1.0)
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as cache, contextlib.closing(sqlite3.connect(path)) as other:
        cache.put_all("f", {key(0): photo(0)})
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.warns(RuntimeWarning, match=r"locked; nothing more is kept until .* 5 minutes"):
            cache.put_all("f", {key(1): photo(1), key(2): photo(2)})
        for number in range(3, 13):
            with EmbeddingCache(path) as one:
                one.put_all("f", {key(number): photo(number)})
                assert same(one.get(key(0), "f"), photo(0))
        assert 1 < time.monotonic() - begun < 8, "not eleven times"
        other.rollback()
        cache.put_all("f", {key(20): photo(20)})
        assert len(cache) == 2
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        cache.put_all("f", {key(21): photo(21)})
        assert time.monotonic() - begun > 0.9, "it is waited for again"


def test_what_could_not_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", refusing("attempt to write a readonly database", sqlite3.SQLITE_READONLY))
        with pytest.warns(RuntimeWarning, match="readonly database; nothing more is kept"):
            cache = EmbeddingCache(tmp_path / "e.sqlite")
    with cache:
        cache.put_all("f", {key(1): photo(1)})
        assert len(cache) == 0
        cache_module._quiet.clear()  # minutes later
        cache.put_all("f", {key(2): photo(2)})
        assert len(cache) == 1
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert same(cache.get(key(2), "f"), photo(2))


def test_a_full_disk_that_has_room_again_is_written_again(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
        cache._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.warns(RuntimeWarning, match="full; nothing more is kept"):
            cache.put_all("f", {key(1): large(1)})
        cache._connection.execute("PRAGMA max_page_count = 1000000")
        cache.put_all("f", {key(2): large(2)})
        assert [number for number in (1, 2) if same(cache.get(key(number), "f"), large(number))] == [2]


def test_who_gives_up_keeps_no_other_process_from_writing(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as cache, contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        cache.put(key(1), "f", photo(1))
        with pytest.warns(RuntimeWarning, match="disk I/O error; nothing more is kept"), cache._forgetting():
            raise sqlite3.OperationalError("disk I/O error")
        other.execute("BEGIN IMMEDIATE")
        other.rollback()
    with EmbeddingCache(path) as cache:
        assert len(cache) == 0, "what was being written is dropped"


def test_a_disk_without_room_keeps_nobody_from_waiting_for_another_process(tmp_path: Path) -> None:
    """A file that another process writes to is waited for once; that a disk was full says nothing of processes."""
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for message, code, waits in (("full", sqlite3.SQLITE_FULL, True), ("locked", sqlite3.SQLITE_BUSY, False)):
            error = sqlite3.OperationalError(message)
            error.sqlite_errorcode = code  # type: ignore[misc]
            cache_module._quiet.clear()
            with pytest.warns(RuntimeWarning, match=message), cache._forgetting():
                raise error
            assert (cache._patience() > 0) is waits
        cache.put_all("f", {key(1): photo(1)})
        assert cache._patience() > 0, "one write has succeeded"


def test_what_stands_in_for_a_file_that_can_not_be_opened_remembers_nothing_of_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as cache:
        cache.put(key(1), "f", photo(1))
    refused = refusing("attempt to write a readonly database", sqlite3.SQLITE_READONLY)
    monkeypatch.setattr(sqlite3, "connect", refused)
    with pytest.warns(RuntimeWarning, match="nothing more is kept"):
        cache = EmbeddingCache(path)
    with cache:
        assert same(cache.get(key(1), "f"), photo(1))
        cache.commit()
        assert cache._uses == {}


def test_a_file_that_another_process_does_not_let_go_of_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PATIENCE", 0.05)
    with contextlib.closing(sqlite3.connect(tmp_path / "e.sqlite")) as other:
        other.execute("CREATE TABLE embeddings (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(RuntimeWarning, match="locked; nothing more is kept"):
            cache = EmbeddingCache(tmp_path / "e.sqlite")
        with cache:
            cache.put_all("f", {key(1): photo(1)})
            assert cache.get(key(1), "f") is None


def test_a_damaged_file_on_a_full_disk_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.sqlite"
    cache = EmbeddingCache(path)

    def full() -> sqlite3.Connection:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_begin_anew", full)
    cache._connection.execute("DROP TABLE embeddings")
    with cache:
        with pytest.warns(RuntimeWarning, match="No space left"):
            assert cache.get(key(1), "f") is None
        cache.put(key(1), "f", photo(1))
        assert cache.get(key(1), "f") is None


def test_a_file_beyond_its_size_waits_for_another_writer_before_it_forgets(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for number in range(50):
            cache.put(key(number), "f", large(number))
    cache = EmbeddingCache(tmp_path / "e.sqlite", max_bytes=500_000)
    with contextlib.closing(sqlite3.connect(cache.path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO uses VALUES ('a', 'b', 1)")
        timer = threading.Timer(0.3, other.commit)
        timer.start()
        cache.close()
        timer.join()
    with EmbeddingCache(cache.path) as cache:
        assert 5 < len(cache) < 15


def test_a_closed_cache_is_refused_with_what_to_type(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder
) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        pass
    cache.close()
    for use in (lambda: embed(photos, encoder=tiny_encoder, cache=cache), lambda: len(cache)):
        with pytest.raises(InputError, match=r"e\.sqlite is closed; type EmbeddingCache\('.*e\.sqlite'\)"):
            use()


KEEPS = """
import sys
sys.path[:0] = sys.argv[1:3]
from cached import key, photo
from counterfeit_vision.io.cache import EmbeddingCache
with EmbeddingCache(sys.argv[3]) as cache:
    cache.put(key(2), "f", photo(2))
"""


def test_a_file_that_was_removed_is_begun_anew_by_all_who_use_it(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "e.sqlite"
    here = Path(__file__).parent
    with EmbeddingCache(path) as cache:
        for number in range(50):
            cache.put(key(100 + number), "f", large(number))
        cache.commit()
        path.unlink()
        command = [sys.executable, "-W", "error", "-c", KEEPS, str(here), str(here.parent), str(path)]
        subprocess.run(command, check=True)
        cache.commit()
        assert same(cache.get(key(2), "f"), photo(2))
        assert len(cache) == 1
        shutil.rmtree(path.parent)
        cache.commit()
        cache.put(key(1), "f", photo(1))
    with EmbeddingCache(path) as cache:
        assert same(cache.get(key(1), "f"), photo(1))
        assert len(cache) == 1
