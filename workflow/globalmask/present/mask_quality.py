"""Do better masks give better segmentations? Mask quality against Dice, one point a test case, and a small table.

The quality of a mask is its Dice with the union of the labels where its recipe aims at that union. A thresholded
head mask has no reference: the overlap of the registered head with the template's mask stands for it, which tells
how well the head was placed. Nothing here is a test; intervals are for one relation at a time.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from scipy import stats

from globalmask.present import style
from globalmask.present.outputs import MASK_QUALITY, Plan, arm_of, editions
from globalmask.present.results import read_json
from globalmask.provenance import atomic

SCENARIOS = ("mask", "ct_mask")
MEASURES = {
    "mask_dice": "Dice of the mask with the union of the labels",
    "template_overlap": "Overlap of the registered head with the template (Dice)",
}
CELL = ["data", "arm", "variant", "scenario", "n_train", "measure"]
FEWEST = 5
"""Cases under which no relation is given an interval."""
CAPTION = (
    "Quality of a test case's mask against the Dice of its segmentation (mean over structures), for the scenarios "
    "that see the mask, at the largest training size; one point a test case, replicates averaged. Spearman's rank "
    f"correlation with its 95 % interval (none under {FEWEST} cases). A head mask has no reference: the overlap of "
    "the registered head with the template stands for it."
)


def quality_points(run_dir: Path, plan: Plan, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a test case of a scenario that sees the mask: CELL, case, quality, dice (mean over structures, box).

    Replicates of a case are averaged. Cases whose masks have no measure of quality are left out.
    """
    rows = scores[(scores["space"] == "crop") & scores["scenario"].isin(SCENARIOS)]
    keys = ["data", "arm", "variant", "scenario", "n_train", "replicate", "mask_set", "case"]
    dice = rows.groupby(keys, as_index=False)["dice"].mean()
    masks = dice[["arm", "mask_set", "case"]].drop_duplicates()
    found = [(*mask, *_quality(run_dir, plan, *mask)) for mask in masks.itertuples(index=False)]
    quality = pd.DataFrame(found, columns=["arm", "mask_set", "case", "measure", "quality"]).dropna()
    joined = dice.merge(quality, on=["arm", "mask_set", "case"])
    return joined.groupby([*CELL, "case"], as_index=False)[["quality", "dice"]].mean()


def _quality(run_dir: Path, plan: Plan, arm: str, mask_set: str, case: str) -> tuple[str | None, float | None]:
    folder = Path(run_dir) / arm
    record = read_json(folder / "masks" / mask_set / f"{case}.quality.json") or {}
    if record.get("dice") is not None:
        return "mask_dice", record["dice"]
    if not arm_of(plan, arm)["registered"]:
        return None, None
    registration: dict[str, Any] = read_json(folder / "prepared" / case / "registration.json") or {}
    return "template_overlap", registration.get("overlap")


def relations(points: pd.DataFrame) -> pd.DataFrame:
    """One row a cell of `quality_points`: CELL, cases, quality_mean, quality_lowest, spearman, low, high (95 %)."""
    rows = []
    for cell, mine in points.groupby(CELL, sort=True):
        rho, low, high = spearman(mine["quality"], mine["dice"])
        quality = mine["quality"]
        rows.append([*cell, len(mine), quality.mean(), quality.min(), rho, low, high])
    columns = [*CELL, "cases", "quality_mean", "quality_lowest", "spearman", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def spearman(first: pd.Series, second: pd.Series) -> tuple[float, float, float]:
    """Rank correlation with its 95 % interval; NaN where a side is constant, no interval under `FEWEST` cases.

    Interval by the z-transform with variance (1 + rho^2 / 2) / (cases - 3): Bonett and Wright, Psychometrika
    65:23-28 (2000). There is none where all ranks agree.
    """
    if first.nunique() < 2 or second.nunique() < 2:
        return math.nan, math.nan, math.nan
    rho = float(stats.spearmanr(first, second).statistic)
    if len(first) < FEWEST or abs(rho) > 1 - 1e-12:
        return rho, math.nan, math.nan
    half = float(stats.norm.ppf(0.975)) * math.sqrt((1 + rho**2 / 2) / (len(first) - 3))
    return rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def write_table(run_dir: Path, plan: Plan, scores: pd.DataFrame, out_dir: Path) -> None:
    """Write `mask_quality.csv`: all arms, variants, sizes and scenarios that see the mask."""
    with atomic(Path(out_dir) / f"{MASK_QUALITY}.csv") as temporary:
        table = relations(quality_points(run_dir, plan, scores))
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6f")


def draw(run_dir: Path, plan: Plan, scores: pd.DataFrame) -> tuple[Figure, str]:
    """The figure and its caption: one panel an arm, its primary variant at the largest size."""
    points = quality_points(run_dir, plan, scores)
    pairs = editions(plan)[0].pairs
    size = (style.WIDTH_INCHES, 2.7 * -(-len(pairs) // 2) + 0.4)
    layout = ConstrainedLayoutEngine(rect=(0, 0.3 / size[1], 1, 1 - 0.48 / size[1]))
    figure, grid = plt.subplots(-(-len(pairs) // 2), 2, figsize=size, squeeze=False, layout=layout)
    for axes in grid.flat[len(pairs) :]:
        axes.remove()
    for index, (arm, variant) in enumerate(pairs):
        mine = points[(points["arm"] == arm) & (points["variant"] == variant)]
        largest = mine[mine["n_train"] == mine["n_train"].max()]
        _panel(grid.flat[index], largest)
        title = arm if mine.empty else f"{arm} (n = {mine['n_train'].max()})"
        grid.flat[index].set_title(f"{style.panel_letter(index)}   {title}", loc="left")
    handles = [
        Line2D([], [], **_look(scenario), markersize=4, label=style.scenario_label(scenario)) for scenario in SCENARIOS
    ]
    figure.legend(handles=handles, loc="lower center", ncol=len(handles))
    return figure, CAPTION


def _panel(axes: Axes, points: pd.DataFrame) -> None:
    axes.set_ylabel("Dice of the segmentation")
    if points.empty:
        axes.text(0.5, 0.5, "no measure of the masks' quality", ha="center", transform=axes.transAxes)
        return
    told = []
    for row in relations(points).itertuples(index=False):
        mine = points[points["scenario"] == row.scenario]
        axes.plot(mine["quality"], mine["dice"], **_look(str(row.scenario)), markersize=4, alpha=0.8)
        told.append(f"{style.scenario_label(str(row.scenario))}: {_spoken(row.spearman, row.low, row.high)}")
    axes.set_xlabel(MEASURES[points["measure"].iloc[0]])
    axes.text(0.02, 0.02, "\n".join(told), va="bottom", fontsize=6.5, transform=axes.transAxes)
    axes.set_ylim(-0.03, 1.03)


def _look(scenario: str) -> style.Look:
    return dict(color=style.scenario_colour(scenario), marker=style.scenario_marker(scenario), linestyle="")


def _spoken(rho: Any, low: Any, high: Any) -> str:
    if rho != rho:
        return "no rank correlation (a constant)"
    return f"rank correlation {rho:.2f}" + (f" ({low:.2f} to {high:.2f})" if low == low else " (no interval)")
