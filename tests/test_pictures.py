"""The pictures of a report: thumbnails, heat maps, boxes, crops beside each other and matched points."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from pages import Page, assert_harmless
from PIL import Image
from verdicts import SEEN, heatmap, matches, verdict, view

from counterfeit_vision.report import Report, pictures
from counterfeit_vision.types import Evidence, PhotoView, Region

# On the page -----------------------------------------------------------------------------------------


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
    return [img["alt"] for img in page.all("img") if img["alt"].startswith(("This listing:", "Catalogue photo:"))]


def test_a_claim_shows_its_spot_beside_the_genuine_one():
    for page in (Report([verdict(claims=SEEN)]).to_html(), verdict(claims=SEEN)._repr_html_()):
        assert crops_of(assert_harmless(page)) == [
            "This listing: mine (Wordmark)",
            "Catalogue photo: theirs (Wordmark)",
        ]


def test_matched_points_join_the_two_photos():
    page = assert_harmless(verdict(claims=SEEN)._repr_html_())
    assert len(page.all("image")) == 2
    assert len(page.all("line")) == pictures.LINES
    assert len(page.all("circle")) == 2 * pictures.LINES
    assert "This listing and catalogue photo (genuine) r1 : 40 of 100 matched points" in page.words()
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
    assert "This listing and catalogue photo (known fake) r9 : 40 of 100 matched points" in page.words()
    file = dataclasses.replace(claim, points=None)
    assert "Catalogue photo known fake" in assert_harmless(verdict(claims={"reuse": file})._repr_html_()).words()


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


# By themselves ---------------------------------------------------------------------------------------


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
