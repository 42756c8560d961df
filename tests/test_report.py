"""The report: content and order, nothing that runs or loads, and what notebooks and terminals show."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pages import Page, assert_harmless
from PIL import Image
from verdicts import SEEN, failure, heatmap, matches, verdict

from counterfeit_vision.errors import InputError
from counterfeit_vision.report import Explanation, Report, pictures, report
from counterfeit_vision.types import DECISIONS, Evidence, Failure, Listing, PhotoView, Region, Seller, Verdict, wording

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
    for key in (6, 10000, -7):
        with pytest.raises(
            IndexError, match=rf"report\[{key}\] is by position, of 6 listings; .* type report\['{key}'\]"
        ):
            Report(results)[key]


@pytest.mark.parametrize("key", [[1, 2], np.array([1, 2]), np.array([True] * 6), None, 1.0, (0, 1)])
def test_a_mask_or_several_positions_are_told_what_to_type(results, key):
    said = Report(results)
    with pytest.raises(
        InputError, match=rf"position, an id or a slice, not a {type(key).__name__}; .*Report\(report\[row"
    ):
        said[key]
    assert said[np.int64(1)] is results[1]
    assert list(Report(said[row] for row in [1, 2])) == results[1:3]


def test_the_facts_that_all_verdicts_share_are_those_of_their_report(results):
    about = {"Alarm level": "at most 5 %"}
    judged = [dataclasses.replace(v, about=dict(about)) for v in results if isinstance(v, Verdict)]
    assert Report([failure(), *judged]).about == about
    assert Report(v for v in Report(judged, about={"a": "b"}) if v.decision == "suspected").about == about
    assert Report(judged, about={}).about == {}
    assert Report([*judged, verdict()]).about == Report([failure()]).about == Report([]).about == {}


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
        "No photo shows goods that the catalogue knows, or the claims disagree, or nothing unusual was seen but a",
        "not the probability",
        "on average at most 50 are suspected by chance; by one",
        "one alone may be unusual. It proves nothing",
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
    assert "Product: not recognised." in words
    assert "Product: not recognised" in str(bare.explain()).splitlines()
    assert_harmless(Report([bare])._repr_html_())


def test_a_claim_that_was_never_calibrated_says_that_it_does_not_count():
    odd = verdict(claims={"price": Evidence(1.0, "The listing asks 2.00 EUR.")})
    words = assert_harmless(Report([odd]).to_html()).words()
    assert "The listing asks 2.00 EUR. Not calibrated: does not count" in words
    assert "not measured" not in words
    assert "  Price             uncounted  The listing asks 2.00 EUR." in str(odd.explain()).splitlines()


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
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert max(b - a for a, b in itertools.pairwise(levels)) == 1, "no level of headings is skipped"
    assert len(page.all("details")) == 1
    about = {"Catalogue": "412 photos; generation 9f47", "Alarm level": "at most 5 % of <b>genuine</b> photos"}
    made = assert_harmless(dataclasses.replace(results[4], about=about).explain().to_html())
    for name, fact in about.items():
        assert f"{name} {fact}" in made.words()
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


def test_the_import_is_light():
    code = (
        "import sys, counterfeit_vision.report.report\n"
        "print(*(m for m in ('torch', 'faiss', 'jinja2', 'matplotlib', 'pandas') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


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
    with pytest.raises(InputError, match=r"Report\(about=\['alpha'\]\): need a dict, such as"):
        Report([], about=["alpha"])
