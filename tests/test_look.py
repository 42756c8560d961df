"""The look claim: what lies where the marks should be is told from them, also where they are not found."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from goods import BOX, CLOSE, cards, catalogue, label, printed, seen, suspects

from counterfeit_vision import Catalog, Embeddings, Reference, Region
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Look, Mark, Patches
from counterfeit_vision.heads.look import FLOOR
from counterfeit_vision.marks import finding
from counterfeit_vision.marks.details import CloseUp, close_ups
from counterfeit_vision.marks.finding import FOUND, Found, likely_place


@pytest.fixture(scope="module")
def catalog(clip: TowerEncoder) -> Catalog:
    return cards(clip)


def test_an_erased_mark_is_told_where_it_should_be(catalog: Catalog) -> None:
    photos = [seen(printed(noise=3)), seen(printed(noise=4), seed=9), seen(printed(noise=3, bare=True))]
    batch = suspects(catalog, photos)
    genuine, other, erased = Look().score(batch)
    assert isinstance(batch.mark(2), str)
    assert erased.score > max(genuine.score, other.score) + 0.5
    assert erased.references == ("b", "a")
    assert erased.crops is not None
    assert erased.region is not None
    assert genuine.region is not None
    corners = np.array(erased.region.to_list()) - genuine.region.to_list()
    assert np.abs(corners).max() < 12
    assert "were not found; what lies in their likeliest place" in erased.text
    assert "0." in erased.text


def test_another_word_looks_less_genuine(catalog: Catalog) -> None:
    genuine, fake = Look().score(suspects(catalog, [seen(printed(noise=3)), seen(printed("OLYMPIK", noise=3))]))
    assert fake.score > genuine.score


def test_what_a_close_up_cuts_off_says_nothing(catalog: Catalog) -> None:
    whole, part, fake = Look().score(
        suspects(
            catalog,
            [seen(printed(noise=3)), seen(printed(noise=3), CLOSE), seen(printed("VELMQRA", noise=3), CLOSE)],
        )
    )
    assert part.score < whole.score + 0.3
    assert fake.score > part.score


def test_the_score_is_that_of_the_vectors(catalog: Catalog, clip: TowerEncoder) -> None:
    """The slow twin: what was cut out, encoded anew."""
    batch = suspects(catalog, [seen(printed(noise=3))])
    (evidence,) = Look().score(batch)
    goods, place = batch.place(0)
    details = catalog.marks_of(goods).details
    assert details is not None
    assert isinstance(place, Found)
    stencil = catalog.marks_of(goods).stencil
    assert not isinstance(stencil, str)
    genuine = clip.encode(
        np.stack([details.square([replace(place, crop=crop)], clip) for crop in stencil.crops])
    ).vectors
    mine = clip.encode(details.square([place], clip)[None]).vectors[0]
    assert evidence.score == pytest.approx(np.log(FLOOR + 1 - (genuine @ mine).max()), abs=1e-3)


def test_a_place_is_told_whether_the_marks_are_there_or_not(catalog: Catalog) -> None:
    stencil = catalog.marks_of("velmora/card").stencil
    assert not isinstance(stencil, str)
    there, bare = (likely_place(stencil, seen(printed(noise=3, bare=bare))) for bare in (False, True))
    assert isinstance(there, Found)
    assert isinstance(bare, Found)
    assert there.likeness >= FOUND > bare.likeness
    assert np.abs(there.warp - bare.warp).max() < 12


def test_a_place_where_neither_the_marks_nor_what_surrounds_them_are_is_none(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [seen(printed(noise=3)), seen(printed(noise=3, bare=True))]
    _, erased = Look().score(suspects(catalog, photos))
    assert erased.applicable
    (there,) = Look().score(suspects(catalog, photos[:1]))  # in a batch of one, as it is below: the encoder sums alike
    monkeypatch.setattr(finding, "AMID", 0.99)
    still, accident = Look().score(suspects(catalog, photos))
    assert still.score == there.score
    assert not accident.applicable
    (missing,) = Mark().score(suspects(catalog, photos[1:]))
    assert missing.score == 1
    assert "nor is what surrounds it" in accident.text
    assert "nor is what surrounds it" in missing.text


def test_marks_that_are_missed_amid_what_surrounds_them_count_more(catalog: Catalog) -> None:
    """A hand hides the surroundings, too; who erases a mark leaves them."""
    hidden = printed(noise=3, bare=True)
    hidden[40:330, 60:500] = cv2.GaussianBlur(hidden[40:330, 60:500], (0, 0), 25) // 2 + (90, 60, 40)
    erased, covered, nothing = Mark().score(
        suspects(catalog, [seen(printed(noise=3, bare=True)), seen(hidden), np.full((160, 160, 3), 9, np.uint8)])
    )
    assert erased.score > covered.score + 0.3
    assert covered.score >= nothing.score == 1
    assert "; what surrounds it has one of 0." in erased.text
    assert erased.region is not None  # where they should be
    assert covered.region is None
    assert nothing.region is None


def test_a_small_mark_that_is_missing_beside_a_large_one_is_told(tiny_encoder: TowerEncoder) -> None:
    sign, word = Region(235, 95, 325, 185), Region(150, 205, 410, 270)
    rows = [
        Reference(id="a", photo=label(), brand="velmora", product="card", regions=[sign, word]),
        Reference(id="b", photo=seen(label(noise=1)), brand="velmora", product="card"),
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    erased = label(noise=3)
    erased[95:185, 235:325] = (225, 215, 195)
    batch = suspects(catalog, [seen(label(noise=3)), seen(erased)])
    whole, lacking = Mark().score(batch)
    assert whole.score < lacking.score
    assert "but for one" not in whole.text
    assert "but for one: what lies in its place is not like it" in lacking.text
    place = batch.place(1)
    assert not isinstance(place, str)
    assert lacking.region == place[1].regions[0]


def test_a_brand_with_a_slash_in_its_name_has_its_products(tiny_encoder: TowerEncoder) -> None:
    rows = [
        Reference(id="a", photo=label(), brand="AC/DC", product="shirt", regions=[BOX]),
        Reference(id="b", photo=np.full((90, 90, 3), 50, np.uint8), brand="AC", product="DC/shirt"),
        Reference(id="c", photo=np.full((90, 90, 3), 70, np.uint8), brand="AC\\", product="DC/shirt"),
    ]
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    assert len(set(catalog.goods)) == 3
    batch = suspects(catalog, [seen(label(noise=3)), np.full((160, 160, 3), 9, np.uint8)])
    batch = replace(batch, listings=[replace(one, brand="AC/DC", product="shirt") for one in batch.listings])
    there, missing = Mark().score(batch)
    assert there.text.startswith("The marks of shirt are on the photo")
    assert missing.text.startswith("The marks of shirt were not found on the photo")
    for head in (Look(), Patches()):
        evidence = head.score(batch)[0]
        assert " of shirt" in evidence.text
        assert evidence.crops is not None
        assert evidence.crops[1].caption == "shirt"


def test_what_can_not_be_looked_at_is_said(tiny_encoder: TowerEncoder) -> None:
    blank, small = np.full((160, 160, 3), 9, np.uint8), np.zeros((5, 5, 3), np.uint8)
    nowhere, tiny = Look().score(suspects(catalogue(tiny_encoder, [BOX]), [blank, small]))
    assert not nowhere.applicable
    assert "features" in nowhere.text
    assert not tiny.applicable
    (without,) = Look().score(suspects(catalogue(tiny_encoder, []), [seen(label(noise=3))]))
    assert not without.applicable
    assert "region" in without.text


def test_an_encoder_without_patches_is_no_fault(tiny_encoder: TowerEncoder) -> None:
    class Plain:
        name, fingerprint = "plain", "plain"
        preprocess, batch_size = tiny_encoder.preprocess, 4

        def encode(self, images: np.ndarray) -> Embeddings:
            return replace(tiny_encoder.encode(images), patches=None, grid=(0, 0), fingerprint="plain")

    batch = suspects(catalogue(Plain(), [BOX]), [seen(label(noise=3))])
    assert Mark().score(batch)[0].applicable
    for head in (Look(), Patches()):
        (vector_only,) = head.score(batch)
        assert not vector_only.applicable
        assert "no patch tokens" in vector_only.text


def test_the_back_beside_a_front_is_not_judged(catalog: Catalog) -> None:
    batch = suspects(catalog, [seen(printed(noise=3)), np.full((160, 160, 3), 9, np.uint8)])
    pair = replace(batch, listings=[batch.listings[0]] * 2)
    for head in (Look(), Mark()):
        front, back = head.score(pair)
        assert front.applicable
        assert not back.applicable
    assert "another photo of the listing shows them" in back.text


def test_a_front_without_the_marks_is_judged_whatever_stands_beside_it(catalog: Catalog) -> None:
    erased, genuine = seen(printed(noise=3, bare=True)), seen(printed(noise=3))
    batch = suspects(catalog, [erased, genuine])
    pair = replace(batch, listings=[batch.listings[0]] * 2)
    for head in (Mark(), Look()):
        (alone,) = head.score(suspects(catalog, [erased]))
        beside, front = head.score(pair)
        assert beside.applicable
        assert (beside.score, beside.text) == (pytest.approx(alone.score, abs=1e-6), alone.text)
        assert beside.score > front.score


def leaflet() -> np.ndarray:
    """The card's other side: the same ground, and lines of print."""
    card = np.full((400, 560, 3), (225, 215, 195), np.uint8)
    for row in range(12):
        words = f"STORE COOL {29 * row + 13} USE BY {row * 7 + 2}"
        cv2.putText(card, words, (60, 60 + 27 * row), cv2.FONT_HERSHEY_PLAIN, 1.6, (80, 60, 60), 2, cv2.LINE_AA)
    return card


