"""The report: content and order, nothing that runs or loads, same bytes for same results, and what people see."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from counterfeit_vision import pictures, report, wording
from counterfeit_vision.errors import DecodeError, InputError, MissingExtraError
from counterfeit_vision.evaluation import Evaluation, Judged
from counterfeit_vision.heads import default_heads
from counterfeit_vision.report import Explanation, Report
from counterfeit_vision.types import DECISIONS, Evidence, Failure, Listing, PhotoView, Region, Seller, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

MAGENTA, GREEN = (230, 0, 230), (0, 210, 60)


def view(id: str = "photo", colour: tuple[int, int, int] = MAGENTA, size: tuple[int, int] = (64, 48)) -> PhotoView:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "jpeg")
    return PhotoView(id, buffer.getvalue(), (size[0] * 10, size[1] * 10))


def heatmap(peak: float) -> np.ndarray:
    heat = np.full((7, 7), 0.1, np.float32)
    heat[2:4, 3:5] = peak
    return heat


def verdict(id: str = "a", decision: str = "suspected", risk: float = 0.9, p_value: float = 0.02, **changes) -> Verdict:
    fields = {
        "reason": f"Reason of {id}.",
        "product": "Runner 2",
        "brand": "Ostrelle",
        "claims": {
            "patches": Evidence(
                1.3,
                "The mark deviates.",
                0.01,
                region=Region(64, 48, 320, 240),
                heatmap=heatmap(1.3),
                references=("r1",),
            ),
            "similarity": Evidence(0.2, "Nearest product is Runner 2.", p_value=0.4),
            "wordmark": Evidence.not_applicable("No wordmark is known for this brand."),
        },
        "photos": (view("front.jpg"),),
        "genuine": (PhotoView("r1", view(colour=GREEN).jpeg, (640, 480), "Runner 2"),),
        "listing": Listing(
            id=id,
            photos=[],
            title=f"Title of {id}",
            price=1249.5,
            currency="EUR",
            seller=Seller("s-1", "Shoe Shop"),
            platform="example market",
            url="https://market.example/1?a=b&c=d",
        ),
    }
    return Verdict(id=id, decision=decision, risk=risk, p_value=p_value, **{**fields, **changes})


def failure(id: str = "broken") -> Failure:
    return Failure(id, "decode", DecodeError(f"{id}.jpg", "no image in it"))


@pytest.fixture
def results() -> list[Verdict | Failure]:
    return [
        verdict("calm", "clear", 0.05, 0.8),
        verdict("low", "suspected", 0.81),
        failure(),
        verdict("unsure", "insufficient_evidence", 0.5, 0.3, failures=(failure("second"),), stale=True),
        verdict("high", "suspected", 0.97, 0.004),
        verdict("look", "review", 0.6, 0.06),
    ]


def matches(count: int) -> np.ndarray:
    """Points on a photo of 640 x 480, and the same on one of that size, 20 pixels to the right."""
    x, y = np.linspace(20, 600, count), np.linspace(460, 20, count)
    return np.stack([x, y, x + 20, y], axis=1).astype(np.float32)


SEEN = {
    "reuse": Evidence(1.0, "The same photo as r1.", 0.01, references=("r1", "r2"), points=matches(100)),
    "wordmark": Evidence(
        0.4, "The mark reads OSTRELIE.", 0.1, crops=(view("mine", (250, 220, 0)), view("theirs", (0, 220, 250)))
    ),
}


class Page(HTMLParser):
    """Every element with its attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._styles = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._styles += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._styles -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._styles:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def assert_harmless(html: str) -> Page:
    """No script, no handler, nothing loaded but data: pictures, and links that only open web pages."""
    page = Page(html)
    forbidden = {"script", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert not forbidden & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("srcdoc", "srcset", "formaction")]
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name)
            if target is None:
                continue
            if tag == "a":
                assert target.startswith(("https://", "http://"))
                assert attributes["rel"] == "noopener noreferrer nofollow"
            else:
                assert target.startswith("#genuine-" if tag == "use" else "data:"), (tag, target[:60])
        style = attributes.get("style") or ""
        assert re.fullmatch(r"[a-z0-9:;.%-]*", style), style
    assert not re.search(r"url\(|@import", html)
    return page


# Sequence --------------------------------------------------------------------------------------------


def test_a_report_is_its_results_in_input_order(results):
    report = Report(results)
    assert list(report) == results
    assert len(report) == 6
    assert report[2] is results[2]
    assert report[-1] is results[-1]
    assert report["high"] is results[4]
    assert isinstance(report[1:3], Report)
    assert list(report[1:3]) == results[1:3]
    assert report.verdicts == tuple(r for r in results if isinstance(r, Verdict))
    assert report.failures == (results[2],)
    assert "look" in report
    assert results[3] in report
    assert "nobody" not in report
    assert verdict("calm") not in report
    for result in (pickle.loads(pickle.dumps(one)) for one in results):
        assert (result in report, report.count(result), report[report.index(result)]) == (True, 1, result)
    assert list(report.counts.items()) == [*zip(DECISIONS, (2, 1, 1, 1), strict=True), ("failures", 1)]
    assert repr(report) == ("<Report 6 listings: 2 suspected, 1 review, 1 insufficient evidence, 1 clear, 1 failure>")
    assert repr(Report([])) == "<Report 0 listings>"


