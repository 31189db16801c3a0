from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from any_grid import angles, filled, grids, points_of
from globalmask.imaging.geometry import (
    antialias,
    as_affine,
    box_image,
    centre_of,
    cut,
    inverse,
    paste,
    resample,
    resample_label_probabilities,
    scan_grid,
    sub_grid,
)

offsets = st.tuples(*[st.integers(-9, 9)] * 3)
sizes = st.tuples(*[st.integers(1, 6)] * 3)


def test_box_image_is_centred():
    box = box_image((10.0, -20.0, 30.0), spacing_mm=2.0, size_voxels=4)
    assert box.GetSize() == (4, 4, 4)
    # Voxel centres at -3, -1, 1, 3 mm about the middle.
    assert box.GetOrigin() == (7.0, -23.0, 27.0)
    assert centre_of(box) == (10.0, -20.0, 30.0)


def test_scan_grid_by_hand():
    scan = sitk.Image([4, 3, 2], sitk.sitkInt16)
    scan.SetSpacing((1.0, 2.0, 5.0))
    scan.SetOrigin((100.0, 0.0, 0.0))
    scan.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    # Covers x 96.5..100.5, y -1..5, z -2.5..7.5; at 3 mm 2 x 2 x 4 voxels about (98.5, 2, 2.5).
    grid = scan_grid(scan, spacing_mm=3.0)
    assert grid.GetSize() == (2, 2, 4)
    assert grid.GetOrigin() == pytest.approx((97.0, 0.5, -2.0))
    assert grid.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


@settings(max_examples=50, deadline=None)
@given(grids(), st.floats(0.7, 4.0))
def test_scan_grid_covers_the_scan_and_keeps_its_middle(scan, spacing_mm):
    grid = scan_grid(scan, spacing_mm=spacing_mm)
    assert centre_of(grid) == pytest.approx(centre_of(scan), abs=1e-4)
    places = points_of(scan).reshape(-1, 3)
    index = [grid.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in places]
    assert np.min(index) >= -0.5 - 1e-3
    assert (np.max(index, axis=0) <= np.array(grid.GetSize()) - 0.5 + 1e-3).all()


@settings(max_examples=200, deadline=None)
@given(offsets, sizes, sizes)
def test_cut_then_paste_keeps_what_the_box_holds(offset, size, shape):
    array = np.arange(1, np.prod(shape) + 1).reshape(shape)
    box = cut(array, offset_zyx=offset, size_zyx=size, fill=-7)
    assert box.shape == size
    again = paste(box, offset_zyx=offset, shape_zyx=shape)
    index = np.indices(shape)
    start, count = (np.array(each).reshape(3, 1, 1, 1) for each in (offset, size))
    inside = ((index >= start) & (index < start + count)).all(axis=0)
    assert np.array_equal(again, np.where(inside, array, 0))
    assert (box == -7).sum() == box.size - inside.sum()


def test_cut_by_hand_with_channels():
    array = np.arange(8).reshape(1, 2, 2, 2)
    box = cut(np.concatenate([array, array + 10]), offset_zyx=(-1, 1, 0), size_zyx=(2, 2, 1), fill=9)
    assert box[0].tolist() == [[[9], [9]], [[2], [9]]]
    assert box[1].tolist() == [[[9], [9]], [[12], [9]]]


@settings(max_examples=50, deadline=None)
@given(grids(), offsets, sizes)
def test_sub_grid_is_where_the_cut_voxels_are(scan, offset, size):
    part = sub_grid(scan, offset_zyx=offset, size_zyx=size)
    assert part.GetSize() == size[::-1]
    inner = scan.TransformContinuousIndexToPhysicalPoint([float(value) for value in offset[::-1]])
    assert part.GetOrigin() == pytest.approx(inner)
    last = [first + count - 1.0 for first, count in zip(offset, size, strict=True)]
    outer = scan.TransformContinuousIndexToPhysicalPoint(last[::-1])
    assert points_of(part)[-1, -1, -1] == pytest.approx(outer)


