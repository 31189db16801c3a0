"""A small case on disk, and the many ways in which a CT, its label or its mask can be wrong."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import SimpleITK as sitk

from dicom_series import dicom_folder

VALUES = {"brain_stem": 1, "left_eye": 2, "right_eye": 3}
SHAPE = (16, 20, 24)
SPACING_MM = (3.0, 2.0, 2.0)


def head(dtype: type = np.int16) -> np.ndarray:
    """An ellipsoid of 40 HU in air, (z, y, x), with a little structure so that it is not constant."""
    z, y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    inside = (z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2) < 0.8
    return np.where(inside, 40 + (np.arange(SHAPE[2]) % 5), -1000).astype(dtype)


def contours(dtype: type = np.uint8) -> np.ndarray:
    """Brain stem in the middle; x grows to the patient's left, so the left eye has the larger index."""
    label = np.zeros(SHAPE, dtype)
    label[6:9, 10:13, 11:13] = 1
    label[8:10, 5:8, 15:18] = 2
    label[8:10, 5:8, 6:9] = 3
    return label


def volume(array: np.ndarray, **grid: Any) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.get("spacing", SPACING_MM[::-1]))
    image.SetOrigin(grid.get("origin", (-20.0, -15.0, 30.0)))
    image.SetDirection(grid.get("direction", np.eye(3).ravel().tolist()))
    return image


@dataclass
class Place:
    """A case on disk that a test spoils."""

    folder: Path
    ct: Path
    label: Path
    mask: Path | None = None

    @classmethod
    def good(cls, folder: Path) -> Self:
        """A small head with three structures, in order."""
        place = cls(folder, folder / "ct.nii.gz", folder / "label.nii.gz")
        place.write_ct(head())
        place.write_label(contours())
        return place

    def write_ct(self, array: np.ndarray, **grid: Any) -> None:
        sitk.WriteImage(volume(array, **grid), str(self.ct))

    def write_label(self, array: np.ndarray, **grid: Any) -> None:
        sitk.WriteImage(volume(array, **grid), str(self.label))


def cut_gzip(place: Place) -> None:
    place.ct.write_bytes(place.ct.read_bytes()[:-200])


def cut_content(place: Place) -> None:
    place.ct.write_bytes(gzip.compress(gzip.decompress(place.ct.read_bytes())[:-3000]))


def zero_bytes(place: Place) -> None:
    place.ct.write_bytes(b"")


def text(place: Place) -> None:
    place.label.write_text("moved to the other disk\n" * 40)


def missing(place: Place) -> None:
    place.label.rename(place.folder / "labels.nii.gz")


def flat(place: Place) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(head()[8]), str(place.ct))


def four_dimensions(place: Place) -> None:
    sitk.WriteImage(sitk.JoinSeries([volume(head()), volume(head())]), str(place.ct))


def colour(place: Place) -> None:
    sitk.WriteImage(sitk.Compose([volume(head())] * 3), str(place.ct))


def one_slice(place: Place) -> None:
    place.write_ct(head()[8:9])
    place.write_label(contours()[8:9])


def nan(place: Place) -> None:
    array = head(np.float32)
    array[3, 4, 5] = np.nan
    place.write_ct(array)


def nan_nrrd(place: Place) -> None:
    array = head(np.float32)
    array[3, 4, 5] = np.nan
    place.ct = place.folder / "ct.nrrd"
    place.write_ct(array)


def infinite(place: Place) -> None:
    array = head(np.float32)
    array[3, 4, 5:7] = np.inf
    place.write_ct(array)


def constant(place: Place) -> None:
    place.write_ct(np.full(SHAPE, -1000, np.int16))


def unsigned(place: Place) -> None:
    place.write_ct((head() + 1024).astype(np.uint16))


def scaled(place: Place) -> None:
    place.write_ct(np.clip((head(np.float32) + 200) / 400, 0, 1))


def grey(place: Place) -> None:
    place.write_ct(np.where(head() > 0, 140, 0).astype(np.uint8))


def intercept_twice(place: Place) -> None:
    place.write_ct(head() - 1024)


def metres(place: Place) -> None:
    place.write_ct(head(), spacing=(0.002, 0.002, 0.003))
    place.write_label(contours(), spacing=(0.002, 0.002, 0.003))


def micrometres(place: Place) -> None:
    place.write_ct(head(), spacing=(2000, 2000, 3000))


def one_spacing(place: Place) -> None:
    place.write_ct(head(), spacing=(2, 2, 30))


