"""What the network sees: one small pure function per scenario, and the loading of a case.

Paper 2.1 and 2.3: CT clipped to [-200, 200] HU and scaled to 0..1, mask 0/1; the box is cut from
the prepared scan by the integer offset of the mask, without another interpolation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from globalmask.errors import UserError
from globalmask.imaging.geometry import cut
from globalmask.imaging.images import array_of, read_image
from globalmask.imaging.intensity import AIR_HU, scale_ct

CHANNELS: dict[str, Callable[[np.ndarray, np.ndarray], list[np.ndarray]]] = {
    "ct": lambda ct01, mask: [ct01],
    "mask": lambda ct01, mask: [mask],
    "ct_mask": lambda ct01, mask: [ct01, mask],
    "ct_coords": lambda ct01, mask: [ct01, *coordinates(ct01.shape)],
    "ct_cut": lambda ct01, mask: [np.where(mask, ct01, 0)],
    "ct_wrongmask": lambda ct01, mask: [ct01, mask],
}
"""What is a control: place without anatomy, the mask's outline inside the CT, a mask that says nothing of this case
(`load_case` reads another case's). Air is 0 in the window."""
KEPT: dict[str, tuple[int, ...]] = {
    "ct": (),
    "mask": (0,),
    "ct_mask": (1,),
    "ct_coords": (1, 2, 3),
    "ct_cut": (),
    "ct_wrongmask": (1,),
}
"""Channels that augmentation moves and does not change otherwise: all but the CT."""


@dataclass(frozen=True)
class Case:
    """One case in the network's box.

    `ct01` float32 in 0..1, `mask` uint8 0/1, `label` uint8 or None, all `(z, y, x)`.

    `offset_zyx` is where the box starts on the prepared grid of `shape_zyx`; it may be negative.
    """

    case: str
    ct01: np.ndarray
    mask: np.ndarray
    label: np.ndarray | None
    offset_zyx: tuple[int, int, int]
    shape_zyx: tuple[int, int, int]


def channels_of(scenario: str, ct01: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Network input `(channel, z, y, x)`, float32; `ct01` and `mask` are `(z, y, x)`."""
    return np.stack(CHANNELS[scenario](ct01, mask)).astype(np.float32)


def coordinates(shape_zyx: Sequence[int]) -> list[np.ndarray]:
    """Three channels (z, y, x): each voxel's place in the box along z, y and x; -1 the first voxel, 1 the last."""
    axes = [np.linspace(-1, 1, length, dtype=np.float32) for length in shape_zyx]
    return list(np.meshgrid(*axes, indexing="ij"))


def load_case(
    prepared_dir: str | Path,
    masks_dir: str | Path,
    case: str,
    *,
    clip_hu: tuple[float, float],
    size_voxels: int,
    with_label: bool,
    mask_case: str | None = None,
) -> Case:
    """Read one case and cut its box of `size_voxels` a side.

    Outside the scan is air, mask 0, label 0. With `mask_case` the mask is that case's, as it lies in that case's
    own box; CT and label stay where they are. Raises UserError when a file is missing or CT, mask and label have
    different shapes.
    """
    folder = Path(prepared_dir) / case
    mask_path = Path(masks_dir) / f"{case}.nii.gz"
    ct = array_of(read_image(folder / "ct.nii.gz", case=case))
    mask = array_of(read_image(mask_path, case=case))
    _same_shape(mask, ct, case, mask_path)
    label = None
    if with_label:
        label = array_of(read_image(folder / "label.nii.gz", case=case))
        _same_shape(label, ct, case, folder / "label.nii.gz")
    offset = _offset(Path(masks_dir) / f"{case}.json", case)
    size = (size_voxels,) * 3
    mask_offset = offset
    if mask_case is not None:
        mask = array_of(read_image(Path(masks_dir) / f"{mask_case}.nii.gz", case=mask_case))
        mask_offset = _offset(Path(masks_dir) / f"{mask_case}.json", mask_case)
    return Case(
        case=case,
        ct01=scale_ct(cut(ct, offset_zyx=offset, size_zyx=size, fill=AIR_HU), clip_hu),
        mask=(cut(mask, offset_zyx=mask_offset, size_zyx=size, fill=0) > 0).astype(np.uint8),
        label=None if label is None else cut(label, offset_zyx=offset, size_zyx=size, fill=0).astype(np.uint8),
        offset_zyx=offset,
        shape_zyx=ct.shape,
    )


def _offset(path: Path, case: str) -> tuple[int, int, int]:
    try:
        z, y, x = json.loads(path.read_text(encoding="utf-8"))["offset_zyx"]
    except FileNotFoundError:
        raise UserError(
            "The mask's record is missing.",
            case=case,
            file=path,
            todo="Run the target `masks` again.",
        ) from None
    return int(z), int(y), int(x)


def _same_shape(array: np.ndarray, ct: np.ndarray, case: str, path: Path) -> None:
    if array.shape != ct.shape:
        raise UserError(
            "A mask or label does not lie on the grid of its prepared CT.",
            case=case,
            file=path,
            found=f"{array.shape} voxels (z, y, x)",
            expected=f"{ct.shape}",
            todo="Delete the file and run the workflow again.",
        )
