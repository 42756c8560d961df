"""Whether the marks are drawn in ink of the same colour as the genuine ones, and all their inks in register."""

from __future__ import annotations

from ..marks.ink_deviation import compare_colours
from ..marks.stencil import Stencil
from ..types import Evidence
from .laid_over import drawn_otherwise, unsaid
from .suspects import Suspects

__all__ = ["Ink"]

# Deviation of genuine photos of the market's seeds 240 and 241: median, and mean excess over it
USUAL = ((0.64,) * 6, (0.37,) * 6)


class Ink:
    """How far the colour of a mark's ink is from the genuine ones' (:mod:`~counterfeit_vision.marks.ink_deviation`), as
    a whole or in the part that deviates most; and how far its inks are out of register, as a reprint's often are.
    ``score`` is in spreads of genuine photos above their median. It is a claim beside
    :class:`~counterfeit_vision.heads.Strokes`, and not one with it: where strokes vary from photo to photo, as in large
    photos a little out of focus, another colour would not stand out.
    """

    name = "ink"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        mark = suspects.mark(row)
        if not isinstance(mark, str):
            stencil = suspects.version_of(row, mark[0]).stencil
            if isinstance(stencil, Stencil) and mark[1].lacks_colours(stencil.crops):
                return unsaid("the photo is black and white")
        return drawn_otherwise(
            suspects,
            row,
            lambda marks, drawn, found: compare_colours(
                marks, drawn, found.inside.shape, found.scale, suspects.saturation(row)
            ),
            USUAL,
        )
