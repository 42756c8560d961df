"""Where the marks are on a product's reference photos, for references that come without boxes drawn around them.

What a mark is, is told by recurrence: it is drawn on every photo of the product, and on the brand's other goods. On a
reference the whole marks that recur so are taken, or the first of them alone, or else a few boxes around what recurs:
the first of these that are found again on the product's other photos, in the way they will be found on suspects. Of the
references, the one is taken on which most recurs and whose marks are found again best. Of one photo alone, with nothing
that recurs on the brand's other goods, what is drawn on it in one ink, with sharp outlines. Where edges recur and what
lies between them does not, the marks are stamped or engraved: they look otherwise in each light, and are told by edges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Matrix, Pixels
from .._concurrency import Once, cached_property, each, progress_bar
from ..encoders.foreground import PRODUCT
from ..encoders.preprocess import unpad
from ..geometry.keypoints import Keypoints, grey_of, match_keypoints, shared_plane, shared_views
from ..geometry.laying import scaled
from ..geometry.local_correlation import local_correlation
from ..index.neighbours import evenly_spread
from ..io.cache import EmbeddingCache, opener
from ..io.decode import decode
from ..io.memory import Memory
from ..types import Reference, Region
from .finding import Found, MarkFeatures, find_marks
from .making import make_stencil
from .outlines import whole_marks

__all__ = ["Page", "found_regions"]


OWN, KIN = 6, 6  # photos of the product, and of the brand's other products, that are compared
KEPT = 64  # photos that stay in memory, at most 400 MB
SMALLEST = 128  # pixels on the long side: what is drawn on a smaller photo can't be told
SIDE = 320  # pixels on the long side of the copy on which photos are compared
SMOOTH, WINDOW = 1.2, 11  # pixels of it: of blur, and of the window in which brightness and contrast are free
FULL = 12.0  # root of a window's smaller gradient eigenvalue, beyond which more says nothing
AGREES = 0.6  # correlation from which a window is shared
OFFICIAL = 2.0  # times: marks on an official photo, which is seldom askew, may stand out less
CELLS = 80  # of the map of what recurs, on the photo's long side
BLUR = 1.5  # cells
CLOSEST = 0.95  # ratio to the next best that a match may have: repeated letters are alike
VIEW, PLANE = 8.0, 4.0  # pixels that a feature may lie off an affine map, and off a homography
FEWEST, VIEWS = 6, 4  # features that must agree on a map; maps tried
ELSEWHERE = 0.3  # what recurs on the product's photos counts this much where the brand's other goods do not have it
BRAND = (0.1, 0.4)  # shares of those goods that show it: up to the first it is chance, from the second it counts fully
BACKGROUNDS = (0.3, 0.45, 0.6)  # of the map's peak: cells below it make a box worse; tried in turn
SHOWN = 0.5  # mean correlation with the marks in the boxes, over the product's other photos, from which they are kept
WHOLE = 0.3  # of the map's peak: cells above it that touch belong together
SECOND = 0.35  # of the first box's sum of heat that another box needs
LEAST = 0.1  # of the map's peak, without which nothing recurs
MOST = 3  # boxes a product
# Times as much of the edges recurs as of the grey levels, from which a relief is looked for: on 16 products of metal
# and leather (seeds 0 and 1 of benchmarks/kinds.py) 1.6 to 8.5, 15 of them from 1.8; on 34 of other goods 0.7 to 1.8
RAISED = 1.8
ON_PRODUCT = 0.75  # share of a box that is product: of 17 on six cartons the one on a shelf has 0.59, others from 0.87
RIM = 16  # pixels of the copy within the product's outline, where its shape would pass for what is drawn on it


@dataclass(frozen=True, eq=False)
class Page:
    """A reference photo as marks are looked for on it: its ``pixels`` (H, W, 3), its local ``features``, and on a copy
    of :data:`SIDE` pixels its ``grey`` (h, w) float32 and how surely it is ``product`` (h, w). Of a ``relief`` features
    and grey levels are those of its edges.
    """

    pixels: Pixels
    features: MarkFeatures
    grey: Floats
    product: Floats
    relief: bool = False

    @cached_property
    def on_product(self) -> Keypoints:
        """The strongest features that lie on the product."""
        found = self.features.strongest
        x, y = np.clip(found.points * self.scale, 0, np.array(self.grey.shape[::-1]) - 1).astype(int).T
        return found.at(self.product[y, x] >= PRODUCT)

    @cached_property
    def drawn(self) -> Floats:
        """(h, w) float32 in 0..1: how much is drawn around each pixel of the copy. A thing's outline counts little,
        it runs straight (Shi & Tomasi 1994).
        """
        corner = cv2.cornerMinEigenVal(self.grey, WINDOW, ksize=3)
        return np.asarray(np.minimum(np.sqrt(np.maximum(corner, 0)) / FULL, 1) * self.product, np.float32)

    @cached_property
    def of_edges(self) -> MarkFeatures:
        """The local features by which a relief is looked for."""
        return self.features if self.relief else MarkFeatures.of(self.pixels, relief=True)

    @cached_property
    def raised(self) -> Page:
        """The same photo, on which a relief is looked for."""
        grey = _soft(scaled(self.of_edges.picture, self.scale * self.of_edges.times))
        return Page(self.pixels, self.of_edges, cv2.resize(grey, self.grey.shape[::-1]), self.product, relief=True)

    def shows_product(self, box: Region) -> bool:
        """Whether a box on the photo holds the product, and not what stands beside it: a shelf recurs as well."""
        x0, y0, x1, y1 = (np.array(box.to_list()) * self.scale).round().astype(int)
        return bool((self.product[y0 : y1 + 1, x0 : x1 + 1] >= PRODUCT).mean() >= ON_PRODUCT)

    @property
    def scale(self) -> float:
        """Pixels of the copy to one of the photo."""
        return float(SIDE / max(self.pixels.shape[:2]))


class _Album:
    """The references' kept copies, as marks are looked for on them."""

    def __init__(
        self,
        references: Sequence[Reference],
        sizes: Sequence[tuple[int, int]],
        foreground: Floats | None,
        content: Floats,
        grid: tuple[int, int],
    ) -> None:
        self._references, self._sizes = references, sizes
        self._foreground, self._content, self._grid = foreground, content, grid
        self._kept: Once[int, Page] = Once(KEPT)

    def __getitem__(self, row: int) -> Page:
        return self._kept.get(row, lambda: self._look(row))

    def kin(self, firsts: Sequence[int]) -> list[int]:
        """Of a brand's products, given by a photo each, those that every one is compared with, and one more for when it
        is among them: the first by their photos' sha256, as a product more then seldom changes what others are told by.
        """
        return sorted(firsts, key=lambda row: hashlib.sha256(self._photo(row)).digest())[: KIN + 1]

    def sha256(self, own: Sequence[int], kin: Sequence[int], official: Sequence[bool]) -> str:
        """Of all that the marks of a product's ``own`` photos are told by."""
        digest = hashlib.sha256(f"{len(own)} {official} {self._grid}".encode())
        for row in (*own, *kin):
            share = b"" if self._foreground is None else self._foreground[row].tobytes()
            photo = self._photo(row)
            digest.update(f" {len(photo)} {len(share)} {self._sizes[row]} ".encode() + photo + share)
            digest.update(self._content[row].tobytes())
        return digest.hexdigest()

    def _photo(self, row: int) -> bytes:
        photo = self._references[row].photo
        assert isinstance(photo, bytes)
        return photo

    def _look(self, row: int) -> Page:
        pixels = decode(self._photo(row), name=self._references[row].id).pixels
        small = scaled(pixels, SIDE / max(pixels.shape[:2]))
        grey = _soft(grey_of(small))
        product = np.ones(grey.shape, np.float32)
        if self._foreground is not None:
            share = unpad(self._foreground[row].reshape(self._grid), self._content[row])
            product = cv2.resize(share, grey.shape[::-1])
        return Page(pixels, MarkFeatures.of(pixels), grey, product)


