"""What the network sees of a case: channels by scenario, the box by its offset, air beyond the scan."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.config import Scenario
from globalmask.errors import UserError
from globalmask.imaging.images import write_image
from globalmask.learn.inputs import CHANNELS, KEPT, channels_of, coordinates, load_case

CLIP = (-200.0, 200.0)


def image(array: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((1.5, 1.5, 1.5))
    return made


@pytest.fixture()
def folders(tmp_path):
    """A scan of 20 x 18 x 16 voxels with one bright voxel, one mask voxel and one label voxel."""
    ct = np.zeros((20, 18, 16), np.int16)
    mask, label = np.zeros(ct.shape, np.uint8), np.zeros(ct.shape, np.uint8)
    ct[5, 6, 7], mask[5, 6, 8], label[5, 6, 9] = 100, 1, 2

    def write(offset, *, mask=mask):
        write_image(image(ct), tmp_path / "prepared" / "a" / "ct.nii.gz")
        write_image(image(label), tmp_path / "prepared" / "a" / "label.nii.gz")
        write_image(image(mask), tmp_path / "masks" / "a.nii.gz")
        (tmp_path / "masks" / "a.json").write_text(json.dumps({"offset_zyx": offset}))
        return tmp_path / "prepared", tmp_path / "masks"

    return write


def read(folders, **options):
    values = {"clip_hu": CLIP, "size_voxels": 16, "with_label": True, **options}
    return load_case(*folders, "a", **values)


@pytest.mark.parametrize("scenario", ["ct", "mask", "ct_mask", "ct_coords", "ct_cut", "ct_wrongmask"])
def test_channels_of_each_scenario(scenario):
    ct01, mask = np.full((2, 3, 4), 0.5, np.float32), np.ones((2, 3, 4), np.uint8)
    found = channels_of(scenario, ct01, mask)
    ct, whole = 0.5, 1.0
    expected = {
        "ct": [ct],
        "mask": [whole],
        "ct_mask": [ct, whole],
        "ct_coords": [ct, whole, whole, whole],
        "ct_cut": [ct],
        "ct_wrongmask": [ct, whole],
    }[scenario]
    assert found.shape == (len(expected), 2, 3, 4) and found.dtype == np.float32
    assert [channel.max() for channel in found] == expected
    assert set(KEPT[scenario]) == {place for place, value in enumerate(expected) if value == whole}


def test_every_scenario_of_the_config_has_channels():
    assert CHANNELS.keys() == KEPT.keys() == set(get_args(Scenario))


def test_coordinates_run_from_the_first_voxel_to_the_last_of_each_axis():
    z, y, x = coordinates((2, 3, 5))
    assert z[:, 0, 0].tolist() == [-1, 1] and (z == z[:, :1, :1]).all()
    assert y[0, :, 0].tolist() == [-1, 0, 1] and (y == y[:1, :, :1]).all()
    assert x[0, 0].tolist() == [-1, -0.5, 0, 0.5, 1] and (x == x[:1, :1]).all()


def test_the_cut_ct_is_air_outside_the_mask_and_untouched_inside():
    ct01 = np.array([[[0.2, 0.4, 0.6]]], np.float32)
    mask = np.array([[[1, 0, 1]]], np.uint8)
    assert channels_of("ct_cut", ct01, mask)[0, 0, 0].tolist() == pytest.approx([0.2, 0, 0.6])


def test_another_case_s_mask_comes_as_it_lies_in_that_case_s_box(folders):
    paths = folders([2, 1, 0])
    other = np.zeros((24, 24, 24), np.uint8)
    other[10, 11, 12] = 1
    write_image(image(other), paths[1] / "b.nii.gz")
    (paths[1] / "b.json").write_text(json.dumps({"offset_zyx": [5, 5, 5]}), encoding="utf-8")
    own, wrong = read(paths), read(paths, mask_case="b")
    assert np.argwhere(wrong.mask).tolist() == [[5, 6, 7]]
    assert wrong.offset_zyx == own.offset_zyx
    assert (wrong.ct01 == own.ct01).all() and (wrong.label == own.label).all()


def test_box_inside_the_scan(folders):
    case = read(folders([2, 1, 0]))
    assert case.ct01.shape == (16, 16, 16)
    assert case.ct01[3, 5, 7] == pytest.approx(0.75)
    assert np.argwhere(case.mask).tolist() == [[3, 5, 8]]
    assert np.argwhere(case.label).tolist() == [[3, 5, 9]] and case.label.max() == 2
    assert (case.offset_zyx, case.shape_zyx) == ((2, 1, 0), (20, 18, 16))


def test_beyond_the_scan_is_air(folders):
    case = read(folders([-3, 0, 4]))
    assert case.ct01[:3].max() == 0 and case.ct01[:, :, 12:].max() == 0
    assert case.ct01[3, 0, 0] == pytest.approx(0.5)
    assert np.argwhere(case.mask).tolist() == [[8, 6, 4]]


def test_label_is_not_read_unasked(folders):
    paths = folders([0, 0, 0])
    (paths[0] / "a" / "label.nii.gz").unlink()
    assert read(paths, with_label=False).label is None


def test_hu_window(folders):
    case = read(folders([0, 0, 0]), clip_hu=(0.0, 50.0))
    assert (case.ct01.min(), case.ct01.max(), case.ct01.dtype) == (0.0, 1.0, np.float32)


def test_mask_on_another_grid_is_named(folders):
    with pytest.raises(UserError, match="grid of its prepared CT") as caught:
        read(folders([0, 0, 0], mask=np.zeros((20, 18, 17), np.uint8)))
    assert "(20, 18, 17)" in str(caught.value)


def test_missing_record_is_named(folders):
    paths = folders([0, 0, 0])
    (paths[1] / "a.json").unlink()
    with pytest.raises(UserError, match="record is missing"):
        read(paths)
