"""Photos in, encoded photos out.

A source is read lazily; a few threads decode and prepare photos ahead of the encoder; full batches go through the
encoder; what comes out stands in input order, one :class:`EncodedPhoto` or one :class:`~counterfeit_vision.Failure` for
each photo. Where the encoder's device works on its own (a GPU), the next batch is begun before the last is collected.
Photos are known by the sha256 of their bytes: what the cache holds, or what stands in the same batch or the one before
it, is not encoded again; bytes that a thread has in hand are not decoded again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from .._arrays import Floats, Pixels
from .._concurrency import Pool, progress_bar
from ..align.orientation import AS_GIVEN, Turn
from ..errors import DecodeError, InputError
from ..io.cache import CachedPhoto, EmbeddingCache, opened
from ..io.decode import decode, photo_name, read_bytes
from ..io.thumbnails import small_jpeg
from ..types import Embeddings, Failure, Photo, PhotoView, check_list
from ..types.checks import own_arrays
from .base import Encoder, OverlappingEncoder, precision_of, refuse_no_encoder

__all__ = ["EncodedPhoto", "embed", "encode_photos", "stack", "turned"]

AHEAD = 2  # batches of prepared photos that may wait for the encoder


@dataclass(frozen=True, eq=False)
class EncodedPhoto:
    """One photo's row of :class:`~counterfeit_vision.Embeddings`, with its hash, a small copy to show, and ``source``,
    the photo as it was given, for those who need all its pixels. ``turn``: it was given the wrong way round, and
    ``vector``, ``patches``, ``content`` and :meth:`pixels` are of the photo turned (:func:`turned`).
    """

    id: str
    sha256: str
    vector: Floats
    patches: NDArray[np.float16] | None
    grid: tuple[int, int]
    content: Floats
    view: PhotoView
    source: Photo
    turn: Turn = AS_GIVEN

    @property
    def shown_as(self) -> str:
        """What is known of its :meth:`pixels` is kept by this: its hash, and how it was turned."""
        turn = self.turn
        return f"{self.sha256} {turn.quarters}{' mirrored' * turn.mirrored}" if turn else self.sha256

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its :meth:`pixels`."""
        width, height = self.view.size
        return (height, width) if self.turn.quarters % 2 else (width, height)

    def pixels(self) -> Pixels:
        """The whole photo, (h, w, 3) uint8 RGB, upright, decoded anew; by its ``turn`` the right way round.

        Raises :class:`~counterfeit_vision.DecodeError` where its file has gone since, or shows another picture.
        """
        name = photo_name(self.source, self.id)
        decoded = decode(self.source, name=name)
        if decoded.sha256 != self.sha256:
            raise _changed(name)
        return self.turn.of(decoded.pixels) if self.turn else decoded.pixels


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A decoded photo on its way to the encoder; ``kept`` where the cache knew it."""

    id: str
    source: Photo
    sha256: str
    square: Pixels | None = None
    content: Floats | None = None
    size: tuple[int, int] = (0, 0)
    view: bytes = b""
    kept: CachedPhoto | None = None


def embed(
    photos: Iterable[Photo],
    *,
    encoder: Encoder,
    ids: Sequence[str] | None = None,
    cache: EmbeddingCache | bool = True,
    progress: bool = False,
) -> Embeddings:
    """Encode photos (paths, bytes, PIL images, uint8 arrays), in order.

    Rows of photos that failed are absent from ``vectors``, ``patches`` and ``ids`` and stand in ``failures`` instead.
    ``ids`` defaults to the paths, or ``"photo 0"``, ``"photo 1"``... ``cache=False`` leaves the disk alone.
    """
    check_list(photos, "embed()", "embed([photo], encoder=encoder)")
    photos = list(own_arrays(photos))
    names = [photo_name(photo, f"photo {row}") for row, photo in enumerate(photos)] if ids is None else _texts(ids)
    if len(names) != len(photos):
        raise InputError(f"embed() got {len(photos)} photos and {len(names)} ids")
    rows: list[EncodedPhoto] = []
    failures: list[Failure] = []
    stream = encode_photos(zip(names, photos, strict=True), encoder=encoder, cache=cache, views=False)
    for result in progress_bar(stream, total=len(names), unit="photo", progress=progress):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            rows.append(result)
    return stack(rows, encoder=encoder, failures=failures)


def _texts(ids: Sequence[str]) -> list[str]:
    """:class:`InputError` where one is none."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InputError(f"embed(ids={ids!r:.80}): need a list of texts, one a photo")
    names = list(ids)
    for row, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(f"embed(): ids[{row}] is {name!r:.80}, no text; type ids=[str(id) for id in ids]")
    return names


