"""The lines' work as users of MONAI 1.6 do it: transforms of its tutorials, CacheDataset, DiceLoss, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from monai.transforms import (
    Compose,
    EnsureChannelFirst,
    EnsureChannelFirstd,
    LoadImage,
    LoadImaged,
    MapLabelValued,
    Orientationd,
    ResizeWithPadOrCropd,
    SaveImage,
    SaveImaged,
    ScaleIntensityRange,
    ScaleIntensityRanged,
    Spacingd,
    Transpose,
)
from scipy import ndimage
from torch import Tensor, nn

KEYS = ("ct", "label")


def preparation(out_dir: Path, *, values: Mapping[int, int], spacing_mm: float, size_voxels: int) -> Compose:
    """From `{"ct": path, "label": path}` to `out_dir/ct.nii.gz` (int16) and `label.nii.gz` (uint8)."""

    def save(key: str, kind: type) -> SaveImaged:
        return SaveImaged(
            keys=key,
            output_dir=out_dir,
            output_postfix="",
            output_dtype=kind,
            separate_folder=False,
            resample=False,
            print_log=False,
        )

    air = {"ct": -1024, "label": 0}
    return Compose(
        [
            LoadImaged(keys=KEYS),
            EnsureChannelFirstd(keys=KEYS),
            MapLabelValued(keys="label", orig_labels=list(values), target_labels=list(values.values()), dtype=np.uint8),
            Orientationd(keys=KEYS, axcodes="RAS"),
            Spacingd(keys=KEYS, pixdim=(spacing_mm,) * 3, mode=("bilinear", "nearest")),
            *(
                ResizeWithPadOrCropd(keys=key, spatial_size=(size_voxels,) * 3, mode="constant", value=air[key])
                for key in KEYS
            ),
            save("ct", np.int16),
            save("label", np.uint8),
        ]
    )


def dataset(prepared: Path, cases: Sequence[str], *, clip_hu: tuple[float, float]) -> CacheDataset:
    """Prepared cases, loaded and scaled once and kept in memory."""
    files = [{key: prepared / case / f"{key}.nii.gz" for key in KEYS} for case in cases]
    steps = [
        LoadImaged(keys=KEYS),
        EnsureChannelFirstd(keys=KEYS),
        ScaleIntensityRanged(keys="ct", a_min=clip_hu[0], a_max=clip_hu[1], b_min=0, b_max=1, clip=True),
    ]
    return CacheDataset(files, Compose(steps), cache_rate=1.0, num_workers=1, progress=False)


def dice_loss() -> Callable[[Tensor, Tensor], Tensor]:
    """The paper's loss: squared denominator, background left out."""
    return DiceLoss(include_background=False, to_onehot_y=True, softmax=True, squared_pred=True)


def train(network: nn.Module, cases: CacheDataset, *, steps: int, learning_rate: float, half: bool) -> int:
    """Train `network` in place on the CPU, batches of one; returns how many steps were made."""
    loader = DataLoader(cases, batch_size=1, shuffle=True, num_workers=0)
    loss_function = dice_loss()
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    network.train()
    step = 0
    while step < steps:
        for batch in loader:
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                outputs = network(batch["ct"])
            loss = loss_function(outputs.float(), batch["label"])
            loss.backward()
            optimiser.step()
            step += 1
            if step == steps:
                break
    return step


def predict(build: Callable[[], nn.Module], weights: Path, ct: Path, out_dir: Path, *, size: int) -> Path:
    """Load weights and CT, slide a window of `size` over it, write the label map to `out_dir`; returns its path.

    MONAI has volumes as (x, y, z); the weights were made for (z, y, x).
    """
    network = build()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    scale = ScaleIntensityRange(-200, 200, 0, 1, clip=True)
    turn = Transpose(indices=(0, 3, 2, 1))
    image = Compose([LoadImage(image_only=True), EnsureChannelFirst(), scale, turn])(ct)
    with torch.no_grad():
        logits = sliding_window_inference(image[None], roi_size=(size,) * 3, sw_batch_size=1, predictor=network)
    label = MetaTensor(turn(logits[0].argmax(dim=0, keepdim=True)), meta=image.meta)
    SaveImage(output_dir=out_dir, output_postfix="", output_dtype=np.uint8, separate_folder=False, print_log=False)(
        label
    )
    return out_dir / ct.name


def scores(
    reference: np.ndarray, prediction: np.ndarray, *, classes: int, spacing_mm: Sequence[float]
) -> dict[str, Any]:
    """Every metric of a line, an array (structure) each; inputs are label maps (z, y, x) with values 1 to `classes`."""
    wanted, found = (_one_hot(each, classes) for each in (reference, prediction))
    spacing = list(spacing_mm)
    near = {
        name: compute_surface_dice(
            found, wanted, [tolerance] * classes, include_background=True, spacing=spacing, use_subvoxels=True
        )
        for name, tolerance in (("nsd_1p5mm", 1.5), ("nsd_3mm", 3.0))
    }
    far = {
        "hd95_mm": compute_hausdorff_distance(found, wanted, include_background=True, percentile=95, spacing=spacing),
        "assd_mm": compute_average_surface_distance(
            found, wanted, include_background=True, symmetric=True, spacing=spacing
        ),
        "dice": compute_dice(found, wanted, include_background=True),
    }
    centres = [
        np.array(ndimage.center_of_mass(each > 0, each, range(1, classes + 1))) for each in (reference, prediction)
    ]
    com = np.linalg.norm((centres[0] - centres[1]) * spacing, axis=1)
    return {name: np.asarray(value[0]) for name, value in (near | far).items()} | {"com_mm": com}


def _one_hot(label: np.ndarray, classes: int) -> Tensor:
    return torch.from_numpy(np.stack([label == value for value in range(1, classes + 1)])[None])
