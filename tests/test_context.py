"""Price and title: the numbers by hand, and every case in which there is nothing to go on."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from conftest import TINY_CLIP, picture, suspects, write_tiny_clip

import counterfeit_vision as cv
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.base import Encoder, TextEncoder
from counterfeit_vision.encoders.runtime import TextTowerEncoder, TowerEncoder
from counterfeit_vision.heads.base import Head
from counterfeit_vision.heads.context import Price, SellerName, Title
from counterfeit_vision.lookalikes import likeness
from counterfeit_vision.names import Names

EUR = {"acme/bag": 100.0, "acme/belt": 40.0, "acme/cap": None, "zeta/mug": 10.0, "zeta/pen": 0.0}


@pytest.fixture(scope="module")
def catalog(tiny_encoder: TowerEncoder, tree: Path) -> cv.Catalog:
    """Prices in euro as in ``EUR``; the caps have none."""
    references = []
    for path in sorted(tree.rglob("*.jpg")):
        brand, product = path.parts[-3:-1]
        price = EUR[f"{brand}/{product}"]
        references.append(
            cv.Reference(
                id=f"{brand}-{product}-{path.stem}",
                photo=path,
                brand=brand,
                product=product,
                price=price,
                currency=None if price is None else "EUR",
            )
        )
    return cv.Catalog.build(references, encoder=tiny_encoder)


def repriced(catalog: cv.Catalog, *prices: tuple[float, str]) -> cv.Catalog:
    """The catalogue with these prices on the references of acme/bag, and its rows as often as there are prices."""
    bag = int(catalog.rows_of(product="bag")[0])
    changed = copy.copy(catalog)
    bags = [
        dataclasses.replace(catalog.references[bag], id=f"bag-{number}", price=price, currency=currency)
        for number, (price, currency) in enumerate(prices)
    ]
    changed.references = (*catalog.references[:bag], *bags)
    changed.genuine = np.ones(len(changed.references), bool)
    changed.goods = catalog.goods.copy()
    changed.goods[bag : bag + len(bags)] = "acme/bag"
    changed._names = Names(changed.references)
    return changed


def offer(product: str | None = "bag", looks: int = 100, **more: object) -> cv.Listing:
    """A listing whose photo is ``picture(looks)``: 100 is the bag's, 101 the belt's, 102 the cap's, 103 the mug's."""
    return cv.Listing(id="x", photos=[picture(looks)], product=product, **more)


def price(catalog: cv.Catalog, listing: cv.Listing, rates: dict[str, float] | None = None) -> cv.Evidence:
    (evidence,) = Price(rates).score(suspects(catalog, listing))
    return evidence


# --- price ------------------------------------------------------------------------------------------------------------


def test_the_score_is_how_far_the_price_is_below_the_usual_in_log_units(catalog: cv.Catalog) -> None:
    half = price(catalog, offer(price=50, currency="EUR"))
    assert half.score == pytest.approx(math.log(2) / 0.25)
    assert half.text == "The listing asks 50.00 EUR, 50 % below the usual 100.00 EUR of bag (priced references: 3)."
    assert half.references == ("acme-bag-0", "acme-bag-1", "acme-bag-2")
    assert price(catalog, offer(price=100, currency="eur ")).score == pytest.approx(0)
    above = price(catalog, offer(price=300, currency="EUR"))
    assert above.score < 0
    assert "200 % above the usual" in above.text


def test_the_claimed_product_counts_and_else_the_one_that_the_photo_shows(catalog: cv.Catalog) -> None:
    asks = {"price": 40, "currency": "EUR", "looks": 101}
    assert price(catalog, offer("bag", **asks)).score == pytest.approx(math.log(100 / 40) / 0.25)
    assert price(catalog, offer(None, **asks)).score == pytest.approx(0)  # it looks like a belt
    assert price(catalog, offer("bag", brand="zeta", **asks)).applicable is False  # zeta makes no bag


def test_where_marks_told_the_product_its_price_counts_and_not_that_of_the_nearest(catalog: cv.Catalog) -> None:
    asked = suspects(catalog, offer(None, looks=100, price=20, currency="EUR"))
    asked.taken_for[0] = "acme/belt"  # what a claim about marks leaves there
    (evidence,) = Price().score(asked)
    assert "50 % below the usual 40.00 EUR of belt" in evidence.text


def test_wild_prices_are_outvoted_and_widen_the_spread(catalog: cv.Catalog) -> None:
    prices = [(100, "EUR")] * 5 + [(100_000, "EUR"), (0.01, "EUR")]
    assert price(repriced(catalog, *prices), offer(price=50, currency="EUR")).score == pytest.approx(math.log(2) / 0.25)
    wide = repriced(catalog, *[(100 * 2**n, "EUR") for n in (-2, -1, 0, 1, 2)])
    spread = 1.4826 * math.log(2)
    assert price(wide, offer(price=50, currency="EUR")).score == pytest.approx(math.log(2) / spread)
    few = repriced(catalog, *[(100 * 2**n, "EUR") for n in (-1, 0, 1)])  # too few to show a spread
    assert price(few, offer(price=50, currency="EUR")).score == pytest.approx(math.log(2) / 0.25)


def test_another_currency_needs_a_rate_and_is_never_guessed(catalog: cv.Catalog) -> None:
    asks = offer(price=50, currency="USD")
    unknown = price(catalog, asks)
    assert not unknown.applicable
    assert unknown.text == (
        "The listing asks USD, the references of bag have prices in EUR, and no rate between them was given."
    )
    assert not price(catalog, asks, {"USD": 0.5}).applicable  # one half of a rate
    found = price(catalog, asks, {"usd": 0.5, "EUR": 1})
    assert found.score == pytest.approx(math.log(4) / 0.25)  # 100 EUR are 200 USD
    assert "75 % below the usual 200.00 USD" in found.text
    mixed = repriced(catalog, (100, "EUR"), (80, "USD"))
    assert "usual 80.00 USD of bag (priced references: 1)" in price(mixed, asks).text


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (offer(), "The listing names no price."),
        (offer(price=0, currency="EUR"), "The listing asks 0 EUR, which is no price."),
        (offer("boat", price=9, currency="EUR"), "The catalogue holds no photo of the claimed product, boat."),
        (offer("cap", price=9, currency="EUR"), "No genuine reference of cap has a price."),
        (offer("pen", price=9, currency="EUR"), "No genuine reference of pen has a price."),  # theirs is 0
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_two_prices_nothing_is_said(catalog: cv.Catalog, listing: cv.Listing, said: str) -> None:
    evidence = price(catalog, listing)
    assert (evidence.applicable, evidence.text) == (False, said)
    assert math.isnan(evidence.score)


def test_the_prices_of_known_fakes_are_not_usual(catalog: cv.Catalog) -> None:
    cheap = repriced(catalog, (100, "EUR"), (20, "EUR"), (20, "EUR"))
    cheap.genuine = np.array([*cheap.genuine[:-2], False, False])
    assert price(cheap, offer(price=20, currency="EUR")).score == pytest.approx(math.log(5) / 0.25)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e200, 1e-200, "0.9"])
def test_rates_that_are_none_are_refused(rate: float) -> None:
    with pytest.raises(cv.InputError, match=f"USD at {re.escape(repr(rate))}"):
        Price({"usd": rate})


def test_a_lower_price_is_more_suspicious_all_the_way(catalog: cv.Catalog) -> None:
    listings = [offer(price=float(asked), currency="EUR") for asked in (400, 120, 99, 60, 20, 1, 0.01)]
    scores = [evidence.score for evidence in Price().score(suspects(catalog, *listings))]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


# --- title ------------------------------------------------------------------------------------------------------------


class Reader:
    """An encoder that reads: each of its words has the vector of a reference photo."""

    def __init__(self, encoder: Encoder, words: dict[str, np.ndarray]) -> None:
        self.encoder, self.words, self.asked = encoder, words, []

    def __getattr__(self, name: str) -> object:
        return getattr(self.encoder, name)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.stack([self.words[text] for text in texts])


@pytest.fixture
def reading(catalog: cv.Catalog) -> cv.Catalog:
    """A catalogue whose encoder knows the words "bag", "mug" and "zeta mug"."""
    mean = {product: catalog.vectors[catalog.rows_of(product=product)].mean(axis=0) for product in ("bag", "mug")}
    words = {"bag": mean["bag"], "mug": mean["mug"], "zeta mug": mean["mug"]}
    changed = copy.copy(catalog)
    changed.encoder = Reader(catalog.encoder, {word: v / np.linalg.norm(v) for word, v in words.items()})
    return changed


def test_a_title_that_fits_another_product_better_is_suspicious(reading: cv.Catalog) -> None:
    mug = picture(103)
    rows = suspects(
        reading,
        cv.Listing(id="true", photos=[mug], title="mug"),
        cv.Listing(id="false", photos=[mug], title="bag"),
        cv.Listing(id="claim", photos=[mug], brand="zeta", product="mug"),
        cv.Listing(id="silent", photos=[mug]),
    )
    true, false, claim, silent = Title().score(rows)
    assert true.score < 0 < false.score
    assert claim.score == true.score
    assert "fits photos of bag better" in false.text
    assert "less well" in true.text
    assert false.references == ("acme-bag-0", "acme-bag-1", "acme-bag-2")
    assert (silent.applicable, silent.text) == (False, "The listing has no title and names no brand.")
    assert reading.encoder.asked == [["mug", "bag", "zeta mug"]]  # each text once


def test_photos_without_a_text_need_no_text_tower(reading: cv.Catalog) -> None:
    (evidence,) = Title().score(suspects(reading, cv.Listing(id="silent", photos=[picture(103)], title=" ")))
    assert (evidence.applicable, evidence.text) == (False, "The listing has no title and names no brand.")
    assert reading.encoder.asked == []


def test_the_margin_by_hand(reading: cv.Catalog) -> None:
    rows = suspects(reading, cv.Listing(id="x", photos=[picture(103)], title="bag"))
    (evidence,) = Title().score(rows)
    words = reading.encoder.words["bag"]
    bags = float((reading.vectors[reading.rows_of(product="bag")] @ words).mean())
    assert evidence.score == pytest.approx(bags - float(rows.photos.vectors[0] @ words), abs=1e-6)


def test_a_photo_does_not_depend_on_its_batch_mates(reading: cv.Catalog) -> None:
    listings = [cv.Listing(id=str(n), photos=[picture(100 + n)], title=("bag", "mug")[n % 2]) for n in range(4)]
    together = Title().score(suspects(reading, *listings))
    for listing, evidence in zip(listings, together, strict=True):
        assert Title().score(suspects(reading, listing))[0].score == pytest.approx(evidence.score, abs=1e-6)


def test_an_encoder_that_does_not_read_says_so(catalog: cv.Catalog, lite: TowerEncoder) -> None:
    packaged = copy.copy(catalog)
    packaged.encoder = lite
    rows = dataclasses.replace(suspects(catalog, offer(title="bag")), catalog=packaged)
    (evidence,) = Title().score(rows)
    assert (evidence.applicable, evidence.text) == (False, "This encoder has no text tower.")


def test_one_product_alone_has_nothing_beside_it(reading: cv.Catalog) -> None:
    rows = suspects(reading, cv.Listing(id="x", photos=[picture(103)], title="bag"))
    rows.catalog.genuine = np.array([goods == "zeta/mug" for goods in reading.goods])
    (evidence,) = Title().score(rows)
    assert (evidence.applicable, evidence.text) == (
        False,
        "The catalogue holds no other product to compare the title with.",
    )


# --- the seller -------------------------------------------------------------------------------------------------------


def seller_name(catalog: cv.Catalog, seller: cv.Seller | str | None, brand: str | None = "acme") -> cv.Evidence:
    head = SellerName([cv.Seller("shop-1", "Harbour Leather"), "acme-store"])
    assert isinstance(head, Head)
    (evidence,) = head.score(suspects(catalog, offer(seller=seller, brand=brand)))
    return evidence


def test_only_the_verified_id_makes_a_seller_authorised(catalog: cv.Catalog) -> None:
    true = seller_name(catalog, cv.Seller("shop-1", "Harbour Leather"))
    assert (true.score, true.text) == (0, "The seller Harbour Leather (shop-1) is authorised.")
    assert seller_name(catalog, "acme-store").score == 0
    false = seller_name(catalog, cv.Seller("x9", "Harb0ur Leather"))
    assert false.score == 1
    assert (
        "Harb0ur Leather (x9) is not authorised; its name is like Harbour Leather, an authorised seller" in false.text
    )
    misspelt = seller_name(catalog, cv.Seller("x9", "Harbor Leather"))
    assert 0.9 < misspelt.score < 1


def test_an_authorised_seller_is_known_however_its_accents_are_written(catalog: cv.Catalog) -> None:
    head = SellerName([("bazaar", "caf\u00e9-store")])
    listing = cv.Listing(**{**vars(offer(seller=cv.Seller("cafe\u0301-store"))), "platform": "bazaar"})
    (evidence,) = head.score(suspects(catalog, listing))
    assert (evidence.score, "is authorised" in evidence.text) == (0, True)


def test_a_seller_that_is_named_like_the_brand(catalog: cv.Catalog) -> None:
    assert seller_name(catalog, "official acrne outlet").score == 1  # rn is drawn like m
    assert "the brand" in seller_name(catalog, "acme-deals").text
    assert seller_name(catalog, "lena86").score < 0.5
    photo_shows_acme = seller_name(catalog, "acme-deals", brand=None)
    assert photo_shows_acme.score == 1


def test_without_a_seller_nothing_is_said(catalog: cv.Catalog) -> None:
    evidence = seller_name(catalog, None)
    assert (evidence.applicable, evidence.text) == (False, "The listing names no seller.")
    assert likeness("anything", "") == 0


# --- the text tower ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the tiny CLIP, with the vocabulary that open_clip's own tokenizer has."""
    config = copy.deepcopy(TINY_CLIP)
    config["model_cfg"]["text_cfg"] |= {"vocab_size": 49408, "context_length": 16}
    return write_tiny_clip(tmp_path_factory.mktemp("reader") / "tiny", config=config)


