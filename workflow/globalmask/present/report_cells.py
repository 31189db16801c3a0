"""The matrix of the run: Dice of every cell for the page, and what the page shows of a cell that is clicked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from globalmask.present import style
from globalmask.present.outputs import Plan, replicates_of, variant_of, variants_of
from globalmask.present.results import read_history
from globalmask.present.summary import case_means

MOST_POINTS = 100  # of one curve in the page; all of them lie in history.csv
NARROWEST = 0.3  # Dice between the ends of the colours: a smaller difference shall not look large
CURVES = ("train_loss", "val_loss", "val_dice")
_RAMP = matplotlib.colormaps["YlGnBu"]  # one hue from light to dark: told apart in grey and with any colour vision
Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Square:
    """One cell in the matrix: mean Dice with its spread over runs, where it leads, its colours."""

    place: str
    words: str
    text: str
    spread: str
    colour: str
    ink: str


@dataclass(frozen=True)
class Line:
    """One row of the matrix: a variant's scenario, a square (or None: not trained) for each size."""

    variant: str
    begins: bool
    scenario: str
    squares: list[Square | None]


def matrix(plan: Plan, scores: pd.DataFrame) -> list[dict[str, Any]]:
    """For each arm its sizes and lines: mean Dice over structures, cases and runs, on the box's grid."""
    runs, limits = _run_means(scores), colour_limits(scores)
    found = []
    for arm in plan["arms"]:
        name, sizes = arm["name"], list(arm["sizes"])
        lines = []
        for variant in variants_of(plan, name):
            for place, scenario in enumerate(variant_of(plan, variant)["scenarios"]):
                squares = [_square((name, variant, scenario, n), runs, limits) for n in sizes]
                lines.append(Line(variant, place == 0, style.scenario_label(scenario), squares))
        found.append({"arm": name, "synthetic": arm["synthetic"], "sizes": sizes, "lines": lines})
    return found


def colour_limits(scores: pd.DataFrame) -> tuple[float, float]:
    """Dice at both ends of the colours: what occurs, in tenths outwards, at least `NARROWEST` apart."""
    means = pd.Series([values.mean() for values in _run_means(scores).values()], dtype=float).dropna()
    if means.empty:
        return 0.0, 1.0
    low, high = math.floor(means.min() * 10) / 10, math.ceil(means.max() * 10) / 10
    return max(0.0, min(low, round(high - NARROWEST, 1))), max(high, NARROWEST)


def ramp() -> list[str]:
    """Colours from the lower to the upper limit, for the legend."""
    return [_colour(step / 10)[0] for step in range(11)]


