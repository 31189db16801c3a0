from __future__ import annotations

import numpy as np

from globalmask.imaging.geometry import resample, scan_grid
from globalmask.imaging.images import array_of
from globalmask.imaging.silhouette import head_mask
from heads import ball, dice, furniture_hu, head_hu, make_scan, outline


def points(size_mm=(230, 280, 240), spacing_mm=2.0, centre=(0, 0, -20)):
    """Physical points (z, y, x, xyz) of a grid about `centre`; `size_mm` is (x, y, z)."""
    axes = [np.arange(-e / 2, e / 2, spacing_mm) + c for e, c in zip(size_mm, centre, strict=True)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    return np.stack([x, y, z], axis=-1)


def test_head_is_solid_and_furniture_is_gone():
    places, spacing_mm = points(size_mm=(200, 280, 220)), 2.0
    hu = np.maximum(head_hu(places), furniture_hu(places))
    mask, truth = head_mask(hu, spacing_mm), outline(places)
    assert dice(mask, truth) > 0.985
    # Airways, sinuses and eyes are inside; shell, holder and couch outside, but where they touch the skin.
    assert mask[truth].mean() > 0.985
    furniture = (furniture_hu(places) > -200) & ~truth
    assert mask[furniture].mean() < 0.05


def test_vertex_and_neck_may_be_cut():
    """A scan that ends in the brain and in the neck: filled up to both cut faces."""
    places = points(size_mm=(230, 280, 180), centre=(0, 0, -40))
    mask = head_mask(head_hu(places), 2.0)
    truth = outline(places)
    assert truth[-1].sum() > 1000
    assert dice(mask[-1], truth[-1]) > 0.97
    assert dice(mask[0], truth[0]) > 0.97
    assert dice(mask, truth) > 0.985


def test_windpipe_that_leaves_through_the_cut_neck_is_filled():
    """Open at the bottom, so only a slice across it is closed."""
    places = points(size_mm=(190, 240, 120), centre=(0, 0, -100))
    airway = (places[..., 0] ** 2 + (places[..., 1] + 22) ** 2 < 8**2) & (places[..., 2] < -60)
    assert airway[0].any()
    assert head_mask(head_hu(places), 2.0)[airway].all()


def test_nose_cut_by_the_front_of_the_box_does_not_empty_the_face():
    """Open at the front, so only a slice parallel to the face is closed."""
    places = points(size_mm=(192, 160, 150), centre=(0, 0, -40))
    tunnel = ball(places, (0, -80, -75), (9, 60, 9))
    assert tunnel[:, 0].any()
    hu = np.where(tunnel, -1000, head_hu(places))
    assert head_mask(hu, 2.0)[tunnel & outline(places)].mean() > 0.95


def test_other_body_beside_the_head_is_left_out():
    places = points(size_mm=(390, 250, 180))
    hu = np.where(ball(places, (170, 0, -20), (25, 40, 80)), 40, head_hu(places))
    assert not head_mask(hu, 2.0)[..., -20:].any()


def test_nothing_there():
    assert not head_mask(np.full((20, 20, 20), -1000), 2.0).any()
    speck = np.full((20, 20, 20), -1000)
    speck[10, 10, 10] = 100
    assert not head_mask(speck, 2.0).any()


def test_all_tissue_stays_whole():
    assert head_mask(np.zeros((12, 12, 12)), 2.0).all()


def test_scan_with_noise_and_uneven_spacing():
    ct, truth, _ = make_scan(spacing_xyz=(1.2, 1.2, 3.0), extent_xyz=(190, 270, 200), furniture=True, noise_hu=60)
    grid = scan_grid(ct, spacing_mm=2.0)
    mask = head_mask(array_of(resample(ct, grid, outside=-1024)), 2.0)
    assert dice(mask, array_of(resample(truth, grid, interpolation="nearest", outside=0)) > 0) > 0.98
