"""Contours hold exactly the voxels they were drawn around, on any grid, and belong to their CT."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Polygon
from pydicom import dcmread

import dicoms
from globalmask.apply.rtstruct import polygons, write_rtstruct
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, read_image
from globalmask.intake.sources.bring import Options, bring
from globalmask.intake.sources.catalogue import SOURCES
from imports import rows, voxels

TILTED = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.15).GetMatrix()


def filled(contours, shape):
    """Voxels (y, x) whose centres lie inside an odd number of closed polygons (point, xy)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = np.zeros(len(centres), int)
    for points in contours:
        inside += Polygon(np.vstack([points, points[:1]])).contains_points(centres)
    return (inside % 2 == 1).reshape(shape)


def ring(shape=(20, 24), centre=(10, 11), outer=8, inner=4):
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - centre[0], x - centre[1])
    return (distance <= outer) & (distance > inner)


SLICES = {
    "ring": ring(),
    "ring with an island in it": ring() | ring(outer=2, inner=-1),
    "two holes": np.kron([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], np.ones((3, 4))) > 0,
    "touches the edge": np.ones((5, 6), bool),
    "one voxel": np.eye(1, 12, 5).reshape(3, 4) > 0,
    "corner to corner": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]]) > 0,
}


@pytest.mark.parametrize("name", SLICES)
def test_polygons_hold_the_voxels_of_their_slice(name):
    assert (filled(polygons(SLICES[name]), SLICES[name].shape) == SLICES[name]).all()


def test_random_slices_come_back():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((9, 11)) < 0.6
        assert (filled(polygons(mask), mask.shape) == mask).all()


@pytest.fixture
def scan(tmp_path):
    """A tilted, uneven CT as DICOM, and a label on its grid: a ring in three slices, a voxel, an empty structure."""
    ct = sitk.GetImageFromArray(np.full((6, 20, 24), 40, np.int16))
    ct.SetSpacing((1.1, 0.9, 2.5))
    ct.SetOrigin((-30.0, 12.5, 400.0))
    ct.SetDirection(TILTED)
    folder = tmp_path / "data" / "p1"
    dicoms.write_ct(ct, folder)
    image = read_image(folder)
    label = np.zeros((6, 20, 24), np.uint8)
    label[1:4, ring()] = 1
    label[5, 3, 4] = 3
    return folder, image_like(label, image)


def test_contours_lie_on_the_tilted_scan_and_name_its_slices(scan, tmp_path):
    folder, label = scan
    out = tmp_path / "out.dcm"
    write_rtstruct(label, folder, out, structures=["Myo", "LA", "dot"])
    written = dcmread(out)
    slices = {dcmread(file).SOPInstanceUID: dcmread(file) for file in folder.iterdir()}
    back = np.zeros((3, 6, 20, 24), bool)
    for roi in written.ROIContourSequence:
        for contour in roi.get("ContourSequence", []):
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            voxels = np.array([label.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in points])
            k = round(voxels[0, 2])
            assert np.allclose(voxels[:, 2], k, atol=1e-3)
            place = np.array(slices[uid].ImagePositionPatient, float)
            assert np.allclose(place, label.TransformIndexToPhysicalPoint((0, 0, k)), atol=1e-3)
            back[roi.ReferencedROINumber - 1, k] ^= filled([voxels[:, :2]], (20, 24))
    assert (back == np.stack([array_of(label) == number for number in (1, 2, 3)])).all()


def test_an_import_gives_the_label_back(scan, tmp_path):
    """By this program's own reader, `import dicom-rt`: voxel for voxel."""
    folder, label = scan
    write_rtstruct(label, folder, folder / "RS.dcm", structures=["Myo", "dot"])
    text = "structures: {Myo: [Myo]}"
    (tmp_path / "names.yaml").write_text(text, encoding="utf-8")
    options = Options(structures=tmp_path / "names.yaml")
    done = bring(SOURCES["dicom-rt"], folder.parent, tmp_path / "imported", options)
    (row,) = rows(done).values()
    assert (voxels(row.label) == (array_of(label) == 1)).all()
    # A series with an RTSTRUCT beside it is still one series.
    assert read_image(folder).GetSize() == label.GetSize()


def test_patient_and_study_are_the_cts_and_series_is_new(scan, tmp_path):
    folder, label = scan
    write_rtstruct(label, folder, tmp_path / "out.dcm", structures=["Myo"])
    written, ct = dcmread(tmp_path / "out.dcm"), dcmread(next(folder.iterdir()))
    for name in ("PatientName", "PatientID", "StudyInstanceUID"):
        assert written[name].value == ct[name].value
    assert written.SeriesInstanceUID != ct.SeriesInstanceUID
    assert written.StructureSetROISequence[0].ReferencedFrameOfReferenceUID == ct.FrameOfReferenceUID
    assert [roi.ROIName for roi in written.StructureSetROISequence] == ["Myo"]
    assert written.ApprovalStatus == "UNAPPROVED"


def test_a_ct_that_is_no_dicom_is_told(scan, tmp_path):
    with pytest.raises(UserError, match="belongs to a DICOM series"):
        write_rtstruct(scan[1], tmp_path / "ct.nii.gz", tmp_path / "out.dcm", structures=["Myo"])
    assert not (tmp_path / "out.dcm").exists()
