"""Marketplace photos of one shoe, genuine or fake: what labelled fakes teach, and how many fakes end as suspected.

Photos of one scene are never on both sides: by group the background alone reaches 0.78. Two questions:

- the learned head, out of fold by scene: AUROC and recall on the product alone, beside the background alone and trivial
  features; and how often it calls itself useful where labels are dealt anew to scenes (at most one time in twenty). It
  looks closely at each photo, four encodings that the cache keeps: about 10 minutes the first time;
- the whole inspector with all heads, five parts of the scenes in turn: the others give the catalogue (a third of the
  genuine scenes), the genuine photos and the fakes to calibrate with; the part gives the listings. Once with fakes, in
  some draws of the scenes that p-values come from, and once without. All of it for several ways to part the scenes: 19
  genuine scenes say little, and which they are, and which are tested, decides much. Shares are of scenes (one photo of
  each, on average over its photos) and of photos, with intervals that resample scenes. Beside it: the learned head
  alone, the same head on the background alone (what does not show the shoe), and the Brier score of each claim alone.
  All probabilities expect fakes as often as they are among all photos that are not tested, those of the catalogue
  included.

    python benchmarks/af1.py --scores /tmp/af1.npz   # an hour or two; keeps what the heads say there, or reads it again
    python benchmarks/af1.py --head                  # the first question only
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.calibration.conformal import conformal_p
from counterfeit_vision.calibration.probability import Probability
from counterfeit_vision.calibration.split import split_groups
from counterfeit_vision.encoders.batching import EncodedPhoto, encode_photos
from counterfeit_vision.evaluation.metrics import auroc, bootstrap_interval, brier, expected_calibration_error
from counterfeit_vision.heads import LearnedHead, learned
from counterfeit_vision.judging import JudgedPhoto, judge

PARTITIONS = 4  # ways to part the scenes
FOLDS = 5
IN_CATALOG = 1 / 3  # of the genuine scenes that are not tested; the rest calibrates
ALPHAS = (0.05, 0.1)
DRAWS = 2  # of the scenes that p-values come from, for each of the ways
DEALINGS = 200  # of the labels to scenes, after which there is nothing to be learnt
SINGLE = "alone: "  # before the name of a claim that speaks alone
SIMULATIONS = 2000  # of what the probabilities themselves would give

Part = tuple[cv.Catalog, list[data.Photo], list[data.Photo], list[data.Photo]]


def folds(scenes: list[str], partition: int) -> np.ndarray:
    """(N,) the fold of each photo: whole scenes, the largest first into the smallest fold, those of one size in the
    order of their names, or in a random one in every ``partition`` but the first.
    """
    names, counts = np.unique(scenes, return_counts=True)
    size, home = np.zeros(FOLDS), {}
    order = np.arange(len(names))
    if partition:
        order = np.random.default_rng(partition).permutation(order)
    for place in order[np.argsort(-counts[order], kind="stable")]:
        home[names[place]] = int(size.argmin())
        size[home[names[place]]] += counts[place]
    return np.array([home[scene] for scene in scenes])


def part(photos: list[data.Photo], fold: np.ndarray, number: int, partition: int, encoder: cv.Encoder) -> Part:
    """The catalogue, the genuine photos and the fakes to calibrate with, and the photos to be judged."""
    rest = [photo for photo, home in zip(photos, fold, strict=True) if home != number]
    genuine = [photo for photo in rest if photo.label == "genuine"]
    scenes = np.random.default_rng(FOLDS * partition + number).permutation(sorted({photo.group for photo in genuine}))
    catalogued = set(scenes[: round(IN_CATALOG * len(scenes))])
    rows = [
        cv.Reference(id=photo.path.name, photo=photo.path, brand="nike", product=photo.product)
        for photo in genuine
        if photo.group in catalogued
    ]
    held = [photo for photo in genuine if photo.group not in catalogued]
    tested = [photo for photo, home in zip(photos, fold, strict=True) if home == number]
    return (
        cv.Catalog.build(rows, encoder=encoder),
        held,
        [photo for photo in rest if photo.label == "fake"],
        tested,
    )


def listing(photo: data.Photo) -> cv.Listing:
    return cv.Listing(id=photo.path.name, photos=[photo.path])


def said(catalog: cv.Catalog, photos: list[data.Photo], known: dict[str, Any]) -> dict[str, JudgedPhoto]:
    """What the default heads say of each photo, by its name; ``known`` are scores and neighbours, read or added to."""
    heads = cv.heads.default_heads()
    key = catalog.generation
    if key not in known:
        rows = [judged[0] for _, judged, _ in judge([listing(photo) for photo in photos], catalog, heads)]
        known[key] = np.array([[item.score for item in row.evidence] for row in rows])
        known[f"{key} near"] = np.array([row.neighbours for row in rows])
        return dict(zip([photo.path.name for photo in photos], rows, strict=True))
    encoded = encode_photos([(photo.path.name, photo.path) for photo in photos], encoder=catalog.encoder)
    return {
        photo.id: JudgedPhoto(photo, tuple(near), tuple(evidence(score) for score in scores))
        for photo, near, scores in zip(encoded, known[f"{key} near"].tolist(), known[key].tolist(), strict=True)
        if isinstance(photo, EncodedPhoto)
    }


def share_of_fakes(photos: Part) -> float:
    """Among all photos that are not tested."""
    catalog, held, fakes, _ = photos
    return len(fakes) / (len(catalog) + len(held) + len(fakes))


def evidence(score: float) -> cv.Evidence:
    return cv.Evidence.not_applicable("") if np.isnan(score) else cv.Evidence(score=score, text="")


class Remembering(cv.Inspector):
    """An inspector that was told what its heads say; a learned head speaks for itself."""

    def __init__(self, catalog: cv.Catalog, rows: dict[str, JudgedPhoto], base_rate: float | None = None) -> None:
        super().__init__(catalog, base_rate=base_rate)
        self.rows = rows

    def _judge(
        self, listings: Any, heads: Sequence[Any], *, progress: bool = False
    ) -> Iterator[tuple[cv.Listing, list[JudgedPhoto], list[Any]]]:
        rows = [self.rows[item.id] for item in listings]
        if len(heads) > len(self._given):
            head = heads[-1]
            assert isinstance(head, LearnedHead)
            scores = head.score_encoded([row.photo for row in rows])
            rows = [
                dataclasses.replace(row, evidence=(*row.evidence, head.evidence(float(score))))
                for row, score in zip(rows, scores, strict=True)
            ]
        yield from ((item, [row], []) for item, row in zip(listings, rows, strict=True))


@contextlib.contextmanager
def looks(seen: dict[str, tuple[Any, ...]], *, swapped: bool = False) -> Iterator[None]:
    """Each photo is looked at once, whatever many heads learn from it; ``swapped`` shows them the room in place of the
    product.
    """
    look, trivial = learned.look_closer, learned._trivial

    def remembered(photos: Sequence[EncodedPhoto], encoder: Any, cache: Any) -> Any:
        new = [photo for photo in {photo.sha256: photo for photo in photos}.values() if photo.sha256 not in seen]
        if new:
            product, room, sure = look(new, encoder, cache)
            seen.update({p.sha256: (product[row], room[row], trivial(p), sure) for row, p in enumerate(new)})
        sides = [np.stack([seen[photo.sha256][side] for photo in photos]) for side in (0, 1)]
        return (*(sides[::-1] if swapped else sides), seen[photos[0].sha256][3])

    learned.look_closer, learned._trivial = remembered, lambda photo: seen[photo.sha256][2]
    try:
        yield
    finally:
        learned.look_closer, learned._trivial = look, trivial


def dealt(photos: Part, number: int) -> tuple[list[data.Photo], dict[str, str]]:
    """The genuine photos to calibrate with in random order, which is what draws one of each scene, and names of scenes
    in random order, which is what parts them.
    """
    _, held, fakes, _ = photos
    random = np.random.default_rng(number)
    held = [held[place] for place in random.permutation(len(held))]
    scenes = sorted({photo.group for photo in (*held, *fakes)})
    return held, dict(zip(scenes, random.permutation(len(scenes)).astype(str).tolist(), strict=True))


def draw(catalog: cv.Catalog, rows: dict[str, JudgedPhoto], photos: Part, number: int, alpha: float) -> dict[str, Any]:
    """One draw of the scenes that p-values come from: verdicts on the tested photos."""
    _, _, fakes, tested = photos
    held, code = dealt(photos, number)
    inspector = Remembering(catalog, rows, share_of_fakes(photos))
    inspector.calibrate(
        [listing(photo) for photo in held],
        fakes=[listing(photo) for photo in fakes],
        groups=[code[photo.group] for photo in (*held, *fakes)],
        alpha=alpha,
    )
    verdicts = list(inspector.stream([listing(photo) for photo in tested]))
    calibration = inspector.calibration
    assert calibration is not None
    return {
        "suspected": np.array([verdict.decision == "suspected" for verdict in verdicts]),
        "probability": np.array([verdict.risk for verdict in verdicts]),
        "unsure": np.array([verdict.decision == "insufficient_evidence" for verdict in verdicts]),
        "useful": inspector.lesson is not None and inspector.lesson.useful,
        "n": calibration.count,
    }


def alone(rows: dict[str, JudgedPhoto], part: Part, number: int, alpha: float) -> dict[str, np.ndarray]:
    """The same draw with a learned head and nothing else, useful or not: who is flagged, and the scores."""
    catalog, _, fakes, tested = part
    held, code = dealt(part, number)
    first = split_groups([code[photo.group] for photo in held], alpha=alpha)
    taught = [photo for photo, mine in zip(held, first, strict=True) if mine]
    ranked = {photo.group: photo for photo, mine in zip(held, first, strict=True) if not mine}  # one of each scene
    shown = [photo for photo in fakes if photo.group not in ranked]
    copies = [(ref.id, ref.photo) for ref in catalog.references]
    references = [row for row in encode_photos(copies, encoder=catalog.encoder) if isinstance(row, EncodedPhoto)]
    photos = [*(rows[p.path.name].photo for p in taught), *references, *(rows[p.path.name].photo for p in shown)]
    names = [*(p.group for p in taught), *(ref.id for ref in catalog.references), *(p.group for p in shown)]
    false = np.arange(len(photos)) >= len(photos) - len(shown)
    seen = learned.look_closer(photos, catalog.encoder, True)[0]
    head = LearnedHead(catalog.encoder).fit_features(seen, None, np.zeros((len(seen), 1), np.float32), false, names)
    known, asked = (head.score_encoded([rows[p.path.name].photo for p in some]) for some in (ranked.values(), tested))
    return {
        "flagged": conformal_p(known, asked) <= alpha,
        "scores": asked,
        "probability": single_probability(head.held_out, false, names, asked, share_of_fakes(part)),
    }


def shares(flags: np.ndarray, fake: np.ndarray, scenes: list[str]) -> dict[str, Any]:
    """Flags (draws, N) -> the share of fakes and of genuine photos that are flagged, by scene and by photo."""
    mean = flags.mean(axis=0)
    found: dict[str, Any] = {}
    for what, mine in (("fakes", fake), ("genuine", ~fake)):
        own = [name if yes else "" for name, yes in zip(scenes, mine, strict=True)]
        _, place, size = np.unique(own, return_inverse=True, return_counts=True)
        for by, weight in (("scene", mine / size[place]), ("photo", mine.astype(float))):

            def share(rows: np.ndarray, values: np.ndarray = mean, weight: np.ndarray = weight) -> float:
                return float((weight[rows] * values[rows]).sum() / weight[rows].sum())

            everything = np.arange(len(fake))
            found[f"{what}, by {by}"] = share(everything)
            found[f"{what}, by {by}, interval"] = bootstrap_interval(share, scenes)
            found[f"{what}, by {by}, s.d. over draws"] = float(np.std([share(everything, one) for one in flags]))
    return found


def reliable(fake: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """The calibration error, and the 95 % band of what it would be were each probability exactly right."""
    random = np.random.default_rng(0)
    band = [expected_calibration_error(random.random(len(fake)) < probability, probability) for _ in range(SIMULATIONS)]
    low, high = np.quantile(band, [0.025, 0.975])
    error = expected_calibration_error(fake, probability)
    return {"error": error, "band": [float(low), float(high)], "inside": bool(error <= high)}


def single_probability(
    shown: np.ndarray, false: np.ndarray, groups: Sequence[str], asked: np.ndarray, usual: float
) -> np.ndarray:
    """What one claim alone says in probabilities; a photo of which it says nothing has the usual share."""
    known, says = ~np.isnan(shown), ~np.isnan(asked)
    middle, spread = np.median(shown[known]), np.std(shown[known]) + 1e-9

    def learn(scores: np.ndarray, fake: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: (rows[:, 0] - middle) / spread

    line = Probability.fit(learn, shown[known][:, None], false[known], np.asarray(groups)[known], usual)
    found = np.full(len(asked), usual)
    found[says] = line.of((asked[says] - middle) / spread)
    return found


def in_parts(
    photos: list[data.Photo],
    partition: int,
    encoder: cv.Encoder,
    known: dict[str, Any],
    seen: dict[str, tuple[Any, ...]],
    *,
    parts: int,
    draws: int,
    keep: Callable[[], None],
) -> tuple[list[data.Photo], dict[str, np.ndarray], dict[str, Any]]:
    """One way to part the scenes: the photos in order, what was said of them, (draws, N) or (1, N) each, by inspectors
    that saw no photo of their part of the scenes; and about the calibrations.
    """
    fold = folds([photo.group for photo in photos], partition)
    order: list[data.Photo] = []
    found: dict[str, list[np.ndarray]] = {}
    about: dict[str, Any] = {"learned head useful": 0, "of": 0}
    for number in range(parts):
        mine = part(photos, fold, number, partition, encoder)
        catalog, held, fakes, tested = mine
        rows = said(catalog, [*held, *fakes, *tested], known)
        keep()
        print(f"part {number}: {len(catalog)} catalogued, {len(held)} genuine and {len(fakes)} fakes to calibrate with")
        order += tested
        for alpha in ALPHAS:
            with looks(seen):
                runs = [draw(catalog, rows, mine, seed, alpha) for seed in range(draws)]
            about["learned head useful"] += sum(run["useful"] for run in runs)
            about["of"] += draws
            about[f"n at {alpha:g}"] = runs[0]["n"]
            for name in ("suspected", "probability", "unsure"):
                found.setdefault(f"{name} {alpha}", []).append(np.array([run[name] for run in runs]))
            for name, swapped in (("learned", False), ("background", True)):
                with looks(seen, swapped=swapped):
                    each = [alone(rows, mine, seed, alpha) for seed in range(draws)]
                for what in ("flagged", "scores", "probability"):
                    found.setdefault(f"{name} {what} {alpha}", []).append(np.array([run[what] for run in each]))
        plain = Remembering(catalog, rows)
        plain.calibrate([listing(p) for p in held], groups=[p.group for p in held], alpha=ALPHAS[0])
        verdicts = list(plain.stream([listing(photo) for photo in tested]))
        found.setdefault("without fakes", []).append(np.array([[v.decision == "suspected" for v in verdicts]]))
        found.setdefault("risk without fakes", []).append(np.array([[v.risk for v in verdicts]]))
        shown, false = [*held, *fakes], np.arange(len(held) + len(fakes)) >= len(held)
        for column, head in enumerate(cv.heads.default_heads()):
            scores = [np.array([rows[p.path.name].evidence[column].score for p in some]) for some in (shown, tested)]
            if np.isnan(scores[0]).all():
                continue
            names = [photo.group for photo in shown]
            alone_says = single_probability(scores[0], false, names, scores[1], share_of_fakes(mine))
            found.setdefault(f"{SINGLE}{head.name}", []).append(alone_says[None])
        print(f"  suspected at {ALPHAS[0]:g}: {found[f'suspected {ALPHAS[0]}'][-1].mean():.3f} of all", flush=True)
    return order, {name: np.concatenate(values, axis=1) for name, values in found.items()}, about


def inspect(
    photos: list[data.Photo], encoder: cv.Encoder, kept: Path | None, *, partitions: int, parts: int, draws: int
) -> dict[str, Any]:
    """Verdicts on all photos, for several ways to part their scenes."""
    known: dict[str, Any] = {}
    seen: dict[str, tuple[Any, ...]] = {}
    if kept is not None and kept.is_file():
        with np.load(kept) as file:
            known = dict(file)

    def keep() -> None:
        if kept is not None:
            np.savez(kept, **known)

    rows: dict[str, list[np.ndarray]] = {}
    about: dict[str, Any] = {}
    for partition in range(partitions):
        print(f"partition {partition}:")
        tested, said_of, facts = in_parts(photos, partition, encoder, known, seen, parts=parts, draws=draws, keep=keep)
        by_name = sorted(range(len(tested)), key=lambda place: tested[place].path.name)
        order = [tested[place] for place in by_name]
        for name, values in said_of.items():
            rows.setdefault(name, []).append(values[:, by_name])
        for name, value in facts.items():
            about[name] = about.get(name, 0) + value if name in ("learned head useful", "of") else value
    table = {name: np.concatenate(values) for name, values in rows.items()}
    fake, scenes = np.array([photo.label == "fake" for photo in order]), [photo.group for photo in order]
    result: dict[str, Any] = {**about, "photos": len(order), "partitions": partitions, "draws": partitions * draws}
    for alpha in ALPHAS:
        flags = rows[f"suspected {alpha}"]
        result[f"suspected at {alpha:g}"] = shares(table[f"suspected {alpha}"], fake, scenes) | {
            "fakes, by photo, each partition": [float(some[:, fake].mean()) for some in flags],
            "genuine, by photo, each partition": [float(some[:, ~fake].mean()) for some in flags],
        }
        for name in ("learned", "background"):
            result[f"{name} alone, flagged at {alpha:g}"] = shares(table[f"{name} flagged {alpha}"], fake, scenes)

    def mean_of(measure: Callable[[np.ndarray, np.ndarray], float], name: str) -> float:
        return float(np.mean([measure(fake, one) for one in table[name]]))

    probability = table[f"probability {ALPHAS[0]}"]
    mean = probability.mean(axis=0)
    inside = [reliable(fake, one)["inside"] for one in probability]
    result |= {
        "AUROC of the probability": mean_of(auroc, f"probability {ALPHAS[0]}"),
        "AUROC interval, mean probability": bootstrap_interval(lambda rows: auroc(fake[rows], mean[rows]), scenes),
        "AUROC, learned alone": mean_of(auroc, f"learned scores {ALPHAS[0]}"),
        "AUROC, background alone": mean_of(auroc, f"background scores {ALPHAS[0]}"),
        "calibration error, first draw": reliable(fake, probability[0]),
        "calibration errors inside their band": int(sum(inside)),
        "Brier": {
            "all claims": mean_of(brier, f"probability {ALPHAS[0]}"),
            "the usual share for all": float(fake.mean() * (1 - fake.mean())),
            "learned": mean_of(brier, f"learned probability {ALPHAS[0]}"),
            **{name.removeprefix(SINGLE): mean_of(brier, name) for name in table if name.startswith(SINGLE)},
        },
        "insufficient evidence": float(table[f"unsure {ALPHAS[0]}"].mean()),
        "without fakes": {
            **shares(table["without fakes"], fake, scenes),
            "AUROC of risk": mean_of(auroc, "risk without fakes"),
        },
    }
    return result


def learn(photos: list[data.Photo], encoder: cv.Encoder, dealings: int) -> dict[str, Any]:
    """The head fitted on all photos; how well it tells those of scenes that it has not seen; and how often it is called
    useful where there is nothing to be learnt.
    """
    encoded = encode_photos([(p.path.name, p.path) for p in photos], encoder=encoder)
    rows = [row for row in encoded if isinstance(row, EncodedPhoto)]
    assert len(rows) == len(photos)
    product, room, _ = learned.look_closer(rows, encoder, True)
    trivial = np.stack([learned._trivial(row) for row in rows])
    fake, scenes = np.array([photo.label == "fake" for photo in photos]), [photo.group for photo in photos]

    def fitted(fake: np.ndarray, product: np.ndarray = product, room: np.ndarray = room) -> tuple[LearnedHead, Any]:
        head = LearnedHead(encoder).fit_features(product, room, trivial, fake, scenes)
        return head, head.lesson

    head, lesson = fitted(fake)

    def recall(rows: np.ndarray) -> float:
        mine, scores = fake[rows], head.held_out[rows]
        return float((scores[mine] > np.quantile(scores[~mine], 1 - ALPHAS[0])).mean())

    names, scene = np.unique(scenes, return_inverse=True)
    of_scene = np.array([fake[scene == number].mean() > 0.5 for number in range(len(names))])
    random = np.random.default_rng(0)
    return {
        "photos": len(photos),
        "learned head": dataclasses.asdict(lesson),
        "learned head, recall at 5 % false alarms": recall(np.arange(len(photos))),
        "learned head, recall interval": bootstrap_interval(recall, scenes),
        "useful where the room is shown as the product": fitted(fake, room, product)[1].useful,
        "useful where labels are dealt anew to scenes": sum(
            fitted(random.permutation(of_scene)[scene])[1].useful for _ in range(dealings)
        ),
        "dealings": dealings,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one part of the scenes, and two draws")
    parser.add_argument("--head", action="store_true", help="the learned head only")
    parser.add_argument("--scores", type=Path, help="an .npz with what the heads say: read, and added to")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the encoder")
    options = parser.parse_args()
    warnings.simplefilter("error", RuntimeWarning)
    warnings.filterwarnings("ignore", "of .* photos called genuine", RuntimeWarning)  # 1 to 2 % of the labels are wrong
    encoder = cv.load_encoder(dtype=options.dtype)
    photos = data.af1()
    if not options.head:
        partitions, parts, draws = (1, 1, 2) if options.quick else (PARTITIONS, FOLDS, DRAWS)
        result = inspect(photos, encoder, options.scores, partitions=partitions, parts=parts, draws=draws)
        data.write("af1" + "-quick" * options.quick, {"dtype": str(encoder.dtype), **result})
        return
    result = learn(photos, encoder, 10 if options.quick else DEALINGS)
    data.write("af1-head" + "-quick" * options.quick, {"dtype": str(encoder.dtype), **result})


if __name__ == "__main__":
    main()
