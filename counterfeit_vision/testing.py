"""What a plug-in must pass, in the style of scikit-learn's ``check_estimator``.

Each check takes the object, or what makes it, and raises :class:`AssertionError` with the promise that is broken. The
library's own parts pass the same checks. In a plug-in's tests::

    from counterfeit_vision.testing import check_encoder, check_head, check_index

    def test_my_encoder_keeps_the_contract():
        check_encoder(MyEncoder())

    def test_my_index_keeps_the_contract():
        check_index(MyIndex)

    def test_my_head_keeps_the_contract(catalog, photos):
        check_head(MyHead(), catalog, photos)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Doubles, Floats, Ints, Pixels
from .catalog import Catalog
from .encoders.base import Encoder, OverlappingEncoder, TextEncoder
from .errors import InputError
from .heads import Head, Suspects
from .judging import Listings, encoded_listings, suspects_of
from .preprocess import Preprocess
from .search.base import Index
from .types import Embeddings, Evidence
from .usual import LARGEST

__all__ = ["check_encoder", "check_head", "check_index"]

TEXTS = ["a red bag", "Sac à main, très bon état"]
THREADS = 4  # that search an index at once
# Numbers of evidence that decisions hang on
DECIDING = ("covered", "uneven", "shaded", "sharpness", "steps", "grain", "unlike")


def _check_members(plugin: object, protocol: type, members: str) -> None:
    whole = isinstance(plugin, protocol) and not isinstance(plugin, type)  # a class has them, too
    assert whole, f"{plugin!r:.80} is no object with {members}"


# --- encoders --------------------------------------------------------------------------------------------------------


def check_encoder(encoder: Encoder, *, tolerance: float = 1e-4) -> None:
    """Whether ``encoder`` keeps the contract of :class:`counterfeit_vision.encoders.Encoder`.

    - ``fingerprint`` is a text that stays, ``batch_size`` a whole number, ``preprocess`` a
      :class:`~counterfeit_vision.preprocess.Preprocess` that makes squares of its ``size``;
    - ``encode`` gives one row an image, in order: float32 vectors of unit length, float16 patches of two numbers or
      more that fill ``grid`` (or ``None``), content boxes, ids, and the fingerprint; all finite;
    - a row depends on its own image only: not on batch mates, their order, their number or the call before. Vectors
      stay within ``tolerance`` (1e-4 for float32; state your own for bfloat16), patches within twenty times that share
      of their length, because they are rounded to float16;
    - no images give no rows, of the same widths;
    - where there is an ``encode_text``, it gives one row a text, of the same width, float32, finite and of unit length,
      each depending on its own text only;
    - the images are not written to, and may be read-only or a view with strides; where there is a ``begin``, it also
      takes a list of them, and ``in_flight`` batches begun before the first is collected do not touch each other's
      rows, nor those that were collected before;
    - images of another size, dtype or layout raise :class:`InputError`.

    Raises :class:`AssertionError` that names what is broken. A few small batches are encoded, and two texts.
    """
    _check_members(encoder, Encoder, "fingerprint, preprocess, batch_size and encode()")
    fingerprint = encoder.fingerprint
    named = isinstance(fingerprint, str) and bool(fingerprint)
    assert named, f"fingerprint is {fingerprint!r}, expected a non-empty text"
    count = encoder.batch_size
    assert _is_size(count), f"batch_size is {count!r}, expected a whole number, 1 or more"
    images = _squares(encoder)
    before = images.copy()
    rows = encoder.encode(images)
    _check_rows(rows, len(images), fingerprint)
    assert np.array_equal(images, before), "encode() writes into the images it is given"
    cosines = rows.vectors @ rows.vectors.T
    assert cosines.min() < 1 - 1e-6, "all images have the same vector: the encoder does not look at them"

    _check_same(rows, encoder.encode(images), slice(None), tolerance, "the same batch, encoded twice")
    order = np.random.default_rng(1).permutation(len(images))
    _check_same(rows, encoder.encode(images[order]), order, tolerance, "the same batch in another order")
    for row in range(len(images)):
        single = encoder.encode(images[row : row + 1])
        _check_rows(single, 1, fingerprint)
        _check_same(rows, single, slice(row, row + 1), tolerance, f"image {row} alone, against in a batch")
    if count < 64:  # one more than fits: an encoder may cut a batch, its rows may not show it
        many = np.resize(np.arange(len(images)), count + 1)
        _check_same(rows, encoder.encode(images[many]), many, tolerance, f"a batch of {count + 1}")

    locked = images.copy()
    locked.flags.writeable = False
    _check_same(rows, encoder.encode(locked), slice(None), tolerance, "read-only images")
    _check_same(rows, encoder.encode(locked[::-1]), slice(None, None, -1), tolerance, "a reversed view")
    if isinstance(encoder, OverlappingEncoder):
        _check_same(rows, encoder.begin(list(images))(), slice(None), tolerance, "squares that begin() has to stack")
        _check_overlap(encoder, images, rows, tolerance)
    if isinstance(encoder, TextEncoder):
        _check_texts(encoder, rows.vectors.shape[1], tolerance)
    empty = encoder.encode(images[:0])
    _check_rows(empty, 0, fingerprint)
    assert empty.vectors.shape[1:] == rows.vectors.shape[1:], f"no images give vectors of shape {empty.vectors.shape}"
    if rows.patches is None or empty.patches is None:
        assert empty.patches is rows.patches is None, "patches are None for some batches and an array for others"
    else:
        assert empty.patches.shape[1:] == rows.patches.shape[1:], f"no images give patches {empty.patches.shape}"

    wrong = {
        "float pixels": images.astype(np.float32) / 255,
        "one image without the batch axis": images[0],
        "channels first": np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        "another size": images[:, 1:, 1:],
        "grey images": images[..., :1],
        "four channels": np.concatenate([images, images[..., :1]], axis=-1),
    }
    for name, array in wrong.items():
        _check_refused(encoder.encode, array, what=f"encode() of {name}, {array.dtype} {array.shape}")
    assert encoder.fingerprint == fingerprint, "the fingerprint has changed while encoding"


def _is_size(value: object) -> bool:
    return isinstance(value, int) and value >= 1


def _squares(encoder: Encoder) -> Pixels:
    """Seven seeded squares, no two alike: noise, waves of three colours, black, and a photo that was prepared."""
    preprocess = encoder.preprocess
    assert isinstance(preprocess, Preprocess), f"preprocess is a {type(preprocess).__name__}, expected a Preprocess"
    size = preprocess.size
    assert _is_size(size), f"preprocess.size is {size!r}, expected a whole number of pixels"
    random = np.random.default_rng(0)
    images = np.zeros((7, size, size, 3), np.uint8)
    images[:2] = random.integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    y, x = np.mgrid[0:size, 0:size] / size
    for row in range(2, 5):
        images[row, ..., row - 2] = 127 + 120 * np.sin(7 * row * x + 3 * y)
        images[row, ..., row - 3] = 255 * y
    square, content = preprocess(random.integers(0, 256, (size + 9, 2 * size + 5, 3), dtype=np.uint8))
    assert square.shape == (size, size, 3), f"preprocess() makes {square.shape}, expected {(size, size, 3)}"
    assert square.dtype == np.uint8, f"preprocess() makes {square.dtype}, expected uint8"
    assert content.shape == (4,), f"preprocess() gives a content box of shape {content.shape}, expected (4,)"
    images[6] = square
    return images


def _check_rows(rows: Embeddings, count: int, fingerprint: str) -> None:
    assert isinstance(rows, Embeddings), f"encode() gives {type(rows).__name__}, expected Embeddings"
    vectors, patches = rows.vectors, rows.patches
    assert len(rows) == count, f"{count} images give {len(rows)} rows"
    assert rows.failures == (), f"encode() reports failures: {rows.failures}; it raises, or gives every row"
    assert rows.fingerprint == fingerprint, f"rows carry the fingerprint {rows.fingerprint!r}, not {fingerprint!r}"
    assert vectors.ndim == 2, f"vectors have shape {vectors.shape}, expected ({count}, D)"
    assert vectors.shape[1] > 0, "vectors have no columns"
    _check_unit(vectors, "vectors")
    content = rows.content
    assert content.shape == (count, 4), f"{count} images give content boxes of shape {content.shape}"
    assert content.dtype == np.float32, f"content is {content.dtype}, expected float32"
    if patches is None:
        return
    cells = rows.grid[0] * rows.grid[1]
    assert patches.ndim == 3, f"patches have shape {patches.shape}, expected ({count}, {cells}, E)"
    assert patches.shape[2] > 1, f"patches have {patches.shape[2]} columns, expected 2 or more"
    assert patches.dtype == np.float16, f"patches are {patches.dtype}, expected float16"
    assert np.isfinite(patches).all(), "patches hold NaN or infinity: more than float16 takes?"


def _check_unit(vectors: Floats, what: str) -> None:
    assert vectors.dtype == np.float32, f"{what} are {vectors.dtype}, expected float32"
    assert np.isfinite(vectors).all(), f"{what} hold NaN or infinity"
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.allclose(lengths, 1, atol=1e-3), f"{what} have lengths {lengths}, expected 1"


def _check_texts(encoder: TextEncoder, width: int, tolerance: float) -> None:
    """Two texts together, and each by itself."""
    alone: list[Floats] = []
    for texts in ([TEXTS[0]], [TEXTS[1]], TEXTS):
        try:
            vectors = encoder.encode_text(texts)
        except Exception as error:
            raise AssertionError(f"encode_text({texts}) raises {type(error).__name__}: {error}") from error
        assert isinstance(vectors, np.ndarray), f"encode_text() gives {type(vectors).__name__}, expected an array"
        shape = (len(texts), width)
        assert vectors.shape == shape, f"vectors of texts have shape {vectors.shape}, expected {shape}, as of photos"
        _check_unit(vectors, "vectors of texts")
        alone.append(vectors.copy())
    gap = float(np.abs(alone.pop() - np.concatenate(alone)).max())
    assert gap <= tolerance, f"a text alone, against in a batch: vectors differ by {gap:.2g}, not {tolerance:.2g}"


def _check_same(rows: Embeddings, again: Embeddings, which: slice | Ints, tolerance: float, what: str) -> None:
    """``again`` holds what ``rows[which]`` holds."""
    vectors = rows.vectors[which]
    assert again.vectors.shape == vectors.shape, f"{what}: vectors of shape {again.vectors.shape}, not {vectors.shape}"
    gap = float(np.abs(again.vectors - vectors).max(initial=0))
    assert gap <= tolerance, f"{what}: vectors differ by {gap:.2g}, the bound is {tolerance:.2g}"
    assert (again.patches is None) == (rows.patches is None), f"{what}: patches are None once and an array once"
    if rows.patches is not None and again.patches is not None:
        patches = rows.patches[which].astype(np.float32)
        lengths = np.linalg.norm(patches, axis=-1)
        gaps = np.linalg.norm(again.patches.astype(np.float32) - patches, axis=-1) / (lengths + lengths.mean() + 1e-6)
        worst, bound = float(gaps.max(initial=0)), 20 * tolerance
        assert worst <= bound, f"{what}: patches differ by {worst:.2g} of their length, the bound is {bound:.2g}"


def _check_overlap(encoder: OverlappingEncoder, images: Pixels, rows: Embeddings, tolerance: float) -> None:
    """Batches that are no two alike, begun and collected as :mod:`~counterfeit_vision.stream` does, and read last."""
    ahead = encoder.in_flight
    assert _is_size(ahead), f"in_flight is {ahead!r}, expected a whole number, 1 or more"
    turns = [np.roll(np.arange(len(images)), turn) for turn in range(ahead + 2)]
    begun: deque[Callable[[], Embeddings]] = deque()
    collected: list[Embeddings] = []
    for turn in turns:
        begun.append(encoder.begin(list(images[turn])))
        if len(begun) >= ahead:
            collected.append(begun.popleft()())
    collected += [collect() for collect in begun]
    for turn, again in zip(turns, collected, strict=True):
        _check_rows(again, len(images), rows.fingerprint)
        _check_same(rows, again, turn, tolerance, f"a batch begun beside others, in_flight={ahead}")


# --- heads -----------------------------------------------------------------------------------------------------------


def check_head(head: Head, catalog: Catalog, listings: Listings, *, tolerance: float = 1e-4) -> None:
    """Whether ``head`` keeps the contract of :class:`counterfeit_vision.heads.Head` on these photos or ``listings``.

    Bring some that it has much to say about and some that it can say nothing about, and two at least.

    - ``name`` is a text that stays; ``fingerprint``, where there is one, is a text, too;
    - ``score`` gives one :class:`~counterfeit_vision.Evidence` a photo, in order, each with a sentence: a score within
      1e100 of 0, or ``Evidence.not_applicable(reason)``;
    - a region lies on the photo, a heat map is float32, finite, nowhere below 0, matched points are float32, and
      ``references`` are ids of the catalogue;
    - a photo's evidence depends on its own listing only: not on batch mates, their order or the call before. Scores,
      and what is told to be ``covered``, ``uneven`` or ``shaded``, of its ``sharpness``, ``steps`` and ``grain`` and to
      be ``unlike``, stay within ``tolerance``, or that share of themselves (1e-4 for an encoder in float32; state your
      own for bfloat16), and ``joint`` is the same;
    - the vectors, patches and pixels that it is given are not written to.

    Raises :class:`AssertionError` that names what is broken, :class:`InputError` where fewer than two listings can be
    read.
    """
    _check_members(head, Head, "name and score()")
    name = head.name
    assert isinstance(name, str), f"name is {name!r}, expected a text"
    assert name, "name is empty"
    stated = getattr(head, "fingerprint", None)
    assert isinstance(stated, str | None), f"fingerprint is {stated!r}, expected a text"
    encoded = [(listing, photos) for listing, photos, _ in encoded_listings(listings, catalog, False) if photos]
    if len(encoded) < 2:
        raise InputError(f"check_head(): {len(encoded)} of the listings can be read, need two at least")

    def scored(chosen: Sequence[int]) -> list[list[Evidence]]:
        """What the head says of these listings in one batch, photo by photo."""
        photos = [photo for place in chosen for photo in encoded[place][1]]
        suspects = suspects_of([encoded[place][0] for place in chosen for _ in encoded[place][1]], photos, catalog)
        rows = iter(_checked_evidence(head, suspects))
        return [[next(rows) for _ in encoded[place][1]] for place in chosen]

    everything = range(len(encoded))
    first = scored(everything)
    others: dict[str, Sequence[int]] = {"the same batch, scored twice": everything}
    others["the same batch in reverse"] = everything[::-1]
    others |= {f"{encoded[place][0].id} alone, against in a batch": [place] for place in everything}
    for what, chosen in others.items():
        for place, again in zip(chosen, scored(chosen), strict=True):
            for photo, one, other in zip(encoded[place][1], first[place], again, strict=True):
                for number in ("score", *DECIDING):
                    told, now = getattr(one, number), getattr(other, number)
                    same = _is_near(told, now, tolerance)
                    assert same, f"{what}: {photo.id} has the {number} {now}, not {told}"
                assert one.joint == other.joint, f"{what}: {photo.id} has the joint {other.joint!r}, not {one.joint!r}"
    assert head.name == name, f"the name has changed from {name!r} to {head.name!r} while scoring"


def _is_near(told: float | None, now: float | None, tolerance: float) -> bool:
    """Whether two numbers are the same, within a tolerance or that share of the first, or both say nothing."""
    first, second = (math.nan if number is None else float(number) for number in (told, now))
    if not (math.isfinite(first) and math.isfinite(second)):
        return math.isfinite(first) == math.isfinite(second)
    return abs(first - second) <= tolerance * max(1.0, abs(first))


def _checked_evidence(head: Head, suspects: Suspects) -> list[Evidence]:
    """What the head says, each row for itself as it should be, and what the head was given as it was."""
    photos = suspects.photos
    before = [None if array is None else array.copy() for array in (photos.vectors, photos.patches, photos.content)]
    pixels = [suspects.pixels(row).copy() for row in range(len(suspects))]
    rows = head.score(suspects)
    assert isinstance(rows, list), f"score() gives {type(rows).__name__}, expected a list of Evidence"
    assert len(rows) == len(suspects), f"{len(suspects)} photos give {len(rows)} rows"
    known = {reference.id for reference in suspects.catalog.references}
    for row, item in enumerate(rows):
        of = suspects.encoded[row].id
        assert isinstance(item, Evidence), f"{of}: score() gives {type(item).__name__}, expected Evidence"
        assert item.text, f"{of}: the evidence has no text"
        finite = abs(item.score) <= LARGEST
        assert finite or not item.applicable, f"{of}: the score is {item.score}; say Evidence.not_applicable(reason)"
        assert item.applicable or not finite, f"{of}: does not apply, and yet has the score {item.score}"
        width, height = suspects.size(row)
        if (box := item.region) is not None:
            on_photo = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert on_photo, f"{of}: {box} reaches beyond the photo of {width} x {height} pixels"
        if (heat := item.heatmap) is not None:
            assert heat.dtype == np.float32, f"{of}: a heat map is {heat.dtype}, expected float32"
            assert np.isfinite(heat).all(), f"{of}: the heat map holds NaN or infinity"
            assert heat.min() >= 0, f"{of}: the heat map falls to {heat.min()}; 0 is as usual"
        if (points := item.points) is not None:
            assert points.dtype == np.float32, f"{of}: points are {points.dtype}, expected float32"
        strange = set(item.references) - known
        assert not strange, f"{of}: references {sorted(strange)} are not in the catalogue"
        assert np.array_equal(suspects.pixels(row), pixels[row]), f"{of}: score() writes into the pixels"
    for array, kept in zip((photos.vectors, photos.patches, photos.content), before, strict=True):
        same = array is kept or (array is not None and kept is not None and np.array_equal(array, kept))
        assert same, "score() writes into the embeddings that it is given"
    return rows


# --- indexes ---------------------------------------------------------------------------------------------------------


def check_index(make_index: Callable[[int], Index], *, recall: float = 1.0, tolerance: float = 1e-5) -> None:
    """Whether the indexes of ``make_index(dim)`` keep the contract of :class:`counterfeit_vision.search.base.Index`.

    - ``search`` finds what a comparison with every vector finds: keys int64 and inner products float32, best first,
      none twice. Where vectors tie, any of them will do. An approximate index states its ``recall``: the share of the
      true best that it must find; its scores must be true all the same, within ``tolerance``, and no row is empty
      where anything may be found;
    - ``allowed`` leaves exactly these keys; keys that are not held change nothing there, and none leaves nothing;
    - rows are padded with key -1 and score -inf: more wanted than held or allowed, and an empty index;
    - ``add`` and ``remove`` take effect at once, and ``len`` follows; a removed key may come back with another vector;
    - a key that is held already, comes twice or is negative, and removing one that is not held, raise
      :class:`InputError` and change nothing; so do NaN, infinity, vectors of another length, and keys that do not match
      the vectors;
    - threads that search at the same time find what one finds, and what was found stays as it is;
    - arrays that are passed in are not written to, and may be read-only.

    >>> from counterfeit_vision.search.exact import ExactIndex
    >>> check_index(ExactIndex)
    """
    random = np.random.default_rng(0)
    dim, count = 16, 150
    vectors = _unit(random.standard_normal((count, dim)))
    vectors[70:80] = vectors[60:70]  # ties
    keys = random.permutation(count).astype(np.int64) * 7 + 3
    keys[5] = 2**40  # keys are 64 bits wide
    queries = np.concatenate([_unit(random.standard_normal((20, dim))), vectors[60:65]])
    for array in (vectors, keys, queries):
        array.flags.writeable = False

    index, held = make_index(dim), dict[int, Floats]()
    _check_members(index, Index, "add(), remove(), search() and len()")
    checked = _CheckedIndex(index, held, recall, tolerance)
    other = make_index(dim)
    assert len(index) == 0, f"a new index holds {len(index)} vectors"
    checked.search("an empty index", queries, 3)
    index.add(keys[:100], vectors[:100])
    index.add(keys[100:], vectors[100:])
    assert len(index) == count, f"{count} vectors were added in two parts, len() is {len(index)}"
    assert len(other) == 0, "two indexes of one make_index share their vectors"
    index.add(keys[:0], vectors[:0])
    held |= zip(keys.tolist(), vectors, strict=True)
    for k in (1, 10, count, count + 5):
        checked.search(f"k={k} of {count}", queries, k)
    checked.search("no queries", queries[:0], 3)

    some = keys[::4]
    checked.search("a quarter allowed", queries, 5, some)
    checked.search("one allowed", queries, 5, keys[5:6])
    checked.search("none allowed", queries, 5, keys[:0])
    strangers = np.concatenate([[1, 2**41], some, some[:3]]).astype(np.int64)
    checked.search("allowed with unknown and repeated keys", queries, 5, strangers)
    checked.search("all allowed, after a search with a filter", queries, 5)
    checked.search_in_threads(queries, some)

    nan, endless = vectors[:2].copy(), vectors[:2].copy()
    nan[1, 3], endless[0, 0] = np.nan, np.inf
    fresh = np.array([10_001, 10_002], np.int64)
    for what, new_keys, new_vectors in (
        ("add() of a key that is held", np.array([10_001, keys[0]]), vectors[:2]),
        ("add() of one key twice", np.array([10_001, 10_001]), vectors[:2]),
        ("add() of a negative key", np.array([10_001, -1]), vectors[:2]),
        ("add() of NaN", fresh, nan),
        ("add() of infinity", fresh, endless),
        ("add() of longer vectors", fresh, _unit(random.standard_normal((2, dim + 1)))),
        ("add() of one vector without the batch axis", fresh[:1], vectors[0]),
        ("add() of fewer keys than vectors", fresh[:1], vectors[:2]),
    ):
        _check_refused(index.add, new_keys, new_vectors, what=what)
        assert len(index) == count, f"{what} is refused, but changes len() from {count} to {len(index)}"
    _check_refused(index.remove, np.array([keys[0], 20_001]), what="remove() of a key that is not held")
    _check_refused(index.search, nan, 3, what="search() for NaN")
    _check_refused(index.search, queries[:, 1:], 3, what="search() for shorter vectors")
    _check_refused(index.search, queries[0], 3, what="search() for one vector without the batch axis")
    assert len(index) == count, f"calls that were refused changed len() from {count} to {len(index)}"
    checked.search("after calls that were refused", queries, 10)

    gone = keys[40:110]
    index.remove(gone)
    for key in gone.tolist():
        del held[key]
    assert len(index) == count - len(gone), f"{len(gone)} of {count} were removed, len() is {len(index)}"
    checked.search("after remove()", queries, 10)
    checked.search("only removed keys allowed", queries, 5, gone)
    back = _unit(random.standard_normal((3, dim)))
    index.add(gone[:3], back)
    held |= zip(gone[:3].tolist(), back, strict=True)
    checked.search("removed keys added again", np.concatenate([queries, back]), 10)
    index.remove(np.array(sorted(held), np.int64))
    held.clear()
    assert len(index) == 0, f"all were removed, len() is {len(index)}"
    checked.search("everything removed", queries, 3)


def _unit(vectors: Doubles) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class _CheckedIndex:
    """An ``index``, whose searches are compared with brute force over what should be ``held``."""

    index: Index
    held: dict[int, Floats]
    recall: float
    tolerance: float

    def search(self, what: str, queries: Floats, k: int, allowed: Ints | None = None) -> None:
        """Search once."""
        passed = queries.copy()
        found = self.index.search(queries, k) if allowed is None else self.index.search(queries, k, allowed)
        assert np.array_equal(queries, passed), f"{what}: search() writes into the queries"
        self._compare(what, *found, queries, k, allowed)

    def search_in_threads(self, queries: Floats, some: Ints) -> None:
        """Search in several threads at once, with and without a filter. All is read when the last has ended."""
        searches = [(np.roll(queries, turn, axis=0), (None, some)[turn % 2]) for turn in range(5 * THREADS)]
        what = f"{THREADS} threads that search at once"
        with ThreadPoolExecutor(THREADS) as pool:
            answers = [pool.submit(self.index.search, asked, 5, allowed) for asked, allowed in searches]
        for answer in answers:
            error = answer.exception()
            assert error is None, f"{what}: {type(error).__name__}: {error}"
        for answer, (asked, allowed) in zip(answers, searches, strict=True):
            self._compare(what, *answer.result(), asked, 5, allowed)

    def _compare(self, what: str, keys: Ints, scores: Floats, queries: Floats, k: int, allowed: Ints | None) -> None:
        shape = (len(queries), k)
        assert keys.shape == shape, f"{what}: keys have shape {keys.shape}, expected {shape}"
        assert scores.shape == shape, f"{what}: scores have shape {scores.shape}, expected {shape}"
        assert keys.dtype == np.int64, f"{what}: keys are {keys.dtype}, expected int64"
        assert scores.dtype == np.float32, f"{what}: scores are {scores.dtype}, expected float32"
        candidates = sorted(set(self.held) if allowed is None else set(self.held) & set(allowed.tolist()))
        take = min(k, len(candidates))
        found, wanted = 0, 0
        for row, query in enumerate(queries):
            true = {key: float(query.astype(np.float64) @ self.held[key].astype(np.float64)) for key in candidates}
            best = sorted(true.values(), reverse=True)[:take]
            filled = int((keys[row] >= 0).sum())
            got, given = keys[row, :filled].tolist(), scores[row, :filled]
            padding = keys[row, filled:]
            assert (padding == -1).all(), f"{what}: padding {padding}, expected -1, all of it at the end"
            assert np.isneginf(scores[row, filled:]).all(), (
                f"{what}: padding scores {scores[row, filled:]}, expected -inf"
            )
            assert filled <= take, f"{what}: {filled} results, but only {take} keys qualify"
            assert filled or not take, f"{what}: nothing was found for a query, of {len(candidates)} that may be"
            assert self.recall < 1 or filled == take, f"{what}: {filled} results, expected {take}"
            assert len(set(got)) == filled, f"{what}: a key comes twice: {got}"
            assert set(got) <= set(true), (
                f"{what}: key {min(set(got) - set(true), default=None)} is not held or allowed"
            )
            assert (np.diff(given) <= self.tolerance).all(), f"{what}: scores {given} are not best first"
            for key, score in zip(got, given.tolist(), strict=True):
                gap = abs(true[key] - score)
                assert gap <= self.tolerance, f"{what}: key {key} has score {score}, its inner product is {true[key]}"
            wanted += take
            found += sum(true[key] >= best[-1] - self.tolerance for key in got) if take else 0
        assert found >= self.recall * wanted, (
            f"{what}: {found} of the {wanted} best were found, recall {self.recall} was promised"
        )


def _check_refused(call: Callable[..., Any], *arguments: Any, what: str) -> None:
    try:
        call(*arguments)
    except InputError:
        return
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}, expected InputError: {error}") from error
    raise AssertionError(f"{what} raises nothing, expected InputError")
