"""Whether the marks are drawn as the genuine ones: in strokes of the same weight and in ink of the same colour."""

from __future__ import annotations

from ..mark_ink import compare_ink
from ..types import Evidence
from .base import Suspects
from .laid_over import in_spreads, laid_over, no_mark, unsaid

__all__ = ["Ink"]

# Deviation of genuine photos of the market's seeds 0 to 3: median, and mean excess over it
USUAL = ((0.72, 0.72, 0.72, 0.72, 0.72, 0.72), (0.72, 0.72, 0.72, 0.72, 0.6, 0.33))


class Ink:
    """How far the weight of a mark's strokes, or the colour of its ink, is from the genuine ones
    (:mod:`~counterfeit_vision.mark_ink`): the property that deviates most counts. ``score`` is in spreads of genuine
    photos above their median.
    """

    name = "ink"

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return no_mark(mark)
        goods, found = mark
        deviation = compare_ink(suspects.marks_of(goods).ink, suspects.drawn(row), found.inside.shape)
        if isinstance(deviation, str):
            return unsaid(deviation)
        return laid_over(
            suspects,
            row,
            goods,
            found,
            deviation.map,
            score=in_spreads(deviation.score, found, *USUAL),
            text=f"what differs most in how a mark is drawn: {deviation.text}, {deviation.score:.1f} times what nine "
            "of ten rendered genuine photos stay below.",
        )
