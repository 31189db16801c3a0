from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.config import Grid
from globalmask.errors import UserError
from globalmask.imaging.geometry import box_image, centre_of
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.prepare.grid import box_of, prepare_ct, prepare_label, renumber, return_to_native
from heads import make_scan, random_direction


def ramp(direction, spacing, size=(20, 18, 16), slope=(2.0, -3.0, 5.0)):
    """A scan whose HU grows linearly over physical space: HU(point) = slope . (point - middle)."""
    image = sitk.Image(list(size), sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    image.SetOrigin((40.0, -30.0, 10.0))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij"), axis=-1)[..., ::-1]
    points = (index * spacing) @ np.array(direction).reshape(3, 3).T + image.GetOrigin()
    return image_like(np.rint((points - centre_of(image)) @ slope).astype(np.int16), image)


@pytest.mark.parametrize("seed", range(3))
def test_whole_scan_keeps_hu_at_physical_points(tmp_path, seed):
    scan = ramp(random_direction(np.random.default_rng(seed)), (1.0, 1.2, 2.5))
    write_image(scan, tmp_path / "raw.nii.gz")
    prepare_ct(tmp_path / "raw.nii.gz", tmp_path / "ct.nii.gz", grid=Grid(spacing_mm=1.5, size_voxels=32))
    ct = read_image(tmp_path / "ct.nii.gz")
    assert ct.GetPixelID() == sitk.sitkInt16
    assert ct.GetSpacing() == pytest.approx((1.5,) * 3)
    assert ct.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1), abs=1e-6)
    found = 0
    for index in np.ndindex(*ct.GetSize()):
        point = np.array(ct.TransformIndexToPhysicalPoint(index))
        inside = np.array(scan.TransformPhysicalPointToContinuousIndex(point.tolist()))
        if (inside > 0.1).all() and (inside < np.array(scan.GetSize()) - 1.1).all():
            expected = (point - centre_of(scan)) @ [2.0, -3.0, 5.0]
            assert abs(ct[index] - expected) <= 1.1
            found += 1
        elif (inside < -0.6).any() or (inside > np.array(scan.GetSize()) - 0.4).any():
            assert ct[index] == -1024
    assert found > 1000


def test_heads_land_in_the_template_box(tmp_path):
    """A tilted and moved head, brought by its transform, equals the head drawn straight."""
    ct, _, to_scan = make_scan(tilt_deg=(9, -5, 7), move_mm=(15, -8, 12), noise_hu=0, extent_xyz=(280, 300, 300))
    straight, _, _ = make_scan(noise_hu=0, extent_xyz=(280, 300, 300))
    box = {"centre_lps_mm": [0.0, -5.0, -20.0], "spacing_mm": 3.0, "size_voxels": 48}
    (tmp_path / "box.json").write_text(json.dumps(box))
    for name, image, move in (("moved", ct, to_scan), ("straight", straight, sitk.Euler3DTransform())):
        folder = tmp_path / name
        write_image(image, folder / "raw.nii.gz")
        sitk.WriteTransform(move, str(folder / "to_template.mat"))
        (folder / "registration.json").write_text(json.dumps({"status": "ok"}))
        prepare_ct(
            folder / "raw.nii.gz",
            folder / "ct.nii.gz",
            grid=Grid(spacing_mm=3.0, size_voxels=48),
            template_box=tmp_path / "box.json",
            transform_path=folder / "to_template.mat",
        )
    moved, straight = (read_image(tmp_path / name / "ct.nii.gz") for name in ("moved", "straight"))
    assert moved.GetSize() == (48, 48, 48)
    assert centre_of(moved) == pytest.approx((0.0, -5.0, -20.0))
    assert moved.GetOrigin() == box_of(tmp_path / "box.json").GetOrigin()
    difference = np.abs(array_of(moved).astype(float) - array_of(straight))
    assert np.median(difference) < 5
    assert (difference > 300).mean() < 0.06


def test_failed_registration_is_never_used(tmp_path):
    write_image(ramp((1, 0, 0, 0, 1, 0, 0, 0, 1), (2.0, 2.0, 2.0)), tmp_path / "raw.nii.gz")
    (tmp_path / "box.json").write_text('{"centre_lps_mm": [0, 0, 0], "spacing_mm": 3.0, "size_voxels": 16}')
    sitk.WriteTransform(sitk.Euler3DTransform(), str(tmp_path / "to_template.mat"))
    record = {"case": "pt_7", "status": "failed", "overlap": 0.41, "similarity": 0.1}
    record |= {"least_overlap": 0.75, "least_similarity": 0.5}
    (tmp_path / "registration.json").write_text(json.dumps(record))
    with pytest.raises(UserError) as caught:
        prepare_ct(
            tmp_path / "raw.nii.gz",
            tmp_path / "ct.nii.gz",
            grid=Grid(spacing_mm=3.0, size_voxels=32),
            template_box=tmp_path / "box.json",
            transform_path=tmp_path / "to_template.mat",
        )
    text = str(caught.value)
    assert all(word in text for word in ("pt_7", "0.410", "0.75", "registration.png", "out of the case table"))
    assert not (tmp_path / "ct.nii.gz").exists()


