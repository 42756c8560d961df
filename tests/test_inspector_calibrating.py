"""Calibrating again and saving again, odd groups and copies, and listings of several photos."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import json
import pickle
import re
import warnings
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from conftest import picture
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision import inspector_folder, judging
from counterfeit_vision.cache import EmbeddingCache
from counterfeit_vision.encoders.base import Encoder
from counterfeit_vision.heads import Price, SellerName, Suspects
from counterfeit_vision.heads import learned as learning
from counterfeit_vision.heads.reuse import COPY
from counterfeit_vision.merge import mean_evidence
from counterfeit_vision.policy import review_level
from counterfeit_vision.ranking import conformal_p
from counterfeit_vision.references import COPY_SIDE
from counterfeit_vision.sealed import sealed
from counterfeit_vision.small import small_jpeg
from counterfeit_vision.stream import EncodedPhoto, encode_photos


class Loud:
    """How bright a photo is."""

    name = "loud"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(score=float(suspects.pixels(row).mean()), text="Bright.") for row in range(len(suspects))]


def flat(light: float) -> np.ndarray:
    return np.full((40, 40, 3), light, np.uint8)


GENUINE = [flat(40 + 3 * number) for number in range(40)]


@pytest.fixture
def inspector(tree_catalog: cv.Catalog) -> cv.Inspector:
    return cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE)


def said(inspector: cv.Inspector, photos: list) -> list[str]:
    return [verdict.decision for verdict in inspector.inspect(photos).verdicts]


class Bar(contextlib.nullcontext["Bar"]):
    """Stands for tqdm's."""

    def __init__(self, items: None, *, total: int | None, unit: str, **options: object) -> None:
        super().__init__(self)
        self.unit, self.total, self.n = unit, total, 0
        self.made.append(self)

    made: ClassVar[list[Bar]] = []

    def update(self, more: int) -> None:
        self.n += more


@pytest.mark.parametrize("known", [True, False])
def test_a_bar_counts_what_is_judged_of_what_was_given(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    seen = []

    class Watching(Loud):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            seen.append((Bar.made[-1].n, Bar.made[-1].total))
            return super().score(suspects)

    def given(photos: list) -> Iterator[np.ndarray] | list:
        return photos if known else (photo for photo in photos)

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    inspector = cv.Inspector(tree_catalog, [Watching()], cache=False)
    inspector.calibrate(given(GENUINE), fakes=given([flat(215 + number) for number in range(36)]), progress=True)
    results = inspector.stream(given([flat(60), b"no photo", *GENUINE[1:]]), progress=True)
    assert [next(results).id for _ in range(41)][-1] == "photo 40"
    totals = (40, 36, 41) if known else (None, None, None)
    assert seen == [(done, total) for total in totals for done in (0, 32)]
    assert [(bar.n, bar.unit) for bar in Bar.made[-3:]] == [(40, "listing"), (36, "listing"), (41, "listing")]


# --- calibrating again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"genuine": GENUINE[:10]}, {"by": "categroy"}, {"groups": ["a"]}, {"alpha": 0.001}, {"genuine": []}]
)
def test_a_calibration_that_is_refused_changes_nothing(inspector: cv.Inspector, wrong: dict) -> None:
    before, asked = inspector.calibration, [flat(250), flat(90)]
    decisions = said(inspector, asked)
    with pytest.raises(cv.InputError):
        inspector.calibrate(**{"genuine": GENUINE, **wrong})
    assert (inspector.calibration, inspector.by, [head.name for head in inspector.heads]) == (before, None, ["loud"])
    assert said(inspector, asked) == decisions == ["suspected", "clear"]


@pytest.mark.parametrize("wrong", [{"alpha": 5}, {"by": "categroy"}])
def test_what_no_photo_can_mend_is_refused_before_any_is_judged(tree_catalog: cv.Catalog, wrong: dict) -> None:
    judged = []
    photos = (judged.append(photo) or photo for photo in GENUINE)
    with pytest.raises(cv.InputError, match="|".join(f"{name}={value!r}" for name, value in wrong.items())):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(photos, **wrong)
    assert judged == []


@pytest.mark.parametrize(
    "fakes", [GENUINE[:9], [cv.Listing(id=f"{n}", photos=GENUINE[5 * n : 5 * n + 5]) for n in range(3)], "tree"]
)
def test_too_few_fakes_are_refused_before_any_photo_is_judged(tree_catalog: cv.Catalog, tree: Path, fakes) -> None:
    judged = []
    photos = (judged.append(photo) or photo for photo in GENUINE)
    fakes = tree / "acme" / "bag" if fakes == "tree" else fakes
    with pytest.raises(cv.InputError, match="too few to learn from: at least 10 of 4 groups are needed"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(photos, fakes=fakes)
    assert judged == []


@pytest.mark.parametrize(
    ("genuine", "options", "told"),
    [
        (GENUINE[:5], {}, r"^5 genuine photos are too few for alpha=0.05: at least 28 are needed"),
        (tuple(GENUINE), {"alpha": 1e-9}, r"^40 genuine photos are too few for alpha=1e-09"),
        (GENUINE[:18], {"leave_one_out": True}, r"^18 genuine photos are too few .*: at least 19 are needed"),
        (GENUINE, {"groups": list("abcdefgh") * 5}, r"^8 groups \(40 genuine photos\) are too few"),
        ([cv.Listing(id=f"{n}", photos=GENUINE[2 * n : 2 * n + 2]) for n in range(13)], {}, r"^13 groups \(26 "),
        (
            [cv.Listing(id=f"{n}", photos=GENUINE[2 * n : 2 * n + 2]) for n in range(13)],
            {"per": "photo"},
            "^26 genuine",
        ),
        (GENUINE[:27], {"fakes": GENUINE[:10]}, "^27 genuine photos are too few"),
    ],
)
def test_too_few_genuine_photos_are_refused_before_any_is_judged(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, genuine, options: dict, told: str
) -> None:
    monkeypatch.setattr(cv.Inspector, "_judge", lambda *_, **__: pytest.fail("judged"))
    with pytest.raises(cv.InputError, match=told):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, **options)


