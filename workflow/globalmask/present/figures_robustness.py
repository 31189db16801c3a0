"""Dice against the strength of shifts of the test CTs: a panel a shift, a line a scenario and kind of mask."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from globalmask.evidence.shifts import FROZEN, REMADE, SHIFTS
from globalmask.present import style
from globalmask.present.outputs import Ladder, Plan, arm_of, variant_of

COLUMNS = 4
LOOKS: dict[str, style.Look] = {
    FROZEN: {"linestyle": "-", "linewidth": 1.3},
    REMADE: {"linestyle": (0, (3, 1.5)), "linewidth": 1.1, "markerfacecolor": "white"},
}


def read_robustness(run_dir: Path) -> pd.DataFrame:
    """`robustness.csv` of a run; names are text."""
    text = dict.fromkeys(("arm", "variant", "scenario", "case", "structure", "shift", "masks"), str)
    return pd.read_csv(Path(run_dir) / "robustness.csv", dtype=text, keep_default_na=False, na_values=[""])


def robustness_figure(plan: Plan, ladder: Ladder, rows: pd.DataFrame) -> tuple[Figure, str]:
    """The ladders of one arm, variant and size, and the caption."""
    mine = (rows["arm"] == ladder.arm) & (rows["variant"] == ladder.variant) & (rows["n_train"] == ladder.n)
    cases = case_ladders(rows[mine])
    shifts = [shift for shift in SHIFTS if shift in set(cases["shift"])]
    scenarios = [name for name in variant_of(plan, ladder.variant)["scenarios"] if name in set(cases["scenario"])]
    lines = -(-len(shifts) // COLUMNS)
    size = (style.WIDTH_INCHES, 1.75 * lines + 0.6)
    layout = ConstrainedLayoutEngine(rect=(0, 0.3 / size[1], 1, 1 - 0.5 / size[1]))
    figure, grid = plt.subplots(lines, COLUMNS, figsize=size, squeeze=False, sharey=True, layout=layout)
    for axes in grid.flat[len(shifts) :]:
        axes.remove()
    for index, (shift, axes) in enumerate(zip(shifts, grid.flat, strict=False)):
        _panel(axes, shift, scenarios, cases[cases["shift"] == shift])
        axes.set_title(f"{style.panel_letter(index)}   {SHIFTS[shift].label}", loc="left", fontsize=8)
        if index % COLUMNS == 0:
            axes.set_ylabel("Mean Dice coefficient")
    handles = _legend(scenarios, remade=REMADE in set(cases["masks"]))
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), columnspacing=1.3)
    return figure, _caption(plan, ladder, cases)


def case_ladders(rows: pd.DataFrame) -> pd.DataFrame:
    """Dice (`value`) of each scenario, shift, strength, kind of mask and case, over structures, then replicates."""
    keys = ["scenario", "shift", "strength", "masks", "case"]
    runs = rows.groupby([*keys, "replicate"], as_index=False, sort=False)["dice"].mean()
    return runs.groupby(keys, as_index=False, sort=False)["dice"].mean().rename(columns={"dice": "value"})


def _panel(axes: Axes, shift: str, scenarios: list[str], cases: pd.DataFrame) -> None:
    strongest = max(SHIFTS[shift].strengths)
    for place, scenario in enumerate(scenarios):
        colour, marker = style.scenario_colour(scenario), style.scenario_marker(scenario)
        for masks, look in LOOKS.items():
            mine = cases[(cases["scenario"] == scenario) & (cases["masks"] == masks)]
            aside = strongest * 0.022 * (2 * place - len(scenarios) + 1 + (0.5 if masks == REMADE else -0.5))
            dots: style.Look = dict(s=4, color=colour, alpha=0.35, linewidths=0, zorder=2)
            axes.scatter(mine["strength"] + aside, mine["value"], **dots)
            mean = mine.groupby("strength")["value"].mean()
            line: style.Look = dict(color=colour, marker=marker, markersize=3, markeredgewidth=0.7, zorder=3)
            axes.plot(mean.index + aside, mean, **line | look)
    axes.set_xticks([0, *SHIFTS[shift].strengths], [f"{value:g}" for value in (0, *SHIFTS[shift].strengths)])
    axes.set_xlabel(SHIFTS[shift].unit)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.grid(axis="y", color="#E3E7EB", linewidth=0.6)
    axes.set_axisbelow(True)


def _legend(scenarios: list[str], *, remade: bool) -> list[Line2D]:
    handles = [
        Line2D(
            [],
            [],
            color=style.scenario_colour(scenario),
            marker=style.scenario_marker(scenario),
            markersize=3,
            label=style.scenario_label(scenario),
        )
        for scenario in scenarios
    ]
    words = {FROZEN: "masks of the clean scan", REMADE: "masks made again"}
    kinds = [FROZEN, REMADE] if remade else [FROZEN]
    handles += [Line2D([], [], color=style.GREY, label=words[kind], **LOOKS[kind]) for kind in kinds]
    handles.append(Line2D([], [], color=style.GREY, marker="o", markersize=2.5, linestyle="", label="test case"))
    return handles


def _caption(plan: Plan, ladder: Ladder, cases: pd.DataFrame) -> str:
    text = (
        f"Mean Dice coefficient of {ladder.arm} (variant {ladder.variant}, n = {ladder.n}) when the test CTs alone are "
        "shifted: raw HU, before clipping and scaling; nothing is trained again. Strength 0 is the scan as it is. "
        "Lines: mean over test cases; dots: the single cases (structures"
    )
    text += ", then replicates, averaged). " if plan["replicates"] > 1 else " averaged). "
    if REMADE in set(cases["masks"]):
        text += (
            "Solid: the mask is that of the clean scan; dashed: it is made again from the shifted scan with the "
            "clean scan's registration. "
        )
    else:
        text += "The masks are those of the clean scan: masks of this source cannot be made again. "
    text += "Gamma and inversion act in the window that the networks see"
    low, high = arm_of(plan, ladder.arm)["clip_hu"]
    text += f" ({low:g} to {high:g} HU). Symbols are set slightly apart so that lines can be told. "
    return text
