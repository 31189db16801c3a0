"""How often the tests find a difference where there is none, by simulation.

Scores of two equally good scenarios differ by seed (run), by which scenario suits a case (case x scenario) and by
the rest (case x run). All SDs here are those of the paired difference, normal, drawn many times over one design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from globalmask.evidence.crossed import Design, group_means
from globalmask.evidence.statistics import incidence


@dataclass(frozen=True)
class Noise:
    """SDs of the paired difference: between runs, between cases, of case x run."""

    run_sd: float
    case_sd: float
    rest_sd: float

    @classmethod
    def of_scenarios(cls, *, seed_sd: float, case_run_sd: float, case_sd: float) -> Noise:
        """From the SDs of one scenario's seeds and case x run, and of case x scenario in the difference."""
        return cls(seed_sd * 2**0.5, case_sd, case_run_sd * 2**0.5)


@dataclass(frozen=True)
class Rates:
    """Share of simulations in which each test says p < 0.05; the crossed interval holds 0 in all others."""

    crossed: float
    runs_only: float
    one_run: float


def differences(design: Design, noise: Noise, number: int, seed: int) -> np.ndarray:
    """Paired differences (number, N) of equally good scenarios in a design."""
    rng = np.random.default_rng(seed)
    runs = noise.run_sd * rng.standard_normal((number, design.runs))
    cases = noise.case_sd * rng.standard_normal((number, design.cases))
    rest = noise.rest_sd * rng.standard_normal((number, design.size))
    return runs[:, design.run] + cases[:, design.case] + rest


def rates(runs: int, cases: int, folds: int, noise: Noise, *, number: int, seed: int) -> Rates:
    """Of the primary test, the t over runs (cases fixed) and the paired t over the cases of one run."""
    design = incidence(runs, cases, folds)
    values = differences(design, noise, number, seed)
    fit = design.fit(values)
    crossed = 2 * stats.t.sf(np.abs(fit.mean) / np.sqrt(fit.variance), fit.df)
    over_runs = stats.ttest_1samp(group_means(values, design.run), 0, axis=1).pvalue
    one_run = stats.ttest_1samp(values[:, design.run == 0], 0, axis=1).pvalue
    return Rates(*(float((p < 0.05).mean()) for p in (crossed, over_runs, one_run)))


def power_found(
    gain: float, runs: int, cases: int, folds: int, noise: Noise, *, number: int, seed: int, alpha: float = 0.05
) -> float:
    """Share of simulations in which the primary test finds a mean difference of `gain`."""
    design = incidence(runs, cases, folds)
    fit = design.fit(differences(design, noise, number, seed) + gain)
    p = 2 * stats.t.sf(np.abs(fit.mean) / np.sqrt(fit.variance), fit.df)
    return float((p < alpha).mean())


def markdown(rows: Sequence[tuple[str, Noise, Rates]]) -> str:
    """A table of false-positive rates, one row a design and noise."""
    lines = [
        "| design | SD run | SD case x scenario | SD case x run | crossed (primary) | over runs | one run |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for design, noise, found in rows:
        sds = " | ".join(f"{sd:.3f}" for sd in (noise.run_sd, noise.case_sd, noise.rest_sd))
        shares = " | ".join(f"{100 * rate:.1f} %" for rate in (found.crossed, found.runs_only, found.one_run))
        lines.append(f"| {design} | {sds} | {shares} |")
    return "\n".join(lines)


DESIGNS = {
    "10 runs, 10 cases, folds 1": (10, 10, 1),
    "5 runs, 10 cases, folds 1": (5, 10, 1),
    "10 runs, 45 cases, folds 5": (10, 45, 5),
    "5 runs, 45 cases, folds 5": (5, 45, 5),
}
STATED = Noise.of_scenarios(seed_sd=0.02, case_run_sd=0.03, case_sd=0.0)  # STATISTICS.md section 2
NOISES = (
    Noise.of_scenarios(seed_sd=0.02, case_run_sd=0.03, case_sd=0.02),
    Noise.of_scenarios(seed_sd=0.02, case_run_sd=0.03, case_sd=0.04),
    Noise.of_scenarios(seed_sd=0.01, case_run_sd=0.03, case_sd=0.04),
    Noise(run_sd=0.012, case_sd=0.006, rest_sd=0.02),  # docs/openkbp/scores.csv, over sizes
)


def table(*, number: int, seed: int) -> list[tuple[str, Noise, Rates]]:
    """Rates of every design under every noise, and under seed noise alone, as STATISTICS.md states it."""
    return [
        (name, noise, rates(*shape, noise, number=number, seed=seed))
        for name, shape in DESIGNS.items()
        for noise in (STATED, *NOISES)
    ]
