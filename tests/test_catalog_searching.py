"""A catalogue is searched with one row a photo: what is found, left out by filters, and refused."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from counterfeit_vision.encoders.batching import embed
from counterfeit_vision.encoders.preprocess import patch_mask
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    FingerprintError,
    InputError,
)
from counterfeit_vision.index import catalog as catalog_module
from counterfeit_vision.index import retrieval as likeness
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.types import Reference, Region

BAD = b"not a photo"


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
        ({"by": "smell"}, "by='photo' or by='mark'"),
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
    monkeypatch.setattr("counterfeit_vision.index.retrieval.SHORTLIST", 2)
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

    monkeypatch.setattr("counterfeit_vision.index.exact.ExactIndex", Recording)
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


def test_a_search_by_mark_keeps_rows_in_order_and_fakes_apart(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    rows = [dataclasses.replace(row, regions=[Region(2, 2, 40, 30)]) for row in references[2:]]
    fakes = [dataclasses.replace(row, gallery="known_fake") for row in references[:2]]
    catalog = Catalog.build([*rows, *fakes], encoder=tiny_encoder)
    asked = [fakes[0].photo, BAD, rows[1].photo]
    found = catalog.search(asked, k=2, gallery="known_fake", by="mark")
    assert found.ids[0].tolist() == ["r0", "r1"], "without regions the whole reference is the mark"
    assert found.ids[1].tolist() == [None, None]
    assert [failure.id for failure in found.failures] == ["photo 1"]
    genuine = catalog.search(asked, k=len(catalog), by="mark")
    assert not {"r0", "r1"} & {*genuine.ids.ravel()}
    for row in (0, 2):
        scores = genuine.scores[row][np.isfinite(genuine.scores[row])]
        assert (np.diff(scores) <= 0).all()
        assert (np.abs(scores) <= 1 + 1e-5).all()


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


@pytest.mark.parametrize("k", [0, -1, 5.0, "5", None, True])
def test_how_many_are_searched_is_a_whole_number(k: object, tree_catalog: Catalog) -> None:
    with pytest.raises(InputError, match=re.escape(f"search(k={k!r}): need a whole number, 1 or more")):
        tree_catalog.search([picture(5)], k=k)
