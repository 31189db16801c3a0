"""DICOM CT series with RTSTRUCT contours: analytic shapes, the workflow's own phantom, and what goes wrong."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

import dicoms
from heads import BONE, BRAIN, EYE, make_scan
from imports import rows, voxels

TILT = Rotation.from_euler("xyz", (8, -11, 25), degrees=True).as_matrix()
STRUCTURES = "structures:\n  stem: [Brainstem]\n  eye: [Orbit-Lt]\n"
NAMES = ("Brainstem", "Orbit-Lt", "BODY")


def scan(size=(40, 36, 20), spacing=(1.5, 1.5, 2.5), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    image = sitk.Image(size, sitk.sitkInt16) + 40
    image.SetSpacing(spacing)
    image.SetDirection(np.ravel(direction).tolist())
    image.SetOrigin((-31.3, 12.7, -502.4))
    return image


def circle(image, centre, radius_mm, slice_, points=150):
    """A circle about index `centre` (x, y) on a slice, in mm of the patient."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius_mm / np.array(image.GetSpacing()[:2]) + centre
    return np.array([image.TransformContinuousIndexToPhysicalPoint((*point, slice_)) for point in ring.tolist()])


def sphere(image, centre, radius_mm, every=1):
    """Circles of a sphere about index `centre` (x, y, z)."""
    heights = {z: radius_mm**2 - ((z - centre[2]) * image.GetSpacing()[2]) ** 2 for z in range(0, 99, every)}
    return [circle(image, centre[:2], np.sqrt(square), float(z)) for z, square in heights.items() if square > 0]


def patient(folder, image, contours, **options):
    series, frame = dicoms.write_ct(image, folder / "CT")
    dicoms.write_struct(contours, folder / "RS.dcm", **{"series": series, "frame": frame} | options)
    return series, frame


@pytest.fixture
def names(tmp_path):
    """Writes the file of structures."""

    def write(text=STRUCTURES):
        file = tmp_path / "structures.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def one(tmp_path):
    """A patient with two spheres, and all of the scan as body."""
    image = scan()
    body = [circle(image, (19.5, 17.5), 24, z) for z in range(20)]
    patient(
        tmp_path / "data" / "Anna 01",
        image,
        {"Brainstem": sphere(image, (15, 18, 9), 9), "Orbit-Lt": sphere(image, (24, 18, 9), 9), "BODY": body},
    )
    return tmp_path / "data"


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TILT], ids=["straight", "oblique"])
def test_volume_and_place_of_a_sphere(tmp_path, names, bring_in, direction, every):
    """Radius 20 mm: within 1 % and a tenth of a voxel, on slices along the patient and across."""
    image = scan(size=(60, 58, 30), spacing=(0.98, 0.98, 2.5), direction=direction)
    patient(tmp_path / "data" / "p1", image, {"Brainstem": sphere(image, (30.3, 28.1, 14.2), 20, every)})
    done = bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    label = sitk.ReadImage(rows(done)["p1"].label)
    inside = sitk.GetArrayFromImage(label) == 1
    assert inside.sum() * 0.98 * 0.98 * 2.5 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    middle = label.TransformContinuousIndexToPhysicalPoint(np.argwhere(inside).mean(axis=0)[::-1].tolist())
    wanted = image.TransformContinuousIndexToPhysicalPoint((30.3, 28.1, 14.2))
    assert np.linalg.norm(np.subtract(middle, wanted)) < 0.1
    assert bool(done.notes) == (every == 2), done.notes


