"""From what the heads say of a listing's photos to its verdict: which photos count, what each claim shows, the word."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .._arrays import Bools, Doubles, Ints
from ..calibration.calibrator import Calibration
from ..calibration.conformal import review_level
from ..calibration.fusion import mean_evidence
from ..heads import Mark, Price, Reuse, SellerName, Similarity, Wordmark
from ..heads.reuse import is_copy
from ..heads.suspects import CLOSE
from ..index.catalog import Catalog
from ..io.thumbnails import small_picture
from ..judging import JudgedPhoto, borrowed, distinct, kinds_of, said, scores_of, strata_of
from ..types import Evidence, Failure, Listing, PhotoView, Reference, Verdict
from ..types.wording import at_most
from .authorised import is_authorised
from .case import Findings
from .gates import ABOUT_GOODS
from .policy import Policy

__all__ = ["Decider"]

GENUINE_SHOWN = 3
REASONS_TOLD = 3
HAIR = 1e-6  # risks on the wrong side of a half are squeezed, in order, into two of these below it or one above it
BLANK = 2.0  # least deviation, in levels of a colour, of a photo that shows anything: a blank one is like a packshot
OF_LISTING = (Price.name, SellerName.name)  # claims about what a listing says of itself
UNSURE = 0.1  # where so few genuine photos leave as little between the nearest product and the next, both are named


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A listing's N photos, with what the calibration makes of the heads' ``scores`` (N, H): the statistics ``merged``
    (N,), the p-values of ``each`` photo (N,), 1 for one alone, and ``claims_p`` (N, H) of each claim, and by how much
    each speaks for a fake, ``strength`` (N, H). By photo (N,): ``marked``, whether marks were found; ``known``, whether
    the catalogue knows what it shows; ``own``, those of them that are no copies of genuine photos. ``weighed`` are the
    rows that the listing is ranked by: each photo once, and no copy of a genuine one beside the seller's own.
    """

    judged: Sequence[JudgedPhoto]
    scores: Doubles
    kinds: list[str]
    strata: list[str]
    merged: Doubles
    each: Doubles
    claims_p: Doubles
    strength: Doubles
    marked: Bools
    known: Bools
    own: Bools
    weighed: Ints

    @property
    def counted(self) -> Ints:
        """The rows of what is known; all where nothing is."""
        return np.flatnonzero(self.known) if self.known.any() else np.arange(len(self.judged))

    @property
    def telling(self) -> Ints:
        """The rows of the seller's own, or all that are counted."""
        return np.flatnonzero(self.own) if self.own.any() else self.counted

    @property
    def worst(self) -> int:
        """The row of the most unusual photo of these to which a calibrated claim applies, which decides."""
        telling = self.telling
        silent = np.isneginf(self.strength[telling]).all(axis=1)
        return int(telling[np.lexsort((-self.merged[telling], self.each[telling], silent))[0]])

    @property
    def surest(self) -> int:
        """The row of the photo that tells the product: of those that show marks or are copies of genuine photos, the
        seller's own before others, the one that stands out most from other products (most of all one near which there
        is no other), as a close-up seldom does; the one that decides where there is none.
        """
        sure = self.known & (self.marked | ~self.own)
        for rows in (np.r_[self.worst, self.telling], self.counted):
            if len(rows := rows[sure[rows]]):
                margins = np.nan_to_num([self.judged[row].margin for row in rows], nan=np.inf)
                return int(rows[margins.argmax()])
        return self.worst


