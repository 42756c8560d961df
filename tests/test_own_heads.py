"""A user's own heads: what becomes of a calibration, of the other photos and of the report where one goes wrong."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pytest
from conftest import picture

import counterfeit_vision as cv
from counterfeit_vision.heads import Price, Similarity, Suspects
from counterfeit_vision.judging import judge
from counterfeit_vision.testing import check_head


class Red:
    """How red a photo is; ``times`` is its version."""

    name = "red"

    def __init__(self, times: float = 1) -> None:
        self.times = times

    @property
    def fingerprint(self) -> str:
        return str(self.times)

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [self.one(suspects, row) for row in range(len(suspects))]

    def one(self, suspects: Suspects, row: int) -> cv.Evidence:
        return cv.Evidence(score=self.times * float(suspects.pixels(row)[..., 0].mean()), text="Red.")


class Made:
    """Its fingerprint is made with it."""

    name = "made"

    def __init__(self, fingerprint: object) -> None:
        self.fingerprint, self.asked = fingerprint, 0

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        self.asked += len(suspects)
        return [cv.Evidence(float(vector[0]), "Made.") for vector in suspects.photos.vectors]


class Taking(Red):
    """Some files go while it looks at eight photos."""

    name = "taking"

    def __init__(self, *paths: Path) -> None:
        super().__init__()
        self.paths, self.asked = paths, list[int]()

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        self.asked.append(len(suspects))
        if len(suspects) == 8:
            for path in self.paths:
                path.unlink()
        return super().score(suspects)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Offer(cv.Listing):
    """A listing of one's own, that has photos in any case."""

    seen: datetime.date

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.photos:
            raise ValueError("an offer has photos")


class Lot(cv.Listing):
    """A listing that is made in a way of its own."""

    def __init__(self, number: int, photo: Path) -> None:
        super().__init__(id=f"lot {number}", photos=[photo], title=f"Lot {number}")


class Dated(Red):
    """When a listing of one's own was seen."""

    name = "dated"
    fingerprint = "1"

    def one(self, suspects: Suspects, row: int) -> cv.Evidence:
        seen = getattr(suspects.listings[row], "seen", datetime.date(2020, 1, 1))
        return cv.Evidence(float(seen.day), "Seen.")


GENUINE = [np.clip(picture(100 + seed % 5) * 0.9 - seed, 0, 255).astype(np.uint8) for seed in range(20)]


def calibrated(catalog: cv.Catalog, *heads: object) -> cv.Inspector:
    return cv.Inspector(catalog, [Similarity(), *heads], cache=False).calibrate(GENUINE, alpha=0.1)


def test_a_calibration_is_not_taken_for_that_of_another_version_of_a_head(
    tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    one = calibrated(tree_catalog, Red(), Price({"EUR": 1})).save(tmp_path / "one")

    def load(*heads: object) -> cv.Inspector:
        return cv.Inspector.load(one, tree_catalog, [Similarity(), *heads], cache=False)

    load(Red(), Price({"EUR": 1}))
    with pytest.raises(cv.CatalogError, match=r"one: head 'red' was calibrated as '1', this one is '3'; give the"):
        load(Red(3), Price({"EUR": 1}))
    with pytest.raises(cv.CatalogError, match=r"head 'price' was calibrated as .*'EUR'.*, this one is '\[\]'"):
        load(Red(), Price())


class Reading(Red):
    """What a head that reads is where it may lack its reader."""

    def __init__(self, unable: str | None) -> None:
        self.unable = unable

    @property
    def fingerprint(self) -> str:
        return self.unable or "model 1"

    def one(self, suspects: Suspects, row: int) -> cv.Evidence:
        return cv.Evidence.not_applicable(self.unable) if self.unable else cv.Evidence(float(row), "Read.")


@pytest.mark.parametrize(("then", "now"), [(None, "No reader."), ("No reader.", None)])
def test_a_head_that_lacks_what_it_needs_is_no_other_one(
    then: str | None, now: str | None, tree_catalog: cv.Catalog, tmp_path: Path
) -> None:
    folder = calibrated(tree_catalog, Reading(then)).save(tmp_path)
    cv.Inspector.load(folder, tree_catalog, [Similarity(), Reading(now)], cache=False)


def test_photos_that_go_while_a_head_looks_fail_alone(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    taking = Taking(*photos[2:4], photos[6])
    inspector = calibrated(tree_catalog, taking, Red())
    good = [*photos[:2], *photos[4:6], photos[7]]
    usual = [verdict.claims["taking"].score for verdict in inspector.inspect(good, strict=True)]
    taking.asked.clear()
    results = list(inspector.stream([*photos[:5], cv.Listing(id="two", photos=photos[5:7]), photos[7]]))
    assert [getattr(result, "stage", None) for result in results] == [None, None, "decode", "decode", None, None, None]
    assert str(photos[2]) in str(results[2].error)
    assert [failure.id for failure in results[5].failures] == ["two photo 2"]
    assert [one.claims["taking"].score for one in results if isinstance(one, cv.Verdict)] == usual
    assert taking.asked == [8, 5]


def test_an_error_of_a_head_says_whose_it_is(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    head = Red()
    inspector = calibrated(tree_catalog, head)
    head.times = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match="unsupported") as raised:
        inspector.inspect(photos[:3])
    assert raised.value.__notes__ == [f"raised by the head 'red', asked about {photos[0]} and 2 more"]


class Saying(Red):
    """A head that says what it is told to."""

    name = "saying"

    def __init__(self, rows: object) -> None:
        super().__init__()
        self.rows = rows

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return self.rows  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "head 'saying' gave NoneType; need a list, one Evidence a photo"),
        (cv.Evidence(1.0, "One."), "head 'saying' gave Evidence; need a list"),
        ([cv.Evidence(1.0, "One.")], "head 'saying' gave 1 rows for 20 photos"),
    ],
)
def test_what_is_no_list_of_evidence_is_refused_by_the_heads_name(
    rows: object, message: str, tree_catalog: cv.Catalog
) -> None:
    with pytest.raises(cv.InputError, match=message):
        calibrated(tree_catalog, Saying(rows))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (type("Silent", (), {"name": "silent"})(), "is no head; type heads="),
        (type("Nameless", (Red,), {"name": None})(), "heads: one has the name None; need a text"),
        (type("Nameless", (Red,), {"name": ""})(), "heads: one has the name ''; need a text"),
    ],
)
def test_an_inspector_takes_heads_alone(head: Red, message: str, tree_catalog: cv.Catalog) -> None:
    with pytest.raises(cv.InputError, match=message):
        cv.Inspector(tree_catalog, [head])


