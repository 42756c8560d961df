"""Are real marks found on goods, and told apart? Rendered goods of brands whose logos are SVG files.

    python benchmarks/marks.py            # 100 marks; rendering takes most of the time
    python benchmarks/marks.py --quick    # 12 marks

For each brand one product: its official photo is the catalogue, one photo in a room the question. Region: intersection
over union of the found box with the true one, over the marks of the main face; brand: the first of
``catalog.search(by="mark")``; beside it the first by the plain global vector.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import data
import numpy as np
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.market import render


def overlap(a: cv.Region, b: cv.Region) -> float:
    """Intersection over union."""
    width = max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0))
    height = max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0))
    return width * height / (a.area + b.area - width * height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=128)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "counterfeit-vision-marks")
    parser.add_argument("--quick", action="store_true", help="12 marks")
    options = parser.parse_args()
    brands = 12 if options.quick else 100
    root = options.folder / f"{options.seed}-{brands}"
    marks = data.folder("marks-svg")
    market = render(
        root, seed=options.seed, brands=brands, listings=0, calibration=0, references=2, marks=marks, progress=True
    )
    rows = [json.loads(line) for line in market.catalogue.read_text().splitlines()]
    rows = [row for row in rows if row["id"].endswith(("-00", "-01"))]
    products = [
        sorted({row["product"] for row in rows if row["brand"] == brand})
        for brand in sorted({r["brand"] for r in rows})
    ]
    chosen = {names[number % len(names)] for number, names in enumerate(products)}
    known = [row for row in rows if row["product"] in chosen and row["gallery"] == "official"]
    asked = [row for row in rows if row["product"] in chosen and row["gallery"] != "official"]
    encoder = cv.load_encoder("clip-vit-b16")
    catalog = cv.Catalog.build(
        [
            cv.Reference(
                id=row["id"], photo=root / row["photo"], brand=row["brand"], product=row["product"],
                regions=[cv.Region(*box) for box in row["regions"]],
            )
            for row in known
        ],
        encoder=encoder,
    )  # fmt: skip
    photos = [root / row["photo"] for row in asked]
    truth = np.array([row["product"] for row in asked])
    by_mark = catalog.search(photos, 1, by="mark").products[:, 0]
    vectors = cv.embed(photos, encoder=encoder).vectors
    by_vector = catalog.products[(vectors @ catalog.vectors.T).argmax(axis=1)]
    shares = []
    for row, photo in zip(asked, photos, strict=True):
        found = catalog.marks_in(np.asarray(Image.open(photo).convert("RGB")), [f"{row['brand']}/{row['product']}"])
        true = [cv.Region(*box) for box in row["regions"]]
        boxes = () if isinstance(found, str) else found[1].regions
        shares += [max((overlap(region, box) for box in boxes), default=0.0) for region in true]
    hits, right = np.array(shares) >= 0.5, by_mark == truth
    result = {
        "seed": options.seed,
        "marks": len(products),
        "regions": len(shares),
        "region found (IoU >= 0.5)": float(hits.mean()),
        "interval": bootstrap_interval(lambda pick: float(hits[pick].mean()), [str(i) for i in range(len(hits))]),
        "brand, top-1": float(right.mean()),
        "brand, interval": bootstrap_interval(lambda pick: float(right[pick].mean()), truth.tolist()),
        "brand, top-1, global vector": float((by_vector == truth).mean()),
    }
    data.write("marks-quick" if options.quick else "marks", result)


if __name__ == "__main__":
    main()