@settings(max_examples=30, deadline=None)
@given(grids(), grids(), angles, st.tuples(*[st.floats(-4, 4)] * 3))
def test_resampled_values_stay_at_their_physical_points(scan, target, turn, shift):
    """A linear ramp over space is exact under linear interpolation, wherever both grids lie."""
    target.SetOrigin((0, 0, 0))
    target.SetOrigin((np.array(centre_of(scan)) - centre_of(target)).tolist())
    move = sitk.Euler3DTransform(centre_of(target), *np.radians(turn).tolist(), shift)
    slope = np.array([0.3, -0.7, 1.1])
    ramp = filled(scan, (points_of(scan) - centre_of(scan)) @ slope)
    got = sitk.GetArrayFromImage(resample(ramp, target, transform=move, outside=1e6))
    moved = np.array([move.TransformPoint(point) for point in points_of(target).reshape(-1, 3).tolist()])
    index = np.array([scan.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in moved])
    inside = ((index > 0.01) & (index < np.array(scan.GetSize()) - 1.01)).all(axis=1)
    expected = (moved - centre_of(scan)) @ slope
    assert got.ravel()[inside] == pytest.approx(expected[inside], abs=1e-3)
    beyond = ((index < -0.51) | (index > np.array(scan.GetSize()) - 0.49)).any(axis=1)
    assert (got.ravel()[beyond] == 1e6).all()


@settings(max_examples=30, deadline=None)
@given(grids(), angles, st.tuples(*[st.floats(-20, 20)] * 3))
def test_labels_go_there_and_back_to_the_same_points(scan, turn, shift):
    """Probabilities on a finer box, brought back by the inverse, name the same voxels of the scan."""
    move = sitk.Euler3DTransform(centre_of(scan), *np.radians(turn).tolist(), shift)
    points = points_of(scan) - centre_of(scan)
    label = filled(scan, 1.0 + (points @ [0.5, 1.0, -0.7] > 0))
    middle = inverse(move).TransformPoint(centre_of(scan))
    box = box_image(middle, spacing_mm=1.0, size_voxels=84)
    there = sitk.GetArrayFromImage(resample(label, box, transform=move, interpolation="nearest", outside=0))
    shares = np.stack([there == number for number in range(3)]).astype(np.float32)
    back = sitk.GetArrayFromImage(resample_label_probabilities(shares, box, scan, inverse(move)))
    depth = np.abs(points @ [0.5, 1.0, -0.7]) / np.linalg.norm([0.5, 1.0, -0.7])
    inner = np.zeros(back.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    sure = inner & (depth > max(scan.GetSpacing()) + 1.0)
    assert np.array_equal(back[sure], sitk.GetArrayFromImage(label)[sure])


def test_most_probable_class_by_hand():
    grid = sitk.Image([2, 1, 1], sitk.sitkUInt8)
    probabilities = np.array([[0.5, 0.1], [0.3, 0.2], [0.2, 0.7]]).reshape(3, 1, 1, 2)
    onto = sitk.Image([7, 1, 1], sitk.sitkUInt8)
    onto.SetSpacing((0.5, 1.0, 1.0))
    onto.SetOrigin((-1.0, 0.0, 0.0))
    # At x = -1 outside; -0.5, 0 first voxel; 0.5: 0.3, 0.25, 0.45 -> class 2; 1 second voxel; 1.5, 2 outside or edge.
    label = sitk.GetArrayFromImage(resample_label_probabilities(probabilities, grid, onto))
    assert label[0, 0].tolist()[:5] == [0, 0, 0, 2, 2]
    assert label[0, 0, 6] == 0


def test_first_of_equally_probable_classes_wins():
    grid = sitk.Image([3, 1, 1], sitk.sitkUInt8)
    probabilities = np.array([[0.5, 0.2, 0.0], [0.5, 0.4, 0.5], [0.0, 0.4, 0.5]]).reshape(3, 1, 1, 3)
    label = resample_label_probabilities(probabilities, grid, grid)
    assert sitk.GetArrayFromImage(label)[0, 0].tolist() == [0, 1, 1]


def test_box_far_from_where_the_transform_brings_it():
    """200 mm between the box and the scan: only the transform brings them together."""
    grid = box_image((200, 0, 0), spacing_mm=1.0, size_voxels=8)
    onto = box_image((0, 0, 0), spacing_mm=1.0, size_voxels=40)
    label = sitk.GetArrayFromImage(
        resample_label_probabilities(
            np.stack([np.zeros((8, 8, 8)), np.ones((8, 8, 8))]),
            grid,
            onto,
            sitk.TranslationTransform(3, (200.0, 0.0, 0.0)),
        )
    )
    expected = np.zeros((40, 40, 40), bool)
    expected[16:24, 16:24, 16:24] = True
    assert np.array_equal(label == 1, expected)


def test_chained_transforms_by_hand():
    """The last step is applied first: 1 mm along x, then a quarter turn about z."""
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, np.pi / 2)
    affine = as_affine(turn, sitk.TranslationTransform(3, (1.0, 0.0, 0.0)))
    assert affine.TransformPoint((2.0, 0.0, 5.0)) == pytest.approx((0.0, 3.0, 5.0))
    assert inverse(affine).TransformPoint((0.0, 3.0, 5.0)) == pytest.approx((2.0, 0.0, 5.0))


