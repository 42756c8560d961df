"""A catalogue's folder that was damaged or changed: refused by name, whatever was done to it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_answers, write_photo

from counterfeit_vision._version import made_by
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    CorruptCatalogError,
    CounterfeitVisionError,
)
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.io import storage as sealed_module
from counterfeit_vision.types import Reference, Region


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
