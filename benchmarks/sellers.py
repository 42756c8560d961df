"""Are fakes told from genuine goods in photos as sellers take them, and not only where the whole product is shown once?

    python benchmarks/sellers.py --dtype bfloat16     # two sets of goods: about 12 minutes on a CPU
    python benchmarks/sellers.py --seeds 80 --folder /tmp/sellers   # for development: seeds below 91

The goods, and what is wrong with the fakes, are those of printed.py. A quarter of the 70 genuine photos that calibrate,
and most of those that are judged, are close-ups of the mark or the name, which the photo's edge may cut; collages of
two or four photos; photos with words, a watermark, a frame or a price tag laid over them; screenshots of a phone; two
units in one photo; upside down; small; recompressed. The catalogue holds four ordinary photos a product, without boxes.
What is promised holds for the mix that calibrates, in which three quarters are ordinary; shares by kind of photo come
from few photos each.
"""

from __future__ import annotations

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
    FACES,
    PHOTO,
    Goods,
    Random,
    Set,
    catalogued,
    counterfeit,
    floor,
    font,
    gathered,
    invented,
    judged,
    laid,
    parser_of,
    photographed,
    printed,
    ranks,
    share,
    taken,
)

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval

SEEDS = (97, 98)
# Genuine photos and fakes of each kind
KINDS = {
    "ordinary": (24, 16),
    "close-up": (10, 8),
    "collage": (10, 8),
    "words over it": (10, 8),
    "screenshot": (10, 8),
    "two units": (6, 6),
    "upside down": (6, 6),
    "small": (6, 6),
    "recompressed": (6, 6),
}
ORDINARY = 0.75  # of the photos that calibrate
# What is wrong with a fake, and what its close-up shows: 0 the mark, 1 the name
ATTACKS = {"letter": 1, "lookalike": 1, "typeface": 1, "mirrored": 0, "replaced": 0, "strokes": 0, "ink": 0}
FINER = 4  # times, at which a card is drawn for a close-up
USUAL_SCALE = 0.675  # photo's pixels a card's pixel, in the middle of what printed.py photographs
ZOOM = (2.0, 6.0)  # times that scale
CUT = 1.25  # photo's widths that the mark may be wide
SOFT = (0.7, 2.5)  # pixels of blur of a close-up
TILE = (600, 667)  # pixels of a collage's photos
SAYINGS = ("100% ORIGINAL", "SALE -30%", "Free shipping", "New with tags", "AUTHENTIC", "€ 19,90")
SHOPS = ("@deals_by_anna", "TopDeal24", "outlet-corner", "Mias Shop", "vintage.finds")
INKS = ((255, 255, 255), (0, 0, 0), (220, 20, 30), (250, 220, 0), (20, 90, 200))

Floors = list[tuple[Path, int]]
CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def turned(degrees: float) -> np.ndarray:
    turn = np.deg2rad(degrees)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def whole(goods: Goods, name: str, random: Random, floors: Floors) -> Image.Image:
    return photographed(printed(goods, name)[0], random, floors)[0]


def close_up(goods: Goods, name: str, shown: int, random: Random, floors: Floors) -> Image.Image:
    """Of the mark or the name, a little off the middle and out of focus."""
    card, boxes = printed(goods, name, FINER)
    box = np.array(boxes[shown]) / FINER
    size = box[2:] - box[:2]
    most = CUT * PHOTO[0] / (size[0] * USUAL_SCALE)
    scale = USUAL_SCALE * max(ZOOM[0], min(float(np.exp(random.uniform(*np.log(ZOOM)))), most))
    centre = (box[:2] + box[2:]) / 2 + random.uniform(-0.22, 0.22, 2) * size
    view = CORNERS * np.array(PHOTO) / 2
    on_card = view @ turned(random.uniform(-18, 18)) * (1 + random.uniform(-0.06, 0.06, (4, 1))) / scale + centre
    corners = (view + np.array(PHOTO) / 2).astype(np.float32)
    matrix = cv2.getPerspectiveTransform((FINER * on_card).astype(np.float32), corners)
    card = cv2.GaussianBlur(card, (0, 0), 0.35 * FINER / scale) if scale < FINER else card
    return taken(laid(card, matrix, floor(random, floors)), random, blur=SOFT)


