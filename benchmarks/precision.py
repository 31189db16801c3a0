"""bf16 with channels_last_3d against fp32: how much faster, and whether it learns the same (real heads, demo's scale).

Replicate by replicate both precisions train preset `modern` on the same cases, in the same order, from the same
weights; the Dice is that of the last weights on the same held-out heads. Equal quality: the mean paired difference is
at most 0.02 in size; its 95 % interval (Student's t) is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from scipy import stats

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import race, same_numbers, same_value
from benchmarks.record import Record, measured, missing, versions
from benchmarks.step import CPU
from benchmarks.training import network_of, samples_of
from globalmask.config import PRESETS, TrainSettings
from globalmask.network.loop import Sample, Seeds, State, fit, resolve_precision

LOSS_TOLERANCE = 0.02
"""Of the loss after two steps: bf16 keeps eight bits."""


def records(smoke: bool) -> dict[str, Record]:
    torch.set_num_threads(1)
    if resolve_precision("bf16", CPU) != "bf16":
        return {name: missing(LINES[name], "this CPU has no bf16") for name in ("precision.time", "precision.dice")}
    size, channels, steps, cases, replicates = (32, 2, 4, 4, 2) if smoke else (48, 8, 400, 24, 5)
    samples = samples_of(data.heads(cases, size_voxels=size, spacing_mm=192 / size), size)
    settings = PRESETS["modern"].model_copy(update={"channels": channels, "max_steps": steps, "validate_every": steps})
    short = settings.model_copy(update={"max_steps": 2, "validate_every": 2})
    race({name: partial(run, samples, short, name, 0) for name in ("fp32", "bf16")}, same=_same, rounds=0)
    pairs = [_pair(samples, settings, replicate) for replicate in range(replicates)]
    times = [fp32.train_seconds / bf16.train_seconds for fp32, bf16 in pairs]
    dice = np.array([[state.best_val_dice for state in pair] for pair in pairs])
    difference = dice[:, 1] - dice[:, 0]
    error = stats.sem(difference) * stats.t.ppf(0.975, replicates - 1)
    facts = {"steps": steps, "size": size, "channels": channels, "threads": 1, "versions": versions("torch")}
    shown = {"dice_fp32": dice[:, 0].round(3).tolist(), "dice_bf16": dice[:, 1].round(3).tolist()}
    mean = float(difference.mean())
    quality = measured(LINES["precision.dice"], [mean], spread=(mean - error, mean + error), **facts, **shown)
    quality["facts"]["repeats"] = replicates
    return {"precision.time": measured(LINES["precision.time"], times, **facts), "precision.dice": quality}


def run(samples: list[Sample], settings: TrainSettings, precision: str, replicate: int) -> State:
    """Train on a third of the samples, a third that moves with the replicate, and validate on the rest."""
    third = max(1, len(samples) // 3)
    moved = samples[replicate * 5 % len(samples) :] + samples[: replicate * 5 % len(samples)]
    seeds = Seeds(0, "benchmark", replicate)
    train, rest = moved[:third], moved[third:]
    return fit(network_of(settings), train, rest, settings=settings, seeds=seeds, device=CPU, precision=precision)


def _pair(samples: list[Sample], settings: TrainSettings, replicate: int) -> tuple[State, State]:
    order = ("fp32", "bf16") if replicate % 2 == 0 else ("bf16", "fp32")
    found = {precision: run(samples, settings, precision, replicate) for precision in order}
    return found["fp32"], found["bf16"]


def _same(outputs: Mapping[str, State]) -> None:
    fp32, bf16 = outputs["fp32"], outputs["bf16"]
    same_value("steps", fp32.step, bf16.step)
    losses = [state.history[-1]["train_loss"] for state in (fp32, bf16)]
    same_numbers("training loss of the first steps", *losses, tolerance=LOSS_TOLERANCE * losses[0])
