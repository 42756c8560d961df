"""Finding a brand's marks in a photo, and laying them over the genuine ones, pixel on pixel.

A suspect's photo is laid over a :class:`~counterfeit_vision.marks.stencil.Stencil` of the genuine ones: local features
propose a homography, and a smooth warp (:mod:`~counterfeit_vision.geometry.warp`) takes up what is left of bulging
cartons, bottles and bags. No detector is trained: a new brand is new references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import cv2
import numpy as np

from .._arrays import Floats, Ints, Matrix, Pixels
from .._concurrency import cached_property
from ..geometry.keypoints import (
    Keypoints,
    find_keypoints,
    grey_of,
    match_keypoints,
    shared_plane,
    shared_views,
    spread_keypoints,
)
from ..geometry.laying import Laid, Pyramid, enlarging, lay, mapped, scaled, to_grey
from ..geometry.versions import without_light
from ..geometry.warp import Target, correlation, edges
from ..types import Region
from ..types.wording import number
from .stencil import BESIDE, Stencil

__all__ = [
    "AIR",
    "FOUND",
    "MOST",
    "SAY",
    "SMALLEST",
    "SURE",
    "Found",
    "MarkFeatures",
    "box_around",
    "cut",
    "find_marks",
    "if_found",
    "is_found",
    "lay_over",
    "likely_place",
    "looked_for",
    "moved",
    "region_around",
    "sure_place",
    "wide_view",
]

LONGEST = 1024  # pixels on the long side of the copy of a photo in which local features are looked for
SMALLEST = 16  # pixels on the shorter side of a photo, or of a reference's marks, that anything can be laid over
FEATURES = 2500  # of a photo, that are matched with those of the marks
CONTRAST = 0.008  # of local features: marks on leather or cloth are faint
TOLERANCE = 6.0  # pixels off the homography, before the warp takes up what is curved
REACH = 16.0  # pixels of the frame that features of one affine map may stray: a bag bulges
FEWEST = 7  # matched features behind a homography
WIDE = 12  # the same by all that surrounds the marks: those of the room agree by accident, too
TRIED = 2  # maps tried by a small copy's features, before those of the whole photo are
SAY = 25  # matches of each mark that propose a map, where the map that most agree with leaves a mark out
FOUND = 0.45  # correlation with the genuine marks, light taken out, at which they are found
AIR = 0.1  # of a box's shorter side, around it: the strip that counts neither as mark nor as surroundings
# Correlation of what surrounds it with the genuine, from which a place where the marks are not is theirs; on other
# goods it is an accident, with up to 0.16 on nine of ten cartons of grocery's training part
AMID = 0.2
BARE = 50  # pixels of the frame: less surroundings, or of a mark, tell nothing
NEAR = 24.0  # pixels of the copy of a photo, over which its edges are made equally strong
EVEN, FAINT = 40.0, 4.0  # of an edge of usual strength: its grey level; what is added to the usual, as grain
SURE = 0.8  # likeness that ends the search, and at which a close-up is recognised
# Likeness of the place that a small copy tells, with every mark found in it, from which no other is looked for: on
# cost's market, market 250 and seed 0 of bags, watches and printed goods what is drawn is at most 1.5 of the photo's
# pixels, in the median, off where all features tell
TRUSTED = 0.7
MOST = 0.5  # of the marks' boxes, that a photo shows
PART = 0.15  # of what is drawn in them, that a close-up shows


@dataclass(frozen=True, eq=False)
class Found(Laid):
    """Marks in a photo, laid over their stencil's frame. ``likeness`` in -1..1: correlation with the genuine marks, and
    ``beside`` that of what surrounds them, 0 where nothing does. ``regions``: the marks' boxes on the photo, and
    ``likenesses`` the correlation of each, that of all where the photo shows too little of one; all with the one of the
    stencil's ``version``s that fits best.
    """

    likeness: float
    beside: float
    regions: tuple[Region, ...]
    likenesses: tuple[float, ...]
    version: int = 0

    @property
    def region(self) -> Region:
        """The box around all of them."""
        return box_around(self.regions)


@dataclass(frozen=True, eq=False)
class MarkFeatures:
    """The local features of a photo by which :func:`find_marks` proposes places, looked for when they are first asked
    for: those of ``picture`` (h, w) uint8, a grey copy, ``times`` smaller than the photo; of a ``relief`` those of its
    edges.
    """

    picture: Pixels
    times: float
    relief: bool

    @classmethod
    def of(cls, photo: Pixels, *, relief: bool = False) -> MarkFeatures:
        """Of a photo (h, w, 3), which is not kept."""
        times = max(1.0, max(photo.shape[:2]) / LONGEST)
        copy = scaled(photo, 1 / times) if times > 1 else photo
        if not relief:
            return cls(grey_of(copy), times, relief)
        strength = edges(to_grey(copy))
        usual = cv2.GaussianBlur(strength, (0, 0), NEAR)
        return cls(np.clip(EVEN * strength / (usual + FAINT), 0, 255).astype(np.uint8), times, relief)

    @cached_property
    def strongest(self) -> Keypoints:
        """At most :data:`FEATURES`, but for such as are equally strong."""
        return self._on_photo(find_keypoints(self.picture, most=FEATURES, contrast=CONTRAST))

    @cached_property
    def spread(self) -> Keypoints | None:
        """As many as :attr:`strongest`, each part of the photo giving its share; ``None`` where the strongest are all
        there are. Else those may all lie on a carpet, and none on what is stamped into the leather before it.
        """
        if len(self.strongest) < FEATURES:
            return None
        return self._on_photo(spread_keypoints(self.picture, most=FEATURES, contrast=CONTRAST))

    def _on_photo(self, found: Keypoints) -> Keypoints:
        return found if self.times == 1 else moved(found, enlarging(1 / self.times))


def find_marks(stencil: Stencil, photo: Pixels, features: MarkFeatures | None = None) -> Found | str:
    """Where a stencil's marks are on a photo (h, w, 3), or why they were not found. ``features``: the photo's, where
    known, for such a stencil.
    """
    return if_found(likely_place(stencil, photo, features))


def is_found(place: Found | str) -> TypeGuard[Found]:
    """Whether the marks are in their :func:`likely_place`."""
    return not isinstance(place, str) and place.likeness >= FOUND


def if_found(place: Found | str) -> Found | str:
    """The :func:`likely_place` of marks, if they are there; or why they were not found."""
    return place if isinstance(place, str) or is_found(place) else _unlike(place)


def _unlike(place: Found) -> str:
    return f"what lies in the marks' place is not like them (correlation {place.likeness:.2f})"


def likely_place(stencil: Stencil, photo: Pixels, features: MarkFeatures | None = None) -> Found | str:
    """Where a stencil's marks would be on a photo (h, w, 3), whether they are there or not; or why nothing tells."""
    return looked_for(stencil, photo, features or MarkFeatures.of(photo, relief=stencil.relief))[0]


