"""A photo's bytes -> the encoder's normalised square, beside open_clip's own transform, which is Pillow's.

    python benchmarks/preprocess.py        # --quick: one photo a kind; --check: the answers only

Photos are rendered and coded here: thumbnails, 1.6 and 12 megapixels; progressive JPEG, WebP and PNG apart. All ways
crop as open_clip does and normalise. ``ours`` is what ``cv.embed`` does, its security limits and hash included.
``libjpeg-turbo`` is the same with torchvision's decoder in the place of Pillow's. Then each step alone. Checked first:
our squares against Pillow's, in grey levels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import rounds
import torch
import torchvision
from PIL import Image

from counterfeit_vision.decode import decode
from counterfeit_vision.preprocess import Preprocess

SIZE = 224
MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
KINDS: dict[str, tuple[tuple[int, int], str, dict[str, Any]]] = {
    "JPEG 600 px": ((600, 450), "JPEG", {}),
    "JPEG 1.6 MP": ((1460, 1095), "JPEG", {}),
    "JPEG 12 MP": ((4000, 3000), "JPEG", {}),
    "progressive JPEG 1.6 MP": ((1460, 1095), "JPEG", {"progressive": True}),
    "WebP 1.6 MP": ((1460, 1095), "WEBP", {"quality": 80}),
    "PNG 1.6 MP": ((1460, 1095), "PNG", {}),
}

crop = Preprocess(SIZE, "crop")
levels = [torch.tensor(value).mul(255).view(1, 3, 1, 1) for value in (MEAN, STD)]
transform = open_clip.image_transform(SIZE, is_train=False, mean=MEAN, std=STD)


def theirs(photo: bytes) -> torch.Tensor:
    return transform(Image.open(io.BytesIO(photo)))


def normalised(square: np.ndarray) -> torch.Tensor:
    """As ``TowerEncoder.forward`` does it."""
    return torch.sub(torch.from_numpy(square)[None].permute(0, 3, 1, 2), levels[0]).div_(levels[1])


def turbo(photo: bytes) -> np.ndarray:
    """torchvision's libjpeg-turbo: (H, W, 3) uint8, the decoder's own memory."""
    file = torch.frombuffer(bytearray(photo), dtype=torch.uint8)
    return torchvision.io.decode_jpeg(file, mode=torchvision.io.ImageReadMode.RGB).permute(1, 2, 0).numpy()


def pillow(photo: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))


def check(photos: list[bytes], kind: str) -> dict[str, float]:
    """How far our square lies from open_clip's, in grey levels."""
    worst, above, mean = 0, 0.0, 0.0
    for photo in photos:
        scaled = theirs(photo) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
        expected = scaled.mul(255).round().permute(1, 2, 0).numpy()
        squares = [crop(decode(photo).pixels)[0]]
        if "JPEG" in kind:
            squares.append(crop(turbo(photo))[0])
        for square in squares:
            off = np.abs(square - expected)
            worst, above, mean = max(worst, int(off.max())), max(above, float((off > 1).mean())), max(mean, off.mean())
    rounds.demand(worst <= 2 and above < 1e-3, f"{kind}: {worst} grey levels off, {above:.2%} more than 1")
    return {"grey levels off, most": worst, "share off by more than 1": above, "mean": round(float(mean), 5)}


def main() -> None:
    chosen = rounds.options(__doc__)
    if chosen.device != "cpu":
        raise SystemExit("photos are decoded and resized on the CPU, whatever the encoder's device: --device cpu")
    result: dict[str, Any] = {"check": {}, "rounds": {}}
    for kind, (size, format, settings) in KINDS.items():
        count = 1 if chosen.quick else 2 if "12 MP" in kind else 6
        photos = [rounds.coded(rounds.photo(*size, seed), format, **settings) for seed in range(count)]
        result["check"][kind] = check(photos, kind)
        if chosen.check:
            continue
        pixels = [decode(photo).pixels for photo in photos]
        images = [Image.fromarray(array) for array in pixels]

        def over(work: Callable[..., object], inputs: list[Any]) -> Callable[[], object]:
            return lambda: [work(one) for one in inputs]

        ways = {
            "open_clip's transform": over(theirs, photos),
            "ours": over(lambda photo: normalised(crop(decode(photo).pixels)[0]), photos),
        }
        if format == "JPEG":
            ways["ours with libjpeg-turbo"] = over(lambda photo: normalised(crop(turbo(photo))[0]), photos)
            ways["  decoding alone: libjpeg-turbo"] = over(turbo, photos)
        ways["  decoding alone: Pillow"] = over(pillow, photos)
        ways["  decoding alone: ours"] = over(decode, photos)
        ways["  from pixels on: open_clip"] = over(transform, images)
        ways["  from pixels on: ours"] = over(lambda array: normalised(crop(array)[0]), pixels)
        title = f"{kind}, {sum(map(len, photos)) // count // 1000} kB"
        result["rounds"][title] = rounds.paired(
            ways, items=count, rounds=2 if chosen.quick else 7, device=chosen.device
        )
    rounds.give("preprocess", result, chosen)


if __name__ == "__main__":
    main()
