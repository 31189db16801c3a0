"""Whole curves: Dice over training sizes, and validation Dice over optimiser steps (STATISTICS.md sections 4, 7).

Training sizes enter as log2 n. What is linear in the sizes (area, slope) is a weight a size, so that its
crossed mean is that of any other value. Bootstraps draw runs and cases independently ("pigeonhole",
Owen, Ann Appl Stat 1:386, 2007), which errs on the wide side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import isotonic_regression

from globalmask.evidence.crossed import FEWEST_RUNS, Estimate, few_runs, t_interval

DRAWS = 2000
EQUIVALENT = "isotonic CT curve in log2 n; bootstrap, runs and cases"


def area_weights(sizes: Sequence[int]) -> np.ndarray:
    """Weights (S,) of the trapezoid rule over log2 n: Dice x doublings."""
    steps = np.diff(np.log2(sizes))
    return (np.append(steps, 0) + np.insert(steps, 0, 0)) / 2


def slope_weights(sizes: Sequence[int]) -> np.ndarray:
    """Weights (S,) of the least-squares slope over log2 n: change per doubling."""
    return slope_of(np.log2(sizes))


def slope_of(x: Sequence[float] | np.ndarray) -> np.ndarray:
    """Weights (N,) that give the least-squares slope of N values over `x`, which must not be constant."""
    centred = np.asarray(x, float) - np.mean(x)
    return centred / (centred**2).sum()


def draws(number: int, of: int, *, seed: int = 0) -> np.ndarray:
    """How often each of `of` units is drawn (number, of) when that many are drawn with replacement."""
    return np.random.default_rng([seed, of]).multinomial(of, np.full(of, 1 / of), size=number)


def weighted_means(values: np.ndarray, runs: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Means (B, S) of `values` (S, R, I; NaN where not tested) under draws of runs (B, R) and cases (B, I)."""
    there = np.isfinite(values)
    sums = np.einsum("br,sri,bi->bs", runs, np.nan_to_num(values), cases, optimize=True)
    counts = np.einsum("br,sri,bi->bs", runs, there.astype(float), cases, optimize=True)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def reaching_size(sizes: Sequence[int], curve: np.ndarray, level: float) -> float:
    """The size at which a non-decreasing `curve` (S,) reaches `level`, in cases.

    Between sizes by straight lines over log2 n, nothing beyond them: infinite where the curve never
    reaches it, 0 where it is above it from the smallest size on.
    """
    right = int(np.searchsorted(curve, level))
    if right == len(curve):
        return math.inf
    if curve[right] == level or right == 0:
        return float(sizes[right]) if curve[right] == level else 0.0
    share = (level - curve[right - 1]) / (curve[right] - curve[right - 1])
    return float(2 ** np.interp(share, (0, 1), np.log2(sizes[right - 1 : right + 1])))


def equivalent_n(sizes: Sequence[int], unaided: np.ndarray, aided: np.ndarray) -> list[Estimate]:
    """At each size: how many unaided cases reach the aided Dice. `unaided`, `aided`: (S, R, I), NaN where not tested.

    Unaided means are made non-decreasing in n (isotonic regression). Percentile interval; runs and cases are drawn
    together for all sizes and both scenarios. Infinite: more than the largest size; 0: fewer than the smallest.
    """
    both = np.isfinite(unaided) & np.isfinite(aided)
    _, runs, cases = both.shape
    weights = np.ones((1, runs)), np.ones((1, cases))
    (estimate,) = _equivalents(sizes, unaided, aided, both, *weights)
    drawn = _equivalents(sizes, unaided, aided, both, draws(DRAWS, runs, seed=1), draws(DRAWS, cases, seed=2))
    result = []
    for place, tested in enumerate(both):
        low, high = np.quantile(drawn[:, place], (0.025, 0.975), method="inverted_cdf")
        found = Estimate(float(estimate[place]), float(low), float(high), method=EQUIVALENT)
        found = replace(found, runs=int(tested.any(1).sum()), cases=int(tested.any(0).sum()))
        if math.inf in (found.estimate, found.high):
            found = found.noted("inf: more than the largest size")
        if 0 in (found.estimate, found.low):
            found = found.noted("0: fewer than the smallest size")
        if found.runs < FEWEST_RUNS:
            found = found.noted(f"{found.runs} run{'s' * (found.runs != 1)}: a rough interval")
        result.append(found)
    return result


