"""What scores are usual for genuine photos: the unit in which claims are measured before they are merged.

Each claim is measured by how fast genuine photos' scores fall off: z = (score - median) / mean excess over the median.
Goods differ: a bag is less like its references than a carton is, and what is odd for one is usual for the other. So
each kind of goods (a brand) has a median and a mean excess of its own. They are drawn towards those of all photos, as
if more photos of the kind had been seen that are like all photos: the less kinds differ from each other, beside how
photos of one kind do, the more such photos (an empirical Bayes estimate: Efron & Morris 1975).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Ints

__all__ = ["LARGEST", "LEAST_EXCESS", "Usual", "among_others", "named", "shrinkage", "surprise", "tail_p"]

# Chosen on markets (seeds 200 to 209, 237 to 240), on printed goods (20, 21) and on a mix with cartons (seed 301).
SHRINK = 10.0  # imagined photos, like all photos, by which a kind is drawn before kinds are compared
GUESSED = 20.0  # kinds that have to be compared until that guess counts only half
COMPARED = 3  # photos of a kind, from which on it is compared with others
LEAST = 3.0  # photos by which a kind's mean excess is drawn, however much kinds differ: few photos tell none
# Of the photos, at least, that count as over the median: where most are at it, as with a claim that has seldom anything
# to say, one photo's accident is not what is usual
OVER = 0.25
# The least mean excess of a claim, in its own unit. List prices, which a catalogue's own table may have put into all
# listings that calibrate, do not show how far honest sellers go below them: a fifth is nothing unusual. Nor is a
# hundredth of a correlation with the genuine marks where all photos are as good as can be told, nor a third of what
# `wordmark` would speak of: a word that one genuine photo has misread was then more than any fake's other claims.
# Nor is an eighth of what `reuse` may say of two photos that share a print: on plain cloth that is all they show.
LEAST_EXCESS = {"price": 0.9, "mark": 0.01, "wordmark": 0.01, "reuse": 0.05}
LARGEST = 1e100  # of a score: beyond it, differences of scores are no numbers any more
SHAPE = 0.2  # of the tail: a larger one keeps wild claims from drowning others; chosen on simulated claims


@dataclass(frozen=True, eq=False)
class Usual:
    """``location`` and ``scale`` (K + 1, H) of the scores of genuine photos: of all, and then of each of K ``kinds``.
    NaN for a claim that none of the photos could make: nobody knows what is usual for it.
    """

    kinds: tuple[str, ...]
    location: Doubles
    scale: Doubles

    @classmethod
    def fit(cls, scores: Doubles, kinds: Sequence[str] | None = None, least: Sequence[float] | None = None) -> Usual:
        """From the scores (N, H) of genuine photos, NaN where a claim did not apply, and what each was taken for;
        ``least`` (H,) are claims' smallest mean excesses.
        """
        names = named(kinds, len(scores))
        known = tuple(sorted(set(names.tolist()) - {""}))
        photos_of = {row: names == name for row, name in enumerate(known, 1)}
        location, scale = (np.full((len(known) + 1, scores.shape[1]), np.nan) for _ in range(2))
        for column, values in enumerate(scores.T):
            seen = ~np.isnan(values)
            told = values[seen]
            if not len(told):
                continue
            middle = _median(told)
            given = 0.0 if least is None else least[column]
            floor = max(1e-3 * max(1.0, abs(middle)), given)
            spread = max(_mean(_excess(told, middle)), floor)
            location[:, column], scale[:, column] = middle, spread
            kept = {row: own for row, photos in photos_of.items() if len(own := values[seen & photos])}
            more = shrinkage(list(kept.values()), floor)
            wider = max(more, LEAST)
            for row, own in kept.items():
                place = _median(own)
                over = _excess(own, place)
                location[row, column] = (len(own) * place + more * middle) / (len(own) + more)
                # over a kind's lower median, photos like all photos have a larger mean excess
                drawn = max(spread, _mean(_excess(told, float(location[row, column]))))
                # half of the imagined photos lie over the median, as half of the real ones do
                scale[row, column] = max((over.sum() + wider / 2 * drawn) / (len(over) + wider / 2), given)
        return cls(known, location, scale)

    def __call__(self, scores: Doubles, kinds: Sequence[str] | None = None) -> Doubles:
        """(N, H) raw scores of photos that were taken for such ``kinds`` -> in mean excesses above the usual; NaN where
        one does not apply. An unknown kind is measured as all photos are.
        """
        place = {name: row for row, name in enumerate(self.kinds, 1)}
        rows = np.array([place.get(name, 0) for name in named(kinds, len(scores)).tolist()], np.int64)
        return np.asarray((scores - self.location[rows]) / self.scale[rows])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; NaN becomes ``None``."""
        return {
            "kinds": list(self.kinds),
            **{
                name: [[None if np.isnan(value) else float(value) for value in row] for row in getattr(self, name)]
                for name in ("location", "scale")
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Usual:
        """The inverse of :meth:`to_dict`; ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        kinds = tuple(str(name) for name in data["kinds"])
        location, scale = (np.array(data[name], np.float64) for name in ("location", "scale"))
        if location.ndim != 2 or location.shape != scale.shape or len(location) != len(kinds) + 1:
            raise ValueError(f"what is usual for {len(kinds)} kinds does not fit in {location.shape}, {scale.shape}")
        if np.isinf(location).any() or (scale <= 0).any() or np.isinf(scale).any():
            raise ValueError("what is usual is no finite number, or does not vary")
        return cls(kinds, location, scale)


def among_others(scores: Doubles, owners: Ints, kinds: Sequence[str], least: Sequence[float]) -> Doubles:
    """(N, H) scores, NaN where a claim did not apply, of photos of these ``owners`` and ``kinds`` (N,) -> in mean
    excesses above what :meth:`Usual.fit` finds usual for the photos of all other owners; NaN too for a claim that fewer
    than two of those make. ``least`` (H,) as there.
    """
    names, kind = np.unique(kinds, return_inverse=True)
    owners = np.unique(owners, return_inverse=True)[1]
    kind = np.where(names == "", -1, np.arange(len(names)))[kind]
    told = np.full(scores.shape, np.nan)
    for column, values in enumerate(scores.T):
        seen = np.flatnonzero(~np.isnan(values))
        rising = seen[np.argsort(values[seen], kind="stable")]
        if len(set(owners[rising].tolist())) > 2:
            told[rising, column] = _among_others(values[rising], owners[rising], kind[rising], least[column])
    return told


def _among_others(values: Doubles, owners: Ints, kinds: Ints, least: float) -> Doubles:
    """(n,) :func:`among_others` of the ``values`` of one claim, which rise; ``kinds`` are numbers, -1 for none. What is
    usual is asked once for each owner's photos of one kind, a case.
    """
    codes = owners * (kinds.max() + 2) + kinds + 1
    _, first, case = np.unique(codes, return_index=True, return_inverse=True)
    owner, own_kind = owners[first], kinds[first]
    others = owner[:, None] != owners
    middle, counts = _middles(values, others), others.sum(axis=1)
    floor = np.maximum(1e-3 * np.maximum(1.0, np.abs(middle)), least)
    spread = np.maximum(_ratio(*_excesses(values, others, middle, counts)), floor)
    alike = others & (own_kind[:, None] == kinds) & (own_kind >= 0)[:, None]
    own = alike.sum(axis=1)
    place = np.where(own > 0, _middles(values, alike), middle)
    over, number = _excesses(values, alike, place, own)
    # What each kind shows without each owner: what it does with all photos, but where it has some of the owner's
    known = np.unique(kinds[kinds >= 0])
    of_kind = known[:, None] == kinds
    size = of_kind.sum(axis=1)
    centre = _middles(values, of_kind)
    by_kind = [size, centre, *_excesses(values, of_kind, centre, size)]
    numbers, row = np.unique(owner, return_inverse=True)
    shown = [np.repeat(all_told[None], len(numbers), axis=0) for all_told in by_kind]
    has = own_kind >= 0
    for table, without in zip(shown, (own, place, over, number), strict=True):
        table[row[has], np.searchsorted(known, own_kind[has])] = without[has]
    more = _shrinkages(shown[0][row], shown[1][row], shown[2][row], shown[3][row], floor)
    wider = np.maximum(more, LEAST)
    location = (own * place + more * middle) / (own + more)
    drawn = np.maximum(spread, _ratio(*_excesses(values, others, location, counts)))
    scale = np.maximum((over + wider / 2 * drawn) / (number + wider / 2), least)
    location, scale = np.where(own > 0, location, middle), np.where(own > 0, scale, spread)
    return np.asarray((values - location[case]) / scale[case])


def _middles(rising: Doubles, some: Bools) -> Doubles:
    """(C,) the medians of those of the values (n,), which rise, that each row of ``some`` (C, n) picks; of none, the
    first value.
    """
    order, counts = some.cumsum(axis=1), some.sum(axis=1)
    low, high = ((order > half[:, None]).argmax(axis=1) for half in ((counts - 1) // 2, counts // 2))
    return np.asarray((rising[low] + rising[high]) / 2)


def _excesses(values: Doubles, some: Bools, middle: Doubles, counts: Ints) -> tuple[Doubles, Ints]:
    """(C,) the sums of :func:`_excess` over each middle (C,) of the values (n,) that each row of ``some`` (C, n) picks,
    which are so many, and how many excesses there are.
    """
    beyond = values - middle[:, None]
    over = some & (beyond > 0)
    number = over.sum(axis=1)
    padded = np.maximum(number, np.ceil(OVER * counts).astype(np.int64))
    return np.where(over, beyond, 0.0).sum(axis=1), np.where(number > 0, padded, 0)


def _ratio(total: Doubles, number: Ints) -> Doubles:
    return np.asarray(total / np.maximum(number, 1))


def _shrinkages(counts: Ints, middles: Doubles, over: Doubles, number: Ints, floor: Doubles) -> Doubles:
    """(C,) :func:`shrinkage` of kinds with so many photos (C, K), of such medians and sums and numbers of excesses."""
    usable = counts >= COMPARED
    weight, kinds = np.where(usable, counts, 0).astype(np.float64), usable.sum(axis=1)
    compared = kinds >= 2
    total = np.where(compared, weight.sum(axis=1), 1.0)
    within = np.maximum(_ratio(np.where(usable, over, 0.0).sum(axis=1), (number * usable).sum(axis=1)), floor) ** 2
    centred = np.where(usable, middles - ((weight * middles).sum(axis=1) / total)[:, None], 0.0)
    beyond_chance = (weight * centred**2).sum(axis=1) - (kinds - 1) * within
    apart = np.where(compared, total - (weight**2).sum(axis=1) / total, 1.0)
    between, seen = np.maximum(beyond_chance, 0.0) / apart, kinds - 1
    drawn = within * (GUESSED + seen) / (GUESSED * within / SHRINK + np.maximum(seen, 0) * between)
    return np.where(compared, drawn, SHRINK)


def surprise(standardised: Doubles) -> Doubles:
    """How unusual scores in mean excesses are, in nats: -log(2 p) of a Pareto tail, p = (1 + z / 5) ** -5 / 2, above
    the median. It is heavier than an exponential one, because a few dozen photos can't show how heavy a tail is. Below
    the median, where nothing is unusual, z itself.

    >>> surprise(np.array([-1.0, 0.0, 5.0])).round(2).tolist()
    [-1.0, 0.0, 3.47]
    """
    tail = np.log1p(SHAPE * np.maximum(standardised, 0)) / SHAPE
    return np.where(standardised > 0, tail, standardised)


def tail_p(standardised: Doubles) -> Doubles:
    """The share of genuine photos beyond such scores, by that tail; below the median by an exponential one.

    >>> tail_p(np.array([-1.0, 0.0, 5.0])).round(2).tolist()
    [0.82, 0.5, 0.02]
    """
    half = np.exp(-np.abs(surprise(standardised))) / 2
    return np.where(standardised > 0, half, 1 - half)


def shrinkage(kinds: Sequence[Doubles], floor: float) -> float:
    """By how many photos that are like all photos each kind is drawn towards what is usual for all: the variance within
    kinds over the variance between kinds. ``kinds`` are the scores of each kind (n,); of kinds with fewer than
    :data:`COMPARED` photos nothing is learned.

    The variance within kinds is that of a Laplace distribution's median from one photo: the square of the mean excess
    (at least ``floor``). That between kinds is estimated by moments (DerSimonian & Laird 1986), together with
    :data:`GUESSED` imagined kinds that by themselves would give :data:`SHRINK`.

    >>> shrinkage([np.arange(9.0)], 1e-9)
    10.0
    >>> shrinkage([np.arange(9.0)] * 100, 1e-9) > 50  # all alike
    True
    >>> shrinkage([np.arange(9.0) + 50 * kind for kind in range(100)], 1e-9) < 0.01
    True
    """
    kinds = [own for own in kinds if len(own) >= COMPARED]
    if len(kinds) < 2:
        return SHRINK
    counts = np.array([len(own) for own in kinds], np.float64)
    middles = np.array([_median(own) for own in kinds])
    excess = np.concatenate([_excess(own, middle) for own, middle in zip(kinds, middles.tolist(), strict=True)])
    within = max(_mean(excess), floor) ** 2
    all_in_all = counts @ middles / counts.sum()
    beyond_chance = counts @ (middles - all_in_all) ** 2 - (len(kinds) - 1) * within
    between = max(beyond_chance, 0.0) / (counts.sum() - counts @ counts / counts.sum())
    guesses, seen = GUESSED, len(kinds) - 1
    return float(within * (guesses + seen) / (guesses * within / SHRINK + seen * between))


def _excess(values: Doubles, middle: float) -> Doubles:
    """By how much those over the middle are, with zeros where fewer than :data:`OVER` of all are."""
    over = values[values > middle] - middle
    missing = math.ceil(OVER * len(values)) - len(over) if len(over) else 0
    return np.concatenate([np.zeros(missing), over]) if missing > 0 else over


def _mean(excess: Doubles) -> float:
    return float(excess.mean()) if len(excess) else 0.0


def _median(values: Doubles) -> float:
    """The median, to the last digit as numpy's, which takes ten times as long for the few photos of a kind."""
    rising, half = np.sort(values), len(values) // 2
    return float(rising[half] if len(values) % 2 else (rising[half - 1] + rising[half]) / 2)


def named(names: Sequence[str] | None, count: int) -> NDArray[np.str_]:
    """(N,) names of N photos, all "" where there are none."""
    return np.array([""] * count if names is None else names, dtype=str)
