"""What a calibration keeps between verdicts: every p-value is the one that ranking all its photos anew gives."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from left_out import one_by_one

from counterfeit_vision.calibration import calibrator as calibrate
from counterfeit_vision.calibration import conformal as ranking
from counterfeit_vision.calibration import split as enough
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import Ranking, conformal_p
from counterfeit_vision.calibration.fusion import mean_evidence
from counterfeit_vision.calibration.split import conformal_needed, split_groups
from counterfeit_vision.calibration.standardize import LEAST_EXCESS, tail_p

HEADS = ["similarity", "price", "learned", "never"]


class Slow(Calibration):
    """The slow twin: sorts, draws and merges for each question."""

    @property
    def count(self) -> int:
        return len(np.unique(self.groups))

    def p_of(
        self, scores: np.ndarray, strata: Sequence[str] | None = None, kinds: Sequence[str] | None = None
    ) -> np.ndarray:
        if not self.leave_one_out:
            return self._photos_p(self.merge(scores, kinds), strata)
        names, drawn, p = calibrate.named(strata, len(scores)), np.sort(ranking.one_each(self.groups)), []
        for row, kind in enumerate(calibrate.named(kinds, len(scores)).tolist()):
            known, ours = self._bag(scores[[row]], [kind], drawn, np.arange(len(drawn)))
            few = Ranking(known, self.groups[drawn], np.arange(len(drawn)), self.strata[drawn], self.alpha)
            peers = few.peers(names[row])
            p.append(self.p_among(ours, known[peers], few.groups[peers])[0])
        return np.array(p)

    def _bag(
        self, scores: np.ndarray, kinds: Sequence[str], rows: np.ndarray, owners: np.ndarray, without: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The statistics of these rows and of the photos that are asked about, which join them as one listing more."""
        every, owners = np.vstack([self.scores[rows], scores]), np.append(owners, [owners.max() + 1] * len(scores))
        if without is not None:
            every[:, self.heads.index(without)] = np.nan
        least = [LEAST_EXCESS.get(head, 0.0) for head in self.heads]
        told = one_by_one(every, owners, [*self.kinds[rows], *kinds], least)
        merged = self.merger(calibrate._silent_as_usual(told))
        return merged[: len(rows)], merged[len(rows) :]

    def listing_p(
        self,
        scores: np.ndarray,
        strata: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        *,
        photos: int | None = None,
    ) -> float:
        names, ranks = calibrate.named(strata, len(scores)), self.ranking
        photos = len(scores) if photos is None else photos
        if self.leave_one_out:
            taken = calibrate.named(kinds, len(scores)).tolist()
            known, statistics = self._bag(scores, taken, np.arange(len(self.groups)), self.listings)
            ranks = dataclasses.replace(ranks, merged=known)
        else:
            statistics = self.merge(scores, kinds)
        ranked = []
        for mine in {self.peers(name).tobytes(): self.peers(name) for name in names}.values():
            own = np.array([(self.peers(name) == mine).all() for name in names])
            theirs, groups, most = ranks.listings_evidence(mine)
            if photos - (~own).sum() > most or len(np.unique(groups)) < conformal_needed(self.alpha):
                return self._several_p(self.p_of(scores, strata, kinds), names, photos)
            ranked.append(self.p_among(mean_evidence(statistics[own])[None], theirs, groups)[0])
        return min(1.0, len(ranked) * min(ranked))

    def _several_p(self, p: np.ndarray, strata: np.ndarray, photos: int) -> float:
        ranks = self.ranking
        if self.leave_one_out:  # a photo of each group
            drawn = np.sort(ranking.one_each(self.groups))
            ranks = Ranking(
                self.merged[drawn], self.groups[drawn], np.arange(len(drawn)), self.strata[drawn], self.alpha
            )
        least = 1 / (1 + min(len(np.unique(ranks.groups[ranks.peers(name)])) for name in np.unique(strata)))
        beyond = int((p <= least * (1 + 1e-9)).sum())
        return min(1.0, photos * (least / beyond if beyond else float(p.min())))

    def _photos_p(self, merged: np.ndarray, strata: Sequence[str] | None) -> np.ndarray:
        names = calibrate.named(strata, len(merged))
        p = np.full(len(merged), np.nan)
        for name in np.unique(names):
            asked, known = names == name, self.peers(name)
            p[asked] = self.p_among(merged[asked], self.merged[known], self.groups[known])
        return p

    def p_among(self, statistics: np.ndarray, known: np.ndarray, groups: np.ndarray) -> np.ndarray:
        drawn = ranking.one_each(groups)
        return conformal_p(known[drawn], statistics - ranking.ROUNDING)

    def known_p(self, scores: np.ndarray, head: str, kinds: Sequence[str]) -> np.ndarray:
        column = self.heads.index(head)
        return np.fmin(self.head_p_values(scores)[:, column], tail_p(self.usual(scores, kinds)[:, column]))

    def margin_p(self, margins: np.ndarray) -> np.ndarray:
        known = np.flatnonzero(~np.isnan(self.margins))
        drawn = known[ranking.one_each(self.groups[known])]
        return np.nan_to_num(conformal_p(-self.margins[drawn], -margins), nan=1.0)

    def head_p_values(self, scores: np.ndarray) -> np.ndarray:
        p = np.full(scores.shape, np.nan)
        for column, values in enumerate(self.scores.T):
            if len(known := np.flatnonzero(~np.isnan(values))):
                drawn = known[ranking.one_each(self.groups[known])]
                p[:, column] = conformal_p(values[drawn], scores[:, column])
        return p

    def p_without(self, scores: np.ndarray, head: str, kind: str = "") -> float | None:
        left = np.array([name != head for name in self.heads])
        if head not in self.heads or np.isnan(scores[~left]).any():
            return None
        if self.leave_one_out:
            if np.isnan(scores[left]).all() or np.isnan(self.usual(scores[None], [kind])[0, left]).all():
                return None
            drawn = np.sort(ranking.one_each(self.groups))
            known, ours = self._bag(scores[None], [kind], drawn, np.arange(len(drawn)), without=head)
            return float(conformal_p(known, ours - ranking.ROUNDING)[0])
        silent = self.usual(np.vstack([self.scores, scores]), [*self.kinds, kind])
        silent[:, ~left] = np.nan
        if np.isnan(silent[-1]).all():
            return None
        merged = self.merger(calibrate._silent_as_usual(silent))
        return float(conformal_p(merged[ranking.one_each(self.groups)], merged[-1:])[0])

    def risk(self, merged: np.ndarray, base_rate: float | None = None) -> np.ndarray:
        if self.probability is not None:
            return self.probability.of(merged, base_rate)
        every = np.ones(len(self.merged), bool)
        evidence, groups, _ = self.ranking.listings_evidence(every)
        if len(np.unique(groups)) < conformal_needed(self.alpha):
            evidence, groups = self.merged, self.groups
        drawn = evidence[ranking.one_each(groups)]
        falling = np.sort(drawn)[::-1]
        p_above = (1 + np.arange(1, len(falling) + 1)) / (1 + len(falling))
        level = float(falling[np.argmax(p_above > self.alpha + 10**-enough.DIGITS)])
        away = (merged - level) / max(float(level - np.median(drawn)) / 2, calibrate.LEAST_SPREAD)
        far = np.maximum(np.abs(away) - calibrate.FAR, 0)
        logit = np.sign(away) * (np.minimum(np.abs(away), calibrate.FAR) + np.log1p(far))
        return 1 / (1 + np.exp(-logit))


def drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """Three claims, two of which do not always apply and one of which has few different scores; and one never made."""
    scores = random.standard_normal((count, 4)) ** 3
    scores[:, 1] = np.round(scores[:, 1])
    scores[random.random(count) < 0.3, 1] = np.nan
    scores[random.random(count) < 0.2, 2] = np.nan
    scores[:, 3] = np.nan
    return scores


def calibrated(
    seed: int,
    *,
    strata: Sequence[str] = (),
    fakes: int = 0,
    leave_one_out: bool = False,
    per_photo: bool = False,
    count: int = 150,
    photos: int = 3,
) -> Slow:
    """``count`` photos of a third as many groups, in listings of up to as many ``photos``."""
    random = np.random.default_rng(seed)
    groups = [f"seller {number}" for number in random.integers(0, count // 3, count)]
    margins = random.random(count)
    margins[random.random(count) < 0.5] = np.nan
    return Slow.fit(
        HEADS,
        drawn(random, count),
        {},
        first=None if leave_one_out else split_groups(groups, per_photo=per_photo),
        alpha=0.1,
        generation="",
        groups=groups,
        listings=np.unique([f"{name} {n % photos}" for n, name in enumerate(groups)], return_inverse=True)[1].tolist(),
        strata=random.choice(strata, count).tolist() if len(strata) else None,
        kinds=random.choice(["", "Anker", "Stern"], count).tolist(),
        margins=margins,
        fakes=drawn(random, fakes) + 1 if fakes else None,
        fake_groups=[f"fake {n // 2}" for n in range(fakes)],
        fake_kinds=["Anker"] * fakes if fakes else None,
        per_photo=per_photo,
    )


CALIBRATIONS = {
    "plain": {},
    "one photo of each listing": {"photos": 100},
    "counted by photo": {"per_photo": True},
    "fakes": {"fakes": 40},
    "two strata": {"strata": ["bag", "shoe"], "count": 240},
    "small strata": {"strata": [*"abcdefghij", *["shoe"] * 12]},
    "strata and fakes": {"strata": [*"abc", *["shoe"] * 4], "fakes": 40},
    "leaving one out": {"leave_one_out": True, "count": 60},
    "leaving one out, several listings a group": {"leave_one_out": True, "count": 60, "photos": 2},
    "leaving one out, counted by photo": {"leave_one_out": True, "count": 60, "per_photo": True},
    "leaving one out, by stratum": {"leave_one_out": True, "strata": ["bag", "shoe"], "count": 60},
}


def answers(calibration: Calibration, asked: np.ndarray, seed: int) -> list[object]:
    """All that a verdict asks of a calibration, for listings of one to four photos."""
    random = np.random.default_rng(seed)
    strata = random.choice([*np.unique(calibration.strata), "never seen", "zebra"], len(asked)).tolist()
    kinds = random.choice(["", "Anker", "Stern", "never seen"], len(asked)).tolist()
    merged = calibration.merge(asked, kinds)
    told: list[object] = [
        calibration.count,
        calibration.unknown_level,
        calibration.p_of(asked, strata, kinds),
        calibration.head_p_values(asked),
        calibration.known_p(asked, "similarity", kinds),
        calibration.margin_p(np.where(random.random(len(asked)) < 0.2, np.nan, random.random(len(asked)))),
        calibration.risk(merged),
    ]
    for head in (*HEADS, "no head"):
        told += [calibration.p_without(*one) for one in zip(asked, [head] * len(asked), kinds, strict=True)]
    for start in range(len(asked)):
        some = slice(start, start + 1 + start % 4)
        for one in (strata[some], strata[start : start + 1] * len(strata[some])):
            told.append(calibration.listing_p(asked[some], one, kinds[some], photos=[None, 6][start % 7 == 0]))
    return told


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", CALIBRATIONS)
def test_p_values_are_exactly_those_of_the_slow_twin(name: str, seed: int) -> None:
    slow = calibrated(seed, **CALIBRATIONS[name])
    calibration = Calibration.from_dict(slow.to_dict())
    some = slice(5 if slow.leave_one_out else 40)  # the twin fits what is usual anew for each photo of each question
    asked = np.concatenate([drawn(np.random.default_rng(100 + seed), 40)[some], slow.scores[:15][some]])  # ties, too
    for again in range(2):
        for ours, theirs in zip(answers(calibration, asked, again), answers(slow, asked, again), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", [name for name, told in CALIBRATIONS.items() if "leave_one_out" not in told])
def test_all_photos_are_drawn_and_sorted_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = Calibration.from_dict(calibrated(0, **CALIBRATIONS[name]).to_dict())
    asked = drawn(np.random.default_rng(1), 40)
    first = answers(calibration, asked, 0)
    for module, ranks in ((ranking, "one_each"), (ranking, "different"), (calibrate, "different")):
        monkeypatch.setattr(module, ranks, lambda groups: pytest.fail("drawn again"))
    monkeypatch.setattr(Ranking, "peers", lambda self, stratum: pytest.fail("gathered again"))
    for before, now in zip(first, answers(calibration, asked, 0), strict=True):
        np.testing.assert_array_equal(before, now)


def test_what_is_kept_is_neither_saved_nor_taken_along_by_another_calibration() -> None:
    calibration = Calibration.from_dict(calibrated(0, strata=["bag", "shoe"], count=240).to_dict())
    before = json.dumps(calibration.to_dict(), allow_nan=False)
    asked = drawn(np.random.default_rng(2), 40)
    first = answers(calibration, asked, 0)
    assert json.dumps(calibration.to_dict(), allow_nan=False) == before
    for same in (copy.copy(calibration), copy.deepcopy(calibration), pickle.loads(pickle.dumps(calibration))):
        for ours, theirs in zip(first, answers(same, asked, 0), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = dataclasses.replace(calibration, merged=calibration.merged + 5)
    assert (other.p_of(asked) > calibration.p_of(asked)).any()


def test_strata_that_are_ranked_together_share_what_is_kept() -> None:
    """Thousands of small ones, each beside all others, would fill the memory."""
    strata = [f"product {n}" for n in range(400)]
    scores = np.random.default_rng(3).standard_normal((408, 1))
    calibration = Calibration.fit(
        ["a"], scores, {}, first=np.arange(408) < 8, alpha=0.05, generation="", strata=[""] * 8 + strata
    )
    calibration.p_of(scores, [*strata, *(f"never seen {n}" for n in range(8))])
    assert len(calibration.ranking._kept) == 401
    assert len({id(peers) for peers in calibration.ranking._kept.values()}) == 1
