from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms
from torchvision.transforms.v2 import functional

from counterfeit_vision.encoders.preprocess import Preprocess, patch_mask, to_photo, to_square, unpad
from counterfeit_vision.errors import InputError
from counterfeit_vision.io.decode import decode

DATA = Path(os.environ.get("CV_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")).resolve()

Fit = Literal["pad", "squash", "crop"]
FITS: tuple[Fit, ...] = ("pad", "squash", "crop")
SIZES = [(1, 1), (1, 5000), (5000, 1), (2, 3), (7, 100), (224, 224), (223, 225), (640, 640), (533, 400), (400, 533)]
SIZES += [(239, 104), (385, 122), (900, 1300), (1300, 900), (50, 20), (348, 348)]


def picture(height: int, width: int, kind: str = "noise", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "edges":  # only black and white: every overshoot of the filter clips
        return (rng.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b.astype(int))


# --- the fast twin ---


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_fast_twin_stays_within_its_bound(height: int, width: int, fit: Fit) -> None:
    for kind in ("noise", "edges"):
        for size in (224, 32):
            pixels = picture(height, width, kind)
            preprocess = Preprocess(size, fit)
            (fast, box), (slow, reference_box) = preprocess(pixels), preprocess.reference(pixels)
            assert fast.shape == slow.shape == (size, size, 3)
            assert fast.dtype == slow.dtype == np.uint8
            assert fast.flags.c_contiguous
            off = differences(fast, slow)
            assert off.max() <= 2
            assert (off > 1).mean() < 1e-3
            assert off.mean() < 0.02
            np.testing.assert_array_equal(box, reference_box)


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    size=st.integers(1, 256),
    fit=st.sampled_from(FITS),
    kind=st.sampled_from(["noise", "edges"]),
)
def test_fast_twin_on_any_size(height: int, width: int, size: int, fit: Fit, kind: str) -> None:
    pixels = picture(height, width, kind)
    before = pixels.copy()
    preprocess = Preprocess(size, fit)
    assert differences(preprocess(pixels)[0], preprocess.reference(pixels)[0]).max() <= 2
    np.testing.assert_array_equal(pixels, before)


def test_fast_twin_is_torchvisions_uint8_path() -> None:
    pixels = picture(400, 533)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    resized = functional.resize(image, [224, 224], interpolation=functional.InterpolationMode.BICUBIC, antialias=True)
    np.testing.assert_array_equal(Preprocess(224, "squash")(pixels)[0], resized.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("make", ["strided", "read-only", "fortran"])
def test_any_memory_layout(make: str) -> None:
    pixels = picture(60, 90)
    other = {"strided": pixels[::-1, ::-1], "read-only": pixels.copy(), "fortran": np.asfortranarray(pixels)}[make]
    other.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns about read-only memory
        square, _ = Preprocess(32)(other)
    np.testing.assert_array_equal(square, Preprocess(32)(np.ascontiguousarray(other).copy())[0])


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("height", "width"), [(1095, 1460), (450, 600), (1600, 900)])
def test_fast_twin_is_within_one_level_on_a_marketplace_photo(height: int, width: int, fit: Fit) -> None:
    """Soft colours, edges and grain; noise alone is held to 2 levels above."""
    random = np.random.default_rng(height)
    cells = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(cells.resize((width, height), Image.Resampling.NEAREST), np.float32) * 0.6
    pixels += np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC), np.float32) * 0.3
    photo = (pixels + random.normal(10, 5, (height, width, 1))).clip(0, 255).astype(np.uint8)
    off = differences(Preprocess(224, fit)(photo)[0], Preprocess(224, fit).reference(photo)[0])
    assert off.max() <= 1
    assert off.mean() < 0.01


@pytest.mark.skipif(not (DATA / "clothing").is_dir(), reason=f"no clothing/ in CV_DATA={DATA}")
def test_fast_twin_on_real_photos() -> None:
    files = sorted((DATA / "clothing").rglob("*.jpg"))[::25]
    assert files
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB"))
        for fit in FITS:
            off = differences(Preprocess(224, fit)(pixels)[0], Preprocess(224, fit).reference(pixels)[0])
            assert off.max() <= 2
            assert (off > 1).mean() < 1e-4
            assert off.mean() < 0.01


# --- the definition ---


def one_call(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BICUBIC))


