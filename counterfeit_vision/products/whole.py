"""A product's side that shows the marks, whole: references laid over each other, and a suspect laid over them.

The marks tell where it is (:mod:`~counterfeit_vision.marks.finding`), and a warp of all that is drawn on it takes up
what is left. The encoder's foreground tells the product from the room.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .._arrays import Bools, Floats, Matrix, Pixels
from .._concurrency import cached_property
from ..geometry.laying import Laid, Pyramid, framed, inverse, lay, places, plane_of, usual_picture
from ..geometry.local_correlation import local_spread
from ..geometry.shadow import soft
from ..geometry.versions import BOLD, most_alike, strokes, versions, without_light
from ..geometry.warp import Target, correlation, flattened, make_target
from ..marks.finding import AIR
from ..marks.stencil import Stencil

__all__ = ["DARK", "FEWEST", "WholeProduct"]

SIDE = 256  # pixels on the long side of a frame
SURELY = 0.5  # how surely the references show the product there, from which it is compared
STRAY = 0.005  # share of such pixels on each side that the frame may leave out
RIM = 12  # pixels of the frame at the product's edge that are not compared: the foreground is as coarse as patches
FEWEST = 400  # pixels of the frame without the rim: with fewer, the rim is compared as well
SHOWN = 0.3  # of the product's pixels, that a photo must show
LIKE = 0.2  # correlation of what is drawn, under which a photo lies wrongly
WELL = 0.6  # the same, from which no other start is tried: two of five photos of leather goods have less
ENOUGH = 0.3  # correlation over which a step of the warp must make it better
DRAWN = 0.2  # of the spread of the boldest parts, from which a place counts as drawn
FINE, COARSE = 0.6, 3.0  # pixels of the frame: finer than the first is noise, coarser than the second is light
NEAR = 3.5  # pixels of the frame: strokes within count together, wherever exactly they lie
GROUND = 15  # pixels of the frame on the side of a window whose median is the colour of what is drawn on
SMOOTH = 4.0  # pixels of the frame over which that is taken
DARK = 24.0  # grey levels that are added before logarithms: the hue of black is noise


@dataclass(frozen=True, eq=False)
class WholeProduct:
    """n references over one frame (h, w): ``crops`` (n, h, w, 3) uint8, ``inside`` (n, h, w) bool where they show it at
    all; ``product`` (h, w) bool where they show the product; ``matrix`` (3, 3) float64 takes x, y, 1 of the frame
    to the stencil's; ``rows`` (n,) which of the stencil's references these are; a ``relief`` is compared by its edges.
    """

    crops: Pixels
    inside: Bools
    product: Bools
    matrix: Matrix
    rows: tuple[int, ...]
    relief: bool

    @classmethod
    def of(cls, stencil: Stencil, photos: Sequence[Pixels], products: Sequence[Floats]) -> WholeProduct:
        """The ``photos`` (h, w, 3) that the stencil was made of; ``products`` are maps over them, of any size: how
        surely each shows the product, 0..1. The first one's makes the frame; where in it the product is all of them
        tell, as a map is as coarse as patches and takes what is beside the product in one room for a part of it.
        """
        first, plane = photos[0], plane_of(stencil.warps[0])
        sure = [
            cv2.resize(product, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            for photo, product in zip(photos, products, strict=True)
        ]
        sure = [one if (one >= SURELY).any() else np.ones_like(one) for one in sure]
        y, x = np.nonzero(sure[0] >= SURELY)
        (x0, x1), (y0, y1) = (np.quantile(there, (STRAY, 1 - STRAY)) for there in (x, y))
        scale = SIDE / max(x1 - x0, y1 - y0, 1.0)
        shape = (max(2, round((y1 - y0) * scale)), max(2, round((x1 - x0) * scale)))
        onto = np.array([[1 / scale, 0, x0], [0, 1 / scale, y0], [0, 0, 1.0]])
        crop, everywhere = framed(first, onto, shape), np.ones(shape, bool)
        seen = [cv2.remap(sure[0], places(onto, shape), None, cv2.INTER_LINEAR)]
        alone = cls(
            crops=crop[None],
            inside=everywhere[None],
            product=_compared(seen[0]),
            matrix=inverse(plane) @ onto,
            rows=(0,),
            relief=stencil.relief,
        )
        laid = [alone.lay(photo, warp) for photo, warp in zip(photos[1:], stencil.warps[1:], strict=True)]
        others = {row: one for row, one in enumerate(laid, 1) if isinstance(one, Laid)}
        inside = np.stack([everywhere, *(one.inside for one in others.values())])
        seen += [cv2.remap(sure[row], one.warp, None, cv2.INTER_LINEAR) for row, one in others.items()]
        return cls(
            crops=np.stack([crop, *(one.crop for one in others.values())]),
            inside=inside,
            product=_compared(np.average(seen, axis=0, weights=inside)),
            matrix=alone.matrix,
            rows=(0, *others),
            relief=alone.relief,
        )

    def lay(
        self, photo: Pixels, marks: Floats, others: Callable[[], Sequence[Matrix]] = tuple, *, found: bool = False
    ) -> Laid | str:
        """A photo (h, w, 3) over the frame; or why it can't be laid. ``marks`` (h, w, 2) is where the pixels of the
        stencil's frame lie on it. Where it lies badly by them, as small marks tell little of what is far from them, the
        ``others`` are asked for, maps (3, 3) from the stencil's frame to the photo, and the best is taken. Where the
        marks are ``found``, and none of these is better, it lies where they say, however little it is like the product.
        """
        pyramid = Pyramid(photo)
        laid, like = self._laid(pyramid, plane_of(marks))
        if like < WELL:
            again = [self._laid(pyramid, matrix) for matrix in others()]
            laid, like = max([(laid, like), *(one for one in again if one[1] >= LIKE)], key=lambda one: one[1])
        if isinstance(laid, str):
            return laid
        return (
            laid
            if found or like >= LIKE
            else f"the photo is not drawn like the product as a whole (correlation {like:.2f})"
        )

    def lay_each(self, photo: Pixels, starts: Sequence[Matrix]) -> list[Laid]:
        """The photo (h, w, 3) over the frame from each of those maps (3, 3) from the stencil's frame that lays it."""
        pyramid = Pyramid(photo)
        laid = (self._laid(pyramid, matrix)[0] for matrix in starts)
        return [one for one in laid if not isinstance(one, str)]

    def _laid(self, pyramid: Pyramid, matrix: Matrix) -> tuple[Laid | str, float]:
        """A photo over the frame from one start, and how much it is drawn like the references' median, -1..1."""
        laid = lay(self.target, pyramid, matrix @ self.matrix, enough=ENOUGH, blurred=True)
        if laid is None:
            return "the product would lie outside the photo, or folded", -1.0
        shown = self.product & laid.inside
        if shown.sum() < SHOWN * self.product.sum():
            return f"the photo shows {shown.sum() / self.product.sum():.0%} of the side that bears the marks", -1.0
        return laid, self.likeness(laid)

    def beside_marks(
        self, stencil: Stencil, photo: Pixels, marks: Floats, others: Callable[[], Sequence[Matrix]] = tuple
    ) -> float | None:
        """How like the genuine a photo (h, w, 3) is on all of the side but the marks: the correlation, light taken out,
        from the best of the starts of :meth:`lay`; ``None`` where it shows too little that is drawn there.
        """
        starts, pyramid, alike = [plane_of(marks), *others()], Pyramid(photo), list[float]()
        off_marks = self.off_marks(stencil)
        for version, matrix in itertools.product(self.versions, starts):
            laid, _ = version._laid(pyramid, matrix)
            if isinstance(laid, str):
                continue
            around = np.asarray(version.product & laid.inside & off_marks)
            if around.sum() >= SHOWN * version.product.sum() and (around & version.drawn).sum() >= FEWEST:
                seen = without_light(laid.crop, relief=self.relief)
                alike.append(correlation(flattened(version.picture), seen, around))
        return max(alike, default=None)

    def off_marks(self, stencil: Stencil) -> Bools:
        """(h, w): all but a stencil's marks and the strip around them, which counts neither as mark nor as other."""
        marks, (height, width) = stencil.on_mark(AIR).astype(np.uint8), self.product.shape
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpPerspective(marks, self.matrix, (width, height), flags=how) == 0)

    @cached_property
    def typical(self) -> Floats:
        """(h, w, 3): the references' median, without what is finer than grain."""
        return soft(np.median(self.crops, axis=0))

    @cached_property
    def usual(self) -> Floats:
        """(h, w): the median of :attr:`drawings`."""
        return np.asarray(np.median(self.drawings, axis=0), np.float32)

    def lay_over_versions(
        self, photo: Pixels, marks: Floats, others: Callable[[], Sequence[Matrix]] = tuple, *, found: bool = False
    ) -> tuple[WholeProduct, Laid] | str:
        """The version that a photo fits best, and the photo over it; or why :meth:`lay` can't lay it over any."""
        laid = [(one, one.lay(photo, marks, others, found=found)) for one in self.versions]
        fits = [(one, over) for one, over in laid if not isinstance(over, str)]
        return max(fits, key=lambda fit: fit[0].likeness(fit[1])) if fits else str(laid[0][1])

    @cached_property
    def versions(self) -> tuple[WholeProduct, ...]:
        """The references of each version of what is drawn on the product, over the same frame; itself where there is
        one.
        """
        if len(self.crops) < 2:
            return (self,)
        groups = versions(self.crops, self.inside & self.product, relief=self.relief)
        return (self,) if len(groups) == 1 else tuple(self._of(list(rows)) for rows in groups)

    def _of(self, rows: list[int]) -> WholeProduct:
        """Those references, compared where any of them shows the product."""
        return replace(
            self,
            crops=self.crops[rows],
            inside=self.inside[rows],
            product=np.asarray(self.product & self.inside[rows].any(axis=0)),
            rows=tuple(self.rows[row] for row in rows),
        )

    def likeness(self, laid: Laid) -> float:
        """The correlation of what is drawn on a photo over the frame with the median of the references."""
        return correlation(self.usual, self.drawing_of(laid.crop), np.asarray(self.product & laid.inside))

    def most_alike(self, laid: Laid) -> int:
        """The reference that a photo over the frame is most like."""
        return most_alike(self.drawings, self.drawing_of(laid.crop), self.inside & self.product & laid.inside)

    @cached_property
    def drawings(self) -> Floats:
        """(n, h, w): :meth:`drawing_of` each reference."""
        return np.stack([self.drawing_of(crop) for crop in self.crops])

    def drawing_of(self, crop: Pixels) -> Floats:
        """(h, w) grey levels, or edges, that a crop (h, w, 3) has beyond its surroundings': strokes, without light."""
        return self._strokes(crop, FINE, COARSE)

    @cached_property
    def strengths(self) -> Floats:
        """(n, h, w): :meth:`strength_of` each reference."""
        return np.stack([self.strength_of(crop) for crop in self.crops])

    def strength_of(self, crop: Pixels) -> Floats:
        """(h, w) how strongly anything is drawn on the product around each pixel of a crop (h, w, 3), squared."""
        strokes = self._strokes(crop, *BOLD)
        return np.asarray(cv2.GaussianBlur(strokes * strokes * self.product, (0, 0), NEAR), np.float32)

    @cached_property
    def grounds(self) -> Floats:
        """(n, h, w, 3): :meth:`ground_of` each reference."""
        return np.stack([self.ground_of(crop) for crop in self.crops])

    def ground_of(self, crop: Pixels) -> Floats:
        """(h, w, 3) the logarithm of the colour that a crop (h, w, 3) has beside what is drawn on it."""
        ground = cv2.medianBlur(np.ascontiguousarray(crop), GROUND).astype(np.float32)
        return np.asarray(np.log(cv2.GaussianBlur(ground, (0, 0), SMOOTH) + DARK), np.float32)

    def _strokes(self, crop: Pixels, fine: float, coarse: float) -> Floats:
        """(h, w) what a crop (h, w, 3) shows between two sizes."""
        return strokes(crop, fine, coarse, relief=self.relief)

    @cached_property
    def target(self) -> Target:
        """What a photo is warped onto: the :attr:`picture`, where it shows the product."""
        say = cv2.GaussianBlur(self.product.astype(np.float32), (0, 0), 4.0)
        return make_target(self.picture, say.astype(np.float32), self.drawn, relief=self.relief)

    @cached_property
    def picture(self) -> Floats:
        """(h, w): the references' median in grey, or of a relief their edges."""
        return usual_picture(self.crops, relief=self.relief)

    @cached_property
    def drawn(self) -> Bools:
        """(h, w): where anything is drawn on the product."""
        spread = local_spread(self.picture)
        return np.asarray(self.product & (spread >= DRAWN * np.quantile(spread[self.product], 0.95)))


def _compared(sure: Floats) -> Bools:
    """(h, w) what is compared of a frame, of which it is known how surely it shows the product."""
    there = (sure >= SURELY).astype(np.uint8)
    if not there.any():  # specks beside the frame
        there[:] = 1
    inner = cv2.erode(there, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
    return np.asarray((inner if inner.sum() >= FEWEST else there) > 0)
