"""The one error that a user sees: what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence


class UserError(Exception):
    """A fault in the user's data, config or machine, told in one block without a traceback.

    `what` is one plain sentence; every other field is optional and printed on a line of its own.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        case: str | None = None,
        file: object | None = None,
        found: object | None = None,
        expected: object | None = None,
        todo: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.parts: list[UserError] = [self]
        self.fields = {
            "case": case,
            "file": file,
            "found": found,
            "expected": expected,
            "what to do": todo,
        }

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {name}: {value}" for name, value in self.fields.items() if value is not None]
        return "\n".join(lines)


EXTRAS = {
    "workflow": ("jinja2", "meshmetrics", "pandas", "snakemake", "statsmodels", "vtkmodules"),
    "dicom": ("pydicom",),
}
"""What is imported of the libraries that a plain installation may leave out (extras of pyproject.toml)."""


def missing_library(error: ModuleNotFoundError) -> UserError:
    """The block for a library that an extra of the package brings; `error` itself where it is none of these."""
    module = (error.name or "").split(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return UserError(
                f"This command needs the library '{module}', which is not installed.",
                todo=f'pip install "globalmask[{extra}]", or `make` in a clone, which installs everything.',
            )
    raise error


class Interrupted(UserError):
    """The process was asked to end, and did so in good order; the exit code tells the signal, as a shell does."""

    def __init__(self, what: str, *, signal: int, file: object | None = None, todo: str | None = None) -> None:
        super().__init__(what, file=file, todo=todo)
        self.exit_code = 128 + signal


_AGAIN = "then give the same command again: it goes on where it stopped"
_REFUSALS = {
    errno.ENOSPC: ("The disk is full.", f"make room, {_AGAIN}"),
    errno.EDQUOT: ("The disk quota is used up.", f"make room or ask for more, {_AGAIN}"),
    errno.EFBIG: ("The file would be larger than this shell or file system allows.", f"raise `ulimit -f`, {_AGAIN}"),
    errno.EROFS: ("The folder can only be read.", f"make it writable, or work in another folder, {_AGAIN}"),
    errno.EACCES: ("The access is denied.", f"correct the permissions, {_AGAIN}"),
    errno.EPERM: ("The access is denied.", f"correct the permissions, {_AGAIN}"),
    errno.ENOENT: ("A file or folder is gone.", f"bring it back, {_AGAIN}"),
}


def refused_by_the_system(error: OSError) -> UserError:
    """What the operating system refused, as a block: disk full, read-only folder, size limit, vanished file …"""
    number = error.errno or 0
    what, todo = _REFUSALS.get(number, ("The operating system refused to read or write.", f"mend it, {_AGAIN}"))
    found = os.strerror(number) if number else str(error)
    return UserError(what, file=error.filename, found=found, todo=todo)


def in_case(error: UserError, case: str, file: object | None = None) -> list[UserError]:
    """The single faults of `error`, each with the case, and with the file, where it names none."""
    for part in error.parts:
        part.fields["case"] = part.fields["case"] or case
        part.fields["file"] = part.fields["file"] or file
    return error.parts


def raise_all(errors: Sequence[UserError]) -> None:
    """Raise one UserError that tells every fault of `errors`, in `parts` again; do nothing when there is none."""
    parts = [part for error in errors for part in error.parts]
    if not parts:
        return
    if len(parts) == 1:
        raise parts[0]
    blocks = "\n".join(f"{number}. {error}" for number, error in enumerate(parts, 1))
    told = UserError(f"{len(parts)} faults were found.\n{blocks}")
    told.parts = parts
    raise told
