"""Verdicts for people: a page that needs no network, a data frame, a plot, and what a notebook shows.

A :class:`Report` is the list of results in input order. Its page is one HTML file without scripts: photos, heat maps
and crops are inside, the filter is CSS, and whatever a seller wrote is text, never markup.
"""

from __future__ import annotations

import functools
import json
import math
import operator
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast, overload

import numpy as np

from ..calibration.conformal import benjamini_hochberg
from ..errors import InputError, require
from ..io.files import refuse_file, replace_file
from ..types import DECISIONS, Failure, Verdict
from ..types.checks import as_facts, as_path
from ..types.wording import amount, claim_name, number, p_number, p_share, percent, printable, visible
from . import pictures

if TYPE_CHECKING:
    import jinja2
    import pandas
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DECISION_NAMES", "Explanation", "Report", "render_template", "risk_name"]

Result: TypeAlias = Verdict | Failure

DECISION_NAMES = {
    "suspected": "Suspected",
    "review": "Review",
    "insufficient_evidence": "Insufficient evidence",
    "clear": "Clear",
}
COLOURS = {"suspected": "#b3261e", "review": "#9a5b00", "insufficient_evidence": "#5b6472", "clear": "#2c7354"}
"""As in templates/style.css."""

PROBABILITY = "probability of a fake"

LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""What JSON leaves in a text and some programs take for the end of a line, as its escape."""

BINS = 20
NOTEBOOK_ROWS = 20


class Report(Sequence[Result]):
    """The results of an inspection, one a listing, in input order: ``Verdict`` or ``Failure``.

    ``report[3]`` is the fourth result, ``report["listing-id"]`` the one with that id (the first, if several share it),
    and ``report[:10]`` a smaller report. ``about`` holds facts for the page's head, such as the catalogue, the
    encoder's fingerprint, alpha and the number of calibration photos; left out, it is that of the verdicts, where all
    have the same. Reports with the same results are equal.

    >>> report = Report([Failure("a", "decode", ValueError("no pixels"))], about={"alpha": "0.05"})
    >>> report
    <Report 1 listing: 1 failure>
    >>> report.counts["suspected"], report["a"].stage
    (0, 'decode')
    """

    def __init__(
        self,
        results: Iterable[Result],
        *,
        title: str = "Counterfeit inspection",
        about: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(results, Iterable):
            raise InputError(f"Report({results!r:.60}): need a list of verdicts; type Report([verdict])")
        self._results = tuple(results)
        for index, result in enumerate(self._results):
            if not isinstance(result, Verdict | Failure):
                raise InputError(f"Report: results[{index}] is a {type(result).__name__}, need a Verdict or a Failure")
        said = [verdict.about for verdict in self.verdicts] if about is None else []
        shared = said[0] if said and all(facts == said[0] for facts in said) else about
        self.title, self.about = title, as_facts(shared, "Report")
        self._index = {result.id: index for index, result in reversed(tuple(enumerate(self._results)))}

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The listings that were judged, in input order."""
        return tuple(result for result in self._results if isinstance(result, Verdict))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The listings that gave no verdict, in input order."""
        return tuple(result for result in self._results if isinstance(result, Failure))

    @property
    def counts(self) -> dict[str, int]:
        """How many listings got each decision, most urgent first, and ``failures``."""
        found = Counter(verdict.decision for verdict in self.verdicts)
        return {decision: found[decision] for decision in DECISIONS} | {"failures": len(self.failures)}

    def discoveries(self, fdr: float = 0.1) -> Report:
        """The listings that stand out of this batch: of them, on average at most ``fdr`` are genuine.

        Benjamini & Hochberg (1995) on the listings' p-values. That the expected share of genuine ones among them is at
        most ``fdr`` is proved for listings of one photo, each ranked among the same calibration photos of which no two
        belong together (Bates et al. 2023); with groups or several photos it is what is usual, not proved. Only what is
        suspected can be among them, and nothing stale: of the rest the p-value does not hold, or is above alpha. The
        smallest p-value is 1 / (n + 1), so a batch with few fakes among many listings needs many calibration photos.
        Raises :class:`InputError` for verdicts of several calibrations: nothing is known of those together.
        """
        told = [verdict for verdict in self.verdicts if verdict.calibration]
        for verdict in told:
            if verdict.calibration != told[0].calibration:
                raise InputError(
                    f"verdict {verdict.id!r} was judged by another calibration, {verdict.calibration}, not by "
                    f"{told[0].calibration}: inspect again, then type report.discoveries()"
                )
        p = [v.p_value if v.decision == "suspected" and not v.stale else 1.0 for v in self.verdicts]
        chosen = [v for v, found in zip(self.verdicts, benjamini_hochberg(p, fdr), strict=True) if found]
        words = f"of {len(p)} listings, those of which, on average, at most {100 * fdr:g} % are genuine: proved for "
        words += "listings of one photo, where no groups were named and none was left out in turn"
        about = {**self.about, "Chosen": words}
        return Report(chosen, title=self.title, about=about)

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)

    def __eq__(self, other: object) -> bool:
        return self._results == other._results if isinstance(other, Report) else NotImplemented

    def __contains__(self, item: object) -> bool:
        return item in self._index if isinstance(item, str) else item in self._results

    @overload
    def __getitem__(self, key: int | str) -> Result: ...
    @overload
    def __getitem__(self, key: slice) -> Report: ...
    def __getitem__(self, key: int | str | slice) -> Result | Report:
        if isinstance(key, slice):
            return Report(self._results[key], title=self.title, about=self.about)
        if isinstance(key, str):
            if key not in self._index:
                raise KeyError(f"no listing {key!r} among the {number(len(self), 'listing')} of this report")
            return self._results[self._index[key]]
        try:
            return self._results[operator.index(key)]
        except TypeError as error:
            kind = type(key).__name__
            told = f"report[...] takes a position, an id or a slice, not a {kind}; of several positions type "
            told += "Report(report[row] for row in rows), of a mask Report(v for v, keep in zip(report, mask) if keep)"
            raise InputError(told) from error
        except IndexError as error:
            told = f"report[{key}] is by position, of {number(len(self), 'listing')}"
            raise IndexError(f"{told}; for an id type report['{key}']") from error

    def __repr__(self) -> str:
        words = [f"{n} {name.replace('_', ' ')}" for name, n in self.counts.items() if n and name != "failures"]
        words += [number(len(self.failures), "failure")] if self.failures else []
        return f"<Report {number(len(self), 'listing')}{': ' if words else ''}{', '.join(words)}>"

    def _repr_html_(self) -> str:
        ranked = self._ranked()
        values = {"ranked": ranked[:NOTEBOOK_ROWS], "more": len(ranked) - NOTEBOOK_ROWS}
        return render_template("notebook.html.j2", report=self, risk_name=risk_name(self.verdicts), **values)

    def to_html(self) -> str:
        """The whole page as one string: no script, nothing loaded from elsewhere, the same for the same results."""
        shared: dict[tuple[bytes, tuple[int, int]], int] = {}
        for verdict in self.verdicts:
            for view in verdict.genuine:
                shared.setdefault((view.jpeg, view.size), len(shared))
        histogram = {decision: [0] * BINS for decision in DECISIONS}
        for verdict in self.verdicts:
            histogram[verdict.decision][min(int(verdict.risk * BINS), BINS - 1)] += 1
        values = {"ranked": self._ranked(), "shared": shared, "histogram": histogram, "bins": BINS}
        return render_template("report.html.j2", report=self, risk_name=risk_name(self.verdicts), **values)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one page where ``path`` ends in ``.html``, else a folder with ``report.html`` and ``verdicts.jsonl``.

        ``verdicts.jsonl`` has one line a result in input order, ``{"kind": "verdict" | "failure", ...}`` as in
        ``to_dict``. Each file appears whole or not at all, and is byte for byte the same for the same results. A
        listing of one photo adds about 90 kB to the page: of thousands of listings, save a slice, such as
        ``report[:500]``, or their :meth:`discoveries`. Raises :class:`InputError` for a file that is there, and for a
        folder named like one, such as ``results.csv``: tables are what :meth:`to_frame` is for.
        """
        target = as_path(path, "report.save", "results")
        if target.suffix.lower() == ".html":
            return _write(target, self.to_html())
        refuse_file(target, "name a folder, or a file that ends in .html; a table: report.to_frame().to_csv(...)")
        rows = [_plain({"kind": type(result).__name__.lower(), **result.to_dict()}) for result in self._results]
        lines = "".join(json.dumps(row, ensure_ascii=False).translate(LINE_ENDS) + "\n" for row in rows)
        _write(target / "verdicts.jsonl", lines)
        _write(target / "report.html", self.to_html())
        return target

    def to_frame(self) -> pandas.DataFrame:
        """One row a listing, in order: the verdict, ``{claim}_score`` and ``{claim}_p`` of each claim, the failure.

        Claims are in the order of their names. One that does not apply has ``nan`` in both of its columns. ``failure``
        says why a listing failed, or which photos of a judged one (it has a ``decision``) did. ``authorised`` and
        ``stale`` can be used as masks: they are ``NA`` where there is no verdict. Ids are texts: beside a ``table`` of
        listings, type ``table.assign(id=table.id.astype(str)).merge(frame, on="id", validate="1:1")``.
        """
        pd = require("pandas", extra="frame", purpose="Report.to_frame()")
        names = sorted({name for verdict in self.verdicts for name in verdict.claims})
        fields = (
            "id", "decision", "risk", "probability", "p_value", "product", "runner_up", "brand", "authorised", "stale",
            "calibration", "reason",
        )  # fmt: skip
        columns: dict[str, list[object]] = {field: [getattr(r, field, None) for r in self._results] for field in fields}
        for name in names:
            found = [getattr(result, "claims", {}).get(name) for result in self._results]
            usable = [claim if claim is not None and claim.applicable else None for claim in found]
            columns[f"{name}_score"] = [None if claim is None else claim.score for claim in usable]
            columns[f"{name}_p"] = [None if claim is None else claim.p_value for claim in usable]
        failed = [[result] if isinstance(result, Failure) else result.failures for result in self._results]
        columns["failure"] = ["; ".join(map(_message, failures)) or None for failures in failed]
        frame = pd.DataFrame(columns)
        numbers = ["risk", "probability", "p_value", *(f"{name}_{kind}" for name in names for kind in ("score", "p"))]
        return frame.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(("authorised", "stale"), "boolean"))

    def plot(self) -> Figure:
        """A matplotlib figure: how many listings got each decision, and how their risks (0..1) are spread."""
        pyplot = require("matplotlib.pyplot", extra="plot", purpose="Report.plot()")
        figure, (bars, spread) = pyplot.subplots(1, 2, figsize=(10, 3.2), width_ratios=(2, 3), layout="constrained")
        names = [DECISION_NAMES[decision] for decision in DECISIONS]
        colours = [COLOURS[decision] for decision in DECISIONS]
        drawn = bars.barh(names, [self.counts[decision] for decision in DECISIONS], color=colours)
        bars.bar_label(drawn, padding=3)
        bars.invert_yaxis()
        bars.set_xlabel("listings")
        risks = [[v.risk for v in self.verdicts if v.decision == decision] for decision in DECISIONS]
        spread.hist(risks, bins=BINS, range=(0, 1), stacked=True, color=colours, label=names)
        spread.set(xlabel=risk_name(self.verdicts), ylabel="listings", xlim=(0, 1))
        bars.locator_params(axis="x", integer=True)
        spread.locator_params(axis="y", integer=True)
        spread.legend(frameon=False, fontsize="small", loc="upper center")
        for axes in (bars, spread):
            axes.spines[["top", "right"]].set_visible(False)
        pyplot.close(figure)
        return cast("Figure", figure)

    def _ranked(self) -> list[tuple[int, Verdict]]:
        """(position in the input, verdict), most urgent first: by decision, then by falling risk, then as they came."""
        judged = [(index, result) for index, result in enumerate(self._results) if isinstance(result, Verdict)]
        return sorted(judged, key=lambda item: (DECISIONS.index(item[1].decision), -item[1].risk, item[0]))


