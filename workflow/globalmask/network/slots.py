"""Which GPU of this box a job computes on: so many slots a GPU, shared by all runs of a user.

A slot is a file under an flock, which the kernel gives back when the process ends, in whatever way: none goes
stale. In it stands the memory that its holder will need, so that jobs that start together do not count the same
free memory. One more lock makes looking and taking one act. Other users are seen by the memory that they hold.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from globalmask.errors import UserError
from globalmask.network.loop import Sample, resolve_device
from globalmask.network.unet import UNet, count_weights

PER_GPU = "GLOBALMASK_TRAININGS_PER_GPU"
"""Set by the workflow from `trainings_per_gpu` of the config; by hand there is none, and no slot is taken."""
WAIT_HOURS = 48.0
"""How long a job waits for a slot: as long as a training may take."""
POLL_SECONDS = 5.0
KEPT_BYTES = {"fp32": 72, "bf16": 44}
"""Bytes that a forward pass keeps for the backward one, a voxel and channel of the first block.

Counted by autograd's hooks on the CPU for preset `paper`; `modern` keeps a tenth more. Not measured on a GPU.
"""
PASSED_BYTES = 20
"""The same of a prediction: five maps in fp32 at the last block up, its input, the skips and its output."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process sees, under torch's number; `uuid` is the same for every process of the box."""

    index: int
    name: str
    uuid: str
    total_bytes: int


@dataclass(frozen=True)
class Place:
    """Where a network computes. `trainings_per_gpu`: how many may share the GPU, None where nobody counts."""

    device: torch.device
    trainings_per_gpu: int | None = None


_taken: list[Place] = []
"""The one place of this process, once it has taken a slot: for as long as it lives."""


def take(device: str, needed_bytes: int) -> Place:
    """The device of this process: for `cuda` in a job of the workflow a slot of the least loaded GPU with room.

    SLURM gives a job its GPU, and then no slot is taken. Raises UserError for `cuda` without a GPU, and as
    `wait_for_slot` does.
    """
    place = resolve_device(device)
    most = os.environ.get(PER_GPU)
    if device != "cuda" or most is None:
        return Place(place)
    if most == "1" and "SLURM_JOB_ID" in os.environ and torch.cuda.device_count() == 1:
        return Place(place, 1)
    if not _taken:
        gpu, _ = wait_for_slot(visible_gpus(), needed_bytes, int(most))
        torch.cuda.set_device(gpu.index)
        _taken.append(Place(torch.device("cuda", gpu.index), int(most)))
    return _taken[0]


def wait_for_slot(gpus: Sequence[Gpu], needed_bytes: int, most: int) -> tuple[Gpu, int]:
    """A GPU with room for one more of `most`, and the descriptor that holds the slot until it is closed.

    Waits with one line on stderr. Raises UserError when no GPU is large enough, or none has room in `WAIT_HOURS`.
    """
    if all(needed_bytes > gpu.total_bytes for gpu in gpus):
        raise UserError(
            "No GPU of this machine is large enough for this job.",
            found="; ".join(f"{_name(gpu)} has {_gb(gpu.total_bytes)}" for gpu in gpus),
            expected=f"{_gb(needed_bytes)} or more",
            todo="Lower `channels` or `grid.size_voxels`, or set `precision: bf16`.",
        )
    told, deadline = False, time.monotonic() + 3600 * WAIT_HOURS
    while isinstance(found := _try(gpus, needed_bytes, most), str):
        if time.monotonic() > deadline:
            raise UserError(
                f"No GPU had room for this job within {WAIT_HOURS:g} hours.",
                found=found,
                expected=f"a free slot and {_gb(needed_bytes)} on one GPU",
                todo="End what holds them, then the same command again; or let more share a GPU: `trainings_per_gpu`.",
            )
        if not told:
            print(f"Waiting for a GPU, {WAIT_HOURS:g} hours at most. {found}", file=sys.stderr, flush=True)
            told = True
        time.sleep(POLL_SECONDS)
    return found


