"""What labelled fakes teach, what it refuses, and that it says when it has learned the room."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from counterfeit_vision.encoders.batching import EncodedPhoto
from counterfeit_vision.encoders.depths import vectors_and_tokens
from counterfeit_vision.encoders.foreground import load_foreground
from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.errors import CorruptCatalogError, FingerprintError, InputError, NotCalibratedError
from counterfeit_vision.evaluation.metrics import auroc
from counterfeit_vision.heads import LearnedHead, Suspects, closeups
from counterfeit_vision.heads import learned as learning
from counterfeit_vision.heads.closeups import look_closer, parts_of
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.io.decode import decode
from counterfeit_vision.io.thumbnails import small_jpeg
from counterfeit_vision.types import Embeddings, PhotoView

GRID = (14, 14)
WIDTH = 768
SIDE = 112


class Clip:
    """What the learned head asks of an encoder. Each patch's token says what its pixels are: red, that it is product;
    green, a hint of the label; the grain of blue, noise. ``seen`` counts the squares.
    """

    recipe = "clip-vit-b16"
    fingerprint = "f" * 64
    preprocess = Preprocess(size=SIDE)
    batch_size = 16

    def __init__(self) -> None:
        head = load_foreground(self.recipe, WIDTH)
        assert head is not None
        self.scale, self.seen = head.scale, 0
        self.towards = 40 * head.scale.mean() * head.weight * head.scale / np.linalg.norm(head.weight * head.scale)
        self.hint = np.zeros(WIDTH, np.float32)
        chosen = np.argsort(np.abs(head.weight))[:100]  # no part of what tells product from room
        self.hint[chosen] = head.scale[chosen] / 2
        self.mix = np.random.default_rng(0).standard_normal((64, WIDTH)).astype(np.float32) / 8

    def encode(self, images: np.ndarray) -> Embeddings:
        self.seen += len(images)
        cells = images.reshape(-1, 14, 8, 14, 8, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 196, 64, 3)
        red, green, blue = np.moveaxis(cells.astype(np.float32), -1, 0)
        grain = blue - blue.mean(axis=2, keepdims=True)
        grain /= np.maximum(grain.std(axis=2, keepdims=True), 1)
        tokens = grain @ self.mix * self.scale + np.sign(red.mean(axis=2) - 128)[..., None] * self.towards
        tokens += ((green.mean(axis=2) - 100) / 20)[..., None] * self.hint
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (len(images), 1))
        ids = tuple(str(row) for row in range(len(images)))
        vectors = np.ones((len(images), 8), np.float32)
        return Embeddings(vectors, tokens.astype(np.float16), GRID, boxes, ids, (), self.fingerprint)


CLIP = Clip()


def photo(seed: int, *, product: float = 0.0, room: float = 0.0, light: int = 128, red: int = 220) -> EncodedPhoto:
    """A photo whose middle is product, where it is ``red``; both parts carry a hint of the label."""
    random = np.random.default_rng(seed)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[24:88, 24:88] = True
    grain = random.integers(0, 256, (SIDE, SIDE))
    green = 100 + 20 * np.where(inside, product, room) + 8 * random.standard_normal((SIDE, SIDE))
    pixels = np.stack([np.where(inside, red, 30), green, grain], axis=2).astype(np.uint8)
    rows = CLIP.encode(pixels[None])
    assert rows.patches is not None
    return EncodedPhoto(
        id=f"photo {seed}",
        sha256=decode(pixels).sha256,
        vector=rows.vectors[0],
        patches=rows.patches[0],
        grid=GRID,
        content=rows.content[0],
        view=PhotoView(f"photo {seed}", small_jpeg(np.full((40, 40, 3), light, np.uint8)), (SIDE, SIDE)),
        source=pixels,
    )


def learned(fake_product: float = 0.0, fake_room: float = 0.0, fake_light: int = 128, count: int = 24) -> LearnedHead:
    genuine = [photo(row) for row in range(count)]
    fakes = [photo(1000 + row, product=fake_product, room=fake_room, light=fake_light) for row in range(count)]
    groups = [f"scene {row % 20}" for row in range(2 * count)]
    return LearnedHead(Clip(), cache=False).fit_encoded(genuine, fakes, groups)  # type: ignore[arg-type]


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


def test_where_no_product_is_found_the_room_sees_all_that_is_learned_from() -> None:
    genuine = [photo(row, red=30) for row in range(24)]
    fakes = [photo(1000 + row, room=2.0, product=2.0, red=30) for row in range(24)]
    groups = [f"scene {row % 20}" for row in range(48)]
    lesson = LearnedHead(Clip(), cache=False).fit_encoded(genuine, fakes, groups).lesson  # type: ignore[arg-type]
    assert lesson is not None
    assert lesson.room == lesson.auroc == 1.0
    assert not lesson.useful


def test_what_a_thumbnail_tells_as_well_is_not_called_useful() -> None:
    lesson = learned(fake_product=2.0, fake_light=200).lesson
    assert lesson is not None
    assert lesson.trivial == 1.0
    assert not lesson.useful


def test_where_nobody_can_tell_product_from_room_it_is_not_called_useful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has learned may be the room: it is for who fits it by hand, and knows that it is not."""
    monkeypatch.setattr(closeups, "head_of", lambda encoder, dimensions: None)
    head = learned(fake_room=2.0)
    assert head.lesson is not None
    assert head.lesson.auroc > 0.95
    assert not head.lesson.useful
    assert "not shown to be useful, as this encoder can't tell the product from the room: AUROC" in str(head.lesson)
    assert "the background alone not measured" in head.evidence(0.5).text


