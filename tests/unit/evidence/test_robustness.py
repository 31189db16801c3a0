"""Slopes by hand, and the table of a run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from globalmask.errors import UserError
from globalmask.evidence.robustness import COLUMNS, gather, slopes, write_rows
from globalmask.evidence.score import COLUMNS as SCORE_COLUMNS

RUN = {"arm": "brain", "variant": "modern", "scenario": "ct", "n_train": 4, "replicate": 0}


def ladder(dice, *, strengths=(0, 50, 100, 200), structure="stem", **changes) -> pd.DataFrame:
    rows = [
        {
            **RUN,
            "case": "a",
            "structure": structure,
            "shift": "noise",
            "strength": strength,
            "masks": "frozen",
            "dice": d,
        }
        for strength, d in zip(strengths, dice, strict=True)
    ]
    return pd.DataFrame(rows).assign(**changes)


def test_a_line_has_its_own_slope_from_nothing_to_the_strongest():
    """0.8 at 0 and 0.4 at 200, on a line: -0.4, however the strengths lie."""
    assert slopes(ladder([0.8, 0.7, 0.6, 0.4]))["slope"].tolist() == pytest.approx([-0.4])
    assert slopes(ladder([0.8, 0.6, 0.4], strengths=(0, 0.1, 0.2)))["slope"].tolist() == pytest.approx([-0.4])


def test_least_squares_by_hand():
    """x = 0, 1/4, 1/2, 1 (mean 7/16), Dice 1, 1, 1, 0 (mean 3/4): sum of x'd' = -9/16, of x'x' = 35/64."""
    found = slopes(ladder([1, 1, 1, 0]))
    assert found["slope"].tolist() == pytest.approx([-(9 / 16) / (35 / 64)])
    assert found.columns.tolist() == [*RUN, "case", "shift", "masks", "slope"]


def test_structures_are_averaged_first_and_undefined_ones_left_out():
    """Means 0.8, 0.7, 0.5, 0.4: at 100 the eye is undefined and the stem stands alone."""
    frame = pd.concat([ladder([0.9, 0.8, 0.5, 0.5]), ladder([0.7, 0.6, np.nan, 0.3], structure="eye")])
    expected = np.polyfit([0, 0.25, 0.5, 1], [0.8, 0.7, 0.5, 0.4], 1)[0]
    assert slopes(frame)["slope"].tolist() == pytest.approx([expected])


def test_every_run_case_shift_and_kind_of_mask_has_a_slope_of_its_own():
    frames = [
        ladder([0.8, 0.8, 0.8, 0.8]),
        ladder([0.8, 0.7, 0.6, 0.4], masks="remade"),
        ladder([0.4, 0.4, 0.4, 0.4], scenario="mask"),
        ladder([0.5, 0.6, 0.7, 0.9], case="b"),
        ladder([0.5, 0.4, 0.3, 0.1], replicate=1),
        ladder([0.5, 0.3], strengths=(0, 8), shift="blur"),
    ]
    assert slopes(pd.concat(frames))["slope"].tolist() == pytest.approx([0, -0.4, 0, 0.4, -0.4, -0.2])


def test_a_single_strength_has_no_slope():
    assert slopes(ladder([0.5], strengths=(0,)).assign(strength=50))["slope"].isna().all()


def test_columns_are_those_of_the_scores_with_the_step():
    step = ("shift", "strength", "masks")
    assert set(COLUMNS) - set(SCORE_COLUMNS) == set(step)
    place = COLUMNS.index("space")
    assert COLUMNS[place + 1 : place + 4] == step
    kept = [name for name in SCORE_COLUMNS if name in COLUMNS]
    assert kept == [name for name in COLUMNS if name not in step]


def test_gathered_rows_are_those_of_the_cells_in_order(tmp_path):
    rows = pd.DataFrame([{**dict.fromkeys(COLUMNS, "x"), "dice": 0.5, "strength": 50.0, "com_mm": np.nan}])
    for name in ("a", "b"):
        write_rows(rows.assign(case=f"00{name}"), tmp_path / name)
    gather(paths=[tmp_path / "b", tmp_path / "a"], out_path=tmp_path / "all.csv")
    lines = (tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert [line.split(",")[COLUMNS.index("case")] for line in lines[1:]] == ["00b", "00a"]
    assert lines[1].split(",")[COLUMNS.index("dice") :][:2] == ["0.500000", ""]


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / "old.csv").write_text("case,dice\na,1\n", encoding="utf-8")
    with pytest.raises(UserError, match="other columns"):
        gather(paths=[tmp_path / "old.csv"], out_path=tmp_path / "all.csv")


def test_statistics_and_figures_need_no_torch(repository):
    code = "import sys, globalmask.evidence.robustness, globalmask.evidence.shifts; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "workflow", capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "False"
