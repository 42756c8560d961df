"""A catalogue's folder: the names and the layout of what is written, and reading it back.

A sealed folder (``io/storage.py``) of a table, one JSON line a reference, and one safetensors file with all arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._version import made_by
from ..encoders.base import name_of
from ..encoders.weights import recipes
from ..errors import CatalogError, CorruptCatalogError, FingerprintError
from ..io.limits import DEFAULT_LIMITS, check_pixels
from ..io.manifests import read_references
from ..io.storage import read_sealed, refuse_foreign, write_sealed
from ..types import Reference, Region
from .references import KeptReferences, refuse_without_genuine, region_off_photo
from .tiles import MarkLibrary
from .tokens import PackedTokens, TokenSpace

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["open_folder", "recipe_of", "refuse_folder", "table", "verify_folder", "write_folder"]

FORMAT = 3
ROLES = {"references", "arrays"}
ABOUT = {"fingerprint": str, "encoder": str, "references": int, "grid": list}  # what the manifest says besides

# Kind of numbers and sides of each array: N references, P patches, M marks; what bears one letter has one length.
SHAPES = {
    "vectors": "float32 ND", "content": "float32 N4", "centre": "float32 D", "copies": "uint8 B",
    "foreground": "float32 NP", "token_scale": "float32 E", "token_basis": "float32 ET", "token_codes": "uint8 NPC",
    "token_scales": "float16 NP", "mark_rows": "int64 M", "mark_vectors": "float32 MD",
}  # fmt: skip

Arrays = dict[str, NDArray[Any]]


def refuse_folder(folder: Path) -> None:
    """:class:`InputError` where :func:`write_folder` would refuse it, for those who ask before hours of work."""
    refuse_foreign(folder, ROLES)


def write_folder(folder: Path, kept: KeptReferences, encoder: Encoder) -> None:
    """Write references that ``encoder`` encoded; the manifest is replaced last."""
    from safetensors.numpy import save

    lines = "".join(json.dumps(row, sort_keys=True) + "\n" for row in table(kept))
    about = {
        "format": FORMAT,
        "made_by": made_by(),
        "fingerprint": encoder.fingerprint,
        "encoder": name_of(encoder),
        "references": len(kept.references),
        "grid": [int(side) for side in kept.grid],
    }
    write_sealed(folder, about, {"references.jsonl": lines.encode(), "arrays.safetensors": save(_arrays(kept))})


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the contents by role, found whole; raises :class:`CorruptCatalogError`."""
    manifest, contents = read_sealed(folder, format=FORMAT, roles=ROLES, about=set(ABOUT))
    for name, kind in ABOUT.items():
        if type(manifest[name]) is not kind:
            found = f"{name} is {manifest[name]!r:.60}, no {kind.__name__}"
            raise CorruptCatalogError(f"{folder / 'manifest.json'}: {found}. Build the catalogue anew")
    return manifest, contents


def open_folder(folder: Path, find: Callable[[dict[str, Any]], Encoder]) -> tuple[KeptReferences, Encoder]:
    """The references, and the encoder that ``find`` gives for the manifest. Raises :class:`CorruptCatalogError`, and
    :class:`FingerprintError` for another encoder than theirs.
    """
    manifest, contents = _read_folder(folder)
    encoder = find(manifest)
    if encoder.fingerprint != manifest["fingerprint"]:
        advice = "load that one"
        if name_of(encoder) == manifest["encoder"]:
            advice = "its weights (a hub's or a package's) or its decode= were others: load it as it was"
        raise FingerprintError(
            f"{folder} was built with {manifest['encoder']} {manifest['fingerprint'][:12]}, "
            f"this encoder is {name_of(encoder)} {encoder.fingerprint[:12]}; {advice}, or build the catalogue anew"
        )
    return _unpacked(folder, manifest, contents), encoder


def verify_folder(folder: Path) -> dict[str, Any]:
    """The manifest of a folder that is whole and whose parts fit; raises :class:`CorruptCatalogError`."""
    manifest, contents = _read_folder(folder)
    _unpacked(folder, manifest, contents)
    return manifest


def recipe_of(folder: Path, manifest: dict[str, Any]) -> str:
    """The recipe of the encoder. A folder from elsewhere must not choose what is downloaded: :class:`CatalogError` for
    another name.
    """
    name: str = manifest["encoder"]
    if name not in recipes():
        raise CatalogError(
            f"{folder} was built with the encoder {name!r}, which is no recipe of this version; load that encoder "
            "yourself and type: Catalog.load(folder, encoder=encoder), or in a terminal --encoder FOLDER"
        )
    return name


