"""A run on labelled listings: its figures and tables, beside an earlier run's, on a page and in a file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np

from .._concurrency import cached_property
from ..calibration.probability import shifted
from ..errors import InputError, require
from ..io.files import refuse_file, replace_file
from ..report.report import render_template, risk_name
from ..types import DECISIONS, Failure
from ..types.checks import as_facts, as_number, as_path, as_share
from ..types.wording import number
from . import charts, metrics
from .confidence import ALARM
from .figures import FEWEST, FIGURES, LABELS, Columns, Estimate, Judged, estimate, fake_share, paired
from .metrics import Bin, Difference

__all__ = ["Comparison", "Evaluation", "Line"]

FORMAT = 3
KINDS = get_type_hints(Judged)
SHARES = ("risk", "p_value", "probability", "likeness", "margin_p", "chance")
TABLES = {"kind": "attack", "category": "category", "brand": "brand"}
HEAD = {"auroc": "AUROC", "detections": "fakes suspected", "false_accusations": "genuine suspected"}
"""What a run or a comparison says of itself in one line."""
EXAMPLE = "Evaluation([Judged(id=..., label=..., decision=..., risk=...)])"


class Line(NamedTuple):
    """One line of a table: how many listings got which decision, and the figures that they allow."""

    name: str
    listings: int
    decisions: dict[str, int]
    failures: int
    false_accusations: Estimate | None
    detections: Estimate | None
    auroc: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            name: value._asdict() if isinstance(value, Estimate) else value for name, value in self._asdict().items()
        }


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same listings: ``figures`` by name, the baseline first.

    ``listings`` is how many had a verdict in both, ``left_out`` how many others there were.
    """

    figures: Mapping[str, Difference]
    listings: int
    left_out: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        figures = {
            name: {**dataclasses.asdict(item), "difference": item.difference} for name, item in self.figures.items()
        }
        return {"listings": self.listings, "left_out": self.left_out, "figures": figures}

    def __repr__(self) -> str:
        found = self.figures
        words = [f"{words} {found[name].difference:+.3f}" for name, words in HEAD.items() if name in found]
        return f"<Comparison {', '.join([number(self.listings, 'listing'), *words])}>"

    def _repr_html_(self) -> str:
        return render_template("comparison_notebook.html.j2", compared=self, titles=_titles())


