"""A training on a GPU: its step against the device's limit, memory, trainings side by side, projected GPU-hours.

    .venv/bin/python benchmarks/run.py gpu      one call, when a GPU is at hand

The limit is a large matrix product in the same precision, on the same device, in the same minute. Floating-point
operations of a step are counted by torch (forward and backward). Hours are steps times seconds of a step, plus
validations, at the longest a training may be (`max_steps`); early stopping only shortens them. Every part runs on the
CPU too, at tiny sizes (`measure`), which the tests do.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.lines import LINES
from benchmarks.record import Record, measured, missing, versions
from benchmarks.step import SEEDS, sample
from globalmask import config
from globalmask.config import PRESETS, TrainSettings
from globalmask.learn.pilot import Pace
from globalmask.network.loop import fit, resolve_precision
from globalmask.network.loss import LOSSES
from globalmask.network.unet import UNet, initialise

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {"paper": ROOT / "config.yaml", "evidence": ROOT / "workflow" / "config" / "evidence.yaml"}


@dataclass(frozen=True)
class Step:
    """One training step: seconds, those of a validation case, operations, bytes on the device (or of the process)."""

    seconds: float
    validation_seconds: float
    operations: int
    bytes: int


def records(smoke: bool) -> dict[str, Record]:
    if not torch.cuda.is_available() and not smoke:
        return {name: missing(LINES[name], "no GPU on this machine") for name in LINES if name.startswith("gpu.")}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size, channels, steps, product = (32, 2, 2, 256) if smoke else (128, 32, 30, 8192)
    found = measure(device, size=size, channels=channels, steps=steps, product=product, rounds=1 if smoke else 5)
    pace = partial(tiny_pace if smoke else pace_of, steps=steps)
    hours = {name: projected_hours(path, pace) for name, path in CONFIGS.items()}
    facts = {"device": name_of(device), "published_hours": published_hours(), "versions": versions("torch")}
    found |= {name: [value] for name, value in hours.items()}
    return {f"gpu.{name}": measured(LINES[f"gpu.{name}"], values, **facts) for name, values in found.items()}


def measure(
    device: str,
    *,
    size: int,
    channels: int,
    steps: int,
    product: int,
    rounds: int,
    together: Sequence[int] = (2, 4),
) -> dict[str, list[float]]:
    """Share of the limit (%), memory (GB), and the pace of several trainings beside that of one, round by round."""
    settings = PRESETS["paper"].model_copy(update={"channels": channels, "precision": "bf16"})
    flops, memory, ratios = [], [], {count: [] for count in together}
    for _ in range(rounds):
        step = step_of(settings, device, size=size, steps=steps)
        limit = operations_a_second(device, product, settings)
        flops.append(100 * step.operations / step.seconds / limit)
        memory.append(step.bytes / 1e9)
        alone = steps_a_second(1, device, settings, size=size, steps=steps)
        for count, found in ratios.items():
            found.append(steps_a_second(count, device, settings, size=size, steps=steps) / alone)
    return {"flops": flops, "memory": memory, **{f"together{count}": found for count, found in ratios.items()}}


def step_of(settings: TrainSettings, device: str, *, size: int, steps: int) -> Step:
    """Pace of our own loop after as many steps to warm up."""
    place = torch.device(device)
    case = sample(size)
    short = settings.model_copy(update={"max_steps": 2 * steps, "validate_every": steps, "patience_steps": None})
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    precision = resolve_precision(settings.precision, place)
    network = _network(settings)
    state = fit(network, [case], [case], settings=short, seeds=SEEDS, device=place, precision=precision)
    first, last = state.history
    peak = torch.cuda.max_memory_reserved() if device == "cuda" else 0
    return Step(
        (last["train_seconds"] - first["train_seconds"]) / steps,
        last["val_seconds"] - first["val_seconds"],
        operations_of_a_step(settings, size),
        peak,
    )


def operations_of_a_step(settings: TrainSettings, size: int) -> int:
    """Floating-point operations of forward and backward, a multiplication and an addition being two.

    All layers are convolutions, so they grow with the voxels; they are counted at 32^3.
    """
    small = sample(32)
    network = _network(settings)
    with FlopCounterMode(display=False) as counter:
        LOSSES[settings.loss](network(small.inputs[None]), small.label[None], settings.output).backward()
    return counter.get_total_flops() * (size // 32) ** 3


def operations_a_second(device: str, size: int, settings: TrainSettings, repeats: int = 10) -> float:
    """The device's limit: a product of two matrices of `size` in the precision of the training."""
    half = resolve_precision(settings.precision, torch.device(device)) == "bf16"
    a = torch.rand(size, size, device=device, dtype=torch.bfloat16 if half else torch.float32)
    seconds = min(_clocked(device, lambda: a @ a) for _ in range(repeats))
    return 2 * size**3 / seconds


def steps_a_second(count: int, device: str, settings: TrainSettings, *, size: int, steps: int) -> float:
    """Steps a second of `count` trainings, each in a process of its own, all together once all have warmed up."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(count, mp_context=spawn) as pool:
        ready = manager.Barrier(count)
        jobs = [pool.submit(_train, settings, device, size, steps, ready) for _ in range(count)]
        return sum(steps / job.result() for job in jobs)


def _train(settings: TrainSettings, device: str, size: int, steps: int, ready: Any) -> float:
    torch.set_num_threads(1)
    place = torch.device(device)
    network, precision = _network(settings), resolve_precision(settings.precision, place)

    def run(count: int) -> None:
        short = settings.model_copy(update={"max_steps": count, "validate_every": count, "patience_steps": None})
        fit(network, [sample(size)], [], settings=short, seeds=SEEDS, device=place, precision=precision)

    run(2)
    ready.wait()
    return _clocked(device, lambda: run(steps))


def projected_hours(path: Path, pace: Callable[..., Pace]) -> float:
    """GPU-hours of all trainings and mask networks of a config at their longest, one after the other."""
    from globalmask.present import forecast  # with pandas, which the trainings' processes need not import

    settings = config.read(path)
    return sum(training.hours for training in forecast.trainings(settings, measure=pace))


def pace_of(settings: TrainSettings, *, size_voxels: int, device: str, steps: int, **shape: Any) -> Pace:
    """The pace of a training of this shape on the GPU, in bf16."""
    step = step_of(settings.model_copy(update={"precision": "bf16"}), "cuda", size=size_voxels, steps=steps)
    return Pace(step.seconds, step.validation_seconds, step.bytes / 1e6)


def tiny_pace(settings: TrainSettings, *, size_voxels: int, device: str, steps: int, **shape: Any) -> Pace:
    """The pace of a smallest training on the CPU: whether it runs, not how long it takes."""
    step = step_of(settings.model_copy(update={"channels": 2}), "cpu", size=32, steps=steps)
    return Pace(step.seconds, step.validation_seconds, 0.0)


def published_hours() -> float:
    """The sum of the paper's Tables 5 and 6."""
    from globalmask.evidence.published_numbers import published

    return float(published("training_hours")["hours"].sum())


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def _network(settings: TrainSettings) -> UNet:
    network = UNet(1, 4, **settings.model_dump(include={"channels", "activation", "norm", "dropout", "output"}))
    initialise(network, lambda layer: SEEDS.of("weights", layer))
    return network


def _clocked(device: str, call: Callable[[], Any]) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
