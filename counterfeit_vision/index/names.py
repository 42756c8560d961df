"""Which references of a catalogue the name of a brand, product, category or gallery means."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._arrays import Bools
from ..types import Reference, composed
from ..types.fields import folded
from ..types.wording import first_few

__all__ = ["Names", "goods_of", "one_spelling"]

NAMED = 20  # brands that are named where another was asked for


class Names:
    """The names of some ``references``, whose places in their order are the rows."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self._references = references
        self._rows: dict[str, dict[str | None, list[int]]] = {}
        self._alike: dict[str, dict[str, list[str]]] = {}

    def rows(self, field: str, value: object) -> list[int]:
        """The rows of a brand, product, category or gallery: of that name, or else of the one that differs from it in
        case and blanks alone; of products, all that do, as of brands that have products of one name.
        """
        if not isinstance(value, str):
            return []
        rows = self.by(field)
        if composed(value) in rows:
            return rows[composed(value)]
        alike = self._alike_by(field).get(folded(value), [])
        return [row for name in alike for row in rows[name]] if len(alike) == 1 or field == "product" else []

    def having(self, **wanted: str | None) -> Bools:
        """(N,) which references have all of these; ``None`` is no restriction."""
        hits = np.ones(len(self._references), bool)
        for field, value in wanted.items():
            if value is not None:
                own = np.zeros(len(hits), bool)
                own[self.rows(field, value)] = True
                hits &= own
        return hits

    def unknown(self, **wanted: str | None) -> str | None:
        """That no reference has one of these, with the names that there are; ``None`` where all are known."""
        for field, value in wanted.items():
            if value is not None and not self.rows(field, value):
                names = sorted(str(name) for name in self.by(field) if name is not None)
                told = first_few(names, NAMED) or "none at all"
                return f"the catalogue knows no {field} {value!r}; it knows {told}"
        return None

    def by(self, field: str) -> dict[str | None, list[int]]:
        """The rows of each brand, product, category or gallery. Cached: it is asked for each photo."""
        if field not in self._rows:
            rows: dict[str | None, list[int]] = {}
            for row, reference in enumerate(self._references):
                rows.setdefault(composed(getattr(reference, field)), []).append(row)
            self._rows[field] = rows
        return self._rows[field]

    def _alike_by(self, field: str) -> dict[str, list[str]]:
        """The names that differ in case and blanks alone. Cached, too."""
        if field not in self._alike:
            names: dict[str, list[str]] = {}
            for name in filter(None, self.by(field)):
                names.setdefault(folded(name), []).append(name)
            self._alike[field] = names
        return self._alike[field]


def goods_of(reference: Reference) -> str:
    """Brand/product. A slash in the brand's name is escaped: a/b of brand c is not b of brand c/a."""
    brand, product = reference.names
    brand = brand.replace("\\", "\\\\").replace("/", "\\/")
    return f"{brand}/{product}"


def one_spelling(references: Sequence[Reference]) -> tuple[list[Reference], list[list[str]]]:
    """The references, and every name that they spell in several ways which differ in case and blanks alone, all of a
    name together. Each brand, product of a brand and category is now spelt as most of them spell it, or else the first.
    """
    spelt = defaultdict[tuple[str | None, ...], Counter[str | None]](Counter)
    fold = functools.cache(lambda name: name and (folded(name) or name))  # what is a sign alone stays one

    def names(reference: Reference) -> Iterator[tuple[str, tuple[str | None, ...], str | None]]:
        for field in ("brand", "product", "category"):
            name = composed(getattr(reference, field))
            yield field, (field, fold(reference.brand) if field == "product" else None, fold(name)), name

    for reference in references:
        for _, key, name in names(reference):
            spelt[key][name] += 1
    usual = {key: ways.most_common(1)[0][0] for key, ways in spelt.items()}
    kept = list[Reference]()
    for reference in references:
        other: dict[str, Any] = {field: usual[key] for field, key, name in names(reference) if name != usual[key]}
        kept.append(dataclasses.replace(reference, **other) if other else reference)
    return kept, [list(map(str, ways)) for ways in spelt.values() if len(ways) > 1]
