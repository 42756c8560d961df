"""What an inspector is calibrated with: which photos of the genuine listings and of the fakes count, and why others do
not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from .errors import InputError
from .heads import Reuse
from .heads.copies import Shown
from .heads.reuse import is_copy
from .index.catalog import Catalog
from .judging import JudgedPhoto, borrowed, distinct, said, usable
from .types import Failure, Listing
from .types.wording import first_few

__all__ = ["Examples", "check_genuine", "examples_of", "fake_examples", "name_by_content"]

COPIES_TOLD = 0.1  # share of genuine photos: with more copies of catalogue photos than that, others look unusual


@dataclass
class Examples:
    """Genuine photos, or fakes, of ``count`` listings: what the heads say of each in ``rows``, its group and the number
    of its listing; and the sha256 of all ``photos`` that were shown.
    """

    rows: list[JudgedPhoto] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    listings: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    photos: set[str] = field(default_factory=set)
    count: int = 0

    def outside(self, groups: Collection[str]) -> Examples:
        """Those of none of these ``groups``."""
        kept = [place for place, name in enumerate(self.groups) if name not in groups]
        return replace(
            self,
            rows=[self.rows[place] for place in kept],
            groups=[self.groups[place] for place in kept],
            listings=[self.listings[place] for place in kept],
        )


def examples_of(
    judged: Iterable[tuple[Listing, list[JudgedPhoto], list[Failure]]],
    groups: Sequence[str] | None,
    what: str = "genuine",
    *,
    named: int = 0,
    per_photo: bool = False,
    copied: Callable[[JudgedPhoto], bool] | None = None,
    shown: Shown | None = None,
    no_lesson: Mapping[str, str] = MappingProxyType({}),
) -> Examples:
    """Genuine listings, or fakes, as the heads judged them; each photo once in a listing, ``per_photo`` once in all. A
    listing that shows nothing new does not count; nor does one of copies of what was ``shown``, of photos that are not
    ``copied`` from the catalogue: many sellers may have taken such. Beside others in a listing, copied photos are
    failures: it is not ranked by them.
    ``groups`` names what each listing belongs to, after ``named`` others; default: to itself. Photos whose sha256 is in
    ``no_lesson``, which says why, are failures.
    """
    examples, seen = Examples(), set[str]()  # by sha256; a copy beside the seller's own was not seen
    for listing, photos, failed in judged:
        if groups is not None and named + examples.count >= len(groups):
            raise InputError(
                f"groups has {len(groups)} names, which are fewer than the listings; name one for each genuine "
                "listing, then one for each fake, in their order"
            )
        rows, silent = usable(photos)
        for row in rows:
            if why := no_lesson.get(row.photo.sha256):
                error = InputError(f"{row.photo.id}: the same photo {why}, so it teaches nothing about fakes")
                silent.append(Failure(row.photo.id, "input", error))
                examples.photos.add(row.photo.sha256)
        rows = [row for row in rows if row.photo.sha256 not in no_lesson]
        once = {rows[number].photo.sha256: rows[number] for number in reversed(distinct(rows))}
        own = {sha256: row for sha256, row in once.items() if not (copied and copied(row))}
        counted = own or once
        new = [row.photo for sha256, row in own.items() if sha256 not in seen]
        before = {photo.sha256: of for photo, of in zip(new, shown.originals(new), strict=True) if of} if shown else {}
        again = {*before, *(counted.keys() & seen)}
        seen |= counted.keys()
        examples.photos |= once.keys()
        silent += [_beside_own(row.photo.id) for row in reversed(once.values()) if row.photo.sha256 not in counted]
        if rows and counted.keys() <= again:
            which = "".join(f"; {own[sha256].photo.id} is a copy of {of.id}" for sha256, of in before.items())
            error = InputError(f"{listing.id}: all that it shows was shown before, so it does not count{which}")
            counted, silent = {}, [*silent, Failure(listing.id, "input", error)]
        rows = [row for sha256, row in reversed(counted.items()) if not (per_photo and sha256 in again)]
        examples.rows += rows
        examples.failures += [*failed, *silent]
        examples.groups += [f"{what} {listing.id}" if groups is None else groups[named + examples.count]] * len(rows)
        examples.listings += [examples.count] * len(rows)
        examples.count += 1
    return examples


def _beside_own(photo: str) -> Failure:
    why = "a copy of one of the catalogue's genuine photos, beside the seller's own, so it does not count"
    return Failure(photo, "input", InputError(f"{photo}: {why}"))


def check_genuine(rows: Sequence[JudgedPhoto], heads: Sequence[str], catalog: Catalog) -> str | None:
    """:class:`InputError` where genuine photos, of which these ``heads`` spoke, are the catalogue's. -> a warning where
    many are copies of such: others would look unusual beside them.
    """
    known = [row.photo for row in rows if row.photo.sha256 in catalog.row_of_file]
    fakes = [photo for photo in known if not catalog.genuine[catalog.row_of_file[photo.sha256]]]
    if wrong := [photo.id for photo in fakes or known]:
        what = "known fake" if fakes else "photo"
        told = f"{first_few(wrong)} {f'is a {what}' if len(wrong) == 1 else f'are {what}s'}"
        raise InputError(f"{told} of the catalogue; calibrate with genuine photos that are not in it")
    reuse = said(rows, heads, Reuse.name)
    copies = [row for row, evidence in zip(rows, reuse, strict=True) if is_copy(evidence)]
    if len(copies) <= COPIES_TOLD * len(rows):
        return None
    fake = len(copies) - int(borrowed(rows, heads, catalog).sum())
    of_fakes = f" ({fake} of known fakes)" if fake else ""
    return (
        f"{len(copies)} of {len(rows)} genuine photos are copies of catalogue photos{of_fakes}, the first is "
        f"{copies[0].photo.id}: more than alpha of the genuine listings that have photos of their own may end "
        "as suspected. Calibrate with photos that are not in the catalogue in any size"
    )


def fake_examples(
    judged: Iterable[tuple[Listing, list[JudgedPhoto], list[Failure]]],
    groups: Sequence[str] | None,
    genuine: Examples,
    catalog: Catalog,
    copied: Callable[[JudgedPhoto], bool] | None = None,
) -> Examples:
    """Fakes, but those that would teach something wrong: shown as ``genuine`` as well, or in the catalogue, whose known
    fakes would teach that fakes are copies. ``groups`` names the genuine listings first.
    """
    no_lesson = {
        sha256: f"is a {'genuine photo' if catalog.genuine[row] else 'known fake'} of the catalogue"
        for sha256, row in catalog.row_of_file.items()
    }
    no_lesson |= dict.fromkeys(genuine.photos, "was shown as genuine")
    return examples_of(judged, groups, "fakes", named=genuine.count, copied=copied, no_lesson=no_lesson)


def name_by_content(genuine: Examples, fakes: Examples) -> None:
    """Give each group a name that its photos decide, the genuine ones where it has any: what hangs on names, such as
    which groups are fitted on, is then the same whatever listings, sellers and files are called.
    """
    told: dict[str, str] = {}
    for examples in (genuine, fakes):
        files: dict[str, set[str]] = {}
        for row, name in zip(examples.rows, examples.groups, strict=True):
            files.setdefault(name, set()).add(row.photo.sha256)
        for name, shown in files.items():
            told.setdefault(name, hashlib.sha256(" ".join(sorted(shown)).encode()).hexdigest())
        examples.groups = [told[name] for name in examples.groups]
