"""Calibrating, and calibrating again: what is refused and when, and that nobody meets half a calibration."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from conftest import picture
from lights import GENUINE, Loud, calibrated, flat, learns_anything, red, said
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision import judging
from counterfeit_vision._version import made_by
from counterfeit_vision.encoders.base import Encoder
from counterfeit_vision.encoders.batching import EncodedPhoto, encode_photos
from counterfeit_vision.heads import Suspects
from counterfeit_vision.heads import learned as learning
from counterfeit_vision.index.references import COPY_SIDE
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.io.thumbnails import small_jpeg


class Bar(contextlib.nullcontext["Bar"]):
    """Stands for tqdm's."""

    def __init__(self, items: None, *, total: int | None, unit: str, **options: object) -> None:
        super().__init__(self)
        self.unit, self.total, self.n = unit, total, 0
        self.made.append(self)

    made: ClassVar[list[Bar]] = []

    def update(self, more: int) -> None:
        self.n += more


def test_a_bar_says_of_how_many_rows_of_a_file(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    for number in range(3):
        Image.fromarray(GENUINE[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "l.csv").write_text("photos\n0.png\n1.png\n2.png\n")
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE)
    inspector.inspect(tmp_path / "l.csv", progress=True)
    assert (Bar.made[-1].n, Bar.made[-1].total) == (3, 3)


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


@pytest.mark.parametrize("name", ["genuine", "fakes"])
def test_what_is_no_list_of_photos_is_called_by_its_argument(tree_catalog: cv.Catalog, name: str) -> None:
    judged = []
    given = {"genuine": (judged.append(photo) or photo for photo in GENUINE), name: {"id": "a", "photos": ["b.jpg"]}}
    with pytest.raises(cv.InputError, match=f"^{name}: need a list of photos or Listing objects, not a dict"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(**given)
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


def genuine_and_fakes() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Genuine photos and fakes to calibrate with."""
    return [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]


def test_what_was_learned_from_fakes_stays_where_a_later_calibration_is_refused(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = genuine_and_fakes()
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
    genuine, fakes = genuine_and_fakes()
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
    assert report.about["Version"] == made_by()
    assert inspector.inspect(fakes[:1]).about["Claims"] == "Loud, Learned pattern"


def test_which_photos_calibrated_is_kept_and_said_where_nothing_else_is_judged(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = genuine_and_fakes()
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, fakes=fakes, alpha=0.1)
    again = cv.Inspector.load(inspector.save(tmp_path), tree_catalog, [Loud()], cache=False)
    kept = json.loads((tmp_path / "inspector.json").read_text())["calibration"]
    for photos, listed in ((genuine, "photos"), (fakes, "fake_photos")):
        shown = {view.sha256 for verdict in inspector.inspect(photos).verdicts for view in verdict.photos}
        assert (kept[listed], getattr(again.calibration, listed)) == (sorted(shown), shown)
    both, told = cv.Listing(id="both", photos=[picture(500), genuine[0]]), "All that it shows was calibrated with"
    for one in (inspector, again):
        verdicts = one.inspect([genuine[0], both, fakes[0], picture(500)]).verdicts
        assert [told in verdict.reason for verdict in verdicts] == [True, False, True, False]


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

    genuine, fakes = genuine_and_fakes()
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


def test_heads_that_were_assigned_are_refused_unless_they_were_calibrated_in_that_order(
    tree_catalog: cv.Catalog,
) -> None:
    class Quiet(Loud):
        name = "quiet"

    inspector = cv.Inspector(tree_catalog, [Loud(), Quiet()], cache=False).calibrate(GENUINE, alpha=0.1)
    loud, quiet = inspector.heads
    for wrong in ([quiet, loud], [loud], []):
        inspector.heads = wrong
        with pytest.raises(cv.InputError, match=r"and loud, quiet were calibrated; .* type Inspector\(catalog"):
            inspector.inspect(GENUINE[:1])
    inspector.heads = [loud, quiet]
    assert isinstance(inspector.inspect(GENUINE[:1])[0], cv.Verdict)


def test_a_photo_that_is_shown_as_genuine_and_as_a_fake_is_doubted_and_teaches_no_fake(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    cache = EmbeddingCache(tmp_path / "e.sqlite")  # a vector's last digits depend on its batch mates on some processors
    genuine, fakes = genuine_and_fakes()
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


def test_a_verdict_says_which_calibration_it_comes_from(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    """Of two on as many other photos, one suspected what the other cleared, and all the facts were the same."""
    one = calibrated(tree_catalog)
    other = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate([flat(90 + 3 * n) for n in range(40)])
    again = cv.Inspector.load(one.save(tmp_path / "i"), tree_catalog, [Loud()], cache=False)
    reports = [inspector.inspect([flat(180), flat(181)]) for inspector in (one, other, again)]
    assert [report[0].decision for report in reports[:2]] == ["suspected", "clear"]
    first, second, third = (report[0].calibration for report in reports)
    assert first == third != second
    assert [len(first), reports[0][0].to_dict()["calibration"]] == [16, first]
    assert reports[0].about == reports[2].about == reports[0][0].about
    assert reports[0][0].about is reports[0][1].about
    for report, inspector in zip(reports, (one, other, again), strict=True):
        assert report.about["Calibration"].endswith(f"fingerprint {inspector.calibration.fingerprint}")
        assert report.about["Catalogue"].endswith(f"generation {tree_catalog.generation[:12]}")
    assert not {"Expected", "Costs"} & one.about().keys()


def test_what_a_probability_is_for_is_among_the_facts(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    learns_anything(monkeypatch)
    fakes = [red(seed) for seed in range(300, 320)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(
        [picture(seed) for seed in range(200, 280)], fakes=fakes, alpha=0.1
    )
    assert (inspector.about()["Expected"], "Costs" in inspector.about()) == ("20 % fakes", False)
    inspector.base_rate, inspector.costs = 0.015, (9, 1)
    assert inspector.about()["Expected"] == "1.5 % fakes"
    assert inspector.inspect(fakes[:1])[0].about["Costs"] == "9 of a false accusation, 1 of a missed fake"


def test_an_evaluation_warns_once_of_what_is_stale(inspector: cv.Inspector, tmp_path: Path) -> None:
    Image.fromarray(picture(7)).save(tmp_path / "a.png")
    (tmp_path / "listings.csv").write_text("photo,label\na.png,genuine\n")
    assert inspector.calibration is not None
    inspector.calibration = dataclasses.replace(inspector.calibration, generation="another")
    with pytest.warns(RuntimeWarning, match="stale") as warned:
        found = cv.evaluate(inspector, tmp_path / "listings.csv", draws=5)
    assert len(warned) == 1
    assert "Stale" in found.about
    with pytest.warns(RuntimeWarning, match="stale"):
        report = inspector.inspect([tmp_path / "a.png"])
    assert report.about["Alarm level"] == "5 %, which is not promised: see Stale"
    assert "Stale: the catalogue is not the one that was calibrated with" in report[0].reason
    assert "Stale: the catalogue is not the one that was calibrated with" in str(report[0].explain())


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
