"""Names as people type them and deceivers spell them: other alphabets, digits, signs, and how many letters are off."""

# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import unicodedata
from typing import Literal

import numpy as np
import pytest

import counterfeit_vision as cv
from counterfeit_vision.heads import confusables as lookalikes
from counterfeit_vision.heads.confusables import bare, edit_distance, likeness, lookalike_words, skeleton, spellings
from counterfeit_vision.heads.glyphs import Glyphs
from counterfeit_vision.heads.line_comparison import READ_COUNTS, LineComparison, holds, sentence
from counterfeit_vision.heads.ocr import Reading, TextLine
from counterfeit_vision.index.names import Names
from counterfeit_vision.types.fields import folded


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
        ("GUCC1 bag", "Gucci", ["GUCC1"]),
        ("GUCC| bag", "Gucci", ["GUCC|"]),
        ("C1tizen watch", "Citizen", ["C1tizen"]),
        ("Balenclaga bag", "Balenciaga", ["Balenclaga"]),
        ("Disco, Guccl and Landa boots", "Cisco", []),
        ("Gucd, Landa, Sodal", "Gucci", []),
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


@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("Н&М dress", "H&M", ["Н&М"]),
        ("crème L’0réal", "L'Oréal", ["L’0réal"]),
        ("RаyВan, Rаy-Ban", "Ray-Ban", ["RаyВan", "Rаy-Ban"]),
    ],
)
def test_look_alikes_are_told_as_they_stand_in_the_title(title: str, name: str, told: list[str]) -> None:
    assert lookalike_words(title, name) == told


@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("正品NIКE运动鞋", "Nike", ["NIКE"]),  # titles without a blank
        ("ナイキNIКEスニーカー", "Nike", ["NIКE"]),
        ("정품NIКE운동화", "Nike", ["NIКE"]),
        ("รองเท้าNIКE", "Nike", ["NIКE"]),
        ("正品华为手机 NIKE正品", "Nike", []),
        ("Niке Air", "Nike", ["Niке"]),  # small Cyrillic letters
        ("Рuмa, Тimex, тimex", "Timex", ["Тimex", "тimex"]),
        ("ɡucci", "Gucci", ["ɡucci"]),  # letters of phonetics
        ("ɑdidas", "Adidas", ["ɑdidas"]),
        ("АDIDAS|shoes|new", "Adidas", ["АDIDAS"]),  # a stroke is between words, or a letter
        ("N|KE shoes", "Nike", ["N|KE"]),
        ("adidas|shoes", "Adidas", []),
    ],
)
def test_look_alikes_are_found_in_titles_of_any_writing(title: str, name: str, told: list[str]) -> None:
    assert lookalike_words(title, name) == told


@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("СТЁГАНАЯ КУРТКА ВАТА", "Bata", []),  # of cotton wool
        ("куртка Ваta", "Bata", ["Ваta"]),
        ("jacket ВАТА", "Bata", ["ВАТА"]),
        ("正品 ВАТА", "Bata", ["ВАТА"]),
        ("ВАТА", "Bata", ["ВАТА"]),
        ("Книга о вкусной пище", "O", []),
        ("кроссовки РОСОМАХА", "Pocomaxa", ["РОСОМАХА"]),  # so long a word is no other
        ("Лaда, Лада", "Лада", ["Лaда"]),
        ("Lights and darks jacket", "Clarks", []),
        ("Chrome ice dipper", "Clipper", []),
        ("View of New Dover, tin", "New Clover", []),
        ("5G modem case", "Modern", []),
        ("М0dem lamp", "Modern", ["М0dem"]),
        ("rnicrosoft mouse, AclDlAS", "Microsoft", ["rnicrosoft"]),
        ("AIDlDAS shoes", "Aididas", ["AIDlDAS"]),
        ("АDIDAS shoes", "Adidas", ["АDIDAS"]),
        ("acliclas shoes", "Adidas", ["acliclas"]),
    ],
)
def test_other_words_of_a_title_are_no_look_alikes(title: str, name: str, told: list[str]) -> None:
    assert lookalike_words(title, name) == told


@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("Γάλα ΝΟΥΝΟΥ Light 1lt", "NOYNOY", []),
        ("Γάλα NOYNOY Light 1lt", "ΝΟΥΝΟΥ", []),
        ("Блендер КОМЕТА новый", "Kometa", []),
        ("Kometa blender", "КОМЕТА", []),
        ("МАТТЕО сумка из кожи", "MATTEO", []),
        ("MATTEO сумка", "МАТТЕО", []),
        ("Ρολόι ΜΙΝΙΟΝ", "Minion", []),
        ("Minion watch", "ΜΙΝΙΟΝ", []),
        ("КОМЕТА blender", "Kometa", ["КОМЕТА"]),  # of another alphabet than the title
        ("Блендер КOМЕТА", "Kometa", ["КOМЕТА"]),  # a Latin O
        ("Блендер K0META", "КОМЕТА", ["K0META"]),
        ("MlNlON watch", "ΜΙΝΙΟΝ", ["MlNlON"]),
        ("кроссовки СПОРТ аԁіԁаѕ", "Adidas", ["аԁіԁаѕ"]),
        ("ΜΕΤΑΧΑ μπράντυ", "Metaxa", ["ΜΕΤΑΧΑ"]),  # X is no Chi by its sound
    ],
)
def test_a_name_in_another_alphabet_that_sounds_alike_is_no_look_alike(title: str, name: str, told: list[str]) -> None:
    assert lookalike_words(title, name) == told


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("Сitroën parts", "Citroën", ["Сitroën"]),  # a Cyrillic capital
        ("Аdid\u0332as shoes", "Adidas", ["Аdid\u0332as"]),
        ("Аdi\ufe0fdas shoes", "Adidas", ["Аdi\ufe0fdas"]),
        ("Lоuis\ufe0f Vuitton", "Louis Vuitton", ["Lоuis\ufe0f Vuitton"]),
        ("Vіệt Tiến áo", "Việt Tiến", ["Vіệt Tiến"]),
        ("Việt Tiến áo", "Viet Tien", []),
        ("Ad\u0332idas shoes", "Adidas", []),
    ],
)
def test_accents_hide_no_look_alike(title: str, name: str, told: list[str], form: Literal["NFC", "NFD"]) -> None:
    assert lookalike_words(unicodedata.normalize(form, title), unicodedata.normalize(form, name)) == told


