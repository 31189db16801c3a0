"""The largest component, the box around a mask, and its record, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image
from globalmask.masks.record import box_offset, largest_component, read_box, write_mask


def filled(shape, *slices) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for part in slices:
        mask[part] = True
    return mask


def test_largest_component_keeps_one_and_ignores_diagonals():
    mask = filled((1, 4, 6), np.s_[0, 0, 0:3], np.s_[0, 1, 3:6], np.s_[0, 2, 3])
    assert largest_component(mask)[0].astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_largest_component_of_nothing_and_of_equals():
    assert not largest_component(np.zeros((2, 2, 2), bool)).any()
    assert largest_component(np.array([[[1, 0, 1]]], bool)).tolist() == [[[True, False, False]]]


@pytest.mark.parametrize(
    ("part", "size", "expected"),
    [
        (np.s_[4, 5, 6], 4, (3, 4, 5)),  # centre 4 lies between voxels 1 and 2 of 4: 4 - 1.5 = 2.5, up
        (np.s_[4:6, 5:7, 6:8], 4, (3, 4, 5)),  # centre 4.5 - 1.5 = 3
        (np.s_[4, 5, 6], 3, (3, 4, 5)),
        (np.s_[0, 0, 0], 8, (-3, -3, -3)),  # before the image
        (np.s_[19, 19, 19], 8, (16, 16, 16)),  # beyond it
        (np.s_[:, :, :], 32, (-6, -6, -6)),  # scan smaller than the box
    ],
)
def test_box_is_centred_on_the_mask(part, size, expected):
    assert box_offset(filled((20, 20, 20), part), size) == expected


def test_box_of_an_empty_mask_is_the_middle_of_the_image():
    assert box_offset(np.zeros((10, 20, 31), bool), 16) == (-3, 2, 8)


@given(
    centre=st.tuples(*[st.integers(0, 11)] * 3),
    size=st.integers(1, 24),
)
def test_box_centre_is_within_half_a_voxel_of_the_mask(centre, size):
    mask = filled((12, 12, 12), centre)
    for first, middle in zip(box_offset(mask, size), centre, strict=True):
        assert isinstance(first, int)
        assert abs(first + (size - 1) / 2 - middle) <= 0.5


def prepared_image(shape) -> sitk.Image:
    image = sitk.GetImageFromArray(np.zeros(shape, np.int16))
    image.SetSpacing((1.5, 1.5, 1.5))
    image.SetOrigin((-10.0, 20.0, 30.0))
    return image


def write(tmp_path, mask, **options) -> dict:
    write_mask(
        mask,
        prepared_image(mask.shape),
        out_mask=tmp_path / "c.nii.gz",
        out_json=tmp_path / "c.json",
        case="c",
        recipe="file",
        size_voxels=4,
        **options,
    )
    return json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))


def test_record_of_a_mask(tmp_path):
    mask = filled((8, 8, 8), np.s_[4:6, 4:6, 0:2])
    assert write(tmp_path, mask, part="k1") == {
        "case": "c",
        "recipe": "file",
        "part": "k1",
        "status": "ok",
        "offset_zyx": [3, 3, -1],
        "size_zyx": [4, 4, 4],
        "volume_ml": 0.027,
    }
    stored = read_image(tmp_path / "c.nii.gz")
    assert stored.GetPixelID() == sitk.sitkUInt8
    assert stored.GetOrigin() == pytest.approx((-10.0, 20.0, 30.0))
    assert (array_of(stored) == mask).all()
    assert read_box(tmp_path / "c.json") == ((3, 3, -1), (4, 4, 4))


def test_record_of_an_empty_mask_and_of_a_fixed_box(tmp_path):
    empty = write(tmp_path, np.zeros((8, 8, 8), bool))
    assert (empty["status"], empty["offset_zyx"], empty["volume_ml"]) == ("empty", [2, 2, 2], 0)
    fixed = write(tmp_path, filled((8, 8, 8), np.s_[0, 0, 0]), fixed_box=True)
    assert (fixed["status"], fixed["offset_zyx"]) == ("ok", [0, 0, 0])


def test_damaged_record_is_named(tmp_path):
    (tmp_path / "c.json").write_text('{"offset_zyx": [1, 2]}')
    with pytest.raises(UserError, match="record of a mask"):
        read_box(tmp_path / "c.json")
