"""Are changes found that anybody could see, on goods that the market does not render?

    python benchmarks/printed.py --dtype bfloat16     # three sets of goods: about 15 minutes on a CPU
    python benchmarks/printed.py --dtype bfloat16 --bare --seeds 74 75      # no boxes around the references' marks
    python benchmarks/printed.py --dtype bfloat16 --alone --seeds 76 77     # nor a second photo, nor other goods
    python benchmarks/printed.py --dtype bfloat16 --bare --many --seeds 87 88   # and of forty brands: 20 minutes
    python benchmarks/printed.py --seeds 0 --folder /tmp/printed   # for development: seeds below 23

What the heads were tuned on is our own market, so here is another: flat cards in perspective, drawn with Pillow and
OpenCV, with real marks (SVG), real typefaces and real floors behind them (corners of clothing photos); of the market's
code only what reads SVG paths. Five brands, two products each, four references; 70 genuine photos calibrate, one or two
a brand where there are forty; no fake is shown. Changes are of the kind that a careless counterfeiter makes: another
letter, a lookalike, another typeface, the mark mirrored, replaced, moved by 4 %, smaller by 18 %, its strokes or its
ink changed; a photo of another brand's goods, and one stolen from the catalogue. Beside it the plain cosine to the
claimed product's nearest reference.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import auroc, bootstrap_interval
from counterfeit_vision.market.svg import path_polygons, read_svg

SEEDS = (35, 36, 37)
DEVELOPMENT = 23  # seeds below are for it
ALPHA = 0.05
BRANDS, MANY = 5, 40
REFERENCES, CALIBRATION, GENUINE, EACH = 4, 70, 60, 7
CARD, PHOTO = (1000, 800), (900, 1000)  # pixels, width and height
NAMES = ("VELTORA", "Marisole", "ODRIN", "Kestrel & Co", "NOLBA", "Halcyon", "BRIMORE", "Tessaly", "QUINDO", "Averne")
FACES = ("DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold", "STIXGeneralBol", "cmss10", "DejaVuSerif")
TYPES = ("100 ml", "Extra fine", "No 7", "Reserve", "Classic")
LOOKALIKES = dict(zip("OoIlEBaRecTLnsVS", "00lIF8oPceIImzU5", strict=True))
LETTERS = "ABDEGHKMNPRSUXZ"
CONSONANTS, VOWELS, ENDS = "BCDFGHJKLMNPRSTVZ", "AEIOU", "RSLT"  # of coined names
PLACES = (((90, 180), (360, 250)), ((380, 120), (250, 450)), ((640, 160), (80, 300)))  # of the mark and of the name
CHANGES = ("letter", "lookalike", "typeface", "mirrored", "replaced", "moved", "smaller", "strokes", "ink")
ATTACKS = (*CHANGES, "wrong goods", "stolen photo")
SYMMETRIC = 0.9  # overlap with its mirror image from which a mark would look the same mirrored
BLUR = (0.3, 1.0)  # pixels of a photo's, from and to
FAINT = 45  # levels in some channel that another ink must differ by

Random = np.random.Generator
Colour = tuple[int, int, int]
Drawn = tuple[np.ndarray, list[tuple[float, float, float, float]]]  # a card, and the boxes of its mark and its name
Draw = Callable[[Any, str], Drawn]


@dataclass(frozen=True)
class Goods:
    """What one product's card looks like."""

    brand: str
    product: str
    face: str
    mark: Path
    ground: Colour
    ink: Colour
    band: Colour
    place: int
    mark_side: int
    letter_size: int
    kind: str
    shift: tuple[int, int] = (0, 0)
    mirrored: bool = False
    grown: int = 0


def drawn(goods: Goods, side: int, finer: int = 1) -> Image.Image:
    """The mark as a mask of ``side`` pixels, of a card that is so many times ``finer``."""
    polygons = [np.asarray(polygon) for polygon in path_polygons(read_svg(goods.mark).path) if len(polygon) >= 3]
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    scale, span = 4 * side / (high - low).max(), (high - low).max()
    canvas = np.zeros((4 * side, 4 * side), np.uint8)
    cv2.fillPoly(
        canvas, [np.round((p - low + (span - high + low) / 2) * scale).astype(np.int32) for p in polygons], 255
    )
    mask = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    if goods.grown:
        reach = np.ones((4 * finer + 1, 4 * finer + 1), np.uint8)
        mask = cv2.dilate(mask, reach) if goods.grown > 0 else cv2.erode(mask, reach)
    image = Image.fromarray(mask)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if goods.mirrored else image


