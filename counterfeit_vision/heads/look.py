"""Whether a product's marks, with what surrounds them, look like the genuine ones to the encoder."""

from __future__ import annotations

import math

from ..types import Evidence
from .laid_over import no_mark_but_elsewhere, side_by_side, unsaid
from .suspects import Suspects

__all__ = ["Look"]

FLOOR = 0.03  # of 1 - cosine: less is light, blur and a pixel of misfit


class Look:
    """How unlike the genuine marks whatever lies in their place is as a whole, whether marks were found there or not.

    It is cut out, laid over the genuine marks and encoded by itself: ``score`` = log(0.03 + 1 - the cosine of its
    global vector with the most alike genuine photo's). Pixels tell which stroke is another; this tells what is there
    instead of a mark: another mark, other words, bare card or a hand. Local features of all that is printed on the
    product tell the place.
    """

    name = "look"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        place, mark = suspects.place(row), suspects.mark(row)
        if isinstance(place, str):
            return unsaid(place)
        if isinstance(mark, str) and (why := suspects.shown_elsewhere(row)):
            return no_mark_but_elsewhere(mark, why)
        seen = suspects.close_up(row)
        if seen is None or (details := suspects.version_of(row, place[0]).details) is None:
            return Evidence.not_applicable("This encoder gives no patch tokens.")
        if not any(suspects.alone(row)):
            return Evidence.not_applicable("The photo shows too little of each mark.")
        goods, found = place
        references, crops = side_by_side(suspects, row, goods, found)
        unlikeness, product = details.unlikeness(seen), suspects.product_of(goods)
        cosine = f"a cosine of {1 - unlikeness:.2f} with those on the catalogue's photos"
        return Evidence(
            score=math.log(FLOOR + unlikeness),
            text=f"The marks of {product} were not found; what lies in their likeliest place has {cosine}."
            if isinstance(mark, str)
            else f"The marks of {product}, cut out, have {cosine}.",
            region=found.region,
            references=references,
            crops=crops,
        )
