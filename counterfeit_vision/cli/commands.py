"""The commands, each one function from parsed arguments to an :class:`Outcome`, but for the demo and the benchmark."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, require
from ..types.wording import first_few, number, printable
from .common import all_failures, bare_catalog, encoder_of, loaded, refuse_missing, refuse_out, told_when_stopped
from .output import Outcome, Talk, decision_table, failure_lines, table

if TYPE_CHECKING:
    from ..calibration.calibrator import Calibration
    from ..index.catalog import Catalog
    from ..inspector import Inspector
    from ..types import Failure, Listing

__all__ = [
    "calibrate",
    "catalog_build",
    "catalog_info",
    "catalog_verify",
    "drift",
    "evaluate",
    "feedback",
    "inspect",
    "models_fetch",
    "models_list",
]

MORE = " (journal)"  # after a listing's id, where another has it
# What a line of verdicts.jsonl has at least: a verdict's, what a journal and a watch of drift ask of it; a failure's.
RESULTS = ({"id", "decision", "risk", "p_value", "reason", "statistics"}, {"id", "stage"})


def catalog_build(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..index.catalog import Catalog
    from ..index.store import refuse_folder
    from ..io.manifests import read_references

    refuse_out(args.out)
    refuse_folder(args.out)
    count = len(read_references(args.source))  # what is wrong with the source shows before the encoder is loaded
    talk.step(f"Loading the encoder {args.encoder} ...")
    encoder = encoder_of(args, talk)
    talk.step(f"Encoding {number(count, 'reference photo')} ...")
    catalog = Catalog.build(args.source, encoder=encoder, strict=args.strict, progress=talk.bars)
    catalog.save(args.out)
    info = catalog.info()
    text = [f"{number(info['references'], 'reference')} of {number(info['products'], 'product')} saved."]
    return Outcome({"catalog": str(args.out), **info}, text, catalog.failures, args.out)


def catalog_info(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..index.summary import facts

    catalog = bare_catalog(args.catalog)
    info = {"catalog": str(args.catalog), **catalog.info()}
    del info["failures"]  # known only while building
    if args.versions:
        info["versions"] = catalog.versions
    return Outcome(info, table(facts(info)))


def catalog_verify(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..index.catalog import Catalog

    manifest = Catalog.verify(args.catalog)
    size = sum(int(file["bytes"]) for file in manifest["files"].values())
    words = (
        f"{args.catalog}: whole. {number(manifest['references'], 'reference')}, {len(manifest['files'])} files, "
        f"{size / 1e6:.1f} MB, every sha256 as in the manifest."
    )
    return Outcome({"catalog": str(args.catalog), "whole": True, "bytes": size, **manifest}, [words])


def calibrate(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..heads.learned import too_few
    from ..inspector import Inspector
    from ..inspector_folder import refuse_folder
    from ..report.review_log import Journal

    refuse_out(args.out)
    refuse_folder(args.out)
    for path, what in ((args.genuine, "genuine photos"), (args.fakes, "fakes"), (args.journal, "decisions")):
        if path is not None:
            refuse_missing(path, what)
    journal = None if args.journal is None else Journal(args.journal)
    apart = args.group is None  # each listing stands by itself
    drawn = [] if journal is None else journal.listings("genuine")
    decided = [] if journal is None else journal.listings("fake")
    fakes, broken_fakes = _with(args.fakes, decided, as_it_is=apart)
    photos = {photo for item in decided for photo in item.photos}
    if decided and args.fakes is None and (why := too_few("fakes", len(photos), len(decided))):
        fakes = None
        talk.note(f"note: {args.journal}: {why}; calibrating on the genuine listings alone")
    _refuse_settings(args, fakes is not None)
    catalog = loaded(args, talk)
    genuine, broken = _with(args.genuine, _of_today(drawn, catalog, args.journal, talk), as_it_is=apart)
    talk.step(f"Encoding the genuine photos of {args.genuine} ...")
    inspector = Inspector(catalog, authorised=args.authorised, base_rate=args.base_rate, costs=args.costs)
    try:
        _calibrate(inspector, genuine, fakes, args, talk)
    except InputError as error:
        if fakes is None or args.fakes is not None or args.base_rate is not None or args.costs is not None:
            raise
        _calibrate(inspector, genuine, None, args, talk)
        why = str(error).splitlines()[0]
        talk.note(f"note: {args.journal}: no fakes to learn from: {why}; calibrated on the genuine listings alone")
    inspector.save(args.out)
    calibration = inspector.calibration
    assert calibration is not None
    data, text = _told(calibration, args.group or "listing")
    data = {"inspector": str(args.out), **data, "doubts": list(inspector.doubts)}
    if inspector.lesson is not None:
        text.append(f"From fakes: {inspector.lesson}.")
    return Outcome(data, text, [*broken, *broken_fakes, *inspector.failures], args.out)


def _calibrate(inspector: Inspector, genuine: Any, fakes: Any, args: argparse.Namespace, talk: Talk) -> None:
    """As its method; the error names what failed, too."""
    items = () if args.group is None else (*genuine, *(fakes or ()))
    try:
        inspector.calibrate(
            genuine,
            fakes=fakes,
            groups=None if args.group is None else [_group(item, args.group) for item in items],
            alpha=args.alpha,
            by=args.by,
            leave_one_out=args.leave_one_out,
            progress=talk.bars,
        )
    except InputError as error:
        if inspector.failures:
            raise InputError("\n".join([str(error), *failure_lines(inspector.failures)])) from error
        raise


def _of_today(drawn: list[Listing], catalog: Catalog, journal: Path, talk: Talk) -> list[Listing]:
    """A journal's genuine listings, but those that a note names: the catalogue has since taken in one of their photos,
    or given up the product that they name, beside which they look odd.
    """
    from ..report.review_log import sha256_of

    kept: list[Listing] = []
    past: list[str] = []
    for item in drawn:
        unknown = item.product is not None and not len(catalog.claimed_by(item))
        if unknown or any(sha256_of(str(photo)) in catalog.row_of_file for photo in item.photos):
            past.append(item.id)
        else:
            kept.append(item)
    if past:
        told = "whose product the catalogue does not hold, or one of whose photos it does"
        talk.note(f"note: {journal}: {number(len(past), 'genuine listing')} left out, {told}: {first_few(past)}")
    return kept


def _refuse_settings(args: argparse.Namespace, fakes: bool) -> None:
    """:class:`InputError` for what no photo can mend, before the encoder is loaded."""
    from ..types.checks import check_settings

    check_settings(costs=args.costs)
    if not fakes and (args.base_rate is not None or args.costs is not None):
        raise InputError("--base-rate and --costs need --fakes, or a journal with fakes enough to learn from")
    if fakes and args.leave_one_out:
        raise InputError("--leave-one-out is for genuine photos alone; with fakes, a part has to be kept aside")


def _told(calibration: Calibration, group: str) -> tuple[dict[str, Any], list[str]]:
    """A calibration's numbers, and in words what they promise. ``group`` is what belongs together."""
    photos = len(calibration.merged)
    used = photos if calibration.leave_one_out else calibration.fitted_on + photos
    smallest = 1 / (calibration.count + 1)
    data = {
        "alpha": calibration.alpha,
        "promised": calibration.alpha,
        "photos": used,
        "photos_to_standardise": calibration.fitted_on,
        "photos_for_p_values": photos,
        "groups_for_p_values": calibration.count,
        "smallest_p_value": smallest,
        "false_alarm_limit": calibration.false_alarm_limit,
    }
    of = "" if photos == calibration.count else f" of {number(calibration.count, group)}"
    return data, [
        f"Calibrated on {used} genuine photos: {calibration.fitted_on} to standardise, {photos} for "
        f"p-values{of} (the smallest is {smallest:.3g}).",
        f"The promise: {calibration.promise('genuine listings like these are')}.",
    ]


