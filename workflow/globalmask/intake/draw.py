"""Drawing without a generator: cases that move together, stated roles, and shuffles by sorted
hashes.

A sorted hash needs no numpy when the Snakefile is parsed, and a new case does not reshuffle the
others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from globalmask.errors import UserError, raise_all
from globalmask.intake.cases import CaseRow

Unit = tuple[str, ...]


def stated_by_case(cases: Iterable[CaseRow | str], name: str) -> dict[str, str]:
    """The filled fields `name` of the rows by case."""
    rows = [case for case in cases if isinstance(case, CaseRow)]
    return {row.case: value for row in rows if (value := getattr(row, name))}


def shuffled(items: Iterable[Any], *words: object) -> list[Any]:
    """`items` in an order that depends on `words` and on each item alone."""

    def key(item: Any) -> bytes:
        return hashlib.sha256("\x1f".join(map(str, (*words, item))).encode()).digest()

    return sorted(items, key=key)


def units_of(names: Sequence[str], groups: Mapping[str, str]) -> list[Unit]:
    """Cases that move together: one unit a group, one a single case."""
    members: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names):
        key = ("group", groups[name]) if name in groups else ("case", name)
        members.setdefault(key, []).append(name)
    return [tuple(unit) for unit in members.values()]


def fixed_roles(
    units: Sequence[Unit], roles: Mapping[str, str], template_case: str | None, folds: int, arm: str
) -> dict[Unit, str]:
    """Roles that are not drawn, by unit."""
    fixed: dict[Unit, str] = {}
    faults = []
    for unit in units:
        stated = {roles[case] for case in unit if case in roles}
        if template_case in unit:
            stated.add("train")
        if len(stated) > 1:
            faults.append(torn_unit(unit, stated, template_case))
        elif stated:
            fixed[unit] = stated.pop()
    if template_case is not None and not any(template_case in unit for unit in units):
        faults.append(UserError(f"The template of arm '{arm}' is no case of its table.", found=template_case))
    if folds > 1 and "test" in fixed.values():
        faults.append(
            UserError(
                f"Arm '{arm}' rotates its test cases, but the case table says which cases test.",
                found=f"folds: {folds} and role 'test'",
                todo="Write folds: 1, or empty the column 'role' of the case table.",
            )
        )
    raise_all(faults)
    return fixed


def torn_unit(unit: Unit, stated: set[str], template_case: str | None) -> UserError:
    if template_case in unit and len(unit) == 1:
        return UserError(
            "The template case always trains, but the case table gives it another role.",
            case=template_case,
            found=(stated - {"train"}).pop(),
            todo="Choose a training case as template, or a template file.",
        )
    return UserError(
        "Cases of one group have different roles.",
        case=", ".join(unit),
        found=", ".join(sorted(stated)) + (f" (template {template_case} trains)" if template_case in unit else ""),
        expected="one role for all scans of a group",
        todo="Correct the columns 'role' and 'group' of the case table.",
    )


def draw(
    units: Sequence[Unit],
    fixed: Mapping[Unit, str],
    role: str,
    count: int,
    words: tuple[object, ...],
    where: str = "",
) -> list[Unit]:
    """Units with `count` cases together: the stated ones, then the first of a shuffle that fit."""
    sure = [unit for unit in units if fixed.get(unit) == role]
    loose = [unit for unit in shuffled(units, *words) if unit not in fixed]
    room = count - sum(map(len, sure))
    # reachable[i]: the sums that units i, i+1, … can give; a choice blind to them may not fit.
    reachable = [{0}]
    for unit in reversed(loose):
        reachable.append({total + extra for total in reachable[-1] for extra in (0, len(unit))})
    reachable.reverse()
    if room not in reachable[0]:
        raise UserError(
            f"The {role} set{where} cannot have exactly {count} cases.",
            found=f"free groups (or single cases) of {', '.join(str(len(u)) for u in loose)} cases",
            expected=f"groups whole, template case in training, {room} cases to draw",
            todo="Use `split: auto`, fewer folds, or other counts.",
        )
    chosen = list(sure)
    for number, unit in enumerate(loose):
        if room - len(unit) in reachable[number + 1]:
            chosen.append(unit)
            room -= len(unit)
    return chosen
