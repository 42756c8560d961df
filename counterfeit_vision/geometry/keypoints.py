"""Local features of photos, and the plane or the picture that two photos share: SIFT, mutual matching, a robust map.

Slow beside patch tokens (tens of milliseconds a photo), exact where they are coarse: used to prove what tokens propose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .._arrays import Bools, Floats, Ints, Matrix, Pixels

__all__ = [
    "Keypoints",
    "Plane",
    "find_keypoints",
    "grey_of",
    "match_keypoints",
    "mirror_image",
    "mirrored",
    "shared_picture",
    "shared_plane",
    "shared_views",
    "spread_keypoints",
]

RATIO = 0.85  # a match is kept where it is this much nearer than the next best (Lowe 2004 has 0.8, for larger sets)
PARTS = 8  # of a picture's width, and of its height, each of which has its share of features that are spread
TOLERANCE = 3.0  # pixels that a matched point may lie off the homography
FEWEST = 6  # inliers below which a homography is an accident
# SIFT's descriptor is 4 rows x 4 columns of 8 directions, along the feature's own direction: a mirror swaps the rows
# and turns the directions the other way round.
MIRROR = np.arange(128).reshape(4, 4, 8)[::-1, :, -np.arange(8) % 8].ravel()
VOTERS, VOTES = 400, 4  # best matches that propose a map; matches that must agree with it
SAME_SIZE, SAME_TURN = 0.6, 0.45  # octaves and radians by which two matches of one map may differ
LARGEST_STRETCH = 6.0  # of a homography's local scales, largest over smallest, beyond which it is degenerate


@dataclass(frozen=True, eq=False)
class Keypoints:
    """n local features: ``points`` (n, 2) float32 x, y in pixels, ``descriptors`` (n, 128) float32 of unit length
    (RootSIFT: Arandjelovic & Zisserman 2012), ``tips`` (n, 2) float32: as far from the point as the feature is wide, in
    its direction.
    """

    points: Floats
    descriptors: Floats
    tips: Floats

    def __len__(self) -> int:
        return len(self.points)

    def at(self, chosen: Bools) -> Keypoints:
        """The features that are ``chosen`` (n,)."""
        return Keypoints(self.points[chosen], self.descriptors[chosen], self.tips[chosen])


@dataclass(frozen=True, eq=False)
class Plane:
    """``matrix`` (3, 3) float64 takes homogeneous x, y, 1 of the first photo to the second's; ``inliers`` (m,) bool."""

    matrix: Matrix
    inliers: Bools

    def map(self, points: Floats) -> Floats:
        """(n, 2) points of the first photo -> (n, 2) on the second."""
        mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ self.matrix.T
        return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float32)


def find_keypoints(pixels: Pixels, *, most: int = 1500, contrast: float = 0.02) -> Keypoints:
    """The strongest local features of an RGB (h, w, 3) or grey (h, w) uint8 picture. None on a uniform one."""
    return _packed(*cv2.SIFT.create(nfeatures=most, contrastThreshold=contrast).detectAndCompute(grey_of(pixels), None))


def spread_keypoints(pixels: Pixels, *, most: int, contrast: float) -> Keypoints:
    """The strongest of each of :data:`PARTS` x :data:`PARTS` parts of the picture, an equal share of ``most`` from
    each: some lie on what is faint beside a carpet, where none of the strongest of all does.
    """
    grey = grey_of(pixels)
    sift = cv2.SIFT.create(contrastThreshold=contrast)
    found = sorted(sift.detect(grey, None), key=lambda point: -point.response)
    places = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    column, row = (np.minimum(places * PARTS / grey.shape[::-1], PARTS - 1)).astype(int).T
    part = row * PARTS + column
    share = most // PARTS**2
    kept = np.sort(np.concatenate([np.flatnonzero(part == own)[:share] for own in range(PARTS**2)]))
    return _packed(*sift.compute(grey, [found[place] for place in kept]))


def grey_of(pixels: Pixels) -> Pixels:
    """(h, w) of an RGB (h, w, 3) or grey picture."""
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _packed(found: Sequence[cv2.KeyPoint], descriptors: Floats | None) -> Keypoints:
    """OpenCV's features as ours."""
    if descriptors is None or not len(found):
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32), np.zeros((0, 2), np.float32))
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9))
    x, y, size, angle = np.array([(*point.pt, point.size, point.angle) for point in found], np.float32).T
    turn = np.deg2rad(angle)
    tips = np.stack([x + size * np.cos(turn), y + size * np.sin(turn)], axis=1)
    return Keypoints(np.stack([x, y], axis=1), root.astype(np.float32), tips)


def match_keypoints(first: Keypoints, second: Keypoints, *, ratio: float = RATIO) -> Ints:
    """(m, 2) rows of the first and of the second that choose each other, clearly before the next best; with ``ratio=1``
    all that do.
    """
    if len(first) < 2 or len(second) < 2:
        return np.zeros((0, 2), np.int64)
    cosine = first.descriptors @ second.descriptors.T
    rows = np.arange(len(first))
    best = cosine.argmax(axis=1)
    top = cosine[rows, best]
    kept = np.flatnonzero(cosine.max(axis=0)[best] == top)
    if ratio < 1:
        rivals = cosine[kept]
        rivals[np.arange(len(kept)), best[kept]] = -1
        clear = np.sqrt(np.maximum(1 - top[kept], 0)) < ratio * np.sqrt(np.maximum(1 - rivals.max(axis=1), 0))
        kept = kept[clear]
    return np.stack([kept, best[kept]], axis=1).astype(np.int64)


