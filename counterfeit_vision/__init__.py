"""Tell whether a marketplace listing's photos show a counterfeit, and show why.

::

    import counterfeit_vision as cv

    encoder = cv.load_encoder("clip-vit-b16")
    catalog = cv.Catalog.build("genuine/", encoder=encoder)
    inspector = cv.Inspector(catalog).calibrate(genuine=held_out)
    report = inspector.inspect("listings.jsonl")
    report.save("report.html")

Everything is loaded on first use: importing the package loads neither torch nor faiss.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import heads, market
    from .calibration.drift import Alarm, Drift
    from .encoders import load_encoder
    from .encoders.batching import embed
    from .errors import (
        CatalogError,
        CorruptCatalogError,
        CounterfeitVisionError,
        DecodeError,
        DuplicateIdError,
        FingerprintError,
        InputError,
        ManifestError,
        MissingExtraError,
        NotCalibratedError,
        WeightsError,
    )
    from .evaluation import Evaluation, evaluate, metrics
    from .index.catalog import Catalog
    from .inspector import Inspector
    from .io.cache import EmbeddingCache
    from .report import Report
    from .report.review_log import Journal
    from .types import Embeddings, Evidence, Failure, Listing, Matches, PhotoView, Reference, Region, Seller, Verdict

_HOMES = {
    "Alarm": "calibration.drift",
    "Catalog": "index.catalog",
    "CatalogError": "errors",
    "CorruptCatalogError": "errors",
    "CounterfeitVisionError": "errors",
    "DecodeError": "errors",
    "Drift": "calibration.drift",
    "DuplicateIdError": "errors",
    "EmbeddingCache": "io.cache",
    "Embeddings": "types",
    "Evaluation": "evaluation",
    "Evidence": "types",
    "Failure": "types",
    "FingerprintError": "errors",
    "InputError": "errors",
    "Inspector": "inspector",
    "Journal": "report.review_log",
    "Listing": "types",
    "ManifestError": "errors",
    "Matches": "types",
    "MissingExtraError": "errors",
    "NotCalibratedError": "errors",
    "PhotoView": "types",
    "Reference": "types",
    "Region": "types",
    "Report": "report",
    "Seller": "types",
    "Verdict": "types",
    "WeightsError": "errors",
    "embed": "encoders.batching",
    "evaluate": "evaluation",
    "load_encoder": "encoders",
}
_ROOMS = {"heads": "heads", "market": "market", "metrics": "evaluation.metrics"}

__all__ = [  # written out, as type checkers need it
    "Alarm",
    "Catalog",
    "CatalogError",
    "CorruptCatalogError",
    "CounterfeitVisionError",
    "DecodeError",
    "Drift",
    "DuplicateIdError",
    "EmbeddingCache",
    "Embeddings",
    "Evaluation",
    "Evidence",
    "Failure",
    "FingerprintError",
    "InputError",
    "Inspector",
    "Journal",
    "Listing",
    "ManifestError",
    "Matches",
    "MissingExtraError",
    "NotCalibratedError",
    "PhotoView",
    "Reference",
    "Region",
    "Report",
    "Seller",
    "Verdict",
    "WeightsError",
    "embed",
    "evaluate",
    "heads",
    "load_encoder",
    "market",
    "metrics",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _ROOMS:
        value = importlib.import_module(f".{_ROOMS[name]}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
