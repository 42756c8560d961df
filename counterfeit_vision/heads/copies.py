"""Whether a photo was shown before in another file: saved anew, smaller, in another quality, or a little cropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .._arrays import Floats
from .._concurrency import Once
from ..align.local_features import Traits, find_traits
from ..encoders.batching import EncodedPhoto
from ..io.thumbnails import small_picture
from .same_photo import compare_traits

__all__ = ["Shown"]

SIDE = 8  # pixels of a thumbnail
# Photos shown before whose thumbnails are most alike: these are compared. Of 180 photos (printed cards, shoes, cartons)
# the original is among them for each copy that was recompressed (q40), shrunk to a third, brightened or cropped by 6 %
# of its width and height; for 99 % of those cropped by 10 %, 91 % of those by 20 %. (By the encoder's vector, a shoe's
# other photos often come before its copy of a third of the size.)
LIKELY = 2
KEPT = 256  # photos whose traits stay in memory, at most 180 MB


class Shown:
    """The photos that were shown so far. A copy of one is proved as :class:`~counterfeit_vision.heads.Reuse` does, on
    the small copies: of 70, 70, 100 (printed cards) and 222 photos (shoes, several of a scene) no two pass for one. It
    takes 40 to 70 ms a photo.
    """

    def __init__(self) -> None:
        self._photos: list[EncodedPhoto] = []
        self._thumbnails = np.zeros((1, SIDE * SIDE), np.float32)
        self._traits: Once[str, Traits] = Once(KEPT)

    def originals(self, photos: Sequence[EncodedPhoto]) -> list[EncodedPhoto | None]:
        """Of each of these one that was shown before and is the same photo, if any. They were shown from now on."""
        thumbnails = [_thumbnail(photo) for photo in photos]
        found = [self._original(photo, seen) for photo, seen in zip(photos, thumbnails, strict=True)]
        for photo, seen in zip(photos, thumbnails, strict=True):
            if len(self._photos) == len(self._thumbnails):
                self._thumbnails = np.tile(self._thumbnails, (2, 1))  # room for as many again
            self._thumbnails[len(self._photos)] = seen
            self._photos.append(photo)
        return found

    def _original(self, photo: EncodedPhoto, thumbnail: Floats) -> EncodedPhoto | None:
        alike = self._thumbnails[: len(self._photos)] @ thumbnail
        likely = np.argsort(-alike, kind="stable")[:LIKELY].tolist()
        return next((other for other in (self._photos[place] for place in likely) if self._same(photo, other)), None)

    def _same(self, photo: EncodedPhoto, other: EncodedPhoto) -> bool:
        return compare_traits(self._traits_of(photo), self._traits_of(other)).same_photo

    def _traits_of(self, photo: EncodedPhoto) -> Traits:
        return self._traits.get(photo.sha256, lambda: find_traits(np.asarray(small_picture(photo.view.jpeg))))


def _thumbnail(photo: EncodedPhoto) -> Floats:
    """Its greys, of mean 0 and length 1; zeros where all are one."""
    grey = small_picture(photo.view.jpeg).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    levels = np.asarray(grey, np.float32).ravel()
    apart = levels - levels.mean()
    return np.asarray(apart / max(float(np.linalg.norm(apart)), 1.0), np.float32)
