"""What a listing says about itself: its price beside the usual one, its title beside its photo, who its seller is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import TextEncoder
from ..errors import InputError
from ..lookalikes import likeness
from ..policy import Authorised, is_authorised, pairs
from ..types import Evidence, Listing, Seller
from .base import Suspects

__all__ = ["Price", "SellerName", "Title"]

SPREAD = 0.25  # log units, about a quarter: our choice, as list prices do not show how far honest sellers go below them
PRICES_FOR_SPREAD = 5  # fewer references' prices say nothing about their spread
NORMAL = 1.4826  # a normal distribution's standard deviation, in medians of absolute deviations
RATES = (1e-9, 1e9)  # of what currencies are worth
REFERENCES_SHOWN = 3
TITLE_SHOWN = 80  # letters
UNTITLED = "The listing has no title and names no brand."


class Price:
    """How far a listing's price is below the usual price of the product.

    ``score`` = (median of the references' log prices - log price) / spread; above the usual price it falls below 0. The
    spread is the references' own (median absolute deviation), at least :data:`SPREAD`, and just that with fewer than
    :data:`PRICES_FOR_SPREAD` prices. The product is the one that the listing claims, else the one that the photo is
    taken for. ``rates`` are what one unit of a currency is worth, such as ``{"EUR": 1, "USD": 0.92}``: without them
    prices in another currency are not compared.
    """

    name = "price"

    def __init__(self, rates: Mapping[str, float] | None = None) -> None:
        given = {_code(currency): rate for currency, rate in (rates or {}).items()}
        for currency, rate in given.items():
            if not isinstance(rate, SupportsFloat) or not RATES[0] <= rate <= RATES[1]:
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
        if listing.price == 0:
            return Evidence.not_applicable(f"The listing asks 0 {currency}, which is no price.")
        product, rows = _sold(suspects, row)
        if not len(rows):
            return Evidence.not_applicable(f"The catalogue holds no photo of the claimed product, {product}.")
        priced = [references[int(key)] for key in rows if references[int(key)].price]
        if not priced:
            return Evidence.not_applicable(f"No genuine reference of {product} has a price.")
        found = [(item, self._worth(item.price or 0, _code(item.currency or ""), currency)) for item in priced]
        prices = np.array([worth for _, worth in found if worth is not None])
        if not len(prices):
            theirs = ", ".join(sorted({_code(item.currency or "") for item in priced}))
            return Evidence.not_applicable(
                f"The listing asks {currency}, the references of {product} have prices in {theirs}, "
                "and no rate between them was given."
            )
        logs = np.log(prices)
        middle = float(np.median(logs))
        spread = SPREAD
        if len(logs) >= PRICES_FOR_SPREAD:
            spread = max(spread, NORMAL * float(np.median(np.abs(logs - middle))))
        usual = math.exp(middle)
        share = 100 * (listing.price / usual - 1)
        return Evidence(
            score=(middle - math.log(listing.price)) / spread,
            text=f"The listing asks {listing.price:,.2f} {currency}, {abs(share):.0f} % "
            f"{'below' if share < 0 else 'above'} the usual {usual:,.2f} {currency} of {product} "
            f"(priced references: {len(prices)}).",
            references=tuple(item.id for item, worth in found if worth is not None)[:REFERENCES_SHOWN],
        )

    def _worth(self, price: float, currency: str, wanted: str) -> float | None:
        """A price in the wanted currency; ``None`` where that would be a guess."""
        if currency == wanted:
            return price
        if currency in self.rates and wanted in self.rates:
            return price * self.rates[currency] / self.rates[wanted]
        return None


class Title:
    """How much better a listing's title fits another product of the catalogue than the photo that stands under it.

    ``score`` = the highest mean cosine of the title with the references of a product, other than the one that the photo
    looks like most - the title's cosine with the photo. Without a title the claimed brand and product are taken. Needs
    an encoder that reads text (:class:`~counterfeit_vision.encoders.base.TextEncoder`); the packaged ones do not.
    """

    name = "title"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        encoder, catalog = suspects.catalog.encoder, suspects.catalog
        if not isinstance(encoder, TextEncoder):
            return [Evidence.not_applicable("This encoder has no text tower.")] * len(suspects)
        texts = [_claim(listing) for listing in suspects.listings]
        if not any(texts):  # a text tower is loaded when it is first asked
            return [Evidence.not_applicable(UNTITLED)] * len(suspects)
        places = {text: place for place, text in enumerate(dict.fromkeys(text for text in texts if text))}
        vectors = encoder.encode_text(list(places))
        rows = np.flatnonzero(catalog.genuine)
        references = catalog.vectors[rows]
        goods, codes, sizes = np.unique(catalog.goods[rows], return_inverse=True, return_counts=True)
        results = []
        for row, text in enumerate(texts):
            if not text:
                results.append(Evidence.not_applicable(UNTITLED))
                continue
            nearest = int(suspects.neighbours.rows[row, 0])
            fits = np.bincount(codes, references @ vectors[places[text]]) / sizes
            fits[goods == catalog.goods[nearest]] = -np.inf
            best = int(fits.argmax())
            if not math.isfinite(fits[best]):
                results.append(
                    Evidence.not_applicable("The catalogue holds no other product to compare the title with.")
                )
                continue
            own = float(suspects.photos.vectors[row] @ vectors[places[text]])
            margin = float(fits[best]) - own
            shown = rows[codes == best][:REFERENCES_SHOWN]
            results.append(
                Evidence(
                    score=margin,
                    text=f"The title \N{LEFT DOUBLE QUOTATION MARK}{text[:TITLE_SHOWN]}\N{RIGHT DOUBLE QUOTATION MARK} "
                    f"fits photos of {catalog.products[shown[0]]} {'better' if margin > 0 else 'less well'} "
                    f"({fits[best]:.2f}) than the listing's photo ({own:.2f}).",
                    references=tuple(catalog.references[int(key)].id for key in shown),
                )
            )
        return results


class SellerName:
    """How much a seller that is not authorised is named like one that is, or like the brand.

    ``authorised`` are the brand's own shop and its dealers, as :class:`~counterfeit_vision.Inspector` takes them: only
    the platform and the id that it has verified make a seller one of them, whatever its display name says. ``score`` =
    the largest :func:`~counterfeit_vision.lookalikes.likeness` of the display name (the id, where there is none) with
    theirs and the brand's, 0..1; 0 for an authorised seller.
    """

    name = "seller"

    def __init__(self, authorised: Iterable[Authorised]) -> None:
        given = authorised if isinstance(authorised, str | Seller | tuple) else list(authorised)
        self.authorised = pairs(given)
        self.names = [_called(one) if isinstance(one, Seller) else next(iter(pairs([one])))[1] for one in given]

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._one(suspects, row) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        listing = suspects.listings[row]
        if not isinstance(listing.seller, Seller):
            return Evidence.not_applicable("The listing names no seller.")
        called = _called(listing.seller)
        if is_authorised(listing, self.authorised):
            return Evidence(score=0.0, text=f"The seller {called} ({listing.seller.id}) is authorised.")
        brand = listing.brand or suspects.catalog.references[int(suspects.neighbours.rows[row, 0])].brand
        names = {brand: "the brand", **dict.fromkeys(self.names, "an authorised seller")}
        alike = {name: likeness(called, name) for name in names}
        nearest = max(alike, key=alike.__getitem__)
        return Evidence(
            score=alike[nearest],
            text=f"The seller {called} ({listing.seller.id}) is not authorised; its name is like {nearest}, "
            f"{names[nearest]}, by {alike[nearest]:.2f} of 1.",
        )


def _called(seller: Seller) -> str:
    return seller.name or seller.id


def _code(currency: str) -> str:
    """A currency's code as it is compared.

    >>> _code(" eur")
    'EUR'
    """
    return currency.strip().upper()


def _claim(listing: Listing) -> str:
    """What the listing says that it shows, in words."""
    return (listing.title or " ".join(filter(None, (listing.brand, listing.product)))).strip()


def _sold(suspects: Suspects, row: int) -> tuple[str, NDArray[np.int64]]:
    """The product that is sold, and its references: as claimed, else the one that the photo is taken for."""
    listing, catalog = suspects.listings[row], suspects.catalog
    if listing.product is not None:
        claimed = catalog.claimed_by(listing)
        if len(set(catalog.goods[claimed])) > 1:  # brands have products of that name: the one that the photo looks like
            claimed = claimed[catalog.goods[claimed] == suspects.goods(row)]
        return listing.product, claimed
    nearest = int(suspects.near(row)[0][0])
    same = catalog.goods == catalog.goods[nearest]
    return catalog.references[nearest].product, np.flatnonzero(same & catalog.genuine)
