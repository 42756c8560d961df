"""What a head must pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..calibration.standardize import LARGEST
from ..errors import InputError
from ..heads import Head, Suspects
from ..index.catalog import Catalog
from ..judging import Listings, encoded_listings, suspects_of
from ..types import Evidence
from .promises import check_members

__all__ = ["check_head"]

# Numbers of evidence that decisions hang on
DECIDING = ("covered", "uneven", "shaded", "sharpness", "steps", "grain", "unlike")


def check_head(head: Head, catalog: Catalog, listings: Listings, *, tolerance: float = 1e-4) -> None:
    """Whether ``head`` keeps the contract of :class:`counterfeit_vision.heads.Head` on these photos or ``listings``.

    Bring some that it has much to say about and some that it can say nothing about, and two at least.

    - ``name`` is a text that stays; ``fingerprint``, where there is one, is a text, too;
    - ``score`` gives one :class:`~counterfeit_vision.Evidence` a photo, in order, each with a sentence: a score within
      1e100 of 0, or ``Evidence.not_applicable(reason)``;
    - a region lies on the photo, a heat map is float32, finite, nowhere below 0, matched points are float32, and
      ``references`` are ids of the catalogue;
    - a photo's evidence depends on its own listing only: not on batch mates, their order or the call before. Scores,
      and what is told to be ``covered``, ``uneven`` or ``shaded``, of its ``sharpness``, ``steps`` and ``grain`` and to
      be ``unlike``, stay within ``tolerance``, or that share of themselves (1e-4 for an encoder in float32; state your
      own for bfloat16), and ``joint`` is the same;
    - the vectors, patches and pixels that it is given are not written to.

    Raises :class:`AssertionError` that names what is broken, :class:`InputError` where fewer than two listings can be
    read.
    """
    check_members(head, Head, "name and score()")
    name = head.name
    assert isinstance(name, str), f"name is {name!r}, expected a text"
    assert name, "name is empty"
    stated = getattr(head, "fingerprint", None)
    assert isinstance(stated, str | None), f"fingerprint is {stated!r}, expected a text"
    encoded = [(listing, photos) for listing, photos, _ in encoded_listings(listings, catalog, False) if photos]
    if len(encoded) < 2:
        raise InputError(f"check_head(): {len(encoded)} of the listings can be read, need two at least")

    def scored(chosen: Sequence[int]) -> list[list[Evidence]]:
        """What the head says of these listings in one batch, photo by photo."""
        photos = [photo for place in chosen for photo in encoded[place][1]]
        suspects = suspects_of([encoded[place][0] for place in chosen for _ in encoded[place][1]], photos, catalog)
        rows = iter(_checked_evidence(head, suspects))
        return [[next(rows) for _ in encoded[place][1]] for place in chosen]

    everything = range(len(encoded))
    first = scored(everything)
    others: dict[str, Sequence[int]] = {"the same batch, scored twice": everything}
    others["the same batch in reverse"] = everything[::-1]
    others |= {f"{encoded[place][0].id} alone, against in a batch": [place] for place in everything}
    for what, chosen in others.items():
        for place, again in zip(chosen, scored(chosen), strict=True):
            for photo, one, other in zip(encoded[place][1], first[place], again, strict=True):
                for number in ("score", *DECIDING):
                    told, now = getattr(one, number), getattr(other, number)
                    same = _is_near(told, now, tolerance)
                    assert same, f"{what}: {photo.id} has the {number} {now}, not {told}"
                assert one.joint == other.joint, f"{what}: {photo.id} has the joint {other.joint!r}, not {one.joint!r}"
    assert head.name == name, f"the name has changed from {name!r} to {head.name!r} while scoring"


def _is_near(told: float | None, now: float | None, tolerance: float) -> bool:
    """Whether two numbers are the same, within a tolerance or that share of the first, or both say nothing."""
    first, second = (math.nan if number is None else float(number) for number in (told, now))
    if not (math.isfinite(first) and math.isfinite(second)):
        return math.isfinite(first) == math.isfinite(second)
    return abs(first - second) <= tolerance * max(1.0, abs(first))


def _checked_evidence(head: Head, suspects: Suspects) -> list[Evidence]:
    """What the head says, each row for itself as it should be, and what the head was given as it was."""
    photos = suspects.photos
    before = [None if array is None else array.copy() for array in (photos.vectors, photos.patches, photos.content)]
    pixels = [suspects.pixels(row).copy() for row in range(len(suspects))]
    rows = head.score(suspects)
    assert isinstance(rows, list), f"score() gives {type(rows).__name__}, expected a list of Evidence"
    assert len(rows) == len(suspects), f"{len(suspects)} photos give {len(rows)} rows"
    known = {reference.id for reference in suspects.catalog.references}
    for row, item in enumerate(rows):
        of = suspects.encoded[row].id
        assert isinstance(item, Evidence), f"{of}: score() gives {type(item).__name__}, expected Evidence"
        assert item.text, f"{of}: the evidence has no text"
        finite = abs(item.score) <= LARGEST
        assert finite or not item.applicable, f"{of}: the score is {item.score}; say Evidence.not_applicable(reason)"
        assert item.applicable or not finite, f"{of}: does not apply, and yet has the score {item.score}"
        width, height = suspects.size(row)
        if (box := item.region) is not None:
            on_photo = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert on_photo, f"{of}: {box} reaches beyond the photo of {width} x {height} pixels"
        if (heat := item.heatmap) is not None:
            assert heat.dtype == np.float32, f"{of}: a heat map is {heat.dtype}, expected float32"
            assert np.isfinite(heat).all(), f"{of}: the heat map holds NaN or infinity"
            assert heat.min() >= 0, f"{of}: the heat map falls to {heat.min()}; 0 is as usual"
        if (points := item.points) is not None:
            assert points.dtype == np.float32, f"{of}: points are {points.dtype}, expected float32"
        strange = set(item.references) - known
        assert not strange, f"{of}: references {sorted(strange)} are not in the catalogue"
        assert np.array_equal(suspects.pixels(row), pixels[row]), f"{of}: score() writes into the pixels"
    for array, kept in zip((photos.vectors, photos.patches, photos.content), before, strict=True):
        same = array is kept or (array is not None and kept is not None and np.array_equal(array, kept))
        assert same, "score() writes into the embeddings that it is given"
    return rows
