"""What an encoder does wrong is named by ``check_encoder``."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.errors import InputError
from counterfeit_vision.testing import check_encoder
from counterfeit_vision.types import Embeddings


class Broken:
    """An encoder with one fault; ``after`` changes rows that are right otherwise."""

    def __init__(self, encoder: TowerEncoder) -> None:
        self.encoder, self.calls = encoder, 0
        self.fingerprint, self.preprocess, self.batch_size = encoder.fingerprint, encoder.preprocess, 4

    def encode(self, images: np.ndarray) -> Embeddings:
        self.calls += 1
        return self.after(self.encoder.encode(images), images)

    def after(self, rows: Embeddings, images: np.ndarray) -> Embeddings:
        return rows


class NotUnitLength(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, vectors=rows.vectors * 2)


class Float64(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, vectors=rows.vectors.astype(np.float64))


class Float32Patches(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, patches=rows.patches.astype(np.float32))


class NaN(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, vectors=np.full_like(rows.vectors, np.nan))


class BatchNorm(Broken):
    def after(self, rows, images):
        mixed = rows.vectors + 0.01 * rows.vectors.mean(axis=0, keepdims=True)
        return dataclasses.replace(rows, vectors=mixed / np.linalg.norm(mixed, axis=1, keepdims=True))


class BatchNormOfPatches(Broken):
    def after(self, rows, images):
        patches = rows.patches - rows.patches.mean(axis=(0, 1), keepdims=True) if len(rows) else rows.patches
        return dataclasses.replace(rows, patches=patches)


class SortedRows(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, vectors=rows.vectors[np.argsort(rows.vectors[:, 0])])


class Restless(Broken):
    def after(self, rows, images):
        turned = np.roll(rows.vectors, self.calls, axis=1)
        return dataclasses.replace(rows, vectors=turned)


class Constant(Broken):
    def after(self, rows, images):
        vectors = np.zeros_like(rows.vectors)
        vectors[:, 0] = 1
        return dataclasses.replace(rows, vectors=vectors)


class WritesIntoImages(Broken):
    def after(self, rows, images):
        images[...] = 0
        return rows


class AnotherFingerprint(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, fingerprint="another")


class OneTooFew(Broken):
    def encode(self, images):
        return self.encoder.encode(images[: max(len(images) - 1, 0)])


class CutsAtBatchSize(Broken):
    def encode(self, images):
        again = np.concatenate([images[: self.batch_size], images[: max(len(images) - self.batch_size, 0)]])
        return self.encoder.encode(again)


class RefusesNone(Broken):
    def encode(self, images):
        if not len(images):
            raise InputError("no images")
        return self.encoder.encode(images)


class BeginsInAnotherOrder(Broken):
    in_flight = 2

    def begin(self, images):
        return lambda: self.encoder.encode(np.stack(images[::-1]))


class OneHostBuffer(Broken):
    """As on a GPU: rows come into page-locked memory, here the same for all batches."""

    in_flight = 2

    def __init__(self, encoder):
        super().__init__(encoder)
        self.host = [np.zeros((64, 48), np.float32)]

    def begin(self, images):
        rows = self.encode(np.stack(list(images)))
        host = self.host[self.calls % len(self.host)][: len(rows)]
        host[:] = rows.vectors
        return lambda: dataclasses.replace(rows, vectors=host)


class HostBuffersInTurn(OneHostBuffer):
    """Enough for what is in flight, but what was collected is written over."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self.host *= 2
        self.host[1] = self.host[0].copy()


class OneColumn(Broken):
    def after(self, rows, images):
        return dataclasses.replace(rows, patches=rows.patches[..., :1])


class PreparesByItself(Broken):
    def __init__(self, encoder):
        super().__init__(encoder)
        self.preprocess = Squashes()


class Squashes:
    size = 32

    def __call__(self, pixels):
        return Preprocess(32, "squash")(pixels)


class Texts(Broken):
    """One fault in its vectors of texts, which ``text`` makes."""

    def encode_text(self, texts):
        return np.stack([self.text(text, texts) for text in texts])

    def text(self, text, texts):
        vector = np.zeros(48, np.float32)
        vector[len(text) % 48] = 1
        return vector


