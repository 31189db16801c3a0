"""Masks from a file and from the labels: placed by physical points, whatever the file's grid."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.masks.supplied import file_mask, union_mask


def grid(shape, spacing, origin, direction=None) -> sitk.Image:
    image = sitk.GetImageFromArray(np.zeros(shape, np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    return image


@pytest.fixture
def prepared(tmp_path):
    """10 voxels of 2 mm a side, from 0 to 18 mm."""
    path = tmp_path / "ct.nii.gz"
    write_image(grid((10, 10, 10), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)), path)
    return path


def run_file(tmp_path, prepared, mask, **options) -> tuple[np.ndarray, dict]:
    write_image(mask, tmp_path / "given.nrrd")
    file_mask(
        mask_path=tmp_path / "given.nrrd",
        prepared_ct_path=prepared,
        out_mask=tmp_path / "out.nii.gz",
        out_json=tmp_path / "out.json",
        size_voxels=4,
        case="c",
        **{"registered": False} | options,
    )
    return array_of(read_image(tmp_path / "out.nii.gz")), json.loads(
        (tmp_path / "out.json").read_text(encoding="utf-8")
    )


def flipped_mask(value: int = 255) -> sitk.Image:
    """1 mm voxels on a grid that runs from +x to -x; nonzero from 3.6 to 8.4 mm in x, 0 to 19 in y and z."""
    empty = grid((20, 20, 20), (1.0, 1.0, 1.0), (19.0, 0.0, 0.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    array = np.zeros((20, 20, 20), np.int16)
    array[:, :, 19 - 8 : 19 - 3] = value  # x = 4 .. 8 mm
    return image_like(array, empty)


def test_only_the_named_values_of_a_mask_file_are_inside(tmp_path, prepared):
    image = flipped_mask(4)
    array = array_of(image).copy()
    array[:, :, 19 - 8] = 2  # x = 8 mm
    inside, _ = run_file(tmp_path, prepared, image_like(array, image), values=[4])
    assert sorted(set(np.nonzero(inside)[2])) == [2, 3]  # 4 and 6 mm


@pytest.mark.parametrize("value", [1, 255, -7])
def test_file_mask_is_placed_by_its_points(tmp_path, prepared, value):
    array, record = run_file(tmp_path, prepared, flipped_mask(value))
    expected = np.zeros((10, 10, 10), np.uint8)
    expected[:, :, 2:5] = 1  # 4, 6 and 8 mm
    assert (array == expected).all()
    assert record["recipe"] == "file"
    assert record["status"] == "ok"
    assert record["offset_zyx"] == [3, 3, 2]  # 4.5 - 1.5 = 3; 3 - 1.5 = 1.5, up


def test_file_mask_of_a_registered_arm_goes_through_the_transform(tmp_path, prepared):
    """Prepared points are moved by +2 mm in x to raw points, so the mask appears one voxel earlier."""
    move = sitk.AffineTransform(3)
    move.SetTranslation((2.0, 0.0, 0.0))
    sitk.WriteTransform(move, str(tmp_path / "t.mat"))
    array, record = run_file(tmp_path, prepared, flipped_mask(), registered=True, transform_path=tmp_path / "t.mat")
    expected = np.zeros((10, 10, 10), np.uint8)
    expected[:, :, 1:4] = 1
    assert (array == expected).all()
    assert record["offset_zyx"] == [0, 0, 0]


def test_file_mask_with_nothing_on_the_scan(tmp_path, prepared):
    away = flipped_mask()
    away.SetOrigin((500.0, 0.0, 0.0))
    array, record = run_file(tmp_path, prepared, away)
    assert not array.any()
    assert (record["status"], record["offset_zyx"]) == ("empty", [3, 3, 3])


def test_union_of_all_structures(tmp_path):
    label = np.zeros((6, 6, 6), np.uint8)
    label[1, 2, 3], label[1, 2, 5] = 1, 7
    like = grid((6, 6, 6), (1.5, 1.5, 1.5), (0.0, 0.0, 0.0))
    write_image(image_like(label, like), tmp_path / "label.nii.gz")
    union_mask(
        prepared_label_path=tmp_path / "label.nii.gz",
        out_mask=tmp_path / "out.nii.gz",
        out_json=tmp_path / "out.json",
        size_voxels=3,
        case="c",
    )
    assert (array_of(read_image(tmp_path / "out.nii.gz")) == (label > 0)).all()
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (record["recipe"], record["offset_zyx"]) == ("union", [0, 1, 3])
