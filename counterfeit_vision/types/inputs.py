"""What goes in: photos of a brand's genuine goods and of proven fakes, and a marketplace's listings."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import as_number, is_nothing
from .fields import Record, check_id, check_texts, checked_price, composed, is_seen, leave_out_empty

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["GALLERIES", "Listing", "Photo", "Reference", "Region", "Seller", "check_count", "check_list"]

Photo: TypeAlias = "str | os.PathLike[str] | bytes | Image | NDArray[np.uint8]"
"""One photo: a path, the bytes of an image file, a PIL image, or a uint8 array (height, width[, 1 | 3 | 4])."""

_ONE = (str, bytes, bytearray, memoryview, os.PathLike)  # sequences that are one photo

MOST_PHOTOS = 500
"""Photos of one listing, which is judged as a whole: all of them, with their patch tokens, are in memory together."""

GALLERIES: tuple[str, ...] = ("official", "genuine", "known_fake")
"""What a reference photo shows: the brand's own picture, a photo of a genuine good, or a proven fake."""


@dataclass(frozen=True)
class Region:
    """A box in pixels of the upright photo, ``x0 <= x < x1`` and ``y0 <= y < y1``, origin at the top left.

    >>> Region(10, 20, 110, 70).area
    5000.0
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        given = (self.x0, self.y0, self.x1, self.y1)
        x0, y0, x1, y1 = map(as_number, given)
        if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
            raise InputError(f"Region{given}: need finite x0 < x1 and y0 < y1, in pixels of the upright photo")
        vars(self).update(x0=x0, y0=y0, x1=x1, y1=y1)

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def shared_with(self, other: Region) -> float:
        """Square pixels that are in the other, too.

        >>> Region(10, 20, 110, 70).shared_with(Region(100, 0, 200, 200))
        500.0
        """
        wide, high = min(self.x1, other.x1) - max(self.x0, other.x0), min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(wide, 0.0) * max(high, 0.0)

    def to_list(self) -> list[float]:
        """``[x0, y0, x1, y1]``."""
        return [self.x0, self.y0, self.x1, self.y1]


@dataclass(frozen=True)
class Seller:
    """Who offers a listing. ``id`` is the platform's own verified id: a display ``name`` proves nothing."""

    id: str
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str):
            raise InputError(
                f"Seller(id={self.id!r}): an id is a text; type "
                + ("seller=None" if is_nothing(self.id) else f"Seller({str(self.id)!r})")
            )
        check_texts("Seller", self.id, id=self.id, name=self.name)
        if is_nothing(self.id):
            object.__setattr__(self, "id", "")
        leave_out_empty(self, "name")


def _seller(listing: str, said: Mapping[str, Any]) -> Seller:
    if "id" not in said or not said.keys() <= {"id", "name"}:
        raise InputError(f"Listing {listing!r}: seller={said!r:.80}: need its id, a name if it has one, and no more")
    return Seller(**said)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference(Record):
    """One photo, of a genuine good or a proven fake, and what it shows.

    ``id`` is unique in a catalogue. ``regions`` are the boxes of the brand's marks on the photo, if somebody drew them.
    ``gallery`` is one of :data:`GALLERIES`. ``price`` is the product's usual price in ``currency`` (ISO 4217).
    """

    id: str
    photo: Photo = field(repr=False)
    brand: str
    product: str
    category: str | None = None
    gallery: str = "genuine"
    regions: Sequence[Region] = ()
    price: float | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        check_id("Reference", self.id)
        for name in ("brand", "product"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (is_nothing(value) or is_seen(value)):
                raise InputError(f"Reference {self.id!r}: {name}={value!r} is not a non-empty string")
            if is_nothing(value):
                told = f"an empty cell of a table becomes that text; spell a {name} of that name otherwise"
                raise InputError(f"Reference {self.id!r}: {name}={value!r} names nothing: {told}")
        if self.photo is None:
            raise InputError(f"Reference {self.id!r}: photo=None; type photo='photo.jpg', or give its bytes or pixels")
        if self.gallery not in GALLERIES:
            raise InputError(
                f"Reference {self.id!r}: gallery={self.gallery!r}; the galleries are {', '.join(GALLERIES)}"
            )
        texts = ("brand", "product", "category", "currency")
        check_texts("Reference", self.id, **{name: getattr(self, name) for name in texts})
        leave_out_empty(self, "category", "currency")
        regions = tuple(self.regions) if isinstance(self.regions, Iterable) else (None,)
        if not all(isinstance(region, Region) for region in regions):
            raise InputError(
                f"Reference {self.id!r}: regions={self.regions!r} is not a list of Region; "
                "type regions=[Region(x0, y0, x1, y1)]"
            )
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "price", checked_price("Reference", self.id, self.price, self.currency))

    @property
    def names(self) -> tuple[str, str]:
        """Brand and product in the form in which names are compared (:func:`composed`)."""
        return composed(self.brand), composed(self.product)


