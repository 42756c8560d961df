"""What the claims cost on a CPU, beside the encoder's forward pass in float32.

    python benchmarks/cost.py

Listings of a rendered market, judged by every head as an inspector does it: what is known of the catalogue (marks laid
over each other, wordmarks read) is known, what is known of the photo is not. Alone, ``mark`` decodes the photo and
finds the marks, which ``patches`` and ``wordmark`` then use. ``search`` is the nearest references. Then all of them in
one thread and in as many as torch has, by wall time: run it where nothing else runs, with more than one core.

Last, the first photo of each product, for which the product's marks have to be learned: anew, or, in a process that
starts anew, from the disk; another photo of it, whose marks are known; and the same listing again, which the claims
have been asked about before.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rounds
import torch

import counterfeit_vision as cv
from counterfeit_vision.encoders.batching import encode_photos, stack
from counterfeit_vision.heads import Head, Suspects, default_heads
from counterfeit_vision.io.decode import decode
from counterfeit_vision.io.manifests import read_listings
from counterfeit_vision.judging import NEIGHBOURS, judge

SEED = 3
SAME = 1e-4  # a score in one batch or thread and in others: the close-ups' encoding may sum in another order


def main() -> None:
    chosen = rounds.options(__doc__)
    cv2.setNumThreads(1)
    listings = 6 if chosen.quick else 32
    folder = Path(tempfile.gettempdir()) / f"counterfeit-vision-cost-{SEED}-{listings}"
    market = cv.market.render(folder, seed=SEED, brands=1, listings=listings, calibration=0)
    encoder = cv.load_encoder("clip-vit-b16", device=chosen.device, dtype="float32")
    catalog = cv.Catalog.build(market.catalogue, encoder=encoder)
    heads = default_heads()
    every = [listing for listing in read_listings(market.listings) if isinstance(listing, cv.Listing)]
    asked = every[::2]  # they come in pairs of one product and room
    photos = [(listing.id, listing.photos[0]) for listing in asked]
    rows = [row for row in encode_photos(photos, encoder=encoder, cache=False) if not isinstance(row, cv.Failure)]
    found = stack(rows, encoder=encoder)
    near = catalog.neighbours(found, NEIGHBOURS)
    suspects = Suspects(found, asked, rows, catalog, near)
    applicable = {
        head.name: sum(evidence.applicable for evidence in head.score(suspects)) / len(rows) for head in heads
    }
    rounds.demand(applicable["mark"] > 0.8, f"marks were found in {applicable['mark']:.0%} of the photos")
    result: dict[str, Any] = {
        "encoder": "clip-vit-b16, float32",
        "photos": len(rows),
        "check": {"claims that apply": {name: round(share, 2) for name, share in applicable.items()}},
        "rounds": {},
    }
    if not chosen.check:
        squares = np.stack([encoder.preprocess(decode(photo).pixels)[0] for _, photo in photos])
        size = encoder.batch_size

        def encode() -> None:
            for start in range(0, len(squares), size):
                encoder.encode(squares[start : start + size])

        def look(chosen_heads: Sequence[Head], *, anew: bool) -> None:
            nonlocal suspects
            if anew:
                suspects = Suspects(found, asked, rows, catalog, near)
            for head in chosen_heads:
                head.score(suspects)

        def search() -> None:
            catalog.neighbours(found, NEIGHBOURS)

        ways = {"encoder": encode, "search": search, "all heads": functools.partial(look, heads, anew=True)}
        ways |= {head.name: functools.partial(look, [head], anew=head.name == "mark") for head in heads}
        few = {"items": len(rows), "rounds": 1 if chosen.quick else 3, "device": chosen.device}
        times = result["rounds"]["a photo"] = rounds.paired(ways, **few)
        threads = torch.get_num_threads()

        def look_in(threads: int) -> list[float]:
            torch.set_num_threads(threads)
            again = Suspects(found, asked, rows, catalog, near)
            return [evidence.score for head in heads for evidence in head.score(again)]

        off = float(np.nanmax(np.abs(np.subtract(look_in(1), look_in(threads)))))
        rounds.demand(off < SAME, f"in {threads} threads a score is {off:.1g} off")
        in_threads = {f"{number} at once": functools.partial(look_in, number) for number in (1, threads)}
        if threads > 1:
            result["rounds"]["all heads, photos at once, ratio of wall time"] = rounds.paired(
                in_threads, wall=True, **few
            )
        most = sorted(round(1 / value, 2) for value in times["all heads"]["ratio"])
        result["all heads, times the encoder: least, median, most"] = most
        result["the first photo of a product, seconds of processor time"] = learning(market, encoder)
    rounds.give("cost", result, chosen)


def learning(market: cv.market.Market, encoder: cv.Encoder) -> dict[str, float]:
    """What all heads take on one photo of each product, depending on what is known of its marks."""
    listings = [listing for listing in read_listings(market.listings) if isinstance(listing, cv.Listing)]
    asked = list({listing.product: listing for listing in listings}.values())
    rows = list(encode_photos([(listing.id, listing.photos[0]) for listing in asked], encoder=encoder, cache=False))
    found = stack(rows, encoder=encoder)
    took: dict[str, float] = {}
    known: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder, cv.EmbeddingCache(Path(folder) / "embeddings.sqlite") as cache:

        def score(catalog: cv.Catalog, heads: Sequence[Head], what: str) -> None:
            suspects = Suspects(found, asked, rows, catalog, catalog.neighbours(found, NEIGHBOURS))
            start = time.process_time()
            known.append([evidence.score for head in heads for evidence in head.score(suspects)])
            took[what] = round((time.process_time() - start) / len(asked), 2)

        for what in ("learned anew", "from the disk"):
            catalog, heads = cv.Catalog.build(market.catalogue, encoder=encoder, cache=cache), default_heads()
            score(catalog, heads, what)
        score(catalog, heads, "known")
        for _ in range(2):
            start = time.process_time()
            answers = list(judge(asked, catalog, heads, cache=cache))
            took["asked before"] = round((time.process_time() - start) / len(asked), 3)
        known.append([row.evidence[place].score for place in range(len(heads)) for _, (row,), _ in answers])
    off = max(float(np.nanmax(np.abs(np.subtract(scores, known[0])))) for scores in known)
    rounds.demand(off < SAME, f"a score is {off:.1g} off, depending on what was known")
    return took


if __name__ == "__main__":
    main()
