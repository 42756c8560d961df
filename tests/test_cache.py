"""The embedding cache: it may forget, but it is never wrong."""

from __future__ import annotations

import contextlib
import dataclasses
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

import numpy as np
import pytest
from PIL import Image

from counterfeit_vision import cache as cache_module
from counterfeit_vision.cache import CachedPhoto, EmbeddingCache
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import InputError
from counterfeit_vision.stream import embed, encode_photos
from counterfeit_vision.weights import cache_dir

TABLES = ("embeddings", "uses")
TOO_SMALL = pytest.mark.filterwarnings("ignore:embedding cache .* bytes hold about:RuntimeWarning")
SET_ASIDE = pytest.mark.filterwarnings("ignore:embedding cache .* it is now:RuntimeWarning")


def photo(seed: int, *, patches: bool = True) -> CachedPhoto:
    random = np.random.default_rng(seed)
    return CachedPhoto(
        vector=random.standard_normal(12).astype(np.float32),
        patches=random.standard_normal((6, 5)).astype(np.float16) if patches else None,
        grid=(2, 3) if patches else (0, 0),
        content=np.array([0, 0.25, 1, 0.75], np.float32),
        size=(640, 480 + seed),
        view=random.bytes(40),
    )


def same(a: CachedPhoto | None, b: CachedPhoto) -> bool:
    if a is None or (a.patches is None) != (b.patches is None):
        return False
    arrays = [(a.vector, b.vector), (a.content, b.content)]
    if a.patches is not None and b.patches is not None:
        arrays.append((a.patches, b.patches))
    whole = all(x.dtype == y.dtype and x.shape == y.shape and (x == y).all() for x, y in arrays)
    return whole and (a.grid, a.size, a.view) == (b.grid, b.size, b.view)


def key(number: int) -> str:
    return f"{number:064x}"


def filled(path: Path) -> Path:
    """A cache of twenty photos."""
    with EmbeddingCache(path) as cache:
        cache.put_all("f", {key(number): photo(number) for number in range(20)})
    return path


class Counting:
    """An encoder that counts the images that reach it."""

    def __init__(self, encoder: TowerEncoder, fingerprint: str | None = None) -> None:
        self.encoder, self.images = encoder, 0
        self.fingerprint = fingerprint or encoder.fingerprint
        self.preprocess, self.batch_size = encoder.preprocess, 4

    def encode(self, images):
        self.images += len(images)
        return self.encoder.encode(images)


@pytest.mark.parametrize("patches", [True, False])
def test_what_was_put_comes_back_in_another_session(tmp_path: Path, patches: bool) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        cache.put(key(1), "f", photo(1, patches=patches))
        assert same(cache.get(key(1), "f"), photo(1, patches=patches))
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert same(cache.get(key(1), "f"), photo(1, patches=patches))
        assert len(cache) == 1


