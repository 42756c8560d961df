"""References and listings from files: folder trees, csv, jsonl, parquet.

Every message names the file, the line and the column; paths in a file are relative to the file's own folder.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import dataclasses
import datetime
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import length_hint
from pathlib import Path
from typing import Any

from ..errors import DuplicateIdError, InputError, ManifestError, require
from ..types import LONGEST_ID, Failure, Listing, Photo, Reference, Region, check_count, check_list
from ..types.checks import is_nothing, own_arrays
from .decode import photo_name

__all__ = [
    "cell_text",
    "column_names",
    "count_listings",
    "field_name",
    "id_of",
    "read_listings",
    "read_references",
    "read_rows",
]

# HEIC is not read: such photos are named failures, so that nobody takes them for judged
PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".jp2"),
    *(".heic", ".heif"),
}
REFERENCE_FIELDS = {field.name for field in dataclasses.fields(Reference)}
LISTING_FIELDS = {field.name for field in dataclasses.fields(Listing)}
FIELDS = REFERENCE_FIELDS | LISTING_FIELDS | {"label", "attack", "hard", "shows", "mask", "product_mask"}
"""The columns that are read, with those of labelled listings."""
TEXT_FIELDS = (REFERENCE_FIELDS | LISTING_FIELDS) - {"photo", "photos", "regions", "price"}


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a csv, jsonl or parquet file, each with its line (from 1; a csv's header is line 1), read lazily.

    A column that is called like a field but for case and surrounding blanks is that field. Empty cells of a csv, nulls,
    NaN and the texts of these (:data:`~counterfeit_vision.types.checks.NOTHING`) are left out; a number in a column of
    texts is a text. Raises :class:`ManifestError` for a missing file, another kind of file, a broken line, or two
    columns of one field.
    """
    for number, row in _rows(path):
        if isinstance(row, ManifestError):
            raise row
        yield number, row


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | ManifestError]]:
    """As :func:`read_rows`, but a broken line is an error in its place, and what follows it can still be read."""
    if not _path(path).is_file():
        what = "that is a folder; name a csv, jsonl or parquet file" if path.is_dir() else "no such file"
        raise ManifestError(f"{path}: {what}")
    kind = path.suffix.lower()
    if kind == ".csv":
        yield from _csv_rows(path)
    elif kind in {".jsonl", ".ndjson"}:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _json_object(f"{path}:{number}", line)
    elif kind == ".parquet":
        parquet = require("pyarrow.parquet", extra="parquet", purpose=f"reading {path.name}")
        try:
            with parquet.ParquetFile(path) as table:
                rows = (row for batch in table.iter_batches() for row in batch.to_pylist())
                for number, row in enumerate(rows, 1):
                    yield number, _given(f"{path}:{number}", row)
        except Exception as error:  # pyarrow's are of many kinds: a codec it lacks, a date beyond Python's
            raise ManifestError(f"{path}: not a readable parquet file: {error}") from error
    else:
        raise ManifestError(f"{path}: a manifest ends in .csv, .jsonl or .parquet, not in {kind or 'nothing'}")


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | ManifestError]]:
    with _csv_table(path) as (header, lines):
        while True:
            begins = lines.line_num + 1
            try:
                cells = next(lines, None)
                if cells is None:
                    return
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > len(header):
                    raise csv.Error(f"more cells than the header has columns: {column_names(header)}")
                "".join(cells).encode()
            except (csv.Error, UnicodeEncodeError) as error:
                since = "" if lines.line_num == begins else f", in a row that begins on line {begins}"
                yield lines.line_num, ManifestError(f"{path}:{lines.line_num}: {_fault(error)}{since}")
            else:
                filled = ((key, _csv_cell(key, cell.strip())) for key, cell in zip(header, cells, strict=False))
                yield lines.line_num, {key: cell for key, cell in filled if cell and not is_nothing(cell)}


