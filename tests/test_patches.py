"""The patches claim: what differs lights up where it differs, and nothing to go on is said to be so."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import picture
from goods import BOX, CLOSE, TILT, catalogue, hang_tag, label, labels, seen, stencil_of, suspects

from counterfeit_vision import Catalog, Evidence, Listing, Reference, Region
from counterfeit_vision.calibration.support import COVERED
from counterfeit_vision.encoders import batching as stream
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Patches, Reuse
from counterfeit_vision.heads.laid_over import in_spreads
from counterfeit_vision.heads.mark import Mark
from counterfeit_vision.index import catalog as catalog_module
from counterfeit_vision.io.decode import Decoded, decode
from counterfeit_vision.marks.alone import MarkAlone
from counterfeit_vision.marks.details import BURNT, FEWEST_OWN, CloseUp, Cut, MarkDetails, Strangeness, close_ups
from counterfeit_vision.marks.finding import Found, find_marks
from counterfeit_vision.marks.making import make_stencil
from counterfeit_vision.marks.stencil import Stencil
from counterfeit_vision.types import Photo


@pytest.fixture(scope="module")
def stencil() -> Stencil:
    return stencil_of(labels(), [BOX])


@pytest.fixture(scope="module")
def details(stencil: Stencil, clip: TowerEncoder) -> MarkDetails:
    return MarkDetails.of(stencil, [MarkAlone.together(stencil)], clip)


def judge(details: MarkDetails, clip: TowerEncoder, *found: Found) -> list[Strangeness | str]:
    seen = close_ups(clip, [details.square([one], clip) for one in found])
    return [details.compare([one], details.cosine(close_up)) for one, close_up in zip(found, seen, strict=True)]


def compared(
    details: MarkDetails, stencil: Stencil, clip: TowerEncoder, photo: np.ndarray
) -> tuple[Found, Strangeness]:
    found = find_marks(stencil, photo)
    assert isinstance(found, Found), found
    strangeness = judge(details, clip, found)[0]
    assert isinstance(strangeness, Strangeness), strangeness
    return found, strangeness


def test_a_swapped_letter_is_strange_in_its_place(details: MarkDetails, stencil: Stencil, clip: TowerEncoder) -> None:
    _, genuine = compared(details, stencil, clip, seen(label(noise=3)))
    found, fake = compared(details, stencil, clip, seen(label("VELMQRA", noise=3)))
    assert fake.score > genuine.score + 0.2
    y, x = np.unravel_index(int(fake.map.argmax()), fake.map.shape)
    back = cv2.perspectiveTransform(found.warp[y, x][None, None].astype(np.float64), np.linalg.inv(TILT))[0, 0]
    assert 260 < back[0] < 355  # the O of VELMORA, and a patch around it
    assert 195 < back[1] < 285


def test_deviations_are_measured_by_what_is_usual_for_marks_that_lie_as_badly(stencil: Stencil) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found)
    medians, spreads = (5.0, 4.0, 3.0, 2.0, 1.0, 1.0), (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    for likeness, expected in ((0.3, (10 - 5) / 6), (0.66, (10 - 4) / 5), (0.915, (10 - 1) / 1.5), (1.0, 9.0)):
        one = replace(found, likeness=likeness)
        assert in_spreads(10.0, one, medians, spreads) == pytest.approx(expected)


def test_light_and_blur_are_not_strange(details: MarkDetails, stencil: Stencil, clip: TowerEncoder) -> None:
    shade = np.linspace(0.5, 1.0, 640)[None, :, None]
    _, dim = compared(details, stencil, clip, (seen(label(noise=3)) * shade).astype(np.uint8))
    _, soft = compared(details, stencil, clip, cv2.GaussianBlur(seen(label(noise=3)), (0, 0), 1.2))
    _, fake = compared(details, stencil, clip, seen(label("VELMQRA", noise=3)))
    assert max(dim.score, soft.score) < fake.score


def test_marks_that_differ_all_over_are_stranger_than_light_and_blur_make_them(
    details: MarkDetails, stencil: Stencil, clip: TowerEncoder
) -> None:
    card = label("", noise=3)
    cv2.putText(card, "VELMORA", (152, 258), cv2.FONT_HERSHEY_COMPLEX, 1.6, (30, 60, 110), 3, cv2.LINE_AA)
    cv2.circle(card, (280, 140), 42, (30, 60, 110), -1)
    cv2.rectangle(card, (250, 132), (310, 147), (225, 215, 195), -1)
    _, typeface = compared(details, stencil, clip, seen(card))
    _, genuine = compared(details, stencil, clip, seen(label(noise=3)))
    _, soft = compared(details, stencil, clip, cv2.GaussianBlur(seen(label(noise=3)), (0, 0), 1.6))
    assert typeface.score > max(genuine.score, soft.score) + 0.5


def test_a_camera_that_is_worse_than_any_genuine_one_is_not_strange(
    details: MarkDetails, stencil: Stencil, clip: TowerEncoder
) -> None:
    photo = cv2.GaussianBlur(seen(label(noise=3)), (0, 0), 2.2) * 0.6
    poor = np.clip(photo + np.random.default_rng(5).normal(0, 16, photo.shape), 0, 255).astype(np.uint8)
    _, camera = compared(details, stencil, clip, poor)
    _, genuine = compared(details, stencil, clip, seen(label(noise=3)))
    assert camera.usual > 1.2
    assert camera.score < genuine.score + 0.25


def test_what_hides_the_marks_is_not_judged(details: MarkDetails, stencil: Stencil, clip: TowerEncoder) -> None:
    covered = label(noise=3)
    covered[205:275, 150:520] = np.random.default_rng(0).integers(0, 255, (70, 370, 3))
    found = find_marks(stencil, seen(covered))
    if isinstance(found, Found):
        judged = judge(details, clip, found)[0]
        assert isinstance(judged, str) or judged.map[found.inside].mean() < 0.5
    photo = seen(label(noise=3))
    whole = find_marks(stencil, photo)
    assert isinstance(whole, Found)
    nothing = replace(whole, crop=np.full_like(whole.crop, 255))
    assert "hidden" in str(judge(details, clip, nothing)[0])


def test_a_hand_is_not_judged_though_a_genuine_photo_shows_one_elsewhere(stencil: Stencil) -> None:
    random = np.random.default_rng(0)
    places, hand = random.normal(0, 1, (36, 400)), random.normal(0, 1, 400)

    def tokens(**shown: np.ndarray) -> np.ndarray:
        found = places + random.normal(0, 0.2, places.shape)
        for place, token in shown.items():
            found[int(place[1:])] = token
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)

    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found)
    frame = (0, 0, stencil.shape[1], stencil.shape[0])
    details = MarkDetails(
        (Cut(stencil.typical, frame, frame, (0, 96)),),
        stencil.shape,
        (6, 6),
        np.ones((2, 1), np.float32),
        np.stack([tokens(), tokens(_0=hand)]),
        np.zeros(400, np.float32),
        np.ones(400, np.float32),
        np.full(36, 0.04, np.float32),
    )
    whole = replace(found, inside=np.ones_like(found.inside))

    def judged(tokens: np.ndarray) -> Strangeness:
        strangeness = details.compare([whole], details.cosine(CloseUp(np.ones(1, np.float32), tokens)))
        assert isinstance(strangeness, Strangeness), strangeness
        return strangeness

    genuine, letter = judged(tokens()), judged(tokens(_21=places[21] + 0.8 * hand))
    held = judged(tokens(_21=hand, _22=places[22] + 0.8 * hand))
    assert held.score < genuine.score + 0.2 < letter.score, "the hand on the marks, and what lies half under it"


def test_what_a_close_up_shows_of_the_marks_is_judged(stencil: Stencil, clip: TowerEncoder) -> None:
    details = MarkDetails.of(stencil, [MarkAlone.together(stencil)], clip)
    found = [find_marks(stencil, seen(label(word, noise=3), CLOSE)) for word in ("VELMORA", "VELMQRA")]
    genuine, fake = judge(details, clip, *[one for one in found if isinstance(one, Found)])
    assert isinstance(genuine, Strangeness)
    assert isinstance(fake, Strangeness)
    assert fake.score > genuine.score


def test_one_genuine_photo_is_enough_and_none_are_lost(clip: TowerEncoder) -> None:
    alone = make_stencil([label()], [[BOX]])
    assert isinstance(alone, Stencil)
    details = MarkDetails.of(alone, [MarkAlone.together(alone)], clip)
    found = [find_marks(alone, seen(label(word, noise=3))) for word in ("VELMORA", "VELMQRA")]
    genuine, fake = judge(details, clip, *[one for one in found if isinstance(one, Found)])
    assert isinstance(genuine, Strangeness)
    assert isinstance(fake, Strangeness)
    assert fake.score > genuine.score
    assert close_ups(clip, []) == []


def test_the_head_says_where_and_shows_both_marks(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [BOX])
    genuine, fake = Patches().score(suspects(catalog, [seen(label(noise=3)), seen(label("VELMQRA", noise=3))]))
    assert fake.score > genuine.score
    assert fake.references == ("b", "a")
    assert fake.crops is not None
    assert fake.crops[1].id == "b"
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
    thread = np.full((2, 300, 3), 9, np.uint8)
    thumbnail = cv2.resize(seen(label(noise=3)), (40, 30), interpolation=cv2.INTER_AREA)
    blank_photo, speck = np.full((160, 160, 3), 9, np.uint8), np.zeros((5, 5, 3), np.uint8)
    photos = [seen(label(noise=3)), blank_photo, speck, thumbnail, thread]
    there, blank, small, less, thin = Mark().score(suspects(catalog, photos))
    assert there.applicable
    assert there.score < 0.2
    assert blank.score == 1
    assert blank.region is None
    assert blank.text.startswith("The marks of card were not found on the photo:")
    assert not small.applicable  # nothing could have been seen on it
    assert small.text == "No mark was found: the photo is only 5 x 5 pixels."
    assert not less.applicable  # they are there, and too small to be found
    assert not thin.applicable


def test_marks_need_be_on_one_photo_of_a_listing_only(tiny_encoder: TowerEncoder) -> None:
    """The back of the goods, beside their front, is not suspicious for having no mark; the back alone may be."""
    catalog = catalogue(tiny_encoder, [BOX])
    batch = suspects(
        catalog, [seen(label(noise=3)), np.full((160, 160, 3), 9, np.uint8), np.full((160, 160, 3), 9, np.uint8)]
    )
    pair = replace(batch, listings=[batch.listings[0], batch.listings[0], batch.listings[2]])
    front, back, alone = Mark().score(pair)
    assert front.applicable
    assert not back.applicable
    assert "another photo of the listing shows them" in back.text
    assert alone.score == 1


def test_marks_of_another_product_excuse_none_that_are_missing(tiny_encoder: TowerEncoder) -> None:
    rows = [
        Reference(id=name, photo=photo, brand="velmora", product=name, regions=[BOX])
        for name, photo in (("card", label()), ("note", label("OSTGREN")[:, ::-1].copy()))
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    batch = suspects(catalog, [seen(label(noise=3)), np.full((160, 160, 3), 9, np.uint8)])
    batch = replace(batch, listings=[Listing(id="both", photos=[])] * 2)
    for nearest, excused in ((0, True), (1, False)):
        found = replace(batch.neighbours, rows=np.array([[0], [nearest]]), scores=np.ones((2, 1), np.float32))
        _, missing = Mark().score(replace(batch, neighbours=found))
        assert missing.applicable != excused


def test_marks_of_so_many_products_stay_in_memory_and_a_batch_makes_its_own_once(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, made = ["card", "note", "slip"], []

    def counted(photos: list[np.ndarray], regions: list) -> Stencil | str:
        made.append(len(photos))
        return make_stencil(photos, regions)

    def judged(kept: int) -> tuple[Catalog, list[float]]:
        made.clear()
        monkeypatch.setattr(catalog_module, "KEPT_MARKS", kept)
        rows = [
            Reference(id=name, photo=label(noise=noise), brand="velmora", product=name, regions=[BOX])
            for noise, name in enumerate(names)
        ]
        catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
        batch = suspects(catalog, [seen(label(noise=3))] * 3)
        listings = [replace(one, product=name) for one, name in zip(batch.listings, names, strict=True)]
        batch = replace(batch, listings=listings)
        return catalog, [evidence.score for head in (Mark(), Patches()) for evidence in head.score(batch)]

    monkeypatch.setattr(catalog_module, "make_stencil", counted)
    _, every = judged(3)
    assert len(made) == 3
    catalog, few = judged(2)
    assert few == every
    assert len(made) == 3
    for goods, count in (("slip", 3), ("note", 3), ("card", 4), ("note", 4), ("slip", 5)):  # the oldest goes
        catalog.marks_of(f"velmora/{goods}")
        assert len(made) == count, goods


def test_without_regions_the_whole_product_is_compared(tiny_encoder: TowerEncoder) -> None:
    catalog = catalogue(tiny_encoder, [])
    result: list[Evidence] = Patches().score(suspects(catalog, [seen(label(noise=3))]))
    assert result[0].crops is None
    mark = Mark().score(suspects(catalog, [seen(label(noise=3))]))[0]
    assert not mark.applicable
    assert "region" in mark.text


def test_the_product_is_judged_by_its_strangest_twentieth_beside_what_is_usual_on_the_photo(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(catalogue(tiny_encoder, []), [picture(3, 480, 480)])
    residual, product = np.full(16, 0.3, np.float32), np.ones(16, bool)
    residual[[3, 5]], product[3] = (1.5, 0.9), False  # the first is not on the product

    def judged() -> Evidence:
        monkeypatch.setattr("counterfeit_vision.heads.patches.residuals", lambda *_: (residual, product))
        return Patches().score(batch)[0]

    strange = judged()
    assert strange.score == pytest.approx((0.9 - 0.3 - 0.36) / 0.05, rel=1e-5)
    assert strange.text == (
        "Beside 2 genuine photos of card, the most deviating detail of the product differs by 0.90, a usual detail of "
        "this photo by 0.30."
    )
    assert strange.references == ("a", "b")
    assert strange.region == Region(0, 0, 360, 360)  # its patch and those around it, of four by four
    residual[[5, 15]] = 0.3, 0.9
    assert judged().region == Region(240, 240, 480, 480)  # not beyond the photo
    product[3:] = False
    assert "No genuine photo of card could be laid over this one." in judged().text


@pytest.mark.parametrize("small", [(1, 1), (7, 7), (7, 600)])  # a patch of this encoder has 8 pixels
def test_a_photo_smaller_than_a_patch_is_not_compared(tiny_encoder: TowerEncoder, small: tuple[int, int]) -> None:
    catalog = catalogue(tiny_encoder, [])
    pixels = np.random.default_rng(0).integers(0, 256, (*small, 3), dtype=np.uint8)
    evidence = Patches().score(suspects(catalog, [pixels]))[0]
    assert not evidence.applicable
    assert f"The photo of {small[1]} x {small[0]} pixels is smaller than one patch." in evidence.text


def test_a_single_genuine_photo_is_called_one(tiny_encoder: TowerEncoder) -> None:
    rows = [
        Reference(id="a", photo=label(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="c", photo=np.full((90, 90, 3), 50, np.uint8), brand="zeta", product="pen"),
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    result: list[Evidence] = Patches().score(suspects(catalog, [seen(label(noise=3))]))
    assert "Laid over 1 genuine photo of card, " in result[0].text


def test_a_photo_is_decoded_once_for_all_heads_while_there_is_room(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, photo = catalogue(tiny_encoder, [BOX]), seen(label(noise=3))
    decoded: list[str] = []

    def counted(source: Photo, *, name: str) -> Decoded:
        decoded.append(name)
        return decode(source, name=name)

    batch = suspects(catalog, [photo, photo])
    monkeypatch.setattr(stream, "decode", counted)
    for head in (Mark(), Patches(), Reuse()):
        head.score(batch)
    assert decoded == ["photo 0", "photo 1"]
    monkeypatch.setattr("counterfeit_vision.heads.suspects.PIXELS_KEPT", photo.nbytes)
    monkeypatch.setattr(stream, "decode", decode)
    batch = suspects(catalog, [photo, photo])
    monkeypatch.setattr(stream, "decode", counted)
    decoded.clear()
    for row in (0, 1, 0, 1):
        assert (batch.pixels(row) == photo).all()
    assert decoded == ["photo 0", "photo 1", "photo 1"]


def test_where_known_marks_are_not_found_nothing_is_compared_by_another_scale(
    tiny_encoder: TowerEncoder,
) -> None:
    batch = suspects(catalogue(tiny_encoder, [BOX]), [seen(label(noise=3)), seen(np.full_like(label(), 200))])
    shown, blank = Patches().score(batch)
    assert shown.applicable
    assert not blank.applicable


def test_what_lies_over_the_ground_around_the_marks_is_told(
    details: MarkDetails, stencil: Stencil, clip: TowerEncoder
) -> None:
    def covered(photo: np.ndarray) -> float:
        found = find_marks(stencil, photo)
        assert isinstance(found, Found), found
        return details.surroundings([found], details.cosine(close_ups(clip, [details.square([found], clip)])[0]))[0]

    plain = covered(seen(label(noise=3)))
    swapped = covered(seen(label("VELMQRA", noise=3)))
    card = label(noise=3)
    cv2.rectangle(card, (330, 70), (480, 200), (60, 130, 200), -1)  # beside the emblem, above the word
    cv2.circle(card, (400, 130), 50, (240, 240, 60), -1)
    assert max(plain, swapped) < COVERED <= covered(seen(card))


def test_a_glare_covers_what_it_burns_out_and_what_is_around_it(details: MarkDetails, stencil: Stencil) -> None:
    """What is white on the genuine marks, or all over a bright photo, is no glare."""
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    y, x = np.mgrid[: found.crop.shape[0], : found.crop.shape[1]]
    disc = np.hypot(x - found.crop.shape[1] / 2, y - found.crop.shape[0] / 2) < 15
    glaring = replace(found, crop=np.where(disc[..., None], np.uint8(255), found.crop))
    (cut,) = details.cuts
    assert not cut.glare(None).any()
    assert not cut.glare(found).any()
    around = cut.glare(glaring) > 0
    assert around[disc].all()
    assert around.sum() == pytest.approx(4 * disc.sum(), rel=0.15)
    assert not replace(cut, typical=np.where(disc[..., None], 250, cut.typical).astype(np.float32)).glare(glaring).any()
    bright = replace(found, crop=np.clip(found.crop * 1.4, 0, 255).astype(np.uint8))
    assert (bright.crop.min(axis=2) >= BURNT).mean() > 0.2
    assert not cut.glare(bright).any()
    nothing = np.ones((len(details.patches), *[len(details.genuine)] * 2), np.float32)
    assert details.surroundings([found], nothing) == (0, 0)
    covered, uneven = details.surroundings([glaring], nothing)
    assert covered == pytest.approx(around[34:174, 34:221].mean(), abs=0.02)  # the cut
    assert uneven < 0.01 < COVERED < covered


def test_ground_in_a_shadow_is_covered_and_no_other_light_mark_or_colour(
    details: MarkDetails, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    (cut,), (height, width) = details.cuts, found.crop.shape[:2]
    across = np.linspace(0, 1, width)[None, :, None]
    third = cv2.GaussianBlur((across[..., 0] > 0.7).astype(np.float32).repeat(height, axis=0), (0, 0), 4)[..., None]

    def shaded(light: np.ndarray | float, photo: Found = found) -> float:
        crop = np.clip(photo.crop * light, 0, 255).astype(np.uint8)
        bare, dark = cut.shaded(replace(photo, crop=crop))
        return dark / bare

    nothing = np.ones((len(details.patches), *[len(details.genuine)] * 2), np.float32)
    for light in (0.7, np.array([0.68, 0.7, 0.74])):  # a shadow is a little blue
        lit = np.clip(found.crop * (1 - third * (1 - light)), 0, 255).astype(np.uint8)
        share = shaded(1 - third * (1 - light))
        assert share > COVERED
        assert details.surroundings([replace(found, crop=lit)], nothing) == (0, pytest.approx(share))
        with monkeypatch.context() as every:  # the slow twin
            every.setattr("counterfeit_vision.geometry.shadow.APART_BY", 1)
            assert shaded(1 - third * (1 - light)) == pytest.approx(share, abs=0.01)
    other = find_marks(stencil, seen(label("VELMQRA", noise=3)))
    assert isinstance(other, Found), other
    tinted = np.where(across > 0.7, np.array([0.6, 0.75, 0.9]), 1.0)  # some of it is printed on another colour
    even = 0.6 + 0.4 * across
    room = 1 - 0.1 * third
    for light, photo in ((1.0, found), (0.6, found), (even, found), (room, found), (1.0, other), (tinted, found)):
        assert shaded(light, photo) < 0.01
    assert cut.shaded(None) == (0, 0)
    assert cut.shaded(replace(found, crop=np.random.default_rng(0).integers(0, 255, found.crop.shape, np.uint8))) == (
        0,
        0,
    )


def test_the_room_beside_white_goods_that_were_catalogued_on_white_is_no_shadow(tiny_encoder: TowerEncoder) -> None:
    def tag(noise: int, room: int) -> np.ndarray:
        return hang_tag(noise, room, paper=(245, 245, 243), ink=(30, 60, 110), beside=14)

    box = Region(150, 96, 410, 268)
    stencil = stencil_of([tag(0, 255), seen(tag(1, 255)), seen(tag(2, 255))], [box])
    (cut,) = MarkDetails.of(stencil, [MarkAlone.together(stencil)], tiny_encoder).cuts
    photo = find_marks(stencil, seen(tag(3, 190)))
    assert isinstance(photo, Found), photo
    bare, dark = cut.shaded(photo)
    assert bare > 0
    assert dark == 0


def test_ground_that_another_mark_is_drawn_on_is_not_covered(details: MarkDetails, stencil: Stencil) -> None:
    """It has the genuine colours, and both of them. A tape has one of them, a hand none, a sticker others, too."""
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    (cut,), place = details.cuts, np.indices(found.crop.shape[:2]).sum(axis=0)
    paper, ink, (height, width) = cut._colours[0], cut._colours[1][0], found.crop.shape[:2]
    painted = np.arange(width) < width // 3
    inside = np.broadcast_to(np.arange(width) < width // 3 - width // 10, (height, width)).astype(np.float32)
    there = details._on_grid([inside]) > 0.99
    strange = np.zeros((len(details.patches), *[len(details.genuine)] * 2), np.float32)

    def drawn(pattern: np.ndarray, light: float = 1.0, cosine: np.ndarray = strange) -> tuple[float, float]:
        crop = np.where(painted[:, None], pattern, found.crop) * light
        photo = replace(found, crop=np.clip(crop, 0, 255).astype(np.uint8))
        return float(details._drawn([photo])[there].mean()), details.surroundings([photo], cosine)[0]

    hatched = (place % 12 < 6)[..., None]
    another = np.where(hatched, ink, paper)
    for light in (1.0, 0.6):
        share, covered = drawn(another, light)
        assert share > 0.95
        assert covered < 0.6
    genuine = np.where(details._ground[:, None], strange, np.float32(1))  # it lies beside the marks: a cable, a label
    assert drawn(another, cosine=genuine)[1] == 1
    skin = np.array([205, 150, 120])
    for other in (skin, ink, paper, np.where(hatched, skin, paper), np.where(place[..., None] % 18 < 12, paper, skin)):
        share, covered = drawn(np.broadcast_to(other, found.crop.shape))
        assert share < 0.05
        assert covered > drawn(another)[1] + 0.15
    bare = replace(cut, typical=np.broadcast_to(paper, cut.typical.shape))
    assert not any(part.any() for part in bare.drawn(None))
    assert not bare.drawn(found)[1].any(), "it has no ink"


def test_no_shadow_and_no_glare_excuses_another_mark(
    details: MarkDetails, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Light draws nothing; but a patch that glares tells nothing of what is drawn there."""
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    shape, patches = found.crop.shape[:2], len(details.genuine)
    genuine = np.ones((len(details.patches), patches, patches), np.float32)
    another = np.where(details._ground[:, None], genuine, np.float32(0))
    monkeypatch.setattr(Cut, "shaded", lambda cut, one: (100, 30))
    monkeypatch.setattr(MarkDetails, "_drawn", lambda self, one: np.ones(patches, bool))
    assert details.surroundings([found], genuine) == (0, 0.3)
    assert details.surroundings([found], another) == (0, 0)
    monkeypatch.setattr(Cut, "glare", lambda cut, one: np.ones(shape, np.float32))
    assert details.surroundings([found], another) == (1, 0.3), "all of it glares"
    monkeypatch.setattr(MarkDetails, "_drawn", lambda self, one: np.zeros(patches, bool))
    monkeypatch.setattr(Cut, "glare", lambda cut, one: np.zeros(shape, np.float32))
    assert details.surroundings([found], another) == (0, 0.3), "drawn in other colours, as on a sticker"


