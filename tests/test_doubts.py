"""Which references somebody should look at: photos of another brand's goods, and one file under two products."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.geometry.laying import scaled
from counterfeit_vision.heads import Similarity
from counterfeit_vision.index import audit as module
from counterfeit_vision.index.retrieval import Likeness
from counterfeit_vision.index.summary import facts

GOODS = {"cap": "acme", "bag": "acme", "shoe": "zeta", "belt": "zeta"}


def shot(seed: int, noise: int) -> np.ndarray:
    """A photo of the goods that a seed draws."""
    photo = scaled(picture(seed, 12, 16), 10).astype(np.int16)
    return np.clip(photo + np.random.default_rng(noise).integers(-12, 12, photo.shape), 0, 255).astype(np.uint8)


def rows(many: int = 5) -> list[cv.Reference]:
    """References of two products of each of two brands."""
    return [
        cv.Reference(id=f"{product} {n}", photo=shot(seed, 10 * seed + n), brand=brand, product=product)
        for seed, (product, brand) in enumerate(GOODS.items(), 1)
        for n in range(many)
    ]


def with_wrong(references: list[cv.Reference], *ids: str, seed: int = 3) -> list[cv.Reference]:
    """The photos of some show what another seed draws."""
    return [
        dataclasses.replace(row, photo=shot(seed, 100 + place)) if row.id in ids else row
        for place, row in enumerate(references)
    ]


def build(references: list[cv.Reference], encoder: TowerEncoder) -> cv.Catalog:
    return cv.Catalog.build(references, encoder=encoder, cache=False, find_marks=False)


@pytest.mark.parametrize("wrong", [("cap 1",), ("cap 0", "cap 3")])
def test_photos_of_another_brands_goods_are_named_and_no_others(
    tiny_encoder: TowerEncoder, wrong: tuple[str, ...]
) -> None:
    told = "is more like 'shoe' of 'zeta' than like the other photos of 'cap'"
    said = rf"^{len(wrong)} references? of 20 .* \(catalog.doubts\): '{wrong[0]}' {told}.* leave it out$"
    with pytest.warns(RuntimeWarning, match=said) as warned:
        catalog = build(with_wrong(rows(), *wrong), tiny_encoder)
    assert [one.filename for one in warned] == [__file__]
    assert catalog.doubts == dict.fromkeys(wrong, told)


def marked(row: cv.Reference, mark: int, at: int) -> cv.Reference:
    """The same, twice as large, with one of two marks that begins ``at`` so many pixels from the left."""
    photo = scaled(np.asarray(row.photo), 2)
    photo[60:180, at : at + 120] = scaled(picture(90 + mark, 12, 12), 10)
    return dataclasses.replace(row, photo=photo, regions=[cv.Region(at, 60, at + 120, 180)])


def all_marked(some: Iterable[cv.Reference], marks: Sequence[int]) -> list[cv.Reference]:
    return [marked(row, mark, 100 + 2 * n) for n, (row, mark) in enumerate(zip(some, marks, strict=True))]


@pytest.mark.parametrize(
    ("marks", "wrong", "named"),
    [
        ((1, 1, 1, 1, 1), ["cap 0"], []),
        ((2, 1, 1, 1, 1), ["cap 0"], ["cap 0"]),
        ((2, 1, 1, 2, 1), ["cap 0", "cap 3"], ["cap 0", "cap 3"]),  # they do not vouch for each other
    ],
)
def test_a_photo_that_bears_its_products_marks_is_no_doubt_whatever_it_is_more_like(
    tiny_encoder: TowerEncoder, marks: Sequence[int], wrong: list[str], named: list[str]
) -> None:
    cap, *others = np.split(np.array(with_wrong(rows(), *wrong), object), 4)
    with pytest.warns(RuntimeWarning) if named else contextlib.nullcontext():
        assert [*build([*all_marked(cap, marks), *np.concatenate(others)], tiny_encoder).doubts] == named


def test_marks_that_the_other_brands_photos_bear_too_as_a_shops_watermark_vouch_for_none(
    tiny_encoder: TowerEncoder,
) -> None:
    cap, bag, shoe, belt = np.split(np.array(with_wrong(rows(), "cap 0"), object), 4)
    with pytest.warns(RuntimeWarning):
        catalog = build([*all_marked(cap, [1] * 5), *bag, *all_marked(shoe, [1] * 5), *belt], tiny_encoder)
    assert [*catalog.doubts] == ["cap 0"]


def test_a_clean_catalogue_has_no_doubts(tiny_encoder: TowerEncoder) -> None:
    catalog = build(rows(), tiny_encoder)
    assert catalog.doubts == {}
    assert catalog.info()["doubts"] == {}
    assert "doubt" not in dict(facts(catalog.info()))


def test_two_wrong_photos_that_are_alike_do_not_vouch_for_each_other(tiny_encoder: TowerEncoder) -> None:
    def moved(by: int) -> np.ndarray:
        return np.roll(shot(3, 200 + by), by, axis=1)

    places = {"cap 0": 30, "cap 3": 31, "shoe 0": 0, "shoe 1": 12, "shoe 2": 60, "shoe 3": 80, "shoe 4": 100}
    references = [dataclasses.replace(row, photo=moved(places[row.id])) if row.id in places else row for row in rows()]
    with pytest.warns(RuntimeWarning):
        assert [*build(references, tiny_encoder).doubts] == ["cap 0", "cap 3"]


def test_of_two_references_nobody_can_tell_which_is_wrong(tiny_encoder: TowerEncoder) -> None:
    assert build(with_wrong(rows(2), "cap 1"), tiny_encoder).doubts == {}
    with pytest.warns(RuntimeWarning, match="1 reference of 12"):
        assert [*build(with_wrong(rows(3), "cap 1"), tiny_encoder).doubts] == ["cap 1"]


def test_goods_that_two_brands_sell_are_not_told_apart(tiny_encoder: TowerEncoder) -> None:
    same = {"shoe": "cap", "belt": "bag"}
    seeds = {"cap": 1, "bag": 2}
    twins = [
        dataclasses.replace(row, photo=shot(seeds[same[row.product]], 500 + place)) if row.product in same else row
        for place, row in enumerate(rows())
    ]
    assert build(twins, tiny_encoder).doubts == {}


def test_what_two_brands_sell_alike_is_no_doubt_however_unlike_one_photo_of_it_is(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(RuntimeWarning):
        catalog = build(with_wrong(rows(), "cap 1"), tiny_encoder)
    again = cv.Catalog(catalog.kept, encoder=tiny_encoder)
    monkeypatch.setattr(again.likeness, "usual_margin", lambda goods, other: 0.1)
    assert again.doubts == {}


def test_photos_that_wrong_ones_resemble_are_not_named_beside_them(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARE", 1.0)
    with pytest.warns(RuntimeWarning):
        catalog = build(with_wrong(rows(), "cap 0", "cap 3"), tiny_encoder)
    assert [*catalog.doubts] == ["cap 0", "cap 3"]
    assert {*catalog.doubts} < asked_once(catalog), "all of these without leaving out what is named"


def asked_once(catalog: cv.Catalog) -> set[str]:
    """The references that are more like a product of the other brand, each asked by itself and all others there."""
    found = set()
    for row, reference in enumerate(catalog.references):
        own = np.flatnonzero((catalog.goods == catalog.goods[row]) & (np.arange(len(catalog)) != row))
        others = [np.flatnonzero(catalog.products == name) for name, brand in GOODS.items() if brand != reference.brand]
        like = catalog.likeness.of_reference(row, [own, *others])
        found |= {reference.id} if like[1:].max() > like[0] else set()
    return found


def test_only_what_is_near_by_its_vector_is_compared_closely_and_the_same_is_named(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = with_wrong(rows(), "cap 1", "belt 2", seed=7)
    references = with_wrong(references, "cap 0", "bag 4")
    with pytest.warns(RuntimeWarning):
        catalog = build(references, tiny_encoder)
    monkeypatch.setattr(module, "NEAR", 2.0)  # all are
    slow, compared = cv.Catalog(catalog.kept, encoder=tiny_encoder), list[int]()
    like = Likeness.of_reference

    def spy(self: Likeness, row: int, *rest: Any) -> np.ndarray:
        compared.append(row)
        return like(self, row, *rest)

    monkeypatch.setattr(Likeness, "of_reference", spy)
    assert slow.doubts == catalog.doubts
    assert len(set(compared)) == 20
    monkeypatch.undo()
    monkeypatch.setattr(Likeness, "of_reference", spy)
    compared.clear()
    assert cv.Catalog(catalog.kept, encoder=tiny_encoder).doubts == catalog.doubts
    assert len(set(compared)) < 20


def test_one_file_under_two_products_is_named_twice_and_known_fakes_are_not(tiny_encoder: TowerEncoder) -> None:
    references = rows()
    for there, product in ((5, "'bag' of 'acme'"), (10, "'shoe' of 'zeta'")):
        both = [*references]
        both[there] = dataclasses.replace(both[there], photo=references[0].photo)
        with pytest.warns(RuntimeWarning, match="^2 references of 20") as warned:
            catalog = build(both, tiny_encoder)
        assert len(warned) == 1
        assert catalog.doubts == {
            "cap 0": f"is one file with '{both[there].id}', which is filed under {product}",
            both[there].id: "is one file with 'cap 0', which is filed under 'cap' of 'acme'",
        }
    fake = dataclasses.replace(references[0], id="fake", product="shoe", brand="zeta", gallery="known_fake")
    again = dataclasses.replace(references[0], id="again")
    with pytest.warns(RuntimeWarning, match="are one file"):
        assert build([*references, fake, again], tiny_encoder).doubts == {}


def test_doubts_are_told_after_loading_and_in_plain_values(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning):
        catalog = build(with_wrong(rows(), "cap 1"), tiny_encoder)
    catalog.save(tmp_path / "catalog")
    again = cv.Catalog.load(tmp_path / "catalog", encoder=tiny_encoder)
    assert again.doubts == catalog.doubts
    assert json.loads(json.dumps(again.info()))["doubts"] == again.doubts
    assert ("doubt", f"'cap 1' {again.doubts['cap 1']}") in facts(again.info())


def test_who_inspects_or_prints_it_does_not_wait_for_the_doubts_of_a_loaded_catalogue(
    tiny_encoder: TowerEncoder, tmp_path: Path
) -> None:
    build(rows(), tiny_encoder).save(tmp_path / "catalog")
    catalog = cv.Catalog.load(tmp_path / "catalog", encoder=tiny_encoder)
    inspector = cv.Inspector(catalog, [Similarity()], cache=False).calibrate([shot(1, 300 + n) for n in range(30)])
    assert len(inspector.inspect([shot(1, 400)])) == 1
    assert "20 genuine photos" in inspector.about()["Catalogue"]
    assert "20 references" in repr(catalog)
    assert "doubts" not in vars(catalog)
    assert catalog.info()["doubts"] == vars(catalog)["doubts"] == {}


def test_many_references_are_asked_about_only_where_somebody_asks(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfeit_vision.index.catalog.DOUBTED", 19)
    catalog = build(with_wrong(rows(), "cap 1"), tiny_encoder)  # no warning
    assert catalog.info()["doubts"] is None
    assert all(name != "doubt" for name, _ in facts(catalog.info()))
    assert list(catalog.doubts) == ["cap 1"]


def test_a_small_convolutional_network_is_not_asked_what_looks_alike(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes too many genuine photos for another brand's; one file under two products is told all the same."""
    monkeypatch.setattr("counterfeit_vision.encoders.depths.is_transformer", lambda encoder: False)
    references = [*with_wrong(rows(), "cap 1"), dataclasses.replace(rows()[-1], id="twin", brand="acme", product="cap")]
    with pytest.warns(RuntimeWarning, match=r"^2 references of 21"):
        catalog = build(references, tiny_encoder)
    assert list(catalog.doubts) == ["belt 4", "twin"]
