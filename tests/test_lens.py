"""The lens of a photo is found where the whole side of a product lies over the genuine one, and taken out."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from goods import SIGN, WORD, label, labels, stencil_of

from counterfeit_vision.geometry.laying import Laid
from counterfeit_vision.geometry.lens import find_lens, straightened
from counterfeit_vision.marks.finding import likely_place
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.products.whole import WholeProduct

NEARER = np.array([[1.0, 0.05, -20], [0.02, 0.95, 6], [5e-5, 2.5e-4, 1.0]])


def through(photo: np.ndarray, lens: float) -> np.ndarray:
    """A photo as another lens shows it."""
    size = photo.shape[1::-1]
    every = np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size)), axis=-1)
    return cv2.remap(photo, straightened(every, lens, size), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def view(*, noise: int = 3) -> np.ndarray:
    """The label from a little nearer on one side."""
    return cv2.warpPerspective(label(noise=noise), NEARER, (560, 400), borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [SIGN, WORD])


@pytest.fixture(scope="module")
def whole(stencil: Stencil) -> WholeProduct:
    return WholeProduct.of(stencil, labels(), [np.ones((7, 7), np.float32)] * 3)


def laid(stencil: Stencil, whole: WholeProduct, photo: np.ndarray) -> Laid:
    place = likely_place(stencil, photo)
    assert not isinstance(place, str)
    over = whole.lay(photo, place.warp)
    assert isinstance(over, Laid), over
    return over


@pytest.mark.parametrize("lens", [0.0, 0.06, 0.12, -0.06])
def test_the_lens_is_found(stencil: Stencil, whole: WholeProduct, lens: float) -> None:
    photo = through(view(), lens)
    over = laid(stencil, whole, photo)
    told = find_lens(whole.target, over, (560, 400))
    assert told == pytest.approx(lens, abs=0.025)


def test_as_it_is_found_by_trying_every_lens(stencil: Stencil, whole: WholeProduct) -> None:
    photo = through(view(), 0.08)
    told = find_lens(whole.target, laid(stencil, whole, photo), (560, 400))

    def alike(lens: float) -> float:
        over = laid(stencil, whole, through(photo, -lens))  # undone, to first order: it lies as a plane does
        plane = cv2.perspectiveTransform(
            np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in whole.product.shape[::-1])), axis=-1),
            over.matrix,
        )
        return -float(np.abs(over.warp - plane).mean())

    assert told == pytest.approx(max(np.linspace(0, 0.16, 9), key=alike), abs=0.03)


def test_a_photo_that_shows_too_little_tells_no_lens(stencil: Stencil, whole: WholeProduct) -> None:
    over = laid(stencil, whole, through(view(), 0.12))
    none = replace(over, inside=np.zeros_like(over.inside))
    assert find_lens(whole.target, none, (560, 400)) == 0.0


def test_where_nothing_that_is_known_is_drawn_no_lens_is_told(stencil: Stencil, whole: WholeProduct) -> None:
    over = laid(stencil, whole, view())
    for crop in (np.full_like(over.crop, 90), np.random.default_rng(0).integers(0, 255, over.crop.shape, np.uint8)):
        assert find_lens(whole.target, replace(over, crop=crop), (560, 400)) == 0.0
