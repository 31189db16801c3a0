"""What each result cost in labelled cases, for the report."""

from __future__ import annotations

from typing import Any

import pandas as pd

from globalmask.present.report_sections import Grid

SPENT = ("labels_train", "labels_val", "labels_mask")


def labels_spent(scores: pd.DataFrame) -> Grid:
    """One row an arm, variant and size: labelled cases behind the weights, their choice and the masks.

    Flagged where the masks come from more labels than the network's own n, from test labels, or from a single one,
    whose own case then has no mask out of fold.
    """
    keys = ["arm", "variant", "mask_recipe", "n_train", *SPENT]
    rows: list[list[str]] = []
    flagged: set[int] = set()
    for arm, variant, recipe, n, train, validation, mask in _distinct(scores, keys):
        note = _note(recipe, n, mask)
        if note:
            flagged.add(len(rows))
        rows.append([arm, variant, recipe, *map(str, (n, train, validation, mask)), note])
    header = ["Arm", "Variant", "Mask recipe", "n", "Training", "Validation", "Masks", ""]
    return Grid(header, rows, flagged, "Labelled cases; those behind the masks may be the training cases again.")


def _note(recipe: str, n: int, mask: int) -> str:
    if recipe == "union":
        return "masks from test labels: an oracle"
    if mask > n:
        return "masks know more"
    return "the training mask is not out of fold" if mask == 1 else ""


def _distinct(scores: pd.DataFrame, keys: list[str]) -> list[tuple[Any, ...]]:
    if not set(keys) <= set(scores):
        return []
    return [tuple(row) for row in scores[keys].drop_duplicates().itertuples(index=False)]
