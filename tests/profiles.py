"""ICC profiles made for tests, byte by byte (ICC.1:2001-04): of a phone, a camera, a grey scale and a press."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

WHITE = (0.9642, 1.0, 0.8249)  # the profile connection space's, D50
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
CYAN = (0, 158, 224)  # what a press makes of all of its first ink


def rgb_profile(primaries: tuple[tuple[float, ...], ...], gamma: float = 2.2) -> bytes:
    tags = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)))


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def press_profile() -> bytes:
    """CMYK in two grid points a channel: all inks multiply, as filters do. Its table for what is to please (perceptual)
    is blank.
    """
    inks = np.array([CYAN, (230, 0, 126), (255, 237, 0), (30, 30, 30)]) / 255
    on = np.indices((2, 2, 2, 2)).reshape(4, 16).T[:, :, None]
    colours = np.where(on, inks, 1).prod(axis=1)
    sheet = Image.fromarray(np.rint(colours * 255).astype(np.uint8)[None])
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    grid = np.asarray(ImageCms.applyTransform(sheet, to_lab), np.uint8) ^ np.array([0, 128, 128], np.uint8)
    ramp = bytes(range(256))
    matrix = b"".join(_fixed(value) for value in np.eye(3).ravel())
    head = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4
    exact, pleasing = (head + table + ramp * 3 for table in (grid.tobytes(), bytes([255, 128, 128]) * 16))
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": pleasing, b"A2B1": exact})


def moved(image: Image.Image, profile: bytes) -> Image.Image:
    """The sRGB image in the colours of an RGB profile, which is not embedded."""
    into = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), into, "RGB", "RGB", 1)
    turned = ImageCms.applyTransform(image, transform)
    assert turned is not None
    turned.info.clear()
    return turned


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"made for a test\0"
    about = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": about, b"wtpt": _xyz(WHITE), b"cprt": b"text" + bytes(4) + name} | tags
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size, illuminant = struct.pack(">I", start + len(body)), b"".join(_fixed(value) for value in WHITE)
    header = size + bytes(4) + bytes([2, 64, 0, 0]) + kind + space + connection + bytes(12) + b"acsp"
    return (header + bytes(28) + illuminant).ljust(128, b"\0") + table + body
