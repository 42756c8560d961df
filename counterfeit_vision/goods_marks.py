"""What is known of the marks of one product, from its genuine references."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .mark_details import MarkDetails
from .mark_ink import MarkInk
from .mark_layout import MarkLayout
from .marks import Stencil

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["GoodsMarks"]


@dataclass(frozen=True, eq=False)
class GoodsMarks:
    """``stencil``: the marks, the references ``rows`` (n,) of the catalogue, those with regions first, laid over each
    other, or why that can't be done. What else is known is made on first use and kept.
    """

    rows: NDArray[np.int64]
    stencil: Stencil | str
    encoder: Encoder

    @property
    def shown_by(self) -> NDArray[np.int64]:
        """Those of ``rows`` that the stencil was made from; all where there is none."""
        return self.rows if isinstance(self.stencil, str) else self.rows[list(self.stencil.rows)]

    @cached_property
    def details(self) -> MarkDetails | None:
        """The marks as the encoder sees them close up; it must give patches. ``None`` where there is no stencil."""
        return None if isinstance(self.stencil, str) else MarkDetails.of(self.stencil, self.encoder)

    @cached_property
    def ink(self) -> tuple[MarkInk, ...]:
        """How the marks are drawn, one a mark; empty where there is no stencil."""
        return () if isinstance(self.stencil, str) else MarkInk.all_of(self.stencil)

    @cached_property
    def layout(self) -> MarkLayout:
        """How the marks lie to each other; no marks where there is no stencil."""
        return MarkLayout((), {}) if isinstance(self.stencil, str) else MarkLayout.of(self.stencil, self.ink)
