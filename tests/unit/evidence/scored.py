"""Scores, histories and plans of a made-up run whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SCENARIOS = ("ct", "mask", "ct_mask")
PLAN_OF_ANALYSIS = Path(__file__).parents[3] / "workflow" / "config" / "analysis_plan.yaml"
Value = Callable[[str, int, int, int], float]
"""Dice of (scenario, n, replicate, case)."""


def rising(scenario: str, n: int, replicate: int, case: int) -> float:
    """Dice that rises by 0.1 a doubling; CT + mask is 0.05 above CT, mask 0.05 below; cases and runs differ."""
    gain = {"ct": 0.0, "mask": -0.05, "ct_mask": 0.05}[scenario]
    ripple = 0.001 * np.sin(7 * case + 3 * replicate + 11 * n + len(scenario))
    return float(0.3 + 0.1 * np.log2(n) + gain + 0.01 * case + 0.005 * replicate + ripple)


def scores_of(
    dice: Value = rising,
    *,
    arm: str = "brain",
    variant: str = "modern",
    data: str = "real",
    structures: Sequence[str] = ("brain_stem",),
    sizes: Sequence[int] = (1, 2, 4, 8, 16),
    replicates: int = 6,
    cases: int = 4,
    folds: int = 1,
    scenarios: Sequence[str] = SCENARIOS,
) -> pd.DataFrame:
    """Rows of `scores.csv` in both spaces; `cases` in each fold."""
    rows = [
        {
            **{"data": data, "arm": arm, "variant": variant, "scenario": scenario, "n_train": n},
            **{"replicate": replicate, "case": f"c{case}", "structure": structure, "space": space},
            **{"dice": dice(scenario, n, replicate, case), "com_mm": 10 * (1 - dice(scenario, n, replicate, case))},
            **{"hd95_mm": np.nan, "nsd_3mm": np.nan, "status": "ok"},
        }
        for scenario in scenarios
        for n in sizes
        for replicate in range(replicates)
        for case in range(replicate % folds * cases, (replicate % folds + 1) * cases)
        for structure in structures
        for space in ("crop", "native")
    ]
    return pd.DataFrame(rows)


def plan_of(scores: pd.DataFrame, *, schedule: str = "one_cycle", folds: int = 1) -> dict[str, Any]:
    """`plan.json` of a run with these scores; the first variant in the scores is the primary one."""
    arms = []
    for name, rows in scores.groupby("arm", sort=False):
        by_replicate = rows.groupby("replicate")["case"].unique()
        arms.append({
            **{"name": name, "synthetic": rows["data"].iloc[0] == "synthetic", "size_voxels": 100, "spacing_mm": 2.0},
            **{"structures": list(rows["structure"].unique()), "sizes": sorted(map(int, rows["n_train"].unique()))},
            **{"cases": [f"c{number}" for number in range(40)]},
            "test_cases": {str(fold): list(by_replicate[fold]) for fold in range(min(folds, len(by_replicate)))},
        })  # fmt: skip
    variants = []
    for name, rows in scores.groupby("variant", sort=False):
        replicates = {
            arm: {str(n): int(part["replicate"].nunique()) for n, part in of_arm.groupby("n_train")}
            for arm, of_arm in rows.groupby("arm", sort=False)
        }
        variants.append({
            **{"name": name, "arms": list(replicates), "scenarios": list(rows["scenario"].unique())},
            **{"settings": {"schedule": schedule}, "replicates": replicates},
        })  # fmt: skip
    return {"run": "made_up", "arms": arms, "variants": variants}


def write_run(folder: Path, scores: pd.DataFrame, *, pace: Value | None = None, **facts: object) -> Path:
    """Write `scores.csv` and, of every training, a history that rises with `pace` steps and its record with `facts`.

    Hours go with the pace and the step of the best validation with its square, so that a ratio tells which it is of.
    """
    scores.to_csv(folder / "scores.csv", index=False)
    keys = ["arm", "variant", "scenario", "n_train", "replicate"]
    for arm, variant, scenario, n, replicate in scores[keys].drop_duplicates().itertuples(index=False):
        cell = folder / arm / variant / scenario / f"n{n}" / f"r{replicate}"
        cell.mkdir(parents=True)
        steps = np.arange(10, 1010, 10)
        wait = pace(scenario, n, replicate, 0) if pace else 100.0
        dice = np.where(steps >= wait, 0.8, 0.1)
        pd.DataFrame({"step": steps, "val_dice": dice}).to_csv(cell / "history.csv", index=False)
        record = {"hours": wait / 100, "best_step": wait**2, "device": "cpu", "host": "here", "threads": 1, **facts}
        (cell / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
