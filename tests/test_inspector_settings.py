"""What an inspector is told besides photos: costs, a base rate, an alarm level, heads and authorised sellers."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from lights import GENUINE, Loud, flat, said

import counterfeit_vision as cv
from counterfeit_vision.heads import Price, SellerName


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"base_rate": "0.02"}, "base_rate='0.02'"),
        ({"costs": 5}, "costs=5"),
        ({"costs": ("5", 1)}, "costs="),
        ({"costs": (None, 1)}, "costs="),
        ({"costs": {50, 1}}, "costs="),
        ({"heads": [Price]}, r"Price'> is no head; type heads=\[Mark\(\), Price\(\)\]"),
        ({"heads": [None]}, "None is no head"),
        ({"heads": Price()}, r"heads=<.*Price.*>: need a list"),
        ({"base_rate": np.array([0.1, 0.2])}, "base_rate=array"),
        ({"authorised": None}, r"authorised=None: need a list, such as \[\('bazaar'"),
        ({"heads": ["price"]}, r"'price' is no head; type heads=\[Mark\(\), Price\(\)\]"),
    ],
)
def test_settings_of_another_kind_are_named(tree_catalog: cv.Catalog, options: dict, told: str) -> None:
    with pytest.raises(cv.InputError, match=told):
        cv.Inspector(tree_catalog, **options)
    with pytest.raises(cv.InputError, match=r"alpha='0\.05': need a share"):
        cv.Inspector(tree_catalog, [Loud()]).calibrate(GENUINE, alpha="0.05")  # type: ignore[arg-type]


@pytest.mark.parametrize("costs", [(np.int64(5), np.float32(1.5)), np.array([5, 1.5])])
def test_settings_may_be_numpys_numbers(tree_catalog: cv.Catalog, tmp_path: Path, costs) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=np.float32(0.125))
    inspector.base_rate, inspector.costs = np.float32(0.25), costs
    again = cv.Inspector.load(inspector.save(tmp_path / "inspector"), tree_catalog, [Loud()], cache=False)
    assert again.calibration is not None
    assert (again.base_rate, again.costs, again.calibration.alpha) == (0.25, (5, 1.5), 0.125)


@pytest.mark.parametrize("alpha", [Decimal("0.125"), Fraction(1, 8)])
def test_an_alarm_level_may_be_a_number_of_any_kind(tree_catalog: cv.Catalog, alpha) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=alpha)
    assert said(inspector, [flat(250), flat(90)]) == ["suspected", "clear"]
    assert inspector.calibration is not None
    assert json.loads(json.dumps(inspector.calibration.to_dict()))["alpha"] == 0.125


def test_settings_that_are_assigned_are_checked_as_given_ones_are(inspector: cv.Inspector) -> None:
    with pytest.raises(cv.InputError, match="costs=5: need two numbers"):
        inspector.costs = 5  # type: ignore[assignment]
    with pytest.raises(cv.InputError, match="base_rate=2: need a share"):
        inspector.base_rate = 2
    with pytest.raises(cv.InputError, match=r"authorised=None: need a list, such as"):
        inspector.authorised = None  # type: ignore[assignment]
    with pytest.raises(cv.InputError, match=r"authorised='own-shop': need a list, such as"):
        inspector.authorised = "own-shop"
    assert (inspector.base_rate, inspector.costs, inspector.authorised) == (None, None, frozenset())


def test_sellers_may_be_authorised_after_a_calibration_and_after_loading(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=0.125)
    again = cv.Inspector.load(inspector.save(tmp_path / "inspector"), tree_catalog, [Loud()], cache=False)
    offers = [
        cv.Listing(id="own", photos=[flat(250)], seller="own-shop"),
        cv.Listing(id="platform's", photos=[flat(250)], seller="store-1", platform="Bazaar"),
    ]
    for one in (inspector, again):
        assert said(one, offers) == ["suspected", "suspected"]
        one.authorised = ["own-shop"]
        assert said(one, offers) == ["review", "suspected"]
        one.authorised |= {("Bazaar", "store-1")}
        assert said(one, offers) == ["review", "review"]
        one.authorised = ()
        assert said(one, offers) == ["suspected", "suspected"]


@pytest.mark.parametrize("setting", [{"costs": (5, 1)}, {"base_rate": 0.02}])
def test_no_verdict_takes_for_a_probability_what_is_none(inspector: cv.Inspector, setting: dict) -> None:
    for name, value in setting.items():
        setattr(inspector, name, value)
    with pytest.raises(cv.InputError, match=r"base_rate and costs need a probability: calibrate\(genuine="):
        inspector.inspect([flat(90)])
    for name in setting:
        setattr(inspector, name, None)
    assert len(inspector.inspect([flat(90)]).verdicts) == 1


def test_a_seller_is_authorised_as_for_the_inspector(tree_catalog: cv.Catalog) -> None:
    head = SellerName([("bazaar", "acme-store"), "own-shop"])
    inspector = cv.Inspector(tree_catalog, [head, Loud()], cache=False)
    suspects = [
        cv.Listing(id=f"{platform} {seller}", photos=[flat(60)], seller=seller, platform=platform)
        for platform, seller in (("bazaar", "acme-store"), (None, "own-shop"), ("elsewhere", "acme-store"))
    ]
    inspector.calibrate([cv.Listing(id=str(row), photos=[p], seller="anna") for row, p in enumerate(GENUINE)])
    scores = [verdict.claims["seller"].score for verdict in inspector.inspect(suspects).verdicts]
    assert scores == [0, 0, 1]
    with pytest.raises(cv.InputError, match="need a list"):
        SellerName(("bazaar", "acme-store"))
