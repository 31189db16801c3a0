"""Volume, centroid and bounding box of each structure of a predicted label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import SimpleITK as sitk


def measure(label: sitk.Image, structures: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each structure (label i + 1): `volume_ml`, `centroid_lps_mm`, `bounding_box_voxels`.

    The centroid is a point (x, y, z) of the scan's space, LPS; the box has the `first` and the `last` voxel
    (x, y, z), counted from 0, both inside. An empty structure has volume 0 and null for the rest.
    """
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(label)
    return {name: _one(shapes, number) for number, name in enumerate(structures, 1)}


def _one(shapes: sitk.LabelShapeStatisticsImageFilter, number: int) -> dict[str, Any]:
    if not shapes.HasLabel(number):
        return {"label": number, "volume_ml": 0.0, "centroid_lps_mm": None, "bounding_box_voxels": None}
    start_and_size = shapes.GetBoundingBox(number)
    first, size = start_and_size[:3], start_and_size[3:]
    return {
        "label": number,
        "volume_ml": round(shapes.GetPhysicalSize(number) / 1000, 4),
        "centroid_lps_mm": [round(value, 3) for value in shapes.GetCentroid(number)],
        "bounding_box_voxels": {
            "first": list(first),
            "last": [start + count - 1 for start, count in zip(first, size, strict=True)],
        },
    }
