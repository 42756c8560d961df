"""Which genuine product a photo shows, and whether it shows one at all."""

from __future__ import annotations

import numpy as np

from ..types import Evidence
from ..types.fields import folded
from .suspects import Suspects

__all__ = ["Similarity"]

COSINE_WEIGHT = 0.3  # chosen on grocery train + val against shoes


class Similarity:
    """How unlike everything in the catalogue a photo is.

    ``score`` = mean similarity to other products - similarity to the best reference - 0.3 x the best plain cosine of
    the global vectors. The first two say how little the best stands out: the photo's own likeness to unrelated goods (a
    cohort, as in speaker verification: Auckenthaler et al. 2000) takes out what a dim or busy photo does to every
    similarity. The last says whether it is this kind of thing at all. High scores mean: not in the catalogue.
    """

    name = "similarity"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        catalog, found = suspects.catalog, suspects.neighbours
        results = []
        for row in range(len(suspects)):
            nearest, brand = suspects.nearest(row), suspects.listings[row].brand
            best = catalog.references[nearest]
            told = catalog.has_namesake(best) if brand is None else folded(brand) != folded(best.brand)
            name = f"{best.product} of {best.brand}" if told else best.product
            similarity = float(found.scores[row, 0])
            others = found.cohort[row][found.cohort_goods != catalog.goods[nearest]]
            usual = float(np.mean(others)) if len(others) else 0.0
            results.append(
                Evidence(
                    score=usual - similarity - COSINE_WEIGHT * float(found.cosine[row]),
                    text=f"The nearest product is {name} (likeness {similarity:.2f}; others {usual:.2f}).",
                    references=tuple(catalog.references[int(key)].id for key in found.rows[row][:3] if key >= 0),
                )
            )
        return results
