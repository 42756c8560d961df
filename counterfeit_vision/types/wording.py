"""Counts, p-values and probabilities in words that need no statistics."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context, Decimal

__all__ = [
    "amount",
    "at_most",
    "claim_name",
    "first_few",
    "number",
    "p_number",
    "p_share",
    "percent",
    "printable",
    "quoted",
    "visible",
]

NAMED = 5  # of many things
QUOTED = 80  # letters of what somebody else wrote
MOST = 0.95  # a share of genuine listings from which on it is nearly all
TURNS = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Controls that turn the direction of the letters around them, as their escapes; the marks that Arabic and Hebrew need
(U+200E, U+200F) move no letters."""
BETWEEN = "\u200c\u200d\u200e\u200f"  # joiners, as in Persian and emoji, and those marks

CLAIM_NAMES = {  # where the claim's own name will not do
    "reuse": "Photo reuse",
    "similarity": "Known product",
    "product": "Claimed product",
    "look": "Look of the marks",
    "patches": "Fine detail",
    "strokes": "Weight of strokes",
    "ink": "Colour of ink",
    "layout": "Layout of the marks",
    "drawing": "Drawing of the whole",
    "pattern": "Pattern of the whole",
    "colours": "Colours of the whole",
    "learned": "Learned pattern",
    "title": "Title against photo",
}


def claim_name(name: str) -> str:
    """What a claim is called before people.

    >>> claim_name("ink"), claim_name("my_head")
    ('Colour of ink', 'My head')
    """
    return CLAIM_NAMES.get(name, name.replace("_", " ").capitalize())


def number(count: int, thing: str) -> str:
    """How many of a thing there are.

    >>> number(1, "photo"), number(1200, "photo")
    ('1 photo', '1,200 photos')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def first_few(names: Sequence[str], most: int = NAMED) -> str:
    """Names in a row, at most so many, and how many more there are.

    >>> first_few(["a", "b", "c"]), first_few(["a", "b", "c"], 2)
    ('a, b, c', 'a, b and 1 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def amount(price: float) -> str:
    """A price in words: two decimals, where that is a price.

    >>> amount(1234.5), amount(1e300), amount(1e-5)
    ('1,234.50', '1e+300', '1e-05')
    """
    return f"{price:,.2f}" if 0.01 <= price < 1e15 else f"{price:.3g}"


def p_share(p: float | None) -> str:
    """A p-value as a count of genuine listings.

    >>> p_share(0.02), p_share(0.6), p_share(0.0031)
    ('about 1 in 50', 'about 6 in 10', 'about 1 in 320')
    """
    if p is None or not math.isfinite(p):
        return "not measured"
    if p > 0.34:
        return "nearly all" if p >= MOST else f"about {math.floor(10 * p + 0.5)} in 10"
    ways = round(1 / max(p, 1e-6))
    return f"about 1 in {round(ways, 2 - len(str(ways))):,}"


def p_number(p: float | None) -> str:
    """A p-value with three decimals.

    >>> p_number(0.05), p_number(0.00012), p_number(None)
    ('0.050', '<0.001', 'not measured')
    """
    if p is None or not math.isfinite(p):
        return "not measured"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def at_most(share: float, level: float = 1.0, digits: int = 2) -> str:
    """Percent, rounded up, in ``digits``, or in as many as keep them below a ``level`` that the share is below.

    >>> [at_most(share, 0.05) for share in (1 / 29, 0.0499, 0.05, 101 / 2001, 0.125)], at_most(0.9961)
    (['3.5', '4.99', '5', '5.1', '13'], '99.7')
    """
    exact, limit = (Decimal(f"{100 * one:.12g}") for one in (share, level))
    if exact == limit:
        return f"{100 * level:g}"
    while (told := Context(digits, ROUND_CEILING).create_decimal(exact)) >= limit > exact:
        digits += 1
    return f"{told.normalize():f}"


def percent(probability: float) -> str:
    """A probability in percent; never 0 or 100, which nobody can know.

    >>> percent(0.871), percent(0.9996), percent(0.002)
    ('87 %', 'above 99 %', 'below 1 %')
    """
    if not 0.01 <= probability <= 0.99:
        return "below 1 %" if probability < 0.01 else "above 99 %"
    return f"{100 * probability:.0f} %"


def quoted(text: str) -> str:
    """What somebody else wrote, so that nobody takes it for our own words: in quotation marks, and not all of it.

    >>> quoted("bag"), len(quoted(300 * "bag "))
    ('“bag”', 83)
    """
    told = text if len(text) <= QUOTED else f"{text[:QUOTED]}\N{HORIZONTAL ELLIPSIS}"
    return f"\N{LEFT DOUBLE QUOTATION MARK}{visible(told)}\N{RIGHT DOUBLE QUOTATION MARK}"


def visible(text: str) -> str:
    """Text whose letters stand in the order in which they are read: controls that would turn it are shown as escapes.

    >>> visible("shop" + chr(0x202E) + "1")
    'shop\\\\u202e1'
    """
    return text.translate(TURNS)


def printable(text: str) -> str:
    """Text for a terminal: whatever could move its cursor or turn its colours becomes a question mark; what stands
    between the letters of some scripts does not.

    >>> printable("a" + chr(27) + "[31mb"), printable("優\u3000衣") == "優\u3000衣"
    ('a?[31mb', True)
    """
    return "".join(c if c.isprintable() or c in BETWEEN or unicodedata.category(c) == "Zs" else "?" for c in text)
