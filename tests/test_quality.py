"""How well photos show the goods, and what of that is usual."""

from __future__ import annotations

import json

import pytest

from counterfeit_vision.calibration.support import Quality, UsualQuality
from counterfeit_vision.types import Evidence


def test_each_head_tells_its_part() -> None:
    mark = Evidence(0.1, "", sharpness=0.8, steps=0.2, grain=1.5)
    others = [Evidence(0.2, "", covered=0.3, uneven=0.4), Evidence(0.3, "", shaded=0.5)]
    assert Quality.of((640, 480), [mark, *others]) == Quality(640, 0.8, 0.2, 1.5, 0.3, 0.4, 0.5)
    assert Quality.of((480, 640), others).sharpness is None


def test_all_but_one_in_twenty_of_the_photos_of_which_it_is_known_are_usual() -> None:
    known = [Quality(800 + number, number / 100, number / 200, number / 50) for number in range(101)]
    usual = UsualQuality.of([*known, Quality(700), Quality(900)], ["bag"] * 103)
    assert (usual.smallest, usual.dull, usual.keen) == (700, pytest.approx(0.05), pytest.approx(0.95))
    assert (usual.stepped, usual.grainy) == (pytest.approx(0.47525), pytest.approx(1.901)), (
        "those without ground left out"
    )
    assert UsualQuality.of([Quality(700)], ["bag"]) == UsualQuality(700)


def test_what_shades_a_kind_is_usual_of_it_where_half_of_its_photos_are_so() -> None:
    def light(shades: list[float], kinds: list[str]) -> dict[str, tuple[float, float]]:
        photos = [Quality(uneven=uneven, shaded=uneven / 2) for uneven in shades]
        return dict(UsualQuality.of(photos, kinds).light)

    cloth, card = [share / 10 for share in range(11)], [0.0] * 11
    kinds = ["cloth"] * 11 + ["card"] * 11
    assert light([*cloth, *card], kinds) == {"cloth": pytest.approx((0.9, 0.45)), "card": (0, 0)}
    assert light(cloth[:9], kinds[:9]) == {}, "too few"
    assert light([*card[:6], *cloth[6:]], kinds[:11]) == {"cloth": (0, 0)}, "fewer than half"
    assert light([0.1] * 11, kinds[:11]) == {"cloth": pytest.approx((0.1, 0))}, "the marks, not the side"


def test_it_is_read_back_as_it_was() -> None:
    usual = UsualQuality(700, 0.9, 1.05, 0.01, 1.3, {"bag": (0.1, 0.0)})
    assert UsualQuality.from_dict(json.loads(json.dumps(usual.to_dict() | {"alpha": 0.05}))) == usual
    with pytest.raises(ValueError, match="out of range"):
        UsualQuality.from_dict(usual.to_dict() | {"light": {"bag": [0.1, 1.5]}})