def test_a_fingerprint_that_is_made_with_a_head_is_one(
    tree_catalog: cv.Catalog, photos: list[Path], tmp_path: Path
) -> None:
    one, other = Made("1"), Made("2")
    with cv.EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for head in (one, one, Made("1"), other):
            list(judge(photos, tree_catalog, [head], cache=cache))
    assert (one.asked, other.asked) == (8, 8)


def test_a_score_that_is_no_number_is_not_remembered(
    tree_catalog: cv.Catalog, photos: list[Path], tmp_path: Path
) -> None:
    head, scores = Made("1"), iter([float("nan"), 1.0])
    head.score = lambda _: [cv.Evidence(next(scores), "Made.")]  # type: ignore[method-assign]
    with cv.EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for failures in (1, 0):
            ((_, _, failed),) = judge(photos[:1], tree_catalog, [head], cache=cache)
            assert len(failed) == failures


def test_a_fingerprint_that_is_no_text_is_refused(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    with pytest.raises(cv.InputError, match="head 'made': fingerprint=1 is no text; type '1'"):
        calibrated(tree_catalog, Made(1))
    with pytest.raises(AssertionError, match="fingerprint is 1, expected a text"):
        check_head(Made(1), tree_catalog, photos[:2])


def test_a_claim_of_copies_that_names_no_reference_proves_none(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    Copied = type("Copied", (Red,), {"name": "reuse"})  # scores are far above those of copies
    strange, known = calibrated(tree_catalog, Copied()).inspect([photos[0], GENUINE[8]], strict=True)
    assert (strange.decision, known.decision) == ("insufficient_evidence", "clear")


def test_listings_of_ones_own_kinds_are_judged_and_reported(
    tree_catalog: cv.Catalog, photos: list[Path], tmp_path: Path
) -> None:
    report = calibrated(tree_catalog, Red()).inspect(
        [Offer(id="offer", photos=photos[:1], brand="acme", seen=datetime.date(2024, 2, 1)), Lot(1, photos[1])]
    )
    assert [verdict.listing for verdict in report.verdicts] == [
        cv.Listing(id="offer", photos=[], brand="acme"),
        cv.Listing(id="lot 1", photos=[], title="Lot 1"),
    ]
    report.save(tmp_path / "report")


def test_what_a_listing_of_ones_own_adds_is_part_of_what_heads_are_asked(
    tree_catalog: cv.Catalog, photos: list[Path], tmp_path: Path
) -> None:
    with cv.EmbeddingCache(tmp_path / "e.sqlite") as cache:
        for day in (1, 2):
            asked = [Offer(id="offer", photos=photos[:1], seen=datetime.date(2024, 2, day))]
            ((_, (row,), _),) = judge(asked, tree_catalog, [Dated()], cache=cache)
            assert row.evidence[0].score == day
