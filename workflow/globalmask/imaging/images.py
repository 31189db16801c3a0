"""Reading and writing volumes: the only place where a file becomes an image (DESIGN.md decision 5).

NIfTI, NRRD, MetaImage or a folder with one DICOM series, through SimpleITK. ITK reads a NIfTI file that was
cut off as if it were whole, a DICOM series with a missing slice after a warning at most, and dies of some damaged
NRRD headers (tried with SimpleITK 2.5.7); all are refused here.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.provenance import atomic, reads

FORMATS = "NIfTI (.nii, .nii.gz), NRRD, MetaImage (.mha, .mhd) or a folder with one DICOM series"
LARGEST_NRRD_HEADER = 1 << 16
SLICE_TOLERANCE_MM = 0.1
"""How far a DICOM slice may lie from its place: positions are written with few digits."""


def read_image(path: str | Path, *, case: str | None = None) -> sitk.Image:
    """Read one volume, a file or a folder that holds one DICOM series.

    Returns a three-dimensional scalar image in its own pixel type, on its own grid (LPS, millimetres).
    Raises UserError when the path is missing, unreadable, truncated, not three-dimensional, not of plain
    numbers, or a DICOM folder with several series, missing slices or a tilted gantry.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            "The image does not exist.",
            case=case,
            file=path,
            expected=FORMATS,
            todo="correct the path in the case table",
        )
    reads(path)
    image = _read_series(path, case=case) if path.is_dir() else _read_file(path, case=case)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UserError(
            "The image is not one plain volume.",
            case=case,
            file=path,
            found=f"{image.GetDimension()} dimensions of size {image.GetSize()}, "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel ({image.GetPixelIDTypeAsString()})",
            expected="3 dimensions, 1 value a voxel",
            todo="export one volume of the series",
        )
    place = [*image.GetOrigin(), *image.GetSpacing(), *image.GetDirection()]
    if not np.isfinite(place).all():
        raise UserError(
            "The image has no place in space: its header holds numbers that are not finite.",
            case=case,
            file=path,
            found=f"origin {image.GetOrigin()}, spacing {image.GetSpacing()} mm (x, y, z)",
            expected="finite numbers in mm",
            todo="export the image again",
        )
    return image


def write_image(image: sitk.Image, path: str | Path) -> None:
    """Write `image`, whole or not at all; the suffix decides the format, compressed where it can be.

    Header fields that `image` brought along (names, dates, UIDs, descriptions) are not written.
    """
    plain = sitk.Image(image)
    for key in plain.GetMetaDataKeys():
        plain.EraseMetaData(key)
    with atomic(path) as temporary:
        sitk.WriteImage(plain, str(temporary), useCompression=True, compressionLevel=1)
        if temporary.name.endswith((".nii", ".nii.gz")):
            # ITK writes what fits of a NIfTI file and raises nothing (tried with SimpleITK 2.5.7).
            _refuse_truncated_nifti(temporary, case=None)


def read_transform(path: str | Path) -> sitk.Transform:
    """A spatial transform that SimpleITK or ANTs wrote."""
    reads(path)
    return sitk.ReadTransform(str(path))


def array_of(image: sitk.Image) -> np.ndarray:
    """A copy of the voxels, (z, y, x), in the image's own number type."""
    return sitk.GetArrayFromImage(image)


def image_like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """`array` (z, y, x) as an image on the grid of `reference`; booleans become uint8.

    Raises ValueError when the shapes differ.
    """
    if array.shape != reference.GetSize()[::-1]:
        raise ValueError(f"array {array.shape} does not fit grid {reference.GetSize()[::-1]} (z, y, x)")
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.CopyInformation(reference)
    return image


def _read_file(path: Path, *, case: str | None) -> sitk.Image:
    if path.name.endswith((".nii", ".nii.gz")):
        _refuse_truncated_nifti(path, case=case)
    if path.suffix.lower() == ".nrrd":
        _refuse_damaged_nrrd(path, case=case)
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _unreadable(path, error, case=case) from error


def _unreadable(path: Path, error: Exception, *, case: str | None) -> UserError:
    reasons = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = reasons[-1] if reasons else type(error).__name__
    if "orthonormal" in reason:
        return UserError(
            "The axes of the image are not orthogonal unit vectors.",
            case=case,
            file=path,
            found="direction cosines that are not orthonormal",
            expected="three orthogonal axes",
            todo="resample the volume onto a grid without shear (a tilted gantry leaves one)",
        )
    return UserError(
        "The image cannot be read.",
        case=case,
        file=path,
        found=reason,
        expected=FORMATS,
        todo="export or copy the image again, or take the case out of the case table",
    )


