"""A catalogue's folder: the names and the layout of what is written, and reading it back.

A sealed folder (``sealed.py``) of a table, one JSON line a reference, and one safetensors file with all arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .encoders.base import name_of
from .errors import CorruptCatalogError
from .mark_library import MarkLibrary
from .references import KeptReferences
from .sealed import read_sealed, refuse_foreign, write_sealed
from .search.tokens import PackedTokens, TokenSpace
from .types import Reference, Region

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["read_folder", "refuse_folder", "table", "unpacked", "write_folder"]

FORMAT = 3
ROLES = {"references", "arrays"}

# Kind of numbers and sides of each array: N references, P patches, M marks; what bears one letter has one length.
SHAPES = {
    "vectors": "f ND", "content": "f N4", "centre": "f D", "copies": "u B", "foreground": "f NP",
    "token_scale": "f E", "token_basis": "f ET", "token_codes": "u NPC", "token_scales": "f NP",
    "mark_rows": "i M", "mark_vectors": "f MD",
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
        "fingerprint": encoder.fingerprint,
        "encoder": name_of(encoder),
        "references": len(kept.references),
        "grid": list(kept.grid),
    }
    write_sealed(folder, about, {"references.jsonl": lines.encode(), "arrays.safetensors": save(_arrays(kept))})


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the contents by role, found whole; raises :class:`CorruptCatalogError`."""
    about = {"fingerprint", "encoder", "references", "grid"}
    return read_sealed(folder, format=FORMAT, roles=ROLES, about=about)


def unpacked(folder: Path, manifest: dict[str, Any], contents: dict[str, bytes]) -> KeptReferences:
    """The references in what :func:`read_folder` gave; :class:`CorruptCatalogError` where its parts do not fit."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        rows = [json.loads(line) for line in contents["references"].decode().splitlines()]
        return _fitted(manifest, rows, load(contents["arrays"]))
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
    count = int(manifest["references"])
    grid = (int(manifest["grid"][0]), int(manifest["grid"][1]))
    if len(rows) != count:
        raise ValueError(f"{count} references, {len(rows)} rows in the table")
    _check_arrays(arrays, count, grid)
    ends = np.cumsum([int(row["copy_bytes"]) for row in rows])
    if (np.diff(ends, prepend=0) < 1).any() or ends[-1:].tolist() != [arrays["copies"].size]:
        raise ValueError(f"copies of {np.diff(ends, prepend=0).tolist()} bytes do not fill {arrays['copies'].size}")
    blob = arrays["copies"].tobytes()
    references, sizes = [], []
    for row, end in zip(rows, ends.tolist(), strict=True):
        jpeg = blob[end - int(row["copy_bytes"]) : end]
        fields = {key: row[key] for key in ("id", "brand", "product", "category", "gallery", "price", "currency")}
        references.append(Reference(photo=jpeg, regions=[Region(*box) for box in row["regions"]], **fields))
        sizes.append((int(row["size"][0]), int(row["size"][1])))
        if min(sizes[-1]) < 1:
            raise ValueError(f"reference {row['id']!r} has a size of {sizes[-1]} pixels")
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
        if array.dtype.kind != kind or len(letters) != array.ndim or list(array.shape) != wanted:
            raise ValueError(f"{name} are {array.dtype} {array.shape}, expected {kind} {letters} with {sides}")
        if kind == "f" and not np.isfinite(array).all():
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
