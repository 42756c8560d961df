"""Does it know what it does not know? Goods that are in no catalogue must end as ``insufficient_evidence``.

    python benchmarks/unknown.py            # grocery's test part and clothing
    python benchmarks/unknown.py --part val # for development

1. The 31 cartons as catalogue (iconic photos), calibrated on phone photos of the training part: the share of clothing
photos and of grocery photos that end as ``insufficient_evidence`` at the default level. 2. 15 of the 31 cartons left
out of the catalogue (5 draws): AUROC of the similarity claim for left-out against catalogued cartons; beside it the
plain cosine of the class token.
"""

from __future__ import annotations

import argparse

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import auroc
from counterfeit_vision.heads import Similarity, Suspects

DRAWS = 5
LEFT_OUT = 15
CALIBRATION = 300  # photos of the training part


def share_unanswered(report: cv.Report) -> float:
    """Share of inputs that end as ``insufficient_evidence``."""
    return report.counts["insufficient_evidence"] / len(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["test", "val"], default="test")
    options = parser.parse_args()
    encoder = cv.load_encoder("clip-vit-b16")
    photos = data.grocery(options.part)
    references = data.references(data.grocery("iconic"))
    train = data.grocery("train")
    picked = np.random.default_rng(0).choice(len(train), CALIBRATION, replace=False)
    inspector = cv.Inspector(cv.Catalog.build(references, encoder=encoder))
    inspector.calibrate([train[i].path for i in picked], progress=True)
    goods = inspector.inspect([photo.path for photo in photos], progress=True)
    clothes = inspector.inspect([photo.path for photo in data.clothing()], progress=True)

    found = cv.embed([photo.path for photo in photos], encoder=encoder)
    truth = np.array([photo.product for photo in photos])
    views = [cv.PhotoView(name, b"", (1, 1)) for name in found.ids]
    owners = [cv.Listing(id=name, photos=[]) for name in found.ids]
    ours, plain = [], []
    for seed in range(DRAWS):
        products = sorted({reference.product for reference in references})
        left = set(np.random.default_rng(seed).choice(products, LEFT_OUT, replace=False).tolist())
        catalog = cv.Catalog.build([row for row in references if row.product not in left], encoder=encoder)
        evidence = Similarity().score(Suspects(found, owners, views, catalog, catalog.neighbours(found, 1)))
        unknown = np.isin(truth, sorted(left))
        ours.append(auroc(unknown, [item.score for item in evidence]))
        plain.append(auroc(unknown, -(found.vectors @ catalog.vectors.T).max(axis=1)))
    data.write(
        "unknown" if options.part == "test" else f"unknown-{options.part}",
        {
            "part": options.part,
            "calibration photos": CALIBRATION,
            "clothing: insufficient_evidence": share_unanswered(clothes),
            f"grocery {options.part}: insufficient_evidence": share_unanswered(goods),
            f"grocery {options.part}: decisions": goods.counts,
            "left-out cartons, AUROC": {"mean": float(np.mean(ours)), "draws": ours},
            "left-out cartons, AUROC of the plain cosine": {"mean": float(np.mean(plain)), "draws": plain},
        },
    )


if __name__ == "__main__":
    main()
