"""Patch tokens against references and against a bank: the nearest of each, beside other ways to find them.

    python benchmarks/patches.py           # --quick: fewer references; --check: the answers only

**Against references**: how well each of a photo's 120 product patches is matched in each of 190 references, half of
whose patches are background: what the similarity head asks of a photo (``index/late_interaction.py``). Beside it one
reference at a time, and all of them in one product with the background masked after it.

**Against a bank**: the distance of 196 tokens of 768 numbers to the nearest of 10,000, as PatchCore searches its memory
bank. The peer is anomalib's ``nearest_neighbors`` with one neighbour, written out here, and ``torch.cdist``. Ours is a
trial, no part of the package, for no head searches a bank: 8-bit products find the candidates, and those within the
rounding error are compared in float32. With the first candidate alone one real token in a hundred is off, by 10 % at
the most. Over the references above the trick does not pay: each patch has 190 winners, and to score them again takes
longer than the float32 product.

Checked first against float64, on unit tokens drawn around seeded centres, and on the packaged CLIP's tokens of real
photos where $CV_DATA holds some: the distance's error, relative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import rounds
import torch
from encode import real_photos
from rounds import ENCODER

import counterfeit_vision as cv
from counterfeit_vision.index.late_interaction import best_in, compared_tokens

GROUP = 50
SPREADS = 4  # of the rounding error, by which a candidate's score may lie below the best
ERROR = 0.002  # of a distance, at the most


def tokens(count: int, dim: int, seed: int) -> np.ndarray:
    """(count, dim) float32 unit tokens around 300 centres: two of one centre have a cosine of 0.8."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((300, dim))
    drawn = centres[random.integers(0, 300, count)] + 0.5 * random.standard_normal((count, dim))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


# --- references ---


def one_by_one(query: np.ndarray, references: np.ndarray, masks: np.ndarray) -> np.ndarray:
    own = torch.from_numpy(query).float()
    pairs = zip(references, masks, strict=True)
    best = [(own @ torch.from_numpy(reference[mask]).float().T).amax(1) for reference, mask in pairs]
    return torch.stack(best, dim=1).numpy()


def masked(query: np.ndarray, references: np.ndarray, masks: np.ndarray) -> np.ndarray:
    own, other = torch.from_numpy(query).float(), torch.from_numpy(references).float()
    similarity = (own @ other.flatten(0, 1).T).view(len(own), *masks.shape)
    return similarity.masked_fill_(~torch.from_numpy(masks), -1).amax(2).numpy()


