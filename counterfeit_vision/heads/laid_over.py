"""What claims show about a photo that is laid over the genuine ones: where on the photo, and both side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._arrays import Floats, Pixels
from ..geometry.laying import Laid
from ..io.thumbnails import small_jpeg
from ..marks.finding import Found, region_around
from ..marks.ink import Drawn, MarkInk
from ..marks.ink_deviation import InkDeviation
from ..marks.stencil import Stencil
from ..products.differences import Difference
from ..products.whole import WholeProduct
from ..types import Evidence, PhotoView, Region
from ..types.wording import number
from .suspects import Suspects

__all__ = [
    "crop_view",
    "differs_as_a_whole",
    "differs_in_drawing",
    "drawn_otherwise",
    "in_spreads",
    "laid_over",
    "no_mark",
    "no_mark_but_elsewhere",
    "side_by_side",
    "unsaid",
]

CELLS = 64  # of a heat map, on the photo's long side
REACH = 10  # pixels of the frame around the strangest spot that its box shows

# Correlations of found marks with the genuine ones at which heads say what is usual: marks that lie badly deviate more
LIKENESS = (0.54, 0.66, 0.76, 0.83, 0.88, 0.95)


def no_mark(reason: str) -> Evidence:
    """Not found is not proof of a fake, a photo may show the back: the claim does not apply."""
    return Evidence.not_applicable(f"No mark was found: {reason}.")


def no_mark_but_elsewhere(reason: str, why: str) -> Evidence:
    """As :func:`no_mark`, where the marks are :meth:`~.suspects.Suspects.shown_elsewhere`."""
    return no_mark(f"{reason}; {why}")


def unsaid(reason: str) -> Evidence:
    """The claim does not apply, for a reason that is made a sentence."""
    return Evidence.not_applicable(reason[:1].upper() + reason[1:] + ".")


def in_spreads(deviation: float, found: Found, medians: Sequence[float], spreads: Sequence[float]) -> float:
    """A deviation in spreads of genuine photos above their median, both at each of :data:`LIKENESS`."""
    usual, spread = (np.interp(found.likeness, LIKENESS, values) for values in (medians, spreads))
    return float((deviation - usual) / spread)


def laid_over(
    suspects: Suspects,
    row: int,
    goods: str,
    laid: Laid,
    map_: Floats,
    *,
    score: float,
    text: str,
    whole: WholeProduct | None = None,
) -> Evidence:
    """Evidence with its heat map, its strangest spot and the crops; ``map_`` (h, w) lies over the frame: that of the
    ``whole`` product, or the marks' stencil's.
    """
    references, crops = side_by_side(suspects, row, goods, laid, whole)
    return Evidence(
        score=score,
        text=f"Laid over {number(len(references), 'genuine photo')} of {suspects.product_of(goods)}, {text}",
        region=peak(laid, map_, suspects.size(row)),
        heatmap=on_photo(map_, laid, suspects.size(row)),
        references=references,
        crops=crops,
    )


def drawn_otherwise(
    suspects: Suspects,
    row: int,
    compare: Callable[[Sequence[MarkInk], Sequence[Drawn | None], Found], InkDeviation | str],
    usual: tuple[Sequence[float], Sequence[float]],
) -> Evidence:
    """What ``compare`` says of how the marks of a photo are drawn. ``usual``: medians and spreads of genuine photos, as
    in :func:`in_spreads`.
    """
    mark = suspects.mark(row)
    if isinstance(mark, str):
        return no_mark(mark)
    goods, found = mark
    marks = suspects.version_of(row, goods).ink
    deviation = compare(marks, suspects.drawn(row), found)
    if isinstance(deviation, str):
        return unsaid(deviation)
    times = f"{deviation.score:.1f} times what nine of ten rendered genuine photos stay below"
    if deviation.judged < len(marks):
        times += f", {deviation.judged} of {len(marks)} marks judged"
    return laid_over(
        suspects,
        row,
        goods,
        found,
        deviation.map,
        score=in_spreads(deviation.score, found, *usual),
        text=f"what differs most in how a mark is drawn: {deviation.text}, {times}."
        if deviation.score >= 1
        else f"how the marks are drawn differs by {times}.",
    )


def differs_as_a_whole(
    suspects: Suspects,
    row: int,
    compare: Callable[[WholeProduct, Laid], Difference | str],
) -> Evidence:
    """What ``compare`` says of a photo that is laid over the whole side of a product, or why nothing."""
    over = suspects.whole(row)
    if isinstance(over, str):
        return unsaid(over)
    mark = suspects.mark(row)
    if isinstance(mark, str) and (why := suspects.shown_elsewhere(row)):
        return no_mark_but_elsewhere(mark, why)
    goods, whole, laid = over
    found = compare(whole, laid)
    if isinstance(found, str):
        return unsaid(found)
    return laid_over(
        suspects,
        row,
        goods,
        laid,
        found.map,
        score=found.score,
        text=found.text,
        whole=whole,
    )


def differs_in_drawing(
    suspects: Suspects, row: int, compare: Callable[[WholeProduct, Laid, Floats], Difference]
) -> Evidence:
    """As :func:`differs_as_a_whole`, of what is drawn: ``compare`` is given how far it differs everywhere, too."""
    return differs_as_a_whole(suspects, row, lambda whole, laid: compare(whole, laid, suspects.unlike_all(row)))


def side_by_side(
    suspects: Suspects, row: int, goods: str, laid: Laid, whole: WholeProduct | None = None
) -> tuple[tuple[str, ...], tuple[PhotoView, PhotoView]]:
    """The ids of the genuine photos that a photo is laid over, ``whole`` or its marks, the most alike first; and its
    crop beside that one's.
    """
    known = suspects.version_of(row, goods)
    assert isinstance(known.stencil, Stencil)
    keys = known.shown_by if whole is None else known.shown_by[list(whole.rows)]
    genuine = known.stencil if whole is None else whole
    first = genuine.most_alike(laid)
    ids = [suspects.catalog.references[int(key)].id for key in keys]
    references = (ids[first], *ids[:first], *ids[first + 1 :])
    mine = crop_view("this photo", laid.crop, "laid over the catalogue's photos")
    return references, (mine, crop_view(references[0], genuine.crops[first], suspects.product_of(goods)))


def crop_view(name: str, crop: Pixels, caption: str) -> PhotoView:
    """A crop (h, w, 3), to be shown to people."""
    return PhotoView(name, small_jpeg(crop), (crop.shape[1], crop.shape[0]), caption)


def on_photo(map_: Floats, laid: Laid, size: tuple[int, int]) -> Floats:
    """A map over the frame -> (rows, columns) over the photo of ``size`` (width, height), largest in each cell."""
    rows, columns = (max(1, round(side * CELLS / max(size))) for side in size[::-1])
    heat = np.zeros((rows, columns), np.float32)
    there = laid.inside & (map_ > 0)
    x, y = (
        np.clip((laid.warp[there, axis] * (cells / size[axis])).astype(int), 0, cells - 1)
        for axis, cells in enumerate((columns, rows))
    )
    np.maximum.at(heat, (y, x), map_[there])
    return heat


def peak(laid: Laid, map_: Floats, size: tuple[int, int]) -> Region | None:
    """The box on the photo of ``size`` (width, height) around all that has the map's largest value; ``None`` where the
    photo does not show it.
    """
    y, x = np.nonzero((map_ == map_.max()) & laid.inside)
    if not len(y):
        return None
    part = laid.warp[max(0, y.min() - REACH) : y.max() + REACH + 1, max(0, x.min() - REACH) : x.max() + REACH + 1]
    return region_around(part.reshape(-1, 2), size[::-1])
