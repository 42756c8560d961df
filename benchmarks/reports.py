"""The main job on real photos: two reports to look at.

    python benchmarks/reports.py --out reports

- shoes: genuine photos of one shoe model as catalogue and calibration, the rest as listings, split by scene: no room is
  on two sides.
- cartons: 31 iconic carton photos as catalogue, phone photos of the training part to calibrate, test photos and
  clothing as listings.

Prints, for each label, how many listings got which verdict; and for shoes the AUROC of risk for fake against genuine,
with an interval over scenes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.encoders import Encoder
from counterfeit_vision.evaluation.metrics import auroc, bootstrap_interval

CATALOGUE_SHARE, CALIBRATION_SHARE = 0.3, 0.4  # of the genuine scenes; the rest is inspected


def tally(report: cv.Report, labels: list[str]) -> dict[str, dict[str, int]]:
    """Verdicts by label."""
    counts: dict[str, Counter[str]] = {}
    for result, label in zip(report, labels, strict=True):
        counts.setdefault(label, Counter())[getattr(result, "decision", "failure")] += 1
    return {label: dict(counter) for label, counter in counts.items()}


def shoes(encoder: Encoder, out: Path) -> dict[str, object]:
    photos = data.af1()
    scenes = sorted({photo.group for photo in photos if photo.label == "genuine"})
    order = np.random.default_rng(0).permutation(scenes).tolist()
    first, second = int(CATALOGUE_SHARE * len(order)), int((CATALOGUE_SHARE + CALIBRATION_SHARE) * len(order))
    known, calibration = set(order[:first]), set(order[first:second])
    genuine = [photo for photo in photos if photo.label == "genuine"]
    rows = [
        cv.Reference(id=photo.path.name, photo=photo.path, brand="nike", product=photo.product)
        for photo in genuine
        if photo.group in known
    ]
    catalog = cv.Catalog.build(rows, encoder=encoder, progress=True)
    held_out = [photo for photo in genuine if photo.group in calibration]
    inspector = cv.Inspector(catalog).calibrate(
        [photo.path for photo in held_out], groups=[photo.group for photo in held_out], progress=True
    )
    asked = [photo for photo in photos if photo.group not in known | calibration]
    report = inspector.inspect([cv.Listing(id=photo.path.name, photos=[photo.path]) for photo in asked], progress=True)
    report.save(out / "shoes.html")
    fake = [photo.label == "fake" for photo in asked]
    risk = np.array([result.risk for result in report])
    groups = [photo.group for photo in asked]
    return {
        "references": len(catalog),
        "calibration photos": len(held_out),
        "verdicts": tally(report, [photo.label for photo in asked]),
        "AUROC of risk, fake against genuine": auroc(fake, risk),
        "its 95 % interval over scenes": bootstrap_interval(lambda i: auroc(np.array(fake)[i], risk[i]), groups),
    }


def cartons(encoder: Encoder, out: Path) -> dict[str, object]:
    train = data.grocery("train")
    picked = np.random.default_rng(0).choice(len(train), 300, replace=False)
    catalog = cv.Catalog.build(data.references(data.grocery("iconic")), encoder=encoder)
    inspector = cv.Inspector(catalog).calibrate([train[i].path for i in picked], progress=True)
    asked = data.grocery("test")[::4] + data.clothing()[::4]
    report = inspector.inspect([cv.Listing(id=photo.path.name, photos=[photo.path]) for photo in asked], progress=True)
    report.save(out / "cartons.html")
    return {"verdicts": tally(report, ["carton" if photo.product else "clothing" for photo in asked])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    encoder = cv.load_encoder("clip-vit-b16")
    data.write("reports", {"shoes": shoes(encoder, options.out), "cartons": cartons(encoder, options.out)})


if __name__ == "__main__":
    main()
