"""Is the probability right? The expected calibration error of market verdicts, where labelled fakes were shown.

    python benchmarks/probability.py  # 5,000 verdicts; --scores FOLDER keeps what the heads say, or reads it again
    python benchmarks/probability.py --seeds 300 --calibration 80 --listings 160  # small

Each seed is a market of its own with all attacks in turn (`market_scores.py`). Its genuine photos and the fakes among
its first listings are shown; the listings after them are judged. Half of those are fake, and that is the base rate that
is asked for. The learned head sees the photos that are shown, and the others where it says that it is useful. Seeds
below 200 are for development, and 210, 211, 215 and 216 were looked at when the line's targets were chosen.

The error has 15 bins of equal mass. Beside it stand what it would be were each probability exactly right (2,000 draws
of labels from the probabilities themselves), the Brier score and that of the usual share for all, and an interval that
resamples products.
"""

from __future__ import annotations

import argparse
from typing import Any

import data
import market_scores
import numpy as np
from market_scores import Scores

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.split import FIT_SHARE, FIT_SHARE_WITH_FAKES, conformal_needed, split_groups
from counterfeit_vision.evaluation.metrics import (
    auroc,
    bootstrap_interval,
    brier,
    expected_calibration_error,
    reliability,
)
from counterfeit_vision.heads import LearnedHead

ALPHA = 0.05
TEACHING = 80  # listings a seed whose fakes are shown
BASE_RATE = 0.5  # of fakes in a rendered market
SIMULATIONS = 2000


def learned(seed: int, taught: np.ndarray, fake: np.ndarray, chosen: argparse.Namespace) -> np.ndarray | None:
    """(N,) the learned head's scores of all photos, out of fold of those that it was ``taught``; None where it says
    that it is not useful, as nobody asks it then.
    """
    own = market_scores.closer_looks(seed, taught.tolist(), "taught", chosen)
    head = LearnedHead().fit_features(
        own["seen"].astype(np.float32),
        own["room"].astype(np.float32),
        own["trivial"],
        fake[taught],
        [f"photo {row}" for row in taught],
    )
    if head.lesson is None or not head.lesson.useful:
        return None
    rest = np.setdiff1d(np.arange(len(fake)), taught)
    scores = np.zeros(len(fake))
    scores[taught] = head.held_out
    others = market_scores.closer_looks(seed, rest.tolist(), "others", chosen)
    scores[rest] = head.score_features(others["seen"].astype(np.float32))
    return scores


def probabilities(seed: int, found: Scores, chosen: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, bool]:
    """P(fake) of the judged listings and their p-values, as the inspector has them; and whether the learned head was
    useful.
    """
    scores, heads = found["scores"], found["heads"].tolist()
    fake, place = found["attack"] != "", np.arange(len(scores))
    teaching = place < chosen.calibration + TEACHING
    genuine = np.flatnonzero(found["calibration"])
    shown, asked = np.flatnonzero(teaching & fake), np.flatnonzero(~teaching)
    enough = len(genuine) * (1 - FIT_SHARE_WITH_FAKES) >= 2 * conformal_needed(ALPHA)
    names = [f"photo {row}" for row in genuine]
    first = split_groups(names, share=FIT_SHARE_WITH_FAKES if enough else FIT_SHARE, alpha=ALPHA)
    own = learned(seed, np.concatenate([genuine[first], shown]), fake, chosen)
    if own is not None:
        scores, heads = np.hstack([scores, own[:, None]]), [*heads, LearnedHead.name]
    made = Calibration.fit(
        heads,
        scores[genuine],
        {},
        first=first,
        alpha=ALPHA,
        generation="",
        groups=names,
        kinds=found["kind"][genuine].tolist(),
        fakes=scores[shown],
        fake_groups=[f"photo {row}" for row in shown],
        fake_kinds=found["kind"][shown].tolist(),
    )
    kinds = found["kind"][asked].tolist()
    return (
        made.risk(made.merge(scores[asked], kinds), BASE_RATE),
        made.p_of(scores[asked], kinds=kinds),
        own is not None,
    )


def figures(fake: np.ndarray, probability: np.ndarray, products: list[str]) -> dict[str, Any]:
    """The calibration error with its interval and its band, and the Brier score."""
    random = np.random.default_rng(0)
    band = [expected_calibration_error(random.random(len(fake)) < probability, probability) for _ in range(SIMULATIONS)]

    def error(rows: np.ndarray) -> float:
        return expected_calibration_error(fake[rows], probability[rows])

    return {
        "verdicts": len(fake),
        "calibration error": error(np.arange(len(fake))),
        "its interval": bootstrap_interval(error, products),
        "were the probabilities right": [float(value) for value in np.quantile(band, [0.025, 0.975])],
        "Brier": brier(fake, probability),
        "Brier of the usual share for all": float(fake.mean() * (1 - fake.mean())),
        "AUROC": auroc(fake, probability),
        "reliability": [row._asdict() for row in reliability(fake, probability)],
    }


def main() -> None:
    chosen = market_scores.options(__doc__).parse_args()
    probability, detected, fake, products, useful = [], [], [], [], 0
    for seed in chosen.seeds:
        found = market_scores.market_scores(seed, chosen)
        own, p, used = probabilities(seed, found, chosen)
        probability.append(own)
        detected.append(p <= ALPHA)
        fake.append(found["attack"][-len(own) :] != "")
        products += found["product"][-len(own) :].tolist()
        useful += used
    truth, flags = np.concatenate(fake), np.concatenate(detected)
    result = figures(truth, np.concatenate(probability), products)
    data.write(
        "probability" if len(truth) >= 5000 else "probability-small",
        {
            **market_scores.about(chosen),
            "listings a seed whose fakes are shown": TEACHING,
            "learned head useful": useful,
            "fakes detected": float(flags[truth].mean()),
            "genuine detected": float(flags[~truth].mean()),
            **result,
        },
    )


if __name__ == "__main__":
    main()
