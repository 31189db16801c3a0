from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from heads import dice, make_scan

from globalmask.imaging.geometry import box_image, resample
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.masks.threshold import make_threshold_mask, threshold_mask


@pytest.fixture(scope="module")
def tilted():
    """A tilted, flipped, off-centre scan with couch, holder and shell."""
    return make_scan(
        spacing_xyz=(1.5, 1.5, 2.5),
        extent_xyz=(250, 300, 260),
        centre_lps=(12.0, -4.0, -20.0),
        direction=(-1, 0, 0, 0, 0, 1, 0, 1, 0),
        tilt_deg=(10.0, -6.0, 8.0),
        move_mm=(8.0, -5.0, 6.0),
        furniture=True,
    )


@pytest.mark.parametrize("spacing_mm", [3.0, 4.0])
def test_mask_in_template_space_is_the_head_alone(tilted, spacing_mm):
    ct, truth, to_scan = tilted
    box = box_image((0, 0, -15), spacing_mm=spacing_mm, size_voxels=round(192 / spacing_mm))
    mask = threshold_mask(ct, box, to_scan)
    share = resample(sitk.Cast(truth, sitk.sitkFloat32), box, transform=to_scan, outside=0)
    assert mask.shape == box.GetSize()[::-1]
    assert dice(mask, array_of(share) >= 0.5) > 0.97


def test_share_of_a_voxel_decides():
    """A block of tissue that fills half of a column of voxels and a third of the next."""
    grid = box_image((0, 0, 0), spacing_mm=4.0, size_voxels=16)
    raw = sitk.Image([96, 96, 96], sitk.sitkInt16) - 1000
    raw.SetOrigin([-47.5] * 3)
    # Voxel 8 of the grid reaches over x = 0..4 mm; tissue ends at 3 mm.
    block = sitk.GetArrayFromImage(raw)
    block[24:72, 24:72, 24:51] = 50
    image = sitk.GetImageFromArray(block)
    image.CopyInformation(raw)
    mask = threshold_mask(image, grid, None)
    assert mask[8, 8].tolist() == [2 <= x <= 8 for x in range(16)]


def test_stage_writes_mask_and_record(tilted, tmp_path):
    ct, _, to_scan = tilted
    write_image(ct, tmp_path / "raw.nii.gz")
    write_image(box_image((0, 0, -15), spacing_mm=6.0, size_voxels=32), tmp_path / "ct.nii.gz")
    sitk.WriteTransform(to_scan, str(tmp_path / "to_template.mat"))
    names = ("raw.nii.gz", "to_template.mat", "ct.nii.gz", "mask.nii.gz", "mask.json")
    make_threshold_mask(*(tmp_path / name for name in names), case="head_01")
    mask, record = read_image(tmp_path / "mask.nii.gz"), json.loads((tmp_path / "mask.json").read_text())
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(array_of(mask))) == {0, 1}
    assert record["case"] == "head_01"
    assert record["recipe"] == "threshold"
    assert record["status"] == "ok"
    assert record["offset_zyx"] == [0, 0, 0]
    assert record["size_zyx"] == [32, 32, 32]
    assert record["volume_ml"] == pytest.approx(array_of(mask).sum() * 0.216)


def test_empty_scan_gives_an_empty_mask_with_its_status(tmp_path):
    air = box_image((0, 0, 0), spacing_mm=4.0, size_voxels=16)
    write_image(sitk.Cast(air, sitk.sitkInt16) - 1000, tmp_path / "raw.nii.gz")
    names = ("mask.nii.gz", "mask.json")
    raw = tmp_path / "raw.nii.gz"
    make_threshold_mask(raw, None, raw, *(tmp_path / name for name in names), case="air")
    assert json.loads((tmp_path / "mask.json").read_text())["status"] == "empty"
    assert not array_of(read_image(tmp_path / "mask.nii.gz")).any()
