"""OpenKBP as cloned: `provided-data/*-pats/pt_1/` with sparse CSV files, made into volumes.

`ct.csv` holds `flat index,value` of the voxels inside the body, `Brainstem.csv` the flat indices of a mask, both
into a C-ordered 128 x 128 x 128 array whose axes run anterior to posterior, right to left, superior to inferior
(seen from the parotids); `voxel_dimensions.csv` has millimetres. HU are the stored value minus 1024, clipped to
12 bits; the data set does not document the offset (the brain stem's median lies between -14 and 15 HU).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.imaging.images import write_image
from globalmask.intake.sources.bring import Case, Found, LeftOut, Options
from globalmask.intake.sources.catalogue import SOURCES

SIZE = 128
STRUCTURES = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
"""Values 1 to 7 in the label; where two overlap the first wins."""


def find(folder: Path, options: Options) -> Found:
    """Each patient below `folder`; those without a brain stem are left out."""
    patients = [path for path in folder.rglob("pt_*") if path.is_dir() and re.fullmatch(r"pt_\d+", path.name)]
    patients.sort(key=lambda path: int(path.name[3:]))
    return Found([_case(path) for path in patients], SOURCES["openkbp"].structures)


def _case(patient: Path) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        if not (patient / f"{STRUCTURES[0]}.csv").exists():
            raise LeftOut("no brain stem is contoured")
        spacing = _numbers(patient / "voxel_dimensions.csv", 1)
        if spacing.shape != (3, 1) or not (spacing > 0).all():
            raise UserError("These are no voxel dimensions.", file=patient / "voxel_dimensions.csv", expected="3 mm")
        stored = _numbers(patient / "ct.csv", 2)
        ct = np.zeros(SIZE**3)
        ct[_places(stored, patient / "ct.csv")] = stored[:, 1]
        label = np.zeros(SIZE**3, np.uint8)
        for value, name in reversed(list(enumerate(STRUCTURES, 1))):
            file = patient / f"{name}.csv"
            if file.exists():
                label[_places(_numbers(file, 1), file)] = value
        folder.mkdir()
        hu = (np.clip(ct, 0, 4095) - 1024).astype(np.int16)
        for name, values in (("ct", hu), ("label", label)):
            write_image(_image(values, spacing[:, 0]), folder / f"{name}.nii.gz")
        return {name: folder / f"{name}.nii.gz" for name in ("ct", "label")}

    return Case(patient.name, make)


def _image(flat: np.ndarray, spacing_mm: np.ndarray) -> sitk.Image:
    """The stored array as an image in RAS order, centred on the origin."""
    voxels = flat.reshape(SIZE, SIZE, SIZE).transpose(2, 0, 1)[::-1, ::-1, ::-1]
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing(spacing_mm.tolist())
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((spacing_mm * (SIZE - 1) / 2 * (1, 1, -1)).tolist())
    return image


def _numbers(file: Path, columns: int) -> np.ndarray:
    """The first `columns` columns (row, column); a header line starts with a comma."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [line.split(",")[:columns] for line in lines if line and not line.startswith(",")]
        numbers = np.array(rows, float).reshape(-1, columns)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(
            "A file of the patient cannot be read.",
            file=file,
            found=error,
            expected="the CSV file of the repository",
            todo="Clone the repository again; a file that Git LFS did not fetch, or half a copy, reads like this.",
        ) from error
    return numbers


def _places(numbers: np.ndarray, file: Path) -> np.ndarray:
    """The first column as flat indices."""
    places = numbers[:, 0].astype(int)
    if not len(places) or places.min() < 0 or places.max() >= SIZE**3 or (places != numbers[:, 0]).any():
        raise UserError(
            "The indices do not fit the volume.",
            file=file,
            found=f"{len(places)} indices",
            expected=f"0 to {SIZE**3 - 1}",
        )
    return places
