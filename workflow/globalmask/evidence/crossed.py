"""Means of values that vary by case and by run, where both are drawn at random.

A value is `mean + case + run + rest`, each part with a variance of its own, in any incidence: every run
tests every case, or each run tests the cases of its fold. Method:

1. The three variances by MINQUE with equal weights (Rao, J Multivariate Anal 1:257, 1971), which is the
   analysis of variance where every run tests every case.
2. A variance that comes out at or below zero is left out, and the others are estimated again.
3. The variance of the mean follows; its degrees of freedom are Satterthwaite's (Biometrics 2:110, 1946).
4. Where no case is seen by two runs, runs are independent groups: the t interval over them is exact. Fewer than
   `FEWEST_RUNS` can agree by chance, so there the t interval over cases is taken where it is the wider one.

`evidence.simulate` counts how often its test finds an effect where there is none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

FEWEST_RUNS = 5  # STATISTICS.md section 3: with fewer, estimation only
EQUAL = 1e-9  # differences under this are round-off
CASE, RUN, REST = 0, 1, 2
METHOD = "t, cases and runs random (MINQUE, Satterthwaite)"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN where something is not available, with the reason in `notice`."""

    estimate: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    p: float = math.nan
    runs: int = 0
    cases: int = 0
    method: str = ""
    notice: str = ""
    error: float = math.nan
    df: float = math.nan

    def noted(self, sentence: str) -> Estimate:
        """The same with one more sentence in its notice."""
        return replace(self, notice="; ".join(part for part in (self.notice, sentence) if part))


@dataclass(frozen=True)
class Fit:
    """Of S vectors of values: mean, variance of the mean, its degrees of freedom (S,), and variances (S, 3)."""

    mean: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    components: np.ndarray


@dataclass(frozen=True)
class _Model:
    """MINQUE of the kept variances in one design."""

    kept: tuple[int, ...]
    projection: np.ndarray
    inverse: np.ndarray
    traces: np.ndarray


