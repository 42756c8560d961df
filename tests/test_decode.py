"""Photos become pixels: what they mean in every format, what gives none, and what decoding leaves alone."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from images import DATA, file_bytes, noise, over_white, png
from PIL import Image, ImageCms, ImageFile, ImageOps
from profiles import ADOBE_RGB, CYAN, DISPLAY_P3, grey_profile, moved, press_profile, rgb_profile

from counterfeit_vision.errors import DecodeError
from counterfeit_vision.io.decode import DEFAULT_LIMITS, Decoded, Limits, decode, photo_name, read_bytes
from counterfeit_vision.io.jpeg import _simplejpeg, clean_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

needs_orientation = pytest.mark.skipif(
    not (DATA / "exif-orientation").is_dir(), reason=f"no exif-orientation/ in CV_DATA={DATA}"
)


# --- what the pixels mean ---


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_rgb_comes_back_exactly(format: str) -> None:
    pixels = noise(13, 7)
    decoded = decode(file_bytes(Image.fromarray(pixels), format))
    assert decoded.format == format
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    assert decoded.pixels.flags.owndata
    np.testing.assert_array_equal(decoded.pixels, pixels)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"])
def test_every_plain_mode_is_pillows_conversion(mode: str) -> None:
    image = Image.fromarray(noise(9, 11)).convert("RGB")
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    np.testing.assert_array_equal(decode(image).pixels, np.asarray(image.convert("RGB")))


def test_inverted_cmyk_jpeg_keeps_its_colours() -> None:
    red = Image.new("RGB", (16, 16), (250, 20, 30)).convert("CMYK")
    decoded = decode(file_bytes(red, "JPEG", quality=95))  # Pillow writes Adobe CMYK, inverted
    assert np.abs(decoded.pixels.astype(int) - (250, 20, 30)).max() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_alpha_goes_over_white_and_hidden_colours_stay_hidden(mode: str) -> None:
    rgba = noise(8, 8, 4)
    rgba[:4, :, 3] = 0
    rgba[4, :, 3] = 255
    image = Image.fromarray(rgba)
    if mode == "PA":
        image = Image.merge("RGBA", (*image.convert("RGB").quantize(8).convert("RGB").split(), image.getchannel("A")))
    image = {"La": lambda: image.convert("LA").convert("La")}.get(mode, lambda: image.convert(mode))()
    rgba = np.asarray(image.convert("LA").convert("RGBA") if mode == "La" else image.convert("RGBA"))
    pixels = decode(image).pixels
    assert (pixels[:4] == 255).all()
    assert np.abs(pixels.astype(int) - over_white(rgba)).max() <= 1


def test_palette_with_alpha_and_the_image_itself_is_left_alone() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.info["transparency"] = b"\x00\xff"
    before = (image.tobytes(), image.getpalette(), image.im.getpalette("RGBA", "RGBA"), dict(image.info))
    assert decode(image).pixels.tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert (image.tobytes(), image.getpalette(), image.im.getpalette("RGBA", "RGBA"), dict(image.info)) == before


def test_a_transparent_colour_counts_in_every_bit_depth() -> None:
    grey4 = png(4, 1, 4, 0, b"\x00\x05\xaf", (b"tRNS", struct.pack(">H", 5)))  # levels 0, 5, 10, 15; 5 is transparent
    assert decode(grey4).pixels[0, :, 0].tolist() == [0, 255, 170, 255]
    grey2 = png(4, 1, 2, 0, b"\x00\x1b", (b"tRNS", struct.pack(">H", 1)))
    assert decode(grey2).pixels[0, :, 0].tolist() == [0, 255, 170, 255]
    grey1 = png(2, 1, 1, 0, b"\x00\x40", (b"tRNS", struct.pack(">H", 0)))
    assert decode(grey1).pixels[0, :, 0].tolist() == [255, 255]
    grey16 = png(2, 1, 16, 0, b"\x00" + struct.pack(">HH", 257, 2570), (b"tRNS", struct.pack(">H", 257)))
    assert decode(grey16).pixels[0, :, 0].tolist() == [255, 10]
    colours = struct.pack(">6H", 0x1234, 0, 0, 0x3400, 0, 0)
    rgb16 = png(2, 1, 16, 2, b"\x00" + colours, (b"tRNS", colours[:6]))
    assert decode(rgb16).pixels.tolist() == [[[255, 255, 255], [0x34, 0, 0]]]
    rgb8 = png(2, 1, 8, 2, b"\x00" + bytes([9, 8, 7, 1, 2, 3]), (b"tRNS", struct.pack(">3H", 9, 8, 7)))
    assert decode(rgb8).pixels.tolist() == [[[255, 255, 255], [1, 2, 3]]]


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "image"])
def test_sixteen_bits_are_scaled_not_clipped(format: str, order: str) -> None:
    values = np.arange(0, 65536, 16, dtype=order).reshape(64, 64)
    image = Image.frombytes("I;16" if order == "<u2" else "I;16B", (64, 64), values.tobytes())
    pixels = decode(image if format == "image" else file_bytes(image, format)).pixels
    np.testing.assert_array_equal(pixels[..., 0], (values.astype(int) + 128) // 257)
    assert len(np.unique(pixels)) == 256


def test_integers_and_floats_find_their_range() -> None:
    def grey(values: list[float], dtype: str) -> list[int]:
        return decode(Image.fromarray(np.array([values], dtype))).pixels[0, :, 0].tolist()

    assert grey([0, 128, 129, 65535], "int32") == [0, 0, 1, 255]
    assert grey([0, 128, 255], "int32") == [0, 128, 255]
    assert grey([0, 257], "int32") == [0, 1]
    assert grey([-100, 0, 100], "int32") == [0, 128, 255]
    assert grey([5_000_000, 5_000_000], "int32") == [0, 0]
    assert grey([0, 0.5, 1], "float32") == [0, 128, 255]
    assert grey([0, 128, 254.6], "float32") == [0, 128, 255]
    assert grey([0, 257, 65535], "float32") == [0, 1, 255]
    assert grey([-2, 0, 2], "float32") == [0, 128, 255]
    assert grey([np.nan, 1, np.inf, -np.inf], "float32") == [0, 255, 255, 0]
    assert grey([np.nan, np.nan], "float32") == [0, 0]
    assert grey([np.nan, 0, 51, 255], "float32") == [0, 0, 51, 255]
    assert grey([np.inf, 0, 51, 255], "float32") == [255, 0, 51, 255]


def test_dark_integers_of_a_file_stay_dark() -> None:
    """In memory 0 to 255 are grey as it is usual; a file of such integers has 16 bits."""
    values = np.array([[0, 128, 255]], np.int32)
    opened = Image.open(io.BytesIO(file_bytes(Image.fromarray(values), "TIFF")))
    assert (opened.mode, opened.format) == ("I", "TIFF")
    assert decode(opened).pixels[0, :, 0].tolist() == [0, 0, 1]
    assert decode(file_bytes(Image.fromarray(values), "TIFF")).pixels[0, :, 0].tolist() == [0, 0, 1]
    assert decode(opened.copy()).pixels[0, :, 0].tolist() == [0, 128, 255]


PATCHES = np.kron(noise(3, 4, seed=7) // 2 + 64, np.ones((32, 32, 1), np.uint8))
MIDDLES = (slice(16, None, 32), slice(16, None, 32))


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["phone", "camera"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "image"])
def test_an_embedded_profile_is_followed_to_srgb(format: str, primaries: tuple[tuple[float, ...], ...]) -> None:
    profile = rgb_profile(primaries)
    taken = moved(Image.fromarray(PATCHES), profile)
    options: dict[str, Any] = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    photo: Any = taken if format == "image" else file_bytes(taken, format, **options)
    told: Any = taken.copy() if format == "image" else file_bytes(taken, format, icc_profile=profile, **options)
    if format == "image":
        told.info["icc_profile"] = profile
    true = PATCHES[MIDDLES].astype(int)
    assert np.abs(decode(told).pixels[MIDDLES] - true).max() <= (5 if format == "JPEG" else 2)
    assert np.abs(decode(photo).pixels[MIDDLES] - true).max() > 20


def test_profiles_of_grey_scales_and_presses_are_followed_too() -> None:
    grey = Image.new("L", (2, 2), 100)
    assert (decode(file_bytes(grey, "PNG", icc_profile=grey_profile(1.0))).pixels == 168).all()  # linear light
    blank, cyan = (Image.new("CMYK", (16, 16), inks) for inks in ((0, 0, 0, 0), (255, 0, 0, 0)))
    for image, seen in ((blank, (255, 255, 255)), (cyan, CYAN)):
        pixels = decode(file_bytes(image, "JPEG", quality=98, icc_profile=press_profile())).pixels.astype(int)
        assert np.abs(pixels - seen).max() < 8  # Lab in 8 bits
    assert decode(cyan).pixels[0, 0].tolist() == [0, 255, 255]  # Pillow's, where nothing is known of the inks


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        ("RGB", press_profile()),
        ("RGB", grey_profile(1.0)),
        ("CMYK", rgb_profile(DISPLAY_P3)),
        ("I;16", rgb_profile(DISPLAY_P3)),
        ("RGB", rgb_profile(DISPLAY_P3)[:300]),
        ("RGB", rgb_profile(DISPLAY_P3).ljust((4 << 20) + 1, b"\0")),
        ("RGB", b"no profile"),
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()),
    ],
    ids=["srgb", "press for rgb", "grey for rgb", "rgb for press", "16 bits", "cut", "large", "none", "lab"],
)
def test_profiles_that_say_nothing_of_the_pixels_leave_them(mode: str, profile: bytes) -> None:
    pixels = noise(5, 4)
    image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257 if mode == "I;16" else pixels)
    image = image if mode == "I;16" else image.convert(mode)
    plain = decode(image).pixels
    image.info["icc_profile"] = profile
    np.testing.assert_array_equal(decode(image).pixels, plain)


def test_a_profile_is_followed_under_transparency_and_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = rgb_profile(DISPLAY_P3)
    taken = moved(Image.fromarray(PATCHES), profile)
    taken.putalpha(255)
    taken.info["icc_profile"] = profile
    whole = decode(taken).pixels
    assert np.abs(whole[MIDDLES] - PATCHES[MIDDLES].astype(int)).max() <= 2
    monkeypatch.setattr("counterfeit_vision.io.orientation.STRIP", 1000)
    np.testing.assert_array_equal(decode(taken).pixels, whole)
    data = file_bytes(taken.convert("RGB"), "JPEG", quality=98, subsampling=0, icc_profile=profile)
    assert np.abs(decode(data).pixels[MIDDLES] - PATCHES[MIDDLES].astype(int)).max() <= 5


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "green", "blue")]
    for format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(format, {})
        data = file_bytes(frames[0], format, save_all=True, append_images=frames[1:], **lossless)
        assert np.abs(decode(data).pixels.astype(int) - (255, 0, 0)).max() <= 3, format


def test_multi_picture_jpeg() -> None:
    pictures = [Image.new("RGB", (16, 8), colour) for colour in ("red", "blue")]
    decoded = decode(file_bytes(pictures[0], "MPO", save_all=True, append_images=pictures[1:]))
    assert decoded.format == "MPO"
    assert decoded.pixels.shape == (8, 16, 3)
    assert decoded.pixels[0, 0, 0] > 250


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_bytes(Image.fromarray(noise(10, 24)), format, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert expected.shape == ((24, 10, 3) if orientation >= 5 else (10, 24, 3))
    np.testing.assert_array_equal(decode(data).pixels, expected)
    image = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(decode(image).pixels, expected)
    if format != "TIFF":  # whose load() turns the image
        assert image.size == (24, 10)
        assert image.getexif().get(0x0112, 1) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "F"])
def test_orientation_and_strips_agree(monkeypatch: pytest.MonkeyPatch, orientation: int, mode: str) -> None:
    rgba = noise(10, 24, 4)
    image = {
        "RGB": lambda: Image.fromarray(rgba[..., :3]),
        "RGBA": lambda: Image.fromarray(rgba),
        "I;16": lambda: Image.fromarray(rgba.view("<u2")[..., 0]),
        "F": lambda: Image.fromarray(rgba[..., 0].astype(np.float32) - 77),
    }[mode]()
    image.getexif()[0x0112] = orientation
    whole = decode(image).pixels
    monkeypatch.setattr("counterfeit_vision.io.orientation.STRIP", 24 * 3)
    np.testing.assert_array_equal(decode(image).pixels, whole)
    del image.getexif()[0x0112]
    upright = Image.fromarray(decode(image).pixels)
    upright.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(whole, np.asarray(ImageOps.exif_transpose(upright)))


@needs_orientation
def test_orientation_of_real_files() -> None:
    files = sorted((DATA / "exif-orientation").glob("*.jpg"))
    assert len(files) == 18
    for file in files:
        with Image.open(file) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        pixels = decode(file).pixels
        np.testing.assert_array_equal(pixels, expected)
        first = decode(file.with_name(file.name.split("_")[0] + "_1.jpg")).pixels
        assert pixels.shape == first.shape
        assert np.abs(pixels.astype(int) - first.astype(int)).mean() < 5


# --- the short cut for undamaged colour JPEGs, and Pillow, its slow twin ---

SHORT_CUT = "counterfeit_vision.io.jpeg._simplejpeg"
needs_short_cut = pytest.mark.skipif(_simplejpeg() is None, reason="simplejpeg is not installed")


def soft(height: int, width: int, seed: int = 0) -> Image.Image:
    """Colours that change slowly, with edges: what JPEG is made for."""
    cells = Image.fromarray(noise(5, 6, seed=seed))
    edges = cells.resize((width, height), Image.Resampling.NEAREST)
    return Image.blend(cells.resize((width, height), Image.Resampling.BICUBIC), edges, 0.4)


def slowly(photo: bytes, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Decoded:
    with monkeypatch.context() as patch:
        patch.setattr(SHORT_CUT, lambda: None)
        return decode(photo, **options)


@needs_short_cut
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"progressive": True},
        {"optimize": True, "restart_marker_blocks": 5},
        {"icc_profile": rgb_profile(DISPLAY_P3)},
    ],
    ids=["plain", "progressive", "restarts", "profile"],
)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (17, 23), (64, 129), (301, 200)])
def test_a_clean_jpeg_has_pillows_pixels(
    height: int, width: int, subsampling: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are libjpeg-turbo, so bit for bit the same here; 1 grey level is left to another version's rounding."""
    for quality in (30, 85, 100):
        data = file_bytes(soft(height, width), "JPEG", quality=quality, subsampling=subsampling, **settings)
        expected = slowly(data, monkeypatch)
        with monkeypatch.context() as patch:
            patch.setattr("counterfeit_vision.io.decode.upright_rgb", None)  # it must not come this way
            decoded = decode(data)
        assert np.abs(decoded.pixels.astype(int) - expected.pixels).max() <= 1
        assert decoded.pixels.flags.c_contiguous
        assert decoded.pixels.flags.writeable
        assert (decoded.size, decoded.sha256, decoded.format) == (expected.size, expected.sha256, expected.format)


