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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .cache import EmbeddingCache
from .decode import decode
from .errors import CatalogError, CorruptCatalogError, FingerprintError, InputError
from .foreground import Foreground, load_foreground, product_mask, reference_foreground
from .manifests import read_references
from .marks import Found, Stencil, cut, find_marks, make_stencil
from .preprocess import patch_mask
from .sealed import read_sealed, write_sealed
from .search.tokens import PackedTokens, TokenSpace
from .stream import EncodedPhoto, embed, encode_photos, progress_bar, small_jpeg, stack
from .types import Embeddings, Failure, Matches, Photo, PhotoView, Reference, Region
from .weights import recipes

if TYPE_CHECKING:
    from .encoders.base import Encoder
    from .search.base import Index

__all__ = ["Catalog", "Neighbours"]

FORMAT = 2
COPY_SIDE = 800  # pixels on the long side of the copy that is kept of each reference
SHORTLIST = 64  # references whose patches are compared with a photo's
COHORT_REFERENCES = 4  # photos of each of them
COHORT = 32  # products that say how alike unrelated goods look
VECTOR_WEIGHT = 0.05  # of the centred global cosine, beside the patches' likeness: chosen on grocery train + val
KEPT_UNPACKED = 2048  # references: up to here their tokens stay unpacked in memory, at most 128 MB
FOREGROUND_REFERENCES = 6  # photos of the same product, and of others, that tell product from room
STENCIL_REFERENCES = 8  # photos of a product that are laid over each other to compare its marks
MARK_CANDIDATES = 3  # nearest products whose marks are looked for in a photo
MASK = 0.5  # share of a patch that must lie on the photo for the patch to count


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest references of N photos as catalogue rows, best first.

    - ``rows`` (N, k) int64, -1 where short; ``scores`` (N, k) float32, -inf where short.
    - ``cosine`` (N,) float32: the highest plain cosine of the global vectors, not centred: is it the same kind of thing
      at all.
    - ``cohort`` (N, C) float32: scores against each of C products, for comparison; ``cohort_goods`` (C,) their names.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    cosine: NDArray[np.float32]
    cohort: NDArray[np.float32]
    cohort_goods: NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Marks:
    """The references' marks, cut from the full photos and encoded a second time, one row a region.

    ``rows`` (M,) int64: the reference; ``vectors`` (M, D) float32; ``tokens`` their packed patches, if there are any.
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    tokens: PackedTokens | None


class Catalog:
    """Genuine references of some brands. Make one with :meth:`build` or :meth:`load`.

    ``references`` are the rows in order; their ``photo`` is the JPEG copy that is kept, at most :data:`COPY_SIDE`
    pixels on its long side, and ``sizes`` are the (width, height) of the originals, whose pixels ``regions`` speak of.
    ``failures`` are the photos that could not be used when it was built.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        references: Sequence[Reference],
        sha256: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        vectors: NDArray[np.float32],
        content: NDArray[np.float32],
        centre: NDArray[np.float32],
        grid: tuple[int, int],
        space: TokenSpace | None,
        tokens: PackedTokens | None,
        foreground: NDArray[np.float32] | None,
        index: Callable[[int], Index] | None = None,
        failures: Sequence[Failure] = (),
        marks: Marks | None = None,
    ) -> None:
        self.encoder, self.references, self.sha256, self.sizes = encoder, tuple(references), tuple(sha256), tuple(sizes)
        self.vectors, self.content, self.centre, self.grid = vectors, content, centre, grid
        self.space, self.tokens, self.foreground, self.failures = space, tokens, foreground, tuple(failures)
        self.products = np.array([reference.product for reference in self.references], dtype=object)
        self.goods = np.array([f"{reference.brand}/{reference.product}" for reference in self.references], dtype=object)
        self.genuine = np.array([reference.gallery != "known_fake" for reference in self.references])
        self._make_index = index
        self.marks = marks
        self._weights: dict[int, NDArray[np.float32]] = {}
        self._stencils: dict[str, Stencil | str] = {}

    # --- making one ---------------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        source: str | os.PathLike[str] | Iterable[Reference],
        *,
        encoder: Encoder,
        index: Callable[[int], Index] | None = None,
        cache: EmbeddingCache | bool = True,
        strict: bool = False,
        progress: bool = False,
    ) -> Catalog:
        """Build from a folder tree ``brand/product/photo.jpg``, a manifest (csv, jsonl, parquet) or :class:`Reference`
        rows.

        ``index`` makes an index for vectors of a given length; the default is FAISS, exact. A photo that can't be used
        is one of ``failures``; with ``strict`` the first raises. Raises :class:`InputError` when nothing is left.
        """
        references = read_references(source)
        kept: list[Reference] = []
        rows: list[EncodedPhoto] = []
        failures: list[Failure] = []
        photos = ((row.id, row.photo) for row in references)
        with contextlib.closing(encode_photos(photos, encoder=encoder, cache=cache)) as stream:
            results = progress_bar(stream, total=len(references), unit="photo", progress=progress)
            for reference, result in zip(references, results, strict=True):
                if isinstance(result, Failure):
                    if strict:
                        raise result.error
                    failures.append(result)
                else:
                    kept.append(dataclasses.replace(reference, photo=_copy(result)))
                    rows.append(result)
        if not rows:
            raise InputError(f"none of the {len(references)} reference photos can be used; the first: {failures[0]!r}")
        embeddings = stack(rows, encoder=encoder)
        space = None if embeddings.patches is None else TokenSpace.fit(embeddings.patches)
        return cls(
            encoder=encoder,
            references=kept,
            sha256=[row.sha256 for row in rows],
            sizes=[row.view.size for row in rows],
            vectors=embeddings.vectors,
            content=embeddings.content,
            centre=_centre(embeddings.vectors, [reference.product for reference in kept]),
            grid=embeddings.grid,
            space=space,
            tokens=None if space is None or embeddings.patches is None else space.pack(embeddings.patches),
            foreground=_foreground(encoder, embeddings),
            index=index,
            failures=failures,
            marks=_encoded_marks(encoder, kept, rows, space),
        )

    # --- asking it ----------------------------------------------------------------------------------------------------

    def search(
        self,
        photos: Sequence[Photo],
        k: int = 5,
        *,
        brand: str | None = None,
        category: str | None = None,
        gallery: str | None = None,
        by: Literal["photo", "mark"] = "photo",
        cache: EmbeddingCache | bool = True,
    ) -> Matches:
        """The ``k`` nearest references of each photo, best first.

        ``brand``, ``category`` and ``gallery`` restrict what is searched; without ``gallery``, all but known fakes are.

        Always one row a photo, in order; a photo that failed has ``None`` and ``-inf``. Scores say how much more a
        photo's patches are like the product's references than like other products, plus a small share of the global
        cosine: about 0 (nothing in common) to 0.8 (the same picture). A product's best reference has the product's
        score.

        ``by="mark"`` looks for the marks of the nearest products, cuts what it finds from the full photo and compares
        it with the references' own: scores are mean cosines of the marks, plus the correlation in pixels for the
        product whose marks were found. A photo without a mark has an empty row.
        """
        if by not in ("photo", "mark"):
            raise InputError(f"search(by={by!r}): search by='photo' or by='mark'")
        if by == "mark" and self.marks is None:
            raise InputError("search(by='mark'): no reference has regions; draw boxes around its marks and build anew")
        if k < 1:
            raise InputError(f"search(k={k}): need 1 or more")
        rows = self._allowed(brand=brand, category=category, gallery=gallery)
        names = [f"photo {number}" for number in range(len(photos))]
        found = embed(photos, encoder=self.encoder, ids=names, cache=cache)
        neighbours = self.neighbours(found, k if by == "photo" else max(k, SHORTLIST), allowed=rows)
        if by == "mark":
            shown = {name: photo for name, photo in zip(names, photos, strict=True) if name in set(found.ids)}
            neighbours = self._by_mark([shown[name] for name in found.ids], neighbours, k, rows)
        ids = np.full((len(photos), k), None, dtype=object)
        products = ids.copy()
        scores = np.full((len(photos), k), -np.inf, np.float32)
        place = {name: number for number, name in enumerate(names)}
        for row, name in enumerate(found.ids):
            for column, key in enumerate(neighbours.rows[row]):
                if key >= 0:
                    ids[place[name], column] = self.references[key].id
                    products[place[name], column] = self.references[key].product
            scores[place[name]] = neighbours.scores[row]
        return Matches(ids, products, scores, found.failures)

    def neighbours(self, photos: Embeddings, k: int, *, allowed: NDArray[np.int64] | None = None) -> Neighbours:
        """The nearest references of embedded photos, as rows; ``allowed`` rows, by default all but known fakes.

        Raises :class:`FingerprintError` for another encoder's vectors.
        """
        self.check_fingerprint(photos.fingerprint, "the photos")
        centred = self._centred(photos.vectors)
        if allowed is None and not self.genuine.all():
            allowed = np.flatnonzero(self.genuine)
        short, _ = self.index.search(centred, min(max(SHORTLIST, k), len(self)), allowed)
        rows = np.full((len(photos), k), -1, np.int64)
        scores = np.full((len(photos), k), -np.inf, np.float32)
        cohort = np.zeros((len(photos), len(self.cohort)), np.float32)
        plain = np.full(len(photos), -1, np.float32)
        for row in range(len(photos)):
            keys = short[row][short[row] >= 0]
            groups = self.by_product(keys)
            singles = [group[[place]] for group in groups for place in range(len(group)) if len(group) > 1]
            likeness = self.likeness(photos, row, [*groups, *singles, *self.cohort])
            cohort[row] = likeness[len(groups) + len(singles) :]
            score = _reference_scores(
                groups, likeness[: len(groups)], likeness[len(groups) : len(groups) + len(singles)]
            )
            keys = np.concatenate(groups)
            order = np.argsort(-score, kind="stable")[:k]
            rows[row, : len(order)], scores[row, : len(order)] = keys[order], score[order]
            plain[row] = (self.vectors[keys] @ photos.vectors[row]).max(initial=-1)
        return Neighbours(rows, scores, plain, cohort, self.cohort_goods)

    def stencil(self, goods: str) -> Stencil | str:
        """The marks of one of ``goods``, its references laid over each other; or why that can't be done. Kept."""
        if goods not in self._stencils:
            rows = self.stencil_rows(goods).tolist()
            self._stencils[goods] = make_stencil(
                [self.pixels(row) for row in rows], [self.regions(row) for row in rows]
            )
        return self._stencils[goods]

    def stencil_rows(self, goods: str) -> NDArray[np.int64]:
        """The references that :meth:`stencil` lays over each other, those with regions first; its ``rows`` count in
        them.
        """
        rows = np.flatnonzero((self.goods == goods) & self.genuine)
        without = [not self.references[row].regions for row in rows]
        return np.asarray(rows[np.argsort(without, kind="stable")][:STENCIL_REFERENCES], np.int64)

    def marks_in(self, pixels: NDArray[np.uint8], goods: Sequence[str]) -> tuple[str, Found] | str:
        """Of some ``goods``, those whose marks fit a photo (h, w, 3) best, and where; or why none does."""
        best: tuple[str, Found] | None = None
        reason = "no product to compare it with"
        for name in goods:
            stencil = self.stencil(name)
            found = stencil if isinstance(stencil, str) else find_marks(stencil, pixels)
            if isinstance(found, str):
                reason = found
            elif best is None or found.likeness > best[1].likeness:
                best = name, found
        return best or reason

    def _by_mark(
        self, photos: Sequence[Photo], near: Neighbours, k: int, allowed: NDArray[np.int64] | None
    ) -> Neighbours:
        """The references whose marks are most like those found in each photo; a row without marks stays empty."""
        assert self.marks is not None
        rows = np.full((len(photos), k), -1, np.int64)
        scores = np.full((len(photos), k), -np.inf, np.float32)
        usable = self.genuine[self.marks.rows] if allowed is None else np.isin(self.marks.rows, allowed)
        keys, vectors = self.marks.rows[usable], self.marks.vectors[usable]
        for place, photo in enumerate(photos):
            pixels = decode(photo, name=f"photo {place}").pixels
            goods = list(dict.fromkeys(self.goods[[key for key in near.rows[place] if key >= 0]].tolist()))
            found = self.marks_in(pixels, goods[:MARK_CANDIDATES])
            if isinstance(found, str) or not len(keys):
                continue
            squares = [self.encoder.preprocess(cut(pixels, region))[0] for region in found[1].regions]
            likeness = (self.encoder.encode(np.stack(squares)).vectors @ vectors.T).astype(np.float32)
            unique = np.unique(keys)
            score = np.array([likeness[:, keys == key].max(axis=1).mean() for key in unique], np.float32)
            score += found[1].likeness * (self.goods[unique] == found[0])  # pixels agree there: the stronger witness
            order = np.argsort(-score, kind="stable")[:k]
            rows[place, : len(order)], scores[place, : len(order)] = unique[order], score[order]
        return Neighbours(rows, scores, near.cosine, near.cohort, near.cohort_goods)

    def _allowed(self, **wanted: str | None) -> NDArray[np.int64] | None:
        """The rows that have all of these; ``None`` for no restriction. Raises for what the catalogue does not know."""
        for field, value in wanted.items():
            known = sorted({getattr(reference, field) for reference in self.references} - {None})
            if value is not None and value not in known:
                raise InputError(
                    f"the catalogue knows no {field} {value!r}; it knows {', '.join(map(str, known)) or 'none at all'}"
                )
        if all(value is None for value in wanted.values()):
            return None
        hits = [
            all(value is None or getattr(reference, field) == value for field, value in wanted.items())
            for reference in self.references
        ]
        return np.flatnonzero(hits if wanted.get("gallery") else self.genuine & hits).astype(np.int64)

    def rows_of(self, *, brand: str | None = None, product: str | None = None) -> NDArray[np.int64]:
        """The rows of a brand's or a product's genuine references; empty where there are none."""
        hits = [
            (brand is None or reference.brand == brand) and (product is None or reference.product == product)
            for reference in self.references
        ]
        return np.flatnonzero(self.genuine & hits).astype(np.int64)

    def by_product(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Rows grouped by brand and product, in order of first appearance."""
        return [rows[self.goods[rows] == goods] for goods in dict.fromkeys(self.goods[rows].tolist())]

    def likeness(self, photos: Embeddings, row: int, groups: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """How much one photo is like each group of references of one product: (G,) float32, on the scale of
        :meth:`search`.

        Each patch takes its best match in the whole group: one reference shows the side, another the front.
        """
        centred = self._centred(photos.vectors[row : row + 1])[0]
        cosine = np.array([_top_two(self._centred(self.vectors[group]) @ centred) for group in groups], np.float32)
        if self.space is None or self.tokens is None or photos.patches is None:
            return cosine
        from .search.late import best_matches, specific_likeness

        mask = _compared(self.foreground_of(photos, row), photos.content[row : row + 1], photos.grid)[0]
        wanted = [*groups, *self.cohort]
        unique, inverse = np.unique(np.concatenate(wanted), return_inverse=True)
        single = best_matches(self.space.project(photos.patches[row]), mask, self._unpack(unique), self.masks[unique])
        places = np.split(inverse, np.cumsum([len(group) for group in wanted])[:-1])
        best = np.stack([single[:, place].max(axis=1) for place in places], axis=1)
        goods = self.goods[[int(group[0]) for group in groups]]
        unlike = goods[:, None] != self.cohort_goods[None]
        return specific_likeness(best[:, : len(groups)], best[:, len(groups) :], unlike) + VECTOR_WEIGHT * cosine

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """The kept copy of a reference: (h, w, 3) uint8 RGB, upright."""
        return decode(self._jpeg(row), name=self.references[row].id).pixels

    def regions(self, row: int) -> tuple[Region, ...]:
        """The boxes of the brand's marks on a reference, in pixels of its kept copy."""
        scale = min(1.0, COPY_SIDE / max(self.sizes[row]))
        return tuple(Region(*(scale * x for x in region.to_list())) for region in self.references[row].regions)

    def view(self, row: int) -> PhotoView:
        """A small copy of a reference, to be shown to people."""
        reference = self.references[row]
        return PhotoView(reference.id, small_jpeg(self.pixels(row)), self.sizes[row], reference.product)

    def _jpeg(self, row: int) -> bytes:
        jpeg = self.references[row].photo
        assert isinstance(jpeg, bytes)
        return jpeg

    def product_weights(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, P) in 0..1: how surely each patch of these references shows the product and not the room."""
        for row in rows.tolist():
            if row not in self._weights:
                self._weights[row] = self._product_weight(row)
        return np.stack([self._weights[row] for row in rows.tolist()])

    def _product_weight(self, row: int) -> NDArray[np.float32]:
        assert self.tokens is not None
        if self.foreground is not None:
            return np.asarray(self.foreground[row], np.float32)
        own = np.flatnonzero((self.goods == self.goods[row]) & self.genuine)
        own = own[own != row][:FOREGROUND_REFERENCES]
        unlike = [int(rows[0]) for rows in self.cohort if self.goods[int(rows[0])] != self.goods[row]]
        others = np.array(unlike[:FOREGROUND_REFERENCES], np.int64)
        weight = reference_foreground(
            self.tokens.unpack(np.array([row]))[0], self.tokens.unpack(own), self.tokens.unpack(others), self.grid
        )
        return np.asarray(weight * self.masks[row], np.float32)

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
        return load_foreground(getattr(self.encoder, "recipe", None), dimensions)

    def _centred(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        shifted = vectors - self.centre
        return np.asarray(shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12), np.float32)

    @cached_property
    def index(self) -> Index:
        """The index of centred vectors, made on first use; its keys are row numbers."""
        if self._make_index is None:
            from .search.faiss import FaissIndex

            index: Index = FaissIndex(self.vectors.shape[1])
        else:
            index = self._make_index(self.vectors.shape[1])
        index.add(np.arange(len(self), dtype=np.int64), self._centred(self.vectors))
        return index

    def _unpack(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        assert self.tokens is not None
        if len(self) <= KEPT_UNPACKED:
            return self._unpacked[rows]
        return self.tokens.unpack(rows)

    @cached_property
    def _unpacked(self) -> NDArray[np.float16]:
        assert self.tokens is not None
        return self.tokens.unpack(slice(None))

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(N, P) which patches of each reference are compared: the product's, where the encoder can tell them."""
        return _compared(self.foreground, self.content, self.grid)

    @cached_property
    def cohort(self) -> tuple[NDArray[np.int64], ...]:
        """A few references each of up to :data:`COHORT` products, evenly spread over the catalogue, as rows."""
        genuine = np.where(self.genuine, self.goods, "")
        names = np.unique(self.goods[self.genuine].astype(str))
        chosen = np.unique(np.linspace(0, len(names) - 1, min(COHORT, len(names))).round().astype(int))
        return tuple(np.flatnonzero(genuine == names[place])[:COHORT_REFERENCES] for place in chosen)

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

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the catalogue into ``folder``. The manifest is replaced last, so the folder holds the old or the new
        one, whole.
        """
        from safetensors.numpy import save

        target = Path(folder)
        arrays: dict[str, NDArray[Any]] = {"vectors": self.vectors, "content": self.content, "centre": self.centre}
        if self.space is not None and self.tokens is not None:
            arrays |= {"token_scale": self.space.scale, "token_basis": self.space.basis}
            arrays |= {"token_codes": self.tokens.codes, "token_scales": self.tokens.scales}
        if self.foreground is not None:
            arrays["foreground"] = np.rint(255 * self.foreground).astype(np.uint8)
        if self.marks is not None:
            arrays |= {"mark_rows": self.marks.rows, "mark_vectors": self.marks.vectors}
            if self.marks.tokens is not None:
                arrays |= {"mark_codes": self.marks.tokens.codes, "mark_scales": self.marks.tokens.scales}
        arrays["copies"] = np.frombuffer(b"".join(self._jpeg(row) for row in range(len(self))), np.uint8)
        table = "".join(json.dumps(row, sort_keys=True) + "\n" for row in self._table())
        about = {
            "format": FORMAT,
            "fingerprint": self.encoder.fingerprint,
            "encoder": getattr(self.encoder, "name", ""),
            "references": len(self),
            "grid": list(self.grid),
        }
        write_sealed(target, about, {"references.jsonl": table.encode(), "arrays.safetensors": save(arrays)})
        return target

    def _table(self) -> Iterable[dict[str, Any]]:
        for reference, sha256, size in zip(self.references, self.sha256, self.sizes, strict=True):
            yield {
                "id": reference.id,
                "brand": reference.brand,
                "product": reference.product,
                "category": reference.category,
                "gallery": reference.gallery,
                "regions": [region.to_list() for region in reference.regions],
                "price": reference.price,
                "currency": reference.currency,
                "sha256": sha256,
                "size": list(size),
                "copy_bytes": len(reference.photo),  # type: ignore[arg-type]
            }

    @classmethod
    def load(cls, folder: str | os.PathLike[str], encoder: Encoder | None = None) -> Catalog:
        """Read a catalogue; every file is checked against its sha256 first, and nothing in it is ever executed.

        ``encoder`` defaults to the recipe it was built with. Raises :class:`CorruptCatalogError`,
        :class:`FingerprintError`.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = Path(folder)
        manifest, contents = _read(path)
        if encoder is None:
            from .encoders import load_encoder

            if manifest["encoder"] not in recipes():  # a folder from elsewhere must not choose what is downloaded
                raise CatalogError(
                    f"{path} was built with the encoder {manifest['encoder']!r}, which is no recipe of this version; "
                    "load that encoder yourself and type: Catalog.load(folder, encoder=encoder)"
                )
            encoder = load_encoder(manifest["encoder"])
        if encoder.fingerprint != manifest["fingerprint"]:
            raise FingerprintError(
                f"{path} was built with {manifest['encoder']} {str(manifest['fingerprint'])[:12]}, "
                f"this encoder is {getattr(encoder, 'name', '')} {encoder.fingerprint[:12]}; "
                "load that one, or build the catalogue anew"
            )
        try:
            table = [json.loads(line) for line in contents["references"].decode().splitlines()]
            arrays = load(contents["arrays"])
            return cls._from_parts(encoder, manifest, table, arrays)
        except (SafetensorError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise CorruptCatalogError(f"{path}: the files are whole but do not fit together: {error!r}") from error

    @classmethod
    def _from_parts(
        cls, encoder: Encoder, manifest: dict[str, Any], table: list[dict[str, Any]], arrays: dict[str, NDArray[Any]]
    ) -> Catalog:
        count = int(manifest["references"])
        sized = {
            name: len(arrays[name])
            for name in ("vectors", "content", "token_codes", "token_scales", "foreground")
            if name in arrays
        }
        if len(table) != count or set(sized.values()) != {count}:
            raise ValueError(f"{count} references, {len(table)} rows in the table, arrays {sized}")
        ends = np.cumsum([int(row["copy_bytes"]) for row in table])
        blob = arrays["copies"].tobytes()
        references, sizes = [], []
        for row, end in zip(table, ends.tolist(), strict=True):
            jpeg = blob[end - int(row["copy_bytes"]) : end]
            fields = {key: row[key] for key in ("id", "brand", "product", "category", "gallery", "price", "currency")}
            references.append(Reference(photo=jpeg, regions=[Region(*box) for box in row["regions"]], **fields))
            sizes.append((int(row["size"][0]), int(row["size"][1])))
        packed = "token_codes" in arrays
        return cls(
            encoder=encoder,
            references=references,
            sha256=[str(row["sha256"]) for row in table],
            sizes=sizes,
            vectors=arrays["vectors"],
            content=arrays["content"],
            centre=arrays["centre"],
            grid=(int(manifest["grid"][0]), int(manifest["grid"][1])),
            space=TokenSpace(arrays["token_scale"], arrays["token_basis"]) if packed else None,
            tokens=PackedTokens(arrays["token_codes"], arrays["token_scales"]) if packed else None,
            foreground=np.float32(1 / 255) * arrays["foreground"] if "foreground" in arrays else None,
            marks=_marks_from(arrays, count),
        )

    @staticmethod
    def verify(folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The manifest, after every file was found whole; :class:`CorruptCatalogError` names what is missing or
        changed.
        """
        return _read(Path(folder))[0]

    def info(self) -> dict[str, Any]:
        """What is in it, in plain values."""
        tokens = 0 if self.tokens is None else self.tokens.codes[0].nbytes + self.tokens.scales[0].nbytes
        return {
            "references": len(self),
            "brands": len({reference.brand for reference in self.references}),
            "products": len(set(self.products.tolist())),
            "galleries": {
                name: count
                for name in ("official", "genuine", "known_fake")
                if (count := sum(reference.gallery == name for reference in self.references))
            },
            "encoder": getattr(self.encoder, "name", ""),
            "fingerprint": self.encoder.fingerprint,
            "vector_dimensions": int(self.vectors.shape[1]),
            "token_bytes_per_reference": tokens,
            "failures": len(self.failures),
        }

    @cached_property
    def generation(self) -> str:
        """Names what is in the catalogue: another set of photos, or another encoder, is another generation."""
        rows = json.dumps([list(self._table()), self.encoder.fingerprint], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

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

        rows = "".join(
            f"<tr><th>{escape(str(key))}</th><td>{escape(str(value))}</td></tr>" for key, value in self.info().items()
        )
        return f"<table>{rows}</table>"


def _foreground(encoder: Encoder, photos: Embeddings) -> NDArray[np.float32] | None:
    if photos.patches is None:
        return None
    head = load_foreground(getattr(encoder, "recipe", None), photos.patches.shape[2])
    return None if head is None else head(photos.patches, photos.content, photos.grid)


def _compared(
    foreground: NDArray[np.float32] | None, content: NDArray[np.float32], grid: tuple[int, int]
) -> NDArray[np.bool_]:
    on_photo = np.stack([patch_mask(box, grid).reshape(-1) >= MASK for box in content])
    return product_mask(np.ones(on_photo.shape, np.float32) if foreground is None else foreground, on_photo)


def _encoded_marks(
    encoder: Encoder, references: Sequence[Reference], rows: Sequence[EncodedPhoto], space: TokenSpace | None
) -> Marks | None:
    """Encode the marks' crops of the full photos, a batch at a time."""
    keys: list[int] = []
    squares: list[NDArray[np.uint8]] = []
    for key, (reference, row) in enumerate(zip(references, rows, strict=True)):
        if reference.regions:
            pixels = decode(row.source, name=row.id).pixels
            keys += [key] * len(reference.regions)
            squares += [encoder.preprocess(cut(pixels, region))[0] for region in reference.regions]
    if not keys:
        return None
    size = encoder.batch_size
    parts = [encoder.encode(np.stack(squares[start : start + size])) for start in range(0, len(squares), size)]
    patches = [part.patches for part in parts if part.patches is not None]
    return Marks(
        rows=np.array(keys, np.int64),
        vectors=np.concatenate([part.vectors for part in parts]),
        tokens=space.pack(np.concatenate(patches)) if space is not None and patches else None,
    )


def _marks_from(arrays: dict[str, NDArray[Any]], references: int) -> Marks | None:
    if "mark_rows" not in arrays:
        return None
    rows = arrays["mark_rows"]
    if len(rows) != len(arrays["mark_vectors"]) or not ((rows >= 0) & (rows < references)).all():
        raise ValueError(f"{len(rows)} marks of {references} references do not fit together")
    packed = "mark_codes" in arrays
    tokens = PackedTokens(arrays["mark_codes"], arrays["mark_scales"]) if packed else None
    return Marks(rows, arrays["mark_vectors"], tokens)


def _copy(photo: EncodedPhoto) -> bytes:
    return small_jpeg(decode(photo.source, name=photo.id).pixels, COPY_SIDE, quality=90)


def _centre(vectors: NDArray[np.float32], products: Sequence[str]) -> NDArray[np.float32]:
    """The mean of the products' means, so that a product with many photos does not pull it."""
    names = np.array(products, dtype=str)
    means = [vectors[names == name].mean(axis=0) for name in sorted(set(products))]
    return np.mean(means, axis=0).astype(np.float32) if len(means) > 1 else np.zeros(vectors.shape[1], np.float32)


def _top_two(cosines: NDArray[np.float32]) -> float:
    return float(np.sort(cosines)[-2:].mean())


def _reference_scores(
    groups: Sequence[NDArray[np.int64]], products: NDArray[np.float32], singles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores of the groups' references in order: the product's likeness, less what each lacks to the product's best
    reference.
    """
    scores, start = [], 0
    for group, product in zip(groups, products, strict=True):
        own = singles[start : start + len(group)] if len(group) > 1 else np.zeros(1, np.float32)
        start += len(group) if len(group) > 1 else 0
        scores.append(product + own - own.max())
    return np.concatenate(scores)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    about = {"fingerprint", "encoder", "references", "grid"}
    return read_sealed(folder, format=FORMAT, roles={"references", "arrays"}, about=about)
