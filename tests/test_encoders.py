"""Encoders: the contract, what they compute against the libraries they come from, and what names and folders do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import timm
import torch
from conftest import TINY_CLIP, picture, write_tiny_clip
from PIL import Image

from counterfeit_vision.encoders import Encoder, load_encoder
from counterfeit_vision.encoders import clip as clip_module
from counterfeit_vision.encoders import load as load_module
from counterfeit_vision.encoders.clip import build_tower as build_clip
from counterfeit_vision.encoders.convnet import build_tower as build_convnet
from counterfeit_vision.encoders.devices import device_of
from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.encoders.weights import fetch, find_recipe
from counterfeit_vision.errors import InputError, WeightsError
from counterfeit_vision.index.exact import ExactIndex
from counterfeit_vision.testing import check_encoder
from counterfeit_vision.types import Embeddings


@pytest.fixture
def copy(tiny_clip_folder: Path, tmp_path: Path) -> Path:
    """The tiny CLIP's folder once more, to be changed."""
    return shutil.copytree(tiny_clip_folder, tmp_path / "copy")


def squares(encoder: Encoder, count: int, seed: int = 0) -> np.ndarray:
    return np.stack([encoder.preprocess(picture(seed + number, 90, 120))[0] for number in range(count)])


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def normalised(encoder: TowerEncoder, images: np.ndarray) -> torch.Tensor:
    """The images as torchvision's ToTensor and Normalize make them."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (encoder.mean, encoder.std))
    return (pixels - mean) / std


# --- the contract ----------------------------------------------------------------------------------------------------


def test_an_encoder_from_an_open_clip_folder_keeps_the_contract(reader_folder: Path) -> None:
    encoder = load_encoder(str(reader_folder))
    check_encoder(encoder)
    assert isinstance(encoder, Encoder)


def test_the_packaged_convnet_keeps_the_contract(lite: TowerEncoder) -> None:
    check_encoder(dataclasses.replace(lite, batch_size=3))


def test_bfloat16_keeps_the_contract_with_a_wider_bound(reader_folder: Path) -> None:
    encoder = load_encoder(str(reader_folder), dtype="bfloat16")
    check_encoder(encoder, tolerance=0.02)


def test_bfloat16_rows_stay_close_to_float32_rows(tiny_clip_folder: Path, tiny_encoder: TowerEncoder) -> None:
    encoder = load_encoder(str(tiny_clip_folder), dtype="bfloat16")
    images = squares(encoder, 8)
    assert cosines(encoder.encode(images).vectors, tiny_encoder.encode(images).vectors).min() >= 0.999


# --- rows against the libraries that define them ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip_images(clip: TowerEncoder) -> np.ndarray:
    """Four pictures, and a darker, smaller copy of each."""
    pictures = [picture(seed, 240, 320) for seed in range(4)]
    copies = [np.asarray(Image.fromarray((p * 0.8).astype(np.uint8)).resize((200, 150))) for p in pictures]
    return np.stack([clip.preprocess(pixels)[0] for pixels in pictures + copies])


@pytest.fixture(scope="module")
def clip_rows(clip: TowerEncoder, clip_images: np.ndarray) -> Embeddings:
    return clip.encode(clip_images)


def test_clip_vectors_and_patches_are_open_clips_own(
    clip: TowerEncoder, clip_images: np.ndarray, clip_rows: Embeddings
) -> None:
    state, _ = fetch(find_recipe("clip-vit-b16"))
    tower = build_clip("ViT-B-16-quickgelu", state).eval()
    kept: list[torch.Tensor] = []
    tower.transformer.resblocks[5].register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.inference_mode():
        vectors = tower(normalised(clip, clip_images[:4])).numpy()
    assert cosines(clip_rows.vectors[:4], vectors).min() >= 0.9999
    assert clip_rows.grid == (14, 14)
    assert clip_rows.patches is not None
    assert clip_rows.patches.shape == (8, 196, 768)
    assert cosines(clip_rows.patches[:4], kept[0][:, 1:].numpy()).min() >= 0.9999  # the class token left out


def test_a_copy_is_nearest_to_its_own_picture(clip_rows: Embeddings) -> None:
    """Only right weights, mean and std do this."""
    similarity = clip_rows.vectors[:4] @ clip_rows.vectors[4:].T
    assert (similarity.argmax(axis=1) == np.arange(4)).all()


def test_a_row_of_clip_does_not_depend_on_its_mates(
    clip: TowerEncoder, clip_images: np.ndarray, clip_rows: Embeddings
) -> None:
    np.testing.assert_allclose(clip.encode(clip_images[3:4]).vectors[0], clip_rows.vectors[3], atol=1e-4)
    np.testing.assert_allclose(clip.encode(clip_images[[5, 3, 0]]).vectors, clip_rows.vectors[[5, 3, 0]], atol=1e-4)


def test_tiny_vectors_are_what_encode_image_of_the_whole_model_gives(
    tiny_clip_folder: Path, tiny_encoder: TowerEncoder
) -> None:
    model = open_clip.create_model(f"local-dir:{tiny_clip_folder}").eval()
    images = squares(tiny_encoder, 5)
    with torch.inference_mode():
        expected = model.encode_image(normalised(tiny_encoder, images), normalize=True).numpy()
    assert cosines(tiny_encoder.encode(images).vectors, expected).min() >= 0.9999


def test_convnet_vectors_are_the_mean_of_timms_own_feature_map(lite: TowerEncoder) -> None:
    state, _ = fetch(find_recipe("efficientnet-lite0"))
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(state, strict=True)
    images = squares(lite, 4)
    with torch.inference_mode():
        expected = model.eval().forward_features(normalised(lite, images)).mean((2, 3)).numpy()
    rows = lite.encode(images)
    assert cosines(rows.vectors, expected).min() >= 0.9999
    assert rows.patches is not None
    assert rows.patches.shape[:2] == (4, rows.grid[0] * rows.grid[1])


def test_convnet_patches_are_row_major_cells_of_the_middle_map(lite: TowerEncoder) -> None:
    """A change in one corner of the square moves that corner's cell most."""
    images = np.full((2, 224, 224, 3), 127, np.uint8)
    images[1, :40, -40:] = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    rows = lite.encode(images)
    moved = np.linalg.norm(rows.patches[1].astype(float) - rows.patches[0].astype(float), axis=-1).reshape(rows.grid)
    top, left = np.unravel_index(moved.argmax(), rows.grid)
    assert top < rows.grid[0] / 3
    assert left > rows.grid[1] * 2 / 3