def test_an_id_that_is_not_there_is_named(results):
    with pytest.raises(KeyError, match="no listing 'nobody' among the 6 listings"):
        Report(results)["nobody"]
    with pytest.raises(IndexError):
        Report(results)[6]


def test_of_two_results_with_one_id_the_first_is_found():
    assert Report([verdict("a", risk=0.9), verdict("a", risk=0.8)])["a"].risk == 0.9


def test_a_stranger_among_the_results_is_named():
    with pytest.raises(InputError, match=r"results\[1\] is a str, need a Verdict or a Failure"):
        Report([verdict(), "clear"])


# The page --------------------------------------------------------------------------------------------


def test_the_page_says_what_was_found(results):
    html = Report(results, title="Autumn check", about={"alpha": 0.05, "Catalogue": "412 photos"}).to_html()
    words = assert_harmless(html).words()
    for expected in (
        "Autumn check",
        "6 listings inspected",
        "412 photos",
        "Reason of high.",
        "Fine detail",
        "The mark deviates.",
        "No wordmark is known for this brand.",
        "Genuine photos as unusual",
        "Does not apply",
        "Compared with r1",
        "Heat map: Fine detail",
        "1,249.50 EUR",
        "Shoe Shop ( s-1 )",
        "https://market.example/1?a=b&c=d",
        "Stale",
        "second.jpg: no image in it",
        "DecodeError",
        "broken.jpg: no image in it",
        "P(suspected | genuine)",
        "left out in turn, twice that is what is proved",
        "No photo shows goods that the catalogue knows, or the claims disagree, or nothing unusual was seen but a",
        "not the probability",
    ):
        assert expected in words, expected
    assert "fake" not in html.lower()


def test_the_most_urgent_listing_comes_first_and_keeps_its_input_number(results):
    cards = re.findall(r'<details class="listing (\w+)" id="listing-(\d)"', Report(results).to_html())
    assert cards == [
        ("suspected", "5"),
        ("suspected", "2"),
        ("review", "6"),
        ("insufficient_evidence", "4"),
        ("clear", "1"),
    ]


def test_long_reports_keep_calm_listings_closed(results):
    few, many = (Report([r for r in results for _ in range(n)]).to_html() for n in (1, 5))
    closed = r'<details class="listing clear" id="listing-\d+">'
    assert not re.search(closed, few)
    assert len(re.findall(closed, many)) == 5
    assert re.search(r'<details class="listing suspected" id="listing-\d+" open>', many)


def test_the_policy_forbids_scripts_and_the_network(results):
    for html in (Report(results).to_html(), Explanation(results[0]).to_html()):
        policies = [m for m in Page(html).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1
        assert policies[0]["content"].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; ")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title><script src=https://evil.example/x.js></script>",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "javascript:alert(1)",
    "\x00\u202edesrever\x1b[31m",
    "lone \udc80 surrogate",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_seller_writes_stays_text(text, tmp_path):
    listing = Listing(
        id=text,
        photos=[],
        title=text,
        brand=text,
        product=text,
        price=1.0,
        currency=text,
        seller=Seller(text, text),
        platform=text,
        channel=text,
        region=text,
        url=text,
        captured_at=text,
    )
    broken = Failure(text, text, ValueError(text))
    photo = PhotoView(text, text.encode("utf-8", "replace"), (640, 480), text)
    claims = {
        text: Evidence(
            1.0,
            text,
            0.01,
            region=Region(0, 0, 9, 9),
            heatmap=heatmap(2),
            references=(text,),
            points=matches(3),
            crops=(photo, photo),
        ),
        f"{text} 2": Evidence.not_applicable(text),
    }
    bad = verdict(
        text,
        reason=text,
        product=text,
        brand=text,
        claims=claims,
        photos=(photo,),
        genuine=(photo,),
        listing=listing,
        failures=(broken,),
    )
    report = Report([bad, broken], title=text, about={text: text})
    clean = assert_harmless(Report([verdict(claims=SEEN), failure()], about={"a": "b"}).to_html())
    page = assert_harmless(report.to_html())
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in clean.elements}
    assert page.all("a") == []
    assert "49" not in page.words()
    for html in (Explanation(bad).to_html(), Explanation(bad)._repr_html_(), report._repr_html_()):
        assert_harmless(html)
    assert "\x1b" not in str(Explanation(bad))
    assert "\x00" not in str(Explanation(bad))
    folder = report.save(tmp_path / "out")
    assert [json.loads(line)["id"] for line in (folder / "verdicts.jsonl").read_text("utf-8").splitlines()] == [
        text
    ] * 2
    (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize("turn", [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))])
