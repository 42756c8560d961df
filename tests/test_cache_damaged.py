"""A damaged embedding cache is forgotten, never wrong; what is no cache is refused and left as it is."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from cached import filled, key, photo, same

from counterfeit_vision.errors import InputError
from counterfeit_vision.io.cache import EmbeddingCache

SET_ASIDE = pytest.mark.filterwarnings("ignore:embedding cache .* it is now:RuntimeWarning")


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
