"""The things that travel between rooms: what goes in, the rows in the middle, and what comes out.

Inputs (:class:`Listing`, :class:`Reference`, :class:`Region`, :class:`Seller`) and a head's :class:`Evidence` are
checked where they are made. Rows in the middle (:class:`Embeddings`, :class:`Matches`) are structs of aligned numpy
arrays. One object per listing exists only at the end, for people: :class:`Verdict` with its :class:`Evidence`, or
:class:`Failure`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .checks import as_number, is_nothing
from .errors import InputError
from .wording import printable

if TYPE_CHECKING:
    from PIL.Image import Image

    from .report import Explanation

__all__ = [
    "DECISIONS",
    "GALLERIES",
    "LONGEST_ID",
    "Decision",
    "Embeddings",
    "Evidence",
    "Failure",
    "Listing",
    "Matches",
    "Photo",
    "PhotoView",
    "Reference",
    "Region",
    "Seller",
    "Verdict",
    "check_count",
    "check_list",
    "composed",
]

Photo: TypeAlias = "str | os.PathLike[str] | bytes | Image | NDArray[np.uint8]"
"""One photo: a path, the bytes of an image file, a PIL image, or a uint8 array (height, width[, 1 | 3 | 4])."""

_ONE = (str, bytes, bytearray, memoryview, os.PathLike)  # sequences that are one photo

Name = TypeVar("Name", str, str | None)

Decision: TypeAlias = Literal["clear", "review", "suspected", "insufficient_evidence"]

DECISIONS: tuple[Decision, ...] = ("suspected", "review", "insufficient_evidence", "clear")
"""The four verdict words, the one that a person should read first in front."""

LONGEST_TEXT = 10_000
"""Characters of a title, a name, an address: the time that it takes to compare two can grow with their square."""

LONGEST_ID = 4_096
"""Characters of an id, which may be a path: each photo of a listing is named by it."""

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
        _check_texts("Seller", self.id, id=self.id, name=self.name)
        if is_nothing(self.id):
            object.__setattr__(self, "id", "")
        _leave_out_empty(self, "name")


def _seller(listing: str, said: Mapping[str, Any]) -> Seller:
    if "id" not in said or not said.keys() <= {"id", "name"}:
        raise InputError(f"Listing {listing!r}: seller={said!r:.80}: need its id, a name if it has one, and no more")
    return Seller(**said)


def composed(name: Name) -> Name:
    """One form for names that are the same text: folders of a Mac may hold an accent as a letter of its own.

    >>> composed("Cafe\\N{COMBINING ACUTE ACCENT}") == "Caf\\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


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


