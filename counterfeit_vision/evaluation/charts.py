"""What a run looks like: PNG pictures drawn with matplotlib, which is an extra and loaded only here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..report.pictures import data_uri
from ..report.report import COLOURS, DECISION_NAMES
from ..types import DECISIONS
from ..types.wording import printable
from . import metrics
from .figures import FIGURES, Columns, Estimate, Judged

__all__ = ["Chart", "Drawn", "draw"]

SIZE, DPI = (5.2, 3.4), 144  # inches; dots an inch
BINS = 20
LETTERS = 40  # of a name beside a bar
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Microsoft YaHei", "PingFang SC")
"""Those that are installed are taken, in this order: each is asked for the letters that the ones before it lack."""
LABELS = {"genuine": COLOURS["clear"], "fake": COLOURS["suspected"], "unknown": COLOURS["insufficient_evidence"]}
HATCHES = {"suspected": "", "review": "////", "insufficient_evidence": "....", "clear": "\\\\\\\\"}
LINES = {"genuine": "-", "fake": "-.", "unknown": ":"}
INK = "#1b1f24"
CHANCE = {"color": "#98a2b0", "linestyle": "--", "linewidth": 1}


class Chart(NamedTuple):
    """A picture: its ``png`` bytes, and in words what it shows."""

    title: str
    words: str
    png: bytes

    @property
    def uri(self) -> str:
        """The picture as text, to stand inside a page."""
        return data_uri(self.png, "png")


@dataclass(frozen=True)
class Drawn:
    """What the charts show of a run: its ``judged`` listings, as they are and ``shifted`` to the share of fakes among
    them, the risk from which on they are taken for fake (``alarm``), how many of each of the ``kinds`` got which
    decision, the ``figures`` by name and the ``reliability`` table.
    """

    judged: Sequence[Judged]
    shifted: Sequence[Judged]
    alarm: float
    kinds: Mapping[str, Mapping[str, int]]
    figures: Mapping[str, Estimate]
    reliability: Sequence[metrics.Bin]


def draw(run: Drawn) -> list[Chart]:
    """The charts that a run's listings allow, the same bytes for the same run on a machine with the same fonts."""
    import matplotlib
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    style = {"text.parse_math": False, "font.family": [font for font in FONTS if font in known]}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        return list(_charts(run))


def _charts(run: Drawn) -> Iterator[Chart]:
    from matplotlib.figure import Figure

    for title, words, allowed, paint in (
        ("Decisions", "The share of each kind of listing that got each decision.", run.judged, _decisions),
        ("Risk", "How the risks of genuine and of fake listings are spread.", run.judged, _risks),
        (
            "Detections and false alarms",
            "The share of fakes found against the share of genuine listings alarmed, at each threshold of the risk.",
            "auroc" in run.figures,
            _roc,
        ),
        (
            "Errors and coverage",
            "The share of errors among the most confident answers, against the share of listings that are answered.",
            run.judged,
            _coverage,
        ),
        (
            "Reliability",
            "The share of fakes against the probability that was given: on the dashed line they agree.",
            run.reliability,
            _reliability,
        ),
    ):
        if allowed:
            drawing = Figure(figsize=SIZE, layout="constrained")
            axes = drawing.subplots()
            axes.spines[["top", "right"]].set_visible(False)
            paint(axes, run)
            packed = io.BytesIO()
            drawing.savefig(packed, format="png", dpi=DPI, metadata={"Software": None})
            yield Chart(title, words, packed.getvalue())


def _decisions(axes: Any, run: Drawn) -> None:
    total = np.array([sum(decisions.values()) for decisions in run.kinds.values()])
    left, places = np.zeros(len(total)), range(len(total))
    for decision in DECISIONS:
        share = np.array([decisions[decision] for decisions in run.kinds.values()]) / total
        look = {"color": COLOURS[decision], "edgecolor": "white", "linewidth": 0.8, "hatch": HATCHES[decision]}
        axes.barh(places, share, left=left, label=DECISION_NAMES[decision], **look)
        left += share
    axes.set_yticks(places, [_short(printable(name)) for name in run.kinds])
    axes.figure.set_size_inches(SIZE[0], max(SIZE[1], 1 + 0.24 * len(total)))
    axes.tick_params(axis="y", labelsize="small")
    axes.set(xlabel="share of the listings with a verdict", xlim=(0, 1))
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize="x-small", ncols=4, loc="lower right", bbox_to_anchor=(1, 1))


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _risks(axes: Any, run: Drawn) -> None:
    found = {label: [row.risk for row in run.judged if row.label == label] for label in LABELS}
    for label, risks in found.items():
        if risks:
            weights = np.full(len(risks), 1 / len(risks))
            options = {"range": (0, 1), "weights": weights, "color": LABELS[label]}
            axes.hist(risks, BINS, histtype="stepfilled", alpha=0.2, **options)
            axes.hist(risks, BINS, histtype="step", linewidth=1.6, linestyle=LINES[label], label=label, **options)
    axes.axvline(run.alarm, **CHANCE)
    axes.set(xlabel="risk; from the dashed line on, taken for fake", ylabel="share of the listings", xlim=(0, 1))
    axes.figure.legend(frameon=False, fontsize="small", ncols=3, loc="outside upper center")


def _roc(axes: Any, run: Drawn) -> None:
    columns = Columns.of([row for row in run.judged if FIGURES["auroc"].about(row)])
    false, true = metrics.roc_curve(columns.fake, columns.risk)
    axes.plot(false, true, color=INK, label=f"AUROC {run.figures['auroc']}")
    axes.plot([0, 1], [0, 1], **CHANCE)
    axes.set(xlabel="share of genuine listings alarmed", ylabel="share of fakes found", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(frameon=False, fontsize="small", loc="lower right")


def _coverage(axes: Any, run: Drawn) -> None:
    columns = Columns.of(run.shifted)
    coverage, risk = metrics.risk_coverage(columns.wrong, columns.confidence)
    axes.plot(coverage, risk, color=INK, label=f"area {run.figures['risk_coverage_area']}")
    axes.axhline(risk[-1], **CHANCE, label="in random order")
    axes.axvline(1 - columns.abstained.mean(), color=COLOURS["insufficient_evidence"], linewidth=1, label="answered")
    axes.set(xlabel="share of the listings answered", ylabel="share of errors", xlim=(0, 1), ylim=(0, None))
    axes.figure.legend(frameon=False, fontsize="small", ncols=3, loc="outside upper center")


def _reliability(axes: Any, run: Drawn) -> None:
    table = run.reliability
    axes.plot([0, 1], [0, 1], **CHANCE)
    limits = np.array([metrics.binomial_interval(round(row.share * row.rows), row.rows) for row in table]).T
    share, probability = np.array([row.share for row in table]), [row.probability for row in table]
    axes.errorbar(probability, share, np.abs(limits - share), color=INK, marker="o", markersize=4, linewidth=1)
    axes.set(xlabel="probability given", ylabel="share of fakes", xlim=(0, 1), ylim=(0, 1))
