"""The catalogue: built from three sources, searched with one row a photo, and whole on disk or refused by name."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import io
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import picture, write_photo, write_tiny_clip
from PIL import Image

from counterfeit_vision import catalog as catalog_module
from counterfeit_vision import sealed as sealed_module
from counterfeit_vision.catalog import Catalog
from counterfeit_vision.decode import decode
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    CatalogError,
    CorruptCatalogError,
    CounterfeitVisionError,
    DecodeError,
    FingerprintError,
    InputError,
)
from counterfeit_vision.preprocess import patch_mask
from counterfeit_vision.search.exact import ExactIndex
from counterfeit_vision.stream import embed
from counterfeit_vision.types import Reference, Region

BAD = b"not a photo"


@pytest.fixture(scope="module")
def built(tree: Path, tiny_encoder: TowerEncoder) -> Catalog:
    return Catalog.build(tree, encoder=tiny_encoder)


@pytest.fixture(scope="module")
def suspects(tree: Path) -> list[Path | bytes]:
    """The catalogue's own photos, some recompressed, and one that is in no catalogue."""
    paths = sorted(tree.rglob("*.jpg"))
    buffer = io.BytesIO()
    Image.open(paths[4]).save(buffer, "JPEG", quality=60)
    return [paths[0], buffer.getvalue(), paths[9], picture(999)]


@pytest.fixture
def saved(built: Catalog, tmp_path: Path) -> Path:
    return built.save(tmp_path / "catalogue")


def assert_same_answers(a: Catalog, b: Catalog, photos: list, **options) -> None:
    x, y = a.search(photos, **options), b.search(photos, **options)
    np.testing.assert_array_equal(x.ids, y.ids)
    np.testing.assert_array_equal(x.products, y.products)
    np.testing.assert_array_equal(x.scores, y.scores)


# --- building --------------------------------------------------------------------------------------------------------


def test_folder_manifest_and_rows_give_one_catalogue(tree: Path, tiny_encoder: TowerEncoder, built: Catalog) -> None:
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
        assert [r.id for r in other.references] == [r.id for r in built.references]
        assert other.sha256 == built.sha256
        assert other.generation == built.generation
        np.testing.assert_allclose(other.vectors, built.vectors, atol=1e-4)


def test_rows_stand_in_order_with_hash_vector_and_small_copy(built: Catalog, tree: Path) -> None:
    paths = sorted(tree.rglob("*.jpg"))
    assert len(built) == len(paths) == 12
    for row, (path, reference, sha256) in enumerate(zip(paths, built.references, built.sha256, strict=True)):
        assert reference.id == path.relative_to(tree).as_posix()
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        view = built.view(row)
        assert (view.caption, view.size, built.sizes[row]) == (reference.product, (56, 40), (56, 40))
        assert np.abs(built.pixels(row).astype(int) - decode(path).pixels).mean() < 4
    assert built.vectors.shape == (12, 48)
    assert built.failures == ()


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


def test_tokens_of_a_reference_take_at_most_16_kb(built: Catalog) -> None:
    assert 0 < built.info()["token_bytes_per_reference"] <= 16_384


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


def test_a_reference_finds_its_product_first_and_itself_near_the_top(built: Catalog, tree: Path) -> None:
    paths = sorted(tree.rglob("*.jpg"))
    found = built.search(paths, k=12)
    assert [row[0] for row in found.products] == [r.product for r in built.references]
    for row, reference in enumerate(built.references):
        assert reference.id in found.ids[row, :3]
        products = {r.id: r.product for r in built.references}
        assert [products[id] for id in found.ids[row]] == found.products[row].tolist()
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert found.ids.dtype == found.products.dtype == object
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1, 2}])
def test_there_is_one_row_a_photo_and_failed_ones_are_padded(built: Catalog, tree: Path, bad: set[int]) -> None:
    paths = sorted(tree.rglob("*.jpg"))[:3]
    found = built.search([BAD if row in bad else path for row, path in enumerate(paths)], k=2)
    assert found.ids.shape == found.products.shape == found.scores.shape == (3, 2)
    for row in range(3):
        if row in bad:
            assert found.ids[row].tolist() == found.products[row].tolist() == [None, None]
            assert np.isneginf(found.scores[row]).all()
        else:
            assert found.ids[row, 0] == built.references[row].id
    assert [failure.id for failure in found.failures] == [f"photo {row}" for row in sorted(bad)]


