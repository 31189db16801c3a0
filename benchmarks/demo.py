"""Where the cores' time of a finished `make demo` went: jobs' pure work, imports, and what was left idle.

Read from the benchmark file that Snakemake wrote for each job of `results/demo`: its seconds, and when it ended (the
file's time). Pure work is a job's seconds less those of starting Python and importing its stage, which are measured
here and now, one after the other. The wall clock is that of the jobs, from the first start to the last end, plus
planning. A run that stood still between two jobs was broken off, and is refused.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lines import LINES
from benchmarks.record import Record, measured, missing

ROOT = Path(__file__).resolve().parents[1]
CORES = 2
LONGEST_PAUSE_SECONDS = 60.0
STAGES = {
    r"/phantom/": "intake.phantom",
    r"/check/": "intake.check",
    r"/check_cohort\.|/splits/": "intake.check",
    r"/template\.|/register/": "prepare.register",
    r"/prepare_(ct|label)/": "prepare.grid",
    r"/masks/.*/train_": "masks.learned",
    r"/masks/.*/predict": "masks.learned",
    r"\.quality\.": "masks.quality",
    r"/coarse/": "masks.coarse",
    r"/masks/": "masks.threshold",
    r"/train\.benchmark": "learn.train",
    r"/predict\.benchmark": "learn.predict",
    r"/features\.": "learn.features",
    r"/floors/": "evidence.floors",
    r"/score\.benchmark|/gather_": "evidence.score",
    r"/analyse\.": "evidence.analysis",
    r"/judge\.": "evidence.claims",
    r"/make_tables\.": "present.tables",
    r"/make_figures\.": "present.figures",
    r"/make_sheets\.": "present.sheets",
    r"/make_report\.": "present.report",
    r"": "provenance",
}
"""Pattern in a benchmark file's path -> module that the job imports; the first that fits."""


@dataclass(frozen=True)
class Job:
    """One finished job: seconds since the epoch at its end, its own seconds, the module it imports."""

    end: float
    seconds: float
    module: str

    @property
    def start(self) -> float:
        return self.end - self.seconds


def records(smoke: bool) -> dict[str, Record]:
    line = LINES["demo.share"]
    if not (ROOT / "results" / "demo" / "report.html").is_file():
        return {"demo.share": missing(line, "no finished demo: make demo")}
    jobs = jobs_of(ROOT / "logs" / "demo")
    imports = import_seconds({job.module for job in jobs}, repeats=1 if smoke else 3)
    planning = dry_run_seconds()
    parts = shares(jobs, imports, planning=planning, cores=CORES)
    wall = max(job.end for job in jobs) - min(job.start for job in jobs) + planning
    facts = {
        "jobs": len(jobs),
        "wall_seconds": round(wall, 1),
        "percent": {name: round(part, 1) for name, part in parts.items()},
    }
    return {"demo.share": measured(line, [100 - parts["pure work"]], **facts)}


def jobs_of(logs: Path) -> list[Job]:
    """Every finished job, in the order of their ends. Raises RuntimeError where the run was broken off."""
    jobs = []
    for path in logs.rglob("*.benchmark.tsv"):
        with open(path, newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        jobs.append(Job(path.stat().st_mtime, float(row["s"]), module_of(path.as_posix())))
    jobs.sort(key=lambda job: job.end)
    if pause := longest_pause(jobs):
        raise RuntimeError(f"the run stood still for {pause:.0f} s: make it again without a break")
    return jobs


def module_of(path: str) -> str:
    return next(module for pattern, module in STAGES.items() if re.search(pattern, path))


def longest_pause(jobs: Sequence[Job]) -> float:
    """The longest time without any job where it is longer than a plan takes, else 0."""
    busy_until, longest = None, 0.0
    for job in sorted(jobs, key=lambda job: job.start):
        if busy_until is not None:
            longest = max(longest, job.start - busy_until)
        busy_until = max(busy_until or job.end, job.end)
    return longest if longest > LONGEST_PAUSE_SECONDS else 0.0


def shares(jobs: Sequence[Job], imports: dict[str, float], *, planning: float, cores: int) -> dict[str, float]:
    """Percent of the cores' time: `pure work`, `imports`, `planning` (one core; the others wait), `idle` (the rest)."""
    wall = max(job.end for job in jobs) - min(job.start for job in jobs) + planning
    started = [min(job.seconds, imports[job.module]) for job in jobs]
    seconds = {
        "pure work": sum(job.seconds for job in jobs) - sum(started),
        "imports": sum(started),
        "planning": planning,
    }
    parts = {name: 100 * value / (wall * cores) for name, value in seconds.items()}
    return {**parts, "idle": 100 - sum(parts.values())}


def import_seconds(modules: set[str], *, repeats: int) -> dict[str, float]:
    """Seconds in which Python starts and imports the command line and a stage; the median of `repeats`."""
    found = {}
    for module in sorted(modules):
        code = f"import globalmask.cli, globalmask.{module}"
        found[module] = sorted(_seconds([sys.executable, "-c", code]) for _ in range(repeats))[repeats // 2]
    return found


def dry_run_seconds() -> float:
    """What the plan of the demo takes, whether or not there is anything to do."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--cores",
        "2",
        "--configfile",
        "workflow/config/demo.yaml",
    ]
    return _seconds([*command, "--forceall", "--quiet", "rules"])


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
