"""The four words: which rule comes first, and that none of them adds an alarm."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest

from counterfeit_vision.calibration.support import COVERED, Quality, UsualQuality
from counterfeit_vision.decision.authorised import pairs
from counterfeit_vision.decision.case import Findings
from counterfeit_vision.decision.gates import LITTLE
from counterfeit_vision.decision.policy import Policy
from counterfeit_vision.errors import InputError
from counterfeit_vision.types import Listing, Seller

ALPHA = 0.05
UNUSUAL = "of genuine listings look this unusual, on average over calibrations"


def listing(seller: Seller | str | None = None, platform: str | None = None) -> Listing:
    return Listing(id="x", photos=["p"], seller=seller, platform=platform)


def found(p: float = 0.5, light: tuple[float, float] = (0, 0), **changes: object) -> Findings:
    """Findings; ``changes`` are fields of it, of its photo's quality or of what quality is usual. ``unshown`` is the
    price's p-value unless it is given.
    """
    facts: dict[str, object] = {
        "p_value": p, "risk": 0.3, "claims": {"patches": 0.4, "price": 0.6}, "known": True, "product": "bag",
    }  # fmt: skip
    shown, usual = (
        kind(**{field.name: changes.pop(field.name) for field in fields(kind) if field.name in changes})
        for kind in (Quality, UsualQuality)
    )
    usual = replace(usual, light={"bag": light})
    facts |= changes
    facts.setdefault("unshown", dict(facts["claims"]).get("price", 1.0))  # type: ignore[call-overload]
    return Findings(**{**facts, "kind": "bag", "quality": shown, "usual": usual})  # type: ignore[arg-type]


def word(policy: Policy, facts: Findings, item: Listing | None = None) -> tuple[str, str]:
    return policy.decide(item or listing(), facts)


@pytest.mark.parametrize(
    ("p", "decision"),
    [(0.01, "suspected"), (0.05, "suspected"), (0.051, "review"), (0.15, "review"), (0.151, "clear"), (1.0, "clear")],
)
def test_the_levels(p: float, decision: str) -> None:
    said, reason = word(Policy(ALPHA), found(p))
    assert said == decision
    assert "the strongest claim is Fine detail (p 0.4)" in reason


@pytest.mark.parametrize("alpha", [1 / 3, 0.4, 0.6])
def test_what_is_more_usual_than_half_of_genuine_listings_is_clear_however_high_the_alarm_level(alpha: float) -> None:
    assert word(Policy(alpha), found(alpha))[0] == "suspected"
    assert word(Policy(alpha), found(max(alpha, 0.5) + 0.01))[0] == "clear"
    assert word(Policy(alpha), found(1.0))[0] == "clear"


def test_what_the_catalogue_does_not_know_is_not_judged() -> None:
    said, reason = word(Policy(ALPHA), found(0.001, known=False))
    assert said == "insufficient_evidence"
    assert "nearest: bag" in reason
    assert "No photo looks enough like anything" in reason
    said, reason = word(Policy(ALPHA), found(0.001, known=False, marked=True))
    assert said == "insufficient_evidence"
    assert "Marks of the catalogue" in reason
    assert "nearest: bag" in reason
    assert reason.endswith("calibrate with photos as listings show them, not studio photos.")


def test_what_no_claim_that_counts_can_say_anything_about_accuses_nobody() -> None:
    told = "No claim that counts has anything to go on, so nothing can be said. Too bright."
    for changes in ({}, {"known": False}, {"known": False, "marked": True}):
        assert word(Policy(ALPHA), found(0.001, silent="Too bright.", **changes)) == ("insufficient_evidence", told)
    copied = found(0.001, silent="", copy="It is a copy of fake-1.", fake=True)
    said, reason = word(Policy(ALPHA), copied)
    assert (said, reason.startswith("It is a copy of fake-1. No claim")) == ("review", True)
    assert reason.endswith("nothing can be said.")


def test_authorised_is_who_the_platform_has_verified_there() -> None:
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1"), "own-shop"]))
    assert word(policy, found(0.01), listing("store-1", "bazaar"))[0] == "review"
    assert word(policy, found(0.01), listing("own-shop"))[0] == "review"
    assert word(policy, found(0.01), listing("own-shop", ""))[0] == "review"  # an empty text names no platform
    for stranger in (
        listing("store-1", "stall"),
        listing("store-1"),
        listing(Seller("x", name="store-1"), "bazaar"),
        listing("own-shop", "bazaar"),
        listing(None, "bazaar"),
    ):
        assert word(policy, found(0.01), stranger)[0] == "suspected"


def test_costs_send_what_is_not_probable_enough_to_a_person() -> None:
    policy = Policy(ALPHA, costs=(9.0, 1.0))  # a fake must be 90 % probable
    assert word(policy, found(0.01, risk=0.95))[0] == "suspected"
    said, reason = word(policy, found(0.01, risk=0.8))
    assert said == "review"
    assert "the probability of a fake is 80 %, and the costs ask for 90 % before accusing" in reason


def test_a_proven_copy_goes_to_a_person_unless_it_is_the_sellers_own() -> None:
    policy = Policy(ALPHA, authorised=pairs(["own-shop"]))
    said, reason = word(policy, found(0.9, copy="It is a copy of official-1."))
    assert (said, reason.startswith("It is a copy of official-1.")) == ("review", True)
    assert word(policy, found(0.9, copy="It is a copy."), listing("own-shop"))[0] == "clear"
    said, reason = word(policy, found(0.01, copy="It is a copy."))
    assert (said, reason.startswith("It is a copy. At most 1 % of")) == ("suspected", True)


def test_a_copy_of_a_known_fake_goes_to_a_person_whoever_sells() -> None:
    policy = Policy(ALPHA, authorised=pairs(["own-shop"]))
    for alone in ({}, {"reuse": 1e-6}):
        facts = found(0.9, copy="It is a copy of fake-1.", fake=True, alone=alone, photos=5, most=1)
        said, reason = word(policy, facts, listing("own-shop"))
        assert (said, reason.startswith("It is a copy of fake-1. At most 90 % of")) == ("review", True)


def test_a_copy_is_named_beside_a_small_photo_and_beside_the_costs() -> None:
    for policy, facts in (
        (Policy(ALPHA), found(0.01, copy="It is a copy.", side=400, smallest=900)),
        (Policy(ALPHA, costs=(9.0, 1.0)), found(0.01, copy="It is a copy.", risk=0.8)),
    ):
        said, reason = word(policy, facts)
        assert (said, reason.startswith("It is a copy. At most 1 % of")) == ("review", True)


def test_the_very_file_of_a_genuine_photo_accuses_nobody_as_none_calibrates() -> None:
    said, reason = word(Policy(ALPHA), found(0.01, copy="The very file of official-1.", catalogued=True))
    assert said == "review"
    assert "All that it shows is in the catalogue" in reason


@pytest.mark.parametrize("p", [0.16, 0.9])
def test_a_claim_that_alone_would_raise_an_alarm_and_all_together_do_not_conflict(p: float) -> None:
    said, reason = word(Policy(ALPHA), found(p, alone={"wordmark": 0.02, "patches": 0.9}))
    assert said == "insufficient_evidence"  # 0.02 <= 0.05 / 2 claims
    assert "The claims conflict: Wordmark alone" in reason
    assert word(Policy(ALPHA), found(p, alone={"wordmark": 0.03, "patches": 0.9}))[0] != "insufficient_evidence"
    assert word(Policy(ALPHA), found(0.05, alone={"wordmark": 0.02, "patches": 0.9}))[0] == "suspected"


def test_what_is_unusual_by_all_claims_goes_to_a_person_whatever_one_says_alone() -> None:
    said, reason = word(Policy(ALPHA), found(0.15, alone={"wordmark": 0.001, "patches": 0.9}))
    assert said == "review"
    assert "unusual, but not beyond the alarm level" in reason


def test_being_unlike_the_catalogue_is_in_conflict_with_nothing() -> None:
    claims = {"similarity": 0.001, "patches": 0.9}
    assert word(Policy(ALPHA), found(0.9, alone=claims))[0] == "clear"
    assert word(Policy(ALPHA), found(0.9, alone={"similarity": 0.001}))[0] == "clear"
    assert word(Policy(ALPHA), found(0.9, alone={**claims, "wordmark": 0.02}))[0] == "insufficient_evidence"


def test_photos_that_could_not_be_read_are_never_clear() -> None:
    for p, decision in ((0.01, "suspected"), (0.1, "review"), (0.9, "insufficient_evidence")):
        said, reason = word(Policy(ALPHA), found(p, unread=2))
        assert said == decision
        told = ", so nothing can be said of all of it." if decision == "insufficient_evidence" else "."
        assert reason.endswith(f" 2 more photos of it could not be read{told}")


def test_the_claim_that_is_named_is_the_first() -> None:
    said, reason = word(Policy(ALPHA), found(0.01, claims={"price": 0.05, "patches": 0.01}))
    assert said == "suspected"
    assert "the strongest claim is Price (p 0.05)" in reason


def test_how_it_is_beyond_the_alarm_level_is_said_where_the_strongest_claim_is_not() -> None:
    strongest = "the strongest claim is Price (p 0.06)"
    for claims, told in (
        ({"price": 0.06, "ink": 0.02}, f"{strongest}; by itself Colour of ink is more unusual (p 0.02)."),
        (
            {"price": 0.06, "ink": 0.08},
            f"{strongest}; no claim reaches the alarm level by itself, but all together do.",
        ),
        ({"price": 0.05, "ink": 0.02}, "the strongest claim is Price (p 0.05)."),
    ):
        assert told in word(Policy(ALPHA), found(0.03, claims=claims))[1]
        assert word(Policy(ALPHA), found(0.06, claims=claims))[1].endswith(")."), "no more where it is no alarm"
    several = word(Policy(ALPHA), found(0.03, claims={"price": 0.06}, photos=2))[1]
    assert "no claim of its most unusual photo reaches the alarm level by itself, but all together do." in several


def test_photos_that_disagree_are_named_where_the_listing_is_unusual() -> None:
    each = {"photo 1": 0.05, "photo 2": 0.1, "photo 4": 0.5, "photo 5": 0.9}
    told = "disagree (beyond the alarm level: photo 1; usual: photo 4, photo 5): they may show other sides"
    for p, decision in ((0.03, "suspected"), (0.1, "review")):
        said, reason = word(Policy(ALPHA), found(p, each=each, photos=4))
        assert (said, told in reason) == (decision, True)
    for p, some in ((0.5, each), (0.03, {**each, "photo 1": 0.06}), (0.03, {"photo 1": 0.01, "photo 2": 0.15})):
        assert "disagree" not in word(Policy(ALPHA), found(p, each=some, photos=len(some)))[1]
    assert "disagree" not in word(Policy(ALPHA), found(0.03, each=each, known=False))[1]
    assert "disagree" not in word(Policy(ALPHA), found(0.5, each=each, copy="A copy.", photos=4))[1]


def test_what_looks_like_another_brands_goods_and_bears_no_marks_is_not_called_clear_nor_anything_worse() -> None:
    facts = {"misnamed": "Acme", "brand": "Zeta", "unmarked": True}
    said, reason = word(Policy(ALPHA), found(0.5, **facts))
    assert (said, reason.startswith("The listing names \u201cAcme\u201d, but it looks most like bag of Zeta")) == (
        "insufficient_evidence",
        True,
    )
    for p, decision in ((0.01, "suspected"), (0.1, "review")):
        assert word(Policy(ALPHA), found(p, **facts))[0] == decision
    policy = Policy(ALPHA, authorised=pairs(["own-shop"]))
    for changes in ({"unmarked": False}, {"misnamed": None}, {"copy": "It is a copy."}):
        assert word(policy, found(0.5, **facts | changes), listing("own-shop"))[0] == "clear"


def test_what_is_clear_says_where_its_marks_are_on_no_photo() -> None:
    clear, unmarked = (word(Policy(ALPHA), found(0.5, unmarked=unseen))[1] for unseen in (False, True))
    assert unmarked == f"{clear} Its marks were found on no photo, so they were not compared."


def test_of_many_photos_one_small_p_value_is_no_conflict() -> None:
    claims = {"wordmark": 0.02, "patches": 0.9}
    assert word(Policy(ALPHA), found(0.9, alone=claims))[0] == "insufficient_evidence"
    assert word(Policy(ALPHA), found(0.9, alone=claims, photos=2))[0] == "clear"  # the smallest of two: 0.04
    assert word(Policy(ALPHA), found(0.9, alone={**claims, "wordmark": 0.01}, photos=2))[0] == "insufficient_evidence"


def test_of_more_photos_than_any_that_calibrated_claims_need_not_conflict() -> None:
    alone = {"wordmark": 0.001, "patches": 0.9}
    said, reason = word(Policy(ALPHA), found(0.25, alone=alone, photos=5, most=1))
    assert said == "insufficient_evidence"
    assert reason.startswith("It has 5 photos, and no listing that calibrated has more than 1, so that each counts")
    assert f"Wordmark alone would raise an alarm (p 0.001), but at most 25 % {UNUSUAL}. A" in reason
    for photos, most in ((5, 5), (5, 0)):
        _, reason = word(Policy(ALPHA), found(0.25, alone=alone, photos=photos, most=most))
        assert reason.startswith("The claims conflict: Wordmark alone")


def test_shares_are_written_out() -> None:
    assert word(Policy(ALPHA), found(1.0))[1].startswith("At most 100 % of genuine listings")
    assert (
        "the probability of a fake is below 99.9 %, and the costs ask for 99.9 %"
        in word(Policy(ALPHA, costs=(999.0, 1.0)), found(0.01, risk=0.998))[1]
    )


def test_grey_market_looks_genuine_is_priced_out_of_range_and_not_sold_by_an_authorised_seller() -> None:
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1")]))
    cheap = {"claims": {"patches": 0.4, "price": 0.03}, "unpriced": 0.6}
    for p, before in ((0.01, "suspected"), (0.1, "review"), (0.5, "clear")):
        said, reason = word(policy, found(p, **cheap))
        assert said == "review"
        assert "Grey market, perhaps" in reason
        assert "p 0.03" in reason
        assert word(Policy(ALPHA), found(p, **cheap))[0] == before  # nobody said who is authorised
        own = word(policy, found(p, **cheap), listing("store-1", "bazaar"))
        assert "Grey" not in own[1]
    assert word(policy, found(0.01, **{**cheap, "unpriced": 0.1}))[0] == "suspected"  # it does not look genuine
    assert "Grey" not in word(policy, found(0.5, claims={"price": 0.5}, unpriced=0.6))[1]  # priced as others
    assert "Grey" not in word(policy, found(0.5, claims={"price": 0.06}, unpriced=0.6))[1]  # as one in seventeen is
    assert "Grey" not in word(policy, found(0.5, claims={"patches": 0.5}))[1]  # no price


def test_a_copied_photo_at_a_low_price_is_not_said_to_look_genuine() -> None:
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1")]))
    facts = {"claims": {"price": 0.03, "reuse": 0.3}, "unpriced": 0.6, "copy": "The same photo as bag-1 (genuine)."}
    for p, decision in ((0.01, "suspected"), (0.5, "review")):
        said, reason = word(policy, found(p, **facts))
        assert (said, "Grey" in reason) == (decision, False)
        assert reason.startswith("The same photo as bag-1 (genuine). At most")


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (listing(None, "bazaar"), "the seller is not named"),
        (listing("store-1"), "the seller, on a platform that is not named, is not known to be authorised"),
        (listing("store-1", "stall"), "the seller is not an authorised one"),
        (
            listing("store-2", "stall"),
            "the seller, whose authorised id names no platform, is not known to be authorised",
        ),
    ],
)
def test_of_a_seller_that_may_be_authorised_nothing_else_is_said(offer: Listing, said: str) -> None:
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1"), "store-2"]))
    reason = word(policy, found(0.5, claims={"price": 0.03}, unpriced=0.6), offer)[1]
    assert (
        f"it looks genuine (without the price, up to 60 % of genuine listings look as unusual), {said}, and" in reason
    )


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (listing("store-2", "stall"), ", whose authorised id names no platform, is not known to be authorised."),
        (listing("store-1"), ", on a platform that is not named, is not known to be authorised."),
        (listing("store-1", "stall"), ""),
        (listing("store-3", "stall"), ""),
        (listing("store-3"), ""),
        (listing(None, "bazaar"), ""),
    ],
)
def test_what_an_authorised_id_lacks_to_spare_its_seller_is_said(offer: Listing, said: str) -> None:
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1"), "store-2"]))
    plain = word(Policy(ALPHA), found(0.01))
    assert word(policy, found(0.01), offer) == ("suspected", plain[1] + (f" The seller{said}" if said else ""))
    assert word(policy, found(0.5), offer) == word(Policy(ALPHA), found(0.5)), "nothing to be spared"


def test_grey_market_is_told_where_too_few_priced_listings_calibrated_to_rank_any_price_below_alpha() -> None:
    policy = Policy(ALPHA, authorised=pairs(["own-shop"]))
    facts = {"claims": {"price": 1 / 11, "patches": 0.4}, "unpriced": 0.6}
    # where it is usual, all photos together decided
    for rarity, decision in ((0.002, "review"), (0.06, "review"), (0.3, "suspected")):
        said, reason = word(policy, found(0.01, **facts, alone={"price": rarity}))
        assert said == decision
        assert ("Grey" in reason) == (decision == "review")
    assert "Grey" not in word(policy, found(0.1, **facts, alone={"price": 0.002}))[1]  # one in eleven is priced so


def test_no_rule_adds_an_alarm() -> None:
    copies = (("copy", False, True), ("copy", False, False), ("copy", True, False), (None, False, False))
    grid = itertools.product((0.01, 0.06, 0.5), (True, False), copies, (None, 0.6, 0.01), (0.001, 0.4))
    policy = Policy(ALPHA, authorised=pairs([("bazaar", "store-1")]), costs=(1.0, 1.0))
    for p, known, (copy, fake, catalogued), unpriced, claim in grid:
        for seller in ("store-1", "other"):
            claims = {"patches": claim, "price": claim}
            facts = found(p, known=known, copy=copy, fake=fake, catalogued=catalogued, unpriced=unpriced, claims=claims)
            said, reason = policy.decide(listing(seller, "bazaar"), facts)
            assert reason.endswith(".")
            assert said != "suspected" or (p <= ALPHA and seller == "other")
            assert said != "clear" or (p > 3 * ALPHA and known)


@pytest.mark.parametrize(
    ("facts", "costs", "said"),
    [
        (found(101 / 2001), None, f"At most 5.1 % {UNUSUAL}: unusual, but not beyond"),
        (found(0.0499), None, f"At most 4.99 % {UNUSUAL} (alarm level 5 %)"),
        (found(0.01, risk=0.002, expected=0.005), None, "of a fake is below 0.5 %, where 0.5 % are expected"),
        (found(0.01, risk=1e-9, expected=1 / 3), None, "of a fake is below 1 %, where 33 % are expected"),
        (found(0.01, risk=0.104, expected=0.1043), None, "of a fake is below 10.43 %, where 10.43 % are"),
        (found(0.01, risk=0.4951), (1.0, 1.0), "of a fake is below 50 %, and the costs ask for 50 %"),
    ],
)  # fmt: skip
def test_two_shares_that_decide_do_not_read_the_same(
    facts: Findings, costs: tuple[float, float] | None, said: str
) -> None:
    assert said in word(Policy(ALPHA, costs=costs), facts)[1]


@pytest.mark.parametrize("alpha", [0.05, 0.07, 1 / 3, 0.0333])
def test_at_most_so_many_is_never_less_than_are_nor_on_the_other_side_of_the_alarm_level(alpha: float) -> None:
    for ranked in range(19, 300):
        for p in [(1 + k) / (ranked + 1) for k in range(ranked + 1)]:
            reason = word(Policy(alpha), found(p))[1]
            told = float(reason.removeprefix("At most ").split(" %")[0])
            assert told >= 100 * p - 1e-9 or (p, told) == (alpha, float(f"{100 * alpha:g}"))
            assert (told > float(f"{100 * alpha:g}")) == (p > alpha)
    assert word(Policy(alpha), found(alpha))[1].startswith(f"At most {100 * alpha:g} % of genuine listings")


def test_what_is_little_like_the_fakes_shown_and_what_is_not_counted_is_said() -> None:
    odd = found(0.01, risk=0.004, expected=0.1)
    assert word(Policy(ALPHA), odd)[1].endswith("the probability of a fake is below 1 %, where 10 % are expected.")
    for other in (found(0.01, risk=0.2, expected=0.1), found(0.01, risk=0.004), found(0.5, risk=0.004, expected=0.1)):
        assert "little like" not in word(Policy(ALPHA), other)[1]
    for known in (True, False):
        silent = word(Policy(ALPHA), found(0.5, known=known, uncounted=("product", "price")))[1]
        assert silent.endswith(
            " Not counted against it, as too few genuine photos that calibrated make it: Claimed product, Price."
        )


def test_what_was_calibrated_and_cannot_be_asked_here_is_said() -> None:
    for known in (True, False):
        reason = word(Policy(ALPHA), found(0.5, known=known, unmade=("wordmark", "title")))[1]
        assert reason.endswith(
            " Not asked, though it was calibrated, as what it needs is absent here: Wordmark, Title against photo."
        )
    assert "Not asked" not in word(Policy(ALPHA), found(0.5))[1]


def test_a_verdict_on_a_photo_that_was_calibrated_with_says_so() -> None:
    for p, known in ((0.01, True), (0.5, True), (0.5, False)):
        decision, reason = word(Policy(ALPHA), found(p, known=known, shown=True))
        other, plain = word(Policy(ALPHA), found(p, known=known))
        told = " All that it shows was calibrated with, so its p-value is not that of a new listing."
        assert (decision, reason) == (other, plain + told)


def test_a_stale_verdict_says_that_its_share_is_not_promised() -> None:
    for p, known in ((0.01, True), (0.5, True), (0.5, False)):
        reason = word(Policy(ALPHA), found(p, known=known, stale=True, unread=1))[1]
        assert reason.endswith(
            " Stale: the catalogue is not the one that was calibrated with, so none of this is promised."
        )
    assert "Stale" not in word(Policy(ALPHA), found(0.01))[1]


def test_marks_that_are_blurred_more_than_any_that_calibrated_accuse_nobody() -> None:
    blurred = {"sharpness": 0.5, "dull": 0.9}
    said, reason = word(Policy(ALPHA), found(0.01, **blurred))
    assert said == "review"
    assert (
        "0.50 times as sharply as the catalogue's do, where about nineteen in twenty that calibrated do 0.90 times"
        in reason
    )
    assert "ask for a sharp photo" in reason
    for facts in (
        found(0.01, sharpness=0.82, dull=0.9),
        found(0.01, sharpness=None, dull=0.9),
        found(0.01, sharpness=0.5),
        found(0.01, **blurred, copy="It is a copy.", copied=True),
        found(0.01, **blurred, claims={"price": 0.01, "patches": 0.4}),
    ):
        assert word(Policy(ALPHA), facts)[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, **blurred))[0] == "clear"


def test_marks_that_are_plainly_sharper_than_nearly_all_that_calibrated_accuse_nobody() -> None:
    sharpened = {"sharpness": 1.3, "dull": 0.9, "keen": 1.05}
    said, reason = word(Policy(ALPHA), found(0.01, **sharpened))
    assert said == "review"
    assert (
        "1.30 times as sharply as the catalogue's do, where about nineteen in twenty that calibrated do 1.05 times or "
        "less: a phone or a shop may have sharpened it" in reason
    )
    for facts in (
        found(0.01, sharpness=1.1, dull=0.9, keen=1.05),
        found(0.01, sharpness=None, dull=0.9, keen=1.05),
        found(0.01, sharpness=1.3),
        found(0.01, **sharpened, copy="It is a copy.", copied=True),
        found(0.01, **sharpened, claims={"price": 0.01, "patches": 0.4}),
    ):
        assert word(Policy(ALPHA), facts)[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, **sharpened))[0] == "clear"


@pytest.mark.parametrize(
    ("spoilt", "milder", "said"),
    [
        (
            {"steps": 0.9, "stepped": 0.004},
            [{"steps": 0.19, "stepped": 0.004}, {"steps": 0.9, "stepped": 0.95}],
            "compressed much, or has few colours: 90 % of the plain ground around the marks is of grey levels with "
            "none between them, where about nineteen in twenty that calibrated have 1 % or less",
        ),
        (
            {"grain": 4.0, "grainy": 2.0},
            [{"grain": 2.9, "grainy": 2.0}, {"grain": 4.0}, {"grain": 0.0, "grainy": 2.0}],
            "noisy: the plain ground around the marks is 4.00 times as noisy as on the catalogue's, where about "
            "nineteen in twenty that calibrated are 2.00 times or less",
        ),
    ],
)
def test_a_photo_that_was_spoilt_as_nearly_none_that_calibrated_accuses_nobody(
    spoilt: dict[str, float], milder: list[dict[str, float]], said: str
) -> None:
    decision, reason = word(Policy(ALPHA), found(0.01, **spoilt))
    assert decision == "review"
    assert said in reason
    for facts in (
        *(found(0.01, **one) for one in milder),
        found(0.01, **spoilt, copy="It is a copy.", copied=True),
        found(0.01, **spoilt, claims={"price": 0.01, "patches": 0.4}),
    ):
        assert word(Policy(ALPHA), facts)[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, **spoilt))[0] == "clear"


def test_goods_that_the_catalogue_may_lack_accuse_nobody() -> None:
    said, reason = word(Policy(ALPHA), found(0.01, unlike=1.0))
    assert said == "review"
    assert "beside their marks these goods are coloured otherwise than each near product" in reason
    assert "complete the catalogue; the strongest claim is Fine detail" in reason
    assert word(Policy(ALPHA), found(0.01, unlike=1.0, claims={"similarity": 0.01}))[0] == "review"
    for facts in (
        found(0.01, unlike=0.99),
        found(0.01, unlike=1.0, claims={"price": 0.01, "patches": 0.4}),
        found(0.01, unlike=1.0, copy="It is a copy.", copied=True),
        found(0.01, unlike=1.0, misnamed="bag"),
    ):
        assert word(Policy(ALPHA), facts)[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, unlike=1.0))[0] == "clear"


def test_a_joint_edition_that_the_catalogue_may_lack_accuses_nobody() -> None:
    joint = {"claims": {"product": 0.01, "patches": 0.4}, "brand": "Velmora", "joint": "Norvik", "misnamed": "Norvik"}
    said, reason = word(Policy(ALPHA), found(0.01, **joint))
    assert said == "review"
    assert "its photo bears the marks of Velmora and the name of Norvik: a joint edition that" in reason
    assert "or goods of Velmora that are sold as Norvik's, so a person decides: complete the catalogue" in reason
    assert "under both brands; the strongest claim is" in reason
    for change in ({"joint": ""}, {"claims": {"mark": 0.01, "product": 0.02}}, {"copy": "It is one.", "copied": True}):
        assert word(Policy(ALPHA), found(0.01, **(joint | change)))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, **joint))[0] == "clear"


def test_a_photo_much_smaller_than_those_that_calibrated_accuses_nobody() -> None:
    small = {"side": 400, "smallest": 900}
    said, reason = word(Policy(ALPHA), found(0.01, **small))
    assert said == "review"
    assert "its photo has 400 pixels on the long side, and those that calibrated have 900 or more" in reason
    assert word(Policy(ALPHA), found(0.01, side=450, smallest=900))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, **small))[0] == "clear"


def test_what_may_lie_over_the_marks_accuses_nobody() -> None:
    claims = {"strokes": 0.01, "price": 0.5}
    said, reason = word(Policy(ALPHA), found(0.01, claims=claims, covered=0.18))
    assert said == "review"
    assert "something may lie over its marks or before them: 18 % of the ground around them is like nothing" in reason
    assert "ask for a photo in even light with nothing over the marks" in reason
    assert "the strongest claim is Weight of strokes (p 0.01)" in reason
    assert word(Policy(ALPHA), found(0.01, claims=claims, covered=COVERED - 0.01))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.01, claims={"price": 0.01}, covered=0.18))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.01, claims=claims, covered=0.18, copy="A copy.", copied=True))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.01, claims=claims, covered=0.18, light=(0.6, 0.6)))[0] == "review", "no light"
    misnamed = found(0.01, claims=claims, covered=0.18, misnamed="bag")
    assert word(Policy(ALPHA), misnamed)[0] == "suspected", "what surrounds the marks is another brand's goods"
    beside = word(Policy(ALPHA), found(0.01, claims=claims, covered=0.18, copy="Photo 2 is a copy."))
    assert beside[0] == "review", "another of its photos is one"
    assert beside[1].startswith("Photo 2 is a copy. At most")
    assert word(Policy(ALPHA), found(0.5, claims=claims, covered=0.18))[0] == "clear"


def test_a_price_that_raises_no_alarm_beside_a_usual_photo_takes_no_excuse_from_the_photo() -> None:
    for unshown, others, decision in (
        (0.06, {"strokes": 0.04}, "review"),
        (0.05, {"strokes": 0.04}, "suspected"),
        (0.06, {"reuse": 0.04}, "suspected"),
        (0.06, {}, "suspected"),
    ):
        asked = found(0.01, claims={"price": 0.02, **others}, covered=0.18, unshown=unshown)
        said, reason = word(Policy(ALPHA), asked)
        assert said == decision
        assert "the strongest claim is Price (p 0.02)" in reason


def test_marks_in_a_shadow_that_is_more_than_is_usual_accuse_nobody() -> None:
    claims = {"strokes": 0.01, "price": 0.5}
    said, reason = word(Policy(ALPHA), found(0.01, claims=claims, uneven=0.18))
    assert said == "review"
    assert "18 % of the ground around them is unevenly lit. What that does to genuine marks is not known" in reason
    said, reason = word(Policy(ALPHA), found(0.01, claims=claims, uneven=0.18, light=(0.12, 0.5)))
    assert said == "review"
    assert "them is unevenly lit, where nine in ten that calibrated have 12 % at most. What that does" in reason
    for facts in (
        {"claims": claims, "uneven": 0.18, "light": (0.18, 0)},  # as cloth in folds: they tell what that does
        {"claims": claims, "uneven": COVERED - 0.01},
        {"claims": {"price": 0.01}, "uneven": 0.18},
        {"claims": claims, "uneven": 0.18, "misnamed": "bag"},
        {"claims": claims, "uneven": 0.18, "copy": "A copy.", "copied": True},
    ):
        assert word(Policy(ALPHA), found(0.01, **facts))[0] == "suspected", facts
    both = word(Policy(ALPHA), found(0.01, claims=claims, uneven=0.18, sharpness=0.5, dull=0.9))[1]
    assert "a shadow may lie on its marks" in both, "a shadow's edge is soft: it is told as what it is, not as blur"
    assert word(Policy(ALPHA), found(0.5, claims=claims, uneven=0.18))[0] == "clear"


def test_a_shadow_on_the_side_that_bears_the_marks_accuses_nobody_of_what_is_drawn_there() -> None:
    claims = {"pattern": 0.01, "strokes": 0.02}
    said, reason = word(Policy(ALPHA), found(0.01, claims=claims, shaded=0.23))
    assert said == "review"
    assert "23 % of the plain ground of the side that bears the marks is unevenly lit, so a person decides" in reason
    more, reason = word(Policy(ALPHA), found(0.01, claims=claims, shaded=0.23, light=(0.5, 0.1)))
    assert more == "review"
    assert "is unevenly lit, where nine in ten that calibrated have 10 % at most, so a person decides" in reason
    assert "the strongest claim is" in reason
    for facts in (
        {"claims": claims, "shaded": COVERED - 0.01},
        {"claims": claims, "shaded": 0.23, "light": (0, 0.23)},
        {"claims": {"strokes": 0.01, "pattern": 0.02}, "shaded": 0.23},  # it lies beside the marks
        {"claims": claims, "shaded": 0.23, "misnamed": "bag"},
        {"claims": claims, "shaded": 0.23, "copy": "A copy.", "copied": True},
    ):
        assert word(Policy(ALPHA), found(0.01, **facts))[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, claims=claims, shaded=0.23))[0] == "clear"


def test_photos_that_were_judged_turned_are_named() -> None:
    for p, said in ((0.01, "suspected"), (0.5, "clear")):
        decision, reason = word(Policy(ALPHA), found(p, turned=("photo 2 (on its side)", "photo 3 (upside down)")))
        assert decision == said
        assert (
            "Judged turned the right way round, as the marks lie: photo 2 (on its side), photo 3 (upside down)."
            in reason
        )


@pytest.mark.parametrize("seller", [(" ", "x"), ("a", " "), ["a", "\t"], ("", "x")])
def test_a_blank_platform_or_id_is_no_authorised_seller(seller: tuple[str, str] | list[str]) -> None:
    with pytest.raises(InputError, match=r"authorised=.*: need \(platform, the platform's verified id\), two texts"):
        pairs([seller])


def test_what_is_beyond_the_alarm_level_by_little_goes_to_a_person_where_a_camera_may_be_the_cause() -> None:
    said, reason = word(Policy(ALPHA), found(0.01, evidence=LITTLE - 0.01))
    assert said == "review"
    assert "(its statistic is 0.53, theirs 0.54 and more)" in reason
    assert "calibrate with photos as sellers show them" in reason
    for others in (
        found(0.01, evidence=LITTLE),
        found(0.01, evidence=None),  # fakes say what it means
        found(0.01, evidence=0.1, claims={"price": 0.01, "patches": 0.4}),
        found(0.01, evidence=0.1, copy="It is a copy.", copied=True),
    ):
        assert word(Policy(ALPHA), others)[0] == "suspected"
    assert word(Policy(ALPHA), found(0.5, evidence=0.1))[0] == "clear"
    assert word(Policy(0.1), found(0.01, evidence=0.1))[0] == "suspected", "who asks for more alarms gets them"
