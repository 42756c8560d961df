"""Goods drawn for tests: printed cards and engraved plates, how photos show them, and catalogues of them."""

from __future__ import annotations

import cv2
import numpy as np
from conftest import offered, picture

from counterfeit_vision import Catalog, Reference, Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Suspects
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.making import make_stencil
from counterfeit_vision.marks.stencil import Stencil

BOX = Region(150, 90, 410, 270)  # around the sign and the word of a label or a plate
SIGN, WORD = Region(235, 95, 325, 185), Region(150, 205, 410, 270)  # each by itself
ONE = (Region(230, 90, 330, 185), Region(150, 205, 410, 270))  # the marks of a label beside its sibling
TWO = (Region(150, 90, 410, 150), Region(195, 185, 365, 272))  # and of the sibling
TILT = np.array([[0.8, -0.15, 90], [0.12, 0.85, 20], [1e-4, 1e-4, 1]])
CLOSE = np.array([[2.2, -0.2, -620], [0.2, 2.2, -240], [0, 0, 1]])  # the photo begins in the middle of the marks


def label(text: str = "VELMORA", *, noise: int = 0) -> np.ndarray:
    """A printed card (400, 560, 3): a sign over a word, small print around."""
    card = np.full((400, 560, 3), (225, 215, 195), np.uint8)
    cv2.rectangle(card, (20, 20), (540, 380), (120, 30, 40), 4)
    cv2.circle(card, (280, 140), 40, (30, 60, 110), -1)
    cv2.rectangle(card, (265, 110), (280, 170), (225, 215, 195), -1)
    cv2.putText(card, text, (155, 260), cv2.FONT_HERSHEY_SIMPLEX, 1.9, (30, 60, 110), 6, cv2.LINE_AA)
    for row, words in enumerate(("NET 250 G", "KEEP DRY", "BATCH 2208")):
        cv2.putText(card, words, (40, 310 + 25 * row), cv2.FONT_HERSHEY_PLAIN, 1.2, (80, 80, 80), 1, cv2.LINE_AA)
    grain = np.random.default_rng(noise).normal(0, 4, card.shape)
    return np.clip(card + grain, 0, 255).astype(np.uint8)


def printed(text: str = "VELMORA", *, noise: int = 0, bare: bool = False) -> np.ndarray:
    """The card with a table of values around its marks, which are left out of a ``bare`` one."""
    card = label(text, noise=noise)
    if bare:
        card[95:268, 152:408] = (225, 215, 195)
    for row in range(9):
        words = f"{37 * row + 11} kJ {row * row + 5} mg"
        cv2.putText(card, words, (425, 60 + 34 * row), cv2.FONT_HERSHEY_PLAIN, 1.1, (60, 60, 60), 1, cv2.LINE_AA)
        cv2.putText(card, words[::-1], (35, 60 + 26 * row), cv2.FONT_HERSHEY_PLAIN, 1.1, (60, 60, 60), 1, cv2.LINE_AA)
    return card


def sibling(*, noise: int = 0) -> np.ndarray:
    """The brand's other card: the same word, and under it a square."""
    card = np.full((400, 560, 3), (225, 215, 195), np.uint8)
    cv2.putText(card, "VELMORA", (155, 140), cv2.FONT_HERSHEY_SIMPLEX, 1.9, (30, 60, 110), 6, cv2.LINE_AA)
    cv2.rectangle(card, (200, 190), (360, 268), (140, 40, 30), -1)
    cv2.line(card, (200, 190), (360, 268), (225, 215, 195), 9)
    return np.clip(card + np.random.default_rng(noise).normal(0, 4, card.shape), 0, 255).astype(np.uint8)


def seen(card: np.ndarray, matrix: np.ndarray = TILT, size: tuple[int, int] = (640, 480), seed: int = 5) -> np.ndarray:
    """The card on a table of blocks, through a homography."""
    table = cv2.resize(picture(seed), size)
    warped = cv2.warpPerspective(card, matrix, size, flags=cv2.INTER_LINEAR)
    on = cv2.warpPerspective(np.full(card.shape[:2], 255, np.uint8), matrix, size) > 127
    return np.where(on[..., None], warped, table).astype(np.uint8)