def learns_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learned head that looks at the whole photo's vector, and is useful beside trivial features that say nothing."""
    monkeypatch.setattr(learning, "_trivial", lambda photo: np.zeros(2, np.float32))
    monkeypatch.setattr(
        learning,
        "look_closer",
        lambda photos, encoder, cache: (vectors := np.stack([p.vector for p in photos]), 0 * vectors, False),
    )


def red(seed: int) -> np.ndarray:
    return np.clip(picture(seed).astype(int) + np.array([90, 0, 0]), 0, 255).astype(np.uint8)


def test_what_was_learned_from_fakes_stays_where_a_later_calibration_is_refused(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, fakes=fakes, alpha=0.1)
    assert [head.name for head in inspector.heads] == ["loud", "learned"]
    assert inspector.calibration is not None
    assert inspector.calibration.probability is not None
    assert inspector.calibration.probability.usual == pytest.approx(30 / 90)
    with pytest.raises(cv.InputError, match="too few"):
        inspector.calibrate(genuine[:10])
    risks = [verdict.risk for verdict in inspector.inspect(fakes[:3]).verdicts]
    again = cv.Inspector.load(inspector.save(tmp_path / "kept"), tree_catalog, [Loud()], cache=False)
    assert [verdict.risk for verdict in again.inspect(fakes[:3]).verdicts] == risks


def test_listings_under_way_keep_the_calibration_that_they_began_with(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    learns_anything(monkeypatch)
    monkeypatch.setattr(judging, "LISTINGS_AT_ONCE", 2)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, alpha=0.1)
    before = [verdict.to_dict() for verdict in inspector.inspect(fakes)]

    def calibrating(photos: list) -> Iterator[np.ndarray]:
        for number, photo in enumerate(photos):
            if number == 20:  # as another thread does
                inspector.calibrate(genuine, fakes=fakes, alpha=0.2)
            yield photo

    report = inspector.inspect(calibrating(fakes))
    assert [verdict.to_dict() for verdict in report] == before
    assert report.about["Claims"] == "Loud"
    assert report.about["Version"] == f"counterfeit-vision {cv.__version__}"
    assert inspector.inspect(fakes[:1]).about["Claims"] == "Loud, Learned pattern"


def test_heads_and_calibration_are_of_one_piece_whenever_another_thread_looks(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    learns_anything(monkeypatch)
    torn = []

    class Watched(cv.Inspector):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            known = vars(self).get("calibration")
            if known is not None and known.heads != tuple(head.name for head in self.heads):
                torn.append(name)

    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    inspector = Watched(tree_catalog, [Loud()], cache=False).calibrate(genuine, alpha=0.1)
    before = [verdict.to_dict() for verdict in inspector.stream(fakes)]

    def just_then(one: cv.Inspector) -> cv.Inspector:
        taken = copy.copy(one)
        inspector.calibrate(genuine, fakes=fakes, alpha=0.1)
        return taken

    monkeypatch.setattr("counterfeit_vision.inspector.copy", SimpleNamespace(copy=just_then))
    assert [verdict.to_dict() for verdict in inspector.stream(fakes)] == before
    assert torn == []
    assert [head.name for head in inspector.heads] == ["loud", "learned"]


def test_what_is_saved_is_of_one_piece_where_another_thread_calibrates_meanwhile(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, alpha=0.1)
    settings, others = cv.Inspector.costs, [fakes]

    def just_then(self: cv.Inspector) -> tuple[float, float] | None:
        if others:
            inspector.calibrate(genuine, fakes=others.pop(), alpha=0.1)
        return settings.fget(self)

    monkeypatch.setattr(cv.Inspector, "costs", settings.getter(just_then))
    inspector.save(tmp_path / "inspector")
    assert [head.name for head in inspector.heads] == ["loud", "learned"]
    kept = cv.Inspector.load(tmp_path / "inspector", tree_catalog, [Loud()], cache=False)
    assert [head.name for head in kept.heads] == ["loud"]


def test_a_photo_that_is_shown_as_genuine_and_as_a_fake_is_doubted_and_teaches_no_fake(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    cache = EmbeddingCache(tmp_path / "e.sqlite")  # a vector's last digits depend on its batch mates on some processors
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    apart = cv.Inspector(tree_catalog, [Loud()], cache=cache).calibrate(genuine, fakes=fakes, alpha=0.1)
    with pytest.warns(RuntimeWarning, match="of 60 photos called genuine, 1 .* shown as fakes as well"):
        both = cv.Inspector(tree_catalog, [Loud()], cache=cache).calibrate(
            genuine, fakes=[*fakes, cv.Listing(id="copied", photos=[genuine[7]])], alpha=0.1
        )
    assert (apart.doubts, both.doubts) == ((), ("photo 7",))
    assert [(failure.id, failure.stage) for failure in both.failures] == [("copied", "input")]
    assert apart.calibration is not None
    assert both.calibration is not None
    assert both.calibration.to_dict() == apart.calibration.to_dict()


def test_no_second_learned_head_stands_beside_one_that_was_given(tree_catalog: cv.Catalog) -> None:
    head = cv.heads.LearnedHead(tree_catalog.encoder, cache=False)
    inspector = cv.Inspector(tree_catalog, [Loud(), head], cache=False)
    with pytest.raises(cv.InputError, match="leave one of the two out"):
        inspector.calibrate(GENUINE, fakes=GENUINE)


def test_a_save_that_stops_half_way_leaves_the_inspector_that_was_there(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 340)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    folder = inspector.calibrate(genuine, fakes=fakes[:30], alpha=0.1).save(tmp_path / "kept")
    inspector.calibrate(genuine, fakes=fakes[10:], alpha=0.1)
    write = inspector_folder.replace_file

    def stopped(path: Path, data: bytes) -> None:
        if path.name == "inspector.json":
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(inspector_folder, "replace_file", stopped)
        with pytest.raises(KeyboardInterrupt):
            inspector.save(folder)
    assert len(cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False).heads) == 2
    inspector.save(folder)
    assert len(cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False).heads) == 2
    assert len(list(folder.iterdir())) == 2  # nothing old is left
    (folder / ".0123456789abcdef.tmp").write_bytes(b"of a save that was killed")
    older, read = inspector_folder.read_inspector(folder), inspector_folder.read_inspector
    inspector.calibrate(genuine, fakes=fakes[:30], alpha=0.1).save(folder)
    assert len(list(folder.iterdir())) == 2
    first = iter([older])
    monkeypatch.setattr("counterfeit_vision.inspector.read_inspector", lambda path: next(first, None) or read(path))
    again = cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False)  # saved while it is read
    assert again.calibration is not None
    assert again.calibration.to_dict() == inspector.calibration.to_dict()
    mine = folder / "learned-mine.safetensors"
    mine.write_bytes(b"somebody's own")
    inspector.save(folder)
    assert mine.exists()