def lopsided(mark: Path, goods: Goods) -> bool:
    """Whether the mark differs from its mirror image, and is neither a block nor a hair."""
    mask = np.asarray(drawn(dataclasses.replace(goods, mark=mark), 64)) > 127
    other = mask[:, ::-1]
    return bool((mask & other).sum() < SYMMETRIC * (mask | other).sum() and 0.1 < mask.mean() < 0.8)


def coined(random: Random) -> list[str]:
    """Names of :data:`MANY` brands, each with a letter that has a lookalike."""
    names: dict[str, str] = {}
    while len(names) < MANY:
        parts = [random.choice(list(kind)) for _ in range(int(random.integers(2, 4))) for kind in (CONSONANTS, VOWELS)]
        letters = "".join(parts) + str(random.choice(list(ENDS)))
        name = letters if random.integers(2) else letters.capitalize()
        if set(name) & set(LOOKALIKES):
            names.setdefault(letters, name)
    return list(names.values())


def invented(random: Random, marks: Sequence[Path], number: int, name: str = "") -> list[Goods]:
    """Two products of one brand, of that name or one of :data:`NAMES`."""
    name = name or NAMES[number % len(NAMES)]
    dark, light = (tuple(int(v) for v in random.integers(*limits, 3)) for limits in ((40, 110), (190, 250)))
    ground, ink = (light, dark) if random.integers(2) else (dark, light)
    found = []
    for line in ("One", "Two"):
        found.append(
            Goods(
                brand=name,
                product=f"{name} {line}",
                face=FACES[number % len(FACES)],
                mark=marks[0],
                ground=ground,
                ink=ink,
                band=tuple(int(v) for v in random.integers(30, 230, 3)),
                place=int(random.integers(len(PLACES))),
                mark_side=int(random.integers(200, 320)),
                letter_size=int(random.integers(80, 120)),
                kind=str(random.choice(TYPES)),
            )
        )
    mark = next(marks[place] for place in random.permutation(len(marks)) if lopsided(marks[place], found[0]))
    return [dataclasses.replace(goods, mark=mark) for goods in found]


def counterfeit(goods: Goods, attack: str, random: Random, marks: Sequence[Path]) -> tuple[Goods, str]:
    """The goods with one change, and the name that is printed on them."""
    name = goods.brand
    if attack == "letter":
        place = int(random.choice([place for place, letter in enumerate(name) if letter.isalpha()]))
        other = str(random.choice([letter for letter in LETTERS if letter != name[place].upper()]))
        return goods, name[:place] + (other if name[place].isupper() else other.lower()) + name[place + 1 :]
    if attack == "lookalike":
        place = int(random.choice([place for place, letter in enumerate(name) if letter in LOOKALIKES]))
        return goods, name[:place] + LOOKALIKES[name[place]] + name[place + 1 :]
    if attack == "ink":
        while True:
            ink = tuple(int(v) for v in np.clip(np.array(goods.ink) + random.choice([-1, 1], 3) * 60, 0, 255))
            if max(abs(a - b) for a, b in zip(ink, goods.ink, strict=True)) > FAINT:
                return dataclasses.replace(goods, ink=ink), name
    changed: dict[str, Any] = {
        "typeface": {"face": str(random.choice([face for face in FACES if face != goods.face]))},
        "mirrored": {"mirrored": True},
        "replaced": {"mark": marks[int(random.integers(len(marks)))]},
        "moved": {"shift": (int(random.choice([-40, 40])), int(random.choice([-30, 30])))},
        "smaller": {"mark_side": round(0.82 * goods.mark_side)},
        "strokes": {"grown": int(random.choice([-1, 1]))},
    }[attack]
    return dataclasses.replace(goods, **changed), name