def _group(listing: Listing, field: str) -> str:
    """What a listing belongs to; to itself where it names nothing. Sellers of two platforms are two."""
    value = getattr(listing, field)
    if value is None:
        return f"listing {listing.id}"
    return f"{listing.platform}/{value.id or value.name}" if field == "seller" else str(value)


def _with(source: Path | None, more: list[Listing], *, as_it_is: bool = True) -> tuple[Any, list[Failure]]:
    """A file or folder of listings and, after it, more of them, of a journal, but those that the file has, too; and
    those of the file that can't be read. Another listing may have the same id. ``as_it_is``: the file or folder itself
    will do where there are no more.
    """
    from ..io.manifests import read_listings
    from ..types import LONGEST_ID, Failure, Listing

    if not more and (as_it_is or source is None):
        return source, []
    given = [] if source is None else list(read_listings(source))
    listings = [item for item in given if isinstance(item, Listing)]
    taken, known = {item.id for item in given}, set(map(_same, listings))
    for item in more:
        if _same(item) not in known:
            other = f"{item.id[: LONGEST_ID - len(MORE)]}{MORE}"
            listings.append(dataclasses.replace(item, id=other) if item.id in taken else item)
    return listings, [item for item in given if isinstance(item, Failure)]


def _same(listing: Listing) -> tuple[str, ...]:
    """What tells a file's listing: its id and its photos, which a journal has as whole paths."""
    return listing.id, *(os.path.abspath(str(photo)) for photo in listing.photos)


