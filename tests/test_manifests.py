"""References from folders and files, and rows: what is read, and how each fault is named."""

# ruff: noqa: RUF001

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import write_photo
from manifest_rows import FULL, fake_pyarrow, write

from counterfeit_vision.errors import DuplicateIdError, InputError, ManifestError, MissingExtraError
from counterfeit_vision.io.manifests import read_listings, read_references, read_rows
from counterfeit_vision.types import Failure, Listing, Reference, Region, Seller


def test_a_folder_tree_gives_brand_product_and_id_in_a_fixed_order(tree: Path) -> None:
    references = read_references(tree)
    assert len(references) == 12
    assert [r.id for r in references] == sorted(r.id for r in references)
    assert references[0].id == "acme/bag/0.jpg"
    assert {(r.brand, r.product) for r in references} == {
        ("acme", "bag"), ("acme", "belt"), ("acme", "cap"), ("zeta", "mug"), ("zeta", "pen"),
    }  # fmt: skip
    assert all(r.gallery == "genuine" for r in references)
    assert read_references(str(tree)) == references


def test_endings_of_photos_may_be_large_letters(tmp_path: Path) -> None:
    write_photo(tmp_path / "acme" / "bag" / "front.JPG", 0)
    (reference,) = read_references(tmp_path)
    assert (reference.id, reference.brand, reference.product) == ("acme/bag/front.JPG", "acme", "bag")


def test_other_files_in_a_tree_are_left_alone(tmp_path: Path) -> None:
    write_photo(tmp_path / "acme" / "bag" / "1.jpg", 0)
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "acme" / "bag" / "notes.json").write_text("{}")
    (tmp_path / "acme" / "bag" / "folder.jpg").mkdir()
    assert [r.id for r in read_references(tmp_path)] == ["acme/bag/1.jpg"]


@pytest.mark.parametrize("place", ["._1.jpg", ".thumbs/1.jpg", "__MACOSX/acme/bag/._1.jpg", "acme/bag/__MACOSX/1.jpg"])
def test_hidden_files_and_what_a_mac_keeps_beside_photos_are_no_photos(tmp_path: Path, place: str) -> None:
    write_photo(tmp_path / "acme" / "bag" / "1.jpg", 0)
    write_photo(tmp_path / place, 1)
    assert [reference.id for reference in read_references(tmp_path)] == ["acme/bag/1.jpg"]
    assert [listing.id for listing in read_listings(tmp_path)] == ["acme/bag/1.jpg"]


@pytest.mark.parametrize("place", ["1.jpg", "acme/1.jpg", "shop/acme/bag/1.jpg"])
def test_a_photo_too_high_or_deep_in_the_tree_is_refused_with_where_it_should_lie(tmp_path: Path, place: str) -> None:
    path = write_photo(tmp_path / place, 0)
    with pytest.raises(InputError) as caught:
        read_references(tmp_path)
    assert str(path) in str(caught.value)
    assert "brand/product/" in str(caught.value)


def test_folders_that_are_linked_to_are_entered_and_none_within_itself(tmp_path: Path, tree: Path) -> None:
    root = tmp_path / "genuine"
    (root / "zeta").mkdir(parents=True)
    (root / "acme").symlink_to(tree / "acme", target_is_directory=True)
    (root / "zeta" / "mug").symlink_to(tree / "zeta" / "mug", target_is_directory=True)
    (root / "zeta" / "again").symlink_to(root, target_is_directory=True)
    (root / "zeta" / "round").symlink_to("round")
    (root / "zeta" / "nib").mkdir()
    (root / "zeta" / "nib" / "gone.jpg").symlink_to(tmp_path / "gone.jpg")
    known = [reference.id for reference in read_references(tree) if not reference.id.startswith("zeta/pen")]
    assert [reference.id for reference in read_references(root)] == sorted([*known, "zeta/nib/gone.jpg"])
    assert [listing.id for listing in read_listings(root)] == [reference.id for reference in read_references(root)]


def test_an_empty_text_is_not_the_folder_at_hand(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    for read in (read_references, lambda source: list(read_listings(source))):
        with pytest.raises(InputError, match=r"'' names no file or folder; for the folder at hand type '\.'"):
            read("")
        assert len(read(".")) == 12


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InputError, match=r"genuine.*: the folder cannot be read: Permission denied"):
        read_references(tree)


def test_a_folder_that_can_be_read_but_not_entered_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_dir = Path.is_dir

    def closed(path: Path) -> bool:
        if path.parent.name == "bag":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", closed)
    for read in (read_references, lambda folder: list(read_listings(folder))):
        with pytest.raises(InputError, match=r"bag: the folder cannot be read: Permission denied"):
            read(tree)
    with pytest.raises(InputError, match=r"l\.csv: Permission denied"):
        next(read_rows(tree / "acme" / "bag" / "l.csv"))


