"""Files made to take all memory or time, and damaged ones: pixels or one error, quickly, and nothing on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import DATA, file_bytes, noise, over_white, png
from PIL import Image, ImageCms, ImageOps
from profiles import DISPLAY_P3, press_profile, rgb_profile

from counterfeit_vision.errors import DecodeError
from counterfeit_vision.io.colour import NEAR_SRGB
from counterfeit_vision.io.decode import Limits, decode

if TYPE_CHECKING:
    from collections.abc import Callable

needs_hostile = pytest.mark.skipif(not (DATA / "hostile").is_dir(), reason=f"no hostile/ in CV_DATA={DATA}")


def reference(image: Image.Image) -> np.ndarray:
    """What a photo should become, by the plainest means: integer arithmetic on numpy arrays."""
    if image.mode.startswith("I"):
        assert "transparency" not in image.info or image.info["transparency"] == 65535
        grey = (np.asarray(image).astype(np.int64) + 128) // 257
        assert grey.min() >= 0
        assert grey.max() <= 255
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    if image.mode in ("RGBA", "LA") or "transparency" in image.info:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB")).astype(int)


def tall_order(scans: int, height: int = 6000) -> bytes:
    """A small JPEG that orders ``scans`` passes over 42 million pixels."""
    data = file_bytes(Image.new("L", (7000, height)), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda"))
    return data[:-2] + data[last:-2] * scans + data[-2:]


def giant_tile() -> bytes:
    """A 10 x 10 TIFF in one tile of 30,000 x 30,000 pixels."""
    strips = zlib.compress(bytes(1000))
    fields = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1), (322, 30_000), (323, 30_000)]
    fields += [(324, 8 + 2 + 12 * 10 + 4), (325, len(strips))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + strips


def run_length_bitmap() -> bytes:
    """40 MB of one-pixel runs: Pillow reads each in Python."""
    runs = (b"\x01\x05" * 5000 + b"\0\0") * 4000
    header = struct.pack("<IiiHHIIiiII", 40, 5000, 5000, 1, 8, 1, len(runs), 0, 0, 256, 0) + bytes(1024)
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(runs), 0, 0, 14 + len(header)) + header + runs


def jpeg_tiff(width: int, height: int, jpeg: bytes, compression: int = 7, tile: bool = False) -> bytes:
    """A grey TIFF of strips or tiles of 7000 x 500 pixels, which all are the same bytes."""
    count = height // 500 * (width // 7000)
    sides = [(322, 1, 7000), (323, 1, 500)] if tile else [(278, 1, 500)]
    fields = [(256, 1, width), (257, 1, height), (258, 1, 8), (259, 1, compression), (262, 1, 1), (277, 1, 1), *sides]
    end = 8 + 2 + 12 * (len(fields) + 2) + 4
    fields += [(324 if tile else 273, count, end), (325 if tile else 279, count, end + 4 * count)]
    entries = b"".join(struct.pack("<HHII", tag, 4, *rest) for tag, *rest in sorted(fields))
    tables = struct.pack("<I", end + 8 * count) * count + struct.pack("<I", len(jpeg)) * count
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + tables + jpeg


MILLION = 1_000_000


def tagged(*fields: tuple[int, int, int, int]) -> bytes:
    """A TIFF's directory of tag, type, number of values and value, before the million rationals that the long ones
    hold.
    """
    end = 8 + 2 + 12 * len(fields) + 4
    entries = [struct.pack("<HHII", *field[:3], end if field[2] == MILLION else field[3]) for field in sorted(fields)]
    head = b"II*\0" + struct.pack("<IH", 8, len(fields)) + b"".join(entries) + bytes(4)
    return head + struct.pack("<II", 7, 3) * MILLION


def rational_tiff(*fields: tuple[int, int, int, int]) -> bytes:
    """A good TIFF of 8 x 8 grey pixels but for these."""
    size = [(tag, 4, 1, 8) for tag in (256, 257, 258, 273, 278)]
    return tagged(*size, (259, 4, 1, 1), (262, 4, 1, 1), (277, 4, 1, 1), (279, 4, 1, 64), *fields)


ORIENTATION = (0x0112, 5, MILLION, 0)


def rational_jpeg() -> bytes:
    """Its EXIF block, in 123 segments, holds the orientation and, where JFIF is missing, the resolution."""
    block = tagged(ORIENTATION, (0x011A, 5, MILLION, 0), (0x0128, 3, 1, 2))
    parts = [b"Exif\0\0" + block[at : at + 65_000] for at in range(0, len(block), 65_000)]
    data = file_bytes(Image.new("RGB", (8, 8)), "JPEG")
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return data[:2] + segments + data[data.index(b"\xff\xdb") :]


def rational_avif() -> bytes:
    """Saved with a tag that Pillow leaves as it is, which then becomes the orientation."""
    data = file_bytes(Image.new("RGB", (8, 8)), "AVIF", exif=b"Exif\0\0" + tagged((0x0113, 5, MILLION, 0)))
    return data.replace(struct.pack("<HHI", 0x0113, 5, MILLION), struct.pack("<HHI", *ORIENTATION[:3]), 1)


def rational_png(kind: bytes, before: bytes = b"", *, as_hex: bool = False) -> bytes:
    block = tagged(ORIENTATION)
    return png(1, 1, 8, 0, b"\0\0", (kind, before + (block.hex().encode() if as_hex else block)))


def rational_exif_tiff() -> bytes:
    """They lie in an EXIF directory of their own, which Pillow reads whole while it loads the pixels."""
    head = rational_tiff((34665, 4, 1, 0))
    at = head.index(struct.pack("<HHII", 34665, 4, 1, 0)) + 8
    own = struct.pack("<HHHII", 1, 0x9286, 5, MILLION, 8) + bytes(4)
    return head[:at] + struct.pack("<I", len(head)) + head[at + 4 :] + own


def tiny_tiles() -> bytes:
    """A TIFF of 4 million pixels, each in a tile of its own."""
    fields = [(256, 2000), (257, 2000), (258, 8), (259, 1), (262, 1), (277, 1), (322, 1), (323, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    entries += struct.pack("<HHII", 324, 4, 4 * MILLION, 8 + 2 + 12 * 9 + 4)
    return b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4) + struct.pack("<I", 8) * (4 * MILLION)


BOMBS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "pixels": (lambda: png(30_000, 30_000, 8, 0, b""), "pixels"),
    "scans": (lambda: tall_order(300), "processor time"),
    "scans in strips": (lambda: jpeg_tiff(7000, 6000, tall_order(80, 500)), "processor time"),
    "scans in tiles": (lambda: jpeg_tiff(7000, 6000, tall_order(80, 500), tile=True), "processor time"),
    "scans in the old style": (lambda: jpeg_tiff(7000, 6000, tall_order(80, 500), 6), "processor time"),
    "tile": (giant_tile, "pixels"),
    "runs": (run_length_bitmap, "processor time"),
    "text": (lambda: png(1, 1, 8, 0, b"\0\0", (b"zTXt", b"k\0\0" + zlib.compress(bytes(90_000_000), 9))), "too large"),
    "plain": (lambda: b"P3 4000 4000 255\n" + b"1 2 3 " * 8_000_000, "processor time"),
    "chunks": (lambda: png(1, 1, 8, 0, b"\0\0", *[(b"abCd", b"")] * 3_000_000), "processor time"),
    "jpeg2000": (lambda: file_bytes(Image.new("L", (7000, 7000)), "JPEG2000"), "processor time"),
    "exif of a png": (lambda: rational_png(b"eXIf"), None),
    "exif in a text": (lambda: rational_png(b"tEXt", b"Raw profile type exif\0\n\n\n", as_hex=True), None),
    "exif of a jpeg": (rational_jpeg, None),
    "exif of a webp": (lambda: file_bytes(Image.new("RGB", (8, 8)), "WEBP", exif=tagged(ORIENTATION)), None),
    "exif of an avif": (rational_avif, "more than 400,000 values"),
    "exif of a tiff": (rational_exif_tiff, "more than 400,000 values"),
    "resolution": (lambda: rational_tiff((282, 5, MILLION, 0)), "more than 400,000 values"),
    "tile width": (lambda: rational_tiff((322, 5, MILLION, 0)), "more than 400,000 values"),
    "tiles": (tiny_tiles, "more than 400,000 values"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_stay_within_time_and_memory(bomb: str, tmp_path: Path) -> None:
    make, reason = BOMBS[bomb]
    (tmp_path / bomb).write_bytes(make())
    (report,) = decode_elsewhere([tmp_path / bomb])["files"]
    if reason is None:
        assert report["error"] is None
    else:
        assert reason in (report["error"] or "")
    assert report["seconds"] <= 2
    assert report["rise"] < 300


def test_metadata_is_bounded_only_while_a_photo_is_decoded() -> None:
    data = rational_png(b"eXIf")
    decode(data)
    with pytest.warns(UserWarning, match="too many entries: 1000000"):
        assert float(Image.open(io.BytesIO(data)).getexif()[0x0112]) == 7 / 3


def test_a_tiff_of_many_strips_is_read() -> None:
    rows, width = 65_535, 2
    pixels = noise(rows, width, 1)[..., 0]
    fields = [(256, 1, width), (257, 1, rows), (258, 1, 8), (259, 1, 1), (262, 1, 1), (273, rows, 0), (277, 1, 1)]
    fields += [(278, 1, 1), (279, rows, 0)]
    end = 8 + 2 + 12 * len(fields) + 4
    places = {273: end, 279: end + 4 * rows}
    entries = b"".join(struct.pack("<HHII", tag, 4, count, places.get(tag, value)) for tag, count, value in fields)
    tables = np.concatenate([np.arange(rows) * width + end + 8 * rows, np.full(rows, width)]).astype("<u4")
    data = b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + tables.tobytes() + pixels.tobytes()
    np.testing.assert_array_equal(decode(data, limits=Limits(seconds=30)).pixels[..., 0], pixels)


@pytest.mark.parametrize("tile", [False, True])
def test_a_tiff_of_many_jpegs_is_read(tile: bool) -> None:
    jpeg = file_bytes(Image.fromarray(np.tile(noise(50, 70, 1)[..., 0], (10, 100))), "JPEG")
    pixels = decode(jpeg_tiff(7000, 6000, jpeg, tile=tile)).pixels
    np.testing.assert_array_equal(pixels, np.tile(decode(jpeg).pixels, (12, 1, 1)))
    few = jpeg_tiff(7000, 1000, tall_order(80, 500), tile=tile)
    assert decode(few).pixels.shape == (1000, 7000, 3)


# --- a process of its own, to see what reaches stderr and how far memory rises ---

ELSEWHERE = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
from counterfeit_vision.io.decode import decode
from counterfeit_vision.errors import DecodeError
import numpy as np
from PIL import Image
Image.init()
decode(np.zeros((1, 1, 4), np.uint8))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, files = peak(), []
for path in json.load(sys.stdin):
    start, error, shape = time.process_time(), None, None
    try:
        shape = decode(path).pixels.shape
    except DecodeError as caught:
        error = str(caught)
    files.append({"path": path, "error": error, "shape": shape, "seconds": time.process_time() - start,
                  "rise": peak() - before})
json.dump({"files": files, "torch": "torch" in sys.modules}, sys.stdout)
"""


