"""The plan of analysis: what is judged and how, committed before the runs (STATISTICS.md section 3).

`workflow/config/analysis_plan.yaml` is read, closed and typed. What this version does in one way only is a
field of one value, so the file says it and cannot say anything else. The block `power` is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from globalmask.config import Name, Section, Sizes
from globalmask.errors import UserError, raise_all
from globalmask.evidence.statistics import power
from globalmask.provenance import write_text

COMPUTED = "# Computed by `globalmask plan-power`, not typed.\n"
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Primary(Section):
    """The family that decides: one test a size and arm."""

    quantity: Literal["dice_gain"]
    scenario: Name
    reference: Name
    sizes: Sizes
    space: Literal["crop"]
    structures: Literal["mean"]
    variant: Name = Field(description="the variant that comes first in the config")
    test: Literal["t of the mean paired difference, cases and runs random"]
    adjusted_by: Literal["holm"]
    alpha: float = Field(gt=0, lt=1)


class Equivalence(Section):
    """Full size: is CT + mask the same as CT?"""

    size: Literal["full"]
    margin_dice: Positive
    test: Literal["two one-sided tests"]
    adjusted_by: Literal["holm"]


class Assumed(Section):
    """SDs of the paired difference in Dice: between runs, between cases, of case x run."""

    run_sd: float = Field(ge=0)
    case_sd: float = Field(ge=0)
    rest_sd: float = Field(ge=0)
    source: str


class PlannedDesign(Section):
    """`cases` counts the test cases of all folds."""

    runs: int = Field(ge=2)
    cases: int = Field(ge=2)
    folds: int = Field(1, ge=1)


class PowerRow(PlannedDesign):
    """Power of one test at alpha, and at alpha / m, the first step of Holm over a family of m tests."""

    gain: float
    alone: Share
    first_of_family: Share


class AnalysisPlan(Section):
    """The whole plan."""

    primary: Primary
    equivalence: Equivalence
    exploratory_adjusted_by: Literal["bh"]
    fewest_runs: Literal[5]
    replicates: dict[Annotated[int, Field(ge=1)] | Literal["full"], Annotated[int, Field(ge=1)]]
    collapse_below_dice: Positive
    arms: int = Field(ge=1, description="data sets in the primary family")
    gains: tuple[Positive, ...]
    assumed: Assumed
    designs: tuple[PlannedDesign, ...]
    power: tuple[PowerRow, ...] = ()


def read_analysis_plan(path: Path) -> AnalysisPlan:
    """The plan in a YAML file; UserError tells every fault in it."""
    try:
        return AnalysisPlan.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    except ValidationError as invalid:
        raise_all([_explain(error, path) for error in invalid.errors()])
        raise


def _explain(error: Any, path: Path) -> UserError:
    where = ".".join(str(part) for part in error["loc"]) or "top level"
    found = None if isinstance(error["input"], dict) else repr(error["input"])
    return UserError(f"The plan of analysis does not fit at '{where}'.", file=path, found=found, expected=error["msg"])


def power_rows(plan: AnalysisPlan, designs: Sequence[PlannedDesign]) -> list[PowerRow]:
    """Power of the primary test in each design for each gain, under the assumed SDs; three decimals."""
    sds = plan.assumed.model_dump(exclude={"source"})
    family = len(plan.primary.sizes) * plan.arms
    rows = []
    for design in designs:
        shape = PlannedDesign(**design.model_dump(include=set(PlannedDesign.model_fields))).model_dump()
        for gain in plan.gains:
            alone, first = (
                round(power(gain, **sds, **shape, alpha=plan.primary.alpha / tests), 3) for tests in (1, family)
            )
            rows.append(PowerRow(**shape, gain=gain, alone=alone, first_of_family=first))
    return rows


def write_power(path: Path) -> None:
    """Compute the block `power` of a plan's file and write it at its end; all above it stays as it is."""
    plan = read_analysis_plan(path)
    above = Path(path).read_text(encoding="utf-8").partition(COMPUTED)[0]
    rows = [row.model_dump() for row in power_rows(plan, plan.designs)]
    lines = [yaml.safe_dump(row, default_flow_style=True, sort_keys=False, width=200) for row in rows]
    write_text(path, above + COMPUTED + "power:\n" + "".join(f"  - {line}" for line in lines))


def departures(plan: AnalysisPlan, run_plan: Mapping[str, Any]) -> list[str]:
    """What a run (`plan.json`) does not have as planned, one sentence each; empty when all is there."""
    found = []
    for arm in run_plan["arms"]:
        variant = primary_variant(run_plan, arm["name"])
        if variant is None:
            found.append(f"arm {arm['name']}: no variant trains on it")
            continue
        place = f"arm {arm['name']}"
        if arm["synthetic"]:
            found.append(f"{place}: the data are synthetic, planned are real ones")
        if variant["name"] != plan.primary.variant:
            found.append(f"{place}: the first variant is {variant['name']}, planned is {plan.primary.variant}")
        for scenario in (plan.primary.scenario, plan.primary.reference):
            if scenario not in variant["scenarios"]:
                found.append(f"{place}: scenario {scenario} is not trained")
        found += [f"{place}: {sentence}" for sentence in _missing_runs(plan, variant["replicates"][arm["name"]], arm)]
    if len(run_plan["arms"]) != plan.arms:
        found.append(f"{len(run_plan['arms'])} arms in the primary family, planned are {plan.arms}")
    return found


def _missing_runs(plan: AnalysisPlan, replicates: Mapping[Any, int], arm: Mapping[str, Any]) -> list[str]:
    full = max(arm["sizes"])
    trained = {int(n): runs for n, runs in replicates.items()}
    planned = {n: runs for n, runs in plan.replicates.items() if n != "full"}
    planned[full] = plan.replicates.get("full", planned.get(full, 1))
    found = []
    for n, runs in planned.items():
        needed = n in plan.primary.sizes or n == full
        if n not in trained:
            found += [f"size {n} is not trained"] if needed else []
        elif trained[n] < runs:
            found.append(f"{trained[n]} replicate{'s' * (trained[n] != 1)} at n = {n}, planned are {runs}")
    return found


def primary_variant(run_plan: Mapping[str, Any], arm: str) -> Mapping[str, Any] | None:
    """The first variant of a run that trains on an arm; None where none does."""
    return next((variant for variant in run_plan["variants"] if arm in variant["arms"]), None)
