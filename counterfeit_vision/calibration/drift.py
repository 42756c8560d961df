"""Is genuine traffic still of the kind that the calibration was made of? A test martingale on conformal p-values.

Each new photo is ranked among the calibration's and all that came before it. While nothing changes, the order of
exchangeable photos tells nothing, so these p-values are independent and uniform (Vovk, Gammerman & Shafer 2005), and
whoever bets against that gains nothing on average: the capital is a test martingale, and by Ville's inequality it
*ever* reaches 1 / delta with probability at most delta. The bets are the Simple Jumper's (Vovk 2021): that p-values are
larger, smaller, or neither, with a little capital moved between the three at each step.

A change may begin at any step, and what was bet while all was well is lost by then. So of a capital of 1 a share of
1 / (t (t + 1)) is kept until step t and is first bet there. These shares add up to 1 and each is bet at fair odds, so
their sum is a test martingale, too (starts are mixed, as by Shin, Ramdas & Rinaldo 2022), and it is never below
1 / (t + 1), which no bet has touched after t.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ..errors import InputError
from ..types import Failure, Verdict
from ..types.checks import as_number, as_share
from .calibrator import Calibration

__all__ = ["Alarm", "Drift"]

BETS = (-1.0, 0.0, 1.0)  # on 1 + bet x (p - 1/2): that photos are more unusual, the same, more usual
JUMP = 0.01  # of the capital is spread over the bets at each step (Vovk 2021)
DRIVERS = 10  # photos that an alarm names


@dataclass(frozen=True)
class Alarm:
    """Genuine photos have changed. ``seen`` is how many had been watched at the alarm, ``capital`` the evidence then.

    ``direction`` is "more unusual" or "more usual"; ``drivers`` are ids of the photos that drove it, those that raised
    the capital most since it was lowest.
    """

    seen: int
    capital: float
    direction: str
    drivers: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"After {self.seen} listings genuine photos are {self.direction} than the calibration's "
            f"(evidence {self.capital:,.0f} to 1): calibrate again. It was driven by {', '.join(self.drivers)}."
        )


class Drift:
    """Watches traffic that is presumed to be genuine, in the order in which it came.

    Show it listings that were found genuine, or those of sellers that are trusted, whatever their verdicts: picking by
    the verdict is a change by itself. ``delta`` is the chance of ever giving an alarm while nothing changes. Of a
    listing only the first photo that it is ranked by counts, and one photo of each calibration group; where a seller's
    photos are alike, show one listing of each seller. ``alarm`` stays once it was given: calibrate again, and watch
    anew.
    """

    def __init__(self, calibration: Calibration, *, delta: float = 0.01) -> None:
        if not isinstance(calibration, Calibration):
            raise InputError(
                f"Drift({calibration!r:.60}): need a calibration; type Drift(inspector.calibration), once calibrated"
            )
        if calibration.leave_one_out:
            raise InputError(
                "this calibration keeps none aside, and leaves each out in turn; to watch for drift, keep a part aside"
            )
        _, one = np.unique(calibration.groups, return_index=True)
        self.delta = as_share(delta, "delta", 0.01)
        self.alarm: Alarm | None = None
        self.seen = 0
        self._calibration = calibration.fingerprint
        self._known = sorted(calibration.merged[one].tolist())
        self._ties = np.random.default_rng(0)  # equal statistics come in a random order, the same in every run
        self._stakes = np.zeros(len(BETS))  # shares of the capital; the rest is kept for later starts
        self._log_capital = 0.0
        self._lowest = 0.0
        self._gains: list[tuple[float, float, str]] = []  # since it was lowest: gain, p-value, id
        self._added: WeakValueDictionary[int, Verdict] = WeakValueDictionary()  # by their identity

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_added"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _added=WeakValueDictionary())

    @property
    def capital(self) -> float:
        """The evidence against "nothing has changed", which starts at 1."""
        return math.exp(min(self._log_capital, 700.0))

    def add(self, results: Iterable[Verdict | Failure]) -> Drift:
        """Watch these verdicts, too; returns itself. Skips failures, and verdicts that were added before, as when a
        notebook's cell is run again; listings that are inspected again are watched again.

        Raises :class:`InputError` for a stale verdict and for one by another calibration, whose statistics are not
        like this one's, for one without statistics, and for what is no verdict.
        """
        if not isinstance(results, Iterable):
            raise InputError(f"add({results!r:.80}): need a list of verdicts; type drift.add([verdict])")
        for result in results:
            if isinstance(result, Failure) or self._added.get(id(result)) is result:
                continue
            if not isinstance(result, Verdict):
                raise InputError(
                    f"add({results!r:.80}): {result!r:.80} is no verdict; type drift.add(inspector.inspect(photos)), "
                    "for a number of your own drift.watch(id, statistic)"
                )
            self.refuse(result.id, stale=result.stale, calibration=result.calibration)
            if not result.statistics:
                raise InputError(
                    f"verdict {result.id!r} has no statistics, which an inspector's verdicts have; for a number of "
                    "your own type drift.watch(id, statistic)"
                )
            self.watch(result.id, result.statistics[0])
            self._added[id(result)] = result
        return self

    def refuse(self, id: str, *, stale: bool, calibration: str) -> None:
        """:class:`InputError` for a verdict whose statistic is not one of the calibration's: a stale one, and one by
        another calibration. Where ``calibration`` is "", nobody knows which it was.
        """
        if stale:
            raise InputError(f"verdict {id!r} is stale: calibrate on today's catalogue, then watch")
        if calibration not in ("", self._calibration):
            raise InputError(
                f"verdict {id!r} was judged by another calibration, {calibration}, not by {self._calibration}: "
                "inspect again, then watch"
            )

    def watch(self, id: str, statistic: float) -> None:
        """One more photo's merged statistic; :class:`InputError` for what is no finite number."""
        if not math.isfinite(as_number(statistic)):
            raise InputError(f"watch({id!r}): statistic={statistic!r}; need a finite number, such as a verdict's")
        lower, upper = bisect.bisect_left(self._known, statistic), bisect.bisect_right(self._known, statistic)
        above, equal = len(self._known) - upper, upper - lower + 1
        p = (above + self._ties.random() * equal) / (len(self._known) + 1)
        self._known.insert(upper, statistic)
        self.seen += 1
        one = math.exp(-self._log_capital)  # the first capital, of 1, as a share of today's
        stakes = self._stakes + one / (self.seen * (self.seen + 1)) / len(BETS)
        stakes = (1 - JUMP) * stakes + JUMP * stakes.mean()
        stakes = stakes * (1 + np.array(BETS) * (p - 0.5))
        grown = float(stakes.sum()) + one / (self.seen + 1)
        gain = math.log(grown)
        self._stakes = stakes / grown
        self._log_capital += gain
        self._gains.append((gain, p, id))
        if self._log_capital < self._lowest:
            self._lowest, self._gains = self._log_capital, []
        if self.alarm is None and self._log_capital >= -math.log(self.delta):
            mean = float(np.mean([p for _, p, _ in self._gains]))
            drivers = sorted(self._gains, key=lambda item: -item[0])[:DRIVERS]
            self.alarm = Alarm(
                self.seen,
                self.capital,
                "more unusual" if mean < 0.5 else "more usual",
                tuple(id for _, _, id in drivers),
            )

    def __repr__(self) -> str:
        state = "no alarm" if self.alarm is None else f"alarm after {self.alarm.seen}"
        return f"<Drift {state}; {self.seen} listings, evidence {self.capital:.3g} to 1 (alarm at {1 / self.delta:g})>"
