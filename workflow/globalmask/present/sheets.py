"""Sheets: contact sheets of the check and registration pictures, and one page a test case.

A page of a test case shows the prepared CT in three planes with the contours of the mask, the ground
truth and every scenario's prediction at the largest size, so a wrong crop or a flipped label is seen at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from globalmask.present import style, volumes
from globalmask.present.outputs import (
    Plan,
    arm_of,
    case_sheet_name,
    cell_folder,
    full_size,
    tested,
    variant_of,
    variants_of,
)
from globalmask.present.results import mask_set_of_case, read_scores
from globalmask.present.summary import case_dice
from globalmask.provenance import atomic

MASK_COLOUR = "#56B4E9"  # the input mask; the scenario Mask keeps its own colour
TRUTH_COLOUR = "#FFFFFF"
MARGIN_MM, LEAST_MM = 20.0, 100.0


def make_sheets(*, run_dir: Path, plan: Plan, out_dir: Path) -> None:
    """Write every sheet of the run (names: `outputs.sheet_files`) into `out_dir`."""
    style.use_style()
    run_dir, out_dir = Path(run_dir), Path(out_dir)
    scores = read_scores(run_dir)
    for arm in plan["arms"]:
        name, synthetic = arm["name"], arm["synthetic"]
        pictures = {case: run_dir / name / "check" / f"{case}.png" for case in arm["cases"]}
        _save(
            contact_sheet(pictures, title=f"Check, {name}", synthetic=synthetic),
            out_dir / f"check_{name}.png",
        )
        if arm["registered"]:
            pictures = {case: run_dir / name / "prepared" / case / "registration.png" for case in arm["cases"]}
            sheet = contact_sheet(pictures, title=f"Registration, {name}", synthetic=synthetic)
            _save(sheet, out_dir / f"registration_{name}.png")
        for case, replicate in tested(plan, name).items():
            _save(
                case_sheet(run_dir, plan, name, case, replicate, scores),
                out_dir / case_sheet_name(name, case),
            )


def contact_sheet(pictures: dict[str, Path], *, title: str, synthetic: bool, columns: int | None = None) -> Figure:
    """All pictures (case to PNG) on one page, in order, each under its case name; missing ones are said to be so."""
    if not pictures:
        return style.message_figure(f"{title}: no case")
    images = {case: _picture(path) for case, path in pictures.items()}
    shapes = [image.shape[1] / image.shape[0] for image in images.values() if image is not None]
    aspect = float(np.median(shapes)) if shapes else 1.0
    columns = min(columns or (2 if aspect > 1.8 else 5), len(images))
    rows = -(-len(images) // columns)
    cell = 10.0 / columns
    height = rows * (cell * 0.96 / aspect + 0.24) + 0.45
    figure, grid = plt.subplots(rows, columns, figsize=(10.0, height), squeeze=False)
    area: style.Look = dict(left=0.01, right=0.99, bottom=0.04 / height, top=1 - 0.62 / height)
    figure.subplots_adjust(**area, wspace=0.03, hspace=0.24 / (cell / aspect))
    for axes in grid.flat:
        axes.axis("off")
    for axes, (case, image) in zip(grid.flat, images.items(), strict=False):
        axes.set_title(case, fontsize=8, pad=2, loc="left", fontweight="normal")
        if image is None:
            axes.text(0.5, 0.5, "no picture", ha="center", va="center", color=style.GREY)
        else:
            axes.imshow(image, interpolation="antialiased")
    figure.text(0.01, 1 - 0.1 / height, title, va="top", fontsize=11, fontweight="bold")
    style.mark_synthetic(figure, {title: synthetic})
    return figure


def case_sheet(run_dir: Path, plan: Plan, arm: str, case: str, replicate: int, scores: pd.DataFrame) -> Figure:
    """Three planes of one test case; rows: mask and truth, then truth and prediction of each scenario.

    Shows the arm's primary variant at the largest size. Missing files leave their row with a note.
    """
    info, variant = arm_of(plan, arm), variants_of(plan, arm)[0]
    folder = run_dir / arm / "prepared" / case
    ct, truth = (
        volumes.load_volume(folder / "ct.nii.gz"),
        volumes.load_volume(folder / "label.nii.gz"),
    )
    if ct is None or truth is None:
        return style.message_figure(f"{arm}, {case}: not prepared")
    scenarios = variant_of(plan, variant)["scenarios"]
    mask_set = mask_set_of_case(scores, arm, variant, case)
    mask = None if mask_set is None else volumes.load_volume(run_dir / arm / "masks" / mask_set / f"{case}.nii.gz")
    rows: list[tuple[str, volumes.Volume | None, str]] = [("Mask", mask, MASK_COLOUR)]
    n = full_size(info)
    for scenario in scenarios:
        cell = (arm, variant, scenario, n)
        found = volumes.load_volume(cell_folder(run_dir, cell, replicate) / "predictions" / f"{case}.nii.gz")
        dice = case_dice(scores, cell, replicate).get(case, float("nan"))
        label = style.scenario_label(scenario) + ("" if np.isnan(dice) else f"\nDice {dice:.2f}")
        rows.append((f"{label}\nn = {n}", found, style.scenario_colour(scenario)))
    figure = _three_planes(ct, truth, rows, info)
    figure.text(0.012, 0.993, f"{arm}, {case}", va="top", fontsize=10, fontweight="bold")
    style.mark_synthetic(figure, {arm: info["synthetic"]})
    return figure


def _three_planes(
    ct: volumes.Volume,
    truth: volumes.Volume,
    rows: Sequence[tuple[str, volumes.Volume | None, str]],
    info: Mapping[str, Any],
) -> Figure:
    side, head, foot = 2.0, 0.5, 0.3
    size = (3 * side + 0.6, side * len(rows) + head + foot)
    figure, grid = plt.subplots(len(rows), 3, figsize=size, squeeze=False)
    area: style.Look = dict(left=0.6 / size[0], right=0.995, top=1 - head / size[1], bottom=foot / size[1])
    figure.subplots_adjust(**area, wspace=0.03, hspace=0.03)
    for column, plane in enumerate(volumes.PLANES):
        index = volumes.fullest_slice(truth.array, len(info["structures"]), axis=column)
        background, extent = volumes.plane_of(ct, plane, index)
        true_labels = volumes.plane_of(truth, plane, index)[0]
        shown = [
            true_labels,
            *(volumes.plane_of(v, plane, index)[0] for _, v, _ in rows if v is not None),
        ]
        limits = volumes.window_limits(shown, extent, margin_mm=MARGIN_MM, least_mm=LEAST_MM)
        for row, (name, volume, colour) in enumerate(rows):
            axes = grid[row, column]
            volumes.show_ct(axes, background, extent, tuple(info["clip_hu"]))
            for value in range(1, len(info["structures"]) + 1):
                volumes.outline(axes, true_labels == value, extent, TRUTH_COLOUR, width=0.7)
                if volume is not None and name != "Mask":
                    found = volumes.plane_of(volume, plane, index)[0]
                    volumes.outline(axes, found == value, extent, colour, width=1.0, rim=False)
            if volume is not None and name == "Mask":
                volumes.outline(axes, volumes.plane_of(volume, plane, index)[0] > 0, extent, colour, width=1.2)
            axes.set_xlim(limits[0], limits[1])
            axes.set_ylim(limits[2], limits[3])
            volumes.orient(axes, plane)
            volumes.scale_bar(axes, limits)
            if row == 0:
                axes.set_title(f"{plane}, slice {index}", fontweight="normal", fontsize=8)
            if column == 0:
                text = name if volume is not None else f"{name}\n(not there)"
                note: style.Look = dict(rotation=90, ha="center", va="center", fontsize=7.5, transform=axes.transAxes)
                axes.text(-0.13, 0.5, text, **note)
    _line_legend(figure, [(name.split("\n")[0], colour) for name, _, colour in rows])
    return figure


def _line_legend(figure: Figure, lines: Sequence[tuple[str, str]]) -> None:
    handles = [Line2D([], [], color="white", linewidth=1.6, label=style.TRUTH_LABEL, path_effects=volumes.halo(3.0))]
    shown = dict.fromkeys(
        ("Mask contour" if name == "Mask" and i == 0 else name, colour) for i, (name, colour) in enumerate(lines)
    )
    handles += [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in shown]
    figure.legend(handles=handles, loc="lower center", ncol=len(handles))


def _picture(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    with Image.open(path) as image:
        image.thumbnail((900, 900))
        return np.asarray(image.convert("RGB"))


def _save(figure: Figure, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, metadata={"Software": None})
    plt.close(figure)
