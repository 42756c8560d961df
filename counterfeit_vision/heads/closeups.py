"""A closer look: four overlapping parts of the product, cut from the photo and encoded by themselves.

At 224 pixels for a whole photo, stitches and prints are gone. What the parts' product patches say on average, at
several depths of the encoder, is what the learned head learns from; the same of the room's patches is its control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._arrays import Bools, Floats, Ints, Pixels
from .._concurrency import each
from ..encoders.base import Encoder, precision_of
from ..encoders.batching import EncodedPhoto
from ..encoders.foreground import FEWEST, PRODUCT, Foreground, head_of
from ..encoders.preprocess import patch_mask, patches_on_photo, to_photo, to_square
from ..index.references import COPY_SIDE
from ..io.cache import CachedPhoto, EmbeddingCache, opened
from ..io.thumbnails import within

__all__ = ["look_closer", "parts_of"]

KIND = "closeups 5"  # beside the encoder's fingerprint, what they are kept under; count up when anything here changes
ROOM = 0.2  # a patch at most this surely product is room; from PRODUCT on it is product
MARGIN = 1.05  # of the cut-out's side, around the product
PARTS = 4
PART, STEP = 0.6, 0.4  # side of a part, and distance to the next, as shares of the cut-out's
# Of a part's patch: it counts where all four are product, or all room
CORNERS = [(y, x) for y in (0.02, 0.98) for x in (0.02, 0.98)]


class _Share(NamedTuple):
    """How surely each patch of a photo (h, w) is product, and whether anybody ``told``: if not, all of the photo counts
    as product, and as room as well, or the control would not see what is learned from.
    """

    product: Floats
    told: bool


def look_closer(
    photos: Sequence[EncodedPhoto], encoder: Encoder, cache: EmbeddingCache | bool
) -> tuple[Floats, Floats, bool]:
    """(N, F) of the product, (N, G) of the room, and whether the two could be told apart.

    Means of patch tokens (their standard deviations are left out: over few patches they are chance, and made the most
    suspicious genuine photos); the global vector for both where the encoder gives no tokens. The room's are those of
    the same parts and, because the product may fill them, of the whole photo. Costs as much as encoding four photos,
    unless the cache knows the photo. Raises :class:`~counterfeit_vision.DecodeError` where a photo's file has gone
    or changed since it was encoded.
    """
    if photos[0].patches is None:
        vectors = np.stack([photo.vector for photo in photos])
        return vectors, vectors, False
    head = head_of(encoder, photos[0].patches.shape[1])
    once = list({photo.shown_as: photo for photo in photos}.values())
    shares = [_share(photo, head) for photo in once]
    with opened(cache) as store:
        features = _kept(once, shares, encoder, store)
    sides = [_sides(*row) for row in zip(once, shares, features, strict=True)]
    rows = {photo.shown_as: row for photo, row in zip(once, sides, strict=True)}
    product, room = (np.stack([rows[photo.shown_as][side] for photo in photos]) for side in (0, 1))
    return product, room, head is not None


def parts_of(share: Floats, content: Floats, size: tuple[int, int]) -> Ints:
    """Where the product's parts are: (4, 4) ``x0 y0 x1 y1`` in pixels of a photo of ``size`` (width, height).

    ``share`` (h, w) says how surely each patch is product, ``content`` where the photo lies in their square.
    """
    found = share >= PRODUCT
    if found.sum() < FEWEST:
        found = np.ones(share.shape, bool)
    (top, bottom), (left, right) = (np.flatnonzero(found.any(axis=axis))[[0, -1]] for axis in (1, 0))
    rows, columns = share.shape
    box = np.array([left / columns, top / rows, (right + 1) / columns, (bottom + 1) / rows])
    pixels = np.clip(to_photo(content, box), 0, 1).reshape(2, 2) * size  # x0 y0, x1 y1
    side = np.minimum(MARGIN * (pixels[1] - pixels[0]).max(), size)
    start = np.clip(pixels.mean(axis=0) - side / 2, 0, size - side)
    corners = [start + STEP * side * (x, y) for y in (0, 1) for x in (0, 1)]
    parts = np.array([[np.floor(corner), np.ceil(corner + PART * side)] for corner in corners])
    return np.asarray(np.clip(parts, 0, size).reshape(4, 4), np.int64)


def _share(photo: EncodedPhoto, head: Foreground | None) -> _Share:
    """What the foreground head says, if there is one and it finds more than next to nothing."""
    assert photo.patches is not None
    on_photo = patch_mask(photo.content, photo.grid)
    if head is None:
        return _Share(on_photo, told=False)
    share = head(photo.patches[None], photo.content[None], photo.grid).reshape(photo.grid)
    told = bool((share >= PRODUCT).sum() >= FEWEST)
    return _Share(share if told else on_photo, told)


def _sides(photo: EncodedPhoto, share: _Share, features: Floats) -> tuple[Floats, Floats]:
    """What is learned from of the product and of the room, the whole photo's included."""
    assert photo.patches is not None
    product, room = np.split(features, 2)
    around = (share.product.ravel() <= ROOM) | (not share.told)
    around &= patches_on_photo(photo.content, photo.grid)
    whole = _pooled(photo.patches[None, None].astype(np.float32), around[None])
    return product, np.concatenate([room, whole])


