"""Finding a brand's marks in a photo, and laying them over the genuine ones, pixel on pixel.

A :class:`Stencil` is made of a product's reference photos and the boxes of its marks: one frame, the marks with some
surroundings, over which every reference is laid. A suspect's photo is laid over it in the same way: local features
propose a homography, and a smooth warp (:mod:`~counterfeit_vision.geometry.warp`) takes up what is left of bulging
cartons, bottles and bags. No detector is trained: a new brand is new references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeGuard

import cv2
import numpy as np

from ..arrays import Bools, Floats, Ints, Matrix, Pixels
from ..geometry.keypoints import (
    Keypoints,
    find_keypoints,
    grey_of,
    match_keypoints,
    shared_plane,
    shared_views,
    spread_keypoints,
)
from ..geometry.laying import (
    Laid,
    Pyramid,
    enlarging,
    framed,
    inverse,
    lay,
    mapped,
    places,
    scaled,
    to_grey,
    usual_picture,
)
from ..geometry.local_correlation import local_spread
from ..geometry.versions import most_alike, same_version, versions, without_light
from ..geometry.warp import Target, correlation, edges, flattened, make_target
from ..threads import cached_property
from ..types import Region
from ..wording import number
from .relief import without_ink

__all__ = [
    "AIR",
    "FOUND",
    "MARGIN",
    "SIDE",
    "SMALLEST",
    "SURE",
    "Found",
    "MarkFeatures",
    "Stencil",
    "cut",
    "find_marks",
    "if_found",
    "is_found",
    "lay_over",
    "likely_place",
    "make_stencil",
    "region_around",
    "sure_place",
    "wide_view",
]

LONGEST = 1024  # pixels on the long side of the copy of a photo in which local features are looked for
SIDE = 256  # pixels on the long side of a frame
SMALLEST = 16  # pixels on the shorter side of a photo, or of a reference's marks, that anything can be laid over
MARGIN = 0.35  # of the marks' common box, added around it: what surrounds a mark says where it should be
FEATURES = 2500  # of a photo, that are matched with those of the marks
CONTRAST = 0.008  # of local features: marks on leather or cloth are faint
TOLERANCE = 6.0  # pixels off the homography, before the warp takes up what is curved
ELSEWHERE = 0.15  # weight, in the warp, of pixels off the marks: they may lie on another face, or on the room
BESIDE = 12  # pixels of the frame around what is drawn that have their full weight
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
NEAR = 24.0  # pixels of the copy of a photo, over which its edges are made equally strong
EVEN, FAINT = 40.0, 4.0  # of an edge of usual strength: its grey level; what is added to the usual, as grain
DRAWN = 0.35  # of the spread of the boldest parts of the marks, from which a place counts as drawn
RING = 4  # pixels of the frame around a box that tell its ground
INK = (0.05, 0.85)  # least and most of a box that may differ from its ground and be a mark
LONG = 2.0  # length over width from which a mark shows how it is turned
SLIM = 0.3  # of a box's shorter side: a turned rectangle that is slimmer than this does not fill it
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
        return _around(self.regions)


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
        return found if self.times == 1 else _moved(found, enlarging(1 / self.times))


@dataclass(frozen=True, eq=False)
class Stencil:
    """n references laid over each other: ``crops`` (n, h, w, 3) uint8, ``inside`` (n, h, w) bool.

    ``boxes`` (m, 4) are the marks in the frame, ``rows`` (n,) which of the given references these are, ``warps`` (n, h,
    w, 2) where each pixel of the frame lies on each reference's photo, ``keypoints`` their local features, at their
    places in the frame, and ``around`` those of the whole photo that the frame was drawn on. The marks of a ``relief``
    are raised or sunk, and compared by their edges.
    """

    crops: Pixels
    inside: Bools
    boxes: Floats
    rows: tuple[int, ...]
    warps: Floats
    keypoints: Keypoints
    around: Keypoints
    relief: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frame."""
        return self.crops.shape[1], self.crops.shape[2]

    @cached_property
    def typical(self) -> Floats:
        """(h, w, 3): the median of the references."""
        return np.asarray(np.median(self.crops, axis=0), np.float32)

    @cached_property
    def picture(self) -> Floats:
        """(h, w): what photos are compared with."""
        return usual_picture(self.crops, relief=self.relief)

    @cached_property
    def flattened(self) -> Floats:
        """(h, w): :attr:`picture`, light taken out."""
        return flattened(self.picture)

    @cached_property
    def each_flattened(self) -> Floats:
        """(n, h, w): the references by themselves, light taken out."""
        return np.stack([without_light(crop, relief=self.relief) for crop in self.crops])

    @cached_property
    def versions(self) -> tuple[Stencil, ...]:
        """The references of each version of the marks, in the same frame; itself where there is one."""
        if len(self.crops) < 2:
            return (self,)
        groups = versions(self.crops, self.inside & self.drawn, relief=self.relief)
        return (self,) if len(groups) == 1 else tuple(self._of(list(rows)) for rows in groups)

    def most_alike(self, laid: Laid) -> int:
        """The reference whose marks are most like those of a photo over the frame."""
        seen = without_light(laid.crop, relief=self.relief)
        return most_alike(self.each_flattened, seen, self.inside & self.drawn & laid.inside)

    def _of(self, rows: list[int]) -> Stencil:
        """Those references, first the one that shows most of the marks."""
        rows = sorted(rows, key=lambda row: -float(self.inside[row][self.on_mark()].mean()))
        return replace(
            self,
            crops=self.crops[rows],
            inside=self.inside[rows],
            rows=tuple(self.rows[row] for row in rows),
            warps=self.warps[rows],
        )

    @property
    def alike(self) -> float:
        """Mean correlation of the other references' marks with the first's, light taken out; 1 where there is none."""
        first, *others = self.each_flattened
        seen = zip(others, self.inside[1:], strict=True)
        return float(np.mean([correlation(first, other, self.drawn & there) for other, there in seen] or [1.0]))

    @cached_property
    def spread(self) -> Floats:
        """(h, w): the spread of grey levels around each pixel of :attr:`picture`."""
        return local_spread(self.picture)

    @cached_property
    def drawn(self) -> Bools:
        """(h, w): where in the boxes something is drawn: empty ground in a wide box says nothing about a mark."""
        marks = self.on_mark() & self.inside.any(axis=0)
        return np.asarray(marks & (self.spread >= DRAWN * np.quantile(self.spread[marks], 0.95)))

    @cached_property
    def target(self) -> Target:
        """What a photo is warped onto: :attr:`picture`, by what is drawn in the boxes and, less, what surrounds it."""
        near = cv2.dilate(self.drawn.astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)) > 0
        say = cv2.GaussianBlur(np.where(near, 1.0, ELSEWHERE), (0, 0), 4.0)
        return make_target(self.picture, say.astype(np.float32), self.drawn, relief=self.relief)

    @cached_property
    def outlines(self) -> Floats:
        """(m, p, 2) x, y: points of the frame around each mark. One that is turned, as its ink shows, fills its upright
        box less than a turned rectangle does.
        """
        tilt = _tilt(self.picture, self.boxes)
        return np.stack([_outline(box, tilt) for box in self.boxes])

    def on_each(self, air: float = 0.0) -> Bools:
        """(m, h, w): the marks' boxes, grown by ``air`` of their shorter sides."""
        masks = np.zeros((len(self.boxes), *self.shape), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, self.boxes, strict=True):
            grow = air * min(x1 - x0, y1 - y0)
            mask[max(0, int(y0 - grow)) : int(y1 + grow) + 1, max(0, int(x0 - grow)) : int(x1 + grow) + 1] = True
        return masks

    def on_mark(self, air: float = 0.0) -> Bools:
        """(h, w): all of them."""
        return np.asarray(self.on_each(air).any(axis=0))


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
            found, points = _looked_for(first, photo, features[row])
            if not isinstance(found, str) and not _shows_another_side(found, regions[row]):
                placed.append(_Placed(row, found, _moved(points, inverse(found.matrix))))
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
    return _looked_for(stencil, photo, features or MarkFeatures.of(photo, relief=stencil.relief))[0]


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


