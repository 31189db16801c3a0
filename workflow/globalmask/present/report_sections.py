"""What the report says, as plain values: words and rows that the template prints. No HTML is made here."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from globalmask import __version__
from globalmask.evidence.clock import clock
from globalmask.present.outputs import Plan, arm_of, full_size, variant_of, variants_of
from globalmask.present.results import cells, read_json
from globalmask.present.style import scenario_label, structure_label
from globalmask.present.summary import averages, paper_of, structure_means
from globalmask.present.tables import DASH, hours_number
from globalmask.provenance import sha256, versions

ASSUMPTIONS = Path(__file__).parent / "assumptions.tsv"
MASK_GAP = 0.05  # Dice: training masks so much better than test masks teach a network to trust them too far
ROLES = ("train", "validation", "test")
_REPORTED = ("snakemake", "antspyx", "SimpleITK", "numpy", "pandas", "matplotlib")


@dataclass(frozen=True)
class Grid:
    """A small table: header, rows of text, the first row numbers that need attention, a note below."""

    header: list[str]
    rows: list[list[str]]
    flagged: set[int] = field(default_factory=set)
    note: str = ""

    def markdown(self) -> str:
        """The table as Markdown, and its note."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", self.note])


def data_kind(plan: Plan) -> str:
    """`synthetic`, `real` or `mixed`."""
    kinds = {arm["synthetic"] for arm in plan["arms"]}
    return "mixed" if len(kinds) > 1 else "synthetic" if kinds == {True} else "real"


def what_ran(plan: Plan, runs: pd.DataFrame) -> Grid:
    """One row an arm: data, cases, structures, sizes, variants, trainings finished of those planned."""
    planned = pd.DataFrame(cells(plan), columns=["arm", "variant", "scenario", "n", "replicate"])
    rows = []
    for arm in plan["arms"]:
        name = arm["name"]
        tested = {case for cases in arm["test_cases"].values() for case in cases}
        variants = [f"{v} (preset {variant_of(plan, v)['preset']})" for v in variants_of(plan, name)]
        done, all_ = int((runs["arm"] == name).sum()), int((planned["arm"] == name).sum())
        rows.append(
            [
                name,
                "SYNTHETIC" if arm["synthetic"] else "real",
                f"{len(arm['cases'])} ({len(tested)} tested)",
                ", ".join(structure_label(structure) for structure in arm["structures"]),
                ", ".join(str(n) for n in arm["sizes"]),
                ", ".join(variants) or DASH,
                f"{done} of {all_}",
            ]
        )
    header = ["Arm", "Data", "Cases", "Structures", "Training sizes", "Variants", "Trainings"]
    return Grid(header, rows)


def sentences(plan: Plan, scores: pd.DataFrame) -> list[str]:
    """For each arm, what the means of its primary variant say, without judging them."""
    means = averages(structure_means(scores))
    found = []
    for arm in plan["arms"]:
        for variant in variants_of(plan, arm["name"])[:1]:
            mine = means[(means["arm"] == arm["name"]) & (means["variant"] == variant)]
            found.append(_sentence(arm, variant_of(plan, variant)["scenarios"], mine))
    return found


def mask_quality(run_dir: Path, plan: Plan, scores: pd.DataFrame) -> Grid:
    """Dice of the masks against the union of the labels per mask set and role, and what the boxes lose.

    Dice is given for recipes that aim at that union (learned, union). A mask set is flagged when its training
    masks are better than its test masks by more than `MASK_GAP`, a mask is empty or a box loses over 0.5 %.
    """
    rows: list[list[str]] = []
    flagged: set[int] = set()
    if "mask_set" in scores:
        sets = scores[["arm", "mask_set", "mask_recipe"]].dropna().drop_duplicates()
        for arm, mask_set, recipe in sets.itertuples(index=False):
            records = _mask_records(run_dir, plan, arm, mask_set)
            added, attention = _mask_rows(arm, mask_set, recipe, records)
            flagged |= {len(rows) + place for place in attention}
            rows += added
    header = [
        "Arm",
        "Mask set",
        "Recipe",
        "Role",
        "Cases",
        "Dice mean (SD)",
        "Dice lowest",
        "Empty",
        "Largest loss",
        "",
    ]
    note = (
        "Dice against the union of the labels, where the recipe aims at it. Training cases have out-of-fold masks. "
        f"Flagged: training masks better than test masks by more than {MASK_GAP:.2f}, an empty mask, or a box that "
        "loses more than 0.5 % of a structure of a case."
    )
    return Grid(header, rows, flagged, note)


