"""Listings of several photos: how they are ranked, and what is said of which photo."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from lights import GENUINE, Dark, Loud, flat, goods, said

import counterfeit_vision as cv
from counterfeit_vision.calibration.conformal import conformal_p, review_level
from counterfeit_vision.calibration.fusion import mean_evidence
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Mark, Price, Product, Reuse, Suspects, Wordmark
from counterfeit_vision.heads.reuse import COPY

RARE = "On average at most 5 % of genuine photos are this unusual by this claim."  # brighter than all of 19


def test_a_claim_says_which_photo_it_is_about(inspector: cv.Inspector) -> None:
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[flat(60), flat(250)])]).verdicts
    assert verdict.claims["loud"].text == f"Photo 2: Bright. {RARE}"
    assert verdict.claims["loud"].photo == 1
    (alone,) = inspector.inspect([cv.Listing(id="one", photos=[flat(250)])]).verdicts
    assert alone.claims["loud"].text == f"Bright. {RARE}"


def test_a_sentence_that_accuses_says_so_wherever_it_is_read_and_no_other_does(inspector: cv.Inspector) -> None:
    """By itself "Bright." may as well be praise. A dark photo is usual: one of 20 that is as dark says nothing."""
    report = inspector.inspect([flat(250), flat(45)])
    odd, usual = report.verdicts
    assert odd.claims["loud"].p_value == 1 / 20
    assert odd.to_dict()["claims"]["loud"]["text"] == f"Bright. {RARE}"
    for shown in (str(odd.explain()), odd.explain().to_html(), report.to_html()):
        assert RARE in shown
    assert usual.claims["loud"].text == "Bright."


def test_a_large_score_of_another_claim_is_no_proven_copy_and_says_what_is_unusual(tree_catalog: cv.Catalog) -> None:
    class Large(Loud):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            shown = (tree_catalog.references[0].id,)
            return [
                dataclasses.replace(one, score=one.score + COPY, references=shown) for one in super().score(suspects)
            ]

    inspector = cv.Inspector(tree_catalog, [Large()], cache=False).calibrate(GENUINE, alpha=0.2)
    (verdict,) = inspector.inspect([flat(250)]).verdicts
    assert verdict.claims["loud"].text.startswith("Bright. On average at most ")


def test_a_file_of_the_catalogue_takes_no_alarm_of_another_photo_away(
    tree_catalog: cv.Catalog, tree_photos: list[Path]
) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=0.2)
    photos = [tree_photos[0], flat(250)]
    file, both = inspector.inspect([cv.Listing(id=str(most), photos=photos[:most]) for most in (1, 2)]).verdicts
    assert (file.decision, both.decision) == ("review", "suspected")
    assert file.reason.startswith("All that it shows is in the catalogue")


def test_what_is_usual_shows_no_spot_at_whatever_level(tree_catalog: cv.Catalog) -> None:
    photo = cv.PhotoView("spot", b"", (9, 9))

    class Shown(Loud):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            spot = {"region": cv.Region(0, 0, 9, 9), "points": np.ones((3, 4), np.float32), "crops": (photo, photo)}
            return [dataclasses.replace(evidence, **spot) for evidence in super().score(suspects)]

    for alpha, light in ((0.1, 126), (0.2, 112)):  # of 40 genuine ones as bright: about 8, about 16
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
    assert verdict.claims["price"].text == f"Bright. {RARE.replace('photos', 'listings')}"


def test_photos_are_numbered_as_the_listing_numbers_them(inspector: cv.Inspector) -> None:
    listing = cv.Listing(id="three", photos=[b"no photo", flat(60), flat(250)])
    (verdict,) = inspector.inspect([listing]).verdicts
    assert verdict.failures[0].id == "three photo 1"
    assert verdict.claims["loud"].text == f"Photo 3: Bright. {RARE}"
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[b"no photo", flat(250)])]).verdicts
    assert verdict.claims["loud"].text == f"Photo 2: Bright. {RARE}"


def test_it_is_said_which_photos_of_an_unusual_listing_are_usual(tree_catalog: cv.Catalog) -> None:
    class Seen(Loud):  # says nothing of what is nearly black
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            found = super().score(suspects)
            return [one if one.score > 20 else cv.Evidence.not_applicable("Too dark.") for one in found]

    inspector = cv.Inspector(tree_catalog, [Seen()], cache=False).calibrate(GENUINE)
    told = "its photos disagree (beyond the alarm level: photo 3; usual: photo 2): they may show other sides"
    for last in ([], [flat(9)], [flat(60)]):  # nothing can be said of it; a photo once more
        offer = cv.Listing(id="x", photos=[b"no photo", flat(60), flat(250), *last])
        (verdict,) = inspector.inspect([offer]).verdicts
        assert verdict.decision == "review"
        assert told in verdict.reason
    (odd,) = inspector.inspect([cv.Listing(id="x", photos=[flat(249), flat(250)])]).verdicts
    assert "disagree" not in odd.reason


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


def test_a_claim_that_does_not_apply_says_of_which_photo(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Unlike(), Dark()], cache=False).calibrate(GENUINE)
    strange, known = flat(240), flat(60)
    known[:20] += 10  # no blank one
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=[strange, known])], strict=True)
    assert [(claim.photo, claim.applicable) for claim in verdict.claims.values()] == [(1, True), (1, False)]


class Unlike(Loud):
    """The same, as how unlike the catalogue it is."""

    name = "similarity"


class ToldLater(Loud):
    """The same, as the claim about marks, or about a misspelt name, which finds them on a listing's second photo."""

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        first, *others = super().score(suspects)
        return [first, *(dataclasses.replace(one, region=cv.Region(0, 0, 9, 9)) for one in others)]


