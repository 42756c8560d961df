"""Whether some detail deviates from the genuine product: its marks pixel by pixel, the whole of it patch by patch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._arrays import Bools, Floats
from ..encoders.preprocess import patches_on_photo, to_photo, unpad
from ..geometry.registration import grid_positions, register
from ..types import Evidence, Region
from ..types.wording import number
from .laid_over import laid_over, unsaid
from .suspects import Suspects

__all__ = ["Patches"]

REFERENCES = 4  # nearest genuine photos of the nearest product that a photo is compared with
REACH = 1.6  # patches: how far around its mapped place a match is looked for
TOP = 0.05  # the share of the product's patches that makes the score, the most deviating first
MINIMUM_AGREEMENT = 0.02  # below it no reference could be laid over the photo
# Residual of the product's patches on genuine photos of the market's seeds 0 and 1: median, spread
USUAL = (0.36, 0.05)
# Strangeness of genuine photos' marks, market 250 and cartons of grocery's training part: median, mean excess over it
MARKS_USUAL = (0.7, 0.24)


class Patches:
    """How far the most deviating details are from the genuine ones, after the pose is taken out.

    The marks are laid over those of the references, pixel on pixel, and compared close up
    (:mod:`~counterfeit_vision.marks.details`). Where none are known, the whole product is compared patch by patch: each
    of the nearest genuine photos is laid over the suspect's (an affine map of patches), and a patch's residual is
    1 - its best cosine around the mapped place; over several references the smallest counts, since a deviation must
    deviate from all of them. Either ``score`` is in spreads of genuine photos above their median.
    """

    name = "patches"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return suspects.each(lambda row: self._one(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        evidence = self._marks(suspects, row)
        if evidence.applicable or not isinstance(suspects.marks_of(suspects.looked_at(row)).stencil, str):
            return evidence  # beside photos whose marks were judged, those without would count as calm
        whole = self._product(suspects, row)
        return whole if whole.applicable else Evidence.not_applicable(f"{whole.text} {evidence.text}")

    # --- the marks ----------------------------------------------------------------------------------------------------

    def _marks(self, suspects: Suspects, row: int) -> Evidence:
        """The marks of the photo beside the genuine ones."""
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return unsaid(mark)
        goods, found = mark
        seen = suspects.close_up(row)
        if seen is None or (details := suspects.version_of(row, goods).details) is None:
            return Evidence.not_applicable("This encoder gives no patch tokens.")
        alone, cosine = suspects.alone(row), details.cosine(seen)
        (covered, uneven), strangeness = details.surroundings(alone, cosine), details.compare(alone, cosine)
        if isinstance(strangeness, str):
            return replace(unsaid(strangeness), covered=covered, uneven=uneven)
        evidence = laid_over(
            suspects,
            row,
            goods,
            found,
            strangeness.map,
            score=(strangeness.score - MARKS_USUAL[0]) / MARKS_USUAL[1],
            text=f"the strangest detail of its marks differs {strangeness.strange:.1f} times as much as is usual "
            f"there, the others {strangeness.usual:.1f} times.",
        )
        return replace(evidence, covered=covered, uneven=uneven)

    # --- the whole product --------------------------------------------------------------------------------------------

    def _product(self, suspects: Suspects, row: int) -> Evidence:
        catalog, photos = suspects.catalog, suspects.photos
        if catalog.space is None or catalog.tokens is None or photos.patches is None:
            return Evidence.not_applicable("This encoder gives no patch tokens.")
        width, height = suspects.size(row)
        if min(width, height) * max(photos.grid) < catalog.encoder.preprocess.size:
            return Evidence.not_applicable(f"The photo of {width} x {height} pixels is smaller than one patch.")
        keys = suspects.product_rows(row, REFERENCES)
        best = catalog.references[int(keys[0])].product
        tokens = catalog.space.project(photos.patches[row])
        similarity = np.einsum("pd,nrd->npr", tokens, catalog.tokens.unpack(keys).astype(np.float32), optimize=True)
        on_photo = patches_on_photo(photos.content[row], photos.grid)
        residual, product = residuals(similarity, on_photo, catalog.likeness.product_weights(keys), catalog.grid)
        if product.sum() < 4:
            return Evidence.not_applicable(f"No genuine photo of {best} could be laid over this one.")
        values = np.sort(residual[product])[::-1]
        top = max(1, round(TOP * len(values)))
        strange, usual = float(values[:top].mean()), float(np.median(values))
        heat = np.where(product, np.maximum(residual - usual, 0), 0).astype(np.float32).reshape(photos.grid)
        return Evidence(
            score=(strange - usual - USUAL[0]) / USUAL[1],
            text=f"Beside {number(len(keys), 'genuine photo')} of {best}, the most deviating detail of the product "
            f"differs by {strange:.2f}, a usual detail of this photo by {usual:.2f}.",
            region=_patch_region(int(heat.argmax()), photos.grid, photos.content[row], suspects.size(row)),
            heatmap=unpad(heat, photos.content[row]),
            references=tuple(catalog.references[int(key)].id for key in keys),
        )


def residuals(similarity: Floats, on_photo: Bools, weights: Floats, grid: tuple[int, int]) -> tuple[Floats, Bools]:
    """Residual of each suspect patch (P,) float32 in 0..2, and which patches lie on the product (P,) bool.

    ``similarity`` (N, P, R) with N references, ``on_photo`` (P,) which suspect patches are photo and not padding,
    ``weights`` (N, R) in 0..1: how surely each reference patch is product.
    """
    positions = grid_positions(grid)
    found = register(np.where(on_photo[None, :, None], similarity, -1).astype(np.float32), weights, grid)
    homogeneous = np.concatenate([positions, np.ones((len(positions), 1), np.float32)], axis=1)
    source = np.einsum("nij,pj->npi", found.inverse(), homogeneous)  # each suspect patch's place on each reference
    distance = np.linalg.norm(source[:, :, None] - positions[None, None], axis=3)
    near = distance <= REACH
    fits = near.any(axis=2) & (found.agreement >= MINIMUM_AGREEMENT)[:, None] & on_photo[None]
    residual = np.where(fits, 1 - np.where(near, similarity, -1).max(axis=2), np.inf).min(axis=0)
    sure = np.where(fits, np.take_along_axis(weights, distance.argmin(axis=2), axis=1), 0)
    vote = (found.agreement[:, None] * sure).sum(axis=0) / np.maximum(found.agreement.sum(), 1e-6)
    product = np.isfinite(residual) & (vote >= 0.5)
    return np.where(product, residual, 0).astype(np.float32), product


def _patch_region(patch: int, grid: tuple[int, int], content: Floats, size: tuple[int, int]) -> Region:
    """The box of one patch and its neighbours, in pixels of the upright photo."""
    y, x = divmod(patch, grid[1])
    square = np.array([(x - 1) / grid[1], (y - 1) / grid[0], (x + 2) / grid[1], (y + 2) / grid[0]])
    x0, y0, x1, y1 = np.clip(to_photo(content, square), 0, 1) * np.tile(size, 2)
    return Region(float(x0), float(y0), float(max(x1, x0 + 1)), float(max(y1, y0 + 1)))