def found_regions(
    references: Sequence[Reference],
    sizes: Sequence[tuple[int, int]],
    foreground: Floats | None,
    content: Floats,
    grid: tuple[int, int],
    *,
    cache: EmbeddingCache | bool = False,
    progress: bool = False,
) -> list[tuple[Region, ...]]:
    """For each reference the boxes of its product's marks, in pixels of its original: on one reference a product, or on
    none, where none were found or any genuine reference has regions. 0.4 to 1.2 s of one core a reference that the
    ``cache`` does not know beside the same others.

    ``references`` hold their kept copies, ``sizes`` (width, height) are those of the originals; ``foreground`` (N, P)
    says how surely each patch on ``grid`` is product, ``content`` (N, 4) where the photos lie in their squares.
    """
    found: list[tuple[Region, ...]] = [()] * len(references)
    open_cache = opener(cache)
    album = _Album(references, sizes, foreground, content, grid)
    brands: dict[str, dict[str, list[int]]] = {}
    genuine = [(row, reference) for row, reference in enumerate(references) if reference.gallery != "known_fake"]
    given = {reference.names for _, reference in genuine if reference.regions}
    for row, reference in genuine:
        if max(sizes[row]) >= SMALLEST:
            brand, product = reference.names
            brands.setdefault(brand, {}).setdefault(product, []).append(row)
    kin_of = {brand: album.kin([rows[0] for rows in products.values()]) for brand, products in brands.items()}
    wanted = [
        (rows, kin_of[brand])
        for brand, products in brands.items()
        for product, rows in products.items()
        if (brand, product) not in given
    ]

    def look(product: tuple[list[int], list[int]]) -> tuple[int, tuple[Region, ...]]:
        rows, of_brand = product
        own, kin = evenly_spread(rows, OWN), [row for row in of_brand if row != rows[0]][:KIN]
        official = [references[row].gallery == "official" for row in own]

        def found() -> tuple[int, tuple[Region, ...]]:
            photos = [album[row] for row in own]
            main, boxes = _found(photos, [album[row] for row in kin], official)
            scale = sizes[own[main]][0] / photos[main].pixels.shape[1]
            return main, tuple(Region(*(scale * x for x in box.to_list())) for box in boxes)

        main, boxes = Memory(open_cache, album.sha256(own, kin, official))("regions", [Region], found)
        return own[main], boxes

    results = each(look, wanted)
    for row, regions in progress_bar(results, total=len(wanted), unit="product", progress=progress and bool(wanted)):
        found[row] = regions
    return found


