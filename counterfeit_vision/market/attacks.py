"""How fakes differ: a table of attacks, each graded by the share of the mark's box that it changes.

An :class:`Alteration` redraws the artwork. Its magnitude is searched so that the changed share of the mark's box falls
into the range of the strength (for ``wrong_pattern`` of the pattern's box, seen as large as the product's marks allow:
the longest is :data:`SEEN` pixels long). A :class:`Substitution` puts another product into the photo, a :class:`Theft`
takes the brand's own photo.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from .alphabet import GLYPHS, Typeface, Word, line_of_text
from .artwork import CHANGED, Artwork, Box, Colour, Face, Mark, box_of, flat
from .layers import Pattern
from .logos import Logo
from .shapes import cover, extent, transformed

__all__ = ["ATTACKS", "STRENGTHS", "Alteration", "Attack", "Substitution", "Theft", "altered", "changed_share"]

STRENGTHS: dict[str, tuple[float, float]] = {"weak": (0.002, 0.01), "medium": (0.01, 0.05), "strong": (0.05, 0.15)}
"""Share of the mark's box that differs in a photo, from and to."""

SEEN = 64
"""Pixels on a mark's long side where the share is taken, the least in a photo: finer changes, no photo can show."""

Range: TypeAlias = "tuple[float, float]"
Rng: TypeAlias = np.random.Generator

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOOKALIKE_TABLE = """
A:4 B:8,R C:G,O D:O,0 E:F,3 F:E,P G:6,C H:N I:l,1,J J:I,1 K:X,R L:I,l M:rn,N N:M,H O:0,Q,D P:F,R Q:O,0 R:P,B
S:5,8 T:I,7 U:V,J V:U,Y W:VV X:K Y:V,T Z:2,7 0:O,D 1:I,l 2:Z 3:8 4:A 5:S 6:G 7:T 8:B 9:8
"""
_LOOKALIKES = {entry[0]: tuple(entry[2:].split(",")) for entry in _LOOKALIKE_TABLE.split()}
_SYMMETRIC = frozenset("AHIMOTUVWXY0818")


@dataclass(frozen=True)
class Alteration:
    """Redraws the artwork: ``apply(artwork, wanted share, rng)``; it ``fits`` where there is something to redraw."""

    name: str
    apply: Callable[[Artwork, Range, Rng], Artwork]
    fits: Callable[[Artwork], bool] = lambda artwork: True


@dataclass(frozen=True)
class Substitution:
    """Shows another product; ``knock_off(artwork, marks to imitate, rng)`` imitates the brand's marks on it."""

    name: str
    knock_off: Callable[[Artwork, Artwork, Rng], Artwork]


@dataclass(frozen=True)
class Theft:
    """Re-uses the brand's own photo: ``disguise(photo, product mask, strength, rng)`` gives both anew."""

    name: str
    disguise: Callable[[Image.Image, Image.Image, str, Rng], tuple[Image.Image, Image.Image]]


Attack: TypeAlias = "Alteration | Substitution | Theft"


def _main_marks(artwork: Artwork, words: bool | None) -> list[Mark]:
    return [mark for mark in artwork[artwork.main].marks if words is None or mark.is_word == words]


def _word_mark(artwork: Artwork) -> tuple[Mark, Word]:
    """The wordmark of the main face; every product has one."""
    for mark in artwork[artwork.main].marks:
        if isinstance(mark.design, Word):
            return mark, mark.design
    raise ValueError(f"face {artwork.main!r} has no wordmark")


