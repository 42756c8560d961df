"""The claim that a listing asks less than the product usually costs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from .._arrays import Ints
from ..errors import InputError
from ..index.catalog import Catalog
from ..types import Evidence
from ..types.checks import as_number
from ..types.fields import folded
from ..types.wording import amount, quoted
from .suspects import Suspects

__all__ = ["Price"]

SPREAD = 0.25  # log units, about a quarter: our choice, as list prices do not show how far honest sellers go below them
PRICES_FOR_SPREAD = 5  # fewer references' prices say nothing about their spread
LOWER = 0.25  # the quantile whose distance from the median is a spread, as more than half of the prices may be one
NORMAL = 1.4826  # a normal distribution's standard deviation, in distances of that quantile from the median
RATES = (1e-9, 1e9)  # of what currencies are worth
REFERENCES_SHOWN = 3
MOST_TOLD = {"above": 9999.0, "below": 99.0}  # percent: what is beyond is said to be more
CODE = "[A-Z]{3}"  # of a currency (ISO 4217)


class Price:
    """How far a listing's price is below the usual price of the product.

    ``score`` = (median of the references' log prices - log price) / spread; above the usual price it falls below 0. The
    spread is that of the references' lower half (from the lower quartile to the median), at least :data:`SPREAD`, and
    just that with fewer than :data:`PRICES_FOR_SPREAD` prices. The product is the one that the listing claims, else the
    one that the photo is taken for. ``rates`` are what one unit of a currency is worth, such as ``{"EUR": 1, "USD":
    0.92}``: without them prices in another currency are not compared.
    """

    name = "price"

    def __init__(self, rates: Mapping[str, float] | None = None) -> None:
        if not isinstance(rates, Mapping | None) or not all(isinstance(currency, str) for currency in rates or ()):
            raise InputError(f"Price(rates={rates!r:.60}): need a dict, such as {{'EUR': 1, 'USD': 0.92}}")
        given = {_code(currency): rate for currency, rate in (rates or {}).items()}
        for currency, rate in given.items():
            if not RATES[0] <= as_number(rate) <= RATES[1]:
                raise InputError(
                    f"Price(rates=...): {currency} at {rate!r}; need a number in {RATES[0]:g}..{RATES[1]:g}"
                )
        self.rates = {currency: float(rate) for currency, rate in given.items()}

    @property
    def fingerprint(self) -> str:
        """See :class:`counterfeit_vision.heads.Head`."""
        return repr(sorted(self.rates.items()))

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._one(suspects, row) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        listing, references = suspects.listings[row], suspects.catalog.references
        if listing.price is None or listing.currency is None:
            return Evidence.not_applicable("The listing names no price.")
        currency = _code(listing.currency)
        told = _told(currency)
        if listing.price == 0:
            return Evidence.not_applicable(f"The listing asks 0 {told}, which is no price.")
        product, rows = _sold(suspects, row)
        if not len(rows):
            by = "" if listing.brand is None else f", by {quoted(listing.brand)}"
            return Evidence.not_applicable(
                f"The catalogue holds no genuine photo of the claimed product, {product}{by}."
            )
        priced = [references[int(key)] for key in rows if references[int(key)].price]
        if not priced:
            return Evidence.not_applicable(f"No genuine reference of {product} has a price.")
        found = [(item, self._worth(item.price or 0, _code(item.currency or ""), currency)) for item in priced]
        prices = np.array([worth for _, worth in found if worth is not None])
        if not len(prices):
            theirs = ", ".join(sorted({_code(item.currency or "") for item in priced}))
            return Evidence.not_applicable(
                f"The listing asks {told}, the references of {product} have prices in {theirs}, "
                "and no rate between them was given."
            )
        logs = np.log(prices)
        middle = float(np.median(logs))
        spread = SPREAD
        if len(logs) >= PRICES_FOR_SPREAD:
            spread = max(spread, NORMAL * (middle - float(np.quantile(logs, LOWER))))
        usual = math.exp(middle)
        used = {_code(item.currency or "") for item, worth in found if worth is not None}
        return Evidence(
            score=(middle - math.log(listing.price)) / spread,
            text=f"The listing asks {amount(listing.price)} {told}, "
            f"{_beside(100 * (listing.price / usual - 1))} the usual {amount(usual)} {told} of {product} "
            f"(priced references: {len(prices)}{self._converted(used - {currency}, currency)}).",
            references=tuple(item.id for item, worth in found if worth is not None)[:REFERENCES_SHOWN],
        )

    def _converted(self, currencies: Iterable[str], wanted: str) -> str:
        """At which rates prices in other ``currencies`` were taken; nothing where there are none."""
        rates = [
            f"1 {_told(other)} = {self.rates[other] / self.rates[wanted]:.6g} {_told(wanted)}"
            for other in sorted(currencies)
        ]
        return f", converted at {', '.join(rates)}" if rates else ""

    def _worth(self, price: float, currency: str, wanted: str) -> float | None:
        """A price in the wanted currency; ``None`` where that would be a guess."""
        if currency == wanted:
            return price
        if currency in self.rates and wanted in self.rates:
            return price * self.rates[currency] / self.rates[wanted]
        return None


def _code(currency: str) -> str:
    """A currency's code as it is compared, without what nobody sees; what is no code, in capitals.

    >>> _code(" eur"), _code("E\u200bUR"), _code("us dollars")
    ('EUR', 'EUR', 'US DOLLARS')
    """
    code = folded(currency).upper()
    return code if re.fullmatch(CODE, code) else currency.strip().upper()


def _told(currency: str) -> str:
    """A currency in words; what is no code, as somebody else's."""
    return currency if re.fullmatch(CODE, currency) else quoted(currency)


def _beside(share: float) -> str:
    """How a price compares with one that it is so many percent above.

    >>> _beside(-50.0), _beside(-99.6), _beside(0.4), _beside(1e6)
    ('50 % below', 'more than 99 % below', 'about', 'more than 9,999 % above')
    """
    side = "below" if share < 0 else "above"
    more = "more than " if abs(share) > MOST_TOLD[side] + 0.5 else ""
    told = f"{min(abs(share), MOST_TOLD[side]):,.0f}"
    return "about" if told == "0" else f"{more}{told} % {side}"


def _sold(suspects: Suspects, row: int) -> tuple[str, Ints]:
    """The product that is sold, as the catalogue calls it, and its references: as claimed, else the one that the photo
    is taken for.
    """
    listing, catalog = suspects.listings[row], suspects.catalog
    if listing.product is not None:
        claimed = catalog.claimed_by(listing)
        if len(set(catalog.goods[claimed])) > 1:  # brands have products of that name: the one that the photo looks like
            claimed = claimed[catalog.goods[claimed] == suspects.goods(row)]
        return (_named(catalog, int(claimed[0])) if len(claimed) else quoted(listing.product)), claimed
    nearest = int(suspects.near(row)[0][0])
    same = catalog.goods == catalog.goods[nearest]
    return _named(catalog, nearest), np.flatnonzero(same & catalog.genuine)


def _named(catalog: Catalog, row: int) -> str:
    """A reference's product, with its brand where others have one of that name."""
    reference = catalog.references[row]
    return f"{reference.product} of {reference.brand}" if catalog.has_namesake(reference) else reference.product
