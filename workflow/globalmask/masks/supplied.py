"""Masks that nobody has to compute: a file of the user's (`file`) and the union of the labels (`union`).

`union` is an oracle: it uses the labels of every case, test cases too, and is reported as leaking.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from globalmask.imaging.geometry import resample
from globalmask.imaging.images import array_of, image_like, read_image, read_transform
from globalmask.masks.record import write_mask


def file_mask(
    *,
    mask_path: Path,
    prepared_ct_path: Path,
    out_mask: Path,
    out_json: Path,
    size_voxels: int,
    case: str,
    registered: bool,
    values: Sequence[int] = (),
    transform_path: Path | None = None,
) -> None:
    """Bring the user's mask to the prepared grid by nearest neighbour.

    Any grid will do. Inside are `values` of the file, or all that is not 0.

    `transform_path` maps points of the prepared grid to points of the raw scan (registered arms). The box
    is the prepared image itself where `registered`, else it is centred on the mask. A mask that has
    nothing on the prepared grid is written empty, with a status.
    """
    prepared = read_image(prepared_ct_path, case=case)
    image = read_image(mask_path, case=case)
    inside = np.isin(array_of(image), values) if values else array_of(image) != 0
    mask = image_like(inside.astype(np.uint8), image)
    transform = read_transform(transform_path) if transform_path else None
    placed = resample(mask, prepared, transform=transform, interpolation="nearest", outside=0)
    write_mask(
        array_of(placed) != 0,
        prepared,
        out_mask=out_mask,
        out_json=out_json,
        case=case,
        recipe="file",
        size_voxels=size_voxels,
        fixed_box=registered,
    )


def union_mask(
    *,
    prepared_label_path: Path,
    out_mask: Path,
    out_json: Path,
    size_voxels: int,
    case: str,
    registered: bool = False,
) -> None:
    """The union of the case's own labels on the prepared grid: an upper bound that leaks, by name."""
    label = read_image(prepared_label_path, case=case)
    write_mask(
        array_of(label) != 0,
        label,
        out_mask=out_mask,
        out_json=out_json,
        case=case,
        recipe="union",
        size_voxels=size_voxels,
        fixed_box=registered,
    )
