"""Is the promise kept? How many genuine photos get a p-value of at most alpha, over random splits of real photos.

    python benchmarks/calibration.py
    python benchmarks/calibration.py --scores /tmp/scores.npz  # keeps the heads' scores there, or reads them again
    python benchmarks/calibration.py --scenes  # the shoes by scene anew; the rest stays as it was measured

Every photo is scored once: genuine `af1` photos, one a scene (the catalogue is of other scenes), grocery's phone photos
(the catalogue is the iconic ones), and the genuine photos of rendered markets with all heads on. Then, 50 times a cell,
photos are split at random; one half calibrates and the other is judged. Given the photos, the splits are independent,
and were the method exact, each split's number of false alarms would follow BetaBinomial(m; k, n + 1 - k) with
k = floor(alpha (n + 1)). A cell passes where

- mean: the mean share is at most alpha + 3 s.d. of that distribution / sqrt(50);
- outliers: at most 3 of the 50 splits lie above its 99 % quantile;
- uniform: the p-values of all splits are uniform on 1 / (n + 1) ... 1 (Kolmogorov & Smirnov's largest distance, whose
  distribution is simulated with the same splits of random numbers, because p-values of one split share its
  calibration). Equal statistics are put in a random order for this test only; a verdict counts them against itself.

Cells are repeated with a head of noise, and with a head given twice. A random split makes photos exchangeable, so it
tests the method and says nothing of the world. Hence the second table: the same cartons, calibrated otherwise than they
are judged, where nothing passes or misses: it shows what a broken assumption costs. Then all photos of the shoes'
scenes, counted by scene and counted by photo, where a photo of another scene is judged. And last the product with most
alarms, with all products calibrated together and each by itself where it has enough.
"""

from __future__ import annotations

import argparse
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import data
import market_scores
import numpy as np
from scipy.stats import betabinom

import counterfeit_vision as cv
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.heads import Head, Patches, Product, Similarity
from counterfeit_vision.judging import judge as heads_say
from counterfeit_vision.judging import scores_of

SPLITS = 50
MOST_OUTLIERS = 3  # of 50 splits above the 99 % quantile; expected is at most 0.5
SIMULATIONS = 400  # of the uniformity test
LEVEL = 0.01  # of the uniformity test: of all cells together about one in six runs would miss by chance
CATALOGUE_SCENES = 20  # of 87 genuine ones; the other 67 give a photo each
CALIBRATE = {"af1": 2 / 3, "grocery": 1 / 2, "market": 1 / 2}  # af1 has too few for a half: alpha = 0.05 needs 28
SEED = 4  # of the market; any will do, as no fake of it is looked at

Scores = dict[str, np.ndarray]


def judge(catalog: cv.Catalog, heads: list[Head], photos: list[data.Photo], *, claim: bool = True) -> np.ndarray:
    """(N, H) the heads' scores; ``claim``: listings name their product."""
    listings = [
        cv.Listing(id=str(photo.path), photos=[photo.path], product=photo.product if claim else None)
        for photo in photos
    ]
    judged = heads_say(listings, catalog, heads, progress=True)
    return np.concatenate([scores_of(rows, len(heads)) for _, rows, _ in judged])


def score_shoes(encoder: cv.Encoder) -> Scores:
    """The heads' scores of the genuine shoes, and their scenes."""
    genuine = [photo for photo in data.af1() if photo.label == "genuine"]
    scenes = np.random.default_rng(0).permutation(sorted({photo.group for photo in genuine})).tolist()
    known = [photo for photo in genuine if photo.group in scenes[:CATALOGUE_SCENES]]
    rows = [cv.Reference(id=photo.path.name, photo=photo.path, brand="nike", product=photo.product) for photo in known]
    shoes = [photo for scene in scenes[CATALOGUE_SCENES:] for photo in genuine if photo.group == scene]
    return {
        "af1": judge(cv.Catalog.build(rows, encoder=encoder), [Similarity(), Product(), Patches()], shoes),
        "af1, scene": np.array([photo.group for photo in shoes]),
    }


