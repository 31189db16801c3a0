"""Two worlds: structures that are a function of the silhouette, and structures that have nothing to do with it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.imaging.images import array_of
from globalmask.intake.phantom import make_body
from globalmask.intake.phantom_worlds import STRUCTURES, Frame, draw_world, frame_of, structures_in

SEED = 7


def body(world: str, index: int) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    ct, label, mask = (sitk.DICOMOrient(image, "LPS") for image in make_body(world, index, seed=SEED))
    return ct, label, mask


def known_from(mask: sitk.Image) -> np.ndarray:
    """The structures of world `fixed`, read off a mask."""
    spacing = mask.GetSpacing()[::-1]
    array = array_of(mask)
    return structures_in(frame_of(array > 0, spacing), array.shape, spacing)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * int((first & second).sum()) / (int(first.sum()) + int(second.sum()))


def test_the_frame_of_an_ellipsoid_is_its_centre_and_its_semi_axes():
    spacing = (1.5, 1.0, 2.0)
    z, y, x = (np.arange(60) * step for step in spacing)
    inside = ((z[:, None, None] - 45) / 30) ** 2 + ((y[:, None] - 28) / 20) ** 2 + ((x - 60) / 40) ** 2 < 1
    frame = frame_of(inside, spacing)
    assert frame.centre_mm == pytest.approx([45, 28, 60], abs=0.1)
    assert np.diag(frame.reach_mm) == pytest.approx([30, 20, 40], rel=0.01)
    assert np.allclose(frame.reach_mm - np.diag(np.diag(frame.reach_mm)), 0, atol=0.1)


def test_structures_are_balls_in_the_frame():
    frame = Frame(np.array([50.0, 50.0, 50.0]), np.diag([40.0, 30.0, 20.0]))
    label = structures_in(frame, (100, 100, 100), (1.0, 1.0, 1.0))
    for value, (centre, radius) in STRUCTURES.items():
        places = np.argwhere(label == value)
        assert places.mean(axis=0) == pytest.approx(50 + np.array([40, 30, 20]) * centre, abs=0.5)
        assert np.ptp(places, axis=0) == pytest.approx(2 * radius * np.array([40, 30, 20]), abs=2)


@pytest.mark.parametrize("index", range(3))
def test_in_world_fixed_the_silhouette_tells_every_voxel(index):
    _, label, mask = body("fixed", index)
    assert (known_from(mask) == array_of(label)).all()


def test_in_world_free_it_tells_the_centre_alone():
    overlaps = []
    for index in range(8):
        _, label, mask = body("free", index)
        known = known_from(mask)
        overlaps += [dice(known == value, array_of(label) == value) for value in STRUCTURES]
    assert np.mean(overlaps) < 0.85
    assert min(overlaps) < 0.7


def test_size_of_body_and_structures_go_together_in_world_fixed_alone():
    def correlation(world: str) -> float:
        pairs = [draw_world(world, np.random.default_rng(number)) for number in range(40)]
        bodies = [silhouette.sum() * np.prod(canvas.spacing) for canvas, silhouette in pairs]
        inner = [(canvas.label > 0).sum() * np.prod(canvas.spacing) for canvas, _ in pairs]
        return float(np.corrcoef(bodies, inner)[0, 1])

    assert correlation("fixed") > 0.99
    # Under independence |r| exceeds 0.4 in one of a hundred draws of 40.
    assert abs(correlation("free")) < 0.4


@pytest.mark.parametrize("world", ["free", "fixed"])
def test_a_body_lies_whole_in_its_scan_with_both_structures(world):
    for index in range(6):
        ct, label, mask = body(world, index)
        inside = array_of(mask)
        assert set(np.unique(array_of(label)).tolist()) == {0, *STRUCTURES}
        edges = [inside.take(place, axis=axis) for axis in range(3) for place in (0, -1)]
        assert not any(edge.any() for edge in edges)
        assert array_of(ct)[inside > 0].mean() > 0 > array_of(ct)[inside == 0].mean()


def test_drawing_again_gives_the_same_body():
    for first, again in zip(make_body("free", 2, seed=SEED), make_body("free", 2, seed=SEED), strict=True):
        assert (array_of(first) == array_of(again)).all() and first.GetOrigin() == again.GetOrigin()
