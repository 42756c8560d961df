"""Wordmarks drawn for tests, letter by letter, goods that bear them, and a catalogue and listings of such."""

from __future__ import annotations

import cv2
import numpy as np
from conftest import picture

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.market.alphabet import Typeface, Word

FACE = Typeface(weight=0.17)
INK, GROUND = (35, 30, 90), (225, 220, 205)
SKIN = (176, 128, 104)


def mark(
    text: str,
    drawn: tuple[str, ...] = (),
    *,
    pose: int | None = None,
    colours: tuple[tuple[int, ...], tuple[int, ...]] = (INK, GROUND),
    height: int = 60,
) -> np.ndarray:
    """A crop with the word as the market's alphabet draws it; ``pose`` seeds a perspective, a blur and noise."""
    shape = Word(text, FACE, drawn).shape()
    points = np.concatenate([polygon for element in shape for polygon in element.polygons])
    air = 0.4 * height
    size = np.ceil((np.ptp(points, axis=0)) * height + 2 * air).astype(int)
    pixels = np.full((size[1], size[0], 3), colours[1], np.uint8)
    for element in shape:
        for polygon in element.polygons:
            corners = ((polygon - points.min(axis=0)) * height + air) * 16
            cv2.fillPoly(pixels, [corners.round().astype(np.int32)], colours[0], cv2.LINE_AA, 4)
    if pose is None:
        return pixels
    random = np.random.default_rng(pose)
    corners = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    moved = corners + random.uniform(-0.25, 0.25, (4, 2)).astype(np.float32) * height
    matrix = cv2.getPerspectiveTransform(corners, moved)
    pixels = cv2.warpPerspective(pixels, matrix, size.tolist(), borderValue=colours[1])
    pixels = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.3, 1.2))
    return np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


def retyped(text: str) -> np.ndarray:
    """A crop as the mark's, with the word as wide and as high in another typeface, one with serifs."""
    crop, other = mark(text), np.full((200, 700, 3), GROUND, np.uint8)
    cv2.putText(other, text, (30, 150), cv2.FONT_HERSHEY_TRIPLEX, 3, INK, 4, cv2.LINE_AA)
    x, y, width, height = cv2.boundingRect((other != GROUND).any(axis=-1).astype(np.uint8))
    inner = crop[24:-24, 24:-24]
    inner[:] = cv2.resize(other[y : y + height, x : x + width], inner.shape[1::-1], interpolation=cv2.INTER_AREA)
    return crop


def box_of(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def covered(crop: np.ndarray, start: float, stop: float, colour: tuple[int, ...]) -> np.ndarray:
    """The crop with something of that colour before a share of its width."""
    pixels = crop.copy()
    pixels[:, round(start * crop.shape[1]) : round(stop * crop.shape[1])] = colour
    return pixels


def goods(crop: np.ndarray, seed: int) -> np.ndarray:
    """A photo 520 x 300 with a mark on it."""
    photo = np.full((300, 520, 3), (150, 170, 160), np.uint8)
    photo[230:] = picture(seed, 70, 520)
    photo[90 : 90 + crop.shape[0], 40 : 40 + crop.shape[1]] = crop
    return photo


def catalogue(encoder: TowerEncoder, *, text: str = "SILVANO", regions: bool = True) -> cv.Catalog:
    """Two references of a bag that bears the text, with a region around it unless told otherwise."""
    crops = [mark(text, pose=pose) for pose in (20, 21)] if text else [np.full((60, 100, 3), 90, np.uint8)] * 2
    box = [cv.Region(40, 90, 40 + crops[0].shape[1], 90 + crops[0].shape[0])] if regions else []
    return cv.Catalog.build(
        [
            cv.Reference(id=f"r{n}", photo=goods(crop, n), brand="Silvano", product="bag", regions=box)
            for n, crop in enumerate(crops)
        ],
        encoder=encoder,
        cache=False,
    )


def listing(crop: np.ndarray, id: str = "x", title: str | None = None) -> cv.Listing:
    """An offer of goods with that crop, as Silvano's."""
    return cv.Listing(id=id, photos=[goods(crop, 7)], brand="Silvano", title=title)
