"""The table of scores under shifts of the test CTs, and the slope of Dice over a shift's strength.

One row a case, structure, shift, strength and kind of mask (`frozen`: of the clean scan, `remade`: from the shifted
one). Strength 0 is the clean scan and stands under every shift. No torch here: statistics are built without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from globalmask.evidence import score
from globalmask.provenance import atomic

COLUMNS = (
    *("run", "data", "arm", "variant", "preset", "mask_recipe", "mask_set", "scenario"),
    *("n_train", "replicate", "fold", "case", "structure", "space", "shift", "strength", "masks"),
    *("dice", "com_mm", "ref_ml", "pred_ml", "ref_lost_share", "status"),
    *("labels_train", "labels_val", "labels_mask"),
)
RUN = ["arm", "variant", "scenario", "n_train", "replicate"]
LADDER = [*RUN, "case", "shift", "masks"]


def slopes(frame: pd.DataFrame) -> pd.DataFrame:
    """Change of Dice from no shift to the strongest, per case and run: negative where the shift harms.

    `frame` has the columns of `robustness.csv`. Dice is averaged over structures (undefined ones left out), then
    fitted by least squares over strength, which is scaled so that the strongest of each shift is 1. Columns: arm,
    variant, scenario, n_train, replicate, case, shift, masks, slope.
    """
    steps = frame.groupby([*LADDER, "strength"], as_index=False, sort=False)["dice"].mean().dropna(subset="dice")
    strongest = frame.groupby("shift")["strength"].max()
    steps["x"] = steps["strength"] / steps["shift"].map(strongest)
    means = steps.groupby(LADDER, sort=False)[["x", "dice"]].transform("mean")
    away = steps["x"] - means["x"]
    steps = steps.assign(top=away * (steps["dice"] - means["dice"]), below=away**2)
    sums = steps.groupby(LADDER, as_index=False, sort=False)[["top", "below"]].sum()
    sums["slope"] = sums["top"] / sums["below"]
    return sums.drop(columns=["top", "below"])


def gather(*, paths: Sequence[Path], out_path: Path) -> None:
    """All rows of `paths`, in that order, in one table. Refuses a file of other columns."""
    score.gather(score_paths=paths, out_path=out_path, columns=COLUMNS)


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows as CSV: numbers with six decimals, undefined ones as empty fields."""
    with atomic(Path(path)) as temporary:
        rows.to_csv(
            temporary, columns=list(COLUMNS), index=False, float_format="%.6f", lineterminator="\n", encoding="utf-8"
        )
