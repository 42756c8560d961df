"""Invented brands: a name, a palette, a logo, a typeface; and an older logo that some of their genuine goods still
carry.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .alphabet import GLYPHS, Typeface
from .artwork import Artwork, Colour, Mark
from .logos import FAMILIES, Logo
from .svg import SvgMark, read_marks, read_svg

__all__ = ["Brand", "Palette", "contrast_ink", "invent", "luminance", "old_version", "with_svg_marks"]

MOST = 2000
"""Brands: some 3800 names can be made, and the last ones take long to be hit upon."""

_FIRST = (
    "bel cor dra fen gal hal jor kel lum mer nor ost pel quo ras sil tav ulm vel wen yar zan bri cal dor eli far gri"
)
_MIDDLE = "a e i o u a o i"
_LAST = "dane fort gren kora lith mora nde nix quin rane ris sand tane tor va vane vik wyn zen lo mar neth sk"
_REAL = """
adidas apple arena armani asics audi bally bosch braun burberry canon casio celine chanel coach
converse delonghi diesel dior disney dyson elvive fendi fila fossil garnier givenchy gucci hermes
hugo huawei intel kenzo lacoste lancome lego lenovo levis loreal lululemon mango marlboro maybelline
miele milka moncler nikon nivea nike nokia olay omega oral pandora pantene pepsi philips prada puma
rado reebok rolex samsung sony swarovski timberland tissot tory umbro vans versace vittel volvo
xiaomi zara calvin dorito corsair belstaff norton kelvin fender garmin jordan mercator silva
"""

_PALETTES: tuple[tuple[str, str, str], ...] = (
    ("1b2a41", "f2efe6", "c8553d"),
    ("20302a", "f0ead8", "d9a441"),
    ("3a1f2b", "f7ebe8", "b6465f"),
    ("14213d", "f4f4f2", "fca311"),
    ("2d2a32", "eeeae4", "8f2d56"),
    ("0b3c49", "f3f0e7", "e16036"),
    ("262626", "fafafa", "c1121f"),
    ("3d2b1f", "f5ecdc", "6a994e"),
    ("1f2041", "f1eef7", "4b8f8c"),
    ("402218", "fbf3e4", "2a6f97"),
    ("183a37", "efe6dd", "c44900"),
    ("22223b", "f2e9e4", "9a8c98"),
    ("0f2e2e", "e9f1ee", "d1495b"),
    ("2b2d42", "edf2f4", "2f9c95"),
)


@dataclass(frozen=True)
class Palette:
    """Three colours that a brand prints with."""

    dark: Colour
    light: Colour
    accent: Colour


@dataclass(frozen=True)
class Brand:
    """``name`` in capitals, ``id`` for file names, its marks and its style."""

    id: str
    name: str
    palette: Palette
    logo: Logo | SvgMark
    old_logo: Logo | SvgMark
    face: Typeface
    seed: int


def _rgb(text: str) -> Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def luminance(colour: Colour) -> float:
    """0 black .. 1 white, as the eye sees it."""
    return (0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255


def contrast_ink(ground: Colour, palette: Palette, rng: np.random.Generator) -> Colour:
    """A colour of the palette that reads well on ``ground``."""
    inks = [c for c in (palette.dark, palette.light, palette.accent) if abs(luminance(c) - luminance(ground)) > 0.33]
    return inks[int(rng.integers(len(inks)))] if inks else (palette.light if luminance(ground) < 0.5 else palette.dark)


def _name(rng: np.random.Generator, taken: set[str]) -> str:
    first, middle, last = (syllables.split() for syllables in (_FIRST, _MIDDLE, _LAST))
    while True:
        vowel = str(rng.choice(middle)) if rng.random() < 0.4 else ""
        name = f"{rng.choice(first)}{vowel}{rng.choice(last)}"
        real = any(known in name or name in known for known in _REAL.split())
        if 5 <= len(name) <= 8 and name not in taken and not real:
            return name


def _typeface(rng: np.random.Generator) -> Typeface:
    kind = int(rng.integers(4))
    weight = float(rng.uniform(0.11, 0.2))
    spacing = float(rng.uniform(0.1, 0.2))
    if kind == 0:
        return Typeface(weight=weight, width=float(rng.uniform(0.85, 1.15)), spacing=spacing)
    if kind == 1:
        return Typeface(weight=weight + 0.03, width=float(rng.uniform(0.95, 1.25)), square=3.4, spacing=spacing)
    if kind == 2:
        contrast = float(rng.uniform(0.4, 0.65))
        return Typeface(
            weight=weight + 0.01, contrast=contrast, serif=float(rng.uniform(0.07, 0.11)), spacing=spacing + 0.06
        )
    return Typeface(weight=weight, slant=float(rng.uniform(0.15, 0.28)), soft=True, width=0.9, spacing=spacing)


def invent(count: int, seed: int) -> list[Brand]:
    """``count`` brands; brand i is the same however many are asked for."""
    if count > MOST:
        raise InputError(f"brands={count}: there are names for {MOST}; ask for no more")
    taken: set[str] = set()
    brands = []
    palettes = np.random.default_rng([seed, 71]).permutation(len(_PALETTES))
    families = np.random.default_rng([seed, 72]).permutation(sorted(FAMILIES))
    for i in range(count):
        rng = np.random.default_rng([seed, 7, i])
        name = _name(rng, taken)
        taken.add(name)
        jitter = rng.integers(-10, 11, (3, 3))
        colours = [
            tuple(int(np.clip(c + d, 0, 255)) for c, d in zip(_rgb(text), shift, strict=True))
            for text, shift in zip(_PALETTES[palettes[i % len(_PALETTES)]], jitter, strict=True)
        ]
        palette = Palette(*((c[0], c[1], c[2]) for c in colours))
        numbers = (float(rng.random()), float(rng.random()), float(rng.random()))
        logo = Logo(
            str(families[i % len(families)]),
            numbers,
            int(rng.integers(3, 6)),
            float(rng.uniform(0.16, 0.28)),
            name[0].upper(),
        )
        older = (float((numbers[0] + 0.35) % 1), numbers[1], numbers[2])
        old = replace(logo, weight=logo.weight * 0.7, numbers=older, count=logo.count + (1 if logo.count < 5 else -1))
        brands.append(Brand(name, name.upper(), palette, logo, old, _typeface(rng), seed * 1000 + i))
    return brands


def with_svg_marks(brands: list[Brand], folder: str | os.PathLike[str], seed: int) -> list[Brand]:
    """The brands with logos and names of a folder of SVG marks; each keeps its typeface and its light colour."""
    rows = read_marks(folder)
    order = np.random.default_rng([seed, 73]).permutation(len(rows))
    marked: list[Brand] = []
    for i, brand in enumerate(brands):
        file, title, colour = rows[order[i % len(rows)]]
        mark = read_svg(file, title=title, colour=colour)
        name = "".join(letter for letter in title.upper() if letter in GLYPHS and letter.isalnum())[:10] or brand.name
        id = name.lower() if name.lower() not in {other.id for other in marked} else f"{name.lower()}-{i}"
        ink = mark.colour if luminance(mark.colour) < 0.55 else brand.palette.dark
        palette = replace(brand.palette, dark=ink)
        marked.append(replace(brand, id=id, name=name, logo=mark, old_logo=mark, palette=palette))
    return marked


def old_version(artwork: Artwork, brand: Brand) -> Artwork:
    """The artwork as it was before the brand redrew its logo; a mark from a file was just heavier."""

    def older(mark: Mark) -> Mark:
        if mark.is_word:
            return mark
        return replace(mark, design=brand.old_logo, bold=0.03 if isinstance(brand.old_logo, SvgMark) else mark.bold)

    return artwork.with_marks(older)
