"""The figure of shifted test CTs: what its lines are, and that it is there only where it was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from globalmask.evidence.shifts import SHIFTS
from globalmask.present import style
from globalmask.present.figures import make_figures
from globalmask.present.figures_robustness import case_ladders, robustness_figure
from globalmask.present.outputs import Ladder, figure_files, robustness_figures

Run = tuple[Path, dict[str, Any]]
SHOWN = Ladder("brain", "modern", 8)


def drawn_rows(
    *, masks: tuple[str, ...] = ("frozen", "remade"), shifts: tuple[str, ...] = tuple(SHIFTS)
) -> pd.DataFrame:
    """CT falls by 0.4 to the strongest step, mask not at all; a case adds 0.1, a structure 0.02, a replicate 0.2."""
    rows = [
        {
            **{"arm": "brain", "variant": "modern", "scenario": scenario, "n_train": 8, "replicate": replicate},
            **{"case": f"brain_{case:02d}", "structure": structure, "space": "crop"},
            **{"shift": shift, "strength": strength, "masks": kind},
            "dice": 0.5 - falls * strength / max(SHIFTS[shift].strengths) + 0.1 * case + 0.02 * s + 0.2 * replicate,
        }
        for scenario, falls in (("ct", 0.4), ("mask", 0.0))
        for replicate in range(2)
        for case in range(2)
        for s, structure in enumerate(("brain_stem", "left_eye"))
        for shift in shifts
        for strength in (0, *SHIFTS[shift].strengths)
        for kind in masks
    ]
    return pd.DataFrame(rows)


def plan_with(plan: dict[str, Any]) -> dict[str, Any]:
    return plan | {"robustness": [["brain", "modern", 1], ["brain", "modern", 8], ["heart", "modern", 8]]}


def test_structures_then_replicates_are_averaged() -> None:
    cases = case_ladders(drawn_rows())
    one = cases.query("scenario == 'ct' and shift == 'noise' and masks == 'frozen' and case == 'brain_01'")
    assert one["strength"].tolist() == [0, 50, 100, 200]
    assert one["value"].tolist() == pytest.approx([0.71, 0.61, 0.51, 0.31])


def test_a_panel_a_shift_and_a_line_a_scenario_and_kind_of_mask(small_run: Run) -> None:
    _, plan = small_run
    figure, caption = robustness_figure(plan, SHOWN, drawn_rows())
    assert len(figure.axes) == len(SHIFTS)
    assert [axes.get_title(loc="left").split("   ")[1] for axes in figure.axes] == [s.label for s in SHIFTS.values()]
    lines = {(line.get_color(), line.get_linestyle()): np.asarray(line.get_ydata()) for line in figure.axes[0].lines}
    plt.close(figure)
    assert len(lines) == 4
    assert lines[style.scenario_colour("ct"), "-"] == pytest.approx([0.66, 0.56, 0.46, 0.26])
    assert lines[style.scenario_colour("mask"), "-"] == pytest.approx([0.66] * 4)
    assert "dashed" in caption


def test_masks_that_cannot_be_made_again_are_said(small_run: Run) -> None:
    _, plan = small_run
    figure, caption = robustness_figure(plan, SHOWN, drawn_rows(masks=("frozen",), shifts=("blur",)))
    assert len(figure.axes) == 1
    plt.close(figure)
    assert "cannot be made again" in caption
    assert "dashed" not in caption


def test_the_largest_size_of_each_arm_has_a_figure(small_run: Run) -> None:
    _, plan = small_run
    assert robustness_figures(plan) == {}
    assert not [name for name in figure_files(plan) if "robustness" in name]
    found = robustness_figures(plan_with(plan))
    assert found == {"robustness": SHOWN, "robustness_heart_modern": Ladder("heart", "modern", 8)}


def test_it_is_drawn_with_the_others_and_called_synthetic(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(8,), images=False)
    plan = plan | {"robustness": [["brain", "modern", 8]]}
    drawn_rows().to_csv(run_dir / "robustness.csv", index=False)
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    assert sorted(path.name for path in (run_dir / "figures").iterdir()) == sorted(figure_files(plan))
    captions = json.loads((run_dir / "figures" / "captions.json").read_text(encoding="utf-8"))
    assert captions["robustness"].endswith("SYNTHETIC data (a phantom, no patient): brain.")
