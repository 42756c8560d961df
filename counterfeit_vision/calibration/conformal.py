"""What photos and listings are ranked among, the p-values that come of it, and what many of them, or the counts behind
them, allow to be said.

Of each group one photo is drawn, at random and always the same one. What is drawn and sorted is kept: a verdict takes
no longer beside many photos than beside few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Ints
from .._concurrency import cached_property
from ..errors import InputError
from ..types.checks import as_number, as_share
from .fusion import mean_evidence
from .split import conformal_needed

__all__ = [
    "OneEach",
    "Ranking",
    "benjamini_hochberg",
    "binomial_interval",
    "conformal_p",
    "different",
    "one_each",
    "p_among",
    "review_level",
]

HALVINGS = 60  # of 0..1: far below the spacing of floats
REVIEW_FACTOR = 3  # up to this many times alpha a listing goes to a person
MOST_REVIEWED = 1 / 2  # of genuine listings: those more usual than half of them are clear, whatever alpha is
ROUNDING = 1e-12  # of a statistic: the same photo's, where what it is the sum of came in another order


def conformal_p(calibration: Doubles, scores: Doubles) -> Doubles:
    """(1 + how many calibration scores are at least as high) / (n + 1), for each score; NaN stays NaN.

    >>> conformal_p(np.array([1.0, 2.0, 3.0]), np.array([2.5, 9.0])).tolist()
    [0.5, 0.25]
    """
    return p_among(np.sort(calibration), scores)


def p_among(rising: Doubles, scores: Doubles) -> Doubles:
    """:func:`conformal_p`, among calibration scores that are sorted."""
    above = len(rising) - np.searchsorted(rising, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1 + above) / (1 + len(rising)))


@dataclass(frozen=True, eq=False)
class OneEach:
    """The ``statistics`` (n,), rising, of what was drawn of each group, one each, and those ``groups`` (n,)."""

    statistics: Doubles
    groups: Ints

    @classmethod
    def of(cls, statistics: Doubles, groups: Ints) -> OneEach:
        """From all statistics (N,) of these ``groups`` (N,)."""
        drawn = one_each(groups)
        rising = drawn[np.argsort(statistics[drawn])]
        return cls(statistics[rising], groups[rising])

    def p_of(self, statistics: Doubles) -> Doubles:
        """The p-values (N,) of statistics (N,) among these; what only rounding tells apart is a tie."""
        return p_among(self.statistics, statistics - ROUNDING)


@dataclass(frozen=True, eq=False)
class Peers:
    """What photos of a stratum, and listings of such, are ranked among; ``most`` photos has the largest listing."""

    photos: OneEach
    listings: OneEach
    most: int


@dataclass(frozen=True, eq=False)
class Ranking:
    """The n photos that p-values come from: the statistic ``merged`` (n,), higher = more suspicious, and ``groups``,
    ``listings`` and ``strata`` (n,), as in :class:`~counterfeit_vision.calibration.calibrator.Calibration`.
    """

    merged: Doubles
    groups: Ints
    listings: Ints
    strata: NDArray[np.str_]
    alpha: float
    _kept: dict[int, Peers] = field(default_factory=dict, init=False, repr=False)
    """What :meth:`_among` made, by the place of the stratum, -1 for those never seen."""
    _together: dict[tuple[int, ...], Peers] = field(default_factory=dict, init=False, repr=False)
    """What :meth:`_among` made, by the places of all strata that are ranked together."""

    def photos_p(self, statistics: Doubles, strata: NDArray[np.str_]) -> Doubles:
        """p-values (N,) of photos' statistics (N,), each among its :meth:`peers`."""
        p = np.full(len(statistics), np.nan)
        for among, own in self._sets(strata).items():
            p[own] = among.photos.p_of(statistics[own])
        return p

    def listing_p(self, statistics: Doubles, strata: NDArray[np.str_], photos: int) -> float | None:
        """See :meth:`counterfeit_vision.calibration.calibrator.Calibration.listing_p`, of photos with these
        statistics; ``None`` where its single photos decide (:meth:`several_p`).
        """
        ranked = []
        for among, own in self._sets(strata).items():
            as_many = photos - int((~own).sum())
            if as_many > among.most or len(among.listings.groups) < conformal_needed(self.alpha):
                return None
            ours = mean_evidence(statistics[own])
            ranked.append(float(among.listings.p_of(ours[None])[0]))
        return min(1.0, len(ranked) * min(ranked))

    def statistics_of(self, stratum: str) -> Doubles:
        """What a listing of this stratum is ranked among: as :attr:`statistics`, of its :meth:`peers`."""
        among = self._among(stratum)
        few = len(among.listings.groups) < conformal_needed(self.alpha)
        return (among.photos if few else among.listings).statistics

    def several_p(self, p: Doubles, strata: NDArray[np.str_], photos: int) -> float:
        """The p-value of so many ``photos``, of which these (K,) have a p-value and the others 1: ``photos`` times the
        smallest, shared by all m photos that are more unusual than each of the n that are ranked.

        However photos depend on each other, the mean number of genuine ones beyond all n is at most photos / (n + 1),
        so the chance that there are m is at most the m-th part of that (Markov; as Rueger 1978, where m is fixed).
        """
        least = 1 / (1 + min(len(among.photos.groups) for among in self._sets(strata)))
        beyond = int((p <= least * (1 + 1e-9)).sum())
        return min(1.0, photos * (least / beyond if beyond else float(p.min())))

    def _sets(self, strata: NDArray[np.str_]) -> dict[Peers, Bools]:
        """What photos of these ``strata`` (K,) are ranked among, each with which of them (K,) are."""
        sets: dict[Peers, Bools] = {}
        for name in np.unique(strata).tolist():
            among = self._among(name)
            sets[among] = sets.get(among, False) | (strata == name)
        return sets

    def _among(self, stratum: str) -> Peers:
        """The :meth:`peers` of a photo of this stratum, drawn and sorted once: all that were never seen have the same,
        and so have those that are ranked together.
        """
        names, codes, _, _ = self._strata_sizes
        place = int(np.searchsorted(names, stratum))
        if place == len(names) or names[place] != stratum:
            place = -1
        kept = self._kept
        if place not in kept:
            known = self.peers(stratum)
            together, sets = tuple(np.unique(codes[known]).tolist()), self._together
            if together not in sets:
                evidence, groups, most = self.listings_evidence(known)
                photos = OneEach.of(self.merged[known], self.groups[known])
                sets[together] = Peers(photos, OneEach.of(evidence, groups), most)
            kept[place] = sets[together]
        return kept[place]

    def peers(self, stratum: str) -> Bools:
        """(n,) which calibration photos a photo of this stratum is ranked among.

        Its own, where they can reach alpha. Strata that can't are ranked together, and with them the smallest that can
        until all of these do: a group with photos of several counts once. The photo that is asked about is counted as a
        group of its own, of its stratum: which strata are ranked together is then the same whichever of these n + 1 is
        asked about, so alpha holds in each set of them, and for all photos together. (Exactly so where no group has
        photos of several strata: of the one that is asked about no others are known.) A stratum that was never seen is
        the smallest.
        """
        names, codes, owners, sizes = self._strata_sizes
        if stratum not in names:
            names, sizes = np.append(names, stratum), np.append(sizes, 0)
        asked = names == stratum
        sizes = sizes + asked
        place, needed = np.argsort(np.argsort(sizes, kind="stable")), conformal_needed(self.alpha) + 1
        together = int((sizes < needed).sum())
        pooled = place < together
        groups = np.count_nonzero(np.bincount(owners[pooled[codes]]))
        if together and groups + (pooled & asked).any() < needed:
            pooled = place <= together
        return np.asarray((pooled if (pooled & asked).any() else asked)[codes])

    @cached_property
    def _strata_sizes(self) -> tuple[NDArray[np.str_], Ints, Ints, Ints]:
        """The strata by name (S,), the place there of each photo's (n,), the number of its group from 0 on (n,), and
        how many groups each stratum has (S,).
        """
        names, codes = np.unique(self.strata, return_inverse=True)
        owners = np.unique(self.groups, return_inverse=True)[1]
        return names, codes, owners, np.array([different(owners[codes == code]) for code in range(len(names))])

    def sizes(self) -> Ints:
        """(S,) of each set of photos that are ranked together, how many groups it has, or listings where those are
        fewer.
        """
        sets = {peers.tobytes(): peers for peers in map(self.peers, np.unique(self.strata).tolist())}
        return np.array([min(different(self.groups[own]), different(self.listings[own])) for own in sets.values()])

    def listings_evidence(self, some: Bools) -> tuple[Doubles, Ints, int]:
        """Of the listings that have some of these photos (n,), in their order: the mean evidence (L,) of those photos,
        the group (L,), and how many such photos the largest has.
        """
        known = np.flatnonzero(some)
        _, first, listing, counts = np.unique(
            self.listings[known], return_index=True, return_inverse=True, return_counts=True
        )
        evidence = np.full(len(counts), -np.inf)
        np.logaddexp.at(evidence, listing, self.merged[known])
        order = np.argsort(first)
        return (evidence - np.log(counts))[order], self.groups[known[first[order]]], int(counts.max())

    @cached_property
    def statistics(self) -> Doubles:
        """What a listing is ranked among where all strata are one: as in :meth:`listing_p`, a listing of each group, or
        a photo where those are too few.
        """
        evidence, groups, _ = self.listings_evidence(np.ones(len(self.merged), bool))
        if different(groups) < conformal_needed(self.alpha):
            evidence, groups = self.merged, self.groups
        return evidence[one_each(groups)]


