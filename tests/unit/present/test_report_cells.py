"""The matrix and what the page knows of each cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from globalmask.present import report_cells
from globalmask.present.results import read_runs, read_scores

Run = tuple[Path, dict[str, Any]]


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run(arms=("brain",), sizes=(1, 4), replicates=2, images=False)


def cell_of(run: Run, place: str, scores: Any = None) -> dict[str, Any]:
    run_dir, plan = run
    scores = read_scores(run_dir) if scores is None else scores
    data = report_cells.cell_data(run_dir, plan, scores, read_runs(run_dir, plan))
    return next(cell for cell in data["cells"] if cell["place"] == place)


def test_a_square_has_the_mean_over_runs_and_their_spread(run: Run) -> None:
    scores = read_scores(run[0])
    scores["dice"] = scores["replicate"].map({0: 0.5, 1: 0.7})
    line = report_cells.matrix(run[1], scores)[0]["lines"][0]
    assert (line.variant, line.scenario, line.begins) == ("modern", "CT", True)
    square = line.squares[1]
    assert square is not None
    assert (square.text, square.spread, square.place) == ("0.60", "± 0.14", "brain/modern/ct/4")
    assert square.words == "brain, modern, CT, n = 4: Dice 0.60 ± 0.14"


def test_a_cell_without_scores_has_no_square(run: Run) -> None:
    scores = read_scores(run[0])
    left = scores[~((scores["scenario"] == "ct") & (scores["n_train"] == 1))]
    squares = report_cells.matrix(run[1], left)[0]["lines"][0].squares
    assert squares[0] is None and squares[1] is not None


@pytest.mark.parametrize(
    ("dice", "limits"),
    [
        ({"ct": 0.31, "mask": 0.62, "ct_mask": 0.88}, (0.3, 0.9)),
        ({"ct": 0.84, "mask": 0.85, "ct_mask": 0.86}, (0.6, 0.9)),
        ({"ct": 0.0, "mask": 0.01, "ct_mask": 0.02}, (0.0, 0.3)),
        ({"ct": None, "mask": None, "ct_mask": None}, (0.0, 1.0)),
    ],
)
def test_colours_reach_as_far_as_the_dice_and_no_small_difference_looks_large(run: Run, dice: Any, limits: Any) -> None:
    scores = read_scores(run[0])
    scores["dice"] = scores["scenario"].map(dice).astype(float)
    assert report_cells.colour_limits(scores) == pytest.approx(limits)


def test_the_ink_is_read_on_every_ground() -> None:
    for dice in range(101):
        ground, ink = report_cells._colour(dice / 100)
        assert _contrast(ground, ink) >= 4.3


def _contrast(one: str, other: str) -> float:
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_cases_stand_from_the_worst_to_the_best_as_means_over_runs(run: Run) -> None:
    scores = read_scores(run[0])
    for case, dice in {"brain_08": 0.5, "brain_09": 0.9, "brain_10": 0.2, "brain_11": 0.6}.items():
        scores.loc[scores["case"] == case, "dice"] = dice
    scores.loc[(scores["case"] == "brain_10") & (scores["replicate"] == 1), "dice"] = 0.3
    cell = cell_of(run, "brain/modern/ct_mask/4", scores)
    assert [case[0] for case in cell["cases"]] == ["brain_10", "brain_08", "brain_11", "brain_09"]
    assert cell["cases"][0][1:] == [0.25, [0.25, 0.25, 0.25]]
    assert cell["structures"][0][0] == pytest.approx((0.25 + 0.5 + 0.6 + 0.9) / 4, abs=1e-4)


def test_curves_come_from_the_history_and_are_thinned(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_cells, "MOST_POINTS", 5)
    cell = cell_of(run, "brain/modern/ct/1")
    assert [one["replicate"] for one in cell["runs"]] == [0, 1]
    best = cell["runs"][0]["best_step"]
    assert best not in (20, 120, 220, 300, 400)
    assert cell["runs"][0]["step"] == sorted([20, 120, 220, 300, 400, best])  # rows 0, 5, 10, 14, 19 of 20
    assert len(cell["runs"][0]["val_dice"]) == 6
    (run[0] / "brain/modern/ct/n1/r1/history.csv").unlink()
    assert "step" not in cell_of(run, "brain/modern/ct/1")["runs"][1]
