"""The lines' work by nnU-Net v2's own reader, resampling, trainer and predictor.

`nnUNet_raw`, `nnUNet_preprocessed` and `nnUNet_results` must be set before this is imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprint_dataset,
    plan_experiment_dataset,
    preprocess_dataset,
)
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_spacing
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

CONFIGURATION = "3d_fullres"
NUMBER, NAME = 502, "Dataset502_benchmark"
FILE_ENDING = ".nii.gz"


def prepare(
    ct: Path, label: Path, out_dir: Path, *, values: Mapping[int, int], spacing_mm: float, size_voxels: int
) -> tuple[Path, Path]:
    """Write `out_dir/ct.nii.gz` (int16) and `label.nii.gz` (uint8): its middle at `spacing_mm`; returns their paths."""
    reader = SimpleITKIO()
    hu, about = reader.read_images([str(ct)])
    raw, _ = reader.read_seg(str(label))
    numbers = np.zeros(max(values) + 1, np.float32)
    numbers[list(values)] = list(values.values())
    seg = numbers[raw.astype(np.int32)]
    new = [spacing_mm] * 3
    resampled = [
        resample_data_or_seg_to_spacing(each, about["spacing"], new, is_seg=is_seg, order=1)[0]
        for each, is_seg in ((hu, False), (seg, True))
    ]
    paths = out_dir / "ct.nii.gz", out_dir / "label.nii.gz"
    for array, kind, air, path in zip(resampled, (np.int16, np.uint8), (-1024, 0), paths, strict=True):
        box, start = _middle(array, size_voxels, air)
        image = sitk.GetImageFromArray(np.rint(box).astype(kind))
        image.SetSpacing(new)
        first = [(at + 0.5) * spacing_mm / old - 0.5 for at, old in zip(start, about["spacing"], strict=True)]
        place = np.array(first[::-1]) * about["sitk_stuff"]["spacing"]
        image.SetOrigin((np.array(about["sitk_stuff"]["origin"]) + place).tolist())
        sitk.WriteImage(image, str(path), True)
    return paths


def _middle(array: np.ndarray, size: int, fill: float) -> tuple[np.ndarray, list[int]]:
    """The cube of `size` in the middle of `array` (z, y, x), padded with `fill`, and where it starts."""
    start = [(length - size) // 2 for length in array.shape]
    inside = array[tuple(slice(max(0, first), max(0, first) + size) for first in start)]
    gaps = [(max(0, -first), size - max(0, -first) - length) for first, length in zip(start, inside.shape, strict=True)]
    return np.pad(inside, gaps, constant_values=fill), start


def write_dataset(prepared: Path, cases: Sequence[str], structures: Sequence[str]) -> None:
    """The prepared cases as nnU-Net's raw data set."""
    folder = _folder("raw")
    for name, kind, end in (("imagesTr", "ct", "_0000"), ("labelsTr", "label", "")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for case in cases:
            target = folder / name / f"{case}{end}.nii.gz"
            target.write_bytes((prepared / case / f"{kind}.nii.gz").read_bytes())
    (folder / "dataset.json").write_text(json.dumps(_dataset_json(structures, len(cases))), encoding="utf-8")


def preprocess(*, size_voxels: int) -> dict[str, Any]:
    """Fingerprint, plan and preprocess the data set; returns the plan, with our patch and a batch of one."""
    with _quiet():
        extract_fingerprint_dataset(NUMBER, num_processes=1, check_dataset_integrity=False, show_progress_bar=False)
        plan_experiment_dataset(NUMBER)
        preprocess_dataset(NUMBER, configurations=(CONFIGURATION,), num_processes=(1,), show_progress_bar=False)
    path = _folder("preprocessed") / "nnUNetPlans.json"
    plans = json.loads(path.read_text(encoding="utf-8"))
    plans["configurations"][CONFIGURATION] |= {"patch_size": [size_voxels] * 3, "batch_size": 1}
    return plans


class SameNetworkTrainer(nnUNetTrainer):
    """nnU-Net's trainer with its augmentation, sampling, loss and SGD, around a network that is given."""

    build: Callable[[], nn.Module]

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int | str,
        dataset_json: dict,
        device: torch.device = torch.device("cpu"),  # noqa: B008 - the parent's signature, which it inspects
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.enable_deep_supervision = False

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        return SameNetworkTrainer.build()


def train(build: Callable[[], nn.Module], plans: dict[str, Any], *, steps: int) -> tuple[nn.Module, dict[str, Any]]:
    """Train the network of `build` for `steps` steps on the preprocessed cases; returns it and the last batch."""
    os.environ.update(nnUNet_n_proc_DA="0")  # augment in this process; the planner refuses a 0
    SameNetworkTrainer.build = staticmethod(build)
    folder = _folder("preprocessed")
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    with _quiet():
        trainer = SameNetworkTrainer(plans | {"continue_training": False}, CONFIGURATION, "all", dataset)
        trainer.initialize()
        trainer.dataloader_train, trainer.dataloader_val = trainer.get_dataloaders()
    trainer.network.train()
    for _ in range(steps):
        batch = next(trainer.dataloader_train)
        trainer.train_step(batch)
    return trainer.network, batch


def predictor_plans(*, size_voxels: int, spacing_mm: float, clip_hu: tuple[float, float]) -> dict[str, Any]:
    """A plan that says of the input what our model's header says: the same grid, window and scale."""
    low, high = clip_hu
    # CTNormalization clips to the percentiles, takes off the mean and divides by the deviation.
    window = {"percentile_00_5": low, "percentile_99_5": high, "mean": low, "std": high - low}
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    name = "resample_data_or_seg_to_shape"
    configuration = {
        "architecture": {},  # the network is given
        "data_identifier": "benchmark",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 1,
        "patch_size": [size_voxels] * 3,
        "spacing": [spacing_mm] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        **{f"resampling_fn_{kind}": name for kind in ("data", "seg", "probabilities")},
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True},
        "resampling_fn_probabilities_kwargs": resampling,
    }
    return {
        "dataset_name": NAME,
        "plans_name": "benchmark",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "foreground_intensity_properties_per_channel": {"0": window},
        "label_manager": "LabelManager",
        "configurations": {CONFIGURATION: configuration},
    }


def predict(
    build: Callable[[], nn.Module], weights: Path, ct: Path, out: Path, plans: dict, structures: Sequence[str]
) -> Path:
    """Load the weights, predict the label map of `ct` without mirroring, write `out`; returns its path."""
    manager = PlansManager(plans)
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.manual_initialization(
        build(),
        manager,
        manager.get_configuration(CONFIGURATION),
        [torch.load(weights, weights_only=True)],
        _dataset_json(structures, 1),
        nnUNetTrainer.__name__,
        None,
    )
    predictor.network.eval()
    with _quiet():
        predictor.predict_from_files_sequential([[str(ct)]], [str(out).removesuffix(FILE_ENDING)])
    return out


def _folder(kind: str) -> Path:
    return Path(os.environ[f"nnUNet_{kind}"]) / NAME


def _dataset_json(structures: Sequence[str], count: int) -> dict[str, Any]:
    return {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: number for number, name in enumerate(structures, 1)}},
        "numTraining": count,
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }


def _quiet() -> contextlib.AbstractContextManager[Any]:
    return contextlib.redirect_stdout(io.StringIO())