@settings(max_examples=200, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400), size=st.integers(1, 256))
def test_reference_is_pillows_resize(height: int, width: int, size: int) -> None:
    pixels = picture(height, width, "edges")
    squashed, _ = Preprocess(size, "squash").reference(pixels)
    np.testing.assert_array_equal(squashed, one_call(pixels, size, size))


def test_pad_keeps_the_whole_photo_and_its_aspect() -> None:
    pixels = picture(200, 100)
    square, content = Preprocess(64, fill=(1, 2, 3)).reference(pixels)
    assert content.dtype == np.float32
    assert content.tolist() == [0.25, 0, 0.75, 1]
    np.testing.assert_array_equal(square[:, 16:48], one_call(pixels, 64, 32))
    assert (square[:, :16] == (1, 2, 3)).all()
    assert (square[:, 48:] == (1, 2, 3)).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pad_content_box_is_where_the_photo_is(height: int, width: int) -> None:
    green = np.zeros((height, width, 3), np.uint8)
    green[..., 1] = 200
    square, content = Preprocess(96, fill=(9, 9, 9))(green)
    rows, columns = np.nonzero((square == (0, 200, 0)).all(axis=2))
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 96
    np.testing.assert_allclose(content, found, atol=1e-6)
    assert len(rows) >= 96
    sides = (content[2:] - content[:2]) * 96
    assert np.abs(sides - 96 * np.array([width, height]) / max(height, width)).max() <= 1
    assert np.abs(content[:2] + content[2:] - 1).max() * 96 < 1.01


def test_squash_fills_the_square() -> None:
    square, content = Preprocess(48, "squash").reference(picture(30, 90))
    assert content.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(square, one_call(picture(30, 90), 48, 48))


@pytest.mark.parametrize("size", [224, 32])
@pytest.mark.parametrize(("height", "width"), [size for size in SIZES if max(size) < 16 * min(size)])
def test_crop_is_open_clips_evaluation_transform(height: int, width: int, size: int) -> None:
    pixels = picture(height, width, "edges")
    bicubic = transforms.InterpolationMode.BICUBIC
    theirs = transforms.Compose([transforms.Resize(size, bicubic), transforms.CenterCrop(size)])
    square, _ = Preprocess(size, "crop").reference(pixels)
    np.testing.assert_array_equal(square, np.asarray(theirs(Image.fromarray(pixels))))


@pytest.mark.parametrize(("height", "width"), [(90, 120), (120, 90), (64, 64), (10, 900), (900, 10)])
def test_crop_content_box_reaches_beyond_the_square(height: int, width: int) -> None:
    rows = (np.arange(height) + 0.5) / height
    columns = (np.arange(width) + 0.5) / width
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.rint(columns * 255), np.rint(rows[:, None] * 255)
    square, content = Preprocess(60, "crop").reference(ramp)
    for cell in (8, 30, 51):  # away from the edge, where the filter levels off
        x, y = to_photo(content, np.float32([(cell + 0.5) / 60] * 4))[:2]
        assert abs(square[cell, cell, 0] / 255 - x) < 0.01
        assert abs(square[cell, cell, 1] / 255 - y) < 0.01
    sides = content[2:] - content[:2]
    assert min(sides) == pytest.approx(1, abs=1e-4)
    assert max(sides) == pytest.approx(max(height, width) / min(height, width), rel=0.02)


def test_crop_of_a_very_long_photo_resizes_only_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resize(pixels: np.ndarray, rows: int, columns: int, extent: None) -> np.ndarray:
        assert extent is None
        asked.append((pixels.shape[:2], rows, columns))
        return np.zeros((rows, columns, 3), np.uint8)

    monkeypatch.setattr("counterfeit_vision.encoders.preprocess.resized", resize)
    _, content = Preprocess(32, "crop")(picture(2, 2000))
    assert asked == [((2, 32), 32, 512)]
    assert content.tolist() == [-499.5, 0, 500.5, 1]


