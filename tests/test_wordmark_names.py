"""A brand's name as its goods print it, as a seller types it, and as it is nearly read on whatever goods."""

# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import picture, suspects
from goods import label
from PIL import Image, ImageDraw, ImageFont
from wordmarks import GROUND, INK, catalogue, goods, listing, mark

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import WeightsError
from counterfeit_vision.heads import wordmark
from counterfeit_vision.heads.known_lines import wordmarks_of
from counterfeit_vision.heads.line_comparison import DRAWN_OTHERWISE, MISSPELT_SHOWN
from counterfeit_vision.heads.ocr import PHOTO_SIDE, Reader
from counterfeit_vision.heads.wordmark import Wordmark


def printed(text: str, height: int = 48) -> np.ndarray:
    """A crop with a text in Pillow's own face, which has no accents: a stroke is drawn for each."""
    plain, font = "", ImageFont.load_default(height)
    letters = [letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)]
    image = Image.new("RGB", (round(font.getlength("".join(letters))) + 50, 2 * height), GROUND)
    draw = ImageDraw.Draw(image)
    for letter in unicodedata.normalize("NFD", text):
        if unicodedata.combining(letter):
            x, top = 25 + font.getlength(plain) - font.getlength(plain[-1]) / 2, font.getbbox(plain[-1])[1]
            lean = height * (0.1 if letter == "\u0301" else -0.1)
            low, high = (0.5 * height + top - share * height for share in (0.08, 0.24))
            draw.line([(x - lean, low), (x + lean, high)], fill=INK, width=height // 9)
        else:
            draw.text((25 + font.getlength(plain), 0.5 * height), letter, fill=INK, font=font)
            plain += letter
    return np.asarray(image)


@pytest.mark.parametrize(
    ("name", "text", "false"),
    [
        ("Hermes", "HERMÈS", "HERMÈZ"),
        ("Nestle", "Nestlé", "Nestlá"),
        ("Nestlé", "Nestlé", "Nestlá"),
        ("Coca Cola", "Coca-Cola", "Coca-Cula"),
        ("Levis", "Levi's", "Lewi's"),
        ("Dr Martens", "Dr. Martens", "Dr. Mortens"),
        ("Marks and Spencer", "Marks & Spencer", "Marks & Spancer"),
        ("Kestrel", "Coca-Cola", "Coca-Cula"),  # a wordmark that is not the brand's name
    ],
)
def test_a_name_is_known_without_the_marks_that_its_goods_print(
    name: str, text: str, false: str, tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    crop = printed(text)
    box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
    rows = [cv.Reference(id=f"{n}", photo=goods(crop, n), brand=name, product="bag", regions=[box]) for n in range(2)]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    known = wordmarks_of(catalog, catalog.marks_of(f"{name}/bag"), reader)
    assert known.words == tuple(dict.fromkeys([name, text]))
    shown = [cv.Listing(id=word, photos=[goods(printed(word), 7)], brand=name) for word in (text, false)]
    right, wrong = Wordmark().score(suspects(catalog, *shown))
    assert right.score < DRAWN_OTHERWISE < 0.2 < wrong.score
    assert f"reads {false!r}, 1 letter off" in wrong.text


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("brand", "text", "said"),
    [
        ("Восход", "", "The reader lacks letters of Восход."),
        ("Norvik", "", "No wordmark of Norvik can be read on its genuine photos."),
        ("Восход", "SILVANO", "drawn as on the catalogue's photos"),
    ],
)
def test_a_brand_that_the_reader_has_no_letters_for_is_named_as_such(
    brand: str, text: str, said: str, tiny_encoder: TowerEncoder
) -> None:
    photos = [label("", noise=n) if not text else goods(mark(text, pose=20 + n), n) for n in range(2)]
    size = mark(text).shape if text else ()
    box = cv.Region(40, 90, 40 + size[1], 90 + size[0]) if text else cv.Region(235, 95, 325, 185)
    rows = [
        cv.Reference(id=f"{n}", photo=photo, brand=brand, product="bag", regions=[box])
        for n, photo in enumerate(photos)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    (evidence,) = Wordmark().score(suspects(catalog, cv.Listing(id="x", photos=photos[:1], brand=brand)))
    assert said in evidence.text
    assert evidence.applicable == bool(text)


def test_what_is_read_alike_but_not_surely_is_no_wordmark(
    tiny_encoder: TowerEncoder, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogs = [catalogue(tiny_encoder, text=text) for text in ("SILVANO", "NORVIK")]  # of the brand Silvano

    def lines() -> list[list[str]]:
        known = [wordmarks_of(catalog, catalog.marks_of("Silvano/bag"), reader).lines for catalog in catalogs]
        return [[line.genuine[0].text for line in told] for told in known]

    assert lines() == [["SILVANO"], ["NORVIK"]]
    read = Reader.read
    monkeypatch.setattr(Reader, "read", lambda self, line: dataclasses.replace(read(self, line), confidence=0.6))
    assert lines() == [["SILVANO"], []], "letters that it lacks are read as others"


def test_what_two_boxes_of_one_photo_show_is_not_read_alike_on_two(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    height, width = mark("NORVIK").shape[:2]
    boxes = [cv.Region(40 - more, 90, 40 + width + more, 90 + height) for more in (0, 6)]
    photos = [goods(mark("NORVIK", pose=20 + n), n) for n in (0, 1)]
    words = []
    for shown in (1, 2):
        rows = [
            cv.Reference(id=f"{n}", photo=photo, brand="Silvano", product="bag", regions=boxes)
            for n, photo in enumerate(photos[:shown])
        ]
        catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
        words.append(wordmarks_of(catalog, catalog.marks_of("Silvano/bag"), reader).words)
    assert words == [("Silvano",), ("Silvano", "NORVIK")]


@pytest.mark.parametrize(("text", "known"), [("1911", False), ("NO", False), ("NOR", True)])
def test_a_number_or_two_letters_that_goods_bear_are_no_wordmark(
    text: str, known: bool, tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    """An emblem's stripes are read as 1111, and what is that short is misread by accident."""
    crop = printed(text)
    box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
    rows = [
        cv.Reference(id=f"{n}", photo=goods(crop, n), brand="Silvano", product="bag", regions=[box]) for n in (0, 1)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    lines = reader.lines(crop)
    assert [line.text for line in lines] == [text]
    assert (text in wordmarks_of(catalog, catalog.marks_of("Silvano/bag"), reader).words) is known


def test_a_title_in_other_letters_is_evidence(tiny_encoder: TowerEncoder, reader: Reader) -> None:
    catalog = catalogue(tiny_encoder)
    titles = ("Silvano bag", "Silvanо bag")  # the second with a Cyrillic o
    true, false = Wordmark().score(suspects(catalog, *(listing(mark("SILVANO"), title=title) for title in titles)))
    assert true.score < DRAWN_OTHERWISE
    assert false.score >= 1
    assert "Silvanо" in false.text
    assert true.region is not None
    assert (false.region, false.crops) == (None, None)  # nothing is wrong on the photo


def other_goods(text: str) -> np.ndarray:
    """A photo 520 x 300 of something else that bears a text, light on dark, in another typeface."""
    photo = np.full((300, 520, 3), (60, 40, 45), np.uint8)
    photo[:60] = picture(3, 60, 520)
    cv2.putText(photo, text, (90, 200), cv2.FONT_HERSHEY_DUPLEX, 2.0, (220, 214, 200), 4, cv2.LINE_AA)
    return photo


@pytest.mark.parametrize(
    ("text", "told"),
    [("SILVAMO", True), ("S1LVANO", True), ("SILVANO", False), ("SILVAN", False), ("SALVADOR", False)],
)
def test_a_name_that_is_a_letter_off_is_read_on_whatever_goods(
    text: str, told: bool, tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    catalog = catalogue(tiny_encoder)
    asked = [
        cv.Listing(id="product", photos=[other_goods(text)], brand="Silvano", product="bag"),
        cv.Listing(id="brand", photos=[other_goods(text)], brand="silvano "),
        cv.Listing(id="nothing", photos=[other_goods(text)]),
        cv.Listing(id="other", photos=[other_goods(text)], brand="Norvik"),
    ]
    product, brand, *others = Wordmark().score(suspects(catalog, *asked))
    assert (product.applicable, brand.applicable) == (told, told)
    assert not any(evidence.applicable for evidence in others), "nobody said that it is one of the brand's"
    if told:
        assert product.score > MISSPELT_SHOWN
        assert f"the photo reads {text!r}, nearly 'Silvano'" in product.text
        assert product.region is not None
        assert 80 < product.region.x0 < product.region.x1 < 500
        assert 130 < product.region.y0 < product.region.y1 < 240
        assert product.crops is not None
    else:
        assert "No mark to read" in product.text


@pytest.mark.usefixtures("reader")
def test_a_word_a_letter_off_a_short_name_is_a_word(tiny_encoder: TowerEncoder) -> None:
    asked = []
    for name, near in (("VERO", "VERA"), ("VEROM", "VERAM")):
        crop = mark(name)
        box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
        rows = [cv.Reference(id=f"{n}", photo=goods(crop, n), brand=name, product="bag", regions=[box]) for n in (0, 1)]
        catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
        asked += Wordmark().score(suspects(catalog, cv.Listing(id="x", photos=[other_goods(near)], brand=name)))
    assert [evidence.applicable for evidence in asked] == [False, True]


@pytest.mark.usefixtures("reader")
def test_a_name_typed_without_its_hyphen_is_read_on_whatever_goods(tiny_encoder: TowerEncoder) -> None:
    crop = printed("Coca-Cola")
    box = cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])
    rows = [
        cv.Reference(id=f"{n}", photo=goods(crop, n), brand="Coca Cola", product="can", regions=[box]) for n in (0, 1)
    ]
    catalog = cv.Catalog.build(rows, encoder=tiny_encoder, cache=False)
    shown = [cv.Listing(id=text, photos=[other_goods(text)], brand="Coca Cola") for text in ("Coca-Cola", "Coca-Cula")]
    right, wrong = Wordmark().score(suspects(catalog, *shown))
    assert not right.applicable
    assert wrong.score > MISSPELT_SHOWN
    assert "the photo reads 'Coca-Cula', nearly 'Coca Cola'" in wrong.text


class Says:
    """A reader that reads the same lines on any photo."""

    sha256 = "says"

    def __init__(self) -> None:
        self.texts: tuple[str, ...] = ()
        self.asked = 0

    def lines(self, pixels: np.ndarray, *, side: int) -> list[SimpleNamespace]:
        assert side == PHOTO_SIDE
        self.asked += 1
        return [SimpleNamespace(text=text) for text in self.texts]


def two_brands(encoder: TowerEncoder, first: str, second: str) -> cv.Catalog:
    """Bags of the first that bear a name, and a pen of the second."""
    crop = mark("SILVANO")
    box = [cv.Region(40, 90, 40 + crop.shape[1], 90 + crop.shape[0])]
    rows = [cv.Reference(id=f"{n}", photo=goods(crop, n), brand=first, product="bag", regions=box) for n in (0, 1)]
    rows.append(cv.Reference(id="pen", photo=picture(8, 300, 520), brand=second, product="pen"))
    return cv.Catalog.build(rows, encoder=encoder, cache=False)


def none_to_be_had() -> Reader:
    raise WeightsError("no connection")


def test_the_claimed_brands_name_beside_anothers_marks_may_be_that_of_a_joint_edition(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("counterfeit_vision.heads.suspects.PIXELS_KEPT", 0)  # as where a batch's photos are large
    crop, reader = mark("SILVANO"), Says()
    catalog = two_brands(tiny_encoder, "Silvano", "Norvik")
    shown, path = goods(crop, 7), tmp_path / "photo.png"
    Image.fromarray(shown).save(path)
    batch = suspects(
        catalog,
        cv.Listing(id="brand", photos=[shown], brand="norvik"),
        cv.Listing(id="product", photos=[shown], brand="Norvik", product="pen"),
        cv.Listing(id="title", photos=[shown], brand="Norvik", title="Nоrvik pen"),  # with a Cyrillic o
        cv.Listing(id="its own", photos=[shown], brand="Silvano"),
        cv.Listing(id="none", photos=[shown]),
        cv.Listing(id="unknown", photos=[shown], brand="Pelorus"),
        cv.Listing(id="no marks", photos=[goods(np.full_like(crop, 90), 7)], brand="Norvik"),
        cv.Listing(id="gone", photos=[path], brand="Norvik"),
    )
    assert {catalog.references[batch.nearest(row)].brand for row in range(len(batch))} == {"Silvano"}
    assert not isinstance(batch.mark_of(7, str(catalog.goods[0])), str)
    path.unlink()  # its marks were found before
    monkeypatch.setattr(wordmark, "shared_reader", lambda: reader)
    monkeypatch.setattr(Wordmark, "_one", lambda *given: cv.Evidence.not_applicable("Not asked here."))
    reader.texts = ("SILVANO", "XNORVIK")
    told = Wordmark().score(batch)
    assert [evidence.joint for evidence in told] == ["Norvik"] * 3 + [""] * 5
    assert told[2].score >= 1, "what the title says is told, too"
    assert reader.asked == 3, "only where the marks of another brand than the claimed one are on the photo"
    reader.texts = ("SILVANO", "NORVIC")
    assert not any(evidence.joint for evidence in Wordmark().score(batch))
    reader.texts = ("NORVIK",)
    monkeypatch.setattr(wordmark, "shared_reader", none_to_be_had)
    assert not any(evidence.joint for evidence in Wordmark(optional=True).score(batch))


def test_a_brand_whose_name_is_a_part_of_the_others_is_no_joint_edition(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, reader = two_brands(tiny_encoder, "Silvano Home", "Silvano"), Says()
    monkeypatch.setattr(wordmark, "shared_reader", lambda: reader)
    monkeypatch.setattr(Wordmark, "_one", lambda *given: cv.Evidence.not_applicable("Not asked here."))
    reader.texts = ("SILVANO HOME",)
    batch = suspects(catalog, cv.Listing(id="x", photos=[goods(mark("SILVANO"), 7)], brand="Silvano"))
    assert not isinstance(batch.mark_of(0, str(catalog.goods[batch.nearest(0)])), str)
    assert Wordmark().score(batch)[0].joint == ""


def test_a_name_among_specks_is_not_misspelt(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three of them it is no near miss of the name, and nothing is compared."""
    monkeypatch.setattr(wordmark, "lines_near", lambda *given: [])
    (line,) = reader.lines(mark("SILVAMO"))
    specks = dataclasses.replace(line, reading=dataclasses.replace(line.reading, text="'SILVAMO!?"))
    assert wordmark._is_miss(specks.text, "Silvano")
    assert wordmark._least_misspelt(line.pixels, specks, ["Silvano"], reader) == 0
    assert wordmark._least_misspelt(line.pixels, line, ["Silvano"], reader) > MISSPELT_SHOWN
    monkeypatch.setattr(wordmark, "lines_near", lambda *given: reader.lines(mark("SILVANO")))  # read once more
    assert wordmark._least_misspelt(line.pixels, line, ["Silvano"], reader) < MISSPELT_SHOWN


def test_a_false_brand_field_is_evidence_and_the_title_is_measured_by_the_catalogue(
    tiny_encoder: TowerEncoder, reader: Reader
) -> None:
    catalog, photo, false = catalogue(tiny_encoder), goods(mark("SILVANO"), 7), "Silvanо"  # with a Cyrillic o
    asked = [
        cv.Listing(id=f"{title} {brand}", photos=[photo], brand=brand, product="bag", title=f"{title} bag")
        for title, brand in ((false, false), ("Silvano", false), ("Silvano", "silvano"), (false, None))
    ]
    asked.append(cv.Listing(id="product", photos=[photo], product=f"{false} bag"))
    both, field, right, title, product = Wordmark().score(suspects(catalog, *asked))
    assert product.score >= 1
    assert f"The listing's product spells Silvano in other letters that look alike: {false!r}" in product.text
    assert min(both.score, field.score, title.score) >= 1 > right.score
    assert "The title spells Silvano in other letters" in both.text
    assert f"The listing's brand spells Silvano in other letters that look alike: {false!r}" in field.text
