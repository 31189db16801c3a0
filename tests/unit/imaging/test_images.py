from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from dicom_series import dicom_folder
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, read_image, write_image


@pytest.fixture
def scan() -> sitk.Image:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(-1000, 1000, (5, 6, 7)).astype(np.int16))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10.0, 20.0, 5.0))
    image.SetDirection((-1, 0, 0, 0, 0, 1, 0, 1, 0))
    return image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_every_format_keeps_voxels_and_places(scan, tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    write_image(scan, path)
    again = read_image(path)
    assert np.array_equal(array_of(again), array_of(scan))
    assert again.GetPixelID() == sitk.sitkInt16
    for index in [(0, 0, 0), (6, 5, 4)]:
        expected = scan.TransformIndexToPhysicalPoint(index)
        assert again.TransformIndexToPhysicalPoint(index) == pytest.approx(expected, abs=1e-4)


def test_writing_twice_gives_the_same_bytes_and_leaves_nothing_else(scan, tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_image(scan, tmp_path / "out" / name)
    assert (tmp_path / "out" / "a.nii.gz").read_bytes() == (tmp_path / "out" / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_failed_write_keeps_the_old_file(scan, tmp_path):
    path = tmp_path / "scan.unknown"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_image(scan, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_truncated_file_is_refused(scan, tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    write_image(scan, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError) as caught:
        read_image(path, case="head_01")
    assert "head_01" in str(caught.value)
    assert str(path) in str(caught.value)


def test_truncated_nifti_tells_what_its_header_promises(scan, tmp_path):
    path = tmp_path / "scan.nii"
    write_image(scan, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated") as caught:
        read_image(path)
    # 352 bytes of header and 5 x 6 x 7 voxels of 2 bytes.
    assert caught.value.fields["expected"].startswith("772 bytes")
    assert caught.value.fields["found"] == "672 bytes"


def test_gzip_in_several_members_is_whole(tmp_path):
    """Then the last four bytes tell the length of the last member only; 5 MB, so read in more than one block."""
    plain, zipped = tmp_path / "scan.nii", tmp_path / "scan.nii.gz"
    write_image(sitk.Image([137, 137, 137], sitk.sitkInt16) + 7, plain)
    content = plain.read_bytes()
    zipped.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    assert (array_of(read_image(zipped)) == 7).all()


def test_missing_file_and_text_are_told(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / "nothing.nii.gz")
    (tmp_path / "notes.nii").write_text("not an image " * 60)
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path / "notes.nii")


@pytest.mark.parametrize(
    "array, vector",
    [(np.zeros((3, 4), np.int16), False), (np.zeros((2, 3, 4, 5), np.int16), False), (np.zeros((3, 4, 5, 3)), True)],
)
def test_only_one_plain_volume_is_taken(tmp_path, array, vector):
    path = tmp_path / "odd.mha"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    with pytest.raises(UserError, match="not one plain volume"):
        read_image(path)


def test_dicom_folder(tmp_path):
    image = read_image(dicom_folder(tmp_path / "series", heights=[10, 12, 14, 16]))
    assert image.GetSize() == (5, 4, 4)
    assert image.GetSpacing() == pytest.approx((1.5, 1.5, 2.0))
    assert array_of(image)[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert image.GetOrigin() == pytest.approx((0, 0, 10))


def test_dicom_with_a_missing_slice_is_refused(tmp_path):
    with pytest.raises(UserError, match="not evenly spaced") as caught:
        read_image(dicom_folder(tmp_path / "series", heights=[10, 12, 16, 18]), case="head_02")
    assert "mm from its place" in caught.value.fields["found"]


def test_dicom_with_a_tilted_gantry_is_refused(tmp_path):
    with pytest.raises(UserError, match="not evenly spaced"):
        read_image(dicom_folder(tmp_path / "series", heights=[10, 12, 14, 16], shift_mm=0.5))


def test_folder_with_two_series_or_none_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="exactly one DICOM series"):
        read_image(tmp_path / "empty")
    folder = dicom_folder(tmp_path / "two", heights=[0, 2, 4])
    dicom_folder(folder, heights=[0, 2, 4, 6], series="1.2.4")
    with pytest.raises(UserError, match="exactly one DICOM series") as caught:
        read_image(folder)
    assert caught.value.fields["found"] == "2 series of 3, 4 files"


def test_nothing_that_names_a_patient_is_written_again(scan, tmp_path):
    named = sitk.Image(scan)
    named.SetMetaData("ITK_FileNotes", "DOE^JANE")
    named.SetMetaData("aux_file", "DOE^JANE")
    for suffix in (".nii", ".nrrd", ".mha"):
        path = tmp_path / f"scan{suffix}"
        sitk.WriteImage(named, str(path))
        assert b"DOE^JANE" in path.read_bytes()
        write_image(read_image(path), path)
        assert b"DOE^JANE" not in path.read_bytes()
    assert named.GetMetaData("aux_file") == "DOE^JANE"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"space origin: (-10,20,5)", b"space origin: (-10,20,5", "damaged line"),
        (b"sizes: 7", b"sizes:\x007", "damaged line"),
        (b"\n\n", b"\n ", "no NRRD header"),
        (b"NRRD000", b"NRXD000", "no NRRD header"),
    ],
)
def test_a_damaged_nrrd_header_is_told_and_never_reaches_itk(scan, tmp_path, old, new, told):
    path = tmp_path / "scan.nrrd"
    sitk.WriteImage(scan, str(path))
    assert path.read_bytes().count(old) >= 1
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_image(path)
    assert told in caught.value.fields["found"]


def test_a_place_that_is_no_number_is_told(scan, tmp_path):
    path = tmp_path / "scan.nii"
    sitk.WriteImage(scan, str(path))
    raw = bytearray(path.read_bytes())
    for offset in (268, 292):  # qoffset_x and the last number of srow_x
        raw[offset : offset + 4] = np.array([np.nan], "<f4").tobytes()
    path.write_bytes(raw)
    with pytest.raises(UserError, match="no place in space"):
        read_image(path)


def test_image_like_keeps_the_grid_and_refuses_another_shape(scan):
    image = image_like(np.ones((5, 6, 7), bool), scan)
    assert image.GetPixelID() == sitk.sitkUInt8
    assert image.GetDirection() == scan.GetDirection()
    assert image.GetOrigin() == scan.GetOrigin()
    with pytest.raises(ValueError, match="does not fit"):
        image_like(np.ones((7, 6, 5)), scan)
