"""The whole way, on a small rendered market with real weights: order, failures, honesty, saving."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lights import learns_anything

import counterfeit_vision as cv
from counterfeit_vision import judging
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.decision.case import Findings
from counterfeit_vision.decision.policy import Policy
from counterfeit_vision.encoders import Encoder
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads import Head, Price, Product, Reuse, Similarity, Suspects, default_heads, learned
from counterfeit_vision.heads.reuse import COPY
from counterfeit_vision.io.decode import decode
from counterfeit_vision.io.manifests import read_listings, read_references
from counterfeit_vision.types.wording import at_most

PER_MARKET = {
    "seed": 3,
    "brands": 2,
    "listings": 10,
    "calibration": 40,
    "references": 3,
    "size": 256,
    "strength": "strong",
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> cv.market.Market:
    return cv.market.render(tmp_path_factory.mktemp("market") / "m", **PER_MARKET)


@pytest.fixture(scope="module")
def catalog(market: cv.market.Market, lite: Encoder) -> cv.Catalog:
    return cv.Catalog.build(market.catalogue, encoder=lite)


@pytest.fixture(scope="module")
def inspector(market: cv.market.Market, catalog: cv.Catalog) -> cv.Inspector:
    return cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, alpha=0.1)


def quick_heads() -> list[Head]:
    """Without those that read pixels, which take most of the time and have tests of their own."""
    return [Similarity(), Product(), Price()]


@pytest.fixture
def rows(market: cv.market.Market) -> list[dict]:
    return [json.loads(line) for line in Path(market.listings).read_text().splitlines()]


def plain(report: object) -> list[dict]:
    return [result.to_dict() for result in report]


def test_one_result_each_in_order_with_all_that_a_verdict_promises(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict]
) -> None:
    report = inspector.inspect(market.listings)
    assert [result.id for result in report] == [row["id"] for row in rows]
    for verdict in report:
        assert verdict.decision in cv.types.DECISIONS
        assert 0 <= verdict.risk <= 1
        assert 0 < verdict.p_value <= 1
        assert set(verdict.claims) == {"similarity", "product", "price"}
        assert len(verdict.photos) == 1
        assert verdict.genuine
        assert not verdict.stale
        assert verdict.reason
        assert (verdict.margin_p is None) == (verdict.product is None)
        assert verdict.runner_up is None or verdict.runner_up != verdict.product
        assert verdict.margin_p is None or verdict.margin_p > 0.1 or verdict.runner_up is not None
        json.dumps(verdict.to_dict(), allow_nan=False)


def test_decisions_follow_the_stated_levels(inspector: cv.Inspector, market: cv.market.Market) -> None:
    for verdict in inspector.inspect(market.listings):
        if verdict.decision == "insufficient_evidence":
            assert verdict.product is None
        else:
            expected = "suspected" if verdict.p_value <= 0.1 else "review" if verdict.p_value <= 0.3 else "clear"
            assert verdict.decision == expected


def test_how_unusual_a_listing_is_by_little_is_told_of_its_most_unusual_photo(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Findings] = []
    decide = Policy.decide
    monkeypatch.setattr(
        Policy, "decide", lambda self, listing, found: told.append(found) or decide(self, listing, found)
    )
    photos = [market.folder / row["photos"][0] for row in rows if row["product"] == rows[0]["product"]]
    (verdict,) = inspector.inspect([cv.Listing(id="two", photos=photos[:2], product=rows[0]["product"])])
    assert len(set(verdict.statistics)) == 2
    assert told[0].evidence == max(verdict.statistics)


def test_an_inspector_needs_a_catalogue_and_no_folder(inspector: cv.Inspector, tmp_path: Path) -> None:
    inspector.save(tmp_path)
    for make in (cv.Inspector, lambda catalog: cv.Inspector.load(tmp_path, catalog)):
        with pytest.raises(cv.InputError, match=r"Inspector\('brand'\): need a Catalog; type Inspector\(Catalog.load"):
            make("brand")


def test_bad_inputs_are_failures_in_their_places(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict]
) -> None:
    good = market.folder / rows[0]["photos"][0]
    listings = [
        b"no photo",
        cv.Listing(id="ok", photos=[good]),
        cv.Listing(id="empty", photos=[]),
        cv.Listing(id="ok", photos=[good]),
        cv.Listing(id="half", photos=[market.folder / "nowhere.jpg", good]),
    ]
    results = list(inspector.stream(listings))
    assert [getattr(result, "decision", "failure") == "failure" for result in results] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert [result.stage for result in results if isinstance(result, cv.Failure)] == ["decode", "input", "input"]
    assert "no photos" in str(results[2].error)
    assert "twice" in str(results[3].error)
    assert len(results[4].failures) == 1
    assert results[4].risk == results[1].risk  # the photo that failed changes nothing, but for the word
    assert results[4].decision != "clear"
    assert re.search(
        r" 1 more photo of it could not be read(, so nothing can be said of all of it)?\.$", results[4].reason
    )
    with pytest.raises(cv.DecodeError):
        inspector.inspect(listings, strict=True)


def test_a_strict_stream_raises_at_its_first_failure(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict], no_threads_left: None
) -> None:
    good = market.folder / rows[0]["photos"][0]
    stream = inspector.stream([good, b"no photo", b"none either"], strict=True)
    assert next(stream).id == str(good)
    with pytest.raises(cv.DecodeError, match="photo 1"):
        next(stream)
    assert list(stream) == []


def test_verdicts_do_not_depend_on_company_or_order(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict]
) -> None:
    paths = [market.folder / row["photos"][0] for row in rows]
    together = {verdict.id: verdict for verdict in inspector.inspect(paths[::-1])}
    for path in paths[:4]:
        alone = inspector.inspect([path])[0]
        assert alone.risk == pytest.approx(together[alone.id].risk, abs=1e-4)
        assert alone.decision == together[alone.id].decision


def test_two_runs_say_the_same(inspector: cv.Inspector, market: cv.market.Market) -> None:
    assert json.dumps(plain(inspector.inspect(market.listings))) == json.dumps(
        plain(inspector.inspect(market.listings))
    )


def test_saved_and_loaded_it_judges_the_same(
    inspector: cv.Inspector, catalog: cv.Catalog, market: cv.market.Market, tmp_path: Path
) -> None:
    again = cv.Inspector.load(inspector.save(tmp_path / "i"), catalog, quick_heads())
    assert plain(again.inspect(market.listings)) == plain(inspector.inspect(market.listings))
    (tmp_path / "i" / "inspector.json").write_text("{")
    with pytest.raises(cv.CatalogError, match=r"inspector\.json"):
        cv.Inspector.load(tmp_path / "i", catalog, quick_heads())


def test_on_another_catalogue_verdicts_are_stale(
    inspector: cv.Inspector, market: cv.market.Market, lite: Encoder, tmp_path: Path, rows: list[dict]
) -> None:
    references = read_references(market.catalogue)[:-1]
    other = cv.Inspector.load(inspector.save(tmp_path / "i"), cv.Catalog.build(references, encoder=lite), quick_heads())
    with pytest.warns(RuntimeWarning, match="stale.* Calibrate again with genuine photos") as inspecting:
        report = other.inspect([market.folder / rows[0]["photos"][0]])
    with pytest.warns(RuntimeWarning, match="stale") as streaming:
        assert plain(other.stream([market.folder / rows[0]["photos"][0]])) == plain(report)
    assert [warning.filename for warning in (*inspecting, *streaming)] == [__file__, __file__]
    assert report[0].stale
    assert "Calibrate again" in report.about["Stale"]
    assert "Stale" not in inspector.inspect([market.folder / rows[0]["photos"][0]]).about


def test_another_encoders_inspector_is_refused(
    inspector: cv.Inspector, market: cv.market.Market, tiny_encoder: Encoder, tmp_path: Path
) -> None:
    other = cv.Catalog.build(market.catalogue, encoder=tiny_encoder)
    with pytest.raises(cv.FingerprintError):
        cv.Inspector.load(inspector.save(tmp_path / "i"), other, quick_heads())


def test_an_authorised_seller_is_never_suspected(catalog: cv.Catalog, market: cv.market.Market) -> None:
    listings = [item for item in read_listings(market.listings) if isinstance(item, cv.Listing)]
    listings = [dataclasses.replace(item, seller="official-store", platform="bazaar") for item in listings]
    inspector = cv.Inspector(catalog, quick_heads(), authorised=[("bazaar", "official-store")]).calibrate(
        market.calibration, alpha=0.5
    )
    claimed = [  # a name, or the id on another platform, proves nothing
        dataclasses.replace(item, seller=cv.Seller("x9", name="official-store")) for item in listings
    ]
    elsewhere = [dataclasses.replace(item, platform="stall") for item in listings]
    before, after = inspector.inspect(elsewhere), inspector.inspect(listings)
    assert [verdict.decision for verdict in inspector.inspect(claimed)] == [verdict.decision for verdict in before]
    assert before.counts["suspected"] > 0
    assert after.counts["suspected"] == 0
    for one, other in zip(before, after, strict=True):
        assert other.decision == ("review" if one.decision == "suspected" else one.decision)


def check_that_batches_change_nothing(
    inspector: cv.Inspector, listings: list[cv.Listing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions are the same and scores within 1e-4, whatever the batch and the order."""
    usual = {verdict.id: verdict for verdict in inspector.inspect(listings, strict=True)}
    encoder, shuffled = inspector.catalog.encoder, np.random.default_rng(0).permutation(len(listings))
    for batch in (1, 7, 64):
        monkeypatch.setattr(inspector.catalog, "encoder", dataclasses.replace(encoder, batch_size=batch))
        monkeypatch.setattr(judging, "LISTINGS_AT_ONCE", batch)
        for order in (listings, [listings[place] for place in shuffled]):
            for verdict in inspector.inspect(order, strict=True):
                before = usual[verdict.id]
                assert verdict.decision == before.decision, f"batches of {batch}"
                assert verdict.risk == pytest.approx(before.risk, abs=1e-4)
                for name, claim in verdict.claims.items():
                    assert claim.score == pytest.approx(before.claims[name].score, abs=1e-4, nan_ok=True)


