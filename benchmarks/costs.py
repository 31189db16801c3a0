"""What a finished run has cost, per stage: jobs, seconds, memory, disk; a Markdown table for the README.

    .venv/bin/python benchmarks/costs.py demo

Reads the benchmark file that Snakemake writes for every job below `logs/{run}/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

# Words in the benchmark files' paths, in the order of the workflow; the first that fits names the stage.
STAGES = {
    "check": ("/phantom/", "/check/", "check_cohort", "/splits/"),
    "prepared": ("template.", "/register/", "/prepare_ct/", "/prepare_label/"),
    "masks": ("/masks/", "/coarse/"),
    "models": ("train.benchmark",),
    "predictions": ("predict.benchmark",),
    "scores": ("score.benchmark", "/floors/", "/shifted/", "score_shifted.", "gather_"),
    "statistics": ("analyse.", "judge."),
    "tables, figures, report": ("make_", "features", "write_plan"),
}
FOLDERS = {
    "check": ("*/raw", "*/check"),
    "prepared": ("*/template", "*/prepared"),
    "masks": ("*/masks", "*/coarse"),
    "models": ("*/*/*/n*/r*/model.safetensors",),
    "predictions": ("*/*/*/n*/r*/predictions", "*/*/*/n*/r*/native"),
    "scores": ("*/*/*/n*/r*/scores.csv", "*/floors", "*/shifted"),
    "statistics": ("analysis.*", "claims.csv"),
    "tables, figures, report": ("tables", "figures", "sheets", "report.html"),
}


def stage_of(path: str) -> str:
    """Name of the stage that a benchmark file belongs to."""
    return next(stage for stage, words in STAGES.items() if any(word in path for word in words))


def megabytes(paths: list[Path]) -> float:
    """Size of files and folders in MB."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def costs(run: str) -> pd.DataFrame:
    """One row a stage: jobs, median and summed minutes, the largest memory in MB, disk in MB."""
    jobs = pd.concat(
        pd.read_csv(path, sep="\t").assign(stage=stage_of(path.as_posix()))
        for path in Path("logs", run).rglob("*.benchmark.tsv")
    )
    for column in ("s", "max_rss"):
        jobs[column] = pd.to_numeric(jobs[column], errors="coerce")
    table = jobs.groupby("stage").agg(
        jobs=("s", "size"),
        median_s=("s", "median"),
        job_min=("s", lambda seconds: seconds.sum() / 60),
        memory_mb=("max_rss", "max"),
    )
    for stage, patterns in FOLDERS.items():
        paths = [path for pattern in patterns for path in Path("results", run).glob(pattern)]
        table.loc[stage, "disk_mb"] = megabytes(paths)
    return table.reindex(STAGES)


if __name__ == "__main__":
    table = costs(sys.argv[1])
    print("| stage | jobs | seconds a job (median) | minutes, all jobs | memory of the largest job | disk |")
    print("|---|---:|---:|---:|---:|---:|")
    for stage, row in table.iterrows():
        print(
            f"| {stage} | {row.jobs:.0f} | {row.median_s:.1f} | {row.job_min:.1f}"
            f" | {row.memory_mb:.0f} MB | {row.disk_mb:.0f} MB |"
        )
