"""Which tables, figures and sheets a run has, and what each of them shows: names and choices only.

Imported when the Snakefile is parsed, so nothing heavy is imported here. `plan` is the JSON object that
the lead rule writes; see `report.make_report` for its fields. Names follow DESIGN.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Plan = Mapping[str, Any]

FEW = 4  # paper, Figures 5, 7 and 8: "trained on four training cases"
FIGURES = ("fig3", "fig4", "fig5", "fig6", "fig7", "fig8")
OF_PATIENTS = ("fig3", "fig5", "fig7", "fig8")
"""Figures that show CT slices, or feature maps in which a face can be seen."""
TABLE_NUMBERS = {
    "brain": {"dice": 1, "com": 3, "hours": 5},
    "heart": {"dice": 2, "com": 4, "hours": 6},
}
QUANTITIES = ("dice", "com", "hours")
MASK_QUALITY = "mask_quality"
PAPER_FILES = ("methods.md", "references.bib", "claim_checklist.md", "dice_intervals.csv", "dice_intervals.tex")


@dataclass(frozen=True)
class Edition:
    """One set of tables and figures: its suffix and the (arm, variant) pairs that it shows."""

    suffix: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ladder:
    """An arm, variant and training size whose models are tested under shifts of the test CTs."""

    arm: str
    variant: str
    n: int


def shows_patients(plan: Plan) -> bool:
    """Whether pictures of patients are made: not under `images: none` in the config."""
    return plan.get("images") != "none"


def pictured_arms(plan: Plan) -> list[Mapping[str, Any]]:
    """The arms whose cases may be shown."""
    return plan["arms"] if shows_patients(plan) else []


def paper_figures(plan: Plan) -> list[str]:
    """Names of the paper's figures that a run draws."""
    return [name for name in FIGURES if shows_patients(plan) or name not in OF_PATIENTS]


def arm_of(plan: Plan, name: str) -> Mapping[str, Any]:
    """The arm of that name."""
    return next(arm for arm in plan["arms"] if arm["name"] == name)


def variant_of(plan: Plan, name: str) -> Mapping[str, Any]:
    """The variant of that name."""
    return next(variant for variant in plan["variants"] if variant["name"] == name)


def variants_of(plan: Plan, arm: str) -> list[str]:
    """Names of the variants that an arm is trained with, in the order of the config; the first is primary."""
    return [v["name"] for v in plan["variants"] if arm in v["arms"]]


def replicates_of(plan: Plan, variant: str, arm: str) -> dict[int, int]:
    """Training sizes of a variant in an arm, with the replicates at each."""
    return {int(n): count for n, count in variant_of(plan, variant)["replicates"][arm].items()}


def contrasted_variants(plan: Plan, arm: str) -> list[str]:
    """Variants of an arm that run both CT and CT + mask, so that a gain can be computed; the primary one first."""
    return [name for name in variants_of(plan, arm) if {"ct", "ct_mask"} <= set(variant_of(plan, name)["scenarios"])]


def editions(plan: Plan) -> list[Edition]:
    """The first edition shows each arm's primary variant under the paper's names; others carry a suffix.

    A variant that leaves out sizes of an arm has no edition there: it answers a single question.
    """
    primary = {arm["name"]: variants_of(plan, arm["name"])[:1] for arm in plan["arms"]}
    first = tuple((arm, names[0]) for arm, names in primary.items() if names)
    found = [Edition("", first)]
    for variant in plan["variants"]:
        name = variant["name"]
        others = [arm for arm in variant["arms"] if primary[arm] != [name]]
        pairs = [
            (arm, name) for arm in others if set(replicates_of(plan, name, arm)) >= set(arm_of(plan, arm)["sizes"])
        ]
        if pairs:
            found.append(Edition(f"_{name}", tuple(pairs)))
    return found


def table_name(plan: Plan, arm: str, quantity: str, suffix: str = "") -> str:
    """`table1_dice_brain` for the first arm of a published data set, else `table_dice_{arm}`."""
    dataset = arm_of(plan, arm)["published"]
    first = next((a["name"] for a in plan["arms"] if a["published"] == dataset), None)
    if dataset in TABLE_NUMBERS and first == arm:
        return f"table{TABLE_NUMBERS[dataset][quantity]}_{quantity}_{dataset}{suffix}"
    return f"table_{quantity}_{arm}{suffix}"


def table_files(plan: Plan) -> list[str]:
    """Every file below `tables/`."""
    names = [
        table_name(plan, arm, quantity, edition.suffix)
        for edition in editions(plan)
        for quantity in QUANTITIES
        for arm, _ in edition.pairs
    ]
    return [f"{name}.{kind}" for name in names for kind in ("csv", "md", "tex")] + [f"{MASK_QUALITY}.csv"]


