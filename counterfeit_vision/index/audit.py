"""Which genuine references somebody should look at: they may not show the goods that they are filed under.

One file under two products is wrong under one of them. A photo that shows another brand's goods is told by the other
photos: it is more like those of the other product than like those of its own. One that bears the marks of its own is
no such: a close-up of them may be like anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .._arrays import Ints
from .._concurrency import each
from ..types import Reference
from .neighbours import evenly_spread
from .retrieval import Likeness

__all__ = ["doubts_of"]

FEWEST = 3  # references of a product: of two that differ, nobody can tell which is wrong
# Chosen on 6 printed goods (seed 160) and 31 real cartons: a photo of other goods is like its own product at most 0.48
# times as much as like the other, mostly below 0.2; photos of the same goods under two brands' names mostly more.
SHARE = 0.5
NEAR = 0.1  # cosine by which another brand's vectors may be less near than the product's own: fellows may be wrong, too
RIVALS = 4  # products of other brands that a reference is compared with
MARKS_ASKED = 20  # of the most doubtful references: their marks are learned for it, which takes seconds each
COMPARED = 32  # references of a product that it is compared with


def doubts_of(
    references: Sequence[Reference],
    files: Sequence[str],
    likeness: Likeness,
    *,
    by_likeness: bool,
    shares_marks: Callable[[int, Ints], bool],
) -> dict[str, str]:
    """By the id of each reference that somebody should look at, why; ``files`` are their sha256. ``by_likeness``:
    whether the encoder's patches tell one product from another well enough; ``shares_marks``: whether a row bears marks
    that some of other rows do.
    """
    twins = _under_two_products(files, likeness)
    doubts = {
        row: f"is one file with {references[twin].id!r}, which is filed under {_told(references[twin])}"
        for row, twin in twins.items()
    }
    others = _of_other_brands(references, likeness, list(twins), shares_marks) if by_likeness else {}
    for row, other in others.items():
        own = references[row].names[1]
        doubts[row] = f"is more like {_told(references[other])} than like the other photos of {own!r}"
    return {references[row].id: doubts[row] for row in sorted(doubts)}


def _told(reference: Reference) -> str:
    brand, product = reference.names
    return f"{product!r} of {brand!r}"


def _under_two_products(files: Sequence[str], likeness: Likeness) -> dict[int, int]:
    """The genuine rows of files that are filed under several products, each with the first row under another."""
    rows_of: dict[str, list[int]] = {}
    for row in np.flatnonzero(likeness.genuine).tolist():
        rows_of.setdefault(files[row], []).append(row)
    goods = likeness.goods
    pairs = ((row, [twin for twin in rows if goods[twin] != goods[row]]) for rows in rows_of.values() for row in rows)
    return {row: others[0] for row, others in pairs if others}


def _of_other_brands(
    references: Sequence[Reference],
    likeness: Likeness,
    left_out: list[int],
    shares_marks: Callable[[int, Ints], bool],
) -> dict[int, int]:
    """The rows that are more like another brand's product, each with a row of that. A wrong photo makes those that it
    resembles look wrong as well, so the most doubtful is left out first, and then the others are asked again. For one
    speak the marks that it shares with such of its product as are not doubtful themselves, and not with the other: a
    shop's watermark is on both.
    """
    if likeness.kept.tokens is None:
        return {}
    brands = np.array([reference.names[0] for reference in references], dtype=object)
    products = {str(likeness.goods[rows[0]]): rows for rows in likeness.by_product(np.flatnonzero(likeness.genuine))}

    def ask(row: int) -> tuple[float, int]:
        """By how much a row is more like its rivals, 0 where that is not enough, or where its product's photos mostly
        are: two brands may sell the same goods. And a row of the most alike.
        """
        rest = [_rest(products[goods], [row, *left_out]) for goods in (str(likeness.goods[row]), *rivals[row])]
        if len(rest[0]) < FEWEST - 1 or not any(map(len, rest[1:])):
            return 0.0, -1
        groups = [_without_fellow(row, rest[0], likeness), *filter(len, rest[1:])]
        own, *others = likeness.of_reference(row, groups, left_out).tolist()
        best = int(np.argmax(others))
        other = int(groups[1 + best][0])
        doubtful = own < SHARE * others[best] and likeness.usual_margin(*likeness.goods[[row, other]].tolist()) < 0
        return others[best] - own if doubtful else 0.0, other

    rivals = _rivals(brands, products, likeness, left_out)
    asked = dict(zip(rivals, each(ask, list(rivals)), strict=True))
    found, to_ask = dict[int, int](), MARKS_ASKED
    while asked:
        worst = max(asked, key=lambda row: asked[row][0])
        margin, other = asked.pop(worst)
        if margin <= 0:
            break
        goods = likeness.goods[worst]
        doubtful = [worst, *(row for row in asked if asked[row][0] > 0), *left_out]
        own, others = (_rest(products[name], doubtful) for name in (goods, likeness.goods[other]))
        to_ask -= 1
        if to_ask >= 0 and shares_marks(worst, own) and not shares_marks(worst, others):
            continue
        found[worst] = other
        left_out.append(worst)
        asked |= {row: ask(row) for row in asked if asked[row][0] > 0 or likeness.goods[row] == goods}
    return found


def _rest(rows: Ints, without: Sequence[int]) -> Ints:
    return np.array(evenly_spread(rows[~np.isin(rows, without)].tolist(), COMPARED), np.int64)


def _without_fellow(row: int, rows: Ints, likeness: Likeness) -> Ints:
    """A row's product without the nearest, where two are left then: it may be wrong as well, and in the same way."""
    vectors = likeness.centred(likeness.kept.vectors[[row, *rows.tolist()]])
    return np.delete(rows, int(np.argmax(vectors[1:] @ vectors[0]))) if len(rows) >= FEWEST else rows


def _rivals(
    brands: NDArray[np.object_], products: dict[str, Ints], likeness: Likeness, left_out: Sequence[int]
) -> dict[int, list[str]]:
    """Of each row of a product of at least :data:`FEWEST`, the other brands' products whose global vectors are about as
    near as its own product's, nearest first; without the rows of which none is.
    """
    counts = likeness.genuine & ~np.isin(np.arange(len(brands)), left_out)
    vectors, rivals = likeness.centred(likeness.kept.vectors), dict[int, list[str]]()
    for every in products.values():
        rows = every[counts[every]]
        if len(rows) < FEWEST:
            continue
        cosines = vectors[rows] @ vectors.T
        own = cosines[:, rows]
        np.fill_diagonal(own, -1)
        least = np.sort(own)[:, -2:].mean(axis=1, keepdims=True) - NEAR
        near = (cosines > least) & counts & (brands != brands[rows[0]])
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            columns = np.flatnonzero(near[row])
            columns = columns[np.argsort(-cosines[row, columns], kind="stable")]
            rivals[int(rows[row])] = list(dict.fromkeys(likeness.goods[columns].tolist()))[:RIVALS]
    return rivals