def test_what_could_not_be_used_is_said_where_too_few_are_left(tree_catalog: cv.Catalog) -> None:
    missing = [f"no-such-photo-{number}.jpg" for number in range(12)]
    with pytest.raises(
        cv.InputError, match=r"20 genuine photos are too few .* 12 more could not be used; the first: no"
    ):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate([*GENUINE[:20], *missing])
    with pytest.raises(cv.InputError, match=r"0 genuine photos are too few .* 12 more could not be used"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(missing, by="brand", alpha=0.2)
    with pytest.raises(cv.InputError, match=r"all genuine photos are of one brand, .* 12 more could not be used"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate([GENUINE[0], *missing], by="brand", alpha=0.2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"base_rate": "0.02"}, "base_rate='0.02'"),
        ({"costs": 5}, "costs=5"),
        ({"costs": ("5", 1)}, "costs="),
        ({"costs": (None, 1)}, "costs="),
        ({"costs": {50, 1}}, "costs="),
        ({"heads": [Price]}, r"Price'> is no head; type heads=\[Mark\(\), Price\(\)\]"),
        ({"heads": [None]}, "None is no head"),
        ({"heads": Price()}, r"heads=<.*Price.*>: need a list"),
        ({"base_rate": np.array([0.1, 0.2])}, "base_rate=array"),
        ({"authorised": None}, r"authorised=None: need a list, such as \[\('bazaar'"),
        ({"heads": ["price"]}, r"'price' is no head; type heads=\[Mark\(\), Price\(\)\]"),
    ],
)
def test_settings_of_another_kind_are_named(tree_catalog: cv.Catalog, options: dict, told: str) -> None:
    with pytest.raises(cv.InputError, match=told):
        cv.Inspector(tree_catalog, **options)
    with pytest.raises(cv.InputError, match=r"alpha='0\.05': need a share"):
        cv.Inspector(tree_catalog, [Loud()]).calibrate(GENUINE, alpha="0.05")  # type: ignore[arg-type]


@pytest.mark.parametrize("costs", [(np.int64(5), np.float32(1.5)), np.array([5, 1.5])])
def test_settings_may_be_numpys_numbers(tree_catalog: cv.Catalog, tmp_path: Path, costs) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=np.float32(0.125))
    inspector.base_rate, inspector.costs = np.float32(0.25), costs
    again = cv.Inspector.load(inspector.save(tmp_path / "inspector"), tree_catalog, [Loud()], cache=False)
    assert again.calibration is not None
    assert (again.base_rate, again.costs, again.calibration.alpha) == (0.25, (5, 1.5), 0.125)


@pytest.mark.parametrize("alpha", [Decimal("0.125"), Fraction(1, 8)])
def test_an_alarm_level_may_be_a_number_of_any_kind(tree_catalog: cv.Catalog, alpha) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=alpha)
    assert said(inspector, [flat(250), flat(90)]) == ["suspected", "clear"]
    assert inspector.calibration is not None
    assert json.loads(json.dumps(inspector.calibration.to_dict()))["alpha"] == 0.125


def test_settings_that_are_assigned_are_checked_as_given_ones_are(inspector: cv.Inspector) -> None:
    with pytest.raises(cv.InputError, match="costs=5: need two numbers"):
        inspector.costs = 5  # type: ignore[assignment]
    with pytest.raises(cv.InputError, match="base_rate=2: need a share"):
        inspector.base_rate = 2
    with pytest.raises(cv.InputError, match=r"authorised=None: need a list, such as"):
        inspector.authorised = None  # type: ignore[assignment]
    with pytest.raises(cv.InputError, match=r"authorised='own-shop': need a list, such as"):
        inspector.authorised = "own-shop"
    assert (inspector.base_rate, inspector.costs, inspector.authorised) == (None, None, frozenset())


