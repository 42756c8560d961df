"""On which kinds of goods is a change seen that anybody could see, and what kind of change is not?

    python benchmarks/kinds.py --dtype bfloat16                   # eight kinds: half an hour on a CPU
    python benchmarks/kinds.py --dtype bfloat16 --kinds shoe tag --seeds 9
    python benchmarks/kinds.py --dtype bfloat16 --bare --seeds 20 --kinds metal leather    # no boxes around the marks
    python benchmarks/kinds.py --kinds shoe --seeds 0             # for development: seeds below 3

As ``printed.py``, whose floors, light and marks it takes, but for what the marks are on: the round label of a bottle, a
watch with its hands, a patterned bag, a shoe with stripes, a hang tag full of print, a shirt in folds, engraved metal,
stamped leather.
Two brands with two products each, four references with boxes around the marks; 70 genuine photos of a kind calibrate.
Some changes are of what is no mark: the label's or the shoe's colour, a watch's hour markers, a line of small print.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
import printed
from PIL import Image, ImageDraw

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval

SEEDS = (19,)  # chose nothing
DEVELOPMENT = 3  # seeds below are for it
BRANDS, REFERENCES, CALIBRATION, GENUINE, EACH = 2, 4, 70, 40, 7
SMALL = "DejaVuSans"  # the typeface of small print
PRINT = "abcdefghilmnorst "  # letters of print too small to be read
CARE = ("Composition 80% cotton", "20% polyamide", "Machine wash 30 degrees", "Do not tumble dry", "Iron on low heat")

Random = np.random.Generator
Colour = tuple[int, int, int]
Floats = np.ndarray
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Design:
    """One product. ``seed`` decides what all its photos share by accident; ``change`` is what a fake does otherwise."""

    brand: str
    line: str
    face: str
    mark: Path
    ground: Colour
    ink: Colour
    accent: Colour
    seed: int
    stripes: int
    slant: float
    printed: str = ""
    mirrored: bool = False
    size: float = 1.0
    change: str = ""

    @property
    def name(self) -> str:
        """What is printed as the brand's name."""
        return self.printed or self.brand

    @property
    def product(self) -> str:
        return f"{self.brand} {self.line}"


@dataclass
class Canvas:
    """A flat picture that is drawn on, and the ``boxes`` of what was drawn as a mark."""

    width: int
    height: int
    ground: Colour
    boxes: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (self.width, self.height), self.ground)
        self.pen = ImageDraw.Draw(self.image)

    def mark(self, design: Design, side: int, at: tuple[int, int], ink: Colour) -> None:
        mask = emblem(design, round(side * design.size))
        self.image.paste(Image.new("RGB", mask.size, ink), at, mask)
        self.boxes.append((*at, at[0] + mask.width, at[1] + mask.height))

    def name(self, design: Design, size: int, middle: int, top: int, ink: Colour, widest: int = 10_000) -> None:
        size = round(size * design.size)
        while self.pen.textlength(design.brand, font=printed.font(design.face, size)) > widest * design.size:
            size -= 4
        letters = printed.font(design.face, size)
        at = (middle - self.pen.textlength(design.name, font=letters) / 2, top)
        self.pen.text(at, design.name, font=letters, fill=ink)
        self.boxes.append(self.pen.textbbox(at, design.name, font=letters))

    def small(self, text: str, size: int, middle: int, top: int, ink: Colour) -> None:
        letters = printed.font(SMALL, size)
        self.pen.text((middle - self.pen.textlength(text, font=letters) / 2, top), text, font=letters, fill=ink)

    def pixels(self) -> Floats:
        return np.asarray(self.image, np.float32)


@dataclass(frozen=True)
class Drawing:
    """What lies in front of the camera: ``pixels`` (h, w, 3), ``shown`` (h, w) in 0..1, and the marks' ``boxes``."""

    pixels: Floats
    shown: Floats
    boxes: list[Box]


def emblem(design: Design, side: int) -> Image.Image:
    """The mark as a mask of ``side`` pixels."""
    black = (0, 0, 0)
    goods = printed.Goods("", "", "", design.mark, black, black, black, 0, side, 0, "", mirrored=design.mirrored)
    return printed.drawn(goods, side)