def decode_elsewhere(paths: list[Path]) -> dict[str, Any]:
    """Decode in a fresh process with every warning on; nothing may reach its stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", ELSEWHERE, str(Path(__file__).parents[1])],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert not report["torch"]
    return report


def hostile_files() -> list[Path]:
    return sorted(path for path in (DATA / "hostile").rglob("*") if path.is_file() and path.name != "LICENSE")


@needs_hostile
def test_hostile_files_are_quiet_quick_and_small() -> None:
    files = decode_elsewhere(hostile_files())["files"]
    assert len(files) > 2000
    assert max(file["seconds"] for file in files) <= 2
    assert files[-1]["rise"] < 1024
    for file in files:
        assert file["error"] is None or file["error"].startswith(f"{file['path']}: ")


def what_pillow_loads(path: Path) -> tuple[np.ndarray | None, int]:
    """The reference pixels, and by how many levels ours may differ: one where anything is blended, and what a profile
    may move unseen where there is one; ``None`` where Pillow, any format allowed, raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                image.load()
                whole: Image.Image = image.copy()
        except Exception:  # what Pillow raises on damaged files is of many kinds, SyntaxError and struct.error too
            return None, 0
        upright = whole
        with contextlib.suppress(Exception):  # a damaged EXIF block: the pixels are still good
            upright = ImageOps.exif_transpose(whole)
        pixels, profile = by_profile(reference(upright), upright)
        return pixels, int(upright.has_transparency_data) + NEAR_SRGB * profile