def test_batch_size_and_order_change_no_decision_and_no_score(
    catalog: cv.Catalog, market: cv.market.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = [item for item in read_listings(market.listings) if isinstance(item, cv.Listing)]
    fresh = cv.Inspector(catalog, quick_heads(), cache=False).calibrate(market.calibration, alpha=0.1)
    check_that_batches_change_nothing(fresh, listings, monkeypatch)


@pytest.mark.slow
def test_with_clip_and_all_heads_batch_size_and_order_change_no_decision_and_no_score(
    market: cv.market.Market, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    listings = [item for item in read_listings(market.listings) if isinstance(item, cv.Listing)]
    inspector = cv.Inspector(cv.Catalog.build(market.catalogue, encoder=clip), cache=False)
    inspector.calibrate(genuine[:18], alpha=0.1)
    check_that_batches_change_nothing(inspector, listings, monkeypatch)


def test_two_runs_write_the_same_bytes(
    inspector: cv.Inspector, catalog: cv.Catalog, market: cv.market.Market, tmp_path: Path
) -> None:
    folder = inspector.save(tmp_path / "i")
    for run in ("one", "two"):
        cv.Inspector.load(folder, catalog, quick_heads(), cache=False).inspect(market.listings).save(tmp_path / run)
    first = (tmp_path / "one" / "verdicts.jsonl").read_bytes()
    assert len(first) > 1000
    assert first == (tmp_path / "two" / "verdicts.jsonl").read_bytes()
    assert json.loads(first.splitlines()[0])["about"] == inspector.about()


class Broken:
    """A head that is no number for every third photo."""

    name = "broken"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        scores = [float(vector.sum()) for vector in suspects.photos.vectors]
        odd = [int(1e6 * abs(score)) % 3 == 0 for score in scores]
        return [
            cv.Evidence(score=math.nan if wrong else score, text="Broken.")
            for score, wrong in zip(scores, odd, strict=True)
        ]


def test_a_score_that_is_no_number_is_that_listings_failure_and_not_its_neighbours(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    inspector = cv.Inspector(catalog, heads=[Similarity(), Broken()]).calibrate(market.calibration, alpha=0.2)
    assert inspector.failures
    assert all(failure.stage == "score" for failure in inspector.failures)
    report = inspector.inspect(market.listings)
    assert report.verdicts
    assert [failure.stage for failure in report.failures] == ["score"] * len(report.failures)
    assert "head 'broken' gave the score nan for" in str(report.failures[0].error)
    assert len(report) == len(Path(market.listings).read_text().splitlines())


def test_a_head_that_gives_no_evidence_is_named(catalog: cv.Catalog, market: cv.market.Market) -> None:
    class Bare:
        name = "bare"

        def score(self, suspects: Suspects) -> list[float]:
            return [0.0] * len(suspects)

    with pytest.raises(cv.InputError, match="head 'bare' gave float; need one Evidence a photo"):
        cv.Inspector(catalog, heads=[Bare()]).calibrate(market.calibration)


def test_a_photo_that_changes_or_goes_while_it_is_judged_gives_no_verdict(
    catalog: cv.Catalog, market: cv.market.Market, rows: list[dict], tmp_path: Path
) -> None:
    inspector = cv.Inspector(catalog, [Similarity(), Reuse()]).calibrate(market.calibration, alpha=0.1)
    photos = [Path(market.folder, row["photos"][0]) for row in rows[:4]]
    upload, brief = tmp_path / "upload.jpg", tmp_path / "brief.jpg"

    def listings() -> Iterator[cv.Listing]:
        for number, photo in enumerate(photos[:2]):
            upload.write_bytes(photo.read_bytes())
            yield cv.Listing(id=f"upload {number}", photos=[upload])
        brief.write_bytes(photos[2].read_bytes())
        yield cv.Listing(id="brief", photos=[brief])
        brief.write_bytes(photos[3].read_bytes())
        yield cv.Listing(id="two", photos=[photos[0], brief])
        brief.unlink()

    first, second, gone, two = inspector.inspect(listings())
    assert isinstance(first, cv.Failure)
    assert first.stage == "decode"
    assert str(first.error) == f"{upload}: changed while it was in use; give each photo a file of its own"
    assert second.risk == inspector.inspect([photos[1]])[0].risk
    assert isinstance(gone, cv.Failure)
    assert str(gone.error).startswith((f"{brief}: cannot be read", f"{brief}: changed while it was in use"))
    assert [failure.id for failure in two.failures] == ["two photo 2"]
    assert len(two.photos) == 1


def test_by_brand_each_photo_is_ranked_among_its_brands(catalog: cv.Catalog, market: cv.market.Market) -> None:
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, alpha=0.2, by="brand")
    calibration = inspector.calibration
    assert calibration is not None
    assert set(calibration.strata) == {reference.brand for reference in catalog.references}
    assert "each brand by itself" in inspector.inspect([]).about["Calibration"]
    for verdict in inspector.inspect(market.listings).verdicts:
        own = calibration.merged[calibration.peers(verdict.brand or "")]
        if verdict.brand is not None:
            assert verdict.p_value == pytest.approx((1 + (own >= verdict.statistics[0]).sum()) / (1 + len(own)))
    with pytest.raises(cv.InputError, match="by='colour'"):
        cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, by="colour")  # type: ignore[arg-type]
    with pytest.raises(cv.InputError, match="per='seller'"):
        cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, per="seller")  # type: ignore[arg-type]