def _unpacked(folder: Path, manifest: dict[str, Any], contents: dict[str, bytes]) -> KeptReferences:
    """The references in what :func:`_read_folder` gave; :class:`CorruptCatalogError` where its parts do not fit. The
    ``contents`` lose their arrays: all in memory twice is enough.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        rows = [json.loads(line) for line in contents["references"].decode().splitlines()]
        return _fitted(manifest, rows, load(contents.pop("arrays")))
    except (SafetensorError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise CorruptCatalogError(f"{folder}: the files are whole but do not fit together: {error!r}") from error


def table(kept: KeptReferences) -> Iterator[dict[str, Any]]:
    """One row of plain values a reference."""
    for row, (reference, sha256, size) in enumerate(zip(kept.references, kept.sha256, kept.sizes, strict=True)):
        yield {
            "id": reference.id,
            "brand": reference.brand,
            "product": reference.product,
            "category": reference.category,
            "gallery": reference.gallery,
            "regions": [region.to_list() for region in reference.regions],
            "price": reference.price,
            "currency": reference.currency,
            "sha256": sha256,
            "size": list(size),
            "copy_bytes": len(kept.jpeg(row)),
        } | ({"regions_found": True} if kept.found[row] else {})


def _arrays(kept: KeptReferences) -> Arrays:
    arrays: Arrays = {"vectors": kept.vectors, "content": kept.content, "centre": kept.centre}
    if kept.space is not None and kept.tokens is not None:
        arrays |= {"token_scale": kept.space.scale, "token_basis": kept.space.basis}
        arrays |= {"token_codes": kept.tokens.codes, "token_scales": kept.tokens.scales}
    if kept.foreground is not None:
        arrays["foreground"] = kept.foreground
    if kept.marks is not None:
        arrays |= {"mark_rows": kept.marks.rows, "mark_vectors": kept.marks.vectors}
    copies = b"".join(kept.jpeg(row) for row in range(len(kept.references)))
    return arrays | {"copies": np.frombuffer(copies, np.uint8)}


def _fitted(manifest: dict[str, Any], rows: list[dict[str, Any]], arrays: Arrays) -> KeptReferences:
    """The references of a manifest, its table's ``rows`` and the ``arrays``; ``ValueError`` where they do not fit."""
    count = manifest["references"]
    grid = (int(manifest["grid"][0]), int(manifest["grid"][1]))
    if len(rows) != count:
        raise ValueError(f"{count} references, {len(rows)} rows in the table")
    _check_arrays(arrays, count, grid)
    lengths = [int(row["copy_bytes"]) for row in rows]  # Python's numbers: a sum of numpy's could overflow
    if min(lengths, default=0) < 1 or sum(lengths) != arrays["copies"].size:
        raise ValueError(f"copies of {lengths!r:.60} bytes do not fill {arrays['copies'].size}")
    references, sizes = [], []
    for row, length, end in zip(rows, lengths, accumulate(lengths), strict=True):
        jpeg = arrays["copies"][end - length : end].tobytes()
        fields = {key: row[key] for key in ("id", "brand", "product", "category", "gallery", "price", "currency")}
        if not jpeg.startswith(b"\xff\xd8"):
            raise ValueError(f"the copy of reference {row['id']!r:.80} is no JPEG")
        reference = Reference(photo=jpeg, regions=[Region(*box) for box in row["regions"]], **fields)
        size = (int(row["size"][0]), int(row["size"][1]))
        if min(size) < 1:
            raise ValueError(f"reference {reference.id!r} has a size of {size} pixels")
        check_pixels(*size, reference.id, DEFAULT_LIMITS)
        if (fault := region_off_photo(reference, size)) is not None:
            raise fault.error
        references.append(reference)
        sizes.append(size)
    refuse_without_genuine(read_references(references))
    tokens = PackedTokens(arrays["token_codes"], arrays["token_scales"]) if "token_codes" in arrays else None
    return KeptReferences(
        references=tuple(references),
        sha256=tuple(str(row["sha256"]) for row in rows),
        sizes=tuple(sizes),
        vectors=arrays["vectors"],
        content=arrays["content"],
        centre=arrays["centre"],
        grid=grid,
        space=None if tokens is None else TokenSpace(arrays["token_scale"], arrays["token_basis"]),
        tokens=tokens,
        foreground=arrays.get("foreground"),
        marks=_marks(arrays, count),
        found=tuple(bool(row.get("regions_found", False)) for row in rows),
    )


def _check_arrays(arrays: Arrays, count: int, grid: tuple[int, int]) -> None:
    """:class:`ValueError` for an array of another kind or shape than those of :func:`_arrays`, or not finite."""
    sides = {"N": count, "P": grid[0] * grid[1] if min(grid) > 0 else -1, "4": 4}
    for name, (kind, letters) in ((name, shape.split()) for name, shape in SHAPES.items()):
        if name not in arrays:
            continue
        array = arrays[name]
        wanted = [sides.setdefault(letter, size) for letter, size in zip(letters, array.shape, strict=False)]
        if array.dtype.name != kind or len(letters) != array.ndim or list(array.shape) != wanted:
            raise ValueError(f"{name} are {array.dtype} {array.shape}, expected {kind} {letters} with {sides}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} hold what is no finite number")
    if sides.get("T", 0) != 2 * sides.get("C", 0) or not (arrays.get("token_scale", np.ones(1)) > 0).all():
        raise ValueError(f"the patches' codes do not fit their space: {sides}")


def _marks(arrays: Arrays, references: int) -> MarkLibrary | None:
    if "mark_rows" not in arrays:
        return None
    rows = arrays["mark_rows"]
    if len(rows) != len(arrays["mark_vectors"]) or not ((rows >= 0) & (rows < references)).all():
        raise ValueError(f"{len(rows)} marks of {references} references do not fit together")
    return MarkLibrary(rows, arrays["mark_vectors"])
