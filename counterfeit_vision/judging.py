"""Listings -> photos -> embeddings -> nearest references -> what every head says, in input order and lazily.

The same photos are calibrated with, inspected and evaluated again and again. What the heads say of them is kept in the
cache of embeddings, by all that decides it: the listing and its photos, the catalogue, the heads and this package's
code. Heads that don't say what they depend on (a ``fingerprint``) are asked each time, and so are all where the
catalogue has an index of the user's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from ._arrays import Bools, Doubles, Ints
from ._concurrency import counting
from .calibration.standardize import LARGEST
from .calibration.support import Quality
from .encoders.base import name_of, precision_of
from .encoders.batching import EncodedPhoto, encode_photos, stack, turned
from .errors import DecodeError, InputError
from .heads import Head, Mark, Reuse, Suspects
from .heads.base import fingerprint_of
from .heads.reuse import is_copy
from .index.catalog import Catalog
from .index.neighbours import runner_up
from .io.cache import EmbeddingCache, opened
from .io.manifests import count_listings, read_listings
from .io.memory import Memory
from .types import Evidence, Failure, Listing, Photo, PhotoView, Region, composed

__all__ = [
    "JudgedPhoto",
    "Listings",
    "borrowed",
    "distinct",
    "encoded_listings",
    "judge",
    "kinds_of",
    "said",
    "scores_of",
    "strata_of",
    "suspects_of",
    "usable",
]

SAME = 1e-4  # of a score: an encoder's rounding in one batch and in another
NEIGHBOURS = 16  # references that the heads are shown, best first
LISTINGS_AT_ONCE = 32
PHOTOS_AT_ONCE = 256  # of such listings: what heads note of a photo may take a megabyte
KINDS = (Evidence, Region, PhotoView)  # what is kept of a listing is made of these

Listings: TypeAlias = "str | os.PathLike[str] | Iterable[Photo | Listing]"
_Encoded: TypeAlias = "tuple[Listing, list[EncodedPhoto], list[Failure]]"


@dataclass(frozen=True, eq=False)
class JudgedPhoto:
    """One photo with what the heads say of it, in the order of the heads; ``neighbours`` are catalogue rows, best
    first, but for those of what the photo was taken for, which come before all others; ``found`` are they in the order
    of their likeness alone. ``runner_up`` is the row of the best that shows another product, and ``margin`` by how much
    the first is more alike; -1 and NaN where there is none near.
    """

    photo: EncodedPhoto
    neighbours: tuple[int, ...]
    evidence: tuple[Evidence, ...]
    runner_up: int = -1
    margin: float = math.nan
    found: tuple[int, ...] = ()

    @property
    def quality(self) -> Quality:
        """How well it shows the goods."""
        return Quality.of(self.photo.view.size, self.evidence)


def distinct(rows: Sequence[JudgedPhoto]) -> list[int]:
    """The number of each photo of a listing that is no other one again, however its file is written: in other bytes a
    harmless photo is still one. It is where its small copy is the same, and what all claims say.
    """
    kept: list[int] = []
    for number, row in enumerate(rows):
        if not any(_is_again(row, rows[other]) for other in kept):
            kept.append(number)
    return kept


def _is_again(row: JudgedPhoto, other: JudgedPhoto) -> bool:
    first, second = row.photo.view, other.photo.view
    if (first.size, first.jpeg) != (second.size, second.jpeg):
        return False
    mine, theirs = scores_of([row, other], len(row.evidence))
    return np.allclose(mine, theirs, rtol=SAME, atol=SAME, equal_nan=True)


def scores_of(rows: Sequence[JudgedPhoto], heads: int) -> Doubles:
    """(N, H) the heads' scores, NaN where one does not apply."""
    return np.array(
        [[item.score if item.applicable else math.nan for item in row.evidence] for row in rows], np.float64
    ).reshape(-1, heads)


