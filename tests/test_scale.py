"""Catalogues of many products: what must not grow with their square."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from counterfeit_vision.encoders.batching import EncodedPhoto
from counterfeit_vision.index.references import _centre, _taken
from counterfeit_vision.index.retrieval import Likeness
from counterfeit_vision.index.tiles import MarkLibrary, TileSearch
from counterfeit_vision.marks import regions
from counterfeit_vision.types import PhotoView, Reference

MANY = 20_000  # with the square, each of these takes seconds, or gigabytes


def test_the_centre_of_many_products() -> None:
    vectors = np.random.default_rng(0).standard_normal((MANY, 8), dtype=np.float32)
    names, spans = [f"product {row}" for row in range(MANY)], []
    for _ in range(3):  # the least: a collection of garbage may fall into one of them
        start = time.process_time()
        centre = _centre(vectors, names)
        spans.append(time.process_time() - start)
    assert min(spans) < 1
    np.testing.assert_allclose(centre, vectors.mean(axis=0), atol=1e-6)


def test_marks_of_many_references() -> None:
    random = np.random.default_rng(0)
    rows, vectors = np.repeat(np.arange(MANY), 2), random.standard_normal((2 * MANY, 48))
    library = MarkLibrary(rows, vectors.astype(np.float32))
    goods = np.array([f"p{row // 4}" for row in range(MANY)], dtype=object)
    usable = np.flatnonzero(random.random(MANY) < 0.9)
    tiles = random.standard_normal((22, 48)).astype(np.float32)
    start = time.process_time()
    search = TileSearch.among(library, usable, goods)
    keys, scores = search.scores(tiles)
    assert time.process_time() - start < 3
    assert sorted(keys.tolist()) == usable.tolist()
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (tiles - search.centre, vectors - search.centre)]
    own = (unit[0] @ unit[1].T).max(axis=0).reshape(-1, 2).max(axis=1)  # the slow way: each reference's best mark
    for key in (usable[0], usable[-1]):
        same = usable[goods[usable] == goods[key]]
        expected = np.sort(own[same])[-3:].mean() + own[key] - own[same].max()
        assert scores[keys == key][0] == pytest.approx(expected, abs=1e-5)


def test_regions_of_a_brand_with_many_products(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(look: object, wanted: object) -> Iterator[object]:
        return iter(())

    monkeypatch.setattr(regions, "each", none)
    rows = [Reference(id=str(row), photo=b"", brand="acme", product=str(row)) for row in range(MANY // 10)]
    tracemalloc.start()
    try:
        regions.found_regions(rows, [(800, 600)] * len(rows), None, np.zeros((len(rows), 4), np.float32), (7, 7))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # 31 MB with the square
    finally:
        tracemalloc.stop()


def test_rows_of_many_products_are_grouped() -> None:
    goods = np.random.default_rng(0).permutation(np.repeat([f"acme/{row}" for row in range(MANY)], 2)).astype(object)
    likeness: Any = SimpleNamespace(goods=goods)
    rows = np.arange(1, 2 * MANY)
    start = time.process_time()
    groups = Likeness.by_product(likeness, rows)
    assert time.process_time() - start < 1
    assert [len(set(goods[group])) for group in groups] == [1] * MANY
    assert sorted(np.concatenate(groups)) == rows.tolist()
    assert all((np.diff(group) > 0).all() for group in groups)


def test_patches_of_many_photos_are_never_in_memory_twice() -> None:
    def photo(row: int, patches: np.ndarray) -> EncodedPhoto:
        view = PhotoView(str(row), b"", (1, 1))
        return EncodedPhoto(str(row), "", np.zeros(4, np.float32), patches, (7, 7), np.zeros(4, np.float32), view, b"")

    tracemalloc.start()
    try:
        batches = [np.full((32, 49, 64), batch, np.float16) for batch in range(50)]
        photos = [photo(row, batches[row // 32][row % 32]) for row in range(32 * 50)]
        del batches
        before, _ = tracemalloc.get_traced_memory()
        taken = _taken(photos)
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken is not None
    assert taken[:, 0, 0].tolist() == [row // 32 for row in range(32 * 50)]
    assert all(one.patches is None for one in photos)
    assert now < 1.1 * before
