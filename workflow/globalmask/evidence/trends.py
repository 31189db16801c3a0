"""What spans training sizes, steps or shifts: rows of the analysis that need more than the scores of one size.

Nothing here is extrapolated, and convergence is judged at a constant learning rate only (DESIGN.md decision 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from globalmask.evidence.clock import STEPS_FOR_HOURS, clock
from globalmask.evidence.crossed import Estimate, crossed_mean
from globalmask.evidence.curves import (
    Reached,
    area_weights,
    equivalent_n,
    paired_ratio,
    slope_weights,
    steps_ratio,
    steps_to,
)
from globalmask.evidence.gains import Row, contrasts, row
from globalmask.evidence.paired import Paired, Values
from globalmask.evidence.robustness import slopes
from globalmask.evidence.statistics import over_runs

TARGET_SHARE = 0.95  # of the reference's best validation Dice (STATISTICS.md section 7)
LEAST_TARGET = 0.05  # a reference below has learned nothing to be reached


@dataclass(frozen=True)
class Training:
    """What is read of a finished training: its history and the fields of `run.json`."""

    history: pd.DataFrame
    record: Mapping[str, Any]


Trainings = Mapping[tuple[str, int, int], Training]
"""By scenario, training size and replicate."""


def curve_rows(paired: Paired) -> Iterator[Row]:
    """Equivalent n at each size, and area and slope of the gain over log2 n, for every contrast."""
    for scenario, reference in contrasts(paired.scenarios):
        gains = paired.differences("dice", scenario, reference)
        sizes = list(gains)
        about: dict[str, Any] = {"scenario": scenario, "reference": reference}
        if len(sizes) < 2:
            continue
        if reference == "ct":
            cubes = [_cube(paired, name, sizes) for name in (reference, scenario)]
            for n, found in zip(sizes, equivalent_n(sizes, *cubes), strict=True):
                yield row("equivalent_n", found, **about, n=n)
        yield row("area_gain", _linear(gains, sizes, area_weights(sizes)), **about)
        yield row("gain_trend", _linear(gains, sizes, slope_weights(sizes)), **about)


def _cube(paired: Paired, scenario: str, sizes: Sequence[int]) -> np.ndarray:
    """Dice (S, R, I) over structures, in one order of runs and cases for all scenarios; NaN where not tested."""
    runs, cases = (sorted(paired.scores[name].unique()) for name in ("replicate", "case"))
    levels = paired.levels("dice", scenario)
    return np.stack([levels[n].matrix(runs, cases) for n in sizes])


def _linear(gains: Mapping[int, Values], sizes: Sequence[int], weights: np.ndarray) -> Estimate:
    """Crossed mean of a weighted sum over sizes, of the pairs of case and run that have all sizes."""
    columns = [pd.Series(gains[n].value, index=pd.MultiIndex.from_arrays([gains[n].case, gains[n].run])) for n in sizes]
    sums = pd.concat(columns, axis=1, keys=sizes).dropna() @ weights
    cases, runs = (sums.index.get_level_values(level) for level in (0, 1))
    found = crossed_mean(cases, runs, sums.to_numpy())
    return found.noted(f"sizes {', '.join(map(str, sizes))}")


def training_rows(trainings: Trainings, scenarios: Sequence[str], sizes: Sequence[int], schedule: str) -> Iterator[Row]:
    """Steps, learning curves and hours at each size for every contrast, and the trend of hours of every scenario."""
    for scenario, reference in contrasts(scenarios):
        for n in sizes:
            pairs = _pairs(trainings, scenario, reference, n)
            about: dict[str, Any] = {"scenario": scenario, "reference": reference, "n": n, "space": ""}
            if schedule == "constant":
                yield row("steps_ratio", _steps(pairs), **about)
            else:
                reason = f"the learning rate is not constant ({schedule}): its schedule decides when a run converges"
                yield row("steps_ratio", Estimate(math.nan, runs=len(pairs)).noted(reason), **about)
            yield row("learning_gain", _learning_gain(pairs), **about)
            yield row("hours_ratio", _noted_rate(_hours(pairs), schedule), **about)
    for scenario in scenarios:
        yield row(
            "hours_trend", _noted_rate(_hours_trend(trainings, scenario, sizes), schedule), scenario=scenario, space=""
        )


def _noted_rate(found: Estimate, schedule: str) -> Estimate:
    return (
        found if schedule == "constant" else found.noted(f"hours follow the schedule of the learning rate ({schedule})")
    )


def _pairs(trainings: Trainings, scenario: str, reference: str, n: int) -> list[tuple[Training, Training]]:
    """(reference, scenario) of every replicate that has both."""
    runs = sorted({run for name, size, run in trainings if (name, size) == (scenario, n)})
    return [
        (trainings[reference, n, run], trainings[scenario, n, run]) for run in runs if (reference, n, run) in trainings
    ]


def _curves(pairs: Sequence[tuple[Training, Training]]) -> list[list[pd.DataFrame]]:
    """Steps and validation Dice of both trainings of each pair that has them."""
    curves = [[training.history[["step", "val_dice"]].dropna() for training in pair] for pair in pairs]
    return [pair for pair in curves if all(len(curve) for curve in pair)]


def _learning_gain(pairs: Sequence[tuple[Training, Training]]) -> Estimate:
    """Difference of validation Dice, mean over the validations that both trainings of a pair have.

    Both follow the same schedule, so it may be compared under any; a mask that only helps before a network has
    learnt would show here and not in the Dice of the finished models.
    """
    curves = [pair[0].merge(pair[1], on="step", suffixes=("_reference", "_scenario")) for pair in _curves(pairs)]
    gains = [(curve["val_dice_scenario"] - curve["val_dice_reference"]).mean() for curve in curves if len(curve)]
    return over_runs(gains, 0) if gains else Estimate(math.nan).noted("no validation Dice of both")


def _steps(pairs: Sequence[tuple[Training, Training]]) -> Estimate:
    """Steps to 95 % of the median of the references' best validation Dice, one target for both and for all runs."""
    curves = _curves(pairs)
    if not curves:
        return Estimate(math.nan).noted("no validation Dice of both")
    target = TARGET_SHARE * float(np.median([reference["val_dice"].max() for reference, _ in curves]))
    if target < LEAST_TARGET:
        return Estimate(math.nan, runs=len(curves)).noted("the reference has learned nothing that could be reached")
    reference, scenario = (_reached([pair[i] for pair in curves], target) for i in (0, 1))
    horizon = max(float(curve["step"].max()) for pair in curves for curve in pair)
    return steps_ratio(reference, scenario, horizon=horizon).noted(f"to a validation Dice of {target:.3f}")


