"""The promise is kept, and the page that makes it (docs/promise.md) says what is so: simulated twins of
benchmarks/calibration.py, whose real photos are not part of the repository.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, betabinom, norm

from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.conformal import conformal_p, review_level
from counterfeit_vision.calibration.split import DIGITS, conformal_needed, photos_needed, split_groups
from counterfeit_vision.errors import InputError

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "promise.md").read_text(encoding="utf-8")
SPLITS = 50


def calibrated(scores: np.ndarray, alpha: float, first: np.ndarray | None = None, **options: object) -> Calibration:
    names = [f"photo {row}" for row in range(len(scores))]
    first = split_groups(names) if first is None else first
    heads = [f"head {column}" for column in range(scores.shape[1])]
    return Calibration.fit(heads, scores, {}, first=first, alpha=alpha, generation="g", **options)


# --- false alarms -----------------------------------------------------------------------------------------------------


def heavy(random: np.random.Generator, count: int) -> np.ndarray:
    """Three heads with heavy tails, one of them skewed and all of one mood."""
    mood = random.standard_normal((count, 1))
    return np.hstack([random.standard_t(2, (count, 1)), np.exp(mood), random.standard_cauchy((count, 1)) + mood])


def with_noise(random: np.random.Generator, count: int) -> np.ndarray:
    return np.hstack([heavy(random, count), random.standard_normal((count, 1))])


def given_twice(random: np.random.Generator, count: int) -> np.ndarray:
    scores = heavy(random, count)
    return np.hstack([scores, scores[:, :1]])


def not_always_applicable(random: np.random.Generator, count: int) -> np.ndarray:
    """One head never applies; two others miss half of the photos, the more unusual ones oftener."""
    scores = np.hstack([heavy(random, count), np.full((count, 1), np.nan)])
    scores[random.random(count) < norm.cdf(scores[:, 0]), 1] = np.nan
    scores[random.random(count) < 0.5, 2] = np.nan
    return scores


def steps(random: np.random.Generator, count: int) -> np.ndarray:
    """Scores of few values: equal statistics count against the calibration, so alarms are rarer, never oftener."""
    return np.rint(2 * heavy(random, count)[:, :2])


def false_alarms(
    draw: Callable[[np.random.Generator, int], np.ndarray], genuine: int, alpha: float, judged: int = 200
) -> tuple[np.ndarray, np.ndarray, int]:
    """p-values (SPLITS, judged) of new genuine photos, the number of alarms in each split, and n."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        calibration = calibrated(draw(random, genuine), alpha)
        found.append(calibration.p_values(calibration.merge(draw(random, judged))))
    return np.array(found), (np.array(found) <= alpha).sum(axis=1), calibration.count


def is_kept(alarms: np.ndarray, judged: int, n: int, alpha: float) -> bool:
    """The issue's figures: the mean within 3 s.d. of what is exact, and at most 3 of 50 splits above the 99 %
    quantile.
    """
    k = math.floor(alpha * (n + 1))
    exact = betabinom(judged, k, n + 1 - k)
    mean = alarms.mean() <= alpha * judged + 3 * exact.std() / math.sqrt(SPLITS)
    return bool(mean and (alarms > exact.ppf(0.99)).sum() <= 3)


@pytest.mark.parametrize(
    ("genuine", "alpha"), [(67, 0.1), (67, 0.05), (28, 0.05), pytest.param(800, 0.01, id="800-0.01")]
)
@pytest.mark.parametrize("draw", [heavy, with_noise, given_twice, not_always_applicable, steps])
def test_genuine_photos_raise_no_more_alarms_than_promised(
    draw: Callable[[np.random.Generator, int], np.ndarray], genuine: int, alpha: float
) -> None:
    p, alarms, n = false_alarms(draw, genuine, alpha)
    assert is_kept(alarms, p.shape[1], n, alpha)
    k = math.floor(alpha * (n + 1))
    spread = betabinom(p.shape[1], k, n + 1 - k).std() / math.sqrt(SPLITS)
    if draw is not steps:  # and the promise is not kept by silence
        assert alarms.mean() >= k / (n + 1) * p.shape[1] - 4 * spread


