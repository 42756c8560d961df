"""The whole way of a listing: photos -> embeddings -> nearest references -> heads -> calibration -> verdict."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from ._version import made_by
from .calibration.calibrator import Calibration
from .calibration.split import photos_needed, refuse_too_few
from .decision.authorised import Authorised, pairs
from .decision.deciding import Decider
from .decision.policy import Policy
from .errors import CatalogError, InputError, NotCalibratedError
from .examples import Examples, check_genuine, examples_of, fake_examples, name_by_content
from .heads import Head, LearnedHead, Lesson, Price, default_heads
from .heads.base import fingerprint_of
from .heads.copies import Shown
from .heads.learned import too_few
from .index.catalog import Catalog
from .inspector_folder import KeptInspector, read_inspector, write_inspector
from .io.cache import EmbeddingCache
from .io.manifests import read_listings
from .judging import JudgedPhoto, Listings, borrowed, judge, strata_of, usable
from .report import Report
from .teaching import teach
from .types import Failure, Listing, Verdict, check_list
from .types.checks import as_path, as_share, check_settings, group_names
from .types.wording import claim_name, first_few, number

__all__ = ["Inspector"]

DOUBTS_TOLD = 10
STALE = (
    "the catalogue is not the one that was calibrated with: p-values are stale, and no share of false alarms is "
    "promised. Calibrate again with genuine photos"
)


class Inspector:
    """Judges listings against a catalogue. Calibrate before inspecting.

    - ``heads`` make the claims; they default to :func:`~counterfeit_vision.heads.default_heads`.
    - ``authorised`` are sellers that are never ``suspected``: pairs (platform, the platform's verified id), or an id
      where listings name no platform.
    - ``base_rate`` is the share of fakes that is expected among the listings, ``costs`` = (of a false accusation, of a
      missed fake), in any unit: what would be ``suspected`` goes to ``review`` where a fake is not probable enough for
      these costs. Both need a calibration with labelled fakes.
    - ``cache`` keeps embeddings, small copies of photos, and what the claims say of a listing, on disk; ``False`` keeps
      none. What is learned of a product's marks goes into the catalogue's cache.
    """

    def __init__(
        self,
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        authorised: Iterable[Authorised] = (),
        base_rate: float | None = None,
        costs: tuple[float, float] | None = None,
        *,
        cache: EmbeddingCache | bool = True,
    ) -> None:
        if not isinstance(catalog, Catalog):
            raise InputError(f"Inspector({catalog!r:.60}): need a Catalog; type Inspector(Catalog.load(folder))")
        if heads is not None and not isinstance(heads, Iterable):
            raise InputError(f"heads={heads!r:.80}: need a list; type heads=[Mark(), Price()]")
        self.catalog = catalog
        self.heads: tuple[Head, ...] = default_heads() if heads is None else tuple(heads)
        self.authorised, self.base_rate, self.costs = authorised, base_rate, costs
        self.lesson: Lesson | None = None
        self._given = self.heads
        self.calibration: Calibration | None = None
        self.failures: tuple[Failure, ...] = ()
        self.doubts: tuple[str, ...] = ()
        self.copies_warning: str | None = None
        self._made_by = ""
        self.by: str | None = None
        self._cache = cache
        if strange := [head for head in self.heads if isinstance(head, type) or not isinstance(head, Head)]:
            raise InputError(
                f"heads: {strange[0]!r:.80} is no head; type heads=[Mark(), Price()], from counterfeit_vision.heads"
            )
        names = [head.name for head in self.heads]
        if nameless := [name for name in names if not isinstance(name, str) or not name]:
            raise InputError(f"heads: one has the name {nameless[0]!r}; need a text")
        if not names or len(set(names)) < len(names):
            raise InputError(f"an inspector needs heads of different names, got {', '.join(names) or 'none'}")

    @property
    def authorised(self) -> frozenset[tuple[str | None, str]]:
        """Sellers that are never ``suspected``, as (platform or ``None``, verified id); may be assigned."""
        return self._authorised

    @authorised.setter
    def authorised(self, sellers: Iterable[Authorised]) -> None:
        self._authorised = pairs(sellers)

    @property
    def base_rate(self) -> float | None:
        """The share of fakes that is expected; may be assigned after a calibration with labelled fakes."""
        return self._base_rate

    @base_rate.setter
    def base_rate(self, share: float | None) -> None:
        check_settings(base_rate=share)
        self._base_rate = None if share is None else float(share)

    @property
    def costs(self) -> tuple[float, float] | None:
        """What a false accusation and a missed fake cost; may be assigned as :attr:`base_rate`."""
        return self._costs

    @costs.setter
    def costs(self, costs: tuple[float, float] | None) -> None:
        check_settings(costs=costs)
        self._costs = None
        if costs is not None:
            accusation, missed = costs
            self._costs = float(accusation), float(missed)

    # --- calibrating --------------------------------------------------------------------------------------------------

    def calibrate(
        self,
        genuine: Listings,
        fakes: Listings | None = None,
        groups: Sequence[str] | None = None,
        alpha: float = 0.05,
        *,
        by: Literal["category", "brand", "product"] | None = None,
        per: Literal["group", "photo"] = "group",
        leave_one_out: bool = False,
        progress: bool = False,
    ) -> Inspector:
        """Learn how much genuine goods vary, from photos or listings that are not in the catalogue; returns itself.

        - ``genuine`` and ``fakes`` are a list of photos or listings, or a file or folder of them, as for
          :meth:`inspect`.
        - ``alpha`` is the share of genuine listings that may end as ``suspected``.
        - ``groups`` has a name for each of ``genuine`` and then each of ``fakes``, in order: those of one name belong
          together (a seller, a room); default: each by itself. The promise is then about a photo of a new group.
        - ``per="photo"`` counts photos instead of groups; the photos of a group stay on one side. It needs fewer
          groups, and promises less where the photos of a group are alike.
        - ``by`` calibrates each category, brand or product (of the nearest reference) by itself where it has enough
          photos; the others are ranked together.
        - ``leave_one_out`` keeps no part of the photos aside, but measures a judged listing and each of these by what
          is usual for all the others: 19 groups will do for ``alpha`` = 5 % instead of 28, and ``alpha`` is promised
          as well, on average; no limit is known for the set in hand. Of each group one listing counts, drawn at random.
          A listing of one photo then takes 10 ms of one core beside 100 photos, and 17 beside 200.

        With ``fakes`` (labelled photos or listings) the claims are weighed, ``risk`` is the probability of a fake, and
        a :class:`~counterfeit_vision.heads.LearnedHead` is fitted on them, on the catalogue and on one part of
        ``genuine``; where it is not shown to be useful it is left out, and ``lesson`` says why. Nothing is fitted on
        the part that p-values come from. Fakes of that part's groups are not learned from (nobody has any of a new
        group), nor are photos that are in the catalogue: its known fakes would teach that fakes are copies.

        A listing that shows nothing new does not count: of a photo that several listings show, in whatever file, size
        or quality, the first one does (of a copy of a catalogue photo, each file, and none beside photos of the
        seller's own). Photos that can't be used stand in ``failures``. In ``doubts`` stand genuine photos that somebody
        should look at: those that are very unlike the others, in more than being copies of genuine photos, those that
        are shown as fakes as well, and copies of known fakes. Warns where there are such, and where more than a tenth
        of the genuine photos are copies of catalogue photos (``copies_warning``).
        Raises :class:`InputError` for too few photos, and for genuine photos that are in the catalogue and count. Those
        are recognised by the bytes of their files, which images and arrays do not have: give paths or bytes.
        """
        alpha = as_share(alpha, "alpha", 0.05)
        self._check_options(genuine, fakes, by=by, per=per, leave_one_out=leave_one_out)
        if groups is not None:  # a frame's column may hold anything
            groups = [str(name) for name in group_names(groups, "each of genuine, and then of fakes")]
        per_photo = per == "photo"
        if (owners := _owners(genuine, groups)) is not None:
            refuse_too_few(owners, alpha, alone=fakes is None, leave_one_out=leave_one_out, per_photo=per_photo)
        given = [head.name for head in self._given]

        def copied(row: JudgedPhoto) -> bool:
            return bool(borrowed([row], given, self.catalog)[0])

        shown = examples_of(
            self._judge(genuine, self._given, progress=progress),
            groups,
            per_photo=per_photo,
            copied=copied,
            shown=Shown(),
        )
        self.failures = tuple(shown.failures)
        copies_warning = check_genuine(shown.rows, given, self.catalog)
        if copies_warning is not None:
            warnings.warn(copies_warning, RuntimeWarning, stacklevel=2)
        strata = strata_of(shown.rows, self.catalog, by)
        if by is not None and shown.rows and len(set(strata)) < 2:
            what = strata[0] or "not named"
            raise InputError(f"by={by!r}: all genuine photos are of one {by}, {what}{self._unusable()}")
        false = Examples()
        if fakes is not None:
            judged = self._judge(fakes, self._given, progress=progress)
            false = fake_examples(judged, groups, shown, self.catalog, copied)
        if groups is not None and len(groups) > shown.count + false.count:
            raise InputError(
                f"groups has {len(groups)} names for {shown.count} genuine listings and {false.count} fakes: "
                "name one for each, in their order"
            )
        self.failures += tuple(false.failures)
        name_by_content(shown, false)
        try:
            taught = teach(
                shown,
                None if fakes is None else false,
                self.catalog,
                self._given,
                alpha=alpha,
                per_photo=per_photo,
                leave_one_out=leave_one_out,
                cache=self._cache,
            )
            calibration = taught.calibration(strata=strata, alpha=alpha, per_photo=per_photo)
        except InputError as error:
            raise InputError(f"{error}{self._unusable()}") from error
        doubts = taught.doubts(false.photos)
        # in one step: a thread that inspects meanwhile takes the old ones or the new ones
        told = {"doubts": doubts, "copies_warning": copies_warning, "_made_by": made_by()}
        vars(self).update(heads=taught.heads, lesson=taught.lesson, by=by, calibration=calibration, **told)
        if doubts:
            warnings.warn(
                f"of {len(shown.rows)} photos called genuine, {len(doubts)} {'is' if len(doubts) == 1 else 'are'} so "
                "unlike the others, or shown as fakes as well, or copies of known fakes, that somebody should look: "
                f"{first_few(doubts, DOUBTS_TOLD)}; keep those that are genuine, such as worn goods: without them, "
                "such are accused. A fake that stays hides fakes that are less unusual than it, most where fewer than "
                f"{photos_needed(alpha, 2)} photos calibrate",
                RuntimeWarning,
                stacklevel=2,
            )
        return self

    def _check_options(
        self,
        genuine: Listings,
        fakes: Listings | None,
        *,
        by: str | None,
        per: str,
        leave_one_out: bool,
    ) -> None:
        """What no photo can mend is refused before they are judged, which may take hours."""
        self._check_probable(fakes is not None)
        if per not in ("group", "photo"):
            raise InputError(f"per={per!r}: the promise counts 'group' or 'photo'")
        if leave_one_out and fakes is not None:
            raise InputError("leave_one_out is for genuine photos alone; with fakes, a part has to be kept aside")
        check_settings(by=by)
        for name, given in {"genuine": genuine, "fakes": () if fakes is None else fakes}.items():
            if not isinstance(given, str | os.PathLike):
                check_list(given, name, listings=True)
        if fakes is not None and any(head.name == LearnedHead.name for head in self._given):
            raise InputError("heads= holds a learned head, and fakes= teaches another; leave one of the two out")
        photos = _photos_of(fakes)
        if photos is not None and (why := too_few("fakes", sum(photos), len(photos))):
            raise InputError(f"{why}. Bring more, or calibrate without fakes")

    def _check_probable(self, probable: bool) -> None:
        """:class:`InputError` where ``risk`` is no probability and settings ask for one."""
        if not probable and (self.base_rate is not None or self.costs is not None):
            raise InputError("base_rate and costs need a probability: calibrate(genuine=photos, fakes=photos)")

    def _unusable(self) -> str:
        """What a refusal adds where photos could not be used: nobody sees ``failures`` of what was never made."""
        if not self.failures:
            return ""
        return f". {len(self.failures)} more could not be used; the first: {self.failures[0].error}"

    # --- inspecting ---------------------------------------------------------------------------------------------------

    def inspect(self, listings: Listings, *, strict: bool = False, progress: bool = False) -> Report:
        """Judge photos, listings, or a file or folder of them: one :class:`Verdict` or :class:`Failure` each, in order.

        With ``strict`` the first listing without a verdict raises its error.
        """
        now = copy.copy(self)
        results = list(now._stream(listings, strict=strict, progress=progress, stacklevel=3))
        return Report(results, about=now.about())

    def stream(
        self, listings: Listings, *, strict: bool = False, progress: bool = False
    ) -> Iterator[Verdict | Failure]:
        """As :meth:`inspect`, lazily: results come as they are ready, in order. All use the calibration that was there
        at the first of them. Warns where that is of another generation of the catalogue, or has claims that cannot be
        made here, for example because what reads wordmarks is absent.

        It reads ahead, by up to three batches of the encoder's ``batch_size`` photos (six where the cache knows them,
        and more on a GPU) and 32 listings; from a live queue, take each listing as it comes and ``inspect([listing])``.
        Where the source raises, what was read before is judged first.
        """
        return self._stream(listings, strict=strict, progress=progress, stacklevel=2)

    def _stream(
        self, listings: Listings, *, strict: bool, progress: bool, stacklevel: int
    ) -> Iterator[Verdict | Failure]:
        """As :meth:`stream`; ``stacklevel`` says for whom the warnings are: 2 for the function that takes results."""
        now = copy.copy(self)  # another thread may calibrate meanwhile
        decider, about = now._decider(), now.about()
        if decider.is_stale:
            warnings.warn(STALE, RuntimeWarning, stacklevel=stacklevel)
        for name, why in decider.unable.items():
            told = f"{name} makes no claim, though it was calibrated: {why}"
            warnings.warn(told, RuntimeWarning, stacklevel=stacklevel)
        for listing, judged, failures in now._judge(listings, now.heads, progress=progress):
            if judged:
                rows, silent = usable(judged)
                others = [*failures, *silent] if rows else failures
                yield decider.verdict(listing, rows or judged, others, about)
            elif strict:
                raise failures[0].error
            else:
                yield Failure(listing.id, failures[0].stage, failures[0].error)

    def _judge(
        self, listings: Listings, heads: Sequence[Head], *, progress: bool
    ) -> Iterator[tuple[Listing, list[JudgedPhoto], list[Failure]]]:
        return judge(listings, self.catalog, heads, cache=self._cache, progress=progress)

    def _decider(self) -> Decider:
        calibration = self.calibration
        if calibration is None:
            raise NotCalibratedError("show the inspector genuine photos first: inspector.calibrate(genuine=photos)")
        if (names := tuple(head.name for head in self.heads)) != calibration.heads:
            raise InputError(
                f"heads are {', '.join(names) or 'none'}, and {', '.join(calibration.heads)} were calibrated; for "
                "other heads type Inspector(catalog, heads=[...]), and calibrate it"
            )
        self._check_probable(calibration.probability is not None)
        policy = Policy(calibration.alpha, self.authorised, self.costs)
        told = zip(self.heads, calibration.can_tell.tolist(), strict=True)
        unable = {head.name: why for head, counts in told if counts and (why := getattr(head, "unable", None))}
        return Decider(self.catalog, calibration, policy, self.by, self.base_rate, unable)

    def about(self) -> dict[str, str]:
        """The facts at the head of a report: the catalogue, the calibration and what it promises, the claims."""
        decider, info = self._decider(), self.catalog.counts
        calibration = decider.calibration
        fakes = info["galleries"].get("known_fake", 0)
        genuine = f"{info['references'] - fakes} genuine photos" + (f" and {fakes} of known fakes" if fakes else "")
        facts = {
            "Catalogue": f"{genuine}; products: {info['products']}, brands: {info['brands']}; "
            f"generation {self.catalog.generation[:12]}",
            "Calibration": f"{_counted(calibration)} for p-values, {calibration.fitted_on} to standardise"
            + (", none kept aside and each left out in turn" if calibration.leave_one_out else "")
            + ("" if self.by is None else f"; each {self.by} by itself where it has enough")
            + f"; fingerprint {calibration.fingerprint}",
            "Alarm level": f"{100 * calibration.alpha:g} %, which is not promised: see Stale"
            if decider.is_stale
            else calibration.promise("genuine listings like those that calibrated are"),
            "Encoder": f"{info['encoder']} {info['fingerprint'][:12]}",
            "Version": made_by() + (f"; calibrated by {self._made_by}" if self._made_by != made_by() else ""),
            "Claims": ", ".join(claim_name(head.name) for head in self.heads),
        }
        if decider.expected is not None:
            facts["Expected"] = f"{100 * decider.expected:.3g} % fakes"
        if self.costs is not None:
            facts["Costs"] = f"{self.costs[0]:g} of a false accusation, {self.costs[1]:g} of a missed fake"
        facts |= {} if self.lesson is None else {"Learned from fakes": str(self.lesson)}
        if self.doubts:
            facts["Doubts"] = f"{number(len(self.doubts), 'photo')} called genuine that somebody should look at"
        facts |= {} if self.copies_warning is None else {"Copies": self.copies_warning}
        facts |= {"Stale": STALE} if decider.is_stale else {}
        return facts | {f"Not asked: {claim_name(name)}": why for name, why in decider.unable.items()}

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Keep the calibration and the settings; the catalogue is saved by itself. -> the folder."""
        now = copy.copy(self)  # another thread may calibrate meanwhile
        if now.calibration is None:
            raise NotCalibratedError("nothing to save yet: inspector.calibrate(genuine=photos) comes first")
        kept = KeptInspector(
            fingerprint=now.catalog.encoder.fingerprint,
            calibration=now.calibration,
            authorised=now.authorised,
            by=now.by,
            base_rate=now.base_rate,
            costs=now.costs,
            rates=next((head.rates for head in now.heads if isinstance(head, Price)), {}),
            stated=_stated(now.heads),
            doubts=now.doubts,
            copies_warning=now.copies_warning,
            made_by=now._made_by,
        )
        path = as_path(folder, "inspector.save", "inspector")
        write_inspector(path, kept, now.heads[-1] if isinstance(now.heads[-1], LearnedHead) else None)
        return path

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        *,
        cache: EmbeddingCache | bool = True,
    ) -> Inspector:
        """Read what :meth:`save` kept, all but ``failures``. On another generation of the catalogue, verdicts say that
        they are ``stale``.

        Heads that were given to the inspector have to be given again, except the learned one; without ``heads``,
        :class:`Price` has the rates that it had. :class:`CatalogError` for other heads, and for one whose
        ``fingerprint`` is another.
        """
        path = as_path(folder, "Inspector.load", "inspector")
        kept = read_inspector(path)
        given = heads
        if given is None:
            given = [Price(kept.rates) if isinstance(head, Price) else head for head in default_heads()]
        inspector = cls(catalog, given, base_rate=kept.base_rate, costs=kept.costs, cache=cache)
        catalog.check_fingerprint(kept.fingerprint, f"the genuine photos of {path}")
        if not isinstance(inspector.heads[-1], LearnedHead):
            try:
                head = kept.learned_head(path, catalog.encoder, cache)
            except CatalogError:
                if read_inspector(path).learned == kept.learned:
                    raise
                return cls.load(folder, catalog, heads, cache=cache)  # another save came between
            if head is not None:
                inspector.heads, inspector.lesson = (*inspector.heads, head), head.lesson
        names = tuple(head.name for head in inspector.heads)
        if names != kept.calibration.heads:
            raise CatalogError(
                f"{path} was calibrated with the heads {kept.calibration.heads}, this inspector has {names}; "
                "type: Inspector.load(folder, catalog, heads=[...]), with those"
            )
        for name, now in _stated(inspector.heads).items():
            if (then := kept.stated.get(name, now)) != now:
                raise CatalogError(
                    f"{path}: head {name!r} was calibrated as {then!r:.80}, this one is {now!r:.80}; give the one "
                    "that it was, or calibrate again"
                )
        inspector.calibration, inspector.by, inspector._authorised = kept.calibration, kept.by, kept.authorised
        inspector.doubts, inspector.copies_warning = kept.doubts, kept.copies_warning
        inspector._made_by = kept.made_by
        return inspector

    def __repr__(self) -> str:
        state = "not calibrated" if self.calibration is None else f"p-values from {_counted(self.calibration)}"
        return f"<Inspector {', '.join(head.name for head in self.heads)}; {state}; {self.catalog!r}>"


