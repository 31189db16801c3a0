"""The evidence of a fake run: `analysis.csv`, `analysis.json`, `claims.csv`, `floors.csv` in the agreed columns.

Gains and levels follow from the run's drawn scores, with plain t intervals over runs; p values are those of a
t test. Nothing here is the project's statistics: it only has their shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

ANALYSIS_COLUMNS = [
    *("data", "arm", "variant", "family", "quantity", "scenario", "reference", "n_train", "structure", "space"),
    *("estimate", "low", "high", "level", "p", "p_adjusted", "adjusted_by", "runs", "cases", "method", "notice"),
]
CLAIM_COLUMNS = [
    *("id", "dataset", "n_train", "claim", "kind_of_evidence", "arm", "variant", "verdict", "estimate", "low"),
    *(
        "high",
        "p",
        "unit",
        "published_value",
        "published_same_structures",
        "rule",
        "level_agrees",
        "footnotes",
        "source",
    ),
]
FEWEST_RUNS = 5


def analysis_row(quantity: str, n: int | None, estimate: float, interval: tuple = (), **more: Any) -> dict[str, Any]:
    """One row of a hand-made `analysis.csv`; what is not given has the value of the primary contrast."""
    low, high = interval or (np.nan, np.nan)
    row = {
        **{"data": "real", "arm": "brain", "variant": "modern", "family": "primary", "quantity": quantity},
        **{"scenario": "ct_mask", "reference": "ct", "n_train": n, "structure": "", "space": "crop"},
        **{"estimate": estimate, "low": low, "high": high, "level": 0.95, "p": np.nan, "p_adjusted": np.nan},
        **{"adjusted_by": "", "runs": 10, "cases": 12, "method": "crossed t", "notice": ""},
    }
    return row | more


def analysis_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows as a frame with the columns of `analysis.csv`."""
    return pd.DataFrame(list(rows), columns=ANALYSIS_COLUMNS)


def write_evidence(run_dir: Path, plan: dict[str, Any]) -> None:
    """Write the four files into a run that has its scores."""
    scores = pd.read_csv(run_dir / "scores.csv")
    rows = [row for arm in plan["arms"] for row in _rows_of_arm(plan, arm, scores)]
    analysis_of(*rows).to_csv(run_dir / "analysis.csv", index=False)
    (run_dir / "analysis.json").write_text(json.dumps(RECORD), encoding="utf-8")
    pd.DataFrame(claims(), columns=CLAIM_COLUMNS).to_csv(run_dir / "claims.csv", index=False)


_POWER = {"runs": 10, "cases": 10, "folds": 1, "gain": 0.05, "alone": 1.0, "first_of_family": 0.753}
RECORD: dict[str, Any] = {
    "plan": "analysis_plan.yaml",
    "sha256": "5e" * 32,
    "departures": ["arm brain: 3 replicates at n = 8, planned are 10"],
    "assumed": {"run_sd": 0.02, "case_sd": 0.01, "rest_sd": 0.03, "source": "earlier runs"},
    "power_planned": [_POWER],
    "power_of_run": [{"arm": "brain", "n_train": 4, **_POWER, "runs": 5}],
}


