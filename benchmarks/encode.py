"""Photos' bytes -> embeddings, beside other ways to do it with the same weights.

    python benchmarks/encode.py            # --quick: 4 photos; --check: the answers only; --device cuda; --seeded

The first is open_clip's README: one photo at a time (or some at once), Pillow, float32. The second is how
clip-retrieval feeds a card: a DataLoader with a process a core. The third, where transformers is installed, is its
model with its processor (hugging_face.py). Photos are rendered here, 1.6 megapixels each, no two alike; nothing comes
from the cache of embeddings. A card gets four batches, which are these photos under other bytes, so that it has one
while the next is made ready; the DataLoader then makes two for each of its processes, and the loops take the 16.
Checked first, also on 12 megapixels, and where $CV_DATA holds real photos on them and on sheets of 1.6 megapixels that
they are laid side by side on, for few are large enough for ``fast``: cosines to the loop's vectors, where ours crops as
open_clip does; of ``fast`` decoding to exact, where ours pads, as it does by default. Then the image tower alone, from
squares that are ready, patch tokens included.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import sys
from collections.abc import Callable
from typing import Any

import data
import hugging_face
import numpy as np
import open_clip
import rounds
import torch
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision.encoders.clip import ClipForward
from counterfeit_vision.encoders.preprocess import Preprocess

COSINE = {"float32": 0.9999, "bfloat16": 0.9998}  # to open_clip's loop, at the least; preprocessing is part of it
SHEETS = "sheets of real photos"
WORKERS = min(16, os.cpu_count() or 1)
TOWER, FAST = 0.9999, 0.999  # of bfloat16 to float32 on the same squares, of fast decoding to exact


def loop(photos: list[bytes], tower: torch.nn.Module, transform: Callable[[Any], torch.Tensor], at_once: int) -> Any:
    """What open_clip's README shows, with a batch of 1 or more: (N, D) unit vectors."""
    device = next(tower.parameters()).device
    rows = []
    with torch.inference_mode():
        for start in range(0, len(photos), at_once):
            images = [transform(Image.open(io.BytesIO(photo)).convert("RGB")) for photo in photos[start:][:at_once]]
            rows.append(torch.nn.functional.normalize(tower(torch.stack(images).to(device)), dim=-1).cpu())
    return torch.cat(rows).numpy()


@dataclasses.dataclass
class Photos(torch.utils.data.Dataset):  # type: ignore[type-arg]
    files: list[bytes]
    transform: Callable[[Any], torch.Tensor]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.transform(Image.open(io.BytesIO(self.files[row])).convert("RGB"))


def loader(photos: list[bytes], tower: torch.nn.Module, transform: Callable[[Any], torch.Tensor], at_once: int) -> Any:
    """The same with a DataLoader; on a card with autocast to bfloat16, which on a CPU takes several times longer."""
    device = next(tower.parameters()).device
    rows, on_card = [], device.type == "cuda"
    batches = torch.utils.data.DataLoader(Photos(photos, transform), at_once, num_workers=WORKERS, pin_memory=on_card)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=on_card):
        for images in batches:
            images = images.to(device, non_blocking=True)
            rows.append(torch.nn.functional.normalize(tower(images).float(), dim=-1).cpu())
    return torch.cat(rows).numpy()


def autocast(encoder: Any, squares: np.ndarray) -> Any:
    """On a card: the tower in the precision that ours has there."""
    with torch.autocast("cuda", torch.bfloat16):
        return encoder.encode(squares)


def embed(photos: list[bytes], encoder: Any) -> Any:
    return cv.embed(photos, encoder=encoder, cache=False).vectors


def real_photos(every: int = 40) -> list[bytes]:
    """Some of each set; none where there are no sets."""
    if not data.DATA.is_dir():
        return []
    files = [
        file for pattern in ("af1/photos/*", "clothing/images/*") for file in sorted(data.DATA.glob(pattern))[::every]
    ]
    files += sorted(data.DATA.glob("exif-orientation/*_1.jpg"))
    return [file.read_bytes() for file in files]


def sheets(photos: list[bytes], count: int, size: tuple[int, int] = (1460, 1095)) -> list[bytes]:
    """Real photos side by side, pixel for pixel, as JPEGs."""
    images = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos]
    random, coded = np.random.default_rng(0), []
    for _ in range(count if photos else 0):
        sheet = Image.new("RGB", size)
        for x in range(0, size[0], 400):
            for y in range(0, size[1], 400):
                sheet.paste(images[random.integers(len(images))].crop((0, 0, 400, 400)), (x, y))
        coded.append(rounds.coded(sheet))
    return coded


