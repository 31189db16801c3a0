"""Validation Dice while a network learns: does the mask help one that has not learnt yet?"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from globalmask.present import style
from globalmask.present.answer import MASKED, UNAIDED
from globalmask.present.outputs import FEW, Plan, contrasted_variants, replicates_of, variant_of
from globalmask.present.results import read_history

SHOWN = (UNAIDED, "mask", MASKED)
FEW_ROWS = 4
CAPTION = (
    "Mean Dice on the validation cases against optimiser steps, at the smallest training size, at four cases and at "
    "the largest. Thick: mean over runs, as far as all of them trained; thin: single runs. Lines that part early and "
    "meet at the end would show a mask that helps only networks which have not learnt yet."
)
SOFT_LABEL = "before the threshold"
SOFT_CAPTION = (
    " Dotted, where the Dice loss trains alone: one minus its mean on the validation cases, the Dice of the chances "
    "before a threshold. Where it rises while Dice stays at 0, the network finds the structure, with chances under one "
    "half."
)


def learning_figure(run_dir: Path, plan: Plan) -> tuple[Figure, str]:
    """A row of panels for each arm and variant that has both CT and CT + mask, a panel for each size shown."""
    pairs = [(arm["name"], name) for arm in plan["arms"] for name in contrasted_variants(plan, arm["name"])]
    sizes = [shown_sizes(plan, arm, variant) for arm, variant in pairs]
    soft = {name for _, name in pairs if variant_of(plan, name)["settings"]["loss"] == "dice"}
    columns = max(map(len, sizes))
    size = (style.WIDTH_INCHES, (1.75 if len(pairs) <= FEW_ROWS else 1.35) * len(pairs) + 0.4)
    layout = ConstrainedLayoutEngine(rect=(0, 0.3 / size[1], 1, 1 - 0.4 / size[1]))
    figure, grid = plt.subplots(len(pairs), columns, figsize=size, squeeze=False, layout=layout, sharey=True)
    for row, ((arm, variant), trained) in enumerate(zip(pairs, sizes, strict=True)):
        scenarios = [name for name in SHOWN if name in variant_of(plan, variant)["scenarios"]]
        for axes, n in zip(grid[row], trained, strict=False):
            for scenario in scenarios:
                _draw(axes, histories(run_dir, plan, (arm, variant, scenario, n)), scenario, variant in soft)
            axes.set_title(f"{arm}, {variant}, n = {n}", loc="left", fontsize=8)
            if row == len(pairs) - 1:
                axes.set_xlabel("Optimiser steps")
            axes.set_xlim(left=0)
            axes.grid(axis="y", color="#E3E7EB", linewidth=0.6)
        for axes in grid[row, len(trained) :]:
            axes.remove()
        grid[row, 0].set_ylabel("Validation Dice")
    grid[0, 0].set_ylim(-0.03, 1.03)
    drawn = {name for _, variant in pairs for name in variant_of(plan, variant)["scenarios"]}
    handles = style.scenario_lines([name for name in SHOWN if name in drawn])
    if soft:
        handles.append(Line2D([], [], color=style.GREY, linestyle=":", label=SOFT_LABEL))
    figure.legend(handles=handles, loc="lower center", ncol=len(handles))
    return figure, CAPTION + (SOFT_CAPTION if soft else "")


def shown_sizes(plan: Plan, arm: str, variant: str) -> list[int]:
    """The smallest and the largest trained size and, where it is trained, four cases."""
    trained = replicates_of(plan, variant, arm)
    return sorted({min(trained), max(trained)} | ({FEW} & set(trained)))


def histories(run_dir: Path, plan: Plan, cell: tuple[str, str, str, int]) -> list[pd.DataFrame]:
    """Validation loss and Dice by optimiser step, a table a run; runs without a history are left out."""
    arm, variant, _, n = cell
    read = (read_history(run_dir, cell, replicate) for replicate in range(replicates_of(plan, variant, arm)[n]))
    tables = [history.set_index("step")[["val_loss", "val_dice"]].dropna() for history in read if history is not None]
    return [table for table in tables if len(table)]


def mean_curve(curves: list[pd.Series]) -> pd.Series:
    """Mean over runs at the steps that all of them have."""
    return pd.concat(curves, axis=1, join="inner").sort_index().mean(axis=1)


def _draw(axes: Axes, runs: list[pd.DataFrame], scenario: str, soft: bool) -> None:
    colour = style.scenario_colour(scenario)
    for run in runs:
        axes.plot(run.index, run["val_dice"], color=colour, linewidth=0.5, alpha=0.35)
    if not runs:
        return
    dice, loss = (mean_curve([run[name] for run in runs]) for name in ("val_dice", "val_loss"))
    axes.plot(dice.index, dice, color=colour, zorder=4)
    if soft:
        axes.plot(loss.index, 1 - loss, color=colour, linewidth=1, linestyle=":", zorder=3)
