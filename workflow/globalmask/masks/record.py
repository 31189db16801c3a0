"""What every mask recipe shares: the largest component, the box around a mask, and the two files of a case.

A mask is stored as `{case}.nii.gz` (uint8 0/1 on the prepared grid) and `{case}.json` (status and crop box).
Neither depends on a label, except where the recipe is `union`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from globalmask.errors import UserError
from globalmask.imaging.images import image_like, write_image
from globalmask.provenance import write_json

Triple = tuple[int, int, int]


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest face-connected component of a boolean (z, y, x) array; all False when `mask` is empty.

    Of components of equal size the first in scan order is kept.
    """
    components, count = ndimage.label(mask)
    if count < 2:
        return mask.astype(bool)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == int(sizes.argmax())


def box_offset(mask: np.ndarray, size_voxels: int) -> Triple:
    """First voxel (z, y, x) of the cube of `size_voxels` centred on the mask's centre of mass.

    The image centre where the mask is empty. Negative where the cube begins before the image. Halves
    are rounded up, so that equal masks give equal boxes on every machine.
    """
    if mask.any():
        centre = [_mean_index(mask.sum(axis=tuple(set(range(3)) - {axis}))) for axis in range(3)]
    else:
        centre = [(length - 1) / 2 for length in mask.shape]
    z, y, x = (int(np.floor(middle - (size_voxels - 1) / 2 + 0.5)) for middle in centre)
    return z, y, x


def write_mask(
    mask: np.ndarray,
    prepared: sitk.Image,
    *,
    out_mask: Path,
    out_json: Path,
    case: str,
    recipe: str,
    size_voxels: int,
    fixed_box: bool = False,
    part: str | None = None,
) -> None:
    """Write a boolean (z, y, x) mask on the grid of `prepared`, and its record.

    `fixed_box`: the prepared image is the box already (registered arms), so the offset is (0, 0, 0).
    `part`: the mask network that made it. An empty mask is written, with status "empty".
    """
    mask = mask.astype(bool)
    offset = (0, 0, 0) if fixed_box else box_offset(mask, size_voxels)
    voxels = int(mask.sum())
    write_image(image_like(mask.astype(np.uint8), prepared), Path(out_mask))
    record = {
        "case": case,
        "recipe": recipe,
        "part": part,
        "status": "ok" if voxels else "empty",
        "offset_zyx": list(offset),
        "size_zyx": [size_voxels] * 3,
        "volume_ml": round(voxels * float(np.prod(prepared.GetSpacing())) / 1000, 3),
    }
    write_json(Path(out_json), record)


def read_box(path: Path) -> tuple[Triple, Triple]:
    """Offset and size (z, y, x) in voxels from a mask's record."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        return _triple(record["offset_zyx"]), _triple(record["size_zyx"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            "The record of a mask cannot be read.",
            file=path,
            found=error,
            expected="JSON with offset_zyx and size_zyx",
            todo="Delete the file and run the workflow again.",
        ) from error


def _mean_index(counts: np.ndarray) -> float:
    return float((counts * np.arange(len(counts))).sum() / counts.sum())


def _triple(values: Sequence[int]) -> Triple:
    z, y, x = (int(value) for value in values)
    return z, y, x
