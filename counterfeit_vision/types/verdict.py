"""What the library says about one listing, for people and programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import InputError
from .evidence import Evidence
from .fields import Record
from .inputs import Listing
from .rows import Failure, PhotoView
from .wording import printable

if TYPE_CHECKING:
    from ..report import Explanation

__all__ = ["DECISIONS", "Decision", "Verdict"]

Decision: TypeAlias = Literal["clear", "review", "suspected", "insufficient_evidence"]

DECISIONS: tuple[Decision, ...] = ("suspected", "review", "insufficient_evidence", "clear")
"""The four verdict words, the one that a person should read first in front."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict(Record):
    """What the library says about one listing.

    - ``decision``: one of :data:`DECISIONS`; ``reason`` is the sentence that names the claims and numbers behind it.
    - ``risk``: finite, 0..1, higher = more suspicious, on every verdict. Where it is no ``probability``, it is a half
      or more if the p-value reaches the alarm level alpha, and less if not.
    - ``probability`` of a fake, where labelled fakes were shown: ``risk`` is then that; ``None`` without.
    - ``p_value``: at most this share of genuine listings is at least this unusual, on average over calibrations (the
      conformal guarantee). It is (1 + k) / (n + 1), where k of the n listings that it is ranked among are so. Where the
      calibration left each group out in turn, the share is at most 2 ``p_value`` - 1 / (n + 1).
    - ``product``, ``brand``: the nearest catalogue product, or that of the catalogue's photo which is copied; ``None``
      where none is recognised.
    - ``margin_p``: the share of genuine photos whose nearest product stands out from the next as little as here. Where
      that is at most a tenth, or the next is of the brand and nearly as alike, and no photo is copied, ``runner_up``
      names the next product, with its brand where that differs: the photo may show either.
    - ``claims``: name -> :class:`Evidence`, the claim that raises the statistic most first, those that do not apply
      last. ``stale``: calibrated on another generation of the catalogue.
    - ``calibration``: the fingerprint of the one that it comes from (:attr:`.Calibration.fingerprint`), "" where that
      is not known; ``about``: the facts at the head of its report, one object for all verdicts of an inspection.
    - ``statistics``: the merged statistic of each photo that the listing is ranked by: of one shown twice the first,
      and no proven copy of a genuine photo beside the seller's own. The p-value and the risk come from their mean
      evidence (the log of the mean of their exponentials), with which the risk rises continuously on either side of a
      half: that of all these photos, or of those that the catalogue knows, whichever is less suspicious.
    - ``authorised``: the seller is one of those that the brand has authorised. ``listing``: the one that was judged,
      without its photos.
    - ``photos``, ``genuine``: small copies of the listing's photos that were judged, and of the nearest genuine photos;
      ``failures``: its other photos, which gave no pixels or to which no claim applies.
    - ``nearest``: ids of the references that the first of ``photos`` is most like, best first, by that photo alone,
      whatever the listing says.
    """

    id: str
    decision: Decision
    risk: float
    p_value: float
    reason: str
    probability: float | None = None
    product: str | None
    brand: str | None
    margin_p: float | None = None
    runner_up: str | None = None
    claims: Mapping[str, Evidence]
    statistics: tuple[float, ...] = ()
    authorised: bool = False
    stale: bool = False
    calibration: str = ""
    about: Mapping[str, str] = field(default_factory=dict, repr=False)
    listing: Listing | None = field(default=None, repr=False)
    photos: tuple[PhotoView, ...] = field(default=(), repr=False)
    genuine: tuple[PhotoView, ...] = field(default=(), repr=False)
    nearest: tuple[str, ...] = field(default=(), repr=False)
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise InputError(f"Verdict {self.id!r}: decision={self.decision!r}; the words are {', '.join(DECISIONS)}")
        if not (math.isfinite(self.risk) and 0 <= self.risk <= 1):
            raise InputError(f"Verdict {self.id!r}: risk={self.risk!r} is not in 0..1")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: all but the nearest references and the pictures; of the listing's photos, names
        and hashes. Nearly all of its bytes are the claims' heat maps and matched points.
        """
        return {
            "id": self.id,
            "listing": None if self.listing is None else self.listing.to_dict(),
            "photos": [photo.id for photo in self.photos],
            "photos_sha256": [photo.sha256 for photo in self.photos],
            "decision": self.decision,
            "risk": self.risk,
            "p_value": self.p_value,
            "probability": self.probability,
            "reason": self.reason,
            "product": self.product,
            "brand": self.brand,
            "margin_p": self.margin_p,
            "runner_up": self.runner_up,
            "stale": self.stale,
            "calibration": self.calibration,
            "about": dict(self.about),
            "statistics": list(self.statistics),
            "authorised": self.authorised,
            "claims": {name: evidence.to_dict() for name, evidence in self.claims.items()},
            "failures": [failure.to_dict() for failure in self.failures],
        }

    def __repr__(self) -> str:
        return printable(f"<Verdict {self.id}: {self.decision}, risk {self.risk:.2f}, product {self.product}>")

    def explain(self) -> Explanation:
        """The claims with their pictures; shows itself in a notebook, and prints as text elsewhere."""
        from ..report import Explanation

        return Explanation(self)

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()
