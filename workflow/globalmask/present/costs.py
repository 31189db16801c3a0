"""What the jobs of a run have cost, stage by stage, from the benchmark file that Snakemake writes for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

RULES = {
    "check": ("phantom", "check_case", "check_cohort", "write_split"),
    "prepared": ("make_template", "register", "prepare_ct", "prepare_label"),
    "masks": ("mask_", "coarsen_ct", "coarsen_label", "measure_mask"),
    "mask networks": ("train_mask_network",),
    "models": ("train",),
    "predictions": ("predict_cell_",),
    "scores": ("score", "score_shifted", "gather_", "shift_case", "floors"),
    "statistics": ("analyse", "judge"),
    "tables, figures, report": ("make_", "features", "write_plan"),
}
"""The rules of each stage, in the order of the workflow; a name that ends in `_` stands for all that begin so."""

# Patterns in the benchmark files' paths; the first that fits names the stage.
LOGS = {
    "check": r"/phantom/|/check/|/check_cohort\.|/splits/",
    "prepared": r"/template\.|/register/|/prepare_ct/|/prepare_label/",
    "mask networks": r"/masks/.*/train_",
    "masks": r"/masks/|/coarse/",
    "models": r"/train\.benchmark",
    "predictions": r"/predict\.benchmark",
    "scores": r"/score\.benchmark|/floors/|/shifted/|/score_shifted\.|/gather_",
    "statistics": r"/analyse\.|/judge\.",
    "tables, figures, report": r"/make_|/features\.|/write_plan\.",
}
FOLDERS = {
    "check": ("*/raw", "*/check"),
    "prepared": ("*/template", "*/prepared"),
    "masks": ("*/masks/*/*.*", "*/coarse"),
    "mask networks": ("*/masks/*/networks",),
    "models": ("*/*/*/n*/r*/model.safetensors",),
    "predictions": ("*/*/*/n*/r*/predictions", "*/*/*/n*/r*/native"),
    "scores": ("*/*/*/n*/r*/scores.csv", "*/floors", "*/shifted"),
    "statistics": ("analysis.*", "claims.csv"),
    "tables, figures, report": ("tables", "figures", "sheets", "report.html"),
}


def stage_of_rule(rule: str) -> str:
    """Name of the stage that a rule belongs to; the longest name that fits decides."""
    fits = {
        name: stage
        for stage, names in RULES.items()
        for name in names
        if rule == name or (name.endswith("_") and rule.startswith(name))
    }
    return fits[max(fits, key=len)]


def stage_of_log(path: str) -> str:
    """Name of the stage that a benchmark file belongs to."""
    return next(stage for stage, pattern in LOGS.items() if re.search(pattern, path))


def costs(logs: Path, results: Path, *, since: float = 0.0) -> pd.DataFrame:
    """One row a stage: `jobs`, `median_s`, `hours` of all jobs, `memory_mb` of the largest, `disk_mb`.

    `logs` and `results` are the run's folders; a stage without a finished job has 0 jobs and NaN. Only jobs that ended
    at `since` (seconds, as of files) or later count.
    """
    jobs = [
        pd.read_csv(path, sep="\t").assign(stage=stage_of_log(path.as_posix()))
        for path in logs.rglob("*.benchmark.tsv")
        if path.stat().st_mtime >= since
    ]
    table = pd.concat(jobs) if jobs else pd.DataFrame(columns=["s", "max_rss", "stage"])
    for column in ("s", "max_rss"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    grouped = table.groupby("stage").agg(
        jobs=("s", "size"), median_s=("s", "median"), hours=("s", "sum"), memory_mb=("max_rss", "max")
    )
    grouped["hours"] /= 3600
    found = grouped.reindex(list(RULES))
    found["jobs"] = found["jobs"].fillna(0).astype(int)
    found["disk_mb"] = [_megabytes(results, FOLDERS[stage]) for stage in found.index]
    return found


def as_markdown(table: pd.DataFrame) -> str:
    """The costs as the README prints them; stages without a job are left out."""
    lines = [
        "| stage | jobs | seconds a job (median) | minutes, all jobs | memory of the largest job | disk |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for stage, row in table[table["jobs"] > 0].iterrows():
        numbers = f"{row.jobs:.0f} | {row.median_s:.1f} | {60 * row.hours:.1f}"
        lines.append(f"| {stage} | {numbers} | {row.memory_mb:.0f} MB | {row.disk_mb:.0f} MB |")
    return "\n".join(lines)


def jobs_of_stages(jobs_of_rules: Mapping[str, int]) -> dict[str, int]:
    """Jobs a stage, in the order of the workflow, from jobs a rule."""
    counts = dict.fromkeys(RULES, 0)
    for rule, count in jobs_of_rules.items():
        counts[stage_of_rule(rule)] += count
    return counts


def _megabytes(results: Path, patterns: Sequence[str]) -> float:
    paths = [path for pattern in patterns for path in results.glob(pattern)]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
