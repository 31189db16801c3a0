"""From the scores, histories and records of a run to `analysis.csv`, one row an estimate, and `analysis.json`.

The primary family, the equivalence family and what is called exploratory are those of the plan of analysis
(`evidence.analysis_plan`); families are formed inside real and inside synthetic data, never across.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from globalmask.errors import UserError
from globalmask.evidence.analysis_plan import (
    AnalysisPlan,
    PlannedDesign,
    departures,
    power_rows,
    primary_variant,
    read_analysis_plan,
)
from globalmask.evidence.gains import Row, dice_gain_rows, gain_rows, level_rows, share_rows
from globalmask.evidence.paired import Paired
from globalmask.evidence.statistics import adjusted
from globalmask.evidence.trends import Training, curve_rows, shift_rows, training_rows
from globalmask.provenance import atomic, sha256, write_json

COLUMNS = (
    *("data", "arm", "variant", "family", "quantity", "scenario", "reference", "n_train", "structure", "space"),
    *("estimate", "low", "high", "level", "p", "p_adjusted", "adjusted_by", "runs", "cases", "method", "notice"),
)
BY_STRUCTURE = (
    *("dice_level", "dice_prediction", "com_mm_level", "com_mm_prediction"),
    *("dice_gain", "com_mm_gain", "nsd_3mm_gain", "hd95_mm_gain", "collapse_share", "detection_rate"),
)
PRIMARY, EQUIVALENCE, EXPLORATORY = "primary", "equivalence", "exploratory"
ONE_STRUCTURE = "the arm's only structure: same as the mean over structures"
_WORDS = ("arm", "variant", "scenario", "case", "structure", "space", "status", "shift", "masks")
_NUMBERS = ("dice", "com_mm", "hd95_mm", "nsd_3mm")


def analyse(*, run_dir: Path, plan: Mapping[str, Any], plan_path: Path) -> None:
    """Write `analysis.csv` and `analysis.json` of a run.

    `plan` is the run's `plan.json`, `plan_path` the plan of analysis. `robustness.csv` is read where it is there.
    """
    intended = read_analysis_plan(plan_path)
    scores = read_table(Path(run_dir) / "scores.csv")
    shifts = Path(run_dir) / "robustness.csv"
    frame = table(run_dir, plan, intended, scores, read_table(shifts) if shifts.is_file() else None)
    with atomic(Path(run_dir) / "analysis.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")
    write_json(Path(run_dir) / "analysis.json", record(plan, intended, plan_path, scores))


def read_table(path: Path) -> pd.DataFrame:
    """Rows of `scores.csv` or `robustness.csv`; names are text, an empty number is NaN."""
    if not path.is_file():
        raise UserError("The scores of this run are not there.", file=path, todo="make the target `scores` first")
    table = pd.read_csv(path, dtype=dict.fromkeys(_WORDS, str), keep_default_na=False, na_values=[""])
    return table.assign(**{name: pd.to_numeric(table[name]) for name in _NUMBERS if name in table})


def table(
    run_dir: Path,
    plan: Mapping[str, Any],
    intended: AnalysisPlan,
    scores: pd.DataFrame,
    robustness: pd.DataFrame | None,
) -> pd.DataFrame:
    """Every estimate of every arm and variant, with its family and adjusted p; columns COLUMNS."""
    parts = []
    for arm in plan["arms"]:
        for variant in plan["variants"]:
            mine = _of(scores, arm, variant)
            if not len(mine):
                continue
            shifted = None if robustness is None else _of(robustness, arm, variant)
            found = _estimates(run_dir, intended, arm, variant, mine, shifted)
            part = pd.DataFrame([about | asdict(estimate) for about, estimate in found])
            about = {"data": mine["data"].iloc[0], "arm": arm["name"], "variant": variant["name"]}
            parts.append(part.assign(**about, family=_families(part, plan, intended, arm, variant)))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = with_adjusted(pd.concat(parts, ignore_index=True), intended)
    frame["n_train"] = frame["n_train"].astype("Int64")
    return _with_only_structure(frame, plan)[list(COLUMNS)]


def _of(rows: pd.DataFrame, arm: Mapping[str, Any], variant: Mapping[str, Any]) -> pd.DataFrame:
    return rows[(rows["arm"] == arm["name"]) & (rows["variant"] == variant["name"])]


def _estimates(
    run_dir: Path,
    intended: AnalysisPlan,
    arm: Mapping[str, Any],
    variant: Mapping[str, Any],
    scores: pd.DataFrame,
    robustness: pd.DataFrame | None,
) -> Iterator[Row]:
    limit = intended.collapse_below_dice
    spaces = {space: Paired(rows) for space, rows in scores.groupby("space", sort=False)}
    for space, paired in spaces.items():
        diagonal_mm = arm["size_voxels"] * arm["spacing_mm"] * 3**0.5
        yield from level_rows(paired, space=space, diagonal_mm=diagonal_mm)
        yield from gain_rows(paired, space=space)
    if "crop" not in spaces:
        return
    box = spaces["crop"]
    margin = intended.equivalence.margin_dice
    yield from dice_gain_rows(box, collapse_below=limit, margin=margin, tested_share=_tested_share(arm))
    yield from share_rows(box, collapse_below=limit)
    yield from curve_rows(box)
    trainings = read_trainings(run_dir, scores)
    schedule = variant["settings"]["schedule"]
    yield from training_rows(trainings, box.scenarios, sorted(set(scores["n_train"])), schedule)
    if robustness is not None and len(robustness):
        yield from shift_rows(robustness)


def _tested_share(arm: Mapping[str, Any]) -> float:
    """Test cases of a run over all others; 0 where every run has the same test cases."""
    folds = arm["test_cases"]
    tested = len(folds["0"])
    return tested / (len(arm["cases"]) - tested) if len(folds) > 1 else 0.0


def read_trainings(run_dir: Path, scores: pd.DataFrame) -> dict[tuple[str, int, int], Training]:
    """Histories and records of the trainings that stand in `scores`; a missing file leaves its training out."""
    found = {}
    keys = ["arm", "variant", "scenario", "n_train", "replicate"]
    for arm, variant, scenario, n, replicate in scores[keys].drop_duplicates().itertuples(index=False):
        folder = Path(run_dir) / arm / variant / scenario / f"n{n}" / f"r{replicate}"
        if (folder / "run.json").is_file() and (folder / "history.csv").is_file():
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            found[scenario, int(n), int(replicate)] = Training(pd.read_csv(folder / "history.csv"), record)
    return found


def _families(
    rows: pd.DataFrame,
    plan: Mapping[str, Any],
    intended: AnalysisPlan,
    arm: Mapping[str, Any],
    variant: Mapping[str, Any],
) -> pd.Series:
    """Family of each estimate; empty for what describes one scenario and tests nothing."""
    family = pd.Series("", rows.index).where(rows["reference"] == "", EXPLORATORY)
    first = primary_variant(plan, arm["name"])
    if first is None or first["name"] != variant["name"]:
        return family
    main = (rows["scenario"] == intended.primary.scenario) & (rows["reference"] == intended.primary.reference)
    main &= (rows["structure"] == "") & (rows["space"] == intended.primary.space)
    primary = main & (rows["quantity"] == intended.primary.quantity) & rows["n_train"].isin(intended.primary.sizes)
    full = main & (rows["quantity"] == "dice_equivalence") & (rows["n_train"] == max(arm["sizes"]))
    return family.mask(primary, PRIMARY).mask(full, EQUIVALENCE)


def with_adjusted(rows: pd.DataFrame, intended: AnalysisPlan) -> pd.DataFrame:
    """`rows` with `p_adjusted` and `adjusted_by`: a family as a whole, exploratory p inside each quantity."""
    methods = {
        PRIMARY: intended.primary.adjusted_by,
        EQUIVALENCE: intended.equivalence.adjusted_by,
        EXPLORATORY: intended.exploratory_adjusted_by,
    }
    rows = rows.assign(p_adjusted=float("nan"), adjusted_by="")
    for (_, family, _), part in rows.groupby(["data", "family", "quantity"], sort=False):
        if family in methods:
            tested = part.index[part["p"].notna()]
            rows.loc[tested, "p_adjusted"] = adjusted(part.loc[tested, "p"].to_numpy(), methods[family])
            rows.loc[tested, "adjusted_by"] = methods[family]
    return rows


def _with_only_structure(rows: pd.DataFrame, plan: Mapping[str, Any]) -> pd.DataFrame:
    """In an arm of one structure, rows of the mean again under its name; they belong to no family of their own."""
    names = {arm["name"]: arm["structures"][0] for arm in plan["arms"] if len(arm["structures"]) == 1}
    again = rows[rows["arm"].isin(names) & rows["quantity"].isin(BY_STRUCTURE)]
    notes = again["notice"].where(again["notice"] == "", again["notice"] + "; ") + ONE_STRUCTURE
    again = again.assign(structure=again["arm"].map(names), family="", notice=notes)
    return pd.concat([rows, again], ignore_index=True)


def record(plan: Mapping[str, Any], intended: AnalysisPlan, plan_path: Path, scores: pd.DataFrame) -> dict[str, Any]:
    """`analysis.json`: the plan's digest, departures of the run, and the power that was planned and that it has."""
    primary = {arm["name"]: primary_variant(plan, arm["name"]) for arm in plan["arms"]}
    return {
        "plan": Path(plan_path).name,
        "sha256": sha256(plan_path),
        "departures": departures(intended, plan),
        "primary_variant": {arm: variant["name"] for arm, variant in primary.items() if variant},
        "assumed": intended.assumed.model_dump(),
        "power_planned": [row.model_dump() for row in intended.power],
        "power_of_run": list(_power_of_run(plan, intended, scores)),
    }


def _power_of_run(plan: Mapping[str, Any], intended: AnalysisPlan, scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Power of each primary test with the runs and cases that the run has; none under the fewest runs."""
    for arm in plan["arms"]:
        variant = primary_variant(plan, arm["name"])
        if variant is None:
            continue
        mine = _of(scores, arm, variant)
        for n in intended.primary.sizes:
            rows = mine[(mine["n_train"] == n) & (mine["scenario"] == intended.primary.scenario)]
            runs, tested = rows["replicate"].nunique(), rows.groupby("replicate")["case"].nunique()
            if runs < intended.fewest_runs:
                continue
            folds = min(runs, len(arm["test_cases"]))
            design = PlannedDesign(runs=runs, cases=folds * int(tested.min()), folds=folds)
            for found in power_rows(intended, [design]):
                yield {"arm": arm["name"], "n_train": n} | found.model_dump()