@dataclass(frozen=True, eq=False, kw_only=True)
class Listing(Record):
    """One offer on a marketplace: its photos, and what it says about itself.

    ``product`` is the catalogue product that the listing claims to be, ``brand`` the brand. ``region`` is a place (ISO
    3166), ``channel`` is ``"online"`` or ``"offline"``, ``captured_at`` an ISO 8601 time. A seller may be given as its
    id, or as a mapping (``{"id": "7", "name": "Anna"}``). An empty text counts as left out, as does what an empty cell
    of a data frame becomes as a text ("nan", "None"), and a seller without any other. What a subclass adds is there for
    heads, and not in verdicts.
    """

    id: str
    photos: Sequence[Photo] = field(repr=False)
    brand: str | None = None
    product: str | None = None
    title: str | None = None
    price: float | None = None
    currency: str | None = None
    seller: Seller | Mapping[str, str | None] | str | None = None
    platform: str | None = None
    channel: str = "online"
    region: str | None = None
    url: str | None = None
    captured_at: str | None = None

    def __post_init__(self) -> None:
        check_id("Listing", self.id)
        if isinstance(self.photos, _ONE) or not isinstance(self.photos, Sequence):
            several = isinstance(self.photos, Iterable) and not isinstance(self.photos, _ONE)
            more = ", else photos=list(photos)" if several else ""
            raise InputError(f"Listing {self.id!r}: photos must be a list, for one photo photos=[photo]{more}")
        check_count(f"Listing {self.id!r}", self.photos)
        object.__setattr__(self, "photos", tuple(self.photos))
        texts = ("brand", "product", "title", "currency", "platform", "region", "url", "captured_at")
        check_texts("Listing", self.id, channel=self.channel, **{name: getattr(self, name) for name in texts})
        if isinstance(self.seller, Mapping):
            object.__setattr__(self, "seller", _seller(self.id, self.seller))
        if not isinstance(self.seller, Seller | str | None):
            raise InputError(
                f"Listing {self.id!r}: seller={self.seller!r} is neither a Seller nor the id of one, a text; "
                f"type seller={None if is_nothing(self.seller) else '12345'!r}"
            )
        leave_out_empty(self, "channel", *texts)
        if not self.channel:
            object.__setattr__(self, "channel", "online")
        if isinstance(self.seller, str):
            object.__setattr__(self, "seller", Seller(self.seller))
        if isinstance(self.seller, Seller) and not any(map(is_seen, (self.seller.id, self.seller.name or ""))):
            object.__setattr__(self, "seller", None)
        object.__setattr__(self, "price", checked_price("Listing", self.id, self.price, self.currency))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: what it says about itself, without its photos and what it leaves out."""
        said = {name: value for name, value in vars(self).items() if name != "photos" and value is not None}
        return said | ({} if self.seller is None else {"seller": dataclasses.asdict(cast("Seller", self.seller))})


def check_list(photos: object, what: str, example: str = "[photo]", *, listings: bool = False) -> None:
    """:class:`InputError` for what may look like a list of photos, or of ``listings`` as well, and is none: a photo, a
    table, a mapping.
    """
    if isinstance(photos, _ONE) or (
        isinstance(photos, np.ndarray) and photos.ndim < 4 and photos.dtype.kind not in "OU"
    ):
        raise InputError(f"{what}: need a list of photos; for one photo type {example}")
    kind = type(photos).__name__
    if isinstance(photos, Listing | Reference):
        its = "list(listing.photos)" if isinstance(photos, Listing) else "[reference.photo]"
        advice = "put it in brackets" if listings else f"type {example.replace('[photo]', its)}"
        raise InputError(f"{what}: need a list, and got one {kind}, {photos.id!r}; {advice}")
    if listings and (isinstance(photos, Mapping) or hasattr(photos, "columns")):
        raise InputError(
            f"{what}: need a list of photos or Listing objects, not a {kind}; of a table type "
            "table.to_json('listings.jsonl', orient='records', lines=True, date_format='iso'), and give that path"
        )
    if isinstance(photos, Mapping) or hasattr(photos, "columns"):
        its = "list(photos.values())" if isinstance(photos, Mapping) else "list(table['photo'])"
        raise InputError(f"{what}: need a list of photos, not a {kind}; type {example.replace('[photo]', its)}")
    if not isinstance(photos, Iterable):
        raise InputError(f"{what}: need a list of photos, not {kind}; for one photo type {example}")


def check_count(what: str, photos: Sequence[object]) -> None:
    """:class:`InputError` for more photos than one listing may have."""
    if len(photos) > MOST_PHOTOS:
        told = f"{len(photos):,} photos of one listing (limit: {MOST_PHOTOS})"
        raise InputError(f"{what}: {told}; leave some out, or make several listings of them")