@pytest.mark.parametrize("draw", [heavy, with_noise, given_twice, not_always_applicable])
def test_p_values_are_uniform_on_their_steps(draw: Callable[[np.random.Generator, int], np.ndarray]) -> None:
    """Kolmogorov & Smirnov's distance, against the same splits of plain random numbers: p-values of one split share
    its calibration, so the textbook's quantile would be too small.
    """
    p, _, n = false_alarms(draw, 67, 0.05)

    def distance(values: np.ndarray) -> float:
        ordinal = np.rint(values * (n + 1)).astype(int).ravel()
        return float(np.abs(np.bincount(ordinal, minlength=n + 2)[1:].cumsum() / ordinal.size
                            - np.arange(1, n + 2) / (n + 1)).max())  # fmt: skip

    random = np.random.default_rng(1)
    chance = [
        distance(np.array([conformal_p(random.random(n), random.random(p.shape[1])) for _ in range(SPLITS)]))
        for _ in range(300)
    ]
    assert distance(p) <= np.quantile(chance, 0.99)


def test_the_measure_sees_a_calibration_that_was_fitted_on() -> None:
    """The control: the best of 30 heads of noise is chosen on the photos that the p-values come from."""
    random = np.random.default_rng(2)
    alarms = []
    for _ in range(SPLITS):
        known, asked = random.standard_normal((45, 30)), random.standard_normal((200, 30))
        best = int(np.argmin(np.sort(known, axis=0)[-2]))  # whose alarm level is lowest
        alarms.append((conformal_p(known[:, best], asked[:, best]) <= 0.05).sum())
    assert not is_kept(np.array(alarms), 200, 45, 0.05)


@pytest.mark.parametrize("sellers", [60, 240])
def test_sellers_with_different_numbers_of_photos_stay_whole_in_the_fitted_part(sellers: int) -> None:
    random = np.random.default_rng(3)
    groups = np.repeat([f"seller {number}" for number in range(sellers)], random.integers(1, 5, sellers)).tolist()
    first = split_groups(groups)
    assert not set(np.array(groups)[first]) & set(np.array(groups)[~first])
    assert len(set(np.array(groups)[first])) == sellers // 3


# --- with labelled fakes ----------------------------------------------------------------------------------------------


