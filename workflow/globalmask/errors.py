"""The one error that a user sees: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """A fault in the user's data, config or machine, told in one block without a traceback.

    `what` is one plain sentence; every other field is optional and printed on a line of its own.
    """

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
