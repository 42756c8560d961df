"""How a product's marks lie to each other: whether one is turned, slanted, stretched or shifted beside another.

Each mark of a photo is laid over the genuine one by an affine map of its own (:mod:`~counterfeit_vision.marks.ink`). A
camera sees two marks of one plane by maps that are not the same: with y along the line that joins them, the second one
beside the first is

    [[1 / s, 0], [c, 1 / s**2]]

for some s, how much farther off it is, and some c: the derivative of a homography (Hartley & Zisserman 2004, 2.3) at
the two. So two of the four numbers tell of the goods and not of the camera: the upper right one, which is the angle by
which a mark is turned or slanted, and the logarithm of the last one over the first one squared, which tells whether it
is stretched. Goods that bend change both a little, and so do photos that show the marks badly.

A straight line stays one before any camera: each mark has the other in the direction in which its own map takes the
line that joins them. One that is shifted lies off that line to one side, whichever of the two maps tells it. One that
is turned has it alone; and on a bent surface, where the line is an arc, they lie off each other's to opposite sides.
A wide lens makes an arc of it, too, and turns what is near a photo's corners: it is found in the product's whole side,
as two marks alone would not tell it from a mark that is turned.

Constants were chosen on the market's seeds 0 to 2, medium and strong; those of shifts on other drawn goods,
photographed from aslant, in glare and under tape.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .._arrays import Doubles, Floats
from .finding import Found
from .ink import Drawn, MarkInk
from .stencil import Stencil

__all__ = ["LayoutDeviation", "MarkLayout"]

WHOLE = 0.9  # of a mark's box, that a photo shows: what is left of a mark that is cut off tells badly how it lies
LIKE = 0.6  # correlation of a mark's ink with the genuine outline from which its place is known
GRID = np.linspace(-0.8, 0.8, 5)  # over a mark's box, -1..1: places by which its map is taken

# What genuine photos differ by: where the marks are like the genuine outlines, and more for each unit they are less so
TURN = (0.2, 5.0)  # degrees
STRETCH = (1.0, 25.0)  # per cent
SHIFT = (1.0, 12.0)  # pixels of the frame
SMALL = 16.0  # pixels of the frame: a slimmer mark is expected to lie off more by this over its side, squared
BENT = (1.0, 4.0, 2.0)  # degrees, per cent and pixels, of goods that fewer than three references show


_Pair = tuple[float, tuple[int, ...], str]  # score, which marks may be off, and what is said


@dataclass(frozen=True, eq=False)
class LayoutDeviation:
    """``score``: by how many times what is usual for genuine photos the marks' most deviating pair is turned,
    stretched or shifted beside one another. ``text`` says how, ``map`` (h, w) float32 over the stencil's frame at which
    mark, or at which two of which one is stretched or shifted.
    """

    score: float
    text: str
    map: Floats


@dataclass(frozen=True, eq=False)
class _Beside:
    """One mark beside another. ``told`` (2,): degrees that it is turned, per cent that it is stretched, perspective
    taken out; ``across`` (2,): how far, in pixels of the frame, each lies off the line on which the other's own map has
    it.
    """

    told: Doubles
    across: Doubles

    def beyond(self, told: Doubles, across: Doubles) -> Doubles:
        """(3,) what of this is not usual: degrees, per cent, and pixels by which one is shifted, as both maps tell."""
        aside = self.across - across
        return np.append(self.told - told, np.abs(aside).min() if aside.prod() > 0 else 0.0)


@dataclass(frozen=True, eq=False)
class MarkLayout:
    """``marks`` of a stencil, and for each pair of them that most references show how they have one beside the other:
    ``pairs``. One of a pair that few show may be another thing's beside the product.
    """

    marks: tuple[MarkInk, ...]
    pairs: dict[tuple[int, int], tuple[_Beside, ...]]

    @classmethod
    def of(cls, stencil: Stencil, marks: Sequence[MarkInk]) -> MarkLayout:
        """The references' layout of the marks that a stencil has."""
        pairs = {}
        for one, two in itertools.combinations(range(len(marks)), 2):
            if not marks[one].lies_apart_from(marks[two]):
                continue
            seen = (
                _beside(marks[one], marks[one].references[row], marks[two], marks[two].references[row], warp)
                for row, warp in enumerate(stencil.warps)
            )
            shown = tuple(pair for pair in seen if pair is not None)
            if 2 * len(shown) > len(stencil.warps):
                pairs[one, two] = shown
        return cls(tuple(marks), pairs)

    def compare(
        self, drawn: Sequence[Drawn | None], found: Found, straight: Callable[[], Floats | None] = lambda: None
    ) -> LayoutDeviation | str:
        """How far the marks of a photo, as they are ``drawn``, lie from how they should; or why that can't be said.
        ``straight`` gives the warp (h, w, 2) of the marks that were ``found`` without the photo's lens, where it is
        known (:mod:`~counterfeit_vision.geometry.lens`). It is asked where they lie otherwise than is usual, and of
        both warps the one by which they lie better is taken.
        """
        if len(self.marks) < 2:
            return "the product has one known mark, and nothing to lay it beside"
        worst = self._worst(drawn, found, found.warp)
        if worst is None:
            return "fewer than two marks are seen well enough to tell how they lie"
        if worst[0] >= 1 and (warp := straight()) is not None:
            worst = min(worst, self._worst(drawn, found, warp) or worst, key=lambda pair: pair[0])
        score, marks, text = worst
        map_ = np.zeros(found.inside.shape, np.float32)
        for mark in marks:
            x0, y0, x1, y1 = self.marks[mark].box
            map_[y0:y1, x0:x1] = score
        return LayoutDeviation(score, text, map_)

    def _worst(self, drawn: Sequence[Drawn | None], found: Found, warp: Floats) -> _Pair | None:
        """The pair that lies most otherwise, laid by a ``warp``."""
        return max(self._pairs(drawn, found, warp), key=lambda pair: pair[0], default=None)

    def _pairs(self, drawn: Sequence[Drawn | None], found: Found, warp: Floats) -> Iterator[_Pair]:
        """Each pair that is seen, laid by a ``warp``."""
        whole = [found.inside[y0:y1, x0:x1].mean() >= WHOLE for x0, y0, x1, y1 in (mark.box for mark in self.marks)]
        for (one, two), genuine in self.pairs.items():
            if not (whole[one] and whole[two]):
                continue
            mine = _beside(self.marks[one], drawn[one], self.marks[two], drawn[two], warp)
            first, second = drawn[one], drawn[two]
            if mine is None or first is None or second is None:
                continue
            unlike = 1 - min(first.likeness, second.likeness)
            usual = np.median([pair.told for pair in genuine], axis=0)
            middle = np.median([pair.across for pair in genuine], axis=0)
            known = np.stack([pair.beyond(usual, middle) for pair in genuine])
            farthest = np.abs(known).max(axis=0) if len(known) > 2 else np.array(BENT)
            expected = np.array([least + more * unlike for least, more in (TURN, STRETCH, SHIFT)])
            expected *= max(1.0, SMALL / min(_side(self.marks[one]), _side(self.marks[two]))) ** 2
            off = mine.beyond(usual, middle)
            times = np.abs(off) / np.sqrt(expected**2 + farthest**2)
            # Which one is stretched or shifted, two marks do not tell: a view from aslant may squeeze either
            marks: tuple[int, ...] = (one, two)
            if times[0] >= times[1:].max():
                marks = (marks[int(np.abs(mine.across - middle).argmax())],)
                text = f"one of its marks is turned or slanted by {abs(off[0]):.1f} degrees beside another"
            elif times[1] >= times[2]:
                # By how much is not said: along the line that joins them it shows half as strongly as across it
                text = "one of its marks is stretched or squeezed beside another"
            else:
                apart = max(float(np.linalg.norm(_middle(self.marks[two]) - _middle(self.marks[one]))), 1.0)
                text = f"one of its marks is shifted off its line to another by {off[2] / apart:.0%} of their distance"
            yield float(times.max()), marks, text