@pytest.mark.parametrize(
    ("name", "printed"),
    [("Lodz", "ŁÓDŹ"), ("Ørsted", "ORSTED"), ("Sostrene", "Søstrene"), ("Ipek", "ıpek"), ("Laerdal", "LÆRDAL")],
)
def test_names_are_known_without_the_strokes_of_their_letters(name: str, printed: str) -> None:
    assert bare(printed) in spellings(name)
    assert lookalike_words(f"{printed} bag", name) == []


@pytest.mark.parametrize(
    ("name", "other"), [("ช้าง", "ช่าง"), ("टाटा", "टीटी"), ("パンダ", "バンダ"), ("กา", "เกะ"), ("தாமரை", "தமரி")]
)
def test_vowels_tones_and_dots_are_of_a_name(name: str, other: str) -> None:
    assert bare(other) not in spellings(name)
    assert skeleton(other) != skeleton(name)
    assert bare(unicodedata.normalize("NFD", name)) in spellings(name)


def test_a_title_is_looked_through_once_for_all_photos_of_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    title = "Nіkе Air, once"
    lookalike_words(title, "Nike").clear()
    monkeypatch.setattr(lookalikes, "skeleton", lambda word: pytest.fail("looked through again"))
    assert lookalike_words(title, "Nike") == ["Nіkе"]


def test_a_letter_without_its_dot_hides_no_other() -> None:
    assert lookalike_words("Nıkе Air, nıke", "Nike") == ["Nıkе"]  # a Cyrillic e


@pytest.mark.parametrize("sign", ["™", "®", "℠"])
def test_the_sign_of_a_registered_name_is_no_letter_of_it(sign: str) -> None:
    printed, name = f"SILVANO{sign}", "Silvano"
    assert bare(printed) in spellings(name)
    assert bare("SILVANO") in spellings(f"Silvano{sign}")
    assert edit_distance(printed, name) == 0
    assert skeleton(printed) == skeleton(name)
    assert lookalike_words(f"{name}{sign} bag", name) == []
    for text, word, told in (
        (printed, "SILVANO", True),
        ("SILVANO", printed, True),
        (f"SILBANO{sign}", printed, False),
    ):
        assert holds(text, [word]) == told


def test_the_four_letters_i_of_turkish_are_one() -> None:
    names = ("İpek", "ipek", "IPEK", "ıpek", "I\u0307pek")
    assert {folded(name) for name in names} == {"ipek"}
    photos = [cv.Reference(id=name, photo="a.jpg", brand=name, product="bag") for name in names]
    assert {len(Names(photos[:1]).rows("brand", name)) for name in names} == {1}


def compared(text: str, word: str) -> LineComparison:
    """A line that is surely misspelt, on marks that lie badly over the genuine ones."""
    line = TextLine(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 2), np.float32), Reading(text, 1.0, np.zeros((0, 0))))
    return LineComparison(line, word, edit_distance(text, word), 1.0, None, None, None, count=0.06)


def test_a_letter_that_is_two_in_capitals_is_one_of_a_name() -> None:
    assert [edit_distance(text, "Weiß") for text in ("weiß", "weiB", "weiss", "WEIẞ")] == [0, 1, 2, 0]
    false, cut = compared("weiss", "Weiß"), compared("eiß", "Weiß")
    assert "reads 'weiss', 2 letters off 'Weiß'" in sentence(false)
    assert (false.score, cut.score) == (READ_COUNTS, 0.06), "no letter of it may be hidden"


def test_a_name_in_odd_capitals_is_written_otherwise() -> None:
    assert "reads 'SiLvano', written otherwise than 'Silvano'" in sentence(compared("SiLvano", "Silvano"))


def test_a_sentence_says_from_where_on_a_deviation_is_told() -> None:
    glyphs = Glyphs(np.float32([0, 0.037, 0]), np.zeros(3, np.float32), np.zeros((3, 2), np.int64), 1.0, 1, 0)
    right = dataclasses.replace(compared("SONA", "Sona"), misspelt=0.0, redrawn=0.037, glyphs=glyphs, count=1.0)
    assert "its shape 2 of 3 looks drawn otherwise" in sentence(right)
    assert sentence(right).endswith("(deviation 0.037; said from 0.03 on).")


def test_of_a_text_without_end_the_first_300_letters_are_compared() -> None:
    assert likeness("x" * 296 + "nike", "Nike") == 1
    assert likeness("x" * 300 + "nike", "Nike") == 0
    assert likeness("nike" * 100, "nike" * 100) == 1