def test_a_back_that_is_like_what_surrounds_the_marks_by_accident_is_not_judged(catalog: Catalog) -> None:
    batch = suspects(catalog, [seen(printed(noise=3)), seen(leaflet(), seed=9), seen(printed(noise=3, bare=True))])
    trio, goods = replace(batch, listings=[batch.listings[0]] * 3), "velmora/card"
    trio._known.get(
        ("marks_of", goods), lambda: replace(catalog.marks_of(goods), product=lambda row: np.ones((7, 7), np.float32))
    )
    there = trio.place_of(0, goods)
    assert isinstance(there, Found)
    accident = replace(there, likeness=0.1, likenesses=(0.1,), beside=0.5)
    for row in (1, 2):
        trio._known.get(("place_of", row, goods), lambda: accident)
    for head in (Look(), Mark()):
        front, back, erased = head.score(trio)
        assert (front.applicable, back.applicable, erased.applicable) == (True, False, True)
    assert [bool(trio.shown_elsewhere(row)) for row in range(3)] == [False, True, False]
    pair = replace(batch, listings=[batch.listings[0]] * 3)
    pair._known.get(("marks_of", goods), lambda: replace(catalog.marks_of(goods), product=lambda row: None))
    pair._known.get(("place_of", 1, goods), lambda: accident)
    assert not pair.shown_elsewhere(1), "where the whole side is not known, what surrounds the marks is all there is"


