"""What goods print of their brand's name, and how, is read on the genuine photos before fakes are told by it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import picture, suspects
from PIL import Image, ImageDraw, ImageFont

import counterfeit_vision as cv
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads.line_comparison import DRAWN_OTHERWISE
from counterfeit_vision.heads.wordmark import Wordmark


def printed(text: str, seed: int) -> tuple[np.ndarray, cv.Region]:
    """A photo of goods that bear a text in Pillow's own face, and where it stands."""
    font = ImageFont.load_default(48)
    width = round(font.getlength(text))
    image = Image.new("RGB", (width + 160, 300), (150, 170, 160))
    image.paste(Image.fromarray(picture(seed, 70, width + 160)), (0, 230))
    image.paste((225, 220, 205), (40, 90, width + 120, 190))
    ImageDraw.Draw(image).text((80, 110), text, fill=(35, 30, 90), font=font)
    return np.asarray(image), cv.Region(40, 90, width + 120, 190)


def claims(encoder: TowerEncoder, brand: str, text: str, *shown: str) -> list[cv.Evidence]:
    """Of listings whose goods print ``shown``, where the brand's own print ``text``."""
    rows = []
    for n in range(2):
        photo, box = printed(text, n)
        rows.append(cv.Reference(id=f"{n}", photo=photo, brand=brand, product="bag", regions=[box]))
    catalog = cv.Catalog.build(rows, encoder=encoder, cache=False)
    asked = [cv.Listing(id=word, photos=[printed(word, 7)[0]], brand=brand) for word in shown]
    return Wordmark().score(suspects(catalog, *asked))


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("brand", "text", "false"),
    [("Velmora Bay", "VELMORA", "VELMOBA"), ("Casa Milton Rivera", "MILTON RIVERA", "MILTON RIVEBA")],
)
def test_goods_may_print_most_words_of_their_brand(
    brand: str, text: str, false: str, tiny_encoder: TowerEncoder
) -> None:
    right, wrong = claims(tiny_encoder, brand, text, text, false)
    assert right.score < DRAWN_OTHERWISE < 0.2 < wrong.score
    assert f"reads {false!r}, 1 letter off {text!r}" in wrong.text
