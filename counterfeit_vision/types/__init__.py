"""The things that travel between rooms: what goes in, the rows in the middle, and what comes out.

``inputs.py`` holds what goes in (:class:`Listing`, :class:`Reference`, :class:`Region`, :class:`Seller`), checked where
it is made with what ``fields.py`` knows; ``rows.py`` structs of aligned numpy arrays (:class:`Embeddings`,
:class:`Matches`) and an input that gave nothing (:class:`Failure`). One object per listing exists only at the end, for
people: the :class:`Verdict` of ``verdict.py`` with its :class:`Evidence`, a head's, of ``evidence.py``.

Below them are ``checks.py``, what is asked of any value, and ``wording.py``, numbers in words. The records are loaded
on first use, as ``wording.py`` needs no numpy and the command line begins with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evidence import Evidence
    from .fields import LONGEST_ID, composed
    from .inputs import GALLERIES, Listing, Photo, Reference, Region, Seller, check_count, check_list
    from .rows import Embeddings, Failure, Matches, PhotoView
    from .verdict import DECISIONS, Decision, Verdict

_HOMES = {
    "DECISIONS": "verdict",
    "GALLERIES": "inputs",
    "LONGEST_ID": "fields",
    "Decision": "verdict",
    "Embeddings": "rows",
    "Evidence": "evidence",
    "Failure": "rows",
    "Listing": "inputs",
    "Matches": "rows",
    "Photo": "inputs",
    "PhotoView": "rows",
    "Reference": "inputs",
    "Region": "inputs",
    "Seller": "inputs",
    "Verdict": "verdict",
    "check_count": "inputs",
    "check_list": "inputs",
    "composed": "fields",
}

__all__ = [
    "DECISIONS",
    "GALLERIES",
    "LONGEST_ID",
    "Decision",
    "Embeddings",
    "Evidence",
    "Failure",
    "Listing",
    "Matches",
    "Photo",
    "PhotoView",
    "Reference",
    "Region",
    "Seller",
    "Verdict",
    "check_count",
    "check_list",
    "composed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    return value
