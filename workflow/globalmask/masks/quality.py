"""How good a mask and its box are, measured with the labels and kept in a file of its own.

Masks never depend on labels; `{case}.quality.json` does, so nothing that trains or predicts may read it.
A share of a structure beyond the box is lost to training (limit 0.5 %: DESIGN.md decision 6).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.imaging.geometry import inverse, sub_grid
from globalmask.imaging.images import array_of, read_image, read_transform
from globalmask.masks.record import read_box
from globalmask.provenance import write_json

LOST_LIMIT = 0.005
OF_THE_STRUCTURES = ("learned", "union")
"""Recipes whose masks mean to be the union of the structures; a head mask has no Dice with a brain stem."""


def binary_dice(first: np.ndarray, second: np.ndarray) -> float | None:
    """Dice of two boolean arrays of one shape: 0 when one is empty, None when both are."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else None


def lost_shares(
    raw_label: sitk.Image,
    box: sitk.Image,
    *,
    values: Mapping[str, int],
    transform: sitk.Transform | None = None,
) -> dict[str, float | None]:
    """For each structure, the share (0..1) of its voxels whose centres lie outside `box`; None if it has none.

    `values` gives the structure's value in `raw_label`. `transform` maps points of the box's space to
    points of the raw scan and must be affine. Half a voxel around the outer voxel centres belongs to the box.
    """
    array = array_of(raw_label)
    matrix, shift = _index_map(raw_label, box, transform)
    upper = np.array(box.GetSize()) - 0.5
    shares: dict[str, float | None] = {}
    for structure, value in values.items():
        indices = np.argwhere(array == value)[:, ::-1]
        if not len(indices):
            shares[structure] = None
            continue
        places = indices @ matrix.T + shift
        inside = ((places >= -0.5 - 1e-6) & (places <= upper + 1e-6)).all(axis=1)
        shares[structure] = float(1 - inside.mean())
    return shares


def measure_mask(
    *,
    mask_path: Path,
    mask_json: Path,
    prepared_label_path: Path,
    raw_label_path: Path,
    label_values: Mapping[str, int],
    out_json: Path,
    case: str,
    role: str | None = None,
    transform_path: Path | None = None,
    fixed_box: bool = False,
) -> None:
    """Write {case, part, status, role, dice, ref_lost_share, warnings} of one mask.

    `dice` is against the union of the labels on the prepared grid, for recipes `learned` and `union` (null
    for others, and when both are empty).
    `ref_lost_share` is given for each structure of `label_values`. A box that loses more than 0.5 % of a
    structure is a warning; where the box is fixed and the case trains it is an error.
    """
    mask = read_image(mask_path, case=case)
    label = array_of(read_image(prepared_label_path, case=case)) != 0
    record = json.loads(Path(mask_json).read_text(encoding="utf-8"))
    transform = read_transform(transform_path) if transform_path else None
    offset, size = read_box(mask_json)
    box = sub_grid(mask, offset_zyx=offset, size_zyx=size)
    raw_label = read_image(raw_label_path, case=case)
    shares = lost_shares(raw_label, box, values=label_values, transform=transform)
    lost = {name: share for name, share in shares.items() if share is not None and share > LOST_LIMIT}
    told = [f"{100 * share:.1f} % of {name} lies outside the box" for name, share in lost.items()]
    if lost and fixed_box and role == "train":
        raise UserError(
            "The fixed box loses part of a training structure.",
            case=case,
            file=raw_label_path,
            found="; ".join(told),
            expected=f"at most {100 * LOST_LIMIT} % of each structure",
            todo="Move the box with 'box_offset_mm', make the grid larger, or leave the case out.",
        )
    compared = record["recipe"] in OF_THE_STRUCTURES
    dice = binary_dice(array_of(mask) != 0, label) if compared else None
    write_json(
        Path(out_json),
        {
            "case": case,
            "part": record.get("part"),
            "status": record["status"],
            "role": role,
            "dice": None if dice is None else round(dice, 6),
            "ref_lost_share": {name: None if share is None else round(share, 6) for name, share in shares.items()},
            "warnings": told,
        },
    )


def _index_map(raw: sitk.Image, box: sitk.Image, transform: sitk.Transform | None) -> tuple[np.ndarray, np.ndarray]:
    """Affine map (x, y, z order) from a voxel index of `raw` to a continuous voxel index of `box`."""
    back = inverse(transform) if transform else sitk.Transform(3, sitk.sitkIdentity)

    def place(index: np.ndarray) -> np.ndarray:
        point = back.TransformPoint(raw.TransformContinuousIndexToPhysicalPoint(index.tolist()))
        return np.array(box.TransformPhysicalPointToContinuousIndex(point))

    shift = place(np.zeros(3))
    return np.stack([place(axis) - shift for axis in np.eye(3)], axis=1), shift
