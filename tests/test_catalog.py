"""The catalogue: built from three sources, and searched with one row a photo."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from counterfeit_vision.encoders.batching import embed
from counterfeit_vision.encoders.preprocess import patch_mask, patches_on_photo
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    DecodeError,
    InputError,
)
from counterfeit_vision.index import references as references_module
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.io.decode import decode
from counterfeit_vision.types import Reference, Region

BAD = b"not a photo"


def turned(photo: Path) -> bytes:
    """The photo's file, with the note that it is to be turned by a quarter."""
    image, buffer = Image.open(photo), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


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
    monkeypatch.setattr(
        "counterfeit_vision.index.catalog.name_of", lambda encoder: counted.append(encoder) or encoder.name
    )
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


def test_what_is_no_path_is_told_as_that(tree_catalog: Catalog) -> None:
    for call, name in (
        (Catalog.load, "Catalog.load"),
        (Catalog.verify, "Catalog.verify"),
        (tree_catalog.save, "catalog.save"),
    ):
        with pytest.raises(InputError, match=rf"{name}\(None\): need a path; type"):
            call(None)
