"""Inside the synthetic skull: brain, cerebellum, ventricles, cisterns and the labelled brain stem.

Anatomical millimetres as in `phantom_head`.
"""

from __future__ import annotations

import numpy as np

from globalmask.intake.phantom_canvas import (
    Array,
    Canvas,
    Region,
    ellipsoid,
    paint,
    rotation,
    smooth_noise,
    smooth_union,
)

BRAIN_STEM = 1
CSF_HU = 6.0
STEM_PARTS = (
    ((0, 5, -22), (17, 13.0, 14.5), -10),
    ((0, 8.5, -4), (16, 12.5, 11), -12),
    ((0, 13, -42), (10, 8.5, 18), 20),
)
"""Pons, midbrain, medulla: middle and radii in mm, lean in degrees."""
STEM_TO_CORD = ((0.0, 21.0, -57.0), (0.0, 27.0, -74.0))


def draw_brain(canvas: Canvas, rng: np.random.Generator, cavity: Array, rough: Array, *, head_size: float) -> None:
    """Paint all inside `cavity` (distance in mm, negative inside), the brain stem with its label.

    `rough` is smooth noise of unit spread; `head_size` is 1 for the standard head.
    """
    at = canvas.everything()
    paint(at, cavity, CSF_HU + 2 * rough)
    folds = smooth_noise(canvas, rng, step_mm=8.5)
    atrophy = rng.uniform(0.6, 1.5)
    depth = cavity + np.float32(1.4 + 0.7 * atrophy)
    grooves = np.exp(-((folds * np.float32(3.8)) ** 2)) * np.float32(4 + 4 * atrophy)
    cortex = np.clip((depth + 5 + 5 * np.abs(folds)) / 4 + 0.5, 0, 1)
    matter = 28.5 + np.float32(8.5) * cortex + np.float32(1.2) * rough
    paint(at, depth + np.clip(grooves - np.maximum(-depth - 3, 0) / 2, 0, None), matter)
    _nuclei(canvas)
    _cerebellum(canvas, rng, cavity)
    _ventricles(canvas, rng, atrophy)
    _membranes(canvas, cavity)
    _brain_stem(canvas, rng, head_size)


def _nuclei(canvas: Canvas) -> None:
    for side in (-1, 1):
        canvas.ellipsoid((side * 12, 6, 13), (8.5, 14, 9), 36.5)
        canvas.ellipsoid((side * 24, -9, 12), (6, 17, 10), 37.0)
        canvas.ellipsoid((side * 13, -24, 20), (4, 8, 8), 37.0)


def _cerebellum(canvas: Canvas, rng: np.random.Generator, cavity: Array) -> None:
    """Two hemispheres and the vermis, cut by folia, under a tent of dura."""
    at = canvas.everything()
    size = rng.uniform(0.95, 1.05)
    left, right = (ellipsoid(at, (side * 24, 46, -31), (27 * size, 27, 21)) for side in (1, -1))
    whole = smooth_union(smooth_union(left, right, 8), ellipsoid(at, (0, 47, -25), (11, 24, 20)), 6)
    whole = np.maximum(whole, cavity + 2)
    paint(at, np.maximum(whole - 3, cavity + 1), CSF_HU + 8)
    folia = np.sin(np.hypot(at.y - 20, (at.z + 28) * np.float32(1.6)) * np.float32(1.5))
    paint(at, whole, 35.5 + np.float32(2.0) * folia)
    for side in (-1, 1):
        canvas.ellipsoid((side * 20, 42, -31), (12, 12, 7), 31.0)


