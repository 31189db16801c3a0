"""A split as a table: the user's own, checked as a whole, and the one that a run writes.

Imported when the Snakefile is parsed: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from globalmask.errors import UserError, raise_all
from globalmask.intake.cases import ROLES, CaseRow
from globalmask.intake.draw import shuffled, stated_by_case, torn_unit, units_of
from globalmask.intake.table import read_table
from globalmask.provenance import write_text

TABLE_COLUMNS = ("case", "role", "fold", "order")


@dataclass(frozen=True)
class Split:
    """Roles of one fold, subset order of one replicate; subset n = first n of `train_order`."""

    train_order: list[str]
    validation: list[str]
    test: list[str]
    fold: int


@dataclass(frozen=True)
class SplitTable:
    """A user's own split: for each fold the role of every case and, if given, the subset order."""

    file: Path
    roles: list[dict[str, str]]
    order: list[dict[str, int]]

    @property
    def folds(self) -> int:
        return len(self.roles)

    def split(self, *, fold: int, replicate: int, seed: int, arm: str) -> Split:
        """The split of a fold; without a column `order` subsets are drawn as in `make_split`."""
        roles = self.roles[fold]
        train = [case for case, role in roles.items() if role == "train"]
        order = self.order[fold]
        drawn = shuffled(train, seed, arm, "subset", replicate)
        return Split(
            train_order=sorted(train, key=order.__getitem__) if order else drawn,
            validation=sorted(case for case, role in roles.items() if role == "validation"),
            test=sorted(case for case, role in roles.items() if role == "test"),
            fold=fold,
        )


def read_split_table(
    path: str | Path,
    *,
    cases: Sequence[CaseRow] | Sequence[str],
    template_case: str | None = None,
    groups: Mapping[str, str] | None = None,
) -> SplitTable:
    """Read a user's own split (`case`, `role`, optional `fold`, `order`); folds count from 0 by
    rank.

    Every case has one role in every fold. Raises one UserError that tells every fault: unknown,
    missing and repeated cases, unknown roles, a role without a case, test sets of two folds that
    overlap, groups or the template case in a wrong place.
    """
    path = Path(path)
    names = [case.case if isinstance(case, CaseRow) else case for case in cases]
    groups = stated_by_case(cases, "group") if groups is None else groups
    lines = read_table(path, known=TABLE_COLUMNS, needed=("case", "role"))
    faults = [fault for where, row in lines for fault in _row_faults(where, row, set(names))]
    raise_all(faults)
    roles: dict[int, dict[str, str]] = {}
    order: dict[int, dict[str, int]] = {}
    for where, row in lines:
        fold = int(row["fold"] or 0)
        if row["case"] in roles.setdefault(fold, {}):
            faults.append(_repeated(where, row["case"], roles[fold][row["case"]], row["role"]))
        roles[fold][row["case"]] = row["role"]
        if row["order"] and row["role"] == "train":
            order.setdefault(fold, {})[row["case"]] = int(row["order"])
    for fold, given in roles.items():
        faults += _fold_faults(path, fold, given, order.get(fold, {}), names, groups, template_case)
    faults += _overlap_faults(path, roles)
    if not roles:
        faults.append(UserError("The split table has no case.", file=path))
    raise_all(faults)
    return SplitTable(
        file=path,
        roles=[roles[fold] for fold in sorted(roles)],
        order=[order.get(fold, {}) for fold in sorted(roles)],
    )


def write_split(split: Split, path: str | Path) -> None:
    """Write a split as a table: `case role fold order` (order = rank in the subsets, from 1)."""
    rows = [(case, "train", str(rank)) for rank, case in enumerate(split.train_order, 1)]
    rows += [(case, "validation", "") for case in split.validation]
    rows += [(case, "test", "") for case in split.test]
    lines = ["\t".join(TABLE_COLUMNS)] + [f"{case}\t{role}\t{split.fold}\t{order}" for case, role, order in rows]
    write_text(path, "\n".join(lines) + "\n")


def _row_faults(where: str, row: Mapping[str, str], known: set[str]) -> list[UserError]:
    faults = []
    if row["case"] not in known:
        faults.append(
            UserError(
                "The split table names a case that the case table does not have.",
                file=where,
                found=repr(row["case"]),
                todo="Correct the id, or add the case to the case table.",
            )
        )
    if row["role"] not in ROLES:
        faults.append(UserError("Unknown role.", file=where, found=repr(row["role"]), expected=", ".join(ROLES)))
    for name in ("fold", "order"):
        if row[name] and not (row[name].isascii() and row[name].isdigit()):
            faults.append(UserError(f"The field '{name}' is no whole number.", file=where, found=repr(row[name])))
    return faults


def _repeated(where: str, case: str, before: str, now: str) -> UserError:
    what = "A case has two roles." if before != now else "A case is there twice."
    return UserError(what, case=case, file=where, found=f"{before}, then {now}", expected="one role in each fold")


def _fold_faults(
    path: Path,
    fold: int,
    roles: Mapping[str, str],
    order: Mapping[str, int],
    names: Sequence[str],
    groups: Mapping[str, str],
    template_case: str | None,
) -> list[UserError]:
    where = f"{path}, fold {fold}"
    faults = []
    absent = [name for name in names if name not in roles]
    if absent:
        faults.append(
            UserError(
                "Cases of the case table have no role.",
                case=", ".join(absent),
                file=where,
                todo="Add them to the split table, or put a '#' before them in the case table.",
            )
        )
    faults += [
        UserError(f"No case has the role '{role}'.", file=where, expected="at least one case in every role")
        for role in ROLES
        if role not in roles.values()
    ]
    if template_case is not None and roles.get(template_case, "train") != "train":
        faults.append(
            UserError(
                "The template case must train in every fold.",
                case=template_case,
                file=where,
                found=roles[template_case],
                todo="Give it the role 'train' in every fold, or choose another template.",
            )
        )
    for unit in units_of(list(roles), groups):
        stated = {roles[case] for case in unit}
        if len(stated) > 1:
            faults.append(torn_unit(unit, stated, None))
    train = [case for case, role in roles.items() if role == "train"]
    if order and (set(order) != set(train) or len(set(order.values())) < len(train)):
        faults.append(
            UserError(
                "The column 'order' does not rank the training cases.",
                file=where,
                found=f"{len(set(order.values()))} different numbers, {len(train)} training cases",
                expected="a different number for every training case, or none at all",
            )
        )
    return faults


def _overlap_faults(path: Path, roles: Mapping[int, Mapping[str, str]]) -> list[UserError]:
    first: dict[str, int] = {}
    faults = []
    for fold, given in sorted(roles.items()):
        for case in (case for case, role in given.items() if role == "test"):
            if case in first:
                faults.append(
                    UserError(
                        "A case tests in two folds.",
                        case=case,
                        file=path,
                        found=f"folds {first[case]} and {fold}",
                        expected="test sets of different folds that do not overlap",
                    )
                )
            first.setdefault(case, fold)
    return faults
