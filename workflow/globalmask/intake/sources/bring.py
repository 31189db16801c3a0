"""What every import does alike: find the cases, make each, tell all faults, and leave TO whole or absent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from globalmask.errors import UserError, in_case, raise_all
from globalmask.intake.cases import COLUMNS, NEEDED, read_cases
from globalmask.intake.sources.catalogue import Source
from globalmask.provenance import atomic_folder, write_text

Progress = Callable[[Sequence["Case"]], Iterable["Case"]]


@dataclass(frozen=True)
class Options:
    """What the command line adds; a source refuses what means nothing to it."""

    structures: Path | None = None
    allow_missing: bool = False
    ct: str | None = None
    label: str | None = None
    mask: str | None = None
    label2: str | None = None


@dataclass(frozen=True)
class Case:
    """One case that was found. `make(folder)` writes what has to be written into a folder of the case's own.

    It returns the fields of the case table: paths of files, wherever they lie, and words (`role`, `group`).
    It raises UserError for a fault and LeftOut for a case that the data set does not offer to us.
    """

    case: str
    make: Callable[[Path], Mapping[str, Path | str]]


@dataclass
class Found:
    """The cases of a data set, the structures of their labels, and sentences for the user."""

    cases: list[Case]
    structures: Mapping[str, int]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Imported:
    """A finished import."""

    table: Path
    cases: int
    structures: Mapping[str, int]
    notes: Sequence[str]


class LeftOut(Exception):
    """A case that is none for us, and why; the import goes on."""


def bring(source: Source, start: Path, to: Path, options: Options, *, progress: Progress = iter) -> Imported:
    """Import `start` (a folder or an archive) into the new folder `to`; `to/cases.tsv` is the case table.

    Files that need no change stay where they are, and the table points to them. Raises one UserError that
    tells the faults of all cases; then there is no `to`.
    """
    _refuse(source, start, to, options)
    with whole_folder(to) as partial:
        found = source.module.find(_unpacked(start, partial), options)
        if not found.cases:
            raise UserError(
                "No case of this data was found.", file=start, expected=source.title, todo=f"Get the data: {source.get}"
            )
        rows = _make(found, partial, progress)
        _write_table(rows, partial, source)
        return Imported(to / "cases.tsv", len(rows), found.structures, found.notes)


def left_out_note(reasons: Mapping[str, str]) -> list[str]:
    """One sentence for each reason why cases were left out."""
    cases: dict[str, list[str]] = {}
    for case, reason in reasons.items():
        cases.setdefault(reason, []).append(case)
    return [
        f"Left out, {reason}: {len(names)} ({', '.join(names[:8])}{', …' if len(names) > 8 else ''})."
        for reason, names in cases.items()
    ]


@contextmanager
def whole_folder(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its name on success and vanishes otherwise; UserError for what the disk says."""
    try:
        with atomic_folder(to) as partial:
            yield partial
    except OSError as error:
        raise UserError("A file could not be read or written.", file=error.filename or to, found=error) from error


def _refuse(source: Source, start: Path, to: Path, options: Options) -> None:
    given = [name for name, value in vars(options).items() if value]
    faults = [
        UserError(f"Source '{source.name}' has no option --{name.replace('_', '-')}.")
        for name in given
        if name not in source.options
    ]
    if not start.exists():
        faults.append(UserError("The data is not there.", file=start, todo=source.get))
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        faults.append(
            UserError(
                "The folder to import into exists already.",
                file=to,
                todo="Name a new folder, or remove this one first: an import overwrites nothing.",
            )
        )
    raise_all(faults)


def _unpacked(start: Path, partial: Path) -> Path:
    """The folder of the data; an archive is unpacked to stay, under a name that no case can have."""
    if start.is_dir():
        return start
    from globalmask.intake.archive import extract

    extract(start, partial / "_source")
    return partial / "_source"


def _make(found: Found, partial: Path, progress: Progress) -> dict[str, Mapping[str, Path | str]]:
    rows: dict[str, Mapping[str, Path | str]] = {}
    faults: list[UserError] = []
    left_out: dict[str, str] = {}
    for case in progress(found.cases):
        try:
            rows[case.case] = case.make(partial / case.case)
        except LeftOut as reason:
            left_out[case.case] = str(reason)
        except UserError as fault:
            faults += in_case(fault, case.case)
    raise_all(faults)
    found.notes += left_out_note(left_out)
    if not rows:
        raise UserError("Every case was left out.", found="\n".join(found.notes))
    return rows


def _write_table(rows: Mapping[str, Mapping[str, Path | str]], partial: Path, source: Source) -> None:
    """Write the case table, with paths from its own folder, and read it as the workflow will."""
    used = [name for name in COLUMNS if name in NEEDED or any(fields.get(name) for fields in rows.values())]
    lines = [f"# {source.title}", f"# Licence: {source.licence}. Cite: {source.citation}.", "\t".join(used)]
    for case, fields in rows.items():
        texts = {name: _relative(value, partial) for name, value in fields.items()}
        lines.append("\t".join(case if name == "case" else texts.get(name, "") for name in used))
    write_text(partial / "cases.tsv", "\n".join(lines) + "\n")
    read_cases(partial / "cases.tsv", data_dir=None)


def _relative(value: Path | str, partial: Path) -> str:
    """A path from the table's folder; `partial` and `to` stand in one folder, so it holds for both."""
    return os.path.relpath(value, partial) if isinstance(value, Path) else value
