from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.imaging.geometry import box_image, resample
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.masks.threshold import make_threshold_mask, threshold_mask
from heads import dice, make_scan


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


@pytest.mark.parametrize("half_mm, kept", [(20, range(3, 9)), (22, range(2, 10))])
def test_half_of_a_voxel_decides(half_mm, kept):
    """Tissue from -half to +half mm. Voxel 9 of 6 mm reaches from 18 to 24 mm: a third of it, or two thirds."""
    grid = box_image((0, 0, 0), spacing_mm=6.0, size_voxels=12)
    hu = np.full((96, 96, 96), -1000, np.int16)
    inside = slice(48 - half_mm, 48 + half_mm)
    hu[:, inside, inside] = 50
    raw = sitk.GetImageFromArray(hu)
    raw.SetOrigin([-47.5] * 3)
    mask = threshold_mask(raw, grid, None)
    assert np.flatnonzero(mask[6, 6]).tolist() == list(kept)
    assert np.flatnonzero(mask[6, :, 6]).tolist() == list(kept)


def test_unfilled_leaves_the_holes_and_keeps_the_outline():
    """Tissue of 60 mm a side around a cavity of 20 mm: 10 voxels of 6 mm a side, about 3 of them hollow."""
    grid = box_image((0, 0, 0), spacing_mm=6.0, size_voxels=12)
    hu = np.full((96, 96, 96), -1000, np.int16)
    hu[18:78, 18:78, 18:78] = 50
    hu[39:57, 39:57, 39:57] = -1000
    raw = sitk.GetImageFromArray(hu)
    raw.SetOrigin([-47.5] * 3)
    filled, unfilled = (threshold_mask(raw, grid, None, filled=choice) for choice in (True, False))
    assert filled[6, 6, 6] and not unfilled[6, 6, 6]
    lost = np.argwhere(filled & ~unfilled)
    assert not (unfilled & ~filled).any()
    assert lost.min() >= 4 and lost.max() <= 7


def test_stage_writes_mask_and_record(tilted, tmp_path):
    ct, _, to_scan = tilted
    write_image(ct, tmp_path / "raw.nii.gz")
    write_image(box_image((0, 0, -15), spacing_mm=6.0, size_voxels=32), tmp_path / "ct.nii.gz")
    sitk.WriteTransform(to_scan, str(tmp_path / "to_template.mat"))
    names = ("raw.nii.gz", "to_template.mat", "ct.nii.gz", "mask.nii.gz", "mask.json")
    make_threshold_mask(*(tmp_path / name for name in names), case="head_01")
    mask, record = (
        read_image(tmp_path / "mask.nii.gz"),
        json.loads((tmp_path / "mask.json").read_text(encoding="utf-8")),
    )
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(array_of(mask))) == {0, 1}
    assert record["case"] == "head_01"
    assert record["recipe"] == "threshold"
    assert record["status"] == "ok"
    assert record["offset_zyx"] == [0, 0, 0]
    assert record["size_zyx"] == [32, 32, 32]
    assert record["volume_ml"] == pytest.approx(array_of(mask).sum() * 0.216)


def test_empty_scan_gives_an_empty_mask_with_its_status(tmp_path):
    air = box_image((0, 0, 0), spacing_mm=4.0, size_voxels=32)
    write_image(sitk.Cast(air, sitk.sitkInt16) - 1000, tmp_path / "raw.nii.gz")
    names = ("mask.nii.gz", "mask.json")
    raw = tmp_path / "raw.nii.gz"
    make_threshold_mask(raw, None, raw, *(tmp_path / name for name in names), case="air")
    assert json.loads((tmp_path / "mask.json").read_text(encoding="utf-8"))["status"] == "empty"
    assert not array_of(read_image(tmp_path / "mask.nii.gz")).any()