@pytest.mark.parametrize(
    "direction",
    [np.diag([-1, -1, 1]), np.diag([1, 1, -1]), TILT, [[0, 0, -1], [1, 0, 0], [0, 1, 0]]],
    ids=["turned", "flipped", "oblique", "coronal"],
)
def test_outlines_of_a_head_give_its_label(tmp_path, names, bring_in, direction):
    """Flipped, oblique and turned scans, skull with its hole: the label comes back voxel for voxel."""
    ct, _, _ = make_scan(spacing_xyz=(4.2, 4.4, 6), tilt_deg=(9, -6, 14), direction=np.ravel(direction), noise_hu=0)
    hu = sitk.GetArrayFromImage(ct)
    parts = {"Skull": hu == BONE, "Brain": hu == BRAIN, "Eyes": hu == EYE}
    patient(tmp_path / "data" / "p1", ct, {name: dicoms.outlines(inside, ct) for name, inside in parts.items()})
    text = "structures: {skull: [Skull], brain: [Brain], eyes: [Eyes]}"
    row = rows(bring_in("dicom-rt", tmp_path / "data", structures=names(text)))["p1"]
    label = sum(value * inside for value, inside in enumerate(parts.values(), 1))
    assert set(np.unique(label)) == {0, 1, 2, 3}
    for path, wanted in ((row.label, label), (row.ct, hu)):
        # A series is sorted along its normal, so a flipped scan comes back unflipped: compare place by place.
        back = sitk.Resample(sitk.ReadImage(path), ct, sitk.Transform(), sitk.sitkNearestNeighbor, -9999)
        assert np.array_equal(sitk.GetArrayFromImage(back), wanted)


@pytest.mark.parametrize(
    "kind, keyhole", [("CLOSED_PLANAR", False), ("CLOSEDPLANAR_XOR", False), ("CLOSED_PLANAR", True)]
)
def test_holes(tmp_path, names, bring_in, kind, keyhole):
    image = scan()
    rings = []
    for z in range(4, 16):
        outer, inner = (circle(image, (20 + z / 13, 18 - z / 17), radius, z) for radius in (18, 9))
        rings += [np.concatenate([outer, outer[:1], inner[:1], inner[:0:-1], inner[:1]])] if keyhole else [outer, inner]
    patient(tmp_path / "data" / "p1", image, {"Brainstem": rings}, kind=kind)
    row = rows(bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}")))["p1"]
    found = voxels(row.label)
    assert found[9, 18, 20] == 0
    assert found[9, 18, 20 + 9] == 1
    assert found.sum() * 1.5 * 1.5 * 2.5 == pytest.approx(np.pi * (18**2 - 9**2) * 12 * 2.5, rel=0.01)


def test_the_order_of_the_structures_decides_an_overlap(one, names, bring_in, tmp_path):
    first = rows(bring_in("dicom-rt", one, structures=names()))["Anna_01"]
    turned = "structures:\n  eye: [Orbit-Lt]\n  stem: [Brainstem]\n"
    (tmp_path / "imported").rename(tmp_path / "before")
    second = rows(bring_in("dicom-rt", one, structures=names(turned)))["Anna_01"]
    stem_first, eye_first = voxels(first.label.replace("imported", "before")), voxels(second.label)
    assert stem_first[9, 18, 19] == 1, "between both centres: the brain stem"
    assert eye_first[9, 18, 19] == 1, "between both centres: the eye, which is 1 now"
    assert (stem_first == 1).sum() > (eye_first == 2).sum()
    assert np.array_equal(stem_first > 0, eye_first > 0)


def test_the_body_becomes_the_mask(one, names, bring_in):
    row = rows(bring_in("dicom-rt", one, structures=names(STRUCTURES + "mask: [External, Body]\n")))["Anna_01"]
    mask = voxels(row.mask)
    assert set(np.unique(mask)) == {0, 1}
    assert mask.sum() * 1.5**2 == pytest.approx(np.pi * 24**2 * 20, rel=0.01)
    assert voxels(row.label).max() == 2


def test_without_names_the_data_says_its_own(one, refused):
    told = refused("dicom-rt", one)
    assert all(f"{name} (1 of 1)" in told for name in NAMES)
    assert "--structures" in told


def test_every_missing_structure_of_every_patient_is_told_with_near_names(one, names, refused):
    image = scan()
    patient(one / "Bert", image, {"Brain_stm": sphere(image, (15, 18, 9), 9)})
    told = refused("dicom-rt", one, structures=names("structures: {stem: [Brainstem], cord: [SpinalCord]}"))
    assert "3 faults" in told
    assert told.count("'cord' is not in the data") == 2
    assert "Did you mean 'Brain_stm'?" in told
    assert "case: Bert" in told