def feedback(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..io.manifests import read_listings
    from ..report.review_log import Journal
    from ..types import Listing

    for path, what in ((args.listings, "listings"), (args.results, "results")):
        refuse_missing(path, what)
    listing = next((item for item in read_listings(args.listings) if item.id == args.id), None)
    said = next((row for row in _verdicts(args.results) if row["id"] == args.id), None)
    if not isinstance(listing, Listing) or said is None or "decision" not in said:
        where = args.listings if not isinstance(listing, Listing) else args.results
        raise InputError(f"{where}: no {'listing' if where == args.listings else 'verdict on'} {args.id!r}")
    journal = Journal(args.journal)
    entry = journal.add(listing, said, args.decided, by=args.by, drawn=args.drawn, note=args.note)
    count = len(journal)
    words = f"{args.id} was said to be {said['decision']}; {args.by} decided: {args.decided}."
    last = next(reversed(journal.earlier(entry)), entry)
    other = [f"{last['by']} had decided: {last['decided']}."] if last["decided"] != args.decided else []
    text = [
        words,
        *other,
        f"{number(count, 'decision')} in the journal; they move nothing until you calibrate with --journal.",
        f"Its head is {journal.head}: kept elsewhere, it tells whether the last line changed or lines were cut off.",
    ]
    return Outcome({"journal": str(args.journal), "decisions": count, "head": journal.head, **entry}, text)


def drift(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..calibration.drift import Drift
    from ..inspector_folder import read_inspector

    watch = Drift(read_inspector(args.inspector).calibration, delta=args.delta)
    for folder in args.results:
        for row in _verdicts(folder):
            try:
                watch.refuse(row["id"], stale=bool(row.get("stale")), calibration=row.get("calibration") or "")
            except InputError as error:
                raise InputError(f"{folder}: {error}") from error
            if row.get("statistics"):
                watch.watch(row["id"], float(row["statistics"][0]))
    alarm = watch.alarm
    data = {
        "listings": watch.seen,
        "capital": watch.capital,
        "delta": watch.delta,
        "alarm": None if alarm is None else dataclasses.asdict(alarm),
    }
    calm = (
        f"No alarm after {number(watch.seen, 'listing')}: evidence {watch.capital:.3g} to 1 that something changed "
        f"(alarm at {1 / watch.delta:g} to 1)."
    )
    return Outcome(data, [calm if alarm is None else str(alarm)])


def _verdicts(folder: Path) -> list[dict[str, Any]]:
    from ..io.manifests import read_rows

    path = folder / "verdicts.jsonl" if folder.is_dir() else folder
    refuse_missing(path, "verdicts")
    rows = []
    for line, row in read_rows(path):
        if not any(fields <= row.keys() for fields in RESULTS) or not _are_numbers(row.get("statistics", [])):
            raise InputError(f"{path}:{line}: neither a verdict nor a failure; name a folder that inspect wrote")
        rows.append(row)
    return rows


def _are_numbers(values: Any) -> bool:
    most = sys.float_info.max  # JSON's numbers may be larger
    return isinstance(values, list) and all(isinstance(one, int | float) and abs(one) <= most for one in values)


def inspect(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..inspector import Inspector

    refuse_out(args.out, page=args.out.suffix.lower() == ".html")
    refuse_missing(args.listings, "listings")
    catalog = loaded(args, talk)
    inspector = Inspector.load(args.inspector, catalog)
    with told_when_stopped():
        talk.step(f"Inspecting the listings of {args.listings} ...")
        report = inspector.inspect(args.listings, strict=args.strict, progress=talk.bars)
    report.save(args.out)
    stale = any(verdict.stale for verdict in report.verdicts)
    page = args.out if args.out.suffix.lower() == ".html" else args.out / "report.html"
    data: dict[str, Any] = {"report": str(page), "listings": len(report), "counts": report.counts, "stale": stale}
    if page != args.out:
        data["verdicts"] = str(args.out / "verdicts.jsonl")
    names = {name: name.replace("_", " ") for name in report.counts} | {"failures": "without a verdict"}
    words = ", ".join(f"{n} {names[name]}" for name, n in report.counts.items() if n or name == "suspected")
    return Outcome(data, [f"{number(len(report), 'listing')}: {words}."], all_failures(report), page)


def evaluate(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..evaluation import Evaluation, labelled_rows
    from ..evaluation import evaluate as run
    from ..evaluation.figures import FIGURES
    from ..inspector import Inspector

    refuse_out(args.out)
    refuse_missing(args.listings, "listings")
    baseline = None if args.baseline is None else Evaluation.load(args.baseline)
    require("matplotlib", extra="plot", purpose="a page of evaluate")
    labelled_rows(args.listings, args.group)  # what is wrong with them shows before the encoder is loaded
    catalog = loaded(args, talk)
    inspector = Inspector.load(args.inspector, catalog)
    talk.step(f"Inspecting the labelled listings of {args.listings} ...")
    found = run(inspector, args.listings, group=args.group, draws=args.draws, progress=talk.bars)
    talk.step("Working out figures and intervals ...")
    compared = None
    try:
        compared = None if baseline is None else found.compare(baseline)
    finally:
        found.save(args.out, baseline=compared)  # also where the baseline is of other listings and is refused
    kinds = {printable(line.name): line.decisions | {"no_verdict": line.failures} for line in found.tables["kind"]}
    text = decision_table(kinds)
    rows = [["FIGURE", "VALUE", "95 % INTERVAL"]]
    for name, value in found.figures.items():
        rows.append([FIGURES[name].title, f"{value.value:.3f}", f"{value.low:.3f} to {value.high:.3f}"])
    text += ["", *table(rows)]
    data = {name: value for name, value in found.to_dict().items() if name in ("figures", "tables")}
    if compared is not None:
        rows = [["FIGURE", "BASELINE", "THIS RUN", "DIFFERENCE", "95 % INTERVAL"]]
        for name, item in compared.figures.items():
            pair, difference = (f"{item.first:.3f}", f"{item.second:.3f}"), f"{item.difference:+.3f}"
            rows.append([FIGURES[name].title, *pair, difference, f"{item.low:+.3f} to {item.high:+.3f}"])
        text += ["", f"On {number(compared.listings, 'listing')} with a verdict in both runs:", *table(rows)]
        data["comparison"] = compared.to_dict()
    page = args.out / "evaluation.html"
    data |= {"page": str(page), "evaluation": str(args.out / "evaluation.json"), "listings": len(found)}
    return Outcome(data, text, found.failures, page)


def models_list(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..encoders.weights import is_cached, recipes

    models = [
        {
            "name": recipe.name,
            "title": recipe.title,
            "download_megabytes": round(recipe.download_bytes / 1e6, 1),
            "licence": recipe.licence,
            "cached": is_cached(recipe),
        }
        for recipe in recipes().values()
    ]
    rows = [["NAME", "TITLE", "DOWNLOAD", "LICENCE", "CACHED"]]
    for model in models:
        megabytes, cached = f"{model['download_megabytes']:.0f} MB", "yes" if model["cached"] else "no"
        rows.append([str(model["name"]), str(model["title"]), megabytes, str(model["licence"]), cached])
    return Outcome({"models": models}, table(rows))


def models_fetch(args: argparse.Namespace, talk: Talk) -> Outcome:
    from ..encoders import load_encoder
    from ..encoders.weights import cached_file, find_recipe, is_cached

    recipe = find_recipe(args.name)
    if not is_cached(recipe):
        talk.step(f"Fetching {recipe.name}, {recipe.download_bytes / 1e6:.0f} MB or more ...")
    origin = load_encoder(recipe.name, progress=not talk.quiet).origin
    path = cached_file(recipe)
    data = {"name": recipe.name, "origin": origin, "path": str(path), "licence": recipe.licence}
    origin = "it was in the cache already" if origin.startswith("cache ") else f"from {origin}"
    return Outcome(data, [f"{recipe.name} ({recipe.licence}): {origin}."], path=path if path.is_file() else None)
