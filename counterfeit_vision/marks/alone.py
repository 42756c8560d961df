"""Each of a product's marks by itself, as closely as photos show it.

Where a product has several marks, the frame of them all (:mod:`~counterfeit_vision.marks.finding`) is wide, and a small
one has few pixels in it. So each has a frame of its own as well: the common one tells where it is, and a warp of its
own what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._arrays import Bools, Floats, Matrix, Pixels
from ..geometry.laying import Pyramid, framed, inverse, mapped, plane_of
from .finding import Found, lay_over
from .making import MARGIN, SIDE
from .stencil import Stencil

__all__ = ["MarkAlone"]

FINEST = 1.25  # pixels of a mark's own frame, at most, to one of the first reference's: there is nothing to see in more
MOST = 4  # marks that are looked at one by one: it takes time and memory, and the encoder's square has room for few
THIN = 4.0  # pixels of the common frame: of a mark that is less on a side nothing tells a plane
LESS = 0.02  # by which references' mean correlation with the first may be lower mark by mark: that is chance
LEAST = 96  # pixels on the long side of such a frame, whatever photos show: the warp averages over some


@dataclass(frozen=True, eq=False)
class MarkAlone:
    """The ``stencil`` of one mark, in whose frame it has more pixels than in that of all, without warps and local
    features; ``part`` (4,) ``x0 y0 x1 y1`` is what it shows of the common frame.
    """

    stencil: Stencil
    part: tuple[int, int, int, int]

    @classmethod
    def together(cls, stencil: Stencil) -> MarkAlone:
        """All marks, in their common frame."""
        return cls(stencil, (0, 0, stencil.shape[1], stencil.shape[0]))

    @classmethod
    def each_of(cls, stencil: Stencil, photos: Iterable[Pixels]) -> tuple[MarkAlone, ...]:
        """One for each mark of a stencil that was made of the ``photos`` (h, w, 3). None where they are to be looked at
        together: one mark, or more than :data:`MOST`; one that is less than :data:`THIN`; a relief's, whose edges are a
        few pixels wide in any frame; and those of which references are less alike mark by mark than all together, as on
        cloth in folds.
        """
        sides = stencil.boxes[:, 2:] - stencil.boxes[:, :2]
        if stencil.relief or not 1 < len(stencil.boxes) <= MOST or sides.min() < THIN:
            return ()
        shown = list(photos)
        each = tuple(cls._of(stencil, shown, box) for box in stencil.boxes)
        return each if np.mean([one.stencil.alike for one in each]) >= stencil.alike - LESS else ()

    @classmethod
    def _of(cls, stencil: Stencil, photos: Sequence[Pixels], box: Floats) -> MarkAlone:
        height, width = stencil.shape
        grow = MARGIN * float(max(box[2:] - box[:2]))
        low, high = np.floor(np.maximum(box[:2] - grow, 0)), np.ceil(np.minimum(box[2:] + grow, [width, height]))
        (x0, y0), (x1, y1) = low.astype(int).tolist(), high.astype(int).tolist()
        part = (x0, y0, x1, y1)
        long = max(x1 - x0, y1 - y0)
        there = plane_of(stencil.warps[0], part)
        corners = mapped(there, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32))
        on_photo = float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).max())
        scale = float(np.clip(FINEST * on_photo, LEAST, SIDE)) / long
        shape = (max(2, round((y1 - y0) * scale)), max(2, round((x1 - x0) * scale)))
        matrix = there @ _onto(part, shape)
        none = stencil.keypoints.at(np.zeros(len(stencil.keypoints), bool))
        alone = replace(
            stencil,
            crops=framed(photos[0], matrix, shape)[None],
            inside=np.ones((1, *shape), bool),
            boxes=np.asarray((box - [x0, y0, x0, y0]) * scale, np.float32)[None],
            rows=stencil.rows[:1],
            warps=np.zeros((0, *shape, 2), np.float32),
            keypoints=none,
            around=none,
        )
        first = cls(alone, part)
        laid = [first.lay(Pyramid(photo), warp) for photo, warp in zip(photos[1:], stencil.warps[1:], strict=True)]
        others = {row: one for row, one in zip(stencil.rows[1:], laid, strict=True) if one is not None}
        crops = np.stack([alone.crops[0], *(one.crop for one in others.values())])
        inside = np.stack([alone.inside[0], *(one.inside for one in others.values())])
        return cls(replace(alone, crops=crops, inside=inside, rows=(*alone.rows, *others)), part)

    def reference(self, row: int) -> tuple[Pixels, Bools] | None:
        """The ``row``-th of the references that were given for the stencil: its crop (h, w, 3) in this frame and where
        that is photo at all (h, w); ``None`` where it does not show the mark.
        """
        own = self.stencil
        place = own.rows.index(row) if row in own.rows else None
        return None if place is None else (own.crops[place], own.inside[place])

    def in_common(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box of this frame in the common one."""
        height, width = self.stencil.shape
        x0, y0, x1, y1 = self.part
        across, down = (x1 - x0) / width, (y1 - y0) / height
        left, top = int(x0 + box[0] * across), int(y0 + box[1] * down)
        return left, top, max(left + 1, int(x0 + box[2] * across)), max(top + 1, int(y0 + box[3] * down))

    def lay(self, pyramid: Pyramid, marks: Floats) -> Found | None:
        """The mark on a photo, ``None`` where it does not show it; ``marks`` (h, w, 2) is where the pixels of the
        common frame lie on it.
        """
        matrix = plane_of(marks, self.part) @ _onto(self.part, self.stencil.shape)
        return lay_over(self.stencil, pyramid, matrix, blurred=False)

    def beside(self, laid: Found, marks: Floats) -> Matrix:
        """The map (3, 3) of the common frame, which lies on a photo as ``marks`` (h, w, 2), from where the mark should
        be to where it was ``laid``.
        """
        own = plane_of(laid.warp) @ inverse(_onto(self.part, self.stencil.shape))
        return inverse(plane_of(marks, self.part)) @ own


def _onto(part: tuple[int, int, int, int], shape: tuple[int, int]) -> Matrix:
    """From a frame of that ``shape`` to the ``part`` of the common one that it shows."""
    x0, y0, x1, y1 = part
    return np.array([[(x1 - x0) / shape[1], 0, x0], [0, (y1 - y0) / shape[0], y0], [0, 0, 1.0]])