def test_rows_of_a_batch_that_was_cut_are_numbered_through(tiny_encoder: TowerEncoder) -> None:
    encoder = dataclasses.replace(tiny_encoder)
    object.__setattr__(encoder, "_most", 2)
    size = encoder.preprocess.size
    assert encoder.encode(np.zeros((5, size, size, 3), np.uint8)).ids == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(("blocks", "middle"), [(12, 5), (24, 11), (3, 1), (1, 0)])
def test_patches_of_an_open_clip_transformer_leave_it_in_the_middle(blocks: int, middle: int) -> None:
    tower = SimpleNamespace(transformer=SimpleNamespace(resblocks=[None] * blocks))
    assert load_module._middle_block(tower) == middle


def test_patches_of_a_transformer_are_row_major(tiny_encoder: TowerEncoder) -> None:
    """Tokens mix, but a change in one patch moves its own token most."""
    images = np.full((2, 32, 32, 3), 127, np.uint8)
    images[1, 8:16, 24:32] = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    rows = tiny_encoder.encode(images)
    assert rows.grid == (4, 4)
    moved = np.linalg.norm(rows.patches[1].astype(float) - rows.patches[0].astype(float), axis=-1)
    assert moved.argmax() == 1 * 4 + 3


def test_a_row_among_64_is_the_row_alone(tiny_encoder: TowerEncoder) -> None:
    images = squares(tiny_encoder, 64)
    together = tiny_encoder.encode(images)
    order = np.random.default_rng(3).permutation(64)
    shuffled = tiny_encoder.encode(images[order])
    np.testing.assert_allclose(shuffled.vectors, together.vectors[order], atol=1e-4)
    for row in range(0, 64, 7):
        alone = tiny_encoder.encode(images[row : row + 1])
        np.testing.assert_allclose(alone.vectors[0], together.vectors[row], atol=1e-4)


# --- fingerprints ----------------------------------------------------------------------------------------------------


def test_two_loads_have_one_fingerprint(tiny_clip_folder: Path, tiny_encoder: TowerEncoder) -> None:
    assert load_encoder(str(tiny_clip_folder)).fingerprint == tiny_encoder.fingerprint