def registrations(run_dir: Path, plan: Plan) -> Grid:
    """One row a registered case: overlap and similarity with the template, and the verdict."""
    rows: list[list[str]] = []
    flagged = set()
    for arm in plan["arms"]:
        for case in arm["cases"] if arm["registered"] else ():
            record = read_json(run_dir / arm["name"] / "prepared" / case / "registration.json")
            if record is None:
                continue
            if record["status"] != "ok":
                flagged.add(len(rows))
            numbers = [_number(record.get(key), 3) for key in ("overlap", "similarity")]
            rows.append([arm["name"], case, *numbers, str(record["status"])])
    note = "Overlap: Dice of the head mask with the template's; similarity: correlation with the template inside it."
    return Grid(["Arm", "Case", "Overlap", "Similarity", "Status"], rows, flagged, note)


def check_notes(run_dir: Path, plan: Plan) -> Grid:
    """Warnings of the check, one row a warning."""
    rows = []
    for arm in plan["arms"]:
        for case in arm["cases"]:
            record = read_json(run_dir / arm["name"] / "check" / f"{case}.json") or {}
            rows += [[arm["name"], case, str(text)] for text in record.get("warnings", [])]
    return Grid(["Arm", "Case", "Warning"], rows)


def splits(run_dir: Path, plan: Plan) -> Grid:
    """One row an arm and replicate: training cases in the order of the nested subsets, validation, test."""
    rows = []
    for arm in plan["arms"]:
        for replicate in range(plan["replicates"]):
            path = run_dir / arm["name"] / "splits" / f"r{replicate}.tsv"
            if path.is_file():
                rows.append([arm["name"], str(replicate), *_split_cells(path, arm["sizes"])])
    note = "Training cases stand in the order of the nested subsets; a bar ends each of them."
    return Grid(["Arm", "Replicate", "Training", "Validation", "Test"], rows, note=note)


def trainings(runs: pd.DataFrame) -> Grid:
    """One row a finished training: steps, best validation, hours, stop reason, device (shared or not), attempts."""
    header = [
        "Arm",
        "Variant",
        "Scenario",
        "n",
        "r",
        "Steps",
        "Best at",
        "Validation Dice",
        "Hours to best",
    ]
    header += ["Hours in all", "Stopped by", "Device", "Precision", "Attempts"]
    rows = []
    for run in runs.to_dict("records"):
        text = [
            run["arm"],
            run["variant"],
            scenario_label(run["scenario"]),
            str(run["n"]),
            str(run["replicate"]),
        ]
        text += [
            _whole(run.get("steps")),
            _whole(run.get("best_step")),
            _number(run.get("best_val_dice"), 3),
        ]
        text += [hours_number(_float(run.get(key))) for key in ("hours", "total_hours")]
        text += [_word(run.get(key)) for key in ("stop_reason", "device", "precision", "attempts")]
        text[-3] += " (may be shared)" if clock([run]) != "hours" else ""
        rows.append(text)
    return Grid(header, rows)


def assumptions() -> Grid:
    """The open points of the paper and what is done here (REQUIREMENTS.md section 3, in our words)."""
    with ASSUMPTIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return Grid(["No.", "Open point", "What is done here"], rows[1:])