@contextlib.contextmanager
def _csv_table(path: Path) -> Iterator[tuple[list[str], Any]]:
    """The header of a csv, and a reader of what follows it; bytes that are not UTF-8 are lone surrogates."""
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = csv.reader(file, strict=True, skipinitialspace=True)
        try:
            header = [name.strip() for name in next(lines, [])]
            "".join(header).encode()
        except (csv.Error, UnicodeEncodeError) as error:
            raise ManifestError(f"{path}: not a readable csv: {_fault(error)}") from error
        if twice := [name for place, name in enumerate(header) if name and name in header[:place]]:
            advice = "name it once (several photos of a listing go in one cell: a.jpg|b.jpg)"
            raise ManifestError(f"{path}: column {twice[0]!r} stands twice, and one would be lost; {advice}")
        if told := _one_field_twice(header):
            raise ManifestError(f"{path}: {told}")
        yield [field_name(name) for name in header], lines


def field_name(column: str) -> str:
    """The field that a column is called like, but for case and surrounding blanks; else the column's own name.

    >>> field_name("Brand "), field_name("Colour")
    ('brand', 'Colour')
    """
    folded = column.strip().casefold()
    return folded if folded in FIELDS else column


def _one_field_twice(columns: Iterable[str]) -> str:
    """What to say where two columns are one field; "" where none are."""
    first: dict[str, str] = {}
    for column in columns:
        if (other := first.setdefault(field_name(column), column)) != column:
            return f"columns {other!r} and {column!r} are both read as {field_name(column)!r}; keep one of them"
    return ""


def _csv_cell(column: str, cell: str) -> str:
    """As :func:`cell_text`, for ids alone: a product may be called 2.0."""
    return cell[:-2] if column in ("id", "seller") and re.fullmatch(r"\d+\.0", cell) else cell


def _fault(error: Exception) -> str:
    return "not UTF-8; save the file as UTF-8" if isinstance(error, UnicodeError) else str(error)


def _json_object(place: str, line: bytes) -> dict[str, Any] | ManifestError:
    if b"\0" in line:
        return ManifestError(f"{place}: not JSON: it holds zeros, as UTF-16 does; save the file as UTF-8")
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return ManifestError(f"{place}: not JSON: {_fault(error)}")
    if not isinstance(row, dict):
        return ManifestError(f"{place}: a line is a JSON object, this is {type(row).__name__}")
    return _given(place, row)


def _given(place: str, cells: dict[str, Any]) -> dict[str, Any] | ManifestError:
    """The cells of a row, and of its seller, that hold something, by field."""
    row = {field_name(column): cell for column, cell in cells.items()}
    if len(row) < len(cells):
        return ManifestError(f"{place}: {_one_field_twice(cells)}")
    if isinstance(seller := row.get("seller"), dict):
        row = row | {"seller": {key: cell_text(value) for key, value in _filled(seller).items()} or None}
    return {key: cell_text(value) if key in TEXT_FIELDS else value for key, value in _filled(row).items()}


def _filled(cells: dict[str, Any]) -> dict[str, Any]:
    """The cells that hold something: where one is missing, pandas has NaN."""
    return {key: value for key, value in cells.items() if not is_nothing(value)}


