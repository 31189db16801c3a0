"""What can be wrong with one volume, and with two on one grid: pure functions on images and arrays.

Faults are `UserError`s that are collected and not raised, so that a user reads all of them at once
(issue 2 item 2, REQUIREMENTS A-39 and A-41). Limits are wide: they catch broken exports, not odd
patients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError

FEWEST_VOXELS = 4
SPACING_LIMITS_MM = (0.1, 10.0)
GRID_TOLERANCE_VOXELS = 0.1
"""Corners of equal grids may lie this share of the smallest voxel side apart: header rounding."""
OBLIQUE_DEGREES = 1.0
SAMPLE_VOXELS = 2_000_000
SOFT_TISSUE_HU = (-200, 300)
LEAST_SOFT_TISSUE = 0.005
AXES = ("left-right", "front-back", "foot-head")


def geometry_facts(image: sitk.Image) -> dict[str, Any]:
    """Size, spacing (z, y, x) in mm, orientation code, direction (row-major, LPS), tilt."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    code = sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(image.GetDirection())
    return {
        "size_zyx": list(image.GetSize()[::-1]),
        "spacing_mm": [round(side, 6) for side in image.GetSpacing()[::-1]],
        "extent_mm": [round(n * side, 2) for n, side in zip(image.GetSize(), image.GetSpacing(), strict=True)][::-1],
        "orientation": code,
        "direction": [round(number, 6) for number in image.GetDirection()],
        "tilt_degrees": round(_tilt_degrees(direction), 2),
        "pixel_type": image.GetPixelIDTypeAsString(),
    }


def geometry_faults(image: sitk.Image, name: str) -> list[UserError]:
    """Faults of a grid: too few voxels, implausible spacing, axes that are not orthogonal."""
    size, spacing = image.GetSize(), image.GetSpacing()
    faults = []
    if min(size) < FEWEST_VOXELS:
        faults.append(
            UserError(
                f"The {name} is no volume: it has too few slices.",
                found=f"{' x '.join(map(str, size))} voxels",
                expected=f"at least {FEWEST_VOXELS} along every axis",
                todo="Export the whole series as one volume.",
            )
        )
    if not all(SPACING_LIMITS_MM[0] <= side <= SPACING_LIMITS_MM[1] for side in spacing):
        faults.append(
            UserError(
                f"The voxel spacing of the {name} is not plausible.",
                found=_mm(spacing),
                expected=f"{SPACING_LIMITS_MM[0]} to {SPACING_LIMITS_MM[1]:g} mm on every axis",
                todo=_spacing_todo(spacing),
            )
        )
    direction = np.array(image.GetDirection()).reshape(3, 3)
    skew = float(np.abs(direction.T @ direction - np.eye(3)).max())
    if not skew < 1e-3:
        faults.append(
            UserError(
                f"The axes of the {name} are not orthogonal unit vectors.",
                found=f"direction {np.round(direction, 3).tolist()}",
                expected="three orthogonal axes",
                todo="Resample the volume onto a grid without shear (gantry tilt).",
            )
        )
    return faults


def geometry_warnings(image: sitk.Image) -> list[str]:
    """Unusual grids that the workflow handles."""
    tilt = _tilt_degrees(np.array(image.GetDirection()).reshape(3, 3))
    if tilt > OBLIQUE_DEGREES:
        return [f"The scan's axes are tilted by {tilt:.1f} degrees against the patient's."]
    return []


def intensity_facts(voxels: np.ndarray) -> dict[str, float]:
    """Range and percentiles of the CT, HU; `voxels` (z, y, x); empty with NaN or infinity."""
    if not np.isfinite([voxels.min(), voxels.max()]).all():
        return {}
    low, median, high = np.percentile(_sample(voxels), [1, 50, 99])
    return {
        "min": float(voxels.min()),
        "p1": float(low),
        "median": float(median),
        "p99": float(high),
        "max": float(voxels.max()),
    }


def intensity_faults(voxels: np.ndarray) -> list[UserError]:
    """Faults of the CT's values `voxels` (z, y, x): not numbers, all the same, no HU."""
    bad = 0 if voxels.dtype.kind in "iu" else int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
    if bad:
        return [
            UserError(
                "The CT has voxels that are not numbers (NaN or infinite).",
                found=f"{bad} of {voxels.size} voxels",
                expected="a finite HU value in every voxel",
                todo="Export the CT again, or fill these voxels with -1024.",
            )
        ]
    lowest, highest = float(voxels.min()), float(voxels.max())
    if lowest == highest:
        return [
            UserError(
                "The CT is constant.",
                found=f"{lowest:g} in every voxel",
                expected="HU values",
                todo="Export the CT again.",
            )
        ]
    reason = _not_hounsfield(voxels, lowest, highest)
    if reason is None:
        return []
    return [
        UserError(
            "The CT is not in Hounsfield units.",
            found=f"values {lowest:g} to {highest:g}: {reason[0]}",
            expected="air near -1000, water near 0",
            todo=reason[1],
        )
    ]


def intensity_warnings(voxels: np.ndarray) -> list[str]:
    """Odd HU values that the workflow takes as they are."""
    sample = _sample(voxels)
    lowest = float(voxels.min())
    if lowest > -500:
        return [f"The CT has no air: its lowest value is {lowest:g} HU. Was it clipped or cropped?"]
    soft = sample[(sample > -300) & (sample < 400)]
    counts, edges = np.histogram(soft, bins=35, range=(-300, 400))
    peak = float(edges[int(counts.argmax())]) + 10
    if not -150 <= peak <= 150:
        return [f"Most soft tissue lies near {peak:.0f} HU, not in -100 to 60: is the HU offset wrong?"]
    return []