def different(groups: Ints) -> int:
    return len(np.unique(groups))


def one_each(groups: Ints) -> Ints:
    """One row of each group in their order, drawn at random: the same ones every time."""
    order = np.random.default_rng(0).permutation(len(groups))
    return np.asarray(order[np.unique(groups[order], return_index=True)[1]])


def review_level(alpha: float) -> float:
    """The p-value up to which what is no alarm goes to a person.

    >>> review_level(0.01), review_level(0.4)
    (0.03, 0.5)
    """
    return min(REVIEW_FACTOR * alpha, MOST_REVIEWED)


def benjamini_hochberg(p_values: Sequence[float], fdr: float) -> list[bool]:
    """Which of a batch are discoveries: the k smallest, for the largest k whose k-th is at most fdr x k / all.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.9], 0.08)
    [True, True, True, False]
    """
    fdr, given = as_share(fdr, "fdr", 0.1), list(p_values)
    values = [as_number(p) for p in given]
    for row, p in enumerate(values):
        if not 0 <= p <= 1:
            told = f"row {row} is {given[row]!r}, no p-value in 0..1"
            raise InputError(f"benjamini_hochberg: {told}; leave out what is not known")
    ordered = sorted(values)
    enough = [p for k, p in enumerate(ordered, 1) if p <= fdr * k / len(ordered) * (1 + 1e-9)]  # equal but for rounding
    return [p <= max(enough, default=-1.0) for p in values]