class Explanation:
    """Why one listing got its verdict: shows itself in a notebook, prints as text in a terminal, saves as a page."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def __str__(self) -> str:
        v = self.verdict
        likely = f"risk {v.risk:.2f}" if v.probability is None else f"{PROBABILITY} {percent(v.probability)}"
        lines = [f"{v.id}: {DECISION_NAMES[v.decision].upper()}, {likely}"]
        lines += [v.reason]
        product = f"Nearest product: {v.product}" if v.product else "Product: not recognised"
        lines += [f"{product} ({v.brand})" if v.brand else product]
        lines += [f"It may as well be {v.runner_up}, which is nearly as alike."] if v.runner_up else []
        wide = max([16, *(len(claim_name(name)) for name in v.claims)])
        for name, claim in v.claims.items():
            known = "uncounted" if claim.applicable else "no say"
            p = known if claim.p_value is None else f"p {p_number(claim.p_value)}"
            lines.append(f"  {claim_name(name):<{wide}}  {p:<9}  {claim.text}")
        lines += [f"  {'nearest genuine':<{wide}}  {view.caption or view.id} [{view.id}]" for view in v.genuine]
        lines += [f"  photo {failure.id} failed in {failure.stage}: {_message(failure)}" for failure in v.failures]
        return "\n".join(printable(line) for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render_template("explanation_notebook.html.j2", verdict=self.verdict)

    def to_html(self) -> str:
        """A page with this one listing, under the same rules as :meth:`Report.to_html`."""
        return render_template("explanation.html.j2", verdict=self.verdict, risk_name=risk_name([self.verdict]))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to ``path``, whole or not at all."""
        return _write(as_path(path, "explanation.save", "listing.html"), self.to_html())