def stack(rows: Sequence[EncodedPhoto], *, encoder: Encoder, failures: Sequence[Failure] = ()) -> Embeddings:
    """Rows to one struct of aligned arrays."""
    if not rows:
        size = encoder.preprocess.size
        empty = encoder.encode(np.zeros((0, size, size, 3), np.uint8))
        return Embeddings(
            empty.vectors, empty.patches, empty.grid, empty.content, (), tuple(failures), encoder.fingerprint
        )
    return Embeddings(
        vectors=np.stack([row.vector for row in rows]),
        patches=None if rows[0].patches is None else np.stack([row.patches for row in rows if row.patches is not None]),
        grid=rows[0].grid,
        content=np.stack([row.content for row in rows]),
        ids=tuple(row.id for row in rows),
        failures=tuple(failures),
        fingerprint=encoder.fingerprint,
    )


def turned(
    photos: Sequence[EncodedPhoto], pixels: Iterable[Pixels], turns: Sequence[Turn], encoder: Encoder
) -> Generator[EncodedPhoto, None, None]:
    """Photos that are given the wrong way round, of these ``pixels`` (h, w, 3), turned and encoded again. Their ids,
    hashes and small copies stay.
    """
    shown = ((photo.id, turn.of(given)) for photo, given, turn in zip(photos, pixels, turns, strict=True))
    again = encode_photos(shown, encoder=encoder, cache=False, views=False)
    for photo, turn, result in zip(photos, turns, again, strict=True):
        assert isinstance(result, EncodedPhoto)
        yield dataclasses.replace(result, sha256=photo.sha256, view=photo.view, source=photo.source, turn=turn)


def encode_photos(
    photos: Iterable[tuple[str, Photo | Failure]],
    *,
    encoder: Encoder,
    cache: EmbeddingCache | bool = True,
    views: bool = True,
) -> Generator[EncodedPhoto | Failure, None, None]:
    """Lazily encode ``(id, photo)`` pairs; exactly one result for each, in input order. What failed before it came here
    is its own result. ``views=False`` spares the small copies to show where no cache keeps them for others.

    At most a few batches are held in memory, and of files that are not decoded yet one a thread. They are read by these
    threads: a file has to stay as it is until its result comes out. Before a fault of the source is raised, what was
    read comes out, and before one of the encoder what it had begun. The threads end before either is raised, and when
    the iterator is closed early.
    """
    refuse_no_encoder(encoder)
    with contextlib.ExitStack() as resources:
        store = resources.enter_context(opened(cache))
        pool = _Decoders(encoder, store, views or store is not None)
        resources.callback(pool.shutdown, wait=True, cancel_futures=True)
        source = iter(photos)
        begun: deque[_Batch] = deque()
        waiting: deque[Callable[[], _Prepared | Failure]] = deque()
        batch: list[_Prepared | Failure] = []
        to_encode: set[str] = set()
        exhausted, fault = False, None
        while not exhausted or waiting:
            while not exhausted and len(waiting) < AHEAD * encoder.batch_size:
                try:
                    name, photo = next(source)
                except StopIteration:
                    exhausted = True
                    break
                except Exception as error:
                    exhausted, fault = True, error
                    break
                waiting.append(pool.begin(name, photo))
            if waiting:
                item = waiting.popleft()()
                batch.append(item)
                if isinstance(item, _Prepared) and item.kept is None:
                    to_encode.add(item.sha256)
            full = len(to_encode) >= encoder.batch_size or len(batch) >= 4 * encoder.batch_size
            if full or (exhausted and not waiting):
                try:
                    begun.append(_begin(batch, encoder, store, begun[-1] if begun else None))
                except Exception:
                    while begun:  # what was begun before the fault is good
                        yield from _finish(begun.popleft(), encoder, store)
                    raise
                batch, to_encode = [], set()
                if len(begun) >= _in_flight(encoder):
                    yield from _finish(begun.popleft(), encoder, store)
        while begun:
            yield from _finish(begun.popleft(), encoder, store)
    if fault is not None:
        raise fault


_Work: TypeAlias = Future["_Prepared | Failure"]


