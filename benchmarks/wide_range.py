"""Are genuine goods accused that the catalogue lacks?

    python benchmarks/wide_range.py     # one set of goods: about 8 minutes on a CPU
    python benchmarks/wide_range.py --seeds 0 --folder /tmp/wide-range   # for development: seeds below 100

A brand sells more than its catalogue shows. Of each of three brands the catalogue has three products, which differ in
format, colours, pattern, small print and where their marks are, and another colourway of one; five photos each, boxes
drawn around the marks. Left out are one more colourway, a sibling, a travel size, the bag and a limited edition, all
genuine and with the brand's marks. Two photos of each are offered by the brand alone; one of them also as the nearest
product, the other under its own name, which the catalogue lacks. 58 photos of catalogued goods calibrate, product
named. The fakes are of catalogued goods, as printed.py makes them. Beside it the plain cosine to the nearest reference
of what is claimed, at the same alarm level by the same photos.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import data
import numpy as np
import printed
from PIL import Image, ImageDraw

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval

SEEDS = (191,)
DEVELOPMENT = 100  # seeds below are for it
BRANDS, SHOTS, CALIBRATION, EACH = 3, 5, 58, 3  # photos of each product, and of fakes by each attack
ALPHA = 0.05
WORDS = ("clear", "review", "suspected", "insufficient_evidence")
RULE = "coloured otherwise than each near product"  # what a reason says that would else be that of ``suspected``
LINES, PATTERNS = ("Aster", "Borealis", "Cirrus", "Dune"), ("rings", "shards", "stripes", "dots")
TEXTS = ("100 ml", "Extra fine", "Since 1921", "Reserve", "Classic blend", "Art. 20417", "Keep dry", "Series II")
LAYOUTS = (  # pixels: the card's size; where the mark and the name begin; the pattern's box; where the band begins
    ((1000, 800), (90, 120), (360, 190), (380, 330, 950, 600), 640),
    ((1000, 800), (380, 60), (250, 370), (40, 480, 960, 620), 650),
    ((760, 1000), (240, 90), (90, 380), (60, 520, 700, 820), 860),
    ((1000, 700), (640, 120), (80, 240), (60, 370, 620, 560), 590),
    ((820, 900), (70, 480), (90, 330), (360, 480, 780, 760), 790),
    ((800, 1000), (260, 180), (120, 560), (0, 0, 0, 0), 1000),  # a bag
)
BAG = len(LAYOUTS) - 1


@dataclasses.dataclass(frozen=True)
class Ranged(printed.Goods):
    """What a product's card looks like beside its marks; its ``place`` is one of :data:`LAYOUTS`."""

    second: printed.Colour = (0, 0, 0)
    pattern: str = ""
    seed: int = 0
    lines: tuple[str, ...] = ()
    badge: str = ""
    scale: float = 1.0


Range = tuple[list[Ranged], dict[str, tuple[Ranged, Ranged]]]  # catalogued; by kind one that is not, and the nearest


