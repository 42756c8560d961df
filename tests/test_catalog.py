"""The catalogue: built from three sources, and searched with one row a photo."""

from __future__ import annotations

import copy
import dataclasses
import gc
import hashlib
import io
import itertools
import json
import pickle
import re
import sys
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from counterfeit_vision import catalog as catalog_module
from counterfeit_vision import likeness
from counterfeit_vision import references as references_module
from counterfeit_vision.cache import EmbeddingCache
from counterfeit_vision.catalog import Catalog
from counterfeit_vision.decode import decode
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    DecodeError,
    FingerprintError,
    InputError,
)
from counterfeit_vision.names import one_spelling
from counterfeit_vision.preprocess import patch_mask, patches_on_photo
from counterfeit_vision.search.exact import ExactIndex
from counterfeit_vision.stream import embed
from counterfeit_vision.types import Listing, Reference, Region

BAD = b"not a photo"


def turned(photo: Path) -> bytes:
    """The photo's file, with the note that it is to be turned by a quarter."""
    image, buffer = Image.open(photo), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


# --- building --------------------------------------------------------------------------------------------------------


def test_folder_manifest_and_rows_give_one_catalogue(
    tree: Path, tiny_encoder: TowerEncoder, tree_catalog: Catalog
) -> None:
    rows = [
        Reference(id=path.relative_to(tree).as_posix(), photo=path, brand=path.parts[-3], product=path.parts[-2])
        for path in sorted(tree.rglob("*.jpg"))
    ]
    manifest = tree / "catalogue.jsonl"
    manifest.write_text(
        "".join(json.dumps({"photo": r.id, "brand": r.brand, "product": r.product}) + "\n" for r in rows)
    )
    try:
        others = [Catalog.build(source, encoder=tiny_encoder) for source in (rows, iter(rows), manifest)]
    finally:
        manifest.unlink()
    for other in others:
        assert [r.id for r in other.references] == [r.id for r in tree_catalog.references]
        assert other.sha256 == tree_catalog.sha256
        assert other.generation == tree_catalog.generation
        np.testing.assert_allclose(other.vectors, tree_catalog.vectors, atol=1e-4)


def test_rows_stand_in_order_with_hash_vector_and_small_copy(tree_catalog: Catalog, tree: Path) -> None:
    paths = sorted(tree.rglob("*.jpg"))
    assert len(tree_catalog) == len(paths) == 12
    for row, (path, reference, sha256) in enumerate(
        zip(paths, tree_catalog.references, tree_catalog.sha256, strict=True)
    ):
        assert reference.id == path.relative_to(tree).as_posix()
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        view = tree_catalog.view(row)
        assert (view.caption, view.size, tree_catalog.sizes[row]) == (reference.product, (56, 40), (56, 40))
        assert np.abs(tree_catalog.pixels(row).astype(int) - decode(path).pixels).mean() < 4
    assert tree_catalog.vectors.shape == (12, 48)
    assert tree_catalog.failures == ()


