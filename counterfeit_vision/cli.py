"""The command line: ``counterfeit-vision demo | catalog | calibrate | inspect | models``.

Each command is one function from parsed arguments to an :class:`_Outcome`; :func:`main` alone prints it and gives the
exit code. Results go to stdout, progress and notes to stderr. Nothing heavy is imported before a command runs, so
``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__
from .errors import CatalogError, CounterfeitVisionError, InputError, WeightsError

if TYPE_CHECKING:
    from .catalog import Catalog
    from .encoders.base import Encoder
    from .report import Report
    from .types import Failure, Verdict

__all__ = ["main"]

DEFAULT_ENCODER = "clip-vit-b16"
FAILURES_SHOWN = 50

EXIT_CODES = """\
exit codes:
  0    all is fine
  1    some inputs failed: they are named in the output, the results of the others are written
  2    wrong input or usage
  3    the weights or the catalogue cannot be used
  130  interrupted

Results go to stdout, the path of what was written last; progress and notes go to stderr.
Weights and embeddings are kept in $CV_CACHE (default: ~/.cache/counterfeit-vision).
"""


@dataclass(frozen=True)
class _Outcome:
    """What a command has to say: ``data`` for ``--json``, ``text`` for people, what failed, and what was written."""

    data: dict[str, Any]
    text: Sequence[str] = ()
    failures: Sequence[Failure] = ()
    path: Path | None = None


@dataclass(frozen=True)
class _Talk:
    """Progress and notes, on stderr."""

    quiet: bool

    @property
    def bars(self) -> bool:
        """Whether to draw progress bars: in a terminal; a log file gets the steps alone."""
        return not self.quiet and sys.stderr.isatty()

    def step(self, words: str) -> None:
        """Say what begins now."""
        if not self.quiet:
            print(words, file=sys.stderr, flush=True)

    def note(self, words: str) -> None:
        """Say what a user should know even in a quiet run."""
        print(words, file=sys.stderr, flush=True)


# --- commands ---------------------------------------------------------------------------------------------------------


def _demo(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .inspector import Inspector
    from .market import render
    from .report import Report
    from .types import Verdict

    folder: Path = args.folder
    _refuse_out(folder)
    photos = f"{args.genuine + args.listings} photos and a catalogue"
    talk.step(f"1/5 Rendering a market of {args.brands} invented brands in {folder / 'market'} ({photos}) ...")
    try:
        market = render(
            folder / "market",
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
        if (folder / "market" / "market.json").exists():
            raise InputError(f"{error}; such as: --folder {folder}-{args.seed}-{args.strength}") from error
        raise
    talk.step(f"2/5 Loading the encoder {args.encoder} ...")
    encoder = _encoder(args, talk)
    talk.step("3/5 Building the catalogue of genuine photos ...")
    catalog = _built(market.catalogue, encoder, args, talk)
    catalog.save(folder / "catalog")
    talk.step(f"4/5 Calibrating on {args.genuine} genuine photos that are not in the catalogue ...")
    inspector = Inspector(catalog).calibrate(market.calibration, progress=talk.bars)
    inspector.save(folder / "inspector")
    talk.step(f"5/5 Inspecting {args.listings} listings ...")
    report = inspector.inspect(market.listings, progress=talk.bars)

    truth = {row["id"]: row for row in map(json.loads, market.listings.read_text(encoding="utf-8").splitlines())}
    shown = Report(
        [_with_truth(result, truth[result.id]) if isinstance(result, Verdict) else result for result in report],
        title="Demo: a rendered market of invented brands",
        about={
            **report.about,
            "Truth": "each listing's title ends with what the market knows: genuine, or which attack",
        },
    )
    shown.save(folder)
    page = folder / "report.html"
    table = _truth_table(report.verdicts, truth)
    if args.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    data = {
        "report": str(page),
        "verdicts": str(folder / "verdicts.jsonl"),
        "catalog": str(folder / "catalog"),
        "inspector": str(folder / "inspector"),
        "market": str(market.folder),
        "counts": report.counts,
        "by_label": {name: dict(counts) for name, counts in table.items()},
    }
    return _Outcome(data, _demo_text(report, table, truth, inspector.calibration, args), _all_failures(report), page)


def _catalog_build(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .manifests import read_references

    _refuse_out(args.out)
    count = len(read_references(args.source))  # what is wrong with the source shows before the encoder is loaded
    talk.step(f"Loading the encoder {args.encoder} ...")
    encoder = _encoder(args, talk)
    talk.step(f"Encoding {_number(count, 'reference photo')} ...")
    catalog = _built(args.source, encoder, args, talk, strict=args.strict)
    catalog.save(args.out)
    info = catalog.info()
    text = [f"{_number(info['references'], 'reference')} of {_number(info['products'], 'product')} saved."]
    return _Outcome({"catalog": str(args.out), **info}, text, catalog.failures, args.out)


def _catalog_info(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    info = {"catalog": str(args.catalog), **_bare_catalog(args.catalog).info()}
    del info["failures"]  # known only while building
    galleries = ", ".join(f"{name} {count}" for name, count in info["galleries"].items())
    rows = {name.replace("_", " "): value for name, value in {**info, "galleries": galleries}.items()}
    return _Outcome(info, _table([[name, str(value)] for name, value in rows.items()]))


def _catalog_verify(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .catalog import Catalog

    manifest = Catalog.verify(args.catalog)
    size = sum(int(file["bytes"]) for file in manifest["files"].values())
    words = (
        f"{args.catalog}: whole. {_number(manifest['references'], 'reference')}, {len(manifest['files'])} files, "
        f"{size / 1e6:.1f} MB, every sha256 as in the manifest."
    )
    return _Outcome({"catalog": str(args.catalog), "whole": True, "bytes": size, **manifest}, [words])


def _calibrate(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .inspector import Inspector

    _refuse_out(args.out)
    _refuse_missing(args.genuine, "genuine photos")
    catalog = _loaded(args, talk)
    talk.step(f"Encoding the genuine photos of {args.genuine} ...")
    inspector = Inspector(catalog, authorised=args.authorised)
    try:
        inspector.calibrate(args.genuine, alpha=args.alpha, progress=talk.bars)
    except InputError as error:
        if inspector.failures:
            raise InputError("\n".join([str(error), *_failure_lines(inspector.failures)])) from error
        raise
    inspector.save(args.out)
    calibration = inspector.calibration
    assert calibration is not None
    used = calibration.fitted_on + calibration.count
    failures = list(inspector.failures)
    data = {
        "inspector": str(args.out),
        "alpha": calibration.alpha,
        "photos": used,
        "photos_to_standardise": calibration.fitted_on,
        "photos_for_p_values": calibration.count,
        "smallest_p_value": 1 / (calibration.count + 1),
    }
    text = [
        f"Calibrated on {used} genuine photos: {calibration.fitted_on} to standardise, {calibration.count} for "
        f"p-values (the smallest is {1 / (calibration.count + 1):.3g}).",
        f"On average at most {100 * calibration.alpha:g} % of genuine listings like these will end as suspected.",
    ]
    return _Outcome(data, text, failures, args.out)


def _inspect(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .inspector import Inspector

    _refuse_out(args.out, page=args.out.suffix.lower() == ".html")
    _refuse_missing(args.listings, "listings")
    catalog = _loaded(args, talk)
    inspector = Inspector.load(args.inspector, catalog)
    talk.step(f"Inspecting the listings of {args.listings} ...")
    report = inspector.inspect(args.listings, strict=args.strict, progress=talk.bars)
    report.save(args.out)
    stale = any(verdict.stale for verdict in report.verdicts)
    if stale:
        talk.note(
            f"note: {args.catalog} changed since {args.inspector} was calibrated, so the p-values are stale; "
            "calibrate again"
        )
    page = args.out if args.out.suffix.lower() == ".html" else args.out / "report.html"
    data: dict[str, Any] = {"report": str(page), "listings": len(report), "counts": report.counts, "stale": stale}
    if page != args.out:
        data["verdicts"] = str(args.out / "verdicts.jsonl")
    words = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report.counts.items() if n or name == "suspected")
    return _Outcome(data, [f"{_number(len(report), 'listing')}: {words}."], _all_failures(report), page)


def _models_list(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .weights import is_cached, recipes

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
    return _Outcome({"models": models}, _table(rows))


def _models_fetch(args: argparse.Namespace, talk: _Talk) -> _Outcome:
    from .weights import cached_file, fetch, find_recipe, is_cached

    recipe = find_recipe(args.name)
    if not is_cached(recipe):
        talk.step(f"Fetching {recipe.name}, {recipe.download_bytes / 1e6:.0f} MB or more ...")
    _, origin = fetch(recipe, progress=not talk.quiet)
    path = cached_file(recipe)
    data = {"name": recipe.name, "origin": origin, "path": str(path), "licence": recipe.licence}
    origin = "it was in the cache already" if origin.startswith("cache ") else f"from {origin}"
    return _Outcome(data, [f"{recipe.name} ({recipe.licence}): {origin}."], path=path if path.is_file() else None)


# --- what commands share ----------------------------------------------------------------------------------------------


def _encoder(args: argparse.Namespace, talk: _Talk, name: str | None = None) -> Encoder:
    from .encoders import load_encoder

    return load_encoder(name or args.encoder, device=args.device, progress=not talk.quiet)


def _built(source: Path, encoder: Encoder, args: argparse.Namespace, talk: _Talk, *, strict: bool = False) -> Catalog:
    from .catalog import Catalog

    return Catalog.build(source, encoder=encoder, strict=strict, progress=talk.bars)


def _loaded(args: argparse.Namespace, talk: _Talk) -> Catalog:
    """The catalogue with its encoder: ``--encoder``, else the recipe that the catalogue names."""
    from .catalog import Catalog
    from .weights import recipes

    name = args.encoder or str(Catalog.verify(args.catalog)["encoder"])
    if args.encoder is None and name not in recipes():
        raise CatalogError(
            f"{args.catalog} was built with the encoder {name!r}, which is no recipe of this version; "
            "name it with --encoder, as when the catalogue was built"
        )
    talk.step(f"Loading the encoder {name} ...")
    return Catalog.load(args.catalog, encoder=_encoder(args, talk, name))


def _bare_catalog(folder: Path) -> Catalog:
    """A catalogue without its encoder: enough to tell what is in it, without weights."""
    from .catalog import Catalog

    manifest = Catalog.verify(folder)
    absent: Any = argparse.Namespace(name=manifest["encoder"], fingerprint=manifest["fingerprint"])
    return Catalog.load(folder, encoder=absent)


def _all_failures(report: Report) -> list[Failure]:
    """Listings without a verdict, and single photos of listings that have one."""
    return [*report.failures, *(failure for verdict in report.verdicts for failure in verdict.failures)]


def _refuse_out(out: Path, *, page: bool = False) -> None:
    """:class:`InputError` before any work is done, where the results could not be written after it."""
    if out.exists() and not out.is_dir() and not page:
        raise InputError(f"{out}: that is a file; name a folder")
    above = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), Path("/"))
    blocked = next((folder for folder in out.absolute().parents if folder.exists() and not folder.is_dir()), None)
    if blocked is not None or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{out}: no folder can be written in {blocked or above}; name another place")


def _refuse_missing(source: Path, what: str) -> None:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder of {what}")


# --- the demo's table -------------------------------------------------------------------------------------------------


def _kind(row: dict[str, Any]) -> str:
    if row["label"] == "genuine":
        return f"genuine, hard: {row['hard']}" if row["hard"] else "genuine"
    return f"fake: {row['attack']}"


def _with_truth(verdict: Verdict, row: dict[str, Any]) -> Verdict:
    assert verdict.listing is not None
    listing = dataclasses.replace(verdict.listing, title=f"{verdict.listing.title} (in truth {_kind(row)})")
    return verdict.replace(listing=listing)


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
    from .metrics import auroc
    from .types import DECISIONS

    names = {"insufficient_evidence": "insufficient"}
    rows = [["TRUTH", "LISTINGS", *(names.get(word, word).upper() for word in DECISIONS)]]
    for kind, counts in table.items():
        rows.append([kind, str(sum(counts.values())), *(str(counts[word] or ".") for word in DECISIONS)])
    lines = _table(rows, right=range(1, len(rows[0])))
    totals = {
        label: sum((c for kind, c in table.items() if kind.startswith(label)), Counter())
        for label in ("genuine", "fake")
    }
    count = {label: sum(counter.values()) for label, counter in totals.items()}
    lines += [
        "",
        f"Of {_number(count['genuine'], 'genuine listing')}, {totals['genuine']['suspected']} suspected "
        f"(promised: at most {100 * calibration.alpha:g} % on average) and {totals['genuine']['review']} for review.",
        f"Of {_number(count['fake'], 'fake')} (attacks of strength {args.strength}), "
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
    made = f"{args.folder / 'catalog'} {args.folder / 'inspector'}"
    return [*lines, "", f"To judge other listings: counterfeit-vision inspect {made} LISTINGS --out results"]


# --- printing ---------------------------------------------------------------------------------------------------------


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Rows as lines with aligned columns; those in ``right`` are aligned to the right.

    >>> _table([["a", "1"], ["bcd", "20"]], right=[1])
    ['a     1', 'bcd  20']
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = set(right)
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _failure_lines(failures: Sequence[Failure]) -> list[str]:
    from .report import _printable

    rows = [["ID", "STAGE", "WHY"]]
    for failure in failures[:FAILURES_SHOWN]:
        rows.append([_printable(failure.id), failure.stage, _printable(str(failure.error) or repr(failure.error))])
    more = len(failures) - FAILURES_SHOWN
    lines = [f"{_number(len(failures), 'input')} failed:", *(f"  {line}" for line in _table(rows))]
    return lines + ([f"  and {more:,} more; --json lists all"] if more > 0 else [])


def _print(outcome: _Outcome, *, as_json: bool) -> None:
    if as_json:
        data = outcome.data | {"failures": [failure.to_dict() for failure in outcome.failures]}
        print(json.dumps(data, indent=1))
        return
    for line in outcome.text:
        print(line)
    for line in _failure_lines(outcome.failures) if outcome.failures else ():
        print(line)
    if outcome.path is not None:
        print(outcome.path)


# --- the parser -------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; type: {self.prog} --help\n")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1, such as 0.05")
    return value


_share.__name__ = "share"  # argparse names the type in its message


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout")
    shared.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress on stderr")
    device = argparse.ArgumentParser(add_help=False)
    device.add_argument("--device", default="cpu", help="where the encoder runs: cpu or cuda (default: %(default)s)")

    def command(
        under: argparse._SubParsersAction[Any],
        name: str,
        run: Callable[[argparse.Namespace, _Talk], _Outcome] | None,
        what: str,
        example: str,
        *parents: argparse.ArgumentParser,
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = under.add_parser(
            name,
            help=what,
            description=what[0].upper() + what[1:] + ".",
            epilog="example:\n  " + example.replace("\n", "\n  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[shared, *parents],
            allow_abbrev=False,
        )
        parser.set_defaults(run=run)
        return parser

    top = _Parser(
        prog="counterfeit-vision",
        description="Tells whether a marketplace listing's photos show a counterfeit, and shows why.",
        epilog=f"example:\n  counterfeit-vision demo\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = command(
        commands,
        "demo",
        _demo,
        "render a market of invented brands, build, calibrate, inspect, and write report.html",
        "counterfeit-vision demo --open",
        device,
    )
    demo.add_argument("--folder", type=Path, default=Path("demo"), help="where all of it goes (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="another seed is another market (default: %(default)s)")
    demo.add_argument("--open", action="store_true", help="open the report in a browser")
    demo.add_argument(
        "--strength",
        choices=("weak", "medium", "strong"),
        default="strong",
        help="how far the fakes' marks differ (default: %(default)s)",
    )
    demo.add_argument("--brands", type=int, default=2, help="invented brands (default: %(default)s)")
    demo.add_argument("--listings", type=int, default=56, help="listings, half of them fake (default: %(default)s)")
    demo.add_argument("--genuine", type=int, default=96, help="photos to calibrate on (default: %(default)s)")
    demo.add_argument("--size", type=int, default=640, help="long side of the photos in pixels (default: %(default)s)")
    demo.add_argument("--encoder", default=DEFAULT_ENCODER, help="see: models list (default: %(default)s)")

    catalog = command(
        commands,
        "catalog",
        None,
        "make and look at catalogues of genuine photos",
        "counterfeit-vision catalog build genuine/ --out my-catalog",
    )
    actions = catalog.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = command(
        actions,
        "build",
        _catalog_build,
        "build a catalogue from genuine photos",
        "counterfeit-vision catalog build genuine/ --out my-catalog\n"
        "counterfeit-vision catalog build genuine.csv --out my-catalog   # columns photo, brand, product",
        device,
    )
    build.add_argument("source", type=Path, help="folder brand/product/photo.jpg, or a csv, jsonl or parquet manifest")
    build.add_argument("--out", type=Path, required=True, help="folder of the catalogue")
    build.add_argument("--encoder", default=DEFAULT_ENCODER, help="see: models list (default: %(default)s)")
    build.add_argument("--strict", action="store_true", help="stop at the first photo that cannot be used")
    info = command(
        actions, "info", _catalog_info, "tell what is in a catalogue", "counterfeit-vision catalog info my-catalog"
    )
    verify = command(
        actions,
        "verify",
        _catalog_verify,
        "check every byte of a catalogue against its sha256",
        "counterfeit-vision catalog verify my-catalog",
    )
    for parser in (info, verify):
        parser.add_argument("catalog", type=Path, help="folder of the catalogue")

    calibrate = command(
        commands,
        "calibrate",
        _calibrate,
        "learn from genuine photos that are not in the catalogue how much genuine goods vary",
        "counterfeit-vision calibrate my-catalog held-out/ --out my-inspector",
        device,
    )
    calibrate.add_argument("catalog", type=Path, help="folder of the catalogue")
    calibrate.add_argument("genuine", type=Path, help="folder of photos, or a csv, jsonl or parquet file of listings")
    calibrate.add_argument("--out", type=Path, required=True, help="folder of the calibrated inspector")
    calibrate.add_argument(
        "--alpha",
        type=_share,
        default=0.05,
        help="share of genuine listings that may end as suspected (default: %(default)s)",
    )
    calibrate.add_argument(
        "--authorised",
        action="append",
        default=[],
        metavar="SELLER",
        help="id of a seller that is never suspected, at most reviewed; may be given several times",
    )

    inspect = command(
        commands,
        "inspect",
        _inspect,
        "judge listings, and write report.html and verdicts.jsonl",
        "counterfeit-vision inspect my-catalog my-inspector listings.jsonl --out results",
        device,
    )
    inspect.add_argument("catalog", type=Path, help="folder of the catalogue")
    inspect.add_argument("inspector", type=Path, help="folder that calibrate wrote")
    inspect.add_argument(
        "listings", type=Path, help="csv, jsonl or parquet file of listings, a folder of photos, or a photo"
    )
    inspect.add_argument(
        "--out", type=Path, required=True, help="folder of the results, or one page that ends in .html"
    )
    inspect.add_argument(
        "--strict", action="store_true", help="stop at the first listing that fails; nothing is written"
    )
    for parser in (calibrate, inspect):
        parser.add_argument("--encoder", help="only for a catalogue that was built with no recipe's encoder")

    models = command(commands, "models", None, "list and fetch encoders", "counterfeit-vision models list")
    actions = models.add_subparsers(title="actions", metavar="ACTION", required=True)
    command(actions, "list", _models_list, "list the encoders that have a recipe", "counterfeit-vision models list")
    fetch = command(
        actions,
        "fetch",
        _models_fetch,
        "fetch an encoder's weights into the cache",
        f"counterfeit-vision models fetch {DEFAULT_ENCODER}",
    )
    fetch.add_argument("name", nargs="?", default=DEFAULT_ENCODER, help="a name of models list (default: %(default)s)")
    return top


# --- running ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """A warning is one line on stderr, without the line of code it came from."""
    with warnings.catch_warnings():

        def show(message: Warning | str, *where: object, **more: object) -> None:
            print(f"warning: {message}", file=sys.stderr)

        warnings.showwarning = show
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. ``argv`` defaults to the process's arguments.

    >>> main(["models", "list", "--json"]) == 0  # doctest: +ELLIPSIS
    {
    ...
    True
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter must not stop a run
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    try:
        args = parser.parse_args(arguments)
    except SystemExit as end:  # --help, --version, or wrong usage
        return int(end.code or 0)
    try:
        with _plain_warnings():
            outcome = args.run(args, _Talk(quiet=getattr(args, "quiet", False)))
        _print(outcome, as_json=getattr(args, "json", False))
        sys.stdout.flush()
        return 1 if outcome.failures else 0
    except (WeightsError, CatalogError) as error:
        return _fail(3, error)
    except CounterfeitVisionError as error:
        return _fail(2, error)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(2, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _fail(code: int, error: Exception | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