def test_sellers_may_be_authorised_after_a_calibration_and_after_loading(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=0.125)
    again = cv.Inspector.load(inspector.save(tmp_path / "inspector"), tree_catalog, [Loud()], cache=False)
    offers = [
        cv.Listing(id="own", photos=[flat(250)], seller="own-shop"),
        cv.Listing(id="platform's", photos=[flat(250)], seller="store-1", platform="Bazaar"),
    ]
    for one in (inspector, again):
        assert said(one, offers) == ["suspected", "suspected"]
        one.authorised = ["own-shop"]
        assert said(one, offers) == ["review", "suspected"]
        one.authorised |= {("Bazaar", "store-1")}
        assert said(one, offers) == ["review", "review"]
        one.authorised = ()
        assert said(one, offers) == ["suspected", "suspected"]


@pytest.mark.parametrize("setting", [{"costs": (5, 1)}, {"base_rate": 0.02}])
def test_no_verdict_takes_for_a_probability_what_is_none(inspector: cv.Inspector, setting: dict) -> None:
    for name, value in setting.items():
        setattr(inspector, name, value)
    with pytest.raises(cv.InputError, match=r"base_rate and costs need a probability: calibrate\(genuine="):
        inspector.inspect([flat(90)])
    for name in setting:
        setattr(inspector, name, None)
    assert len(inspector.inspect([flat(90)]).verdicts) == 1


def test_known_fakes_of_the_catalogue_are_counted_apart(references: list[cv.Reference], tiny_encoder: Encoder) -> None:
    fakes = [
        cv.Reference(id=f"fake {seed}", photo=picture(seed), brand="acme", product="mug", gallery="known_fake")
        for seed in (300, 301)
    ]
    for more, told in (
        (fakes, "12 genuine photos and 2 of known fakes; products"),
        ([], "12 genuine photos; products"),
    ):
        catalog = cv.Catalog.build([*references, *more], encoder=tiny_encoder, cache=False)
        inspector = cv.Inspector(catalog, [Loud()], cache=False).calibrate(GENUINE)
        assert inspector.inspect([]).about["Catalogue"].startswith(told)


def test_an_evaluation_warns_once_of_what_is_stale(inspector: cv.Inspector, tmp_path: Path) -> None:
    Image.fromarray(picture(7)).save(tmp_path / "a.png")
    (tmp_path / "listings.csv").write_text("photo,label\na.png,genuine\n")
    assert inspector.calibration is not None
    inspector.calibration = dataclasses.replace(inspector.calibration, generation="another")
    with pytest.warns(RuntimeWarning, match="stale") as warned:
        found = cv.evaluate(inspector, tmp_path / "listings.csv", draws=5)
    assert len(warned) == 1
    assert "Stale" in found.about


def test_an_inspector_is_kept_at_a_path(inspector: cv.Inspector) -> None:
    with pytest.raises(
        cv.InputError, match=r"Inspector\.load\(None\): need a path; type Inspector\.load\('inspector'\)"
    ):
        cv.Inspector.load(None, inspector.catalog)  # type: ignore[arg-type]
    with pytest.raises(cv.InputError, match=r"inspector\.save\(3\): need a path"):
        inspector.save(3)  # type: ignore[arg-type]


def test_an_inspector_is_not_saved_over_a_file(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(cv.InputError, match="file: that is a file; name a folder"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=0.125).save(tmp_path / "file")


def test_an_inspector_is_not_saved_in_a_folder_that_is_named_like_a_file(
    inspector: cv.Inspector, tmp_path: Path
) -> None:
    with pytest.raises(cv.InputError, match=r"x\.json: a folder is written here, no \.json file; name a folder"):
        inspector.save(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


# --- groups and copies -----------------------------------------------------------------------------------------------


def test_groups_are_one_name_a_listing_in_their_order(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    names = [f"seller {number}" for number in range(60)]
    for groups, words in (
        (names, "60 names for 40 genuine listings and 0 fakes"),
        (names[:39], "groups has 39 names, .* name one for each genuine listing, then one for each fake"),
        ("abc", "need a list"),
        (dict.fromkeys(names[:40], "anna"), "need a list"),
        (set(names[:40]), "need a list"),
        (5, "groups=5: need a list"),
    ):
        with pytest.raises(cv.InputError, match=words):
            inspector.calibrate(GENUINE, groups=groups)
    with pytest.raises(cv.InputError, match="groups has 40 names, which are fewer than the listings"):
        inspector.calibrate(GENUINE, fakes=[light + 1 for light in GENUINE], groups=names[:40])
    inspector.calibrate(GENUINE, groups=(name for name in names[:40]))  # type: ignore[arg-type]
    assert inspector.calibration is not None
    assert inspector.calibration.count >= 19
    assert f"; p-values from {inspector.calibration.count} photos; " in repr(inspector)


@pytest.mark.parametrize("unknown", [None, float("nan"), np.datetime64("NaT")], ids=str)
def test_listings_whose_seller_is_not_known_are_no_group(tree_catalog: cv.Catalog, unknown: object) -> None:
    names = [*(f"seller {number}" for number in range(30)), *[unknown] * 10]
    with pytest.raises(
        cv.InputError, match=r"^groups: row 30 is (None|nan|NaT); name the seller, or give such a listing a name of"
    ):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, groups=names)  # type: ignore[arg-type]


def test_an_inspector_says_of_how_many_groups_its_photos_are(tree_catalog: cv.Catalog) -> None:
    genuine = [*GENUINE, *(flat(41 + 3 * number) for number in range(40))]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    inspector.calibrate(genuine, groups=[f"seller {number // 2}" for number in range(80)])
    assert inspector.calibration is not None
    photos, groups = len(inspector.calibration.merged), inspector.calibration.count
    assert photos == 2 * groups
    assert f"; p-values from {photos} photos of {groups} groups; " in repr(inspector)


def test_a_frames_column_is_read_in_its_order_whatever_its_labels(tree_catalog: cv.Catalog) -> None:
    pandas = pytest.importorskip("pandas")
    names = [f"seller {number // 2}" for number in range(80)]
    genuine = [*GENUINE, *(flat(41 + 3 * number) for number in range(40))]
    plain = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, groups=names)
    column = pandas.Series(names, index=range(79, -1, -1))
    framed = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, groups=column)
    assert plain.calibration is not None
    assert framed.calibration is not None
    assert framed.calibration.to_dict() == plain.calibration.to_dict()


