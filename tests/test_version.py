"""What a folder or a report was made by is told by the code itself, wherever it lies."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from counterfeit_vision import _version as version
from counterfeit_vision._version import recipe_folder


def test_the_code_has_one_name_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = version.code_sha256.__wrapped__()
    shutil.copytree(recipe_folder(), tmp_path / "models")
    monkeypatch.setattr(version, "recipe_folder", lambda: tmp_path / "models")
    assert version.code_sha256.__wrapped__() == here


def test_another_code_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(recipe_folder(), tmp_path / "models")
    monkeypatch.setattr(version, "recipe_folder", lambda: tmp_path / "models")
    names = {version.code_sha256.__wrapped__()}
    recipe = min((tmp_path / "models").rglob("*.json"))
    recipe.write_bytes(recipe.read_bytes() + b" ")
    names.add(version.code_sha256.__wrapped__())
    recipe.rename(recipe.with_name("another.json"))
    assert len(names | {version.code_sha256.__wrapped__()}) == 3


def test_a_version_is_told_with_its_code() -> None:
    assert re.fullmatch(rf"counterfeit-vision {re.escape(version.__version__)}, code [0-9a-f]{{12}}", version.made_by())
