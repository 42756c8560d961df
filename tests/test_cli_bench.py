"""The command that measures how quick a machine is."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, write_lines

from counterfeit_vision.encoders.batching import embed

SPEEDS = {"seconds_a_photo", "least", "most", "processor_seconds_a_photo", "photos_a_second"}


def test_bench_measures_each_stage_and_the_whole_way(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copy(photos[0], photos[0].with_name("copy.jpg"))
    command = ("bench", photos[0].parent, "--encoder", tiny_clip_folder)
    said = run(*command)
    assert (said.code, "Measuring 5 rounds" in said.err) == (0, True)
    assert said.out.startswith("8 photos of yours, ")  # nine files, one of them a copy
    for stage in ("decode and hash", "preprocess", "encoder, in batches", "bytes to embedding: all of these"):
        assert re.search(rf"^{stage}( +\d+\.\d\d){{4}} +[\d,]+\.\d$", said.out, re.MULTILINE), stage
    assert re.search(r"^Most time goes into: (decode|preprocess|encoder) \(\d+ % of the stages", said.out, re.MULTILINE)
    assert re.search(r"^threads +\d+$", said.out, re.MULTILINE)
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 3)
    said = run(*command, "--photos", 3, "--json", "--quiet")
    assert (said.err, said.data["photos"], said.data["rounds"], said.data["rendered"]) == ("", 3, 3, False)
    stages = said.data["stages"]
    assert list(stages) == ["decode", "preprocess", "encoder", "embedding"]
    for figures in stages.values():
        assert figures.keys() == SPEEDS
        assert 0 < figures["least"] <= figures["seconds_a_photo"] <= figures["most"]
        assert figures["photos_a_second"] == pytest.approx(1 / figures["seconds_a_photo"])
    parts = {name: figures["seconds_a_photo"] for name, figures in stages.items() if name != "embedding"}
    assert said.data["slowest"] == max(parts, key=parts.__getitem__)
    assert said.data["share_of_slowest"] == pytest.approx(max(parts.values()) / sum(parts.values()))
    assert {"encoder", "dtype", "device", "torch", "threads", "processor", "cores"} <= said.data["machine"].keys()


def test_bench_renders_photos_where_none_are_given(
    run: Run, tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = run("bench", "--photos", 2, "--encoder", tiny_clip_folder)
    assert said.code == 0
    assert "Rendering 2 photos of invented goods in a temporary folder" in said.err
    assert said.out.startswith("2 photos rendered for this, ")
    assert list(tmp_path.iterdir()) == []


def test_bench_names_what_it_cannot_use_and_measures_the_rest(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 1)
    photos[3].write_bytes(b"no photo")
    said = run("bench", *photos[2:5], "--encoder", tiny_clip_folder)
    assert said.code == 1
    assert said.out.startswith("2 photos of yours, ")
    assert re.search(r"^  \S*3\.jpg +decode +.*3\.jpg: is not an image", said.out, re.MULTILINE)


def test_what_bench_cannot_measure_is_refused(run: Run, photos: list[Path], tiny_clip_folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    write_lines(tmp_path / "none.jsonl", [])
    tiny = ("--encoder", tiny_clip_folder)
    for arguments, code, words in (
        ((tmp_path / "empty", *tiny), 2, "empty: the folder holds no photos"),
        ((tmp_path / "absent", *tiny), 2, "absent: no such file or folder of photos"),
        ((tmp_path / "broken.jpg", *tiny), 2, "broken.jpg: none of the photos can be used; the first: "),
        ((tmp_path / "none.jsonl", *tiny), 2, "none.jsonl: none of the photos can be used: there are none"),
        ((photos[0], "--photos", 0), 2, "--photos 0: need 1 or more"),
        ((photos[0], "--catalog", tmp_path / "absent"), 3, "no catalogue here"),
        ((photos[0], "--inspector", tmp_path), 2, "--inspector needs its catalogue: --catalog FOLDER"),
    ):
        said = run("bench", *arguments)
        assert (said.code, said.out, words in said.err) == (code, "", True), said


def test_bench_measures_no_wrong_answer(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def turned(*given: Any, **options: Any) -> Any:
        found = embed(*given, **options)
        return dataclasses.replace(found, vectors=found.vectors[::-1])

    monkeypatch.setattr("counterfeit_vision.encoders.batching.embed", turned)
    said = run("bench", *photos, "--encoder", tiny_clip_folder)
    assert (said.code, said.out) == (2, "")
    assert re.search(r"error: wrong answer: vectors of .* differ by 0\.\d+ .* nothing was measured", said.err)