def _reached(curves: Sequence[pd.DataFrame], target: float) -> Reached:
    ends = [steps_to(curve["step"].to_numpy(), curve["val_dice"].to_numpy(), target) for curve in curves]
    return Reached(np.array([step for step, _ in ends], float), np.array([reached for _, reached in ends], bool))


def _hours(pairs: Sequence[tuple[Training, Training]]) -> Estimate:
    counted = clock(training.record for pair in pairs for training in pair)
    times = np.array([[training.record.get(counted) or math.nan for training in pair] for pair in pairs], float)
    there = np.isfinite(times).all(1) & (times > 0).all(1) if len(times) else np.zeros(0, bool)
    if not there.any():
        return Estimate(math.nan).noted("no hours of both")
    found = paired_ratio(*times[there].T)
    if counted != "hours":
        return found.noted(STEPS_FOR_HOURS)
    machines = {(t.record.get("device"), t.record.get("host"), t.record.get("threads")) for pair in pairs for t in pair}
    return found if len(machines) == 1 else found.noted("more than one kind of machine")


def _hours_trend(trainings: Trainings, scenario: str, sizes: Sequence[int]) -> Estimate:
    """Slope of log2 hours to the best validation over log2 n: -1 says that twice the cases take half the time."""
    runs = sorted({run for name, _, run in trainings if name == scenario})
    curves = [[trainings.get((scenario, n, run)) for n in sizes] for run in runs]
    counted = clock(training.record for line in curves for training in line if training)
    times = np.array([[(t.record.get(counted) or math.nan) if t else math.nan for t in line] for line in curves], float)
    whole = np.isfinite(times).all(1) & (times > 0).all(1) if len(times) else np.zeros(0, bool)
    if len(sizes) < 2 or not whole.any():
        return Estimate(math.nan).noted("no run has hours at two sizes or more, and at all of them")
    found = over_runs(np.log2(times[whole]) @ slope_weights(sizes), 0)
    return found if counted == "hours" else found.noted(STEPS_FOR_HOURS)


def shift_rows(robustness: pd.DataFrame) -> Iterator[Row]:
    """Difference of the slopes of Dice over a shift's strength, for every contrast, size, shift and kind of mask.

    Positive: the scenario suffers less. The method names the shift and the masks (frozen or remade).
    """
    changes = slopes(robustness)
    for (shift, masks), part in changes.groupby(["shift", "masks"], sort=False):
        paired = Paired(part.assign(structure=""))
        for scenario, reference in contrasts(paired.scenarios):
            for n, values in paired.differences("slope", scenario, reference).items():
                found = values.mean()
                found = _with_method(found, f"shift {shift}, masks {masks}; slope from no shift to the strongest")
                yield row("intensity_slope_gain", found, scenario=scenario, reference=reference, n=n)


def _with_method(found: Estimate, words: str) -> Estimate:
    return Estimate(**vars(found) | {"method": f"{words}; {found.method}"})
