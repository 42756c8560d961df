"""What is learned of a product is kept on disk: it comes back bit for bit, or is learned anew."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import offered
from goods import BOX, TILT, label, seen
from PIL import Image

from counterfeit_vision import (
    Catalog,
    Embeddings,
    Evidence,
    Inspector,
    Listing,
    Reference,
    Region,
)
from counterfeit_vision import (
    _version as version,
)
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import DecodeError, InputError
from counterfeit_vision.heads import Ink, Look, Mark, Similarity, Suspects, default_heads, wordmark
from counterfeit_vision.index import catalog as catalog_module
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.index.tiles import tile_boxes
from counterfeit_vision.io import cache as cache_module
from counterfeit_vision.io import memory
from counterfeit_vision.io.cache import EmbeddingCache, opener
from counterfeit_vision.io.memory import Memory
from counterfeit_vision.io.packing import pack, unpack
from counterfeit_vision.judging import judge
from counterfeit_vision.marks import regions
from counterfeit_vision.marks.alone import MarkAlone
from counterfeit_vision.marks.details import MarkDetails
from counterfeit_vision.marks.ink import MarkInk
from counterfeit_vision.products.marks import GoodsMarks
from counterfeit_vision.products.whole import WholeProduct


@dataclass(frozen=True, eq=False)
class Inner:
    number: float
    array: np.ndarray
    cached: dict[str, int] = field(default_factory=dict, init=False)


@dataclass(frozen=True, eq=False)
class Outer:
    parts: tuple[Inner | None, ...]
    text: str


CLAIMS = {"mark", "look", "patches", "strokes", "ink", "layout", "wordmark", "drawing", "pattern", "colours", "reuse"}
ARRAYS = [
    np.zeros((0, 3), np.float32),
    np.array([np.nan, np.inf, -0.0, 1 / 3]),
    np.array([[True, False]]),
    np.arange(6, dtype=np.uint8).reshape(1, 2, 3)[:, ::-1],
    np.array(2.5, np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_arrays_come_back_bit_for_bit(array: np.ndarray) -> None:
    back = unpack(pack(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_dataclasses_come_back_with_all_that_they_are_made_of() -> None:
    value = Outer((Inner(float("inf"), np.arange(3)), None), "Žižka 真")
    value.parts[0].cached["what is made on use"] = 1  # type: ignore[union-attr]
    back = unpack(pack(value), [Inner, Outer])
    assert back.text == value.text
    assert back.parts[1] is None
    assert back.parts[0].number == float("inf")
    assert back.parts[0].array.tolist() == [0, 1, 2]
    assert back.parts[0].cached == {}
    assert unpack(pack((1, 0.1, True, None, "a", b"\0a", ()))) == (1, 0.1, True, None, "a", b"\0a", ())


def test_numbers_of_numpy_and_lists_come_back_as_python_has_them() -> None:
    assert unpack(pack([np.float32(0.5), np.int64(2), [np.bool_(True)]])) == (0.5, 2, (True,))


def test_bytes_that_stand_in_many_places_are_kept_once() -> None:
    crop = np.random.default_rng(0).bytes(9_000)
    many = pack(((crop, "one"), (crop, "two"), bytes(bytearray(crop))))
    assert len(many) < 10_000
    assert unpack(many) == ((crop, "one"), (crop, "two"), crop)


@pytest.mark.parametrize("value", [{"a": 1}, Outer, np.array([None]), 1j, {1}], ids=str)
def test_what_is_none_of_these_is_not_packed(value: object) -> None:
    with pytest.raises(TypeError, match="no array, dataclass, sequence, number, text or bytes"):
        pack((1, value))


def test_nothing_but_the_named_dataclasses_is_made_and_nothing_is_unpickled() -> None:
    with pytest.raises(ValueError, match="not packed by this version"):
        unpack(pack(Outer((), "")), [Inner])
    pickled, shape = io.BytesIO(), json.dumps({"array": "0"})
    np.savez(pickled, **{"shape": np.array(shape), "0": np.array([print], object)})  # type: ignore[arg-type]
    for data in (b"", b"PK", pickled.getvalue(), pack(1)[:-30], pack(np.arange(9))[:60]):
        with pytest.raises(ValueError, match=r"not packed by this version|allow_pickle"):
            unpack(data, [Inner])


def counted(value: object) -> tuple[Callable[[], object], list[int]]:
    calls: list[int] = []

    def make() -> object:
        calls.append(1)
        return value

    return make, calls


def test_what_was_learned_once_is_not_learned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, calls = counted((1.5, "a"))
    with EmbeddingCache(tmp_path / "e.sqlite") as given:
        open_cache = opener(given)
    for _ in range(2):  # the cache that was given is closed
        assert Memory(open_cache, "photos")("name", [], make) == (1.5, "a")
    assert len(calls) == 1
    Memory(open_cache, "other photos")("name", [], make)
    Memory(open_cache, "photos")("other name", [], make)
    assert len(calls) == 3
    monkeypatch.setattr(memory, "code_sha256", lambda: "other code")
    Memory(open_cache, "photos")("name", [], make)
    assert len(calls) == 4


def test_what_another_small_head_of_the_package_told_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreground").mkdir()
    monkeypatch.setattr(version, "recipe_folder", lambda: tmp_path)
    codes = set()
    for weights in (b"one", b"two"):
        (tmp_path / "foreground" / "a.safetensors").write_bytes(weights)
        codes.add(version.code_sha256.__wrapped__())
    assert len(codes) == 2


def test_without_a_cache_it_is_learned_each_time() -> None:
    make, calls = counted(1)
    for _ in range(2):
        assert Memory(opener(False), "photos")("name", [], make) == 1
    assert len(calls) == 2


def test_what_cannot_be_read_any_more_is_learned_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, (make, calls) = tmp_path / "e.sqlite", counted(1)
    known = Memory(opener(EmbeddingCache(path)), "photos")
    monkeypatch.setattr(memory, "pack", lambda value: b"nothing that was packed")
    known("name", [], make)
    monkeypatch.undo()
    assert known("name", [], make) == 1
    assert known("name", [], make) == 1
    assert len(calls) == 2


def test_an_interrupt_while_it_is_kept_leaves_the_file_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        with monkeypatch.context() as patch:
            patch.setattr(cache_module, "_checksum", stop)
            with pytest.raises(KeyboardInterrupt):
                Memory(lambda: contextlib.nullcontext(cache), "0" * 64).put("claim", 1)
        with contextlib.closing(sqlite3.connect(cache.path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")


def test_a_cache_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="need True, False or a cache"):
        opener("embeddings.sqlite")  # type: ignore[arg-type]


def test_what_is_known_of_marks_is_remembered_by_all_that_decides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version of the goods, the encoder and its precision, and where the references show the product."""
    versions = (SimpleNamespace(rows=(0, 1)), SimpleNamespace(rows=(2,)))
    stencil: Any = SimpleNamespace(rows=(0, 1, 2), versions=versions)
    monkeypatch.setattr(MarkInk, "all_of", lambda one: one.rows)
    monkeypatch.setattr(MarkAlone, "each_of", lambda one, photos: one.rows)
    monkeypatch.setattr(MarkDetails, "of", lambda one, alone, encoder: (encoder.fingerprint, encoder.dtype))
    monkeypatch.setattr(WholeProduct, "of", lambda one, photos, products: float(products[0].mean()))
    open_cache = opener(EmbeddingCache(tmp_path / "e.sqlite"))
    for encoder in [("one", "float32"), ("other", "float32"), ("one", "bfloat16")]:
        for sure in (0.5, 1.0):
            known = GoodsMarks(
                np.arange(3), stencil, SimpleNamespace(fingerprint=encoder[0], dtype=encoder[1]),
                Memory(open_cache, "photos"), lambda row: np.zeros((2, 2, 3), np.uint8),
                lambda row, sure=sure: np.full((7, 7), sure, np.float32),
            )  # fmt: skip
            assert [one.ink for one in (known, *known.versions)] == [(0, 1, 2), (0, 1), (2,)]
            assert known.details == encoder
            assert known.whole == sure


