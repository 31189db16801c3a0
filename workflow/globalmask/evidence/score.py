"""Overlap and distance of every prediction, one row a case, structure and space (paper section 2.4).

`crop` is the box on the prepared grid, as in the paper; `native` is the scan's own grid, where label
voxels outside the box count as missed. Whether a structure is empty is decided here and in `surface`,
before any library is asked. `mirror_dice` compares the prediction of a left or right structure with the
reference of its partner: the two are swapped where it exceeds `dice`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.evidence.surface import surface_metrics
from globalmask.imaging.geometry import cut, sub_grid
from globalmask.imaging.images import array_of, image_like, read_image, read_transform
from globalmask.intake.sides import mirror_partners
from globalmask.masks.quality import LOST_LIMIT, lost_shares
from globalmask.masks.record import read_box
from globalmask.prepare.grid import renumber
from globalmask.provenance import atomic

COLUMNS = (
    *("run", "data", "arm", "variant", "preset", "mask_recipe", "mask_set", "scenario"),
    *("n_train", "replicate", "fold", "case", "structure", "space"),
    *("dice", "com_mm", "hd95_mm", "assd_mm", "nsd_1p5mm", "nsd_3mm", "mirror_dice"),
    *("ref_ml", "pred_ml", "ref_lost_share", "status"),
    *("labels_train", "labels_val", "labels_mask"),
)
MEASURED = COLUMNS[COLUMNS.index("case") : COLUMNS.index("labels_train")]
CONSTANT = tuple(name for name in COLUMNS if name not in MEASURED)


def score(
    *,
    predictions_dir: Path,
    native_dir: Path,
    prepared_dir: Path,
    masks_dir: Path,
    raw_labels: Mapping[str, Path],
    label_values: Mapping[str, int],
    cases: Sequence[str],
    structures: Sequence[str],
    meta: Mapping[str, Any],
    out_path: Path,
    transforms: Mapping[str, Path] | None = None,
) -> None:
    """Score one model on `cases` and write `out_path` (columns: COLUMNS).

    `label_values` gives each structure's value in the raw labels; on the prepared grid and in the
    predictions structure i has the value i + 1. `transforms` (registered arms) map points of the prepared
    grid to points of the raw scan. `meta` holds the columns that are equal in all rows (CONSTANT).
    """
    if set(meta) != set(CONSTANT):
        raise ValueError(f"meta must hold exactly {CONSTANT}, found {tuple(meta)}")
    values = {name: label_values[name] for name in structures}
    rows: list[dict[str, Any]] = []
    for case in cases:
        raw = read_image(raw_labels[case], case=case)
        label = read_image(Path(prepared_dir) / case / "label.nii.gz", case=case)
        offset, size = read_box(Path(masks_dir) / f"{case}.json")
        box = sub_grid(label, offset_zyx=offset, size_zyx=size)
        transform = read_transform(transforms[case]) if transforms else None
        lost = lost_shares(raw, box, values=values, transform=transform)
        predicted = _read_prediction(Path(predictions_dir) / f"{case}.nii.gz", label, case)
        native = _read_prediction(Path(native_dir) / f"{case}.nii.gz", raw, case)
        in_box = [_in_box(image, box, offset) for image in (label, predicted)]
        for space, pair in {"crop": in_box, "native": [_ordered(raw, values), native]}.items():
            found = compare(*pair, structures=structures, lost=lost)
            rows += [{**meta, "case": case, "space": space, **row} for row in found]
    rows.sort(key=lambda row: str(row["space"]))
    write_rows(rows, out_path)


def compare(
    reference: sitk.Image,
    prediction: sitk.Image,
    *,
    structures: Sequence[str],
    lost: Mapping[str, float | None],
    surfaces: bool = True,
) -> list[dict[str, Any]]:
    """One row a structure from two label images (values 1..C in the order of `structures`) on one grid.

    Volumes in ml, distances in physical mm. `lost` is each structure's share outside the box. Without `surfaces`
    their distances, which take most of the time, are left out.
    """
    wanted, found = array_of(reference), array_of(prediction)
    shapes = _shapes(reference), _shapes(prediction)
    spacing = reference.GetSpacing()[::-1]
    partners = mirror_partners(structures)
    rows = []
    for value, structure in enumerate(structures, 1):
        box = _box_of(shapes, (value, value))
        masks = wanted[box] == value, found[box] == value
        both, ref, pred = _counts(*masks)
        share = lost[structure]
        row = {
            "structure": structure,
            "dice": dice(both, ref, pred),
            "com_mm": math.dist(*(shape.GetCentroid(value) for shape in shapes)) if ref and pred else math.nan,
            **(surface_metrics(*masks, spacing_mm=spacing) if surfaces else {}),
            "ref_ml": ref * math.prod(spacing) / 1000,
            "pred_ml": pred * math.prod(spacing) / 1000,
            "ref_lost_share": math.nan if share is None else share,
            "status": status(ref, pred, share),
        }
        if structure in partners:
            partner = structures.index(partners[structure]) + 1
            box = _box_of(shapes, (partner, value))
            row["mirror_dice"] = dice(*_counts(wanted[box] == partner, found[box] == value))
        rows.append(row)
    return rows


def dice(both: int, reference: int, prediction: int) -> float:
    """Dice from voxel counts: 0 when one side is empty, NaN (left out, but counted) when both are."""
    total = reference + prediction
    return 2 * both / total if total else math.nan


def status(reference: int, prediction: int, lost_share: float | None) -> str:
    """Which of the cases of STATISTICS.md section 5 a row is; emptiness is told before cropping."""
    if not reference:
        return "ref_empty" if prediction else "both_empty"
    if not prediction:
        return "pred_empty"
    return "ref_cropped" if lost_share is not None and lost_share > LOST_LIMIT else "ok"


def gather(*, score_paths: Sequence[Path], out_path: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Write all rows of `score_paths`, in that order, under one header. Refuses a file of other columns."""
    rows: list[dict[str, Any]] = []
    for path in score_paths:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != tuple(columns):
                raise UserError(
                    "A score file has other columns than this version writes.",
                    file=path,
                    found=",".join(reader.fieldnames or ()),
                    expected=",".join(columns),
                    todo="Delete the file and run the workflow again.",
                )
            rows += reader
    write_rows(rows, out_path, columns=columns)


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path, *, columns: Sequence[str] = COLUMNS) -> None:
    """Write rows as CSV: numbers with six decimals, NaN and missing columns as empty fields."""
    with atomic(Path(path)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _field(value) for name, value in row.items()} for row in rows)


