"""Does a network that sees the mask alone know more than the average of the labels that it was trained with?

The label atlas of the same training cases gives every test case one and the same map (`evidence.floors`). A mask-only
network that does not beat it has learnt where structures lie in the frame, and nothing from the silhouette.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from globalmask.evidence.crossed import Estimate
from globalmask.evidence.paired import Paired

ATLAS = "atlas"


@dataclass(frozen=True)
class BeyondAtlas:
    """Mean Dice of a mask-only network and of the atlas for one structure and size, their difference, two readers'.

    `readers` is NaN where no case has a second reader's label.
    """

    arm: str
    variant: str
    structure: str
    n_train: int
    network: float
    atlas: float
    difference: Estimate
    readers: float


def beyond_atlas(scores: pd.DataFrame, floors: pd.DataFrame) -> list[BeyondAtlas]:
    """One comparison an arm, variant, structure and training size, in the box (`space` crop).

    Frames as `present.results.read_scores` and `present.evidence_files.read_floors` give them. Only tests (replicate,
    case) that both have enter.
    """
    alone = scores[(scores["scenario"] == "mask") & (scores["space"] == "crop")]
    atlas = floors[(floors["method"] == ATLAS) & (floors["space"] == "crop")].assign(scenario=ATLAS)
    readers = floors[floors["method"] == "readers"].groupby(["arm", "structure"])["dice"].mean()
    found = []
    for (arm, variant, structure), part in alone.groupby(["arm", "variant", "structure"], sort=False):
        same = atlas[(atlas["arm"] == arm) & (atlas["structure"] == structure)]
        if not len(same):
            continue
        paired = Paired(pd.concat([part, same.astype({"n_train": int, "replicate": int})]))
        networks, maps = paired.both("dice", "mask", ATLAS)
        for n, difference in paired.differences("dice", "mask", ATLAS).items():
            means = float(networks[n].value.mean()), float(maps[n].value.mean())
            ceiling = float(readers.get((arm, structure), np.nan))
            found.append(BeyondAtlas(arm, variant, structure, n, *means, difference.mean(), ceiling))
    return found
