"""Listings from files, folders and lists: what is read, and how each fault is a failure in its place."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import picture, write_photo
from manifest_rows import FULL, fake_pyarrow, write
from PIL import Image

from counterfeit_vision.errors import DuplicateIdError, InputError, ManifestError
from counterfeit_vision.io import manifests
from counterfeit_vision.io.manifests import count_listings, read_listings, read_references
from counterfeit_vision.types import Failure, Listing, Seller

OFFER = {
    "id": "l1",
    "photos": ["photos/1.jpg", "photos/2.jpg"],
    "brand": "acme",
    "product": "bag",
    "title": "Bag, new",
    "price": "99",
    "currency": "EUR",
    "seller": "s-1",
    "platform": "bay",
    "channel": "online",
    "region": "DE",
    "url": "https://example.org/1",
    "captured_at": "2026-01-02T03:04:05Z",
    "label": "ignored",
}


def test_a_jsonl_gives_every_field_of_a_listing(tmp_path: Path) -> None:
    (listing,) = read_listings(write(tmp_path / "l.jsonl", OFFER))
    assert listing == Listing(
        **{key: value for key, value in OFFER.items() if key != "label"}
        | {"photos": [tmp_path / "photos/1.jpg", tmp_path / "photos/2.jpg"], "price": 99.0}
    )
    assert isinstance(listing, Listing)
    assert listing.seller == Seller("s-1")
    (listing,) = read_listings(write(tmp_path / "l.jsonl", OFFER | {"seller": {"id": "s-1", "name": "Anna"}}))
    assert listing.seller == Seller("s-1", "Anna")


@pytest.mark.parametrize(
    ("seller", "read"),
    [
        ({"id": 7, "name": "Anna"}, Seller("7", "Anna")),
        ({"id": 7.0, "name": 24}, Seller("7", "24")),
        ({"id": "7", "name": math.nan}, Seller("7")),
        ({"id": None, "name": math.nan}, None),
        ({"id": "", "name": ""}, None),
        ({}, None),
    ],
)
def test_a_sellers_cells_are_read_as_those_of_the_row_are(seller: dict, read: Seller | None, tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", OFFER | {"seller": seller})
    assert [one.seller for one in read_listings(path)] == [read]


def test_numbers_in_columns_of_texts_are_those_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = OFFER | {"id": 7, "title": 2024, "seller": 12345.0, "brand": 4.5, "platform": math.nan}
    (tmp_path / "l.parquet").write_bytes(b"PAR1")
    fake_pyarrow(monkeypatch, [[row | {"captured_at": datetime.datetime(2026, 1, 2, 3)}]])
    for path in (write(tmp_path / "l.jsonl", row), tmp_path / "l.parquet"):
        (listing,) = read_listings(path)
        assert isinstance(listing, Listing)
        assert (listing.id, listing.title, listing.seller) == ("7", "2024", Seller("12345"))
        assert (listing.brand, listing.platform, listing.price) == ("4.5", None, 99.0)
    assert listing.captured_at == "2026-01-02T03:00:00"
    (tmp_path / "l.csv").write_text("id,photo,seller,product\n7.0,a.jpg,12345.0,2.0\n8.5,a.jpg,v1.0,\n")
    listings = [(one.id, one.seller, one.product) for one in read_listings(tmp_path / "l.csv")]
    assert listings == [("7", Seller("12345"), "2.0"), ("8.5", Seller("v1.0"), None)]
    (reference,) = read_references(write(tmp_path / "r.jsonl", FULL | {"id": 1, "brand": 501, "category": 2.0}))
    assert (reference.id, reference.brand, reference.category) == ("1", "501", "2")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.jpg|b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg", ["a.jpg"]),
        ("a.jpg|", ["a.jpg"]),
        ('"[""a.jpg"", ""b,c.jpg""]"', ["a.jpg", "b,c.jpg"]),
    ],
)
def test_a_csv_cell_may_hold_several_photos(tmp_path: Path, cell: str, names: list[str]) -> None:
    (tmp_path / "l.csv").write_text(f"id,photos\nl1,{cell}\n")
    (listing,) = read_listings(tmp_path / "l.csv")
    assert isinstance(listing, Listing)
    assert list(listing.photos) == [tmp_path / name for name in names]


def test_one_photo_may_stand_in_a_column_photo_or_as_a_text(tmp_path: Path) -> None:
    rows = [{"id": "a", "photo": "1.jpg"}, {"id": "b", "photos": "2.jpg"}, {"id": 3, "photos": ["3.jpg"]}]
    listings = list(read_listings(write(tmp_path / "l.jsonl", *rows)))
    assert [listing.id for listing in listings] == ["a", "b", "3"]
    assert [listing.photos[0].name for listing in listings] == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_listing_without_an_id_is_named_by_file_and_line(tmp_path: Path) -> None:
    rows = [{"photos": ["1.jpg"]}, "", {"photos": ["2.jpg"]}, {"id": "", "photos": ["3.jpg"]}, {"id": "", "photos": 5}]
    read = list(read_listings(write(tmp_path / "l.jsonl", *rows)))
    assert [item.id for item in read] == ["l.jsonl:1", "l.jsonl:3", "l.jsonl:4", "l.jsonl:5"]
    assert [type(item) for item in read] == [Listing, Listing, Listing, Failure]


def test_a_file_is_read_as_far_as_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "l.jsonl", *({"id": str(number), "photos": ["1.jpg"]} for number in range(1000)))
    parsed, parse = 0, manifests._json_object

    def counting(*arguments):
        nonlocal parsed
        parsed += 1
        return parse(*arguments)

    monkeypatch.setattr(manifests, "_json_object", counting)
    listings = read_listings(path)
    assert parsed == 0
    assert [next(listings).id for _ in range(3)] == ["0", "1", "2"]
    assert parsed <= 4  # one of them to see that there are photos
    listings.close()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "x"}, "column 'photos' is missing; the row has id"),
        ({"id": "x", "photos": []}, "has no photos"),
        ({"id": "x", "photos": ""}, "has no photos"),
        ({"id": "x", "photos": None}, "column 'photos' is missing"),
        ({"id": "x", "photos": 5}, "expected a list of paths"),
        ({"id": "x", "photos": ["a.jpg", None]}, "expected a list of paths"),
        ({"id": "x", "photos": {"a": 1}}, "expected a list of paths"),
        ({"id": "x", "photos": [{"bytes": "x" * 9999}]}, "expected a list of paths"),
        ({"id": "x", "photos": ["a.jpg"] * 501}, "column 'photos': 501 photos of one listing (limit: 500)"),
        ({"id": "x", "photos": "|".join(["a.jpg"] * 501)}, "column 'photos': 501 photos of one listing (limit: 500)"),
        (
            {"id": "x", "photos": "[new] 1.jpg"},
            "'[new] 1.jpg' begins as a JSON list does, and is none: Expecting value",
        ),
        (
            {"id": "x", "photos": "['a.jpg', 'b.jpg']"},  # as pandas writes a list into a csv
            "column 'photos': \"['a.jpg', 'b.jpg']\" begins as a JSON list does",
        ),
        ({"id": "x", "photos": "['a.jpg']"}, "; type a.jpg|b.jpg, or a JSON list, in Python json.dumps(list)"),
        ({"id": "x", "photos": ["a.jpg"], "price": "cheap"}, "cheap"),
        ({"id": "x", "photos": ["a.jpg"], "price": 3}, "no currency"),
        ({"id": "x", "photos": ["a.jpg"], "price": 10**400, "currency": "EUR"}, "too large"),
        ({"id": "x", "photos": "[" * 100_000}, "recursion"),
        ({"id": "x", "photos": ["a.jpg"], "title": True}, "title=True is neither a text nor None"),
        ({"id": "x", "photos": ["a.jpg"], "seller": {"name": "s"}}, "need its id, a name if it has one, and no more"),
    ],
)
def test_a_row_that_makes_no_listing_is_one_failure_in_its_place(tmp_path: Path, row: dict, message: str) -> None:
    path = write(tmp_path / "l.jsonl", OFFER, row, OFFER | {"id": "l3"})
    first, failure, third = read_listings(path)
    assert (first.id, third.id) == ("l1", "l3")
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("x", "input")
    assert isinstance(failure.error, InputError)
    assert message in str(failure.error)
    assert f"{path}:2: " in str(failure.error)
    assert len(str(failure.error)) < 1000


def test_a_row_whose_id_is_too_long_is_a_failure_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", OFFER, {"id": "x" * 200_000, "photos": ["a.jpg"] * 500}, OFFER | {"id": "l3"})
    first, failure, third = read_listings(path)
    assert (first.id, failure.id, third.id) == ("l1", "l.jsonl:2", "l3")
    assert isinstance(failure, Failure)
    assert f"{path}:2: Listing 'xxx" in str(failure.error)
    assert "id has 200,000 characters (limit: 4,096)" in str(failure.error)
    assert len(str(failure.error)) < 1000
    (given,) = read_listings([{"id": "x" * 200_000}])  # type: ignore[list-item]
    assert given.id == "item 0"


def test_a_bare_photo_whose_path_is_too_long_for_an_id_is_named_by_its_place() -> None:
    path = "n" * 5_000
    listings = list(read_listings(["a.jpg", path, path]))
    assert [item.id for item in listings] == ["a.jpg", "photo 1", "photo 2"]
    assert [item.photos for item in listings if isinstance(item, Listing)] == [("a.jpg",), (path,), (path,)]


@pytest.mark.parametrize("line", ["{broken", "[1]", '{"id": "caf\\ud800'])
def test_a_broken_line_is_one_failure_in_its_place(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "l.jsonl", OFFER, line, OFFER | {"id": "l3"})
    first, failure, third = read_listings(path)
    assert (first.id, third.id) == ("l1", "l3")
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("l.jsonl:2", "input")
    assert isinstance(failure.error, ManifestError)
    assert f"{path}:2: " in str(failure.error)


def test_a_csv_row_with_too_many_cells_is_one_failure_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,photos\na,1.jpg\nb,2.jpg,3.jpg\nc,4.jpg\n")
    first, failure, third = read_listings(tmp_path / "l.csv")
    assert (first.id, third.id) == ("a", "c")
    assert isinstance(failure, Failure)
    assert "l.csv:3" in str(failure.error)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"b,2.jpg,caf\xe9", "l.csv:3: not UTF-8"),
        (b'b,2.jpg,"27" screen', "l.csv:3: "),
        (b"b,2.jpg," + b"x" * 200_000, "l.csv:3: field larger than field limit"),
    ],
    ids=["latin-1", "quote", "long"],
)
def test_a_csv_row_that_can_not_be_read_is_one_failure_in_its_place(tmp_path: Path, row: bytes, message: str) -> None:
    (tmp_path / "l.csv").write_bytes(b"id,photos,title\na,1.jpg,x\n" + row + b"\nc,3.jpg,5 in\n")
    first, failure, third = read_listings(tmp_path / "l.csv")
    assert (first.id, third.id) == ("a", "c")
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("l.csv:3", "input")
    assert message in str(failure.error)


def test_a_quote_that_is_never_closed_swallows_no_listing_in_silence(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('id,photos,title\na,1.jpg,x\nb,2.jpg,"27 inch\nc,3.jpg,x\nd,4.jpg,x\n')
    first, failure = read_listings(tmp_path / "l.csv")
    assert first.id == "a"
    assert isinstance(failure, Failure)
    assert "l.csv:5: unexpected end of data, in a row that begins on line 3" in str(failure.error)


def test_nan_in_a_column_of_numbers_or_lists_is_as_if_left_out(tmp_path: Path) -> None:
    listing = OFFER | {"price": math.nan, "currency": math.nan, "photos": math.nan, "photo": "1.jpg"}
    (read,) = read_listings(write(tmp_path / "l.jsonl", listing))
    assert isinstance(read, Listing)
    assert (read.price, read.currency, read.photos) == (None, None, (tmp_path / "1.jpg",))
    (reference,) = read_references(write(tmp_path / "r.jsonl", FULL | {"price": math.nan, "regions": math.nan}))
    assert (reference.price, reference.regions) == (None, ())


@pytest.mark.parametrize("rows", ["", "a;1.jpg;12,50\nb;2.jpg;9,99\n"])
def test_a_csv_whose_header_names_no_photos_is_refused_as_a_whole(tmp_path: Path, rows: str) -> None:
    (tmp_path / "l.csv").write_text("id;photos;price\n" + rows)
    with pytest.raises(ManifestError, match=r"l\.csv: column 'photos' is missing .* the columns are id;photos;price"):
        list(read_listings(tmp_path / "l.csv"))


def test_a_csv_of_a_header_alone_gives_no_listings(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,photos\n")
    assert list(read_listings(tmp_path / "l.csv")) == []


@pytest.mark.parametrize("rows", [[{"id": "a", "title": "x"}], [{"id": "a"}, {"id": "b", "picture": "1.jpg"}]])
def test_a_file_in_which_no_row_has_photos_is_refused_as_a_whole(tmp_path: Path, rows: list[dict]) -> None:
    path = write(tmp_path / "l.jsonl", *rows)
    columns = ", ".join(dict.fromkeys(key for row in rows for key in row))
    with pytest.raises(ManifestError) as caught:
        list(read_listings(path))
    assert f"{path}: column 'photos' is missing in every row; the columns are {columns}" in str(caught.value)


def test_an_empty_file_gives_no_listings(tmp_path: Path) -> None:
    assert list(read_listings(write(tmp_path / "l.jsonl"))) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.jsonl: no such file"):
        list(read_listings(tmp_path / "nowhere.jsonl"))


def test_the_second_of_two_listings_with_one_id_is_a_failure_in_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", OFFER, OFFER | {"id": "l2"}, OFFER | {"title": "again"}, OFFER | {"id": "l4"})
    items = list(read_listings(path))
    assert [item.id for item in items] == ["l1", "l2", "l1", "l4"]
    assert [isinstance(item, Failure) for item in items] == [False, False, True, False]
    assert isinstance(items[2], Failure)
    assert items[2].stage == "input"
    assert isinstance(items[2].error, DuplicateIdError)
    assert f"{path}:3: listing id 'l1' stands twice, first at {path}:1" in str(items[2].error)


def test_given_listings_with_one_id_or_without_photos_are_failures_too() -> None:
    listings = [Listing(id="a", photos=["1.jpg"]), Listing(id="b", photos=[]), Listing(id="a", photos=["2.jpg"])]
    first, empty, again = read_listings(listings)
    assert first is listings[0]
    assert isinstance(empty, Failure)
    assert "item 1: listing 'b' has no photos" in str(empty.error)
    assert isinstance(again, Failure)
    assert isinstance(again.error, DuplicateIdError)


def test_bare_photos_become_listings_of_one_photo_with_ids_of_their_own() -> None:
    array, image = picture(0), Image.fromarray(picture(1))
    photos = ["a.jpg", Path("b.jpg"), b"bytes", array, image, "a.jpg", ""]
    listings = list(read_listings(photos))
    names = ["a.jpg", "b.jpg", "photo 2", "photo 3", "photo 4", "a.jpg (photo 5)", "photo 6"]
    assert [item.id for item in listings] == names
    for listing, photo in zip(listings, photos, strict=True):
        assert isinstance(listing, Listing)
        assert listing.photos[0] is photo


@pytest.mark.parametrize(
    ("taken", "id"),
    [(("photo 1",), "photo 1 (photo 1)"), (("photo 2", "photo 2 (photo 2)"), "photo 2 (photo 2) (photo 2)")],
)
def test_a_bare_photo_beside_a_listing_that_is_called_like_it_has_another_id(taken: tuple[str, ...], id: str) -> None:
    given = [*(Listing(id=name, photos=["a.jpg"]) for name in taken), picture(0)]
    assert [item.id for item in read_listings(given) if isinstance(item, Listing)] == [*taken, id]


def test_photos_may_come_from_a_generator_that_is_read_lazily() -> None:
    taken: list[int] = []

    def source() -> Iterator[np.ndarray]:
        for number in range(10):
            taken.append(number)
            yield picture(number)

    listings = read_listings(source())
    assert next(listings).id == "photo 0"
    assert taken == [0]


def test_a_folder_of_photos_is_one_listing_a_photo(tmp_path: Path) -> None:
    write_photo(tmp_path / "b.jpg", 0)
    write_photo(tmp_path / "a" / "c.jpg", 1)
    (tmp_path / "notes.txt").write_text("")
    assert [item.id for item in read_listings(tmp_path)] == ["a/c.jpg", "b.jpg"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no photos"):
        list(read_listings(tmp_path / "empty"))


def test_an_image_that_was_opened_from_a_file_is_called_by_its_path(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "b.jpg", 0)
    with Image.open(path) as image:
        listings = list(read_listings([image, path, image.copy()]))
    assert [listing.id for listing in listings] == [str(path), f"{path} (photo 1)", "photo 2"]


def test_one_path_is_one_listing(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "b.jpg", 0)
    for given in (path, str(path)):
        (listing,) = read_listings(given)
        assert isinstance(listing, Listing)
        assert (listing.id, listing.photos) == ("b.jpg", (path,))


class Table:
    """What looks like a data frame."""

    columns = ("id", "photos")

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"bytes of a photo", r"type \[photo\]"),
        (bytearray(b"bytes of a photo"), r"type \[photo\]"),
        (np.zeros((6, 8, 3), np.uint8), r"type \[photo\]"),
        (5, "not int"),
        (None, "not NoneType"),
        (Table(), r"not a Table; of a table type table.to_json\('listings.jsonl', orient='records', lines=True"),
        ({"id": "a", "photos": ["b.jpg"]}, "not a dict"),
    ],
)
def test_what_is_no_list_is_refused(source, words: str) -> None:
    with pytest.raises(InputError, match=f"listings: need a list of photos.*{words}"):
        list(read_listings(source))


def test_a_table_is_kept_by_what_its_refusal_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({
        "id": [1, None, 3], "photos": [["a.jpg", "b.jpg"], ["c.jpg"], ["d.jpg"]], "seller": [12, 13, None],
        "captured_at": pandas.to_datetime(["2026-01-01", None, "2026-02-01"]),
    })  # fmt: skip
    with pytest.raises(InputError) as refusal:
        list(read_listings(table))
    monkeypatch.chdir(tmp_path)
    eval(re.search(r"table\.to_json\(.*?\)", str(refusal.value)).group())  # type: ignore[union-attr]
    first, second, third = read_listings("listings.jsonl")
    assert (first.id, second.id, third.id) == ("1", "listings.jsonl:2", "3")
    assert (first.seller.id, second.seller.id, third.seller) == ("12", "13", None)
    assert [photo.name for photo in first.photos] == ["a.jpg", "b.jpg"]
    assert (first.captured_at[:10], second.captured_at) == ("2026-01-01", None)


def test_a_dict_in_a_list_is_told_how_it_becomes_a_listing() -> None:
    for id, name in (("a", "a"), ("", "item 0")):
        (failure,) = read_listings([{"id": id, "photos": ["b.jpg"]}])  # type: ignore[list-item]
        assert isinstance(failure, Failure)
        assert (failure.id, str(failure.error)) == (name, "item 0 is a dict; make it a listing: Listing(**row)")


def test_photos_in_forms_that_are_not_read_are_not_left_out_of_a_folder(tmp_path: Path) -> None:
    for name in ("a.HEIC", "b.jfif", "c.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [listing.id for listing in read_listings(tmp_path)] == ["a.HEIC", "b.jfif", "c.jpg"]


# --- columns in another spelling --------------------------------------------------------------------------------------


def spelt_otherwise(row: dict) -> dict:
    return {" ID " if name == "id" else f" {name.title()}": value for name, value in row.items()}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_column_in_other_letters_or_between_blanks_is_the_field(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = {**OFFER, "id": "7.0", "photos": "1.jpg|2.jpg", "a column of their own": "x"}

    def read(name: str, row: dict) -> object:
        path = tmp_path / f"{name}.{kind}"
        if kind == "csv":
            path.write_text("\n".join(",".join(f'"{cell}"' for cell in cells) for cells in (row, row.values())))
        else:
            write(path, row)
            fake_pyarrow(monkeypatch, [[row]])
        (listing,) = read_listings(path)
        return listing

    assert read("l", spelt_otherwise(offer)) == read("l", offer)
    (reference,) = read_references(write(tmp_path / "r.jsonl", spelt_otherwise(FULL)))
    assert reference == next(iter(read_references(write(tmp_path / "s.jsonl", FULL))))


def test_two_columns_of_one_field_are_refused_by_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = r"columns 'brand' and 'Brand ' are both read as 'brand'; keep one of them"
    twice = write(tmp_path / "l.jsonl", OFFER, OFFER | {"id": "l2", "Brand ": "other"}, OFFER | {"id": "l3"})
    listings = list(read_listings(twice))
    assert [type(item) for item in listings] == [Listing, Failure, Listing]
    assert f"{twice}:2: {told}" in str(listings[1].error)
    with pytest.raises(ManifestError, match=rf"r\.jsonl:1: {told}"):
        read_references(write(tmp_path / "r.jsonl", FULL | {"Brand ": "other"}))
    (tmp_path / "l.csv").write_text("photo,brand,Brand\n1.jpg,a,b\n")
    with pytest.raises(ManifestError, match=r"l\.csv: columns 'brand' and 'Brand' are both read as 'brand'"):
        list(read_listings(tmp_path / "l.csv"))
    fake_pyarrow(monkeypatch, [[OFFER | {"Brand ": "other"}]])
    (tmp_path / "l.parquet").write_bytes(b"")
    (failure,) = read_listings(tmp_path / "l.parquet")
    assert isinstance(failure, Failure)
    assert f"l.parquet:1: {told}" in str(failure.error)
    assert "not a readable parquet" not in str(failure.error)


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NaT", "<NA>", "None"])
def test_what_pandas_writes_for_an_empty_cell_holds_nothing(tmp_path: Path, nothing: str) -> None:
    said = dict.fromkeys({*OFFER} - {"photos", "label"}, nothing)
    (listing,) = read_listings(write(tmp_path / "l.jsonl", {"photos": "1.jpg"} | said))
    assert listing == Listing(id="l.jsonl:1", photos=[tmp_path / "1.jpg"])
    table = tmp_path / "l.csv"
    table.write_text(f"photos,{','.join(said)}\n1.jpg,{','.join(said.values())}\n")
    assert list(read_listings(table)) == [Listing(id="l.csv:2", photos=[tmp_path / "1.jpg"])]
    with pytest.raises(ManifestError, match="column 'photos' is missing in every row"):
        list(read_listings(write(tmp_path / "l.jsonl", {"id": "l1", "photos": nothing})))
    with pytest.raises(ManifestError, match=r"r\.jsonl:1: column 'brand' is missing"):
        read_references(write(tmp_path / "r.jsonl", FULL | {"brand": nothing}))


# --- how many ---------------------------------------------------------------------------------------------------------


def test_what_a_source_holds_is_counted_as_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": "a", "photos": ["a.jpg"], "title": "of two\nlines"}, "", {"id": "b"}, "broken", {"photos": "c.jpg"}]
    table = tmp_path / "l.csv"
    table.write_text('id,photos,title\na,a.jpg,"of two\nlines"\n\nb,,\nc,c.jpg,too,many\n,c.jpg,\n')
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name in ("a.jpg", "more/b.jpg", ".hidden.jpg", "l.txt"):
        write_photo(tmp_path / "photos" / name, picture(1)) if "txt" not in name else (tmp_path / name).touch()
    (tmp_path / "l.parquet").touch()
    closed = fake_pyarrow(monkeypatch, [[OFFER], [OFFER | {"id": "l2"}]])
    sources = [
        write(tmp_path / "l.jsonl", *rows),
        table,
        tmp_path / "photos",
        tmp_path / "l.parquet",
        "a.jpg",
        [b"", b""],
    ]
    counts = [count_listings(source) for source in sources]
    assert len(closed) == 1
    assert counts == [sum(1 for _ in read_listings(source)) for source in sources] == [4, 4, 2, 2, 1, 2]
    wrong = ("", tmp_path / "none.jsonl", tmp_path / "none.csv", tmp_path / "photos.txt", (x for x in [1]), "x\0.csv")
    assert [count_listings(source) for source in wrong] == [None] * len(wrong)