def test_photos_that_fail_are_kept_as_failures_and_the_rest_is_built(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    references[0] = dataclasses.replace(references[0], photo=BAD)
    references[5] = dataclasses.replace(references[5], photo="nowhere.jpg")
    catalog = Catalog.build(references, encoder=tiny_encoder)
    assert [failure.id for failure in catalog.failures] == ["r0", "r5"]
    assert [r.id for r in catalog.references] == [f"r{n}" for n in range(12) if n not in (0, 5)]
    assert "2 failed" in repr(catalog)
    assert catalog.info()["failures"] == 2
    assert catalog.search([references[6].photo], k=1).ids[0, 0] == "r6"  # rows did not shift


@pytest.mark.usefixtures("no_threads_left")
def test_strict_raises_at_the_first_failure_and_leaves_no_thread(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    references[3] = dataclasses.replace(references[3], photo=BAD)
    with pytest.raises(DecodeError, match="r3") as caught:
        Catalog.build(references, encoder=dataclasses.replace(tiny_encoder, batch_size=2), strict=True)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("counterfeit")], "while the error is being handled"
    del caught
    gc.collect()


def test_a_region_is_cut_to_its_photo(references: list[Reference], tiny_encoder: TowerEncoder) -> None:
    sizes = [(56, 40), (56, 40), (40, 56)]  # (width, height); the last one is turned upright first
    references[2] = dataclasses.replace(references[2], photo=turned(references[2].photo))
    boxes = [Region(-5, 10, 30, 60), Region(1.5, 2, 30, 40), Region(20, -9, 50, 50)]
    rows = [dataclasses.replace(row, regions=[box]) for row, box in zip(references, boxes, strict=False)]
    catalog = Catalog.build(rows, encoder=tiny_encoder)
    assert list(catalog.sizes) == sizes
    kept = [reference.regions for reference in catalog.references]
    assert kept == [(Region(0, 10, 30, 40),), (boxes[1],), (Region(20, 0, 40, 50),)]
    assert catalog.failures == ()


@pytest.mark.parametrize(
    ("box", "share"),
    [
        (Region(56, 1, 90, 9), "0 %"),
        (Region(-9, 1, 0, 9), "0 %"),
        (Region(1, 40, 9, 44), "0 %"),
        (Region(1, -9, 9, -1), "0 %"),
        (Region(-5, 10, 30, 1e6), "0.00257 %"),
        (Region(40, 20, 80, 60), "20 %"),  # drawn on a larger copy
    ],
    ids=str,
)
def test_a_reference_with_a_region_off_its_photo_is_a_failure_that_names_both(
    references: list[Reference], tiny_encoder: TowerEncoder, box: Region, share: str
) -> None:
    references[1] = dataclasses.replace(references[1], regions=[Region(1, 2, 30, 40), box])
    catalog = Catalog.build(references[:3], encoder=tiny_encoder)
    assert [reference.id for reference in catalog.references] == ["r0", "r2"]
    (failure,) = catalog.failures
    assert (failure.id, failure.stage) == ("r1", "input")
    for words in ("'r1'", f"{box.to_list()} {share} lies", "56 x 40 pixels", "x0 y0 x1 y1"):
        assert words in str(failure.error)
    with pytest.raises(InputError, match="'r1'"):
        Catalog.build(references[:3], encoder=tiny_encoder, strict=True)


def test_regions_that_are_fractions_of_the_photo_are_a_failure(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    references[1] = dataclasses.replace(references[1], regions=[Region(0, 0, 1, 0.5), Region(-0.1, 0.2, 0.3, 0.4)])
    (failure,) = Catalog.build(references[:3], encoder=tiny_encoder).failures
    assert (failure.id, failure.stage) == ("r1", "input")
    for words in ("'r1'", "[0.0, 0.0, 1.0, 0.5]", "fractions of the photo of 56 x 40 pixels", "multiply by its width"):
        assert words in str(failure.error)


def test_a_catalogue_of_which_no_photo_can_be_used_is_refused(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    bad = [dataclasses.replace(reference, photo=BAD) for reference in references]
    with pytest.raises(InputError, match=r"none of the 12 reference photos can be used; the first: .*r0"):
        Catalog.build(bad, encoder=tiny_encoder)


@pytest.mark.parametrize("source", [[], "nowhere"])
def test_an_empty_or_missing_source_is_refused(source, tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no references|no such folder"):
        Catalog.build(source if source == [] else tmp_path / source, encoder=tiny_encoder)


def test_one_product_and_one_photo_are_enough(references: list[Reference], tiny_encoder: TowerEncoder) -> None:
    catalog = Catalog.build(references[:1], encoder=tiny_encoder)
    found = catalog.search([references[0].photo, picture(5)], k=2)
    assert found.ids.tolist() == [["r0", None], ["r0", None]]
    assert found.scores[0, 0] > found.scores[1, 0]
    assert np.isfinite(found.scores[:, 0]).all()


def test_tokens_of_a_reference_take_at_most_16_kb(tree_catalog: Catalog) -> None:
    assert 0 < tree_catalog.info()["token_bytes_per_reference"] <= 16_384


def test_an_encoder_without_patches_makes_a_catalogue_without_tokens(
    references: list[Reference], tiny_encoder: TowerEncoder, tmp_path: Path
) -> None:
    class Plain:
        name, fingerprint = "plain", "plain"
        preprocess, batch_size = tiny_encoder.preprocess, 4

        def encode(self, images):
            rows = tiny_encoder.encode(images)
            return dataclasses.replace(rows, patches=None, grid=(0, 0), fingerprint="plain")

    catalog = Catalog.build(references, encoder=Plain(), cache=False)
    assert catalog.tokens is None
    assert catalog.search([references[7].photo], k=1, cache=False).ids[0, 0] == "r7"
    loaded = Catalog.load(catalog.save(tmp_path / "c"), encoder=Plain())
    assert loaded.search([references[7].photo], k=1, cache=False).ids[0, 0] == "r7"


# --- searching -------------------------------------------------------------------------------------------------------


def test_a_search_keeps_embeddings_where_the_catalogue_does(
    references: list[Reference], tiny_encoder: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_CACHE", str(tmp_path / "usual"))
    photos = [references[0].photo]
    Catalog.build(references, encoder=tiny_encoder, cache=False).search(photos)
    with EmbeddingCache(tmp_path / "own.sqlite") as own:
        catalog = Catalog.build(references[1:], encoder=tiny_encoder, cache=own)
    before = len(EmbeddingCache(tmp_path / "own.sqlite"))
    catalog.search(photos)  # long after the cache that was given was closed
    assert len(EmbeddingCache(tmp_path / "own.sqlite")) == before + 1
    assert not list((tmp_path / "usual").rglob("*.sqlite"))


def test_a_reference_finds_its_product_first_and_itself_near_the_top(tree_catalog: Catalog, tree: Path) -> None:
    paths = sorted(tree.rglob("*.jpg"))
    found = tree_catalog.search(paths, k=12)
    assert [row[0] for row in found.products] == [r.product for r in tree_catalog.references]
    for row, reference in enumerate(tree_catalog.references):
        assert reference.id in found.ids[row, :3]
        products = {r.id: r.product for r in tree_catalog.references}
        assert [products[id] for id in found.ids[row]] == found.products[row].tolist()
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert found.ids.dtype == found.products.dtype == object
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1, 2}])
def test_there_is_one_row_a_photo_and_failed_ones_are_padded(tree_catalog: Catalog, tree: Path, bad: set[int]) -> None:
    paths = sorted(tree.rglob("*.jpg"))[:3]
    found = tree_catalog.search([BAD if row in bad else path for row, path in enumerate(paths)], k=2)
    assert found.ids.shape == found.products.shape == found.scores.shape == (3, 2)
    for row in range(3):
        if row in bad:
            assert found.ids[row].tolist() == found.products[row].tolist() == [None, None]
            assert np.isneginf(found.scores[row]).all()
        else:
            assert found.ids[row, 0] == tree_catalog.references[row].id
    assert [failure.id for failure in found.failures] == [f"photo {row}" for row in sorted(bad)]


def test_a_photo_that_failed_is_called_as_it_is_elsewhere(tree_catalog: Catalog, tree: Path, tmp_path: Path) -> None:
    good, first, gone = min(tree.rglob("*.jpg")), tree_catalog.references[0].id, tmp_path / "gone.jpg"
    photos = [gone, good, BAD, good, gone]
    found = tree_catalog.search(photos, k=1)
    assert found.ids[:, 0].tolist() == [None, first, None, first, None], "one row a photo, however often it is shown"
    assert [failure.id for failure in found.failures] == [str(gone), "photo 2", str(gone)]
    embedded = embed(photos, encoder=tree_catalog.encoder).failures
    assert [failure.to_dict() for failure in found.failures] == [failure.to_dict() for failure in embedded]


def test_threads_may_ask_for_the_marks_of_more_products_than_stay(
    tree_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "KEPT_MARKS", 1)
    monkeypatch.setattr(catalog_module, "make_stencil", lambda photos, regions: "no marks")
    monkeypatch.setattr(Catalog, "pixels", lambda catalog, row: row)
    catalog, goods = Catalog(tree_catalog.kept, encoder=tree_catalog.encoder), tree_catalog.goods
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(list(pool.map(lambda number: catalog.marks_of(goods[number % len(goods)]), range(20_000)))) > 0
    finally:
        sys.setswitchinterval(before)


def test_no_photos_give_no_rows(tree_catalog: Catalog) -> None:
    found = tree_catalog.search([], k=4)
    assert found.ids.shape == (0, 4)
    assert found.failures == ()


def test_more_than_there_is_pads_the_rows(tree_catalog: Catalog, tree_photos: list) -> None:
    found = tree_catalog.search(tree_photos, k=15)
    assert found.ids.shape == (4, 15)
    for row in range(4):
        assert set(found.ids[row, :12]) == {r.id for r in tree_catalog.references}
        assert found.ids[row, 12:].tolist() == [None] * 3
        assert np.isneginf(found.scores[row, 12:]).all()
        assert np.isfinite(found.scores[row, :12]).all()


def test_k_is_not_cut_at_the_short_list(
    tree_catalog: Catalog, tree_photos: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "SHORTLIST", 3)
    found = tree_catalog.search(tree_photos, k=10)
    assert all(found.ids[row, 9] is not None for row in range(4))


@pytest.mark.parametrize(("brand", "count"), [("acme", 8), ("zeta", 4)])
def test_a_brand_leaves_its_own_references_only(
    tree_catalog: Catalog, tree_photos: list, brand: str, count: int
) -> None:
    found = tree_catalog.search(tree_photos, k=10, brand=brand)
    own = {r.id for r in tree_catalog.references if r.brand == brand}
    for row in range(4):
        assert set(found.ids[row, :count]) == own
        assert found.ids[row, count:].tolist() == [None] * (10 - count)
    everything = tree_catalog.search(tree_photos, k=12)
    for row in range(4):  # and their scores are what they are without the filter
        scores = dict(zip(everything.ids[row], everything.scores[row].tolist(), strict=True))
        for id, score in zip(found.ids[row, :count], found.scores[row, :count].tolist(), strict=True):
            assert score == pytest.approx(scores[id], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k=0"),
        ({"by": "mark"}, "by='mark'"),
    ],
)
def test_what_can_not_be_asked_is_refused(tree_catalog: Catalog, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tree_catalog.search([picture(0)], **options)


def test_the_index_is_not_asked_to_filter_where_every_reference_will_do(
    tree: Path, tiny_encoder: TowerEncoder, tree_photos: list[Path | bytes]
) -> None:
    asked: list[object] = []

    class Recording(ExactIndex):
        def search(self, queries, k, allowed=None):
            asked.append(None if allowed is None else allowed.tolist())
            return super().search(queries, k, allowed)

    catalog = Catalog.build(tree, encoder=tiny_encoder, index=Recording)
    photos = embed(tree_photos, encoder=tiny_encoder)
    free, every = (catalog.neighbours(photos, 3, allowed=rows) for rows in (None, np.arange(len(catalog))))
    catalog.neighbours(photos, 3, allowed=np.array([1, 4]))
    np.testing.assert_array_equal(free.rows, every.rows)
    assert asked == [None, None, [1, 4]]


def test_an_index_that_finds_nothing_is_named(
    tree: Path, tiny_encoder: TowerEncoder, tree_photos: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EmptyBucket(ExactIndex):
        def search(self, queries, k, allowed=None):
            keys, scores = super().search(queries, k, allowed)
            keys[-1], scores[-1] = -1, -np.inf
            return keys, scores

    catalog = Catalog.build(tree, encoder=tiny_encoder, index=EmptyBucket)
    photos = embed(tree_photos, encoder=tiny_encoder)
    with pytest.raises(
        InputError, match="the index <ExactIndex 12 x 48 on cpu> found none of 12 references; try check"
    ):
        catalog.neighbours(photos, 3)
    assert (catalog.neighbours(photos, 3, allowed=np.zeros(0, np.int64)).rows == -1).all()
    monkeypatch.setattr("counterfeit_vision.likeness.SHORTLIST", 2)
    with pytest.raises(InputError, match="found none of 3 references"):
        catalog.likeness.most_alike(photos, 0, catalog.rows_of(product="bag"))


def test_faiss_and_the_exact_index_give_one_answer(
    tree_catalog: Catalog, tree: Path, tiny_encoder: TowerEncoder, tree_photos: list
) -> None:
    exact = Catalog.load(tree_catalog.save(tree.parent / "kept"), tiny_encoder, index=ExactIndex)
    assert isinstance(exact.likeness.index, ExactIndex)
    assert type(tree_catalog.likeness.index).__name__ == "FaissIndex"
    for options in ({"k": 5}, {"k": 20}, {"k": 3, "brand": "zeta"}):
        a, b = tree_catalog.search(tree_photos, **options), exact.search(tree_photos, **options)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


def test_an_encoder_on_a_gpu_has_its_references_searched_there(
    tree_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Recording(ExactIndex):
        def __init__(self, dim: int, *, device: str) -> None:
            asked.append(device)
            super().__init__(dim)

    monkeypatch.setattr("counterfeit_vision.search.exact.ExactIndex", Recording)
    assert isinstance(tree_catalog.encoder, TowerEncoder)
    encoder = dataclasses.replace(tree_catalog.encoder, device=torch.device("cuda", 1))
    assert len(Catalog(tree_catalog.kept, encoder=encoder).likeness.index) == len(tree_catalog)
    assert asked == ["cuda:1"]
    other = dataclasses.replace(encoder, device=torch.device("mps"))  # which has no float64
    assert type(Catalog(tree_catalog.kept, encoder=other).likeness.index).__name__ == "FaissIndex"


def test_a_catalogue_that_was_asked_can_be_copied_and_sent_to_another_process(
    tree_catalog: Catalog, photos: list[Path]
) -> None:
    said = tree_catalog.search(photos, k=3)
    for again in (copy.deepcopy(tree_catalog), pickle.loads(pickle.dumps(tree_catalog))):
        found = again.search(photos, k=3)
        assert found.ids.tolist() == said.ids.tolist()
        np.testing.assert_array_equal(found.scores, said.scores)


def test_verdicts_share_the_small_copy_of_a_reference(tree_catalog: Catalog) -> None:
    assert tree_catalog.view(3) is tree_catalog.view(3)
    assert tree_catalog.view(3).jpeg == tree_catalog.kept.view(3).jpeg


def test_the_index_holds_vectors_centred_on_the_mean_of_the_products_means(
    tree_catalog: Catalog, tree_photos: list
) -> None:
    means = [
        tree_catalog.vectors[tree_catalog.products == product].mean(axis=0)
        for product in sorted(set(tree_catalog.products))
    ]
    centre = np.mean(means, axis=0)
    np.testing.assert_allclose(tree_catalog.centre, centre, atol=1e-6)
    rows = embed(tree_photos, encoder=tree_catalog.encoder, cache=False)
    a, b = rows.vectors - centre, tree_catalog.vectors - centre
    cosines = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    asked = a / np.linalg.norm(a, axis=1, keepdims=True)
    keys, scores = tree_catalog.likeness.index.search(asked.astype(np.float32), 12)
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, keys, axis=1), atol=1e-5)


def test_products_of_one_name_are_two_to_the_mean_and_known_fakes_do_not_pull_it(
    references: list[Reference], tree_catalog: Catalog, tiny_encoder: TowerEncoder
) -> None:
    alike = [dataclasses.replace(row, brand=f"{row.brand} {row.product}", product="one") for row in references]
    fakes = [dataclasses.replace(row, id=f"fake {row.id}", gallery="known_fake") for row in references[:3]]
    with pytest.warns(RuntimeWarning, match="are one file"):
        catalog = Catalog.build([*alike, *fakes], encoder=tiny_encoder, find_marks=False)
    np.testing.assert_allclose(catalog.centre, tree_catalog.centre, atol=1e-6)


def test_the_patches_on_photos_of_one_shape_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [[0, 0.25, 1, 0.75], [0, 0, 1, 1], [0.1, 0, 0.6, 1], [0, 0, 0.5, 0.5]]
    content = np.array(shapes, np.float32)[np.random.default_rng(0).integers(0, 4, 40)]
    asked: list[np.ndarray] = []
    monkeypatch.setattr(
        references_module, "patches_on_photo", lambda box, grid: (asked.append(box), patches_on_photo(box, grid))[1]
    )
    compared = references_module.compared_patches(None, content, (4, 6))
    np.testing.assert_array_equal(compared, [patch_mask(box, (4, 6)).ravel() >= 0.5 for box in content])
    assert len(asked) == 4


def test_padding_around_a_photo_has_no_say(tree_catalog: Catalog) -> None:
    rows = embed([picture(3, 40, 80)], encoder=tree_catalog.encoder, cache=False)
    inside = patch_mask(rows.content[0], rows.grid)
    assert inside.tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]
    before = tree_catalog.neighbours(rows, 12)
    patches = rows.patches.copy()
    patches[:, inside.reshape(-1) == 0] = 1
    after = tree_catalog.neighbours(dataclasses.replace(rows, patches=patches), 12)
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-6)