def printed(goods: Goods, name: str, finer: int = 1) -> Drawn:
    """The card, so many times ``finer``, and the boxes of its mark and its name."""
    card = Image.new("RGB", (finer * CARD[0], finer * CARD[1]), goods.ground)
    pen = ImageDraw.Draw(card)
    pen.rectangle([0, 620 * finer, finer * CARD[0], 700 * finer], fill=goods.band)
    small = font("DejaVuSans", 48 * finer)
    pen.text((60 * finer, 630 * finer), f"{goods.kind} · {goods.product.split()[-1]}", font=small, fill=(255,) * 3)
    place, (x, y) = PLACES[goods.place]
    at = (finer * (place[0] + goods.shift[0]), finer * (place[1] + goods.shift[1]))
    mask = drawn(goods, finer * goods.mark_side, finer)
    card.paste(Image.new("RGB", mask.size, goods.ink), at, mask)
    words, letters = (finer * x, finer * y), font(goods.face, finer * goods.letter_size)
    pen.text(words, name, font=letters, fill=goods.ink)
    return np.asarray(card), [(*at, at[0] + mask.width, at[1] + mask.height), pen.textbbox(words, name, font=letters)]


def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """One of matplotlib's typefaces."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"), size)


def floor(random: Random, unused: list[tuple[Path, int]]) -> np.ndarray:
    """A corner of a clothing photo, which shows what it lies on; each is used once."""
    path, corner = unused.pop(int(random.integers(len(unused))))
    with Image.open(path) as image:
        width, height = image.size
        side, rise = int(0.3 * width), int(0.22 * height)
        x, y = (corner % 2) * (width - side), (corner // 2) * (height - rise)
        pixels = np.asarray(image.convert("RGB").crop((x, y, x + side, y + rise)).resize(PHOTO), float)
    return cv2.GaussianBlur(pixels, (0, 0), 1.5) + random.normal(0, 6, (*pixels.shape[:2], 1))


def photographed(
    card: np.ndarray, random: Random, unused: list[tuple[Path, int]], *, studio: bool = False
) -> tuple[Image.Image, np.ndarray]:
    """The card in a photo, and the homography that took it there."""
    height, width = card.shape[:2]
    around = np.full((PHOTO[1], PHOTO[0], 3), random.uniform(225, 250)) if studio else floor(random, unused)
    turn = np.deg2rad(random.uniform(-4, 4) if studio else random.uniform(-18, 18))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2) * random.uniform(0.55, 0.8)
    corners = corners @ spin.T * (1 + random.uniform(-0.06, 0.06, (4, 1)) * (0.3 if studio else 1))
    corners += np.array(PHOTO) / 2 + random.uniform(-40, 40, 2)
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    return taken(laid(card, matrix, around), random, studio=studio), matrix


def laid(card: np.ndarray, matrix: np.ndarray, around: np.ndarray) -> np.ndarray:
    """The card on what is ``around`` it."""
    shown = cv2.warpPerspective(np.ones((*card.shape[:2], 1), np.float32), matrix, PHOTO)[..., None]
    return around * (1 - shown) + cv2.warpPerspective(card, matrix, PHOTO, flags=cv2.INTER_AREA) * shown


def taken(scene: np.ndarray, random: Random, *, studio: bool = False, blur: tuple[float, float] = BLUR) -> Image.Image:
    """A photo of what lies there: the light, the lens and the noise."""
    y, x = np.mgrid[: PHOTO[1], : PHOTO[0]] / np.array(PHOTO[::-1])[:, None, None] - 0.5
    slope = random.uniform(-0.25, 0.25, 2)
    tint = 0 if studio else random.uniform(-0.05, 0.05, 3)
    pixels = scene * ((1 + slope[0] * x + slope[1] * y) * random.uniform(0.8, 1.1))[..., None] * (1 + tint)
    pixels = cv2.GaussianBlur(pixels, (0, 0), random.uniform(*blur))
    pixels += random.normal(0, random.uniform(1, 4), pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Set:
    """The goods of one seed in photos; ``attacks`` of the listings, "" where genuine."""

    references: list[cv.Reference]
    calibration: list[cv.Listing]
    listings: list[cv.Listing]
    attacks: list[str]


def catalogued(
    goods: Sequence[Goods],
    random: Random,
    unused: list[tuple[Path, int]],
    put: Callable[[str, Image.Image], Path],
    shots: int = REFERENCES,
    draw: Draw = printed,
) -> list[cv.Reference]:
    """Reference photos of the goods, which ``put`` keeps, with the boxes of their marks."""
    references = []
    for number, one in enumerate(goods):
        for shot in range(shots):
            card, boxes = draw(one, one.brand)
            photo, matrix = photographed(card, random, unused, studio=2 * shot < REFERENCES)
            corners = [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32) for x0, y0, x1, y1 in boxes]
            seen = [cv2.perspectiveTransform(box[None], matrix)[0] for box in corners]
            references.append(
                cv.Reference(
                    id=f"reference-{number}-{shot}",
                    photo=put(f"reference-{number}-{shot}", photo),
                    brand=one.brand,
                    product=one.product,
                    gallery="official" if 2 * shot < REFERENCES else "genuine",
                    regions=tuple(cv.Region(*box.min(axis=0).tolist(), *box.max(axis=0).tolist()) for box in seen),
                )
            )
    return references


def faked(
    one: Goods,
    attack: str,
    references: Sequence[cv.Reference],
    goods: Sequence[Goods],
    random: Random,
    unused: list[tuple[Path, int]],
    marks: Sequence[Path],
    draw: Draw = printed,
) -> Image.Image:
    """A photo that is offered as one of the goods, and is none."""
    if attack == "stolen photo":
        mine = [reference for reference in references if reference.product == one.product]
        with Image.open(mine[int(random.integers(len(mine)))].photo) as image:
            left, top, right, bottom = random.uniform(0.02, 0.12, 4) * np.tile(image.size, 2)
            return image.crop((int(left), int(top), int(image.width - right), int(image.height - bottom)))
    if attack == "wrong goods":
        others = [other for other in goods if other.brand != one.brand]
        other = others[int(random.integers(len(others)))]
        return photographed(draw(other, other.brand)[0], random, unused)[0]
    return photographed(draw(*counterfeit(one, attack, random, marks))[0], random, unused)[0]


def make(seed: int, folder: Path, *, alone: bool = False, many: bool = False) -> Set:
    """Draw and photograph it all, into ``folder``; of brands with one product, of which one photo is known, if
    ``alone``, and of ``many`` brands.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    marks = sorted(data.folder("marks-svg").rglob("*.svg"))
    unused = [(photo.path, corner) for photo in data.clothing() for corner in range(4)]
    names = coined(random) if many else [""] * BRANDS
    numbered = enumerate(names, len(names) * seed)
    goods = [one for number, name in numbered for one in invented(random, marks, number, name)]
    goods = goods[::2] if alone else goods

    def put(name: str, photo: Image.Image) -> Path:
        photo.save(folder / f"{name}.jpg", quality=int(random.integers(75, 93)))
        return folder / f"{name}.jpg"

    def offer(name: str, photo: Image.Image, claimed: Goods) -> cv.Listing:
        return cv.Listing(id=name, photos=[put(name, photo)], brand=claimed.brand, product=claimed.product)

    def genuine(name: str, one: Goods) -> cv.Listing:
        return offer(name, photographed(printed(one, one.brand)[0], random, unused)[0], one)

    references = catalogued(goods, random, unused, put, 1 if alone else REFERENCES)
    calibration = [genuine(f"calibration-{row}", goods[int(random.integers(len(goods)))]) for row in range(CALIBRATION)]
    attacks = [""] * GENUINE + [attack for attack in ATTACKS for _ in range(EACH)]
    listings = []
    for row, attack in enumerate(attacks):
        one = goods[int(random.integers(len(goods)))]
        if attack == "":
            listings.append(genuine(f"listing-{row}", one))
        else:
            photo = faked(one, attack, references, goods, random, unused, marks)
            listings.append(offer(f"listing-{row}", photo, one))
    return Set(references, calibration, listings, attacks)