def test_chance_is_seldom_called_useful() -> None:
    """Features of groups that have nothing to do with the labels: asked is one time in twenty at most, of 40 tries."""
    random = np.random.default_rng(0)
    groups = [f"scene {row // 3}" for row in range(72)]
    fake = np.arange(72) >= 36
    useful = 0
    for _ in range(40):
        product, room, trivial = (
            (np.repeat(random.normal(size=(24, 8)), 3, axis=0) + random.normal(size=(72, 8))).astype(np.float32)
            for _ in range(3)
        )
        lesson = LearnedHead(Clip(), cache=False).fit_features(product, room, trivial, fake, groups).lesson  # type: ignore[arg-type]
        assert lesson is not None
        useful += lesson.useful
    assert useful <= 4  # more happen once in 200 times


def test_to_be_ahead_of_controls_that_are_worse_than_chance_is_not_useful() -> None:
    """Pairs of a genuine and a fake photo look alike but for the goods: half of a pair misleads about the other."""
    random = np.random.default_rng(1)
    fake, groups = np.arange(72) % 2 > 0, [f"listing {row}" for row in range(72)]
    trivial = np.repeat(random.normal(size=(36, 8)), 2, axis=0).astype(np.float32)
    product = random.normal(size=(72, 8)).astype(np.float32)
    lesson = LearnedHead(Clip(), cache=False).fit_features(product, trivial, trivial, fake, groups).lesson  # type: ignore[arg-type]
    assert lesson is not None
    assert lesson.trivial < 0.3 < lesson.interval[0] < 0.5
    assert not lesson.useful


@pytest.mark.parametrize(("photos", "folds"), [(60, 20), (2000, 10), (9000, 5)])
def test_few_photos_are_tested_by_machines_that_saw_nearly_all_others(photos: int, folds: int) -> None:
    groups = np.array([f"seller {number % (photos // 3)}" for number in range(photos)])
    fold = learning._folds(groups)
    assert len(np.unique(fold)) == folds
    assert all(len(np.unique(fold[groups == name])) == 1 for name in groups[:30])
    assert np.bincount(fold).max() <= np.bincount(fold).min() + 3


@pytest.mark.parametrize(("genuine", "fakes"), [(300, 10), (12, 200)])
def test_scores_lie_about_zero_whichever_of_the_two_is_rare(genuine: int, fakes: int) -> None:
    random = np.random.default_rng(0)
    fake = np.arange(genuine + fakes) >= genuine
    features = (random.standard_normal((len(fake), 40)) + fake[:, None] * (np.arange(40) < 10)).astype(np.float32)
    machine = learning._Machine.fit(features, fake, np.arange(len(fake)).astype(str))
    new = random.standard_normal((1000, 40)).astype(np.float32)
    assert (machine(new) > 0).mean() < 0.2
    assert (machine(new + (np.arange(40) < 10).astype(np.float32)) > 0).mean() > 0.8