def test_what_is_known_of_references_is_forgotten_where_their_regions_or_sizes_change(
    tiny_encoder: TowerEncoder,
) -> None:
    def key(regions: list[Region], side: int = 1600) -> str:
        photo = np.full((side, side, 3), 90, np.uint8)  # of which 800 pixels on the side are kept
        row = Reference(id="a", photo=photo, brand="b", product="p", regions=regions)
        return Catalog.build([row], encoder=tiny_encoder, cache=False, find_marks=False).memory_of([0]).sha256

    small, large = [Region(2, 2, 40, 40)], [Region(2, 2, 80, 80)]
    assert key(small) == key(small)
    assert len({key(small), key(large), key([])}) == 3
    assert key([]) != key([], 1200)


def judged(catalog: Catalog, photos: list[np.ndarray]) -> list[list[tuple[float, str]]]:
    suspects = offered(catalog, photos, product="card")
    return [[(one.score, one.text) for one in head.score(suspects)] for head in default_heads() if head.name in CLAIMS]


@pytest.mark.usefixtures("reader")
def test_claims_by_what_the_disk_remembers_are_those_by_what_was_just_learned(
    tiny_encoder: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        Reference(id=f"{row}", photo=photo, brand="velmora", product="card", regions=[BOX] if row == 0 else [])
        for row, photo in enumerate([label(), seen(label(noise=1)), seen(label(noise=2), seed=8)])
    ]
    photos = [seen(label(noise=3)), seen(label("VELMQRA", noise=3)), label(noise=5)]
    plain = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    without = judged(plain, photos)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        built = Catalog.build(rows, encoder=tiny_encoder, cache=cache)
        anew = judged(built, photos)
        plain.save(tmp_path / "catalogue")
        loaded = Catalog.load(tmp_path / "catalogue", tiny_encoder, cache=cache)

    def never(*_: object) -> object:
        raise AssertionError("it is known already")

    monkeypatch.setattr(catalog_module, "make_stencil", never)
    monkeypatch.setattr(MarkDetails, "of", never)
    monkeypatch.setattr(MarkInk, "all_of", never)
    monkeypatch.setattr(wordmark, "_learned", never)
    remembered = judged(loaded, photos)
    np.testing.assert_equal(remembered, without)
    np.testing.assert_equal(anew, without)
    assert sum(not np.isnan(score) for claim in remembered for score, _ in claim) > 15


