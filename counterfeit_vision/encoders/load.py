"""One door to every encoder: a recipe's name, an open_clip name, or a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from .preprocess import Preprocess
from .weights import Recipe, fetch, recipes

if TYPE_CHECKING:
    import torch

    from .clip import ClipForward
    from .convnet import ConvnetForward
    from .runtime import TextTower, Tower, TowerEncoder

__all__ = ["load_encoder"]

UNSEEN = ("num_heads", "eps", "approximate", "pool_type", "final_ln_after_pool", "global_pool")
"""What of a module shapes a vector and leaves no trace in the weights."""


def load_encoder(
    name: str | os.PathLike[str] = "clip-vit-b16",
    device: str = "cpu",
    dtype: str | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    decode: Literal["exact", "fast"] = "exact",
    progress: bool = False,
) -> TowerEncoder:
    """Load an encoder with pretrained weights.

    ``name`` is a recipe (``counterfeit-vision models list``), an open_clip architecture with ``weights`` a tag or file,
    a folder with ``open_clip_config.json``, or ``hf-hub:owner/model``. ``dtype`` is ``"float32"`` or ``"bfloat16"``;
    ``None`` means float32 on a CPU and for convnet recipes, and bfloat16 on a GPU that has instructions for it
    (Ampere's and later). In float32 on a GPU, torch lets convolutions round their factors to 11 bits, including the one
    that makes a transformer's patches: numbers in CLIP B/16's vectors then move by up to 6e-4.
    ``torch.backends.cudnn.allow_tf32 = False`` forbids it.
    ``decode="fast"`` reads large JPEGs at a fraction of their size (see
    :class:`~counterfeit_vision.encoders.preprocess.Preprocess`): its vectors have a fingerprint of their own.

    Raises :class:`InputError` for a name that means nothing, :class:`WeightsError` where no source of the weights
    worked; random weights never happen silently.
    """
    from .devices import device_of
    from .runtime import TextTowerEncoder, TowerEncoder
    from .transformer import LeanTransformer

    if not isinstance(name, str | os.PathLike):
        raise InputError(f"load_encoder({name!r}): need a name, as in `counterfeit-vision models list`, or a folder")
    name, weights = os.fspath(name), None if weights is None else os.fspath(weights)
    on = device_of(device)
    recipe = recipes().get(name)
    if recipe is not None and weights is not None:
        raise InputError(
            f"weights={weights!r}: the recipe {name!r} brings its own (as a file: put {name}.safetensors in a folder "
            "and set CV_WEIGHTS to it); for others name the open_clip architecture that they are for: "
            f"load_encoder('ViT-B-16', weights={weights!r})"
        )
    kind = _dtype(dtype, on, recipe)
    if recipe is not None:
        made = _by_recipe(recipe, progress=progress)
    else:
        made = _by_open_clip(name, weights, device=on, dtype=kind)
    preprocess = Preprocess(size=made.size, decode=decode)
    tower, layer = made.tower, made.forward.layer
    forward: Tower = made.forward
    identity = {"preprocess": preprocess.spec(), "mean": made.mean, "std": made.std, "layer": layer, "tokens": 1}
    fingerprint = _fingerprint(tower, identity | made.identity)
    tower.eval().requires_grad_(False)
    if LeanTransformer.fits(tower):
        forward = LeanTransformer(tower, layer, device=on, dtype=kind)
    else:
        tower.to(device=on, dtype=kind)
    encoder = TowerEncoder if made.load_text is None else partial(TextTowerEncoder, load_text=made.load_text)
    return encoder(
        name=made.name,
        tower=forward,
        preprocess=preprocess,
        mean=made.mean,
        std=made.std,
        fingerprint=fingerprint,
        device=on,
        dtype=kind,
        origin=made.origin,
        batch_size=16 if on.type == "cpu" else 256,
        recipe=made.recipe,
    )


@dataclass(frozen=True, kw_only=True)
class _Made:
    """An image tower with its weights, not on its device yet, and how it is run: ``forward``.

    ``identity`` is what shapes a vector beside the weights and the preprocessing; ``load_text`` makes the text tower,
    where there is one.
    """

    name: str
    tower: torch.nn.Module
    forward: ClipForward | ConvnetForward
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    origin: str
    recipe: str | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    load_text: Callable[[], TextTower] | None = None


def _by_recipe(recipe: Recipe, *, progress: bool) -> _Made:
    from . import clip, convnet

    forward: ClipForward | ConvnetForward
    build = clip.build_tower if recipe.family == "clip" else convnet.build_tower
    towers: list[torch.nn.Module] = []
    _, origin = fetch(recipe, fits=lambda state: towers.append(build(recipe.architecture, state)), progress=progress)
    (tower,) = towers
    if recipe.family == "clip":
        forward = clip.ClipForward(tower, recipe.patch_layer)
    else:
        forward = convnet.ConvnetForward(tower, recipe.patch_layer)
    return _Made(
        name=recipe.name,
        tower=tower,
        forward=forward,
        size=recipe.image_size,
        mean=recipe.mean,
        std=recipe.std,
        origin=origin,
        recipe=recipe.name,
    )


def _by_open_clip(name: str, weights: str | None, *, device: torch.device, dtype: torch.dtype) -> _Made:
    from . import clip

    tower, mean, std, size = clip.load_open_clip(name, weights)
    return _Made(
        name=Path(name).name if Path(name).is_dir() else name,
        tower=tower,
        forward=clip.ClipForward(tower, _middle_block(tower)),
        size=size,
        mean=mean,
        std=std,
        origin=f"open_clip {name} {weights or ''}".strip(),
        identity={"modules": _modules(tower)},  # a recipe names its architecture
        load_text=partial(clip.ClipTexts, name, weights, device=device, dtype=dtype),
    )


def _dtype(dtype: str | None, device: torch.device, recipe: Recipe | None) -> torch.dtype:
    import torch

    from .devices import multiplies_bfloat16

    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if dtype is None:
        # A convnet's sums would be bfloat16, too: EfficientNet-Lite0's vectors of 143 real photos then keep a cosine of
        # 0.996 at the least to those of float32, and every 18th photo has another one nearest.
        fits = device.type == "cuda" and (recipe is None or recipe.family == "clip")
        return torch.bfloat16 if fits and multiplies_bfloat16(device) else torch.float32
    wanted = str(dtype).removeprefix("torch.")
    if wanted not in kinds:
        raise InputError(f"dtype={dtype!r}; the choices are {', '.join(kinds)}")
    return kinds[wanted]


def _middle_block(tower: torch.nn.Module) -> int | None:
    """The block in the middle of a vision transformer: 5 of 12, where the packaged CLIP tells products apart best."""
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    return None if blocks is None else (len(blocks) - 1) // 2


def _modules(tower: torch.nn.Module) -> list[tuple[str, ...]]:
    """What two architectures that take the same weights differ in: one row a module."""
    return [
        (name, type(module).__name__, *(str(getattr(module, setting, None)) for setting in UNSEEN))
        for name, module in tower.named_modules()
    ]


def _fingerprint(tower: torch.nn.Module, identity: dict[str, Any]) -> str:
    """sha256 of the weights and of everything else that shapes a vector; the device and its dtype are not part
    of it.
    """
    import torch

    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for key, tensor in sorted(tower.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
