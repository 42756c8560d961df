"""What calibrates and what is learned from: each photo once, with its group; no fake that teaches something wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from counterfeit_vision import Evidence, Listing
from counterfeit_vision.errors import InputError
from counterfeit_vision.examples import Examples, examples_of, fake_examples
from counterfeit_vision.judging import JudgedPhoto


def photo(file: str, shows: str | None = None) -> JudgedPhoto:
    """A photo of that file; those that show the same are one however they are written."""
    view = SimpleNamespace(size=(9, 9), jpeg=(shows or file).encode())
    return JudgedPhoto(SimpleNamespace(id=file, sha256=file, view=view), (0,), (Evidence(1.0, "One."),))


def judged(*listings: list[JudgedPhoto]) -> list[tuple[Listing, list[JudgedPhoto], list]]:
    return [(Listing(id=f"{number}", photos=[]), rows, []) for number, rows in enumerate(listings)]


def files(examples: Examples) -> list[str]:
    return [row.photo.sha256 for row in examples.rows]


def test_of_a_photo_that_is_written_twice_the_first_counts_and_photos_keep_their_order() -> None:
    examples = examples_of(judged([photo("a"), photo("b"), photo("c", "a")]), None)
    assert files(examples) == ["a", "b"]
    assert examples.photos == {"a", "b"}


@pytest.mark.parametrize(("per_photo", "kept"), [(False, ["a", "b", "a", "c"]), (True, ["a", "b", "c"])])
def test_where_photos_are_counted_one_that_another_listing_shows_as_well_counts_once(
    per_photo: bool, kept: list[str]
) -> None:
    shown = judged([photo("a"), photo("b")], [photo("a"), photo("c")], [photo("c"), photo("a")])
    examples = examples_of(shown, None, per_photo=per_photo)
    assert files(examples) == kept
    assert [str(failure.error) for failure in examples.failures] == [
        "2: all that it shows was shown before, so it does not count"
    ]
    assert examples.count == 3
    assert examples.photos == {"a", "b", "c"}


def test_each_photo_has_its_listings_group_and_fakes_have_theirs_behind_the_genuine() -> None:
    names = ["anna", "bob", "carl"]
    genuine = examples_of(judged([photo("a"), photo("b")], [photo("c")]), names)
    catalog = SimpleNamespace(row_of_file={}, genuine=[])
    fakes = fake_examples(judged([photo("d")]), names, genuine, catalog)
    assert (genuine.groups, genuine.listings, fakes.groups) == (["anna", "anna", "bob"], [0, 0, 1], ["carl"])
    outside = genuine.outside({"anna"})
    assert (files(outside), outside.groups, outside.listings) == (["c"], ["bob"], [1])
    for given in (None, [*names, "dora"]):
        assert examples_of(judged([photo("a")], [photo("b")]), given).count == 2
    with pytest.raises(InputError, match="groups has 3 names, which are fewer than the listings"):
        fake_examples(judged([photo("d")], [photo("e")]), names, genuine, catalog)


def test_a_fake_that_teaches_something_wrong_says_why() -> None:
    genuine = examples_of(judged([photo("a")]), None)
    catalog = SimpleNamespace(row_of_file={"b": 0, "c": 1}, genuine=[True, False])
    fakes = fake_examples(judged([photo("a"), photo("b"), photo("c"), photo("d")]), None, genuine, catalog)
    assert files(fakes) == ["d"]
    assert [str(failure.error).split(": the same photo ")[1].split(",")[0] for failure in fakes.failures] == [
        "was shown as genuine",
        "is a genuine photo of the catalogue",
        "is a known fake of the catalogue",
    ]
    assert fakes.photos == {"a", "b", "c", "d"}, "all that were shown"


def test_copies_of_the_catalogues_photos_do_not_count_beside_the_sellers_own() -> None:
    shown = judged(
        [photo("a"), photo("copy 1"), photo("b")], [photo("copy 2"), photo("copy 3")], [photo("a"), photo("copy 4")]
    )
    examples = examples_of(shown, None, copied=lambda row: row.photo.id.startswith("copy"))
    assert files(examples) == ["a", "b", "copy 2", "copy 3"]
    assert [failure.id for failure in examples.failures] == ["copy 1", "copy 4", "2"]
    assert "beside the seller's own, so it does not count" in str(examples.failures[0].error)
    assert "copy 1" in examples.photos
    later = judged([photo("a"), photo("copy 1")], [photo("copy 1")], [photo("copy 1")])
    for per_photo in (False, True):
        examples = examples_of(later, None, per_photo=per_photo, copied=lambda row: row.photo.id.startswith("copy"))
        assert files(examples) == ["a", "copy 1"], "beside others it did not count"
        assert [failure.id for failure in examples.failures] == ["copy 1", "2"]
    catalog = SimpleNamespace(row_of_file={}, genuine=[])
    fakes = fake_examples(shown, None, Examples(), catalog, lambda row: row.photo.id.startswith("copy"))
    assert files(fakes) == ["a", "b", "copy 2", "copy 3"]
