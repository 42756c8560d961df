"""What photos teach an inspector: a head that learns from fakes, and the calibration of all claims."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ._arrays import Bools, Doubles
from .calibration.calibrator import Calibration
from .calibration.fusion import stand_apart
from .calibration.split import FIT_SHARE, FIT_SHARE_WITH_FAKES, conformal_needed, split_groups
from .calibration.support import UsualQuality
from .encoders.batching import EncodedPhoto, encode_photos
from .errors import InputError
from .examples import Examples
from .heads import Head, LearnedHead, Lesson, Reuse
from .heads.reuse import is_copy
from .index.catalog import Catalog
from .io.cache import EmbeddingCache
from .judging import JudgedPhoto, borrowed, kinds_of, said, scores_of
from .types import Evidence

__all__ = ["Taught", "teach"]


@dataclass(frozen=True)
class Taught:
    """What a calibration is fitted to: what ``heads`` say of ``genuine`` photos, of which the ``first`` part is fitted
    on (``None``: each is left out in turn), and of the ``fakes`` that may be learned from. ``base_rate`` is the share
    of fakes among all that were shown, and ``lesson`` that of the head that learned from them; ``None`` without fakes.
    """

    catalog: Catalog
    heads: tuple[Head, ...]
    genuine: Examples
    first: Bools | None
    fakes: Examples | None = None
    base_rate: float | None = None
    lesson: Lesson | None = None

    @property
    def names(self) -> list[str]:
        """The heads'."""
        return [head.name for head in self.heads]

    @property
    def scores(self) -> Doubles:
        """(N, H) the genuine photos'."""
        return scores_of(self.genuine.rows, len(self.heads))

    def calibration(self, *, strata: Sequence[str], alpha: float, per_photo: bool) -> Calibration:
        """Fitted to it; see :meth:`Calibration.fit`."""
        rows, fakes = self.genuine.rows, [] if self.fakes is None else self.fakes.rows
        kinds = kinds_of(rows, self.catalog)
        calibration = Calibration.fit(
            self.names,
            self.scores,
            _peaks(rows, self.heads),
            first=self.first,
            alpha=alpha,
            generation=self.catalog.generation,
            groups=self.genuine.groups,
            listings=self.genuine.listings,
            strata=strata,
            kinds=kinds,
            margins=np.array([row.margin for row in rows]),
            fakes=None if self.fakes is None else scores_of(fakes, len(self.heads)),
            fake_groups=() if self.fakes is None else self.fakes.groups,
            fake_kinds=kinds_of(fakes, self.catalog),
            base_rate=self.base_rate,
            per_photo=per_photo,
        )
        return dataclasses.replace(
            calibration,
            quality=UsualQuality.of([row.quality for row in rows], kinds),
            photos=frozenset(row.photo.sha256 for row in rows),
            fake_photos=frozenset(row.photo.sha256 for row in fakes),
        )

    def doubts(self, fakes: Collection[str]) -> tuple[str, ...]:
        """The ids of genuine photos that somebody should look at: those with a claim far beyond the others', in more
        than being copies of genuine photos, those that are among all ``fakes`` that were shown (sha256), and copies of
        known fakes.
        """
        rows, names = self.genuine.rows, self.names
        of_genuine = borrowed(rows, names, self.catalog)
        copies = np.outer(of_genuine, np.array(names) == Reuse.name)
        both = np.array([row.photo.sha256 in fakes for row in rows], bool)
        of_fakes = np.array([is_copy(evidence) for evidence in said(rows, names, Reuse.name)], bool) & ~of_genuine
        doubted = stand_apart(np.where(copies, np.nan, self.scores)) | both | of_fakes
        return tuple(rows[place].photo.id for place in np.flatnonzero(doubted).tolist())


def teach(
    genuine: Examples,
    fakes: Examples | None,
    catalog: Catalog,
    heads: tuple[Head, ...],
    *,
    alpha: float,
    per_photo: bool,
    leave_one_out: bool,
    cache: EmbeddingCache | bool,
) -> Taught:
    """Part the genuine photos, and learn from the fakes, if any were shown."""
    names = genuine.groups
    counted, share = len(names if per_photo else set(names)), FIT_SHARE
    if fakes is not None and counted * (1 - FIT_SHARE_WITH_FAKES) >= 2 * conformal_needed(alpha):
        share = FIT_SHARE_WITH_FAKES
    first = None if leave_one_out else split_groups(names, share=share, alpha=alpha, per_photo=per_photo)
    if fakes is None or first is None:
        return Taught(catalog, heads, genuine, first)
    outside = fakes.outside({name for name, mine in zip(names, first, strict=True) if not mine})
    base_rate = len(fakes.rows) / max(len(genuine.rows) + len(fakes.rows), 1)
    try:
        head = _learned(genuine, first, outside, catalog, cache)
    except InputError as error:
        left = len(fakes.rows) - len(outside.rows)
        why = f"{left} of {len(fakes.rows)} fakes are of groups whose genuine photos give the p-values"
        hint = f" ({why}: those are not learned from)" if left else ""
        raise InputError(f"{error}{hint}") from error
    if head.lesson is not None and head.lesson.useful:
        heads, genuine, outside = (*heads, head), *_told_by(head, genuine, first, outside)
    return Taught(catalog, heads, genuine, first, outside, base_rate, head.lesson)


def _learned(
    genuine: Examples, first: Bools, fakes: Examples, catalog: Catalog, cache: EmbeddingCache | bool
) -> LearnedHead:
    """A head that is fitted on the ``first`` of the genuine photos, the catalogue's and the fakes."""
    each = zip(genuine.rows, genuine.groups, first, strict=True)
    shown = [(row.photo, name) for row, name, mine in each if mine]
    references = zip(catalog.references, catalog.genuine, strict=True)
    copies = [(reference.id, reference.photo) for reference, is_genuine in references if is_genuine]
    for result in encode_photos(copies, encoder=catalog.encoder, cache=cache):
        if isinstance(result, EncodedPhoto):
            shown.append((result, f"reference {result.id}"))
    head = LearnedHead(catalog.encoder, cache=cache)
    photos, names = [photo for photo, _ in shown], [name for _, name in shown]
    head.fit_encoded(photos, [row.photo for row in fakes.rows], [*names, *fakes.groups])
    return head


def _told_by(head: LearnedHead, genuine: Examples, first: Bools, fakes: Examples) -> tuple[Examples, Examples]:
    """Both with the head's evidence. Photos that it was fitted on get the score that they had out of fold."""
    own = head.score_encoded([row.photo for row in genuine.rows])
    own[first] = head.held_out[: int(first.sum())]
    theirs = head.held_out[len(head.held_out) - len(fakes.rows) :]

    def extended(examples: Examples, scores: Doubles) -> Examples:
        rows = [
            dataclasses.replace(row, evidence=(*row.evidence, head.evidence(float(score))))
            for row, score in zip(examples.rows, scores, strict=True)
        ]
        return dataclasses.replace(examples, rows=rows)

    return extended(genuine, own), extended(fakes, theirs)


def _peaks(rows: Sequence[JudgedPhoto], heads: Sequence[Head]) -> dict[str, Doubles]:
    """(N,) the photos' heat peaks by each head that drew one."""
    peaks = {head.name: np.array([_peak(row.evidence[column]) for row in rows]) for column, head in enumerate(heads)}
    return {name: values for name, values in peaks.items() if np.isfinite(values).any()}


def _peak(evidence: Evidence) -> float:
    return math.nan if evidence.heatmap is None else float(evidence.heatmap.max())
