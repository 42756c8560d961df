"""The stream: one result a photo, in order, lazily, and nothing left behind whatever breaks."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import io
import itertools
import sqlite3
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image

from counterfeit_vision.encoders import batching as stream_module
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.batching import AHEAD, EncodedPhoto, embed, encode_photos
from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import DecodeError, InputError
from counterfeit_vision.heads import Similarity, Suspects
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.io import cache as cache_module
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.judging import LISTINGS_AT_ONCE, encoded_listings, judge
from counterfeit_vision.types import Embeddings, Evidence, Failure, Listing

pytestmark = pytest.mark.usefixtures("no_threads_left")

BAD = b"\xff\xd8\xff not a photo"


def library_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("counterfeit-vision")]


class Small:
    """The tiny encoder in batches of four; counts what reaches it, and fails at call ``fail_at``."""

    def __init__(self, encoder: TowerEncoder, *, batch_size: int = 4, fail_at: int | None = None) -> None:
        self.encoder, self.batch_size, self.fail_at = encoder, batch_size, fail_at
        self.fingerprint, self.preprocess = encoder.fingerprint, encoder.preprocess
        self.batches: list[int] = []

    def encode(self, images):
        self.batches.append(len(images))
        if len(self.batches) == self.fail_at:
            raise RuntimeError("the encoder broke")
        return self.encoder.encode(images)


@pytest.fixture
def small(tiny_encoder: TowerEncoder) -> Small:
    return Small(tiny_encoder)


def named(count: int, bad: set[int] = frozenset()) -> list[tuple[str, bytes]]:
    return [(f"p{number}", BAD if number in bad else jpeg(number)) for number in range(count)]


# --- order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [set(), {0}, {10}, {5}, {0, 10}, {3, 4}, set(range(11)), set(range(1, 11)), set(range(10)), {1, 3, 5, 7, 9}],
    ids=[
        "none",
        "first",
        "last",
        "middle",
        "both ends",
        "batch edge",
        "all",
        "all but first",
        "all but last",
        "every 2nd",
    ],
)
def test_one_result_a_photo_in_order_with_the_bad_ones_named(small: Small, bad: set[int]) -> None:
    results = list(encode_photos(named(11, bad), encoder=small, cache=False))
    assert [result.id for result in results] == [f"p{number}" for number in range(11)]
    assert {number for number, result in enumerate(results) if isinstance(result, Failure)} == bad
    for number, result in enumerate(results):
        if isinstance(result, Failure):
            assert result.stage == "decode"
            assert isinstance(result.error, DecodeError)
            assert f"p{number}" in str(result.error)
        else:
            alone = small.encoder.encode(small.preprocess(np.asarray(Image.open(io.BytesIO(jpeg(number)))))[0][None])
            np.testing.assert_allclose(result.vector, alone.vectors[0], atol=1e-4)


def test_what_failed_before_keeps_its_place(small: Small) -> None:
    failure = Failure("q", "input", InputError("no photos"))
    photos = [("a", jpeg(0)), ("q", failure), ("b", jpeg(1)), ("q", failure)]
    results = list(encode_photos(photos, encoder=small, cache=False))
    assert [result.id for result in results] == ["a", "q", "b", "q"]
    assert results[1] is results[3] is failure


def test_a_slow_photo_does_not_lose_its_place(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first photo is decoded last."""
    decode, others = stream_module.decode, threading.Semaphore(0)

    def slow(photo, *, name, **options):
        decoded = decode(photo, name=name, **options)
        if name == "p0":
            others.acquire(timeout=5)
        else:
            others.release()
        return decoded

    monkeypatch.setattr(stream_module, "decode", slow)
    results = list(encode_photos(named(9), encoder=small, cache=False))
    assert [result.id for result in results] == [f"p{number}" for number in range(9)]


def test_many_failures_in_a_row_do_not_pile_up(small: Small) -> None:
    """Results come out although no batch fills."""
    taken = 0

    def source() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield f"p{number}", BAD

    results = encode_photos(source(), encoder=small, cache=False)
    assert isinstance(next(results), Failure)
    assert taken <= (4 + AHEAD) * small.batch_size
    results.close()


