"""The command line on a catalogue and an inspector that are made once: every command end to end, and exit codes."""

# ruff: noqa: RUF001

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import LITE, Run, Said, lines, write_lines
from verdicts import verdict

from counterfeit_vision import DecodeError, Failure, Inspector, Listing
from counterfeit_vision.cli import commands, main, make_parser
from counterfeit_vision.cli.output import Outcome, Talk, print_outcome
from counterfeit_vision.encoders.runtime import TowerEncoder
from counterfeit_vision.evaluation import Evaluation, Judged
from counterfeit_vision.market import Market, render
from counterfeit_vision.report.review_log import Journal
from counterfeit_vision.types import LONGEST_ID


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
    assert (said.code, "--base-rate and --costs need --fakes, or a journal" in said.err) == (2, True)
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
    assert "The promise: at most 10 % of genuine" in said.out
    feedback = ("feedback", journal, market.listings, results)
    said = run(*feedback, "--id", genuine[0], "--decided", "fake", "--by", "ben")
    assert "anna had decided: genuine.\n3 decisions in the journal" in said.out
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
        decide(journal, market.folder / row["photos"][0], "fake", id=row["id"])
    command = ("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--journal", journal.path)
    said = run(*command, "--quiet")
    assert (said.code, "From fakes" in said.out) == (0, False)
    told = "3 fakes of 3 groups are too few to learn from: at least 10 of 4 groups are needed"
    assert said.notes == [f"{journal.path}: {told}; calibrating on the genuine listings alone"]
    said = run(*command, "--fakes", market.folder / "photos" / Path(row["photos"][0]).name)
    assert (said.code, "too few to learn from" in said.err) == (2, True)


def test_a_journal_whose_fakes_can_not_be_read_calibrates_on_genuine_listings_alone_and_says_so(
    run: Run, catalog: Path, market: Market, tmp_path: Path
):
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(10):
        (gone := tmp_path / f"{number}.jpg").write_bytes(b"%d" % number)
        decide(journal, gone, "fake")
        gone.unlink()
    command = ("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--journal", journal.path, "--quiet")
    said = run(*command)
    assert (said.code, "Calibrated on 30 genuine photos" in said.out, "From fakes" in said.out) == (0, True, False)
    told = re.escape(f"{journal.path}: no fakes to learn from: 0 fakes of 0 groups are too few")
    (note,) = said.notes
    assert re.fullmatch(f"{told}.*; calibrated on the genuine listings alone", note)
    said = run(*command, "--costs", "50", "1")
    assert (said.code, "0 fakes of 0 groups are too few" in said.err) == (2, True)


def test_genuine_listings_of_a_journal_that_the_catalogue_has_overtaken_are_left_out(
    run: Run, catalog: Path, market: Market, tmp_path: Path
):
    journal = Journal(tmp_path / "journal.jsonl")
    decide(journal, market.folder / lines(market.catalogue)[0]["photo"], "genuine", id="taken in")
    row = next(row for row in lines(market.listings) if row["label"] == "genuine")
    shown, product = market.folder / row["photos"][0], lines(market.catalogue)[0]["product"]
    decide(journal, shown, "genuine", id="retired", product="no longer made")
    decide(journal, shown, "genuine", id="held", product=product)
    said = run("calibrate", catalog, market.calibration, "--out", tmp_path / "i", "--journal", journal.path, "--quiet")
    assert (said.code, "Calibrated on 31 genuine photos" in said.out) == (0, True)
    told = "2 genuine listings left out, whose product the catalogue does not hold, or one of whose photos it does"
    assert said.notes == [f"{journal.path}: {told}: taken in, retired"]


def decide(journal: Journal, photo: Path, decided: str, **told: Any) -> None:
    listing = Listing(**{"id": photo.name, **told}, photos=[str(photo)])
    sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
    said = {**SAID, "id": listing.id, "statistics": [], "stale": False, "photos_sha256": [sha256]}
    journal.add(listing, said, decided, by="anna", drawn=True)


