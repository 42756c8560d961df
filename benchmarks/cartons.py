"""Are changed prints seen on real photos of real goods?

    python benchmarks/cartons.py --dtype bfloat16    # grocery's test photos: about 25 minutes on a CPU
    python benchmarks/cartons.py --dtype bfloat16 --part train --seed 0  # for development

Phone photos of the 31 cartons of GroceryStoreDataset, 348 pixels wide, held in a hand before a shelf. Four of each make
the catalogue, without boxes; 150 others calibrate; no fake is shown. Whatever photo shows the mark that is named below
for its product (found by SIFT and a homography from one training photo, and alike there) is judged twice: as it is, and
with a change printed over it in perspective. Marks are 20 to 90 pixels long, so changes are of a kind that a person
sees at that size. Instead of a change, some photos claim to be another product of the brand, or another brand's, or are
cut from the catalogue's. A control: `retouched` photos went through the editing without a change, and should be
suspected no more often than genuine ones. Beside it the plain cosine to the claimed product.
"""

from __future__ import annotations

import argparse
import io
import itertools
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import auroc, bootstrap_interval

REFERENCES, CALIBRATION = 4, 150
CHANGES = ("mirrored", "replaced", "missing", "retyped", "recoloured", "smaller", "moved")
OTHERS = ("wrong variant", "wrong brand", "stolen photo")
LARGER = 4  # times a mark is enlarged to be edited
AROUND = 0.3  # of the mark's sides, that is cut out with it
INLIERS, ALIKE = 20, 0.6  # of a homography; correlation of the mark with the training photo's
LEAST = 20  # pixels of a mark's shorter side
WORDS = {"Arla": "Arla", "Bravo": "BRAVO", "Garant": "MJÖLK", "God-Morgon": "God Morgon", "Oatly": "OATLY!"} | {
    "Alpro": "alpro", "Tropicana": "Tropicana", "Valio": "Vanilj", "Yoggi": "Yoggi"
}  # fmt: skip
FACES = ("DejaVuSerif-Bold", "DejaVuSansMono-Bold", "STIXGeneralBol", "cmr10")

# the training photo of each product, and the corners of a mark on it, clockwise from its own top left, in thousandths
# of the photo's longer side
MARKS: dict[str, tuple[int, tuple[int, ...]]] = {
    "Alpro-Blueberry-Soyghurt": (2, (223, 299, 463, 306, 453, 422, 223, 406)),
    "Alpro-Fresh-Soy-Milk": (3, (202, 299, 477, 228, 493, 335, 218, 406)),
    "Alpro-Shelf-Soy-Milk": (8, (611, 218, 879, 289, 863, 409, 588, 328)),
    "Alpro-Vanilla-Soyghurt": (3, (368, 299, 634, 283, 640, 396, 378, 416)),
    "Arla-Ecological-Medium-Fat-Milk": (4, (395, 337, 641, 376, 551, 622, 317, 583)),
    "Arla-Ecological-Sour-Cream": (5, (399, 440, 652, 372, 707, 580, 448, 651)),
    "Arla-Lactose-Medium-Fat-Milk": (4, (462, 278, 656, 278, 656, 538, 462, 538)),
    "Arla-Medium-Fat-Milk": (6, (181, 372, 317, 372, 317, 544, 181, 544)),
    "Arla-Mild-Vanilla-Yoghurt": (6, (324, 316, 470, 316, 486, 523, 340, 530)),
    "Arla-Natural-Mild-Low-Fat-Yoghurt": (6, (351, 614, 574, 484, 610, 546, 383, 676)),
    "Arla-Natural-Yoghurt": (9, (429, 277, 591, 277, 598, 514, 436, 514)),
    "Arla-Sour-Cream": (9, (220, 315, 363, 309, 389, 503, 246, 516)),
    "Arla-Sour-Milk": (1, (393, 419, 522, 419, 548, 652, 419, 659)),
    "Arla-Standard-Milk": (1, (695, 228, 857, 228, 850, 425, 688, 425)),
    "Bravo-Apple-Juice": (7, (491, 218, 735, 371, 680, 539, 433, 387)),
    "Bravo-Orange-Juice": (8, (664, 288, 832, 463, 753, 617, 589, 408)),
    "Garant-Ecological-Medium-Fat-Milk": (2, (309, 343, 571, 291, 590, 496, 334, 563)),
    "Garant-Ecological-Standard-Milk": (5, (413, 515, 645, 515, 645, 644, 413, 644)),
    "God-Morgon-Apple-Juice": (5, (320, 450, 472, 395, 498, 499, 346, 557)),
    "God-Morgon-Orange-Juice": (5, (194, 222, 350, 222, 350, 459, 178, 459)),
    "God-Morgon-Orange-Red-Grapefruit-Juice": (3, (270, 426, 506, 371, 529, 459, 289, 517)),
    "God-Morgon-Red-Grapefruit-Juice": (2, (406, 306, 559, 274, 640, 507, 455, 565)),
    "Oatly-Natural-Oatghurt": (5, (437, 393, 657, 367, 664, 516, 444, 529)),
    "Oatly-Oat-Milk": (5, (296, 549, 555, 458, 581, 549, 328, 633)),
    "Tropicana-Apple-Juice": (7, (293, 646, 552, 646, 552, 723, 293, 723)),
    "Tropicana-Golden-Grapefruit": (8, (223, 642, 459, 607, 469, 685, 232, 720)),
    "Tropicana-Juice-Smooth": (4, (363, 651, 625, 612, 635, 699, 369, 735)),
    "Tropicana-Mandarin-Morning": (7, (270, 651, 509, 790, 490, 855, 240, 732)),
    "Valio-Vanilla-Yoghurt": (6, (306, 418, 557, 418, 546, 525, 306, 525)),
    "Yoggi-Strawberry-Yoghurt": (8, (278, 191, 508, 191, 508, 304, 278, 298)),
    "Yoggi-Vanilla-Yoghurt": (1, (253, 361, 486, 258, 492, 361, 285, 475)),
}

