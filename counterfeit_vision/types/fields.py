"""What records have in common: texts and numbers that are checked where one is made, when two are equal, and the form
in which names are compared.
"""

# ruff: noqa: RUF001, RUF002

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from .checks import as_number, is_nothing

__all__ = [
    "LONGEST_ID",
    "SIGNS",
    "Record",
    "check_id",
    "check_texts",
    "checked_price",
    "composed",
    "folded",
    "is_seen",
    "leave_out_empty",
    "printed_letters",
    "seen_letters",
]

Name = TypeVar("Name", str, str | None)

SIGNS = "®™℠"  # that a name is registered: no part of it

LONGEST_TEXT = 10_000
"""Characters of a title, a name, an address: the time that it takes to compare two can grow with their square."""

LONGEST_ID = 4_096
"""Characters of an id, which may be a path: each photo of a listing is named by it."""


def composed(name: Name) -> Name:
    """One form for names that are the same text: folders of a Mac may hold an accent as a letter of its own.

    >>> composed("Cafe\\N{COMBINING ACUTE ACCENT}") == "Caf\\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


def folded(text: str) -> str:
    """As it is compared: compatibility forms, case, blanks, :data:`SIGNS` and letters that nobody sees taken out (NFKC,
    case-folded, without format characters). Turkish has a large I with a dot and a small one without: all are i.

    >>> folded("ＡＤＩ das"), folded("adi\u200bdas"), folded("ADİDAS™")
    ('adidas', 'adidas', 'adidas')
    """
    return printed_letters(text).casefold().replace("i\u0307", "i").replace("ı", "i")


def printed_letters(text: str) -> str:
    """Its letters as they are printed, large or small."""
    return "".join(seen_letters(unicodedata.normalize("NFKC", re.sub(f"[{SIGNS}]", "", text))).split())


def seen_letters(text: str) -> str:
    """The text without format characters, such as a space of no width."""
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


def check_id(kind: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        advice = "" if isinstance(value, str) or is_nothing(value) else f"; type id={str(value)!r:.80}"
        raise InputError(f"{kind}(id={value!r:.80}): an id is a non-empty string{advice}")
    if len(value) > LONGEST_ID:
        told = f"{kind} {value[:80]!r}: id has {len(value):,} characters (limit: {LONGEST_ID:,})"
        raise InputError(f"{told}; give it a shorter one")


def check_texts(kind: str, id: str, /, **texts: object) -> None:
    for name, value in texts.items():
        if not isinstance(value, str | None):
            meant = None if is_nothing(value) else str(value)
            raise InputError(f"{kind} {id!r}: {name}={value!r} is neither a text nor None; type {name}={meant!r}")
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            told = f"{name} has {len(value):,} characters (limit: {LONGEST_TEXT:,})"
            raise InputError(f"{kind} {id[:80]!r}: {told}; type {name}=text[:{LONGEST_TEXT}]")


def leave_out_empty(record: object, *names: str) -> None:
    """A text without a letter that can be seen, or that stands for an empty cell, names nothing: no product, no
    platform.
    """
    for name in names:
        if isinstance(value := getattr(record, name), str) and not is_seen(value):
            object.__setattr__(record, name, None)


def is_seen(text: str) -> bool:
    """Whether it has more than blanks and characters of no width, and does not stand for an empty cell."""
    return not is_nothing(text) and any(unicodedata.category(letter) != "Cf" for letter in "".join(text.split()))


def checked_price(kind: str, id: str, price: Any, currency: str | None) -> float | None:
    """As a float: data frames and databases give numbers of their own (``int64``, ``Decimal``), which JSON lacks."""
    if price is None or (isinstance(price, str) and is_nothing(price)):
        return None
    if not math.isfinite(as_number(price)) or price < 0:
        raise InputError(f"{kind} {id!r}: price={price!r} is not a finite number >= 0; if unknown, type price=None")
    if currency is None:
        raise InputError(f"{kind} {id!r}: price={price!r} has no currency; add currency='EUR' or another ISO 4217 code")
    return float(price)


class Record:
    """Equal to one of its kind that says the same; what it holds may be arrays."""

    id: str

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _alike(tuple(vars(self).values()), tuple(vars(other).values()))

    def __hash__(self) -> int:
        return hash(self.id)


def _alike(one: object, other: object) -> bool:
    """As ``==``, but for arrays, of which that makes another array, and for NaN and errors, which equal no copy."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)  # type: ignore[arg-type]
    if isinstance(one, BaseException):
        return type(one) is type(other) and str(one) == str(other)
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return bool(one == other)
