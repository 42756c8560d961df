"""What photos teach an inspector beside the claims' scores."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from counterfeit_vision.teaching import _light


def test_what_shades_a_kind_is_usual_of_it_where_half_of_its_photos_are_so() -> None:
    def photo(uneven: float) -> SimpleNamespace:
        light = SimpleNamespace(uneven=uneven, shaded=0.0), SimpleNamespace(uneven=0.0, shaded=uneven / 2)
        return SimpleNamespace(evidence=light)

    cloth, card = [photo(share / 10) for share in range(11)], [photo(0.0)] * 11
    kinds = ["cloth"] * 11 + ["card"] * 11
    assert _light([*cloth, *card], kinds) == {"cloth": pytest.approx((0.9, 0.45)), "card": (0, 0)}
    assert _light(cloth[:9], kinds[:9]) == {}, "too few"
    assert _light([*card[:6], *cloth[6:]], kinds[:11]) == {"cloth": (0, 0)}, "fewer than half"
    assert _light([photo(0.1)] * 11, kinds[:11]) == {"cloth": pytest.approx((0.1, 0))}, "the marks, not the side"