@pytest.fixture(scope="module")
def reader(reader_folder: Path) -> TextTowerEncoder:
    encoder = load_encoder(str(reader_folder))
    assert isinstance(encoder, TextTowerEncoder)
    return encoder


TEXTS = ["a red bag", "Sac à main, très bon état", "手提包", "", "word " * 60]


def test_texts_are_encoded_as_open_clip_encodes_them(reader: TextTowerEncoder, reader_folder: Path) -> None:
    name = f"local-dir:{reader_folder}"
    model = open_clip.create_model(name).eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=True).numpy()
    vectors = reader.encode_text(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.shape[1] == reader.encode(np.zeros((1, 32, 32, 3), np.uint8)).vectors.shape[1]


def test_a_text_does_not_depend_on_the_others(reader: TextTowerEncoder) -> None:
    many = TEXTS * 7  # more than a batch
    together = reader.encode_text(many)
    assert len(many) > reader.batch_size
    for text, row in zip(TEXTS, together, strict=False):
        np.testing.assert_allclose(reader.encode_text([text])[0], row, atol=1e-5)
    assert reader.encode_text([]).shape == (0, together.shape[1])
    with pytest.raises(cv.InputError, match=r"expected a list: \['bag'\]"):
        reader.encode_text("bag")


def test_the_text_tower_is_loaded_when_it_is_asked_for_and_once(
    reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = open_clip.create_model
    monkeypatch.setattr(open_clip, "create_model", lambda *a, **k: loads.append(a) or load(*a, **k))
    encoder = load_encoder(str(reader_folder))
    assert len(loads) == 1
    encoder.encode_text(["a"])
    encoder.encode_text(["b"])
    assert len(loads) == 2


def test_only_encoders_that_read_keep_the_text_contract(reader: TextTowerEncoder, lite: TowerEncoder) -> None:
    assert isinstance(reader, TextEncoder)
    assert not isinstance(lite, TextEncoder)
    assert "tiny" in repr(reader)


def test_title_with_a_real_text_tower(reader: TextTowerEncoder, references: list[cv.Reference]) -> None:
    catalog = cv.Catalog.build(references, encoder=reader)
    (evidence,) = Title().score(suspects(catalog, offer(title="acme bag")))
    assert evidence.applicable
    assert math.isfinite(evidence.score)