def _found(own: Sequence[Page], kin: Sequence[Page], official: Sequence[bool]) -> tuple[int, list[Region]]:
    """A product's marks: on which of its ``own`` photos, and in which boxes, in pixels of that one. ``kin``: photos of
    the brand's other products.

    Those that its other photos show, all in all; where there are none, as one of them may be a box or a table of sizes,
    those that the half of them does which shows them best. Before what is drawn, a relief, where one may be there.
    """
    heats = _recurring(own)
    if len(own) > 1:
        raised = [photo.raised for photo in own]
        edges = _recurring(raised)
        if sum(heat.mean() for heat in edges) > RAISED * sum(heat.mean() for heat in heats):
            main, found = _most_shown(raised, edges, [photo.raised for photo in kin], official)
            if found:
                return main, found
    return _most_shown(own, heats, kin, official)


def _most_shown(
    own: Sequence[Page], heats: Sequence[Floats], kin: Sequence[Page], official: Sequence[bool]
) -> tuple[int, list[Region]]:
    """:func:`_found`, of a relief, or of what is drawn; ``heats``: what recurs on the product's ``own`` photos."""
    worth = [np.sqrt(heat.mean() * (OFFICIAL if posed else 1)) for heat, posed in zip(heats, official, strict=True)]
    main, found = 0, list[Region]()
    for most in dict.fromkeys((len(own) - 1, len(own) // 2)):
        main, found = _shown(own, heats, worth, kin, most) if not found else (main, found)
    return main, found


def _shown(
    own: Sequence[Page], heats: Sequence[Floats], worth: Sequence[float], kin: Sequence[Page], most: int
) -> tuple[int, list[Region]]:
    """:func:`_most_shown`, of the marks that ``most`` of the other photos show. What a photo is ``worth``, the root of
    how much recurs on it, counts times how alike the marks in its boxes are on those.
    """
    best, main, found = 0.0, 0, list[Region]()
    for place in np.argsort(np.negative(worth), kind="stable").tolist():
        if worth[place] <= best:
            break
        photo, others = own[place], [other for other in own if other is not own[place]]
        for proposed in _proposals(photo, heats[place], kin, alone=not others):
            boxes = [box for box in proposed if photo.shows_product(box)]
            alike = _alike(photo, boxes, others, most)
            if alike >= SHOWN:
                if worth[place] * alike > best:
                    best, main, found = worth[place] * alike, place, boxes
                break
    return main, found


def _alike(photo: Page, boxes: list[Region], others: Sequence[Page], most: int) -> float:
    """How alike the marks in ``boxes`` are on a product's other photos, on average over those ``most`` that show them
    best, found there as suspects' photos will be asked; 1 where there are none, and 0 as soon as too few are left to
    come to :data:`SHOWN`, or where a relief is looked for and they are none.
    """
    stencil = make_stencil([photo.pixels], [boxes], None if photo.relief else [photo.features])
    if isinstance(stencil, str) or (photo.relief and not stencil.relief):
        return 0.0
    alike = [1.0] * len(others)
    for place, other in enumerate(others):
        found = find_marks(stencil, other.pixels, other.of_edges if stencil.relief else other.features)
        alike[place] = found.likeness if isinstance(found, Found) else 0.0
        if sum(sorted(alike)[-most:]) < SHOWN * most:
            return 0.0
    return float(np.mean(sorted(alike)[-most:])) if others else 1.0


def shared(photo: Page, other: Page) -> Floats:
    """(h, w) float32, 0 or 1, on a photo's small copy: what another photo shows, too, in the same arrangement.

    Local features propose maps between the two; under each, pixels are compared window by window.
    """
    first, second = photo.on_product, other.on_product
    pairs = match_keypoints(second, first, ratio=CLOSEST)[:, ::-1]
    plane = shared_plane(first.points[pairs[:, 0]], second.points[pairs[:, 1]], tolerance=PLANE, fewest=FEWEST)
    views = shared_views(first, second, pairs, tolerance=VIEW, most=VIEWS)
    found = np.zeros(photo.grey.shape, np.float32)
    for matrix in [*([] if plane is None else [plane.matrix]), *views]:
        found = np.maximum(found, _agreement(photo, other, matrix))
    return found


def _agreement(photo: Page, other: Page, matrix: Matrix) -> Floats:
    """See :func:`shared`, under one map from the photo to the other."""
    shape = photo.grey.shape[::-1]
    small = np.diag([other.scale, other.scale, 1]) @ matrix @ np.diag([1 / photo.scale, 1 / photo.scale, 1])
    how = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    laid = cv2.warpPerspective(other.grey, small, shape, flags=how, borderValue=float("nan"))
    inside = np.isfinite(laid)
    correlation, _, _ = local_correlation(photo.grey, np.where(inside, laid, 0).astype(np.float32), WINDOW)
    inside = cv2.erode(inside.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8), borderValue=0) > 0
    return np.asarray(inside & (correlation > AGREES), np.float32)


def _recurring(own: Sequence[Page]) -> list[Floats]:
    """(h, w) over each of a product's photos: how much is drawn that its others show, too; all of it on one alone."""
    if len(own) == 1:
        return [own[0].drawn]
    return [
        photo.drawn * np.mean([shared(photo, other) for other in own if other is not photo], axis=0) for photo in own
    ]


def _proposals(photo: Page, recurs: Floats, kin: Sequence[Page], *, alone: bool) -> Iterator[list[Region]]:
    """Boxes of the marks on a photo, in the order in which they are asked for on others: all whole marks, then without
    the last ones, then what is dense, widest first; of a relief, which has no ink, what is dense alone. ``recurs``
    (h, w) as of :func:`_recurring`. On a photo ``alone``, where nothing is the brand's other goods', too, the whole
    marks among all that is drawn on it, off its outline.
    """
    if kin:
        brand = np.mean([shared(photo, other) for other in kin], axis=0)
        least = 0.0 if alone else ELSEWHERE  # one photo alone shows nothing that recurs
        recurs = recurs * (least + (1 - least) * np.clip((brand - BRAND[0]) / (BRAND[1] - BRAND[0]), 0, 1))
    if kin or not alone:
        heat = _cells(recurs)
        size = photo.pixels.shape[1], photo.pixels.shape[0]
        dense = [boxes for background in BACKGROUNDS if (boxes := _boxes(heat, size, background))]
        marks = whole_marks(photo.pixels, heat) if dense and not photo.relief else []
        yield from (marks[:most] for most in range(len(marks), 0, -1))
        yield from dense
    if alone:
        within = cv2.erode((photo.product >= PRODUCT).astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
        yield whole_marks(photo.pixels, _cells(photo.drawn * within))


def _soft(grey: Pixels) -> Floats:
    """A small picture (h, w), its noise taken out."""
    return np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), SMOOTH), np.float32)


