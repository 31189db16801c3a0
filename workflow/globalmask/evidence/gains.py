"""Levels, gains and shares at each training size: the rows of the analysis that compare trainings of one size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from globalmask.evidence.crossed import Estimate, crossed_mean
from globalmask.evidence.curves import drawn_interval, draws
from globalmask.evidence.paired import Paired, Values
from globalmask.evidence.published_numbers import percent_gain
from globalmask.evidence.statistics import (
    crossed_share,
    equivalence,
    nadeau_bengio,
    over_runs,
    rank_biserial,
    share,
)

Row = tuple[dict[str, Any], Estimate]
GAINS = {"dice": "dice_gain", "com_mm": "com_mm_gain", "nsd_3mm": "nsd_3mm_gain", "hd95_mm": "hd95_mm_gain"}
NEAR_ZERO_DICE = 0.05  # under this a percentage of it says little
RANK_DRAWS = 2000


def row(
    quantity: str,
    estimate: Estimate,
    *,
    scenario: str,
    reference: str = "",
    n: int | None = None,
    structure: str = "",
    space: str = "crop",
) -> Row:
    """An estimate and what it is about, by the columns of `analysis.csv`."""
    about = {"quantity": quantity, "scenario": scenario, "reference": reference, "n_train": n}
    return about | {"structure": structure, "space": space}, estimate


def contrasts(scenarios: Sequence[str]) -> list[tuple[str, str]]:
    """(scenario, reference): everything against CT, and CT + mask against everything else."""
    against_ct = [(name, "ct") for name in scenarios if name != "ct" and "ct" in scenarios]
    controls = [("ct_mask", name) for name in scenarios if name not in ("ct", "ct_mask") and "ct_mask" in scenarios]
    return sorted(against_ct, key=lambda pair: pair[0] != "ct_mask") + controls


def level_rows(paired: Paired, *, space: str, diagonal_mm: float) -> Iterator[Row]:
    """Mean Dice and distance of every scenario, of each structure and over all; in the box also the next run's."""
    for column, name in (("dice", "dice"), ("com_mm", "com_mm")):
        for scenario in paired.scenarios:
            for structure in ("", *paired.structures):
                for n, values in paired.levels(column, scenario, structure).items():
                    about = {"scenario": scenario, "n": n, "structure": structure, "space": space}
                    found = values.mean()
                    if column == "com_mm":
                        found = _with_misses(found, *paired.counts(column, [scenario], n, structure), diagonal_mm)
                    yield row(f"{name}_level", found, **about)
                    if space == "crop":
                        yield row(f"{name}_prediction", values.next_run(), **about)


def _with_misses(found: Estimate, defined: int, tested: int, diagonal_mm: float) -> Estimate:
    """A distance over what was found, with the penalised mean where something was not."""
    if defined == tested:
        return found
    part = defined / tested
    mean = (part * found.estimate if defined else 0) + (1 - part) * diagonal_mm
    return found.noted(f"found in {defined} of {tested}; a miss as {diagonal_mm:.0f} mm, the box diagonal: {mean:.1f}")


def gain_rows(paired: Paired, *, space: str) -> Iterator[Row]:
    """Mean paired differences of every contrast; in native space of Dice only."""
    for scenario, reference in contrasts(paired.scenarios):
        for column, quantity in GAINS.items() if space == "crop" else [("dice", "dice_gain")]:
            for structure in ("", *paired.structures):
                found = paired.differences(column, scenario, reference, structure)
                for n in paired.sizes(scenario, reference):
                    about = {"scenario": scenario, "reference": reference, "n": n, "structure": structure}
                    counts = paired.counts(column, [scenario, reference], n, structure)
                    yield row(quantity, _gain(found.get(n), counts), **about, space=space)


def _gain(values: Values | None, counts: tuple[int, int]) -> Estimate:
    if values is None:
        return Estimate(math.nan).noted("no pair in which both have a value")
    found = values.mean()
    defined, tested = counts
    return found if defined == tested else found.noted(f"both have a value in {defined} of {tested}")


