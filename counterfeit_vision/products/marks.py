"""What is known of the marks of one product, and of what is around them, from its genuine references."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import Floats, Ints, Pixels
from .._concurrency import cached_property
from ..encoders.base import precision_of
from ..geometry.keypoints import Keypoints
from ..io.memory import Memory
from ..marks.alone import MarkAlone
from ..marks.details import Cut, MarkDetails
from ..marks.ground import MarkGround
from ..marks.ink import Drawn, MarkInk
from ..marks.layout import MarkLayout
from ..marks.sharpness import MarkSharpness
from ..marks.stencil import Stencil
from .whole import WholeProduct

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["GoodsMarks"]


@dataclass(frozen=True, eq=False)
class GoodsMarks:
    """``stencil``: the marks, the references ``rows`` (n,) of the catalogue, those with regions first, laid over each
    other, or why that can't be done; ``photos`` gives a reference's pixels (h, w, 3), ``product`` a map of how surely
    it shows the product, 0..1, ``None`` where nothing tells; ``on`` what is known of other references' marks. What else
    is known is made on first use and kept, some of it in the ``memory`` of these references, too.
    """

    rows: Ints
    stencil: Stencil | str
    encoder: Encoder
    memory: Memory
    photos: Callable[[int], Pixels]
    product: Callable[[int], Floats | None]
    on: Callable[[Ints], GoodsMarks] | None = None

    @property
    def shown_by(self) -> Ints:
        """Those of ``rows`` that the stencil was made from; all where there is none."""
        return self.rows if isinstance(self.stencil, str) else self.rows[list(self.stencil.rows)]

    @cached_property
    def other_side(self) -> GoodsMarks | None:
        """What is known of the marks of those references that the stencil was not made from, where two of them agree:
        they show another side. One alone may be a bad photo of this one.
        """
        left = self.rows[~np.isin(self.rows, self.shown_by)]
        other = self.on(left) if self.on is not None and len(left) > 1 else None
        return other if other is not None and not isinstance(other.stencil, str) and len(other.shown_by) > 1 else None

    @cached_property
    def versions(self) -> tuple[GoodsMarks, ...]:
        """What is known of each of the stencil's versions; itself where there is one."""
        stencil = self.stencil
        if isinstance(stencil, str) or len(stencil.versions) == 1:
            return (self,)
        return tuple(
            replace(self, stencil=one, memory=self.memory.part(",".join(map(str, one.rows))), on=None)
            for one in stencil.versions
        )

    @cached_property
    def details(self) -> MarkDetails | None:
        """The marks as the encoder sees them close up; it must give patches. ``None`` where there is no stencil."""
        stencil, encoder = self.stencil, self.encoder
        if isinstance(stencil, str):
            return None
        name = f"details {encoder.fingerprint} {precision_of(encoder)}"
        return self.memory(name, [MarkDetails, Cut], lambda: MarkDetails.of(stencil, self.alone, encoder))

    @cached_property
    def alone(self) -> tuple[MarkAlone, ...]:
        """Each of the marks in a frame of its own, or all together in one; empty where there is no stencil."""
        stencil, keys = self.stencil, self.shown_by.tolist()
        if isinstance(stencil, str):
            return ()
        each = self.memory(
            "alone",
            [MarkAlone, Stencil, Keypoints],
            lambda: MarkAlone.each_of(stencil, (self.photos(key) for key in keys)),
        )
        return each or (MarkAlone.together(stencil),)

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

    @cached_property
    def sharpness(self) -> MarkSharpness | None:
        """How sharp the marks are; ``None`` where there is no stencil."""
        return None if isinstance(self.stencil, str) else MarkSharpness.of(self.stencil)

    @cached_property
    def ground(self) -> MarkGround | None:
        """The plain ground around the marks; ``None`` where there is no stencil."""
        return None if isinstance(self.stencil, str) else MarkGround.of(self.stencil)

    @cached_property
    def whole(self) -> WholeProduct | None:
        """The side that bears the marks, whole; ``None`` where there is no stencil, or nothing tells the product."""
        stencil, keys = self.stencil, self.shown_by.tolist()
        if isinstance(stencil, str):
            return None
        products = [product for key in keys if (product := self.product(key)) is not None]
        if len(products) < len(keys):
            return None
        name = f"whole {hashlib.sha256(b''.join(product.tobytes() for product in products)).hexdigest()}"
        return self.memory(
            name, [WholeProduct], lambda: WholeProduct.of(stencil, [self.photos(key) for key in keys], products)
        )
