"""Which patches of a photo show the product and which the room behind it.

Sellers of fakes and of genuine goods photograph in different rooms; a head that sees the room learns the seller. For an
encoder that we trained a small head for (``models/foreground``, made by ``scripts/train_foreground``), each patch token
says by itself how surely it is product, in any photo of any goods. For others, references are told from their rooms by
agreement: a patch that finds its like among photos of the same product rather than among others is product.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats
from .._version import recipe_folder
from .preprocess import patch_mask

__all__ = [
    "ASKING",
    "FEWEST",
    "PRODUCT",
    "Foreground",
    "head_of",
    "load_foreground",
    "product_mask",
    "reference_foreground",
]

Tokens = NDArray[np.float16]

TOKEN_LENGTH = 8.0  # tokens are scaled to this length, positions to about as much: what the regularisation was set for
PRODUCT = 0.4  # a patch at least this surely product is one: chosen on grocery train, with rooms kept apart
ASKING = 0.5  # as PRODUCT, for a photo that is looked up: what is left out costs less than what the room brings in
AT_ONCE = 32  # photos, whose features fill 20 MB
FEWEST = 8  # patches: a photo with fewer of product is taken whole
BORDER_COSINE = 0.6  # a patch this like some patch of the photo's border is room, where one photo is all there is
SOFTNESS = 0.05  # cosine over which such a patch goes from room to product
SURE = 0.3  # advantage in cosine at which a patch is surely product; half of it is the edge, chosen on rendered photos


@dataclass(frozen=True, eq=False)
class Foreground:
    """A logistic head on one patch token and its place: ``scale`` and ``weight`` (E,), ``place`` (4,), ``bias``
    (1,).
    """

    scale: Floats
    weight: Floats
    place: Floats
    bias: Floats

    @staticmethod
    def features(patches: NDArray[np.floating], scale: Floats, grid: tuple[int, int]) -> Floats:
        """(N, P, E + 4) float32: tokens divided by ``scale`` (E,) and made equally long, then y, x, y^2, x^2."""
        tokens = patches.astype(np.float32) / scale
        tokens *= TOKEN_LENGTH / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-9)
        y, x = np.mgrid[: grid[0], : grid[1]].astype(np.float32)
        place = np.stack([y / max(grid[0] - 1, 1), x / max(grid[1] - 1, 1)], axis=-1).reshape(-1, 2) - 0.5
        place = np.concatenate([place, place**2], axis=1) * TOKEN_LENGTH / 2
        return np.concatenate([tokens, np.broadcast_to(place, (*tokens.shape[:2], 4))], axis=2)

    def __call__(self, patches: NDArray[np.float16], content: Floats, grid: tuple[int, int]) -> Floats:
        """(N, P) in 0..1: how surely each of ``patches`` (N, P, E) shows the product; 0 on padding.

        ``content`` (N, 4) is where each photo lies in its square, as in :class:`~counterfeit_vision.Embeddings`.
        """
        on_photo = np.stack([patch_mask(box, grid).reshape(-1) for box in content])
        weight = np.concatenate([self.weight, self.place])
        some = range(0, len(patches), AT_ONCE)
        logit = np.concatenate([self.features(patches[row : row + AT_ONCE], self.scale, grid) @ weight for row in some])
        return np.asarray(on_photo / (1 + np.exp(-(logit + self.bias))), np.float32)


def load_foreground(recipe: str | None, dimensions: int) -> Foreground | None:
    """The head for the patch tokens (of ``dimensions``) of a recipe's encoder; ``None`` where there is none."""
    path = recipe_folder() / "foreground" / f"{recipe}.safetensors"
    if recipe is None or Path(recipe).name != recipe or not path.is_file():
        return None
    from safetensors.numpy import load_file

    head = Foreground(**load_file(path))
    return head if head.weight.shape == (dimensions,) else None


def head_of(encoder: object, dimensions: int) -> Foreground | None:
    """The head for an encoder's patch tokens; ``None`` for a user's own encoder, which has no recipe."""
    return load_foreground(getattr(encoder, "recipe", None), dimensions)


def product_mask(foreground: Floats, on_photo: Bools, least: float = PRODUCT) -> Bools:
    """(N, P): the patches to compare. Those that are product; all of the photo where next to none is; never none.

    ``foreground`` (N, P) in 0..1, ``on_photo`` (N, P); ``least`` is how surely a patch must be product.
    """
    mask = (foreground >= least) & on_photo
    few = mask.sum(axis=1) < FEWEST
    mask[few] = on_photo[few]
    mask[~mask.any(axis=1)] = True
    return mask


def reference_foreground(tokens: Tokens, own: Tokens, others: Tokens, grid: tuple[int, int]) -> Floats:
    """How surely each patch of a reference is product, by agreement: (P,) float32 in 0..1.

    ``tokens`` (P, d) of the reference, ``own`` (M, P, d) of other photos of the same product, ``others`` (K, P, d) of
    other products, all unit length on ``grid``. A patch that finds a better match among photos of the same product than
    among photos of other products is product: rooms change from photo to photo, or are the same for all products. With
    no other photo of the product, what looks like the photo's border is room.
    """
    if len(own) and len(others):
        advantage = _best(tokens, own) - _best(tokens, others)
        return np.asarray(np.clip(advantage / SURE, 0, 1), np.float32)
    rows, columns = grid
    place = np.arange(rows * columns).reshape(grid)
    border = np.unique(np.concatenate([place[0], place[-1], place[:, 0], place[:, -1]]))
    cosine = tokens.astype(np.float32) @ tokens[border].astype(np.float32).T
    return np.asarray(1 / (1 + np.exp((cosine.max(axis=1) - BORDER_COSINE) / SOFTNESS)), np.float32)


def _best(tokens: Tokens, photos: Tokens) -> Floats:
    """(P,) best cosine of each patch in each of some photos, averaged over the photos."""
    cosine = np.einsum("pd,nrd->npr", tokens.astype(np.float32), photos.astype(np.float32), optimize=True)
    return np.asarray(cosine.max(axis=2).mean(axis=0), np.float32)
