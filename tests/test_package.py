"""The shape of the package and its tests: what importing costs, which room may import which, and one version."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import counterfeit_vision

PACKAGE = Path(counterfeit_vision.__file__).parent
CHECKOUT = PACKAGE.parent

# A room imports only rooms above it.
ORDER = [
    "errors",
    "_arrays",
    "_version",
    "_concurrency",
    "types",
    "io",
    "encoders",
    "geometry",
    "align",
    "marks",
    "products",
    "index",
    "calibration",
    "heads",
    "decision",
    "judging",
    "examples",
    "teaching",
    "report",
    "inspector_folder",
    "inspector",
    "evaluation",
    "market",
    "testing",
    "cli",
]
DOORS = {"__init__", "__main__"}  # they lead to every room

# A file, and the room below it that it imports. Each with its reason.
EXCEPTIONS = {
    ("types/verdict", "report"),  # Verdict.explain() shows itself; loaded when it is called
    ("io/thumbnails", "encoders"),  # makes photos small by the filter that makes the encoder's square
    ("encoders/batching", "align"),  # what is encoded may have been turned the right way round
    ("marks/regions", "index"),  # looks at few of a product's references, as the index does
    ("heads/learned", "evaluation"),  # says how well it tells the fakes that it was not shown
    ("heads/seller", "decision"),  # authorised sellers are compared as the decision compares them
    ("decision/deciding", "judging"),  # makes verdicts of what the heads said
}
ONLY_ERRORS_AND_TYPES = {"market"}  # the benchmark shares nothing with what it measures
TORCH = {"encoders", "index/exact", "index/faiss", "index/tokens", "_concurrency"}
FAISS = {"index/faiss"}


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    """``index/faiss`` for ``index/faiss.py``, ``index`` for ``index/__init__.py``."""
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    return name.removesuffix("/__init__")


def room(path: Path) -> str:
    return module(path).split("/")[0]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every import of a file by its full dotted name, also inside functions and under TYPE_CHECKING, with its line."""
    package = ["counterfeit_vision", *path.relative_to(PACKAGE).parts[:-1]] if path.is_relative_to(PACKAGE) else []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{stem}.{alias.name}", node.lineno


def rooms_imported(path: Path) -> Iterator[tuple[str, int]]:
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "counterfeit_vision" and len(parts) > 1:
            yield parts[1], line


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(path) for path in files()} - DOORS <= set(ORDER)


@pytest.mark.parametrize("path", files(), ids=module)
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    here = room(path)
    if here in DOORS:
        return
    for there, line in rooms_imported(path):
        place = f"{path.relative_to(CHECKOUT)}:{line}"
        if there == here or (module(path), there) in EXCEPTIONS or there.startswith("__"):
            continue
        assert there in ORDER, f"{place} imports {there}, which is no room: import from the room itself"
        assert ORDER.index(there) < ORDER.index(here), f"{place}: {here} imports {there}, which stands below it"
        if here in ONLY_ERRORS_AND_TYPES:
            assert there in {"errors", "types"}, f"{place}: {here} imports {there}; it takes errors and types only"


def test_type_checkers_see_every_public_name() -> None:
    assert (PACKAGE / "py.typed").is_file()
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    homes, rooms, public = (ast.literal_eval(assigned[name]) for name in ("_HOMES", "_ROOMS", "__all__"))
    assert sorted(public) == sorted([*homes, *rooms])


def test_the_exceptions_are_still_needed() -> None:
    for here, there in EXCEPTIONS:
        found = there in {name for name, _ in rooms_imported(PACKAGE / f"{here}.py")}
        assert found, f"{here} does not import {there} any more: take it off the list"


