"""README's figures are those of the results that its rows name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "README.md").read_text(encoding="utf-8").partition("## Measured")[2].splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| question"))
]
EVERY = ["bottle", "watch", "bag", "shoe", "tag", "shirt", "metal", "leather"]
PRINTED = ["fakes suspected", "genuine suspected", "AUROC"]
SELLERS = ["fakes suspected", "genuine suspected, in the mix that calibrates", "AUROC"]
WORN = "AUROC, fakes beside worn"
OFFERED = [f"left out, {how}" for how in ("brand alone", "nearest product named", "own name")] + [
    "fakes, product named"
]
PLAIN = ["AUROC, plain cosine"]

# A row's first words; the result; where its figures stand there, in the row's order; where those of the plain cosine
# stand. What is joined by " + " is the mean of several.
CITED: list[tuple[str, str, list[str], list[str]]] = [
    ("781 carton", "grocery", ["iconic/recall@1"], ["iconic/plain class token recall@1"]),
    ("the same, five", "grocery", ["5 phone photos/recall@1/mean"], ["5 phone photos/plain class token recall@1/mean"]),
    ("photos of clothing", "unknown", ["clothing: insufficient_evidence"], []),
    (
        "cartons that were left",
        "unknown",
        ["left-out cartons, AUROC/mean"],
        ["left-out cartons, AUROC of the plain cosine/mean"],
    ),
    ("a market, cartons", "abstention-quick", ["all/ratio", "without clothing/ratio"], []),
    ("product told from", "foreground", ["IoU"], []),
    (
        "real photos, 348",
        "cartons",
        ["changed prints/suspected", "genuine suspected", "changed prints/AUROC"],
        ["changed prints/AUROC, plain cosine"],
    ),
    (
        "the same photos, claimed",
        "cartons",
        [f"by kind/wrong {what}/{of}" for of in ("suspected", "AUROC") for what in ("variant", "brand")],
        [f"by kind/wrong {what}/AUROC, plain cosine" for what in ("variant", "brand")],
    ),
    ("counterfeit shoes", "af1-head", ["learned head/auroc"], []),
    ("the same on the background", "af1-head", ["learned head/room", "learned head/trivial"], []),
    ("the same shoes through", "af1", ["suspected at 0.05/fakes, by photo", "suspected at 0.05/genuine, by photo"], []),
    ("the same of 25", "reuse", ["head/recall by edit/crop", "head/recall by edit/combined"], []),
    (
        "copies of 90",
        "reuse",
        [
            " + ".join(
                f"copies/{edit}/recall"
                for edit in ("crop", "flip", "rotate", "jpeg", "blur", "colour", "banner", "watermark")
            ),
            "copies/combined/recall",
        ],
        [],
    ),
    ("cards with real marks", "printed", PRINTED, PLAIN),
    ("the same with found marks", "printed-bare", PRINTED, PLAIN),
    ("the same, forty brands", "printed-many-bare", PRINTED, PLAIN),
    ("the same where one photo", "printed-alone", PRINTED, PLAIN),
    ("the same as sellers", "sellers", SELLERS, PLAIN),
    (
        "the same cards, genuine and worn",
        "worn",
        [f"calibrated with {how}/{of}" for of in ("worn suspected", WORN) for how in ("new", "some worn")],
        [f"calibrated with {how}/{WORN}, plain cosine" for how in ("new", "some worn")],
    ),
    (
        "genuine goods that the catalogue lacks",
        "wide-range",
        [*(f"{how}/suspected" for how in OFFERED), "AUROC, fakes"],
        [*(f"{how}/suspected, plain cosine" for how in OFFERED), "AUROC, fakes, plain cosine"],
    ),
    (
        "other kinds of goods",
        "kinds",
        [f"kinds/{kind}/fakes {word}" for word in ("suspected", "detected") for kind in EVERY],
        [],
    ),
    (
        "the same: genuine ones",
        "kinds",
        [f"kinds/{kind}/{what}" for what in ("genuine suspected", "AUROC") for kind in EVERY],
        [f"kinds/{kind}/AUROC, plain cosine" for kind in EVERY],
    ),
    (
        "all rendered fakes",
        "power",
        [f"verdicts/{deal}{of} suspected" for deal in ("", "over random deals/") for of in ("fakes", "genuine")],
        [],
    ),
    (
        "fakes detected there",
        "power",
        [
            "all claims/fakes detected",
            "all claims/each claim alone/price",
            "without price/fakes detected",
            "without price/claim chosen on other seeds",
        ],
        [],
    ),
    (
        "detected there over",
        "power",
        [
            f"{claims}/{of} detected"
            for claims in (
                "all claims/over random splits/all merged",
                "all claims/over random splits/price",
                "without price/over random splits/all merged",
            )
            for of in ("fakes", "genuine")
        ],
        [],
    ),
    (
        "rendered goods of brands",
        "market",
        [f"attacks/{what}/auroc" for what in ("letter_swap", "homoglyph", "mirrored")],
        [f"attacks/{what}/global vector" for what in ("letter_swap", "homoglyph", "mirrored")],
    ),
    (
        "the same, strokes",
        "market",
        [f"attacks/{what}/auroc" for what in ("stroke", "colour", "wrong_font")],
        [f"attacks/{what}/global vector" for what in ("stroke", "colour", "wrong_font")],
    ),
    (
        "the same, marks moved",
        "market",
        [" + ".join(f"attacks/{what}/auroc" for what in ("moved", "rotated", "proportion", "wrong_pattern"))],
        [" + ".join(f"attacks/{what}/global vector" for what in ("moved", "rotated", "proportion", "wrong_pattern"))],
    ),
    ("the spot", "market", ["peak in mask", "peak in mask, by chance"], []),
    (
        "genuine photos with glare",
        "market",
        ["hard genuine: false alarms", "hard genuine: false alarms, not covered"],
        [],
    ),
    (
        "100 real marks",
        "marks",
        ["region found (IoU >= 0.5)", "brand, top-1", "marks found on goods without a mark"],
        ["brand, top-1, global vector"],
    ),
    ("real words", "wordmark", ["wordmark/letter swap/share", "wordmark/homoglyph/share"], []),
    ("genuine cartons suspected", "calibration", ["by product/all"], []),
    ("ten markets more", "probability", ["fakes detected", "genuine detected"], []),
    (
        "calibration error of their",
        "probability",
        ["calibration error", "were the probabilities right/0", "were the probabilities right/1"],
        [],
    ),
]


def at(result: Any, path: str) -> float:
    several = []
    for one in path.split(" + "):
        value = result
        for name in one.split("/"):
            value = value[int(name)] if isinstance(value, list) else value[name]
        several.append(float(value))
    return float(np.mean(several))


def figures(cell: str) -> list[tuple[float, float]]:
    """Each number of a cell, and by how much rounding may have changed it."""
    found = []
    for digits, percent in re.findall(r"(\d+(?:\.\d+)?)( %)?", re.sub(r" of \d+", "", cell)):
        unit = 0.01 if percent else 1.0
        found.append((float(digits) * unit, 0.5 * unit * 10.0 ** -len(digits.partition(".")[2]) + 1e-9))
    return found


@pytest.mark.parametrize(("words", "name", "here", "plain"), CITED, ids=[words for words, *_ in CITED])
def test_readme_cites_what_was_measured(words: str, name: str, here: list[str], plain: list[str]):
    (row,) = [cells for cells in ROWS if cells[0].startswith(words)]
    result = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    for cell, paths in ((row[1], here), (row[2], plain)):
        cited = figures(cell)
        assert len(cited) == len(paths), (cell, paths)
        for path, (number, rounding) in zip(paths, cited, strict=True):
            assert abs(at(result, path) - number) <= rounding, (path, at(result, path), number)


@pytest.mark.parametrize("kept", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda kept: kept.stem)
def test_a_result_is_one_document_that_says_what_it_was_measured_on(kept: Path):
    result = json.loads(kept.read_text(encoding="utf-8"))
    assert result["benchmark"] == kept.stem
    assert {"python", "torch", "cores", "version"} <= set(result["measured_on"])


def test_a_wrong_figure_would_be_found():
    assert figures("19 % of 27") == [(pytest.approx(0.19), pytest.approx(0.005))]
    assert figures("0.60, 0.05; -") == [(0.6, pytest.approx(0.005)), (0.05, pytest.approx(0.005))]
    assert abs(0.606 - 0.6) > figures("0.60")[0][1]
