"""A predicted label as a DICOM RT Structure Set on the CT series that it was predicted from.

Written with pydicom alone (PS3.3 C.8.8.5, C.8.8.6 and C.8.8.8): the writers on PyPI lag behind it. Contours are closed
and planar; a hole is joined to its outline by a keyhole, as the standard asks of readers that know no XOR.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from contourpy import FillType, contour_generator

from globalmask import __version__
from globalmask.errors import UserError, missing_library
from globalmask.imaging.images import array_of
from globalmask.intake.check_picture import COLOURS
from globalmask.provenance import atomic

if TYPE_CHECKING:
    from pydicom import Dataset

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
MADE_BY = "AUTOMATIC"


def write_rtstruct(label: sitk.Image, series: Path, out: Path, *, structures: Sequence[str]) -> None:
    """Write `out`: contours of `label` (i + 1 is the i-th of `structures`), a polygon set a slice, LPS millimetres.

    `series` is the folder of the CT series whose grid `label` has. Patient and study are the CT's; an empty
    structure is listed without contours. Raises UserError when pydicom is not installed or `series` is no DICOM.
    """
    slices = _slices_of(series)
    if len(slices) != label.GetSize()[2]:
        raise ValueError(f"{len(slices)} DICOM slices and {label.GetSize()[2]} slices of the label")
    dataset = _head(slices[0])
    dataset.ReferencedFrameOfReferenceSequence = [_reference(slices)]
    dataset.StructureSetROISequence = [_roi(n, name, slices[0]) for n, name in enumerate(structures, 1)]
    dataset.RTROIObservationsSequence = [_observation(n, name) for n, name in enumerate(structures, 1)]
    dataset.ROIContourSequence = [_contours(label, n, slices) for n in range(1, len(structures) + 1)]
    with atomic(out) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _slices_of(series: Path) -> list[Dataset]:
    """Headers of the CT's slices, in the order of the image's third axis."""
    try:
        from pydicom import dcmread
    except ModuleNotFoundError as error:
        raise missing_library(error) from None
    names = series.is_dir() and sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(series))
    if not names:
        raise UserError(
            "An RTSTRUCT belongs to a DICOM series, and the CT is none.",
            file=series,
            expected="a folder with one DICOM series, or a zip of one",
            todo="give the CT as DICOM, or leave out --rtstruct",
        )
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series), names[0])
    return [dcmread(file, stop_before_pixels=True) for file in files]


def polygons(mask: np.ndarray) -> Iterator[np.ndarray]:
    """Closed outlines (point, xy) in voxels of a yes/no slice (y, x), half way between its inside and outside voxels.

    A hole is part of its outline, reached and left along one line.
    """
    lines = contour_generator(z=np.pad(mask.astype(float), 1), fill_type=FillType.OuterOffset)
    outlines: Any = lines.filled(0.5, 2.0)
    for points, starts in zip(*outlines, strict=True):
        rings = [points[start:end][:-1] - 1 for start, end in pairwise(starts)]
        outline = rings[0]
        for hole in rings[1:]:
            outline = _with_keyhole(outline, hole)
        yield outline


def _with_keyhole(outline: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Outline and hole as one, through the shortest keyhole that no voxel's centre lies on.

    A point lies half way between two voxels, along x or along y; from one kind to the other no line meets a centre.
    """
    apart = ((outline[:, None] - hole[None]) ** 2).sum(axis=2)
    along_x, hole_along_x = (points[:, 0] % 1 != 0 for points in (outline, hole))
    apart[along_x[:, None] == hole_along_x[None]] = np.inf
    door, first = np.unravel_index(int(apart.argmin()), apart.shape)
    around = np.roll(hole, -first, axis=0)
    return np.concatenate([outline[: door + 1], around, around[:1], outline[door:]])


def _contours(label: sitk.Image, number: int, slices: Sequence[Dataset]) -> Dataset:
    contours = []
    for k, plane in enumerate(array_of(label) == number):
        for points in polygons(plane) if plane.any() else ():
            places = [label.TransformContinuousIndexToPhysicalPoint((x, y, float(k))) for x, y in points.tolist()]
            contours.append(
                _dataset(
                    ContourImageSequence=[_sop(slices[k])],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(places),
                    ContourData=[f"{value:.4f}" for place in places for value in place],
                )
            )
    colour = COLOURS[(number - 1) % len(COLOURS)].lstrip("#")
    return _dataset(
        ReferencedROINumber=number,
        ROIDisplayColor=list(bytes.fromhex(colour)),
        **({"ContourSequence": contours} if contours else {}),
    )


def _head(ct: Dataset) -> Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    now = datetime.datetime.now()
    copied = {name: ct[name].value if name in ct else "" for name in (*PATIENT, *STUDY)}
    dataset = _dataset(
        **copied,
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=RT_STRUCTURE_SET,
        SOPInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(),
        SeriesNumber="1",
        Modality="RTSTRUCT",
        Manufacturer="globalmask",
        SoftwareVersions=__version__,
        OperatorsName="",
        StructureSetLabel="globalmask",
        StructureSetDate=now.strftime("%Y%m%d"),
        StructureSetTime=now.strftime("%H%M%S"),
        ApprovalStatus="UNAPPROVED",
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _reference(slices: Sequence[Dataset]) -> Dataset:
    first = slices[0]
    series = _dataset(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=[_sop(each) for each in slices])
    study = _dataset(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _dataset(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _roi(number: int, name: str, ct: Dataset) -> Dataset:
    return _dataset(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=ct.FrameOfReferenceUID,
        ROIName=name,
        ROIGenerationAlgorithm=MADE_BY,
    )


def _observation(number: int, name: str) -> Dataset:
    return _dataset(
        ObservationNumber=number,
        ReferencedROINumber=number,
        ROIObservationLabel=name[:16],
        RTROIInterpretedType="ORGAN",
        ROIInterpreter="",
    )


def _sop(ct: Dataset) -> Dataset:
    return _dataset(ReferencedSOPClassUID=ct.SOPClassUID, ReferencedSOPInstanceUID=ct.SOPInstanceUID)


def _dataset(**elements: Any) -> Dataset:
    from pydicom import Dataset

    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset
