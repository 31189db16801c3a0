"""Feature maps of one model on one case, for the paper's Figures 7 and 8.

Figure 7 shows all maps of the last double convolution of the fourth up block; Figure 8 sets maps of three
models side by side, matched by what they answer to in the whole box, hence the pooled maps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from globalmask.imaging.images import read_image
from globalmask.learn.inputs import Case, channels_of
from globalmask.learn.predict import load_inputs
from globalmask.network.loop import resolve_device
from globalmask.network.model_file import load_model
from globalmask.network.unet import UNet
from globalmask.provenance import atomic

POOLED = 16


def extract_features(
    *,
    model_path: Path,
    prepared_dir: Path,
    masks_dir: Path,
    case: str,
    out_path: Path,
    device: str,
    threads: int,
) -> None:
    """Write a compressed npz with the maps of one case in the box.

    maps_slice (map, y, x) float16, ct_slice (y, x) float32 0..1, mask_slice and label_slice (y, x) uint8: the
    axial slice through the centre of mass of the largest structure of the true label (the middle slice
    where it is empty); maps_pooled (map, 16, 16, 16) float32: averages over the whole box; slice_z and n
    int; case, scenario and structures str; spacing_mm float.
    """
    torch.set_num_threads(threads)
    network, header = load_model(model_path, str(resolve_device(device)))
    inputs = load_inputs(header, prepared_dir=prepared_dir, masks_dir=masks_dir, case=case, with_label=True)
    assert inputs.label is not None
    prepared = read_image(Path(prepared_dir) / case / "ct.nii.gz", case=case)
    slice_z = largest_structure_slice(inputs.label)
    maps, pooled = slice_and_pool(network, header["scenario"], inputs, slice_z=slice_z)
    with atomic(Path(out_path)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            maps_slice=maps,
            maps_pooled=pooled,
            ct_slice=inputs.ct01[slice_z],
            mask_slice=inputs.mask[slice_z],
            label_slice=inputs.label[slice_z],
            slice_z=slice_z,
            case=case,
            scenario=header["scenario"],
            n=header["n"],
            structures=np.array(header["structures"]),
            spacing_mm=prepared.GetSpacing()[0],
        )


def largest_structure_slice(label: np.ndarray) -> int:
    """z of the slice through the centre of mass of the structure with most voxels; the middle when empty."""
    sizes = np.bincount(label.ravel())
    sizes[0] = 0
    if not sizes.any():
        return label.shape[0] // 2
    counts = (label == sizes.argmax()).sum(axis=(1, 2))
    return round(float((counts * np.arange(len(counts))).sum() / counts.sum()))


def slice_and_pool(network: UNet, scenario: str, inputs: Case, *, slice_z: int) -> tuple[np.ndarray, np.ndarray]:
    """One axial slice (map, y, x) float16, and averages (map, 16, 16, 16) float32, of the feature maps."""
    channels = torch.from_numpy(channels_of(scenario, inputs.ct01, inputs.mask))
    with torch.inference_mode():
        maps = network.features(channels[None].to(next(network.parameters()).device))[0].float()
        pooled = nn.functional.adaptive_avg_pool3d(maps, POOLED)
    return maps[:, slice_z].cpu().numpy().astype(np.float16), pooled.cpu().numpy()
