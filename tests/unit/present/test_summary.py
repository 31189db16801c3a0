"""Means and spreads: hand-worked values, and the paper's numbers cut to an arm."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from globalmask.present.summary import (
    averages,
    case_means,
    median_and_worst,
    paper_of,
    structure_means,
)


def rows(*values: tuple[str, int, str, str, float]) -> pd.DataFrame:
    """(structure, replicate, case, status, dice) as scores of one cell."""
    frame = pd.DataFrame(values, columns=["structure", "replicate", "case", "status", "dice"])
    return frame.assign(arm="a", variant="v", scenario="ct", n_train=4, space="crop", com_mm=frame["dice"])


def test_replicates_of_a_case_are_averaged_before_the_spread() -> None:
    scores = rows(
        ("x", 0, "c1", "ok", 0.4), ("x", 1, "c1", "ok", 0.6), ("x", 0, "c2", "ok", 0.8), ("x", 1, "c2", "ok", 1.0)
    )
    assert case_means(scores)["value"].tolist() == pytest.approx([0.5, 0.9])
    cell = structure_means(scores).iloc[0]
    assert cell["mean"] == pytest.approx(0.7)
    assert cell["sd"] == pytest.approx(math.sqrt(0.08))  # n - 1: (0.2^2 + 0.2^2) / 1
    assert (cell["cases"], cell["expected"], cell["replicates"]) == (2, 2, 2)


def test_an_undefined_value_is_left_out_and_counted() -> None:
    scores = rows(("x", 0, "c1", "ok", 2.0), ("x", 0, "c2", "pred_empty", float("nan")))
    cell = structure_means(scores, "com_mm").iloc[0]
    assert (cell["mean"], cell["cases"], cell["expected"], cell["empty"]) == (2.0, 1, 2, 1)
    assert math.isnan(cell["sd"])


def test_only_the_space_asked_for_counts() -> None:
    scores = rows(("x", 0, "c1", "ok", 0.5), ("x", 0, "c1", "ok", 0.9))
    scores.loc[1, "space"] = "native"
    assert structure_means(scores)["mean"].tolist() == [0.5]
    assert structure_means(scores, space="native")["mean"].tolist() == [0.9]


def test_an_average_is_over_structures_with_their_sample_sd() -> None:
    scores = rows(("x", 0, "c1", "ok", 0.2), ("y", 0, "c1", "ok", 0.4), ("z", 0, "c1", "ok", 0.9))
    average = averages(structure_means(scores)).iloc[0]
    assert average["mean"] == pytest.approx(0.5)
    assert average["sd"] == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))


def test_the_paper_is_cut_to_the_structures_of_the_arm() -> None:
    stem = paper_of({"published": "brain", "structures": ["Brain_Stem"]}, "dice")
    assert set(stem["structure"]) == {"Brain_Stem"}
    assert len(stem) == 18
    assert averages(stem, ("scenario", "n_train")).set_index(["scenario", "n_train"])["mean"]["ct_mask", 26] == 0.82
    assert paper_of({"published": None, "structures": ["brain_stem"]}, "dice").empty
    aorta = paper_of({"published": "heart", "structures": ["AO"]}, "com")
    assert aorta["mean_mm"].tolist() == [2.77]


def test_median_is_the_lower_middle_case_and_ties_go_by_name() -> None:
    assert median_and_worst(pd.Series({"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.6})) == ["d", "b"]
    assert median_and_worst(pd.Series({"b": 0.5, "a": 0.5, "c": 0.9})) == ["b", "a"]
    assert median_and_worst(pd.Series({"a": 0.5})) == ["a"]
    assert median_and_worst(pd.Series(dtype=float)) == []
