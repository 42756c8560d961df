"""The whole way of a listing: photos -> embeddings -> nearest references -> heads -> calibration -> verdict."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .cache import EmbeddingCache
from .calibrate import Calibration
from .catalog import Catalog
from .errors import CatalogError, InputError, NotCalibratedError
from .heads import Head, Suspects, default_heads
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

    ``heads`` default to similarity, product and patches. ``authorised`` are sellers (or their platform-verified ids)
    that are never ``suspected``: what would be, goes to ``review``. Calibrate before inspecting.
    """

    def __init__(
        self,
        catalog: Catalog,
        heads: Sequence[Head] | None = None,
        *,
        authorised: Iterable[Seller | str] = (),
        cache: EmbeddingCache | bool = True,
    ) -> None:
        self.catalog = catalog
        self.heads: tuple[Head, ...] = default_heads() if heads is None else tuple(heads)
        self.authorised = frozenset(seller.id if isinstance(seller, Seller) else seller for seller in authorised)
        self.calibration: Calibration | None = None
        self.failures: tuple[Failure, ...] = ()
        self._cache = cache
        names = [head.name for head in self.heads]
        if not names or len(set(names)) < len(names):
            raise InputError(f"an inspector needs heads of different names, got {', '.join(names) or 'none'}")

    # --- calibrating --------------------------------------------------------------------------------------------------

    def calibrate(
        self,
        genuine: Listings,
        *,
        groups: Sequence[str] | None = None,
        alpha: float = 0.05,
        progress: bool = False,
    ) -> Inspector:
        """Learn how much genuine goods vary, from photos or listings that are not in the catalogue; returns itself.

        ``groups`` names, for each of them, what belongs together (a seller, a room); default: each listing by itself.
        ``alpha`` is the share of genuine photos that may end as ``suspected``. Photos that can't be used stand in
        ``failures``. Raises :class:`InputError` for too few photos, and for photos that are in the catalogue.
        """
        rows: list[_Judged] = []
        names: list[str] = []
        failures: list[Failure] = []
        in_catalog = set(self.catalog.sha256)
        for number, (listing, judged, failed) in enumerate(self._judge(genuine, known_product=True, progress=progress)):
            if groups is not None and number >= len(groups):
                raise InputError(f"groups has {len(groups)} names, genuine has more listings")
            for row in judged:
                if row.photo.sha256 in in_catalog:
                    raise InputError(
                        f"{row.photo.id} is a photo of the catalogue; calibrate with genuine photos that are not in it"
                    )
            rows += judged
            failures += failed
            names += [listing.id if groups is None else groups[number]] * len(judged)
        self.failures = tuple(failures)
        scores = _scores(rows)
        peaks = {
            head.name: np.array([_peak(row.evidence[column]) for row in rows]) for column, head in enumerate(self.heads)
        }
        self.calibration = Calibration.fit(
            [head.name for head in self.heads],
            scores if len(rows) else np.zeros((0, len(self.heads))),
            {name: values for name, values in peaks.items() if np.isfinite(values).any()},
            groups=names,
            alpha=alpha,
            generation=self.catalog.generation,
        )
        return self

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
        self, listings: Listings, *, known_product: bool = False, progress: bool = False
    ) -> Iterator[tuple[Listing, list[_Judged], list[Failure]]]:
        """Each listing with its judged photos and its photos that failed; a listing that can't be read has one
        failure.
        """
        pending: list[tuple[Listing, list[EncodedPhoto], list[Failure]]] = []
        for item in progress_bar(self._encoded(listings), total=None, unit="listing", progress=progress):
            pending.append(item)
            if len(pending) >= LISTINGS_AT_ONCE:
                yield from self._score(pending, known_product)
                pending = []
        yield from self._score(pending, known_product)

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
        self, pending: list[tuple[Listing, list[EncodedPhoto], list[Failure]]], known_product: bool
    ) -> Iterator[tuple[Listing, list[_Judged], list[Failure]]]:
        rows = [photo for _, photos, _ in pending for photo in photos]
        if rows:
            embeddings = stack(rows, encoder=self.catalog.encoder)
            found = self.catalog.neighbours(embeddings, NEIGHBOURS)
            owners = [listing for listing, photos, _ in pending for _ in photos]
            if known_product:  # a genuine photo without a claim is taken for what it looks like
                owners = [
                    owner
                    if owner.product is not None
                    else dataclasses.replace(owner, product=self.catalog.references[int(best)].product)
                    for owner, best in zip(owners, found.rows[:, 0], strict=True)
                ]
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
        p_value = float(min(1.0, each[worst] * len(counted)))  # Bonferroni over the photos that count
        best = self.catalog.references[judged[worst].neighbours[0]]
        decision, reason = self._decide(listing, p_value, bool(known.any()), claims_p[worst], best.product)
        in_catalog = bool(known.any())
        return Verdict(
            id=listing.id,
            decision=decision,
            risk=float(calibration.risk(merged[worst : worst + 1])[0]),
            p_value=p_value,
            reason=reason,
            product=best.product if in_catalog else None,
            brand=best.brand if in_catalog else None,
            claims=self._claims(judged, claims_p, counted),
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
        self, listing: Listing, p_value: float, known: bool, claims_p: np.ndarray[Any, Any], product: str
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
            if (
                listing.seller is not None
                and isinstance(listing.seller, Seller)
                and listing.seller.id in self.authorised
            ):
                return "review", f"{share}, but the seller is authorised, so a person decides; {leading}."
            return "suspected", f"{share} (alarm level {100 * alpha:g} %); {leading}."
        if p_value <= REVIEW_FACTOR * alpha:
            return "review", f"{share}: unusual, but not beyond the alarm level of {100 * alpha:g} %; {leading}."
        return "clear", f"{share}: within what genuine photos show; {leading}."

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
            "Alarm level": f"at most {100 * self.calibration.alpha:g} % of genuine photos end as suspected, on average",
            "Encoder": f"{info['encoder']} {info['fingerprint'][:12]}",
            "Claims": ", ".join(head.name for head in self.heads),
        }

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
            "calibration": self.calibration.to_dict(),
        }
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
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(f"{path}: not readable as an inspector: {error!r}") from error
        catalog.check_fingerprint(fingerprint, f"the genuine photos of {path}")
        inspector = cls(catalog, heads, authorised=authorised, cache=cache)
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