def _check_id(kind: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        advice = "" if isinstance(value, str) or is_nothing(value) else f"; type id={str(value)!r:.80}"
        raise InputError(f"{kind}(id={value!r:.80}): an id is a non-empty string{advice}")
    if len(value) > LONGEST_ID:
        told = f"{kind} {value[:80]!r}: id has {len(value):,} characters (limit: {LONGEST_ID:,})"
        raise InputError(f"{told}; give it a shorter one")


def _check_texts(kind: str, id: str, /, **texts: object) -> None:
    for name, value in texts.items():
        if not isinstance(value, str | None):
            meant = None if is_nothing(value) else str(value)
            raise InputError(f"{kind} {id!r}: {name}={value!r} is neither a text nor None; type {name}={meant!r}")
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            told = f"{name} has {len(value):,} characters (limit: {LONGEST_TEXT:,})"
            raise InputError(f"{kind} {id[:80]!r}: {told}; type {name}=text[:{LONGEST_TEXT}]")


def _leave_out_empty(record: object, *names: str) -> None:
    """A text without a letter that can be seen, or that stands for an empty cell, names nothing: no product, no
    platform.
    """
    for name in names:
        if isinstance(value := getattr(record, name), str) and not _is_seen(value):
            object.__setattr__(record, name, None)


def _is_seen(text: str) -> bool:
    """Whether it has more than blanks and characters of no width, and does not stand for an empty cell."""
    return not is_nothing(text) and any(unicodedata.category(letter) != "Cf" for letter in "".join(text.split()))


def _checked_price(kind: str, id: str, price: Any, currency: str | None) -> float | None:
    """As a float: data frames and databases give numbers of their own (``int64``, ``Decimal``), which JSON lacks."""
    if price is None or (isinstance(price, str) and is_nothing(price)):
        return None
    if not math.isfinite(as_number(price)) or price < 0:
        raise InputError(f"{kind} {id!r}: price={price!r} is not a finite number >= 0; if unknown, type price=None")
    if currency is None:
        raise InputError(f"{kind} {id!r}: price={price!r} has no currency; add currency='EUR' or another ISO 4217 code")
    return float(price)


def _alike(one: object, other: object) -> bool:
    """As ``==``, but for arrays, of which that makes another array, and for NaN and errors, which equal no copy."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)  # type: ignore[arg-type]
    if isinstance(one, BaseException):
        return type(one) is type(other) and str(one) == str(other)
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return bool(one == other)


class _Record:
    """Equal to one of its kind that says the same; what it holds may be arrays."""

    id: str

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _alike(tuple(vars(self).values()), tuple(vars(other).values()))

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference(_Record):
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
        _check_id("Reference", self.id)
        for name in ("brand", "product"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (is_nothing(value) or _is_seen(value)):
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
        _check_texts("Reference", self.id, **{name: getattr(self, name) for name in texts})
        _leave_out_empty(self, "category", "currency")
        regions = tuple(self.regions) if isinstance(self.regions, Iterable) else (None,)
        if not all(isinstance(region, Region) for region in regions):
            raise InputError(
                f"Reference {self.id!r}: regions={self.regions!r} is not a list of Region; "
                "type regions=[Region(x0, y0, x1, y1)]"
            )
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "price", _checked_price("Reference", self.id, self.price, self.currency))

    @property
    def names(self) -> tuple[str, str]:
        """Brand and product in the form in which names are compared (:func:`composed`)."""
        return composed(self.brand), composed(self.product)


@dataclass(frozen=True, eq=False, kw_only=True)
class Listing(_Record):
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
        _check_id("Listing", self.id)
        if isinstance(self.photos, _ONE) or not isinstance(self.photos, Sequence):
            several = isinstance(self.photos, Iterable) and not isinstance(self.photos, _ONE)
            more = ", else photos=list(photos)" if several else ""
            raise InputError(f"Listing {self.id!r}: photos must be a list, for one photo photos=[photo]{more}")
        check_count(f"Listing {self.id!r}", self.photos)
        object.__setattr__(self, "photos", tuple(self.photos))
        texts = ("brand", "product", "title", "currency", "platform", "region", "url", "captured_at")
        _check_texts("Listing", self.id, channel=self.channel, **{name: getattr(self, name) for name in texts})
        if isinstance(self.seller, Mapping):
            object.__setattr__(self, "seller", _seller(self.id, self.seller))
        if not isinstance(self.seller, Seller | str | None):
            raise InputError(
                f"Listing {self.id!r}: seller={self.seller!r} is neither a Seller nor the id of one, a text; "
                f"type seller={None if is_nothing(self.seller) else '12345'!r}"
            )
        _leave_out_empty(self, "channel", *texts)
        if not self.channel:
            object.__setattr__(self, "channel", "online")
        if isinstance(self.seller, str):
            object.__setattr__(self, "seller", Seller(self.seller))
        if isinstance(self.seller, Seller) and not any(map(_is_seen, (self.seller.id, self.seller.name or ""))):
            object.__setattr__(self, "seller", None)
        object.__setattr__(self, "price", _checked_price("Listing", self.id, self.price, self.currency))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: what it says about itself, without its photos and what it leaves out."""
        said = {name: value for name, value in vars(self).items() if name != "photos" and value is not None}
        return said | ({} if self.seller is None else {"seller": dataclasses.asdict(cast("Seller", self.seller))})


@dataclass(frozen=True, eq=False)
class Failure(_Record):
    """One input that gave no result. It stands where the result would have stood.

    ``stage`` is where it stopped (``"input"``, ``"decode"``, ``"score"``).
    """

    id: str
    stage: str
    error: Exception

    def __post_init__(self) -> None:
        error: BaseException | None = self.error
        while error is not None:  # the frames that it went through hold all that was at hand there, as a photo's file
            error.__traceback__ = error.__context__ = None
            error = error.__cause__

    def to_dict(self) -> dict[str, str]:
        """Plain strings, ready for JSON."""
        return {"id": self.id, "stage": self.stage, "error": type(self.error).__name__, "message": str(self.error)}

    def __repr__(self) -> str:
        return printable(f"<Failure {self.id} [{self.stage}] {type(self.error).__name__}: {self.error}>")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What an encoder sees in N photos, one aligned row each. Rows of photos that failed are absent.

    - ``vectors`` (N, D) float32, unit length: the whole photo.
    - ``patches`` (N, P, E) float16 or ``None``: P = h * w patch tokens in row-major order over the encoder's square.
    - ``grid`` (h, w): the patch grid.
    - ``content`` (N, 4) float32: where the photo lies in the encoder's square, ``x0 y0 x1 y1`` in fractions of its
      side; patches outside are padding.
    - ``ids`` N strings, ``failures`` the photos that gave no row, ``fingerprint`` the space the vectors live in.
    """

    vectors: NDArray[np.float32]
    patches: NDArray[np.float16] | None
    grid: tuple[int, int]
    content: NDArray[np.float32]
    ids: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for column in ("vectors", "patches", "content"):
            values = getattr(self, column)
            if values is not None and len(values) != len(self):
                raise InputError(f"Embeddings: {column} has {len(values)} rows, expected {len(self)}")
        if self.patches is not None and self.patches.shape[1] != self.grid[0] * self.grid[1]:
            raise InputError(f"Embeddings: {self.patches.shape[1]} patches do not fill a grid of {self.grid}")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        patches = None if self.patches is None else self.patches.shape
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Embeddings {len(self)} photos, vectors {self.vectors.shape}, patches {patches}{failed}>"


@dataclass(frozen=True, eq=False)
class Matches:
    """The nearest references of N photos, best first; always N rows, in input order.

    - ``ids``, ``products`` (N, k) object: strings, ``None`` where a row is short or its photo failed.
    - ``scores`` (N, k) float32: higher = more alike, ``-inf`` where a row is short or its photo failed.
    """

    ids: NDArray[np.object_]
    products: NDArray[np.object_]
    scores: NDArray[np.float32]
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if not self.ids.shape == self.products.shape == self.scores.shape or self.ids.ndim != 2:
            raise InputError(
                f"Matches: ids {self.ids.shape}, products {self.products.shape}, scores {self.scores.shape} differ"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Matches {self.ids.shape[0]} photos x {self.ids.shape[1]} references{failed}>"


@dataclass(frozen=True)
class PhotoView:
    """A small upright copy of a photo, to be shown to people: ``jpeg`` bytes, ``size`` (width, height) of the
    original, ``sha256`` hex of a listing's photo: of the file's bytes, or of the pixels where there is no file.
    """

    id: str
    jpeg: bytes = field(repr=False)
    size: tuple[int, int]
    caption: str = ""
    sha256: str = ""

    def _repr_jpeg_(self) -> bytes:
        return self.jpeg


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


@dataclass(frozen=True, eq=False)
class Evidence(_Record):
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict(_Record):
    """What the library says about one listing.

    - ``decision``: one of :data:`DECISIONS`; ``reason`` is the sentence that names the claims and numbers behind it.
    - ``risk``: finite, 0..1, higher = more suspicious, on every verdict. Where it is no ``probability``, it is a half
      or more if the p-value reaches the alarm level alpha, and less if not.
    - ``probability`` of a fake, where labelled fakes were shown: ``risk`` is then that; ``None`` without.
    - ``p_value``: at most this share of genuine listings is at least this unusual, on average over calibrations (the
      conformal guarantee). It is (1 + k) / (n + 1), where k of the n listings that it is ranked among are so. Where the
      calibration left each group out in turn, the share is at most 2 ``p_value`` - 1 / (n + 1).
    - ``product``, ``brand``: the nearest catalogue product, or that of the catalogue's photo which is copied; ``None``
      where none is recognised.
    - ``margin_p``: the share of genuine photos whose nearest product stands out from the next as little as here. Where
      that is at most a tenth, or the next is of the brand and nearly as alike, and no photo is copied, ``runner_up``
      names the next product, with its brand where that differs: the photo may show either.
    - ``claims``: name -> :class:`Evidence`, the claim that raises the statistic most first, those that do not apply
      last. ``stale``: calibrated on another generation of the catalogue.
    - ``calibration``: the fingerprint of the one that it comes from (:attr:`.Calibration.fingerprint`), "" where that
      is not known; ``about``: the facts at the head of its report, one object for all verdicts of an inspection.
    - ``statistics``: the merged statistic of each photo that the listing is ranked by: of one shown twice the first,
      and no proven copy of a genuine photo beside the seller's own. The p-value and the risk come from their mean
      evidence (the log of the mean of their exponentials), with which the risk rises continuously on either side of a
      half: that of all these photos, or of those that the catalogue knows, whichever is less suspicious.
    - ``authorised``: the seller is one of those that the brand has authorised. ``listing``: the one that was judged,
      without its photos.
    - ``photos``, ``genuine``: small copies of the listing's photos that were judged, and of the nearest genuine photos;
      ``failures``: its other photos, which gave no pixels or to which no claim applies.
    - ``nearest``: ids of the references that the first of ``photos`` is most like, best first, by that photo alone,
      whatever the listing says.
    """

    id: str
    decision: Decision
    risk: float
    p_value: float
    reason: str
    probability: float | None = None
    product: str | None
    brand: str | None
    margin_p: float | None = None
    runner_up: str | None = None
    claims: Mapping[str, Evidence]
    statistics: tuple[float, ...] = ()
    authorised: bool = False
    stale: bool = False
    calibration: str = ""
    about: Mapping[str, str] = field(default_factory=dict, repr=False)
    listing: Listing | None = field(default=None, repr=False)
    photos: tuple[PhotoView, ...] = field(default=(), repr=False)
    genuine: tuple[PhotoView, ...] = field(default=(), repr=False)
    nearest: tuple[str, ...] = field(default=(), repr=False)
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise InputError(f"Verdict {self.id!r}: decision={self.decision!r}; the words are {', '.join(DECISIONS)}")
        if not (math.isfinite(self.risk) and 0 <= self.risk <= 1):
            raise InputError(f"Verdict {self.id!r}: risk={self.risk!r} is not in 0..1")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: all but the nearest references and the pictures; of the listing's photos, names
        and hashes. Nearly all of its bytes are the claims' heat maps and matched points.
        """
        return {
            "id": self.id,
            "listing": None if self.listing is None else self.listing.to_dict(),
            "photos": [photo.id for photo in self.photos],
            "photos_sha256": [photo.sha256 for photo in self.photos],
            "decision": self.decision,
            "risk": self.risk,
            "p_value": self.p_value,
            "probability": self.probability,
            "reason": self.reason,
            "product": self.product,
            "brand": self.brand,
            "margin_p": self.margin_p,
            "runner_up": self.runner_up,
            "stale": self.stale,
            "calibration": self.calibration,
            "about": dict(self.about),
            "statistics": list(self.statistics),
            "authorised": self.authorised,
            "claims": {name: evidence.to_dict() for name, evidence in self.claims.items()},
            "failures": [failure.to_dict() for failure in self.failures],
        }

    def __repr__(self) -> str:
        return printable(f"<Verdict {self.id}: {self.decision}, risk {self.risk:.2f}, product {self.product}>")

    def explain(self) -> Explanation:
        """The claims with their pictures; shows itself in a notebook, and prints as text elsewhere."""
        from .report import Explanation

        return Explanation(self)

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()
