"""What a run will cost before it runs: jobs, hours, memory and disk, stage by stage; beside it what it has cost so far.

Jobs are those of a dry run. Trainings are forecast from a pilot of their own shape on this machine (`learn/pilot.py`),
every other stage from the median seconds of its finished jobs: of this run, else of another run made here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from globalmask import matrix
from globalmask.config import Config, TrainSettings
from globalmask.errors import UserError
from globalmask.intake.cohort import Cohort, cohorts_of
from globalmask.learn.inputs import channels_of
from globalmask.learn.pilot import Pace
from globalmask.present.costs import costs, jobs_of_stages

if TYPE_CHECKING:
    from rich.console import RenderableType

TRAINED = ("mask networks", "models")
Measure = Callable[..., Pace]


@dataclass(frozen=True)
class Training:
    """Trainings of one shape: how many, and their steps and validation cases in all, at most."""

    stage: str
    name: str
    count: int
    steps: int
    validated: int
    pace: Pace

    @property
    def hours(self) -> float:
        return (self.steps * self.pace.step_seconds + self.validated * self.pace.validation_seconds) / 3600


def planned_jobs(configfile: Path, cores: int) -> dict[str, int]:
    """Jobs a rule that a run would make now, by Snakemake's dry run; raises UserError with what it says."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", str(cores), "--configfile", str(configfile)]
    done = subprocess.run([*command, "--quiet", "rules"], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise UserError("The run cannot be planned.", file=configfile, found=done.stderr.strip()[-2000:])
    jobs = re.findall(r"^([a-z]\w*) +(\d+)$", done.stdout, re.MULTILINE)
    return {rule: int(count) for rule, count in jobs if rule not in ("all", "total")}


def trainings(config: Config, *, measure: Measure) -> list[Training]:
    """Every training of the run as the config plans it, finished or not, by shape; `measure` gives a shape's pace."""
    cohorts = cohorts_of(config, needs_data=False)
    cells = list(matrix.cells(config, {name: cohort.sizes for name, cohort in cohorts.items()}))
    shapes = {(cell.arm, cell.variant) for cell in cells}
    found = []
    for arm, variant in sorted(shapes):
        mine = [cell for cell in cells if (cell.arm, cell.variant) == (arm, variant)]
        settings = config.variants[variant].settings
        reads = config.variants[variant].validation == "labels"
        validations = settings.max_steps // settings.validate_every
        pace = _pace(config, arm, settings, {cell.scenario for cell in mine}, measure)
        found.append(
            Training(
                "models",
                f"{arm}/{variant}",
                len(mine),
                len(mine) * settings.max_steps,
                len(mine) * validations * cohorts[arm].counts.validation * reads,
                pace,
            )
        )
    return found + _mask_networks(config, cohorts, cells, measure)


def _mask_networks(config: Config, cohorts: Mapping[str, Cohort], cells: list, measure: Measure) -> list[Training]:
    learned = matrix.learned_sets(matrix.mask_sets(config, cells))
    found = []
    for arm in sorted({arm for arm, _ in learned}):
        network = config.arms[arm].mask_network
        count = sum(len(cohorts[arm].mask_parts(cell)) for (name, _), cell in learned.items() if name == arm)
        pace = measure(
            network.settings,
            inputs=1,
            structures=1,
            size_voxels=network.grid.size_voxels,
            device=config.device,
            threads=config.threads,
        )
        found.append(Training("mask networks", f"{arm}/masks", count, count * network.settings.max_steps, 0, pace))
    return found


def _pace(config: Config, arm: str, settings: TrainSettings, scenarios: set[str], measure: Measure) -> Pace:
    """The pace of the scenario with the most channels."""
    voxel = np.zeros((1, 1, 1), np.float32)
    return measure(
        settings,
        inputs=max(len(channels_of(name, voxel, voxel)) for name in scenarios),
        structures=len(config.arms[arm].structures),
        size_voxels=config.arms[arm].grid.size_voxels,
        device=config.device,
        threads=config.threads,
    )


def forecast(config: Config, jobs: Mapping[str, int], known: list[Training], root: Path) -> pd.DataFrame:
    """One row a stage: `jobs` to do, `hours` of work (NaN where nothing is known), `memory_mb` of the largest job;
    `done`, `spent_hours` and `disk_mb` so far. `root` is the folder of `results/` and `logs/`.
    """
    spent = costs(root / "logs" / config.run, root / "results" / config.run)
    counts = jobs_of_stages(jobs)
    table = pd.DataFrame({"jobs": counts, "hours": np.nan, "memory_mb": np.nan}).reindex(spent.index)
    typical = _typical(spent, config.run, root)
    table["hours"] = table["jobs"] * typical["median_s"] / 3600
    table["memory_mb"] = typical["memory_mb"]
    for stage in TRAINED:
        mine = [training for training in known if training.stage == stage]
        total = sum(training.count for training in mine)
        if total:
            table.loc[stage, "hours"] = sum(training.hours for training in mine) * table.loc[stage, "jobs"] / total
            table.loc[stage, "memory_mb"] = max(training.pace.memory_mb for training in mine)
    table["done"], table["spent_hours"], table["disk_mb"] = spent["jobs"], spent["hours"], spent["disk_mb"]
    return table


def _typical(spent: pd.DataFrame, run: str, root: Path) -> pd.DataFrame:
    """Median seconds and memory of a stage's jobs: of this run where it has any, else of the others made here."""
    typical = spent[["median_s", "memory_mb"]]
    for other in sorted((root / "logs").glob("*")):
        if other.is_dir() and other.name != run:
            typical = typical.combine_first(costs(other, root / "results" / other.name)[["median_s", "memory_mb"]])
    return typical.reindex(spent.index)


def keep(table: pd.DataFrame, known: list[Training], path: Path) -> None:
    """Write the first forecast of a run to `path`, for the comparison afterwards; a later one changes nothing."""
    from globalmask.provenance import write_json

    if path.exists():
        return
    stages = json.loads(table[["jobs", "hours", "memory_mb"]].to_json(orient="index"))
    write_json(path, {"stages": stages, "trainings": [asdict(training) for training in known]})


def screen(table: pd.DataFrame, known: list[Training], *, jobs_at_once: int) -> RenderableType:
    """The forecast for the terminal."""
    from rich.console import Group
    from rich.table import Table

    shown = Table("stage", "jobs to do", "hours of work", "MB a job", "done", "hours spent", "MB on disk", box=None)
    shown.columns[0].no_wrap = True
    for column in shown.columns[1:]:
        column.justify = "right"
    for stage, row in table.iterrows():
        numbers = (row.hours, row.memory_mb, row.done, row.spent_hours, row.disk_mb)
        formats = (".2f", ".0f", ".0f", ".2f", ".0f")
        texts = ["?" if pd.isna(value) else f"{value:{form}}" for value, form in zip(numbers, formats, strict=True)]
        shown.add_row(str(stage), f"{row.jobs}", *texts)
    hours, unknown = table["hours"].sum(), table.index[table["hours"].isna() & (table["jobs"] > 0)]
    lines = [
        f"{table['jobs'].sum()} jobs, {hours:.1f} hours of work;"
        f" about {hours / jobs_at_once:.1f} hours with {jobs_at_once} side by side."
    ]
    if len(unknown):
        lines.append(f"Not known before a first run here, and not counted: {', '.join(unknown)}.")
    lines += [
        f"{training.name}: {training.count} trainings of at most {training.steps // training.count} steps,"
        f" {training.pace.step_seconds:.3g} s a step,"
        f" {training.pace.validation_seconds:.3g} s a validation case, {training.pace.memory_mb:.0f} MB"
        for training in known
    ]
    return Group(shown, *lines)
