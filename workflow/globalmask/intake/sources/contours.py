"""Contours on planes to voxels: the geometry of an RTSTRUCT, on arrays alone.

Points are continuous indices of the CT's grid. A voxel belongs to a structure when its centre lies inside, by
the even-odd rule over all contours of a plane: a keyhole's slit, drawn there and back, cancels itself, and a
contour inside another is a hole (CLOSEDPLANAR_XOR of DICOM PS3.3 C.8.8.6.3; most planning systems mean the
same by two nested CLOSED_PLANAR contours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

LARGEST_GAP_MM = 10.0
"""Contours that lie further apart are two parts of a structure; nothing is filled in between."""
ON_SLICE = 0.05
"""How far, in slices, a plane may lie from a slice and still be the slice's own."""


def fill(polygons: Sequence[np.ndarray], shape_yx: tuple[int, int]) -> np.ndarray:
    """Pixels (y, x) whose centre lies inside an odd number of `polygons`, each (point, xy) in pixels.

    Rows are cut with the edges (lower end in, upper end out), and the parity of the cuts to the left of a
    centre decides; so touching polygons neither overlap nor leave a gap.
    """
    rows, columns = shape_yx
    cuts = np.zeros((rows, columns + 1), np.int64)
    for points in polygons:
        (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
        first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(int)
        count = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(int) - first
        edge = np.repeat(np.arange(len(points)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        at = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        np.add.at(cuts, (row, np.clip(np.ceil(at), 0, columns).astype(int)), 1)
    return np.cumsum(cuts, axis=1)[:, :columns] % 2 == 1


def stack(
    planes: Mapping[float, np.ndarray], *, slices: int, spacing_mm: tuple[float, float, float]
) -> tuple[np.ndarray, list[int]]:
    """A volume (z, y, x, bool) from filled planes (y, x) at continuous slice indices, and the slices made up.

    A slice between two planes at most `LARGEST_GAP_MM` apart gets their shape-based interpolation (Raya and
    Udupa, IEEE Trans Med Imaging 9:32-42, 1990): the mean of the signed distances, weighted by nearness.
    Beyond the first and last plane of a part, each plane reaches half the distance of neighbouring planes
    (its lower end in, its upper end out), so a structure drawn on every second slice keeps its volume.
    """
    shape = next(iter(planes.values())).shape
    volume = np.zeros((slices, *shape), bool)
    made_up: list[int] = []
    for part in _parts(sorted(planes), spacing_mm[0]):
        steps = np.diff(part)
        half = float(np.median(steps)) / 2 if len(part) > 1 else 0.5
        lowest, highest = int(np.ceil(part[0] - half - 1e-6)), int(np.ceil(part[-1] + half - 1e-6))
        for number in range(max(lowest, 0), min(highest, slices)):
            nearest = min(part, key=lambda plane: abs(plane - number))
            if abs(nearest - number) <= ON_SLICE:
                volume[number] |= planes[nearest]
                continue
            made_up.append(number)
            below = [plane for plane in part if plane < number]
            above = [plane for plane in part if plane > number]
            if below and above:
                volume[number] |= _between(planes, below[-1], above[0], number, spacing_mm[1:])
            else:
                volume[number] |= planes[nearest]
    return volume, made_up


def _parts(planes: Sequence[float], slice_mm: float) -> list[list[float]]:
    """Planes in runs without a gap larger than `LARGEST_GAP_MM`."""
    parts: list[list[float]] = []
    for plane in planes:
        if parts and (plane - parts[-1][-1]) * slice_mm <= LARGEST_GAP_MM + 1e-6:
            parts[-1].append(plane)
        else:
            parts.append([plane])
    return parts


def _between(
    planes: Mapping[float, np.ndarray], below: float, above: float, at: float, spacing_yx_mm: tuple[float, ...]
) -> np.ndarray:
    share = (at - below) / (above - below)
    distances = [_signed_distance_mm(planes[plane], spacing_yx_mm) for plane in (below, above)]
    return (1 - share) * distances[0] + share * distances[1] > 0


def _signed_distance_mm(inside: np.ndarray, spacing_yx_mm: tuple[float, ...]) -> np.ndarray:
    """Distance (mm) to the boundary, positive inside; the boundary runs half a pixel from the centres."""
    if not inside.any():
        return np.full(inside.shape, -np.inf)
    half = min(spacing_yx_mm) / 2
    within = distance_transform_edt(inside, sampling=spacing_yx_mm)
    beyond = distance_transform_edt(~inside, sampling=spacing_yx_mm)
    return np.where(inside, within - half, half - beyond)
