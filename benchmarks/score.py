"""Scoring one case of seven structures: the product's `compare`, MONAI's metrics, surface-distance.

The reference is a synthetic heart on the network's grid, the prediction the same heart turned by three degrees and
moved by two millimetres. All sides give Dice, centre of mass, HD95, ASSD and NSD at 1.5 and 3 mm of each structure.
Surfaces are drawn differently (triangles here, voxels in MONAI, surface elements of a voxel's corner in
surface-distance), so distances agree within a voxel only; Dice and centres agree to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import UnequalWork, race, same_numbers, same_value
from benchmarks.record import Record, measured, versions
from globalmask.evidence.score import compare
from globalmask.imaging.geometry import box_image, centre_of, resample
from globalmask.imaging.images import array_of, image_like, read_image
from globalmask.prepare.grid import renumber

STRUCTURES = ["Myo", "LA", "LV", "RA", "RV", "AA", "PA"]
TOLERANCE = {"dice": 1e-5, "com_mm": 1e-3, "hd95_mm": 1.5, "assd_mm": 0.5}
NSD_TOLERANCE = 0.25
"""MONAI and surface-distance count steps of a voxel, 1.5 mm here, at a tolerance of 1.5 mm."""


def records(smoke: bool) -> dict[str, Record]:
    pair = _pair(96 if smoke else 128, 2.0 if smoke else 1.5)
    tolerance = TOLERANCE | {"hd95_mm": pair[0].GetSpacing()[0], "assd_mm": pair[0].GetSpacing()[0] / 3}
    sides = {
        "ours": partial(_ours, *pair),
        "monai": partial(_monai, *pair),
        "surface_distance": partial(_surface, *pair),
    }
    result = race(sides, same=lambda outputs: _same(outputs, tolerance), rounds=1 if smoke else 7)
    facts = {"seconds": result.medians(), "threads": 1}
    facts |= {"versions": versions("pymeshmetrics", "monai", "surface-distance")}
    return {
        f"score.{peer}": measured(LINES[f"score.{peer}"], result.ratios(peer, "ours"), **facts)
        for peer in ("monai", "surface_distance")
    }


def _pair(size: int, spacing_mm: float) -> tuple[sitk.Image, sitk.Image]:
    """Reference and prediction (uint8, 1 to 7) on one grid."""
    _, path = data.heart_scan(size_xyz=(256, 256, 76))
    raw = read_image(path)
    numbers = image_like(renumber(array_of(raw), data.HEART_VALUES), raw)
    grid = box_image(centre_of(raw), spacing_mm=spacing_mm, size_voxels=size)
    turn = sitk.Euler3DTransform(centre_of(raw), math.radians(3), 0.0, 0.0, (2.0, 0.0, 0.0))
    return tuple(
        resample(numbers, grid, transform=transform, interpolation="nearest", outside=0) for transform in (None, turn)
    )


def _ours(reference: sitk.Image, prediction: sitk.Image) -> dict[str, np.ndarray]:
    rows = compare(reference, prediction, structures=STRUCTURES, lost=dict.fromkeys(STRUCTURES, 0.0))
    names = ("dice", "com_mm", "hd95_mm", "assd_mm", "nsd_1p5mm", "nsd_3mm")
    return {name: np.array([row[name] for row in rows]) for name in names}


def _monai(reference: sitk.Image, prediction: sitk.Image) -> dict[str, Any]:
    from benchmarks.peers import monai_peer

    spacing = reference.GetSpacing()[::-1]
    arrays = array_of(reference), array_of(prediction)
    return monai_peer.scores(*arrays, classes=len(STRUCTURES), spacing_mm=spacing)


def _surface(reference: sitk.Image, prediction: sitk.Image) -> dict[str, np.ndarray]:
    """As surface-distance's own README does it, structure by structure; centres by SciPy."""
    import surface_distance as sd

    spacing = reference.GetSpacing()[::-1]
    wanted, found = array_of(reference), array_of(prediction)
    rows = []
    for value in range(1, len(STRUCTURES) + 1):
        a, b = wanted == value, found == value
        distances = sd.compute_surface_distances(a, b, spacing)
        ends = [np.array(ndimage.center_of_mass(mask)) for mask in (a, b)]
        there, back = sd.compute_average_surface_distance(distances)
        areas = [distances[f"surfel_areas_{name}"].sum() for name in ("gt", "pred")]
        rows.append(
            {
                "dice": sd.compute_dice_coefficient(a, b),
                "com_mm": float(np.linalg.norm((ends[0] - ends[1]) * spacing)),
                "hd95_mm": sd.compute_robust_hausdorff(distances, 95),
                "assd_mm": (there * areas[0] + back * areas[1]) / sum(areas),
                "nsd_1p5mm": sd.compute_surface_dice_at_tolerance(distances, 1.5),
                "nsd_3mm": sd.compute_surface_dice_at_tolerance(distances, 3.0),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _same(outputs: Mapping[str, Mapping[str, Any]], tolerance: Mapping[str, float]) -> None:
    ours = outputs["ours"]
    if np.isnan(np.concatenate(list(ours.values()))).any():
        raise UnequalWork("a structure is missing: nothing would be measured of it")
    for peer in ("monai", "surface_distance"):
        theirs = outputs[peer]
        same_value(f"metrics of {peer}", set(ours), set(theirs))
        for name, values in ours.items():
            allowed = tolerance.get(name, NSD_TOLERANCE)
            same_numbers(f"{name} of {peer}", values, theirs[name], tolerance=allowed)
