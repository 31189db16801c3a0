"""One arm's cases, sizes and splits, as the Snakefile needs them when it is parsed.

Pure functions of the config and the case table; nothing heavy is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from globalmask.config import Arm, Config, Phantom, SplitCounts, load, refuse_repeated_keys
from globalmask.errors import UserError
from globalmask.intake import cases, splits
from globalmask.intake.cases import ROLES, CaseRow, WantedTable, missing_data_block
from globalmask.intake.splits import Split, SplitTable
from globalmask.intake.table import nearest
from globalmask.matrix import Cell, crossfit, fold_of


@dataclass(frozen=True)
class Cohort:
    """The cases of one arm of one run."""

    config: Config
    name: str
    rows: tuple[CaseRow, ...]

    @classmethod
    def of(cls, config: Config, name: str) -> Cohort:
        """Read the arm's case table, or list the phantom's cases; no rows where the table is missing."""
        arm = config.arms[name]
        if arm.phantom:
            return cls(config, name, tuple(_phantom_rows(config.run, name, arm.phantom)))
        table = Path(str(arm.cases))
        if not table.is_file():
            return cls(config, name, ())
        rows = cases.read_cases(table, data_dir=_folder(config, arm), required=_required(config, name))
        return cls(config, name, tuple(rows))

    @property
    def arm(self) -> Arm:
        return self.config.arms[self.name]

    @cached_property
    def cases(self) -> dict[str, CaseRow]:
        return {row.case: row for row in self.rows}

    @cached_property
    def counts(self) -> SplitCounts:
        """Cases a role: from the user's split table, from the config, or proposed for these cases."""
        if self._table:
            first = self.split(0)
            roles = (first.train_order, first.validation, first.test)
            return SplitCounts(**dict(zip(ROLES, map(len, roles), strict=True)))
        if self.arm.split != "auto":
            return self.arm.split
        if not self.rows:
            return SplitCounts(train=1, validation=1, test=1)
        proposal = splits.propose_for(self.rows, seed=self.config.seed, arm=self.name, template_case=self.template_case)
        return SplitCounts(**{role: proposal[role] for role in ROLES})

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Training sizes, ascending: the config's, or powers of two and then all training cases."""
        if self.arm.sizes != "auto":
            return self.arm.sizes
        return tuple(splits.sizes_up_to(self.counts.train))

    @property
    def proposal(self) -> str | None:
        """What `split: auto` chose, as YAML to copy into the config; None where nothing is proposed."""
        if self.arm.split != "auto" or self._table or not self.rows:
            return None
        chosen = self.counts.model_dump() | {"folds": self.arm.folds, "sizes": list(self.sizes)}
        return splits.as_yaml(chosen)

    @cached_property
    def template_case(self) -> str | None:
        """The case that is the template head; it trains in every fold."""
        registration = self.arm.registration
        return registration.template if registration and registration.template in self.cases else None

    @cached_property
    def _table(self) -> SplitTable | None:
        if not (self.arm.split_table and self.rows):
            return None
        return splits.read_split_table(self.arm.split_table, cases=self.rows, template_case=self.template_case)

    @cached_property
    def _splits(self) -> dict[int, Split]:
        return {}

    def split(self, replicate: int) -> Split:
        """Roles and nested subset of a replicate; empty where the data is not there."""
        if replicate not in self._splits:
            self._splits[replicate] = self._make_split(replicate)
        return self._splits[replicate]

    def _make_split(self, replicate: int) -> Split:
        if not self.rows:
            return Split(train_order=[], validation=[], test=[], fold=0)
        fold = fold_of(self.config, self.name, replicate)
        seed = self.config.seed
        if self._table:
            return self._table.split(fold=fold, replicate=replicate, seed=seed, arm=self.name)
        counts = self.counts
        return splits.make_split(
            self.rows,
            counts=(counts.train, counts.validation, counts.test),
            folds=self.arm.folds,
            fold=fold,
            replicate=replicate,
            seed=seed,
            arm=self.name,
            template_case=self.template_case,
        )

    def mask_parts(self, cell: Cell) -> list[str]:
        """Names of the networks that make the learned masks of a cell (`matrix.crossfit`); needs no case table."""
        full = self.config.mask_of(cell.variant, cell.arm).labels == "full"
        budget = [str(case) for case in range(self.counts.train if full else cell.n)]
        return list(crossfit(budget, [], folds=self.arm.mask_network.crossfit_folds))

    def next_case(self, case: str, *, among: Sequence[str]) -> str:
        """The case after `case` in the table, of those `among`, and of another group; after the last comes the first.

        Raises UserError where there is none.
        """
        names, group = list(self.cases), self.cases[case].group
        place = names.index(case)
        for other in names[place + 1 :] + names[:place]:
            if other in among and (group is None or self.cases[other].group != group):
                return other
        raise UserError(f"Arm '{self.name}' has no other case whose mask scenario 'ct_wrongmask' could use.", case=case)

    def check(self) -> None:
        """Raise UserError where the template, the split or the sizes do not fit the cases."""
        self._check_template()
        largest = max(self.sizes)
        for replicate in range(self.config.replicates):
            train = len(self.split(replicate).train_order)
            if largest > train:
                raise UserError(
                    f"Arm '{self.name}' asks for a larger training size than it has training cases.",
                    found=f"size {largest}, {train} training cases",
                    todo=f"shorten 'sizes' of arm '{self.name}' or change its 'split'",
                )

    def _check_template(self) -> None:
        """The template is a case, or a file that is there and no case's CT: such a case would be in every fold."""
        registration = self.arm.registration
        if registration is None:
            return
        if self.template_case and registration.template_is != "patient":
            raise UserError(
                f"The template of arm '{self.name}' is the scan of a case, and a model never holds a patient's image.",
                case=self.template_case,
                found=f"template_is: {registration.template_is}",
                todo="write 'template_is: patient' (predictions then need --template), or use an average head",
            )
        if self.template_case:
            return
        given = Path(registration.template)
        where = f"arms.{self.name}.registration.template"
        if not given.is_file():
            raise UserError(
                f"The template of arm '{self.name}' is neither one of its cases nor a file.",
                file=where,
                found=f"{registration.template!r}; {nearest(given.absolute())}",
                expected=f"a CT file, or a case: {', '.join(list(self.cases)[:3])} …",
            )
        cases.refuse_brackets(registration.template)
        for row in self.rows:
            if row.ct and os.path.realpath(row.ct) == os.path.realpath(given):
                raise UserError(
                    f"The template of arm '{self.name}' is the CT of a case that may be drawn for the test.",
                    case=row.case,
                    file=where,
                    found=registration.template,
                    expected="a file of no case, or the id of a case, which then trains in every fold",
                    todo=f"write `template: {row.case}`",
                )

    @property
    def wanted(self) -> WantedTable:
        """The case table that is looked for, for the message that says it is missing."""
        table = Path(str(self.arm.cases))
        return WantedTable(self.name, table, _folder(self.config, self.arm), self.arm.structures)


