"""The figures: what the lines are, which cases are shown, and what happens when something is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from globalmask.config import Scenario
from globalmask.present import style
from globalmask.present.figures import dice_curve, figure4, make_figures
from globalmask.present.figures_contours import cases_shown
from globalmask.present.figures_features import matched_maps, spatial_correlation
from globalmask.present.outputs import editions, figure_files
from globalmask.present.results import read_scores

Run = tuple[Path, dict[str, Any]]


def test_scenarios_have_one_colour_each_everywhere() -> None:
    colours = [style.scenario_colour(s) for s in ("ct", "mask", "ct_mask")]
    assert colours == ["#0072B2", "#E69F00", "#009E73"]
    assert style.scenario_label("ct_mask") == "CT + mask"
    assert style.scenario_colour("ct_coords") == style.scenario_colour("ct_coords")
    assert len(set(style.structure_colours([str(i) for i in range(7)]).values())) == 7


def test_panel_letters_go_on_after_z() -> None:
    assert [style.panel_letter(i) for i in (0, 25, 26, 27)] == ["A", "Z", "AA", "AB"]


def test_figure_4_shows_structures_and_their_spread(small_run: Run) -> None:
    run_dir, plan = small_run
    scores = read_scores(run_dir)
    curve = dice_curve(plan, "brain", "modern", "ct", scores)
    means = scores.query("arm == 'brain' and scenario == 'ct' and n_train == 2").groupby("structure")["dice"].mean()
    assert curve.sizes.tolist() == [1, 2, 4, 8]
    assert curve.mean[1] == pytest.approx(means.mean())
    assert curve.sd[1] == pytest.approx(means.std())
    assert sorted(curve.points[curve.points[:, 0] == 2, 1]) == pytest.approx(sorted(means))


def test_figure_4_of_a_single_structure_shows_cases(small_run: Run) -> None:
    run_dir, plan = small_run
    plan["arms"][0]["structures"] = ["brain_stem"]
    scores = read_scores(run_dir).query("structure == 'brain_stem'")
    curve = dice_curve(plan, "brain", "modern", "mask", scores)
    cases = scores.query("scenario == 'mask' and n_train == 4")["dice"]
    assert curve.mean[2] == pytest.approx(cases.mean())
    assert curve.sd[2] == pytest.approx(cases.std())
    assert len(curve.points) == 16
    assert "sample SD between test cases" in figure4(run_dir, plan, editions(plan)[0], scores)[1]
    plt.close("all")


def test_figure_4_draws_the_papers_means_at_its_own_sizes(small_run: Run) -> None:
    run_dir, plan = small_run
    figure, _ = figure4(run_dir, plan, editions(plan)[0], read_scores(run_dir))
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    found = {line.get_color(): np.asarray(line.get_ydata()) for line in lines}
    plt.close(figure)
    assert found["#009E73"] == pytest.approx([0.5633, 0.6833, 0.7467, 0.8067, 0.82, 0.8467], abs=1e-4)
    assert set(found) == {style.scenario_colour(scenario) for scenario in ("ct", "mask", "ct_mask")}


def test_the_cases_shown_are_the_median_and_the_worst(small_run: Run) -> None:
    run_dir, plan = small_run
    scores = read_scores(run_dir)
    cell = "arm == 'heart' and scenario == 'ct_mask' and n_train == 8"
    order = scores.query(cell).groupby("case")["dice"].mean().sort_values().index
    assert cases_shown(plan, "heart", "modern", scores) == [order[1], order[0]]
    plan["variants"][0]["scenarios"] = ["ct", "mask"]
    order = scores.query(cell.replace("ct_mask", "mask")).groupby("case")["dice"].mean().sort_values().index
    assert cases_shown(plan, "heart", "modern", scores) == [order[1], order[0]]


def test_correlation_is_over_voxels_and_constant_maps_have_none() -> None:
    maps = np.array([[[[0.0, 1.0, 2.0]]], [[[2.0, 1.0, 0.0]]], [[[5.0, 5.0, 5.0]]]])
    expected = [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert spatial_correlation(maps, maps) == pytest.approx(np.array(expected))


def test_maps_are_matched_one_to_one_and_the_best_are_kept() -> None:
    rng = np.random.default_rng(1)
    reference = rng.normal(size=(12, 4, 4, 4))
    order = rng.permutation(12)
    noise = np.linspace(0, 3, 12)[:, None, None, None] * rng.normal(size=reference.shape)
    shuffled = np.empty_like(reference)
    shuffled[order] = reference + noise  # map i is found at order[i], the more noisy the higher i
    chosen, (first, second) = matched_maps(reference, shuffled, reference, count=4)
    assert chosen == [0, 1, 2, 3]
    assert [index for index, _ in first] == order[:4].tolist()
    assert [index for index, _ in second] == [0, 1, 2, 3]
    assert [r for _, r in second] == pytest.approx([1.0] * 4)
    assert matched_maps(reference[:3], shuffled, reference)[0] == [0, 1, 2]


def test_figures_are_drawn_with_captions_that_state_the_rules(fake_run: Run) -> None:
    run_dir, plan = fake_run
    captions = json.loads((run_dir / "figures" / "captions.json").read_text(encoding="utf-8"))
    paper = ["fig3", "fig4", "fig5", "fig6", "fig7", "fig8"]
    assert sorted(captions) == [
        "answer_brain",
        "answer_heart",
        "dice_context",
        *paper,
        "gain",
        "learning",
        "mask_quality",
    ]
    assert [name for name, caption in captions.items() if caption.count("SYNTHETIC") != 1] == []
    assert "the median and the worst test case by mean Dice" in captions["fig3"]
    assert "sample SD between the structure means" in captions["fig4"]
    assert "Hungarian" in captions["fig8"]
    assert captions["fig8"].endswith("SYNTHETIC data (a phantom, no patient): brain.")
    for name in figure_files(plan):
        if name.endswith(".png"):
            with Image.open(run_dir / "figures" / name) as image:
                assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
                assert len(np.unique(np.asarray(image.convert("L")))) > 50


def test_real_data_are_not_called_synthetic(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1,), synthetic=False, images=False)
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    captions = (run_dir / "figures" / "captions.json").read_text(encoding="utf-8")
    assert not re.search("synthetic", captions, re.IGNORECASE)
    assert "No feature maps" in captions  # nothing but scores is there, and every figure is still made
    assert all((run_dir / "figures" / name).is_file() for name in figure_files(plan))


def test_a_run_with_one_scenario_is_drawn(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("heart",), sizes=(1, 2), scenarios=("mask",), images=False)
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    assert (run_dir / "figures" / "fig6.pdf").is_file()


def test_equal_runs_give_equal_pictures(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 2), images=False)
    scores: pd.DataFrame = read_scores(run_dir)
    style.use_style()
    for name in ("first", "second"):
        figure, _ = figure4(run_dir, plan, editions(plan)[0], scores)
        style.save(figure, run_dir / name, "fig4")
    for kind in ("png", "pdf"):
        assert (run_dir / "first" / f"fig4.{kind}").read_bytes() == (run_dir / "second" / f"fig4.{kind}").read_bytes()


def test_every_scenario_has_a_label_a_colour_and_a_marker_of_its_own() -> None:
    scenarios = set(get_args(Scenario))
    for look in (style.SCENARIO_LABELS, style.SCENARIO_COLOURS, style.SCENARIO_MARKERS):
        assert look.keys() == scenarios
        assert len(set(look.values())) == len(scenarios)
