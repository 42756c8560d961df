"""A catalogue on disk: whole and the same after any save, or refused by name."""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_answers, picture, write_tiny_clip

from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.foreground import PRODUCT
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    CatalogError,
    FingerprintError,
    InputError,
)
from counterfeit_vision.index import store as catalog_folder
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.io import storage as sealed_module
from counterfeit_vision.types import Reference, Region


def test_what_was_saved_answers_as_what_was_built(tree_catalog: Catalog, saved: Path, tree_photos: list) -> None:
    loaded = Catalog.load(saved, encoder=tree_catalog.encoder)
    assert_same_answers(tree_catalog, loaded, tree_photos, k=12)
    assert_same_answers(tree_catalog, loaded, tree_photos, k=3, brand="acme")
    assert loaded.references == tree_catalog.references
    assert loaded.sha256 == tree_catalog.sha256
    assert [loaded.view(row) for row in range(3)] == [tree_catalog.view(row) for row in range(3)]
    assert loaded.generation == tree_catalog.generation
    assert loaded.info() == tree_catalog.info()
    for name in ("vectors", "content", "centre"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(tree_catalog, name))


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
    built = Catalog.build([reference, dataclasses.replace(reference, id="b", gallery="official")], encoder=tiny_encoder)
    loaded = Catalog.load(built.save(tmp_path / "c"), encoder=tiny_encoder)
    for field in dataclasses.fields(Reference):
        if field.name != "photo":
            assert getattr(loaded.references[0], field.name) == getattr(reference, field.name), field.name
    assert loaded.generation == built.generation


def test_the_sides_of_a_grid_may_be_numbers_of_numpy(
    tiny_encoder: TowerEncoder, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = dataclasses.replace(tiny_encoder)
    encode, sides = tiny_encoder.encode, (np.int64(4), np.int64(4))
    monkeypatch.setitem(vars(encoder), "encode", lambda images: dataclasses.replace(encode(images), grid=sides))
    Catalog.build(tree, encoder=encoder, cache=False).save(tmp_path / "kept")
    assert Catalog.load(tmp_path / "kept", encoder).grid == (4, 4)


def test_saving_twice_gives_the_same_bytes(tree_catalog: Catalog, saved: Path, tmp_path: Path) -> None:
    again = tree_catalog.save(tmp_path / "again")
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}
    tree_catalog.save(saved)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


def test_which_patches_are_the_product_is_kept_to_the_last_bit(
    tree_catalog: Catalog, tree_photos: list, tmp_path: Path
) -> None:
    shape = (len(tree_catalog), tree_catalog.grid[0] * tree_catalog.grid[1])
    near_the_edge = PRODUCT + np.random.default_rng(0).uniform(-1e-3, 1e-3, shape).astype(np.float32)
    kept = dataclasses.replace(tree_catalog.kept, foreground=near_the_edge)
    built = Catalog(kept, encoder=tree_catalog.encoder)
    loaded = Catalog.load(built.save(tmp_path / "catalogue"), encoder=tree_catalog.encoder)
    np.testing.assert_array_equal(loaded.foreground, near_the_edge)
    np.testing.assert_array_equal(loaded.likeness.kept.masks, built.likeness.kept.masks)
    assert_same_answers(built, loaded, tree_photos, k=12)


@pytest.mark.parametrize("read", [Catalog.load, Catalog.verify])
def test_reading_a_catalogue_takes_the_memory_of_two(read: Callable, tree_catalog: Catalog, tmp_path: Path) -> None:
    copies = [dataclasses.replace(one, photo=b"\xff\xd8" + bytes(300_000)) for one in tree_catalog.references]
    kept = dataclasses.replace(tree_catalog.kept, references=tuple(copies))
    folder = Catalog(kept, encoder=tree_catalog.encoder).save(tmp_path / "catalogue")
    (arrays,) = folder.glob("arrays-*")
    options = {"encoder": tree_catalog.encoder} if read == Catalog.load else {}
    tracemalloc.start()
    try:
        read(folder, **options)
        assert tracemalloc.get_traced_memory()[1] < 2.2 * arrays.stat().st_size
    finally:
        tracemalloc.stop()


def test_a_loaded_catalogue_can_be_saved_again(
    tree_catalog: Catalog, saved: Path, tmp_path: Path, tree_photos: list
) -> None:
    loaded = Catalog.load(saved, encoder=tree_catalog.encoder)
    again = Catalog.load(loaded.save(tmp_path / "again"), encoder=tree_catalog.encoder)
    assert_same_answers(tree_catalog, again, tree_photos, k=4)


