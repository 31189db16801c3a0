"""The paper's own numbers (Tables 1 to 6, stated averages, percentages and claims), as data frames.

The files in `evidence/data/` were typed from both versions of the paper and checked by script; scenario
words are this project's (`ct`, `mask`, `ct_mask`). Centre-of-mass distances are those of the earlier
version, which prints two decimals.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data"
_TABLES = ("dice", "com", "training_hours", "average_dice", "improvement", "claims")


@functools.cache
def _read(name: str) -> pd.DataFrame:
    frame = pd.read_csv(DATA / f"published_{name}.csv")
    words = [c for c in ("scenario", "better", "over", "subject") if c in frame.columns]
    frame[words] = frame[words].replace("ct+mask", "ct_mask")
    return frame


def published(name: str, dataset: str | None = None) -> pd.DataFrame:
    """Rows of one published table, of one data set (`brain`, `heart`) or of both.

    `name` is one of dice (mean, sd), com (mean_mm, sd_mm), training_hours (hours), average_dice,
    improvement, claims. An empty `sd` means that the paper prints none. Empty for an unknown data set.
    """
    if name not in _TABLES:
        raise KeyError(f"{name}: no published table of this name (there are {', '.join(_TABLES)})")
    frame = _read(name)
    if dataset is not None:
        frame = frame[frame["dataset"] == dataset]
    return frame.reset_index(drop=True).copy()
