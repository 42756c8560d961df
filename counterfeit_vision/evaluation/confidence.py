"""How likely each answer is right, as far as p-values, likeness and the policy tell: the order of the answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles

__all__ = ["ALARM", "chance_of_genuine", "confidence"]

ALARM = 0.5  # the risk from which on a listing is taken for fake: see Calibration.risk
FEWEST = 20  # listings: a brand that so many name has a share of fakes of its own, rarer brands have one together
SHARES = np.linspace(0.01, 0.99, 99)  # of fakes that are tried; where listings are too few to tell, it is a half
SPARED = 0.5  # of an alarm left to a person: on benchmarks/abstention.py's part val 13 of 17 such err, none of 6 others
KNOWN = 0.2  # p-value from which goods are fully known, and fully told apart: chosen on a mix with market seed 301


def confidence(
    risk: Doubles,
    p_value: Doubles,
    probability: Doubles,
    likeness: Doubles,
    margin_p: Doubles,
    named: NDArray[np.str_],
    abstained: Bools,
    reviewed: Bools,
) -> Doubles:
    """(N,) higher = answered first: the chance that the answer is right, times how well the catalogue knows such goods,
    times how well it tells them from others; an alarm that is left to a person counts half. What was not answered, for
    want of evidence, comes last.

    - ``risk``, ``p_value`` and ``probability`` (N,) of the listings, NaN where there is none.
    - ``likeness`` and ``margin_p`` (N,): the p-values of their likeness to the catalogue, and of how much their product
      stands out from the next; NaN where there is none.
    - ``named`` (N,): the brand that the verdict names; ``abstained`` (N,): which were not answered; ``reviewed``
      (N,): which go to a person. Where there is a probability, that tells the chance, and such an alarm counts wholly.

    The chance is the probability where there is one; else it comes from the p-values of the listings that name the same
    brand (:func:`chance_of_genuine`; rare brands are taken together).
    """
    fake = risk.copy()  # which is the probability, where there is one
    names, place, counts = np.unique(named, return_inverse=True, return_counts=True)
    group = np.where(counts[place] >= FEWEST, place, len(names))
    told = np.isnan(probability) & ~np.isnan(p_value) & ~abstained
    for number in np.unique(group[told]):
        own = told & (group == number)
        fake[own] = 1 - chance_of_genuine(p_value[own])
    right = np.where(risk >= ALARM, fake, 1 - fake)
    known, told_apart = (np.minimum(np.nan_to_num(p, nan=1.0) / KNOWN, 1) for p in (likeness, margin_p))
    spared = reviewed & (risk >= ALARM) & np.isnan(probability)
    return np.asarray(right * known * told_apart * np.where(spared, SPARED, 1.0) + ~abstained)


def chance_of_genuine(p_values: Doubles) -> Doubles:
    """(N,) the chance that each of some listings is genuine, if p-values of genuine ones are uniform and those of fakes
    have the density 1 / (2 sqrt(p)), which calibrates p-values to e-values (Vovk & Wang 2021), at the share of fakes
    that makes these likeliest (a mixture as in Pounds & Morris 2003); fewer than :data:`FEWEST` can't tell it, and half
    are taken for fake.

    >>> chance_of_genuine(np.linspace(0.04, 1, 25)).round(2)[[0, 4, 24]].tolist()
    [0.98, 0.99, 0.99]
    >>> chance_of_genuine(np.array([0.01, 0.04, 0.25, 1.0])).round(2).tolist()
    [0.17, 0.29, 0.5, 0.67]
    """
    shares = SHARES if len(p_values) >= FEWEST else np.array([0.5])
    mixed = 1 - shares[:, None] + shares[:, None] / (2 * np.sqrt(p_values))
    best = int(np.log(mixed).sum(axis=1).argmax())
    return np.asarray((1 - shares[best]) / mixed[best])