def test_a_save_over_another_catalogue_replaces_it_and_leaves_no_old_files(
    tree_catalog: Catalog, saved: Path, references: list[Reference]
) -> None:
    small = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    small.save(saved)
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 3
    listed = {file["name"] for file in Catalog.verify(saved)["files"].values()}
    assert {path.name for path in saved.iterdir()} == listed | {"manifest.json"}


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tree_catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds something else \(thesis\.txt\); name an empty or a new one"):
        tree_catalog.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match=r"thesis\.txt: that is a file; name a folder"):
        tree_catalog.save(tmp_path / "thesis.txt")


def test_what_file_managers_leave_in_an_empty_folder_is_no_hindrance_and_stays(
    tree_catalog: Catalog, tmp_path: Path
) -> None:
    left = [tmp_path / name for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".lock")]
    for file in left:
        file.write_text("theirs")
    for _ in range(2):
        tree_catalog.save(tmp_path)
        assert [file.read_text() for file in left] == 4 * ["theirs"]
    assert len(Catalog.load(tmp_path, encoder=tree_catalog.encoder)) == 12


def test_a_catalogue_is_not_saved_in_a_folder_that_is_named_like_a_file(tree_catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json: a folder is written here, no \.json file; name a folder"):
        tree_catalog.save(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_somebodys_notes_beside_a_catalogue_stay(
    tree_catalog: Catalog, saved: Path, references: list[Reference]
) -> None:
    (saved / "NOTES.md").write_text("mine")
    (saved / ".gitignore").write_text("*")
    Catalog.build(references[:3], encoder=tree_catalog.encoder).save(saved)
    assert (saved / "NOTES.md").read_text() == "mine"
    assert (saved / ".gitignore").read_text() == "*"


@pytest.mark.parametrize("name", ["references-2024.csv", ".notes.tmp", "arrays-0123456789abcdef.old/mine"])
def test_what_only_begins_like_a_catalogues_file_is_somebodys(tree_catalog: Catalog, saved: Path, name: str) -> None:
    for folder in (saved, saved.parent / "theirs"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    tree_catalog.save(saved)
    assert (saved / name).read_text() == "mine"
    with pytest.raises(InputError, match="holds something else"):
        tree_catalog.save(folder)
    assert [path.name for path in folder.iterdir()] == [Path(name).parts[0]]


@pytest.mark.parametrize("manifest", ['{"name": "my web app", "files": []}', "[1]", "5", "no JSON", "[" * 100_000])
def test_a_manifest_of_another_kind_is_never_replaced(tree_catalog: Catalog, tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=r"holds something else \(manifest\.json\); name an empty or a new one"):
        tree_catalog.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert (tmp_path / "manifest.json").read_text() == manifest


def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "page.html").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as told:
        sealed_module.replace_file(tmp_path / "page.html", b"new")
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "page.html"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("page.html", b"old")]


@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_save_that_fails_at_any_step_leaves_the_old_catalogue_whole(
    tree_catalog: Catalog,
    saved: Path,
    references: list[Reference],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    call: int,
) -> None:
    """A full disk; a kill at the same places leaves the same files and perhaps a .tmp."""
    other = Catalog.build(references[:3], encoder=tree_catalog.encoder)
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
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 12
    assert not list(saved.glob(".*.tmp"))
    other.save(saved)
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 3
    assert len(list(saved.iterdir())) == 3


@pytest.mark.parametrize(
    "left",
    [
        [f"references-{16 * '0'}.jsonl"],
        [".abc_0123.tmp"],
        ["references-0123456789abcdef.jsonl", f"arrays-{16 * 'f'}.safetensors"],
    ],
)
def test_what_a_killed_first_save_left_is_no_hindrance_and_goes(
    tree_catalog: Catalog, tmp_path: Path, left: list[str]
) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(b"half a file")
    tree_catalog.save(folder)
    assert len(Catalog.load(folder, encoder=tree_catalog.encoder)) == 12
    assert len(list(folder.iterdir())) == 3


def test_readers_keep_working_during_saves(tree_catalog: Catalog, saved: Path, references: list[Reference]) -> None:
    small = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    stop, errors = threading.Event(), []

    def write() -> None:
        try:
            while not stop.is_set():
                small.save(saved)
                tree_catalog.save(saved)
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {len(Catalog.load(saved, encoder=tree_catalog.encoder)) for _ in range(60)}
    finally:
        stop.set()
        writer.join()
    assert errors == []
    assert seen <= {3, 12}


def test_a_save_between_the_manifest_and_the_files_is_read_as_the_new_one(
    tree_catalog: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    read, calls = sealed_module._read_files, 0

    def interrupted(folder: Path, data: bytes, **asked):
        nonlocal calls
        calls += 1
        if calls == 1:
            small.save(saved)
        return read(folder, data, **asked)

    monkeypatch.setattr(sealed_module, "_read_files", interrupted)
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 3
    assert calls == 2


def test_two_saves_of_which_the_second_writes_the_same_again_do_not_make_a_folder_corrupt(
    tree_catalog: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    read, calls = sealed_module._read_files, 0

    def interrupted(folder: Path, data: bytes, **asked):
        nonlocal calls
        calls += 1
        if calls > 1:
            return read(folder, data, **asked)
        small.save(saved)
        try:
            return read(folder, data, **asked)
        finally:
            tree_catalog.save(saved)

    monkeypatch.setattr(sealed_module, "_read_files", interrupted)
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 12
    assert calls == 2


@pytest.mark.parametrize("system", ["posix", "windows", "network"])
def test_of_two_saves_at_once_the_second_waits_and_stays(
    tree_catalog: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    fcntl = pytest.importorskip("fcntl")
    flock = fcntl.flock
    second = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    replace_file, begun = sealed_module.replace_file, []

    def interrupted(path: Path, data: bytes) -> None:
        if path.name == "manifest.json" and not begun:
            begun.append(pool.submit(second.save, saved))
            wait(begun, timeout=0.3)
        replace_file(path, data)

    def files_alone(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, how)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(sealed_module, "replace_file", interrupted)
        if system == "windows":
            from windows import pretend

            pretend(patch)
        if system == "network":
            patch.setattr(fcntl, "flock", files_alone)
        Catalog.build(references[3:5], encoder=tree_catalog.encoder).save(saved)
        begun[0].result()
    assert Catalog.verify(saved)["references"] == 3
    assert len(list(saved.iterdir())) == 3 + (system != "posix")


def test_a_save_while_an_old_file_is_read_on_windows_leaves_it_to_the_next(
    tree_catalog: Catalog, saved: Path, references: list[Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Catalog.build(references[:3], encoder=tree_catalog.encoder)
    (read,) = saved.glob("arrays-*")
    unlink = Path.unlink

    def windows(path: Path, **options: bool) -> None:
        if path == read:
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", windows)
        small.save(saved)
    assert len(list(saved.iterdir())) == 4
    assert len(Catalog.load(saved, encoder=tree_catalog.encoder)) == 3
    small.save(saved)
    assert len(list(saved.iterdir())) == 3


@pytest.mark.skipif(os.name == "nt", reason="permissions are another thing there")
def test_who_may_read_other_new_files_may_read_a_saved_one(tree_catalog: Catalog, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        folder = tree_catalog.save(tmp_path / "c")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


def test_another_encoder_is_refused_with_both_names(saved: Path, tmp_path: Path) -> None:
    other = load_encoder(str(write_tiny_clip(tmp_path / "other", seed=5)))
    with pytest.raises(FingerprintError, match=r"built with tiny .*, this encoder is other .*; load that one"):
        Catalog.load(saved, encoder=other)
    namesake = load_encoder(str(write_tiny_clip(tmp_path / "elsewhere" / "tiny", seed=5)))
    with pytest.raises(FingerprintError, match=r"this encoder is tiny .*; its weights .* or its decode= were others"):
        Catalog.load(saved, encoder=namesake)


def test_a_folder_does_not_choose_which_weights_are_fetched(saved: Path) -> None:
    with pytest.raises(CatalogError, match=r"'tiny', which is no recipe .*Catalog\.load\(folder, encoder=encoder\)"):
        Catalog.load(saved)


def test_the_recipe_that_it_was_built_with_is_loaded_by_default(
    saved: Path, tree_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(name: str) -> TowerEncoder:
        asked.append(name)
        return tree_catalog.encoder

    monkeypatch.setattr(catalog_folder, "recipes", lambda: {"tiny": None})
    monkeypatch.setattr("counterfeit_vision.encoders.load_encoder", load)
    assert len(Catalog.load(saved)) == 12
    assert asked == ["tiny"]
