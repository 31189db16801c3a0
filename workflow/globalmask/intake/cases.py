"""The case table: which scans there are, and everything that is wrong with the list of them.

A table is text with tabs (columns `case`, `ct`, `label`, optionally `mask`, `role`, `group`, `label2`),
one row a patient, file names as the user has them (DESIGN.md section 4, USER_WISHES.md A). Imported
when the Snakefile is parsed: standard library only.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from globalmask.errors import UserError, raise_all
from globalmask.intake.table import nearest, read_table

COLUMNS = ("case", "ct", "label", "mask", "role", "group", "label2")
NEEDED = ("case", "ct", "label")
FILES = ("ct", "label", "mask", "label2")
ROLES = ("train", "validation", "test")
CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
EXAMPLE = (
    ("case", "ct", "label"),
    ("anna_01", "scans/first patient.nii.gz", "contours/first patient.nii.gz"),
    ("anna_02", "scans/second_dicom_folder", "contours/second.nrrd"),
)


@dataclass(frozen=True)
class CaseRow:
    """One row of a case table; paths are absolute, and None is a field left empty."""

    case: str
    ct: str | None
    label: str
    mask: str | None = None
    role: str | None = None
    group: str | None = None
    label2: str | None = None
    """A second reader's label on the same grid: for the readers' agreement only, never for training."""


@dataclass(frozen=True)
class WantedTable:
    """A case table that an arm of the config asks for; `values` maps structure to label value."""

    arm: str
    table: Path
    data_dir: Path | None
    values: Mapping[str, int]


def read_cases(table: str | Path, *, data_dir: Path | None, required: Sequence[str] = ("label",)) -> list[CaseRow]:
    """Read a case table; rows come in the order of the file.

    Relative paths start at `data_dir`, or at the table's own folder when that is None. Columns in
    `required` must be filled in every row (`ct` may otherwise be empty). Raises one UserError that
    tells every fault of the table, missing files included; images are not opened.
    """
    table = Path(table)
    root = (data_dir or table.parent).absolute()
    lines = read_table(table, known=COLUMNS, needed=NEEDED + tuple(required))
    faults: list[UserError] = []
    rows: list[tuple[str, CaseRow]] = []
    for where, fields in lines:
        faults += _field_faults(fields, where, required)
        paths = {name: _absolute(fields[name], root) for name in FILES}
        rows.append((where, _row(fields, paths)))
    if not rows:
        faults.append(UserError("The case table has no case.", file=table, todo="Write one line for each patient."))
    faults += _repeated_ids(rows) + _repeated_files(rows) + _missing_files(rows, root)
    faults += [fault for _, row in rows for fault in _bracket_faults(row)]
    raise_all(faults)
    return [row for _, row in rows]


def missing_data_block(wanted: Sequence[WantedTable]) -> UserError:
    """The one block for case tables that are not there: what is looked for, and how it looks."""
    lines = ["The data is not there yet: no case table was found."]
    for want in wanted:
        data_dir = (want.data_dir or want.table.parent).absolute()
        values = ", ".join(f"{name} = {value}" for name, value in want.values.items())
        lines += [
            f"  arm {want.arm}",
            f"    case table looked for:  {want.table.absolute()}",
            f"    paths in it start at:   {data_dir}" + ("" if data_dir.is_dir() else "  (no such folder)"),
            f"    values in a label file: {values}",
        ]
    widths = [max(len(row[i]) for row in EXAMPLE) for i in range(len(EXAMPLE[0]))]
    lines += ["  A case table is a text file with tabs, one line a patient, any file names:"]
    for row in EXAMPLE:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("    " + "  ".join(cells).rstrip())
    lines += [
        "  NIfTI, NRRD, MHA or a folder of one DICOM series; the label on the grid of its CT.",
        "  Optional: mask (a file), role (train, validation, test), group (scans of one patient),",
        "  label2 (a second reader's label).",
        "  More examples: workflow/config/cases/. To see it on synthetic scans, without data:",
        "    make demo",
    ]
    return UserError("\n".join(lines))


def bad_id(case: str) -> bool:
    """True when `case` cannot be used as a case id: it becomes part of file names."""
    return CASE_ID.fullmatch(case) is None or ".." in case


def _field_faults(fields: Mapping[str, str], where: str, required: Sequence[str]) -> list[UserError]:
    case = fields["case"]
    faults = []
    if bad_id(case):
        faults.append(
            UserError(
                "The case id cannot be used.",
                file=where,
                found=_shown(case),
                expected="1 to 64 letters, digits, '.', '_', '-'; a letter or digit first; no '..'",
                todo="Give the case a plain id; the files may keep their names.",
            )
        )
    faults += [
        UserError(
            f"The field '{name}' is empty.",
            case=_shown(case),
            file=where,
            expected="a file or folder",
            todo="Name it, or put a '#' before the line.",
        )
        for name in dict.fromkeys(required)
        if not fields[name]
    ]
    if fields["role"] not in ("", *ROLES):
        near = difflib.get_close_matches(fields["role"].lower(), ROLES, n=1, cutoff=0.3)
        faults.append(
            UserError(
                "Unknown role.",
                case=_shown(case),
                file=where,
                found=_shown(fields["role"]),
                expected=", ".join(ROLES) + ", or empty",
                todo=f"Did you mean '{near[0]}'?" if near else None,
            )
        )
    faults += [
        UserError(f"The field '{name}' holds a control character.", file=where, found=_shown(fields[name]))
        for name in COLUMNS[1:]
        if any(not character.isprintable() for character in fields[name])
    ]
    return faults


def _shown(text: str) -> str:
    """`text` so that it stays on one line of a message."""
    short = text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
    return short if short.isprintable() and not bad_id(text) else repr(short)


def _absolute(field: str, root: Path) -> str | None:
    if not field or not field.isprintable():
        return None
    return os.path.normpath(root / os.path.expanduser(field))


def _row(fields: Mapping[str, str], paths: Mapping[str, str | None]) -> CaseRow:
    return CaseRow(
        case=fields["case"],
        ct=paths["ct"],
        label=paths["label"] or "",
        mask=paths["mask"],
        role=fields["role"] or None,
        group=fields["group"] or None,
        label2=paths["label2"],
    )


def _repeated_ids(rows: Iterable[tuple[str, CaseRow]]) -> list[UserError]:
    first: dict[str, tuple[str, str]] = {}
    faults = []
    for where, row in rows:
        # File names on macOS and Windows disks do not tell Case_1 from case_1.
        key = row.case.lower()
        if key in first:
            other, other_where = first[key]
            what = "A case id is there twice." if other == row.case else "Two case ids differ only in case."
            faults.append(
                UserError(
                    what,
                    case=_shown(row.case),
                    file=where,
                    found=f"{_shown(other)} at {other_where}",
                    todo="Give every case an id of its own.",
                )
            )
        else:
            first[key] = (row.case, where)
    return faults


def _repeated_files(rows: Iterable[tuple[str, CaseRow]]) -> list[UserError]:
    """Faults for a file that serves twice: two cases, or CT and label of one case.

    A second reader's file may also hold the mask: nothing learns from that reader's labels.
    """
    first: dict[str, tuple[str, str]] = {}
    faults = []
    for where, row in rows:
        for name in FILES:
            path = getattr(row, name)
            if not path:
                continue
            key = os.path.realpath(path)
            if key not in first:
                first[key] = (row.case, name)
                continue
            case, other = first[key]
            if case == row.case and {name, other} == {"mask", "label2"}:
                continue
            faults.append(
                UserError(
                    f"The same file is used twice: as {other} of {_shown(case)} and as {name} of {_shown(row.case)}.",
                    case=_shown(row.case),
                    file=path,
                    found=where,
                    todo="Correct the path, or remove the copy: a case in two roles would leak.",
                )
            )
    return faults


def refuse_brackets(path: str, **about: Any) -> None:
    """Raise UserError for a path in which Snakemake would see a wildcard `{name}` or a pathvar `<name>`."""
    if set(path) & set("<>{}"):
        raise UserError(
            "A path holds one of < > { }, which Snakemake takes for names of its own.",
            file=path,
            todo="Rename the file or folder, or name a link to it.",
            **about,
        )


def _bracket_faults(row: CaseRow) -> Iterator[UserError]:
    for path in filter(None, (getattr(row, name) for name in FILES)):
        try:
            refuse_brackets(path, case=_shown(row.case))
        except UserError as fault:
            yield fault


def _missing_files(rows: Sequence[tuple[str, CaseRow]], root: Path) -> list[UserError]:
    wanted = [(row.case, name, Path(path)) for _, row in rows for name in FILES if (path := getattr(row, name))]
    missing = [(case, name, path) for case, name, path in wanted if not os.path.exists(path)]
    if len(missing) == len(wanted) > 3:
        case, _, path = missing[0]
        return [
            UserError(
                f"None of the {len(missing)} files of the case table exists.",
                case=_shown(case),
                file=path,
                found=nearest(path),
                expected=f"files below {root}",
                todo="Set data_dir to the folder that the paths in the table start from.",
            )
        ]
    return [
        UserError(
            f"A {name.upper() if name == 'ct' else name} file does not exist.",
            case=_shown(case),
            file=path,
            found=nearest(path),
            todo="Correct the path in the case table, or put the file there.",
        )
        for case, name, path in missing
    ]
