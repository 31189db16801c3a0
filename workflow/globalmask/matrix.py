"""The matrix of trainings: arm x variant x scenario x training size x replicate.

Imported when the Snakefile is parsed, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from globalmask.config import Config, MaskSettings


@dataclass(frozen=True)
class Cell:
    """One training: what is varied, and nothing that follows from it."""

    arm: str
    variant: str
    scenario: str
    n: int
    replicate: int

    @property
    def path(self) -> str:
        """Folder of the cell below `results/{run}/`."""
        return f"{self.arm}/{self.variant}/{self.scenario}/n{self.n}/r{self.replicate}"


def cells(config: Config, sizes: Mapping[str, Sequence[int]]) -> Iterator[Cell]:
    """All cells of a run; `sizes` are the training sizes of each arm."""
    for name, variant in config.variants.items():
        for arm in config.arms_of(name):
            for scenario in variant.scenarios:
                for n, replicates in replicates_of(config, name, sizes[arm]).items():
                    for replicate in range(replicates):
                        yield Cell(arm, name, scenario, n, replicate)


def replicates_of(config: Config, variant: str, sizes: Sequence[int]) -> dict[int, int]:
    """Training sizes of a variant in an arm of these sizes, with the replicates at each."""
    asked = config.variants[variant].replicates
    if asked is None:
        return dict.fromkeys(sizes, config.replicates)
    counts = {max(sizes) if n == "full" else n: count for n, count in asked.items()}
    return {n: counts[n] for n in sizes if n in counts}


SHIFTED_SCENARIOS = ("ct", "mask", "ct_mask")
"""The paper's claim is about these; a control may need more than the case's own scan and mask."""


def robustness_cells(config: Config, sizes: Mapping[str, Sequence[int]]) -> Iterator[Cell]:
    """The cells whose models are tested under shifts: every replicate of the variants and sizes that are asked for."""
    asked = config.robustness
    if asked is None:
        return
    first = {arm: name for name in reversed(config.variants) for arm in config.arms_of(name)}
    for cell in cells(config, sizes):
        wanted = {max(sizes[cell.arm]) if n == "full" else n for n in asked.sizes}
        if cell.scenario not in SHIFTED_SCENARIOS:
            continue
        if cell.variant in (asked.variants or (first[cell.arm],)) and cell.n in wanted:
            yield cell


def fold_of(config: Config, arm: str, replicate: int) -> int:
    """The fold on which a replicate tests."""
    return replicate % config.arms[arm].folds


SETS_WITHOUT_TRAINING = {"threshold": "base", "unfilled": "unfilled", "file": "file", "union": "oracle"}
"""Mask sets by recipe, where no network learns the masks."""


def mask_set_of(config: Config, cell: Cell) -> str:
    """The mask set that a cell uses; cells with one name share the files."""
    mask = config.mask_of(cell.variant, cell.arm)
    if mask.recipe != "learned":
        return SETS_WITHOUT_TRAINING[mask.recipe]
    fold = fold_of(config, cell.arm, cell.replicate)
    if mask.labels == "full":
        return f"full-f{fold}"
    return f"budget-f{fold}-r{cell.replicate}-n{cell.n}"


def mask_sets(config: Config, cells: Sequence[Cell]) -> dict[tuple[str, str], Cell]:
    """Each mask set, by arm and name, with the first cell that uses it: more replicates must not change what exists."""
    return {(cell.arm, mask_set_of(config, cell)): cell for cell in reversed(cells)}


def learned_sets(sets: Mapping[tuple[str, str], Cell]) -> dict[tuple[str, str], Cell]:
    """Those of the mask sets that networks make."""
    return {key: cell for key, cell in sets.items() if key[1] not in SETS_WITHOUT_TRAINING.values()}


@dataclass(frozen=True)
class Fit:
    """One network of a learned mask set: the cases it learns from and the cases it is applied to."""

    trained_on: list[str]
    applied_to: list[str]


def crossfit(budget: Sequence[str], cases: Sequence[str], *, folds: int) -> dict[str, Fit]:
    """Networks of a learned mask set (DESIGN.md decision 7): no mask comes from a network that saw its label.

    `all` learns from the whole budget and serves every other case; `k0`, `k1` … each leave out the
    training cases they serve. A budget of one case has no other: `all` then serves that case too.
    """
    parts = min(folds, len(budget))
    if parts < 2:
        return {"all": Fit(list(budget), list(cases))}
    fits = {"all": Fit(list(budget), [case for case in cases if case not in budget])}
    for part in range(parts):
        held_out = list(budget[part::parts])
        fits[f"k{part}"] = Fit([case for case in budget if case not in held_out], held_out)
    return fits


def labels_of_mask(mask: MaskSettings, n: int, *, train: int, others: int) -> int:
    """Cases whose labels the masks of a cell were made from (REQUIREMENTS A-25).

    More than n means that the masks know more than the cell's own training cases. `train` and `others` count the
    training cases of the cell's split, and its validation and test cases; an oracle mask has read the label of every
    case that it covers.
    """
    if mask.recipe == "union":
        return n + others
    if mask.recipe != "learned":
        return 0
    return n if mask.labels == "budget" else train