def _rows_of_arm(plan: dict[str, Any], arm: dict[str, Any], scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for variant in plan["variants"]:
        mine = scores[(scores["arm"] == arm["name"]) & (scores["variant"] == variant["name"])]
        runs = mine.groupby(["scenario", "n_train", "replicate"])["dice"].mean()
        about = {"arm": arm["name"], "variant": variant["name"], "cases": mine["case"].nunique()}
        about |= {"data": "synthetic" if arm["synthetic"] else "real"}
        for n in arm["sizes"]:
            for scenario in variant["scenarios"]:
                values = runs[scenario, n].to_numpy()
                level = {"scenario": scenario, "reference": "", "family": "", "runs": len(values)}
                yield analysis_row("dice_level", n, values.mean(), _interval(values), **about | level)
            if {"ct", "ct_mask"} <= set(variant["scenarios"]):
                yield from _gains(arm, n, runs["ct_mask", n] - runs["ct", n], runs["ct", n].mean(), about)


def _gains(
    arm: dict[str, Any], n: int, gains: pd.Series, unaided: float, about: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    about = about | {"runs": len(gains)}
    primary = {"family": "primary" if n <= 8 else "exploratory", "adjusted_by": "holm" if n <= 8 else "bh"}
    if len(gains) < FEWEST_RUNS:
        about |= {"notice": f"{len(gains)} runs: no p value under {FEWEST_RUNS}"}
    else:
        primary |= {"p": float(stats.ttest_1samp(gains, 0).pvalue)}
        primary |= {"p_adjusted": min(1.0, 4 * primary["p"])}
    interval = _interval(gains.to_numpy())
    yield analysis_row("dice_gain", n, gains.mean(), interval, **about | primary)
    percent = {"family": "exploratory"}
    ends = tuple(100 * end / unaided for end in interval)
    yield analysis_row("dice_gain_percent", n, 100 * gains.mean() / unaided, ends, **about | percent)
    yield analysis_row("share_improved", n, float((gains > 0).mean()), **about | percent)
    for quantity in ("dice_gain_without_collapsed", "dice_gain_runs_only"):
        p = {} if quantity.endswith("collapsed") else {"p": primary.get("p", np.nan)}
        yield analysis_row(quantity, n, gains.mean() * 0.9, interval, **about | percent | p)
    if n == max(arm["sizes"]) and len(gains) >= FEWEST_RUNS:
        narrow = _interval(gains.to_numpy(), 0.9)
        p = {"p": max(stats.ttest_1samp(gains, side).pvalue / 2 for side in (-0.02, 0.02)), "level": 0.9}
        if abs(gains.mean()) > 0.02:
            p["p"] = 1 - p["p"]
        yield analysis_row("dice_equivalence", n, gains.mean(), narrow, **about | {"family": "equivalence"} | p)


def _interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    if len(values) < 2:
        return (np.nan, np.nan)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return (float(values.mean() - half), float(values.mean() + half))


def claims() -> list[dict[str, Any]]:
    """One claim of each verdict, with and without footnotes, and the last in two variants."""
    same = {"dataset": "brain", "kind_of_evidence": "same quantity", "arm": "brain", "variant": "modern"}
    same |= {"unit": "% of CT", "rule": "sign and 95 % interval; Holm p < 0.05", "level_agrees": "", "source": "3.2.3"}
    gain = same | {"claim": "CT + mask raises the mean Dice over structures against CT"}
    alone = same | {"claim": "Mask alone changes the mean Dice against CT"}
    supported = {"id": "C05", "n_train": "1", "verdict": "supported", "published_value": "125.3"}
    supported |= {"published_same_structures": 42.5, "level_agrees": "no", "footnotes": "I-05; I-21"}
    undecided = {"id": "C08", "n_train": "8", "verdict": "undecided", "published_value": "4.3"}
    undecided |= {"published_same_structures": 4.3, "level_agrees": "yes"}
    contradicted = {"id": "C16", "n_train": "8", "verdict": "contradicted", "published_value": "6"}
    heart = {"id": "C19", "dataset": "heart", "n_train": "1", "kind_of_evidence": "synthetic", "arm": "heart"}
    heart |= {"verdict": "not testable on this data", "published_value": "46", "rule": "synthetic data"}
    none = {"id": "C37", "dataset": "both", "n_train": "all", "kind_of_evidence": "none", "arm": "", "variant": ""}
    none |= {"verdict": "not testable on this data", "rule": "no shifts in this run", "footnotes": "I-16"}
    none |= {"claim": "Mask-only does not depend on intensity"}
    return [
        gain | supported | {"estimate": 61.2, "low": 30.1, "high": 92.3, "p": 0.0004},
        gain | undecided | {"estimate": 1.4, "low": -2.0, "high": 4.8, "p": 0.41},
        alone | contradicted | {"estimate": -2.1, "low": -3.9, "high": -0.4, "p": 0.02},
        alone | heart | {"estimate": 46.0, "low": 40.0, "high": 52.0, "p": 0.001},
        same | none,
        same | none | {"arm": "brain", "variant": "paper"},
    ]


def write_floors(run_dir: Path, plan: dict[str, Any]) -> None:
    """`floors.csv`: an atlas that gets better with n, resampling at 0.93 and readers at 0.85."""
    rows = []
    for arm in plan["arms"]:
        about = {"run": plan["run"], "data": "synthetic" if arm["synthetic"] else "real", "arm": arm["name"]}
        about |= {"replicate": 0, "fold": 0}
        for case in arm["test_cases"]["0"]:
            for structure in arm["structures"]:
                at = about | {"case": case, "structure": structure, "space": "crop", "n_train": ""}
                rows += [at | {"method": "atlas", "n_train": n, "dice": 0.3 + 0.04 * np.log2(n)} for n in arm["sizes"]]
                rows.append(at | {"method": "resampling", "dice": 0.93})
                rows.append(at | {"method": "readers", "dice": 0.85, "space": "native"})
    pd.DataFrame(rows).to_csv(run_dir / "floors.csv", index=False)