@dataclass(frozen=True, eq=False)
class Decider:
    """Decides about listings by a ``calibration`` of the claims about photos beside ``catalog``; ``by`` and
    ``base_rate`` are the :class:`~counterfeit_vision.Inspector`'s, and ``unable`` says why some of its heads make no
    claim though they were calibrated.
    """

    catalog: Catalog
    calibration: Calibration
    policy: Policy
    by: str | None = None
    base_rate: float | None = None
    unable: Mapping[str, str] = field(default_factory=dict)

    @property
    def heads(self) -> tuple[str, ...]:
        """Who made the claims."""
        return self.calibration.heads

    @property
    def is_stale(self) -> bool:
        """Whether the catalogue is of another generation than the one that was calibrated with."""
        return self.calibration.generation != self.catalog.generation

    @property
    def expected(self) -> float | None:
        """The share of fakes that is expected, where labelled ones were shown."""
        probability = self.calibration.probability
        if probability is None:
            return None
        return probability.usual if self.base_rate is None else self.base_rate

    def verdict(
        self, listing: Listing, judged: Sequence[JudgedPhoto], failures: Sequence[Failure], about: Mapping[str, str]
    ) -> Verdict:
        """The verdict on a listing; a claim applies to each of these photos, or to none of them. ``about`` are the
        facts of its report.
        """
        ranked = self._rank(listing, judged)
        claims = self._claims(listing, ranked)
        found = self._findings(listing, ranked, claims, unread=sum(failure.stage == "decode" for failure in failures))
        decision, reason = self.policy.decide(listing, found)
        worst, surest, catalog = judged[ranked.worst], judged[ranked.surest], self.catalog
        copied = self._copied(surest)
        best, other = copied or catalog.references[surest.neighbours[0]], catalog.references[surest.runner_up]
        margin_p = float(self.calibration.margin_p(np.array([surest.margin]))[0])
        twins = surest.margin < CLOSE and best.names[0] == other.names[0]  # where many are, so small a margin is usual
        unsure = (margin_p <= UNSURE or twins) and found.known and copied is None
        return Verdict(
            id=listing.id,
            decision=decision,
            risk=found.risk,
            p_value=found.p_value,
            probability=found.risk if self.calibration.probability is not None else None,
            reason=reason,
            product=best.product if found.known else None,
            brand=best.brand if found.known else None,
            margin_p=margin_p if found.known else None,
            runner_up=_beside(best, other) if unsure else None,
            claims=claims,
            statistics=tuple(ranked.merged[ranked.weighed].tolist()),
            authorised=is_authorised(listing, self.policy.authorised),
            stale=self.is_stale,
            calibration=self.calibration.fingerprint,
            about=about,
            listing=_without_photos(listing),
            photos=tuple(row.photo.view for row in judged),
            genuine=tuple(catalog.view(row) for row in worst.neighbours[:GENUINE_SHOWN]),
            nearest=tuple(catalog.references[row].id for row in judged[0].found),
            failures=tuple(failures),
        )

    def _copied(self, photo: JudgedPhoto) -> Reference | None:
        """The photo of the catalogue of which one is a proven copy: it shows the same product, whatever looks alike."""
        evidence = said([photo], self.heads, Reuse.name)[0]
        return self.catalog.by_id.get(evidence.references[0]) if is_copy(evidence) else None

    def _rank(self, listing: Listing, judged: Sequence[JudgedPhoto]) -> _Ranked:
        calibration = self.calibration
        scores = scores_of(judged, len(self.heads))
        kinds, strata = kinds_of(judged, self.catalog), strata_of(judged, self.catalog, self.by)
        marked = np.array([evidence.region is not None for evidence in said(judged, self.heads, Mark.name)])
        misspelt = np.array([evidence.region is not None for evidence in said(judged, self.heads, Wordmark.name)])
        known = self._known(listing, judged, scores, kinds, marked) | (misspelt & ~marked)
        copies, once = borrowed(judged, self.heads, self.catalog), np.array(distinct(judged))
        own = known & ~copies
        return _Ranked(
            judged=judged,
            scores=scores,
            kinds=kinds,
            strata=strata,
            merged=calibration.merge(scores, kinds),
            each=calibration.p_of(scores, strata, kinds) if len(judged) > 1 else np.ones(1),
            claims_p=calibration.head_p_values(scores),
            strength=np.nan_to_num(calibration.strength(scores, kinds), nan=-np.inf),
            marked=marked,
            known=known,
            own=own,
            weighed=once[~copies[once]] if own.any() else once,
        )

    def _findings(self, listing: Listing, ranked: _Ranked, claims: Mapping[str, Evidence], *, unread: int) -> Findings:
        calibration, worst = self.calibration, ranked.worst
        scores, kind, photo = ranked.scores[worst], ranked.kinds[worst], ranked.judged[worst]
        counted = [ranked.judged[row].photo.sha256 for row in ranked.counted.tolist()]
        known, copied = bool(ranked.known.any()), claims.get(Reuse.name)
        nearest = self.catalog.references[photo.neighbours[0]]
        p_value, risk = self._p_and_risk(ranked)
        return Findings(
            p_value=p_value,
            risk=risk,
            claims={
                self.heads[column]: float(ranked.claims_p[worst, column])
                for column in np.argsort(-ranked.strength[worst], kind="stable").tolist()
                if not math.isnan(ranked.claims_p[worst, column])
            },
            known=known,
            silent=self._why_silent(ranked),
            product=nearest.product,
            brand=nearest.brand,
            photos=len(ranked.weighed),
            most=calibration.most_photos,
            evidence=float(ranked.merged[worst]) if calibration.merger.weights is None else None,
            marked=bool(ranked.marked.any()),
            unmarked=self._unmarked(ranked),
            misnamed=self._misnamed(listing, ranked),
            copy=copied.text if copied is not None and is_copy(copied) else None,
            fake=copied is not None and self._is_of_fake(copied),
            copied=is_copy(said([photo], self.heads, Reuse.name)[0]),
            catalogued=known and all(map(self._is_genuine_file, counted)),
            unpriced=calibration.p_without(scores, Price.name, kind) if self.policy.authorised else None,
            unshown=self._p_unshown(ranked),
            kind=kind,
            quality=photo.quality,
            usual=calibration.quality,
            unlike=max(evidence.unlike for evidence in photo.evidence),
            joint=max(evidence.joint for evidence in photo.evidence),
            turned=_turned(listing, ranked.judged),
            expected=self.expected,
            unread=unread,
            stale=self.is_stale,
            alone=self._alone(scores, kind),
            uncounted=tuple(name for name, claim in claims.items() if claim.applicable and claim.p_value is None),
            unmade=tuple(self.unable),
            each=self._each(listing, ranked),
            shown=all(calibration.was_shown(ranked.judged[row].photo.sha256) for row in ranked.weighed.tolist()),
        )

    def _unmarked(self, ranked: _Ranked) -> bool:
        """Whether the marks of what the photos that count show are known, and neither they nor what surrounds them were
        found on any photo. Where the claim does not apply, it names a reference if its marks were looked for.
        """
        looked = [item.applicable or bool(item.references) for item in said(ranked.judged, self.heads, Mark.name)]
        return not ranked.marked.any() and any(looked[row] for row in ranked.counted.tolist())

    def _misnamed(self, listing: Listing, ranked: _Ranked) -> str | None:
        """The product that the listing claims, or else the brand, where the catalogue holds it and no photo that counts
        looks most like a product of the same brand. What it does not hold may be spelt otherwise.
        """
        named, rows = listing.product, self.catalog.claimed_by(listing)
        if not len(rows) and listing.brand is not None:
            named, rows = listing.brand, self.catalog.rows_of(brand=listing.brand)[:1]  # they are of one brand
        brands = {self.catalog.references[row].names[0] for row in rows.tolist()}
        shown = {ranked.kinds[row] for row in ranked.counted.tolist()}
        return named if brands and brands.isdisjoint(shown) else None

    def _why_silent(self, ranked: _Ranked) -> str | None:
        """What the first calibrated claims say of having nothing to go on; ``None`` where one has."""
        if not np.isneginf(ranked.strength).all():
            return None
        counted = np.flatnonzero(self.calibration.can_tell).tolist()
        told = dict.fromkeys(row.evidence[column].text for row in ranked.judged for column in counted)
        return " ".join([*told][:REASONS_TOLD])

    def _p_and_risk(self, ranked: _Ranked) -> tuple[float, float]:
        """The p-value and the risk of a listing by the photos that it is ranked by, as calibration listings are.

        Photos that the catalogue does not know accuse nobody; nor does leaving them out. So the listing is ranked with
        and without: the larger p-value counts, and the smaller risk. Where that is no probability, it is a half or
        more if the p-value reaches alpha, and less if not, by whatever listings or photos it was ranked.
        """
        counted, p_values, risks = ranked.weighed, [], []
        known = counted[ranked.known[counted]]
        for some in [counted, known] if 0 < len(known) < len(counted) else [counted]:
            strata, kinds = [ranked.strata[row] for row in some], [ranked.kinds[row] for row in some]
            each = ranked.each[some] if len(ranked.judged) > 1 else None
            told = self.calibration.listing_p(ranked.scores[some], strata, kinds, photos=len(counted), each=each)
            p_values.append(told)
            merged = mean_evidence(ranked.merged[some])[None]
            risks += [float(self.calibration.risk(merged, self.base_rate, name)[0]) for name in set(strata)]
        p_value, risk = max(p_values), min(risks)
        if self.calibration.probability is None:
            reached = p_value <= self.calibration.alpha
            risk = max(risk, 0.5 + HAIR * risk) if reached else min(risk, 0.5 - HAIR * (2 - risk))
        return p_value, risk

    def _p_unshown(self, ranked: _Ranked) -> float:
        """The p-value of the most unusual photo without the claims about the goods that it shows."""
        one = ranked.worst
        shown = np.array([head in ABOUT_GOODS for head in self.heads])
        left = np.where(shown, np.nan, ranked.scores[one])[None]
        return float(self.calibration.p_of(left, [ranked.strata[one]], [ranked.kinds[one]])[0])

    def _alone(self, scores: Doubles, kind: str) -> dict[str, float]:
        """How unusual one photo's scores (H,) are, each by itself, by the tail of what is usual for its ``kind``."""
        p = self.calibration.alone_p(scores[None], [kind])[0]
        return {name: float(share) for name, share in zip(self.heads, p, strict=True) if not math.isnan(share)}

    def _each(self, listing: Listing, ranked: _Ranked) -> dict[str, float]:
        """The p-values of the seller's own photos about which a calibrated claim says something."""
        told = ranked.own & ~np.isneginf(ranked.strength).all(axis=1)
        return {
            _name(listing, ranked.judged[row]): float(ranked.each[row]) for row in ranked.weighed.tolist() if told[row]
        }

    def _is_genuine_file(self, sha256: str) -> bool:
        """Whether a photo is the very file of one of the catalogue's genuine photos."""
        row = self.catalog.row_of_file.get(sha256)
        return row is not None and bool(self.catalog.genuine[row])

    def _known(
        self, listing: Listing, judged: Sequence[JudgedPhoto], scores: Doubles, kinds: Sequence[str], marked: Bools
    ) -> Bools:
        """Which photos show something that the catalogue knows: they look like it and are not blank, are copies of its
        photos, or are ``marked``.

        A brand has its marks on other goods, too. So it has to be the product that the listing names, or one that
        stands out from the next.
        """
        if Similarity.name not in self.heads:
            return np.ones(len(judged), bool)
        alike = self.calibration.known_p(scores, Similarity.name, kinds) > self.calibration.unknown_level
        alike &= [not _is_blank(row.photo.view) for row in judged]
        copied = np.array([is_copy(evidence) for evidence in said(judged, self.heads, Reuse.name)])
        named = len(self.catalog.claimed_by(listing)) > 0
        stands_out = self.calibration.margin_p(np.array([row.margin for row in judged])) > UNSURE
        return np.asarray(alike | copied | (marked & (named | stands_out)))

    def _claims(self, listing: Listing, ranked: _Ranked) -> dict[str, Evidence]:
        """For each head its most suspicious photo among the telling ones, of copies among all that are counted, with
        p-value and a heat map in alarm levels; first the claim of most strength on the photo that decides, and those
        that say nothing last. What is unusual says so: a sentence may not tell that it speaks against the goods, as
        that of a copy does.
        """
        judged, claims_p = ranked.judged, ranked.claims_p
        claims = {}
        loud = dict(zip(self.heads, ranked.strength[ranked.worst].tolist(), strict=True))
        for column, name in enumerate(self.heads):
            asked = (ranked.counted if name == Reuse.name else ranked.telling).tolist()
            applied = [row for row in asked if judged[row].evidence[column].applicable]
            if not applied:
                claims[name] = dataclasses.replace(judged[asked[0]].evidence[column], photo=asked[0])
                continue
            row = max(applied, key=lambda number: self._loudness(judged[number].evidence[column], name))
            evidence = judged[row].evidence[column]
            p = float(claims_p[row, column])
            level = self.calibration.peaks.get(name)
            unknown = math.isnan(p)  # never calibrated: nobody knows what is usual, nor which heat would be alarming
            heat = None if unknown else evidence.heatmap
            usual = unknown or p > review_level(self.calibration.alpha)
            about = "" if name in OF_LISTING else _of_photo(listing, judged[row])
            shown = "listings" if name in OF_LISTING else "photos"
            proven = name == Reuse.name and is_copy(evidence)
            against = "" if usual or proven else f" {_unusual(p, self.calibration.alpha, shown)}"
            claims[name] = dataclasses.replace(
                evidence,
                text=f"{about}{evidence.text}{against}",
                photo=row,
                p_value=None if unknown else p,
                points=None if usual else evidence.points,
                crops=None if usual else evidence.crops,
                region=None if usual else evidence.region,  # nobody is to be shown a spot that means nothing
                heatmap=heat if heat is None or level is None else (heat / level).astype(np.float32),
            )
        return dict(sorted(claims.items(), key=lambda claim: (not claim[1].applicable, -loud[claim[0]])))

    def _loudness(self, evidence: Evidence, head: str) -> tuple[bool, float]:
        """By which the photo is chosen that a claim speaks of: a copy of a known fake before one of a genuine photo."""
        return head == Reuse.name and self._is_of_fake(evidence), evidence.score

    def _is_of_fake(self, evidence: Evidence) -> bool:
        """Whether evidence of a copy proves one of a known fake."""
        return is_copy(evidence) and evidence.references[0] in self.catalog.known_fakes