def training_bytes(network: UNet, samples: Sequence[Sample], precision: str) -> int:
    """GPU memory that training `network` on `samples` (all stay on the device) takes at least.

    Weights with gradients and Adam's moments, what the forward pass keeps, and the cases; gradients of maps, the
    context and cuDNN's workspace come on top.
    """
    voxels = max(sample.label.numel() for sample in samples)
    cases = sum(sample.inputs.nbytes + sample.label.nbytes for sample in samples)
    return 16 * count_weights(network) + KEPT_BYTES[precision] * network.head.in_channels * voxels + cases


def prediction_bytes(network: UNet, voxels: int) -> int:
    """GPU memory that a prediction of `voxels` takes at least."""
    return 4 * count_weights(network) + PASSED_BYTES * network.head.in_channels * voxels


def visible_gpus() -> list[Gpu]:
    """Every GPU that this process may use; none is entered, which would take memory on it."""
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [Gpu(index, each.name, str(each.uuid), each.total_memory) for index, each in enumerate(found)]


def free_bytes(gpu: Gpu) -> int:
    """Memory that nobody holds now; 0 where not even this process can enter the GPU."""
    try:
        return torch.cuda.mem_get_info(gpu.index)[0]
    except RuntimeError:
        return 0


def _try(gpus: Sequence[Gpu], needed_bytes: int, most: int) -> tuple[Gpu, int] | str:
    """A GPU and its slot, or why every one was refused."""
    folder = _folder()
    with (folder / "choosing").open("w", encoding="utf-8") as choosing:
        fcntl.flock(choosing, fcntl.LOCK_EX)
        refused = {}
        claims = {gpu: _claims(folder, gpu) for gpu in gpus}
        for gpu in sorted(gpus, key=lambda gpu: len(claims[gpu])):
            reason = _refusal(gpu, claims[gpu], needed_bytes, most)
            if reason is None:
                number = min(set(range(most)) - set(claims[gpu]))
                return gpu, _claim(folder / f"{gpu.uuid}.{number}", needed_bytes, most)
            refused[gpu] = f"{_name(gpu)}: {reason}."
    return " ".join(refused[gpu] for gpu in gpus)


def _claims(folder: Path, gpu: Gpu) -> dict[int, Mapping[str, Any]]:
    """What stands in the slots of a GPU that are held, by number."""
    found = {}
    for path in folder.glob(f"{gpu.uuid}.*"):
        with path.open("r+", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found[int(path.suffix[1:])] = json.load(stream)
    return found


def _refusal(gpu: Gpu, claims: Mapping[int, Mapping[str, Any]], needed_bytes: int, most: int) -> str | None:
    """Why a GPU is not taken; what runs on it counts by its own limit too, so that one that is alone stays alone."""
    slots = min([most, *(claim["most"] for claim in claims.values())])
    if len(claims) >= slots:
        processes = ", ".join(str(claim["pid"]) for claim in claims.values())
        return f"{len(claims)} of {slots} slots are taken (process {processes})"
    unclaimed = gpu.total_bytes - sum(claim["bytes"] for claim in claims.values())
    # Only a GPU that may be chosen is asked, because asking enters it.
    room = min(unclaimed, free_bytes(gpu)) if needed_bytes <= unclaimed else unclaimed
    return None if needed_bytes <= room else f"{_gb(room)} are free, {_gb(needed_bytes)} are needed"


def _claim(path: Path, needed_bytes: int, most: int) -> int:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(handle, json.dumps({"pid": os.getpid(), "bytes": needed_bytes, "most": most}).encode())
    return handle


def _folder() -> Path:
    """The folder of the slots, this user's own: in a folder for all, another one might have made it before."""
    folder = Path(tempfile.gettempdir()) / f"globalmask-gpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(
            "The folder of the GPU slots is not yours.",
            file=folder,
            todo="Have it removed, or set TMPDIR to another folder for all your runs.",
        )
    return folder


def _name(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
