"""An inspector is saved whole or not at all, and a folder that was altered is refused."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
from conftest import picture
from lights import GENUINE, Loud, goods, learns_anything, red

import counterfeit_vision as cv
from counterfeit_vision import inspector_folder
from counterfeit_vision._version import made_by
from counterfeit_vision.heads import Price
from counterfeit_vision.io.storage import sealed


def test_an_inspector_is_kept_at_a_path(inspector: cv.Inspector) -> None:
    with pytest.raises(
        cv.InputError, match=r"Inspector\.load\(None\): need a path; type Inspector\.load\('inspector'\)"
    ):
        cv.Inspector.load(None, inspector.catalog)  # type: ignore[arg-type]
    with pytest.raises(cv.InputError, match=r"inspector\.save\(3\): need a path"):
        inspector.save(3)  # type: ignore[arg-type]


def test_an_inspector_is_not_saved_over_a_file(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(cv.InputError, match="file: that is a file; name a folder"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, alpha=0.125).save(tmp_path / "file")


def test_an_inspector_is_not_saved_in_a_folder_that_is_named_like_a_file(
    inspector: cv.Inspector, tmp_path: Path
) -> None:
    with pytest.raises(cv.InputError, match=r"x\.json: a folder is written here, no \.json file; name a folder"):
        inspector.save(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_what_is_saved_is_of_one_piece_where_another_thread_calibrates_meanwhile(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 330)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, alpha=0.1)
    settings, others = cv.Inspector.costs, [fakes]

    def just_then(self: cv.Inspector) -> tuple[float, float] | None:
        if others:
            inspector.calibrate(genuine, fakes=others.pop(), alpha=0.1)
        return settings.fget(self)

    monkeypatch.setattr(cv.Inspector, "costs", settings.getter(just_then))
    inspector.save(tmp_path / "inspector")
    assert [head.name for head in inspector.heads] == ["loud", "learned"]
    kept = cv.Inspector.load(tmp_path / "inspector", tree_catalog, [Loud()], cache=False)
    assert [head.name for head in kept.heads] == ["loud"]


def test_a_save_that_stops_half_way_leaves_the_inspector_that_was_there(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learns_anything(monkeypatch)
    genuine, fakes = [picture(seed) for seed in range(200, 260)], [red(seed) for seed in range(300, 340)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    folder = inspector.calibrate(genuine, fakes=fakes[:30], alpha=0.1).save(tmp_path / "kept")
    inspector.calibrate(genuine, fakes=fakes[10:], alpha=0.1)
    write = inspector_folder.replace_file

    def stopped(path: Path, data: bytes) -> None:
        if path.name == "inspector.json":
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(inspector_folder, "replace_file", stopped)
        with pytest.raises(KeyboardInterrupt):
            inspector.save(folder)
    assert len(cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False).heads) == 2
    inspector.save(folder)
    assert len(cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False).heads) == 2
    assert len(list(folder.iterdir())) == 2  # nothing old is left
    (folder / ".0123456789abcdef.tmp").write_bytes(b"of a save that was killed")
    older, read = inspector_folder.read_inspector(folder), inspector_folder.read_inspector
    inspector.calibrate(genuine, fakes=fakes[:30], alpha=0.1).save(folder)
    assert len(list(folder.iterdir())) == 2
    first = iter([older])
    monkeypatch.setattr("counterfeit_vision.inspector.read_inspector", lambda path: next(first, None) or read(path))
    again = cv.Inspector.load(folder, tree_catalog, [Loud()], cache=False)  # saved while it is read
    assert again.calibration is not None
    assert again.calibration.to_dict() == inspector.calibration.to_dict()
    mine = folder / "learned-mine.safetensors"
    mine.write_bytes(b"somebody's own")
    inspector.save(folder)
    assert mine.exists()


def test_a_prices_rates_are_kept(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    heads = [Loud(), Price({"EUR": 1, "USD": 0.9})]
    inspector = cv.Inspector(tree_catalog, heads, cache=False).calibrate(GENUINE)
    kept = inspector_folder.read_inspector(inspector.save(tmp_path / "kept"))
    assert kept.rates == {"EUR": 1, "USD": 0.9}


def test_by_what_it_was_calibrated_is_kept(tree_catalog: cv.Catalog, tmp_path: Path) -> None:
    photos = [goods(number) for number in range(40)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(photos, by="brand", alpha=0.2)
    again = cv.Inspector.load(inspector.save(tmp_path / "kept"), tree_catalog, [Loud()], cache=False)
    assert again.by == "brand"
    told, still = ([one.p_value for one in each.inspect(photos[:5], strict=True)] for each in (inspector, again))
    assert still == told


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", ""])
def test_a_folder_that_holds_no_inspector_is_named(tree_catalog: cv.Catalog, tmp_path: Path, text: str) -> None:
    path = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    data = json.loads(path.read_text())
    data["calibration"]["scores"][0][0] = 10**400  # no float holds it
    path.write_bytes(text.encode() or resealed(data))
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: not readable as an inspector"):
        inspector_folder.read_inspector(tmp_path)


@pytest.mark.parametrize("made", [{"made_by": "counterfeit-vision 0.0.1, code 1a2b3c4d5e6f"}, {}])
def test_an_old_inspector_is_refused_with_what_made_it_in_plain_words(
    inspector: cv.Inspector, tmp_path: Path, made: dict[str, str]
) -> None:
    path = inspector.save(tmp_path) / "inspector.json"
    data = json.loads(path.read_text())
    assert data.pop("made_by") == made_by()
    path.write_bytes(resealed(data | made | {"format": 34}))
    who = made.get("made_by", "an earlier version")
    told = f"{path}: format 34, made by {who}; this is {made_by()}, which reads format {inspector_folder.FORMAT}. "
    with pytest.raises(cv.CatalogError) as refusal:
        cv.Inspector.load(tmp_path, inspector.catalog, [Loud()], cache=False)
    assert str(refusal.value) == told + "Judge with the version that made it, or calibrate again"


def test_an_inspector_of_another_code_keeps_the_name_of_what_calibrated_it(
    inspector: cv.Inspector, tmp_path: Path
) -> None:
    path = inspector.save(tmp_path) / "inspector.json"
    path.write_bytes(resealed(json.loads(path.read_text()) | {"made_by": "counterfeit-vision 0.0.1, \x1b[31mcode 1a"}))
    loaded = cv.Inspector.load(tmp_path, inspector.catalog, [Loud()], cache=False)
    assert inspector.about()["Version"] == made_by()
    assert loaded.about()["Version"] == f"{made_by()}; calibrated by counterfeit-vision 0.0.1, ?[31mcode 1a"
    again = loaded.save(tmp_path / "again") / "inspector.json"
    assert json.loads(again.read_text())["made_by"] == "counterfeit-vision 0.0.1, ?[31mcode 1a"


def resealed(data: dict) -> bytes:
    """As one would write them who knows how."""
    return sealed({key: value for key, value in data.items() if key != "sha256"})


@pytest.mark.parametrize("number", [rb'"alpha": 0\.05', rb'"fitted_on": \d+', rb"\d\.\d{6,}"])
def test_a_number_that_was_altered_on_disk_is_found(tree_catalog: cv.Catalog, tmp_path: Path, number: bytes) -> None:
    path = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    found = re.search(number, path.read_bytes())
    assert found is not None
    with path.open("r+b") as file:
        file.seek(found.end() - 1)
        file.write(b"4" if found[0][-1:] != b"4" else b"5")
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: .*does not match its own sha256"):
        cv.Inspector.load(tmp_path, tree_catalog, [Loud()])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["base_rate"], "x"),
        (["base_rate"], 7),
        (["by"], "photo"),
        (["by"], ["brand"]),
        (["rates"], {"EUR": 0}),
        (["costs"], [None, 1]),
        (["costs"], 5),
        (["calibration", "alpha"], 0),
        (["calibration", "peaks"], {"loud": 0}),
        (["calibration", "peaks"], {"loud": float("inf")}),
        (["calibration", "light"], {"acme": [2, 0]}),
        (["calibration", "light"], {"acme": [0.1, float("nan")]}),
        (["calibration", "light"], {"acme": [0.1]}),
        (["calibration", "fitted_on"], -1),
        (["calibration", "margins", 0], float("inf")),
        (["calibration", "scores", 0], [float("inf")]),
        (["calibration", "usual", "scale"], [[0.0]]),
        (["calibration", "usual", "location"], [[float("inf")]]),
        (["calibration", "usual"], {"kinds": [], "location": [[1, 2]], "scale": [[1, 2]]}),
        (["calibration", "merger", "counts"], []),
        (["calibration", "merger", "counts"], [0]),
        (["calibration", "merger", "weights"], [1]),
        (["calibration", "merger", "learned"], 1),
        (["calibration", "probability"], {"slope": 1, "intercept": 0, "fakes": 1, "usual": 0.5}),
    ],
)
def test_an_inspector_whose_numbers_do_not_fit_is_refused_before_it_judges(
    tree_catalog: cv.Catalog, tmp_path: Path, path: list[str], value: object
) -> None:
    file = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE).save(tmp_path) / "inspector.json"
    data = json.loads(file.read_text())
    *above, last = path
    functools.reduce(lambda part, key: part[key], above, data)[last] = value
    file.write_bytes(resealed(data))
    with pytest.raises(cv.CatalogError, match=r"inspector\.json: not readable as an inspector: (?!.*sha256)"):
        inspector_folder.read_inspector(tmp_path)


@pytest.mark.parametrize("name", ["merged", "groups", "listings", "strata", "kinds", "margins"])
def test_a_calibration_of_columns_is_refused(tree_catalog: cv.Catalog, name: str) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE)
    assert inspector.calibration is not None
    data = inspector.calibration.to_dict()
    data[name] = [[value] for value in data[name]]
    with pytest.raises(ValueError, match="do not fit"):
        type(inspector.calibration).from_dict(data)