def test_a_seller_turns_nothing_around_on_the_page(turn):
    odd = f"mart{turn}ecalp"
    listing = Listing(
        id=odd,
        photos=[],
        title=odd,
        brand=odd,
        product=odd,
        seller=Seller("12345", odd),
        url=f"https://a.example/{odd}",
    )
    page = Report([verdict(odd, listing=listing)]).to_html()
    told = f"mart\\u{ord(turn):04x}ecalp"
    assert turn not in page
    assert f"<bdi>{told}</bdi> (<bdi>12345</bdi>)" in page
    assert f"<bdi>{told}</bdi> (<bdi>{told}</bdi>)" in page
    assert f"<bdi>https://a.example/{told}</bdi>" in page
    assert not Page(page).all("a"), "the address that is read is not the one that would open"
    assert wording.quoted(odd) == f"\N{LEFT DOUBLE QUOTATION MARK}{told}\N{RIGHT DOUBLE QUOTATION MARK}"


@pytest.mark.parametrize(
    ("price", "told"), [(1249.5, "1,249.50 BTC"), (0.0001, "0.0001 BTC"), (0, "0 BTC"), (2e9, "2,000,000,000.00 BTC")]
)
def test_a_small_price_is_not_shown_as_none(price, told):
    listing = Listing(id="a", photos=[], price=price, currency="BTC")
    assert f"<bdi>{told}</bdi>" in Report([verdict(listing=listing)]).to_html()


def test_marks_that_arabic_needs_stay():
    title = "\u062d\u0642\u064a\u0628\u0629 \u200f(\u062c\u062f\u064a\u062f)"
    assert f"<bdi>{title}</bdi>" in Report([verdict(listing=Listing(id="a", photos=[], title=title))]).to_html()


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "data:text/html,hi", "https://a b", " https://a", "HTTPS:x", "//x.example"]
)
def test_only_web_addresses_become_links(url):
    assert report._link(url) is None
    listing = Listing(id="a", photos=[], url=url)
    page = assert_harmless(Report([verdict(listing=listing)]).to_html())
    assert page.all("a") == []
    assert " ".join(url.split()) in page.words()


def test_each_genuine_photo_is_stored_once():
    many = Report([verdict(f"v{i}") for i in range(9)]).to_html()
    page = assert_harmless(many)
    assert len(page.all("image")) == 1
    assert len(page.all("use")) == 9
    assert [img["alt"] for img in page.all("img") if "Photo of" in (img["alt"] or "")] == [
        "Photo of the listing: front.jpg"
    ] * 9


def test_pictures_have_words_and_wait(results):
    page = Page(Report(results).to_html())
    assert page.all("img")
    for picture in page.all("img"):
        assert picture["alt"]
        assert picture["loading"] == "lazy"
        assert picture["decoding"] == "async"
    for drawing in page.all("svg"):
        assert drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])


def crops_of(page: Page) -> list[str]:
    return [img["alt"] for img in page.all("img") if img["alt"].startswith(("This listing:", "Genuine:"))]


def test_a_claim_shows_its_spot_beside_the_genuine_one():
    for page in (Report([verdict(claims=SEEN)]).to_html(), verdict(claims=SEEN)._repr_html_()):
        assert crops_of(assert_harmless(page)) == ["This listing: mine (Wordmark)", "Genuine: theirs (Wordmark)"]


def test_matched_points_join_the_two_photos():
    page = assert_harmless(verdict(claims=SEEN)._repr_html_())
    assert len(page.all("image")) == 2
    assert len(page.all("line")) == pictures.LINES
    assert len(page.all("circle")) == 2 * pictures.LINES
    assert "This listing and genuine r1 : 40 of 100 matched points" in page.words()
    drawing = pictures.matched(SEEN["reuse"], verdict())
    (_, left, width), (_, second_left, second_width) = drawing.photos
    assert left == 0
    assert second_left > width == second_width == pytest.approx(drawing.height * 4 / 3, rel=1e-3)
    for x0, y0, x1, y1 in drawing.lines:
        assert 0 <= x0 <= width
        assert x1 - second_left == pytest.approx(x0 + 20 / 640 * width, abs=0.1)
        assert y0 == y1
    heights = [y0 / drawing.height for _, y0, _, _ in drawing.lines]
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == pytest.approx((20 / 480, 460 / 480)), "from end to end"


def test_a_copied_photo_is_shown_beside_the_copy_though_it_is_no_near_one():
    pair = (view(), dataclasses.replace(view(), id="r9", caption="known fake"))
    claim = dataclasses.replace(SEEN["reuse"], references=("r9",), crops=pair)
    page = assert_harmless(verdict(claims={"reuse": claim})._repr_html_())
    assert len(page.all("line")) == pictures.LINES
    assert "This listing and known fake r9 : 40 of 100 matched points" in page.words()
    file = dataclasses.replace(claim, points=None)
    assert "Copied known fake" in assert_harmless(verdict(claims={"reuse": file})._repr_html_()).words()


def test_points_stand_alone_where_the_genuine_photo_is_not_shown():
    for genuine in ((), (PhotoView("r2", view().jpeg, (640, 480)),), (PhotoView("r1", b"", (640, 480)),)):
        page = assert_harmless(verdict(claims=SEEN, genuine=genuine)._repr_html_())
        assert not page.all("line")
        assert len(page.all("circle")) == pictures.LINES
        assert "beside r1 (not shown)" in page.words()


