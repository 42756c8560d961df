"""Pictures inside a page: photos as data URIs, a heat map to lay over one, a box in percent, matched points of two.

Everything ends up as text that needs no second file and no network. Same input, same bytes.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from .._arrays import Floats
    from ..types import Evidence, PhotoView, Region, Verdict

__all__ = [
    "Matched",
    "aspect",
    "bar",
    "box_style",
    "boxes",
    "crops",
    "data_uri",
    "heat_overlay",
    "layers",
    "matched",
    "part",
    "thumbnail",
]

Claims: TypeAlias = "Iterable[tuple[str, Evidence]]"

HEAT_FROM = 0.5
"""Share of the alarm level below which nothing is drawn, so that ordinary photos stay untouched."""

LAYERS = 4
"""Heat maps that one photo can carry, most unusual claim first; templates/style.css has a rule for each."""

LINES = 40
"""Matched points that are drawn: more hide the photos."""

HEAT_SIDE = 160  # pixels on the long side of a heat map
MATCHED_HEIGHT = 240
MATCHED_SIDE = 360  # pixels of each photo, at most
MATCHED_GAP = 12
"""Of a drawing of matched points, in its own units."""

_HEAT_LEVELS = (HEAT_FROM, 0.75, 1.0, 1.5)
_HEAT_RGBA = ((255, 214, 92, 0), (253, 164, 58, 96), (232, 89, 36, 158), (158, 16, 46, 196))
"""Warm, and darker with every step: the order survives a grey print and colour blindness."""


def data_uri(picture: bytes, kind: str = "jpeg") -> str:
    """A JPEG (or ``"png"``) as ``data:image/jpeg;base64,...``; the alphabet holds no character that means something in
    HTML.

    >>> data_uri(b"jpeg")
    'data:image/jpeg;base64,anBlZw=='
    """
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def thumbnail(jpeg: bytes, side: int = 96) -> str:
    """A JPEG as a data URI, shrunk to at most ``side`` pixels a side; unchanged where it is small or cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as photo:
            if max(photo.size) <= side:
                return data_uri(jpeg)
            photo.thumbnail((side, side))
            return _encode(photo.convert("RGB"), "jpeg", quality=80)
    except Exception:  # of a hostile file Pillow raises nearly any
        return data_uri(jpeg)


def heat_overlay(heatmap: Floats, size: tuple[int, int]) -> str | None:
    """A see-through PNG to be stretched over the photo, as a data URI; ``None`` where nothing is worth drawing.

    ``heatmap`` (h, w) covers the whole upright photo, 0 = as usual, 1 = the alarm level; ``size`` is the photo's
    (width, height) in pixels. Colour and opacity grow from :data:`HEAT_FROM` to 1.5 times the alarm level, and stay
    there.

    >>> heat_overlay(np.full((7, 7), 0.4, np.float32), (640, 480)) is None
    True
    """
    from PIL import Image

    heat = np.nan_to_num(np.asarray(heatmap, np.float32), posinf=2.0, neginf=0.0)
    if heat.max(initial=0.0) <= HEAT_FROM:
        return None
    scale = HEAT_SIDE / max(size)
    target = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    smooth = np.asarray(Image.fromarray(heat).resize(target, Image.Resampling.BILINEAR))
    channels = [np.interp(smooth, _HEAT_LEVELS, levels) for levels in zip(*_HEAT_RGBA, strict=True)]
    pixels = np.stack(channels, axis=-1).round().astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return _encode(Image.fromarray(pixels), "png", optimize=True)


def box_style(region: Region, size: tuple[int, int]) -> str:
    """Where the box lies on its photo, as CSS in percent of the photo's ``size`` (width, height), cut at its edges.

    >>> from counterfeit_vision.types import Region
    >>> box_style(Region(64, -10, 320, 120), (640, 480))
    'left:10.00%;top:0.00%;width:40.00%;height:25.00%'
    """
    width, height = size
    left, right = (100 * min(max(x / width, 0.0), 1.0) for x in (region.x0, region.x1))
    top, bottom = (100 * min(max(y / height, 0.0), 1.0) for y in (region.y0, region.y1))
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"


def layers(claims: Claims, photo: int, size: tuple[int, int]) -> list[tuple[str, str, float]]:
    """(claim, overlay as a data URI, highest value) of the heat maps on one photo, in the claims' order."""
    found = []
    for name, claim in claims:
        if claim.applicable and claim.photo == photo and claim.heatmap is not None:
            overlay = heat_overlay(claim.heatmap, size)
            found += [(name, overlay, float(np.nanmax(claim.heatmap)))] if overlay else []
    return found[:LAYERS]


