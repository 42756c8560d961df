"""Whether all that is drawn on a product is as on the genuine one, marks or not."""

from __future__ import annotations

from dataclasses import replace

from ..products.differences import drawing_differs, shade_over
from ..types import Evidence
from .laid_over import differs_in_drawing
from .suspects import Suspects

__all__ = ["Drawing"]


class Drawing:
    """How far what is drawn on the side that bears the marks is from what the genuine photos show there
    (:mod:`~counterfeit_vision.products.differences`): a stripe too many, another pattern, a line of small print that is
    missing. What differs most counts: ``score`` is the logarithm of it, in what is drawn on the product all over.
    """

    name = "drawing"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        evidence, over = differs_in_drawing(suspects, row, drawing_differs), suspects.whole(row)
        return evidence if isinstance(over, str) else replace(evidence, shaded=shade_over(*over[1:]))
