"""CLIP towers, built with open_clip: one forward pass of the image tower gives the class token and the patch tokens of
a middle block; the text tower is loaded only where it is asked for.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ..errors import InputError, WeightsError
from .weights import fill, hub_is_reachable

__all__ = ["ClipForward", "ClipTexts", "build_tower", "load_open_clip"]


@contextlib.contextmanager
def _without_open_clips_log() -> Iterator[None]:
    """open_clip tells each step on the root logger, and warns that a model without weights is random; ours is filled at
    once, strictly.

    The application's own logs go on meanwhile: a filter sees what is logged right there, and no other thread's level is
    put back. Without a handler, what open_clip tells would set one up for good, and the application's
    ``logging.basicConfig`` would do nothing.
    """

    def is_wanted(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname or record.levelno >= logging.ERROR

    logger, handler = logging.getLogger(), logging.NullHandler()
    logger.addFilter(is_wanted)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)
        logger.removeHandler(handler)


def build_tower(architecture: str, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The image tower of an open_clip architecture with these weights, every tensor used and none missing."""
    import open_clip

    with _without_open_clips_log():
        tower: torch.nn.Module = open_clip.create_model(architecture, load_weights=False).visual
    fill(tower, state, architecture)
    return tower


def load_open_clip(
    name: str, weights: str | None
) -> tuple[torch.nn.Module, tuple[float, float, float], tuple[float, float, float], int]:
    """Any open_clip model: its image tower, mean, std and image size.

    ``name`` is an open_clip architecture with ``weights`` a pretrained tag or a weights file, or a folder with
    ``open_clip_config.json`` and weights, or ``hf-hub:owner/model``.
    """
    import open_clip

    _, model = _load(name, weights)
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]
    return model.visual, tuple(config["mean"]), tuple(config["std"]), size if isinstance(size, int) else size[0]


class ClipTexts:
    """The text tower of the open_clip model that :func:`load_open_clip` takes the image tower from: texts -> (N, D)."""

    def __init__(self, name: str, weights: str | None, *, device: torch.device, dtype: torch.dtype) -> None:
        import open_clip

        name, self.model = _load(name, weights)
        try:
            with _without_open_clips_log():
                self.tokenize = open_clip.get_tokenizer(name)
        except Exception as error:  # another library's tokenizer, its files, its connection
            raise WeightsError(f"open_clip has no tokenizer for the texts of {name}: {error!r}") from error
        self.model.visual = None
        self.model.eval().requires_grad_(False).to(device=device, dtype=dtype)
        self.device = device

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        vectors: torch.Tensor = self.model.encode_text(self.tokenize(list(texts)).to(self.device))
        return vectors


def _load(name: str, weights: str | None) -> tuple[str, Any]:
    """The whole model, and the name that open_clip knows it by."""
    import open_clip

    has_own = os.path.isdir(name) or name.startswith(("hf-hub:", "local-dir:"))
    if has_own and weights is not None:
        raise InputError(f"weights={weights!r}: {name} brings its own; type load_encoder({name!r})")
    if os.path.isdir(name):
        name = f"local-dir:{Path(name).resolve()}"
    elif not has_own:
        if name not in open_clip.list_models():
            raise InputError(
                f"no encoder is called {name!r}: it is neither a recipe (counterfeit-vision models list), "
                "nor an open_clip architecture (open_clip.list_models()), nor a folder with open_clip_config.json"
            )
        tags = f"the tags are {', '.join(open_clip.list_pretrained_tags_by_model(name)) or 'none'}"
        if weights is None:
            raise InputError(f"{name} needs weights: load_encoder({name!r}, weights=tag or file); {tags}")
        if not os.path.exists(weights) and not open_clip.get_pretrained_cfg(name, weights):
            raise InputError(f"weights={weights!r} is neither a file nor a tag of {name}; {tags}")
    on_hub = name.startswith("hf-hub:") or (weights is not None and not os.path.exists(weights))
    if on_hub and not hub_is_reachable():
        advice = f"the weights as a file and type: load_encoder({name!r}, weights='file.safetensors')"
        if has_own:
            advice = "the model as a folder and type: load_encoder('folder')"
        raise WeightsError(
            f"{name} {weights or ''}: the model hub can't be reached; bring {advice}, or use the recipe 'clip-vit-b16'"
        )
    try:
        with _without_open_clips_log():
            model = open_clip.create_model(name, pretrained=weights, require_pretrained=True, weights_only=True)
    except Exception as error:  # damaged and foreign files make it raise nearly anything
        reason = str(error).strip()
        if isinstance(error, UnpicklingError):  # torch's message tells people to turn its protection off
            reason = "the file holds more than tensors and is not opened; bring the weights as .safetensors"
        raise WeightsError(f"open_clip could not load {name} {weights or ''}: {reason or repr(error)}") from error
    return name, model


class ClipForward:
    """One pass through an open_clip image tower: class embedding, and the tokens that block ``layer`` (0-based) puts
    out.
    """

    def __init__(self, tower: Any, layer: int | None) -> None:
        self.tower, self.layer = tower, layer

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, tuple[int, int]]:
        images = images.to(next(self.tower.parameters()).dtype)
        if self.layer is None:
            return self.tower(images), None, (0, 0)
        out = self.tower.forward_intermediates(images, indices=[self.layer], output_fmt="NCHW")
        tokens = out["image_intermediates"][0]
        grid = (tokens.shape[2], tokens.shape[3])
        return out["image_features"], tokens.flatten(2).transpose(1, 2), grid