def said(rows: Sequence[JudgedPhoto], heads: Sequence[str], name: str) -> list[Evidence]:
    """What the head of that name, of those that judged, says of each photo; nothing where there is none."""
    if name not in heads:
        return [Evidence.not_applicable(f"There is no claim {name}.")] * len(rows)
    column = heads.index(name)
    return [row.evidence[column] for row in rows]


def borrowed(rows: Sequence[JudgedPhoto], heads: Sequence[str], catalog: Catalog) -> Bools:
    """Which photos are proven copies of genuine ones: they show genuine goods, whatever the seller sells."""
    proof = said(rows, heads, Reuse.name)
    return np.array([is_copy(one) and one.references[0] not in catalog.known_fakes for one in proof], bool)


def kinds_of(rows: Sequence[JudgedPhoto], catalog: Catalog) -> list[str]:
    """The brand of the reference that each photo looks like most."""
    return [catalog.references[row.neighbours[0]].names[0] for row in rows]


def strata_of(rows: Sequence[JudgedPhoto], catalog: Catalog, by: str | None) -> list[str]:
    """What each photo is calibrated with: category, brand or product of the reference that it looks like most; a
    product by its key in ``catalog.goods``, as brands may have products of one name.
    """
    if by is None:
        return [""] * len(rows)
    if by == "product":
        return [str(catalog.goods[row.neighbours[0]]) for row in rows]
    return [composed(str(getattr(catalog.references[row.neighbours[0]], by) or "")) for row in rows]


def usable(judged: Sequence[JudgedPhoto]) -> tuple[list[JudgedPhoto], list[Failure]]:
    """The photos to which a claim applies, and a failure for each of the others."""
    loud: list[JudgedPhoto] = []
    silent: list[Failure] = []
    for row in judged:
        if any(item.applicable for item in row.evidence):
            loud.append(row)
            continue
        why = f"no claim applies ({row.evidence[0].text})"
        error = InputError(f"{row.photo.id}: {why}")
        silent.append(Failure(row.photo.id, "score", error))
    return loud, silent


def judge(
    listings: Listings,
    catalog: Catalog,
    heads: Sequence[Head],
    *,
    cache: EmbeddingCache | bool = True,
    progress: bool = False,
) -> Iterator[tuple[Listing, list[JudgedPhoto], list[Failure]]]:
    """Each listing with its judged photos and its photos that failed; a listing that can't be read has one failure.

    A listing about which a head gives a score that is no finite number fails at the stage ``"score"``, a photo whose
    file had gone or changed when a head asked for its pixels at ``"decode"``. What was read before the source raises is
    judged before it is raised.
    """
    lasting = {place: name for place, head in enumerate(heads) if (name := _fingerprint(head)) is not None}
    with (
        opened(cache if lasting and catalog.searches_exactly else False) as store,
        counting(count_listings(listings) if progress else None, unit="listing", progress=progress) as judged,
    ):
        memory = _SaidBefore(catalog, lasting, store)
        for pending in _batches(encoded_listings(listings, catalog, cache)):
            for number, result in enumerate(_judge_batch(pending, catalog, heads, memory), 1):
                if number == len(pending):  # these were judged together; whoever takes results may leave after the last
                    judged(number)
                yield result


def _batches(items: Iterable[_Encoded]) -> Iterator[list[_Encoded]]:
    """Encoded listings, as many as are judged together. What was read before the source raises is a batch, too."""
    pending: list[_Encoded] = []
    try:
        for item in items:
            pending.append(item)
            if len(pending) >= LISTINGS_AT_ONCE or sum(len(photos) for _, photos, _ in pending) >= PHOTOS_AT_ONCE:
                yield pending
                pending = []
    except Exception:
        yield pending
        raise
    yield pending


