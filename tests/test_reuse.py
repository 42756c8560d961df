"""A copy of a catalogued photo is named, and whose it is: the brand's picture before a known fake made of it."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import offered
from PIL import Image
from scenes import ORIGINAL, photo, recoloured, recompressed, under_banner

from counterfeit_vision import Catalog, Listing, Reference
from counterfeit_vision.calibration.standardize import LEAST_EXCESS, Usual, tail_p
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Head, Suspects
from counterfeit_vision.heads.reuse import (
    ANOTHER,
    COPY,
    Reuse,
    _surest_first,
    is_copy,
)
from counterfeit_vision.heads.same_photo import SAME_PHOTO, PhotoComparison
from counterfeit_vision.index.neighbours import Neighbours
from counterfeit_vision.judging import judge, suspects_of
from counterfeit_vision.types import Embeddings, Evidence

GALLERIES = ("official", "genuine", "known_fake")


@pytest.fixture(scope="module")
def suspects(clip: object) -> Suspects:
    """A copy of each gallery's photo, its file itself, a copy's print elsewhere, a stranger, and a blank photo."""
    packed = [io.BytesIO() for _ in GALLERIES]
    references = []
    for number, (gallery, buffer) in enumerate(zip(GALLERIES, packed, strict=True)):
        large = cv2.resize(photo(10 + number, 20 + number), (1120, 960), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(large).save(buffer, "PNG")
        references.append(
            Reference(id=gallery, photo=buffer.getvalue(), brand="acme", product=gallery, gallery=gallery)
        )
    catalog = Catalog.build(references, encoder=clip)
    asked = [
        np.ascontiguousarray(photo(10, 20)[:, ::-1]),
        photo(11, 21)[70:374, 100:454].copy(),
        recompressed(photo(12, 22), 15),
        packed[0].getvalue(),
        photo(30, 21),
        photo(31, 40),
        np.full((300, 300, 3), 200, np.uint8),
    ]
    return offered(catalog, asked)


def only(suspects: Suspects, row: int) -> Suspects:
    return suspects_of([suspects.listings[row]], [suspects.encoded[row]], suspects.catalog)


def test_the_head_names_the_copied_photo_and_its_gallery(suspects: Suspects) -> None:
    head = Reuse()
    assert isinstance(head, Head)
    evidence = head.score(suspects)
    assert [is_copy(item) for item in evidence] == [True, True, True, True, False, False, False]
    for item, gallery in zip(evidence, GALLERIES, strict=False):
        assert item.references[0] == gallery
        assert f"same photo as {gallery} ({gallery.replace('_', ' ')})" in item.text
        assert item.points is not None
        assert item.points[:, 2:].max() > 700  # the original's pixels, not the kept copy's
        assert item.region is not None
        assert item.crops is not None
        assert (item.crops[1].id, item.crops[1].caption) == (gallery, gallery.replace("_", " "))
    assert "mirrored" in evidence[0].text
    assert evidence[3].score == max(item.score for item in evidence)
    assert "very file of official" in evidence[3].text
    assert "artwork with genuine" in evidence[4].text
    assert evidence[4].score == ANOTHER  # it agrees in more than most photos do, and that speaks against nobody
    assert evidence[4].references[0] == "genuine"
    assert evidence[4].text.startswith(
        "Shares the printed artwork with genuine (genuine); that it is the same photo is not"
    )
    assert evidence[5].text.startswith("No copy of the 3 most similar photos was proved; where it overlaps ")
    assert all("100%" not in item.text and " 0%" not in item.text for item in evidence)
    assert evidence[5].points is None
    assert evidence[5].score < evidence[4].score < min(item.score for item in evidence[:4])
    assert not evidence[6].applicable


@pytest.mark.parametrize("galleries", [("official", "known_fake"), ("known_fake", "official")])
def test_a_fake_that_stole_the_brands_picture_makes_no_fake_of_it(
    galleries: tuple[str, str], tiny_encoder: TowerEncoder
) -> None:
    stolen = photo(10, 20)
    rows = [Reference(id=name, photo=stolen, brand="acme", product="bag", gallery=name) for name in galleries]
    rows.append(Reference(id="other", photo=photo(11, 21), brand="acme", product="bag"))
    catalog = Catalog.build(rows, encoder=tiny_encoder, cache=False, find_marks=False)
    asked = [Listing(id=str(number), photos=[one]) for number, one in enumerate([stolen, recompressed(stolen, 40)])]
    (file,), (copied,) = ([row.evidence[0] for row in rows] for _, rows, _ in judge(asked, catalog, [Reuse()]))
    assert file.text == "The very file of official (official)."
    assert (copied.references[0], is_copy(copied)) == ("official", True)


def asked_beside(
    fakes: list[np.ndarray], asked: list[np.ndarray], encoder: TowerEncoder, gallery: str = "known_fake"
) -> list[Evidence]:
    """What is said of photos beside ``ORIGINAL``, official, other goods, and known ``fakes``."""
    rows = [
        Reference(id=f"fake {number}", photo=one, brand="acme", product="bag", gallery=gallery)
        for number, one in enumerate(fakes)
    ]
    rows.append(Reference(id="official", photo=ORIGINAL, brand="acme", product="bag", gallery="official"))
    rows.append(Reference(id="other", photo=photo(11, 21), brand="acme", product="bag"))
    catalog = Catalog.build(rows, encoder=encoder, cache=False, find_marks=False)
    listings = [Listing(id=str(number), photos=[one]) for number, one in enumerate(asked)]
    return [judged[0].evidence[0] for _, judged, _ in judge(listings, catalog, [Reuse()], cache=False)]


def test_a_copy_of_the_brands_picture_is_called_that_beside_a_known_fake_made_of_it(tiny_encoder: TowerEncoder) -> None:
    banner, dull = recompressed(under_banner(ORIGINAL), 75), recompressed(recoloured(ORIGINAL), 75)
    relabelled = ORIGINAL.copy()
    cv2.rectangle(relabelled, (190, 170), (370, 250), (20, 60, 160), -1)
    small = cv2.resize(ORIGINAL, (392, 336), interpolation=cv2.INTER_AREA)
    shown = [recompressed(ORIGINAL, 40), recompressed(small, 80)]
    for fake, copies in ((banner, [*shown, recompressed(banner, 60)]), (dull, [*shown, recompressed(dull, 60)])):
        for evidence in asked_beside([fake], copies, tiny_encoder):
            assert (evidence.references[0], is_copy(evidence)) == ("official", True)
            assert evidence.text.startswith("The same photo as official (official): ")
            assert evidence.text.endswith(" agrees. fake 0 (known fake) is the same photo, too.")
    genuine, copied = asked_beside([relabelled], [shown[0], recompressed(relabelled, 60)], tiny_encoder)
    assert (genuine.references[0], copied.references[0]) == ("official", "fake 0")
    assert is_copy(copied)
    (genuine,) = asked_beside(shown[1:], shown[:1], tiny_encoder, gallery="genuine")
    assert genuine.text.endswith(" agrees.")  # that another genuine photo is the same tells nothing


def test_what_proves_a_known_fake_alone_is_not_taken_away_by_a_genuine_photo_that_is_nearly_proved() -> None:
    found = [PhotoComparison(SAME_PHOTO + each) for each in (-0.001, 0.001, 0.004, 0.003)]
    assert _surest_first(found[:2], np.array([True, False])) == [1, 0]
    assert _surest_first(found, np.array([True, False, False, True])) == [3, 2, 1, 0]
    assert _surest_first([PhotoComparison(0.3), PhotoComparison(0.3)], np.array([False, True])) == [1, 0]


@pytest.mark.parametrize("shortlist", [1, 128])
def test_the_brands_picture_is_compared_however_many_known_fakes_were_made_of_it(
    shortlist: int, tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfeit_vision.heads.reuse.SHORTLIST", shortlist)
    fakes = [recompressed(ORIGINAL, quality) for quality in (30, 31, 32, 34, 35, 36)]
    (evidence,) = asked_beside(fakes, [recompressed(ORIGINAL, 33)], tiny_encoder)
    assert evidence.references[0] == "official"
    assert " (known fake) is the same photo, too." in evidence.text


def test_a_copy_is_found_where_all_others_are_more_alike_by_patches(
    suspects: Suspects, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = Catalog.neighbours

    def last_first(catalog: Catalog, photos: Embeddings, k: int, **more: Any) -> Neighbours:
        near = patches(catalog, photos, k, **more)
        return dataclasses.replace(near, rows=near.rows[:, ::-1])

    monkeypatch.setattr(Catalog, "neighbours", last_first)
    monkeypatch.setattr("counterfeit_vision.heads.reuse.CANDIDATES", 1)
    assert [is_copy(item) for item in Reuse().score(suspects)][1:3] == [True, True]


def test_evidence_does_not_depend_on_batch_mates_or_on_what_was_kept(suspects: Suspects) -> None:
    together = Reuse().score(suspects)
    head = Reuse()
    for row in reversed(range(len(suspects))):
        alone = head.score(only(suspects, row))[0]
        np.testing.assert_equal(alone.score, together[row].score)
        assert alone.text == together[row].text


def test_a_photo_whose_file_has_gone_is_not_judged(suspects: Suspects, tmp_path: Path) -> None:
    one = only(suspects, 0)
    gone = dataclasses.replace(one.encoded[0], source=tmp_path / "gone.jpg")
    evidence = Reuse().score(dataclasses.replace(one, encoded=[gone]))[0]
    assert not evidence.applicable
    assert "no longer be read" in evidence.text


def test_what_is_kept_of_references_is_bounded(suspects: Suspects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfeit_vision.heads.reuse.KEPT", 1)
    head = Reuse()
    head.score(suspects)
    assert len(head._kept) == 1


def test_a_print_that_photos_share_is_no_alarm_where_few_share_any_and_a_copy_is_one() -> None:
    calm = np.random.default_rng(0).exponential(0.01, (40, 1))
    usual = Usual.fit(calm, least=[LEAST_EXCESS[Reuse.name]])
    shared, copy = tail_p(usual(np.array([[ANOTHER], [COPY]])))[:, 0]
    assert shared > 0.002
    assert copy < 0.0002
