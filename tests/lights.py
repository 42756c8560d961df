"""Photos of one light each, an inspector that tells how bright they are and no more, and red ones to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import picture

import counterfeit_vision as cv
from counterfeit_vision.heads import Suspects
from counterfeit_vision.heads import learned as learning


class Loud:
    """How bright a photo is."""

    name = "loud"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(score=float(suspects.pixels(row).mean()), text="Bright.") for row in range(len(suspects))]


class Dark(Loud):
    """How bright a photo is, of the darkest photos only."""

    name = "dark"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [item if item.score < 45 else cv.Evidence.not_applicable("Too bright.") for item in found]


def flat(light: float) -> np.ndarray:
    return np.full((40, 40, 3), light, np.uint8)


def goods(number: int) -> np.ndarray:
    """One of the tree's five products, by turns, of acme or of zeta; darker with each number."""
    return (picture(100 + number % 5) * (0.95 - 0.01 * number)).astype(np.uint8)


GENUINE = [flat(40 + 3 * number) for number in range(40)]


def calibrated(catalog: cv.Catalog) -> cv.Inspector:
    """By how bright a photo is, and nothing else."""
    return cv.Inspector(catalog, [Loud()], cache=False).calibrate(GENUINE)


def said(inspector: cv.Inspector, photos: list) -> list[str]:
    return [verdict.decision for verdict in inspector.inspect(photos).verdicts]


def learns_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learned head that looks at the whole photo's vector, and is useful beside a room and trivial features that say
    nothing.
    """
    monkeypatch.setattr(learning, "_trivial", lambda photo: np.zeros(2, np.float32))
    monkeypatch.setattr(
        learning,
        "look_closer",
        lambda photos, encoder, cache: (vectors := np.stack([p.vector for p in photos]), 0 * vectors, True),
    )


def red(seed: int) -> np.ndarray:
    return np.clip(picture(seed).astype(int) + np.array([90, 0, 0]), 0, 255).astype(np.uint8)