def dice_gain_rows(paired: Paired, *, collapse_below: float, margin: float, tested_share: float) -> Iterator[Row]:
    """What else is said of the Dice gain at each size: percent, sensitivities, equivalence, effect sizes.

    `tested_share` is the test cases of a run divided by the others; 0 where the test cases never change.
    """
    collapsed = paired.collapsed(collapse_below)
    lost = collapsed[collapsed["collapsed"]]
    for scenario, reference in contrasts(paired.scenarios):
        levels = paired.both("dice", scenario, reference)
        for n, values in paired.differences("dice", scenario, reference).items():
            cases = len(np.unique(values.case))
            gone = lost[lost["scenario"].isin([scenario, reference]) & (lost["n_train"] == n)]["replicate"]
            found = {
                "dice_gain_percent": percent_estimate(levels[0][n], levels[1][n]),
                "dice_gain_without_collapsed": _without(values, set(gone)),
                "dice_gain_runs_only": over_runs(values.over_runs(), cases),
                "dice_equivalence": equivalence(values.mean(), margin),
                "rank_biserial": _rank_biserial(values),
                "share_improved": _improved(values),
            }
            if tested_share:
                found["dice_gain_nadeau_bengio"] = nadeau_bengio(values.over_runs(), cases, tested_share=tested_share)
            for quantity, estimate in found.items():
                yield row(quantity, estimate, scenario=scenario, reference=reference, n=n)


def percent_estimate(scenario: Values, reference: Values) -> Estimate:
    """100 x difference of means / mean of the reference; interval of the ratio by linearisation (delta method)."""
    below = float(reference.value.mean())
    if below == 0:
        return Estimate(math.nan, method="ratio of means").noted("the reference is 0")
    estimate = percent_gain(float(scenario.value.mean()), below)
    ratio = 1 + estimate / 100
    spread = crossed_mean(scenario.case, scenario.run, 100 * (scenario.value - ratio * reference.value) / below)
    notice = spread.notice if math.isnan(spread.low) else ""
    found = replace(spread, estimate=estimate, low=estimate + spread.low, high=estimate + spread.high, p=math.nan)
    found = replace(found, method=f"ratio of means, delta method; {spread.method}", notice=notice)
    return found.noted("the reference is near zero: the percentage says little") if below < NEAR_ZERO_DICE else found


def _without(values: Values, gone: set[int]) -> Estimate:
    keep = np.array([run not in gone for run in values.run], bool)
    found = crossed_mean(values.case[keep], values.run[keep], values.value[keep])
    return found.noted(f"{len(gone)} collapsed runs left out" if gone else "no run collapsed")


def _rank_biserial(values: Values) -> Estimate:
    """Over case means; interval by drawing runs and cases."""
    runs, cases = np.unique(values.run), np.unique(values.case)
    matrix = values.matrix(runs.tolist(), cases.tolist())
    weights = draws(RANK_DRAWS, len(runs), seed=1)
    tested = weights @ np.isfinite(matrix)
    means = np.divide(weights @ np.nan_to_num(matrix), tested, out=np.zeros(tested.shape), where=tested > 0)
    drawn = np.random.default_rng(2).integers(len(cases), size=means.shape)
    low, high = drawn_interval(rank_biserial(np.take_along_axis(means, drawn, axis=1)))
    found = Estimate(float(rank_biserial(values.over_cases())), low, high, runs=len(runs), cases=len(cases))
    return replace(found, method="matched pairs, case means; bootstrap, runs and cases")


def _improved(values: Values) -> Estimate:
    means = values.over_cases()
    found, low, high = share(float((means > 0).sum()), len(means))
    runs = len(np.unique(values.run))
    return Estimate(found, low, high, runs=runs, cases=len(means), method="Wilson over case means; runs fixed")


def share_rows(paired: Paired, *, collapse_below: float) -> Iterator[Row]:
    """Share of runs that lost a structure, and of tests in which a structure was found."""
    collapsed = paired.collapsed(collapse_below)
    for (scenario, n), rows in collapsed.groupby(["scenario", "n_train"], sort=False):
        flags = rows.pivot(index="replicate", columns="structure", values="collapsed")
        for structure in ("", *paired.structures):
            lost = flags[structure].dropna() if structure else flags.any(axis=1)
            found, low, high = share(float(lost.sum()), len(lost))
            cases = len(np.unique(paired.levels("dice", scenario)[n].case))
            estimate = Estimate(found, low, high, runs=len(lost), cases=cases, method="Wilson over runs")
            yield row("collapse_share", estimate, scenario=scenario, n=int(n), structure=structure)
    yield from _detection_rows(paired)


def _detection_rows(paired: Paired) -> Iterator[Row]:
    present = paired.scores[~paired.scores["status"].isin(["ref_empty", "both_empty"])]
    found = Paired(present.assign(found=(present["status"] != "pred_empty").astype(float)))
    for scenario in found.scenarios:
        for structure in ("", *found.structures):
            for n, values in found.levels("found", scenario, structure).items():
                mean = values.mean()
                yield row("detection_rate", crossed_share(mean), scenario=scenario, n=n, structure=structure)