def score_all() -> Scores:
    """The heads' scores of every photo."""
    encoder = cv.load_encoder("clip-vit-b16")
    found = score_shoes(encoder)
    catalog = cv.Catalog.build(data.references(data.grocery("iconic")), encoder=encoder)
    train, test = data.grocery("train"), data.grocery("test")
    heads: list[Head] = [Similarity(), Product()]
    found["grocery"] = judge(catalog, heads, train + test)
    found["grocery, no claim"] = judge(catalog, heads, train + test, claim=False)
    found["grocery, in train"] = np.arange(len(train + test)) < len(train)
    found["grocery, product"] = np.array([photo.product for photo in train + test])
    found["market"] = market(None)
    return found


def market(kept: Path | None) -> np.ndarray:
    """(N, H) scores of rendered markets' genuine photos: of a small one, or of all that the folder ``kept`` has."""
    small = ["--seeds", str(SEED), "--listings", "72"]
    chosen = market_scores.options(None).parse_args(small if kept is None else ["--scores", str(kept)])
    seeds = chosen.seeds if kept is None else market_scores.kept_seeds(chosen)
    found = [market_scores.market_scores(seed, chosen) for seed in seeds]
    scores = np.concatenate([part["scores"][part["attack"] == ""] for part in found])
    return np.asarray(scores[:, ~np.isnan(scores).all(axis=0)])


