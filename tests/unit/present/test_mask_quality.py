"""Mask quality against segmentation quality: which points, which measure, and the rank correlation's interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from globalmask.present.labels import labels_spent
from globalmask.present.mask_quality import draw, quality_points, relations, spearman
from globalmask.present.results import read_scores

Run = tuple[Path, dict[str, Any]]


def set_quality(run_dir: Path, arm: str, mask_set: str, values: dict[str, float | None]) -> None:
    folder = run_dir / arm / "masks" / mask_set
    folder.mkdir(parents=True, exist_ok=True)
    for case, dice in values.items():
        (folder / f"{case}.quality.json").write_text(json.dumps({"case": case, "role": "test", "dice": dice}))


@pytest.fixture
def heart(make_run: Callable[..., Run]) -> Run:
    run_dir, plan = make_run(arms=("heart",), sizes=(1, 4), replicates=2, images=False)
    set_quality(run_dir, "heart", "full-f0", {f"heart_{i:02d}": 0.6 + 0.03 * i for i in range(8, 12)})
    return run_dir, plan


def test_a_point_is_a_case_with_its_masks_dice_and_its_mean_over_structures_and_replicates(heart: Run) -> None:
    run_dir, plan = heart
    scores = read_scores(run_dir)
    points = quality_points(run_dir, plan, scores)
    assert len(points) == 2 * 2 * 4
    assert set(points["scenario"]) == {"mask", "ct_mask"}
    point = points.query("scenario == 'mask' and n_train == 4 and case == 'heart_09'").iloc[0]
    own = scores.query("scenario == 'mask' and n_train == 4 and case == 'heart_09'")
    assert point["quality"] == pytest.approx(0.87)
    assert point["dice"] == pytest.approx(own["dice"].mean())
    assert point["measure"] == "mask_dice"


def test_each_replicate_brings_the_quality_of_its_own_mask_set(heart: Run) -> None:
    run_dir, plan = heart
    scores = read_scores(run_dir)
    scores.loc[scores["replicate"] == 1, "mask_set"] = "full-f1"
    set_quality(run_dir, "heart", "full-f1", {f"heart_{i:02d}": 0.5 for i in range(8, 12)})
    points = quality_points(run_dir, plan, scores)
    assert points.query("case == 'heart_10'")["quality"].tolist() == pytest.approx([(0.9 + 0.5) / 2] * 4)


def test_a_head_mask_is_judged_by_its_registration_and_a_file_by_nothing(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain", "heart"), sizes=(4,), images=False)
    for case, overlap in zip(plan["arms"][0]["test_cases"]["0"], (0.8, 0.9, 0.95, 0.99), strict=True):
        (run_dir / "brain" / "prepared" / case).mkdir(parents=True)
        (run_dir / "brain" / "prepared" / case / "registration.json").write_text(json.dumps({"overlap": overlap}))
    set_quality(run_dir, "brain", "base", dict.fromkeys(plan["arms"][0]["test_cases"]["0"]))
    points = quality_points(run_dir, plan, read_scores(run_dir))
    assert set(points["arm"]) == {"brain"}
    assert set(points["measure"]) == {"template_overlap"}
    assert sorted(points["quality"].unique()) == [0.8, 0.9, 0.95, 0.99]
    figure, _ = draw(run_dir, plan, read_scores(run_dir))
    assert "no measure" in figure.axes[1].texts[0].get_text()
    plt.close("all")


def test_spearman_and_its_interval_by_hand() -> None:
    # Ranks 1 2 3 4 5 6 against 2 1 4 3 6 5: 1 - 6 * 6 / (6 * 35); z-interval with variance (1 + rho^2 / 2) / 3
    rho, low, high = spearman(pd.Series([1, 2, 3, 4, 5, 6]), pd.Series([2, 1, 4, 3, 6, 5]))
    expected = 1 - 36 / 210
    half = 1.959964 * math.sqrt((1 + expected**2 / 2) / 3)
    assert rho == pytest.approx(expected)
    assert (low, high) == pytest.approx((math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)))


@pytest.mark.parametrize(
    ("first", "second", "known"),
    [
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], False),
        ([1, 2, 3, 4], [1, 3, 2, 4], True),
        ([1, 2, 3, 4, 5], [2, 3, 4, 5, 6], True),
    ],
)
def test_no_interval_for_constants_few_cases_or_equal_ranks(first: list, second: list, known: bool) -> None:
    rho, low, high = spearman(pd.Series(first), pd.Series(second))
    assert (rho == rho) == known
    assert math.isnan(low) and math.isnan(high)


def test_the_interval_covers_a_known_rank_correlation() -> None:
    """Normal pairs of correlation 0.6 have the rank correlation 6 / pi * asin(0.3); 12 cases, 1000 draws."""
    rng = np.random.default_rng(3)
    truth = 6 / math.pi * math.asin(0.3)
    covered = 0
    for _ in range(1000):
        x = rng.standard_normal(12)
        y = 0.6 * x + 0.8 * rng.standard_normal(12)
        _, low, high = spearman(pd.Series(x), pd.Series(y))
        covered += low <= truth <= high
    assert 0.93 <= covered / 1000 <= 0.97


def test_the_table_has_a_row_a_cell(heart: Run) -> None:
    run_dir, plan = heart
    table = relations(quality_points(run_dir, plan, read_scores(run_dir)))
    assert table[["scenario", "n_train", "cases"]].values.tolist() == [
        ["ct_mask", 1, 4],
        ["ct_mask", 4, 4],
        ["mask", 1, 4],
        ["mask", 4, 4],
    ]
    assert table["quality_lowest"].tolist() == pytest.approx([0.84] * 4)


def test_masks_that_know_more_labels_than_the_network_are_flagged() -> None:
    rows = [
        ("heart", "full", "learned", 2, 2, 3, 12),
        ("heart", "budget", "learned", 2, 2, 3, 2),
        ("heart", "oracle", "union", 12, 12, 3, 20),
        ("brain", "alone", "threshold", 1, 1, 0, 0),
        ("heart", "budget", "learned", 1, 1, 3, 1),
    ]
    keys = ["arm", "variant", "mask_recipe", "n_train", "labels_train", "labels_val", "labels_mask"]
    grid = labels_spent(pd.DataFrame(rows * 2, columns=keys))
    told = ["masks know more", "", "masks from test labels: an oracle", "", "the training mask is not out of fold"]
    assert [row[-1] for row in grid.rows] == told
    assert grid.flagged == {0, 2, 4}