def test_a_copy_of_the_folder_elsewhere_has_the_same_fingerprint(copy: Path, tiny_encoder: TowerEncoder) -> None:
    assert load_encoder(str(copy)).fingerprint == tiny_encoder.fingerprint


def test_the_dtype_is_not_part_of_the_fingerprint(tiny_clip_folder: Path, tiny_encoder: TowerEncoder) -> None:
    assert load_encoder(str(tiny_clip_folder), dtype="bfloat16").fingerprint == tiny_encoder.fingerprint


def test_other_weights_have_another_fingerprint(tiny_encoder: TowerEncoder, tmp_path: Path) -> None:
    assert load_encoder(str(write_tiny_clip(tmp_path / "b", seed=1))).fingerprint != tiny_encoder.fingerprint


def test_one_changed_weight_gives_another_fingerprint(copy: Path, tiny_encoder: TowerEncoder) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copy / "open_clip_model.safetensors")
    state["visual.conv1.weight"][0, 0, 0, 0] += 1e-3
    save_file(state, copy / "open_clip_model.safetensors")
    assert load_encoder(str(copy)).fingerprint != tiny_encoder.fingerprint


@pytest.mark.parametrize("key", ["mean", "std"])
def test_another_normalisation_has_another_fingerprint(key: str, copy: Path, tiny_encoder: TowerEncoder) -> None:
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["preprocess_cfg"][key] = [0.5, 0.5, 0.5]
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    assert load_encoder(str(copy)).fingerprint != tiny_encoder.fingerprint


def test_another_preprocess_has_another_fingerprint(
    tiny_clip_folder: Path, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        load_module, "Preprocess", lambda size, decode: Preprocess(size=size, fit="squash", decode=decode)
    )
    assert load_encoder(str(tiny_clip_folder)).fingerprint != tiny_encoder.fingerprint


def test_fast_decoding_has_another_fingerprint(tiny_clip_folder: Path, tiny_encoder: TowerEncoder) -> None:
    fast = load_encoder(str(tiny_clip_folder), decode="fast")
    assert fast.fingerprint != tiny_encoder.fingerprint
    assert fast.preprocess.decode == "fast"
    with pytest.raises(InputError, match=r"decode='quick'.*'exact' and 'fast'"):
        load_encoder(str(tiny_clip_folder), decode="quick")  # type: ignore[arg-type]


def test_another_token_layer_has_another_fingerprint(
    tiny_clip_folder: Path, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "_middle_block", lambda tower: 2)
    assert load_encoder(str(tiny_clip_folder)).fingerprint != tiny_encoder.fingerprint


@pytest.mark.parametrize(
    "twin", [{"quick_gelu": True}, {"vision_cfg": {"head_width": 32}}, {"vision_cfg": {"norm_kwargs": {"eps": 1e-3}}}]
)
def test_another_architecture_around_the_same_weights_has_another_fingerprint(
    twin: dict, copy: Path, tiny_encoder: TowerEncoder
) -> None:
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"] |= {**twin, "vision_cfg": config["model_cfg"]["vision_cfg"] | twin.get("vision_cfg", {})}
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    other, images = load_encoder(str(copy)), squares(tiny_encoder, 4)
    assert not np.array_equal(other.encode(images).vectors, tiny_encoder.encode(images).vectors)
    assert other.fingerprint != tiny_encoder.fingerprint


# --- names, folders, weights -----------------------------------------------------------------------------------------


def test_the_folders_own_size_mean_and_std_are_used(tiny_encoder: TowerEncoder) -> None:
    assert tiny_encoder.preprocess.size == 32
    assert tiny_encoder.mean == (0.48, 0.46, 0.41)
    assert tiny_encoder.std == (0.27, 0.26, 0.28)
    assert tiny_encoder.name == "tiny"
    assert "tiny" in tiny_encoder.origin


