"""Prediction of one case, model file and CT file in, label file out: the product, MONAI's sliding window, nnU-Net.

One network with the same weights and one prepared CT, which is its own raw scan, so every side writes its label on one
grid; the product writes a second one, on the scan's own grid, and is timed with it. Weights are drawn, not trained: the
work is the same. Memory is what a fresh process grows by, against the network's forward pass alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import data, peak
from benchmarks.lines import LINES
from benchmarks.pairs import race, same_labels
from benchmarks.record import Record, measured, versions
from benchmarks.training import CLIP_HU
from globalmask.config import PRESETS
from globalmask.imaging.images import array_of, read_image
from globalmask.learn.predict import predict
from globalmask.network.model_file import load_model, save_model
from globalmask.network.unet import UNet, initialise
from globalmask.provenance import torch_seed

STRUCTURES = ["one", "two", "three"]
AGREE = {"ours": 1.0, "monai": 0.999, "nnunet": 0.97}
"""Least Dice of each label: nnU-Net adds up its windows in half precision, and drawn weights decide narrowly."""


def records(smoke: bool) -> dict[str, Record]:
    torch.set_num_threads(1)
    size, channels = (32, 2) if smoke else (128, 32)
    found = data.heads_of_product(1, size_voxels=size, spacing_mm=192 / size)
    files = _model_files(data.BUILD / f"predict_{size}", size, channels)
    result = race(_sides(found, files, size, channels), same=_same, rounds=1 if smoke else 5)
    facts: dict[str, Any] = {"size": size, "channels": channels, "threads": 1, "seconds": result.medians()}
    facts |= {"versions": versions("torch", "monai", "nnunetv2")}
    paths = [str(found.prepared), str(found.masks), found.cases[0], str(files["ours"])]
    growth = [
        (
            peak.in_child("benchmarks.predict:memory_of_ours", *paths),
            peak.in_child("benchmarks.predict:memory_of_network", size, str(files["ours"])),
        )
        for _ in range(1 if smoke else 3)
    ]
    return {
        "predict.monai": measured(LINES["predict.monai"], result.ratios("monai", "ours"), **facts),
        "predict.nnunet": measured(LINES["predict.nnunet"], result.ratios("nnunet", "ours"), **facts),
        "predict.memory": measured(
            LINES["predict.memory"],
            [ours / network for ours, network in growth],
            megabytes={"ours": round(growth[0][0] / 1e6), "network": round(growth[0][1] / 1e6)},
            **facts,
        ),
    }


def network_of(channels: int) -> UNet:
    """The network of every side, with the same weights."""
    shape = PRESETS["modern"].model_dump(include={"activation", "norm", "dropout", "output"})
    network = UNet(1, len(STRUCTURES) + 1, channels=channels, **shape)
    initialise(network, lambda layer: torch_seed(0, "benchmark", layer))
    return network.eval()


def memory_of_ours(prepared: str, masks: str, case: str, model: str) -> int:
    """Bytes that a prediction grows the process by."""
    torch.set_num_threads(1)
    return peak.grown(lambda: _ours(Path(prepared), Path(masks), case, Path(model)))


def memory_of_network(size: int, model: str) -> int:
    """Bytes that the weights and a forward pass alone grow the process by."""
    torch.set_num_threads(1)

    def forward() -> None:
        network, _ = load_model(model)
        with torch.inference_mode():
            network(torch.zeros(1, 1, size, size, size))

    return peak.grown(forward)


def _model_files(folder: Path, size: int, channels: int) -> dict[str, Path]:
    """The weights as the product's model file and as a state dict of torch."""
    network = network_of(channels)
    header = {"scenario": "ct", "structures": STRUCTURES, "clip_hu": list(CLIP_HU), "size_voxels": size}
    save_model(folder / "model.safetensors", network, header)
    torch.save(network.state_dict(), folder / "weights.pt")
    return {"ours": folder / "model.safetensors", "torch": folder / "weights.pt"}


def _ours(prepared: Path, masks: Path, case: str, model: Path) -> Path:
    out = model.parent / "ours"
    predict(
        model_path=model,
        prepared_dir=prepared,
        masks_dir=masks,
        raw_cts={case: prepared / case / "ct.nii.gz"},
        cases=[case],
        out_dir=out,
        native_dir=out / "native",
        device="cpu",
        threads=1,
    )
    return out / f"{case}.nii.gz"


def _sides(found: data.Heads, files: Mapping[str, Path], size: int, channels: int) -> dict[str, Any]:
    folder, case = files["ours"].parent, found.cases[0]
    os.environ.update({f"nnUNet_{name}": str(folder) for name in ("raw", "preprocessed", "results")})
    from benchmarks.peers import monai_peer, nnunet_peer

    ct = found.prepared / case / "ct.nii.gz"
    spacing = read_image(ct).GetSpacing()[0]
    plans = nnunet_peer.predictor_plans(size_voxels=size, spacing_mm=spacing, clip_hu=CLIP_HU)
    for name in ("monai", "nnunet"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "ours": lambda: _ours(found.prepared, found.masks, case, files["ours"]),
        "monai": lambda: monai_peer.predict(
            lambda: network_of(channels), files["torch"], ct, folder / "monai", size=size
        ),
        "nnunet": lambda: nnunet_peer.predict(
            lambda: network_of(channels), files["torch"], ct, folder / "nnunet" / "label.nii.gz", plans, STRUCTURES
        ),
    }


def _same(outputs: Mapping[str, Path]) -> None:
    labels = {name: array_of(read_image(path)) for name, path in outputs.items()}
    for name, label in labels.items():
        same_labels(f"label map of {name}, value", labels["ours"], label, dice=AGREE[name])
