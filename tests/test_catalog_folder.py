"""A catalogue on disk: whole and the same after any save, or refused by name."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from conftest import picture, write_photo, write_tiny_clip

from counterfeit_vision import catalog_folder
from counterfeit_vision import sealed as sealed_module
from counterfeit_vision.catalog import Catalog
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    CatalogError,
    CorruptCatalogError,
    CounterfeitVisionError,
    FingerprintError,
    InputError,
)
from counterfeit_vision.foreground import PRODUCT
from counterfeit_vision.types import Reference, Region
from counterfeit_vision.version import made_by


@pytest.fixture
def saved(tree_catalog: Catalog, tmp_path: Path) -> Path:
    return tree_catalog.save(tmp_path / "catalogue")


def assert_same_answers(a: Catalog, b: Catalog, photos: list, **options) -> None:
    x, y = a.search(photos, **options), b.search(photos, **options)
    np.testing.assert_array_equal(x.ids, y.ids)
    np.testing.assert_array_equal(x.products, y.products)
    np.testing.assert_array_equal(x.scores, y.scores)


# --- saving and loading ----------------------------------------------------------------------------------------------


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


def test_verify_gives_the_manifest_of_a_whole_catalogue(saved: Path, tree_catalog: Catalog) -> None:
    manifest = Catalog.verify(saved)
    assert manifest["format"] == 3
    assert manifest["fingerprint"] == tree_catalog.encoder.fingerprint
    assert manifest["references"] == 12
    assert manifest["made_by"] == made_by()


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


def test_a_pipe_in_a_files_place_does_not_hang(saved: Path, tiny_encoder: TowerEncoder) -> None:
    file = next(saved.glob("arrays-*"))
    file.unlink()
    os.mkfifo(file)
    refused_by_name(saved, tiny_encoder, file.name)


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_no_catalogue_says_so(tmp_path: Path, folder: str) -> None:
    with pytest.raises(CorruptCatalogError, match=r"no catalogue here \(manifest\.json is missing\)"):
        Catalog.load(tmp_path / folder)


def reseal(folder: Path, change) -> None:
    """Write a changed manifest as an attacker would: with a right sha256."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["sha256"]
    change(manifest)
    (folder / "manifest.json").write_bytes(sealed_module.sealed(manifest))


@pytest.mark.parametrize(
    "garbage",
    [b"", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b'{"format": 3}', b'{"format": 3, "files": []}', b"[" * 100_000],
    ids=["empty", "null", "list", "number", "object", "bytes", "no files", "list of files", "deep"],
)
def test_garbage_for_a_manifest_is_refused(saved: Path, tiny_encoder: TowerEncoder, garbage: bytes) -> None:
    (saved / "manifest.json").write_bytes(garbage)
    refused_by_name(saved, tiny_encoder, "manifest.json")


@pytest.mark.parametrize("key", ["fingerprint", "encoder", "references", "grid", "files", "format"])
def test_a_manifest_that_lacks_a_field_is_refused(saved: Path, tiny_encoder: TowerEncoder, key: str) -> None:
    reseal(saved, lambda manifest: manifest.pop(key))
    refused_by_name(saved, tiny_encoder, "manifest.json")


@pytest.mark.parametrize(
    "change", [{"references": "12"}, {"encoder": ["x"]}, {"fingerprint": 7}, {"grid": "44"}], ids=str
)
def test_a_manifest_of_other_types_is_refused(saved: Path, tiny_encoder: TowerEncoder, change: dict) -> None:
    reseal(saved, lambda manifest: manifest.update(change))
    refused_by_name(saved, tiny_encoder, "manifest.json")


def test_a_file_of_endless_bytes_is_refused(saved: Path, tiny_encoder: TowerEncoder) -> None:
    reseal(saved, lambda manifest: manifest["files"]["arrays"].update(bytes=float("inf")))
    refused_by_name(saved, tiny_encoder, "manifest.json")