def test_another_photo_or_fingerprint_is_another_row(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        cache.put(key(1), "f", photo(1))
        assert cache.get(key(2), "f") is None
        assert cache.get(key(1), "g") is None
        cache.put(key(1), "g", photo(2))
        assert same(cache.get(key(1), "f"), photo(1))
        assert same(cache.get(key(1), "g"), photo(2))


def test_the_last_put_of_a_row_stays(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        cache.put(key(1), "f", photo(1))
        cache.put(key(1), "f", photo(2))
        assert same(cache.get(key(1), "f"), photo(2))
        assert len(cache) == 1


def test_the_file_lies_in_the_cache_folder_by_default(own_cache: Path) -> None:
    with EmbeddingCache() as cache:
        assert cache.path == own_cache / "embeddings.sqlite" == cache_dir() / "embeddings.sqlite"
        assert str(cache.path) in repr(cache)


def test_two_open_caches_share_what_was_committed(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as one, EmbeddingCache(tmp_path / "e.sqlite") as two:
        one.put(key(1), "f", photo(1))
        assert two.get(key(1), "f") is None
        one.commit()
        assert same(two.get(key(1), "f"), photo(1))
        two.put(key(2), "f", photo(2))
        two.commit()
        assert same(one.get(key(2), "f"), photo(2))


def test_what_another_process_is_given_opens_the_same_file(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite", max_bytes=5_000_000) as one:
        one.put(key(1), "f", photo(1))
        one.commit()
        with pickle.loads(pickle.dumps(one)) as two:
            assert (two.path, two.max_bytes) == (one.path, one.max_bytes)
            assert same(two.get(key(1), "f"), photo(1))


@pytest.mark.parametrize("attempt", range(15))  # the moment at which both make the file is short
def test_many_may_open_and_write_at_once(tmp_path: Path, attempt: int) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            start.wait()
            with EmbeddingCache(tmp_path / "e.sqlite") as cache:
                for row in range(3):
                    cache.put(key(10 * number + row), "f", photo(number))
                    cache.commit()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert len(cache) == 18


# --- its size --------------------------------------------------------------------------------------------------------


def large(seed: int) -> CachedPhoto:
    """About 40 KB."""
    return dataclasses.replace(photo(seed), view=np.random.default_rng(seed).bytes(40_000))


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))


@TOO_SMALL
@pytest.mark.parametrize("page", [4096, 16384], ids=["an older file", "a new file"])
def test_the_file_stays_within_its_size(tmp_path: Path, page: int) -> None:
    path = tmp_path / "e.sqlite"
    if page == 4096:
        with contextlib.closing(sqlite3.connect(path)) as older:
            older.execute("PRAGMA page_size=4096")
            older.execute("PRAGMA journal_mode=WAL")
    with EmbeddingCache(path, max_bytes=2_000_000) as cache:
        assert cache._connection.execute("PRAGMA page_size").fetchone() == (page,)
        for number in range(300):  # 12 MB
            cache.put(key(number), "f", large(number))
            if number % 5 == 4:
                cache.commit()
                assert path.stat().st_size < 2_300_000
                assert on_disk(path) < 2_300_000 + 6_000_000  # with SQLite's log
    with EmbeddingCache(path, max_bytes=2_000_000) as cache:
        assert 30 < len(cache) < 50
        assert same(cache.get(key(299), "f"), large(299))
        assert cache.get(key(0), "f") is None
    assert on_disk(path) < 2_300_000


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfeit_vision.cache.NOTED", 8)
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as cache:
        for number in range(200):
            cache.put(key(number), "f", large(number))
            cache.commit()
    with EmbeddingCache(path) as cache:  # in another session, on another day
        for number in range(20):
            assert cache.get(key(number), "f") is not None
        assert len(cache._uses) == 4  # the others are noted in the file
    with EmbeddingCache(path, max_bytes=4_000_000) as cache:
        cache.put(key(999), "f", large(999))
        cache.commit()
        kept = [number for number in range(200) if cache.get(key(number), "f") is not None]
        assert kept[:20] == list(range(20))
        assert kept[20:] == list(range(200 - len(kept[20:]), 200))
        assert 50 < len(kept) < 100
        assert same(cache.get(key(999), "f"), large(999))
        cache.put_all("f", {key(1000 + number): large(number) for number in range(3)})
        assert len(cache) == len(kept) + 4  # not every batch has to forget


def test_that_one_run_uses_more_than_it_holds_is_said_once(tmp_path: Path) -> None:
    def run(numbers: range) -> None:
        with EmbeddingCache(tmp_path / "e.sqlite", max_bytes=2_000_000) as cache:
            for number in numbers:
                if cache.get(key(number), "f") is None:
                    cache.put(key(number), "f", large(number))
                cache.commit()

    told = r"its 2,000,000 bytes hold about \d\d photos and verdicts, and more .*e\.sqlite', max_bytes=4000000\)"
    with pytest.warns(RuntimeWarning, match=told) as seen:
        run(range(200))
    assert len(seen) == 1
    run(range(200, 220))  # what an earlier run left makes room for it
    with pytest.warns(RuntimeWarning, match=told):
        run(range(60))


def test_others_need_not_wait_while_much_of_a_large_cache_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "ROOM", 200_000)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        cache.put_all("f", {key(number): large(number) for number in range(100)})
        cache.max_bytes = cache._bytes()
        cache._since = float("inf")
        cache.put_all("f", {key(100): large(100)})
        assert 94 <= len(cache) <= 97


def test_what_was_used_while_the_clock_was_ahead_goes_before_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    path = tmp_path / "e.sqlite"
    monkeypatch.setattr(cache_module.time, "time", lambda: now + 3 * 365 * 86400)
    with EmbeddingCache(path) as cache:
        for number in range(45):
            cache.put(key(number), "f", large(number))
    monkeypatch.setattr(cache_module.time, "time", lambda: now)
    with EmbeddingCache(path, max_bytes=2_000_000) as cache:
        for number in range(100, 120):
            cache.put_all("f", {key(number): large(number)})
        assert all(same(cache.get(key(number), "f"), large(number)) for number in range(100, 120))


@TOO_SMALL
def test_a_size_below_one_batch_keeps_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite", max_bytes=1) as cache:
        cache.put(key(1), "f", photo(1))
        assert same(cache.get(key(1), "f"), photo(1))
        cache.commit()
        assert len(cache) == 0
    with pytest.raises(InputError, match="max_bytes=0"):
        EmbeddingCache(tmp_path / "e.sqlite", max_bytes=0)


def test_a_file_of_an_earlier_version_is_kept_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as cache:
        for number in range(200):
            cache.put(key(number), "f", large(number))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE uses")
        connection.commit()
    with EmbeddingCache(path) as cache:
        assert same(cache.get(key(3), "f"), large(3))
    with EmbeddingCache(path, max_bytes=1_000_000) as cache:
        cache.put(key(999), "f", large(999))
        cache.commit()
        assert len(cache) < 30


FILLS = """
import sys
sys.path[:0] = sys.argv[1:3]
from test_cache import EmbeddingCache, key, large
with EmbeddingCache(sys.argv[3], max_bytes=3_000_000) as cache:
    for number in range(int(sys.argv[4]), int(sys.argv[4]) + 100_000):
        cache.put(key(number), "f", large(number))
        cache.get(key(number - 3), "f")
        cache.commit()
        if number % 100 == 99:
            print(number, flush=True)
"""


def test_processes_that_fill_it_at_once_and_are_killed_leave_it_whole_and_within_its_size(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    here = Path(__file__).parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FILLS, str(here), str(here.parent), str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for start in (0, 1_000_000)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() != "", "it ended on its own"
    for process in processes:
        process.kill()
        process.communicate()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows, uses = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES)
        keys = [int(name, 16) for (name,) in connection.execute("SELECT sha256 FROM embeddings")]
    assert rows == uses == len(keys) > 20
    assert path.stat().st_size < 3_500_000
    with EmbeddingCache(path) as cache:
        for number in keys:
            assert same(cache.get(key(number), "f"), large(number))


AT_WORK = """
import os, signal, sys, threading, time
sys.path[:0] = sys.argv[1:3]
from test_cache import EmbeddingCache, cache_module, key, photo, same
cache, begun = EmbeddingCache(sys.argv[3]), threading.Event()
cache.put(key(1), "f", photo(1))
checksum = cache_module._checksum
cache_module._checksum = lambda *row: (begun.set(), time.sleep(0.5), checksum(*row))[-1]
other = threading.Thread(target=cache.put, args=(key(3), "f", photo(3)))
other.start()
begun.wait()
child = os.fork()
cache_module._checksum = checksum
if not child:
    signal.alarm(20)
    cache.put(key(2), "f", photo(2))
    cache.close()
    os._exit(0)
other.join()
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
cache.close()
raise SystemExit(code)
"""

CLOSED_FIRST = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from test_cache import EmbeddingCache, InputError, key, photo
cache, closed = EmbeddingCache(sys.argv[3]), EmbeddingCache(sys.argv[3])
closed.close()
for number in (1, 3):
    cache.put(key(number), "f", photo(number))
ended, end = os.pipe()
if not (child := os.fork()):
    signal.alarm(20)
    try:
        len(closed)
    except InputError:
        cache.get(key(1), "f")
        os.close(end)
        os.read(ended, 1)
        cache.put(key(2), "f", photo(2))
        cache.commit()
        os._exit(0)
cache.commit()
cache.close()
os.close(end)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("script", [AT_WORK, CLOSED_FIRST], ids=["a thread at work", "the parent closes first"])
def test_a_forked_process_goes_on_with_the_same_file_and_loses_nothing(tmp_path: Path, script: str) -> None:
    path, here = tmp_path / "e.sqlite", Path(__file__).parent
    command = [sys.executable, "-W", "error", "-c", script, str(here), str(here.parent), str(path)]
    subprocess.run(command, check=True, timeout=60)
    with EmbeddingCache(path) as cache:
        assert [number for number in range(9) if same(cache.get(key(number), "f"), photo(number))] == [1, 2, 3]


# --- what the system refuses ------------------------------------------------------------------------------------------


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
from test_cache import EmbeddingCache, key, photo
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


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"not a database at all, but long enough to look like a file" * 20, b"\0" * 4096])
def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "e.sqlite"
    for number, name in enumerate(("e.damaged", "e.damaged1", "e.damaged2")):
        path.write_bytes(damage + bytes(number))
        with pytest.warns(RuntimeWarning, match=rf"e\.sqlite: the file is damaged.*; it is now .*{name}$"):
            cache = EmbeddingCache(path)
        with cache:
            cache.put(key(1), "f", photo(1))
            assert same(cache.get(key(1), "f"), photo(1))
    for number, name in enumerate(("e.damaged", "e.damaged1", "e.damaged2")):
        assert (tmp_path / name).read_bytes() == damage + bytes(number)


