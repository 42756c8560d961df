"""Photos of printed goods in rooms, drawn from seeds, and what is done to copies of them."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Cloth, wood or stone: noise of several sizes, (height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.uniform(0, 255, (height // size, width // size, 3)), (width, height)) for size in (6, 20, 60)
    ]
    return np.mean(layers, axis=0).astype(np.uint8)


def carton(seed: int, side: int = 260) -> np.ndarray:
    """A printed box front: rectangles and letters."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 230, np.uint8)
    for _ in range(25):
        x, y = random.integers(0, side - 40, 2).tolist()
        colour = random.integers(0, 256, 3).tolist()
        cv2.rectangle(pixels, (x, y), (x + int(random.integers(8, 60)), y + int(random.integers(8, 60))), colour, -1)
    for row in range(4):
        cv2.putText(
            pixels,
            "".join(map(chr, random.integers(65, 91, 7))),
            (10, 50 + 60 * row),
            cv2.FONT_HERSHEY_DUPLEX,
            1.3,
            (20, 20, 90),
            3,
        )
    return pixels


def photo(room: int, good: int, *, place: tuple[int, int] = (150, 90), side: int = 260) -> np.ndarray:
    """A carton in a room, (480, 560, 3) uint8."""
    pixels = texture(room, 480, 560)
    x, y = place
    pixels[y : y + side, x : x + side] = cv2.resize(carton(good), (side, side), interpolation=cv2.INTER_AREA)
    return pixels


ORIGINAL = photo(1, 5)


def recompressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed).convert("RGB"))


def turned(pixels: np.ndarray, angle: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(angle, Image.Resampling.BICUBIC, fillcolor=(250, 250, 250)))


def under_banner(pixels: np.ndarray) -> np.ndarray:
    covered = pixels.copy()
    covered[-100:] = (200, 30, 40)
    cv2.putText(covered, "ORIGINAL 100%", (40, 440), cv2.FONT_HERSHEY_DUPLEX, 1.8, (255, 255, 255), 4)
    return covered


def recoloured(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels * np.array([0.7, 1.0, 0.5]) + 30, 0, 255).astype(np.uint8)
