"""Training seconds to a given validation Dice: preset `modern` against preset `paper`, equal hardware, real heads.

Each preset trains as it is, at the demo's scale, on the same cases; validation is off the clock. The curves are in the
facts, as pairs of seconds and Dice. Nothing is judged here: the demo's number of steps follows from it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import same_value
from benchmarks.precision import run
from benchmarks.record import Record, measured, missing, versions
from benchmarks.step import CPU
from benchmarks.training import network_of, samples_of
from globalmask.config import PRESETS
from globalmask.network.loop import State, resolve_precision
from globalmask.network.unet import count_weights

TARGET = 0.5


def records(smoke: bool) -> dict[str, Record]:
    torch.set_num_threads(1)
    size, channels, cases, replicates, every = (32, 2, 4, 1, 2) if smoke else (48, 8, 24, 3, 25)
    steps = {"modern": 4, "paper": 4} if smoke else {"modern": 400, "paper": 600}
    samples = samples_of(data.heads(cases, size_voxels=size, spacing_mm=192 / size), size)
    length = {"channels": channels, "validate_every": every, "patience_steps": None}
    settings = {name: PRESETS[name].model_copy(update=length | {"max_steps": steps[name]}) for name in steps}
    same_value("weights of the networks", *(count_weights(network_of(each)) for each in settings.values()))
    found: dict[str, list[State]] = {name: [] for name in settings}
    for replicate in range(replicates):
        for name, each in settings.items():
            found[name].append(run(samples, each, resolve_precision(each.precision, CPU), replicate))
    facts = {"size": size, "channels": channels, "cases": max(1, cases // 3), "threads": 1}
    return {f"budget.{name}": _record(name, states, facts) for name, states in found.items()}


def seconds_to(history: list[dict], target: float) -> float:
    """Training seconds to the first validation Dice of `target` or more; infinite where there was none."""
    return next((row["train_seconds"] for row in history if row["val_dice"] >= target), math.inf)


def _record(name: str, states: list[State], facts: dict) -> Record:
    line = LINES[f"budget.{name}"]
    reached = [seconds_to(state.history, TARGET) for state in states]
    last = [round(state.history[-1]["val_dice"], 3) for state in states]
    curve = [[round(row["train_seconds"], 1), round(row["val_dice"], 3)] for row in states[0].history]
    facts = facts | {"dice_of_last_weights": last, "curve": curve, "versions": versions("torch")}
    if not math.isfinite(np.median(reached)):
        longest = max(state.train_seconds for state in states)
        record = missing(line, f"not reached in {longest:.0f} s by half of {len(states)} trainings; last Dice {last}")
        return {**record, "facts": facts}
    finite = [value for value in reached if math.isfinite(value)]
    return measured(line, reached, spread=(min(finite), max(finite)), **facts)