def mirrored(features: Keypoints) -> Keypoints:
    """What would be found on the photo's mirror image, at the points of the photo itself."""
    return Keypoints(features.points, features.descriptors[:, MIRROR], features.tips)


def mirror_image(features: Keypoints, width: int) -> Keypoints:
    """What would be found on the mirror image of a photo of that width, where it would be."""
    flip, last = np.array([-1, 1], np.float32), np.array([width - 1, 0], np.float32)
    turned = mirrored(features)
    return Keypoints(flip * turned.points + last, turned.descriptors, flip * turned.tips + last)


def shared_picture(first: Floats, second: Floats, *, mirror: bool = False) -> Plane | None:
    """The shift, turn and scale (after a mirroring, where ``mirror``) that most of the matched points (m, 2), (m, 2)
    agree with: what a copy of a flat picture may undergo. ``None`` for fewer than 3 points, or no such map.
    """
    if len(first) < 3:
        return None
    flip = np.diag([-1.0, 1.0, 1.0]) if mirror else np.eye(3)
    cv2.setRNGSeed(0)
    found, mask = cv2.estimateAffinePartial2D(
        (first * flip.diagonal()[:2]).astype(np.float64), second.astype(np.float64),
        method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=2000, confidence=0.999,
    )  # fmt: skip
    if found is None or not np.isfinite(found).all() or mask.sum() < 3:
        return None
    return Plane(np.vstack([found, [0, 0, 1]]) @ flip, mask.ravel().astype(bool))


def shared_views(first: Keypoints, second: Keypoints, pairs: Ints, *, tolerance: float, most: int = 3) -> list[Matrix]:
    """Affine maps (3, 3) from the first photo to the second that many matches agree with, most votes first.

    A feature has a place, a size and a direction, so that one match proposes a map (Lowe 2004), and a few true ones
    among thousands are enough; ``tolerance`` in pixels of the first photo.
    """
    a, b = (
        ((points[:, 0] + 1j * points[:, 1]), (tips[:, 0] + 1j * tips[:, 1]))
        for points, tips in (
            (first.points[pairs[:, 0]], first.tips[pairs[:, 0]]),
            (second.points[pairs[:, 1]], second.tips[pairs[:, 1]]),
        )
    )
    turn = (b[1] - b[0]) / np.where(np.abs(a[1] - a[0]) < 1e-6, 1e-6, a[1] - a[0])
    cosine = (first.descriptors[pairs[:, 0]] * second.descriptors[pairs[:, 1]]).sum(axis=1)
    tried = np.argsort(-cosine, kind="stable")[:VOTERS]
    tried = tried[np.abs(turn[tried]) > 1e-3]
    place = b[0][tried, None] + turn[tried, None] * (a[0][None, :] - a[0][tried, None])
    votes = np.abs(place - b[0][None, :]) < tolerance * np.abs(turn[tried, None])
    near = np.nonzero(votes)  # few: what else two matches differ by is asked of these alone
    change = turn[near[1]] / turn[tried[near[0]]]
    votes[near] = (np.abs(np.log2(np.abs(change) + 1e-9)) < SAME_SIZE) & (np.abs(np.angle(change)) < SAME_TURN)
    found: list[Matrix] = []
    while len(found) < most and len(votes):
        inliers = votes[int(votes.sum(axis=1).argmax())]
        if inliers.sum() < VOTES:
            break
        rows = pairs[inliers]
        cv2.setRNGSeed(0)
        matrix, _ = cv2.estimateAffine2D(
            first.points[rows[:, 0]].astype(np.float64), second.points[rows[:, 1]].astype(np.float64),
            method=cv2.LMEDS if len(rows) < 8 else cv2.RANSAC, ransacReprojThreshold=tolerance,
        )  # fmt: skip
        votes = votes & ~inliers
        if matrix is not None and np.isfinite(matrix).all():
            found.append(np.vstack([matrix, [0, 0, 1]]))
    return found


def shared_plane(first: Floats, second: Floats, *, tolerance: float = TOLERANCE, fewest: int = FEWEST) -> Plane | None:
    """The homography that most of the matched points (m, 2), (m, 2) agree with; ``None`` where there is no
    sound one.
    """
    if len(first) < max(fewest, 4):
        return None
    cv2.setRNGSeed(0)
    matrix, mask = cv2.findHomography(
        first.astype(np.float64), second.astype(np.float64), cv2.USAC_MAGSAC, tolerance, maxIters=5000, confidence=0.999
    )
    if matrix is None or not np.isfinite(matrix).all() or mask.sum() < fewest:
        return None
    inliers = mask.ravel().astype(bool)
    return Plane(matrix, inliers) if _sound(matrix, first[inliers]) else None


def _sound(matrix: Matrix, points: Floats) -> bool:
    """Whether the map neither folds nor crushes the picture around the points that support it."""
    corners = np.array([points.min(axis=0), points.max(axis=0), points.mean(axis=0)], np.float64)
    for x, y in corners:
        u, v, w = matrix @ (x, y, 1)
        if w <= 1e-9:
            return False
        jacobian = (matrix[:2, :2] - np.outer((u / w, v / w), matrix[2, :2])) / w
        stretch = np.linalg.svd(jacobian, compute_uv=False)
        if stretch[1] <= 1e-6 or stretch[0] / stretch[1] > LARGEST_STRETCH:
            return False
    return True
