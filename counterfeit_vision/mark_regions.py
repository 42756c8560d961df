"""Where the marks are on a product's reference photos, for references that come without boxes drawn around them.

What a mark is, is told by recurrence: it is on every photo of the product, and on the brand's other goods, and not on
other brands'. Local features that recur so are gathered into a few boxes on one reference; the boxes are kept if the
marks in them are found again, in the way they will be found on suspects, on the product's other photos.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .decode import decode
from .keypoints import Keypoints, match_keypoints, shared_plane, shared_views
from .marks import Found, find_marks, make_stencil, mark_features
from .preprocess import to_square
from .types import Reference, Region

__all__ = ["Shown", "found_regions", "propose_regions"]

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

OWN, KIN, STRANGERS = 6, 6, 8  # photos of the product, of the brand's other products, and of other brands' compared
KEPT = 256  # photos whose local features stay in memory, at most 400 MB
CELLS = 96  # of the map of what recurs, on the photo's long side
CLOSEST = 0.95  # ratio to the next best that a match may have: repeated letters are alike
VIEW, PLANE = 8.0, 4.0  # pixels that a feature may lie off an affine map, and off a homography
FEWEST = 6  # features that must agree on a map
PRODUCT = 0.4  # how surely a feature's patch must be product
"""As in ``foreground``."""
ELSEWHERE = 0.3  # what recurs on the product's photos counts this much where the brand's other goods do not have it
BRAND = 3.0  # and fully, where one in three of them has it
WIDE = 0.7  # of a feature's width: the spread of its say
BACKGROUND = 0.2  # of the map's peak: cells below it make a box worse
SECOND = 0.35  # of the first box's sum that another needs
MOST = 3  # boxes a product
SMALLEST = 0.04  # of the photo's long side


@dataclass(frozen=True, eq=False)
class Shown:
    """A reference photo as marks are looked for on it: its local features on the product, and its ``size`` (width,
    height) in pixels.
    """

    features: Keypoints
    size: tuple[int, int]


class _Album:
    """The references' kept copies and their local features on the product."""

    def __init__(
        self, references: Sequence[Reference], foreground: Floats | None, content: Floats, grid: tuple[int, int]
    ) -> None:
        self._references, self._foreground, self._content, self._grid = references, foreground, content, grid
        self._kept: OrderedDict[int, tuple[Pixels, Shown]] = OrderedDict()

    def __getitem__(self, row: int) -> tuple[Pixels, Shown]:
        if row not in self._kept:
            self._kept[row] = self._look(row)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(row)
        return self._kept[row]

    def _look(self, row: int) -> tuple[Pixels, Shown]:
        photo = self._references[row].photo
        assert isinstance(photo, bytes)
        pixels = decode(photo, name=self._references[row].id).pixels
        features, size = mark_features(pixels), (pixels.shape[1], pixels.shape[0])
        if self._foreground is not None and len(features):
            place = to_square(self._content[row], np.tile(features.points / size, 2).astype(np.float32))[:, :2]
            x, y = np.clip(place * self._grid[::-1], 0, np.array(self._grid[::-1]) - 1).astype(int).T
            features = features.at(self._foreground[row].reshape(self._grid)[y, x] >= PRODUCT)
        return pixels, Shown(features, size)


def found_regions(
    references: Sequence[Reference],
    sizes: Sequence[tuple[int, int]],
    foreground: Floats | None,
    content: Floats,
    grid: tuple[int, int],
) -> list[tuple[Region, ...]]:
    """For each reference the boxes of its product's marks, in pixels of its original; empty where none were found, and
    for products of which any genuine reference has regions.

    ``references`` hold their kept copies, ``sizes`` (width, height) are those of the originals; ``foreground`` (N, P)
    says how surely each patch on ``grid`` is product, ``content`` (N, 4) where the photos lie in their squares.
    """
    found: list[tuple[Region, ...]] = [()] * len(references)
    album = _Album(references, foreground, content, grid)
    brands: dict[str, dict[str, list[int]]] = {}
    for row, reference in enumerate(references):
        if reference.gallery != "known_fake":
            brands.setdefault(reference.brand, {}).setdefault(reference.product, []).append(row)
    for brand, products in brands.items():
        foreign = [rows[0] for name, goods in brands.items() if name != brand for rows in goods.values()]
        for product, rows in products.items():
            if any(references[row].regions for row in rows):
                continue
            kin = [others[0] for name, others in products.items() if name != product]
            own = _some(rows, OWN)
            main, boxes = propose_regions(
                [album[row][1] for row in own],
                [album[row][1] for row in _some(kin, KIN)],
                [album[row][1] for row in _some(foreign, STRANGERS)],
            )
            if boxes:
                order = [own[main], *(row for row in rows if row != own[main])]
                shown = _again([album[row][0] for row in order], boxes)
                for row, regions in zip(order, shown, strict=True):
                    scale = sizes[row][0] / album[row][1].size[0]
                    found[row] = tuple(Region(*(scale * x for x in region.to_list())) for region in regions)
    return found


def _some(rows: Sequence[int], most: int) -> list[int]:
    """At most so many, evenly spread."""
    return [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]