@needs_short_cut
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_jpeg_is_refused_in_pillows_words(
    cut: float, progressive: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = file_bytes(soft(90, 120), "JPEG", progressive=progressive)
    data = data[: int(cut * len(data))]
    with pytest.raises(DecodeError) as slow:
        slowly(data, monkeypatch)
    with pytest.raises(DecodeError) as quick:
        decode(data)
    assert str(quick.value) == str(slow.value)
    assert capfd.readouterr().err == ""


@needs_short_cut
def test_a_damaged_jpeg_that_pillow_shows_is_shown_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    random, shown = np.random.default_rng(0), 0
    whole = file_bytes(soft(90, 120), "JPEG")
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(len(data) // 2, len(data) - 2, 3):
            data[place] = random.integers(0, 255)
        try:
            expected = slowly(bytes(data), monkeypatch).pixels
        except DecodeError:
            with pytest.raises(DecodeError):
                decode(bytes(data))
        else:
            np.testing.assert_array_equal(decode(bytes(data)).pixels, expected)
            shown += 1
    assert shown > 20
    assert capfd.readouterr().err == ""


@needs_short_cut
def test_only_the_size_that_passed_the_limits_is_decoded() -> None:
    data = file_bytes(soft(20, 30), "JPEG")
    with Image.open(io.BytesIO(data)) as image, Image.new("RGB", (20, 30)) as other:
        assert clean_jpeg(data, image, 1) is not None
        assert clean_jpeg(data, other, 1) is None


@pytest.mark.parametrize("short_cut", [True, False])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_jpeg_may_come_smaller(short_cut: bool, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_bytes(soft(1001, 1203), "JPEG", exif=exif)
    whole = decode(data)
    for scale in (1, 2, 4, 8):
        asked = []
        options = {"shrink": lambda *size, scale=scale, asked=asked: asked.append(size) or scale}
        decoded = decode(data, **options) if short_cut else slowly(data, monkeypatch, **options)
        assert asked == [(1203, 1001)]
        assert decoded.size == whole.size == (whole.pixels.shape[1], whole.pixels.shape[0])
        assert decoded.pixels.shape == (*(-(-side // scale) for side in whole.pixels.shape[:2]), 3)
        if scale > 1:
            expected = cv2.resize(whole.pixels, decoded.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
            assert np.abs(decoded.pixels.astype(int) - expected).mean() < 3
        if short_cut:
            np.testing.assert_array_equal(decoded.pixels, slowly(data, monkeypatch, **options).pixels)
        wide, tall = (side / scale for side in decoded.size)
        x = decoded.pixels.shape[1] - wide if orientation in (3, 6) else 0  # the stored frame begins at the right
        y = decoded.pixels.shape[0] - tall if orientation == 3 else 0
        assert decoded.extent == ((x, y, x + wide, y + tall) if scale > 1 else None)
    whole = decode(file_bytes(soft(800, 1200), "JPEG", exif=exif), shrink=lambda *size: 8)
    assert whole.extent is None


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_pixels_take_the_place_of_the_last_ones_only_where_that_is_asked(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    first, second = (file_bytes(soft(3000, 3800, seed), "JPEG", exif=exif) for seed in (0, 1))
    expected = decode(first).pixels, decode(second).pixels
    one = decode(first, reuse=True).pixels
    np.testing.assert_array_equal(one, expected[0])
    other = decode(second, reuse=True).pixels
    np.testing.assert_array_equal(other, expected[1])
    assert np.shares_memory(one, other) == (orientation == 1)
    assert not np.shares_memory(*expected)
    small = file_bytes(soft(400, 300), "JPEG")
    assert not np.shares_memory(decode(small, reuse=True).pixels, decode(small, reuse=True).pixels)


def test_what_is_no_colour_jpeg_comes_whole() -> None:
    photos = [file_bytes(soft(400, 300), "PNG"), file_bytes(soft(400, 300).convert("L"), "JPEG"), soft(400, 300)]
    photos += [np.asarray(soft(400, 300)), file_bytes(soft(400, 300).convert("CMYK"), "JPEG")]
    for photo in photos:
        decoded = decode(photo, shrink=lambda width, height: 2)
        assert decoded.pixels.shape == (400, 300, 3)
        assert decoded.size == (300, 400)


# --- arrays and PIL images ---


def test_arrays() -> None:
    pixels = noise(5, 4)
    assert decode(pixels).pixels is pixels
    assert decode(pixels).format == "array"
    np.testing.assert_array_equal(decode(pixels[:, ::-1]).pixels, pixels[:, ::-1])
    grey = pixels[..., 0]
    np.testing.assert_array_equal(decode(grey).pixels, np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(decode(grey[..., None]).pixels, decode(grey).pixels)
    rgba = noise(5, 4, 4)
    assert np.abs(decode(rgba).pixels.astype(int) - over_white(rgba)).max() <= 1
    for array in (pixels[:, ::-1], grey, rgba):
        assert decode(array).pixels.flags.c_contiguous
        assert decode(array).pixels.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros(12, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_wrong_arrays_are_told_both_sides(array: Any) -> None:
    with pytest.raises(DecodeError, match=r"photo 7: need a uint8 array .* got") as caught:
        decode(array, name="photo 7")
    assert str(array.dtype) in str(caught.value)
    assert str(array.shape) in str(caught.value)


def test_a_lazily_opened_image_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(file_bytes(Image.fromarray(noise(64, 64)), "JPEG")[:-1500])
    with Image.open(path) as image, pytest.raises(DecodeError, match=r"cut\.jpg: OSError: .*truncated"):
        decode(image)


def test_a_lazily_opened_image_whose_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(noise(8, 8)).save(path)
    with Image.open(path) as image:
        pass
    with pytest.raises(
        DecodeError, match=r"a\.png: its file was closed before it was read; call image\.load\(\) first"
    ):
        decode(image)
    with Image.open(path) as image:
        image.load()
    np.testing.assert_array_equal(decode(image).pixels, noise(8, 8))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_one_lazily_opened_image_may_be_given_to_many_threads(format: str) -> None:
    data = file_bytes(Image.fromarray(noise(400, 600)), format)
    expected = decode(data).pixels
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            image = Image.open(io.BytesIO(data))
            for decoded in pool.map(decode, [image] * 4):
                np.testing.assert_array_equal(decoded.pixels, expected)


def test_hashes() -> None:
    pixels = noise(6, 5)
    data = file_bytes(Image.fromarray(pixels), "PNG")
    assert decode(data).sha256 == hashlib.sha256(data).hexdigest()
    assert decode(pixels).sha256 == decode(Image.fromarray(pixels)).sha256
    assert decode(pixels).sha256 != decode(pixels.reshape(5, 6, 3)).sha256
    assert decode(pixels).sha256 != decode(pixels ^ 1).sha256


# --- what gives no pixels ---


def test_names() -> None:
    assert photo_name(Path("a") / "b.jpg", "photo 1") == str(Path("a") / "b.jpg")
    assert photo_name(noise(2, 2), "photo 1") == photo_name(Image.new("L", (1, 1)), "photo 1") == "photo 1"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for photo, reason in [
        (tmp_path / "none.jpg", "No such file"),
        ("photos/https:/shop.example/1.jpg", "No such file.*; download the photo, and name its file"),
        (r"C:\photos\https:\shop.example\1.jpg", "No such file.*; download the photo, and name its file"),
        ("photos/a.jpg;b.jpg", r"No such file.*; several photos of a listing: a\.jpg\|b\.jpg"),
        ("photos/a.JPEG , b.jpg", r"No such file.*; several photos of a listing: a\.jpg\|b\.jpg"),
        ("photos/a, b; c.jpg", "No such file or directory$"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.jpg", "empty: 0 bytes"),
        (str(tmp_path / "x\0y.jpg"), "null byte"),
        (str(tmp_path / ("n" * 5000)), "too long"),
    ]:
        for function in (decode, read_bytes):
            with pytest.raises(DecodeError, match=reason) as caught:
                function(photo)
            assert caught.value.source == str(photo)
    with pytest.raises(DecodeError, match="photo 3: empty: 0 bytes"):
        decode(b"", name="photo 3")
    for photo in (None, 3, ["a.jpg"], 2.5):
        with pytest.raises(DecodeError, match=f"need a path, .* got {type(photo).__name__}"):
            decode(photo)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DecodeError, match="not a regular file"):
        decode(tmp_path / "pipe.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize(("lies", "reason"), [(["stat"], "not a regular file"), (["stat", "fstat"], "empty: 0 bytes")])
def test_a_pipe_that_is_taken_for_a_file_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: list[str], reason: str
) -> None:
    """One may come into a file's place after it was looked at, and some files of /proc wait as a pipe does."""
    os.mkfifo(tmp_path / "pipe.jpg")
    end, seen = os.open(tmp_path / "pipe.jpg", os.O_RDWR), Path(__file__).stat()
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        for name in lies:
            patch.setattr(f"counterfeit_vision.io.decode.os.{name}", lambda place, **options: seen)
        photo = pool.submit(decode, tmp_path / "pipe.jpg")
        try:
            with pytest.raises(DecodeError, match=reason):
                photo.result(timeout=5)
        finally:
            os.close(end)


def test_other_formats_are_named() -> None:
    with pytest.raises(DecodeError, match="format ICNS is not accepted") as caught:
        decode(b"icns" + bytes(40))
    assert caught.value.limit is not None
    assert "accepted: JPEG" in caught.value.limit
    with pytest.raises(DecodeError, match="not an image of a known format"):
        decode(b"<html>404</html>")
    for brand in (b"heic", b"mif1"):
        with pytest.raises(DecodeError, match="starts like HEIC, which is not read; save the photo as JPEG"):
            decode(b"\0\0\0\x18ftyp" + brand + bytes(40))
    with pytest.raises(DecodeError, match="starts like PNG, but its header is damaged"):
        decode(b"\x89PNG\r\n\x1a\n" + bytes(20))
    with pytest.raises(DecodeError, match="format PNG is not accepted"):
        decode(file_bytes(Image.new("L", (2, 2)), "PNG"), limits=Limits(formats=("JPEG",)))


def test_pixel_and_byte_limits() -> None:
    data = file_bytes(Image.new("L", (40, 30)), "PNG")
    limits = Limits(pixels=1199)
    for photo in (data, Image.new("L", (40, 30)), np.zeros((30, 40), np.uint8)):
        with pytest.raises(DecodeError, match=r"40 x 30 = 1,200 pixels") as caught:
            decode(photo, limits=limits, name="p")
        assert caught.value.limit == "1,199 pixels"
        assert decode(photo, limits=Limits(pixels=1200)).pixels.shape == (30, 40, 3)
    with pytest.raises(DecodeError, match="too large"):
        decode(data, limits=Limits(file_bytes=len(data) - 1))
    assert decode(data, limits=Limits(file_bytes=len(data))).format == "PNG"


@pytest.mark.parametrize("turned", [False, True])
def test_a_line_longer_than_a_jpegs_side_is_refused_however_few_its_pixels(turned: bool) -> None:
    longest, beyond = np.zeros((2, 65_535), np.uint8), np.zeros((1, 65_536), np.uint8)
    if turned:
        longest, beyond = longest.T, beyond.T
    assert decode(longest).size == decode(file_bytes(Image.fromarray(longest), "PNG")).size == longest.shape[::-1]
    size = r"1 x 65536" if turned else r"65536 x 1"
    for photo in (beyond, Image.fromarray(beyond), file_bytes(Image.fromarray(beyond), "PNG")):
        with pytest.raises(DecodeError, match=rf"line: {size} pixels \(limit: 65,535 pixels a side\)"):
            decode(photo, name="line")


# --- the rest of the process is left alone ---


def damaged_exif() -> bytes:
    """A good JPEG whose EXIF block points beyond itself: Pillow warns."""
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x0110, 2, 999, 5000) + bytes(4)
    data = file_bytes(Image.fromarray(noise(24, 24)), "JPEG")
    tables = data.index(b"\xff\xdb")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[tables:]


def damaged_exif_tiff() -> bytes:
    """A good TIFF whose EXIF directory points beyond the file: Pillow warns while it loads the pixels."""
    fields = [(256, 10), (257, 4), (258, 8), (259, 1), (262, 1), (277, 1), (278, 4), (279, 40)]
    end = 8 + 2 + 12 * 10 + 4
    fields[6:6] = [(273, end)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*fields, (34665, end + 40)])
    directory = struct.pack("<HHHIII", 1, 0x9286, 7, 90, 5000, 0)
    return b"II*\0" + struct.pack("<IH", 8, len(fields) + 1) + entries + bytes(4) + bytes(40) + directory


@pytest.mark.parametrize("make", [damaged_exif, damaged_exif_tiff])
def test_pillows_warnings_do_not_pass(make: Callable[[], bytes]) -> None:
    with pytest.warns(UserWarning, match="EXIF|larger than file|Truncated"):
        Image.open(io.BytesIO(make())).load()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        decode(make())
    assert not seen


def test_pillow_warns_as_ever_of_what_others_open() -> None:
    decode(damaged_exif())
    with pytest.warns(UserWarning, match="larger than file|Truncated") as seen:
        Image.open(io.BytesIO(damaged_exif())).load()
    assert {Path(warning.filename).name for warning in seen} == {"TiffImagePlugin.py"}


@pytest.mark.parametrize("format", DEFAULT_LIMITS.formats)
def test_all_of_pillow_that_decodes_is_muted(format: str) -> None:
    decode(png(1, 1, 8, 2, b"\0\1\2\3"))
    Image.init()
    assert getattr(sys.modules[Image.OPEN[format][0].__module__], "warnings", None) is not warnings


def test_a_warning_is_given_once_though_photos_are_decoded_between() -> None:
    script = """
import sys, warnings
from counterfeit_vision.io.decode import decode
for photo in sys.argv[1:] * 2:
    warnings.warn("told once", RuntimeWarning)
    decode(bytes.fromhex(photo))
"""
    photos = [make().hex() for make in (damaged_exif, damaged_exif_tiff)]
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", script, *photos],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("told once") == 1
    assert done.stderr.count("Warning") == 1


def test_a_filter_of_warnings_survives_what_is_decoded_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    opening, filtered, pillow_opens = threading.Event(), threading.Event(), Image.open

    def slowly(*args: Any, **options: Any) -> Image.Image:
        opening.set()
        assert filtered.wait(30)
        return pillow_opens(*args, **options)

    monkeypatch.setattr(Image, "open", slowly)
    with ThreadPoolExecutor(1) as pool:
        photo = pool.submit(decode, damaged_exif())
        assert opening.wait(30)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            mine = list(warnings.filters)
            filtered.set()
            photo.result()
            assert list(warnings.filters) == mine


def test_an_unreadable_exif_block_leaves_the_pixels() -> None:
    data = png(1, 1, 8, 2, b"\0\1\2\3", (b"eXIf", b"not a TIFF header"))
    with pytest.raises(SyntaxError):
        Image.open(io.BytesIO(data)).getexif()
    assert decode(data).pixels.tolist() == [[[1, 2, 3]]]


def test_pillow_and_the_warning_filters_are_left_as_they_were() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            shapes = set(pool.map(lambda photo: decode(photo).pixels.shape, [damaged_exif()] * 400))
    finally:
        sys.setswitchinterval(switching)
    assert shapes == {(24, 24, 3)}
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_many_threads() -> None:
    image = Image.fromarray(noise(60, 80))
    photos = [file_bytes(image, format) for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]
    photos += [damaged_exif(), file_bytes(image, "TIFF", compression="tiff_deflate")]
    photos += [photo[: len(photo) // 2] for photo in photos]

    def result(photo: bytes) -> str:
        try:
            return decode(photo).pixels.tobytes().hex()
        except DecodeError as error:
            return str(error)

    alone = [result(photo) for photo in photos]
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(result, photos * 20)) == alone * 20
    assert list(warnings.filters) == before
    assert threading.active_count() < 8


def test_the_defaults_are_what_the_documentation_says() -> None:
    assert Limits(pixels=50_000_000, file_bytes=64 * 1024 * 1024, seconds=1.5) == DEFAULT_LIMITS
    assert "MPO" not in DEFAULT_LIMITS.formats
    assert "EPS" not in DEFAULT_LIMITS.formats
