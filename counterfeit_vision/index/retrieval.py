"""How alike photos are to a catalogue's references, and to its products.

Two steps: global vectors, centred on the catalogue's mean (CLIP vectors share a large common part), give a short list
through the index; patch tokens, compared by late interaction, put it in order. What a photo has in common with a
product counts by how much more that is than what it has in common with a cohort of other products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats, Ints
from .._concurrency import cached_property, each
from ..encoders.foreground import ASKING, Foreground, head_of, reference_foreground
from ..errors import InputError
from ..types import Embeddings
from .late_interaction import best_in, compared_tokens, specific_likeness
from .neighbours import Neighbours, best_first, evenly_spread, reference_scores
from .references import KeptReferences, compared_patches

if TYPE_CHECKING:
    from ..encoders.base import Encoder
    from .base import Index

__all__ = ["SHORTLIST", "Likeness"]

SHORTLIST = 64  # references whose patches are compared with a photo's
COHORT = 32  # products that say how alike unrelated goods look
COHORT_REFERENCES = 4  # photos of each of them
VECTOR_WEIGHT = 0.05  # of the centred global cosine, beside the patches' likeness: chosen on grocery train + val
USUAL_REFERENCES = 32  # photos of a product that say how alike such photos are; each is compared with all others
FOREGROUND_REFERENCES = 6  # photos of the same product, and of others, that tell product from room


class Likeness:
    """To ``kept`` references, whose brand and product are ``goods`` (N,); those ``genuine`` (N,) are no known fakes.
    ``index`` makes an index for vectors of a given length; the default is exact.
    """

    def __init__(
        self,
        kept: KeptReferences,
        goods: NDArray[np.object_],
        genuine: Bools,
        encoder: Encoder,
        index: Callable[[int], Index] | None,
    ) -> None:
        self.kept, self.goods, self.genuine, self.encoder, self._make_index = kept, goods, genuine, encoder, index
        self._weights: dict[int, Floats] = {}
        self._margins: dict[tuple[str, str], float] = {}

    def neighbours(self, photos: Embeddings, k: int, allowed: Ints | None) -> Neighbours:
        """See :meth:`counterfeit_vision.Catalog.neighbours`."""
        centred = self.centred(photos.vectors)
        if allowed is None and not self.genuine.all():
            allowed = np.flatnonzero(self.genuine)
        if allowed is not None and len(allowed) == len(self.goods):
            allowed = None  # an index is twice as quick where it need not ask of each vector whether it may be found
        short = self._found(centred, min(max(SHORTLIST, k), len(self.goods)), allowed)
        near = list(each(lambda row: self._nearest(photos, row, short[row][short[row] >= 0]), range(len(photos))))
        rows, scores = best_first([(keys, scores) for keys, scores, _, _ in near], k)
        plain = np.array([cosine for _, _, cosine, _ in near], np.float32)
        cohort = np.stack([likeness for *_, likeness in near]) if near else np.zeros((0, len(self.cohort)), np.float32)
        return Neighbours(rows, scores, plain, cohort, self.cohort_goods)

    def _found(self, centred: Floats, k: int, allowed: Ints | None) -> Ints:
        """(n, k) what the index finds. Raises :class:`InputError` where that is nothing, and something is allowed."""
        found, _ = self.index.search(centred, k, allowed)
        some = len(self.goods) if allowed is None else len(allowed)
        if some and (found[:, 0] < 0).any():
            raise InputError(
                f"the index {self.index!r} found none of {some} references; try check_index on what makes it"
            )
        return found

    def _nearest(self, photos: Embeddings, row: int, keys: Ints) -> tuple[Ints, Floats, float, Floats]:
        """Of one photo's short list ``keys``: the references and their scores (n,), the highest plain cosine, and the
        scores against the cohort (C,).
        """
        if not len(keys):  # no reference is allowed
            return keys, np.zeros(0, np.float32), -1.0, np.zeros(len(self.cohort), np.float32)
        groups = self.by_product(keys)
        singles = [group[[place]] for group in groups for place in range(len(group)) if len(group) > 1]
        likeness = self.of(photos, row, [*groups, *singles, *self.cohort])
        products, own, cohort = np.split(likeness, np.cumsum([len(groups), len(singles)]))
        keys = np.concatenate(groups)
        cosine = float((self.kept.vectors[keys] @ photos.vectors[row]).max(initial=-1))
        return keys, reference_scores(groups, products, own), cosine, cohort

    def most_alike(self, photos: Embeddings, row: int, rows: Ints) -> tuple[str, float]:
        """Of the products that some ``rows``, at least one, show, the one that a photo is most like, as in ``goods``,
        and how much. Of more than :data:`SHORTLIST` rows only products of as many are compared, those whose vectors
        are nearest: a brand may have thousands of photos.
        """
        if len(rows) > SHORTLIST:
            near = self._found(self.centred(photos.vectors[row : row + 1]), SHORTLIST, rows)
            found = set(self.goods[near[near >= 0]].tolist())
            rows = rows[[goods in found for goods in self.goods[rows].tolist()]]
        groups = self.by_product(rows)
        likeness = self.of(photos, row, groups)
        best = int(likeness.argmax())
        return str(self.goods[groups[best][0]]), float(likeness[best])

    def of(self, photos: Embeddings, row: int, groups: Sequence[Ints]) -> Floats:
        """How much one photo is like each group of references of one product: (G,) float32, on the scale of
        :meth:`counterfeit_vision.Catalog.search`.

        Each patch takes its best match in the whole group: one reference shows the side, another the front.
        """
        if self.kept.space is None or self.kept.tokens is None or photos.patches is None:
            return self._of(photos.vectors[row], None, {}, groups)
        mask = compared_patches(self.foreground_of(photos, row), photos.content[row : row + 1], photos.grid, ASKING)[0]
        tokens = self.kept.space.project(photos.patches[row])[mask]
        return self._of(photos.vectors[row], tokens, self._compared(groups), groups)

    def usual_margin(self, goods: str, other: str) -> float:
        """How much more like the references of ``other`` those of ``goods`` are than like each other: the median over
        the references, each compared without itself; mostly below 0, and 0 for a single reference. Of more than
        :data:`USUAL_REFERENCES` of either, as many are compared, evenly spread. Cached.
        """
        if (goods, other) not in self._margins:
            both = (np.flatnonzero((self.goods == name) & self.genuine).tolist() for name in (goods, other))
            rows, others = (np.array(evenly_spread(every, USUAL_REFERENCES), np.int64) for every in both)
            margins = [0.0]
            if len(rows) > 1:
                compared = {} if self.kept.tokens is None else self._compared([rows, others])
                pairs = [
                    self._of(
                        self.kept.vectors[row],
                        compared.get(row),
                        compared,
                        [others, rows[rows != row]],
                        without=[row],
                    )
                    for row in rows.tolist()
                ]
                margins = [float(theirs - own) for theirs, own in pairs]
            self._margins[goods, other] = float(np.median(margins))
        return self._margins[goods, other]

    def of_reference(self, row: int, groups: Sequence[Ints], without: Sequence[int] = ()) -> Floats:
        """(G,) how much one reference is like each group of others, as of a photo in :meth:`of`; it and the rows
        ``without``, which are in no group, count as if they were not in the catalogue.
        """
        compared = {} if self.kept.tokens is None else self._compared([np.array([row]), *groups])
        return self._of(self.kept.vectors[row], compared.get(row), compared, groups, without=(row, *without))

    def _of(
        self,
        vector: Floats,
        tokens: Floats | None,
        compared: Mapping[int, Floats],
        groups: Sequence[Ints],
        without: Sequence[int] = (),
    ) -> Floats:
        """See :meth:`of`. ``vector`` (D,) is the photo's, its ``tokens`` (p, d) those that are compared, with what is
        ``compared`` of the groups. The rows ``without`` count as if they were not in the catalogue.
        """
        centred = self.centred(vector[None])[0]
        unique, inverse = np.unique(np.concatenate(groups), return_inverse=True)
        vectors = self.centred(self.kept.vectors[unique])
        places = np.split(inverse, np.cumsum([len(group) for group in groups])[:-1])
        cosine = np.array([_top_two(vectors[place] @ centred) for place in places], np.float32)
        if tokens is None:
            return cosine
        cohort = [rows[~np.isin(rows, without)] for rows in self.cohort]
        there = np.array([len(rows) > 0 for rows in cohort], bool)
        cohort = [rows for rows in cohort if len(rows)]
        wanted = [*groups, *cohort]
        unique, inverse = np.unique(np.concatenate(wanted), return_inverse=True)
        single = best_in(tokens, [compared[row] for row in unique.tolist()])
        places = np.split(inverse, np.cumsum([len(group) for group in wanted])[:-1])
        best = np.stack([single[:, place].max(axis=1) for place in places], axis=1)
        names = self.goods[[int(group[0]) for group in groups]]
        unlike = names[:, None] != self.cohort_goods[there][None]
        views = np.array([len(rows) for rows in cohort])
        likeness = specific_likeness(best[:, : len(groups)], best[:, len(groups) :], unlike, views)
        return likeness + VECTOR_WEIGHT * cosine

    def _compared(self, groups: Sequence[Ints]) -> dict[int, Floats]:
        """The tokens (p, d) that are compared of each reference in some groups and in the cohort, by row."""
        return {
            **self._cohort_tokens,
            **self._tokens(np.setdiff1d(np.concatenate(groups), np.concatenate(self.cohort))),
        }

    @cached_property
    def _cohort_tokens(self) -> dict[int, Floats]:
        """Kept, as each photo is compared with them; of 196 patches a reference they take 16 MB."""
        return self._tokens(np.concatenate(self.cohort))

    def _tokens(self, rows: Ints) -> dict[int, Floats]:
        return dict(zip(rows.tolist(), compared_tokens(self.kept.patches(rows), self.kept.masks[rows]), strict=True))

    def by_product(self, rows: Ints) -> list[Ints]:
        """Rows grouped by brand and product, in order of first appearance."""
        groups: dict[str, list[int]] = {}
        for row, goods in zip(rows.tolist(), self.goods[rows].tolist(), strict=True):
            groups.setdefault(goods, []).append(row)
        return [np.array(group, rows.dtype) for group in groups.values()]

    def product_weights(self, rows: Ints) -> Floats:
        """(n, P) in 0..1: how surely each patch of these references shows the product and not the room."""
        if self.kept.foreground is not None:
            return np.asarray(self.kept.foreground[rows], np.float32)
        for row in rows.tolist():
            if row not in self._weights:
                self._weights[row] = self._product_weight(row)
        return np.stack([self._weights[row] for row in rows.tolist()])

    def _product_weight(self, row: int) -> Floats:
        assert self.kept.tokens is not None
        own = np.flatnonzero((self.goods == self.goods[row]) & self.genuine)
        own = own[own != row][:FOREGROUND_REFERENCES]
        unlike = [int(rows[0]) for rows in self.cohort if self.goods[int(rows[0])] != self.goods[row]]
        others = np.array(unlike[:FOREGROUND_REFERENCES], np.int64)
        weight = reference_foreground(
            self.kept.tokens.unpack(np.array([row]))[0],
            self.kept.tokens.unpack(own),
            self.kept.tokens.unpack(others),
            self.kept.grid,
        )
        return np.asarray(weight * self.kept.masks[row], np.float32)

    def foreground_of(self, photos: Embeddings, row: int) -> Floats | None:
        """How surely each patch of one photo is product: (1, P) float32 in 0..1; ``None`` where the encoder
        can't tell.
        """
        if self._head is None or photos.patches is None:
            return None
        return self._head(photos.patches[row : row + 1], photos.content[row : row + 1], photos.grid)

    @cached_property
    def _head(self) -> Foreground | None:
        dimensions = 0 if self.kept.space is None else len(self.kept.space.scale)
        return head_of(self.encoder, dimensions)

    def centred(self, vectors: Floats) -> Floats:
        """Global vectors (n, D) without what all products share, of unit length again."""
        shifted = vectors - self.kept.centre
        return np.asarray(shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12), np.float32)

    @cached_property
    def index(self) -> Index:
        """The index of centred vectors, made on first use; its keys are row numbers."""
        index = (self._make_index or self._default_index)(self.kept.vectors.shape[1])
        index.add(np.arange(len(self.goods), dtype=np.int64), self.centred(self.kept.vectors))
        return index

    def _default_index(self, dimensions: int) -> Index:
        device = getattr(self.encoder, "device", None)
        if getattr(device, "type", "cpu") != "cuda":  # others (mps) have no float64 to score in
            from .faiss import FaissIndex

            return FaissIndex(dimensions)
        from .exact import ExactIndex

        return ExactIndex(dimensions, device=str(device))

    @cached_property
    def cohort(self) -> tuple[Ints, ...]:
        """A few references each of up to :data:`COHORT` products, evenly spread over the catalogue, as rows."""
        genuine = np.where(self.genuine, self.goods, "")
        names = np.unique(self.goods[self.genuine].astype(str))
        return tuple(
            np.flatnonzero(genuine == name)[:COHORT_REFERENCES] for name in evenly_spread(names.tolist(), COHORT)
        )

    @cached_property
    def cohort_goods(self) -> NDArray[np.object_]:
        """(C,) brand and product of :attr:`cohort`, as in ``goods``."""
        return np.array([self.goods[int(rows[0])] for rows in self.cohort], dtype=object)


def _top_two(cosines: Floats) -> float:
    return float(np.sort(cosines)[-2:].mean())
