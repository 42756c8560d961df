"""Marks of references without boxes: what recurs on a product's photos and on the brand's other goods is found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import offered, picture
from goods import BOX, engraved, label, seen

from counterfeit_vision import Catalog, Reference, Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Patches
from counterfeit_vision.index.summary import facts
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.marks import regions as looking
from counterfeit_vision.marks.finding import MarkFeatures
from counterfeit_vision.marks.regions import SHOWN, Page, _alike, found_regions

WHOLE = np.array([[0, 0, 1, 1]], np.float32)


def pose(turn: float, x: float = 60, y: float = 30) -> np.ndarray:
    """The card on its table, turned."""
    spin = np.vstack([cv2.getRotationMatrix2D((280, 200), turn, 0.8), [0, 0, 1]])
    return np.array([[1, 0, x], [0, 1, y], [1e-4, 0, 1.0]]) @ spin


def card(text: str, turn: float, seed: int) -> np.ndarray:
    return seen(label(text, noise=seed), pose(turn), seed=seed)


def tin(seed: int) -> np.ndarray:
    """Another thing of the brand: only the sign and the word of the card, on a plain ground."""
    tin = np.full((400, 560, 3), (60, 90, 80), np.uint8)
    x0, y0, x1, y1 = (round(value) for value in BOX.to_list())
    tin[y0 - 20 : y1 + 20, x0 - 20 : x1 + 20] = label(noise=seed)[y0 - 20 : y1 + 20, x0 - 20 : x1 + 20]
    return seen(tin, pose(-10, 40, 50), seed=seed + 30)


def references(photos: dict[str, list[np.ndarray]]) -> list[Reference]:
    """Products of brand/product names and their photos."""
    return [
        Reference(id=f"{name} {number}", photo=photo, brand=name.split("/")[0], product=name.split("/")[1])
        for name, some in photos.items()
        for number, photo in enumerate(some)
    ]


def png(photo: np.ndarray) -> bytes:
    return cv2.imencode(".png", photo[:, :, ::-1])[1].tobytes()


def jpegs(rows: list[Reference], cache: EmbeddingCache | bool = False) -> list[tuple[Region, ...]]:
    """The regions found on references as a catalogue keeps them."""
    kept = [
        Reference(id=row.id, photo=png(row.photo), brand=row.brand,
                  product=row.product, gallery=row.gallery, regions=row.regions)
        for row in rows
    ]  # fmt: skip
    sizes = [(row.photo.shape[1], row.photo.shape[0]) for row in rows]
    return found_regions(kept, sizes, None, np.repeat(WHOLE, len(rows), axis=0), (7, 7), cache=cache)


def covered(found: tuple[Region, ...], matrix: np.ndarray, box: Region = BOX) -> tuple[float, float]:
    """The share of the true box around all marks that the box around those found covers, and of this that is in it."""
    true, mine = np.zeros((2, 480, 640), np.uint8)
    corners = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]], np.float32)
    outline = cv2.perspectiveTransform(corners[None], matrix)[0]
    cv2.fillPoly(true, [outline.astype(np.int32)], 1)
    if found:
        boxes = np.array([region.to_list() for region in found]).round().astype(int)
        (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        mine[y0:y1, x0:x1] = 1
    both = float((true & mine).sum())
    return both / true.sum(), both / max(mine.sum(), 1)


def test_what_recurs_on_the_photos_of_a_product_is_found() -> None:
    turns = (0.0, 12.0, -15.0)
    found = jpegs(references({"velmora/card": [card("VELMORA", turn, 3 + n) for n, turn in enumerate(turns)]}))
    assert sum(map(bool, found)) == 1
    for regions, turn in [(regions, turn) for regions, turn in zip(found, turns, strict=True) if regions]:
        assert covered(regions, pose(turn))[0] > 0.8
        assert covered(regions, pose(turn), Region(0, 0, 560, 400))[1] > 0.9  # on the card, not on the table


def test_one_photo_is_enough_where_the_brands_other_goods_share_the_mark() -> None:
    rows = references({"velmora/card": [card("VELMORA", 5.0, 3)], "velmora/tin": [tin(4)]})
    found = jpegs(rows)
    share, purity = covered(found[0], pose(5.0))
    assert share > 0.8
    assert purity > 0.5  # the small print is not the brand's


@pytest.mark.parametrize(
    "photos",
    [
        {"velmora/card": [cv2.resize(picture(seed), (640, 480)) for seed in (3, 4, 5)]},
        {"velmora/card": [np.full((300, 300, 3), 128, np.uint8), np.full((9, 9, 3), 5, np.uint8)]},
        {"velmora/card": [cv2.resize(picture(3), (800, 1))] * 2},
    ],
    ids=["three other things", "nothing drawn", "threads"],
)
def test_where_nothing_recurs_no_mark_is_claimed(photos: dict[str, list[np.ndarray]]) -> None:
    assert not any(jpegs(references(photos)))


@pytest.mark.parametrize("others", [{}, {"velmora/mug": [cv2.resize(picture(9), (640, 480))]}], ids=["alone", "unlike"])
def test_on_one_photo_alone_it_is_what_is_drawn_in_one_piece(others: dict[str, list[np.ndarray]]) -> None:
    found = jpegs(references({"velmora/card": [card("VELMORA", 5.0, 3)], **others}))
    assert covered(found[0], pose(5.0))[0] > 0.8
    assert covered(found[0], pose(5.0), Region(0, 0, 560, 400))[1] > 0.9  # on the card, not on the table
    assert not jpegs(references({"velmora/card": [np.full((300, 300, 3), 128, np.uint8)]}))[0]


@pytest.mark.parametrize("text", ["", "VELMORA"])
def test_the_outline_of_what_is_alone_is_no_mark(text: str) -> None:
    photo, shirt = np.full((600, 600, 3), 235, np.uint8), np.zeros((600, 600), np.float32)
    half = np.array([[300, 120], [260, 120], [200, 90], [80, 200], [140, 270], [180, 230], [180, 520], [300, 520]])
    for side in (half, [600, 0] - half * [1, -1]):
        cv2.fillPoly(photo, [side], (60, 70, 120))
        cv2.fillPoly(shirt, [side], 1.0)
    cv2.putText(photo, text, (220, 300), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (240, 230, 200), 5)
    noise = np.random.default_rng(0).normal(0, 2, photo.shape)
    photo = np.clip(cv2.GaussianBlur(photo, (0, 0), 0.8) + noise, 0, 255).astype(np.uint8)
    kept = Reference(id="a", photo=cv2.imencode(".png", photo)[1].tobytes(), brand="velmora", product="shirt")
    sure = cv2.resize(shirt, (14, 14), interpolation=cv2.INTER_AREA).reshape(1, -1)
    (found,) = found_regions([kept], [(600, 600)], sure, WHOLE, (14, 14))
    assert len(found) == bool(text)
    assert all(200 < region.x0 < region.x1 < 400 and 260 < region.y0 < region.y1 < 320 for region in found)


def test_marks_without_ink_are_found_again_by_their_edges() -> None:
    pages = []
    for number, turn in enumerate((0.0, 12.0, -15.0)):
        photo = seen(engraved(light=120 * number), pose(turn), seed=3 + number)
        pages.append(Page(photo, MarkFeatures.of(photo), *np.zeros((2, 1, 1), np.float32)))
    (x0, y0), (x1, y1) = cv2.perspectiveTransform(np.array([BOX.to_list()]).reshape(1, 2, 2), pose(0.0))[0]
    assert _alike(pages[0], [Region(x0, y0, x1, y1)], pages[1:], 2) > SHOWN
    assert _alike(pages[0], [Region(x0, y0 - 90, x1, y1 - 120)], pages[1:], 2) < SHOWN  # bare metal


def test_what_is_engraved_is_found_where_only_its_edges_recur() -> None:
    """In each photo the light comes from another side."""
    turns = (0.0, 12.0, -15.0, 5.0)
    photos = [
        seen(engraved(light=90 * number + 20, noise=number), pose(turn), seed=3 + number)
        for number, turn in enumerate(turns)
    ]
    photos[3] = photos[3][:, 20:]  # of another shape
    found = jpegs(references({"velmora/plate": photos}))
    ((regions, turn),) = [(regions, turn) for regions, turn in zip(found, turns, strict=True) if regions]
    share, purity = covered(regions, pose(turn))
    assert share > 0.8
    assert purity > 0.5


def test_where_what_is_drawn_recurs_no_relief_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(looking, "_alike", lambda photo, *of: asked.append(photo.relief) or _alike(photo, *of))
    jpegs(references({"velmora/card": [card("VELMORA", turn, 3 + n) for n, turn in enumerate((0.0, 12.0))]}))
    assert not any(asked)


@pytest.mark.parametrize("best", [0, 1, 2])
def test_of_a_products_photos_the_others_know_the_marks_of_one_best(best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [card("VELMORA", turn, 3 + n) for n, turn in enumerate((0.0, 12.0, -15.0))]
    alike = "counterfeit_vision.marks.regions._alike"
    monkeypatch.setattr(alike, lambda photo, boxes, *_: 0.9 if (photo.pixels == photos[best]).all() else 0.5)
    assert [bool(regions) for regions in jpegs(references({"velmora/card": photos}))] == [n == best for n in range(3)]


@pytest.mark.parametrize("least", [3, 2, 1])
def test_marks_that_are_not_found_again_are_left_out_from_the_last(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = [Region(place, 40, place + 30, 70) for place in (40, 140, 240)]
    monkeypatch.setattr("counterfeit_vision.marks.regions.whole_marks", lambda photo, heat: marks)
    monkeypatch.setattr("counterfeit_vision.marks.regions._alike", lambda photo, boxes, *_: float(len(boxes) <= least))
    found = jpegs(references({"velmora/card": [card("VELMORA", turn, 3 + n) for n, turn in enumerate((0.0, 12.0))]}))
    assert [regions for regions in found if regions] == [tuple(marks[:least])]


@pytest.mark.parametrize(("shown", "not_shown", "asked"), [(3, 0, {2}), (2, 1, {2, 1}), (3, 2, {4, 2}), (2, 2, {3, 2})])
def test_marks_are_found_where_fewer_photos_show_something_else(
    shown: int, not_shown: int, asked: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the photos are asked only where all of them do not show the marks."""
    calls: list[int] = []
    monkeypatch.setattr(looking, "_alike", lambda *of: calls.append(of[-1]) or _alike(*of))
    boxes = [cv2.resize(picture(seed), (640, 480)) for seed in (3, 4)[:not_shown]]
    turns = (0.0, 12.0, -15.0)[:shown]
    found = jpegs(references({"velmora/card": [*boxes, *(card("VELMORA", turn, 3) for turn in turns)]}))
    assert set(calls) == asked
    assert not any(found[:not_shown])
    shares = [covered(one, pose(turn))[0] for one, turn in zip(found[not_shown:], turns, strict=True) if one]
    assert [share > 0.8 for share in shares] == [True] * (shown > not_shown)