@pytest.mark.parametrize("name", [Mark.name, Wordmark.name])
def test_a_photo_that_is_known_by_its_second_showing_alone_ranks_its_listing(
    name: str, tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector = cv.Inspector(tree_catalog, [Unlike(), ToldLater(name)], cache=False).calibrate(GENUINE)
    (verdict,) = inspector.inspect([cv.Listing(id="twice", photos=[flat(250)] * 2, product="bag")], strict=True)
    (once,) = inspector.inspect([cv.Listing(id="once", photos=[flat(250)], product="bag")], strict=True)
    assert (verdict.decision, verdict.p_value, verdict.risk) == ("suspected", once.p_value, once.risk)
    monkeypatch.setattr("counterfeit_vision.decision.deciding.UNSURE", 1)
    (unnamed,) = inspector.inspect([cv.Listing(id="unnamed", photos=[flat(250)] * 2)], strict=True)
    assert unnamed.decision == ("insufficient_evidence" if name == Mark.name else "suspected")


class MarksInTheDark(Loud):
    """Stands for the claim about marks: only the darkest photos bear them."""

    name = Mark.name

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        told = super().score(suspects)
        return [dataclasses.replace(one, region=cv.Region(0, 0, 9, 9)) if one.score < 60 else one for one in told]


def test_what_looks_like_another_brands_and_shows_no_marks_is_not_clear(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud(), MarksInTheDark()], cache=False).calibrate(GENUINE)
    nearest = inspector.inspect([flat(80)])[0].brand
    (other,) = {reference.brand for reference in tree_catalog.references} - {nearest}
    asked = {
        "one": cv.Listing(id="one", photos=[flat(80)], brand=other),
        "unheard of": cv.Listing(id="unheard of", photos=[flat(80)], brand="Zubrik"),
        "marks": cv.Listing(id="marks", photos=[flat(80), flat(50)], brand=other),
        "its own": cv.Listing(id="its own", photos=[flat(80)], brand=nearest.upper()),
        "unnamed": cv.Listing(id="unnamed", photos=[flat(80)]),
        "loud": cv.Listing(id="loud", photos=[flat(250)], brand=other),
    }
    found = dict(zip(asked, inspector.inspect([*asked.values()], strict=True), strict=True))
    words = {name: verdict.decision for name, verdict in found.items()}
    others = dict.fromkeys(("unheard of", "marks", "its own", "unnamed"), "clear")
    assert words == {"one": "insufficient_evidence", "loud": "suspected"} | others
    told = [name for name, verdict in found.items() if "Its marks were found on no photo" in verdict.reason]
    assert told == ["unheard of", "its own", "unnamed"]
    product = f"{found['one'].product} of {nearest}"
    assert found["one"].reason.startswith(
        f"The listing names \u201c{other}\u201d, but it looks most like {product}, and"
    )


