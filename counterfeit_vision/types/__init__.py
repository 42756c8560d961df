"""The things that travel between rooms: what goes in, the rows in the middle, and what comes out.

``inputs.py`` holds what goes in (:class:`Listing`, :class:`Reference`, :class:`Region`, :class:`Seller`), checked where
it is made with what ``fields.py`` knows; ``rows.py`` structs of aligned numpy arrays (:class:`Embeddings`,
:class:`Matches`) and an input that gave nothing (:class:`Failure`). One object per listing exists only at the end, for
people: the :class:`Verdict` of ``verdict.py`` with its :class:`Evidence`, a head's, of ``evidence.py``.
"""

from __future__ import annotations

from .evidence import Evidence
from .fields import LONGEST_ID, composed
from .inputs import GALLERIES, Listing, Photo, Reference, Region, Seller, check_count, check_list
from .rows import Embeddings, Failure, Matches, PhotoView
from .verdict import DECISIONS, Decision, Verdict

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