def test_one_category_only_can_not_be_calibrated_by_category(
    market: cv.market.Market, lite: Encoder, catalog: cv.Catalog
) -> None:
    references = [dataclasses.replace(r, category="bag") for r in read_references(market.catalogue)]
    one = cv.Catalog.build(references, encoder=lite)
    with pytest.raises(cv.InputError, match="all genuine photos are of one category, bag"):
        cv.Inspector(one, quick_heads()).calibrate(market.calibration, by="category")


def test_groups_of_sellers_are_what_the_promise_counts(catalog: cv.Catalog, market: cv.market.Market) -> None:
    sellers = [f"seller {n // 2}" for n in range(PER_MARKET["calibration"])]
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, groups=sellers, alpha=0.1)
    assert inspector.calibration is not None
    assert (inspector.calibration.count, len(inspector.calibration.merged)) == (9, 18)
    assert "18 photos of 9 groups" in inspector.inspect([]).about["Calibration"]
    with pytest.raises(cv.InputError, match=r"20 groups \(40 genuine photos\) are too few for alpha=0.05"):
        inspector.calibrate(market.calibration, groups=sellers)
    photos = cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, groups=sellers, alpha=0.05, per="photo")
    assert photos.calibration is not None
    assert photos.calibration.count == 20  # whole sellers, until 19 photos are reached
    about = photos.inspect([]).about
    assert about["Calibration"].startswith("20 photos of 10 groups, each photo counted, for p-values")
    assert about["Alarm level"].endswith("of photos of these 10 groups, not of a new one")


