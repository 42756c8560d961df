"""How far a long run is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

__all__ = ["counting", "progress_bar"]

T = TypeVar("T")


def progress_bar(items: Iterable[T], *, total: int | None, unit: str, progress: bool) -> Iterable[T]:
    """``items``, with a bar on stderr where ``progress`` asks for one."""
    if not progress:
        return items
    bar: Iterable[T] = _bar(items, total, unit)
    return bar


@contextlib.contextmanager
def counting(total: int | None, *, unit: str, progress: bool) -> Iterator[Callable[[int], object]]:
    """What is to be told how many more are done; the bar says of how many, where that is known."""
    if not progress:
        yield lambda more: None
        return
    with _bar(None, total, unit) as bar:
        yield bar.update


def _bar(items: Iterable[object] | None, total: int | None, unit: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(items, total=total, unit=unit, smoothing=0.1, dynamic_ncols=True)