def engraved(text: str = "VELMORA", *, light: float, noise: int = 0) -> np.ndarray:
    """The same sign and word cut into a plate (400, 560, 3) without ink, lit from the side at ``light`` degrees."""
    cut_in = np.zeros((400, 560), np.uint8)
    cv2.circle(cut_in, (280, 140), 40, 255, -1)
    cv2.rectangle(cut_in, (265, 110), (280, 170), 0, -1)
    cv2.putText(cut_in, text, (155, 260), cv2.FONT_HERSHEY_SIMPLEX, 1.9, 255, 6, cv2.LINE_AA)
    depth = cv2.GaussianBlur(cut_in / 255, (0, 0), 1.5)
    down, along = np.gradient(depth)
    side = np.deg2rad(light)
    plate = 150 + 250 * (along * np.cos(side) + down * np.sin(side)) - 20 * depth
    grain = np.random.default_rng(noise).normal(0, 3, (*plate.shape, 1))
    return np.clip(plate[..., None] * [1.1, 1.0, 0.8] + grain, 0, 255).astype(np.uint8)


def plates() -> list[np.ndarray]:
    """Photos of it in light from three sides."""
    return [engraved(light=0), seen(engraved(light=130, noise=1)), seen(engraved(light=250, noise=2), seed=8)]


def hang_tag(
    noise: int, room: int, *, paper: tuple[int, int, int], ink: tuple[int, int, int], beside: int
) -> np.ndarray:
    """A sign and a word (400, 560, 3) on a tag that ends ``beside`` pixels from them, before a room of that grey."""
    card = np.full((400, 560, 3), room, np.uint8)
    card[90 - beside : 270 + beside, 150 - beside : 410 + beside] = paper
    cv2.circle(card, (280, 140), 40, ink, -1)
    cv2.putText(card, "VELMORA", (155, 260), cv2.FONT_HERSHEY_SIMPLEX, 1.9, ink, 6, cv2.LINE_AA)
    return np.clip(card + np.random.default_rng(noise).normal(0, 3, card.shape), 0, 255).astype(np.uint8)


def stencil_of(photos: list[np.ndarray], regions: list[Region]) -> Stencil:
    """Photos laid over the first, which has these regions."""
    made = make_stencil(photos, [regions, *([] for _ in photos[1:])])
    assert isinstance(made, Stencil)
    return made


def found_on(stencil: Stencil, photo: np.ndarray) -> Found:
    """The marks of a photo that bears them."""
    found = find_marks(stencil, photo)
    assert isinstance(found, Found), found
    return found


def labels() -> list[np.ndarray]:
    """Three photos of the label, the first from straight before it."""
    return [label(), seen(label(noise=1)), seen(label(noise=2), seed=8)]


def catalogue(encoder: TowerEncoder, regions: list) -> Catalog:
    """Two references of the label, the first with these regions, and one of something else."""
    rows = [
        Reference(id="a", photo=label(), brand="velmora", product="card", regions=regions),
        Reference(id="b", photo=seen(label(noise=1)), brand="velmora", product="card"),
        Reference(id="c", photo=np.full((90, 90, 3), 50, np.uint8), brand="zeta", product="pen"),
    ]
    return Catalog.build(rows, encoder=encoder, cache=False, find_marks=False)


def cards(encoder: TowerEncoder) -> Catalog:
    """Two references of the card with a table, the first with the box of its marks."""
    rows = [
        Reference(id="a", photo=printed(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="b", photo=seen(printed(noise=1)), brand="velmora", product="card"),
    ]
    return Catalog.build(rows, encoder=encoder, cache=False, find_marks=False)


def suspects(catalog: Catalog, photos: list[np.ndarray]) -> Suspects:
    """Photos of listings that all claim to be the card."""
    return offered(catalog, photos, brand="velmora", product="card")