def test_a_file_that_turns_out_to_be_damaged_is_counted_anew(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        cache._connection.execute("DROP TABLE embeddings")
        with pytest.warns(RuntimeWarning, match="it is now"):
            assert len(cache) == 0
        cache.put(key(1), "f", photo(1))
        assert len(cache) == 1


def test_a_damaged_file_is_set_aside_once_whoever_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path) as first, EmbeddingCache(path) as second, EmbeddingCache(path) as third:
        for number, name in enumerate(("e.damaged", "e.damaged1")):
            first._connection.execute("DROP TABLE embeddings")
            with pytest.warns(RuntimeWarning, match=rf"it is now .*{name}$"):
                first.put(key(number), "f", photo(number))
            first.commit()
            assert second.get(key(number), "f") is None  # it finds out, and opens the new one
            assert same(second.get(key(number), "f"), photo(number))
            third.put(key(number + 10), "f", photo(number + 10))
            third.commit()
            assert same(second.get(key(number + 10), "f"), photo(number + 10))
            assert len(first) == len(second) == len(third) == 2
    aside = {file.suffix for file in tmp_path.iterdir()}
    assert {ending for ending in aside if "-" not in ending} == {".sqlite", ".damaged", ".damaged1"}


@pytest.mark.parametrize("name", ["listings.csv", "photo.jpg", "README", "cache.db"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"id,photo\na,a.jpg\n" * 500)
    with pytest.raises(InputError, match=rf"{name}: the file is no database; name another file"):
        EmbeddingCache(path)
    assert path.read_bytes() == b"id,photo\na,a.jpg\n" * 500
    assert list(tmp_path.iterdir()) == [path]


@SET_ASIDE
def test_a_damaged_cache_is_set_aside_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with EmbeddingCache(path) as cache:
        cache.put(key(1), "f", photo(1))
    path.write_bytes(path.read_bytes()[:100] + bytes(8000))
    with EmbeddingCache(path) as cache:
        assert len(cache) == 0
    assert (tmp_path / "cache.damaged").exists()


@pytest.mark.parametrize("tables", [["customers"], ["embeddings", "customers"]])
def test_another_database_is_refused_and_left_as_it_is(tmp_path: Path, tables: list[str]) -> None:
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as other:
        for table in tables:
            other.execute(f"CREATE TABLE {table} (name TEXT)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"shop\.sqlite: the file is another database, with the tables customers; name"
    ):
        EmbeddingCache(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON embeddings BEGIN DELETE FROM uses; END", "the triggers t"),
        ("CREATE INDEX i ON embeddings (hex(zeroblob(9)))", "the indices i"),
        ("CREATE VIEW v AS SELECT 1; CREATE TABLE c (x)", "the tables c and the views v"),
        ("DROP TABLE embeddings; CREATE VIEW embeddings AS SELECT 1", "the views embeddings"),
    ],
)
def test_a_file_in_which_others_put_what_runs_is_refused_and_left_as_it_is(
    tmp_path: Path, more: str, told: str
) -> None:
    path = tmp_path / "e.sqlite"
    EmbeddingCache(path).close()
    EmbeddingCache(path).close()  # what is its own is taken
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript(more)
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"e\.sqlite: the file is another database, with {told}; name another file"):
        EmbeddingCache(path)
    assert path.read_bytes() == before


