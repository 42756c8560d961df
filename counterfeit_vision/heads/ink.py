"""Whether the marks are drawn as the genuine ones: in strokes of the same weight and in ink of the same colour."""

from __future__ import annotations

from ..mark_ink import compare_ink
from ..marks import Stencil
from ..stream import small_jpeg
from ..types import Evidence, PhotoView
from .base import Suspects
from .patches import on_photo, peak

__all__ = ["Ink"]

USUAL = (0.7, 0.6)  # deviation of genuine photos of the market's seeds 0 to 2: median, spread
CELLS = 64  # of a heat map, on the photo's long side


class Ink:
    """How far the weight of a mark's strokes, or the colour of its ink, is from the genuine ones
    (:mod:`~counterfeit_vision.mark_ink`): the property that deviates most counts. ``score`` is in spreads of genuine
    photos above their median.
    """

    name = "ink"

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._one(suspects, row) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return Evidence.not_applicable(f"No mark was found: {mark}.")
        goods, found = mark
        deviation = compare_ink(suspects.catalog.mark_ink(goods), found)
        if isinstance(deviation, str):
            return Evidence.not_applicable(deviation[:1].upper() + deviation[1:] + ".")
        catalog, product = suspects.catalog, goods.split("/", 1)[1]
        stencil = catalog.stencil(goods)
        assert isinstance(stencil, Stencil)
        keys = [int(key) for key in catalog.stencil_rows(goods)[list(stencil.rows)]]
        views = tuple(
            PhotoView(name, small_jpeg(crop), (crop.shape[1], crop.shape[0]), caption)
            for name, crop, caption in (
                (suspects.photos.ids[row], found.crop, "laid over the genuine"),
                (catalog.references[keys[0]].id, stencil.crops[0], product),
            )
        )
        return Evidence(
            score=(deviation.score - USUAL[0]) / USUAL[1],
            text=f"Of a mark beside {len(keys)} genuine photos of {product}, what differs most: {deviation.text}, "
            f"{deviation.score:.1f} times what nine of ten genuine photos stay below.",
            region=peak(found, deviation.map),
            heatmap=on_photo(deviation.map, found, suspects.size(row), CELLS),
            references=tuple(catalog.references[key].id for key in keys),
            crops=(views[0], views[1]),
        )
