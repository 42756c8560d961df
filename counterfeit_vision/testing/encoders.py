"""What an encoder must pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from .._arrays import Floats, Ints, Pixels
from ..encoders.base import Encoder, OverlappingEncoder, TextEncoder
from ..encoders.preprocess import Preprocess
from ..types import Embeddings
from .promises import check_members, check_refused

__all__ = ["check_encoder"]

TEXTS = ["a red bag", "Sac à main, très bon état"]


def check_encoder(encoder: Encoder, *, tolerance: float = 1e-4) -> None:
    """Whether ``encoder`` keeps the contract of :class:`counterfeit_vision.encoders.Encoder`.

    - ``fingerprint`` is a text that stays, ``batch_size`` a whole number, ``preprocess`` a
      :class:`~counterfeit_vision.encoders.preprocess.Preprocess` that makes squares of its ``size``;
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
    check_members(encoder, Encoder, "fingerprint, preprocess, batch_size and encode()")
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
        check_refused(encoder.encode, array, what=f"encode() of {name}, {array.dtype} {array.shape}")
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
    """Batches that are no two alike, begun and collected as :mod:`~counterfeit_vision.encoders.batching` does, and
    read last.
    """
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
