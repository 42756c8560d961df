"""Are genuine goods accused that are worn, and does it help to calibrate with some?

    python benchmarks/worn.py     # two sets of goods: about 12 minutes on a CPU
    python benchmarks/worn.py --seeds 0 --folder /tmp/worn   # for development: seeds below 10

The goods, their photos and what is wrong with the fakes are those of printed.py; the catalogue shows new goods. Worn
ones are faded and yellowed, cracked, bleached on one side, scratched, stained, or bear a price tag; half of what is
judged is genuine and worn. The same listings are judged twice: by 70 genuine photos of new goods, and by 70 of which a
fifth are worn. What is promised holds for the mix that calibrates. The fakes look new.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
from PIL import Image, ImageDraw
from printed import (
    BRANDS,
    CALIBRATION,
    CARD,
    CHANGES,
    Goods,
    Random,
    Set,
    catalogued,
    counterfeit,
    decided,
    font,
    gathered,
    invented,
    parser_of,
    photographed,
    printed,
    ranks,
    share,
)

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval

SEEDS = (15, 16)
WEAR = ("faded", "cracked", "bleached", "scratched", "stained", "tagged")
EACH, NEW, FAKES = 8, 24, 4  # worn ones a kind, genuine new ones, fakes a change
SHARE = 0.2  # of the photos that calibrate: worn goods, in the second calibration


def clouds(random: Random, size: float) -> np.ndarray:
    """(h, w) smooth noise over a card, of spread 1, ``size`` pixels wide."""
    noise = cv2.GaussianBlur(random.normal(size=CARD[::-1]), (0, 0), size)
    return np.asarray((noise - noise.mean()) / noise.std())


def worn(card: np.ndarray, goods: Goods, wear: str, random: Random) -> np.ndarray:
    """The card after some years."""
    seen, ground = card.astype(float), np.array(goods.ground, float)
    if wear == "faded":
        left = np.clip(random.uniform(0.45, 0.7) + 0.08 * clouds(random, 60), 0.2, 0.9)[..., None]
        return (ground + left * (seen - ground)) * (1, 0.97, 0.88)
    if wear == "cracked":
        flakes = clouds(random, 5) > random.uniform(1.6, 2.0)
        cracks = (np.abs(clouds(random, 9)) < 0.035) & (clouds(random, 40) > -0.2)
        gone = cv2.GaussianBlur((flakes | cracks).astype(float), (0, 0), 0.8)[..., None]
        return seen + gone * (ground - seen)
    if wear == "bleached":
        across = np.linspace(-6, 6, CARD[0])[None, :, None] * random.choice([-1, 1])
        return seen + random.uniform(0.35, 0.55) / (1 + np.exp(-across)) * (235 - seen)
    if wear == "scratched":
        for _ in range(int(random.integers(8, 15))):
            start, by = random.uniform(0, CARD, 2), random.normal(0, 160, 2)
            ends = [tuple(int(v) for v in point) for point in (start, start + by)]
            paler = tuple(float(v) for v in ground + random.uniform(20, 60) * (1 if ground.mean() < 128 else -1))
            cv2.line(seen, ends[0], ends[1], paler, int(random.integers(1, 4)), cv2.LINE_AA)
        return seen
    if wear == "stained":
        place, away = random.uniform((150, 150), (850, 650)), np.mgrid[: CARD[1], : CARD[0]][::-1]
        far = np.hypot(*(away - place[:, None, None])) + 25 * clouds(random, 30)
        strength = 1 / (1 + np.exp((far - random.uniform(90, 150)) / 8))
        return seen * (1 - strength[..., None] * (0.25, 0.38, 0.5))
    tag = Image.fromarray(card)
    pen, (x, y) = ImageDraw.Draw(tag), (int(random.integers(560, 760)), int(random.integers(420, 620)))
    pen.line([x + 90, y - 220, x + 90, y + 10], fill=(240, 240, 235), width=4)
    pen.rectangle([x, y, x + 180, y + 130], fill=(250, 248, 240), outline=(120, 120, 120), width=3)
    pen.text((x + 20, y + 20), f"€ {random.integers(5, 60)},-", font=font("DejaVuSans-Bold", 44), fill=(20, 20, 20))
    return np.asarray(tag, float)


@dataclasses.dataclass(frozen=True)
class Worn(Set):
    """A set with photos of worn goods to ``calibrate`` with, and the ``wear`` of the listings, "" where new."""

    calibrate: list[cv.Listing]
    wear: list[str]


def make(seed: int, folder: Path) -> Worn:
    """Draw and photograph it all, into ``folder``."""
    random = np.random.default_rng([seed, 46])
    folder.mkdir(parents=True, exist_ok=True)
    marks = sorted(data.folder("marks-svg").rglob("*.svg"))
    unused = [(photo.path, corner) for photo in data.clothing() for corner in range(4)]
    goods = [one for number in range(BRANDS * seed, BRANDS * seed + BRANDS) for one in invented(random, marks, number)]

    def put(name: str, photo: Image.Image) -> Path:
        photo.save(folder / f"{name}.jpg", quality=int(random.integers(75, 93)))
        return folder / f"{name}.jpg"

    def offer(name: str, *, attack: str = "", wear: str = "") -> cv.Listing:
        one = goods[int(random.integers(len(goods)))]
        card, _ = printed(*counterfeit(one, attack, random, marks)) if attack else printed(one, one.brand)
        card = np.clip(worn(card, one, wear, random), 0, 255).astype(np.uint8) if wear else card
        photo = put(name, photographed(card, random, unused)[0])
        return cv.Listing(id=name, photos=[photo], brand=one.brand, product=one.product)

    references = catalogued(goods, random, unused, put)
    calibration = [offer(f"new-{row}") for row in range(CALIBRATION)]
    some = [offer(f"worn-{row}", wear=WEAR[row % len(WEAR)]) for row in range(round(SHARE * CALIBRATION))]
    kinds = [("", wear) for wear in WEAR for _ in range(EACH)] + [("", "")] * NEW
    kinds += [(attack, "") for attack in CHANGES for _ in range(FAKES)]
    listings = [offer(f"listing-{row}", attack=attack, wear=wear) for row, (attack, wear) in enumerate(kinds)]
    return Worn(references, calibration, listings, [attack for attack, _ in kinds], some, [wear for _, wear in kinds])


def judged(goods: Worn, seed: int, encoder: cv.Encoder) -> Iterator[dict[str, list[Any]]]:
    """What printed.py tells of one set, and its wear, calibrated either way."""
    catalog, some = cv.Catalog.build(goods.references, encoder=encoder), goods.calibrate
    for how, genuine in (("new", goods.calibration), ("some worn", goods.calibration[: -len(some)] + some)):
        table = decided(goods, seed, catalog, genuine, encoder)
        yield table | {"how": [how] * len(goods.wear), "wear": goods.wear}


def main() -> None:
    options = parser_of(__doc__, SEEDS, "worn").parse_args()
    encoder = cv.load_encoder(options.encoder, dtype=options.dtype)
    sets = (judged(make(seed, options.folder / str(seed)), seed, encoder) for seed in options.seeds)
    column = gathered(itertools.chain.from_iterable(sets))
    fake, old = column["attack"] != "", column["wear"] != ""
    result: dict[str, Any] = {"seeds": options.seeds, "encoder": encoder.name, "dtype": str(encoder.dtype)}
    for how in ("new", "some worn"):
        mine = column["how"] == how
        result[f"calibrated with {how}"] = found = {}
        for name, rows in (("worn", mine & old), ("new", mine & ~old & ~fake), ("fakes", mine & fake)):
            places = np.flatnonzero(rows)
            found[f"{name} suspected"] = share(column, rows)
            found[f"{name} suspected, interval"] = bootstrap_interval(
                lambda chosen, places=places: share(column, places[chosen]), column["brand"][places].tolist()
            )
            found[f"{name} for review"] = share(column, rows, "review")
            found[f"{name}, number"] = len(places)
        rows = np.flatnonzero(mine & (old | fake))
        found["AUROC, fakes beside worn"] = ranks(column, rows)
        found["AUROC, fakes beside worn, plain cosine"] = ranks(column, rows, "plain")
        found["worn suspected, by kind"] = {wear: share(column, mine & (column["wear"] == wear)) for wear in WEAR}
    data.write(data.named("worn-development" if min(options.seeds) < SEEDS[0] else "worn", encoder), result)


if __name__ == "__main__":
    main()
