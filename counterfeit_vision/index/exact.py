"""The exact index: a quick scan that finds candidates, and a proof that none is missing. In torch, on a CPU or a GPU.

The scan multiplies in bfloat16 where the hardware can, else in float32, and keeps a few more candidates than asked.
Those are scored again in float64. By Cauchy-Schwarz a scanned score is off by a bounded amount at most
(``ExactIndex._slack``); a query whose weakest candidate does not lie that far below its k-th best score is scanned once
more for many more of them, and where these are too few as well, for everything that could still belong. So the answer
is that of float64 arithmetic over all vectors, whatever the scan's dtype.

**Ties**: scores are rounded to float32; of equal ones, the vector that was added first comes first.

Memory: 4 bytes a number held, 6 with the bfloat16 copy. A search adds the scores of :data:`QUERIES` x :data:`ROWS`,
and with ``allowed`` a copy of :data:`ROWS` vectors, however many are held or asked: measured at 512 dimensions, 70 and
204 MB, half of that in bfloat16. Where many thousands of vectors lie closer together than the bound, the answer is as
right but slow: each of them is scored in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .._arrays import Floats, Ints
from ..encoders.devices import device_of, multiplies_bfloat16
from .base import check_held_keys, check_new_keys, check_vectors

__all__ = ["ExactIndex"]

QUERIES = 256  # at a time
ROWS = 65_536  # vectors at a time: see above for what they take
SPARE = 54  # candidates beyond k: on 100,000 of CLIP's vectors nearly no query then needs more
WIDER = 16  # times as many where those are too few; and where these are too few, all that may be among the best
RESCORED = 4_000_000  # numbers scored again at a time, 32 MB in float64

_BFLOAT16_IN = 1.01 * 2**-8  # where torch was let multiply float32 as bfloat16: 2**-9 of either factor
_BFLOAT16_OUT = 2**-8  # a sum leaves as bfloat16 (2**-9 of itself); a GPU may also round its partial sums once


class ExactIndex:
    """All vectors in float32, and a copy to scan. See :class:`counterfeit_vision.index.base.Index`.

    ``scan`` is ``torch.float32`` or ``torch.bfloat16``; ``None`` takes the quicker one on this machine.
    """

    def __init__(self, dim: int, *, device: str = "cpu", scan: torch.dtype | None = None) -> None:
        self.dim = dim
        self._keys = np.zeros(0, np.int64)
        self.device = device_of(device)
        self._vectors = torch.zeros((0, dim), device=self.device)
        self.scan = scan or (torch.bfloat16 if multiplies_bfloat16(self.device) else torch.float32)
        self._scanned = self._vectors.to(self.scan)  # the same tensor where that is float32
        self._longest = self._rounding = 0.0  # of the vectors, and of what the scan's dtype takes from them

    def add(self, keys: Ints, vectors: Floats) -> None:
        """See :meth:`counterfeit_vision.index.base.Index.add`."""
        vectors = check_vectors(vectors, self.dim, "vectors")
        keys = check_new_keys(keys, len(vectors), set(self._keys.tolist()))
        if not len(keys):
            return
        new = torch.from_numpy(vectors).to(self.device)
        scanned = new.to(self.scan)
        self._longest = max(self._longest, float(new.norm(dim=1).max()))
        self._rounding = max(self._rounding, float((new - scanned).norm(dim=1).max()))
        self._vectors = torch.cat([self._vectors, new])
        self._scanned = self._vectors if self.scan is torch.float32 else torch.cat([self._scanned, scanned])
        self._keys = np.concatenate([self._keys, keys])

    def remove(self, keys: Ints) -> None:
        """See :meth:`counterfeit_vision.index.base.Index.remove`."""
        stay = ~np.isin(self._keys, check_held_keys(keys, set(self._keys.tolist())))
        rows = torch.from_numpy(stay).to(self.device)
        self._vectors, self._keys = self._vectors[rows], self._keys[stay]
        self._scanned = self._vectors if self.scan is torch.float32 else self._scanned[rows]

    def search(self, queries: Floats, k: int, allowed: Ints | None = None) -> tuple[Ints, Floats]:
        """See :meth:`counterfeit_vision.index.base.Index.search`."""
        queries = check_vectors(queries, self.dim, "queries")
        rows = np.arange(len(self._keys)) if allowed is None else np.flatnonzero(np.isin(self._keys, allowed))
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        take = min(k, len(rows))
        if not take:
            return keys, scores
        among = None if allowed is None else torch.from_numpy(rows).to(self.device)
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            with torch.inference_mode():
                asked = torch.from_numpy(queries[part]).to(self.device)
                found, best = self._best(asked, take, among, SPARE)
            scores[part, :take], keys[part, :take] = best.cpu().numpy(), self._keys[found.cpu().numpy()]
        return keys, scores

    def _best(
        self, queries: torch.Tensor, k: int, among: torch.Tensor | None, spare: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (Q, k) and their scores (Q, k) float32 of the ``k`` best, of all or of the rows ``among`` them."""
        asked = queries.to(self.scan)
        rows, scanned = self._candidates(asked, k + spare, among)
        rows, scores = self._ranked(queries, rows, k)
        if k + spare >= (len(self._keys) if among is None else len(among)):
            return rows, scores  # nothing was left out
        floor = scores[:, -1] - self._slack(queries, asked)
        doubtful = (~(scanned < floor)).nonzero().flatten()
        if len(doubtful) and spare == SPARE:
            rows[doubtful], scores[doubtful] = self._best(queries[doubtful], k, among, WIDER * spare)
            return rows, scores
        for row in doubtful.tolist():
            one = asked[row : row + 1]
            possible = torch.cat(
                [start + (one @ part.T >= floor[row]).nonzero()[:, 1] for start, part in self._parts(among)]
            )
            possible = possible if among is None else among[possible]
            rows[row : row + 1], scores[row : row + 1] = self._ranked(queries[row : row + 1], possible[None], k)
        return rows, scores

    def _candidates(
        self, asked: torch.Tensor, count: int, among: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The ``count`` best rows (Q, C) by scanned score, and the weakest of these scores (Q,)."""
        scores = torch.empty((len(asked), 0), dtype=self.scan, device=self.device)
        rows = torch.empty((len(asked), 0), dtype=torch.int64, device=self.device)
        for start, part in self._parts(among):
            new, where = (asked @ part.T).topk(min(count, len(part)), dim=1)
            scores, rows = torch.cat([scores, new], dim=1), torch.cat([rows, where + start], dim=1)
            scores, kept = scores.topk(min(count, scores.shape[1]), dim=1)
            rows = rows.gather(1, kept)
        return rows if among is None else among[rows], scores[:, -1]

    def _parts(self, among: torch.Tensor | None) -> Iterator[tuple[int, torch.Tensor]]:
        """What is scanned, a part at a time, each with the place where it starts."""
        for start in range(0, len(self._scanned) if among is None else len(among), ROWS):
            part = slice(start, start + ROWS)
            yield start, self._scanned[part] if among is None else self._scanned[among[part]]

    def _ranked(self, queries: torch.Tensor, rows: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The ``k`` best of each query's candidates ``rows`` (Q, C), scored in float64, ties in the order of adding."""
        rows = rows.sort(dim=1).values
        scores = torch.empty_like(rows, dtype=torch.float32)
        wide = queries.double()[:, None]
        step = max(1, RESCORED // self.dim)
        # On a CPU one query's candidates stay in its cache; a GPU would do little but start so small a piece of work.
        together = 1 if self.device.type == "cpu" else max(1, step // max(1, rows.shape[1]))
        for row in range(0, len(rows), together):
            for start in range(0, rows.shape[1], step):
                part = slice(row, row + together), slice(start, start + step)
                vectors = self._vectors[rows[part]].double()
                scores[part] = vectors.mul_(wide[part[0]]).sum(2)  # each row alike, wherever it lies
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        return rows.gather(1, order[:, :k]), scores[:, :k]

    def _slack(self, queries: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """(Q,) the most by which a scanned score can lie below the exact one.

        With ~ for what the scan's dtype holds: |q.x - q~.x~| <= |q - q~| |x| + |q~| |x - x~|, and a sum of d products
        in float32 errs by less than 2 d 2**-24 |q~| |x~| (Higham 2002, 3.1; twice, for any order and rounding).
        """
        lost, length = (queries - asked).norm(dim=1), asked.float().norm(dim=1)
        rounding = 2 * (self.dim + 1) * 2**-24
        if self.scan is torch.bfloat16:
            rounding += _BFLOAT16_OUT
        elif _multiplies_loosely():
            rounding += _BFLOAT16_IN
        longest = self._longest + self._rounding
        slack: torch.Tensor = lost * longest + length * self._rounding + length * longest * rounding
        return slack * 1.001  # norms err, too

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<ExactIndex {len(self)} x {self.dim} on {self.device}>"


def _multiplies_loosely() -> bool:
    """Whether torch was let round the factors of float32 products."""
    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:  # that was set for single backends: torch then does not say
        return True
