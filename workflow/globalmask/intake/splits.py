"""Which case trains, validates and tests, and in what order training cases join the subsets.

Roles depend on (seed, arm, fold), the subset order on (seed, arm, replicate); a size n takes the
first n cases of the order, so subsets are nested and adding sizes or replicates changes none that
exist (REQUIREMENTS A-16 to A-18, STATISTICS.md section 3, DESIGN.md decisions 11 and 19). Imported
when the Snakefile is parsed: standard library only. Draws are sorted hashes and not a generator's
permutation, so they need no numpy and a new case does not reshuffle the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from globalmask.errors import UserError
from globalmask.intake.cases import ROLES, CaseRow
from globalmask.intake.draw import Unit, draw, fixed_roles, shuffled, stated_by_case, units_of
from globalmask.intake.split_table import Split, SplitTable, read_split_table, write_split

__all__ = [
    "Split",
    "SplitTable",
    "as_yaml",
    "make_split",
    "propose",
    "propose_for",
    "read_split_table",
    "sizes_up_to",
    "write_split",
]

MOST_FOLDS = 5


class Counts(NamedTuple):
    """How many cases train, validate and test."""

    train: int
    validation: int
    test: int


def make_split(
    cases: Sequence[CaseRow] | Sequence[str],
    *,
    counts: tuple[int, int, int],
    folds: int,
    fold: int,
    replicate: int,
    seed: int,
    arm: str,
    template_case: str | None = None,
    groups: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
) -> Split:
    """The split of one replicate, which tests on block `fold` of `folds` disjoint test blocks.

    `counts` = (train, validation, test) and sums to the number of cases. `groups` and `roles`
    default to what the rows say; cases of a group share their role, a stated role is kept in every
    fold, and `template_case` always trains. Raises UserError when that cannot be done.
    """
    names = [case.case if isinstance(case, CaseRow) else case for case in cases]
    groups = stated_by_case(cases, "group") if groups is None else groups
    roles = stated_by_case(cases, "role") if roles is None else roles
    wanted = Counts(*counts)
    _check_counts(len(names), wanted, folds, arm)
    units = units_of(names, groups)
    fixed = fixed_roles(units, roles, template_case, folds, arm)
    _check_fixed(fixed, wanted, arm)
    test = _test_block(units, fixed, wanted, fold=fold, seed=seed, arm=arm)
    taken = {case for unit in test for case in unit}
    free = [unit for unit in units if taken.isdisjoint(unit)]
    validation = draw(free, fixed, "validation", wanted.validation, (seed, arm, "validation", fold))
    apart = taken | {case for unit in validation for case in unit}
    train = [name for name in names if name not in apart]
    return Split(
        train_order=shuffled(train, seed, arm, "subset", replicate),
        validation=sorted(case for unit in validation for case in unit),
        test=sorted(taken),
        fold=fold,
    )


def propose(n_cases: int, *, template_case: str | None = None) -> dict[str, Any]:
    """Roles, folds and sizes for any number of cases from 3: `train validation test folds sizes`.

    46 cases give the paper's 26/10/10 and 20 its 12/3/5; between them the counts run on a line,
    beyond them the shares stay. Sizes are the powers of two below the training cases, then all of
    them.
    """
    if n_cases < 3:
        raise UserError(
            "There are too few cases for a split.",
            found=f"{n_cases} cases",
            expected="3 or more: one each to train, validate and test",
            todo="Add cases to the case table, or look at `make demo`, which needs none.",
        )
    if n_cases <= 20:
        test, validation = _round(n_cases * 5, 20), _round(n_cases * 3, 20)
    elif n_cases <= 46:
        test, validation = 5 + _round((n_cases - 20) * 5, 26), 3 + _round((n_cases - 20) * 7, 26)
    else:
        test = validation = _round(n_cases * 10, 46)
    test, validation = max(1, test), max(1, validation)
    return _proposal(Counts(n_cases - test - validation, validation, test), n_cases, template_case)


def propose_for(cases: Sequence[CaseRow], *, seed: int, arm: str, template_case: str | None = None) -> dict[str, Any]:
    """`propose`, moved as little as needed to keep the table's roles and to leave groups whole."""
    n_cases = len(cases)
    roles = stated_by_case(cases, "role")
    first = propose(n_cases, template_case=template_case)
    if len(roles) == n_cases:
        stated = Counts(*(sum(role == name for role in roles.values()) for name in ROLES))
        if min(stated) < 1:
            raise _role_without_case(arm, stated)
        return _proposal(stated, n_cases, template_case) | {"folds": 1}
    most_folds = 1 if "test" in roles.values() else MOST_FOLDS
    for counts in _counts_nearby(n_cases, Counts(first["train"], first["validation"], first["test"])):
        proposal = _proposal(counts, n_cases, template_case)
        for folds in range(min(proposal["folds"], most_folds), 0, -1):
            if _works(cases, counts, folds, seed, arm, template_case):
                return proposal | {"folds": folds}
    raise UserError(
        f"The groups of arm '{arm}' leave no way to train, validate and test.",
        found=", ".join(
            f"{len(unit)} cases" for unit in units_of([row.case for row in cases], stated_by_case(cases, "group"))
        ),
        expected="at least three groups (or single cases), one for each role",
        todo="Add cases of other patients, or correct the column 'group'.",
    )


