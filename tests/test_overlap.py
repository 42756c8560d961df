"""Two batches in flight, with a fake device of set latency: overlap, order, back-pressure, faults and shutdown."""

from __future__ import annotations

import dataclasses
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import jpeg

from counterfeit_vision.encoders.base import OverlappingEncoder
from counterfeit_vision.encoders.batching import CachedPhoto, encode_photos
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.types import Embeddings, Failure

pytestmark = pytest.mark.usefixtures("no_threads_left")


class OnDevice(torch.Tensor):
    """Rows that lie on the fake device: whoever wants them waits for all that was begun before he asked."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        result = super().__torch_function__(function, types, args, kwargs or {})
        if function is torch.Tensor.cpu:
            FakeDevice.latest.record_event().synchronize()
        if function is torch.Tensor.cpu or (function is torch.Tensor.to and "cpu" in args):
            return result.as_subclass(torch.Tensor)
        return True if function == torch.Tensor.is_cuda.__get__ else result


class FakeDevice:
    """The tiny encoder on a device that takes ``latency`` seconds a batch by itself, one thing after the other in the
    order in which they are asked for: a CUDA stream.
    """

    batch_size = 4
    latest: FakeDevice

    def __init__(self, encoder: TowerEncoder, *, latency: float = 0.0, in_flight: int = 2) -> None:
        FakeDevice.latest = self
        self.encoder, self.latency, self.in_flight = encoder, latency, in_flight
        self.fingerprint, self.preprocess = encoder.fingerprint, encoder.preprocess
        self.on_device = dataclasses.replace(encoder, tower=self.tower)
        self.events: list[tuple[str, int]] = []
        self.images, self.free = 0, 0.0
        self.begin_fails_at = self.collect_fails_at = -1

    def tower(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]:
        vectors, patches, grid = self.encoder.tower(images)
        assert patches is not None
        self.free = max(time.monotonic(), self.free) + self.latency
        return vectors.as_subclass(OnDevice), patches.as_subclass(OnDevice), grid

    def record_event(self) -> SimpleNamespace:
        due = self.free
        return SimpleNamespace(synchronize=lambda: time.sleep(max(0, due - time.monotonic())))

    def begin(self, images: np.ndarray) -> Callable[[], Embeddings]:
        number = sum(kind == "begin" for kind, _ in self.events)
        self.events.append(("begin", number))
        if number == self.begin_fails_at:
            raise RuntimeError("begin broke")
        self.images += len(images)
        rows = self.on_device.begin(images)

        def collect() -> Embeddings:
            self.events.append(("collect", number))
            if number == self.collect_fails_at:
                raise RuntimeError("collect broke")
            return rows()

        return collect

    def encode(self, images: np.ndarray) -> Embeddings:
        return self.begin(images)()

    def most_in_flight(self) -> int:
        steps = np.cumsum([1 if kind == "begin" else -1 for kind, _ in self.events])
        return int(steps.max())


@pytest.fixture(autouse=True)
def one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeDevice.latest)


@pytest.fixture
def device(tiny_encoder: TowerEncoder) -> FakeDevice:
    return FakeDevice(tiny_encoder)


def named(count: int) -> list[tuple[str, bytes]]:
    return [(f"p{number}", jpeg(number)) for number in range(count)]


def test_the_second_batch_is_begun_before_the_first_is_collected(device: FakeDevice) -> None:
    assert isinstance(device, OverlappingEncoder)
    photos = named(18)
    photos[5] = ("p5", b"no photo")
    results = list(encode_photos(photos, encoder=device, cache=False))
    assert [result.id for result in results] == [name for name, _ in photos]
    assert [result.id for result in results if isinstance(result, Failure)] == ["p5"]
    begun = [("begin", 0)]
    for number in range(1, 5):
        begun += [("begin", number), ("collect", number - 1)]
    assert device.events == [*begun, ("collect", 4)]
    expected = list(encode_photos(photos, encoder=device.encoder, cache=False))
    for result, other in zip(results, expected, strict=True):
        if not isinstance(result, Failure) and not isinstance(other, Failure):
            np.testing.assert_allclose(result.vector, other.vector, atol=1e-4)


def test_the_host_works_while_the_device_does(tiny_encoder: TowerEncoder) -> None:
    """A source that takes as long for a batch as the device: overlapped, little more than half the time of both."""

    def seconds(in_flight: int) -> float:
        def source() -> Iterator[tuple[str, bytes]]:
            for number, photo in enumerate(photos):
                if number % 4 == 0 and number >= 8:  # from here on, what is asked for is what the device waits for
                    time.sleep(0.3)
                yield photo

        start = time.monotonic()
        list(encode_photos(source(), encoder=FakeDevice(tiny_encoder, latency=0.3, in_flight=in_flight), cache=False))
        return time.monotonic() - start

    photos = named(32)
    assert seconds(2) < 0.8 * seconds(1)


def test_no_more_than_two_are_ever_in_flight_however_slow_the_reader(device: FakeDevice) -> None:
    results = encode_photos(((f"p{number}", jpeg(number % 7)) for number in range(10_000)), encoder=device, cache=False)
    for _ in range(3):
        next(results)
        time.sleep(0.05)
    assert device.events == [("begin", 0), ("begin", 1), ("collect", 0)]
    for _ in range(40):
        next(results)
    assert device.most_in_flight() == 2
    results.close()


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_batch_that_cannot_begin_comes_after_the_rows_of_those_before(device: FakeDevice, at: int) -> None:
    device.begin_fails_at = at
    results = encode_photos(named(18), encoder=device, cache=False)
    assert [next(results).id for _ in range(4 * at)] == [f"p{number}" for number in range(4 * at)]
    with pytest.raises(RuntimeError, match="begin broke"):
        next(results)


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_batch_that_cannot_be_collected_gives_one_exception(device: FakeDevice, at: int, tmp_path: Path) -> None:
    device.collect_fails_at = at
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        with pytest.raises(RuntimeError, match="collect broke"):
            list(encode_photos(named(18), encoder=device, cache=cache))
        assert len(cache) == 4 * at
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("counterfeit")]


def test_closing_early_waits_for_nothing(tiny_encoder: TowerEncoder) -> None:
    device = FakeDevice(tiny_encoder)
    results = encode_photos(named(18), encoder=device, cache=False)
    next(results)
    device.free = time.monotonic() + 60
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 10
    assert ("collect", 1) not in device.events


@pytest.mark.parametrize("cached", [True, False])
def test_a_photo_that_is_in_flight_is_not_encoded_again(device: FakeDevice, tmp_path: Path, cached: bool) -> None:
    photos = [(f"p{number}", jpeg(number)) for number in (0, 1, 2, 3, 0, 4, 5, 3, 6, 7, 0, 1, 8)]
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:
        results = list(encode_photos(photos, encoder=device, cache=cache if cached else False))
    rows = {number: result for number, result in enumerate(results) if not isinstance(result, Failure)}
    np.testing.assert_array_equal(rows[4].vector, rows[0].vector)
    np.testing.assert_array_equal(rows[7].vector, rows[3].vector)
    assert [result.id for result in results] == [name for name, _ in photos]
    if cached:
        assert device.images == 9


def test_what_was_collected_is_let_go(device: FakeDevice) -> None:
    results = encode_photos(((f"p{number}", jpeg(number % 97)) for number in range(300)), encoder=device, cache=False)
    held = []
    for number, _ in enumerate(results):
        if number % 50 == 49:
            gc.collect()
            held.append(sum(type(found) is CachedPhoto for found in gc.get_objects()))
    assert max(held) <= 4 * device.batch_size