@SET_ASIDE
def test_the_log_of_a_damaged_file_is_not_replayed_onto_the_new_one(tmp_path: Path) -> None:
    path = filled(tmp_path / "e.sqlite")
    cache = EmbeddingCache(path)
    cache.put(key(30), "f", photo(30))
    cache.commit()
    log = Path(f"{path}-wal").read_bytes()  # holds the last pages only
    assert 0 < len(log) < path.stat().st_size
    cache.close()
    path.write_bytes(b"no database " * 5000)
    Path(f"{path}-wal").write_bytes(log)
    with EmbeddingCache(path) as cache:
        for number in (*range(20), 30):
            found = cache.get(key(number), "f")
            assert found is None or same(found, photo(number))
        cache.put(key(2), "f", photo(2))
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()
    with EmbeddingCache(path) as cache:
        assert same(cache.get(key(2), "f"), photo(2))
    assert (tmp_path / "e.damaged").exists()


@SET_ASIDE
def test_a_database_with_another_table_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE embeddings (sha256 TEXT, vector BLOB)")
    other.commit()
    other.close()
    with EmbeddingCache(path) as cache:
        cache.put(key(1), "f", photo(1))
        assert same(cache.get(key(1), "f"), photo(1))
    assert (tmp_path / "e.damaged").exists()


