"""A CT as a DICOM series on any orthogonal grid, with the scanner's own numbers (rescale slope and intercept)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_ct(folder, ct, *, slope=0.5, intercept=-1500.0, patient="Doe^Jane"):
    """Write `ct` (whole HU) slice by slice below `folder`, file names in another order than the slices; the folder."""
    folder.mkdir(parents=True)
    axes = np.array(ct.GetDirection()).reshape(3, 3)
    stored = np.rint((sitk.GetArrayFromImage(ct) - intercept) / slope).astype(np.uint16)
    common = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    common |= {"FrameOfReferenceUID": generate_uid(), "PatientName": patient, "PatientID": "0815"}
    for k, plane in enumerate(stored):
        place = ct.TransformIndexToPhysicalPoint((0, 0, k))
        slice_ = Dataset()
        for name, value in common.items():
            setattr(slice_, name, value)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, generate_uid()
        slice_.Modality, slice_.InstanceNumber = "CT", k + 1
        slice_.ImagePositionPatient = [f"{value:.8g}" for value in place]
        slice_.ImageOrientationPatient = [f"{value:.10f}" for value in (*axes[:, 0], *axes[:, 1])]
        slice_.PixelSpacing = [f"{ct.GetSpacing()[1]:.8g}", f"{ct.GetSpacing()[0]:.8g}"]
        slice_.SliceThickness = f"{ct.GetSpacing()[2]:.8g}"
        slice_.RescaleSlope, slice_.RescaleIntercept = f"{slope:g}", f"{intercept:g}"
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.Rows, slice_.Columns = plane.shape
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 0
        slice_.PixelData = plane.tobytes()
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.save_as(folder / f"{(7 * k) % len(stored):03d}_{k}.dcm", enforce_file_format=True)
    return folder
