"""Whether a photo is a copy of a photo in the catalogue: the brand's own picture, or one of a proven fake."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from .._arrays import Bools, Ints
from .._concurrency import Once
from ..align.local_features import Traits, find_traits
from ..errors import DecodeError
from ..geometry.keypoints import Keypoints
from ..types import Evidence, PhotoView, Reference, Region
from ..types.wording import number, percent
from .same_photo import FEWEST, SAME_PHOTO, PhotoComparison, compare_traits
from .suspects import Suspects

__all__ = [
    "COPY",
    "Reuse",
    "is_copy",
]

# References whose patches are compared: a crop to 40 % moves the global vector far. Of genuine photos and of known
# fakes as many each: fakes that were made of one picture are as much alike as it is
SHORTLIST = 128
# Of them, those most alike by patches, and as many by global vector, whose local features are compared: on af1 the
# copied one was first or second by patches where listed; where a brand's products look much alike, a sibling's photos
# come first, and the vector tells the one that was only cropped or turned a little
CANDIDATES = 2
# Where a photo is a copy of a known fake and of a genuine photo, the fake comes first if its score is higher by more
# than this: copies of fakes that are the genuine picture under a banner, duller or cropped, have at most 0.003 more,
# those of fakes with another mark 0.09 or more
AS_SURE = 0.01
KEPT = 256  # references whose traits stay in memory, at most 180 MB


class Reuse:
    """How much a photo is the same photo as one of the catalogue, of any gallery.

    The references whose patches or vectors are most alike are the candidates; a copy is proved by geometry
    (:mod:`~counterfeit_vision.heads.same_photo`). ``score`` = -log(1.01 - the best candidate's), so that a copy, at
    0.99, stands as far beyond other photos as it is sure; from :data:`COPY` it is a copy, and what is none has at most
    0.4.
    """

    name = "reuse"
    fingerprint = ""

    def __init__(self) -> None:
        self._kept: Once[str, Traits] = Once(KEPT)

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        catalog = suspects.catalog
        wanted = min(SHORTLIST, len(catalog))
        kinds = [np.flatnonzero(catalog.genuine == kind) for kind in (True, False)]
        found = [catalog.neighbours(suspects.photos, wanted, allowed=rows).rows for rows in kinds if len(rows)]
        near = np.hstack(found)
        return suspects.each(lambda row: self._one(suspects, row, near[row][near[row] >= 0]))

    def _one(self, suspects: Suspects, row: int, near: Ints) -> Evidence:
        catalog = suspects.catalog
        file = catalog.row_of_file.get(suspects.encoded[row].sha256)
        if file is not None:
            reference = catalog.references[file]
            return Evidence(
                score=_sureness(1.0),
                text=f"The very file of {_name(reference)}.",
                region=Region(0, 0, *suspects.size(row)),
                references=(reference.id,),
                crops=_side_by_side(suspects, row, file),
            )
        try:
            photo = suspects.traits(row)
        except DecodeError as error:  # the file has gone since it was encoded
            return Evidence.not_applicable(f"The photo can no longer be read: {error}")
        if len(photo.features) < FEWEST:
            return Evidence.not_applicable("The photo has too few details to be recognised as a copy.")
        by_vector = near[np.argsort(-(catalog.vectors[near] @ suspects.photos.vectors[row]), kind="stable")]
        keys = _candidates(catalog.genuine, near, by_vector)
        found = [compare_traits(photo, self._traits(suspects, key)) for key in keys]
        if suspects.encoded[row].turn.mirrored:  # what matches once it is turned back is a mirror image as it was given
            found = [dataclasses.replace(match, mirror=not match.mirror) for match in found]
        order = _surest_first(found, catalog.genuine[keys])
        best, match, references = keys[order[0]], found[order[0]], [catalog.references[keys[place]] for place in order]
        twins = [keys[place] for place in order if found[place].same_photo]
        twin = next((catalog.references[key] for key in twins if catalog.genuine[key] != catalog.genuine[best]), None)
        return Evidence(
            score=_sureness(match.score) if match.same_photo else min(_sureness(match.score), ANOTHER),
            text=_sentence(match, references[0], twin, len(found)),
            region=match.region if match.same_photo else None,
            references=tuple(reference.id for reference in references),
            points=match.points if match.same_photo else match.artwork if len(match.artwork) else None,
            crops=_side_by_side(suspects, row, best) if match.same_photo else None,
        )

    def _traits(self, suspects: Suspects, key: int) -> Traits:
        """A reference's traits, found once and kept while there is room."""
        catalog = suspects.catalog

        def find() -> Traits:
            return find_traits(catalog.pixels(key), size=catalog.sizes[key])

        return self._kept.get(
            catalog.sha256[key], lambda: catalog.memory_of([key])("traits", [Traits, Keypoints], find)
        )


def _candidates(genuine: Bools, *ranked: Ints) -> list[int]:
    """The first of references that were ``ranked``, of the ``genuine`` ones (N,) and of known fakes."""
    kinds = [rows[genuine[rows] == kind] for rows in ranked for kind in (True, False)]
    return list(dict.fromkeys(key for rows in kinds for key in rows[:CANDIDATES].tolist()))


def _surest_first(found: Sequence[PhotoComparison], genuine: Bools) -> list[int]:
    """The places of comparisons with references, ``genuine`` ones or known fakes (N,), the highest score first; before
    a known fake that is hardly surer a genuine photo, of which it was made.
    """
    least = max(match.score for match in found) - AS_SURE

    def rank(place: int) -> tuple[bool, float, bool]:
        match, real = found[place], bool(genuine[place])
        return real and match.same_photo and match.score > least, match.score, real

    return sorted(range(len(found)), key=rank, reverse=True)


def is_copy(evidence: Evidence) -> bool:
    """Whether evidence of :class:`Reuse` proves a copy of the first of its ``references``."""
    return evidence.applicable and evidence.score >= COPY and bool(evidence.references)


def _sureness(score: float) -> float:
    return float(-np.log(1.01 - score))


COPY = _sureness(SAME_PHOTO)  # the claim's score from which it proves a copy
# The claim's score that no other photo exceeds; of genuine ones, one in five would. That two photos share their print
# speaks against nobody. It costs no power: ten rendered markets, 0.544 -> 0.545.
ANOTHER = 0.4


def _sentence(match: PhotoComparison, reference: Reference, twin: Reference | None, compared: int) -> str:
    """What a photo has in common with the surest ``reference`` of so many; ``twin``: a known fake that is the same
    photo as well as a genuine one, or the reverse.
    """
    agreement = percent(match.agreement)
    if match.same_photo:
        mirrored = ", mirrored" if match.mirror else ""
        but_for = ", plain ground left out" if match.without_ground else ""
        too = "" if twin is None else f" {_name(twin)} is the same photo, too."
        return (
            f"The same photo as {_name(reference)}{mirrored}: {len(match.points)} matched points, {agreement} of the "
            f"overlap agrees{but_for}.{too}"
        )
    if len(match.artwork):
        return (
            f"Shares the printed artwork with {_name(reference)}; that it is the same photo is not proved: "
            f"{len(match.artwork)} matched points, {agreement} of the overlap agrees."
        )
    nearest = number(compared, "most similar photo")
    return f"No copy of the {nearest} was proved; where it overlaps {_name(reference)}, {agreement} agrees."


def _name(reference: Reference) -> str:
    return f"{reference.id} ({_words(reference.gallery)})"


def _words(gallery: str) -> str:
    return gallery.replace("_", " ")


def _side_by_side(suspects: Suspects, row: int, key: int) -> tuple[PhotoView, PhotoView]:
    """A photo and the one that it copies, of which the caption says what it is: it need not be near the rest."""
    catalog = suspects.catalog
    return (
        dataclasses.replace(suspects.encoded[row].view, id="this photo"),
        dataclasses.replace(catalog.view(key), caption=_words(catalog.references[key].gallery)),
    )