Random = np.random.Generator
Corners = np.ndarray


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def cut(photo: np.ndarray, corners: Corners, around: float = 0.0) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """The mark laid flat, enlarged; the homography from there to the photo; and its own box in what is cut."""
    wide = LARGER * (np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[2] - corners[3])) / 2
    high = LARGER * (np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    x, y = round(wide * around), round(high * around)
    box = (x, y, x + round(wide), y + round(high))
    own = np.array([(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])], np.float32)
    matrix = cv2.getPerspectiveTransform(own, corners.astype(np.float32))
    size = (box[2] + x, box[3] + y)
    return cv2.warpPerspective(photo, np.linalg.inv(matrix), size, flags=cv2.INTER_CUBIC), matrix, box


class Finder:
    """Where the mark of a product's training photo is on another photo."""

    def __init__(self) -> None:
        self.sift = cv2.SIFT_create(nfeatures=700, contrastThreshold=0.02)
        root = data.folder("grocery") / "dataset" / "train" / "Packages"
        self.known: dict[str, tuple[np.ndarray, Corners, Any]] = {}
        for path in sorted(root.rglob("*.jpg")):
            number, corners = MARKS[path.parent.name]
            if path.stem == f"{path.parent.name}_{number:03d}":
                photo = pixels_of(path)
                own = np.array(corners).reshape(4, 2) / 1000 * max(photo.shape[:2])
                self.known[path.parent.name] = photo, own, self.points(photo)

    def points(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grey = cv2.resize(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        keys, marks = self.sift.detectAndCompute(grey, None)
        return np.array([key.pt for key in keys], np.float32) / 2, marks

    def __call__(self, photo: np.ndarray, product: str) -> Corners | None:
        known, corners, (there, marks) = self.known[product]
        here, others = self.points(photo)
        pairs = cv2.BFMatcher().knnMatch(marks, others, k=2) if others is not None and len(others) > 1 else []
        best = [(one.queryIdx, one.trainIdx) for one, two in pairs if one.distance < 0.8 * two.distance]
        if len(best) < INLIERS:
            return None
        rows = np.array(best)
        matrix, kept = cv2.findHomography(there[rows[:, 0]], here[rows[:, 1]], cv2.RANSAC, 3.0)
        if matrix is None or kept.sum() < INLIERS:
            return None
        found = cv2.perspectiveTransform(corners[None].astype(np.float32), matrix)[0]
        sides = np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1)
        inside = (found >= 2).all() and (found < np.array(photo.shape[1::-1]) - 2).all()
        if not inside or sides.min() < LEAST or not cv2.isContourConvex(found):
            return None
        one, _, box = cut(known, corners)
        two = cv2.resize(cut(photo, found)[0], box[2:])
        grey = [cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(float).ravel() for part in (one, two)]
        return found if np.corrcoef(*grey)[0, 1] >= ALIKE else None


def erased(flat: np.ndarray, box: tuple[int, ...]) -> np.ndarray:
    """What was cut without the mark: the colours around it, carried inwards."""
    small = cv2.resize(flat, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    mask = np.zeros(small.shape[:2], np.uint8)
    mask[box[1] // 8 : -(-box[3] // 8), box[0] // 8 : -(-box[2] // 8)] = 255
    filled = cv2.GaussianBlur(cv2.inpaint(small, mask, 3, cv2.INPAINT_NS), (0, 0), 1)
    return cv2.resize(filled, flat.shape[1::-1], interpolation=cv2.INTER_CUBIC).astype(float)


def ink_of(inside: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The colour of what differs most from the ground."""
    off = np.abs(inside - ground).sum(axis=-1)
    return np.median(inside[off >= np.quantile(off, 0.85)], axis=0)


def edited(
    flat: np.ndarray, box: tuple[int, ...], change: str, other: np.ndarray, word: str, random: Random
) -> np.ndarray:
    """What was cut, with the change."""
    from matplotlib import get_data_path

    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    inside, ground = flat[y0:y1, x0:x1].astype(float), erased(flat, box)
    new = flat.astype(float)
    if change == "retouched":
        return new
    if change == "mirrored":
        new[y0:y1, x0:x1] = inside[:, ::-1]
        return new
    if change == "recoloured":
        own = ground[y0:y1, x0:x1]
        off = inside - own
        grey = np.abs(off - off.mean(axis=-1, keepdims=True)).mean(axis=-1) < 20
        new[y0:y1, x0:x1] = own + np.where(grey[..., None], off * (1.0, 0.4, 0.1), off[..., [2, 0, 1]])
        return new
    new[y0:y1, x0:x1] = ground[y0:y1, x0:x1]
    if change == "replaced":
        scale = min(wide / other.shape[1], high / other.shape[0])
        inside = cv2.resize(other, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(float)
        x0, y0 = x0 + (wide - inside.shape[1]) // 2, y0 + (high - inside.shape[0]) // 2
    elif change == "smaller":
        inside = cv2.resize(inside, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        x0, y0 = x0 + wide // 8, y0 + high // 8
    elif change == "moved":
        x0 += int(random.choice([-1, 1])) * wide // 5
    elif change == "retyped":
        face = str(Path(get_data_path()) / "fonts" / "ttf" / f"{random.choice(FACES)}.ttf")
        left, top, right, bottom = ImageFont.truetype(face, 100).getbbox(word)
        font = ImageFont.truetype(face, int(100 * min(0.95 * wide / (right - left), 0.9 * high / (bottom - top))))
        canvas = Image.fromarray(np.clip(new[y0:y1, x0:x1], 0, 255).astype(np.uint8))
        ink = tuple(int(value) for value in ink_of(inside, ground[y0:y1, x0:x1]))
        ImageDraw.Draw(canvas).text((wide // 2, high // 2), word, font=font, fill=ink, anchor="mm")
        inside = cv2.GaussianBlur(np.asarray(canvas), (0, 0), 0.5 * LARGER).astype(float)
    if change != "missing":
        new[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]] = inside
    return new


def reprinted(
    photo: np.ndarray, corners: Corners, change: str, other: np.ndarray, word: str, random: Random
) -> np.ndarray:
    """The photo with a changed print where the mark was."""
    flat, matrix, box = cut(photo, corners, AROUND)
    new = edited(flat, box, change, other, word, random)
    alpha = np.zeros(flat.shape[:2], np.float32)
    reach = (box[2] - box[0]) // 5 + LARGER if change == "moved" else LARGER
    alpha[box[1] - LARGER : box[3] + LARGER, max(0, box[0] - reach) : box[2] + reach] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), LARGER)[..., None]
    size = photo.shape[1::-1]
    shown = cv2.warpPerspective(alpha, matrix, size)[..., None]
    laid = cv2.warpPerspective(new.astype(np.float32), matrix, size, borderMode=cv2.BORDER_REPLICATE)
    grain = random.normal(0, 1.5, laid.shape)
    return np.clip(photo * (1 - shown) + (laid + grain) * shown, 0, 255).astype(np.uint8)


def saved(photo: np.ndarray) -> bytes:
    """As genuine photos are: a JPEG, saved once more in either case."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass(frozen=True)
class Set:
    """Photos in their parts; ``kinds`` of the listings: "" where genuine, else what was done."""

    references: list[cv.Reference]
    calibration: list[cv.Listing]
    listings: list[cv.Listing]
    kinds: list[str]


def offer(name: str, photo: np.ndarray, product: str) -> cv.Listing:
    return cv.Listing(id=name, photos=[saved(photo)], brand=data.brand_of(product), product=product)


def make(part: str, seed: int) -> Set:
    """Deal the photos, and print changes over those of ``part``."""
    random, find = np.random.default_rng(seed), Finder()
    train: dict[str, list[Path]] = defaultdict(list)
    for photo in data.grocery("train"):
        train[photo.product].append(photo.path)
    for paths in train.values():
        random.shuffle(paths)
    kept = [data.Photo(path, product) for product, paths in train.items() for path in paths[:REFERENCES]]
    rest = [data.Photo(path, product) for product, paths in train.items() for path in paths[REFERENCES:]]
    rest = [rest[row] for row in random.permutation(len(rest))]
    asked = rest[CALIBRATION:] if part == "train" else data.grocery(part)
    marks = {product: cut(*known[:2])[0] for product, known in find.known.items()}
    products, listings, kinds = sorted(marks), [], []

    def add(photo: np.ndarray, product: str, kind: str) -> None:
        listings.append(offer(f"listing-{len(listings)}", photo, product))
        kinds.append(kind)

    def another(product: str, *, same: bool) -> str | None:
        own = data.brand_of(product)
        others = [name for name in products if name != product and (data.brand_of(name) == own) == same]
        return str(random.choice(others)) if others else None

    turns = itertools.cycle((*CHANGES, "retouched", *OTHERS))
    for photo in asked:
        pixels = pixels_of(photo.path)
        corners = find(pixels, photo.product)
        if corners is None:
            continue
        add(pixels, photo.product, "")
        kind = next(turns)
        claimed = another(photo.product, same=kind == "wrong variant")
        if kind in ("wrong variant", "wrong brand"):
            add(pixels, claimed or str(another(photo.product, same=False)), kind if claimed else "wrong brand")
        elif kind == "stolen photo":
            mine = [one.path for one in kept if one.product == photo.product]
            stolen = pixels_of(mine[int(random.integers(len(mine)))])
            left, top, right, bottom = (random.uniform(0.02, 0.12, 4) * np.tile(stolen.shape[1::-1], 2)).astype(int)
            add(stolen[top:-bottom, left:-right], photo.product, kind)
        else:
            word, other = WORDS[data.brand_of(photo.product)], marks[str(another(photo.product, same=False))]
            add(reprinted(pixels, corners, kind, other, word, random), photo.product, kind)
    calibration = [offer(str(one.path), pixels_of(one.path), one.product) for one in rest[:CALIBRATION]]
    return Set(data.references(kept), calibration, listings, kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["test", "train"], default="test")
    parser.add_argument("--seed", type=int, default=1, help="of the deal; 0 was used for development")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the encoder")
    options = parser.parse_args()
    goods = make(options.part, options.seed)
    encoder = cv.load_encoder("clip-vit-b16", dtype=options.dtype)
    catalog = cv.Catalog.build(goods.references, encoder=encoder)
    inspector = cv.Inspector(catalog).calibrate(goods.calibration)
    verdicts = list(inspector.inspect(goods.listings, strict=True, progress=True))
    vectors = cv.embed([listing.photos[0] for listing in goods.listings], encoder=encoder).vectors
    plain = np.array(
        [
            1 - float((catalog.vectors[catalog.claimed_by(listing)] @ vector).max())
            for listing, vector in zip(goods.listings, vectors, strict=True)
        ]
    )
    kind, risk = np.array(goods.kinds), np.array([verdict.risk for verdict in verdicts])
    decision = np.array([verdict.decision for verdict in verdicts])
    products = np.array([str(listing.product) for listing in goods.listings])
    genuine, changed = kind == "", np.isin(kind, CHANGES)

    def figures(rows: np.ndarray) -> dict[str, Any]:
        flags = decision[rows] == "suspected"
        both = np.concatenate([np.flatnonzero(genuine), np.flatnonzero(rows)])
        fake = ~genuine[both]
        return {
            "of": int(rows.sum()),
            "suspected": float(flags.mean()),
            "interval": bootstrap_interval(lambda places: float(flags[places].mean()), products[rows].tolist()),
            "unanswered": float((decision[rows] == "insufficient_evidence").mean()),
            "AUROC": auroc(fake, risk[both]),
            "AUROC, plain cosine": auroc(fake, plain[both]),
        }

    data.write(
        "cartons" if options.part == "test" else "cartons-development",
        {
            "part": options.part,
            "seed": options.seed,
            "dtype": str(encoder.dtype),
            "genuine": int(genuine.sum()),
            "genuine suspected": float((decision[genuine] == "suspected").mean()),
            "genuine unanswered": float((decision[genuine] == "insufficient_evidence").mean()),
            "changed prints": figures(changed),
            "retouched without a change": figures(kind == "retouched"),
            "by kind": {name: figures(kind == name) for name in (*CHANGES, *OTHERS)},
        },
    )


if __name__ == "__main__":
    main()