def test_an_abandoned_stream_ends_quietly_where_one_of_its_own_threads_collects_it(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, abandoned, told = stream_module._prepare, threading.Event(), list[object]()

    def collect(name: str, *rest: object) -> object:
        if name not in ("p0", "p1", "p2", "p3"):
            abandoned.wait(timeout=30)
            gc.collect()
        return prepare(name, *rest)

    def begin_and_abandon() -> None:
        cycle: list[object] = [encode_photos(named(30), encoder=small, cache=False)]
        cycle.append(cycle)
        next(cycle[0])

    monkeypatch.setattr(stream_module, "_prepare", collect)
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    gc.disable()
    try:
        begin_and_abandon()
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("counterfeit-vision")]
        abandoned.set()
        for thread in threads:
            thread.join(timeout=30)
    finally:
        gc.enable()
    assert threads
    assert not told


# --- laziness and memory ---------------------------------------------------------------------------------------------


def test_the_source_is_read_a_few_batches_ahead_only(small: Small) -> None:
    taken = 0

    def source() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        while True:  # endless
            taken += 1
            yield f"p{taken}", jpeg(taken % 5)

    results = encode_photos(source(), encoder=small, cache=False)
    assert taken == 0  # nothing happens before it is asked for
    for given in range(1, 30):
        next(results)
        assert taken <= given + (2 + AHEAD) * small.batch_size * 2
    results.close()


def test_listings_that_fail_are_read_a_few_ahead_only(tree_catalog: Catalog) -> None:
    taken = 0

    def source() -> Iterator[Listing]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield Listing(id=f"l{number}", photos=[jpeg(number)] * (number % 1_000 == 2))

    results = encoded_listings(source(), tree_catalog, False)
    for number in range(5):
        listing, encoded, failures = next(results)
        assert (listing.id, len(encoded), len(failures)) == (f"l{number}", number == 2, number != 2)
    assert taken <= 10 * tree_catalog.encoder.batch_size
    results.close()


