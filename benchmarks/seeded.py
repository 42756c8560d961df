"""A CLIP of B/16's shape with seeded weights, for machines that the real ones can't be brought to: it is as fast, and
what its vectors say of a photo means nothing.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

CONFIG = {
    "model_cfg": {
        "embed_dim": 512,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]},
}


def written() -> str:
    """A folder that :func:`counterfeit_vision.load_encoder` takes; written once a machine."""
    folder = Path(tempfile.gettempdir()) / "counterfeit-vision-seeded-b16"
    if not (folder / "open_clip_config.json").exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = open_clip.CLIP(**CONFIG["model_cfg"])
            for name, tensor in model.visual.named_parameters():  # livelier than a fresh one, whose rows are all alike
                if tensor.ndim > 1:
                    tensor.data.mul_(2)
                elif name.endswith("bias"):
                    tensor.data.normal_(std=0.2)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return str(folder)
