"""Is a variant as good as a strong reference from outside? The same sizes, replicates, cases and box, from CT alone.

A mask's gain over a network that a better one beats without it says little. So a variant more than the margin below
the reference is called a weak baseline (`MARGIN_DICE`, on the means). The interval beside it is for the reader: it
crosses cases and runs, and over a single run it tells how cases differ and not how trainings do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from globalmask.evidence.crossed import Estimate
from globalmask.evidence.paired import Paired
from globalmask.evidence.verdicts import MARGIN_DICE

WEAK = "weak baseline"
ENOUGH = f"within {MARGIN_DICE} or better"
PAIR = ["n_train", "replicate", "case", "structure"]


@dataclass(frozen=True)
class Against:
    """Mean Dice of a variant and of the reference at one training size, and variant less reference."""

    arm: str
    variant: str
    reference: str
    n_train: int
    variant_dice: float
    reference_dice: float
    difference: Estimate

    @property
    def verdict(self) -> str:
        """`WEAK` where the mean is more than the margin below the reference; round-off does not decide."""
        return WEAK if self.difference.estimate < -MARGIN_DICE - 1e-9 else ENOUGH

    @property
    def sentence(self) -> str:
        """Both means, their difference with its interval, on what, and the verdict."""
        found = self.difference
        interval = f", {100 * found.level:.0f} % interval {found.low:+.3f} to {found.high:+.3f}"
        runs = f"{found.runs} run{'s' * (found.runs != 1)}"
        return (
            f"n = {self.n_train}: {self.variant} {self.variant_dice:.3f}, {self.reference} {self.reference_dice:.3f}, "
            f"difference {found.estimate:+.3f}{'' if math.isnan(found.low) else interval} "
            f"({found.cases} cases, {runs}): {self.verdict}"
        )


def against_reference(scores: pd.DataFrame, reference: pd.DataFrame) -> list[Against]:
    """One comparison an arm, variant and training size that both have, of scenario `ct` in the box (`space` crop).

    Both frames have the columns of scores.csv; `reference` holds one variant. Only tests (replicate, case, structure)
    that both made enter, and structures are averaged inside a case.
    """
    variants, others = _from_ct(scores), _from_ct(reference)
    (name,) = others["variant"].unique()
    found = []
    for (arm, variant), part in variants[variants["variant"] != name].groupby(["arm", "variant"], sort=False):
        pair = [part.assign(scenario=variant), others[others["arm"] == arm].assign(scenario=name)]
        if not len(pair[1].merge(part, on=PAIR)):
            continue
        paired = Paired(pd.concat(pair))
        first, second = paired.both("dice", variant, name)
        differences = paired.differences("dice", variant, name)
        found += [
            Against(arm, variant, name, n, first[n].value.mean(), second[n].value.mean(), difference.mean())
            for n, difference in differences.items()
        ]
    return found


def _from_ct(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores["scenario"] == "ct") & (scores["space"] == "crop")]
