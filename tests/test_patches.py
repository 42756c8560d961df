"""The patches claim: what differs lights up where it differs, and nothing to go on is said to be so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_marks import BOX, TILT, label, seen

from counterfeit_vision import Catalog, Evidence, Listing, Reference
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Patches, Suspects
from counterfeit_vision.heads.deviation import deviation
from counterfeit_vision.heads.marks import Mark
from counterfeit_vision.marks import Found, Stencil, find_marks, make_stencil
from counterfeit_vision.stream import EncodedPhoto, encode_photos, stack


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    made = make_stencil([label(), seen(label(noise=1)), seen(label(noise=2), seed=8)], [[BOX], [], []])
    assert isinstance(made, Stencil)
    return made


def measured(stencil: Stencil, photo: np.ndarray):
    found = find_marks(stencil, photo)
    assert isinstance(found, Found), found
    differs = deviation(stencil, found)
    assert differs is not None
    return found, differs


def test_a_swapped_letter_deviates_in_its_place(stencil: Stencil) -> None:
    _, genuine = measured(stencil, seen(label(noise=3)))
    found, fake = measured(stencil, seen(label("VELMQRA", noise=3)))
    assert fake.shape > genuine.shape + 1
    y, x = np.unravel_index(int(fake.map.argmax()), fake.map.shape)
    back = cv2.perspectiveTransform(found.warp[y, x][None, None].astype(np.float64), np.linalg.inv(TILT))[0, 0]
    assert 270 < back[0] < 345  # the O of VELMORA
    assert 205 < back[1] < 275


def test_heavier_strokes_deviate_in_boldness(stencil: Stencil) -> None:
    heavy = label(noise=3)
    part = heavy[205:275]  # the word only
    part[:] = cv2.erode(part, np.ones((3, 3), np.uint8))
    _, genuine = measured(stencil, seen(label(noise=3)))
    _, fake = measured(stencil, seen(heavy))
    assert fake.boldness > genuine.boldness + 1


def test_a_wrong_colour_deviates_in_colour(stencil: Stencil) -> None:
    wrong = label(noise=3)
    part = wrong[205:275, 150:210]
    part[part[..., 2] > part[..., 0] + 30] = (120, 60, 40)
    _, genuine = measured(stencil, seen(label(noise=3)))
    _, fake = measured(stencil, seen(wrong))
    assert fake.colour > genuine.colour + 1


def test_light_and_blur_are_no_deviation(stencil: Stencil) -> None:
    _, plain = measured(stencil, seen(label(noise=3)))
    shade = np.linspace(0.5, 1.0, 640)[None, :, None]
    _, dim = measured(stencil, (seen(label(noise=3)) * shade).astype(np.uint8))
    _, soft = measured(stencil, cv2.GaussianBlur(seen(label(noise=3)), (0, 0), 1.2))
    _, fake = measured(stencil, seen(label("VELMQRA", noise=3)))
    assert max(dim.shape, soft.shape) < fake.shape
    assert plain.score < fake.score


def suspects(catalog: Catalog, photos: list[np.ndarray]) -> Suspects:
    named = [(f"photo {row}", photo) for row, photo in enumerate(photos)]
    rows = [row for row in encode_photos(named, encoder=catalog.encoder, cache=False) if isinstance(row, EncodedPhoto)]
    found = stack(rows, encoder=catalog.encoder)
    owners = [Listing(id=row.id, photos=[], brand="velmora", product="card") for row in rows]
    return Suspects(found, owners, rows, catalog, catalog.neighbours(found, 4))


def catalogue(encoder: TowerEncoder, regions: list) -> Catalog:
    rows = [
        Reference(id="a", photo=label(), brand="velmora", product="card", regions=regions),
        Reference(id="b", photo=seen(label(noise=1)), brand="velmora", product="card"),
        Reference(id="c", photo=np.full((90, 90, 3), 50, np.uint8), brand="zeta", product="pen"),
    ]
    return Catalog.build(rows, encoder=encoder, cache=False)


def test_the_head_says_where_and_shows_both_marks(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [BOX])
    genuine, fake = Patches().score(suspects(catalog, [seen(label(noise=3)), seen(label("VELMQRA", noise=3))]))
    assert fake.score > genuine.score
    assert fake.references == ("a", "b")
    assert fake.crops is not None
    assert fake.crops[1].id == "a"
    assert fake.heatmap is not None
    assert fake.heatmap.shape == (48, 64)
    place = np.array(np.unravel_index(int(fake.heatmap.argmax()), fake.heatmap.shape))[::-1] * 10 + 5
    region = fake.region
    assert region is not None
    assert region.x0 - 10 <= place[0] <= region.x1 + 10
    assert region.y0 - 10 <= place[1] <= region.y1 + 10


def test_a_photo_is_judged_alike_alone_and_in_a_batch(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [BOX])
    photos = [seen(label(noise=3)), seen(label("VELMQRA", noise=3))]
    together = Patches().score(suspects(catalog, photos))
    alone = [Patches().score(suspects(catalog, [photo]))[0] for photo in photos]
    assert [row.score for row in together] == pytest.approx([row.score for row in alone])


def test_the_mark_claim(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [BOX])
    there, blank, small = Mark().score(
        suspects(catalog, [seen(label(noise=3)), np.full((80, 80, 3), 9, np.uint8), np.zeros((5, 5, 3), np.uint8)])
    )
    assert there.applicable
    assert there.score < 0.2
    for nothing in (blank, small):
        assert not nothing.applicable
        assert nothing.text.startswith("No mark was found:")


def test_without_regions_the_whole_product_is_compared(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [])
    result: list[Evidence] = Patches().score(suspects(catalog, [seen(label(noise=3))]))
    assert result[0].crops is None
    mark = Mark().score(suspects(catalog, [seen(label(noise=3))]))[0]
    assert not mark.applicable
    assert "region" in mark.text
