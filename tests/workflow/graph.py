"""The planned jobs of a run as a graph of files, read from a dry run, and what a file follows from."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

GATE = "check.tsv"
"""Every case is checked before any work, labels too; a stage waits for this file and does not read it."""


@dataclass(frozen=True)
class Job:
    """One planned job with its declared files; `command` is the shell command."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    command: str

    @property
    def settings(self) -> dict[str, Any]:
        """What the job is told by `--settings`."""
        words = shlex.split(self.command)
        return json.loads(words[words.index("--settings") + 1])

    @property
    def cell(self) -> tuple[str, ...]:
        """Arm, variant, scenario, n, replicate of a training, prediction or score."""
        return tuple(self.outputs[0].split("/")[2:7])


class Graph:
    """Planned jobs by rule, and by the file that they make."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.jobs = list(jobs)

    @classmethod
    def of(cls, dry_run: str) -> Graph:
        """Read the output of `snakemake --dry-run --printshellcmds`."""
        blocks = re.split(r"^(?:local)?rule (\w+):$", dry_run, flags=re.MULTILINE)[1:]
        return cls(_job(rule, text) for rule, text in zip(blocks[::2], blocks[1::2], strict=True))

    def of_rule(self, pattern: str) -> list[Job]:
        return [job for job in self.jobs if re.fullmatch(pattern, job.rule)]

    @cached_property
    def maker(self) -> dict[str, Job]:
        return {file: job for job in self.jobs for file in job.outputs}

    def sources(self, files: Iterable[str]) -> set[str]:
        """`files` and everything that they follow from, but for what lies behind the check of all cases."""
        found: set[str] = set()
        waiting = list(files)
        while waiting:
            file = waiting.pop()
            if file in found or file.endswith(f"/{GATE}"):
                continue
            found.add(file)
            waiting += self.maker[file].inputs if file in self.maker else ()
        return found

    def labelled(self, files: Iterable[str]) -> set[str]:
        """Cases whose labels `files` follow from."""
        return {path.split("/")[-2] for path in self.sources(files) if path.endswith("/label.nii.gz")}


def _job(rule: str, text: str) -> Job:
    def line(name: str) -> str:
        found = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
        return found[1] if found else ""

    files = (tuple(filter(None, line(f"    {kind}").split(", "))) for kind in ("input", "output"))
    return Job(rule, *files, command=line("Shell command"))
