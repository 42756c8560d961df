"""The reference catalogue: genuine photos, searchable, on disk in a folder that `verify` can vouch for.

A photo is compared in two steps. Global vectors, centred on the catalogue's mean (CLIP vectors share a large common
part), give a short list through the index; patch tokens, compared by late interaction, put it in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .cache import EmbeddingCache, opener
from .catalog_folder import open_folder, read_folder, recipe_of, table, write_folder
from .checks import as_path
from .decode import decode
from .encoders.base import name_of, refuse_name
from .errors import CorruptCatalogError, FingerprintError, InputError
from .foreground import ASKING, Foreground, head_of, reference_foreground
from .geometry.keypoints import Keypoints
from .manifests import read_references
from .marks.finding import Found, MarkFeatures, Stencil, find_marks, make_stencil
from .marks.library import MarkLibrary
from .memory import Memory
from .names import Names, goods_of, spelt_otherwise
from .neighbours import Neighbours, best_first, evenly_spread, reference_scores
from .preprocess import unpad
from .products.marks import GoodsMarks
from .progress import progress_bar
from .references import KeptReferences, compared_patches, refuse_without_genuine, region_off_photo, small_copy
from .search.late import best_matches, specific_likeness
from .stream import EncodedPhoto, embed, encode_photos
from .threads import Once, each
from .types import (
    GALLERIES,
    Embeddings,
    Failure,
    Listing,
    Matches,
    Photo,
    PhotoView,
    Reference,
    Region,
    check_list,
)

if TYPE_CHECKING:
    from .encoders.base import Encoder
    from .search.base import Index

__all__ = ["Catalog", "Neighbours", "facts"]

SHORTLIST = 64  # references whose patches are compared with a photo's
COHORT_REFERENCES = 4  # photos of each of them
COHORT = 32  # products that say how alike unrelated goods look
VECTOR_WEIGHT = 0.05  # of the centred global cosine, beside the patches' likeness: chosen on grocery train + val
USUAL_REFERENCES = 32  # photos of a product that say how alike such photos are; each is compared with all others
FOREGROUND_REFERENCES = 6  # photos of the same product, and of others, that tell product from room
STENCIL_REFERENCES = 8  # photos of a product that are laid over each other to compare its marks
KEPT_MARKS = 64  # products of which what is known of their marks stays in memory, at most 3.2 GB
KEPT_VIEWS = 2048  # references of which the small copy that people are shown stays in memory, at most 50 MB
MARK_CANDIDATES = 3  # nearest products whose marks are looked for in a photo


class Catalog:
    """Genuine references of some brands. Make one with :meth:`build` or :meth:`load`.

    ``references`` are the rows in order; their ``photo`` is the JPEG copy that is kept, at most 800 pixels on its long
    side, and ``sizes`` are the (width, height) of the originals, whose pixels ``references[row].regions`` speak of.
    ``sha256``, ``vectors``, ``content``, ``centre``, ``grid``, ``space``, ``tokens``, ``foreground`` and ``marks`` are
    those of :class:`~counterfeit_vision.references.KeptReferences`; ``products``, ``goods`` (brand/product) and
    ``genuine`` (no known fake) are (N,) too. ``failures`` are the photos that could not be used when it was built.
    """

    def __init__(
        self,
        kept: KeptReferences,
        *,
        encoder: Encoder,
        index: Callable[[int], Index] | None = None,
        failures: Sequence[Failure] = (),
        cache: EmbeddingCache | bool = True,
    ) -> None:
        self.kept, self.encoder, self.failures = kept, encoder, tuple(failures)
        self.references, self.sha256, self.sizes = kept.references, kept.sha256, kept.sizes
        self.vectors, self.content, self.centre, self.grid = kept.vectors, kept.content, kept.centre, kept.grid
        self.space, self.tokens, self.foreground, self.marks = kept.space, kept.tokens, kept.foreground, kept.marks
        self.products = np.array([reference.product for reference in self.references], dtype=object)
        self.goods = np.array([goods_of(reference) for reference in self.references], dtype=object)
        self.genuine = np.array([reference.gallery != "known_fake" for reference in self.references])
        self._make_index, self._open_cache = index, opener(cache)
        self._weights: dict[int, NDArray[np.float32]] = {}
        self._goods_marks: Once[str, GoodsMarks] = Once(KEPT_MARKS)
        self._library: Once[str, MarkLibrary] = Once()
        self._views: Once[int, PhotoView] = Once(KEPT_VIEWS)
        self._margins: dict[tuple[str, str], float] = {}
        self._names = Names(self.references)

    # --- making one ---------------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        source: str | os.PathLike[str] | Iterable[Reference],
        *,
        encoder: Encoder,
        index: Callable[[int], Index] | None = None,
        cache: EmbeddingCache | bool = True,
        find_marks: bool = True,
        strict: bool = False,
        progress: bool = False,
    ) -> Catalog:
        """Build from a folder tree ``brand/product/photo.jpg``, a manifest (csv, jsonl, parquet) or :class:`Reference`
        rows.

        ``index`` makes an index for vectors of a given length; the default is exact: FAISS, or torch on the encoder's
        GPU. A photo that can't be used, or a region less than half of which lies on its photo or that is given as a
        fraction of it, is one of ``failures``; with ``strict`` the first raises. The marks of products without
        ``regions`` are looked for once, here, unless ``find_marks`` is false.
        ``cache`` keeps the photos' embeddings and what takes long to learn of each product's marks, so that a catalogue
        that has grown is built anew in little time; ``False`` does without.
        Raises :class:`InputError` when nothing genuine is left.
        """
        refuse_name(encoder)
        _refuse_no_maker(index)
        references = read_references(source)
        kept: list[Reference] = []
        rows: list[EncodedPhoto] = []
        failures: list[Failure] = []
        photos = ((row.id, row.photo) for row in references)
        with contextlib.closing(encode_photos(photos, encoder=encoder, cache=cache)) as stream:
            results = progress_bar(stream, total=len(references), unit="photo", progress=progress)
            for reference, result in zip(references, results, strict=True):
                fault = result if isinstance(result, Failure) else region_off_photo(reference, result.view.size)
                if fault is not None:
                    if strict:
                        raise fault.error
                    failures.append(fault)
                elif isinstance(result, EncodedPhoto):
                    kept.append(small_copy(reference, result))
                    rows.append(result)
        for what, of, names in spelt_otherwise(kept):
            told = f"{what}s{of} that differ in case or blanks alone: {', '.join(map(repr, names))}"
            warnings.warn(f"{told}; give those that are one {what} one name", RuntimeWarning, stacklevel=2)
        if not rows:
            raise InputError(f"none of the {len(references)} reference photos can be used; the first: {failures[0]!r}")
        refuse_without_genuine(kept)
        return cls(
            KeptReferences.of(encoder, kept, rows, find_marks=find_marks, cache=cache, progress=progress),
            encoder=encoder,
            index=index,
            failures=failures,
            cache=cache,
        )

    # --- asking it ----------------------------------------------------------------------------------------------------

    def search(
        self,
        photos: Iterable[Photo],
        k: int = 5,
        *,
        brand: str | None = None,
        category: str | None = None,
        gallery: str | None = None,
        by: Literal["photo", "mark"] = "photo",
        cache: EmbeddingCache | bool | None = None,
    ) -> Matches:
        """The ``k`` nearest references of each photo, best first.

        ``brand``, ``category`` and ``gallery`` restrict what is searched; without ``gallery``, all but known fakes are.

        Always one row a photo, in order; a photo that failed has ``None`` and ``-inf``. Scores say how much more a
        photo's patches are like the product's references than like other products, plus a small share of the global
        cosine. Higher is more alike; the scale depends on the encoder and on the other products, so scores can be
        compared within one catalogue only. A product's best reference has the product's score.

        ``by="mark"`` looks for the marks of the nearest products, cuts what it finds from the full photo and compares
        it with the references' own: scores are mean cosines of the marks, plus the correlation in pixels for the
        product whose marks were found. A photo without a mark has an empty row. The first such search encodes all
        references' marks, which :meth:`save` then keeps.

        ``cache`` keeps the photos' embeddings; by default where the catalogue's are kept, if they are.
        """
        if by not in ("photo", "mark"):
            raise InputError(f"search(by={by!r}): search by='photo' or by='mark'")
        if by == "mark" and not any(reference.regions for reference in self.references):
            raise InputError(
                "search(by='mark'): no reference has regions, and no marks were found; draw boxes and build anew"
            )
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise InputError(f"search(k={k!r}): need a whole number, 1 or more")
        check_list(photos, "search()", "search([photo])")
        photos = list(photos)
        rows = self._allowed(brand=brand, category=category, gallery=gallery)
        names = [f"photo {number}" for number in range(len(photos))]
        place = {name: number for number, name in enumerate(names)}
        with self._kept_in(cache) as opened:
            found = embed(photos, encoder=self.encoder, ids=names, cache=opened)
            neighbours = self.neighbours(found, k if by == "photo" else max(k, SHORTLIST), allowed=rows)
            if by == "mark":
                named = {name: photos[place[name]] for name in found.ids}
                neighbours = self._by_mark(named, neighbours, k, rows, opened)
        ids = np.full((len(photos), k), None, dtype=object)
        products = ids.copy()
        scores = np.full((len(photos), k), -np.inf, np.float32)
        for row, name in enumerate(found.ids):
            for column, key in enumerate(neighbours.rows[row]):
                if key >= 0:
                    ids[place[name], column] = self.references[key].id
                    products[place[name], column] = self.references[key].product
            scores[place[name]] = neighbours.scores[row]
        return Matches(ids, products, scores, found.failures)

    def _kept_in(self, cache: EmbeddingCache | bool | None) -> contextlib.AbstractContextManager[EmbeddingCache | bool]:
        """The cache that is given; for ``None`` the catalogue's own, opened anew, as that may have been closed."""
        if cache is not None:
            return contextlib.nullcontext(cache)
        return contextlib.nullcontext(False) if self._open_cache is None else self._open_cache()

    def neighbours(self, photos: Embeddings, k: int, *, allowed: NDArray[np.int64] | None = None) -> Neighbours:
        """The nearest references of embedded photos, as rows; ``allowed`` rows, by default all but known fakes.

        Raises :class:`FingerprintError` for another encoder's vectors.
        """
        self.check_fingerprint(photos.fingerprint, "the photos")
        self._check_widths(photos)
        centred = self._centred(photos.vectors)
        if allowed is None and not self.genuine.all():
            allowed = np.flatnonzero(self.genuine)
        if allowed is not None and len(allowed) == len(self):
            allowed = None  # an index is twice as quick where it need not ask of each vector whether it may be found
        short, _ = self.index.search(centred, min(max(SHORTLIST, k), len(self)), allowed)
        near = list(each(lambda row: self._ranked(photos, row, short[row][short[row] >= 0]), range(len(photos))))
        rows, scores = best_first([(keys, scores) for keys, scores, _, _ in near], k)
        plain = np.array([cosine for _, _, cosine, _ in near], np.float32)
        cohort = np.stack([likeness for *_, likeness in near]) if near else np.zeros((0, len(self.cohort)), np.float32)
        return Neighbours(rows, scores, plain, cohort, self.cohort_goods)

    def _ranked(
        self, photos: Embeddings, row: int, keys: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float, NDArray[np.float32]]:
        """Of one photo's short list ``keys``: the references and their scores (n,), the highest plain cosine, and the
        scores against the cohort (C,).
        """
        if not len(keys):  # no reference is allowed
            return keys, np.zeros(0, np.float32), -1.0, np.zeros(len(self.cohort), np.float32)
        groups = self.by_product(keys)
        singles = [group[[place]] for group in groups for place in range(len(group)) if len(group) > 1]
        likeness = self.likeness(photos, row, [*groups, *singles, *self.cohort])
        products, own, cohort = np.split(likeness, np.cumsum([len(groups), len(singles)]))
        keys = np.concatenate(groups)
        cosine = float((self.vectors[keys] @ photos.vectors[row]).max(initial=-1))
        return keys, reference_scores(groups, products, own), cosine, cohort

    def marks_of(self, goods: str) -> GoodsMarks:
        """What is known of the marks of one of ``goods``. Cached, for the last :data:`KEPT_MARKS` asked for."""
        return self._goods_marks.get(goods, lambda: self._make_marks(goods))

    def _make_marks(self, goods: str) -> GoodsMarks:
        rows = np.flatnonzero((self.goods == goods) & self.genuine)
        without = [not self.references[row].regions for row in rows]
        rows = rows[np.argsort(without, kind="stable")][:STENCIL_REFERENCES]
        keys = rows.tolist()
        memory = self.memory_of(keys)

        def stencil() -> Stencil | str:
            return make_stencil([self.pixels(row) for row in keys], [self.regions(row) for row in keys])

        known = memory("stencil", [Stencil, Keypoints], stencil)
        return GoodsMarks(rows, known, self.encoder, memory, self.pixels, self._product_on)

    def memory_of(self, rows: Sequence[int]) -> Memory:
        """What is kept on disk of these references together, by their copies, their regions and their sizes."""
        digest = hashlib.sha256()
        for row in rows:
            regions, photo = [region.to_list() for region in self.regions(row)], self.kept.jpeg(row)
            digest.update(f"{len(photo)} {regions} {self.sizes[row]} ".encode() + photo)
        return Memory(self._open_cache, digest.hexdigest())

    def marks_in(self, pixels: NDArray[np.uint8], goods: Sequence[str]) -> tuple[str, Found] | str:
        """Of some ``goods``, those whose marks fit a photo (h, w, 3) best, and where; or why none does."""
        best: tuple[str, Found] | None = None
        reason, features = "no product to compare it with", dict[bool, MarkFeatures]()
        for name in goods:
            stencil = self.marks_of(name).stencil
            if isinstance(stencil, str):
                reason = stencil
                continue
            if stencil.relief not in features:
                features[stencil.relief] = MarkFeatures.of(pixels, relief=stencil.relief)
            found = find_marks(stencil, pixels, features[stencil.relief])
            if isinstance(found, str):
                reason = found
            elif best is None or found.likeness > best[1].likeness:
                best = name, found
        return best or reason

    def _by_mark(
        self,
        photos: Mapping[str, Photo],
        near: Neighbours,
        k: int,
        allowed: NDArray[np.int64] | None,
        cache: EmbeddingCache | bool,
    ) -> Neighbours:
        """The references whose marks are most like those found in each photo, by its name; a row without marks stays
        empty.
        """
        marks = self._library.get("", lambda: self._encoded_marks(cache))
        none = np.zeros(0, np.int64), np.zeros(0, np.float32)
        ranked = []
        usable = self.genuine[marks.rows] if allowed is None else np.isin(marks.rows, allowed)
        for place, (name, photo) in enumerate(photos.items()):
            pixels = decode(photo, name=name).pixels
            goods = list(dict.fromkeys(self.goods[[key for key in near.rows[place] if key >= 0]].tolist()))
            found = self.marks_in(pixels, goods[:MARK_CANDIDATES])
            if isinstance(found, str) or not usable.any():
                ranked.append(none)
                continue
            keys, score = marks.likeness(self.encoder, pixels, found[1].regions, usable)
            score += found[1].likeness * (self.goods[keys] == found[0])  # pixels agree there: the stronger witness
            ranked.append((keys, score))
        rows, scores = best_first(ranked, k)
        return Neighbours(rows, scores, near.cosine, near.cohort, near.cohort_goods)

    def _encoded_marks(self, cache: EmbeddingCache | bool) -> MarkLibrary:
        if self.marks is None:
            regions = [self.regions(row) for row in range(len(self))]
            self.marks = MarkLibrary.encode(self.encoder, regions, self.pixels, cache)
        return self.marks

    def _allowed(self, **wanted: str | None) -> NDArray[np.int64] | None:
        """The rows that have all of these; ``None`` for no restriction. Raises for what the catalogue does not know."""
        self._names.refuse_unknown(**wanted)
        if all(value is None for value in wanted.values()):
            return None
        hits = self._names.having(**wanted)
        return np.flatnonzero(hits if wanted.get("gallery") else self.genuine & hits).astype(np.int64)

    def rows_of(self, *, brand: str | None = None, product: str | None = None) -> NDArray[np.int64]:
        """The rows of a brand's or a product's genuine references; empty where there are none."""
        return np.flatnonzero(self.genuine & self._names.having(brand=brand, product=product)).astype(np.int64)

    def claimed_by(self, listing: Listing) -> NDArray[np.int64]:
        """The rows of the product that a listing names; empty where it names none, or none of the catalogue. A brand
        that the catalogue does not know is ignored: it may be spelt otherwise.
        """
        if listing.product is None:
            return np.zeros(0, np.int64)
        brand = listing.brand if listing.brand is not None and self._names.rows("brand", listing.brand) else None
        return self.rows_of(brand=brand, product=listing.product)

    def reference_of(self, goods: str) -> Reference:
        """The first reference of one of ``goods``."""
        return self.references[int(np.argmax(self.goods == goods))]

    def has_namesake(self, reference: Reference) -> bool:
        """Whether other brands have a product of that name, too."""
        return len(set(self.goods[self._names.by("product")[reference.names[1]]])) > 1

    @cached_property
    def row_of_file(self) -> Mapping[str, int]:
        """The row of each file, by its sha256; of one in several galleries, that in the first of :data:`GALLERIES`: a
        proven fake may show the brand's own picture, which proves no fake.
        """
        order = [(GALLERIES.index(reference.gallery), row) for row, reference in enumerate(self.references)]
        return {self.sha256[row]: row for _, row in sorted(order, reverse=True)}

    def by_product(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Rows grouped by brand and product, in order of first appearance."""
        groups: dict[str, list[int]] = {}
        for row, goods in zip(rows.tolist(), self.goods[rows].tolist(), strict=True):
            groups.setdefault(goods, []).append(row)
        return [np.array(group, rows.dtype) for group in groups.values()]

    def most_alike(self, photos: Embeddings, row: int, rows: NDArray[np.int64]) -> tuple[str, float]:
        """Of the products that some ``rows``, at least one, show, the one that a photo is most like, as in ``goods``,
        and how much. Of more than :data:`SHORTLIST` rows only products of as many are compared, those whose vectors
        are nearest: a brand may have thousands of photos.
        """
        if len(rows) > SHORTLIST:
            near, _ = self.index.search(self._centred(photos.vectors[row : row + 1]), SHORTLIST, rows)
            found = set(self.goods[near[near >= 0]].tolist())
            rows = rows[[goods in found for goods in self.goods[rows].tolist()]]
        groups = self.by_product(rows)
        likeness = self.likeness(photos, row, groups)
        best = int(likeness.argmax())
        return str(self.goods[groups[best][0]]), float(likeness[best])

    def likeness(self, photos: Embeddings, row: int, groups: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """How much one photo is like each group of references of one product: (G,) float32, on the scale of
        :meth:`search`.

        Each patch takes its best match in the whole group: one reference shows the side, another the front.
        """
        if self.space is None or self.tokens is None or photos.patches is None:
            return self._likeness(photos.vectors[row], None, None, groups)
        mask = compared_patches(self.foreground_of(photos, row), photos.content[row : row + 1], photos.grid, ASKING)[0]
        return self._likeness(photos.vectors[row], self.space.project(photos.patches[row]), mask, groups)

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
                tokens = None if self.tokens is None else self.kept.patches(rows).astype(np.float32)
                pairs = [
                    self._likeness(
                        self.vectors[row],
                        None if tokens is None else tokens[place],
                        None if tokens is None else self.masks[row],
                        [others, rows[rows != row]],
                        without=int(row),
                    )
                    for place, row in enumerate(rows)
                ]
                margins = [float(theirs - own) for theirs, own in pairs]
            self._margins[goods, other] = float(np.median(margins))
        return self._margins[goods, other]

    def _likeness(
        self,
        vector: NDArray[np.float32],
        tokens: NDArray[np.float32] | None,
        mask: NDArray[np.bool_] | None,
        groups: Sequence[NDArray[np.int64]],
        without: int = -1,
    ) -> NDArray[np.float32]:
        """See :meth:`likeness`. ``vector`` (D,) is the photo's; of its ``tokens`` (P, E) those in ``mask`` (P,) are
        compared. ``without`` is a row that counts as if it were not in the catalogue.
        """
        centred = self._centred(vector[None])[0]
        unique, inverse = np.unique(np.concatenate(groups), return_inverse=True)
        vectors = self._centred(self.vectors[unique])
        places = np.split(inverse, np.cumsum([len(group) for group in groups])[:-1])
        cosine = np.array([_top_two(vectors[place] @ centred) for place in places], np.float32)
        if tokens is None or mask is None:
            return cosine
        cohort = [rows[rows != without] for rows in self.cohort]
        there = np.array([len(rows) > 0 for rows in cohort], bool)
        cohort = [rows for rows in cohort if len(rows)]
        wanted = [*groups, *cohort]
        unique, inverse = np.unique(np.concatenate(wanted), return_inverse=True)
        single = best_matches(tokens, mask, self.kept.patches(unique), self.masks[unique])
        places = np.split(inverse, np.cumsum([len(group) for group in wanted])[:-1])
        best = np.stack([single[:, place].max(axis=1) for place in places], axis=1)
        names = self.goods[[int(group[0]) for group in groups]]
        unlike = names[:, None] != self.cohort_goods[there][None]
        views = np.array([len(rows) for rows in cohort])
        likeness = specific_likeness(best[:, : len(groups)], best[:, len(groups) :], unlike, views)
        return likeness + VECTOR_WEIGHT * cosine

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """The kept copy of a reference: (h, w, 3) uint8 RGB, upright."""
        return self.kept.pixels(row)

    def regions(self, row: int) -> tuple[Region, ...]:
        """The boxes of the brand's marks on a reference, in pixels of its kept copy."""
        return self.kept.regions(row)

    def view(self, row: int) -> PhotoView:
        """A small copy of a reference, to be shown to people. Cached: verdicts share it."""
        return self._views.get(row, lambda: self.kept.view(row))

    def product_weights(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, P) in 0..1: how surely each patch of these references shows the product and not the room."""
        if self.foreground is not None:
            return np.asarray(self.foreground[rows], np.float32)
        for row in rows.tolist():
            if row not in self._weights:
                self._weights[row] = self._product_weight(row)
        return np.stack([self._weights[row] for row in rows.tolist()])

    def _product_weight(self, row: int) -> NDArray[np.float32]:
        assert self.tokens is not None
        own = np.flatnonzero((self.goods == self.goods[row]) & self.genuine)
        own = own[own != row][:FOREGROUND_REFERENCES]
        unlike = [int(rows[0]) for rows in self.cohort if self.goods[int(rows[0])] != self.goods[row]]
        others = np.array(unlike[:FOREGROUND_REFERENCES], np.int64)
        weight = reference_foreground(
            self.tokens.unpack(np.array([row]))[0], self.tokens.unpack(own), self.tokens.unpack(others), self.grid
        )
        return np.asarray(weight * self.masks[row], np.float32)

    def _product_on(self, row: int) -> NDArray[np.float32] | None:
        """The same of one reference, as a map over its photo; ``None`` where the encoder gives no patches."""
        if self.tokens is None:
            return None
        return unpad(self.product_weights(np.array([row]))[0].reshape(self.grid), self.content[row])

    def foreground_of(self, photos: Embeddings, row: int) -> NDArray[np.float32] | None:
        """How surely each patch of one photo is product: (1, P) float32 in 0..1; ``None`` where the encoder
        can't tell.
        """
        if self._head is None or photos.patches is None:
            return None
        return self._head(photos.patches[row : row + 1], photos.content[row : row + 1], photos.grid)

    @cached_property
    def _head(self) -> Foreground | None:
        dimensions = 0 if self.space is None else len(self.space.scale)
        return head_of(self.encoder, dimensions)

    def _centred(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        shifted = vectors - self.centre
        return np.asarray(shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12), np.float32)

    @cached_property
    def index(self) -> Index:
        """The index of centred vectors, made on first use; its keys are row numbers."""
        index = (self._make_index or self._default_index)(self.vectors.shape[1])
        index.add(np.arange(len(self), dtype=np.int64), self._centred(self.vectors))
        return index

    def _default_index(self, dimensions: int) -> Index:
        device = getattr(self.encoder, "device", None)
        if getattr(device, "type", "cpu") != "cuda":  # others (mps) have no float64 to score in
            from .search.faiss import FaissIndex

            return FaissIndex(dimensions)
        from .search.exact import ExactIndex

        return ExactIndex(dimensions, device=str(device))

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(N, P) which patches of each reference are compared: the product's, where the encoder can tell them."""
        return self.kept.masks

    @cached_property
    def cohort(self) -> tuple[NDArray[np.int64], ...]:
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

    def check_fingerprint(self, fingerprint: str, what: str) -> None:
        """:class:`FingerprintError` where vectors of another encoder would meet this catalogue's."""
        if fingerprint != self.encoder.fingerprint:
            raise FingerprintError(
                f"{what} were encoded as {fingerprint[:12]}, the catalogue as {self.encoder.fingerprint[:12]}; "
                "encode both with one encoder: Catalog.build(source, encoder=encoder)"
            )

    def _check_widths(self, photos: Embeddings) -> None:
        """:class:`CorruptCatalogError` where this catalogue's numbers are not as many as its encoder gives."""
        kept, given = [self.vectors.shape[1]], [photos.vectors.shape[1]]
        if self.space is not None and photos.patches is not None:
            kept, given = [*kept, len(self.space.scale)], [*given, photos.patches.shape[2]]
        if kept != given:
            raise CorruptCatalogError(
                f"the catalogue's vectors and patches have {kept} numbers, its encoder's {given}; it was changed: "
                "build it anew, or copy its folder again"
            )

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the catalogue into ``folder``. The manifest is replaced last, so the folder holds the old or the new
        one, whole.
        """
        target = as_path(folder, "catalog.save", "catalog")
        write_folder(target, dataclasses.replace(self.kept, marks=self.marks), self.encoder)
        return target

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        encoder: Encoder | None = None,
        *,
        index: Callable[[int], Index] | None = None,
        cache: EmbeddingCache | bool = True,
    ) -> Catalog:
        """Read a catalogue; every file is checked against its sha256 first, and nothing in it is ever executed.

        ``encoder`` defaults to the recipe it was built with, ``index`` and ``cache`` are as in :meth:`build`. Raises
        :class:`CorruptCatalogError`, :class:`FingerprintError`.
        """
        path = as_path(folder, "Catalog.load", "catalog")
        _refuse_no_maker(index)
        if encoder is not None:
            refuse_name(encoder)

        def find(manifest: dict[str, Any]) -> Encoder:
            from .encoders import load_encoder

            return load_encoder(recipe_of(path, manifest)) if encoder is None else encoder

        kept, found = open_folder(path, find)
        return cls(kept, encoder=found, index=index, cache=cache)

    @staticmethod
    def verify(folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The manifest, after every file was found whole; :class:`CorruptCatalogError` names what is missing or
        changed.
        """
        return read_folder(as_path(folder, "Catalog.verify", "catalog"))[0]

    def info(self) -> dict[str, Any]:
        """What is in it, in plain values."""
        tokens = 0 if self.tokens is None else self.tokens.codes[0].nbytes + self.tokens.scales[0].nbytes
        return {
            "references": len(self),
            "brands": len(self._names.by("brand")),
            "products": len(set(self.goods.tolist())),
            "galleries": {
                name: count
                for name in GALLERIES
                if (count := sum(reference.gallery == name for reference in self.references))
            },
            "products_by_marks": self._marks_known(),
            "encoder": name_of(self.encoder),
            "fingerprint": self.encoder.fingerprint,
            "vector_dimensions": int(self.vectors.shape[1]),
            "token_bytes_per_reference": tokens,
            "failures": len(self.failures),
        }

    def _marks_known(self) -> dict[str, int]:
        """How many products' marks were given as regions, were found, or are not known."""
        with_regions = np.array([bool(reference.regions) for reference in self.references])
        found = np.array(self.kept.found)
        goods = set(self.goods[self.genuine].tolist())
        given_goods = set(self.goods[self.genuine & with_regions & ~found].tolist())
        found_goods = set(self.goods[self.genuine & found].tolist()) - given_goods
        count = len(goods - given_goods - found_goods)
        return {"given": len(given_goods), "found": len(found_goods), "unknown": count}

    @cached_property
    def generation(self) -> str:
        """Names what is in the catalogue: another set of photos, or another encoder, is another generation."""
        rows = json.dumps([list(table(self.kept)), self.encoder.fingerprint], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    @property
    def searches_exactly(self) -> bool:
        """Whether the index is the default one; another may find others, and nobody knows by which settings."""
        return self._make_index is None

    @cached_property
    def vectors_sha256(self) -> str:
        """Tells catalogues of one generation apart that were encoded in another precision, or on another machine."""
        return hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.references)

    def __repr__(self) -> str:
        info = self.info()
        failed = f", {info['failures']} failed" if info["failures"] else ""
        return (
            f"<Catalog {info['references']} references of {info['products']} products, {info['brands']} brands, "
            f"{info['encoder']}{failed}>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts(self.info()))
        return f"<table>{rows}</table>"


def facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What :meth:`Catalog.info` tells, in words.

    >>> facts({"token_bytes": 9, "galleries": {"official": 5, "genuine": 7}})
    [('token bytes', '9'), ('galleries', 'official 5, genuine 7')]
    """
    words = {
        name: ", ".join(f"{part} {count}" for part, count in fact.items()) if isinstance(fact, Mapping) else str(fact)
        for name, fact in info.items()
    }
    return [(name.replace("_", " "), fact) for name, fact in words.items()]


def _top_two(cosines: NDArray[np.float32]) -> float:
    return float(np.sort(cosines)[-2:].mean())


def _refuse_no_maker(index: object) -> None:
    """:class:`InputError` for what makes no index, which would be noticed at the first search."""
    if index is not None and not callable(index):
        raise InputError(
            f"index={index!r:.80}: need a function of the vectors' length that makes an index; type index=ExactIndex, "
            "from counterfeit_vision.search.exact, or index=lambda dimensions: MyIndex(dimensions)"
        )
