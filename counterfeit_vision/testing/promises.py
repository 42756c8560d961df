"""Promises that plug-ins of several kinds make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError

__all__ = ["check_members", "check_refused"]


def check_members(plugin: object, protocol: type, members: str) -> None:
    whole = isinstance(plugin, protocol) and not isinstance(plugin, type)  # a class has them, too
    assert whole, f"{plugin!r:.80} is no object with {members}"


def check_refused(call: Callable[..., Any], *arguments: Any, what: str) -> None:
    try:
        call(*arguments)
    except InputError:
        return
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}, expected InputError: {error}") from error
    raise AssertionError(f"{what} raises nothing, expected InputError")
