"""A checkout of its own, for tests that run the workflow or edit its code."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

STAGES = (
    *("check", "splits", "prepared", "masks", "models", "predictions"),
    *("scores", "statistics", "claims", "tables", "figures", "report"),
)
TARGETS = ("all", "total", *STAGES)


class Checkout:
    """A copy of what Snakemake needs, in which results may be made and code may be edited."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(repository / name, folder / name)
        for name in ("workflow", "profiles", "envs"):
            shutil.copytree(repository / name, folder / name, ignore=ignore)

    def copy(self, folder: Path) -> Checkout:
        """The same with its results, in `folder`."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        other = Checkout.__new__(Checkout)
        other.folder = folder
        return other

    def snakemake(self, *arguments: str, check: bool = True, cores: int = 2) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the checkout; its output is on `stdout`."""
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments],
            cwd=self.folder,
            env=os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert not check or done.returncode == 0, done.stdout[-4000:]
        return done

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run plans: rule and how often; target rules are left out."""
        output = self.snakemake("--dry-run", *arguments, "--quiet", "rules").stdout
        jobs = {rule: int(count) for rule, count in re.findall(r"^([a-z]\w*) +(\d+)$", output, re.MULTILINE)}
        return {rule: count for rule, count in jobs.items() if rule not in TARGETS}


def bare(path: Path) -> object:
    """Content of a file without clocks."""
    if path.name == "history.csv":
        with open(path, encoding="utf-8", newline="") as file:
            return [[row[name] for name in row if "seconds" not in name] for row in csv.DictReader(file)]
    if path.name == "run.json":
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: value for name, value in record.items() if "hours" not in name}
    return path.read_bytes()