def test_no_photos_give_no_rows(built: Catalog) -> None:
    found = built.search([], k=4)
    assert found.ids.shape == (0, 4)
    assert found.failures == ()


def test_more_than_there_is_pads_the_rows(built: Catalog, suspects: list) -> None:
    found = built.search(suspects, k=15)
    assert found.ids.shape == (4, 15)
    for row in range(4):
        assert set(found.ids[row, :12]) == {r.id for r in built.references}
        assert found.ids[row, 12:].tolist() == [None] * 3
        assert np.isneginf(found.scores[row, 12:]).all()
        assert np.isfinite(found.scores[row, :12]).all()


def test_k_is_not_cut_at_the_short_list(built: Catalog, suspects: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "SHORTLIST", 3)
    found = built.search(suspects, k=10)
    assert all(found.ids[row, 9] is not None for row in range(4))


@pytest.mark.parametrize(("brand", "count"), [("acme", 8), ("zeta", 4)])
def test_a_brand_leaves_its_own_references_only(built: Catalog, suspects: list, brand: str, count: int) -> None:
    found = built.search(suspects, k=10, brand=brand)
    own = {r.id for r in built.references if r.brand == brand}
    for row in range(4):
        assert set(found.ids[row, :count]) == own
        assert found.ids[row, count:].tolist() == [None] * (10 - count)
    everything = built.search(suspects, k=12)
    for row in range(4):  # and their scores are what they are without the filter
        scores = dict(zip(everything.ids[row], everything.scores[row].tolist(), strict=True))
        for id, score in zip(found.ids[row, :count], found.scores[row, :count].tolist(), strict=True):
            assert score == pytest.approx(scores[id], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"brand": "nobody"}, "no brand 'nobody'; it knows acme, zeta"),
        ({"k": 0}, "k=0"),
        ({"by": "mark"}, "by='mark'"),
    ],
)
def test_what_can_not_be_asked_is_refused(built: Catalog, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        built.search([picture(0)], **options)


def test_faiss_and_the_exact_index_give_one_answer(
    built: Catalog, tree: Path, tiny_encoder: TowerEncoder, suspects: list
) -> None:
    exact = Catalog.build(tree, encoder=tiny_encoder, index=ExactIndex)
    assert isinstance(exact.index, ExactIndex)
    assert type(built.index).__name__ == "FaissIndex"
    for options in ({"k": 5}, {"k": 20}, {"k": 3, "brand": "zeta"}):
        a, b = built.search(suspects, **options), exact.search(suspects, **options)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


def test_the_index_holds_vectors_centred_on_the_mean_of_the_products_means(built: Catalog, suspects: list) -> None:
    means = [built.vectors[built.products == product].mean(axis=0) for product in sorted(set(built.products))]
    centre = np.mean(means, axis=0)
    np.testing.assert_allclose(built.centre, centre, atol=1e-6)
    rows = embed(suspects, encoder=built.encoder, cache=False)
    a, b = rows.vectors - centre, built.vectors - centre
    cosines = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    asked = a / np.linalg.norm(a, axis=1, keepdims=True)
    keys, scores = built.index.search(asked.astype(np.float32), 12)
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, keys, axis=1), atol=1e-5)


def test_padding_around_a_photo_has_no_say(built: Catalog) -> None:
    rows = embed([picture(3, 40, 80)], encoder=built.encoder, cache=False)
    inside = patch_mask(rows.content[0], rows.grid)
    assert inside.tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]
    before = built.neighbours(rows, 12)
    patches = rows.patches.copy()
    patches[:, inside.reshape(-1) == 0] = 1
    after = built.neighbours(dataclasses.replace(rows, patches=patches), 12)
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-6)


def test_a_photos_scores_do_not_depend_on_the_photos_beside_it(built: Catalog, suspects: list) -> None:
    together = built.search(suspects, k=12)
    for row, photo in enumerate(suspects):
        alone = built.search([photo], k=12)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-4)


def test_vectors_of_another_encoder_are_refused(built: Catalog) -> None:
    rows = dataclasses.replace(embed([picture(0)], encoder=built.encoder), fingerprint="another")
    with pytest.raises(FingerprintError, match=r"another.*Catalog\.build"):
        built.neighbours(rows, 3)


