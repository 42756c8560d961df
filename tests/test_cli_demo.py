"""The commands that need nothing of one's own: the demo, and the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import LITE, Run

from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import InputError


def test_demo_ends_with_the_path_of_its_report(
    run: Run, lite: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    small = ("--brands", 1, "--listings", 4, "--genuine", 29, "--size", 128, *LITE, "--folder", tmp_path / "demo")
    said = run("demo", *small, "--open")
    assert said.code == 0
    page = Path(said.last)
    assert page == tmp_path / "demo" / "report.html"
    assert "in truth fake: " in page.read_text(encoding="utf-8")
    assert opened == [page.resolve().as_uri()]
    assert "Of 2 genuine listings" in said.out
    assert "Of 2 fakes" in said.out
    assert "5/5" in said.err
    photos = tmp_path / "demo" / "market" / "photos"
    rendered = {path: path.stat().st_mtime_ns for path in photos.iterdir()}
    data = run("demo", *small, "--json").data
    assert rendered == {path: path.stat().st_mtime_ns for path in photos.iterdir()}  # and not once more
    assert Path(data["verdicts"]).is_file()
    assert sum(sum(counts.values()) for counts in data["by_label"].values()) == 4
    source = tmp_path / "demo" / "market" / "listings.jsonl"
    assert run("inspect", data["catalog"], data["inspector"], source, "--out", tmp_path / "r").code == 0
    said = run("demo", *small, "--seed", "1")
    assert said.code == 2
    assert "another market" in said.err
    assert "--folder" in said.err


@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_the_demo_renders_the_market_that_is_asked_for(
    strength: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: dict[str, object] = {}

    def render(folder: Path, **options: object) -> None:
        asked.update(options)
        raise InputError("enough")

    monkeypatch.setattr("counterfeit_vision.market.render", render)
    given = {"--seed": 3, "--brands": 2, "--listings": 5, "--genuine": 31, "--size": 200, "--strength": strength}
    said = run("demo", "--folder", tmp_path, *(part for option in given.items() for part in option))
    assert (said.code, "enough" in said.err) == (2, True)
    names = ("seed", "brands", "listings", "calibration", "size", "strength")
    assert tuple(asked[name] for name in names) == tuple(given.values())


def test_a_demo_of_too_few_photos_is_refused_before_they_are_rendered(run: Run, tmp_path: Path):
    said = run("demo", "--genuine", 27, "--folder", tmp_path / "demo")
    assert (said.code, "--genuine 27: to calibrate for alpha=0.05, at least 28 are needed" in said.err) == (2, True)
    assert not (tmp_path / "demo").exists()


def test_models_list(run: Run):
    said = run("models", "list")
    assert said.code == 0
    assert re.search(r"^clip-vit-b16 +CLIP ViT-B/16 .* +78 MB +MIT +(yes|no)$", said.out, re.MULTILINE)
    assert {model["name"] for model in run("models", "list", "--json").data["models"]} >= {"efficientnet-lite0"}


def test_models_fetch(run: Run, lite: TowerEncoder):
    said = run("models", "fetch", "efficientnet-lite0")
    assert said.code == 0
    assert "in the cache already" in said.out
    assert Path(said.last).is_file()
    said = run("models", "fetch", "resnet")
    assert said.code == 2
    assert "clip-vit-b16" in said.err


def test_models_fetch_with_no_source(run: Run, offline: Path):
    said = run("models", "fetch", "clip-vit-b16")
    assert said.code == 3
    assert "no source of the weights 'clip-vit-b16' worked" in said.err
    assert "no connection in this test" in said.err
    assert "CV_WEIGHTS" in said.err
