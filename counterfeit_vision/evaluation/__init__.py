"""How good an inspector is on labelled listings: who was accused wrongly, what was found, and how sure that is.

``run.py`` judges a labelled file, one row a listing; everything else is worked out from these rows, so that a saved run
can be read back and compared with another: ``figures.py`` says what each figure is, ``result.py`` gathers, compares and
keeps them, ``charts.py`` draws them, ``confidence.py`` says which answers are the surer ones. ``metrics.py`` is plain
numpy and needs none of these, so they are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .figures import Estimate, Judged
    from .result import Comparison, Evaluation, Line
    from .run import evaluate, labelled_rows

_HOMES = {
    "Comparison": "result",
    "Estimate": "figures",
    "Evaluation": "result",
    "Judged": "figures",
    "Line": "result",
    "evaluate": "run",
    "labelled_rows": "run",
}

__all__ = ["Comparison", "Estimate", "Evaluation", "Judged", "Line", "evaluate", "labelled_rows"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    return value
