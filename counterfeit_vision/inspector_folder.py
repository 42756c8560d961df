"""An inspector's folder: a JSON file of the calibration and the settings, which holds the sha256 of all the rest in it,
and what was learned from fakes beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ._version import made_by
from .calibration.calibrator import Calibration
from .decision.authorised import pairs
from .errors import CatalogError, InputError
from .heads import LearnedHead, Price
from .io.cache import EmbeddingCache
from .io.files import alone, contents, refuse_file, replace_file
from .io.storage import is_sealed, remove_old, sealed
from .types.checks import check_settings
from .types.wording import printable

if TYPE_CHECKING:
    from .encoders.base import Encoder

__all__ = ["KeptInspector", "read_inspector", "refuse_folder", "write_inspector"]

FORMAT = 50


@dataclass(frozen=True)
class KeptInspector:
    """What is kept of an inspector beside its learned head; ``stated`` are the fingerprints of the heads that have
    one, ``doubts`` and ``copies_warning`` what calibrating warned of, ``made_by`` what calibrated, ``learned`` is the
    sha256 of that head's file.
    """

    fingerprint: str
    calibration: Calibration
    authorised: frozenset[tuple[str | None, str]]
    by: str | None
    base_rate: float | None
    costs: tuple[float, float] | None
    rates: dict[str, float]
    stated: dict[str, str]
    doubts: tuple[str, ...]
    copies_warning: str | None
    made_by: str
    learned: str | None = None

    def learned_head(self, folder: Path, encoder: Encoder, cache: EmbeddingCache | bool) -> LearnedHead | None:
        """The head beside it; ``None`` where none was kept. :class:`CatalogError` where it is not the one."""
        if self.learned is None:
            return None
        file = folder / _learned_file(self.learned)
        if hashlib.sha256(contents(file) or b"").hexdigest() != self.learned:
            raise CatalogError(f"{file}: missing, or not the one that was saved. Copy the folder again")
        return LearnedHead.load(file, encoder, cache=cache)


def refuse_folder(folder: Path) -> None:
    """:class:`InputError` for a file, a new folder that is named like one, and a folder that holds a catalogue."""
    refuse_file(folder)
    if (folder / "manifest.json").is_file():
        raise InputError(f"{folder}: the folder holds a catalogue; name another one for the inspector")


def write_inspector(folder: Path, kept: KeptInspector, learned: LearnedHead | None) -> None:
    """The learned head first, in a file of its own: at any moment what the JSON file names is there. Raises
    :class:`InputError` as :func:`refuse_folder`.
    """
    refuse_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = None if learned is None else learned.to_bytes()
    sha256 = None if head is None else hashlib.sha256(head).hexdigest()
    data = {
        "format": FORMAT,
        "made_by": kept.made_by,
        "fingerprint": kept.fingerprint,
        "authorised": sorted(kept.authorised, key=lambda pair: (pair[0] or "", pair[1])),
        "by": kept.by,
        "base_rate": kept.base_rate,
        "costs": None if kept.costs is None else list(kept.costs),
        "rates": kept.rates,
        "stated": kept.stated,
        "doubts": kept.doubts,
        "copies_warning": kept.copies_warning,
        "calibration": kept.calibration.to_dict(),
        "learned": sha256,
    }
    with alone(folder):
        if head is not None and sha256 is not None:
            replace_file(folder / _learned_file(sha256), head)
        plain = json.loads(json.dumps(data, default=float))  # numpy's numbers
        replace_file(folder / "inspector.json", sealed(plain))
        remove_old(folder, {"learned"}, {_learned_file(sha256 or "")})


def _learned_file(sha256: str) -> str:
    return f"learned-{sha256[:16]}.safetensors"


def read_inspector(folder: Path) -> KeptInspector:
    """Raises :class:`CatalogError` for a folder that holds none, or one that can't be read."""
    path = folder / "inspector.json"
    text = contents(path)
    if text is None:
        raise CatalogError(
            f"{folder}: no inspector here (inspector.json is missing); make one with: counterfeit-vision calibrate"
        )
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            made = f"format {data['format']!s:.20}, made by {data.get('made_by', 'an earlier version')!s:.80}"
            raise CatalogError(
                f"{path}: {printable(made)}; this is {made_by()}, which reads format {FORMAT}. Judge with the version "
                "that made it, or calibrate again"
            )
        if not is_sealed(text, data):
            raise CatalogError(f"{path}: changed: it does not match its own sha256. Copy the folder again")
        check_settings(by=data["by"], base_rate=data["base_rate"], costs=data["costs"])
        return KeptInspector(
            fingerprint=str(data["fingerprint"]),
            calibration=Calibration.from_dict(data["calibration"]),
            authorised=pairs([str(id) if one is None else (str(one), str(id)) for one, id in data["authorised"]]),
            by=data["by"],
            base_rate=None if data["base_rate"] is None else float(data["base_rate"]),
            costs=None if data["costs"] is None else (float(data["costs"][0]), float(data["costs"][1])),
            rates=Price(data["rates"]).rates,
            stated={str(name): str(text) for name, text in data["stated"].items()},
            doubts=tuple(str(id) for id in data["doubts"]),
            copies_warning=None if data["copies_warning"] is None else str(data["copies_warning"]),
            made_by=printable(str(data["made_by"])),
            learned=_sha256(data["learned"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise CatalogError(f"{path}: not readable as an inspector: {error!r}") from error


def _sha256(value: object) -> str | None:
    """As it is written in the JSON file; ``ValueError`` for anything else, as a file is named by it."""
    if value is not None and (not isinstance(value, str) or re.fullmatch("[0-9a-f]{64}", value) is None):
        raise ValueError(f"learned {value!r} is no sha256")
    return value