def judged(goods: Set, seed: int, encoder: cv.Encoder, *, bare: bool) -> dict[str, list[Any]]:
    """One set's attacks, decisions, risks, and plain distances to the claimed product."""
    known = [dataclasses.replace(row, regions=()) for row in goods.references] if bare else goods.references
    return decided(goods, seed, cv.Catalog.build(known, encoder=encoder), goods.calibration, encoder)


def decided(
    goods: Set, seed: int, catalog: cv.Catalog, calibration: Sequence[cv.Listing], encoder: cv.Encoder
) -> dict[str, list[Any]]:
    """The same, calibrated with these genuine photos."""
    verdicts = cv.Inspector(catalog).calibrate(calibration).inspect(goods.listings, strict=True)
    vectors = cv.embed([listing.photos[0] for listing in goods.listings], encoder=encoder).vectors
    plain = [
        1 - float((catalog.vectors[catalog.claimed_by(listing)] @ vector).max())
        for listing, vector in zip(goods.listings, vectors, strict=True)
    ]
    return {
        "seed": [str(seed)] * len(plain),
        "brand": [f"{seed} {listing.brand}" for listing in goods.listings],
        "attack": goods.attacks,
        "decision": [verdict.decision for verdict in verdicts],
        "detected": [verdict.p_value <= ALPHA for verdict in verdicts],  # some of them go to a person
        "risk": [verdict.risk for verdict in verdicts],
        "plain": plain,
    }


