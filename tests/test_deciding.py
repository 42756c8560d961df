"""Verdicts: in several threads none waits for another's, risks keep to the p-value's side, and silence is explained."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from counterfeit_vision import Catalog, Evidence, Listing
from counterfeit_vision.decision.deciding import Decider, _Ranked


def ranked_of(photos: int, **changes: object) -> _Ranked:
    every = np.ones(photos, bool)
    plain = _Ranked(
        judged=[SimpleNamespace(margin=0.1)] * photos,  # type: ignore[list-item]
        scores=np.zeros((photos, 1)),
        kinds=[""] * photos,
        strata=[""] * photos,
        merged=np.arange(photos, dtype=float),
        each=np.array([0.5, 0.1][:photos]),
        claims_p=np.ones((photos, 1)),
        strength=np.zeros((photos, 1)),
        weighed=np.arange(photos),
        marked=every,
        known=every,
        own=every,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_the_photo_that_decides_is_found_while_another_thread_looks_for_that_of_its_listing() -> None:
    """On Python 3.11 a ``cached_property`` has one lock for all listings, which a forked process never gets."""
    begun, end = threading.Event(), threading.Event()

    class Slow(np.ndarray):
        def any(self, *args: object, **options: object) -> bool:  # type: ignore[override]
            begun.set()
            end.wait(timeout=30)
            return True

    ranked = ranked_of(2)
    slow = dataclasses.replace(ranked, own=ranked.own.view(Slow))
    with ThreadPoolExecutor(2) as pool:
        try:
            late = pool.submit(lambda: (slow.surest, slow.worst))
            assert begun.wait(timeout=30)
            assert pool.submit(lambda: (ranked.surest, ranked.worst)).result(timeout=10) == (1, 1)
        finally:
            end.set()
        assert late.result(timeout=30) == (1, 1)


def test_the_photo_that_stands_out_most_tells_the_product() -> None:
    """A close-up decides, and is about as like another product; the front shows which it is."""

    def margins(*each: float) -> list[SimpleNamespace]:
        return [SimpleNamespace(margin=one) for one in each]

    close_up = ranked_of(2, judged=margins(0.4, 0.02))
    assert (close_up.worst, close_up.surest) == (1, 0)
    assert dataclasses.replace(close_up, marked=np.array([False, True])).surest == 1, "the front shows no marks"
    assert dataclasses.replace(close_up, judged=margins(np.nan, 0.02)).surest == 0, "no other product is near it"
    assert dataclasses.replace(close_up, judged=margins(np.nan, np.nan)).surest == 1, "the one that decides"
    copied = dataclasses.replace(close_up, own=np.array([False, True]))
    assert copied.surest == 1, "the seller's own before a copy"
    assert dataclasses.replace(copied, marked=np.zeros(2, bool)).surest == 0


def p_and_risk(p_value: float, risks: dict[str, float], *, probability: object = None) -> tuple[float, float]:
    """Of a listing that shows these strata, each of which has such a risk."""
    calibration = SimpleNamespace(
        alpha=0.1,
        probability=probability,
        listing_p=lambda *_, photos, each: p_value,
        risk=lambda merged, base_rate, stratum: np.full(1, risks[stratum]),
    )
    given = SimpleNamespace(calibration=calibration, base_rate=None)
    return Decider._p_and_risk(given, ranked_of(len(risks), strata=list(risks)))  # type: ignore[arg-type]


@pytest.mark.parametrize("p_value", [0.1, 0.11])
def test_risks_that_lie_on_the_other_side_of_a_half_than_the_p_value_keep_their_order(p_value: float) -> None:
    told = [p_and_risk(p_value, {"bags": risk})[1] for risk in (0.0, 0.1, 0.3, 0.49, 0.5, 0.51, 0.9, 1.0)]
    assert told == sorted(set(told))
    assert all((risk >= 0.5) == (p_value <= 0.1) for risk in told)
    assert told[-3:] == [0.51, 0.9, 1.0] if p_value <= 0.1 else told[:4] == [0.0, 0.1, 0.3, 0.49]
    assert p_and_risk(p_value, {"bags": 0.3}, probability=object())[1] == 0.3  # a probability stays one


def test_a_listing_of_two_strata_has_the_smaller_of_their_risks_whichever_it_shows_first() -> None:
    risks = {"bags": 0.2, "shoes": 0.4}
    assert p_and_risk(0.5, risks) == p_and_risk(0.5, dict(reversed(risks.items()))) == (0.5, 0.2)


def test_the_price_is_ranked_beside_a_photo_that_shows_nothing_unusual_of_the_goods() -> None:
    def p_of(scores: np.ndarray, strata: list[str], kinds: list[str]) -> np.ndarray:
        assert (strata, kinds) == (["loose"], ["shoe"])
        np.testing.assert_array_equal(scores, [[np.nan, 4.0, np.nan, np.nan, 0.5]])
        return np.array([0.03])

    ranked = ranked_of(
        2,
        scores=np.array([[0.0] * 5, [1.0, 4.0, 2.0, np.nan, 0.5]]),
        strata=["boxed", "loose"],
        kinds=["bag", "shoe"],
    )
    given = SimpleNamespace(
        calibration=SimpleNamespace(p_of=p_of), heads=("similarity", "price", "strokes", "wordmark", "reuse")
    )
    assert Decider._p_unshown(given, ranked) == 0.03  # type: ignore[arg-type]


def test_of_claims_that_say_nothing_the_first_three_reasons_of_those_that_count_are_told() -> None:
    def row(*reasons: str) -> SimpleNamespace:
        return SimpleNamespace(evidence=[Evidence.not_applicable(reason) for reason in reasons])

    given = SimpleNamespace(calibration=SimpleNamespace(can_tell=np.array([False, True, True])))
    judged = [
        row("Not counted.", "No mark.", "Too dark."),
        row("Not counted.", "No mark.", "Too small."),
        row("", "A", "B"),
    ]
    silent = ranked_of(1, judged=judged, strength=np.full((3, 3), -np.inf))
    assert Decider._why_silent(given, silent) == "No mark. Too dark. Too small."  # type: ignore[arg-type]
    one = dataclasses.replace(silent, strength=np.where(np.eye(3) > 0, 0.0, -np.inf))
    assert Decider._why_silent(given, one) is None  # type: ignore[arg-type]


def test_the_brand_of_a_named_product_counts_and_of_several_photos_one_is_enough(tree_catalog: Catalog) -> None:
    given = Decider(tree_catalog, calibration=None, policy=None)  # type: ignore[arg-type]
    products = {reference.brand: reference.product for reference in tree_catalog.references}
    nearest, other = products

    def misnamed(shown: list[str], **claims: str) -> str | None:
        ranked = ranked_of(len(shown), kinds=shown)
        return given._misnamed(Listing(id="x", photos=["p"], **claims), ranked)

    assert misnamed([nearest], product=products[other]) == products[other]
    assert misnamed([nearest], product=products[nearest], brand="spelt otherwise") is None
    assert misnamed([nearest], product="never heard of") is None
    assert misnamed([nearest], product="never heard of", brand=other) == other
    assert misnamed([nearest, other], brand=other) is None
    half = ranked_of(2, kinds=[nearest, other], known=np.array([True, False]))  # what is not known counts for nothing
    assert given._misnamed(Listing(id="x", photos=["p"], brand=other), half) == other


@pytest.mark.parametrize(
    ("evidence", "wanted"),
    [
        (Evidence(0.5, "The marks were not found on the photo."), True),
        (dataclasses.replace(Evidence.not_applicable("It shows a back."), references=("front",)), True),
        (Evidence.not_applicable("No marks are known."), False),
    ],
)
def test_marks_that_were_looked_for_in_vain_are_on_no_photo(evidence: Evidence, wanted: bool) -> None:
    given = SimpleNamespace(heads=("mark",))
    judged = [SimpleNamespace(evidence=[evidence])]
    for marked in (False, True):
        ranked = ranked_of(1, judged=judged, marked=np.array([marked]))
        assert Decider._unmarked(given, ranked) == (wanted and not marked)  # type: ignore[arg-type]
