"""Reads text in photos: PP-OCRv6 small, Chinese and Latin, a detector and a recogniser that onnxruntime runs.

The two ONNX files come out of the ``rapidocr`` wheel (``models/ocr/``) into the cache. The package itself is not
installed: it wants opencv-python, which does not live beside opencv-python-headless, and brings nothing else that is
needed here.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Pixels
from .._concurrency import Once
from .._version import recipe_folder
from ..encoders import weights
from ..errors import WeightsError, require
from ..geometry.laying import corners_of
from ..io.files import cache_dir, replace_file

__all__ = ["DOUBTFUL", "LOWEST", "PHOTO_SIDE", "Reader", "Reading", "TextLine", "rectified", "shared_reader"]

RECIPE = "ocr/ppocr-v6-small.json"
THREADS = 1  # of onnxruntime, whose default takes every core of the machine
PHOTO_SIDE = 960  # pixels on the long side of a photo in which text is looked for
CROP_SIDE = 320  # pixels on the long side of a crop that is mostly text: 480 and 640 find no more
TEXT, BOX, GROWTH = 0.3, 0.5, 1.6  # text pixel, box score, how far a box is grown: rapidocr's settings for this model
HEIGHT = 48  # of the recogniser's input, pixels
WIDEST = 1600  # of the recogniser's input, pixels
SMALLEST = 5.0  # pixels on the short side of a text box
UPRIGHT = 1.5  # a box this much higher than wide holds a line that was turned by a right angle
DOUBTFUL = 0.9  # confidence below which a line is also read upside down (what it then reads has up to 0.85)
LOWEST, READ = 12.0, 0.3  # pixels of height and confidence below which a line counts as not read


@dataclass(frozen=True, eq=False)
class Reading:
    """What a line says: ``text``, ``confidence`` 0..1, ``probabilities`` (T, classes) float32, class 0 = blank."""

    text: str
    confidence: float
    probabilities: Floats


@dataclass(frozen=True, eq=False)
class TextLine:
    """A line of text: ``pixels`` (h, w, 3) uint8 of the photo or crop it stands on, ``box`` (4, 2) float32, x y of its
    corners there, clockwise from the top left as one reads it, and what it says.
    """

    pixels: Pixels
    box: Floats
    reading: Reading

    @property
    def text(self) -> str:
        """As it was read."""
        return self.reading.text


class Reader:
    """The detector and the recogniser.

    Raises :class:`~counterfeit_vision.errors.MissingExtraError` without onnxruntime, and
    :class:`~counterfeit_vision.WeightsError` where the two files can't be had.
    """

    def __init__(self) -> None:
        runtime = require("onnxruntime", extra="ocr", purpose="reading wordmarks")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        options.log_severity_level = 3
        files = model_files()
        self._detector, self._recogniser = (
            runtime.InferenceSession(str(files[name]), options, providers=["CPUExecutionProvider"])
            for name in ("detector", "recogniser")
        )
        characters = self._recogniser.get_modelmeta().custom_metadata_map["character"].splitlines()
        self.alphabet: tuple[str, ...] = ("", *characters, " ")
        self.place: dict[str, int] = {character: index for index, character in enumerate(self.alphabet) if character}

    @property
    def sha256(self) -> str:
        """That of the wheel that both models come out of."""
        return str(_recipe()["sha256"])

    def __reduce__(self) -> tuple[Callable[[], Reader], tuple[()]]:
        return shared_reader, ()  # sessions can't be copied, nor sent to another process: it has a reader of its own

    def find(self, pixels: Pixels, *, side: int = PHOTO_SIDE) -> list[Floats]:
        """Boxes (4, 2) of the lines of text on a (h, w, 3) uint8 RGB photo, seen with ``side`` pixels on its long side,
        the surest first. None on a uniform photo.
        """
        height, width = pixels.shape[:2]
        scale = side / max(height, width)
        size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
        heat = self._detector.run(None, {"x": _normalised(cv2.resize(pixels, size))[None]})[0][0, 0]
        mask = cv2.dilate((heat > TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        found: list[tuple[float, Floats]] = []
        for contour in contours:
            (centre, (w, h), angle) = cv2.minAreaRect(contour)
            if min(w, h) < SMALLEST or (score := _mean_inside(heat, cv2.boxPoints((centre, (w, h), angle)))) < BOX:
                continue
            grown = w * h * GROWTH / (w + h)  # twice the offset area * GROWTH / perimeter (Liao et al. 2020)
            corners = cv2.boxPoints((centre, (w + grown, h + grown), angle)) * [width / size[0], height / size[1]]
            found.append((score, _from_top_left(corners)))
        return [box for _, box in sorted(found, key=lambda pair: -pair[0])]

    def lines(self, pixels: Pixels, *, side: int = CROP_SIDE) -> list[TextLine]:
        """The lines that can be read on a (h, w, 3) uint8 RGB crop, the surest first; with ``side=PHOTO_SIDE`` on a
        photo.

        Where no line is found, the whole crop is tried as one. Lines under 12 pixels high do not count.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < LOWEST:
            return []
        whole = corners_of(width, height)
        read = []
        for box in self.find(pixels, side=side) or [whole]:
            across, down = np.linalg.norm(box[1] - box[0]), np.linalg.norm(box[3] - box[0])
            turned = np.roll(box, -1, axis=0) if down > UPRIGHT * across else box
            if min(across, down) < LOWEST:
                continue
            line = TextLine(pixels, turned, self.read(rectified(pixels, turned)))
            if line.reading.confidence < DOUBTFUL:
                over = np.roll(turned, 2, axis=0)
                line = max(
                    line,
                    TextLine(pixels, over, self.read(rectified(pixels, over))),
                    key=attrgetter("reading.confidence"),
                )
            if line.text and line.reading.confidence >= READ:
                read.append(line)
        return read

    def read(self, line: Pixels) -> Reading:
        """What a (h, w, 3) uint8 RGB picture of one horizontal line says."""
        height, width = line.shape[:2]
        wide = int(np.clip(np.ceil(HEIGHT * width / height), 8, WIDEST))
        room = max(wide, 320)  # shorter lines stand at the left of 320 pixels, as in training
        tensor = np.zeros((3, HEIGHT, room), np.float32)
        tensor[:, :, :wide] = _normalised(cv2.resize(line, (wide, HEIGHT)))
        probabilities = self._recogniser.run(None, {"x": tensor[None]})[0][0]
        best = probabilities.argmax(axis=1)
        kept = np.flatnonzero((best > 0) & (np.diff(best, prepend=-1) != 0))
        confidence = float(probabilities[kept, best[kept]].mean()) if len(kept) else 0.0
        text = "".join(self.alphabet[index] for index in best[kept]).strip()
        return Reading(text, confidence, probabilities)

    def knows(self, text: str) -> bool:
        """Whether the recogniser has every character of it."""
        return all(character in self.place for character in text)

    def log_likelihood(self, reading: Reading, text: str) -> float:
        """Log-probability that the line says ``text``, summed over all alignments (CTC: Graves et al. 2006); ``-inf``
        for characters that the recogniser does not know.
        """
        if not self.knows(text):
            return -np.inf
        labels = np.zeros(2 * len(text) + 1, np.int64)
        labels[1::2] = [self.place[character] for character in text]
        logits = np.log(np.maximum(reading.probabilities[:, labels], 1e-12))
        skip = np.full(len(labels), -np.inf)  # what it costs to come from two places before
        skip[2:][(labels[2:] != 0) & (labels[2:] != labels[:-2])] = 0
        padded = np.full(len(labels) + 2, -np.inf)  # two places that nothing comes from, then the labels'
        two, one, state = padded[:-2], padded[1:-1], padded[2:]
        state[:2] = logits[0, :2]
        for row in logits[1:]:
            state[:] = np.logaddexp(np.logaddexp(state, one), two + skip) + row
        return float(np.logaddexp.reduce(state[-2:]))