def test_another_format_is_refused_with_both_numbers(saved: Path) -> None:
    reseal(saved, lambda manifest: manifest.update(format=99))
    told = f"format 99, made by '{made_by()}'; this version reads format 3"
    with pytest.raises(CorruptCatalogError, match=re.escape(told)):
        Catalog.verify(saved)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file", "..", ".", "", "nul\0", ".hidden"])
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
    "a size of nothing": lambda rows: [rows[0] | {"size": [0, 40]}, *rows[1:]],
    "a size beyond all photos": lambda rows: [rows[0] | {"size": [10**400, 1]}, *rows[1:]],
    "a region off the photo": lambda rows: [rows[0] | {"regions": [[-9, -9, -1, -1]]}, *rows[1:]],
    "one id twice": lambda rows: [rows[0] | {"id": rows[1]["id"]}, *rows[1:]],
    "nothing genuine": lambda rows: [row | {"gallery": "known_fake"} for row in rows],
    "a copy of nothing": lambda rows: [rows[0] | {"copy_bytes": 0}, *rows[1:]],
    "copies beyond all integers": lambda rows: [
        *(row | {"copy_bytes": 2**63 - 1} for row in rows[:2]),
        rows[2] | {"copy_bytes": sum(row["copy_bytes"] for row in rows[:3]) + 2},
        *rows[3:],
    ],
    "a longer copy": lambda rows: [rows[0] | {"copy_bytes": rows[0]["copy_bytes"] + 1}, *rows[1:]],
}


@pytest.mark.parametrize("change", list(CHANGED_ROWS.values()), ids=list(CHANGED_ROWS))
def test_a_table_that_does_not_fit_is_refused_as_corrupt(saved: Path, tiny_encoder: TowerEncoder, change) -> None:
    rows = change(table_of(saved))
    rewrite(saved, "references", "".join(json.dumps(row) + "\n" for row in rows).encode())
    for use in (lambda: Catalog.verify(saved), lambda: Catalog.load(saved, encoder=tiny_encoder)):
        with pytest.raises(CorruptCatalogError, match="do not fit together"):
            use()


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


def test_copies_that_are_no_photos_are_a_fault_of_the_catalogue(saved: Path, tiny_encoder: TowerEncoder) -> None:
    from safetensors.numpy import load, save

    (path,) = saved.glob("arrays-*")
    arrays, rows = load(path.read_bytes()), table_of(saved)
    rewrite(saved, "arrays", save(arrays | {"copies": np.full_like(arrays["copies"], 7)}))
    with pytest.raises(CorruptCatalogError, match=f"the copy of reference '{rows[0]['id']}' is no JPEG"):
        Catalog.load(saved, encoder=tiny_encoder)
    copies = b"".join(b"\xff\xd8\xff".ljust(row["copy_bytes"], b"\0") for row in rows)
    rewrite(saved, "arrays", save(arrays | {"copies": np.frombuffer(copies, np.uint8)}))
    catalog = Catalog.load(saved, encoder=tiny_encoder)
    told = f"the catalogue's copy of reference '{rows[3]['id']}' gives no pixels: .*. Build the catalogue anew"
    with pytest.raises(CorruptCatalogError, match=told):
        catalog.pixels(3)


CHANGED_ARRAYS = {
    "no number": lambda array: np.full_like(array, np.nan),
    "another kind": lambda array: array.astype(bool),
    "more bits": lambda array: array.astype(array.dtype.kind + "8"),
    "one side less": lambda array: array.reshape(-1),
    "one side more": lambda array: array[..., None],
    "a shorter side": lambda array: array[..., :-1],
    "nothing": lambda array: array[..., :0],
}