def test_noise_teaches_nothing() -> None:
    lesson = learned().lesson
    assert lesson is not None
    assert not lesson.useful
    assert 0.3 < lesson.auroc < 0.7


def test_too_few_photos_or_groups_are_refused_with_both_numbers() -> None:
    photos = [photo(row) for row in range(30)]
    with pytest.raises(InputError, match=r"9 fakes of 9 groups are too few .* at least 10 of 4 groups"):
        LearnedHead(Clip(), cache=False).fit_encoded(photos[:20], photos[20:29], [str(row) for row in range(29)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="15 genuine photos of 3 groups are too few"):
        LearnedHead(Clip(), cache=False).fit_encoded(photos[:15], photos[15:], [str(row % 3) for row in range(30)])  # type: ignore[arg-type]
    for genuine in (["a.jpg"], (name for name in ["a.jpg"])):
        with pytest.raises(InputError, match="groups has 2 names for 1 genuine photos and 2 fakes"):
            LearnedHead(Clip(), cache=False).fit(genuine, ["b.jpg", "c.jpg"], groups=["a", "b"])  # type: ignore[arg-type]


def test_a_photo_that_is_given_several_times_counts_once() -> None:
    genuine = [photo(row) for row in range(12)]
    fakes = [photo(1000 + row, product=2.0) for row in range(10)]
    groups = [str(row) for row in range(22)]
    once = LearnedHead(Clip(), cache=False).fit_encoded(genuine, fakes, groups)  # type: ignore[arg-type]
    more = [*groups[:12], *(str(row) for row in range(100, 104)), *groups[12:], "200"]
    twice = LearnedHead(Clip(), cache=False).fit_encoded([*genuine, *genuine[:4]], [*fakes, fakes[9]], more)  # type: ignore[arg-type]
    assert twice.lesson == once.lesson
    own = [*range(12), *range(4), *range(12, 22), 21]
    np.testing.assert_array_equal(twice.held_out, once.held_out[own])
    with pytest.raises(InputError, match="1 fakes of 1 groups are too few"):
        LearnedHead(Clip(), cache=False).fit_encoded(genuine, fakes[:1] * 12, [str(row) for row in range(24)])  # type: ignore[arg-type]


def test_a_photo_that_is_given_as_genuine_and_as_a_fake_is_refused() -> None:
    photos = [photo(row) for row in range(24)]
    said = "photo 7: the same photo is given as a fake and, as photo 7, as genuine; leave it out"
    with pytest.raises(InputError, match=said):
        LearnedHead(Clip(), cache=False).fit_encoded(photos[:12], [*photos[12:], photos[7]], list("abcde" * 5))  # type: ignore[arg-type]


def test_one_photo_or_a_folder_is_no_list_of_photos(head: LearnedHead) -> None:
    for one in ("photo.jpg", Path("photo.jpg"), np.zeros((6, 8, 3), np.uint8)):
        with pytest.raises(InputError, match=r"score\(\): need a list of photos.* type score\(\[photo\]\)"):
            head.score(one)  # type: ignore[call-overload]
        with pytest.raises(InputError, match=r"fit\(fakes=\.\.\.\): need a list of photos"):
            LearnedHead(Clip(), cache=False).fit(["a.jpg"], one)  # type: ignore[arg-type]


def test_nothing_learned_yet_says_what_to_type() -> None:
    with pytest.raises(NotCalibratedError, match=r"head\.fit\(genuine=photos, fakes=photos\)"):
        LearnedHead(Clip(), cache=False).score_encoded([photo(0)])  # type: ignore[arg-type]


def test_a_head_is_kept_at_a_path(head: LearnedHead) -> None:
    with pytest.raises(InputError, match=r"head\.save\(5\): need a path; type head\.save\('head\.safetensors'\)"):
        head.save(5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"LearnedHead\.load\(None\): need a path"):
        LearnedHead.load(None, Clip())  # type: ignore[arg-type]


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


def test_a_head_of_which_a_number_was_altered_on_disk_is_refused(head: LearnedHead, tmp_path: Path) -> None:
    path = head.save(tmp_path / "new" / "folder" / "head.safetensors")
    whole = path.read_bytes()
    last = bytes([whole[-3] ^ 1])
    for altered in (whole[:-3] + last + whole[-2:], whole.replace(b'"genuine\\": ', b'"genuine\\":9')):
        assert altered != whole
        path.write_bytes(altered)
        with pytest.raises(CorruptCatalogError, match="it does not match its own sha256"):
            LearnedHead.load(path, Clip())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lesson", "mean"),
    [("[" * 200_000, 0.0), ('{"interval": []}', 0.0), ('{"room": "0.5"}', 0.0), ("{}", np.nan)],
    ids=["deep", "no interval", "a text", "no number"],
)
def test_a_head_that_could_not_be_read_out_is_refused(
    head: LearnedHead, tmp_path: Path, lesson: str, mean: float
) -> None:
    from safetensors.numpy import load, save

    arrays = load(head.to_bytes())
    about = {"fingerprint": Clip.fingerprint, "lesson": lesson}
    if lesson.startswith("{"):
        about["lesson"] = json.dumps(dataclasses.asdict(head.lesson) | json.loads(lesson))  # type: ignore[call-overload]
    path = tmp_path / "head.safetensors"
    arrays |= {"mean": arrays["mean"] + np.float32(mean)}
    about["sha256"] = learning._Machine(**arrays).sha256(about["lesson"])  # whoever sealed it
    path.write_bytes(save(arrays, about))
    with pytest.raises(CorruptCatalogError, match=r"head\.safetensors: not readable as a learned head: (?!.*sha256)"):
        LearnedHead.load(path, Clip())  # type: ignore[arg-type]


