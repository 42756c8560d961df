"""Writing files so that others who read or write them meanwhile see the old state or the new one."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

__all__ = ["LITTER", "WINDOWS", "alone", "cache_dir", "contents", "locked", "named", "refuse_file", "replace_file"]

WINDOWS = os.name == "nt"
PAUSE = 0.02  # seconds between two tries of what others hinder there
FAR = (1 << 31) - 2  # where a byte is locked there: farther, its C library does not count

# Endings of files by which somebody who names them expects one file, not a folder
FILE_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".txt", ".pdf", ".htm", ".html", ".zip")
LOCK = ".lock"
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini", LOCK}  # file managers leave these, and :func:`alone` the last


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that it has its old content or the new one at every instant. An error names it. On Windows, which
    replaces no file that is open somewhere, as to be read or searched for viruses, it is tried for two seconds.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with named(path):
            with open(temporary, "xb") as file:  # as readable as any new file; those of mkstemp are the owner's
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def contents(path: Path) -> bytes | None:
    """``None`` where there is no file, or no more: somebody may remove it at that instant."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_file():
            return path.read_bytes()
    return None


def _replace(temporary: Path, path: Path) -> None:
    for _ in range(round(2 / PAUSE) if WINDOWS else 0):
        with contextlib.suppress(PermissionError):
            return os.replace(temporary, path)
        time.sleep(PAUSE)
    os.replace(temporary, path)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """An error of the disk names this file, not one that it is written by, nor none, as that of a full disk does."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def refuse_file(folder: Path, otherwise: str = "name a folder") -> None:
    """:class:`InputError` for a file, and for a new folder that is named like one. ``otherwise``: the next thing to
    type.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: that is a file; {otherwise}")
    if folder.suffix.lower() in FILE_ENDINGS and not folder.is_dir():
        raise InputError(f"{folder}: a folder is written here, no {folder.suffix} file; {otherwise}")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One save at a time. The folder itself is locked: no file is left, and a process that dies lets go. Where folders
    can't be, as on Windows, an empty file in it is, which stays.
    """
    with contextlib.ExitStack() as held:
        try:
            _hold(folder, os.O_RDONLY, held)
        except OSError:
            with contextlib.suppress(OSError):  # some network disks lock nothing
                _hold(folder / LOCK, os.O_RDWR | os.O_CREAT, held)
        yield


def _hold(path: Path, flags: int, held: contextlib.ExitStack) -> None:
    descriptor = os.open(path, flags, 0o666)
    held.callback(os.close, descriptor)
    held.enter_context(locked(descriptor))


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Wait until nobody else holds an open file or folder, and hold it; a process that dies lets go."""
    if WINDOWS:
        while not _far_byte(descriptor, "LK_NBLCK"):
            time.sleep(PAUSE)
        try:
            yield
        finally:
            _far_byte(descriptor, "LK_UNLCK")  # closing lets go later there
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process that was forked meanwhile keeps it open


def _far_byte(descriptor: int, mode: str) -> bool:
    """Lock a byte, or unlock it, that is written nowhere, as Windows keeps others from reading a locked one; whether
    it was free.
    """
    msvcrt = importlib.import_module("msvcrt")
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, FAR, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, getattr(msvcrt, mode), 1)
    except PermissionError:
        return False
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    return True


def cache_dir() -> Path:
    """The folder for weights and embeddings: ``$CV_CACHE``, else ``$XDG_CACHE_HOME/counterfeit-vision``, else in
    ``~/.cache``.
    """
    try:
        if override := os.environ.get("CV_CACHE"):
            return Path(override).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterfeit-vision"
    except RuntimeError as error:
        raise InputError("the home folder for the cache is not known; set CV_CACHE to a folder") from error
