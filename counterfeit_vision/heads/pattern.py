"""Whether a product is covered with the pattern of the genuine one."""

from __future__ import annotations

from ..products.differences import pattern_differs
from ..types import Evidence
from .laid_over import differs_in_drawing
from .suspects import Suspects

__all__ = ["Pattern"]


class Pattern:
    """How far what is drawn all over the side that bears the marks is from what the genuine photos show there
    (:mod:`~counterfeit_vision.products.differences`): another motif, or a pattern that is smaller, mirrored, turned or
    shifted at a seam. ``score`` is the logarithm of what a quarter of it differs by, in what is drawn on all of it.
    """

    name = "pattern"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: differs_in_drawing(suspects, row, pattern_differs))