def read_run(
    values: Mapping[str, Any], files: Sequence[str | Path], *, needs_data: bool = True
) -> tuple[Config, dict[str, Cohort]]:
    """The validated config of parsed YAML `files`, and the cohort of each arm, with everything checked.

    Raises UserError for faults of the config, the case tables, splits and templates; without
    `needs_data` an arm whose case table is missing has no rows instead.
    """
    for file in files:
        refuse_repeated_keys(file)
    config = load(values, file=" + ".join(map(str, files)))
    return config, cohorts_of(config, needs_data=needs_data)


def cohorts_of(config: Config, *, needs_data: bool = True) -> dict[str, Cohort]:
    """The cohort of each arm, checked; errors as those of `read_run`."""
    cohorts = {name: Cohort.of(config, name) for name in config.arms}
    absent = [cohort.wanted for cohort in cohorts.values() if not cohort.rows]
    if absent and needs_data:
        raise missing_data_block(absent)
    for cohort in cohorts.values():
        if cohort.rows:
            cohort.check()
    return cohorts


def _folder(config: Config, arm: Arm) -> Path | None:
    folder = arm.data_dir or config.data_dir
    return Path(folder) if folder else None


def _required(config: Config, arm: str) -> tuple[str, ...]:
    """Columns of the case table that this run cannot do without."""
    variants = [name for name in config.variants if arm in config.arms_of(name)]
    recipes = {config.mask_of(name, arm).recipe for name in variants}
    scenarios = {scenario for name in variants for scenario in config.variants[name].scenarios}
    if scenarios == {"mask"} and recipes == {"file"} and not config.arms[arm].registration:
        return ("label", "mask")
    return ("ct", "label", "mask") if "file" in recipes else ("ct", "label")


def _phantom_rows(run: str, arm: str, phantom: Phantom) -> list[CaseRow]:
    names = [f"{arm}_{number:02d}" for number in range(1, phantom.cases + 1)]
    folders = {name: f"results/{run}/{arm}/raw/{name}" for name in names}
    return [
        CaseRow(
            case=name,
            ct=f"{folder}/ct.nii.gz",
            label=f"{folder}/label.nii.gz",
            mask=f"{folder}/mask.nii.gz" if phantom.knows_its_mask else None,
        )
        for name, folder in folders.items()
    ]
