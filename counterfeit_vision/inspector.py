"""The whole way of a listing: photos -> embeddings -> nearest references -> heads -> calibration -> verdict."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from .cache import EmbeddingCache
from .calibrate import FIT_SHARE, FIT_SHARE_WITH_FAKES, Calibration, check_alpha, conformal_needed, split_groups
from .catalog import Catalog
from .errors import CatalogError, InputError, NotCalibratedError
from .heads import Head, LearnedHead, Lesson, Mark, Price, Reuse, Similarity, default_heads
from .heads.reuse import is_copy
from .inspector_folder import KeptInspector, read_inspector, write_inspector
from .judging import JudgedPhoto, Listings, judge, scores_of
from .merge import mean_evidence, stand_apart
from .policy import REVIEW_FACTOR, Authorised, Findings, Policy, pairs
from .report import Report
from .stream import EncodedPhoto, encode_photos
from .types import Evidence, Failure, Listing, Verdict, composed

__all__ = ["Inspector"]

GENUINE_SHOWN = 3
DOUBTS_TOLD = 10
COPIES_TOLD = 0.1  # of genuine photos: more copies of catalogue photos make others look unusual
STALE = (
    "the catalogue is not the one that was calibrated with: p-values are stale, and no share of false alarms is "
    "promised. Calibrate again with genuine photos"
)
UNSURE = 0.1  # where so few genuine photos leave as little between the nearest product and the next, both are named

Floats = NDArray[np.float64]


class Inspector:
    """Judges listings against a catalogue. Calibrate before inspecting.

    - ``heads`` make the claims; they default to :func:`~counterfeit_vision.heads.default_heads`.
    - ``authorised`` are sellers that are never ``suspected``: pairs (platform, the platform's verified id), or an id
      where listings name no platform.
    - ``base_rate`` is the share of fakes that is expected among the listings, ``costs`` = (of a false accusation, of a
      missed fake), in any unit: a listing that is not probable enough a fake for them goes to ``review``. Both need a
      calibration with labelled fakes.
    - ``cache`` keeps embeddings on disk; ``False`` leaves the disk alone.
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
        self.catalog = catalog
        self.heads: tuple[Head, ...] = default_heads() if heads is None else tuple(heads)
        self.base_rate, self.costs = base_rate, costs
        self.lesson: Lesson | None = None
        self._given = self.heads
        self.authorised = pairs(authorised)
        self.calibration: Calibration | None = None
        self.failures: tuple[Failure, ...] = ()
        self.doubts: tuple[str, ...] = ()
        self.by: str | None = None
        self._cache = cache
        if strange := next((head for head in self.heads if isinstance(head, type) or not hasattr(head, "name")), None):
            raise InputError(
                f"heads: {strange!r:.80} is no head; type heads=[Mark(), Price()], from counterfeit_vision.heads"
            )
        names = [head.name for head in self.heads]
        if not names or len(set(names)) < len(names):
            raise InputError(f"an inspector needs heads of different names, got {', '.join(names) or 'none'}")
        if base_rate is not None and not (isinstance(base_rate, SupportsFloat) and 0 < base_rate < 1):
            raise InputError(f"base_rate={base_rate!r}: need a share of fakes between 0 and 1, such as 0.02")
        two = list(costs) if isinstance(costs, Sequence | np.ndarray) else []  # a set has no order
        numbers = [cost for cost in two if isinstance(cost, SupportsFloat)]
        if costs is not None and (len(numbers) != 2 or not all(math.isfinite(cost) and cost > 0 for cost in numbers)):
            raise InputError(f"costs={costs!r}: need two numbers above 0: of a false accusation, of a missed fake")

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

        - ``alpha`` is the share of genuine photos that may end as ``suspected``.
        - ``groups`` names, for each of ``genuine`` and then of ``fakes``, in their order, what belongs together (a
          seller, a room); default: each listing by itself. The promise is then about a photo of a new group.
        - ``per="photo"`` counts photos instead of groups; the photos of a group stay on one side. It needs fewer
          groups, and promises less where the photos of a group are alike.
        - ``by`` calibrates each category, brand or product (of the nearest reference) by itself where it has photos
          enough; the others are ranked together.
        - ``leave_one_out`` keeps no part of the photos aside, but leaves each group out in turn: 19 groups will do for
          ``alpha`` = 5 % instead of 28, and 2 ``alpha`` - 1 / (groups + 1) is what is proved.

        With ``fakes`` (labelled photos or listings) the claims are weighed, ``risk`` is the probability of a fake, and
        a :class:`~counterfeit_vision.heads.LearnedHead` is fitted on them, on the catalogue and on one part of
        ``genuine``; where it is not shown to be useful it is left out, and ``lesson`` says why. Nothing is fitted on
        the part that p-values come from. Not learned from are fakes of that part's groups (of a new group nobody has
        any), and photos that the catalogue has as known fakes (they would teach that fakes are copies).

        A listing that shows nothing new does not count. Photos that can't be used stand in ``failures``. In ``doubts``
        stand genuine photos that somebody should look at: those that are very unlike the others, and those that are
        shown as fakes as well. Warns where there are such, and where more than a tenth of the genuine photos are
        copies of catalogue photos.
        Raises :class:`InputError` for too few photos, and for genuine photos that are in the catalogue.
        """
        self._check_options(fakes, groups, alpha=alpha, by=by, per=per, leave_one_out=leave_one_out)
        groups = None if groups is None else [str(name) for name in groups]  # a frame's column may hold anything
        per_photo = per == "photo"
        shown = self._show(genuine, groups, "genuine", progress, per_photo=per_photo)
        self.failures = tuple(shown.failures)
        rows, names = shown.rows, shown.groups
        self._check_genuine(rows)
        strata = self._strata(rows, by)
        if by is not None and rows and len(set(strata)) < 2:
            what = strata[0] or "not named"
            raise InputError(f"by={by!r}: all genuine photos are of one {by}, {what}{self._unusable()}")
        false = _Shown() if fakes is None else self._show_fakes(fakes, groups, shown, progress)
        if groups is not None and len(groups) > shown.count + false.count:
            raise InputError(
                f"groups has {len(groups)} names for {shown.count} genuine listings and {false.count} fakes: "
                "name one for each, in their order"
            )
        self.failures += tuple(false.failures)
        counted, share = len(names if per_photo else set(names)), FIT_SHARE
        if fakes is not None and counted * (1 - FIT_SHARE_WITH_FAKES) >= 2 * conformal_needed(alpha):
            share = FIT_SHARE_WITH_FAKES
        first = None if leave_one_out else split_groups(names, share=share, alpha=alpha, per_photo=per_photo)
        heads, lesson, fake_rows, fake_names = self._given, None, false.rows, false.groups
        if fakes is not None and first is not None:
            fake_rows, fake_names = _taught(false, {name for name, mine in zip(names, first, strict=True) if not mine})
            try:
                head, rows, fake_rows = self._learn(rows, names, first, fake_rows, fake_names)
            except InputError as error:
                left = len(false.rows) - len(fake_rows)
                why = f"{left} of {len(false.rows)} fakes are of groups whose genuine photos give the p-values"
                told = f" ({why}: those are not learned from)" if left else ""
                raise InputError(f"{error}{told}{self._unusable()}") from error
            lesson = head.lesson
            if lesson is not None and lesson.useful:
                heads = (*heads, head)
        scores = scores_of(rows, len(heads))
        peaks = {
            head.name: np.array([_peak(row.evidence[column]) for row in rows]) for column, head in enumerate(heads)
        }
        try:
            calibration = Calibration.fit(
                [head.name for head in heads],
                scores,
                {name: values for name, values in peaks.items() if np.isfinite(values).any()},
                first=first,
                alpha=alpha,
                generation=self.catalog.generation,
                groups=names,
                listings=shown.listings,
                strata=strata,
                kinds=self._kinds(rows),
                margins=np.array([row.margin for row in rows]),
                fakes=None if fakes is None else scores_of(fake_rows, len(heads)),
                fake_groups=fake_names,
                fake_kinds=self._kinds(fake_rows),
                base_rate=None if fakes is None else len(false.rows) / max(len(rows) + len(false.rows), 1),
                per_photo=per_photo,
            )
        except InputError as error:
            raise InputError(f"{error}{self._unusable()}") from error
        doubted = stand_apart(scores) | np.array([row.photo.sha256 in false.photos for row in rows], bool)
        doubts = tuple(rows[place].photo.id for place in np.flatnonzero(doubted))
        # in one step: a thread that inspects meanwhile takes the old ones or the new ones
        vars(self).update(heads=heads, lesson=lesson, by=by, calibration=calibration, doubts=doubts)
        if doubts:
            warnings.warn(
                f"of {len(rows)} photos called genuine, {len(doubts)} {'is' if len(doubts) == 1 else 'are'} so unlike "
                f"the others, or shown as fakes as well, that somebody should look: {', '.join(doubts[:DOUBTS_TOLD])}",
                RuntimeWarning,
                stacklevel=2,
            )
        return self

    def _check_options(
        self,
        fakes: Listings | None,
        groups: Sequence[str] | None,
        *,
        alpha: float,
        by: str | None,
        per: str,
        leave_one_out: bool,
    ) -> None:
        """What no photo can mend is refused before they are judged, which may take hours."""
        if fakes is None and (self.base_rate is not None or self.costs is not None):
            raise InputError("base_rate and costs need a probability: calibrate(genuine=photos, fakes=photos)")
        if per not in ("group", "photo"):
            raise InputError(f"per={per!r}: the promise counts 'group' or 'photo'")
        if leave_one_out and fakes is not None:
            raise InputError("leave_one_out is for genuine photos alone; with fakes, a part has to be kept aside")
        check_alpha(alpha)
        self._strata([], by)
        if fakes is not None and any(head.name == LearnedHead.name for head in self._given):
            raise InputError("heads= holds a learned head, and fakes= teaches another; leave one of the two out")
        if isinstance(groups, str):
            raise InputError(f"groups={groups!r}: need a list, with one name for each of genuine, and then of fakes")

    def _check_genuine(self, rows: Sequence[JudgedPhoto]) -> None:
        """Refuses photos of the catalogue, and warns of copies of such: others would look unusual beside them."""
        in_catalog = set(self.catalog.sha256)
        for row in rows:
            if row.photo.sha256 in in_catalog:
                raise InputError(
                    f"{row.photo.id} is a photo of the catalogue; calibrate with genuine photos that are not in it"
                )
        copies = [row for row, said in zip(rows, self._said(rows, Reuse.name), strict=True) if is_copy(said)]
        if len(copies) > COPIES_TOLD * len(rows):
            warnings.warn(
                f"{len(copies)} of {len(rows)} genuine photos are copies of catalogue photos, the first is "
                f"{copies[0].photo.id}: more than alpha of the genuine listings that have photos of their own may end "
                "as suspected. Calibrate with photos that are not in the catalogue in any size",
                RuntimeWarning,
                stacklevel=3,
            )

    def _unusable(self) -> str:
        """What a refusal adds where photos could not be used: nobody sees ``failures`` of what was never made."""
        if not self.failures:
            return ""
        return f". {len(self.failures)} more could not be used; the first: {self.failures[0].error}"

    def _strata(self, rows: Sequence[JudgedPhoto], by: str | None) -> list[str]:
        """What each photo is calibrated with: category, brand or product of the reference that it looks like most."""
        if by is None:
            return [""] * len(rows)
        if by not in ("category", "brand", "product"):
            raise InputError(f"by={by!r}: calibrate by 'category', 'brand' or 'product', or all together (None)")
        return [composed(str(getattr(self.catalog.references[row.neighbours[0]], by) or "")) for row in rows]

    def _show(
        self,
        listings: Listings,
        groups: Sequence[str] | None,
        what: str,
        progress: bool,
        *,
        per_photo: bool = False,
        no_lesson: Mapping[str, str] = MappingProxyType({}),
    ) -> _Shown:
        """Genuine photos, or fakes, with what the given heads say; each photo once in a listing, ``per_photo`` once in
        all. Photos whose sha256 is in ``no_lesson``, which says why, are failures.
        """
        shown = _Shown()
        for listing, judged, failed in self._judge(listings, self._given, progress=progress):
            if groups is not None and shown.count >= len(groups):
                raise InputError(f"groups has {len(groups)} names for {what}, which has more listings")
            told, silent = _told(judged, listing)
            for row in told:
                if why := no_lesson.get(row.photo.sha256):
                    error = InputError(f"{row.photo.id}: the same photo {why}, so it teaches nothing about fakes")
                    silent.append(Failure(listing.id, "input", error))
                    shown.photos.add(row.photo.sha256)
            told = [row for row in told if row.photo.sha256 not in no_lesson]
            photos = {row.photo.sha256: row for row in reversed(told)}
            if told and photos.keys() <= shown.photos:
                error = InputError(f"{listing.id}: all that it shows was shown before, so it does not count")
                photos, silent = {}, [*silent, Failure(listing.id, "input", error)]
            told = [row for sha256, row in reversed(photos.items()) if not (per_photo and sha256 in shown.photos)]
            shown.photos |= photos.keys()
            shown.rows += told
            shown.failures += [*failed, *silent]
            shown.groups += [f"{what} {listing.id}" if groups is None else groups[shown.count]] * len(told)
            shown.listings += [shown.count] * len(told)
            shown.count += 1
        return shown

    def _show_fakes(self, fakes: Listings, groups: Sequence[str] | None, genuine: _Shown, progress: bool) -> _Shown:
        """Fakes, but those that would teach something wrong: shown as ``genuine`` as well, or known to the catalogue,
        which would teach that fakes are copies. ``groups`` names the genuine listings first.
        """
        known = [str(self.catalog.sha256[row]) for row in np.flatnonzero(~self.catalog.genuine)]
        no_lesson = dict.fromkeys(known, "is a known fake of the catalogue")
        no_lesson |= dict.fromkeys(genuine.photos, "was shown as genuine")
        rest = None if groups is None else groups[genuine.count :]
        return self._show(fakes, rest, "fakes", progress, no_lesson=no_lesson)

    def _learn(
        self,
        rows: list[JudgedPhoto],
        names: list[str],
        first: NDArray[np.bool_],
        fakes: list[JudgedPhoto],
        fake_names: list[str],
    ) -> tuple[LearnedHead, list[JudgedPhoto], list[JudgedPhoto]]:
        """A learned head, fitted; and the rows, with its evidence where it is useful.

        Photos that it was fitted on get the score that they had out of fold.
        """
        shown = [(row.photo, name) for row, name, mine in zip(rows, names, first, strict=True) if mine]
        catalog = self.catalog
        copies = [
            (ref.id, ref.photo) for ref, genuine in zip(catalog.references, catalog.genuine, strict=True) if genuine
        ]
        for result in encode_photos(copies, encoder=catalog.encoder, cache=self._cache):
            if isinstance(result, EncodedPhoto):
                shown.append((result, f"reference {result.id}"))
        head = LearnedHead(catalog.encoder, cache=self._cache)
        genuine = [photo for photo, _ in shown]
        head.fit_encoded(genuine, [row.photo for row in fakes], [*(name for _, name in shown), *fake_names])
        if head.lesson is None or not head.lesson.useful:
            return head, rows, fakes
        own = head.score_encoded([row.photo for row in rows])
        own[first] = head.held_out[: int(first.sum())]
        theirs = head.held_out[len(genuine) :]

        def extended(judged: list[JudgedPhoto], scores: NDArray[np.float64]) -> list[JudgedPhoto]:
            return [
                dataclasses.replace(row, evidence=(*row.evidence, head.evidence(float(score))))
                for row, score in zip(judged, scores, strict=True)
            ]

        return head, extended(rows, own), extended(fakes, theirs)

    # --- inspecting ---------------------------------------------------------------------------------------------------

    def inspect(self, listings: Listings, *, strict: bool = False, progress: bool = False) -> Report:
        """Judge photos, listings, or a file or folder of them: one :class:`Verdict` or :class:`Failure` each, in order.

        With ``strict`` the first failure raises.
        """
        now, results = copy.copy(self), []
        for result in now.stream(listings, progress=progress):
            if strict and isinstance(result, Failure):
                raise result.error
            results.append(result)
        return Report(results, about=now._about())

    def stream(self, listings: Listings, *, progress: bool = False) -> Iterator[Verdict | Failure]:
        """The same, lazily: results come as they are ready, in order, and only a few listings are held at once. All are
        by the calibration that was there at the first. Warns where that is of another generation of the catalogue.
        """
        now = copy.copy(self)  # another thread may calibrate meanwhile
        if now.calibration is None:
            raise NotCalibratedError("show the inspector genuine photos first: inspector.calibrate(genuine=photos)")
        if now._is_stale(now.calibration):
            warnings.warn(STALE, RuntimeWarning, stacklevel=2)
        can_tell = now.calibration.can_tell
        for listing, judged, failures in now._judge(listings, now.heads, progress=progress):
            told, silent = _told(judged, listing, can_tell)
            failures += silent
            if told:
                yield now._verdict(listing, told, failures)
            else:
                first = failures[0]
                yield Failure(listing.id, first.stage, first.error)

    def _judge(
        self, listings: Listings, heads: Sequence[Head], *, progress: bool = False
    ) -> Iterator[tuple[Listing, list[JudgedPhoto], list[Failure]]]:
        return judge(listings, self.catalog, heads, cache=self._cache, progress=progress)

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _verdict(self, listing: Listing, judged: list[JudgedPhoto], failures: list[Failure]) -> Verdict:
        calibration = self.calibration
        assert calibration is not None
        scores = scores_of(judged, len(self.heads))
        kinds, strata = self._kinds(judged), self._strata(judged, self.by)
        merged = calibration.merge(scores, kinds)
        each = calibration.p_of(scores, strata, kinds)
        claims_p = self._claims_p(scores, kinds)
        marked = np.array([evidence.region is not None for evidence in self._said(judged, Mark.name)])
        known = self._known(listing, judged, claims_p, marked)
        counted = np.flatnonzero(known) if known.any() else np.arange(len(judged))
        worst = int(counted[np.lexsort((-merged[counted], each[counted]))[0]])
        best = self.catalog.references[judged[worst].neighbours[0]]
        margin_p = float(calibration.margin_p(np.array([judged[worst].margin]))[0])
        other = self.catalog.references[judged[worst].runner_up] if margin_p <= UNSURE else None
        strength = np.nan_to_num(calibration.strength(scores, kinds), nan=-np.inf)
        claims = self._claims(listing, judged, claims_p, strength[worst], counted)
        copied = claims.get(Reuse.name)
        once = np.sort(np.unique([row.photo.sha256 for row in judged], return_index=True)[1])
        p_value, risk = self._p_and_risk(judged, scores, merged, once, known)
        found = Findings(
            p_value=p_value,
            risk=risk,
            claims={
                self.heads[column].name: float(claims_p[worst, column])
                for column in np.argsort(-strength[worst], kind="stable").tolist()
                if not math.isnan(claims_p[worst, column])
            },
            known=bool(known.any()),
            product=best.product,
            photos=len(once),
            marked=bool(marked.any()),
            copy=copied.text if copied is not None and is_copy(copied) else None,
            unpriced=calibration.p_without(scores[worst], Price.name, kinds[worst]),
        )
        policy = Policy(calibration.alpha, self.authorised, self.costs)
        decision, reason = policy.decide(listing, found)
        return Verdict(
            id=listing.id,
            decision=decision,
            risk=found.risk,
            p_value=found.p_value,
            probability=found.risk if calibration.probability is not None else None,
            reason=reason,
            product=best.product if found.known else None,
            brand=best.brand if found.known else None,
            margin_p=margin_p if found.known else None,
            runner_up=other.product if other is not None and found.known else None,
            claims=claims,
            statistics=tuple(merged.tolist()),
            authorised=policy.is_authorised(listing),
            stale=self._is_stale(calibration),
            listing=dataclasses.replace(listing, photos=()),
            photos=tuple(row.photo.view for row in judged),
            genuine=tuple(self.catalog.view(row) for row in judged[worst].neighbours[:GENUINE_SHOWN]),
            nearest=tuple(self.catalog.references[row].id for row in judged[0].found),
            failures=tuple(failures),
        )

    def _p_and_risk(
        self,
        judged: Sequence[JudgedPhoto],
        scores: Floats,
        merged: Floats,
        once: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> tuple[float, float]:
        """The p-value and the risk of a listing with these photos, of which those in ``once`` count, each file once.

        Photos that the catalogue does not know accuse nobody; nor does leaving them out, as calibration listings are
        ranked with all of theirs. So the listing is ranked with them and without: the larger p-value counts, and the
        smaller risk.
        """
        assert self.calibration is not None
        kinds, strata = self._kinds(judged), self._strata(judged, self.by)
        p_values, risks = [], []
        for some in [once] if known.all() or not known.any() else [once, once[known[once]]]:
            mine = [strata[row] for row in some], [kinds[row] for row in some]
            p_values.append(self.calibration.listing_p(scores[some], *mine, photos=len(once)))
            risks.append(float(self.calibration.risk(mean_evidence(merged[some])[None], self.base_rate)[0]))
        return max(p_values), min(risks)

    def _claims_p(self, scores: Floats, kinds: Sequence[str]) -> Floats:
        """(N, H) each claim's p-value among genuine photos; that of likeness to the catalogue, also among those of the
        brand (:meth:`Calibration.known_p`).
        """
        calibration, names = self.calibration, [head.name for head in self.heads]
        assert calibration is not None
        p = calibration.head_p_values(scores)
        if Similarity.name in names:
            p[:, names.index(Similarity.name)] = calibration.known_p(scores, Similarity.name, kinds)
        return p

    def _said(self, judged: Sequence[JudgedPhoto], name: str) -> list[Evidence]:
        """What the head of that name says of each photo; nothing where there is none."""
        column = next((place for place, head in enumerate(self.heads) if head.name == name), None)
        nothing = Evidence.not_applicable(f"There is no claim {name}.")
        return [nothing if column is None else row.evidence[column] for row in judged]

    def _known(
        self, listing: Listing, judged: Sequence[JudgedPhoto], claims_p: Floats, marked: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which photos show something that the catalogue knows: they look like it, are copies of its photos, or are
        ``marked``.

        A brand has its marks on other goods, too. So it has to be the product that the listing names, or one that
        stands out from the next.
        """
        calibration, names = self.calibration, [head.name for head in self.heads]
        assert calibration is not None
        if Similarity.name not in names:
            return np.ones(len(claims_p), bool)
        alike = np.asarray(claims_p[:, names.index(Similarity.name)] > calibration.unknown_level)
        copied = np.array([is_copy(evidence) for evidence in self._said(judged, Reuse.name)])
        named = len(self.catalog.claimed_by(listing)) > 0
        stands_out = calibration.margin_p(np.array([row.margin for row in judged])) > UNSURE
        return np.asarray(alike | copied | (marked & (named | stands_out)))

    def _kinds(self, rows: Sequence[JudgedPhoto]) -> list[str]:
        """The brand of the reference that each photo looks like most."""
        return [self.catalog.references[row.neighbours[0]].names[0] for row in rows]

    def _claims(
        self,
        listing: Listing,
        judged: list[JudgedPhoto],
        claims_p: Floats,
        strength: Floats,
        counted: NDArray[np.int64],
    ) -> dict[str, Evidence]:
        """For each head its most suspicious photo among those that count, with p-value and a heat map in alarm
        levels; first the claim of most ``strength`` (H,) on the photo that decides, and those that say nothing last.
        """
        assert self.calibration is not None
        claims = {}
        loud = dict(zip((head.name for head in self.heads), strength.tolist(), strict=True))
        for column, head in enumerate(self.heads):
            applied = [int(row) for row in counted if judged[int(row)].evidence[column].applicable]
            if not applied:
                claims[head.name] = judged[int(counted[0])].evidence[column]
                continue
            row = max(applied, key=lambda number: judged[number].evidence[column].score)
            evidence = judged[row].evidence[column]
            p = float(claims_p[row, column])
            level = self.calibration.peaks.get(head.name)
            unknown = math.isnan(p)  # never calibrated: nobody knows what is usual, nor which heat would be alarming
            heat = None if unknown else evidence.heatmap
            usual = unknown or p > REVIEW_FACTOR * self.calibration.alpha
            claims[head.name] = dataclasses.replace(
                evidence,
                text=_of_photo(listing, judged[row]) + evidence.text,
                photo=row,
                p_value=None if unknown else p,
                points=None if usual else evidence.points,
                crops=None if usual else evidence.crops,
                region=None if usual else evidence.region,  # nobody is to be shown a spot that means nothing
                heatmap=heat if heat is None or level is None else (heat / level).astype(np.float32),
            )
        return dict(sorted(claims.items(), key=lambda claim: (not claim[1].applicable, -loud[claim[0]])))

    def _is_stale(self, calibration: Calibration) -> bool:
        return calibration.generation != self.catalog.generation

    def _about(self) -> dict[str, str]:
        calibration = self.calibration
        assert calibration is not None
        info = self.catalog.info()
        facts = {
            "Catalogue": f"{info['references']} genuine photos; products: {info['products']}, brands: {info['brands']}",
            "Calibration": f"{_counted(calibration)} for p-values, {calibration.fitted_on} to standardise"
            + (", each group left out in turn" if calibration.rounds else "")
            + ("" if self.by is None else f"; each {self.by} by itself where it has enough"),
            "Alarm level": calibration.promise("genuine photos are"),
            "Encoder": f"{info['encoder']} {info['fingerprint'][:12]}",
            "Claims": ", ".join(head.name for head in self.heads),
        }
        facts |= {} if self.lesson is None else {"Learned from fakes": str(self.lesson)}
        return facts | ({"Stale": STALE} if self._is_stale(calibration) else {})

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Keep the calibration and the settings; the catalogue is saved by itself. -> the folder."""
        if self.calibration is None:
            raise NotCalibratedError("nothing to save yet: inspector.calibrate(genuine=photos) comes first")
        kept = KeptInspector(
            fingerprint=self.catalog.encoder.fingerprint,
            calibration=self.calibration,
            authorised=self.authorised,
            by=self.by,
            base_rate=self.base_rate,
            costs=self.costs,
            rates=next((head.rates for head in self.heads if isinstance(head, Price)), {}),
        )
        write_inspector(Path(folder), kept, self.heads[-1] if isinstance(self.heads[-1], LearnedHead) else None)
        return Path(folder)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        *,
        cache: EmbeddingCache | bool = True,
    ) -> Inspector:
        """Read what :meth:`save` kept. On another generation of the catalogue, verdicts say that they are ``stale``.

        Heads that were given to the inspector have to be given again, but for the learned one; without ``heads``,
        :class:`Price` has the rates that it had.
        """
        path = Path(folder)
        kept = read_inspector(path)
        if heads is None:
            heads = [Price(kept.rates) if isinstance(head, Price) else head for head in default_heads()]
        inspector = cls(catalog, heads, base_rate=kept.base_rate, costs=kept.costs, cache=cache)
        catalog.check_fingerprint(kept.fingerprint, f"the genuine photos of {path}")
        if not isinstance(inspector.heads[-1], LearnedHead):
            head = kept.learned_head(path, catalog.encoder, cache)
            if head is not None:
                inspector.heads, inspector.lesson = (*inspector.heads, head), head.lesson
        names = tuple(head.name for head in inspector.heads)
        if names != kept.calibration.heads:
            raise CatalogError(
                f"{path} was calibrated with the heads {kept.calibration.heads}, this inspector has {names}; "
                "type: Inspector.load(folder, catalog, heads=[...]), with those"
            )
        inspector.calibration, inspector.by, inspector.authorised = kept.calibration, kept.by, kept.authorised
        return inspector

    def __repr__(self) -> str:
        state = "not calibrated" if self.calibration is None else f"p-values from {_counted(self.calibration)}"
        return f"<Inspector {', '.join(head.name for head in self.heads)}; {state}; {self.catalog!r}>"


@dataclasses.dataclass
class _Shown:
    """Genuine photos, or fakes, of ``count`` listings: what the heads say of each in ``rows``, its group and the number
    of its listing; and the sha256 of all ``photos`` that were shown.
    """

    rows: list[JudgedPhoto] = dataclasses.field(default_factory=list)
    groups: list[str] = dataclasses.field(default_factory=list)
    listings: list[int] = dataclasses.field(default_factory=list)
    failures: list[Failure] = dataclasses.field(default_factory=list)
    photos: set[str] = dataclasses.field(default_factory=set)
    count: int = 0


def _taught(fakes: _Shown, ranked: Collection[str]) -> tuple[list[JudgedPhoto], list[str]]:
    """The fakes that may be learned from, and their groups: none of a group whose genuine photos are ``ranked``."""
    taught = [(row, name) for row, name in zip(fakes.rows, fakes.groups, strict=True) if name not in ranked]
    return [row for row, _ in taught], [name for _, name in taught]


def _told(
    judged: Sequence[JudgedPhoto], listing: Listing, known: NDArray[np.bool_] | None = None
) -> tuple[list[JudgedPhoto], list[Failure]]:
    """The photos that some (calibrated) claim applies to, and a failure for each of the others."""
    told: list[JudgedPhoto] = []
    silent: list[Failure] = []
    for row in judged:
        applies = np.array([item.applicable for item in row.evidence])
        if (applies if known is None else applies & known).any():
            told.append(row)
            continue
        why = next((item.text for item in row.evidence if not item.applicable), "it was never calibrated")
        error = InputError(f"{row.photo.id}: no claim applies that genuine photos have calibrated ({why})")
        silent.append(Failure(listing.id, "score", error))
    return told, silent


def _of_photo(listing: Listing, row: JudgedPhoto) -> str:
    """Which photo a sentence is about, where a listing has several: "Photo 2: "."""
    return f"{row.photo.id.removeprefix(listing.id).strip().capitalize()}: " if len(listing.photos) > 1 else ""


def _counted(calibration: Calibration) -> str:
    """What stands behind the p-values: "39 photos", "60 photos of 20 groups"."""
    photos, groups = len(calibration.merged), calibration.count
    return f"{photos} photos" if groups == photos else f"{photos} photos of {groups} groups"


def _peak(evidence: Evidence) -> float:
    return math.nan if evidence.heatmap is None else float(evidence.heatmap.max())
