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
    centre decides; so touching polygons neither overlap nor leave a gap. A body outline of 500 points on 512 x 512
    pixels takes 0.02 s (matplotlib's Path.contains_points: 0.56 s; 26 times as long over a whole scan).
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
    Udupa, IEEE Trans Med Imaging 9:32-42, 1990): the mean of the signed distances, weighted by nearness, cut
    where the area is the mean of the areas. The first and last plane of a part stand for half the distance of
    neighbouring planes; a slice that this covers in part gets the plane's shape shrunk to that share of its
    area. So a structure keeps its volume wherever its contours lie.
    """
    shape = next(iter(planes.values())).shape
    volume = np.zeros((slices, *shape), bool)
    made_up: list[int] = []
    for part in _parts(sorted(planes), spacing_mm[0]):
        half = float(np.median(np.diff(part))) / 2 if len(part) > 1 else 0.5
        for number in range(slices):
            nearest = min(part, key=lambda plane: abs(plane - number))
            away = abs(nearest - number)
            if away <= ON_SLICE:
                volume[number] |= planes[nearest]
                continue
            if part[0] < number < part[-1]:
                made = _between(planes, part, number, spacing_mm[1:])
            else:
                made = _shrunk(planes[nearest], min(1.0, half + 0.5 - away), spacing_mm[1:])
            if made.any():
                volume[number] |= made
                made_up.append(number)
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
    planes: Mapping[float, np.ndarray], part: Sequence[float], at: int, spacing_yx_mm: tuple[float, ...]
) -> np.ndarray:
    below, above = max(plane for plane in part if plane < at), min(plane for plane in part if plane > at)
    lower, upper = planes[below], planes[above]
    if not (lower & upper).any():
        return np.zeros(lower.shape, bool)
    share = (at - below) / (above - below)
    distance = (1 - share) * _signed_distance_mm(lower, spacing_yx_mm)
    distance += share * _signed_distance_mm(upper, spacing_yx_mm)
    return _innermost(distance, (1 - share) * float(lower.sum()) + share * float(upper.sum()))


def _shrunk(plane: np.ndarray, share: float, spacing_yx_mm: tuple[float, ...]) -> np.ndarray:
    if share <= ON_SLICE or not plane.any():
        return np.zeros(plane.shape, bool)
    return _innermost(_signed_distance_mm(plane, spacing_yx_mm), share * float(plane.sum()))


def _innermost(distance_mm: np.ndarray, pixels: float) -> np.ndarray:
    """That many pixels, the farthest inside; of equal ones those nearest to the middle of all inside."""
    middle = np.argwhere(distance_mm >= min(0, distance_mm.max())).mean(axis=0)
    y, x = np.indices(distance_mm.shape)
    off_middle = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
    chosen = np.lexsort((off_middle.ravel(), -distance_mm.round(6).ravel()))[: round(pixels)]
    inside = np.zeros(distance_mm.shape, bool)
    inside.flat[chosen] = True
    return inside


def _signed_distance_mm(inside: np.ndarray, spacing_yx_mm: tuple[float, ...]) -> np.ndarray:
    """Distance (mm) to the boundary, positive inside; the boundary runs half a pixel from the centres."""
    half = min(spacing_yx_mm) / 2
    within = distance_transform_edt(inside, sampling=spacing_yx_mm)
    beyond = distance_transform_edt(~inside, sampling=spacing_yx_mm)
    return np.where(inside, within - half, half - beyond)
