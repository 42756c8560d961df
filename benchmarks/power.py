"""How many fakes of a rendered market end as suspected at alpha = 5 %, and whether merging the claims costs anything.

    python benchmarks/power.py                     # --scores FOLDER keeps what the heads say, or reads it again
    python benchmarks/power.py --seeds 4 5 --listings 72  # for development: seeds below 100

Each seed is a market of its own with all attacks in turn (`market_scores.py`). Its genuine photos to calibrate on
calibrate with every claim merged, and with each claim alone; then its listings are judged. No fake of that seed is
shown. Beside the merged statistic stand the claim that found most on the *other* seeds, and, as who can choose a claim
by their fakes can weigh all of them as well, the claims merged with weights that the other seeds' fakes taught. Price
is left out of a second table: rendered fakes are cheaper, by construction.

A listing is *detected* where its p-value is at most alpha, which is what claims are compared by, and *suspected* where
it is answered as well: what the catalogue does not know is not judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import data
import market_scores
import numpy as np
from market_scores import Scores

import counterfeit_vision as cv
from counterfeit_vision.calibrate import Calibration
from counterfeit_vision.enough import split_groups
from counterfeit_vision.heads import Mark, Reuse, Similarity, Wordmark
from counterfeit_vision.heads.reuse import COPY
from counterfeit_vision.marks.finding import FOUND
from counterfeit_vision.merge import Merger
from counterfeit_vision.metrics import bootstrap_interval
from counterfeit_vision.ranking import conformal_p
from counterfeit_vision.usual import Usual

ALPHA = 0.05
SPLITS = 200


def score_markets(chosen: argparse.Namespace) -> Scores:
    """All seeds' scores under one another, with the ``seed`` of each."""
    parts = [market_scores.market_scores(seed, chosen) for seed in chosen.seeds]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sizes = [len(part["scores"]) for part in parts]
    return found | {"heads": parts[0]["heads"], "seed": np.repeat(chosen.seeds, sizes)}


def fitted(heads: np.ndarray, known: np.ndarray, kinds: np.ndarray) -> Calibration:
    """Calibrated on these genuine photos' scores, each photo by itself."""
    photos = [f"photo {row}" for row in range(len(known))]
    first = split_groups(photos, alpha=ALPHA)
    return Calibration.fit(heads.tolist(), known, {}, first=first, alpha=ALPHA, generation="", kinds=kinds.tolist())


def flagged(
    heads: np.ndarray, known: np.ndarray, kinds: np.ndarray, asked: np.ndarray, asked_kinds: np.ndarray
) -> np.ndarray:
    """(N,) by these heads' scores, which photos have a p-value of at most alpha; none where no calibration photo could
    make the claims.
    """
    applies = ~np.isnan(known).all(axis=0)
    if not applies.any():
        return np.zeros(len(asked), bool)
    known, asked = known[:, applies], asked[:, applies]
    silent = np.isnan(known).all(axis=1)
    known, kinds = known[~silent], kinds[~silent]
    try:
        calibration = fitted(heads[applies], known, kinds)
    except cv.InputError:  # too few photos can make the claim
        return np.zeros(len(asked), bool)
    alarms = np.zeros(len(asked), bool)
    says = ~np.isnan(asked).all(axis=1)
    alarms[says] = calibration.p_of(asked[says], kinds=asked_kinds[says].tolist()) <= ALPHA
    return alarms


def answered(
    heads: np.ndarray, known: np.ndarray, kinds: np.ndarray, asked: np.ndarray, asked_kinds: np.ndarray
) -> np.ndarray:
    """(N,) which photos are judged: they look enough like the catalogue, are copies of its photos, or bear the marks of
    the product that their listing names (each names one), or what surrounds them, or nearly the brand's name.
    """
    calibration = fitted(heads, known, kinds)
    likeness = calibration.known_p(asked, Similarity.name, asked_kinds.tolist())
    unlike = asked[:, heads.tolist().index(Mark.name)]
    copied = asked[:, heads.tolist().index(Reuse.name)] >= COPY
    read = ~np.isnan(asked[:, heads.tolist().index(Wordmark.name)])
    return np.asarray((likeness > calibration.unknown_level) | copied | (unlike < 1) | (unlike >= 1 + FOUND) | read)