@pytest.mark.parametrize("read", [read_references, read_listings, lambda name: read_rows(Path(name))])
def test_a_name_that_no_file_can_have_is_refused(read: Callable) -> None:
    with pytest.raises(InputError, match=r"x{300}: "):
        list(read("x" * 300))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder or manifest"):
        read_references(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["folder", "rows", "jsonl", "csv"])
def test_nothing_in_it_is_refused_with_what_it_should_look_like(tmp_path: Path, kind: str) -> None:
    (tmp_path / "r.jsonl").write_text("\n\n")
    (tmp_path / "r.csv").write_text("photo,brand,product\n")
    (tmp_path / "empty").mkdir()
    source = {"folder": tmp_path / "empty", "rows": [], "jsonl": tmp_path / "r.jsonl", "csv": tmp_path / "r.csv"}[kind]
    with pytest.raises(InputError, match=r"no references.*genuine/brand/product/photo\.jpg.*columns photo, brand"):
        read_references(source)


READ = Reference(
    id="r1",
    photo="",
    brand="acme",
    product="bag",
    category="bags",
    gallery="official",
    regions=[Region(1, 2, 30, 40), Region(5, 5, 9, 9)],
    price=120.5,
    currency="EUR",
)


def without_photo(reference: Reference) -> dict:
    return {key: value for key, value in vars(reference).items() if key != "photo"}


def test_a_jsonl_gives_every_field_and_paths_relative_to_itself(tmp_path: Path) -> None:
    (reference,) = read_references(write(tmp_path / "r.jsonl", FULL))
    assert without_photo(reference) == without_photo(READ)
    assert reference.photo == tmp_path / "photos" / "1.jpg"


def test_a_csv_gives_the_same_as_a_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "\ufeffid,photo,brand,product,category,gallery,regions,price,currency,extra\n"
        'r1,photos/1.jpg,acme,bag,bags,official,"[[1,2,30,40],[5,5,9,9]]",120.5,EUR,x\n'
        ",photos/2.jpg,acme,bag,,,,,,\n",
        encoding="utf-8",
    )
    first, second = read_references(path)
    assert without_photo(first) == without_photo(READ)
    assert second.id == "photos/2.jpg"
    assert (second.category, second.gallery, second.regions, second.price) == (None, "genuine", (), None)


def test_rows_of_empty_cells_which_spreadsheets_add_are_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("id,photo,title\na,a.jpg,bag\n,,\n\n , ,\nb,b.jpg\nc,,\n,,,,\n", encoding="utf-8")
    assert [one.id for one in read_listings(path)] == ["a", "b", "c"]  # the last one, without a photo, is a Failure


def test_nulls_in_a_jsonl_are_as_if_left_out(tmp_path: Path) -> None:
    row = FULL | {"category": None, "gallery": None, "regions": None, "price": None, "currency": None, "id": None}
    (reference,) = read_references(write(tmp_path / "r.jsonl", row))
    assert reference.id == "photos/1.jpg"
    assert (reference.gallery, reference.regions, reference.price) == ("genuine", (), None)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_price_in_a_jsonl_is_as_if_left_out(tmp_path: Path, blank: str) -> None:
    row = {"id": "a", "photos": ["1.jpg"], "price": blank}
    (listing,) = read_listings(write(tmp_path / "l.jsonl", row))
    assert isinstance(listing, Listing)
    assert listing.price is None


def test_ids_that_are_numbers_become_texts(tmp_path: Path) -> None:
    (reference,) = read_references(write(tmp_path / "r.jsonl", FULL | {"id": 7}))
    assert reference.id == "7"


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "elsewhere" / "1.jpg", 0)
    (tmp_path / "m").mkdir()
    (reference,) = read_references(write(tmp_path / "m" / "r.jsonl", FULL | {"photo": str(photo)}))
    assert reference.photo == photo