def _around(regions: Sequence[Region]) -> Region:
    """The box around all of them."""
    boxes = np.array([region.to_list() for region in regions])
    return Region(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def _shared(one: Region, other: Region) -> float:
    """Of what is in one of them, the share that is in both."""
    both = one.shared_with(other)
    return both / (one.area + other.area - both)


def _borne_out(laid: Found, drawn: Sequence[Region]) -> float:
    """How far the boxes drawn on a photo are those of the marks laid over it: all together, or each is one of these."""
    return max(_shared(laid.region, _around(drawn)), _each_borne_out(laid, drawn))


def _each_borne_out(laid: Found, drawn: Sequence[Region]) -> float:
    return min(max(_shared(one, other) for one in laid.regions) for other in drawn)


def _shows_another_side(laid: Found, drawn: Sequence[Region]) -> bool:
    """Whether the boxes drawn on a photo are not all of the marks laid over it, of which it lacks some: the back may
    bear the brand's name, too, or lie as the front does.
    """
    return bool(drawn) and min(laid.likenesses) < FOUND and _each_borne_out(laid, drawn) < SAME


# --- registration -----------------------------------------------------------------------------------------------------


def _looked_for(stencil: Stencil, photo: Pixels, features: MarkFeatures) -> tuple[Found | str, Keypoints]:
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


def _framed(row: int, photo: Pixels, features: MarkFeatures, regions: Sequence[Region]) -> Stencil | str:
    """The stencil of one reference photo (h, w, 3) alone, the ``row``-th of those given; or why it shows no marks."""
    boxes = np.array([region.to_list() for region in regions], np.float64)
    x0, y0, x1, y1 = _around(regions).to_list()
    grow = MARGIN * max(x1 - x0, y1 - y0)
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = max(0.0, x0 - grow), max(0.0, y0 - grow), min(width, x1 + grow), min(height, y1 + grow)
    if min(x1 - x0, y1 - y0) < SMALLEST:
        return f"the regions around its marks are smaller than {SMALLEST} pixels"
    scale = SIDE / max(x1 - x0, y1 - y0)
    shape = (round((y1 - y0) * scale), round((x1 - x0) * scale))
    matrix = np.array([[1 / scale, 0, x0], [0, 1 / scale, y0], [0, 0, 1.0]])
    own = _moved(_describing(features, boxes), inverse(matrix))
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


def _moved(points: Keypoints, matrix: Matrix) -> Keypoints:
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
    mark says, all alike. Once one is sure, and each mark in its place, no more are tried.
    """
    for matrix in proposals:
        if best is not None and best.likeness > SURE and min(best.likenesses) >= FOUND:
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
    it shows the marks.
    """
    laid = lay(stencil.target, pyramid, matrix, enough=FOUND, blurred=blurred)
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


def _drawn(grey: Floats, box: Floats) -> Ints:
    """The pixels in a box of the frame that are not as bright as what surrounds it; all of them where nothing is so."""
    x0, y0 = (int(value) for value in np.clip(box[:2], 0, np.array(grey.shape[::-1]) - 1))
    x1, y1 = max(int(np.ceil(box[2])), x0 + 1), max(int(np.ceil(box[3])), y0 + 1)
    around = grey[max(0, y0 - RING) : y1 + RING, max(0, x0 - RING) : x1 + RING].copy()
    inner = grey[y0:y1, x0:x1]
    around[y0 - max(0, y0 - RING) :, x0 - max(0, x0 - RING) :][: inner.shape[0], : inner.shape[1]] = np.nan
    ground = np.nanmedian(around) if np.isfinite(around).any() else np.median(inner)
    differs = np.clip(np.abs(cv2.GaussianBlur(inner, (0, 0), 1.0) - ground), 0, 255).astype(np.uint8)
    _, mask = cv2.threshold(differs, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    y, x = np.nonzero(mask if INK[0] < mask.mean() < INK[1] else np.ones_like(mask))
    return np.stack([x + x0, y + y0], axis=1)


def _tilt(grey: Floats, boxes: Floats) -> float:
    """Radians by which the longest mark is turned in its box, as its ink lies; 0 where none is long enough to tell."""
    best, tilt = LONG, 0.0
    for box in boxes:
        _, sides, degrees = cv2.minAreaRect(_drawn(grey, box).astype(np.float32))
        if min(sides) > 0 and max(sides) / min(sides) > best:
            best, tilt = max(sides) / min(sides), (degrees + 45) % 90 - 45
    return float(np.deg2rad(tilt))


def _outline(box: Floats, tilt: float) -> Floats:
    """Points (16, 2) of the rectangle that is turned by ``tilt`` and fills an upright box, or of the box."""
    wide, high = float(box[2] - box[0]), float(box[3] - box[1])
    c, s = abs(np.cos(tilt)), abs(np.sin(tilt))
    w, h = (c * wide - s * high) / (c * c - s * s + 1e-9), (c * high - s * wide) / (c * c - s * s + 1e-9)
    if not min(w, h) > SLIM * min(wide, high):
        w, h, tilt = wide, high, 0.0
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn + [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    sides = [corners + share * (np.roll(corners, -1, axis=0) - corners) for share in (0, 0.25, 0.5, 0.75)]
    return np.concatenate(sides).astype(np.float32)