def test_groups_that_are_no_texts_are_still_told_apart_and_told_alike(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[str] = []

    def noted(self: object, rows: list, names: list, first: list, fakes: list, fake_names: list[str]) -> None:
        taught.extend(fake_names)
        raise cv.InputError("enough")

    monkeypatch.setattr(cv.Inspector, "_learn", noted)
    names = [*range(39), "a shop"]  # half of them give the p-values, and their fakes teach nothing
    with pytest.raises(cv.InputError, match="enough"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(
            GENUINE,
            fakes=[light + 1 for light in GENUINE],
            groups=[*names, *names],  # type: ignore[list-item]
        )
    assert 0 < len(taught) < 25


def test_fakes_that_the_catalogue_knows_do_not_teach_that_fakes_are_copies(
    references: list[cv.Reference], tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = [picture(seed) for seed in range(300, 312)]
    known = [
        cv.Reference(id=f"known {number}", photo=fake, brand="acme", product="mug", gallery="known_fake")
        for number, fake in enumerate(fakes[:2])
    ]
    taught: list[str] = []

    def noted(self: object, rows: list, names: list, first: list, fakes: list, fake_names: list) -> None:
        taught.extend(row.photo.id for row in fakes)
        raise cv.InputError("enough")

    monkeypatch.setattr(cv.Inspector, "_learn", noted)
    catalog = cv.Catalog.build([*references, *known], encoder=tiny_encoder, cache=False)
    inspector = cv.Inspector(catalog, [Loud()], cache=False)
    shown = [cv.Listing(id="known", photos=fakes[:1]), cv.Listing(id="half", photos=fakes[1:3]), *fakes[3:]]
    with pytest.raises(cv.InputError, match="enough"):
        inspector.calibrate(GENUINE, fakes=shown)
    assert taught == ["half photo 2", *(f"photo {number}" for number in range(2, 11))]
    known_ones = [str(failure.error) for failure in inspector.failures]
    assert [failure.id for failure in inspector.failures] == ["known", "half photo 1"]
    assert all("is a known fake of the catalogue, so it teaches nothing about fakes" in error for error in known_ones)


def test_a_photo_that_is_shown_twice_counts_once(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    with pytest.raises(cv.InputError, match=r"10 genuine photos are too few .* 30 more could not be used; the first"):
        inspector.calibrate(GENUINE[:10] * 4)
    assert "all that it shows was shown before" in str(inspector.failures[0].error)
    inspector.calibrate([*GENUINE, cv.Listing(id="both", photos=[GENUINE[0], flat(200)])])  # it shows something new
    assert inspector.failures == ()


def test_nobody_is_cleared_by_showing_a_photo_four_times(inspector: cv.Inspector) -> None:
    bright = flat(250)
    listings = [cv.Listing(id=f"{count} times", photos=[bright] * count) for count in (1, 2, 4)]
    found = inspector.inspect(listings).verdicts
    assert {(verdict.decision, verdict.p_value) for verdict in found} == {("suspected", found[0].p_value)}
    grey = flat(60)
    mixed = [cv.Listing(id=f"{count} times", photos=[bright] + [grey] * count) for count in (1, 4)]
    once, often = inspector.inspect(mixed).verdicts
    assert (once.risk, once.p_value) == (often.risk, often.p_value)


class Copied(Loud):
    """Takes dark photos for copies of catalogue photos."""

    name = "reuse"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        light = [suspects.pixels(row).mean() for row in range(len(suspects))]
        return [cv.Evidence(score=COPY + 1 if one < 60 else 0.0, text="A copy?") for one in light]


def test_copies_of_catalogue_photos_among_the_genuine_ones_are_told_of(tree_catalog: cv.Catalog) -> None:
    """In another size or quality they have another sha256, and look as usual as no other photo does."""
    inspector = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False)
    told = "7 of 40 genuine photos are copies of catalogue photos, .* photo 0: more"
    with pytest.warns(RuntimeWarning, match=told), pytest.warns(RuntimeWarning, match="so unlike the others"):
        inspector.calibrate(GENUINE)
    with warnings.catch_warnings(record=True) as few:
        warnings.simplefilter("always")
        inspector.calibrate(GENUINE[4:] + [flat(170 + number) for number in range(4)])
    assert not any("copies" in str(one.message) for one in few)


# --- several photos --------------------------------------------------------------------------------------------------


def test_a_claim_says_which_photo_it_is_about(inspector: cv.Inspector) -> None:
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[flat(60), flat(250)])]).verdicts
    assert verdict.claims["loud"].text == "Photo 2: Bright."
    assert verdict.claims["loud"].photo == 1
    (alone,) = inspector.inspect([cv.Listing(id="one", photos=[flat(250)])]).verdicts
    assert alone.claims["loud"].text == "Bright."