class Evaluation:
    """Figures, tables and charts of one run; made by :func:`~counterfeit_vision.evaluation.evaluate`, read back by
    :meth:`load`.

    ``rows`` are the listings in input order, ``about`` facts about the run. Listings without a verdict count in no
    figure; the tables say how many there are. ``failures`` are these, and single photos of judged listings; a run that
    was read back has none. ``supposed`` is the share of fakes that the probabilities suppose: errors and calibration
    are told of what they would be for the share among these listings. ``None`` takes them as they are.

    Rows may be made of what any model says; :class:`InputError` names one that can't be counted or kept.

    >>> said = {"a": ("fake", 0.9), "b": ("genuine", 0.2), "c": ("fake", 0.4)}
    >>> decided = {True: "suspected", False: "clear"}
    >>> Evaluation(
    ...     Judged(id=id, label=label, risk=risk, decision=decided[risk >= 0.5]) for id, (label, risk) in said.items()
    ... )
    <Evaluation 3 listings, AUROC 1.000, fakes suspected 0.500, genuine suspected 0.000>
    """

    def __init__(
        self,
        rows: Iterable[Judged],
        *,
        about: Mapping[str, object] | None = None,
        draws: int = 1000,
        failures: Sequence[Failure] = (),
        supposed: float | None = None,
    ) -> None:
        self.supposed = None if supposed is None else as_share(supposed, "supposed", 0.02)
        if not as_number(draws, whole=True) >= 1:
            raise InputError(f"draws={draws!r:.60}: intervals need 1 or more")
        if not isinstance(rows, Iterable):
            raise InputError(f"Evaluation({rows!r:.60}): need a list of rows; type {EXAMPLE}")
        self.rows, self.about, self.draws = tuple(map(_checked, rows)), as_facts(about, "Evaluation"), int(draws)
        self.failures = tuple(failures)

    @property
    def judged(self) -> list[Judged]:
        """The listings that got a verdict."""
        return [row for row in self.rows if row.decision is not None]

    @property
    def _shares(self) -> tuple[float, float] | None:
        """The share of fakes that the probabilities suppose, and that among these listings, if they can be shifted."""
        share = self.fake_share
        return (self.supposed, share) if self.supposed is not None and share is not None and 0 < share < 1 else None

    @cached_property
    def _shifted(self) -> list[Judged]:
        """The judged listings, with the probabilities that they have for the share of fakes among them."""
        if self._shares is None:
            return self.judged
        given = np.array([row.probability for row in self.judged], np.float64)
        found = [None if value != value else value for value in shifted(given, *self._shares).tolist()]
        return [dataclasses.replace(row, probability=p) for row, p in zip(self.judged, found, strict=True)]

    @property
    def alarm(self) -> float:
        """The risk from which on a listing is taken for fake, for the share of fakes among these."""
        if self._shares is None:
            return ALARM
        supposed, share = self._shares
        return float(shifted(np.array(ALARM), share, supposed))

    @cached_property
    def figures(self) -> dict[str, Estimate]:
        """Those of :data:`~counterfeit_vision.evaluation.figures.FIGURES` that these listings allow."""
        found = {name: estimate(figure, self._shifted, draws=self.draws) for name, figure in FIGURES.items()}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def tables(self) -> dict[str, list[Line]]:
        """By ``kind`` (attack, circumstance), ``category`` and ``brand``: a line each, genuine first.

        The AUROC of a kind of fake is against all genuine listings.
        """
        return {by: self._table(by) for by in TABLES}

    def _table(self, by: str) -> list[Line]:
        lines = []
        for name in sorted({getattr(row, by) for row in self.rows}):
            rows = [row for row in self.rows if getattr(row, by) == name]
            judged = [row for row in rows if row.decision is not None]
            genuine = [row for row in self.judged if row.label == "genuine"] if by == "kind" else []
            counts = Counter(row.decision for row in judged)
            lines.append(
                Line(
                    name,
                    len(rows),
                    {decision: counts[decision] for decision in DECISIONS},
                    len(rows) - len(judged),
                    estimate(FIGURES["false_accusations"], judged, draws=self.draws),
                    estimate(FIGURES["detections"], judged, draws=self.draws),
                    estimate(FIGURES["auroc"], [*genuine, *judged], draws=self.draws),
                )
            )
        return sorted(lines, key=lambda line: by == "kind" and not line.name.startswith("genuine"))

    @property
    def reliability(self) -> list[Bin]:
        """The reliability table, where verdicts carry a probability."""
        columns = Columns.of([row for row in self._shifted if FIGURES["brier"].about(row)])
        return metrics.reliability(columns.fake, columns.probability) if len(columns.fake) else []

    @property
    def peak_by_chance(self) -> float | None:
        """What ``peak_in_mask`` would be if peaks lay anywhere on the product."""
        shares = [row.chance for row in self.judged if row.chance is not None]
        return float(np.mean(shares)) if shares else None

    @property
    def fake_share(self) -> float | None:
        """The share of fakes: what the average precision of a risk that says nothing would be."""
        return fake_share(self.rows)

    # --- beside an earlier run ----------------------------------------------------------------------------------------

    def compare(self, baseline: Evaluation | str | os.PathLike[str]) -> Comparison:
        """This run beside an earlier one on the same listings, pair by pair.

        ``baseline`` may be a saved run. Raises :class:`InputError` where the two share no listing with a verdict, or
        label one differently.
        """
        earlier = baseline if isinstance(baseline, Evaluation) else Evaluation.load(baseline)
        before = {row.id: row for row in earlier._shifted}
        pairs = [(before[row.id], row) for row in self._shifted if row.id in before]
        if not pairs:
            raise InputError("the two runs share no listing with a verdict: nothing to compare")
        for old, new in pairs:
            if old.label != new.label:
                raise InputError(f"listing {old.id!r} is {old.label} in the baseline and {new.label} in this run")
        found = {name: paired(figure, pairs, draws=self.draws) for name, figure in FIGURES.items()}
        found_in = Counter(row.id for row in self.rows) | Counter(row.id for row in earlier.rows)
        left_out = found_in.total() - len(pairs)
        return Comparison({name: item for name, item in found.items() if item is not None}, len(pairs), left_out)

    # --- keeping and showing ------------------------------------------------------------------------------------------

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        baseline: Evaluation | Comparison | str | os.PathLike[str] | None = None,
    ) -> Path:
        """Write ``evaluation.json``, then ``evaluation.html``, one page with its charts inside; -> the folder.

        With a ``baseline``, or what :meth:`compare` said of one, both hold the comparison. Raises
        :class:`~counterfeit_vision.MissingExtraError` without matplotlib.
        """
        target = as_path(folder, "evaluation.save", "evaluation")
        refuse_file(target)
        compared = baseline if isinstance(baseline, Comparison | None) else self.compare(baseline)
        require("matplotlib", extra="plot", purpose="Evaluation.save()")
        data = {**self.to_dict(), "comparison": None if compared is None else compared.to_dict()}
        target.mkdir(parents=True, exist_ok=True)
        replace_file(target / "evaluation.json", f"{json.dumps(data, indent=1)}\n".encode())
        page = render_template(
            "evaluation.html.j2", **self._shown(), compared=compared, charts=charts.draw(self._drawn())
        )
        replace_file(target / "evaluation.html", page.encode("utf-8", "backslashreplace"))
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read back what :meth:`save` wrote: the folder, or its ``evaluation.json``."""
        given = as_path(path, "Evaluation.load", "evaluation")
        file = given / "evaluation.json" if given.is_dir() else given
        if not file.is_file():
            raise InputError(f"{path}: no saved evaluation here; make one with: evaluate(...).save(folder)")
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, this version reads {FORMAT}")
            rows = [Judged(**row) for row in data["rows"]]
            return cls(rows, about=data["about"], draws=data["draws"], supposed=data.get("supposed"))
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            raise InputError(f"{file}: not readable as an evaluation: {error!r}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "format": FORMAT,
            "about": self.about,
            "draws": self.draws,
            "figures": {name: value._asdict() for name, value in self.figures.items()},
            "fake_share": self.fake_share,
            "supposed": self.supposed,
            "peak_by_chance": self.peak_by_chance,
            "tables": {by: [line.to_dict() for line in lines] for by, lines in self.tables.items()},
            "reliability": [row._asdict() for row in self.reliability],
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        words = [f"{words} {self.figures[name].value:.3f}" for name, words in HEAD.items() if name in self.figures]
        return f"<Evaluation {', '.join([f'{len(self):,} listings', *words])}>"

    def _drawn(self) -> charts.Drawn:
        kinds = {line.name: line.decisions for line in self.tables["kind"] if line.listings > line.failures}
        return charts.Drawn(self.judged, self._shifted, self.alarm, kinds, self.figures, self.reliability)

    def _shown(self) -> dict[str, Any]:
        return {
            "run": self,
            "titles": _titles(),
            "tables": TABLES,
            "fewest": FEWEST,
            "risk_name": risk_name(self.judged),
        }

    def _repr_html_(self) -> str:
        return render_template("evaluation_notebook.html.j2", **self._shown())


def _titles() -> dict[str, str]:
    return {name: figure.title for name, figure in FIGURES.items()}


def _checked(row: object) -> Judged:
    """The row, with Python's numbers in place of others'. :class:`InputError` for what is none, and for a value that
    figures would leave out, or count wrongly, or that can't be kept.
    """
    if not isinstance(row, Judged):
        raise InputError(f"{row!r:.60} is no row; type {EXAMPLE}")
    values = {name: _plain(getattr(row, name), kind) for name, kind in KINDS.items()}
    told = f"row {values['id']!r:.60}"
    for name in SHARES:
        needed = values[name] is not None or (name == "risk" and row.decision is not None)
        if needed and not 0 <= as_number(values[name]) <= 1:
            raise InputError(f"{told}: {name}={values[name]!r:.60}, need a number in 0..1")
    if values["place"] is not None and not as_number(values["place"], whole=True) >= 0:
        raise InputError(f"{told}: place={values['place']!r:.60}, need a whole number, 0 or more")
    for name, kind in KINDS.items():
        if not isinstance(values[name], kind):
            raise InputError(f"{told}: {name}={values[name]!r:.60}, need {Judged.__annotations__[name]}")
    if row.label not in LABELS:
        raise InputError(f"{told}: label={row.label!r:.60}; the labels are {', '.join(LABELS)}")
    if row.decision not in (None, *DECISIONS):
        raise InputError(f"{told}: decision={row.decision!r:.60}; the decisions are {', '.join(DECISIONS)}, or None")
    return dataclasses.replace(row, **values)


def _plain(value: Any, kind: Any) -> Any:
    """A number of another kind, such as numpy's, as Python's; else the value."""
    if float in get_args(kind) and (number := as_number(value)) == number:
        return number
    return value.item() if isinstance(value, np.generic) else value
