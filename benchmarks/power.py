"""How many fakes of a rendered market end as suspected at alpha = 5 %, and whether merging the claims costs anything.

    python benchmarks/power.py                     # --scores FOLDER keeps what the heads say, or reads it again
    python benchmarks/power.py --seeds 4 5 --listings 72  # for development: seeds below 100

Each seed is a market of its own with all attacks in turn (`market_scores.py`). Its genuine photos to calibrate on
calibrate with every claim merged, and with each claim alone; then its listings are judged. No fake of that seed is
shown. Beside the merged statistic stand the claim that found most on the *other* seeds, and, as who can choose a claim
by their fakes can weigh all of them as well, the claims merged with weights that the other seeds' fakes taught. Price
is left out of a second table: rendered fakes are cheaper, by construction.

A listing is *detected* where its p-value is at most alpha, which is what claims are compared by (a calibration of the
scores alone, which parts the photos otherwise than the inspector does), and *suspected* where the whole inspector says
so: what the catalogue does not know is not judged, and what something may lie over, what is blurred or beyond the alarm
level by little goes to a person (`review`). With 80 photos two of 39 are beyond the alarm level, and which two they are
decides much, so both are given as well where the genuine photos are dealt anew.
"""

from __future__ import annotations

import argparse
from typing import Any

import data
import market_scores
import numpy as np
from market_scores import Scores

import counterfeit_vision as cv
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import conformal_p
from counterfeit_vision.calibration.fusion import Merger
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.calibration.standardize import Usual
from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.types import DECISIONS

SEEDS, LISTINGS = tuple(range(382, 390)), 160  # never used for development; 80 fakes a market
ALPHA = 0.05
SPLITS = 50
MERGED = "all merged"


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


def split_anew(scores: Scores, columns: list[int]) -> dict[str, dict[str, float]]:
    """The shares of genuine photos and of fakes that are detected by these claims merged, and by each alone, where each
    seed's genuine photos, of both parts, are dealt at random into as many to calibrate with and to be judged,
    :data:`SPLITS` times: one split decides much.
    """
    names, table, kinds, random = scores["heads"], scores["scores"], scores["kind"], np.random.default_rng(0)
    ways = {MERGED: columns} | {str(names[column]): [column] for column in columns}
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in np.unique(scores["seed"]):
        own = scores["seed"] == seed
        known, false = np.flatnonzero(own & (scores["attack"] == "")), np.flatnonzero(own & (scores["attack"] != ""))
        count = int((own & scores["calibration"]).sum())
        for _ in range(SPLITS):
            dealt = random.permutation(known)
            mine, asked = dealt[:count], np.concatenate([dealt[count:], false])
            for name, heads in ways.items():
                found = flagged(names[heads], table[mine][:, heads], kinds[mine], table[asked][:, heads], kinds[asked])
                genuine, fakes = found[: len(known) - count], found[len(known) - count :]
                shares[name].append((float(genuine.mean()), float(fakes.mean())))
    means = {name: np.mean(own, axis=0).tolist() for name, own in shares.items()}
    return {name: {"genuine detected": mean[0], "fakes detected": mean[1]} for name, mean in means.items()}


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


def words(scores: Scores, dealt: list[np.ndarray]) -> dict[str, Any]:
    """What the whole inspector says of the listings, all claims and rules on; and of the photos of each market where
    others of its genuine ones calibrate, ``dealt``.
    """
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
        "over random deals": words_dealt(scores, dealt),
    }


def words_dealt(scores: Scores, dealt: list[np.ndarray]) -> dict[str, Any]:
    """What the whole inspector says where others of the genuine photos calibrate: the mean over all deals."""
    seeds = np.array(list(dict.fromkeys(scores["seed"].tolist())))  # as they were asked for, as ``dealt`` is
    rows: dict[str, list[np.ndarray]] = {"fakes": [], "genuine": []}
    for seed, words in zip(seeds, dealt, strict=True):
        fake = scores["attack"][scores["seed"] == seed] != ""
        for of, own in (("fakes", fake), ("genuine", ~fake)):
            said = [deal[own & (deal != "")] for deal in words]
            rows[of].append(np.mean([[(deal == word).mean() for word in DECISIONS] for deal in said], axis=0))
    by_market = {of: np.array(shares) for of, shares in rows.items()}
    found: dict[str, Any] = {
        f"{of} suspected": float(shares[:, DECISIONS.index("suspected")].mean()) for of, shares in by_market.items()
    }
    if len(seeds) > 1:
        suspected = by_market["fakes"][:, DECISIONS.index("suspected")]
        found["fakes suspected, interval by seed"] = bootstrap_interval(
            lambda pick: float(suspected[pick].mean()), seeds.astype(str).tolist()
        )
    return found | {
        f"{of}, by word": dict(zip(DECISIONS, shares.mean(axis=0).tolist(), strict=True))
        for of, shares in by_market.items()
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
    dealt = found["over random deals"]
    spread, genuine = shown(dealt.get("fakes suspected, interval by seed")), dealt["genuine suspected"]
    print(f"  over {market_scores.DEALS} random deals: {100 * dealt['fakes suspected']:.1f} %{spread} of fakes, "
          f"{100 * genuine:.1f} % of genuine")  # fmt: skip
    for of in ("fakes", "genuine"):
        print(f"  {of}: " + ", ".join(f"{word} {100 * share:.1f} %" for word, share in found[f"{of}, by word"].items()))
    told = found["suspected, by attack"].items()
    print("  by attack: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in told))


def show(title: str, result: dict[str, Any]) -> None:
    print(f"\n{title}: {100 * result['fakes detected']:.1f} %{shown(result['fakes detected, interval by seed'])} of "
          f"fakes detected, answered or not, {100 * result['genuine detected']:.1f} % of genuine")  # fmt: skip
    print(f"  over {SPLITS} random splits, of fakes and of genuine photos:")
    for name, shares in sorted(result["over random splits"].items(), key=lambda item: -item[1]["fakes detected"]):
        print(f"    {name:<12} {100 * shares['fakes detected']:5.1f} %, {100 * shares['genuine detected']:.1f} %")
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
    dealt = [market_scores.dealt_words(seed, chosen) for seed in chosen.seeds]
    said, result = words(scores, dealt), {"all claims": table(scores, columns), "without price": table(scores, photos)}
    show_words(said)
    for title, part in result.items():
        show(title, part)
    name = "power" if min(chosen.seeds) >= 100 else "power-development"
    data.write(name, {**market_scores.about(chosen), "alpha": ALPHA, "verdicts": said, **result})


if __name__ == "__main__":
    main()
