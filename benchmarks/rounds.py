"""What the speed benchmarks share: rendered photos, paired rounds, and how a result is given."""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import data
import numpy as np
import seeded
import torch
from PIL import Image

ENCODER = "clip-vit-b16"


def options(description: str | None) -> argparse.Namespace:
    """The command line that they share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the answers with the reference, and stop")
    parser.add_argument("--quick", action="store_true", help="small and few; says that it runs, not how fast it is")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seeded", action="store_true", help="encode, end_to_end: B/16's shape, no weights needed")
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"--device cuda: torch {torch.__version__} sees no CUDA device")
    return chosen


def encoder_of(chosen: argparse.Namespace) -> tuple[str, str]:
    """What :func:`counterfeit_vision.load_encoder` is to load, and what a result calls it."""
    return (seeded.written(), "B/16's shape, seeded weights") if chosen.seeded else (ENCODER, ENCODER)


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """A photo as a JPEG coder sees one: soft shapes, edges and grain; about 1.4 bits a pixel at quality 85."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 110), (16, 50), (64, 24)):
        patches = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        filter = Image.Resampling.NEAREST if cells == 16 else Image.Resampling.BICUBIC
        pixels += np.asarray(patches.resize((width, height), filter), np.float32) * (strength / 255)
    pixels += random.normal(35, 5, (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def coded(image: Image.Image, format: str = "JPEG", **settings: Any) -> bytes:
    """The file's bytes; JPEG at quality 85 with halved colour, as marketplaces send them."""
    file = io.BytesIO()
    image.save(file, format, **({"quality": 85, "subsampling": "4:2:0"} if format == "JPEG" else {}), **settings)
    return file.getvalue()


def repeated(photos: list[bytes], count: int) -> list[bytes]:
    """``count`` photos, no two of the same bytes: the given ones, then they again with a number behind their end, where
    no decoder looks.
    """
    rows = range(len(photos), count)
    return photos[:count] + [photos[row % len(photos)] + row.to_bytes(4) for row in rows]


def processor_time() -> float:
    """Seconds, of this process and of its children that have ended."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def paired(
    ways: dict[str, Callable[[], object]],
    *,
    items: int,
    rounds: int,
    device: str,
    wall: bool = False,
    fewer: dict[str, int] | None = None,
) -> dict[str, dict[str, Any]]:
    """Every way once a round, each round starting with another; the first named is what the others are compared with.

    ``ratio`` is how many times less a way takes an item than the first in the same round: median, least and most; of
    processor time (all threads, and processes that have ended) on a CPU, of wall time on a GPU or where ``wall`` asks
    for it. Each takes so many ``items``, but for those that take ``fewer``. One round goes unmeasured first.
    """
    names = list(ways)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(-1, rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            cpu, start = processor_time(), time.perf_counter()
            ways[name]()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= 0:
                count = (fewer or {}).get(name, items)
                spent[name].append(((processor_time() - cpu) / count, (time.perf_counter() - start) / count))
    by = 1 if device == "cuda" or wall else 0
    result = {}
    for name, times in spent.items():
        ratios = [first[by] / own[by] for first, own in zip(spent[names[0]], times, strict=True)]
        result[name] = {
            "cpu ms": round(1e3 * statistics.median(one[0] for one in times), 4),
            "wall ms": round(1e3 * statistics.median(one[1] for one in times), 4),
            "ratio": [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))],
        }
    return result


def give(name: str, result: dict[str, Any], chosen: argparse.Namespace) -> None:
    """Print a result; a full run is kept in ``results/``, on a GPU or of seeded weights under a name of its own."""
    if not chosen.json:
        for title, ways in result["rounds"].items():
            print(f"\n{title:44s} {'cpu ms':>9s} {'wall ms':>9s}   ratio (least..most)")
            for way, row in ways.items():
                ratio = "{:.2f} ({:.2f}..{:.2f})".format(*row["ratio"])
                print(f"  {way:42s} {row['cpu ms']:9.3f} {row['wall ms']:9.3f}   {ratio}")
        print(json.dumps(result["check"], indent=2))
    result = {"device": chosen.device, "threads": torch.get_num_threads(), **result}
    if chosen.device == "cuda":
        result["card"], result["cuda"] = torch.cuda.get_device_name(), torch.version.cuda
    if not chosen.quick and not chosen.check:
        name += "-cuda" if chosen.device == "cuda" else ""
        data.write(f"{name}-seeded" if chosen.seeded and "encoder" in result else name, result)
    elif chosen.json:
        print(json.dumps({"benchmark": name, "kept": False, **result, "measured_on": data.machine()}))


def demand(right: bool, what: str) -> None:
    """End the program where an answer is wrong: how fast a wrong one comes is of no interest."""
    if not right:
        sys.exit(f"wrong answer: {what}")
