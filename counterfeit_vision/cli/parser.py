"""What can be typed: every command with its arguments, its help and an example."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .._version import __version__
from . import commands
from .bench import bench
from .common import DEFAULT_ENCODER
from .demo import demo
from .output import Outcome, Talk

__all__ = ["make_parser"]

EXIT_CODES = """\
exit codes:
  0    all is fine, also where drift gives an alarm: read its output
  1    some inputs failed: they are named in the output, the results of the others are written
  2    wrong input or usage
  3    the weights, the catalogue, the inspector or the journal cannot be used
  130  interrupted, or ended by SIGTERM

Results go to stdout, the path of what was written last; progress and notes go to stderr.
Weights, embeddings and small copies of photos, and what was learned and claimed, are kept in $CV_CACHE
(default: $XDG_CACHE_HOME/counterfeit-vision where that is set, else ~/.cache/counterfeit-vision).
"""

LABELLED = """\
A labelled file is a file of listings with a column "label": genuine, fake, or unknown for goods
that the catalogue does not hold. None of them may have calibrated the inspector, or have been
given to it as a fake. Columns that help where they are there: attack, category, brand,
shows (the product of a genuine listing that does not name it), and mask (a picture, white where a
fake was changed). The inspector never sees any of them but the brand, which is part of the
listing. "demo" renders such a file: demo/market/listings.jsonl.
"""


BENCH = """\
Each stage is measured by itself, one photo after another; then a whole run, in which threads decode
ahead of the encoder and make the small copies that reports show. Wall time is what you wait for,
processor time what all threads spend; both depend on what else the machine does, so look at least
and most, too. Nothing comes from the cache of embeddings, and copies are left out. Before anything
is measured, a run has to give the same vectors as its stages do.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; type: {self.prog} --help\n")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1, such as 0.05")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return value


_share.__name__, _count.__name__ = "share", "whole number"  # argparse names the type in its message


def _seller(text: str) -> str | tuple[str, str]:
    """PLATFORM/ID, or an id alone."""
    platform, slash, id = text.partition("/")
    if not platform.strip() or (slash and not id.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} names no seller; type PLATFORM/ID, or ID alone")
    return (platform, id) if slash else text


def _path(text: str) -> Path:
    """An empty text is a variable of the shell that was never set, and not the folder at hand."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text names no file or folder")
    return Path(text)


def _some(*names: str, **options: Any) -> argparse.ArgumentParser:
    """An argument that several commands have in common."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(*names, **options)
    return parser


JSON = _some("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout")
QUIET = _some("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress on stderr")
DEVICE = _some("--device", default="cpu", help="where the encoder runs: cpu or cuda (default: %(default)s)")
ENCODER = _some("--encoder", default=DEFAULT_ENCODER, help="see: models list (default: %(default)s)")
FOREIGN_ENCODER = _some(
    "--encoder",
    help='needed only where the catalogue was built with an encoder that "models list" lacks: its folder or name',
)
CATALOG = _some("catalog", type=_path, help="folder of the catalogue")
INSPECTOR = _some("inspector", type=_path, help="folder that calibrate wrote")


