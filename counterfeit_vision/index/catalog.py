"""The reference catalogue: genuine photos, searchable, on disk in a folder that `verify` can vouch for."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._arrays import Floats, Ints, Pixels
from .._concurrency import Once, cached_property, progress_bar
from ..encoders.base import name_of, refuse_no_encoder
from ..encoders.batching import EncodedPhoto, embed, encode_photos
from ..encoders.preprocess import unpad
from ..errors import CorruptCatalogError, FingerprintError, InputError
from ..geometry.keypoints import Keypoints
from ..io.cache import EmbeddingCache, opener
from ..io.decode import decode, photo_name
from ..io.manifests import read_references
from ..io.memory import Memory
from ..marks.finding import Found, MarkFeatures, find_marks
from ..marks.making import make_stencil
from ..marks.stencil import Stencil
from ..products.marks import GoodsMarks
from ..types import GALLERIES, Embeddings, Failure, Listing, Matches, Photo, PhotoView, Reference, Region, check_list
from ..types.checks import as_path, own_arrays
from ..types.wording import first_few, number
from .audit import doubts_of
from .names import Names, goods_of, one_spelling
from .neighbours import Neighbours, best_first, evenly_spread
from .references import KeptReferences, refuse_without_genuine, region_off_photo, small_copy
from .retrieval import Likeness
from .store import open_folder, recipe_of, table, verify_folder, write_folder
from .summary import by_marks, facts, lacking_marks, told_both
from .tiles import MarkLibrary, TileSearch, tile_vectors, tiles_of

if TYPE_CHECKING:
    from ..encoders.base import Encoder
    from .base import Index

__all__ = ["Catalog"]

STENCIL_REFERENCES = 8  # photos of a product that are laid over each other to compare its marks
KEPT_MARKS = 64  # products of which what is known of their marks stays in memory, at most 3.2 GB
KEPT_VIEWS = 2048  # references of which the small copy that people are shown stays in memory, at most 50 MB
DOUBTS_TOLD = 3  # references or products that are named in a warning
DOUBTED = 20_000  # references of a catalogue, up to which doubts are told unasked: the work grows with their square


class Catalog:
    """Genuine references of some brands. Make one with :meth:`build` or :meth:`load`.

    ``references`` are the rows in order; their ``photo`` is the JPEG copy that is kept, at most 800 pixels on its long
    side, and ``sizes`` are the (width, height) of the originals, in whose pixels ``references[row].regions`` are given.
    Of names that differ in case and blanks alone they have the most frequent spelling, or else the first.
    ``sha256``, ``vectors``, ``content``, ``centre``, ``grid``, ``space``, ``tokens``, ``foreground`` and ``marks`` are
    those of :class:`~counterfeit_vision.index.references.KeptReferences`; ``products``, ``goods`` (brand/product) and
    ``genuine`` (no known fake) are (N,) too. ``failures`` are the photos that could not be used when it was built.
    ``searches_exactly``: whether the index is the default one; what another finds depends on settings that are not
    known here.
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
        self.likeness = Likeness(kept, self.goods, self.genuine, encoder, index)
        self.searches_exactly, self._open_cache = index is None, opener(cache)
        self._goods_marks: Once[str, GoodsMarks] = Once(KEPT_MARKS)
        self._library: Once[str, MarkLibrary] = Once()
        self._views: Once[int, PhotoView] = Once(KEPT_VIEWS)
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
        GPU. A photo that can't be used is one of ``failures``, as is a region that is given in fractions of its photo
        or lies less than half on it; with ``strict`` the first raises. The marks of products without ``regions`` are
        looked for once, here, unless ``find_marks`` is false.
        ``cache`` keeps the photos' embeddings and what takes long to learn of each product's marks, so that a catalogue
        that has grown is built anew in little time; ``False`` does without.
        Raises :class:`InputError` when nothing genuine is left.
        """
        refuse_no_encoder(encoder)
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
        kept, several = one_spelling(kept)
        if several:
            ways = first_few([" = ".join(map(repr, names)) for names in several])
            told = f"{number(len(several), 'name')} in spellings that differ in case or blanks alone: {ways}"
            warnings.warn(f"{told}; each counts as one: rename what is not the same", RuntimeWarning, stacklevel=2)
        if told := told_both(kept, [row.sha256 for row in rows]):
            warnings.warn(told, RuntimeWarning, stacklevel=2)
        if not rows:
            raise InputError(f"none of the {len(references)} reference photos can be used; the first: {failures[0]!r}")
        refuse_without_genuine(kept)
        catalog = cls(
            KeptReferences.of(encoder, kept, rows, find_marks=find_marks, cache=cache, progress=progress),
            encoder=encoder,
            index=index,
            failures=failures,
            cache=cache,
        )
        brands = catalog._names.by("brand").values()
        if find_marks and (lacking := lacking_marks(catalog.goods, catalog.genuine, catalog._by_marks, brands)):
            warnings.warn(
                f"no marks were found on {number(len(lacking), 'product')} of brands whose other products have theirs: "
                f"{first_few([*map(repr, lacking)], DOUBTS_TOLD)}; few fakes of such are noticed: draw boxes around "
                "their marks (regions), or leave out photos that do not show them",
                RuntimeWarning,
                stacklevel=2,
            )
        if doubts := [f"{id!r} {why}" for id, why in (catalog._doubts_unasked or {}).items()]:
            warnings.warn(
                f"{number(len(doubts), 'reference')} of {len(catalog)} should be looked at (catalog.doubts): "
                f"{first_few(doubts, DOUBTS_TOLD)}; what does not show its product hides fakes of it: leave it out",
                RuntimeWarning,
                stacklevel=2,
            )
        return catalog

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
        Warns where the catalogue knows no such brand or category, or nothing of it that can be searched.

        Always one row a photo, in order; a photo that failed has ``None`` and ``-inf``. Scores say how much more a
        photo's patches are like the product's references than like other products, plus a small share of the global
        cosine. Higher is more alike; the scale depends on the encoder and on the other products, so scores can be
        compared within one catalogue only. A product's best reference has the product's score.

        ``by="mark"`` asks whose marks are anywhere in a photo: the whole photo and its overlapping halves and thirds
        are compared with the references' marks (the crops of ``regions``, and the whole reference), see
        :mod:`counterfeit_vision.index.tiles`. Scores are cosines, so that a photo without a known mark has low ones.
        The first such search encodes all references' marks, which :meth:`save` then keeps.

        ``cache`` keeps the photos' embeddings; by default the catalogue's own cache does, if it has one.
        """
        if by not in ("photo", "mark"):
            raise InputError(f"search(by={by!r}): search by='photo' or by='mark'")
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise InputError(f"search(k={k!r}): need a whole number, 1 or more")
        check_list(photos, "search()", "search([photo])")
        rows, fault = self._allowed(by, brand=brand, category=category, gallery=gallery)
        if fault is not None:
            warnings.warn(f"all rows are empty: {fault}", RuntimeWarning, stacklevel=2)
        photos = list(own_arrays(photos))
        names = [f"photo {number}" for number in range(len(photos))]
        place = {name: number for number, name in enumerate(names)}
        with self._kept_in(cache) as opened:
            found = embed(photos, encoder=self.encoder, ids=names, cache=opened)
            if by == "mark":
                neighbours = self._by_mark([photos[place[name]] for name in found.ids], found, k, rows, opened)
            else:
                neighbours = self.neighbours(found, k, allowed=rows)
        failures = [
            dataclasses.replace(failure, id=photo_name(photos[place[failure.id]], failure.id))
            for failure in found.failures
        ]
        return self._matches(len(photos), [place[name] for name in found.ids], neighbours, failures)

    def _matches(
        self, count: int, places: Sequence[int], neighbours: Neighbours, failures: Sequence[Failure]
    ) -> Matches:
        """A row for each of ``count`` photos: the ``neighbours`` of those at ``places``, and empty ones."""
        ids = np.full((count, neighbours.rows.shape[1]), None, dtype=object)
        products = ids.copy()
        scores = np.full(ids.shape, -np.inf, np.float32)
        for row, place in enumerate(places):
            for column, key in enumerate(neighbours.rows[row]):
                if key >= 0:
                    ids[place, column] = self.references[key].id
                    products[place, column] = self.references[key].product
            scores[place] = neighbours.scores[row]
        return Matches(ids, products, scores, tuple(failures))

    def _kept_in(self, cache: EmbeddingCache | bool | None) -> contextlib.AbstractContextManager[EmbeddingCache | bool]:
        """The cache that is given; for ``None`` the catalogue's own, opened anew, as that may have been closed."""
        if cache is not None:
            return contextlib.nullcontext(cache)
        return contextlib.nullcontext(False) if self._open_cache is None else self._open_cache()

    def neighbours(self, photos: Embeddings, k: int, *, allowed: Ints | None = None) -> Neighbours:
        """The nearest references of embedded photos, as rows: of the ``allowed`` ones, by default all but known fakes.

        Raises :class:`FingerprintError` for another encoder's vectors.
        """
        self.check_fingerprint(photos.fingerprint, "the photos")
        self._check_widths(photos)
        return self.likeness.neighbours(photos, k, allowed)

    def marks_of(self, goods: str) -> GoodsMarks:
        """What is known of the marks of one of ``goods``. Cached, for the last :data:`KEPT_MARKS` asked for."""
        return self._goods_marks.get(goods, lambda: self._make_marks(goods))

    def _make_marks(self, goods: str) -> GoodsMarks:
        return self._marks_on(self._marked_first(np.flatnonzero((self.goods == goods) & self.genuine)))

    def _marked_first(self, rows: Ints, most: int = STENCIL_REFERENCES) -> Ints:
        """Of some references those by which their marks are told, ``most`` at most: first those with regions."""
        boxed = np.array([bool(self.references[row].regions) for row in rows], bool)
        first = evenly_spread(rows[boxed].tolist(), most)
        return np.array([*first, *evenly_spread(rows[~boxed].tolist(), most - len(first))], np.int64)

    def _shares_marks(self, row: int, others: Ints) -> bool:
        """Whether a reference bears marks that some of ``others`` do."""
        marks = self._marks_on(np.array([*self._marked_first(others, STENCIL_REFERENCES - 1), row], np.int64))
        if isinstance(marks.stencil, str):
            return False
        return any(row in version.shown_by and len(version.shown_by) > 1 for version in marks.versions)

    def _marks_on(self, rows: Ints) -> GoodsMarks:
        """The marks that those references show."""
        keys = rows.tolist()
        memory = self.memory_of(keys)

        def stencil() -> Stencil | str:
            return make_stencil([self.pixels(row) for row in keys], [self.regions(row) for row in keys])

        known = memory("stencil", [Stencil, Keypoints], stencil)
        return GoodsMarks(rows, known, self.encoder, memory, self.pixels, self._product_on, self._marks_on)

    def memory_of(self, rows: Sequence[int]) -> Memory:
        """What is kept on disk of these references together; the key is their copies, regions and sizes."""
        digest = hashlib.sha256()
        for row in rows:
            regions, photo = [region.to_list() for region in self.regions(row)], self.kept.jpeg(row)
            digest.update(f"{len(photo)} {regions} {self.sizes[row]} ".encode() + photo)
        return Memory(self._open_cache, digest.hexdigest())

    def marks_in(self, pixels: Pixels, goods: Sequence[str]) -> tuple[str, Found] | str:
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
        photos: Sequence[Photo],
        embeddings: Embeddings,
        k: int,
        allowed: Ints | None,
        cache: EmbeddingCache | bool,
    ) -> Neighbours:
        """The references whose marks are most like a part of each photo."""
        self.check_fingerprint(embeddings.fingerprint, "the photos")
        self._check_widths(embeddings)
        rows = np.flatnonzero(self.genuine) if allowed is None else allowed
        marks = self._library.get("", lambda: self._encoded_marks(cache))
        search = TileSearch.among(marks, rows, self.goods)
        names = zip(photos, embeddings.ids, strict=True)
        squares = (
            [self.encoder.preprocess(tile)[0] for tile in tiles_of(decode(photo, name=photo_name(photo, name)).pixels)]
            for photo, name in names
        )
        vectors = tile_vectors(self.encoder, squares, embeddings.vectors)
        found, scores = best_first([search.scores(one) for one in vectors], k)
        nothing = np.zeros((len(photos), 0), np.float32)
        return Neighbours(found, scores, np.zeros(len(photos), np.float32), nothing, self.goods[:0])

    def _encoded_marks(self, cache: EmbeddingCache | bool) -> MarkLibrary:
        if self.marks is None:
            regions = [self.regions(row) for row in range(len(self))]
            self.marks = MarkLibrary.encode(self.encoder, regions, self.vectors, self.pixels, cache)
        return self.marks

    def _allowed(self, by: str, **wanted: str | None) -> tuple[Ints | None, str | None]:
        """The rows that have all of these, ``None`` for no restriction; and, where none can be found ``by`` what is
        asked, why, unless there is just none that has all. Raises for what can be no name.
        """
        fault = self._names.unknown(**wanted)
        no_names = {field: value for field, value in wanted.items() if not isinstance(value, str | None)}
        refused = self._names.unknown(**no_names | {"gallery": wanted["gallery"]})
        if refused is not None and (no_names or wanted["gallery"] not in GALLERIES):
            raise InputError(refused)
        if all(value is None for value in wanted.values()):
            return None, None
        hits = self._names.having(**wanted)
        allowed = hits if wanted["gallery"] else hits & self.genuine
        rows = np.flatnonzero(allowed).astype(np.int64)
        if hits.any() and not len(rows):
            told = " and ".join(f"{field} {value!r}" for field, value in wanted.items() if value is not None)
            fault = f"only known fakes are of {told}: add gallery='known_fake'"
        return rows, fault

    def rows_of(self, *, brand: str | None = None, product: str | None = None) -> Ints:
        """The rows of a brand's or a product's genuine references; empty where there are none."""
        return np.flatnonzero(self.genuine & self._names.having(brand=brand, product=product)).astype(np.int64)

    def claimed_by(self, listing: Listing) -> Ints:
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
        """The row of each file, by its sha256; where it is in several galleries, the row in the first of
        :data:`GALLERIES`: a proven fake may show the brand's own picture, and others who show it need not sell a fake.
        """
        order = [(GALLERIES.index(reference.gallery), row) for row, reference in enumerate(self.references)]
        return {self.sha256[row]: row for _, row in sorted(order, reverse=True)}

    @cached_property
    def by_id(self) -> Mapping[str, Reference]:
        """The references by their ids."""
        return {reference.id: reference for reference in self.references}

    @cached_property
    def known_fakes(self) -> frozenset[str]:
        """The ids of the photos of proven fakes."""
        return frozenset(reference.id for reference in self.references if reference.gallery == "known_fake")

    def pixels(self, row: int) -> Pixels:
        """The kept copy of a reference: (h, w, 3) uint8 RGB, upright."""
        return self.kept.pixels(row)

    def regions(self, row: int) -> tuple[Region, ...]:
        """The boxes of the brand's marks on a reference, in pixels of its kept copy."""
        return self.kept.regions(row)

    def view(self, row: int) -> PhotoView:
        """A small copy of a reference, to be shown to people. Cached: verdicts share it."""
        return self._views.get(row, lambda: self.kept.view(row))

    def _product_on(self, row: int) -> Floats | None:
        """(h, w) how surely a reference shows the product, as a map over its photo; ``None`` where the encoder gives no
        patches.
        """
        if self.tokens is None:
            return None
        return unpad(self.likeness.product_weights(np.array([row]))[0].reshape(self.grid), self.content[row])

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
            refuse_no_encoder(encoder)

        def find(manifest: dict[str, Any]) -> Encoder:
            from ..encoders import load_encoder

            return load_encoder(recipe_of(path, manifest)) if encoder is None else encoder

        kept, found = open_folder(path, find)
        kept = dataclasses.replace(kept, references=tuple(one_spelling(kept.references)[0]))
        return cls(kept, encoder=found, index=index, cache=cache)

    @staticmethod
    def verify(folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The manifest, once every file was found whole and all of them fit together; :class:`CorruptCatalogError`
        names what is missing or changed.
        """
        return verify_folder(as_path(folder, "Catalog.verify", "catalog"))

    @cached_property
    def doubts(self) -> Mapping[str, str]:
        """By the id of each reference that somebody should look at, why: it is more like another brand's product than
        like its own product's other photos, and bears no marks that they bear and those do not; or its file is filed
        under another product, too. Photos of another product of the same brand are not told, nor wrong ones among
        fewer than three, or with an encoder that is no plain vision transformer, as CLIP is: of 375 rendered genuine
        references EfficientNet-Lite0 would doubt 36, CLIP none.
        """
        from ..encoders.depths import is_transformer

        return doubts_of(
            self.references,
            self.sha256,
            self.likeness,
            by_likeness=is_transformer(self.encoder),
            shares_marks=self._shares_marks,
        )

    @cached_property
    def versions(self) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """Of each brand/product whose photos show its marks in several versions, the ids of each, the commonest first:
        of the photos by which its marks are known, which are eight at most. A brand that draws its logo anew has such,
        and so has a catalogue with photos of a fake: what is like any of them is like genuine goods. A second or two
        for each product that was not asked about before.
        """
        goods_marks = ((name, self._make_marks(name)) for name in dict.fromkeys(self.goods[self.genuine].tolist()))
        rows = {name: [one.shown_by.tolist() for one in marks.versions] for name, marks in goods_marks}
        return {
            name: tuple(tuple(self.references[row].id for row in one) for one in sorted(some, key=len, reverse=True))
            for name, some in rows.items()
            if len(some) > 1
        }

    @property
    def _doubts_unasked(self) -> dict[str, str] | None:
        return dict(self.doubts) if len(self) <= DOUBTED else None

    def info(self) -> dict[str, Any]:
        """What is in it, in plain values; its ``doubts`` are ``None`` where it has so many references (20,000) that
        they take long.
        """
        return copy.deepcopy(self.counts) | {"doubts": self._doubts_unasked}

    @cached_property
    def counts(self) -> dict[str, Any]:
        """What :meth:`info` tells, without the doubts, which may take long."""
        tokens = 0 if self.tokens is None else self.tokens.codes[0].nbytes + self.tokens.scales[0].nbytes
        return {
            "references": len(self),
            "brands": sum(bool(self.genuine[rows].any()) for rows in self._names.by("brand").values()),
            "products": len(set(self.goods[self.genuine].tolist())),
            "galleries": {
                name: count
                for name in GALLERIES
                if (count := sum(reference.gallery == name for reference in self.references))
            },
            "products_by_marks": {how: len(goods) for how, goods in self._by_marks.items()},
            "products_without_marks": self._by_marks["unknown"],
            "encoder": name_of(self.encoder),
            "fingerprint": self.encoder.fingerprint,
            "vector_dimensions": int(self.vectors.shape[1]),
            "token_bytes_per_reference": tokens,
            "failures": len(self.failures),
        }

    @cached_property
    def _by_marks(self) -> dict[str, list[str]]:
        return by_marks(self.goods, self.genuine, [bool(one.regions) for one in self.references], self.kept.found)

    @cached_property
    def generation(self) -> str:
        """Names what is in the catalogue: another set of photos, or another encoder, is another generation."""
        rows = json.dumps([list(table(self.kept)), self.encoder.fingerprint], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    @cached_property
    def vectors_sha256(self) -> str:
        """Tells apart catalogues of one generation that were encoded in another precision or on another machine."""
        return hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.references)

    def __repr__(self) -> str:
        info = self.counts
        failed = f", {info['failures']} failed" if info["failures"] else ""
        return (
            f"<Catalog {info['references']} references of {info['products']} products, {info['brands']} brands, "
            f"{info['encoder']}{failed}>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts(self.info()))
        return f"<table>{rows}</table>"


def _refuse_no_maker(index: object) -> None:
    """:class:`InputError` for what makes no index, which would be noticed at the first search."""
    if index is not None and not callable(index):
        raise InputError(
            f"index={index!r:.80}: need a function of the vectors' length that makes an index; type index=ExactIndex, "
            "from counterfeit_vision.index.exact, or index=lambda dimensions: MyIndex(dimensions)"
        )