def test_a_back_that_the_catalogue_has_is_not_missed_the_marks_of_the_front(clip: TowerEncoder) -> None:
    print_ = Region(50, 30, 520, 370)
    rows = [
        Reference(id="front", photo=printed(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="front 2", photo=seen(printed(noise=1)), brand="velmora", product="card"),
        Reference(id="back", photo=leaflet(), brand="velmora", product="card", regions=[print_]),
        Reference(id="back 2", photo=seen(leaflet(), seed=4), brand="velmora", product="card"),
    ]
    catalog = Catalog.build(rows, encoder=clip, cache=False, find_marks=False)
    batch = suspects(catalog, [seen(leaflet(), seed=9), seen(printed(noise=3, bare=True))])
    assert not isinstance(batch.mark_of(0, "velmora/card"), Found)
    for head in (Mark(), Look()):
        back, erased = head.score(batch)
        assert erased.applicable
        assert not back.applicable
    (told, _) = Mark().score(batch)
    assert "another side, as the catalogue's 'back" in told.text
    assert told.references == ("front",), "whose marks were looked for"
    without = Catalog.build(rows[:2], encoder=clip, cache=False, find_marks=False)
    assert Mark().score(suspects(without, [seen(leaflet(), seed=9)]))[0].applicable


def test_a_fake_that_is_sold_as_another_product_is_judged_by_what_it_is_a_fake_of(clip: TowerEncoder) -> None:
    tile = np.tile(np.kron([[40, 200], [200, 40]], np.ones((30, 30))).astype(np.uint8)[..., None], (6, 9, 3))
    cv2.putText(tile, "MIRANDA", (90, 200), cv2.FONT_HERSHEY_DUPLEX, 2.4, (250, 40, 40), 8, cv2.LINE_AA)
    rows = [
        Reference(id="a", photo=printed(), brand="velmora", product="card", regions=[BOX]),
        Reference(id="b", photo=seen(printed(noise=1)), brand="velmora", product="card"),
        Reference(id="t", photo=tile, brand="velmora", product="tile", regions=[Region(85, 140, 480, 215)]),
    ]
    catalog = Catalog.build(rows, encoder=clip, cache=False, find_marks=False)
    batch = suspects(catalog, [seen(printed("VELNORA", noise=3)), seen(printed(noise=3, bare=True)), seen(tile)])
    claimed = replace(batch, listings=[replace(one, product="tile") for one in batch.listings])
    assert [claimed.goods(row) for row in range(3)] == ["velmora/tile"] * 3
    assert [claimed.looked_at(row) for row in range(3)] == ["velmora/card", "velmora/card", "velmora/tile"]
    for head in (Look(), Patches()):
        told, honest = head.score(claimed), head.score(batch)
        assert [(one.score, one.text) for one in told[:2]] == [(one.score, one.text) for one in honest[:2]]
        assert told[2].applicable
    lacking = Mark().score(claimed)
    assert min(lacking[0].score, lacking[1].score) >= 1 > lacking[2].score
    assert "The marks of tile were not found on the photo" in lacking[0].text


def test_marks_are_encoded_once_for_all_heads(tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, encoded = cards(tiny_encoder), []

    def counted(encoder: TowerEncoder, squares: list[np.ndarray]) -> list[CloseUp]:
        encoded.append(len(squares))
        return close_ups(encoder, squares)

    monkeypatch.setattr("counterfeit_vision.heads.suspects.close_ups", counted)
    photos = [seen(printed(noise=3)), np.full((160, 160, 3), 9, np.uint8), seen(printed(noise=4))]
    batch = suspects(catalog, photos)
    for head in (Mark(), Look(), Patches(), Look()):
        head.score(batch)
    assert encoded == [2]
