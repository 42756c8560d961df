"""Whose logo is in a street photo: ``catalog.search(by="mark")`` beside plain cosines of the same encoder.

Photos of half of FlickrLogos-27's brands; crops of the marks are the references, and nothing was fitted on either.
Plain is the cosine of the whole photo with each crop. Top-1: the brand of the best reference, of photos that show a
known brand. AUROC: the best score of photos with a known brand and without. Intervals resample photos. Ends with an
error where ours is below plain.

    python benchmarks/logos.py --dtype bfloat16   # ten minutes of two cores
"""

from __future__ import annotations

import argparse
import csv
import sys
from typing import Any

import data
import numpy as np
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import auroc

MARGIN = 0.15  # of a box, around its crop
SMALLEST = 8  # pixels of a box
DRAWS = 1000


def crops() -> list[cv.Reference]:
    """The marks, cut out of their photos."""
    root, rows = data.folder("logos-wild"), []
    with (root / "boxes.csv").open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            x0, y0, x1, y1 = (int(row[name]) for name in ("x0", "y0", "x1", "y1"))
            if min(x1 - x0, y1 - y0) < SMALLEST:
                continue
            photo = Image.open(root / "photos" / row["photo"]).convert("RGB")
            dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
            box = max(0, x0 - dx), max(0, y0 - dy), min(photo.width, x1 + dx), min(photo.height, y1 + dy)
            crop = np.asarray(photo.crop(tuple(map(int, box))))
            rows.append(cv.Reference(id=f"{number}", photo=crop, brand=row["brand"], product=row["brand"]))
    return rows


def told(brands: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Top-1 and AUROC of the best brand and its score (N,) for each photo, with 95 % intervals."""
    known = truth != ""
    random = np.random.default_rng(0)

    def figures(rows: np.ndarray) -> tuple[float, float]:
        yes = known[rows]
        return float((brands[rows] == truth[rows])[yes].mean()), auroc(yes, scores[rows])

    draws = [figures(random.integers(0, len(truth), len(truth))) for _ in range(DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975], axis=0).tolist()
    top, area = figures(np.arange(len(truth)))
    return {"top-1": top, "interval": [low[0], high[0]], "AUROC": area, "AUROC interval": [low[1], high[1]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"))
    encoder = cv.load_encoder(data.ENCODER, dtype=parser.parse_args().dtype)
    references, root = crops(), data.folder("logos-wild")
    with (root / "queries.csv").open(newline="") as file:
        queries = list(csv.DictReader(file))
    truth = np.array([query["brand"] for query in queries])
    photos = [root / "photos" / query["photo"] for query in queries]
    catalog = cv.Catalog.build(references, encoder=encoder, find_marks=False)
    brands = np.array([reference.brand for reference in catalog.references])
    plain = cv.embed(photos, encoder=encoder).vectors @ catalog.vectors.T
    found = catalog.search(photos, 1, by="mark")
    result = {
        "encoder": encoder.name,
        "references": len(catalog),
        "photos": len(photos),
        "with a known brand": int((truth != "").sum()),
        "ours": told(found.products[:, 0].astype(str), found.scores[:, 0], truth),
        "plain, whole photo": told(brands[plain.argmax(axis=1)], plain.max(axis=1), truth),
    }
    data.write("logos", result)
    ours, other = result["ours"], result["plain, whole photo"]
    if ours["top-1"] < other["top-1"] or ours["AUROC"] < other["AUROC"]:
        sys.exit("ours is below plain")


if __name__ == "__main__":
    main()
