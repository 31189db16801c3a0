"""One training as a job: fingerprint, checkpoints, the loop, then its three files.

Shared by the segmentation networks (`learn.train`) and the mask networks (`masks.learned`): both
hand over samples.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from globalmask import provenance
from globalmask.config import TrainSettings
from globalmask.network.checkpoint import Checkpoints
from globalmask.network.loop import (
    HISTORY,
    Sample,
    Seeds,
    State,
    fit,
    resolve_precision,
)
from globalmask.network.model_file import save_model
from globalmask.network.slots import Place, take, training_bytes
from globalmask.network.unet import UNet, count_weights, initialise

FACTS = ("arm", "variant", "scenario", "n", "replicate", "fold")


def run_job(
    train: Sequence[Sample],
    validation: Sequence[Sample],
    *,
    structures: int,
    settings: TrainSettings,
    seeds: Seeds,
    purpose: str,
    kept: Sequence[int],
    device: str,
    threads: int,
    out_dir: str | Path,
    checkpoint_dir: str | Path | None,
    header: Mapping[str, Any],
    code: str,
    accept_code: bool = False,
    extra_networks: Mapping[str, tuple[UNet, Mapping[str, Any]]] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> State:
    """Train a U-Net from scratch; write history.csv, run.json, model.safetensors to `out_dir`.

    An interrupted training resumes by itself. `structures` is the number of foreground labels,
    `purpose` a word that keeps the seeds of different kinds of networks apart, `kept` the input
    channels that are no intensities (masks, coordinates), `code` the code digest of the calling
    stage; `extra_networks` and `files` travel in the model. No `validation` cases: fixed steps, last
    weights. Raises UserError as `fit` and `Checkpoints` do. `run.json` names everything that was read
    with its SHA-256.
    """
    torch.set_num_threads(threads)
    network = UNet(train[0].inputs.shape[0], structures + 1, **_shape_of(settings))
    place = take(device, training_bytes(network, [*train, *validation], settings.precision))
    precision = resolve_precision(settings.precision, place.device)
    initialise(network, lambda layer: seeds.of(purpose, "weights", layer))
    mark = _fingerprint(train, validation, settings, [seeds.seed, seeds.arm, seeds.replicate, purpose])
    mark |= {"precision": precision, "code": code}
    with contextlib.ExitStack() as stack:
        checkpoints = None
        if checkpoint_dir is not None:
            checkpoints = stack.enter_context(Checkpoints(checkpoint_dir, mark, accept_code=accept_code))
        state = fit(
            network,
            train,
            validation,
            settings=settings,
            seeds=seeds,
            device=place.device,
            precision=precision,
            kept=kept,
            checkpoints=checkpoints,
            title=Path(out_dir).as_posix(),
        )
        chosen = {
            "settings": mark["settings"],
            "precision": precision,
            "seeds": {"seed": seeds.seed, "arm": seeds.arm, "replicate": seeds.replicate},
            "best_step": state.best_step,
            "versions": provenance.versions("torch", "numpy", "globalmask"),
        }
        record = {
            **{name: header.get(name) for name in FACTS},
            "cases": {"train": list(mark["cases"]), "validation": list(mark["validation"])},
            **chosen,
            "weights_kept": "best validation" if validation else "last step",
            **_outcome(state),
            **_machine(place, threads),
            "weights": count_weights(network),
            "code": code,
            "inputs": provenance.inputs(),
        }
        if checkpoints is not None:
            checkpoints.check()
        # The model comes last: where it is, everything is.
        provenance.write_text(Path(out_dir) / "history.csv", history_text(state.history))
        provenance.write_json(Path(out_dir) / "run.json", record)
        model = Path(out_dir) / "model.safetensors"
        save_model(model, network, {**header, **chosen}, extra_networks=extra_networks, files=files)
        if checkpoints is not None:
            checkpoints.clear()
    return state


def history_text(history: Sequence[Mapping[str, Any]]) -> str:
    """`history.csv`: one row a validation; empty where there was none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HISTORY)
    for row in history:
        writer.writerow(["" if row[name] is None else row[name] for name in HISTORY])
    return stream.getvalue()


def _shape_of(settings: TrainSettings) -> dict[str, Any]:
    return settings.model_dump(include={"channels", "activation", "norm", "dropout", "output"})


def _outcome(state: State) -> dict[str, Any]:
    return {
        "steps": state.step,
        "best_val_dice": state.best_val_dice,
        "batch_statistics_dice": state.batch_statistics_dice,
        "hours": state.best_seconds / 3600,
        "total_hours": state.train_seconds / 3600,
        "validation_hours": state.val_seconds / 3600,
        "attempts": state.attempts,
        "stop_reason": state.stop_reason,
        "accepted_code": state.accepted_code,
    }


def _machine(place: Place, threads: int) -> dict[str, Any]:
    name = f"cuda: {torch.cuda.get_device_name(place.device)}" if place.device.type == "cuda" else "cpu"
    return {
        "device": name,
        "trainings_per_gpu": place.trainings_per_gpu,
        "host": socket.gethostname(),
        "threads": threads,
    }


def _fingerprint(
    train: Sequence[Sample], validation: Sequence[Sample], settings: TrainSettings, seeds: list[Any]
) -> dict[str, Any]:
    return {
        "settings": settings.model_dump(mode="json"),
        "cases": {sample.case: _digest(sample) for sample in train},
        "validation": {sample.case: _digest(sample) for sample in validation},
        "seeds": seeds,
    }


def _digest(sample: Sample) -> str:
    digest = hashlib.sha256(sample.inputs.contiguous().numpy().data)
    digest.update(sample.label.contiguous().numpy().data)
    return digest.hexdigest()[:16]