def test_spec_names_what_changes_pixels_and_nothing_else() -> None:
    specs = [Preprocess(224), Preprocess(256), Preprocess(224, "squash"), Preprocess(224, "crop")]
    specs += [Preprocess(224, fill=(0, 0, 0)), Preprocess(224, decode="fast")]
    texts = [json.dumps(preprocess.spec(), sort_keys=True) for preprocess in specs]
    assert len(set(texts)) == len(texts)
    assert Preprocess(224, "crop", (0, 0, 0)).spec() == Preprocess(224, "crop").spec()
    assert Preprocess(224, fill=[1, 2, 3]) == Preprocess(224, fill=(1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        specs[0].size = 3  # type: ignore[misc]


@given(width=st.integers(1, 9000), height=st.integers(1, 9000), size=st.integers(1, 512), fit=st.sampled_from(FITS))
def test_fast_decoding_leaves_enough_pixels_for_the_square(width: int, height: int, size: int, fit: Fit) -> None:
    assert Preprocess(size, fit).shrink(width, height) == 1
    scale = Preprocess(size, fit, decode="fast").shrink(width, height)
    assert scale in (1, 2, 4, 8)
    side = max(width, height) if fit == "pad" else min(width, height)
    assert scale == 1 or side / scale >= 3 * size
    assert scale == 8 or side / (2 * scale) < 3 * size  # no more than needed


def test_fast_squares_are_close_and_lie_in_the_same_place() -> None:
    for fit in FITS:
        photo = io.BytesIO()
        Image.fromarray(picture(6, 9)).resize((2100, 1400), Image.Resampling.BICUBIC).save(photo, "JPEG", quality=90)
        exact, fast = Preprocess(224, fit), Preprocess(224, fit, decode="fast")
        whole, smaller = (decode(photo.getvalue(), shrink=way.shrink).pixels for way in (exact, fast))
        assert smaller.size * 3 < whole.size
        off = differences(exact(whole)[0], fast(smaller)[0])
        assert off.mean() < 1
        np.testing.assert_allclose(exact(whole)[1], fast(smaller)[1], atol=0.006)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", FITS)
def test_the_pixel_that_sticks_out_of_a_shrunk_jpeg_moves_nothing(fit: Fit, orientation: int) -> None:
    """1,203 x 1,001 pixels are 300.75 x 250.25 of a quarter's: taken for 301 x 251, all would lie further left."""
    exif, photo = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    soft = Image.fromarray(picture(9, 12)).resize((1203, 1001), Image.Resampling.BICUBIC)
    soft.save(photo, "JPEG", quality=95, exif=exif)
    exact, fast = Preprocess(64, fit), Preprocess(64, fit, decode="fast")
    whole, smaller = (decode(photo.getvalue(), shrink=way.shrink) for way in (exact, fast))
    assert max(smaller.pixels.shape) == 301
    (square, box), (other, other_box) = exact(whole.pixels, whole.extent), fast(smaller.pixels, smaller.extent)
    np.testing.assert_allclose(box, other_box, atol=1e-6)
    assert differences(square, other).mean() < 0.5
    assert differences(square, other).mean() < 0.6 * differences(square, fast(smaller.pixels)[0]).mean()
    slow, slow_box = fast.reference(smaller.pixels, smaller.extent)
    assert differences(other, slow).max() <= 2
    np.testing.assert_array_equal(other_box, slow_box)


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    size=st.integers(1, 20),
    shrunk=st.sampled_from([2, 4, 8]),
    fit=st.sampled_from(FITS),
    corner=st.tuples(st.booleans(), st.booleans()),
)
def test_any_extent(height: int, width: int, size: int, shrunk: int, fit: Fit, corner: tuple[bool, bool]) -> None:
    """As Pillow's box, wherever the photo is larger than its square."""
    if min(height, width) < 3 * shrunk * size:
        return
    pixels = picture(-(-height // shrunk), -(-width // shrunk))
    tall, wide = height / shrunk, width / shrunk
    y, x = (
        rest if far else 0 for far, rest in zip(corner, (pixels.shape[0] - tall, pixels.shape[1] - wide), strict=True)
    )
    way = Preprocess(size, fit)
    (square, box), (slow, slow_box) = (run(pixels, (x, y, x + wide, y + tall)) for run in (way, way.reference))
    assert differences(square, slow).max() <= 2
    np.testing.assert_array_equal(box, slow_box)


def test_wrong_input_is_named() -> None:
    wrong = [{"size": 0}, {"size": 2.5}, {"size": 9, "fit": "zoom"}, {"size": 9, "fill": (1, 2)}]
    for arguments in [*wrong, {"size": 9, "decode": "quick"}]:
        with pytest.raises(InputError, match="Preprocess"):
            Preprocess(**arguments)  # type: ignore[arg-type]
    for pixels in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match=r"need uint8 pixels .* got"):
            Preprocess(8)(pixels)  # type: ignore[arg-type]


# --- from patches to the photo ---

boxes = st.tuples(*[st.floats(-1, 2)] * 4).map(lambda v: np.float32(v))
contents = st.tuples(st.floats(-1, 0.6), st.floats(-1, 0.6), st.floats(0.1, 3), st.floats(0.1, 3)).map(
    lambda v: np.float32([v[0], v[1], v[0] + v[2], v[1] + v[3]])
)


@given(content=contents, box=boxes)
def test_boxes_go_there_and_back(content: Any, box: Any) -> None:
    np.testing.assert_allclose(to_photo(content, to_square(content, box)), box, atol=1e-4)
    np.testing.assert_allclose(to_square(content, np.float32([0, 0, 1, 1])), content, atol=1e-6)
    many = np.stack([box, box])
    np.testing.assert_array_equal(to_square(content, many)[1], to_square(content, box))


@given(content=contents, rows=st.integers(1, 20), columns=st.integers(1, 20))
def test_patch_mask_is_the_share_on_the_photo(content: Any, rows: int, columns: int) -> None:
    mask = patch_mask(content, (rows, columns))
    assert mask.shape == (rows, columns)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1 + 1e-6
    inside = np.clip(content.astype(float), 0, 1)
    area = (inside[2] - inside[0]) * (inside[3] - inside[1])
    assert mask.mean() == pytest.approx(area, abs=1e-5)


def test_patch_mask_of_a_padded_photo() -> None:
    _, content = Preprocess(16)(picture(100, 50))  # columns 4..12 of 16
    np.testing.assert_array_equal(patch_mask(content, (2, 4)), [[0, 1, 1, 0]] * 2)
    np.testing.assert_allclose(patch_mask(content, (1, 3)), [[0.25, 1, 0.25]], atol=1e-6)


def test_unpad_reads_only_the_photo() -> None:
    _, content = Preprocess(64)(picture(100, 50))
    patches = np.full((8, 8), 1000.0)
    patches[:, 2:6] = np.arange(8)[:, None]
    heat = unpad(patches, content)
    assert heat.shape == (32, 16)
    assert heat.dtype == np.float32
    assert heat.max() == 7
    assert heat.min() == 0
    assert (np.diff(heat, axis=0) >= 0).all()
    assert (np.diff(heat, axis=1) == 0).all()
    np.testing.assert_allclose(heat[14:18, 0], [3.125, 3.375, 3.625, 3.875])  # bilinear between patch centres


def test_unpad_puts_a_hot_patch_where_it_is_on_the_photo() -> None:
    _, content = Preprocess(64)(picture(300, 600))  # rows 16..48 of 64
    patches = np.zeros((8, 8), np.float16)
    patches[3, 6] = 1
    heat = unpad(patches, content, long_side=64)
    assert heat.shape == (32, 64)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    x0, y0, x1, y1 = to_photo(content, np.float32([6 / 8, 3 / 8, 7 / 8, 4 / 8]))
    assert x0 <= (column + 0.5) / 64 <= x1
    assert y0 <= (row + 0.5) / 32 <= y1


def test_unpad_of_a_crop_is_zero_where_nothing_was_seen() -> None:
    _, content = Preprocess(60, "crop")(picture(100, 200))
    heat = unpad(np.ones((6, 6)), content)
    assert heat.shape == (16, 32)
    np.testing.assert_array_equal(heat, np.repeat([[0] * 8 + [1] * 16 + [0] * 8], 16, axis=0))


@given(content=contents, rows=st.integers(1, 16), columns=st.integers(1, 16), long_side=st.integers(1, 40))
def test_unpad_never_leaves_the_range_of_its_patches(content: Any, rows: int, columns: int, long_side: int) -> None:
    patches = np.random.default_rng(0).uniform(2, 3, (rows, columns))
    heat = unpad(patches, content, long_side)
    assert max(heat.shape) == long_side
    assert min(heat.shape) >= 1
    seen = heat[heat != 0]
    assert seen.size == 0 or (seen.min() >= 2 - 1e-5 and seen.max() <= 3 + 1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("fit", FITS)
def test_maps_exist_for_every_photo(height: int, width: int, fit: Fit) -> None:
    _, content = Preprocess(224, fit)(picture(height, width))
    assert np.isfinite(content).all()
    assert patch_mask(content, (14, 14)).sum() > 0
    assert np.isfinite(unpad(np.ones((14, 14)), content)).all()


def test_importing_does_not_import_torch() -> None:
    modules = "counterfeit_vision.encoders.preprocess, counterfeit_vision.io.decode"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
