"""Figures 7 and 8: feature maps of the last double convolution of the fourth up block.

Figure 7 shows every map of the CT + mask model; Figure 8 eight maps of three models side by side. Maps of
different trainings do not correspond by index, so they are matched one to one by highest spatial
correlation (Hungarian method on the pooled maps), which the paper leaves open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from globalmask.present import style, volumes
from globalmask.present.outputs import Edition, Plan, arm_of, cell_folder, feature_cells

EIGHT = 8
MISSING = "No feature maps are in this run (they need the scenarios CT and CT + mask)."
Features = dict[str, Any]
Picks = list[tuple[int, float | None]]  # (map, its correlation with the reference map)


def figure7(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> tuple[Figure, str]:
    """All feature maps of CT + mask at n = 4 (or the nearest size), after the CT slice with the truth."""
    cell = next((c for c in feature_cells(plan, edition) if c[2] == "ct_mask"), None)
    features = _load(run_dir, cell)
    if cell is None or features is None:
        return style.message_figure(MISSING), MISSING
    maps = features["maps_slice"].astype(np.float32)
    columns = 9 if len(maps) > 16 else 5
    rows = -(-len(maps) // (columns - 1))
    side = style.WIDTH_INCHES / columns
    height = rows * side + 0.25
    figure = plt.figure(figsize=(style.WIDTH_INCHES, height))
    area: style.Look = dict(left=0.005, right=0.995, bottom=0.01, top=1 - 0.24 / height, wspace=0.06, hspace=0.06)
    grid = figure.add_gridspec(rows, columns, **area)
    _show_input(figure.add_subplot(grid[0, 0]), features, arm_of(plan, cell[0]))
    for index, image in enumerate(maps):
        axes = figure.add_subplot(grid[index // (columns - 1), 1 + index % (columns - 1)])
        _show_map(axes, image, features["label_slice"])
        _tag(axes, str(index + 1))
    caption = (
        f"All {len(maps)} feature maps of the last double convolution of the fourth up block; "
        f"{_model(features, cell)}, test case {features['case']}, axial slice through the middle of the largest "
        f"structure. The first picture is the CT slice with the true structures. {_SCALE}"
    )
    return figure, caption


def figure8(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> tuple[Figure, str]:
    """Eight matched maps of CT few, CT + mask few and CT with twice as many training cases."""
    cells = feature_cells(plan, edition)
    loaded = [_load(run_dir, cell) for cell in cells]
    if len(cells) < 3 or any(features is None for features in loaded):
        return style.message_figure(MISSING), MISSING
    few, both, double = (features for features in loaded if features is not None)
    chosen, (to_few, to_double) = matched_maps(both["maps_pooled"], few["maps_pooled"], double["maps_pooled"])
    itself: Picks = [(index, None) for index in chosen]
    rows: list[tuple[Features, Picks]] = [(few, [*to_few]), (both, itself), (double, [*to_double])]
    side = (style.WIDTH_INCHES - 0.85) / EIGHT
    height = 3 * (side + 0.16) + 0.42
    figure = plt.figure(figsize=(style.WIDTH_INCHES, height))
    area: style.Look = dict(left=0.85 / style.WIDTH_INCHES, right=0.995, bottom=0.17 / height, top=1 - 0.32 / height)
    grid = figure.add_gridspec(3, EIGHT, **area, wspace=0.06, hspace=0.13)
    for row, (features, picks) in enumerate(rows):
        for column, (index, correlation) in enumerate(picks):
            axes = figure.add_subplot(grid[row, column])
            _show_map(axes, features["maps_slice"][index].astype(np.float32), features["label_slice"])
            _tag(axes, str(index + 1))
            if correlation is not None:
                axes.set_xlabel(f"r = {correlation:.2f}", fontsize=6, labelpad=1.5)
            if row == 0:
                axes.set_title(str(column + 1), fontsize=7.5, fontweight="normal", pad=2)
            if column == 0:
                _row_label(axes, row, str(features["scenario"]), int(features["n"]))
    return figure, _matched_caption(cells, rows)


def matched_maps(
    reference: np.ndarray, *others: np.ndarray, count: int = EIGHT
) -> tuple[list[int], list[list[tuple[int, float]]]]:
    """Match maps one to one and keep the `count` reference maps with the highest mean correlation.

    `reference` (K, z, y, x), each of `others` (K', z, y, x) on the same grid. Returns the chosen
    reference indices in rising order, then for each other stack the matched (index, correlation) in that
    order. A constant map correlates 0 with everything. Fewer than `count` when there are fewer maps.
    """
    pairs = []
    for other in others:
        correlation = spatial_correlation(reference, other)
        rows, columns = linear_sum_assignment(correlation, maximize=True)
        pairs.append({int(r): (int(c), float(correlation[r, c])) for r, c in zip(rows, columns, strict=True)})
    common = [index for index in range(len(reference)) if all(index in pair for pair in pairs)]
    common.sort(key=lambda index: -np.mean([pair[index][1] for pair in pairs]))
    chosen = sorted(common[:count])
    return chosen, [[pair[index] for index in chosen] for pair in pairs]


def spatial_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson correlation over voxels of every map of `first` (K, ...) with every map of `second` (K', ...)."""

    def standard(maps: np.ndarray) -> np.ndarray:
        flat = maps.reshape(len(maps), -1).astype(float)
        flat -= flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-12)

    return standard(first) @ standard(second).T