def least_squares(features: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """A learner that knows its photos by heart: 60 features, fewer photos."""
    return np.linalg.lstsq(features, np.where(fake, 1.0, -1.0), rcond=1e-6)[0]


def alarms_with_fakes(*, honest: bool, alpha: float = 0.05, judged: int = 200) -> tuple[np.ndarray, int]:
    """False alarms of 50 draws where a learned head and the weights are fitted on fakes and one part of the genuine
    photos; ``honest``: the p-values come from the other part. If not, the learned head saw it, too.
    """
    random = np.random.default_rng(4)
    alarms = []
    for _ in range(SPLITS):
        genuine, fakes, asked = (random.standard_normal((count, 61)) for count in (90, 40, judged))
        fakes[:, :6] += 0.8
        first = split_groups([f"photo {row}" for row in range(90)], share=0.5)
        shown = np.concatenate([genuine[first] if honest else genuine, fakes])[:, :60]
        fake = np.arange(len(shown)) >= len(shown) - 40
        fold = random.permutation(len(shown)) % 5
        held_out = np.zeros(len(shown))
        for number in range(5):
            machine = least_squares(shown[fold != number], fake[fold != number])
            held_out[fold == number] = shown[fold == number] @ machine
        machine = least_squares(shown, fake)

        def heads(rows: np.ndarray, machine: np.ndarray = machine) -> np.ndarray:
            return np.stack([rows[:, 60] ** 3, rows[:, :60] @ machine], axis=1)

        scores = heads(genuine)
        if honest:
            scores[first, 1] = held_out[:45]
        calibration = calibrated(
            scores,
            alpha,
            first,
            fakes=np.stack([fakes[:, 60] ** 3, held_out[-40:]], axis=1),
            fake_groups=[f"fake {row}" for row in range(40)],
        )
        alarms.append((calibration.p_values(calibration.merge(heads(asked))) <= alpha).sum())
    return np.array(alarms), calibration.count


def test_learning_from_fakes_leaves_the_promise_as_it_is() -> None:
    alarms, n = alarms_with_fakes(honest=True)
    assert n == 45
    assert is_kept(alarms, 200, n, 0.05)


def test_a_head_that_saw_the_photos_behind_the_p_values_breaks_it() -> None:
    """The control of the test above."""
    alarms, n = alarms_with_fakes(honest=False)
    assert not is_kept(alarms, 200, n, 0.05)


# --- it is no silence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_one_gross_anomaly_in_six_heads_is_flagged_with_67_photos(seed: int) -> None:
    """Where the smallest of six p-values could not be: six times 1 / (n + 1) is more than 0.05."""
    random = np.random.default_rng(seed)
    scores = random.standard_normal((67, 6))
    scores[random.random(67) < 0.5, 4] = np.nan
    calibration = calibrated(scores, 0.05)
    for head in range(6):
        suspect = random.standard_normal((1, 6))
        suspect[0, head] = 12
        assert calibration.p_values(calibration.merge(suspect))[0] <= 0.05
        assert 6 * np.nanmin(calibration.head_p_values(suspect)) > 0.05


# --- the set in hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("genuine", "alpha"), [(28, 0.05), (67, 0.1), (800, 0.01), (3000, 0.2)])
def test_the_limit_is_betas_95_percent_quantile(genuine: int, alpha: float) -> None:
    calibration = calibrated(np.random.default_rng(5).standard_normal((genuine, 1)), alpha)
    n = calibration.count
    k = math.floor(alpha * (n + 1))
    assert calibration.false_alarm_limit == pytest.approx(beta(k, n + 1 - k).ppf(0.95), rel=1e-9)
    told = calibration.promise("listings are")
    limit, reviewed = (float(number) for number in re.findall(r"keep below ([\d.]+) %", told))
    assert 0 <= limit - 100 * calibration.false_alarm_limit < 0.1
    level = review_level(alpha)
    assert f"in review: at most {100 * level:g} %, on average" in told
    k = math.floor(round(level * (n + 1), DIGITS))
    assert 0 <= reviewed - 100 * beta(k, n + 1 - k).ppf(0.95) < 0.1


def test_it_says_how_many_photos_a_lower_limit_takes() -> None:
    """Between two steps more photos change nothing: of 28, as of 57, 19 are ranked."""

    def told(photos: int, **options: object) -> tuple[int, str]:
        names = [str(number) for number in range(photos)]
        first = split_groups(names, alpha=0.05)
        calibration = calibrated(np.random.default_rng(photos).standard_normal((photos, 1)), 0.05, first, **options)
        return calibration.count, calibration.promise("listings are")

    for photos, ranked, more in ((28, 19, 58), (57, 19, 58), (58, 39, 88), (88, 59, 118)):
        count, promise = told(photos)
        assert count == ranked
        assert f"(the next lower limit takes {more} genuine photos in all)" in promise
    assert "next lower" not in told(200, strata=["a"] * 100 + ["b"] * 100)[1]


def test_95_of_100_calibrations_keep_below_their_limit() -> None:
    """The rate of each is known exactly: one head, of normal scores."""
    random = np.random.default_rng(6)
    rates = []
    for _ in range(1000):
        calibration = calibrated(random.standard_normal((67, 1)), 0.05)
        k = math.floor(0.05 * (calibration.count + 1))
        rates.append(norm.sf(np.sort(calibration.scores[:, 0])[-k]))
    above = np.mean(np.array(rates) > calibration.false_alarm_limit)
    assert 0.025 < above < 0.075  # 0.05 and 3.6 s.d. of 1000 draws
    assert np.mean(rates) == pytest.approx(k / (calibration.count + 1), abs=0.004)


def test_more_photos_bring_the_limit_nearer() -> None:
    random = np.random.default_rng(7)
    limits = [
        calibrated(random.standard_normal((count, 1)), 0.05).false_alarm_limit for count in (28, 88, 298, 2998, 29998)
    ]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > 0.1
    assert 0.05 < limits[-1] < 0.053


# --- other people's, and the same again -------------------------------------------------------------------------------


def by_hand(known: np.ndarray, asked: np.ndarray) -> list[float]:
    return [(1 + sum(score <= other for other in known)) / (len(known) + 1) for score in asked]


def by_crepes(known: np.ndarray, asked: np.ndarray) -> list[float]:
    crepes = pytest.importorskip("crepes", reason="the check against crepes needs: pip install crepes")
    classifier = crepes.ConformalClassifier()
    classifier.fit(known)
    return classifier.predict_p(asked[:, None], smoothing=False)[:, 0].tolist()


class Largest:
    """In place of the random number that MAPIE orders ties with: all of them count against the photo, as ours do."""

    def uniform(self) -> float:
        return 1.0


def by_mapie(known: np.ndarray, asked: np.ndarray) -> list[float]:
    testing = pytest.importorskip(
        "mapie.exchangeability_testing", reason="the check against MAPIE needs: pip install mapie"
    )
    martingale = testing.OnlineMartingaleTest()
    martingale.rng = Largest()
    return [martingale.compute_p_value(float(score), known) for score in asked]


@pytest.mark.parametrize("theirs", [by_hand, by_crepes, by_mapie])
@pytest.mark.parametrize("draw", [heavy, not_always_applicable, steps])
def test_p_values_are_the_same_as_other_peoples(
    theirs: Callable[[np.ndarray, np.ndarray], list[float]], draw: Callable[[np.random.Generator, int], np.ndarray]
) -> None:
    random = np.random.default_rng(8)
    calibration = calibrated(draw(random, 90), 0.05)
    merged = calibration.merge(draw(random, 60))
    np.testing.assert_allclose(calibration.p_values(merged), theirs(calibration.merged, merged), rtol=1e-12)


AGAIN = """
import json, sys
import numpy as np
from counterfeit_vision.calibration.calibrator import Calibration
from counterfeit_vision.calibration.split import split_groups
random = np.random.default_rng(9)
groups = [f"seller {n // 3}" for n in range(120)]
first = split_groups(groups)
genuine, fakes = random.standard_normal((120, 3)) ** 3, random.standard_normal((30, 3)) + 1
genuine[::5, 2] = np.nan
strata = [f"brand {n % 2}" for n in range(120)]
for options in ({}, {"fakes": fakes, "fake_groups": [f"fake {n // 2}" for n in range(30)], "strata": strata}):
    made = Calibration.fit(["a", "b", "c"], genuine, {"a": genuine[:, 0]}, first=first, alpha=0.05, generation="g",
                           groups=groups, **options)
    print(json.dumps(made.to_dict(), sort_keys=True, allow_nan=False))
"""


def test_two_runs_give_the_same_bytes() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", AGAIN], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(runs[0]) > 1000
    assert runs[0] == runs[1]


def test_an_alpha_that_no_market_has_photos_for_is_answered_at_once() -> None:
    """By counting up to it, it took minutes."""
    assert photos_needed(1e-9) == 1_499_999_998
    for alpha in (0.001, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5):
        least = photos_needed(alpha)
        left = [int((~split_groups([str(n) for n in range(count)])).sum()) for count in (least - 1, least)]
        assert left[0] < conformal_needed(alpha) <= left[1]


def test_too_few_photos_name_the_number_whatever_the_heads() -> None:
    scores = not_always_applicable(np.random.default_rng(10), photos_needed(0.05) - 1)
    with pytest.raises(InputError, match="at least 28 are needed"):
        calibrated(scores, 0.05)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_prints_what_it_says() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for number, (code, output) in enumerate(blocks):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"docs/promise.md, block {number}", "exec"), names)
        assert printed.getvalue() == output


