"""How quick the way from a photo's bytes to a verdict is on this machine, stage by stage.

The photos are read and checked here, and what was measured is told; ``stages.py`` measures it.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import DecodeError, InputError
from ..types.wording import number
from .common import DEFAULT_ENCODER, encoder_of, loaded, refuse_missing
from .output import Outcome, Talk, table
from .stages import figures, one_round

if TYPE_CHECKING:
    from ..types import Failure

__all__ = ["bench"]

ROUNDS = 5
BOUND = {"float32": 1e-4, "bfloat16": 0.02}  # by which a vector of the stream may differ from that of its stages
STAGES = {
    "decode": "decode and hash",
    "preprocess": "preprocess",
    "encoder": "encoder, in batches",
    "embedding": "bytes to embedding: all of these",
    "search": "search",
    "verdict": "bytes to verdict: all of these, and claims",
}


def bench(args: argparse.Namespace, talk: Talk) -> Outcome:
    from .._concurrency import progress_bar
    from ..encoders.runtime import TowerEncoder
    from ..inspector import Inspector

    if args.photos < 1:
        raise InputError(f"--photos {args.photos}: need 1 or more")
    if args.inspector is not None and args.catalog is None:
        raise InputError("--inspector needs its catalogue: --catalog FOLDER")
    photos, failures = _given(args.source, args.photos)
    catalog = None if args.catalog is None else loaded(args, talk)
    if catalog is None:
        talk.step(f"Loading the encoder {args.encoder or DEFAULT_ENCODER} ...")
    encoder = encoder_of(args, talk, args.encoder or DEFAULT_ENCODER) if catalog is None else catalog.encoder
    assert isinstance(encoder, TowerEncoder)  # as load_encoder makes them
    inspector = Inspector.load(args.inspector, catalog, cache=False) if catalog and args.inspector else None
    photos = photos or _rendered(args.photos, talk)
    talk.step(f"Checking the answers on {number(len(photos), 'photo')}, which warms up, too ...")
    _, difference, unjudged = one_round(photos, encoder, catalog, inspector)
    facts = {"counterfeit-vision": __version__, **encoder.facts(), "processor": _processor(), "cores": os.cpu_count()}
    facts["python"] = platform.python_version()
    if not difference <= (bound := BOUND[str(facts["dtype"])]):
        raise InputError(
            f"wrong answer: vectors of {encoder!r} on the way of a run differ by {difference:.2g} from those of its "
            f"stages, the bound is {bound:g}; nothing was measured"
        )
    talk.step(f"Measuring {ROUNDS} rounds ...")
    turns = progress_bar(range(ROUNDS), total=ROUNDS, unit="round", progress=talk.bars)
    stages = figures([one_round(photos, encoder, catalog, inspector)[0] for _ in turns], len(photos))
    slowest, share = _slowest({name: row["seconds_a_photo"] for name, row in stages.items()})
    size = sum(map(len, photos.values())) / len(photos)
    data: dict[str, Any] = {"photos": len(photos), "rendered": not args.source, "bytes_a_photo": size, "rounds": ROUNDS}
    data |= {"stages": stages, "slowest": slowest, "share_of_slowest": share, "machine": facts}
    rows = [["STAGE", "MS A PHOTO", "LEAST", "MOST", "PROCESSOR MS", "PHOTOS/S"]]
    for name, row in stages.items():
        *seconds, speed = row.values()
        rows.append([STAGES[name], *(f"{1e3 * took:.2f}" for took in seconds), f"{speed:,.1f}"])
    kind = "of yours" if args.source else "rendered for this"
    text = [
        f"{number(len(photos), 'photo')} {kind}, {size / 1e3:,.0f} kB on average; median of {ROUNDS} rounds:",
        *("", *table(rows, right=range(1, 6)), ""),
        f"Most time goes into: {slowest} ({100 * share:.0f} % of the stages, one after another).",
        *("", *table([[name, str(fact)] for name, fact in facts.items()])),
    ]
    return Outcome(data, text, [*failures, *unjudged])


def _given(sources: Sequence[Path], most: int) -> tuple[dict[str, bytes], list[Failure]]:
    """The bytes of the first photos by their paths, of copies one; and what can't be used."""
    from ..io.decode import decode, read_bytes
    from ..io.manifests import read_listings
    from ..types import Failure, Listing

    for source in sources:
        refuse_missing(source, "photos")
    items = [item for source in sources for item in read_listings(source)]
    failures = [item for item in items if isinstance(item, Failure)]
    photos: dict[str, bytes] = {}
    for path in [str(photo) for item in items if isinstance(item, Listing) for photo in item.photos][:most]:
        try:
            decode(data := read_bytes(path), name=path)
        except DecodeError as error:
            failures.append(Failure(path, "decode", error))
            continue
        if data not in photos.values():
            photos[path] = data
    if sources and not photos:
        why = f"; the first: {failures[0].error}" if failures else ": there are none"
        raise InputError(f"{sources[0]}: none of the photos can be used{why}")
    return photos, failures


def _rendered(count: int, talk: Talk) -> dict[str, bytes]:
    from ..market import render

    talk.step(f"Rendering {number(count, 'photo')} of invented goods in a temporary folder ...")
    with tempfile.TemporaryDirectory() as folder:
        market = render(folder, brands=1, listings=0, calibration=count, references=1, progress=talk.bars)
        return _given([market.calibration], count)[0]


def _slowest(seconds: dict[str, float]) -> tuple[str, float]:
    """The stage that takes the most, and its share of them; claims are what a verdict takes besides the others."""
    parts = {name: took for name, took in seconds.items() if name not in ("embedding", "verdict")}
    if "verdict" in seconds:
        parts["claims"] = max(0.0, seconds["verdict"] - seconds["embedding"] - seconds["search"])
    name = max(parts, key=parts.__getitem__)
    return name, parts[name] / sum(parts.values())


def _processor() -> str:
    """The processor's model, where the system tells it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