def cell_text(value: Any) -> Any:
    """A number or a time as a csv has it. Of a column of whole numbers with gaps pandas makes 12345.0."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value) if value.is_integer() else value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# --- references -------------------------------------------------------------------------------------------------------


def read_references(source: str | os.PathLike[str] | Iterable[Reference]) -> list[Reference]:
    """References of a folder tree ``brand/product/photo.jpg``, of a manifest, or as given.

    Raises :class:`InputError` (nothing found, or another type), :class:`ManifestError`, :class:`DuplicateIdError`.
    """
    if isinstance(source, str | os.PathLike):
        path = _path(source)
        if not path.exists():
            raise InputError(f"{path}: no such folder or manifest")
        references = list(_from_tree(path) if path.is_dir() else _from_manifest(path))
        where = str(path)
    else:
        if hasattr(source, "columns"):
            raise InputError(
                f"a catalogue is built from Reference rows or a file, not a {type(source).__name__}; of a table type "
                "table.to_json('references.jsonl', orient='records', lines=True), and give that path"
            )
        if not isinstance(source, Iterable):
            raise InputError(
                f"a catalogue is built from a list of Reference rows, not {type(source).__name__}; type [row]"
            )
        rows: list[Any] = [source] if isinstance(source, Mapping) else list(source)
        references, where = rows, "the rows"
        for number, item in enumerate(rows, 1):
            if isinstance(item, Mapping):
                raise InputError(f"row {number} is a {type(item).__name__}; make it a reference: Reference(**row)")
            if not isinstance(item, Reference):
                raise InputError(
                    f"a catalogue is built from Reference rows, got {type(item).__name__}: {str(item)[:80]}"
                )
    if not references:
        raise InputError(
            f"{where}: no references; a folder looks like genuine/brand/product/photo.jpg, "
            "a manifest has the columns photo, brand, product"
        )
    first: dict[str, int] = {}
    for row, reference in enumerate(references, 1):
        if (before := first.setdefault(reference.id, row)) != row:
            raise DuplicateIdError(
                f"{where}: reference id {reference.id!r} stands twice, as row {before} and row {row}"
            )
    return references


def _from_tree(root: Path) -> Iterator[Reference]:
    for photo in _photos_under(root):
        if photo.is_dir():
            continue
        parts = photo.relative_to(root).parts
        if len(parts) != 3:
            raise InputError(f"{photo}: a reference lies in brand/product/, as in {root}/acme/acme-bag/{photo.name}")
        yield Reference(id="/".join(parts), photo=photo, brand=parts[0], product=parts[1])


def _from_manifest(path: Path) -> Iterator[Reference]:
    for number, row in read_rows(path):
        for column in ("photo", "brand", "product"):
            if column not in row:
                raise ManifestError(f"{path}:{number}: column {column!r} is missing; the row has {column_names(row)}")
        if not isinstance(row["photo"], str):
            raise ManifestError(f"{path}:{number}: column 'photo' holds {str(row['photo'])[:80]}, expected a path")
        values = {key: value for key, value in row.items() if key in REFERENCE_FIELDS}
        values["photo"] = path.parent / row["photo"]
        values["id"] = id_of(row, str(row["photo"]))
        with _at(path, number):
            values["regions"] = _regions(row.get("regions", []))
            values["price"] = _number(row.get("price"))
            yield Reference(**values)


# --- listings ---------------------------------------------------------------------------------------------------------


def read_listings(source: str | os.PathLike[str] | Iterable[Photo | Listing]) -> Iterator[Listing | Failure]:
    """Listings of a file (lazily), of a folder of photos, or of given listings and photos.

    A bare photo becomes a listing of one photo. What makes no listing (a broken row, no photos, an id that was there
    before) is one :class:`Failure` in its place. Raises :class:`ManifestError` only where the file as a whole can't be
    used: it can't be read, or none of its rows names photos.
    """
    first: dict[str, str] = {}
    for place, item in _listings(source):
        if not isinstance(item, Listing):
            yield item
        elif (before := first.setdefault(item.id, place)) != place:
            reason = f"{place}: listing id {item.id!r} stands twice, first at {before}"
            yield Failure(item.id, "input", DuplicateIdError(reason))
        elif not item.photos:
            yield Failure(item.id, "input", InputError(f"{place}: listing {item.id!r} has no photos"))
        else:
            yield item


def count_listings(source: str | os.PathLike[str] | Iterable[Photo | Listing]) -> int | None:
    """How many items :func:`read_listings` gives, counted without reading them; ``None`` where that can't be told."""
    if not isinstance(source, str | os.PathLike):
        return length_hint(source) or None
    kind = Path(source).suffix.lower()
    try:
        path = _path(source)
        if path.is_dir():
            return sum(1 for _ in _photos_under(path))
        if kind == ".csv" and path.is_file():
            return sum(1 for _ in _csv_rows(path))
        if kind in {".jsonl", ".ndjson"} and path.is_file():
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip())
        if kind == ".parquet" and path.is_file():
            with require("pyarrow.parquet", extra="parquet", purpose="").ParquetFile(path) as file:
                return int(file.metadata.num_rows)
    except Exception:  # whoever reads it says what is wrong
        return None
    return 1 if kind in PHOTO_SUFFIXES else None