def test_coarse_grid_averages_noise_away(tmp_path):
    noise = np.random.default_rng(0).normal(0, 100, (60, 60, 60)).astype(np.int16)
    write_image(sitk.GetImageFromArray(noise), tmp_path / "raw.nii.gz")
    spread = {}
    for spacing_mm in (1.5, 4.0):
        prepare_ct(tmp_path / "raw.nii.gz", tmp_path / "ct.nii.gz", grid=Grid(spacing_mm=spacing_mm, size_voxels=32))
        spread[spacing_mm] = array_of(read_image(tmp_path / "ct.nii.gz"))[2:-2, 2:-2, 2:-2].std()
    assert 25 < spread[1.5] < 70  # linear interpolation alone
    assert spread[4.0] < 12


def test_renumber_by_hand():
    label = np.array([[[0, 500, 600, 421, 850]]], np.uint16)
    assert renumber(label, {850: 1, 500: 2}).tolist() == [[[0, 2, 0, 0, 1]]]
    assert renumber(label, {850: 1}).dtype == np.uint8


def test_label_follows_the_prepared_ct(tmp_path):
    label = sitk.Image([30, 30, 12], sitk.sitkUInt16)
    label.SetSpacing((1.0, 1.0, 2.5))
    label.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    block = np.zeros((12, 30, 30), np.uint16)
    block[4:8, 10:20, 5:25] = 420
    raw = image_like(block, label)
    write_image(raw, tmp_path / "label.nii.gz")
    middle = raw.TransformContinuousIndexToPhysicalPoint((14.5, 14.5, 5.5))
    write_image(box_image(middle, spacing_mm=1.0, size_voxels=32), tmp_path / "ct.nii.gz")
    prepare_label(tmp_path / "label.nii.gz", tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", values={420: 3})
    out = read_image(tmp_path / "out.nii.gz")
    assert out.GetPixelID() == sitk.sitkUInt8
    # 20 mm along the first axis is along y in space, 10 mm along x; 4 slices of 2.5 mm are 10 mm.
    found = np.argwhere(array_of(out) == 3)
    assert (np.ptp(found, axis=0) + 1).tolist() == [10, 20, 10]
    assert found.mean(axis=0).tolist() == [15.5, 15.5, 15.5]


@pytest.mark.parametrize("seed", range(2))
def test_predictions_return_to_the_tilted_scan(tmp_path, seed):
    """A prediction in template space comes back on the scan's own grid at the same physical place."""
    rng = np.random.default_rng(seed)
    scan = sitk.Image([60, 50, 24], sitk.sitkInt16)
    scan.SetSpacing((1.5, 1.5, 3.0))
    scan.SetDirection(random_direction(rng))
    scan.SetOrigin(rng.uniform(-100, 100, 3).tolist())
    target = np.array(centre_of(scan)) + rng.uniform(-8, 8, 3)
    to_scan = sitk.Euler3DTransform(centre_of(scan), *rng.uniform(-0.2, 0.2, 3).tolist(), (9.0, -7.0, 4.0))
    there = np.array(to_scan.GetInverse().TransformPoint(target.tolist()))
    grid = box_image(to_scan.GetInverse().TransformPoint(centre_of(scan)), spacing_mm=2.0, size_voxels=48)
    index = np.stack(np.meshgrid(*[np.arange(48)] * 3, indexing="ij"), axis=-1)[..., ::-1]
    inside = np.linalg.norm(index * 2.0 + grid.GetOrigin() - there, axis=-1) < 12
    native = return_to_native(np.stack([~inside, inside]).astype(np.float32), grid, scan, to_scan)
    assert native.GetSize() == scan.GetSize()
    assert native.GetOrigin() == scan.GetOrigin()
    found = np.argwhere(array_of(native) == 1)
    middle = scan.TransformContinuousIndexToPhysicalPoint(found.mean(axis=0)[::-1].tolist())
    assert middle == pytest.approx(target, abs=0.6)
    assert len(found) * 1.5 * 1.5 * 3.0 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.06)