def test_left_out_in_turn_all_genuine_photos_rank_and_alpha_is_promised(
    catalog: cv.Catalog, market: cv.market.Market, tmp_path: Path
) -> None:
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(market.calibration, alpha=0.1, leave_one_out=True)
    assert inspector.calibration is not None
    assert inspector.calibration.count == inspector.calibration.fitted_on == PER_MARKET["calibration"]
    report = inspector.inspect(market.listings, strict=True)
    assert (
        "at most 10 % of genuine listings like those that calibrated are suspected, on average; none was kept "
        in report.about["Alarm level"]
    )
    assert "none kept aside and each left out in turn" in report.about["Calibration"]
    alarm = next(verdict for verdict in report.verdicts if verdict.decision == "suspected")
    assert f"At most {at_most(alarm.p_value, 0.1)} % of genuine listings" in alarm.reason
    again = cv.Inspector.load(inspector.save(tmp_path / "i"), catalog, quick_heads())
    assert plain(again.inspect(market.listings)) == plain(report)
    with pytest.raises(cv.InputError, match="leave_one_out is for genuine photos alone"):
        inspector.calibrate(market.calibration, fakes=market.calibration, leave_one_out=True)


def test_fakes_labelled_genuine_are_doubted(catalog: cv.Catalog, market: cv.market.Market) -> None:
    genuine = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(genuine, alpha=0.1)
    assert inspector.doubts == ()
    given_away = [dataclasses.replace(item, price=0.01) for item in genuine[:3]]
    with pytest.warns(RuntimeWarning, match=f"3 are so unlike the others, .* look: {given_away[0].id}, "):
        inspector.calibrate([*given_away, *genuine[3:]], alpha=0.1)
    assert inspector.doubts == tuple(item.id for item in given_away)


def test_grey_market_is_said_in_the_verdict(catalog: cv.Catalog, market: cv.market.Market) -> None:
    inspector = cv.Inspector(catalog, quick_heads(), authorised=[("bazaar", "store")]).calibrate(
        market.calibration, alpha=0.1
    )
    genuine = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)][:8]
    cheap = [dataclasses.replace(item, price=0.01) for item in genuine]
    verdicts = inspector.inspect(cheap, strict=True)
    grey = [verdict for verdict in verdicts if "Grey market" in verdict.reason]
    assert len(grey) >= 4
    assert all(verdict.decision == "review" and "out of range" in verdict.reason for verdict in grey)
    assert all("Grey market" not in verdict.reason for verdict in inspector.inspect(genuine, strict=True))


def test_what_is_not_in_the_catalogue_is_not_judged(inspector: cv.Inspector) -> None:
    noise = [np.random.default_rng(seed).integers(0, 255, (200, 200, 3), np.uint8) for seed in range(4)]
    assert inspector.calibration is not None
    for verdict in inspector.inspect(noise):
        assert verdict.decision == "insufficient_evidence"
        assert verdict.product is None
        assert verdict.claims["similarity"].p_value == 1 / (inspector.calibration.count + 1)  # none ranks lower


class Marked:
    """Stands for the claim about marks: it finds some on every photo."""

    name = "mark"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(score=0.1, text="Found.", region=cv.Region(0, 0, 9, 9)) for _ in range(len(suspects))]


