"""What a channel left of the plain ground around a photo's marks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import picture
from goods import BOX, catalogue, found_on, label, labels, seen, stencil_of, suspects

from counterfeit_vision.decision.gates import GRAINY, STEPPED
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads.mark import Mark
from counterfeit_vision.marks.ground import MarkGround
from counterfeit_vision.marks.stencil import Stencil


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [BOX])


def saved(photo: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8)


def lit(photo: np.ndarray) -> np.ndarray:
    return (photo * np.linspace(0.8, 1, photo.shape[1])[None, :, None]).astype(np.uint8)


def test_few_grey_levels_are_told_from_an_ordinary_file_and_from_another_mark(stencil: Stencil) -> None:
    ground, photo, fake = MarkGround.of(stencil), lit(seen(label(noise=3))), lit(seen(label("VELMQRA", noise=3)))
    for whole in (photo, fake, saved(photo, 60), saved(fake, 60)):
        assert ground.beside(found_on(stencil, whole))[0] < 0.1 * STEPPED
    for spoilt in (saved(photo, 12), saved(saved(photo, 12), 90), saved(fake, 12)):
        assert ground.beside(found_on(stencil, spoilt))[0] > 2 * STEPPED


def test_noise_is_told_beside_the_genuine_photos_and_not_from_a_drawing(stencil: Stencil) -> None:
    ground, photo, fake = MarkGround.of(stencil), seen(label(noise=3)), seen(label("VELMQRA", noise=3))
    for whole in (photo, fake, lit(photo), saved(photo, 60)):
        assert ground.beside(found_on(stencil, whole))[1] < GRAINY
    noise = np.random.default_rng(0).normal(0, 25, photo.shape)
    for noisy in (photo, fake):
        spoilt = np.clip(noisy + noise, 0, 255).astype(np.uint8)
        assert ground.beside(found_on(stencil, spoilt))[1] > 2 * GRAINY


def test_a_level_that_is_clipped_or_stands_beside_another_does_not_stand_alone(stencil: Stencil) -> None:
    ground, found = MarkGround.of(stencil), found_on(stencil, seen(label(noise=3)))
    even = np.indices(found.crop.shape[:2]).sum(axis=0)[..., None] % 2
    for flat, steps in ((255, 0), (0, 0), (100, 1), (100 + even, 0), (100 + 2 * even, 0), (100 + 3 * even, 1)):
        photo = replace(found, crop=np.broadcast_to(flat, found.crop.shape).astype(np.uint8))
        assert ground.beside(photo)[0] == steps


def test_ground_that_is_not_shown_tells_nothing(stencil: Stencil) -> None:
    found, nowhere = found_on(stencil, seen(label(noise=3))), np.zeros_like(stencil.inside)
    assert MarkGround.of(stencil).beside(replace(found, inside=nowhere[0])) == (0, 0)
    assert MarkGround.of(replace(stencil, inside=nowhere)).grain == 0


def test_the_claim_about_marks_tells_both(tiny_encoder: TowerEncoder) -> None:
    photo = lit(seen(label(noise=3)))
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 25, photo.shape), 0, 255).astype(np.uint8)
    bare = np.asarray(cv2.resize(picture(3), (640, 480)), np.uint8)
    whole, stepped, grainy, other = Mark().score(
        suspects(catalogue(tiny_encoder, [BOX]), [photo, saved(photo, 8), noisy, bare])
    )
    assert whole.steps < 0.1 * STEPPED < 2 * STEPPED < stepped.steps
    assert 0 < 2 * GRAINY * whole.grain < grainy.grain
    assert (other.steps, other.grain) == (0, 0)