def sure_place(stencil: Stencil, photo: Pixels, points: Keypoints) -> Found | None:
    """The :func:`likely_place`, where a few ``points``, those of a small copy of the photo, leave no doubt that the
    marks are there; else ``None``.
    """
    proposals = _views(stencil.keypoints, points, _matched(stencil.keypoints, points))[:TRIED]
    place = _best(None, stencil, Pyramid(photo), proposals, blurred=False)
    return place if place is not None and place.likeness > TRUSTED and min(place.likenesses) >= FOUND else None


def cut(photo: Pixels, region: Region) -> Pixels:
    """The pixels of a region, at least one."""
    height, width = photo.shape[:2]
    x0, y0 = (int(np.clip(value, 0, most - 1)) for value, most in ((region.x0, width), (region.y0, height)))
    return photo[y0 : max(y0 + 1, int(np.ceil(region.y1))), x0 : max(x0 + 1, int(np.ceil(region.x1)))]


def region_around(places: Floats, shape: tuple[int, ...]) -> Region:
    """The upright box on a photo (h, w, ...) around ``places`` (n, 2) on it."""
    low = np.clip(places.min(axis=0), 0, [shape[1] - 2, shape[0] - 2])
    high = np.clip(places.max(axis=0), low + 1, [shape[1], shape[0]])
    return Region(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def box_around(regions: Sequence[Region]) -> Region:
    """The box around all of them."""
    boxes = np.array([region.to_list() for region in regions])
    return Region(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def looked_for(stencil: Stencil, photo: Pixels, features: MarkFeatures) -> tuple[Found | str, Keypoints]:
    """The :func:`likely_place` by the strongest features, or, where the marks are not found by them, by those that are
    spread; and those that told it.
    """
    if min(photo.shape[:2]) < SMALLEST:
        return f"the photo is only {photo.shape[1]} x {photo.shape[0]} pixels", features.strongest
    place = _place_by(stencil, photo, features.strongest)
    if is_found(place) or features.spread is None:
        return place, features.strongest
    other = _place_by(stencil, photo, features.spread)
    return (other, features.spread) if is_found(other) else (place, features.strongest)


def _place_by(stencil: Stencil, photo: Pixels, points: Keypoints) -> Found | str:
    """The :func:`likely_place` that the photo's local features ``points`` tell."""
    frame, pairs = stencil.keypoints, _matched(stencil.keypoints, points)
    proposals = [*_views(frame, points, pairs), *wide_view(stencil.around, points)]
    if not proposals:
        return f"of {number(len(points), 'local feature')} of the photo too few look like those of the marks"
    best: Found | None = None
    pyramid = Pyramid(photo)
    for blurred in (False, True):
        best = _best(best, stencil, pyramid, proposals, blurred=blurred)
        if best is not None and min(best.likenesses) < FOUND and len(stencil.boxes) > 1:
            fair = _views(frame, points, _evenly(stencil, points, pairs))
            best = _best(best, stencil, pyramid, fair, blurred=blurred)
        if best is not None and best.likeness >= FOUND:
            return best
    if best is None:
        return "the marks would lie outside the photo, or folded"
    return best if max(best.likeness / FOUND, best.beside / AMID) >= 1 else f"{_unlike(best)}, nor is what surrounds it"


def moved(points: Keypoints, matrix: Matrix) -> Keypoints:
    """The same features where a map takes them."""
    return Keypoints(mapped(matrix, points.points), points.descriptors, mapped(matrix, points.tips))


def _matched(frame: Keypoints, photo: Keypoints) -> Ints:
    """(n, 2) rows of the frame's features and of the photo's that choose each other. The frame's come from several
    references, so a feature's second best is often itself again: each of the photo's takes its best.
    """
    return match_keypoints(photo, frame, ratio=1.0)[:, ::-1]


def _views(frame: Keypoints, photo: Keypoints, pairs: Ints) -> list[Matrix]:
    """Maps from the frame to the photo by matched features: the homography that most agree with, and affine maps that a
    few do.
    """
    if len(pairs) < FEWEST:
        return []
    plane = shared_plane(frame.points[pairs[:, 0]], photo.points[pairs[:, 1]], tolerance=TOLERANCE, fewest=FEWEST)
    views = shared_views(frame, photo, pairs, tolerance=REACH)
    return views if plane is None else [plane.matrix, *views]


def _evenly(stencil: Stencil, photo: Keypoints, pairs: Ints) -> Ints:
    """Those of the ``pairs`` (n, 2) that are on a mark, of each mark the :data:`SAY` most alike: of a row of stripes,
    which fits itself when it is moved by one, the many features outvote those of a small emblem.
    """
    frame = stencil.keypoints
    low, high = stencil.boxes[:, :2], stencil.boxes[:, 2:]
    points = frame.points[pairs[:, 0]][:, None]
    off = np.maximum(np.maximum(low - points, points - high), 0).max(axis=2)
    cosine = (frame.descriptors[pairs[:, 0]] * photo.descriptors[pairs[:, 1]]).sum(axis=1)
    kept = np.zeros(len(pairs), bool)
    for mark in range(len(stencil.boxes)):
        own = np.flatnonzero((off.argmin(axis=1) == mark) & (off.min(axis=1) < BESIDE))
        kept[own[np.argsort(-cosine[own], kind="stable")[:SAY]]] = True
    return np.asarray(pairs[kept])


def wide_view(around: Keypoints, photo: Keypoints) -> list[Matrix]:
    """The map from the frame to the photo by all that surrounds the marks on the product: where a mark is small or no
    longer the genuine one, what is printed elsewhere still tells its place.
    """
    pairs = match_keypoints(photo, around)
    plane = shared_plane(around.points[pairs[:, 1]], photo.points[pairs[:, 0]], tolerance=TOLERANCE, fewest=WIDE)
    return [] if plane is None else [plane.matrix]


def _best(
    best: Found | None, stencil: Stencil, pyramid: Pyramid, proposals: Sequence[Matrix], *, blurred: bool
) -> Found | None:
    """The ``best`` so far, or what fits better by one of the ``proposals``: found marks before others, then what each
    mark says, all alike. Once each mark is sure, no more are tried.
    """
    for matrix in proposals:
        if best is not None and min(best.likenesses) > SURE:
            break
        found = _over_versions(stencil, pyramid, matrix, blurred=blurred)
        if found is not None and (best is None or _fit(found) > _fit(best)):
            best = found
    return best


def _fit(found: Found) -> tuple[bool, float]:
    return found.likeness >= FOUND, float(np.mean(found.likenesses))


def _over_versions(stencil: Stencil, pyramid: Pyramid, matrix: Matrix, *, blurred: bool) -> Found | None:
    """The photo laid over each version of a stencil; of these the one whose marks are most like the photo's, compared
    wherever any version draws something: one that draws less has less to be unlike in.
    """
    found = [lay_over(one, pyramid, matrix, blurred=blurred) for one in stencil.versions]
    laid = [replace(one, version=version) for version, one in enumerate(found) if one is not None]
    if len(laid) < 2:
        return next(iter(laid), None)
    drawn = np.any([version.drawn for version in stencil.versions], axis=0)

    def alike(one: Found) -> float:
        seen = without_light(one.crop, relief=stencil.relief)
        return correlation(stencil.versions[one.version].flattened, seen, drawn & one.inside)

    return max(laid, key=alike)


def lay_over(stencil: Stencil, pyramid: Pyramid, matrix: Matrix, *, blurred: bool) -> Found | None:
    """The photo laid over a stencil of one version from a start (:func:`~counterfeit_vision.geometry.laying.lay`), if
    it shows the marks: in the light near them; or, unless each is sure so, in that of all of the frame, if they are
    more like the genuine ones by it, or found by neither: what surrounds them tells their place then.

    Between the references of 60 goods of benchmarks/kinds.py (seeds 0, 1) and printed.py (20), whose packshots are on
    white, the marks correlate 0.956 in the mean, and 0.940 in the light of all of the frame; on 96 photos of such on
    floors 0.967 and 0.939, and 1 and 4 of these have a mark with less than 0.6.
    """
    near = _over(stencil, stencil.near_target, pyramid, matrix, blurred=blurred)
    if near is not None and min(near.likenesses) > SURE:
        return near
    wide = _over(stencil, stencil.target, pyramid, matrix, blurred=blurred)
    if near is not None and near.likeness >= FOUND and (wide is None or _fit(near) > _fit(wide)):
        return near
    return wide


def _over(stencil: Stencil, target: Target, pyramid: Pyramid, matrix: Matrix, *, blurred: bool) -> Found | None:
    """:func:`lay_over` by one of a stencil's targets."""
    laid = lay(target, pyramid, matrix, enough=FOUND, blurred=blurred)
    if laid is None:
        return None
    drawn = stencil.drawn & laid.inside
    if drawn.sum() < PART * stencil.drawn.sum():
        return None
    flat = without_light(laid.crop, relief=stencil.relief)
    around_marks = laid.inside & ~stencil.on_mark(AIR)
    likeness = correlation(stencil.flattened, flat, drawn)
    if likeness < SURE and laid.inside[stencil.on_mark()].mean() < MOST:
        return None
    each = tuple(
        correlation(stencil.flattened, flat, mark) if mark.sum() >= BARE else likeness
        for mark in stencil.on_each() & drawn
    )
    beside = correlation(stencil.flattened, flat, around_marks) if around_marks.sum() >= BARE else 0.0
    height, width = stencil.shape
    outlines = np.clip(stencil.outlines, 0, np.array([width - 1, height - 1], np.float32))
    regions = tuple(
        region_around(outline, pyramid.shape) for outline in cv2.remap(laid.warp, outlines, None, cv2.INTER_LINEAR)
    )
    return Found(laid.matrix, laid.warp, laid.crop, laid.inside, likeness, beside, regions, each)