def _field(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6f}"


def _counts(reference: np.ndarray, prediction: np.ndarray) -> tuple[int, int, int]:
    return int((reference & prediction).sum()), int(reference.sum()), int(prediction.sum())


def _shapes(image: sitk.Image) -> sitk.LabelShapeStatisticsImageFilter:
    """Centre of mass and bounding box of every label value that is there."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(image)
    return shapes


def _box_of(shapes: Sequence[sitk.LabelShapeStatisticsImageFilter], values: Sequence[int]) -> tuple[slice, ...]:
    """Slices (z, y, x) of the smallest box that holds each value in its image; empty where there is none."""
    boxes = [shape.GetBoundingBox(value) for shape, value in zip(shapes, values, strict=True) if shape.HasLabel(value)]
    if not boxes:
        return (slice(0, 0),) * 3
    corners = np.array(boxes)[:, ::-1]  # sizes, then starts, each (z, y, x)
    low, high = corners[:, 3:].min(axis=0), (corners[:, 3:] + corners[:, :3]).max(axis=0)
    return tuple(slice(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True))


def _in_box(image: sitk.Image, box: sitk.Image, offset: Sequence[int]) -> sitk.Image:
    size = box.GetSize()[::-1]
    return image_like(cut(array_of(image), offset_zyx=offset, size_zyx=size, fill=0), box)


def _ordered(raw: sitk.Image, values: Mapping[str, int]) -> sitk.Image:
    """A raw label with its values renamed to 1..C in the order of `values`; all else is background."""
    return image_like(renumber(array_of(raw), {old: new for new, old in enumerate(values.values(), 1)}), raw)


def _read_prediction(path: Path, like: sitk.Image, case: str) -> sitk.Image:
    prediction = read_image(path, case=case)
    if prediction.GetSize() != like.GetSize():
        raise UserError(
            "A prediction does not lie on the grid of its label.",
            case=case,
            file=path,
            found=f"{prediction.GetSize()} voxels (x, y, z)",
            expected=f"{like.GetSize()}",
            todo="Delete the file and run the workflow again.",
        )
    return sitk.Cast(prediction, sitk.sitkUInt8)