def _cells(say: Floats) -> Floats:
    """A map over a photo's small copy on :data:`CELLS` cells, blurred."""
    return np.asarray(cv2.GaussianBlur(scaled(say, CELLS / SIDE), (0, 0), BLUR), np.float32)


def _boxes(heat: Floats, size: tuple[int, int], background: float) -> list[Region]:
    """Up to :data:`MOST` boxes around what is dense in a map (h, w) over a photo of ``size``; cells under the share
    ``background`` of the map's peak make a box worse.
    """
    found: list[tuple[float, tuple[int, int, int, int]]] = []
    peak = float(heat.max(initial=0))
    if peak < LEAST:
        return []
    value = heat / peak - background
    _, parts = cv2.connectedComponents((heat > WHOLE * peak).astype(np.uint8))
    for _ in range(MOST):
        total, box = _best_box(value)
        if total <= 0 or (found and total < SECOND * found[0][0]):
            break
        x0, y0, x1, y1 = _with_whole(parts, box)
        found.append((total, (x0, y0, x1, y1)))
        value[y0:y1, x0:x1] = -1
    scale = max(size) / CELLS
    return [
        Region(x0 * scale, y0 * scale, min(x1 * scale, size[0]), min(y1 * scale, size[1]))
        for _, (x0, y0, x1, y1) in found
    ]


def _with_whole(parts: NDArray[np.int32], box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """A box, grown over the connected ``parts`` (h, w) that lie in it mostly: no letter is cut."""
    x0, y0, x1, y1 = box
    inside = np.bincount(parts[y0:y1, x0:x1].ravel(), minlength=int(parts.max()) + 1)
    whole = np.flatnonzero(2 * inside[1:] > np.bincount(parts.ravel())[1:]) + 1
    rows, columns = np.nonzero(np.isin(parts, whole))
    if not len(rows):
        return box
    return (
        min(x0, int(columns.min())),
        min(y0, int(rows.min())),
        max(x1, int(columns.max()) + 1),
        max(y1, int(rows.max()) + 1),
    )


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