def test_a_missing_structure_is_accepted_when_asked(one, names, bring_in):
    text = STRUCTURES + "  cord: [SpinalCord]\n"
    done = bring_in("dicom-rt", one, structures=names(text), allow_missing=True)
    assert set(np.unique(voxels(rows(done)["Anna_01"].label))) == {0, 1, 2}


def test_the_patient_stays_unnamed_and_scans_of_one_stay_together(tmp_path, names, bring_in):
    image = scan()
    for folder, number in (("a", "ID-4711"), ("b", "ID-4711"), ("c", "ID-0815")):
        series, frame = dicoms.write_ct(image, tmp_path / "data" / folder, patient=number)
        ball = {"Brainstem": sphere(image, (15, 18, 9), 9)}
        dicoms.write_struct(ball, tmp_path / "data" / folder / "rs", series=series, frame=frame, patient=number)
    done = bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert {case: row.group for case, row in rows(done).items()} == {"a": "a", "b": "a", "c": "c"}
    for path in done.table.parent.rglob("*"):
        assert path.is_dir() or not any(number in path.read_bytes() for number in (b"ID-4711", b"ID-0815"))


def test_one_number_for_all_patients_is_no_patient(tmp_path, names, bring_in):
    """As many anonymised exports have it: every folder is a patient then, and the user is told."""
    for folder in ("export/a", "export/b"):
        patient(tmp_path / "data" / folder, scan(), {"Brainstem": sphere(scan(), (15, 18, 9), 9)})
    done = bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert {case: row.group for case, row in rows(done).items()} == {"a": "a", "b": "b"}
    assert "All scans carry one PatientID" in done.notes[0]


def test_two_series_in_one_folder_and_two_rtstructs_of_one_patient(tmp_path, names, bring_in):
    """Each RTSTRUCT finds its own series among files of both, whatever lies beside them."""
    folder = tmp_path / "data" / "p1"
    for number, hu in enumerate((10, 70)):
        image = scan() + (hu - 40)
        series, frame = dicoms.write_ct(image, tmp_path / f"ct{number}")
        folder.mkdir(parents=True, exist_ok=True)
        for file in (tmp_path / f"ct{number}").iterdir():
            file.rename(folder / f"{number}_{file.name}")
        ball = {"Brainstem": sphere(image, (15 + 6 * number, 18, 9), 9)}
        dicoms.write_struct(ball, folder / f"rs{number}.dcm", series=series, frame=frame)
    (folder / "notes.txt").write_text("no DICOM", encoding="utf-8")
    found = rows(bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}")))
    assert list(found) == ["p1_1", "p1_2"]
    assert [int(voxels(row.ct).max()) for row in found.values()] == [10, 70]
    assert [int(voxels(row.label)[9, 18, 15 - 4]) for row in found.values()] == [1, 0]
    assert len({row.group for row in found.values()}) == 1


def test_without_a_series_the_frame_of_reference_decides(tmp_path, names, bring_in, refused):
    image, text = scan(), "structures: {stem: [Brainstem]}"
    ball = {"Brainstem": sphere(image, (15, 18, 9), 9)}
    _, frame = patient(tmp_path / "data" / "p1", image, ball, series=None)
    assert list(rows(bring_in("dicom-rt", tmp_path / "data", structures=names(text)))) == ["p1"]
    dicoms.write_ct(image, tmp_path / "data" / "p1" / "second", frame=frame)
    (tmp_path / "imported").rename(tmp_path / "before")
    assert "2 in the contours' frame of reference" in refused("dicom-rt", tmp_path / "data", structures=names(text))


