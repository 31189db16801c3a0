"""Every case onto its prepared grid with one interpolation from the raw scan (paper 2.3: 1.5 mm isotropic).

A registered arm is brought straight into the box of template space; any other arm keeps its whole scan. HU is
written as it is: clipping and scaling belong to the network's input. The way back to the scan's own grid is here too.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.config import Grid
from globalmask.errors import UserError
from globalmask.imaging.geometry import (
    antialias,
    box_image,
    inverse,
    resample,
    resample_label_probabilities,
    scan_grid,
)
from globalmask.imaging.images import array_of, image_like, read_image, read_transform, write_image
from globalmask.imaging.intensity import AIR_HU
from globalmask.prepare.facts import scan_facts
from globalmask.provenance import write_json


def prepare_ct(
    raw_ct_path: str | Path,
    out_path: str | Path,
    *,
    grid: Grid,
    template_box: str | Path | None = None,
    transform_path: str | Path | None = None,
) -> None:
    """Write the CT (int16 HU, identity direction, even spacing) on its prepared grid, -1024 HU outside the scan.

    Its facts (`scan_facts`) come beside it, in `facts.json`.

    With `template_box` (box.json) and `transform_path` (to_template.mat) the grid is the box of template space;
    else it covers the scan. A grid much coarser than the scan is blurred for first (`antialias`).
    Raises UserError when the registration beside `transform_path` failed.
    """
    raw = read_image(raw_ct_path)
    if template_box is None:
        onto, transform = scan_grid(raw, spacing_mm=grid.spacing_mm), None
    else:
        onto = box_of(template_box)
        transform = None if transform_path is None else _accepted_transform(Path(transform_path))
    smooth = antialias(raw, spacing_mm=grid.spacing_mm)
    ct = array_of(resample(smooth, onto, transform=transform, outside=AIR_HU))
    hu = np.clip(np.rint(ct), -32768, 32767).astype(np.int16)
    prepared = image_like(hu, onto)
    write_json(Path(out_path).parent / "facts.json", scan_facts(raw, prepared, transform))
    write_image(prepared, out_path)


def prepare_label(
    raw_label_path: str | Path,
    prepared_ct_path: str | Path,
    out_path: str | Path,
    *,
    values: dict[int, int],
    transform_path: str | Path | None = None,
) -> None:
    """Write the label (uint8) on the grid of the prepared CT, by the nearest voxel.

    `values` maps a value of the file to the structure's number 1..C; every other value becomes 0.
    """
    raw = read_image(raw_label_path)
    prepared = read_image(prepared_ct_path)
    transform = None if transform_path is None else read_transform(transform_path)
    label = resample(raw, prepared, transform=transform, interpolation="nearest", outside=0)
    write_image(image_like(renumber(array_of(label), values), prepared), out_path)


def renumber(label: np.ndarray, values: dict[int, int]) -> np.ndarray:
    """`label` (z, y, x) with each value replaced by `values`, uint8; values not named become 0."""
    numbers = np.zeros(label.shape, np.uint8)
    for value, number in values.items():
        numbers[label == value] = number
    return numbers


def return_to_native(
    probabilities: np.ndarray,
    prepared_grid: sitk.Image,
    raw_image: sitk.Image,
    transform: sitk.Transform | None,
) -> sitk.Image:
    """Class probabilities (class, z, y, x) on `prepared_grid` as a uint8 label on the raw CT's own grid.

    `transform` is the case's own (prepared points to raw points, None where nothing was registered); the way
    back needs its inverse, which is taken here.
    """
    back = None if transform is None else inverse(transform)
    return resample_label_probabilities(probabilities, prepared_grid, raw_image, back)


def box_of(template_box: str | Path) -> sitk.Image:
    """The empty grid that `template/box.json` describes."""
    box = json.loads(Path(template_box).read_text(encoding="utf-8"))
    return box_image(box["centre_lps_mm"], spacing_mm=box["spacing_mm"], size_voxels=box["size_voxels"])


def _accepted_transform(path: Path) -> sitk.Transform:
    record = json.loads((path.parent / "registration.json").read_text(encoding="utf-8"))
    if record["status"] != "ok":
        raise UserError(
            "The registration to the template failed.",
            case=record["case"],
            file=path.parent / "registration.png",
            found=f"head-mask overlap (Dice) {record['overlap']:.3f}, similarity {record['similarity']:.3f}",
            expected=f"overlap of at least {record['least_overlap']} (registration.least_overlap) "
            f"and similarity of at least {record['least_similarity']}",
            todo="look at the picture; choose another template, or take the case out of the case table",
        )
    return read_transform(path)
