"""What the tests of all imports share: the table that was written, and small volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.intake.cases import CaseRow, read_cases
from globalmask.intake.sources.bring import Imported


def rows(done: Imported) -> dict[str, CaseRow]:
    return {row.case: row for row in read_cases(done.table, data_dir=None)}


def voxels(path: str | Path | None) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def write(array: np.ndarray, path: Path, *, spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    # By way of another name: ITK writes `1.img.nii.gz` as a pair of Analyze files.
    plain = path.with_name("plain" + path.name[path.name.index(".nii") :] if ".nii" in path.name else path.name)
    sitk.WriteImage(image, str(plain))
    plain.rename(path)
    return path


def blocks(*values: int, dtype=np.int16) -> np.ndarray:
    """A small label (z, y, x) in which each value fills one slice."""
    array = np.zeros((len(values) + 2, 5, 6), dtype)
    for number, value in enumerate(values, 1):
        array[number, 1:4, 1:5] = value
    return array