def test_a_photo_that_failed_keeps_no_bytes(small: Small, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(BAD + bytes(5_000_000))
    tracemalloc.start()
    try:
        failures = [
            failure
            for photo in (tmp_path / "bad.jpg", tmp_path)
            for failure in embed([photo], encoder=small, cache=False).failures
        ]
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    assert len(failures) == 2


def test_batches_are_full_but_the_last(small: Small) -> None:
    list(encode_photos(named(11), encoder=small, cache=False))
    assert small.batches == [4, 4, 3]


def test_failures_do_not_make_batches_smaller(small: Small) -> None:
    list(encode_photos(named(11, {1, 2, 6}), encoder=small, cache=False))
    assert small.batches == [4, 4]


def test_copies_do_not_make_batches_smaller(small: Small) -> None:
    photos = named(8)
    list(encode_photos([photos[row] for row in (0, 1, 0, 1, 2, 3, 4, 5, 4, 5, 6, 7)], encoder=small, cache=False))
    assert small.batches == [4, 4]


def test_a_photo_that_comes_twice_in_a_batch_is_encoded_once(small: Small) -> None:
    photos = [("a", jpeg(1)), ("b", jpeg(2)), ("c", jpeg(1)), ("d", jpeg(1))]
    results = list(encode_photos(photos, encoder=small, cache=False))
    assert small.batches == [2]
    assert [result.id for result in results] == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(results[0].vector, results[2].vector)
    assert results[0].sha256 == results[3].sha256 != results[1].sha256
    assert [result.view.id for result in results] == ["a", "b", "c", "d"]
    assert [result.view.sha256 for result in results] == [result.sha256 for result in results]


def test_a_copy_that_is_in_hand_is_not_decoded_again(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    decode, decoded = stream_module.decode, []

    def counted(photo, *, name, **options):
        decoded.append(name)
        return decode(photo, name=name, **options)

    monkeypatch.setattr(stream_module, "decode", counted)
    for name in ("x.jpg", "y.jpg"):
        (tmp_path / name).write_bytes(BAD)
    photos = [("a", jpeg(1)), ("b", jpeg(2)), ("c", jpeg(1)), ("x", tmp_path / "x.jpg"), ("y", tmp_path / "y.jpg")]
    results = list(encode_photos([*photos, ("d", jpeg(2))], encoder=small, cache=False))
    assert sorted(Path(name).stem.translate(str.maketrans("cdy", "abx")) for name in decoded) == ["a", "b", "x"]
    assert [result.id for result in results] == ["a", "b", "c", "x", "y", "d"]
    assert "x.jpg" in str(results[3].error)
    assert str(results[4].error) == str(results[3].error).replace("x.jpg", "y.jpg")
    assert results[2].source == photos[2][1]


def test_with_a_cache_a_photo_is_encoded_once_ever(small: Small, tmp_path: Path) -> None:
    from counterfeit_vision.io.cache import EmbeddingCache

    photos = [(f"p{number}", jpeg(number % 3)) for number in range(40)]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        results = list(encode_photos(photos, encoder=small, cache=cache))
    assert sum(small.batches) == 3
    assert [result.id for result in results] == [name for name, _ in photos]


def test_as_many_photos_are_decoded_at_once_as_there_are_cores(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU waits for them: on a machine of 16 cores, 16."""
    together, decoded = threading.Barrier(16), stream_module.decode

    def waits(*arguments, **options):
        together.wait(timeout=20)
        return decoded(*arguments, **options)

    monkeypatch.setattr(stream_module, "decode", waits)
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    results = list(encode_photos(named(32), encoder=Small(tiny_encoder, batch_size=16), cache=False))
    assert [type(result) for result in results] == [EncodedPhoto] * 32


# --- what breaks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 5])
def test_closing_early_leaves_no_thread(small: Small, after: int) -> None:
    results = encode_photos(named(50), encoder=small, cache=False)
    for _ in range(after):
        next(results)
    assert bool(library_threads()) == (after > 0)
    results.close()
    assert library_threads() == []


def test_dropping_the_stream_leaves_no_thread(small: Small) -> None:
    results = encode_photos(named(50), encoder=small, cache=False)
    next(results)
    assert library_threads()
    del results
    gc.collect()
    assert library_threads() == []


@pytest.mark.parametrize("at", [0, 1, 4, 13])
def test_a_source_that_raises_gives_what_it_gave_its_own_exception_and_no_thread(small: Small, at: int) -> None:
    def source() -> Iterator[tuple[str, bytes]]:
        for number in range(at):
            yield f"p{number}", jpeg(number)
        raise KeyError("the source broke")

    results: list[EncodedPhoto | Failure] = []
    with pytest.raises(KeyError, match="the source broke"):
        results.extend(encode_photos(source(), encoder=small, cache=False))
    assert [result.id for result in results] == [f"p{number}" for number in range(at)]
    assert library_threads() == []


class Counting(Similarity):
    """Counts how often it is asked, and fails at call ``fail_at``."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls, self.fail_at = 0, fail_at

    def score(self, suspects: Suspects) -> list[Evidence]:
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("the head broke")
        return super().score(suspects)


def queue(count: int) -> Iterator[Listing]:
    for number in range(count):
        yield Listing(id=f"l{number}", photos=[jpeg(number)] * 2)
    raise KeyError("the queue broke")


@pytest.mark.parametrize("count", [0, 5, LISTINGS_AT_ONCE, LISTINGS_AT_ONCE + 5])
def test_listings_that_were_read_before_their_source_raises_are_judged(tree_catalog: Catalog, count: int) -> None:
    judged: list[str] = []
    with pytest.raises(KeyError, match="the queue broke"):
        judged.extend(listing.id for listing, _, _ in judge(queue(count), tree_catalog, [Counting()], cache=False))
    assert judged == [f"l{number}" for number in range(count)]


def test_a_stream_that_is_closed_or_whose_head_breaks_judges_no_more(tree_catalog: Catalog) -> None:
    count = 2 * LISTINGS_AT_ONCE
    head = Counting()
    stream = judge(queue(count), tree_catalog, [head], cache=False)
    next(stream)
    del stream
    assert head.calls == 1
    head, judged = Counting(fail_at=2), []
    with pytest.raises(RuntimeError, match="the head broke"):
        judged.extend(listing.id for listing, _, _ in judge(queue(count), tree_catalog, [head], cache=False))
    assert (head.calls, len(judged)) == (2, LISTINGS_AT_ONCE)
    gc.collect()


def test_how_far_listings_are_read_ahead(tree_catalog: Catalog, tmp_path: Path) -> None:
    batch, taken = tree_catalog.encoder.batch_size, 0

    def source() -> Iterator[Listing]:
        nonlocal taken
        for number in range(10 * batch):
            taken += 1
            yield Listing(id=f"l{number}", photos=[jpeg(number)])

    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for batches in (3, 6):  # the second time the cache knows them
            taken = 0
            results = judge(source(), tree_catalog, [Similarity()], cache=cache)
            furthest = [taken - number for number, _ in enumerate(results)]
            assert 2 * batch < max(furthest) <= batches * batch + LISTINGS_AT_ONCE


def with_one(patches: np.ndarray, odd: float) -> np.ndarray:
    patches = patches.copy()
    patches[-1, -1, -1] = odd
    return patches


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            lambda rows: dataclasses.replace(
                rows, ids=rows.ids[:-1], vectors=rows.vectors[:-1], content=rows.content[:-1], patches=None
            ),
            "gave 3 rows for 4 photos",
        ),
        (lambda rows: dataclasses.replace(rows, vectors=rows.vectors * np.nan), "vectors that are no finite numbers"),
        (lambda rows: dataclasses.replace(rows, vectors=rows.vectors.astype(np.float64)), "vectors of float64, not"),
        (lambda rows: dataclasses.replace(rows, patches=rows.patches.astype(np.float32)), "patches of float32, not"),
        *(
            (
                lambda rows, odd=odd: dataclasses.replace(rows, patches=with_one(rows.patches, odd)),
                "patches that are no",
            )
            for odd in (np.nan, np.inf, -np.inf)
        ),
    ],
)
def test_an_encoder_that_breaks_its_word_is_named(
    small: Small, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Embeddings], Embeddings], told: str
) -> None:
    encode = small.encode
    monkeypatch.setattr(small, "encode", lambda images: wrong(encode(images)))
    with pytest.raises(InputError, match=rf"Small.* {told}.*; try check_encoder\(encoder\)"):
        list(encode_photos(named(4), encoder=small, cache=False))
    assert library_threads() == []


