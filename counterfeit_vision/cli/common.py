"""What commands share: encoders and catalogues from arguments, and what is refused before any work is done."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..errors import CatalogError, InputError
from .output import Talk

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..encoders.base import Encoder
    from ..report import Report
    from ..types import Failure

__all__ = ["DEFAULT_ENCODER", "all_failures", "bare_catalog", "encoder_of", "loaded", "refuse_missing", "refuse_out"]

DEFAULT_ENCODER = "clip-vit-b16"


def encoder_of(args: argparse.Namespace, talk: Talk, name: str | None = None) -> Encoder:
    from ..encoders import load_encoder

    return load_encoder(name or args.encoder, device=args.device, progress=not talk.quiet)


def loaded(args: argparse.Namespace, talk: Talk) -> Catalog:
    """The catalogue with its encoder: ``--encoder``, else the recipe that the catalogue names."""
    from ..catalog import Catalog
    from ..weights import recipes

    name = args.encoder or str(Catalog.verify(args.catalog)["encoder"])
    if args.encoder is None and name not in recipes():
        raise CatalogError(
            f"{args.catalog} was built with the encoder {name!r}, which is no recipe of this version; "
            "name it with --encoder, as when the catalogue was built"
        )
    talk.step(f"Loading the encoder {name} ...")
    return Catalog.load(args.catalog, encoder=encoder_of(args, talk, name))


def bare_catalog(folder: Path) -> Catalog:
    """A catalogue without its encoder: enough to tell what is in it, without weights."""
    from ..catalog import Catalog

    manifest = Catalog.verify(folder)
    absent: Any = SimpleNamespace(name=manifest["encoder"], fingerprint=manifest["fingerprint"])
    return Catalog.load(folder, encoder=absent)


def all_failures(report: Report) -> list[Failure]:
    """Listings without a verdict, and single photos of listings that have one."""
    return [*report.failures, *(failure for verdict in report.verdicts for failure in verdict.failures)]


def refuse_out(out: Path, *, page: bool = False) -> None:
    """:class:`InputError` before any work is done, where the results could not be written after it."""
    if out.exists() and out.is_dir() == page:
        raise InputError(f"{out}: that is a {'folder; name a file' if page else 'file; name a folder'}")
    above = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), Path("/"))
    blocked = next((folder for folder in out.absolute().parents if folder.exists() and not folder.is_dir()), None)
    if blocked is not None or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{out}: no folder can be written in {blocked or above}; name another place")


def refuse_missing(source: Path, what: str) -> None:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder of {what}")
