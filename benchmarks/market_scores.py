"""What the heads say of rendered markets' photos, kept seed by seed: power, probability and calibration start there.

Each seed is a market of its own, of invented brands and with all attacks in turn. Scoring takes nearly all of the time
(1 to 2 s a photo on a CPU); what is made of the scores takes seconds, so each seed is kept in a file of its own, and
read again where it is asked for in the same size, by the same code. Beside the scores stands the word that the whole
inspector, calibrated by the market's genuine photos, says of each listing: the scores alone do not tell what goes to a
person. As which photos calibrate decides much, the words can be had where others of the genuine photos do, too.

    python benchmarks/market_scores.py --scores FOLDER --seeds 254 255  # scores these and stops
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import counterfeit_vision as cv
from counterfeit_vision._version import code_sha256
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.heads import Head, default_heads, learned
from counterfeit_vision.judging import JudgedPhoto, scores_of
from counterfeit_vision.judging import judge as heads_say
from counterfeit_vision.market import Market, render

# Never used for development, nor when the price's weight was chosen, as 250 to 253 were
SEEDS = (*range(254, 262), 264, 265)
BRANDS = 2
DEALS = 10  # of a market's genuine photos, into such as calibrate and such as are judged
CALIBRATION, LISTINGS = 80, 580  # photos a seed: genuine ones to calibrate with, and pairs of a genuine and a fake one

FOLDER = Path(tempfile.gettempdir()) / "counterfeit-vision-markets"

Scores = dict[str, np.ndarray]
_Said = tuple[cv.Listing, list[JudgedPhoto], list[cv.Failure]]


def options(doc: str | None) -> argparse.ArgumentParser:
    """A parser that knows what decides a market's scores."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--calibration", type=int, default=CALIBRATION, help="genuine photos a seed")
    parser.add_argument("--listings", type=int, default=LISTINGS, help="listings a seed, half of them fakes")
    parser.add_argument("--strength", default="medium", choices=("weak", "medium", "strong"))
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"), help="of the encoder")
    parser.add_argument("--scores", type=Path, default=FOLDER, help="a folder to keep photos and scores in")
    return parser


def about(chosen: argparse.Namespace) -> dict[str, object]:
    """What a result says of the markets that it is from."""
    return {name: getattr(chosen, name) for name in ("seeds", "calibration", "listings", "strength", "dtype")}


def market_scores(seed: int, chosen: argparse.Namespace) -> Scores:
    """Of one market's calibration photos, then its listings: ``scores`` (N, H) of ``heads``, the ``attack`` of each, ""
    where genuine, its ``product``, the ``kind`` (brand) of what it looks like, which are ``calibration`` photos, and
    the ``decision`` about each listing, "" where it calibrates.
    """
    file = _file(seed, chosen, "judged")
    if not file.is_file():
        market = _market(seed, chosen)
        encoder = cv.load_encoder("clip-vit-b16", dtype=chosen.dtype)
        catalog, heads = cv.Catalog.build(market.catalogue, encoder=encoder), default_heads()
        rows = [judged[0] for part in _parts(market) for _, judged, _ in heads_say(part, catalog, heads)]
        inspector = cv.Inspector(catalog).calibrate(genuine=market.calibration)  # the cache has what was said
        verdicts = inspector.inspect(market.listings, strict=True).verdicts
        lines = _lines(market)
        np.savez(
            file,
            scores=scores_of(rows, len(heads)),
            heads=np.array([head.name for head in heads]),
            attack=np.array([line["attack"] or "" for line in lines]),
            product=np.array([f"{seed} {line['product']}" for line in lines]),
            kind=np.array([catalog.references[row.neighbours[0]].brand for row in rows]),
            calibration=np.arange(len(lines)) < chosen.calibration,
            decision=np.array([""] * chosen.calibration + [verdict.decision for verdict in verdicts]),
        )
        print(f"{file}: kept", flush=True)
    with np.load(file) as kept:
        return dict(kept)


