"""DICOM series as a scanner writes them: a file a slice, with whatever a header may tell of a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def dicom_folder(folder: Path, *, heights: Sequence[float], series: str = "1.2.3", shift_mm: float = 0.0) -> Path:
    """A series of 4 x 5 voxels with a slice at each of `heights` (mm); each slice holds its own number."""
    positions = [(0.0, shift_mm * number, float(height)) for number, height in enumerate(heights)]
    slices = np.arange(len(positions), dtype=np.int16)[:, None, None] * np.ones((4, 5), np.int16)
    return write_slices(folder, slices, positions, spacing_mm=(1.5, 1.5), series=series)


def write_series(folder: Path, ct: sitk.Image, *, series: str, fields: Mapping[str, str]) -> Path:
    """`ct` (int16) as a series with more header `fields` (`group|element` to text)."""
    ct = sitk.DICOMOrient(ct, "LPS")
    places = [ct.TransformIndexToPhysicalPoint((0, 0, number)) for number in range(ct.GetSize()[2])]
    x, y, z = ct.GetSpacing()
    array = sitk.GetArrayFromImage(ct)
    return write_slices(folder, array, places, spacing_mm=(x, y), series=series, thickness_mm=z, fields=fields)


def write_slices(
    folder: Path,
    slices: np.ndarray,
    positions: Sequence[tuple[float, float, float]],
    *,
    spacing_mm: tuple[float, float],
    series: str,
    thickness_mm: float = 2.0,
    fields: Mapping[str, str] | None = None,
) -> Path:
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, position in enumerate(positions):
        image = sitk.GetImageFromArray(slices[number : number + 1])
        image.SetSpacing((*spacing_mm, thickness_mm))
        header = {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{series}.{number + 1}",
            "0020|000d": "1.2.9",
            "0020|000e": series,
            "0020|0013": str(number + 1),
            "0020|0032": "\\".join(f"{mm:.6g}" for mm in position),
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0052": "1.2.8",
        }
        for key, value in (header | dict(fields or {})).items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{series}-{number}.dcm"))
        writer.Execute(image)
    return folder