def patterned(pen: ImageDraw.ImageDraw, goods: Ranged, low: np.ndarray, side: np.ndarray) -> None:
    """Draw the pattern of these goods, the same on each piece, into the box from ``low``."""
    random = np.random.default_rng(goods.seed)
    for number in range({"": 0, "dots": 24}.get(goods.pattern, 7)):
        colour = goods.second if number % 2 else goods.band
        if goods.pattern == "dots":
            at = low + side * (number % 8 + 0.5, number // 8 + 0.5) / (8, 3)
            pen.circle(at.tolist(), random.uniform(4, 26), fill=goods.second)
        elif goods.pattern == "rings":
            at, radius = low + side * random.uniform(0.15, 0.85, 2), random.uniform(0.15, 0.4) * side.min()
            pen.circle(at.tolist(), radius, outline=colour, width=int(random.integers(5, 14)))
        else:
            slim = np.array([[0, 1], [0.5, 1], [1, 0], [0.5, 0]]) / (8, 1) + (number / 8, 0)
            wild = random.uniform(0, 1, 2) + random.uniform(-0.3, 0.3, (3, 2))
            corners = low + side * np.clip(slim if goods.pattern == "stripes" else wild, 0, 1)
            pen.polygon([tuple(corner) for corner in corners], fill=colour)


def card(goods: Ranged, name: str) -> printed.Drawn:
    """The goods' printed side, and the boxes of its mark and its name."""
    numbers = [(goods.scale * np.array(part)).astype(int) for part in LAYOUTS[goods.place]]
    (width, height), (x, y), at, box, band = (part.tolist() for part in numbers)
    height *= 1.25 if goods.scale < 1 else 1  # what is small is slim
    picture = Image.new("RGB", (width, int(height)), goods.ground)
    pen = ImageDraw.Draw(picture)
    patterned(pen, goods, np.array(box[:2]), np.subtract(box[2:], box[:2]))
    pen.rectangle([0, band, width, band + 70], fill=goods.band)
    for place, line in enumerate(goods.lines):
        pen.text((50 + place * 0.48 * width, band + 14), line, font=printed.font("DejaVuSans", 36), fill=(255,) * 3)
    mask = printed.drawn(goods, int(goods.scale * goods.mark_side))
    x, y, size = x + goods.shift[0], y + goods.shift[1], int(goods.scale * goods.letter_size)
    picture.paste(Image.new("RGB", mask.size, goods.ink), (x, y), mask)
    while (letters := printed.font(goods.face, size)).getlength(name) > width - at[0] - 20:
        size -= 2
    pen.text(tuple(at), name, font=letters, fill=goods.ink)
    if goods.badge:
        at_badge, small = (width - 110, band - 95), printed.font("DejaVuSans-Bold", 28)
        pen.circle(at_badge, 90, fill=(196, 160, 60))
        pen.text(at_badge, goods.badge, font=small, fill=(30, 20, 10), anchor="mm", align="center")
    return np.asarray(picture), [(x, y, x + mask.width, y + mask.height), pen.textbbox(tuple(at), name, font=letters)]


def colours(random: printed.Random) -> dict[str, Any]:
    """Of a product: either its ground is dark, or its ink."""
    tones = [tuple(random.integers(*limits, 3).tolist()) for limits in ((30, 110), (185, 250))]
    ground, ink = tones if random.integers(2) else tones[::-1]
    band, second = map(tuple, random.integers(30, 230, (2, 3)).tolist())
    return {"ground": ground, "ink": ink, "band": band, "second": second}


def offered(random: printed.Random, marks: Sequence[Path], number: int) -> Range:
    """One brand's goods."""
    brand = vars(printed.invented(random, marks, number)[0])
    texts, places, patterns = (random.permutation(what).tolist() for what in (TEXTS, BAG, PATTERNS))

    def kin(like: dict[str, Any], what: str, **changes: Any) -> Ranged:
        return Ranged(**like | {"product": f"{brand['brand']} {what}"} | changes)

    def product(row: int) -> Ranged:
        own = {"place": places[row], "pattern": patterns[row], "lines": tuple(texts[2 * row : 2 * row + 2])}
        side, size = int(random.integers(170, 250)), int(random.integers(70, 100))
        own |= {"seed": int(random.integers(1 << 30)), "mark_side": side, "letter_size": size}
        return kin(brand, LINES[row], **own, **colours(random))

    aster, borealis, cirrus, dune = map(product, range(len(LINES)))
    travel, gold = ("30 ml / 1 fl oz", "Travel size"), ("Limited 2026", "No. 0417/1000")
    bag = {"place": BAG, "pattern": "", "lines": (), "mark_side": 280} | colours(random)
    left = {
        "colourway": (kin(vars(aster), "Aster Green", **colours(random)), aster),
        "sibling": (dune, borealis),
        "travel size": (kin(vars(borealis), "Borealis Travel", scale=0.72, lines=travel), borealis),
        "bag": (kin(vars(cirrus), "bag", **bag), cirrus),
        "limited edition": (kin(vars(cirrus), "Cirrus Gold", badge="LIMITED\nEDITION", lines=gold), cirrus),
    }
    return [aster, kin(vars(aster), "Aster Blue", **colours(random)), borealis, cirrus], left


def judged(seed: int, folder: Path, encoder: cv.Encoder) -> dict[str, list[Any]]:
    """Draw, photograph and judge it all."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    marks = sorted(data.folder("marks-svg").rglob("*.svg"))
    unused = [(photo.path, corner) for photo in data.clothing() for corner in range(4)]
    ranges = [offered(random, marks, BRANDS * seed + number) for number in range(BRANDS)]
    goods = [one for known, _ in ranges for one in known]
    table: dict[str, list[Any]] = {"how": [], "kind": []}
    listings: list[cv.Listing] = []

    def put(name: str, photo: Image.Image) -> Path:
        photo.save(folder / f"{name}.jpg", quality=int(random.integers(75, 93)))
        return folder / f"{name}.jpg"

    def shot(name: str, one: Ranged) -> Path:
        return put(name, printed.photographed(card(one, one.brand)[0], random, unused)[0])

    def offer(photo: Path, one: Ranged, how: str, kind: str, product: str | None = None) -> None:
        listings.append(cv.Listing(id=f"{photo.stem}, {how}", photos=[photo], brand=one.brand, product=product))
        table["how"].append(how)
        table["kind"].append(kind)

    references = printed.catalogued(goods, random, unused, put, SHOTS, card)
    genuine = [goods[int(random.integers(len(goods)))] for _ in range(CALIBRATION)]
    calibration = [
        cv.Listing(id=str(row), photos=[shot(f"calibration-{row}", one)], brand=one.brand, product=one.product)
        for row, one in enumerate(genuine)
    ]
    for number, one in enumerate(goods):
        photo = shot(f"genuine-{number}", one)
        offer(photo, one, "catalogued, product named", "catalogued", one.product)
        offer(photo, one, "catalogued, brand alone", "catalogued")
    for number, (kind, (one, near)) in enumerate(pair for _, left in ranges for pair in left.items()):
        for take, (how, product) in enumerate((("nearest product named", near.product), ("own name", one.product))):
            photo = shot(f"left-out-{number}-{take}", one)
            offer(photo, one, "left out, brand alone", kind)
            offer(photo, one, f"left out, {how}", kind, product)
    for number, attack in enumerate(printed.ATTACKS * EACH):
        one = goods[int(random.integers(len(goods)))]
        photo = put(f"fake-{number}", printed.faked(one, attack, references, goods, random, unused, marks, card))
        offer(photo, one, "fakes, product named", attack, one.product)

    catalog = cv.Catalog.build(references, encoder=encoder)
    verdicts = cv.Inspector(catalog).calibrate(calibration, alpha=ALPHA).inspect(listings, strict=True, progress=True)
    shown = calibration + listings
    vectors = cv.embed([one.photos[0] for one in shown], encoder=encoder, ids=[one.id for one in shown]).vectors
    claimed = [catalog.claimed_by(one) for one in shown]
    named = [rows if len(rows) else catalog.rows_of(brand=one.brand) for rows, one in zip(claimed, shown, strict=True)]
    plain = [1 - float((catalog.vectors[rows] @ vector).max()) for rows, vector in zip(named, vectors, strict=True)]
    usual, plain = np.array(plain[:CALIBRATION]), plain[CALIBRATION:]
    return table | {
        "seed": [str(seed)] * len(plain),
        "photo": [f"{seed} {one.photos[0]}" for one in listings],
        "attack": [kind if kind in printed.ATTACKS else "" for kind in table["kind"]],
        "decision": [verdict.decision for verdict in verdicts],
        "rule": [RULE in verdict.reason for verdict in verdicts],
        "risk": [verdict.risk for verdict in verdicts],
        "plain": plain,
        "plain alarm": [1 + int((usual >= one).sum()) <= ALPHA * (1 + len(usual)) for one in plain],
    }


def main() -> None:
    options = printed.parser_of(__doc__, SEEDS, "wide-range").parse_args()
    encoder = cv.load_encoder(options.encoder, dtype=options.dtype)
    column = printed.gathered(judged(seed, options.folder / str(seed), encoder) for seed in options.seeds)
    how, kind, accused = column["how"], column["kind"], column["decision"] == "suspected"

    def figures(chosen: np.ndarray) -> dict[str, Any]:
        rows = np.flatnonzero(chosen)
        photos = column["photo"][rows].tolist()
        return {
            "listings": len(rows),
            "photos": len(set(photos)),
            "words": {word: int((column["decision"][rows] == word).sum()) for word in WORDS},
            "suspected": float(accused[rows].mean()),
            "suspected, interval": bootstrap_interval(lambda drawn: float(accused[rows[drawn]].mean()), photos),
            "suspected, without the rule for other goods": float((accused | column["rule"])[rows].mean()),
            "suspected, plain cosine": float(column["plain alarm"][rows].mean()),
        }

    fakes, usual = how == "fakes, product named", how == "catalogued, product named"
    left = np.char.startswith(how, "left out")
    result = {
        "seeds": options.seeds,
        "encoder": encoder.name,
        "dtype": str(encoder.dtype),
        **{one: figures(how == one) for one in dict.fromkeys(how.tolist())},
        "left out": figures(left),
        "left out, by kind": {one: figures(left & (kind == one)) for one in dict.fromkeys(kind[left].tolist())},
        "AUROC, fakes": printed.ranks(column, np.flatnonzero(usual | fakes)),
        "AUROC, fakes, plain cosine": printed.ranks(column, np.flatnonzero(usual | fakes), "plain"),
    }
    data.write(data.named("wide-range" + "-development" * (min(options.seeds) < DEVELOPMENT), encoder), result)


if __name__ == "__main__":
    main()
