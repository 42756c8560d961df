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

FORMAT = 2
ROLES = {"references", "arrays"}

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
    sized = {
        name: len(arrays[name])
        for name in ("vectors", "content", "token_codes", "token_scales", "foreground")
        if name in arrays
    }
    if len(rows) != count or set(sized.values()) != {count}:
        raise ValueError(f"{count} references, {len(rows)} rows in the table, arrays {sized}")
    ends = np.cumsum([int(row["copy_bytes"]) for row in rows])
    blob = arrays["copies"].tobytes()
    references, sizes = [], []
    for row, end in zip(rows, ends.tolist(), strict=True):
        jpeg = blob[end - int(row["copy_bytes"]) : end]
        fields = {key: row[key] for key in ("id", "brand", "product", "category", "gallery", "price", "currency")}
        references.append(Reference(photo=jpeg, regions=[Region(*box) for box in row["regions"]], **fields))
        sizes.append((int(row["size"][0]), int(row["size"][1])))
    tokens = PackedTokens(arrays["token_codes"], arrays["token_scales"]) if "token_codes" in arrays else None
    return KeptReferences(
        references=tuple(references),
        sha256=tuple(str(row["sha256"]) for row in rows),
        sizes=tuple(sizes),
        vectors=arrays["vectors"],
        content=arrays["content"],
        centre=arrays["centre"],
        grid=(int(manifest["grid"][0]), int(manifest["grid"][1])),
        space=None if tokens is None else TokenSpace(arrays["token_scale"], arrays["token_basis"]),
        tokens=tokens,
        foreground=_foreground(arrays),
        marks=_marks(arrays, count),
        found=tuple(bool(row.get("regions_found", False)) for row in rows),
    )


def _foreground(arrays: Arrays) -> NDArray[np.float32] | None:
    """As it was, to the last bit: where patches are rounded across the edge of the product, scores move. Folders of
    earlier states hold it in 256 levels.
    """
    kept = arrays.get("foreground")
    return kept if kept is None or kept.dtype == np.float32 else np.float32(1 / 255) * kept


def _marks(arrays: Arrays, references: int) -> MarkLibrary | None:
    if "mark_rows" not in arrays:
        return None
    rows = arrays["mark_rows"]
    if len(rows) != len(arrays["mark_vectors"]) or not ((rows >= 0) & (rows < references)).all():
        raise ValueError(f"{len(rows)} marks of {references} references do not fit together")
    return MarkLibrary(rows, arrays["mark_vectors"])
