"""A folder of files that vouch for each other: a manifest with the sha256 of every file, and of itself.

Writing is atomic: files are named by what is in them, and the manifest is replaced last, so that a reader finds the old
state or the new one, whole; of two that save at once, one waits. Reading trusts nothing that the folder says before it
has been checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import CorruptCatalogError, InputError
from .files import LITTER, alone, contents, refuse_file, replace_file

__all__ = [
    "is_sealed",
    "read_sealed",
    "refuse_foreign",
    "remove_old",
    "sealed",
    "write_sealed",
]

MANIFEST = "manifest.json"


def sealed(manifest: Mapping[str, Any]) -> bytes:
    """The bytes of a JSON file of plain values, with the sha256 of all the rest in it."""
    body = json.dumps(manifest, sort_keys=True)
    return json.dumps(
        {**manifest, "sha256": hashlib.sha256(body.encode()).hexdigest()}, indent=2, sort_keys=True
    ).encode()


def is_sealed(data: bytes, manifest: Mapping[str, Any]) -> bool:
    """Whether these bytes, which hold that ``manifest``, are as :func:`sealed` gave them."""
    return sealed({key: value for key, value in manifest.items() if key != "sha256"}) == data


def write_sealed(folder: Path, about: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write ``files`` (``"references.jsonl"``: its bytes) and a manifest that tells ``about`` them.

    Raises :class:`InputError` for a folder that holds something else, before anything is written.
    """
    roles = {name.rpartition(".")[0]: name for name in files}
    refuse_foreign(folder, roles)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        listed = {}
        for role, name in roles.items():
            data = files[name]
            sha256 = hashlib.sha256(data).hexdigest()
            kept = f"{role}-{sha256[:16]}.{name.rpartition('.')[2]}"
            replace_file(folder / kept, data)
            listed[role] = {"name": kept, "bytes": len(data), "sha256": sha256}
        replace_file(folder / MANIFEST, sealed({**about, "files": listed}))
        remove_old(folder, roles, {str(file["name"]) for file in listed.values()})


def remove_old(folder: Path, roles: Collection[str], kept: Collection[str]) -> None:
    """Take away what earlier saves left, and such as were cut off, but for the files of these names."""
    for old in folder.iterdir():
        if _is_ours(old, roles) and old.name not in kept:
            with contextlib.suppress(OSError):  # Windows keeps what is being read; the next save takes it
                old.unlink()


def refuse_foreign(folder: Path, roles: Collection[str]) -> None:
    """:class:`InputError` for a file, or a folder that holds something else: :func:`write_sealed` would refuse it."""
    refuse_file(folder)
    if foreign := _foreign(folder, roles):
        raise InputError(f"{folder}: the folder holds something else ({foreign}); name an empty or a new one")


def read_sealed(
    folder: Path, *, format: int, roles: set[str], about: set[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the contents by role, all of one save: where another save came between, read again.

    Raises :class:`CorruptCatalogError` with the name of what is missing, truncated or changed.
    """
    while True:
        written = _written(folder / MANIFEST)
        data = _read_manifest(folder)
        try:
            return _read_files(folder, data, format=format, roles=roles, about=about)
        except CorruptCatalogError:
            if _written(folder / MANIFEST) == written:
                raise


def _foreign(folder: Path, roles: Collection[str]) -> str | None:
    """The name of a file that makes a folder somebody else's: a manifest of another kind; without one, any file
    but what file managers leave.
    """
    if not folder.exists():
        return None
    if not (folder / MANIFEST).exists():
        return next((old.name for old in folder.iterdir() if old.name not in LITTER and not _is_ours(old, roles)), None)
    try:
        ours = {"format", "files", "sha256"} <= set(json.loads((folder / MANIFEST).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    return None if ours else MANIFEST


def _is_ours(file: Path, roles: Collection[str]) -> bool:
    """Whether a save that was cut off, or an earlier one, left this file."""
    name = rf"({'|'.join(map(re.escape, roles))})-[0-9a-f]{{16}}\.\w+|\.[0-9a-z_]{{8,16}}\.tmp"
    return re.fullmatch(name, file.name) is not None and not file.is_dir()  # another save may take it away now


def _written(path: Path) -> tuple[int, int] | None:
    """What tells one writing of a file from another, even of the same bytes; ``None`` where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _read_manifest(folder: Path) -> bytes:
    data = contents(folder / MANIFEST)
    if data is None:
        raise CorruptCatalogError(
            f"{folder}: no catalogue here ({MANIFEST} is missing); make one with: counterfeit-vision catalog build"
        )
    return data


def _read_files(
    folder: Path, data: bytes, *, format: int, roles: set[str], about: set[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(data)
        kind = manifest["format"]
        if kind != format:
            made = f", made by {manifest['made_by']!r:.80}" if "made_by" in manifest else ""
            raise CorruptCatalogError(
                f"{path}: format {kind!r:.20}{made}; this version reads format {format}. Build it anew"
            )
        if not is_sealed(data, manifest):
            raise CorruptCatalogError(f"{path}: changed: it does not match its own sha256. Copy the folder again")
        files = {
            str(role): (str(file["name"]), int(file["bytes"]), str(file["sha256"]))
            for role, file in manifest["files"].items()
        }
        if missing := about - set(manifest):
            raise KeyError(*sorted(missing))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise CorruptCatalogError(f"{path}: not a catalogue's manifest: {error!r}") from error
    if set(files) != roles:
        raise CorruptCatalogError(f"{path}: lists the files {sorted(files)}, expected {' and '.join(sorted(roles))}")
    return manifest, {role: _read_file(folder, path, *file) for role, file in files.items()}


def _read_file(folder: Path, manifest: Path, name: str, size: int, sha256: str) -> bytes:
    file = folder / name
    if re.fullmatch(r"\w[\w.-]*", name) is None:
        raise CorruptCatalogError(f"{manifest}: lists the file {name!r}, which is not a name in this folder")
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise OSError(0, "not a regular file")
        if found.st_size != size:
            raise CorruptCatalogError(f"{file}: truncated or grown: {found.st_size} bytes, the manifest says {size}")
        data = file.read_bytes()
    except OSError as error:
        raise CorruptCatalogError(
            f"{file}: missing or unreadable ({error.strerror}); the manifest lists it with {size} bytes. "
            "Copy the folder again, whole"
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CorruptCatalogError(f"{file}: changed: its sha256 is not the one in the manifest. Copy the folder again")
    return data