def test_what_is_usual_shows_no_spot_at_whatever_level(tree_catalog: cv.Catalog) -> None:
    photo = cv.PhotoView("spot", b"", (9, 9))

    class Shown(Loud):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            spot = {"region": cv.Region(0, 0, 9, 9), "points": np.ones((3, 4), np.float32), "crops": (photo, photo)}
            return [dataclasses.replace(evidence, **spot) for evidence in super().score(suspects)]

    for alpha, light in ((0.1, 136), (0.2, 112)):  # of 40 genuine ones as bright: about 8, about 16
        inspector = cv.Inspector(tree_catalog, [Shown()], cache=False).calibrate(GENUINE, alpha=alpha)
        for verdict, shown in zip(inspector.inspect([flat(light), flat(45)]).verdicts, (True, False), strict=True):
            claim = verdict.claims["loud"]
            assert claim.p_value > 0.15
            assert (claim.p_value <= review_level(alpha)) == shown
            assert [getattr(claim, name) is not None for name in ("region", "points", "crops")] == [shown] * 3
            assert ("<circle" in verdict._repr_html_()) == shown


def test_a_claim_about_what_a_listing_says_names_no_photo(tree_catalog: cv.Catalog) -> None:
    class Asked(Loud):
        name = Price.name

    inspector = cv.Inspector(tree_catalog, [Asked()], cache=False).calibrate(GENUINE)
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[flat(60), flat(250)])]).verdicts
    assert verdict.claims["price"].text == "Bright."


def test_photos_are_numbered_as_the_listing_numbers_them(inspector: cv.Inspector) -> None:
    listing = cv.Listing(id="three", photos=[b"no photo", flat(60), flat(250)])
    (verdict,) = inspector.inspect([listing]).verdicts
    assert verdict.failures[0].id == "three photo 1"
    assert verdict.claims["loud"].text == "Photo 3: Bright."
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[b"no photo", flat(250)])]).verdicts
    assert verdict.claims["loud"].text == "Photo 2: Bright."


def test_where_photos_are_counted_few_listings_of_many_will_do(tree_catalog: cv.Catalog) -> None:
    listings = [cv.Listing(id=str(n), photos=[flat(40 + 4 * n + m) for m in range(4)]) for n in range(12)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(listings, per="photo")
    (odd,) = inspector.inspect([flat(250)]).verdicts
    assert odd.decision == "suspected"
    doubled = [cv.Listing(id=str(n), photos=[flat(40 + 4 * n)] * 2) for n in range(16)]
    with pytest.raises(cv.InputError, match="16 genuine photos are too few"):
        inspector.calibrate(doubled, per="photo")


def test_listings_of_many_photos_are_ranked_among_such(tree_catalog: cv.Catalog) -> None:
    random = np.random.default_rng(3)

    def offer(number: int, light: float) -> cv.Listing:
        photos = [flat(light + random.integers(0, 60)) for _ in range(4)]
        return cv.Listing(id=f"offer {number}", photos=photos)

    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    inspector.calibrate([offer(number, 40) for number in range(40)])
    assert inspector.calibration is not None
    assert len(set(inspector.calibration.listings.tolist())) == inspector.calibration.count
    usual = inspector.inspect([offer(number, 40) for number in range(20)]).verdicts
    assert sum(verdict.decision == "suspected" for verdict in usual) <= 3
    odd = inspector.inspect([cv.Listing(id="odd", photos=[flat(60), flat(61), flat(62), flat(250)])]).verdicts[0]
    assert odd.p_value == pytest.approx(1 / (inspector.calibration.count + 1))
    five = inspector.inspect([cv.Listing(id="five", photos=[*map(flat, range(60, 64)), flat(250)])]).verdicts[0]
    assert five.p_value == pytest.approx(5 / (inspector.calibration.count + 1))  # such were not shown: times 5


class Dark(Loud):
    """The same, of the darkest photos only."""

    name = "dark"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [item if item.score < 45 else cv.Evidence.not_applicable("Too bright.") for item in found]


def test_a_claim_that_does_not_apply_says_of_which_photo(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Unlike(), Dark()], cache=False).calibrate(GENUINE)
    strange, known = flat(240), flat(60)
    known[:20] += 10  # no blank one
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[strange, known])], strict=True)
    assert [(claim.photo, claim.applicable) for claim in verdict.claims.values()] == [(1, True), (1, False)]


class Unlike(Loud):
    """The same, as how unlike the catalogue it is."""

    name = "similarity"


class MarkedLater(Loud):
    """The same, as the claim about marks, which finds them on a listing's second photo."""

    name = "mark"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        first, *others = super().score(suspects)
        return [first, *(dataclasses.replace(one, region=cv.Region(0, 0, 9, 9)) for one in others)]


def test_a_photo_that_is_known_by_its_second_showing_alone_ranks_its_listing(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Unlike(), MarkedLater()], cache=False).calibrate(GENUINE)
    (verdict,) = inspector.inspect([cv.Listing(id="twice", photos=[flat(250)] * 2, product="bag")], strict=True)
    (once,) = inspector.inspect([cv.Listing(id="once", photos=[flat(250)], product="bag")], strict=True)
    assert (verdict.decision, verdict.p_value, verdict.risk) == ("suspected", once.p_value, once.risk)


class Strange(Loud):
    """How colourful a photo is: nothing in the catalogue is."""

    name = "similarity"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = [np.ptp(suspects.pixels(row)) + suspects.pixels(row).mean() / 100 for row in range(len(suspects))]
        return [cv.Evidence(score=float(colour), text="Colourful.") for colour in found]


