"""The report as a browser draws it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from verdicts import GREEN, MAGENTA, SEEN, failure, verdict, view

from counterfeit_vision.evaluation import Evaluation, Judged
from counterfeit_vision.report import Report
from counterfeit_vision.types import Evidence, PhotoView, Region

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], np.ndarray]:
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        pytest.skip("no chromium on this machine")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

    def shoot(html: str, width: int = 1000, *more: str) -> np.ndarray:
        folder = tmp_path_factory.mktemp("page")
        (folder / "page.html").write_text(html, "utf-8")
        picture, profile = folder / "page.png", folder / "profile"
        target = [f"--user-data-dir={profile}", f"--screenshot={picture}", (folder / "page.html").as_uri()]
        size = f"--window-size={width},3000"
        subprocess.run([binary, *flags, *more, size, *target], capture_output=True, timeout=60, check=True)
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


def test_on_paper_nothing_of_an_evaluations_tables_is_cut_off(chromium, tmp_path):
    common = {"brand": "acme", "category": 40 * "w"}
    rows = [
        Judged(id=label + str(i), label=label, kind=kind, group=str(i), decision=decision, risk=risk, **common)
        for i in range(20)
        for label, kind, decision, risk in (("fake", "colour", "suspected", 0.9), ("genuine", "genuine", "clear", 0.1))
    ]
    page = Evaluation(rows, draws=2).save(tmp_path) / "evaluation.html"
    paper = page.read_text("utf-8").replace("@media print", "@media all")
    paper = paper.replace('<figure class="panel">', "<figure hidden>")  # the tables stand below the charts
    a4 = 716
    uncut = chromium(paper.replace("overflow-x: auto", "overflow-x: visible"), a4)
    assert (chromium(paper, a4) == uncut).all()


def test_a_browser_breaks_long_names_of_products_and_failures(chromium):
    name = 99 * "w"
    made = Report([verdict(product=name), failure(name)])
    for html in (made.to_html(), made._repr_html_()):
        margin = chromium(html.replace("overflow: hidden", "overflow: visible"), width=500)[:, -6:]
        assert (margin == margin[0, 0]).all()


@pytest.mark.parametrize(("width", "bar"), [(1000, 52), (700, 90)])
def test_an_address_of_a_listing_shows_it_below_the_filter(chromium, tmp_path, width, bar):
    html = Report([verdict(str(i), risk=1 - i / 10) for i in range(9)]).to_html()
    blue = (20, 40, 250)
    drawn = f"#listing-4 {{ background: rgb{blue} !important }} .cv .filter {{ opacity: 0 }}"
    (tmp_path / "page.html").write_text(html.replace("</style>", f"{drawn}</style>"), "utf-8")
    address = (tmp_path / "page.html").as_uri() + "#listing-4"
    frame = f'<body style="margin: 0"><iframe src="{address}" style="border: 0; width: {width}px; height: 900px">'
    y = np.nonzero(near(chromium(frame, width), blue))[0]
    assert bar < y.min() < 200


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


def test_high_contrast_leaves_the_chosen_filter_the_badge_and_the_dots(chromium):
    html = Report([verdict(claims={})]).to_html().replace('class="histogram"', 'display="none"')
    drawn, unchosen = (
        chromium(each, 1000, "--force-high-contrast") for each in (html, html.replace('id="show-all" checked', ""))
    )
    assert (drawn != unchosen).any()
    red, ochre = (179, 38, 30), (154, 91, 0)
    assert near(drawn, red).sum() > 1_500, "the badge and the bar of risk"
    assert near(drawn, ochre).sum() > 80, "the dots of review, which has no listing"


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
