"""What a prepared scan is like: `predict` compares a new scan with the scans that its model learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.imaging.geometry import resample
from globalmask.imaging.images import array_of
from globalmask.intake.volume_faults import geometry_facts

SOFT_TISSUE_HU = (-200, 200)


def scan_facts(raw: sitk.Image, prepared: sitk.Image, transform: sitk.Transform | None) -> dict[str, Any]:
    """Orientation, tilt, HU and field of view of a scan, as plain values.

    `transform` maps points of `prepared` to points of `raw`; with it the field of view is the share (0..1) of the box
    that the scan covers, without it the scan's extent along the patient's axes in mm. `lowest_hu` is the raw
    minimum, `highest_hu` the 99th percentile and `tissue_hu` the median of what is soft tissue in the prepared scan,
    None where there is none.
    """
    geometry = geometry_facts(raw)
    hu = array_of(prepared)
    low, high = SOFT_TISSUE_HU
    soft = hu[(hu > low) & (hu < high)]
    return {
        "orientation": geometry["orientation"],
        "tilt_degrees": geometry["tilt_degrees"],
        "lowest_hu": float(sitk.GetArrayViewFromImage(raw).min()),
        "highest_hu": float(np.percentile(hu, 99)),
        "tissue_hu": float(np.median(soft)) if soft.size else None,
        **(_extent(raw) if transform is None else {"covered": _covered(raw, prepared, transform)}),
    }


def _extent(raw: sitk.Image) -> dict[str, float]:
    axes = np.abs(np.array(raw.GetDirection()).reshape(3, 3))
    width, depth, height = axes @ (np.array(raw.GetSize()) * raw.GetSpacing())
    return {"height_mm": round(height, 1), "depth_mm": round(depth, 1), "width_mm": round(width, 1)}


def _covered(raw: sitk.Image, prepared: sitk.Image, transform: sitk.Transform) -> float:
    ones = sitk.Image(raw.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(raw)
    seen = resample(ones, prepared, transform=transform, interpolation="nearest", outside=0)
    return round(float(array_of(seen).mean()), 4)