@pytest.mark.parametrize(
    "points", [np.zeros((0, 4)), np.full((9, 4), np.nan), np.full((9, 4), -5.0), np.full((9, 4), 5000.0)]
)
def test_points_off_the_photo_are_not_drawn(points):
    claim = dataclasses.replace(SEEN["reuse"], points=points.astype(np.float32))
    assert pictures.matched(claim, verdict()) is None
    assert not assert_harmless(verdict(claims={"reuse": claim})._repr_html_()).all("circle")


def test_a_point_that_lies_off_the_photo_takes_no_other_with_it():
    points = np.concatenate([matches(5), [[10, 10, np.inf, 3], [-1, 5, 5, 5]]]).astype(np.float32)
    assert pictures.matched(dataclasses.replace(SEEN["reuse"], points=points), verdict()).count == 5


def test_without_the_suspects_photo_there_is_nothing_to_draw_on():
    assert pictures.matched(SEEN["reuse"], verdict(photos=())) is None
    assert pictures.matched(SEEN["reuse"], verdict(photos=(PhotoView("gone", b"", (640, 480)),))) is None
    assert_harmless(verdict(claims=SEEN, photos=())._repr_html_())


def test_matched_photos_and_crops_are_kept_small():
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (900, 1200, 3), np.uint8)).save(buffer, "jpeg", quality=90)
    big = PhotoView("r1", buffer.getvalue(), (1200, 900))
    claims = {"reuse": SEEN["reuse"], "patches": dataclasses.replace(SEEN["wordmark"], crops=(big, big))}
    bare = verdict(claims={}, photos=(big,), genuine=(big,))
    assert len(dataclasses.replace(bare, claims=claims)._repr_html_()) < len(bare._repr_html_()) + 0.6 * len(big.jpeg)


def test_a_probability_is_called_one(results):
    likely = verdict("sure", probability=0.874, risk=0.874)
    assert str(likely.explain()).startswith("sure: SUSPECTED, probability of a fake 87 %\n")
    for html in (Report([likely]).to_html(), Report([likely])._repr_html_(), likely.explain().to_html()):
        words = assert_harmless(html).words()
        assert "probability of a fake" in words.lower()
        assert "87 %" in words
        assert "0.87" not in words
        assert "only its order counts" not in words
    assert "only its order counts" in assert_harmless(Report(results).to_html()).words()


def test_a_notebook_shows_the_facts(results):
    page = assert_harmless(Report(results, about={"Catalogue": "412 photos"})._repr_html_())
    assert "How this was made" in page.words()
    assert "412 photos" in page.words()
    assert "How this was made" not in assert_harmless(Report(results)._repr_html_()).words()


def test_what_lacks_evidence_is_given_no_share_and_no_bar_of_risk():
    unsure = verdict("unsure", "insufficient_evidence", 0.5, 0.05, claims={})
    for html in (Report([unsure]).to_html(), Report([unsure])._repr_html_(), unsure.explain().to_html()):
        page = assert_harmless(html)
        assert "Reason of unsure." in page.words()
        assert "1 in 20 genuine listings" not in page.words()
        assert not [span for span in page.all("span") if span.get("class") == "track"]
    assert "1 in 20" not in str(unsure.explain())


def test_a_photo_is_shown_with_the_first_digits_of_its_hash():
    photo = dataclasses.replace(view("front.jpg"), sha256="0123456789abcdef" * 4)
    words = assert_harmless(Report([verdict(photos=(photo,))]).to_html()).words()
    assert "front.jpg 0123456789ab Heat map" in words


def test_several_boxes_are_told_apart_by_their_numbers():
    boxes = {name: Evidence(1.0, "t", 0.01, region=Region(9, 9, 99, 99)) for name in ("wordmark", "patches")}
    page = assert_harmless(Report([verdict(claims=boxes)]).to_html())
    assert "Boxes: 1 Wordmark, 2 Fine detail" in page.words()
    assert len(page.all("b")) == len(assert_harmless(Report([verdict()]).to_html()).all("b")) + 2
    assert "Box: Fine detail" in Page(Report([verdict()]).to_html()).words()


def test_thousands_are_set_apart_and_the_listings_have_a_heading():
    page = Page(Report([failure(str(n)) for n in range(1200)] + [verdict()]).to_html())
    assert "All 1,201 " in page.words()
    assert "No verdict 1,200 " in page.words()
    headings = [(tag, attributes) for tag, attributes in page.elements if tag in ("h2", "h3")]
    assert headings[headings.index(("h3", {})) - 1] == ("h2", {"class": "away"})