def rough(shape: tuple[int, int], random: Random, levels: float, scale: int) -> Floats:
    """(h, w, 1) noise of that many ``levels``, smooth over ``scale`` pixels."""
    coarse = random.normal(0, levels, (shape[0] // scale + 2, shape[1] // scale + 2)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)[..., None]


def filled(shape: tuple[int, int], corners: list[tuple[int, int]]) -> Floats:
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [np.array(corners)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 1.5)


# --- kinds ------------------------------------------------------------------------------------------------------------


def bottle(design: Design, random: Random) -> Drawing:
    """A label around half a cylinder, which is turned a little, with a streak of light."""
    label, own = Canvas(1400, 900, design.ground), np.random.default_rng(design.seed)
    for top in (40, 840):
        label.pen.rectangle([0, top, 1400, top + 20], fill=design.accent)
    label.mark(design, 230, (585, 130), design.ink)
    label.name(design, 100, 700, 400, design.ink)
    for row, text in enumerate(("Eau de parfum", design.line, "100 ml 3.4 fl oz")):
        label.small(text, 36, 700, 570 + 60 * row, design.ink)
    for row in range(14):
        for middle in (200, 1180):
            label.small("".join(own.choice(list(PRINT), 24)), 22, middle, 150 + 34 * row, design.ink)
    radius, turn, sag = 330, random.uniform(-0.35, 0.35), random.uniform(10, 40)
    across = (np.arange(2 * radius) - radius + 0.5) / radius
    depth = np.sqrt(1 - across**2)
    columns = (np.arcsin(across) + turn) / np.pi * 1400 + 700
    rows = np.arange(960)[:, None] - 30 - sag * (depth - 0.5)
    columns = np.broadcast_to(columns, rows.shape).astype(np.float32)
    border = tuple(float(part) for part in design.accent)
    body = cv2.remap(label.pixels(), columns, rows.astype(np.float32), cv2.INTER_LINEAR, None, 0, border)
    streak = np.exp(-(((across - random.uniform(-0.6, 0.6)) / 0.05) ** 2)) * random.uniform(30, 110)
    pixels, shown = np.zeros((1300, 1000, 3), np.float32), np.zeros((1300, 1000), np.float32)
    pixels[330:1290, 170:830] = body * (0.55 + 0.5 * depth)[:, None] + streak[:, None]
    cap = 0.5 + 0.5 * np.sqrt(1 - np.linspace(-0.99, 0.99, 340) ** 2)
    pixels[80:330, 330:670] = 0.6 * np.array(design.accent) * cap[:, None]
    shown[330:1290, 170:830] = shown[80:330, 330:670] = 1
    ends = [radius + 170 + radius * np.sin((np.array(box[::2]) - 700) / 1400 * np.pi - turn) for box in label.boxes]
    boxes = [(x0, y0 + 350, x1, y1 + 390) for (x0, x1), (_, y0, _, y1) in zip(ends, label.boxes, strict=True)]
    return Drawing(pixels, shown, boxes)


def watch(design: Design, random: Random) -> Drawing:
    """A dial under glass; its hands stand anywhere."""
    face, middle = Canvas(1000, 1000, (0, 0, 0)), 500
    face.pen.rectangle([330, 0, 670, 1000], fill=design.accent)
    face.pen.ellipse([20, 20, 980, 980], fill=(170, 170, 175))
    face.pen.ellipse([90, 90, 910, 910], fill=design.ground)
    for minute in range(60):
        there = np.array([np.cos(np.pi * minute / 30), np.sin(np.pi * minute / 30)])
        if minute % 5 == 0 and design.change == "markers":
            face.pen.ellipse([*(middle + 350 * there - 22), *(middle + 350 * there + 22)], fill=design.ink)
        else:
            long, wide = (60, 14) if minute % 5 == 0 else (20, 4)
            ends = [*(middle + 390 * there), *(middle + (390 - long) * there)]
            face.pen.line(ends, fill=design.ink, width=wide)
    face.mark(design, 110, (445, 190), design.ink)
    face.name(design, 64, middle, 310, design.ink)
    for row, text in enumerate(("AUTOMATIC", f"{design.line} 200 m")):
        face.small(text, 28, middle, 640 + 45 * row, design.ink)
    if (design.seed % 2 == 0) != (design.change == "dial"):
        face.pen.ellipse([250, 430, 390, 570], outline=design.ink, width=6)
    for long, wide in ((230, 22), (340, 14), (360, 5)):
        angle = random.uniform(0, 2 * np.pi)
        ends = [middle, middle, middle + long * np.cos(angle), middle + long * np.sin(angle)]
        face.pen.line(ends, fill=design.ink, width=wide)
    y, x = np.mgrid[:1000, :1000] / 1000 - 0.5
    far = np.hypot(x, y)
    rim = ((far > 0.41) & (far < 0.48)) * 40 * np.cos(2 * np.arctan2(y, x) + random.uniform(0, 6))
    beside = (x - random.uniform(-0.3, 0.3)) * np.cos(0.6) + (y - random.uniform(-0.3, 0.3)) * np.sin(0.6)
    glare = np.exp(-((beside / 0.06) ** 2)) * (far < 0.41) * random.uniform(10, 80)
    strap = (np.abs(x) < 0.17).astype(np.float32)
    return Drawing(face.pixels() + (rim + glare)[..., None], np.maximum(far < 0.48, strap), face.boxes)


def bag(design: Design, random: Random) -> Drawing:
    """A repeated pattern with a plate that bears the name."""
    cloth, step = Canvas(1100, 900, design.ground), 175 if design.change == "pattern's scale" else 140
    mask = emblem(design, round(0.45 * step))
    faint: Any = tuple(int(0.45 * a + 0.55 * b) for a, b in zip(design.ground, design.ink, strict=True))
    letters = printed.font(design.face, round(0.3 * step))
    for row in range(900 // step + 1):
        for column in range(-1, 1100 // step + 1):
            at = (column * step + row % 2 * step // 2, row * step + 20)
            if (row + column) % 2:
                cloth.image.paste(Image.new("RGB", mask.size, faint), at, mask)
            else:
                cloth.pen.text(at, design.brand[:2], font=letters, fill=faint)
    cloth.pen.rectangle([380, 360, 720, 500], fill=design.accent)
    cloth.name(design, 70, 550, 395, (20,) * 3 if sum(design.accent) > 384 else (240,) * 3, 310)
    shape, own = (900, 1100), np.random.default_rng(design.seed)
    pixels = cloth.pixels() + rough(shape, random, 10, 60) + rough(shape, own, 6, 3)
    return Drawing(
        pixels, filled(shape, [(120, 60), (980, 60), (1060, 860), (40, 860)]), [*cloth.boxes, (150, 80, 370, 300)]
    )


def shoe(design: Design, random: Random) -> Drawing:
    """Slanted stripes, a small mark and a small name."""
    side = Canvas(1200, 700, design.ground)
    lean = round(220 * design.slant)
    for number in range(design.stripes + (design.change == "one more")):
        low = 470 + 70 * number
        bottom, top = (low + lean, low) if design.change == "slant" else (low, low + lean)
        side.pen.polygon([(bottom, 540), (bottom + 38, 540), (top + 38, 240), (top, 240)], fill=design.ink)
    side.mark(design, 110, (170, 300), design.ink)
    side.name(design, 44, 220, 470, design.ink)
    side.pen.rectangle([60, 550, 1140, 640], fill=(235, 235, 230))
    outline = [(80, 520), (110, 330), (180, 180), (330, 150), (420, 260), (620, 300), (900, 390), (1080, 450)]
    shown = filled((700, 1200), [*outline, (1120, 540), (1110, 560), (80, 560)])
    shown[550:640, 60:1130] = 1
    light = 1.05 - 0.35 * (np.arange(700)[:, None, None] - 150) / 500
    pixels = side.pixels() * light + rough((700, 1200), random, 8, 90) + rough((700, 1200), random, 5, 4)
    return Drawing(pixels, shown, [*side.boxes, (470, 300, 570 + 70 * design.stripes, 540)])


def tag(design: Design, random: Random) -> Drawing:
    """A hang tag: the mark, the name, and lines of small print."""
    card = Canvas(800, 1200, design.ground)
    card.mark(design, 240, (280, 90), design.ink)
    card.name(design, 90, 400, 350, design.ink)
    lines = [*CARE, f"{design.line} made in Italy", f"Style 77-{design.seed % 9999}"]
    if design.change == "small print":
        row = int(random.integers(len(lines)))
        lines[row] = misspelt(misspelt(lines[row], random), random)
    for row, text in enumerate(lines):
        card.pen.text((90, 520 + 80 * row), text, font=printed.font(SMALL, 34), fill=design.ink)
    card.pen.ellipse([380, 20, 420, 60], fill=(90, 90, 90))
    card.pen.rectangle([0, 1120, 800, 1140], fill=design.accent)
    return Drawing(card.pixels(), np.ones((1200, 800), np.float32), card.boxes)


def shirt(design: Design, random: Random) -> Drawing:
    """Cloth in folds, which bend what is printed on it and shade it."""
    cloth, shape = Canvas(1100, 1200, design.ground), (1200, 1100)
    cloth.mark(design, 200, (450, 330), design.ink)
    cloth.name(design, 84, 550, 560, design.ink)
    y, x = np.mgrid[:1200, :1100].astype(np.float32)
    folds = (rough(shape, random, 1, 160) + 0.35 * rough(shape, random, 1, 60))[..., 0]
    down, along = np.gradient(folds)
    much = random.uniform(150, 500)
    bent = cv2.remap(cloth.pixels(), x + much * along, y + much * down, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    shade = 1 + np.clip(18 * (along + down), -0.35, 0.3)[..., None]
    half = [(550, 130), (670, 110), (770, 60), (1060, 260), (960, 430), (840, 360), (840, 1160)]
    outline = [*half, *((1100 - x, y) for x, y in half[:0:-1])]
    weave = rough(shape, np.random.default_rng(design.seed), 5, 2)
    boxes = [(x0 - 10, y0 - 10, x1 + 10, y1 + 10) for x0, y0, x1, y1 in cloth.boxes]
    return Drawing(bent * shade + weave, filled(shape, outline), boxes)


def metal(design: Design, random: Random) -> Drawing:
    """Brushed metal; the mark and the name are engraved, and seen by their edges alone, lit from any side."""
    plate = Canvas(1000, 700, (0, 0, 0))
    plate.mark(design, 240, (130, 220), (255, 255, 255))
    plate.name(design, 96, 670, 250, (255, 255, 255), 520)
    plate.small(f"{design.line} 925", 54, 600, 420, (255, 255, 255))
    depth = cv2.GaussianBlur(plate.pixels()[..., 0] / 255, (0, 0), 2.0) * (1.8 if design.change == "deeper" else 1.0)
    down, along = np.gradient(depth)
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:700, :1000] / 700
    wave = np.sin(random.uniform(2, 5) * x + random.uniform(1, 4) * y + random.uniform(0, 6))
    base = np.array((190, 170, 120) if design.seed % 2 else (175, 178, 182)) * (1 + 0.25 * wave[..., None])
    relief = 320 * (along * np.cos(angle) + down * np.sin(angle)) - 28 * depth
    brushed = random.normal(0, 4, (700, 1, 1))
    shown = filled((700, 1000), [(40, 60), (960, 60), (960, 640), (40, 640)])
    return Drawing((base + relief[..., None] + brushed).astype(np.float32), shown, plate.boxes)


def leather(design: Design, random: Random) -> Drawing:
    """Grained leather; the mark and the name are pressed into it without ink, lit from any side."""
    hide, shape = Canvas(1000, 760, (0, 0, 0)), (760, 1000)
    hide.mark(design, 260, (370, 120), (255, 255, 255))
    hide.name(design, 110, 500, 460, (255, 255, 255), 700)
    depth = cv2.GaussianBlur(hide.pixels()[..., 0] / 255, (0, 0), 3.0)
    down, along = np.gradient(230 * depth + rough(shape, random, 9, 4)[..., 0])
    angle = random.uniform(0, 2 * np.pi)
    lit = (along * np.cos(angle) + down * np.sin(angle) - 10 * depth)[..., None]
    shown = filled(shape, [(60, 90), (110, 50), (890, 50), (940, 90), (940, 670), (890, 710), (110, 710), (60, 670)])
    return Drawing((np.array(design.ground) * 0.8 + 20 + lit).astype(np.float32), shown, hide.boxes)


MARKS = ("letter", "typeface", "mirrored", "replaced")
KINDS: dict[str, tuple[Callable[[Design, Random], Drawing], tuple[str, ...]]] = {
    "bottle": (bottle, (*MARKS, "ink", "ground")),
    "watch": (watch, ("letter", "typeface", "replaced", "ink", "markers", "dial")),
    "bag": (bag, ("letter", "typeface", "pattern's scale", "mirrored", "replaced")),
    "shoe": (shoe, ("letter", "replaced", "ink", "ground", "one more", "slant")),
    "tag": (tag, (*MARKS, "ink", "small print")),
    "shirt": (shirt, (*MARKS, "ink", "smaller")),
    "metal": (metal, (*MARKS, "smaller", "deeper")),
    "leather": (leather, (*MARKS, "smaller")),
}


# --- listings ---------------------------------------------------------------------------------------------------------


def misspelt(text: str, random: Random) -> str:
    """The text with another letter somewhere."""
    place = int(random.choice([place for place, letter in enumerate(text) if letter.isalpha()]))
    other = str(random.choice([letter for letter in printed.LETTERS if letter != text[place].upper()]))
    return text[:place] + (other if text[place].isupper() else other.lower()) + text[place + 1 :]


def another(colour: Colour, random: Random) -> Colour:
    """A colour that differs by more than :data:`printed.FAINT` levels in some channel."""
    while True:
        red, green, blue = (int(part) for part in np.clip(np.array(colour) + random.choice([-1, 1], 3) * 60, 0, 255))
        if max(abs(red - colour[0]), abs(green - colour[1]), abs(blue - colour[2])) > printed.FAINT:
            return red, green, blue


def invented(random: Random, marks: list[Path], seed: int) -> list[Design]:
    """Two products of each brand."""

    def colour(low: int, high: int) -> Colour:
        red, green, blue = (int(part) for part in random.integers(low, high, 3))
        return red, green, blue

    found = []
    for brand in range(BRANDS):
        name, face = printed.NAMES[(BRANDS * seed + brand) % len(printed.NAMES)], str(random.choice(printed.FACES))
        for line in ("One", "Two"):
            dark, light = colour(20, 90), colour(180, 245)
            ground, ink = (dark, light) if random.integers(2) else (light, dark)
            shape = {"seed": int(random.integers(1 << 30)), "stripes": int(random.integers(3, 6))}
            slant = float(random.uniform(0.3, 0.7))
            found.append(Design(name, line, face, marks[brand], ground, ink, colour(40, 220), slant=slant, **shape))
    return found


def counterfeit(design: Design, change: str, random: Random, marks: list[Path]) -> Design:
    """The design with one change."""
    changed: dict[str, Any] = {"change": change}
    if change == "letter":
        changed |= {"printed": misspelt(design.brand, random)}
    elif change == "typeface":
        changed |= {"face": str(random.choice([face for face in printed.FACES if face != design.face]))}
    elif change == "mirrored":
        changed |= {"mirrored": True}
    elif change == "replaced":
        changed |= {"mark": marks[int(random.integers(BRANDS, len(marks)))]}
    elif change == "smaller":
        changed |= {"size": 0.8}
    elif change in ("ink", "ground"):
        changed |= {change: another(getattr(design, change), random)}
    return dataclasses.replace(design, **changed)


def photographed(
    drawing: Drawing, random: Random, unused: list[tuple[Path, int]], *, studio: bool
) -> tuple[Image.Image, tuple[cv.Region, ...]]:
    """A photo of it, and the marks' boxes there."""
    height, width = drawing.shown.shape
    photo = np.array(printed.PHOTO)
    around = np.full((*photo[::-1], 3), random.uniform(225, 250)) if studio else printed.floor(random, unused)
    size = (photo / (width, height)).min() * random.uniform(0.7, 0.95)
    turn = np.deg2rad(random.uniform(-3, 3) if studio else random.uniform(-14, 14))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2) * size @ spin.T
    corners = corners * (1 + random.uniform(-0.05, 0.05, (4, 1)) * (0.3 if studio else 1.0))
    corners = (corners + photo / 2 + random.uniform(-30, 30, 2)).astype(np.float32)
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    fine = cv2.GaussianBlur(drawing.pixels, (0, 0), max(0.1, 0.5 / size))
    shown = cv2.warpPerspective(drawing.shown.astype(np.float32), matrix, printed.PHOTO)[..., None]
    scene = around * (1 - shown) + cv2.warpPerspective(fine, matrix, printed.PHOTO) * shown
    regions = []
    for x0, y0, x1, y1 in drawing.boxes:
        box = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
        there = cv2.perspectiveTransform(box[None], matrix)[0]
        low = np.clip(there.min(axis=0), 0, photo - 2)
        regions.append(cv.Region(*low.tolist(), *np.clip(there.max(axis=0), low + 1, photo).tolist()))
    return printed.taken(scene, random, studio=studio), tuple(regions)


def make(kind: str, seed: int, folder: Path) -> printed.Set:
    """Draw and photograph one kind of goods, into ``folder``."""
    drawn, changes = KINDS[kind]
    random = np.random.default_rng([seed, *kind.encode()])
    folder.mkdir(parents=True, exist_ok=True)
    every = sorted(data.folder("marks-svg").rglob("*.svg"))
    plain = printed.Goods("", "", "", every[0], (0, 0, 0), (0, 0, 0), (0, 0, 0), 0, 64, 0, "")
    marks = [every[place] for place in random.permutation(len(every)) if printed.lopsided(every[place], plain)]
    unused = [(photo.path, corner) for photo in data.clothing() for corner in range(4)]
    designs = invented(random, marks, seed)

    def put(name: str, design: Design, *, studio: bool = False) -> tuple[Path, tuple[cv.Region, ...]]:
        photo, regions = photographed(drawn(design, random), random, unused, studio=studio)
        photo.save(folder / f"{name}.jpg", quality=int(random.integers(75, 93)))
        return folder / f"{name}.jpg", regions

    references = []
    for number, design in enumerate(designs):
        for shot in range(REFERENCES):
            name, studio = f"reference-{number}-{shot}", 2 * shot < REFERENCES
            photo, regions = put(name, design, studio=studio)
            gallery = "official" if studio else "genuine"
            references.append(
                cv.Reference(
                    id=name, photo=photo, brand=design.brand, product=design.product, gallery=gallery, regions=regions
                )
            )

    def offer(name: str, change: str) -> cv.Listing:
        design = designs[int(random.integers(len(designs)))]
        shown = counterfeit(design, change, random, marks) if change else design
        return cv.Listing(id=name, photos=[put(name, shown)[0]], brand=design.brand, product=design.product)

    attacks = [""] * GENUINE + [change for change in changes for _ in range(EACH)]
    calibration = [offer(f"calibration-{row}", "") for row in range(CALIBRATION)]
    return printed.Set(
        references, calibration, [offer(f"listing-{row}", name) for row, name in enumerate(attacks)], attacks
    )


def main() -> None:
    parser = printed.parser_of(__doc__, SEEDS, "kinds")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--bare", action="store_true", help="references without boxes around their marks")
    options = parser.parse_args()
    encoder = cv.load_encoder(options.encoder, dtype=options.dtype)
    result: dict[str, Any] = {
        "seeds": options.seeds,
        "encoder": encoder.name,
        "dtype": str(encoder.dtype),
        "boxes given": not options.bare,
        "kinds": {},
    }
    for kind in options.kinds:
        sets = ((seed, make(kind, seed, options.folder / f"{kind}-{seed}")) for seed in options.seeds)
        column = printed.gathered(printed.judged(goods, seed, encoder, bare=options.bare) for seed, goods in sets)
        attack, places = column["attack"], np.arange(len(column["attack"]))
        fake = attack != ""
        result["kinds"][kind] = {
            "fakes suspected": printed.share(column, fake),
            "fakes suspected, interval": bootstrap_interval(
                lambda rows, column=column, fakes=places[fake]: printed.share(column, fakes[rows]),
                column["brand"][fake].tolist(),
            ),
            "fakes detected": float(column["detected"][fake].mean()),
            "genuine suspected": printed.share(column, ~fake),
            "genuine detected": float(column["detected"][~fake].mean()),
            "AUROC": printed.ranks(column, places),
            "AUROC, plain cosine": printed.ranks(column, places, "plain"),
            "suspected, by change": {name: printed.share(column, attack == name) for name in KINDS[kind][1]},
        }
    partial = min(options.seeds) < DEVELOPMENT or set(options.kinds) != set(KINDS)
    name = "kinds-bare" if options.bare else "kinds"
    data.write(data.named(f"{name}-development" if partial else name, encoder), result)


if __name__ == "__main__":
    main()
