"""How far the strokes and the ink of a photo's marks, as they were measured, are from the genuine ones'. Of colours,
lightness is left out, because gloss changes it.

Constants were chosen on the market's seeds 0 to 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._arrays import Bools, Doubles, Floats
from ..geometry.laying import desaturated
from ..geometry.warp import SPREAD_OF_MAD
from .ink import DARK, LIKE, PARTS, WEIGHTS, Drawn, MarkInk, nanmedian

__all__ = ["InkDeviation", "compare_colours", "compare_strokes"]

# What genuine photos differ by, beside their own spread
EDGE = 0.05  # pixels of weight
RELATED = 4.0  # times, by which noise that neighbouring pixels share makes ``doubt`` larger
SOFT = 0.2  # doubt for a pixel of blur beyond theirs: a moved photo, or a lens's disc, is not the blur that is fitted
VERSION = 0.3  # pixels of weight between two genuine versions of a mark
HUE, SHADE = 0.02, 0.03  # of the colours' logarithms: of a part beside the whole mark, and of the whole
FAR = 0.9  # quantile of how far references' colours are off: about the farthest of a few, none that is odd of many
PALER, DEEPER = 0.6, 0.3  # share of its hue that a genuine mark may lose in haze, or gain
GLARE = 0.6  # share of its hue that a ground may lose where colours are compared
COLOURED = 0.15  # length of a hue from which haze, that pales a mark, is told from another colour
# Pixels of the frame, and of the photo, by which genuine photos move inks, chosen on drawn packs (in glare, wrapped,
# moved, dim, with gold foil). Over what this and the references' own spread add up to, genuine photos have 0.73 there
# at most, 0.78 on market 9502, 0.24 on printed.py's seed 151, 0.26 on grocery's cartons; prints whose inks are 1.5
# pixels of a card out of register 1.6 or more, and a lens's fringe of a pixel at most about that
APART = (0.06, 0.4)
# What nine of ten genuine photos stay below, and of plates all
USUAL = {"weight": 1.16, "part": 1.35, "colour": 1.3, "plates": 1.0}


@dataclass(frozen=True, eq=False)
class InkDeviation:
    """``score``: that of the mark, or the part of one, that deviates most, 1 at what nine of ten genuine photos stay
    below. ``text`` says how, ``map`` (h, w) float32 over the stencil's frame where; ``judged`` is how many marks could
    be compared.
    """

    score: float
    text: str
    map: Floats
    judged: int


def compare_strokes(
    marks: Sequence[MarkInk], drawn: Sequence[Drawn | None], shape: tuple[int, int]
) -> InkDeviation | str:
    """By how much bolder or finer than the genuine ones the marks of a photo are ``drawn``; or why that can't be said.
    ``shape`` (h, w) is the stencil's.
    """
    return (
        _strangest(list(_weights(_judged(marks, drawn))), shape)
        or "the marks' strokes can't be told from what is around them"
    )


def compare_colours(
    marks: Sequence[MarkInk],
    drawn: Sequence[Drawn | None],
    shape: tuple[int, int],
    scale: float = 1.0,
    saturation: float = 1.0,
) -> InkDeviation | str:
    """As :func:`compare_strokes`, of the colour of the marks' ink, as a whole and in parts, and of whether its parts
    are printed over each other; ``scale``: pixels of the photo on a side of one of the frame's, ``saturation``: times
    as saturated as the genuine photos' as which it shows all of the product.
    """
    judged = [(mark, _desaturated(one, saturation)) for mark, one in _judged(marks, drawn)]
    bleached = any(_glaring(one, mark.genuine).any() for mark, one in judged)
    hues = list(_hues(judged))
    return _strangest([*hues, *(_registers(judged, scale) if hues else ())], shape) or (
        "what is around the marks has lost its colour, as in glare, and their ink can't be compared with it"
        if bleached
        else "the marks' ink can't be told from what is around it"
    )


Finding = tuple[float, MarkInk, int | None, str]  # score, mark, which of its PARTS (None: all), what is said


def _judged(marks: Sequence[MarkInk], drawn: Sequence[Drawn | None]) -> list[tuple[MarkInk, Drawn]]:
    return [(mark, one) for mark, one in zip(marks, drawn, strict=True) if mark.is_clear and one is not None]


def _strangest(found: Sequence[Finding], shape: tuple[int, int]) -> InkDeviation | None:
    if not found:
        return None
    score, mark, part, text = max(found, key=lambda finding: finding[0])
    x0, y0, x1, y1 = mark.box
    if part is not None:
        start, width = mark.mark[0], mark.mark[2] - mark.mark[0]
        x0, x1 = start + width * part // PARTS, start + width * (part + 1) // PARTS
    map_ = np.zeros(shape, np.float32)
    map_[y0:y1, x0:x1] = score
    return InkDeviation(score, text, map_, len({mark for _, mark, *_ in found}))


def _weights(judged: Sequence[tuple[MarkInk, Drawn]]) -> Iterator[Finding]:
    """Marks whose strokes are bolder or finer, and not just as another mark's: a bright photo makes all bolder."""
    off: list[tuple[MarkInk, float, float, str]] = []
    for mark, one in judged:
        if one.likeness < LIKE:
            continue
        genuine = mark.genuine
        weights = np.array([other.weight for other in genuine if other.likeness >= LIKE])
        usual = float(np.median(weights))
        spread = SPREAD_OF_MAD * float(np.median(np.abs(weights - usual)))
        versions = [usual, *weights[np.abs(weights - usual) > VERSION].tolist()]
        least = min((one.weight - version for version in versions), key=abs)
        measured = WEIGHTS[0] < one.weight < WEIGHTS[-1]
        softer = max(0.0, one.blur - float(np.median([other.blur for other in genuine]))) if measured else 0.0
        doubt = float(np.sqrt(EDGE**2 + (RELATED * one.doubt) ** 2 + (spread / 2) ** 2 + (SOFT * softer) ** 2))
        off.append((mark, least, doubt, "" if measured else "at least "))
    for mark, by, doubt, about in off:
        beside = [abs(by - other) for another, other, *_ in off if mark.lies_apart_from(another)]
        times = min(abs(by), max(beside, default=abs(by))) / doubt
        share = 2 * abs(by) / max(mark.mark[3] - mark.mark[1], 1)  # a stroke has two sides
        how = "bolder" if by > 0 else "finer"
        yield times / USUAL["weight"], mark, None, f"its strokes are {about}{share:.1%} of the mark's height {how}"