def _kept(
    photos: Sequence[EncodedPhoto], shares: Sequence[_Share], encoder: Encoder, store: EmbeddingCache | None
) -> list[Floats]:
    """For each photo (2 F,), its parts' features of the product and of the room, from the cache where it knows them."""
    key = f"{encoder.fingerprint} {precision_of(encoder)} {KIND}"
    known: dict[int, Floats] = {}
    if store is not None:
        found = ((row, store.get(photo.shown_as, key)) for row, photo in enumerate(photos))
        known = {row: kept.vector for row, kept in found if kept is not None}
    new = [row for row in range(len(photos)) if row not in known]
    at_once = max(1, encoder.batch_size // PARTS)
    for start in range(0, len(new), at_once):
        some = new[start : start + at_once]
        features = _features([photos[row] for row in some], [shares[row] for row in some], encoder)
        known |= zip(some, features, strict=True)
        if store is not None:
            store.put_all(key, {photos[row].shown_as: CachedPhoto.bare(known[row]) for row in some})
    return [known[row] for row in range(len(photos))]


def _features(photos: Sequence[EncodedPhoto], shares: Sequence[_Share], encoder: Encoder) -> list[Floats]:
    from ..encoders.depths import vectors_and_tokens

    cut = list(each(lambda row: _cut(photos[row], shares[row], encoder), range(len(photos))))
    _, tokens = vectors_and_tokens(encoder, np.concatenate([squares for squares, _, _ in cut]))
    parts = np.split(tokens, len(photos))
    return [
        np.concatenate([_pooled(own, product), _pooled(own, room)])
        for own, (_, product, room) in zip(parts, cut, strict=True)
    ]


def _cut(photo: EncodedPhoto, share: _Share, encoder: Encoder) -> tuple[Pixels, Bools, Bools]:
    """A photo's parts (4, S, S, 3), and which of their patches (4, P) are product, and which room."""
    # references are kept as copies: photos are seen as large as those are, or their size would tell the genuine ones
    pixels = within(photo.pixels(), COPY_SIDE)
    size = (pixels.shape[1], pixels.shape[0])
    parts = parts_of(share.product, photo.content, size)
    cut = [encoder.preprocess(np.ascontiguousarray(pixels[y0:y1, x0:x1])) for x0, y0, x1, y1 in parts]
    inside = np.stack([patches_on_photo(content, photo.grid) for _, content in cut])
    seen = np.stack(
        [_share_in(part, content, photo, share.product, size) for part, (_, content) in zip(parts, cut, strict=True)]
    )
    product, room = inside & (seen >= PRODUCT).all(axis=2), inside & (seen <= ROOM).all(axis=2)
    if not product.any():
        product = room = inside
    return np.stack([square for square, _ in cut]), product, room if share.told else product


def _share_in(part: Ints, content: Floats, photo: EncodedPhoto, share: Floats, size: tuple[int, int]) -> Floats:
    """(P, 4) how surely the corners of a part's patches are product: as the photo's patch in which each corner lies."""
    rows, columns = photo.grid
    y, x = (np.mgrid[:rows, :columns].reshape(2, -1, 1) + np.array(CORNERS).T[:, None]).reshape(2, -1)
    points = np.stack([x / columns, y / rows] * 2, axis=1)
    in_photo = (to_photo(content, points)[:, :2] * (part[2:] - part[:2]) + part[:2]) / size
    in_square = to_square(photo.content, np.tile(in_photo, 2))
    column = np.clip((in_square[:, 0] * columns).astype(int), 0, columns - 1)
    row = np.clip((in_square[:, 1] * rows).astype(int), 0, rows - 1)
    return np.asarray(share[row, column].reshape(-1, len(CORNERS)))


def _pooled(tokens: Floats, mask: Bools) -> Floats:
    """Mean (D E,) of the tokens (n, D, P, E) in the mask (n, P); zeros where it is empty."""
    chosen = tokens.transpose(0, 2, 1, 3)[mask]
    if not len(chosen):
        return np.zeros(tokens.shape[1] * tokens.shape[3], np.float32)
    return np.asarray(chosen.mean(axis=0).ravel())
