"""What a head is, and what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..catalog import Catalog, Neighbours
from ..types import Embeddings, Evidence, Listing, PhotoView

__all__ = ["Head", "Suspects"]


@dataclass(frozen=True, eq=False)
class Suspects:
    """A batch of N photos to be judged, one aligned row each.

    ``photos`` are their embeddings, ``listings`` the listing that each belongs to, ``views`` their small copies and
    sizes,
    ``neighbours`` their nearest references in ``catalog``.
    """

    photos: Embeddings
    listings: Sequence[Listing]
    views: Sequence[PhotoView]
    catalog: Catalog
    neighbours: Neighbours

    def __len__(self) -> int:
        return len(self.photos)


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
