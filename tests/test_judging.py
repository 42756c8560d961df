"""What is said of a listing's photos: which are one, which are borrowed, and of which nothing can be said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from counterfeit_vision import EmbeddingCache, Evidence, Listing
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.heads.reuse import COPY
from counterfeit_vision.judging import JudgedPhoto, _no_number, _SaidBefore, borrowed, distinct, strata_of, usable

SILENT = Evidence.not_applicable("No mark was found.")


def judged(
    *evidence: Evidence | float, jpeg: bytes = b"one", size: tuple[int, int] = (9, 9), row: int = 0
) -> JudgedPhoto:
    photo = SimpleNamespace(id="photo", sha256="", view=SimpleNamespace(size=size, jpeg=jpeg))
    said = tuple(Evidence(one, "Said.") if isinstance(one, float) else one for one in evidence)
    return JudgedPhoto(photo, (row,), said)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (judged(1.0, SILENT), True),
        (judged(1.00005, SILENT), True),  # an encoder's rounding
        (judged(1.01, SILENT), False),
        (judged(1.0, 2.0), False),
        (judged(1.0, SILENT, jpeg=b"two"), False),
        (judged(1.0, SILENT, size=(8, 9)), False),
    ],
)
def test_a_photo_is_one_again_where_it_looks_the_same_and_all_claims_say_the_same(
    other: JudgedPhoto, same: bool
) -> None:
    assert distinct([judged(1.0, SILENT), other]) == ([0] if same else [0, 1])


def test_a_copy_of_a_known_fake_is_no_genuine_photo_that_was_borrowed() -> None:
    catalog = SimpleNamespace(known_fakes={"fake"})
    rows = [judged(Evidence(COPY + 1, "A copy.", references=(name,))) for name in ("genuine", "fake")]
    assert borrowed([*rows, judged(COPY + 1), judged(SILENT)], ["reuse"], catalog).tolist() == [
        True, False, False, False,
    ]  # fmt: skip
    assert not borrowed(rows, ["mark"], catalog).any()


def test_products_of_one_name_are_calibrated_apart() -> None:
    names = [SimpleNamespace(brand="Acme", category="bags", product="one"),
             SimpleNamespace(brand="Zeta", category=None, product="one")]  # fmt: skip
    catalog = SimpleNamespace(references=names, goods=np.array(["Acme/one", "Zeta/one"], object))
    rows = [judged(1.0, row=row) for row in (0, 1)]
    for by, strata in (
        (None, ["", ""]),
        ("brand", ["Acme", "Zeta"]),
        ("category", ["bags", ""]),
        ("product", ["Acme/one", "Zeta/one"]),
    ):
        assert strata_of(rows, catalog, by) == strata


def test_a_photo_of_which_no_claim_says_anything_says_why_by_the_first() -> None:
    loud, (failure,) = usable([judged(SILENT, 1.0), judged(SILENT, Evidence.not_applicable("No price."))])
    assert [row.evidence[1].score for row in loud] == [1.0]
    assert (failure.id, failure.stage) == ("photo", "score")
    assert str(failure.error) == "photo: no claim applies (No mark was found.)"


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), 1e101, -1e101])
def test_a_score_that_has_no_difference_to_others_fails_its_listing_by_the_heads_name(score: float) -> None:
    heads = [SimpleNamespace(name="mine"), SimpleNamespace(name="ours")]
    failure = _no_number(Listing(id="offer", photos=[]), judged(1.0, score), heads)
    assert failure is not None
    assert (failure.id, failure.stage) == ("offer", "score")
    assert str(failure.error).startswith(f"head 'ours' gave the score {score} for photo; ")
    assert _no_number(Listing(id="offer", photos=[]), judged(-1e99, SILENT), heads) is None


@pytest.mark.parametrize("other", [{"generation": "2"}, {"vectors_sha256": "w"}])
def test_what_was_said_by_another_catalogue_or_by_other_vectors_of_it_is_not_remembered(
    tiny_encoder: TowerEncoder, tmp_path: Path, other: dict[str, str]
) -> None:
    listing, rows = Listing(id="offer", photos=[]), [judged(1.0)]
    plain = {"encoder": tiny_encoder, "generation": "1", "vectors_sha256": "v"}
    with EmbeddingCache(tmp_path / "e.sqlite") as cache:

        def memory(**changes: str) -> _SaidBefore:
            return _SaidBefore(SimpleNamespace(**plain | changes), {0: "head 1"}, cache)

        memory().put(listing, rows)
        assert memory().get(listing, [rows[0].photo]) is not None
        assert memory(**other).get(listing, [rows[0].photo]) is None