def test_a_journals_listing_is_not_the_files_because_of_its_id(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    decided = [Listing(id="0.jpg", photos=[str(photos[0])]), Listing(id="1.jpg", photos=["/elsewhere/1.jpg"])]
    found, failures = commands._with(Path("photos"), decided)
    assert [item.id for item in found] == [*(path.name for path in photos), "1.jpg (journal)"]
    assert (found[-1].photos, failures) == (("/elsewhere/1.jpg",), [])
    assert commands._with(Path("photos"), []) == (Path("photos"), [])
    row = {"id": LONGEST_ID * "y", "photos": ["a.jpg"]}
    found, _ = commands._with(write_lines(tmp_path / "l.jsonl", [row]), [Listing(**{**row, "photos": ["/b.jpg"]})])
    assert [len(item.id) for item in found] == [LONGEST_ID, LONGEST_ID]


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


def test_why_somebody_decided_so_is_kept_with_a_decision(run: Run, tmp_path: Path) -> None:
    journal, listings, results = (tmp_path / name for name in ("journal.jsonl", "listings.jsonl", "results.jsonl"))
    listings.write_text('{"id": "a", "photos": ["a.jpg"], "platform": "example market"}\n')
    results.write_text(json.dumps(verdict("a").to_dict()) + "\n")
    decided = ("feedback", journal, listings, results, "--id", "a", "--decided", "fake", "--by", "anna")
    assert run(*decided, "--note", "glue on the seam").code == run(*decided).code == 0
    assert [entry["note"] for entry in Journal(journal).entries()] == ["glue on the seam", ""]


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
    for change, why in (({"stale": True}, "is stale"), ({"calibration": "3f2a"}, "by another calibration, 3f2a")):
        (tmp_path / "other.jsonl").write_text(json.dumps({**rows[0], **change}) + "\n")
        said = run("drift", inspector, tmp_path / "other.jsonl")
        assert said.code == 2
        assert re.search(rf"other.jsonl: verdict '{rows[0]['id']}' .*{why}", said.err)
    for row in rows:
        del row["calibration"]  # as an earlier version wrote them
    assert "(alarm at 8 to 1)" in run("drift", inspector, tmp_path / "calm", "--delta", "0.125").out
    (tmp_path / "earlier.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("drift", inspector, tmp_path / "earlier.jsonl", "--json").data["listings"] == 30


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


def test_what_stands_between_the_letters_of_some_scripts_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    told = "ソニー\u3000公式, 1\xa0299, نمی\u200cخواهم, 👩\u200d🔧, \u200fالنهدي\u200e"
    Talk(quiet=True).note(told + "\u2028\u200b")
    assert capsys.readouterr().err == f"{told}??\n"


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


# --- evaluating, and how quick it is ----------------------------------------------------------------------------------


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
    assert re.search(r"^AUROC of the risk +(\d\.\d{3}) +\1 +\+0\.000 +-(0\.[1-9]\d+) to \+\2", said.out, re.MULTILINE)
    data = run(*again, "--json").data
    assert data["listings"] == 4
    assert data["figures"]["auroc"]["listings"] == 4
    assert data["figures"]["recall_at_5"]["listings"] == 2
    assert re.search(r"^Recall@5 of the product, by the photo alone +\d\.\d{3} +\d\.\d{3} to", said.out, re.MULTILINE)
    assert {line["name"].split(":")[0] for line in data["tables"]["kind"]} == {"genuine", "fake"}
    assert "rows" not in data
    assert len(json.loads(Path(data["evaluation"]).read_text())["rows"]) == 4


EVALUATED = Judged(id="a", label="genuine", brand="acme", category="bag", decision="clear", risk=0.1, p_value=0.5)


def beside(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """What is said of a run whose only row is known, beside one that was saved before."""
    monkeypatch.setattr("counterfeit_vision.cli.commands.loaded", lambda args, talk: None)
    monkeypatch.setattr("counterfeit_vision.inspector.Inspector.load", lambda folder, catalog: None)
    made = Evaluation([EVALUATED], draws=20)
    monkeypatch.setattr("counterfeit_vision.evaluation.evaluate", lambda *given, **more: made)
    labelled = write_lines(folder / "l.jsonl", [{"id": "a", "label": "genuine"}])
    return run("evaluate", folder, folder, labelled, "--out", folder / "after", "--baseline", folder / "before")


def test_an_evaluation_is_kept_though_its_baseline_is_of_other_listings(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Evaluation([dataclasses.replace(EVALUATED, id="b")], draws=20).save(tmp_path / "before")
    said = beside(run, tmp_path, monkeypatch)
    assert (said.code, "share no listing with a verdict" in said.err) == (2, True)
    assert Evaluation.load(tmp_path / "after").rows == (EVALUATED,)


def test_an_evaluation_beside_a_baseline_is_drawn_and_compared_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Evaluation([EVALUATED], draws=20).save(tmp_path / "before")
    done: list[str] = []
    compare = Evaluation.compare
    monkeypatch.setattr(Evaluation, "compare", lambda *given: done.append("compared") or compare(*given))
    monkeypatch.setattr("counterfeit_vision.evaluation.charts.draw", lambda run: done.append("drawn") or {})
    said = beside(run, tmp_path, monkeypatch)
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
    assert re.search(r"^TRUTH .* NO VERDICT$", said.out, re.MULTILINE)
    assert re.search(r"^fake +1 +\. +\. +\. +\. +1$", said.out, re.MULTILINE)
    assert [row["error"] for row in run(*command, "--json").data["failures"]] == ["DecodeError", "DecodeError"]


def test_what_cannot_be_evaluated_is_said_before_any_work(
    run: Run, catalog: Path, inspector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = write_lines(tmp_path / "plain.jsonl", [{"id": "a", "photos": ["a.jpg"]}])
    base = ("evaluate", catalog, inspector, source, "--quiet", "--out")
    for arguments, words in (
        ((*base, tmp_path / "e"), "plain.jsonl:1: column 'label' is missing or empty; the row has "),
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
    assert 'pip install "counterfeit-vision[plot]"' in said.err
    assert not (tmp_path / "e").exists()


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


# --- what was made is not there, or of something else -----------------------------------------------------------------


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


# --- stopping, and without stderr -------------------------------------------------------------------------------------


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
    monkeypatch.setattr("counterfeit_vision.io.cache.cache_dir", lambda: tmp_path / "none")
    said = run("inspect", catalog, inspector, market.listings, "--out", tmp_path / "r")
    assert (said.code, said.err.splitlines()[-1]) == (
        130,
        "interrupted; nothing was written. Run the same command again",
    )


@pytest.mark.skipif(os.name != "posix", reason="closes stderr")
def test_a_closed_stderr_is_no_error(catalog: Path, inspector: Path, market: Market, tmp_path: Path):
    command = [sys.executable, "-m", "counterfeit_vision", "inspect", catalog, inspector, market.listings]
    command += ["--out", tmp_path / "r", "--json"]
    ended = subprocess.run(["bash", "-c", '"$@" 2>&-', "bash", *map(str, command)], stdout=subprocess.PIPE, check=False)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["listings"] == 4