def test_a_catalogue_that_has_grown_is_built_anew_by_what_is_known(
    tiny_encoder: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(products: int) -> list[Reference]:
        return [
            Reference(id=f"{product} {row}", photo=photo, brand="velmora", product=f"card {product}", regions=regions)
            for product in range(products)
            for row, (photo, regions) in enumerate(
                [(label(noise=product), [BOX]), (seen(label(noise=9 + product)), [])]
            )
        ]

    bare = [Reference(id=f"bare {row}", photo=seen(label(noise=20 + row)), brand="b", product="b") for row in range(2)]
    encoded: list[int] = []
    looked: list[int] = []

    def encode(self: TowerEncoder, images: np.ndarray) -> Embeddings:
        encoded.append(len(images))
        return _encode(self, images)

    def find(*given: object) -> object:
        looked.append(1)
        return _found(*given)  # type: ignore[arg-type]

    _found, _encode = regions._found, TowerEncoder.encode
    monkeypatch.setattr(regions, "_found", find)
    monkeypatch.setattr(TowerEncoder, "encode", encode)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        first = Catalog.build([*rows(2), *bare], encoder=tiny_encoder, cache=cache)
        first.search([bare[0].photo], by="mark", cache=cache)
        asked = sum(encoded)
        encoded.clear()
        looked.clear()
        grown = Catalog.build([*rows(3), *bare], encoder=tiny_encoder, cache=cache)
        assert sum(encoded) == 2  # the two photos of the new product
        assert looked == []
        encoded.clear()
        grown.search([bare[0].photo], by="mark", cache=cache)
    marks, photo = len(first.regions(4) + first.regions(5)), bare[0].photo
    tiles = len(tile_boxes(photo.shape[1], photo.shape[0]))
    assert asked == 6 + 2 + marks + tiles  # photos, drawn regions, found ones; the tiles of the photo that is asked for
    assert sum(encoded) == 1 + tiles  # the new product's region; the tiles of the photo
    plain = Catalog.build([*rows(3), *bare], encoder=tiny_encoder, cache=False)
    assert [plain.regions(row) for row in range(8)] == [grown.regions(row) for row in range(8)]
    plain.search([bare[0].photo], by="mark", cache=False)
    assert grown.marks is not None
    assert plain.marks is not None
    np.testing.assert_allclose(grown.marks.vectors, plain.marks.vectors, atol=1e-6)
    monkeypatch.undo()
    photos = [seen(label(noise=3))]
    np.testing.assert_equal(judged(grown, photos), judged(plain, photos))


class Asked:
    """A head of one's own, that counts how often it is asked."""

    name = "asked"

    def __init__(self, fingerprint: str = "1") -> None:
        self.rows, self._fingerprint = 0, fingerprint

    def score(self, suspects: Suspects) -> list[Evidence]:
        self.rows += len(suspects)
        return [Evidence(float(len(one.sha256)), suspects.product_of(suspects.goods(row)))
                for row, one in enumerate(suspects.encoded)]  # fmt: skip


class Lasting(Asked):
    name = "lasting"

    @property
    def fingerprint(self) -> str:
        return self._fingerprint


class Inheriting(Lasting):
    name = "inheriting"


@pytest.fixture(scope="module")
def two(tiny_encoder: TowerEncoder) -> Catalog:
    rows = [
        Reference(id="card", photo=label(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="pen", photo=np.full((90, 90, 3), 50, np.uint8), brand="zeta", product="pen"),
    ]
    return Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)


def listings(*texts: str, **claims: str) -> list[Listing]:
    return [Listing(id=f"{row}", photos=[seen(label(text, noise=3))], **claims) for row, text in enumerate(texts)]


def heard(catalog: Catalog, heads: list[Any], asked: list[Listing], cache: EmbeddingCache | bool) -> str:
    """All that is said, but for the last digits of what depends on the batch."""
    said = []
    for listing, rows, failed in judge(asked, catalog, heads, cache=cache):
        plain = [dataclasses.replace(row, photo=row.photo.id, margin=round(row.margin, 5)) for row in rows]  # type: ignore[arg-type]
        said.append((listing, plain, failed))
    with np.printoptions(threshold=10**9):
        return repr(said)


def test_heads_are_not_asked_again_about_the_same_listing(two: Catalog, tmp_path: Path) -> None:
    mark, first, second, third = Mark(), Asked(), Lasting(), Inheriting()
    heads = [first, mark, second, third]
    both = listings("VELMORA", "VELMQRA")
    plain = heard(two, heads, both, cache=False)
    assert (first.rows, second.rows, third.rows) == (2, 2, 2)
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for total in (4, 4):
            assert heard(two, heads, both, cache) == plain
            assert second.rows == total
        assert (first.rows, third.rows) == (6, 6)  # they do not say what they depend on
        # a new one and, under another name, two known ones
        three = [*listings("VELMORR", "VELMQRA"), dataclasses.replace(both[0], id="2")]
        assert heard(two, heads, three, cache) == heard(two, heads, three, cache=False)
        assert second.rows == 4 + 1 + 3
        assert first.rows == third.rows == 6 + 3 + 3


@pytest.mark.parametrize(
    "other",
    [{"brand": "velmora"}, {"title": "a card"}, {"seller": "s"}],
    ids=str,
)
def test_another_claim_another_catalogue_or_other_settings_are_another_question(
    two: Catalog, tiny_encoder: TowerEncoder, tmp_path: Path, other: dict[str, str]
) -> None:
    one, new = Lasting(), Lasting("2")
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        heard(two, [one], listings("VELMORA"), cache)
        heard(two, [one], listings("VELMORA"), cache)
        assert one.rows == 1
        heard(two, [one], listings("VELMORA", **other), cache)
        assert one.rows == 2
        heard(two, [new], listings("VELMORA"), cache)
        assert new.rows == 1
        rows = [dataclasses.replace(two.references[0], product="another")]
        heard(Catalog.build(rows, encoder=tiny_encoder, cache=False), [one], listings("VELMORA"), cache)
        assert one.rows == 3


def test_what_is_remembered_of_one_listing_names_it_nowhere_to_another(two: Catalog, tmp_path: Path) -> None:
    (first,) = listings("VELMQRA")
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for asked in (dataclasses.replace(first, id="first"), dataclasses.replace(first, id="second")):
            ((_, (row,), _),) = judge([asked], two, [Mark(), Look(), Ink()], cache=cache)
    crops = [view.id for evidence in row.evidence for view in evidence.crops or ()]
    assert "this photo" in crops
    assert not any("first" in id for id in crops)


def test_where_the_index_is_ones_own_heads_are_asked_each_time(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    head, rows = Lasting(), [Reference(id="card", photo=label(), brand="velmora", product="card", regions=[BOX])]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for index, asked in ((None, 1), (ExactIndex, 2), (ExactIndex, 3), (None, 3)):
            catalog = Catalog.build(rows, encoder=tiny_encoder, index=index, cache=cache)
            heard(catalog, [head], listings("VELMORA"), cache)
            assert head.rows == asked


def test_a_photo_that_went_between_two_claims_is_not_remembered(two: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(seen(label(noise=3))).save(path)
    data = path.read_bytes()

    class Taking(Asked):
        name = "taking"
        fingerprint = ""

        def score(self, suspects: Suspects) -> list[Evidence]:
            path.unlink(missing_ok=True)
            return super().score(suspects)

    asked = [Listing(id="one", photos=[path])]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for _ in range(2):
            ((_, rows, failed),) = judge(asked, two, [Taking(), Mark()], cache=cache)
            assert rows == []
            assert failed[0].stage == "decode"
            path.write_bytes(data)
        ((_, rows, failed),) = judge(asked, two, [Asked(), Mark()], cache=cache)
        assert len(rows) == 1
        ((_, rows, failed),) = judge(asked, two, [Taking2(path), Mark()], cache=cache)  # known, but for one head
        assert rows == []
        assert failed[0].stage == "decode"


class Taking2(Asked):
    """Takes a photo away that it then asks for."""

    name = "taking too"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def score(self, suspects: Suspects) -> list[Evidence]:
        self.path.unlink(missing_ok=True)
        try:
            suspects.pixels(0)
        except DecodeError as error:
            return [Evidence.not_applicable(str(error))]
        return super().score(suspects)


def test_an_inspector_calibrates_and_inspects_by_what_was_heard(two: Catalog, tmp_path: Path) -> None:
    askew = [np.array([[1, 0.004 * (row % 6), 0], [0, 1, 0], [4e-5 * (row // 6), 0, 1]]) for row in range(30)]
    genuine = [seen(label(noise=10 + row), TILT @ askew[row], seed=row) for row in range(30)]
    head = Lasting()
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        first, second = (
            Inspector(two, heads=[Mark(), Similarity(), head], cache=cache).calibrate(genuine, alpha=alpha)
            for alpha in (0.05, 0.1)
        )
        assert head.rows == 30
        photos = [seen(label(noise=99)), seen(label("VELMQRA", noise=98))]
        once, again = (first.inspect(photos, strict=True) for _ in range(2))
        assert head.rows == 32
    assert [one.to_dict() for one in once] == [one.to_dict() for one in again]
    without = Inspector(two, heads=[Mark(), Similarity(), head], cache=False).calibrate(genuine, alpha=0.1)
    assert second.calibration is not None
    assert without.calibration is not None
    assert second.calibration.to_dict() == without.calibration.to_dict()