def test_the_quick_look_for_patches_that_are_no_numbers_agrees_with_numpy() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(
        [stream_module._are_finite(every[[row]]) for row in range(1 << 16)], np.isfinite(every)
    )
    assert stream_module._are_finite(every[:0])
    assert stream_module._are_finite(np.full((3, 4, 5), 65504, np.float16)[:, ::2, ::-1])


@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_encoder_that_raises_gives_one_exception_and_no_thread(tiny_encoder: TowerEncoder, call: int) -> None:
    broken = Small(tiny_encoder, fail_at=call)
    results = []
    with pytest.raises(RuntimeError, match="the encoder broke"):
        results.extend(encode_photos(named(11), encoder=broken, cache=False))
    assert len(broken.batches) == call
    assert library_threads() == []


def test_a_preprocess_that_raises_gives_one_exception_and_no_thread(tiny_encoder: TowerEncoder) -> None:
    class Raises(Preprocess):
        def __call__(self, pixels):
            raise ZeroDivisionError("preprocess broke")

    broken = Small(tiny_encoder)
    broken.preprocess = Raises(32)
    with pytest.raises(ZeroDivisionError, match="preprocess broke"):
        list(encode_photos(named(11), encoder=broken, cache=False))
    assert library_threads() == []


def test_a_consumer_that_raises_leaves_no_thread(small: Small) -> None:
    def consume() -> None:
        for result in encode_photos(named(50), encoder=small, cache=False):
            if result.id == "p3":
                raise LookupError("the consumer broke")

    with pytest.raises(LookupError):
        consume()
    gc.collect()
    assert library_threads() == []


