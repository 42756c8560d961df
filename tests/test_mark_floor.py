"""The marks of light goods are laid over the genuine ones before whatever floor, though their packshot is on white."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from counterfeit_vision import Region
from counterfeit_vision.geometry.laying import Pyramid, mapped, plane_of
from counterfeit_vision.marks.finding import MarkFeatures, lay_over
from counterfeit_vision.marks.making import _framed
from counterfeit_vision.marks.stencil import Stencil

MARKS = (Region(150, 150, 200, 205), Region(118, 225, 212, 248), Region(300, 140, 440, 260))
OUTLINE = np.array([[95, 275], [110, 140], [190, 95], [330, 125], [530, 210], [540, 275]])
INK, UPPER = (60, 40, 30), (225, 215, 195)
VIEW = np.array([[1.02, 0.03, -8], [-0.02, 0.98, 6], [2e-5, -3e-5, 1.0]])


def shoe(floor: float, noise: int, view: np.ndarray | None = None) -> np.ndarray:
    """A light shoe (400, 560, 3) with a sign, a word and three stripes, which end near its edge."""
    goods = np.full((400, 560, 3), UPPER, np.uint8)
    cv2.circle(goods, (175, 178), 24, INK, 6)
    cv2.line(goods, (160, 195), (190, 160), INK, 6)
    cv2.putText(goods, "VELMORA", (119, 246), cv2.FONT_HERSHEY_SIMPLEX, 0.72, INK, 2, cv2.LINE_AA)
    for stripe in range(3):
        cv2.line(goods, (310 + 40 * stripe, 258), (350 + 40 * stripe, 142), INK, 14)
    mask = cv2.GaussianBlur(cv2.fillPoly(np.zeros((400, 560), np.float32), [OUTLINE], 1.0), (0, 0), 1.0)[..., None]
    photo = (goods * mask + floor * (1 - mask)).astype(np.float32)
    if view is not None:
        photo = cv2.warpPerspective(photo, view, (560, 400), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(photo + np.random.default_rng(noise).normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    packshot = shoe(250, 1)
    first = _framed(0, packshot, MarkFeatures.of(packshot), MARKS)
    assert isinstance(first, Stencil), first
    return first


@pytest.mark.parametrize("floor", [250, 190, 150])
@pytest.mark.parametrize("start", [(3, -3), (-3, 3), (4, 2)])
def test_marks_near_the_edge_of_light_goods_lie_as_on_white(
    stencil: Stencil, floor: int, start: tuple[int, int]
) -> None:
    frame = plane_of(stencil.warps[0])
    shift = np.array([[1.0, 0, start[0]], [0, 1, start[1]], [0, 0, 1]])
    laid = lay_over(stencil, Pyramid(shoe(floor, 2, VIEW)), VIEW @ shift @ frame, blurred=False)
    assert laid is not None
    height, width = stencil.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(np.float32)
    off = np.linalg.norm(laid.warp - mapped(VIEW @ frame, grid).reshape(height, width, 2), axis=2)
    sign, word, _ = (float(np.median(off[mark])) for mark in stencil.on_each())
    assert max(sign, word) < 1.5
