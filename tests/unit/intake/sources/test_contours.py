"""Contours to voxels: hand-worked shapes, a second rasteriser, and analytic volumes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from globalmask.intake.sources.contours import fill, stack

SQUARE = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
RING_OUT = np.array([[0.5, 0.5], [5.5, 0.5], [5.5, 5.5], [0.5, 5.5]])
RING_IN = np.array([[1.5, 1.5], [4.5, 1.5], [4.5, 4.5], [1.5, 4.5]])
# There and back along the slit from (0.5, 0.5) to (1.5, 1.5).
KEYHOLE = np.concatenate([RING_OUT, RING_OUT[:1], RING_IN[::-1][-1:], RING_IN[::-1], RING_IN[::-1][-1:]])


def test_a_square_between_pixels_holds_four():
    found = fill([SQUARE], (4, 5))
    assert found.shape == (4, 5)
    assert found.astype(int).tolist() == [[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_a_triangle_by_hand():
    triangle = np.array([[0.0, -0.5], [3.4, 3.4], [-0.4, 3.4]])
    assert fill([triangle], (4, 4)).astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize(
    "polygons", [[RING_OUT, RING_IN], [RING_OUT, RING_IN[::-1]], [KEYHOLE], [KEYHOLE[::-1]]], ids=str
)
def test_a_hole_is_a_hole_however_it_is_drawn(polygons):
    ring = np.ones((5, 5), int)
    ring[1:4, 1:4] = 0
    found = fill(polygons, (7, 7))
    assert found[1:6, 1:6].astype(int).tolist() == ring.tolist()
    assert found.sum() == ring.sum()


def test_an_island_in_a_hole():
    island = np.array([[2.5, 2.5], [3.5, 2.5], [3.5, 3.5], [2.5, 3.5]])
    assert fill([RING_OUT, RING_IN, island], (7, 7))[3, 3]


def test_what_lies_outside_the_scan_is_cut_off():
    assert fill([SQUARE - 1.6], (3, 3)).astype(int).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert fill([SQUARE * 10], (3, 3)).sum() == 0
    assert fill([SQUARE * 100 - 100], (3, 3)).all()


NUMBER = st.integers(-40, 240).map(lambda value: value / 10 + 0.037)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=12))
def test_any_polygon_as_another_rasteriser_fills_it(points):
    polygon = np.array(points)
    y, x = np.mgrid[:20, :21]
    other = Outline(polygon, closed=False).contains_points(np.column_stack([x.ravel(), y.ravel()]))
    off_edge = ~np.logical_or.reduce(
        [on_line(x, y, *edge) for edge in zip(polygon, np.roll(polygon, -1, 0), strict=True)]
    )
    assert np.array_equal(fill([polygon], (20, 21))[off_edge], other.reshape(20, 21)[off_edge])


def on_line(x, y, start, end):
    """Pixels whose centre lies on the line through two points: whether they are inside is a convention."""
    (x0, y0), (x1, y1) = start, end
    return np.abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_two_polygons_with_one_edge_share_no_pixel_and_leave_none(start, end):
    """The whole square, cut from left to right through pixel centres or not."""
    (a, b) = start[0], end[0]
    left, right = [-0.5, a], [9.5, b]
    above = np.array([[-0.5, -0.5], [9.5, -0.5], right, left], float)
    below = np.array([left, right, [9.5, 9.5], [-0.5, 9.5]], float)
    one, two = fill([above], (10, 10)), fill([below], (10, 10))
    assert not (one & two).any()
    assert (one | two).all()


SPACING = (2.5, 1.0, 1.0)


def disc(radius, shape=(61, 61)):
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    return fill([np.column_stack([30.2 + radius * np.cos(angle), 30.4 + radius * np.sin(angle)])], shape)


def test_slices_between_contours_are_filled_and_told():
    volume, made_up = stack({2.0: disc(10), 5.0: disc(16)}, slices=9, spacing_mm=SPACING)
    assert made_up == [1, 3, 4, 6]
    assert volume.any(axis=(1, 2)).tolist() == [False, True, True, True, True, True, True, False, False]
    # Between the circles the area runs evenly, from 100 to 256 (times pi); beyond them a plane stands for 1.5 slices.
    assert volume[3:5].sum(axis=(1, 2)) / np.pi == pytest.approx([152, 204], rel=0.01)
    assert volume[[1, 6]].sum(axis=(1, 2)) / np.pi == pytest.approx([100, 256], rel=0.02)


def test_contours_far_apart_are_two_parts():
    volume, made_up = stack({2.0: disc(10), 7.0: disc(10)}, slices=9, spacing_mm=SPACING)
    assert made_up == []
    assert volume.any(axis=(1, 2)).nonzero()[0].tolist() == [2, 7]


def test_contours_on_every_slice_stay_as_they_are():
    planes = {float(number): disc(10 + number) for number in range(3, 8)}
    volume, made_up = stack(planes, slices=10, spacing_mm=SPACING)
    assert made_up == []
    assert all(np.array_equal(volume[int(number)], plane) for number, plane in planes.items())
    assert volume.any(axis=(1, 2)).sum() == 5


def test_shapes_beside_each_other_are_not_joined():
    planes = {2.0: np.roll(disc(5), -15, axis=1), 4.0: np.roll(disc(5), 15, axis=1)}
    volume, _ = stack(planes, slices=6, spacing_mm=SPACING)
    assert not volume[3].any()


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("radius", [15.0, 25.0])
def test_volume_of_a_sphere(every, shift, radius):
    """On slices of 2.5 mm; contours on every slice or every second, on the slices or between them.

    The volume is that of the contours (area times distance of the planes, as planning systems have it), within
    1 %; where every slice has a contour also that of the sphere.
    """
    squares = {float(place): radius**2 - ((place - 14.7) * 2.5) ** 2 for place in np.arange(0, 31, every) + shift}
    planes = {place: disc(np.sqrt(square)) for place, square in squares.items() if square > 0}
    volume, _ = stack(planes, slices=31, spacing_mm=SPACING)
    drawn = sum(plane.sum() for plane in planes.values()) * 2.5 * every
    assert volume.sum() * 2.5 == pytest.approx(drawn, rel=0.01)
    assert np.argwhere(volume).mean(axis=0) == pytest.approx([14.7, 30.4, 30.2], abs=0.05)
    if every == 1 and not shift:
        assert volume.sum() * 2.5 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)


def test_a_shape_moves_evenly_from_one_contour_to_the_next():
    """A disc that lies 12 pixels further right four slices on; the made slices lie a quarter of the way apart."""
    planes = {1.0: np.roll(disc(12), -6, axis=1), 5.0: np.roll(disc(12), 6, axis=1)}
    volume, _ = stack(planes, slices=7, spacing_mm=SPACING)
    middles = [np.argwhere(volume[number])[:, 1].mean() for number in range(1, 6)]
    assert np.diff(middles) == pytest.approx([3, 3, 3, 3], abs=0.6)
