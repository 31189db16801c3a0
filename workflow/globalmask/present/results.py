"""Reading a finished run: scores, run records, histories, images; paths as in DESIGN.md section 4.

What is expected comes from the plan. A training that has not finished is left out, so a
report of a half-finished run can be made; scores.csv itself must be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from globalmask.errors import UserError
from globalmask.present.outputs import Plan, cell_folder, replicates_of

_NEEDED = (
    "arm",
    "variant",
    "scenario",
    "n_train",
    "replicate",
    "case",
    "structure",
    "space",
    "dice",
    "com_mm",
)


def read_scores(run_dir: Path) -> pd.DataFrame:
    """`scores.csv` of a run, one row a case and structure; empty cells are NaN, names are text."""
    path = Path(run_dir) / "scores.csv"
    if not path.is_file():
        raise UserError(
            "The scores of this run are not there.",
            file=path,
            todo="make the target `scores` first",
        )
    text = dict.fromkeys(("run", "arm", "variant", "scenario", "case", "structure", "space", "mask_set"), str)
    scores = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    missing = [name for name in _NEEDED if name not in scores.columns]
    if missing:
        raise UserError(
            "Columns are missing in the scores.",
            file=path,
            found=missing,
            expected="DESIGN.md section 4",
        )
    for name in ("dice", "com_mm"):
        scores[name] = pd.to_numeric(scores[name])
    return scores


def cells(plan: Plan) -> Iterator[tuple[str, str, str, int, int]]:
    """Every (arm, variant, scenario, n, replicate) of the plan."""
    for variant in plan["variants"]:
        for arm in variant["arms"]:
            for scenario in variant["scenarios"]:
                for n, replicates in replicates_of(plan, variant["name"], arm).items():
                    for replicate in range(replicates):
                        yield arm, variant["name"], scenario, n, replicate


def read_runs(run_dir: Path, plan: Plan) -> pd.DataFrame:
    """One row a finished training: the cell, and the fields of its `run.json` as they are."""
    rows: list[dict[str, Any]] = []
    for arm, variant, scenario, n, replicate in cells(plan):
        record = read_json(cell_folder(run_dir, (arm, variant, scenario, n), replicate) / "run.json")
        if record is not None:
            cell = {
                "arm": arm,
                "variant": variant,
                "scenario": scenario,
                "n": n,
                "replicate": replicate,
            }
            rows.append({**record, **cell})
    columns = ["arm", "variant", "scenario", "n", "replicate", "best_step", "hours"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def read_history(run_dir: Path, cell: tuple[str, str, str, int], replicate: int = 0) -> pd.DataFrame | None:
    """`history.csv` of one training, one row a validation; None when it is not there or empty."""
    path = cell_folder(run_dir, cell, replicate) / "history.csv"
    if not path.is_file():
        return None
    history = pd.read_csv(path)
    return history if len(history) else None


def read_json(path: Path) -> Any | None:
    """The content of a JSON file; None when there is no such file."""
    path = Path(path)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def mask_set_of_case(scores: pd.DataFrame, arm: str, variant: str, case: str) -> str | None:
    """The mask set that a test case was predicted with, from the scores; None when unknown."""
    rows = scores[(scores["arm"] == arm) & (scores["variant"] == variant) & (scores["case"] == case)]
    if "mask_set" not in rows or rows["mask_set"].dropna().empty:
        return None
    largest = rows[rows["n_train"] == rows["n_train"].max()]
    return str(largest["mask_set"].dropna().iloc[0])
