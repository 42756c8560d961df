"""The command line: every command end to end, exit codes, what it says where the input is wrong."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import write_photo

from counterfeit_vision import Catalog, DecodeError, Failure, Inspector, Listing, __version__
from counterfeit_vision.cli import commands, main, make_parser
from counterfeit_vision.cli.output import Outcome, Talk, print_outcome
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.evaluation import Evaluation, Judged
from counterfeit_vision.feedback import Journal
from counterfeit_vision.market import Market, render
from counterfeit_vision.stream import embed

LITE = ("--encoder", "efficientnet-lite0")


class Said(NamedTuple):
    """What one run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.rstrip("\n").splitlines()[-1]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    return render(folder / "market", brands=1, listings=4, calibration=30, references=2, size=200)


@pytest.fixture(scope="module")
def catalog(lite: TowerEncoder, market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "catalog"
    assert main(["catalog", "build", str(market.catalogue), "--out", str(folder), *LITE, "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def inspector(catalog: Path, market: Market) -> Path:
    folder = catalog.parent / "inspector"
    assert main(["calibrate", str(catalog), str(market.calibration), "--out", str(folder), "--quiet"]) == 0
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_build_says_what_was_saved_and_ends_with_the_folder(
    run: Run, lite: TowerEncoder, market: Market, tmp_path: Path
):
    said = run("catalog", "build", market.catalogue, "--out", tmp_path / "c", *LITE)
    assert said.code == 0
    count = len(lines(market.catalogue))
    assert said.out.startswith(f"{count} references of 5 products")
    assert said.last == str(tmp_path / "c")
    assert "Encoding" in said.err
    said = run("catalog", "build", market.catalogue, "--out", tmp_path / "c", *LITE, "--quiet", "--json")
    assert said.err == ""
    assert said.data["references"] == count
    assert said.data["failures"] == []


def test_build_from_a_folder_tree(run: Run, lite: TowerEncoder, tree: Path, tmp_path: Path):
    said = run("catalog", "build", tree, "--out", tmp_path / "c", *LITE, "--json")
    assert (said.code, said.data["brands"], said.data["products"]) == (0, 2, 5)


def test_info_needs_no_weights(run: Run, catalog: Path, offline: Path):
    said = run("catalog", "info", catalog)
    assert said.code == 0
    assert re.search(r"encoder +efficientnet-lite0", said.out)
    assert re.search(r"galleries +official 5, genuine", said.out)
    assert re.search(r"marks +given \d+, found \d+, unknown \d+\n", said.out)
    assert run("catalog", "info", catalog, "--json").data["products"] == 5


def test_verify_finds_a_whole_catalogue_and_a_changed_one(run: Run, catalog: Path, tmp_path: Path):
    said = run("catalog", "verify", catalog)
    assert said.code == 0
    assert "whole" in said.out
    assert run("catalog", "verify", catalog, "--json").data["whole"] is True
    copy = Path(shutil.copytree(catalog, tmp_path / "copy"))
    arrays = next(copy.glob("arrays-*"))
    arrays.write_bytes(arrays.read_bytes()[:-100])
    for said in (
        run("catalog", "verify", copy),
        run("catalog", "info", copy),
        run("inspect", copy, "i", copy, "--out", "o"),
    ):
        assert said.code == 3
        assert said.err.startswith(f"error: {arrays}: truncated")
        assert said.out == ""


def test_calibrate_says_what_is_promised(run: Run, catalog: Path, market: Market, tmp_path: Path):
    said = run(
        "calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--alpha", "0.1",
        "--authorised", "anna", "--authorised", "bazaar/store-1",
    )  # fmt: skip
    assert said.code == 0
    assert "Calibrated on 30 genuine photos: 11 to standardise, 19 for p-values" in said.out
    assert "at most 10 %" in said.out
    assert said.last == str(tmp_path / "i")
    assert json.loads((tmp_path / "i" / "inspector.json").read_text())["authorised"] == [
        [None, "anna"],
        ["bazaar", "store-1"],
    ]
    said = run("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--json")
    assert (said.data["photos_for_p_values"], said.data["failures"]) == (19, [])


def test_listings_of_a_seller_are_one_group_where_it_is_asked_for(
    run: Run, catalog: Path, market: Market, tmp_path: Path
):
    rows = [json.loads(line) for line in market.calibration.read_text().splitlines()]
    sellers = [f"seller {number % 15}" for number in range(30)]
    lines = [json.dumps(row | {"seller": seller, "platform": "b"}) for row, seller in zip(rows, sellers, strict=True)]
    (sold := market.folder / "sold.jsonl").write_text("\n".join(lines))
    calibrate = ("calibrate", catalog, sold, "--out", tmp_path / "i", "--group", "seller")
    said = run(*calibrate)
    assert said.code == 2
    assert "15 groups (30 genuine photos) are too few" in said.err
    said = run(*calibrate, "--alpha", "0.3", "--quiet")
    assert said.code == 0
    assert re.search(r"for p-values of \d sellers", said.out)


def test_sellers_of_two_platforms_are_two_groups():
    sellers = [("bazaar", "anna"), ("market", "anna"), ("bazaar", "anna"), (None, None)]
    listings = [
        Listing(id=str(number), photos=["a.jpg"], platform=platform, seller=seller)
        for number, (platform, seller) in enumerate(sellers)
    ]
    groups = [commands._group(listing, "seller") for listing in listings]
    assert (len(set(groups)), groups[0] == groups[2], groups[3]) == (3, True, "listing 3")


def test_costs_and_a_base_rate_ask_for_fakes_and_are_kept(run: Run, catalog: Path, market: Market, tmp_path: Path):
    calibrate = ("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--costs", "50", "1")
    said = run(*calibrate, "--base-rate", "0.02")
    assert (said.code, "base_rate and costs need a probability" in said.err) == (2, True)
    assert run(*calibrate, "--base-rate", "2").code == 2
    told = make_parser().parse_args(list(map(str, (*calibrate, "--base-rate", "0.02", "--fakes", market.listings))))
    assert (told.base_rate, told.costs) == (0.02, [50.0, 1.0])


def test_decisions_go_into_a_journal_and_move_something_only_when_calibrated_with(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    results, journal, own = tmp_path / "r", tmp_path / "journal.jsonl", tmp_path / "i"
    run("inspect", catalog, inspector, market.listings, "--out", results)
    rows = [json.loads(line) for line in market.listings.read_text().splitlines()]
    genuine = [row["id"] for row in rows if row["label"] == "genuine"][:4]
    kept = (inspector / "inspector.json").read_bytes()
    for id in genuine:
        drawn = [] if id == genuine[0] else ["--drawn"]
        said = run(
            "feedback", journal, market.listings, results, "--id", id, "--decided", "genuine", "--by", "anna", *drawn
        )
        assert (said.code, "anna decided: genuine" in said.out) == (0, True)
        assert f"Its head is {Journal(journal).head}" in said.out
    assert (inspector / "inspector.json").read_bytes() == kept
    shutil.copytree(inspector, own)
    said = run("calibrate", catalog, market.calibration, "--out", own, "--alpha", "0.1", "--journal", journal)
    assert said.code == 0
    assert "Calibrated on 31 genuine photos" in said.out  # the one that was picked because of its verdict is left out
    assert "share of genuine photos that may be suspected: 5 % -> 10 %" in said.out
    for wrong in (("--id", "nobody", "--by", "anna"), ("--id", genuine[0], "--by", "")):
        assert run("feedback", journal, market.listings, results, "--decided", "fake", *wrong).code == 2
    journal.write_bytes(journal.read_bytes().replace(b"anna", b"anne", 1))
    said = run("calibrate", catalog, market.calibration, "--out", own, "--journal", journal)
    assert "journal.jsonl:2: not as it was written" in said.err


def test_a_journal_with_too_few_fakes_calibrates_on_genuine_listings_alone_and_says_so(
    run: Run, catalog: Path, market: Market, tmp_path: Path
):
    journal = Journal(tmp_path / "journal.jsonl")
    for row in lines(market.listings)[:3]:
        listing = Listing(id=row["id"], photos=[str(market.folder / row["photos"][0])])
        journal.add(listing, {**SAID, "id": row["id"], "statistics": []}, "fake", by="anna")
    command = ("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--journal", journal.path)
    said = run(*command, "--quiet")
    assert (said.code, "From fakes" in said.out) == (0, False)
    told = "3 fakes of 3 groups are too few to learn from: at least 10 of 4 groups are needed"
    assert said.err == f"note: {journal.path}: {told}; calibrating on the genuine listings alone\n"
    said = run(*command, "--fakes", market.folder / "photos" / Path(row["photos"][0]).name)
    assert (said.code, "too few to learn from" in said.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalog", "build", "", "--out", "c"),
        ("inspect", "c", "i", "", "--out", "r"),
        ("inspect", "c", "i", "l", "--out", ""),
    ],
)
def test_a_variable_of_the_shell_that_was_never_set_is_not_the_folder_at_hand(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(*arguments)
    assert (said.code, "an empty text names no file or folder" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_journals_listing_is_not_the_files_because_of_its_id(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    decided = [Listing(id="0.jpg", photos=[str(photos[0])]), Listing(id="1.jpg", photos=["/elsewhere/1.jpg"])]
    found, failures = commands._with(Path("photos"), decided)
    assert [item.id for item in found] == [*(path.name for path in photos), "1.jpg (journal)"]
    assert (found[-1].photos, failures) == (("/elsewhere/1.jpg",), [])
    assert commands._with(Path("photos"), []) == (Path("photos"), [])


SAID = {"id": "a", "decision": "clear", "risk": 0.1, "p_value": 0.5, "reason": "Usual."}


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a"},
        {"id": "a", "decision": "clear"},
        {"decision": "clear", "stage": "input"},
        *({**SAID, "statistics": odd} for odd in ("x", ["x"], [None], {"a": 1}, [[1]], [float("nan")], 5, [10**400])),
    ],
)
def test_what_are_no_results_is_refused(run: Run, tmp_path: Path, row: dict[str, object]) -> None:
    (tmp_path / "listings.jsonl").write_text('{"id": "a", "photos": ["a.jpg"]}\n')
    (tmp_path / "wrong.jsonl").write_text(json.dumps(row) + "\n")
    said = run(
        *("feedback", tmp_path / "journal", tmp_path / "listings.jsonl", tmp_path / "wrong.jsonl"),
        *("--id", "a", "--decided", "fake", "--by", "anna"),
    )
    assert (said.code, "wrong.jsonl:1: neither a verdict nor a failure" in said.err) == (2, True)
    assert not (tmp_path / "journal").exists()


def test_without_stdout_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["models", "list"]) == 0


def test_drift_is_watched_from_results(run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path):
    run("inspect", catalog, inspector, market.calibration, "--out", tmp_path / "calm")
    said = run("drift", inspector, tmp_path / "calm", "--json")
    assert (said.code, said.data["listings"], said.data["alarm"]) == (0, 30, None)
    rows = [json.loads(line) for line in (tmp_path / "calm" / "verdicts.jsonl").read_text().splitlines()]
    odd = [json.dumps({**row, "statistics": [50 + number]}) for number, row in enumerate(2 * rows)]
    (tmp_path / "odd.jsonl").write_text("\n".join(odd) + "\n")
    said = run("drift", inspector, tmp_path / "calm", tmp_path / "odd.jsonl")
    assert said.code == 0
    assert "genuine photos are more unusual than the calibration's" in said.out
    seen = re.search(r"After (\d+) listings", said.out)
    assert seen is not None
    assert 30 < int(seen[1]) < 60
    assert rows[int(seen[1]) - 31]["id"] in said.out  # the last before the alarm, after the 30 calm ones
    (tmp_path / "stale.jsonl").write_text(json.dumps({**rows[0], "stale": True}) + "\n")
    said = run("drift", inspector, tmp_path / "stale.jsonl")
    assert (said.code, "is stale" in said.err) == (2, True)


def test_inspect_writes_page_and_verdicts(run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path):
    said = run("inspect", catalog, inspector, market.listings, "--out", tmp_path / "r")
    assert said.code == 0
    assert re.search(r"^4 listings: \d+ suspected", said.out)
    assert said.last == str(tmp_path / "r" / "report.html")
    assert "<html" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert [row["id"] for row in lines(tmp_path / "r" / "verdicts.jsonl")] == [
        row["id"] for row in lines(market.listings)
    ]
    said = run("--json", "inspect", catalog, inspector, market.listings, "--out", tmp_path / "r")
    assert sum(said.data["counts"].values()) == said.data["listings"] == 4
    assert said.data["stale"] is False


def test_inspect_takes_a_folder_and_a_photo_and_writes_one_page(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    photo = tmp_path / "photos" / "x.jpg"
    photo.parent.mkdir()
    shutil.copy(market.folder / lines(market.listings)[0]["photos"][0], photo)
    for source in (photo.parent, photo):
        said = run("inspect", catalog, inspector, source, "--out", tmp_path / "page.html", "--json")
        assert (said.code, said.data["listings"]) == (0, 1)
        assert Path(said.data["report"]).is_file()


def test_inspect_with_failures_names_them_and_goes_on(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 this is no photo")
    good = str(market.folder / lines(market.listings)[0]["photos"][0])
    rows = [
        {"id": "whole", "photos": [good]},
        {"id": "unreadable", "photos": ["broken.jpg"]},
        {"id": "half", "photos": [good, "missing.jpg"]},
        {"id": "empty", "photos": []},
        {"id": "whole", "photos": [good]},
        {"id": "no-column"},
        {"id": "esc\x1b[31m", "photos": ["none.jpg"]},
    ]
    source = write_lines(tmp_path / "l.jsonl", rows)
    said = run("inspect", catalog, inspector, source, "--out", tmp_path / "r")
    assert said.code == 1
    assert re.match(r"7 listings: \d+ suspected.*, 5 without a verdict\.\n", said.out)
    assert "6 inputs failed:" in said.out
    for id, stage, why in (
        ("unreadable", "decode", "broken.jpg"),
        ("half photo 2", "decode", "missing.jpg"),
        ("empty", "input", "has no photos"),
        ("whole", "input", "stands twice"),
        ("no-column", "input", "column 'photos' is missing"),
        (r"esc\?\[31m", "decode", "none.jpg"),
    ):
        assert re.search(rf"^  {id} +{stage} +.*{why}", said.out, re.MULTILINE), id
    assert "\x1b" not in said.out
    assert "Traceback" not in said.err
    kinds = [row["kind"] for row in lines(tmp_path / "r" / "verdicts.jsonl")]
    assert kinds == ["verdict", "failure", "verdict", "failure", "failure", "failure", "failure"]
    said = run("inspect", catalog, inspector, source, "--out", tmp_path / "r", "--json")
    assert (said.code, len(said.data["failures"])) == (1, 6)
    said = run("inspect", catalog, inspector, source, "--out", tmp_path / "strict", "--strict")
    assert said.code == 2
    assert "broken.jpg" in said.err
    assert not (tmp_path / "strict").exists()


def test_nothing_that_a_stranger_wrote_moves_the_cursor(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb = "\x1b[2J\x9b1A\N{RIGHT-TO-LEFT OVERRIDE}"
    said = run("catalog", "build", write_lines(tmp_path / "m.jsonl", [{bomb: 1}]), "--out", tmp_path / "c")
    assert said.code == 2
    assert "the row has ?[2J?1A?\n" in said.err
    Talk(quiet=True).note(f"first line\n{bomb}")
    print_outcome(Outcome({}, [f"It was driven by {bomb}.", "second line"]), as_json=False)
    out, err = capsys.readouterr()
    assert err == "first line\n?[2J?1A?\n"
    assert out == "It was driven by ?[2J?1A?.\nsecond line\n"
    assert repr(Failure(bomb, "decode", DecodeError(bomb, "is a folder"))).isprintable()


@pytest.mark.filterwarnings("always:the catalogue is not the one:RuntimeWarning")
def test_another_generation_of_the_catalogue_is_said(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    rows = [row | {"photo": str(market.folder / row["photo"])} for row in lines(market.catalogue)[1:]]
    source = write_lines(tmp_path / "fewer.jsonl", rows)
    assert run("catalog", "build", source, "--out", tmp_path / "c", *LITE).code == 0
    said = run("inspect", tmp_path / "c", inspector, market.listings, "--out", tmp_path / "r", "--json", "--quiet")
    assert said.data["stale"] is True
    assert said.err.startswith("warning: the catalogue is not the one that was calibrated with")


def test_build_with_failures(run: Run, lite: TowerEncoder, tree: Path, tmp_path: Path):
    genuine = Path(shutil.copytree(tree, tmp_path / "genuine"))
    (genuine / "acme" / "bag" / "broken.jpg").write_bytes(b"no photo")
    said = run("catalog", "build", genuine, "--out", tmp_path / "c", *LITE)
    assert said.code == 1
    assert re.search(r"^  acme/bag/broken.jpg +decode +", said.out, re.MULTILINE)
    assert said.last == str(tmp_path / "c")
    assert run("catalog", "verify", tmp_path / "c").code == 0
    assert run("catalog", "build", genuine, "--out", tmp_path / "d", *LITE, "--strict").code == 2


def test_calibrate_with_failures(run: Run, catalog: Path, market: Market, tmp_path: Path):
    rows = [row | {"photos": [str(market.folder / row["photos"][0])]} for row in lines(market.calibration)]
    source = write_lines(tmp_path / "g.jsonl", [*rows, {"id": "gone", "photos": ["gone.jpg"]}])
    said = run("calibrate", catalog, source, "--out", tmp_path / "i")
    assert said.code == 1
    assert re.search(r"^  gone +decode +.*gone.jpg", said.out, re.MULTILINE)


# --- evaluating -------------------------------------------------------------------------------------------------------


def test_evaluate_writes_page_and_numbers_and_compares(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    said = run("evaluate", catalog, inspector, market.listings, "--out", tmp_path / "a", "--draws", 50)
    assert said.code == 0, said.err
    assert Path(said.last) == tmp_path / "a" / "evaluation.html"
    assert re.search(r"^TRUTH +LISTINGS +SUSPECTED", said.out, re.MULTILINE)
    assert re.search(r"^fake: \w+ +1 ", said.out, re.MULTILINE)
    assert re.search(r"^Genuine listings that are suspected +\d\.\d{3} +\d\.\d{3} to", said.out, re.MULTILINE)
    assert "BASELINE" not in said.out
    again = ("evaluate", catalog, inspector, market.listings, "--out", tmp_path / "b", "--draws", 50, "--quiet")
    said = run(*again, "--baseline", tmp_path / "a", "--group", "seller")
    assert said.code == 0, said.err
    assert said.err == ""
    assert "On 4 listings with a verdict in both runs:" in said.out
    assert re.search(r"^AUROC of the risk +(\d\.\d{3}) +\1 +\+0\.000 +\+0\.000 to \+0\.000", said.out, re.MULTILINE)
    data = run(*again, "--json").data
    assert data["listings"] == 4
    assert data["figures"]["auroc"]["listings"] == 4
    assert data["figures"]["recall_at_5"]["listings"] == 2
    assert re.search(r"^Recall@5 of the product, by the photo alone +\d\.\d{3} +\d\.\d{3} to", said.out, re.MULTILINE)
    assert {line["name"].split(":")[0] for line in data["tables"]["kind"]} == {"genuine", "fake"}
    assert "rows" not in data
    assert len(json.loads(Path(data["evaluation"]).read_text())["rows"]) == 4


def test_an_evaluation_is_kept_though_its_baseline_is_of_other_listings(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    about = {"label": "genuine", "kind": "genuine", "brand": "acme", "category": "bag"}
    row = Judged(id="a", group="a", decision="clear", risk=0.1, p_value=0.5, **about)
    Evaluation([dataclasses.replace(row, id="b")], draws=20).save(tmp_path / "before")
    monkeypatch.setattr("counterfeit_vision.cli.commands.loaded", lambda args, talk: None)
    monkeypatch.setattr("counterfeit_vision.inspector.Inspector.load", lambda folder, catalog: None)
    monkeypatch.setattr("counterfeit_vision.evaluation.evaluate", lambda *given, **more: Evaluation([row], draws=20))
    said = run("evaluate", *[tmp_path] * 3, "--out", tmp_path / "after", "--baseline", tmp_path / "before")
    assert (said.code, "share no listing with a verdict" in said.err) == (2, True)
    assert Evaluation.load(tmp_path / "after").rows == (row,)


def test_an_evaluation_beside_a_baseline_is_drawn_and_compared_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    about = {"label": "genuine", "kind": "genuine", "brand": "acme", "category": "bag"}
    row = Judged(id="a", group="a", decision="clear", risk=0.1, p_value=0.5, **about)
    Evaluation([row], draws=20).save(tmp_path / "before")
    monkeypatch.setattr("counterfeit_vision.cli.commands.loaded", lambda args, talk: None)
    monkeypatch.setattr("counterfeit_vision.inspector.Inspector.load", lambda folder, catalog: None)
    monkeypatch.setattr("counterfeit_vision.evaluation.evaluate", lambda *given, **more: Evaluation([row], draws=20))
    done: list[str] = []
    compare = Evaluation.compare
    monkeypatch.setattr(Evaluation, "compare", lambda *given: done.append("compared") or compare(*given))
    monkeypatch.setattr("counterfeit_vision.evaluation.charts.draw", lambda run: done.append("drawn") or {})
    said = run("evaluate", *[tmp_path] * 3, "--out", tmp_path / "after", "--baseline", tmp_path / "before")
    assert (said.code, "On 1 listing with a verdict in both runs" in said.out) == (0, True)
    assert done == ["compared", "drawn"]
    assert json.loads((tmp_path / "after" / "evaluation.json").read_text())["comparison"]["listings"] == 1


def test_evaluate_names_listings_without_a_verdict(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path
):
    whole = ("photos", "mask", "product_mask")
    rows = [{key: value for key, value in row.items() if key not in whole} for row in lines(market.listings)[:2]]
    for row, listing in zip(rows, lines(market.listings), strict=False):
        row["photos"] = [str(market.folder / listing["photos"][0])]
    rows[0] |= {"id": "half", "photos": [*rows[0]["photos"], "lost.jpg"]}
    source = write_lines(tmp_path / "l.jsonl", [*rows, {"id": "gone", "photos": ["gone.jpg"], "label": "fake"}])
    command = ("evaluate", catalog, inspector, source, "--out", tmp_path / "e", "--draws", 20)
    said = run(*command)
    assert said.code == 1
    assert re.search(r"^  gone +decode +.*gone.jpg", said.out, re.MULTILINE)
    assert re.search(r"^  half photo 2 +decode +.*lost.jpg", said.out, re.MULTILINE)
    assert [row["error"] for row in run(*command, "--json").data["failures"]] == ["DecodeError", "DecodeError"]


def test_what_cannot_be_evaluated_is_said_before_any_work(
    run: Run, catalog: Path, inspector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = write_lines(tmp_path / "plain.jsonl", [{"id": "a", "photos": ["a.jpg"]}])
    base = ("evaluate", catalog, inspector, source, "--quiet", "--out")
    for arguments, words in (
        ((*base, tmp_path / "e"), "plain.jsonl:1: label=None; the labels are genuine, fake, unknown"),
        ((*base, source), "that is a file"),
        ((*base, tmp_path / "e", "--baseline", tmp_path), "no saved evaluation here"),
        (("evaluate", catalog, inspector, "absent.jsonl", "--out", tmp_path / "e"), "absent.jsonl: no such file"),
    ):
        said = run(*arguments)
        assert (said.code, said.out) == (2, ""), arguments
        assert words in said.err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = run(*base, tmp_path / "e")
    assert said.code == 2
    assert "pip install 'counterfeit-vision[plot]'" in said.err
    assert not (tmp_path / "e").exists()


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_demo_ends_with_the_path_of_its_report(
    run: Run, lite: TowerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    small = ("--brands", 1, "--listings", 4, "--genuine", 29, "--size", 128, *LITE, "--folder", tmp_path / "demo")
    said = run("demo", *small, "--open")
    assert said.code == 0
    page = Path(said.last)
    assert page == tmp_path / "demo" / "report.html"
    assert "in truth fake: " in page.read_text(encoding="utf-8")
    assert opened == [page.resolve().as_uri()]
    assert "Of 2 genuine listings" in said.out
    assert "Of 2 fakes" in said.out
    assert "5/5" in said.err
    photos = tmp_path / "demo" / "market" / "photos"
    rendered = {path: path.stat().st_mtime_ns for path in photos.iterdir()}
    data = run("demo", *small, "--json").data
    assert rendered == {path: path.stat().st_mtime_ns for path in photos.iterdir()}  # and not once more
    assert Path(data["verdicts"]).is_file()
    assert sum(sum(counts.values()) for counts in data["by_label"].values()) == 4
    source = tmp_path / "demo" / "market" / "listings.jsonl"
    assert run("inspect", data["catalog"], data["inspector"], source, "--out", tmp_path / "r").code == 0
    said = run("demo", *small, "--seed", "1")
    assert said.code == 2
    assert "another market" in said.err
    assert "--folder" in said.err


# --- how quick it is --------------------------------------------------------------------------------------------------

SPEEDS = {"seconds_a_photo", "least", "most", "processor_seconds_a_photo", "photos_a_second"}


def test_bench_measures_each_stage_and_the_whole_way(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copy(photos[0], photos[0].with_name("copy.jpg"))
    command = ("bench", photos[0].parent, "--encoder", tiny_clip_folder)
    said = run(*command)
    assert (said.code, "Measuring 5 rounds" in said.err) == (0, True)
    assert said.out.startswith("8 photos of yours, ")  # nine files, one of them a copy
    for stage in ("decode and hash", "preprocess", "encoder, in batches", "bytes to embedding: all of these"):
        assert re.search(rf"^{stage}( +\d+\.\d\d){{4}} +[\d,]+\.\d$", said.out, re.MULTILINE), stage
    assert re.search(r"^Most time goes into: (decode|preprocess|encoder) \(\d+ % of the stages", said.out, re.MULTILINE)
    assert re.search(r"^threads +\d+$", said.out, re.MULTILINE)
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 3)
    said = run(*command, "--photos", 3, "--json", "--quiet")
    assert (said.err, said.data["photos"], said.data["rounds"], said.data["rendered"]) == ("", 3, 3, False)
    stages = said.data["stages"]
    assert list(stages) == ["decode", "preprocess", "encoder", "embedding"]
    for figures in stages.values():
        assert figures.keys() == SPEEDS
        assert 0 < figures["least"] <= figures["seconds_a_photo"] <= figures["most"]
        assert figures["photos_a_second"] == pytest.approx(1 / figures["seconds_a_photo"])
    parts = {name: figures["seconds_a_photo"] for name, figures in stages.items() if name != "embedding"}
    assert said.data["slowest"] == max(parts, key=parts.__getitem__)
    assert said.data["share_of_slowest"] == pytest.approx(max(parts.values()) / sum(parts.values()))
    assert {"encoder", "dtype", "device", "torch", "threads", "processor", "cores"} <= said.data["machine"].keys()


def test_bench_measures_search_and_verdicts_where_it_is_given_a_catalogue(
    run: Run, catalog: Path, inspector: Path, market: Market, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 1)
    command = ("bench", market.listings, "--photos", 2, "--catalog", catalog, "--json")
    assert list(run(*command).data["stages"]) == ["decode", "preprocess", "encoder", "embedding", "search"]
    data = run(*command, "--inspector", inspector).data
    seconds = {name: figures["seconds_a_photo"] for name, figures in data["stages"].items()}
    assert list(seconds)[-2:] == ["search", "verdict"]
    assert seconds["verdict"] > seconds["embedding"]
    assert data["slowest"] in ("claims", "encoder")


def test_bench_renders_photos_where_none_are_given(
    run: Run, tiny_clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = run("bench", "--photos", 2, "--encoder", tiny_clip_folder)
    assert said.code == 0
    assert "Rendering 2 photos of invented goods in a temporary folder" in said.err
    assert said.out.startswith("2 photos rendered for this, ")
    assert list(tmp_path.iterdir()) == []


def test_bench_names_what_it_cannot_use_and_measures_the_rest(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("counterfeit_vision.cli.bench.ROUNDS", 1)
    photos[3].write_bytes(b"no photo")
    said = run("bench", *photos[2:5], "--encoder", tiny_clip_folder)
    assert said.code == 1
    assert said.out.startswith("2 photos of yours, ")
    assert re.search(r"^  \S*3\.jpg +decode +.*3\.jpg: is not an image", said.out, re.MULTILINE)


def test_what_bench_cannot_measure_is_refused(run: Run, photos: list[Path], tiny_clip_folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    write_lines(tmp_path / "none.jsonl", [])
    tiny = ("--encoder", tiny_clip_folder)
    for arguments, code, words in (
        ((tmp_path / "empty", *tiny), 2, "empty: the folder holds no photos"),
        ((tmp_path / "absent", *tiny), 2, "absent: no such file or folder of photos"),
        ((tmp_path / "broken.jpg", *tiny), 2, "broken.jpg: none of the photos can be used; the first: "),
        ((tmp_path / "none.jsonl", *tiny), 2, "none.jsonl: none of the photos can be used: there are none"),
        ((photos[0], "--photos", 0), 2, "--photos 0: need 1 or more"),
        ((photos[0], "--catalog", tmp_path / "absent"), 3, "no catalogue here"),
        ((photos[0], "--inspector", tmp_path), 2, "--inspector needs its catalogue: --catalog FOLDER"),
    ):
        said = run("bench", *arguments)
        assert (said.code, said.out, words in said.err) == (code, "", True), said


def test_bench_measures_no_wrong_answer(
    run: Run, photos: list[Path], tiny_clip_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def turned(*given: Any, **options: Any) -> Any:
        found = embed(*given, **options)
        return dataclasses.replace(found, vectors=found.vectors[::-1])

    monkeypatch.setattr("counterfeit_vision.stream.embed", turned)
    said = run("bench", *photos, "--encoder", tiny_clip_folder)
    assert (said.code, said.out) == (2, "")
    assert re.search(r"error: wrong answer: vectors of .* differ by 0\.\d+ .* nothing was measured", said.err)


# --- models -----------------------------------------------------------------------------------------------------------


def test_models_list(run: Run):
    said = run("models", "list")
    assert said.code == 0
    assert re.search(r"^clip-vit-b16 +CLIP ViT-B/16 .* +78 MB +MIT +(yes|no)$", said.out, re.MULTILINE)
    assert {model["name"] for model in run("models", "list", "--json").data["models"]} >= {"efficientnet-lite0"}


def test_models_fetch(run: Run, lite: TowerEncoder):
    said = run("models", "fetch", "efficientnet-lite0")
    assert said.code == 0
    assert "in the cache already" in said.out
    assert Path(said.last).is_file()
    said = run("models", "fetch", "resnet")
    assert said.code == 2
    assert "clip-vit-b16" in said.err


def test_models_fetch_with_no_source(run: Run, offline: Path):
    said = run("models", "fetch", "clip-vit-b16")
    assert said.code == 3
    assert "no source of the weights 'clip-vit-b16' worked" in said.err
    assert "no connection in this test" in said.err
    assert "CV_WEIGHTS" in said.err


# --- wrong input: each is one error that says what to do --------------------------------------------------------------


def test_sources_that_hold_nothing(run: Run, lite: TowerEncoder, tmp_path: Path):
    empty, manifest, twice = tmp_path / "empty", tmp_path / "m.csv", tmp_path / "t.csv"
    empty.mkdir()
    manifest.write_text("photo,brand\na.jpg,acme\n")
    twice.write_text("id,photo,brand,product\nx,a.jpg,acme,bag\nx,b.jpg,acme,bag\n")
    photo = write_photo(tmp_path / "flat" / "a.jpg", 1)
    for source, words in (
        (tmp_path / "absent", "absent: no such folder or manifest"),
        (empty, "genuine/brand/product/photo.jpg"),
        (manifest, "column 'product' is missing"),
        (twice, "reference id 'x' stands twice"),
        (photo.parent, "a reference lies in brand/product/"),
        (photo, "a manifest ends in .csv, .jsonl or .parquet"),
    ):
        said = run("catalog", "build", source, "--out", tmp_path / "c", *LITE)
        assert said.code == 2, source
        assert said.err.startswith("error: ")
        assert words in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "c").exists()


def test_encoders_and_devices_that_do_not_exist(run: Run, lite: TowerEncoder, tree: Path, tmp_path: Path):
    said = run("catalog", "build", tree, "--out", tmp_path / "c", "--encoder", "resnet-9000")
    assert said.code == 2
    assert "resnet-9000" in said.err
    said = run("catalog", "build", tree, "--out", tmp_path / "c", *LITE, "--device", "toaster")
    assert said.code == 2
    assert "toaster" in said.err


def test_out_that_cannot_be_written_is_refused_before_any_work(
    run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("an encoder was loaded first")

    monkeypatch.setattr("counterfeit_vision.encoders.load_encoder", work)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "novel.txt").write_text("mine")
    said = run("catalog", "build", tree, "--out", tmp_path / "full")
    assert (said.code, "holds something else (novel.txt)" in said.err) == (2, True)
    (tmp_path / "page.html").mkdir()
    said = run("inspect", tmp_path, tmp_path, tree, "--out", tmp_path / "page.html")
    assert (said.code, "that is a folder; name a file" in said.err) == (2, True)


def test_a_demo_of_too_few_photos_is_refused_before_they_are_rendered(run: Run, tmp_path: Path):
    said = run("demo", "--genuine", 27, "--folder", tmp_path / "demo")
    assert (said.code, "--genuine 27: to calibrate for alpha=0.05, at least 28 are needed" in said.err) == (2, True)
    assert not (tmp_path / "demo").exists()


def test_out_that_cannot_be_written(run: Run, catalog: Path, inspector: Path, tree: Path, tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "novel.txt").write_text("mine")
    for arguments in (
        ("catalog", "build", tree, "--out", file, *LITE),
        ("catalog", "build", tree, "--out", tmp_path / "full", *LITE),
        ("calibrate", catalog, tree, "--out", file),
        ("inspect", catalog, inspector, tree, "--out", file),
        ("inspect", catalog, inspector, tree, "--out", file / "below"),
        ("inspect", catalog, inspector, tree, "--out", tmp_path / "new.csv"),
        ("calibrate", catalog, tree, "--out", tmp_path / "new.json"),
    ):
        said = run(*arguments, "--quiet")
        assert said.code == 2, arguments
        assert re.fullmatch(
            r"error: .*(file: that is a file|full: the folder holds something else|in \S*file; name another place|"
            r"no .(csv|json) file; name a folder).*\n",
            said.err,
        ), said.err
    assert (tmp_path / "full" / "novel.txt").read_text() == "mine"


def test_catalogues_and_inspectors_that_are_none(run: Run, catalog: Path, market: Market, tmp_path: Path):
    said = run("inspect", tmp_path, tmp_path, market.listings, "--out", tmp_path / "r")
    assert said.code == 3
    assert "no catalogue here" in said.err
    assert "catalog build" in said.err
    said = run("inspect", catalog, tmp_path, market.listings, "--out", tmp_path / "r")
    assert said.code == 3
    assert "inspector.json is missing" in said.err


def test_an_inspector_of_another_encoder(
    run: Run, inspector: Path, tree: Path, market: Market, tiny_clip_folder: Path, tmp_path: Path
):
    other = ("--encoder", tiny_clip_folder)
    said = run("catalog", "build", tree, "--out", tmp_path / "c", *other)
    assert said.code == 0, said.err
    said = run("inspect", tmp_path / "c", inspector, market.listings, "--out", tmp_path / "r")
    assert said.code == 3
    assert "--encoder" in said.err
    said = run("inspect", tmp_path / "c", inspector, market.listings, "--out", tmp_path / "r", *LITE)
    assert said.code == 3
    assert "was built with" in said.err
    said = run("inspect", tmp_path / "c", inspector, market.listings, "--out", tmp_path / "r", *other)
    assert said.code == 3
    assert "encode both with one encoder" in said.err


def test_listings_that_are_none(run: Run, catalog: Path, inspector: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    write_lines(tmp_path / "wrong.jsonl", [{"id": "a", "picture": "a.jpg"}])
    (tmp_path / "list.txt").write_text("a.jpg")
    for source, words in (
        ("absent.jsonl", "absent.jsonl: no such file or folder of listings"),
        ("empty", "the folder holds no photos"),
        ("wrong.jsonl", "column 'photos' is missing in every row; the columns are id, picture"),
        ("list.txt", ".csv, .jsonl or .parquet"),
    ):
        said = run("inspect", catalog, inspector, tmp_path / source, "--out", tmp_path / "r", "--quiet")
        assert said.code == 2, source
        assert words in said.err
        assert said.err.count("\n") == 1


def test_too_few_genuine_photos(run: Run, catalog: Path, market: Market, photos: list[Path], tmp_path: Path):
    (photos[0].parent / "broken.jpg").write_bytes(b"no photo")
    said = run("calibrate", catalog, photos[0].parent, "--out", tmp_path / "i", "--quiet")
    assert said.code == 2
    assert "8 genuine photos are too few for alpha=0.05: at least " in said.err
    assert "broken.jpg" in said.err
    assert not (tmp_path / "i").exists()
    (tmp_path / "known").mkdir()
    shutil.copy(market.folder / lines(market.catalogue)[0]["photo"], tmp_path / "known")
    said = run("calibrate", catalog, tmp_path / "known", "--out", tmp_path / "i", "--quiet")
    assert said.code == 2
    assert "is a photo of the catalogue" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["conjure"], "invalid choice: 'conjure'"),
        (["catalog"], "required: ACTION"),
        (["catalog", "build", "genuine"], "required: --out"),
        (["calibrate", "c", "g", "--out", "o", "--alpha", "1.5"], "1.5 is not a share between 0 and 1"),
        (["calibrate", "c", "g", "--out", "o", "--alpha", "x"], "invalid share value: 'x'"),
        (["inspect", "c", "i", "l", "--out", "o", "--jsn"], "unrecognized arguments: --jsn"),
        (["demo", "--listings", "many"], "invalid int value: 'many'"),
    ],
)
def test_usage(run: Run, arguments: list[str], words: str):
    said = run(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert words in said.err
    assert said.err.endswith("--help\n")
    assert said.err.count("\n") == 1


def test_without_a_command_the_help_is_shown(run: Run):
    said = run()
    assert (said.code, said.out) == (2, "")
    assert "exit codes:" in said.err


# --- help and the process ---------------------------------------------------------------------------------------------

COMMANDS = (
    "demo",
    "catalog",
    "catalog build",
    "catalog info",
    "catalog verify",
    "calibrate",
    "inspect",
    "evaluate",
    "bench",
    "models",
)


@pytest.mark.parametrize("command", ["", *COMMANDS, "models list", "models fetch"])
def test_help_ends_with_an_example_that_parses(run: Run, command: str):
    said = run(*command.split(), "--help")
    assert said.code == 0
    examples = re.findall(
        r"^  counterfeit-vision (.*?)(?:   #.*)?$", said.out.partition("\nexample:\n")[2], re.MULTILINE
    )
    assert examples
    for example in examples:
        assert example.startswith(command)
        make_parser().parse_args(example.split())


def test_help_lists_the_exit_codes(run: Run):
    assert re.findall(r"^  (\d+) ", run("--help").out, re.MULTILINE) == ["0", "1", "2", "3", "130"]


def test_version(run: Run):
    assert run("--version").out == f"counterfeit-vision {__version__}\n"


def test_help_loads_nothing_heavy():
    code = "import sys; from counterfeit_vision.cli import main; main(['--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for module in ("torch", "numpy", "faiss", "PIL", "jinja2"):
        assert f"'{module}'" not in out


def test_python_dash_m():
    out = subprocess.run(
        [sys.executable, "-m", "counterfeit_vision", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert out == f"counterfeit-vision {__version__}\n"


def test_a_warning_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch):
    def verify(folder: Path) -> dict[str, Any]:
        warnings.warn("the moon is full", RuntimeWarning, stacklevel=2)
        return {"files": {}, "references": 1}

    monkeypatch.setattr(Catalog, "verify", verify)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("catalog", "verify", "c").err == "warning: the moon is full\n"


def test_an_interrupt_in_a_command(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupted(folder: Path) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalog, "verify", interrupted)
    said = run("catalog", "verify", "c")
    assert (said.code, said.err) == (130, "interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_control_c_or_sigterm_in_a_process(tmp_path: Path, sent: signal.Signals):
    command = [sys.executable, "-m", "counterfeit_vision", "demo", "--folder", str(tmp_path / "demo")]
    heard = functools.partial(signal.signal, sent, signal.SIG_DFL)  # what runs in the background ignores it
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1/5 ")
        while not list((tmp_path / "demo").glob("market/photos/*.jpg")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.rstrip().endswith("interrupted")
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
def test_who_stops_inspect_is_told_what_is_kept(catalog: Path, inspector: Path, market: Market, tmp_path: Path):
    photos = (market.folder / "photos").resolve()
    rows = [
        {"id": f"{number}", "title": f"bag {number}", "photos": [str(photo)]}
        for number, photo in enumerate(20 * sorted(photos.iterdir()))
    ]
    out = tmp_path / "r"
    command = [catalog, inspector, write_lines(tmp_path / "many.jsonl", rows), "--out", out]
    with subprocess.Popen(
        [sys.executable, "-m", "counterfeit_vision", "inspect", *map(str, command)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("Inspecting"):
            assert process.poll() is None
        process.terminate()
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    told = "interrupted; nothing was written. What was judged is in the cache: run the same command again\n"
    assert err.endswith(told)
    assert "Traceback" not in err
    assert not out.exists()


def test_who_stops_inspect_without_a_cache_is_told_that_nothing_is_kept(
    run: Run, catalog: Path, inspector: Path, market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Inspector, "inspect", interrupted)
    monkeypatch.setattr("counterfeit_vision.cache.cache_dir", lambda: tmp_path / "none")
    said = run("inspect", catalog, inspector, market.listings, "--out", tmp_path / "r")
    assert (said.code, said.err.splitlines()[-1]) == (
        130,
        "interrupted; nothing was written. Run the same command again",
    )


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe")
def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m counterfeit_vision models list | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="closes stderr")
def test_a_closed_stderr_is_no_error(catalog: Path, inspector: Path, market: Market, tmp_path: Path):
    command = [sys.executable, "-m", "counterfeit_vision", "inspect", catalog, inspector, market.listings]
    command += ["--out", tmp_path / "r", "--json"]
    ended = subprocess.run(["bash", "-c", '"$@" 2>&-', "bash", *map(str, command)], stdout=subprocess.PIPE, check=False)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["listings"] == 4


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_a_full_disk_under_stdout_is_named():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "counterfeit_vision", "models", "list"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "error: standard output: No space left on device\n")
