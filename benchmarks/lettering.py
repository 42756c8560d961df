"""Photos of wordmarks for ``benchmarks/wordmark.py``: words set in fonts, true or changed, in any pose and light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from counterfeit_vision.market.alphabet import GLYPHS, Typeface, Word

FONTS = Path("/usr/share/fonts/truetype")
SIZE = 160  # pixels of an em when a word is set, before the camera makes it smaller
HOMOGLYPHS = (("I", "l"), ("I", "1"), ("l", "1"), ("l", "I"), ("O", "0"), ("m", "rn"))  # true -> false
DIFFERENT = 0.90  # intersection over union of two drawn glyphs, best shifted, below which they count as different
CHINESE = dict(zip("华李宁安大小天美米白云日王", "毕季字妥太少夫羡来自去目玉", strict=True))  # true -> false

DEVELOPMENT_FACES = {
    "market plain": Typeface(),
    "market heavy square": Typeface(weight=0.2, square=4.0, width=1.1),
}
TEST_FACES = {
    "market serif": Typeface(weight=0.13, serif=0.1, contrast=0.5),
    "market slanted": Typeface(weight=0.16, slant=0.2, width=0.85, soft=True),
    "market light": Typeface(weight=0.09, spacing=0.24),
}
DEVELOPMENT_FONTS = (
    "liberation/LiberationSans-Bold.ttf", "liberation/LiberationSerif-Regular.ttf", "dejavu/DejaVuSerif.ttf",
    "comfortaa/Comfortaa-Bold.ttf", "roboto/unhinted/RobotoTTF/Roboto-Regular.ttf", "freefont/FreeMonoBold.ttf",
)  # fmt: skip
TEST_FONTS = (
    "liberation/LiberationSerif-BoldItalic.ttf", "liberation/LiberationMono-Bold.ttf", "dejavu/DejaVuSans-Bold.ttf",
    "dejavu/DejaVuSansCondensed.ttf", "ebgaramond/EBGaramond12-Bold.ttf", "../opentype/lobster/lobster.otf",
    "../opentype/cantarell/Cantarell-VF.otf",
    "roboto/unhinted/RobotoCondensed-Bold.ttf", "freefont/FreeSansOblique.ttf",
)  # fmt: skip
CHINESE_FONT = "wqy/wqy-microhei.ttc"

DEVELOPMENT_WORDS = (
    "ADIDAS", "PUMA", "ROLEX", "Omega", "Lumina", "KODIAK", "Milano", "SONIC", "Velor", "GLOBAL", "Primal", "OLIVIA",
    "Dominion", "Tempo", "BORDO", "Illumo", "NIKOLI", "Marlow", "Pilot", "Zoom",
)  # fmt: skip
TEST_WORDS = (
    "GUCCI", "NIKE", "Chloe", "TIMBERLINE", "Hermione", "CONVOI", "Salomo", "FILIO", "Almira", "MONTBLANC", "Bellini",
    "OAKLIN", "Lacombe", "Swatchmo", "DIORIO", "Palomino", "VICTORINO", "Kimbo", "ELODIE", "Rimola", "FOSSIO", "Calma",
    "TOMILO", "Ellmore",
)  # fmt: skip
DEVELOPMENT_CHINESE = ("华安", "李大白", "天王")
TEST_CHINESE = ("小米云", "美日", "安宁", "大白天")


@dataclass(frozen=True)
class Mark:
    """A wordmark: ``text`` as ``face`` draws it; ``drawn`` has one string a letter, which differs on fakes only."""

    text: str
    face: str
    drawn: tuple[str, ...]


def faces(part: str) -> tuple[dict[str, Typeface], list[str], bool]:
    """The market's typefaces, the system fonts that are there, and whether the Chinese one is."""
    market, fonts = (DEVELOPMENT_FACES, DEVELOPMENT_FONTS) if part == "development" else (TEST_FACES, TEST_FONTS)
    return market, [name for name in fonts if (FONTS / name).is_file()], (FONTS / CHINESE_FONT).is_file()


def genuine_marks(part: str) -> list[Mark]:
    """Every word in every face that has its letters."""
    market, fonts, chinese = faces(part)
    words = DEVELOPMENT_WORDS if part == "development" else TEST_WORDS
    marks = [Mark(word, font, tuple(word)) for word in words for font in fonts]
    marks += [Mark(word.upper(), face, tuple(word.upper())) for word in words for face in market]
    if chinese:
        words = DEVELOPMENT_CHINESE if part == "development" else TEST_CHINESE
        marks += [Mark(word, CHINESE_FONT, tuple(word)) for word in words]
    return marks


def letter_swap(mark: Mark, random: np.random.Generator) -> Mark:
    """One letter replaced, doubled by another, or left out: what a reader sees."""
    place = int(random.integers(len(mark.drawn)))
    old = mark.drawn[place]
    drawn = list(mark.drawn)
    if mark.face == CHINESE_FONT:
        places = [place for place, old in enumerate(drawn) if old in CHINESE]
        place = int(random.choice(places))
        drawn[place] = CHINESE[drawn[place]]
        return Mark(mark.text, mark.face, tuple(drawn))
    capitals = old.isupper()
    # letters that are no homoglyphs of each other; the market's face has few small ones and none is needed.
    pool = [c for c in "ABDEFGHKMNPRSTUVXZ" if c != old.upper()]
    new = str(random.choice(pool))
    new = new if capitals else new.lower()
    kind = random.choice(["replace", "insert", "leave out"], p=[0.7, 0.2, 0.1])
    if mark.face in DEVELOPMENT_FACES | TEST_FACES or kind == "replace":  # the market sets letters in fixed places
        drawn[place] = new
    elif kind == "insert":
        drawn[place] = old + new
    else:
        drawn[place] = ""
    return Mark(mark.text, mark.face, tuple(drawn))


