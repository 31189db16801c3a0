"""Forecast against fact: what `globalmask plan` said of a run, beside what the run's jobs have cost since."""

from __future__ import annotations

import datetime
from pathlib import Path

import pandas as pd

from globalmask.present.costs import costs
from globalmask.present.report_sections import Grid
from globalmask.present.results import read_json
from globalmask.present.tables import DASH, hours_number

HEADER = ["Stage", "Jobs planned", "Jobs done since", "Hours forecast", "Hours in fact", "Fact / forecast"]
HEADER += ["MB forecast", "MB in fact", "What is missing"]
NOTE = (
    "Forecast by globalmask plan, {made}, of what was left to do: jobs from a dry run; trainings from a pilot of each "
    "kind on the machine where it ran, with all the steps they may take; other stages from the median of finished "
    "jobs. Fact: the benchmark files that jobs have written since; of a job that ran twice or went on from a "
    "checkpoint, the last time alone. Hours of jobs side by side add up; MB are those of the largest job, but for "
    "trainings on a GPU the forecast is of its memory. A ratio needs all jobs that were planned and no others, and the "
    "total is of such stages. A report's own job ends after the report is written; globalmask costs counts it too."
)
TOTAL = {
    **dict.fromkeys(("jobs", "jobs_forecast", "hours", "hours_forecast"), "sum"),
    **dict.fromkeys(("memory_mb", "memory_mb_forecast"), "max"),
    "whole": "all",
}


def forecast_and_fact(run_dir: Path) -> Grid | None:
    """One row a stage with jobs planned or done since, and a total of those that compare; None without a forecast.

    `run_dir` is `results/{run}`, beside which `logs/{run}` lies. The time of `forecast.json`, which is written once,
    tells the jobs after it from those before: both are times of the same file system.
    """
    path = Path(run_dir, "forecast.json")
    kept = read_json(path)
    if kept is None:
        return None
    made = path.stat().st_mtime
    table = _compared(
        pd.DataFrame.from_dict(kept["stages"], orient="index", dtype=float),
        costs(path.absolute().parents[2] / "logs" / path.parent.name, path.parent, since=made),
    )
    if table.empty:
        return None
    rows = [[str(stage), *_numbers(row), _missing(row)] for stage, row in table.iterrows()]
    day = datetime.datetime.fromtimestamp(made, datetime.UTC)
    return Grid(HEADER, rows + _total(table), note=NOTE.format(made=f"{day:%Y-%m-%d %H:%M} UTC"))


def _compared(forecast: pd.DataFrame, fact: pd.DataFrame) -> pd.DataFrame:
    """Both in one, in the order of the workflow; `whole` where every planned job, and no other, was done since."""
    stages = fact.index.union(forecast.index, sort=False)
    table = fact.reindex(stages).join(forecast.add_suffix("_forecast"))
    counts = ["jobs", "jobs_forecast"]
    table[counts] = table[counts].fillna(0)
    table["whole"] = (table["jobs"] == table["jobs_forecast"]) & (table["hours_forecast"] > 0)
    return table[table[counts].any(axis="columns")]


def _numbers(row: pd.Series) -> list[str]:
    ratio = f"{row['hours'] / row['hours_forecast']:.2f}" if row["whole"] else DASH
    hours = [hours_number(row[name]) for name in ("hours_forecast", "hours")]
    memory = [DASH if pd.isna(row[name]) else f"{row[name]:.0f}" for name in ("memory_mb_forecast", "memory_mb")]
    return [f"{row['jobs_forecast']:.0f}", f"{row['jobs']:.0f}", *hours, ratio, *memory]


def _missing(row: pd.Series) -> str:
    if row["jobs"] > row["jobs_forecast"]:
        return f"{row['jobs'] - row['jobs_forecast']:.0f} more than planned"
    if row["jobs"] < row["jobs_forecast"]:
        return f"{row['jobs_forecast'] - row['jobs']:.0f} of {row['jobs_forecast']:.0f} jobs not done"
    return "" if row["whole"] else "hours were not known"


def _total(table: pd.DataFrame) -> list[list[str]]:
    whole, others = table[table["whole"]], table.index[~table["whole"]]
    if whole.empty:
        return []
    return [["Total", *_numbers(whole.agg(TOTAL)), f"without: {'; '.join(others)}" if len(others) else ""]]