class NarrowTexts(Texts):
    def text(self, text, texts):
        return super().text(text, texts)[:5]


class NaNTexts(Texts):
    def text(self, text, texts):
        return super().text(text, texts) * np.nan


class LongTexts(Texts):
    def text(self, text, texts):
        return super().text(text, texts) * 2


class Float64Texts(Texts):
    def text(self, text, texts):
        return super().text(text, texts).astype(np.float64)


class TextsOfTheirMates(Texts):
    def text(self, text, texts):
        return super().text("".join(texts), texts)


class NothingInFlight(BeginsInAnotherOrder):
    in_flight = 0

    def begin(self, images):
        return lambda: self.encoder.encode(np.stack(images))


class TakesFloats(Broken):
    def encode(self, images):
        return self.encoder.encode((images * 255).astype(np.uint8) if images.dtype != np.uint8 else images)


class RaisesTypeError(Broken):
    def encode(self, images):
        if images.dtype != np.uint8:
            raise TypeError("not uint8")
        return self.encoder.encode(images)


class NoFingerprint(Broken):
    def __init__(self, encoder):
        super().__init__(encoder)
        self.fingerprint = ""


class BatchOfZero(Broken):
    def __init__(self, encoder):
        super().__init__(encoder)
        self.batch_size = 0


def test_what_the_faults_start_from_passes(tiny_encoder: TowerEncoder) -> None:
    check_encoder(Broken(tiny_encoder))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (NotUnitLength, "lengths"),
        (Float64, "float64, expected float32"),
        (Float32Patches, "patches are float32"),
        (OneColumn, "patches have 1 columns, expected 2 or more"),
        (PreparesByItself, "preprocess is a Squashes, expected a Preprocess"),
        (NaN, "NaN"),
        (BatchNorm, "alone, against in a batch"),
        (BatchNormOfPatches, "alone, against in a batch: patches"),
        (SortedRows, "another order"),
        (Restless, "encoded twice"),
        (Constant, "does not look at them"),
        (WritesIntoImages, "writes into"),
        (AnotherFingerprint, "fingerprint 'another'"),
        (OneTooFew, "7 images give 6 rows"),
        (CutsAtBatchSize, "another order|alone|batch of 5"),
        (RefusesNone, None),
        (BeginsInAnotherOrder, r"squares that begin\(\) has to stack"),
        (OneHostBuffer, "a batch begun beside others, in_flight=2: vectors differ"),
        (HostBuffersInTurn, "a batch begun beside others, in_flight=2: vectors differ"),
        (NothingInFlight, "in_flight is 0"),
        (NarrowTexts, r"vectors of texts have shape \(1, 5\), expected \(1, 48\)"),
        (NaNTexts, "vectors of texts hold NaN"),
        (LongTexts, "vectors of texts have lengths"),
        (Float64Texts, "vectors of texts are float64, expected float32"),
        (TextsOfTheirMates, "a text alone, against in a batch"),
        (TakesFloats, "float pixels.*raises nothing"),
        (RaisesTypeError, "float pixels.*raises TypeError"),
        (NoFingerprint, "non-empty text"),
        (BatchOfZero, "batch_size is 0"),
    ],
)
def test_check_encoder_names_what_is_broken(tiny_encoder: TowerEncoder, fault: type, message: str | None) -> None:
    with pytest.raises(AssertionError if message else InputError, match=message):
        check_encoder(fault(tiny_encoder))


def test_check_encoder_names_a_text_tower_that_knows_fewer_words_than_its_tokenizer(tiny_encoder: TowerEncoder) -> None:
    check_encoder(Texts(tiny_encoder))
    with pytest.raises(AssertionError, match=r"encode_text\(\['a red bag'\]\) raises IndexError"):
        check_encoder(tiny_encoder)


@pytest.mark.parametrize("what", [object(), Broken])
def test_check_encoder_names_what_is_missing(what: object) -> None:
    with pytest.raises(AssertionError, match=r"is no object with fingerprint, preprocess, batch_size and encode"):
        check_encoder(what)  # type: ignore[arg-type]
