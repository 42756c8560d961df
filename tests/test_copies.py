"""Which of the photos shown before a photo is, whatever file it is saved in."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from counterfeit_vision.heads import copies
from counterfeit_vision.heads.copies import Shown, _thumbnail
from counterfeit_vision.io.thumbnails import small_jpeg


def flat(seed: int, gain: float = 1.0, name: str = "", off: float = 0.0) -> SimpleNamespace:
    """A photo of 8 x 8 squares, ``off`` by that share of another's."""
    squares, others = np.random.default_rng(seed).integers(0, 256, (2, 8, 8, 1))
    squares = ((1 - off) * squares + off * others) * gain
    pixels = np.tile(np.kron(squares, np.ones((20, 20, 1))), 3).astype(np.uint8)
    return SimpleNamespace(id=name or f"{seed}", sha256=f"{seed} {gain}", view=SimpleNamespace(jpeg=small_jpeg(pixels)))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The pairs that are compared, by sha256; those of one seed are the same photo."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(Shown, "_traits_of", lambda self, photo: photo.sha256)

    def compare(one: str, other: str) -> SimpleNamespace:
        asked.append((one, other))
        return SimpleNamespace(same_photo=one.split()[0] == other.split()[0])

    monkeypatch.setattr(copies, "compare_traits", compare)
    return asked


def test_the_original_is_found_among_however_many_were_shown(compared: list[tuple[str, str]]) -> None:
    shown, first = Shown(), [flat(seed) for seed in range(9)]
    assert [shown.originals([photo]) for photo in first] == [[None]] * 9
    compared.clear()
    darker = [flat(seed, 0.6) for seed in range(9)]
    assert [shown.originals([photo])[0] for photo in darker] == first
    assert [pair[1] for pair in compared] == [photo.sha256 for photo in first], "the most alike is asked first"


def test_photos_of_one_listing_are_no_copies_of_each_other(compared: list[tuple[str, str]]) -> None:
    shown = Shown()
    assert shown.originals([flat(1), flat(1, 0.6)]) == [None, None]
    assert [found.id for found in shown.originals([flat(1, 0.8, "x"), flat(2)]) if found] == ["1"]


def test_a_photo_that_is_the_second_most_alike_is_found(compared: list[tuple[str, str]]) -> None:
    """As of a scene of which others were shown, too; the third is not looked at."""
    for places, found in (("02", "original"), ("12", "original"), ("012", None)):
        shown = Shown()
        others = [flat(1, name="scene", off=0.05 * (1 + int(place))) for place in places]
        for number, photo in enumerate(others[:-1]):
            photo.sha256 = f"{20 + number} another"
        others[-1].id = "original"
        shown.originals(others[::-1])
        (told,) = shown.originals([flat(1)])
        assert (told.id if told else None) == found


def test_the_light_does_not_count_nor_do_photos_of_one_grey() -> None:
    plain, darker = (_thumbnail(flat(1, gain)) for gain in (1.0, 0.5))
    assert float(plain @ darker) == pytest.approx(1, abs=0.01)
    assert float(plain @ _thumbnail(flat(2))) < 0.5
    grey = SimpleNamespace(view=SimpleNamespace(jpeg=small_jpeg(np.full((40, 40, 3), 90, np.uint8))))
    np.testing.assert_array_equal(_thumbnail(grey), 0)