def test_where_no_marks_could_be_looked_for_nothing_is_said_of_them(tree_catalog: cv.Catalog) -> None:
    class Unheard(Loud):
        name = Mark.name

        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            return [cv.Evidence.not_applicable("No marks are known.")] * len(suspects)

    inspector = cv.Inspector(tree_catalog, [Loud(), Unheard()], cache=False).calibrate(GENUINE)
    brands = {reference.brand for reference in tree_catalog.references}
    asked = [cv.Listing(id=brand, photos=[flat(80)], brand=brand) for brand in brands]
    found = [*inspector.inspect(asked, strict=True)]
    assert [verdict.decision for verdict in found] == ["clear"] * len(brands)
    assert not any("Its marks" in verdict.reason for verdict in found)


class Tells(Loud):
    """Stands for the claim of that name: of the bag's photo it tells that it is a copy, or bears marks."""

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        nothing = cv.Evidence(score=0.1, text="Nothing.")
        sure = cv.Evidence(score=COPY + 1, text="Told.", references=("a",))
        told = sure if self.name == Reuse.name else dataclasses.replace(nothing, region=cv.Region(0, 0, 9, 9))
        return [told if np.array_equal(suspects.pixels(row), BAG) else nothing for row in range(len(suspects))]


BAG, RECEIPT = ((picture(seed) * 0.95).astype(np.uint8) for seed in (100, 101))


@pytest.mark.parametrize("name", [Reuse.name, Mark.name])
def test_the_product_is_told_by_a_photo_that_is_a_copy_or_bears_marks(name: str, tree_catalog: cv.Catalog) -> None:
    """It was told by the receipt beside the brand's own picture."""
    inspector = cv.Inspector(tree_catalog, [Loud(), Tells(name)], cache=False).calibrate(GENUINE)
    asked = {"bag": [BAG], "receipt": [RECEIPT], "both": [RECEIPT, BAG]}
    bag, receipt, both = inspector.inspect([cv.Listing(id=id, photos=photos) for id, photos in asked.items()]).verdicts
    assert both.product == bag.product != receipt.product
    assert both.genuine == receipt.genuine
    if name == Reuse.name:
        assert (bag.claims[name].p_value, bag.claims[name].text) == (1 / 20, "Told.")  # a reason begins with it
        assert "by this claim" not in bag.reason


class Copied(Loud):
    """Stands for the claim that a photo is a copy: each with a green corner is one."""

    name = Reuse.name

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        nothing = cv.Evidence(score=0.0, text="Nothing.")
        sure = cv.Evidence(score=COPY + 1, text="Told.", references=("a",))
        return [sure if np.ptp(suspects.pixels(row)[0, 0]) > 100 else nothing for row in range(len(suspects))]


def stolen(number: int) -> np.ndarray:
    photo = flat(30 + number)
    photo[:5, :5] = 0, 200, 0
    return photo


def test_copies_of_the_brands_photos_beside_the_sellers_own_change_no_number(tree_catalog: cv.Catalog) -> None:
    """Three of them took the word from any fake: its photo counted a quarter."""

    def offers(photos: list[np.ndarray], copies: int) -> list[cv.Listing]:
        return [cv.Listing(id=f"{n}", photos=[*map(stolen, range(copies)), one]) for n, one in enumerate(photos)]

    plain = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False).calibrate(offers(GENUINE, 0))
    inspector = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False).calibrate(offers(GENUINE, 2))
    assert inspector.calibration is not None
    assert plain.calibration is not None
    assert np.array_equal(inspector.calibration.merged, plain.calibration.merged)
    assert len(inspector.failures) == 80
    assert "beside the seller's own, so it does not count" in str(inspector.failures[0].error)

    asked = [flat(250), flat(50)]
    alone, beside = (inspector.inspect(offers(asked, copies)).verdicts for copies in (0, 3))
    assert [(verdict.p_value, verdict.risk) for verdict in beside] == [(one.p_value, one.risk) for one in alone]
    assert [verdict.decision for verdict in alone] == ["suspected", "clear"]
    assert [verdict.decision for verdict in beside] == ["suspected", "review"], "a copy is for review"
    assert [verdict.statistics for verdict in beside] == [one.statistics for one in alone]


def test_listings_that_begin_with_a_copy_are_no_drift_and_those_that_calibrated_are_no_new_ones(
    tree_catalog: cv.Catalog,
) -> None:
    """Calibrations leave such copies out: each would be more unusual than all that they are watched beside."""
    offers = [cv.Listing(id=f"{n}", photos=[stolen(n % 3), flat(40 + 2 * n)]) for n in range(80)]
    inspector = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False).calibrate(offers[::2])
    assert inspector.calibration is not None
    assert cv.Drift(inspector.calibration).add(inspector.inspect(offers[1::2])).alarm is None
    told = "All that it shows was calibrated with"
    assert [told in verdict.reason for verdict in inspector.inspect(offers[:4]).verdicts] == [True, False] * 2


