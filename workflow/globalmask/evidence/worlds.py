"""Can the method tell two worlds apart: structures that are independent of the silhouette, and a function of it?

Issue 3, "Must hold": in world `free` the mask-only network beats the label atlas by at most 0.03 Dice; in world
`fixed` it comes within 0.05 of the Dice that a perfect reader of the mask reaches (`floors.csv`, `silhouette`). That is
of use only where the worlds are far apart: in `fixed` that Dice is above 0.9, and the network over 0.1 above the atlas.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from globalmask.errors import UserError

MOST_ABOVE_ATLAS = 0.03
MOST_BELOW_CEILING = 0.05
CEILING_ABOVE = 0.9
FIXED_ABOVE_ATLAS = 0.1


def compare_worlds(scores: pd.DataFrame, floors: pd.DataFrame) -> pd.DataFrame:
    """One row a world: mean Dice in the box over structures, test cases and replicates, and whether the bound holds.

    `scores` and `floors` are the tables of a run with the arms `free` and `fixed`. Columns: `mask_only`, `atlas`,
    `ceiling` (NaN where the silhouette fixes nothing), `holds`.
    """
    networks = scores[(scores["scenario"] == "mask") & (scores["space"] == "crop")]
    known = floors[floors["space"] == "crop"]
    means = pd.DataFrame(
        {
            "mask_only": networks.groupby("arm")["dice"].mean(),
            "atlas": known[known["method"] == "atlas"].groupby("arm")["dice"].mean(),
            "ceiling": known[known["method"] == "silhouette"].groupby("arm")["dice"].mean(),
        }
    ).loc[["free", "fixed"]]
    free, fixed = means.loc["free"], means.loc["fixed"]
    means["holds"] = [
        free.mask_only - free.atlas <= MOST_ABOVE_ATLAS,
        fixed.ceiling - fixed.mask_only <= MOST_BELOW_CEILING
        and fixed.ceiling > CEILING_ABOVE
        and fixed.mask_only > fixed.atlas + FIXED_ABOVE_ATLAS,
    ]
    return means


def report(run_dir: Path) -> None:
    """Print the two comparisons of a finished run; raises UserError when a bound is broken."""
    tables = [pd.read_csv(Path(run_dir) / name) for name in ("scores.csv", "floors.csv")]
    means = compare_worlds(*tables)
    free, fixed = (means.loc[world] for world in ("free", "fixed"))
    lines = [
        "Mean Dice on synthetic bodies, structures independent of the silhouette (free) or fixed by it (fixed)",
        means.to_string(float_format="{:.3f}".format),
        f"free:  mask-only minus label atlas  {free.mask_only - free.atlas:+.3f}  (bound: at most {MOST_ABOVE_ATLAS})",
        f"fixed: ceiling minus mask-only      {fixed.ceiling - fixed.mask_only:+.3f}"
        f"  (bound: at most {MOST_BELOW_CEILING})",
    ]
    print("\n".join(lines))
    if not means["holds"].all():
        raise UserError("The mask-only network does not tell the two phantom worlds apart.", file=run_dir)
