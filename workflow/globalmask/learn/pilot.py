"""The pace of a training on this machine, from a few optimiser steps on random data of its shape."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch

from globalmask.config import TrainSettings
from globalmask.network.loop import Sample, Seeds, fit, resolve_device, resolve_precision
from globalmask.network.unet import UNet, initialise

STEPS = 4
"""Optimiser steps of a pilot; the first warms up and is not counted."""


@dataclass(frozen=True)
class Pace:
    """Seconds of one optimiser step and of one validation case; memory of the process (CPU) or on the GPU."""

    step_seconds: float
    validation_seconds: float
    memory_mb: float


def measure(
    settings: TrainSettings, *, inputs: int, structures: int, size_voxels: int, device: str, threads: int
) -> Pace:
    """Train `STEPS` steps in a process of its own, so that its memory is its own.

    `inputs` are the input channels, `structures` the foreground labels. Raises UserError as `fit` does.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_measure, settings, inputs, structures, size_voxels, device, threads).result()


def _measure(
    settings: TrainSettings, inputs: int, structures: int, size_voxels: int, device: str, threads: int
) -> Pace:
    torch.set_num_threads(threads)
    place = resolve_device(device)
    short = settings.model_copy(update={"max_steps": STEPS, "validate_every": 1, "patience_steps": None})
    seeds = Seeds(0, "pilot", 0)
    shape = short.model_dump(include={"channels", "activation", "norm", "dropout", "output"})
    network = UNet(inputs, structures + 1, **shape)
    initialise(network, lambda layer: seeds.of("weights", layer))
    case = _random_case(inputs, structures, size_voxels)
    precision = resolve_precision(short.precision, place)
    with contextlib.redirect_stderr(io.StringIO()):
        state = fit(network, [case], [case], settings=short, seeds=seeds, device=place, precision=precision)
    first, last = state.history[0], state.history[-1]
    step, validation = ((last[name] - first[name]) / (STEPS - 1) for name in ("train_seconds", "val_seconds"))
    return Pace(step, validation, _peak_memory_mb(place))


def _random_case(inputs: int, structures: int, size: int) -> Sample:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, structures + 1, (size, size, size), generator=generator, dtype=torch.uint8)
    return Sample("pilot", torch.rand(inputs, size, size, size, generator=generator), label)


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 1e6
    kilobytes = 1e-3 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes * 1024 / 1e6
