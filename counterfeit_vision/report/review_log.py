"""What reviewers decided, in a journal that can only grow.

The journal is one JSON object a line. Each line names the sha256 of the line before it, so that one which was changed,
removed or inserted before the last is found; the last, and lines cut off at the end, by whoever kept
:attr:`Journal.head`. A line counts once it is written whole: what a crash left of one is cut off at the next. Nothing
is added to a journal that was changed, nor to another file.

Decisions move nothing by themselves. They are used when somebody calibrates again, and only as far as they may be:
listings that were looked at *because* they looked odd are not like the traffic, and would make odd things usual.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeGuard

import numpy as np

from ..errors import CatalogError, DecodeError, InputError
from ..io.decode import read_bytes
from ..io.files import locked, named
from ..types import DECISIONS, LONGEST_ID, Listing, Seller, Verdict
from ..types.checks import as_path
from ..types.wording import first_few, number

__all__ = ["Journal", "sha256_of"]

Decided = Literal["genuine", "fake", "unsure"]
DECIDED = ("genuine", "fake", "unsure")
KEPT = ("brand", "product", "title", "price", "currency", "seller", "platform")  # of a listing, beside id and photos
KEPT_LATER = ("channel", "region", "url")  # which older lines lack
SAID = ("decision", "risk", "p_value", "reason", "statistics", "stale")  # of a verdict
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # of a line that is no decision
START = "0" * 64  # what the first line names as the one before it


@dataclass(frozen=True)
class _Checked:
    """The bytes at a journal's beginning that were read and found to be decisions: their sha256, and that of the last
    line.
    """

    size: int
    lines: int
    sha256: str
    head: str


NOTHING = _Checked(0, 0, hashlib.sha256().hexdigest(), START)


class Journal:
    """Reviewers' decisions, in one file that the first of them creates."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path, "Journal", "decisions.jsonl")
        self._checked = NOTHING

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    def add(
        self,
        listing: Listing,
        verdict: Verdict | Mapping[str, Any],
        decided: Decided,
        *,
        by: str,
        drawn: bool = False,
        note: str = "",
        at: str | None = None,
    ) -> dict[str, Any]:
        """Write a decision down; -> the entry. It is on the disk when this returns.

        ``verdict`` is what the inspector had said (or its ``to_dict``), ``by`` who decided. ``drawn`` says that the
        listing was drawn at random to be looked at, not picked because of its verdict: only such ones may calibrate.
        Draw from all, before you look at verdicts: draws among the clear ones make far more genuine listings suspected
        than alpha (docs/promise.md shows it).
        ``at`` is an ISO 8601 time with its zone (default: now). Photos must be paths, so that they can be read again,
        of the files that were judged; those that failed are left out.
        Raises :class:`CatalogError` for a file that is no journal, or a changed one, and leaves it alone.
        """
        _check_decision(listing, decided, by=by, drawn=drawn, note=note, at=at)
        said = verdict.to_dict() if isinstance(verdict, Verdict) else verdict
        if not _is_verdict(said):
            raise InputError(f"listing {listing.id!r}: {verdict!r:.80} is no verdict; decide on those that have one")
        mine, its = (listing.platform, listing.id), (_platform(said, listing.platform), said["id"])
        if mine != its:
            raise InputError(
                f"listing {mine[1]!r} of {mine[0]} and the verdict on {its[1]!r} of {its[0]} are not the same"
            )
        photos = _judged_photos(listing, said)
        entry = {
            "listing": listing.id,
            "photos": list(photos),
            "photos_sha256": list(photos.values()),
            "brand": listing.brand,
            "product": listing.product,
            "title": listing.title,
            "price": listing.price,
            "currency": listing.currency,
            "seller": listing.seller.id if isinstance(listing.seller, Seller) else None,
            "platform": listing.platform,
            **{name: getattr(listing, name) for name in KEPT_LATER},
            "said": {name: said[name] for name in SAID} | {"calibration": said.get("calibration", "")},
            "decided": decided,
            "drawn": bool(drawn),
            "by": by,
            "note": note,
            "at": datetime.now(UTC).isoformat(timespec="seconds") if at is None else at,
        }
        try:
            plain: dict[str, Any] = json.loads(json.dumps(entry, default=float, allow_nan=False))  # numpy's
        except (TypeError, ValueError) as error:
            raise InputError(f"listing {listing.id!r}: {error}; give plain texts and numbers") from error
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with named(self.path), open(self.path, "a+b") as file, locked(file.fileno()):
            file.seek(0)
            known = self._check(file.read())
            file.truncate(known.size)
            file.write(_begun(known.head) + json.dumps(plain)[1:].encode() + b"\n")  # any file's name in ASCII
            file.flush()
            os.fsync(file.fileno())
        return plain

    def entries(self) -> list[dict[str, Any]]:
        """All decisions, oldest first; a line that a crash cut off is no decision.

        Raises :class:`CatalogError` that names the first line which does not follow from the one before it.
        """
        return self._read(self._data(), NOTHING)[0]

    def __len__(self) -> int:
        return self._check(self._data()).lines

    def earlier(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """The decisions on an entry's listing that were written before it, oldest first, also those on some of its
        photos alone: what it decides otherwise than these, it overrules (:meth:`listings`).
        """
        name = json.dumps(entry["listing"]).encode()
        near = [json.loads(line) for line in self._data().split(b"\n")[:-1] if name in line]
        for one in near:
            del one["previous"]
        if entry not in near:
            return []
        near = [one for one in near if _offer(one) == _offer(entry)]
        covered = [decisions for decisions in _of_listings(near) if any(_shows(entry, one) for one in decisions)]
        same = {id(one) for decisions in covered for one in decisions}
        return [one for one in near[: near.index(entry)] if id(one) in same]

    @property
    def head(self) -> str:
        """sha256 of the last line: written down elsewhere, it seals all lines up to it."""
        return self._check(self._data()).head

    def _data(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _check(self, data: bytes) -> _Checked:
        """The whole lines of a journal's bytes. Those that were checked before are not read again while they are the
        same bytes.
        """
        known = self._checked
        sha256 = hashlib.sha256(memoryview(data)[: known.size])
        if sha256.hexdigest() != known.sha256:
            known, sha256 = NOTHING, hashlib.sha256()
        found, head, whole = self._read(data[known.size :], known)
        sha256.update(memoryview(data)[known.size : known.size + whole])
        checked = _Checked(known.size + whole, known.lines + len(found), sha256.hexdigest(), head)
        self._checked = checked  # another thread may put its own here before this one's is used
        return checked

    def _read(self, data: bytes, known: _Checked) -> tuple[list[dict[str, Any]], str, int]:
        """The decisions in a journal's bytes after those that are known, the sha256 of the last line, and how many
        bytes the whole lines take.
        """
        previous, found = known.head, []
        *lines, torn = data.split(b"\n")
        for place, line in enumerate(lines, known.lines + 1):
            try:
                found.append(_decision(line, previous))
            except UNREADABLE as error:
                raise self._changed(place, error) from error
            previous = hashlib.sha256(line).hexdigest()
        begun = _begun(previous)
        if torn[: len(begun)] != begun[: len(torn)]:  # a crash cuts off what was begun, and no more
            raise self._changed(known.lines + len(lines) + 1, "it does not begin as a decision does")
        return found, previous, len(data) - len(torn)

    def _changed(self, line: int, what: object) -> CatalogError:
        advice = "restore the journal, or name another file"
        return CatalogError(f"{self.path}:{line}: not as it was written: {what}; {advice}")

    def listings(self, decided: Decided) -> list[Listing]:
        """The listings whose last decision is ``decided``; of genuine ones only those that were drawn at random at
        least once.

        The last is the one that was written last, whatever time it names, on all photos of the listing, alone or with
        others: after an appeal, what is decided on the old photos and the new ones holds for the old ones, too. Photos
        that it did not see stay decided: whoever shows other goods after he was caught has shown the first all the
        same. So does a listing of which it saw some photos only, as it was decided on all of them together. Two
        listings may have one id, on two platforms or with other photos; the second is then called "id (2)". Warns where
        a photo's file is not the one that was decided on, and leaves its listing out.
        """
        _check_word(decided)
        entries = self.entries()
        for line, entry in enumerate(entries, 1):
            try:
                _listing(entry)
            except UNREADABLE as error:
                raise self._changed(line, error) from error
        offers: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
        for entry in entries:
            offers.setdefault(_offer(entry), []).append(entry)
        known: Counter[str] = Counter()
        found: list[Listing] = []
        changed: list[Listing] = []
        for decisions in _of_listings(entries):
            last = decisions[-1]
            listing = _listing(last)
            known[listing.id] += 1
            holds = next(one for one in reversed(offers[_offer(last)]) if _shows(one, last))
            if holds["decided"] != decided or (decided == "genuine" and not any(one["drawn"] for one in decisions)):
                continue
            more = f" ({known[listing.id]})" if known[listing.id] > 1 else ""
            listing = dataclasses.replace(listing, id=listing.id[: LONGEST_ID - len(more)] + more)
            (changed if _has_changed(last) else found).append(listing)
        if changed:
            told = f"{number(len(changed), 'listing')} left out, as their photos are not those that were decided on"
            names = first_few([listing.id for listing in changed])
            warnings.warn(f"{self.path}: {told}: {names}", RuntimeWarning, stacklevel=2)
        return found


def _check_decision(listing: object, decided: str, *, by: object, drawn: object, note: object, at: object) -> None:
    """:class:`InputError` for what is no decision on a listing whose photos can be read again."""
    if not isinstance(listing, Listing):
        raise InputError(f"Journal.add({listing!r:.80}): need the Listing that was judged")
    _check_word(decided)
    if not isinstance(by, str) or not by.strip():
        raise InputError(f"by={by!r:.80}: name who decided, as a text")
    if not isinstance(drawn, bool | np.bool_):  # a data frame's column holds numpy's; any text would be true
        raise InputError(f"drawn={drawn!r:.80}: need True or False; of a text type drawn=text == 'True'")
    if not isinstance(note, str):
        raise InputError(f"note={note!r:.80}: need a text; where there is nothing to say, leave it out")
    if at is not None and not _is_time(at):
        raise InputError(f"at={at!r:.80}: need an ISO 8601 time and its zone, as '2026-01-31T09:30:00+00:00'")
    if not listing.photos or not all(isinstance(photo, str | os.PathLike) for photo in listing.photos):
        advice = "not verdict.listing, but as counterfeit_vision.io.manifests.read_listings(path) gives it"
        raise InputError(f"listing {listing.id!r}: the journal keeps paths of photos; give it with them, {advice}")


def _check_word(decided: str) -> None:
    if decided not in DECIDED:
        raise InputError(f"decided={decided!r}; the words are {', '.join(DECIDED)}")


def _decision(line: bytes, previous: str) -> dict[str, Any]:
    """What a line after the one with the sha256 ``previous`` says; one of :data:`UNREADABLE` where it is none."""
    entry: dict[str, Any] = json.loads(line)
    if "previous" not in entry:
        raise ValueError("it is no line of a journal")
    if (named := entry.pop("previous")) != previous:
        if named == START:
            raise ValueError("another journal begins here, and they can't be joined: each line seals the one before it")
        raise ValueError("it does not name the line before it: a line was changed, removed or put in")
    if entry["decided"] not in DECIDED or "drawn" not in entry:
        raise ValueError("it is no decision")
    return entry


def _listing(entry: Mapping[str, Any]) -> Listing:
    """What an entry is about; one of :data:`UNREADABLE` where it is about none."""
    photos, files = entry["photos"], entry.get("photos_sha256", [])
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in (photos, files)):
        raise ValueError(f"photos {photos!r:.80} are no list of paths, or have no sha256")
    kept = {name: entry[name] for name in KEPT} | {name: entry.get(name) for name in KEPT_LATER}
    return Listing(id=entry["listing"], photos=photos, **kept)


def _offer(entry: Mapping[str, Any]) -> tuple[str | None, str]:
    return entry["platform"], entry["listing"]


def _shows(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an entry is on all photos of another one, which has no sha256 of them in older lines."""
    files, paths = entry.get("photos_sha256", []), entry["photos"]
    return set(other.get("photos_sha256", other["photos"])) <= {*files, *paths}


def _of_listings(entries: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The decisions on each listing: on an id of a platform with the same photos, wherever their files are and in any
    order. In older lines they have no sha256, and are told by their paths.
    """
    found: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    places: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
    for entry in entries:
        by_path, by_sha256 = (
            (entry["platform"], entry["listing"], *sorted(set(names)))
            for names in (entry["photos"], entry.get("photos_sha256", entry["photos"]))
        )
        place = places.setdefault(by_sha256, places.get(by_path, by_sha256))
        found.setdefault(place, []).append(entry)
    return list(found.values())


def _is_verdict(said: object) -> TypeGuard[Mapping[str, Any]]:
    return (
        isinstance(said, Mapping)
        and {"id", "photos_sha256", *SAID} <= said.keys()
        and said["decision"] in DECISIONS
        and isinstance(said["photos_sha256"], list | tuple)
    )


def _platform(said: Mapping[str, Any], otherwise: str | None) -> str | None:
    """The platform of the listing that a verdict is on; ``otherwise`` where the verdict has no listing."""
    listing = said.get("listing")
    return listing.get("platform") if isinstance(listing, Mapping) else otherwise


def _judged_photos(listing: Listing, said: Mapping[str, Any]) -> dict[str, str]:
    """The whole paths of the listing's photos that were judged, and their files' sha256. :class:`InputError` where
    they are not those that the verdict is on, but for as many as failed.
    """
    paths = [os.path.abspath(photo) for photo in listing.photos if isinstance(photo, str | os.PathLike)]
    files = {path: sha256_of(path) for path in paths}
    judged = {path: sha256 for path, sha256 in files.items() if sha256 in said["photos_sha256"]}
    if set(said["photos_sha256"]) - set(judged.values()) or len(files) - len(judged) > len(said.get("failures") or ()):
        others = [path for path in files if path not in judged]
        told = f"listing {listing.id!r}: its photos are not those that were judged"
        raise InputError(f"{told}{f', the first is {others[0]}' if others else ''}; inspect it again, then decide")
    return judged


def _has_changed(entry: Mapping[str, Any]) -> bool:
    """Whether another file is where a photo of an entry was. One that is gone is named where it is to be read."""
    then = zip(entry["photos"], entry.get("photos_sha256", ()), strict=False)
    return any(sha256_of(photo) not in ("", sha256) for photo, sha256 in then)


def sha256_of(path: str) -> str:
    """The sha256 of a file's bytes; empty where it can't be read."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except DecodeError:
        return ""


def _begun(previous: str) -> bytes:
    """What the line after the one with this sha256 begins with, so that a cut-off line can be told from all else."""
    return b'{"previous": "%s", ' % previous.encode()


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
