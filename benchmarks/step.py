"""What our loop costs beside the limit: the same network, loss and optimiser on resident tensors, in a bare loop.

The weights of both sides are compared before anything is timed: the same case, the same number of steps, so they must
agree. Precision and memory layout are those of preset `modern` on this machine; the schedule is constant on both sides.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.lines import LINES
from benchmarks.pairs import Clocked, Rounds, race, same_numbers
from benchmarks.record import Record, measured, versions
from globalmask.config import PRESETS, TrainSettings
from globalmask.network.loop import Sample, Seeds, State, fit, resolve_precision
from globalmask.network.loss import LOSSES
from globalmask.network.unet import UNet, initialise

CPU = torch.device("cpu")
SEEDS = Seeds(0, "benchmark", 0)


def records(smoke: bool) -> dict[str, Record]:
    torch.set_num_threads(1)
    scales = {"small": (64, 16, 10), "demo": (48, 8, 20)} if not smoke else {"small": (32, 4, 2), "demo": (32, 2, 2)}
    found = {}
    for name, (size, channels, steps) in scales.items():
        rounds, facts = _overhead(size, channels, steps, rounds=2 if smoke else 9)
        loss = [100 * (ratio - 1) for ratio in rounds.ratios("loop", "bare")]
        found[f"step.{name}"] = measured(LINES[f"step.{name}"], loss, **facts)
    size, channels, steps = scales["demo"]
    found |= _counted_apart(size, channels, steps, rounds=2 if smoke else 9)
    return found


def settings_of(channels: int, steps: int) -> TrainSettings:
    """Preset `modern` at a constant rate, without augmentation and validation."""
    changed = {"channels": channels, "schedule": "constant", "augmentation": False}
    return PRESETS["modern"].model_copy(update=changed | {"max_steps": steps, "validate_every": steps})


def sample(size: int) -> Sample:
    """A random volume with three blocks as structures."""
    label = torch.zeros(size, size, size, dtype=torch.uint8)
    for number in (1, 2, 3):
        part = slice(number * size // 5, number * size // 5 + size // 8)
        label[part, part, part] = number
    return Sample("benchmark", torch.rand(1, size, size, size, generator=torch.Generator().manual_seed(0)), label)


def fresh_network(settings: TrainSettings) -> UNet:
    """The network with the first weights of every side."""
    network = UNet(1, 4, **settings.model_dump(include={"channels", "activation", "norm", "dropout", "output"}))
    initialise(network, lambda layer: SEEDS.of("weights", layer))
    return network


def loop(network: nn.Module, case: Sample, settings: TrainSettings, validation: tuple[Sample, ...] = ()) -> State:
    """Our own loop, its display kept quiet."""
    precision = resolve_precision(settings.precision, CPU)
    with contextlib.redirect_stderr(io.StringIO()):
        return fit(network, [case], validation, settings=settings, seeds=SEEDS, device=CPU, precision=precision)


def bare(network: nn.Module, case: Sample, settings: TrainSettings) -> float:
    """The limit; returns the seconds of its steps."""
    half = resolve_precision(settings.precision, CPU) == "bf16"
    layout = torch.channels_last_3d if half else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    inputs, label = case.inputs[None].contiguous(memory_format=layout), case.label[None]
    start = time.perf_counter()
    for _ in range(settings.max_steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = network(inputs)
        loss = LOSSES[settings.loss](logits, label, settings.output)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return time.perf_counter() - start


def _overhead(size: int, channels: int, steps: int, *, rounds: int) -> tuple[Rounds, dict]:
    settings, case = settings_of(channels, steps), sample(size)
    first = fresh_network(settings)

    def ours() -> Clocked:
        network = copy.deepcopy(first)
        state = loop(network, case, settings)
        return Clocked(_flat(network), state.train_seconds)

    def limit() -> Clocked:
        network = copy.deepcopy(first)
        seconds = bare(network, case, settings)
        return Clocked(_flat(network), seconds)

    found = race({"loop": ours, "bare": limit}, same=_same, rounds=rounds)
    facts = {
        "steps_a_round": steps,
        "seconds": found.medians(),
        "precision": resolve_precision(settings.precision, CPU),
        "threads": 1,
        "versions": versions("torch"),
    }
    return found, facts


def _same(outputs: Mapping[str, Tensor]) -> None:
    same_numbers("weights after the steps of a round", outputs["loop"], outputs["bare"], tolerance=1e-6)


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in network.parameters()])


def _counted_apart(size: int, channels: int, steps: int, *, rounds: int) -> dict[str, Record]:
    """Augmentation against our loop without it, and a validation against a step: our loop against itself."""
    settings, case = settings_of(channels, steps), sample(size)
    first = fresh_network(settings)
    variants = {"plain": settings, "augmented": settings.model_copy(update={"augmentation": True})}

    def side(name: str) -> Clocked:
        state = loop(copy.deepcopy(first), case, variants[name], (case,) * 3)
        validations[name].append(state.val_seconds / (state.train_seconds / state.step))
        return Clocked(state, state.train_seconds)

    def same(outputs: Mapping[str, State]) -> None:
        steps_made = [state.step for state in outputs.values()]
        same_numbers("steps", steps_made[0], steps_made[1], tolerance=0)

    validations: dict[str, list[float]] = {name: [] for name in variants}
    found = race({name: partial(side, name) for name in variants}, same=same, rounds=rounds)
    facts = {"steps_a_round": steps, "seconds": found.medians(), "threads": 1, "versions": versions("torch")}
    cost = [100 * (ratio - 1) for ratio in found.ratios("augmented", "plain")]
    return {
        "step.augmentation": measured(LINES["step.augmentation"], cost, **facts),
        "step.validation": measured(LINES["step.validation"], validations["plain"][1:], **facts),
    }