def provenance_rows(run_dir: Path, plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> Grid:
    """Seed, versions, devices, code digests of the trainings and the digest of the scores."""
    here = {"globalmask": __version__, **versions(*_REPORTED)}
    digest = sha256(run_dir / "scores.csv")
    rows = [
        ["Run", str(plan["run"])],
        ["Seed", str(plan["seed"])],
        ["Replicates", str(plan["replicates"])],
    ]
    rows += [[f"Version of {name} (report)", str(value)] for name, value in here.items()]
    for name, values in _training_versions(runs).items():
        rows.append([f"Version of {name} (trainings)", ", ".join(values)])
    for key, title in (
        ("device", "Devices"),
        ("threads", "Threads a training"),
        ("code", "Code digests of trainings"),
    ):
        if key in runs:
            rows.append([title, ", ".join(sorted({_word(value) for value in runs[key]}))])
    rows.append(["scores.csv", f"{len(scores)} rows, SHA-256 {digest}"])
    return Grid(["What", "Value"], rows)


def _sentence(arm: Any, scenarios: Sequence[str], means: pd.DataFrame) -> str:
    small, large = min(arm["sizes"]), full_size(arm)
    sizes = [small] if small == large else [small, large]
    spoken = {n: _spoken(means, scenarios, n) for n in sizes}
    known = [f"with {_cases(n)}, {words}" for n, words in spoken.items() if words]
    if not known:
        return f"{arm['name']}: no scores yet."
    kind = "synthetic " if arm["synthetic"] else ""
    tested = _cases(len({case for cases in arm["test_cases"].values() for case in cases}), f"{kind}test ")
    single = structure_label(arm["structures"][0])
    what = f"of {single} over {tested}" if len(arm["structures"]) == 1 else f"over {tested} and all structures"
    text = f"{arm['name']}: the mean Dice {what} is, {'; '.join(known)}."
    paper = averages(paper_of(arm, "dice"), ("scenario", "n_train")) if arm["published"] else pd.DataFrame()
    there = {n: _spoken(paper, scenarios, n) for n in sizes if len(paper)}
    words = "; ".join(f"{spoken} at n = {n}" for n, spoken in there.items() if spoken)
    return text + (f" The paper has, on its own data, {words}." if words else "")


def _spoken(means: pd.DataFrame, scenarios: Sequence[str], n: int) -> str:
    at = means[means["n_train"] == n].set_index("scenario")["mean"]
    parts = [f"{at[s]:.2f} for {scenario_label(s)}" for s in scenarios if s in at.index]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _cases(count: int, kind: str = "training ") -> str:
    return f"{count} {kind}case{'' if count == 1 else 's'}"


def _mask_records(run_dir: Path, plan: Plan, arm: str, mask_set: str) -> list[dict[str, Any]]:
    folder = run_dir / arm / "masks" / mask_set
    found = (read_json(folder / f"{case}.quality.json") for case in arm_of(plan, arm)["cases"])
    return [record for record in found if record is not None]


def _mask_rows(arm: str, mask_set: str, recipe: str, records: list[dict[str, Any]]) -> tuple[list[list[str]], set[int]]:
    rows: list[list[str]] = []
    attention: set[int] = set()
    mean_of: dict[str | None, float] = {}
    aims_at_labels = recipe in ("learned", "union")
    for role in [*ROLES, None]:
        mine = [record for record in records if record.get("role") == role]
        if not mine:
            continue
        dice = pd.Series([_float(r.get("dice")) for r in mine if aims_at_labels], dtype=float).dropna()
        lost = [share for r in mine for share in (r.get("ref_lost_share") or {}).values() if share is not None]
        empty = sum(record.get("status") == "empty" for record in mine)
        notes = [f"{empty} empty"] if empty else []
        notes += ["box loses a part"] if lost and max(lost) > 0.005 else []
        if len(dice):
            mean_of[role] = dice.mean()
        if role == "test" and mean_of.get("train", 0.0) - mean_of.get("test", 1.0) > MASK_GAP:
            notes.append(f"{mean_of['train'] - mean_of['test']:.2f} below training")
        if notes:
            attention.add(len(rows))
        shown = [_spread(dice), _number(dice.min() if len(dice) else None, 2), str(empty)]
        shown += [f"{100 * max(lost):.2f} %" if lost else DASH, "; ".join(notes)]
        rows.append([arm, mask_set, recipe, role or "unknown", str(len(mine)), *shown])
    return rows, attention


def _split_cells(path: Path, sizes: Sequence[int]) -> list[str]:
    split = pd.read_csv(path, sep="\t", dtype={"case": str, "role": str})
    train = split[split["role"] == "train"].sort_values("order")["case"].tolist()
    text = " ".join(
        case + (" |" if place in sizes and place < len(train) else "") for place, case in enumerate(train, 1)
    )
    others = (", ".join(sorted(split[split["role"] == role]["case"])) or DASH for role in ROLES[1:])
    return [text, *others]


def _training_versions(runs: pd.DataFrame) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for of_run in runs.get("versions", ()):
        for name, value in (of_run if isinstance(of_run, dict) else {}).items():
            found.setdefault(name, set()).add(str(value))
    return {name: sorted(values) for name, values in found.items()}


def config_text(plan: Plan) -> str:
    """The run's whole validated config as indented JSON."""
    return json.dumps(plan["config"], indent=2, ensure_ascii=False)


def _spread(values: pd.Series) -> str:
    if not len(values):
        return DASH
    return f"{values.mean():.2f}" + (f" ({values.std():.2f})" if len(values) > 1 else "")


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _number(value: Any, digits: int) -> str:
    number = _float(value)
    return DASH if number != number else f"{number:.{digits}f}"


def _whole(value: Any) -> str:
    number = _float(value)
    return DASH if number != number else f"{number:,.0f}"


def _word(value: Any) -> str:
    if value is None or value != value:
        return DASH
    return f"{value:.0f}" if isinstance(value, float) else str(value)
