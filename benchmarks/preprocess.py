"""A photo's bytes -> the encoder's normalised square, beside open_clip's own transform, which is Pillow's.

    python benchmarks/preprocess.py        # --quick: one photo a kind; --check: the answers only

Photos are rendered and coded here: thumbnails, 1.6 and 12 megapixels; progressive JPEG, WebP and PNG apart; and, where
$CV_DATA holds real photos, sheets that they are laid side by side on. All ways crop as open_clip does, but for
``fast``, which pads, as ours does by default; all normalise. ``ours`` is what ``cv.embed`` does, its security limits
and hash included; ``torchvision`` is its libjpeg-turbo and its resize without any of these. Then each step alone, and
the least that any way through libjpeg-turbo can take: the whole photo's pixels, and an eighth of them, which leaves
little but the entropy code. Checked first: squares against Pillow's, in grey levels (what ``fast`` costs a vector:
benchmarks/encode.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import rounds
import simplejpeg
import torch
import torchvision
from encode import real_photos, sheets
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.io.decode import decode

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
SHEETS = "JPEG 1.6 MP, sheets of real photos"

exact, padded, fast = Preprocess(SIZE, "crop"), Preprocess(SIZE), Preprocess(SIZE, decode="fast")
levels = [torch.tensor(value).mul(255).repeat(SIZE) for value in (MEAN, STD)]
transform = open_clip.image_transform(SIZE, is_train=False, mean=MEAN, std=STD)


def theirs(photo: bytes) -> torch.Tensor:
    return transform(Image.open(io.BytesIO(photo)))


def normalised(square: np.ndarray) -> torch.Tensor:
    """(1, 3, S, S) float32, as ``TowerEncoder.forward`` does it."""
    rows = torch.from_numpy(square).flatten(1).float().sub_(levels[0]).div_(levels[1])
    return rows.view(1, SIZE, SIZE, 3).permute(0, 3, 1, 2)


def square(photo: bytes, preprocess: Preprocess) -> np.ndarray:
    """As ``cv.embed`` does it."""
    decoded = decode(photo, shrink=preprocess.shrink, reuse=True)
    return preprocess(decoded.pixels, decoded.extent)[0]


def torchvisions(photo: bytes) -> torch.Tensor:
    """(3, H, W) uint8, channels last."""
    file = torch.frombuffer(bytearray(photo), dtype=torch.uint8)
    return torchvision.io.decode_jpeg(file, mode=torchvision.io.ImageReadMode.RGB)


def torchvision_square(photo: bytes) -> np.ndarray:
    image = functional.resize(torchvisions(photo), [SIZE], InterpolationMode.BICUBIC, antialias=True)
    return functional.center_crop(image, [SIZE]).permute(1, 2, 0).numpy()


def pillow(photo: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))


def check(photos: list[bytes], kind: str) -> dict[str, dict[str, float]]:
    """How far our squares lie from open_clip's, and the fast ones from Pillow's with nothing left out: grey levels."""
    off: dict[str, list[np.ndarray]] = {"exact": [], "fast": []}
    for photo in photos:
        scaled = theirs(photo) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
        off["exact"].append(np.abs(square(photo, exact) - scaled.mul(255).round().permute(1, 2, 0).numpy()))
        off["fast"].append(np.abs(square(photo, fast) - padded.reference(pillow(photo))[0].astype(np.float32)))
    found = {
        mode: {"most": float(np.max(each)), "above 1": float(np.mean(np.array(each) > 1)), "mean": float(np.mean(each))}
        for mode, each in off.items()
    }
    rounds.demand(found["exact"]["most"] <= 1, f"{kind}: {found['exact']} grey levels off")
    rounds.demand(found["fast"]["mean"] <= 1, f"{kind}: {found['fast']} grey levels off on average, decoded fast")
    return {mode: {name: round(value, 5) for name, value in row.items()} for mode, row in found.items()}


def main() -> None:
    chosen = rounds.options(__doc__)
    if chosen.device != "cpu":
        raise SystemExit("photos are decoded and resized on the CPU, whatever the encoder's device: --device cpu")
    result: dict[str, Any] = {"check": {}, "rounds": {}}
    for kind, (size, format, settings) in {**KINDS, SHEETS: (KINDS["JPEG 1.6 MP"][0], "JPEG", {})}.items():
        count = 1 if chosen.quick else 2 if "12 MP" in kind else 6
        if kind == SHEETS:
            photos = sheets(real_photos(), count, size)
        else:
            photos = [rounds.coded(rounds.photo(*size, seed), format, **settings) for seed in range(count)]
        if not photos:
            continue
        result["check"][f"{kind}: grey levels off"] = check(photos, kind)
        if chosen.check:
            continue
        pixels = [decode(photo).pixels for photo in photos]
        images = [Image.fromarray(array) for array in pixels]

        def over(work: Callable[..., object], inputs: list[Any]) -> Callable[[], object]:
            return lambda: [work(one) for one in inputs]

        ways = {
            "open_clip's transform": over(theirs, photos),
            "ours, exact": over(lambda photo: normalised(square(photo, exact)), photos),
        }
        if format == "JPEG":
            ways["ours, fast"] = over(lambda photo: normalised(square(photo, fast)), photos)
            ways["torchvision"] = over(lambda photo: normalised(torchvision_square(photo)), photos)
            ways["  least, libjpeg-turbo: whole"] = over(simplejpeg.decode_jpeg, photos)
            ways["  least, libjpeg-turbo: an eighth"] = over(
                lambda photo: simplejpeg.decode_jpeg(photo, min_width=1, min_height=1), photos
            )
        ways["  decoding alone: Pillow"] = over(pillow, photos)
        ways["  decoding alone: ours"] = over(decode, photos)
        ways["  from pixels on: open_clip"] = over(transform, images)
        ways["  from pixels on: ours"] = over(lambda array: normalised(exact(array)[0]), pixels)
        title = f"{kind}, {sum(map(len, photos)) // count // 1000} kB"
        result["rounds"][title] = rounds.paired(
            ways, items=count, rounds=2 if chosen.quick else 9, device=chosen.device
        )
    rounds.give("preprocess", result, chosen)


if __name__ == "__main__":
    main()
