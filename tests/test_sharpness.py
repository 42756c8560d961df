"""How sharp a photo shows the marks, beside the genuine ones."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import picture
from goods import BOX, catalogue, found_on, hang_tag, label, labels, seen, stencil_of, suspects

from counterfeit_vision import Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads.mark import Mark
from counterfeit_vision.marks import sharpness as sharpness_module
from counterfeit_vision.marks.sharpness import MarkSharpness
from counterfeit_vision.marks.stencil import Stencil


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [BOX])


def moved(photo: np.ndarray, x: int, y: int) -> np.ndarray:
    return np.asarray(cv2.blur(photo, (x, y)), np.uint8)


def test_a_photo_that_moved_or_is_out_of_focus_is_less_sharp_and_another_mark_or_a_poor_file_is_not(
    stencil: Stencil,
) -> None:
    sharpness, photo = MarkSharpness.of(stencil), seen(label(noise=3))
    dim = (photo * np.linspace(0.4, 0.6, 640)[None, :, None]).astype(np.uint8)
    recompressed = cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR)
    shadow = cv2.GaussianBlur((np.indices(photo.shape[:2]).sum(axis=0) % 200 < 90).astype(np.float32), (0, 0), 4)
    shaded = photo * (1 - 0.4 * shadow[..., None])  # its edges are no narrower for the wider range of greys
    for sharp in (photo, dim, recompressed, shaded, seen(label("VELMQRA", noise=3))):
        assert sharpness.beside(found_on(stencil, np.asarray(sharp, np.uint8))) > 0.85
    for soft in (moved(photo, 9, 1), moved(photo, 1, 9), cv2.GaussianBlur(photo, (0, 0), 2.5)):
        assert sharpness.beside(found_on(stencil, np.asarray(soft, np.uint8))) < 0.7


def test_marks_that_are_small_in_the_photo_are_not_called_blurred(stencil: Stencil) -> None:
    sharpness, photo = MarkSharpness.of(stencil), seen(label(noise=3))
    small = np.asarray(cv2.resize(photo, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8)
    assert found_on(stencil, small).scale < 0.7
    assert sharpness.beside(found_on(stencil, small)) > 0.85
    assert sharpness.beside(found_on(stencil, moved(small, 5, 1))) < 0.7


def test_plain_ground_and_what_is_not_shown_tell_nothing(stencil: Stencil) -> None:
    sharpness, found = MarkSharpness.of(stencil), found_on(stencil, seen(label(noise=3)))
    assert sharpness.beside(replace(found, crop=np.full_like(found.crop, 200))) is None
    assert sharpness.beside(replace(found, inside=np.zeros_like(found.inside))) is None
    half = stencil.inside.copy()
    half[1:] = False  # a reference that shows none of the mark tells nothing of it
    alone = MarkSharpness.of(replace(stencil, crops=stencil.crops[:1], inside=stencil.inside[:1]))
    assert MarkSharpness.of(replace(stencil, inside=half)).slope == pytest.approx(alone.slope)
    assert MarkSharpness.of(replace(stencil, inside=np.zeros_like(half))).beside(found) is None
    empty = replace(stencil, crops=stencil.crops.copy(), boxes=np.concatenate([stencil.boxes, [[5, 5, 30, 30]]]))
    empty.crops[:, :40, :40] = 200  # a box that was drawn on bare ground
    assert MarkSharpness.of(empty).beside(found) == sharpness.beside(found)


def test_the_mark_claim_tells_it(tiny_encoder: TowerEncoder) -> None:
    photo = seen(label(noise=3))
    bare = np.asarray(cv2.resize(picture(3), (640, 480)), np.uint8)
    catalog = catalogue(tiny_encoder, [BOX])
    sharp, soft, other = Mark().score(suspects(catalog, [photo, moved(photo, 9, 1), bare]))
    assert sharp.sharpness is not None
    assert soft.sharpness is not None
    assert soft.sharpness < 0.7 < 0.85 < sharp.sharpness
    assert other.sharpness is None


def test_a_dark_room_beside_a_mark_in_a_pale_ink_is_no_edge_of_it() -> None:
    def tag(noise: int, room: int) -> np.ndarray:
        return hang_tag(noise, room, paper=(225, 215, 195), ink=(150, 140, 125), beside=8)

    stencil = stencil_of([tag(0, 225), seen(tag(1, 200)), seen(tag(2, 180))], [Region(145, 88, 415, 272)])
    assert MarkSharpness.of(stencil).beside(found_on(stencil, seen(tag(3, 10)))) > 0.9


def test_a_photo_is_as_sharp_as_the_kinder_of_both_contrasts_says(
    stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_on(stencil, seen(label(noise=3)))
    genuine = MarkSharpness(np.array([[0.0, 0, 9, 9]]), np.array([[0.2], [0.1]]), np.array([100.0]))
    for around, whole, sharp in ((0.2, 0.05, 1.0), (0.1, 0.1, 1.0), (0.1, 0.05, 0.5)):
        monkeypatch.setattr(sharpness_module, "_measured", lambda *_, a=around, w=whole: np.array([[a], [w], [100.0]]))
        assert genuine.beside(found) == pytest.approx(sharp / min(found.scale, 1.0))
