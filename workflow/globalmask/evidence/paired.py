"""Scores as paired values: one a case, run and training size, for a scenario or for a difference of two.

A difference is taken inside each structure and then averaged over structures, so both scenarios count the same
ones. Undefined values (STATISTICS.md section 5) are left out; whoever counts them says how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from globalmask.evidence.crossed import Estimate, crossed_mean, predicted_run

KEYS = ["n_train", "replicate", "case"]
TESTED = "tested"


@dataclass(frozen=True)
class Values:
    """Values of pairs of case and run at one training size; three columns of equal length (N,)."""

    case: np.ndarray
    run: np.ndarray
    value: np.ndarray

    def mean(self) -> Estimate:
        """The crossed mean."""
        return crossed_mean(self.case, self.run, self.value)

    def next_run(self) -> Estimate:
        """Where the mean of one new run would fall."""
        return predicted_run(self.case, self.run, self.value)

    def over_runs(self) -> np.ndarray:
        """Mean of each run over its cases (R,), in the order of the runs."""
        return self._means(self.run)

    def over_cases(self) -> np.ndarray:
        """Mean of each case over its runs (I,)."""
        return self._means(self.case)

    def matrix(self, runs: Sequence[int], cases: Sequence[str]) -> np.ndarray:
        """Values (R, I) of the named runs and cases; NaN where a run did not test a case."""
        frame = pd.Series(self.value, index=pd.MultiIndex.from_arrays([self.run, self.case]))
        return frame.unstack().reindex(index=runs, columns=cases).to_numpy(float)

    def _means(self, by: np.ndarray) -> np.ndarray:
        return pd.Series(self.value).groupby(by).mean().dropna().to_numpy(float)


class Paired:
    """The scores of one arm, variant and space. `structures` is empty where there is one: it is the mean."""

    def __init__(self, scores: pd.DataFrame) -> None:
        self.scores = scores.assign(**{TESTED: 1.0})
        names = list(dict.fromkeys(scores["structure"]))
        self.structures = names if len(names) > 1 else []
        self.scenarios = list(dict.fromkeys(scores["scenario"]))
        self._pivots: dict[str, pd.DataFrame] = {}

    def sizes(self, *scenarios: str) -> list[int]:
        """Training sizes at which all of the scenarios have scores, ascending."""
        have = [set(self.scores.loc[self.scores["scenario"] == name, "n_train"]) for name in scenarios]
        return sorted(int(n) for n in set.intersection(*have))

    def levels(self, column: str, scenario: str, structure: str = "") -> dict[int, Values]:
        """Values of a scenario at each size, of one structure or averaged over all."""
        return _by_size(self._wide(column, structure)[scenario])

    def differences(self, column: str, scenario: str, reference: str, structure: str = "") -> dict[int, Values]:
        """Values of scenario - reference at each size, over pairs in which both have a value."""
        wide = self._wide(column, structure)
        return _by_size((wide[scenario] - wide[reference]).dropna())

    def both(self, column: str, scenario: str, reference: str) -> tuple[dict[int, Values], dict[int, Values]]:
        """Values of scenario and reference, over structures that have one in both: equally many, in one order."""
        wide = self._wide(column, "")[[scenario, reference]].dropna()
        return _by_size(wide[scenario]), _by_size(wide[reference])

    def counts(self, column: str, scenarios: Sequence[str], n: int, structure: str = "") -> tuple[int, int]:
        """Tests (case, run and structure) at a size in which all scenarios have a value, and how many there are."""
        both, tested = (self._wide(name, structure)[list(scenarios)].xs(n) for name in (column, TESTED))
        there = tested.notna().all(axis=1)
        return int(both[there].notna().all(axis=1).sum()), int(there.sum())

    def collapsed(self, limit: float) -> pd.DataFrame:
        """Whether the mean Dice over a run's test cases is under `limit`: scenario, n_train, replicate, structure."""
        keys = ["scenario", "n_train", "replicate", "structure"]
        means = self.scores.groupby(keys, as_index=False)["dice"].mean().dropna(subset="dice")
        return means.assign(collapsed=means["dice"] < limit)

    def _wide(self, column: str, structure: str) -> pd.DataFrame:
        if column not in self._pivots:
            self._pivots[column] = self.scores.pivot(index=[*KEYS, "structure"], columns="scenario", values=column)
        wide = self._pivots[column]
        return wide if not structure else wide[wide.index.get_level_values("structure") == structure]


def _by_size(values: pd.Series) -> dict[int, Values]:
    means = values.groupby(level=KEYS).mean().rename("value").reset_index()
    return {
        int(n): Values(part["case"].to_numpy(str), part["replicate"].to_numpy(int), part["value"].to_numpy(float))
        for n, part in means.groupby("n_train")
    }