def encoded_listings(listings: Listings, catalog: Catalog, cache: EmbeddingCache | bool) -> Iterator[_Encoded]:
    """Listings with their photos encoded. Photos of many listings share batches, so the stream runs ahead of us."""
    waiting: deque[tuple[Listing, int]] = deque()

    def photos() -> Iterator[tuple[str, Photo | Failure]]:
        for item in read_listings(listings):
            if isinstance(item, Failure):
                waiting.append((Listing(id=item.id, photos=()), 1))
                yield item.id, item
                continue
            waiting.append((item, len(item.photos)))
            names = (
                [item.id] if len(item.photos) == 1 else [f"{item.id} photo {n}" for n in range(1, len(item.photos) + 1)]
            )
            yield from zip(names, item.photos, strict=True)

    encoded: list[EncodedPhoto] = []
    failures: list[Failure] = []
    for result in encode_photos(photos(), encoder=catalog.encoder, cache=cache):
        (failures if isinstance(result, Failure) else encoded).append(result)  # type: ignore[arg-type]
        if len(encoded) + len(failures) == waiting[0][1]:
            yield waiting.popleft()[0], encoded, failures
            encoded, failures = [], []


def suspects_of(
    owners: Sequence[Listing],
    photos: Sequence[EncodedPhoto],
    catalog: Catalog,
    known: Mapping[int, JudgedPhoto] = MappingProxyType({}),
) -> Suspects:
    """What the heads are given of encoded photos, at least one, and the listing that each belongs to; ``known`` are
    those, by row, of which other heads have spoken.
    """
    embeddings = stack(photos, encoder=catalog.encoder)
    suspects = Suspects(embeddings, owners, photos, catalog, catalog.neighbours(embeddings, NEIGHBOURS))
    for row, judged in known.items():
        if judged.neighbours != judged.found:
            suspects.taken_for[row] = str(catalog.goods[judged.neighbours[0]])
    return suspects


class _SaidBefore:
    """What heads said of listings, in an open ``store``, if any. ``lasting`` are the places of those whose evidence is
    kept, with what it depends on.
    """

    def __init__(self, catalog: Catalog, lasting: Mapping[int, str], store: EmbeddingCache | None) -> None:
        self.lasting = list(lasting)
        self._open_cache = None if store is None else lambda: contextlib.nullcontext(store)
        encoder = catalog.encoder
        space = f"{name_of(encoder)} {precision_of(encoder)}"
        self._given = f"{catalog.generation} {catalog.vectors_sha256} {space} {lasting}"

    def get(self, listing: Listing, photos: Sequence[EncodedPhoto]) -> list[JudgedPhoto] | None:
        """The listing's photos with the evidence of the ``lasting`` heads."""
        rows = self._of(listing, photos).get("heard", KINDS)
        if rows is None or len(rows) != len(photos):
            return None
        return [JudgedPhoto(photo, *row) for row, photo in zip(rows, photos, strict=True)]

    def put(self, listing: Listing, judged: Sequence[JudgedPhoto]) -> None:
        """Keep it for the next time."""
        rows = tuple(
            (row.neighbours, tuple(row.evidence[place] for place in self.lasting), row.runner_up, row.margin, row.found)
            for row in judged
        )
        self._of(listing, [row.photo for row in judged]).put("heard", rows)

    def _of(self, listing: Listing, photos: Sequence[EncodedPhoto]) -> Memory:
        claims = {name: value for name, value in vars(listing).items() if name not in ("id", "photos")}
        asked = f"{self._given} {type(listing).__qualname__} {claims} {[photo.sha256 for photo in photos]}"
        return Memory(self._open_cache, hashlib.sha256(asked.encode()).hexdigest())


def _fingerprint(head: Head) -> str | None:
    """What a head's evidence depends on, with its class."""
    stated = fingerprint_of(head)
    return None if stated is None else f"{type(head).__module__} {type(head).__qualname__} {head.name} {stated}"