def _command(
    under: argparse._SubParsersAction[Any],
    name: str,
    run: Callable[[argparse.Namespace, Talk], Outcome] | None,
    what: str,
    example: str,
    *parents: argparse.ArgumentParser,
    notes: str = "",
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = under.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=(notes and notes + "\n") + "example:\n  " + example.replace("\n", "\n  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[JSON, QUIET, *parents],
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def make_parser() -> argparse.ArgumentParser:
    """The whole command line; each command's function is the parsed arguments' ``run``."""
    top = _Parser(
        prog="counterfeit-vision",
        description="Tells whether a marketplace listing's photos show a counterfeit, and shows why.",
        epilog=f"example:\n  counterfeit-vision demo\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[JSON, QUIET],
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    under = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_demo,
        _add_catalog,
        _add_calibrate,
        _add_inspect,
        _add_evaluate,
        _add_feedback,
        _add_drift,
        _add_bench,
        _add_models,
    ):
        add(under)
    return top


def _add_demo(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "demo",
        demo,
        "render a market of invented brands, build, calibrate, inspect, and write report.html",
        "counterfeit-vision demo --open",
        DEVICE,
        ENCODER,
    )
    parser.add_argument(
        "--folder", type=_path, default=Path("demo"), help="where all of it goes (default: %(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the report in a browser")
    parser.add_argument(
        "--strength",
        choices=("weak", "medium", "strong"),
        default="strong",
        help="how far the fakes' marks differ (default: %(default)s)",
    )
    for name, value, what in (
        ("--seed", 0, "another seed is another market"),
        ("--brands", 2, "invented brands"),
        ("--listings", 56, "listings, half of them fake"),
        ("--genuine", 96, "photos to calibrate on"),
        ("--size", 640, "long side of the photos in pixels"),
    ):
        parser.add_argument(name, type=int, default=value, help=f"{what} (default: %(default)s)")


def _add_catalog(under: argparse._SubParsersAction[Any]) -> None:
    build_example = "counterfeit-vision catalog build genuine/ --out my-catalog"
    catalog = _command(under, "catalog", None, "make and look at catalogues of genuine photos", build_example)
    actions = catalog.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = _command(
        actions,
        "build",
        commands.catalog_build,
        "build a catalogue from genuine photos",
        f"{build_example}\n"
        "counterfeit-vision catalog build genuine.csv --out my-catalog   # columns photo, brand, product",
        DEVICE,
        ENCODER,
    )
    build.add_argument("source", type=_path, help="folder brand/product/photo.jpg, or a csv, jsonl or parquet manifest")
    build.add_argument("--out", type=_path, required=True, help="folder of the catalogue")
    build.add_argument("--strict", action="store_true", help="stop at the first photo that cannot be used")
    info = _command(
        actions,
        "info",
        commands.catalog_info,
        "tell what is in a catalogue",
        "counterfeit-vision catalog info my-catalog",
        CATALOG,
    )
    info.add_argument(
        "--versions", action="store_true", help="name the photos of marks in several versions: 1 to 2 s a product"
    )
    _command(
        actions,
        "verify",
        commands.catalog_verify,
        "check every byte of a catalogue against its sha256",
        "counterfeit-vision catalog verify my-catalog",
        CATALOG,
    )


def _add_calibrate(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "calibrate",
        commands.calibrate,
        "learn from genuine photos that are not in the catalogue how much genuine goods vary",
        "counterfeit-vision calibrate my-catalog held-out/ --out my-inspector",
        CATALOG,
        DEVICE,
        FOREIGN_ENCODER,
    )
    parser.add_argument("genuine", type=_path, help="folder of photos, or a csv, jsonl or parquet file of listings")
    parser.add_argument("--out", type=_path, required=True, help="folder of the calibrated inspector")
    parser.add_argument(
        "--alpha",
        type=_share,
        default=0.05,
        help="share of genuine listings that may end as suspected (default: %(default)s)",
    )
    parser.add_argument(
        "--authorised",
        type=_seller,
        action="append",
        default=[],
        metavar="PLATFORM/ID",
        help="a seller that is never suspected, at most reviewed, by the id that the platform has verified; may be "
        "given several times (ID alone: where listings name no platform)",
    )
    parser.add_argument(
        "--fakes",
        type=_path,
        help="known fakes, in the same form as the genuine photos; the learned claim is fitted on them, and the risk "
        "is then the probability of a fake",
    )
    parser.add_argument(
        "--base-rate", type=_share, metavar="SHARE", help="expected share of fakes among listings; needs --fakes"
    )
    parser.add_argument(
        "--costs",
        type=float,
        nargs=2,
        metavar=("ACCUSATION", "MISSED"),
        help="costs of a false accusation and of a missed fake, in any unit; what would be suspected goes to review "
        "where a fake is not probable enough for these costs; needs --fakes",
    )
    parser.add_argument(
        "--group",
        choices=("seller", "platform", "region"),
        help="listings with the same value count as one group; the promise is then about a listing from a new group "
        "(default: each listing by itself)",
    )
    parser.add_argument(
        "--by",
        choices=("category", "brand", "product"),
        help="calibrate each by itself where it has enough photos, and the others together",
    )
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="keep no genuine photos aside, but measure each listing by all the others: 19 listings will do for 5 %% "
        "instead of 28; --alpha holds on average, but no limit is known for the set in hand",
    )
    parser.add_argument(
        "--journal",
        type=_path,
        metavar="FILE",
        help="what reviewers decided (see: feedback): fakes are learned from, and genuine listings that were drawn at "
        "random calibrate, too; what this changes is said where --out holds an earlier inspector",
    )


def _add_feedback(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "feedback",
        commands.feedback,
        "write a reviewer's decision into a journal that can only grow",
        "counterfeit-vision feedback journal.jsonl listings.jsonl results --id listing-00012 --decided fake --by anna\n"
        "counterfeit-vision calibrate my-catalog held-out/ --out my-inspector --journal journal.jsonl",
    )
    parser.add_argument("journal", type=_path, help="file of decisions; made at the first")
    parser.add_argument("listings", type=_path, help="the listings that were inspected")
    parser.add_argument("results", type=_path, help="folder that inspect wrote")
    parser.add_argument("--id", required=True, help="which listing was decided")
    parser.add_argument("--decided", required=True, choices=("genuine", "fake", "unsure"))
    parser.add_argument("--by", required=True, metavar="NAME", help="who decided")
    parser.add_argument("--note", default="", help="why")
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="the listing was drawn at random to be looked at, not picked because of its verdict; draw from all, "
        "before you look at verdicts: draws among the clear ones make far more genuine listings suspected than alpha",
    )