def by_seed(scores: Scores, columns: list[int], say: Callable[..., np.ndarray] = flagged) -> np.ndarray:
    """(N,) what is said of all listings, each seed calibrated by itself; False on calibration photos."""
    found = np.zeros(len(scores["scores"]), bool)
    for seed in np.unique(scores["seed"]):
        own = scores["seed"] == seed
        known, asked = own & scores["calibration"], own & ~scores["calibration"]
        (mine, kinds), (theirs, their_kinds) = (
            (scores["scores"][rows][:, columns], scores["kind"][rows]) for rows in (known, asked)
        )
        found[asked] = say(scores["heads"][columns], mine, kinds, theirs, their_kinds)
    return found


def split_anew(scores: Scores, columns: list[int]) -> dict[str, float]:
    """The shares of fakes and of genuine photos that are detected and suspected where each seed's genuine photos, of
    both parts, are dealt at random into as many to calibrate with and to be judged, :data:`SPLITS` times: one split
    decides much.
    """
    random = np.random.default_rng(0)
    shares: dict[str, list[float]] = {}
    names, table, kinds = scores["heads"], scores["scores"], scores["kind"]
    for seed in np.unique(scores["seed"]):
        own = scores["seed"] == seed
        known, false = np.flatnonzero(own & (scores["attack"] == "")), np.flatnonzero(own & (scores["attack"] != ""))
        count = int((own & scores["calibration"]).sum())
        for _ in range(SPLITS):
            dealt = random.permutation(known)
            mine, asked = dealt[:count], np.concatenate([dealt[count:], false])
            detected = flagged(
                names[columns], table[mine][:, columns], kinds[mine], table[asked][:, columns], kinds[asked]
            )
            suspected = detected & answered(names, table[mine], kinds[mine], table[asked], kinds[asked])
            for name, found in (("detected", detected), ("suspected", suspected)):
                shares.setdefault(f"genuine {name}", []).append(float(found[: len(known) - count].mean()))
                shares.setdefault(f"fakes {name}", []).append(float(found[len(known) - count :].mean()))
    return {name: float(np.mean(values)) for name, values in shares.items()}


def weighed(scores: Scores, columns: list[int]) -> np.ndarray:
    """The same with weights from the other seeds' listings; each seed's claims are measured by its own genuine ones."""
    alarms = np.zeros(len(scores["scores"]), bool)
    names, seeds = scores["heads"][columns].tolist(), scores["seed"]
    table, asked, first = scores["scores"][:, columns], ~scores["calibration"], {}
    standardised = np.full(table.shape, np.nan)
    for seed in np.unique(seeds):
        own, known = seeds == seed, np.flatnonzero((seeds == seed) & ~asked)
        first[seed] = known[split_groups([f"photo {row}" for row in known], alpha=ALPHA)]
        usual = Usual.fit(table[first[seed]], scores["kind"][first[seed]].tolist())
        standardised[own] = usual(table[own], scores["kind"][own].tolist())
    for seed, fitted in first.items():
        taught = asked & (seeds != seed)
        statistic = Merger.of(names).learn(names, standardised[taught], scores["attack"][taught] != "")
        rest = np.setdiff1d(np.flatnonzero((seeds == seed) & ~asked), fitted)
        mine = asked & (seeds == seed)
        alarms[mine] = conformal_p(statistic(standardised[rest]), statistic(standardised[mine])) <= ALPHA
    return alarms