def test_photos_in_scores_out_and_a_bad_one_is_nan(photos: list[Path], lite: object) -> None:
    cut = [decode(path).pixels[more:] for path in photos for more in (0, 4, 8)]
    genuine, fakes = cut[:12], cut[12:]  # the same few photos: only the door is tested here
    head = LearnedHead(lite, cache=False).fit(genuine, fakes, groups=[str(row) for row in range(24)])  # type: ignore[arg-type]
    scores = head.score([photos[0], b"no photo", photos[5]])
    assert scores.shape == (3,)
    assert np.isnan(scores[1])
    assert scores[0] < 0 < scores[2]
    assert head.lesson is not None
    assert head.lesson.room is None  # no foreground head for this encoder


# --- closer looks -----------------------------------------------------------------------------------------------------


def share_of(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    share = np.zeros(GRID, np.float32)
    share[y0:y1, x0:x1] = 1
    return share


def test_the_parts_cover_the_product_and_overlap() -> None:
    parts = parts_of(share_of(4, 5, 10, 9), np.array([0, 0, 1, 1], np.float32), (1400, 1400))
    assert parts.shape == (4, 4)
    sides = parts[:, 2:] - parts[:, :2]
    assert np.abs(sides - 0.6 * 1.05 * 600).max() <= 2
    assert parts[:, 0].min() <= 400
    assert parts[:, 2].max() >= 1000
    assert parts[:, 1].min() <= 500
    assert parts[:, 3].max() >= 900
    assert parts[0, 2] > parts[1, 0]
    assert parts[0, 3] > parts[2, 1]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1400, 700), (50, 2000)])