def test_what_was_given_is_left_alone_and_fakes_are_not_asked() -> None:
    photos = [card("VELMORA", turn, 3 + n) for n, turn in enumerate((0.0, 12.0))]
    given = [
        Reference(id=str(n), photo=photo, brand="velmora", product="card", regions=[BOX] if n else [])
        for n, photo in enumerate(photos)
    ]
    assert not any(jpegs(given))
    fakes = [
        Reference(id=row.id, photo=row.photo, brand="velmora", product="card", gallery="known_fake") for row in given
    ]
    assert not any(jpegs(fakes))


@pytest.fixture(scope="module")
def catalog(tiny_encoder: TowerEncoder) -> Catalog:
    photos = {"velmora/card": [card("VELMORA", turn, 3 + n) for n, turn in enumerate((0.0, 12.0, -15.0))]}
    rows = [*references(photos), *references({"zeta/pen": [cv2.resize(picture(9), (640, 480))]})]
    return Catalog.build(rows, encoder=tiny_encoder, cache=False)


def test_a_catalogue_keeps_what_was_found_and_says_so(
    catalog: Catalog, tiny_encoder: TowerEncoder, tmp_path: Path
) -> None:
    assert catalog.info()["products_by_marks"] == {"given": 0, "found": 1, "unknown": 1}
    assert sum(catalog.kept.found) == 1
    catalog.save(tmp_path)
    Catalog.verify(tmp_path)
    again = Catalog.load(tmp_path, encoder=tiny_encoder)
    assert again.info()["products_by_marks"] == catalog.info()["products_by_marks"]
    assert again.kept.found == catalog.kept.found
    assert again.generation == catalog.generation
    assert [row.regions for row in again.references] == [row.regions for row in catalog.references]