def p_values(
    known: np.ndarray, asked: np.ndarray, alpha: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """p-values of the asked photos as a verdict has them; the same with ties in random order, in steps of 1 / (n + 1);
    n; and the share of asked photos whose statistic ties with a calibration photo's.
    """
    names = random.permutation(len(known)).astype(str).tolist()  # split_groups goes by name: names that say nothing
    calibration = Calibration.fit(
        [f"head {column}" for column in range(known.shape[1])],
        known,
        {},
        first=split_groups(names, alpha=alpha),
        alpha=alpha,
        generation="",
    )
    merged = calibration.merge(asked)
    ordered = np.sort(calibration.merged)
    above = calibration.count - np.searchsorted(ordered, merged, side="right")
    ties = calibration.count - above - np.searchsorted(ordered, merged, side="left")
    steps = 1 + above + random.integers(0, ties + 1)
    return calibration.p_values(merged), steps, calibration.count, float((ties > 0).mean())


def distance(steps: np.ndarray, n: int) -> float:
    """The largest distance of steps 1 ... n + 1 from uniform."""
    shares = np.bincount(steps.ravel(), minlength=n + 2)[1:].cumsum() / steps.size
    return float(np.abs(shares - np.arange(1, n + 2) / (n + 1)).max())


@cache
def chance_distances(n: int, m: int) -> np.ndarray:
    """That distance for ``SPLITS`` splits of n + m random numbers, simulated ``SIMULATIONS`` times."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(SIMULATIONS):
        splits = [(np.sort(random.random(n)), random.random(m)) for _ in range(SPLITS)]
        found.append(distance(np.array([1 + n - np.searchsorted(known, asked) for known, asked in splits]), n))
    return np.array(found)


def measure(splits: list[tuple[np.ndarray, np.ndarray]], alpha: float) -> dict[str, Any]:
    """One cell, from the scores to calibrate with and the scores to judge of every split."""
    random = np.random.default_rng(2)
    found = [p_values(known, asked, alpha, random) for known, asked in splits]
    n, m = found[0][2], len(found[0][0])
    alarms = np.array([int((p <= alpha).sum()) for p, *_ in found])
    k = math.floor(alpha * (n + 1))
    expected = betabinom(m, k, n + 1 - k)
    limit = alpha + 3 * expected.std() / m / math.sqrt(len(splits))
    far = distance(np.array([steps for _, steps, *_ in found]), n)
    chance = (1 + (chance_distances(n, m) >= far).sum()) / (1 + SIMULATIONS)
    outliers = int((alarms > expected.ppf(0.99)).sum())
    return {
        "alpha": alpha,
        "n": n,
        "judged a split": m,
        "mean": float(alarms.mean() / m),
        "sd over splits": float(alarms.std(ddof=1) / m),
        "exact": k / (n + 1),
        "limit of the mean": float(limit),
        "splits above the 99 % quantile": outliers,
        "uniformity p": float(chance),
        "ties": float(np.mean([share for *_, share in found])),
        "mean kept": bool(alarms.mean() / m <= limit),
        "outliers kept": outliers <= MOST_OUTLIERS,
        "uniform": bool(chance >= LEVEL),
    }


def shown(cell: dict[str, Any], *, verdict: bool) -> str:
    """One line of the table."""
    kept = [name for name in ("mean kept", "outliers kept", "uniform") if not cell[name]]
    return (
        f"{cell['name']:<46} {cell['alpha']:>5g} {cell['n']:>4} {cell['judged a split']:>4} "
        f"{100 * cell['mean']:>6.2f} {100 * cell['sd over splits']:>6.2f} {100 * cell['exact']:>6.2f} "
        f"{100 * cell['limit of the mean']:>6.2f} {cell['splits above the 99 % quantile']:>4} "
        f"{cell['uniformity p']:>6.3f}" + (f"  {'missed: ' + ', '.join(kept) if kept else 'PASS'}" if verdict else "")
    )


HEADER = (
    f"{'false alarms in %':<46} alpha    n    m   mean   s.d.  exact  limit >99%  unif."
    "   (exact: k / (n + 1); limit: of the mean)"
)


def halves(count: int, share: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """``SPLITS`` random splits of ``count`` rows."""
    random = np.random.default_rng(3)
    orders = [random.permutation(count) for _ in range(SPLITS)]
    return [(order[: round(share * count)], order[round(share * count) :]) for order in orders]


def promise(scores: Scores, quick: bool) -> list[dict[str, Any]]:
    """The cells that must pass."""
    cells = []
    for name in ("af1",) if quick else ("af1", "grocery", "market"):
        own = scores[name]
        if name == "af1":  # one photo a scene
            own = own[np.unique(scores["af1, scene"], return_index=True)[1]]
        noise = np.random.default_rng(4).standard_t(3, (len(own), 1))
        for variant, table in (
            ("", own),
            (" + a head of noise", np.hstack([own, noise])),
            (" + a head given twice", np.hstack([own, own[:, :1]])),
        ):
            pairs = [(table[known], table[asked]) for known, asked in halves(len(own), CALIBRATE[name])]
            for alpha in (0.1, 0.05) if len(own) < 750 else (0.1, 0.05, 0.01):
                cells.append({"name": name + variant, **measure(pairs, alpha)})
                print(shown(cells[-1], verdict=True), flush=True)
    return cells


def broken(scores: Scores) -> list[dict[str, Any]]:
    """What happens to cartons that are judged otherwise than the calibration's."""
    claimed, silent = scores["grocery"], scores["grocery, no claim"]
    train, products = scores["grocery, in train"].astype(bool), scores["grocery, product"]
    split = halves(len(claimed), CALIBRATE["grocery"])
    random = np.random.default_rng(5)
    others = []
    for _ in range(SPLITS):
        mine = np.isin(products, random.permutation(np.unique(products))[: len(np.unique(products)) // 2])
        others.append((random.permutation(np.flatnonzero(mine))[:600], random.permutation(np.flatnonzero(~mine))[:600]))
    parts = [
        (
            random.permutation(np.flatnonzero(train))[: int(train.sum()) * 9 // 10],
            random.permutation(np.flatnonzero(~train))[: int((~train).sum()) * 9 // 10],
        )
        for _ in range(SPLITS)
    ]
    cases = (
        ("as promised: the same cartons, a random half", claimed, claimed, split),
        ("training part -> test part of the set", claimed, claimed, parts),
        ("half the products -> the other half", claimed, claimed, others),
        ("photos without a claim -> with their product", silent, claimed, split),
        ("listings with their product -> without a claim", claimed, silent, split),
    )
    cells: list[dict[str, Any]] = []
    for name, known, asked, rows in cases:
        cells.append({"name": name, **measure([(known[first], asked[rest]) for first, rest in rows], 0.05)})
        print(shown(cells[-1], verdict=False), flush=True)
    return cells


def by_scene(scores: Scores) -> list[dict[str, Any]]:
    """All photos of two thirds of the shoes' scenes calibrate; of each other scene one photo is judged."""
    own, scene = scores["af1"], scores["af1, scene"]
    names = np.unique(scene)
    cells = []
    for alpha in (0.1, 0.05):
        for per in ("scene", "photo"):
            rates = []
            for seed in range(10 * SPLITS):
                random = np.random.default_rng(seed)
                order = random.permutation(names)
                known = np.flatnonzero(np.isin(scene, order[: round(CALIBRATE["af1"] * len(names))]))
                asked = [random.choice(np.flatnonzero(scene == one)) for one in order[round(2 / 3 * len(names)) :]]
                code = dict(zip(names, random.permutation(len(names)).astype(str), strict=True))
                groups = [code[one] for one in scene[known]]
                calibration = Calibration.fit(
                    [f"head {column}" for column in range(own.shape[1])],
                    own[known],
                    {},
                    first=split_groups(groups, alpha=alpha, per_photo=per == "photo"),
                    alpha=alpha,
                    generation="",
                    groups=groups,
                    per_photo=per == "photo",
                )
                rates.append(float((calibration.p_values(calibration.merge(own[asked])) <= alpha).mean()))
            error = float(np.std(rates) / math.sqrt(len(rates)))
            cells.append({"name": f"all photos of a scene, counted by {per}", "alpha": alpha, "n": calibration.count})
            cells[-1] |= {"mean": float(np.mean(rates)), "standard error": error}
            print(f"{cells[-1]['name']:<46} {alpha:>5g} {calibration.count:>4} {100 * np.mean(rates):>11.2f}"
                  f" +- {100 * error:.2f}", flush=True)  # fmt: skip
    return cells


def by_product(scores: Scores, *, apart: bool, alpha: float = 0.05) -> dict[str, Any]:
    """The promise is about all cartons together: what one product has of it. ``apart``: each calibrated by itself."""
    own, products = scores["grocery"], scores["grocery, product"]
    random = np.random.default_rng(2)
    judged, alarms = np.zeros(len(own)), np.zeros(len(own))
    for first, rest in halves(len(own), CALIBRATE["grocery"]):
        judged[rest] += 1
        names = random.permutation(len(first)).astype(str).tolist()
        calibration = Calibration.fit(
            [f"head {column}" for column in range(own.shape[1])],
            own[first],
            {},
            first=split_groups(names, alpha=alpha),
            alpha=alpha,
            generation="",
            strata=products[first].tolist() if apart else None,
        )
        p = calibration.p_values(calibration.merge(own[rest]), products[rest].tolist() if apart else None)
        alarms[rest] += p <= alpha
    names = np.unique(products)
    rates = np.array([alarms[products == name].sum() / judged[products == name].sum() for name in names])
    worst = names[rates.argmax()]
    return {
        "alpha": alpha,
        "products": len(names),
        "with no alarm in a thousand": int((rates < 0.001).sum()),
        "the worst": str(worst),
        "its alarms": float(rates.max()),
        "its photos": int((products == worst).sum()),
        "all": float(alarms.sum() / judged.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, help="an .npz with the heads' scores: read, or made where absent")
    parser.add_argument("--markets", type=Path, help="a folder of market_scores.py: the genuine photos of its markets")
    parser.add_argument("--quick", action="store_true", help="af1 alone in the first table, and no second")
    parser.add_argument("--scenes", action="store_true", help="the shoes by scene alone, into the result that is there")
    options = parser.parse_args()
    if options.scenes:
        result = json.loads((data.ROOT / "benchmarks" / "results" / "calibration.json").read_text(encoding="utf-8"))
        result["by scene"] = by_scene(score_shoes(cv.load_encoder("clip-vit-b16")))
        data.write("calibration", {key: result[key] for key in result if key not in ("benchmark", "measured_on")})
        return
    if options.scores is not None and options.scores.is_file():
        with np.load(options.scores) as file:
            scores = dict(file)
    else:
        scores = score_all()
        if options.scores is not None:
            np.savez(options.scores, **scores)
    if options.markets is not None:
        scores["market"] = market(options.markets)
    print(HEADER)
    cells = promise(scores, options.quick)
    others = [] if options.quick else broken(scores)
    scenes = [] if options.quick else by_scene(scores)
    products = {} if options.quick else by_product(scores, apart=False)
    apart = {} if options.quick else by_product(scores, apart=True)
    kept = sum(cell["mean kept"] and cell["outliers kept"] and cell["uniform"] for cell in cells)
    print(f"{kept} of {len(cells)} cells pass")
    data.write(
        "calibration-quick" if options.quick else "calibration",
        {
            "splits": SPLITS,
            "passed": kept,
            "cells": cells,
            "calibrated otherwise than judged": others,
            "by scene": scenes,
            "by product": products,
            "by product, each by itself": apart,
        },
    )


if __name__ == "__main__":
    main()
