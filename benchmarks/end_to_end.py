"""A folder of photos -> vectors, patch tokens and nearest references: all stages at once, and the memory they take.

    python benchmarks/end_to_end.py        # --quick: few; --check: the answers only; --device cuda; --seeded

The corpus is rendered: 600 px, 1.6 and 12 megapixels, a tenth of them progressive, a tenth WebP or PNG; 40 photos, and
for a card four batches, which are these 40 under other bytes. Measured: photos no two alike, as many with 30 % copies
among them, and the same folder once more; the first two each with an empty cache of embeddings. Beside them open_clip's
loop, one photo at a time in float32, over the 40. Then ours against the sum of its stages, each alone, without a cache;
and what the thread takes that feeds the encoder and gives the rows, with an encoder that takes next to no time: however
many cores decode, and however quick a card is, no more photos a second go through one process. Then, on a CPU, resident
memory, with such an encoder, as more and more photos go through decoding, batches and search. Checked first: same rows
for a photo and its copy, whatever its neighbours.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import rounds
from encode import loop

import counterfeit_vision as cv
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.io.decode import decode
from counterfeit_vision.types import Embeddings

RENDERED = 40
LOOP = "open_clip loop, one at a time"
COPIES = 0.3
REFERENCES = 20_000
GROWTH = (1_000, 100_000)  # photos


def corpus(folder: Path, count: int) -> list[Path]:
    """Different photos, in an order that mixes kinds."""
    photos, kinds = [], []
    for number in range(min(count, RENDERED)):
        size = (4000, 3000) if number % 20 == 7 else (600, 450) if number % 20 < 7 else (1460, 1095)
        format, settings = {3: ("JPEG", {"progressive": True}), 5: ("WEBP", {"quality": 80})}.get(
            number % 10 if number % 20 != 15 else 0, ("JPEG", {})
        )
        format, settings = ("PNG", {}) if number % 20 == 15 else (format, settings)
        photos.append(rounds.coded(rounds.photo(*size, number), format, **settings))
        kinds.append(format.lower())
    files = [folder / f"{number}.{kinds[number % len(kinds)]}" for number in range(count)]
    for file, photo in zip(files, rounds.repeated(photos, count), strict=True):
        file.write_bytes(photo)
    return files


def with_copies(files: list[Path]) -> list[Path]:
    """As many, the last share of them copies of earlier ones, shuffled."""
    random = np.random.default_rng(0)
    kept = round((1 - COPIES) * len(files))
    return random.permutation(files[:kept] + random.choice(files[:kept], len(files) - kept).tolist()).tolist()


def run(files: list[Path], encoder: Any, index: Any, cache: EmbeddingCache | bool) -> Embeddings:
    rows = cv.embed(files, encoder=encoder, cache=cache)
    index.search(rows.vectors, 10)
    return rows


def afresh(files: list[Path], encoder: Any, index: Any) -> Embeddings:
    with tempfile.TemporaryDirectory() as folder, EmbeddingCache(f"{folder}/e.sqlite") as cache:
        return run(files, encoder, index, cache)


class Instant:
    """An encoder that takes next to no time: the mean colours of 4 x 4 cells."""

    fingerprint, batch_size, preprocess = "instant", 16, Preprocess(32)

    def encode(self, images: np.ndarray) -> Embeddings:
        cells = images.reshape(len(images), 4, 8, 4, 8, 3).mean(axis=(2, 4)).reshape(len(images), 48) + 1
        vectors = (cells / np.linalg.norm(cells, axis=1, keepdims=True)).astype(np.float32)
        whole = np.tile(np.array([0, 0, 1, 1], np.float32), (len(images), 1))
        return Embeddings(vectors, None, (0, 0), whole, tuple(map(str, range(len(images)))))


def fed(files: list[Path], cache: EmbeddingCache | bool) -> float:
    """Milliseconds of processor time a photo of this thread, others decoding: the median of five rounds."""
    spent = []
    for _ in range(5):
        start = time.thread_time()
        cv.embed(files, encoder=Instant(), cache=cache)
        spent.append(1000 * (time.thread_time() - start) / len(files))
    return round(statistics.median(spent), 3)


def grow() -> None:
    """In a process of its own: resident MiB after so many photos, as JSON."""
    import psutil

    photos = [rounds.coded(rounds.photo(80, 60, seed)) for seed in range(200)]
    index, held, me = ExactIndex(48), {}, psutil.Process()
    index.add(np.arange(1_000), np.random.default_rng(0).standard_normal((1_000, 48), dtype=np.float32))
    endless = ((str(number), photos[number % 200] + number.to_bytes(4)) for number in range(max(GROWTH)))
    for number, row in enumerate(encode_photos(endless, encoder=Instant(), cache=False), 1):
        index.search(row.vector[None], 5)
        if number in GROWTH:
            held[number] = round(me.memory_info().rss / 2**20, 1)
    print(json.dumps(held))


def main() -> None:
    if sys.argv[1:] == ["grow"]:
        return grow()
    chosen = rounds.options(__doc__)
    name, called = rounds.encoder_of(chosen)
    encoder = cv.load_encoder(name, device=chosen.device, dtype="bfloat16")
    plain = cv.load_encoder(name, device=chosen.device, dtype="float32")
    index = ExactIndex(512, device=chosen.device)
    held = np.random.default_rng(0).standard_normal((REFERENCES, 512), dtype=np.float32)
    index.add(np.arange(REFERENCES), held / np.linalg.norm(held, axis=1, keepdims=True))
    result: dict[str, Any] = {"encoder": f"{called}, bfloat16", "references": REFERENCES, "check": {}, "rounds": {}}
    with tempfile.TemporaryDirectory() as folder, EmbeddingCache(f"{folder}/kept.sqlite") as kept:
        many = 4 * encoder.batch_size if chosen.device == "cuda" else RENDERED
        files = corpus(Path(folder), 8 if chosen.quick else many)
        copies = with_copies(files)
        rows, again = run(files, encoder, index, kept), afresh(copies, encoder, index)
        places = [files.index(file) for file in copies]
        cosine = float((rows.vectors[places] * again.vectors).sum(axis=1).min())
        rounds.demand(cosine > 0.9995 and not rows.failures, f"a photo and its copy have cosine {cosine:.5f}")
        result["check"]["least cosine of a photo to itself among others"] = round(cosine, 6)
        if not chosen.check:
            tower = plain.tower.tower
            transform = open_clip.image_transform(224, is_train=False, mean=plain.mean, std=plain.std)
            contents = [file.read_bytes() for file in files]
            few = {"items": len(files), "rounds": 1 if chosen.quick else 3, "device": chosen.device}
            ways = {
                "no copies": functools.partial(afresh, files, encoder, index),
                f"{COPIES:.0%} copies": functools.partial(afresh, copies, encoder, index),
                "the same folder once more": functools.partial(run, files, encoder, index, kept),
                LOOP: functools.partial(loop, contents[:RENDERED], tower, transform, 1),
            }
            alike = {LOOP: len(contents[:RENDERED])}  # all kinds; as long a photo however many there are
            result["rounds"]["files to vectors, tokens and neighbours"] = rounds.paired(ways, **few, fewer=alike)
            squares = np.stack([encoder.preprocess(decode(content).pixels)[0] for content in contents])
            batch, pixels = encoder.batch_size, [decode(content).pixels for content in contents]
            ways = {
                "all at once, no cache": functools.partial(run, files, encoder, index, False),
                "decode": lambda: [decode(file) for file in files],
                "preprocess": lambda: [encoder.preprocess(array) for array in pixels],
                "encode": lambda: [encoder.encode(squares[row : row + batch]) for row in range(0, len(squares), batch)],
                "search": lambda: index.search(rows.vectors, 10),
            }
            stages = result["rounds"]["ours, and its stages one by one"] = rounds.paired(ways, **few)
            spent = [row["cpu ms"] for row in stages.values()]
            result["all at once against the sum of its stages"] = round(spent[0] / sum(spent[1:]), 3)
            cv.embed(files, encoder=Instant(), cache=kept)
            feeding = {"decoded": fed(files, False), "from the cache": fed(files, kept)}
            result["ms a photo of the thread that feeds the encoder"] = feeding
            if not chosen.json:
                print(f"ms a photo of the thread that feeds the encoder: {feeding}")
    if not chosen.check and not chosen.quick and chosen.device == "cpu":
        done = subprocess.run([sys.executable, __file__, "grow"], capture_output=True, text=True, check=True)
        held = json.loads(done.stdout)
        result["resident MiB after so many photos"] = held
        if not chosen.json:
            print(f"resident MiB after so many photos: {held}")
    rounds.give("end_to_end", result, chosen)
    return None


if __name__ == "__main__":
    main()
