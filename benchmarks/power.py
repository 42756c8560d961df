"""How many fakes of a rendered market end as suspected at alpha = 5 %, and whether merging the claims costs anything.

    python benchmarks/power.py                     # --scores FOLDER keeps what the heads say, or reads it again
    python benchmarks/power.py --seeds 4 5 --listings 72  # for development: seeds below 100

Each seed is a market of its own with all attacks in turn (`market_scores.py`). Its genuine photos to calibrate on
calibrate with every claim merged, and with each claim alone; then its listings are judged. No fake of that seed is
shown. Beside the merged statistic stand the claim that found most on the *other* seeds, and, as who can choose a claim
by their fakes can weigh all of them as well, the claims merged with weights that the other seeds' fakes taught. Price
is left out of a second table: rendered fakes are cheaper, by construction.

A listing is *detected* where its p-value is at most alpha, which is what claims are compared by, and *suspected* where
the whole inspector says so: what the catalogue does not know is not judged, and what something may lie over, what is
blurred or beyond the alarm level by little goes to a person (`review`).
"""

from __future__ import annotations

import argparse
from typing import Any

import data
import market_scores
import numpy as np
from market_scores import Scores

import counterfeit_vision as cv
from counterfeit_vision.calibrate import Calibration
from counterfeit_vision.enough import split_groups
from counterfeit_vision.merge import Merger
from counterfeit_vision.metrics import bootstrap_interval
from counterfeit_vision.ranking import conformal_p
from counterfeit_vision.types import DECISIONS
from counterfeit_vision.usual import Usual

SEEDS, LISTINGS = (*range(357, 361), *range(362, 366)), 160  # never used for development; 80 fakes a market
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


def by_seed(scores: Scores, columns: list[int]) -> np.ndarray:
    """(N,) which listings are detected, each seed calibrated by itself; False on calibration photos."""
    found = np.zeros(len(scores["scores"]), bool)
    for seed in np.unique(scores["seed"]):
        own = scores["seed"] == seed
        known, asked = own & scores["calibration"], own & ~scores["calibration"]
        (mine, kinds), (theirs, their_kinds) = (
            (scores["scores"][rows][:, columns], scores["kind"][rows]) for rows in (known, asked)
        )
        found[asked] = flagged(scores["heads"][columns], mine, kinds, theirs, their_kinds)
    return found


def split_anew(scores: Scores, columns: list[int]) -> dict[str, float]:
    """The shares of fakes and of genuine photos that are detected where each seed's genuine photos, of both parts, are
    dealt at random into as many to calibrate with and to be judged, :data:`SPLITS` times: one split decides much.
    """
    random = np.random.default_rng(0)
    shares: dict[str, list[float]] = {"genuine detected": [], "fakes detected": []}
    names, table, kinds = scores["heads"], scores["scores"], scores["kind"]
    for seed in np.unique(scores["seed"]):
        own = scores["seed"] == seed
        known, false = np.flatnonzero(own & (scores["attack"] == "")), np.flatnonzero(own & (scores["attack"] != ""))
        count = int((own & scores["calibration"]).sum())
        for _ in range(SPLITS):
            dealt = random.permutation(known)
            mine, asked = dealt[:count], np.concatenate([dealt[count:], false])
            found = flagged(
                names[columns], table[mine][:, columns], kinds[mine], table[asked][:, columns], kinds[asked]
            )
            shares["genuine detected"].append(float(found[: len(known) - count].mean()))
            shares["fakes detected"].append(float(found[len(known) - count :].mean()))
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
    """Which listings are detected with these claims merged, and with each alone."""
    names = scores["heads"][columns].tolist()
    listing = ~scores["calibration"]
    fake, seed = listing & (scores["attack"] != ""), scores["seed"]
    merged = by_seed(scores, columns)
    single = {name: by_seed(scores, [column]) for name, column in zip(names, columns, strict=True)}
    seeds = np.unique(seed)

    def rate(alarms: np.ndarray, rows: np.ndarray) -> float:
        return float(alarms[rows].mean())

    chosen = []
    for one in seeds:  # the claim that found most on the other seeds
        best = max(names, key=lambda name: rate(single[name], fake & (seed != one))) if len(seeds) > 1 else names[0]
        chosen.append(rate(single[best], fake & (seed == one)))
    own = [rate(merged, fake & (seed == one)) for one in seeds]
    return {
        "fakes detected": rate(merged, fake),
        "fakes detected, interval by seed": interval_by_seed(merged, fake, seed),
        "genuine detected": rate(merged, listing & ~fake),
        "over random splits": split_anew(scores, columns),
        "claim chosen on other seeds": float(np.mean(chosen)),
        "merged less that claim, each seed": [round(a - b, 3) for a, b in zip(own, chosen, strict=True)],
        "weighed by other seeds": rate(weighed(scores, columns), fake) if len(seeds) > 1 else None,
        "weighed by other seeds, genuine": rate(weighed(scores, columns), listing & ~fake) if len(seeds) > 1 else None,
        "each claim alone": {name: rate(alarms, fake) for name, alarms in single.items()},
        "each claim alone, genuine": {name: rate(alarms, listing & ~fake) for name, alarms in single.items()},
        "by attack": {
            attack: rate(merged, fake & (scores["attack"] == attack)) for attack in np.unique(scores["attack"][fake])
        },
    }