def _hues(judged: Sequence[tuple[MarkInk, Drawn]]) -> Iterator[Finding]:
    """Marks whose ink has another colour beside the ground's, and marks that have one in a part."""
    for mark, one in judged:
        if np.isnan(one.colours).all():
            continue
        genuine = _hue(np.stack([other.colours for other in mark.genuine]))
        wholes = nanmedian(genuine, axis=1)  # parts that no photo shows are NaN
        whole = nanmedian(wholes, axis=0)
        parts = genuine - wholes[:, None]
        usual = nanmedian(parts, axis=0)
        vary = _off(parts - usual, whole)
        # An edge where light gathers varies more
        own_spread = SPREAD_OF_MAD * np.nan_to_num(nanmedian(np.abs(vary).max(axis=2), axis=0))
        spread = np.maximum(_spread(vary), own_spread)
        mine = _hue(np.where(_glaring(one, mark.genuine)[:, None], np.nan, one.colours))
        own = nanmedian(mine, axis=0)
        off = _off(mine - own - usual, whole)
        times = np.abs(off).max(axis=1) / (HUE + spread + _spread(off))
        shift = float(np.abs(_off(own - whole, whole)).max() / (SHADE + _far(_off(wholes - whole, whole))))
        if np.isfinite(times).any():
            part = int(np.nanargmax(times))
            yield (
                float(times[part]) / USUAL["part"],
                mark,
                part,
                f"from {part / PARTS:.0%} to {(part + 1) / PARTS:.0%} of its width its ink has another colour",
            )
        if np.isfinite(shift):
            yield shift / USUAL["colour"], mark, None, "its ink has another colour beside the ground's"


def _registers(judged: Sequence[tuple[MarkInk, Drawn]], scale: float) -> Iterator[Finding]:
    """Marks whose inks lie otherwise over each other: the plates of a reprint are seldom in register."""
    for mark, one in judged:
        genuine = np.array([other.apart for other in mark.genuine if other.likeness >= LIKE])
        if one.likeness < LIKE:
            continue
        usual = nanmedian(genuine, axis=0)
        usual[2 * np.isfinite(genuine[..., 0]).sum(axis=0) <= len(genuine)] = np.nan  # most do not tell
        off = np.linalg.norm(one.apart - usual, axis=1)
        vary = np.nan_to_num(np.linalg.norm(genuine - usual, axis=2)).max(axis=0)
        doubt = np.sqrt(APART[0] ** 2 + (APART[1] / scale) ** 2 + vary**2)
        if np.isfinite(off).any():
            worst = int(np.nanargmax(off / doubt))
            text = f"its inks are {off[worst] * scale:.1f} pixels of the photo out of register"
            yield float(off[worst] / doubt[worst]) / USUAL["plates"], mark, None, text


def _desaturated(one: Drawn, times: float) -> Drawn:
    if times == 1:
        return one
    inks, grounds = (
        np.log(np.maximum(desaturated(np.exp(colours) - DARK, times), 0) + DARK)
        for colours in (one.colours + one.grounds, one.grounds)
    )
    return replace(one, colours=inks - grounds, grounds=grounds)


def _glaring(one: Drawn, genuine: Sequence[Drawn]) -> Bools:
    """(PARTS,) where a coloured ground has lost its hue, not turned it: what shines there is added to the ink, too."""
    usual = nanmedian(np.concatenate([_hue(other.grounds) for other in genuine]), axis=0)
    length = float(np.linalg.norm(usual))
    if not length >= COLOURED:
        return np.zeros(PARTS, bool)
    return np.asarray(np.linalg.norm(_hue(one.grounds), axis=-1) < (1 - GLARE) * length)


def _hue(colours: Doubles) -> Doubles:
    """Lightness taken out of logarithms (..., 3)."""
    return np.asarray(colours - colours.mean(axis=-1, keepdims=True))


def _off(hues: Doubles, genuine: Doubles) -> Doubles:
    """What of the differences (..., 3) from the ``genuine`` hue (3,) haze and gloss don't explain."""
    length = float(np.linalg.norm(genuine))
    if not length >= COLOURED:
        return hues
    paler = np.clip(hues @ (genuine / length), -PALER * length, DEEPER * length)
    return np.asarray(hues - paler[..., None] * (genuine / length))


def _spread(values: Doubles) -> float:
    return SPREAD_OF_MAD * float(np.nan_to_num(nanmedian(np.abs(values).ravel(), axis=0)))


def _far(hues: Doubles) -> float:
    """How far the differences (n, 3) reach of those hues that are known; one that is odd among many does not count."""
    farthest = np.abs(hues).max(axis=1)
    known = farthest[~np.isnan(farthest)]
    return float(np.quantile(known, FAR)) if len(known) else 0.0