def test_ids_on_the_page_are_unique(results):
    ids = [attributes["id"] for _, attributes in Page(Report(results).to_html()).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_empty_reports_say_so():
    words = assert_harmless(Report([]).to_html()).words()
    assert "No listing got a verdict." in words
    assert "No failures." in words
    only_failures = assert_harmless(Report([failure()]).to_html()).words()
    assert "No listing got a verdict." in only_failures
    assert "broken.jpg" in only_failures
    assert "No failures: every listing got a verdict." in assert_harmless(Report([verdict()]).to_html()).words()


def test_bare_verdicts_are_shown_too():
    bare = Verdict(
        id="x",
        decision="insufficient_evidence",
        risk=0.5,
        p_value=float("nan"),
        reason="No photo could be used.",
        product=None,
        brand=None,
        claims={},
    )
    words = assert_harmless(Report([bare]).to_html()).words()
    assert "No product of the catalogue is near." in words
    assert "none in the catalogue" in str(bare.explain())
    assert_harmless(Report([bare])._repr_html_())


def test_a_claim_that_was_never_calibrated_says_that_it_does_not_count():
    odd = verdict(claims={"price": Evidence(1.0, "The listing asks 2.00 EUR.")})
    words = assert_harmless(Report([odd]).to_html()).words()
    assert "The listing asks 2.00 EUR. Not calibrated: does not count" in words
    assert "not measured" not in words
    assert "  Price             uncounted  The listing asks 2.00 EUR." in str(odd.explain()).splitlines()


def test_odd_pictures_do_not_break_the_page():
    claims = {
        "patches": Evidence(1.0, "t", None, photo=7, heatmap=heatmap(2), region=Region(0, 0, 5, 5)),
        "learned": Evidence(1.0, "t", np.float32(0.5), heatmap=np.full((3, 3), np.nan, np.float32)),
    }
    odd = verdict(claims=claims, photos=(PhotoView("gone", b"", (10, 10)), PhotoView("bad", b"no jpeg", (9000, 3))))
    html = Report([odd]).to_html()
    assert "No picture was kept of gone" in assert_harmless(html).words()
    assert 'class="heat' not in html
    assert_harmless(Report([odd])._repr_html_())
    assert_harmless(Report([dataclasses.replace(odd, photos=odd.photos[1:])])._repr_html_())


def test_five_hundred_listings_render_fast():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).resize((320, 320))
    buffer = io.BytesIO()
    noise.save(buffer, "jpeg", quality=80)
    photo = PhotoView("p", buffer.getvalue(), (640, 640))
    many = [verdict(f"v{i}", DECISIONS[i % 4], i / 500, photos=(photo,)) for i in range(500)]
    Report(many[:1]).to_html()
    start = time.process_time()  # other tests run beside this one
    html = Report(many).to_html()
    assert time.process_time() - start < 5
    assert html.count("<details") == 500
    assert len(html) < 500 * (4 / 3 * len(photo.jpeg) + 15_000)


# Files -----------------------------------------------------------------------------------------------


def test_a_saved_folder_has_the_page_and_one_line_a_result(results, tmp_path):
    folder = Report(results).save(tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "verdicts.jsonl"]
    rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert [(row["kind"], row["id"]) for row in rows] == [
        ("failure" if isinstance(result, Failure) else "verdict", result.id) for result in results
    ]
    for row, result in zip(rows, results, strict=True):
        assert row == {"kind": row["kind"], **result.to_dict()}


