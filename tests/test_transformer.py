"""The lean pass through a vision transformer, against open_clip's own: its slow twin."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transformer import QuickGELU, VisionTransformer

from counterfeit_vision.encoders.clip import ClipForward
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.encoders.transformer import LeanTransformer

CPU = torch.device("cpu")
KINDS: dict[str, dict[str, Any]] = {
    "as OpenAI's": {"act_layer": QuickGELU},
    "exact GELU": {},
    "layer scale": {"ls_init_value": 0.3},
    "no norm before": {"no_ln_pre": True},
    "norm after pooling": {"final_ln_after_pool": True},
}


def tower(**kind: Any) -> VisionTransformer:
    """A seeded tower of 4 blocks, livelier than a fresh one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = VisionTransformer(32, 8, 64, 4, 4, 4.0, output_dim=24, **kind)
        for name, tensor in made.named_parameters():
            if tensor.ndim > 1 and "embedding" not in name:
                tensor.data.mul_(1.5)
            elif name.endswith("bias"):
                tensor.data.normal_(std=0.2)
    return made.eval().requires_grad_(False)


def images(count: int = 5) -> torch.Tensor:
    return torch.randn((count, 3, 32, 32), generator=torch.Generator().manual_seed(1))


def cosines(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)


@pytest.mark.parametrize("layer", [0, 2, 3, None])
@pytest.mark.parametrize("kind", KINDS)
def test_float32_rows_are_open_clips(kind: str, layer: int | None) -> None:
    made = tower(**KINDS[kind])
    assert LeanTransformer.fits(made)
    vectors, patches, grid = LeanTransformer(made, layer, device=CPU, dtype=torch.float32)(images())
    expected, tokens, shape = ClipForward(made, layer)(images())
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    assert grid == shape
    if tokens is None:
        assert patches is None
    else:
        assert patches is not None
        np.testing.assert_allclose(patches, tokens, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_rows_are_closer_than_those_of_a_tower_of_bfloat16(kind: str) -> None:
    made = tower(**KINDS[kind])
    expected, tokens, _ = ClipForward(made, 2)(images(40))
    whole, _, _ = ClipForward(copy.deepcopy(made).bfloat16(), 2)(images(40))
    vectors, patches, _ = LeanTransformer(made, 2, device=CPU, dtype=torch.bfloat16)(images(40))
    assert vectors.dtype == torch.float32
    assert patches is not None
    assert tokens is not None
    assert cosines(vectors, expected).min() > 0.9998
    assert cosines(patches, tokens).min() > 0.9995
    assert (1 - cosines(vectors, expected)).mean() < 0.6 * (1 - cosines(whole, expected)).mean()


def test_a_row_does_not_depend_on_its_mates() -> None:
    lean = LeanTransformer(tower(), 1, device=CPU, dtype=torch.float32)
    many, one = lean(images(9)), lean(images(9)[4:5])
    np.testing.assert_allclose(many[0][4:5], one[0], atol=1e-5)
    np.testing.assert_allclose(many[1][4:5], one[1], atol=1e-5)


def test_the_images_and_the_weights_are_left_alone() -> None:
    made, batch = tower(act_layer=QuickGELU), images()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    LeanTransformer(made, 2, device=CPU, dtype=torch.float32)(batch)
    torch.testing.assert_close(batch, images(), rtol=0, atol=0)
    for name, tensor in made.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_other_towers_go_open_clips_way() -> None:
    others = [
        tower(pool_type="avg"),
        tower(attentional_pool=True),
        tower(block_type="custom"),
        open_clip.create_model("RN50", load_weights=False).visual,
    ]
    assert not any(LeanTransformer.fits(other) for other in others)


def test_the_packaged_clip_goes_the_lean_way(clip: TowerEncoder) -> None:
    assert isinstance(clip.tower, LeanTransformer)
