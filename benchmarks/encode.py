"""Photos' bytes -> embeddings, beside open_clip's usual loop with the same weights: one at a time, Pillow, float32.

    python benchmarks/encode.py            # --quick: 4 photos; --check: the answers only; --device cuda

Photos are rendered here, 1.6 megapixels each, no two alike; nothing comes from the cache of embeddings. All ways crop
as open_clip does. Checked first: cosines to the loop's vectors. Then the image tower alone, from squares that are
ready, patch tokens included.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import rounds
import torch
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision.preprocess import Preprocess

ENCODER = "clip-vit-b16"
COSINE = {"float32": 0.9999, "bfloat16": 0.999}


def loop(photos: list[bytes], tower: torch.nn.Module, transform: Callable[[Any], torch.Tensor], at_once: int) -> Any:
    """What open_clip's README shows, with a batch of 1 or more: (N, D) unit vectors."""
    device = next(tower.parameters()).device
    rows = []
    with torch.inference_mode():
        for start in range(0, len(photos), at_once):
            images = [transform(Image.open(io.BytesIO(photo))) for photo in photos[start : start + at_once]]
            rows.append(torch.nn.functional.normalize(tower(torch.stack(images).to(device)), dim=-1).cpu())
    return torch.cat(rows).numpy()


def embed(photos: list[bytes], encoder: Any) -> Any:
    return cv.embed(photos, encoder=encoder, cache=False).vectors


def main() -> None:
    chosen = rounds.options(__doc__)
    count = 4 if chosen.quick else 16
    try:
        encoders = {
            dtype: dataclasses.replace(found, preprocess=Preprocess(found.preprocess.size, "crop"))
            for dtype in COSINE
            for found in [cv.load_encoder(ENCODER, device=chosen.device, dtype=dtype)]
        }
    except cv.WeightsError as error:
        sys.exit(f"no weights of {ENCODER}: {error}")
    plain = encoders["float32"]
    tower: torch.nn.Module = plain.tower.tower
    transform = open_clip.image_transform(plain.preprocess.size, is_train=False, mean=plain.mean, std=plain.std)
    photos = [rounds.coded(rounds.photo(1460, 1095, seed)) for seed in range(count)]
    result: dict[str, Any] = {"encoder": ENCODER, "photos": count, "check": {}, "rounds": {}}
    expected = loop(photos, tower, transform, 1)
    for dtype, encoder in encoders.items():
        cosines = (embed(photos, encoder) * expected).sum(axis=1)
        rounds.demand(float(cosines.min()) >= COSINE[dtype], f"{dtype}: cosine {cosines.min():.5f} to open_clip's loop")
        result["check"][f"cosine to the loop, {dtype}"] = [round(float(v), 6) for v in (cosines.min(), cosines.mean())]
    if not chosen.check:
        few = {"items": count, "rounds": 2 if chosen.quick else 5, "device": chosen.device}
        ways = {
            "open_clip loop, one at a time": functools.partial(loop, photos, tower, transform, 1),
            f"open_clip loop, {plain.batch_size} at once": functools.partial(
                loop, photos, tower, transform, plain.batch_size
            ),
            **{f"ours, {dtype}": functools.partial(embed, photos, encoder) for dtype, encoder in encoders.items()},
        }
        result["rounds"]["bytes to embedding, 1.6 MP JPEG"] = rounds.paired(ways, **few)
        squares = np.stack([plain.preprocess(np.asarray(Image.open(io.BytesIO(photo))))[0] for photo in photos])
        alone = {f"tower, {dtype}": functools.partial(encoder.encode, squares) for dtype, encoder in encoders.items()}
        result["rounds"]["squares to embedding and patches"] = rounds.paired(alone, **few)
    rounds.give("encode", result, chosen)


if __name__ == "__main__":
    main()
