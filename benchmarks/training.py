"""From prepared files to trained weights: our loading and loop, MONAI as its tutorials do it, nnU-Net's trainer.

The cases are real heads in a box of 64^3 at 3 mm (brain stem), the network is ours with the same first weights on every
side, batches are single cases. Against MONAI the loss is the paper's Dice and the optimiser Adam at one rate on both
sides; nnU-Net keeps its own loss, SGD and augmentation, and stands against preset `modern`, which augments too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import race, same_numbers, same_value
from benchmarks.record import Record, measured, versions
from benchmarks.step import CPU, SEEDS
from globalmask.config import PRESETS, TrainSettings
from globalmask.learn.inputs import channels_of, load_case
from globalmask.network.loop import Sample, fit, resolve_precision
from globalmask.network.loss import dice_loss
from globalmask.network.unet import UNet, count_weights, initialise

CLIP_HU = (-200.0, 200.0)
STRUCTURES = ["brain_stem"]


def records(smoke: bool) -> dict[str, Record]:
    torch.set_num_threads(1)
    size, channels, steps, cases = (32, 2, 2, 2) if smoke else (64, 16, 40, 8)
    found = data.heads_of_product(cases, size_voxels=size, spacing_mm=192 / size)
    against_monai = _against_monai(found, size, channels, steps, rounds=1 if smoke else 5)
    against_nnunet = _against_nnunet(found, size, channels, steps, rounds=1 if smoke else 5)
    return against_monai | against_nnunet


def network_of(settings: TrainSettings) -> UNet:
    """The network of every side, with the same first weights."""
    shape = settings.model_dump(include={"channels", "activation", "norm", "dropout", "output"})
    network = UNet(1, len(STRUCTURES) + 1, **shape)
    initialise(network, lambda layer: SEEDS.of("weights", layer))
    return network


def samples_of(found: data.Heads, size: int) -> list[Sample]:
    """The cases as the product loads them for a training."""
    samples = []
    for case in found.cases:
        loaded = load_case(found.prepared, found.masks, case, clip_hu=CLIP_HU, size_voxels=size, with_label=True)
        inputs = torch.from_numpy(channels_of("ct", loaded.ct01, loaded.mask))
        samples.append(Sample(case, inputs, torch.from_numpy(loaded.label)))
    return samples


def ours(found: data.Heads, size: int, settings: TrainSettings, precision: str) -> dict[str, Any]:
    """Load and train; what was done, for the comparison."""
    samples = samples_of(found, size)
    network = network_of(settings)
    state = fit(network, samples, [], settings=settings, seeds=SEEDS, device=CPU, precision=precision)
    return _done(network, state.step, samples[0].inputs[None].shape)


def _done(network: torch.nn.Module, steps: int, shape: torch.Size) -> dict[str, Any]:
    weights = torch.cat([each.detach().flatten() for each in network.parameters()])
    return {
        "steps": steps,
        "batch": tuple(shape),
        "weights": count_weights(network),
        "finite": bool(weights.isfinite().all()),
    }


def _same(outputs: Mapping[str, dict[str, Any]]) -> None:
    first = next(iter(outputs.values()))
    for name, done in outputs.items():
        for what, value in done.items():
            same_value(f"{what} of {name}", first[what], value)


def _against_monai(found: data.Heads, size: int, channels: int, steps: int, *, rounds: int) -> dict[str, Record]:
    from benchmarks.peers import monai_peer

    plain = {"loss": "dice", "schedule": "constant", "augmentation": False, "learning_rate": 1e-3}
    length = {"channels": channels, "max_steps": steps, "validate_every": steps}
    settings = PRESETS["modern"].model_copy(update=plain | length)
    half = resolve_precision("bf16", CPU) == "bf16"
    _equal_cases_and_loss(found, size, settings)

    def theirs(half: bool) -> dict[str, Any]:
        cases = monai_peer.dataset(found.prepared, found.cases, clip_hu=CLIP_HU)
        network = network_of(settings)
        made = monai_peer.train(network, cases, steps=steps, learning_rate=settings.learning_rate, half=half)
        return _done(network, made, cases[0]["ct"][None].shape)

    sides: dict[str, Callable[[], Any]] = {
        "ours_fp32": partial(ours, found, size, settings, "fp32"),
        "ours_bf16": partial(ours, found, size, settings, resolve_precision("bf16", CPU)),
        "monai_fp32": partial(theirs, False),
        "monai_bf16": partial(theirs, half),
    }
    result = race(sides, same=_same, rounds=rounds)
    facts = _facts(steps, size, channels, result.medians()) | {"versions": versions("torch", "monai")}
    pairs = {
        "monai_defaults": ("monai_fp32", "ours_bf16"),
        "monai_fp32": ("monai_fp32", "ours_fp32"),
        "monai_bf16": ("monai_bf16", "ours_bf16"),
    }
    return {
        f"training.{name}": measured(LINES[f"training.{name}"], result.ratios(*pair), **facts)
        for name, pair in pairs.items()
    }


def _equal_cases_and_loss(found: data.Heads, size: int, settings: TrainSettings) -> None:
    """Voxel by voxel the same inputs and labels, and the same loss of the same network on them."""
    from benchmarks.peers import monai_peer

    theirs = monai_peer.dataset(found.prepared, found.cases, clip_hu=CLIP_HU)
    network = network_of(settings).eval()
    for sample, item in zip(samples_of(found, size), theirs, strict=True):
        # nibabel gives (x, y, z), the voxels lie as they are stored.
        inputs, label = (np.asarray(item[key])[0].transpose() for key in ("ct", "label"))
        same_numbers(f"inputs of {sample.case}", sample.inputs[0], inputs, tolerance=1e-5)
        same_numbers(f"label of {sample.case}", sample.label, label, tolerance=0)
    with torch.no_grad():
        logits = network(sample.inputs[None])
    loss = monai_peer.dice_loss()(logits, sample.label[None, None])
    same_numbers("loss", dice_loss(logits, sample.label[None]), loss, tolerance=1e-5)


def _against_nnunet(found: data.Heads, size: int, channels: int, steps: int, *, rounds: int) -> dict[str, Record]:
    folder = data.BUILD / f"nnunet_{size}"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir(parents=True)
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    os.environ.update(nnUNet_n_proc_DA="1", nnUNet_def_n_proc="1")
    from benchmarks.peers import nnunet_peer

    settings = PRESETS["modern"].model_copy(update={"channels": channels, "max_steps": steps, "validate_every": steps})
    nnunet_peer.write_dataset(found.prepared, found.cases, STRUCTURES)
    plans = nnunet_peer.preprocess(size_voxels=size)

    def theirs() -> dict[str, Any]:
        network, batch = nnunet_peer.train(partial(network_of, settings), plans, steps=steps)
        same_value("shape of nnU-Net's label", (1, 1, size, size, size), tuple(batch["target"].shape))
        return _done(network, steps, batch["data"].shape)

    sides: dict[str, Callable[[], Any]] = {
        "ours": partial(ours, found, size, settings, resolve_precision("bf16", CPU)),
        "ours_fp32": partial(ours, found, size, settings, "fp32"),
        "nnunet": theirs,
    }
    result = race(sides, same=_same, rounds=rounds)
    facts = _facts(steps, size, channels, result.medians()) | {"versions": versions("torch", "nnunetv2")}
    return {
        "training.nnunet": measured(LINES["training.nnunet"], result.ratios("nnunet", "ours"), **facts),
        "training.nnunet_fp32": measured(LINES["training.nnunet_fp32"], result.ratios("nnunet", "ours_fp32"), **facts),
    }


def _facts(steps: int, size: int, channels: int, seconds: dict[str, float]) -> dict[str, Any]:
    half = resolve_precision("bf16", CPU)
    return {"steps": steps, "size": size, "channels": channels, "seconds": seconds, "half": half, "threads": 1}
