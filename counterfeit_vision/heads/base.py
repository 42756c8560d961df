"""What a head is, and what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..catalog import Catalog, Neighbours
from ..decode import decode
from ..stream import EncodedPhoto
from ..types import Embeddings, Evidence, Listing

__all__ = ["Head", "Suspects"]


@dataclass(frozen=True, eq=False)
class Suspects:
    """A batch of N photos to be judged, one aligned row each.

    ``photos`` are their embeddings, ``listings`` the listing that each belongs to, ``encoded`` the photos as they came
    out of the stream (``view`` is a small copy and the size, ``source`` the photo as it was given), ``neighbours``
    their nearest genuine references in ``catalog``.
    """

    photos: Embeddings
    listings: Sequence[Listing]
    encoded: Sequence[EncodedPhoto]
    catalog: Catalog
    neighbours: Neighbours

    def __len__(self) -> int:
        return len(self.photos)

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """The whole photo, (h, w, 3) uint8 RGB, upright: decoded anew at every call, so call once and only where
        needed.

        Raises :class:`~counterfeit_vision.DecodeError` where the file has gone since.
        """
        return decode(self.encoded[row].source, name=self.encoded[row].id).pixels

    def size(self, row: int) -> tuple[int, int]:
        """(width, height) of the upright photo."""
        return self.encoded[row].view.size

    def product_rows(self, row: int, most: int) -> NDArray[np.int64]:
        """The nearest references of the photo's nearest product as catalogue rows, best first, at most ``most``."""
        found = self.neighbours.rows[row]
        goods = self.catalog.goods
        return np.array([key for key in found if key >= 0 and goods[key] == goods[found[0]]][:most], np.int64)


@runtime_checkable
class Head(Protocol):
    """One claim about photos."""

    @property
    def name(self) -> str:
        """The claim's key in :attr:`counterfeit_vision.Verdict.claims`."""
        ...

    def score(self, suspects: Suspects) -> list[Evidence]:
        """One :class:`~counterfeit_vision.Evidence` a photo, in order.

        ``score`` is continuous, higher = more suspicious. A head with nothing to go on gives
        ``Evidence.not_applicable(reason)``, never a made-up middle. A photo's evidence does not depend on its batch
        mates.
        """
        ...
