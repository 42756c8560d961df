"""What a camera does to light: exposure, colour cast, vignette, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["Exposure", "develop"]


@dataclass(frozen=True)
class Exposure:
    """``gain`` on the level that the camera would choose, ``cast`` per channel, ``vignette`` 0..1, ``blur`` and
    ``shake`` in pixels of a 640 pixel photo, ``noise`` in 0..1, ``sharpen`` in percent.
    """

    gain: float
    cast: tuple[float, float, float]
    vignette: float
    blur: float
    shake: tuple[float, float]
    noise: float
    sharpen: int

    @classmethod
    def official(cls) -> Exposure:
        """A studio camera."""
        return cls(1.12, (1.0, 1.0, 1.0), 0.0, 0.25, (0.0, 0.0), 0.002, 60)

    @classmethod
    def phone(cls, rng: np.random.Generator, *, poor: bool) -> Exposure:
        """A phone, by day or (``poor``) in the evening and in a hurry."""
        warm, green = rng.normal(0, 0.05), rng.normal(0, 0.015)
        gain, blur, noise = rng.uniform(0.82, 1.12), abs(rng.normal(0, 0.45)), rng.uniform(0.005, 0.022)
        shake, turn = rng.uniform(2.0, 4.5), rng.uniform(0, np.pi)
        if poor:
            gain, blur, noise = gain * 0.62, blur + rng.uniform(0.7, 1.5), noise + rng.uniform(0.025, 0.05)
            warm += 0.08
        move = (float(shake * np.cos(turn)), float(shake * np.sin(turn))) if poor else (0.0, 0.0)
        return cls(
            float(gain),
            (float(1 + warm), float(1 + green), float(1 - warm)),
            float(rng.uniform(0.05, 0.35)),
            float(blur),
            move,
            float(noise),
            int(rng.choice([0, 40, 90])),
        )


def _vignette(height: int, width: int, amount: float) -> NDArray[np.float32]:
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(1 - amount * ((x * x + y * y) / 2) ** 1.4, np.float32)


def develop(light: NDArray[np.float32], exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Linear light (h, w, 3) to a picture (h, w, 3) uint8."""
    height, width = light.shape[:2]
    unit = max(height, width) / 640
    bright = float(np.quantile(light[::4, ::4].max(axis=2), 0.95))
    level = exposure.gain * 0.85 / max(bright, 0.08)
    tint = level * np.array(exposure.cast, np.float32)
    image = light * (_vignette(height, width, exposure.vignette)[..., None] * tint)
    # A shoulder: straight up to 0.7, then ever flatter.
    image = np.where(image > 0.7, 0.7 + 0.3 * (1 - np.exp(-(image - 0.7) / 0.3)), image)
    picture = Image.fromarray((np.sqrt(np.clip(image, 0, 1)) * 255 + 0.5).astype(np.uint8))
    if exposure.blur > 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(exposure.blur * unit))
    values = np.asarray(picture, np.float32)
    dx, dy = (step * unit for step in exposure.shake)
    if dx or dy:
        steps = np.linspace(-0.5, 0.5, 7)
        moved = [np.roll(values, (round(dy * t), round(dx * t)), (0, 1)) for t in steps]
        values = np.asarray(np.mean(moved, axis=0, dtype=np.float32), np.float32)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    colour = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32)
    colour = colour.repeat(2, 0).repeat(2, 1)[:height, :width]
    speckle = np.asarray(255 * exposure.noise * (0.8 * grain + 0.5 * colour), np.float32)
    result = Image.fromarray(np.clip(values + speckle + 0.5, 0, 255).astype(np.uint8))
    if exposure.sharpen:
        result = result.filter(ImageFilter.UnsharpMask(1.2 * unit, exposure.sharpen, 2))
    return np.asarray(result)