class OfGoods(Loud):
    """How bright a photo of goods is; one of a green room shows none."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        rooms = [np.ptp(suspects.pixels(row)) > 30 for row in range(len(suspects))]
        found = zip(rooms, super().score(suspects), strict=True)
        return [cv.Evidence.not_applicable("No goods.") if room else item for room, item in found]


def test_a_listing_is_ranked_by_all_its_photos_as_those_are_that_calibrated(tree_catalog: cv.Catalog) -> None:
    """Without what the catalogue does not know, it would be compared with others whose dull photos of a room count."""

    def room(number: int) -> np.ndarray:
        return np.full((40, 40, 3), (60, 200 + number % 40, 60), np.uint8)

    def offer(number: int, light: float, rooms: int) -> cv.Listing:
        photos = [flat(light + shade) for shade in range(3 - rooms)]
        return cv.Listing(id=f"offer {number}", photos=photos + [room(number + more) for more in range(rooms)])

    inspector = cv.Inspector(tree_catalog, [Strange(), OfGoods()], cache=False)
    calibration = inspector.calibrate([offer(n, 40 + 4 * n, n % 8 == 0) for n in range(40)], alpha=0.1).calibration
    assert calibration is not None
    (alone,) = inspector.inspect([room(7)]).verdicts
    assert alone.decision == "insufficient_evidence"
    numbers = np.unique(calibration.listings)
    theirs = np.array([mean_evidence(calibration.merged[calibration.listings == number]) for number in numbers])
    found = inspector.inspect([offer(n, 40 + 6 * n, 2) for n in range(30)]).verdicts
    p = conformal_p(theirs, np.array([mean_evidence(np.array(verdict.statistics)) for verdict in found]))
    assert (np.array([verdict.p_value for verdict in found]) >= p).all()


class Faint(Loud):
    """The same, hardly more unusual in what is."""

    name = "faint"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [cv.Evidence(score=100 + item.score / 1000, text="A little bright.") for item in found]


def test_of_claims_that_are_as_rare_the_one_that_raises_the_alarm_is_named_first(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Faint(), Loud()], cache=False).calibrate(GENUINE)
    (verdict,) = inspector.inspect([flat(250)]).verdicts
    assert list(verdict.claims) == ["loud", "faint"]
    assert verdict.claims["loud"].p_value == verdict.claims["faint"].p_value
    assert "the strongest claim is Loud" in verdict.reason


class Channel:
    """How bright one colour of a photo is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        colour = ("red", "green", "blue").index(self.name)
        lights = [float(suspects.pixels(row)[..., colour].mean()) for row in range(len(suspects))]
        return [cv.Evidence(score=light, text="Bright.") for light in lights]


def test_the_claim_that_is_named_is_listed_first_where_another_photo_has_a_lone_loud_one(
    tree_catalog: cv.Catalog,
) -> None:
    heads = [Channel(name) for name in ("blue", "green", "red")]
    inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate(GENUINE)
    yellow, blue = (np.full((40, 40, 3), colour, np.uint8) for colour in ((245, 240, 60), (60, 60, 235)))
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[yellow, blue])]).verdicts
    assert verdict.statistics[0] > verdict.statistics[1]
    assert "the strongest claim is Red" in verdict.reason
    assert list(verdict.claims) == ["red", "green", "blue"]


class Silent(Loud):
    """The same, of dark photos only."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [item if item.score < 200 else cv.Evidence.not_applicable("Too bright.") for item in found]


def test_a_photo_that_no_claim_applies_to_takes_no_neighbour_with_it(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Silent()], cache=False).calibrate([*GENUINE, flat(240)])
    (failure,) = inspector.failures
    assert (failure.id, failure.stage) == ("photo 40", "score")
    assert "no claim applies that genuine photos have calibrated (Too bright.)" in str(failure.error)
    report = inspector.inspect([flat(60), flat(250), flat(70), cv.Listing(id="half", photos=[flat(250), flat(80)])])
    assert [type(item).__name__ for item in report] == ["Verdict", "Failure", "Verdict", "Verdict"]
    assert [(item.id, item.stage) for item in report[3].failures] == [("half photo 1", "score")]
    assert (report[3].decision, report[3].reason) == ("clear", inspector.inspect([flat(80)])[0].reason), "it was read"


class Bright(Loud):
    """The same, of bright photos only."""

    name = "bright"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [item if item.score >= 200 else cv.Evidence.not_applicable("Too dark.") for item in found]


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_a_claim_that_one_photo_alone_answers_to_ends_no_calibration(
    tree_catalog: cv.Catalog, leave_one_out: bool
) -> None:
    for place in (0, 20, 40):
        inspector = cv.Inspector(tree_catalog, [Silent(), Bright()], cache=False)
        inspector.calibrate([*GENUINE[:place], flat(240), *GENUINE[place:]], leave_one_out=leave_one_out)
        dark, bright = inspector.inspect([flat(60), flat(250)])
        assert dark.decision == "clear"
        assert bright.stage == "score"


class Pointing(Bright):
    """The same, and where."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        spot = {"region": cv.Region(0, 0, 9, 9), "heatmap": np.ones((4, 4), np.float32)}
        return [dataclasses.replace(item, **spot) if item.applicable else item for item in super().score(suspects)]


