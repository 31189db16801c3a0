"""A checkout of its own for tests that edit code, and one finished run of the tiny config in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TINY = "workflow/config/tiny.yaml"
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

    def snakemake(self, *arguments: str, check: bool = True, cores: int = 2) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the checkout; its output is on `stdout`."""
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments],
            cwd=self.folder,
            env=os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout[-4000:]
        return done

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run plans: rule and how often; target rules are left out."""
        output = self.snakemake("--dry-run", *arguments, "--quiet", "rules").stdout
        jobs = {rule: int(count) for rule, count in re.findall(r"^([a-z]\w*) +(\d+)$", output, re.MULTILINE)}
        return {rule: count for rule, count in jobs.items() if rule not in TARGETS}


@pytest.fixture(scope="session")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh checkout without results, in a folder with a space in its name."""
    return Checkout(repository, tmp_path_factory.mktemp("fresh checkout"))


@pytest.fixture(scope="session")
def tiny_run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the tiny config has run to its end."""
    finished = Checkout(repository, tmp_path_factory.mktemp("tiny run"))
    finished.snakemake("--configfile", TINY)
    return finished
