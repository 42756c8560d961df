"""Is it the same photo? Copies must be found under every disguise, and different photos must never be taken for one.

    python benchmarks/reuse.py               # the half of the originals that development never saw
    python benchmarks/reuse.py --half dev    # for development
    python benchmarks/reuse.py --quick       # a few of everything

1. Copies: photos of af1 (half of its scenes) and of a rendered market x edits, each compared with its original; recall
at ``SAME_PHOTO`` with 95 % intervals by scene. 2. Different photos: pairs of one grocery carton, of one af1 scene, of
one market product, and of anything; how many are taken for the same photo. Pairs of one af1 group (one listing or
video, where frames may be one and the same photo) stand apart. 3. The whole head on a catalogue of all af1 and the
iconic cartons: recall from candidates on, and its time beside the encoder's. Baselines: dhash (64 bits) and the cosine
of the global vectors, at the thresholds that give as few false alarms on the same different pairs.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import data
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

import counterfeit_vision as cv
from counterfeit_vision.align.local_features import Traits, find_traits
from counterfeit_vision.encoders.batching import encode_photos
from counterfeit_vision.evaluation.metrics import bootstrap_interval
from counterfeit_vision.heads.reuse import Reuse, is_copy
from counterfeit_vision.heads.same_photo import SAME_PHOTO, compare_traits
from counterfeit_vision.io.decode import decode
from counterfeit_vision.judging import suspects_of
from counterfeit_vision.types import Failure

Pair = tuple[Path, Path]
Picture = Image.Image
Rng = np.random.Generator

ORIGINALS = {"af1": 70, "market": 20}
PAIRS = {"one carton": 3600, "one af1 scene": 2400, "one market product": 1200, "anything": 3000}
HEAD_ORIGINALS = 25
SEEDS = {"dev": 40, "test": 41}  # of the rendered market


def crop(photo: Picture, rng: Rng, share: float = 0.4) -> Picture:
    """A part of ``share`` of the area, anywhere, a little wider or taller than the photo."""
    width = min(1.0, float(np.sqrt(share) * np.exp(rng.uniform(-0.12, 0.12))))
    height = min(1.0, share / width)
    x, y = rng.uniform(0, 1 - width) * photo.width, rng.uniform(0, 1 - height) * photo.height
    return photo.crop((round(x), round(y), round(x + width * photo.width), round(y + height * photo.height)))


def flip(photo: Picture, rng: Rng) -> Picture:
    return ImageOps.mirror(photo)


def rotate(photo: Picture, rng: Rng) -> Picture:
    """By 5 to 15 degrees either way, the corners filled with any colour."""
    angle = float(rng.choice([-1, 1]) * rng.uniform(5, 15))
    return photo.rotate(angle, Image.Resampling.BICUBIC, fillcolor=tuple(rng.integers(0, 256, 3).tolist()))


def jpeg(photo: Picture, rng: Rng, quality: int = 15) -> Picture:
    packed = io.BytesIO()
    photo.save(packed, "JPEG", quality=quality)
    return Image.open(packed).convert("RGB")


def blur(photo: Picture, rng: Rng) -> Picture:
    """3 pixels of Gaussian blur on 640."""
    return photo.filter(ImageFilter.GaussianBlur(3 * max(photo.size) / 640))


def colour(photo: Picture, rng: Rng) -> Picture:
    """Any hue, saturation 0 to 2, brightness and contrast 0.6 to 1.4."""
    photo = ImageEnhance.Color(photo).enhance(float(rng.uniform(0, 2)))
    photo = ImageEnhance.Brightness(photo).enhance(float(rng.uniform(0.6, 1.4)))
    photo = ImageEnhance.Contrast(photo).enhance(float(rng.uniform(0.6, 1.4)))
    hue, saturation, value = photo.convert("HSV").split()
    turn = int(rng.integers(0, 256))
    return Image.merge("HSV", (hue.point(lambda x: (x + turn) % 256), saturation, value)).convert("RGB")


def banner(photo: Picture, rng: Rng) -> Picture:
    """A bar with words over 15 to 25 % of the height, at the top or the bottom."""
    photo = photo.copy()
    bar = round(photo.height * rng.uniform(0.15, 0.25))
    top = 0 if rng.random() < 0.5 else photo.height - bar
    draw = ImageDraw.Draw(photo)
    draw.rectangle((0, top, photo.width, top + bar), fill=tuple(rng.integers(0, 256, 3).tolist()))
    font = ImageFont.load_default(max(8, bar // 2))
    draw.text((photo.width / 2, top + bar / 2), "FAST SHIPPING 100%", fill="white", anchor="mm", font=font)
    return photo


def watermark(photo: Picture, rng: Rng) -> Picture:
    """Words all over the photo, aslant, at 43 % opacity."""
    width, height = photo.size
    layer = Image.new("RGBA", (2 * width, 2 * height))
    draw, font = ImageDraw.Draw(layer), ImageFont.load_default(max(8, width // 12))
    for y in range(0, 2 * height, max(10, height // 5)):
        for x in range(0, 2 * width, max(20, width // 2)):
            draw.text((x, y), "best-deals", fill=(255, 255, 255, 110), font=font)
    layer = layer.rotate(25).crop((width // 2, height // 2, width // 2 + width, height // 2 + height))
    return Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")


def combined(photo: Picture, rng: Rng) -> Picture:
    """Crop to 60 %, perhaps a flip, turn, colour, banner or watermark, and JPEG quality 30."""
    photo = crop(photo, rng, 0.6)
    photo = flip(photo, rng) if rng.random() < 0.5 else photo
    photo = colour(rotate(photo, rng), rng)
    return jpeg((banner if rng.random() < 0.5 else watermark)(photo, rng), rng, 30)


EDITS: dict[str, Callable[[Picture, Rng], Picture]] = {
    edit.__name__: edit for edit in (crop, flip, rotate, jpeg, blur, colour, banner, watermark, combined)
}


def disguised(path: Path, edit: str) -> np.ndarray:
    """The edited photo, (h, w, 3) uint8; the same one for the same file and edit."""
    seed = np.random.SeedSequence([sum(path.stem.encode()), list(EDITS).index(edit)])
    return np.asarray(EDITS[edit](Image.fromarray(decode(path).pixels), np.random.default_rng(seed)))


class Album:
    """Traits and dhash of photos, found once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Traits, np.ndarray]] = {}

    def __getitem__(self, path: Path) -> tuple[Traits, np.ndarray]:
        if path not in self._known:
            traits = find_traits(decode(path).pixels)
            self._known[path] = traits, dhash(traits)
        return self._known[path]


