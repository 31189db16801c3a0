"""Memory beside what the arrays need: a training step at full scale, preparation of a heart-sized CT, 46 cases held.

Each is the growth of a fresh process (`peak.grown`), so interpreter and libraries are left out.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import data, peak
from benchmarks.lines import LINES
from benchmarks.record import Record, measured, versions


def records(smoke: bool) -> dict[str, Record]:
    size, channels, threads = (32, 2, 1) if smoke else (128, 32, 2)
    raw = (256, 256, 76) if smoke else (512, 512, 150)
    cases = 3 if smoke else 46
    step = peak.in_child("benchmarks.memory:of_a_step", size, channels, threads)
    scan = [peak.in_child("benchmarks.memory:of_preparing", raw) for _ in range(1 if smoke else 3)]
    held = peak.in_child("benchmarks.memory:of_cases", size, cases)
    shape = {"size": size, "channels": channels, "threads": threads}
    seconds = step.pop("seconds")
    found = {
        "training": ([step["grown"] / step["need"]], {**shape, "gigabytes": _in(step, 1e9)}),
        "step": (seconds, {**shape, "versions": versions("torch")}),
        "prepare": ([each["grown"] / each["need"] for each in scan], {"megabytes": _in(scan[0], 1e6)}),
        "cases": ([held["grown"] / held["need"]], {"cases": cases, "size": size, "gigabytes": _in(held, 1e9)}),
    }
    return {
        f"memory.{name}": measured(LINES[f"memory.{name}"], values, **facts) for name, (values, facts) in found.items()
    }


def _in(sizes: dict[str, float], unit: float) -> dict[str, float]:
    return {name: round(value / unit, 3) for name, value in sizes.items()}


def of_a_step(size: int, channels: int, threads: int) -> dict[str, Any]:
    """Bytes grown by one optimiser step of preset `paper`; bytes of weights, gradients, Adam and the maps kept."""
    import torch

    from benchmarks.full_step import run, sample
    from globalmask.network.loss import dice_loss
    from globalmask.network.unet import UNet, count_weights

    torch.set_num_threads(threads)
    seconds: list[float] = []
    grown = peak.grown(lambda: seconds.extend(run(size=size, channels=channels, steps=1, precision="fp32")))
    case, kept = sample(size), {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    network = UNet(1, 4, channels=channels, activation="sigmoid", norm="batch", dropout=0.2)
    weights = {each.untyped_storage().data_ptr() for each in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = dice_loss(network(case.inputs[None]), case.label[None])
    maps = sum(size for place, size in kept.items() if place not in weights)
    assert loss.requires_grad  # keeps the graph, and so every map, until here
    return {"grown": grown, "need": maps + 4 * 4 * count_weights(network), "seconds": seconds}


def of_preparing(size_xyz: list[int]) -> dict[str, float]:
    """Bytes grown by preparing a heart-sized CT; bytes of the raw CT."""
    from globalmask.config import Grid
    from globalmask.prepare.grid import prepare_ct

    ct, _ = data.heart_scan(size_xyz=tuple(size_xyz))
    with tempfile.TemporaryDirectory() as folder:
        grown = peak.grown(lambda: prepare_ct(ct, Path(folder) / "ct.nii.gz", grid=Grid(spacing_mm=1.5)))
    return {"grown": grown, "need": 2 * math.prod(size_xyz)}


def of_cases(size: int, count: int) -> dict[str, float]:
    """Bytes grown by holding `count` cases (CT and mask, float32, label) as a training does; bytes of their arrays."""
    import torch

    from globalmask.learn.inputs import channels_of, load_case
    from globalmask.network.loop import Sample

    found = data.heads(1, size_voxels=size, spacing_mm=192 / size)
    held: list[Sample] = []

    def load() -> None:
        for _ in range(count):
            case = load_case(
                found.prepared, found.masks, found.cases[0], clip_hu=(-200, 200), size_voxels=size, with_label=True
            )
            inputs = torch.from_numpy(channels_of("ct_mask", case.ct01, case.mask))
            held.append(Sample(case.case, inputs, torch.from_numpy(case.label)))

    grown = peak.grown(load)
    return {"grown": grown, "need": sum(each.inputs.nbytes + each.label.nbytes for each in held)}
