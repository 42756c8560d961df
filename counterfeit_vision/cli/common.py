"""What commands share: encoders and catalogues from arguments, and what is refused before any work is done."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..io.files import refuse_file
from .output import Talk

if TYPE_CHECKING:
    from ..encoders.base import Encoder
    from ..index.catalog import Catalog
    from ..report import Report
    from ..types import Failure

__all__ = [
    "DEFAULT_ENCODER",
    "all_failures",
    "bare_catalog",
    "encoder_of",
    "loaded",
    "refuse_missing",
    "refuse_out",
    "told_when_stopped",
]

DEFAULT_ENCODER = "clip-vit-b16"


def encoder_of(args: argparse.Namespace, talk: Talk, name: str | None = None) -> Encoder:
    from ..encoders import load_encoder

    return load_encoder(name or args.encoder, device=args.device, progress=not talk.quiet)


def loaded(args: argparse.Namespace, talk: Talk) -> Catalog:
    """The catalogue with its encoder: ``--encoder``, else the recipe that the catalogue names. What is wrong with the
    catalogue, or with the inspector, if one was named, shows before the encoder is loaded.
    """
    from ..index.catalog import Catalog
    from ..index.store import open_folder, recipe_of
    from ..inspector_folder import read_inspector

    def find(manifest: dict[str, Any]) -> Encoder:
        if getattr(args, "inspector", None) is not None:
            read_inspector(args.inspector)
        name = args.encoder or recipe_of(args.catalog, manifest)
        talk.step(f"Loading the encoder {name} ...")
        return encoder_of(args, talk, name)

    kept, encoder = open_folder(args.catalog, find)
    return Catalog(kept, encoder=encoder)


def bare_catalog(folder: Path) -> Catalog:
    """A catalogue without its encoder: enough to tell what is in it, without weights."""
    from ..index.catalog import Catalog
    from ..index.store import open_folder

    def absent(manifest: dict[str, Any]) -> Any:
        return SimpleNamespace(name=manifest["encoder"], fingerprint=manifest["fingerprint"])

    kept, encoder = open_folder(folder, absent)
    return Catalog(kept, encoder=encoder)


def all_failures(report: Report) -> list[Failure]:
    """Listings without a verdict, and single photos of listings that have one."""
    return [*report.failures, *(failure for verdict in report.verdicts for failure in verdict.failures)]


def refuse_out(out: Path, *, page: bool = False) -> None:
    """:class:`InputError` before any work is done, where the results could not be written after it."""
    if not page:
        refuse_file(out)
    elif out.is_dir():
        raise InputError(f"{out}: that is a folder; name a file")
    above = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), Path("/"))
    blocked = next((folder for folder in out.absolute().parents if folder.exists() and not folder.is_dir()), None)
    if blocked is not None or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{out}: no folder can be written in {blocked or above}; name another place")


def refuse_missing(source: Path, what: str) -> None:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder of {what}")


@contextlib.contextmanager
def told_when_stopped() -> Iterator[None]:
    """Listings are judged inside: who stops that is told what is kept of it."""
    from ..io.cache import usual_path

    try:
        yield
    except KeyboardInterrupt:
        kept = "What was judged is in the cache: run" if os.access(usual_path(), os.W_OK) else "Run"
        raise KeyboardInterrupt(f"nothing was written. {kept} the same command again") from None
