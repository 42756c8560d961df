"""Public image sets that the benchmarks measure on; a user brings their own copies.

``$CV_DATA`` names the folder that holds them (default ``../shared/data``), each in its upstream layout.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import counterfeit_vision as cv

ROOT = Path(__file__).parent.parent
ENCODER = "clip-vit-b16"
DATA = Path(os.environ.get("CV_DATA", ROOT / ".." / "shared" / "data"))


@dataclass(frozen=True)
class Photo:
    """One labelled photo: ``product`` (grocery) or ``label`` genuine/fake (af1), and the ``group`` it must not be split
    from.
    """

    path: Path
    product: str = ""
    label: str = ""
    group: str = ""


def folder(name: str) -> Path:
    """The folder of one set; ends the program with what to do where it is absent."""
    path = DATA / name
    if not path.is_dir():
        sys.exit(f"{path}: no such folder. Bring the set and type: CV_DATA=folder-of-sets python {sys.argv[0]}")
    return path


def grocery(part: str) -> list[Photo]:
    """GroceryStoreDataset (Klasson et al. 2019), Packages: ``part`` is train, val, test or iconic."""
    root = folder("grocery") / "dataset"
    if part == "iconic":
        photos = sorted((root / "iconic-images-and-descriptions" / "Packages").rglob("*_Iconic.jpg"))
    else:
        lines = (root / f"{part}.txt").read_text().splitlines()
        photos = [root / line.split(",")[0] for line in lines if "/Packages/" in line]
    return [Photo(path, product=path.parent.name) for path in photos]


def clothing() -> list[Photo]:
    """Second-hand clothing (Grigorev 2020): goods that no grocery catalogue knows."""
    return [Photo(path) for path in sorted((folder("clothing") / "images").glob("*"))]


def af1() -> list[Photo]:
    """Marketplace photos of one shoe model, genuine or fake as the uploader said; ``group`` is the scene."""
    root = folder("af1")
    with (root / "labels.csv").open(newline="") as file:
        return [
            Photo(root / "photos" / row["file"], label=row["label"], group=row["scene"], product="air-force-1")
            for row in csv.DictReader(file)
        ]


def brand_of(product: str) -> str:
    """The brand in a grocery product's name; God-Morgon is two words.

    >>> brand_of("Arla-Sour-Milk"), brand_of("God-Morgon-Apple-Juice")
    ('Arla', 'God-Morgon')
    """
    return "God-Morgon" if product.startswith("God-Morgon") else product.split("-")[0]


def references(photos: list[Photo]) -> list[cv.Reference]:
    """Grocery photos as catalogue rows."""
    return [
        cv.Reference(id=str(photo.path), photo=photo.path, brand=brand_of(photo.product), product=photo.product)
        for photo in photos
    ]


def processor() -> str:
    """The processor's model, and the instructions it has for bfloat16: they decide what a forward pass costs."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    own = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.processor()), *own]).strip()


def commit() -> str:
    """Of the code that is measured; empty outside a repository, and without git."""
    with contextlib.suppress(OSError):
        git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
        return subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return ""


def machine() -> dict[str, Any]:
    """What a result was measured on."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "processor": processor(),
        "version": cv.__version__,
        "commit": commit(),
    }


def named(name: str, encoder: Any) -> str:
    """The name of a result, with the encoder's where that is not the usual one."""
    return name if encoder.name == ENCODER else f"{name}-{encoder.name}"


def write(name: str, result: dict[str, Any]) -> None:
    """Print a result, and keep it as ``benchmarks/results/<name>.json``."""
    text = json.dumps({"benchmark": name, **result, "measured_on": machine()}, indent=2)
    print(text)
    target = ROOT / "benchmarks" / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text + "\n")
