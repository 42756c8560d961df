"""A file is replaced whole, on Windows as soon as nobody has it open, and a folder is let go of after a save."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counterfeit_vision.errors import CatalogError, CorruptCatalogError
from counterfeit_vision.inspector_folder import read_inspector
from counterfeit_vision.io import files
from counterfeit_vision.io.files import alone, contents, named, replace_file
from counterfeit_vision.io.storage import read_sealed


def held(patch: pytest.MonkeyPatch, *, pauses: float) -> list[float]:
    """Nothing can be replaced before so many pauses; these, as they are made."""
    made: list[float] = []
    replace = os.replace

    def refused(old: Path, new: Path) -> None:
        if len(made) < pauses:
            raise PermissionError(13, "Access is denied", str(old), None, str(new))
        replace(old, new)

    patch.setattr("os.replace", refused)
    patch.setattr("time.sleep", made.append)
    return made


def test_on_windows_a_file_that_is_open_for_a_moment_is_replaced_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = held(monkeypatch, pauses=5)
    monkeypatch.setattr(files, "WINDOWS", True)
    replace_file(tmp_path / "page.html", b"new")
    assert (tmp_path / "page.html").read_bytes() == b"new"
    assert len(made) == 5


@pytest.mark.parametrize(("windows", "seconds"), [(True, 2), (False, 0)])
def test_what_can_not_be_replaced_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: bool, seconds: int
) -> None:
    made = held(monkeypatch, pauses=float("inf"))
    monkeypatch.setattr(files, "WINDOWS", windows)
    with pytest.raises(PermissionError, match="Access is denied") as told:
        replace_file(tmp_path / "page.html", b"new")
    assert (told.value.filename, told.value.filename2) == (str(tmp_path / "page.html"), None)
    assert sum(made) == pytest.approx(seconds)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said_with_the_name_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        replace_file(tmp_path / "gone" / "page.html", b"new")
    assert told.value.filename == str(tmp_path / "gone" / "page.html")


def test_an_error_that_is_none_of_the_disk_keeps_what_it_says(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^image file is truncated$"), named(tmp_path / "page.html"):
        raise OSError("image file is truncated")  # as Pillow does


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks nothing")
def test_a_process_that_was_forked_in_a_save_holds_up_no_later_one(tmp_path: Path) -> None:
    read, write = os.pipe()
    with alone(tmp_path):
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)  # until its parent is done
            os._exit(0)
    os.close(read)
    try:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        fcntl = pytest.importorskip("fcntl")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or BlockingIOError
        os.close(descriptor)
    finally:
        os.close(write)
        os.waitpid(child, 0)


def test_a_file_that_is_removed_as_it_is_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: (is_file(path), path.unlink())[0])
    for name in ("a", "manifest.json", "inspector.json"):
        (tmp_path / name).write_bytes(b"{}")
    assert contents(tmp_path / "a") is None
    with pytest.raises(CorruptCatalogError, match=r"manifest\.json is missing"):
        read_sealed(tmp_path, format=1, roles=set(), about=set())
    with pytest.raises(CatalogError, match=r"inspector\.json is missing"):
        read_inspector(tmp_path)
