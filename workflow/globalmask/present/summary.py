"""The numbers behind tables and figures: means and spreads, computed once and in one place.

As in the paper: a table cell is the mean and sample SD over test cases (replicates of a case averaged
first); an average is the mean over the structures' means, with the sample SD between them. (34 of the
paper's 35 stated averages follow from its tables in this way.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from globalmask.evidence.published_numbers import published

CELL = ["arm", "variant", "scenario", "n_train"]


def structure_means(scores: pd.DataFrame, column: str = "dice", space: str = "crop") -> pd.DataFrame:
    """Mean and sample SD over test cases of every arm, variant, scenario, size and structure.

    Columns: arm, variant, scenario, n_train, structure, mean, sd (NaN for one case), cases (test cases with
    a value), expected (test cases), empty (rows with an empty prediction), replicates. Undefined
    values (the centre of an empty prediction) are left out of the mean and seen as cases < expected.
    """
    rows = scores[scores["space"] == space]
    keys = [*CELL, "structure"]
    if "status" not in rows:
        rows = rows.assign(status="ok")
    per_case = case_means(scores, column, space)
    means = per_case.groupby(keys, as_index=False, sort=False)["value"].agg(mean="mean", sd="std", cases="count")
    counts = rows.groupby(keys, as_index=False, sort=False).agg(
        expected=("case", "nunique"),
        empty=("status", lambda status: int((status == "pred_empty").sum())),
        replicates=("replicate", "nunique"),
    )
    return means.merge(counts, on=keys, how="left")


def case_means(scores: pd.DataFrame, column: str = "dice", space: str = "crop") -> pd.DataFrame:
    """`value` of each arm, variant, scenario, n_train, structure and case: the mean over its replicates."""
    rows = scores[scores["space"] == space].rename(columns={column: "value"})
    return rows.groupby([*CELL, "structure", "case"], as_index=False, sort=False)["value"].mean()


def averages(means: pd.DataFrame, by: Sequence[str] = CELL) -> pd.DataFrame:
    """Mean over structures of the structure means, their sample SD (NaN for one) and how many there are."""
    return means.groupby(list(by), as_index=False, sort=False)["mean"].agg(mean="mean", sd="std", structures="count")


def paper_of(arm: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Published rows of an arm's data set, only of structures the arm has, in the arm's own spelling.

    So averages beside each other are always over the same structures. Empty for an unpublished arm.
    """
    return published(name, arm["published"] or "", arm["structures"])


def case_dice(scores: pd.DataFrame, cell: tuple[str, str, str, int], replicate: int = 0) -> pd.Series:
    """Mean Dice over structures of each test case of one training, indexed by case; empty when not run."""
    arm, variant, scenario, n = cell
    rows = scores[
        (scores["arm"] == arm)
        & (scores["variant"] == variant)
        & (scores["scenario"] == scenario)
        & (scores["n_train"] == n)
        & (scores["replicate"] == replicate)
        & (scores["space"] == "crop")
    ]
    return rows.groupby("case")["dice"].mean()


def median_and_worst(dice: pd.Series) -> list[str]:
    """The case with the median Dice (the lower of two middle ones) and the case with the worst.

    Ties go by case name. One name when there is one case, none when there is none.
    """
    names = sorted(dice.dropna().index, key=lambda case: (dice[case], case))
    if not names:
        return []
    return list(dict.fromkeys([names[(len(names) - 1) // 2], names[0]]))
