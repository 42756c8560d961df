"""A GPU's rules without a GPU: on a pretended card, tensors of two devices do not mix, numpy does not see what lies on
it, and rows are only there once they were waited for. Values are computed on the CPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import picture
from torch.utils._pytree import tree_leaves

import counterfeit_vision as cv
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.encoders.depths import vectors_and_tokens
from counterfeit_vision.encoders.devices import device_of, multiplies_bfloat16
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.index import exact
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.testing import check_index

CUDA = torch.device("cuda:0")
TO_NUMPY = (torch.Tensor.numpy, torch.Tensor.__array__)


class OnCard(torch.Tensor):
    """What lies on the card; so does what is made of it."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function == torch.Tensor.device.__get__:
            return CUDA
        if function == torch.Tensor.is_cuda.__get__:
            return True
        if function is torch._has_compatible_shallow_copy_type:  # a module then takes the moved tensor as it is
            return False
        if function in TO_NUMPY:
            raise TypeError("can't convert a tensor on the card to numpy")
        for tensor in tree_leaves((args, kwargs)):  # a CPU's single number is taken for a number
            if isinstance(tensor, torch.Tensor) and not isinstance(tensor, OnCard) and tensor.ndim:
                raise RuntimeError(f"{function}: a tensor {tuple(tensor.shape)} on the CPU among those on the card")
        return super().__torch_function__(function, types, args, kwargs)


