"""What an embedded ICC profile says of a photo's colours -> sRGB, by Little CMS, which Pillow brings."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import Pixels
from .quiet import pil

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image as PILImage

__all__ = ["srgb_of"]

PROFILE_BYTES = 4 << 20  # of a press's profile, the largest kind, 0.5 to 3 MB are usual
NEAR_SRGB = 2  # grey levels: the many profiles that are meant to be sRGB differ by their rounding
_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}  # ICC's signature of a colour space: Pillow's mode


def srgb_of(image: PILImage) -> Callable[[PILImage], PILImage] | None:
    """What turns parts of the image, or its pixels as RGB where the profile is one of RGB, into sRGB; ``None`` where
    they are taken for it as they are: without a profile, with one of sRGB, with one that is damaged, larger than 4 MiB
    or of another kind of pixels, and for grey of more than 8 bits.

    Relative colorimetric with black point compensation, which browsers use, too. Safe in many threads at once.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 0 < len(profile) <= PROFILE_BYTES or image.mode[0] in "IF":
        return None
    transform = _transform(profile)
    if transform is None:
        return None
    fits = image.mode != "CMYK" if transform.mode == "RGB" else image.mode == transform.mode
    return transform if fits else None


class _Transform:
    def __init__(self, mode: str, made: Any) -> None:
        self.mode = mode
        self._made = made

    def __call__(self, part: PILImage) -> PILImage:
        part = part if part.mode == self.mode else part.convert(self.mode)
        moved: PILImage = self._made.apply(part)
        return moved


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes) -> _Transform | None:
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES[opened.profile.xcolor_space]
        made = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, KeyError, ValueError, ImportError, ImageCms.PyCMSError):
        return None
    transform = _Transform(mode, made)
    if mode == "CMYK":
        return transform
    sample = pil().fromarray(_sample()).convert(mode)
    moved = np.asarray(transform(sample), np.int16) - np.asarray(sample.convert("RGB"), np.int16)
    return transform if np.abs(moved).max() > NEAR_SRGB else None


def _sample() -> Pixels:
    """Nine levels a channel, 729 colours."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(27, 27, 3)
