"""Raw scans on the mask network's coarse grid, centred on the scan itself (DESIGN.md decision 7).

A module of its own, so that these many short jobs do not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from globalmask.config import Grid
from globalmask.imaging.geometry import box_image, centre_of, resample
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.imaging.intensity import AIR_HU


def coarsen_ct(*, ct_path: Path, out_ct: Path, grid: Grid, case: str) -> None:
    """Bring a raw CT to the mask network's grid: int16 HU, identity direction (LPS), centred on the scan.

    Linear interpolation; air beyond the scan.
    """
    raw = read_image(ct_path, case=case)
    box = box_image(centre_of(raw), spacing_mm=grid.spacing_mm, size_voxels=grid.size_voxels)
    coarse = array_of(resample(raw, box, interpolation="linear", outside=AIR_HU))
    coarse = np.clip(np.rint(coarse), -32768, 32767).astype(np.int16)
    write_image(image_like(coarse, box), out_ct)


def coarsen_label(*, label_path: Path, coarse_ct_path: Path, out_label: Path, values: Sequence[int], case: str) -> None:
    """Bring the union (uint8 0/1) of the `values` of a raw label to the grid of the case's coarse CT.

    A stage apart from `coarsen_ct`, for a test case has no coarse label. Nearest neighbour, 0 outside.
    """
    raw = read_image(label_path, case=case)
    union = np.isin(array_of(raw), list(values)).astype(np.uint8)
    coarse = read_image(coarse_ct_path, case=case)
    write_image(resample(image_like(union, raw), coarse, interpolation="nearest", outside=0), out_label)
