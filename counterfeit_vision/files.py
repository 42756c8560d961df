"""Writing files so that others who read or write them meanwhile see the old state or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

__all__ = ["LITTER", "alone", "lock", "named", "refuse_file", "replace_file"]

# Endings of files by which somebody who names them expects one file, not a folder
FILE_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".txt", ".pdf", ".htm", ".html", ".zip")
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # file managers leave these


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that it has its old content or the new one at every instant. An error of the disk names it, as
    does that of Windows where somebody reads the old one at that instant.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with named(path):
            with open(temporary, "xb") as file:  # as readable as any new file; those of mkstemp are the owner's
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """An error of the disk that says no name, as that of a full one, names this file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


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
    """One save at a time. The folder itself is locked: no file is left, and a process that dies lets go."""
    if os.name == "nt":  # which opens no folders: one writer at a time, please
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks lock no folders
            lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> None:
    """Wait until no other process holds an open file or folder, and hold it until it is closed. On Windows nothing is
    held.
    """
    with contextlib.suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