_SCALE = (
    "Each map has its own grey scale from its 1st (black) to its 99th percentile (white); thin orange lines are the "
    "true structures. Numbers are the map's index."
)


def _load(run_dir: Path, cell: tuple[str, str, str, int] | None) -> Features | None:
    path = None if cell is None else cell_folder(run_dir, cell) / "features.npz"
    if path is None or not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] if stored[name].ndim else stored[name].item() for name in stored.files}


def _show_input(axes: Axes, features: Features, arm: Any) -> None:
    image = features["ct_slice"].astype(float)
    extent = (0.0, float(image.shape[1]), float(image.shape[0]), 0.0)
    volumes.show_ct(axes, image, extent, (0.0, 1.0))
    colours = dict(enumerate(style.structure_colours(arm["structures"]).values(), 1))
    volumes.outline_labels(axes, features["label_slice"], extent, colours, width=0.9)
    _tag(axes, "CT")


def _show_map(axes: Axes, image: np.ndarray, label: np.ndarray) -> None:
    low, high = np.percentile(image, [1, 99])
    if high <= low:
        low, high = float(image.min()), float(image.max()) + 1e-6
    extent = (0.0, float(image.shape[1]), float(image.shape[0]), 0.0)
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    volumes.outline(axes, label > 0, extent, "#E69F00", width=0.45, rim=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _tag(axes: Axes, text: str) -> None:
    box: style.Look = dict(boxstyle="square,pad=0.15", facecolor="black", edgecolor="none", alpha=0.6)
    place: style.Look = dict(transform=axes.transAxes, ha="left", va="top", color="white", fontsize=5.5)
    axes.text(0.03, 0.97, text, **place, bbox=box)


def _row_label(axes: Axes, row: int, scenario: str, n: int) -> None:
    text = f"{style.panel_letter(row)}   {style.scenario_label(scenario)}\n     n = {n}"
    place: style.Look = dict(
        transform=axes.transAxes,
        ha="right",
        va="center",
        fontsize=7.5,
        color=style.scenario_colour(scenario),
    )
    axes.text(-0.08, 0.5, text, **place, fontweight="bold")


def _model(features: Features, cell: tuple[str, str, str, int]) -> str:
    return f"{cell[0]}, {style.scenario_label(str(features['scenario']))}, n = {features['n']}"


def _matched_caption(cells: list, rows: list) -> str:
    models = "; ".join(
        f"{style.panel_letter(row)}: {_model(features, cell)}"
        for row, ((features, _), cell) in enumerate(zip(rows, cells, strict=True))
    )
    cases = sorted({str(features["case"]) for features, _ in rows})
    return (
        f"Feature maps of the last double convolution of the fourth up block ({models}; test case {', '.join(cases)}). "
        "Maps of different trainings do not correspond by number: maps of A and C are matched to those of B one to "
        "one by the highest sum of spatial correlations (Hungarian method, maps pooled to 16 x 16 x 16); the columns "
        "are the eight maps of B with the highest mean correlation, and r is the correlation with the map of B in "
        f"that column. {_SCALE}"
    )