def test_a_photos_scores_do_not_depend_on_the_photos_beside_it(tree_catalog: Catalog, tree_photos: list) -> None:
    together = tree_catalog.search(tree_photos, k=12)
    for row, photo in enumerate(tree_photos):
        alone = tree_catalog.search([photo], k=12)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-4)


def test_vectors_of_another_encoder_are_refused(tree_catalog: Catalog) -> None:
    rows = dataclasses.replace(embed([picture(0)], encoder=tree_catalog.encoder), fingerprint="another")
    with pytest.raises(FingerprintError, match=r"another.*Catalog\.build"):
        tree_catalog.neighbours(rows, 3)


def test_known_fakes_are_found_only_where_they_are_asked_for(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    fakes = [dataclasses.replace(row, id=f"fake {row.id}", gallery="known_fake") for row in references[:3]]
    with pytest.warns(RuntimeWarning, match="are one file"):
        catalog = Catalog.build([*references, *fakes], encoder=tiny_encoder)
    found = catalog.search([references[0].photo], k=20)
    assert not any(str(name).startswith("fake") for name in found.ids[0])
    fake = catalog.search([references[0].photo], k=20, gallery="known_fake")
    assert {name for name in fake.ids[0] if name} == {row.id for row in fakes}
    assert fake.ids[0, 0] == fakes[0].id
    assert not any(catalog.references[int(row)].gallery == "known_fake" for row in catalog.rows_of(brand="acme"))
    with pytest.raises(InputError, match="knows no gallery 'stolen'; it knows genuine, known_fake"):
        catalog.search([references[0].photo], gallery="stolen")
    with pytest.warns(RuntimeWarning, match="knows no category 'shoes'; it knows none at all"):
        assert catalog.search([references[0].photo], k=1, category="shoes").ids.tolist() == [[None]]


@pytest.mark.parametrize("by", ["photo", "mark"])
def test_filters_that_leave_no_reference_give_empty_rows(
    references: list[Reference], tiny_encoder: TowerEncoder, by: Literal["photo", "mark"]
) -> None:
    marked = [
        dataclasses.replace(
            row,
            category="bag" if row.brand == "acme" else "cup",
            gallery="known_fake" if row.product == "mug" else "genuine",
            regions=[Region(2, 2, 40, 30)],
        )
        for row in references
    ]
    catalog = Catalog.build(marked, encoder=tiny_encoder)
    photos = [references[0].photo, b"no photo", references[1].photo]
    found = catalog.search(photos, k=2, brand="acme", category="cup", by=by)
    assert found.ids.tolist() == found.products.tolist() == [[None, None]] * 3
    assert np.isneginf(found.scores).all()
    assert [failure.id for failure in found.failures] == ["photo 1"]
    assert catalog.search(photos, k=2, brand="acme", category="bag").ids[0, 0] == references[0].id


def test_a_brand_of_which_only_fakes_are_known_is_searched_where_they_are_asked_for_and_not_counted(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    fakes = [dataclasses.replace(row, brand="luxor", product="bag", gallery="known_fake") for row in references[:2]]
    catalog = Catalog.build([*references[2:], *fakes], encoder=tiny_encoder)
    asked = [fakes[0].photo]
    with pytest.warns(RuntimeWarning, match=r"only known fakes are of brand 'Luxor': add gallery='known_fake'"):
        assert catalog.search(asked, k=1, brand="Luxor").ids.tolist() == [[None]]
    assert catalog.search(asked, k=2, brand="Luxor", gallery="known_fake").ids.tolist() == [["r0", "r1"]]
    assert (catalog.info()["brands"], catalog.info()["products"]) == (2, 5)


def test_what_has_no_marks_is_not_searched_by_them(references: list[Reference], tiny_encoder: TowerEncoder) -> None:
    rows = [dataclasses.replace(row, regions=[Region(2, 2, 40, 30)]) for row in references[2:]]
    fakes = [dataclasses.replace(row, gallery="known_fake") for row in references[:2]]
    catalog = Catalog.build([*rows, *fakes], encoder=tiny_encoder)
    with pytest.warns(RuntimeWarning, match="no such reference has regions"):
        found = catalog.search([fakes[0].photo, BAD], k=2, gallery="known_fake", by="mark")
    assert found.ids.tolist() == [[None, None]] * 2
    assert [failure.id for failure in found.failures] == ["photo 1"]


def test_a_file_that_is_called_genuine_and_a_known_fake_is_told_and_the_brands_own_picture_is_not(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    fakes = [dataclasses.replace(row, id=f"fake {row.id}", gallery="known_fake") for row in references[:2]]
    told = r"'r0' \(genuine\) and 'fake r0' \(known_fake\) are one file"
    with pytest.warns(RuntimeWarning, match=rf"{told} \(2 such pairs in all\), which counts as genuine; leave one"):
        Catalog.build([*references, *fakes], encoder=tiny_encoder)
    with pytest.warns(RuntimeWarning, match=f"{told}, which counts as genuine"):
        Catalog.build([*references, *fakes[:1]], encoder=tiny_encoder)
    official = [dataclasses.replace(row, id=f"official {row.id}", gallery="official") for row in references[:2]]
    Catalog.build([*references[2:], *official, *fakes], encoder=tiny_encoder)


def test_a_catalogue_of_known_fakes_alone_is_refused(references: list[Reference], tiny_encoder: TowerEncoder) -> None:
    fakes = [dataclasses.replace(row, gallery="known_fake") for row in references[:2]]
    broken = dataclasses.replace(references[2], photo=b"no photo")
    with pytest.raises(InputError, match=r"the 2 reference photos .*'r0'; a catalogue needs genuine photos: add some"):
        Catalog.build([*fakes, broken], encoder=tiny_encoder)


def test_two_brands_with_a_product_of_one_name_are_two_goods(tiny_encoder, photos: list[Path]) -> None:
    rows = [
        Reference(id=f"{brand}-{number}", photo=photos[2 * place + number], brand=brand, product="cap")
        for place, brand in enumerate(("acme", "zeta"))
        for number in range(2)
    ]
    built = Catalog.build(rows, encoder=tiny_encoder)
    assert [group.tolist() for group in built.likeness.by_product(np.arange(4))] == [[0, 1], [2, 3]]
    assert built.likeness.cohort_goods.tolist() == ["acme/cap", "zeta/cap"]


def test_a_product_is_found_by_its_name_where_the_brand_is_spelt_as_none_that_is_known(tree_catalog: Catalog) -> None:
    listing = Listing(id="l", photos=["a.jpg"], brand="zetta", product="mug")
    assert tree_catalog.claimed_by(listing).tolist() == tree_catalog.rows_of(product="mug").tolist() != []


def test_a_product_is_told_by_its_brand_where_another_brand_has_one_of_that_name(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    named = [dataclasses.replace(row, product="cap" if row.product == "mug" else row.product) for row in references]
    catalog = Catalog.build(named, encoder=tiny_encoder)
    assert {row.product for row in catalog.references if catalog.has_namesake(row)} == {"cap"}


def test_a_file_that_is_genuine_and_a_known_fake_is_the_genuine_one(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    fake = dataclasses.replace(references[0], id="fake", gallery="known_fake")
    for rows in ([fake, *references[:2]], [*references[:2], fake]):
        with pytest.warns(RuntimeWarning, match="are one file"):
            catalog = Catalog.build(rows, encoder=tiny_encoder)
        row = catalog.row_of_file[catalog.sha256[rows.index(references[0])]]
        assert catalog.references[row].id == references[0].id


def test_a_catalogue_describes_itself(tree_catalog: Catalog) -> None:
    assert repr(tree_catalog) == "<Catalog 12 references of 5 products, 2 brands, tiny>"
    info = tree_catalog.info()
    assert (info["references"], info["products"], info["brands"]) == (12, 5, 2)
    assert info["galleries"] == {"genuine": 12}
    assert info["fingerprint"] == tree_catalog.encoder.fingerprint
    assert json.dumps(info)
    html = tree_catalog._repr_html_()
    assert html.startswith("<table>")
    assert "<th>references</th><td>12</td>" in html
    assert "<th>galleries</th><td>genuine 12</td>" in html


def test_what_a_catalogue_holds_is_counted_once(tree_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, counted = Catalog(tree_catalog.kept, encoder=tree_catalog.encoder), []
    monkeypatch.setattr("counterfeit_vision.catalog.name_of", lambda encoder: counted.append(encoder) or encoder.name)
    catalog.info()["galleries"].clear()
    again, _ = catalog.info(), repr(catalog)
    assert len(counted) == 1
    assert again == tree_catalog.info(), "a caller's changes are its own"


def test_an_encoder_without_a_name_is_called_by_its_class(tree_catalog: Catalog, tmp_path: Path) -> None:
    class Mine:
        fingerprint = tree_catalog.encoder.fingerprint

    mine = Catalog(tree_catalog.kept, encoder=Mine())  # type: ignore[arg-type]
    assert repr(mine) == "<Catalog 12 references of 5 products, 2 brands, Mine>"
    assert Catalog.verify(mine.save(tmp_path))["encoder"] == "Mine"


def test_another_photo_or_product_or_encoder_is_another_generation(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    def generation(rows: list[Reference]) -> str:
        return Catalog.build(rows, encoder=tiny_encoder).generation

    first = generation(references[:3])
    assert generation(references[:3]) == first
    assert generation(references[:2]) != first
    assert generation([*references[:2], dataclasses.replace(references[2], photo=picture(77))]) != first
    assert generation([*references[:2], dataclasses.replace(references[2], product="other")]) != first


def test_what_is_searched_for_is_a_list_and_an_encoder_is_no_name(tree_catalog: Catalog, tree: Path) -> None:
    path = next(tree.rglob("*.jpg"))
    with Image.open(path) as image:
        for one in (path, str(path), image, picture(1)):
            with pytest.raises(InputError, match=r"search\(\): need a list of photos.*type search\(\[photo\]\)"):
                tree_catalog.search(one)  # type: ignore[arg-type]
    assert len(tree_catalog.search(photo for photo in [path, path]).ids) == 2
    for other in (None, 5, TowerEncoder):
        said = rf"encoder={re.escape(repr(other))} is no encoder; type encoder=load_encoder\('clip-vit-b16'\)"
        with pytest.raises(InputError, match=said):
            embed([picture(0)], encoder=other)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is a name; type encoder=load_encoder\('clip-vit-b16'\)"):
        Catalog.build(tree, encoder="clip-vit-b16")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is a name; type encoder=load_encoder\('clip-vit-b16'\)"):
        Catalog.load(tree, encoder="clip-vit-b16")  # type: ignore[arg-type]
    for photos in ([path], []):
        with pytest.raises(InputError, match=r"is a name; type encoder=load_encoder\('lite'\)"):
            embed(photos, encoder="lite")  # type: ignore[arg-type]


@pytest.mark.parametrize("index", ["exact", ExactIndex(8), 5])
def test_what_makes_no_index_is_refused_at_once(
    tree_catalog: Catalog, tree: Path, tmp_path: Path, tiny_encoder: TowerEncoder, index
) -> None:
    folder = tree_catalog.save(tmp_path / "catalog")
    for make in (Catalog.build, Catalog.load):
        with pytest.raises(InputError, match=r"^index=.*: need a function of the vectors' length .*index=ExactIndex"):
            make(tree if make == Catalog.build else folder, encoder=tiny_encoder, index=index)


def test_of_many_brands_a_few_are_named(references: list[Reference], tiny_encoder) -> None:
    many = [
        dataclasses.replace(row, id=f"{n}", photo=picture(n), brand=f"brand {n}")
        for n, row in enumerate(references * 3)
    ]
    catalog = Catalog.build(many, encoder=tiny_encoder, find_marks=False)
    with pytest.warns(RuntimeWarning, match=r"no brand 'x'; it knows brand 0, brand 1, .*, brand 26 and 16 more$"):
        catalog.search([references[0].photo], brand="x")


def test_a_brand_that_the_catalogue_does_not_know_gives_empty_rows_and_one_warning(
    tree_catalog: Catalog, tree_photos: list
) -> None:
    photos = [tree_photos[0], BAD]
    with pytest.warns(RuntimeWarning) as told:
        found = tree_catalog.search(photos, k=2, brand="acmee")
    sentence = "all rows are empty: the catalogue knows no brand 'acmee'; it knows acme, zeta"
    assert [(str(one.message), one.filename) for one in told] == [(sentence, __file__)]
    assert found.ids.tolist() == found.products.tolist() == [[None, None]] * 2
    assert np.isneginf(found.scores).all()
    assert [failure.id for failure in found.failures] == ["photo 1"]
    assert tree_catalog.search(photos, k=1, brand="acme").products.tolist() == [["bag"], [None]]
    with pytest.raises(InputError, match="no gallery 'known_fakes'"):
        tree_catalog.search(photos, brand="acmee", gallery="known_fakes")


def test_a_name_is_found_however_its_accents_are_written(references: list[Reference], tiny_encoder) -> None:
    written, typed = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFD", "NFC"))  # as Macs do, and not
    assert written != typed
    renamed = [dataclasses.replace(row, brand=row.brand + written, product=row.product + written) for row in references]
    catalog = Catalog.build(renamed, encoder=tiny_encoder, find_marks=False)
    listing = Listing(id="l", photos=["a.jpg"], brand=f"zeta{typed}", product=f"mug{typed}")
    rows = [row for row, reference in enumerate(references) if reference.product == "mug"]
    assert catalog.claimed_by(listing).tolist() == catalog.rows_of(product=f"mug{typed}").tolist() == rows
    found = catalog.search([renamed[0].photo], k=1, brand=f"acme{typed}")
    assert found.ids[0, 0] == "r0"
    assert found.products[0, 0] == renamed[0].product  # as it was given
    for strange, named in ((5, "5"), (["x"], r"\['x'\]")):
        with pytest.raises(InputError, match=f"the catalogue knows no brand {named}; it knows acme"):
            catalog.search([renamed[0].photo], brand=strange)  # type: ignore[arg-type]


def test_a_name_is_found_in_other_case_and_blanks_where_no_other_is_as_near(
    references: list[Reference], tiny_encoder
) -> None:
    catalog = Catalog.build(references, encoder=tiny_encoder, find_marks=False)
    listing = Listing(id="l", photos=["a.jpg"], brand=" ZETA", product="Mug ")
    assert catalog.claimed_by(listing).tolist() == catalog.rows_of(product="mug").tolist() != []
    assert catalog.search([references[0].photo], k=1, brand="Acme").ids[0, 0] == "r0"


def test_names_that_differ_in_case_and_blanks_alone_are_one_as_most_references_spell_it(
    references: list[Reference], tiny_encoder, tmp_path: Path
) -> None:
    def spelt(other: Sequence[bool]) -> list[Reference]:
        return [
            dataclasses.replace(
                row, **{field: f" {name.upper()}" if is_other else name for field, name in names.items()}
            )
            for row, is_other in zip(references, other, strict=True)
            for names in [{"brand": row.brand.title(), "product": row.product.title(), "category": "Bags"}]
        ]

    products = [row.product for row in references]
    second = [products[:row].count(product) == 1 for row, product in enumerate(products)]
    rows, told = (
        spelt(second),
        r"^8 names in .* alone: 'Acme' = ' ACME', 'Bag' = ' BAG', .* and 3 more; each counts as one",
    )
    one = Catalog.build(spelt([False] * 12), encoder=tiny_encoder, find_marks=False)
    with pytest.warns(RuntimeWarning, match=told) as warned:
        two = Catalog.build(rows, encoder=tiny_encoder, find_marks=False)
    assert len(warned) == 1
    assert (two.info(), two.generation) == (one.info(), one.generation)
    assert two.goods.tolist() == one.goods.tolist()
    assert two.centre.tolist() == one.centre.tolist()
    assert {row.category for row in two.references} == {"Bags"}
    assert {row.brand for row in one_spelling(spelt([not odd for odd in second]))[0]} == {" ACME", " ZETA"}
    as_given = [
        dataclasses.replace(kept, brand=row.brand, product=row.product, category=row.category)
        for kept, row in zip(two.references, rows, strict=True)
    ]
    old = Catalog(dataclasses.replace(two.kept, references=tuple(as_given)), encoder=tiny_encoder)
    assert old.generation != Catalog.load(old.save(tmp_path), tiny_encoder).generation == one.generation


def test_names_that_differ_in_more_than_case_and_blanks_and_products_of_two_brands_stay_as_they_are(
    references: list[Reference],
) -> None:
    names = [
        ("Caf\u00e9", "Mug"),
        ("Cafe\u0301", "Mug"),
        ("Cafe", "Cap"),
        ("Cafe-", "cap"),
        ("\u2122", "x"),
        ("\u00ae", "X"),
    ]
    rows = [dataclasses.replace(references[0], brand=brand, product=product) for brand, product in names]
    kept, several = one_spelling(rows)
    assert all(one is other for one, other in zip(kept, rows, strict=True))
    assert several == []


def test_references_of_one_product_are_one_however_its_accents_are_written(
    references: list[Reference], tiny_encoder
) -> None:
    mixed, plain = (
        Catalog.build(
            [
                dataclasses.replace(row, brand=row.brand + written, product=row.product + written)
                for row, written in zip(references, itertools.cycle(forms), strict=False)
            ],
            encoder=tiny_encoder,
            find_marks=False,
        )
        for forms in [("Caf\u00e9", "Cafe\u0301"), ("Caf\u00e9",)]
    )
    assert mixed.info() == plain.info()
    assert mixed.goods.tolist() == plain.goods.tolist()
    assert mixed.centre.tolist() == plain.centre.tolist()


@pytest.mark.parametrize("k", [0, -1, 5.0, "5", None, True])
def test_how_many_are_searched_is_a_whole_number(k: object, tree_catalog: Catalog) -> None:
    with pytest.raises(InputError, match=re.escape(f"search(k={k!r}): need a whole number, 1 or more")):
        tree_catalog.search([picture(5)], k=k)


def test_what_is_no_path_is_told_as_that(tree_catalog: Catalog) -> None:
    for call, name in (
        (Catalog.load, "Catalog.load"),
        (Catalog.verify, "Catalog.verify"),
        (tree_catalog.save, "catalog.save"),
    ):
        with pytest.raises(InputError, match=rf"{name}\(None\): need a path; type"):
            call(None)
