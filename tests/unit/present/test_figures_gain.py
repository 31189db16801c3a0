"""Gains and Dice in its context: what the marks are, against hand-worked values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fake_evidence import analysis_of, analysis_row, write_floors
from globalmask.present import style
from globalmask.present.answer import answers
from globalmask.present.evidence_files import read_analysis, read_floors
from globalmask.present.figures_context import context_figure, floor_levels
from globalmask.present.figures_gain import answer_figure, gain_figure, published_gains, run_gains, variant_colour
from globalmask.present.results import read_scores

Run = tuple[Path, dict[str, Any]]


def scores_of(*rows: tuple[str, int, int, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["scenario", "n_train", "replicate", "case", "dice"])
    return frame.assign(arm="brain", variant="modern", structure="brain_stem", space="crop")


def test_the_gain_of_a_run_is_the_mean_of_its_paired_differences() -> None:
    scores = scores_of(
        ("ct", 1, 0, "a", 0.2), ("ct", 1, 0, "b", 0.4), ("ct_mask", 1, 0, "a", 0.5), ("ct_mask", 1, 0, "b", 0.5),
        ("ct", 1, 1, "a", 0.6), ("ct_mask", 1, 1, "a", 0.5),
        ("ct", 4, 0, "a", 0.6),  # CT + mask is not trained yet
    )  # fmt: skip
    gains = run_gains(scores, "brain", "modern")
    assert gains[["n_train", "replicate"]].to_numpy().tolist() == [[1, 0], [1, 1]]
    assert gains["gain"].tolist() == pytest.approx([0.2, -0.1])
    assert run_gains(scores[scores["scenario"] == "ct"], "brain", "modern").empty


def test_published_gains_are_over_the_structures_of_the_arm() -> None:
    whole = {"published": "brain", "structures": ["brain_stem", "left_eye", "right_eye"]}
    assert published_gains(whole)[1] == pytest.approx(0.5633 - 0.25, abs=1e-4)
    assert published_gains(whole | {"structures": ["brain_stem"]})[1] == pytest.approx(0.57 - 0.40)
    assert published_gains(whole | {"published": None}) == {}


def test_the_small_picture_has_every_mark(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 4), replicates=6, images=False)
    analysis, scores = read_analysis(run_dir), read_scores(run_dir)
    answer = answers(plan, analysis)[0]
    figure, caption = answer_figure(plan, answer, scores)
    axes = figure.axes[0]
    runs, paper = (np.asarray(points.get_offsets()) for points in axes.collections)
    bars = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2][1:]
    plt.close(figure)
    assert sorted(runs[:, 1]) == pytest.approx(sorted(run_gains(scores, "brain", "modern")["gain"]))
    assert len(paper) == 6  # the paper's sizes
    assert [list(bar) for bar in bars] == [[reading.low, reading.high] for reading in answer.readings]
    assert axes.patches[0].get_bbox().intervaly.tolist() == [-0.02, 0.02]
    assert "hollow: the paper" in caption


def test_the_forest_has_a_row_for_every_size_and_variant(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(sizes=(1, 4), replicates=2, variants=("paper", "a_long_variant_name"), images=False)
    figure, _ = gain_figure(plan, read_analysis(run_dir), read_scores(run_dir))
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    plt.close(figure)
    for words in texts:
        assert words.count("a_long_variant_name") == words.count("paper") == 2
        assert [words.count(f"n = {n}") for n in (1, 4)] == [1, 1]
        assert words.count("no test") == 4
    assert variant_colour(plan, "paper") != variant_colour(plan, "a_long_variant_name")


def test_the_legend_of_a_ladder_of_variants_lies_inside_the_figure(make_run: Callable[..., Run]) -> None:
    names = tuple(f"a_long_variant_name_{letter}" for letter in "abcdefgh")
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 4), replicates=2, variants=names, images=False)
    with plt.rc_context():
        style.use_style()
        figure, _ = gain_figure(plan, read_analysis(run_dir), read_scores(run_dir))
        figure.canvas.draw()
    legend, axes = (part.get_tightbbox() for part in (figure.legends[0], figure.axes[0].xaxis))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    plt.close(figure)
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and legend.y0 >= 0 and legend.y1 <= axes.y0
    assert words == ["mean, 95 % interval", "single run", "published", "±0.02 at full size"]


def test_an_arm_without_any_estimate_is_still_drawn() -> None:
    arm = {"name": "brain", "published": None, "synthetic": False, "structures": ["x"], "sizes": [1]}
    plan = {"arms": [arm], "variants": [{"name": "modern", "arms": ["brain"], "scenarios": ["ct", "ct_mask"]}]}
    scores, analysis = scores_of(), analysis_of(analysis_row("dice_gain", 1, 0.1, arm="heart"))
    figure, _ = gain_figure(plan, analysis, scores)
    assert len(figure.axes) == 1
    plt.close("all")


def test_floors_are_means_of_structures_of_the_prepared_grid_and_readers_of_their_own(tmp_path: Path) -> None:
    rows = ["run,data,arm,method,n_train,replicate,fold,case,structure,space,dice"]
    rows += ["r,real,brain,atlas,1,0,0,a,eye,crop,0.2", "r,real,brain,atlas,1,0,0,b,eye,crop,0.4"]
    rows += ["r,real,brain,atlas,1,0,0,a,stem,crop,0.5", "r,real,brain,atlas,1,0,0,a,stem,native,0.9"]
    rows += ["r,real,brain,readers,,,,a,stem,native,0.8", "r,real,heart,readers,,,,a,stem,native,0.1"]
    (tmp_path / "floors.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    levels = floor_levels(read_floors(tmp_path), "brain").set_index("method")
    assert levels.loc["atlas", "dice"] == pytest.approx((0.3 + 0.5) / 2)
    assert levels.loc["atlas", ["n_train", "cases"]].tolist() == [1, 2]
    assert levels.loc["readers", "dice"] == pytest.approx(0.8)
    assert np.isnan(levels.loc["readers", "n_train"])


def test_floors_and_ceilings_are_drawn_only_where_they_are(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 4), replicates=2, images=False)
    analysis = read_analysis(run_dir)
    _, without = context_figure(plan, analysis, read_floors(run_dir))
    write_floors(run_dir, plan)
    figure, caption = context_figure(plan, analysis, read_floors(run_dir))
    grey = [line for line in figure.axes[0].lines if line.get_color() == "#5F6B76"]
    plt.close("all")
    assert [list(np.atleast_1d(line.get_ydata())) for line in grey] == [
        pytest.approx([0.3, 0.38]),
        pytest.approx([0.93, 0.93]),
        pytest.approx([0.85, 0.85]),
    ]
    assert "atlas" in caption and "atlas" not in without