def table(scores: Scores, columns: list[int]) -> dict[str, Any]:
    """Alarms with these claims merged, and with each alone; and which of them end as suspected."""
    names = scores["heads"][columns].tolist()
    listing = ~scores["calibration"]
    fake, seed = listing & (scores["attack"] != ""), scores["seed"]
    merged = by_seed(scores, columns)
    suspected = merged & by_seed(scores, list(range(len(scores["heads"]))), answered)
    single = {name: by_seed(scores, [column]) for name, column in zip(names, columns, strict=True)}
    seeds = np.unique(seed)

    def rate(alarms: np.ndarray, rows: np.ndarray) -> float:
        return float(alarms[rows].mean())

    chosen = []
    for one in seeds:  # the claim that found most on the other seeds
        best = max(names, key=lambda name: rate(single[name], fake & (seed != one))) if len(seeds) > 1 else names[0]
        chosen.append(rate(single[best], fake & (seed == one)))
    own = [rate(merged, fake & (seed == one)) for one in seeds]
    rows = np.flatnonzero(fake)
    return {
        "fakes suspected": rate(suspected, fake),
        "interval by seed": bootstrap_interval(
            lambda pick: rate(suspected, rows[pick]), seed[rows].astype(str).tolist()
        )
        if len(seeds) > 1
        else None,
        "genuine suspected": rate(suspected, listing & ~fake),
        "fakes detected": rate(merged, fake),
        "genuine detected": rate(merged, listing & ~fake),
        "over random splits": split_anew(scores, columns),
        "claim chosen on other seeds": float(np.mean(chosen)),
        "merged less that claim, each seed": [round(a - b, 3) for a, b in zip(own, chosen, strict=True)],
        "weighed by other seeds": rate(weighed(scores, columns), fake) if len(seeds) > 1 else None,
        "weighed by other seeds, genuine": rate(weighed(scores, columns), listing & ~fake) if len(seeds) > 1 else None,
        "each claim alone": {name: rate(alarms, fake) for name, alarms in single.items()},
        "each claim alone, genuine": {name: rate(alarms, listing & ~fake) for name, alarms in single.items()},
        "by attack": {
            attack: rate(suspected, fake & (scores["attack"] == attack)) for attack in np.unique(scores["attack"][fake])
        },
    }


def show(title: str, result: dict[str, Any]) -> None:
    interval = result["interval by seed"]
    spread = "" if interval is None else f" ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"
    print(f"\n{title}: {100 * result['fakes suspected']:.1f} %{spread} of fakes suspected, "
          f"{100 * result['genuine suspected']:.1f} % of genuine")  # fmt: skip
    print(f"  detected, answered or not: {100 * result['fakes detected']:.1f} %, "
          f"genuine {100 * result['genuine detected']:.1f} %")  # fmt: skip
    splits = ", ".join(f"{name} {100 * share:.1f} %" for name, share in result["over random splits"].items())
    print(f"  over {SPLITS} random splits: {splits}")
    print(f"  the claim that found most on the other seeds: {100 * result['claim chosen on other seeds']:.1f} %")
    if result["weighed by other seeds"] is not None:
        print(f"  merged with weights from the other seeds: {100 * result['weighed by other seeds']:.1f} %, "
              f"genuine {100 * result['weighed by other seeds, genuine']:.1f} %")  # fmt: skip
    for name, share in sorted(result["each claim alone"].items(), key=lambda item: -item[1]):
        print(
            f"  {name:<12} alone: {100 * share:5.1f} %, genuine {100 * result['each claim alone, genuine'][name]:.1f} %"
        )
    print("  by attack: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in result["by attack"].items()))


def main() -> None:
    chosen = market_scores.options(__doc__).parse_args()
    scores = score_markets(chosen)
    columns = [column for column in range(len(scores["heads"])) if not np.isnan(scores["scores"][:, column]).all()]
    photos = [column for column in columns if scores["heads"][column] != "price"]
    result = {"all claims": table(scores, columns), "without price": table(scores, photos)}
    for title, part in result.items():
        show(title, part)
    name = "power" if min(chosen.seeds) >= 100 else "power-development"
    data.write(name, {**market_scores.about(chosen), "alpha": ALPHA, **result})


if __name__ == "__main__":
    main()
