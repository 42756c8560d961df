"""How many genuine photos are enough, and which of them are fitted on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._arrays import Bools, Ints
from ..errors import InputError

__all__ = [
    "DIGITS",
    "FIT_SHARE",
    "FIT_SHARE_WITH_FAKES",
    "conformal_needed",
    "next_step",
    "photos_needed",
    "refuse_too_few",
    "refuse_unless_enough",
    "split_groups",
]

FIT_SHARE = 1 / 3  # of the groups of genuine photos, to standardise and merge; the rest is conformalised
FIT_SHARE_WITH_FAKES = 1 / 2  # a head is then learned from them too
FEWEST_TO_FIT = 8
DIGITS = 9  # products such as 0.05 x 40 are rounded to as many


def conformal_needed(alpha: float) -> int:
    """The fewest photos (groups) behind p-values with which one can reach ``alpha``.

    >>> conformal_needed(0.05)
    19
    """
    return math.ceil(1 / alpha) - 1 if 0 < alpha < 1 else 0


def photos_needed(alpha: float, reaching: int = 1) -> int:
    """The fewest genuine photos (groups of them) with which a p-value can reach ``alpha``, those to fit included; or
    with which so many of those ranked can be beyond it. Between two such numbers no more are ranked
    (:func:`split_groups`).

    >>> [photos_needed(0.05, reaching) for reaching in (1, 2, 3)]
    [28, 58, 88]
    """
    conformal = conformal_needed(alpha) if reaching == 1 else _ranked_for(alpha, reaching)
    least = math.floor(conformal / (1 - FIT_SHARE))  # a third of them is rounded, so that one more or less may do
    return next(n for n in range(max(conformal, least - 2), 2 * conformal + 100) if n - _fit_count(n) >= conformal)


def _ranked_for(alpha: float, reaching: int) -> int:
    """The fewest photos of which so many can be the most unusual ``alpha``."""
    return math.ceil(round(reaching / alpha, DIGITS)) - 1


def _fit_count(count: int, share: float = FIT_SHARE) -> int:
    return max(FEWEST_TO_FIT, round(count * share))


def split_groups(
    groups: Sequence[str], *, share: float = FIT_SHARE, alpha: float | None = None, per_photo: bool = False
) -> Bools:
    """True for the part that is fitted on: whole groups in a seeded order, ``share`` of the groups, or ``per_photo`` as
    many as hold that share of the photos.

    With ``alpha`` the other part is no larger than it must be for its alarm level: of n = 53, as of 39, the two most
    unusual are beyond it, which is 2 / 54 and 2 / 40 of genuine photos; only the latter is alpha = 5 %.

    >>> names = [str(number) for number in range(80)]
    >>> int((~split_groups(names)).sum()), int((~split_groups(names, alpha=0.05)).sum())
    (53, 39)
    """
    names = np.asarray(groups, dtype=str)
    order = np.random.default_rng(0).permutation(np.array(sorted(set(names.tolist())), dtype=str))
    sizes = np.array([(names == name).sum() if per_photo else 1 for name in order], dtype=np.int64)
    behind = max(0, int(sizes.sum()) - _fit_count(int(sizes.sum()), share))
    if alpha is not None and 0 < alpha < 1 and (reached := math.floor(round(alpha * (behind + 1), DIGITS))) > 0:
        behind = _ranked_for(alpha, reached)
    after = sizes[::-1].cumsum()[::-1] - sizes  # photos (groups) of those that come later in the order
    return ~np.isin(names, order[after < behind])


def next_step(alpha: float, ranked: int) -> int | None:
    """How many genuine photos (groups) in all it takes that more than these are ``ranked``; ``None`` where so many are
    not what :func:`split_groups` leaves for ``alpha``.

    >>> next_step(0.05, 19), next_step(0.05, 39), next_step(0.05, 45)
    (58, 88, None)
    """
    reached = math.floor(round(alpha * (ranked + 1), DIGITS))
    return photos_needed(alpha, reached + 1) if reached and ranked == _ranked_for(alpha, reached) else None


def refuse_too_few(groups: Sequence[str], alpha: float, *, alone: bool, leave_one_out: bool, per_photo: bool) -> None:
    """:class:`InputError` where photos of these ``groups`` (N,) are too few for ``alpha``, whichever of them can be
    used: what :func:`refuse_unless_enough` would say. ``alone``: without fakes.
    """
    codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    owners = np.arange(len(codes)) if per_photo else codes
    fewest = photos_needed(alpha)
    if leave_one_out:
        fewest = max(conformal_needed(alpha), FEWEST_TO_FIT + 1)
    elif per_photo:
        fewest = conformal_needed(alpha) + FEWEST_TO_FIT  # whole groups are parted: a photo fewer may be fitted on
    if len(np.unique(owners)) < fewest:
        first = None if leave_one_out else split_groups(groups, alpha=alpha, per_photo=per_photo)
        refuse_unless_enough(owners, first, alpha, alone=alone)


def refuse_unless_enough(owners: Ints, first: Bools | None, alpha: float, *, alone: bool) -> None:
    """:class:`InputError` with the number of photos that ``alpha`` needs, where the groups ``owners`` (N,) without the
    part that is fitted on, ``first`` (N,), or that part are too few; ``None`` leaves each out in turn.
    """
    count, needed = len(np.unique(owners)), conformal_needed(alpha)
    left = count if first is None else len(np.unique(owners[~first]))
    enough = count > FEWEST_TO_FIT if first is None else first.sum() >= FEWEST_TO_FIT
    if left >= needed and enough:
        return
    what = "genuine photos" if count == len(owners) else f"groups ({len(owners)} genuine photos)"
    least = photos_needed(alpha) if first is not None else max(needed, FEWEST_TO_FIT + 1)
    turned = max(alpha, _rounded_up(1 / (count + 1))) if count > FEWEST_TO_FIT else 0  # what leaving one out reaches
    raise InputError(
        f"{count} {what} are too few for alpha={alpha}: at least {least} are needed "
        f"(left for p-values: {left} of {needed}). Bring more, or raise alpha"
        + (f" to {_rounded_up(1 / (left + 1)):g} or more" if left > 1 and enough else "")
        + (
            f", or leave one out (leave_one_out=True, --leave-one-out) with alpha={turned:g}"
            if alone and turned and first is not None
            else ""
        )
    )


def _rounded_up(share: float) -> float:
    """To three digits."""
    return math.ceil(round(1000 * share, DIGITS)) / 1000