def test_what_was_encoded_before_a_fault_is_kept(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    from counterfeit_vision.io.cache import EmbeddingCache

    with EmbeddingCache(tmp_path / "e.sqlite") as cache, pytest.raises(RuntimeError):
        list(encode_photos(named(11), encoder=Small(tiny_encoder, fail_at=2), cache=cache))
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert len(cache) == 4


def test_a_batch_is_kept_for_others_as_soon_as_it_is_encoded(small: Small, tmp_path: Path) -> None:
    from counterfeit_vision.io.cache import EmbeddingCache

    with EmbeddingCache(tmp_path / "e.sqlite") as cache, EmbeddingCache(tmp_path / "e.sqlite") as other:
        results = encode_photos(named(11), encoder=small, cache=cache)
        next(results)
        assert len(other) == 4
        results.close()


def test_an_interrupt_while_a_batch_is_kept_leaves_the_file_to_others(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, checksum = itertools.count(), cache_module._checksum

    def stop(*row: object) -> int:
        if next(places) == 2:
            raise KeyboardInterrupt
        return checksum(*row)

    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        with monkeypatch.context() as patch:
            patch.setattr(cache_module, "_checksum", stop)
            with pytest.raises(KeyboardInterrupt):
                embed([jpeg(number) for number in range(4)], encoder=small, cache=cache)
        with contextlib.closing(sqlite3.connect(cache.path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT count(*) FROM embeddings").fetchone() == (2,)


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_path_bytes_image_and_array_of_one_photo_give_one_vector(small: Small, tmp_path: Path) -> None:
    pixels = picture(3)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    forms = [path, str(path), path.read_bytes(), Image.open(path), pixels, Image.fromarray(pixels)]
    rows = embed(forms, encoder=small, cache=False)
    assert len(rows) == 6
    for row in range(1, 6):
        np.testing.assert_allclose(rows.vectors[row], rows.vectors[0], atol=1e-6)
    assert rows.ids == (str(path), str(path), "photo 2", str(path), "photo 4", "photo 5")


def test_rows_are_aligned_and_know_where_the_photo_lies(small: Small) -> None:
    rows = embed([jpeg(0), BAD, picture(1, 20, 80), jpeg(2)], encoder=small, cache=False)
    assert rows.vectors.shape == (3, 48)
    assert rows.patches is not None
    assert rows.patches.shape == (3, 16, 64)
    assert rows.grid == (4, 4)
    assert rows.ids == ("photo 0", "photo 2", "photo 3")
    assert [failure.id for failure in rows.failures] == ["photo 1"]
    np.testing.assert_allclose(rows.content[1], [0, 0.375, 1, 0.625])
    assert rows.fingerprint == small.fingerprint
    np.testing.assert_allclose(np.linalg.norm(rows.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("cached", [False, True])
def test_embed_makes_small_copies_only_where_a_cache_keeps_them_for_others(
    small: Small, cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_jpeg, made = stream_module.small_jpeg, []
    monkeypatch.setattr(stream_module, "small_jpeg", lambda pixels: made.append(small_jpeg(pixels)) or made[-1])
    photos = [*named(6), ("array", picture(7)), ("again", jpeg(1)), ("array again", picture(7))]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        store = cache if cached else False
        embed([photo for _, photo in photos], encoder=small, cache=store)
        list(encode_photos(photos, encoder=small, cache=store, views=False))
        assert bool(made) == cached
        for row in encode_photos(photos, encoder=small, cache=store):  # what is reported of a listing
            assert isinstance(row, EncodedPhoto)
            assert row.view.jpeg in made


def test_ids_may_be_given(small: Small) -> None:
    assert embed([jpeg(0), jpeg(1)], ids=["x", "y"], encoder=small, cache=False).ids == ("x", "y")
    with pytest.raises(InputError, match="2 photos and 1 ids"):
        embed([jpeg(0), jpeg(1)], ids=["x"], encoder=small, cache=False)
    for ids, told in (
        (range(2), r"ids\[0\] is 0, no text; type ids=\[str\(id\) for id in ids\]"),
        (["x", None], r"ids\[1\] is None, no text"),
        ("xy", r"embed\(ids='xy'\): need a list of texts, one a photo"),
        (2, r"embed\(ids=2\): need a list of texts"),
    ):
        with pytest.raises(InputError, match=told):
            embed([jpeg(0), jpeg(1)], ids=ids, encoder=small, cache=False)  # type: ignore[arg-type]


def test_a_generator_of_photos_will_do(small: Small) -> None:
    assert len(embed((jpeg(seed) for seed in range(5)), encoder=small, cache=False)) == 5
    assert len(list(encode_photos(iter(named(5)), encoder=small, cache=False))) == 5


def frames(count: int) -> Iterator[np.ndarray]:
    """As of a video: each comes in the same array."""
    frame = np.zeros((40, 56, 3), np.uint8)
    for seed in range(count):
        frame[:] = picture(seed)
        yield frame


def test_an_array_that_its_source_fills_again_is_each_picture_that_it_was(small: Small, tree_catalog: Catalog) -> None:
    own = [picture(seed) for seed in range(11)]
    rows, expected = (embed(photos, encoder=small, cache=False) for photos in (frames(11), own))
    np.testing.assert_array_equal(rows.vectors, expected.vectors)
    found, wanted = (tree_catalog.search(photos, k=1, cache=False) for photos in (frames(11), own))
    np.testing.assert_array_equal(found.scores, wanted.scores)
    offers = (Listing(id=str(number), photos=[frame]) for number, frame in enumerate(frames(11)))
    for listings in (frames(11), offers):
        for (listing, rows, _), pixels in zip(encoded_listings(listings, tree_catalog, False), own, strict=True):
            np.testing.assert_array_equal(rows[0].pixels(), pixels)
            assert listing.photos[0] is rows[0].source  # not held twice


def test_arrays_that_a_list_holds_are_not_copied(tree_catalog: Catalog) -> None:
    own = [picture(seed) for seed in range(3)]
    for listings in (own, [Listing(id=str(number), photos=[pixels]) for number, pixels in enumerate(own)]):
        for (_, (row,), _), pixels in zip(encoded_listings(listings, tree_catalog, False), own, strict=True):
            assert row.source is pixels


def test_an_array_of_paths_is_a_list(small: Small, photos: list[Path]) -> None:
    for paths in (np.array([str(path) for path in photos]), np.array(photos, dtype=object)):
        assert embed(paths, encoder=small, cache=False).ids == tuple(map(str, photos))


@pytest.mark.parametrize("photos", [[], (), iter(())])
def test_no_photos_give_no_rows_of_the_same_widths(small: Small, photos) -> None:
    rows = embed(photos, encoder=small, cache=False)
    assert rows.vectors.shape == (0, 48)
    assert rows.patches is not None
    assert rows.patches.shape == (0, 16, 64)
    assert rows.content.shape == (0, 4)
    assert rows.fingerprint == small.fingerprint
    assert list(encode_photos([], encoder=small, cache=False)) == []


def test_only_bad_photos_give_no_rows_and_all_failures(small: Small) -> None:
    rows = embed([BAD, "no/such/file.jpg", 7, None], encoder=small, cache=False)
    assert len(rows) == 0
    assert [failure.id for failure in rows.failures] == ["photo 0", "no/such/file.jpg", "photo 2", "photo 3"]
    assert all(isinstance(failure.error, DecodeError) for failure in rows.failures)


@pytest.mark.parametrize(
    "photo", ["one.jpg", Path("one.jpg"), b"bytes", picture(0), Image.fromarray(picture(0)), None], ids=type
)
def test_one_photo_instead_of_a_list_is_refused_with_what_to_type(small: Small, photo) -> None:
    with pytest.raises(InputError, match=r"embed\(\[photo\], encoder=encoder\)"):
        embed(photo, encoder=small, cache=False)


@pytest.mark.parametrize("cached", [True, False])
def test_a_failure_names_the_path_even_where_the_id_is_another(small: Small, tmp_path: Path, cached: bool) -> None:
    (tmp_path / "broken.jpg").write_bytes(BAD)
    for path in (tmp_path / "missing.jpg", tmp_path / "broken.jpg"):
        (result,) = encode_photos([("some id", path)], encoder=small, cache=cached)
        assert isinstance(result, Failure)
        assert result.id == "some id"
        assert str(path) in str(result.error)


def test_the_small_copy_is_upright_and_knows_the_size_of_the_original(small: Small) -> None:
    image = Image.fromarray(picture(0, 400, 900))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    (result,) = encode_photos([("a", buffer.getvalue())], encoder=small, cache=False)
    assert isinstance(result, EncodedPhoto)
    assert result.view.size == (400, 900)
    with Image.open(io.BytesIO(result.view.jpeg)) as copy:
        assert copy.size == (142, 320)


def test_fast_decoding_knows_the_size_of_the_original(tiny_clip_folder: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0, 900, 400)).save(buffer, "JPEG")
    exact, fast = (load_encoder(str(tiny_clip_folder), decode=mode) for mode in ("exact", "fast"))
    (row,) = encode_photos([("a", buffer.getvalue())], encoder=fast, cache=False)
    (expected,) = encode_photos([("a", buffer.getvalue())], encoder=exact, cache=False)
    assert isinstance(row, EncodedPhoto)
    assert isinstance(expected, EncodedPhoto)
    assert row.view.size == expected.view.size == (400, 900)
    assert not np.array_equal(row.vector, expected.vector)
    assert float(row.vector @ expected.vector) > 0.99


def test_an_encoder_without_patches_gives_rows_without_patches(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    import dataclasses

    from counterfeit_vision.io.cache import EmbeddingCache

    class Plain(Small):
        def encode(self, images):
            return dataclasses.replace(super().encode(images), patches=None, grid=(0, 0))

    plain = Plain(tiny_encoder)
    plain.fingerprint = "plain"
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for _ in range(2):
            rows = embed([jpeg(0), jpeg(1)], encoder=plain, cache=cache)
            assert rows.patches is None
            assert rows.grid == (0, 0)
            assert rows.vectors.shape == (2, 48)


def test_progress_is_told_on_stderr_only_where_asked(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    embed([jpeg(0)], encoder=small, cache=False)
    assert capsys.readouterr() == ("", "")
    embed([jpeg(0)], encoder=small, cache=False, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/1" in err


def test_rows_of_another_precision_are_not_taken_from_the_cache(
    photos: list[Path], tiny_clip_folder: Path, tmp_path: Path
) -> None:
    full, half = (load_encoder(str(tiny_clip_folder), dtype=kind) for kind in ("float32", "bfloat16"))
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        own = embed(photos, encoder=half, cache=False).vectors
        embed(photos, encoder=full, cache=cache)
        np.testing.assert_array_equal(embed(photos, encoder=half, cache=cache).vectors, own)


@pytest.mark.parametrize("threads", [1, 3])
def test_of_files_that_are_not_decoded_yet_each_thread_has_one(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: int
) -> None:
    small.batch_size, reading, most = 16, [], []
    monkeypatch.setattr(stream_module.os, "cpu_count", lambda: threads)
    read, prepare = stream_module.read_bytes, stream_module._prepare

    def noted(*photo: object, **options: object) -> bytes:
        reading.append(1)
        most.append(len(reading))
        return read(*photo, **options)

    def done(*photo: object) -> object:
        time.sleep(0.002)
        reading.pop()
        return prepare(*photo)

    monkeypatch.setattr(stream_module, "read_bytes", noted)
    monkeypatch.setattr(stream_module, "_prepare", done)
    for name, data in named(40):
        (tmp_path / name).write_bytes(data)
    files = [(name, tmp_path / name) for name, _ in named(40)]
    assert [row.id for row in encode_photos(files, encoder=small, cache=False)] == [name for name, _ in files]
    assert max(most) <= threads


def test_who_reads_the_results_neither_reads_nor_hashes_files(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A GPU waits while the thread that feeds it does either."""
    by: set[str] = set()
    read, sha256, get = stream_module.read_bytes, hashlib.sha256, EmbeddingCache.get
    here = threading.current_thread().name

    def noted(call: Callable[..., object]) -> Callable[..., object]:
        return lambda *given, **options: (by.add(threading.current_thread().name), call(*given, **options))[1]

    files = [(name, tmp_path / name) for name, _ in named(8)]
    for (_, path), (_, data) in zip(files, named(8), strict=True):
        path.write_bytes(data)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        assert len(list(encode_photos(files, encoder=small, cache=cache))) == 8
        monkeypatch.setattr(stream_module, "read_bytes", noted(read))
        monkeypatch.setattr(stream_module.hashlib, "sha256", noted(sha256))
        monkeypatch.setattr(EmbeddingCache, "get", noted(get))
        assert len(list(encode_photos(files, encoder=small, cache=cache))) == 8
    assert by
    assert here not in by
