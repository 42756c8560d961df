"""What a new calibration changed."""

from __future__ import annotations

from dataclasses import dataclass

from .calibrate import Calibration
from .merge import LEARNED

__all__ = ["Change"]


@dataclass(frozen=True)
class Change:
    """What a new calibration changed; as text, a line for each thing."""

    before: Calibration
    after: Calibration

    @property
    def now_suspected(self) -> float | None:
        """The share of the photos behind the old p-values that the new calibration suspects; ``None`` where their
        scores would be others now: the claims or the catalogue changed, or a claim was learned anew. And where the new
        one was calibrated ``by`` something that the old one was not.
        """
        old, new = ((one.heads, one.generation) for one in (self.before, self.after))
        if old != new or LEARNED in self.after.heads or not self._strata_are_known:
            return None
        p = self.after.p_of(self.before.scores, self.before.strata.tolist(), self.before.kinds.tolist())
        return float((p <= self.after.alpha).mean())

    @property
    def _strata_are_known(self) -> bool:
        """Whether the new calibration can tell the strata of the old one's photos: it has none, or the same ones."""
        old, new = (set(calibration.strata.tolist()) for calibration in (self.before, self.after))
        return new == {""} or (old != {""} and not old.isdisjoint(new))

    def __str__(self) -> str:
        old, new = self.before, self.after
        lines = [
            _moved("groups of genuine photos behind p-values", old.count, new.count),
            _moved("share of genuine listings that may be suspected", *(f"{100 * c.alpha:.3g} %" for c in (old, new))),
            _moved("95 of 100 calibrations keep below", *(_limit(c) for c in (old, new))),
            _moved("claims", ", ".join(old.heads), ", ".join(new.heads)),
            _moved("catalogue", old.generation[:12], new.generation[:12]),
        ]
        if self.now_suspected is not None:
            lines.append(f"of the photos behind the old p-values, now suspected: {100 * self.now_suspected:.1f} %")
        return "\n".join(lines)


def _limit(calibration: Calibration) -> str:
    limit = calibration.false_alarm_limit
    return "no known limit" if limit is None else f"{100 * limit:.1f} %"


def _moved(what: str, old: object, new: object) -> str:
    return f"{what}: {new} (as before)" if old == new else f"{what}: {old} -> {new}"
