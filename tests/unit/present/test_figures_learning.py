"""Validation Dice while training: which panels there are, and what their lines are the mean of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from globalmask.present import style
from globalmask.present.figures_learning import histories, learning_figure, mean_curve, shown_sizes

Run = tuple[Path, dict[str, Any]]


def test_the_mean_ends_with_the_shortest_run() -> None:
    curves = [pd.Series([0.1, 0.5, 0.9], [40, 80, 120]), pd.Series([0.3, 0.7], [40, 80])]
    assert mean_curve(curves).to_dict() == pytest.approx({40: 0.2, 80: 0.6})


def test_a_panel_for_the_smallest_size_four_cases_and_the_largest(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 2, 4, 8), replicates=2, variants=("modern", "paper"))
    assert shown_sizes(plan, "brain", "modern") == [1, 4, 8]
    figure, caption = learning_figure(run_dir, plan)
    plt.close(figure)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == [f"brain, {variant}, n = {n}" for variant in ("modern", "paper") for n in (1, 4, 8)]
    assert "Thick: mean over runs" in caption
    thick = max(figure.axes[0].lines, key=lambda line: (line.get_color() == style.scenario_colour("ct"), line.zorder))
    curves = histories(run_dir, plan, ("brain", "modern", "ct", 1))
    assert len(curves) == 2
    assert list(thick.get_ydata()) == pytest.approx(list(mean_curve([run["val_dice"] for run in curves])))


def test_overlap_before_the_threshold_is_drawn_where_the_dice_loss_trains_alone(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 4), replicates=2, variants=("modern", "paper"))
    losses = [history["val_loss"] for history in histories(run_dir, plan, ("brain", "paper", "mask", 4))]
    figure, caption = learning_figure(run_dir, plan)
    dotted = [[line for line in axes.lines if line.get_linestyle() == ":"] for axes in figure.axes]
    plt.close(figure)
    assert [len(lines) for lines in dotted] == [0, 0, 3, 3]
    assert list(dotted[3][1].get_ydata()) == pytest.approx(list(1 - sum(losses) / 2))
    assert "before a threshold" in caption
    plan["variants"] = plan["variants"][:1]
    figure, caption = learning_figure(run_dir, plan)
    plt.close(figure)
    assert "Dotted" not in caption


def test_a_cell_without_histories_leaves_its_panel_empty(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 4), replicates=1)
    for path in run_dir.glob("brain/*/*/n1/*/history.csv"):
        path.unlink()
    figure, _ = learning_figure(run_dir, plan)
    plt.close(figure)
    assert [bool(axes.lines) for axes in figure.axes] == [False, True]
