"""The whole way of a listing: photos -> embeddings -> nearest references -> heads -> calibration -> verdict."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .cache import EmbeddingCache
from .calibrate import FIT_SHARE, FIT_SHARE_WITH_FAKES, Calibration, conformal_needed, split_groups
from .catalog import Catalog
from .errors import CatalogError, InputError, NotCalibratedError
from .heads import Head, LearnedHead, Lesson, Reuse, Suspects, default_heads
from .heads.reuse import is_copy
from .manifests import read_listings
from .report import Report
from .sealed import replace_file
from .stream import EncodedPhoto, encode_photos, progress_bar, stack
from .types import Decision, Evidence, Failure, Listing, Photo, PhotoView, Seller, Verdict

__all__ = ["Inspector"]

FORMAT = 1
NEIGHBOURS = 16  # references that the heads are shown, best first
GENUINE_SHOWN = 3
LISTINGS_AT_ONCE = 32
UNKNOWN_LEVEL = 0.05  # a photo less like the catalogue than all but 5 % of genuine photos is not in the catalogue
REVIEW_FACTOR = 3  # up to this many times alpha a listing goes to a person

Listings: TypeAlias = "str | os.PathLike[str] | Iterable[Photo | Listing]"


@dataclass(frozen=True, eq=False)
class _Judged:
    """One photo with what the heads say of it, in the order of the heads."""

    photo: EncodedPhoto
    neighbours: tuple[int, ...]
    evidence: tuple[Evidence, ...]


class Inspector:
    """Judges listings against a catalogue.

    ``heads`` default to :func:`~counterfeit_vision.heads.default_heads`. ``authorised`` are sellers (or their
    platform-verified ids) that are never ``suspected``: what would be, goes to ``review``. ``base_rate`` is the share
    of fakes that is expected where probabilities are used, ``costs`` = (of a false accusation, of a missed fake) in any
    unit: what is not probable enough for them goes to ``review``; both need labelled fakes. Calibrate before
    inspecting.
    """

    def __init__(
        self,
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        *,
        authorised: Iterable[Seller | str] = (),
        base_rate: float | None = None,
        costs: tuple[float, float] | None = None,
        cache: EmbeddingCache | bool = True,
    ) -> None:
        self.catalog = catalog
        self.heads: tuple[Head, ...] = default_heads() if heads is None else tuple(heads)
        self.base_rate, self.costs = base_rate, costs
        self.lesson: Lesson | None = None
        self._given = self.heads
        self.authorised = frozenset(seller.id if isinstance(seller, Seller) else seller for seller in authorised)
        self.calibration: Calibration | None = None
        self.failures: tuple[Failure, ...] = ()
        self._cache = cache
        names = [head.name for head in self.heads]
        if not names or len(set(names)) < len(names):
            raise InputError(f"an inspector needs heads of different names, got {', '.join(names) or 'none'}")
        if base_rate is not None and not 0 < base_rate < 1:
            raise InputError(f"base_rate={base_rate!r}: need a share of fakes between 0 and 1, such as 0.02")
        if costs is not None and (len(costs) != 2 or not all(math.isfinite(cost) and cost > 0 for cost in costs)):
            raise InputError(f"costs={costs!r}: need two numbers above 0: of a false accusation, of a missed fake")

    # --- calibrating --------------------------------------------------------------------------------------------------

    def calibrate(
        self,
        genuine: Listings,
        *,
        fakes: Listings | None = None,
        groups: Sequence[str] | None = None,
        alpha: float = 0.05,
        progress: bool = False,
    ) -> Inspector:
        """Learn how much genuine goods vary, from photos or listings that are not in the catalogue; returns itself.

        With ``fakes`` (labelled photos or listings) a :class:`~counterfeit_vision.heads.LearnedHead` is fitted on them,
        on the catalogue and on one part of ``genuine``, the claims are weighed, and ``risk`` is a probability; the part
        that p-values come from is never fitted on. A learned head that is not shown to be useful is left out, and
        ``lesson`` says why.

        ``groups`` names, for each of ``genuine`` and then of ``fakes``, what belongs together (a seller, a room);
        default: each listing by itself. ``alpha`` is the share of genuine photos that may end as ``suspected``. Photos
        that can't be used stand in ``failures``. Raises :class:`InputError` for too few photos, and for genuine photos
        that are in the catalogue.
        """
        if fakes is None and (self.base_rate is not None or self.costs is not None):
            raise InputError("base_rate and costs need a probability: calibrate(genuine=photos, fakes=photos)")
        self.heads, self.lesson = self._given, None
        rows, names, failures = self._judge_all(genuine, groups, "genuine", progress)
        in_catalog = set(self.catalog.sha256)
        for row in rows:
            if row.photo.sha256 in in_catalog:
                raise InputError(
                    f"{row.photo.id} is a photo of the catalogue; calibrate with genuine photos that are not in it"
                )
        first = split_groups(names, share=FIT_SHARE)
        fake_rows: list[_Judged] = []
        fake_names: list[str] = []
        if fakes is not None:
            if len(rows) * (1 - FIT_SHARE_WITH_FAKES) >= 2 * conformal_needed(alpha):
                first = split_groups(names, share=FIT_SHARE_WITH_FAKES)
            rest = None if groups is None else list(groups)[self._seen :]
            fake_rows, fake_names, failed = self._judge_all(fakes, rest, "fakes", progress)
            failures += failed
            rows, fake_rows = self._learn(rows, names, first, fake_rows, fake_names)
        self.failures = tuple(failures)
        peaks = {
            head.name: np.array([_peak(row.evidence[column]) for row in rows]) for column, head in enumerate(self.heads)
        }
        self.calibration = Calibration.fit(
            [head.name for head in self.heads],
            _scores(rows) if len(rows) else np.zeros((0, len(self.heads))),
            {name: values for name, values in peaks.items() if np.isfinite(values).any()},
            first=first,
            alpha=alpha,
            generation=self.catalog.generation,
            fakes=_scores(fake_rows) if fakes is not None else None,
            groups=[*np.asarray(names, dtype=object)[first], *fake_names],
        )
        return self

    def _judge_all(
        self, listings: Listings, groups: Sequence[str] | None, what: str, progress: bool
    ) -> tuple[list[_Judged], list[str], list[Failure]]:
        """Photos of known kind with what the heads say, the group of each, and those that failed."""
        rows: list[_Judged] = []
        names: list[str] = []
        failures: list[Failure] = []
        self._seen = 0
        for listing, judged, failed in self._judge(listings, progress=progress):
            if groups is not None and self._seen >= len(groups):
                raise InputError(f"groups has {len(groups)} names for {what}, which has more listings")
            rows += judged
            failures += failed
            names += [f"{what} {listing.id}" if groups is None else groups[self._seen]] * len(judged)
            self._seen += 1
        return rows, names, failures

    def _learn(
        self,
        rows: list[_Judged],
        names: list[str],
        first: NDArray[np.bool_],
        fakes: list[_Judged],
        fake_names: list[str],
    ) -> tuple[list[_Judged], list[_Judged]]:
        """Fit a learned head; where it is useful, add it to the heads and its evidence to the rows.

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
        self.lesson = head.lesson
        if head.lesson is None or not head.lesson.useful:
            return rows, fakes
        self.heads = (*self._given, head)
        own = head.score_encoded([row.photo for row in rows])
        own[first] = head.held_out[: int(first.sum())]
        theirs = head.held_out[len(genuine) :]

        def extended(judged: list[_Judged], scores: NDArray[np.float64]) -> list[_Judged]:
            return [
                dataclasses.replace(row, evidence=(*row.evidence, head.evidence(float(score))))
                for row, score in zip(judged, scores, strict=True)
            ]

        return extended(rows, own), extended(fakes, theirs)

    # --- inspecting ---------------------------------------------------------------------------------------------------

    def inspect(self, listings: Listings, *, strict: bool = False, progress: bool = False) -> Report:
        """Judge photos, listings, or a file or folder of them: one :class:`Verdict` or :class:`Failure` each, in order.

        With ``strict`` the first failure raises.
        """
        results = []
        for result in self.stream(listings, progress=progress):
            if strict and isinstance(result, Failure):
                raise result.error
            results.append(result)
        return Report(results, about=self._about())

    def stream(self, listings: Listings, *, progress: bool = False) -> Iterator[Verdict | Failure]:
        """The same, lazily: results come as they are ready, in order, and only a few listings are held at once."""
        if self.calibration is None:
            raise NotCalibratedError("show the inspector genuine photos first: inspector.calibrate(genuine=photos)")
        for listing, judged, failures in self._judge(listings, progress=progress):
            if judged:
                yield self._verdict(listing, judged, failures)
            else:
                first = failures[0]
                yield Failure(listing.id, first.stage, first.error)

    def _judge(
        self, listings: Listings, *, progress: bool = False
    ) -> Iterator[tuple[Listing, list[_Judged], list[Failure]]]:
        """Each listing with its judged photos and its photos that failed; a listing that can't be read has one
        failure.
        """
        pending: list[tuple[Listing, list[EncodedPhoto], list[Failure]]] = []
        for item in progress_bar(self._encoded(listings), total=None, unit="listing", progress=progress):
            pending.append(item)
            if len(pending) >= LISTINGS_AT_ONCE:
                yield from self._score(pending)
                pending = []
        yield from self._score(pending)

    def _encoded(self, listings: Listings) -> Iterator[tuple[Listing, list[EncodedPhoto], list[Failure]]]:
        """Listings with their photos encoded. Photos of many listings share batches, so the stream runs ahead of us."""
        waiting: list[tuple[Listing, int, list[Failure]]] = []

        def photos() -> Iterator[tuple[str, Photo]]:
            for item in read_listings(listings):
                if isinstance(item, Failure):
                    waiting.append((Listing(id=item.id, photos=()), 0, [item]))
                    continue
                waiting.append((item, len(item.photos), []))
                names = (
                    [item.id] if len(item.photos) == 1 else [f"{item.id} photo {n}" for n in range(len(item.photos))]
                )
                yield from zip(names, item.photos, strict=True)

        encoded: list[EncodedPhoto] = []
        failures: list[Failure] = []
        for result in encode_photos(photos(), encoder=self.catalog.encoder, cache=self._cache):
            while waiting[0][1] == 0:
                yield waiting[0][0], [], waiting.pop(0)[2]
            (failures if isinstance(result, Failure) else encoded).append(result)  # type: ignore[arg-type]
            if len(encoded) + len(failures) == waiting[0][1]:
                yield waiting.pop(0)[0], encoded, failures
                encoded, failures = [], []
        for listing, _, failed in waiting:
            yield listing, [], failed

    def _score(
        self, pending: list[tuple[Listing, list[EncodedPhoto], list[Failure]]]
    ) -> Iterator[tuple[Listing, list[_Judged], list[Failure]]]:
        rows = [photo for _, photos, _ in pending for photo in photos]
        if rows:
            embeddings = stack(rows, encoder=self.catalog.encoder)
            found = self.catalog.neighbours(embeddings, NEIGHBOURS)
            owners = [listing for listing, photos, _ in pending for _ in photos]
            suspects = Suspects(embeddings, owners, rows, self.catalog, found)
            columns = [head.score(suspects) for head in self.heads]
            for head, column in zip(self.heads, columns, strict=True):
                if len(column) != len(rows):
                    raise InputError(f"head {head.name!r} gave {len(column)} rows for {len(rows)} photos")
        start = 0
        for listing, photos, failures in pending:
            judged = [
                _Judged(
                    photo,
                    tuple(int(key) for key in found.rows[start + number] if key >= 0),
                    tuple(column[start + number] for column in columns),
                )
                for number, photo in enumerate(photos)
            ]
            start += len(photos)
            yield listing, judged, failures

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _verdict(self, listing: Listing, judged: list[_Judged], failures: list[Failure]) -> Verdict:
        calibration = self.calibration
        assert calibration is not None
        scores = _scores(judged)
        merged = calibration.merge(scores)
        each = calibration.p_values(merged)
        claims_p = calibration.head_p_values(scores)
        known = self._known(claims_p)
        counted = np.flatnonzero(known) if known.any() else np.arange(len(judged))
        worst = int(counted[np.argmax(merged[counted])])
        p_value = float(min(1.0, each[worst] * len(judged)))  # Bonferroni over all: which count was chosen by looking
        best = self.catalog.references[judged[worst].neighbours[0]]
        risk = float(calibration.risk(merged[worst : worst + 1], self.base_rate)[0])
        decision, reason = self._decide(listing, p_value, risk, bool(known.any()), claims_p[worst], best.product)
        in_catalog = bool(known.any())
        claims = self._claims(judged, claims_p, counted)
        if decision == "clear" and is_copy(claims.get(Reuse.name)) and not self._is_authorised(listing):
            decision, reason = "review", f"{claims[Reuse.name].text} {reason}"
        return Verdict(
            id=listing.id,
            decision=decision,
            risk=risk,
            p_value=p_value,
            probability=risk if calibration.probability is not None else None,
            reason=reason,
            product=best.product if in_catalog else None,
            brand=best.brand if in_catalog else None,
            claims=claims,
            stale=calibration.generation != self.catalog.generation,
            listing=dataclasses.replace(listing, photos=()),
            photos=tuple(row.photo.view for row in judged),
            genuine=self._genuine(judged[worst].neighbours),
            failures=tuple(failures),
        )

    def _known(self, claims_p: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which photos show something that the catalogue knows."""
        names = [head.name for head in self.heads]
        if "similarity" not in names:
            return np.ones(len(claims_p), bool)
        level = max(UNKNOWN_LEVEL, 1 / (self.calibration.count + 1)) if self.calibration else UNKNOWN_LEVEL
        return np.asarray(claims_p[:, names.index("similarity")] > level)

    def _decide(
        self, listing: Listing, p_value: float, risk: float, known: bool, claims_p: np.ndarray[Any, Any], product: str
    ) -> tuple[Decision, str]:
        assert self.calibration is not None
        alpha = self.calibration.alpha
        if not known:
            return "insufficient_evidence", (
                f"No photo looks enough like anything in the catalogue (nearest: {product}): nothing can be said."
            )
        share = f"{100 * p_value:.2g} % of genuine photos look this unusual"
        applied = [(float(p), head.name) for p, head in zip(claims_p, self.heads, strict=True) if not math.isnan(p)]
        least, name = min(applied, default=(1.0, "no claim"))
        leading = f"the strongest claim is {name} (p {least:.3g})"
        if p_value <= alpha:
            if self._is_authorised(listing):
                return "review", f"{share}, but the seller is authorised, so a person decides; {leading}."
            if self.costs is not None and risk < (least_risk := self.costs[0] / sum(self.costs)):
                return "review", (
                    f"{share}, but a fake is only {100 * risk:.2g} % probable, and the costs ask for "
                    f"{100 * least_risk:.2g} % before accusing; {leading}."
                )
            return "suspected", f"{share} (alarm level {100 * alpha:g} %); {leading}."
        if p_value <= REVIEW_FACTOR * alpha:
            return "review", f"{share}: unusual, but not beyond the alarm level of {100 * alpha:g} %; {leading}."
        return "clear", f"{share}: within what genuine photos show; {leading}."

    def _is_authorised(self, listing: Listing) -> bool:
        return isinstance(listing.seller, Seller) and listing.seller.id in self.authorised

    def _claims(
        self, judged: list[_Judged], claims_p: np.ndarray[Any, Any], counted: np.ndarray[Any, Any]
    ) -> dict[str, Evidence]:
        """For each head its most suspicious photo among those that count, with p-value and a heat map in alarm
        levels.
        """
        assert self.calibration is not None
        claims = {}
        for column, head in enumerate(self.heads):
            applied = [int(row) for row in counted if judged[int(row)].evidence[column].applicable]
            if not applied:
                claims[head.name] = judged[int(counted[0])].evidence[column]
                continue
            row = max(applied, key=lambda number: judged[number].evidence[column].score)
            evidence = judged[row].evidence[column]
            p = float(claims_p[row, column])
            level = self.calibration.peaks.get(head.name)
            heat = evidence.heatmap
            usual = not math.isnan(p) and p > REVIEW_FACTOR * self.calibration.alpha
            claims[head.name] = dataclasses.replace(
                evidence,
                photo=row,
                p_value=None if math.isnan(p) else p,
                points=None if usual else evidence.points,
                crops=None if usual else evidence.crops,
                region=None if usual else evidence.region,  # nobody is to be shown a spot that means nothing
                heatmap=heat if heat is None or level is None else (heat / level).astype(np.float32),
            )
        return claims

    def _genuine(self, rows: tuple[int, ...]) -> tuple[PhotoView, ...]:
        return tuple(self.catalog.view(row) for row in rows[:GENUINE_SHOWN])

    def _about(self) -> dict[str, str]:
        assert self.calibration is not None
        info = self.catalog.info()
        return {
            "Catalogue": f"{info['references']} genuine photos; products: {info['products']}, brands: {info['brands']}",
            "Calibration": f"{self.calibration.count} photos for p-values, {self.calibration.fitted_on} to standardise",
            "Alarm level": f"at most {100 * self.calibration.alpha:g} % of genuine photos are suspected, on average; "
            f"95 of 100 such calibrations keep below {100 * self.calibration.false_alarm_limit:.1f} %",
            "Encoder": f"{info['encoder']} {info['fingerprint'][:12]}",
            "Claims": ", ".join(head.name for head in self.heads),
        } | ({} if self.lesson is None else {"Learned from fakes": str(self.lesson)})

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Keep the calibration and the settings; the catalogue is saved by itself. -> the folder."""
        if self.calibration is None:
            raise NotCalibratedError("nothing to save yet: inspector.calibrate(genuine=photos) comes first")
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        data = {
            "format": FORMAT,
            "fingerprint": self.catalog.encoder.fingerprint,
            "authorised": sorted(self.authorised),
            "base_rate": self.base_rate,
            "costs": self.costs,
            "calibration": self.calibration.to_dict(),
            "learned": None,
        }
        learned = self.heads[-1]
        if isinstance(learned, LearnedHead):
            path = learned.save(target / "learned.safetensors")
            data["learned"] = hashlib.sha256(path.read_bytes()).hexdigest()
        replace_file(target / "inspector.json", json.dumps(data, indent=1, sort_keys=True).encode())
        return target

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        *,
        cache: EmbeddingCache | bool = True,
    ) -> Inspector:
        """Read what :meth:`save` kept. On another generation of the catalogue, verdicts say that they are ``stale``."""
        path = Path(folder) / "inspector.json"
        if not path.is_file():
            raise CatalogError(f"{folder}: no inspector here (inspector.json is missing); make one with: calibrate")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, this version reads {FORMAT}")
            calibration = Calibration.from_dict(data["calibration"])
            fingerprint, authorised = str(data["fingerprint"]), [str(seller) for seller in data["authorised"]]
            base_rate, costs, learned = data["base_rate"], data["costs"], data["learned"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"{path}: not readable as an inspector: {error!r}") from error
        catalog.check_fingerprint(fingerprint, f"the genuine photos of {path}")
        inspector = cls(
            catalog, heads, authorised=authorised, base_rate=base_rate, costs=costs and tuple(costs), cache=cache
        )
        if learned is not None and not isinstance(inspector.heads[-1], LearnedHead):
            file = Path(folder) / "learned.safetensors"
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != learned:
                raise CatalogError(f"{file}: missing, or not the one that {path} was saved with. Copy the folder again")
            head = LearnedHead.load(file, catalog.encoder, cache=cache)
            inspector.heads, inspector.lesson = (*inspector.heads, head), head.lesson
        names = tuple(head.name for head in inspector.heads)
        if names != calibration.heads:
            raise CatalogError(f"{path} was calibrated with the heads {calibration.heads}, this inspector has {names}")
        inspector.calibration = calibration
        return inspector

    def __repr__(self) -> str:
        state = "not calibrated" if self.calibration is None else f"calibrated on {self.calibration.count} photos"
        return f"<Inspector {', '.join(head.name for head in self.heads)}; {state}; {self.catalog!r}>"


def _scores(rows: list[_Judged]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(
        [[item.score if item.applicable else math.nan for item in row.evidence] for row in rows], dtype=np.float64
    )


def _peak(evidence: Evidence) -> float:
    return math.nan if evidence.heatmap is None else float(evidence.heatmap.max())