def test_contours_of_another_scan_are_refused(tmp_path, names, refused):
    image = scan()
    patient(tmp_path / "data" / "p1", image, {"Brainstem": sphere(image, (15, 18, 9), 9)}, series="1.2.3")
    told = refused("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert "The CT that the contours were drawn on is not there." in told
    assert "series 1.2.3" in told


def test_bad_contours_of_all_structures_are_told_at_once(tmp_path, names, refused):
    image = scan()
    across = np.array(
        [image.TransformContinuousIndexToPhysicalPoint((15.0, y, z)) for y, z in ((9, 5), (20, 5), (15, 12))]
    )
    beyond = circle(image, (400, 400), 5, 9)
    text = "structures: {across: [A], beyond: [B], none: [C]}"
    patient(tmp_path / "data" / "p1", image, {"A": [across], "B": [beyond], "C": []})
    told = refused("dicom-rt", tmp_path / "data", structures=names(text))
    assert "3 faults" in told
    for what in ("does not lie on a slice of its CT", "hold no voxel of the scan", "has no closed contour"):
        assert what in told


def test_points_and_open_lines_are_no_volume(tmp_path, names, refused):
    image = scan()
    ball = {"Brainstem": sphere(image, (15, 18, 9), 9)}
    patient(tmp_path / "data" / "p1", image, ball, kind="OPEN_PLANAR")
    told = refused("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert "has no closed contour" in told


def test_a_structure_of_the_same_name_twice_is_refused(tmp_path, names, refused):
    image = scan()
    ball = sphere(image, (15, 18, 9), 9)
    patient(tmp_path / "data" / "p1", image, {"Brainstem": ball, "Brainstem#2": ball})
    told = refused("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert "'stem' is there 2 times" in told


def test_a_missing_slice_is_refused_and_nothing_stays(one, names, refused):
    slices = sorted((one / "Anna 01" / "CT").iterdir(), key=lambda path: pydicom.dcmread(path).InstanceNumber)
    slices[7].unlink()
    told = refused("dicom-rt", one, structures=names())
    assert "not evenly spaced" in told
    assert "case: Anna_01" in told


def test_a_structure_cut_by_the_end_of_the_scan_is_told(tmp_path, names, bring_in):
    image = scan()
    contours = [circle(image, (20, 18), 9, float(z)) for z in range(-3, 5)]
    patient(tmp_path / "data" / "p1", image, {"Brainstem": contours})
    done = bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert done.notes == ["p1: 'Brainstem': 3 planes with contours lie outside the scan."]
    assert voxels(rows(done)["p1"].label).any(axis=(1, 2)).nonzero()[0].tolist() == [0, 1, 2, 3, 4]


def test_rounded_places_are_on_their_slice(tmp_path, names, bring_in):
    """Slices of 0.6 mm, contours written with one digit: off by up to a twelfth of a slice."""
    image = scan(spacing=(1.5, 1.5, 0.6))
    contours = [circle(image, (20, 18), 9, float(z)) for z in range(4, 12)]
    for points in contours:
        points[:, 2] = points[:, 2].round(1) + 0.05
    patient(tmp_path / "data" / "p1", image, {"Brainstem": contours})
    done = bring_in("dicom-rt", tmp_path / "data", structures=names("structures: {stem: [Brainstem]}"))
    assert done.notes == []
    assert voxels(rows(done)["p1"].label).any(axis=(1, 2)).nonzero()[0].tolist() == list(range(4, 12))


def cut_off(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def odd_points(file):
    data = pydicom.dcmread(file)
    data.ROIContourSequence[0].ContourSequence[0].ContourData = ["1.0", "2.0", "3.0", "4.0"]
    data.save_as(file)


def no_points(file):
    data = pydicom.dcmread(file)
    del data.ROIContourSequence[0].ContourSequence[0].ContourData
    data.save_as(file)


@pytest.mark.parametrize("damage", [cut_off, odd_points, no_points])
def test_a_damaged_rtstruct_is_told(one, names, refused, damage):
    damage(one / "Anna 01" / "RS.dcm")
    told = refused("dicom-rt", one, structures=names())
    assert "The DICOM file is damaged." in told
    assert "RS.dcm" in told
