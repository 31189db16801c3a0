"""Train the cells of `workflow/config/evidence.yaml` that `docs/evidence/cells` does not hold; keep the finished.

.venv/bin/python docs/train_evidence.py [--cores 2] [--only WORD ...]     `make evidence` calls it; stop it at any time

Cells run replicate by replicate, so that every size and scenario grows together. A finished cell is three files:
scores.csv, history.csv and run.json, without the host's name and the digests of the files that were read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

from globalmask import config, matrix
from globalmask.intake.cohort import Cohort

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "workflow" / "config" / "evidence.yaml"
CELLS = ROOT / "docs" / "evidence" / "cells"
RESULTS = ROOT / "results" / "evidence"
KEPT = ("history.csv", "run.json", "scores.csv")


def all_cells() -> list[matrix.Cell]:
    """Every cell of the evidence, replicate by replicate, the variants in the order of the config."""
    settings = config.read(CONFIG)
    sizes = {name: Cohort.of(settings, name).sizes for name in settings.arms}
    variants = list(settings.variants)
    return sorted(
        matrix.cells(settings, sizes), key=lambda cell: (cell.arm, variants.index(cell.variant), cell.replicate)
    )


def finished(cell: matrix.Cell, folder: Path = CELLS) -> bool:
    return all((folder / cell.path / name).is_file() for name in KEPT)


def collect(results: Path) -> int:
    """Copy the finished cells of `results/evidence` that are not kept yet; returns how many."""
    new = [cell for cell in all_cells() if finished(cell, results) and not finished(cell)]
    for cell in new:
        target = CELLS / cell.path
        target.mkdir(parents=True, exist_ok=True)
        record = json.loads((results / cell.path / "run.json").read_text(encoding="utf-8"))
        for name in ("host", "inputs"):
            record.pop(name, None)
        (target / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        for name in ("history.csv", "scores.csv"):
            shutil.copyfile(results / cell.path / name, target / name)
    return len(new)


def main() -> None:
    """Train, score and collect batch by batch; then what needs no training."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--only", nargs="*", default=[], help="words in a cell's path, as /paper/ or /n4/")
    given = options.parse_args()
    missing = [cell for cell in all_cells() if not finished(cell) and all(word in cell.path for word in given.only)]
    print(f"{len(missing)} cells of {len(all_cells())} are missing")
    batches = itertools.groupby(missing, key=lambda cell: (cell.arm, cell.variant, cell.replicate))
    for batch, cells in batches:
        make([f"results/evidence/{cell.path}/scores.csv" for cell in cells], given.cores)
        print(f"{' '.join(map(str, batch))}: {collect(RESULTS)} cells kept", flush=True)
    make(["results/evidence/plan.json", "results/evidence/floors.csv"], given.cores)
    keep_plan_and_floors(RESULTS)


def make(targets: list[str], cores: int) -> None:
    """Have Snakemake make these files; ends where it fails."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores), "--configfile", str(CONFIG)]
    done = subprocess.run([*command, "--quiet", "rules"], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def keep_plan_and_floors(results: Path) -> None:
    """Copy the run's plan, without its config (it holds paths of the machine), and the floors and ceilings."""
    plan = json.loads((results / "plan.json").read_text(encoding="utf-8"))
    del plan["config"]
    (CELLS.parent / "plan.json").write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(results / "floors.csv", CELLS.parent / "floors.csv")


if __name__ == "__main__":
    main()
