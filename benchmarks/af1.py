"""Marketplace photos of one shoe, genuine or fake: what labelled fakes teach, and how many fakes end as suspected.

Photos of one scene are never on both sides: by group the background alone reaches 0.78. Two questions:

- the learned head, out of fold by scene: AUROC and recall on the product alone, beside the background alone and trivial
  features. It looks closely at each photo, four encodings that the cache keeps: about 10 minutes the first time;
- the whole inspector, five parts of the scenes in turn: the others give the catalogue, the genuine photos and the fakes
  to calibrate with; the part gives the listings. Once with fakes and once without.

    python benchmarks/af1.py
    python benchmarks/af1.py --head   # the first question only
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.heads import LearnedHead
from counterfeit_vision.metrics import auroc, binomial_interval, bootstrap_interval

FOLDS = 5
IN_CATALOG = 1 / 3  # of the genuine photos that are not tested; the rest calibrates
ALPHA = 0.05


def folds(scenes: list[str]) -> np.ndarray:
    """(N,) the fold of each photo: whole scenes, the largest first into the smallest fold."""
    names, counts = np.unique(scenes, return_counts=True)
    size, home = np.zeros(FOLDS), {}
    for place in np.argsort(-counts, kind="stable"):
        home[names[place]] = int(size.argmin())
        size[home[names[place]]] += counts[place]
    return np.array([home[scene] for scene in scenes])


def inspect(photos: list[data.Photo], fold: np.ndarray, encoder: cv.Encoder, with_fakes: bool, most: int) -> dict:
    """Verdicts of all photos, each judged by an inspector that saw no photo of its part of the scenes."""
    verdicts: list[tuple[data.Photo, cv.Verdict]] = []
    for number in range(most):
        rest = [photo for photo, home in zip(photos, fold, strict=True) if home != number]
        genuine = [photo for photo in rest if photo.label == "genuine"]
        fakes = [photo for photo in rest if photo.label == "fake"]
        scenes = np.random.default_rng(number).permutation(sorted({photo.group for photo in genuine}))
        catalogued = set(scenes[: round(IN_CATALOG * len(scenes))])
        known = [photo for photo in genuine if photo.group in catalogued]
        rows = [
            cv.Reference(id=photo.path.name, photo=photo.path, brand="nike", product=photo.product) for photo in known
        ]
        held = [photo for photo in genuine if photo.group not in catalogued]
        inspector = cv.Inspector(cv.Catalog.build(rows, encoder=encoder))
        labelled = {"fakes": [photo.path for photo in fakes]} if with_fakes else {}
        groups = [photo.group for photo in held] + ([photo.group for photo in fakes] if with_fakes else [])
        inspector.calibrate([photo.path for photo in held], groups=groups, alpha=ALPHA, **labelled)
        tested = [photo for photo, home in zip(photos, fold, strict=True) if home == number]
        report = inspector.inspect([photo.path for photo in tested], strict=True)
        verdicts += zip(tested, report, strict=True)
        print(f"part {number}: {len(known)} catalogued, {len(held)} to calibrate, {inspector.lesson}", flush=True)
    fake = np.array([photo.label == "fake" for photo, _ in verdicts])
    risk = np.array([verdict.risk for _, verdict in verdicts])
    suspected = np.array([verdict.decision == "suspected" for _, verdict in verdicts])
    unsure = np.array([verdict.decision == "insufficient_evidence" for _, verdict in verdicts])
    groups = [photo.group for photo, _ in verdicts]
    return {
        "AUROC of risk": auroc(fake, risk),
        "AUROC interval": bootstrap_interval(lambda rows: auroc(fake[rows], risk[rows]), groups),
        "fakes suspected": float(suspected[fake].mean()),
        "fakes suspected interval": bootstrap_interval(
            lambda rows: float(suspected[rows][fake[rows]].sum() / max(fake[rows].sum(), 1)), groups
        ),
        "genuine suspected": float(suspected[~fake].mean()),
        "genuine suspected interval": binomial_interval(int(suspected[~fake].sum()), int((~fake).sum())),
        "insufficient evidence": float(unsure.mean()),
        "photos": len(verdicts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one part of the scenes instead of five")
    parser.add_argument("--head", action="store_true", help="the learned head only")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the encoder")
    options = parser.parse_args()
    warnings.simplefilter("error", RuntimeWarning)
    encoder = cv.load_encoder(dtype=options.dtype)
    photos = data.af1()
    order = [photo for label in ("genuine", "fake") for photo in photos if photo.label == label]
    genuine = [photo.path for photo in order if photo.label == "genuine"]
    fakes = [photo.path for photo in order if photo.label == "fake"]
    head = LearnedHead(encoder).fit(genuine, fakes, groups=[photo.group for photo in order])
    assert head.lesson is not None
    print(head.lesson, flush=True)
    fake = np.arange(len(order)) >= len(genuine)

    def recall(rows: np.ndarray) -> float:
        mine, scores = fake[rows], head.held_out[rows]
        return float((scores[mine] > np.quantile(scores[~mine], 1 - ALPHA)).mean())

    result = {
        "photos": len(photos),
        "dtype": str(encoder.dtype),
        "learned head": dataclasses.asdict(head.lesson),
        "learned head, recall at 5 % false alarms": recall(np.arange(len(order))),
        "learned head, recall interval": bootstrap_interval(recall, [photo.group for photo in order]),
    }
    if not options.head:
        fold = folds([photo.group for photo in photos])
        parts = 1 if options.quick else FOLDS
        result["inspector without fakes"] = inspect(photos, fold, encoder, False, parts)
        result["inspector with fakes"] = inspect(photos, fold, encoder, True, parts)
    data.write("af1" + "-head" * options.head + "-quick" * options.quick, result)


if __name__ == "__main__":
    main()