@SET_ASIDE
def test_a_flipped_byte_anywhere_is_forgotten_and_never_a_wrong_row(tmp_path: Path) -> None:
    path = filled(tmp_path / "e.sqlite")
    whole = path.read_bytes()
    forgotten = 0
    for offset in np.random.default_rng(0).choice(len(whole), 150, replace=False).tolist() + list(range(0, 100, 7)):
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x55]) + whole[offset + 1 :])
        try:
            cache = EmbeddingCache(path)
        except InputError:  # a header that says read-only, or a newer SQLite: named, and nothing is wrong
            continue
        with cache:
            for number in range(20):
                found = cache.get(key(number), "f")
                forgotten += found is None
                assert found is None or same(found, photo(number)), f"byte {offset}: row {number} is wrong"
            cache.put(key(99), "f", photo(99))
            cache.commit()
            assert same(cache.get(key(99), "f"), photo(99)), f"byte {offset}: nothing can be kept any more"
    assert forgotten > 20  # the flips did hit something


@SET_ASIDE
def test_a_truncated_file_is_forgotten(tmp_path: Path) -> None:
    path = filled(tmp_path / "e.sqlite")
    whole = path.read_bytes()
    for length in range(1, len(whole), 1500):
        path.write_bytes(whole[:length])
        with EmbeddingCache(path) as cache:
            for number in range(20):
                found = cache.get(key(number), "f")
                assert found is None or same(found, photo(number))


