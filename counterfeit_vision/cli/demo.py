"""The demo: a market of invented brands, judged from end to end, beside the truth."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..types.wording import number
from .common import all_failures, encoder_of, refuse_out
from .output import Outcome, Talk, decision_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..inspector import Inspector
    from ..market import Market
    from ..report import Report
    from ..types import Verdict

__all__ = ["demo"]

ALPHA = 0.05  # of genuine listings that may be suspected


def demo(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..calibration.split import photos_needed

    folder: Path = args.folder
    refuse_out(folder)
    if args.genuine < (least := photos_needed(ALPHA)):
        raise InputError(f"--genuine {args.genuine}: to calibrate for alpha={ALPHA}, at least {least} are needed")
    market = _rendered(args, talk)
    inspector = _calibrated(args, talk, market)
    talk.step(f"5/5 Inspecting {args.listings} listings ...")
    report = inspector.inspect(market.listings, progress=talk.bars)
    truth = {row["id"]: row for row in map(json.loads, market.listings.read_text(encoding="utf-8").splitlines())}
    _beside_truth(report, truth).save(folder)
    page = folder / "report.html"
    if args.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    table = _truth_table(report.verdicts, truth)
    data = {
        "report": str(page),
        "verdicts": str(folder / "verdicts.jsonl"),
        "catalog": str(folder / "catalog"),
        "inspector": str(folder / "inspector"),
        "market": str(market.folder),
        "counts": report.counts,
        "by_label": {name: dict(counts) for name, counts in table.items()},
    }
    return Outcome(data, _demo_text(report, table, truth, inspector.calibration, args), all_failures(report), page)


def _rendered(args: argparse.Namespace, talk: Talk) -> Market:
    from ..market import render

    folder = args.folder / "market"
    photos = f"{args.genuine + args.listings} photos and a catalogue"
    talk.step(f"1/5 Rendering a market of {args.brands} invented brands in {folder} ({photos}) ...")
    try:
        return render(
            folder,
            seed=args.seed,
            brands=args.brands,
            listings=args.listings,
            calibration=args.genuine,
            references=6,
            strength=args.strength,
            size=args.size,
            progress=talk.bars,
        )
    except InputError as error:
        if str(error).startswith(str(folder)):
            another = shlex.quote(f"{args.folder.as_posix()}-{args.seed}-{args.strength}")
            raise InputError(f"{error}; such as: --folder {another}") from error
        raise


def _calibrated(args: argparse.Namespace, talk: Talk, market: Market) -> Inspector:
    """An inspector for the market, kept beside its catalogue."""
    from ..index.catalog import Catalog
    from ..inspector import Inspector

    talk.step(f"2/5 Loading the encoder {args.encoder} ...")
    encoder = encoder_of(args, talk)
    talk.step("3/5 Building the catalogue of genuine photos ...")
    catalog = Catalog.build(market.catalogue, encoder=encoder, progress=talk.bars)
    catalog.save(args.folder / "catalog")
    talk.step(f"4/5 Calibrating on {args.genuine} genuine photos that are not in the catalogue ...")
    inspector = Inspector(catalog).calibrate(market.calibration, alpha=ALPHA, progress=talk.bars)
    inspector.save(args.folder / "inspector")
    return inspector


def _beside_truth(report: Report, truth: dict[str, dict[str, Any]]) -> Report:
    """The same report, with what the market knows in each title."""
    from ..report import Report
    from ..types import Verdict

    return Report(
        [_with_truth(result, truth[result.id]) if isinstance(result, Verdict) else result for result in report],
        title="Demo: a rendered market of invented brands",
        about={
            **report.about,
            "Truth": "each listing's title ends with what the market knows: genuine, or which attack",
        },
    )


def _kind(row: dict[str, Any]) -> str:
    if row["label"] == "genuine":
        return f"genuine, hard: {row['hard']}" if row["hard"] else "genuine"
    return f"fake: {row['attack']}"


def _with_truth(verdict: Verdict, row: dict[str, Any]) -> Verdict:
    assert verdict.listing is not None
    listing = dataclasses.replace(verdict.listing, title=f"{verdict.listing.title} (in truth {_kind(row)})")
    return dataclasses.replace(verdict, listing=listing)


def _truth_table(verdicts: Iterable[Verdict], truth: dict[str, dict[str, Any]]) -> dict[str, Counter[str]]:
    """Decisions by what the market knows: genuine first, then the attacks."""
    table: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        table.setdefault(_kind(truth[verdict.id]), Counter())[verdict.decision] += 1
    return dict(sorted(table.items(), key=lambda item: (not item[0].startswith("genuine"), item[0])))


def _demo_text(
    report: Report,
    table: dict[str, Counter[str]],
    truth: dict[str, dict[str, Any]],
    calibration: Any,
    args: argparse.Namespace,
) -> list[str]:
    from ..evaluation.metrics import auroc

    lines = decision_table(table)
    totals = {
        label: sum((c for kind, c in table.items() if kind.startswith(label)), Counter())
        for label in ("genuine", "fake")
    }
    count = {label: sum(counter.values()) for label, counter in totals.items()}
    lines += [
        "",
        f"Of {number(count['genuine'], 'genuine listing')}, {totals['genuine']['suspected']} suspected "
        f"(promised: at most {100 * calibration.alpha:g} % on average) and {totals['genuine']['review']} for review.",
        f"Of {number(count['fake'], 'fake')} (attacks of strength {args.strength}), "
        f"{totals['fake']['suspected']} suspected, {totals['fake']['review']} for review, "
        f"{totals['fake']['insufficient_evidence']} without enough evidence, "
        f"{totals['fake']['clear']} missed.",
    ]
    if all(count.values()):
        score = auroc([truth[v.id]["label"] == "fake" for v in report.verdicts], [v.risk for v in report.verdicts])
        lines.append(
            f"In {100 * score:.0f} % of pairs of a fake and a genuine listing the fake has the higher risk "
            "(chance: 50 %)."
        )
    made = shlex.join((args.folder / name).as_posix() for name in ("catalog", "inspector"))
    return [*lines, "", f"To judge other listings: counterfeit-vision inspect {made} LISTINGS --out results"]
