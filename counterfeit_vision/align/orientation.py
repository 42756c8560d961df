"""Photos that are given the wrong way round: mirrored by a front camera, on their side, or upside down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats

__all__ = ["AS_GIVEN", "Turn"]

_Picture = TypeVar("_Picture", bound=np.generic)


@dataclass(frozen=True)
class Turn:
    """How a photo is turned the right way round: if it is ``mirrored``, back; then by ``quarters`` (0..3) of a turn
    anticlockwise. It is false where nothing is to be turned.
    """

    quarters: int = 0
    mirrored: bool = False

    def __bool__(self) -> bool:
        return self.mirrored or self.quarters > 0

    def __str__(self) -> str:
        """What the photo is as it was given; empty for one that is the right way round."""
        lies = ("", "on its side", "upside down", "on its side")[self.quarters]
        return ", ".join(["a mirror image, as a front camera takes it"] * self.mirrored + [lies] * bool(lies))

    def of(self, photo: NDArray[_Picture]) -> NDArray[_Picture]:
        """A photo (h, w, ...) as it was given -> the right way round."""
        return np.ascontiguousarray(np.rot90(photo[:, ::-1] if self.mirrored else photo, self.quarters))

    def undone(self, photo: NDArray[_Picture]) -> NDArray[_Picture]:
        """A photo, or a map over it (h, w, ...), that is the right way round -> as it was given."""
        back = np.rot90(photo, -self.quarters)
        return np.ascontiguousarray(back[:, ::-1] if self.mirrored else back)

    def places(self, points: Floats, size: tuple[float, float]) -> Floats:
        """Points (n, 2), x y from 0 to the ends of the right way round -> on the photo as it was given, where these are
        ``size``.
        """
        x, y = np.asarray(points, np.float64).T
        for quarter in range(self.quarters, 0, -1):
            x, y = size[(quarter - 1) % 2] - y, x
        return np.stack([size[0] - x if self.mirrored else x, y], axis=1)


AS_GIVEN = Turn()
