"""The head mask by a threshold (paper 2.2): registered CT, HU > -200, largest component, holes filled.

The threshold comes after the registration (REQUIREMENTS A-23), on the prepared grid made finer: a shell cannot be
opened away with voxels of 3 or 4 mm. The fine mask comes to the prepared grid once, by its share of each voxel.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.imaging.geometry import resample
from globalmask.imaging.images import array_of, read_image, read_transform
from globalmask.imaging.intensity import AIR_HU
from globalmask.imaging.silhouette import TISSUE_HU, head_mask
from globalmask.masks.record import write_mask

__all__ = ["head_mask", "make_threshold_mask"]

FINEST_MM = 2.0
MARGIN_MM = 12.0
"""Tissue just outside the box counts for what is joined and what is closed."""


def make_threshold_mask(
    raw_ct_path: str | Path,
    transform_path: str | Path | None,
    prepared_ct_path: str | Path,
    out_mask: str | Path,
    out_json: str | Path,
    *,
    case: str,
    filled: bool = True,
) -> None:
    """Write the head mask of `case` (uint8 0/1 on the prepared grid) and its JSON; `filled` as in `threshold_mask`.

    `transform_path` maps prepared points to raw-CT points (None: the prepared grid lies in the raw CT's own space).
    An empty mask is written with status `empty`; what follows decides about it.
    """
    raw = read_image(raw_ct_path, case=case)
    prepared = read_image(prepared_ct_path, case=case)
    transform = None if transform_path is None else read_transform(transform_path)
    write_mask(
        threshold_mask(raw, prepared, transform, filled=filled),
        prepared,
        out_mask=Path(out_mask),
        out_json=Path(out_json),
        case=case,
        recipe="threshold" if filled else "unfilled",
        size_voxels=prepared.GetSize()[0],
        fixed_box=True,
    )


def threshold_mask(
    raw: sitk.Image, prepared: sitk.Image, transform: sitk.Transform | None, *, filled: bool = True
) -> np.ndarray:
    """The head mask (bool, z, y, x) on the grid of `prepared`; `transform` maps its points to points of `raw`.

    Not `filled`: the same outline without what lies under the threshold inside it (airways, sinuses).
    """
    factor = max(1, math.ceil(max(prepared.GetSpacing()) / FINEST_MM - 1e-6))
    margin = math.ceil(MARGIN_MM / max(prepared.GetSpacing()))
    fine = _fine_grid(prepared, factor=factor, margin=margin)
    ct = array_of(resample(raw, fine, transform=transform, outside=AIR_HU))
    mask = head_mask(ct, fine.GetSpacing()[0])
    if not filled:
        mask &= ct > TISSUE_HU
    return _share_of_voxels(mask, factor)[(slice(margin, -margin),) * 3] >= 0.5


def _fine_grid(grid: sitk.Image, *, factor: int, margin: int) -> sitk.Image:
    """`grid` with `margin` voxels more on each side and each voxel split into `factor` cubed."""
    fine = sitk.Image([(size + 2 * margin) * factor for size in grid.GetSize()], sitk.sitkUInt8)
    first = -margin - 0.5 + 0.5 / factor
    fine.SetOrigin(grid.TransformContinuousIndexToPhysicalPoint([first] * 3))
    fine.SetSpacing([spacing / factor for spacing in grid.GetSpacing()])
    fine.SetDirection(grid.GetDirection())
    return fine


def _share_of_voxels(mask: np.ndarray, factor: int) -> np.ndarray:
    z, y, x = (size // factor for size in mask.shape)
    return mask.reshape(z, factor, y, factor, x, factor).mean(axis=(1, 3, 5), dtype=np.float32)
