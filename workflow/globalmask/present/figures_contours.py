"""Figures 3 and 5: contours of the ground truth and of two models over an axial CT slice.

Figure 3: CT and mask at the largest size, two test cases an arm; Figure 5: CT and CT + mask trained on
four cases (or the nearest size), one test case an arm. Rows are cases, columns ground truth and models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from globalmask.present import style, volumes
from globalmask.present.outputs import (
    FEW,
    Edition,
    Plan,
    arm_of,
    cell_folder,
    full_size,
    nearest_size,
    variant_of,
)
from globalmask.present.summary import case_dice, median_and_worst

MARGIN_MM = 14.0
LEAST_MM = 70.0
_SWATCH: style.Look = dict(linestyle="", marker="s", markersize=6.5, markeredgecolor="#3A424A", markeredgewidth=0.5)


@dataclass(frozen=True)
class Row:
    """One case of a figure: the CT and label slice, and each model's slice (None when not there) and Dice."""

    title: str
    ct: np.ndarray
    truth: np.ndarray
    models: dict[str, tuple[np.ndarray | None, float]]
    extent: volumes.Extent
    limits: volumes.Extent
    colours: dict[int, str]
    clip_hu: tuple[float, float]


def figure3(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> tuple[Figure, str]:
    """Ground truth, CT and mask at the largest size; the median and the worst test case of each arm."""
    rows = _rows(run_dir, plan, edition, scores, scenarios=("ct", "mask"), few=False, cases=2)
    caption = _caption(plan, edition, ("ct", "mask"), few=False, which="the median and the worst test case")
    return _draw(rows, ("ct", "mask"), edition, plan), caption


def figure5(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> tuple[Figure, str]:
    """Ground truth, CT and CT + mask at n = 4 (or the nearest size); the median test case of each arm."""
    rows = _rows(run_dir, plan, edition, scores, scenarios=("ct", "ct_mask"), few=True, cases=1)
    caption = _caption(plan, edition, ("ct", "ct_mask"), few=True, which="the median test case")
    return _draw(rows, ("ct", "ct_mask"), edition, plan), caption


def cases_shown(plan: Plan, arm: str, variant: str, scores: pd.DataFrame) -> list[str]:
    """The median and the worst test case by mean Dice of CT + mask at full size (replicate 0).

    Without that scenario the variant's last one decides. Empty when nothing is scored.
    """
    scenarios = variant_of(plan, variant)["scenarios"]
    decides = "ct_mask" if "ct_mask" in scenarios else scenarios[-1]
    return median_and_worst(case_dice(scores, (arm, variant, decides, full_size(arm_of(plan, arm)))))


def _rows(
    run_dir: Path,
    plan: Plan,
    edition: Edition,
    scores: pd.DataFrame,
    *,
    scenarios: Sequence[str],
    few: bool,
    cases: int,
) -> list[Row]:
    rows = []
    for arm, variant in edition.pairs:
        info = arm_of(plan, arm)
        n = nearest_size(info, FEW) if few else full_size(info)
        for case in cases_shown(plan, arm, variant, scores)[:cases]:
            models = {}
            for scenario in scenarios:
                cell = (arm, variant, scenario, n)
                path = cell_folder(run_dir, cell) / "predictions" / f"{case}.nii.gz"
                models[scenario] = (
                    volumes.load_volume(path),
                    case_dice(scores, cell).get(case, float("nan")),
                )
            row = _row(run_dir, info, case, n, models)
            rows += [row] if row is not None else []
    return rows


def _row(run_dir: Path, info: Mapping[str, Any], case: str, n: int, models: dict[str, Any]) -> Row | None:
    folder = Path(run_dir) / info["name"] / "prepared" / case
    ct, truth = (
        volumes.load_volume(folder / "ct.nii.gz"),
        volumes.load_volume(folder / "label.nii.gz"),
    )
    if ct is None or truth is None:
        return None
    z = volumes.fullest_slice(truth.array, len(info["structures"]))
    ct_slice, extent = volumes.plane_of(ct, "axial", z)
    slices = {
        name: (None if v is None else volumes.plane_of(v, "axial", z)[0], dice) for name, (v, dice) in models.items()
    }
    truth_slice = volumes.plane_of(truth, "axial", z)[0]
    labelled = [truth_slice, *(image for image, _ in slices.values() if image is not None)]
    limits = volumes.window_limits(labelled, extent, margin_mm=MARGIN_MM, least_mm=LEAST_MM)
    colours = dict(enumerate(style.structure_colours(info["structures"]).values(), 1))
    title = f"{info['name']}, {case}\nn = {n}"
    return Row(title, ct_slice, truth_slice, slices, extent, limits, colours, tuple(info["clip_hu"]))


def _draw(rows: list[Row], scenarios: Sequence[str], edition: Edition, plan: Plan) -> Figure:
    if not rows:
        return style.message_figure("No predictions of the cases to show are in this run.")
    arms = [arm_of(plan, arm) for arm, _ in edition.pairs]
    foot, head, side = 0.2 + 0.2 * len(arms), 0.42, 2.05
    height = side * len(rows) + foot + head
    figure, grid = plt.subplots(len(rows), 3, figsize=(3 * side + 0.55, height), squeeze=False)
    area: style.Look = dict(left=0.5 / (3 * side + 0.55), right=0.995, top=1 - head / height, bottom=foot / height)
    figure.subplots_adjust(**area, wspace=0.03, hspace=0.03)
    for index, row in enumerate(rows):
        _draw_row(grid[index], row, scenarios)
        place: style.Look = dict(
            rotation=90, ha="center", va="center", fontsize=7.5, transform=grid[index, 0].transAxes
        )
        grid[index, 0].text(-0.12, 0.5, f"{style.panel_letter(index)}   {row.title}", **place)
    grid[0, 0].set_title(style.TRUTH_LABEL, color=style.INK)
    for column, scenario in enumerate(scenarios, 1):
        grid[0, column].set_title(style.scenario_label(scenario), color=style.scenario_colour(scenario))
    for line, arm in enumerate(arms):
        _structure_legend(figure, arm, y=(foot - 0.2 * (line + 0.6)) / height)
    return figure


def _draw_row(panels: np.ndarray, row: Row, scenarios: Sequence[str]) -> None:
    for axes in panels:
        volumes.show_ct(axes, row.ct, row.extent, row.clip_hu)
        axes.set_xlim(row.limits[0], row.limits[1])
        axes.set_ylim(row.limits[2], row.limits[3])
    volumes.outline_labels(panels[0], row.truth, row.extent, row.colours)
    volumes.orient(panels[0], "axial")
    volumes.scale_bar(panels[0], row.limits)
    for axes, scenario in zip(panels[1:], scenarios, strict=True):
        image, dice = row.models[scenario]
        if image is None:
            _note(axes, "not run")
            continue
        for value in row.colours:
            volumes.outline(axes, row.truth == value, row.extent, "white", width=0.6, style="--")
        volumes.outline_labels(axes, image, row.extent, row.colours)
        _note(axes, "" if np.isnan(dice) else f"Dice {dice:.2f}")


def _note(axes: Axes, text: str) -> None:
    place: style.Look = dict(transform=axes.transAxes, ha="right", va="top", color="white", fontsize=7)
    axes.text(0.97, 0.97, text, **place, path_effects=volumes.halo(1.6))


def _structure_legend(figure: Figure, arm: Mapping[str, Any], y: float) -> None:
    colours = style.structure_colours(arm["structures"])
    handles = [
        Line2D([], [], label=style.structure_label(name), markerfacecolor=colour, **_SWATCH)
        for name, colour in colours.items()
    ]
    title = Line2D([], [], linestyle="", label=f"{arm['name']}:")
    place: style.Look = dict(loc="center", bbox_to_anchor=(0.5, y), ncol=len(handles) + 1)
    figure.legend(handles=[title, *handles], **place, handlelength=0.8, columnspacing=1.1, handletextpad=0.4)


def _caption(plan: Plan, edition: Edition, scenarios: Sequence[str], *, few: bool, which: str) -> str:
    sizes = []
    for arm, _ in edition.pairs:
        info = arm_of(plan, arm)
        sizes.append(f"{arm} n = {nearest_size(info, FEW) if few else full_size(info)}")
    models = " and ".join(style.scenario_label(scenario) for scenario in scenarios)
    return (
        f"Contours of the ground truth and of the models {models} ({', '.join(sizes)}) over an axial CT slice. "
        "Thin dashed white lines repeat the ground truth. "
        f"Rule for the cases: {which} by mean Dice of CT + mask at the largest size, replicate 0; "
        "rule for the slice: the one that shows most of all true structures. "
        "The number is the case's mean Dice over structures, in 3D. R and L are the patient's sides."
    )