class Design:
    """Which run tests which case: N pairs of `case` and `run`, each pair once."""

    def __init__(self, case: ArrayLike, run: ArrayLike) -> None:
        self.case = np.unique(np.asarray(case), return_inverse=True)[1]
        self.run = np.unique(np.asarray(run), return_inverse=True)[1]
        self.size = len(self.case)
        if len(set(zip(self.case.tolist(), self.run.tolist(), strict=True))) < self.size:
            raise ValueError("a case stands twice in a run")
        self.codes = (self.case, self.run, np.arange(self.size))
        self.cases, self.runs = (int(codes.max(initial=-1)) + 1 for codes in self.codes[:2])
        self.weights = np.array([(np.bincount(codes) ** 2).sum() / max(self.size, 1) ** 2 for codes in self.codes])
        self._models: dict[tuple[int, ...], _Model] = {}

    @property
    def groups(self) -> np.ndarray | None:
        """The independent group of each pair where one factor cannot be told from the rest; None elsewhere."""
        if self.cases == self.size:
            return self.run
        return self.case if self.runs == self.size else None

    def fit(self, values: np.ndarray, *, extra: Sequence[float] = (0.0, 0.0, 0.0)) -> Fit:
        """Fit `values` (S, N). `extra` adds multiples of the three variances to the variance of the mean.

        Raises ValueError for a single case or a single run.
        """
        values = np.atleast_2d(np.asarray(values, float))
        if min(self.cases, self.runs) < 2:
            raise ValueError("a single case or run says nothing of how they differ")
        if self.groups is not None:
            return self._grouped(values, self.groups)
        return self._settled((CASE, RUN, REST), values, self.weights + np.asarray(extra))

    def spread(self, components: np.ndarray) -> tuple[float, float]:
        """Variance of the mean under known variances (1, 3), and the degrees of freedom it is estimated with."""
        if self.groups is not None:
            return float((components @ self.weights)[0]), float(self.groups.max())
        variance, df = self._spread((CASE, RUN, REST), components, self.weights)
        return float(variance[0]), float(df[0])

    def _grouped(self, values: np.ndarray, groups: np.ndarray) -> Fit:
        share = np.bincount(groups) / self.size
        deviation = group_means(values, groups) - values.mean(1, keepdims=True)
        variance = (share**2 * deviation**2).sum(1) * len(share) / (len(share) - 1)
        df = np.full(len(values), len(share) - 1.0)
        return Fit(values.mean(1), variance, df, np.full((len(values), 3), np.nan))

    def _settled(self, kept: tuple[int, ...], values: np.ndarray, weights: np.ndarray) -> Fit:
        """Fit the kept variances; where the smallest of case and run is not positive, fit without it."""
        components = self._estimated(kept, values)
        variance, df = self._spread(kept, components, weights)
        free = [part for part in kept if part != REST]
        if free:
            smallest = np.asarray(free)[components[:, free].argmin(1)]
        for part in free:
            rows = (smallest == part) & (components[:, part] <= 0)
            if rows.any():
                again = self._settled(tuple(k for k in kept if k != part), values[rows], weights)
                components[rows], variance[rows], df[rows] = again.components, again.variance, again.df
        return Fit(values.mean(1), variance, df, components)

    def _estimated(self, kept: tuple[int, ...], values: np.ndarray) -> np.ndarray:
        model = self._model(kept)
        projected = values @ model.projection
        forms = [(group_sums(projected, self.codes[part]) ** 2).sum(1) for part in kept]
        components = np.zeros((len(values), 3))
        components[:, kept] = np.stack(forms, 1) @ model.inverse.T
        components[:, REST] = components[:, REST].clip(0)
        return components

    def _spread(
        self, kept: tuple[int, ...], components: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Variance of the mean and its degrees of freedom; no variance at all gives those of one sample."""
        model = self._model(kept)
        part = components[:, kept].clip(0)
        variance = part @ weights[list(kept)]
        forms = model.inverse.T @ weights[list(kept)]
        doubt = np.einsum("j,k,jlkm,sl,sm->s", forms, forms, model.traces, part, part)
        df = np.full(len(components), self.size - 1.0)
        np.divide(variance**2, doubt, out=df, where=doubt > 0)
        return variance, df

    def _model(self, kept: tuple[int, ...]) -> _Model:
        if kept not in self._models:
            parts = [(codes[:, None] == codes).astype(float) for codes in (self.codes[k] for k in kept)]
            whole = np.linalg.inv(np.sum(parts, axis=0))
            ones = whole.sum(1)
            projection = whole - np.outer(ones, ones) / ones.sum()
            steps = [projection @ part for part in parts]
            pairs = [[first @ second for second in steps] for first in steps]
            expected = np.array([[np.trace(product) for product in row] for row in pairs])
            traces = np.array([[[[(a * b.T).sum() for b in row] for row in pairs] for a in line] for line in pairs])
            inverse = np.linalg.pinv(expected, hermitian=True)
            self._models[kept] = _Model(kept, projection, inverse, traces)
        return self._models[kept]


@functools.lru_cache(maxsize=16)
def _design(case: tuple[Any, ...], run: tuple[Any, ...]) -> Design:
    return Design(case, run)


def _known(case: ArrayLike, run: ArrayLike, value: ArrayLike) -> tuple[Design, np.ndarray]:
    """The pairs that have a value: their design, and their values."""
    values = np.asarray(value, float)
    there = np.isfinite(values)
    return _design(*(tuple(np.asarray(names)[there].tolist()) for names in (case, run))), values[there]


def group_sums(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sums (S, G) of `values` (S, N) over the columns of each code 0..G-1."""
    sums = np.zeros((int(codes.max()) + 1, len(values)))
    np.add.at(sums, codes, values.T)
    return sums.T


def group_means(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Means (S, G) of `values` (S, N) over the columns of each code 0..G-1."""
    return group_sums(values, codes) / np.bincount(codes)


def t_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float, float]:
    """Mean, its standard error, and the t interval of independent values; NaN where there is one value."""
    sample = np.asarray(values, float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, math.nan, math.nan, math.nan
    error = float(sample.std(ddof=1) / math.sqrt(len(sample)))
    half = float(stats.t.ppf((1 + level) / 2, len(sample) - 1)) * error
    return mean, error, mean - half, mean + half


def crossed_mean(case: ArrayLike, run: ArrayLike, value: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean of `value` over pairs of case and run, its t interval, and p of the mean being 0 (two-sided).

    Pairs without a value (NaN) are left out. One run: interval over its cases, no p. One case: interval
    over runs, no p. Fewer than `FEWEST_RUNS` runs: no p. Equal values: an interval without width, no p
    unless all are 0 (then 1).
    """
    design, known = _known(case, run, value)
    found = Estimate(math.nan, level=level, runs=design.runs, cases=design.cases, method=METHOD)
    if not len(known):
        return found.noted("no value")
    found = replace(found, estimate=float(known.mean()))
    if min(design.runs, design.cases) == 1:
        return _one_sided_design(found, known)
    if np.ptp(known) < EQUAL:
        return _equal(found)
    fit = design.fit(known)
    spreads = [(math.sqrt(fit.variance[0]), float(fit.df[0]))]
    if design.cases == design.size and design.runs < FEWEST_RUNS:
        spreads.append((t_interval(known)[1], design.size - 1.0))
    error, df = max(spreads, key=lambda spread: half_width(spread[0], spread[1], level))
    return with_interval(found, error, df)


def with_interval(found: Estimate, error: float, df: float) -> Estimate:
    """An estimate with the t interval and, where there are runs enough, the p of its standard error."""
    half = half_width(error, df, found.level)
    found = replace(found, low=found.estimate - half, high=found.estimate + half, error=error, df=df)
    if found.runs < FEWEST_RUNS:
        return found.noted(few_runs(found.runs))
    return replace(found, p=2 * float(stats.t.sf(abs(found.estimate) / error, df)))


def half_width(error: float, df: float, level: float) -> float:
    """Half the t interval of a standard error."""
    return float(stats.t.ppf((1 + level) / 2, df)) * error


def few_runs(runs: int) -> str:
    """Why there is no p value."""
    return f"{runs} runs: no p value under {FEWEST_RUNS}" if runs > 1 else "one run: no p value"


def predicted_run(case: ArrayLike, run: ArrayLike, value: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Interval in which the mean of one new run would fall, tested on as many new cases as a run here has."""
    mean = crossed_mean(case, run, value, level=level)
    design, known = _known(case, run, value)
    bare = replace(mean, low=math.nan, high=math.nan, p=math.nan, error=math.nan, notice="", method=METHOD)
    if mean.runs < 2 or mean.cases < 2:
        return bare.noted("one run says nothing of how runs differ" if mean.runs < 2 else "one case or none")
    if np.ptp(known) < EQUAL:
        return _equal(bare)
    if design.groups is not None:
        means = group_means(known[None], design.run)[0]
        variance, df = means.var(ddof=1) * (1 + 1 / design.runs), design.runs - 1.0
    else:
        tested = design.size / design.runs
        fit = design.fit(known, extra=(1 / tested, 1.0, 1 / tested))
        variance, df = float(fit.variance[0]), float(fit.df[0])
    return replace(with_interval(bare, math.sqrt(variance), df), p=math.nan, notice="")


def _one_sided_design(found: Estimate, value: np.ndarray) -> Estimate:
    _, error, low, high = t_interval(value, level=found.level)
    over, fixed = ("cases", "run") if found.runs == 1 else ("runs", "case")
    found = replace(found, low=low, high=high, error=error, df=len(value) - 1.0, method=f"t over {over}")
    if len(value) == 1:
        return found.noted("one value: no interval")
    return found.noted(f"one {fixed}: the interval holds for this {fixed} alone, no p value")


def _equal(found: Estimate) -> Estimate:
    p = 1.0 if abs(found.estimate) < EQUAL and found.runs >= FEWEST_RUNS else math.nan
    equal = replace(found, low=found.estimate, high=found.estimate, p=p, error=0.0)
    return equal.noted("all values are equal")
