"""What a GPU computes against what the CPU does, on seeded CLIP shapes: no weights are needed."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_CLIP, write_tiny_clip

from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.testing import check_encoder, check_index

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason=f"torch {torch.__version__} sees no CUDA device"),
]

SHAPES = {  # open_clip's vision_cfg
    "tiny": TINY_CLIP["model_cfg"]["vision_cfg"],
    "B/32": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "B/16": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
    "L/14": {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14},
}


@pytest.fixture(scope="module", params=SHAPES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = copy.deepcopy(TINY_CLIP)
    config["model_cfg"]["vision_cfg"] = SHAPES[request.param]
    return write_tiny_clip(tmp_path_factory.mktemp("shapes") / "model", config=config)


def squares(encoder: TowerEncoder, count: int = 24) -> np.ndarray:
    """Soft colours under noise: far enough apart that vectors differ."""
    random, size = np.random.default_rng(0), encoder.preprocess.size
    pixels = random.integers(0, 200, (count, 1, 1, 3)) + random.integers(0, 56, (count, size, size, 3))
    return pixels.astype(np.uint8)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize(("dtype", "bound"), [("bfloat16", 0.9995), ("float32", 0.99999)])
def test_vectors_and_patches_are_the_cpus(folder: Path, dtype: str, bound: float) -> None:
    encoder = load_encoder(str(folder), device="cuda", dtype=dtype)
    reference = load_encoder(str(folder))
    rows, expected = encoder.encode(squares(encoder)), reference.encode(squares(reference))
    assert rows.fingerprint == expected.fingerprint
    assert cosines(rows.vectors, expected.vectors).min() >= bound
    assert rows.patches is not None
    assert expected.patches is not None
    assert cosines(rows.patches, expected.patches).mean() >= bound


def test_a_batch_encoded_twice_gives_the_same_bits(folder: Path) -> None:
    encoder = load_encoder(str(folder), device="cuda")
    first, second = encoder.encode(squares(encoder)), encoder.encode(squares(encoder))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.patches, second.patches)


def test_the_contracts_are_kept(reader_folder: Path) -> None:
    check_encoder(load_encoder(str(reader_folder), device="cuda"), tolerance=0.02)
    check_encoder(load_encoder(str(reader_folder), device="cuda", dtype="float32"))
    check_index(lambda dim: ExactIndex(dim, device="cuda"))


@pytest.mark.parametrize("kind", ["spread", "close", "copies"])
def test_the_nearest_are_the_cpus_ties_included(kind: str) -> None:
    random = np.random.default_rng(0)
    held = random.standard_normal((70_000, 512), dtype=np.float32)  # more than one part
    if kind == "close":
        held = held[:1] + 1e-3 * held
    elif kind == "copies":
        held = held[random.integers(0, 1_000, len(held))]
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    asked = held[::7_000]
    answers = []
    for device, scan in (("cpu", torch.float32), ("cuda", torch.bfloat16), ("cuda", torch.float32)):
        index = ExactIndex(512, device=device, scan=scan)
        index.add(np.arange(len(held)), held)
        answers.append(index.search(asked, 10))
    for keys, scores in answers[1:]:
        np.testing.assert_allclose(scores, answers[0][1], rtol=2e-7)  # a float64 sum may round the other way
        exact = (held[keys].astype(np.float64) * asked[:, None]).sum(-1)
        np.testing.assert_allclose(scores, exact, rtol=2e-7)
        assert (keys == answers[0][0]).mean() > 0.999


def test_out_of_memory_halves_the_batch(tmp_path: Path) -> None:
    config = copy.deepcopy(TINY_CLIP)
    config["model_cfg"]["vision_cfg"] = SHAPES["B/32"]
    encoder = load_encoder(str(write_tiny_clip(tmp_path / "model", config=config)), device="cuda")
    images = squares(encoder, 64)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    expected = encoder.encode(images)
    room = 1.5 * torch.cuda.max_memory_reserved()  # for 64, not for 4,096
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        rows = encoder.encode(np.tile(images, (64, 1, 1, 1)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder._most < 4_096, "it never ran out of memory: nothing was tested"
    assert len(rows) == 4_096
    assert cosines(rows.vectors, np.tile(expected.vectors, (64, 1))).min() >= 0.9995


def test_memory_does_not_grow(tiny_clip_folder: Path) -> None:
    encoder = load_encoder(str(tiny_clip_folder), device="cuda")
    index = ExactIndex(48, device="cuda")
    images = squares(encoder, 64)
    index.add(np.arange(64), encoder.encode(images).vectors)
    held = []
    for _ in range(200):
        index.search(encoder.encode(images).vectors, 5)
        held.append(torch.cuda.memory_allocated())
    assert held[-1] <= held[5]
