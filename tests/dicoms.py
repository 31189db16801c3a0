"""CT series and RTSTRUCT files as a planning system writes them, made for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import contourpy
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid


def write_ct(
    image: sitk.Image, folder: Path, *, patient="secret name", series=None, frame=None, rescale=(1, -1024)
) -> tuple[str, str]:
    """`image` (int16 HU) as one file a slice; returns the UIDs of series and frame of reference.

    `rescale` is slope and intercept: HU = slope x stored + intercept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series, frame, study = series or generate_uid(), frame or generate_uid(), generate_uid()
    voxels = sitk.GetArrayFromImage(image)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    for number, slice_ in enumerate(voxels):
        data = _dataset(CTImageStorage, "CT", patient, series, study)
        data.FrameOfReferenceUID = frame
        data.ImagePositionPatient = _texts(image.TransformIndexToPhysicalPoint((0, 0, number)))
        data.ImageOrientationPatient = _texts([*direction[:, 0], *direction[:, 1]])
        data.PixelSpacing = _texts(image.GetSpacing()[1::-1])
        (data.SliceThickness,) = _texts(image.GetSpacing()[2:])
        data.InstanceNumber = number + 1
        data.Rows, data.Columns = slice_.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.RescaleSlope, data.RescaleIntercept = map(str, rescale)
        data.PixelData = np.rint((slice_ - rescale[1]) / rescale[0]).astype("<u2").tobytes()
        # Names without an order, as in many exports.
        data.save_as(folder / f"CT.{(number * 37) % 1009:04d}.dcm", enforce_file_format=True)
    return series, frame


def write_struct(
    contours: Mapping[str, Sequence[np.ndarray]],
    file: Path,
    *,
    series: str | None,
    frame: str,
    patient="secret name",
    kind="CLOSED_PLANAR",
) -> None:
    """An RTSTRUCT with the named contours, each (point, xyz in LPS mm), drawn on `series`."""
    data = _dataset(RTStructureSetStorage, "RTSTRUCT", patient, generate_uid(), generate_uid())
    reference, study, one = Dataset(), Dataset(), Dataset()
    reference.FrameOfReferenceUID = frame
    if series:
        one.SeriesInstanceUID = series
        study.RTReferencedSeriesSequence = [one]
        reference.RTReferencedStudySequence = [study]
    data.ReferencedFrameOfReferenceSequence = [reference]
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, polygons) in enumerate(contours.items(), 1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name.split("#")[0], frame
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points, kind) for points in polygons]
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(drawn)
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)


def outlines(mask: np.ndarray, grid: sitk.Image) -> list[np.ndarray]:
    """The outlines of a mask (z, y, x) on every slice, half way between its voxels and the others; LPS mm."""
    found = []
    for number, plane in enumerate(mask):
        padded = np.pad(plane, 1).astype(float)
        for line in contourpy.contour_generator(z=padded).lines(0.5):
            index = np.column_stack([line[:-1] - 1, np.full(len(line) - 1, float(number))])
            found.append(np.array([grid.TransformContinuousIndexToPhysicalPoint(point.tolist()) for point in index]))
    return found


def _dataset(sop: str, modality: str, patient: str, series: str, study: str) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.SeriesInstanceUID, data.StudyInstanceUID = modality, series, study
    data.PatientID = data.PatientName = patient
    return data


def _contour(points: np.ndarray, kind: str) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [text for point in points for text in _texts(point)]
    return item


def _texts(numbers: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters, as DICOM has them."""
    return [f"{number:.6f}"[:16] for number in numbers]