class _Decoders(Pool):
    """Threads that read, hash and prepare photos."""

    def __init__(self, encoder: Encoder, store: EmbeddingCache | None, views: bool) -> None:
        super().__init__(min(16, os.cpu_count() or 1), thread_name_prefix="counterfeit-vision-decode")
        self._encoder, self._store, self._views = encoder, store, views
        self._in_hand: WeakValueDictionary[str, _Work | _Prepared | Failure] = WeakValueDictionary()
        self._one = threading.Lock()

    def begin(self, name: str, photo: Photo | Failure) -> Callable[[], _Prepared | Failure]:
        """Start a photo, and return what waits for it."""
        if isinstance(photo, Failure):
            return lambda: photo
        future = self.submit(self._found, name, photo, _state_of(photo))

        def wait() -> _Prepared | Failure:
            found = future.result()
            return _renamed(found.result(), name, photo) if isinstance(found, Future) else found

        return wait

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the executor's; but one of its own threads, which may collect an abandoned stream, does not wait."""
        own = threading.current_thread() in self._threads
        super().shutdown(wait and not own, cancel_futures=cancel_futures)

    def _found(self, name: str, photo: Photo, state: tuple[int, ...] | None) -> _Prepared | Failure | _Work:
        """Files are hashed before any work: one that the cache holds, or that is in hand under another name, costs no
        more than that. What another thread has begun is waited for by who reads the results, not here.
        """
        if not isinstance(photo, str | bytes | os.PathLike):
            return _prepare(name, photo, photo, None, self._encoder, self._views)
        data, fault = b"", None
        try:
            data = read_bytes(photo, name=photo_name(photo, name))
        except DecodeError as error:
            fault = error
        if _state_of(photo) not in (state, None):  # once read it may go
            fault = _changed(photo_name(photo, name))
        if fault is not None:
            return Failure(name, "decode", fault)
        sha256 = hashlib.sha256(data).hexdigest()
        if self._store is not None and (kept := self._store.get(sha256, _cache_key(self._encoder))):
            return _Prepared(name, photo, sha256, kept=kept)
        own = _Work()
        with self._one:
            first = self._in_hand.setdefault(sha256, own)
        if isinstance(first, _Prepared | Failure):
            return _renamed(first, name, photo)
        if first is not own:
            return first
        try:
            found = _prepare(name, photo, data, sha256, self._encoder, self._views)
        except BaseException as error:
            own.set_exception(error)
            raise
        self._in_hand[sha256] = found
        own.set_result(found)
        return found


def _state_of(photo: Photo) -> tuple[int, ...] | None:
    """What changes with a file, which is not read at once but by another thread; ``None`` of what is no file."""
    if not isinstance(photo, str | os.PathLike):
        return None
    with contextlib.suppress(OSError, ValueError):
        state = os.stat(photo)
        return state.st_ino, state.st_size, state.st_mtime_ns
    return None


def _changed(name: str) -> DecodeError:
    return DecodeError(name, "changed while it was in use; give each photo a file of its own")


def _renamed(twin: _Prepared | Failure, name: str, photo: Photo) -> _Prepared | Failure:
    """The same bytes under another name; what is wrong with them is said again, of this file."""
    if isinstance(twin, Failure):
        error = twin.error
        assert isinstance(error, DecodeError)
        return Failure(name, "decode", DecodeError(photo_name(photo, name), error.reason, error.limit))
    return dataclasses.replace(twin, id=name, source=photo)


def _cache_key(encoder: Encoder) -> str:
    """What embeddings are kept under: rows of lower precision are comparable with full ones, but not the same."""
    kind = precision_of(encoder)
    return encoder.fingerprint if kind == "float32" else f"{encoder.fingerprint} {kind} products"


def _prepare(
    name: str, source: Photo, photo: Photo, sha256: str | None, encoder: Encoder, views: bool
) -> _Prepared | Failure:
    """``photo`` is ``source``, or the bytes of its file with their ``sha256``."""
    try:
        shrink = encoder.preprocess.shrink
        decoded = decode(photo, name=photo_name(source, name), shrink=shrink, sha256=sha256, reuse=True)
    except DecodeError as error:
        return Failure(name, "decode", error)
    extent = () if decoded.extent is None else (decoded.extent,)
    square, content = encoder.preprocess(decoded.pixels, *extent)
    view = small_jpeg(decoded.pixels) if views else b""
    return _Prepared(name, source, decoded.sha256, square, content, decoded.size, view)


@dataclass(eq=False)
class _Batch:
    """Photos whose encoding has begun: ``collect`` waits for the rows of ``fresh``. Others are ``known`` by their hash,
    or are ``shared`` with the batch ``before``, which is collected first.
    """

    photos: list[_Prepared | Failure]
    fresh: list[_Prepared]
    collect: Callable[[], Embeddings] | None
    known: dict[str, CachedPhoto]
    shared: set[str]
    before: _Batch | None


def _in_flight(encoder: Encoder) -> int:
    return encoder.in_flight if isinstance(encoder, OverlappingEncoder) else 1


def _begin(
    photos: list[_Prepared | Failure], encoder: Encoder, store: EmbeddingCache | None, before: _Batch | None
) -> _Batch:
    wanted = {item.sha256: item for item in photos if isinstance(item, _Prepared) and item.kept is None}
    known: dict[str, CachedPhoto] = {}
    if store is not None:  # arrays and PIL images have no hash before they are decoded
        known = {sha256: kept for sha256 in wanted if (kept := store.get(sha256, _cache_key(encoder)))}
    shared = {item.sha256 for item in before.fresh if item.sha256 in wanted} if before else set()
    fresh = [item for sha256, item in wanted.items() if sha256 not in known and sha256 not in shared]
    if not fresh:
        return _Batch(photos, fresh, None, known, shared, before)
    squares = [item.square for item in fresh if item.square is not None]
    if isinstance(encoder, OverlappingEncoder) and encoder.in_flight > 1:
        return _Batch(photos, fresh, encoder.begin(squares), known, shared, before)
    rows = encoder.encode(np.stack(squares))
    return _Batch(photos, fresh, lambda: rows, known, shared, before)


def _finish(batch: _Batch, encoder: Encoder, store: EmbeddingCache | None) -> Iterator[EncodedPhoto | Failure]:
    known = batch.known
    if batch.before is not None:
        known |= {sha256: batch.before.known[sha256] for sha256 in batch.shared}
        batch.before = None
    if batch.collect is not None:
        rows = batch.collect()
        _check_rows(rows, len(batch.fresh), encoder)
        for row, item in enumerate(batch.fresh):
            assert item.content is not None
            known[item.sha256] = CachedPhoto(
                vector=rows.vectors[row],
                patches=None if rows.patches is None else rows.patches[row],
                grid=rows.grid,
                content=item.content,
                size=item.size,
                view=item.view,
            )
        if store is not None:
            store.put_all(_cache_key(encoder), {item.sha256: known[item.sha256] for item in batch.fresh})
    for result in batch.photos:
        if isinstance(result, Failure):
            yield result
            continue
        photo = result.kept or known[result.sha256]
        view = PhotoView(result.id, photo.view, photo.size, sha256=result.sha256)
        yield EncodedPhoto(
            result.id, result.sha256, photo.vector, photo.patches, photo.grid, photo.content, view, result.source
        )


def _check_rows(rows: Embeddings, count: int, encoder: Encoder) -> None:
    """:class:`InputError` where an encoder breaks its word: a row for each of ``count`` photos, vectors of finite
    float32 numbers, patches of finite float16.
    """
    fault = ""
    if len(rows) != count:
        fault = f"{len(rows)} rows for {count} photos"
    elif rows.vectors.dtype != np.float32:
        fault = f"vectors of {rows.vectors.dtype}, not float32"
    elif not np.isfinite(rows.vectors).all():
        fault = "vectors that are no finite numbers"
    elif rows.patches is not None and rows.patches.dtype != np.float16:
        fault = f"patches of {rows.patches.dtype}, not float16"
    elif rows.patches is not None and not _are_finite(rows.patches):
        fault = "patches that are no finite numbers"
    if fault:
        raise InputError(f"the encoder {encoder!r} gave {fault}; try check_encoder(encoder)")


def _are_finite(halves: NDArray[np.float16]) -> bool:
    """As ``np.isfinite(halves).all()``, which takes many times as long: of the bits as numbers, neither the largest
    without a sign nor, of those with one, the largest has an exponent of all ones.
    """
    positive, negative = halves.view(np.int16).max(initial=0), halves.view(np.uint16).max(initial=0)
    return bool(positive < 0x7C00 and negative < 0xFC00)