def test_what_json_cannot_say_becomes_null(tmp_path):
    claims = {"x": Evidence(np.float32(1), "t", p_value=np.float64("nan"), heatmap=np.full((1, 1), np.inf, np.float32))}
    folder = Report([verdict(p_value=float("nan"), risk=np.float32(0.5), claims=claims)]).save(tmp_path)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    row = json.loads((folder / "verdicts.jsonl").read_text("utf-8"), parse_constant=refuse)
    assert row["p_value"] is None
    assert row["risk"] == 0.5
    assert row["claims"]["x"]["p_value"] is None
    assert row["claims"]["x"]["heatmap"] == [[None]]


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    first, second = (Report(results, about={"alpha": "0.05"}).save(tmp_path / name) for name in "ab")
    for name in ("report.html", "verdicts.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_saving_to_a_page_and_over_an_old_one(results, tmp_path):
    target = tmp_path / "x" / "page.HTML"
    assert Report([]).save(target) == target
    assert Report(results).save(str(target)) == target
    assert "Reason of high." in target.read_text("utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["page.HTML"]


def test_a_save_that_fails_leaves_the_old_page(results, tmp_path, monkeypatch):
    target = Report([]).save(tmp_path / "page.html")
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(report.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        Report(results).save(target)
    assert target.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_not_taken_for_a_folder(results, tmp_path):
    taken = tmp_path / "notes.txt"
    taken.write_text("mine")
    with pytest.raises(InputError, match=r"name a folder, or a file that ends in \.html"):
        Report(results).save(taken)
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("name", ["results.csv", "results.JSONL", "results.htm"])
def test_a_folder_is_not_named_like_a_table(results, tmp_path, name):
    with pytest.raises(InputError, match=r"a folder is written here, no \.\w+ file; .*report\.to_frame\(\)\.to_csv"):
        Report(results).save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).mkdir()  # who made it wants it so
    assert (Report(results).save(tmp_path / name) / "verdicts.jsonl").exists()


def test_a_folder_is_not_taken_for_a_page(results, tmp_path):
    (tmp_path / "x.html").mkdir()
    for page in (Report(results), Explanation(results[0])):
        with pytest.raises(InputError, match=r"x\.html: that is a folder; name a file"):
            page.save(tmp_path / "x.html")


def test_a_result_is_one_line_whatever_a_program_takes_for_the_end_of_one(tmp_path: Path):
    odd = "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\r\nj"
    Report([verdict(id=odd, reason=odd), verdict()]).save(tmp_path / "r")
    lines = (tmp_path / "r" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [odd, verdict().id]


# Frame and plot --------------------------------------------------------------------------------------


def test_the_frame_has_one_row_a_result(results):
    pytest.importorskip("pandas")
    frame = Report(results).to_frame()
    assert list(frame.columns) == [
        "id",
        "decision",
        "risk",
        "probability",
        "p_value",
        "product",
        "runner_up",
        "brand",
        "reason",
        "patches_score",
        "patches_p",
        "similarity_score",
        "similarity_p",
        "wordmark_score",
        "wordmark_p",
        "failure",
    ]
    assert list(frame["id"]) == [result.id for result in results]
    assert frame["risk"].dtype == frame["patches_p"].dtype == "float64"
    assert frame.loc[4, "patches_score"] == 1.3
    assert frame.loc[4, "patches_p"] == 0.01
    assert frame["wordmark_score"].isna().all()
    assert frame.loc[2, "failure"] == "broken.jpg: no image in it"
    assert np.isnan(frame.loc[2, "risk"])
    assert frame["probability"].isna().all()
    assert frame.loc[3, "failure"] == "second.jpg: no image in it"  # of a listing that was judged by its other photo
    assert frame.loc[3, "decision"] is not None
    assert frame["failure"].notna().sum() == 2


def test_the_frame_names_each_photo_of_a_judged_listing_that_failed():
    pytest.importorskip("pandas")
    failed = tuple(Failure(name, "decode", DecodeError(name, "no image in it")) for name in ("a.jpg", "b.jpg"))
    frame = Report([verdict(failures=failed)]).to_frame()
    assert frame["failure"].tolist() == ["a.jpg: no image in it; b.jpg: no image in it"]


def test_no_claim_has_a_column_that_is_called_like_something_else_of_a_verdict():
    columns = {f"{head.name}_{kind}" for head in default_heads() for kind in ("score", "p")}
    assert not columns & {field.name for field in dataclasses.fields(Verdict)}


def test_an_empty_frame_has_the_fixed_columns():
    pytest.importorskip("pandas")
    frame = Report([]).to_frame()
    assert len(frame) == 0
    assert "decision" in frame.columns
    assert frame["risk"].dtype == "float64"


@pytest.mark.parametrize(
    ("method", "module", "extra"), [("to_frame", "pandas", "frame"), ("plot", "matplotlib.pyplot", "plot")]
)
def test_an_absent_extra_names_its_line(method, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'counterfeit-vision\[{extra}\]'"):
        getattr(Report([]), method)()


def test_the_plot_shows_counts_and_risks(results, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for some in (results, []):
        figure = Report(some).plot()
        bars, spread = figure.axes
        assert [bar.get_width() for bar in bars.patches] == [Report(some).counts[decision] for decision in DECISIONS]
        assert spread.get_xlabel() == "risk"
        if some:
            counts = [*bars.get_xticks(), *spread.get_yticks()]
            assert all(float(count).is_integer() for count in counts), counts
        figure.savefig(tmp_path / "plot.png")
    from matplotlib import pyplot

    assert not pyplot.get_fignums()


# Notebook and terminal -------------------------------------------------------------------------------


def test_the_notebook_table_is_short(results):
    html = Report([verdict(f"v{i}") for i in range(31)] + [failure()])._repr_html_()
    page = assert_harmless(html)
    assert html.count('<tr class="suspected">') == 20
    assert "and 11 listings more" in page.words()
    assert "broken" in page.words()
    assert len(html) < 100_000
    assert all(len(img["src"] or "") < 8_000 for img in page.all("img"))
    assert "more;" not in Page(Report(results)._repr_html_()).words()


def test_notebook_styles_stay_inside_their_box():
    css = (Path(report.__file__).parent / "templates" / "style.css").read_text("utf-8")
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    selectors = [
        part for rule in re.findall(r"([^{}]+)\{", css) if "@" not in rule for part in rule.split("\n") if part.strip()
    ]
    for selector in selectors:
        assert selector.strip().startswith(".cv"), selector


def test_plots_have_the_colours_of_the_page():
    style = (Path(report.__file__).parent / "templates" / "style.css").read_text("utf-8")
    for decision, colour in report.COLOURS.items():
        assert f"--{decision}: {colour};" in style


def test_explanations_print_as_text(results):
    text = str(results[4].explain())
    assert text == repr(results[4].explain())
    assert text.splitlines() == [
        "high: SUSPECTED, risk 0.97",
        "Reason of high.",
        "Nearest product: Runner 2 (Ostrelle)",
        "  Fine detail       p 0.010    The mark deviates.",
        "  Known product     p 0.400    Nearest product is Runner 2.",
        "  Wordmark          no say     No wordmark is known for this brand.",
        "  nearest genuine   Runner 2 [r1]",
    ]
    assert "photo second failed in decode: second.jpg: no image in it" in str(results[3].explain())
    assert "Stale" in str(results[3].explain())


def test_the_columns_of_an_explanation_are_as_wide_as_its_longest_name():
    claims = {name: Evidence(1.0, "Seen.", 0.01) for name in ("colours", "ink")}
    lines = str(verdict(claims=claims).explain()).splitlines()[-3:]
    assert [line.index(word) for line, word in zip(lines, ("p 0", "p 0", "Runner"), strict=True)] == [24, 24, 24]
    assert "nearest genuine" in str(verdict(claims={}).explain())


def test_explanations_are_pages_and_notebook_cells(results, tmp_path):
    explanation = results[4].explain()
    saved = explanation.save(tmp_path / "why.html")
    page = assert_harmless(saved.read_text("utf-8"))
    assert "Reason of high." in page.words()
    assert len(page.all("details")) == 1
    cell = assert_harmless(explanation._repr_html_())
    assert not cell.all("html")
    assert not [a for _, a in cell.elements if "id" in a]
    assert results[4]._repr_html_() == explanation._repr_html_()


@pytest.mark.parametrize(
    ("p", "share"),
    [
        (1.0, "nearly all"),
        (0.95, "nearly all"),
        (0.949, "about 9 in 10"),
        (0.6, "about 6 in 10"),
        (0.25, "about 1 in 4"),
        (0.02, "about 1 in 50"),
        (0.0, "about 1 in 1,000,000"),
    ],
)
def test_p_values_in_words(p, share):
    assert wording.p_share(p) == share
    assert 0 <= pictures.bar(p) <= 100


# Pictures --------------------------------------------------------------------------------------------


def decoded(uri: str) -> np.ndarray:
    kind, content = uri.split(",", 1)
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_ordinary_photos_stay_untouched():
    assert pictures.heat_overlay(np.full((14, 14), 0.5, np.float32), (640, 480)) is None
    assert pictures.heat_overlay(np.full((2, 2), np.nan, np.float32), (640, 480)) is None


def test_heat_lies_where_it_was_measured_and_grows_with_the_value():
    heat = np.zeros((8, 8), np.float32)
    heat[1, 6] = 1.4
    pixels = decoded(pictures.heat_overlay(heat, (800, 400)))
    assert pixels.shape == (80, 160, 4)
    row, column = np.unravel_index(pixels[..., 3].argmax(), pixels.shape[:2])
    assert abs(row / 80 - 1.5 / 8) < 0.05
    assert abs(column / 160 - 6.5 / 8) < 0.05
    assert not pixels[40:].any()
    ramp = decoded(pictures.heat_overlay(np.linspace(0, 2, 64, dtype=np.float32)[None], (160, 10)))[5].astype(int)
    assert (np.diff(ramp[:, 3]) >= 0).all()
    assert ramp[-1, 3] > ramp[80, 3] > 0 == ramp[30, 3]
    seen = ramp[ramp[:, 3] > 0]
    assert (np.diff(seen[:, :3] @ [299, 587, 114]) <= 1000).all(), "darker with every step"


def test_thumbnails_are_small_and_upright():
    big = view(size=(400, 200)).jpeg
    uri = pictures.thumbnail(big, 40)
    assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size == (40, 20)
    assert pictures.thumbnail(b"no jpeg") == pictures.data_uri(b"no jpeg")
    height = big.index(b"\xff\xc0") + 5
    bomb = big[:height] + b"\xea\x60\xea\x60" + big[height + 4 :]  # 60,000 x 60,000 pixels
    assert pictures.thumbnail(bomb) == pictures.data_uri(bomb)
    assert pictures.thumbnail(big, 400) == pictures.data_uri(big), "small as it is"


# In a fresh process, and in a browser ----------------------------------------------------------------


def test_the_import_is_light():
    code = (
        "import sys, counterfeit_vision.report\n"
        "print(*(m for m in ('torch', 'faiss', 'jinja2', 'matplotlib', 'pandas') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], np.ndarray]:
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        pytest.skip("no chromium on this machine")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

    def shoot(html: str, width: int = 1000) -> np.ndarray:
        folder = tmp_path_factory.mktemp("page")
        (folder / "page.html").write_text(html, "utf-8")
        picture, profile = folder / "page.png", folder / "profile"
        target = [f"--user-data-dir={profile}", f"--screenshot={picture}", (folder / "page.html").as_uri()]
        size = f"--window-size={width},3000"
        subprocess.run([binary, *flags, size, *target], capture_output=True, timeout=60, check=True)
        return np.asarray(Image.open(picture).convert("RGB")).astype(int)

    return shoot


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels - colour).max(axis=-1) < 25


def test_a_browser_draws_the_page_and_the_filter_hides_cards(chromium):
    blue = (20, 40, 250)
    plain = {"claims": {}, "genuine": ()}
    html = Report(
        [verdict("s", "suspected", claims={}), verdict("c", "clear", 0.1, photos=(view(colour=blue),), **plain)]
    ).to_html()
    everything = chromium(html)
    assert everything.std() > 10
    assert near(everything, MAGENTA).sum() > 10_000
    assert near(everything, blue).sum() > 10_000
    assert near(everything, GREEN).sum() > 10_000, "the genuine photo, stored once and used by reference"
    assert 'id="show-all" checked' in html
    for name, shown, hidden in (("suspected", MAGENTA, blue), ("clear", blue, MAGENTA)):
        chosen = html.replace('id="show-all" checked', 'id="show-all"').replace(
            f'id="show-{name}"', f'id="show-{name}" checked'
        )
        filtered = chromium(chosen)
        assert near(filtered, shown).sum() > 10_000
        assert near(filtered, hidden).sum() == 0


def test_a_browser_keeps_an_evaluations_tables_in_their_panels_on_a_narrow_screen(chromium, tmp_path):
    row = Judged(
        id="0", label="genuine", kind="genuine", group="0", brand="acme", category="bag", decision="clear", risk=0.1
    )
    page = Evaluation([row], draws=2).save(tmp_path) / "evaluation.html"
    margin = chromium(page.read_text("utf-8"), width=500)[:, -10:]
    assert (margin == margin[0, 0]).all()


def test_a_browser_draws_crops_and_matched_points(chromium):
    html = verdict(claims=SEEN).explain().to_html()
    shown, unjoined = chromium(html), chromium(html.replace("<line ", '<line display="none" '))
    usual = {name: dataclasses.replace(claim, p_value=0.5, points=None, crops=None) for name, claim in SEEN.items()}
    hidden = chromium(verdict(claims=usual).explain().to_html())
    for colour in ((250, 220, 0), (0, 220, 250)):
        assert near(shown, colour).sum() > 5_000
        assert near(hidden, colour).sum() == 0
    assert (np.abs(shown - unjoined).max(axis=-1) > 40).sum() > 2_000, "the lines"
    assert near(shown, GREEN).sum() > near(hidden, GREEN).sum() + 10_000, "the genuine photo again, at their end"


def test_a_browser_toggles_the_heat_map(chromium):
    html = Report([verdict()]).to_html()
    with_heat = chromium(html)
    without = chromium(html.replace('class="layer-1" checked', 'class="layer-1"'))
    changed = np.abs(with_heat - without).max(axis=-1) > 40
    assert changed.sum() > 500
    rows, columns = np.nonzero(near(without, MAGENTA))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    y, x = (np.median(axis) for axis in np.nonzero(changed[:, columns.min() : columns.max()]))
    assert abs((y - rows.min()) / height - 3 / 7) < 0.08
    assert abs(x / width - 4 / 7) < 0.08


def test_on_paper_what_is_drawn_is_named_and_nothing_else(chromium):
    paper = verdict().explain().to_html().replace("@media print", "@media all")
    assert (chromium(paper) != chromium(paper.replace("Box: Fine detail", ""))).any()
    unchecked = paper.replace('class="layer-box" checked', 'class="layer-box"')
    assert (chromium(unchecked) == chromium(unchecked.replace("Box: Fine detail", ""))).all()


def test_a_browser_shows_a_banner_in_its_true_shape_with_the_box_on_it(chromium):
    banner = PhotoView("banner", view(size=(320, 16)).jpeg, (6000, 300))
    claims = {"patches": Evidence(1.0, "t", 0.01, region=Region(5400, 0, 6000, 300))}
    html = verdict(photos=(banner,), genuine=(), claims=claims).explain().to_html()
    boxed = chromium(html)
    rows, columns = np.nonzero(near(chromium(html.replace("layer-box", "no-box")), MAGENTA))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert width / height == pytest.approx(20, rel=0.1)
    y, x = np.nonzero(near(boxed, (232, 89, 12)))
    on = (y < rows.max() + 3) & (y > rows.min() - 3)
    assert (x[on].min() - columns.min()) / width == pytest.approx(0.9, abs=0.02)
    assert np.ptp(y[on]) + 1 == pytest.approx(height, abs=3)


def test_a_product_that_may_as_well_be_another_is_named_with_it():
    alike = verdict(margin_p=0.04, runner_up="Runner <3>")
    assert "It may as well be Runner <3>, which is nearly as alike." in str(alike.explain())
    assert "It may as well be <bdi>Runner &lt;3&gt;</bdi>" in alike.explain().to_html()
    assert "may as well" not in str(verdict().explain()) + verdict().explain().to_html()


@pytest.mark.parametrize("fdr", ["x", None, "0.1", 1.5, np.str_("0.1")])
def test_a_share_of_false_discoveries_is_a_number(fdr):
    with pytest.raises(InputError, match=r"fdr=.*: need a share between 0 and 1"):
        Report([]).discoveries(fdr)


def test_what_is_no_path_and_no_list_of_results_is_refused():
    with pytest.raises(InputError, match=r"report\.save\(None\): need a path; type report\.save\('results'\)"):
        Report([]).save(None)
    with pytest.raises(InputError, match=r"Report\(None\): need a list of verdicts; type Report\(\[verdict\]\)"):
        Report(None)