def cell_data(run_dir: Path, plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    """What the page knows of every cell, ready for JSON: curves of its runs, Dice by structure and by case."""
    cases = case_means(scores)
    means = dict(iter(cases.groupby(["arm", "variant", "scenario", "n_train"], sort=False)))
    cells = []
    for arm in plan["arms"]:
        for variant in variants_of(plan, arm["name"]):
            for scenario in variant_of(plan, variant)["scenarios"]:
                for n, replicates in replicates_of(plan, variant, arm["name"]).items():
                    key = (arm["name"], variant, scenario, n)
                    if key in means:
                        cells.append(_cell(run_dir, arm, key, replicates, means[key], runs))
    arms = {
        arm["name"]: {
            "synthetic": arm["synthetic"],
            "structures": [style.structure_label(structure) for structure in arm["structures"]],
        }
        for arm in plan["arms"]
    }
    words = {cell["scenario"] for cell in cells}
    scenarios = {word: {"label": style.scenario_label(word), "colour": style.scenario_colour(word)} for word in words}
    return {"arms": arms, "scenarios": dict(sorted(scenarios.items())), "cells": cells}


def place_of(key: Key) -> str:
    """Where a cell is found in the page: `brain/modern/ct_mask/4`."""
    return "/".join(map(str, key))


def _cell(
    run_dir: Path, arm: Any, key: Key, replicates: int, cases: pd.DataFrame, runs: pd.DataFrame
) -> dict[str, Any]:
    table = cases.pivot(index="case", columns="structure", values="value").reindex(columns=arm["structures"])
    mean = table.mean(axis=1)
    order = sorted(table.index, key=lambda case: (math.inf if math.isnan(mean[case]) else mean[case], case))
    name, variant, scenario, n = key
    return {
        **{"place": place_of(key), "arm": name, "variant": variant, "scenario": scenario, "n": n},
        "runs": [_run(run_dir, key, replicate, runs) for replicate in range(replicates)],
        "structures": [[_rounded(table[s].mean()), _rounded(table[s].std())] for s in arm["structures"]],
        "cases": [[case, _rounded(mean[case]), [_rounded(value) for value in table.loc[case]]] for case in order],
    }


def _run(run_dir: Path, key: Key, replicate: int, runs: pd.DataFrame) -> dict[str, Any]:
    history = read_history(run_dir, key, replicate)
    arm, variant, scenario, n = key
    mine = runs[(runs["arm"] == arm) & (runs["variant"] == variant) & (runs["scenario"] == scenario)]
    records = mine[(mine["n"] == n) & (mine["replicate"] == replicate)].to_dict("records")
    record = records[0] if records else {}
    found: dict[str, Any] = {"replicate": replicate, "stopped": record.get("stop_reason")}
    found |= {name: _rounded(record.get(name)) for name in ("best_step", "hours", "best_val_dice")}
    if history is not None:
        thin = _thinned(history, record.get("best_step"))
        found["step"] = [int(step) for step in thin["step"]]
        found |= {name: [_rounded(value) for value in thin[name]] for name in CURVES if name in thin}
    return found


def _thinned(history: pd.DataFrame, best_step: Any) -> pd.DataFrame:
    """At most `MOST_POINTS` rows, evenly spaced with both ends, and beside them the row of the best step."""
    shown = np.zeros(len(history), bool)
    shown[np.linspace(0, len(history) - 1, MOST_POINTS).round().astype(int)] = True
    return history[shown | (history["step"] == best_step)]


def _run_means(scores: pd.DataFrame) -> dict[Key, pd.Series]:
    """Mean Dice of every run of a cell: over cases of the structure means."""
    rows = scores[scores["space"] == "crop"]
    keys = ["arm", "variant", "scenario", "n_train"]
    structures = rows.groupby([*keys, "replicate", "structure"], sort=False)["dice"].mean()
    by_run = structures.groupby([*keys, "replicate"], sort=False).mean()
    return dict(iter(by_run.groupby(keys, sort=False)))


def _square(key: Key, runs: dict[Key, pd.Series], limits: tuple[float, float]) -> Square | None:
    if key not in runs:
        return None
    values = runs[key]
    mean = float(values.mean())
    if math.isnan(mean):
        return None
    spread = f"± {values.std():.2f}" if len(values) > 1 else ""
    arm, variant, scenario, n = key
    words = f"{arm}, {variant}, {style.scenario_label(scenario)}, n = {n}: Dice {mean:.2f} {spread}".strip()
    low, high = limits
    return Square(place_of(key), words, f"{mean:.2f}", spread, *_colour((mean - low) / (high - low)))


def _colour(share: float) -> tuple[str, str]:
    """Ground and ink for a share of 0 to 1 of the way between the limits; the ink is the one of higher contrast."""
    rgb = _RAMP(0.04 + 0.9 * min(max(share, 0.0), 1.0))[:3]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in rgb]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return matplotlib.colors.to_hex(rgb), "#ffffff" if luminance < 0.19 else "#0b1116"


def _rounded(value: Any) -> float | None:
    number = float("nan") if value is None else float(value)
    return None if math.isnan(number) or math.isinf(number) else float(f"{number:.4g}")