@pytest.mark.parametrize("column", ["photo", "brand", "product"])
def test_a_missing_column_is_named_with_file_line_and_what_there_is(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "r.jsonl", FULL, {key: value for key, value in FULL.items() if key != column} | {"id": "b"})
    with pytest.raises(ManifestError) as caught:
        read_references(path)
    assert f"{path}:2: column {column!r} is missing" in str(caught.value)
    assert "category" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": [[5, 5, 1, 1]]}, "x0 < x1"),
        ({"regions": [[5, 5, 1]]}, "y1"),
        ({"regions": "[[1, 2"}, "Expecting"),
        ({"regions": "[(1, 2, 30, 40)]"}, "column 'regions': '[(1, 2, 30, 40)]' begins as a JSON list does"),
        ({"regions": "[[1, 2"}, "; type a JSON list, in Python json.dumps(list)"),
        ({"regions": 5}, "column 'regions' holds 5, expected a list of boxes in pixels, such as [[10, 20, 110, 70]]"),
        ({"regions": {}}, "column 'regions' holds {}, expected a list of boxes in pixels"),
        ({"price": "twelve"}, "twelve"),
        ({"price": -1}, ">= 0"),
        ({"price": "inf"}, "finite"),
        ({"currency": None}, "no currency"),
        ({"gallery": "real"}, "official, genuine, known_fake"),
        ({"brand": [5]}, "brand=[5]"),
        ({"photo": {"bytes": "x" * 9999, "path": "1.jpg"}}, "column 'photo' holds {'bytes': 'xxx"),
    ],
)
def test_a_bad_cell_is_named_with_file_and_line(tmp_path: Path, change: dict, message: str) -> None:
    path = write(tmp_path / "r.jsonl", FULL, "", FULL | {"id": "b"} | change)
    with pytest.raises(ManifestError) as caught:
        read_references(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "not JSON"),
        ("[1, 2]", "a line is a JSON object, this is list"),
        ('"text"', "this is str"),
        ("[" * 100_000, "not JSON"),
    ],
    ids=["broken", "list", "text", "deep"],
)
def test_a_broken_json_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "r.jsonl", FULL, line)
    with pytest.raises(ManifestError, match=message) as caught:
        read_references(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(json.dumps(FULL).encode() + b'\n{"brand": "caf\xe9"}\n')
    with pytest.raises(ManifestError, match=r"r\.jsonl:2: not JSON"):
        read_references(path)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("gb18030", "not UTF-8"), ("utf-16", "it holds zeros, as UTF-16 does"), ("utf-16-le", "it holds zeros")],
)
def test_lines_in_another_encoding_are_told_as_such(tmp_path: Path, encoding: str, told: str) -> None:
    line = json.dumps({"photos": ["1.jpg"], "brand": "优衣库"}, ensure_ascii=False) + "\n"
    (tmp_path / "l.jsonl").write_bytes((2 * line).encode(encoding))
    first, second, *_ = read_listings(tmp_path / "l.jsonl")
    for number, failure in enumerate((first, second), 1):
        assert isinstance(failure, Failure)
        assert f"l.jsonl:{number}: not JSON: {told}" in str(failure.error)
        assert str(failure.error).endswith("; save the file as UTF-8")


def test_a_byte_order_mark_before_the_first_line_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(FULL).encode() + b"\r\n")
    assert [r.id for r in read_references(path)] == ["r1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"photo,brand,product\n1.jpg,a,b\ncaf\xe9.jpg,a,b\n", r"r\.csv:3: not UTF-8; save the file as UTF-8"),
        ("photo,brand,product\n".encode("utf-16"), r"r\.csv: not a readable csv: not UTF-8"),
        (b'photo,"brand,product\n1.jpg,a,b\n', r"r\.csv: not a readable csv: unexpected end"),
        (b'photo,brand,product\n1.jpg,a,"b\n2.jpg,a,b\n', r"r\.csv:3: unexpected end of data, in a row .* on line 2"),
        (b"photo,brand,photo,product,,\n1.jpg,a,2.jpg,b,,\n", r"r\.csv: column 'photo' stands twice, and one would be"),
    ],
    ids=["latin-1", "utf-16", "header", "quote", "twice"],
)
def test_a_csv_that_can_not_be_read_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "r.csv").write_bytes(data)
    with pytest.raises(ManifestError, match=message):
        read_references(tmp_path / "r.csv")