def patch_header(path: Path, offset: int, values: np.ndarray) -> None:
    """Overwrite part of the NIfTI-1 header of a .nii.gz file."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + values.nbytes] = values.tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


def zero_spacing(place: Place) -> None:
    patch_header(place.ct, 88, np.array([0], "<f4"))


def negative_spacing(place: Place) -> None:
    patch_header(place.ct, 84, np.array([-2], "<f4"))


def sheared(place: Place) -> None:
    # srow_x (offset 280) leans by a third of a voxel per slice, as a tilted gantry written without resampling.
    patch_header(place.ct, 252, np.array([0, 1], "<i2"))
    patch_header(place.ct, 280, np.array([-2, 0, 1, 20, 0, -2, 0, 15, 0, 0, 3, 30], "<f4"))


def sheared_mha(place: Place) -> None:
    path = place.folder / "ct.mha"
    sitk.WriteImage(volume(head()), str(path))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"TransformMatrix = 1 0 0 0 1 0 0.5 0 1"))
    place.ct = path


def label_shift(place: Place) -> None:
    place.write_label(contours(), origin=(-20.0, -15.0, 33.2))


def label_flip(place: Place) -> None:
    place.write_label(contours(), direction=[-1, 0, 0, 0, 1, 0, 0, 0, 1])


def label_order(place: Place) -> None:
    sitk.WriteImage(sitk.DICOMOrient(volume(contours()), "RAS"), str(place.label))


def label_size(place: Place) -> None:
    place.write_label(contours()[:, :, :-1])


def label_spacing(place: Place) -> None:
    place.write_label(contours(), spacing=(2, 2, 3.5))


def fraction(place: Place) -> None:
    place.write_label(contours(np.float32) * np.float32(0.999))


def label_nan(place: Place) -> None:
    label = contours(np.float32)
    label[0, 0, 0] = np.nan
    place.write_label(label)


def stray(place: Place) -> None:
    label = contours(np.uint16)
    label[2, 2, 2:5] = 421
    place.write_label(label)


def absent(place: Place) -> None:
    label = contours()
    label[label == 2] = 0
    place.write_label(label)


def empty(place: Place) -> None:
    place.write_label(np.zeros(SHAPE, np.uint8))


def sides(place: Place) -> None:
    place.write_label(contours()[:, :, ::-1])


def mask_empty(place: Place) -> None:
    place.mask = place.folder / "mask.nii.gz"
    sitk.WriteImage(volume(np.zeros(SHAPE, np.uint8)), str(place.mask))


def mask_shift(place: Place) -> None:
    place.mask = place.folder / "mask.nii.gz"
    sitk.WriteImage(volume((head() > 0).astype(np.uint8), origin=(0, 0, 0)), str(place.mask))


def no_dicom(place: Place) -> None:
    place.ct = place.folder / "empty_folder"
    place.ct.mkdir()


def damaged_nrrd(place: Place) -> None:
    place.ct = place.folder / "ct.nrrd"
    place.write_ct(head())
    place.ct.write_bytes(place.ct.read_bytes().replace(b"space origin: (-20,-15,30)", b"space origin: (-20,-15,30", 1))


def nowhere(place: Place) -> None:
    patch_header(place.ct, 268, np.array([np.nan], "<f4"))
    patch_header(place.ct, 292, np.array([np.nan], "<f4"))


def huge(place: Place) -> None:
    patch_header(place.ct, 42, np.array([32767, 32767, 32767], "<i2"))


def label_is_ct(place: Place) -> None:
    place.label.write_bytes(place.ct.read_bytes())


def label_overflow(place: Place) -> None:
    place.write_label(np.where(contours() == 3, 820 % 256, contours()).astype(np.uint8))


def mask_full(place: Place) -> None:
    place.mask = place.folder / "mask.nii.gz"
    sitk.WriteImage(volume(np.ones(SHAPE, np.uint8)), str(place.mask))


def dicom_mixed(place: Place) -> None:
    place.ct = dicom_folder(place.folder / "series", heights=range(0, 12, 2))
    dicom_folder(place.ct, heights=range(0, 16, 2), series="1.2.4")


def dicom_gap(place: Place) -> None:
    place.ct = dicom_folder(place.folder / "series", heights=[0, 2, 4, 8, 10, 12])


def dicom_tilted(place: Place) -> None:
    place.ct = dicom_folder(place.folder / "series", heights=range(0, 12, 2), shift_mm=0.5)


def dicom_cut(place: Place) -> None:
    place.ct = dicom_folder(place.folder / "series", heights=range(0, 12, 2))
    file = place.ct / "1.2.3-2.dcm"
    file.write_bytes(file.read_bytes()[:-30])