def listed(path: Path) -> set[str] | None:
    """What a file's ``__all__`` lists; ``None`` where it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("path", files(), ids=module)
def test_what_one_file_takes_from_another_is_listed_there(path: Path) -> None:
    homes = {f"counterfeit_vision.{module(file).replace('/', '.')}": file for file in files()}
    for name, line in imports(path):
        home, _, taken = name.rpartition(".")
        known = listed(homes[home]) if home in homes and name not in homes else None
        assert known is None or taken in known, f"{path.relative_to(CHECKOUT)}:{line}: {home}.__all__ lacks {taken}"


@pytest.mark.parametrize(("library", "allowed"), [("torch", TORCH), ("faiss", FAISS)])
def test_torch_and_faiss_stay_in_their_rooms(library: str, allowed: set[str]) -> None:
    for path in files():
        for name, line in imports(path):
            if name.split(".")[0] == library:
                place = f"{path.relative_to(CHECKOUT)}:{line}"
                assert {module(path), room(path)} & allowed, f"{place} imports {library}"


def test_the_walk_sees_imports_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "import torch.nn as nn\nfrom . import pictures, report\nfrom .. import errors\nfrom ..types import Region\n"
        "from .base import X\ndef f():\n    from counterfeit_vision.cli import main\n    import faiss\n"
    )
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "x.py").write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    found = [name for name, _ in imports(tmp_path / "heads" / "x.py")]
    assert set(found) == {
        "torch.nn",
        "counterfeit_vision.heads.pictures",
        "counterfeit_vision.heads.report",
        "counterfeit_vision.errors",
        "counterfeit_vision.types.Region",
        "counterfeit_vision.heads.base.X",
        "counterfeit_vision.cli.main",
        "faiss",
    }
    assert room(tmp_path / "heads" / "x.py") == "heads"


def test_no_file_of_tests_imports_from_another() -> None:
    for path in sorted((CHECKOUT / "tests").rglob("*.py")):
        for name, line in imports(path):
            place = f"{path.relative_to(CHECKOUT)}:{line}"
            assert "test_" not in {part[:5] for part in name.split(".")}, (
                f"{place} imports {name}: share it in a module"
            )


# --- the surface -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", counterfeit_vision.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    value = getattr(counterfeit_vision, name)
    assert value is not None
    assert name in dir(counterfeit_vision)


def test_what_is_offered_is_what_is_public() -> None:
    assert dir(counterfeit_vision) == sorted([*counterfeit_vision.__all__, "__version__"])


def test_the_names_that_measurements_from_outside_use_are_there() -> None:
    used = {"load_encoder", "embed", "Region", "Reference", "Listing", "Catalog", "Inspector", "Failure", "Verdict"}
    assert used | {"heads", "metrics", "market"} <= set(counterfeit_vision.__all__)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (counterfeit_vision.load_encoder, ["name", "device", "dtype"]),
        (counterfeit_vision.Inspector, ["catalog", "heads", "authorised", "base_rate", "costs"]),
        (counterfeit_vision.Inspector.calibrate, ["self", "genuine", "fakes", "groups", "alpha"]),
        (counterfeit_vision.market.render, ["folder", "seed"]),
    ],
)
def test_what_has_a_place_in_the_signatures_that_others_use_may_be_passed_by_place(
    function: Callable[..., object], names: list[str]
) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD] == names


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Inspektor'"):
        counterfeit_vision.Inspektor  # noqa: B018
    with pytest.raises(ImportError):
        from counterfeit_vision import Inspektor  # noqa: F401


@pytest.mark.parametrize("path", [path for path in files() if path.name != "__main__.py"], ids=module)
def test_every_name_in_all_exists_and_nothing_is_said_on_import(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dotted = ".".join(["counterfeit_vision", *[part for part in module(path).split("/") if part != "__init__"]])
    loaded = importlib.import_module(dotted)
    for name in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, name), f"{dotted}.__all__ lists {name}"
    assert capsys.readouterr() == ("", "")


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    return run.stdout.strip()


HEAVY = (
    "torch",
    "faiss",
    "PIL",
    "open_clip",
    "timm",
    "torchvision",
    "onnx",
    "pandas",
    "matplotlib",
    "safetensors",
    "numpy",
)


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = python("import counterfeit_vision, sys; print(*sys.modules)").split()
    assert "counterfeit_vision" in loaded
    assert set(HEAVY) & set(loaded) == set()


@pytest.mark.parametrize("name", ["Listing", "Reference", "Region", "DecodeError", "Verdict", "metrics", "Report"])
def test_inputs_and_results_load_neither_torch_nor_faiss(name: str) -> None:
    loaded = python(f"import counterfeit_vision, sys; counterfeit_vision.{name}; print(*sys.modules)").split()
    assert {"torch", "faiss", "open_clip"} & set(loaded) == set()


def test_importing_the_package_takes_less_than_150_ms_over_a_bare_python() -> None:
    def best(code: str) -> float:
        spans = []
        for _ in range(7):
            start = processor_time()
            python(code)
            spans.append(processor_time() - start)
        return min(spans)

    def processor_time() -> float:  # of ended children: other tests run beside this one
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    assert best("import counterfeit_vision") - best("pass") < 0.150


def test_the_version_is_the_changelogs_newest() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = [entry for entry in re.findall(r"^## \[?([^\]\s]+)", text, flags=re.MULTILINE) if entry != "Unreleased"]
    assert entries, "CHANGELOG.md has no entry such as '## 0.1.0'"
    assert entries[0] == counterfeit_vision.__version__