def test_an_architecture_with_a_weights_file_is_loaded(
    tmp_path: Path, tiny_clip_folder: Path, tiny_encoder: TowerEncoder
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ViT-test-tiny.json").write_text(json.dumps(TINY_CLIP["model_cfg"]))
    open_clip.add_model_config(tmp_path / "configs")
    encoder = load_encoder("ViT-test-tiny", weights=tiny_clip_folder / "open_clip_model.safetensors")
    images = squares(tiny_encoder, 2)
    assert encoder.encode(images).vectors.shape == (2, 48)
    assert encoder.name == "ViT-test-tiny"


def test_a_name_that_means_nothing_is_refused_with_what_would() -> None:
    with pytest.raises(InputError, match=r"'clip-vit-b99'.*models list.*open_clip\.list_models.*folder"):
        load_encoder("clip-vit-b99")


def test_a_name_that_no_file_can_have_is_refused_as_another_is() -> None:
    with pytest.raises(InputError, match=r"no encoder is called 'x{300}'"):
        load_encoder("x" * 300)
    with pytest.raises(InputError, match=r"'x{300}' is neither a file nor a tag"):
        load_encoder("ViT-B-32", weights="x" * 300)


@pytest.mark.parametrize("name", ["clip-vit-b16", "efficientnet-lite0"])
def test_a_recipe_takes_no_weights_and_says_what_does(name: str) -> None:
    with pytest.raises(
        InputError, match=rf"recipe '{name}' brings its own.*{name}\.safetensors.*set CV_WEIGHTS to it.*ViT-B-16"
    ):
        load_encoder(name, weights="mine.safetensors")


def test_a_model_that_has_weights_takes_no_others(tiny_clip_folder: Path) -> None:
    for name in (str(tiny_clip_folder), f"local-dir:{tiny_clip_folder}", "hf-hub:somebody/model"):
        with pytest.raises(InputError, match=rf"weights='mine.safetensors': {name} brings its own; type load_encoder"):
            load_encoder(name, weights="mine.safetensors")


def test_a_path_without_a_folder_is_refused_as_a_name_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no encoder is called '.*missing'"):
        load_encoder(tmp_path / "missing")


def test_an_architecture_without_weights_is_refused_with_its_tags() -> None:
    with pytest.raises(InputError, match=r"ViT-B-32 needs weights.*openai"):
        load_encoder("ViT-B-32")


def test_weights_that_are_neither_a_file_nor_a_tag_are_refused_with_the_tags() -> None:
    with pytest.raises(InputError, match=r"'no-such-file.safetensors' is neither a file nor a tag of ViT-B-32.*openai"):
        load_encoder("ViT-B-32", weights="no-such-file.safetensors")


def test_a_tag_is_refused_without_the_hub(offline: Path) -> None:
    with pytest.raises(WeightsError, match=r"hub can't be reached; bring the weights as a file.*clip-vit-b16"):
        load_encoder("ViT-B-32", weights="openai")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["hf-hub:somebody/model", "hf-hub:"])
def test_a_hub_name_is_refused_without_the_hub(name: str) -> None:
    with pytest.raises(
        WeightsError, match=r"hub can't be reached; bring the model as a folder.*load_encoder\('folder'\)"
    ):
        load_encoder(name)


def test_a_folder_without_weights_is_refused_and_not_filled_with_random_ones(copy: Path) -> None:
    (copy / "open_clip_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="copy"):
        load_encoder(str(copy))


def test_a_folder_whose_weights_lack_a_tensor_is_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copy / "open_clip_model.safetensors")
    del state["visual.proj"]
    save_file(state, copy / "open_clip_model.safetensors")
    with pytest.raises(WeightsError, match=r"visual\.proj"):
        load_encoder(str(copy))


def test_a_folder_with_truncated_weights_is_refused(copy: Path) -> None:
    weights = copy / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="copy"):
        load_encoder(str(copy))


@pytest.mark.parametrize("config", ["{not json", "{}", None], ids=["broken", "empty", "missing"])
def test_a_folder_with_a_bad_config_is_refused(config: str | None, copy: Path) -> None:
    if config is None:
        (copy / "open_clip_config.json").unlink()
    else:
        (copy / "open_clip_config.json").write_text(config)
    with pytest.raises(WeightsError, match="copy"):
        load_encoder(str(copy))


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


def test_a_pickle_in_a_folder_is_not_executed(copy: Path, tmp_path: Path) -> None:
    (copy / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Bomb(tmp_path / "executed")}, copy / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match="copy"):
        load_encoder(str(copy))
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "executed")))  # the bomb is live
    assert (tmp_path / "executed").exists()


def test_convnet_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WeightsError, match="do not fit tf_efficientnet_lite0"):
        build_convnet("tf_efficientnet_lite0", {"conv_stem.weight": torch.zeros(3, 3)})