def collage(goods: Goods, name: str, shown: int, random: Random, floors: Floors) -> Image.Image:
    """Two or four photos side by side, every other one a close-up."""
    count, gap = int(random.choice([2, 4])), int(random.choice([0, 10, 20]))
    photos = [
        close_up(goods, name, shown if place == 1 else int(random.integers(2)), random, floors)
        if place % 2
        else whole(goods, name, random, floors)
        for place in range(count)
    ]
    picture = Image.new("RGB", (2 * TILE[0] + gap, (TILE[1] + gap) * count // 2 - gap), (255, 255, 255))
    for place, photo in enumerate(random.permutation(count)):
        at = (place % 2 * (TILE[0] + gap), place // 2 * (TILE[1] + gap))
        picture.paste(photos[photo].resize(TILE, Image.Resampling.LANCZOS), at)
    return picture


def worded(photo: Image.Image, goods: Goods, random: Random) -> Image.Image:
    """With a saying, the brand's name in another typeface, a watermark, or a frame and a price tag laid over it."""
    width, height = photo.size
    layer = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)

    def ink() -> tuple[int, ...]:
        return INKS[int(random.integers(len(INKS)))]

    def banner(text: str, face: str, size: int, y: float) -> None:
        place, letters = (random.uniform(0.03, 0.3) * width, y * height), font(face, size)
        x0, y0, x1, y1 = pen.textbbox(place, text, font=letters)
        if random.integers(2):
            pen.rectangle([x0 - 14, y0 - 10, x1 + 14, y1 + 10], fill=ink())
        pen.text(place, text, font=letters, fill=ink())

    style, y = int(random.integers(4)), float(random.choice([0.03, 0.12, 0.8, 0.9]))
    if style == 0:
        banner(str(random.choice(SAYINGS)), str(random.choice(FACES)), int(random.integers(50, 90)), y)
    elif style == 1:
        other = str(random.choice([face for face in FACES if face != goods.face]))
        banner(goods.brand, other, int(random.integers(60, 110)), y)
        banner(str(random.choice(SHOPS)), "DejaVuSans", 40, 0.9 if y < 0.5 else 0.04)
    elif style == 2:
        strip = Image.new("RGBA", (width, 140), (0, 0, 0, 0))
        letters = font("DejaVuSans-Bold", 90)
        ImageDraw.Draw(strip).text((10, 10), str(random.choice(SHOPS)), font=letters, fill=(255, 255, 255, 110))
        strip = strip.rotate(random.uniform(-30, 30), expand=True)
        layer.alpha_composite(strip.crop((0, 0, width, strip.height)), (0, int(random.uniform(0.1, 0.4) * height)))
    else:
        pen.rectangle([0, 0, width - 1, height - 1], outline=ink(), width=int(random.integers(15, 45)))
        radius = random.uniform(70, 120)
        x, y = random.uniform(0.15, 0.85) * width, float(random.choice([0.15, 0.85])) * height
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=ink())
        letters = font("DejaVuSans-Bold", int(0.55 * radius))
        pen.text((x - 0.7 * radius, y - 0.35 * radius), "€ 25", font=letters, fill=ink())
    return Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")


def screenshot(photo: Image.Image, random: Random) -> Image.Image:
    """On a phone's screen, with its clock above and some buttons below."""
    width, height = 1080, int(random.choice([1920, 2160, 2340]))
    shade = int(random.choice([0, 18, 60, 235, 255]))
    ink = (255,) * 3 if shade < 128 else (30,) * 3
    screen = Image.new("RGB", (width, height), (shade,) * 3)
    photo = photo.resize((width, width * photo.height // photo.width), Image.Resampling.LANCZOS)
    screen.paste(photo, (0, (height - photo.height) // 2))
    pen = ImageDraw.Draw(screen)
    clock = f"{random.integers(24):02d}:{random.integers(60):02d}"
    pen.text((50, 20), clock, font=font("DejaVuSans", 38), fill=ink)
    pen.rectangle([960, 26, 1030, 56], outline=ink, width=4)
    likes = f"{random.integers(3, 300)} likes"
    pen.text((60, height - 200), likes, font=font("DejaVuSans", 42), fill=ink)
    pen.rectangle([340, height - 30, 740, height - 20], fill=ink)
    return screen


def two_units(goods: Goods, name: str, random: Random, floors: Floors) -> Image.Image:
    """Beside or above each other."""
    card, scene, beside = printed(goods, name)[0], floor(random, floors), bool(random.integers(2))
    flat = np.array([[0, 0], [CARD[0], 0], CARD, [0, CARD[1]]], np.float32)
    for side in (-1, 1):
        scale = random.uniform(0.42, 0.5) if beside else random.uniform(0.5, 0.62)
        corners = CORNERS * np.array(CARD) / 2 * scale @ turned(random.uniform(-15, 15)).T
        corners *= 1 + random.uniform(-0.06, 0.06, (4, 1))
        along, across = 230 * side, random.uniform(-100, 100)
        corners += np.array(PHOTO) / 2 + np.array([along, across] if beside else [across, along])
        soft = cv2.GaussianBlur(card, (0, 0), 0.35 / scale)
        scene = laid(soft, cv2.getPerspectiveTransform(flat, corners.astype(np.float32)), scene)
    return taken(scene, random)


def poor(photo: Image.Image, path: Path, random: Random) -> None:
    """Saved and made smaller again and again."""
    for _ in range(2):
        photo.save(path, quality=int(random.integers(12, 30)))
        with Image.open(path) as saved:
            share = random.uniform(0.6, 0.9)
            size = int(share * saved.width), int(share * saved.height)
            photo = saved.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    photo.save(path, quality=int(random.integers(15, 35)))


def make(seed: int, folder: Path) -> tuple[Set, list[str]]:
    """Draw and photograph it all, into ``folder``; and the kind of photo of each listing."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    marks = sorted(data.folder("marks-svg").rglob("*.svg"))
    floors = [(photo.path, corner) for photo in data.clothing() for corner in range(4)]
    goods = [one for number in range(BRANDS) for one in invented(random, marks, BRANDS * seed + number)]

    def put(name: str, photo: Image.Image, kind: str = "ordinary") -> Path:
        path = folder / f"{name}.jpg"
        if kind == "recompressed":
            poor(photo, path, random)
            return path
        if kind == "small":
            width = int(random.integers(150, 251))
            photo = photo.resize((width, width * photo.height // photo.width), Image.Resampling.LANCZOS)
        photo.save(path, quality=int(random.integers(75, 93)))
        return path

    def listing(name: str, kind: str, attack: str = "") -> cv.Listing:
        claimed = goods[int(random.integers(len(goods)))]
        one, printed_name = counterfeit(claimed, attack, random, marks) if attack else (claimed, claimed.brand)
        shown = ATTACKS[attack] if attack else int(random.integers(2))
        if kind == "close-up":
            photo = close_up(one, printed_name, shown, random, floors)
        elif kind == "collage":
            photo = collage(one, printed_name, shown, random, floors)
        elif kind == "two units":
            photo = two_units(one, printed_name, random, floors)
        else:
            photo = whole(one, printed_name, random, floors)
        if kind == "words over it":
            photo = worded(photo, claimed, random)
        elif kind == "screenshot":
            photo = screenshot(photo, random)
        elif kind == "upside down":
            photo = photo.transpose(Image.Transpose.ROTATE_180)
        return cv.Listing(id=name, photos=[put(name, photo, kind)], brand=claimed.brand, product=claimed.product)

    references = catalogued(goods, random, floors, put)
    special = [kind for kind in KINDS if kind != "ordinary"]
    calibration = []
    for row in range(CALIBRATION):
        kind = "ordinary" if random.random() < ORDINARY else str(random.choice(special))
        calibration.append(listing(f"calibration-{row}", kind))
    listings, attacks, kinds = [], [], []
    for kind, (genuine, fakes) in KINDS.items():
        start = int(random.integers(len(ATTACKS)))
        names = [list(ATTACKS)[(start + place) % len(ATTACKS)] for place in range(fakes)]
        for attack in [""] * genuine + names:
            listings.append(listing(f"listing-{len(listings)}", kind, attack))
            attacks.append(attack)
            kinds.append(kind)
    return Set(references, calibration, listings, attacks), kinds


def main() -> None:
    parser = parser_of(__doc__, SEEDS, "sellers")
    parser.add_argument("--boxes", action="store_true", help="references with boxes around their marks")
    options = parser.parse_args()
    encoder = cv.load_encoder(options.encoder, dtype=options.dtype)
    sets = ((seed, *make(seed, options.folder / str(seed))) for seed in options.seeds)
    column = gathered(
        judged(goods, seed, encoder, bare=not options.boxes) | {"kind": kinds} for seed, goods, kinds in sets
    )
    fake = column["attack"] != ""

    def figures(rows: np.ndarray) -> dict[str, Any]:
        return {
            "fakes": int((rows & fake).sum()),
            "fakes suspected": share(column, rows & fake),
            "fakes unanswered": share(column, rows & fake, "insufficient_evidence"),
            "genuine": int((rows & ~fake).sum()),
            "genuine suspected": share(column, rows & ~fake),
            "genuine unanswered": share(column, rows & ~fake, "insufficient_evidence"),
            "AUROC": ranks(column, rows),
            "AUROC, plain cosine": ranks(column, rows, "plain"),
        }

    by_kind = {kind: figures(column["kind"] == kind) for kind in KINDS}
    special = [by_kind[kind]["genuine suspected"] for kind in KINDS if kind != "ordinary"]
    everything = np.ones(len(fake), bool)
    ordinary = by_kind["ordinary"]["genuine suspected"]
    result = {
        "seeds": options.seeds,
        "encoder": encoder.name,
        "dtype": str(encoder.dtype),
        "boxes given": options.boxes,
        **figures(everything),
        "fakes suspected, interval": bootstrap_interval(
            lambda rows: share(column, np.flatnonzero(fake)[rows]), column["brand"][fake].tolist()
        ),
        "genuine suspected, in the mix that calibrates": ORDINARY * ordinary + (1 - ORDINARY) * float(np.mean(special)),
        "by kind of photo": by_kind,
    }
    data.write(data.named("sellers" + "-development" * (min(options.seeds) < SEEDS[0]), encoder), result)


if __name__ == "__main__":
    main()