def test_the_page_cites_what_was_measured() -> None:
    """Its table of real photos, row by row, from the benchmark's result."""
    result = json.loads((ROOT / "benchmarks" / "results" / "calibration.json").read_text(encoding="utf-8"))
    cells = {cell["name"]: cell for cell in result["cells"] if cell["alpha"] == 0.05}
    cells |= {cell["name"]: cell for cell in result["calibrated otherwise than judged"]}
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", PAGE, re.MULTILINE)
    assert len(rows) >= 6
    for name, n, mean, limit in rows:
        cell = cells[name]
        assert (int(n), float(mean), float(limit)) == (
            cell["n"],
            round(100 * cell["mean"], 1),
            round(100 * cell["limit of the mean"], 1),
        )
    by = result["by product"]
    assert (
        f"Of the {by['products']} cartons above, the worst, `{by['the worst']}`, was flagged in "
        f"{100 * by['its alarms']:.1f} % of its genuine photos, and {by['with no alarm in a thousand']} hardly ever"
    ) in " ".join(PAGE.split())
    apart = result["by product, each by itself"]
    assert f"flagged in {100 * apart['its alarms']:.1f} %, and all together in {100 * apart['all']:.1f} %" in " ".join(
        PAGE.split()
    )
    for cell in result["by scene"]:
        what = "scenes" if cell["name"].endswith("scene") else "photos"
        rate = f"{100 * cell['mean']:.1f} % +- {100 * cell['standard error']:.1f}"
        assert f"| {100 * cell['alpha']:g} % | {what} | {cell['n']} | {rate} |" in PAGE
