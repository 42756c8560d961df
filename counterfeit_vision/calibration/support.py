"""How well photos show the goods, and what of that the photos that calibrated had.

A photo that is small, blurred, noisy, covered or in a shadow shows genuine marks otherwise, too. It raises no alarm by
itself: it only spares one (:mod:`counterfeit_vision.decision.gates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..types import Evidence

__all__ = ["COVERED", "Quality", "UsualQuality"]

# Share of the ground around the marks that is covered, glares or is unevenly lit; genuine photos with nothing over them
# have less: 170 of 172 on markets 9403 and 9404, all of 120 of goods drawn elsewhere, 71 of 73 of grocery's cartons.
# What looks most like another brand's goods is not excused by it: none of 144 genuine photos under hands, paper,
# shadows that raised an alarm does (printed 193)
COVERED = 0.08
# Photos of a kind that tell how unevenly it is lit, and the share of them that is more so. Where fewer than half are so
# they do not tell what a shadow does: of 40 genuine pieces of metal, of whose kind a fifth look so by their sheen, 18
# were suspected under a drawn shadow with such a limit and 5 without (kinds 17). Nor do they tell what a glare does: of
# 40 genuine shoes under a drawn one 7 were, and 2
KNOWN, MORE = 10, 0.1
ODD = 0.05  # of the photos that calibrate: marks that lie badly on one look as dull, or as sharp, as nothing else


@dataclass(frozen=True)
class Quality:
    """How well one photo shows the goods: the pixels on its long ``side``, and the others as in
    :class:`~counterfeit_vision.types.Evidence`, each by the head that tells it. ``sharpness`` is ``None``, and the
    others are 0, where that is not known.
    """

    side: int = 0
    sharpness: float | None = None
    steps: float = 0.0
    grain: float = 0.0
    covered: float = 0.0
    uneven: float = 0.0
    shaded: float = 0.0

    @classmethod
    def of(cls, size: tuple[int, int], evidence: Sequence[Evidence]) -> Quality:
        """Of a photo of that ``size`` (width, height), from what all heads say of it."""
        return cls(
            side=max(size),
            sharpness=min((item.sharpness for item in evidence if item.sharpness is not None), default=None),
            steps=max(item.steps for item in evidence),
            grain=max(item.grain for item in evidence),
            covered=max(item.covered for item in evidence),
            uneven=max(item.uneven for item in evidence),
            shaded=max(item.shaded for item in evidence),
        )


@dataclass(frozen=True)
class UsualQuality:
    """Of the genuine photos that calibrated, fitted on or ranked:

    - ``smallest``: pixels on the long side of the smallest;
    - ``dull`` and ``keen``: the ``sharpness`` that all but one in twenty have at least, and at most;
    - ``stepped`` and ``grainy``: the ``steps`` and the ``grain`` that all but one in twenty have at most;
    - ``light``: of each kind of goods how ``uneven`` and ``shaded`` nine in ten of its photos are at most, each 0 where
      fewer than half look as if a shadow lay on them, as cloth in folds does. No kind of few photos is in it.

    0 where that is not known.
    """

    smallest: int = 0
    dull: float = 0.0
    keen: float = 0.0
    stepped: float = 0.0
    grainy: float = 0.0
    light: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, photos: Sequence[Quality], kinds: Sequence[str]) -> UsualQuality:
        """Of at least one photo, and what each was taken for."""
        sharp = [photo.sharpness for photo in photos if photo.sharpness is not None]
        dull, keen = np.quantile(sharp, [ODD, 1 - ODD]).tolist() if sharp else (0.0, 0.0)
        ground = [(photo.steps, photo.grain) for photo in photos if photo.grain > 0]
        stepped, grainy = np.quantile(ground, 1 - ODD, axis=0).tolist() if ground else (0.0, 0.0)
        smallest = min(photo.side for photo in photos)
        return cls(smallest, dull, keen, stepped, grainy, _usual_light(photos, kinds))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self) | {"light": {kind: list(shares) for kind, shares in self.light.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UsualQuality:
        """The inverse of :meth:`to_dict`, among whatever else; ``ValueError``, ``KeyError`` or ``TypeError`` for
        anything else.
        """
        light = {str(kind): (float(uneven), float(shaded)) for kind, (uneven, shaded) in data["light"].items()}
        if not all(0 <= share <= 1 for shares in light.values() for share in shares):
            raise ValueError(f"the shares {light} are out of range")
        levels = {name: float(data[name]) for name in ("dull", "keen", "stepped", "grainy")}
        return cls(int(data["smallest"]), **levels, light=light)


def _usual_light(photos: Sequence[Quality], kinds: Sequence[str]) -> dict[str, tuple[float, float]]:
    """``light`` of :class:`UsualQuality`: only where half of a kind's photos are uneven enough to excuse them do those
    that calibrate tell what that does to its marks.
    """
    light, of = np.array([(photo.uneven, photo.shaded) for photo in photos]), np.array(kinds)
    known = {kind: light[of == kind] for kind in dict.fromkeys(kinds)}
    most = {
        kind: np.where(np.median(shares, axis=0) >= COVERED, np.quantile(shares, 1 - MORE, axis=0), 0.0)
        for kind, shares in known.items()
        if len(shares) >= KNOWN
    }
    return {kind: (float(uneven), float(shaded)) for kind, (uneven, shaded) in most.items()}