def test_a_csv_typed_by_hand_has_spaces_around_its_cells(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('photo , brand, product\n1.jpg, acme , "bag, red"\n')
    (reference,) = read_references(tmp_path / "r.csv")
    assert (reference.id, reference.brand, reference.product) == ("1.jpg", "acme", "bag, red")
    (tmp_path / "l.csv").write_text("photos, seller\n1.jpg | 2.jpg, s1 \n")
    (listing,) = read_listings(tmp_path / "l.csv")
    assert isinstance(listing, Listing)
    assert (listing.photos, listing.seller) == ((tmp_path / "1.jpg", tmp_path / "2.jpg"), Seller("s1"))


@pytest.mark.parametrize("product", ["bag", "bag, 12,50"])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_marks_than_commas_between_cells_are_named(tmp_path: Path, mark: str, product: str) -> None:
    rows = (("photo", "brand", "product"), ("1.jpg", "acme", product))
    (tmp_path / "r.csv").write_text("".join(mark.join(row) + "\n" for row in rows))
    with pytest.raises(ManifestError, match="separate cells by commas"):
        read_references(tmp_path / "r.csv")
    with pytest.raises(ManifestError, match="separate cells by commas"):
        list(read_listings(tmp_path / "r.csv"))


def test_a_price_may_be_in_arabic_numerals(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("photos,price,currency\n1.jpg,١٩٩٫٥,SAR\n", encoding="utf-8")
    (listing,) = read_listings(tmp_path / "l.csv")
    assert isinstance(listing, Listing)
    assert listing.price == 199.5


def test_a_price_that_is_no_number_names_its_column(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('photos,price,currency\n1.jpg,"12,50",EUR\n')
    (failure,) = read_listings(tmp_path / "l.csv")
    assert isinstance(failure, Failure)
    assert "l.csv:2: column 'price' holds '12,50', expected a number such as 12.50" in str(failure.error)


def test_rows_of_a_folder_are_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="that is a folder; name a csv, jsonl or parquet file"):
        next(read_rows(tmp_path))


def test_a_csv_row_with_too_many_cells_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("photo,brand,product\n1.jpg,a,b\n2.jpg,a,b,c\n")
    with pytest.raises(ManifestError, match=r"r\.csv:3: more cells than the header has columns"):
        read_references(tmp_path / "r.csv")


def test_another_kind_of_file_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    (tmp_path / "r.xlsx").write_text("")
    with pytest.raises(ManifestError, match=r"\.csv, \.jsonl or \.parquet, not in \.xlsx"):
        read_references(tmp_path / "r.xlsx")


def test_parquet_without_pyarrow_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r'pip install "counterfeit-vision\[parquet\]"'):
        read_references(tmp_path / "r.parquet")


def test_parquet_rows_are_numbered_over_batches_and_nulls_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pyarrow(monkeypatch, [[FULL], [FULL | {"id": "b", "regions": None}]])
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    assert [r.id for r in read_references(tmp_path / "r.parquet")] == ["r1", "b"]
    assert [number for number, _ in read_rows(tmp_path / "r.parquet")] == [1, 2]


@pytest.mark.parametrize("kind", [ValueError, OSError, NotImplementedError, KeyError, OverflowError])
def test_a_damaged_parquet_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    fake_pyarrow(monkeypatch, [], kind("magic bytes not found"))
    (tmp_path / "r.parquet").write_bytes(b"no")
    with pytest.raises(ManifestError, match=r"r\.parquet: not a readable parquet file: '?magic"):
        read_references(tmp_path / "r.parquet")


def test_a_real_parquet_is_read(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist([FULL]), tmp_path / "r.parquet")
    (reference,) = read_references(tmp_path / "r.parquet")
    assert without_photo(reference) == without_photo(READ)


def test_duplicate_ids_are_refused_with_both_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", FULL, FULL | {"id": "b"}, FULL)
    with pytest.raises(DuplicateIdError, match="reference id 'r1' stands twice, as row 1 and row 3") as caught:
        read_references(path)
    assert str(path) in str(caught.value)
    with pytest.raises(DuplicateIdError, match="the rows: reference id 'r1'"):
        read_references([READ, READ])


def test_rows_that_are_not_references_are_refused() -> None:
    with pytest.raises(InputError, match=r"Reference rows, got str: photo\.jpg"):
        read_references(["photo.jpg"])
    with pytest.raises(InputError, match=r"a list of Reference rows, not Reference; type \[row\]"):
        read_references(READ)


@pytest.mark.parametrize("box", ["[1, 2, 3]", "[1, 2, 3, 4, 5]", "7", '"abc"', '[1, 2, 3, "x"]'])
def test_a_region_that_is_none_is_told_what_one_is(tmp_path: Path, box: str) -> None:
    path = tmp_path / "catalogue.jsonl"
    path.write_text(f'{{"photo": "a.jpg", "brand": "acme", "product": "bag", "regions": [{box}]}}\n')
    with pytest.raises(ManifestError, match=r"catalogue.jsonl:1: a region is \[x0, y0, x1, y1\] in pixels, got"):
        read_references(path)


def test_a_table_or_rows_of_a_catalogue_are_told_what_to_type(tmp_path: Path) -> None:
    class DataFrame(list):
        columns = ("photo", "brand")

    with pytest.raises(InputError, match=r"not a DataFrame; of a table type table\.to_json\('references\.jsonl'"):
        read_references(DataFrame(["photo", "brand"]))
    for rows in (FULL, [FULL], (row for row in [FULL])):
        with pytest.raises(InputError, match=r"row 1 is a dict; make it a reference: Reference\(\*\*row\)"):
            read_references(rows)  # type: ignore[arg-type]