def _refuse_truncated_nifti(path: Path, *, case: str | None) -> None:
    zipped = path.name.endswith(".gz")
    try:
        with (gzip.open if zipped else open)(path, "rb") as stream:
            header = stream.read(540)
        expected = _nifti_bytes(header)
        found = _unzipped_bytes(path, expected) if zipped else path.stat().st_size
    except (OSError, EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise _unreadable(path, error, case=case) from error
    if found < expected:
        raise UserError(
            "The image is truncated.",
            case=case,
            file=path,
            found=f"{found} bytes",
            expected=f"{expected} bytes by its own header",
            todo="copy or export the file again, or take the case out of the case table",
        )


def _refuse_damaged_nrrd(path: Path, *, case: str | None) -> None:
    """The header is lines of text with closed brackets up to an empty line (teem.sourceforge.net/nrrd/format.html)."""
    try:
        with path.open("rb") as stream:
            header, end, _ = stream.read(LARGEST_NRRD_HEADER).replace(b"\r\n", b"\n").partition(b"\n\n")
        if not (header.startswith(b"NRRD") and end):
            raise ValueError("no NRRD header with an empty line at its end")
        for line in header.decode("utf-8").splitlines():
            if line.count("(") != line.count(")") or not line.replace("\t", " ").isprintable():
                raise ValueError(f"a damaged line in the header: {line[:60]!r}")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, case=case) from error


def _nifti_bytes(header: bytes) -> int:
    """Bytes that a single-file NIfTI needs by its header (nifti1.h, nifti2.h); ValueError for another file."""
    if len(header) < 348:
        raise ValueError(f"{len(header)} bytes, too few for a NIfTI header" if header else "an empty file")
    for order in "<>":
        (size,) = struct.unpack(order + "i", header[:4])
        if size == 348:
            dims = struct.unpack(order + "8h", header[40:56])
            (bits,) = struct.unpack(order + "h", header[72:74])
            (offset,) = struct.unpack(order + "f", header[108:112])
        elif size == 540:
            dims = struct.unpack(order + "8q", header[16:80])
            (bits,) = struct.unpack(order + "h", header[14:16])
            (offset,) = struct.unpack(order + "q", header[168:176])
        else:
            continue
        return int(offset) + math.prod(max(1, size) for size in dims[1 : dims[0] + 1]) * bits // 8
    raise ValueError("this is no NIfTI file")


def _unzipped_bytes(path: Path, expected: int) -> int:
    """Length of a gzip file's content; its last four bytes tell it, unpacking only when they disagree."""
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        (told,) = struct.unpack("<I", stream.read(4))
    if told == expected % 2**32:
        return expected
    found = 0
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read1(1 << 22):
                found += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return min(found, expected - 1)
    return found


def _read_series(folder: Path, *, case: str | None) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    series = reader.GetGDCMSeriesIDs(str(folder))
    files = [reader.GetGDCMSeriesFileNames(str(folder), name) for name in series]
    if len(series) != 1:
        counts = ", ".join(str(len(names)) for names in files)
        raise UserError(
            "The folder does not hold exactly one DICOM series.",
            case=case,
            file=folder,
            found=f"{len(series)} series of {counts} files" if series else "no DICOM image",
            expected="one series of a CT",
            todo="give each series a folder of its own, or name an image file",
        )
    reader.SetFileNames(files[0])
    reader.MetaDataDictionaryArrayUpdateOn()
    try:
        image = reader.Execute()
        positions = [reader.GetMetaData(index, "0020|0032") for index in range(len(files[0]))]
        places = np.array([[float(number) for number in text.split("\\")] for text in positions])
    except (RuntimeError, ValueError) as error:
        raise _unreadable(folder, error, case=case) from error
    _refuse_uneven_slices(places, image, folder, case=case)
    return image


def _refuse_uneven_slices(places: np.ndarray, image: sitk.Image, folder: Path, *, case: str | None) -> None:
    """`places` (slice, xyz): position of each slice in mm; they must lie evenly on the image's third axis."""
    axis = np.array(image.GetDirection()).reshape(3, 3)[:, 2]
    wanted = places[0] + np.arange(len(places))[:, None] * image.GetSpacing()[2] * axis
    away = np.linalg.norm(places - wanted, axis=1)
    allowed = SLICE_TOLERANCE_MM + 0.01 * image.GetSpacing()[2]
    if away.max() > allowed:
        worst = int(away.argmax())
        raise UserError(
            "The DICOM slices are not evenly spaced on one straight line.",
            case=case,
            file=folder,
            found=f"slice {worst + 1} of {len(places)} lies {away.max():.1f} mm from its place",
            expected=f"at most {allowed:.2f} mm: no missing slice, even spacing, no gantry tilt",
            todo="export the whole series again, resampled if the gantry was tilted",
        )
