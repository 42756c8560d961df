"""Checks of what people and their data frames give: numbers, shares, paths, names, settings; and copies of arrays that
they may fill again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

import numpy as np

from ..errors import InputError

__all__ = ["as_facts", "as_number", "as_path", "as_share", "check_settings", "group_names", "is_nothing", "own_arrays"]

T = TypeVar("T")

NOTHING = frozenset({"nan", "NaN", "NaT", "<NA>", "None"})
"""What an empty cell of a data frame becomes as a text (``astype(str)``, ``to_csv(na_rep="nan")``)."""


def as_number(value: object, *, whole: bool = False) -> float:
    """As a float; NaN, which lies in no range, for what is no number (a text, a truth value, ``None``), or no ``whole``
    one.
    """
    if isinstance(value, str | bytes | bool | np.bool_) or not isinstance(
        value, SupportsIndex if whole else SupportsFloat
    ):
        return math.nan  # numpy's texts can be made a float
    if getattr(value, "ndim", 0):  # so can an array of one
        return math.nan
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):  # 10**400, an array, a duration, Decimal("sNaN")
        return math.nan


def as_share(value: object, what: str, such_as: float) -> float:
    """As a float. :class:`InputError`, with ``what`` it is and a share ``such_as`` can be typed, for what is no share
    between 0 and 1.
    """
    share = as_number(value)
    if not 0 < share < 1:
        raise InputError(f"{what}={value!r}: need a share between 0 and 1, such as {such_as:g}")
    return share


def as_path(path: object, call: str, example: str) -> Path:
    """:class:`InputError`, with the ``call`` to type, for what is no path."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{call}({path!r:.60}): need a path; type {call}({example!r})")
    return Path(path)


def as_facts(about: object, call: str) -> dict[str, str]:
    """What is said ``about`` a report as texts. :class:`InputError`, with the ``call`` to type, for what is no dict."""
    if not isinstance(about, Mapping | None):
        raise InputError(f"{call}(about={about!r:.60}): need a dict, such as {{'Catalogue': '412 photos'}}")
    return {str(name): str(fact) for name, fact in (about or {}).items()}


def is_nothing(value: object) -> bool:
    """Whether it says nothing: ``None``, what stands in a data frame's empty cell (NaN, NaT, ``pd.NA``), its text."""
    return value is None or (not isinstance(value, list | dict) and str(value) in NOTHING)


def group_names(groups: object, of: str, what: str = "groups") -> list[Any]:
    """The names of what belongs together, one ``of`` each. :class:`InputError` for what is no list of names, and for
    one that names nothing: all of those would count as one group.
    """
    if not isinstance(groups, Iterable) or isinstance(groups, str | bytes | Mapping | Set):
        raise InputError(f"{what}={groups!r:.80}: need a list, one name for {of}")
    names = list(groups)
    for row, name in enumerate(names):
        if is_nothing(name):
            advice = "name the seller, or give such a listing a name of its own"
            raise InputError(f"{what}: row {row} is {name}; {advice}")
    return names


def check_settings(*, by: object = None, base_rate: object = None, costs: Any = None) -> None:
    """:class:`InputError` for what can be no such settings of an inspector."""
    if by not in (None, "category", "brand", "product"):
        raise InputError(f"by={by!r}: calibrate by 'category', 'brand' or 'product', or all together (None)")
    if base_rate is not None:
        as_share(base_rate, "base_rate", 0.02)
    two = list(costs) if isinstance(costs, Sequence) or np.ndim(costs) == 1 else []  # a set has no order
    if costs is not None and (len(two) != 2 or not all(0 < as_number(cost) < math.inf for cost in two)):
        raise InputError(f"costs={costs!r}: need two numbers above 0: of a false accusation, of a missed fake")


def own_arrays(items: Iterable[T]) -> Iterator[T]:
    """The items. Where no collection holds them all, arrays are copies: a video's frames may come in one array, which
    is filled again for each.
    """
    held = isinstance(items, Collection)
    for item in items:
        yield item.copy() if isinstance(item, np.ndarray) and not held else item
