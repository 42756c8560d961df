"""Whether the marks are drawn in strokes of the same weight as the genuine ones."""

from __future__ import annotations

from ..marks.ink_deviation import compare_strokes
from ..types import Evidence
from .laid_over import drawn_otherwise
from .suspects import Suspects

__all__ = ["Strokes"]

# Deviation of genuine photos of the market's seeds 240 and 241: median, and mean excess over it
USUAL = ((0.55,) * 6, (0.7, 0.68, 0.66, 0.62, 0.51, 0.32))


class Strokes:
    """How far the weight of a mark's strokes is from the genuine ones'; the mark that deviates most counts
    (:mod:`~counterfeit_vision.marks.ink_deviation`). ``score`` is in spreads of genuine photos above their median.
    """

    name = "strokes"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(
            lambda row: drawn_otherwise(
                suspects, row, lambda marks, drawn, found: compare_strokes(marks, drawn, found.inside.shape), USUAL
            )
        )
