"""How far a long run is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["progress_bar"]

T = TypeVar("T")


def progress_bar(items: Iterable[T], *, total: int | None, unit: str, progress: bool) -> Iterable[T]:
    """``items``, with a bar on stderr where ``progress`` asks for one."""
    if not progress:
        return items
    from tqdm.auto import tqdm

    bar: Iterable[T] = tqdm(items, total=total, unit=unit, smoothing=0.1, dynamic_ncols=True)
    return bar
