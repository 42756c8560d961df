"""One claim about a listing, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import as_number
from .fields import Record
from .inputs import Region
from .rows import PhotoView

__all__ = ["Evidence"]

_NEEDED = {
    "score": "a number; where there is nothing to go on, type Evidence.not_applicable(reason)",
    "text": "a sentence",
    "region": "a Region, or None",
    "heatmap": "an array (h, w), not empty, or None",
    "references": "a list of the references' ids",
    "points": "an array (m, 4), or None",
    "crops": "two PhotoView, of the photo and of a genuine one, or None",
    "covered": "a share, 0..1",
    "uneven": "a share, 0..1",
    "shaded": "a share, 0..1",
    "sharpness": "a number from 0, or None",
    "steps": "a share, 0..1",
    "grain": "a number from 0",
    "unlike": "a number from 0",
    "joint": "a brand's name, or an empty text",
}


@dataclass(frozen=True, eq=False)
class Evidence(Record):
    """One claim about a listing, and what it rests on.

    - ``score``: raw, higher = more suspicious; ``nan`` where the claim does not apply.
    - ``p_value``: how often genuine photos score this high or higher, 0..1; ``None`` before calibration, and where the
      claim is not counted, as too few genuine photos that calibrated make it.
    - ``photo``: which of the verdict's ``photos`` the claim is about, from 0.
    - ``region``: box on that photo; ``heatmap`` (h, w) float32 over the whole upright photo: 0 = as usual, 1 = the
      alarm level (the peak that one genuine photo in twenty reaches).
    - ``references``: ids of the catalogue's photos it was compared with.
    - ``points`` (m, 4) float32: matched points, x y on the photo and x y on the first of ``references``, in pixels of
      the two upright originals.
    - ``crops``: the spot on the suspect's photo and the genuine one, to be looked at side by side.
    - ``covered``: the share, 0..1, of the ground around the marks on the photo that is like nothing on genuine ones,
      and is not drawn on by another mark, or, where it is more, of their place that glares: something may lie over
      them, such as a hand. ``uneven``: that of the ground that lies in a shadow. ``patches`` tells both; 0 where it
      finds no marks.
    - ``shaded``: the share, 0..1, of the plain ground of all of the side that bears the marks that is unevenly lit, as
      in a shadow. ``drawing`` tells it; 0 where it can't.
    - ``sharpness``: how sharp the photo shows the least sharp of the product's marks: times as sharp as genuine photos
      do. ``mark`` tells it; ``None`` where it finds none.
    - ``steps``: the share, 0..1, of the plain ground around the product's marks whose grey levels are far apart, with
      nothing between them, as a strong compression leaves it; ``grain``: how noisy that ground is, times as noisy as on
      genuine photos. ``mark`` tells both; 0 where it can't.
    - ``unlike``: how far the goods are coloured otherwise, beside their marks, than each near product of the catalogue;
      from 1 they may be others, that it lacks. ``colours`` tells it; 0 where it can't.
    - ``joint``: the claimed brand, where the photo looks more like another's goods, and bears their marks and the
      claimed brand's name: it may show a joint edition. ``wordmark`` tells it; empty elsewhere.
    - ``text``: one sentence for people; in a verdict another, where few genuine photos are as unusual, says how few.
      ``applicable`` is false where the head had nothing to go on; ``text`` says why.
    """

    score: float
    text: str
    p_value: float | None = None
    photo: int = 0
    region: Region | None = None
    heatmap: NDArray[np.float32] | None = field(default=None, repr=False)
    references: tuple[str, ...] = ()
    points: NDArray[np.float32] | None = field(default=None, repr=False)
    crops: tuple[PhotoView, PhotoView] | None = field(default=None, repr=False)
    covered: float = 0.0
    applicable: bool = True
    sharpness: float | None = None
    unlike: float = 0.0
    joint: str = ""
    shaded: float = 0.0
    steps: float = 0.0
    grain: float = 0.0
    uneven: float = 0.0

    def __post_init__(self) -> None:
        score, references, crops = _as_score(self.score), _as_tuple(self.references), _as_tuple(self.crops)
        heat, points = self.heatmap, self.points
        fits = {
            "score": score is not None,
            "text": isinstance(self.text, str),
            "region": isinstance(self.region, Region | None),
            "heatmap": heat is None or (isinstance(heat, np.ndarray) and heat.ndim == 2 and heat.size > 0),
            "references": references is not None and all(isinstance(id, str) for id in references),
            "points": points is None or (isinstance(points, np.ndarray) and points.shape[1:] == (4,)),
            "crops": self.crops is None or [isinstance(crop, PhotoView) for crop in crops or ()] == [True, True],
            "covered": 0 <= as_number(self.covered) <= 1,
            "uneven": 0 <= as_number(self.uneven) <= 1,
            "shaded": 0 <= as_number(self.shaded) <= 1,
            "sharpness": self.sharpness is None or 0 <= as_number(self.sharpness) < math.inf,
            "steps": 0 <= as_number(self.steps) <= 1,
            "grain": 0 <= as_number(self.grain) < math.inf,
            "unlike": 0 <= as_number(self.unlike) < math.inf,
            "joint": isinstance(self.joint, str),
        }
        if wrong := [name for name, right in fits.items() if not right]:
            given = " ".join(repr(getattr(self, wrong[0])).split())
            raise InputError(f"Evidence: {wrong[0]}={given:.80}; need {_NEEDED[wrong[0]]}")
        vars(self).update(score=score, references=references, crops=crops, applicable=bool(self.applicable))

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def not_applicable(cls, reason: str) -> Evidence:
        """The claim that says nothing, and why."""
        return cls(score=math.nan, text=reason, applicable=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; a score that does not apply is ``None``."""
        return {
            "score": float(self.score) if math.isfinite(self.score) else None,
            "p_value": self.p_value,
            "applicable": self.applicable,
            "text": self.text,
            "photo": self.photo,
            "covered": round(float(self.covered), 4),
            "uneven": round(float(self.uneven), 4),
            "shaded": round(float(self.shaded), 4),
            "sharpness": None if self.sharpness is None else round(float(self.sharpness), 4),
            "steps": round(float(self.steps), 4),
            "grain": round(float(self.grain), 4),
            "unlike": round(float(self.unlike), 4),
            "joint": self.joint,
            "region": None if self.region is None else self.region.to_list(),
            "heatmap": None if self.heatmap is None else np.round(self.heatmap.astype(float), 4).tolist(),
            "references": list(self.references),
            "points": None if self.points is None else np.round(self.points.astype(float), 1).tolist(),
        }


def _as_score(score: object) -> float | None:
    """As a float, which may be NaN; ``None`` for what is no number."""
    if type(score) is float:
        return score
    number = as_number(score)
    is_nan = isinstance(score, SupportsFloat) and not getattr(score, "ndim", 0) and score != score
    return number if is_nan or not math.isnan(number) else None


def _as_tuple(values: object) -> tuple[Any, ...] | None:
    if values is None or isinstance(values, tuple):
        return values
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else None