def test_another_device_is_refused() -> None:
    for device in ("gpu0", None):
        with pytest.raises(InputError, match=f"{device!r} is not a torch device"):
            load_encoder("clip-vit-b16", device=device)  # type: ignore[arg-type]
    for device in ("meta", "vulkan", "xla"):  # kinds of device that torch knows, and does not have here
        with pytest.raises(InputError, match=f"device='{device}', but torch .*; type device='cpu'"):
            load_encoder("clip-vit-b16", device=device)
    if not torch.cuda.is_available():
        for make in (load_encoder, lambda device: ExactIndex(48, device=device)):
            with pytest.raises(InputError, match="sees no CUDA device; type device='cpu'"):
                make(device="cuda")


def test_an_encoder_on_the_cpu_leaves_a_gpu_alone(tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_cuda(rows: torch.Tensor) -> bool:
        raise AssertionError("torch asks CUDA whether memory is page-locked")

    monkeypatch.setattr(torch.Tensor, "is_pinned", start_cuda)
    tiny_encoder.encode(squares(tiny_encoder, 2))


def test_a_gpu_is_the_same_one_in_every_thread_and_one_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)  # torch.cuda.set_device(1), of this thread alone
    assert device_of("cuda") == torch.device("cuda:1")
    assert device_of("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InputError, match="device='cuda:2', but torch sees 2 CUDA devices; type device='cuda'"):
        load_encoder("clip-vit-b16", device="cuda:2")


def test_another_dtype_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"float16.*float32, bfloat16"):
        load_encoder("clip-vit-b16", dtype="float16")


def test_clip_weights_that_do_not_fit_are_refused_and_the_root_logger_stays() -> None:
    level = logging.getLogger().level
    with pytest.raises(WeightsError, match="do not fit ViT-S-32-alt"):
        build_clip("ViT-S-32-alt", {"proj": torch.zeros(3, 3)})
    assert logging.getLogger().level == level


def test_towers_built_in_two_threads_leave_the_applications_logs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    records: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.root, "handlers", [])
    before = logging.root.level, [*logging.root.filters]
    first, second = clip_module._without_open_clips_log(), clip_module._without_open_clips_log()
    warn = compile("import logging; logging.warning('random')", "site-packages/open_clip/factory.py", "exec")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    with contextlib.ExitStack() as late, first:
        late.enter_context(second)
        exec(warn)  # where there is no handler, logging sets one up
        logging.root.addHandler(handler)
        exec(warn)
        logging.getLogger("shop").warning("sold out")
        logging.root.removeHandler(handler)
    assert [record.getMessage() for record in records] == ["sold out"]
    assert (logging.root.level, logging.root.filters) == before
    assert logging.root.handlers == []


def test_a_model_that_is_loaded_leaves_the_applications_log_to_be_set_up(
    reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    load_encoder(reader_folder).encode_text(["a shoe"])  # type: ignore[attr-defined]
    assert logging.root.handlers == []


FORK = """
import os, signal, sys, torch
from counterfeit_vision.encoders import runtime
torch.set_num_threads(2)
numbers = torch.rand(1 << 20)
numbers.exp()
if not (child := os.fork()):
    signal.alarm(60)
    numbers.exp()
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_wait_for_the_threads_of_its_parent() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], check=False).returncode == 0


@pytest.mark.parametrize("many", [list, tuple, np.array, iter])
def test_texts_may_come_as_any_list(tiny_encoder: TowerEncoder, many: Callable) -> None:
    reader = dataclasses.replace(
        tiny_encoder, load_text=lambda: lambda texts: torch.tensor([[len(text), 1.0] for text in texts])
    )
    np.testing.assert_array_equal(reader.encode_text(many(["a", "bb"])), reader.encode_text(["a", "bb"]))


def test_encode_says_how_to_encode_photos(tiny_encoder: TowerEncoder) -> None:
    with pytest.raises(InputError, match=r"float64 \(2, 32, 32, 3\), expected uint8 \(N, 32, 32, 3\).*cv\.embed"):
        tiny_encoder.encode(np.zeros((2, 32, 32, 3)))


def test_an_encoder_describes_itself(tiny_encoder: TowerEncoder) -> None:
    assert repr(tiny_encoder) == f"<Encoder tiny on cpu (float32), {tiny_encoder.fingerprint[:12]}>"


@pytest.mark.parametrize("name", [None, 5])
def test_what_is_no_name_of_an_encoder_is_refused(name: object) -> None:
    with pytest.raises(InputError, match="models list"):
        load_encoder(name)
