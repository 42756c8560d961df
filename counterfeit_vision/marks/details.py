"""A product's genuine marks as the encoder sees them close up, and where a suspect's differ.

Marks that are laid over the genuine ones (:mod:`~counterfeit_vision.marks.finding`) are cut out and encoded a second
time, so that a patch is a part of a letter, at the same place in all of them. The genuine ones, and the first of them
as worse photos would show it, tell how much a patch differs there by light, blur and a pixel of misfit; a suspect's
patch that differs more than its neighbours do, in proportion, is another letter. What has nothing in common with what
genuine photos show there is a hand, a sticker or a glare, and is not judged, nor is what touches it.

Constants were chosen on the market's seeds 0-2, 250 and 600-605, on 100 and 101, which no figure is given for any more,
and on cartons of grocery's training part.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats, Ints, Pixels
from .._concurrency import cached_property
from ..geometry.laying import Laid, to_grey
from ..geometry.shadow import edges, shaded, soft
from .alone import MarkAlone
from .stencil import Stencil

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["CloseUp", "Cut", "MarkDetails", "Strangeness", "close_ups"]

Box = tuple[int, int, int, int]
Seen = tuple[Pixels, Bools]  # a photo in a frame (h, w, 3), and where that is photo at all (h, w)

DEPTH = 0.75  # of the encoder's blocks, whose patches are compared: of CLIP B/16's blocks 3-12 the 9th told most
AROUND = 0.12  # of the marks' long side, left around them
HEIGHTS = (0.4, 2.5)  # least and most of the encoder's rows that a mark gets beside one that is as high as it is wide
REACH = 1  # patches: how far from its place a patch's like is looked for
HIDDEN = 0.9  # 1 - cosine to the most alike patch there, from which a patch is hidden: a hand has 1, a letter less
UNKNOWN = 0.6  # 1 - cosine to the most alike patch anywhere on the genuine marks, from which it may be of anything
SHOWN = 0.9  # of a patch, from which a photo shows it
MOST_HIDDEN = 0.5  # share of such patches, of those that the photo shows, beyond which the marks are not judged
TOP = 0.06  # share of the patches that makes the score, the strangest first
FLOOR = 0.03  # of 1 - cosine: less is chance
# What all patches of a photo differ by may be its light and blur, and may be another typeface: how much of it is taken
# off. Chosen on seed 0 of five kinds of goods (benchmarks/kinds.py), market 250 and cartons of grocery's training part.
# What is more than on the worse copies is the camera's: all of it is taken off. Seen on throwaway markets 9403 and 9404
EXCUSED = 0.5
# Whether something lies over the marks or before them is told by the ground around them, on which other letters draw
# nothing. Chosen on eight products drawn for it
EDGE = 0.25  # of the strongest edges of a mark, from which a place is no ground
PLAIN = 0.03  # share of such edges in a patch, up to which it is ground
STRANGE_GROUND = 0.7  # 1 - cosine to the most alike patch anywhere on the genuine marks
FEWEST_GROUND = 8  # patches, of which a share is given
# Strange ground that shows nothing but the genuine marks' own colours, the ground's and an ink's, is drawn on, and not
# covered: chosen on printed goods of seed 107, where no ground in another mark's place is like a genuine photo's, and
# 48 photos of them with a hand, a tape or a sticker pasted over the marks
BINS = 24  # levels of each channel on the side of a bin of colours; and how far off its mean a colour is the same
COMMON = 0.015  # share of a mark's frame, from which a bin is an ink
APART = 40  # levels of a channel between the ground's colour and an ink's, at least
NOTHING_ELSE = 0.9  # share of a patch that shows these colours, or what lies between them
EACH = 0.05  # share of a patch, or of one beside it, with the ground's and an ink's, at least: of a tape it is one
# Share of a mark's own patches, of those out of a glare, that may be of anything and are drawn in its colours, from
# which it is another mark: no light draws one, and the ground that it is drawn on is not covered. Of 15 other marks on
# eight kinds of goods (seed 17) that were taken for covered eight have 0.5 and more, of which four are no longer told
# as covered; of some 500 genuine photos of these and of printed goods of seed 17 under a drawn finger, tape, note or
# strip, or a label in just the ground's colour, six have, of which one is not
ANOTHER = 0.5
FEWEST_OWN = 4  # patches, of which that share is taken
# Levels of all channels from which a photo is burnt out, and up to which the genuine marks, in its light, are not
BURNT, LIT = 245, 225
GLARING = 0.1  # share of a patch that glares, from which its mark is not judged by it
SPECK = np.ones((5, 5), np.uint8)  # pixels of a frame: less is an edge of a stroke


@dataclass(frozen=True, eq=False)
class Strangeness:
    """``strange`` and ``usual``: how many times as much as on genuine photos the strangest patches differ, and the
    photo's usual one. ``score``: the logarithm of the first, less that of the second, of which only a part
    (:data:`EXCUSED`) counts where the photo's usual patch differs less than those of genuine photos.
    ``map`` (h, w) float32 over the stencil's frame: the patches' share in it, 0 off the marks and on what is hidden.
    """

    score: float
    strange: float
    usual: float
    map: Floats


@dataclass(frozen=True, eq=False)
class CloseUp:
    """A photo's marks, or what lies in their place, encoded by themselves: ``vector`` (D,) float32 of unit length, the
    patches' ``tokens`` (P, E) float16: a batch's stay in memory.
    """

    vector: Floats
    tokens: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Cut:
    """What the encoder's square shows of one mark: the ``box`` x0 y0 x1 y1 of the mark's own frame, whose median over
    the references is ``typical`` (h, w, 3) float32, across the square's ``rows`` from .. to; ``part`` is the same box
    in the frame of all marks.
    """

    typical: Floats
    box: Box
    part: Box
    rows: tuple[int, int]

    def filled(self, seen: Seen | None) -> Pixels:
        """A photo over the mark's own frame (h, w, 3). What it does not show is filled in from the genuine ones, in the
        photo's light, so that it says nothing.
        """
        if seen is None:
            return np.clip(self.typical, 0, 255).astype(np.uint8)
        crop, shown = seen
        if shown.all():
            return crop
        light = crop[shown].mean(axis=0) / np.maximum(self.typical[shown].mean(axis=0), 1)
        return np.where(shown[..., None], crop, np.clip(self.typical * light, 0, 255)).astype(np.uint8)

    def glare(self, seen: Laid | None) -> Floats:
        """(h, w) in 0..1 of that frame: where a photo is burnt out, and the genuine marks would not be in its light;
        and around it, so that a disc has twice its radius.
        """
        burnt, (x0, y0, x1, y1) = np.zeros(self.typical.shape[:2], np.uint8), self.box
        if seen is None or not (inside := seen.inside[y0:y1, x0:x1]).any():
            return burnt.astype(np.float32)
        crop, genuine = seen.crop[y0:y1, x0:x1], to_grey(self.typical[y0:y1, x0:x1])
        light = np.median((to_grey(crop)[inside] + 1) / (genuine[inside] + 1))
        burnt[y0:y1, x0:x1] = (crop.min(axis=2) >= BURNT) & (genuine * light <= LIT) & inside
        burnt = cv2.morphologyEx(burnt, cv2.MORPH_OPEN, SPECK)
        around = 2 * round(float(np.sqrt(burnt.sum() / np.pi))) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (around, around))
        return np.asarray(cv2.dilate(burnt, disc), np.float32)

    def shaded(self, seen: Laid | None) -> tuple[int, int]:
        """How many places of that frame are ground on which neither the genuine marks nor a photo draws an edge; and on
        how many of these the photo is darker or lighter than light that falls off evenly would make it, in its hue.
        """
        if seen is None:
            return 0, 0
        x0, y0, x1, y1 = self.box
        photo = soft(seen.crop[y0:y1, x0:x1])
        bare = self._bare & seen.inside[y0:y1, x0:x1] & ~edges(photo)
        air = int(AROUND / (1 + 2 * AROUND) * max(bare.shape)) + 1
        _, parts = cv2.connectedComponents(bare.astype(np.uint8))
        with_marks = np.zeros(parts.max() + 1, bool)  # what an edge parts from the marks may be the room
        with_marks[parts[air:-air, air:-air]] = True
        return shaded(self._soft, photo, np.asarray(bare & with_marks[parts]))

    @cached_property
    def _soft(self) -> Floats:
        """The genuine marks (h, w, 3) in the box, without what is finer than grain."""
        x0, y0, x1, y1 = self.box
        return soft(self.typical[y0:y1, x0:x1])

    @cached_property
    def _bare(self) -> Bools:
        """(h, w) of the box: the genuine marks' ground, where they draw no edge."""
        x0, y0, x1, y1 = self.box
        return np.asarray(
            (np.abs(self.typical[y0:y1, x0:x1] - self._colours[0]).max(axis=2) <= BINS) & ~edges(self._soft)
        )

    @cached_property
    def _colours(self) -> tuple[Floats, Floats]:
        """(3,) of the genuine marks' ground, and (k, 3) of their inks."""
        x0, y0, x1, y1 = self.box
        pixels = self.typical[y0:y1, x0:x1].reshape(-1, 3)
        _, of, counts = np.unique(pixels // BINS, axis=0, return_inverse=True, return_counts=True)
        means = np.stack([np.bincount(of.ravel(), channel) / counts for channel in pixels.T], axis=1)
        ground = means[counts.argmax()]
        inks = (counts >= COMMON * len(pixels)) & (np.abs(means - ground).max(axis=1) >= APART)
        return ground.astype(np.float32), means[inks].astype(np.float32)

    def drawn(self, seen: Laid | None) -> tuple[Floats, Floats, Floats]:
        """Each (h, w) in 0..1 of that frame, where a photo shows the colour of the genuine ground, in its light; that
        of an ink; or either of them, or what lies between the two.
        """
        ground, ink, any_ = (np.zeros(self.typical.shape[:2], np.float32) for _ in range(3))
        (x0, y0, x1, y1), (paper, inks) = self.box, self._colours
        part = np.s_[y0:y1, x0:x1]
        if seen is None:
            return ground, ink, any_
        crop, genuine = seen.crop[part].astype(np.float32), self.typical[part]
        bare = seen.inside[part] & (np.abs(genuine - paper).max(axis=2) <= BINS)
        if not bare.any():
            return ground, ink, any_
        light = np.median((crop[bare] + 8) / (genuine[bare] + 8), axis=0)  # not dark colours' noise
        paper, inks = ((colours + 8) * light - 8 for colours in (paper, inks))
        to_paper = np.abs(crop - paper).max(axis=2)
        to_ink, between = np.full_like(to_paper, np.inf), to_paper
        for one in inks:
            to_ink = np.minimum(to_ink, np.abs(crop - one).max(axis=2))
            share = np.clip((crop - paper) @ (one - paper) / ((one - paper) @ (one - paper)), 0, 1)
            mixed = paper + share[..., None] * (one - paper)
            between = np.minimum(between, np.abs(crop - mixed).max(axis=2))
        ground[part] = (to_paper <= BINS) & (to_paper < to_ink)
        ink[part] = (to_ink <= BINS) & (to_ink < to_paper)
        any_[part] = between <= BINS
        return ground, ink, any_

    def shown(self, seen: Laid | None) -> Floats:
        """(h, w) in 0..1 of that frame: what a photo shows of it."""
        return np.zeros(self.typical.shape[:2], np.float32) if seen is None else seen.inside.astype(np.float32)


@dataclass(frozen=True, eq=False)
class MarkDetails:
    """n genuine photos' marks as one square: ``cuts`` say where each is, in it and in the marks' common frame, of this
    ``shape``. ``vectors`` (n, D) float32 of unit length are what they look like as a whole, ``patches`` (n, P, E)
    float16 of unit length, ``centre`` and ``scale`` (E,) what brought them there, ``genuine`` (P,) float32 how much
    (1 - cosine) a genuine photo's patch differs from the others', or a worse photo's, whichever is more.
    """

    cuts: tuple[Cut, ...]
    shape: tuple[int, int]
    grid: tuple[int, int]
    vectors: Floats
    patches: NDArray[np.float16]
    centre: Floats
    scale: Floats
    genuine: Floats

    @classmethod
    def of(cls, stencil: Stencil, alone: Sequence[MarkAlone], encoder: Encoder) -> MarkDetails:
        """The references of a stencil, encoded, with its marks ``alone``. The encoder gives patches."""
        side = encoder.preprocess.size
        cuts = _cuts(alone, side)
        laid = [[one.reference(row) for one in alone] for row in stencil.rows]
        worse_crops = zip(*(_worse(cut.filled(one)) for cut, one in zip(cuts, laid[0], strict=True)), strict=True)
        squares = [*(_square(cuts, row, side) for row in laid), *(_stacked(cuts, row, side) for row in worse_crops)]
        seen = close_ups(encoder, squares)
        encoded = np.stack([one.tokens for one in seen]).astype(np.float32)
        tokens = encoded[: len(laid)]
        grid = _grid(tokens.shape[1])
        centre, scale = tokens.mean(axis=(0, 1)), tokens.std(axis=(0, 1)) + np.float32(0.05 * tokens.std() + 1e-6)
        every, near = _unit((encoded - centre) / scale), _near(grid)
        patches, worse = every[: len(tokens)], every[len(tokens) :]
        genuine = _differences(worse, [patches] * len(worse), near)
        if len(patches) > 1:
            others = [np.delete(patches, row, axis=0) for row in range(len(patches))]
            genuine = np.maximum(genuine, _differences(patches, others, near))
        vectors = np.stack([one.vector for one in seen[: len(tokens)]])
        return cls(cuts, stencil.shape, grid, vectors, patches.astype(np.float16), centre, scale, genuine)

    def square(self, seen: Sequence[Laid | None], encoder: Encoder) -> Pixels:
        """What lies in each mark's place on a photo, as the encoder's square."""
        laid = [None if one is None else (one.crop, one.inside) for one in seen]
        return _square(self.cuts, laid, encoder.preprocess.size)

    def unlikeness(self, seen: CloseUp) -> float:
        """1 - the cosine of a photo's marks, as a whole, with the most alike genuine ones."""
        return float(1 - (self.vectors @ seen.vector).max())

    def surroundings(self, found: Sequence[Laid | None], cosine: Floats) -> tuple[float, float]:
        """Two shares, 0..1, of what is around the marks found in a photo, of :meth:`cosine`: of the ground that is like
        nothing on the genuine ones, a hand's or a tape's, and not drawn on by another mark, or, where it is more, of
        the marks and the ground that glare; and of the ground that a shadow darkens. No light draws another mark.
        """
        shown, differs = self._shown(found), 1 - cosine.max(axis=(0, 2))
        glare = self._on_grid([cut.glare(one) for cut, one in zip(self.cuts, found, strict=True)])
        others = self._others(found, differs >= UNKNOWN, shown & ~self._ground & (glare < GLARING))
        strange, bare, shaded = differs >= STRANGE_GROUND, 0, 0
        for number, (cut, one) in enumerate(zip(self.cuts, found, strict=True)):
            if number in others:
                strange &= ~others[number]
                glare = np.where(self._cut_of == number, 0, glare)
                continue
            told = cut.shaded(one)
            bare, shaded = bare + told[0], shaded + told[1]
        ground = strange[self._ground & shown]
        shares = ground.mean() if len(ground) >= FEWEST_GROUND else 0.0, glare[shown].mean() if shown.any() else 0.0
        covered = min(float(max(shares)), 1.0)  # a patch beside an edge has a little more: frames are resized by cubics
        return covered, shaded / max(bare, 1)

    def _others(self, found: Sequence[Laid | None], unknown: Bools, marks: Bools) -> dict[int, Bools]:
        """The marks in whose place another is drawn, and (P,) the patches on which it is: those of their own patches
        among ``marks`` (P,) that are ``unknown`` (P,), and drawn in their colours, tell it.
        """
        of = {number: self._cut_of == number for number in range(len(self.cuts))}
        own = {number: marks & mine for number, mine in of.items() if (marks & mine).sum() >= FEWEST_OWN}
        odd = [number for number, mine in own.items() if unknown[mine].mean() >= ANOTHER]
        drawn = self._drawn(found) if odd else np.zeros_like(unknown)  # it takes time, and most marks are known
        return {number: of[number] & drawn for number in odd if (unknown & drawn)[own[number]].mean() >= ANOTHER}

    @property
    def _side(self) -> int:
        """Pixels on a side of the encoder's square."""
        return self.cuts[-1].rows[1]

    @cached_property
    def _ground(self) -> Bools:
        """(P,): the patches on which the genuine marks draw nothing."""
        edges = []
        for cut in self.cuts:
            grey = cv2.cvtColor(cut.typical, cv2.COLOR_RGB2GRAY)
            steps = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
            edges.append((steps >= EDGE * np.quantile(steps, 0.97)).astype(np.float32))
        return self._on_grid(edges) <= PLAIN

    def _shown(self, found: Sequence[Laid | None]) -> Bools:
        """(P,): the patches that a photo shows."""
        return self._on_grid([cut.shown(one) for cut, one in zip(self.cuts, found, strict=True)]) > SHOWN

    def _drawn(self, found: Sequence[Laid | None]) -> Bools:
        """(P,): the patches that show nothing but the genuine ground's colour and an ink's, and both of them, or lie
        beside one that does.
        """
        maps = zip(*(cut.drawn(one) for cut, one in zip(self.cuts, found, strict=True)), strict=True)
        ground, ink, any_ = (self._on_grid(part) for part in maps)
        nothing_else = any_ >= NOTHING_ELSE
        both = (nothing_else & (np.minimum(ground, ink) >= EACH)).astype(np.uint8).reshape(self.grid)
        return np.asarray(nothing_else & (cv2.dilate(both, np.ones((3, 3), np.uint8)).ravel() > 0))

    @cached_property
    def _cut_of(self) -> Ints:
        """(P,): of which mark the most of each patch is."""
        ends, (rows, columns) = [cut.rows[1] for cut in self.cuts], self.grid
        return np.repeat(np.searchsorted(ends, (np.arange(rows) + 0.5) * self._side / rows, side="right"), columns)

    def _on_grid(self, frames: Sequence[Floats]) -> Floats:
        """Of maps over the marks' own frames (h, w), the mean in each patch (P,)."""
        square = _stacked(self.cuts, frames, self._side)
        return np.asarray(cv2.resize(square, self.grid[::-1], interpolation=cv2.INTER_AREA).ravel(), np.float32)

    def cosine(self, seen: CloseUp) -> Floats:
        """(n, P, P): of each patch to each of the genuine photos'."""
        patches = _unit((seen.tokens.astype(np.float32) - self.centre) / self.scale)
        return np.stack([patches @ genuine.astype(np.float32).T for genuine in self.patches])

    def compare(self, found: Sequence[Laid | None], cosine: Floats) -> Strangeness | str:
        """How strange the marks found in a photo, of :meth:`cosine`, are; or why they are not judged."""
        differs = 1 - np.where(_near(self.grid), cosine, -1).max(axis=(0, 2))
        hidden = (differs >= HIDDEN).astype(np.uint8).reshape(self.grid)
        touched = cv2.dilate(hidden, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))).ravel() > 0
        shown = self._shown(found)
        judged = shown & ~touched
        known = judged & (1 - cosine.max(axis=(0, 2)) < UNKNOWN)
        if not known.sum() > (1 - MOST_HIDDEN) * shown.sum():
            return f"{1 - known.mean():.0%} of the marks is hidden, glares or is cut off"
        times = np.log((differs + FLOOR) / (self.genuine + FLOOR))
        usual = float(np.median(times[judged]))
        times = np.where(judged, times, usual)
        strange = float(np.sort(times)[-max(1, round(TOP * len(times))) :].mean())
        heat = np.maximum(times - usual, 0).reshape(self.grid).astype(np.float32)
        heat = cv2.resize(heat, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        map_ = np.zeros(self.shape, np.float32)
        for cut in self.cuts:
            x0, y0, x1, y1 = cut.part
            own = cv2.resize(heat[slice(*cut.rows)], (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
            np.maximum(map_[y0:y1, x0:x1], own, out=map_[y0:y1, x0:x1])
        excused = usual if usual > 0 else EXCUSED * usual
        return Strangeness(strange - excused, float(np.exp(strange)), float(np.exp(usual)), map_)


def close_ups(encoder: Encoder, squares: Sequence[Pixels]) -> list[CloseUp]:
    """Squares (S, S, 3) as the encoder sees them, a batch at a time."""
    from ..encoders.depths import vectors_and_tokens

    seen: list[CloseUp] = []
    for start in range(0, len(squares), encoder.batch_size):
        vectors, tokens = vectors_and_tokens(encoder, np.stack(squares[start : start + encoder.batch_size]), (DEPTH,))
        seen += [CloseUp(vector, rows[0].astype(np.float16)) for vector, rows in zip(vectors, tokens, strict=True)]
    return seen


def _cuts(alone: Sequence[MarkAlone], side: int) -> tuple[Cut, ...]:
    """Of each mark, in a square of that ``side``: each is as wide as that, and a high one gets more of its rows."""
    boxes = []
    for one in alone:
        low, high = one.stencil.boxes[:, :2].min(axis=0), one.stencil.boxes[:, 2:].max(axis=0)
        air, (height, width) = AROUND * max(high - low), one.stencil.shape
        (x0, y0), (x1, y1) = np.maximum(low - air, 0), np.minimum(high + air, [width, height])
        boxes.append((int(x0), int(y0), int(x1), int(y1)))
    heights = np.clip(np.sqrt([(y1 - y0) / (x1 - x0) for x0, y0, x1, y1 in boxes]), *HEIGHTS)
    ends = [0, *np.round(np.cumsum(heights) / heights.sum() * side).astype(int).tolist()]
    return tuple(
        Cut(one.stencil.typical, box, one.in_common(box), rows)
        for one, box, rows in zip(alone, boxes, itertools.pairwise(ends), strict=True)
    )


def _square(cuts: Sequence[Cut], seen: Sequence[Seen | None], side: int) -> Pixels:
    """A photo's marks in a square of that ``side``."""
    crops = [cut.filled(one) for cut, one in zip(cuts, seen, strict=True)]
    return np.asarray(_stacked(cuts, crops, side), np.uint8)


def _stacked(cuts: Sequence[Cut], frames: Sequence[NDArray[Any]], side: int) -> NDArray[Any]:
    """(side, side, ...): what is cut out of the marks' own frames (h, w, ...), one below the other."""
    parts = []
    for cut, frame in zip(cuts, frames, strict=True):
        (x0, y0, x1, y1), (start, end) = cut.box, cut.rows
        parts.append(cv2.resize(frame[y0:y1, x0:x1], (side, end - start), interpolation=cv2.INTER_CUBIC))
    return np.concatenate(parts)


def _grid(count: int) -> tuple[int, int]:
    side = round(count**0.5)
    return side, count // side


def _unit(tokens: Floats) -> Floats:
    return np.asarray(tokens / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-6), np.float32)


def _near(grid: tuple[int, int]) -> Bools:
    """(P, P): which patches lie next to each other."""
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    return np.asarray((np.abs(y[:, None] - y) <= REACH) & (np.abs(x[:, None] - x) <= REACH))


def _differences(photos: Floats, others: Sequence[Floats], near: Bools) -> Floats:
    """(P,): 1 - the cosine to the most alike patch nearby among each photo's ``others`` (n, P, E), the photos' mean."""
    rows = [
        np.min([1 - np.where(near, photo @ other.T, -1).max(axis=1) for other in against], axis=0)
        for photo, against in zip(photos, others, strict=True)
    ]
    return np.asarray(np.mean(rows, axis=0), np.float32)


def _worse(crop: Pixels) -> Pixels:
    """(3, h, w, 3): a crop (h, w, 3) of a frame out of focus; a pixel or two off under uneven light; pale and noisy."""
    height, width = crop.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shifted = cv2.remap(
        crop, x + 1.5 * np.sin(y / 25) + 1, y + 1.5 * np.cos(x / 30), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    shade = np.linspace(0.55, 1, width, dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 9, crop.shape)
    photos = [cv2.GaussianBlur(crop, (0, 0), 1.5), shifted * shade, crop * 0.85 + 20 + noise]
    return np.asarray(np.clip(np.stack(photos), 0, 255), np.uint8)
