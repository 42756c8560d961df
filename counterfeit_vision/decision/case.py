"""What the decision about a listing rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..calibration.support import Quality, UsualQuality

__all__ = ["Findings"]


@dataclass(frozen=True)
class Findings:
    """What the decision about a listing rests on.

    - ``p_value`` and ``risk`` of the listing, which has so many ``photos``; ``most`` are those of the largest listing
      that calibrated, 0 where that is not known. ``evidence``: the statistic of its most unusual photo; ``None`` where
      labelled fakes say what that means.
    - ``claims``: the p-values of those that apply to its most unusual photo, the strongest claim first.
    - ``silent``: why none of its photos has a claim that counts; ``None`` where one has.
    - ``known``: whether the catalogue knows what it shows; ``product`` is the nearest, and ``brand`` that one's.
    - ``marked``: whether marks of the catalogue are on a photo, known or not; ``unmarked``: whether those of what it
      shows are known, and they and what surrounds them were looked for in vain.
    - ``misnamed``: what it claims, a product or a brand, where no photo of it looks most like one of that brand.
    - ``copy``: a sentence that names the photo of which one of its photos is a proven copy, if one is; ``fake``:
      whether that is of a proven fake; ``copied``: whether its most unusual photo is a copy; ``catalogued``: whether
      all that it shows are the very files of the catalogue's genuine photos.
    - ``unpriced``: its p-value with the price left out; ``None`` without a price claim or authorised sellers.
    - ``unshown``: the p-value of its most unusual photo with its claims about marks and looks left out: by its price
      and what else it claims.
    - ``quality``: how well its most unusual photo, which was taken for that ``kind`` of goods, shows them; ``usual``:
      how well those that calibrated do.
    - ``unlike``: how far the goods on that photo are others than each near product, their marks left out; from 1 the
      catalogue may lack them.
    - ``joint``: the claimed brand, where that photo looks more like goods of ``brand``, and bears their marks and the
      claimed brand's name; empty elsewhere.
    - ``turned``: what its photos are called that were given the wrong way round, and how, and were judged turned.
    - ``expected``: the share of fakes that is expected, where ``risk`` is a probability; ``None`` where it is none.
    - ``uncounted``: claims that it makes and too few genuine photos that calibrated did.
    - ``unmade``: claims that genuine photos that calibrated made and that cannot be made here.
    - ``unread``: how many more photos it has, which could not be read.
    - ``stale``: whether it was calibrated on another generation of the catalogue. ``shown``: whether the files of
      all photos that it is ranked by were calibrated with.
    - ``alone``: the share of genuine photos as unusual by each claim of that photo, by the tail of what is usual: by
      rank among a few dozen photos none is small enough to conflict with the others.
    - ``each``: the p-values of the seller's own photos, ranked one by one, by what they are called ("photo 2").
    """

    p_value: float
    risk: float
    claims: Mapping[str, float]
    known: bool
    product: str
    kind: str
    quality: Quality
    usual: UsualQuality
    unshown: float
    silent: str | None = None
    photos: int = 1
    most: int = 0
    evidence: float | None = None
    brand: str = ""
    marked: bool = False
    unmarked: bool = False
    misnamed: str | None = None
    copy: str | None = None
    fake: bool = False
    copied: bool = False
    catalogued: bool = False
    unpriced: float | None = None
    unlike: float = 0.0
    joint: str = ""
    turned: tuple[str, ...] = ()
    expected: float | None = None
    uncounted: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()
    unread: int = 0
    stale: bool = False
    shown: bool = False
    alone: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)
