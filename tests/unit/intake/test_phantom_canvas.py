"""The drawing board: distances worked out by hand, soft edges, and boxes that miss no voxel."""

from __future__ import annotations

import numpy as np
import pytest

from globalmask.intake import phantom_head
from globalmask.intake.phantom_canvas import (
    Canvas,
    Point,
    Pose,
    Region,
    capsule,
    ellipsoid,
    paint,
    rotation,
    smooth_union,
    streaks,
)

STRAIGHT = Pose(rotation((0, 0, 0)), (0, 0, 0), (1, 1, 1), 0.0, 50.0)


def board(pose: Pose = STRAIGHT, shape: tuple[int, int, int] = (20, 30, 40)) -> Canvas:
    return Canvas(shape, (2.0, 1.0, 1.0), pose=pose, rng=np.random.default_rng(1))


def points(*where: Point) -> Region:
    """A region of single points (x, y, z) in mm, in air."""
    x, y, z = (np.array([[axis]], np.float32) for axis in np.transpose(where))
    return Region(x, y, z, np.full(x.shape, -1000, np.float32), np.zeros(x.shape, np.uint16))


def test_distance_to_a_ball_is_exact() -> None:
    at = points((0, 0, 10), (6, 8, 0), (0, 0, 4), (3, 4, 0))
    np.testing.assert_allclose(ellipsoid(at, (0, 0, 0), (5, 5, 5)), [[[5, 5, -1, 0]]], atol=1e-5)


def test_axes_of_an_ellipsoid_are_rows() -> None:
    long_along_y = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    at = points((0, 9, 0), (9, 0, 0))
    np.testing.assert_array_equal(ellipsoid(at, (0, 0, 0), (10, 4, 4), axes=long_along_y) < 0, [[[True, False]]])


def test_distance_to_a_tapered_capsule() -> None:
    at = points((0, 0, -5), (0, 7, 0), (0, 7, 10), (0, 5, 5))
    found = capsule(at, (0, 0, 0), (0, 0, 10), 2, 4)
    np.testing.assert_allclose(found, [[[3, 5, 3, 2]]], atol=1e-5)


def test_smooth_union_fills_the_corner_and_nothing_else() -> None:
    first, second = np.array([1.0, 5, -3]), np.array([1.0, -2, 9])
    # Equal distances gain a quarter of the blend; distances further apart than the blend gain nothing.
    np.testing.assert_allclose(smooth_union(first, second, 4.0), [0, -2, -3])


def test_edges_are_soft_and_labels_sharp() -> None:
    at = points((0, 0, 0), (1, 0, 0), (2, 0, 0))
    at.label[...] = 7
    paint(at, np.array([[[-3, 0, 0.5]]], np.float32), 200.0, label=3, edge_mm=2)
    np.testing.assert_allclose(at.hu, [[[200, -400, -700]]])
    np.testing.assert_array_equal(at.label, [[[3, 7, 7]]])
    paint(at, np.array([[[-3, 3, 3]]], np.float32), 0.0)
    assert at.label[0, 0, 0] == 3


@pytest.mark.parametrize("turn", [(0, 0, 0), (12, 0, 0), (5, -7, 8)])
def test_a_solid_painted_in_its_box_is_whole(turn: Point) -> None:
    canvas = board(Pose(rotation(turn), (3, -2, 1), (1.05, 0.95, 1.0), 1.5, 20.0), shape=(31, 45, 50))
    canvas.ellipsoid((4, 5, -6), (9, 7, 8), 50.0, label=1)
    whole = ellipsoid(canvas.everything(), (4, 5, -6), (9, 7, 8)) < 0
    assert whole.sum() > 500
    np.testing.assert_array_equal(canvas.label == 1, whole)


def test_a_solid_off_the_board_is_no_fault() -> None:
    canvas = board()
    canvas.tube([(900, 0, 0), (950, 0, 0)], 5.0, 50.0, label=1)
    assert not canvas.label.any()


def test_a_turned_patient_lies_where_the_matrix_says() -> None:
    pose = Pose(rotation((0, 0, 90)), (2, 1, 4), (1, 1, 1), 0.0, 50.0)
    canvas = board(pose)
    canvas.ellipsoid((10, 0, 0), (2, 2, 2), 50.0, label=1)
    middle = [float(axis[where].mean()) for axis, where in zip(canvas.table, np.nonzero(canvas.label), strict=True)]
    # A quarter turn about z takes +x (left) to +y (back): (10, 0, 0) to (0, 10, 0), then by the position.
    np.testing.assert_allclose(middle[::-1], (2, 11, 4), atol=0.6)


def test_streaks_spare_air_and_other_slices() -> None:
    canvas = board()
    canvas.hu[:, 10:20] = 40
    before = canvas.hu.copy()
    streaks(canvas, np.random.default_rng(2), STRAIGHT, (0, 0, 0), strength=800, half_mm=6)
    changed = (canvas.hu != before).any(axis=2)
    assert changed[10, 10:20].all()
    assert not changed[:, :10].any()
    assert not changed[:6].any()
    assert np.abs(canvas.hu - before).max() < 1000


def test_heads_are_tilted_by_at_most_twelve_degrees() -> None:
    turns = [phantom_head._tilt(np.random.default_rng(seed)) for seed in range(200)]
    angles = np.rad2deg([np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)) for turn in turns])
    assert angles.max() < phantom_head.TILT_DEG + 0.5
    assert np.percentile(angles, 90) > 8
    assert np.median(angles) > 3