def boxes(claims: Claims, photo: int, size: tuple[int, int]) -> list[tuple[str, str]]:
    """(claim, CSS of its box) of the regions on one photo of this size, in the claims' order."""
    return [
        (name, box_style(claim.region, size))
        for name, claim in claims
        if claim.applicable and claim.photo == photo and claim.region is not None
    ]


def crops(claim: Evidence) -> tuple[PhotoView, ...]:
    """The suspect's spot and the genuine one, where no points are drawn on them (:func:`matched`); else nothing."""
    return claim.crops if claim.crops is not None and claim.points is None else ()


@dataclass(frozen=True)
class Matched:
    """A drawing of matched points: the suspect's photo and, where it is at hand, the other one on its right.

    - ``width`` and ``height`` of the drawing, in its own units.
    - ``photos``: one or two of (data URI, left edge, width).
    - ``lines``: x y on the first photo, x y on the second, of the points that are drawn, out of ``count``.
    - ``beside``: what the second photo is, such as "genuine".
    """

    width: float
    height: float
    photos: tuple[tuple[str, float, float], ...]
    lines: tuple[tuple[float, float, float, float], ...]
    count: int
    beside: str


def matched(claim: Evidence, verdict: Verdict) -> Matched | None:
    """At most :data:`LINES` of a claim's matched points, on the suspect's photo and on the other one: what the
    claim shows beside it, or a genuine one of the verdict's.

    Without the other photo they are marked on the suspect's alone. Both get one height, and at most
    :data:`MATCHED_SIDE` pixels. ``None`` where there is no suspect's photo to show, or no point on it.
    """
    if claim.points is None or claim.photo >= len(verdict.photos):
        return None
    if claim.crops is not None:
        other, beside = [claim.crops[1]], claim.crops[1].caption
    else:
        other, beside = [view for view in verdict.genuine if view.id in claim.references[:1] and view.jpeg], "genuine"
    views = [verdict.photos[claim.photo], *other[:1]]
    if not views[0].jpeg:
        return None
    points = np.asarray(claim.points, np.float64).reshape(-1, 2, 2)[:, : len(views)]
    places = points / [view.size for view in views]  # (m, 1 or 2 photos, x y) in fractions of each
    places = places[((places >= 0) & (places <= 1)).all(axis=(1, 2))]
    if not len(places):
        return None
    places = places[np.lexsort((places[:, 0, 0], places[:, 0, 1]))]  # top to bottom: what is left out is so all over
    kept = np.linspace(0, len(places) - 1, min(LINES, len(places))).round().astype(int)
    widths = [MATCHED_HEIGHT * float(aspect(view.size)) for view in views]
    lefts = [0.0, widths[0] + MATCHED_GAP][: len(views)]
    x, y = places[kept, :, 0] * widths + lefts, places[kept, :, 1] * MATCHED_HEIGHT
    return Matched(
        width=lefts[-1] + widths[-1],
        height=MATCHED_HEIGHT,
        photos=tuple(zip([thumbnail(view.jpeg, MATCHED_SIDE) for view in views], lefts, widths, strict=True)),
        lines=tuple(map(tuple, np.stack([x[:, 0], y[:, 0], x[:, -1], y[:, -1]], axis=1).tolist())),
        count=len(places),
        beside=beside,
    )


def bar(p: float | None) -> float:
    """Length of a p-value's bar in percent: 0 for p = 1, a third for each factor of ten, full at p = 0.001.

    >>> round(bar(0.1), 1), bar(0.001), bar(None)
    (33.3, 100.0, 0.0)
    """
    return 0.0 if p is None or not math.isfinite(p) else min(max(-100 / 3 * math.log10(max(p, 1e-9)), 0.0), 100.0)


def part(size: tuple[int, int]) -> str:
    """CSS of the box of a photo's true shape inside one of its :func:`aspect`: all of it, but for banners.

    >>> part((640, 480)), part((6000, 300)), part((200, 4000))
    ('width:100.00%;height:100.00%', 'width:100.00%;height:25.00%', 'width:25.00%;height:100.00%')
    """
    longer = size[0] / size[1] / float(aspect(size))
    return f"width:{100 * min(longer, 1):.2f}%;height:{100 * min(1 / longer, 1):.2f}%"


def aspect(size: tuple[int, int]) -> str:
    """Width over height for CSS, within 1:5 and 5:1, so that a banner cannot push the page apart.

    >>> aspect((640, 480)), aspect((9000, 10))
    ('1.3333', '5.0000')
    """
    return f"{min(max(size[0] / size[1], 0.2), 5.0):.4f}"


def _encode(picture: Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return data_uri(buffer.getvalue(), kind)
