"""Title: the numbers by hand, every case in which there is nothing to go on, and the text tower."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from conftest import picture, suspects

import counterfeit_vision as cv
from counterfeit_vision.encoders import load_encoder
from counterfeit_vision.encoders.base import Encoder, TextEncoder
from counterfeit_vision.encoders.runtime import TextTowerEncoder, TowerEncoder
from counterfeit_vision.heads.title import Title


class Reader:
    """An encoder that reads: each of its words has the vector of a reference photo."""

    def __init__(self, encoder: Encoder, words: dict[str, np.ndarray]) -> None:
        self.encoder, self.words, self.asked = encoder, words, []

    def __getattr__(self, name: str) -> object:
        return getattr(self.encoder, name)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.stack([self.words[text] for text in texts])


@pytest.fixture
def reading(tree_catalog: cv.Catalog) -> cv.Catalog:
    """A catalogue whose encoder knows the words "bag", "mug" and "zeta mug"."""
    mean = {
        product: tree_catalog.vectors[tree_catalog.rows_of(product=product)].mean(axis=0) for product in ("bag", "mug")
    }
    words = {"bag": mean["bag"], "mug": mean["mug"], "zeta mug": mean["mug"]}
    changed = copy.copy(tree_catalog)
    changed.encoder = Reader(tree_catalog.encoder, {word: v / np.linalg.norm(v) for word, v in words.items()})
    return changed


def test_a_title_that_fits_another_product_better_is_suspicious(reading: cv.Catalog) -> None:
    mug = picture(103)
    rows = suspects(
        reading,
        cv.Listing(id="true", photos=[mug], title="mug"),
        cv.Listing(id="false", photos=[mug], title="bag"),
        cv.Listing(id="claim", photos=[mug], brand="zeta", product="mug"),
        cv.Listing(id="silent", photos=[mug]),
    )
    true, false, claim, silent = Title().score(rows)
    assert true.score < 0 < false.score
    assert claim.score == true.score
    assert "fits photos of bag better" in false.text
    assert "less well" in true.text
    assert false.references == ("acme/bag/0.jpg", "acme/bag/1.jpg", "acme/bag/2.jpg")
    assert (silent.applicable, silent.text) == (False, "The listing has no title and names no brand.")
    assert reading.encoder.asked == [["mug", "bag", "zeta mug"]]  # each text once


def test_photos_without_a_text_need_no_text_tower(reading: cv.Catalog) -> None:
    (evidence,) = Title().score(suspects(reading, cv.Listing(id="silent", photos=[picture(103)], title=" ")))
    assert (evidence.applicable, evidence.text) == (False, "The listing has no title and names no brand.")
    assert reading.encoder.asked == []


def test_the_margin_by_hand(reading: cv.Catalog) -> None:
    rows = suspects(reading, cv.Listing(id="x", photos=[picture(103)], title="bag"))
    (evidence,) = Title().score(rows)
    words = reading.encoder.words["bag"]
    bags = float((reading.vectors[reading.rows_of(product="bag")] @ words).mean())
    assert evidence.score == pytest.approx(bags - float(rows.photos.vectors[0] @ words), abs=1e-6)


def test_a_photo_does_not_depend_on_its_batch_mates(reading: cv.Catalog) -> None:
    listings = [cv.Listing(id=str(n), photos=[picture(100 + n)], title=("bag", "mug")[n % 2]) for n in range(4)]
    together = Title().score(suspects(reading, *listings))
    for listing, evidence in zip(listings, together, strict=True):
        assert Title().score(suspects(reading, listing))[0].score == pytest.approx(evidence.score, abs=1e-6)


def test_an_encoder_that_does_not_read_says_so(tree_catalog: cv.Catalog, lite: TowerEncoder) -> None:
    packaged = copy.copy(tree_catalog)
    packaged.encoder = lite
    rows = dataclasses.replace(
        suspects(tree_catalog, cv.Listing(id="x", photos=[picture(100)], title="bag")), catalog=packaged
    )
    (evidence,) = Title().score(rows)
    assert (evidence.applicable, evidence.text) == (False, "This encoder has no text tower.")


def test_one_product_alone_has_nothing_beside_it(reading: cv.Catalog) -> None:
    rows = suspects(reading, cv.Listing(id="x", photos=[picture(103)], title="bag"))
    rows.catalog.genuine = np.array([goods == "zeta/mug" for goods in reading.goods])
    (evidence,) = Title().score(rows)
    assert (evidence.applicable, evidence.text) == (
        False,
        "The catalogue holds no other product to compare the title with.",
    )


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (np.ones((1, 5), np.float32), r"gave vectors of texts of shape \(1, 5\), not \(1, 48\)"),
        (np.full((1, 48), np.nan), "gave vectors of texts that are no finite numbers"),
    ],
)
def test_an_encoder_whose_texts_have_other_vectors_is_named(
    reading: cv.Catalog, monkeypatch: pytest.MonkeyPatch, vectors: np.ndarray, told: str
) -> None:
    monkeypatch.setattr(reading.encoder, "encode_text", lambda texts: vectors)
    with pytest.raises(cv.InputError, match=rf"the encoder .*Reader.* {told}; try check_encoder\(encoder\)"):
        Title().score(suspects(reading, cv.Listing(id="x", photos=[picture(103)], title="bag")))


def test_an_encoder_that_raises_for_a_text_is_named(tree_catalog: cv.Catalog) -> None:
    offer = cv.Listing(id="x", photos=[picture(103)], title="bag")
    with pytest.raises(cv.InputError, match=r"the encoder <Encoder tiny .*> can't encode texts: IndexError.*; try"):
        Title().score(suspects(tree_catalog, offer))


# --- the text tower ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(reader_folder: Path) -> TextTowerEncoder:
    encoder = load_encoder(str(reader_folder))
    assert isinstance(encoder, TextTowerEncoder)
    return encoder


TEXTS = ["a red bag", "Sac à main, très bon état", "手提包", "", "word " * 60]


def test_texts_are_encoded_as_open_clip_encodes_them(reader: TextTowerEncoder, reader_folder: Path) -> None:
    name = f"local-dir:{reader_folder}"
    model = open_clip.create_model(name).eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=True).numpy()
    vectors = reader.encode_text(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.shape[1] == reader.encode(np.zeros((1, 32, 32, 3), np.uint8)).vectors.shape[1]


def test_a_text_does_not_depend_on_the_others(reader: TextTowerEncoder) -> None:
    many = TEXTS * 7  # more than a batch
    together = reader.encode_text(many)
    assert len(many) > reader.batch_size
    for text, row in zip(TEXTS, together, strict=False):
        np.testing.assert_allclose(reader.encode_text([text])[0], row, atol=1e-5)
    assert reader.encode_text([]).shape == (0, together.shape[1])
    with pytest.raises(cv.InputError, match=r"expected a list: \['bag'\]"):
        reader.encode_text("bag")


def test_the_text_tower_is_loaded_when_it_is_asked_for_and_once(
    reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = open_clip.create_model
    monkeypatch.setattr(open_clip, "create_model", lambda *a, **k: loads.append(a) or load(*a, **k))
    encoder = load_encoder(str(reader_folder))
    assert len(loads) == 1
    encoder.encode_text(["a"])
    encoder.encode_text(["b"])
    assert len(loads) == 2


def test_only_encoders_that_read_keep_the_text_contract(reader: TextTowerEncoder, lite: TowerEncoder) -> None:
    assert isinstance(reader, TextEncoder)
    assert not isinstance(lite, TextEncoder)
    assert "tiny" in repr(reader)


def test_title_with_a_real_text_tower(reader: TextTowerEncoder, references: list[cv.Reference]) -> None:
    catalog = cv.Catalog.build(references, encoder=reader)
    (evidence,) = Title().score(suspects(catalog, cv.Listing(id="x", photos=[picture(100)], title="acme bag")))
    assert evidence.applicable
    assert math.isfinite(evidence.score)
