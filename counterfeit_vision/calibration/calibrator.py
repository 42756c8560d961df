"""From head scores to a p-value and a risk, from genuine photos alone.

Genuine photos are split in two. On the first part it is learned what is usual for each claim (:mod:`.standardize`) and
the claims are merged into one statistic (:mod:`.fusion`). On the second part, that nothing was fitted on, that one
statistic is conformalised: for a genuine photo that is exchangeable with them, P(p_value <= alpha) <= alpha, averaged
over calibration draws (Vovk, Gammerman & Shafer 2005). Discrete p-values are never merged.

Photos of one group (a listing, a seller) are alike, so groups are what is exchangeable: one photo of each, drawn at
random, is ranked, and the promise is about a photo of a new group. (Lee, Barber & Willett 2023 count each photo 1 /
photos of its group. That keeps the promise too, but falls short of alpha where groups are few: at n = 19 a photo must
be more unusual than all photos of all groups.) With strata (a category, a brand) each photo is ranked among those of
its own stratum, and the promise holds in each (Mondrian: Vovk et al. 2005).

Where genuine photos are few, none need be kept aside (full conformal prediction, in the same book): a listing that is
judged joins the n that calibrated, and each of these n + 1 is measured by what is usual for the n others. Nothing tells
the judged one from the others then, so it is as likely as any to be among the most unusual, and alpha holds as well.
What is usual has to be found n + 1 times for each listing (:func:`.standardize.among_others`). Of each group one
listing counts, drawn at random, as of the judged one's group no other is known.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Ints
from .._concurrency import cached_property
from ..errors import InputError
from ..types.checks import as_share
from ..types.wording import at_most
from .conformal import OneEach, Ranking, binomial_interval, different, one_each, p_among, review_level
from .fusion import Merger
from .probability import Probability
from .split import DIGITS, next_step, refuse_unless_enough
from .standardize import LARGEST, LEAST_EXCESS, Usual, among_others, named, tail_p
from .support import UsualQuality

__all__ = ["Calibration"]

LIMIT_LEVEL = 0.95  # share of calibrations whose false alarms stay below the limit that is shown
PEAK_QUANTILE = 0.95  # of genuine photos' heat peaks: drawn as the alarm level
UNKNOWN_LEVEL = 0.05  # a photo less like the catalogue than all but 5 % of genuine photos is not in the catalogue
FAR = 20.0  # spreads from the alarm level, beyond which a risk's logit grows by the logarithm, lest it round to 0 or 1
LEAST_SPREAD = 0.1  # nats: no less is half the way from the usual to the alarm level, however alike photos are
FOLDS = 10  # parts of the groups that are fitted on: beside fakes, each is measured by what is usual for the others
DRAWS = 20_000  # random ones, by which the false alarm rates of several strata are added up


@dataclass(frozen=True, eq=False)
class Calibration:
    """What genuine photos taught. Made by :meth:`fit`, kept by :meth:`to_dict`.

    ``heads`` are the H claims in column order; ``usual`` measures their scores and ``merger`` makes the statistic;
    ``peaks`` are the heads' alarm levels for heat maps. Of the n photos that p-values come from:

    - ``scores`` (n, H), NaN where a head did not apply, and the statistic ``merged`` (n,);
    - ``groups`` (n,) and ``listings`` (n,): numbers, the same for photos that belong together, and for those of one
      listing;
    - ``strata`` (n,): names of what is calibrated by itself, all "" where nothing is;
    - ``kinds`` (n,): what each photo was taken for, such as a brand, by which its scores are measured;
    - ``margins`` (n,): by how much the nearest product was more alike than the next, NaN where none was near.

    ``quality``: how well the genuine photos, fitted on or ranked, show the goods.
    ``real_groups``: how many groups the n photos are of, also where each is counted for itself.
    ``photos`` and ``fake_photos``: the sha256 of the genuine photos, fitted on or ranked, and of the fakes.

    With ``leave_one_out`` these n are of one listing of each group, ``usual`` comes from all of them, and ``merged``
    from what is usual without each listing in turn. A listing that is judged changes those (:meth:`listing_p`).
    """

    heads: tuple[str, ...]
    usual: Usual
    merger: Merger
    peaks: Mapping[str, float]
    scores: Doubles
    merged: Doubles
    groups: Ints
    listings: Ints
    strata: NDArray[np.str_]
    kinds: NDArray[np.str_]
    margins: Doubles
    alpha: float
    fitted_on: int
    generation: str
    real_groups: int
    probability: Probability | None = None
    leave_one_out: bool = False
    quality: UsualQuality = field(default_factory=UsualQuality)
    photos: frozenset[str] = frozenset()
    fake_photos: frozenset[str] = frozenset()
    _rising_without: dict[str, OneEach] = field(default_factory=dict, init=False, repr=False)
    """For each claim that :meth:`p_without` left out, the statistics of one photo of each group, sorted."""
    _scales: dict[str | None, tuple[float, float]] = field(default_factory=dict, init=False, repr=False)
    """What :meth:`_scale` made."""

    @classmethod
    def fit(
        cls,
        heads: Sequence[str],
        scores: Doubles,
        peaks: Mapping[str, Doubles],
        *,
        first: Bools | None,
        alpha: float,
        generation: str,
        groups: Sequence[str] | None = None,
        listings: Sequence[int] | None = None,
        strata: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        margins: Doubles | None = None,
        fakes: Doubles | None = None,
        fake_groups: Sequence[str] = (),
        fake_kinds: Sequence[str] | None = None,
        base_rate: float | None = None,
        per_photo: bool = False,
    ) -> Calibration:
        """From the ``scores`` (N, H) of genuine photos, NaN where a head did not apply, and the heads' heat ``peaks``
        (N,).

        - ``first`` (N,) is the part that is fitted on (:func:`.split_groups`); p-values come from the rest. ``None``
          keeps none aside, and leaves each out in turn; no fakes can be shown then.
        - ``groups`` (N,) names what belongs together (default: each photo by itself). With ``per_photo`` photos are
          counted all the same.
        - ``listings``, ``strata``, ``kinds`` and ``margins`` (N,), as in :class:`Calibration`; by default each photo is
          a listing of its own. ``quality`` and the sha256, which change no p-value, are not known here.
        - With ``fakes`` (M, H), of ``fake_groups`` and ``fake_kinds``, the claims are weighed and a probability is
          fitted, for a share ``base_rate`` of fakes (default: theirs of all these photos). A head that was itself
          fitted on them and the first part must have scored them out of fold.

        A claim is calibrated where photos of two groups that were fitted on and one that is ranked make it
        (:attr:`can_tell`). Raises :class:`InputError` with the number of photos that ``alpha`` needs.
        """
        alpha = as_share(alpha, "alpha", 0.05)
        _refuse_infinite(heads, scores)
        names = np.arange(len(scores)).astype(str) if groups is None else np.asarray(groups, dtype=str)
        codes = np.unique(names, return_inverse=True)[1]
        owners = np.arange(len(scores)) if per_photo else codes
        refuse_unless_enough(owners, first, alpha, alone=fakes is None)
        if first is None and fakes is not None:
            raise InputError("leaving one out is for genuine photos alone: with fakes, keep a part aside")
        numbered = np.arange(len(scores)) if listings is None else np.asarray(listings, np.int64)
        fitted = ranked = _one_listing_each(owners, numbered)
        if first is not None:
            fitted, ranked = first, ~first
        taken, together = named(kinds, len(scores)), numbered if first is None else codes

        def usual_of(some: Bools) -> Usual:
            """What is usual for these photos. Of a claim that one group alone makes, nobody knows how it varies."""
            alone = [len(np.unique(together[some & made])) < 2 for made in ~np.isnan(scores.T)]
            return Usual.fit(np.where(alone, np.nan, scores[some]), taken[some].tolist(), _least(heads))

        usual = usual_of(fitted)
        standardised = _silent_as_usual(usual(scores, taken.tolist()))
        merger, probability = Merger.of(heads), None
        if fakes is not None:
            both = np.concatenate([names[fitted], np.asarray(fake_groups, dtype=str)])
            share = len(fakes) / (len(scores) + len(fakes)) if base_rate is None else base_rate
            shown, told = standardised.copy(), _silent_as_usual(usual(fakes, fake_kinds))
            for others, mine in _folds(codes, fitted):
                new = usual_of(others)(scores[mine], taken[mine].tolist())
                shown[mine] = np.where(np.isnan(new), shown[mine], new)
            calibrated = np.asarray(~np.isnan(scores[ranked]).all(axis=0))
            merger, probability = _weighed(heads, shown[fitted], told, both, share, calibrated)
        numbers = np.unique(owners[ranked], return_inverse=True)[1].astype(np.int64)
        if first is None:
            left_out = among_others(scores[ranked], numbered[ranked], taken[ranked].tolist(), _least(heads))
            standardised[ranked] = _silent_as_usual(left_out)
        return cls(
            heads=tuple(heads),
            usual=usual,
            merger=merger,
            peaks={name: _peak_level(values[fitted]) for name, values in peaks.items()},
            scores=scores[ranked],
            merged=merger(standardised[ranked]),
            groups=numbers,
            listings=numbered[ranked],
            strata=named(strata, len(scores))[ranked],
            kinds=taken[ranked],
            margins=np.full(int(ranked.sum()), np.nan) if margins is None else margins[ranked],
            alpha=alpha,
            fitted_on=int(fitted.sum()),
            generation=generation,
            real_groups=different(codes[ranked]),
            probability=probability,
            leave_one_out=first is None,
        )

    def __repr__(self) -> str:
        of = "" if self.count == len(self.merged) else f" of {self.count} groups"
        counted = f"p-values from {len(self.merged)} photos{of}, alarm level {100 * self.alpha:g} %"
        return f"<Calibration {', '.join(self.heads)}; {counted}>"

    @cached_property
    def ranking(self) -> Ranking:
        """What gives p-values: the statistics of the n photos, of their groups, listings and strata."""
        return Ranking(self.merged, self.groups, self.listings, self.strata, self.alpha)

    def peers(self, stratum: str) -> Bools:
        """(n,) which photos one of this stratum is ranked among:
        :meth:`~counterfeit_vision.calibration.conformal.Ranking.peers`.
        """
        return self.ranking.peers(stratum)

    @cached_property
    def count(self) -> int:
        """Groups behind the p-values; where each photo stands for itself, photos."""
        return different(self.groups)

    @property
    def counts_alike(self) -> bool:
        """Whether more photos, or listings, are ranked than there are groups: nothing is promised about a new group."""
        return self.real_groups < len(self.ranking.statistics)

    @cached_property
    def most_photos(self) -> int:
        """How many photos the largest listing behind the p-values has."""
        return int(np.unique(self.listings, return_counts=True)[1].max())

    def was_shown(self, sha256: str) -> bool:
        """Whether a file was calibrated with, as genuine or as a fake: it is no new one."""
        return sha256 in self.photos or sha256 in self.fake_photos

    @cached_property
    def fingerprint(self) -> str:
        """By which a verdict names the calibration that it comes from: 16 hex digits of the sha256 of
        :meth:`to_dict`.
        """
        text = json.dumps(self.to_dict(), sort_keys=True, default=float)  # numpy's numbers
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def can_tell(self) -> Bools:
        """(H,) which claims are calibrated: those that photos of two groups which were fitted on could make, and one of
        the n that are ranked.
        """
        return np.asarray(~np.isnan(self.usual.location[0]) & ~np.isnan(self.scores).all(axis=0))

    @property
    def false_alarm_limit(self) -> float | None:
        """What 95 of 100 calibrations keep their false alarms below: alpha is kept on average, one set of photos has a
        rate of its own. ``None`` with ``leave_one_out``, where none is known (Bian & Barber 2023), and where more than
        one of a group is ranked (:attr:`counts_alike`), as those are not drawn independently.

        For photos drawn independently that rate follows Beta(k, n + 1 - k), k = floor(alpha (n + 1)) (Vovk 2012;
        Angelopoulos & Bates 2021, section 3.2), at most: equal statistics make it lower. Its 95 % quantile is the
        binomial limit of k - 1 hits of n (Clopper & Pearson 1934). n is what is ranked: groups, or listings where they
        are fewer. With several sets of :meth:`peers` each has a rate of its own; the limit is that of their mean, each
        counting as its share of the calibration, from seeded draws.

        >>> ones = np.ones((63, 1))
        >>> calibration = Calibration.fit(["a"], ones, {}, first=np.arange(63) < 8, alpha=0.05, generation="")
        >>> calibration.count, round(calibration.false_alarm_limit, 3)
        (55, 0.083)
        """
        return self._limit(self.alpha)

    def _limit(self, level: float) -> float | None:
        """:attr:`false_alarm_limit`, of p-values up to ``level``."""
        if self.leave_one_out or self.counts_alike:
            return None
        counts = self.ranking.sizes()
        reached = np.maximum(1, np.floor(np.round(level * (counts + 1), DIGITS)))
        if len(counts) == 1:
            return binomial_interval(int(reached[0]) - 1, int(counts[0]), 2 * LIMIT_LEVEL - 1)[1]
        random, flagged = np.random.default_rng(0), np.zeros(DRAWS)
        for count, k in zip(counts, reached, strict=True):  # one by one: products may be thousands
            flagged += count * random.beta(k, count + 1 - k, DRAWS)
        return float(np.quantile(flagged / counts.sum(), LIMIT_LEVEL))

    def promise(self, who: str) -> str:
        """What is promised, in words: "at most 5 % of ``who`` suspected, on average" and so on; and how many a person
        sees for their p-value.
        """
        told = f"at most {at_most(self.alpha, digits=3)} % of {who} suspected, on average"
        if self.leave_one_out:
            told += f"; none was kept aside, but each is measured by what is usual for the {self.count} others: no "
            told += "limit is known that 95 of 100 such calibrations keep below"
        if self.counts_alike:
            told += f"; that is of photos of these {self.real_groups} groups, not of a new one"
        level = max(self.alpha, review_level(self.alpha))
        limit, seen = self.false_alarm_limit, self._limit(level)
        if limit is None or seen is None:
            return told
        told += f"; 95 of 100 such calibrations keep below {at_most(limit, digits=3)} %"
        one_set = len(self.ranking.sizes()) == 1 and self.probability is None  # with fakes, more are fitted on
        if one_set and (more := next_step(self.alpha, self.count)) is not None:
            what = "genuine photos" if self.count == len(self.merged) else "groups"
            told += f" (the next lower limit takes {more} {what} in all)"
        told += f"; suspected or, for their p-value, in review: at most {at_most(level, digits=3)} %, on average"
        return told + f", and 95 of 100 keep below {at_most(seen, digits=3)} %"

    def merge(self, scores: Doubles, kinds: Sequence[str] | None = None) -> Doubles:
        """(N, H) raw scores, NaN where a head did not apply, of photos that were taken for such ``kinds`` -> (N,) the
        merged statistic, higher = more suspicious.
        """
        return self.merger(_silent_as_usual(self._standardised(scores, kinds)))

    def _standardised(self, scores: Doubles, kinds: Sequence[str] | None) -> Doubles:
        """(N, H) scores above the usual, NaN where a head did not apply; at most as usual for a claim that none of the
        n photos makes. That only lowers a statistic, and none of theirs, so alpha holds. Left out altogether, a claim
        better than usual would be worse for the photo that makes it than if another were asked about, and was ranked.
        """
        return _capped(self.usual(scores, kinds), self.can_tell)

    def strength(self, scores: Doubles, kinds: Sequence[str] | None = None) -> Doubles:
        """(N, H) by how much the statistic of photos with these raw scores would fall had each claim been as usual, NaN
        where it did not apply or is not calibrated.
        """
        standardised = self._standardised(scores, kinds)
        strength = self.merger.strength(_silent_as_usual(standardised))
        return np.where(np.isnan(standardised) | ~self.can_tell, np.nan, strength)

    def p_values(self, merged: Doubles, strata: Sequence[str] | None = None) -> Doubles:
        """Conformal p-values (N,) of merged statistics, each among the photos of its stratum (:meth:`peers`).

        With ``leave_one_out`` a statistic does not tell the others', which the photo changes; ask :meth:`p_of`.
        """
        if self.leave_one_out:
            raise InputError("leaving one out ranks scores, not one statistic: calibration.p_of(scores)")
        return self.ranking.photos_p(merged, named(strata, len(merged)))

    def p_of(self, scores: Doubles, strata: Sequence[str] | None = None, kinds: Sequence[str] | None = None) -> Doubles:
        """p-values (N,) of photos with these raw scores (N, H), NaN where a head did not apply."""
        names, taken = named(strata, len(scores)), named(kinds, len(scores)).tolist()
        if not self.leave_one_out:
            return self.ranking.photos_p(self.merge(scores, taken), names)
        p = np.empty(len(scores))
        for row in range(len(scores)):  # each by itself, as of each group one photo counts
            ranking, statistic = self._one_photo_each._beside(scores[[row]], taken[row : row + 1])
            p[row] = ranking.photos_p(statistic, names[[row]])[0]
        return p

    def listing_p(
        self,
        scores: Doubles,
        strata: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        *,
        photos: int | None = None,
        each: Doubles | None = None,
    ) -> float:
        """The p-value of a listing, from the scores (K, H) of its photos, each given once. ``photos`` says how many it
        has in all, where these were chosen; ``each`` (K,) is their :meth:`p_of`, where that is known.

        It is ranked by the mean evidence of its photos among the calibration listings, one drawn of each group. That
        holds for listings that are exchangeable with these, however many photos each has, and however odd some of those
        are. With photos that are ranked among S different :meth:`peers`, it is S times the smallest of their p-values.

        Where no calibration listing has as many photos among them, or the listings are too few to reach alpha (as they
        may be where photos are counted), the p-values of its single photos decide, the smallest times as many as there
        are at worst, which holds for photos that are exchangeable. Photos that were not chosen may be of any stratum.

        With ``leave_one_out`` each of those listings is measured anew, by what is usual for this one and the others,
        and :meth:`merge` gives this one's own statistic, in which :meth:`risk` rises. For 22 claims that takes one core
        6, 7, 10 and 17 ms where 19, 40, 100 and 200 photos calibrated, and as much for each photo of several; beyond
        that it grows faster than their number, and they are no longer few.
        """
        photos, names = len(scores) if photos is None else photos, named(strata, len(scores))
        ranking, statistics = self._beside(scores, kinds)
        p = ranking.listing_p(statistics, names, photos)
        if p is None:
            each = self.p_of(scores, strata, kinds) if each is None else each
            p = self._one_photo_each.ranking.several_p(each, names, photos)
        return p

    def _beside(self, scores: Doubles, kinds: Sequence[str] | None) -> tuple[Ranking, Doubles]:
        """What a listing with such photos (K, H) is ranked among, and their statistics (K,)."""
        if not self.leave_one_out:
            return self.ranking, self.merge(scores, kinds)
        merged = self._together(scores, kinds)
        return dataclasses.replace(self.ranking, merged=merged[: len(self.merged)]), merged[len(self.merged) :]

    def _together(self, scores: Doubles, kinds: Sequence[str] | None, without: str | None = None) -> Doubles:
        """(n + K,) the statistics of the n photos and of those of one more listing (K, H), each measured by what is
        usual for the other listings of all these; ``without`` is a claim that is left out.
        """
        all_scores = np.concatenate([self.scores, scores])
        if without is not None:
            all_scores[:, self.heads.index(without)] = np.nan
        listings = np.append(self.listings, np.full(len(scores), self.listings.max() + 1))
        all_kinds = [*self.kinds.tolist(), *named(kinds, len(scores)).tolist()]
        return self.merger(_silent_as_usual(among_others(all_scores, listings, all_kinds, _least(self.heads))))

    @cached_property
    def _one_photo_each(self) -> Calibration:
        """The same of one photo of each group, as if it were its listing; itself where nothing is left out in turn."""
        if not self.leave_one_out:
            return self
        rows = np.sort(one_each(self.groups))
        of_photos = ("scores", "merged", "groups", "strata", "kinds", "margins")
        kept: dict[str, Any] = {name: getattr(self, name)[rows] for name in of_photos}
        return dataclasses.replace(self, **kept, listings=np.arange(len(rows)))

    def known_p(self, scores: Doubles, head: str, kinds: Sequence[str]) -> Doubles:
        """(N,) p-values of photos' scores (N, H) by one head, the smaller of two: by rank among all photos, and by the
        tail of what is usual for its kind. Bags are less like their references than cartons are, and a shirt that is
        taken for a bag is less like one than bags are, though one odd bag among twenty may be less like them still.
        """
        column = self.heads.index(head)
        ranked = self._head_p(column, scores[:, column])
        return np.asarray(np.fmin(ranked, self.alone_p(scores, kinds)[:, column]))

    def alone_p(self, scores: Doubles, kinds: Sequence[str]) -> Doubles:
        """(N, H) how unusual each score is by itself, by the tail of what is usual for its kind; NaN where it did not
        apply or is not calibrated.
        """
        return np.where(self.can_tell, tail_p(self.usual(scores, kinds)), np.nan)

    @property
    def unknown_level(self) -> float:
        """The :meth:`known_p` at which a photo is too unlike the catalogue to be of anything in it."""
        return max(UNKNOWN_LEVEL, 1 / (self.count + 1))

    def margin_p(self, margins: Doubles) -> Doubles:
        """(N,) the share of genuine photos whose nearest product is more alike than the next by no larger margin; 1
        where no other product is near (NaN).
        """
        return np.asarray(np.nan_to_num(p_among(self._rising_margins, -margins), nan=1.0))

    @cached_property
    def _rising_margins(self) -> Doubles:
        """Minus the margins, of one photo of each group that has any, sorted."""
        known = ~np.isnan(self.margins)
        return OneEach.of(-self.margins[known], self.groups[known]).statistics

    def head_p_values(self, scores: Doubles) -> Doubles:
        """(N, H) conformal p-values of each head's own score, among all photos; NaN where it did not apply or was never
        calibrated.
        """
        return np.stack([self._head_p(column, scores[:, column]) for column in range(len(self.heads))], axis=1)

    def _head_p(self, column: int, scores: Doubles) -> Doubles:
        """One column of :meth:`head_p_values`."""
        return p_among(self._rising[column], scores) if self.can_tell[column] else np.full(len(scores), np.nan)

    @cached_property
    def _rising(self) -> tuple[Doubles, ...]:
        """Of each head the scores that its own are ranked among, one of each group, sorted."""
        applied = ~np.isnan(self.scores.T)
        return tuple(
            OneEach.of(column[known], self.groups[known]).statistics
            for column, known in zip(self.scores.T, applied, strict=True)
        )

    def p_without(self, scores: Doubles, head: str, kind: str = "") -> float | None:
        """The p-value among all photos of one photo's scores (H,), with the claim ``head`` left out of theirs and its
        own; ``kind`` is what the photo was taken for. ``None`` where it does not make that claim, or makes no other.
        """
        if head not in self.heads or np.isnan(scores[self.heads.index(head)]):
            return None
        told, kept = self._standardised_without(head, scores[None], [kind]), self._rising_without
        if np.isnan(told).all():
            return None
        if self.leave_one_out:
            one = self._one_photo_each
            merged = one._together(scores[None], [kind], without=head)
            return float(OneEach.of(merged[:-1], one.groups).p_of(merged[-1:])[0])
        if head not in kept:
            merged = self.merger(_silent_as_usual(self._standardised_without(head, self.scores, self.kinds.tolist())))
            kept[head] = OneEach.of(merged, self.groups)
        return float(kept[head].p_of(self.merger(told))[0])

    def _standardised_without(self, head: str, scores: Doubles, kinds: Sequence[str]) -> Doubles:
        """(N, H) scores above the usual, NaN for the claim ``head``."""
        standardised = self._standardised(scores, kinds)
        standardised[:, self.heads.index(head)] = np.nan
        return standardised

    def risk(self, merged: Doubles, base_rate: float | None = None, stratum: str | None = None) -> Doubles:
        """(N,) in 0..1, continuous and strictly increasing in the statistic.

        With labelled fakes it is the probability of a fake, where a share ``base_rate`` is fake (default: their share
        of all labelled photos that were shown). Without, it orders listings and is no probability: 0.5 where the
        p-value among the calibration listings of this ``stratum`` (default: among all) reaches alpha.
        """
        if self.probability is not None:
            return self.probability.of(merged, base_rate)
        level, spread = self._scale(stratum)
        away = (merged - level) / spread
        far = np.maximum(np.abs(away) - FAR, 0)
        logit = np.sign(away) * (np.minimum(np.abs(away), FAR) + np.log1p(far))
        return np.asarray(1 / (1 + np.exp(-logit)))

    @property
    def alarm_level(self) -> float:
        """The statistic above which, but for rounding, the p-value among all calibration listings is at most alpha."""
        return self._scale(None)[0]

    def _scale(self, stratum: str | None) -> tuple[float, float]:
        """The :attr:`alarm_level` among the calibration listings of a stratum, ``None`` for all, and half the way there
        from the usual.
        """
        kept = self._scales
        if stratum not in kept:
            known = self.ranking.statistics if stratum is None else self.ranking.statistics_of(stratum)
            falling = np.sort(known)[::-1]
            p_above = (1 + np.arange(1, len(falling) + 1)) / (1 + len(falling))
            level = float(falling[np.argmax(p_above > self.alpha + 10**-DIGITS)])
            kept[stratum] = level, max(float(level - np.median(known)) / 2, LEAST_SPREAD)
        return kept[stratum]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; NaN becomes ``None``."""
        return {
            "heads": list(self.heads),
            "usual": self.usual.to_dict(),
            "merger": self.merger.to_dict(),
            "peaks": {name: float(value) for name, value in self.peaks.items()},
            "scores": [_plain(row) for row in self.scores],
            "merged": _plain(self.merged),
            "groups": self.groups.tolist(),
            "listings": self.listings.tolist(),
            "strata": self.strata.tolist(),
            "kinds": self.kinds.tolist(),
            "margins": _plain(self.margins),
            "alpha": self.alpha,
            "fitted_on": self.fitted_on,
            "generation": self.generation,
            "real_groups": self.real_groups,
            "probability": None if self.probability is None else dataclasses.asdict(self.probability),
            "leave_one_out": self.leave_one_out,
            **self.quality.to_dict(),
            "photos": sorted(self.photos),
            "fake_photos": sorted(self.fake_photos),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`to_dict`; ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        heads = tuple(str(name) for name in data["heads"])
        calibration = cls(
            heads=heads,
            usual=Usual.from_dict(data["usual"]),
            merger=Merger.from_dict(data["merger"]),
            peaks={str(name): float(value) for name, value in data["peaks"].items()},
            scores=np.array(data["scores"], np.float64).reshape(-1, len(heads)),
            merged=np.array(data["merged"], np.float64),
            groups=np.array(data["groups"], np.int64),
            listings=np.array(data["listings"], np.int64),
            strata=np.array(data["strata"], dtype=str),
            kinds=np.array(data["kinds"], dtype=str),
            margins=np.array(data["margins"], np.float64),
            alpha=float(data["alpha"]),
            fitted_on=int(data["fitted_on"]),
            generation=str(data["generation"]),
            real_groups=int(data["real_groups"]),
            probability=None if data["probability"] is None else Probability.from_dict(data["probability"]),
            leave_one_out=bool(data["leave_one_out"]),
            quality=UsualQuality.from_dict(data),
            photos=frozenset(str(sha256) for sha256 in data["photos"]),
            fake_photos=frozenset(str(sha256) for sha256 in data["fake_photos"]),
        )
        calibration._refuse_misfit()
        return calibration

    def _refuse_misfit(self) -> None:
        """``ValueError`` where what was read is out of range, or does not fit together."""
        shapes = {
            values.shape
            for values in (
                self.scores[:, 0], self.merged, self.groups, self.listings,
                self.strata, self.kinds, self.margins,
            )
        }  # fmt: skip
        if shapes != {(len(self.scores),)} or shapes == {(0,)}:
            raise ValueError(f"scores of {len(self.scores)} photos, and rows of shapes {shapes}, do not fit")
        statistics = np.isfinite(self.merged).all() and not np.isinf(self.margins).any()
        if not statistics or (np.abs(self.scores) > LARGEST).any():
            raise ValueError("a score, a statistic or a margin is no finite number")
        columns = {self.usual.location.shape[1], len(self.merger.counts)}
        if columns != {len(self.heads)}:
            raise ValueError(f"{len(self.heads)} heads, and columns of {sorted(columns)} claims, do not fit")
        if not 0 < self.alpha < 1 or not all(0 < peak < math.inf for peak in self.peaks.values()):
            raise ValueError(f"alpha {self.alpha} or the peaks {self.peaks} are out of range")
        if self.fitted_on < 1:
            raise ValueError(f"fitted on {self.fitted_on} photos")
        if not 1 <= self.real_groups <= self.count:
            raise ValueError(f"{self.count} groups are counted, of {self.real_groups}")
        if self.leave_one_out and not _one_listing_each(self.groups, self.listings).all():
            raise ValueError("a group has several listings, of which one counts where each is left out in turn")


def _folds(groups: Ints, fitted: Bools) -> Iterator[tuple[Bools, Bools]]:
    """(N,) of the photos ``fitted`` on those of all parts of the ``groups`` (N,) but one, and those of that one: it is
    measured by what is usual for others, as new photos are. By their own they would look too usual.
    """
    fold = np.full(len(groups), FOLDS)
    fold[fitted] = np.unique(groups[fitted], return_inverse=True)[1] % FOLDS
    for number in range(FOLDS):
        yield fitted & (fold != number), fold == number


def _one_listing_each(groups: Ints, listings: Ints) -> Bools:
    """(N,) the photos of one listing of each group, drawn at random; of one photo, where each is a group of its own."""
    _, first, own = np.unique(np.stack([groups, listings]), axis=1, return_index=True, return_inverse=True)
    own, first = own.reshape(-1), np.sort(first)
    return np.isin(own, own[first[one_each(groups[first])]])


def _least(heads: Sequence[str]) -> list[float]:
    """(H,) the claims' smallest mean excesses."""
    return [LEAST_EXCESS.get(head, 0.0) for head in heads]


def _refuse_infinite(heads: Sequence[str], scores: Doubles) -> None:
    """:class:`InputError` for a score (N, H) of a genuine photo that is too large to be measured."""
    if (np.abs(scores) > LARGEST).any():
        row, column = np.argwhere(np.abs(scores) > LARGEST)[0]
        infinite = "an infinite score" if np.isinf(scores[row, column]) else f"a score beyond {LARGEST:g}"
        raise InputError(f"head {heads[column]!r} gave {infinite} for genuine photo {row}")


def _weighed(
    heads: Sequence[str], genuine: Doubles, fakes: Doubles, groups: NDArray[np.str_], share: float, calibrated: Bools
) -> tuple[Merger, Probability]:
    """The merger with weights, and the probability of a fake, from standardised claims (n, H) of genuine photos and
    (m, H) of fakes, of ``groups`` (n + m,), for a ``share`` of fakes.

    The probability is fitted on the statistic that :meth:`Calibration.merge` gives, to which only the ``calibrated``
    claims (H,) can add. The weights may not depend on which these are: that is known from the ranked photos.
    """
    shown = np.concatenate([genuine, fakes])
    fake = np.arange(len(shown)) >= len(genuine)
    learn = partial(Merger.of(heads).learn, heads)

    def as_asked(rows: Doubles, labels: Bools) -> Callable[[Doubles], Doubles]:
        merger = learn(rows, labels)
        return lambda photos: merger(_capped(photos, calibrated))

    return learn(shown, fake), Probability.fit(as_asked, shown, fake, groups, share)


def _capped(standardised: Doubles, calibrated: Bools) -> Doubles:
    """(N, H) the same, but at most as usual for claims that are not ``calibrated`` (H,)."""
    return np.where(calibrated, standardised, np.minimum(standardised, 0.0))


def _silent_as_usual(standardised: Doubles) -> Doubles:
    """(N, H) the same, but zeros for a row that is all NaN: a photo that makes none of the calibrated claims counts as
    usual, as a single claim that does not apply does.
    """
    return np.where(np.isnan(standardised).all(axis=1, keepdims=True), 0.0, standardised)


def _peak_level(peaks: Doubles) -> float:
    """The heat peak that one genuine photo in twenty reaches, of one head: heat maps are drawn in it."""
    known = peaks[np.isfinite(peaks)]
    return max(float(np.quantile(known, PEAK_QUANTILE)), 1e-6) if len(known) else 1.0


def _plain(values: Doubles) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