def test_what_bears_the_marks_of_the_claimed_product_is_judged_however_odd_it_looks(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    inspector = cv.Inspector(catalog, [Similarity(), Marked()]).calibrate(market.calibration, alpha=0.1)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    taught = inspector.calibration
    assert taught is not None
    names = {"claimed": catalog.products[0], "unheard": "of no brand", "silent": None}
    offers = [cv.Listing(id=offer, photos=[noise], product=name) for offer, name in names.items()]
    never, always = (np.full_like(taught.margins, margin) for margin in (np.inf, -np.inf))  # does noise stand out
    inspector.calibration = dataclasses.replace(taught, margins=never)
    claimed, unheard, silent = inspector.inspect(offers, strict=True)
    assert claimed.decision == "suspected"
    assert claimed.product is not None
    assert unheard.decision == silent.decision == "insufficient_evidence"
    assert "Marks of the catalogue" in silent.reason
    assert claimed.p_value == silent.p_value
    inspector.calibration = dataclasses.replace(taught, margins=always)
    assert all(verdict.decision == "suspected" for verdict in inspector.inspect(offers, strict=True))


class Misspelt:
    """Stands for the claim about the brand's name: on photos of noise it is read a letter off."""

    name = "wordmark"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        noise = [len(np.unique(suspects.pixels(row)[::9, ::9])) > 250 for row in range(len(suspects))]
        read = cv.Evidence(score=1.0, text="It reads.", region=cv.Region(0, 0, 9, 9))
        return [read if yes else cv.Evidence.not_applicable("No mark to read.") for yes in noise]


def test_goods_that_bear_nearly_the_brands_name_are_judged(catalog: cv.Catalog, market: cv.market.Market) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    offer = cv.Listing(id="knock-off", photos=[noise], product=catalog.products[0])
    silent, told = (
        cv.Inspector(catalog, heads).calibrate(market.calibration, alpha=0.1).inspect([offer], strict=True)[0]
        for heads in ([Similarity()], [Similarity(), Misspelt()])
    )
    assert (silent.decision, told.decision) == ("insufficient_evidence", "suspected")


def test_a_picture_of_a_listing_counts_once_however_its_file_is_written(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict]
) -> None:
    photos = [market.folder / row["photos"][0] for row in rows if row["label"] == "fake"][:1]
    photos += [market.folder / row["photos"][0] for row in rows if row["label"] == "genuine"][:1]
    again = [photos[1].read_bytes() + bytes(1), decode(photos[1]).pixels]
    asked = [cv.Listing(id="two", photos=photos), cv.Listing(id="four", photos=[*photos, *again])]
    (_, two, _), (_, four, _) = judging.judge(asked, inspector.catalog, inspector.heads, cache=False)
    assert len({row.photo.sha256 for row in four}) == 4
    assert judging.distinct(four) == judging.distinct(two) == [0, 1]
    twice, more = inspector.inspect(asked, strict=True)
    assert len(more.photos) == 4
    assert (more.p_value, more.decision) == (twice.p_value, twice.decision)


class Copied:
    """Stands for the claim about copies: on photos without colour it finds one."""

    name = "reuse"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        grey = [bool(np.ptp(suspects.pixels(row).mean(axis=(0, 1))) < 1) for row in range(len(suspects))]
        return [cv.Evidence(score=COPY + 1 if yes else 0.1, text="Told.", references=("a",)) for yes in grey]


