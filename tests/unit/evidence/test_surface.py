"""Surface distances: emptiness, boxes worked out by hand, balls of known distance, and what must always hold."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from globalmask.evidence.surface import surface_metrics

NAMES = ["hd95_mm", "assd_mm", "nsd_1p5mm", "nsd_3mm"]


def box(shape, start, size) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(first, first + count) for first, count in zip(start, size, strict=True))] = True
    return mask


def ball(shape, spacing, centre_mm, radius_mm) -> np.ndarray:
    places = np.indices(shape) * np.reshape(spacing, (3, 1, 1, 1)) - np.reshape(centre_mm, (3, 1, 1, 1))
    return (places**2).sum(axis=0) <= radius_mm**2


@pytest.mark.parametrize(
    ("reference", "prediction", "nsd"),
    [(True, False, 0.0), (False, True, 0.0), (False, False, math.nan)],
    ids=["pred empty", "ref empty", "both empty"],
)
def test_emptiness_is_decided_before_the_library_is_called(monkeypatch, reference, prediction, nsd):
    monkeypatch.setitem(sys.modules, "meshmetrics", None)
    masks = (np.full((3, 3, 3), full) for full in (reference, prediction))
    found = surface_metrics(*masks, spacing_mm=(1.5, 1.5, 1.5))
    assert list(found) == NAMES
    assert list(found.values()) == pytest.approx([math.nan, math.nan, nsd, nsd], nan_ok=True)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [1, 3])
def test_a_shifted_box_is_as_far_as_it_was_shifted(axis, voxels):
    """Two of six faces move by the whole shift, far more than the 5 % that HD95 lets go; none moves further."""
    spacing = (2.5, 0.7, 1.1)
    reference = box((30, 30, 30), (8, 8, 8), (9, 10, 11))
    found = surface_metrics(reference, np.roll(reference, voxels, axis), spacing_mm=spacing)
    assert found["hd95_mm"] == pytest.approx(voxels * spacing[axis])
    assert 0 < found["assd_mm"] < found["hd95_mm"]


def test_hd95_is_the_larger_of_the_directed_percentiles():
    """A far block is 6 % of the prediction's surface and 3 % of both: the pooled percentile would be 0.

    Of those 6 %, the near face, 18 mm away, is the first; the last 5 % of the surface begin on it.
    """
    reference = box((24, 24, 60), (2, 2, 2), (20, 20, 20))
    prediction = reference | box((24, 24, 60), (10, 10, 40), (5, 5, 5))
    gap_mm = 40 - 22
    for masks in ((reference, prediction), (prediction, reference)):
        found = surface_metrics(*masks, spacing_mm=(1.0, 1.0, 1.0))
        assert found["hd95_mm"] == pytest.approx(gap_mm)
        assert found["assd_mm"] == pytest.approx(0.03 * (gap_mm + 2.5), rel=0.1)
        assert found["nsd_3mm"] == pytest.approx(0.97, abs=0.005)


@pytest.mark.parametrize(("tolerance", "name"), [(1.5, "nsd_1p5mm"), (3.0, "nsd_3mm")])
def test_nsd_of_a_lengthened_box(tolerance, name):
    """A square rod, wide 30 and long 30 mm, predicted 10 mm too long.

    Right are its end, its walls up to the tolerance beyond the true end, all true walls, and of the true end, which
    lies inside the prediction, the rim that is near a wall.
    """
    wide, length, more = 30, 30, 10
    reference = box((34, 34, 44), (2, 2, 2), (wide, wide, length))
    prediction = box((34, 34, 44), (2, 2, 2), (wide, wide, length + more))
    rim = wide**2 - (wide - 2 * tolerance) ** 2
    right = 2 * wide**2 + 4 * wide * (2 * length + tolerance) + rim
    whole = 4 * wide**2 + 4 * wide * (2 * length + more)
    found = surface_metrics(reference, prediction, spacing_mm=(1.0, 1.0, 1.0))
    assert found[name] == pytest.approx(right / whole, abs=0.01)


@pytest.mark.parametrize("spacing", [0.1, 0.3, 0.5, 1.5])
def test_a_surface_exactly_at_the_tolerance_is_within_it(spacing):
    reference = box((50, 12, 12), (2, 2, 2), (12, 8, 7))
    for tolerance, name in ((1.5, "nsd_1p5mm"), (3.0, "nsd_3mm")):
        prediction = np.roll(reference, round(tolerance / spacing), axis=0)
        found = surface_metrics(reference, prediction, spacing_mm=(spacing, 0.75, 1.0))
        assert found[name] == 1
        assert found["hd95_mm"] == pytest.approx(tolerance)


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (1.5, 1.5, 1.5), (2.5, 1.0, 1.0)])
@pytest.mark.parametrize("apart", [2.0, 5.0])
def test_balls_of_known_distance(spacing, apart):
    """Two balls of 15 mm: a point of one, at cosine c to the line of centres, is |sqrt(15^2 - 2*15*d*c + d^2) - 15|
    from the other, and c is even on [-1, 1] (Archimedes). The bounds are shares of a voxel, seen at 0.13 and 0.10."""
    radius, cosines = 15.0, np.linspace(-1, 1, 100_001)
    distances = np.abs(np.sqrt(radius**2 - 2 * radius * apart * cosines + apart**2) - radius)
    centre = np.array([25.3, 24.6, 25.1])
    other = centre + apart * np.array([2.0, -1.0, 2.0]) / 3
    shape = [math.ceil(50 / step) for step in spacing]
    masks = (ball(shape, spacing, place, radius) for place in (centre, other))
    found = surface_metrics(*masks, spacing_mm=spacing)
    assert found["hd95_mm"] == pytest.approx(np.percentile(distances, 95), abs=0.15 * max(spacing))
    assert found["assd_mm"] == pytest.approx(distances.mean(), abs=0.12 * max(spacing))
    assert found["nsd_1p5mm"] == pytest.approx((distances <= 1.5).mean(), abs=0.1)
    assert found["nsd_3mm"] == pytest.approx((distances <= 3).mean(), abs=0.1)


some_mask = arrays(bool, (4, 3, 5)).filter(np.any)


@settings(deadline=None, max_examples=40)
@given(some_mask, some_mask)
def test_what_holds_for_any_two_masks(reference, prediction):
    spacing = np.array([1.0, 2.0, 0.5])
    found = surface_metrics(reference, prediction, spacing_mm=spacing)
    assert 0 <= found["nsd_1p5mm"] <= found["nsd_3mm"] <= 1 + 1e-9
    assert found["assd_mm"] >= 0
    assert 0 <= found["hd95_mm"] < np.linalg.norm(spacing * reference.shape)
    swapped = surface_metrics(prediction, reference, spacing_mm=spacing)
    padded = surface_metrics(
        *(np.pad(mask, ((3, 1), (0, 2), (4, 0))) for mask in (reference, prediction)), spacing_mm=spacing
    )
    larger = surface_metrics(reference, prediction, spacing_mm=2 * spacing)
    for name in NAMES:
        assert found[name] == pytest.approx(swapped[name], abs=1e-6)
        assert found[name] == pytest.approx(padded[name], abs=1e-6)
    for name in ("hd95_mm", "assd_mm"):
        assert larger[name] == pytest.approx(2 * found[name], abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(some_mask)
def test_a_mask_lies_on_itself(mask):
    found = surface_metrics(mask, mask, spacing_mm=(1.0, 2.1, 3.3))
    assert list(found.values()) == pytest.approx([0, 0, 1, 1], abs=1e-6)


def test_one_voxel_has_a_surface():
    found = surface_metrics(
        box((9, 9, 9), (2, 4, 4), (1, 1, 1)), box((9, 9, 9), (5, 4, 4), (1, 1, 1)), spacing_mm=(2.0, 1.0, 1.0)
    )
    assert 4 < found["hd95_mm"] <= 6


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_library_needs_no_display():
    """Cluster nodes lack the X libraries, which VTK before 9.4 wanted at import."""
    code = "import meshmetrics; print(open('/proc/self/maps').read())"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    assert "libvtkCommonCore" in loaded
    assert not re.search(r"/lib(X|xcb|GL|EGL)\w*[.-]", loaded)
