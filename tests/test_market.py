"""The rendered market: same bytes for the same seed, honest labels and masks, graded attacks, safe SVG."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from counterfeit_vision.errors import InputError
from counterfeit_vision.market import ATTACKS, Market, render
from counterfeit_vision.market.alphabet import GLYPHS, Typeface, Word
from counterfeit_vision.market.artwork import changed
from counterfeit_vision.market.attacks import STRENGTHS, Alteration, altered, changed_share
from counterfeit_vision.market.brands import invent
from counterfeit_vision.market.products import Product, assortment
from counterfeit_vision.market.render import FORMAT
from counterfeit_vision.market.scenes import room
from counterfeit_vision.market.shapes import OVERSAMPLE, Element, cover, extent, transformed
from counterfeit_vision.market.studio import photograph
from counterfeit_vision.market.svg import path_polygons, read_marks, read_svg
from counterfeit_vision.types import Listing, Reference, Region

SMALL = {"seed": 3, "brands": 1, "listings": 24, "calibration": 3, "references": 2, "size": 192}
ALTERATIONS = [name for name, attack in ATTACKS.items() if isinstance(attack, Alteration)]


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return render(tmp_path_factory.mktemp("market") / "m", **SMALL)


@pytest.fixture(scope="module")
def products() -> list[Product]:
    return assortment(invent(2, 3))


def test_its_numbers_may_be_numpys(market: Market) -> None:
    assert render(market.folder, **{name: np.int64(value) for name, value in SMALL.items()}) == market
    with pytest.raises(InputError, match=r"seed=np\.float64\(3\.0\): need a whole number >= 0"):
        render(market.folder, **SMALL | {"seed": np.float64(3)})


def make(cls: type, row: dict, folder: Path) -> object:
    known = {field.name for field in fields(cls)}
    values = {name: value for name, value in row.items() if name in known}
    if "photo" in values:
        values["photo"] = folder / values["photo"]
        values["regions"] = [Region(*box) for box in values["regions"]]
    else:
        values["photos"] = [folder / photo for photo in values["photos"]]
    return cls(**values)


def test_rows_make_references_and_listings(market: Market) -> None:
    for path, cls in ((market.catalogue, Reference), (market.listings, Listing), (market.calibration, Listing)):
        rows = rows_of(path)
        assert len({row["id"] for row in rows}) == len(rows) > 0
        for row in rows:
            made = make(cls, row, market.folder)
            photo = made.photo if cls is Reference else made.photos[0]
            with Image.open(photo) as picture:
                assert picture.format == "JPEG"
                assert max(picture.size) == SMALL["size"]
                assert not picture.getexif()
    assert str(market.folder) in repr(market)
    assert "24 listings" in repr(market)


def test_every_product_has_its_official_photo_first_and_regions_inside(market: Market) -> None:
    seen: set[str] = set()
    for row in rows_of(market.catalogue):
        assert row["gallery"] == ("genuine" if row["product"] in seen else "official")
        seen.add(row["product"])
        with Image.open(market.folder / row["photo"]) as picture:
            width, height = picture.size
        assert len(row["regions"]) == 2
        assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in row["regions"])
    assert len({row["category"] for row in rows_of(market.catalogue)}) == 3


def test_labels_masks_and_scenes(market: Market) -> None:
    rows = rows_of(market.listings)
    assert Counter(row["label"] for row in rows) == {"genuine": 12, "fake": 12}
    assert {row["attack"] for row in rows if row["label"] == "fake"} >= {"letter_swap", "stolen_photo", "wrong_product"}
    for first, second in zip(rows[0::2], rows[1::2], strict=True):
        assert {first["label"], second["label"]} == {"genuine", "fake"}
        assert first["product"] == second["product"]
        if "stolen_photo" not in (first["attack"], second["attack"]):
            assert first["scene"] == second["scene"]
    for row in [*rows, *rows_of(market.calibration)]:
        with Image.open(market.folder / row["photos"][0]) as picture:
            size = picture.size
        product = np.asarray(Image.open(market.folder / row["product_mask"]))
        assert product.shape == size[::-1]
        assert set(np.unique(product)) <= {0, 255}
        assert 0.02 < (product > 0).mean() <= 1
        if row["label"] == "genuine":
            assert row["mask"] is None
            assert row["attack"] is None
            assert row["share"] is None
            continue
        assert row["hard"] is None
        if row["attack"] in ALTERATIONS:
            assert 0.01 <= row["share"] <= 0.08
        else:
            assert row["share"] is None
        mask = np.asarray(Image.open(market.folder / row["mask"])) > 0
        assert mask.shape == size[::-1]
        assert mask.any()
        if row["attack"] == "stolen_photo":
            assert mask.all()
        elif row["attack"] == "wrong_product":
            assert (mask >= (product > 0)).all()
        else:
            assert mask.sum() < 0.5 * (product > 0).sum()
            # One pixel of dilation may leave the product.
            assert (mask & (product > 0)).sum() > 0.6 * mask.sum()


def test_hard_genuine_cases_and_documented_old_logos(tmp_path: Path) -> None:
    market = render(tmp_path / "m", seed=5, brands=2, listings=0, calibration=40, references=1, size=96)
    hard = Counter(row["hard"] for row in rows_of(market.calibration))
    assert 3 <= 40 - hard[None] <= 16
    old = {row["product"] for row in rows_of(market.catalogue) if row["id"].endswith("-old")}
    assert len(old) == 2
    assert {row["product"] for row in rows_of(market.calibration) if row["hard"] == "old_logo"} <= old


def test_same_seed_same_bytes_and_photo_i_does_not_depend_on_the_count(market: Market, tmp_path: Path) -> None:
    again = render(tmp_path / "again", **{**SMALL, "listings": 10, "calibration": 1})
    before, after = digests(market.folder), digests(again.folder)
    shared = [name for name in after if name.endswith((".jpg", ".png"))]
    assert len(shared) > 20
    assert [name for name in shared if before[name] != after[name]] == []
    assert before["catalogue.jsonl"] == after["catalogue.jsonl"]
    assert again.listings.read_text() == "".join(market.listings.read_text().splitlines(keepends=True)[:10])


def test_a_listing_may_have_several_photos_of_its_goods_the_first_of_which_is_the_same(
    market: Market, tmp_path: Path
) -> None:
    again = render(tmp_path / "again", **{**SMALL, "listings": 12, "photos": 3})
    before, after = digests(market.folder), digests(again.folder)
    rows = [row for part in (again.calibration, again.listings) for row in rows_of(part)]
    assert [row["id"] for row in rows if before[row["photos"][0]] != after[row["photos"][0]]] == []
    assert [row["id"] for row in rows if row.get("mask") and before[row["mask"]] != after[row["mask"]]] == []
    assert {len(row["photos"]) for row in rows if row["attack"] != "stolen_photo"} == {3}
    assert {len(row["photos"]) for row in rows if row["attack"] == "stolen_photo"} == {1}
    names = [name for row in rows for name in row["photos"]]
    assert len({after[name] for name in names}) == len(names)
    with pytest.raises(InputError, match=r"another market \(it differs in photos\)"):
        render(again.folder, **{**SMALL, "listings": 12})


def test_other_seeds_give_other_brands() -> None:
    names = [tuple(brand.name for brand in invent(3, seed)) for seed in range(20)]
    assert len(set(names)) == 20
    assert invent(2, 4) == invent(5, 4)[:2]
    assert all(5 <= len(name) <= 8 and set(name) <= set(GLYPHS) for group in names for name in group)


def test_a_folder_is_reused_or_refused(market: Market, tmp_path: Path) -> None:
    before = digests(market.folder)
    stamp = market.listings.stat().st_mtime_ns
    assert render(market.folder, **SMALL) == market
    assert digests(market.folder) == before
    assert market.listings.stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match=r"another market \(it differs in seed\)") as caught:
        render(market.folder, **{**SMALL, "seed": 4})
    assert str(market.folder) in str(caught.value)
    (tmp_path / "catalogue.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="not a rendered market"):
        render(tmp_path, **SMALL)


def test_what_makes_other_rows_is_another_format(market: Market) -> None:
    rows = rows_of(market.listings)
    for row in rows:
        row["share"] = row["share"] and f"{row['share']:.2f}"  # the last digits may differ from machine to machine
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert (FORMAT, digest[:16]) == (4, "b095abec3962ad6a"), "else older folders are taken for this market"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"brands": 0}, "brands=0"),
        ({"brands": 3853}, "brands=3853: there are names for 2000"),
        ({"size": 10}, "size=10"),
        ({"strength": "huge"}, "weak, medium, strong"),
        ({"attacks": ["letter_swop"]}, "letter_swop"),
        ({"attacks": []}, "the attacks are"),
        ({"attacks": "colour"}, "pass a list"),
        ({"marks": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"brands": True}, "brands=True: need a whole number"),
        ({"strength": ["weak"]}, r"strength=\['weak'\]: the strengths are"),
        ({"attacks": 5}, r"attacks=5: pass a list, attacks=\['letter_swap'\]"),
        ({"attacks": [["colour"]]}, r"unknown \[\['colour'\]\]"),
        ({"marks": 5}, "marks='5' is not a folder"),
    ],
)
def test_wrong_arguments_are_named(options: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        render(tmp_path / "m", **{**SMALL, **options})
    assert not (tmp_path / "m").exists()


@pytest.fixture(scope="module")
def several() -> list[Product]:
    """Goods with marks of many sizes, of brands with short and long names."""
    places = {9002: 0, 9003: 2, 9004: 4, 9005: 1}
    return [assortment(invent(1, seed))[place] for seed, place in places.items()]


def shares(name: str, products: list[Product]) -> dict[str, list[float]]:
    attack = ATTACKS[name]
    assert isinstance(attack, Alteration)
    fitting = [product for product in products if attack.fits(product.design.artwork)]
    assert fitting
    found: dict[str, list[float]] = {}
    for strength, wanted in STRENGTHS.items():
        for product in fitting:
            fake = attack.apply(product.design.artwork, wanted, np.random.default_rng([product.brand.seed // 1000, 1]))
            found.setdefault(strength, []).append(changed_share(product.design.artwork, fake))
    return found


@pytest.mark.parametrize("name", ALTERATIONS)
def test_attacks_are_graded(name: str, several: list[Product]) -> None:
    found = shares(name, several)
    # A letter that is turned round, or another letter, cannot differ as little as one likes.
    assert all(0.01 <= value <= (0.08 if name == "mirrored" else 0.05) for value in found["medium"])
    weak, medium, strong = (float(np.mean(found[strength])) for strength in STRENGTHS)
    assert weak <= medium < strong
    if name not in ("letter_swap", "mirrored"):
        assert weak < medium


@pytest.mark.parametrize(("seed", "id", "reached"), [(9102, "galrane-cream-forest", 3), (9100, "calmar-tote-mint", 2)])
def test_a_fine_pattern_differs_where_its_marks_are_seen(seed: int, id: str, reached: int) -> None:
    artwork = next(product.design.artwork for product in assortment(invent(2, seed)) if product.id == id)
    face, attack = artwork[artwork.main], ATTACKS["wrong_pattern"]
    assert isinstance(attack, Alteration)
    differs = []
    for number, wanted in enumerate(STRENGTHS.values()):
        fake = altered(attack, artwork, wanted, np.random.default_rng([seed, 1]))
        assert (fake is not None) == (number < reached)
        if fake is not None:
            assert wanted[0] <= changed_share(artwork, fake) <= wanted[1]
            differs.append(int(changed(face, fake[fake.main]).sum()))
    assert 0 < differs[0] < differs[1] < (*differs, np.inf)[2]


def test_a_name_of_symmetric_letters_is_not_mirrored(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text('<svg><path d="M2 2H22V22H2Z"/></svg>')
    (tmp_path / "marks.csv").write_text("file,title,hex\na.svg,OTTO,1f4e79\n")
    small = {"seed": 9000, "brands": 1, "listings": 2, "calibration": 0, "references": 1, "size": 96}
    market = render(tmp_path / "m", **small, marks=tmp_path, attacks=["mirrored", "stroke"])
    assert [row["attack"] for row in rows_of(market.listings) if row["attack"]] == ["stroke"]
    mirrored = ATTACKS["mirrored"]
    assert isinstance(mirrored, Alteration)
    tavva = next(brand for brand in invent(4, 9504) if brand.name == "TAVVA")
    assert not any(mirrored.fits(product.design.artwork) for product in assortment([tavva]))


def test_what_changes_nothing_that_is_seen_makes_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ATTACKS, "colour", Alteration("colour", lambda artwork, wanted, rng: artwork))
    small = {"seed": 9001, "brands": 1, "calibration": 0, "references": 1, "size": 96}
    market = render(tmp_path / "idle", **small, listings=2, attacks=["colour", "stroke"])
    (fake,) = (row for row in rows_of(market.listings) if row["label"] == "fake")
    assert fake["attack"] == "stroke"
    with pytest.raises(InputError, match=r"listing-0000\d: no attack shows on '.*size=96; add 'wrong_product'"):
        render(tmp_path / "none", **small, listings=2, attacks=["colour"])
    market = render(tmp_path / "weak", **small, listings=8, strength="weak", attacks=["letter_swap", "stolen_photo"])
    masks = [np.asarray(Image.open(market.folder / row["mask"])) > 0 for row in rows_of(market.listings) if row["mask"]]
    assert len(masks) == 4
    assert all(mask.sum() >= 6 for mask in masks)


def test_the_mask_is_where_genuine_and_fake_photo_differ(products: list[Product]) -> None:
    design = products[0].design
    scene = room(1, 3, 480)
    fake = ATTACKS["letter_swap"].apply(design.artwork, STRENGTHS["strong"], np.random.default_rng(1))
    one, other = (
        photograph(design, artwork, scene, size=256, rng=np.random.default_rng(9)) for artwork in (design.artwork, fake)
    )
    assert not one.changed.any()
    assert other.changed.any()
    assert (one.product == other.product).all()
    assert one.regions == other.regions
    differs = np.abs(one.pixels.astype(int) - other.pixels).max(axis=2)
    assert differs[other.changed].mean() > 10 * differs[~other.changed].mean()
    boxes = np.zeros_like(one.changed)
    for x0, y0, x1, y1 in one.regions:
        boxes[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = True
    assert (other.changed & boxes).sum() > 0.9 * other.changed.sum()


def test_a_swapped_letter_stays_in_its_place() -> None:
    face = Typeface()
    genuine, fake = Word("OMEN", face).shape(), Word("OMEN", face, ("0", "rn", "E", "N")).shape()
    assert len(genuine) == len(fake) == 4
    for kept in (2, 3):
        assert np.allclose(extent([genuine[kept]]), extent([fake[kept]]))
    assert not np.allclose(genuine[0].polygons[3], fake[0].polygons[3])


def test_changed_counts_only_visible_differences(products: list[Product]) -> None:
    face = products[0].design.artwork[products[0].design.artwork.main]
    assert not changed(face, face).any()


def square(path: str, rule: str = "nonzero") -> float:
    """Ink of a 24-unit path, in square units."""
    polygons = [polygon * 4 for polygon in path_polygons(path)]
    return float(cover((Element(tuple(polygons), rule),), (96, 96)).sum()) / 16


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("M2 2H22V22H2Z", 400),
        ("m2,2h20v20h-20z", 400),
        ("M2 2L22 2 22 22 2 22Z", 400),
        ("M12 2A10 10 0 0 1 12 22A10 10 0 0 1 12 2Z", np.pi * 100),
        ("M12 2a10 10 0 11-10 10H12z", 0.75 * np.pi * 100),
        ("M2 12C2 6.477 6.477 2 12 2S22 6.477 22 12 17.523 22 12 22 2 17.523 2 12Z", np.pi * 100),
        ("M2 12Q2 2 12 2T22 12T12 22T2 12Z", 400 * 5 / 6),
        # The hole runs the other way round.
        ("M2 2H22V22H2ZM7 7V17H17V7Z", 300),
    ],
)
def test_svg_paths(path: str, area: float) -> None:
    assert abs(square(path) - area) < 0.03 * area


def test_svg_fill_rules() -> None:
    nested = "M2 2H22V22H2ZM7 7H17V17H7Z"
    assert abs(square(nested, "nonzero") - 400) < 8
    assert abs(square(nested, "evenodd") - 300) < 8


def whole_layers(element: Element, size: tuple[int, int]) -> np.ndarray:
    """The slow twin of :func:`cover`, which fills each polygon in a picture of its own."""
    big = size[0] * OVERSAMPLE, size[1] * OVERSAMPLE
    winding = np.zeros(big[::-1], int)
    for polygon in element.polygons:
        layer = Image.new("L", big)
        ImageDraw.Draw(layer).polygon([tuple(point) for point in (polygon * OVERSAMPLE - 0.5).tolist()], fill=1)
        x, y = polygon.T
        area = float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        winding += np.asarray(layer, int) * (1 if area > 0 else -1)
    inside = winding % 2 != 0 if element.rule == "evenodd" else winding != 0
    return np.asarray(Image.fromarray(inside.astype(np.uint8) * 255).reduce(OVERSAMPLE), np.float32) / np.float32(255)


@pytest.mark.parametrize("rule", ["nonzero", "evenodd"])
def test_polygons_are_filled_as_in_pictures_of_their_own(rule: str) -> None:
    rng = np.random.default_rng(9000)
    for _ in range(100):
        centres, spread = rng.uniform(-20, 120, (5, 1, 2)), rng.choice([1, 10, 60], (5, 1, 1))
        polygons = tuple(centres + spread * rng.normal(0, 1, (5, int(rng.integers(3, 9)), 2)))
        element = Element(polygons, rule)
        assert (cover((element,), (100, 80)) == whole_layers(element, (100, 80))).all()


def test_a_file_of_a_myriad_outlines_is_refused_and_one_of_many_is_painted_soon(tmp_path: Path) -> None:
    def drawn(count: int) -> Path:
        outlines = "".join(f"M{i % 150} {i // 150}h.9v.9z" for i in range(count))
        (tmp_path / "many.svg").write_text(f'<svg><path d="{outlines}"/></svg>')
        return tmp_path / "many.svg"

    with pytest.raises(InputError, match=r"many\.svg: 12000 outlines \(limit: 2000\)"):
        read_svg(drawn(12_000))
    shape = transformed(read_svg(drawn(100)).shape(), np.eye(2) * 400, np.array([320, 200]))
    begun = time.process_time()
    covered = cover(shape, (640, 400))
    own = time.process_time() - begun
    assert (covered == whole_layers(shape[0], (640, 400))).all()
    assert time.process_time() - begun > 5 * own


@pytest.mark.parametrize(
    "content",
    [
        "<svg></svg>",
        "<svg><path d='M0 0 L'/></svg>",
        "<svg><path d='L1 1'/></svg>",
        "<svg><path d='M0 0 L1'/></svg>",
        "<svg><path d='M0 0 A1 1 0 5 1 2 2Z'/></svg>",
        "<svg><path d='M0 0 H1e99 V3Z'/></svg>",
        "<svg><path d='M0 0 <script>'/></svg>",
        "<svg><path d='M0 0L0 0 0 0z'/></svg>",
        "<svg><path d='M0 0V1 2z'/></svg>",
        "x" * 300_000,
    ],
)
def test_bad_svg_files_are_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.svg"
    file.write_text(content)
    with pytest.raises(InputError, match=r"bad\.svg"):
        read_svg(file)


@pytest.mark.parametrize("content", ["<path " * 40_000, f"<path {'a' * 240_000}>", f"<path {'a ' * 120_000}>"])
def test_a_file_without_an_end_is_read_in_no_time(content: str, tmp_path: Path) -> None:
    (tmp_path / "long.svg").write_text(content)
    begun = time.process_time()
    with pytest.raises(InputError, match="no filled <path"):
        read_svg(tmp_path / "long.svg")
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("radii", ["1e-200 1e-200", "1e-160 1e5", "1e5 1e-320"])
def test_arcs_without_a_radius_are_lines(radii: str) -> None:
    (outline,) = path_polygons(f"M0 0A{radii} 0 0 1 1 1L5 5Z")
    assert outline.tolist() == [[0, 0], [1, 1], [5, 5]]


@pytest.mark.parametrize("cell", [b"\xff\xfe", b"x" * 200_000])
def test_a_table_of_marks_that_can_not_be_read_is_named(cell: bytes, tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_bytes(b"file,title,hex\na.svg," + cell + b",112233\n")
    with pytest.raises(InputError, match=r"marks\.csv: not readable as a csv in UTF-8"):
        read_marks(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_among_the_marks_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svg")
    end = os.open(tmp_path / "pipe.svg", os.O_RDWR)
    with ThreadPoolExecutor(1) as pool:
        mark = pool.submit(read_svg, tmp_path / "pipe.svg")
        try:
            with pytest.raises(InputError, match=r"pipe\.svg: not a regular file"):
                mark.result(timeout=5)
        finally:
            os.close(end)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices on this system")
def test_a_device_among_the_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "null.svg").symlink_to("/dev/null")
    with pytest.raises(InputError, match=r"null\.svg: not a regular file"):
        read_svg(tmp_path / "null.svg")


def test_a_table_of_marks_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<path d='M2 2H22V22H2Z'/>")
    (tmp_path / "marks.csv").write_bytes(b"file,title,hex\na.svg,A,112233\n" + b"\n" * (8 << 20))
    with pytest.raises(InputError, match=r"marks\.csv: the file is too large \(limit: 8,388,608 bytes\)"):
        read_marks(tmp_path)


def test_marks_from_svg_files(tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    folder.mkdir()
    body = '<svg viewBox="0 0 24 24"><title>x</title><path d="{}"/></svg>'
    (folder / "drop.svg").write_text(body.format("M12 2C6 10 5 13 5 15a7 7 0 0014 0c0-2-1-5-7-13z"))
    (folder / "gate.svg").write_text(body.format("M2 2H22V22H16V8H8V22H2Z"))
    (folder / "marks.csv").write_text('file,title,hex\ndrop.svg,"Dropol",1f4e79\ngate.svg,"Gatemo",aa2211\n')
    assert [title for _, title, _ in read_marks(folder)] == ["Dropol", "Gatemo"]
    market = render(
        tmp_path / "m",
        seed=1,
        brands=2,
        listings=2,
        calibration=0,
        references=1,
        size=128,
        marks=folder,
        attacks=["stroke"],
    )
    assert {row["brand"] for row in rows_of(market.catalogue)} == {"dropol", "gatemo"}
    with pytest.raises(InputError, match="differs in"):
        render(tmp_path / "m", seed=1, brands=2, listings=2, calibration=0, references=1, size=128, attacks=["stroke"])


def test_a_table_chooses_among_files_and_names_none_that_is_not_there(tmp_path: Path) -> None:
    for name in ("A.SVG", "b.svg", "c.Svg"):
        (tmp_path / name).write_text('<svg><path d="M2 2H22V22H2Z"/></svg>')
    assert [file.name for file, _, _ in read_marks(tmp_path)] == ["A.SVG", "b.svg", "c.Svg"]
    (tmp_path / "marks.csv").write_text("file,title,hex\nA.SVG,Arlo,1f4e79\n,,\nc.Svg,,\n")
    assert [(file.name, title) for file, title, _ in read_marks(tmp_path)] == [("A.SVG", "Arlo"), ("c.Svg", "c")]
    (tmp_path / "marks.csv").write_text("file,title,hex\nA.SVG,Arlo,1f4e79\nd.svg,Dora,\na.txt,,\n")
    with pytest.raises(InputError, match=r"marks\.csv: no such \.svg file beside it: 'a\.txt', 'd\.svg'"):
        read_marks(tmp_path)


@pytest.mark.parametrize("folder", [None, 5])
def test_a_folder_is_a_path(folder: object) -> None:
    with pytest.raises(InputError, match=rf"market\.render\({folder}\): need a path; type market\.render\('market'\)"):
        render(folder)  # type: ignore[arg-type]


def test_attacks_may_come_one_by_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"attacks=\['stroke', 'nope'\]: unknown \['nope'\]"):
        render(tmp_path / "m", attacks=iter(["stroke", "nope"]))