@pytest.mark.parametrize("box", [(0, 0, 14, 14), (0, 0, 3, 3), (11, 6, 14, 9), (7, 7, 8, 8)])
def test_parts_lie_on_the_photo_whatever_its_shape(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    width, height = size
    _, content = Preprocess(size=SIDE)(np.zeros((height, width, 3), np.uint8))
    parts = parts_of(share_of(*box), content, size)
    assert (parts >= 0).all()
    assert (parts[:, 2:] <= size).all()
    assert (parts[:, 2:] > parts[:, :2]).all()


def test_no_patch_that_shows_both_counts_for_either() -> None:
    plain = photo(1)
    hinted = photo(1, room=2.0)
    (same, room, sure), (other, changed, _) = (look_closer([one], CLIP, cache=False) for one in (plain, hinted))
    assert sure
    np.testing.assert_allclose(same, other, atol=0.02)
    assert np.abs(room - changed).max() > 0.1


def test_a_photo_is_looked_at_once(tmp_path: Path) -> None:
    encoder = Clip()
    with EmbeddingCache(tmp_path / "cache.sqlite") as cache:
        first = look_closer([photo(1), photo(2), photo(1)], encoder, cache)
        assert encoder.seen == 8
        again = look_closer([photo(2)], encoder, cache)
    assert encoder.seen == 8
    np.testing.assert_array_equal(first[0][1], again[0][0])
    np.testing.assert_array_equal(first[1][1], again[1][0])
    np.testing.assert_array_equal(first[0][0], first[0][2])


def test_photos_are_looked_at_a_batch_at_a_time_and_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    batches, photos, encode = [], [photo(seed) for seed in range(6)], Clip.encode
    monkeypatch.setattr(Clip, "encode", lambda self, images: (batches.append(len(images)), encode(self, images))[1])
    product, room, _ = look_closer(photos, Clip(), cache=False)
    assert batches == [16, 8]
    for row, one in enumerate(photos):
        own = look_closer([one], Clip(), cache=False)
        np.testing.assert_allclose(product[row], own[0][0], rtol=1e-6)
        np.testing.assert_allclose(room[row], own[1][0], rtol=1e-6)


def test_a_photo_whose_file_has_gone_is_not_judged(head: LearnedHead, tmp_path: Path) -> None:
    gone = dataclasses.replace(photo(1), source=tmp_path / "gone.jpg")
    suspects = Suspects(None, [], [gone, photo(2)], None, None)  # type: ignore[arg-type]
    lost, kept = head.score(suspects)
    assert not lost.applicable
    assert "gone.jpg" in lost.text or "photo 1" in lost.text
    assert kept.applicable


def test_depths_are_those_of_the_tower(clip: object) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    vectors, found = vectors_and_tokens(clip, squares)  # type: ignore[arg-type]
    assert found.shape == (2, 3, 196, 768)
    encoded = clip.encode(squares)  # type: ignore[attr-defined]
    middle = encoded.patches.astype(np.float32)
    np.testing.assert_allclose(vectors, encoded.vectors, atol=1e-5)
    np.testing.assert_allclose(found[:, 0], middle, atol=0.02)
    np.testing.assert_allclose(found[1:], vectors_and_tokens(clip, squares[1:])[1], atol=1e-3)  # type: ignore[arg-type]
    assert np.abs(found[:, 1] - found[:, 2]).max() > 1


def test_what_all_photos_of_a_seller_share_is_not_taken_for_the_goods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sellers differ more than goods do, and some have many photos: an effect of each group keeps them apart."""
    reached: dict[float, list[float]] = {learning.SHARED: [], 0.0: []}
    for seed in range(8):
        random = np.random.default_rng(seed)
        sizes = random.integers(1, 12, 40)
        sellers = np.repeat(np.arange(40), sizes)
        fake = (np.arange(40) % 2 == 0)[sellers] ^ (random.random(len(sellers)) < 0.2)
        features = 3 * random.standard_normal((40, 60))[sellers] + random.standard_normal((len(sellers), 60))
        features[:, :6] += 0.9 * fake[:, None]
        new = 3 * random.standard_normal((600, 60)) + random.standard_normal((600, 60))
        truth = np.arange(600) < 300
        new[:, :6] += 0.9 * truth[:, None]
        for shared, found in reached.items():
            monkeypatch.setattr(learning, "SHARED", shared)
            head = LearnedHead(CLIP, cache=False).fit_features(
                features.astype(np.float32), None, np.zeros((len(fake), 2), np.float32), fake, sellers.astype(str)
            )
            found.append(auroc(truth, head.score_features(new.astype(np.float32))))
    with_effect, without = reached.values()
    assert np.mean(with_effect) > np.mean(without) + 0.01


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_groups_that_name_nothing_are_refused(lite: object, missing: object) -> None:
    photos = [np.full((40, 40, 3), 50 * number, np.uint8) for number in range(4)]
    with pytest.raises(InputError, match=r"groups: row 2 is (None|nan); name the seller"):
        LearnedHead(lite).fit(photos[:2], photos[2:], groups=["a", "b", missing, "d"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="groups=3: need a list"):
        LearnedHead(lite).fit(photos[:2], photos[2:], groups=3)  # type: ignore[arg-type]
