"""A labelled file through an inspector.

The labels stay here: the inspector is given :class:`~counterfeit_vision.Listing` objects, which have no place for them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._arrays import Ints
from ..errors import DecodeError, InputError, ManifestError
from ..index.catalog import Catalog
from ..inspector import Inspector
from ..io.decode import decode
from ..io.manifests import cell_text, column_names, field_name, id_of, read_listings, read_rows
from ..types import Evidence, Failure, Listing, Verdict
from ..types.checks import as_number
from ..types.fields import folded
from ..types.wording import number
from .figures import LABELS, Judged, fake_share
from .result import Evaluation

__all__ = ["evaluate", "labelled_rows"]

FEW_GROUPS = 8  # with 5, four of five 95 % intervals held the true figure in simulated runs, with 2 every other one
LARGEST_MASK = 0.2  # of the photo: in a larger change a peak proves nothing


@dataclasses.dataclass(frozen=True)
class _Truth:
    """What the file knows of a listing: a row without a verdict, which product a genuine one shows, and the pictures of
    the change and of the product.
    """

    row: Judged
    product: str | None
    change: Path | None
    product_mask: Path | None


def evaluate(
    inspector: Inspector,
    listings: str | os.PathLike[str],
    *,
    group: str = "id",
    draws: int = 1000,
    progress: bool = False,
) -> Evaluation:
    """Judge a labelled file of listings, and say how good the verdicts are.

    ``listings`` is a csv, jsonl or parquet file as :meth:`~counterfeit_vision.Inspector.inspect` takes it, with a
    column ``label``: ``genuine``, ``fake``, or ``unknown`` for goods that the catalogue does not hold, about which no
    answer is right. None of them may have calibrated the inspector, or have been given to it as a fake. Optional
    columns: ``attack`` (of a fake), ``hard`` (the circumstance of a genuine one), ``shows`` (the product that a genuine
    one shows, where the listing itself names none as its ``product``), ``category``, ``brand``, ``mask`` (a picture,
    white where a fake's first photo was changed) and ``product_mask``.

    ``group`` is the column that names what belongs together (``seller``, ``scene``): intervals resample whole groups,
    ``draws`` times. Raises :class:`~counterfeit_vision.ManifestError`, before anything is judged, for a row without a
    label or without a group, and for a fake whose masks can't be read or differ in size.
    """
    if not as_number(draws, whole=True) >= 1:
        raise InputError(f"draws={draws!r}: intervals need 1 or more")
    if not isinstance(listings, str | os.PathLike):
        raise InputError(
            f"evaluate(): need a csv, jsonl or parquet file of labelled listings, not a {type(listings).__name__}"
        )
    path, group = Path(listings), field_name(str(group))
    truths = list(_truths(path, group))
    given = list(read_listings(path))
    results = inspector.stream([item for item in given if isinstance(item, Listing)], progress=progress)
    rows, failures = [], list[Failure]()
    for truth, item in zip(truths, given, strict=True):
        result = item if isinstance(item, Failure) else next(results)
        rows.append(_judged(truth, result, inspector.catalog))
        failures += [result] if isinstance(result, Failure) else result.failures
    rows = _one_spelling(rows, inspector.catalog, group)
    about = {**inspector.about(), "Listings": path.name, "Bootstrap": _bootstrap(rows, group, draws)}
    supposed, share = _supposed(inspector), fake_share(rows)
    if supposed is not None and share is not None:
        about["Probability"] = f"supposes {100 * supposed:.3g} % fakes; of these listings {100 * share:.3g} % are"
    return Evaluation(rows, about=about, draws=draws, failures=failures, supposed=supposed)


def _bootstrap(rows: list[Judged], group: str, draws: int) -> str:
    """What intervals come from, and where that is too little."""
    count = len({row.group for row in rows if row.decision is not None})
    what = number(count, "listing") if group == "id" else f"{number(count, 'group')} ({group})"
    few = "; so few groups make intervals too narrow" if count < FEW_GROUPS else ""
    return f"{number(draws, 'draw')} of {what}{few}"


def _supposed(inspector: Inspector) -> float | None:
    """The share of fakes that the inspector's probabilities suppose, where it gives any."""
    probability = None if inspector.calibration is None else inspector.calibration.probability
    return None if probability is None else inspector.base_rate or probability.usual


def labelled_rows(path: Path, group: str) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a labelled file, each with its line; raises :class:`~counterfeit_vision.ManifestError` where a label
    or a group is missing, and where there are none.
    """
    rows, group = list(read_rows(path)), field_name(str(group))
    if not rows:
        raise ManifestError(f"{path}: holds no listings; write a row each, with its photos and its label")
    for line, row in rows:
        for column, why in (("label", ""), (group, ", to group by,")):
            if column != "id" and column not in row:
                there = column_names(row)
                raise ManifestError(f"{path}:{line}: column {column!r}{why} is missing or empty; the row has {there}")
        if row["label"] not in LABELS:
            raise ManifestError(f"{path}:{line}: label={row['label']!r}; the labels are {', '.join(LABELS)}")
    return rows


def _truths(path: Path, group: str) -> Iterator[_Truth]:
    for line, row in labelled_rows(path, group):
        place, label, id = f"{path}:{line}", row["label"], id_of(row, _photos_of(row, f"{path.name}:{line}"))
        detail = row.get("attack") if label == "fake" else row.get("hard")
        judged = Judged(
            id=id,
            label=label,
            kind=f"{label}: {detail}" if detail else label,
            group=id if group == "id" else str(cell_text(row[group])),
            brand=str(row.get("brand", "not given")),
            category=str(row.get("category", "not given")),
        )
        change, product = (path.parent / str(row[name]) if name in row else None for name in ("mask", "product_mask"))
        if label == "fake" and change is not None:
            _check_masks(place, [mask for mask in (change, product) if mask is not None])
        shows = row.get("shows", row.get("product")) if label == "genuine" else None
        yield _Truth(judged, None if shows is None else str(shows), change, product)


def _photos_of(row: dict[str, Any], otherwise: str) -> str:
    """The photos of a row as text: in another file its line is that of another listing, which none is compared with."""
    photos = row.get("photos", row.get("photo"))
    return "|".join(map(str, photos if isinstance(photos, list) else [photos])) if photos else otherwise


def _check_masks(place: str, masks: list[Path]) -> None:
    """:class:`ManifestError` for pictures that can't be used, before hours are spent on judging."""
    try:
        sizes = [decode(mask).size for mask in masks]
    except DecodeError as error:
        raise ManifestError(f"{place}: {error}") from error
    if len(set(sizes)) > 1:
        told = ", ".join(f"{mask.name} {width} x {height}" for mask, (width, height) in zip(masks, sizes, strict=True))
        raise ManifestError(f"{place}: mask and product_mask are of different sizes: {told} pixels")


def _judged(truth: _Truth, result: Verdict | Failure, catalog: Catalog) -> Judged:
    if isinstance(result, Failure):
        return dataclasses.replace(truth.row, failure=f"{result.stage}: {result.error}")
    row = dataclasses.replace(
        truth.row,
        decision=result.decision,
        risk=result.risk,
        p_value=result.p_value,
        probability=result.probability,
        likeness=result.claims["similarity"].p_value if "similarity" in result.claims else None,
        margin_p=result.margin_p,
        named=result.brand or "",
        misnamed=_is_misnamed(truth, result, catalog),
        place=_place(truth, result, catalog),
    )
    first = 0 if not result.failures else None  # else the first judged photo may not be the one that the mask is of
    maps = [claim for claim in result.claims.values() if claim.heatmap is not None and claim.photo == first]
    if row.label != "fake" or row.decision != "suspected" or truth.change is None or not maps:
        return row
    grid = max(catalog.grid)
    return dataclasses.replace(row, **_peak(maps[0], truth.change, truth.product_mask, grid)) if grid else row


def _one_spelling(rows: list[Judged], catalog: Catalog, group: str) -> list[Judged]:
    """Brands and categories, also as the ``group``, as the catalogue spells them, or else the first row: case and
    blanks make no other one.
    """
    for field in ("brand", "category"):
        names = dict.fromkeys(getattr(one, field) or "" for one in (*catalog.references, *rows))
        first: dict[str, Any] = {folded(name): name for name in reversed(names)}
        named = (field, "group") if group == field else (field,)
        rows = [dataclasses.replace(row, **dict.fromkeys(named, first[folded(getattr(row, field))])) for row in rows]
    return rows


def _is_misnamed(truth: _Truth, verdict: Verdict, catalog: Catalog) -> bool:
    """Whether a verdict names other goods than the listing shows; how they are spelt, by case and blanks, is no
    difference.
    """
    if truth.product is None or verdict.product is None:
        return False
    shown, named = (
        {folded(catalog.goods[row]) for row in rows}
        for rows in (_rows_shown(truth, catalog), catalog.rows_of(brand=verdict.brand, product=verdict.product))
    )
    return not shown & named if shown else folded(truth.product) != folded(verdict.product)


def _place(truth: _Truth, verdict: Verdict, catalog: Catalog) -> int | None:
    """At which place among the nearest references the true product comes first, as in :class:`Judged`."""
    if truth.product is None:
        return None
    right = {catalog.references[row].id for row in _rows_shown(truth, catalog)}
    return next((place for place, id in enumerate(verdict.nearest, 1) if id in right), 0) if right else None


def _rows_shown(truth: _Truth, catalog: Catalog) -> Ints:
    """The references of the true product, of which the file tells the name; the brand's own, where several have one of
    that name and the file tells the brand.
    """
    rows = catalog.rows_of(brand=truth.row.brand, product=truth.product)
    return rows if len(rows) else catalog.rows_of(product=truth.product)


def _peak(claim: Evidence, change: Path, product: Path | None, grid: int) -> dict[str, Any]:
    """Whether the heat map peaks within one patch of the change, and how often a random spot on the product would."""
    import cv2

    assert claim.heatmap is not None
    mask = decode(change).pixels[..., 0] > 127
    if not 0 < mask.mean() <= LARGEST_MASK:
        return {}
    patch = round(max(mask.shape) / grid)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * patch + 1, 2 * patch + 1), np.uint8)) > 0
    place = np.unravel_index(int(np.argmax(claim.heatmap)), claim.heatmap.shape)
    y, x = ((np.array(place) + 0.5) / claim.heatmap.shape * mask.shape).astype(int)
    shown = np.ones(mask.shape, bool) if product is None else decode(product).pixels[..., 0] > 127
    return {"peak": bool(near[y, x]), "chance": float(near[shown].mean()) if shown.any() else None}
