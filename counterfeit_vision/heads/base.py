"""What a head is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..errors import InputError
from ..types import Evidence
from .suspects import Suspects

__all__ = ["Head", "fingerprint_of"]

FINGERPRINT = "fingerprint"


@runtime_checkable
class Head(Protocol):
    """One claim about photos.

    A head may have a text ``fingerprint`` of all that its evidence depends on beside the listing, its photos and the
    catalogue: its settings, and, where it is your own, its version; a subclass states its own. What it says is then
    kept on disk, and it is not asked about the same listing again; and no calibration of one version is loaded with
    another.

    A head that cannot make its claim for now, as something that it needs is absent, may say why in a text ``unable``:
    where its claim was calibrated, whoever asks is told so.
    """

    @property
    def name(self) -> str:
        """The claim's key in :attr:`counterfeit_vision.Verdict.claims`.

        Give your own head a name of its own: what ``similarity``, ``mark``, ``wordmark`` and ``reuse`` say also decides
        which photos the catalogue knows, ``price`` and ``seller`` are about the listing, and ``learned`` is taught by
        ``fakes``.
        """
        ...

    def score(self, suspects: Suspects) -> list[Evidence]:
        """One :class:`~counterfeit_vision.Evidence` a photo, in order.

        ``score`` is continuous, higher = more suspicious. A head with nothing to go on gives
        ``Evidence.not_applicable(reason)``, never a made-up middle. A photo's evidence depends on its own listing only,
        whose other photos may count, and not on its batch mates.
        """
        ...


def fingerprint_of(head: Head) -> str | None:
    """What a head's evidence depends on, where it says so; :class:`InputError` where that is no text."""
    if FINGERPRINT not in vars(type(head)) and FINGERPRINT not in getattr(head, "__dict__", {}):
        return None
    stated = getattr(head, FINGERPRINT)
    if not isinstance(stated, str | None):
        raise InputError(f"head {head.name!r}: fingerprint={stated!r:.80} is no text; type {str(stated)!r:.80}")
    return stated
