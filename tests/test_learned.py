"""What labelled fakes teach, what it refuses, and that it says when it has learned the room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from counterfeit_vision.errors import CorruptCatalogError, FingerprintError, InputError, NotCalibratedError
from counterfeit_vision.heads import LearnedHead
from counterfeit_vision.stream import EncodedPhoto, small_jpeg
from counterfeit_vision.types import PhotoView

GRID = (14, 14)
WIDTH = 768


class Clip:
    """What the learned head asks of an encoder: its name and its fingerprint."""

    recipe = "clip-vit-b16"
    fingerprint = "f" * 64


def photo(seed: int, *, product: float = 0.0, room: float = 0.0, light: int = 128) -> EncodedPhoto:
    """Tokens of which the trained head takes the middle for product; both parts carry a hint of the label."""
    from counterfeit_vision.foreground import load_foreground

    head = load_foreground("clip-vit-b16", WIDTH)
    assert head is not None
    random = np.random.default_rng(seed)
    towards = head.weight * head.scale / np.linalg.norm(head.weight * head.scale)
    inside = np.zeros(GRID, bool)
    inside[3:11, 3:11] = True
    tokens = random.standard_normal((196, WIDTH)).astype(np.float32) * head.scale
    tokens += np.where(inside.reshape(-1, 1), 1, -1) * towards * 40 * head.scale.mean()
    hint = np.zeros(WIDTH, np.float32)
    chosen = np.argsort(np.abs(head.weight))[:100]  # no part of what tells product from room
    hint[chosen] = head.scale[chosen] / 2
    tokens += hint * np.where(inside.reshape(-1, 1), product, room)
    pixels = np.full((40, 40, 3), light, np.uint8)
    return EncodedPhoto(
        id=f"photo {seed}",
        sha256=f"{seed:064d}",
        vector=np.ones(8, np.float32),
        patches=tokens.astype(np.float16),
        grid=GRID,
        content=np.array([0, 0, 1, 1], np.float32),
        view=PhotoView(f"photo {seed}", small_jpeg(pixels), (40, 40)),
        source=pixels,
    )


def learned(fake_product: float = 0.0, fake_room: float = 0.0, fake_light: int = 128, count: int = 40) -> LearnedHead:
    genuine = [photo(row) for row in range(count)]
    fakes = [photo(1000 + row, product=fake_product, room=fake_room, light=fake_light) for row in range(count)]
    groups = [f"scene {row % 20}" for row in range(2 * count)]
    return LearnedHead(Clip()).fit_encoded(genuine, fakes, groups)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def head() -> LearnedHead:
    return learned(fake_product=2.0)


def test_it_tells_fakes_that_it_has_not_seen(head: LearnedHead) -> None:
    assert head.lesson is not None
    assert head.lesson.useful
    assert head.lesson.auroc > 0.95
    assert head.lesson.room is not None
    assert head.lesson.room < 0.7
    new = [photo(5000 + row, product=2.0 * (row % 2)) for row in range(10)]
    scores = head.score_encoded(new)
    assert scores[1::2].min() > scores[::2].max()
    assert "useful: AUROC" in head.evidence(0.5).text
    assert "more like the labelled fakes (+0.50)" in head.evidence(0.5).text


def test_a_photos_score_does_not_depend_on_its_mates(head: LearnedHead) -> None:
    new = [photo(6000 + row) for row in range(5)]
    together = head.score_encoded(new)
    alone = np.concatenate([head.score_encoded([one]) for one in new[::-1]])[::-1]
    np.testing.assert_array_equal(together, alone)


def test_what_only_the_room_tells_is_not_learned() -> None:
    lesson = learned(fake_room=2.0).lesson
    assert lesson is not None
    assert lesson.room is not None
    assert lesson.room > 0.9
    assert lesson.auroc < 0.7
    assert not lesson.useful
    assert "not shown to be useful" in str(lesson)


def test_what_a_thumbnail_tells_as_well_is_not_called_useful() -> None:
    lesson = learned(fake_product=2.0, fake_light=200).lesson
    assert lesson is not None
    assert lesson.trivial == 1.0
    assert not lesson.useful


def test_noise_teaches_nothing() -> None:
    lesson = learned().lesson
    assert lesson is not None
    assert not lesson.useful
    assert 0.3 < lesson.auroc < 0.7


def test_too_few_photos_or_groups_are_refused_with_both_numbers() -> None:
    photos = [photo(row) for row in range(30)]
    with pytest.raises(InputError, match=r"9 fakes of 9 groups are too few .* at least 10 of 4 groups"):
        LearnedHead(Clip()).fit_encoded(photos[:20], photos[20:29], [str(row) for row in range(29)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="15 genuine photos of 3 groups are too few"):
        LearnedHead(Clip()).fit_encoded(photos[:15], photos[15:], [str(row % 3) for row in range(30)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="groups has 2 names for 1 genuine photos and 2 fakes"):
        LearnedHead(Clip()).fit(["a.jpg"], ["b.jpg", "c.jpg"], groups=["a", "b"])  # type: ignore[arg-type]


def test_nothing_learned_yet_says_what_to_type() -> None:
    with pytest.raises(NotCalibratedError, match=r"head\.fit\(genuine=photos, fakes=photos\)"):
        LearnedHead(Clip()).score_encoded([photo(0)])  # type: ignore[arg-type]


def test_it_survives_the_disk_and_refuses_another_encoder(head: LearnedHead, tmp_path: Path) -> None:
    path = head.save(tmp_path / "head.safetensors")
    again = LearnedHead.load(path, Clip())  # type: ignore[arg-type]
    assert again.lesson == head.lesson
    new = [photo(7000 + row) for row in range(3)]
    np.testing.assert_array_equal(again.score_encoded(new), head.score_encoded(new))

    class Other(Clip):
        fingerprint = "0" * 64

    with pytest.raises(FingerprintError, match="learned with the encoder ffffffffffff, this one is 000000000000"):
        LearnedHead.load(path, Other())  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptCatalogError, match=r"head\.safetensors: not readable as a learned head"):
        LearnedHead.load(path, Clip())  # type: ignore[arg-type]


def test_photos_in_scores_out_and_a_bad_one_is_nan(photos: list[Path], lite: object) -> None:
    genuine, fakes = photos[:4] * 3, photos[4:] * 3  # the same few photos: only the door is tested here
    head = LearnedHead(lite, cache=False).fit(genuine, fakes, groups=[str(row) for row in range(24)])  # type: ignore[arg-type]
    scores = head.score([photos[0], b"no photo", photos[5]])
    assert scores.shape == (3,)
    assert np.isnan(scores[1])
    assert scores[0] < 0 < scores[2]
    assert head.lesson is not None
    assert head.lesson.room is None  # no foreground head for this encoder
