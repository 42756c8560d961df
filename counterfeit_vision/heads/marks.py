"""Whether the photo shows the mark of the product that it is said to show."""

from __future__ import annotations

import numpy as np

from ..types import Evidence
from .base import Suspects
from .laid_over import no_mark

__all__ = ["Mark"]

CERTAIN = 0.95  # correlation with the genuine marks beyond which more says nothing


class Mark:
    """How unlike the genuine marks the found ones are as a whole: ``score`` = 1 - correlation, light taken out."""

    name = "mark"

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._one(suspects, row) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return no_mark(mark)
        goods, found = mark
        return Evidence(
            score=1 - float(np.minimum(found.likeness, CERTAIN)),
            text=f"The marks of {goods.split('/', 1)[1]} are on the photo (correlation {found.likeness:.2f}).",
            region=found.region,
            references=(suspects.catalog.references[int(suspects.catalog.marks_of(goods).rows[0])].id,),
        )