def _again(photos: Sequence[Pixels], boxes: list[Region]) -> list[tuple[Region, ...]]:
    """The marks in ``boxes`` on the first photo, and where they lie on the others; nowhere if no other shows them."""
    stencil = make_stencil(photos[:1], [boxes])
    if isinstance(stencil, str):
        return [()] * len(photos)
    others = [find_marks(stencil, photo) for photo in photos[1:]]
    shown = [other.regions if isinstance(other, Found) else () for other in others]
    return [tuple(boxes), *shown] if any(shown) or not others else [()] * len(photos)


def recurring(photo: Shown, other: Shown) -> NDArray[np.bool_]:
    """(n,) which features of a photo another one shows, in the same arrangement."""
    first, second = photo.features, other.features
    found = np.zeros(len(first), bool)
    pairs = match_keypoints(second, first, ratio=CLOSEST)[:, ::-1]
    here, there = first.points[pairs[:, 0]], second.points[pairs[:, 1]]
    plane = shared_plane(here, there, tolerance=PLANE, fewest=FEWEST + 2)
    if plane is not None:
        found[pairs[plane.inliers, 0]] = True
    for matrix in shared_views(first, second, pairs, tolerance=VIEW, most=4):
        off = np.linalg.norm(here @ matrix[:2, :2].T + matrix[:2, 2] - there, axis=1)
        near = off < VIEW * np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
        if near.sum() >= FEWEST:
            found[pairs[near, 0]] = True
    return found


def propose_regions(own: Sequence[Shown], kin: Sequence[Shown], strangers: Sequence[Shown]) -> tuple[int, list[Region]]:
    """The photo of a product's ``own`` on which its marks stand out most, and their boxes there, the surest first.

    ``kin`` are photos of the brand's other products, ``strangers`` of other brands'.
    """
    again = [np.zeros(len(photo.features)) for photo in own]
    for i, photo in enumerate(own):
        for j in range(i + 1, len(own)):
            again[i] += recurring(photo, own[j])
            again[j] += recurring(own[j], photo)
    said = [times / max(len(own) - 1, 1) if len(own) > 1 else np.ones(len(times)) for times in again]
    main = int(np.argmax([times.sum() for times in again])) if len(own) > 1 else 0
    photo, say = own[main], said[main]
    if strangers and len(say):
        say = say * (1 - np.mean([recurring(photo, other) for other in strangers], axis=0) > 0.95)
    if kin and len(say):
        shared = np.mean([recurring(photo, other) for other in kin], axis=0)
        say = say * (ELSEWHERE + (1 - ELSEWHERE) * np.minimum(BRAND * shared, 1))
    return main, _boxes(_map(photo, say), photo.size)


def _map(photo: Shown, say: NDArray[np.float64]) -> Floats:
    """(h, w) float32 in 0..1, how much what recurs there: each feature's say, as wide as the feature."""
    scale = CELLS / max(photo.size)
    height, width = (max(1, round(side * scale)) for side in photo.size[::-1])
    y, x = np.arange(height)[None, :, None] + 0.5, np.arange(width)[None, None, :] + 0.5
    points = photo.features.points * scale
    spread = np.linalg.norm(photo.features.tips - photo.features.points, axis=1) * scale * WIDE
    spread = np.clip(spread, 0.8, CELLS / 20)[:, None]
    kept = say > 0
    rows = np.exp(-((y[..., 0] - points[kept, 1:]) ** 2) / (2 * spread[kept] ** 2))
    columns = np.exp(-((x[:, 0] - points[kept, :1]) ** 2) / (2 * spread[kept] ** 2))
    return np.asarray(1 - np.exp(-np.einsum("n,ny,nx->yx", say[kept], rows, columns)), np.float32)


def _boxes(heat: Floats, size: tuple[int, int]) -> list[Region]:
    """Up to :data:`MOST` boxes around what is dense in a map (h, w) over a photo of ``size``."""
    found: list[tuple[float, tuple[int, int, int, int]]] = []
    peak = float(heat.max(initial=0))
    if peak < 0.15:
        return []
    value = heat / peak - BACKGROUND
    for _ in range(MOST):
        total, box = _best_box(value)
        if total <= 0 or (found and total < SECOND * found[0][0]):
            break
        found.append((total, box))
        x0, y0, x1, y1 = box
        value[y0:y1, x0:x1] = -BACKGROUND
    scale = max(size) / CELLS
    return [
        Region(x0 * scale, y0 * scale, min(x1 * scale, size[0]), min(y1 * scale, size[1]))
        for _, (x0, y0, x1, y1) in found
    ]


def _best_box(value: Floats) -> tuple[float, tuple[int, int, int, int]]:
    """The box (x0, y0, x1, y1) of cells with the largest sum, and that (Bentley 1984, over all pairs of rows)."""
    height = len(value)
    below = np.concatenate([np.zeros((1, value.shape[1])), np.cumsum(value, axis=0)])
    best, box = 0.0, (0, 0, 1, 1)
    for top in range(height):
        strips = below[top + 1 :] - below[top]  # (rows, w) every height from this top
        sums = np.concatenate([np.zeros((len(strips), 1)), np.cumsum(strips, axis=1)], axis=1)
        lowest = np.minimum.accumulate(sums, axis=1)
        gain = sums[:, 1:] - lowest[:, :-1]
        row, right = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[row, right] > best:
            best = float(gain[row, right])
            left = int(np.flatnonzero(sums[row, : right + 1] == lowest[row, right])[-1])
            box = (left, top, int(right) + 1, top + int(row) + 1)
    return best, box