class Card:
    """``coming`` are the copies to the host that nothing has waited for yet, ``locked`` what page-locked memory was
    taken for.
    """

    def __init__(self) -> None:
        self.coming: list[Callable[[], object]] = []
        self.locked: list[tuple[int, ...]] = []

    def synchronize(self) -> None:
        while self.coming:
            self.coming.pop(0)()

    def record_event(self) -> Card:
        return self

    def to(self, move: Callable[..., torch.Tensor], tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        given = [*args, *kwargs.values()]
        device = next((torch.device(value) for value in given if isinstance(value, str | torch.device)), tensor.device)
        dtype = next((value for value in given if isinstance(value, torch.dtype)), tensor.dtype)
        order = kwargs.get("memory_format") or torch.preserve_format
        moved = move(tensor.as_subclass(torch.Tensor), dtype, memory_format=order)
        if device.type == "cuda":
            return moved.as_subclass(OnCard)
        if isinstance(tensor, OnCard) and True in given:  # non_blocking
            arrived, moved = moved, torch.full_like(moved, torch.nan)
            self.coming.append(lambda: moved.copy_(arrived))
        return moved


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    pretended = Card()
    facts = {"is_available": True, "device_count": 2, "current_device": 0, "get_device_capability": (9, 0)}
    for name, value in facts.items():
        monkeypatch.setattr(torch.cuda, name, lambda *device, value=value: value)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: pretended)
    move = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *args, **kw: pretended.to(move, tensor, *args, **kw))
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor.to("cpu"))
    for name in ("arange", "empty", "tensor", "zeros"):
        make = getattr(torch, name)
        monkeypatch.setattr(
            torch, name, lambda *args, make=make, device=None, **kw: make(*args, **kw).to(device or "cpu")
        )
    empty = torch.empty

    def lock(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        pretended.locked += [shape[0]] if pin_memory else []
        return empty(*shape, **options)

    monkeypatch.setattr(torch, "empty", lock)
    return pretended


def squares(count: int) -> np.ndarray:
    return np.stack([picture(seed, 32, 32) for seed in range(count)])


def test_the_card_keeps_its_rules(card: Card) -> None:
    there, here = torch.zeros((2, 3), device="cuda"), torch.ones((2, 3))
    assert (there.device, (there + 1).is_cuda, here.is_cuda) == (CUDA, True, False)
    for mixed in (lambda: there + here, lambda: here[there > 0], lambda: torch.cat([here, there])):
        with pytest.raises(RuntimeError, match="on the CPU among"):
            mixed()
    for look in (there.numpy, lambda: np.asarray(there), lambda: np.zeros(9)[there]):
        with pytest.raises(TypeError, match="numpy"):
            look()
    late = there.to("cpu", non_blocking=True)
    assert late.isnan().all()
    card.synchronize()
    np.testing.assert_array_equal((here.to("cuda") + there).cpu() + late, here)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_encoder_mixes_no_devices(card: Card, reader_folder: Path, dtype: str) -> None:
    encoder, twin = (load_encoder(reader_folder, device=device, dtype=dtype) for device in ("cuda", "cpu"))
    batches = [squares(5), squares(8)[3:]]
    for collect, images in zip([encoder.begin(images) for images in batches], batches, strict=True):
        rows, expected = collect(), twin.encode(images)
        np.testing.assert_array_equal(rows.vectors, expected.vectors)
        np.testing.assert_array_equal(rows.patches, expected.patches)
    in_depth = (vectors_and_tokens(one, squares(3)) for one in (encoder, twin))
    for found, wanted in zip(*in_depth, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(encoder.encode_text(["a", "b"]), twin.encode_text(["a", "b"]))


def test_squares_of_a_stream_are_stacked_where_the_card_fetches_them(
    card: Card, tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, given = TowerEncoder.begin, []
    monkeypatch.setattr(TowerEncoder, "begin", lambda one, images: given.append(type(images)) or begin(one, images))
    there, here = (load_encoder(tiny_clip_folder, device=device, dtype="float32") for device in ("cuda", "cpu"))
    photos = [(f"p{seed}", picture(seed)) for seed in range(10)]
    encoder = dataclasses.replace(there, batch_size=4)
    rows = list(encode_photos(photos, encoder=encoder, cache=False))
    assert card.locked == [(4, 32, 32, 3), (4, 32, 32, 3), (2, 32, 32, 3)]
    assert given == [list, list, list]
    for row, expected in zip(rows, encode_photos(photos, encoder=here, cache=False), strict=True):
        np.testing.assert_allclose(row.vector, expected.vector, atol=1e-5)
        np.testing.assert_allclose(row.patches, expected.patches, atol=1e-2)


def test_pixels_in_plain_memory_are_waited_for(tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *args, **options: asked.append((args, options)))
    for device in ("mps", "cpu"):
        dataclasses.replace(tiny_encoder, device=torch.device(device)).stage(list(squares(3)))
    assert asked == [((torch.device(device),), {"non_blocking": False}) for device in ("mps", "cpu")]


def test_a_batch_that_does_not_fit_is_halved_also_where_torch_has_no_error_of_its_own_for_it(
    tiny_encoder: TowerEncoder,
) -> None:
    encoder, tried = dataclasses.replace(tiny_encoder), []

    def run(images: np.ndarray, most: int, reason: str) -> int:
        tried.append(len(images))
        if len(images) > most:
            raise RuntimeError(f"MPS backend {reason} (MPS allocated: 9.00 GB, max allowed: 9.07 GB)")
        return len(images)

    with pytest.raises(RuntimeError, match="not implemented"):
        encoder.in_parts(squares(8), lambda images: run(images, 0, "not implemented"))
    assert tried == [8]
    assert encoder.in_parts(squares(8), lambda images: run(images, 2, "out of memory")) == [2, 2, 2, 2]
    with pytest.raises(RuntimeError, match="out of memory"):
        encoder.in_parts(squares(1), lambda images: run(images, 0, "out of memory"))


def test_a_convnet_mixes_no_devices(card: Card, lite: TowerEncoder) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    rows = load_encoder("efficientnet-lite0", device="cuda").encode(images)  # float32: its sums suffer in bfloat16
    np.testing.assert_array_equal(rows.vectors, lite.encode(images).vectors)


@pytest.mark.parametrize("scan", [torch.float32, torch.bfloat16])
def test_the_exact_index_mixes_no_devices(card: Card, scan: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in {"ROWS": 50, "QUERIES": 7, "SPARE": 2, "RESCORED": 3_000}.items():
        monkeypatch.setattr(exact, name, small)
    check_index(lambda dim: ExactIndex(dim, device="cuda", scan=scan))


def test_a_run_on_a_card_comes_to_the_cpus_verdicts(card: Card, tree: Path, tiny_clip_folder: Path) -> None:
    listings = [cv.Listing(id=str(path), photos=[path]) for path in sorted(tree.rglob("*.jpg"))]
    genuine = [(picture(100 + seed % 5) * (1 - seed / 400)).astype(np.uint8) for seed in range(40)]
    risks = []
    for device in ("cuda", "cpu"):
        catalog = cv.Catalog.build(tree, encoder=load_encoder(tiny_clip_folder, device=device, dtype="float32"))
        report = cv.Inspector(catalog, cache=False).calibrate(genuine=genuine).inspect(listings)
        risks.append([verdict.risk for verdict in report])
    np.testing.assert_allclose(*risks, atol=1e-6)


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_bfloat16_is_chosen_where_the_card_multiplies_it(
    card: Card, capability: tuple[int, int], dtype: torch.dtype, tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert load_encoder(tiny_clip_folder, device="cuda").dtype is dtype
    assert ExactIndex(48, device="cuda").scan is dtype


@pytest.mark.parametrize(
    ("told", "quick"),
    [({"avx512_bf16": True}, True), ({"avx512_bf16": False, "avx512_f": True}, False), ({}, False), (None, False)],
    ids=str,
)
def test_bfloat16_is_scanned_where_the_processor_multiplies_it(
    told: dict[str, bool] | None, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    if told is not None:  # else an older torch
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert ExactIndex(48).scan is (torch.bfloat16 if quick else torch.float32)
    assert not multiplies_bfloat16(torch.device("mps")), "of the processor nothing follows for it"


@pytest.mark.parametrize(("count", "said"), [(1, "torch sees 1 CUDA device;"), (2, "torch sees 2 CUDA devices;")])
def test_the_first_card_that_is_not_there_is_refused(card: Card, count: int, said: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert device_of(f"cuda:{count - 1}").index == count - 1
    with pytest.raises(cv.InputError, match=said):
        device_of(f"cuda:{count}")
