"""CTs and labels of the user's own, paired by patterns in which `{case}` stands for the case."""

from __future__ import annotations

import re
from pathlib import Path

from globalmask.errors import UserError, raise_all
from globalmask.intake.cases import CASE_ID, bad_id
from globalmask.intake.sources.bring import Case, Found, Options

FIELDS = ("ct", "label", "mask", "label2")


def find(folder: Path, options: Options) -> Found:
    """Each case that any pattern finds; every pattern must find every case.

    A `ct` may be a folder with one DICOM series. Raises UserError for a pattern without `{case}` and for the
    files that are missing.
    """
    patterns = {name: pattern for name in FIELDS if (pattern := getattr(options, name))}
    raise_all(list(_pattern_faults(patterns)))
    files = {name: _found(folder, pattern) for name, pattern in patterns.items()}
    cases = sorted({case for found in files.values() for case in found})
    raise_all(
        [
            UserError(
                f"A case has no {name}.",
                case=case,
                expected=str(folder / patterns[name].replace("{case}", case)),
                todo="Add the file, or take the case's others away.",
            )
            for case in cases
            for name, found in files.items()
            if case not in found
        ]
    )
    return Found([_case(case, {name: found[case] for name, found in files.items()}) for case in cases], {})


def _pattern_faults(patterns: dict[str, str]) -> list[UserError]:
    faults = [
        UserError(f"Source 'folder' needs --{name}.", todo=f"For example --{name} '{name}s/{{case}}.nii.gz'.")
        for name in ("label",)
        if name not in patterns
    ]
    faults += [
        UserError(
            "A pattern does not fit.",
            found=f"--{name} {pattern!r}",
            expected="a path below FROM with '{case}' in it once",
        )
        for name, pattern in patterns.items()
        if pattern.count("{case}") != 1 or Path(pattern).is_absolute() or ".." in Path(pattern).parts
    ]
    return faults


def _found(folder: Path, pattern: str) -> dict[str, Path]:
    """Case and path of what fits `pattern`, a path below `folder`; `*` may stand for other parts of a name."""
    before, after = (re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("{case}"))
    whole = re.compile(f"{before}({CASE_ID.pattern}){after}")
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(re.sub(r"\*+", "*", pattern.replace("{case}", "*")))):
        hit = whole.fullmatch(path.relative_to(folder).as_posix())
        if hit and not bad_id(hit[1]):
            if hit[1] in found:
                raise UserError("Two files fit one case.", case=hit[1], found=f"{found[hit[1]]} and {path}")
            found[hit[1]] = path
    return found


def _case(case: str, files: dict[str, Path]) -> Case:
    return Case(case, lambda folder: files)
