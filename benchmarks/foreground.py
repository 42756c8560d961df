"""How well the product's patches are told from the room's: overlap (IoU) with a rendered market's exact product masks.

On a market whose seed nothing was fitted on, at the resolution of the patches; beside it what calling everything
product, or the middle of the photo, would reach.

    python benchmarks/foreground.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.encoders.foreground import load_foreground, product_mask
from counterfeit_vision.encoders.preprocess import patches_on_photo
from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.io.decode import decode

SEED = 503  # the head was taught on 500 and 502, and settings chosen on 501


def overlap(mine: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((mine & truth).sum() / max((mine | truth).sum(), 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller market")
    options = parser.parse_args()
    count = 8 if options.quick else 24
    encoder = cv.load_encoder()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "market"
        cv.market.render(folder, seed=SEED, listings=count, calibration=count, references=1, progress=True)
        lines = [
            line for name in ("calibration", "listings") for line in (folder / f"{name}.jsonl").read_text().splitlines()
        ]
        rows = [json.loads(line) for line in lines]
        photos = cv.embed([folder / row["photos"][0] for row in rows], encoder=encoder, progress=True)
        masks = [encoder.preprocess(decode(folder / row["product_mask"]).pixels)[0][..., 0] / 255 for row in rows]
    height, width = photos.grid
    cell = encoder.preprocess.size // height
    truth = (
        np.stack(masks).reshape(len(rows), height, cell, width, cell).mean(axis=(2, 4)).reshape(len(rows), -1) >= 0.5
    )
    inside = np.stack([patches_on_photo(box, photos.grid) for box in photos.content])
    head = load_foreground(encoder.recipe, photos.patches.shape[2])
    assert head is not None
    found = product_mask(head(photos.patches, photos.content, photos.grid), inside)
    y, x = np.mgrid[:height, :width]
    middle = ((np.abs(y - (height - 1) / 2) < height / 4) & (np.abs(x - (width - 1) / 2) < width / 4)).reshape(-1)
    scores = np.array([overlap(mine, mask) for mine, mask in zip(found, truth & inside, strict=True)])
    groups = [row["product"] for row in rows]
    result = {
        "photos": len(rows),
        "seed": SEED,
        "IoU": float(scores.mean()),
        "IoU interval": bootstrap_interval(lambda some: float(scores[some].mean()), groups),
        "share of photos under 0.5": float((scores < 0.5).mean()),
        "everything": float(np.mean([overlap(a, b) for a, b in zip(inside, truth & inside, strict=True)])),
        "the middle": float(np.mean([overlap(middle & a, b) for a, b in zip(inside, truth & inside, strict=True)])),
    }
    data.write("foreground-quick" if options.quick else "foreground", result)


if __name__ == "__main__":
    main()