def _stated(heads: Sequence[Head]) -> dict[str, str]:
    """The fingerprints of those that have one, and all that they need."""
    able = [head for head in heads if not getattr(head, "unable", None)]
    return {head.name: stated for head in able if (stated := fingerprint_of(head)) is not None}


def _photos_of(listings: Listings | None) -> list[int] | None:
    """How many photos each listing has; ``None`` where that can't be told before they are judged."""
    if not isinstance(listings, str | os.PathLike | list | tuple):
        return None
    return [len(item.photos) if isinstance(item, Listing) else 1 for item in read_listings(listings)]


def _owners(genuine: Listings, groups: Sequence[str] | None) -> list[str] | None:
    """For each photo of a list what it belongs to, a listing or one of the ``groups``; ``None`` where that can't be
    told before they are judged, and for a folder or a table, whose photos that can't be used are to be named.
    """
    photos = _photos_of(genuine) if isinstance(genuine, list | tuple) else None
    if photos is None or (groups is not None and len(groups) < len(photos)):
        return None
    names = [str(number) for number in range(len(photos))] if groups is None else groups
    return [name for name, count in zip(names, photos, strict=False) for _ in range(count)]


def _counted(calibration: Calibration) -> str:
    """What stands behind the p-values: "39 photos", "60 photos of 20 groups"."""
    photos, groups = len(calibration.merged), calibration.real_groups
    each = ", each photo counted," if calibration.counts_alike else ""
    return f"{photos} photos" if groups == photos else f"{photos} photos of {groups} groups{each}"
