"""The tables: what stands in a cell, what is shown when something is missing, and the three file kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from globalmask.errors import UserError
from globalmask.present.results import read_runs, read_scores
from globalmask.present.tables import (
    Table,
    build_tables,
    com_table,
    dice_table,
    hours_number,
    hours_table,
    latex,
    make_tables,
    markdown,
    number,
)

Run = tuple[Path, dict[str, Any]]


def scores_of(values: dict[tuple[int, str, str, str], float]) -> pd.DataFrame:
    """(n, structure, scenario, case) to Dice; the distance is ten times the Dice, none where Dice is 0."""
    records = [
        {"n_train": n, "structure": structure, "scenario": scenario, "case": case, "dice": dice}
        for (n, structure, scenario, case), dice in values.items()
    ]
    frame = pd.DataFrame(records).assign(arm="brain", variant="modern", replicate=0, space="crop", status="ok")
    frame.loc[frame["dice"] == 0, "status"] = "pred_empty"
    return frame.assign(com_mm=(10 * frame["dice"]).where(frame["dice"] > 0))


def plan_of(**arm: Any) -> dict[str, Any]:
    about = {
        "name": "brain",
        "published": "brain",
        "synthetic": False,
        "structures": ["brain_stem"],
        "sizes": [1],
        "test_cases": {"0": ["a", "b"]},
    }
    variant = {"name": "modern", "preset": "modern", "arms": ["brain"], "scenarios": ["ct", "mask"]}
    return {"arms": [{**about, **arm}], "variants": [variant | {"replicates": {"brain": {"1": 1}}}]}


def row_of(table: Table, *start: str) -> list[str]:
    return next(row for row in table.rows if row[: len(start)] == list(start))


@pytest.mark.parametrize(
    ("counts", "words"), [((1, 1), ""), ((5, 5), "; 5 replicates)"), ((10, 5), "; 5 to 10 replicates)")]
)
def test_the_caption_counts_the_replicates_of_its_own_variant(counts: tuple[int, int], words: str) -> None:
    plan = plan_of(sizes=[1, 4])
    plan["variants"][0]["replicates"]["brain"] = {"1": counts[0], "4": counts[1]}
    plan["variants"].append(plan["variants"][0] | {"name": "paper", "replicates": {"brain": {"1": 20}}})
    scores = scores_of({(1, "brain_stem", "ct", "a"): 0.2})
    caption = dice_table(plan, "brain", "modern", scores).caption
    assert (words in caption) if words else ("replicates" not in caption)
    at_full_size = com_table(plan, "brain", "modern", scores).caption
    assert (f"; {counts[1]} replicates)" in at_full_size) == (counts[1] > 1)


def test_a_cell_is_mean_and_sd_beside_the_published_one() -> None:
    scores = scores_of({(1, "brain_stem", "ct", "a"): 0.2, (1, "brain_stem", "ct", "b"): 0.4})
    table = dice_table(plan_of(), "brain", "modern", scores)
    assert table.name == "table1_dice_brain"
    assert [column for _, column in table.header[2:]] == ["this run", "published"] * 2
    # (0.2 + 0.4) / 2; SD = sqrt(2 * 0.1^2 / 1) = 0.141; the mask model was not run
    assert row_of(table, "1", "Brain stem")[2:] == ["0.30 (0.14)", "0.40 (0.14)", "–", "0.27 (0.21)"]
    assert row_of(table, "26", "Brain stem")[2:] == ["–", "0.82 (0.04)", "–", "0.71 (0.07)"]


def test_average_stands_only_where_there_is_more_than_one_structure() -> None:
    values = {(1, s, "ct", "a"): dice for s, dice in (("brain_stem", 0.2), ("left_eye", 0.6))}
    two = dice_table(plan_of(structures=["brain_stem", "left_eye"]), "brain", "modern", scores_of(values))
    assert row_of(two, "", "Average")[2:4] == ["0.40 (0.28)", "0.38 (0.04)"]  # paper: 0.40 and 0.35
    one = dice_table(plan_of(), "brain", "modern", scores_of(values))
    assert not any("Average" in row for row in one.rows)


def test_a_published_column_without_numbers_is_left_out() -> None:
    scores = scores_of({(1, "liver", "ct", "a"): 0.2})
    plan = plan_of(published=None, structures=["liver"])
    table = dice_table(plan, "brain", "modern", scores)
    assert table.name == "table_dice_brain"
    assert table.header == [("", "Training cases"), ("", "Structure"), ("CT", "this run"), ("Mask", "this run")]
    assert table.rows == [["1", "liver", "0.20", "–"]]


def test_a_centre_that_does_not_exist_is_counted_not_averaged() -> None:
    scores = scores_of({(1, "brain_stem", "mask", "a"): 0.3, (1, "brain_stem", "mask", "b"): 0.0})
    table = com_table(plan_of(), "brain", "modern", scores)
    assert row_of(table, "1", "Brain stem")[2:] == ["–", "3.00 [1/2]", "4.72 (1.50)"]
    assert "for 26 training cases" in table.caption


def hours_of(**record) -> Table:
    """Table 5 of two trainings, with more fields of `run.json`."""
    plan = plan_of()
    plan["variants"][0]["scenarios"] = ["ct", "ct_mask"]
    cells = [("ct", 1200, 0.5), ("ct_mask", 300, 0.125)]
    known = {"arm": "brain", "variant": "modern", "n": 1, "replicate": 0, **record}
    runs = pd.DataFrame([{**known, "scenario": s, "best_step": b, "hours": h} for s, b, h in cells])
    return hours_table(plan, "brain", "modern", runs)


def test_hours_stand_beside_steps_published_hours_and_the_ratio() -> None:
    table = hours_of()
    assert row_of(table, "1") == ["1", "1,200", "0.50", "204", "300", "0.12", "14", "4.0", "14.6"]
    assert row_of(table, "26") == ["26", "–", "–", "12", "–", "–", "2", "–", "6.0"]


@pytest.mark.parametrize("shared", [2, None])
def test_where_trainings_may_have_shared_a_gpu_steps_stand_in_place_of_hours(shared) -> None:
    table = hours_of(device="cuda: Fake", trainings_per_gpu=shared)
    assert table.header[1:3] == [("CT", "steps"), ("CT", "published hours")]
    assert row_of(table, "1") == ["1", "1,200", "204", "300", "14", "4.0", "14.6"]
    assert table.tidy["hours"].isna().all()
    assert "steps in place of hours, because trainings may have shared a GPU." in table.caption
    assert "(steps)" in table.title
    alone = hours_of(device="cuda: Fake", trainings_per_gpu=1)
    assert row_of(alone, "1")[2] == "0.50"
    assert "in place of" not in alone.caption


def test_numbers_are_short_and_missing_ones_are_dashes() -> None:
    nothing = float("nan")
    assert [number(0.456, nothing), number(0.0, 0.0), number(nothing, 1.0)] == ["0.46", "0.00 (0.00)", "–"]
    assert [hours_number(h) for h in (204.0, 7.5, 12.0, 0.5, 0.00713, nothing)] == [
        "204",
        "7.5",
        "12",
        "0.50",
        "0.0071",
        "–",
    ]


def test_markdown_and_latex_keep_every_cell_and_escape_names() -> None:
    scores = scores_of({(1, "a|b_50%", "ct", "x"): 0.25})
    table = dice_table(plan_of(published=None, structures=["a|b_50%"]), "brain", "modern", scores)
    lines = markdown(table).splitlines()
    assert lines[2] == "| Training cases | Structure | CT this run | Mask this run |"
    assert lines[3] == "|---|---|---:|---:|"
    assert lines[4] == "| 1 | a\\|b 50% | 0.25 | – |"
    text = latex(table)
    assert r"1 & a|b 50\% & 0.25 & -- \\" in text
    assert text.count("{") == text.count("}")


def test_slips_of_the_paper_are_footnotes_of_the_tables_they_touch(small_run: Run) -> None:
    run_dir, plan = small_run
    plan["arms"][1]["published"] = None
    tables = {table.name: table for table in build_tables(plan, read_scores(run_dir), read_runs(run_dir, plan))}
    found = {name: [slip.name for slip in table.slips] for name, table in tables.items()}
    assert found["table3_com_brain"] == ["I-10"]
    assert found["table5_hours_brain"] == ["I-12"]
    assert found["table_dice_heart"] == []
    text = markdown(tables["table5_hours_brain"])
    assert text.splitlines()[-1].startswith("Slip I-12 of the paper: The speed-up is not monotone")
    assert r"\footnotesize Slip I-12 of the paper:" in latex(tables["table5_hours_brain"])
    assert "($-$0.4 \\%" in latex(tables["table1_dice_brain"])


def test_synthetic_data_are_called_so_in_every_table(small_run: Run) -> None:
    run_dir, plan = small_run
    for table in build_tables(plan, read_scores(run_dir), read_runs(run_dir, plan)):
        assert "SYNTHETIC" in table.caption
        assert table.synthetic


def test_files_agree_with_the_scores(small_run: Run) -> None:
    run_dir, plan = small_run
    make_tables(run_dir=run_dir, plan=plan, out_dir=run_dir / "tables")
    table = pd.read_csv(run_dir / "tables" / "table2_dice_heart.csv")
    cell = table.query("n_train == 4 and structure == 'LV' and scenario == 'ct_mask'").iloc[0]
    scores = read_scores(run_dir).query("arm == 'heart' and n_train == 4 and structure == 'LV'")
    dice = scores.query("scenario == 'ct_mask'")["dice"]
    assert cell["mean"] == pytest.approx(dice.mean())
    assert cell["sd"] == pytest.approx(dice.std(ddof=1))
    assert cell["published_mean"] == 0.89
    assert set(pd.read_csv(run_dir / "tables" / "table6_hours_heart.csv")["replicates"]) == {0, 1}


def test_a_training_that_is_not_there_leaves_a_dash(small_run: Run) -> None:
    run_dir, plan = small_run
    (run_dir / "brain" / "modern" / "ct" / "n8" / "r0" / "run.json").unlink()
    table = hours_table(plan, "brain", "modern", read_runs(run_dir, plan))
    assert row_of(table, "8")[1:3] == ["–", "–"]


def test_several_replicates_are_said_and_spread(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 2), replicates=2, images=False)
    dice, com, hours = build_tables(plan, read_scores(run_dir), read_runs(run_dir, plan))
    assert "2 replicates" in dice.caption
    assert "(" in row_of(hours, "1")[1]
    assert com.rows[0][0] == "2"


def test_missing_scores_are_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not there"):
        read_scores(tmp_path)
    (tmp_path / "scores.csv").write_text("arm,dice\n")
    with pytest.raises(UserError, match="Columns are missing"):
        read_scores(tmp_path)