def _judge_batch(
    pending: list[_Encoded], catalog: Catalog, heads: Sequence[Head], memory: _SaidBefore
) -> Iterator[tuple[Listing, list[JudgedPhoto], list[Failure]]]:
    """See :func:`judge`, of a batch: what ``memory`` has of a listing is not asked again."""
    known = [memory.get(listing, photos) if photos else None for listing, photos, _ in pending]
    others = [place for place in range(len(heads)) if place not in memory.lasting]
    new = _heard([item for item, rows in zip(pending, known, strict=True) if rows is None], catalog, heads)
    again = _heard(
        [item for item, rows in zip(pending, known, strict=True) if rows is not None and others],
        catalog,
        [heads[place] for place in others],
        [row for rows in known if rows is not None for row in rows],
    )
    for (listing, _, failures), before in zip(pending, known, strict=True):
        unread: list[Failure] = []
        if before is None:
            rows, unread = next(new)
        elif others:
            judged, unread = next(again)
            rows = _together(before, memory.lasting, judged, others)
        else:
            rows = before
        failures += unread
        fault = next((fault for row in rows if (fault := _no_number(listing, row, heads)) is not None), None)
        as_given = not any(row.photo.turn for row in rows)  # those that are turned are few, and encoded anew
        if before is None and rows and not unread and fault is None and as_given:
            memory.put(listing, rows)
        yield (listing, rows, failures) if fault is None else (listing, [], [fault])


def _together(
    known: Sequence[JudgedPhoto], places: Sequence[int], judged: Sequence[JudgedPhoto], others: Sequence[int]
) -> list[JudgedPhoto]:
    """The ``judged`` photos, those that could be read, with what is ``known`` of them: the evidence of some heads and
    of the others, each at its head's place.
    """
    before, rows = {row.photo.id: row for row in known}, []
    for new in judged:
        old = before[new.photo.id]
        at = dict(zip([*places, *others], [*old.evidence, *new.evidence], strict=True))
        rows.append(dataclasses.replace(old, evidence=tuple(at[place] for place in sorted(at))))
    return rows


def _heard(
    pending: Sequence[_Encoded], catalog: Catalog, heads: Sequence[Head], known: Sequence[JudgedPhoto] = ()
) -> Iterator[tuple[list[JudgedPhoto], list[Failure]]]:
    """For each listing what the heads say of its photos, of which other heads' evidence is ``known`` or of none, and
    the photos that could no longer be read.
    """
    rows = [(listing, photo) for listing, photos, _ in pending for photo in photos]
    results = iter(_heard_together(rows, catalog, heads, known))
    for _, photos, _ in pending:
        mine = list(itertools.islice(results, len(photos)))
        judged = [result for result in mine if isinstance(result, JudgedPhoto)]
        yield judged, [result for result in mine if isinstance(result, Failure)]


def _heard_together(
    rows: Sequence[tuple[Listing, EncodedPhoto]], catalog: Catalog, heads: Sequence[Head], known: Sequence[JudgedPhoto]
) -> list[JudgedPhoto | Failure]:
    """One each. Where a head lets it pass that a photo can no longer be read, all are asked again about the others; and
    where photos are given the wrong way round, about their listings, with these photos turned.
    """
    rows, results = list(rows), dict[int, JudgedPhoto | Failure]()
    while left := [row for row in range(len(rows)) if row not in results]:
        owners, photos = zip(*(rows[row] for row in left), strict=True)
        suspects = suspects_of(owners, photos, catalog, {place: known[row] for place, row in enumerate(left) if known})
        try:
            columns = [*zip(*_answers(suspects, heads), strict=True)]
            anew = {} if known else _turned(suspects, heads)
        except DecodeError:
            if not suspects.unread:
                raise
            suspects.each(functools.partial(_try_to_read, suspects))  # others may have gone with it
            columns, anew = [], {}
        again = [owners[place] for place in anew]
        for place, row in enumerate(left):
            if place in suspects.unread:
                results[row] = Failure(photos[place].id, "decode", suspects.unread[place])
            elif place in anew:
                rows[row] = owners[place], anew[place]
            elif columns and not any(owners[place] is listing for listing in again):
                results[row] = _judged(suspects, place, columns[place])
    return [results[row] for row in range(len(rows))]


