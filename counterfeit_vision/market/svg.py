"""One-colour SVG marks: the ``d`` of their paths to polygons. Nothing in the file is trusted.

Read are ``viewBox`` and every ``<path>`` with its ``fill-rule``; all else (styles, transforms, other shapes) is
ignored, as icon sets such as simple-icons need no more. Sizes, counts and numbers are bounded, entities are never
expanded.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from .shapes import Element, Polygon, Shape, arc, bezier, centred

__all__ = ["SvgMark", "path_polygons", "read_marks", "read_svg"]

MAX_BYTES = 256 * 1024
MAX_TABLE = 8 * 1024 * 1024  # bytes of marks.csv
MAX_NUMBERS = 50_000
MAX_COORDINATE = 1e5
MAX_POLYGONS = 2000
MAX_FILES = 10_000
TINY = 1e-9  # of a path's units: what is smaller has no shape

# Each letter is looked at a few times at most, however the file goes on.
_PATH = re.compile(r"<path\b([^<>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_COMMAND = re.compile(r"([MmLlHhVvCcSsQqTtAaZz])([^MmLlHhVvCcSsQqTtAaZz]*)")
_ARITY = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}

Point = tuple[float, float]


@dataclass(frozen=True)
class SvgMark:
    """A mark from a file: ``path`` is its path data, ``rule`` how it is filled."""

    title: str
    path: str
    rule: str
    colour: tuple[int, int, int]

    def shape(self) -> Shape:
        """Height 1, centred, y down; one element, as a path does not tell letters apart."""
        return _shape(self.path, self.rule)


@lru_cache(maxsize=64)
def _shape(path: str, rule: str) -> Shape:
    polygons = tuple(polygon for polygon in path_polygons(path) if len(polygon) >= 3)
    return centred((Element(polygons, "evenodd" if rule == "evenodd" else "nonzero"),))


def _groups(command: str, text: str, source: str) -> list[list[float]]:
    """The numbers behind one command letter, in groups of its arity."""
    arity = _ARITY[command.upper()]
    numbers: list[float] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n,":
            at += 1
            continue
        flag = command in "Aa" and len(numbers) % 7 in (3, 4)
        # The two flags of an arc are single digits that may touch what follows: "a1 1 0 012 2".
        match = re.compile("[01]").match(text, at) if flag else _NUMBER.match(text, at)
        if match is None:
            raise InputError(f"{source}: path data has {text[at : at + 12]!r} after {command!r}, expected a number")
        numbers.append(float(match.group()))
        at = match.end()
    if len(numbers) > MAX_NUMBERS or any(not abs(number) <= MAX_COORDINATE for number in numbers):
        raise InputError(f"{source}: path data is too large (limit: {MAX_NUMBERS} numbers up to {MAX_COORDINATE:g})")
    if arity == 0:
        if numbers:
            raise InputError(f"{source}: path data has numbers after {command!r}")
        return [[]]
    if not numbers or len(numbers) % arity:
        raise InputError(f"{source}: {command!r} needs groups of {arity} numbers, got {len(numbers)}")
    return [numbers[i : i + arity] for i in range(0, len(numbers), arity)]


def _arc(start: Point, numbers: list[float]) -> Polygon:
    """An elliptical arc from endpoints to points: SVG 1.1, appendix F.6."""
    rx, ry, tilt, large, sweep, x, y = numbers
    rx, ry = abs(rx), abs(ry)
    if min(rx, ry) < TINY or math.dist(start, (x, y)) < TINY:
        return np.array([start, (x, y)])
    phi = math.radians(tilt)
    turn = np.array([[math.cos(phi), math.sin(phi)], [-math.sin(phi), math.cos(phi)]])
    half = turn @ (np.array([start[0] - x, start[1] - y]) / 2)
    grow = math.sqrt(max(1.0, (half[0] / rx) ** 2 + (half[1] / ry) ** 2))
    rx, ry = rx * grow, ry * grow
    below = (rx * half[1]) ** 2 + (ry * half[0]) ** 2
    factor = math.sqrt(max(0.0, (rx * ry) ** 2 / below - 1)) * (1 if large != sweep else -1)
    centre = factor * np.array([rx * half[1] / ry, -ry * half[0] / rx])
    first = math.atan2((half[1] - centre[1]) / ry, (half[0] - centre[0]) / rx)
    last = math.atan2((-half[1] - centre[1]) / ry, (-half[0] - centre[0]) / rx)
    if sweep and last < first:
        last += 2 * math.pi
    if not sweep and last > first:
        last -= 2 * math.pi
    flat = arc(0, 0, rx, ry, math.degrees(first), math.degrees(last))
    middle = turn.T @ centre + [(start[0] + x) / 2, (start[1] + y) / 2]
    return np.asarray(flat @ turn + middle, np.float64)


def path_polygons(path: str, *, source: str = "path data") -> list[Polygon]:
    """The outlines of one ``d`` attribute as polygons in its own units, y down."""
    if not re.fullmatch(r"[\sMmLlHhVvCcSsQqTtAaZz0-9eE.,+-]*", path) or not re.match(r"\s*[Mm]", path):
        raise InputError(f"{source}: not path data: {path[:24]!r}")
    outlines: list[list[Polygon]] = []
    here: Point = (0.0, 0.0)
    start = here
    handle, previous = here, ""
    for letter, text in _COMMAND.findall(path):
        for place, numbers in enumerate(_groups(letter, text, source)):
            command = letter.upper()
            if letter.islower():
                shift = {"H": [here[0]], "V": [here[1]], "A": [0.0] * 5 + list(here)}
                offsets = shift.get(command, list(here) * (len(numbers) // 2))
                numbers = [a + b for a, b in zip(numbers, offsets, strict=True)]
            mirror = (2 * here[0] - handle[0], 2 * here[1] - handle[1])
            pairs: list[Point] = list(zip(numbers[0::2], numbers[1::2], strict=False))
            if command == "M" and place == 0:
                here = start = pairs[0]
                outlines.append([np.array([here])])
                handle, previous = here, command
                continue
            if command == "Z":
                here = start
                outlines.append([np.array([here])])
                handle, previous = here, command
                continue
            if command == "C":
                points, handle = bezier(here, *pairs, steps=12), pairs[1]
            elif command == "S":
                points = bezier(here, mirror if previous in "CS" else here, *pairs, steps=12)
                handle = pairs[0]
            elif command in "QT":
                handle = pairs[0] if command == "Q" else mirror if previous in "QT" else here
                points = bezier(here, handle, pairs[-1], steps=10)
            elif command == "A":
                points = _arc(here, numbers)
            else:
                target = {"H": (numbers[0], here[1]), "V": (here[0], numbers[0])}.get(
                    command, pairs[0] if pairs else here
                )
                points = np.array([here, target])
            here = (float(points[-1, 0]), float(points[-1, 1]))
            if command not in "CSQT":
                handle = here
            outlines[-1].append(points[1:])
            previous = command
    return [np.concatenate(outline) for outline in outlines if len(outline) > 1]


def _read_text(path: Path, limit: int) -> str:
    if path.exists() and not path.is_file():  # a pipe waits, a device may never end
        raise InputError(f"{path}: not a regular file")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path}: the file is too large (limit: {limit:,} bytes)")
    return data.decode()


def read_svg(file: str | os.PathLike[str], *, title: str | None = None, colour: str = "") -> SvgMark:
    """Read one mark. ``colour`` is six hex digits; anything else gives black."""
    path = Path(file)
    try:
        text = _read_text(path, MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable SVG file: {error}") from error
    outlines, rule = [], "nonzero"
    for tag in _PATH.findall(text):
        attributes = {name.lower(): a or b for name, a, b in _ATTRIBUTE.findall(tag)}
        if attributes.get("d", "").strip():
            outlines.append(attributes["d"].strip())
            rule = attributes.get("fill-rule", rule)
    joined = " ".join(outlines)
    polygons = [polygon for outline in outlines for polygon in path_polygons(outline, source=str(path))]
    filled = [polygon for polygon in polygons if len(polygon) >= 3]
    if len(filled) > MAX_POLYGONS:
        raise InputError(f"{path}: {len(filled)} outlines (limit: {MAX_POLYGONS})")
    if not filled or np.ptp(np.concatenate(filled), axis=0).min() < TINY:
        raise InputError(f"{path}: no filled <path d='...'> in it")
    rgb = colour if re.fullmatch(r"[0-9a-fA-F]{6}", colour) else "000000"
    name = title or path.stem
    return SvgMark(name, joined, rule, (int(rgb[:2], 16), int(rgb[2:4], 16), int(rgb[4:], 16)))


def read_marks(folder: str | os.PathLike[str]) -> list[tuple[Path, str, str]]:
    """File, title and colour of each mark of a folder, sorted by file.

    Where there is a ``marks.csv`` (file,title,hex), it chooses: files without a row are left out, a row without a file
    is an :class:`~counterfeit_vision.InputError`.
    """
    if not isinstance(folder, str | os.PathLike) or not Path(folder).is_dir():
        raise InputError(f"marks={str(folder)!r} is not a folder of .svg files")
    root = Path(folder)
    table = root / "marks.csv"
    rows = [(file, file.stem, "") for file in sorted(root.iterdir()) if file.suffix.lower() == ".svg"]
    if table.is_file():
        try:
            lines = csv.DictReader(io.StringIO(_read_text(table, MAX_TABLE), newline=""))
            named = {Path(row.get("file") or "").name: row for row in lines if any(row.values())}
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{table}: not readable as a csv in UTF-8: {error}") from error
        absent = sorted(named.keys() - {file.name for file, _, _ in rows})
        if absent:
            raise InputError(f"{table}: no such .svg file beside it: {', '.join(map(repr, absent[:5]))}")
        rows = [
            (file, named[file.name].get("title") or title, named[file.name].get("hex") or "")
            for file, title, _ in rows
            if file.name in named
        ]
    if not rows or len(rows) > MAX_FILES:
        raise InputError(f"{root}: {len(rows)} SVG marks, need 1 to {MAX_FILES}")
    return rows