def test_a_claim_that_was_never_calibrated_points_at_nothing(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud(), Pointing()], cache=False).calibrate([*GENUINE, flat(240)])
    claim = inspector.inspect([flat(250)])[0].claims["bright"]
    assert (claim.applicable, claim.p_value) == (True, None)
    assert (claim.region, claim.heatmap) == (None, None)


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_prices_rates_are_kept(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    heads = [Loud(), Price({"EUR": 1, "USD": 0.9})]
    inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate(GENUINE)
    kept = inspector_folder.read_inspector(inspector.save(tmp_path / "kept"))
    assert kept.rates == {"EUR": 1, "USD": 0.9}


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", ""])
def test_a_folder_that_holds_no_inspector_is_named(tree_catalog: cv.Catalog, tmp_path: Path, text: str) -> None:
    path = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    data = json.loads(path.read_text())
    data["calibration"]["scores"][0][0] = 10**400  # no float holds it
    path.write_bytes(text.encode() or resealed(data))
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: not readable as an inspector"):
        inspector_folder.read_inspector(tmp_path)


def resealed(data: dict) -> bytes:
    """As one would write them who knows how."""
    return sealed({key: value for key, value in data.items() if key != "sha256"})


@pytest.mark.parametrize("number", [rb'"alpha": 0\.05', rb'"fitted_on": \d+', rb"\d\.\d{6,}"])
def test_a_number_that_was_altered_on_disk_is_found(tree_catalog: cv.Catalog, tmp_path: Path, number: bytes) -> None:
    path = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    found = re.search(number, path.read_bytes())
    assert found is not None
    with path.open("r+b") as file:
        file.seek(found.end() - 1)
        file.write(b"4" if found[0][-1:] != b"4" else b"5")
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: .*does not match its own sha256"):
        cv.Inspector.load(tmp_path, tree_catalog, [Loud()])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["base_rate"], "x"),
        (["base_rate"], 7),
        (["by"], "photo"),
        (["by"], ["brand"]),
        (["rates"], {"EUR": 0}),
        (["costs"], [None, 1]),
        (["costs"], 5),
        (["calibration", "alpha"], 0),
        (["calibration", "peaks"], {"loud": 0}),
        (["calibration", "peaks"], {"loud": float("inf")}),
        (["calibration", "fitted_on"], -1),
        (["calibration", "margins", 0], float("inf")),
        (["calibration", "scores", 0], [float("inf")]),
        (["calibration", "usual", "scale"], [[0.0]]),
        (["calibration", "usual", "location"], [[float("inf")]]),
        (["calibration", "usual"], {"kinds": [], "location": [[1, 2]], "scale": [[1, 2]]}),
        (["calibration", "merger", "counts"], []),
        (["calibration", "merger", "counts"], [0]),
        (["calibration", "merger", "weights"], [1]),
        (["calibration", "merger", "learned"], 10),
        (["calibration", "probability"], {"slope": 1, "intercept": 0, "fakes": 1, "usual": 0.5}),
    ],
)
def test_an_inspector_whose_numbers_do_not_fit_is_refused_before_it_judges(
    tree_catalog: cv.Catalog, tmp_path: Path, path: list[str], value: object
) -> None:
    file = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    data = json.loads(file.read_text())
    *above, last = path
    functools.reduce(lambda part, key: part[key], above, data)[last] = value
    file.write_bytes(resealed(data))
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: not readable as an inspector: (?!.*sha256)"):
        inspector_folder.read_inspector(tmp_path)


@pytest.mark.parametrize("name", ["merged", "groups", "listings", "strata", "kinds", "margins"])
def test_a_calibration_of_columns_is_refused(tree_catalog: cv.Catalog, name: str) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE)
    assert inspector.calibration is not None
    data = inspector.calibration.to_dict()
    data[name] = [[value] for value in data[name]]
    with pytest.raises(ValueError, match="do not fit"):
        type(inspector.calibration).from_dict(data)


def test_listings_of_many_photos_are_judged_a_few_at_a_time(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfeit_vision.judging.PHOTOS_AT_ONCE", 6, raising=False)
    sizes = []

    class Counting(Loud):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            sizes.append(len(suspects))
            return super().score(suspects)

    inspector = cv.Inspector(tree_catalog, [Counting()], cache=False).calibrate(GENUINE)
    sizes.clear()
    photos = [flat(60), b"no photo", flat(61), flat(62)]
    report = inspector.inspect([cv.Listing(id=str(number), photos=photos) for number in range(5)])
    assert [verdict.id for verdict in report.verdicts] == list("01234")
    assert sizes == [6, 6, 3]  # whole listings: what one shows is told from all of its photos


def test_a_seller_is_authorised_as_for_the_inspector(tree_catalog: cv.Catalog) -> None:
    head = SellerName([("bazaar", "acme-store"), "own-shop"])
    inspector = cv.Inspector(tree_catalog, [head, Loud()], cache=False)
    suspects = [
        cv.Listing(id=f"{platform} {seller}", photos=[flat(60)], seller=seller, platform=platform)
        for platform, seller in (("bazaar", "acme-store"), (None, "own-shop"), ("elsewhere", "acme-store"))
    ]
    inspector.calibrate([cv.Listing(id=str(row), photos=[p], seller="anna") for row, p in enumerate(GENUINE)])
    scores = [verdict.claims["seller"].score for verdict in inspector.inspect(suspects).verdicts]
    assert scores == [0, 0, 1]
    with pytest.raises(cv.InputError, match="need a list"):
        SellerName(("bazaar", "acme-store"))


def test_reports_and_failures_can_be_copied_and_sent_to_other_processes(inspector: cv.Inspector) -> None:
    report = inspector.inspect([flat(60), b"no photo"])
    for again in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert str(again[1].error) == str(report[1].error)
        assert (again[1].error.source, again[1].error.reason) == (report[1].error.source, report[1].error.reason)


def test_the_size_that_references_are_kept_in_tells_nothing(tree_catalog: cv.Catalog) -> None:
    """References are copies of at most 800 pixels; a fake's photo is as large as it came."""
    large = np.kron(picture(7, 60, 80), np.ones((20, 20, 1))).astype(np.uint8)
    rows = list(
        encode_photos(
            [("whole", large), ("copy", small_jpeg(large, COPY_SIDE, quality=90))],
            encoder=tree_catalog.encoder,
            cache=False,
        )
    )
    whole, kept = (row for row in rows if isinstance(row, EncodedPhoto))
    np.testing.assert_allclose(learning._trivial(whole)[-3:-1], learning._trivial(kept)[-3:-1])
    product, _, _ = learning.look_closer([whole, kept], tree_catalog.encoder, False)
    assert product[0] @ product[1] / np.linalg.norm(product[0]) / np.linalg.norm(product[1]) > 0.999
