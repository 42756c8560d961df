"""Whether a product has the colours of the genuine one, marks or not."""

from __future__ import annotations

from dataclasses import replace

from ..products.differences import colours_differ
from ..types import Evidence
from .laid_over import differs_as_a_whole
from .suspects import Suspects

__all__ = ["Colours"]


class Colours:
    """How far the colours of the side that bears the marks are from those of the genuine photos there, the light taken
    out (:mod:`~counterfeit_vision.products.differences`). The tenth that differs most counts: ``score`` is the
    logarithm of it, in parts of a colour.
    """

    name = "colours"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        evidence = differs_as_a_whole(
            suspects, row, lambda whole, laid: colours_differ(whole, laid, suspects.saturation(row))
        )
        return replace(evidence, unlike=suspects.unlike(row)) if evidence.applicable else evidence