def gathered(sets: Iterable[dict[str, list[Any]]]) -> dict[str, np.ndarray]:
    """The columns of several sets, one under another."""
    table: dict[str, list[Any]] = {}
    for found in sets:
        for name, values in found.items():
            table.setdefault(name, []).extend(values)
    return {name: np.array(values) for name, values in table.items()}


def share(column: dict[str, np.ndarray], rows: np.ndarray, word: str = "suspected") -> float:
    """Of the ``rows`` of what was :func:`gathered`, those that were decided so."""
    return float((column["decision"][rows] == word).mean())


def ranks(column: dict[str, np.ndarray], rows: np.ndarray, score: str = "risk") -> float:
    """Mean over the sets of the AUROC in each: what is a risk of 0.5 differs between calibrations."""
    fake, scores, own = column["attack"][rows] != "", column[score][rows], column["seed"][rows]
    return float(np.mean([auroc(fake[own == one], scores[own == one]) for one in np.unique(own)]))


def parser_of(doc: str | None, seeds: Iterable[int], name: str) -> argparse.ArgumentParser:
    """What the command lines of all sets of invented goods take."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--encoder", default=data.ENCODER, help="a name that 'counterfeit-vision models list' shows")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the encoder")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / f"counterfeit-vision-{name}")
    return parser


def main() -> None:
    parser = parser_of(__doc__, SEEDS, "printed")
    parser.add_argument("--bare", action="store_true", help="references without boxes around their marks")
    parser.add_argument("--alone", action="store_true", help="one bare reference each, of brands with one product")
    parser.add_argument("--many", action="store_true", help=f"{MANY} brands instead of {BRANDS}")
    options = parser.parse_args()
    encoder = cv.load_encoder(options.encoder, dtype=options.dtype)
    bare = options.bare or options.alone
    how = {"alone": options.alone, "many": options.many}
    sets = ((seed, make(seed, options.folder / str(seed), **how)) for seed in options.seeds)
    column = gathered(judged(goods, seed, encoder, bare=bare) for seed, goods in sets)
    attack, fake = column["attack"], column["attack"] != ""
    places = np.arange(len(attack))
    result: dict[str, Any] = {
        "seeds": options.seeds,
        "encoder": encoder.name,
        "dtype": str(encoder.dtype),
        "brands": MANY if options.many else BRANDS,
        "boxes given": not bare,
        "one reference each, of brands with one product": options.alone,
        "fakes suspected": share(column, fake),
        "fakes suspected, interval": bootstrap_interval(
            lambda rows: share(column, places[fake][rows]), column["brand"][fake].tolist()
        ),
        "fakes unanswered": share(column, fake, "insufficient_evidence"),
        "genuine suspected": share(column, ~fake),
        "genuine unanswered": share(column, ~fake, "insufficient_evidence"),
        "each set, genuine suspected": [share(column, ~fake & (column["seed"] == str(seed))) for seed in options.seeds],
        "AUROC": ranks(column, places),
        "AUROC, plain cosine": ranks(column, places, "plain"),
        "by attack": {},
    }
    for name in ATTACKS:
        rows = np.flatnonzero(~fake | (attack == name))
        result["by attack"][name] = {
            "AUROC": ranks(column, rows),
            "AUROC, plain cosine": ranks(column, rows, "plain"),
            "suspected": share(column, attack == name),
            "of": int((attack == name).sum()),
        }
    kind = "-many" * options.many + ("-alone" if options.alone else "-bare" * options.bare)
    kind = "-development" if min(options.seeds) < DEVELOPMENT else kind
    data.write(data.named(f"printed{kind}", encoder), result)


if __name__ == "__main__":
    main()
