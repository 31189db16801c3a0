"""Tests, effect sizes, shares and power beside the crossed mean (STATISTICS.md sections 2 to 4).

Array level: no function here knows a file or a column. Where scipy or statsmodels has the method, it is called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from globalmask.evidence.crossed import FEWEST_RUNS, Design, Estimate, few_runs, t_interval

EXACT_RUNS = 14  # up to so many runs all 2^R signs are tried


def sign_flip(values: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of the mean of independent values being 0, by flipping their signs; exact up to EXACT_RUNS."""
    values = np.asarray(values, float)
    flips = 2 ** len(values) if len(values) <= EXACT_RUNS else 19_999
    found = stats.permutation_test(
        (values,), _mean, permutation_type="samples", vectorized=True, n_resamples=flips, rng=np.random.default_rng(0)
    )
    return float(found.pvalue)


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean(values, axis=axis)


def over_runs(run_means: Sequence[float] | np.ndarray, cases: int) -> Estimate:
    """Mean over runs with t interval and sign-flip p: the test patients count as fixed."""
    mean, error, low, high = t_interval(run_means)
    runs = len(run_means)
    found = Estimate(mean, low, high, runs=runs, cases=cases, error=error, df=runs - 1.0)
    found = replace(found, method="t over runs, sign-flip p; cases fixed")
    return replace(found, p=sign_flip(run_means)) if runs >= FEWEST_RUNS else found.noted(few_runs(runs))


def nadeau_bengio(run_means: Sequence[float] | np.ndarray, cases: int, *, tested_share: float) -> Estimate:
    """Corrected resampled t (Nadeau and Bengio, Machine Learning 52:239, 2003): runs share training cases.

    `tested_share` is the test cases of a run divided by all other cases of the cohort.
    """
    mean, error, _, _ = t_interval(run_means)
    runs = len(run_means)
    wider = error * math.sqrt(1 + runs * tested_share)
    half = float(stats.t.ppf(0.975, max(runs - 1, 1))) * wider
    found = Estimate(mean, mean - half, mean + half, runs=runs, cases=cases, error=wider, df=runs - 1.0)
    found = replace(found, method=f"Nadeau-Bengio t over runs, test share {tested_share:.3f}")
    if runs < FEWEST_RUNS or wider == 0:
        return found.noted(few_runs(runs) if runs < FEWEST_RUNS else "all runs are equal")
    return replace(found, p=2 * float(stats.t.sf(abs(mean) / wider, runs - 1)))


def equivalence(difference: Estimate, margin: float) -> Estimate:
    """Two one-sided tests that a mean lies within +-`margin`: the 90 % interval and the larger p.

    `difference` comes from `crossed_mean`; without runs enough it has an interval and no p.
    """
    found = replace(difference, level=0.90, p=math.nan, method=f"TOST, margin {margin:g}: {difference.method}")
    if math.isnan(difference.error):
        return replace(found, low=math.nan, high=math.nan)
    inside = abs(difference.estimate) < margin
    if difference.error == 0:
        return replace(found, p=(0.0 if inside else 1.0) if difference.runs >= FEWEST_RUNS else math.nan)
    half = float(stats.t.ppf(0.95, difference.df)) * difference.error
    found = replace(found, low=found.estimate - half, high=found.estimate + half)
    if difference.runs < FEWEST_RUNS or min(difference.runs, difference.cases) < 2:
        return found
    sides = [(margin + difference.estimate) / difference.error, (margin - difference.estimate) / difference.error]
    return replace(found, p=float(stats.t.sf(min(sides), difference.df)))


def adjusted(p: Sequence[float] | np.ndarray, method: str) -> np.ndarray:
    """P values adjusted over those that are there: `holm` (family-wise) or `bh` (false discovery rate)."""
    p = np.asarray(p, float)
    result = np.full(p.shape, np.nan)
    there = np.isfinite(p)
    if there.any():
        name = {"holm": "holm", "bh": "fdr_bh"}[method]
        result[there] = multipletests(p[there], method=name)[1]
    return result


def rank_biserial(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    """Matched-pairs rank-biserial correlation (Kerby 2014): share of rank sum in favour less that against.

    Of each row of `differences` (..., N). Zeros are left out; NaN when all are zero. Rounded to 1e-9, so that
    round-off breaks no tie.
    """
    rounded = np.round(np.asarray(differences, float), 9)
    zeros = (rounded == 0).sum(-1, keepdims=True)
    ranks = np.where(rounded == 0, 0.0, stats.rankdata(np.abs(rounded), axis=-1) - zeros)
    total = ranks.sum(-1)
    return np.divide((ranks * np.sign(rounded)).sum(-1), total, out=np.full(total.shape, np.nan), where=total > 0)


def share(count: float, of: float, *, level: float = 0.95) -> tuple[float, float, float]:
    """A share and its Wilson interval; counts may be effective ones. NaN where there is nothing to count."""
    if of <= 0:
        return math.nan, math.nan, math.nan
    low, high = proportion_confint(count, of, alpha=1 - level, method="wilson")
    return count / of, float(low), float(high)


def crossed_share(mean: Estimate) -> Estimate:
    """Wilson interval of a share over crossed pairs of 0 and 1, from its crossed mean.

    The effective number is p (1 - p) / variance, so that many rows of few cases count as few; where all pairs
    agree it is the number of cases.
    """
    value, number = mean.estimate, float(mean.cases)
    if 0 < value < 1 and mean.error > 0:
        number = max(1.0, value * (1 - value) / mean.error**2)
    found, low, high = share(value * number, number) if mean.cases else (math.nan,) * 3
    method = f"Wilson, effective n {number:.1f}"
    return replace(mean, estimate=found, low=low, high=high, p=math.nan, method=method, notice="")


def incidence(runs: int, cases: int, folds: int) -> Design:
    """The design of `runs` runs, run r testing the cases of fold r mod folds; `cases` in all folds together.

    Raises ValueError where the cases do not divide into folds of equal size.
    """
    tested, left = divmod(cases, folds)
    if left:
        raise ValueError(f"{cases} cases do not make {folds} folds of equal size")
    pairs = [(run % folds * tested + case, run) for run in range(runs) for case in range(tested)]
    return Design(*np.array(pairs).T)


def power(
    gain: float,
    *,
    run_sd: float,
    case_sd: float,
    rest_sd: float,
    runs: int,
    cases: int,
    folds: int = 1,
    alpha: float = 0.05,
) -> float:
    """Chance that the crossed test finds a mean difference of `gain` at the two-sided level `alpha`.

    SDs are those of the paired difference: between runs, between cases, and of case x run. From the
    noncentral t with Satterthwaite's degrees of freedom at these SDs.
    """
    design = incidence(runs, cases, folds)
    components = np.array([[case_sd, run_sd, rest_sd]]) ** 2
    variance, df = design.spread(components)
    if variance == 0:
        return 1.0 if gain else alpha
    limit, shift = stats.t.ppf(1 - alpha / 2, df), gain / math.sqrt(variance)
    return float(stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift))