def dhash(traits: Traits) -> np.ndarray:
    """(64,) bool: is each of 8 x 9 cells brighter than the one on its right."""
    small = cv2.resize(traits.grey, (9, 8), interpolation=cv2.INTER_AREA)
    return (small[:, :-1] > small[:, 1:]).ravel()


def half_of_af1(half: str) -> list[data.Photo]:
    """The af1 photos of every second scene, in a shuffled order of scenes."""
    photos = data.af1()
    scenes = sorted({photo.group for photo in photos})
    np.random.default_rng(0).shuffle(scenes)
    kept = set(scenes[: len(scenes) // 2] if half == "dev" else scenes[len(scenes) // 2 :])
    return [photo for photo in photos if photo.group in kept]


def market(half: str, quick: bool) -> tuple[list[Path], dict[str, list[Path]]]:
    """The catalogue photos of a rendered market, and all its genuine photos by product."""
    folder = Path(tempfile.gettempdir()) / f"counterfeit-vision-reuse-market-{SEEDS[half]}{'-quick' if quick else ''}"
    made = cv.market.render(folder, seed=SEEDS[half], brands=1, listings=0, calibration=8 if quick else 80)
    catalogue = [json.loads(line) for line in made.catalogue.read_text().splitlines()]
    products: dict[str, list[Path]] = defaultdict(list)
    for row in catalogue:
        products[row["product"]].append(folder / row["photo"])
    for line in made.calibration.read_text().splitlines():
        row = json.loads(line)
        products[row["product"]].append(folder / row["photos"][0])
    return [folder / row["photo"] for row in catalogue], products


def copies(originals: list[tuple[Path, str]], album: Album) -> dict[str, dict[str, object]]:
    """Recall of each edit, over originals with the group that each belongs to."""
    result: dict[str, dict[str, object]] = {}
    groups = [group for _, group in originals]
    for edit in EDITS:
        traits = [find_traits(disguised(path, edit)) for path, _ in originals]
        scores = np.array(
            [compare_traits(mine, album[path][0]).score for mine, (path, _) in zip(traits, originals, strict=True)]
        )
        distance = np.array(
            [int((dhash(mine) != album[path][1]).sum()) for mine, (path, _) in zip(traits, originals, strict=True)]
        )
        found = scores >= SAME_PHOTO
        result[edit] = {
            "recall": float(found.mean()),
            "interval": bootstrap_interval(lambda rows, found=found: float(found[rows].mean()), groups),
            "lowest scores": np.sort(scores)[:3].round(3).tolist(),
            "missed": [str(path.name) for (path, _), good in zip(originals, found, strict=True) if not good],
            "dhash distances": distance.tolist(),
        }
        print(f"{edit:10} recall {found.mean():.3f} of {len(found)}", flush=True)
    return result


def different(half: str, products: dict[str, list[Path]], quick: bool) -> dict[str, list[Pair]]:
    """Pairs of different photos by kind; ``"one af1 group"`` apart from the others."""
    rng = np.random.default_rng(1)

    def some(pairs: list[Pair], most: int) -> list[Pair]:
        most = min(len(pairs), most // 40 if quick else most)
        return [pairs[place] for place in rng.choice(len(pairs), most, replace=False)]

    with (data.folder("af1") / "labels.csv").open(newline="") as file:
        listing = {row["file"]: row["group"] for row in csv.DictReader(file)}
    shoes = half_of_af1(half)
    together = [(a, b) for a, b in itertools.combinations(shoes, 2) if a.group == b.group]
    one_group = [(a.path, b.path) for a, b in together if listing[a.path.name] == listing[b.path.name]]
    one_scene = [(a.path, b.path) for a, b in together if listing[a.path.name] != listing[b.path.name]]
    cartons: dict[str, list[Path]] = defaultdict(list)
    for photo in data.grocery("train" if half == "dev" else "test"):
        cartons[photo.product].append(photo.path)
    each = PAIRS["one carton"] // len(cartons) * 2
    one_carton = [pair for paths in cartons.values() for pair in some(list(itertools.combinations(paths, 2)), each)]
    one_product = [pair for paths in products.values() for pair in itertools.combinations(paths, 2)]
    mixed = [photo.path for photo in shoes] + [path for paths in products.values() for path in paths]
    scene = {photo.path: photo.group for photo in shoes} | {p: name for name, paths in products.items() for p in paths}
    apart = [(a, b) for a, b in itertools.combinations(mixed, 2) if scene[a] != scene[b]]
    pools = (one_carton, one_scene, one_product, apart)
    return {kind: some(pool, most) for (kind, most), pool in zip(PAIRS.items(), pools, strict=True)} | {
        "one af1 group": some(one_group, 400)
    }


def alarms(pairs: dict[str, list[Pair]], album: Album) -> dict[str, dict[str, object]]:
    """How many pairs of each kind are taken for the same photo, and the pairs that are."""
    result: dict[str, dict[str, object]] = {}
    for kind, some in pairs.items():
        scores = np.array([compare_traits(album[a][0], album[b][0]).score for a, b in some])
        distance = [int((album[a][1] != album[b][1]).sum()) for a, b in some]
        order = np.argsort(-scores)[:10]
        result[kind] = {
            "pairs": len(some),
            "same photo": int((scores >= SAME_PHOTO).sum()),
            "highest": [f"{scores[i]:.3f} {some[i][0].name} {some[i][1].name}" for i in order],
            "taken": [f"{some[i][0].name} {some[i][1].name}" for i in np.flatnonzero(scores >= SAME_PHOTO)],
            "dhash distances": distance,
        }
        print(f"{kind}: {result[kind]['same photo']} of {len(some)}", flush=True)
    return result


def whole_head(originals: list[tuple[Path, str]], listing: dict[str, str]) -> dict[str, object]:
    """The head on edited photos against a catalogue of all af1 and the iconic cartons."""
    encoder = cv.load_encoder("clip-vit-b16")
    shoes = [cv.Reference(id=p.path.name, photo=p.path, brand="Nike", product=p.group) for p in data.af1()]
    catalog = cv.Catalog.build([*shoes, *data.references(data.grocery("iconic"))], encoder=encoder)
    asked = [(edit, path) for path, _ in originals for edit in EDITS]
    photos = [(f"{edit} {path.name}", disguised(path, edit)) for edit, path in asked]
    start = time.perf_counter()
    rows = [row for row in encode_photos(photos, encoder=encoder, cache=False) if not isinstance(row, Failure)]
    encoding = (time.perf_counter() - start) / len(rows)
    suspects = suspects_of([cv.Listing(id=row.id, photos=[]) for row in rows], rows, catalog)
    head = Reuse()
    start = time.perf_counter()
    cold = head.score(suspects)
    first = (time.perf_counter() - start) / len(rows)
    start = time.perf_counter()
    head.score(suspects)
    again = (time.perf_counter() - start) / len(rows)
    found = np.array([is_copy(item) for item in cold])
    right = found & np.array(
        [bool(i.references) and i.references[0] == p.name for i, (_, p) in zip(cold, asked, strict=True)]
    )
    edits = np.array([edit for edit, _ in asked])
    names = [reference.id for reference in catalog.references]
    pairs = zip(suspects.photos.vectors, asked, strict=True)
    cosine = np.array([vector @ catalog.vectors[names.index(path.name)] for vector, (_, path) in pairs])
    place = {name: row for row, name in enumerate(names)}
    others = np.array(
        [
            catalog.vectors[place[a.path.name]] @ catalog.vectors[place[b.path.name]]
            for a, b in itertools.combinations(data.af1(), 2)
            if listing[a.path.name] != listing[b.path.name]
        ]
    )
    return {
        "recall by edit": {edit: float(found[edits == edit].mean()) for edit in EDITS},
        "the right reference first": {edit: float(right[edits == edit].mean()) for edit in EDITS},
        "cosine alone, recall above every other af1 pair": {
            edit: float((cosine[edits == edit] > others.max()).mean()) for edit in EDITS
        },
        "cosine alone, recall at 1 % of other af1 pairs": {
            edit: float((cosine[edits == edit] > np.quantile(others, 0.99)).mean()) for edit in EDITS
        },
        "ms a photo": {"encoder": 1000 * encoding, "head, first time": 1000 * first, "head, again": 1000 * again},
    }


def hash_baseline(found: dict[str, dict[str, object]], wrong: dict[str, dict[str, object]]) -> dict[str, object]:
    """dhash at the largest distance without a false alarm on the different pairs, and at the usual 10 bits."""
    apart = np.concatenate([np.array(row.pop("dhash distances")) for row in wrong.values()])
    distances = {edit: np.array(row.pop("dhash distances")) for edit, row in found.items()}
    return {
        "recall, no false alarm": {edit: float((d < apart.min()).mean()) for edit, d in distances.items()},
        "recall at 10 bits": {edit: float((d <= 10).mean()) for edit, d in distances.items()},
        "false alarms at 10 bits": float((apart <= 10).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=["test", "dev"], default="test")
    parser.add_argument("--quick", action="store_true", help="a few of everything, to see that it runs")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(3)
    official, products = market(options.half, options.quick)
    pools = {
        "af1": [(photo.path, photo.group) for photo in half_of_af1(options.half)],
        "market": [(path, path.stem) for path in official],
    }
    originals = {
        name: [pool[i] for i in rng.choice(len(pool), min(len(pool), 2 if options.quick else most), replace=False)]
        for (name, most), pool in zip(ORIGINALS.items(), pools.values(), strict=True)
    }
    album = Album()
    found = copies([*originals["af1"], *originals["market"]], album)
    pairs = alarms(different(options.half, products, options.quick), album)
    apart = {kind: row for kind, row in pairs.items() if kind != "one af1 group"}
    with (data.folder("af1") / "labels.csv").open(newline="") as file:
        listing = {row["file"]: row["group"] for row in csv.DictReader(file)}
    total = sum(int(str(row["pairs"])) for row in apart.values())
    result = {
        "half": options.half,
        "threshold": SAME_PHOTO,
        "originals": {name: len(some) for name, some in originals.items()},
        "dhash alone": hash_baseline(found, pairs),
        "copies": found,
        "different photos": pairs,
        "different pairs": total,
        "taken for the same photo": sum(int(str(row["same photo"])) for row in apart.values()),
        "95 % limit of that rate where none is": 3 / total,
        "head": whole_head(originals["af1"][:HEAD_ORIGINALS], listing),
    }
    suffix = ("-quick" if options.quick else "") + ("" if options.half == "test" else f"-{options.half}")
    data.write(f"reuse{suffix}", result)


if __name__ == "__main__":
    main()
