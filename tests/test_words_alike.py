"""Names as people type them and deceivers spell them."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from counterfeit_vision.lookalikes import lookalike_words


@pytest.mark.parametrize(
    ("title", "name", "told"),
    [
        ("Н&М dress", "H&M", ["Н&М"]),
        ("crème L’0réal", "L'Oréal", ["L’0réal"]),
        ("RаyВan, Rаy-Ban", "Ray-Ban", ["RаyВan", "Rаy-Ban"]),
    ],
)
def test_look_alikes_are_told_as_they_stand_in_the_title(title: str, name: str, told: list[str]) -> None:
    assert lookalike_words(title, name) == told
