"""Words that only look like a name: letters of other alphabets, digits, and how many letters are off."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from counterfeit_vision.lookalikes import edit_distance, lookalike_words, skeleton


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [("ADIBAS", "ADIDAS", 1), ("", "ab", 2), ("Chloé", "CHLOÉ", 0), ("Chloé", "CHLOE", 1), ("小米", "小来", 1)],
)
def test_edits_are_letters(first: str, second: str, edits: int) -> None:
    assert edit_distance(first, second) == edits == edit_distance(second, first)


@pytest.mark.parametrize(
    ("title", "name", "false"),
    [
        ("genuine Аdidas shoe", "Adidas", ["Аdidas"]),  # a Cyrillic capital
        ("N1KE air", "Nike", ["N1KE"]),
        ("Arrnani jeans", "Armani", ["Arrnani"]),
        ("L0uis Vuitton bag", "Louis Vuitton", ["L0uis Vuitton"]),
        ("ADIDAS adidas Ａdidas", "Adidas", []),  # case and width are no deceit
        ("Chloe bag", "Chloé", []),
        ("Clark boots, dark brown", "Clark", []),  # another word
        ("dark boots, size 50", "Clark", []),
        ("shirt, size 50", "SO", []),
        ("modern lamp", "Modem", []),
        ("Armani and arrnani", "Armani", []),
        ("Armani, Arm4ni, Аrmani", "Armani", ["Аrmani"]),
        ("C1ark boots", "Clark", ["C1ark"]),
        ("", "Nike", []),
        ("华为 phone", "华为", []),
        ("#LоuisVuittоn bag", "Louis Vuitton", ["LоuisVuittоn"]),  # Cyrillic o
        ("RаyВan", "Ray-Ban", ["RаyВan"]),
        ("АDIDAS_shoes", "Adidas", ["АDIDAS"]),
        ("LouisVuitton, Louis_Vuitton, louis-vuitton", "Louis Vuitton", []),
        ("new balance shoes", "New Balance", []),
    ],
)
def test_titles_that_only_look_like_the_brand(title: str, name: str, false: list[str]) -> None:
    assert lookalike_words(title, name) == false
    assert not false or skeleton(false[0]) == skeleton(name)
