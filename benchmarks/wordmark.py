"""Does it see a misspelt or redrawn wordmark? Words in fonts, photographed in any pose and light.

    python benchmarks/wordmark.py          # about 9 minutes on 2 cores
    python benchmarks/wordmark.py --quick  # every eighth mark

Each mark is compared with one photo of the genuine mark in another pose, light and colour. The alarm level is the
highest score of a genuine mark among the development words and fonts; figures are of other words, fonts and poses: the
share of genuine marks over it, of visible letter swaps, and of homoglyphs whose drawings differ in that font. Beside
it: the edit distance of what is read, and the plain correlation of the two crops' pixels. System fonts that are absent
are left out and named.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import data
import lettering
import numpy as np

from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.heads.confusables import edit_distance
from counterfeit_vision.heads.line_comparison import LineComparison, compare_wordmark
from counterfeit_vision.heads.ocr import Reader, TextLine

GENUINE = {"development": 3, "test": 2}  # photos of each genuine mark
METHODS = ("wordmark", "glyphs alone", "reading alone", "edit distance", "pixel correlation")


def scores(
    reader: Reader, mark: lettering.Mark, reference: np.ndarray, known: list[TextLine], crop: np.ndarray
) -> dict[str, float]:
    """One score a method; 0 where it does not apply."""
    lines = reader.lines(crop)
    words = list(dict.fromkeys([mark.text, *(line.text for line in known)]))
    found: LineComparison | None = compare_wordmark(lines, known, words, reader)
    return {
        "wordmark": found.score if found else 0.0,
        "glyphs alone": found.redrawn or 0.0 if found else 0.0,
        "reading alone": found.misspelt if found else 0.0,
        "edit distance": float(min((edit_distance(line.text, mark.text) for line in lines), default=len(mark.text))),
        "pixel correlation": 1 - abs(correlation(reference, crop)),
        "applies": float(found is not None),
        "glyphs apply": float(found is not None and found.redrawn is not None),
    }


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of two crops in grey, the second resized to the first; its sign is the colours' and says nothing."""
    grey = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) for crop in (first, second)]
    resized = cv2.resize(grey[1], grey[0].shape[::-1], interpolation=cv2.INTER_AREA)
    return float(np.corrcoef(grey[0].ravel(), resized.ravel())[0, 1])


def measure(part: str, reader: Reader, *, every: int, fakes: bool, seed: int) -> list[dict[str, object]]:
    """Rows with the ``kind`` of mark (genuine, letter swap, homoglyph), its word and face, and its scores."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for mark in lettering.genuine_marks(part)[::every]:
        reference = lettering.photograph(mark, random)
        known = reader.lines(reference)
        shown = [("genuine", mark)] * GENUINE[part]
        if fakes:
            shown.append(("letter swap", lettering.letter_swap(mark, random)))
            if choices := lettering.homoglyphs(mark):
                shown.append(("homoglyph", choices[random.integers(len(choices))]))
        for kind, drawn in shown:
            found = scores(reader, mark, reference, known, lettering.photograph(drawn, random))
            changed = [pair for pair in zip(mark.drawn, drawn.drawn, strict=True) if pair[0] != pair[1]]
            rows.append({"kind": kind, "word": mark.text, "face": mark.face, "changed": changed, **found})
    return rows


def column(rows: list[dict[str, object]], name: str, kind: str) -> np.ndarray:
    """The scores of one kind of mark."""
    return np.array([row[name] for row in rows if row["kind"] == kind], float)


def share(over: np.ndarray) -> Callable[[np.ndarray], float]:
    """For the bootstrap: the share of true rows."""
    return lambda rows: float(over[rows].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every eighth mark; its result is not kept")
    options = parser.parse_args()
    every = 8 if options.quick else 1
    reader = Reader()
    started = time.perf_counter()
    development = measure("development", reader, every=every, fakes=False, seed=21)
    test = measure("test", reader, every=every, fakes=True, seed=22)
    result: dict[str, object] = {
        "words": len({row["word"] for row in test}),
        "fonts": sorted({str(row["face"]) for row in test}),
        "development fonts": sorted({str(row["face"]) for row in development}),
        "absent fonts": [
            name
            for name in (*lettering.DEVELOPMENT_FONTS, *lettering.TEST_FONTS, lettering.CHINESE_FONT)
            if not (lettering.FONTS / name).is_file()
        ],
        "marks": {kind: sum(row["kind"] == kind for row in test) for kind in ("genuine", "letter swap", "homoglyph")},
        "glyphs compared": float(np.mean([row["glyphs apply"] for row in test])),
    }
    print(f"{'':18} {'alarm level':>11} {'false alarms':>22} {'letter swaps':>22} {'homoglyphs':>22}")
    for method in METHODS:
        level = float(column(development, method, "genuine").max())
        numbers: dict[str, object] = {"alarm level": level}
        cells = []
        for kind in ("genuine", "letter swap", "homoglyph"):
            over = column(test, method, kind) > level
            words = [str(row["word"]).upper() for row in test if row["kind"] == kind]
            low, high = bootstrap_interval(share(over), words)
            numbers[kind] = {"share": float(over.mean()), "interval": [low, high]}
            cells.append(f"{over.mean():.3f} [{low:.3f}, {high:.3f}]".rjust(22))
        result[method] = numbers
        print(f"{method:18} {level:11.4f} {' '.join(cells)}")
    level = result["wordmark"]["alarm level"]  # type: ignore[index]
    kinds: dict[str, list[bool]] = {}
    for row in test:
        if row["kind"] == "homoglyph":
            kinds.setdefault(" for ".join(reversed(row["changed"][0])), []).append(row["wordmark"] > level)  # type: ignore[index, operator]
    result["homoglyphs by kind"] = {kind: [float(np.mean(seen)), len(seen)] for kind, seen in sorted(kinds.items())}
    result["missed or wrong"] = [
        f"{row['kind']}: {row['word']} {row['changed']} in {row['face']}, {row['wordmark']:.4f}"
        for row in test
        if (row["wordmark"] > level) == (row["kind"] == "genuine")  # type: ignore[operator]
    ]
    result["seconds a comparison"] = (time.perf_counter() - started) / (len(test) + len(development))
    if options.quick:
        print(result)
    else:
        data.write("wordmark", result)


if __name__ == "__main__":
    main()