def dealt_words(seed: int, chosen: argparse.Namespace) -> np.ndarray:
    """(:data:`DEALS`, N) what the whole inspector says of one market's photos, in their order there, where its genuine
    ones are dealt at random into as many to calibrate with, "" for these, and the others.
    """
    file = _file(seed, chosen, "dealt")
    if not file.is_file():
        market = _market(seed, chosen)
        encoder = cv.load_encoder("clip-vit-b16", dtype=chosen.dtype)
        catalog, heads = cv.Catalog.build(market.catalogue, encoder=encoder), default_heads()
        heard = [said for part in _parts(market) for said in heads_say(part, catalog, heads)]
        genuine = np.flatnonzero([line["label"] == "genuine" for line in _lines(market)])
        inspector = _Heard(catalog, heard, heads)
        words, random = np.full((DEALS, len(heard)), "", "U21"), np.random.default_rng(0)
        for deal in words:
            known = random.permutation(genuine)[: chosen.calibration]
            asked = np.setdiff1d(np.arange(len(heard)), known)
            inspector.calibrate(genuine=[heard[row][0] for row in known])
            verdicts = inspector.inspect([heard[row][0] for row in asked], strict=True).verdicts
            deal[asked] = [verdict.decision for verdict in verdicts]
        np.savez(file, words=words)
        print(f"{file}: kept", flush=True)
    with np.load(file) as kept:
        return np.asarray(kept["words"])


class _Heard(cv.Inspector):
    """Calibrates, and judges listings, by what the heads said of them once."""

    def __init__(self, catalog: cv.Catalog, heard: Sequence[_Said], heads: Sequence[Head]) -> None:
        super().__init__(catalog, heads=heads)
        self._heard = {said[0].id: said for said in heard}

    def _judge(self, listings: Any, heads: Sequence[Head], *, progress: bool) -> Iterator[_Said]:
        return (self._heard[listing.id] for listing in listings)


def closer_looks(seed: int, rows: Sequence[int], name: str, chosen: argparse.Namespace) -> Scores:
    """What the learned head sees of these photos: ``seen`` (n, F), ``room`` (n, G) and ``trivial`` (n, T); kept under
    ``name``, with the ``rows`` that it is of.
    """
    file = _file(seed, chosen, name)
    if not file.is_file() or not np.array_equal(np.load(file).get("rows"), rows):
        market = _market(seed, chosen)
        encoder = cv.load_encoder("clip-vit-b16", dtype=chosen.dtype)
        lines = _lines(market)
        asked = [(str(row), market.folder / lines[row]["photos"][0]) for row in rows]
        photos = []
        for photo in encode_photos(asked, encoder=encoder):
            if isinstance(photo, cv.Failure):
                raise photo.error
            photos.append(photo)
        product, room, _ = learned.look_closer(photos, encoder, True)
        trivial = np.stack([learned._trivial(photo) for photo in photos])
        seen, background = product.astype(np.float16), room.astype(np.float16)
        np.savez(file, rows=np.array(rows), seen=seen, room=background, trivial=trivial)
        print(f"{file}: kept", flush=True)
    with np.load(file) as kept:
        return dict(kept)


def kept_seeds(chosen: argparse.Namespace) -> list[int]:
    """The seeds whose scores the folder has, in the size that is asked for."""
    here = _file(0, chosen, "judged").name.removeprefix("0")
    return sorted(int(file.name.removesuffix(here)) for file in chosen.scores.glob(f"*{here}"))


def _file(seed: int, chosen: argparse.Namespace, name: str) -> Path:
    chosen.scores.mkdir(parents=True, exist_ok=True)
    size = f"{chosen.calibration}-{chosen.listings}-{chosen.strength}-{chosen.dtype}"
    return Path(chosen.scores / f"{seed}-{size}-{name}-{code_sha256()[:12]}.npz")


def _market(seed: int, chosen: argparse.Namespace) -> Market:
    return render(
        chosen.scores / f"market-{seed}-{chosen.strength}-{chosen.calibration}-{chosen.listings}",
        seed=seed,
        brands=BRANDS,
        listings=chosen.listings,
        calibration=chosen.calibration,
        strength=chosen.strength,
    )


def _parts(market: Market) -> tuple[Path, Path]:
    return market.calibration, market.listings


def _lines(market: Market) -> list[dict[str, str]]:
    return [json.loads(line) for part in _parts(market) for line in part.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    chosen = options(__doc__).parse_args()
    for seed in chosen.seeds:
        market_scores(seed, chosen)


if __name__ == "__main__":
    main()