def _listings(source: str | os.PathLike[str] | Iterable[Photo | Listing]) -> Iterator[tuple[str, Listing | Failure]]:
    """Each listing with the place where it stands, for messages."""
    if isinstance(source, str | os.PathLike):
        path = _path(source)
        if path.is_dir():
            photos = list(_photos_under(path))
            if not photos:
                raise InputError(f"{path}: the folder holds no photos")
            yield from ((str(item), Listing(id=item.relative_to(path).as_posix(), photos=[item])) for item in photos)
        elif path.suffix.lower() in PHOTO_SUFFIXES:
            yield str(path), Listing(id=path.name, photos=[path])
        else:
            yield from _listings_of_file(path)
        return
    check_list(source, "listings", listings=True)
    named: set[str] = set()
    for number, item in enumerate(own_arrays(source)):
        if isinstance(item, Listing):
            named.add(item.id)
            yield f"item {number}", item if isinstance(source, Collection) else _with_own_arrays(item)
        elif isinstance(item, Mapping):
            error = InputError(f"item {number} is a {type(item).__name__}; make it a listing: Listing(**row)")
            yield f"item {number}", _failure(id_of(item, ""), f"item {number}", error)
        else:
            name = _name_of(item, f"photo {number}")
            while name in named:  # the same path may be given twice, or a listing be called so
                name = f"{name} (photo {number})"
            named.add(name)
            yield f"item {number}", Listing(id=name, photos=[item])


def _with_own_arrays(listing: Listing) -> Listing:
    own = copy.copy(listing)
    object.__setattr__(own, "photos", tuple(own_arrays(iter(listing.photos))))
    return own


def _listings_of_file(path: Path) -> Iterator[tuple[str, Listing | Failure]]:
    _refuse_without_photos(path)
    for number, row in _rows(path):
        place = f"{path}:{number}"
        id = id_of({} if isinstance(row, ManifestError) else row, f"{path.name}:{number}")
        result: Listing | Failure
        try:
            if isinstance(row, ManifestError):
                raise row
            with _at(path, number):
                values = {key: value for key, value in row.items() if key in LISTING_FIELDS}
                values |= {"id": id, "photos": _photo_paths(path, row), "price": _number(row.get("price"))}
                result = Listing(**values)
        except ManifestError as error:
            result = _failure(id, f"{path.name}:{number}", error)
        yield place, result


def _failure(id: str, otherwise: str, error: InputError) -> Failure:
    """What makes no listing, as also an id that is too long."""
    return Failure(id if 0 < len(id) <= LONGEST_ID else otherwise, "input", error)


def _name_of(photo: Photo, otherwise: str) -> str:
    """The id of a bare photo: its path, where that leaves room for what tells it from another of the same path."""
    name = photo_name(photo, otherwise)
    return name if len(name) < LONGEST_ID - 100 else otherwise


def _refuse_without_photos(path: Path) -> None:
    """:class:`ManifestError` where no row or no header names photos; reads as far as the first row that does."""
    columns: dict[str, None] = {}
    for _, row in _rows(path):
        if not isinstance(row, ManifestError):
            if "photos" in row or "photo" in row:
                return
            columns |= dict.fromkeys(row)
    if path.suffix.lower() == ".csv" and not columns:
        with _csv_table(path) as (header, _):  # no row is whole, or there is none
            columns = dict.fromkeys(header)
    if columns and not {"photos", "photo"} & columns.keys():
        raise ManifestError(f"{path}: column 'photos' is missing in every row; the columns are {column_names(columns)}")


