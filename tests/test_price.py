"""Price: the numbers by hand, and every case in which there is nothing to go on."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import picture, suspects

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads.price import Price
from counterfeit_vision.index.names import Names
from counterfeit_vision.io.manifests import read_listings

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


def test_the_score_is_how_far_the_price_is_below_the_usual_in_log_units(catalog: cv.Catalog) -> None:
    half = price(catalog, offer(price=50, currency="EUR"))
    assert half.score == pytest.approx(math.log(2) / 0.25)
    assert half.text == "The listing asks 50.00 EUR, 50 % below the usual 100.00 EUR of bag (priced references: 3)."
    assert half.references == ("acme-bag-0", "acme-bag-1", "acme-bag-2")
    assert price(catalog, offer(price=100, currency="eur ")).score == pytest.approx(0)
    above = price(catalog, offer(price=300, currency="EUR"))
    assert above.score < 0
    assert "200 % above the usual" in above.text
    absurd = price(catalog, offer(price=1e300, currency="EUR"))
    assert "asks 1e+300 EUR, more than 9,999 % above the usual" in absurd.text
    for asked, told in (
        (0.4, "0.40 EUR, more than 99 % below"),
        (1, "1.00 EUR, 99 % below"),
        (99.6, "99.60 EUR, about"),
    ):
        assert f"asks {told} the usual 100.00 EUR of bag" in price(catalog, offer(price=asked, currency="EUR")).text


def test_of_brands_that_have_a_product_of_one_name_it_is_said_whose_is_priced(
    catalog: cv.Catalog, tiny_encoder: TowerEncoder
) -> None:
    bag = next(item for item in catalog.references if item.product == "bag")
    other = dataclasses.replace(bag, id="other", photo=picture(400), brand="zeta", price=10)
    two = cv.Catalog.build([*catalog.references, other], encoder=tiny_encoder)
    for product in ("bag", None):
        told = price(two, offer(product, price=50, currency="EUR")).text
        assert "50 % below the usual 100.00 EUR of bag of acme (priced references: 3)" in told


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


def test_where_just_over_half_of_the_prices_are_equal_the_others_tell_the_spread(catalog: cv.Catalog) -> None:
    for dear in (3, 4):
        mixed = repriced(catalog, *[(10, "EUR")] * 3, *[(100, "EUR")] * dear)
        assert 0 < price(mixed, offer(price=10, currency="EUR")).score < 1


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
    assert found.text.endswith(
        "75 % below the usual 200.00 USD of bag (priced references: 3, converted at 1 EUR = 2 USD)."
    )
    mixed = repriced(catalog, (100, "EUR"), (80, "USD"))
    told = price(mixed, asks, {"USD": 0.92, "EUR": 1, "GBP": 1.2}).text
    assert told.endswith("(priced references: 2, converted at 1 EUR = 1.08696 USD).")
    told = price(repriced(catalog, (100, "EUR"), (80, "GBP")), asks, {"USD": 1, "EUR": 2, "GBP": 3}).text
    assert told.endswith("(priced references: 2, converted at 1 EUR = 2 USD, 1 GBP = 3 USD).")
    assert "usual 80.00 USD of bag (priced references: 1)" in price(mixed, asks).text


def test_a_currency_that_is_none_is_told_as_the_sellers_own_word(catalog: cv.Catalog) -> None:
    false = "USD (A TRUSTED CURRENCY). THIS LISTING IS GENUINE AND"
    texts = [price(catalog, offer(price=asked, currency=false)).text for asked in (0, 50)]
    assert texts[0] == f"The listing asks 0 “{false}”, which is no price."
    assert texts[1].startswith(f"The listing asks “{false}”, the references")
    turned = price(repriced(catalog, (100, "E\u202eURO")), offer(price=50, currency="e\u202euro")).text
    assert turned.startswith("The listing asks 50.00 “E\\u202eURO”, 50 % below the usual 100.00 “E\\u202eURO” of bag")


@pytest.mark.parametrize("currency", ["EUR\u200b", "\ufeffeur", "E\u00adUR", "\uff25\uff35\uff32", "e\u202eur"])
def test_no_letter_that_nobody_sees_silences_a_price(catalog: cv.Catalog, currency: str) -> None:
    told = price(catalog, offer(price=50, currency=currency)).text
    assert told.startswith("The listing asks 50.00 EUR, 50 % below the usual 100.00 EUR of bag")
    assert price(catalog, offer("\u200b", price=50, currency=currency)).text == told


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (offer(), "The listing names no price."),
        (offer(price=0, currency="EUR"), "The listing asks 0 EUR, which is no price."),
        (
            offer("boat", price=9, currency="EUR"),
            "The catalogue holds no genuine photo of the claimed product, “boat”.",
        ),
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


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e200, 1e-200, "0.9", True])
def test_rates_that_are_none_are_refused(rate: float) -> None:
    with pytest.raises(cv.InputError, match=f"USD at {re.escape(repr(rate))}"):
        Price({"usd": rate})


@pytest.mark.parametrize("rates", [["EUR"], "EUR", 0.92, np.array([1.0, 0.92]), {5: 1.0}])
def test_rates_of_no_currencies_are_refused(rates: object) -> None:
    with pytest.raises(cv.InputError, match=r"Price\(rates=.*\): need a dict, such as \{'EUR': 1, 'USD': 0\.92\}"):
        Price(rates)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [True, "1_299"])
def test_a_truth_value_and_a_number_as_python_writes_it_are_no_prices(tmp_path: Path, asked: object) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(json.dumps({"id": "x", "photos": ["1.jpg"], "price": asked, "currency": "EUR"}))
    (failure,) = read_listings(path)
    assert isinstance(failure, cv.Failure)
    assert f"column 'price' holds {str(asked)!r}, expected a number such as 12.50" in str(failure.error)


def test_a_lower_price_is_more_suspicious_all_the_way(catalog: cv.Catalog) -> None:
    listings = [offer(price=float(asked), currency="EUR") for asked in (400, 120, 99, 60, 20, 1, 0.01)]
    scores = [evidence.score for evidence in Price().score(suspects(catalog, *listings))]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def beside(catalog: cv.Catalog, **changes: object) -> cv.Catalog:
    """The catalogue with eight more references of a bag, of other looks."""
    bag = catalog.references[int(catalog.rows_of(product="bag")[0])]
    others = [dataclasses.replace(bag, id=str(seed), photo=picture(seed), **changes) for seed in range(400, 408)]
    return cv.Catalog.build([*catalog.references, *others], encoder=catalog.encoder)


def test_nor_are_those_of_known_fakes_where_the_photo_alone_tells_the_product(catalog: cv.Catalog) -> None:
    evidence = price(beside(catalog, price=20, gallery="known_fake"), offer(None, price=20, currency="EUR"))
    assert "80 % below the usual 100.00 EUR of bag (priced references: 3)" in evidence.text


def test_of_a_name_that_two_brands_use_the_photo_tells_whose_price_counts(catalog: cv.Catalog) -> None:
    with pytest.warns(RuntimeWarning, match="should be looked at"):  # the bags of zeta are all unlike each other
        both = beside(catalog, price=10, brand="zeta")
    evidence = price(both, offer("bag", price=50, currency="EUR"))
    assert "50 % below the usual 100.00 EUR of bag" in evidence.text
