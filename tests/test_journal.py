"""The journal grows only, survives a crash, and notices a change."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterfeit_vision.errors import CatalogError, InputError
from counterfeit_vision.report import review_log as module
from counterfeit_vision.report.review_log import Journal
from counterfeit_vision.types import LONGEST_ID, Failure, Listing, PhotoView, Verdict


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sha256(photo: str) -> str:
    return hashlib.sha256(os.fsencode(photo)).hexdigest()


def listing(id: str = "a", photos: Sequence[str] = (), **told: Any) -> Listing:
    """Its photos are files here that hold their names, one with its id by default."""
    for photo in photos or [id]:
        Path(photo).write_bytes(os.fsencode(photo))
    told = told or {"brand": "b", "price": 3.0, "currency": "EUR", "seller": "anna"}
    return Listing(id=id, photos=photos or [id], **told)


def verdict(id: str = "a", photos: Sequence[str] = (), failures: Sequence[Failure] = ()) -> Verdict:
    views = [PhotoView(photo, b"", (8, 8), sha256=sha256(photo)) for photo in photos or [id]]
    return Verdict(
        id=id, decision="review", risk=0.4, p_value=0.1, reason="because", product=None, brand=None, claims={},
        statistics=(1.5,), photos=tuple(views), failures=tuple(failures),
    )  # fmt: skip


def test_a_folder_is_no_journal_without_decisions(tmp_path: Path) -> None:
    for ask in (Journal.entries, lambda journal: journal.listings("fake"), lambda journal: journal.head):
        with pytest.raises(IsADirectoryError, match=tmp_path.name):
            ask(Journal(tmp_path))


def test_decisions_come_back_in_order_and_the_last_one_of_a_listing_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal.jsonl")
    assert repr(journal) == f"<Journal {tmp_path / 'new' / 'journal.jsonl'}>"
    assert journal.entries() == []
    journal.add(listing("a"), verdict("a"), "fake", by="anna", note="glue", at="2026-01-01T00:00:00+00:00")
    journal.add(listing("b"), verdict("b").to_dict(), "genuine", by="ben", drawn=np.True_)  # as a frame has it
    journal.add(listing("c"), verdict("c"), "genuine", by="ben")
    journal.add(listing("d"), verdict("d"), "fake", by="ben")
    journal.add(listing("d"), verdict("d"), "unsure", by="anna")
    entries = journal.entries()
    assert [(entry["listing"], entry["decided"], entry["by"]) for entry in entries][:2] == [
        ("a", "fake", "anna"),
        ("b", "genuine", "ben"),
    ]
    assert entries[0]["said"] == {
        "decision": "review", "risk": 0.4, "p_value": 0.1, "reason": "because", "statistics": [1.5],
        "stale": False, "calibration": "",
    }  # fmt: skip
    fakes = journal.listings("fake")
    assert [item.id for item in fakes] == ["a"]
    assert (fakes[0].photos, fakes[0].price, fakes[0].seller.id) == ((str(tmp_path / "a"),), 3.0, "anna")
    assert [item.id for item in journal.listings("genuine")] == ["b"]  # c was picked because it looked odd
    journal.add(listing("b"), verdict("b"), "genuine", by="anna")
    assert [item.id for item in journal.listings("genuine")] == ["b"]  # drawn all the same
    journal.add(listing("b"), verdict("b"), "fake", by="anna")
    assert [item.id for item in journal.listings("genuine")] == []


def test_what_was_decided_earlier_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert journal.earlier(journal.add(listing("a"), verdict("a"), "fake", by="anna")) == []
    journal.add(listing("b"), verdict("b"), "fake", by="anna")
    first = journal.entries()[0]
    second = journal.add(listing("a"), verdict("a"), "genuine", by="ben", at="2020-01-01T00:00Z")
    assert journal.earlier(second) == [first]
    assert [item.id for item in journal.listings("fake")] == ["b"]  # the last is the one written last
    assert journal.earlier(journal.add(listing("a"), verdict("a"), "unsure", by="ben")) == [first, second]
    assert journal.earlier({"listing": "a"}) == []


def test_two_listings_of_the_longest_id_have_two(tmp_path: Path) -> None:
    journal, id = Journal(tmp_path / "j"), LONGEST_ID * "y"
    for photo in "ab":
        journal.add(listing(id, [photo]), verdict(id, [photo]), "fake", by="anna")
    assert [item.id for item in journal.listings("fake")] == [id, f"{id[:-4]} (2)"]


def test_a_decision_on_another_listing_of_the_same_id_takes_none_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    offers = [("a", "bazaar", "fake"), ("a", "tradepost", "genuine"), ("b", "bazaar", "fake")]
    for photo, platform, decided in offers:
        offer = listing("7", [photo], platform=platform)
        journal.add(offer, verdict("7", [photo]), decided, by="anna", drawn=True)
    a, b = ((str(tmp_path / photo),) for photo in "ab")
    assert [(item.id, item.photos) for item in journal.listings("fake")] == [("7", a), ("7 (3)", b)]
    assert [(item.id, item.platform) for item in journal.listings("genuine")] == [("7 (2)", "tradepost")]
    journal.add(listing("7", ["a"], platform="bazaar"), verdict("7", ["a"]), "genuine", by="ben")
    assert [item.id for item in journal.listings("fake")] == ["7 (3)"]


def test_what_is_decided_on_more_photos_of_an_offer_overrules_what_was_on_fewer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")

    def decide(photos: str, decided: Any, platform: str = "bazaar", drawn: bool = False) -> dict[str, Any]:
        offer = listing("7", [*photos], platform=platform)
        return journal.add(offer, verdict("7", photos), decided, by="anna", drawn=drawn)

    def those(decided: Any) -> list[list[str]]:
        return [[Path(str(photo)).name for photo in item.photos] for item in journal.listings(decided)]

    first = decide("a", "fake", drawn=True)
    other = decide("b", "genuine")  # other photos, on the same offer: the first stay decided
    decide("ab", "genuine", platform="tradepost")  # another offer
    assert those("fake") == [["a"]]
    upheld = decide("ab", "genuine")
    assert journal.earlier(upheld) == [first, other]
    assert those("fake") == []
    assert those("genuine") == [["a"]]  # which alone was drawn
    again = decide("a", "fake")
    assert journal.earlier(again) == [first]  # not what saw more
    assert those("fake") == [["a"]]
    decide("abc", "unsure")
    assert those("fake") == those("genuine") == []


def test_what_is_decided_on_some_photos_of_a_listing_leaves_the_listing_as_it_was_decided(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for photos, decided in (("ab", "fake"), ("a", "genuine"), ("bc", "genuine")):
        later = journal.add(listing("7", [*photos]), verdict("7", photos), decided, by="anna")  # type: ignore[arg-type]
    assert [len(item.photos) for item in journal.listings("fake")] == [2]
    assert journal.earlier(later) == []


def test_many_decisions_on_many_offers_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, asked = Journal(tmp_path / "j"), []
    for offer in range(30):
        journal.add(listing(f"{offer}"), verdict(f"{offer}"), "fake", by="anna")
    shows = module._shows
    monkeypatch.setattr(module, "_shows", lambda *pair: asked.append(pair) or shows(*pair))
    assert len(journal.listings("fake")) == len(asked) == 30


def test_a_decision_can_be_reversed_wherever_the_same_photos_are_and_in_any_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(listing("7", ["a", "b"]), verdict("7", ["a", "b"]), "genuine", by="anna", drawn=True)
    for name in "ab":
        Path(name).rename(f"moved {name}")
    moved = Listing(id="7", photos=["moved b", "moved a"])
    journal.add(moved, verdict("7", ["b", "a"]), "fake", by="ben")
    assert journal.listings("genuine") == []
    (fake,) = journal.listings("fake")
    assert fake.photos == (str(tmp_path / "moved b"), str(tmp_path / "moved a"))


def test_photos_that_were_written_anew_teach_nothing_under_the_old_decision(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for id in "ab":
        journal.add(listing(id), verdict(id), "fake", by="anna")
    Path("a").write_bytes(b"b")
    told = f"{journal.path}: 1 listing left out, as their photos are not those that were decided on: a"
    with pytest.warns(RuntimeWarning, match=re.escape(told)):
        assert [item.id for item in journal.listings("fake")] == ["b"]
    journal.add(Listing(id="a", photos=["a"]), verdict("a", ["b"]), "genuine", by="anna", drawn=True)
    assert [item.id for item in journal.listings("genuine")] == ["a (2)"]  # the old one is another photo's
    Path("b").unlink()
    with pytest.warns(RuntimeWarning, match="1 listing left out"):
        assert [item.id for item in journal.listings("fake")] == ["b"]  # who reads the photos names what is gone


def test_a_decision_is_on_the_photos_that_were_judged(tmp_path: Path) -> None:
    journal, failure = Journal(tmp_path / "j"), Failure("7 photo 2", "decode", ValueError("no pixels"))
    said = verdict("7", ["a", "b"])
    for photos in (["a", "c"], ["a"], ["a", "b", "c"], ["c", "d"]):
        with pytest.raises(InputError, match=r"listing '7': its photos are not those that were judged.*; inspect it"):
            journal.add(listing("7", photos), said, "fake", by="anna")
    Path("b").unlink()
    with pytest.raises(InputError, match=r"not those that were judged, the first is /.*/b; inspect it again"):
        journal.add(Listing(id="7", photos=["a", "b"]), said, "fake", by="anna")
    with pytest.raises(InputError, match="listing 'a' of bazaar and the verdict on 'a' of None are not the same"):
        journal.add(listing(platform="bazaar"), {**verdict().to_dict(), "listing": {"id": "a"}}, "fake", by="anna")
    assert not journal.path.exists()
    entry = journal.add(listing("7", ["a", "c"]), verdict("7", ["a"], [failure]), "fake", by="anna")
    assert (entry["photos"], entry["photos_sha256"]) == ([str(tmp_path / "a")], [sha256("a")])


def test_a_journal_of_paths_alone_is_read_and_its_decisions_can_be_reversed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(listing("7", ["a", "b"]), verdict("7", ["a", "b"]), "genuine", by="anna", drawn=True)
    older = json.loads(journal.path.read_bytes())
    del older["photos_sha256"], older["said"]["stale"]
    journal.path.write_text(json.dumps(older) + "\n")
    assert [item.id for item in journal.listings("genuine")] == ["7"]
    journal.add(listing("7", ["b", "a"]), verdict("7", ["b", "a"]), "unsure", by="anna")
    assert journal.listings("genuine") == []
    Path("a").rename("c")
    journal.add(Listing(id="7", photos=["b", "c"]), verdict("7", ["b", "a"]), "genuine", by="ben")
    assert [item.id for item in journal.listings("genuine")] == ["7"]  # which was drawn once
    Path("d").write_bytes(b"d")
    last = journal.add(Listing(id="7", photos=["b", "c", "d"]), verdict("7", ["b", "a", "d"]), "fake", by="ben")
    assert (len(journal.earlier(last)), journal.listings("genuine")) == (3, [])


@pytest.mark.parametrize(
    "said",
    [
        {**verdict("a").to_dict(), "decision": "banana"},
        {**verdict("a").to_dict(), "decision": []},
        Failure("a", "decode", ValueError("no pixels")),
        {"id": "a"},
        {"id": "a", "stage": "decode"},
        None,
        "clear",
    ],
)
def test_what_has_no_verdict_is_not_decided(tmp_path: Path, said: object) -> None:
    with pytest.raises(InputError, match=r"listing 'a': .* is no verdict; decide on those that have one"):
        Journal(tmp_path / "j").add(listing("a"), said, "fake", by="anna")
    assert not (tmp_path / "j").exists()


def test_what_the_claims_ask_of_a_listing_comes_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    told = {"brand": "b", "product": "p", "title": "t", "price": 3.0, "currency": "EUR", "platform": "x"}
    where = {"channel": "offline", "region": "FR", "url": "https://x.example/a"}
    whole = listing("a", [str(tmp_path / "a")], **told, **where)
    said = verdict("a", [str(tmp_path / "a")])
    journal.add(whole, said, "fake", by="anna")
    assert journal.listings("fake") == [whole]
    older = {name: value for name, value in json.loads(journal.path.read_bytes()).items() if name not in where}
    journal.path.write_text(json.dumps(older) + "\n")
    assert journal.listings("fake") == [Listing(id="a", photos=whole.photos, **told)]


def test_what_a_crash_left_of_a_line_is_no_decision_and_is_cut_off_at_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(listing("a"), verdict("a"), "fake", by="anna")
    whole = journal.path.read_bytes()
    journal.add(listing("b"), verdict("b"), "fake", by="anna")
    line = journal.path.read_bytes().removeprefix(whole)
    for cut in (1, 20, 82, 90, -1):
        journal.path.write_bytes(whole + line[:cut])
        assert [entry["listing"] for entry in journal.entries()] == ["a"]
        journal.add(listing("b"), verdict("b"), "fake", by="anna")
        assert [entry["listing"] for entry in journal.entries()] == ["a", "b"]
        assert journal.path.read_bytes().startswith(whole)


@pytest.mark.parametrize(
    "theirs", [b"\xff\xd8" + 99 * b"a", b'{"id": "l0"}\n{"id": "l1"}', b'{"format": 3}', b'{\n "format": 3\n}\n']
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, theirs: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(theirs)
    with pytest.raises(CatalogError, match=r"photo.jpg:1: .*; restore the journal, or name another file"):
        Journal(path).add(listing(), verdict(), "fake", by="anna")
    assert path.read_bytes() == theirs


def test_numpys_numbers_are_kept_and_what_is_none_leaves_no_file(tmp_path: Path) -> None:
    journal, said = Journal(tmp_path / "j"), verdict().to_dict()
    with pytest.raises(InputError, match=r"listing 'a': .*; give plain texts and numbers"):
        journal.add(listing(), {**said, "reason": object()}, "fake", by="anna")
    for odd in (float("nan"), np.float32("inf")):
        with pytest.raises(InputError, match=r"listing 'a': .*; give plain texts and numbers"):
            journal.add(listing(), {**said, "risk": odd}, "fake", by="anna")
    assert not journal.path.exists()
    entry = journal.add(listing(), {**said, "risk": np.float32(0.5), "statistics": [np.float64(2)]}, "fake", by="anna")
    assert [entry] == journal.entries()
    assert (entry["said"]["risk"], entry["said"]["statistics"]) == (0.5, [2.0])


def test_the_calibration_behind_a_verdict_is_kept_where_it_is_known(tmp_path: Path) -> None:
    journal, old = Journal(tmp_path / "j"), verdict().to_dict()
    del old["calibration"]  # of results by an earlier version
    for said, kept in ((old, ""), ({**old, "calibration": "3f2a"}, "3f2a")):
        assert journal.add(listing(), said, "fake", by="anna")["said"]["calibration"] == kept


def test_two_journals_in_one_file_are_told_from_a_changed_one(tmp_path: Path) -> None:
    journals = [Journal(tmp_path / name) for name in "jk"]
    for journal in journals:
        journal.add(listing(), verdict(), "fake", by="anna")
    both = tmp_path / "both"
    both.write_bytes(b"".join(journal.path.read_bytes() for journal in journals))
    with pytest.raises(CatalogError, match=r"both:2: .*: another journal begins here, and they can't be joined"):
        Journal(both).entries()


@pytest.mark.parametrize("harm", ["change", "remove", "swap", "insert", "garbage"])
def test_a_changed_journal_is_noticed(tmp_path: Path, harm: str) -> None:
    journal = Journal(tmp_path / "j")
    for id in "abcd":
        journal.add(listing(id), verdict(id), "fake", by="anna")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    harmed = {
        "change": [lines[0], lines[1].replace(b'"fake"', b'"genuine"'), *lines[2:]],
        "remove": [lines[0], *lines[2:]],
        "swap": [lines[0], lines[2], lines[1], lines[3]],
        "insert": [*lines[:2], lines[0], *lines[2:]],
        "garbage": [lines[0], b"\xff\xfe\n", *lines[2:]],
    }[harm]
    journal.path.write_bytes(b"".join(harmed))
    found = journal.path.read_bytes()
    for use in (journal.entries, lambda: journal.add(listing("e"), verdict("e"), "fake", by="anna")):
        with pytest.raises(CatalogError, match=r"j:[23]: not as it was written"):
            use()
    assert journal.path.read_bytes() == found


def test_a_decision_reads_the_lines_anew_only_where_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    decision = module._decision

    def counted(line: bytes, previous: str) -> dict:
        entry = decision(line, previous)
        read.append(entry["listing"])
        return entry

    monkeypatch.setattr(module, "_decision", counted)
    journal, other = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    for id in "abcd":
        journal.add(listing(id), verdict(id), "fake", by="anna")
    assert journal.head == other.head
    assert "".join(read) == "abcd" + "abcd"
    assert len(journal) == len(other) == 4
    assert "".join(read) == "abcd" + "abcd"
    read.clear()
    other.add(listing("e"), verdict("e"), "fake", by="ben")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + b"{}\n")
    with pytest.raises(CatalogError, match=r"j:6: not as it was written: it is no line of a journal"):
        journal.add(listing("f"), verdict("f"), "fake", by="anna")
    journal.path.write_bytes(whole + b"{}")
    with pytest.raises(CatalogError, match=r"j:6: not as it was written: it does not begin"):
        journal.add(listing("f"), verdict("f"), "fake", by="anna")
    assert "".join(read) == "ee"
    journal.path.write_bytes(whole.replace(b'"listing": "b"', b'"listing": "x"'))
    with pytest.raises(CatalogError, match=r"j:3: not as it was written: it does not name the line before it"):
        journal.add(listing("f"), verdict("f"), "fake", by="anna")
    lines = whole.splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[:2]))  # an older copy that was put back
    journal.add(listing("f"), verdict("f"), "fake", by="anna")
    assert [entry["listing"] for entry in journal.entries()] == ["a", "b", "f"]
    assert journal.head == Journal(tmp_path / "j").head


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(listing(), verdict(), "fake", by="anna")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left on device") as raised:
            journal.add(listing(), verdict(), "fake", by="anna")
    assert raised.value.filename == str(journal.path)


def test_its_head_seals_the_last_line_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    heads = [journal.head]
    for id in "ab":
        journal.add(listing(id), verdict(id), "fake", by="anna", at="2026-01-01T00:00Z")
        heads.append(journal.head)
    assert len(set(heads)) == 3
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"listing": "b"', b'"listing": "x"'))
    assert journal.head not in heads


def test_photos_of_any_name_can_be_written_down(tmp_path: Path) -> None:
    journal, id = Journal(tmp_path / "j"), "caf\udce9 é"  # a file's name in Latin-1, as Python reads it
    journal.add(listing(id), verdict(id), "fake", by="anna")
    (kept,) = journal.listings("fake")
    assert (kept.id, kept.photos) == (id, (str(tmp_path / id),))


def test_a_journal_of_endless_brackets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("[" * 100_000 + "\n")
    with pytest.raises(CatalogError, match="j:1: not as it was written"):
        Journal(tmp_path / "j").entries()


@pytest.mark.parametrize(
    "change",
    [
        {"listing": None},
        {"listing": ["a"]},
        {"photos": "a.jpg"},
        {"photos": [3]},
        {"photos_sha256": "a"},
        {"platform": ["x"]},
        {"price": "abc"},
        {"drawn": None},
        {"seller": None},
    ],
)
def test_a_journal_of_no_listings_is_refused(tmp_path: Path, change: dict) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(listing("a"), verdict("a"), "genuine", by="anna", drawn=True)
    entry = json.loads(journal.path.read_bytes())
    (name,) = change
    del entry[name]
    journal.path.write_text(json.dumps(entry | {key: value for key, value in change.items() if value}) + "\n")
    with pytest.raises(CatalogError, match="j:1: not as it was written"):
        journal.listings("genuine")


@pytest.mark.parametrize("windows", [False, True])
def test_many_writers_at_once_leave_one_whole_chain(tmp_path: Path, windows: bool) -> None:
    if windows:
        pytest.importorskip("fcntl")
    code = (
        f"import sys\nsys.path.append({os.path.dirname(__file__)!r})\n"
        + windows * "import pytest, windows\nwindows.pretend(pytest.MonkeyPatch())\n"
        + "from counterfeit_vision.report.review_log import Journal\nfrom counterfeit_vision.types import Listing\n"
        "said = dict(decision='clear', risk=0.1, p_value=0.5, reason='', statistics=[0.0], stale=False)\n"
        "said['photos_sha256'] = sys.argv[3:]\n"
        "for n in range(20):\n"
        "    id = f'{sys.argv[2]} {n}'\n"
        "    Journal(sys.argv[1]).add(Listing(id=id, photos=['p']), dict(said, id=id), 'fake', by='anna')\n"
    )
    Path("p").write_bytes(b"p")
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "j"), str(n), sha256("p")]) for n in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert len(Journal(tmp_path / "j").entries()) == 60


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"drawn": "False"}, "drawn='False': need True or False; of a text type drawn=text == 'True'"),
        ({"drawn": 1}, "drawn=1: need True or False"),
        ({"drawn": None}, "drawn=None: need True or False"),
        ({"by": 7}, "by=7: name who decided, as a text"),
        ({"by": None}, "by=None: name who decided, as a text"),
        ({"by": " \t"}, r"by=' \\t': name who decided, as a text"),
        ({"note": None}, "note=None: need a text"),
        ({"note": {"a": 1}}, "note={'a': 1}: need a text"),
        ({"at": "yesterday"}, "at='yesterday': need an ISO 8601 time and its zone, as '2026-01-31T09:30:00"),
        ({"at": "2026-01-31T09:30:00"}, "at='2026-01-31T09:30:00': need an ISO 8601 time and its zone"),
        ({"at": "2026-01-31"}, "at='2026-01-31': need an ISO 8601 time and its zone"),
        ({"at": ""}, "at='': need an ISO 8601 time"),
        ({"at": 1769850000}, "at=1769850000: need an ISO 8601 time"),
        ({"at": datetime(2026, 1, 31)}, r"at=datetime\.datetime\(2026, 1, 31, 0, 0\): need an ISO 8601 time"),
    ],
    ids=str,
)
def test_who_decided_and_when_and_whether_it_was_drawn_are_said_as_they_are_kept(
    tmp_path: Path, given: dict, said: str
) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(InputError, match=said):
        journal.add(listing(), verdict(), "genuine", **{"by": "anna", **given})
    assert not journal.path.exists()
    times = ["2026-01-31T09:30:00+05:45", "2026-01-31T09:30:00Z"]
    kept = [journal.add(listing(), verdict(), "genuine", by="anna", drawn=True, at=time) for time in times]
    assert [entry["at"] for entry in kept] == times


def test_what_can_not_be_kept_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(InputError, match="the words are genuine, fake, unsure"):
        journal.add(listing(), verdict(), "suspected", by="anna")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="decided='fakes'; the words are genuine, fake, unsure"):
        journal.listings("fakes")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="name who decided"):
        journal.add(listing(), verdict(), "fake", by="")
    with pytest.raises(InputError, match=r"Journal\.add\('a.jpg'\): need the Listing that was judged"):
        journal.add("a.jpg", verdict(), "fake", by="anna")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"paths of photos; give it with them, .* as .*\.read_listings"):
        journal.add(Listing(id="a", photos=[np.zeros((9, 9, 3), np.uint8)]), verdict(), "fake", by="anna")
    with pytest.raises(InputError, match="not the same"):
        journal.add(listing("b"), verdict("a"), "fake", by="anna")
    assert not journal.path.exists()


def test_a_journal_is_a_file() -> None:
    with pytest.raises(InputError, match=r"Journal\(None\): need a path; type Journal\('decisions\.jsonl'\)"):
        Journal(None)  # type: ignore[arg-type]