def sizes_up_to(n_train: int) -> list[int]:
    """Training sizes for `n_train` training cases: the powers of two below, then all."""
    return [2**power for power in range(n_train.bit_length()) if 2**power < n_train] + [n_train]


def as_yaml(proposal: Mapping[str, Any]) -> str:
    """A proposal as lines of the arm's section in `config.yaml`."""
    counts = ", ".join(f"{name}: {proposal[name]}" for name in ROLES)
    sizes = ", ".join(str(size) for size in proposal["sizes"])
    return f"split: {{{counts}}}\nfolds: {proposal['folds']}\nsizes: [{sizes}]\n"


def _round(numerator: int, denominator: int) -> int:
    """The nearest whole number, halves upwards (Python sends them to even numbers)."""
    return (2 * numerator + denominator) // (2 * denominator)


def _check_counts(n_cases: int, counts: Counts, folds: int, arm: str) -> None:
    if sum(counts) != n_cases:
        few = "too few" if sum(counts) > n_cases else "more"
        todo = f"Write in arm '{arm}':\n" + _indented(as_yaml(propose(n_cases))) if n_cases >= 3 else "Add cases."
        raise UserError(
            f"Arm '{arm}' has {few} cases {'for' if few == 'too few' else 'than'} its split.",
            found=f"{n_cases} cases",
            expected=f"{counts.train} train + {counts.validation} validation + {counts.test} test = {sum(counts)}",
            todo=todo,
        )
    if folds * counts.test > n_cases:
        raise UserError(
            f"Arm '{arm}' has too few cases for its folds, which test on disjoint cases.",
            found=f"{n_cases} cases",
            expected=f"{folds} folds of {counts.test} test cases = {folds * counts.test}",
            todo=f"Write folds: {n_cases // counts.test}",
        )


def _indented(text: str) -> str:
    return "".join(f"      {line}\n" for line in text.splitlines()).rstrip("\n")


def _check_fixed(fixed: Mapping[Unit, str], counts: Counts, arm: str) -> None:
    for role, most in zip(ROLES, counts, strict=True):
        given = sum(len(unit) for unit, stated in fixed.items() if stated == role)
        if given > most:
            raise UserError(
                f"Arm '{arm}': more cases have the role '{role}' than the split has places.",
                found=f"{given} in the case table",
                expected=f"{most} or fewer",
                todo=f"Write {role}: {given} in 'split', or empty fields of the column 'role'.",
            )


def _test_block(
    units: Sequence[Unit],
    fixed: Mapping[Unit, str],
    counts: Counts,
    *,
    fold: int,
    seed: int,
    arm: str,
) -> list[Unit]:
    """Units of test block `fold`, drawn after those before it: it does not depend on `folds`."""
    free = list(units)
    block: list[Unit] = []
    for number in range(fold + 1):
        free = [unit for unit in free if unit not in block]
        block = draw(free, fixed, "test", counts.test, (seed, arm, "test"), f" in fold {number}")
    return block


def _proposal(counts: Counts, n_cases: int, template_case: str | None) -> dict[str, Any]:
    free = n_cases - (template_case is not None)
    folds = max(1, min(MOST_FOLDS, free // counts.test))
    return counts._asdict() | {"folds": folds, "sizes": sizes_up_to(counts.train)}


def _counts_nearby(n_cases: int, first: Counts) -> list[Counts]:
    """All counts with every role filled, those near `first` first."""
    every = [
        Counts(n_cases - validation - test, validation, test)
        for test in range(1, n_cases - 1)
        for validation in range(1, n_cases - test)
    ]

    def distance(counts: Counts) -> tuple[int, Counts]:
        return abs(counts.test - first.test) + abs(counts.validation - first.validation), counts

    return sorted(every, key=distance)


def _works(
    cases: Sequence[CaseRow],
    counts: Counts,
    folds: int,
    seed: int,
    arm: str,
    template_case: str | None,
) -> bool:
    try:
        for fold in range(folds):
            make_split(
                cases,
                counts=counts,
                folds=folds,
                fold=fold,
                replicate=0,
                seed=seed,
                arm=arm,
                template_case=template_case,
            )
    except UserError:
        return False
    return True


def _role_without_case(arm: str, counts: Counts) -> UserError:
    return UserError(
        f"The case table of arm '{arm}' leaves a role without a case.",
        found=", ".join(f"{count} {role}" for role, count in zip(ROLES, counts, strict=True)),
        expected="at least one case in every role",
        todo="Correct the column 'role', or empty it to have roles drawn.",
    )
