"""The embedding cache stays within its size, whoever fills it, and forgets what was not asked for longest."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cached import key, large, on_disk, photo, same

from counterfeit_vision.errors import InputError
from counterfeit_vision.io import cache as cache_module
from counterfeit_vision.io.cache import EmbeddingCache

TABLES = ("embeddings", "uses")


TOO_SMALL = pytest.mark.filterwarnings("ignore:embedding cache .* bytes hold about:RuntimeWarning")


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
    monkeypatch.setattr("counterfeit_vision.io.cache.NOTED", 8)
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
from cached import key, large
from counterfeit_vision.io.cache import EmbeddingCache
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
from cached import key, photo, same
from counterfeit_vision.io import cache as cache_module
from counterfeit_vision.io.cache import EmbeddingCache
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
from cached import key, photo
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.errors import InputError
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
