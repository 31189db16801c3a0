"""The drawing board of the synthetic patients: warped coordinates, distances to solids, soft-edged painting.

Every array is `(z, y, x)` on an axis-aligned LPS grid (x to the patient's left, y to the back, z to the
head). Each voxel also has an *anatomical* position: the table's position turned back by the patient's tilt,
scaled, and moved by a smooth random displacement. Solids are drawn in anatomical millimetres, so one
anatomy gives many patients. Distances are negative inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRIDE = 4
EDGE_MM = 1.4

Array = np.ndarray
Point = Sequence[float] | Array


@dataclass(frozen=True)
class Region:
    """A box of the canvas: anatomical coordinates in mm and writable views of HU and label."""

    x: Array
    y: Array
    z: Array
    hu: Array
    label: Array


@dataclass(frozen=True)
class Pose:
    """How a patient lies on the table: rotation (anatomy to table), position (mm), size, warp.

    `limp_z` gives the table heights (mm below the position) between which the tilt fades to a half: a head
    tilts on a neck that bends. None keeps the whole body rigid.
    """

    rotation: Array
    position: Point
    size: Point
    warp_mm: float
    warp_step_mm: float
    limp_z: tuple[float, float] | None = None


class Canvas:
    """HU and label arrays with the anatomical coordinate of every voxel."""

    def __init__(self, shape: tuple[int, ...], spacing: Point, *, pose: Pose, rng: np.random.Generator) -> None:
        self.shape = shape
        self.spacing = tuple(float(step) for step in spacing)
        self.table = tuple(
            (np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(step)
            for n, step in zip(shape, self.spacing, strict=True)
        )
        self.hu = np.full(shape, -1000.0, np.float32)
        self.label = np.zeros(shape, np.uint16)
        self.x, self.y, self.z = _anatomical(self, pose, rng)
        thin = (slice(None, None, STRIDE),) * 3
        self._thin = tuple(axis[thin].copy() for axis in (self.x, self.y, self.z))

    def region(self, low: Point, high: Point) -> Region:
        """The smallest box that surely holds all voxels between two anatomical corners (mm)."""
        inside = np.ones(self._thin[0].shape, bool)
        margin: float = STRIDE * max(self.spacing) * 0.8
        for axis, start, stop in zip(self._thin, low, high, strict=True):
            inside &= (axis > start - margin) & (axis < stop + margin)
        box: list[slice] = []
        for place in range(3):
            others = tuple(other for other in range(3) if other != place)
            hits = np.flatnonzero(inside.any(axis=others))
            if hits.size == 0:
                box.append(slice(0, 0))
                continue
            first = max(0, (int(hits[0]) - 1) * STRIDE + 1)
            box.append(slice(first, (int(hits[-1]) + 1) * STRIDE))
        at = tuple(box)
        return Region(self.x[at], self.y[at], self.z[at], self.hu[at], self.label[at])

    def everything(self) -> Region:
        """The whole canvas as one region."""
        return Region(self.x, self.y, self.z, self.hu, self.label)

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        hu: float,
        *,
        axes: Array | None = None,
        label: int | None = None,
    ) -> None:
        """Paint an ellipsoid; `axes` holds its unit axes as rows."""
        reach = np.asarray(radii, float) if axes is None else np.full(3, max(radii))
        at = self.region(np.subtract(centre, reach), np.add(centre, reach))
        paint(at, ellipsoid(at, centre, radii, axes=axes), hu, label=label)

    def tube(
        self,
        points: Sequence[Point] | Array,
        radii: Sequence[float] | float,
        hu: float,
        *,
        label: int | None = None,
    ) -> None:
        """Paint a chain of tapered capsules through `points`; one radius for all or one for each."""
        sizes = [float(radius) for radius in np.broadcast_to(radii, len(points))]
        for start, stop, first, last in zip(points, points[1:], sizes, sizes[1:], strict=False):
            reach = max(first, last)
            low = np.minimum(start, stop) - reach
            at = self.region(low, np.maximum(start, stop) + reach)
            paint(at, capsule(at, start, stop, first, last), hu, label=label)


def ellipsoid(at: Region, centre: Point, radii: Point, *, axes: Array | None = None) -> Array:
    """Approximate distance (mm) to an ellipsoid, exact on its surface."""
    offsets = [axis - np.float32(middle) for axis, middle in zip((at.x, at.y, at.z), centre, strict=True)]
    if axes is not None:
        u, v, w = offsets
        rows = [[np.float32(value) for value in row] for row in axes]
        offsets = [row[0] * u + row[1] * v + row[2] * w for row in rows]
    # In place: fresh arrays of a whole canvas cost more than the arithmetic.
    size, slope = np.zeros((2, *at.hu.shape), np.float32)
    for offset, radius in zip(offsets, radii, strict=True):
        offset *= np.float32(1 / radius)
        size += offset * offset
        offset *= np.float32(1 / radius)
        offset *= offset
        slope += offset
    np.sqrt(size, out=size)
    np.maximum(np.sqrt(slope, out=slope), np.float32(1e-6), out=slope)
    distance = size - 1
    distance *= size
    distance /= slope
    return distance


def capsule(at: Region, start: Point, stop: Point, first: float, last: float) -> Array:
    """Distance (mm) to a capsule whose radius runs from `first` to `last`."""
    step = [np.float32(b - a) for a, b in zip(start, stop, strict=True)]
    length = max(float(sum(float(s) ** 2 for s in step)), 1e-6)
    u, v, w = (axis - np.float32(base) for axis, base in zip((at.x, at.y, at.z), start, strict=True))
    along = np.clip((u * step[0] + v * step[1] + w * step[2]) / np.float32(length), 0, 1)
    u, v, w = u - along * step[0], v - along * step[1], w - along * step[2]
    return np.sqrt(u * u + v * v + w * w) - (np.float32(first) + np.float32(last - first) * along)


def smooth_union(first: Array, second: Array, blend_mm: float) -> Array:
    """Union of two solids with a fillet of about `blend_mm`."""
    blend = np.float32(blend_mm)
    near = first - second
    np.abs(near, out=near)
    np.maximum(np.subtract(blend, near, out=near), 0, out=near)
    near /= blend
    near *= near
    near *= blend
    near /= 4
    return np.subtract(np.minimum(first, second), near, out=near)


def paint(
    at: Region,
    distance: Array,
    hu: float | Array,
    *,
    label: int | None = None,
    edge_mm: float = EDGE_MM,
) -> None:
    """Blend `hu` in where `distance` is negative, with an edge `edge_mm` wide (partial volume).

    `label` None leaves the labels as they are, 0 clears them.
    """
    weight = distance * np.float32(-1 / edge_mm)
    weight += np.float32(0.5)
    np.clip(weight, 0, 1, out=weight)
    weight *= hu - at.hu
    at.hu[...] += weight
    if label is not None:
        at.label[distance < 0] = label


def smooth_noise(canvas: Canvas, rng: np.random.Generator, *, step_mm: float) -> Array:
    """Smooth noise of about unit spread over the whole canvas, float32, features about `step_mm` wide."""
    weights = [_spline(axis, step_mm) for axis in canvas.table]
    nodes = rng.standard_normal([w.shape[1] for w in weights], dtype=np.float32)
    field = np.tensordot(nodes, weights[2], axes=(2, 1))
    field = np.matmul(weights[1], field)
    flat = weights[0] @ field.reshape(field.shape[0], -1)
    flat *= np.float32(2.2)
    return flat.reshape(canvas.shape)


def streaks(
    canvas: Canvas,
    rng: np.random.Generator,
    pose: Pose,
    spot: Point,
    *,
    strength: float,
    half_mm: float = 6.0,
) -> None:
    """Faint dark and bright fans from something dense at the anatomical point `spot`, slices `half_mm` about it.

    `strength` (HU times mm) fades with the distance. Air stays air.
    """
    middle = pose.rotation @ np.multiply(spot, pose.size) + np.asarray(pose.position)
    z, y, x = (axis - np.float32(at) for axis, at in zip(canvas.table, middle[::-1], strict=True))
    radius = np.hypot(y[:, None], x[None, :]) + np.float32(4)
    angle = np.arctan2(y[:, None], x[None, :])
    waves = zip(rng.integers(3, 19, 4).tolist(), rng.uniform(0, 2 * np.pi, 4).tolist(), strict=True)
    fan = sum(np.cos(count * angle + phase) for count, phase in waves)
    fan = fan * np.float32(strength) / radius * np.exp(-radius / np.float32(70))
    for index in np.flatnonzero(np.abs(z) < half_mm):
        weight = np.float32(1 - abs(float(z[index])) / half_mm)
        canvas.hu[index] += weight * fan * (canvas.hu[index] > -700)


def rotation(angles_deg: Point) -> Array:
    """Rotation matrix for turns about x, then y, then z, in degrees."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        i, j = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _anatomical(canvas: Canvas, pose: Pose, rng: np.random.Generator) -> list[Array]:
    """Anatomical x, y, z of every voxel: turned back, scaled, warped."""
    z, y, x = np.ix_(*canvas.table)
    px, py, pz = (axis - np.float32(at) for axis, at in zip((x, y, z), pose.position, strict=True))
    back = pose.rotation.T.astype(np.float32)
    axes = []
    for row, size, straight in zip(back, pose.size, (px, py, pz), strict=True):
        axis = row[0] * px + (row[1] * py + row[2] * pz)
        if pose.limp_z is not None:
            top, bottom = pose.limp_z
            limp = np.clip((pz - top) / (bottom - top), 0, 1)
            limp = limp * limp * (3 - 2 * limp) / 2
            axis += limp * (straight - axis)
        axis *= np.float32(1 / size)
        axis += smooth_noise(canvas, rng, step_mm=pose.warp_step_mm) * np.float32(pose.warp_mm)
        axes.append(axis)
    return axes


def _spline(positions: Array, step_mm: float) -> Array:
    """Weights `(position, node)` of uniform cubic B-splines with nodes `step_mm` apart."""
    nodes = (positions - positions[0]) / step_mm
    away = np.abs(nodes[:, None] + 1 - np.arange(int(nodes[-1]) + 4)[None, :])
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.maximum(2 - away, 0) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)
