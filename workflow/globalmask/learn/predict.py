"""Predictions of one model: on the prepared grid, and on the scan's own grid.

The box's class probabilities are interpolated linearly, class by class, onto the raw scan and decided there;
nothing is decided on one grid and carried to another (DESIGN.md decision 5). Labels are never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from globalmask.imaging.geometry import paste, sub_grid
from globalmask.imaging.images import image_like, read_image, read_transform, write_image
from globalmask.learn.inputs import Case, channels_of, load_case
from globalmask.network.model_file import load_model
from globalmask.network.slots import prediction_bytes, take
from globalmask.network.unet import UNet
from globalmask.prepare.grid import return_to_native


def predict(
    *,
    model_path: Path,
    prepared_dir: Path,
    masks_dir: Path,
    raw_cts: Mapping[str, Path],
    cases: Sequence[str],
    out_dir: Path,
    native_dir: Path,
    device: str,
    threads: int,
    transforms: Mapping[str, Path] | None = None,
    mask_cases: Mapping[str, str] | None = None,
) -> None:
    """Write `out_dir/{case}.nii.gz` and `native_dir/{case}.nii.gz` (uint8, 0 background, i + 1 structure i).

    The first lies on the prepared grid, the second on the grid of the case's raw CT; both are 0 outside the
    box. `transforms` (registered arms) map points of the prepared grid to points of the raw scan. `mask_cases`
    names the case whose mask a case gets (scenario `ct_wrongmask`), its own where it is not named.
    """
    torch.set_num_threads(threads)
    network, header = load_model(model_path)
    network.to(take(device, prediction_bytes(network, header["size_voxels"] ** 3)).device)
    for case in cases:
        mask_case = (mask_cases or {}).get(case)
        inputs = load_inputs(header, prepared_dir=prepared_dir, masks_dir=masks_dir, case=case, mask_case=mask_case)
        probabilities = probabilities_of(network, header["scenario"], inputs)
        prepared = read_image(Path(prepared_dir) / case / "ct.nii.gz", case=case)
        transform = read_transform(transforms[case]) if transforms else None
        on_prepared, native = place(
            probabilities,
            prepared,
            offset_zyx=inputs.offset_zyx,
            raw=read_image(raw_cts[case], case=case),
            transform=transform,
        )
        write_image(on_prepared, Path(out_dir) / f"{case}.nii.gz")
        write_image(native, Path(native_dir) / f"{case}.nii.gz")


def load_inputs(
    header: Mapping[str, Any],
    *,
    prepared_dir: Path,
    masks_dir: Path,
    case: str,
    with_label: bool = False,
    mask_case: str | None = None,
) -> Case:
    """A case cut and scaled as the model's header says."""
    return load_case(
        prepared_dir,
        masks_dir,
        case,
        clip_hu=header["clip_hu"],
        size_voxels=header["size_voxels"],
        with_label=with_label,
        mask_case=mask_case,
    )


def probabilities_of(network: UNet, scenario: str, inputs: Case) -> np.ndarray:
    """Class probabilities (class, z, y, x) of one case, float32, in the box; class 0 is background.

    Independent structures (`output: sigmoid`) do not sum to 1, and their background is 0.5: the largest decides.
    """
    channels = torch.from_numpy(channels_of(scenario, inputs.ct01, inputs.mask))
    with torch.inference_mode():
        return network.chances(channels[None].to(next(network.parameters()).device))[0].cpu().numpy()


def place(
    probabilities: np.ndarray,
    prepared: sitk.Image,
    *,
    offset_zyx: Sequence[int],
    raw: sitk.Image,
    transform: sitk.Transform | None,
) -> tuple[sitk.Image, sitk.Image]:
    """Probabilities (class, z, y, x) of the box as labels (uint8) on the prepared and on the raw grid.

    `offset_zyx` is the box's first voxel on the prepared grid and may be negative.
    """
    labels = probabilities.argmax(axis=0).astype(np.uint8)
    shape = prepared.GetSize()[::-1]
    on_prepared = image_like(paste(labels, offset_zyx=offset_zyx, shape_zyx=shape), prepared)
    box = sub_grid(prepared, offset_zyx=offset_zyx, size_zyx=labels.shape)
    return on_prepared, return_to_native(probabilities, box, raw, transform)
