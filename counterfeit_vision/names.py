"""Which references of a catalogue the name of a brand, product, category or gallery means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Bools
from .lookalikes import folded
from .types import Reference, composed
from .wording import first_few

__all__ = ["Names", "goods_of", "spelt_otherwise"]

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


def spelt_otherwise(references: Sequence[Reference]) -> list[tuple[str, str, list[str]]]:
    """The brands' names that differ in case and blanks alone, together, and those of each brand's products: what they
    name, of which brand, and they.
    """
    names: dict[tuple[str, str, str], set[str]] = {}
    for reference in references:
        brand, product = reference.names
        names.setdefault(("brand", "", folded(brand)), set()).add(brand)
        names.setdefault(("product", f" of {brand!r}", folded(product)), set()).add(product)
    return [(what, of, sorted(alike)) for (what, of, _), alike in names.items() if len(alike) > 1]