def binomial_interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Limits of the rate behind ``hits`` of ``count`` independent trials (Clopper & Pearson 1934): exact, never too
    narrow.

    With nothing counted it is (0, 1).

    >>> [round(limit, 4) for limit in binomial_interval(0, 60)]
    [0.0, 0.0596]
    """
    if not 0 <= as_number(hits, whole=True) <= as_number(count, whole=True):
        raise InputError(f"binomial_interval: {hits!r} hits of {count!r}, need whole numbers, the first no larger")
    tail = (1 - as_share(level, "binomial_interval: level", 0.95)) / 2
    factorials = np.append(0, np.log(np.arange(1, count + 1)).cumsum())  # logarithms
    ways = factorials[-1] - factorials - factorials[::-1]

    def reached(most: int, rate: float) -> float:
        """The chance of at most ``most`` hits."""
        k = np.arange(most + 1)
        return float(np.exp(ways[k] + k * np.log(rate) + (count - k) * np.log1p(-rate)).sum())

    low = 0.0 if hits == 0 else _crossing(lambda rate: 1 - reached(hits - 1, rate) < tail)
    high = 1.0 if hits == count else _crossing(lambda rate: reached(hits, rate) > tail)
    return low, high


def _crossing(below: Callable[[float], bool]) -> float:
    """Where in 0..1 ``below`` turns from true to false."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2