def test_products_without_the_marks_of_their_brands_others_are_named(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is dark bears none."""
    monkeypatch.setattr(looking, "_found", lambda own, *_: (0, [BOX] * bool(own[0].pixels.mean() > 128)))
    greys = {name: iter(range(first, first + 50)) for name, first in (("light", 180), ("dark", 20))}

    def photos(name: str, count: int) -> list[np.ndarray]:
        return [np.full((140, 140, 3), next(greys[name]), np.uint8) for _ in range(count)]

    bearing = {name: photos("light", 2) for name in ("velmora/card", "velmora/mug", "zeta/pen")}
    bare = {name: photos("dark", 2) for name in ("velmora/box", "zeta/tee", "zeta/hat", "plain/tee", "plain/hat")}
    rows = references(bearing | bare | {"velmora/one": photos("dark", 1)})
    with pytest.warns(
        RuntimeWarning, match=r"found on 1 product of brands .* theirs: 'velmora/box'; .*regions"
    ) as told:
        catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False)
    assert len(told) == 1
    assert catalog.info()["products_without_marks"] == [*bare, "velmora/one"]
    said = "'velmora/box', 'zeta/tee', 'zeta/hat', 'plain/tee', 'plain/hat' and 1 more"
    assert ("products without marks", said) in facts(catalog.info())
    few = Catalog.build(rows[:4], encoder=tiny_encoder, cache=False)
    assert "products without marks" not in dict(facts(few.info()))
    Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)  # tells nothing
    drawn = [replace(row, regions=[Region(20, 20, 99, 99)]) if row.product in ("tee", "card") else row for row in rows]
    with pytest.warns(RuntimeWarning, match=r"on 3 products of brands .*: 'velmora/box', 'zeta/hat', 'plain/hat'; "):
        Catalog.build(drawn, encoder=tiny_encoder, cache=False)
    Catalog.build(drawn, encoder=tiny_encoder, cache=False, find_marks=False)  # none was looked for


def test_a_product_more_seldom_changes_what_the_others_are_told_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[int] = []
    monkeypatch.setattr(looking, "_found", lambda own, kin, official: (learned.append(len(kin)) or 0, []))
    rows = references({f"velmora/{seed}": [cv2.resize(picture(seed), (140, 140))] for seed in range(24)})
    files = [png(row.photo) for row in rows]
    order = sorted(files, key=lambda file: hashlib.sha256(file).digest())
    with EmbeddingCache(tmp_path / "cache.sqlite") as cache:
        jpegs(rows[:16], cache)
        assert learned == [looking.KIN] * 16
        for place in range(16, 24):
            learned.clear()
            jpegs([*rows[16 : place + 1][::-1], *rows[:16]], cache)
            before = [file for file in order if file in files[: place + 1]].index(files[place])
            assert (len(learned) == 1) == (before > looking.KIN), "all are compared with the same few"


def test_claims_and_search_use_them_as_if_given(catalog: Catalog) -> None:
    photos = [card("VELMORA", 7.0, 11), card("VELMQRA", 7.0, 11)]
    genuine, fake = Patches().score(offered(catalog, photos, brand="velmora", product="card"))
    assert genuine.crops is not None
    assert fake.crops is not None
    assert (catalog.search(photos, 1, by="mark", cache=False).ids != None).all()  # noqa: E711 - of each element
    assert catalog.marks is not None
    expected = len(catalog) + sum(len(catalog.regions(row)) for row in range(len(catalog)))
    assert len(catalog.marks.rows) == expected, "found marks, and the whole references"


def test_nobody_has_to_have_them_found(tiny_encoder: TowerEncoder) -> None:
    rows = references({"velmora/card": [card("VELMORA", turn, 3) for turn in (0.0, 12.0)]})
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    assert catalog.info()["products_by_marks"] == {"given": 0, "found": 0, "unknown": 1}
    assert catalog.search([label()], 1, by="mark").products.tolist() == [["card"]]


def test_what_stands_beside_the_product_is_no_mark_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same shelf recurs on all photos that were taken in one shop."""
    photo = label()
    product = np.zeros(photo.shape[:2], np.float32)
    product[:, :420] = 1
    page = Page(photo, MarkFeatures.of(photo), photo.mean(axis=2).astype(np.float32), product)
    small = Page(photo, page.features, cv2.resize(page.grey, (320, 229)), cv2.resize(product, (320, 229)))
    shelf, edge = Region(400, 300, 500, 390), Region(380, 90, 430, 270)
    monkeypatch.setattr(looking, "_proposals", lambda *_, **__: [[shelf], [BOX, shelf, edge]])
    assert looking._found([small], [], [False]) == (0, [BOX, edge])
