"""What each result cost in labelled cases, for the report."""

from __future__ import annotations

import pandas as pd

from globalmask.present.report_sections import Grid

SPENT = ("labels_train", "labels_val", "labels_mask")


def labels_spent(scores: pd.DataFrame) -> Grid:
    """One row an arm, variant and size: labelled cases behind the weights, their choice and the masks.

    Flagged where the masks come from more labels than the network's own n, and where they come from test labels.
    """
    keys = ["arm", "variant", "mask_recipe", "n_train", *SPENT]
    rows = []
    flagged = set()
    for arm, variant, recipe, n, train, validation, mask in _distinct(scores, keys):
        note = "masks from test labels: an oracle" if recipe == "union" else "masks know more" if mask > n else ""
        if note:
            flagged.add(len(rows))
        rows.append([arm, variant, recipe, *map(str, (n, train, validation, mask)), note])
    header = ["Arm", "Variant", "Mask recipe", "n", "Training", "Validation", "Masks", ""]
    return Grid(header, rows, flagged, "Labelled cases; those behind the masks may be the training cases again.")


def _distinct(scores: pd.DataFrame, keys: list[str]) -> list[tuple]:
    if not set(keys) <= set(scores):
        return []
    return [tuple(row) for row in scores[keys].drop_duplicates().itertuples(index=False)]