def by_profile(rgb: np.ndarray, image: Image.Image) -> tuple[np.ndarray, bool]:
    """Pillow's own conversion to sRGB, where the image has a profile that fits its mode."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        mode = {"RGB ": "RGB", "GRAY": "L"}[profile.profile.xcolor_space]
        if mode == "L" and image.mode != "L":
            return rgb, False
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        seen = Image.fromarray(rgb.astype(np.uint8)).convert(mode)
        moved = ImageCms.profileToProfile(seen, profile, ImageCms.createProfile("sRGB"), 1, "RGB", flags=flags)
    except (KeyError, OSError, ValueError, ImageCms.PyCMSError):
        return rgb, False
    assert moved is not None
    return np.asarray(moved).astype(int), True


@needs_hostile
def test_hostile_files_give_the_pixels_that_pillow_loads_or_one_error() -> None:
    loaded, refused = 0, {}
    for path in hostile_files():
        expected, levels = what_pillow_loads(path)
        try:
            pixels = decode(path).pixels
        except DecodeError as error:
            if expected is not None:
                refused[path.name] = str(error)
        else:
            assert expected is not None, f"{path}: pixels, though Pillow does not load it"
            assert pixels.shape == expected.shape
            assert pixels.dtype == np.uint8
            assert pixels.flags.c_contiguous
            assert np.abs(pixels.astype(int) - expected).max() <= levels, path
            loaded += 1
    assert loaded > 600
    assert list(refused) == ["transparent.sgi"]
    assert "format SGI is not accepted" in refused["transparent.sgi"]


SEEDS = {
    format: file_bytes(
        Image.fromarray(noise(12, 17)).quantize(8) if format == "GIF" else Image.fromarray(noise(12, 17)), format
    )
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
} | {
    "LZW": file_bytes(Image.fromarray(noise(12, 17)), "TIFF", compression="tiff_lzw"),
    "progressive": file_bytes(Image.fromarray(noise(40, 40)), "JPEG", progressive=True),
    "phone": file_bytes(Image.fromarray(noise(12, 17)), "JPEG", icc_profile=rgb_profile(DISPLAY_P3)),
    "press": file_bytes(Image.fromarray(noise(12, 17, 4), "CMYK"), "TIFF", icc_profile=press_profile()),
}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_mutated_files_give_pixels_or_one_error(seed: str, edits: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(SEEDS[seed])
    for place, value in edits:
        data[int(place * len(data))] = value
    photo, failure = bytes(data[: int(keep * len(data))]), None
    try:
        pixels = decode(photo, limits=Limits(pixels=1_000_000)).pixels
    except DecodeError as error:
        failure = error
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.flags.c_contiguous
    if failure is not None:
        assert str(failure).startswith("photo: ")
        assert failure.reason
    if not edits and keep == 1:
        assert failure is None
