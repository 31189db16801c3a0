"""Dice in its context: levels with their intervals, between the floor that learns nothing and the ceilings."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from globalmask.present import style
from globalmask.present.evidence_files import pick
from globalmask.present.outputs import Plan, arm_of, editions, variant_of

METHOD_LABELS = {
    "atlas": "atlas of the same cases, no learning",
    "resampling": "truth, resampled",
    "readers": "two readers",
}
METHOD_LINES: dict[str, style.Look] = {
    "atlas": dict(linestyle=(0, (1, 1.5))),
    "resampling": dict(linestyle="-"),
    "readers": dict(linestyle=(0, (5, 2))),
}


def floor_levels(floors: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Mean Dice (over structures, then cases and replicates) of each method and size of an arm.

    On the prepared grid; two readers are compared on the scan's own, where both have drawn. Columns method, n_train
    (NaN for a ceiling that has no size), dice, cases.
    """
    mine = pick(floors, arm=arm)
    mine = mine[mine["space"] == np.where(mine["method"] == "readers", "native", "crop")]
    keys = ["method", "n_train"]
    grouped = mine.groupby([*keys, "structure"], dropna=False, sort=False)["dice"].mean().reset_index()
    means = grouped.groupby(keys, dropna=False, sort=False)["dice"].mean().reset_index()
    cases = mine.groupby(keys, dropna=False, sort=False)["case"].nunique().rename("cases").reset_index()
    return means.merge(cases, on=keys)


def context_figure(plan: Plan, analysis: pd.DataFrame, floors: pd.DataFrame) -> tuple[Figure, str]:
    """Mean Dice of each scenario against training size, one panel an arm, with floors and ceilings as thin lines."""
    pairs = editions(plan)[0].pairs
    columns = min(len(pairs), 2)
    rows = -(-len(pairs) // columns)
    size = (style.WIDTH_INCHES if columns == 2 else 4.8, 2.6 * rows + 0.7)
    layout = ConstrainedLayoutEngine(rect=(0, 0.5 / size[1], 1, 1 - 0.68 / size[1]))
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout=layout)
    for axes in grid.flat[len(pairs) :]:
        axes.remove()
    for index, (arm, variant) in enumerate(pairs):
        levels = pick(analysis, arm=arm, variant=variant, quantity="dice_level", structure="", space="crop")
        _panel(grid.flat[index], plan, arm, variant, levels, floor_levels(floors, arm))
        title = f"{style.panel_letter(index)}   {arm}" if len(pairs) > 1 else arm
        grid.flat[index].set_title(title, loc="left")
    scenarios = dict.fromkeys(s for _, variant in pairs for s in variant_of(plan, variant)["scenarios"])
    figure.legend(handles=_legend(list(scenarios), list(dict.fromkeys(floors["method"]))), loc="lower center", ncol=3)
    return figure, _caption(set(floors["method"]))


def _panel(axes: Axes, plan: Plan, arm: str, variant: str, levels: pd.DataFrame, limits: pd.DataFrame) -> None:
    scenarios, sizes = variant_of(plan, variant)["scenarios"], arm_of(plan, arm)["sizes"]
    for method, rows in limits.groupby("method", sort=False):
        look: style.Look = dict(color=style.GREY, linewidth=0.9, zorder=2) | METHOD_LINES.get(str(method), {})
        if rows["n_train"].isna().all():
            axes.axhline(rows["dice"].mean(), **look)
        else:
            curve = rows.sort_values("n_train")
            axes.plot(curve["n_train"], curve["dice"], **look)
    for place, scenario in enumerate(scenarios):
        aside = 2.0 ** (0.09 * (place - (len(scenarios) - 1) / 2))
        rows = pick(levels, scenario=scenario).sort_values("n_train")
        ends = np.nan_to_num(np.array([rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]]))
        look = dict(color=style.scenario_colour(scenario), marker=style.scenario_marker(scenario), markersize=4.5)
        axes.errorbar(rows["n_train"] * aside, rows["estimate"], yerr=ends, capsize=2, elinewidth=0.8, **look)
    style.dice_over_n(axes, sizes)


def _legend(scenarios: list[str], methods: list[str]) -> list[Line2D]:
    handles = style.scenario_handles(scenarios)
    for method in methods:
        look: style.Look = dict(color=style.GREY, linewidth=0.9) | METHOD_LINES.get(method, {})
        handles.append(Line2D([], [], label=METHOD_LABELS.get(method, method), **look))
    return handles


def _caption(methods: set[str]) -> str:
    text = (
        "Mean Dice over structures against the number of training cases. Unlike in Figure 4, the error bars are "
        "95 % intervals of the mean over cases and runs. "
    )
    said = {
        "atlas": "Dotted grey: a label-frequency atlas of the same training cases, which learns nothing. ",
        "resampling": "Solid grey: the truth itself, brought to the network's grid and back. ",
        "readers": "Dashed grey: one reader against another. ",
    }
    return text + "".join(words for method, words in said.items() if method in methods)