def grid_difference(image: sitk.Image, reference: sitk.Image) -> float:
    """The largest distance in mm between equal corners of two grids; infinite if sizes differ."""
    if image.GetSize() != reference.GetSize():
        return math.inf
    return float(np.linalg.norm(_corners(image) - _corners(reference), axis=1).max())


def grid_faults(image: sitk.Image, reference: sitk.Image, *, name: str, other: str) -> list[UserError]:
    """A fault when two volumes lie on different grids, told in voxels, millimetres and degrees."""
    tolerance = GRID_TOLERANCE_VOXELS * min(reference.GetSpacing())
    away = grid_difference(image, reference)
    if away <= tolerance:
        return []
    found = _grid_differences(image, reference, name, other)
    if math.isfinite(away):
        found.append(f"voxels up to {away:.1f} mm apart")
    return [
        UserError(
            f"The {name} and the {other} lie on different grids.",
            found="; ".join(found),
            expected=f"the same size, spacing, origin and direction (within {tolerance:.3f} mm)",
            todo=_grid_todo(image, reference, name, other),
        )
    ]


def _sample(voxels: np.ndarray) -> np.ndarray:
    """An even sample of the voxels: percentiles of a whole CT would need a copy of it."""
    step = max(1, math.ceil((voxels.size / SAMPLE_VOXELS) ** (1 / 3)))
    return voxels[::step, ::step, ::step].astype(np.float32).ravel()


def _not_hounsfield(voxels: np.ndarray, lowest: float, highest: float) -> tuple[str, str] | None:
    """Why the values are no HU, and what to do; None when they can be."""
    if lowest > -150:
        if highest <= 1.5:
            return "they look scaled to 0 … 1", "Export the CT with its original values."
        if highest <= 255:
            return (
                "they look like the grey values of a picture",
                "Export the CT with its original values.",
            )
        return (
            f"air, which should be near -1000, is at {lowest:g}",
            "The rescale intercept looks lost: export the CT with slope and intercept applied "
            "(often: subtract 1024), as signed numbers.",
        )
    sample = _sample(voxels)
    tissue = (sample > SOFT_TISSUE_HU[0]) & (sample < SOFT_TISSUE_HU[1])
    if tissue.mean() < LEAST_SOFT_TISSUE:
        return (
            f"{100 * tissue.mean():.1f} % of the voxels lie between {SOFT_TISSUE_HU[0]} and "
            f"{SOFT_TISSUE_HU[1]}, where soft tissue should be",
            "Check slope and intercept of the export (an intercept may have been applied twice).",
        )
    return None


def _tilt_degrees(direction: np.ndarray) -> float:
    """The largest angle between an axis of the grid and the nearest axis of the patient."""
    return float(np.degrees(np.arccos(np.clip(np.abs(direction).max(axis=0), -1, 1)).max()))


def _mm(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values) + " mm"


def _spacing_todo(spacing: Sequence[float]) -> str:
    if max(spacing) < SPACING_LIMITS_MM[0]:
        return "The header looks as if it were in metres or centimetres: write millimetres."
    if min(spacing) > SPACING_LIMITS_MM[1]:
        return "The header looks as if it were in micrometres: write millimetres."
    return "Correct the header, or export the volume again with its true spacing in mm."


def _corners(image: sitk.Image) -> np.ndarray:
    """Positions of the eight corner voxels, (corner, xyz) in mm."""
    ends = [(0, size - 1) for size in image.GetSize()]
    indices = [(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]]
    return np.array([image.TransformIndexToPhysicalPoint(index) for index in indices])


def _grid_differences(image: sitk.Image, reference: sitk.Image, name: str, other: str) -> list[str]:
    found = []
    if image.GetSize() != reference.GetSize():
        found.append(f"size {image.GetSize()} against {reference.GetSize()} voxels (x, y, z)")
    if not np.allclose(image.GetSpacing(), reference.GetSpacing(), rtol=1e-3, atol=0):
        found.append(f"spacing {_mm(image.GetSpacing())} against {_mm(reference.GetSpacing())}")
    turn = np.array(image.GetDirection()).reshape(3, 3).T @ np.array(reference.GetDirection()).reshape(3, 3)
    degrees = np.degrees(np.arccos(np.clip(np.diag(turn), -1, 1)))
    if degrees.max() > 0.05:
        codes = [geometry_facts(volume)["orientation"] for volume in (image, reference)]
        found.append(f"direction {codes[0]} against {codes[1]}, axes up to {degrees.max():.1f} degrees apart")
    shift = np.array(image.GetOrigin()) - np.array(reference.GetOrigin())
    parts = [f"{abs(mm):.1f} mm {axis}" for mm, axis in zip(shift, AXES, strict=True) if abs(mm) >= 0.05]
    if parts:
        found.append("origin differs by " + ", ".join(parts))
    return found or [f"{name} and {other} differ by rounding in several places"]


def _grid_todo(image: sitk.Image, reference: sitk.Image, name: str, other: str) -> str:
    same = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(reference, "LPS")
    if grid_difference(*same) <= GRID_TOLERANCE_VOXELS * min(reference.GetSpacing()):
        return f"The voxels agree, the axes do not: store the {name} in the {other}'s axis order."
    return f"Export the {name} again on the grid of the {other}."