def ours(query: np.ndarray, references: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return best_in(query.astype(np.float32), compared_tokens(references, masks))


# --- a bank ---


def anomalib(queries: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    """``PatchcoreModel.nearest_neighbors`` with one neighbour, and its ``euclidean_dist``."""
    own = queries.pow(2).sum(dim=-1, keepdim=True)
    other = bank.pow(2).sum(dim=-1, keepdim=True)
    distances = own - 2 * torch.matmul(queries, bank.transpose(-2, -1)) + other.transpose(-2, -1)
    return distances.clamp_min_(0).sqrt_().min(1).values


def cdist(queries: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    return torch.cdist(queries, bank).amin(1)


def nearest(queries: torch.Tensor, bank: torch.Tensor, scores: torch.Tensor, slack: torch.Tensor) -> torch.Tensor:
    """The distance to the nearest token, of those whose score lies within ``slack`` (Q,) of the best: the best of each
    group of the bank, whose members lie far apart, for a photo's tokens are alike.
    """
    groups = scores.view(len(scores), GROUP, -1)
    best = groups.amax(1)
    query, group = (best >= best.amax(1, keepdim=True) - slack[:, None]).nonzero().T
    row = groups[query, :, group].argmax(1) * groups.shape[2] + group
    distances = (queries[query] - bank[row]).norm(dim=1)
    return torch.full((len(queries),), torch.inf).scatter_reduce_(0, query, distances, "amin")


class Int8:
    """A bank in 8 bits, a scale for each token: 1 byte a number beside float32's 4."""

    def __init__(self, bank: torch.Tensor) -> None:
        self.bank = bank
        self.codes, self.scales = self._coded(bank)
        self.step = self.scales.max()

    def __call__(self, queries: torch.Tensor) -> torch.Tensor:
        codes, steps = self._coded(queries)
        scores = torch._int_mm(codes, self.codes.T).float().mul_(self.scales)  # in units of the query's step
        error = (steps.square() + self.step.square()).div(12).sqrt()  # of a product of unit vectors, each rounded
        return nearest(queries, self.bank, scores, SPREADS * error / steps)

    @staticmethod
    def _coded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        steps = rows.abs().amax(1) / 127
        return (rows / steps[:, None]).round().to(torch.int8), steps


def real_tokens(dim: int) -> np.ndarray | None:
    """(N, dim) unit tokens of real photos; ``None`` where there are no photos or no weights."""
    files = real_photos(every=12)
    if not files:
        return None
    patches = cv.embed(files, encoder=cv.load_encoder(ENCODER, dtype="bfloat16"), cache=False).patches
    if patches is None or patches.shape[2] != dim:
        return None
    rows = patches.reshape(-1, dim).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def bank_check(queries: np.ndarray, bank: np.ndarray, what: str) -> dict[str, Any]:
    """Relative error of each way's distances: the most and the mean."""
    exact = np.sqrt(np.maximum(2 - 2 * (queries.astype(np.float64) @ bank.T.astype(np.float64)).max(axis=1), 0))
    asked, held = torch.from_numpy(queries), torch.from_numpy(bank)
    found: dict[str, Any] = {}
    for name, way in bank_ways(held).items():
        error = np.abs(way(asked).numpy() - exact) / exact
        found[f"bank, {what}, {name}: relative error"] = [round(float(x), 6) for x in (error.max(), error.mean())]
    rounds.demand(max(most for most, _ in found.values()) <= ERROR, f"{what}: distances off, {found}")
    return found


def bank_ways(bank: torch.Tensor) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    return {
        "anomalib's": lambda queries: anomalib(queries, bank),
        "torch.cdist": lambda queries: cdist(queries, bank),
        "int8, scored again": Int8(bank),
    }


def main() -> None:
    chosen = rounds.options(__doc__)
    if chosen.device != "cpu":
        raise SystemExit("the comparison runs on the CPU, whatever the encoder's device: --device cpu")
    result: dict[str, Any] = {"check": {}, "rounds": {}}
    few = {"rounds": 2 if chosen.quick else 15, "device": "cpu"}

    random = np.random.default_rng(1)
    count, dim = 40 if chosen.quick else 190, 160
    query = tokens(120, dim, 1).astype(np.float16)
    references = tokens(count * 196, dim, 2).astype(np.float16).reshape(count, 196, dim)
    masks = random.random((count, 196)) < 0.5
    masks[:, 0] = True
    similarity = np.einsum("pd,nrd->pnr", query.astype(np.float64), references.astype(np.float64), optimize=True)
    expected = np.where(masks, similarity, -1).max(axis=2)
    ways = {"all in one product, masked after": masked, "one reference at a time": one_by_one, "ours": ours}
    for name, way in ways.items():
        error = float(np.abs(way(query, references, masks) - expected).max())
        rounds.demand(error < 1e-5, f"{name}: cosines off by {error}")
        result["check"][f"references, {name}: cosine off by"] = error
    if not chosen.check:
        result["rounds"][f"120 patches in each of {count} references"] = rounds.paired(
            {name: functools.partial(way, query, references, masks) for name, way in ways.items()}, items=1, **few
        )

    dim = 768
    queries, bank = tokens(196, dim, 3), tokens(10_000, dim, 4)
    result["check"] |= bank_check(queries, bank, "seeded tokens")
    real = None if chosen.quick else real_tokens(dim)
    if real is not None:
        result["check"] |= bank_check(real[:784], real[784:][:10_000], "real tokens")
    if not chosen.check:
        asked = torch.from_numpy(queries)
        result["rounds"]["196 tokens, the nearest of 10,000"] = rounds.paired(
            {name: functools.partial(way, asked) for name, way in bank_ways(torch.from_numpy(bank)).items()},
            items=1,
            **few,
        )
    rounds.give("patches", result, chosen)


if __name__ == "__main__":
    main()
