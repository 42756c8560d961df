"""The stream on a GPU, two batches in flight: the CPU's rows in order, faults named, no thread left, no memory kept."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.batching import EncodedPhoto, encode_photos
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.types import Failure

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason=f"torch {torch.__version__} sees no CUDA device"),
    pytest.mark.usefixtures("no_threads_left"),
]


@pytest.fixture
def encoder(tiny_clip_folder: Path) -> TowerEncoder:
    return dataclasses.replace(load_encoder(str(tiny_clip_folder), device="cuda"), batch_size=8)


def named(count: int) -> list[tuple[str, bytes]]:
    photos = []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(picture(number % 50)).save(buffer, "JPEG", quality=92)
        photos.append((f"p{number}", buffer.getvalue()))
    return photos


def test_rows_are_the_cpus_in_order(encoder: TowerEncoder, tiny_encoder: TowerEncoder) -> None:
    assert encoder.in_flight == 2
    photos = named(100)
    photos[33] = ("p33", b"no photo")
    rows = list(encode_photos(photos, encoder=encoder, cache=False))
    expected = list(encode_photos(photos, encoder=tiny_encoder, cache=False))
    assert [row.id for row in rows] == [name for name, _ in photos]
    assert [row.id for row in rows if isinstance(row, Failure)] == ["p33"]
    for row, other in zip(rows, expected, strict=True):
        if isinstance(row, EncodedPhoto) and isinstance(other, EncodedPhoto):
            assert float(row.vector @ other.vector) >= 0.9995


def test_rows_do_not_wait_for_the_batch_behind_theirs(encoder: TowerEncoder) -> None:
    def slow(images: torch.Tensor):
        torch.cuda._sleep(1_000_000_000)  # cycles: half a second and more
        return encoder.tower(images)

    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    expected = [collect().vectors for collect in (encoder.begin(images), encoder.begin(images))]  # memory is there now
    first, second = encoder.begin(images), dataclasses.replace(encoder, tower=slow).begin(images)
    done = torch.cuda.current_stream().record_event()
    vectors = first().vectors
    assert not done.query()
    np.testing.assert_array_equal(vectors, expected[0])
    np.testing.assert_array_equal(second().vectors, expected[0])
    np.testing.assert_array_equal(vectors, expected[0])  # a copy: what came later lies elsewhere


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_tower_that_breaks_gives_one_exception(encoder: TowerEncoder, at: int) -> None:
    calls = 0

    def breaks(images: torch.Tensor):
        nonlocal calls
        calls += 1
        if calls == at:
            raise RuntimeError("the tower broke")
        return encoder.tower(images)

    broken, got = dataclasses.replace(encoder, tower=breaks), []
    stream = encode_photos(named(60), encoder=broken, cache=False)
    with pytest.raises(RuntimeError, match="the tower broke"):
        got.extend(row.id for row in stream)
    assert calls == at


def test_a_long_run_keeps_no_memory(encoder: TowerEncoder) -> None:
    held = []
    photos = named(50)
    for number, _ in enumerate(encode_photos((photos[row % 50] for row in range(4_000)), encoder=encoder, cache=False)):
        if number % 500 == 499:
            held.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))
    assert np.ptp(np.array(held[2:]), axis=0).max() < 1 << 22
