"""What a catalogue holds: which goods' marks are known, which files are filed twice, and all of it in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools
from ..types import Reference
from ..types.wording import first_few, number

__all__ = ["by_marks", "facts", "lacking_marks", "told_both"]


def by_marks(
    goods: NDArray[np.object_], genuine: Bools, boxed: Sequence[bool], found: Sequence[bool]
) -> dict[str, list[str]]:
    """The goods whose marks were ``given`` as regions, those whose were ``found``, and those whose are ``unknown``.

    Of the N references: their ``goods``, which are ``genuine``, which are ``boxed``, and whose boxes were found.
    """
    by_search = np.array(found, bool)
    how = dict.fromkeys(goods[by_search].tolist(), "found") | dict.fromkeys(
        goods[genuine & np.array(boxed, bool) & ~by_search].tolist(), "given"
    )
    known: dict[str, list[str]] = {"given": [], "found": [], "unknown": []}
    for name in dict.fromkeys(goods[genuine].tolist()):
        known[how.get(name, "unknown")].append(name)
    return known


def lacking_marks(
    goods: NDArray[np.object_], genuine: Bools, known: Mapping[str, Iterable[str]], brands: Iterable[Sequence[int]]
) -> list[str]:
    """Of the goods whose marks are not ``known`` (:func:`by_marks`) those, of two photos or more, that may be expected
    to bear some: those of as many of their brand's goods are known as are not. Clothing may bear none.

    Of the references: their ``goods`` (N,), which are ``genuine`` (N,), and the rows of each of the ``brands``.
    """
    lacking, (given, found, unknown) = list[str](), (set(known[how]) for how in ("given", "found", "unknown"))
    for rows in brands:
        photos = Counter(goods[[row for row in rows if genuine[row]]].tolist())
        if len(photos.keys() & unknown) <= len(photos.keys() & (given | found)):
            lacking += [name for name, count in photos.items() if name in unknown and count > 1]
    return lacking


def told_both(references: Sequence[Reference], files: Sequence[str]) -> str:
    """What to say of files, by their sha256, that are genuine and known fakes alike, and not the brand's own pictures,
    which fakes may show.
    """
    named: dict[str, dict[str, str]] = {}
    for reference, file in zip(references, files, strict=True):
        named.setdefault(file, {}).setdefault(reference.gallery, reference.id)
    both = [ids for ids in named.values() if ids.keys() == {"genuine", "known_fake"}]
    if not both:
        return ""
    genuine, fake = (repr(both[0][gallery]) for gallery in ("genuine", "known_fake"))
    more = f" ({number(len(both), 'such pair')} in all)" if len(both) > 1 else ""
    return (
        f"{genuine} (genuine) and {fake} (known_fake) are one file{more}, which counts as genuine; "
        "leave one of the two out"
    )


def facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What :meth:`~counterfeit_vision.index.catalog.Catalog.info` tells, in words.

    >>> facts({"token_bytes": 9, "galleries": {"official": 5, "genuine": 7}})
    [('token bytes', '9'), ('galleries', 'official 5, genuine 7')]
    """
    words = [
        (name, _in_words(fact)) for name, fact in info.items() if name not in ("doubts", "versions") and fact != []
    ]
    words += [("doubt", f"{id!r} {why}") for id, why in (info.get("doubts") or {}).items()]
    for goods, versions in info.get("versions", {}).items():
        words.append(("versions", f"{goods!r}: {' | '.join(first_few([*map(repr, ids)]) for ids in versions)}"))
    words += [("versions", "one of each product")] * (info.get("versions") == {})
    return [(name.replace("_", " "), fact) for name, fact in words]


def _in_words(fact: object) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{part} {count}" for part, count in fact.items())
    return first_few([*map(repr, fact)]) if isinstance(fact, list) else str(fact)
