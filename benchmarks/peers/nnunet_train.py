"""Plan, preprocess, train and predict one nnU-Net data set; runs in `.venv-peers` and imports nothing of globalmask.

.venv-peers/bin/python nnunet_train.py SETTINGS.json     called by benchmarks/nnunet_reference.py, which sets nnUNet_*

This is nnU-Net's own fingerprint, plan (3d_fullres, PlainConvUNet), preprocessing, augmentation, loss, SGD and mirrored
test-time prediction. Changed are the length, with the polynomial rate over it, and bfloat16 in place of CUDA's float16.
Fold `all`: every case of the data set trains, no other label is seen, and the weights are those of the last step.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import load_json
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprint_dataset,
    plan_experiment_dataset,
    preprocess_dataset,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

CONFIGURATION = "3d_fullres"
PLANNED_NETWORK = f"{PlainConvUNet.__module__}.{PlainConvUNet.__name__}"
VERSIONED = ("nnunetv2", "dynamic-network-architectures", "batchgeneratorsv2", "torch", "numpy", "SimpleITK")


class Bfloat16UNet(PlainConvUNet):
    """nnU-Net's planned network with bfloat16 convolutions; outputs are float32, so the loss is too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """`x` (batch, channel, z, y, x); the outputs of all scales under deep supervision, else the finest."""
        with torch.autocast("cpu", torch.bfloat16):
            found = super().forward(x.contiguous(memory_format=torch.channels_last_3d))
        return [each.float() for each in found] if isinstance(found, list | tuple) else found.float()


class ShortTrainer(nnUNetTrainer):
    """nnU-Net's default trainer on the CPU; `shorten` sets its length before the training starts."""

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int | str,
        dataset_json: dict,
        device: torch.device = torch.device("cpu"),  # noqa: B008 - the parent's signature, which it inspects
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.disable_checkpointing = True  # predictions follow at once, with the last weights
        self.num_val_iterations_per_epoch = 1  # on training cases under fold `all`; nothing is chosen by it
        self.mirroring = True

    def shorten(self, *, iterations: int, epoch: int, mirroring: bool) -> None:
        """Train `iterations` steps; the rate falls after each `epoch` steps."""
        self.num_iterations_per_epoch, self.num_epochs = epoch, iterations // epoch
        self.mirroring = mirroring

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> torch.nn.Module:
        """The planned network under bfloat16."""
        if configuration_manager.network_arch_class_name != PLANNED_NETWORK:
            raise ValueError(f"the plan has {configuration_manager.network_arch_class_name}, not {PLANNED_NETWORK}")
        network = get_network_from_plans(
            f"{__name__}.{Bfloat16UNet.__name__}",
            configuration_manager.network_arch_init_kwargs,
            configuration_manager.network_arch_init_kwargs_req_import,
            num_input_channels,
            num_output_channels,
            allow_init=True,
            deep_supervision=enable_deep_supervision,
        )
        return network.to(memory_format=torch.channels_last_3d)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:
        """The parent's; without mirroring as in nnU-Net's own nnUNetTrainerNoMirroring."""
        rotation, flat, patch, axes = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        if not self.mirroring:
            axes = self.inference_allowed_mirroring_axes = None
        return rotation, flat, patch, axes


def prepare(number: int, name: str) -> ShortTrainer:
    """Fingerprint, plan and preprocess the data set with one process; returns its trainer."""
    extract_fingerprint_dataset(number, num_processes=1, check_dataset_integrity=True, show_progress_bar=False)
    plan_experiment_dataset(number)
    preprocess_dataset(number, configurations=(CONFIGURATION,), num_processes=(1,), show_progress_bar=False)
    folder = Path(nnUNet_preprocessed) / name
    plans = load_json(str(folder / "nnUNetPlans.json")) | {"continue_training": False}
    return ShortTrainer(plans, CONFIGURATION, "all", load_json(str(folder / "dataset.json")))


def predict(trainer: ShortTrainer, images: Path, out: Path) -> None:
    """Write `out/{case}.nii.gz` for every image, with the weights as they are and without further processes."""
    predictor = nnUNetPredictor(use_mirroring=trainer.mirroring, device=trainer.device, allow_tqdm=False)
    trainer.set_deep_supervision_enabled(False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    out.mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(str(images), str(out))


def described(trainer: ShortTrainer) -> dict[str, Any]:
    """What was trained, for the record beside the scores."""
    plan = trainer.configuration_manager
    return {
        "versions": {name: metadata.version(name) for name in VERSIONED},
        "trainer": f"{nnUNetTrainer.__name__}, shortened",
        "network": PLANNED_NETWORK.rsplit(".", 1)[-1],
        "weights": sum(each.numel() for each in trainer.network.parameters()),
        "precision": "bfloat16 autocast",
        "configuration": CONFIGURATION,
        "fold": trainer.fold,
        "patch_size": [int(size) for size in plan.patch_size],
        "spacing_mm": [float(spacing) for spacing in plan.spacing],
        "batch_size": int(trainer.batch_size),
        "features": list(plan.network_arch_init_kwargs["features_per_stage"]),
        "mirroring": trainer.mirroring,
        "initial_rate": trainer.initial_lr,
        "iterations": trainer.num_epochs * trainer.num_iterations_per_epoch,
        "iterations_per_epoch": trainer.num_iterations_per_epoch,
        "train_loss": [round(float(loss), 4) for loss in trainer.logger.get_value("train_losses", step=None)],
    }


def seed_all(seed: int) -> None:
    """Seed every generator that nnU-Net draws from when it augments in its own process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def main() -> None:
    """Write predictions and the record named in the settings."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(given["threads"])
    clock = [time.perf_counter()]
    trainer = prepare(given["number"], given["name"])
    trainer.shorten(iterations=given["iterations"], epoch=given["epoch"], mirroring=given["mirroring"])
    clock.append(time.perf_counter())
    os.environ.update(nnUNet_n_proc_DA="0")  # augment in this process; the planner refuses a 0
    seed_all(given["seed"])
    trainer.run_training()
    clock.append(time.perf_counter())
    predict(trainer, Path(given["images"]), Path(given["predictions"]))
    clock.append(time.perf_counter())
    seconds = dict(zip(("prepare", "train", "predict"), np.diff(clock).round(1).tolist(), strict=True))
    record = described(trainer) | {"threads": given["threads"], "seed": given["seed"], "seconds": seconds}
    record["seconds_per_iteration"] = round(seconds["train"] / given["iterations"], 2)
    Path(given["record"]).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