def _is_blank(photo: PhotoView) -> bool:
    """Whether a photo shows nothing: it has one colour all over."""
    if not photo.jpeg:
        return False
    pixels = np.asarray(small_picture(photo.jpeg))
    return float(pixels.std(axis=(0, 1)).max()) < BLANK


def _beside(best: Reference, other: Reference) -> str:
    """Another product's name, with its brand where that is another, too: the products may have one name."""
    return other.product if other.names[0] == best.names[0] else f"{other.product} of {other.brand}"


def _without_photos(listing: Listing) -> Listing:
    """What a listing says about itself, but for what a subclass adds."""
    return Listing(
        **{field.name: getattr(listing, field.name) for field in dataclasses.fields(Listing)} | {"photos": ()}
    )


def _unusual(p: float, alpha: float, shown: str) -> str:
    """What a claim's p-value says against the goods, or against what a listing says of itself.

    >>> _unusual(1 / 60, 0.05, "photos")
    'On average at most 1.7 % of genuine photos are this unusual by this claim.'
    """
    return f"On average at most {at_most(p, alpha)} % of genuine {shown} are this unusual by this claim."


def _of_photo(listing: Listing, row: JudgedPhoto) -> str:
    """Which photo a sentence is about, where a listing has several: "Photo 2: "."""
    return f"{_name(listing, row).capitalize()}: " if len(listing.photos) > 1 else ""


def _turned(listing: Listing, judged: Sequence[JudgedPhoto]) -> tuple[str, ...]:
    """What the photos are called that were turned, and how they were given."""
    alone = len(listing.photos) == 1
    turned = [row for row in judged if row.photo.turn]
    return tuple(f"{'the photo' if alone else _name(listing, row)} ({row.photo.turn})" for row in turned)


def _name(listing: Listing, row: JudgedPhoto) -> str:
    """What a photo of a listing of several is called: "photo 2"."""
    return row.photo.id.removeprefix(listing.id).strip()