def _photo_paths(path: Path, row: dict[str, Any]) -> list[Path]:
    if "photos" not in row and "photo" not in row:
        raise InputError(f"column 'photos' is missing; the row has {column_names(row)}")
    photos = _json_cell("photos", row["photos"], "a.jpg|b.jpg, or ") if "photos" in row else [row["photo"]]
    if not isinstance(photos, list) or not all(isinstance(photo, str) for photo in photos):
        raise InputError(f"column 'photos' holds {str(photos)[:80]}, expected a list of paths")
    check_count("column 'photos'", photos)
    return [path.parent / photo for photo in photos if photo]


# --- cells ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _at(path: Path, number: int) -> Iterator[None]:
    """Turns what goes wrong inside into a :class:`ManifestError` that names the file and line."""
    try:
        yield
    except (InputError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ManifestError(f"{path}:{number}: {error}") from error


def id_of(row: Mapping[str, Any], otherwise: str) -> str:
    """A row's id as text; ``otherwise`` where it has none, or an empty one."""
    id = row.get("id")
    return otherwise if id is None or id == "" else str(id)


def _path(source: str | os.PathLike[str]) -> Path:
    if not os.fspath(source):  # Path makes the folder at hand of it
        raise InputError(f"{source!r} names no file or folder; for the folder at hand type '.'")
    path = Path(source)
    try:
        path.is_dir()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise InputError(f"{path}: {error.strerror}") from error
    return path


def _photos_under(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """What is named as a photo is, sorted, also in folders that are linked to; none is entered within itself. Names
    that begin with a dot, and ``__MACOSX``, are passed over: thumbnails, and what a Mac keeps beside a photo.
    """
    above |= {folder.resolve()}
    try:
        shown = (item for item in sorted(folder.iterdir()) if item.name[0] != "." and item.name != "__MACOSX")
        items = [(item, item.is_dir()) for item in shown]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    for item, is_folder in items:
        if item.suffix.lower() in PHOTO_SUFFIXES:
            yield item
        if is_folder and item.resolve() not in above:
            yield from _photos_under(item, above)


def column_names(names: Iterable[str]) -> str:
    """Columns as words, and what to do where one holds them all."""
    words = ", ".join(names) or "nothing"
    return f"{words} (separate cells by commas)" if ";" in words or "\t" in words else words


def _json_cell(column: str, value: Any, otherwise: str = "") -> Any:
    """A list as it is; a text that looks like JSON parsed; a csv's ``a.jpg|b.jpg`` split. ``otherwise`` is what may be
    typed in a JSON list's place.
    """
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return [name.strip() for name in value.split("|")]
    try:
        return json.loads(value)
    except ValueError as error:
        told = f"column {column!r}: {value[:80]!r} begins as a JSON list does, and is none: {error}"
        raise InputError(f"{told}; type {otherwise}a JSON list, in Python json.dumps(list)") from error


def _regions(cell: Any) -> list[Region]:
    boxes = _json_cell("regions", cell)
    if not isinstance(boxes, list):
        told = f"column 'regions' holds {str(boxes)[:80]}, expected a list of boxes in pixels"
        raise InputError(f"{told}, such as [[10, 20, 110, 70]]")
    return [_region(box) for box in boxes]


def _region(box: Any) -> Region:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        raise InputError(f"a region is [x0, y0, x1, y1] in pixels, got {box!r}; column 'regions' holds a list of them")
    return Region(*box)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and not value.strip():
        return None
    try:
        if isinstance(value, bool) or "_" in str(value):  # Python reads 1_299 as 1299
            raise ValueError(value)
        plain = value.replace("\u066b", ".") if isinstance(value, str) else value  # Arabic has a point of its own
        return None if plain is None else float(plain)
    except (TypeError, ValueError) as error:
        raise InputError(f"column 'price' holds {str(value)[:80]!r}, expected a number such as 12.50") from error