def _equivalents(
    sizes: Sequence[int],
    unaided: np.ndarray,
    aided: np.ndarray,
    both: np.ndarray,
    runs: np.ndarray,
    cases: np.ndarray,
) -> np.ndarray:
    """Equivalent n (B, S) under draws of runs and cases; draws in which a size has no pair are left out."""
    without, helped = (weighted_means(np.where(both, values, np.nan), runs, cases) for values in (unaided, aided))
    whole = np.isfinite(without).all(1)
    curves = [isotonic_regression(curve).x for curve in without[whole]]
    return np.array(
        [[reaching_size(sizes, c, level) for level in levels] for c, levels in zip(curves, helped[whole], strict=True)]
    )


def drawn_interval(statistic: Sequence[float] | np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of a statistic over draws; NaN where it has no value."""
    values = np.asarray(statistic, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


@dataclass(frozen=True)
class Reached:
    """Optimiser steps (R,) at which runs reached a Dice, or at which they ended without it."""

    steps: np.ndarray
    reached: np.ndarray

    def without(self, run: int) -> Reached:
        """All runs but one."""
        return Reached(np.delete(self.steps, run), np.delete(self.reached, run))


def steps_to(step: Sequence[float] | np.ndarray, dice: Sequence[float] | np.ndarray, target: float) -> tuple[int, bool]:
    """The first step at which `dice` is `target` or more, and True; else the last step, and False."""
    found = np.flatnonzero(np.asarray(dice, float) >= target)
    return (int(step[found[0]]), True) if len(found) else (int(step[-1]), False)


def restricted_mean(runs: Reached, horizon: float) -> float:
    """Kaplan-Meier mean of steps up to `horizon`; runs that never reached it are censored on the right."""
    data = stats.CensoredData(uncensored=runs.steps[runs.reached], right=runs.steps[~runs.reached])
    survival = stats.ecdf(data).sf
    inner = survival.quantiles[survival.quantiles < horizon]
    knots = np.concatenate([[0.0], inner, [horizon]])
    return float((np.diff(knots) * survival.evaluate(knots[:-1])).sum())


def steps_ratio(reference: Reached, scenario: Reached, *, horizon: float) -> Estimate:
    """Ratio of restricted mean steps, reference / scenario, of paired runs: above 1 the scenario is faster.

    t interval of the logarithm over jackknife pseudo-values of the pairs. No run that reached it: no estimate.
    """
    pairs = len(reference.steps)
    found = Estimate(math.nan, runs=pairs, method="ratio of Kaplan-Meier restricted means, jackknife t over runs")
    if not (reference.reached.any() or scenario.reached.any()):
        return found.noted("no run reached the common Dice")
    whole = _log_ratio(reference, scenario, horizon)
    found = replace(found, estimate=math.exp(whole)).noted(_censored(reference, scenario))
    if pairs < 2:
        return found.noted("one run: no interval")
    left_out = [_log_ratio(reference.without(i), scenario.without(i), horizon) for i in range(pairs)]
    return _exponential(found, pairs * whole - (pairs - 1) * np.array(left_out), centre=whole)


def paired_ratio(reference: np.ndarray, scenario: np.ndarray) -> Estimate:
    """Geometric mean of reference / scenario over paired runs, with the t interval of its logarithm."""
    logs = np.log(reference) - np.log(scenario)
    found = Estimate(math.exp(logs.mean()), runs=len(logs), method="geometric mean of paired ratios, t over runs")
    return found.noted("one run: no interval") if len(logs) < 2 else _exponential(found, logs, centre=logs.mean())


def _log_ratio(reference: Reached, scenario: Reached, horizon: float) -> float:
    return math.log(restricted_mean(reference, horizon) / restricted_mean(scenario, horizon))


def _censored(reference: Reached, scenario: Reached) -> str:
    counts = [int((~runs.reached).sum()) for runs in (reference, scenario)]
    return f"never reached by {counts[0]} runs of the reference and {counts[1]} of the scenario" if any(counts) else ""


def _exponential(found: Estimate, logs: np.ndarray, *, centre: float) -> Estimate:
    """Interval and p of a ratio from independent values of its logarithm around `centre`."""
    _, error, _, _ = t_interval(logs)
    half = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    found = replace(found, low=math.exp(centre - half), high=math.exp(centre + half), error=error, df=len(logs) - 1.0)
    if len(logs) < FEWEST_RUNS:
        return found.noted(few_runs(len(logs)))
    if error == 0:
        return found.noted("all runs are equal")
    return replace(found, p=2 * float(stats.t.sf(abs(centre) / error, len(logs) - 1)))
