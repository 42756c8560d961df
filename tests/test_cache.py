"""The embedding cache: it may forget, but it is never wrong."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from cached import Counting, key, photo, same
from PIL import Image

from counterfeit_vision.encoders.batching import embed
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import InputError
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.io.files import cache_dir


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