def two_marks(details: MarkDetails) -> MarkDetails:
    """The same marks twice: the first takes a third of the square."""
    (cut,) = details.cuts
    side = cut.rows[1]
    return replace(details, cuts=(replace(cut, rows=(0, side // 3)), replace(cut, rows=(side // 3, side))))


def test_beside_another_mark_what_covers_or_shades_a_genuine_one_is_told(
    details: MarkDetails, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    two, patches = two_marks(details), len(details.genuine)
    first = two._cut_of == 0
    monkeypatch.setattr(MarkDetails, "_drawn", lambda self, one: np.ones(patches, bool))
    monkeypatch.setattr(Cut, "shaded", lambda cut, one: (100, 30 if cut == two.cuts[1] else 90))

    def told(unlike: np.ndarray) -> tuple[float, float]:
        cosine = np.where(unlike[:, None], np.float32(0), np.ones((len(two.patches), patches, patches), np.float32))
        return two.surroundings([found, found], cosine)

    assert told(np.zeros(patches, bool)) == (0, 0.6)
    assert told(first) == (0, 0.3), "the ground of the other mark is drawn on, and no light draws it"
    covered, uneven = told(first | two._ground)
    assert covered == pytest.approx((two._ground & ~first).sum() / two._ground.sum()), "that of the genuine one is not"
    assert uneven == 0.3
    glaring = [np.ones(found.crop.shape[:2], np.float32) * share for share in (0.09, 0.4)]
    monkeypatch.setattr(Cut, "glare", lambda cut, one: glaring[cut == two.cuts[1]])
    assert told(first)[0] == pytest.approx(0.4 * (~first).mean(), abs=0.02), "it glares on the genuine one"


def test_few_patches_make_no_other_mark(
    details: MarkDetails, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    every = np.ones(len(details.genuine), bool)
    monkeypatch.setattr(MarkDetails, "_drawn", lambda self, one: every)
    for count in (FEWEST_OWN - 1, FEWEST_OWN):
        few = np.arange(len(every)) < count
        assert list(details._others([found], every, few)) == [0] * (count == FEWEST_OWN)


def test_each_patch_is_of_the_mark_that_most_of_it_shows(details: MarkDetails) -> None:
    (rows, columns), two = details.grid, two_marks(details)
    of = two._cut_of.reshape(rows, columns)
    assert (of == of[:, :1]).all()
    assert of[:, 0].tolist() == [int((row + 0.5) / rows >= 1 / 3) for row in range(rows)]
    assert (details._cut_of == 0).all()


def test_what_glares_all_over_is_covered_and_no_more_than_that(
    details: MarkDetails, stencil: Stencil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean over patches in the middle of a glare, which alone are shown, is a little above 1."""
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    y, x = np.mgrid[: found.crop.shape[0], : found.crop.shape[1]]
    glare = (np.hypot(x - found.crop.shape[1] / 2, y - found.crop.shape[0] / 2) < 70).astype(np.float32)
    monkeypatch.setattr(Cut, "glare", lambda cut, one: glare)
    told = details._on_grid([glare])
    monkeypatch.setattr(MarkDetails, "_shown", lambda self, one: told > 1)
    assert told.max() > 1
    assert details.surroundings([found], np.ones((1, told.size, told.size), np.float32)) == (1, 0)


def test_what_lies_beside_the_photo_is_no_ground(details: MarkDetails, stencil: Stencil, clip: TowerEncoder) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    far = details.square([found], clip)
    far[:, far.shape[1] // 2 :] = np.random.default_rng(0).integers(0, 255, far[:, far.shape[1] // 2 :].shape)
    close_up = close_ups(clip, [far])[0]
    half = found.inside.copy()
    half[:, round(0.4 * half.shape[1]) :] = False
    cosine = details.cosine(close_up)
    assert details.surroundings([replace(found, inside=half)], cosine) < details.surroundings([found], cosine)


def test_marks_that_are_like_no_genuine_ones_are_not_covered(
    details: MarkDetails, stencil: Stencil, clip: TowerEncoder
) -> None:
    found = find_marks(stencil, seen(label(noise=3)))
    assert isinstance(found, Found), found
    plain = close_ups(clip, [details.square([found], clip)])[0]
    strange = np.random.default_rng(0).normal(0, 1, plain.tokens.shape)
    for on_ground, expected in ((False, 0.0), (True, 1.0)):
        tokens = np.where((details._ground == on_ground)[:, None], strange, plain.tokens).astype(np.float16)
        covered, uneven = details.surroundings([found], details.cosine(replace(plain, tokens=tokens)))
        assert covered == pytest.approx(expected, abs=COVERED / 2)
        assert uneven == 0


def test_the_head_tells_what_lies_over_the_ground_of_marks_that_it_compares_or_not(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(catalogue(tiny_encoder, [BOX]), [seen(label(noise=3))])
    monkeypatch.setattr(MarkDetails, "surroundings", lambda *_: (0.3, 0.2))
    (compared,) = Patches().score(batch)
    monkeypatch.setattr(MarkDetails, "compare", lambda *_: "most of the marks is hidden")
    (hidden,) = Patches().score(batch)
    assert (compared.applicable, compared.covered, compared.uneven) == (True, 0.3, 0.2)
    assert (hidden.applicable, hidden.covered, hidden.uneven) == (False, 0.3, 0.2)
