"""Do the claims about a mark's details see small changes of it, in free pose, and show where?

    python benchmarks/market.py                      # seeds 131 and 132
    python benchmarks/market.py --strength strong    # the same goods and scenes, changes of 5 to 15 %
    python benchmarks/market.py --seeds 0 --quick    # for development: seeds below 10
    python benchmarks/market.py --regions found      # without the boxes that the market's catalogue gives

Markets of invented brands; the listings come in pairs, genuine and fake from the same scene. For each attack: AUROC of
the claims about marks (``patches``, ``strokes``, ``ink``, ``layout``, ``wordmark``) against all genuine listings,
merged as an inspector merges them, by what is usual for 40 other genuine photos of each market; beside it that of
each alone, and of the global CLIP vector's distance to the nearest genuine photo of the claimed product. A claim that
does not apply raises no alarm. Peak: the share of true detections (at 5 % false alarms on easy genuine listings) of
which the claim that deviates most points into the mask, dilated by one patch of 1/14 of the long side: its heat map's
peak, or where it draws none (``wordmark``) the middle of its region. Masks over 20 % of the photo are left out.
Chance: the dilated mask's share of the product. "Not covered": alarms of which a verdict would not say, for review,
that something may lie over the marks.

With ``--regions found`` the catalogue is built without the boxes; beside the rest stands how well it found them, on the
photo of each product that has them: whether the largest mark is covered (80 % of its area), and the overlap (IoU) of
the boxes around all marks, and of the boxes of each.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
from numpy.typing import NDArray

import counterfeit_vision as cv
from counterfeit_vision.calibration.fusion import Merger
from counterfeit_vision.calibration.standardize import LEAST_EXCESS, Usual
from counterfeit_vision.calibration.support import COVERED
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.evaluation.metrics import auroc, bootstrap_interval
from counterfeit_vision.heads import Ink, Layout, Patches, Strokes, Wordmark
from counterfeit_vision.io.manifests import read_references
from counterfeit_vision.judging import suspects_of
from counterfeit_vision.market import ATTACKS, render
from counterfeit_vision.market.attacks import STRENGTHS, Alteration

CALIBRATION = 40  # other genuine photos of each market
CLAIMS = ("patches", "strokes", "ink", "layout", "wordmark")
ALARMS = 0.05
LARGE = 0.2
PATCH = 1 / 14


def judged(market: Path, encoder: Any, regions: str) -> tuple[list[dict[str, Any]], list[tuple[float, float, float]]]:
    """The listings of a market, each with its score, its peak against the mask, and the baseline; and of each product's
    marks how much was found.
    """
    known, lines = (
        [json.loads(line) for line in (market / name).read_text().splitlines()]
        for name in ("calibration.jsonl", "listings.jsonl")
    )
    lines = known + lines
    references = read_references(market / "catalogue.jsonl")
    given = {reference.id: reference.regions for reference in references}
    if regions == "found":
        references = [dataclasses.replace(reference, regions=()) for reference in references]
    catalog = cv.Catalog.build(references, encoder=encoder)
    photos = ((row["id"], market / row["photos"][0]) for row in lines)
    rows = [row for row in encode_photos(photos, encoder=encoder) if not isinstance(row, cv.Failure)]
    owners = [cv.Listing(id=row["id"], photos=[], brand=row["brand"], product=row["product"]) for row in lines]
    suspects = suspects_of(owners, rows, catalog)
    start = time.perf_counter()
    claims = [head.score(suspects) for head in (Patches(), Strokes(), Ink(), Layout(), Wordmark())]
    print(f"{(time.perf_counter() - start) / len(rows):.2f} s a photo for the claims")
    raw = np.array([[item.score if item.applicable else np.nan for item in said] for said in claims]).T
    kinds = [line["brand"] for line in lines]
    least = [LEAST_EXCESS.get(claim, 0.0) for claim in CLAIMS]
    standardised = Usual.fit(raw[: len(known)], kinds[: len(known)], least)(raw, kinds)
    says = ~np.isnan(standardised).all(axis=1)
    score = np.full(len(lines), -np.inf)
    score[says] = Merger.of(CLAIMS)(standardised[says])
    for row, (line, vector) in enumerate(zip(lines, suspects.photos.vectors, strict=True)):
        own = catalog.rows_of(brand=line["brand"], product=line["product"])
        line["baseline"] = 1 - float((catalog.vectors[own] @ vector).max())
        line |= dict(zip(CLAIMS, np.nan_to_num(raw[row], nan=-np.inf).tolist(), strict=True))
        line["score"], line["market"] = score[row], market.name
        line["covered"] = max(claims[0][row].covered, claims[0][row].uneven) >= COVERED
        line["hit"], line["chance"] = None, None
        if line["mask"] is not None and says[row]:
            line["hit"], line["chance"] = peak_in_mask(market, line, claims[int(np.nanargmax(standardised[row]))][row])
    firsts = [catalog.references[max(rows, key=lambda row: bool(catalog.references[row].regions))]
              for rows in catalog.likeness.by_product(np.arange(len(catalog)))]  # fmt: skip
    return lines[len(known) :], [overlap(given[reference.id], reference.regions) for reference in firsts]


def overlap(given: Sequence[cv.Region], found: Sequence[cv.Region]) -> tuple[float, float, float]:
    """The share of the largest given box that the found ones cover, the IoU of the boxes around either, and on average
    that of each given box and the found one that is most like it.
    """
    if not found:
        return 0.0, 0.0, 0.0
    boxes = [np.array([region.to_list() for region in regions]) for regions in (given, found)]
    size = np.ceil(np.concatenate(boxes).max(axis=0)).astype(int)[[3, 2]] + 1

    def mask(some: NDArray[np.float64]) -> NDArray[np.bool_]:
        painted = np.zeros(size, bool)
        for x0, y0, x1, y1 in some.round().astype(int):
            painted[max(y0, 0) : y1, max(x0, 0) : x1] = True
        return painted

    largest = mask(max(boxes[0], key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))[None])
    true, mine = (mask(np.hstack([some[:, :2].min(axis=0), some[:, 2:].max(axis=0)])[None]) for some in boxes)

    def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
        return float((one & other).sum() / (one | other).sum())

    single = [max(iou(mask(one[None]), mask(other[None])) for other in boxes[1]) for one in boxes[0]]
    return float((largest & mask(boxes[1])).sum() / largest.sum()), iou(true, mine), float(np.mean(single))


def peak_in_mask(market: Path, line: dict[str, Any], item: cv.Evidence) -> tuple[bool | None, float | None]:
    """Whether the claim points into the dilated mask, and how often a random place on the product would."""
    mask = cv2.imread(str(market / line["mask"]), cv2.IMREAD_GRAYSCALE) > 127
    product = cv2.imread(str(market / line["product_mask"]), cv2.IMREAD_GRAYSCALE) > 127
    if mask.mean() > LARGE or item.region is None:
        return None, None
    reach = round(PATCH * max(mask.shape))
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    if item.heatmap is None:
        place = int((item.region.y0 + item.region.y1) / 2), int((item.region.x0 + item.region.x1) / 2)
    else:
        y, x = np.unravel_index(int(item.heatmap.argmax()), item.heatmap.shape)
        rows, columns = item.heatmap.shape
        place = int((y + 0.5) / rows * mask.shape[0]), int((x + 0.5) / columns * mask.shape[1])
    return bool(wide[place]), float(wide[product].mean())


def table(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """AUROC by attack, with intervals by pair of listings; alarms; peaks."""
    score = np.array([line["score"] for line in lines])
    plain = np.array([line["baseline"] for line in lines])
    single = {name: np.array([line[name] for line in lines]) for name in CLAIMS}
    attack = np.array([line["attack"] or "" for line in lines])
    pairs = [f"{line['market']} {int(line['id'][-5:]) // 2}" for line in lines]
    genuine = attack == ""
    easy = genuine & np.array([line["hard"] is None for line in lines])
    attacks = {}
    for name in sorted(set(attack) - {""}):
        rows = np.flatnonzero(genuine | (attack == name))

        def area(values: Any, rows: Any = rows, name: str = name) -> float:
            return auroc(attack[rows] == name, values[rows])

        attacks[name] = {
            "auroc": area(score),
            "interval": bootstrap_interval(
                lambda pick, rows=rows, name=name: auroc(attack[rows[pick]] == name, score[rows[pick]]),
                [pairs[row] for row in rows],
                draws=300,
            ),
            **{name: area(values) for name, values in single.items()},
            "global vector": area(plain),
            "fakes": int((attack == name).sum()),
        }
    level = float(np.quantile(score[easy], 1 - ALARMS))
    hard, alarm = genuine & ~easy, score > level
    accused = alarm & ~np.array([line["covered"] for line in lines])
    seen = [line for line in lines if line["hit"] is not None and line["score"] > level]
    return {
        "attacks": attacks,
        "mean auroc": float(np.mean([row["auroc"] for row in attacks.values()])),
        "lowest auroc": float(np.min([row["auroc"] for row in attacks.values()])),
        **{f"mean auroc, {name}": float(np.mean([row[name] for row in attacks.values()])) for name in single},
        "mean auroc, global vector": float(np.mean([row["global vector"] for row in attacks.values()])),
        "recall at 5 % false alarms": float(alarm[~genuine].mean()),
        "recall at 5 % false alarms, not covered": float(accused[~genuine].mean()),
        "hard genuine: false alarms": float(alarm[hard].mean()) if hard.any() else None,
        "hard genuine: false alarms, not covered": float(accused[hard].mean()) if hard.any() else None,
        "hard genuine, by kind": {
            kind: float(np.mean([line["score"] > level for line in lines if line["hard"] == kind]))
            for kind in sorted({line["hard"] for line in lines} - {None})
        },
        "not applicable": float(np.isneginf(score).mean()),
        "peak in mask": float(np.mean([line["hit"] for line in seen])) if seen else None,
        "peak in mask, by chance": float(np.mean([line["chance"] for line in seen])) if seen else None,
        "true detections with a mask": len(seen),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[131, 132])
    parser.add_argument("--strength", choices=STRENGTHS, default="medium")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "counterfeit-vision-market")
    parser.add_argument("--quick", action="store_true", help="40 listings of each seed")
    parser.add_argument("--regions", choices=["given", "found"], default="given", help="of the marks on the references")
    options = parser.parse_args()
    encoder = cv.load_encoder("clip-vit-b16")
    attacks = [name for name, attack in ATTACKS.items() if isinstance(attack, Alteration)]
    listings = 40 if options.quick else 160
    lines, marks = [], []
    for seed in options.seeds:
        folder = options.folder / f"{seed}-{options.strength}-{listings}"
        render(
            folder, seed=seed, brands=2, listings=listings, calibration=CALIBRATION, attacks=attacks,
            strength=options.strength, progress=True,
        )  # fmt: skip
        judged_here, found = judged(folder, encoder, options.regions)
        lines, marks = lines + judged_here, marks + found
    covered, shared, single = np.array(marks).T
    result = {"seeds": options.seeds, "strength": options.strength, "regions": options.regions, "listings": len(lines)}
    result |= table(lines)
    if options.regions == "found":
        result["largest mark covered, of products"] = [float((covered >= 0.8).mean()), len(covered)]
        result["box around all marks, IoU, mean"] = float(shared.mean())
        result["box of each mark, IoU, mean"] = float(single.mean())
    name = "market" if min(options.seeds) >= 100 and not options.quick else "market-development"
    special = [options.strength] * (options.strength != "medium") + ["found"] * (options.regions == "found")
    data.write("-".join([name, *special]), result)


if __name__ == "__main__":
    main()