@settings(max_examples=100, deadline=None)
@given(angles, st.tuples(*[st.floats(-500, 500)] * 3))
def test_inverse_of_any_rotation(turn, shift):
    move = sitk.Euler3DTransform((10.0, -20.0, 30.0), *np.radians(turn).tolist(), shift)
    there = move.TransformPoint((1.0, 2.0, 3.0))
    assert inverse(move).TransformPoint(there) == pytest.approx((1.0, 2.0, 3.0), abs=1e-6)


def test_classes_outside_the_box_are_background():
    grid = box_image((0, 0, 0), spacing_mm=1.0, size_voxels=2)
    onto = box_image((50, 0, 0), spacing_mm=1.0, size_voxels=4)
    label = resample_label_probabilities(np.ones((2, 2, 2, 2)), grid, onto)
    assert not sitk.GetArrayFromImage(label).any()
    with pytest.raises(ValueError, match="do not fit"):
        resample_label_probabilities(np.ones((2, 3, 2, 2)), grid, onto)


def test_nearest_keeps_the_type_and_linear_returns_float():
    label = sitk.Image([3, 3, 3], sitk.sitkUInt16) + 420
    assert resample(label, label, interpolation="nearest", outside=0).GetPixelID() == sitk.sitkUInt16
    assert resample(label, label, outside=0).GetPixelID() == sitk.sitkFloat32


def test_antialias_blurs_only_axes_that_are_sampled_too_coarsely():
    rng = np.random.default_rng(1)
    noise = sitk.GetImageFromArray(rng.normal(0, 100, (40, 40, 40)).astype(np.float32))
    noise.SetSpacing((1.0, 1.0, 2.5))
    assert antialias(noise, spacing_mm=1.5) is noise
    blurred = sitk.GetArrayFromImage(antialias(noise, spacing_mm=4.0))
    assert blurred.mean() == pytest.approx(0, abs=2)
    # White noise through a Gaussian of s voxels keeps 1 / (2 sqrt(pi) s) of its variance on each of two axes.
    s = np.sqrt(4.0**2 - 1.0) / 2.355
    inner = blurred[:, 8:-8, 8:-8]
    assert inner.std() == pytest.approx(100 / (2 * np.sqrt(np.pi) * s), rel=0.08)
    along_z = np.corrcoef(blurred[:-1].ravel(), blurred[1:].ravel())[0, 1]
    assert abs(along_z) < 0.1