def test_a_catalogue_describes_itself(built: Catalog) -> None:
    assert repr(built) == "<Catalog 12 references of 5 products, 2 brands, tiny>"
    info = built.info()
    assert (info["references"], info["products"], info["brands"]) == (12, 5, 2)
    assert info["galleries"] == {"genuine": 12}
    assert info["fingerprint"] == built.encoder.fingerprint
    assert json.dumps(info)
    html = built._repr_html_()
    assert html.startswith("<table>")
    assert "<th>references</th><td>12</td>" in html


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


# --- saving and loading ----------------------------------------------------------------------------------------------


def test_what_was_saved_answers_as_what_was_built(built: Catalog, saved: Path, suspects: list) -> None:
    loaded = Catalog.load(saved, encoder=built.encoder)
    assert_same_answers(built, loaded, suspects, k=12)
    assert_same_answers(built, loaded, suspects, k=3, brand="acme")
    assert loaded.references == built.references
    assert loaded.sha256 == built.sha256
    assert [loaded.view(row) for row in range(3)] == [built.view(row) for row in range(3)]
    assert loaded.generation == built.generation
    assert loaded.info() == built.info()
    for name in ("vectors", "content", "centre"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(built, name))


ODD = "né\u2028w\x85 “line”\u2029 😀 \udcff\n\t\\"  # line breaks of all kinds, and half a file name


def test_every_field_comes_back_even_an_odd_one(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    reference = Reference(
        id=ODD,
        photo=picture(1),
        brand=ODD + "b",
        product=ODD + "p",
        category=ODD + "c",
        gallery="known_fake",
        regions=[Region(1.5, 2, 30, 40), Region(0, 0, 1e-3, 1)],
        price=19.99,
        currency="EUR",
    )
    built = Catalog.build([reference, dataclasses.replace(reference, id="b")], encoder=tiny_encoder)
    loaded = Catalog.load(built.save(tmp_path / "c"), encoder=tiny_encoder)
    for field in dataclasses.fields(Reference):
        if field.name != "photo":
            assert getattr(loaded.references[0], field.name) == getattr(reference, field.name), field.name
    assert loaded.generation == built.generation


def test_saving_twice_gives_the_same_bytes(built: Catalog, saved: Path, tmp_path: Path) -> None:
    again = built.save(tmp_path / "again")
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}
    built.save(saved)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


def test_a_loaded_catalogue_can_be_saved_again(built: Catalog, saved: Path, tmp_path: Path, suspects: list) -> None:
    loaded = Catalog.load(saved, encoder=built.encoder)
    again = Catalog.load(loaded.save(tmp_path / "again"), encoder=built.encoder)
    assert_same_answers(built, again, suspects, k=4)


def test_a_save_over_another_catalogue_replaces_it_and_leaves_no_old_files(
    built: Catalog, saved: Path, references: list[Reference]
) -> None:
    small = Catalog.build(references[:3], encoder=built.encoder)
    small.save(saved)
    assert len(Catalog.load(saved, encoder=built.encoder)) == 3
    listed = {file["name"] for file in Catalog.verify(saved)["files"].values()}
    assert {path.name for path in saved.iterdir()} == listed | {"manifest.json"}


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(built: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something else; name an empty or a new one"):
        built.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="a catalogue is a folder, this is a file"):
        built.save(tmp_path / "thesis.txt")


def test_somebodys_notes_beside_a_catalogue_stay(built: Catalog, saved: Path, references: list[Reference]) -> None:
    (saved / "NOTES.md").write_text("mine")
    (saved / ".gitignore").write_text("*")
    Catalog.build(references[:3], encoder=built.encoder).save(saved)
    assert (saved / "NOTES.md").read_text() == "mine"
    assert (saved / ".gitignore").read_text() == "*"