def _ventricles(canvas: Canvas, rng: np.random.Generator, atrophy: float) -> None:
    wide = 1.0 + 0.3 * atrophy
    for side in (-1, 1):
        skew = wide * rng.uniform(0.9, 1.1)
        body = [(side * x, y, z) for x, y, z in ((7, -34, 17), (8, -18, 23), (9, 4, 27), (14, 24, 25), (23, 38, 15))]
        canvas.tube(body, [radius * skew for radius in (4.5, 5.5, 5.2, 5.8, 6.8)], CSF_HU)
        canvas.tube([(side * 23, 38, 15), (side * 20, 58, 14)], (5 * skew, 2.5), CSF_HU)
        canvas.tube([(side * 23, 38, 15), (side * 33, 22, -3), (side * 30, 2, -10)], (5 * skew, 2.6, 1.8), CSF_HU)
        canvas.ellipsoid((side * 22, 39, 16), (2.2, 5, 3), 75.0)
        canvas.tube([(side * 24, -14, -2), (side * 44, -12, 4), (side * 54, 6, 14)], (2.6, 3.2 * wide, 2), CSF_HU)
    canvas.ellipsoid((0, 2, 11), (2.0 * wide, 13, 9), CSF_HU)
    canvas.ellipsoid((0, 18, 9), (2.6, 3, 2.6), 110.0)


def _membranes(canvas: Canvas, cavity: Array) -> None:
    """Falx and tentorium: thin dura, a little denser than brain, with the venous sinus behind."""
    at = canvas.everything()
    hoop = -np.hypot(at.y - 4, at.z - 8) + 46
    falx = np.maximum(np.maximum(np.abs(at.x) - 0.7, cavity), np.maximum(hoop, -at.z + 6))
    paint(at, falx, 58.0)
    roof = 4 - np.abs(at.x) * np.float32(0.34) - (at.y - 24) * np.float32(0.16)
    notch = 22 - np.hypot(at.x, at.y - 6) + 6
    tent = np.maximum(np.maximum(np.abs(at.z - roof) - 0.7, cavity), np.maximum(notch, -at.y + 12 + 0 * at.z))
    paint(at, tent, 55.0)
    canvas.tube([(0, 78, -10), (0, 82, 20), (0, 70, 58)], 3.0, 60.0)


def _brain_stem(canvas: Canvas, rng: np.random.Generator, head_size: float) -> None:
    """Midbrain, pons and medulla (label 1) in their cisterns, with the peduncles and the fourth ventricle."""
    # Brain stems vary less than heads.
    size = rng.uniform(0.975, 1.04) / head_size**0.6
    shift = np.clip(rng.normal(0, 1.2, 3), -2.5, 2.5)
    hu, rim = 26.0 + rng.uniform(-1, 1), rng.uniform(4.2, 6.0)
    at = canvas.region((-44, -34, -80), (44, 52, 30))
    top, bottom = np.float32(shift[2] + 10), np.float32(shift[2] - 57)
    paint(at, np.maximum(_stem_solid(at, size, shift, rim), at.z - top - 3), CSF_HU)
    canvas.ellipsoid((0, -13, 0), (12, 9, 7), CSF_HU)
    canvas.ellipsoid((0, 25, 3), (12, 6, 6), CSF_HU)
    canvas.tube([(0, 13, -50), *STEM_TO_CORD], (11, 10, 9), CSF_HU)
    for side in (-1, 1):
        canvas.tube([(side * 14, 9, -23), (side * 25, 32, -29)], (8, 8), 34.5)
        canvas.tube([(side * 9, 2, 2), (side * 15, -2, 12)], (7, 8), 34.0)
    canvas.tube(STEM_TO_CORD, (6.5, 5.5), hu + 3)
    fourth = ellipsoid(at, np.add((0, 22.5, -25), shift), (8, 5, 8))
    paint(at, fourth, CSF_HU)
    stem = np.maximum(_stem_solid(at, size, shift, 0.0), np.maximum(at.z - top, bottom - at.z))
    paint(at, np.maximum(stem, -fourth), hu, label=BRAIN_STEM)


def _stem_solid(at: Region, size: float, shift: Array, grow: float) -> Array:
    """Distance (mm) to the stem, `grow` mm thicker than it is; three ellipsoids that lean with the clivus."""
    solids = []
    for middle, radii, lean in STEM_PARTS:
        axes = rotation((lean, 0, 0)).T
        solids.append(ellipsoid(at, np.add(middle, shift), np.multiply(radii, size) + grow, axes=axes))
    pons, midbrain, medulla = solids
    return smooth_union(smooth_union(pons, midbrain, 5), medulla, 6)
