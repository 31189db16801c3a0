"""Two synthetic worlds that a global mask must be told apart in (issue 3, "Must hold").

A body is a warped ellipsoid of random size, shape and pose; its silhouette is known and written as the case's mask.
Two structures are balls in the body's *frame*: in the coordinates in which the ellipsoid of the same centre and second
moments is the unit ball. World `fixed` takes the frame of the body's own silhouette, so a perfect reader of the
silhouette knows the structures. World `free` takes the second moments of another body that nobody sees, about the
centre of this one: structures of the same sizes and places, independent of the silhouette's size, shape and pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from globalmask.intake.phantom_canvas import Array, Canvas, Pose, ellipsoid, paint, rotation

WORLDS = ("free", "fixed")
STRUCTURES = {1: ((-0.34, 0.0, 0.0), 0.44), 2: ((0.44, 0.16, 0.0), 0.36)}
"""Centre (z, y, x) and radius of each label value's ball, in the frame."""
EXTENT_MM = 184.0
RADII_MM = (36.0, 66.0)
TURN_DEG = 25.0
BODY_HU, STRUCTURE_HU = 30.0, 110.0


@dataclass(frozen=True)
class Frame:
    """Where a body lies and how far it reaches: `centre_mm` (3) and the symmetric `reach_mm` (3 x 3), in z, y, x.

    `reach_mm` turns the unit ball into the ellipsoid of the body's second moments.
    """

    centre_mm: Array
    reach_mm: Array


def draw_world(world: str, rng: np.random.Generator) -> tuple[Canvas, Array]:
    """One synthetic body of a world: CT and label on a canvas, and the silhouette (bool, z, y, x) on its grid."""
    spacing = rng.uniform(2.8, 4.0, 3)
    shape = tuple(int(round(EXTENT_MM / step)) for step in spacing)
    canvas, silhouette = _body(shape, spacing, rng)
    frame = frame_of(silhouette, canvas.spacing)
    if world == "free":
        unseen, other = _body(shape, spacing, rng)
        frame = Frame(frame.centre_mm, frame_of(other, unseen.spacing).reach_mm)
    canvas.label[...] = structures_in(frame, canvas.shape, canvas.spacing)
    canvas.hu[canvas.label > 0] = STRUCTURE_HU
    return canvas, silhouette


def frame_of(silhouette: Array, spacing_mm: tuple[float, ...]) -> Frame:
    """The frame of a silhouette (bool, z, y, x) that has voxels; millimetres start at its first voxel."""
    points = np.argwhere(silhouette) * np.asarray(spacing_mm)
    # Along a semi-axis a, a solid ellipsoid has the second moment a^2 / 5.
    squares, axes = np.linalg.eigh(5 * np.cov(points.T))
    return Frame(points.mean(axis=0), axes @ np.diag(np.sqrt(squares)) @ axes.T)


def structures_in(frame: Frame, shape_zyx: tuple[int, ...], spacing_mm: tuple[float, ...]) -> Array:
    """The label (uint8, z, y, x) that a frame fixes on a grid."""
    points = np.moveaxis(np.indices(shape_zyx), 0, -1) * np.asarray(spacing_mm) - frame.centre_mm
    inside = points @ np.linalg.inv(frame.reach_mm)
    label = np.zeros(shape_zyx, np.uint8)
    for value, (centre, radius) in STRUCTURES.items():
        label[np.linalg.norm(inside - centre, axis=-1) < radius] = value
    return label


def _body(shape: tuple[int, ...], spacing: Array, rng: np.random.Generator) -> tuple[Canvas, Array]:
    pose = Pose(rotation(rng.uniform(-TURN_DEG, TURN_DEG, 3)), rng.uniform(-8, 8, 3), np.ones(3), 2.0, 60.0)
    canvas = Canvas(shape, spacing, pose=pose, rng=rng)
    distance = ellipsoid(canvas.everything(), (0, 0, 0), rng.uniform(*RADII_MM, 3))
    paint(canvas.everything(), distance, BODY_HU)
    return canvas, np.asarray(distance < 0)
