"""Making the stencil of a product's marks, of its reference photos and the boxes drawn around its marks.

One of them is the frame that all others are laid over, as a suspect's photo is
(:mod:`~counterfeit_vision.marks.finding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .._arrays import Matrix, Pixels
from ..geometry.keypoints import Keypoints
from ..geometry.laying import Pyramid, framed, inverse, places
from ..geometry.versions import same_version
from ..types import Region
from .finding import FOUND, MOST, SAY, SMALLEST, Found, MarkFeatures, box_around, is_found, lay_over, looked_for, moved
from .relief import without_ink
from .stencil import Stencil

__all__ = ["MARGIN", "SIDE", "make_stencil"]

SIDE = 256  # pixels on the long side of a frame
MARGIN = 0.35  # of the marks' common box, added around it: what surrounds a mark says where it should be
BLANK = 1.0  # grey level of local spread: where none of a reference's boxes has more, nothing is drawn in them
# On seed 0 of benchmarks/kinds.py, 20 of printed.py and market 240, prints have 0.73 to 1.0, those on shirts in folds
# 0.15 to 0.48, and what is engraved or stamped 0 to 0.56; on seed 1, where some share their light, up to 0.81
PRINTED = 0.6  # mean likeness of references to the first of them, from which their marks are no relief
FIRSTS = 4  # references with boxes that are tried as the base, until the others are so much like one
BETTER = 0.2  # by which they must be more like a later base: a brand gives its best photo first
# Of the box around the first's marks on another reference, and of that around the boxes drawn there, the share that is
# both's: of 12 printed goods (seeds 160, 161) 0.92 and more; of cartons (train), which lie more roughly, 0.28 and more;
# where the first's box is the whole photo, 0.18 and less; drawn 2.2 times as long and wide as the marks, 0.25 and more
SAME = 0.2
CLEARER = 0.1  # by which they must be more alike by their edges than as they are, to be a relief


def make_stencil(
    photos: Sequence[Pixels], regions: Sequence[Sequence[Region]], features: Sequence[MarkFeatures] | None = None
) -> Stencil | str:
    """Lay reference photos (h, w, 3) over one whose ``regions`` show marks; or why that can't be done.

    It is the first that has regions; or, where the others are little like it, as it may show its marks from the side,
    of the first :data:`FIRSTS` the one that they are much more like. Nor is it one whose regions are drawn around
    something else than most others' are, unless each is. A reference that does not fit, or shows little of the marks,
    is left out. Regions of the others are not needed. ``features``: the photos' local features, where known.
    Where references are much alike by their edges, and not as they are, the marks are a relief; and where no ink tells
    them, unless their edges are less alike.
    """
    printed, alike = _stencil(photos, regions, features, PRINTED, relief=False)
    if isinstance(printed, str):
        return printed
    bare = without_ink(printed.crops, printed.boxes)
    if not bare and (alike >= PRINTED or len(photos) < 2):
        return printed
    least = alike + (0 if bare else CLEARER)
    raised, clearer = _stencil(photos, regions, None, max(least, PRINTED), relief=True)
    return printed if isinstance(raised, str) or clearer < least else raised


def _stencil(
    photos: Sequence[Pixels],
    regions: Sequence[Sequence[Region]],
    features: Sequence[MarkFeatures] | None,
    enough: float,
    *,
    relief: bool,
) -> tuple[Stencil | str, float]:
    """:func:`make_stencil` of a relief or of what is none; and the mean likeness of the other references' marks to the
    first's, 0 where they were not found; of what is no relief that of a version to its own first's. From ``enough`` on
    no other is tried as the first.
    """
    features = features or [MarkFeatures.of(photo, relief=relief) for photo in photos]
    reasons, laid = list[str](), list[tuple[Stencil, float]]()
    for main in (row for row, boxes in enumerate(regions) if boxes):
        first = _framed(main, photos[main], features[main], regions[main])
        if isinstance(first, str):
            reasons.append(first)
            continue
        laid.append(_with_others(first, photos, features, regions))
        if laid[-1][1] >= enough or len(laid) == FIRSTS:
            break
    if not laid:
        reasons.append("no reference photo of it has a region drawn around its marks, and none was found on them")
        return reasons[0], 0.0
    best = max(laid, key=lambda one: one[1])
    return best if best[1] >= laid[0][1] + BETTER else laid[0]


class _Placed(NamedTuple):
    """A reference laid over another; its row, and its local features where they lie in the frame."""

    row: int
    laid: Found
    points: Keypoints


def _with_others(
    first: Stencil,
    photos: Sequence[Pixels],
    features: Sequence[MarkFeatures],
    regions: Sequence[Sequence[Region]],
) -> tuple[Stencil, float]:
    """The stencil of one reference with the others that fit laid over it, and how alike they are: 0 where most of those
    that show its marks have boxes around something else.
    """
    placed = list[_Placed]()
    for row, photo in enumerate(photos):
        if row not in first.rows:
            found, points = looked_for(first, photo, features[row])
            if not isinstance(found, str) and not _shows_another_side(found, regions[row]):
                placed.append(_Placed(row, found, moved(points, inverse(found.matrix))))
    alike = {one.row: one.laid.likeness for one in placed if is_found(one.laid)}
    fit = [one for one in placed if one.laid.inside[first.on_mark()].mean() >= MOST]
    others = [one for one in fit if is_found(one.laid)]
    others += _of_other_versions(first, [one for one in fit if not is_found(one.laid)], photos)
    near = [_near(points, first.shape) for points in (first.keypoints, *(one.points for one in others))]
    stencil = replace(
        first,
        crops=np.stack([first.crops[0], *(one.laid.crop for one in others)]),
        inside=np.stack([first.inside[0], *(one.laid.inside for one in others)]),
        rows=(*first.rows, *(one.row for one in others)),
        warps=np.stack([first.warps[0], *(one.laid.warp for one in others)]),
        keypoints=Keypoints(
            np.concatenate([keypoints.points for keypoints in near]),
            np.concatenate([keypoints.descriptors for keypoints in near]),
            np.concatenate([keypoints.tips for keypoints in near]),
        ),
    )
    for version in stencil.versions[1:]:
        if len(version.rows) > 1 and not first.relief:  # by edges, photos of the back may have a place, and be alike
            alike |= dict.fromkeys(version.rows, version.alike)
    boxed = [one for one in placed if is_found(one.laid) and regions[one.row]]
    same = [_borne_out(one.laid, regions[one.row]) for one in boxed]
    odd = np.median(same or [1.0]) < SAME
    return stencil, 0.0 if odd else float(sum(alike.values()) / max(len(photos) - 1, 1))


def _of_other_versions(first: Stencil, placed: list[_Placed], photos: Sequence[Pixels]) -> list[_Placed]:
    """Of references in whose place of the marks lies something else than the first's, those that show the same there as
    another of them, which they are laid over. That is mostly a version of the goods, as bad photos are not alike; but
    two photos of another side may be.
    """
    kept = list[_Placed]()
    while placed:
        base, *rest = placed
        alone = replace(first, crops=base.laid.crop[None], inside=base.laid.inside[None])
        same, placed = [base], []
        for one in rest:
            laid = lay_over(alone, Pyramid(photos[one.row]), one.laid.matrix, blurred=False)
            if laid is not None and same_version(
                base.laid.crop, laid.crop, base.laid.inside & laid.inside & alone.drawn, relief=alone.relief
            ):
                same.append(one._replace(laid=laid))
            else:
                placed.append(one)
        kept += same if len(same) > 1 else []
    return kept


def _borne_out(laid: Found, drawn: Sequence[Region]) -> float:
    """How far the boxes drawn on a photo are those of the marks laid over it: all together, or each is one of these."""
    return max(_shared(laid.region, box_around(drawn)), _each_borne_out(laid, drawn))


def _each_borne_out(laid: Found, drawn: Sequence[Region]) -> float:
    return min(max(_shared(one, other) for one in laid.regions) for other in drawn)


def _shows_another_side(laid: Found, drawn: Sequence[Region]) -> bool:
    """Whether the boxes drawn on a photo are not all of the marks laid over it, of which it lacks some: the back may
    bear the brand's name, too, or lie as the front does.
    """
    return bool(drawn) and min(laid.likenesses) < FOUND and _each_borne_out(laid, drawn) < SAME


def _shared(one: Region, other: Region) -> float:
    """Of what is in one of them, the share that is in both."""
    both = one.shared_with(other)
    return both / (one.area + other.area - both)


def _framed(row: int, photo: Pixels, features: MarkFeatures, regions: Sequence[Region]) -> Stencil | str:
    """The stencil of one reference photo (h, w, 3) alone, the ``row``-th of those given; or why it shows no marks."""
    boxes = np.array([region.to_list() for region in regions], np.float64)
    x0, y0, x1, y1 = box_around(regions).to_list()
    grow = MARGIN * max(x1 - x0, y1 - y0)
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = max(0.0, x0 - grow), max(0.0, y0 - grow), min(width, x1 + grow), min(height, y1 + grow)
    if min(x1 - x0, y1 - y0) < SMALLEST:
        return f"the regions around its marks are smaller than {SMALLEST} pixels"
    scale = SIDE / max(x1 - x0, y1 - y0)
    shape = (round((y1 - y0) * scale), round((x1 - x0) * scale))
    matrix = np.array([[1 / scale, 0, x0], [0, 1 / scale, y0], [0, 0, 1.0]])
    own = moved(_describing(features, boxes), inverse(matrix))
    first = Stencil(
        crops=framed(photo, matrix, shape)[None],
        inside=np.ones((1, *shape), bool),
        boxes=np.asarray((boxes - [x0, y0, x0, y0]) * scale, np.float32),
        rows=(row,),
        warps=places(matrix, shape)[None],
        keypoints=own,
        around=own,
        relief=features.relief,
    )
    if first.spread[first.on_mark()].max() < BLANK:
        return "nothing is drawn in the regions around its marks"
    return first


def _describing(features: MarkFeatures, boxes: Matrix) -> Keypoints:
    """A reference's strongest features, or, where hardly any is on its marks' ``boxes`` (m, 4), what is spread."""
    x, y = features.strongest.points.T[:, :, None]
    x0, y0, x1, y1 = boxes.T
    on_marks = ((x > x0) & (x < x1) & (y > y0) & (y < y1)).any(axis=1)
    spread = features.spread if on_marks.sum() < SAY else None
    return features.strongest if spread is None else spread


def _near(points: Keypoints, shape: tuple[int, int]) -> Keypoints:
    """The features in the frame, or not far outside it."""
    size = np.array([shape[1], shape[0]], np.float32)
    kept = ((points.points > -0.3 * size) & (points.points < 1.3 * size)).all(axis=1)
    return points.at(np.asarray(kept))