_shared: Once[None, Reader] = Once()


def shared_reader() -> Reader:
    """One reader for all heads of a process; it takes a second to load and 150 MB. Threads that ask at once wait for
    the first.
    """
    return _shared.get(None, Reader)


def rectified(pixels: Pixels, box: Floats) -> Pixels:
    """The line in ``box`` (4, 2), laid straight: (h, w, 3) uint8."""
    sides = np.linalg.norm(box - np.roll(box, -1, axis=0), axis=1)
    width, height = max(8, round(float(sides[[0, 2]].max()))), max(8, round(float(sides[[1, 3]].max())))
    matrix = cv2.getPerspectiveTransform(box.astype(np.float32), corners_of(width, height))
    line = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(line, np.uint8)


def _normalised(pixels: Pixels) -> Floats:
    """(h, w, 3) uint8 RGB -> (3, h, w) float32 BGR in -1..1, which the models were trained on."""
    return np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1


def _mean_inside(heat: Floats, corners: Floats) -> float:
    mask = np.zeros(heat.shape, np.uint8)
    cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1)
    return float(cv2.mean(heat, mask)[0])


def _from_top_left(corners: NDArray[Any]) -> Floats:
    """Clockwise, the two leftmost corners at the ends."""
    order = np.argsort(corners[:, 0], kind="stable")
    left, right = corners[order[:2]], corners[order[2:]]
    left, right = left[np.argsort(left[:, 1])], right[np.argsort(right[:, 1])]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


# --- the two files ----------------------------------------------------------------------------------------------------


def model_files() -> dict[str, Path]:
    """``detector`` and ``recogniser``: from the cache, else ``$CV_WEIGHTS``, else out of the packaged wheel.

    Every file is checked against its sha256. Raises :class:`~counterfeit_vision.WeightsError` with what to type.
    """
    recipe = _recipe()
    folder = cache_dir() / "weights" / f"{recipe['name']}-{recipe['sha256'][:12]}"
    brought = weights.brought_folder()
    for place in [folder] if brought is None else [folder, brought]:
        files = _files_in(place, recipe)
        if all(_is_whole(path, recipe["files"][name]["sha256"]) for name, path in files.items()):
            return files
    with tempfile.TemporaryDirectory(prefix="counterfeit-vision-") as temporary:
        try:
            wheel = weights.download_wheel(recipe, Path(temporary), progress=False)
        except WeightsError as error:
            names = " and ".join(path.name for path in _files_in(folder, recipe).values())
            raise WeightsError(
                f"{recipe['title']}: {error}\nWithout a connection, bring {names} out of the wheel "
                f"{recipe['package']}=={recipe['version']} in a folder and set CV_WEIGHTS to it"
            ) from error
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, path in _files_in(folder, recipe).items():
                about = recipe["files"][name]
                data = weights.extract_member(wheel, about["file"], size=about["bytes"], sha256=about["sha256"])
                replace_file(path, data)
        except OSError as error:
            message = f"{recipe['title']} can't be kept in {folder}: {error}; set CV_CACHE to another folder"
            raise WeightsError(message) from error
    return _files_in(folder, recipe)


def _files_in(folder: Path, recipe: dict[str, Any]) -> dict[str, Path]:
    return {name: folder / Path(about["file"]).name for name, about in recipe["files"].items()}


def _recipe() -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads((recipe_folder() / RECIPE).read_text(encoding="utf-8"))
    return recipe


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
