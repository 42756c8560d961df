"""The promise where photos belong together, where categories differ, and over a batch; and what breaks without."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import norm

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import Ranking
from counterfeit_vision.calibration.fusion import mean_evidence
from counterfeit_vision.calibration.split import photos_needed, refuse_too_few, split_groups
from counterfeit_vision.errors import InputError
from counterfeit_vision.evaluation.metrics import benjamini_hochberg
from counterfeit_vision.report import Report
from counterfeit_vision.types import Failure, Verdict

ALPHA = 0.05


def calibrated(scores: np.ndarray, groups: list[str], alpha: float = ALPHA, **options: object) -> Calibration:
    first = split_groups(groups, per_photo=bool(options.get("per_photo", False)))
    return Calibration.fit(
        ["a"], scores[:, None], {}, first=first, alpha=alpha, generation="", groups=groups, **options
    )


def named(groups: np.ndarray) -> list[str]:
    return [f"seller {number}" for number in groups]


def rate(calibration: Calibration) -> float:
    """The false alarms of a calibration whose genuine scores are standard normal, exactly."""
    steps = np.sort(calibration.scores[:, 0])
    p = calibration.p_values(calibration.merge(steps[:, None] + 1e-9))
    beyond = steps[p <= calibration.alpha]
    return float(norm.sf(beyond.min() if len(beyond) else np.inf))


# --- groups -----------------------------------------------------------------------------------------------------------


def alike(random: np.random.Generator, sellers: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    """All photos of a seller are the same."""
    return np.repeat(random.standard_normal(sellers), photos), np.repeat(np.arange(sellers), photos)


@pytest.mark.parametrize("sellers", [28, 40, 60])
def test_a_new_sellers_photo_is_flagged_no_oftener_than_alpha_however_alike_sellers_photos_are(sellers: int) -> None:
    random = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        scores, groups = alike(random, sellers, 8)
        rates.append(rate(calibrated(scores, named(groups))))
    assert np.mean(rates) <= ALPHA + 3 * np.std(rates) / math.sqrt(len(rates))
    assert np.mean(rates) >= 0.5 * ALPHA  # and not by silence


def test_counting_photos_instead_breaks_it() -> None:
    """The control."""
    random = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        scores, groups = alike(random, 8, 8)
        rates.append(rate(calibrated(scores + 0.01 * random.standard_normal(64), named(groups), per_photo=True)))
    assert np.mean(rates) > 2 * ALPHA + 3 * np.std(rates) / math.sqrt(len(rates))


def test_where_photos_of_a_seller_are_counted_nothing_is_promised_about_a_new_one() -> None:
    scores, groups = alike(np.random.default_rng(0), 8, 8)
    calibration = calibrated(scores, named(groups), per_photo=True)
    assert (calibration.real_groups, calibration.count, calibration.false_alarm_limit) == (6, 48, None)
    again = Calibration.from_dict(calibration.to_dict())
    for one in (calibration, again):
        assert one.promise("genuine photos are") == (
            "at most 5 % of genuine photos are suspected, on average; that is of photos of these 6 groups, not of a "
            "new one"
        )
    turned = Calibration.fit(
        ["a"], scores[:, None], {}, first=None, alpha=ALPHA, generation="", groups=named(groups), per_photo=True
    )
    assert turned.promise("photos are").endswith("that is of photos of these 8 groups, not of a new one")
    for apart in (calibrated(scores, named(np.arange(64))), calibrated(scores, named(np.arange(64)), per_photo=True)):
        assert "; 95 of 100 such calibrations keep below 10.6 %; suspected or" in apart.promise("photos are")
    for wrong in (0, 49):
        with pytest.raises(ValueError, match=f"48 groups are counted, of {wrong}"):
            Calibration.from_dict({**calibration.to_dict(), "real_groups": wrong})


def test_it_holds_where_odd_sellers_have_many_photos_or_few() -> None:
    """A photo of a seller drawn at random: sellers with many photos must not count for more."""
    random = np.random.default_rng(1)
    for many in (1, -1):  # the odd ones have many photos, or few
        flagged = []
        for _ in range(300):
            seller = random.standard_normal(360)
            photos = 1 + (12 * norm.cdf(many * seller)).astype(int)
            scores, groups = np.repeat(seller[:60], photos[:60]), np.repeat(np.arange(60), photos[:60])
            scores = scores + 0.3 * random.standard_normal(len(scores))
            calibration = calibrated(scores, named(groups))
            asked = (seller[60:] + 0.3 * random.standard_normal(300))[:, None]
            flagged.append(np.mean(calibration.p_values(calibration.merge(asked)) <= ALPHA))
        assert np.mean(flagged) <= ALPHA + 3 * np.std(flagged) / math.sqrt(len(flagged))


def test_groups_of_one_are_photos() -> None:
    scores = np.random.default_rng(2).standard_normal(90)
    first = split_groups(named(np.arange(90)))
    with_groups = calibrated(scores, named(np.arange(90)))
    without = Calibration.fit(["a"], scores[:, None], {}, first=first, alpha=ALPHA, generation="")
    assert with_groups.to_dict() == without.to_dict()


def test_one_photo_of_each_seller_is_ranked_and_the_same_every_time() -> None:
    random = np.random.default_rng(3)
    groups = random.integers(0, 45, 150)
    calibration, again = (calibrated(np.arange(150.0), named(groups), alpha=0.1) for _ in range(2))
    asked = random.uniform(-10, 160, (60, 1))
    p = calibration.p_values(calibration.merge(asked))
    np.testing.assert_array_equal(p, again.p_values(again.merge(asked)))
    order = np.random.default_rng(0).permutation(len(calibration.merged))
    drawn = {int(calibration.groups[row]): calibration.scores[row, 0] for row in order[::-1]}
    assert len(drawn) == calibration.count < len(calibration.merged)
    slow = [(1 + sum(known >= score for known in drawn.values())) / (calibration.count + 1) for score in asked[:, 0]]
    np.testing.assert_allclose(p, slow)


def test_sellers_whose_photos_differ_are_flagged_as_often_as_promised_and_not_more_rarely() -> None:
    """Where each photo counted 1 / photos of its seller, only the most unusual of all photos was: 1 %."""
    random = np.random.default_rng(3)
    rates = []
    for _ in range(600):
        groups = np.repeat(np.arange(28), 5)
        rates.append(rate(calibrated(random.standard_normal(140), named(groups))))
    assert calibrated(random.standard_normal(140), named(groups)).count == 19
    assert np.mean(rates) == pytest.approx(ALPHA, abs=3 * np.std(rates) / math.sqrt(len(rates)))


def test_the_alarm_level_is_where_p_values_reach_alpha_with_groups_too() -> None:
    random = np.random.default_rng(4)
    for seed in range(20):
        groups = np.random.default_rng(seed).integers(0, 45, 150)
        calibration = calibrated(random.standard_normal(150), named(groups), alpha=0.1)
        level = np.array([calibration.alarm_level])
        assert calibration.p_values(level)[0] > 0.1
        assert calibration.p_values(level + 1e-11)[0] <= 0.1
        assert calibration.risk(level)[0] == pytest.approx(0.5)


def test_95_of_100_calibrations_of_alike_groups_keep_below_their_limit() -> None:
    random = np.random.default_rng(5)
    above = []
    for _ in range(400):
        scores, groups = alike(random, 60, 5)
        calibration = calibrated(scores, named(groups))
        above.append(rate(calibration) > calibration.false_alarm_limit)
    assert np.mean(above) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_too_few_groups_are_refused_with_the_number_needed_and_the_alpha_that_would_do() -> None:
    scores, groups = alike(np.random.default_rng(6), 20, 10)
    needed = photos_needed(ALPHA)
    with pytest.raises(
        InputError, match=rf"20 groups \(200 genuine photos\) are too few for alpha=0.05: at least {needed} .* 0.077 or"
    ):
        calibrated(scores, named(groups))
    assert calibrated(scores, named(groups), alpha=0.077).count == 12


def refusal(call: Callable[..., object], *given: object, **options: object) -> str:
    try:
        call(*given, **options)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("alpha", [0.05, 0.3])
@pytest.mark.parametrize("per_photo", [False, True])
@pytest.mark.parametrize("leave_one_out", [False, True])
def test_no_photos_are_refused_beforehand_that_would_do(alpha: float, per_photo: bool, leave_one_out: bool) -> None:
    """Nor if some of them can't be used: groups of any size, and each number of them that might just do."""
    random, refused, taken = np.random.default_rng(9), 0, 0
    for _ in range(150):
        largest = int(random.integers(1, 12))
        groups = named(np.repeat(np.arange(60), random.integers(1, largest + 1, 60)))[: int(random.integers(1, 120))]
        told = refusal(refuse_too_few, groups, alpha, alone=True, leave_one_out=leave_one_out, per_photo=per_photo)
        used = random.random(len(groups)) < random.choice([0.9, 1.0])
        some = [name for name, mine in zip(groups, used, strict=True) if mine]
        first = None if leave_one_out else split_groups(some, alpha=alpha, per_photo=per_photo)
        options = {"first": first, "alpha": alpha, "groups": some, "per_photo": per_photo, "generation": ""}
        in_fact = refusal(Calibration.fit, ["a"], random.standard_normal((len(some), 1)), {}, **options)
        assert in_fact or not told
        assert not used.all() or told in ("", in_fact)
        refused, taken = refused + bool(told), taken + (not in_fact)
    assert refused >= 5
    assert taken >= 10