def homoglyphs(mark: Mark) -> list[Mark]:
    """Every change of one letter into a homoglyph whose drawing differs in this face."""
    found = []
    for place, old in enumerate(mark.drawn):
        for true, false in HOMOGLYPHS:
            if old == true and drawings_differ(mark.face, true, false):
                found.append(Mark(mark.text, mark.face, (*mark.drawn[:place], false, *mark.drawn[place + 1 :])))
    return found


@lru_cache(maxsize=512)
def drawings_differ(face: str, first: str, second: str) -> bool:
    """Whether the drawn glyphs overlap less than :data:`DIFFERENT`, whatever the shift."""
    try:
        one, two = (set_word(Mark(text, face, (text,))) > 127 for text in (first, second))
    except KeyError:
        return False
    if not one.any() or not two.any():
        return False
    height = max(one.shape[0], two.shape[0]) + 40
    width = max(one.shape[1], two.shape[1]) + 40
    a = np.zeros((height, width), np.float32)
    a[20 : 20 + one.shape[0], 20 : 20 + one.shape[1]] = one
    overlap = float(cv2.matchTemplate(np.pad(a, 60), two.astype(np.float32), cv2.TM_CCORR).max())
    return overlap / (one.sum() + two.sum() - overlap) < DIFFERENT


def set_word(mark: Mark) -> np.ndarray:
    """(h, w) uint8 coverage of a word, tight to the ink sideways, one em high."""
    market = DEVELOPMENT_FACES | TEST_FACES
    if mark.face in market:
        if not set("".join(mark.drawn)) <= set(GLYPHS):
            raise KeyError(mark.drawn)
        elements = Word(mark.text if len(mark.drawn) > 1 else mark.drawn[0][0], market[mark.face],
                        mark.drawn if len(mark.drawn) > 1 else (mark.drawn[0],)).shape()  # fmt: skip
        points = np.concatenate([polygon for element in elements for polygon in element.polygons])
        low, high = points.min(axis=0) * SIZE - 2, points.max(axis=0) * SIZE + 2
        canvas = np.zeros(np.ceil(high - low).astype(int)[::-1], np.uint8)
        for element in elements:
            for polygon in element.polygons:
                cv2.fillPoly(canvas, [((polygon * SIZE - low) * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4)
        return canvas
    font = ImageFont.truetype(str(FONTS / mark.face), SIZE)
    text = "".join(mark.drawn)
    x0, _, x1, _ = font.getbbox(text)
    up, down = font.getmetrics()
    image = Image.new("L", (int(x1 - x0) + 4, up + down))
    ImageDraw.Draw(image).text((2 - x0, 0), text, fill=255, font=font)
    canvas = np.array(image)
    rows = np.flatnonzero(canvas.max(axis=1))
    return canvas[rows[0] : rows[-1] + 1] if len(rows) else canvas


def photograph(mark: Mark, random: np.random.Generator) -> np.ndarray:
    """The crop of a photo around the mark, (h, w, 3) uint8 RGB.

    Capitals are 26 to 70 pixels high; yaw and pitch up to 25, roll up to 12 degrees; two colours at least 60 grey
    levels apart, either the darker; a weave or grain, a light that falls off, blur up to 1.3 pixels, noise up to 8 grey
    levels, JPEG 50 to 95; the crop is 4 to 20 % larger than the mark on each side.
    """
    ink = set_word(mark).astype(np.float32) / 255
    ink = np.pad(ink, int(0.5 * SIZE))
    height, width = ink.shape
    grey = random.uniform(0.05, 0.95, 2)
    while abs(grey[0] - grey[1]) < 60 / 255:
        grey = random.uniform(0.05, 0.95, 2)
    colours = [np.clip(level + random.normal(0, 0.08, 3), 0, 1) for level in grey]
    grain = random.normal(0, 1, (height // 6 + 1, width // 6 + 1)).astype(np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)[:, :, None] * random.uniform(0, 0.02)
    light = (
        np.linspace(*random.uniform(0.7, 1.1, 2), width)[None, :, None]
        * np.linspace(*random.uniform(0.8, 1.1, 2), height)[:, None, None]
    )
    scene = (colours[0] * ink[:, :, None] + colours[1] * (1 - ink[:, :, None]) + grain) * light
    target = random.uniform(26, 70) / (0.72 * SIZE)
    yaw, pitch, roll = np.radians(random.uniform(-1, 1, 3) * (25, 25, 12))
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn = turn @ [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    turn = turn @ [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    away = 2.5 * width
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    inner = 0.5 * SIZE
    box = np.array([[inner, inner], [width - inner, inner], [width - inner, height - inner], [inner, height - inner]])

    def seen(points: np.ndarray) -> np.ndarray:
        space = np.c_[points - [width / 2, height / 2], np.zeros(len(points))] @ turn.T
        return space[:, :2] * (target * away / (space[:, 2:] + away))

    mine = seen(box)
    margin = random.uniform(0.04, 0.2, 4) * (mine[:, 1].max() - mine[:, 1].min())
    low, high = mine.min(axis=0) - margin[:2], mine.max(axis=0) + margin[2:]
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), (seen(corners) - low).astype(np.float32))
    size = np.ceil(high - low).astype(int)
    smooth = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), max(0.1, 0.4 / target))  # against aliasing
    photo = cv2.warpPerspective(smooth, matrix, tuple(size.tolist()), borderMode=cv2.BORDER_REPLICATE)
    photo = cv2.GaussianBlur(photo, (0, 0), 0.01 + 1.3 * random.random())
    photo = photo * 255 + random.normal(0, 8 * random.random(), photo.shape)
    pixels = np.clip(photo, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(50, 96))])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].copy()