def test_a_copy_of_a_catalogued_photo_is_known_however_it_was_disguised(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    inspector = cv.Inspector(catalog, [Similarity(), Copied()]).calibrate(market.calibration, alpha=0.1)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    other, copied = inspector.inspect(
        [(noise // (1, 2, 3)).astype(np.uint8), np.repeat(noise[..., :1], 3, axis=2)], strict=True
    )
    assert other.decision == "insufficient_evidence"
    assert copied.decision == "suspected"
    assert copied.product is not None


def test_a_photo_called_genuine_is_doubted_as_a_copy_of_a_known_fake_and_not_of_a_genuine_photo(
    catalog: cv.Catalog, market: cv.market.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 255, (200, 200, 1), np.uint8), 3, axis=2)
    genuine = [*read_listings(market.calibration), cv.Listing(id="copied", photos=[grey])]
    inspector = cv.Inspector(catalog, [Copied()]).calibrate(genuine, alpha=0.1)
    assert inspector.doubts == ()
    monkeypatch.setitem(vars(catalog), "known_fakes", frozenset("a"))
    with pytest.warns(RuntimeWarning, match="somebody should look: copied"):
        inspector.calibrate(genuine, alpha=0.1)
    assert inspector.doubts == ("copied",)


class Alike:
    """Stands for the claim of likeness to the catalogue, and finds every photo alike."""

    name = "similarity"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(score=0.1, text="Told.") for _ in range(len(suspects))]


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_blank_photo_shows_nothing_that_is_known_however_like_a_packshots_ground_it_is(
    level: int, catalog: cv.Catalog, market: cv.market.Market
) -> None:
    inspector = cv.Inspector(catalog, [Alike()]).calibrate(market.calibration, alpha=0.1)
    blank, tag = np.full((200, 300, 3), level, np.uint8), np.full((200, 300, 3), level, np.uint8)
    tag[90:110, 140:160] = (200, 30, 60)
    nothing, small = inspector.inspect([blank, tag], strict=True)
    assert (nothing.decision, nothing.product) == ("insufficient_evidence", None)
    assert small.product is not None


def test_calibrating_names_what_it_could_not_use(catalog: cv.Catalog, market: cv.market.Market) -> None:
    genuine = [*read_listings(market.calibration), cv.Listing(id="broken", photos=[b"no photo"])]
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(genuine, alpha=0.1)
    assert [failure.id for failure in inspector.failures] == ["broken"]


def test_photos_of_the_catalogue_are_no_calibration(catalog: cv.Catalog, market: cv.market.Market) -> None:
    photos = [reference.photo for reference in read_references(market.catalogue)]
    with pytest.raises(cv.InputError, match=f", .*, .* and {len(photos) - 5} more are photos of the catalogue"):
        cv.Inspector(catalog, quick_heads()).calibrate(photos)
    with pytest.raises(cv.InputError, match="is a photo of the catalogue"):
        cv.Inspector(catalog, quick_heads()).calibrate([*read_listings(market.calibration), photos[0]])


def test_a_claim_that_no_genuine_photo_could_make_is_named_as_not_counted(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    listings = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    photos = [photo for listing in listings for photo in listing.photos]
    inspector = cv.Inspector(catalog, [Similarity(), Product()]).calibrate(photos, alpha=0.2)
    named, unnamed = inspector.inspect([listings[0], photos[0]], strict=True)
    told = " Not counted against it, as too few genuine photos that calibrated make it: Claimed product."
    assert told in named.reason
    assert "Product" not in unnamed.reason
    assert "Not counted" not in unnamed.reason
    assert any("uncounted" in line for line in str(named.explain()).splitlines())


class Absent:
    """A head that can do without what it needs, and then says why."""

    name = "absent"
    unable: str | None = None

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        if self.unable is not None:
            return [cv.Evidence.not_applicable(self.unable) for _ in suspects.listings]
        return [cv.Evidence(score=float(vector[0]), text="As bright as it is.") for vector in suspects.photos.vectors]


def test_a_claim_that_was_calibrated_and_cannot_be_made_here_is_told_of(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    head = Absent()
    inspector = cv.Inspector(catalog, [Similarity(), head]).calibrate(market.calibration, alpha=0.1)
    able = inspector.inspect(market.listings)  # warns of nothing
    assert not any("Not asked" in verdict.reason for verdict in able)
    head.unable = "There is nothing to read with."
    with pytest.warns(RuntimeWarning, match=r"absent makes no claim, though it was calibrated: There is") as warned:
        report = inspector.inspect(market.listings)
    assert [warning.filename for warning in warned] == [__file__]
    assert report.about.items() - able.about.items() == {("Not asked: Absent", head.unable)}
    told = " Not asked, though it was calibrated, as what it needs is absent here: Absent."
    assert all(verdict.reason.endswith(told) for verdict in report)


def can(red: int, seed: int) -> np.ndarray:
    """A can that is more like the blue one or the red one; ``seed`` of its noise."""
    pixels = np.full((60, 60, 3), (red, 90, 200 - red), np.int16)
    pixels[20:40, 15:45] = (220, 220, 200)
    return np.clip(pixels + np.random.default_rng(seed).integers(-9, 10, pixels.shape), 0, 255).astype(np.uint8)


def between_cans(encoder: TowerEncoder, *goods: tuple[str, str]) -> list[cv.Verdict]:
    """On cans from a blue to a red one, which are of these brands and products; the most doubtful verdict first."""
    rows = [
        cv.Reference(id=f"{red} {seed}", photo=can(red, seed), brand=brand, product=product)
        for (brand, product), red in zip(goods, (10, 190), strict=True)
        for seed in range(2)
    ]
    catalog = cv.Catalog.build(rows, encoder=encoder, cache=False)
    genuine, others = ([can(red, seed) for red in range(0, 201, 5)] for seed in (8, 9))
    inspector = cv.Inspector(catalog, [Loud()], cache=False).calibrate(genuine, alpha=0.1)
    return sorted(inspector.inspect(others, strict=True), key=lambda verdict: verdict.margin_p)


def test_the_runner_up_is_named_with_its_brand_where_that_is_another(tiny_encoder: TowerEncoder) -> None:
    one = between_cans(tiny_encoder, ("Nestle", "can"), ("Coca Cola", "can"))[0]
    named = {"Nestle": "can of Coca Cola", "Coca Cola": "can of Nestle"}
    assert one.runner_up == named[str(one.brand)]
    assert f"Nearest product: can ({one.brand})" in str(one.explain())
    assert f"It may as well be {one.runner_up}, which is nearly as alike." in str(one.explain())
    other = between_cans(tiny_encoder, ("Nestle", "blue"), ("Nestle", "red"))[0]
    assert {other.product, other.runner_up} == {"blue", "red"}


def test_one_of_the_brand_that_is_as_near_is_named_however_usual_that_is(
    tiny_encoder: TowerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every product has a twin in the catalogue, no lead is unusually small."""
    monkeypatch.setattr("counterfeit_vision.decision.deciding.UNSURE", 0)
    monkeypatch.setattr(
        "counterfeit_vision.decision.deciding.CLOSE", 0.03
    )  # the least lead is 0.028: few cans, a tiny encoder
    cans = between_cans(tiny_encoder, ("Nestle", "blue"), ("Nestle", "red"))
    told = [can for can in cans if can.runner_up is not None]
    assert told
    assert all({can.product, can.runner_up} == {"blue", "red"} for can in told)
    assert max(can.margin_p for can in told) <= min(can.margin_p for can in cans if can.runner_up is None)
    assert between_cans(tiny_encoder, ("Nestle", "can"), ("Coca Cola", "can"))[0].runner_up is None


def test_uncalibrated_it_refuses_and_says_what_to_do(catalog: cv.Catalog) -> None:
    with pytest.raises(cv.NotCalibratedError, match=r"inspector\.calibrate\(genuine=photos\)"):
        cv.Inspector(catalog).inspect([])


def test_a_false_claim_is_less_like_the_photo(
    inspector: cv.Inspector, catalog: cv.Catalog, market: cv.market.Market
) -> None:
    """One photo under its true and under a false claim: only the claim about the product changes, for the worse."""
    listings = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)][:6]
    for listing in listings:
        other = next(r.product for r in catalog.references if r.brand != listing.brand)
        true, false = inspector.inspect([listing, dataclasses.replace(listing, id="x", product=other)])
        assert false.claims["product"].score > true.claims["product"].score
        assert false.claims["similarity"].score == true.claims["similarity"].score
        assert false.risk >= true.risk


class Loud:
    """A user's own head: brightness. It uses the same door as the library's."""

    name = "loud"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(score=float(vector[0]), text="As bright as it is.") for vector in suspects.photos.vectors]


def test_a_users_own_head_uses_the_same_door(catalog: cv.Catalog, market: cv.market.Market) -> None:
    inspector = cv.Inspector(catalog, heads=[Loud()]).calibrate(market.calibration, alpha=0.1)
    verdict = inspector.inspect(market.listings)[0]
    assert set(verdict.claims) == {"loud"}
    assert not math.isnan(verdict.claims["loud"].score)
    with pytest.raises(cv.InputError, match="different names"):
        cv.Inspector(catalog, heads=[Loud(), Loud()])


def test_every_head_speaks_by_default(catalog: cv.Catalog, market: cv.market.Market) -> None:
    genuine = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)][:20]
    inspector = cv.Inspector(catalog).calibrate(genuine, alpha=0.2)
    listings = [item for item in read_listings(market.listings) if isinstance(item, cv.Listing)][:2]
    for verdict in inspector.inspect(listings, strict=True):
        assert verdict.claims.keys() == {head.name for head in default_heads()}
        assert not verdict.claims["title"].applicable
        for evidence in verdict.claims.values():
            assert evidence.text
            assert evidence.applicable != math.isnan(evidence.score)


def test_a_claim_that_no_genuine_photo_could_make_is_shown_and_not_counted(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    """Photos have no price: what is usual for prices is then unknown, so a price can't make anything suspicious."""
    genuine = [item.photos[0] for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(genuine, alpha=0.1)
    listing = next(item for item in read_listings(market.listings) if isinstance(item, cv.Listing))
    cheap = dataclasses.replace(listing, id="cheap", price=0.01)
    usual, cut = inspector.inspect([listing, cheap], strict=True)
    assert cut.claims["price"].score > usual.claims["price"].score
    assert cut.claims["price"].p_value is None
    assert (cut.risk, cut.p_value, cut.decision) == (usual.risk, usual.p_value, usual.decision)


def test_a_proven_copy_is_never_clear_unless_the_seller_is_authorised(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    heads = [Similarity(), Reuse()]
    inspector = cv.Inspector(catalog, heads, authorised=["store"]).calibrate(market.calibration, alpha=0.04)
    reference = read_references(market.catalogue)[0]
    stolen = cv.Listing(id="stolen", photos=[reference.photo])  # of no platform, so that an id alone is enough
    verdict, official = inspector.inspect([stolen, dataclasses.replace(stolen, id="own", seller="store")], strict=True)
    assert verdict.claims["reuse"].references[0] == reference.id
    assert verdict.decision in ("review", "suspected")
    assert official.decision != "suspected"


def test_a_genuine_photo_of_the_brands_beside_a_sellers_own_goes_to_a_person_and_its_file_alone_does(
    catalog: cv.Catalog, market: cv.market.Market
) -> None:
    inspector = cv.Inspector(catalog, [Similarity(), Reuse()]).calibrate(market.calibration, alpha=0.1)
    usual = next(one for one in inspector.inspect(market.calibration, strict=True) if one.p_value > 0.5)
    own = next(one for one in read_listings(market.calibration) if one.id == usual.id).photos[0]
    file = read_references(market.catalogue)[0].photo
    cut = decode(file).pixels[10:-10, 10:-10]
    beside, edited, alone, disguised = inspector.inspect(
        [cv.Listing(id=str(n), photos=photos) for n, photos in enumerate([[file, own], [own, cut], [file], [cut]])],
        strict=True,
    )
    for verdict, copy, photo in ((beside, "Photo 1: The very file", 0), (edited, "Photo 2: The same photo", 1)):
        assert (verdict.decision, verdict.claims["reuse"].photo) == ("review", photo)
        assert verdict.reason.startswith(copy)
        assert verdict.p_value >= usual.p_value
        assert verdict.risk == pytest.approx(usual.risk)
    assert alone.decision == "review"
    assert "All that it shows is in the catalogue" in alone.reason
    assert disguised.decision == "suspected"


def test_a_known_fake_is_named_before_a_genuine_photo_beside_it(market: cv.market.Market) -> None:
    first, second, *rest = read_references(market.catalogue)
    references = [first, dataclasses.replace(second, gallery="known_fake"), *rest]
    catalog = cv.Catalog.build(references, encoder=cv.load_encoder("efficientnet-lite0"))
    inspector = cv.Inspector(catalog, [Similarity(), Reuse()]).calibrate(market.calibration, alpha=0.1)
    verdict = inspector.inspect([cv.Listing(id="a", photos=[first.photo, second.photo])], strict=True)[0]
    assert verdict.decision == "suspected"
    assert verdict.reason.startswith(f"Photo 2: The very file of {second.id} (known fake).")
    own = [item.photos[0] for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    inspector.authorised = ["brand-store"]
    sold = cv.Listing(id="b", photos=[*own[:3], second.photo], seller="brand-store")
    verdict = inspector.inspect([sold], strict=True)[0]
    assert verdict.p_value > 0.1
    assert verdict.decision == "review"
    assert verdict.reason.startswith(f"Photo 4: The very file of {second.id} (known fake).")


# --- with labelled fakes ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(market: cv.market.Market) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Genuine photos, and fakes: the same goods in other colours."""
    listings = [item for item in read_listings(market.calibration) if isinstance(item, cv.Listing)]
    pixels = [decode(item.photos[0]).pixels for item in listings]
    return pixels[:28], [photo[..., ::-1].copy() for photo in pixels[28:]]


def test_with_fakes_risk_is_a_probability_and_claims_are_weighed(
    catalog: cv.Catalog, labelled: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)  # or colour tells, and it says so
    genuine, fakes = labelled
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(genuine, fakes=fakes, alpha=0.2)
    assert inspector.lesson is not None
    assert inspector.lesson.useful
    assert [head.name for head in inspector.heads][-1] == "learned"
    suspects = [photo[..., ::-1].copy() for photo in genuine[:6]] + genuine[:6]
    report = inspector.inspect(suspects, strict=True)
    assert all(verdict.probability == verdict.risk for verdict in report)
    risks = [verdict.risk for verdict in report]
    assert np.mean(risks[:6]) > np.mean(risks[6:])
    assert "learned" in report[0].claims
    again = cv.Inspector.load(inspector.save(tmp_path / "i"), catalog, quick_heads())
    assert plain(again.inspect(suspects)) == plain(report)

    rare = cv.Inspector(catalog, quick_heads(), base_rate=0.01).calibrate(genuine, fakes=fakes, alpha=0.2)
    assert all(a.risk < b.risk for a, b in zip(rare.inspect(suspects), report, strict=True))
    dear = cv.Inspector(catalog, quick_heads(), costs=(1e6, 1.0)).calibrate(genuine, fakes=fakes, alpha=0.2)
    judged = dear.inspect(suspects)
    assert report.counts["suspected"] > 0
    assert judged.counts["suspected"] == 0
    assert "the costs ask for" in next(
        v.reason for v, old in zip(judged, report, strict=True) if old.decision == "suspected"
    )
    monkeypatch.setattr(Calibration, "risk", lambda self, merged, *_: np.full(len(merged), 0.004))
    doubted = [item.reason for item in rare.inspect(suspects, strict=True) if item.decision == "suspected"]
    assert doubted
    assert all("the probability of a fake is below 1 %, where 1 % are expected" in reason for reason in doubted)


def test_fakes_of_sellers_that_p_values_come_from_are_not_learned_from(
    catalog: cv.Catalog, labelled: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has fakes of a new seller, so nobody may have them of the sellers he is ranked among."""
    genuine, fakes = labelled
    names = [f"seller {n}" for n in range(len(genuine))]
    seen: list[str] = []
    fit = learned.LearnedHead.fit_encoded

    def noted(self: object, genuine: list, fakes: list, groups: list[str]) -> object:
        seen.extend(photo.id for photo in fakes)
        return fit(self, genuine, fakes, groups)

    def taught(theirs: list[str]) -> list[str]:
        seen.clear()
        cv.Inspector(catalog, quick_heads()).calibrate(genuine, fakes=fakes, groups=[*names, *theirs], alpha=0.2)
        return [*seen]

    monkeypatch.setattr(learned.LearnedHead, "fit_encoded", noted)
    others = [f"other {n}" for n in range(len(fakes))]
    every = taught(others)
    assert len(every) == len(fakes)
    ranked = next(name for name in names if taught([name, *others[1:]]) != every)
    assert seen == every[1:]
    one = [ranked] * len(fakes)
    with pytest.raises(cv.InputError, match=f"{len(fakes)} of {len(fakes)} fakes are of groups whose genuine photos"):
        cv.Inspector(catalog, quick_heads()).calibrate(genuine, fakes=fakes, groups=[*names, *one], alpha=0.2)


def test_a_learned_head_that_a_thumbnail_equals_is_left_out(catalog: cv.Catalog, labelled: tuple) -> None:
    genuine, fakes = labelled
    inspector = cv.Inspector(catalog, quick_heads()).calibrate(genuine, fakes=fakes, alpha=0.2)
    assert inspector.lesson is not None
    assert not inspector.lesson.useful
    assert [head.name for head in inspector.heads] == ["similarity", "product", "price"]
    report = inspector.inspect(genuine[:2])
    assert "not shown to be useful" in report.about["Learned from fakes"]
    assert report[0].probability == report[0].risk


def test_what_needs_fakes_says_so(catalog: cv.Catalog, labelled: tuple) -> None:
    for options in ({"base_rate": 0.02}, {"costs": (10.0, 1.0)}):
        with pytest.raises(cv.InputError, match=r"need a probability: calibrate\(genuine=photos, fakes=photos\)"):
            cv.Inspector(catalog, quick_heads(), **options).calibrate(labelled[0])
    with pytest.raises(cv.InputError, match="base_rate=2"):
        cv.Inspector(catalog, base_rate=2)
    with pytest.raises(cv.InputError, match="costs="):
        cv.Inspector(catalog, costs=(0.0, 1.0))
    with pytest.raises(cv.InputError, match="3 fakes of 3 groups are too few"):
        cv.Inspector(catalog, quick_heads()).calibrate(labelled[0], fakes=labelled[1][:3], alpha=0.2)


def test_the_stream_is_lazy(
    inspector: cv.Inspector, market: cv.market.Market, rows: list[dict], no_threads_left: None
) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield cv.Listing(id=f"listing {taken}", photos=[market.folder / rows[taken % len(rows)]["photos"][0]])

    stream = inspector.stream(endless())
    first = next(stream)
    stream.close()
    assert first.id == "listing 1"
    assert taken < 300
