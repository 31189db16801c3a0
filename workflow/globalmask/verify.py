"""Do the files of a run still match what made them? Compares them with the records that every job left.

A record (`provenance.keep_record`) lists what a job read and wrote, each with its SHA-256. Of a file that was made
twice the later record counts.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from globalmask.errors import UserError
from globalmask.provenance import RECORDS, places_of, sha256

TEMPORARY = ("features.npz",)
"""Made for the figures and removed afterwards, by Snakemake: nobody misses them."""


@dataclass
class Mismatch:
    """A file that is not what it was: what became of it, and what was made from it as it was."""

    file: str
    what: str
    made: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.made:
            return f"{self.file} {self.what}"
        more = f" and {len(self.made) - 3} more" if len(self.made) > 3 else ""
        return f"{self.file} {self.what}; made from it as it was: {', '.join(self.made[:3])}{more}"


def verify(run_dir: str | Path) -> tuple[int, list[Mismatch]]:
    """How many files were looked at, and those that no longer match; paths below `run_dir`, others as given.

    Of every result that stands: is it as its maker wrote it, and is everything that its maker read still so?
    Raises UserError where no job left a record.
    """
    folder = Path(run_dir)
    now = functools.cache(functools.partial(_digest, folder))
    standing = {file: record for file, record in records(folder).items() if now(file)}
    found: dict[str, Mismatch] = {}
    for file, record in standing.items():
        if now(file) != record["outputs"][file]:
            found[file] = Mismatch(file, f"is not as {record['command']} wrote it")
    users: dict[str, set[str]] = defaultdict(set)
    for made, record in standing.items():
        for file, read in record["inputs"].items():
            if now(file) != read and (now(file) or not file.endswith(TEMPORARY)):
                users[file].add(made)
    for file, made_from in users.items():
        became = "is another one now" if now(file) else "is gone"
        found.setdefault(file, Mismatch(file, became)).made = sorted(made_from)
    looked_at = set(standing) | {file for record in standing.values() for file in record["inputs"]}
    return len(looked_at), [found[file] for file in sorted(found)]


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The record of the job that made each file of the run, by the file's path below `folder`."""
    paths = sorted((folder / RECORDS).rglob("*.json"))
    if not paths:
        raise UserError(
            "No job of this run left a record of what it read and wrote.",
            file=folder / RECORDS,
            expected="a folder of results, as results/demo, made by this version",
            todo="name the folder of a run; or run the workflow again",
        )
    found = [_read(path) for path in paths]
    for record in found:
        record["inputs"] = {_place(folder, name): digest for name, digest in record["inputs"].items()}
    found.sort(key=lambda record: record["made"])
    return {file: record for record in found for file in record["outputs"]}


def record_of(file: str | Path) -> dict[str, Any]:
    """The record of the job that made `file`. Raises UserError where there is none."""
    full = Path(file).resolve()
    for folder in full.parents:
        if (folder / RECORDS).is_dir():
            record = records(folder).get(full.relative_to(folder).as_posix())
            if record is not None:
                return record
    raise UserError("No job left a record of this file.", file=file, todo="name a file below results/NAME")


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"command", "made", "inputs", "outputs"} <= set(record):
            raise ValueError("entries are missing")
    except (ValueError, TypeError) as error:
        raise UserError(
            "This record is damaged.", file=path, found=error, todo="delete it and what it stands for, and run again"
        ) from None
    return record


def _place(folder: Path, name: str) -> str:
    """The path of a file outside the run's folder, where this machine still knows it; any other name as it is."""
    known = places_of(folder) / name
    return known.read_text(encoding="utf-8") if known.is_file() else name


def _digest(folder: Path, file: str) -> str | None:
    path = folder / file
    if not path.exists():
        path = Path(file)
    return sha256(path) if path.exists() else None