@pytest.mark.parametrize("change", list(CHANGED_ARRAYS.values()), ids=list(CHANGED_ARRAYS))
def test_arrays_of_another_kind_or_shape_are_refused_as_corrupt(
    saved: Path, tiny_encoder: TowerEncoder, change
) -> None:
    from safetensors.numpy import load, save

    (path,) = saved.glob("arrays-*")
    arrays = load(path.read_bytes())
    for name, array in arrays.items():
        if array.dtype.kind != "f" and change is CHANGED_ARRAYS["no number"]:
            continue
        changed = np.ascontiguousarray(change(array))
        if changed.dtype == array.dtype and changed.shape == array.shape and (changed == array).all():
            continue
        rewrite(saved, "arrays", save(arrays | {name: changed}))
        with pytest.raises(CorruptCatalogError, match="do not fit together"):
            Catalog.load(saved, encoder=tiny_encoder)


@pytest.mark.parametrize("names", [("vectors", "centre"), ("token_scale", "token_basis")])
def test_arrays_of_fewer_numbers_than_the_encoder_gives_are_refused_at_the_first_photo(
    saved: Path, tiny_encoder: TowerEncoder, tree_photos: list, names: tuple[str, str]
) -> None:
    from safetensors.numpy import load, save

    (path,) = saved.glob("arrays-*")
    arrays = load(path.read_bytes())
    cut = np.s_[..., :8] if "vectors" in names else np.s_[:8]
    arrays |= {name: np.ascontiguousarray(arrays[name][cut]) for name in names}
    rewrite(saved, "arrays", save(arrays))
    with pytest.raises(CorruptCatalogError, match=r"numbers, its encoder's \[48, 64\]; it was changed"):
        Catalog.load(saved, encoder=tiny_encoder).search(tree_photos)


def test_marks_of_a_reference_that_is_not_there_are_refused_as_corrupt(saved: Path, tiny_encoder: TowerEncoder) -> None:
    from safetensors.numpy import load, save

    (path,) = saved.glob("arrays-*")
    arrays = load(path.read_bytes())
    for row in (-1, len(arrays["vectors"])):
        marks = {"mark_rows": np.array([row]), "mark_vectors": arrays["vectors"][:1]}
        rewrite(saved, "arrays", save(arrays | marks))
        with pytest.raises(CorruptCatalogError, match="1 marks of 12 references do not fit together"):
            Catalog.load(saved, encoder=tiny_encoder)


@pytest.mark.parametrize("grid", [[10**18, 10**18], [-4, -4], [0, 0], [2, 2]], ids=str)
def test_a_grid_that_the_patches_do_not_fill_is_refused_as_corrupt(
    saved: Path, tiny_encoder: TowerEncoder, grid: list[int]
) -> None:
    reseal(saved, lambda manifest: manifest.update(grid=grid))
    with pytest.raises(CorruptCatalogError, match="do not fit together"):
        Catalog.load(saved, encoder=tiny_encoder)


def test_a_folder_with_more_arrays_than_are_read_is_no_hindrance(
    references: list[Reference], tiny_encoder: TowerEncoder, tmp_path: Path
) -> None:
    """As earlier ones have, with the marks' tokens, which nothing read."""
    from safetensors.numpy import load, save

    references[0] = dataclasses.replace(references[0], regions=[Region(1, 2, 30, 40)])
    built = Catalog.build(references[:3], encoder=tiny_encoder)
    built.search([references[1].photo], by="mark")  # which encodes the marks
    folder = built.save(tmp_path / "c")
    (path,) = folder.glob("arrays-*")
    arrays = load(path.read_bytes())
    assert {name for name in arrays if name.startswith("mark")} == {"mark_rows", "mark_vectors"}
    codes, scales = np.zeros((1, 16, 16), np.uint8), np.zeros((1, 16), np.float16)
    rewrite(folder, "arrays", save(arrays | {"mark_codes": codes, "mark_scales": scales}))
    loaded = Catalog.load(folder, encoder=tiny_encoder)
    assert loaded.generation == built.generation
    assert_same_answers(built, loaded, [references[1].photo], k=3)
    assert loaded.marks is not None
    np.testing.assert_array_equal(loaded.marks.vectors, built.marks.vectors)  # type: ignore[union-attr]


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
