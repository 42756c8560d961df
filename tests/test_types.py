"""What goes in is checked where it is made; rows are aligned; verdicts are plain values."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import re
import weakref
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from counterfeit_vision import errors
from counterfeit_vision.encoders.batching import embed
from counterfeit_vision.errors import (
    CounterfeitVisionError,
    DecodeError,
    InputError,
    MissingExtraError,
    require,
)
from counterfeit_vision.report import Report
from counterfeit_vision.types import (
    DECISIONS,
    GALLERIES,
    Embeddings,
    Evidence,
    Failure,
    Listing,
    Matches,
    PhotoView,
    Reference,
    Region,
    Seller,
    Verdict,
)

# --- regions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box",
    [
        (1, 0, 1, 5),
        (0, 1, 5, 1),
        (5, 0, 1, 5),
        (0, 5, 5, 1),
        (0, 0, math.nan, 1),
        (0, 0, math.inf, 1),
        (-math.inf, 0, 1, 1),
        (0, 0, 10**400, 1),
        ("0", "0", "1", "1"),
        (None, 0, 1, 1),
    ],
)
def test_a_region_without_area_is_refused(box: tuple) -> None:
    with pytest.raises(InputError, match=r"need finite x0 < x1 and y0 < y1, in pixels of the upright photo"):
        Region(*box)


def test_a_region_knows_its_area_and_its_corners() -> None:
    region = Region(1, 2, 4, 8)
    assert region.area == 18
    assert region.to_list() == [1.0, 2.0, 4.0, 8.0]
    assert region == Region(1.0, 2.0, 4.0, 8.0)
    assert len({region, Region(1, 2, 4, 8)}) == 1
    assert Region(*np.array([5, 5, 200, 250], np.uint8)).area == 195 * 245


def test_a_region_holds_plain_numbers_whatever_it_is_given() -> None:
    given = Region(torch.tensor(20.0), np.float32(20.5), np.int64(120), Decimal(100))
    assert len({given, Region(20, 20.5, 120, 100)}) == 1, "equal ones have one hash"
    assert json.dumps(dataclasses.asdict(given)) == '{"x0": 20.0, "y0": 20.5, "x1": 120.0, "y1": 100.0}'


# --- references and listings -----------------------------------------------------------------------------------------

REFERENCE = {"id": "r", "photo": "r.jpg", "brand": "acme", "product": "bag"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "an id is a non-empty string"),
        ({"id": "i" * 4_097}, r"Reference 'i{80}': id has 4,097 characters \(limit: 4,096\); give it a shorter one"),
        ({"id": 5}, r"Reference\(id=5\): an id is a non-empty string; type id='5'"),
        ({"id": None}, "an id is a non-empty string$"),
        ({"brand": ""}, "Reference 'r': brand='' is not a non-empty string"),
        ({"brand": " \u200b\t"}, "Reference 'r': brand=.* is not a non-empty string"),
        ({"product": "  "}, "Reference 'r': product='  ' is not a non-empty string"),
        ({"brand": "None"}, "brand='None' names nothing: an empty cell of a table becomes that text; spell a brand of"),
        ({"brand": None}, "brand=None"),
        ({"product": 7}, "product=7"),
        ({"gallery": "real"}, "gallery='real'; the galleries are official, genuine, known_fake"),
        ({"price": -1, "currency": "EUR"}, "price=-1 is not a finite number >= 0"),
        ({"price": math.nan, "currency": "EUR"}, "finite"),
        ({"price": math.inf, "currency": "EUR"}, "finite"),
        ({"price": True, "currency": "EUR"}, "price=True is not a finite number"),
        ({"price": np.True_, "currency": "EUR"}, "price=.*True.* is not a finite number"),
        ({"price": "3.5", "currency": "EUR"}, "price='3.5' is not a finite number"),
        ({"price": 10**400, "currency": "EUR"}, "Reference 'r': price=10+ is not a finite number"),
        ({"price": np.array([3, 5]), "currency": "EUR"}, r"price=array\(\[3, 5\]\) is not a finite number"),
        ({"price": np.timedelta64(3, "D"), "currency": "EUR"}, "price=.* is not a finite number"),
        ({"price": Decimal("sNaN"), "currency": "EUR"}, "is not a finite number"),
        ({"price": 3.5}, "has no currency; add currency='EUR'"),
        ({"regions": [[1, 2, 3, 4]]}, r"regions=\[\[1, 2, 3, 4\]\] is not a list of Region; type"),
        ({"regions": Region(1, 2, 3, 4)}, r"type regions=\[Region"),
        ({"regions": None}, "regions=None is not a list"),
        ({"product": "p" * 10_001}, r"Reference 'r': product has 10,001 characters \(limit: 10,000\)"),
        ({"photo": None}, "Reference 'r': photo=None; type photo='photo.jpg'"),
        ({"category": 3}, "Reference 'r': category=3 is neither a text nor None; type category='3'"),
        ({"currency": 978}, "currency=978"),
    ],
)
def test_a_bad_reference_is_refused_by_field(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reference(**REFERENCE | change)


@pytest.mark.parametrize("gallery", GALLERIES)
def test_every_gallery_is_taken(gallery: str) -> None:
    assert Reference(**REFERENCE, gallery=gallery).gallery == gallery


def test_regions_are_kept_as_a_tuple() -> None:
    regions = [Region(0, 0, 1, 1)]
    reference = Reference(**REFERENCE, regions=regions)
    regions.append(Region(0, 0, 2, 2))
    assert reference.regions == (Region(0, 0, 1, 1),)


def test_an_empty_text_is_as_if_left_out() -> None:
    names = ("channel", "brand", "product", "title", "currency", "seller", "platform", "region", "url", "captured_at")
    assert Listing(id="l", photos=["p.jpg"], **dict.fromkeys(names, "")) == Listing(id="l", photos=["p.jpg"])
    assert Listing(id="l", photos=["p.jpg"], **dict.fromkeys(names, " ")) == Listing(id="l", photos=["p.jpg"])
    unseen = dict.fromkeys(names, "\u200b \ufeff")
    assert Listing(id="l", photos=["p.jpg"], **unseen) == Listing(id="l", photos=["p.jpg"])
    assert Reference(**REFERENCE, category="", currency="\t") == Reference(**REFERENCE)
    for currency in ("", "\u200b"):
        with pytest.raises(InputError, match="has no currency"):
            Listing(id="l", photos=["p.jpg"], price=3, currency=currency)


@pytest.mark.parametrize("price", [Decimal("12.5"), np.float32(12.5), np.float64(12.5)])
def test_prices_of_data_frames_and_databases_are_plain_numbers(price) -> None:
    reference = Reference(**REFERENCE, price=price, currency="EUR")
    listing = Listing(id="l", photos=["p.jpg"], price=price, currency="EUR")
    assert json.dumps([reference.price, listing.price]) == "[12.5, 12.5]"
    assert json.dumps(Reference(**REFERENCE, price=np.int64(12), currency="EUR").price) == "12.0"


def test_a_free_product_has_a_price() -> None:
    assert Reference(**REFERENCE, price=0, currency="EUR").price == 0


@pytest.mark.parametrize(
    "photos",
    ["a.jpg", b"bytes", bytearray(b"b"), memoryview(b"b"), Path("a.jpg"), np.zeros((4, 4, 3), np.uint8), None, 5],
    ids=lambda p: type(p).__name__,
)
def test_photos_of_a_listing_are_a_list(photos) -> None:
    with pytest.raises(InputError, match=r"Listing 'l': photos must be a list, for one photo photos=\[photo\]"):
        Listing(id="l", photos=photos)


@pytest.mark.parametrize("kind", [np.array, iter, set])
def test_several_photos_of_a_listing_are_made_a_list(kind) -> None:
    with pytest.raises(InputError, match=r"for one photo photos=\[photo\], else photos=list\(photos\)$"):
        Listing(id="l", photos=kind(["a.jpg", "b.jpg"]))
    with pytest.raises(InputError, match=r"photos=\[photo\]$"):
        Listing(id="l", photos="a.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "non-empty string"),
        ({"id": "i" * 4_097}, r"Listing 'i{80}': id has 4,097 characters \(limit: 4,096\); give it a shorter one"),
        (
            {"photos": ["a.jpg"] * 501},
            r"Listing 'l': 501 photos of one listing \(limit: 500\); leave some out, or make several listings of them",
        ),
        ({"price": 3}, "Listing 'l': price=3 has no currency"),
        ({"price": "3", "currency": "EUR"}, "Listing 'l': price='3' is not a finite number"),
        ({"price": -3, "currency": "EUR"}, ">= 0"),
        (
            {"title": "a" + "\u0301\u0323" * 5000},
            r"'l': title has 10,001 characters \(limit: 10,000\); type title=text\[:10000\]",
        ),
        ({"title": 2024}, "Listing 'l': title=2024 is neither a text nor None; type title='2024'"),
        ({"title": math.nan}, "Listing 'l': title=nan is neither a text nor None; type title=None"),
        ({"price": math.nan, "currency": "EUR"}, "price=nan is not a finite number >= 0; if unknown, type price=None"),
        *(({name: 7.5}, f"{name}=7.5") for name in ("brand", "product", "currency", "platform", "channel")),
        *(({name: ["x"]}, rf"{name}=\['x'\]") for name in ("region", "url", "captured_at")),
        ({"seller": 12345}, "seller=12345 is neither a Seller nor the id of one, a text; type seller='12345'"),
        ({"seller": math.nan}, "seller=nan is neither a Seller nor the id of one, a text; type seller=None"),
        ({"seller": {"id": "s", "rating": 5}}, "Listing 'l': seller=.*'rating': 5}: need its id, a name if it has one"),
        ({"seller": {"name": "Anna"}}, "Listing 'l': seller={'name': 'Anna'}: need its id"),
        ({"seller": {"id": 7}}, r"Seller\(id=7\): an id is a text; type Seller\('7'\)"),
    ],
)
def test_a_bad_listing_is_refused_by_field(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Listing(**{"id": "l", "photos": ["a.jpg"]} | change)


def test_a_listing_of_many_photos_is_taken() -> None:
    assert len(Listing(id="l", photos=["a.jpg"] * 500).photos) == 500


def test_a_seller_may_be_given_as_its_id() -> None:
    assert Listing(id="l", photos=[], seller="s").seller == Seller("s")
    assert Listing(id="l", photos=[], seller=Seller("s", "Shop")).seller == Seller("s", "Shop")


def test_a_seller_of_whom_nothing_is_seen_is_none() -> None:
    for empty in (Seller(""), Seller(" ", "\u200b"), {"id": "", "name": ""}, {"id": "\ufeff", "name": None}):
        assert Listing(id="l", photos=[], seller=empty).seller is None
    assert Listing(id="l", photos=[], seller=Seller("", "Anna")).seller == Seller("", "Anna")


def test_what_a_listing_says_of_itself_makes_the_same_listing() -> None:
    listing = Listing(id="l", photos=["a.jpg"], seller=Seller("s", "Shop"), price=9, currency="EUR", platform="bazaar")
    assert Listing(photos=listing.photos, **json.loads(json.dumps(listing.to_dict()))) == listing


def test_a_seller_is_known_by_texts() -> None:
    with pytest.raises(InputError, match=r"Seller\(id=12345\): an id is a text; type Seller\('12345'\)"):
        Seller(12345)  # type: ignore[arg-type]
    for missing in (math.nan, None):
        with pytest.raises(InputError, match=rf"Seller\(id={missing}\): an id is a text; type seller=None"):
            Seller(missing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Seller 'ss.*': id has 10,001 characters"):
        Listing(id="l", photos=[], seller="s" * 10_001)
    with pytest.raises(InputError, match="Seller 's': name=7"):
        Seller("s", 7)  # type: ignore[arg-type]


def test_inputs_can_not_be_changed_and_take_fields_by_name_only() -> None:
    listing = Listing(id="l", photos=["a.jpg"])
    assert listing.photos == ("a.jpg",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        listing.title = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Listing("l", ["a.jpg"])  # type: ignore[misc]
    with pytest.raises(TypeError, match="colour"):
        Listing(id="l", photos=[], colour="red")  # type: ignore[call-arg]


def test_pixels_stay_out_of_a_repr() -> None:
    assert "photo" not in repr(Reference(**REFERENCE | {"photo": b"\xff" * 1000}))
    assert "photos" not in repr(Listing(id="l", photos=[b"\xff" * 1000]))


def test_records_of_photos_in_memory_can_be_compared_and_put_in_a_set() -> None:
    black, white = (np.full((4, 4, 3), level, np.uint8) for level in (0, 255))
    listings = [Listing(id="l", photos=[photo]) for photo in (black, black.copy(), white, "a.jpg")]
    references = [Reference(**REFERENCE | {"photo": photo}) for photo in (black, black.copy(), white, "r.jpg")]
    for records in (listings, references):
        assert [record == records[0] for record in records] == [True, True, False, False]
        assert len(set(records)) == 3
    assert listings[0] != Listing(id="l", photos=[black, black])


# --- rows ------------------------------------------------------------------------------------------------------------


def embeddings(count: int = 2, **changes) -> Embeddings:
    fields = {
        "vectors": np.zeros((count, 3), np.float32),
        "patches": np.zeros((count, 6, 4), np.float16),
        "grid": (2, 3),
        "content": np.zeros((count, 4), np.float32),
        "ids": tuple(map(str, range(count))),
    }
    return Embeddings(**fields | changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.zeros((3, 3), np.float32)}, "vectors has 3 rows, expected 2"),
        ({"patches": np.zeros((1, 6, 4), np.float16)}, "patches has 1 rows, expected 2"),
        ({"content": np.zeros((0, 4), np.float32)}, "content has 0 rows, expected 2"),
        ({"ids": ("a",)}, "vectors has 2 rows, expected 1"),
        ({"grid": (2, 2)}, r"6 patches do not fill a grid of \(2, 2\)"),
    ],
)
def test_embeddings_that_are_not_aligned_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        embeddings(**change)


def test_embeddings_describe_themselves() -> None:
    failure = Failure("x", "decode", DecodeError("x", "bad"))
    assert len(embeddings(5)) == 5
    assert repr(embeddings()) == "<Embeddings 2 photos, vectors (2, 3), patches (2, 6, 4)>"
    assert "1 failed" in repr(embeddings(failures=(failure,)))
    assert "patches None" in repr(embeddings(patches=None))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3), (2, 2)), ((2, 3), (3, 3), (2, 3)), ((2,), (2,), (2,))])
def test_matches_that_are_not_aligned_are_refused(shapes: tuple) -> None:
    ids, products, scores = (np.zeros(shape, kind) for shape, kind in zip(shapes, (object, object, float), strict=True))
    with pytest.raises(InputError, match="Matches: ids"):
        Matches(ids, products, scores)


def test_rows_can_be_compared_and_put_in_a_set() -> None:
    one, other = embeddings(), embeddings()
    assert one != other
    assert len({one, other, Matches(*[np.zeros((2, 5))] * 3), Matches(*[np.zeros((2, 5))] * 3)}) == 4


def test_matches_describe_themselves() -> None:
    matches = Matches(np.full((2, 5), None), np.full((2, 5), None), np.zeros((2, 5), np.float32))
    assert len(matches) == 2
    assert repr(matches) == "<Matches 2 photos x 5 references>"


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_plain_strings() -> None:
    failure = Failure("a", "decode", DecodeError("a.jpg", "no pixels", "5 bytes"))
    expected = {"id": "a", "stage": "decode", "error": "DecodeError", "message": "a.jpg: no pixels (limit: 5 bytes)"}
    assert failure.to_dict() == expected
    assert repr(failure) == "<Failure a [decode] DecodeError: a.jpg: no pixels (limit: 5 bytes)>"


def test_a_failure_keeps_the_causes_of_its_error_and_not_their_frames() -> None:
    class File:
        pass

    def read() -> weakref.ref[File]:
        file = File()
        try:
            try:
                raise OSError("no room")
            except OSError as error:
                raise DecodeError("a", "no pixels") from error
        except DecodeError as error:
            failures.append(Failure("a", "decode", error))
        return weakref.ref(file)

    failures: list[Failure] = []
    users = KeyError("the user's own")
    try:
        raise users
    except KeyError:
        assert read()() is None
    assert users.__traceback__ is not None
    assert str(failures[0].error.__cause__) == "no room"


def test_evidence_that_does_not_apply_is_json_without_nan() -> None:
    evidence = Evidence.not_applicable("no mark is known")
    assert not evidence.applicable
    assert math.isnan(evidence.score)
    assert json.loads(json.dumps(evidence.to_dict(), allow_nan=False))["score"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": None}, r"Evidence: score=None; need a number; where there is nothing to go on, type Evidence.not_"),
        ({"score": "0.5"}, "score='0.5'; need a number"),
        ({"score": np.array([3.0])}, r"score=array\(\[3.\]\); need a number"),
        ({"score": np.array([3.0, 4.0])}, "need a number"),
        ({"text": None}, "text=None; need a sentence"),
        ({"region": (0, 0, 5, 5)}, r"region=\(0, 0, 5, 5\); need a Region, or None"),
        ({"heatmap": [[1.0]]}, r"heatmap=\[\[1.0\]\]; need an array \(h, w\), not empty"),
        ({"heatmap": np.ones((4, 4, 1), np.float32)}, "heatmap=array"),
        ({"heatmap": np.zeros((0, 0), np.float32)}, "heatmap=array"),
        ({"references": None}, "references=None; need a list of the references' ids"),
        ({"references": "r1"}, "references='r1'; need a list"),
        ({"references": [1]}, r"references=\[1\]; need a list"),
        ({"points": np.ones((3, 3), np.float32)}, "points=array"),
        ({"points": [[1, 2, 3, 4]]}, r"points=\[\[1, 2, 3, 4\]\]; need an array \(m, 4\), or None"),
        ({"crops": (np.zeros((4, 4, 3), np.uint8),) * 2}, "crops=.*; need two PhotoView"),
        ({"crops": [PhotoView("a", b"", (1, 1))]}, "crops=.*; need two PhotoView"),
        ({"crops": PhotoView("a", b"", (1, 1))}, "crops=.*; need two PhotoView"),
        ({"covered": None}, r"covered=None; need a share, 0\.\.1"),
        ({"covered": math.nan}, "covered=nan; need a share"),
        ({"uneven": -0.5}, r"uneven=-0\.5; need a share, 0\.\.1"),
        ({"shaded": 1.5}, r"shaded=1\.5; need a share, 0\.\.1"),
        ({"sharpness": -1.0}, r"sharpness=-1\.0; need a number from 0, or None"),
        ({"steps": 1.5}, r"steps=1\.5; need a share, 0\.\.1"),
        ({"grain": -1.0}, r"grain=-1\.0; need a number from 0"),
        ({"unlike": None}, r"unlike=None; need a number from 0"),
        ({"unlike": math.inf}, r"unlike=inf; need a number from 0"),
        ({"joint": None}, "joint=None; need a brand's name, or an empty text"),
    ],
)
def test_bad_evidence_is_refused_by_field(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Evidence(**{"score": 1.0, "text": "odd"} | change)


def test_evidence_takes_numbers_and_lists_of_any_kind() -> None:
    crop = PhotoView("a", b"", (1, 1))
    for score in (3, np.float32(3), np.array(3.0), np.int64(3), Decimal(3)):
        evidence = Evidence(score, "odd", references=["r1"], crops=[crop, crop], applicable=np.bool_(True))
        assert evidence == Evidence(3.0, "odd", references=("r1",), crops=(crop, crop))
        assert json.dumps(evidence.to_dict())
    assert math.isnan(Evidence(np.float32("nan"), "odd").score)


def test_evidence_is_plain_values() -> None:
    heatmap = np.array([[0, 0.123456]], np.float32)
    evidence = Evidence(np.float32(0.5), "odd", 0.25, 1, Region(0, 0, 2, 2), heatmap, ("r1",))
    assert json.loads(json.dumps(evidence.to_dict(), allow_nan=False)) == {
        "score": 0.5,
        "p_value": 0.25,
        "applicable": True,
        "text": "odd",
        "photo": 1,
        "covered": 0.0,
        "uneven": 0.0,
        "shaded": 0.0,
        "sharpness": None,
        "steps": 0.0,
        "grain": 0.0,
        "unlike": 0.0,
        "joint": "",
        "region": [0, 0, 2, 2],
        "heatmap": [[0, 0.1235]],
        "references": ["r1"],
        "points": None,
    }


def verdict(**changes) -> Verdict:
    fields = {
        "id": "l",
        "decision": "review",
        "risk": 0.5,
        "p_value": 0.1,
        "reason": "why",
        "product": "bag",
        "brand": "acme",
        "claims": {"similarity": Evidence(0.1, "near"), "wordmark": Evidence.not_applicable("none")},
    }
    return Verdict(**fields | changes)


@pytest.mark.parametrize("risk", [math.nan, math.inf, -0.01, 1.01])
def test_a_risk_is_finite_and_in_0_to_1(risk: float) -> None:
    with pytest.raises(InputError, match=r"risk=.* is not in 0\.\.1"):
        verdict(risk=risk)


def test_only_the_four_words_are_decisions() -> None:
    for word in DECISIONS:
        assert verdict(decision=word).decision == word
    with pytest.raises(InputError, match=r"decision='fake'; the words are suspected, review, insufficient_ev"):
        verdict(decision="fake")


def test_a_verdict_is_json_without_nan() -> None:
    failures, about = (Failure("l", "decode", DecodeError("x", "y")),), MappingProxyType({"Alarm level": "at most 5 %"})
    data = json.loads(json.dumps(verdict(failures=failures, about=about).to_dict(), allow_nan=False))
    assert data["decision"] == "review"
    assert data["about"] == {"Alarm level": "at most 5 %"}  # without which no verdict should be quoted
    assert data["claims"]["wordmark"]["applicable"] is False
    assert data["failures"][0]["error"] == "DecodeError"


def test_a_small_copy_shows_itself_in_a_notebook() -> None:
    assert PhotoView("front.jpg", b"\xff\xd8", (9, 9))._repr_jpeg_() == b"\xff\xd8"


def test_what_utf8_cannot_say_is_its_escape_in_a_notebook() -> None:
    half = Evidence(0.1, "half a letter: \ud83d")
    for shown in (verdict(claims={"similarity": half}), Report([verdict(id="\ud83d")])):
        assert "\\ud83d" in shown._repr_html_().encode().decode()


def test_a_verdict_as_json_says_whose_offer_it_is_about_and_which_photos() -> None:
    offer = Listing(
        id="l", photos=[b"..."], title="bag", price=9, currency="EUR", seller=Seller("7", "Anna"), platform="bazaar"
    )
    data = verdict(listing=offer, photos=(PhotoView("front.jpg", b"", (9, 9), sha256="ab12"),)).to_dict()
    assert json.loads(json.dumps(data["listing"])) == {
        "id": "l",
        "title": "bag",
        "price": 9.0,
        "currency": "EUR",
        "seller": {"id": "7", "name": "Anna"},
        "platform": "bazaar",
        "channel": "online",
    }
    assert (data["photos"], data["photos_sha256"]) == (["front.jpg"], ["ab12"])
    assert (verdict().to_dict()["listing"], Listing(id="l", photos=[b"..."]).to_dict()) == (
        None,
        {"id": "l", "channel": "online"},
    )


def test_a_changed_copy_of_a_verdict_is_checked_too() -> None:
    assert dataclasses.replace(verdict(), stale=True).stale
    with pytest.raises(InputError):
        dataclasses.replace(verdict(), risk=2.0)
    assert repr(verdict()) == "<Verdict l: review, risk 0.50, product bag>"


# --- errors ----------------------------------------------------------------------------------------------------------


def test_every_error_is_in_the_tree_and_in_its_drawing() -> None:
    for name in errors.__all__:
        if name != "require":
            assert issubclass(getattr(errors, name), CounterfeitVisionError), name
            assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("InputError", ValueError),
        ("ManifestError", ValueError),
        ("DuplicateIdError", ValueError),
        ("DecodeError", ValueError),
        ("WeightsError", RuntimeError),
        ("CatalogError", RuntimeError),
        ("CorruptCatalogError", RuntimeError),
        ("FingerprintError", RuntimeError),
        ("NotCalibratedError", RuntimeError),
        ("MissingExtraError", ImportError),
    ],
)
def test_errors_are_caught_by_the_builtin_that_people_expect(name: str, builtin: type) -> None:
    assert issubclass(getattr(errors, name), builtin)


def test_a_missing_extra_is_told_with_the_line_to_type() -> None:
    with pytest.raises(
        MissingExtraError, match=r'drawing needs \'no_such_module\'.*pip install "counterfeit-vision\[plot\]"'
    ):
        require("no_such_module", extra="plot", purpose="drawing")
    assert require("json", extra="plot", purpose="drawing") is json


class Table:
    """What looks like a data frame."""

    columns = ("id", "photo")


@pytest.mark.parametrize(
    ("photos", "typed"),
    [
        ({"a": b"photo"}, "need a list of photos, not a dict; type embed(list(photos.values()), encoder=encoder)"),
        (Table(), "need a list of photos, not a Table; type embed(list(table['photo']), encoder=encoder)"),
        ("a.jpg", "need a list of photos; for one photo type embed([photo], encoder=encoder)"),
        (Listing(id="l", photos=["a.jpg"]), "got one Listing, 'l'; type embed(list(listing.photos), encoder=encoder)"),
    ],
    ids=["dict", "table", "text", "listing"],
)
def test_where_photos_alone_are_taken_the_advice_is_about_photos(photos: object, typed: str) -> None:
    with pytest.raises(InputError, match=rf"^embed\(\): .*{re.escape(typed)}$"):
        embed(photos, encoder=object())  # type: ignore[arg-type]


def test_a_verdict_equals_its_copy_and_can_be_in_a_set() -> None:
    """With arrays, what does not apply (NaN) and photos that failed, as all of these come from other processes."""
    heat, points = np.eye(3, dtype=np.float32), np.ones((2, 4), np.float32)
    claims = {
        "patches": Evidence(1.5, "Odd.", 0.01, heatmap=heat, points=points),
        "price": Evidence.not_applicable("No price."),
    }
    listing = Listing(id="l", photos=[np.zeros((2, 2, 3), np.uint8)])
    failures = (Failure("l photo 2", "decode", DecodeError("b.jpg", "no pixels")),)
    verdict = Verdict(
        id="l", decision="suspected", risk=0.9, p_value=0.01, reason="Odd.", product="p", brand="b", claims=claims,
        listing=listing, failures=failures,
    )  # fmt: skip
    copy = pickle.loads(pickle.dumps(verdict))
    assert copy == verdict
    assert {copy, verdict} == {verdict}
    assert {claims["price"], copy.claims["price"], failures[0], copy.failures[0]} == {claims["price"], failures[0]}
    other = dataclasses.replace(claims["patches"], heatmap=heat[::-1])
    for change in ({"claims": {**claims, "patches": other}}, {"risk": 0.8}, {"failures": ()}):
        assert dataclasses.replace(verdict, **change) != verdict
    assert verdict != "l"


def test_reports_of_the_same_results_are_equal() -> None:
    results = [verdict(), Failure("m", "decode", DecodeError("m", "no pixels"))]
    report = Report(results)
    assert report == Report([dataclasses.replace(verdict()), results[1]], about={"Version": "another"})
    assert report != Report(results[:1])
    assert report != results


# --- empty cells as texts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NaT", "<NA>", "None"])
def test_what_an_empty_cell_becomes_as_a_text_says_nothing(nothing: str) -> None:
    texts = ("brand", "product", "title", "currency", "seller", "platform", "channel", "region", "url", "captured_at")
    said = dict.fromkeys((*texts, "price"), nothing)
    assert Listing(id="l", photos=["1.jpg"], **said) == Listing(id="l", photos=["1.jpg"])
    assert Listing(id="l", photos=[], seller={"id": nothing, "name": nothing}).seller is None
    assert Listing(id="l", photos=[], seller=Seller("7", nothing)).seller == Seller("7")
    assert Seller(nothing, "Anna").id == ""
    kept = Reference(id="r", photo="1.jpg", brand="acme", product="bag", category=nothing, currency=nothing)
    assert (kept.category, kept.currency) == (None, None)
    assert Listing(id="l", photos=[], brand=f"{nothing} so", title=nothing.swapcase()).brand == f"{nothing} so"