# --- categories -------------------------------------------------------------------------------------------------------


def two_kinds(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bags vary three times as much as shoes."""
    bag = random.random(count) < 0.5
    return random.standard_normal(count) * np.where(bag, 3.0, 1.0), np.where(bag, "bag", "shoe")


def flagged_by_kind(*, by: bool) -> dict[str, float]:
    random = np.random.default_rng(7)
    found: dict[str, list[float]] = {"bag": [], "shoe": []}
    for _ in range(200):
        scores, kinds = two_kinds(random, 240)
        calibration = calibrated(scores, named(np.arange(240)), strata=kinds.tolist() if by else None)
        asked, asked_kinds = two_kinds(random, 400)
        p = calibration.p_values(calibration.merge(asked[:, None]), asked_kinds.tolist() if by else None)
        for kind, rates in found.items():
            rates.append(float((p[asked_kinds == kind] <= ALPHA).mean()))
    return {kind: float(np.mean(rates)) for kind, rates in found.items()}


def test_by_category_the_promise_holds_in_each_and_without_it_does_not() -> None:
    apart, together = flagged_by_kind(by=True), flagged_by_kind(by=False)
    assert max(apart.values()) <= ALPHA + 0.006
    assert min(apart.values()) >= ALPHA / 2
    assert together["bag"] > 0.08
    assert together["shoe"] < 0.01


def with_strata(strata: list[str], groups: list[str] | None = None) -> Calibration:
    """``strata`` and ``groups`` are those of the photos that are ranked; eight more are fitted on."""
    scores = np.random.default_rng(8).standard_normal(len(strata) + 8)
    first = np.arange(len(scores)) < 8
    names = [str(row) for row in range(len(strata))] if groups is None else groups
    return Calibration.fit(
        ["a"], scores[:, None], {}, first=first, alpha=ALPHA, generation="", strata=["bag"] * 8 + strata,
        groups=[f"fitted {row}" for row in range(8)] + names,
    )  # fmt: skip


def test_small_categories_are_ranked_together_and_very_small_ones_with_the_smallest_of_the_others() -> None:
    def peers(**sizes: int) -> dict[str, int]:
        calibration = with_strata([kind for kind, size in sizes.items() for _ in range(size)])
        return {kind: int(calibration.peers(kind).sum()) for kind in (*sizes, "never seen")}

    assert peers(bag=20, shoe=12, hat=9) == {"bag": 20, "shoe": 21, "hat": 21, "never seen": 21}
    assert peers(bag=30, shoe=18) == {"bag": 48, "shoe": 48, "never seen": 48}
    assert peers(bag=30, shoe=18, hat=25) == {"bag": 30, "shoe": 43, "hat": 43, "never seen": 43}
    assert peers(bag=30, shoe=20) == {"bag": 30, "shoe": 20, "never seen": 20}


def test_a_seller_of_two_small_categories_counts_once_towards_reaching_alpha() -> None:
    """Belts and caps had 16 sellers each and were thought to have 32: none of either could be flagged."""
    both = np.repeat(np.arange(16), 2)
    strata = ["bag"] * 40 + ["belt", "cap"] * 16
    calibration = with_strata(strata, named(np.concatenate([100 + np.arange(40), both])))
    for kind in ("bag", "belt", "cap", "never seen"):
        assert calibration.p_of(np.array([[99.0]]), [kind])[0] <= ALPHA
        assert calibration.listing_p(np.array([[99.0]]), [kind]) <= ALPHA
        assert calibration.peers(kind).all()


def test_photos_that_could_be_exchanged_are_ranked_among_each_other() -> None:
    """Whichever of n + 1 sellers is the one that is asked about, the same of them are ranked together."""
    random = np.random.default_rng(9)
    for _ in range(30):
        names = [f"kind {number}" for number in range(random.integers(2, 6))]
        sellers = random.choice(names, random.integers(20, 60), p=random.dirichlet(np.ones(len(names)))).tolist()
        photos = random.integers(1, 4, len(sellers))
        together = {}
        for asked in range(len(sellers)):
            others = np.delete(np.arange(len(sellers)), asked)
            theirs = np.repeat(others, photos[others])
            calibration = with_strata([sellers[seller] for seller in theirs], named(theirs))
            together[asked] = {asked, *theirs[calibration.peers(sellers[asked])].tolist()}
        assert all(together[other] == mine for mine in together.values() for other in mine)


def test_alpha_holds_for_all_together_where_odd_kinds_are_as_large_as_has_to_be() -> None:
    """Were those of which less than usual came ranked with the small ones, more than alpha of all would be flagged."""
    random, rates = np.random.default_rng(5), []
    odd, tiny, share = 10, 40, 10 * 19 / 390  # kinds, kinds, and of all photos the share that is odd
    for _ in range(150):
        strange = random.random(390) < share
        kinds = np.where(strange, random.integers(0, odd, 390), odd + random.integers(0, tiny, 390))
        calibration = with_strata([f"kind {kind}" for kind in kinds])
        scores = random.standard_normal(390) + 5 * strange
        flagged = {}
        for kind in range(odd + tiny):
            ordered = np.sort(scores[calibration.peers(f"kind {kind}")])[::-1]
            level = ordered[math.floor(ALPHA * (len(ordered) + 1) + 1e-9) - 1]
            flagged[kind] = norm.sf(level - 5 * (kind < odd))
        rates.append(
            share * np.mean([flagged[kind] for kind in range(odd)])
            + (1 - share) * np.mean([flagged[kind] for kind in range(odd, odd + tiny)])
        )
    assert np.mean(rates) <= ALPHA + 3 * np.std(rates) / math.sqrt(len(rates))
    assert np.mean(rates) >= 0.9 * ALPHA


@pytest.mark.parametrize("kinds", [1, 2, 10])
def test_the_limit_is_that_of_all_kinds_together(kinds: int) -> None:
    random, below = np.random.default_rng(6), []
    strata = [f"kind {number % kinds}" for number in range(20 * kinds)]
    limit = with_strata(strata).false_alarm_limit
    for _ in range(2000):
        top = random.standard_normal((kinds, 20)).max(axis=1)  # of 20 the most unusual is beyond alpha
        below.append(norm.sf(top).mean() < limit)
    assert np.mean(below) == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / 2000) + 1e-3)


def test_with_small_categories_alpha_still_holds_for_all_together() -> None:
    """One brand in fifty, and odder than the others."""
    random = np.random.default_rng(13)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        kinds = np.where(random.random(count) < 0.02, "rare", random.choice(["a", "b", "c"], count))
        return random.standard_normal(count) + 3 * (kinds == "rare"), kinds

    rates = []
    for _ in range(200):
        scores, kinds = drawn(600)
        calibration = calibrated(scores, named(np.arange(600)), strata=kinds.tolist())
        asked, asked_kinds = drawn(500)
        rates.append(
            float((calibration.p_values(calibration.merge(asked[:, None]), asked_kinds.tolist()) <= ALPHA).mean())
        )
    assert np.mean(rates) <= ALPHA + 3 * np.std(rates) / math.sqrt(len(rates))


# --- listings of several photos ---------------------------------------------------------------------------------------


def listings_of(random: np.random.Generator, count: int, odd: float) -> tuple[np.ndarray, np.ndarray]:
    """Listings of one photo or of ten; each of ten is odd with a chance: a close-up, the inside."""
    sizes = np.where(random.random(count) < 0.5, 10, 1)
    owner = np.repeat(np.arange(count), sizes)
    strange = (random.random(len(owner)) < odd) & (sizes[owner] == 10)
    return random.standard_normal(len(owner)) + 4 * strange, owner


def test_listings_of_many_photos_are_no_more_often_suspected_though_theirs_are_odder() -> None:
    random = np.random.default_rng(14)
    by_photos, by_listing = [], []
    for _ in range(100):
        scores, owner = listings_of(random, 299, 0.05)
        names = named(owner)
        calibration = Calibration.fit(
            ["a"], scores[:, None], {}, first=split_groups(names), alpha=ALPHA, generation="", groups=names,
            listings=owner.tolist(),
        )  # fmt: skip
        calibration = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False)))
        asked, theirs = listings_of(random, 100, 0.05)
        photos = [asked[theirs == listing][:, None] for listing in range(100)]
        by_listing.append(np.mean([calibration.listing_p(rows) <= ALPHA for rows in photos]))
        by_photos.append(np.mean([calibration.p_of(rows).min() * len(rows) <= ALPHA for rows in photos]))
    assert np.mean(by_photos) > ALPHA + 0.005  # the smallest p-value times the number of photos does not keep it
    assert np.mean(by_listing) <= ALPHA + 3 * np.std(by_listing) / math.sqrt(len(by_listing))
    assert np.mean(by_listing) > ALPHA / 2


@pytest.mark.parametrize("photos", [1, 4])
def test_a_listing_that_reaches_alpha_has_a_risk_of_a_half_however_many_photos_listings_have(photos: int) -> None:
    random = np.random.default_rng(20)
    owner = np.repeat(np.arange(59), photos)
    calibration = Calibration.fit(
        ["a"], random.standard_normal((59 * photos, 1)), {}, first=split_groups(named(owner)), alpha=ALPHA,
        generation="", groups=named(owner), listings=owner.tolist(),
    )  # fmt: skip
    asked = random.standard_normal((300, photos, 1)) + np.linspace(0, 3, 300)[:, None, None]
    p = np.array([calibration.listing_p(rows) for rows in asked])
    risk = np.array([calibration.risk(mean_evidence(calibration.merge(rows))[None])[0] for rows in asked])
    assert 50 < (p <= ALPHA).sum() < 250
    np.testing.assert_array_equal(p <= ALPHA, risk > 0.5)


@pytest.mark.parametrize("photos", [1, 3])
def test_in_each_stratum_the_risk_is_a_half_where_the_p_value_reaches_alpha(photos: int) -> None:
    random = np.random.default_rng(23)
    owner = np.repeat(np.arange(160), photos)
    bag = owner % 2 == 0  # shoes vary more, and are odder
    scores = np.where(bag, 1, 3) * random.standard_normal(len(owner)) + np.where(bag, 0, 4)
    calibration = Calibration.fit(
        ["a"], scores[:, None], {}, first=split_groups(named(owner)), alpha=ALPHA, generation="",
        groups=named(owner), listings=owner.tolist(), strata=np.where(bag, "bag", "shoe").tolist(),
    )  # fmt: skip
    risks = []
    for stratum in ("bag", "shoe"):
        asked = np.linspace(-2, 20, 200)[:, None, None] + random.standard_normal((200, photos, 1))
        p = np.array([calibration.listing_p(rows, [stratum] * photos) for rows in asked])
        merged = np.array([mean_evidence(calibration.merge(rows)) for rows in asked])
        risks.append(calibration.risk(merged, None, stratum))
        np.testing.assert_array_equal(p <= ALPHA, risks[-1] > 0.5)
        assert (np.diff(risks[-1][np.argsort(merged)]) > 0).all()
        assert 20 < (p <= ALPHA).sum() < 180


def test_the_risk_rises_where_one_sellers_photos_are_many_and_odd_or_nearly_all_are_the_same() -> None:
    random = np.random.default_rng(21)
    many = np.concatenate([random.standard_normal(60), 3 + 0.1 * random.standard_normal(300)])
    same = np.concatenate([np.zeros(65), [0.2, 0.3, 0.4]])
    for scores, groups in [(many, [*range(60), *[60] * 300]), (same, list(range(68)))]:
        calibration = calibrated(scores, named(np.array(groups)))
        statistics = calibration.alarm_level + np.arange(-3, 4, 0.25)
        assert (np.diff(calibration.risk(statistics)) > 0).all()


def test_the_limit_counts_listings_where_photos_are_counted_and_listings_have_several() -> None:
    owner = np.repeat(np.arange(60), 5)
    scores = np.random.default_rng(22).standard_normal((300, 1))
    first = np.arange(300) < 100
    by_photo = Calibration.fit(
        ["a"], scores, {}, first=first, alpha=ALPHA, generation="", listings=owner.tolist(), per_photo=True
    )
    by_listing, both = (
        Calibration.fit(
            ["a"], scores, {}, first=first, alpha=ALPHA, generation="", listings=owner.tolist(), groups=named(owner),
            per_photo=per_photo,
        )
        for per_photo in (False, True)
    )  # fmt: skip
    assert by_photo.count == both.count == 200
    assert by_photo.false_alarm_limit == both.false_alarm_limit == by_listing.false_alarm_limit


def test_more_photos_of_goods_that_are_a_little_odd_tell_more() -> None:
    """By the most unusual photo they had told less: what is usual for the oddest of three is odder."""
    random = np.random.default_rng(19)
    found = dict.fromkeys((1, 3), 0.0)
    for _ in range(40):
        for photos in found:
            owner = np.repeat(np.arange(59), photos)
            calibration = Calibration.fit(
                ["a"], random.standard_normal((59 * photos, 1)), {}, first=split_groups(named(owner)), alpha=ALPHA,
                generation="", groups=named(owner), listings=owner.tolist(),
            )  # fmt: skip
            fakes = random.standard_normal((50, photos, 1)) + 1.5
            found[photos] += float(np.mean([calibration.listing_p(rows) <= ALPHA for rows in fakes])) / 40
    assert found[3] > found[1] + 0.15


@pytest.mark.parametrize("alone", [False, True])
def test_a_stratum_that_is_never_the_odder_one_is_ranked_all_the_same(alone: bool) -> None:
    """Each listing shows a bag and its box, and the box always looks odder."""
    random = np.random.default_rng(16)
    owner, kinds = np.repeat(np.arange(90), 2), np.tile(["bag", "box"], 90)
    scores = random.standard_normal(180) + 9 * (kinds == "box")
    names = named(owner)
    calibration = Calibration.fit(
        ["a"], scores[:, None], {}, first=None if alone else split_groups(names), alpha=ALPHA, generation="",
        groups=names, listings=owner.tolist(), strata=kinds.tolist(),
    )  # fmt: skip
    p = calibration.listing_p(np.array([[5.0], [9.0]]), ["bag", "box"])
    assert p == pytest.approx(2 / (calibration.count + 1))  # the bag's, times two kinds


def test_a_listings_photos_of_small_categories_are_ranked_together_as_calibration_listings_are() -> None:
    """One by one, the oddest of its photos stood beside the mean of all photos of the others."""
    random, shares = np.random.default_rng(1), []
    owner = np.repeat(np.arange(60), 2)
    for _ in range(100):
        scores, kinds = random.standard_normal((100, 2, 1)), random.integers(0, 30, (100, 2)).astype(str)
        calibration = Calibration.fit(
            ["a"], scores[:60].reshape(-1, 1), {}, first=split_groups(named(owner)), alpha=ALPHA, generation="",
            groups=named(owner), listings=owner.tolist(), strata=kinds[:60].ravel().tolist(),
        )  # fmt: skip
        new = zip(scores[60:], kinds[60:].tolist(), strict=True)
        shares.append(np.mean([calibration.listing_p(rows, theirs) <= ALPHA for rows, theirs in new]))
    assert np.mean(shares) <= ALPHA + 3 * np.std(shares) / math.sqrt(len(shares))
    assert np.mean(shares) > ALPHA / 2


def test_listings_that_are_too_few_to_reach_alpha_are_not_ranked_among() -> None:
    random = np.random.default_rng(17)
    owner = np.repeat(np.arange(20), 5)
    first = np.repeat(np.arange(20) < 8, 5)
    calibration = Calibration.fit(
        ["a"], random.standard_normal((100, 1)), {}, first=first, alpha=ALPHA, generation="", groups=named(owner),
        listings=owner.tolist(), per_photo=True,
    )  # fmt: skip
    assert calibration.count == 60
    assert calibration.listing_p(np.array([[99.0]])) == pytest.approx(1 / 61)  # as the photo is
    assert calibration.listing_p(np.array([[99.0], [0.0]])) == pytest.approx(2 / 61)


def test_a_listing_of_more_photos_than_any_that_calibrated_pays_for_each() -> None:
    random = np.random.default_rng(18)
    sizes = np.where(np.arange(60) % 2, 3, 1)
    owner = np.repeat(np.arange(60), sizes)
    for alone in (False, True):
        calibration = Calibration.fit(
            ["a"], random.standard_normal((120, 1)), {}, first=None if alone else split_groups(named(owner)),
            alpha=ALPHA, generation="", groups=named(owner), listings=owner.tolist(),
        )  # fmt: skip
        least = 1 / (calibration.count + 1)
        assert [
            calibration.listing_p(np.array([99.0] + [0.0] * more)[:, None]) for more in range(4)
        ] == pytest.approx([least, least, least, 4 * least])  # fmt: skip
        assert calibration.listing_p(np.array([[99.0]]), photos=5) == pytest.approx(5 * least)  # four do not count


def test_a_listing_of_two_categories_has_no_more_photos_of_either_than_those_that_calibrated() -> None:
    """Each shows two bags and two shoes, and was taken for larger than all of them: 4 photos of a kind."""
    random = np.random.default_rng(18)
    owner, kinds = np.repeat(np.arange(60), 4), ["bag", "bag", "shoe", "shoe"]
    calibration = Calibration.fit(
        ["a"], random.standard_normal((240, 1)), {}, first=split_groups(named(owner)), alpha=ALPHA, generation="",
        groups=named(owner), listings=owner.tolist(), strata=kinds * 60,
    )  # fmt: skip
    least, odd = 1 / (calibration.count + 1), np.array([99.0, 0.0, 0.0, 0.0])[:, None]
    assert calibration.listing_p(odd, kinds) == pytest.approx(2 * least)  # the bags', times two kinds
    assert calibration.listing_p(odd, kinds, photos=5) == pytest.approx(5 * least)  # there may be three bags
    assert calibration.listing_p(odd, ["bag", "bag", "bag", "shoe"]) == pytest.approx(4 * least)


def test_photos_that_are_all_beyond_what_calibrated_share_the_price_of_being_many() -> None:
    """Calibrated with 39 single photos, no listing of three could be suspected, however odd all of them were."""
    random = np.random.default_rng(20)
    rates = []
    for _ in range(300):
        calibration = calibrated(random.standard_normal(59), named(np.arange(59)))
        assert calibration.count == 39
        both = random.standard_normal((40, 1, 1)) + 0.3 * random.standard_normal((40, 3, 1))
        asked = both / np.sqrt(1.09)  # photos of a listing are alike
        rates.append(float(np.mean([calibration.listing_p(rows) <= ALPHA for rows in asked])))
    assert np.mean(rates) <= ALPHA + 3 * np.std(rates) / math.sqrt(len(rates))
    found = [calibration.listing_p(np.array([99.0] * odd + [0.0] * (3 - odd))[:, None]) for odd in (1, 2, 3)]
    assert found == pytest.approx([3 / 40, 3 / 40 / 2, 1 / 40])
    assert calibration.listing_p(np.array([[99.0], [99.0]]), photos=4) == pytest.approx(4 / 40 / 2)


def two_strata() -> Ranking:
    """40 bags and 100 shoes, each a group and a listing."""
    every = np.arange(140)
    return Ranking(every.astype(float), every, every, np.repeat(["bag", "shoe"], [40, 100]), ALPHA)


def test_photos_beyond_the_smaller_of_two_strata_are_as_many_as_there_are() -> None:
    beyond, strata, ranking = np.full(3, 999.0), np.array(["bag", "bag", "shoe"]), two_strata()
    assert ranking.listing_p(beyond, strata, 3) is None
    p = ranking.several_p(ranking.photos_p(beyond, strata), strata, 3)
    assert p == pytest.approx(3 / 41 / 3)


def test_a_stratum_that_was_never_seen_changes_none_that_was() -> None:
    asked, shoe = np.array([60.5]), np.array(["shoe"])
    before, ranking = two_strata().photos_p(asked, shoe), two_strata()
    unseen = ranking.photos_p(asked, np.array(["hat"]))  # by name between the two
    np.testing.assert_array_equal(ranking.photos_p(asked, shoe), before)
    np.testing.assert_array_equal(two_strata().photos_p(asked, np.array(["a hat"])), unseen)


def test_a_listing_of_one_photo_among_such_is_ranked_as_the_photo() -> None:
    random = np.random.default_rng(15)
    for alone in (False, True):
        scores, kinds = two_kinds(random, 150)
        names = named(np.arange(150))
        first = None if alone else split_groups(names)
        calibration = Calibration.fit(
            ["a"], scores[:, None], {}, first=first, alpha=ALPHA, generation="", groups=names, strata=kinds.tolist()
        )
        asked, theirs = two_kinds(random, 40)
        each = calibration.p_of(asked[:, None], theirs.tolist())
        assert [calibration.listing_p(asked[[row], None], [theirs[row]]) for row in range(40)] == each.tolist()


def test_calibrated_by_category_it_survives_json() -> None:
    import json

    scores, kinds = two_kinds(np.random.default_rng(9), 120)
    calibration = calibrated(scores, named(np.arange(120) // 2), strata=kinds.tolist())
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    asked = np.linspace(-3, 9, 40)
    for kind in ("bag", "shoe", "hat"):
        np.testing.assert_array_equal(again.p_values(asked, [kind] * 40), calibration.p_values(asked, [kind] * 40))


# --- a batch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fakes", [0, 10, 40])
def test_of_the_discoveries_of_a_batch_at_most_fdr_are_genuine_on_average(fakes: int) -> None:
    random = np.random.default_rng(10)
    wrong, found = [], []
    for _ in range(300):
        calibration = calibrated(random.standard_normal(300), named(np.arange(300)))
        asked = random.standard_normal(100)
        asked[:fakes] += 4
        chosen = np.array(benjamini_hochberg(calibration.p_values(calibration.merge(asked[:, None])).tolist(), 0.2))
        wrong.append(chosen[fakes:].sum() / max(chosen.sum(), 1))
        found.append(chosen[:fakes].mean() if fakes else 1.0)
    assert np.mean(wrong) <= 0.2 * (1 - fakes / 100) + 3 * np.std(wrong) / math.sqrt(len(wrong))
    if fakes == 40:
        assert np.mean(found) > 0.9


def test_benjamini_hochberg_is_its_slow_twin() -> None:
    random = np.random.default_rng(11)
    for _ in range(50):
        p = (random.integers(1, 30, random.integers(1, 20)) / 60).tolist()
        k = max((k for k in range(len(p) + 1) if sum(q <= 0.1 * k / len(p) for q in p) >= k), default=0)
        assert benjamini_hochberg(p, 0.1) == [q <= 0.1 * k / len(p) for q in p]
    assert benjamini_hochberg([], 0.1) == []


def test_equal_but_for_rounding_is_a_discovery() -> None:
    assert sum(benjamini_hochberg([5 / 200] * 43 + [1.0] * 129, 0.1)) == 43  # 0.1 x 43 / 172


def test_a_share_of_false_discoveries_may_be_a_number_of_any_kind() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.9], Decimal("0.1")) == [True, True, False]


def test_p_values_may_come_as_an_array_or_one_by_one() -> None:
    wanted = [True, True, False]
    assert str(benjamini_hochberg(np.array([0.01, 0.04, 0.9]), 0.1)) == str(wanted)  # type: ignore[arg-type]
    assert benjamini_hochberg((p for p in (0.01, 0.04, 0.9)), 0.1) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [math.nan, None, "0.01", -1.0, 5.0])
def test_what_is_no_p_value_is_refused_by_its_row(p: object) -> None:
    with pytest.raises(InputError, match=rf"benjamini_hochberg: row 1 is {p!r}, no p-value in 0\.\.1; leave out"):
        benjamini_hochberg([0.03, p, 0.9], 0.04)  # type: ignore[list-item]


def verdict(id: str, p: float, decision: str = "review", *, stale: bool = False, calibration: str = "") -> Verdict:
    return Verdict(
        id=id, decision=decision, risk=0.5, p_value=p, reason="", product=None, brand=None, claims={}, stale=stale,
        calibration=calibration,
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_reports_discoveries_are_suspected_ones_as_of_others_the_p_value_does_not_hold() -> None:
    report = Report(
        [
            verdict("far", 0.001, "suspected"),
            verdict("official", 0.001),
            verdict("unknown", 0.001, "insufficient_evidence"),
            Failure("broken", "decode", ValueError("no photo")),
            verdict("odd", 0.04, "suspected"),
            verdict("calm", 0.6, "clear"),
        ]
    )
    assert [item.id for item in report.discoveries(fdr=0.11)] == ["far", "odd"]  # 0.04 <= 0.11 x 2 / 5
    assert [item.id for item in report.discoveries(fdr=0.05)] == ["far"]
    assert report.discoveries().about["Chosen"] == (
        "of 5 listings, those of which, on average, at most 10 % are genuine: proved for listings of one photo, where "
        "no groups were named and none was left out in turn"
    )
    assert len(Report([verdict("then", 0.001, "suspected", stale=True)]).discoveries()) == 0
    assert len(Report([]).discoveries()) == 0
    with pytest.raises(InputError, match="fdr=0"):
        report.discoveries(fdr=0)


def test_verdicts_of_several_calibrations_have_no_discoveries_together() -> None:
    ours = [verdict(id, 0.001, "suspected", calibration="c0ffee") for id in "ab"]
    assert len(Report([*ours, verdict("own", 0.001, "suspected")]).discoveries()) == 3
    with pytest.raises(InputError, match=r"verdict 'c' was judged by another calibration, decaf, not by c0ffee: insp"):
        Report([*ours, verdict("c", 0.6, calibration="decaf")]).discoveries()


@pytest.mark.parametrize("per_photo", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
def test_no_photo_is_kept_for_p_values_that_would_only_make_the_alarm_level_stricter(
    alpha: float, per_photo: bool
) -> None:
    for groups in (28, 53, 80, 107, 300, 1000):
        names = named(np.arange(groups))
        if groups < photos_needed(alpha):
            continue
        plain, exact = (int((~split_groups(names, alpha=a, per_photo=per_photo)).sum()) for a in (None, alpha))
        k = math.floor(alpha * (plain + 1) + 1e-9)
        assert math.floor(alpha * (exact + 1) + 1e-9) == k
        assert exact <= plain
        assert k / (exact + 1) <= alpha + 1e-12 < k / exact  # one photo fewer would be too few


def test_goods_of_a_kind_are_known_by_what_is_usual_for_that_kind() -> None:
    rng = np.random.default_rng(0)
    cartons, bags, few = rng.normal(0, 0.1, 60), rng.normal(3, 0.1, 60), rng.normal(1, 0.1, 5)
    bags[1] = 4.6  # an odd bag: it is no reason to take a shirt for one
    scores = np.concatenate([cartons, bags, few])[:, None]
    kinds = ["carton"] * 60 + ["bag"] * 60 + ["hat"] * 5
    first = np.arange(len(scores)) % 3 == 0
    calibration = Calibration.fit(["similarity"], scores, {}, first=first, alpha=0.05, generation="", kinds=kinds)
    asked = np.array([0.0, 1.5, 3.0, 4.5])[:, None]

    def known(kind: str, made: Calibration = calibration) -> np.ndarray:
        return made.known_p(asked, "similarity", [kind] * len(asked))

    assert (known("carton") > 0.05).tolist() == [True, False, False, False]
    assert (known("bag") > 0.05).tolist() == [True, True, True, False]
    assert (known("hat") > 0.05).tolist() == [True, True, True, False]  # too few to be told from all
    again = Calibration.from_dict(calibration.to_dict())
    assert known("bag", again).tolist() == known("bag").tolist()


def test_claims_are_measured_by_what_is_usual_for_goods_of_a_kind() -> None:
    """Bags vary five times as much as cartons: a carton that varies like a bag is found, and no more bags are."""
    rng = np.random.default_rng(1)
    spread = {"carton": 0.2, "bag": 1.0}

    def drawn(count: int) -> tuple[np.ndarray, list[str]]:
        kinds = rng.choice(list(spread), count).tolist()
        return np.array([[rng.normal(3 * (kind == "bag"), spread[kind])] for kind in kinds]), kinds

    found: dict[str, list[float]] = {"pooled": [], "by kind": [], "genuine": []}
    for _ in range(30):
        scores, kinds = drawn(120)
        first = np.arange(120) < 40
        pooled, apart = (
            Calibration.fit(["a"], scores, {}, first=first, alpha=ALPHA, generation="", kinds=some)
            for some in (None, kinds)
        )
        fakes, cartons = rng.normal(1.0, 0.2, (100, 1)), ["carton"] * 100
        found["pooled"].append(float((pooled.p_of(fakes) <= ALPHA).mean()))
        found["by kind"].append(float((apart.p_of(fakes, kinds=cartons) <= ALPHA).mean()))
        genuine, taken = drawn(200)
        found["genuine"].append(float((apart.p_of(genuine, kinds=taken) <= ALPHA).mean()))
    assert np.mean(found["pooled"]) < 0.02
    assert np.mean(found["by kind"]) > 0.6
    assert np.mean(found["genuine"]) < ALPHA + 0.02


def test_a_products_margin_is_ranked_among_those_of_genuine_photos() -> None:
    margins = np.concatenate([np.full(20, np.nan), np.linspace(0.01, 0.4, 40)])
    first = np.arange(60) < 20
    scores = np.random.default_rng(3).standard_normal((60, 1))
    calibration = Calibration.fit(["a"], scores, {}, first=first, alpha=ALPHA, generation="", margins=margins)
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False)))
    for made in (calibration, again):
        np.testing.assert_allclose(made.margin_p(np.array([0.0, 0.01, 0.105, 9.0, np.nan])) * 41, [1, 2, 11, 41, 41])
    unknown = Calibration.fit(["a"], scores, {}, first=first, alpha=ALPHA, generation="")
    assert unknown.margin_p(np.array([0.1, np.nan])).tolist() == [1.0, 1.0]