def _turned(suspects: Suspects, heads: Sequence[Head]) -> dict[int, EncodedPhoto]:
    """The photos that are given the wrong way round, by their row, turned. Marks tell it, if a head looks at them."""
    if not any(isinstance(head, Mark) for head in heads):
        return {}
    turns = {row: turn for row, turn in enumerate(suspects.each(suspects.turn)) if turn}
    photos, pixels = [suspects.encoded[row] for row in turns], map(suspects.pixels, turns)
    again = zip(turns, turned(photos, pixels, [*turns.values()], suspects.catalog.encoder), strict=True)
    return {row: photo for row, photo in again if photo.turn.mirrored or suspects.more_alike(row, photo.vector)}


def _try_to_read(suspects: Suspects, row: int) -> None:
    with contextlib.suppress(DecodeError):
        suspects.pixels(row)


def _judged(suspects: Suspects, row: int, evidence: tuple[Evidence, ...]) -> JudgedPhoto:
    near, scores = suspects.near(row)
    return JudgedPhoto(
        suspects.encoded[row],
        _rows(near),
        tuple(_as_given(item, suspects.encoded[row]) for item in evidence),
        *runner_up(near, scores, suspects.catalog.goods),
        found=_rows(suspects.neighbours.rows[row]),
    )


def _as_given(evidence: Evidence, photo: EncodedPhoto) -> Evidence:
    """The evidence of a photo that was turned with its places on the photo as it was given."""
    turn, (width, height) = photo.turn, photo.view.size
    if not turn:
        return evidence
    box, heat, points = evidence.region, evidence.heatmap, evidence.points
    if box is not None:
        ends = turn.places(np.array([[box.x0, box.y0], [box.x1, box.y1]]), (width, height))
        box = Region(*map(float, (*ends.min(axis=0), *ends.max(axis=0))))
    if points is not None:
        points = np.hstack([turn.places(points[:, :2], (width - 1, height - 1)), points[:, 2:]]).astype(np.float32)
    return dataclasses.replace(evidence, region=box, heatmap=None if heat is None else turn.undone(heat), points=points)


def _answers(suspects: Suspects, heads: Sequence[Head]) -> list[list[Evidence]]:
    """What each head says of the photos. Where one took a photo for the nearest product, and a later one told by its
    marks that it is another, the first is asked again: the order of heads decides nothing.
    """
    columns, guesses = [], []
    for head in heads:
        suspects.guessed.clear()
        columns.append(_said_by(head, suspects))
        guesses.append(frozenset(suspects.guessed))
    return [
        _said_by(head, suspects) if any(map(suspects.is_another, guessed)) else column
        for head, column, guessed in zip(heads, columns, guesses, strict=True)
    ]


def _said_by(head: Head, suspects: Suspects) -> list[Evidence]:
    """What one head says of the photos, one row each; an error of its own says of whom it is."""
    try:
        rows = head.score(suspects)
        column = list(rows) if isinstance(rows, Iterable) else None
    except Exception as error:
        first, *others = suspects.encoded
        more = f" and {len(others)} more" if others else ""
        error.add_note(f"raised by the head {head.name!r}, asked about {first.id}{more}")
        raise
    if column is None:
        raise InputError(f"head {head.name!r} gave {type(rows).__name__}; need a list, one Evidence a photo")
    if len(column) != len(suspects):
        raise InputError(f"head {head.name!r} gave {len(column)} rows for {len(suspects)} photos")
    if wrong := {type(row).__name__ for row in column if not isinstance(row, Evidence)}:
        raise InputError(f"head {head.name!r} gave {', '.join(sorted(wrong))}; need one Evidence a photo")
    return column


def _rows(near: Ints) -> tuple[int, ...]:
    return tuple(int(key) for key in near if key >= 0)


def _no_number(listing: Listing, row: JudgedPhoto, heads: Sequence[Head]) -> Failure | None:
    for head, item in zip(heads, row.evidence, strict=True):
        if item.applicable and not abs(item.score) <= LARGEST:
            error = InputError(
                f"head {head.name!r} gave the score {item.score} for {row.photo.id}; where it has nothing to go on, "
                "it has to return Evidence.not_applicable(reason)"
            )
            return Failure(listing.id, "score", error)
    return None
