"""What a folder or a report was made by: the version, and the very code."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path

from .errors import WeightsError

__all__ = ["__version__", "code_sha256", "made_by", "recipe_folder"]

__version__ = "0.1.0"

LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "simplejpeg", "torch")


def recipe_folder() -> Path:
    """Where the recipes lie: inside an installed package, or ``models/`` of a checkout; :class:`WeightsError` where the
    package is still in an archive.
    """
    package = Path(__file__).parent
    for folder in (package / "models", package.parent / "models"):
        if folder.is_dir():
            return folder
    raise WeightsError(f"{package}: no folder models/ lies there; install the package unpacked, as pip install does")


@functools.cache
def code_sha256() -> str:
    """The sha256 of this package's code, of the recipes and small heads that come with it and of the versions of what
    it computes with: what others have worked out may be something else. It is the same wherever they are installed.
    """
    from importlib import metadata  # not with the package: it takes longer to load than all the rest

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
