"""What a folder or a report was made by: the version, and the very code."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from importlib import metadata
from pathlib import Path

from . import __version__
from .weights import recipe_folder

__all__ = ["code_sha256", "made_by"]

LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "simplejpeg", "torch")


@functools.cache
def code_sha256() -> str:
    """The sha256 of this package's code, of the recipes and small heads that come with it and of the versions of what
    it computes with: what others have worked out may be something else. It is the same wherever they are installed.
    """
    digest = hashlib.sha256()
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{name} {metadata.version(name)} ".encode())
    package, models = Path(__file__).parent, recipe_folder()
    for folder, kind in ((package, "*.py"), (package, "*.j2"), (models, "*.json"), (models, "*.safetensors")):
        for name in sorted(file.relative_to(folder).as_posix() for file in folder.rglob(kind)):
            data = (folder / name).read_bytes()
            digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.hexdigest()


def made_by() -> str:
    """This version by name: "counterfeit-vision 0.1.0, code 1a2b3c4d5e6f"."""
    return f"counterfeit-vision {__version__}, code {code_sha256()[:12]}"
