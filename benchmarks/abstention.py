"""Does it answer what it can answer? Errors against coverage on goods of three kinds at once.

    python benchmarks/abstention.py            # a rendered market, grocery's test part and clothing: about 20 minutes
    python benchmarks/abstention.py --part val # for development, with a market of seed 5

One catalogue holds the products of a market and the 31 cartons, one inspector is calibrated on genuine photos of both,
and listings are photos that name nothing: the market's, half of them fake; phone photos of cartons; and clothing, which
the catalogue does not hold. An answer errs where it takes genuine for fake or fake for genuine, names another product
than a genuine listing shows, or is about clothing. The most confident answer first (`evaluate` says what that is), the
area under the curve of errors is compared with the error where everything is answered: 1 means that confidence says
nothing. Both with clothing and without, and beside them the area of an order that knows all errors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.evaluation import Evaluation, Judged, evaluate
from counterfeit_vision.evaluation.figures import Columns
from counterfeit_vision.evaluation.metrics import bootstrap_interval, risk_coverage_area
from counterfeit_vision.io.manifests import read_listings, read_references
from counterfeit_vision.market import render

SEEDS = {"test": 304, "val": 5}
LISTINGS, CALIBRATION, CARTONS = 150, 80, 160  # of the market, its genuine photos, and those of cartons


def lines(market: cv.market.Market, part: str) -> list[dict[str, Any]]:
    """The labelled listings: photos alone, and for us what they are."""
    found = []
    for line in market.listings.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.append(
            {
                "id": row["id"],
                "photos": [str(market.folder / row["photos"][0])],
                "label": row["label"],
                "shows": row["product"],
                "attack": row["attack"],
                "category": "market",
            }
        )
    for photo in data.grocery(part):
        row = {"id": f"{photo.product} {photo.path.name}", "label": "genuine", "shows": photo.product}
        found.append({**row, "photos": [str(photo.path)], "category": "cartons"})
    for photo in data.clothing():
        row = {"id": photo.path.name, "label": "unknown", "category": "clothing"}
        found.append({**row, "photos": [str(photo.path)]})
    return found


def areas(rows: list[Judged]) -> dict[str, Any]:
    """The area under errors against coverage, the error where everything is answered, and their ratio."""
    columns = Columns.of(rows)

    def ratio(chosen: np.ndarray) -> float:
        some = columns[chosen]
        return risk_coverage_area(some.wrong, some.confidence) / some.wrong.mean()

    everything = np.arange(len(rows))
    return {
        "listings": len(rows),
        "area": risk_coverage_area(columns.wrong, columns.confidence),
        "error where everything is answered": float(columns.wrong.mean()),
        "ratio": ratio(everything),
        "ratio, interval": bootstrap_interval(ratio, [row.group for row in rows]),
        "ratio of an order that knows": risk_coverage_area(columns.wrong, ~columns.wrong) / float(columns.wrong.mean()),
        "unanswered": float(columns.abstained.mean()),
        "error where it answers": float(columns.wrong[~columns.abstained].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["test", "val"], default="test")
    parser.add_argument("--quick", action="store_true", help="every third photo of each kind")
    parser.add_argument("--keep", type=Path, help="a folder for the evaluation's page and rows")
    options = parser.parse_args()
    seed = SEEDS[options.part]
    folder = Path(tempfile.gettempdir()) / f"counterfeit-vision-abstention-{seed}"
    market = render(folder / "market", seed=seed, brands=2, listings=LISTINGS, calibration=CALIBRATION)
    references = [*data.references(data.grocery("iconic")), *read_references(market.catalogue)]
    encoder = cv.load_encoder("clip-vit-b16")
    train = data.grocery("train")
    picked = np.random.default_rng(0).choice(len(train), CARTONS, replace=False)
    genuine = [
        cv.Listing(id=listing.id, photos=listing.photos)
        for listing in read_listings(market.calibration)
        if isinstance(listing, cv.Listing)
    ]
    genuine += [cv.Listing(id=str(train[row].path), photos=[train[row].path]) for row in picked]
    step = 3 if options.quick else 1
    genuine = genuine[:: min(step, 2)]
    inspector = cv.Inspector(cv.Catalog.build(references, encoder=encoder)).calibrate(genuine, progress=True)
    file = folder / "listings.jsonl"
    file.write_text(
        "".join(json.dumps(row) + "\n" for row in lines(market, options.part)[step // 2 :: step]), encoding="utf-8"
    )
    run: Evaluation = evaluate(inspector, file, progress=True)
    if options.keep is not None:
        run.save(options.keep)
    result = {
        "part": options.part,
        "market seed": seed,
        "all": areas(run.judged),
        "without clothing": areas([row for row in run.judged if row.category != "clothing"]),
    }
    for kind in ("market", "cartons"):
        result[kind] = areas([row for row in run.judged if row.category == kind])
    data.write("abstention" + "-val" * (options.part == "val") + "-quick" * options.quick, result)


if __name__ == "__main__":
    main()
