"""Files as Windows opens and locks them, for tests elsewhere: no folders, and a byte, by a module of its own."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import pytest

from counterfeit_vision.io import files

fcntl = pytest.importorskip("fcntl")


class _Msvcrt(ModuleType):
    LK_UNLCK, LK_NBLCK = 0, 2

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert count == 1
        assert os.fstat(descriptor).st_size <= place < 1 << 31  # nobody reads a locked byte; its C library has a long
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN if mode == self.LK_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error


def pretend(patch: pytest.MonkeyPatch) -> None:
    """Open and lock as on Windows from now on."""
    os_open = os.open

    def opened(path: str | os.PathLike[str], *options: Any, **more: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return os_open(path, *options, **more)

    patch.setattr("os.open", opened)
    patch.setattr(files, "WINDOWS", True)
    patch.setitem(sys.modules, "fcntl", None)
    patch.setitem(sys.modules, "msvcrt", _Msvcrt("msvcrt"))