def evidence_figures(plan: Plan) -> list[str]:
    """Names of the figures that the paper has not: each arm's answer, all gains, learning, Dice in its context."""
    arms = [arm["name"] for arm in plan["arms"] if contrasted_variants(plan, arm["name"])]
    return [answer_figure_name(arm) for arm in arms] + ["gain", "learning"] * bool(arms) + ["dice_context"]


def answer_figure_name(arm: str) -> str:
    """Name of the small picture of an arm on the first screen of the report."""
    return f"answer_{arm}"


def figure_files(plan: Plan) -> list[str]:
    """Every file below `figures/`."""
    names = [f"{figure}{edition.suffix}" for edition in editions(plan) for figure in paper_figures(plan)]
    names += [*evidence_figures(plan), MASK_QUALITY, *robustness_figures(plan)]
    return [f"{name}.{kind}" for name in names for kind in ("png", "pdf")] + ["captions.json"]


def robustness_figures(plan: Plan) -> dict[str, Ladder]:
    """What each figure of shifted test CTs shows: `robustness` the first of the config, others with their names.

    Empty when the config asks for none; of several training sizes the largest is shown.
    """
    largest: dict[tuple[str, str], Ladder] = {}
    for found in (Ladder(*entry) for entry in plan.get("robustness", ())):
        shown = largest.setdefault((found.arm, found.variant), found)
        if found.n > shown.n:
            largest[found.arm, found.variant] = found
    return {
        "robustness" if place == 0 else f"robustness_{found.arm}_{found.variant}": found
        for place, found in enumerate(largest.values())
    }


def sheet_files(plan: Plan) -> list[str]:
    """Every file below `sheets/`: check pictures, registrations, one sheet a test case."""
    if not shows_patients(plan):
        return []
    names = [f"check_{arm['name']}.png" for arm in plan["arms"]]
    names += [f"registration_{arm['name']}.png" for arm in plan["arms"] if arm["registered"]]
    names += [case_sheet_name(arm["name"], case) for arm in plan["arms"] for case in tested(plan, arm["name"])]
    return names


def case_sheet_name(arm: str, case: str) -> str:
    """File name of the sheet of one test case."""
    return f"case_{arm}_{case}.png"


def tested(plan: Plan, arm: str) -> dict[str, int]:
    """Test cases of an arm, each with the first replicate that tests it (replicate r tests fold r mod folds)."""
    folds = arm_of(plan, arm)["test_cases"]
    found: dict[str, int] = {}
    for replicate in range(plan["replicates"]):
        for case in folds[str(replicate % len(folds))]:
            found.setdefault(case, replicate)
    return found


def full_size(arm: Mapping[str, Any]) -> int:
    """The largest training size of an arm."""
    return max(arm["sizes"])


def nearest_size(arm: Mapping[str, Any], wanted: int) -> int:
    """The training size nearest to `wanted` on a log scale; of two equally near, the smaller."""
    return min(sorted(arm["sizes"]), key=lambda size: max(size / wanted, wanted / size))


def feature_cells(plan: Plan, edition: Edition) -> list[tuple[str, str, str, int]]:
    """(arm, variant, scenario, n) whose `features.npz` Figures 7 and 8 show: CT few, CT + mask few, CT twice.

    The arm is the published brain arm, else the first of the edition. Empty when a scenario is not run, and where
    no picture of a patient is made.
    """
    if not shows_patients(plan):
        return []
    brain = [pair for pair in edition.pairs if arm_of(plan, pair[0])["published"] == "brain"]
    name, variant = (brain or list(edition.pairs))[0]
    arm = arm_of(plan, name)
    few, double = nearest_size(arm, FEW), nearest_size(arm, 2 * FEW)
    wanted = [("ct", few), ("ct_mask", few), ("ct", double)]
    scenarios: Sequence[str] = variant_of(plan, variant)["scenarios"]
    return [(name, variant, scenario, n) for scenario, n in wanted if scenario in scenarios]


def cell_folder(run_dir: Path, cell: tuple[str, str, str, int], replicate: int = 0) -> Path:
    """Folder of one training: `{arm}/{variant}/{scenario}/n{n}/r{r}` below `run_dir`."""
    arm, variant, scenario, n = cell
    return Path(run_dir) / arm / variant / scenario / f"n{n}" / f"r{replicate}"


def arms_shown(plan: Plan, edition: Edition, figure: str) -> list[str]:
    """Names of the arms that a figure of an edition shows: all, but one in Figures 7 and 8."""
    if figure in ("fig7", "fig8"):
        return [cell[0] for cell in feature_cells(plan, edition)[:1]]
    return [arm for arm, _ in edition.pairs]


def synthetic_sentence(plan: Plan, arms: Sequence[str]) -> str:
    """Names those of the arms whose data are synthetic; empty when none is."""
    names = [arm for arm in arms if arm_of(plan, arm)["synthetic"]]
    return f"SYNTHETIC data (a phantom, no patient): {', '.join(names)}." if names else ""
