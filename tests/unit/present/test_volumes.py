"""2D views: orientation, the slice that is shown, the window around the structures."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.present import volumes


def test_spacing_follows_the_array_order(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8))
    image.SetSpacing((0.5, 1.0, 3.0))  # x, y, z
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    volume = volumes.load_volume(tmp_path / "ct.nii.gz")
    assert volume is not None
    assert volume.array.shape == (2, 3, 4)
    assert volume.spacing_mm == (3.0, 1.0, 0.5)
    assert volumes.load_volume(tmp_path / "none.nii.gz") is None


def test_the_head_is_up_and_extents_are_in_mm() -> None:
    array = np.zeros((2, 3, 4))
    array[1, 0, 0] = 1.0  # top, front, patient's right
    volume = volumes.Volume(array, (3.0, 1.0, 0.5))
    axial, extent = volumes.plane_of(volume, "axial", 1)
    assert axial[0, 0] == 1.0
    assert extent == (0.0, 2.0, 3.0, 0.0)
    coronal, extent = volumes.plane_of(volume, "coronal", 0)
    assert coronal[0, 0] == 1.0
    assert extent == (0.0, 2.0, 6.0, 0.0)
    sagittal, extent = volumes.plane_of(volume, "sagittal", 0)
    assert sagittal[0, 0] == 1.0
    assert extent == (0.0, 3.0, 6.0, 0.0)


def test_the_fullest_slice_shows_most_of_all_structures() -> None:
    label = np.zeros((4, 4, 4), np.uint8)
    label[1, :, :] = 1  # a large structure, largest in slice 1
    label[2, :2, :] = 1  # half of it in slice 2 ...
    label[2, 2, 0] = 2  # ... and all of the small one: 1.5 > 1
    assert volumes.fullest_slice(label, 2) == 2
    assert volumes.fullest_slice(label, 1) == 1
    assert volumes.fullest_slice(np.zeros((5, 2, 2)), 2) == 2


def test_the_window_is_a_square_inside_the_picture() -> None:
    image = np.zeros((10, 20))
    image[8:10, 0:2] = 1  # lower left corner; pixels of 10 mm
    limits = volumes.window_limits([image], (0.0, 200.0, 100.0, 0.0), margin_mm=10.0, least_mm=30.0)
    assert limits == (0.0, 40.0, 100.0, 60.0)
    whole = volumes.window_limits([image], (0.0, 200.0, 100.0, 0.0), margin_mm=10.0, least_mm=150.0)
    assert whole == (0.0, 150.0, 125.0, -25.0)
    nothing = volumes.window_limits([np.zeros((2, 2))], (0.0, 5.0, 5.0, 0.0), margin_mm=1.0, least_mm=1.0)
    assert nothing == (0.0, 5.0, 5.0, 0.0)


def test_an_outline_lies_around_its_voxels_in_mm() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 3] = True  # touches the right border of the picture
    figure, axes = plt.subplots()
    volumes.outline(axes, mask, (0.0, 8.0, 4.0, 0.0), "red")
    points = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
    plt.close(figure)
    assert points[:, 0].min() == pytest.approx(6.0)
    assert points[:, 0].max() == pytest.approx(8.0)
    assert (points[:, 1].min(), points[:, 1].max()) == (pytest.approx(1.0), pytest.approx(3.0))
