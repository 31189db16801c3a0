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


def raise_all(errors: Sequence[UserError]) -> None:
    """Raise one UserError that tells every fault of `errors`; do nothing when there is none."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    blocks = "\n".join(f"{number}. {error}" for number, error in enumerate(errors, 1))
    raise UserError(f"{len(errors)} faults were found.\n{blocks}")