def risk_name(verdicts: Iterable[Any]) -> str:
    """What ``risk`` is, in words: where labelled fakes were shown, the probability of one."""
    return "risk" if all(verdict.probability is None for verdict in verdicts) else PROBABILITY


def _message(failure: Failure) -> str:
    return str(failure.error) or type(failure.error).__name__


def _link(url: str) -> str | None:
    """The address, if a click on it can only open a web page, which is the one that is read.

    >>> _link("https://shop.example/1?a=b"), _link("javascript:alert(1)")
    ('https://shop.example/1?a=b', None)
    """
    return url if re.fullmatch(r"https?://[^\s\x00-\x20]+", url, re.IGNORECASE) and visible(url) == url else None


@functools.cache
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("counterfeit_vision.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # but for what is markup already
    )
    environment.globals.update(decisions=DECISIONS, decision_names=DECISION_NAMES, probability_name=PROBABILITY)
    environment.filters.update(
        amount=amount,
        aspect=pictures.aspect,
        bar=pictures.bar,
        boxes=pictures.boxes,
        claim_name=claim_name,
        crops=pictures.crops,
        data_uri=pictures.data_uri,
        layers=pictures.layers,
        link_target=_link,
        matched=pictures.matched,
        message=_message,
        number=number,
        p_number=p_number,
        part=pictures.part,
        percent=percent,
        p_share=p_share,
        thumbnail=pictures.thumbnail,
    )
    return environment


def render_template(template: str, **values: Any) -> str:
    """A page or a part of one, from the package's ``templates``; every value in it is text, never markup. What UTF-8
    cannot say, which a notebook could not be saved with, is its escape.
    """
    return _templates().get_template(template).render(**values).encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    """Only what JSON knows: numpy numbers become Python's, and a number that is not finite becomes ``None``."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, text: str) -> Path:
    """Write UTF-8, whole or not at all; what UTF-8 cannot say is written as its escape."""
    if path.is_dir():
        raise InputError(f"{path}: that is a folder; name a file, or a folder that does not end in .html")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode("utf-8", "backslashreplace"))
    return path