def _beside(one: MarkInk, first: Drawn | None, two: MarkInk, second: Drawn | None, warp: Floats) -> _Beside | None:
    """The second mark of a photo beside the first, where both are seen."""
    if first is None or second is None or min(first.likeness, second.likeness) < LIKE:
        return None
    (here, here_on), (there, there_on) = _placed(one, first, warp), _placed(two, second, warp)
    apart = _middle(two) - _middle(one)
    length = float(np.linalg.norm(apart))
    y = apart / length if length > 1 else np.array([0.0, 1.0])
    axes = np.stack([[y[1], -y[0]], y], axis=1)
    if min(abs(np.linalg.det(here)), abs(np.linalg.det(there))) < 1e-6:
        return None
    beside = axes.T @ np.linalg.solve(here, there) @ axes
    if min(beside[0, 0], beside[1, 1]) < 0.1:
        return None
    across = [float((axes.T @ np.linalg.solve(map_, there_on - here_on))[0]) for map_ in (here, there)]
    told = [np.degrees(beside[0, 1]), 100 * np.log(beside[1, 1] / beside[0, 0] ** 2)]
    return _Beside(np.array(told), np.array(across))


def _side(mark: MarkInk) -> float:
    """The shorter one, in pixels of the frame."""
    x0, y0, x1, y1 = mark.mark
    return float(max(min(x1 - x0, y1 - y0), 1))


def _middle(mark: MarkInk) -> Doubles:
    x0, y0, x1, y1 = mark.box
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2])


def _placed(mark: MarkInk, drawn: Drawn, warp: Floats) -> tuple[Doubles, Doubles]:
    """The affine map of a mark from the frame to the photo: its derivative (2, 2), and where the middle goes (2,)."""
    x0, y0, x1, y1 = mark.box
    u, v = (part.ravel() for part in np.meshgrid(GRID, GRID))
    frame = np.stack([u * (x1 - x0), v * (y1 - y0)], axis=1) / 2
    at = frame + _middle(mark) + np.stack([np.ones_like(u), u, v], axis=1) @ drawn.offset.T
    photo = cv2.remap(warp, at.astype(np.float32)[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    terms = np.column_stack([frame, np.ones(len(frame))])
    fit = np.linalg.lstsq(terms, photo[:, 0].astype(np.float64), rcond=None)[0]
    return fit[:2].T, photo[len(at) // 2, 0].astype(np.float64)  # not their mean: a view from aslant squeezes one side
