"""The synthetic chest round the heart: skin, fat, muscle, ribs, spine, lungs with vessels, liver dome, couch.

Same anatomical millimetres as `phantom_heart` (origin in the middle of the heart, x left, y back, z up).
"""

from __future__ import annotations

import numpy as np

from globalmask.intake.phantom_canvas import (
    Array,
    Canvas,
    Region,
    ellipsoid,
    paint,
    smooth_noise,
    smooth_union,
)

MIDLINE_X = -12.0
CENTRE_Y = 14.0
INNER = (134.0, 88.0)


def draw_chest(canvas: Canvas, rng: np.random.Generator, *, heart_turn: Array, blood_hu: float) -> None:
    """Paint all but the heart and the great vessels on an empty canvas."""
    at = canvas.everything()
    rough = smooth_noise(canvas, rng, step_mm=14)
    _couch(canvas, rng)
    _wall(at, rng, rough)
    _lungs(canvas, rng, rough, blood_hu)
    _abdomen(canvas, rng, rough)
    _skeleton(canvas, rng, rough)
    _airways(canvas)


def _ring(at: Region, half_width: float, half_depth: float, power: float = 2.4) -> Array:
    """Approximate distance (mm) to an upright super-ellipse round the chest's axis."""
    u = np.abs(at.x - np.float32(MIDLINE_X)) / np.float32(half_width)
    v = np.abs(at.y - np.float32(CENTRE_Y)) / np.float32(half_depth)
    size = (u**power + v**power) ** np.float32(1 / power)
    return (size - 1) * np.float32((half_width + half_depth) / 2)


def _wall(at: Region, rng: np.random.Generator, rough: Array) -> None:
    fat = rng.uniform(8, 20)
    body = _ring(at, INNER[0] + 16 + fat, INNER[1] + 14 + fat)
    paint(at, body, 20.0)
    paint(at, body + 2, -102 + 6 * rough)
    paint(at, body + fat, 52 + 10 * rough)
    cavity = _ring(at, *INNER)
    paint(at, cavity - 2, -85 + 5 * rough)


def _lungs(canvas: Canvas, rng: np.random.Generator, rough: Array, blood_hu: float) -> None:
    at = canvas.everything()
    cavity = _ring(at, *INNER)
    heart = ellipsoid(at, (8, -8, -6), (80, 62, 62))
    u = (at.x - np.float32(MIDLINE_X + 4)) / 1
    column = np.maximum(np.abs(u) - 34, -at.y - 70)
    keep_out = smooth_union(column, heart, 20)
    lung = np.maximum(cavity, -keep_out)
    paint(at, lung, -862 + 25 * rough + 0.35 * at.y)


def _abdomen(canvas: Canvas, rng: np.random.Generator, rough: Array) -> None:
    at = canvas.everything()
    inside = _ring(at, INNER[0] - 1, INNER[1] - 1)
    right = ellipsoid(at, (-72, 16, -148), (86, 92, 98))
    left = ellipsoid(at, (62, 26, -152), (84, 84, 88))
    dome = np.maximum(np.minimum(right, left), inside)
    paint(at, dome, -60.0)
    paint(at, np.maximum(right + 1.5, inside), 105 + 5 * rough)


def _skeleton(canvas: Canvas, rng: np.random.Generator, rough: Array) -> None:
    for height in np.arange(-168, 168, 24.0):
        middle = (MIDLINE_X, 76, height)
        canvas.ellipsoid(middle, (19, 17, 12.5), 420.0)
        canvas.ellipsoid(middle, (17, 15, 10.5), 190.0)
        for side in (-1, 1):
            canvas.tube(_rib(side, height + 14), 5.0, 520.0)
    canvas.tube([(MIDLINE_X, 104, -160), (MIDLINE_X, 104, 160)], 8.0, 25.0)
    canvas.tube([(MIDLINE_X, -84, -40), (MIDLINE_X, -84, 130)], 8.0, 260.0)


def _rib(side: int, height: float) -> list[tuple[float, float, float]]:
    """One rib from the spine round the chest, falling towards the front."""
    angles = np.deg2rad(np.linspace(72, -48, 14))
    points = []
    for step, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        size = (abs(c) ** 2.4 + abs(s) ** 2.4) ** (-1 / 2.4)
        x = MIDLINE_X + side * (INNER[0] + 5) * c * size
        points.append((x, CENTRE_Y + (INNER[1] + 5) * s * size, height - 4.2 * step))
    return points


def _airways(canvas: Canvas) -> None:
    fork = (MIDLINE_X + 2, 30, 64)
    canvas.tube([fork, (MIDLINE_X, 26, 160)], 9.0, -990.0)
    canvas.tube([fork, (40, 40, 40)], (7.5, 5.5), -985.0)
    canvas.tube([fork, (-52, 36, 40)], (8, 6), -985.0)


def _couch(canvas: Canvas, rng: np.random.Generator) -> None:
    z, y, x = np.ix_(*canvas.table)
    sag = np.float32(rng.uniform(112, 118)) - (x / 60) ** 2 * np.float32(1.5) + 0 * z
    depth = np.broadcast_to(y - sag, canvas.shape)
    canvas.hu[(depth > 0) & (depth < 30)] = -930
    canvas.hu[(depth > 0) & (depth < 2.5)] = -120
