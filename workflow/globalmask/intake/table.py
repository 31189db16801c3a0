"""Text tables with tabs, read so that every fault of the text is told with its line.

Imported when the Snakefile is parsed: standard library only.
"""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from globalmask.errors import UserError, raise_all


def read_table(table: Path, *, known: Sequence[str], needed: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Rows of a tab-separated table as (`file, line n`, fields); absent and empty fields are "".

    Lines that start with `#` and empty lines are skipped; a byte-order mark and CRLF are accepted.
    Raises UserError for an unreadable table, unknown, repeated or missing columns and surplus
    fields.
    """
    lines = ["" if line.lstrip().startswith("#") else line for line in _text(table).splitlines(True)]
    reader = csv.reader(lines, delimiter="\t")
    header: list[str] | None = None
    found: list[tuple[str, dict[str, str]]] = []
    faults: list[UserError] = []
    try:
        for fields in reader:
            cells = [field.strip(" ") for field in fields]
            if not any(cells):
                continue
            where = f"{table}, line {reader.line_num}"
            if header is None:
                header = "\t".join(cells).rstrip("\t").lower().split("\t")
                raise_all(_header_faults(header, where, known, needed))
                continue
            if any(cells[len(header) :]):
                faults.append(_surplus(where, cells, header))
            row = dict.fromkeys(known, "") | dict(zip(header, cells, strict=False))
            found.append((where, row))
    except csv.Error as error:
        raise UserError("The table cannot be read.", file=table, found=error) from error
    if header is None:
        raise UserError("The table is empty.", file=table, expected=_columns_text(known, needed))
    raise_all(faults)
    return found


def nearest(path: Path, *, most: int = 3) -> str:
    """What lies nearest to a missing path: like names in its folder, or the folder that exists."""
    folder = path.parent
    if not os.path.isdir(folder):
        while not os.path.isdir(folder):
            folder = folder.parent
        return f"the folder {path.parent} does not exist; {folder} does"
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f"the folder {folder} cannot be read ({error.strerror})"
    like = difflib.get_close_matches(path.name, names, n=most, cutoff=0.5)
    if like:
        return f"nearest names in {folder}: " + ", ".join(like)
    if not names:
        return f"the folder {folder} is empty"
    more = "" if len(names) <= most else f" and {len(names) - most} more"
    return f"no such name in {folder}; it has " + ", ".join(names[:most]) + more


def _text(table: Path) -> str:
    try:
        raw = table.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            "The table does not exist.",
            file=table,
            found=nearest(table.absolute()),
            todo="Correct its path in the config, or put it there.",
        ) from error
    except OSError as error:
        raise UserError("The table cannot be read.", file=table, found=error.strerror) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            "The table is not UTF-8 text.",
            file=table,
            found=f"byte {error.object[error.start]:#04x} at position {error.start}",
            expected="plain text with tabs, encoded in UTF-8",
            todo="Save it again as 'text, tab delimited, UTF-8' (not as a spreadsheet or UTF-16).",
        ) from error
    if "\0" in text:
        raise UserError("The table is not text.", file=table, found="zero bytes", expected="UTF-8 text")
    return text


def _columns_text(known: Sequence[str], needed: Sequence[str]) -> str:
    optional = [name for name in known if name not in needed]
    must = ", ".join(name for name in known if name in needed)
    return f"columns {must}" + (f"; optional {', '.join(optional)}" if optional else "")


def _header_faults(header: Sequence[str], where: str, known: Sequence[str], needed: Sequence[str]) -> list[UserError]:
    expected = _columns_text(known, needed)
    if len(header) == 1 and any(mark in header[0] for mark in ",;"):
        return [
            UserError(
                "The table is not separated by tabs.",
                file=where,
                found=repr(header[0]),
                expected=expected,
                todo="Save it with tabs between the columns.",
            )
        ]
    faults = []
    for name in dict.fromkeys(header):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            todo = f"Did you mean '{near[0]}'?" if near else "Remove the column."
            faults.append(UserError("Unknown column.", file=where, found=repr(name), expected=expected, todo=todo))
        elif header.count(name) > 1:
            faults.append(UserError("A column is there twice.", file=where, found=repr(name)))
    faults += [
        UserError(
            "A column is missing.",
            file=where,
            found=", ".join(header),
            expected=f"a column '{name}'",
        )
        for name in dict.fromkeys(needed)
        if name not in header
    ]
    return faults


def _surplus(where: str, cells: Sequence[str], header: Sequence[str]) -> UserError:
    return UserError(
        "A line has more fields than the header.",
        file=where,
        found=f"{len(cells)} fields",
        expected=f"{len(header)}: {', '.join(header)}",
        todo="Remove surplus tabs; put a path with a tab in it elsewhere.",
    )
