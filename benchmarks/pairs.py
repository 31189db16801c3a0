"""Sides of a comparison, run by turns in one process: first shown to do equal work, then timed.

`race` calls every side once, hands the outputs to `same`, and starts the clock only when that did not raise. Ratios
are taken round by round, for the machine's pace changes more between rounds than within one.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class UnequalWork(AssertionError):
    """Two sides that are to be compared did not do the same."""


@dataclass(frozen=True)
class Clocked:
    """The output of a side that keeps its own clock, for what it does outside of the comparison."""

    output: Any
    seconds: float


@dataclass
class Rounds:
    """Seconds of every side, one entry a round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratios(self, slow: str, fast: str) -> list[float]:
        """Seconds of `slow` over those of `fast`, round by round."""
        return [a / b for a, b in zip(self.seconds[slow], self.seconds[fast], strict=True)]

    def medians(self) -> dict[str, float]:
        return {name: round(float(np.median(values)), 5) for name, values in self.seconds.items() if values}


def race(sides: Mapping[str, Callable[[], Any]], *, same: Callable[[Mapping[str, Any]], None], rounds: int) -> Rounds:
    """Time `sides` for `rounds` rounds, every other one in reverse order; `same` raises UnequalWork on the outputs.

    The call whose outputs are compared warms up, and is not counted.
    """
    same({name: _run(side)[0] for name, side in sides.items()})
    found = Rounds({name: [] for name in sides})
    for turn in range(rounds):
        for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            gc.collect()
            found.seconds[name].append(_run(sides[name])[1])
    return found


def _run(side: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    output = side()
    if isinstance(output, Clocked):
        return output.output, output.seconds
    return output, time.perf_counter() - start


def same_value(what: str, ours: Any, theirs: Any) -> None:
    """Raise UnequalWork unless both are equal."""
    if ours != theirs:
        raise UnequalWork(f"{what}: {ours} against {theirs}")


def same_numbers(what: str, ours: Any, theirs: Any, *, tolerance: float) -> None:
    """Raise UnequalWork unless shapes agree and no number differs by more than `tolerance`; NaN equals NaN."""
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    same_value(f"shape of {what}", a.shape, b.shape)
    away = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
    if not away.size:
        raise UnequalWork(f"{what}: there is nothing to compare")
    if not away.max() <= tolerance:
        raise UnequalWork(f"{what}: differs by {away.max():.4g}, allowed {tolerance:g}")


def same_volume(what: str, ours: np.ndarray, theirs: np.ndarray, *, mean: float) -> None:
    """Raise UnequalWork unless shape and type of number agree, and the mean absolute difference is at most `mean`."""
    same_value(f"shape of {what}", ours.shape, theirs.shape)
    same_value(f"type of {what}", ours.dtype, theirs.dtype)
    away = float(np.abs(ours.astype(np.float64) - theirs).mean())
    if not away <= mean:
        raise UnequalWork(f"{what}: mean absolute difference {away:.4g}, allowed {mean:g}")


def same_labels(what: str, ours: np.ndarray, theirs: np.ndarray, *, dice: float) -> None:
    """Raise UnequalWork unless shape, type and values agree, and the Dice of every label is at least `dice`."""
    same_value(f"shape of {what}", ours.shape, theirs.shape)
    same_value(f"type of {what}", ours.dtype, theirs.dtype)
    same_value(f"values of {what}", np.unique(ours).tolist(), np.unique(theirs).tolist())
    for value in np.unique(ours)[1:]:
        a, b = ours == value, theirs == value
        found = 2 * (a & b).sum() / (a.sum() + b.sum())
        if found < dice:
            raise UnequalWork(f"{what} {value}: Dice {found:.4f}, at least {dice:g} expected")