def words(scores: Scores) -> dict[str, Any]:
    """What the whole inspector says of the listings, all claims and rules on."""
    listing, decision = ~scores["calibration"], scores["decision"]
    fake, attacks = listing & (scores["attack"] != ""), scores["attack"]
    suspected = decision == "suspected"
    return {
        "fakes suspected": float(suspected[fake].mean()),
        "fakes suspected, interval by seed": interval_by_seed(suspected, fake, scores["seed"]),
        "genuine suspected": float(suspected[listing & ~fake].mean()),
        **{
            f"{of}, by word": {word: float((decision[rows] == word).mean()) for word in DECISIONS}
            for of, rows in (("fakes", fake), ("genuine", listing & ~fake))
        },
        "suspected, by attack": {
            attack: float(suspected[fake & (attacks == attack)].mean()) for attack in np.unique(attacks[fake])
        },
    }


def interval_by_seed(alarms: np.ndarray, fake: np.ndarray, seed: np.ndarray) -> tuple[float, float] | None:
    """Where the share of alarms among the fakes lies if whole markets are drawn anew; ``None`` of one market."""
    rows = np.flatnonzero(fake)
    if len(np.unique(seed)) < 2:
        return None
    return bootstrap_interval(lambda pick: float(alarms[rows[pick]].mean()), seed[rows].astype(str).tolist())


def shown(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def show_words(found: dict[str, Any]) -> None:
    spread, genuine = shown(found["fakes suspected, interval by seed"]), found["genuine suspected"]
    print(f"{100 * found['fakes suspected']:.1f} %{spread} of fakes suspected, {100 * genuine:.1f} % of genuine")
    for of in ("fakes", "genuine"):
        print(f"  {of}: " + ", ".join(f"{word} {100 * share:.1f} %" for word, share in found[f"{of}, by word"].items()))
    told = found["suspected, by attack"].items()
    print("  by attack: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in told))


def show(title: str, result: dict[str, Any]) -> None:
    print(f"\n{title}: {100 * result['fakes detected']:.1f} %{shown(result['fakes detected, interval by seed'])} of "
          f"fakes detected, answered or not, {100 * result['genuine detected']:.1f} % of genuine")  # fmt: skip
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
    parser = market_scores.options(__doc__)
    parser.set_defaults(seeds=list(SEEDS), listings=LISTINGS)
    chosen = parser.parse_args()
    scores = score_markets(chosen)
    columns = [column for column in range(len(scores["heads"])) if not np.isnan(scores["scores"][:, column]).all()]
    photos = [column for column in columns if scores["heads"][column] != "price"]
    said, result = words(scores), {"all claims": table(scores, columns), "without price": table(scores, photos)}
    show_words(said)
    for title, part in result.items():
        show(title, part)
    name = "power" if min(chosen.seeds) >= 100 else "power-development"
    data.write(name, {**market_scores.about(chosen), "alpha": ALPHA, "verdicts": said, **result})


if __name__ == "__main__":
    main()
