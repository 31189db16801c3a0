"""The paper's own numbers (Tables 1 to 6, stated averages, percentages, claims, slips), as data frames.

The files in `evidence/data/` were typed from both versions of the paper and checked by script; scenario
words are this project's (`ct`, `mask`, `ct_mask`). Centre-of-mass distances are those of the earlier
version, which prints two decimals.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data"
_TABLES = ("dice", "com", "training_hours", "average_dice", "improvement", "claims", "slips")


@functools.cache
def _read(name: str) -> pd.DataFrame:
    frame = pd.read_csv(DATA / f"published_{name}.csv")
    words = [c for c in ("scenario", "better", "over", "subject") if c in frame.columns]
    frame[words] = frame[words].replace("ct+mask", "ct_mask")
    return frame


def published(name: str, dataset: str | None = None, structures: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of one published table, of one data set (`brain`, `heart`) or of both.

    `name` is one of dice (mean, sd), com (mean_mm, sd_mm), training_hours (hours), average_dice, improvement,
    claims, slips (where the paper disagrees with itself, and the claims or tables that each one touches).
    An empty `sd` means that the paper prints none. Empty for an unknown data set. With `structures`, a table of
    structures is cut to those and uses their spelling.
    """
    if name not in _TABLES:
        raise KeyError(f"{name}: no published table of this name (there are {', '.join(_TABLES)})")
    frame = _read(name)
    if dataset is not None:
        frame = frame[frame["dataset"] == dataset]
    if structures is not None and "structure" in frame:
        names = {structure.lower(): structure for structure in structures}
        names.setdefault("aa", names.get("ao", "AA"))
        frame = frame.assign(structure=frame["structure"].str.lower().map(names))
        frame = frame[frame["structure"].isin(structures)]
    return frame.reset_index(drop=True).copy()


def percent_gain(value: float, reference: float) -> float:
    """Difference to the reference in percent of the reference; NaN when that is 0.

    All the paper's percentages are so, with CT as reference, also where CT is the better one (slip I-05).
    """
    return float("nan") if reference == 0 else 100.0 * (value - reference) / reference