def main() -> None:
    chosen = rounds.options(__doc__)
    count = 4 if chosen.quick else 16
    name, called = rounds.encoder_of(chosen)
    try:
        encoders: dict[str, Any] = {dtype: cv.load_encoder(name, device=chosen.device, dtype=dtype) for dtype in COSINE}
    except cv.WeightsError as error:
        sys.exit(f"no weights of {name} (--seeded does without): {error}")
    plain = encoders["float32"]
    crop = Preprocess(plain.preprocess.size, "crop")
    cropping = {name: dataclasses.replace(encoder, preprocess=crop) for name, encoder in encoders.items()}
    fast = dataclasses.replace(encoders["bfloat16"], preprocess=Preprocess(plain.preprocess.size, decode="fast"))
    tower: torch.nn.Module = plain.tower.tower
    transform = open_clip.image_transform(plain.preprocess.size, is_train=False, mean=plain.mean, std=plain.std)
    photos = [rounds.coded(rounds.photo(1460, 1095, seed)) for seed in range(count)]
    sets = {
        "1.6 MP": photos,
        "12 MP": [rounds.coded(rounds.photo(4000, 3000, seed)) for seed in range(2)],
        "real photos": [] if chosen.quick else real_photos(),
    }
    sets[SHEETS] = sheets(sets["real photos"], 12)
    result: dict[str, Any] = {"encoder": called, "photos": count, "check": {}, "rounds": {}}
    for kind, files in sets.items():
        if not files:
            continue
        pairs = {f"{name} to open_clip's loop": (encoder, COSINE[name]) for name, encoder in cropping.items()}
        expected = loop(files, tower, transform, plain.batch_size)
        found = {name: (embed(files, encoder) * expected).sum(axis=1) for name, (encoder, _) in pairs.items()}
        pairs["bfloat16 to float32"] = cropping["bfloat16"], TOWER
        found["bfloat16 to float32"] = (embed(files, cropping["bfloat16"]) * embed(files, cropping["float32"])).sum(1)
        pairs["fast to exact"] = fast, FAST
        found["fast to exact"] = (embed(files, fast) * embed(files, encoders["bfloat16"])).sum(axis=1)
        for name, cosines in found.items():
            if (kind, name) != (SHEETS, "fast to exact"):  # harder than photos: their edges are many and sharp
                rounds.demand(float(cosines.min()) >= pairs[name][1], f"{kind}, {name}: cosine {cosines.min():.6f}")
            least = [round(float(value), 6) for value in (cosines.min(), cosines.mean())]
            result["check"][f"{kind} ({len(files)}), cosine of {name}"] = least
    at_once = loaded = plain.batch_size
    measured, on_card = photos, chosen.device == "cuda"
    if on_card and not chosen.quick:
        measured = rounds.repeated(photos, 4 * at_once)
        loaded = max(1, len(measured) // (2 * WORKERS))
        result["photos"] = len(measured)
    cosines = (loader(photos, tower, transform, at_once) * loop(photos, tower, transform, at_once)).sum(axis=1)
    result["check"]["1.6 MP, cosine of the DataLoader's to open_clip's loop"] = [round(float(cosines.min()), 6)]
    peers = {}
    if hugging_face.installed():
        from transformers import CLIPImageProcessor

        processor = CLIPImageProcessor(image_mean=list(plain.mean), image_std=list(plain.std))
        model = hugging_face.converted(tower)
        peers[f"transformers, {at_once} at once"] = functools.partial(
            hugging_face.loop, photos, model, processor, at_once
        )
        cosines = (hugging_face.loop(photos, model, processor, at_once) * loop(photos, tower, transform, at_once)).sum(
            1
        )
        rounds.demand(float(cosines.min()) >= 0.9999, f"transformers: cosine {cosines.min():.6f}")
        result["check"]["1.6 MP, cosine of transformers' to open_clip's loop"] = [round(float(cosines.min()), 6)]
    else:
        result["not installed"] = ["transformers"]
    if not chosen.check:
        few = {"items": len(measured), "rounds": 2 if chosen.quick else 3 if on_card else 5, "device": chosen.device}
        loops = {
            "open_clip loop, one at a time": functools.partial(loop, photos, tower, transform, 1),
            f"open_clip loop, {at_once} at once": functools.partial(loop, photos, tower, transform, at_once),
            **peers,
        }
        ways = {
            **loops,
            "open_clip with a DataLoader": functools.partial(loader, measured, tower, transform, loaded),
            **{f"ours, {name}": functools.partial(embed, measured, encoder) for name, encoder in cropping.items()},
            "ours, bfloat16, fast decoding": functools.partial(embed, measured, fast),
        }
        alike = dict.fromkeys(loops, len(photos))  # in one process, as long a photo however many there are
        result["rounds"]["bytes to embedding, 1.6 MP JPEG"] = rounds.paired(ways, **few, fewer=alike)
        squares = np.stack(
            [plain.preprocess(np.asarray(Image.open(io.BytesIO(photo))))[0] for photo in measured[:at_once]]
        )
        usual = dataclasses.replace(plain, tower=ClipForward(tower, plain.tower.layer))
        alone = {
            "open_clip's forward_intermediates": functools.partial(usual.encode, squares),
            **({"open_clip's, autocast": functools.partial(autocast, usual, squares)} if on_card else {}),
            **{f"ours, {name}": functools.partial(encoder.encode, squares) for name, encoder in encoders.items()},
        }
        result["rounds"]["squares to embedding and patches"] = rounds.paired(alone, **few | {"items": len(squares)})
    rounds.give("encode", result, chosen)


if __name__ == "__main__":
    main()
