"""Train the cells of the evidence that `docs/evidence` does not hold yet, and keep the finished ones there.

.venv/bin/python docs/train_evidence.py [--cores 2] [--only WORD ...]     `make evidence` calls it; stop it at any time

Cells run replicate by replicate, so that every size and scenario grows together. A finished cell is three files:
scores.csv, history.csv and run.json, without the host's name and the digests of the files that were read. Cells that
the config tests under intensity shifts have robustness.csv, too; it needs their models, which are not kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from globalmask import config, matrix
from globalmask.intake.cohort import Cohort

ROOT = Path(__file__).parents[1]
KEPT = ("history.csv", "run.json", "scores.csv")
SHIFTED = "robustness.csv"


@dataclass(frozen=True)
class Run:
    """A config of `workflow/config`, and the folder that keeps what is finished of it.

    `table` is a case table that `make` brings, where the run has one.
    """

    name: str
    kept: Path
    table: str = ""

    @property
    def config(self) -> Path:
        return ROOT / "workflow" / "config" / f"{self.name}.yaml"

    @property
    def results(self) -> Path:
        return ROOT / "results" / self.name

    def cells(self, *, shifted: bool = False) -> list[matrix.Cell]:
        """Every cell (`shifted`: those tested under shifts), replicate by replicate, variants as in the config."""
        settings = config.read(self.config)
        sizes = {name: Cohort.of(settings, name).sizes for name in settings.arms}
        variants = list(settings.variants)
        found = matrix.robustness_cells(settings, sizes) if shifted else matrix.cells(settings, sizes)
        return sorted(found, key=lambda cell: (cell.arm, variants.index(cell.variant), cell.replicate))

    def missing(self) -> list[matrix.Cell]:
        """Cells that are not kept yet."""
        return [cell for cell in self.cells() if not finished(self.kept / "cells" / cell.path)]

    def missing_shifts(self) -> list[matrix.Cell]:
        """Cells whose table under shifts is not kept yet."""
        return [c for c in self.cells(shifted=True) if not (self.kept / "cells" / c.path / SHIFTED).is_file()]

    def collect(self) -> int:
        """Keep the finished cells that are not kept yet; returns how many."""
        new = [cell.path for cell in self.missing() if finished(self.results / cell.path)]
        for path in new:
            keep_cell(self.results / path, self.kept / "cells" / path)
        return len(new)

    def collect_shifts(self) -> None:
        """Keep the tables under shifts that are finished."""
        for cell in self.missing_shifts():
            table = self.results / cell.path / SHIFTED
            if table.is_file():
                shutil.copyfile(table, self.kept / "cells" / cell.path / SHIFTED)

    def keep_plan_and_floors(self) -> None:
        """Keep the run's plan, without its config (it holds paths of the machine), and the floors and ceilings."""
        plan = json.loads((self.results / "plan.json").read_text(encoding="utf-8"))
        del plan["config"]
        (self.kept / "plan.json").write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(self.results / "floors.csv", self.kept / "floors.csv")

    def make(self, targets: Sequence[Path], cores: int) -> None:
        """Have Snakemake make these files below `results`; ends where it fails."""
        files = [path.relative_to(ROOT).as_posix() for path in targets]
        command = [sys.executable, "-m", "snakemake", *files, "--cores", str(cores), "--configfile", str(self.config)]
        done = subprocess.run([*command, "--quiet", "rules"], cwd=ROOT, check=False)
        if done.returncode:
            sys.exit(done.returncode)


EVIDENCE = ROOT / "docs" / "evidence"
RUNS = (
    Run("evidence", EVIDENCE),
    Run("readers", EVIDENCE / "readers", table="data/tcia-deepmind/cases.tsv"),
    Run("ladder", EVIDENCE / "ladder"),
)


def finished(folder: Path) -> bool:
    return all((folder / name).is_file() for name in KEPT)


def keep_cell(source: Path, target: Path) -> None:
    """Copy a finished cell, its record without what tells of the machine."""
    target.mkdir(parents=True, exist_ok=True)
    record = json.loads((source / "run.json").read_text(encoding="utf-8"))
    for name in ("host", "inputs"):
        record.pop(name, None)
    (target / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name in ("history.csv", "scores.csv"):
        shutil.copyfile(source / name, target / name)


def asked(cells: Sequence[matrix.Cell], words: Sequence[str]) -> list[matrix.Cell]:
    """Cells with all `words` in their path."""
    return [cell for cell in cells if all(word in f"/{cell.path}/" for word in words)]


def main() -> None:
    """Train, score and keep batch by batch; then what needs no training."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--only", nargs="*", default=[], help="words in a cell's path, as /paper/ or /n4/")
    given = options.parse_args()
    for run in RUNS:
        missing, unshifted = asked(run.missing(), given.only), asked(run.missing_shifts(), given.only)
        print(f"{run.name}: {len(missing)} cells are missing, {len(unshifted)} are not shifted yet", flush=True)
        if missing and run.table:
            subprocess.run(["make", run.table], cwd=ROOT, check=True)
        batches = itertools.groupby(missing, key=lambda cell: (cell.arm, cell.variant, cell.replicate))
        for batch, cells in batches:
            run.make([run.results / cell.path / "scores.csv" for cell in cells], given.cores)
            print(f"{' '.join(map(str, batch))}: {run.collect()} cells kept", flush=True)
        if unshifted:
            run.make([run.results / cell.path / SHIFTED for cell in unshifted], given.cores)
            run.collect_shifts()
        if missing or unshifted:
            run.make([run.results / "plan.json", run.results / "floors.csv"], given.cores)
            run.keep_plan_and_floors()


if __name__ == "__main__":
    main()