def test_a_file_of_the_catalogue_beside_the_sellers_own_photos_does_not_calibrate_and_refuses_nothing(
    tree_catalog: cv.Catalog, tree_photos: list[Path]
) -> None:
    class Files(Copied):
        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            told = cv.Evidence(score=COPY + 1, text="Told.", references=("a",))
            files = [row.sha256 in tree_catalog.row_of_file for row in suspects.encoded]
            return [told if file else cv.Evidence(score=0.0, text="Nothing.") for file in files]

    inspector = cv.Inspector(tree_catalog, [Loud(), Files()], cache=False)
    offers = [cv.Listing(id=f"{n}", photos=[tree_photos[0], photo]) for n, photo in enumerate(GENUINE)]
    assert len(inspector.calibrate(offers).failures) == len(offers)
    with pytest.raises(cv.InputError, match=r"40 photo 1 is a photo of the catalogue"):
        inspector.calibrate([*offers, cv.Listing(id="40", photos=[tree_photos[0], tree_photos[0]])])


def test_a_copy_shows_the_product_of_what_it_copies_however_little_that_looks_like_anything_genuine(
    references: list[cv.Reference], tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterfeit_vision.decision.deciding.UNSURE", 1)
    known = cv.Reference(id="k", photo=picture(300), brand="luxor", product="clutch", gallery="known_fake")
    catalog = cv.Catalog.build([*references, known], encoder=tiny_encoder, cache=False)
    inspector = cv.Inspector(catalog, [Loud(), Product(), Reuse()], cache=False).calibrate(GENUINE)
    listing = cv.Listing(id="a", photos=[picture(300)], brand="Luxor", product="clutch")
    (verdict,) = inspector.inspect([listing], strict=True)
    assert (verdict.product, verdict.brand, verdict.runner_up) == ("clutch", "luxor", None)
    assert verdict.claims["product"].text == "The catalogue holds no genuine photo of the claimed product, “clutch”."


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


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_the_risk_of_more_photos_than_any_listing_that_calibrated_has_is_on_the_side_of_the_p_value(
    tree_catalog: cv.Catalog, leave_one_out: bool
) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    inspector.calibrate(GENUINE, alpha=0.1, leave_one_out=leave_one_out)
    offers = [[flat(250), *GENUINE[:more]] for more in (0, 1, 2, 4, 8)] + [[flat(light)] * 3 for light in (160, 250)]
    offers += [[flat(light) for light in lights] for lights in ((40, 41, 42), (250, 249, 248), (150, 151, 152))]
    verdicts = inspector.inspect([cv.Listing(id=str(n), photos=photos) for n, photos in enumerate(offers)]).verdicts
    assert {verdict.p_value <= 0.1 for verdict in verdicts} == {True, False}
    for verdict in verdicts:
        assert (verdict.risk >= 0.5) == (verdict.p_value <= 0.1)
    risks = [verdict.risk for verdict in verdicts[:5]]
    assert risks == sorted(set(risks), reverse=True), "each harmless photo more lowers it"
    assert risks[0] == inspector.calibration.risk(np.array(verdicts[0].statistics))[0]


class Silent(Loud):
    """The same, of dark photos only."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [item if item.score < 200 else cv.Evidence.not_applicable("Too bright.") for item in found]


def test_a_photo_that_no_claim_applies_to_takes_no_neighbour_with_it(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Silent()], cache=False).calibrate([*GENUINE, flat(240)])
    (failure,) = inspector.failures
    assert (failure.id, failure.stage) == ("photo 40", "score")
    assert "no claim applies (Too bright.)" in str(failure.error)
    report = inspector.inspect([flat(60), flat(250), flat(70), cv.Listing(id="half", photos=[flat(250), flat(80)])])
    assert said(inspector, [flat(60), flat(250), flat(70)]) == ["clear", "insufficient_evidence", "clear"]
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
        assert bright.decision == "insufficient_evidence"
        assert bright.reason.endswith(
            "Too bright. Not counted against it, as too few genuine photos that calibrated make it: Bright."
        )


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_a_listing_of_which_no_claim_can_say_anything_abstains_as_usual_and_says_why(
    tree_catalog: cv.Catalog, leave_one_out: bool
) -> None:
    inspector = cv.Inspector(tree_catalog, [Silent()], cache=False).calibrate(GENUINE, leave_one_out=leave_one_out)
    calibration, bright = inspector.calibration, flat(250)
    assert calibration is not None
    one, two, part = inspector.inspect(
        [bright, cv.Listing(id="two", photos=[bright, flat(240)]), cv.Listing(id="part", photos=[b"no photo", bright])],
        strict=True,
    ).verdicts
    told = "No claim that counts has anything to go on, so nothing can be said. Too bright."
    for verdict, photos in ((one, 1), (two, 2), (part, 1)):
        assert (verdict.decision, verdict.statistics) == ("insufficient_evidence", (0.0,) * photos)
        assert (len(verdict.photos), verdict.claims["loud"].applicable) == (photos, False)
    assert (one.reason, two.reason, part.reason) == (told, told, f"{told} 1 more photo of it could not be read.")
    assert one.risk == part.risk == calibration.risk(np.zeros(1))[0]
    assert one.p_value == part.p_value == calibration.p_of(np.full((1, 1), np.nan))[0]
    assert [failure.stage for failure in part.failures] == ["decode"]


def test_photos_of_claims_that_were_never_calibrated_count_when_judged_as_when_they_calibrate(
    tree_catalog: cv.Catalog,
) -> None:
    heads = [Silent(), Bright()]
    listings = [cv.Listing(id=str(number), photos=[photo]) for number, photo in enumerate(GENUINE)]
    calibration = cv.Inspector(tree_catalog, heads, cache=False).calibrate(listings).calibration
    assert calibration is not None
    ranked = int(calibration.listings[np.argmin(calibration.merged)])
    for light in range(236, 246):  # one with which the listing is ranked again, and not fitted on
        listings[ranked] = cv.Listing(id=str(ranked), photos=[GENUINE[ranked], flat(light)])
        inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate(listings)
        assert inspector.calibration is not None
        if ranked in inspector.calibration.listings:
            break
    assert inspector.calibration.can_tell.tolist() == [True, False]
    (verdict,) = inspector.inspect([listings[ranked]], strict=True).verdicts
    known = inspector.calibration.merged[inspector.calibration.listings == ranked]
    assert verdict.statistics == pytest.approx(known)
    assert (len(verdict.statistics), verdict.statistics[1], verdict.failures) == (2, 0, ())
    assert verdict.statistics[0] < 0
    assert "the strongest claim is Loud" in verdict.reason  # not one that does not count


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


def test_of_more_photos_than_calibrated_one_gross_one_is_told_of_and_not_cleared(inspector: cv.Inspector) -> None:
    photos = [*map(flat, range(96, 100)), flat(250)]
    (verdict,) = inspector.inspect([cv.Listing(id="five", photos=photos)], strict=True)
    assert verdict.decision == "insufficient_evidence"
    assert "It has 5 photos, and no listing that calibrated has more than 1" in verdict.reason
    assert "Loud alone would raise an alarm" in verdict.reason


class Hot(Loud):
    """Its heat map is as hot as the photo is bright."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        found = super().score(suspects)
        return [dataclasses.replace(one, heatmap=np.array([[0, one.score]], np.float32)) for one in found]


def test_a_heat_map_is_told_in_alarm_levels(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Hot()], cache=False).calibrate(GENUINE)
    (claim,) = inspector.inspect([flat(250)])[0].claims.values()
    assert inspector.calibration is not None
    level = inspector.calibration.peaks["loud"]
    assert 40 < level < 160
    np.testing.assert_allclose(claim.heatmap, [[0, claim.score / level]], rtol=1e-6)


def test_claims_are_measured_by_the_brand_that_photos_look_like(tree_catalog: cv.Catalog) -> None:
    photos = [goods(number) for number in range(40)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(photos)
    assert inspector.calibration is not None
    assert inspector.calibration.usual.kinds == ("acme", "zeta")
    verdicts = inspector.inspect(photos[:5], strict=True).verdicts
    brands = [verdict.brand for verdict in verdicts]
    assert brands == ["acme", "acme", "acme", "zeta", "zeta"]
    scores = np.array([[verdict.claims["loud"].score] for verdict in verdicts])
    expected = inspector.calibration.merge(scores, brands)
    assert [verdict.statistics[0] for verdict in verdicts] == pytest.approx(expected.tolist())
