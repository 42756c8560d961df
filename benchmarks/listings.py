"""Do several photos of a listing tell more than one?

    python benchmarks/listings.py                      # two markets: about 40 minutes on a CPU
    python benchmarks/listings.py --scores FOLDER      # keeps what the heads say there, or reads it again
    python benchmarks/listings.py --seeds 4 --listings 40 --calibration 70  # for development: seeds below 250

Rendered markets whose listings, those that calibrate as well, have three photos of the same goods; of a stolen photo
there is one. No fake is shown. The heads see each photo once; then each market's genuine listings are dealt at random
into as many to calibrate with as before and to be judged, and all are judged by their first photo, by two and by three:
by the photos' mean evidence, which is what an inspector does, and beside it by the most unusual photo. Then calibrated
by one photo of each listing, as who has photos but no listings would: by those that are beyond all that calibrate,
which is what an inspector does, and beside it by the smallest p-value times the photos (Bonferroni). And once more
fakes of which only the first photo shows the fake, the others the genuine goods of its pair, which is what the mean
costs. Price is left out of a second table: rendered fakes are cheaper, by construction, and a listing's photos share
it. The unit is a listing, intervals resample products.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import data
import market_scores
import numpy as np
from market_scores import Scores

import counterfeit_vision as cv
from counterfeit_vision._version import code_sha256
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import conformal_p
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.heads import Price, default_heads
from counterfeit_vision.judging import judge, scores_of
from counterfeit_vision.market import render

SEEDS, CALIBRATION, LISTINGS = (262, 263), 80, 240
PHOTOS, ALPHA, SPLITS = 3, 0.05, 20
MEAN, MOST = "mean evidence", "the most unusual"
SHARE, EACH_PAYS = SINGLE = "calibrated by single photos", "calibrated by single photos, each paying"
WAYS = (MEAN, MOST, SHARE, EACH_PAYS)


def score(seed: int, chosen: argparse.Namespace) -> Scores:
    """Of each photo of a market, calibration first: ``scores`` (N, H), the ``kind`` (brand) that it looks like, and its
    ``listing``; of each listing the ``attack`` ("" where genuine) and its ``product``.
    """
    name = f"{seed}-{chosen.calibration}-{chosen.listings}-{PHOTOS}"
    chosen.scores.mkdir(parents=True, exist_ok=True)
    file = Path(chosen.scores / f"{name}-photos-{code_sha256()[:12]}.npz")
    if not file.is_file():
        market = render(
            chosen.scores / f"market-{name}",
            seed=seed,
            brands=market_scores.BRANDS,
            calibration=chosen.calibration,
            listings=chosen.listings,
            photos=PHOTOS,
        )
        encoder = cv.load_encoder("clip-vit-b16", dtype="bfloat16")
        catalog, heads = cv.Catalog.build(market.catalogue, encoder=encoder), default_heads()
        parts = (market.calibration, market.listings)
        judged = [rows for part in parts for _, rows, _ in judge(part, catalog, heads)]
        lines = [json.loads(line) for part in parts for line in part.read_text("utf-8").splitlines()]
        rows = [row for photos in judged for row in photos]
        np.savez(
            file,
            scores=scores_of(rows, len(heads)),
            heads=np.array([head.name for head in heads]),
            kind=np.array([catalog.references[row.neighbours[0]].brand for row in rows]),
            listing=np.repeat(np.arange(len(judged)), [len(photos) for photos in judged]),
            attack=np.array([line["attack"] or "" for line in lines]),
            product=np.array([f"{seed} {line['product']}" for line in lines]),
        )
    with np.load(file) as kept:
        return dict(kept)


def flags(scores: Scores, columns: list[int], known: np.ndarray, photos: int, *, how: str, mixed: bool) -> np.ndarray:
    """(L,) which listings are detected by so many of their photos, where the ``known`` (n,) calibrate; ``how``: one of
    :data:`WAYS`. ``mixed``: of a fake, only the first photo shows it.
    """
    owner, table, kinds = scores["listing"], scores["scores"][:, columns], scores["kind"]
    places = [np.flatnonzero(owner == number)[:photos] for number in range(len(scores["attack"]))]
    rows = np.concatenate([places[number][: 1 if how in SINGLE else photos] for number in known])
    names = [str(name) for name in owner[rows]]
    calibration = Calibration.fit(
        scores["heads"][columns].tolist(), table[rows], {}, first=split_groups(names, alpha=ALPHA), alpha=ALPHA,
        generation="", groups=names, listings=owner[rows].tolist(), kinds=kinds[rows].tolist(),
    )  # fmt: skip
    listed = np.unique(calibration.listings)
    oddest = np.array([calibration.merged[calibration.listings == number].max() for number in listed])
    price = scores["heads"][columns] == Price.name
    p_values = []
    for number, mine in enumerate(places):
        if mixed and scores["attack"][number]:  # the genuine one of its pair stands beside it
            mine = np.concatenate([mine[:1], places[number ^ 1][1:]])
        said, taken_for = table[mine], kinds[mine].tolist()
        said[:, price] = said[0, price]  # a listing has one
        if how == MOST:
            p_values.append(conformal_p(oddest, calibration.merge(said, taken_for).max(keepdims=True))[0])
        elif how == EACH_PAYS:
            p_values.append(len(mine) * calibration.p_of(said, kinds=taken_for).min())
        else:
            p_values.append(calibration.listing_p(said, None, taken_for))
    return np.array(p_values) <= ALPHA


def shares(markets: list[Scores], left_out: tuple[str, ...]) -> dict[str, Any]:
    """The shares of fakes and of genuine listings that are detected, by so many photos and in each way."""
    found: dict[str, Any] = {}
    every = [(how, photos, mixed) for mixed in (False, True) for how in WAYS for photos in range(2, PHOTOS + 1)]
    for how, photos, mixed in [(MEAN, 1, False), *every]:
        fakes, genuine, products = [], [], []
        for scores in markets:
            columns = [row for row, head in enumerate(scores["heads"]) if head not in left_out]
            true, false = (np.flatnonzero((scores["attack"] == "") == yes) for yes in (True, False))
            random, each = np.random.default_rng(0), []
            for _ in range(SPLITS):
                dealt = random.permutation(true)
                known, asked = dealt[: scores["count"]], dealt[scores["count"] :]
                flagged = flags(scores, columns, known, photos, how=how, mixed=mixed)
                each.append(flagged[false])
                genuine.append(float(flagged[asked].mean()))
            fakes.append(np.mean(each, axis=0))
            products += scores["product"][false].tolist()
        mean = np.concatenate(fakes)
        name = "1 photo" if photos == 1 else f"{photos} photos{', one of the fake' * mixed}, {how}"
        found[name] = {
            "fakes detected": float(mean.mean()),
            "interval": bootstrap_interval(lambda rows, mean=mean: float(mean[rows].mean()), products),
            "genuine detected": float(np.mean(genuine)),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--calibration", type=int, default=CALIBRATION, help="genuine listings a seed, an even number")
    parser.add_argument("--listings", type=int, default=LISTINGS, help="listings a seed, half of them fakes")
    parser.add_argument(
        "--scores", type=Path, default=market_scores.FOLDER, help="a folder to keep photos and scores in"
    )
    chosen = parser.parse_args()
    markets = [score(seed, chosen) | {"count": chosen.calibration} for seed in chosen.seeds]
    lists = {"seeds": chosen.seeds, "calibration": chosen.calibration, "listings": chosen.listings, "splits": SPLITS}
    tables = {"all claims": shares(markets, ("title",)), "without price": shares(markets, ("title", "price"))}
    data.write("listings" if min(chosen.seeds) >= 250 else "listings-development", {**lists, **tables})


if __name__ == "__main__":
    main()
