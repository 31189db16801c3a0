"""Volume, centroid and box of boxes that are known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.apply.measure import measure


@pytest.fixture
def label():
    """Label 1: 2 x 3 x 4 voxels (z, y, x) of 5 x 2 x 1 mm from voxel (1, 2, 3); label 3: one voxel; no label 2."""
    array = np.zeros((6, 8, 10), np.uint8)
    array[1:3, 2:5, 3:7] = 1
    array[5, 7, 9] = 3
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 2.0, 5.0))
    image.SetOrigin((100.0, -50.0, 10.0))
    return image


def test_a_box_by_hand(label):
    found = measure(label, ["box", "nothing", "voxel"])
    assert found["box"] == {
        "label": 1,
        "volume_ml": pytest.approx(24 * 10 / 1000),
        "centroid_lps_mm": [100 + 4.5, -50 + 2 * 3, 10 + 5 * 1.5],
        "bounding_box_voxels": {"first": [3, 2, 1], "last": [6, 4, 2]},
    }
    assert found["voxel"]["bounding_box_voxels"] == {"first": [9, 7, 5], "last": [9, 7, 5]}


def test_an_empty_structure_has_no_place(label):
    found = measure(label, ["box", "nothing", "voxel"])["nothing"]
    assert found == {"label": 2, "volume_ml": 0.0, "centroid_lps_mm": None, "bounding_box_voxels": None}


def test_the_centroid_follows_a_turned_scan(label):
    label.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    assert measure(label, ["box"])["box"]["centroid_lps_mm"] == [100 - 6, -50 + 4.5, 17.5]
