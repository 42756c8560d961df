"""An open_clip image tower as Hugging Face's ``CLIPVisionModelWithProjection``, weight for weight, with its processor.

sentence-transformers is no peer of its own: its CLIP is this model behind this processor, and it loads only with the
text tower and tokenizer that the packaged weights do not have.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

PARTS = {
    "ln_1": "layer_norm1",
    "attn.out_proj": "self_attn.out_proj",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def installed() -> bool:
    return importlib.util.find_spec("transformers") is not None


def converted(tower: Any) -> torch.nn.Module:
    """The same tower in transformers, on its device, in float32."""
    from open_clip.transformer import QuickGELU
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    own, blocks = tower.state_dict(), tower.transformer.resblocks
    wide, patch = own["conv1.weight"].shape[0], own["conv1.weight"].shape[-1]
    config = CLIPVisionConfig(
        hidden_size=wide,
        intermediate_size=blocks[0].mlp.c_fc.out_features,
        projection_dim=own["proj"].shape[1],
        num_hidden_layers=len(blocks),
        num_attention_heads=blocks[0].attn.num_heads,
        image_size=tower.grid_size[0] * patch,
        patch_size=patch,
        hidden_act="quick_gelu" if isinstance(blocks[0].mlp.gelu, QuickGELU) else "gelu",
    )
    model = CLIPVisionModelWithProjection(config)
    stem = "vision_model." if any(key.startswith("vision_model.") for key in model.state_dict()) else ""
    state = {
        "visual_projection.weight": own["proj"].T,
        f"{stem}embeddings.class_embedding": own["class_embedding"],
        f"{stem}embeddings.patch_embedding.weight": own["conv1.weight"],
        f"{stem}embeddings.position_embedding.weight": own["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        state[f"{stem}pre_layrnorm.{kind}"] = own[f"ln_pre.{kind}"]  # their spelling
        state[f"{stem}post_layernorm.{kind}"] = own[f"ln_post.{kind}"]
        for number in range(len(blocks)):
            theirs, ours = f"{stem}encoder.layers.{number}", f"transformer.resblocks.{number}"
            for name, part in zip("qkv", own[f"{ours}.attn.in_proj_{kind}"].chunk(3), strict=True):
                state[f"{theirs}.self_attn.{name}_proj.{kind}"] = part
            state |= {f"{theirs}.{new}.{kind}": own[f"{ours}.{old}.{kind}"] for old, new in PARTS.items()}
    missing, unknown = model.load_state_dict(state, strict=False)
    left = [name for name in missing if not name.endswith("position_ids")]
    if left or unknown:
        raise RuntimeError(f"transformers names its weights otherwise: {left[:3]}, {unknown[:3]}")
    return model.to(own["proj"].device).eval()


def loop(photos: list[bytes], model: Any, processor: Callable[..., Any], at_once: int) -> Any:
    """What transformers' documentation shows: (N, D) unit vectors."""
    device = next(model.parameters()).device
    rows = []
    with torch.inference_mode():
        for start in range(0, len(photos), at_once):
            images = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos[start:][:at_once]]
            pixels = processor(images=images, return_tensors="pt")["pixel_values"].to(device)
            rows.append(torch.nn.functional.normalize(model(pixel_values=pixels).image_embeds, dim=-1).cpu())
    return torch.cat(rows).numpy()