@pytest.mark.parametrize("name", ["folder", "file/below"])
def test_a_place_where_no_file_can_be_says_how_to_go_on_without(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder" / "embeddings.sqlite").mkdir(parents=True)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cache=False"):
        EmbeddingCache(tmp_path / name)


def test_in_a_folder_a_cache_has_the_usual_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, str(tmp_path)):
        with EmbeddingCache(folder) as cache:
            assert cache.path == tmp_path / "embeddings.sqlite"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"cache=False"):
        EmbeddingCache("")


def test_a_folders_name_is_no_cache(photos: list[Path], tiny_encoder: TowerEncoder) -> None:
    with pytest.raises(InputError, match=r"cache='here': need True, False or a cache; type cache=EmbeddingCache"):
        embed(photos, encoder=tiny_encoder, cache="here")


def test_the_second_time_the_same_photos_are_not_encoded(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder
) -> None:
    first, second = Counting(tiny_encoder), Counting(tiny_encoder)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        a = embed(photos, encoder=first, cache=cache)
        assert first.images == len(photos)
        b = embed(photos, encoder=second, cache=cache)
    assert second.images == 0
    np.testing.assert_array_equal(a.vectors, b.vectors)
    np.testing.assert_array_equal(a.patches, b.patches)
    np.testing.assert_array_equal(a.content, b.content)
    assert a.ids == b.ids
    assert a.grid == b.grid == (4, 4)
    assert b.fingerprint == tiny_encoder.fingerprint


def test_bytes_arrays_and_images_hit_the_cache_too(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder
) -> None:
    forms = [photos[0].read_bytes(), np.asarray(Image.open(photos[1])), Image.open(photos[2])]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        embed([photos[0]], encoder=tiny_encoder, cache=cache)
        first, second = Counting(tiny_encoder), Counting(tiny_encoder)
        embed(forms, encoder=first, cache=cache)
        embed(forms, encoder=second, cache=cache)
    assert (first.images, second.images) == (2, 0)  # the bytes were known from the path


def test_another_encoder_does_not_get_these_rows(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder
) -> None:
    other = Counting(tiny_encoder, fingerprint="another")
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        embed(photos, encoder=tiny_encoder, cache=cache)
        embed(photos, encoder=other, cache=cache)
        assert other.images == len(photos)
        assert len(cache) == 2 * len(photos)


def test_a_photo_that_changed_under_its_name_is_encoded_again(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder
) -> None:
    counting = Counting(tiny_encoder)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        before = embed(photos[:1], encoder=counting, cache=cache)
        photos[0].write_bytes(photos[1].read_bytes())
        after = embed(photos[:1], encoder=counting, cache=cache)
    assert counting.images == 2
    assert not np.array_equal(before.vectors, after.vectors)


def test_failures_are_not_kept(tmp_path: Path, tiny_encoder: TowerEncoder) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for _ in range(2):
            assert len(embed([tmp_path / "bad.jpg"], encoder=tiny_encoder, cache=cache).failures) == 1
        assert len(cache) == 0


def test_cache_false_leaves_the_disk_alone(
    tmp_path: Path, photos: list[Path], tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_CACHE", str(tmp_path / "never"))
    embed(photos, encoder=tiny_encoder, cache=False)
    assert not (tmp_path / "never").exists()


def test_a_cache_is_a_file_of_some_size() -> None:
    with pytest.raises(
        InputError, match=r"EmbeddingCache\(3\): need a path; type EmbeddingCache\('embeddings\.sqlite'\)"
    ):
        EmbeddingCache(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"EmbeddingCache\(max_bytes='1'\): need 1 or more"):
        EmbeddingCache(max_bytes="1")  # type: ignore[arg-type]
