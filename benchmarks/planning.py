"""What Snakemake needs to plan the paper's matrix, once, ten and a hundred times over: seconds and memory.

The experiment is `config.yaml` with more replicates, in a temporary folder of empty case files; nothing is run.
Memory is the sum over the processes of a dry run, looked at a few times a second.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks.lines import LINES
from benchmarks.record import Record, measured, versions

ROOT = Path(__file__).resolve().parents[1]
CASES = {"brain": 46, "heart": 20}
REPLICATES = {"small": 1, "middle": 10, "large": 100}
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """Of one call of Snakemake: seconds, those on a core, bytes of all its processes at their largest, planned jobs."""

    seconds: float
    cpu_seconds: float
    bytes: int
    jobs: int


def records(smoke: bool) -> dict[str, Record]:
    sizes = {"small": 1} if smoke else REPLICATES
    repeats = {"small": 5, "middle": 3, "large": 2}
    with tempfile.TemporaryDirectory() as folder:
        experiment(Path(folder))
        parsed = [call(Path(folder), 1, "--list-rules").seconds for _ in range(1 if smoke else 5)]
        costs = {
            name: [call(Path(folder), count, "--dry-run") for _ in range(1 if smoke else repeats[name])]
            for name, count in sizes.items()
        }
    last = costs[list(sizes)[-1]]
    found = {f"planning.{name}": _record(name, costs.get(name, last)) for name in REPLICATES}
    facts = {"jobs": last[0].jobs, "versions": versions("snakemake")}
    memory = [cost.bytes / 1e9 for cost in last]
    growth = [big.seconds / some.seconds for some, big in zip(costs.get("middle", last), last, strict=False)]
    return found | {
        "planning.memory": measured(LINES["planning.memory"], memory, **facts),
        "planning.growth": measured(
            LINES["planning.growth"], growth, jobs_from=costs.get("middle", last)[0].jobs, **facts
        ),
        "planning.parse": measured(LINES["planning.parse"], parsed, versions=versions("snakemake")),
    }


def _record(name: str, costs: list[Cost]) -> Record:
    facts = {"jobs": costs[0].jobs, "megabytes": round(max(cost.bytes for cost in costs) / 1e6)}
    facts["cpu_seconds"] = [round(cost.cpu_seconds, 2) for cost in costs]
    return measured(
        LINES[f"planning.{name}"], [cost.seconds for cost in costs], **facts, versions=versions("snakemake")
    )


def experiment(folder: Path) -> None:
    """The paper's case tables and template below `folder`, every scan an empty file."""
    for arm, count in CASES.items():
        cases = folder / "data" / arm
        cases.mkdir(parents=True)
        rows = ["case\tct\tlabel"]
        for number in range(1, count + 1):
            names = [f"{number:02d}_{kind}.nii.gz" for kind in ("ct", "label")]
            for name in names:
                (cases / name).touch()
            rows.append("\t".join([f"{arm}_{number:02d}", *names]))
        (cases / "cases.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "data" / "brain" / "template.nii.gz").touch()


def call(folder: Path, replicates: int, *words: str) -> Cost:
    """Call Snakemake on the experiment with so many replicates. Raises RuntimeError with what it says."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")) | {"replicates": replicates}
    config = folder / f"r{replicates}.yaml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *words, "--cores", "2", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(config), "--quiet", "rules"]
    log = folder / "log.txt"
    start, used = time.perf_counter(), _cpu_seconds()
    with open(log, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT)
        largest = _watch(process)
    seconds = time.perf_counter() - start
    told = log.read_text(encoding="utf-8")
    if process.returncode:
        raise RuntimeError(f"snakemake failed:\n{told[-3000:]}")
    total = [line.split()[1] for line in told.splitlines() if line.startswith("total ")]
    return Cost(seconds, _cpu_seconds() - used, largest, int(total[0]) if total else 0)


def _cpu_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(process: subprocess.Popen) -> int:
    """Wait for a process; the largest sum of its and its children's resident bytes."""
    largest = 0
    while process.poll() is None:
        largest = max(largest, _resident(process.pid))
        time.sleep(LOOK_SECONDS)
    return largest


def _resident(pid: int) -> int:
    total = 0
    try:
        parent = psutil.Process(pid)
        for each in (parent, *parent.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.Error:
        return total
    return total
