"""The library's heads against the contract that a user's own head must keep, and heads that break it."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import counterfeit_vision as cv
from counterfeit_vision.heads import Head, Suspects, Title, default_heads
from counterfeit_vision.io.cache import EmbeddingCache
from counterfeit_vision.judging import judge
from counterfeit_vision.testing import check_head

HEADS = [head for head in default_heads() if head.name != Title.name]  # the tiny encoder knows no words


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_a_head_keeps_the_contract(head: Head, tree_catalog: cv.Catalog, tree_photos: list[Path | bytes]) -> None:
    priced = cv.Listing(id="priced", photos=tree_photos[:2], product="bag", price=3, currency="EUR")
    check_head(head, tree_catalog, [*tree_photos, priced])


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_threads_change_nothing(
    head: Head, tree_catalog: cv.Catalog, tree_photos: list[Path | bytes], tmp_path: Path
) -> None:
    twice = [*tree_photos, *tree_photos[:3]]  # what threads share is asked for by several at once
    embedded = tmp_path / "embedded.sqlite"  # the same for both: some processors' matrix products depend on threads
    with EmbeddingCache(embedded) as cache:
        cv.embed(twice, encoder=tree_catalog.encoder, cache=cache)
    before = torch.get_num_threads()
    said = {}
    for threads in (1, 4):
        torch.set_num_threads(threads)
        try:
            with EmbeddingCache(shutil.copy(embedded, tmp_path / f"{threads}.sqlite")) as cache:
                said[threads] = [
                    repr(rows[0].evidence) for _, rows, _ in judge(twice, tree_catalog, [head], cache=cache)
                ]
        finally:
            torch.set_num_threads(before)
    assert said[1] == said[4]


def test_threads_change_embeddings_by_rounding_alone(tree_catalog: cv.Catalog, tree_photos: list[Path | bytes]) -> None:
    before = torch.get_num_threads()
    vectors = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        try:
            vectors.append(cv.embed(tree_photos, encoder=tree_catalog.encoder, cache=False).vectors)
        finally:
            torch.set_num_threads(before)
    np.testing.assert_allclose(*vectors, rtol=0, atol=1e-6)


def test_marks_close_up_are_encoded_once_whoever_asks(
    tree_catalog: cv.Catalog, tree_photos: list[Path | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def slowly(encoder: object, squares: list) -> list:
        asked.append(len(squares))
        time.sleep(0.05)
        return [None] * len(squares)

    class Close:
        """A head of one's own, that looks close up in threads."""

        name = "close"

        def score(self, suspects: Suspects) -> list[cv.Evidence]:
            suspects.each(suspects.close_up)
            return [cv.Evidence(score=0.0, text="Seen.")] * len(suspects)

    monkeypatch.setattr("counterfeit_vision.heads.suspects.close_ups", slowly)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        list(judge(tree_photos, tree_catalog, [Close()]))
    finally:
        torch.set_num_threads(before)
    assert len(asked) == 1


Rows = list[cv.Evidence]


class Bright:
    """How bright a photo is, and then what a fault makes of it."""

    name = "bright"

    def __init__(self, fault: Callable[[Suspects, Rows], object] = lambda suspects, rows: rows) -> None:
        self.fault = fault
        self.calls = 0

    def score(self, suspects: Suspects) -> Rows:
        self.calls += 1
        rows = [cv.Evidence(score=float(suspects.pixels(row).mean()), text="Bright.") for row in range(len(suspects))]
        return self.fault(suspects, rows)  # type: ignore[return-value]


def said(**values: object) -> Callable[[Suspects, Rows], object]:
    return lambda suspects, rows: [cv.Evidence(**{"score": 1.0, "text": "Bright.", **values}) for _ in rows]  # type: ignore[arg-type]


def write_pixels(suspects: Suspects, rows: Rows) -> Rows:
    suspects.pixels(0).flags.writeable = True
    suspects.pixels(0)[:] = 7
    return rows


def write_vectors(suspects: Suspects, rows: Rows) -> Rows:
    suspects.photos.vectors[:] = 0
    return rows


FAULTS = {
    "expected a list": lambda suspects, rows: iter(rows),
    "photos give": lambda suspects, rows: rows[:-1],
    "gives float": lambda suspects, rows: [row.score for row in rows],
    "the score is nan": said(score=np.nan),
    "the score is inf": said(score=np.inf),
    "the score is 1e[+]300": said(score=1e300),
    "does not apply, and yet": said(applicable=False),
    "has no text": said(text=""),
    "reaches beyond": said(region=cv.Region(0, 0, 4000, 10)),
    "heat map is float64": said(heatmap=np.zeros((4, 4))),
    "heat map holds NaN": said(heatmap=np.full((4, 4), np.nan, np.float32)),
    "heat map falls to": said(heatmap=np.full((4, 4), -1, np.float32)),
    "points are": said(points=np.zeros((3, 4))),
    "not in the catalogue": said(references=("nowhere",)),
    "in reverse": lambda suspects, rows: [cv.Evidence(score=float(n), text="Third.") for n in range(len(rows))],
    "alone": lambda suspects, rows: [cv.Evidence(score=float(len(rows)), text="Many.") for _ in rows],
    "has the covered": lambda suspects, rows: [dataclasses.replace(row, covered=1 / len(rows)) for row in rows],
    "has the uneven": lambda suspects, rows: [dataclasses.replace(row, uneven=1 / len(rows)) for row in rows],
    "has the shaded": lambda suspects, rows: [dataclasses.replace(row, shaded=1 / len(rows)) for row in rows],
    "has the sharpness 3.0, not None": lambda suspects, rows: [
        dataclasses.replace(row, sharpness=3.0 if len(rows) == 1 else None) for row in rows
    ],
    "has the steps": lambda suspects, rows: [dataclasses.replace(row, steps=1 / len(rows)) for row in rows],
    "has the grain": lambda suspects, rows: [dataclasses.replace(row, grain=1 / len(rows)) for row in rows],
    "has the unlike": lambda suspects, rows: [dataclasses.replace(row, unlike=1 / len(rows)) for row in rows],
    "has the joint '1', not '3'": lambda suspects, rows: [
        dataclasses.replace(row, joint=f"{len(rows)}") for row in rows
    ],
    "writes into the pixels": write_pixels,
    "writes into the embeddings": write_vectors,
}


@pytest.mark.parametrize("broken", FAULTS)
def test_a_head_that_breaks_the_contract_is_told_how(broken: str, tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    check_head(Bright(), tree_catalog, photos[:3])  # the faults start from what passes
    with pytest.raises(AssertionError, match=broken):
        check_head(Bright(FAULTS[broken]), tree_catalog, photos[:3])


@pytest.mark.parametrize("what", [object(), Bright])
def test_what_is_no_head_is_told_what_one_has(what: object, tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    with pytest.raises(AssertionError, match=r"is no object with name and score"):
        check_head(what, tree_catalog, photos[:3])  # type: ignore[arg-type]


def test_a_head_that_remembers_the_call_before_is_found(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    head = Bright()
    head.fault = lambda suspects, rows: [cv.Evidence(score=row.score + head.calls, text="Later.") for row in rows]
    with pytest.raises(AssertionError, match="scored twice"):
        check_head(head, tree_catalog, photos[:3])


def test_too_few_photos_to_check_with_are_refused(tree_catalog: cv.Catalog, photos: list[Path]) -> None:
    with pytest.raises(cv.InputError, match="1 of the listings can be read"):
        check_head(Bright(), tree_catalog, [photos[0], "nowhere.jpg"])