def _long(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def share(old: Face, new: Face, box: Box, long: int = 0) -> float:
    """The visibly different part of a box, 0..1; a ramp around :data:`CHANGED`.

    It is seen so that ``long`` texels, or the box's long side, are :data:`SEEN` pixels.
    """
    scale = SEEN / (long or _long(box))
    size = (max(8, round(scale * (box[2] - box[0]))), max(8, round(scale * (box[3] - box[1]))))
    lanes = (np.clip(flat(face, box).lanes[..., :3] * 255 + 0.5, 0, 255).astype(np.uint8) for face in (old, new))
    before, after = (np.array(Image.fromarray(each).resize(size, Image.Resampling.BICUBIC), np.int16) for each in lanes)
    return float(np.clip(np.abs(before - after).max(axis=2) / CHANGED - 0.5, 0, 1).mean())


def changed_share(old: Artwork, new: Artwork) -> float:
    """The largest changed share of a mark's box on the main face (of the face's pattern, if no mark changed)."""
    before, after = old[old.main], new[old.main]
    shares = [share(before, after, box_of(before, mark)) for mark in before.marks if mark not in after.marks]
    return max(shares) if shares else _pattern_share(old, new)


def altered(attack: Alteration, artwork: Artwork, wanted: Range, rng: Rng) -> Artwork | None:
    """The artwork with the attack on it; None where that changes less than half of the least share that is wanted."""
    new = attack.apply(artwork, wanted, rng)
    return new if changed_share(artwork, new) >= wanted[0] / 2 else None


def _aim(wanted: Range, rng: Rng) -> float:
    """A share in the upper half (by ratio) of the wanted range."""
    return float(np.exp(rng.uniform(np.log(wanted[0] * wanted[1]) / 2, np.log(wanted[1] * 0.95))))


def _miss(found: float, aim: float, wanted: Range) -> float:
    """How far from ``aim`` (in ratio); what is outside the wanted range is farther than all that is within."""
    outside = not wanted[0] <= found <= wanted[1]
    return float(abs(np.log(max(found, 1e-6) / aim))) + 10.0 * outside


def _closest(candidates: Iterable[Artwork], old: Artwork, mark: Mark, wanted: Range, rng: Rng) -> Artwork:
    """Of the first candidates, the one whose share is nearest to an aim in the wanted range."""
    aim, face, box = _aim(wanted, rng), old[old.main], box_of(old[old.main], mark)
    best, distance = old, np.inf
    for candidate in itertools.islice(candidates, 40):
        miss = _miss(share(face, candidate[old.main], box), aim, wanted)
        if miss < distance:
            best, distance = candidate, miss
        if miss < 0.15:
            break
    return best


def _tuned(make: Callable[[float], Artwork], measure: Callable[[Artwork], float], wanted: Range, rng: Rng) -> Artwork:
    """``make(m)`` with the magnitude m in 0.0001..1 at which the share is nearest to an aim in the wanted range."""
    aim, low, high = _aim(wanted, rng), -4.0, 0.0
    best = make(1.0)
    distance = _miss(measure(best), aim, wanted)
    for _ in range(11):
        middle = (low + high) / 2
        candidate = make(10.0**middle)
        found = measure(candidate)
        if _miss(found, aim, wanted) < distance:
            best, distance = candidate, _miss(found, aim, wanted)
        if distance < 0.08:
            break
        low, high = (middle, high) if found < aim else (low, middle)
    return best


def _redrawn(artwork: Artwork, mark: Mark, change: Callable[[Mark], Mark]) -> Artwork:
    """``change`` on every mark of that design, on all faces: who copies a product makes one stencil."""
    return artwork.with_marks(lambda m: change(m) if m.design == mark.design else m)


def _tuned_mark(
    artwork: Artwork, words: bool | None, wanted: Range, rng: Rng, change: Callable[[Mark, float], Mark]
) -> Artwork:
    marks = _main_marks(artwork, words)
    mark = marks[int(rng.integers(len(marks)))]
    face, box = artwork[artwork.main], box_of(artwork[artwork.main], mark)
    return _tuned(
        lambda m: _redrawn(artwork, mark, lambda old: change(old, m)),
        lambda new: share(face, new[artwork.main], box),
        wanted,
        rng,
    )


def _spelled(artwork: Artwork, mark: Mark, swaps: dict[int, str]) -> Artwork:
    word = _word_mark(artwork)[1]
    drawn = tuple(swaps.get(i, letter) for i, letter in enumerate(word.text))
    return _redrawn(artwork, mark, lambda m: replace(m, design=replace(word, drawn=drawn)))


def _letters(artwork: Artwork, wanted: Range, rng: Rng, choices: Callable[[str], Iterable[str]]) -> Artwork:
    """Swap one letter, or for larger shares several."""
    mark, word = _word_mark(artwork)
    text = word.text
    singles = [(i, other) for i, letter in enumerate(text) for other in choices(letter) if other != letter]
    singles = [singles[i] for i in rng.permutation(len(singles))]
    several = []
    for count in range(2, len(text) + 1):
        for _ in range(12):
            picked = {singles[int(i)][0]: singles[int(i)][1] for i in rng.permutation(len(singles))[: 2 * count]}
            several.append(dict(itertools.islice(picked.items(), count)))
    ways: Iterable[dict[int, str]] = itertools.chain(({i: other} for i, other in singles), several)
    if wanted[0] >= STRENGTHS["strong"][0]:
        ways = itertools.chain(several[:36], ({i: other} for i, other in singles))
    return _closest((_spelled(artwork, mark, way) for way in ways), artwork, mark, wanted, rng)


def _letter_swap(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """A letter of the wordmark is another letter."""
    return _letters(artwork, wanted, rng, lambda letter: _LETTERS)


def _homoglyph(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """Letters of the wordmark are look-alikes."""
    return _letters(artwork, wanted, rng, lambda letter: _LOOKALIKES.get(letter, ()))


def _shifted(colour: Colour, rng: Rng) -> Colour:
    """A colour that a careless printer would give: another hue or lightness, 40 to 90 levels off."""
    while True:
        shift = rng.normal(0, 45, 3)
        other = tuple(int(np.clip(c + s, 0, 255)) for c, s in zip(colour, shift, strict=True))
        if 40 <= max(abs(a - b) for a, b in zip(colour, other, strict=True)) <= 90:
            return other[0], other[1], other[2]


def _colour(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """From one side, a mark is printed in a wrong colour."""
    seed = int(rng.integers(1 << 30))

    def change(mark: Mark, m: float) -> Mark:
        return replace(mark, fade=(_shifted(mark.colour, np.random.default_rng(seed)), m))

    return _tuned_mark(artwork, None, wanted, rng, change)


def _wrong_font(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """The wordmark is set in a slightly different typeface."""
    word = _word_mark(artwork)[1]
    own = word.face

    def change(mark: Mark, m: float) -> Mark:
        names = ("weight", "width", "slant", "contrast", "serif", "square")
        face = replace(
            own, **{name: getattr(own, name) + m * (getattr(other, name) - getattr(own, name)) for name in names}
        )
        wide = [np.ptp(extent(w.shape())[[0, 2]]) for w in (word, replace(word, face=face))]
        return replace(mark, design=replace(word, face=face), stretch=mark.stretch * float(wide[0] / wide[1]))

    other = Typeface(
        weight=own.weight * float(rng.choice([0.7, 1.35])),
        width=own.width * float(rng.uniform(0.85, 1.2)),
        slant=0.0 if own.slant else float(rng.uniform(0.1, 0.25)) * float(rng.integers(2)),
        contrast=0.0 if own.contrast else 0.45,
        serif=0.0 if own.serif else 0.1,
        square=3.2 if own.square < 2.5 else 2.0,
    )
    return _tuned_mark(artwork, True, wanted, rng, change)


def _stroke(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """The strokes of a mark are too heavy or too light."""
    sign = 1.0 if rng.random() < 0.65 else -1.0
    return _tuned_mark(artwork, None, wanted, rng, lambda mark, m: replace(mark, bold=mark.bold + sign * 0.07 * m))


def _proportion(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """A mark is stretched or squeezed."""
    wider = rng.random() < 0.5

    def change(mark: Mark, m: float) -> Mark:
        return replace(mark, stretch=mark.stretch * (1 + 0.35 * m if wider else 1 / (1 + 0.35 * m)))

    return _tuned_mark(artwork, None, wanted, rng, change)


def _moved(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """A mark is not in its place."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = 0.3 * float(np.cos(angle)), 0.3 * float(np.sin(angle))

    def change(mark: Mark, m: float) -> Mark:
        return replace(mark, x=mark.x + x * m * mark.height, y=mark.y + y * m * mark.height)

    return _tuned_mark(artwork, None, wanted, rng, change)


def _rotated(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """A mark is turned."""
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return _tuned_mark(artwork, None, wanted, rng, lambda mark, m: replace(mark, angle=mark.angle + sign * 40 * m))


def _lopsided(artwork: Artwork) -> list[int]:
    """The places of the wordmark's letters that look otherwise in a mirror."""
    return [i for i, letter in enumerate(_word_mark(artwork)[1].text) if letter not in _SYMMETRIC]


def _mirrored(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """Letters the wrong way round; strong: more of them."""
    mark, word = _word_mark(artwork)
    places = _lopsided(artwork)
    sets = [subset for count in range(1, len(places) + 1) for subset in itertools.combinations(places, count)]
    sets = [sets[i] for i in rng.permutation(len(sets))]
    if wanted[0] < STRENGTHS["strong"][0]:
        sets.sort(key=len)

    def turned(places: tuple[int, ...]) -> Artwork:
        return _redrawn(artwork, mark, lambda m: replace(m, design=replace(word, mirrored=places)))

    return _closest(map(turned, sets), artwork, mark, wanted, rng)


def _patterns(artwork: Artwork) -> list[Pattern]:
    return [layer for layer in artwork[artwork.main].ground if isinstance(layer, Pattern)]


def _pattern_box(artwork: Artwork, pattern: Pattern) -> Box:
    width, height = artwork[artwork.main].texels
    x0, y0, x1, y1 = pattern.box
    return int(x0 * width), int(y0 * height), max(int(x1 * width), 1), max(int(y1 * height), 1)


def _pattern_share(old: Artwork, new: Artwork) -> float:
    patterns, face = _patterns(old), old[old.main]
    if not patterns:
        return 0.0
    long = max(_long(box_of(face, mark)) for mark in face.marks)
    return share(face, new[old.main], _pattern_box(old, patterns[0]), long)


def _wrong_pattern(artwork: Artwork, wanted: Range, rng: Rng) -> Artwork:
    """The pattern a little coarser, turned, heavier."""
    pattern = _patterns(artwork)[0]
    turn, grow = float(rng.choice([-1, 1])) * 12, float(rng.choice([-1, 1]))

    def make(m: float) -> Artwork:
        # Small magnitudes only make it heavier, large ones turn it too: the share rises all the way.
        other = replace(
            pattern,
            amount=float(np.clip(pattern.amount + grow * 0.35 * m, 0.08, 0.9)),
            angle=pattern.angle + turn * max(0.0, m - 0.35) ** 2,
        )
        face = artwork[artwork.main]
        ground = tuple(other if layer is pattern else layer for layer in face.ground)
        return artwork.with_face(artwork.main, replace(face, ground=ground))

    return _tuned(make, lambda new: _pattern_share(artwork, new), wanted, rng)


def _knock_off(body: Artwork, marks: Artwork, rng: Rng) -> Artwork:
    """``body`` with careless imitations of the marks of ``marks``."""
    word = _word_mark(marks)[1]
    logo = _main_marks(marks, False)[0].design
    place = int(rng.integers(len(word.text)))
    letters = [other for other in _LOOKALIKES.get(word.text[place], "E") if other in GLYPHS or len(other) == 2]
    drawn = tuple(str(rng.choice(letters)) if i == place else letter for i, letter in enumerate(word.text))
    face = replace(word.face, weight=word.face.weight * float(rng.choice([0.75, 1.3])), slant=word.face.slant * 0.5)
    if isinstance(logo, Logo):
        logo = replace(
            logo, weight=logo.weight * float(rng.choice([0.7, 1.3])), count=logo.count + (1 if logo.count < 5 else -1)
        )
    false_word = Word(word.text, face, drawn)

    def change(mark: Mark) -> Mark:
        if not mark.is_word:
            return replace(mark, design=logo, mirror=not isinstance(logo, Logo))
        wide = [float(np.ptp(extent(design.shape())[[0, 2]])) for design in (mark.design, false_word)]
        fit = min(1.0, wide[0] / wide[1])
        return replace(mark, design=false_word, height=mark.height * fit)

    return body.with_marks(change)


def _banner(photo: Image.Image, rng: Rng) -> Image.Image:
    """A seller's coloured bar with words, or words across the photo."""
    width, height = photo.size
    photo = photo.copy()
    text = str(rng.choice(["FAST SHIPPING", "100% ORIGINAL", "TOP QUALITY", "LAST PIECES"]))
    if rng.random() < 0.6:
        bar = round(height * float(rng.uniform(0.08, 0.13)))
        top = 0 if rng.random() < 0.4 else height - bar
        colour = ((200, 30, 40), (20, 90, 160), (245, 190, 30))[int(rng.integers(3))]
        ImageDraw.Draw(photo).rectangle((0, top, width, top + bar), fill=colour)
        shape = transformed(
            line_of_text(text, Typeface(weight=0.16)), np.eye(2) * bar * 0.5, np.array([width / 2, top + bar / 2])
        )
        ink, mask = (255, 255, 255), cover(shape, (width, height))
    else:
        angle = np.radians(-25)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * height * 0.1
        shape = transformed(line_of_text(text, Typeface(weight=0.12)), turn, np.array([width / 2, height / 2]))
        ink, mask = (255, 255, 255), cover(shape, (width, height)) * 0.45
    photo.paste(ink, mask=Image.fromarray((mask * 255).astype(np.uint8)))
    return photo


def _disguise(photo: Image.Image, mask: Image.Image, strength: str, rng: Rng) -> tuple[Image.Image, Image.Image]:
    """Crop, flip, turn, tone and cover; the result keeps the long side of ``photo``. ``mask`` goes along."""
    long = max(photo.size)
    level = list(STRENGTHS).index(strength)
    both = [photo, mask]
    if level and rng.random() < 0.5:
        both = [ImageOps.mirror(each) for each in both]
    if level == 2:
        angle = float(rng.uniform(-4, 4))
        both = [each.rotate(angle, Image.Resampling.BICUBIC, fillcolor=each.getpixel((2, 2))) for each in both]
    cut = (0.02, 0.08, 0.16)[level] * float(rng.uniform(0.6, 1.3))
    width, height = photo.size
    left, top, right, bottom = (cut * float(rng.uniform(0, 1)) for _ in range(4))
    box = (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    scale = long / max(box[2] - box[0], box[3] - box[1])
    size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
    photo, mask = (each.resize(size, Image.Resampling.BICUBIC, box=box) for each in both)
    photo = ImageEnhance.Brightness(photo).enhance(float(rng.uniform(1 - 0.06 * level, 1 + 0.06 * level)))
    photo = ImageEnhance.Color(photo).enhance(float(rng.uniform(1 - 0.15 * level, 1 + 0.15 * level)))
    return _banner(photo, rng) if rng.random() < (0.2, 0.6, 1.0)[level] else photo, mask


ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        Alteration("letter_swap", _letter_swap),
        Alteration("colour", _colour),
        Substitution("wrong_product", _knock_off),
        Theft("stolen_photo", _disguise),
        Alteration("homoglyph", _homoglyph),
        Alteration("wrong_font", _wrong_font),
        Alteration("stroke", _stroke),
        Alteration("proportion", _proportion),
        Alteration("moved", _moved),
        Alteration("rotated", _rotated),
        Alteration("mirrored", _mirrored, lambda a: bool(_lopsided(a))),
        Alteration("wrong_pattern", _wrong_pattern, lambda a: bool(_patterns(a))),
    )
}
"""By name, in the order in which listings cycle through them."""
