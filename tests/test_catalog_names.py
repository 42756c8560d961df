"""Brands and products in a catalogue are told by their names, however those are spelt."""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import (
    InputError,
)
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.index.names import one_spelling
from counterfeit_vision.types import Listing, Reference


def test_two_brands_with_a_product_of_one_name_are_two_goods(tiny_encoder, photos: list[Path]) -> None:
    rows = [
        Reference(id=f"{brand}-{number}", photo=photos[2 * place + number], brand=brand, product="cap")
        for place, brand in enumerate(("acme", "zeta"))
        for number in range(2)
    ]
    built = Catalog.build(rows, encoder=tiny_encoder)
    assert [group.tolist() for group in built.likeness.by_product(np.arange(4))] == [[0, 1], [2, 3]]
    assert built.likeness.cohort_goods.tolist() == ["acme/cap", "zeta/cap"]


def test_a_product_is_found_by_its_name_where_the_brand_is_spelt_as_none_that_is_known(tree_catalog: Catalog) -> None:
    listing = Listing(id="l", photos=["a.jpg"], brand="zetta", product="mug")
    assert tree_catalog.claimed_by(listing).tolist() == tree_catalog.rows_of(product="mug").tolist() != []


def test_a_product_is_told_by_its_brand_where_another_brand_has_one_of_that_name(
    references: list[Reference], tiny_encoder: TowerEncoder
) -> None:
    named = [dataclasses.replace(row, product="cap" if row.product == "mug" else row.product) for row in references]
    catalog = Catalog.build(named, encoder=tiny_encoder)
    assert {row.product for row in catalog.references if catalog.has_namesake(row)} == {"cap"}


def test_a_name_is_found_however_its_accents_are_written(references: list[Reference], tiny_encoder) -> None:
    written, typed = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFD", "NFC"))  # as Macs do, and not
    assert written != typed
    renamed = [dataclasses.replace(row, brand=row.brand + written, product=row.product + written) for row in references]
    catalog = Catalog.build(renamed, encoder=tiny_encoder, find_marks=False)
    listing = Listing(id="l", photos=["a.jpg"], brand=f"zeta{typed}", product=f"mug{typed}")
    rows = [row for row, reference in enumerate(references) if reference.product == "mug"]
    assert catalog.claimed_by(listing).tolist() == catalog.rows_of(product=f"mug{typed}").tolist() == rows
    found = catalog.search([renamed[0].photo], k=1, brand=f"acme{typed}")
    assert found.ids[0, 0] == "r0"
    assert found.products[0, 0] == renamed[0].product  # as it was given
    for strange, named in ((5, "5"), (["x"], r"\['x'\]")):
        with pytest.raises(InputError, match=f"the catalogue knows no brand {named}; it knows acme"):
            catalog.search([renamed[0].photo], brand=strange)  # type: ignore[arg-type]


def test_a_name_is_found_in_other_case_and_blanks_where_no_other_is_as_near(
    references: list[Reference], tiny_encoder
) -> None:
    catalog = Catalog.build(references, encoder=tiny_encoder, find_marks=False)
    listing = Listing(id="l", photos=["a.jpg"], brand=" ZETA", product="Mug ")
    assert catalog.claimed_by(listing).tolist() == catalog.rows_of(product="mug").tolist() != []
    assert catalog.search([references[0].photo], k=1, brand="Acme").ids[0, 0] == "r0"


def test_names_that_differ_in_case_and_blanks_alone_are_one_as_most_references_spell_it(
    references: list[Reference], tiny_encoder, tmp_path: Path
) -> None:
    def spelt(other: Sequence[bool]) -> list[Reference]:
        return [
            dataclasses.replace(
                row, **{field: f" {name.upper()}" if is_other else name for field, name in names.items()}
            )
            for row, is_other in zip(references, other, strict=True)
            for names in [{"brand": row.brand.title(), "product": row.product.title(), "category": "Bags"}]
        ]

    products = [row.product for row in references]
    second = [products[:row].count(product) == 1 for row, product in enumerate(products)]
    rows, told = (
        spelt(second),
        r"^8 names in .* alone: 'Acme' = ' ACME', 'Bag' = ' BAG', .* and 3 more; each counts as one",
    )
    one = Catalog.build(spelt([False] * 12), encoder=tiny_encoder, find_marks=False)
    with pytest.warns(RuntimeWarning, match=told) as warned:
        two = Catalog.build(rows, encoder=tiny_encoder, find_marks=False)
    assert len(warned) == 1
    assert (two.info(), two.generation) == (one.info(), one.generation)
    assert two.goods.tolist() == one.goods.tolist()
    assert two.centre.tolist() == one.centre.tolist()
    assert {row.category for row in two.references} == {"Bags"}
    assert {row.brand for row in one_spelling(spelt([not odd for odd in second]))[0]} == {" ACME", " ZETA"}
    as_given = [
        dataclasses.replace(kept, brand=row.brand, product=row.product, category=row.category)
        for kept, row in zip(two.references, rows, strict=True)
    ]
    old = Catalog(dataclasses.replace(two.kept, references=tuple(as_given)), encoder=tiny_encoder)
    assert old.generation != Catalog.load(old.save(tmp_path), tiny_encoder).generation == one.generation


def test_names_that_differ_in_more_than_case_and_blanks_and_products_of_two_brands_stay_as_they_are(
    references: list[Reference],
) -> None:
    names = [
        ("Caf\u00e9", "Mug"),
        ("Cafe\u0301", "Mug"),
        ("Cafe", "Cap"),
        ("Cafe-", "cap"),
        ("\u2122", "x"),
        ("\u00ae", "X"),
    ]
    rows = [dataclasses.replace(references[0], brand=brand, product=product) for brand, product in names]
    kept, several = one_spelling(rows)
    assert all(one is other for one, other in zip(kept, rows, strict=True))
    assert several == []


def test_references_of_one_product_are_one_however_its_accents_are_written(
    references: list[Reference], tiny_encoder
) -> None:
    mixed, plain = (
        Catalog.build(
            [
                dataclasses.replace(row, brand=row.brand + written, product=row.product + written)
                for row, written in zip(references, itertools.cycle(forms), strict=False)
            ],
            encoder=tiny_encoder,
            find_marks=False,
        )
        for forms in [("Caf\u00e9", "Cafe\u0301"), ("Caf\u00e9",)]
    )
    assert mixed.info() == plain.info()
    assert mixed.goods.tolist() == plain.goods.tolist()
    assert mixed.centre.tolist() == plain.centre.tolist()
