"""Whether the marks lie to each other as they should: none turned, slanted, stretched or shifted beside another."""

from __future__ import annotations

from .._arrays import Floats
from ..geometry.lens import find_lens, straightened
from ..marks.finding import Found
from ..types import Evidence
from .laid_over import laid_over, no_mark, unsaid
from .suspects import Suspects

__all__ = ["Layout"]

USUAL = (0.5, 0.53)  # deviation of genuine photos of the market's seeds 0 to 2: median, mean excess over it


class Layout:
    """How far a product's marks are turned, stretched or shifted beside one another, the camera's view and its
    lens taken out (:mod:`~counterfeit_vision.marks.layout`). It needs two marks. ``score`` is in spreads of genuine
    photos above their median.
    """

    name = "layout"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return no_mark(mark)
        goods, found = mark
        deviation = suspects.version_of(row, goods).layout.compare(
            suspects.drawn(row), found, lambda: self._straight(suspects, row, found)
        )
        if isinstance(deviation, str):
            return unsaid(deviation)
        times = f"{deviation.score:.1f} times what is usual for genuine photos"
        return laid_over(
            suspects,
            row,
            goods,
            found,
            deviation.map,
            score=(deviation.score - USUAL[0]) / USUAL[1],
            text=f"{deviation.text}, {times}."
            if deviation.score >= 1
            else f"how its marks lie beside one another differs by {times}.",
        )

    def _straight(self, suspects: Suspects, row: int, found: Found) -> Floats | None:
        """Where the marks would lie on the photo without its lens; ``None`` where it lies over no whole side."""
        over, size = suspects.whole(row), suspects.size(row)
        if isinstance(over, str):
            return None
        _, whole, laid = over
        return straightened(found.warp, find_lens(whole.target, laid, size), size)