@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_save_that_fails_at_any_step_leaves_the_old_catalogue_whole(
    built: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    """A full disk; a kill at the same places leaves the same files and perhaps a .tmp."""
    other = Catalog.build(references[:3], encoder=built.encoder)
    calls, original = 0, getattr(os, step)

    def fails(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(28, "No space left on device")
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fails)
        with pytest.raises(OSError, match="No space left"):
            other.save(saved)
    assert len(Catalog.load(saved, encoder=built.encoder)) == 12
    assert not list(saved.glob(".*.tmp"))
    other.save(saved)
    assert len(Catalog.load(saved, encoder=built.encoder)) == 3
    assert len(list(saved.iterdir())) == 3


@pytest.mark.parametrize(
    "left", [["references-0123.jsonl"], [".abc.tmp"], ["references-1.jsonl", "arrays-1.safetensors"]]
)
def test_what_a_killed_first_save_left_is_no_hindrance_and_goes(
    built: Catalog, tmp_path: Path, left: list[str]
) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(b"half a file")
    built.save(folder)
    assert len(Catalog.load(folder, encoder=built.encoder)) == 12
    assert len(list(folder.iterdir())) == 3


def test_readers_keep_working_during_saves(built: Catalog, saved: Path, references: list[Reference]) -> None:
    small = Catalog.build(references[:3], encoder=built.encoder)
    stop, errors = threading.Event(), []

    def write() -> None:
        try:
            while not stop.is_set():
                small.save(saved)
                built.save(saved)
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {len(Catalog.load(saved, encoder=built.encoder)) for _ in range(60)}
    finally:
        stop.set()
        writer.join()
    assert errors == []
    assert seen <= {3, 12}


def test_a_save_between_the_manifest_and_the_files_is_read_as_the_new_one(
    built: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Catalog.build(references[:3], encoder=built.encoder)
    read, calls = sealed_module._read_files, 0

    def interrupted(folder: Path, data: bytes, **asked):
        nonlocal calls
        calls += 1
        if calls == 1:
            small.save(saved)
        return read(folder, data, **asked)

    monkeypatch.setattr(sealed_module, "_read_files", interrupted)
    assert len(Catalog.load(saved, encoder=built.encoder)) == 3
    assert calls == 2


def test_known_fakes_are_found_only_where_they_are_asked_for(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    fakes = [dataclasses.replace(row, id=f"fake {row.id}", gallery="known_fake") for row in references[:3]]
    catalog = Catalog.build([*references, *fakes], encoder=tiny_encoder)
    found = catalog.search([references[0].photo], k=20)
    assert not any(str(name).startswith("fake") for name in found.ids[0])
    fake = catalog.search([references[0].photo], k=20, gallery="known_fake")
    assert {name for name in fake.ids[0] if name} == {row.id for row in fakes}
    assert fake.ids[0, 0] == fakes[0].id
    assert not any(catalog.references[int(row)].gallery == "known_fake" for row in catalog.rows_of(brand="acme"))
    with pytest.raises(InputError, match="knows no gallery 'stolen'; it knows genuine, known_fake"):
        catalog.search([references[0].photo], gallery="stolen")
    with pytest.raises(InputError, match="knows no category 'shoes'; it knows none at all"):
        catalog.search([references[0].photo], category="shoes")


def test_another_encoder_is_refused_with_both_names(saved: Path, tmp_path: Path) -> None:
    other = load_encoder(str(write_tiny_clip(tmp_path / "other", seed=5)))
    with pytest.raises(FingerprintError, match=r"built with tiny .*, this encoder is other .*; load that one"):
        Catalog.load(saved, encoder=other)


def test_a_folder_does_not_choose_which_weights_are_fetched(saved: Path) -> None:
    with pytest.raises(CatalogError, match=r"'tiny', which is no recipe .*Catalog\.load\(folder, encoder=encoder\)"):
        Catalog.load(saved)


def test_the_recipe_that_it_was_built_with_is_loaded_by_default(
    saved: Path, built: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(name: str) -> TowerEncoder:
        asked.append(name)
        return built.encoder

    monkeypatch.setattr(catalog_module, "recipes", lambda: {"tiny": None})
    monkeypatch.setattr("counterfeit_vision.encoders.load_encoder", load)
    assert len(Catalog.load(saved)) == 12
    assert asked == ["tiny"]


# --- damage ----------------------------------------------------------------------------------------------------------


def refused_by_name(folder: Path, encoder: TowerEncoder, name: str) -> None:
    for use in (lambda: Catalog.verify(folder), lambda: Catalog.load(folder, encoder=encoder)):
        with pytest.raises(CorruptCatalogError) as caught:
            use()
        assert str(folder / name) in str(caught.value)


FILES = ["manifest.json", "references-*.jsonl", "arrays-*.safetensors"]


@pytest.fixture(params=FILES)
def victim(request: pytest.FixtureRequest, saved: Path) -> Path:
    (path,) = saved.glob(request.param)
    return path


def test_verify_gives_the_manifest_of_a_whole_catalogue(saved: Path, built: Catalog) -> None:
    manifest = Catalog.verify(saved)
    assert manifest["format"] == 2
    assert manifest["fingerprint"] == built.encoder.fingerprint
    assert manifest["references"] == 12


def test_a_flipped_byte_anywhere_is_found_and_its_file_named(
    victim: Path, saved: Path, tiny_encoder: TowerEncoder
) -> None:
    whole = victim.read_bytes()
    offsets = {0, 1, len(whole) - 1} | set(np.random.default_rng(0).integers(0, len(whole), 40).tolist())
    if victim.name == "manifest.json":
        offsets = set(range(len(whole)))
    for offset in sorted(offsets):
        for flip in (0x01, 0x20) if victim.name == "manifest.json" else (0x01,):
            victim.write_bytes(whole[:offset] + bytes([whole[offset] ^ flip]) + whole[offset + 1 :])
            with pytest.raises(CorruptCatalogError) as caught:
                Catalog.verify(saved)
            assert str(victim) in str(caught.value), f"byte {offset}"
    refused_by_name(saved, tiny_encoder, victim.name)
    victim.write_bytes(whole)
    Catalog.verify(saved)


@pytest.mark.parametrize("cut", [1, 100, "half", "all"])
def test_a_truncated_file_is_named(victim: Path, saved: Path, tiny_encoder: TowerEncoder, cut: int | str) -> None:
    whole = victim.read_bytes()
    left = {"half": len(whole) // 2, "all": 0}.get(str(cut), len(whole) - int(cut) if isinstance(cut, int) else 0)
    victim.write_bytes(whole[:left])
    refused_by_name(saved, tiny_encoder, victim.name)


def test_a_file_that_has_grown_is_named(victim: Path, saved: Path, tiny_encoder: TowerEncoder) -> None:
    victim.write_bytes(victim.read_bytes() + b"\n")
    refused_by_name(saved, tiny_encoder, victim.name)


def test_a_missing_file_is_named(victim: Path, saved: Path, tiny_encoder: TowerEncoder) -> None:
    victim.unlink()
    with pytest.raises(CorruptCatalogError, match="missing") as caught:
        Catalog.verify(saved)
    assert victim.name in str(caught.value)
    with pytest.raises(CorruptCatalogError, match="missing"):
        Catalog.load(saved, encoder=tiny_encoder)


def test_a_folder_in_a_files_place_is_named(victim: Path, saved: Path, tiny_encoder: TowerEncoder) -> None:
    victim.unlink()
    victim.mkdir()
    with pytest.raises(CorruptCatalogError) as caught:
        Catalog.verify(saved)
    assert victim.name in str(caught.value)


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_no_catalogue_says_so(tmp_path: Path, folder: str) -> None:
    with pytest.raises(CorruptCatalogError, match=r"no catalogue here \(manifest\.json is missing\)"):
        Catalog.load(tmp_path / folder)


def reseal(folder: Path, change) -> None:
    """Write a changed manifest as an attacker would: with a right sha256."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["sha256"]
    change(manifest)
    (folder / "manifest.json").write_bytes(sealed_module._sealed(manifest))


@pytest.mark.parametrize(
    "garbage",
    [b"", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b'{"format": 2}', b'{"format": 2, "files": []}', b"[" * 100_000],
    ids=["empty", "null", "list", "number", "object", "bytes", "no files", "list of files", "deep"],
)
def test_garbage_for_a_manifest_is_refused(saved: Path, tiny_encoder: TowerEncoder, garbage: bytes) -> None:
    (saved / "manifest.json").write_bytes(garbage)
    refused_by_name(saved, tiny_encoder, "manifest.json")


@pytest.mark.parametrize("key", ["fingerprint", "encoder", "references", "grid", "files", "format"])
def test_a_manifest_that_lacks_a_field_is_refused(saved: Path, tiny_encoder: TowerEncoder, key: str) -> None:
    reseal(saved, lambda manifest: manifest.pop(key))
    refused_by_name(saved, tiny_encoder, "manifest.json")


def test_another_format_is_refused_with_both_numbers(saved: Path) -> None:
    reseal(saved, lambda manifest: manifest.update(format=99))
    with pytest.raises(CorruptCatalogError, match="format 99; this version reads format 2"):
        Catalog.verify(saved)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file", "..", ".", ""])
def test_a_name_outside_the_folder_is_refused_even_with_the_right_hash(saved: Path, name: str) -> None:
    (saved.parent / "secret").write_bytes(b"secret")
    (saved / "sub").mkdir()
    (saved / "sub" / "file").write_bytes(b"secret")

    def change(manifest: dict) -> None:
        sha256 = hashlib.sha256(b"secret").hexdigest()
        manifest["files"]["references"] = {"name": name, "bytes": 6, "sha256": sha256}

    reseal(saved, change)
    with pytest.raises(CorruptCatalogError, match=r"missing or unreadable|not a name in this folder"):
        Catalog.verify(saved)


def rewrite(folder: Path, role: str, data: bytes) -> None:
    """Another file, with a manifest that vouches for it."""

    def change(manifest: dict) -> None:
        name = manifest["files"][role]["name"]
        (folder / name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        manifest["files"][role] = {"name": name, "bytes": len(data), "sha256": sha256}

    reseal(folder, change)


def table_of(folder: Path) -> list[dict]:
    (path,) = folder.glob("references-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


CHANGED_ROWS = {
    "one row less": lambda rows: rows[1:],
    "no rows": lambda rows: [],
    "a list": lambda rows: [[1], *rows[1:]],
    "no id": lambda rows: [{key: value for key, value in rows[0].items() if key != "id"}, *rows[1:]],
    "an empty id": lambda rows: [rows[0] | {"id": ""}, *rows[1:]],
    "a short size": lambda rows: [rows[0] | {"size": [1]}, *rows[1:]],
    "an endless size": lambda rows: [rows[0] | {"size": [float("inf"), 1]}, *rows[1:]],
    "a bad region": lambda rows: [rows[0] | {"regions": [[1, 2, 3]]}, *rows[1:]],
    "another gallery": lambda rows: [rows[0] | {"gallery": "x"}, *rows[1:]],
}


@pytest.mark.parametrize("change", list(CHANGED_ROWS.values()), ids=list(CHANGED_ROWS))
def test_a_table_that_does_not_fit_is_refused_as_corrupt(saved: Path, tiny_encoder: TowerEncoder, change) -> None:
    rows = change(table_of(saved))
    rewrite(saved, "references", "".join(json.dumps(row) + "\n" for row in rows).encode())
    with pytest.raises(CorruptCatalogError, match="do not fit together"):
        Catalog.load(saved, encoder=tiny_encoder)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04K\x01.", b"\0" * 100, b"\xff" * 100], ids=["empty", "pickle", "0", "255"]
)
def test_arrays_that_are_no_safetensors_are_refused_as_corrupt(
    saved: Path, tiny_encoder: TowerEncoder, data: bytes
) -> None:
    rewrite(saved, "arrays", data)
    with pytest.raises(CorruptCatalogError, match="do not fit together"):
        Catalog.load(saved, encoder=tiny_encoder)


@pytest.mark.parametrize("name", ["vectors", "content", "centre", "copies", "token_scale", "token_scales"])
def test_missing_arrays_are_refused_as_corrupt(saved: Path, tiny_encoder: TowerEncoder, name: str) -> None:
    from safetensors.numpy import load, save

    (path,) = saved.glob("arrays-*")
    arrays = load(path.read_bytes())
    del arrays[name]
    rewrite(saved, "arrays", save(arrays))
    with pytest.raises(CorruptCatalogError, match="do not fit together"):
        Catalog.load(saved, encoder=tiny_encoder)


def test_damage_is_a_library_error_and_the_catalogue_can_be_copied_over(saved: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    next(saved.glob("arrays-*")).unlink()
    with pytest.raises(CounterfeitVisionError, match="Copy the folder again, whole"):
        Catalog.verify(saved)
    Catalog.verify(copy)


def test_photos_on_disk_are_not_needed_any_more(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    for number in range(3):
        write_photo(tmp_path / "in" / "acme" / f"product {number}" / "1.jpg", number)
    data = (tmp_path / "in" / "acme" / "product 1" / "1.jpg").read_bytes()
    Catalog.build(tmp_path / "in", encoder=tiny_encoder).save(tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    assert Catalog.load(tmp_path / "out", encoder=tiny_encoder).search([data], k=1).products[0, 0] == "product 1"


def test_two_brands_with_a_product_of_one_name_are_two_goods(tiny_encoder, photos: list[Path]) -> None:
    rows = [
        Reference(id=f"{brand}-{number}", photo=photos[2 * place + number], brand=brand, product="cap")
        for place, brand in enumerate(("acme", "zeta"))
        for number in range(2)
    ]
    built = Catalog.build(rows, encoder=tiny_encoder)
    assert [group.tolist() for group in built.by_product(np.arange(4))] == [[0, 1], [2, 3]]
    assert built.cohort_goods.tolist() == ["acme/cap", "zeta/cap"]
