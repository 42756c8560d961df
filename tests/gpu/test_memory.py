"""Too large a batch for the device: halved until it fits. A fake tower runs out of memory, so no GPU is needed here."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.depths import vectors_and_tokens
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.encoders.transformer import LeanTransformer
from counterfeit_vision.testing import check_encoder


class SmallDevice:
    """A tower on a device with room for ``room`` images."""

    def __init__(self, tower, room: int) -> None:
        self.tower, self.room = tower, room
        self.seen: list[int] = []
        self.held: list[weakref.ref[torch.Tensor]] = []

    def __call__(self, images: torch.Tensor):
        self.seen.append(len(images))
        if len(images) > self.room:
            self.held.append(weakref.ref(images))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.tower(images)


def on_small_device(encoder: TowerEncoder, room: int) -> tuple[TowerEncoder, SmallDevice]:
    tower = SmallDevice(encoder.tower, room)
    return dataclasses.replace(encoder, tower=tower), tower


def squares(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("count", "room"), [(2, 1), (7, 3), (16, 5), (9, 1), (16, 16)])
def test_a_batch_that_does_not_fit_gives_the_same_rows(tiny_encoder: TowerEncoder, count: int, room: int) -> None:
    encoder, tower = on_small_device(tiny_encoder, room)
    rows, expected = encoder.encode(squares(count)), tiny_encoder.encode(squares(count))
    np.testing.assert_allclose(rows.vectors, expected.vectors, atol=1e-4)
    assert rows.patches is not None
    assert expected.patches is not None
    np.testing.assert_allclose(rows.patches.astype(float), expected.patches.astype(float), atol=2e-2)
    np.testing.assert_array_equal(rows.content, expected.content)
    assert (rows.ids, rows.grid, rows.fingerprint) == (expected.ids, expected.grid, expected.fingerprint)
    assert sum(number for number in tower.seen if number <= room) == count  # nothing was encoded twice


def test_squares_that_are_not_stacked_yet_are_halved_as_well(tiny_encoder: TowerEncoder) -> None:
    encoder, tower = on_small_device(tiny_encoder, 3)
    rows = encoder.begin(list(squares(7)))()
    np.testing.assert_allclose(rows.vectors, tiny_encoder.encode(squares(7)).vectors, atol=1e-4)
    assert tower.seen == [7, 3, 3, 1]


def test_what_fitted_is_remembered(tiny_encoder: TowerEncoder) -> None:
    encoder, tower = on_small_device(tiny_encoder, 5)
    encoder.encode(squares(16))
    assert tower.seen[:3] == [16, 8, 4]
    tower.seen.clear()
    encoder.encode(squares(16))
    assert max(tower.seen) <= 5


def test_memory_is_given_back_where_it_ran_out_and_not_for_every_later_batch(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To give it back waits for all that the device has in hand, and takes it anew for the next batch."""
    given_back: list[int] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(1))
    encoder = dataclasses.replace(tiny_encoder, device=torch.device("cuda"))

    def run(part: np.ndarray) -> int:
        if len(part) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return len(part)

    assert encoder.in_parts(squares(16), run) == [4, 4, 4, 4]
    assert len(given_back) == 2
    assert encoder.in_parts(squares(16), run) == [4, 4, 4, 4]
    assert len(given_back) == 2


def test_one_image_that_does_not_fit_raises_and_the_next_call_works(tiny_encoder: TowerEncoder) -> None:
    encoder, tower = on_small_device(tiny_encoder, 0)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(squares(4))
    tower.room = 1
    assert len(encoder.encode(squares(4))) == 4


def test_what_the_failed_batch_held_is_free_before_the_next_try(tiny_encoder: TowerEncoder) -> None:
    encoder, tower = on_small_device(tiny_encoder, 2)
    alive: list[int] = []
    inner = tower.tower

    def look(images: torch.Tensor):
        alive.append(sum(reference() is not None for reference in tower.held))
        return inner(images)

    tower.tower = look
    gc.disable()  # freed because nothing refers to it, not because a collection came by
    try:
        encoder.encode(squares(4))
    finally:
        gc.enable()
    assert alive == [0, 0]


def test_squares_that_are_looked_at_in_depth_are_halved_as_well(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = vectors_and_tokens(tiny_encoder, squares(7))
    encoder, seen, whole = dataclasses.replace(tiny_encoder), [], LeanTransformer.whole

    def small(tower: LeanTransformer, images: torch.Tensor, layers: list[int]):
        seen.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(tower, images, layers)

    monkeypatch.setattr(LeanTransformer, "whole", small)
    for found, rows in zip(vectors_and_tokens(encoder, squares(7)), expected, strict=True):
        np.testing.assert_allclose(found, rows, atol=1e-4)
    assert seen == [7, 3, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_encoder_on_a_small_device_keeps_the_contract(reader_folder: Path, dtype: str) -> None:
    encoder, _ = on_small_device(load_encoder(str(reader_folder), dtype=dtype), 2)
    check_encoder(encoder, tolerance=1e-4 if dtype == "float32" else 0.02)


def test_pixels_are_normalised_as_torchvision_does(tiny_encoder: TowerEncoder) -> None:
    given: list[torch.Tensor] = []
    encoder = dataclasses.replace(tiny_encoder, tower=lambda images: given.append(images) or tiny_encoder.tower(images))
    levels = np.arange(32 * 32 * 3, dtype=np.int64).reshape(1, 32, 32, 3) % 256
    encoder.encode(levels.astype(np.uint8))
    expected = (levels / 255 - encoder.mean) / encoder.std
    np.testing.assert_allclose(given[0].numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)