def _add_drift(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "drift",
        commands.drift,
        "say whether genuine listings are still as they were when the inspector was calibrated",
        "counterfeit-vision drift my-inspector january/ february/",
        INSPECTOR,
    )
    parser.add_argument(
        "results",
        type=_path,
        nargs="+",
        help="folders that inspect wrote, oldest first: of listings that are presumed genuine, whatever their verdicts",
    )
    parser.add_argument(
        "--delta",
        type=_share,
        default=0.01,
        help="chance of ever giving an alarm while nothing changes (default: %(default)s); the output tells of an "
        "alarm, the exit code is 0 all the same",
    )


def _add_inspect(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "inspect",
        commands.inspect,
        "judge listings, and write report.html and verdicts.jsonl",
        "counterfeit-vision inspect my-catalog my-inspector listings.jsonl --out results",
        CATALOG,
        INSPECTOR,
        DEVICE,
        FOREIGN_ENCODER,
    )
    parser.add_argument(
        "listings", type=_path, help="csv, jsonl or parquet file of listings, a folder of photos, or a photo"
    )
    parser.add_argument(
        "--out", type=_path, required=True, help="folder of the results, or one page that ends in .html"
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first listing that fails; nothing is written"
    )


def _add_evaluate(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "evaluate",
        commands.evaluate,
        "judge labelled listings, say how good the verdicts are, and write evaluation.html and evaluation.json",
        "counterfeit-vision evaluate my-catalog my-inspector labelled.jsonl --out evaluation\n"
        "counterfeit-vision evaluate my-catalog my-inspector labelled.jsonl --out after --baseline evaluation",
        CATALOG,
        INSPECTOR,
        DEVICE,
        FOREIGN_ENCODER,
        notes=LABELLED,
    )
    parser.add_argument("listings", type=_path, help="csv, jsonl or parquet file of labelled listings")
    parser.add_argument("--out", type=_path, required=True, help="folder of the page and of the numbers")
    parser.add_argument(
        "--group",
        default="id",
        metavar="COLUMN",
        help="listings with the same value in this column, such as seller, count as one group; intervals resample "
        "whole groups (default: each listing by itself)",
    )
    parser.add_argument(
        "--draws", type=_count, default=1000, help="resamplings behind an interval (default: %(default)s)"
    )
    parser.add_argument(
        "--baseline", type=_path, metavar="RUN", help="--out of an earlier run on the same listings, to compare with"
    )


def _add_bench(under: argparse._SubParsersAction[Any]) -> None:
    parser = _command(
        under,
        "bench",
        bench,
        "say how quick the way from a photo's bytes to a verdict is on this machine, stage by stage",
        "counterfeit-vision bench\n"
        "counterfeit-vision bench listings/ --photos 64 --catalog my-catalog --inspector my-inspector",
        DEVICE,
        notes=BENCH,
    )
    parser.add_argument(
        "source",
        type=_path,
        nargs="*",
        metavar="PHOTOS",
        help="folders of photos, photos, or files of listings, of which the photos are taken (default: rendered goods)",
    )
    parser.add_argument(
        "--encoder", help=f"see: models list (default: {DEFAULT_ENCODER}, or the recipe that --catalog names)"
    )
    parser.add_argument(
        "--photos",
        type=int,
        default=16,
        metavar="N",
        help="how many at most; a GPU needs some hundreds to have work (default: %(default)s)",
    )
    parser.add_argument("--catalog", type=_path, metavar="FOLDER", help="measure the search in this catalogue, too")
    parser.add_argument(
        "--inspector", type=_path, metavar="FOLDER", help="measure whole verdicts, too; needs its --catalog"
    )


def _add_models(under: argparse._SubParsersAction[Any]) -> None:
    models = _command(under, "models", None, "list and fetch encoders", "counterfeit-vision models list")
    actions = models.add_subparsers(title="actions", metavar="ACTION", required=True)
    _command(
        actions,
        "list",
        commands.models_list,
        "list the encoders that have a recipe",
        "counterfeit-vision models list",
    )
    fetch = _command(
        actions,
        "fetch",
        commands.models_fetch,
        "fetch an encoder's weights into the cache",
        f"counterfeit-vision models fetch {DEFAULT_ENCODER}",
    )
    fetch.add_argument("name", nargs="?", default=DEFAULT_ENCODER, help="a name of models list (default: %(default)s)")
