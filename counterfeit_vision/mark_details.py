"""A product's genuine marks as the encoder sees them close up, and where a suspect's differ.

Marks that are laid over the genuine ones (:mod:`~counterfeit_vision.marks`) are cut out and encoded a second time, so
that a patch is a part of a letter, at the same place in all of them. The genuine ones, and the first of them as worse
photos would show it, tell how much a patch differs there by light, blur and a pixel of misfit; a suspect's patch that
differs more than its neighbours do, in proportion, is another letter. What has nothing in common with what genuine
photos show there is a hand, a sticker or a glare, and is not judged, nor is what touches it.

Constants were chosen on the market's seeds 0-2, 250 and 600-605, on 100 and 101, which no figure is given for any more,
and on cartons of grocery's training part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from .marks import Found, Stencil

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["CloseUp", "MarkDetails", "Strangeness", "close_ups"]

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

DEPTH = 0.75  # of the encoder's blocks, whose patches are compared: of CLIP B/16's blocks 3-12 the 9th told most
AROUND = 0.12  # of the marks' long side, left around them
REACH = 1  # patches: how far from its place a patch's like is looked for
HIDDEN = 0.9  # 1 - cosine to the most alike patch there, from which a patch is hidden: a hand has 1, a letter less
UNKNOWN = 0.6  # the same to the most alike patch anywhere on the genuine marks, from which it may be of anything
MOST_HIDDEN = 0.5  # share of such patches, of those that the photo shows, beyond which the marks are not judged
TOP = 0.06  # share of the patches that makes the score, the strangest first
FLOOR = 0.03  # of 1 - cosine: less is chance


@dataclass(frozen=True, eq=False)
class Strangeness:
    """``score``: logarithm of how many times more the strangest patches differ than the photo's usual one, each beside
    what genuine photos differ there. ``strange`` and ``usual``: the two as times what is genuine. ``map`` (h, w)
    float32 over the stencil's frame: the patches' share in the score, 0 off the marks and on what is hidden.
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
class MarkDetails:
    """n genuine photos' marks on a stencil's frame, of which ``typical`` (h, w, 3) is the median: ``box`` (4,) is what
    is cut out of it, ``vectors`` (n, D) float32 of unit length what they look like as a whole, ``patches`` (n, P, E)
    float16 of unit length, ``centre`` and ``scale`` (E,) what brought them there, ``genuine`` (P,) float32 how much
    (1 - cosine) a genuine photo's patch differs from the others', or a worse photo's, whichever is more.
    """

    typical: Floats
    box: tuple[int, int, int, int]
    grid: tuple[int, int]
    vectors: Floats
    patches: NDArray[np.float16]
    centre: Floats
    scale: Floats
    genuine: Floats

    @classmethod
    def of(cls, stencil: Stencil, encoder: Encoder) -> MarkDetails:
        """The stencil's references, encoded. The encoder gives patches."""
        x0, y0 = stencil.boxes[:, :2].min(axis=0)
        x1, y1 = stencil.boxes[:, 2:].max(axis=0)
        air = AROUND * max(x1 - x0, y1 - y0)
        height, width = stencil.shape
        box = (int(max(0, x0 - air)), int(max(0, y0 - air)), int(min(width, x1 + air)), int(min(height, y1 + air)))
        crops = np.concatenate([stencil.crops, _worse(stencil.crops[0])])
        seen = close_ups(encoder, [_square(encoder, crop, box) for crop in crops])
        encoded = np.stack([one.tokens for one in seen]).astype(np.float32)
        tokens = encoded[: len(stencil.crops)]
        grid = _grid(tokens.shape[1])
        centre, scale = tokens.mean(axis=(0, 1)), tokens.std(axis=(0, 1)) + np.float32(0.05 * tokens.std() + 1e-6)
        every, near = _unit((encoded - centre) / scale), _near(grid)
        patches, worse = every[: len(tokens)], every[len(tokens) :]
        genuine = _differences(worse, [patches] * len(worse), near)
        if len(patches) > 1:
            others = [np.delete(patches, row, axis=0) for row in range(len(patches))]
            genuine = np.maximum(genuine, _differences(patches, others, near))
        vectors = np.stack([one.vector for one in seen[: len(tokens)]])
        return cls(stencil.typical, box, grid, vectors, patches.astype(np.float16), centre, scale, genuine)

    def square(self, place: Found, encoder: Encoder) -> Pixels:
        """What lies in the marks' place on a photo, as the encoder's square. What the photo does not show is filled in
        from the genuine ones, in the photo's light, so that it says nothing.
        """
        shown = place.inside
        light = place.crop[shown].mean(axis=0) / np.maximum(self.typical[shown].mean(axis=0), 1)
        whole = np.where(shown[..., None], place.crop, np.clip(self.typical * light, 0, 255)).astype(np.uint8)
        return _square(encoder, whole, self.box)

    def unlikeness(self, seen: CloseUp) -> float:
        """1 - the cosine of a photo's marks, as a whole, with the most alike genuine ones."""
        return float(1 - (self.vectors @ seen.vector).max())

    def compare(self, found: Found, seen: CloseUp) -> Strangeness | str:
        """How strange the marks found in a photo are; or why they are not judged."""
        patches = _unit((seen.tokens.astype(np.float32) - self.centre) / self.scale)
        cosine = np.stack([patches @ genuine.astype(np.float32).T for genuine in self.patches])
        differs = 1 - np.where(_near(self.grid), cosine, -1).max(axis=(0, 2))
        hidden = (differs >= HIDDEN).astype(np.uint8).reshape(self.grid)
        touched = cv2.dilate(hidden, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))).ravel() > 0
        x0, y0, x1, y1 = self.box
        there = cv2.resize(found.inside[y0:y1, x0:x1].astype(np.float32), self.grid[::-1], interpolation=cv2.INTER_AREA)
        shown = there.ravel() > 0.9
        judged = shown & ~touched
        known = judged & (1 - cosine.max(axis=(0, 2)) < UNKNOWN)
        if not known.sum() > (1 - MOST_HIDDEN) * shown.sum():
            return f"{1 - known.mean():.0%} of the marks is hidden, glares or is cut off"
        times = np.log((differs + FLOOR) / (self.genuine + FLOOR))
        usual = float(np.median(times[judged]))
        times = np.where(judged, times, usual)
        strange = float(np.sort(times)[-max(1, round(TOP * len(times))) :].mean())
        heat = np.maximum(times - usual, 0).reshape(self.grid).astype(np.float32)
        map_ = np.zeros(self.typical.shape[:2], np.float32)
        map_[y0:y1, x0:x1] = cv2.resize(heat, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return Strangeness(strange - usual, float(np.exp(strange)), float(np.exp(usual)), map_)


def close_ups(encoder: Encoder, squares: Sequence[Pixels]) -> list[CloseUp]:
    """Squares (S, S, 3) as the encoder sees them, a batch at a time."""
    from .encoders.depths import vectors_and_tokens

    seen: list[CloseUp] = []
    for start in range(0, len(squares), encoder.batch_size):
        vectors, tokens = vectors_and_tokens(encoder, np.stack(squares[start : start + encoder.batch_size]), (DEPTH,))
        seen += [CloseUp(vector, rows[0].astype(np.float16)) for vector, rows in zip(vectors, tokens, strict=True)]
    return seen


def _square(encoder: Encoder, crop: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """The box of a stencil's frame (h, w, 3), made square."""
    size, (x0, y0, x1, y1) = encoder.preprocess.size, box
    return np.asarray(cv2.resize(crop[y0:y1, x0:x1], (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _grid(count: int) -> tuple[int, int]:
    side = round(count**0.5)
    return side, count // side


def _unit(tokens: Floats) -> Floats:
    return np.asarray(tokens / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-6), np.float32)


def _near(grid: tuple[int, int]) -> NDArray[np.bool_]:
    """(P, P): which patches lie next to each other."""
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    return np.asarray((np.abs(y[:, None] - y) <= REACH) & (np.abs(x[:, None] - x) <= REACH))


def _differences(photos: Floats, others: Sequence[Floats], near: NDArray[np.bool_]) -> Floats:
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
