"""What is known of the marks of one product, from its genuine references."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .encoders.base import precision_of
from .mark_details import MarkDetails
from .mark_ink import Drawn, MarkInk
from .mark_layout import MarkLayout
from .marks import Stencil
from .memory import Memory

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["GoodsMarks"]


@dataclass(frozen=True, eq=False)
class GoodsMarks:
    """``stencil``: the marks, the references ``rows`` (n,) of the catalogue, those with regions first, laid over each
    other, or why that can't be done. What else is known is made on first use and kept, some of it in the ``memory`` of
    these references, too.
    """

    rows: NDArray[np.int64]
    stencil: Stencil | str
    encoder: Encoder
    memory: Memory

    @property
    def shown_by(self) -> NDArray[np.int64]:
        """Those of ``rows`` that the stencil was made from; all where there is none."""
        return self.rows if isinstance(self.stencil, str) else self.rows[list(self.stencil.rows)]

    @cached_property
    def details(self) -> MarkDetails | None:
        """The marks as the encoder sees them close up; it must give patches. ``None`` where there is no stencil."""
        stencil, encoder = self.stencil, self.encoder
        if isinstance(stencil, str):
            return None
        name = f"details {encoder.fingerprint} {precision_of(encoder)}"
        return self.memory(name, [MarkDetails], lambda: MarkDetails.of(stencil, encoder))

    @cached_property
    def ink(self) -> tuple[MarkInk, ...]:
        """How the marks are drawn, one a mark; empty where there is no stencil."""
        stencil = self.stencil
        if isinstance(stencil, str):
            return ()
        return self.memory("ink", [MarkInk, Drawn], lambda: MarkInk.all_of(stencil))

    @cached_property
    def layout(self) -> MarkLayout:
        """How the marks lie to each other; no marks where there is no stencil."""
        return MarkLayout((), {}) if isinstance(self.stencil, str) else MarkLayout.of(self.stencil, self.ink)
