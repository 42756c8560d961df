"""Whether two photos are one and the same: cut, turned, recompressed, covered in part, or mirrored, but one photo.

Geometry proves it: one shift, turn and scale must explain the local features that match (a plane seen anew would need a
perspective), and under it the pixels must agree over the whole overlap, room and all: another photo of the same carton
shares its print only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import cv2
import numpy as np

from .._arrays import Bools, Floats, Matrix, Pixels
from ..align.local_features import Traits, shrunk
from ..geometry.bending import bend, follow_corners
from ..geometry.keypoints import Plane, match_keypoints, mirrored, shared_picture, shared_plane
from ..geometry.local_correlation import local_correlation
from ..types import Region

__all__ = [
    "FEWEST",
    "SAME_PHOTO",
    "PhotoComparison",
    "compare_traits",
]

SAME_PHOTO = 0.8
"""The score from which two photos count as one and the same: on the development photos, between the highest of 8,000
different pairs (0.76: one shop behind two cartons) and the copies (of 1,280, one watermarked at 0.68, the next 0.83).
Of 49,313 pairs of one product in rendered markets one is above (0.86), of 1,896 copies with one edit none below.
"""

FEWEST = 8  # local features without which a photo has nothing to compare; matches from which support is full
ARTWORK = 20  # matches on one plane that mean the same print

# The measure of agreement, chosen on half of af1's scenes, grocery's training part and a rendered market.
GRID = 256  # pixels on the long side of the picture that is compared
SMOOTH = 1.5  # pixels of Gaussian blur: takes out what JPEG and resampling change
WINDOW = 15  # pixels: the side of the window in which brightness and contrast are free
FLAT = 3.0  # grey levels of standard deviation below which a window says nothing
FULL = 32.0  # grey levels of standard deviation beyond which a window counts no more: a bold print is not the photo
AGREES = 0.6  # correlation from which a window agrees
ADDED = 0.15  # of the weight of contrast that only the first photo has: the room around a cut-out, or a watermark
# Ground of the first photo that the second does not have, as a cut-out's: it touches the border, and its grey levels
# differ by less than so many from its blurred self. It is left out from this share of the photo on, if so much is left.
# Chosen on seed 131 of benchmarks/printed.py: of 120 copies that were cut out, 119 are found so and 43 else, of 420
# other pairs of photos of one product none; on seed 132, 112 and 34, and none.
EVEN, GROUND, LEFT = 0.7, 0.05, 0.08
BANNER = 0.26  # share of height or width, along one edge, that a banner may cover
PART = 0.3  # of the long side: the side of the part of the overlap in which another photo shows most
# Share of a part's contrast that may disagree: of copies with one edit at most 0.29 do, of photos of a burst, in which
# only the thing moved, nearly all in the thing's place
CONTRADICTS = 0.4
TOGETHER = 8  # neighbouring matches whose misfits are taken together: what they share is no noise, but a moved camera
LOOSE = 1.2  # pixels of shared misfit at which the score is halved: copies have up to 0.5 (blurred), other shots 0.7
# Pixels of bend, on the small grid, at which the score is halved. Other photos that pass for copies without it (flat
# fronts before plain rooms) have 0.29 in the median, copies with one edit up to 0.08. In five rendered markets it takes
# 57 of 49,313 pairs down to 1; of 3045 copies it loses 4, all with two edits or more.
BENT = 0.19
# Where the bend is more than so many times what chance makes, the pixels of it at which the score is halved: the many
# corners of a close-up tell a twentieth of a pixel. Of 880 copies with one edit it is at most 23 times, of other shots
# of drawn goods at least 71.
SURELY, SURELY_BENT = 40.0, 0.06
# Pixels on the small grid to which corners tell a bend, as they scatter and as many as they are: where it is more, no
# copy is proved. Of 983 copies, with one edit or several, in af1's development half and of drawn goods (seeds 190 to
# 192 of benchmarks/printed.py) it is 0.021 at most, but for one that is blurred (0.032, 22 corners); of the 13 pairs of
# these goods' siblings that passed for copies 0.032 and more
TOLD = 0.03
# Grain of the plain ground beside what the corners span, which alone tell a bend: another shot has another, of the
# goods' own ground, too. Pixels of Gaussian blur on the grey copies between which is grain, as denoising and JPEG leave
# it; pixels of the small grid that are beside; the share that the fainter grain has of the other from which both have
# one; and the correlation, times the root of its pixels, below which it is another's. Chosen on drawn close-ups of a
# word or an emblem on 120 pairs of pieces, as they are and as marketplaces serve them, and on their copies under 16
# kinds of edits: of 40 pairs that passed for copies 6 do, of 1,231 copies 2 are lost. Of 200 other pairs 82 passed, and
# 3 do; of 1,173 copies 4 are lost: of 76 denoised and saved anew 2, of 75 denoised and of 66 with several edits 1 each
GRAIN, BESIDE, BOTH, ANOTHERS = (1.5, 5.0), 45, 0.4, 8.0
# The share of the overlap that corners span from which they tell the bend of all of it; pixels of such ground, and grey
# levels of grain that half of them have, below which nothing is told. Of those pairs none has 0.37, none fewer than
# 17,000 and one in twenty less grain than 0.04; what is drawn, not photographed, has none.
SPANNED, FEWEST_PIXELS, GRAINLESS = 0.4, 5000, 0.05
SPREAD = 0.05  # the copied picture must cover this share of the photo
SCALES = (0.05, 20.0)  # of the copy beside the reference


def _no_points() -> Floats:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, eq=False)
class PhotoComparison:
    """What two photos have in common.

    - ``score`` 0..1: ``agreement`` less what loose or few matches, a part that contradicts, another view or
      another grain leave in doubt.
    - ``agreement`` 0..1: the share of the contrast, where the photos overlap, that both show; mostly the second's is
      counted.
    - ``points`` (m, 4) float32: matched points, x y on the first and x y on the second, in pixels of the originals.
    - ``region``: box on the first photo that the second covers; ``mirror``: whether it is the second's mirror image;
      ``without_ground``: whether it is the same photo only if plain ground of the first, where the second shows
      something, is left out.
    - ``artwork``: matched points on one plane, where the photos are two but the print is one; (0, 4) elsewhere.
    """

    score: float
    agreement: float = 0.0
    points: Floats = field(default_factory=_no_points, repr=False)
    region: Region | None = None
    mirror: bool = False
    without_ground: bool = False
    artwork: Floats = field(default_factory=_no_points, repr=False)

    @property
    def same_photo(self) -> bool:
        """Whether the first is a copy of the second, or both of a third."""
        return self.score >= SAME_PHOTO


def compare_traits(first: Traits, second: Traits) -> PhotoComparison:
    """What two photos have in common: is the first a copy of the second?

    ``score`` = agreement x min(1, matches / 8) / (1 + (misfit / 1.2 pixels)^2), where the misfit is what neighbouring
    matches share: a moved camera shifts them together, blur and JPEG do not. What more than 0.4 of the contrast
    disagrees in the worst part is taken off: in a burst only the thing moves, before the same room. What would then
    pass for a copy is divided by 1 + (bend / 0.19 pixels)^2, or 0.06 pixels where that is surely not by chance: a flat
    print seen anew, before a plain room, lies on the other photo only after a slight perspective
    (:func:`counterfeit_vision.geometry.bending.bend`). Where corners are too few to tell, or scatter, none passes, nor
    where plain ground beside them has another grain: corners in one word tell no bend of what is around it, which
    agrees trivially. A copy may be cropped to 40 %, mirrored, turned, recompressed, blurred, recoloured, scaled to
    sides that are a pixel off, covered by a banner along an edge or by a watermark; or cut out: what is no copy
    otherwise is judged without its plain ground.
    """
    best: tuple[Plane, Floats, Floats, bool] | None = None
    for mirror in (False, True):
        features = mirrored(first.features) if mirror else first.features
        pairs = match_keypoints(features, second.features)
        here, there = features.points[pairs[:, 0]], second.features.points[pairs[:, 1]]
        picture = shared_picture(here, there, mirror=mirror)
        if picture is not None and (best is None or picture.inliers.sum() > best[0].inliers.sum()):
            best = picture, here, there, mirror
    if best is None:
        return PhotoComparison(0.0)
    picture, here, there, mirror = best
    laid = _lay(first.grey, second.grey, picture.matrix)
    misfit = _shared_misfit(picture.map(here)[picture.inliers] - there[picture.inliers], there[picture.inliers])
    matches = int(picture.inliers.sum())
    certain = min(1.0, matches / FEWEST) / (1 + (misfit / LOOSE) ** 2)
    score, share = _shared(first, second, laid, certain) if laid else (0.0, 0.0)
    without_ground = False
    if laid and score < SAME_PHOTO and (goods := _without_ground(laid)):
        alone, of_it = _shared(first, second, goods, certain)
        if without_ground := alone >= SAME_PHOTO:
            laid, score, share = goods, alone, of_it
    points = np.hstack([first.original(here), second.original(there)])
    plane, artwork = shared_plane(here, there), _no_points()
    if score < SAME_PHOTO and plane is not None and plane.inliers.sum() >= ARTWORK:
        artwork = points[plane.inliers]
    return PhotoComparison(
        score=score,
        agreement=share,
        points=points[picture.inliers],
        region=_box(laid.overlap, first.size) if laid else None,
        mirror=mirror,
        without_ground=without_ground,
        artwork=artwork,
    )


def _shared(first: Traits, second: Traits, laid: _Laid, certain: float) -> tuple[float, float]:
    """The score of two photos, laid on each other by matches that are so ``certain``, 0..1; and their agreement."""
    share, contradicts = _agreement(laid)
    score = share * certain * (1 - max(0.0, contradicts - CONTRADICTS))
    if score >= SAME_PHOTO:
        corners = follow_corners(laid.one, laid.two, laid.overlap)
        score /= 1 + _bend(first, second, laid, *corners) ** 2
        if score >= SAME_PHOTO and _another_grain(first, second, laid, corners[0]):
            score /= 2
    return score, share


def _shared_misfit(misfits: Floats, places: Floats) -> float:
    """Pixels by which matches at ``places`` (n, 2) miss their map together: the median over them of the length of the
    median ``misfits`` (n, 2) around each.
    """
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    near = np.argsort(apart, axis=1, kind="stable")[:, :TOGETHER]
    return float(np.median(np.linalg.norm(np.median(misfits[near], axis=1), axis=1)))


@dataclass(frozen=True, eq=False)
class _Laid:
    """Two photos on one small grid: ``one`` and ``two`` (h, w) uint8, ``overlap`` (h, w) bool, where both are, and
    ``to_second`` (3, 3), which takes the grid to the second's grey copy.
    """

    one: Pixels
    two: Pixels
    overlap: Bools
    to_second: Matrix


def _lay(first: Pixels, second: Pixels, matrix: Matrix) -> _Laid | None:
    """The second photo laid on the first by ``matrix``; ``None`` where it covers too little of it."""
    small = shrunk(first, GRID)
    height, width = small.shape
    back = np.diag([first.shape[1] / width, first.shape[0] / height, 1.0])
    to_second = matrix @ back
    scale = float(np.sqrt(abs(np.linalg.det(to_second[:2, :2]))))  # pixels of the second for one of the grid
    if not SCALES[0] < scale * width / first.shape[1] < SCALES[1]:
        return None
    two = _seen(second, to_second, (width, height))
    inside = _warped(np.full(second.shape, 255, np.uint8), to_second, (width, height), cv2.INTER_NEAREST)
    overlap = cv2.erode(inside, np.ones((7, 7), np.uint8), borderValue=0) > 0
    return _Laid(small, two, overlap, to_second) if overlap.mean() >= SPREAD else None


def _seen(second: Pixels, to_second: Matrix, size: tuple[int, int]) -> Pixels:
    """The second photo as it lies on a grid of ``size``, which ``to_second`` takes to it, no sharper than the grid."""
    scale = float(np.sqrt(abs(np.linalg.det(to_second[:2, :2]))))
    sharp = np.asarray(cv2.GaussianBlur(second, (0, 0), 0.45 * scale) if scale > 1 else second, np.uint8)
    return _warped(sharp, to_second, size, cv2.INTER_LINEAR)


def _without_ground(laid: _Laid) -> _Laid | None:
    """The same but for the even ground of the first, as if it was cut out of the second, which shows something there,
    and for what is so near that a window sees the edge; ``None`` where there is no such ground.
    """
    ground = _even_ground(laid.one)
    behind = _even_ground(laid.two)[ground & laid.overlap]
    if not behind.size or behind.mean() >= 0.5:  # of two packshots on white the outlines count, too
        return None
    near = cv2.dilate(ground.astype(np.uint8), np.ones((2 * WINDOW - 1, 2 * WINDOW - 1), np.uint8)) > 0
    left = np.asarray(laid.overlap & ~near)
    enough = (laid.overlap & near).mean() >= GROUND and left.mean() >= LEFT
    return dataclasses.replace(laid, overlap=left) if enough else None


def _even_ground(grey: Pixels) -> Bools:
    """(h, w): what touches the border and shows nothing, if not a soft shadow."""
    values = grey.astype(np.float32)
    even = cv2.blur(np.abs(values - cv2.GaussianBlur(values, (0, 0), 3)), (5, 5)) < EVEN
    _, parts = cv2.connectedComponents(np.pad(even, 1, constant_values=True).astype(np.uint8), connectivity=4)
    return np.asarray(parts[1:-1, 1:-1] == parts[0, 0])


def _bend(first: Traits, second: Traits, laid: _Laid, on_first: Floats, on_grid: Floats) -> float:
    """By how much the second photo must be bent to lie on the first, see :func:`bend`, over what halves the score, from
    the corners (n, 2) that both show. It is measured on the originals, since a smaller copy, of whole pixels, is
    stretched a little.
    """
    height, width = laid.one.shape
    here = np.asarray(on_first * (first.size[0] / width, first.size[1] / height), np.float32)
    there = second.original(np.asarray(on_grid @ laid.to_second[:2, :2].T, np.float32))
    if np.linalg.det(laid.to_second) < 0:
        there[:, 0] *= -1
    pixels, beyond, told = bend(here, there)
    scale = width / first.size[0]
    if told * scale > TOLD:
        return 1.0  # no copy is proved, and nothing is more alike
    return float(pixels * scale / (SURELY_BENT if beyond > SURELY else BENT))


def _another_grain(first: Traits, second: Traits, laid: _Laid, corners: Floats) -> bool:
    """Whether both photos show grain on plain ground beside the ``corners`` (n, 2) of the first, and not the same."""
    hull, side = np.zeros(laid.one.shape, np.uint8), 2 * BESIDE + 1
    cv2.fillConvexPoly(hull, cv2.convexHull(corners.astype(np.int32)), 1)
    if hull[laid.overlap].mean() >= SPANNED:
        return False
    _, *varies = _windows(laid)
    near = cv2.dilate(hull, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    plain = laid.overlap & near & (np.sqrt(np.maximum(*varies)) <= FLAT)
    height, width = first.grey.shape
    ground = cv2.resize(plain.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    if ground.sum() < FEWEST_PIXELS:
        return False
    small = np.diag([plain.shape[1] / width, plain.shape[0] / height, 1.0])
    laid_second = _seen(second.grey, laid.to_second @ small, (width, height))
    one, two = (_grain(grey)[ground] for grey in (first.grey, laid_second))
    fainter, stronger = sorted(float(np.median(np.abs(grain))) for grain in (one, two))
    if fainter < max(BOTH * stronger, GRAINLESS):
        return False
    return bool(abs(np.corrcoef(one, two)[0, 1]) * np.sqrt(ground.sum()) < ANOTHERS)


def _grain(grey: Pixels) -> Floats:
    """(h, w): the grey levels of what is finer than light and shadow."""
    fine, coarse = (cv2.GaussianBlur(grey.astype(np.float32), (0, 0), blur) for blur in GRAIN)
    return np.asarray(fine - coarse, np.float32)


def _windows(laid: _Laid) -> tuple[Floats, Floats, Floats]:
    """The correlation (h, w) of two photos in the window around each place, free in brightness and contrast, and each
    photo's variance there.
    """
    one, two = (cv2.GaussianBlur(grey, (0, 0), SMOOTH).astype(np.float32) for grey in (laid.one, laid.two))
    return local_correlation(one, two, WINDOW)


def _agreement(laid: _Laid) -> tuple[float, float]:
    """The share of the contrast, where two photos overlap, that both show, and the share that disagrees in the part
    where most does.

    Both are correlated window by window, each window free in brightness and contrast. The strip along one edge that
    agrees least, up to :data:`BANNER`, does not count.
    """
    correlation, *varies = _windows(laid)
    ours, theirs = (np.minimum(np.sqrt(each), FULL) for each in varies)
    added = np.maximum(ours - theirs, 0)
    weight = (theirs + ADDED * added) * laid.overlap * (np.maximum(ours, theirs) > FLAT)
    return _best_share(weight, weight * (correlation > AGREES))


def _best_share(weight: Floats, agreeing: Floats) -> tuple[float, float]:
    """The share of ``weight`` that agrees, without the strip along one of the edges that agrees least; and the share of
    what is left that disagrees in its worst part.
    """
    if not weight.any():
        return 0.0, 1.0
    best, kept = float(agreeing.sum() / weight.sum()), (slice(None), slice(None))
    for axis in (0, 1):
        whole, good = weight.sum(axis=1 - axis), agreeing.sum(axis=1 - axis)
        strip = int(BANNER * len(whole))
        for part in (slice(strip, None), slice(None, len(whole) - strip)):
            share = float(good[part].sum() / whole[part].sum()) if whole[part].any() else 0.0
            if share > best:
                best, kept = share, (part, slice(None)) if axis == 0 else (slice(None), part)
    left, wrong = np.ascontiguousarray(weight[kept]), np.ascontiguousarray((weight - agreeing)[kept])
    side = max(3, round(PART * max(weight.shape)))
    contrast, contradicting = (
        cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_CONSTANT) for values in (left, wrong)
    )
    return best, float((contradicting / np.maximum(contrast, left.mean())).max())


def _warped(picture: Pixels, matrix: Matrix, size: tuple[int, int], how: int) -> Pixels:
    """``picture`` as it lies on a grid of ``size``, whose pixels ``matrix`` takes to it; 0 outside."""
    return np.asarray(cv2.warpAffine(picture, matrix[:2], size, flags=how | cv2.WARP_INVERSE_MAP), np.uint8)


def _box(overlap: Bools, size: tuple[int, int]) -> Region | None:
    """The box around what is set in (h, w), in pixels of a photo of ``size`` (width, height)."""
    rows, columns = np.flatnonzero(overlap.any(axis=1)), np.flatnonzero(overlap.any(axis=0))
    if not len(rows):
        return None
    x, y = size[0] / overlap.shape[1], size[1] / overlap.shape[0]
    return Region(*(float(v) for v in (columns[0] * x, rows[0] * y, (columns[-1] + 1) * x, (rows[-1] + 1) * y)))
